//! Files that someone changed outside of the console: noticed at the start and at every look at the host, recorded
//! with the difference.
//!
//! What was last known stands in `watched.json` in the private folder, the content among the kept versions. A change
//! of our own is noted there by whoever makes it; the look itself is taken only while nobody holds the change lock.

use super::configuration::{own_value, read_here};
use super::core::Executor;
use super::evidence::own;
use crate::diff::Diff;
use crate::digest::Digest;
use crate::files::{self, Expected, FileError, Lock};
use crate::journal::record::{Action, Change, Method, Outcome};
use crate::journal::{Keep, Retention};
use crate::operations::plan::ManagedFile;
use crate::platform::crash_point;
use crate::potconf::{Configuration, Document};
use crate::settings;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The files that are watched.
const WATCHED: [ManagedFile; 3] = [ManagedFile::PotConf, ManagedFile::PfConf, ManagedFile::RcConf];
/// A watched file is not longer than this.
const LONGEST: u64 = 8 << 20;
/// How often the history is looked through for what is too old.
const DAY: Duration = Duration::from_hours(24);

/// What was last known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// Content by path; none: there was no such file.
    files: BTreeMap<String, Option<Digest>>,
    /// The newest run whose changes are in it.
    run: u64,
    /// When the history was last looked through for what is too old.
    #[serde(default)]
    pruned: Option<Timestamp>,
}

/// The settings' words for how long each kind of record is kept.
fn retention(history: &settings::History) -> Retention {
    let default = Retention::default();
    let keep = |set: Option<settings::Keep>, default: Keep| {
        set.map_or(default, |keep| Keep { records: keep.records, age: DAY * keep.days })
    };
    Retention {
        changes: keep(history.changes, default.changes),
        visits: keep(history.visits, default.visits),
        by_itself: keep(history.by_itself, default.by_itself),
    }
}

/// What differs between two contents of pot.conf, parameter by parameter; nothing when one of them is not certain.
fn changed_parameters(default: &[u8], old: &[u8], new: &[u8]) -> Vec<Change> {
    let read = |own: &[u8]| Some(Configuration::new(Document::parse(default).ok()?, Document::parse(own).ok()?));
    let (Some(old), Some(new)) = (read(old), read(new)) else { return Vec::new() };
    let names: BTreeSet<String> =
        old.settings().into_iter().chain(new.settings()).map(|setting| setting.name).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let (from, to) = (own_value(&old, &name), own_value(&new, &name));
            (from != to).then_some(Change { name, from, to })
        })
        .collect()
}

/// `POT_NETWORK from 10.192.0.0/10 to 10.200.0.0/16`, at most five of them.
fn in_words(changes: &[Change]) -> String {
    const SHOWN: usize = 5;
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "the default".to_owned());
    let mut words: Vec<String> = changes
        .iter()
        .take(SHOWN)
        .map(|change| format!("{} from {} to {}", change.name, shown(&change.from), shown(&change.to)))
        .collect();
    if changes.len() > SHOWN {
        words.push(format!("and {} more", changes.len() - SHOWN));
    }
    words.join(", ")
}

impl Executor {
    fn watched_path(&self) -> PathBuf {
        self.layout.private().join("watched.json")
    }

