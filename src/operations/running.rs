//! A run under way: its state and events, its course from the first action to the check afterwards, how it ended.
//!
//! [`course`] says where it is and which way it may go on. Everything of a run that changes stands behind one lock,
//! [`Current::inner`]; each way on is taken under it, in [`Runner::moves`]. [`Held`] is the right to carry a run out: when it
//! is dropped, however that comes, the lock on the host and the place for a run are free again.

mod acting;
mod keeping;
mod others;
mod restart;

use self::acting::{Acting, Outcomes};
use self::others::Watched;
pub(super) use self::restart::Restart;
use super::checks::{Expect, counted};
use super::clock::SinceBoot;
use super::course::{Answer, Course, Decision};
use super::current::Current;
use super::current::locked;
use super::current::{Inner, Owed};
use super::draft::PlanDraft;
use super::inputs::HostFiles;
use super::plans;
use super::revert::{self, NetworkState, Pending};
use super::runner::{Runner, act_of};
use super::runs::StoredRun;
use crate::files::Lock;
use crate::journal::record::{Action, Actor, Entry, Outcome, Record, Reported, Stage};
use crate::plan::{Check, Operation, Run, RunEventKind, RunState, StepProgress, Stream};
use crate::platform::crash_point;
use crate::refusal::{Refusal, RefusalKind};
use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a waiting run looks for an answer from the command line, and at its clock.
const GLANCE: Duration = Duration::from_millis(200);
/// How long the end of verification is waited for after Keep: what some forty questions may take, four at a time, each with
/// its tool's own patience. On a slow host it goes on for minutes, and what was not seen is not as planned.
const VERIFY: Duration = Duration::from_mins(10);
/// And how long where the executor is about to end.
const VERIFY_AT_STOP: Duration = Duration::from_secs(30);
/// How long a stop of the executor waits for a run.
const STOP: Duration = Duration::from_secs(90);

/// The right to carry a run out: the lock on the host, and the one place for a run. Both are free again when it is
/// dropped, also by a thread that dies.
pub(super) struct Held {
    runner: Arc<Runner>,
    current: Arc<Current>,
    lock: Option<Lock>,
}

impl Held {
    pub(super) fn take(runner: &Arc<Runner>, current: &Arc<Current>, lock: Lock) -> Self {
        *locked(&runner.current) = Some(Arc::clone(current));
        Self { runner: Arc::clone(runner), current: Arc::clone(current), lock: Some(lock) }
    }

    /// Carries it out. When the console itself fails in it, what the run changed is put back here and now.
    pub(super) fn carry(self, course: impl FnOnce(&Arc<Runner>, &Arc<Current>)) {
        let Err(fault) = catch_unwind(AssertUnwindSafe(|| course(&self.runner, &self.current))) else { return };
        let why = fault
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| fault.downcast_ref::<&str>().map(|why| (*why).to_owned()))
            .unwrap_or_else(|| "no reason was given".to_owned());
        tracing::error!("run {} failed: {why}", self.current.id);
        // Should this fail, too, the next look takes the run up from what is on disk.
        if catch_unwind(AssertUnwindSafe(|| self.runner.after_a_fault(&self.current, &why))).is_err() {
            tracing::error!("run {} could not be ended", self.current.id);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.lock.take());
        *locked(&self.runner.current) = None;
        self.current.finish();
    }
}

impl Runner {
    /// The one way on for a run: changes its course under its lock, and shows, writes down and tells what came of it.
    fn moves<T>(&self, current: &Current, change: impl FnOnce(&mut Course, SinceBoot) -> T) -> T {
        self.moves_with(current, |inner, now| change(&mut inner.course, now))
    }

