//! Taking up, after a restart, what a sudden end left of a run.

use super::{Held, STOP, is_closed, outcome_of};
use crate::files::{FileError, Lock};
use crate::journal::record::{Action as Act, Actor, Entry, Outcome, Record, Reported, Stage};
use crate::operations::checks::{Expect, counted};
use crate::operations::course::{Answer, Course, Decision};
use crate::operations::current::locked;
use crate::operations::current::{Current, does_not_wait, too_late};
use crate::operations::draft::{PlanDraft, PlannedStep};
use crate::operations::revert::{self, Pending, PutBackEvent};
use crate::operations::runner::{Runner, console};
use crate::operations::runs::StoredRun;
use crate::plan::{Operation, RunEventKind, RunState, StepProgress, StepState};
use crate::refusal::{Refusal, RefusalKind};
use std::sync::Arc;
use std::time::Duration;

/// What a start and the death of another process leave to be done.
#[derive(Clone, Copy)]
pub(in crate::operations) struct Restart<'a> {
    runner: &'a Arc<Runner>,
}

impl<'a> Restart<'a> {
    pub(in crate::operations) fn of(runner: &'a Arc<Runner>) -> Self {
        Self { runner }
    }

    /// Deals with what a sudden end left: a pending revert is carried out at its deadline (at once when that has
    /// passed, or when the run never got so far), or was overtaken by a reboot; other runs are marked interrupted with
    /// what is found, unless the history knows how they ended. To be called once at the executor's start, before it takes
    /// commands.
    pub(in crate::operations) fn recover_at_start(&self) {
        // Another process that runs something now holds the lock, and its run is alive.
        let Ok(lock) = Lock::acquire(&self.runner.host.layout, "pot-console: looking after a restart", Duration::ZERO)
        else {
            return;
        };
        if self.runner.active().is_some() {
            return;
        }
        self.runner.write_what_is_owed();
        let pending = match Pending::read(&self.runner.host.layout) {
            Ok(pending) => pending,
            // Read again at the next look: what cannot be read now may be whole.
            Err(error) if !revert::is_damaged(&error) => return tracing::error!("{error}"),
            Err(error) => {
                Pending::keep_damaged(&self.runner.host.layout);
                self.record_lost(format!(
                    "What was to be put back could not be read: {error}. Look at pf and the bridges yourself."
                ));
                None
            }
        };
        let waits = pending.as_ref().map(|pending| pending.run);
        let numbers = match self.runner.runs.numbers() {
            Ok(numbers) => numbers,
            // What has died is found at the next look.
            Err(error) => {
                tracing::error!("{error}");
                Arc::default()
            }
        };
        for &id in numbers.iter() {
            if self.owes(id) || self.runner.runs.has_ended(id) {
                continue;
            }
            match self.runner.runs.read(id) {
                Ok(stored) if !stored.run.state.is_final() && waits != Some(id) => self.died(stored),
                Ok(_) => {}
                // It died before its first words were on disk: nothing had been done.
                Err(FileError::Missing(_)) if waits != Some(id) => self.runner.runs.forget(id),
                Err(_) => {}
            }
        }
        if let Some(pending) = pending {
            self.take_up_pending(pending, lock);
        }
    }

