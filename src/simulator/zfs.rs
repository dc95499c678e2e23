//! Simulated zfs(8) and zpool(8).

use std::collections::BTreeMap;

use super::call::{BadOption, Call, Failure, Outcome, getopt, has, value_of};
use super::datasets::{Source, Value, all_properties, human, is_below, is_property, is_settable, parent_of, pool_of};
use super::faults::Fault;
use super::state::State;

const SUBCOMMANDS: &str =
    "create destroy list get set inherit mount unmount snapshot rollback clone rename hold release holds version";
const POOL_SUBCOMMANDS: &str = "create destroy list get status scrub export import version";

fn usage(call: &mut Call, reason: &str) -> Outcome {
    if !reason.is_empty() {
        call.warn(reason);
    }
    let name = call.name.clone();
    let known = if name == "zpool" { POOL_SUBCOMMANDS } else { SUBCOMMANDS };
    call.warn(format_args!("usage: {name} command args ...\nwhere 'command' is one of the following:\n\n\t{known}"));
    Ok(2)
}

fn option_error(call: &mut Call, error: &BadOption) -> Outcome {
    let text = match error {
        BadOption::Unknown(letter) => format!("invalid option '{letter}'"),
        BadOption::NoValue(letter) => format!("missing argument for '{letter}' option"),
    };
    usage(call, &text)
}

pub(crate) fn zfs(call: &mut Call) -> Outcome {
    let Some(subcommand) = call.args.first().cloned() else { return usage(call, "missing command") };
    let args: Vec<String> = call.args.drain(..).skip(1).collect();
    match subcommand.as_str() {
        "version" | "-V" | "--version" => {
            call.say("zfs-2.2.7-FreeBSD_ge269af1b3");
            call.say("zfs-kmod-2.2.7-FreeBSD_ge269af1b3");
            Ok(0)
        }
        "-?" | "help" => {
            call.say("usage: zfs command args ...");
            Ok(0)
        }
        "list" => list(call, &args),
        "get" => get(call, &args),
        "create" => create(call, &args),
        "destroy" => destroy(call, &args),
        "set" => set(call, &args),
        "inherit" => inherit(call, &args),
        "mount" => mount(call, &args),
        "unmount" | "umount" => unmount(call, &args),
        "snapshot" | "snap" => snapshot(call, &args),
        "rollback" => rollback(call, &args),
        "clone" => clone(call, &args),
        "rename" => rename(call, &args),
        "hold" | "release" => hold(call, &subcommand, &args),
        "holds" => holds(call, &args),
        other => usage(call, &format!("unrecognized command '{other}'")),
    }
}

fn open_error(state: &State, name: &str) -> Option<String> {
    if state.dataset(name).is_some() {
        return None;
    }
    if name.is_empty() || name.contains("//") || name.ends_with('/') || name.starts_with('/') || name.contains(' ') {
        return Some(format!("cannot open '{name}': invalid dataset name"));
    }
    Some(format!("cannot open '{name}': dataset does not exist"))
}

/// Prints a value as `list` and `get` do.
fn shown(value: &Value, exact: bool) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) if exact => bytes.to_string(),
        Value::Bytes(bytes) => human(*bytes),
        Value::Time(time) if exact => time.to_string(),
        Value::Time(time) => super::clock::at(*time).strftime("%a %b %e %H:%M %Y").to_string(),
    }
}

fn wanted_types(text: &str) -> Result<Vec<&str>, Failure> {
    let mut types = Vec::new();
    for word in text.split(',') {
        match word {
            "filesystem" | "fs" => types.push("filesystem"),
            "snapshot" | "snap" => types.push("snapshot"),
            "volume" | "vol" => types.push("volume"),
            "bookmark" => {}
            "all" => types.extend(["filesystem", "snapshot", "volume"]),
            other => return Err(Failure::new(2, format!("invalid type '{other}'"))),
        }
    }
    Ok(types)
}

