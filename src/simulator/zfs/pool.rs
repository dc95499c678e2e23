//! zpool(8).

use super::super::call::{Call, Failure, Outcome, getopt, has, value_of};
use super::super::datasets::human;
use super::super::state::State;
use super::complaints::{option_error, usage};
use super::table::table;

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
