//! pot.conf: read, reviewed and saved. The executor applies the edits to the text that *it* reads.

use super::common::{SettingsInForce, lock};
use super::evidence::Evidence;
use super::facts_cache::FactsCache;
use super::managed::{Files, ManagedFiles, Versions};
use super::protocol::{ConfigurationView, FilesView, Reply, ReviewView, Saved};
use super::requester::{Requester, free_text};
use super::watch::Watching;
use crate::diff::Diff;
use crate::digest::Digest;
use crate::files::{self, Busy, Expected, HostPath, Lock};
use crate::host::path_state;
use crate::journal::record::{Action, Change, Outcome, Stage};
use crate::layout::Layout;
use crate::operations::engine::Engine;
use crate::operations::recorder::change_in_words;
use crate::plan::{ManagedFile, RunState};
use crate::platform::crash_point;
use crate::potconf::{Configuration, Document, Edit, EditAction};
use crate::refusal::{Collision, Conflict, Refusal, RefusalKind};
use crate::rules::limits::{self, Named};
use crate::rules::{self, Review, Severity, Verdict, errors_in_words};
use jiff::Timestamp;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longest reason in characters.
pub(super) const LONGEST_REASON: usize = 1000;
/// How long a change waits for another one to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How far back the journal is searched for who wrote a file.
const SEARCHED: u64 = 5000;

impl From<Busy> for Refusal {
    fn from(busy: Busy) -> Self {
        match busy {
            // It begins with a name, which stays as it is.
            Busy::Held { .. } => Self::new(RefusalKind::Busy, format!("{busy}.")),
            Busy::File(error) => error.into(),
        }
    }
}

/// pot.conf, read and written in the name of those who ask.
pub(super) struct PotConf {
    layout: Layout,
    settings: SettingsInForce,
    managed: Arc<ManagedFiles>,
    facts: Arc<FactsCache>,
    watching: Arc<Watching>,
    engine: Arc<Engine>,
    evidence: Arc<Evidence>,
    versions: Versions,
    /// Both files as they were told last.
    told: Mutex<ToldFiles>,
    /// Saves of this process stand in line here before they compete for the lock on disk.
    save_queue: Mutex<()>,
}

/// Both files as they were told last, and what that was made from.
#[derive(Default)]
struct ToldFiles {
    of: Option<Arc<Files>>,
    files: Option<FilesView>,
}

/// Milliseconds since 1970: what was told before a restart has none of the numbers of after it.
fn first_number() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
}

impl PotConf {
    pub(super) fn new(watching: &Arc<Watching>) -> Self {
        Self {
            layout: watching.layout.clone(),
            settings: watching.settings.clone(),
            managed: Arc::clone(&watching.managed),
            facts: Arc::clone(&watching.facts),
            engine: Arc::clone(&watching.engine),
            evidence: Arc::clone(&watching.evidence),
            watching: Arc::clone(watching),
            versions: Versions::default(),
            told: Mutex::default(),
            save_queue: Mutex::new(()),
        }
    }

    pub(super) fn configuration(&self) -> Result<Reply, Refusal> {
        Ok(Reply::Configuration(self.view(&self.managed.read_configuration()?)))
    }

    /// Both files as they stand; none: the asker has them, by that number.
    pub(super) fn files_since(&self, have: Option<u64>) -> Option<FilesView> {
        let read = self.managed.configuration();
        let mut told = lock(&self.told);
        let is_same = match (&read, &told.of) {
            (Ok(files), Some(of)) => Arc::ptr_eq(files, of),
            _ => false,
        };
        if !is_same {
            let view = read.as_ref().map(|files| self.view(files)).map_err(Clone::clone);
            if told.files.as_ref().is_none_or(|files| files.read != view) {
                let number = told.files.as_ref().map_or_else(first_number, |files| files.number + 1);
                told.files = Some(FilesView { number, read: view });
            }
            told.of = read.ok();
        }
        told.files.as_ref().filter(|files| have != Some(files.number)).cloned()
    }

    fn view(&self, files: &Files) -> ConfigurationView {
        let own = files.configuration.own();
        self.versions.remember(own.bytes());
        ConfigurationView {
            own: own.bytes().to_vec(),
            default: files.configuration.default_document().bytes().to_vec(),
            exists: files.exists,
            digest: own.digest(),
            path: self.layout.shown(&self.layout.pot_conf()),
            default_path: self.layout.shown(&self.layout.default_conf()),
            modified: files.modified,
        }
    }

    pub(super) fn review(&self, requester: &Requester, base: &Digest, edits: &[Edit]) -> Result<Reply, Refusal> {
        rules::within_limits(edits)?;
        self.watching.look_before_judging(requester);
        let files = self.managed.read_configuration()?;
        let (review, verdict) = self.review_of(requester, &files, edits)?;
        let diff = self.diff(&review);
        let conflict = (files.digest() != *base).then(|| self.conflict(&files, base, edits, diff.clone()));
        Ok(Reply::Review(ReviewView {
            diff,
            findings: verdict.findings,
            errors: verdict.errors.len(),
            digest: files.digest(),
            conflict,
        }))
    }

