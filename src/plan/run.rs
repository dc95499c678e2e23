//! A run: a plan that is being carried out, or that was.

use super::{Leftover, Operation, Plan};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The kind of a line of a run's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// A command's standard output.
    Out,
    /// A command's standard error.
    Err,
    /// The console's own words.
    Console,
}

/// One event of a run, numbered from 1 without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEvent {
    /// Its number.
    pub number: u64,
    /// When.
    pub time: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: RunEventKind,
}

/// What happened in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RunEventKind {
    /// A line of output, control characters made harmless, at most 4 KiB.
    Line {
        /// Which stream.
        stream: Stream,
        /// The text.
        text: String,
    },
    /// A command starts.
    Command {
        /// As argument vector.
        argv: Vec<String>,
    },
    /// A command ended.
    Exit {
        /// Its status; none when a signal or the time limit ended it.
        status: Option<i32>,
        /// In words.
        text: String,
    },
    /// A step of the plan (by index) changed its state.
    Step {
        /// Index into the plan's steps.
        step: usize,
        /// Its new state.
        state: StepProgress,
    },
    /// A check made after the run.
    Check(Check),
    /// The run's state changed.
    State {
        /// The new state.
        state: RunState,
    },
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepProgress {
    /// It runs.
    Running,
    /// It is done.
    Done,
    /// It failed.
    Failed,
}

/// One comparison of a fact with the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What is compared: "bridge with 10.192.0.1".
    pub title: String,
    /// Whether it is as planned; none when it could not be seen.
    pub as_planned: Option<bool>,
    /// What was seen.
    pub observed: String,
    /// What was seen before the run.
    #[serde(default)]
    pub before: Option<String>,
    /// When it was seen.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// Whether it was seen before what the run changed was put back: it says nothing of the host as it is.
    #[serde(default)]
    pub before_put_back: bool,
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// It runs.
    Running,
    /// It ran; it waits to be kept until `deadline`.
    AwaitingKeep,
    /// Ended, as planned.
    AsPlanned,
    /// Ended, something differs from the plan.
    Differs,
    /// Ended by someone.
    Aborted,
    /// The executor was stopped during it.
    Interrupted,
    /// Put back.
    Reverted,
    /// Put back in part.
    RevertedInPart,
    /// A reboot came before it could be put back.
    OvertakenByReboot,
}

impl RunState {
    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Running | Self::AwaitingKeep)
    }
}

/// One step of putting back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutBackStep {
    /// `pf`, `IP forwarding` …
    pub title: String,
    /// Whether it is as before.
    pub done: bool,
    /// How that went: "off again", or why it could not be put back and what to type.
    pub detail: String,
}

/// What was decided about a change that could be kept or put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Kept, or to be put back.
    pub keep: bool,
    /// Who decided; none when it was the end of the time, or the console itself.
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A run as lists show it: what is left of a [`Run`] without its plan and what became of that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunBrief {
    /// [`Run::id`].
    pub id: u64,
    /// What it carries out.
    pub operation: Operation,
    /// [`Run::actor`].
    pub actor: String,
    /// [`Run::started`].
    pub started: Timestamp,
    /// [`Run::state`].
    pub state: RunState,
}

impl RunBrief {
    /// What lists show of a run.
    pub(crate) fn of(run: &Run) -> Self {
        Self {
            id: run.id,
            operation: run.plan.operation.clone(),
            actor: run.actor.clone(),
            started: run.started,
            state: run.state,
        }
    }
}

/// A run as the executor keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its number, counted from 1 on this host.
    pub id: u64,
    /// The plan it carries out.
    pub plan: Plan,
    /// Who started it.
    pub actor: String,
    /// Why, as they said.
    pub reason: Option<String>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Its state.
    pub state: RunState,
    /// "pot ended with status 1. That is usual when pf was already on. All 7 checks are as planned."
    pub summary: String,
    /// What is to be done now, when something is.
    pub remedy: Option<String>,
    /// Until when it must be kept, by the clock on the wall: for showing.
    pub deadline: Option<Timestamp>,
    /// What was decided, once that is so.
    #[serde(default)]
    pub decided: Option<Decided>,
    /// Whether aborting is offered now.
    pub(crate) abortable: bool,
    /// Checks made so far.
    pub checks: Vec<Check>,
    /// How far each step of the plan is, by index; none when not begun.
    pub progress: Vec<Option<StepProgress>>,
    /// What pot left behind (after de-init), for the clean-up buttons.
    pub leftovers: Vec<Leftover>,
    /// What was put back, each with how that went (after a revert).
    #[serde(default)]
    pub put_back: Vec<PutBackStep>,
    /// Number of the last event.
    pub last_event: u64,
}

impl Run {
    /// The checks that say something of the host as it is: those before a put-back do not.
    pub fn standing_checks(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.before_put_back)
    }
}
