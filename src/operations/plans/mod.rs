//! One function per operation: from what is known about the host to a plan. Pure; [`super::engine`] gathers and runs.

#[cfg(test)]
mod agreement;
mod clean_up;
mod de_init;
#[cfg(test)]
mod drift;
mod init;
#[cfg(test)]
mod openness;
mod prepare;
mod restore;
mod vnet_start;

#[cfg(test)]
pub(crate) use clean_up::leftovers_in_words;
pub(crate) use clean_up::leftovers_with_words;
pub use clean_up::{clean_up, leftovers};
pub use de_init::de_init;
pub use init::init;
pub use prepare::prepare;
pub use restore::restore;
pub(crate) use vnet_start::vnet_start;

use super::checks::Expect;
use super::draft::{Action, Command, PlanDraft, PlannedStep};
use super::inputs::{Inputs, Override, PfTest, Untested};
use super::{before_init, rc_conf};
use crate::facts::{Pf, pot_installed};
use crate::plan::{ManagedFile, PREPARE_FIRST, StepState};
use crate::process::Tool;
use crate::rules::{PRIVATE_TMP, TmpPlace, next_boot_with, offers_private_tmp};

/// Datasets that `pot init` makes below POT_ZFS_ROOT, beside the cache.
pub(super) const CHILDREN: [&str; 3] = ["bases", "jails", "fscomp"];

/// Blocks when pot is not installed: neither as a package nor by other means.
fn needs_pot(draft: &mut PlanDraft, inputs: &Inputs<'_>) {
    match pot_installed(inputs.facts) {
        Some(true) => {}
        Some(false) => draft.block("pot is not installed on this host.", PREPARE_FIRST, None),
        None => needs(draft, &inputs.facts.packages, "Whether pot is installed"),
    }
}

/// The same, and whether that is all there is to say: without pot and its defaults a plan's steps would be made of names
/// that nobody has set.
fn is_without_pot(draft: &mut PlanDraft, inputs: &Inputs<'_>) -> bool {
    needs_pot(draft, inputs);
    let root = inputs.configuration.setting("POT_ZFS_ROOT");
    let is_unset = root.reason.is_none() && inputs.value("POT_ZFS_ROOT").is_empty();
    if is_unset && pot_installed(inputs.facts) == Some(true) {
        draft.block(
            "POT_ZFS_ROOT has no value: neither pot's defaults nor pot.conf set it.",
            "Install pot's package again, which brings the defaults, or set it in the configuration.",
            Some("POT_ZFS_ROOT"),
        );
    }
    if is_unset {
        "There is nothing to plan yet: what it would do depends on settings that are not there."
            .clone_into(&mut draft.summary);
    }
    is_unset
}

/// POT_TMP: pot makes it where it is missing, open to everybody; here it is a step of its own, for root alone. An
/// existing one is left as it is: it may be /tmp.
fn temporary_folder(draft: &mut PlanDraft, inputs: &Inputs<'_>) {
    let tmp = inputs.value("POT_TMP");
    if tmp.is_empty() {
        // pot takes /tmp then (`${POT_TMP:-/tmp}`).
        return;
    }
    needs(draft, &inputs.facts.paths, "What stands at pot's paths");
    let Some(state) = inputs.facts.paths.get().and_then(|paths| paths.get(&tmp)) else { return };
    let text = |name| inputs.configuration.value(name);
    let remedy = || {
        if offers_private_tmp(text("POT_FS_ROOT"), text("POT_CACHE"), inputs.facts) {
            format!("Set it to {PRIVATE_TMP}.")
        } else {
            "Choose a folder that only root can write, while no pot runs.".to_owned()
        }
    };
    match TmpPlace::of(&tmp, state) {
        TmpPlace::Folder => {}
        TmpPlace::Nothing => draft.step(
            PlannedStep::new(format!("POT_TMP {tmp}"), StepState::WillBeCreated, "is made for root alone, mode 700")
                .act(Action::PrivateFolder(tmp.clone()))
                .expect(Expect::Folder { path: tmp, group: None, mode: Some(0o700) }),
        ),
        TmpPlace::Dangling(to) => draft.block(
            format!("POT_TMP {tmp} is a link to {to}, and nothing is there."),
            format!("{} Or make the folder that the link names.", remedy()),
            Some("POT_TMP"),
        ),
        TmpPlace::NoFolder => draft.block(format!("POT_TMP {tmp} is not a folder."), remedy(), Some("POT_TMP")),
    }
}

