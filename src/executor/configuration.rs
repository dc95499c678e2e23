//! pot.conf: read, reviewed and saved. The executor applies the edits to the text that *it* reads.

use super::common::{SettingsInForce, lock};
use super::evidence::Evidence;
use super::facts_cache::FactsCache;
use super::managed::{Files, ManagedFiles, Versions};
use super::protocol::{ConfigurationView, Reply, ReviewView, Saved};
use super::requester::{Requester, free_text, sentence};
use super::watch::Watching;
use crate::diff::Diff;
use crate::digest::Digest;
use crate::files::{self, Busy, Expected, HostPath, Lock};
use crate::host::path_state;
use crate::journal::record::{Action, Change, Outcome, Stage};
use crate::layout::Layout;
use crate::operations::engine::Engine;
use crate::operations::plan::{ManagedFile, RunState};
use crate::platform::crash_point;
use crate::potconf::{Configuration, Document, Edit, EditAction, EditError};
use crate::refusal::{Collision, Conflict, Refusal, RefusalKind};
use crate::rules::limits::{self, LimitViolation, Named};
use crate::rules::{self, Finding, Subject};
use jiff::Timestamp;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Most edits in one request: more than a form has fields.
const MOST_EDITS: usize = 500;
/// Longest reason in characters.
pub(super) const LONGEST_REASON: usize = 1000;
/// How long a change waits for another one to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How far back the journal is searched for who wrote a file.
const SEARCHED: u64 = 5000;

/// What edits would make of the file.
struct SavePreview {
    new: Document,
    diff: Diff,
    changes: Vec<Change>,
    findings: Vec<Finding>,
    /// Error findings that these edits bring, or leave on a parameter that they touch.
    errors: Vec<Finding>,
}

impl From<Busy> for Refusal {
    fn from(busy: Busy) -> Self {
        match busy {
            // It begins with a name, which stays as it is.
            Busy::Held { .. } => Self::new(RefusalKind::Busy, format!("{busy}.")),
            Busy::File(error) => error.into(),
        }
    }
}

impl From<EditError> for Refusal {
    fn from(error: EditError) -> Self {
        let field = match &error {
            EditError::ReadOnly { name, .. }
            | EditError::Unwritable { name, .. }
            | EditError::Twice { name }
            | EditError::Unverified { name, .. } => Some(name.as_str().to_owned()),
            EditError::Unreadable(_) => None,
        };
        let refusal = Self::new(RefusalKind::Limit, sentence(&error.to_string()));
        match field {
            Some(field) => refusal.on(field),
            None => refusal,
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
    /// Saves of this process stand in line here before they compete for the lock on disk.
    save_queue: Mutex<()>,
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
            save_queue: Mutex::new(()),
        }
    }

    pub(super) fn configuration(&self) -> Result<Reply, Refusal> {
        let files = self.managed.read_configuration()?;
        let own = files.configuration.own();
        self.versions.remember(own.bytes());
        Ok(Reply::Configuration(ConfigurationView {
            own: own.bytes().to_vec(),
            default: files.configuration.default_document().bytes().to_vec(),
            exists: files.exists,
            digest: own.digest(),
            path: self.layout.shown(&self.layout.pot_conf()),
            default_path: self.layout.shown(&self.layout.default_conf()),
            modified: files.modified,
        }))
    }

