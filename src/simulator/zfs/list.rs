//! list and get, and which datasets they choose.

use std::collections::BTreeMap;

use super::super::call::{Call, Failure, Flag, Outcome, getopt, has, value_of};
use super::super::datasets::{Source, Value, all_properties, is_below, is_property, pool_of};
use super::super::faults::Fault;
use super::super::state::State;
use super::complaints::{open_error, option_error, usage};
use super::table::{heading, shown, table};

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

fn depth_of(flags: &[Flag]) -> Result<Option<usize>, Failure> {
    if let Some(text) = value_of(flags, 'd') {
        return text.parse().map(Some).map_err(|_| Failure::new(2, format!("invalid depth '{text}'")));
    }
    Ok(has(flags, 'r').then_some(usize::MAX))
}

pub(super) fn list(call: &mut Call, args: &[String]) -> Outcome {
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
    if (names.is_empty() || has(&flags, 'r')) && !has(&flags, 'd') {
        rows.extend(state.crowd_listed(&names, &types, &columns));
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

pub(super) fn get(call: &mut Call, args: &[String]) -> Outcome {
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