    /// The same for who needs more of the run than its course, under the same lock.
    fn moves_with<T>(&self, current: &Current, change: impl FnOnce(&mut Inner, SinceBoot) -> T) -> T {
        let (value, told) = {
            let mut inner = locked(&current.inner);
            let before = inner.course.clone();
            let value = change(&mut inner, self.settings.clock.boot());
            inner.show_course(&self.settings.clock);
            let state = inner.course.shown();
            let told = (state != inner.stored.run.state).then(|| {
                let number = inner.append(self.settings.clock.wall(), RunEventKind::State { state });
                (number, state == RunState::AwaitingKeep)
            });
            if told.is_some() || inner.course != before {
                self.write_down(&inner.stored, None);
            }
            (value, told)
        };
        current.moved.notify_all();
        if let Some((number, close)) = told {
            (self.notify)(current.id, number, close);
        }
        value
    }

    /// Writes a run down. What has ended and cannot be written is owed.
    fn write_down(&self, stored: &StoredRun, entry: Option<Entry>) {
        let written = self.runs.write(stored);
        if stored.run.state.is_final() && (written.is_err() || entry.is_some()) {
            let mut owed = locked(&self.owed);
            owed.retain(|one| one.stored.run.id != stored.run.id);
            owed.push(Owed { stored: stored.clone(), entry });
        }
    }

    /// Writes what is owed, once that can be done. The caller holds the change lock.
    fn write_what_is_owed(&self) {
        let owed = std::mem::take(&mut *locked(&self.owed));
        let mut left = Vec::new();
        for mut one in owed {
            if let Some(entry) = one.entry.take() {
                // Another process may have closed it meanwhile: an act has one outcome.
                let known =
                    self.recorder.about(one.stored.intent, one.stored.run.id).map(|records| is_closed(&records));
                match known {
                    Ok(true) => {}
                    Ok(false) if self.record(entry.clone()).is_ok() => one.stored.run.summary = entry.message,
                    _ => one.entry = Some(entry),
                }
            }
            if self.runs.write(&one.stored).is_err() || one.entry.is_some() {
                left.push(one);
            }
        }
        locked(&self.owed).extend(left);
    }

    /// Says something new of a run: on disk first, then to whoever listens.
    fn say(&self, current: &Current, what: RunEventKind) {
        let number = locked(&current.inner).append(self.settings.clock.wall(), what);
        (self.notify)(current.id, number, false);
    }

    /// The same of what is seen, unless that is no longer of interest. False then.
    fn say_while_compared(&self, current: &Current, what: RunEventKind) -> bool {
        let number = {
            let mut inner = locked(&current.inner);
            if !inner.course.compares() {
                return false;
            }
            inner.append(self.settings.clock.wall(), what)
        };
        (self.notify)(current.id, number, false);
        true
    }

    fn words(&self, current: &Current, text: impl Into<String>) {
        self.say(current, RunEventKind::Line { stream: Stream::Console, text: text.into() });
    }

    fn step(&self, current: &Current, step: usize, state: StepProgress) {
        let now = locked(&current.inner).stored.run.progress.get(step).copied().flatten();
        if now != Some(state) {
            self.say(current, RunEventKind::Step { step, state });
        }
    }

    /// Changes the run as shown and writes it down.
    fn change(&self, current: &Current, change: impl FnOnce(&mut Run)) {
        let mut inner = locked(&current.inner);
        change(&mut inner.stored.run);
        self.write_down(&inner.stored, None);
    }

    /// Someone ends a run where that is safe: judged, recorded and done under one lock.
    pub(super) fn end_early(&self, current: &Current, actor: &Actor, reported: &Reported) -> Result<(), Refusal> {
        self.moves_with(current, |inner, _| {
            if !inner.course.clone().abort() {
                return Err(Refusal::new(
                    RefusalKind::Busy,
                    "This cannot be cut off now: half of it done would be worse than either.",
                ));
            }
            let message = format!("Run {} is ended by {}.", current.id, actor.name);
            self.event(Action::Abort, current, actor, reported, message)?;
            inner.course.abort();
            current.cancel.cancel();
            Ok(())
        })
    }

