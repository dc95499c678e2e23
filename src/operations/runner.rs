//! What a run is carried out with: the host, the history, the store of runs, the one run that is under way.

use super::checks::Expect;
use super::clock::Clock;
use super::current::{Current, Owed, locked};
use super::draft::PlanDraft;
use super::looking::{Host, HostSnapshot, Sight};
use super::plans;
use super::recorder::Recorder;
use super::revert::Pending;
use super::runs::Runs;
use crate::facts::HostFacts;
use crate::files::{Backups, FileError};
use crate::journal::record::{Action as Act, Actor, Entry, Method, Outcome, Record, Reported};
use crate::layout::Layout;
use crate::plan::{Operation, ProofNeeded, Run, RunBrief, RunState};
use crate::process::{Limits, Tools};
use crate::refusal::{Refusal, RefusalKind};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// Runs that are asked what became of pot and pf.
pub(super) const RUNS_LOOKED_AT: usize = 200;
/// pot's guide's address for feedback.
pub(crate) const RECIPIENT: &str = "pizzamig@FreeBSD.org";

/// What root's settings decide and may decide anew while the console runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FromRoot {
    /// To whom feedback goes.
    pub feedback_recipient: String,
    /// pf rules files that may be named beside the one of rc.conf.
    pub pf_files: Vec<String>,
    /// How long an ordinary command may take.
    pub command_time: Duration,
}

/// What the settings and the executor decide.
#[derive(Clone)]
pub struct EngineSettings {
    /// To whom feedback goes.
    pub feedback_recipient: String,
    /// pf rules files that may be named beside the one of rc.conf.
    pub pf_files: Vec<String>,
    /// How long an ordinary command may take.
    pub command_time: Duration,
    /// How long installing and destroying may take.
    pub long_command_time: Duration,
    /// How long the mailer may take.
    pub mailer_time: Duration,
    /// The proof that confirming an operation takes (the executor's table).
    pub proof: Arc<dyn Fn(&Operation) -> ProofNeeded + Send + Sync>,
    /// Where the time comes from.
    pub clock: Clock,
    /// What is known of the host, handed in; none: its tools are asked.
    pub sight: Option<Sight>,
}

impl Default for EngineSettings {
    /// Two minutes for a command, two hours for long ones, 30 s for the mailer; a fresh proof, a one-time proof for what destroys.
    fn default() -> Self {
        Self {
            feedback_recipient: RECIPIENT.to_owned(),
            pf_files: Vec::new(),
            command_time: Duration::from_mins(2),
            long_command_time: Duration::from_hours(2),
            mailer_time: Duration::from_secs(30),
            proof: Arc::new(|operation| match operation {
                Operation::DeInit { .. } => ProofNeeded::OneTime,
                _ => ProofNeeded::Fresh,
            }),
            clock: Clock::default(),
            sight: None,
        }
    }
}

impl std::fmt::Debug for EngineSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineSettings").field("pf_files", &self.pf_files).finish_non_exhaustive()
    }
}

/// Told when a run has something new: its number, its last event, whether connections should be closed.
pub(crate) type Notify = Arc<dyn Fn(u64, u64, bool) + Send + Sync>;

pub(super) fn failed(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(RefusalKind::Failed, error.to_string())
}

pub(super) fn not_found(what: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::NotFound, what)
}

/// The executor itself, when no one asked.
pub fn console() -> Actor {
    Actor { name: "pot-console".to_owned(), role: None, method: Method::Console, session: None, claimed: None }
}

/// The history's word for an operation.
pub(super) fn act_of(operation: &Operation) -> Act {
    match operation {
        Operation::Prepare { .. } => Act::Readiness,
        Operation::Restore { .. } => Act::Restore,
        _ => Act::Run,
    }
}

