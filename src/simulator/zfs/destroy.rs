//! destroy, of datasets and of snapshots.

use super::super::call::{Call, Failure, Outcome, getopt, has};
use super::super::datasets::{is_below, parent_of};
use super::super::machine::Machine;
use super::super::state::State;
use super::complaints::{open_error, option_error, usage};

pub(super) fn destroy(call: &mut Call, args: &[String]) -> Outcome {
    let (flags, names) = match getopt(args, "Rdfnprv") {
        Ok(parsed) => parsed,
        Err(error) => return option_error(call, &error),
    };
    let [name] = names else {
        return usage(call, if names.is_empty() { "missing dataset argument" } else { "too many arguments" });
    };
    let dry = has(&flags, 'n');
    let clones_too = has(&flags, 'R');
    let recursive = has(&flags, 'r') || clones_too;
    let machine = call.machine.clone();
    let name = name.clone();
    let verbose = has(&flags, 'v');
    let (said, warned, outcome) = call.machine.change(|state| {
        let mut said = String::new();
        let mut warned = Vec::new();
        let outcome = (|| -> Outcome {
            if let Some((filesystem, snapshot)) = name.split_once('@') {
                return destroy_snapshot(state, &machine, filesystem, snapshot, recursive);
            }
            if let Some(error) = open_error(state, &name) {
                return Err(Failure::new(1, error));
            }
            if !name.contains('/') && !recursive {
                return Err(Failure::new(
                    1,
                    format!("cannot destroy '{name}': operation does not apply to pools\nuse 'zfs destroy -r {name}' to destroy all datasets in the pool\nuse 'zpool destroy {name}' to destroy the pool itself"),
                ));
            }
            let below: Vec<String> =
                state.kept.datasets.iter().map(|dataset| dataset.name.clone()).filter(|other| is_below(other, &name)).collect();
            if !below.is_empty() && !recursive {
                let kind = if state.dataset(&name).is_some_and(|dataset| dataset.volume) { "volume" } else { "filesystem" };
                return Err(Failure::new(
                    1,
                    format!(
                        "cannot destroy '{name}': {kind} has children\nuse '-r' to destroy the following datasets:\n{}",
                        below.join("\n")
                    ),
                ));
            }
            // A clone outside of the tree is found before anything is destroyed.
            let clones: Vec<String> = state
                .kept
                .datasets
                .iter()
                .filter(|other| other.origin.as_deref().is_some_and(|origin| is_below(origin, &name)))
                .map(|other| other.name.clone())
                .filter(|other| other != &name && !is_below(other, &name))
                .collect();
            if !clones.is_empty() && !clones_too {
                return Err(Failure::new(
                    1,
                    format!(
                        "cannot destroy '{name}': filesystem has dependent clones\nuse '-R' to destroy the following datasets:\n{}",
                        clones.join("\n")
                    ),
                ));
            }
            // Deepest first, snapshots before their file system; a problem with one does not stop the rest.
            let mut doomed: Vec<String> = below;
            doomed.extend(clones);
            doomed.push(name.clone());
            doomed.sort_by(|a, b| {
                let filesystem = |name: &str| name.split('@').next().unwrap_or(name).to_owned();
                filesystem(b).cmp(&filesystem(a)).then_with(|| b.contains('@').cmp(&a.contains('@'))).then_with(|| a.cmp(b))
            });
            let mut failed = false;
            for victim in doomed {
                if verbose || dry {
                    let verb = if dry { "would destroy" } else { "will destroy" };
                    if verbose {
                        said.push_str(&format!("{verb} {victim}\n"));
                    }
                }
                if dry {
                    continue;
                }
                if let Err(reason) = destroy_one(state, &machine, &victim, has(&flags, 'f')) {
                    warned.push(reason);
                    failed = true;
                }
            }
            Ok(u8::from(failed))
        })();
        (said, warned, outcome)
    })?;
    call.print(&said);
    for line in warned {
        call.warn(line);
    }
    outcome
}

fn destroy_one(state: &mut State, machine: &Machine, victim: &str, force: bool) -> Result<(), String> {
    let io = |error: std::io::Error| format!("cannot destroy '{victim}': {error}");
    let Some(dataset) = state.dataset(victim) else { return Ok(()) };
    if dataset.is_snapshot() {
        if !dataset.holds.is_empty() {
            return Err(format!(
                "cannot destroy snapshot {victim}: it's being held. Run 'zfs holds -r {victim}' to see holders."
            ));
        }
        if state.kept.datasets.iter().any(|other| other.origin.as_deref() == Some(victim)) {
            return Err(format!("cannot destroy '{victim}': snapshot has dependent clones"));
        }
        return state.remove_dataset(machine, victim).map_err(io);
    }
    if dataset.mounted {
        if state.is_busy(victim) && !force {
            let at = dataset.mounted_at.clone().unwrap_or_default();
            return Err(format!("cannot unmount '{at}': pool or dataset is busy"));
        }
        state.unmount(machine, victim).map_err(io)?;
    }
    if state
        .kept
        .datasets
        .iter()
        .any(|other| is_below(&other.name, victim) && other.is_snapshot() && parent_of(&other.name) == Some(victim))
    {
        return Err(format!("cannot destroy '{victim}': dataset is busy"));
    }
    if state.kept.datasets.iter().any(|other| is_below(&other.name, victim)) {
        return Err(format!("cannot destroy '{victim}': dataset already exists"));
    }
    if !victim.contains('/') {
        return Ok(());
    }
    state.remove_dataset(machine, victim).map_err(io)
}

fn destroy_snapshot(
    state: &mut State,
    machine: &Machine,
    filesystem: &str,
    snapshot: &str,
    recursive: bool,
) -> Outcome {
    let victims: Vec<String> = state
        .kept
        .datasets
        .iter()
        .map(|dataset| dataset.name.clone())
        .filter(|name| {
            name.split_once('@').is_some_and(|(owner, tag)| {
                tag == snapshot && (owner == filesystem || recursive && is_below(owner, filesystem))
            })
        })
        .collect();
    if victims.is_empty() {
        return Err(Failure::new(1, "could not find any snapshots to destroy; check snapshot names."));
    }
    for victim in victims {
        destroy_one(state, machine, &victim, false).map_err(|reason| Failure::new(1, reason))?;
    }
    Ok(0)
}