/// The datasets that names and -r/-d choose, and whether a name could not be opened.
fn choose(
    call: &mut Call,
    state: &State,
    names: &[String],
    depth: Option<usize>,
    types: &[&str],
    types_given: bool,
) -> (Vec<String>, bool) {
    let kind = |name: &str| match state.property(name, "type") {
        Some((Value::Text(text), _)) => text,
        _ => String::new(),
    };
    let mut chosen = Vec::new();
    let mut failed = false;
    if names.is_empty() {
        for dataset in &state.kept.datasets {
            let deep = dataset.name.matches(['/', '@']).count();
            if types.contains(&kind(&dataset.name).as_str()) && depth.is_none_or(|depth| deep <= depth) {
                chosen.push(dataset.name.clone());
            }
        }
        return (chosen, false);
    }
    for name in names {
        let asked = name.strip_prefix('/').map_or(name.clone(), |_| {
            // A path stands for the dataset mounted there.
            let mounted = state.kept.datasets.iter().find(|dataset| dataset.mounted_at.as_deref() == Some(name));
            mounted.map_or_else(|| name.clone(), |dataset| dataset.name.clone())
        });
        if let Some(error) = open_error(state, &asked) {
            call.warn(error);
            failed = true;
            continue;
        }
        let own_kind = kind(&asked);
        // `-t snapshot` on a file system looks one level down when no depth is given.
        let depth = match depth {
            None if types_given && types == ["snapshot"] && own_kind != "snapshot" => Some(1),
            None => Some(0),
            given => given,
        };
        if types_given && !types.contains(&own_kind.as_str()) && depth == Some(0) {
            call.warn(format_args!("cannot open '{asked}': operation not applicable to datasets of this type"));
            failed = true;
            continue;
        }
        if types.contains(&own_kind.as_str()) || !types_given {
            chosen.push(asked.clone());
        }
        let base = asked.matches(['/', '@']).count();
        for dataset in &state.kept.datasets {
            let deep = dataset.name.matches(['/', '@']).count();
            if is_below(&dataset.name, &asked)
                && depth.is_none_or(|depth| deep - base <= depth)
                && types.contains(&kind(&dataset.name).as_str())
            {
                chosen.push(dataset.name.clone());
            }
        }
    }
    chosen.dedup();
    (chosen, failed)
}

fn depth_of(flags: &[super::call::Flag]) -> Result<Option<usize>, Failure> {
    if let Some(text) = value_of(flags, 'd') {
        return text.parse().map(Some).map_err(|_| Failure::new(2, format!("invalid depth '{text}'")));
    }
    Ok(has(flags, 'r').then_some(usize::MAX))
}

