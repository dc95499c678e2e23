//! One function per operation: from what is known about the host to a plan. Pure; [`super::engine`] gathers and runs.

mod clean_up;
mod de_init;
mod init;
mod prepare;
mod restore;
mod vnet_start;

pub use clean_up::{clean_up, leftovers};
pub use de_init::de_init;
pub use init::{LOG_FOLDERS, init};
pub use prepare::prepare;
pub use restore::restore;
pub use vnet_start::vnet_start;

use super::draft::{Draft, Inputs, Override};
use super::plan::ManagedFile;
use super::rc_conf;
use crate::host::pot_installed;
use crate::process::Tool;

/// Datasets that `pot init` makes below POT_ZFS_ROOT, beside the cache.
pub(super) const CHILDREN: [&str; 3] = ["bases", "jails", "fscomp"];

/// Blocks when pot is not installed: neither as a package nor by other means.
fn needs_pot(draft: &mut Draft, inputs: &Inputs<'_>) {
    match pot_installed(inputs.facts) {
        Some(true) => {}
        Some(false) => draft.block("pot is not installed on this host.", "Prepare the host first.", None),
        None => needs(draft, &inputs.facts.packages, "Whether pot is installed"),
    }
}

/// Blocks when a fact that the plan stands on is not known.
fn needs<T>(draft: &mut Draft, fact: &crate::facts::Fact<T>, what: &str) {
    if fact.get().is_none() {
        draft.block(
            format!("{what} could not be read: {}.", fact.error.as_deref().unwrap_or("no answer")),
            format!("Try {} at the machine.", fact.source),
            None,
        );
    }
}

/// Blocks when a file that the plan reads or writes is one that the console does neither with.
fn needs_file(draft: &mut Draft, inputs: &Inputs<'_>, file: ManagedFile) {
    if let Some(why) = inputs.files.unknown(file) {
        let path = inputs.files.path(file);
        // What is wrong with a link names it and says what to do.
        let problem = if why.starts_with(path) { format!("{why}.") } else { format!("{path} cannot be used: {why}.") };
        draft.block(problem, "", None);
    }
}

/// " in FILE, where the link leads", where there is one.
fn where_it_leads(inputs: &Inputs<'_>, file: ManagedFile) -> String {
    inputs.files.leads_to(file).map(|target| format!(" in {target}, where the link leads")).unwrap_or_default()
}

/// Blocks when it cannot be said beforehand what sysrc(8) makes of `name` with this value: another file has the last word
/// (sysrc would write there, or to no effect), or the line in rc.conf is more than a plain value.
fn needs_plain_rc(draft: &mut Draft, inputs: &Inputs<'_>, name: &str, value: &str, otherwise: &str) {
    let path = inputs.files.path(ManagedFile::RcConf);
    match inputs.files.overrides(name) {
        Some(Override::Sets(other)) => {
            draft.block(
                format!("{other} sets {name} and has the last word over {path}."),
                format!("Move that line to {path}{otherwise}."),
                None,
            );
            return;
        }
        Some(Override::Unknown(why)) => {
            draft.block(
                format!("Whether another file has the last word over {path} on {name} is not known: {why}."),
                format!("Mend that file{otherwise}."),
                None,
            );
            return;
        }
        None => {}
    }
    if let Some(why) = rc_conf::unforeseeable(inputs.files.bytes(ManagedFile::RcConf), name, value) {
        draft.block(
            format!("What sysrc would make of {name} in {path} is not certain: {why}."),
            format!("Write it there as one plain line{otherwise}."),
            None,
        );
    }
}

/// Interface problems: POT_EXTIF, POT_EXTIF_ADDR, POT_EXTRA_EXTIF against the interfaces that exist.
fn needs_interfaces(draft: &mut Draft, inputs: &Inputs<'_>) {
    needs(draft, &inputs.facts.interfaces, "The list of interfaces");
    let Some(interfaces) = inputs.facts.interfaces.get() else { return };
    let external = inputs.value("POT_EXTIF");
    let found = interfaces.iter().find(|interface| interface.name == external);
    if external.is_empty() {
        draft.block("POT_EXTIF is not set.", candidates(inputs), Some("POT_EXTIF"));
    } else if found.is_none() {
        draft.block(
            format!("POT_EXTIF {external} does not exist on this host."),
            candidates(inputs),
            Some("POT_EXTIF"),
        );
    }
    let address = inputs.value("POT_EXTIF_ADDR");
    if let Some(found) = found.filter(|_| !address.is_empty())
        && !found.addresses.iter().any(|own| own.address().to_string() == address)
    {
        let own: Vec<String> = found.addresses.iter().map(|own| own.address().to_string()).collect();
        let remedy = match own.as_slice() {
            [] => format!("{external} has no IPv4 address."),
            [one] => format!("Set it to {one}, or leave it empty."),
            more => format!("Set it to one of {}, or leave it empty.", more.join(", ")),
        };
        draft.block(
            format!("POT_EXTIF_ADDR {address} is not an address of {external}."),
            remedy,
            Some("POT_EXTIF_ADDR"),
        );
    }
    for extra in inputs.configuration.list("POT_EXTRA_EXTIF") {
        if !interfaces.iter().any(|interface| interface.name == extra) {
            draft.block(
                format!("POT_EXTRA_EXTIF names {extra}, which does not exist on this host."),
                "Take it out of the list, or make the interface.",
                Some("POT_EXTRA_EXTIF"),
            );
        }
    }
}

/// "Set it to vtnet0." The interface with the default route comes first.
fn candidates(inputs: &Inputs<'_>) -> String {
    let interfaces = inputs.facts.interfaces.get().map(Vec::as_slice).unwrap_or_default();
    let route = inputs
        .facts
        .routes
        .get()
        .and_then(|routes| routes.iter().find(|route| route.destination.prefix_len() == 0))
        .map(|route| route.interface.clone());
    if let Some(name) = route.filter(|name| interfaces.iter().any(|interface| interface.name == *name)) {
        return format!("Set it to {name}.");
    }
    let names: Vec<&str> = interfaces
        .iter()
        .filter(|interface| !interface.is_loopback() && !interface.is_bridge())
        .map(|interface| interface.name.as_str())
        .collect();
    match names.as_slice() {
        [] => "This host has no network interface.".to_owned(),
        [one] => format!("Set it to {one}."),
        more => format!("Set it to one of {}.", more.join(", ")),
    }
}

/// pot's tool with arguments, `-v` always.
fn pot(subcommand: &str, flags: &[&str]) -> super::draft::Command {
    let mut args = vec![subcommand, "-v"];
    args.extend(flags);
    super::draft::Command::new(Tool::Pot, &args)
}
