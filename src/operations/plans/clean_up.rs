//! What `pot de-init` leaves behind, and taking it away piece by piece.

use super::{needs, needs_file, needs_plain_rc};
use crate::digest::Digest;
use crate::facts::{Interface, PathKind};
use crate::operations::draft::{Action, Command, Draft, Expect, Inputs, PlannedStep, counted};
use crate::operations::plan::{Leftover, ManagedFile, Operation, ProofNeeded, StepState};
use crate::operations::{rc_conf, syslogd_flags};
use crate::process::Tool;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// What is left of pot on this host now.
pub fn leftovers(inputs: &Inputs<'_>) -> Vec<Leftover> {
    left(inputs).into_iter().map(|(leftover, _, _)| leftover).collect()
}

/// What will be left after de-init: which thing, and what of it.
pub(super) fn left_behind(inputs: &Inputs<'_>) -> Vec<(String, String)> {
    left(inputs).into_iter().map(|(_, title, detail)| (title, detail)).collect()
}

fn left(inputs: &Inputs<'_>) -> Vec<(Leftover, String, String)> {
    let mut found = Vec::new();
    if let Some((flags, rest)) = flags_left(inputs) {
        let then = if rest.is_empty() { "goes".to_owned() } else { format!("becomes `{rest}`") };
        found.push((Leftover::SyslogdFlags, "syslogd_flags in rc.conf".to_owned(), format!("`{flags}` {then}")));
    }
    if let Some(value) = inputs.facts.rc.get().and_then(|rc| rc.get("pot_enable"))
        && rc_conf::sets(inputs.files.bytes(ManagedFile::RcConf), "pot_enable")
    {
        found.push((Leftover::PotEnable, "pot_enable in rc.conf".to_owned(), format!("`{value}`")));
    }
    let bridges = bridges(inputs);
    if !bridges.is_empty() {
        let names: Vec<String> = bridges
            .iter()
            .map(|bridge| match bridge.addresses.first() {
                Some(address) => format!("{}, {}", bridge.name, address.network),
                None => bridge.name.clone(),
            })
            .collect();
        found.push((Leftover::Bridge, "bridge".to_owned(), names.join("; ")));
    }
    if let Some(pf) = inputs.facts.pf.get().filter(|pf| !pf.pot_nat.is_empty()) {
        found.push((Leftover::NatRules, "rules in pot-nat".to_owned(), counted(pf.pot_nat.len(), "rule")));
    }
    let fs_root = inputs.value("POT_FS_ROOT");
    if let Some(state) = inputs.facts.paths.get().and_then(|paths| paths.get(&fs_root))
        && state.kind == PathKind::Folder
    {
        let bridges = inputs.facts.private_bridges.get().map_or(0, Vec::len);
        found.push((
            Leftover::FsRoot,
            format!("folder {fs_root}"),
            if bridges == 0 {
                "empty folders".to_owned()
            } else {
                format!("with {}", counted(bridges, "private bridge"))
            },
        ));
    }
    found
}

/// syslogd_flags with pot's part in them: now, and without it.
fn flags_left(inputs: &Inputs<'_>) -> Option<(String, String)> {
    let flags = inputs.facts.rc.get()?.get("syslogd_flags")?.clone();
    let gateway: Ipv4Addr = inputs.parsed("POT_GATEWAY")?;
    let network: Ipv4Net = inputs.parsed("POT_NETWORK")?;
    let rest = syslogd_flags::without_pots(&flags, gateway, network)?;
    Some((flags, rest))
}

/// pot's public and IPv6 bridges.
fn bridges<'a>(inputs: &'a Inputs<'_>) -> Vec<&'a Interface> {
    let gateway: Option<Ipv4Addr> = inputs.parsed("POT_GATEWAY");
    inputs
        .facts
        .interfaces
        .get()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter(|interface| {
            interface.is_bridge()
                && (interface.groups.iter().any(|group| group == "pot")
                    || interface.addresses.iter().any(|own| Some(own.address()) == gateway))
        })
        .collect()
}