    fn known(&self) -> Known {
        files::read_limited(&self.watched_path(), LONGEST)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    fn write_known(&self, known: &Known) {
        let written = serde_json::to_vec(known).map_err(|error| error.to_string()).and_then(|bytes| {
            files::replace_with_mode(&self.watched_path(), &Expected::Anything, &bytes, 0o600, &crash_point)
                .map_err(|error| error.to_string())
        });
        if let Err(error) = written {
            tracing::warn!("what is known of the watched files could not be written: {error}");
        }
    }

    /// Notes content that the console itself wrote. The caller holds the change lock.
    pub(super) fn note_known(&self, path: &Path, bytes: &[u8]) {
        let mut known = self.known();
        known.files.insert(self.layout.shown(path), Some(Digest::of(bytes)));
        self.write_known(&known);
        // Versions are kept of what a change replaces, not of what it writes: for that the difference would be missing.
        if let Err(error) =
            files::replace_with_mode(&self.last_written(path), &Expected::Anything, bytes, 0o600, &crash_point)
        {
            tracing::warn!("the content of {} could not be noted: {error}", path.display());
        }
    }

    /// Where the content that the console wrote last to `path` is noted.
    fn last_written(&self, path: &Path) -> PathBuf {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.layout.private().join(format!("watched-{name}"))
    }

    /// What stood in a file, by its digest: a kept version, or what the console wrote last.
    fn content_of(&self, file: ManagedFile, digest: &Digest) -> Option<Vec<u8>> {
        let kept = self.backups().read(file.name(), digest).ok();
        kept.or_else(|| {
            let written = files::read_limited(&self.last_written(&self.managed_path(file)), LONGEST).ok()?;
            (Digest::of(&written) == *digest).then_some(written)
        })
    }

    fn read_watched(&self, file: ManagedFile) -> Result<Option<Vec<u8>>, FileError> {
        match read_here(&self.managed_path(file), LONGEST) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(FileError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks whether a watched file is another than the one that is known, and records that.
    pub(super) fn look_for_outside_changes(&self) {
        // Someone who changes the host through the console notes it before letting go of the lock.
        let Ok(lock) = Lock::acquire(&self.layout, "looking for changes made outside", Duration::ZERO) else { return };
        // pf's file is not known before the first facts are.
        if self.facts.get().is_none() {
            return;
        }
        self.close_interrupted_under_lock(false);
        let mut known = self.known();
        let before = known.clone();
        // What a run changed is in its own record.
        let run = self.newest_run();
        let by_a_run = std::mem::replace(&mut known.run, run) != run;
        for file in WATCHED {
            let Ok(bytes) = self.read_watched(file) else { continue };
            let path = self.host_path(file);
            let now = bytes.as_deref().map(Digest::of);
            let last = known.files.get(&path).copied();
            if last == Some(now) {
                continue;
            }
            if let Some(bytes) = &bytes
                && let Err(error) = self.backups().keep(file.name(), &path, bytes, None)
            {
                tracing::warn!("{path} could not be kept: {error}");
            }
            if let Some(last) = last.filter(|_| !by_a_run) {
                self.record_outside(file, &path, last, now, bytes.as_deref());
            }
            known.files.insert(path, now);
        }
        let pruning = known.pruned.is_none_or(|last| Timestamp::now().duration_since(last).unsigned_abs() >= DAY);
        if pruning {
            known.pruned = Some(Timestamp::now());
        }
        if known != before {
            self.write_known(&known);
        }
        // The whole journal is read before anything of it goes: no save waits for that.
        drop(lock);
        if pruning {
            self.prune_history();
        }
    }

    /// Drops what the settings call too old, in whole segments; the journal leaves a signed checkpoint and a record.
    fn prune_history(&self) {
        match self.evidence.prune(&retention(&self.settings().history)) {
            Ok(Some(pruned)) => tracing::info!("records {} to {} were dropped by age", pruned.from, pruned.to),
            Ok(None) => {}
            Err(error) => tracing::error!("the history was not pruned: {error}"),
        }
    }

    fn record_outside(
        &self,
        file: ManagedFile,
        path: &str,
        last: Option<Digest>,
        now: Option<Digest>,
        bytes: Option<&[u8]>,
    ) {
        let old = match last {
            Some(digest) => self.content_of(file, &digest),
            None => Some(Vec::new()),
        };
        let what = match (last, now) {
            (None, _) => "appeared",
            (_, None) => "is gone",
            _ => "was changed",
        };
        let mut entry = own(Action::Outside, path, Outcome::Done, format!("{path} {what} outside of the console."));
        // Found by the console, done by nobody it knows.
        entry.actor.method = Method::None;
        entry.actor.name = "someone outside of the console".to_owned();
        if file == ManagedFile::PotConf
            && let (Some(old), Ok(default)) = (&old, read_here(&self.layout.default_conf(), LONGEST))
        {
            entry.changes = changed_parameters(&default, old, bytes.unwrap_or_default());
            if !entry.changes.is_empty() {
                entry.message = format!("{path} {what} outside of the console: {}.", in_words(&entry.changes));
            }
        }
        entry.diff = old.map(|old| Diff::between(path, &old, bytes.unwrap_or_default()));
        entry.before = last;
        entry.after = now;
        if let Err(refusal) = self.evidence.append(entry) {
            tracing::error!("a change made outside could not be recorded: {refusal}");
        }
    }
}