    pub(super) fn review(&self, requester: &Requester, base: &Digest, edits: &[Edit]) -> Result<Reply, Refusal> {
        self.within_limits(edits)?;
        self.watching.look_before_judging(requester);
        let files = self.managed.read_configuration()?;
        let preview = self.preview(requester, &files, edits)?;
        let conflict = (files.digest() != *base).then(|| self.conflict(&files, base, edits, &preview));
        Ok(Reply::Review(ReviewView {
            diff: preview.diff,
            findings: preview.findings,
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
        self.within_limits(edits)?;
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
        let preview = self.preview(requester, &files, edits)?;
        let before = files.digest();
        if before != *base {
            let conflict = self.conflict(&files, base, edits, &preview);
            let mut refusal = Refusal::new(
                RefusalKind::Conflict,
                "pot.conf was changed since you opened it. Nothing was written; look at your changes on the new file.",
            );
            refusal.conflict = Some(Box::new(conflict));
            return Err(refusal);
        }
        if preview.new.bytes() == files.configuration.own().bytes() {
            return Ok(Reply::Saved(Saved { digest: before, record: 0, diff: preview.diff }));
        }
        if !preview.errors.is_empty() && !accept_errors {
            let mut refusal = Refusal::new(
                RefusalKind::Findings,
                format!(
                    "Nothing was written: {}",
                    preview.errors.first().map_or("there are errors.", |error| error.message.as_str())
                ),
            );
            refusal.field = preview.errors.first().and_then(|error| error.parameters.first().cloned());
            refusal.findings = preview.errors;
            return Err(refusal);
        }

        let path = self.layout.pot_conf();
        let shown = self.layout.shown(&path);
        let message = saved_message(&preview, accept_errors);
        let mut entry = requester.event(Action::Configuration, shown.as_str(), Outcome::Done, message);
        entry.changes.clone_from(&preview.changes);
        entry.diff = Some(preview.diff.clone());
        entry.before = files.exists.then_some(before);
        entry.after = Some(preview.new.digest());
        entry.reason = reason;
        let mut intent = entry.clone();
        intent.stage = Stage::Intent;
        intent.outcome = None;
        crash_point("save-begin");
        let intent = self.evidence.append(intent)?.sequence;
        crash_point("save-intended");

        let written = self.write_managed(ManagedFile::PotConf, &path, &files, &preview.new, intent);
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
        self.versions.remember(preview.new.bytes());
        self.watching.note_known(&path, preview.new.bytes());
        self.facts.outdate();
        Ok(Reply::Saved(Saved { digest: preview.new.digest(), record, diff: preview.diff }))
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

    /// Every value that is to be written is data for every use that pot makes of it. Nothing overrides this.
    fn within_limits(&self, edits: &[Edit]) -> Result<(), Refusal> {
        if edits.len() > MOST_EDITS {
            return Err(Refusal::new(RefusalKind::Limit, format!("At most {MOST_EDITS} parameters change at once.")));
        }
        for edit in edits {
            let EditAction::Set(value) = &edit.action else { continue };
            let name = edit.name.as_str();
            limits::check(name, value)
                .map_err(|against| Refusal::new(RefusalKind::Limit, sentence(&against.to_string())).on(name))?;
        }
        Ok(())
    }

    /// The places that a change makes others, where they really are, and a hook or key that root did not choose. What
    /// stands as it stood blocks no change.
    fn within_places(
        &self,
        requester: &Requester,
        old: &Configuration,
        new: &Configuration,
    ) -> Result<(), LimitViolation> {
        let changed = limits::changed_places(old, new);
        let look = |path: &str| path_state(&self.layout, path).ok();
        if let Some(against) = limits::check_places(new, &changed, &look).into_iter().next() {
            return Err(against);
        }
        self.chosen_by_root(requester, old, new)
    }

    /// Who sits at root's terminal chooses any hook and key; others one that root's settings name.
    fn chosen_by_root(
        &self,
        requester: &Requester,
        old: &Configuration,
        new: &Configuration,
    ) -> Result<(), LimitViolation> {
        if requester.terminal {
            return Ok(());
        }
        let settings = self.settings.get();
        limits::check_named(old, new, Named { hooks: &settings.hooks, public_keys: &settings.public_keys })
    }

    /// The same for a kept version of pot.conf that is to be written back.
    pub(super) fn version_chosen_by_root(&self, requester: &Requester, version: &Digest) -> Result<(), Refusal> {
        let now = self.managed.read_configuration()?.configuration;
        let bytes = self.managed.backups().read(ManagedFile::PotConf.name(), version)?;
        // What cannot be read as a configuration is not written back at all, as the plan says.
        let Ok(own) = Document::parse(&bytes) else { return Ok(()) };
        let restored = Configuration::new(now.default_document().clone(), own);
        self.chosen_by_root(requester, &now, &restored).map_err(against_limit)
    }

    fn preview(&self, requester: &Requester, files: &Files, edits: &[Edit]) -> Result<SavePreview, Refusal> {
        let old = &files.configuration;
        let new = old.apply(edits)?;
        let after = Configuration::new(old.default_document().clone(), new.clone());
        // What stood so before is named by the findings and stops every run; here it would only stop its mending.
        if let Err(against) = limits::check_together(&after)
            && limits::check_together(old).is_ok()
        {
            return Err(against_limit(against));
        }
        self.within_places(requester, old, &after).map_err(against_limit)?;
        let shown = self.layout.shown(&self.layout.pot_conf());
        let diff = Diff::between(&shown, old.own().bytes(), new.bytes());
        let facts = self.facts.get();
        let admin: Option<IpAddr> = requester.reported.address.as_deref().and_then(|text| text.parse().ok());
        let judge =
            |configuration: &Configuration| rules::check(&Subject { configuration, facts: facts.as_deref(), admin });
        let findings = judge(&after);
        let touched = |name: &str| edits.iter().any(|edit| edit.name.as_str() == name);
        let errors = rules::errors_brought(&judge(old), &findings, touched).cloned().collect();
        let changes = edits
            .iter()
            .map(|edit| edit.name.as_str())
            .filter_map(|name| {
                let (from, to) = (old.own_value(name), after.own_value(name));
                (from != to).then(|| Change { name: name.to_owned(), from, to })
            })
            .collect();
        Ok(SavePreview { new, diff, changes, findings, errors })
    }

    fn conflict(&self, files: &Files, base: &Digest, edits: &[Edit], preview: &SavePreview) -> Conflict {
        let now = &files.configuration;
        let base_document = self.versions.find(&self.layout, base).and_then(|bytes| Document::parse(&bytes).ok());
        let before = base_document.map(|document| Configuration::new(now.default_document().clone(), document));
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
            diff: preview.diff.clone(),
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

/// A value against a limit, on its field.
fn against_limit(against: LimitViolation) -> Refusal {
    let words = sentence(&against.to_string());
    Refusal::new(RefusalKind::Limit, words).on(against.parameter)
}

fn saved_message(preview: &SavePreview, accept_errors: bool) -> String {
    let changed: Vec<String> = preview
        .changes
        .iter()
        .map(|change| {
            let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "the default".to_owned());
            format!("{} from {} to {}", change.name, shown(&change.from), shown(&change.to))
        })
        .collect();
    let what = if changed.is_empty() { "its text".to_owned() } else { changed.join(", ") };
    let errors = preview.errors.len();
    if accept_errors && errors > 0 {
        let findings = if errors == 1 { "error finding" } else { "error findings" };
        format!("pot.conf: changed {what}, in spite of {errors} {findings}.")
    } else {
        format!("pot.conf: changed {what}.")
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