    /// Carries on what was pending when its process died.
    fn take_up_pending(&self, pending: Pending, lock: Lock) {
        let stored = match self.runner.runs.read(pending.run) {
            Ok(stored) => stored,
            Err(FileError::Missing(_)) => {
                // The saved state was written, but the run never began.
                self.runner.runs.forget(pending.run);
                let _ = Pending::remove(&self.runner.host.layout);
                return;
            }
            Err(error) => return self.put_back_without_a_run(&pending, &error),
        };
        let known = self.runner.recorder.about(stored.intent, pending.run).unwrap_or_else(|refusal| {
            // Not known, then: what waits goes on waiting, and is put back in time.
            tracing::warn!("what the history says of run {} is not known: {refusal}", pending.run);
            Vec::new()
        });
        if stored.run.state.is_final() || is_closed(&known) {
            // It died between its end and taking the saved state away.
            let _ = Pending::remove(&self.runner.host.layout);
            if !stored.run.state.is_final() {
                self.ended_before(stored, &known);
            }
            return;
        }
        let kept = kept_by(&known);
        match revert::is_same_boot(&self.runner.host.layout, &pending.boot) {
            Ok(true) => {}
            Ok(false) => return self.overtaken(&self.taken_up(stored, Course::taken_up(), &pending.actor)),
            Err(error) => {
                let current = self.taken_up(stored, Course::taken_up(), &pending.actor);
                return self.boot_not_known(&current, &error);
            }
        }
        let clock = &self.runner.settings.clock;
        let course = match (kept, pending.until(clock)) {
            (Some(name), _) => Course::left_kept(name),
            // Connections that were open then died with their process: every one that there is now is newer.
            (None, Some(until)) => Course::left_waiting(pending.changed.unwrap_or_else(|| clock.boot()), until),
            (None, None) => Course::left_running(),
        };
        let current = self.taken_up(stored, course, &pending.actor);
        let held = Held::take(self.runner, &current, lock);
        let started = std::thread::Builder::new()
            .name(format!("run-{}", pending.run))
            .spawn(move || held.carry(|runner, current| Restart::of(runner).wait_again(current, &pending)));
        if let Err(error) = started {
            // It is tried again at the next look: nothing is as important as this.
            tracing::error!("the run that waits to be kept or put back could not be taken up: {error}");
        }
    }

    /// Takes up what a process that died (a command line) left waiting. Cheap when there is nothing; may be called often.
    pub(in crate::operations) fn take_up_orphans(&self) {
        if self.runner.active().is_some() {
            return;
        }
        let numbers = self.runner.runs.numbers().unwrap_or_default();
        let newest = numbers.first().copied().filter(|id| !self.owes(*id) && !self.is_left_alone(*id));
        let newest = newest.and_then(|id| self.runner.runs.read(id).ok());
        let left = newest.is_some_and(|stored| !stored.run.state.is_final());
        let owed = !locked(&self.runner.owed).is_empty();
        if left || owed || !matches!(Pending::read(&self.runner.host.layout), Ok(None)) {
            self.recover_at_start();
        }
    }

    /// Deals with what a process that died left, as far as it has not to wait for an answer, and waits for the end of that.
    /// Cheap when there is nothing. Where no service runs, the next command of root's is the executor that finds it.
    pub(in crate::operations) fn close_what_died(&self) {
        let Ok(Some(pending)) = Pending::read(&self.runner.host.layout) else {
            self.take_up_orphans();
            return;
        };
        let clock = &self.runner.settings.clock;
        let waits = pending.until(clock).is_some_and(|until| until > clock.boot());
        let same_boot = revert::is_same_boot(&self.runner.host.layout, &pending.boot).unwrap_or(true);
        if !(waits && same_boot) {
            self.recover_at_start();
            self.runner.wait(pending.run, STOP);
        }
    }

    /// Whether a run is this engine's to close, now or later: then nobody else records how it ended.
    pub(in crate::operations) fn is_open(&self, id: u64) -> bool {
        let pending = match Pending::read(&self.runner.host.layout) {
            Ok(pending) => pending.is_some_and(|pending| pending.run == id),
            Err(_) => true,
        };
        pending || self.owes(id) || self.runner.runs.read(id).is_ok_and(|stored| !stored.run.state.is_final())
    }

    fn owes(&self, id: u64) -> bool {
        locked(&self.runner.owed).iter().any(|owed| owed.stored.run.id == id)
    }

    fn is_left_alone(&self, id: u64) -> bool {
        locked(&self.runner.left_alone).contains(&id)
    }

    /// A run that another process began.
    fn taken_up(&self, stored: StoredRun, course: Course, actor: &Actor) -> Arc<Current> {
        let mut stored = stored;
        let events = match self.runner.runs.events_to_append(stored.run.id) {
            Ok((file, next)) => {
                stored.run.last_event = next - 1;
                Some((file, next))
            }
            Err(error) => {
                // What is to be put back is put back without words.
                tracing::error!("{error}");
                None
            }
        };
        Current::new(stored, course, actor.clone(), Reported::default(), events)
    }

