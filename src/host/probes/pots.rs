//! The pots, which of them run, and the private bridges.

use super::folder::list;
use super::probe::{Probe, probe, read_at_most};
use crate::facts::{Dataset, Fact, Pot, PrivateBridge, size};
use crate::host::parse;
use crate::layout::Layout;
use crate::process::{Tool, Tools};
use std::collections::HashSet;

/// Pots and bridges are read up to this number each. On a host with more of them none is known: what acts on the list
/// must not take a part of it for the whole.
const MOST: usize = 16_384;
/// The largest file of a pot or a bridge in bytes; pot's own have some hundred.
const LARGEST: u64 = 64 << 10;
/// All of them together.
const LARGEST_TOGETHER: u64 = 32 << 20;

pub(super) fn pots(probe: &mut Probe<'_>, fs_root: &str) -> Result<Vec<Pot>, String> {
    let folder = below(fs_root, "jails")?;
    // A folder without that file is no pot: pot itself lists none there.
    each_file(probe, &folder, "/conf/pot.conf", |name, text| Ok(parse::pots::pot(name, text)))
}

/// What is read of the file `part` of each name in a folder, where there is one.
fn each_file<T>(
    probe: &mut Probe<'_>,
    folder: &str,
    part: &str,
    parse: impl Fn(&str, &str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let names = list(probe, folder)?;
    if names.len() > MOST {
        return Err(format!("{folder} holds {} names; where there are more than {MOST}, none is read", names.len()));
    }
    let mut found = Vec::with_capacity(names.len());
    let mut left = LARGEST_TOGETHER;
    for name in names {
        let file = format!("{folder}/{name}{part}");
        let read = read_at_most(&probe.layout().on_disk(&file), LARGEST);
        let Some(bytes) = read.map_err(|error| format!("{file}: {error}"))? else { continue };
        let too_much =
            || format!("the files in {folder} are larger than {} together: none is read", size(LARGEST_TOGETHER));
        left = left.checked_sub(bytes.len() as u64).ok_or_else(too_much)?;
        found.push(parse(&name, &String::from_utf8_lossy(&bytes))?);
    }
    Ok(found)
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
        Ok(text.lines().map(|line| line.trim().to_owned()).collect::<HashSet<_>>())
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
    each_file(probe, &folder, "", parse::pots::private_bridge)
}

fn below(fs_root: &str, part: &str) -> Result<String, String> {
    if fs_root.starts_with('/') { Ok(format!("{fs_root}/{part}")) } else { Err("POT_FS_ROOT is not known".to_owned()) }
}
