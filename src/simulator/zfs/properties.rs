//! set and inherit.

use super::super::call::{Call, Failure, Outcome, getopt};
use super::super::datasets::is_settable;
use super::complaints::{open_error, option_error, usage};
use super::mounts::change_mounts;

pub(super) fn check_value(property: &str, value: &str) -> Result<(), String> {
    let ok = match property {
        "mountpoint" => value.starts_with('/') || matches!(value, "none" | "legacy"),
        "canmount" => matches!(value, "on" | "off" | "noauto"),
        "atime" | "devices" | "exec" | "setuid" | "readonly" | "jailed" => matches!(value, "on" | "off"),
        "compression" => {
            matches!(value, "on" | "off" | "lz4" | "lzjb" | "zle" | "gzip" | "zstd" | "zstd-fast")
                || value.starts_with("gzip-")
                || value.starts_with("zstd-")
        }
        _ => true,
    };
    match (ok, property) {
        (true, _) => Ok(()),
        (false, "mountpoint") => Err("'mountpoint' must be an absolute path, 'none', or 'legacy'".into()),
        (false, "canmount") => Err("'canmount' must be one of 'on | off | noauto'".into()),
        (false, _) => Err(format!("bad value '{value}' for '{property}'")),
    }
}

pub(super) fn set(call: &mut Call, args: &[String]) -> Outcome {
    let (pairs, names): (Vec<&String>, Vec<&String>) = args.iter().partition(|arg| arg.contains('='));
    if pairs.is_empty() {
        return usage(call, "missing property=value argument");
    }
    if names.is_empty() {
        return usage(call, "missing dataset name(s)");
    }
    let machine = call.machine.clone();
    call.machine.change(|state| -> Outcome {
        for name in names {
            if let Some(error) = open_error(state, name) {
                return Err(Failure::new(1, error));
            }
            for pair in &pairs {
                let (property, value) = pair.split_once('=').unwrap_or((pair, ""));
                let refuse = |reason: &str| Err(Failure::new(1, format!("cannot set property for '{name}': {reason}")));
                if !is_settable(property) {
                    return refuse(&format!("invalid property '{property}'"));
                }
                if let Err(reason) = check_value(property, value) {
                    return refuse(&reason);
                }
                change_mounts(state, &machine, name, |state| {
                    if let Some(dataset) = state.dataset_mut(name) {
                        dataset.local.insert(property.to_owned(), value.to_owned());
                    }
                })?;
            }
        }
        Ok(0)
    })?
}

pub(super) fn inherit(call: &mut Call, args: &[String]) -> Outcome {
    let (_, rest) = match getopt(args, "rS") {
        Ok(parsed) => parsed,
        Err(error) => return option_error(call, &error),
    };
    let [property, names @ ..] = rest else { return usage(call, "missing property argument") };
    if names.is_empty() {
        return usage(call, "missing dataset argument");
    }
    let machine = call.machine.clone();
    let names = names.to_vec();
    call.machine.change(|state| -> Outcome {
        for name in &names {
            if let Some(error) = open_error(state, name) {
                return Err(Failure::new(1, error));
            }
            change_mounts(state, &machine, name, |state| {
                if let Some(dataset) = state.dataset_mut(name) {
                    dataset.local.remove(property);
                }
            })?;
        }
        Ok(0)
    })?
}