    /// Saving, from top to bottom: limits → lock → the file as it stands → what the edits make of it → findings →
    /// intent → backup → replace → outcome.
    pub(super) fn save(
        &self,
        requester: &Requester,
        base: &Digest,
        edits: &[Edit],
        reason: Option<&str>,
        accept_errors: bool,
    ) -> Result<Reply, Refusal> {
        let reason = self.reason(reason, accept_errors)?;
        rules::within_limits(edits)?;
        self.watching.look_before_judging(requester);
        // A run takes longer than anyone waits, and one that waits to be kept is not overtaken.
        nothing_runs(&self.engine)?;
        let _line = lock(&self.save_queue);
        let who = format!("{}: saving pot.conf", requester.actor.name);
        let _lock = Lock::acquire(&self.layout, &who, PATIENCE)?;
        // Under the lock, for a run of another process may have ended meanwhile and wait to be kept.
        nothing_runs(&self.engine)?;
        self.watching.look_under_lock(&[ManagedFile::PotConf]);

        let files = self.managed.read_configuration()?;
        let (review, Verdict { findings, errors }) = self.review_of(requester, &files, edits)?;
        let diff = self.diff(&review);
        let before = files.digest();
        if before != *base {
            let conflict = self.conflict(&files, base, edits, diff);
            let mut refusal = Refusal::new(
                RefusalKind::Conflict,
                "pot.conf was changed since you opened it. Nothing was written; look at your changes on the new file.",
            );
            refusal.conflict = Some(Box::new(conflict));
            return Err(refusal);
        }
        if review.writes_nothing() {
            return Ok(Reply::Saved(Saved { digest: before, record: 0, diff }));
        }
        if let Some(first) = errors.first()
            && !accept_errors
        {
            let mut refusal = Refusal::new(RefusalKind::Findings, format!("Nothing was written: {}", first.message));
            refusal.field = first.parameters.first().cloned();
            refusal.findings = errors;
            return Err(refusal);
        }

        let path = self.layout.pot_conf();
        let shown = self.layout.shown(&path);
        let new = review.after.own();
        let changes: Vec<Change> =
            review.changed_values().map(|(name, from, to)| Change { name: name.to_owned(), from, to }).collect();
        let all = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        let message = saved_message(&changes, errors.len(), all);
        let mut entry = requester.event(Action::Configuration, shown.as_str(), Outcome::Done, message);
        entry.changes = changes;
        entry.diff = Some(diff.clone());
        entry.before = files.exists.then_some(before);
        entry.after = Some(new.digest());
        entry.reason = reason;
        let mut intent = entry.clone();
        intent.stage = Stage::Intent;
        intent.outcome = None;
        crash_point("save-begin");
        let intent = self.evidence.append(intent)?.sequence;
        crash_point("save-intended");

        let written = self.write_managed(ManagedFile::PotConf, &path, &files, new, intent);
        crash_point("save-written");
        let mut outcome = entry;
        outcome.stage = Stage::Outcome;
        outcome.intent = Some(intent);
        if let Err(refusal) = &written {
            outcome.outcome = Some(Outcome::Failed);
            outcome.message = format!("pot.conf was not changed: {}", refusal.message);
            outcome.after = outcome.before;
        }
        let record = self.evidence.append_outcome(outcome).unwrap_or(intent);
        crash_point("save-recorded");
        written?;
        self.versions.remember(new.bytes());
        self.watching.note_known(&path, new.bytes());
        self.facts.outdate();
        Ok(Reply::Saved(Saved { digest: new.digest(), record, diff }))
    }

    fn write_managed(
        &self,
        file: ManagedFile,
        path: &Path,
        old: &Files,
        new: &Document,
        intent: u64,
    ) -> Result<(), Refusal> {
        let shown = self.layout.shown(path);
        let own = old.configuration.own();
        let expected = if old.exists {
            self.managed.backups().keep(file.name(), &shown, own.bytes(), Some(intent))?;
            Expected::Content(own.digest())
        } else {
            Expected::Absent
        };
        files::replace(&HostPath::of(&self.layout, path)?.real, &expected, new.bytes(), &crash_point)?;
        self.managed.prune_backups();
        Ok(())
    }

    /// The reason that is recorded. It is a duty where the settings say so, and for writing in spite of errors.
    pub(super) fn reason(&self, reason: Option<&str>, accept_errors: bool) -> Result<Option<String>, Refusal> {
        let reason = free_text(reason, LONGEST_REASON, "reason")?;
        if reason.is_none() && accept_errors {
            let words = "Say why: writing in spite of errors is recorded with a reason.";
            return Err(Refusal::new(RefusalKind::Limit, words).on("reason"));
        }
        if reason.is_none() && self.settings.get().reason_required {
            return Err(Refusal::new(RefusalKind::Limit, "Say why: every change here needs a reason.").on("reason"));
        }
        Ok(reason)
    }

