//! The course of a run: its one state, and the one place for each way on from it. Pure: time is handed in, and nothing
//! here touches the host. What stands in run.json, in `pending-revert.json`, in messages and on pages are views of it.
//!
//! | event ↓ / state → | starting | running | waiting | decided | settled | ended |
//! |---|---|---|---|---|---|---|
//! | begin | running | – | – | – | – | – |
//! | a command | – | running; no once it was ended | – | – | – | – |
//! | abort | no | running, ended where that is safe | no | no | no | no |
//! | acted | – | running, no longer to be ended | – | – | – | – |
//! | changed | – | waiting; decided (put back) when it was ended or the console stops | – | – | – | – |
//! | keep, put back | no | no | decided; past its time: no, and decided (put back) | the same again: yes; else no | no | no |
//! | time passes | – | – | decided (put back) once it is over | – | – | – |
//! | stop | starting | running, ended where that is safe | decided (put back) | decided | settled | ended |
//! | a fault | decided (put back) | decided (put back) | decided (put back) | decided | settled | ended |
//! | settle | settled | settled | – | settled | – | – |
//! | end | – | – | – | – | ended | – |
//!
//! “–”: not possible, nothing changes. “no”: refused, in words. *Settled* means kept or put back, and not recorded yet:
//! only one comes there, so that there is one outcome.

use crate::operations::clock::SinceBoot;
use crate::plan::RunState;
use std::time::Duration;

/// What becomes of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::operations) enum Answer {
    Keep,
    PutBack,
}

/// Who or what decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    /// Someone, by name.
    Someone(String),
    /// Nobody answered in time.
    Time,
    /// The console is stopped.
    Stop,
    /// The run was ended by someone.
    Abort,
    /// The console was stopped during the run and has started again.
    Restart,
    /// The console itself failed.
    Fault,
}

/// What was decided, by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) answer: Answer,
    pub(super) by: By,
}

impl Decision {
    fn put_back(by: By) -> Self {
        Self { answer: Answer::PutBack, by }
    }

    /// Why it is put back: the end of a sentence.
    pub(super) fn because(&self) -> &'static str {
        match self.by {
            By::Someone(_) => "because someone asked for it",
            By::Time => "because no answer arrived",
            By::Stop => "because the console was stopped",
            By::Abort => "because the run was ended",
            By::Restart => "because the console was stopped during the run",
            By::Fault => "because the console failed during the run",
        }
    }
}

/// Why an answer was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// It does not wait, or not any more.
    DoesNotWait,
    /// It was decided otherwise before.
    Late(Decision),
}

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// The intent is recorded, the thread is on its way.
    Starting,
    /// Its actions are carried out, or compared with the plan.
    Running { abortable: bool, aborted: bool },
    /// The network is changed; it waits for an answer.
    Waiting { changed: SinceBoot, until: SinceBoot },
    /// It is decided and carried out.
    Decided(Decision),
    /// It is carried out; that is about to be recorded.
    Settled(Option<Decision>),
    /// Nothing more will happen.
    Ended(RunState),
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Course {
    state: State,
    /// The console is about to end.
    stopping: bool,
}

impl Course {
    /// A run that starts now.
    pub(super) fn starting() -> Self {
        Self { state: State::Starting, stopping: false }
    }

    /// One that another process began and that is past its actions: nobody can end it any more.
    pub(super) fn taken_up() -> Self {
        Self { state: State::Running { abortable: false, aborted: false }, stopping: false }
    }

    /// One that another process left waiting.
    pub(super) fn left_waiting(changed: SinceBoot, until: SinceBoot) -> Self {
        Self { state: State::Waiting { changed, until }, stopping: false }
    }

    /// One that another process left in the middle, or while it was put back.
    pub(super) fn left_running() -> Self {
        Self { state: State::Decided(Decision::put_back(By::Restart)), stopping: false }
    }

    /// One of which the history says that it was kept.
    pub(super) fn left_kept(by: String) -> Self {
        let decision = Decision { answer: Answer::Keep, by: By::Someone(by) };
        Self { state: State::Decided(decision), stopping: false }
    }

    /// The thread begins.
    pub(super) fn begin(&mut self) {
        if self.state == State::Starting {
            self.state = State::Running { abortable: true, aborted: false };
        }
    }

