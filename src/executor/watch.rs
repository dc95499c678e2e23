//! Files that someone changed outside of the console: noticed at the start and within seconds, recorded with the
//! difference.
//!
//! What was last known stands in `watched.json` in the private folder, the content among the kept versions. A change
//! of our own is noted there by whoever makes it; the look itself is taken only while nobody holds the change lock.

use super::common::{KnownTools, SettingsInForce};
use super::evidence::{Evidence, own};
use super::facts_cache::FactsCache;
use super::managed::{ManagedFiles, Trace, trace};
use super::outbox::Hints;
use super::requester::Requester;
use super::strip::Noticed;
use crate::diff::{Diff, Side};
use crate::digest::Digest;
use crate::files::{self, Expected, FileError, HostPath, Lock};
use crate::journal::record::{Action, Change, Entry, Method, Outcome};
use crate::journal::{Keep, Retention};
use crate::layout::Layout;
use crate::operations::engine::Engine;
use crate::operations::recorder::{changed_parameters, changes_in_words};
use crate::plan::ManagedFile;
use crate::platform::crash_point;
use crate::potconf::Document;
use crate::process::harmless;
use crate::settings::{self, Settings};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The files that are watched.
pub(super) const WATCHED: [ManagedFile; 3] = [ManagedFile::PotConf, ManagedFile::PfConf, ManagedFile::RcConf];
/// A watched file is not longer than this.
const LONGEST: u64 = 8 << 20;
/// Runs that are asked for the files they changed.
const RUNS_LOOKED_AT: usize = 100;
/// Records among which the newest about a file is looked for.
const RECORDS_LOOKED_AT: u64 = 500;
/// How long the look after a run waits for the run to let go of the host.
const AFTER_RUN: Duration = Duration::from_secs(5);
/// How often the history is looked through for what is too old.
const DAY: Duration = Duration::from_hours(24);

/// What was last known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// Content by path; none: there was no such file.
    files: BTreeMap<String, Option<Digest>>,
    /// The journal's last record when that was noted, by path: later ones may tell of a change of our own.
    #[serde(default)]
    seen: BTreeMap<String, u64>,
    /// The last content of pot.conf that could be read as a configuration, while the present one cannot.
    #[serde(default)]
    certain: Option<Digest>,
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

/// `taken out: nat-anchor pot-nat; added: pass all`, at most five lines, each cut where it is long.
fn lines_in_words(diff: &Diff) -> String {
    const SHOWN: usize = 5;
    const LONGEST_SHOWN: usize = 100;
    let changed: Vec<_> =
        diff.hunks.iter().flat_map(|hunk| &hunk.lines).filter(|line| line.side != Side::Context).collect();
    let mut words: Vec<String> = changed
        .iter()
        .take(SHOWN)
        .map(|line| {
            let side = if line.side == Side::Added { "added" } else { "taken out" };
            let text = harmless(line.text.trim()).into_owned();
            let cut = text.chars().take(LONGEST_SHOWN).collect::<String>();
            let rest = if cut.len() < text.len() { "…" } else { "" };
            if text.is_empty() { format!("{side}: an empty line") } else { format!("{side}: {cut}{rest}") }
        })
        .collect();
    if changed.len() > SHOWN {
        words.push(format!("and {} lines more", changed.len() - SHOWN));
    }
    words.join("; ")
}

/// Looks at the host: gathers facts, notices what others change, and closes what was left unfinished.
pub(super) struct Watching {
    pub(super) layout: Layout,
    pub(super) settings: SettingsInForce,
    pub(super) tools: KnownTools,
    pub(super) facts: Arc<FactsCache>,
    pub(super) managed: Arc<ManagedFiles>,
    pub(super) engine: Arc<Engine>,
    pub(super) evidence: Arc<Evidence>,
    pub(super) hints: Arc<Hints>,
    pub(super) noticed: Noticed,
}

impl Watching {
    /// Nobody gathers facts for a command line; one that judges looks once, before it takes any lock.
    pub(super) fn look_before_judging(&self, requester: &Requester) {
        if requester.terminal && self.facts.get().is_none() {
            self.gather_facts();
        }
    }

    /// Tells the web process of runs that another process (the command line) carries out.
    pub(super) fn tell_of_runs(&self) {
        // Of a command line that was killed while its run waited to be kept.
        self.engine.take_up_orphans();
        if self.engine.active().is_some() {
            return;
        }
        if let Some(run) = self.engine.runs(None, 1).ok().and_then(|runs| runs.into_iter().next()) {
            self.hints.tell(|hint| hint.run = Some((run.id, run.last_event)));
        }
    }