fn list(call: &mut Call, args: &[String]) -> Outcome {
    let (flags, names) = match getopt(args, "HS:d:o:prs:t:") {
        Ok(parsed) => parsed,
        Err(error) => return option_error(call, &error),
    };
    let state = call.machine.state()?;
    let exact = has(&flags, 'p');
    let columns: Vec<String> = value_of(&flags, 'o')
        .unwrap_or("name,used,available,referenced,mountpoint")
        .split(',')
        .map(str::to_owned)
        .collect();
    for column in &columns {
        if !is_property(column) {
            return usage(call, &format!("bad property list: invalid property '{column}'"));
        }
    }
    let types_given = value_of(&flags, 't').is_some();
    let names = names.to_vec();
    let snapshots_named = names.iter().any(|name| name.contains('@'));
    let default_types = if snapshots_named { "filesystem,volume,snapshot" } else { "filesystem,volume" };
    let types = match wanted_types(value_of(&flags, 't').unwrap_or(default_types)) {
        Ok(types) => types,
        Err(failure) => return usage(call, &failure.message),
    };
    let (mut chosen, failed) = choose(call, &state, &names, depth_of(&flags)?, &types, types_given);
    if let Some(key) = value_of(&flags, 's').or(value_of(&flags, 'S')) {
        let sort_value = |name: &String| match state.property(name, key) {
            Some((Value::Bytes(bytes), _)) => (bytes, String::new()),
            Some((Value::Time(time), _)) => (u64::try_from(time).unwrap_or(0), String::new()),
            Some((Value::Text(text), _)) => (0, text),
            None => (0, String::new()),
        };
        chosen.sort_by_cached_key(sort_value);
        if has(&flags, 'S') {
            chosen.reverse();
        }
    }
    if chosen.is_empty() && !failed && !has(&flags, 'H') {
        call.warn("no datasets available");
        return Ok(0);
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    if !has(&flags, 'H') {
        rows.push(columns.iter().map(|column| heading(column)).collect());
    }
    // What is left is the same all over a pool: counted once.
    let mut left: BTreeMap<&str, u64> = BTreeMap::new();
    for name in &chosen {
        let mut row = Vec::with_capacity(columns.len());
        for column in &columns {
            let value = match column.as_str() {
                "available" | "avail" if !name.contains('@') => {
                    Some(Value::Bytes(*left.entry(pool_of(name)).or_insert_with(|| state.available(name))))
                }
                column => state.property(name, column).map(|(value, _)| value),
            };
            row.push(value.map_or_else(|| "-".into(), |value| shown(&value, exact)));
        }
        rows.push(row);
    }
    if has(&flags, 'H') {
        for row in rows {
            call.say(row.join("\t"));
        }
        let asked =
            |dataset: &str| names.is_empty() || names.iter().any(|name| name == dataset || is_below(dataset, name));
        for fault in &state.faults {
            if let Fault::Snapshots(dataset, many) = fault
                && types.contains(&"snapshot")
                && asked(dataset)
            {
                for number in 1..=*many {
                    let name = format!("{dataset}@auto-{number:07}");
                    let row: Vec<&str> = columns
                        .iter()
                        .map(|column| match column.as_str() {
                            "name" => name.as_str(),
                            "type" => "snapshot",
                            "used" | "userrefs" => "0",
                            _ => "-",
                        })
                        .collect();
                    call.say(row.join("\t"));
                }
            }
        }
    } else if !chosen.is_empty() {
        table(call, &rows, &columns);
    }
    Ok(u8::from(failed))
}

fn heading(column: &str) -> String {
    match column {
        "available" => "AVAIL".into(),
        "referenced" => "REFER".into(),
        other => other.to_uppercase(),
    }
}

fn is_number_column(column: &str) -> bool {
    matches!(
        column,
        "used"
            | "available"
            | "avail"
            | "referenced"
            | "refer"
            | "compressratio"
            | "usedbysnapshots"
            | "usedbydataset"
            | "usedbychildren"
            | "quota"
            | "reservation"
            | "refquota"
            | "recordsize"
            | "size"
            | "allocated"
            | "free"
    )
}

/// Aligns rows: two blanks between, numbers to the right, the last column unpadded.
fn table(call: &mut Call, rows: &[Vec<String>], columns: &[String]) {
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let width = widths.get(at).copied().unwrap_or(0);
            if at > 0 {
                line.push_str("  ");
            }
            if columns.get(at).is_some_and(|column| is_number_column(column)) {
                line.push_str(&format!("{cell:>width$}"));
            } else if at + 1 == row.len() {
                line.push_str(cell);
            } else {
                line.push_str(&format!("{cell:<width$}"));
            }
        }
        call.say(line);
    }
}

