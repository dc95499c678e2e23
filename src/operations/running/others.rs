//! Files that someone else wrote while a run had the host: noticed and named in its result, never overwritten.

use crate::digest::Digest;
use crate::files::FileError;
use crate::operations::draft::{Action, PlanDraft};
use crate::operations::inputs::HostFiles;
use crate::operations::looking::Host;
use crate::plan::ManagedFile;
use std::collections::{BTreeMap, BTreeSet};

/// Largest file that is looked at, in bytes.
const LARGEST: u64 = 64 << 20;

/// What was last seen at a file's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastKnown {
    /// It could not be looked at yet.
    Nothing,
    /// It does not exist.
    Absent,
    /// Its content.
    Content(Digest),
}

struct File {
    path: String,
    /// As it was last seen.
    last: LastKnown,
    /// Whether the run's own commands may write it.
    is_ours: bool,
}

/// The managed files while a run has the host.
pub(super) struct Watched {
    files: BTreeMap<ManagedFile, File>,
    by_others: BTreeSet<String>,
}

impl Watched {
    /// As they stood when the run was about to start.
    pub(super) fn new(draft: &PlanDraft, before: &HostFiles) -> Self {
        let files = before.managed.iter().map(|(file, found)| {
            let last = match found.bytes.as_deref() {
                _ if found.unknown.is_some() => LastKnown::Nothing,
                Some(bytes) => LastKnown::Content(Digest::of(bytes)),
                None => LastKnown::Absent,
            };
            (*file, File { path: found.path.clone(), last, is_ours: may_write(draft, *file, &found.path) })
        });
        Self { files: files.collect(), by_others: BTreeSet::new() }
    }

    /// Looks while nothing of the run is at work: whatever is another now, someone else wrote.
    pub(super) fn look(&mut self, host: &Host) {
        self.look_after(host, false);
    }

    /// Looks after an action of the run: what it may write is its own doing.
    pub(super) fn look_after_own(&mut self, host: &Host) {
        self.look_after(host, true);
    }

    fn look_after(&mut self, host: &Host, own: bool) {
        for (file, known) in &mut self.files {
            let now = match host.managed(*file, &known.path).and_then(|here| here.read(LARGEST)) {
                Ok(bytes) => LastKnown::Content(Digest::of(&bytes)),
                Err(FileError::Missing(_)) => LastKnown::Absent,
                // It cannot be seen: nothing is said of it.
                Err(_) => continue,
            };
            if known.last != LastKnown::Nothing && known.last != now && !(own && known.is_ours) {
                self.by_others.insert(known.path.clone());
            }
            known.last = now;
        }
    }

    /// A sentence about what others wrote, if they did.
    pub(super) fn in_words(&self) -> Option<String> {
        if self.by_others.is_empty() {
            return None;
        }
        let files: Vec<&str> = self.by_others.iter().map(String::as_str).collect();
        let (were, stand) = if files.len() == 1 { ("was", "it stands") } else { ("were", "they stand") };
        Some(format!("Meanwhile {} {were} written by someone else; {stand} as they wrote it.", files.join(", ")))
    }
}

/// Whether the run itself may write the file: with an action of its own, or by a command of pot's or pkg's.
fn may_write(draft: &PlanDraft, file: ManagedFile, path: &str) -> bool {
    let planned = draft.diffs.iter().any(|diff| diff.file == path);
    let written = draft
        .steps
        .iter()
        .flat_map(|step| &step.actions)
        .any(|action| matches!(action, Action::Write { file: written, .. } if *written == file));
    planned || written || draft.operation.written_by_commands().contains(&file)
}
