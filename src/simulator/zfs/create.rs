//! create, clone and rename.

use super::super::call::{Call, Failure, Outcome, getopt, has, value_of};
use super::super::datasets::{is_below, is_settable, parent_of, pool_of};
use super::complaints::{open_error, option_error, usage};
use super::properties::check_value;

fn valid_component(name: &str) -> bool {
    !name.is_empty()
        && name.split('/').all(|part| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | ' '))
        })
}

pub(super) fn create(call: &mut Call, args: &[String]) -> Outcome {
    let (flags, names) = match getopt(args, "PV:b:no:psuv") {
        Ok(parsed) => parsed,
        Err(error) => return option_error(call, &error),
    };
    let [name] = names else {
        return usage(call, if names.is_empty() { "missing filesystem argument" } else { "too many arguments" });
    };
    let mut properties: Vec<(String, String)> = Vec::new();
    for flag in flags.iter().filter(|flag| flag.letter == 'o') {
        let Some((property, value)) = flag.value.split_once('=') else {
            return usage(call, "missing '=' for property=value argument");
        };
        if !is_settable(property) {
            return Err(Failure::new(1, format!("cannot create '{name}': invalid property '{property}'")));
        }
        if properties.iter().any(|(known, _)| known == property) {
            return usage(call, &format!("property '{property}' specified multiple times"));
        }
        check_value(property, value).map_err(|reason| Failure::new(1, format!("cannot create '{name}': {reason}")))?;
        properties.push((property.to_owned(), value.to_owned()));
    }
    let machine = call.machine.clone();
    let volume = value_of(&flags, 'V').is_some();
    call.machine.change(|state| -> Outcome {
        let refuse = |reason: String| Err(Failure::new(1, format!("cannot create '{name}': {reason}")));
        if !valid_component(name) {
            return refuse("invalid character in name".into());
        }
        if !state.kept.pools.iter().any(|pool| pool.name == pool_of(name)) {
            return refuse(format!("no such pool '{}'", pool_of(name)));
        }
        if state.dataset(name).is_some() {
            return if has(&flags, 'p') { Ok(0) } else { refuse("dataset already exists".into()) };
        }
        if state.available(name) == 0 {
            return refuse("out of space".into());
        }
        let mut missing: Vec<&str> = Vec::new();
        let mut above = parent_of(name);
        while let Some(parent) = above.filter(|parent| state.dataset(parent).is_none()) {
            missing.push(parent);
            above = parent_of(parent);
        }
        if !missing.is_empty() && !has(&flags, 'p') {
            return refuse("parent does not exist".into());
        }
        for parent in missing.into_iter().rev() {
            state.add_dataset(&machine, parent, &[], 96 * 1024)?;
        }
        let local: Vec<(&str, &str)> =
            properties.iter().map(|(property, value)| (property.as_str(), value.as_str())).collect();
        state.add_dataset(&machine, name, &local, 96 * 1024)?;
        if volume && let Some(dataset) = state.dataset_mut(name) {
            dataset.volume = true;
        }
        if has(&flags, 'u') {
            state.unmount(&machine, name)?;
        }
        Ok(0)
    })?
}

pub(super) fn clone(call: &mut Call, args: &[String]) -> Outcome {
    let (flags, names) = match getopt(args, "o:pu") {
        Ok(parsed) => parsed,
        Err(error) => return option_error(call, &error),
    };
    let [source, target] = names else { return usage(call, "missing source dataset argument") };
    let local: Vec<(&str, &str)> =
        flags.iter().filter(|flag| flag.letter == 'o').filter_map(|flag| flag.value.split_once('=')).collect();
    let machine = call.machine.clone();
    call.machine.change(|state| -> Outcome {
        if let Some(error) = open_error(state, source) {
            return Err(Failure::new(1, error));
        }
        let refuse = |reason: &str| Err(Failure::new(1, format!("cannot create '{target}': {reason}")));
        if state.dataset(target).is_some() {
            return refuse("dataset already exists");
        }
        if parent_of(target).is_none_or(|parent| state.dataset(parent).is_none()) {
            return refuse("parent does not exist");
        }
        if state.available(target) == 0 {
            return refuse("out of space");
        }
        state.add_dataset(&machine, target, &local, 8 * 1024)?;
        if let Some(dataset) = state.dataset_mut(target) {
            dataset.origin = Some(source.clone());
        }
        Ok(0)
    })?
}

pub(super) fn rename(call: &mut Call, args: &[String]) -> Outcome {
    let (_, names) = match getopt(args, "fpru") {
        Ok(parsed) => parsed,
        Err(error) => return option_error(call, &error),
    };
    let [source, target] = names else { return usage(call, "missing source dataset argument") };
    let machine = call.machine.clone();
    call.machine.change(|state| -> Outcome {
        if let Some(error) = open_error(state, source) {
            return Err(Failure::new(1, error));
        }
        if state.dataset(target).is_some() {
            return Err(Failure::new(1, format!("cannot rename '{source}': dataset already exists")));
        }
        let tree: Vec<String> = state
            .kept
            .datasets
            .iter()
            .map(|dataset| dataset.name.clone())
            .filter(|other| other == source || is_below(other, source))
            .collect();
        let mounted: Vec<bool> =
            tree.iter().map(|name| state.dataset(name).is_some_and(|dataset| dataset.mounted)).collect();
        for name in tree.iter().rev() {
            state.unmount(&machine, name)?;
        }
        let renamed: Vec<String> = tree.iter().map(|name| name.replacen(source.as_str(), target, 1)).collect();
        for (name, renamed) in tree.iter().zip(&renamed) {
            if let Some(dataset) = state.dataset_mut(name) {
                dataset.name.clone_from(renamed);
            }
        }
        // They are looked up by their order.
        state.sort_datasets();
        for (name, mounted) in renamed.iter().zip(mounted) {
            if mounted && state.mounts_by_itself(name).is_some() {
                state.mount(&machine, name)?;
            }
        }
        Ok(0)
    })?
}