    /// A command is about to start. False: it must not, for the run was ended.
    pub(super) fn command(&mut self, can_be_ended: bool) -> bool {
        match &mut self.state {
            State::Running { abortable, aborted: false } if !(self.stopping && can_be_ended) => {
                *abortable = can_be_ended;
                true
            }
            _ => false,
        }
    }

    /// Someone ends it. False: that is not safe now.
    pub(super) fn abort(&mut self) -> bool {
        match &mut self.state {
            State::Running { abortable: true, aborted } => {
                *aborted = true;
                true
            }
            _ => false,
        }
    }

    /// All actions are through. True when it was ended meanwhile.
    pub(super) fn acted(&mut self) -> bool {
        match &mut self.state {
            State::Running { abortable, aborted } => {
                *abortable = false;
                *aborted
            }
            _ => false,
        }
    }

    /// The network is changed since `now`, and an answer is waited for so long; put back at once when nobody may wait.
    pub(super) fn changed(&mut self, now: SinceBoot, wait: Duration) {
        let State::Running { aborted, .. } = self.state else { return };
        self.state = match (aborted, self.stopping) {
            (true, _) => State::Decided(Decision::put_back(By::Abort)),
            (false, true) => State::Decided(Decision::put_back(By::Stop)),
            (false, false) => State::Waiting { changed: now, until: now.after(wait) },
        };
    }