/// Whether pfctl can judge a file only once pf's module is loaded (FreeBSD 15).
fn judged_later(inputs: &Inputs<'_>, tested: &PfTest) -> bool {
    matches!(tested, PfTest::Untested(Untested::PfNotLoaded)) && inputs.facts.pf.get().is_some_and(|pf| !pf.loaded)
}

/// Loads pf's module, by which pfctl can judge its file.
fn module_step() -> PlannedStep {
    PlannedStep::new(
        "pf module",
        StepState::WillBeChanged,
        "kldload pf: this release judges pf's file only with it; loading it turns nothing on",
    )
    .act(Action::Run(Command::new(Tool::Kldload, &["-n", "pf"])))
    .expect(Expect::PfLoaded)
}

/// Judges what is to be in pf's file before anything else is done: a run ends here when pf does not take it.
fn judging_step(path: &str, text: &[u8]) -> PlannedStep {
    let judging = Command::new(Tool::Pfctl, &["-nf", "-"]).reading(text);
    let mut step = PlannedStep::new(
        format!("test of {path}"),
        StepState::WillRun,
        "it could not be judged yet: pf is not loaded. If pf does not take it, the run ends here and nothing else is changed",
    );
    step.actions.push(Action::Run(judging));
    step
}

/// The rules that pf's file would give and those that are loaded, pot's anchors left out of both, sorted, or why
/// pfctl could not tell what the file would give.
fn rules_beside_pots(inputs: &Inputs<'_>, pf: &Pf, text: &[u8]) -> Result<(Vec<String>, Vec<String>), Untested> {
    let sorted = |rules: Vec<&String>| {
        let mut rules: Vec<String> = rules
            .into_iter()
            .filter(|rule| !(rule.contains("pot-nat") || rule.contains("pot-rdr")))
            .map(|rule| rule.trim().to_owned())
            .collect();
        rules.sort_unstable();
        rules
    };
    let file = (inputs.pf_expand)(text)?;
    Ok((sorted(file.iter().collect()), sorted(pf.nat.iter().chain(&pf.rules).collect())))
}

/// What the next boot has when pf does not take its file, as a sentence.
fn next_boot(inputs: &Inputs<'_>) -> String {
    format!("{}.", next_boot_with(inputs.facts, true, &PfTest::Invalid(Vec::new())).in_words())
}

/// Blocks when a fact that the plan stands on is not known.
fn needs<T>(draft: &mut PlanDraft, fact: &crate::facts::Fact<T>, what: &str) {
    if fact.get().is_none() {
        draft.block(
            format!("{what} could not be read: {}.", fact.error.as_deref().unwrap_or("no answer")),
            format!("Try {} at the machine.", fact.source),
            None,
        );
    }
}

/// Blocks when a file that the plan reads or writes is one that the console does neither with.
fn needs_file(draft: &mut PlanDraft, inputs: &Inputs<'_>, file: ManagedFile) {
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
fn needs_plain_rc(draft: &mut PlanDraft, inputs: &Inputs<'_>, name: &str, value: &str, otherwise: &str) {
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
                format!("Fix that file{otherwise}."),
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

/// Blocks when syslogd_flags in rc.conf are more than plain text: what the shell computes is left alone, for nothing
/// that the console could write would be the same. `now` is what sysrc made of it.
fn needs_plain_flags(draft: &mut PlanDraft, inputs: &Inputs<'_>, now: &str, otherwise: &str) {
    let path = inputs.files.path(ManagedFile::RcConf);
    let plain = match rc_conf::stands(inputs.files.bytes(ManagedFile::RcConf), before_init::FLAGS) {
        rc_conf::Stands::Absent => true,
        rc_conf::Stands::Plain(flags) => flags.trim() == now.trim(),
        rc_conf::Stands::Computed => false,
    };
    if !plain && inputs.files.overrides(before_init::FLAGS).is_none() {
        draft.block(
            format!("syslogd_flags in {path} is more than plain text: it is left alone."),
            format!("Write it there as one plain line{otherwise}."),
            None,
        );
    }
}

/// Interface problems: POT_EXTIF, POT_EXTIF_ADDR, POT_EXTRA_EXTIF against the interfaces that exist.
fn needs_interfaces(draft: &mut PlanDraft, inputs: &Inputs<'_>) {
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
fn pot(subcommand: &str, flags: &[&str]) -> Command {
    let mut args = vec![subcommand, "-v"];
    args.extend(flags);
    Command::new(Tool::Pot, &args)
}