    /// What is left to do after a restart in the same boot.
    fn wait_again(&self, current: &Current, pending: &Pending) {
        self.runner.words(current, "The console was stopped during this run and has started again.");
        // The deadline is shown again.
        self.runner.moves(current, Course::time);
        let decision = self.runner.wait_for_decision(current);
        self.carry_out_decision(current, pending, &decision);
    }

    fn carry_out_decision(&self, current: &Current, pending: &Pending, decision: &Decision) {
        match decision.answer {
            Answer::PutBack => self.runner.put_back_now(current, pending, decision, None),
            Answer::Keep => {
                self.runner.no_longer_pending(current);
                self.end_kept(current);
            }
        }
    }

    /// Ends a run that was kept, and whose process died before it could compare.
    fn end_kept(&self, current: &Current) {
        let operation = locked(&current.inner).stored.run.plan.operation.clone();
        // The draft of the process that died is gone; one made now expects the same.
        let looked = self.look_again(current, &operation);
        let run = current.view(&self.runner.settings.clock);
        let total = run.standing_checks().count();
        let good = run.standing_checks().filter(|check| check.as_planned == Some(true)).count();
        let differ = run.standing_checks().filter(|check| check.as_planned == Some(false)).count();
        let (state, outcome, summary) = match looked {
            Err(why) => (RunState::Differs, Outcome::Failed, format!("Kept. The host could not be looked at: {why}")),
            Ok(_) if differ == 0 && good > 0 => (
                RunState::AsPlanned,
                Outcome::Done,
                format!("Kept. The network runs as planned. {good} of {total} checks are as planned."),
            ),
            Ok(_) => (
                RunState::Differs,
                Outcome::Failed,
                format!("Kept, although not all is as planned: {good} of {total} checks are."),
            ),
        };
        self.runner.end(current, state, outcome, summary, None);
    }

    /// From the command line, when the process that waited has died.
    pub(in crate::operations) fn answer_for_the_dead(
        &self,
        id: u64,
        answer: Answer,
        actor: &Actor,
        lock: Lock,
    ) -> Result<(), Refusal> {
        let failed = |error: FileError| Refusal::new(RefusalKind::Failed, error.to_string());
        let Some(pending) =
            Pending::read(&self.runner.host.layout).map_err(failed)?.filter(|pending| pending.run == id)
        else {
            return Err(does_not_wait(id));
        };
        let stored = self.runner.runs.read(id).map_err(failed)?;
        if !revert::is_same_boot(&self.runner.host.layout, &pending.boot).map_err(failed)? {
            self.overtaken(&self.taken_up(stored, Course::taken_up(), &pending.actor));
            return Err(Refusal::new(
                RefusalKind::NotFound,
                "The machine was started anew since: there is nothing to keep or to put back.",
            ));
        }
        let known = self.runner.recorder.about(stored.intent, id)?;
        if is_closed(&known) {
            return Err(does_not_wait(id));
        }
        let clock = &self.runner.settings.clock;
        let course = match pending.until(clock) {
            Some(until) => Course::left_waiting(pending.changed.unwrap_or_else(|| clock.boot()), until),
            None => Course::left_running(),
        };
        let current = self.taken_up(stored, course, &pending.actor);
        let mut taken = Err(Refusal::new(RefusalKind::Failed, "The console failed. Look at the run's page."));
        Held::take(self.runner, &current, lock).carry(|runner, current| {
            taken = runner.decide(current, answer, None, actor, &Reported::default());
            let decision = locked(&current.inner).course.decision().cloned();
            // Past its time, or in the middle of being put back: then that is done now.
            if let Some(decision) = decision {
                Restart::of(runner).carry_out_decision(current, &pending, &decision);
            }
        });
        taken
    }