/// What a run is carried out with.
pub(super) struct Runner {
    pub(super) host: Host,
    pub(super) recorder: Arc<dyn Recorder>,
    pub(super) notify: Notify,
    pub(super) settings: EngineSettings,
    from_root: RwLock<Arc<FromRoot>>,
    pub(super) runs: Runs,
    pub(super) backups: Backups,
    pub(super) current: Mutex<Option<Arc<Current>>>,
    /// Runs that have ended and could not be written down whole.
    pub(super) owed: Mutex<Vec<Owed>>,
    /// Runs of which the history cannot be read: they are not looked at again and again.
    pub(super) left_alone: Mutex<BTreeSet<u64>>,
}

impl Runner {
    pub(super) fn open(
        layout: Layout,
        tools: Tools,
        recorder: Arc<dyn Recorder>,
        notify: Notify,
        settings: EngineSettings,
    ) -> Result<Self, FileError> {
        Ok(Self {
            runs: Runs::open(&layout)?,
            backups: Backups::of(&layout).with_clock(settings.clock.clone()),
            host: Host::new(layout, tools, settings.pf_files.clone()).with_sight(settings.sight.clone()),
            from_root: RwLock::new(Arc::new(FromRoot {
                feedback_recipient: settings.feedback_recipient.clone(),
                pf_files: settings.pf_files.clone(),
                command_time: settings.command_time,
            })),
            recorder,
            notify,
            settings,
            current: Mutex::new(None),
            owed: Mutex::default(),
            left_alone: Mutex::default(),
        })
    }

    /// Takes what root's settings say from now on. A plan that was made with others is not carried out: its digest
    /// differs.
    pub(super) fn take_settings(&self, from_root: FromRoot) {
        self.host.set_pf_files(from_root.pf_files.clone());
        *self.from_root.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(from_root);
    }

