//! The pots, which of them run, and the private bridges.

use super::folder::list;
use super::probe::{Probe, probe, read};
use crate::facts::{Dataset, Fact, Pot, PrivateBridge};
use crate::host::parse;
use crate::layout::Layout;
use crate::process::{Tool, Tools};
use std::collections::BTreeSet;

/// Pots and bridges are read up to this number.
const MOST_POTS: usize = 4096;

pub(super) fn pots(probe: &mut Probe<'_>, fs_root: &str) -> Result<Vec<Pot>, String> {
    let folder = below(fs_root, "jails")?;
    let names = list(probe, &folder)?;
    at_most(&folder, names.len())?;
    let mut pots = Vec::new();
    for name in names {
        let file = format!("{folder}/{name}/conf/pot.conf");
        // A folder without that file is no pot: pot itself lists none there.
        if let Some(bytes) = read(&probe.layout().on_disk(&file)).map_err(|error| format!("{file}: {error}"))? {
            pots.push(parse::pots::pot(&name, &String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(pots)
}

fn at_most(folder: &str, found: usize) -> Result<(), String> {
    if found > MOST_POTS {
        return Err(format!("{folder} holds {found} folders; more than {MOST_POTS} are not read"));
    }
    Ok(())
}

/// A pot whose dataset is not mounted cannot be seen: the list of pots is not whole then, and says so.
pub(super) fn hidden(datasets: &Fact<Vec<Dataset>>, zfs_root: &str, pots: &mut Fact<Vec<Pot>>) {
    if zfs_root.is_empty() {
        return;
    }
    let jails = format!("{zfs_root}/jails");
    let of_a_pot =
        |name: &str| name.strip_prefix(&jails).is_some_and(|rest| rest.is_empty() || rest.matches('/').count() == 1);
    let hidden: Vec<&str> = datasets
        .get()
        .into_iter()
        .flatten()
        .filter(|dataset| dataset.is_hidden() && of_a_pot(&dataset.name))
        .map(|dataset| dataset.name.as_str())
        .collect();
    let Some(first) = hidden.first() else { return };
    let more = if hidden.len() > 1 { format!(" and {} more", hidden.len() - 1) } else { String::new() };
    let is = if hidden.len() > 1 { "are" } else { "is" };
    let why = format!("{first}{more} {is} not mounted: which pots are there cannot be seen");
    pots.error = Some(match pots.error.take() {
        Some(before) => format!("{before}; {why}"),
        None => why,
    });
}

/// Asks which pots run: `jls name` names all running jails at once, where pot would ask for each.
pub(super) fn running(layout: &Layout, tools: &Tools, pots: &mut Fact<Vec<Pot>>) {
    let Some(list) = pots.value.as_mut().filter(|list| !list.is_empty()) else { return };
    let jails = probe(layout, tools, |probe| {
        let text = probe.answer(Tool::Jls, &["name"])?;
        Ok(text.lines().map(|line| line.trim().to_owned()).collect::<BTreeSet<_>>())
    });
    match &jails.value {
        Some(names) => {
            for pot in list {
                pot.running = Some(names.contains(&pot.name));
            }
        }
        // The pots are known all the same; the error stands beside them.
        None => pots.error.clone_from(&jails.error),
    }
    pots.source = format!("{}; {}", pots.source, jails.source);
    pots.evidence = format!("{}\n{}\n{}", pots.evidence, jails.source, jails.evidence);
    pots.evidence.truncate(pots.evidence.floor_char_boundary(4 << 10));
    pots.took_ms = pots.took_ms.saturating_add(jails.took_ms);
}

pub(super) fn private_bridges(probe: &mut Probe<'_>, fs_root: &str) -> Result<Vec<PrivateBridge>, String> {
    let folder = below(fs_root, "bridges")?;
    let names = list(probe, &folder)?;
    at_most(&folder, names.len())?;
    names
        .into_iter()
        .filter_map(|name| match read(&probe.layout().on_disk(&format!("{folder}/{name}"))) {
            Ok(bytes) => bytes.map(|bytes| parse::pots::private_bridge(&name, &String::from_utf8_lossy(&bytes))),
            Err(error) => Some(Err(format!("{folder}/{name}: {error}"))),
        })
        .collect()
}

fn below(fs_root: &str, part: &str) -> Result<String, String> {
    if fs_root.starts_with('/') { Ok(format!("{fs_root}/{part}")) } else { Err("POT_FS_ROOT is not known".to_owned()) }
}