    /// An answer for a process that waits in another place: it is left there, and what became of it is seen.
    pub(in crate::operations) fn leave_answer(&self, id: u64, answer: Answer, actor: &Actor) -> Result<(), Refusal> {
        /// How long the process that waits may take to see it.
        const PATIENCE: Duration = Duration::from_secs(10);
        let keep = answer == Answer::Keep;
        let failed = |error: FileError| Refusal::new(RefusalKind::Failed, error.to_string());
        self.runner.runs.answer(id, &crate::operations::runs::Answer { keep, actor: actor.clone() }).map_err(failed)?;
        let begun = std::time::Instant::now();
        loop {
            let run = self.runner.runs.read(id).map_err(failed)?.run;
            let over = run.state.is_final();
            match &run.decided {
                Some(decided) if decided.keep == keep => return Ok(()),
                None if !over && begun.elapsed() < PATIENCE => {}
                decided => {
                    // Nobody is to find it later.
                    let untaken = self.runner.runs.take_answer(id).is_some();
                    return Err(match decided {
                        Some(decided) => too_late(id, decided.keep),
                        None if over => does_not_wait(id),
                        None if untaken => Refusal::new(
                            RefusalKind::Busy,
                            format!("The process that carries out run {id} did not take the answer. Try again."),
                        ),
                        None => Refusal::new(
                            RefusalKind::Failed,
                            format!(
                                "What became of the answer is not known yet: see pot-console audit list, run {id}."
                            ),
                        ),
                    });
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn overtaken(&self, current: &Current) {
        self.runner.no_longer_pending(current);
        self.runner.end(
            current,
            RunState::OvertakenByReboot,
            Outcome::OvertakenByReboot,
            "The machine was started anew before this was kept or put back. What the run changed while it ran is gone; files were not touched.".to_owned(),
            Some("Plan vnet-start again when you want the network.".to_owned()),
        );
    }

    /// Whether the machine was started anew cannot be seen. What is put back in another boot could turn off a firewall that
    /// this boot turned on, so nothing is.
    fn boot_not_known(&self, current: &Current, error: &FileError) {
        self.runner.no_longer_pending(current);
        let summary = format!(
            "Whether the machine was started anew since this run could not be seen ({error}), so nothing was put back."
        );
        let remedy = "Look at the machine: pfctl -s info; ifconfig -a; sysctl net.inet.ip.forwarding".to_owned();
        self.runner.end(current, RunState::Differs, Outcome::Failed, summary, Some(remedy));
    }

    /// What a run changed, whose own record cannot be read.
    fn put_back_without_a_run(&self, pending: &Pending, error: &FileError) {
        if !revert::is_same_boot(&self.runner.host.layout, &pending.boot).unwrap_or(false) {
            let _ = Pending::remove(&self.runner.host.layout);
            return;
        }
        let steps = revert::put_back(&self.runner.host, pending, &mut |event| {
            if let PutBackEvent::Command(argv) = event {
                tracing::info!("{}", argv.join(" "));
            }
        });
        let good = steps.iter().filter(|step| step.done).count();
        let _ = Pending::remove(&self.runner.host.layout);
        self.record_lost(format!(
            "Run {} could not be read ({error}). What it changed was put back: {good} of {} are as before.",
            pending.run,
            steps.len()
        ));
    }

    fn record_lost(&self, message: String) {
        let mut entry = Entry::event(console(), Reported::default(), Act::Revert, "vnet-start", message);
        entry.outcome = Some(Outcome::Failed);
        if let Err(refusal) = self.runner.record(entry) {
            tracing::error!("{refusal}");
        }
    }

    /// A run whose process died: the history knows how it ended, or it was interrupted.
    fn died(&self, stored: StoredRun) {
        let id = stored.run.id;
        match self.runner.recorder.about(stored.intent, id) {
            Ok(known) if is_closed(&known) => self.ended_before(stored, &known),
            Ok(known) => match kept_by(&known) {
                Some(name) => {
                    let actor = Actor { name: stored.run.actor.clone(), ..console() };
                    self.end_kept(&self.taken_up(stored, Course::left_kept(name), &actor));
                }
                None => self.interrupted(stored),
            },
            Err(refusal) => {
                // It is closed once that is known: an act has one outcome.
                if locked(&self.runner.left_alone).insert(id) {
                    tracing::error!("how run {id} ended is not known: {refusal}");
                }
            }
        }
    }

    /// Writes down what the history says of the end of a run.
    fn ended_before(&self, stored: StoredRun, known: &[Record]) {
        let Some(record) = known.iter().find(|record| record.entry.stage == Stage::Outcome) else { return };
        let mut stored = stored;
        let run = &mut stored.run;
        run.state = match record.entry.outcome {
            Some(Outcome::Done) => RunState::AsPlanned,
            Some(Outcome::Failed) => RunState::Differs,
            Some(Outcome::Reverted) => RunState::Reverted,
            Some(Outcome::RevertedInPart) => RunState::RevertedInPart,
            Some(Outcome::OvertakenByReboot) => RunState::OvertakenByReboot,
            Some(Outcome::Interrupted | Outcome::Refused) | None => RunState::Interrupted,
        };
        run.summary.clone_from(&record.entry.message);
        run.ended = Some(record.time);
        run.deadline = None;
        run.abortable = false;
        for progress in &mut run.progress {
            if *progress == Some(StepProgress::Running) && run.state != RunState::AsPlanned {
                *progress = Some(StepProgress::Failed);
            }
        }
        self.runner.write_down(&stored, None);
    }

    /// How a run ended, for the outcome of its intent, where the history could not take that down.
    pub(in crate::operations) fn outcome_left(&self, id: u64) -> Option<(Outcome, String)> {
        let stored = self.runner.runs.read(id).ok().filter(|stored| stored.run.state.is_final())?;
        let run = stored.run;
        let outcome = match run.state {
            RunState::AsPlanned => Outcome::Done,
            RunState::Reverted => Outcome::Reverted,
            RunState::RevertedInPart => Outcome::RevertedInPart,
            RunState::OvertakenByReboot => Outcome::OvertakenByReboot,
            RunState::Interrupted => Outcome::Interrupted,
            RunState::Differs | RunState::Aborted | RunState::Running | RunState::AwaitingKeep => Outcome::Failed,
        };
        Some((outcome, run.summary))
    }

    /// A run whose process died.
    fn interrupted(&self, stored: StoredRun) {
        let operation = stored.run.plan.operation.clone();
        let actor = Actor { name: stored.run.actor.clone(), ..console() };
        let current = self.taken_up(stored, Course::taken_up(), &actor);
        let found = match self.look_again(&current, &operation) {
            Ok(draft) => found_at_restart(&draft),
            Err(refusal) => format!("the host could not be looked at: {refusal}"),
        };
        let again = format!("Plan {} again to go on.", operation.name());
        self.runner.end(
            &current,
            RunState::Interrupted,
            Outcome::Interrupted,
            format!("The console was stopped during this run. What it found at restart: {found}. {again}"),
            Some(again),
        );
    }

    /// Compares the host with what a plan made now would expect.
    fn look_again(&self, current: &Current, operation: &Operation) -> Result<PlanDraft, Refusal> {
        let (draft, look) = self.runner.draft(operation)?;
        let seen = look.seen(None);
        for expect in draft.steps.iter().flat_map(|step| &step.expects) {
            if !matches!(expect, Expect::Ping(_) | Expect::Content { .. }) {
                self.runner
                    .say(current, RunEventKind::Check(expect.check(&seen, None, self.runner.settings.clock.wall())));
            }
        }
        Ok(draft)
    }

    /// Closes in the history what was recorded to start and could not: nothing was changed.
    pub(in crate::operations) fn never_began(
        &self,
        stored: &StoredRun,
        actor: &Actor,
        reported: &Reported,
        why: &dyn std::fmt::Display,
    ) {
        let run = &stored.run;
        let message = format!("Run {} could not be started: {why}. Nothing has been changed.", run.id);
        let operation = &run.plan.operation;
        let entry = outcome_of(stored.intent, run.id, operation, actor, reported, Outcome::Failed, message);
        if let Err(refusal) = self.runner.record(entry) {
            tracing::error!("{refusal}");
        }
    }
}

/// Who kept it, as the history says.
fn kept_by(known: &[Record]) -> Option<String> {
    let kept =
        known.iter().rev().map(|record| &record.entry).find(|entry| {
            entry.action == Act::Keep && entry.stage == Stage::Event && entry.outcome == Some(Outcome::Done)
        });
    kept.map(|entry| entry.actor.name.clone())
}

/// "3 of 5 datasets exist", or how many steps are done.
fn found_at_restart(draft: &PlanDraft) -> String {
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