fn get(call: &mut Call, args: &[String]) -> Outcome {
    let (flags, rest) = match getopt(args, "Hd:o:prs:t:") {
        Ok(parsed) => parsed,
        Err(error) => return option_error(call, &error),
    };
    let Some((wanted, names)) = rest.split_first() else { return usage(call, "missing property argument") };
    let state = call.machine.state()?;
    let mut properties: Vec<String> = Vec::new();
    for word in wanted.split(',') {
        match word {
            "all" => properties.extend(all_properties().into_iter().map(str::to_owned)),
            word if is_property(word) => properties.push(match word {
                "avail" => "available".to_owned(),
                "refer" => "referenced".to_owned(),
                other => other.to_owned(),
            }),
            word => return usage(call, &format!("bad property list: invalid property '{word}'")),
        }
    }
    let fields: Vec<String> = match value_of(&flags, 'o') {
        Some("all") => ["name", "property", "value", "received", "source"].map(str::to_owned).to_vec(),
        Some(text) => text.split(',').map(str::to_owned).collect(),
        None => ["name", "property", "value", "source"].map(str::to_owned).to_vec(),
    };
    if let Some(bad) =
        fields.iter().find(|field| !matches!(field.as_str(), "name" | "property" | "value" | "received" | "source"))
    {
        return usage(call, &format!("invalid column name '{bad}'"));
    }
    let names = names.to_vec();
    let types = match wanted_types(value_of(&flags, 't').unwrap_or("all")) {
        Ok(types) => types,
        Err(failure) => return usage(call, &failure.message),
    };
    let (chosen, failed) = choose(call, &state, &names, depth_of(&flags)?, &types, value_of(&flags, 't').is_some());
    let exact = has(&flags, 'p');
    let sources: Option<Vec<&str>> = value_of(&flags, 's').map(|text| text.split(',').collect());
    let mut rows: Vec<Vec<String>> = Vec::new();
    if !has(&flags, 'H') {
        rows.push(fields.iter().map(|field| field.to_uppercase()).collect());
    }
    for name in &chosen {
        for property in &properties {
            let found = state.property(name, property);
            if found.is_none() && wanted == "all" {
                continue;
            }
            let (value, source) = found
                .map_or_else(|| ("-".to_owned(), Source::Counted), |(value, source)| (shown(&value, exact), source));
            if let Some(sources) = &sources {
                let kind = match source {
                    Source::Local => "local",
                    Source::Default => "default",
                    Source::Inherited(_) => "inherited",
                    Source::Counted => "none",
                };
                if !sources.contains(&kind) {
                    continue;
                }
            }
            rows.push(
                fields
                    .iter()
                    .map(|field| match field.as_str() {
                        "name" => name.clone(),
                        "property" => property.clone(),
                        "value" => value.clone(),
                        "source" => source.text(),
                        _ => "-".to_owned(),
                    })
                    .collect(),
            );
        }
    }
    if has(&flags, 'H') {
        for row in rows {
            call.say(row.join("\t"));
        }
    } else {
        table(call, &rows, &fields);
    }
    Ok(u8::from(failed))
}

fn valid_component(name: &str) -> bool {
    !name.is_empty()
        && name.split('/').all(|part| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | ' '))
        })
}

