//! Taking up, after a restart, what a sudden end left of a run.

use super::{Current, STOP};
use crate::files::{FileError, Lock};
use crate::journal::record::{Action as Act, Actor, Outcome, Reported};
use crate::operations::draft::{Draft, Expect, PlannedStep, Seen, counted};
use crate::operations::engine::{Engine, console, locked};
use crate::operations::plan::{RunEventKind, RunState, StepState};
use crate::operations::revert::{self, Pending, Phase};
use crate::operations::runs::StoredRun;
use crate::refusal::{Refusal, RefusalKind};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Engine {
    /// Deals with what a sudden end left: a pending revert is carried out at its deadline (at once when that has
    /// passed, or when the run never got so far), or was overtaken by a reboot; other runs are marked interrupted with
    /// what is found. To be called once at the executor's start, before it takes commands.
    pub fn recover_at_start(self: &Arc<Self>) {
        // Another process that runs something now holds the lock, and its run is alive.
        let Ok(lock) = Lock::acquire(&self.host.layout, "pot-console: looking after a restart", Duration::ZERO) else {
            return;
        };
        let pending = match Pending::read(&self.host.layout) {
            Ok(pending) => pending,
            Err(error) => {
                Pending::set_aside(&self.host.layout);
                let mut entry = Self::entry(
                    Act::Revert,
                    "vnet-start",
                    &console(),
                    &Reported::default(),
                    format!("What was to be put back could not be read: {error}. Look at pf and the bridges yourself."),
                );
                entry.outcome = Some(Outcome::Failed);
                let _ = self.record(entry);
                None
            }
        };
        let waits = pending.as_ref().map(|pending| pending.run);
        for id in self.runs.numbers() {
            match self.runs.read(id) {
                Ok(stored) if !stored.run.state.is_final() && waits != Some(id) => self.interrupted(stored),
                Ok(_) => {}
                // It died before its first words were on disk: nothing had been done.
                Err(FileError::Missing(_)) => self.runs.forget(id),
                Err(_) => {}
            }
        }
        let Some(pending) = pending else { return };
        let Ok(stored) = self.runs.read(pending.run) else {
            // The saved state was written, but the run never began.
            let _ = Pending::remove(&self.host.layout);
            return;
        };
        if stored.run.state.is_final() {
            // It died between its end and taking the saved state away.
            let _ = Pending::remove(&self.host.layout);
            return;
        }
        let Some(current) = self.taken_up(stored, &pending.actor) else { return };
        let same_boot = revert::this_boot(&self.host.layout).is_ok_and(|boot| boot == pending.boot);
        if !same_boot {
            self.overtaken(&current);
            return;
        }
        *locked(&self.current) = Some(Arc::clone(&current));
        let engine = Arc::clone(self);
        let started = std::thread::Builder::new().name(format!("run-{}", pending.run)).spawn(move || {
            engine.wait_again(&current, &pending);
            drop(lock);
            *locked(&engine.current) = None;
            current.finish();
        });
        if let Err(error) = started {
            // It is tried again at the next look: nothing is as important as this.
            tracing::error!("the run that waits to be kept or put back could not be taken up: {error}");
            *locked(&self.current) = None;
        }
    }

    /// Takes up what a process that died (a command line) left waiting. Cheap when there is nothing; may be called often.
    pub fn take_up_orphans(self: &Arc<Self>) {
        if self.active().is_some() {
            return;
        }
        let newest = self.runs.numbers().first().and_then(|id| self.runs.read(*id).ok());
        let left = newest.is_some_and(|stored| !stored.run.state.is_final());
        if left || matches!(Pending::read(&self.host.layout), Ok(Some(_))) {
            self.recover_at_start();
        }
    }

    /// Puts back what a process that died left waiting, once the time to answer is over, and waits for the end of that.
    /// Cheap when there is nothing. Where no service runs, the next command of root's is the executor that finds it.
    pub fn put_back_overdue(self: &Arc<Self>) {
        let Ok(Some(pending)) = Pending::read(&self.host.layout) else { return };
        let waits = pending.phase == Phase::Waiting && pending.deadline.is_some_and(|time| time > Timestamp::now());
        if !waits {
            self.recover_at_start();
            self.wait(pending.run, STOP);
        }
    }

    /// A run that another process began.
    fn taken_up(&self, stored: StoredRun, actor: &Actor) -> Option<Arc<Current>> {
        let (events, next) = self.runs.events_to_append(stored.run.id).ok()?;
        let mut stored = stored;
        stored.run.last_event = next - 1;
        Some(Arc::new(Current::new(stored, actor.clone(), Reported::default(), events, next)))
    }

    /// The rest of the time to answer, after a restart in the same boot.
    fn wait_again(&self, current: &Current, pending: &Pending) {
        let waiting = pending.phase == Phase::Waiting;
        let left = pending
            .deadline
            .filter(|_| waiting)
            .and_then(|deadline| Duration::try_from(deadline.duration_since(Timestamp::now())).ok())
            // A clock that was set back must not give more time than was chosen.
            .map_or(Duration::ZERO, |left| left.min(Duration::from_secs(u64::from(pending.revert_after))));
        self.words(current, "The console was stopped during this run and has started again.");
        if left.is_zero() {
            let because =
                if waiting { "because no answer arrived" } else { "because the console was stopped during the run" };
            self.put_back_now(current, pending, because);
            return;
        }
        locked(&current.inner).changed_ms = pending.changed_ms;
        self.say(current, RunEventKind::State { state: RunState::AwaitingKeep });
        let answered = self.wait_for_answer(current, Instant::now() + left);
        self.after_waiting(current, pending, answered, || {
            let run = current.view();
            let differ = run.checks.iter().any(|check| check.as_planned == Some(false));
            let state = if differ { RunState::Differs } else { RunState::AsPlanned };
            let summary =
                if differ { "Kept, although not all is as planned." } else { "Kept. The network runs as planned." };
            self.end(current, state, Outcome::Done, summary.to_owned(), None);
        });
    }

    /// From the command line, when the process that waited has died.
    pub(in crate::operations) fn answer_for_the_dead(
        self: &Arc<Self>,
        id: u64,
        keep: bool,
        actor: &Actor,
        lock: Lock,
    ) -> Result<(), Refusal> {
        let gone = || Refusal::new(RefusalKind::NotFound, format!("Run {id} does not wait to be kept."));
        let failed = |error: FileError| Refusal::new(RefusalKind::Failed, error.to_string());
        let pending = Pending::read(&self.host.layout).map_err(failed)?.ok_or_else(gone)?;
        let current = self.taken_up(self.runs.read(id).map_err(failed)?, &pending.actor).ok_or_else(gone)?;
        let same_boot = revert::this_boot(&self.host.layout).is_ok_and(|boot| boot == pending.boot);
        if !same_boot {
            self.overtaken(&current);
            return Err(Refusal::new(
                RefusalKind::NotFound,
                "The machine was started anew since: there is nothing to keep or to put back.",
            ));
        }
        let act = if keep { Act::Keep } else { Act::Revert };
        let words = if keep { "is kept" } else { "is put back" };
        let mut entry = Self::entry(
            act,
            current.operation,
            actor,
            &Reported::default(),
            format!("What run {id} changed {words} by {}.", actor.name),
        );
        entry.run = Some(id);
        entry.outcome = Some(Outcome::Done);
        self.record(entry)?;
        if keep {
            self.no_longer_pending(&current);
            self.end(&current, RunState::AsPlanned, Outcome::Done, "Kept.".to_owned(), None);
        } else {
            self.put_back_now(&current, &pending, "because someone asked for it");
        }
        drop(lock);
        Ok(())
    }

    fn overtaken(&self, current: &Current) {
        self.no_longer_pending(current);
        self.end(
            current,
            RunState::OvertakenByReboot,
            Outcome::OvertakenByReboot,
            "The machine was started anew before this was kept or put back. What the run changed while it ran is gone; files were not touched.".to_owned(),
            Some("Plan vnet-start again when you want the network.".to_owned()),
        );
    }

    /// A run whose process died.
    fn interrupted(&self, stored: StoredRun) {
        let operation = stored.run.plan.operation.clone();
        let actor = Actor { name: stored.run.actor.clone(), ..console() };
        let Some(current) = self.taken_up(stored, &actor) else { return };
        let found = match self.draft(&operation) {
            Ok((draft, look)) => {
                let seen = look.seen(None);
                self.look_again(&current, &draft, &seen);
                found_at_restart(&draft)
            }
            Err(refusal) => format!("the host could not be looked at: {refusal}"),
        };
        let again = format!("Plan {} again to go on.", operation.name());
        self.end(
            &current,
            RunState::Interrupted,
            Outcome::Interrupted,
            format!("The console was stopped during this run. What it found at restart: {found}. {again}"),
            Some(again),
        );
    }

    fn look_again(&self, current: &Current, draft: &Draft, seen: &Seen<'_>) {
        for expect in draft.steps.iter().flat_map(|step| &step.expects) {
            if !matches!(expect, Expect::Ping(_) | Expect::Content { .. }) {
                self.say(current, RunEventKind::Check(expect.check(seen, None)));
            }
        }
    }
}

/// "3 of 5 datasets exist", or how many steps are done.
fn found_at_restart(draft: &Draft) -> String {
    let datasets: Vec<&PlannedStep> = draft
        .steps
        .iter()
        .filter(|step| step.expects.iter().any(|expect| matches!(expect, Expect::Dataset { .. })))
        .collect();
    if !datasets.is_empty() {
        let there = datasets.iter().filter(|step| step.step.state != StepState::WillBeCreated).count();
        return format!("{there} of {} datasets exist", datasets.len());
    }
    if !draft.destroys.is_empty() {
        return format!("{} still there", counted_are_not(draft.destroys.len()));
    }
    let done = draft.steps.iter().filter(|step| step.step.state == StepState::Done).count();
    format!("{done} of {} are done", counted(draft.steps.len(), "step"))
}

fn counted_are_not(count: usize) -> String {
    if count == 1 { "1 dataset or snapshot is".to_owned() } else { format!("{count} datasets and snapshots are") }
}
