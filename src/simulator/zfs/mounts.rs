//! mount and unmount, and what follows from another mountpoint.

use super::super::call::{Call, Failure, Outcome, getopt, has};
use super::super::datasets::is_below;
use super::super::machine::Machine;
use super::super::state::State;
use super::complaints::{open_error, option_error, usage};

/// Changes a property; what was mounted at or below the dataset is unmounted before and mounted again after.
pub(super) fn change_mounts(
    state: &mut State,
    machine: &Machine,
    name: &str,
    change: impl FnOnce(&mut State),
) -> Result<(), Failure> {
    let place = |state: &State, name: &str| (state.mountpoint(name).0, state.mounts_by_itself(name));
    let mut tree: Vec<String> = state
        .kept
        .datasets
        .iter()
        .map(|dataset| dataset.name.clone())
        .filter(|other| (other == name || is_below(other, name)) && !other.contains('@'))
        .collect();
    tree.sort();
    let before: Vec<_> = tree.iter().map(|name| place(state, name)).collect();
    let mut trial = state.clone();
    change(&mut trial);
    let moved: Vec<String> = tree
        .iter()
        .zip(&before)
        .filter(|(name, before)| place(&trial, name) != **before)
        .map(|(name, _)| name.clone())
        .collect();
    let mounted: Vec<String> =
        moved.iter().filter(|name| state.dataset(name).is_some_and(|dataset| dataset.mounted)).cloned().collect();
    for name in mounted.iter().rev() {
        if state.is_busy(name) {
            let at = state.dataset(name).and_then(|dataset| dataset.mounted_at.clone()).unwrap_or_default();
            return Err(Failure::new(1, format!("cannot unmount '{at}': pool or dataset is busy")));
        }
        state.unmount(machine, name)?;
    }
    let trial_value = trial.dataset(name).map(|dataset| dataset.local.clone());
    if let (Some(dataset), Some(local)) = (state.dataset_mut(name), trial_value) {
        dataset.local = local;
    }
    for moved in &moved {
        let was_mounted = mounted.contains(moved);
        let turned_on = moved == name && !was_mounted;
        if (was_mounted || turned_on) && state.mounts_by_itself(moved).is_some() {
            state.mount(machine, moved)?;
        }
    }
    Ok(())
}

pub(super) fn mount(call: &mut Call, args: &[String]) -> Outcome {
    let (flags, names) = match getopt(args, "Oaflo:v") {
        Ok(parsed) => parsed,
        Err(error) => return option_error(call, &error),
    };
    let machine = call.machine.clone();
    if names.is_empty() && !has(&flags, 'a') {
        for dataset in call.machine.state()?.kept.datasets {
            if let Some(at) = dataset.mounted_at.filter(|_| dataset.mounted) {
                call.say(format_args!("{:<30}  {at}", dataset.name));
            }
        }
        return Ok(0);
    }
    let names = names.to_vec();
    call.machine.change(|state| -> Outcome {
        if has(&flags, 'a') {
            let all: Vec<String> = state.kept.datasets.iter().map(|dataset| dataset.name.clone()).collect();
            for name in all {
                if state.mounts_by_itself(&name).is_some() {
                    state.mount(&machine, &name)?;
                }
            }
            return Ok(0);
        }
        let [name] = names.as_slice() else { return Err(Failure::new(2, "too many arguments")) };
        if state.is_locked(name) {
            return Err(Failure::new(1, format!("cannot mount '{name}': encryption key not loaded")));
        }
        if let Some(error) = open_error(state, name) {
            return Err(Failure::new(1, error));
        }
        let refuse = |reason: &str| Err(Failure::new(1, format!("cannot mount '{name}': {reason}")));
        let (mountpoint, _) = state.mountpoint(name);
        if mountpoint == "none" {
            return refuse("no mountpoint set");
        }
        if mountpoint == "legacy" {
            return refuse("legacy mountpoint\nuse mount(8) to mount this filesystem");
        }
        let Some(dataset) = state.dataset(name) else { return refuse("dataset does not exist") };
        if dataset.local.get("canmount").is_some_and(|canmount| canmount == "off") {
            return refuse("'canmount' property is set to 'off'");
        }
        if dataset.mounted {
            return refuse("filesystem already mounted");
        }
        state.mount(&machine, name)?;
        Ok(0)
    })?
}

pub(super) fn unmount(call: &mut Call, args: &[String]) -> Outcome {
    let (flags, names) = match getopt(args, "afu") {
        Ok(parsed) => parsed,
        Err(error) => return option_error(call, &error),
    };
    let [given] = names else { return usage(call, "missing filesystem argument") };
    let machine = call.machine.clone();
    let given = given.clone();
    call.machine.change(|state| -> Outcome {
        let by_path = state.kept.datasets.iter().find(|dataset| dataset.mounted_at.as_deref() == Some(&given));
        let name = by_path.map_or_else(|| given.clone(), |dataset| dataset.name.clone());
        if let Some(error) = open_error(state, &name) {
            return Err(Failure::new(1, error));
        }
        let Some(dataset) = state.dataset(&name) else { return Ok(1) };
        let at = dataset.mounted_at.clone().unwrap_or_default();
        if !dataset.mounted {
            return Err(Failure::new(1, format!("cannot unmount '{name}': not currently mounted")));
        }
        if state.is_busy(&name) && !has(&flags, 'f') {
            return Err(Failure::new(1, format!("cannot unmount '{at}': pool or dataset is busy")));
        }
        state.unmount(&machine, &name)?;
        Ok(0)
    })?
}
