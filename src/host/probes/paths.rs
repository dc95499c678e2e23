//! What stands at paths, where they lead, and who can change that.

use super::GatherInput;
use super::probe::Probe;
use crate::facts::{LeadsTo, PathKind, PathState};
use crate::files::{FileError, HostPath, Place};
use crate::layout::Layout;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

pub(super) fn paths(probe: &mut Probe<'_>, input: &GatherInput) -> Result<BTreeMap<String, PathState>, String> {
    let layout = probe.layout().clone();
    let mut states = BTreeMap::new();
    for path in &input.paths {
        let state = path_state(&layout, path).map_err(|error| format!("{path}: {error}"))?;
        states.insert(path.clone(), state);
    }
    let words = states
        .iter()
        .map(|(path, state)| {
            let end = state.leads_to.as_ref().map(|end| format!(" -> {}", end.path)).unwrap_or_default();
            format!("{path}: {:?} {}:{} {:o}{end}", state.kind, state.uid, state.gid, state.mode)
        })
        .collect::<Vec<_>>();
    probe.note("stat", words.join("\n"));
    Ok(states)
}

/// What stands at a host's path, where it leads, and who can change that.
///
/// # Errors
/// It may not be looked at, or leads in a ring.
pub(crate) fn path_state(layout: &Layout, path: &str) -> Result<PathState, FileError> {
    let here = layout.on_disk(path);
    let place = Place::of(layout, &here)?;
    let kind = |found: Option<&Metadata>| match found.map(Metadata::file_type) {
        None => PathKind::Absent,
        Some(kind) if kind.is_file() => PathKind::File,
        Some(kind) if kind.is_dir() => PathKind::Folder,
        Some(kind) if kind.is_symlink() => PathKind::Link,
        Some(_) => PathKind::Other,
    };
    let owner = |found: Option<&Metadata>| found.map_or((0, 0, 0), |it| (it.uid(), it.gid(), it.mode() & 0o7777));
    let (uid, gid, mode) = owner(place.itself.as_ref());
    let real = layout.shown(&place.real);
    let leads_to = (real != layout.shown(&here)).then(|| {
        let (uid, _, mode) = owner(place.found.as_ref());
        LeadsTo { path: real, kind: kind(place.found.as_ref()), uid, mode, refused: None }
    });
    let is_empty = |path: &Path| std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    Ok(PathState {
        kind: kind(place.itself.as_ref()),
        uid,
        gid,
        mode,
        empty: place.itself.is_none() || (!place.is_link() && is_empty(&place.real)),
        only_root_writes: place.only_root_writes(),
        exposed: place.exposed().map(|path| layout.shown(path)),
        replaceable_in: place.replaceable().map(|folder| layout.shown(folder)),
        leads_to,
    })
}

/// The same for a file that the console reads and writes: with why it does not, where that is so.
pub(super) fn managed_state(layout: &Layout, path: &str) -> Result<PathState, FileError> {
    let mut state = path_state(layout, path)?;
    if let Some(end) = state.leads_to.as_mut().filter(|_| state.kind == PathKind::Link) {
        end.refused = HostPath::of(layout, &layout.on_disk(path)).err().map(|error| error.to_string());
    }
    Ok(state)
}