    /// The thread of a run.
    pub(super) fn carry_out(
        self: &Arc<Self>,
        current: &Arc<Current>,
        draft: PlanDraft,
        files_before: HostFiles,
        seen_before: Vec<Vec<String>>,
        pending: Option<Pending>,
    ) {
        crash_point("run-begun");
        self.moves(current, |course, _| course.begin());
        let compared = Arc::new(Compared { draft, seen_before });
        let draft = &compared.draft;
        let mut watched = Watched::new(draft, &files_before);
        let mut outcomes = Acting::new(self, current).act(draft, &files_before, &mut watched);
        crash_point("run-acted");
        let aborted = self.moves(current, |course, _| course.acted());
        if aborted && outcomes.failure.is_none() {
            outcomes.failure = Some(acting::Failure::ended("ended when all steps were through"));
        }
        let Some(mut pending) = pending else {
            self.verify(current, &compared);
            self.conclude(current, draft, &outcomes, &mut watched);
            return;
        };
        let left = NetworkState::read(&self.host);
        if !aborted && !revert::differs(&pending.before, &left) {
            // Nothing to put back: nothing to ask.
            self.verify(current, &compared);
            self.no_longer_pending(current);
            self.conclude(current, draft, &outcomes, &mut watched);
            return;
        }
        pending.left = Some(left);
        let verification = self.begin_waiting(current, &mut pending, &compared);
        match self.wait_for_decision(current) {
            Decision { answer: Answer::Keep, .. } => {
                self.no_longer_pending(current);
                // A verification that hangs is not waited for without end; its probes have time limits of their own.
                let kept = Instant::now();
                let patience = || {
                    if locked(&current.inner).course.is_stopping() { VERIFY_AT_STOP } else { VERIFY }
                };
                while verification.as_ref().is_some_and(|thread| !thread.is_finished()) && kept.elapsed() < patience() {
                    std::thread::sleep(Duration::from_millis(20));
                }
                self.conclude(current, draft, &outcomes, &mut watched);
            }
            decision => self.put_back_now(current, &pending, &decision, Some(&mut watched)),
        }
    }

    /// Ends a run in which the console itself failed. Decided stays what was decided; else what it changed is put back.
    fn after_a_fault(&self, current: &Current, why: &str) {
        self.moves(current, |course, _| course.fault());
        self.words(current, format!("The console failed in the middle of this run: {why}"));
        let decision = locked(&current.inner).course.decision().cloned();
        let kept = decision.as_ref().is_some_and(|decision| decision.answer == Answer::Keep);
        let pending = Pending::read(&self.host.layout);
        match (&pending, &decision) {
            (Ok(Some(pending)), Some(decision)) if pending.run == current.id && !kept => {
                self.put_back_now(current, pending, decision, None);
            }
            _ if kept => {
                self.no_longer_pending(current);
                let summary = format!("Kept. How it compares with the plan is not known: the console failed ({why}).");
                self.end(current, RunState::Differs, Outcome::Failed, summary, None);
            }
            _ => {
                let saved = match pending {
                    Err(error) => format!(" What was to be put back could not be read: {error}."),
                    Ok(_) => String::new(),
                };
                let again = format!("Plan {} again to go on.", current.operation);
                let summary = format!("The console failed in the middle of this run ({why}).{saved} {again}");
                self.end(current, RunState::Interrupted, Outcome::Interrupted, summary, Some(again));
            }
        }
    }

