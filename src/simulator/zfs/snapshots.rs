//! snapshot, rollback and holds.

use super::super::call::{Call, Failure, Outcome, getopt, has};
use super::super::datasets::{Value, is_below};
use super::complaints::{open_error, option_error, usage};
use super::table::shown;

pub(super) fn snapshot(call: &mut Call, args: &[String]) -> Outcome {
    let (flags, names) = match getopt(args, "o:r") {
        Ok(parsed) => parsed,
        Err(error) => return option_error(call, &error),
    };
    if names.is_empty() {
        return usage(call, "missing snapshot argument");
    }
    let names = names.to_vec();
    let machine = call.machine.clone();
    call.machine.change(|state| -> Outcome {
        for name in &names {
            let refuse = |reason: &str| Err(Failure::new(1, format!("cannot create snapshot '{name}': {reason}")));
            let Some((filesystem, tag)) = name.split_once('@') else {
                return Err(Failure::new(1, format!("cannot create snapshot '{name}': missing '@' delimiter in snapshot name, did you mean to use -r?")));
            };
            if state.dataset(filesystem).is_none() {
                return Err(Failure::new(1, format!("cannot open '{filesystem}': dataset does not exist")));
            }
            if state.dataset(name).is_some() {
                return refuse("dataset already exists");
            }
            if state.available(filesystem) == 0 {
                return refuse("out of space");
            }
            let targets: Vec<(String, u64)> = state
                .kept
                .datasets
                .iter()
                .filter(|other| !other.is_snapshot())
                .filter(|other| other.name == filesystem || has(&flags, 'r') && is_below(&other.name, filesystem))
                .map(|other| (format!("{}@{tag}", other.name), other.own))
                .collect();
            for (target, own) in targets {
                state.add_dataset(&machine, &target, &[], own)?;
            }
        }
        Ok(0)
    })?
}

pub(super) fn rollback(call: &mut Call, args: &[String]) -> Outcome {
    let (_, names) = match getopt(args, "Rfr") {
        Ok(parsed) => parsed,
        Err(error) => return option_error(call, &error),
    };
    let [name] = names else { return usage(call, "missing dataset argument") };
    let state = call.machine.state()?;
    match open_error(&state, name) {
        Some(error) => Err(Failure::new(1, error)),
        None if !name.contains('@') => {
            Err(Failure::new(1, format!("cannot open '{name}': operation not applicable to datasets of this type")))
        }
        None => Ok(0),
    }
}

pub(super) fn hold(call: &mut Call, subcommand: &str, args: &[String]) -> Outcome {
    let (_, rest) = match getopt(args, "r") {
        Ok(parsed) => parsed,
        Err(error) => return option_error(call, &error),
    };
    let [tag, names @ ..] = rest else { return usage(call, "missing tag argument") };
    if names.is_empty() {
        return usage(call, "missing snapshot argument");
    }
    let add = subcommand == "hold";
    call.machine.change(|state| -> Outcome {
        for name in names {
            let Some(dataset) = state.dataset_mut(name).filter(|dataset| dataset.is_snapshot()) else {
                return Err(Failure::new(1, format!("cannot {subcommand} snapshot '{name}': dataset does not exist")));
            };
            let held = dataset.holds.contains(tag);
            match (add, held) {
                (true, true) => {
                    return Err(Failure::new(
                        1,
                        format!("cannot hold snapshot '{name}': tag already exists on this dataset"),
                    ));
                }
                (true, false) => dataset.holds.push(tag.clone()),
                (false, true) => dataset.holds.retain(|held| held != tag),
                (false, false) => {
                    return Err(Failure::new(
                        1,
                        format!("cannot release hold from snapshot '{name}': no such tag on this dataset"),
                    ));
                }
            }
        }
        Ok(0)
    })?
}

pub(super) fn holds(call: &mut Call, args: &[String]) -> Outcome {
    let (flags, names) = match getopt(args, "Hpr") {
        Ok(parsed) => parsed,
        Err(error) => return option_error(call, &error),
    };
    let state = call.machine.state()?;
    if !has(&flags, 'H') {
        call.say("NAME  TAG  TIMESTAMP");
    }
    for name in names {
        match state.dataset(name) {
            Some(dataset) => {
                for tag in &dataset.holds {
                    let when = shown(&Value::Time(dataset.created), has(&flags, 'p'));
                    call.say(format_args!("{name}\t{tag}\t{when}"));
                }
            }
            None => return Err(Failure::new(1, format!("cannot open '{name}': dataset does not exist"))),
        }
    }
    Ok(0)
}