    /// What root's settings say now.
    pub(super) fn in_force(&self) -> Arc<FromRoot> {
        Arc::clone(&self.from_root.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the host and drafts.
    pub(super) fn draft(&self, operation: &Operation) -> Result<(PlanDraft, HostSnapshot), Refusal> {
        let pf_file = match operation {
            Operation::Init { pf_file, .. } | Operation::DeInit { pf_file, .. } => *pf_file,
            _ => None,
        };
        let mut look = self.host.look(pf_file)?;
        if matches!(operation, Operation::DeInit { .. } | Operation::CleanUp { .. }) {
            look.files.turned_pf_on = self.turned_pf_on(&look.facts);
        }
        let version = match operation {
            Operation::Restore { backup, file } => Some(
                self.backups
                    .read(file.name(), backup)
                    .map_err(|error| not_found(format!("{error}. Nothing has been changed.")))?,
            ),
            _ => None,
        };
        let mut draft = look.with_inputs(&self.host, |inputs| match operation {
            Operation::Prepare { .. } => plans::prepare(operation, inputs),
            Operation::Init { .. } => plans::init(operation, inputs),
            Operation::VnetStart { .. } => plans::vnet_start(operation, inputs),
            Operation::DeInit { .. } => plans::de_init(operation, inputs),
            Operation::CleanUp { .. } => plans::clean_up(operation, inputs),
            Operation::Restore { .. } => plans::restore(operation, inputs, version.as_deref().unwrap_or_default()),
        });
        if let Some(slow) = look.facts.slow_in_words() {
            draft.warnings.push(format!("This host answers slowly: {slow}. It is busy, or has much to list."));
        }
        draft.proof = (self.settings.proof)(operation);
        Ok((draft, look))
    }

    /// The run from here that turned pf on, where pf is on and the host was not booted since.
    pub(super) fn turned_pf_on(&self, facts: &HostFacts) -> Option<u64> {
        let booted = facts.machine.get()?.booted?;
        facts.pf.get().filter(|pf| pf.enabled)?;
        let pf = Expect::PfEnabled.title();
        let numbers = self.runs.numbers().ok()?;
        numbers
            .iter()
            .filter_map(|number| self.run_state(*number).ok())
            .take(RUNS_LOOKED_AT)
            .take_while(|run| run.started >= booted)
            // What was put back stands no more.
            .find(|run| {
                matches!(run.plan.operation, Operation::VnetStart { .. })
                    && run.standing_checks().any(|check| {
                        check.title == pf && check.as_planned == Some(true) && check.before.as_deref() == Some("off")
                    })
            })
            .map(|run| run.id)
    }

    /// Appends to the history.
    pub(super) fn record(&self, entry: Entry) -> Result<Record, Refusal> {
        self.recorder.record(entry)
    }

    /// Refuses while something may have to be put back: nothing else is changed then. The caller holds the change lock.
    pub(super) fn nothing_pending(&self) -> Result<(), Refusal> {
        match Pending::read(&self.host.layout) {
            Ok(None) => Ok(()),
            Ok(Some(pending)) => Err(Refusal::new(
                RefusalKind::Busy,
                format!("Run {} waits to be kept or put back. Nothing else is changed until then.", pending.run),
            )),
            Err(error) => Err(failed(error)),
        }
    }

    /// The run that is under way, if there is one: its number and its state.
    pub(super) fn active(&self) -> Option<(u64, RunState)> {
        locked(&self.current).as_ref().map(|current| (current.id(), current.state()))
    }

    /// One run; a refusal says whether there is none of that number, it is not kept any more, or it cannot be read.
    pub(super) fn run_state(&self, id: u64) -> Result<Run, Refusal> {
        match self.known_here(id) {
            Some(run) => Ok(run),
            None => self.runs.read(id).map(|stored| stored.run).map_err(|error| self.not_read(id, error)),
        }
    }

    /// The same as lists show it.
    pub(super) fn run_brief(&self, id: u64) -> Result<RunBrief, Refusal> {
        match self.known_here(id) {
            Some(run) => Ok(RunBrief::of(&run)),
            None => self.runs.brief(id).map_err(|error| self.not_read(id, error)),
        }
    }

    /// A run that this process knows better than what is written down of it.
    fn known_here(&self, id: u64) -> Option<Run> {
        if let Some(current) = locked(&self.current).as_ref().filter(|current| current.id() == id) {
            return Some(current.view(&self.settings.clock));
        }
        // One that has ended and could not be written down.
        locked(&self.owed).iter().find(|owed| owed.stored.run.id == id).map(|owed| owed.stored.run.clone())
    }

    fn not_read(&self, id: u64, error: FileError) -> Refusal {
        match error {
            FileError::Missing(_) if self.runs.is_pruned(id) => Refusal::new(
                RefusalKind::Gone,
                format!("The output of run {id} is not kept any more; the history has what it did."),
            ),
            FileError::Missing(_) => not_found(format!("There is no run {id}.")),
            error => failed(error),
        }
    }

    /// The run, when it is this process that carries it out.
    pub(super) fn own(&self, id: u64) -> Result<Arc<Current>, Refusal> {
        locked(&self.current)
            .as_ref()
            .filter(|current| current.id() == id)
            .cloned()
            .ok_or_else(|| not_found(format!("Run {id} is not under way.")))
    }

    pub(super) fn event(
        &self,
        action: Act,
        current: &Current,
        actor: &Actor,
        reported: &Reported,
        message: String,
    ) -> Result<Record, Refusal> {
        let mut entry = Entry::event(actor.clone(), reported.clone(), action, current.operation_name(), message);
        entry.run = Some(current.id());
        entry.outcome = Some(Outcome::Done);
        self.record(entry)
    }

    /// Time limits of a command.
    pub(super) fn limits(&self, long: bool) -> Limits {
        let time = if long { self.settings.long_command_time } else { self.in_force().command_time };
        Limits { time, line_bytes: 4 << 10, total_bytes: 8 << 20, ends_with_us: false }
    }
}