    /// Looks at everything that the plan expects, and ticks steps off.
    fn verify(&self, current: &Current, compared: &Compared) {
        let Compared { draft, seen_before } = compared;
        let pf_file = match draft.operation {
            Operation::Init { pf_file, .. } | Operation::DeInit { pf_file, .. } => pf_file,
            _ => None,
        };
        let gateway: Option<Ipv4Addr> =
            draft.steps.iter().flat_map(|step| &step.expects).find_map(|expect| match expect {
                Expect::Ping(address) => Some(*address),
                _ => None,
            });
        let (look, ping) = std::thread::scope(|scope| {
            let ping = gateway.map(|gateway| scope.spawn(move || self.host.ping(gateway)));
            let look = self.host.look(pf_file);
            (look, ping.and_then(|ping| ping.join().ok()))
        });
        let mut look = match look {
            Ok(look) => look,
            Err(refusal) => {
                self.words(current, format!("The host could not be looked at: {refusal}"));
                self.not_seen(current, draft, &refusal.message);
                return;
            }
        };
        let seen = look.seen(ping);
        for (index, planned) in draft.steps.iter().enumerate() {
            let mut good = None;
            for (place, expect) in planned.expects.iter().enumerate() {
                let before = seen_before.get(index).and_then(|step| step.get(place)).cloned();
                // What was missing before says nothing beside what was there.
                let before = before
                    .filter(|_| !matches!(expect, Expect::Ping(_) | Expect::Content { .. }))
                    .map(|before| before.split(';').next().unwrap_or_default().to_owned());
                let check = expect.check(&seen, before, self.settings.clock.wall());
                good = match (good, check.as_planned) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (_, Some(true)) => Some(true),
                    (known, None) => known,
                };
                if !self.say_while_compared(current, RunEventKind::Check(check)) {
                    return;
                }
            }
            let now = locked(&current.inner).stored.run.progress.get(index).copied().flatten();
            let state = match good {
                Some(true) => Some(StepProgress::Done),
                Some(false) => Some(StepProgress::Failed),
                // Nothing was seen against it: it went through.
                None if planned.expects.is_empty() || planned.actions.is_empty() => None,
                None => (now == Some(StepProgress::Running)).then_some(StepProgress::Done),
            };
            if let Some(state) = state.filter(|state| now != Some(*state)) {
                self.say_while_compared(current, RunEventKind::Step { step: index, state });
            }
        }
        // While the dataset is there, what stands beside it is in use.
        let gone = || {
            draft
                .steps
                .iter()
                .flat_map(|step| &step.expects)
                .filter(|expect| matches!(expect, Expect::NoDataset(_)))
                .all(|expect| expect.look(&seen).0 == Some(true))
        };
        if matches!(draft.operation, Operation::DeInit { .. } | Operation::CleanUp { .. }) && gone() {
            look.files.turned_pf_on = self.turned_pf_on(&look.facts);
            let left = look.with_inputs(&self.host, plans::leftovers);
            self.change(current, |run| run.leftovers = left);
        }
    }

    /// Says of everything that the plan expects and that was not looked at that it was not: it is not taken for right.
    fn not_seen(&self, current: &Current, draft: &PlanDraft, why: &str) {
        for expect in draft.steps.iter().flat_map(|step| &step.expects) {
            let title = expect.title();
            if locked(&current.inner).stored.run.checks.iter().any(|check| check.title == title) {
                continue;
            }
            let check = Check {
                title,
                as_planned: None,
                observed: why.to_owned(),
                before: None,
                at: Some(self.settings.clock.wall()),
                before_put_back: false,
            };
            self.say_while_compared(current, RunEventKind::Check(check));
        }
    }

    /// How a run ended that needs no putting back: compared with its plan.
    fn conclude(&self, current: &Current, draft: &PlanDraft, outcomes: &Outcomes, watched: &mut Watched) {
        self.not_seen(current, draft, "not looked at in time");
        watched.look(&self.host);
        let run = current.view(&self.settings.clock);
        let good = run.checks.iter().filter(|check| check.as_planned == Some(true)).count();
        let differing: Vec<&Check> = run.checks.iter().filter(|check| check.as_planned == Some(false)).collect();
        let unseen = run.checks.iter().filter(|check| check.as_planned.is_none()).count();
        let total = run.checks.len();
        let as_planned = outcomes.failure.is_none() && differing.is_empty() && (good > 0 || total == 0);
        let checks = match (differing.len(), unseen) {
            _ if total == 0 => "Nothing could be checked.".to_owned(),
            (0, 0) if total == 1 => "The one check is as planned.".to_owned(),
            (0, 0) => format!("All {total} checks are as planned."),
            (0, unseen) => format!("{good} of {total} checks are as planned, {unseen} could not be seen."),
            (differ, _) => {
                let first =
                    differing.first().map(|check| format!("{}: {}", check.title, check.observed)).unwrap_or_default();
                let differ = if differ == 1 { "1 differs".to_owned() } else { format!("{differ} differ") };
                format!("{good} of {total} checks are as planned, {differ}. {first}.")
            }
        };
        let mut sentences = Vec::new();
        if let Some(failure) = &outcomes.failure {
            sentences.push(failure.cause.clone());
        } else if let Some(status) = outcomes.pot_status.filter(|status| *status != 0) {
            let usual = if draft.can_cut_off && status == 1 && outcomes.pot_error.is_none() {
                " That is usual when pf was already on."
            } else {
                ""
            };
            sentences.push(format!("pot ended with status {status}.{usual}"));
        }
        if let Some(error) = outcomes.pot_error.as_ref().filter(|_| outcomes.failure.is_none()) {
            sentences.push(format!("pot said: {error}."));
        }
        if run.decided.as_ref().is_some_and(|decided| decided.keep) {
            sentences.push(if as_planned { "Kept. The network runs as planned." } else { "Kept." }.to_owned());
        }
        match (&draft.operation, as_planned) {
            (Operation::DeInit { .. }, true) => {
                let root = draft.confirm_text.clone().unwrap_or_default();
                sentences.push(match run.leftovers.len() {
                    0 => format!("{root} is gone, checked. pot left nothing behind."),
                    left => format!("{root} is gone, checked. pot left {} behind.", counted(left, "thing")),
                });
            }
            _ => sentences.push(checks),
        }
        let aborted = outcomes.failure.as_ref().is_some_and(|failure| failure.aborted);
        if as_planned {
            // Steps that have neither an action nor a check of their own are pot's own business, which went well.
            for index in 0..draft.steps.len() {
                if run.progress.get(index).copied().flatten().is_none() {
                    self.step(current, index, StepProgress::Done);
                }
            }
        } else {
            sentences.extend(Self::what_stands(draft, &run));
        }
        sentences.extend(watched.in_words());
        let state = match (aborted, as_planned) {
            (true, _) => RunState::Aborted,
            (false, true) => RunState::AsPlanned,
            (false, false) => RunState::Differs,
        };
        let remedy = (!as_planned).then(|| remedy(&draft.operation, outcomes, &run.checks));
        let outcome = if as_planned { Outcome::Done } else { Outcome::Failed };
        self.end(current, state, outcome, sentences.join(" "), remedy);
    }

    /// What of the datasets is there, after something went wrong.
    fn what_stands(draft: &PlanDraft, run: &Run) -> Option<String> {
        let titles: Vec<String> = draft
            .steps
            .iter()
            .flat_map(|step| &step.expects)
            .filter(|expect| matches!(expect, Expect::Dataset { .. }))
            .map(Expect::title)
            .collect();
        let there = run.checks.iter().filter(|check| titles.contains(&check.title) && check.observed != "none").count();
        (!titles.is_empty()).then(|| format!("{there} of {} datasets exist.", titles.len()))
    }

    /// Ends a run: history, state, summary. Nothing when another has ended it: an act has one outcome.
    fn end(&self, current: &Current, state: RunState, outcome: Outcome, summary: String, remedy: Option<String>) {
        if !self.moves(current, |course, _| course.settle()) {
            return;
        }
        let message = match remedy.as_ref().filter(|_| state == RunState::RevertedInPart) {
            Some(remedy) => format!("{summary} {remedy}"),
            None => summary.clone(),
        };
        let entry = {
            let inner = locked(&current.inner);
            let operation = &inner.stored.run.plan.operation;
            outcome_of(inner.stored.intent, current.id, operation, &current.actor, &current.reported, outcome, message)
        };
        let recorded = self.record(entry.clone());
        let number = {
            let mut inner = locked(&current.inner);
            inner.course.end(state);
            inner.show_course(&self.settings.clock);
            let run = &mut inner.stored.run;
            run.ended = Some(self.settings.clock.wall());
            run.remedy = remedy;
            run.summary = match &recorded {
                Ok(_) => summary,
                Err(refusal) => format!("{summary} The history could not take this down: {refusal}"),
            };
            for progress in &mut run.progress {
                if *progress == Some(StepProgress::Running) && state != RunState::AsPlanned {
                    *progress = Some(StepProgress::Failed);
                }
            }
            // The state goes with the last event; a reader that sees it final finds everything else in place.
            let number = inner.append(self.settings.clock.wall(), RunEventKind::State { state });
            self.write_down(&inner.stored, recorded.is_err().then_some(entry));
            number
        };
        // Whoever left it waits no longer, and is told by the run's state.
        let _ = self.runs.take_answer(current.id);
        current.moved.notify_all();
        (self.notify)(current.id, number, false);
        crash_point("run-ended");
    }

    /// The executor is about to end: what may have to be put back is put back first, what can be ended is ended.
    pub(super) fn shutdown(&self) {
        let Some(current) = locked(&self.current).clone() else { return };
        if self.moves(&current, |course, _| course.stop()) {
            current.cancel.cancel();
        }
        current.wait_for_end(STOP);
    }

    /// Waits for a run of this process to end. True when it has.
    pub(super) fn wait(&self, id: u64, time: Duration) -> bool {
        let current = locked(&self.current).as_ref().filter(|current| current.id == id).cloned();
        current.is_none_or(|current| current.wait_for_end(time))
    }
}

