//! A run under way: its state and events, its course from the first action to the check afterwards, how it ended.

mod acting;
mod keeping;
mod restart;

use self::acting::Outcomes;
use self::keeping::Answered;
use super::draft::{Draft, Expect, HostFiles, counted};
use super::engine::{Engine, act_of, locked};
use super::plan::{Check, Operation, Run, RunEvent, RunEventKind, RunState, StepProgress, Stream};
use super::plans;
use super::revert::{self, NetworkState, Pending};
use super::runs::{Runs, StoredRun};
use crate::journal::record::{Actor, Entry, Outcome, Reported, Stage};
use crate::platform::crash_point;
use crate::process::Cancel;
use crate::secret::Secret;
use jiff::Timestamp;
use std::fs::File;
use std::net::Ipv4Addr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// How often a waiting run looks for an answer from the command line.
const GLANCE: Duration = Duration::from_millis(200);
/// How long the end of verification is waited for after Keep.
const VERIFY: Duration = Duration::from_secs(30);
/// How long a stop of the executor waits for a run.
const STOP: Duration = Duration::from_secs(90);

/// What someone wants of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// End it.
    Abort,
    /// Keep what it changed.
    Keep,
    /// Put back what it changed.
    PutBack,
    /// The executor is stopped.
    Stop,
}

/// A nonce and where it was given out.
struct Nonce {
    text: Secret,
    connection: u64,
}

/// The run that this process carries out.
pub(super) struct Current {
    id: u64,
    operation: &'static str,
    actor: Actor,
    reported: Reported,
    cancel: Cancel,
    inner: Mutex<Inner>,
    wishes: Mutex<Vec<Wish>>,
    wished: Condvar,
    nonces: Mutex<Vec<Nonce>>,
    ended: Mutex<bool>,
    end: Condvar,
}

struct Inner {
    stored: StoredRun,
    events: File,
    next: u64,
    /// When the change was made, once the run waits.
    changed_ms: Option<i64>,
    /// Whether run.json could not be written.
    unwritten: bool,
}

