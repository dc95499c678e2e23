//! Changes that were begun and of which nobody said how they ended: closed with what is found on disk.

use super::evidence::own;
use super::watch::Watching;
use crate::digest::Digest;
use crate::files::{self, Lock};
use crate::journal::Opening;
use crate::journal::record::{Action, Entry, Method, Outcome, Record, Stage};
use crate::plan::ManagedFile;
use std::time::Duration;

/// How long a start waits for a change of another process before it leaves unfinished intents alone.
const PATIENCE: Duration = Duration::from_secs(2);

/// A change that does not take the change lock has ended after this time, well or not.
const WITHOUT_LOCK: Duration = Duration::from_mins(5);

impl Watching {
    /// Closes intents that have no outcome as interrupted, with what is found on disk. Who holds the change lock may be
    /// in the middle of one; then nothing is closed.
    pub(super) fn close_interrupted(&self, at_start: bool) {
        let Ok(_lock) = Lock::acquire(&self.layout, "closing interrupted changes", PATIENCE) else {
            tracing::warn!("another process is changing the host; unfinished intents are left alone");
            return;
        };
        self.close_and_clear(at_start);
    }

    /// What a command line does first: closes what another one left that was killed. A start of the server finds nothing
    /// left then, and the other way round.
    pub(super) fn close_what_died(&self, opening: &Opening) {
        self.engine.close_what_died();
        if opening.unfinished.is_empty() {
            return;
        }
        // Someone who holds the lock is in the middle of one.
        if let Ok(_lock) = Lock::acquire(&self.layout, "closing interrupted changes", Duration::ZERO) {
            self.close_and_clear(false);
        }
    }

    fn close_and_clear(&self, at_start: bool) {
        self.close_interrupted_under_lock(at_start);
        for file in ManagedFile::ALL {
            if let Ok(here) = self.managed.managed_place(file) {
                let _ = files::clear_unfinished(&here.real);
            }
        }
    }

    /// The same, for someone who holds the change lock.
    pub(super) fn close_interrupted_under_lock(&self, at_start: bool) {
        let unfinished = match self.evidence.journal().unfinished() {
            Ok(unfinished) => unfinished,
            Err(error) => return tracing::error!("{error}"),
        };
        for intent in unfinished {
            // Accounts and feedback do not take the change lock: another process may be at one right now. At a start
            // that can only be a command line.
            let young = jiff::Timestamp::now().duration_since(intent.time).unsigned_abs() < WITHOUT_LOCK;
            let lockless = matches!(intent.entry.action, Action::Account | Action::Feedback);
            let from_here = at_start && intent.entry.actor.method != Method::CommandLine;
            if lockless && young && !from_here {
                continue;
            }
            // How a run ended is the engine's to say, once it knows.
            if intent.entry.run.is_some_and(|run| self.engine.is_open(run)) {
                continue;
            }
            let entry = self.interrupted(&intent);
            self.evidence.append_outcome(entry);
        }
    }

    fn interrupted(&self, intent: &Record) -> Entry {
        let left = intent.entry.run.and_then(|run| self.engine.outcome_left(run));
        let found = match (&intent.entry.after, intent.entry.action) {
            (Some(after), Action::Configuration | Action::Restore) => self.found_on_disk(&intent.entry, after),
            _ => "whether it was carried out is not known.".to_owned(),
        };
        let mut entry = own(
            intent.entry.action,
            &intent.entry.object,
            Outcome::Interrupted,
            format!("The executor ended in the middle of this change by {}: {found}", intent.entry.actor.name),
        );
        if let Some((outcome, summary)) = left {
            entry.outcome = Some(outcome);
            entry.message = summary;
        }
        entry.stage = Stage::Outcome;
        entry.intent = Some(intent.sequence);
        entry.before = intent.entry.before;
        entry.run = intent.entry.run;
        entry
    }

    fn found_on_disk(&self, intended: &Entry, after: &Digest) -> String {
        let Ok(files) = self.managed.read_configuration() else { return "the file cannot be read now.".to_owned() };
        let now = files.digest();
        if now == *after {
            "the new content is in place, whole.".to_owned()
        } else if Some(now) == intended.before || (!files.exists && intended.before.is_none()) {
            "the old content is still in place, whole.".to_owned()
        } else {
            "the file holds something else now.".to_owned()
        }
    }
}