/// Plans taking things away. Anything but [`Operation::CleanUp`] gives a plan that is blocked.
pub fn clean_up(operation: &Operation, inputs: &Inputs<'_>) -> Draft {
    let mut draft = Draft::new(operation);
    let Operation::CleanUp { items } = operation else {
        draft.block("This is no plan for cleaning up.", "", None);
        return draft;
    };
    "Clean up".clone_into(&mut draft.button);
    let mut items = items.clone();
    items.sort_unstable();
    items.dedup();
    // Of pot's things nothing is taken away while it is there.
    let root = inputs.value("POT_ZFS_ROOT");
    needs(&mut draft, &inputs.facts.datasets, "The list of datasets");
    let initialised = inputs.facts.datasets.get().is_none_or(|all| all.iter().any(|dataset| dataset.name == root));
    if initialised {
        draft.block(
            format!("pot is initialised: {root} exists. What is offered here is needed by it."),
            "Run de-init first.",
            None,
        );
    }
    for item in &items {
        // What could not be asked is not gone.
        match item {
            Leftover::SyslogdFlags | Leftover::PotEnable => needs(&mut draft, &inputs.facts.rc, "rc.conf"),
            Leftover::Bridge => needs(&mut draft, &inputs.facts.interfaces, "The list of interfaces"),
            Leftover::NatRules => needs(&mut draft, &inputs.facts.pf, "The state of pf"),
            Leftover::FsRoot => {
                needs(&mut draft, &inputs.facts.paths, "What stands at pot's paths");
                needs(&mut draft, &inputs.facts.private_bridges, "The list of private bridges");
            }
        }
    }
    let present = leftovers(inputs);
    let rc_path = inputs.files.path(ManagedFile::RcConf).to_owned();
    let old_rc = inputs.files.bytes(ManagedFile::RcConf).to_vec();
    let mut rc = old_rc.clone();
    for item in &items {
        if !present.contains(item) {
            draft.step(PlannedStep::new(name(*item), StepState::Done, "is not there any more"));
            continue;
        }
        match item {
            Leftover::SyslogdFlags => {
                let Some((flags, rest)) = flags_left(inputs) else { continue };
                needs_file(&mut draft, inputs, ManagedFile::RcConf);
                let before = rc.clone();
                needs_plain_rc(&mut draft, inputs, "syslogd_flags", &rest, "");
                let (args, value, detail) = if rest.is_empty() {
                    rc = rc_conf::unset(&rc, "syslogd_flags");
                    (vec!["-x", "syslogd_flags"], None, "taken out: the system's default counts again".to_owned())
                } else {
                    rc = rc_conf::set(&rc, "syslogd_flags", &rest);
                    (vec!["-q"], Some(rest.clone()), format!("from `{flags}` to `{rest}`"))
                };
                let mut args: Vec<String> = args.into_iter().map(str::to_owned).collect();
                if let Some(value) = &value {
                    args.push(format!("syslogd_flags={value}"));
                }
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                let mut step = PlannedStep::new(name(*item), StepState::WillBeChanged, detail)
                    .act(Action::Backup(ManagedFile::RcConf))
                    .act(rc_change(inputs, &before, &rc, &args));
                if let Some(value) = value {
                    step = step.expect(Expect::Rc { name: "syslogd_flags".to_owned(), value: Some(value) });
                } else {
                    step = step.expect(Expect::Content { file: ManagedFile::RcConf, digest: Digest::of(&rc) });
                }
                draft.step(step);
            }
            Leftover::PotEnable => {
                needs_plain_rc(&mut draft, inputs, "pot_enable", "", "");
                let before = rc.clone();
                rc = rc_conf::unset(&rc, "pot_enable");
                draft.step(
                    PlannedStep::new(name(*item), StepState::WillBeChanged, "taken out of rc.conf")
                        .act(Action::Backup(ManagedFile::RcConf))
                        .act(rc_change(inputs, &before, &rc, &["-x", "pot_enable"]))
                        .expect(Expect::Content { file: ManagedFile::RcConf, digest: Digest::of(&rc) }),
                );
            }
            Leftover::Bridge => {
                for bridge in bridges(inputs) {
                    let title = format!("bridge {}", bridge.name);
                    if !bridge.members.is_empty() {
                        // While pot is in use that is as it should be, and said above.
                        if !initialised {
                            draft.block(
                                format!("{} still has members: {}.", bridge.name, bridge.members.join(", ")),
                                "Take them out first: they may be what this host is reached by.",
                                None,
                            );
                        }
                        draft.step(PlannedStep::new(title, StepState::Blocks, "has members"));
                        continue;
                    }
                    draft.step(
                        PlannedStep::new(title, StepState::WillBeDestroyed, "has no members, is removed")
                            .act(Action::Run(Command::new(Tool::Ifconfig, &[&bridge.name, "destroy"])))
                            .expect(Expect::NoBridge(bridge.name.clone())),
                    );
                }
            }
            Leftover::NatRules => draft.step(
                PlannedStep::new(name(*item), StepState::WillBeDestroyed, "flushed from the anchor pot-nat")
                    .act(Action::Run(Command::new(Tool::Pfctl, &["-a", "pot-nat", "-F", "nat"])))
                    .expect(Expect::NoNatRules),
            ),
            Leftover::FsRoot => {
                let fs_root = inputs.value("POT_FS_ROOT");
                let mounted = inputs.facts.datasets.get().is_some_and(|all| {
                    all.iter().any(|dataset| {
                        dataset.mounted && std::path::Path::new(&dataset.mountpoint).starts_with(&fs_root)
                    })
                });
                if mounted && !initialised {
                    draft.block(format!("A dataset is mounted below {fs_root}."), "Unmount it first: zfs list", None);
                }
                draft.proof = ProofNeeded::OneTime;
                let bridges = inputs.facts.private_bridges.get().map_or(0, Vec::len);
                draft.step(
                    PlannedStep::new(
                        format!("folder {fs_root}"),
                        StepState::WillBeDestroyed,
                        format!("removed with {} in it, if nothing else is there", counted(bridges, "private bridge")),
                    )
                    .act(Action::RemoveFsRoot(fs_root.clone()))
                    .expect(Expect::Absent(fs_root)),
                );
            }
        }
    }
    draft.diff(&rc_path, &old_rc, &rc);
    draft.uses(inputs, &["POT_ZFS_ROOT", "POT_GATEWAY", "POT_NETWORK"]);
    if items.contains(&Leftover::FsRoot) {
        draft.uses(inputs, &["POT_FS_ROOT"]);
    }
    draft.nothing_to_do = draft.steps.iter().all(|step| step.step.state == StepState::Done);
    let names: Vec<&str> = items.iter().filter(|item| present.contains(item)).map(|item| name(*item)).collect();
    draft.summary = if names.is_empty() {
        "Nothing of this is left.".to_owned()
    } else {
        format!("Takes away: {}.", names.join(", "))
    };
    draft.basis.push(format!("rc.conf {}", Digest::of(&old_rc)));
    draft
}

/// A change of rc.conf: sysrc's, but of a link, in whose place sysrc would put a plain file, the console's own.
fn rc_change(inputs: &Inputs<'_>, before: &[u8], after: &[u8], sysrc: &[&str]) -> Action {
    let file = ManagedFile::RcConf;
    match inputs.files.leads_to(file) {
        Some(_) => Action::Write { file, before: Some(Digest::of(before)), content: after.to_vec() },
        None => Action::Run(Command::new(Tool::Sysrc, sysrc)),
    }
}

/// As pages name it.
fn name(item: Leftover) -> &'static str {
    match item {
        Leftover::SyslogdFlags => "pot's part of syslogd_flags",
        Leftover::PotEnable => "pot_enable",
        Leftover::Bridge => "bridge",
        Leftover::NatRules => "rules in pot-nat",
        Leftover::FsRoot => "pot's folder",
    }
}