impl Current {
    pub(super) fn new(stored: StoredRun, actor: Actor, reported: Reported, events: File, next: u64) -> Self {
        Self {
            id: stored.run.id,
            operation: stored.run.plan.operation.name(),
            actor,
            reported,
            cancel: Cancel::new(),
            inner: Mutex::new(Inner { stored, events, next, changed_ms: None, unwritten: false }),
            wishes: Mutex::new(Vec::new()),
            wished: Condvar::new(),
            nonces: Mutex::new(Vec::new()),
            ended: Mutex::new(false),
            end: Condvar::new(),
        }
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
    pub(super) fn view(&self) -> Run {
        locked(&self.inner).stored.run.clone()
    }

    pub(super) fn may_abort(&self) -> bool {
        let inner = locked(&self.inner);
        inner.stored.run.abortable && inner.stored.run.state == RunState::Running
    }

    /// Says what is wanted of it.
    pub(super) fn wish(&self, wish: Wish) {
        if wish == Wish::Abort {
            self.cancel.cancel();
        }
        locked(&self.wishes).push(wish);
        self.wished.notify_all();
    }

    /// The first wish of those that `fits`, waiting for one at most until `until`.
    fn next_wish(&self, until: Instant, fits: impl Fn(Wish) -> bool) -> Option<Wish> {
        let mut wishes = locked(&self.wishes);
        loop {
            if let Some(at) = wishes.iter().position(|wish| fits(*wish)) {
                return Some(wishes.remove(at));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            wishes = match self.wished.wait_timeout(wishes, left) {
                Ok((wishes, _)) => wishes,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// It has ended and everything is put down.
    pub(super) fn finish(&self) {
        *locked(&self.ended) = true;
        self.end.notify_all();
    }

    fn wait_for_end(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut ended = locked(&self.ended);
        while !*ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            ended = match self.end.wait_timeout(ended, left) {
                Ok((ended, _)) => ended,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        true
    }
}

impl Engine {
    /// Says something new of a run: on disk first, then to whoever listens.
    fn say(&self, current: &Current, what: RunEventKind) {
        let (last, close) = {
            let mut inner = locked(&current.inner);
            let inner = &mut *inner;
            let event = RunEvent { number: inner.next, time: Timestamp::now(), what };
            // A full disk must not stop a run half way; readers see the run's state all the same.
            if Runs::append(&mut inner.events, &event).is_ok() {
                inner.next += 1;
                inner.stored.run.last_event = event.number;
            }
            let mut close = false;
            let run = &mut inner.stored.run;
            let weighty = match event.what {
                RunEventKind::Step { step, state } => {
                    if let Some(progress) = run.progress.get_mut(step) {
                        *progress = Some(state);
                    }
                    false
                }
                RunEventKind::Check(check) => {
                    match run.checks.iter_mut().find(|known| known.title == check.title) {
                        Some(known) => *known = check,
                        None => run.checks.push(check),
                    }
                    false
                }
                RunEventKind::State { state } => {
                    run.state = state;
                    close = state == RunState::AwaitingKeep;
                    true
                }
                RunEventKind::Line { .. } | RunEventKind::Command { .. } | RunEventKind::Exit { .. } => false,
            };
            if weighty {
                inner.unwritten = self.runs.write(&inner.stored).is_err();
            }
            (event.number, close)
        };
        (self.notify)(current.id, last, close);
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
        inner.unwritten = self.runs.write(&inner.stored).is_err();
    }

    /// The thread of a run.
    pub(super) fn carry_out(
        self: &Arc<Self>,
        current: &Arc<Current>,
        draft: Draft,
        files_before: HostFiles,
        seen_before: Vec<Vec<String>>,
        pending: Option<Pending>,
    ) {
        crash_point("run-begun");
        self.say(current, RunEventKind::State { state: RunState::Running });
        let outcomes = self.act(current, &draft, &files_before);
        crash_point("run-acted");
        self.change(current, |run| run.abortable = false);
        let stopped = outcomes.failure.as_ref().is_some_and(|failure| failure.aborted);

        let Some(mut pending) = pending else {
            self.verify(current, &draft, &seen_before, &files_before);
            self.conclude(current, &draft, &outcomes, None);
            return;
        };
        let left = NetworkState::read(&self.host);
        let unchanged = left.as_ref().is_ok_and(|left| !revert::differs(&pending.before, left));
        if unchanged && !stopped {
            // Nothing to put back: nothing to ask.
            self.verify(current, &draft, &seen_before, &files_before);
            self.no_longer_pending(current);
            self.conclude(current, &draft, &outcomes, None);
            return;
        }
        pending.left = left.ok();
        if stopped {
            self.verify(current, &draft, &seen_before, &files_before);
            self.put_back_now(current, &pending, "because the run was ended");
            return;
        }
        let answered = self.await_keep(current, &mut pending, |engine| {
            engine.verify(current, &draft, &seen_before, &files_before);
        });
        self.after_waiting(current, &pending, answered, || self.conclude(current, &draft, &outcomes, Some(answered)));
    }

    /// Looks at everything that the plan expects, and ticks steps off.
    fn verify(&self, current: &Current, draft: &Draft, seen_before: &[Vec<String>], files_before: &HostFiles) {
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
        let look = match look {
            Ok(look) => look,
            Err(refusal) => {
                self.words(current, format!("The host could not be looked at: {refusal}"));
                return;
            }
        };
        let _ = files_before;
        let seen = look.seen(ping);
        for (index, planned) in draft.steps.iter().enumerate() {
            let mut good = None;
            for (place, expect) in planned.expects.iter().enumerate() {
                let before = seen_before.get(index).and_then(|step| step.get(place)).cloned();
                // What was missing before says nothing beside what was there.
                let before = before
                    .filter(|_| !matches!(expect, Expect::Ping(_) | Expect::Content { .. }))
                    .map(|before| before.split(';').next().unwrap_or_default().to_owned());
                let check = expect.check(&seen, before);
                good = match (good, check.as_planned) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (_, Some(true)) => Some(true),
                    (known, None) => known,
                };
                if current.state().is_final() {
                    return;
                }
                self.say(current, RunEventKind::Check(check));
            }
            match good {
                Some(true) => self.step(current, index, StepProgress::Done),
                Some(false) => self.step(current, index, StepProgress::Failed),
                // Nothing was seen against it: it went through.
                None if !planned.expects.is_empty() && !planned.actions.is_empty() => {
                    let now = locked(&current.inner).stored.run.progress.get(index).copied().flatten();
                    if now == Some(StepProgress::Running) {
                        self.step(current, index, StepProgress::Done);
                    }
                }
                None => {}
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
            let left = look.with_inputs(&self.host, plans::leftovers);
            self.change(current, |run| run.leftovers = left);
        }
    }

    /// How a run ended that needs no putting back: compared with its plan.
    fn conclude(&self, current: &Current, draft: &Draft, outcomes: &Outcomes, answered: Option<Answered>) {
        let run = current.view();
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
        if answered == Some(Answered::Kept) && as_planned {
            sentences.push("Kept. The network runs as planned.".to_owned());
        } else if answered == Some(Answered::Kept) {
            sentences.push("Kept.".to_owned());
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
        let state = match (aborted, as_planned) {
            (true, _) => RunState::Aborted,
            (false, true) => RunState::AsPlanned,
            (false, false) => RunState::Differs,
        };
        let remedy = (!as_planned).then(|| remedy(draft, outcomes, &run));
        let outcome = if as_planned { Outcome::Done } else { Outcome::Failed };
        self.end(current, state, outcome, sentences.join(" "), remedy);
    }

    /// What of the datasets is there, after something went wrong.
    fn what_stands(draft: &Draft, run: &Run) -> Option<String> {
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

    /// Ends a run: history, state, summary.
    fn end(&self, current: &Current, state: RunState, outcome: Outcome, summary: String, remedy: Option<String>) {
        let (intent, operation) = {
            let inner = locked(&current.inner);
            (inner.stored.intent, inner.stored.run.plan.operation.clone())
        };
        let entry = Entry {
            stage: Stage::Outcome,
            intent: Some(intent),
            actor: current.actor.clone(),
            reported: current.reported.clone(),
            action: act_of(&operation),
            object: operation.name().to_owned(),
            changes: Vec::new(),
            diff: None,
            before: None,
            after: None,
            reason: None,
            outcome: Some(outcome),
            message: match remedy.as_ref().filter(|_| state == RunState::RevertedInPart) {
                Some(remedy) => format!("{summary} {remedy}"),
                None => summary.clone(),
            },
            run: Some(current.id),
        };
        let recorded = self.record(entry);
        {
            let mut inner = locked(&current.inner);
            let run = &mut inner.stored.run;
            run.ended = Some(Timestamp::now());
            run.deadline = None;
            run.abortable = false;
            run.remedy = remedy;
            run.summary = match recorded {
                Ok(_) => summary,
                Err(refusal) => format!("{summary} The history could not take this down: {refusal}"),
            };
            // The state goes with the last event; a reader that sees it final finds everything else in place.
            for progress in &mut run.progress {
                if *progress == Some(StepProgress::Running) && state != RunState::AsPlanned {
                    *progress = Some(StepProgress::Failed);
                }
            }
        }
        self.say(current, RunEventKind::State { state });
        crash_point("run-ended");
    }

    /// The executor is about to end: what may have to be put back is put back first, what can be ended is ended.
    pub fn shutdown(&self) {
        let Some(current) = locked(&self.current).clone() else { return };
        if current.may_abort() {
            current.wish(Wish::Abort);
        }
        current.wish(Wish::Stop);
        current.wait_for_end(STOP);
    }

    /// Waits for a run of this process to end. True when it has.
    pub fn wait(&self, id: u64, time: Duration) -> bool {
        let current = locked(&self.current).as_ref().filter(|current| current.id == id).cloned();
        current.is_none_or(|current| current.wait_for_end(time))
    }
}

fn remedy(draft: &Draft, outcomes: &Outcomes, run: &Run) -> String {
    let name = draft.operation.name();
    if outcomes.failure.as_ref().is_some_and(|failure| failure.timed_out) {
        return format!("Find out why it hangs (the output's last lines), then plan {name} again.");
    }
    if matches!(draft.operation, Operation::DeInit { .. }) {
        return "Mend what the output names (a busy dataset: fstat, umount), then plan de-init again. What is still there is listed above.".to_owned();
    }
    if outcomes.failure.is_none()
        && run.checks.iter().any(|check| check.title.ends_with("as previewed") && check.as_planned == Some(false))
    {
        return "A file is not quite as previewed: look at its newest version under History.".to_owned();
    }
    format!("Mend what the output names, then plan {name} again: what is there already is skipped.")
}