/// The outcome of a run's intent.
fn outcome_of(
    intent: u64,
    run: u64,
    operation: &Operation,
    actor: &Actor,
    reported: &Reported,
    outcome: Outcome,
    message: String,
) -> Entry {
    Entry {
        stage: Stage::Outcome,
        intent: Some(intent),
        outcome: Some(outcome),
        run: Some(run),
        ..Entry::event(actor.clone(), reported.clone(), act_of(operation), operation.name(), message)
    }
}

/// Whether one of these records is an outcome.
fn is_closed(records: &[Record]) -> bool {
    records.iter().any(|record| record.entry.stage == Stage::Outcome)
}

/// What verification compares with.
struct Compared {
    draft: PlanDraft,
    /// What was seen before the run, for each step's checks.
    seen_before: Vec<Vec<String>>,
}

fn remedy(operation: &Operation, outcomes: &Outcomes, checks: &[Check]) -> String {
    let name = operation.name();
    if outcomes.failure.as_ref().is_some_and(|failure| failure.timed_out) {
        return format!("Find out why it hangs (the output's last lines), then plan {name} again.");
    }
    let differs = checks.iter().any(|check| check.as_planned == Some(false));
    if outcomes.failure.is_none() && outcomes.pot_error.is_none() && !differs && !checks.is_empty() {
        return format!(
            "Nothing was seen to differ, but not everything could be seen. Look at Host, or plan {name} again: what is there already is skipped."
        );
    }
    if matches!(operation, Operation::DeInit { .. }) {
        return "Fix what the output names (a busy dataset: fstat, umount), then plan de-init again. What is still there is listed above.".to_owned();
    }
    if outcomes.failure.is_none()
        && checks.iter().any(|check| check.title.ends_with("as previewed") && check.as_planned == Some(false))
    {
        return "A file is not quite as previewed: look at its newest version under History.".to_owned();
    }
    format!("Fix what the output names, then plan {name} again: what is there already is skipped.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_to_fix_what_only_could_not_be_seen() {
        let check = |as_planned| Check {
            title: "pf".to_owned(),
            as_planned,
            observed: "not looked at in time".to_owned(),
            before: None,
            at: None,
            before_put_back: false,
        };
        let operation = Operation::VnetStart { revert_after: None };
        let said = |checks: &[Check]| remedy(&operation, &Outcomes::default(), checks);
        assert!(said(&[check(None), check(None)]).starts_with("Nothing was seen to differ"));
        assert!(said(&[check(None), check(Some(false))]).starts_with("Fix what the output names"));
    }
}