    /// Who sits at root's terminal chooses any hook and key; others one that root's settings name.
    fn chosen_by_root(&self, requester: &Requester, old: &Configuration, new: &Configuration) -> Result<(), Refusal> {
        if requester.terminal {
            return Ok(());
        }
        let settings = self.settings.get();
        limits::check_named(old, new, Named { hooks: &settings.hooks, public_keys: &settings.public_keys })?;
        Ok(())
    }

    /// The same for a kept version of pot.conf that is to be written back.
    pub(super) fn version_chosen_by_root(&self, requester: &Requester, version: &Digest) -> Result<(), Refusal> {
        let now = self.managed.read_configuration()?.configuration;
        let bytes = self.managed.backups().read(ManagedFile::PotConf.name(), version)?;
        // What cannot be read as a configuration is not written back at all, as the plan says.
        let Ok(own) = Document::parse(&bytes) else { return Ok(()) };
        let restored = now.with_own(own);
        self.chosen_by_root(requester, &now, &restored)
    }

    /// What edits would make of the file in the name of this requester, and what is to be said of it.
    fn review_of<'a>(
        &self,
        requester: &Requester,
        files: &'a Files,
        edits: &[Edit],
    ) -> Result<(Review<'a>, Verdict), Refusal> {
        let review = Review::of(&files.configuration, edits)?;
        review.within_places(&|path| path_state(&self.layout, path).ok())?;
        self.chosen_by_root(requester, &files.configuration, &review.after)?;
        let admin = requester.reported.address.as_deref().and_then(|text| text.parse().ok());
        let verdict = review.judge(self.facts.get().as_deref(), admin, None);
        Ok((review, verdict))
    }

    fn diff(&self, review: &Review<'_>) -> Diff {
        review.diff(&self.layout.shown(&self.layout.pot_conf()))
    }

    fn conflict(&self, files: &Files, base: &Digest, edits: &[Edit], diff: Diff) -> Conflict {
        let now = &files.configuration;
        let base_document = self.versions.find(&self.layout, base).and_then(|bytes| Document::parse(&bytes).ok());
        let before = base_document.map(|own| now.with_own(own));
        let colliding: Vec<Collision> = edits
            .iter()
            .filter_map(|edit| {
                let name = edit.name.as_str();
                let theirs = now.own_value(name);
                let yours = match &edit.action {
                    EditAction::Set(value) => Some(value.clone()),
                    EditAction::Unset => None,
                };
                // Without the text that the form was made from, everything that differs may be a collision.
                let they_changed = before.as_ref().is_none_or(|before| before.own_value(name) != theirs);
                (they_changed && theirs != yours).then(|| Collision { name: name.to_owned(), theirs, yours })
            })
            .collect();
        let (by, at) = self.who_wrote(&files.digest());
        Conflict {
            by,
            at: at.or(files.modified),
            fitting: edits.len().saturating_sub(colliding.len()),
            colliding,
            digest: files.digest(),
            diff,
        }
    }

    /// Who wrote this content, as the journal says; nobody when it came from outside of the console.
    fn who_wrote(&self, content: &Digest) -> (Option<String>, Option<Timestamp>) {
        let wrote = self.evidence.newest(SEARCHED).into_iter().find(|record| {
            record.entry.stage != Stage::Intent
                && record.entry.outcome == Some(Outcome::Done)
                && record.entry.after == Some(*content)
        });
        match wrote {
            Some(record) if record.entry.action == Action::Outside => (None, Some(record.time)),
            Some(record) => (Some(record.entry.actor.name), Some(record.time)),
            None => (None, None),
        }
    }
}

/// What the record says. Errors that stand in the way were accepted, or nothing would be written.
fn saved_message(changes: &[Change], errors: usize, all: usize) -> String {
    let changed: Vec<String> = changes.iter().map(change_in_words).collect();
    let what = if changed.is_empty() { "its text".to_owned() } else { changed.join(", ") };
    match errors {
        0 => format!("pot.conf: changed {what}."),
        _ => format!("pot.conf: changed {what}, in spite of {}.", errors_in_words(errors, all)),
    }
}

/// Refuses while something runs here or may have to be put back.
pub(super) fn nothing_runs(engine: &Engine) -> Result<(), Refusal> {
    match engine.active() {
        Some((run, RunState::Running)) => {
            let words = format!("Run {run} has not ended yet. Nothing was changed; try again when it has.");
            Err(Refusal::new(RefusalKind::Busy, words))
        }
        _ => engine.nothing_pending(),
    }
}
