//! A run under way: its state and events, behind one lock.

use super::clock::{Clock, SinceBoot};
use super::course::{Answer, By, Course, NotTaken};
use super::runs::{Runs, StoredRun};
use crate::journal::record::{Actor, Entry, Reported};
use crate::plan::{Decided, Run, RunEvent, RunEventKind, RunState};
use crate::process::Cancel;
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use jiff::{SignedDuration, Timestamp};
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq as _;

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that died while it held the lock leaves plain data behind, each part whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A nonce and where it was given out.
pub(super) struct Nonce {
    pub(super) text: Secret,
    pub(super) connection: u64,
}

/// The run that this process carries out.
pub(super) struct Current {
    pub(super) id: u64,
    pub(super) operation: &'static str,
    pub(super) actor: Actor,
    pub(super) reported: Reported,
    pub(super) cancel: Cancel,
    pub(super) inner: Mutex<Inner>,
    /// Told whenever `inner` has moved on.
    pub(super) moved: Condvar,
}

pub(super) struct Inner {
    pub(super) course: Course,
    pub(super) stored: StoredRun,
    /// None when the file cannot be written to: the run goes on without.
    pub(super) events: Option<File>,
    pub(super) next: u64,
    pub(super) nonces: Vec<Nonce>,
    /// It has ended and everything is let go of.
    is_over: bool,
}

impl Inner {
    /// Appends an event and brings the run as shown up to it. Gives the event's number.
    pub(super) fn append(&mut self, time: Timestamp, what: RunEventKind) -> u64 {
        let event = RunEvent { number: self.next, time, what };
        // A full disk must not stop a run half way; readers see the run's state all the same.
        if self.events.as_mut().is_some_and(|file| Runs::append(file, &event).is_ok()) {
            self.next += 1;
            self.stored.run.last_event = event.number;
        }
        let run = &mut self.stored.run;
        match event.what {
            RunEventKind::Step { step, state } => {
                if let Some(progress) = run.progress.get_mut(step) {
                    *progress = Some(state);
                }
            }
            RunEventKind::Check(check) => match run.checks.iter_mut().find(|known| known.title == check.title) {
                Some(known) => *known = check,
                None => run.checks.push(check),
            },
            RunEventKind::State { state } => run.state = state,
            RunEventKind::Line { .. } | RunEventKind::Command { .. } | RunEventKind::Exit { .. } => {}
        }
        event.number
    }

    /// Brings what is shown of the course up to it. The wall's time of the deadline follows a clock that was set.
    pub(super) fn show_course(&mut self, clock: &Clock) {
        let run = &mut self.stored.run;
        run.abortable = self.course.is_abortable();
        run.deadline = self.course.waits().map(|(_, until)| {
            let left = SignedDuration::try_from(until.since(clock.boot())).unwrap_or_default();
            let now = clock.wall();
            let deadline = now.saturating_add(left).unwrap_or(now);
            let told = run.deadline.filter(|told| told.duration_since(deadline).abs() < SignedDuration::from_secs(1));
            told.unwrap_or(deadline)
        });
        if let Some(decision) = self.course.decision().filter(|_| run.decided.is_none()) {
            let by = match &decision.by {
                By::Someone(name) => Some(name.clone()),
                _ => None,
            };
            run.decided = Some(Decided { keep: decision.answer == Answer::Keep, by, at: clock.wall() });
        }
    }
}

impl Current {
    pub(super) fn new(
        stored: StoredRun,
        course: Course,
        actor: Actor,
        reported: Reported,
        events: Option<(File, u64)>,
    ) -> Arc<Self> {
        let (events, next) = match events {
            Some((file, next)) => (Some(file), next),
            None => (None, stored.run.last_event + 1),
        };
        Arc::new(Self {
            id: stored.run.id,
            operation: stored.run.plan.operation.name(),
            actor,
            reported,
            cancel: Cancel::new(),
            inner: Mutex::new(Inner { course, stored, events, next, nonces: Vec::new(), is_over: false }),
            moved: Condvar::new(),
        })
    }

    /// One that starts now.
    pub(super) fn starting(stored: StoredRun, actor: Actor, reported: Reported, events: (File, u64)) -> Arc<Self> {
        Self::new(stored, Course::starting(), actor, reported, Some(events))
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn operation_name(&self) -> String {
        self.operation.to_owned()
    }

    pub(super) fn state(&self) -> RunState {
        locked(&self.inner).stored.run.state
    }

    /// The run as shown now.
    pub(super) fn view(&self, clock: &Clock) -> Run {
        let mut inner = locked(&self.inner);
        inner.show_course(clock);
        inner.stored.run.clone()
    }

    /// It has ended, and everything is put down and let go of.
    pub(super) fn finish(&self) {
        locked(&self.inner).is_over = true;
        self.moved.notify_all();
    }

    pub(super) fn wait_for_end(&self, time: Duration) -> bool {
        let inner = locked(&self.inner);
        let waited = self.moved.wait_timeout_while(inner, time, |inner| !inner.is_over);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_over
    }
}

/// A run that has ended, and of which not everything could be written: it is written once that can be done.
pub(super) struct Owed {
    pub(super) stored: StoredRun,
    /// The outcome, when the history has not taken it.
    pub(super) entry: Option<Entry>,
}

/// Where a browser's Keep came from: what proves that a new connection gets through.
pub(super) struct Proof<'a> {
    /// What was given out over an earlier connection.
    pub(super) nonce: &'a Secret,
    /// When the connection was accepted.
    pub(super) accepted: SinceBoot,
    /// Its number.
    pub(super) connection: u64,
}

impl Inner {
    /// Whether a nonce was given out, on another connection than this, and both came after the change.
    pub(super) fn check(&self, id: u64, proof: &Proof<'_>) -> Result<(), Refusal> {
        self.is_new_connection(id, proof.accepted)?;
        let is_given = |given: &&Nonce| bool::from(given.text.0.as_bytes().ct_eq(proof.nonce.0.as_bytes()));
        match self.nonces.iter().find(is_given) {
            None => {
                Err(Refusal::new(RefusalKind::Conflict, "Keep was not confirmed by this host. Load the page again."))
            }
            Some(given) if given.connection == proof.connection => Err(Refusal::new(
                RefusalKind::Conflict,
                "Keep came over the connection on which it was asked, which proves nothing. Try again.",
            )),
            Some(_) => Ok(()),
        }
    }

    pub(super) fn is_new_connection(&self, id: u64, accepted: SinceBoot) -> Result<(), Refusal> {
        let Some((changed, _)) = self.course.waits() else { return Err(does_not_wait(id)) };
        if accepted <= changed {
            return Err(Refusal::new(
                RefusalKind::Conflict,
                "This connection is older than the change: it says nothing about whether a new one gets through.",
            ));
        }
        Ok(())
    }
}

/// It does not wait, or not any more.
pub(super) fn does_not_wait(id: u64) -> Refusal {
    Refusal::new(RefusalKind::NotFound, format!("Run {id} does not wait to be kept."))
}

pub(super) fn not_taken(id: u64, why: &NotTaken) -> Refusal {
    match why {
        NotTaken::DoesNotWait => does_not_wait(id),
        NotTaken::Late(decision) => too_late(id, decision.answer == Answer::Keep),
    }
}

/// It was decided otherwise before.
pub(super) fn too_late(id: u64, kept: bool) -> Refusal {
    let words = if kept {
        format!("This came too late: what run {id} changed is kept.")
    } else {
        format!("This came too late: what run {id} changed is put back.")
    };
    Refusal::new(RefusalKind::Conflict, words)
}