    /// Whether an answer would be taken now, without taking it. `Ok(false)`: the same was decided before.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn would_take(&self, answer: Answer, now: SinceBoot) -> Result<bool, NotTaken> {
        match &self.state {
            State::Waiting { until, .. } if now < *until => Ok(true),
            State::Waiting { .. } => Err(NotTaken::Late(Decision::put_back(By::Time))),
            State::Decided(decision) if decision.answer == answer => Ok(false),
            State::Decided(decision) => Err(NotTaken::Late(decision.clone())),
            _ => Err(NotTaken::DoesNotWait),
        }
    }

    /// Someone answers. `Ok(false)`: the same was decided before.
    ///
    /// # Errors
    /// Why it was not taken. What is past its time is decided by that.
    pub(super) fn answer(&mut self, answer: Answer, who: &str, now: SinceBoot) -> Result<bool, NotTaken> {
        let taken = self.would_take(answer, now);
        match &taken {
            Ok(true) => self.state = State::Decided(Decision { answer, by: By::Someone(who.to_owned()) }),
            Ok(false) => {}
            Err(_) => self.time(now),
        }
        taken
    }

    /// Time passes.
    pub(super) fn time(&mut self, now: SinceBoot) {
        if let State::Waiting { until, .. } = self.state
            && now >= until
        {
            self.state = State::Decided(Decision::put_back(By::Time));
        }
    }

    /// The console is about to end. True when what runs is to be ended.
    pub(super) fn stop(&mut self) -> bool {
        self.stopping = true;
        if let State::Waiting { .. } = self.state {
            self.state = State::Decided(Decision::put_back(By::Stop));
        }
        self.abort()
    }

    /// The console failed in this run. What was decided stays decided.
    pub(super) fn fault(&mut self) {
        if let State::Starting | State::Running { .. } | State::Waiting { .. } = self.state {
            self.state = State::Decided(Decision::put_back(By::Fault));
        }
    }

    /// It is kept, put back, or through without a question. True for the one that may record how it ended.
    pub(super) fn settle(&mut self) -> bool {
        self.state = match &self.state {
            State::Starting | State::Running { .. } => State::Settled(None),
            State::Decided(decision) => State::Settled(Some(decision.clone())),
            State::Waiting { .. } | State::Settled(_) | State::Ended(_) => return false,
        };
        true
    }

    /// How it ended is recorded.
    pub(super) fn end(&mut self, state: RunState) {
        if let State::Settled(_) = self.state {
            self.state = State::Ended(state);
        }
    }

    /// What was decided, once that is so.
    pub(super) fn decision(&self) -> Option<&Decision> {
        match &self.state {
            State::Decided(decision) | State::Settled(Some(decision)) => Some(decision),
            _ => None,
        }
    }

    /// When the change was made and until when an answer is waited for, while it is.
    pub(super) fn waits(&self) -> Option<(SinceBoot, SinceBoot)> {
        match self.state {
            State::Waiting { changed, until } => Some((changed, until)),
            _ => None,
        }
    }

    /// Whether ending it is offered.
    pub(super) fn is_abortable(&self) -> bool {
        matches!(self.state, State::Running { abortable: true, aborted: false })
    }

    /// Whether what is seen of the host now is still to be compared with the plan: not once it is being put back.
    pub(super) fn compares(&self) -> bool {
        match &self.state {
            State::Running { .. } | State::Waiting { .. } => true,
            State::Decided(decision) => decision.answer == Answer::Keep,
            State::Starting | State::Settled(_) | State::Ended(_) => false,
        }
    }

    /// Whether the console is about to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// As pages and commands have it.
    pub(super) fn shown(&self) -> RunState {
        match &self.state {
            State::Ended(state) => *state,
            State::Waiting { .. } => RunState::AwaitingKeep,
            State::Decided(decision) | State::Settled(Some(decision)) => match decision.by {
                // There was no question.
                By::Abort | By::Fault | By::Restart => RunState::Running,
                By::Someone(_) | By::Time | By::Stop => RunState::AwaitingKeep,
            },
            State::Starting | State::Running { .. } | State::Settled(None) => RunState::Running,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGED: SinceBoot = SinceBoot(1_000);
    const UNTIL: SinceBoot = SinceBoot(61_000);
    const IN_TIME: SinceBoot = SinceBoot(60_999);

    fn at(state: State) -> Course {
        Course { state, stopping: false }
    }

    fn running(abortable: bool, aborted: bool) -> Course {
        at(State::Running { abortable, aborted })
    }

    fn decided(answer: Answer, by: By) -> Course {
        at(State::Decided(Decision { answer, by }))
    }

    fn anna() -> By {
        By::Someone("anna".to_owned())
    }

    /// Every state, by the name of its column.
    fn states() -> Vec<(&'static str, Course)> {
        vec![
            ("starting", Course::starting()),
            ("running", running(true, false)),
            ("not abortable", running(false, false)),
            ("aborted", running(true, true)),
            ("waiting", Course::left_waiting(CHANGED, UNTIL)),
            ("kept", decided(Answer::Keep, anna())),
            ("put back", decided(Answer::PutBack, By::Time)),
            ("settled", at(State::Settled(None))),
            ("settled kept", at(State::Settled(Some(Decision { answer: Answer::Keep, by: anna() })))),
            ("ended", at(State::Ended(RunState::AsPlanned))),
        ]
    }

    type Event = (&'static str, fn(&mut Course) -> String);

    /// Every event, with what it answers.
    fn events() -> Vec<Event> {
        fn told(taken: Result<bool, NotTaken>) -> String {
            match taken {
                Ok(true) => "taken".to_owned(),
                Ok(false) => "the same".to_owned(),
                Err(NotTaken::DoesNotWait) => "no".to_owned(),
                Err(NotTaken::Late(decision)) => format!("late: {:?}", decision.answer),
            }
        }
        vec![
            ("begin", |course| {
                course.begin();
                String::new()
            }),
            ("command", |course| course.command(true).to_string()),
            ("abort", |course| course.abort().to_string()),
            ("acted", |course| course.acted().to_string()),
            ("changed", |course| {
                course.changed(CHANGED, Duration::from_mins(1));
                String::new()
            }),
            ("keep", |course| told(course.answer(Answer::Keep, "anna", IN_TIME))),
            ("keep late", |course| told(course.answer(Answer::Keep, "anna", UNTIL))),
            ("put back", |course| told(course.answer(Answer::PutBack, "anna", IN_TIME))),
            ("time", |course| {
                course.time(IN_TIME);
                String::new()
            }),
            ("time over", |course| {
                course.time(UNTIL);
                String::new()
            }),
            ("stop", |course| course.stop().to_string()),
            ("fault", |course| {
                course.fault();
                String::new()
            }),
            ("settle", |course| course.settle().to_string()),
            ("end", |course| {
                course.end(RunState::Reverted);
                String::new()
            }),
        ]
    }

    /// What changes, or is answered otherwise than by "no" and "false". Whatever is not here must change nothing.
    fn table(state: &str, event: &str) -> Option<(Course, &'static str)> {
        let back = |by| decided(Answer::PutBack, by);
        let settled = |answer, by| at(State::Settled(Some(Decision { answer, by })));
        let (_, same) = states().into_iter().find(|(name, _)| *name == state).unwrap();
        let stopping = |course: Course| Course { stopping: true, ..course };
        Some(match (state, event) {
            ("starting", "begin") => (running(true, false), ""),
            ("running", "command") => (running(true, false), "true"),
            ("not abortable", "command") => (running(true, false), "true"),
            ("running" | "aborted", "abort") => (running(true, true), "true"),
            ("running" | "not abortable", "acted") => (running(false, false), "false"),
            ("aborted", "acted") => (running(false, true), "true"),
            ("running" | "not abortable", "changed") => (Course::left_waiting(CHANGED, UNTIL), ""),
            ("aborted", "changed") => (back(By::Abort), ""),
            ("waiting", "keep") => (decided(Answer::Keep, anna()), "taken"),
            ("waiting", "put back") => (back(anna()), "taken"),
            ("waiting", "keep late") => (back(By::Time), "late: PutBack"),
            ("kept", "keep" | "keep late") | ("put back", "put back") => (same, "the same"),
            ("kept", "put back") => (same, "late: Keep"),
            ("put back", "keep" | "keep late") => (same, "late: PutBack"),
            ("waiting", "time over") => (back(By::Time), ""),
            ("waiting", "stop") => (stopping(back(By::Stop)), "false"),
            ("running" | "aborted", "stop") => (stopping(running(true, true)), "true"),
            (_, "stop") => (stopping(same), "false"),
            ("starting" | "running" | "not abortable" | "aborted" | "waiting", "fault") => (back(By::Fault), ""),
            ("starting" | "running" | "not abortable" | "aborted", "settle") => (at(State::Settled(None)), "true"),
            ("kept", "settle") => (settled(Answer::Keep, anna()), "true"),
            ("put back", "settle") => (settled(Answer::PutBack, By::Time), "true"),
            ("settled" | "settled kept", "end") => (at(State::Ended(RunState::Reverted)), ""),
            _ => return None,
        })
    }

    #[test]
    fn every_event_in_every_state_does_what_the_table_says() {
        for (name, course) in states() {
            for (event, happens) in events() {
                let mut after = course.clone();
                let answer = happens(&mut after);
                match table(name, event) {
                    Some((wanted, said)) => {
                        assert_eq!((&after, answer.as_str()), (&wanted, said), "{event} while {name}");
                    }
                    None => {
                        assert_eq!(after, course, "{event} while {name} changes nothing");
                        assert!(matches!(answer.as_str(), "" | "no" | "false"), "{event} while {name}: {answer}");
                    }
                }
                if course.shown().is_final() {
                    assert_eq!(after.shown(), course.shown(), "{event}: nothing happens after the end");
                }
            }
        }
    }

    #[test]
    fn of_any_row_of_events_one_decision_and_one_end_come() {
        // All rows of four events, from the moment that it waits: 14^4 = 38,416.
        let events = events();
        let mut rows = vec![Vec::new()];
        for _ in 0..4 {
            rows = rows
                .into_iter()
                .flat_map(|row: Vec<usize>| (0..events.len()).map(move |next| [row.clone(), vec![next]].concat()))
                .collect();
        }
        for row in rows {
            let mut course = Course::left_waiting(CHANGED, UNTIL);
            let (mut decision, mut ends) = (None::<Decision>, 0);
            for event in &row {
                let (name, happens) = events[*event];
                let answer = happens(&mut course);
                ends += usize::from(name == "settle" && answer == "true");
                if let (Some(first), Some(now)) = (&decision, course.decision()) {
                    assert_eq!(first, now, "decided once: {row:?}");
                }
                decision = decision.or_else(|| course.decision().cloned());
                if answer == "taken" {
                    assert_eq!(course.decision().map(|decision| &decision.by), Some(&anna()), "{row:?}");
                }
            }
            assert!(ends <= 1, "{row:?}");
        }
    }

    #[test]
    fn a_console_that_stops_lets_no_run_begin_to_wait() {
        let mut course = running(false, false);
        assert!(!course.stop(), "what must not be cut off is not");
        assert!(!course.command(true) && course.command(false), "what may be cut off does not begin any more");
        course.changed(CHANGED, Duration::from_mins(1));
        assert_eq!(course.decision().map(Decision::because), Some("because the console was stopped"));
    }
}