fn create(call: &mut Call, args: &[String]) -> Outcome {
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

fn check_value(property: &str, value: &str) -> Result<(), String> {
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

fn destroy(call: &mut Call, args: &[String]) -> Outcome {
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

fn destroy_one(state: &mut State, machine: &super::machine::Machine, victim: &str, force: bool) -> Result<(), String> {
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
    machine: &super::machine::Machine,
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

fn set(call: &mut Call, args: &[String]) -> Outcome {
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

/// Changes a property; what was mounted at or below the dataset is unmounted before and mounted again after.
fn change_mounts(
    state: &mut State,
    machine: &super::machine::Machine,
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

fn inherit(call: &mut Call, args: &[String]) -> Outcome {
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

fn mount(call: &mut Call, args: &[String]) -> Outcome {
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

fn unmount(call: &mut Call, args: &[String]) -> Outcome {
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

fn snapshot(call: &mut Call, args: &[String]) -> Outcome {
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

fn rollback(call: &mut Call, args: &[String]) -> Outcome {
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

fn clone(call: &mut Call, args: &[String]) -> Outcome {
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

fn rename(call: &mut Call, args: &[String]) -> Outcome {
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

fn hold(call: &mut Call, subcommand: &str, args: &[String]) -> Outcome {
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

fn holds(call: &mut Call, args: &[String]) -> Outcome {
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

pub(crate) fn zpool(call: &mut Call) -> Outcome {
    let Some(subcommand) = call.args.first().cloned() else { return usage(call, "missing command") };
    let args: Vec<String> = call.args.drain(..).skip(1).collect();
    let state = call.machine.state()?;
    match subcommand.as_str() {
        "version" | "-V" | "--version" => {
            call.say("zfs-2.2.7-FreeBSD_ge269af1b3");
            call.say("zfs-kmod-2.2.7-FreeBSD_ge269af1b3");
            Ok(0)
        }
        "list" => zpool_list(call, &state, &args),
        "get" => zpool_get(call, &state, &args),
        "status" => {
            let (flags, names) = match getopt(&args, "DLPc:egipstvx") {
                Ok(parsed) => parsed,
                Err(error) => return option_error(call, &error),
            };
            zpool_status(call, &state, has(&flags, 'x'), names)
        }
        "export" | "import" | "scrub" | "destroy" | "create" => {
            Err(Failure::new(1, format!("cannot {subcommand}: not simulated")))
        }
        other => usage(call, &format!("unrecognized command '{other}'")),
    }
}

fn pool_value(state: &State, name: &str, property: &str, exact: bool) -> Option<String> {
    let pool = state.kept.pools.iter().find(|pool| pool.name == name)?;
    let full = state.available(name) == 0;
    let allocated = if full { pool.size } else { state.used(name).min(pool.size) };
    let bytes = |bytes: u64| if exact { bytes.to_string() } else { human(bytes) };
    let percent = |part: u64| {
        let share = part.saturating_mul(100).checked_div(pool.size).unwrap_or(0);
        if exact { share.to_string() } else { format!("{share}%") }
    };
    Some(match property {
        "name" => name.to_owned(),
        "size" => bytes(pool.size),
        "allocated" | "alloc" => bytes(allocated),
        "free" => bytes(pool.size - allocated),
        "checkpoint" | "ckpoint" | "expandsize" | "expandsz" | "altroot" => "-".into(),
        "fragmentation" | "frag" => percent(pool.size / 50),
        "capacity" | "cap" => percent(allocated),
        "dedupratio" | "dedup" => {
            if exact {
                "1.00".into()
            } else {
                "1.00x".into()
            }
        }
        "health" => pool.health.clone(),
        "guid" => "8713463189014253".into(),
        "bootfs" => format!("{name}/ROOT/default"),
        "readonly" => "off".into(),
        "autotrim" | "autoexpand" => "off".into(),
        "version" => "-".into(),
        _ => return None,
    })
}

fn pool_names(call: &mut Call, state: &State, names: &[String]) -> (Vec<String>, bool) {
    if names.is_empty() {
        return (state.kept.pools.iter().map(|pool| pool.name.clone()).collect(), false);
    }
    let mut known = Vec::new();
    let mut failed = false;
    for name in names {
        if state.kept.pools.iter().any(|pool| &pool.name == name) {
            known.push(name.clone());
        } else {
            call.warn(format_args!("cannot open '{name}': no such pool"));
            failed = true;
        }
    }
    (known, failed)
}

fn zpool_list(call: &mut Call, state: &State, args: &[String]) -> Outcome {
    let (flags, names) = match getopt(args, "HLPT:go:pv") {
        Ok(parsed) => parsed,
        Err(error) => return option_error(call, &error),
    };
    let columns: Vec<String> = value_of(&flags, 'o')
        .unwrap_or("name,size,allocated,free,checkpoint,expandsize,fragmentation,capacity,dedupratio,health,altroot")
        .split(',')
        .map(str::to_owned)
        .collect();
    if let Some(pool) = state.kept.pools.first() {
        for column in &columns {
            if pool_value(state, &pool.name, column, true).is_none() {
                return usage(call, &format!("invalid property '{column}'"));
            }
        }
    }
    let (names, failed) = pool_names(call, state, names);
    if names.is_empty() && !failed {
        if !has(&flags, 'H') {
            call.say("no pools available");
        }
        return Ok(0);
    }
    let mut rows: Vec<Vec<String>> = names
        .iter()
        .map(|name| columns.iter().filter_map(|column| pool_value(state, name, column, has(&flags, 'p'))).collect())
        .collect();
    if has(&flags, 'H') {
        for row in rows {
            call.say(row.join("\t"));
        }
    } else if !rows.is_empty() {
        rows.insert(
            0,
            columns
                .iter()
                .map(|column| match column.as_str() {
                    "allocated" => "ALLOC".into(),
                    "checkpoint" => "CKPOINT".into(),
                    "expandsize" => "EXPANDSZ".into(),
                    "fragmentation" => "FRAG".into(),
                    "capacity" => "CAP".into(),
                    "dedupratio" => "DEDUP".into(),
                    other => other.to_uppercase(),
                })
                .collect(),
        );
        table(call, &rows, &columns);
    }
    Ok(u8::from(failed))
}

fn zpool_get(call: &mut Call, state: &State, args: &[String]) -> Outcome {
    let (flags, rest) = match getopt(args, "Ho:p") {
        Ok(parsed) => parsed,
        Err(error) => return option_error(call, &error),
    };
    let Some((wanted, names)) = rest.split_first() else { return usage(call, "missing property argument") };
    let wanted = if wanted == "all" { "size,capacity,health,guid,bootfs,readonly,free,allocated" } else { wanted };
    let (names, failed) = pool_names(call, state, names);
    let fields: Vec<String> =
        value_of(&flags, 'o').unwrap_or("name,property,value,source").split(',').map(str::to_owned).collect();
    let mut rows = Vec::new();
    if !has(&flags, 'H') {
        rows.push(fields.iter().map(|field| field.to_uppercase()).collect::<Vec<_>>());
    }
    for name in &names {
        for property in wanted.split(',') {
            let Some(value) = pool_value(state, name, property, has(&flags, 'p')) else {
                return usage(call, &format!("bad property list: invalid property '{property}'"));
            };
            rows.push(
                fields
                    .iter()
                    .map(|field| match field.as_str() {
                        "name" => name.clone(),
                        "property" => property.to_owned(),
                        "value" => value.clone(),
                        _ => "-".to_owned(),
                    })
                    .collect(),
            );
        }
    }
    if has(&flags, 'H') {
        for row in rows {
            call.say(row.join("\t"));
        }
    } else {
        table(call, &rows, &fields);
    }
    Ok(u8::from(failed))
}

fn zpool_status(call: &mut Call, state: &State, only_trouble: bool, names: &[String]) -> Outcome {
    if only_trouble && state.kept.pools.iter().all(|pool| pool.health == "ONLINE") {
        call.say("all pools are healthy");
        return Ok(0);
    }
    let (names, failed) = pool_names(call, state, names);
    for pool in state.kept.pools.iter().filter(|pool| names.contains(&pool.name)) {
        call.say(format_args!("  pool: {}\n state: {}\nconfig:\n", pool.name, pool.health));
        call.say("\tNAME        STATE     READ WRITE CKSUM");
        call.say(format_args!("\t{:<10}  {:<8}     0     0     0", pool.name, pool.health));
        call.say(format_args!("\t  ada0p3    {:<8}     0     0     0\n\nerrors: No known data errors", pool.health));
    }
    Ok(u8::from(failed))
}