    /// The number of the newest run, 0 when there is none; none: not known.
    fn newest_run(&self) -> Option<u64> {
        match self.engine.newest_run() {
            Ok(newest) => Some(newest.unwrap_or(0)),
            Err(refusal) => {
                tracing::error!("{refusal}");
                None
            }
        }
    }

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
        let shown = self.layout.shown(path);
        known.seen.insert(shown.clone(), self.last_record());
        known.files.insert(shown, Some(Digest::of(bytes)));
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
        let kept = self.managed.backups().read(file.name(), digest).ok();
        kept.or_else(|| {
            let written = files::read_limited(&self.last_written(&self.managed.managed_path(file)), LONGEST).ok()?;
            (Digest::of(&written) == *digest).then_some(written)
        })
    }

    fn read_watched(&self, file: ManagedFile) -> Result<Option<Vec<u8>>, FileError> {
        match self.managed.managed_place(file).and_then(|here| here.read(LONGEST)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(FileError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the watched files look like from outside: another one of them differs in that.
    pub(super) fn traces_of_watched(&self) -> [Option<Trace>; WATCHED.len()] {
        WATCHED.map(|file| {
            let found = std::fs::symlink_metadata(self.managed.managed_place(file).ok()?.real).ok()?;
            Some(trace(&found))
        })
    }

    /// Looks whether a watched file is another than the one that is known, and records that.
    pub(super) fn look_for_outside_changes(&self) {
        self.look_within(Duration::ZERO);
    }

    /// The same right after a run: what it left is its own doing, what comes later is not.
    pub(super) fn look_after_run(&self) {
        self.look_within(AFTER_RUN);
    }

    fn look_within(&self, time: Duration) {
        // Someone who changes the host through the console notes it before letting go of the lock.
        let Ok(_lock) = Lock::acquire(&self.layout, "looking for changes made outside", time) else { return };
        // pf's file is not known before the first look.
        if self.facts.get().is_none() {
            return;
        }
        self.close_interrupted_under_lock(false);
        self.look_under_lock(&WATCHED);
    }

    /// The same for some files. The caller holds the change lock: before it changes one of them, so that what someone
    /// else did to it just now is not taken for its own doing.
    pub(super) fn look_under_lock(&self, watched: &[ManagedFile]) {
        let mut known = self.known();
        let before = known.clone();
        let mut by_runs = None;
        for file in watched.iter().copied() {
            let Ok(bytes) = self.read_watched(file) else { continue };
            let path = self.managed.host_path(file);
            let now = bytes.as_deref().map(Digest::of);
            let last = known.files.get(&path).copied();
            if last == Some(now) {
                continue;
            }
            // What the console wrote is kept by whatever of it replaces that next; someone else kept nothing.
            let replaced = last.flatten().filter(|last| self.managed.backups().read(file.name(), last).is_err());
            let replaced = replaced.and_then(|last| self.content_of(file, &last));
            for bytes in replaced.iter().chain(&bytes) {
                if let Err(error) = self.managed.backups().keep(file.name(), &path, bytes, None) {
                    tracing::warn!("a version of {path} could not be kept: {error}");
                }
            }
            let of_pot_conf = file == ManagedFile::PotConf;
            let certain = known.certain.filter(|_| of_pot_conf);
            if of_pot_conf && bytes.as_deref().and_then(unreadable).is_none() {
                known.certain = None;
            } else if of_pot_conf && known.certain.is_none() {
                known.certain = last.flatten();
            }
            if let Some(last) = last {
                let seen = known.seen.get(&path).copied().unwrap_or(0);
                let written = self.written_since(&path, last, now, seen);
                // What a run changes with pot's own commands, not with a file of ours, is only in its plan.
                let by_runs = by_runs.get_or_insert_with(|| self.changed_by_runs_since(known.run));
                let change = Changed { file, path: &path, last: written, now, bytes: bytes.as_deref(), certain };
                match by_runs.get(&path).filter(|_| written == last) {
                    Some((run, operation)) => self.record_changed_by_run(&change, *run, operation),
                    None if written != now => self.record_outside(&change),
                    None => {}
                }
            }
            known.seen.insert(path.clone(), self.last_record());
            known.files.insert(path, now);
        }
        // Only a look at all of them has seen everything that the runs have left.
        if watched.len() == WATCHED.len() {
            known.run = self.newest_run().unwrap_or(known.run);
        }
        if known != before {
            self.write_known(&known);
        }
    }

    /// The files that runs after number `since` may have changed, each with the newest run and its operation.
    fn changed_by_runs_since(&self, since: u64) -> BTreeMap<String, (u64, &'static str)> {
        let mut files = BTreeMap::new();
        for id in (since + 1..=self.newest_run().unwrap_or(since)).rev().take(RUNS_LOOKED_AT) {
            let Ok(run) = self.engine.run_state(id) else { continue };
            let mut paths: Vec<String> = run.plan.diffs.iter().map(|diff| diff.file.clone()).collect();
            paths.extend(run.plan.operation.written_by_commands().iter().map(|file| self.managed.host_path(*file)));
            for path in paths {
                files.entry(path).or_insert((id, run.plan.operation.name()));
            }
        }
        files
    }

    /// What the history says that a file holds, which held `last` when record `seen` was the newest one. Whoever was
    /// killed right after writing `now` could note neither that it is done nor what is known.
    fn written_since(&self, path: &str, last: Option<Digest>, now: Option<Digest>, seen: u64) -> Option<Digest> {
        let newest = self.evidence.newest(RECORDS_LOOKED_AT);
        newest.iter().rev().filter(|record| record.sequence > seen && record.entry.object == path).fold(
            last,
            |holds, record| {
                let entry = &record.entry;
                let happened = entry.outcome == Some(Outcome::Done) || entry.after == now;
                if happened && entry.after.is_some() && entry.before == holds { entry.after } else { holds }
            },
        )
    }

    fn last_record(&self) -> u64 {
        self.evidence.journal().last().map_or(0, |(last, _)| last)
    }

    /// Once a day: what is too old of the history and of the runs' output.
    pub(super) fn prune_daily(&self) {
        let is_young = |last| Timestamp::now().duration_since(last).unsigned_abs() < DAY;
        if self.known().pruned.is_some_and(is_young) {
            return;
        }
        let Ok(lock) = Lock::acquire(&self.layout, "noting that the history is pruned", Duration::ZERO) else { return };
        let known = Known { pruned: Some(Timestamp::now()), ..self.known() };
        self.write_known(&known);
        // The whole journal is read before anything of it goes: no save waits for that.
        drop(lock);
        self.prune_history();
        self.engine.prune_runs();
    }

    /// Records how these settings differ from those that were in force last, also before the console was stopped:
    /// root changes them with an editor.
    pub(super) fn note_settings(&self, settings: &Settings) {
        let path = self.layout.private().join("settings.json");
        let last: Option<BTreeMap<String, String>> =
            files::read_limited(&path, LONGEST).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let now: BTreeMap<String, String> =
            settings.values().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        if last.as_ref() == Some(&now) {
            return;
        }
        if let Some(last) = last {
            let names: BTreeSet<&String> = last.keys().chain(now.keys()).collect();
            let changes: Vec<Change> = names
                .into_iter()
                .map(|name| Change { name: name.clone(), from: last.get(name).cloned(), to: now.get(name).cloned() })
                .filter(|change| change.from != change.to)
                .collect();
            let message = format!("The settings were changed: {}.", changes_in_words(&changes));
            let mut entry = own(Action::Settings, "settings", Outcome::Done, message);
            entry.changes = changes;
            self.evidence.append_outcome(entry);
        }
        let written = serde_json::to_vec(&now).map_err(|error| error.to_string()).and_then(|bytes| {
            files::replace_with_mode(&path, &Expected::Anything, &bytes, 0o600, &crash_point)
                .map_err(|error| error.to_string())
        });
        if let Err(error) = written {
            tracing::warn!("the settings in force could not be noted: {error}");
        }
    }

    /// Records that settings which root asked to be read again were not taken, and why; those in force stay.
    pub(super) fn note_refused_settings(&self, why: &str) {
        // What TOML's reader says draws the line over several ones.
        let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
        let cut: String = why.chars().take(500).collect();
        let message = format!("The settings stay as they were, the file's new ones were not taken: {cut}");
        self.evidence.append_outcome(own(Action::Settings, "settings", Outcome::Refused, message));
    }

    /// Records that the console made itself a certificate, with the fingerprint that people compare.
    pub(super) fn note_certificate(&self, words: &str, fingerprint: &str) {
        let message = format!("{words} Its SHA-256 fingerprint: {fingerprint}");
        self.evidence.record_own(Action::Settings, "certificate", Outcome::Done, message);
    }

    /// Drops what the settings call too old, in whole segments; the journal leaves a signed checkpoint and a record.
    fn prune_history(&self) {
        match self.evidence.prune(&retention(&self.settings.get().history)) {
            Ok(Some(pruned)) => tracing::info!("records {} to {} were dropped by age", pruned.from, pruned.to),
            Ok(None) => {}
            Err(error) => tracing::error!("the history was not pruned: {error}"),
        }
    }

    /// What changed while a run held the host: pot's own commands did it, as far as is known. The plan has no values.
    fn record_changed_by_run(&self, change: &Changed<'_>, run: u64, operation: &str) {
        let mut entry = own(Action::Run, change.path, Outcome::Done, String::new());
        entry.run = Some(run);
        self.say_what(&mut entry, change, &format!("while {operation} ran (run {run})"));
        if let Err(refusal) = self.evidence.append(entry) {
            tracing::error!("what a run changed could not be recorded: {refusal}");
        }
    }

    fn record_outside(&self, change: &Changed<'_>) {
        let mut entry = own(Action::Outside, change.path, Outcome::Done, String::new());
        // Found by the console, done by nobody it knows.
        entry.actor.method = Method::None;
        entry.actor.name = "someone outside of the console".to_owned();
        self.say_what(&mut entry, change, "outside of the console");
        match self.evidence.append(entry) {
            Ok(record) => self.noticed.outside(&record),
            Err(refusal) => tracing::error!("a change made outside could not be recorded: {refusal}"),
        }
    }

    /// Values, difference and digests of a change, and a sentence with them.
    fn say_what(&self, entry: &mut Entry, change: &Changed<'_>, by: &str) {
        let Changed { file, path, last, now, bytes, certain } = *change;
        let old = match last {
            Some(digest) => self.content_of(file, &digest),
            None => Some(Vec::new()),
        };
        let what = match (last, now) {
            (None, _) => "appeared",
            (_, None) => "is gone",
            _ => "was changed",
        };
        entry.message = format!("{path} {what} {by}.");
        let broken = bytes.filter(|_| file == ManagedFile::PotConf).and_then(unreadable);
        if file == ManagedFile::PotConf && broken.is_none() {
            // Only values that pot.conf itself gives are named: without the defaults, too.
            let default =
                HostPath::of(&self.layout, &self.layout.default_conf()).and_then(|file| file.read(LONGEST)).ok();
            let default = default.filter(|bytes| unreadable(bytes).is_none()).unwrap_or_default();
            let certain = certain.and_then(|digest| self.content_of(file, &digest));
            let since = if certain.is_some() { ", since it could last be read as a configuration" } else { "" };
            if let Some(old) = certain.as_ref().or(old.as_ref()) {
                entry.changes = changed_parameters(&default, old, bytes.unwrap_or_default());
            }
            if !entry.changes.is_empty() {
                entry.message = format!("{path} {what} {by}{since}: {}.", changes_in_words(&entry.changes));
            }
        }
        entry.diff = old.map(|old| Diff::between(path, &old, bytes.unwrap_or_default()));
        if let (true, Some(diff)) = (entry.changes.is_empty(), &entry.diff) {
            let lines = lines_in_words(diff);
            if !lines.is_empty() {
                entry.message = format!("{path} {what} {by}: {lines}.");
            }
        }
        if let Some(why) = broken {
            entry.message.push_str(&format!(
                " It cannot be read as a configuration now ({why}): what became of its values is recorded when it can."
            ));
        }
        entry.before = last;
        entry.after = now;
    }
}

/// Why no values can be taken from a pot.conf: sh, too, stops at a syntax error.
fn unreadable(bytes: &[u8]) -> Option<String> {
    match Document::parse(bytes) {
        Ok(document) => {
            let problem = document.syntax_problems().into_iter().next()?;
            Some(format!("line {}: {}", problem.line, problem.message))
        }
        Err(error) => Some(error.to_string()),
    }
}

/// A watched file that is another than it was.
#[derive(Clone, Copy)]
struct Changed<'a> {
    file: ManagedFile,
    path: &'a str,
    last: Option<Digest>,
    now: Option<Digest>,
    bytes: Option<&'a [u8]>,
    /// What was last known for certain of its values, when that is another content than `last`.
    certain: Option<Digest>,
}
