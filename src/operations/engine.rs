//! The engine: makes and keeps plans, starts runs, takes answers. Synchronous; each run has a thread of its own.
//!
//! A run from top to bottom: [`Engine::plan`] looks at the host and keeps the plan; [`Engine::run`] takes the change
//! lock, looks again, compares digests, records the intent, saves what would have to be put back, and hands over to
//! [`super::running`], which carries it out, verifies, waits for Keep where the network changed, and records how it ended.

use super::checks::Expect;
use super::clock::SinceBoot;
use super::course::Answer;
use super::current::locked;
use super::current::{Current, Proof, does_not_wait};
use super::draft::PlanDraft;
use super::looking::{Host, HostSnapshot};
use super::pf_conf;
use super::recorder::Recorder;
use super::revert::{self, NetworkState, Pending, Phase, SavedFile};
pub use super::runner::{EngineSettings, console};
pub(crate) use super::runner::{FromRoot, Notify};
use super::runner::{RUNS_LOOKED_AT, Runner, act_of, failed, not_found};
use super::running::{Held, Restart};
use super::runs::{MOST_KEPT, StoredRun};
use crate::digest::Digest;
use crate::facts::HostFacts;
use crate::files::{self, Busy, FileError, Lock};
use crate::journal::record::{Actor, Entry, Outcome, Reported, Stage};
use crate::layout::Layout;
use crate::plan::{
    ACKNOWLEDGED, Blocker, Leftover, ManagedFile, Operation, Plan, ProofNeeded, Run, RunBrief, RunEvent, RunState,
};
use crate::process::Tools;
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use ipnet::Ipv4Net;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs::File;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Reboots a simulated host below its root.
pub(crate) type Reboot = fn(&Path) -> Result<(), String>;

/// How long a plan serves.
const PLAN_SERVES: Duration = Duration::from_mins(10);
/// Most plans kept at once.
const MOST_PLANS: usize = 64;
/// How long a start waits for another change to end.
const WAIT_FOR_LOCK: Duration = Duration::from_secs(2);

/// A plan that was shown.
struct KeptPlan {
    plan: Plan,
    session: String,
    made: Instant,
}

/// What is on disk of a run before the host is changed.
struct Begun {
    stored: StoredRun,
    /// None when nothing can have to be put back.
    pending: Option<Pending>,
    /// Its events, and the number of the first.
    events: (File, u64),
}

/// See the module.
pub struct Engine {
    pub(super) runner: Arc<Runner>,
    plans: Mutex<BTreeMap<u64, KeptPlan>>,
    /// How the host, a simulated one, is rebooted, where it is.
    pub(super) reboots: OnceLock<Reboot>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// Which plan goes when there are too many: the oldest one of the session that keeps most, so that a flood of plans
/// pushes out its own and nobody else's. `plans` come by age.
fn to_make_room<'a>(plans: impl Iterator<Item = (u64, &'a str)>) -> Option<u64> {
    let mut sessions: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for (id, session) in plans {
        sessions.entry(session).or_insert((0, id)).0 += 1;
    }
    sessions.into_values().max_by_key(|(count, oldest)| (*count, std::cmp::Reverse(*oldest))).map(|(_, oldest)| oldest)
}

impl Engine {
    /// Opens the store of runs. Call [`Self::recover_at_start`] next.
    ///
    /// # Errors
    /// The console's private folder cannot be used.
    pub fn open(
        layout: Layout,
        tools: Tools,
        recorder: Arc<dyn Recorder>,
        notify: Notify,
        settings: EngineSettings,
    ) -> Result<Arc<Self>, FileError> {
        files::make_private_dir(&layout.private())?;
        let runner = Arc::new(Runner::open(layout, tools, recorder, notify, settings)?);
        Ok(Arc::new(Self { runner, plans: Mutex::new(BTreeMap::new()), reboots: OnceLock::new() }))
    }

    /// Takes what root's settings say from now on. A plan that was made with others is not carried out: its digest
    /// differs.
    pub(crate) fn take_settings(&self, from_root: FromRoot) {
        self.runner.take_settings(from_root);
    }

    /// Refuses while something may have to be put back: nothing else is changed then. The caller holds the change lock.
    ///
    /// # Errors
    /// It names the run and what to do.
    pub(crate) fn nothing_pending(&self) -> Result<(), Refusal> {
        self.runner.nothing_pending()
    }

    /// The run that is under way, if there is one: its number and its state.
    pub fn active(&self) -> Option<(u64, RunState)> {
        self.runner.active()
    }

    /// The run under way, whichever process carries it out: this one, or a command line beside it.
    pub(crate) fn under_way(&self) -> Option<Run> {
        let own = self.active().and_then(|(id, _)| self.run_state(id).ok());
        own.or_else(|| self.runs(None, 1).ok()?.pop()).filter(|run| !run.state.is_final())
    }

    /// One run.
    ///
    /// # Errors
    /// There is none of that number.
    pub fn run_state(&self, id: u64) -> Result<Run, Refusal> {
        self.runner.run_state(id)
    }

    /// The executor is about to end: what may have to be put back is put back first, what can be ended is ended.
    pub fn shutdown(&self) {
        self.runner.shutdown();
    }

    /// Waits for a run of this process to end. True when it has.
    pub fn wait(&self, id: u64, time: Duration) -> bool {
        self.runner.wait(id, time)
    }

    /// Deals with what a sudden end left: a pending revert is carried out at its deadline (at once when that has
    /// passed, or when the run never got so far), or was overtaken by a reboot; other runs are marked interrupted with
    /// what is found, unless the history knows how they ended. To be called once at the executor's start, before it takes
    /// commands.
    pub fn recover_at_start(&self) {
        Restart::of(&self.runner).recover_at_start();
    }

    /// Takes up what a process that died (a command line) left waiting. Cheap when there is nothing; may be called often.
    pub fn take_up_orphans(&self) {
        Restart::of(&self.runner).take_up_orphans();
    }

    /// Deals with what a process that died left, as far as it has not to wait for an answer, and waits for the end of that.
    /// Cheap when there is nothing. Where no service runs, the next command of root's is the executor that finds it.
    pub(crate) fn close_what_died(&self) {
        Restart::of(&self.runner).close_what_died();
    }

    /// Whether a run is this engine's to close, now or later: then nobody else records how it ended.
    pub(crate) fn is_open(&self, id: u64) -> bool {
        Restart::of(&self.runner).is_open(id)
    }

    /// How a run ended, for the outcome of its intent, where the history could not take that down.
    pub(crate) fn outcome_left(&self, id: u64) -> Option<(Outcome, String)> {
        Restart::of(&self.runner).outcome_left(id)
    }

    /// What feedback is stored and recorded with.
    pub(super) fn runner(&self) -> &Runner {
        &self.runner
    }

    /// Makes a plan from facts read now, and keeps it.
    ///
    /// # Errors
    /// The configuration could not be read, or there is no such backup.
    pub fn plan(&self, session: &str, reported: &Reported, operation: Operation) -> Result<Plan, Refusal> {
        let (draft, look) = self.runner.draft(&operation)?;
        let mut plan = self.named(&draft, &look);
        plan.blockers.extend(whoever_asks_is_cut_off(&draft, &look, reported));
        let mut kept = locked(&self.plans);
        kept.retain(|_, plan| plan.made.elapsed() < PLAN_SERVES);
        while kept.len() >= MOST_PLANS {
            let Some(id) = to_make_room(kept.iter().map(|(id, plan)| (*id, plan.session.as_str()))) else { break };
            kept.remove(&id);
        }
        let id = kept.last_key_value().map_or(0, |(id, _)| id + 1).max(milliseconds());
        let plan = Plan { id, ..plan };
        kept.insert(id, KeptPlan { plan: plan.clone(), session: session.to_owned(), made: Instant::now() });
        Ok(plan)
    }

    /// A plan of this session that still serves.
    pub(crate) fn plan_view(&self, session: &str, plan: u64) -> Option<Plan> {
        let kept = locked(&self.plans);
        kept.get(&plan)
            .filter(|kept| kept.made.elapsed() < PLAN_SERVES && kept.session == session)
            .map(|kept| kept.plan.clone())
    }

    /// The draft as people see it.
    fn named(&self, draft: &PlanDraft, look: &HostSnapshot) -> Plan {
        Plan {
            id: 0,
            digest: draft.digest(),
            operation: draft.operation.clone(),
            made: self.runner.settings.clock.wall(),
            summary: draft.summary.clone(),
            steps: draft.steps.iter().map(|step| step.step.clone()).collect(),
            diffs: draft.diffs.clone(),
            pf_rules: draft.pf_rules.clone(),
            nat: draft.nat.clone(),
            cache_is_empty: draft.cache_is_empty,
            routes: draft.routes.clone(),
            destroys: draft.destroys.clone(),
            snapshots: draft.snapshots.clone(),
            blockers: draft.blockers.clone(),
            warnings: draft.warnings.clone(),
            acknowledge: draft.acknowledge.clone(),
            previews: draft.previews.clone(),
            pf_files: self.runner.in_force().pf_files.clone(),
            put_back: draft.put_back.clone(),
            left_behind: draft.left_behind.clone(),
            findings: look.findings().to_vec(),
            proof: draft.proof,
            confirm_text: draft.confirm_text.clone(),
            button: draft.button.clone(),
            revert_after: draft.revert_after,
            nothing_to_do: draft.nothing_to_do,
            approval_code: (draft.proof == ProofNeeded::Shell).then(approval_code),
        }
    }

    /// Starts a plan. The executor has checked role and proof.
    ///
    /// # Errors
    /// Nothing has been changed then.
    #[allow(clippy::too_many_arguments, reason = "each is one thing that the browser or the executor says")]
    pub fn run(
        &self,
        session: &str,
        actor: &Actor,
        reported: &Reported,
        plan: u64,
        digest: &Digest,
        confirm_text: Option<&str>,
        reason: Option<&str>,
    ) -> Result<u64, Refusal> {
        const AGAIN: &str = "Nothing has been changed. Plan again.";
        let kept = {
            let mut plans = locked(&self.plans);
            let Some(kept) =
                plans.get(&plan).filter(|kept| kept.made.elapsed() < PLAN_SERVES && kept.session == session)
            else {
                return Err(not_found(format!("This plan is used up, older than ten minutes or not yours. {AGAIN}")));
            };
            if kept.plan.digest != *digest {
                return Err(Refusal::new(
                    RefusalKind::Conflict,
                    format!("This is not the plan that was shown. {AGAIN}"),
                ));
            }
            confirmed(&kept.plan, confirm_text)?;
            self.not_busy()?;
            // Two who press at the same time: one of them has it.
            let Some(kept) = plans.remove(&plan) else {
                return Err(not_found(format!("This plan is used up. {AGAIN}")));
            };
            kept
        };
        let who = format!("{}: {}", actor.name, kept.plan.operation.name());
        let lock = Lock::acquire(&self.runner.host.layout, &who, WAIT_FOR_LOCK).map_err(|busy| match busy {
            Busy::Held { .. } => Refusal::new(RefusalKind::Busy, format!("{busy}. {AGAIN}")),
            Busy::File(error) => failed(error),
        })?;
        self.runner.nothing_pending()?;
        let (draft, look) = self.runner.draft(&kept.plan.operation)?;
        if draft.digest() != kept.plan.digest {
            return Err(Refusal::new(
                RefusalKind::Conflict,
                format!("The host has changed since the plan was made. {AGAIN}"),
            ));
        }
        let cut_off = whoever_asks_is_cut_off(&draft, &look, reported);
        if let Some(blocker) = draft.blockers.first().or(cut_off.as_ref()) {
            return Err(Refusal::new(
                RefusalKind::Findings,
                format!("Cannot start: {} Nothing has been changed. {}", blocker.problem, blocker.remedy)
                    .trim()
                    .to_owned(),
            ));
        }
        self.start(lock, kept.plan, draft, &look, actor, reported, reason)
    }

    #[allow(clippy::too_many_arguments, reason = "all of it is put down in the run")]
    fn start(
        &self,
        lock: Lock,
        plan: Plan,
        draft: PlanDraft,
        look: &HostSnapshot,
        actor: &Actor,
        reported: &Reported,
        reason: Option<&str>,
    ) -> Result<u64, Refusal> {
        let before = match (draft.can_cut_off, draft.revert_after) {
            (true, Some(_)) => {
                let before = NetworkState::read(&self.runner.host);
                before.is_whole().map_err(|why| {
                    Refusal::new(
                        RefusalKind::Failed,
                        format!("The present state could not be saved ({why}), so it could not be put back. Nothing has been changed. Try again; if it stays so, ask the tool at the machine."),
                    )
                })?;
                Some(before)
            }
            _ => None,
        };
        if self.runner.runs.numbers().is_ok_and(|numbers| numbers.len() > MOST_KEPT) {
            // Where no service runs, nobody does it daily.
            self.prune_runs();
        }
        let id = self.runner.runs.begin().map_err(failed)?;
        let Begun { stored, pending, events } =
            match self.begin(id, &plan, &draft, look, actor, reported, reason, before) {
                Ok(begun) => begun,
                Err(refusal) => {
                    self.runner.runs.forget(id);
                    let _ = Pending::remove(&self.runner.host.layout);
                    return Err(refusal);
                }
            };
        let current = Current::starting(stored.clone(), actor.clone(), reported.clone(), events);
        let held = Held::take(&self.runner, &current, lock);
        let before = look.files.clone();
        let seen_before = draft
            .steps
            .iter()
            .map(|step| step.expects.iter().map(|expect| expect.look(&look.seen(None)).1).collect())
            .collect();
        let started = std::thread::Builder::new().name(format!("run-{id}")).spawn(move || {
            held.carry(|runner, current| runner.carry_out(current, draft, before, seen_before, pending));
        });
        if let Err(error) = started {
            Restart::of(&self.runner).never_began(&stored, actor, reported, &error);
            self.runner.runs.forget(id);
            let _ = Pending::remove(&self.runner.host.layout);
            return Err(failed(format!("The run could not be started: {error}. Nothing has been changed.")));
        }
        Ok(id)
    }

    /// Puts everything down that must be on disk before the host is changed.
    #[allow(clippy::too_many_arguments, reason = "all of it is put down in the run")]
    fn begin(
        &self,
        id: u64,
        plan: &Plan,
        draft: &PlanDraft,
        look: &HostSnapshot,
        actor: &Actor,
        reported: &Reported,
        reason: Option<&str>,
        before: Option<NetworkState>,
    ) -> Result<Begun, Refusal> {
        let events = self.runner.runs.events_to_append(id).map_err(failed)?;
        let pending = match (before, draft.revert_after) {
            (Some(before), Some(revert_after)) => {
                let pending = Pending {
                    run: id,
                    actor: actor.clone(),
                    boot: revert::this_boot(&self.runner.host.layout).map_err(failed)?,
                    phase: Phase::Running,
                    revert_after,
                    deadline: None,
                    until: None,
                    changed: None,
                    before,
                    left: None,
                    files: self.pf_files_now(look)?,
                };
                pending.write(&self.runner.host.layout).map_err(failed)?;
                Some(pending)
            }
            _ => None,
        };
        let command = draft.command.clone().unwrap_or_else(|| vec![plan.operation.name().to_owned()]);
        let mut message = format!("{} starts: {}", command.join(" ").trim_end(), plan.summary);
        if draft.can_cut_off && draft.revert_after.is_none() {
            message.push_str(" Chosen to run without putting back.");
        }
        let record = self.runner.record(Entry {
            stage: Stage::Intent,
            intent: None,
            actor: actor.clone(),
            reported: reported.clone(),
            action: act_of(&plan.operation),
            object: plan.operation.name().to_owned(),
            changes: Vec::new(),
            diff: None,
            before: None,
            after: None,
            reason: reason.map(str::to_owned),
            outcome: None,
            message,
            run: Some(id),
        })?;
        let stored = StoredRun {
            run: Run {
                id,
                plan: plan.clone(),
                actor: actor.name.clone(),
                reason: reason.map(str::to_owned),
                started: self.runner.settings.clock.wall(),
                ended: None,
                state: RunState::Running,
                summary: "Runs.".to_owned(),
                remedy: None,
                deadline: None,
                decided: None,
                abortable: true,
                checks: Vec::new(),
                progress: vec![None; plan.steps.len()],
                leftovers: Vec::new(),
                put_back: Vec::new(),
                last_event: 0,
            },
            intent: record.sequence,
        };
        if let Err(error) = self.runner.runs.write(&stored) {
            Restart::of(&self.runner).never_began(&stored, actor, reported, &error);
            return Err(failed(error));
        }
        Ok(Begun { stored, pending, events })
    }

    /// pf's file and what it names, as they stand.
    fn pf_files_now(&self, look: &HostSnapshot) -> Result<Vec<SavedFile>, Refusal> {
        let unknown = look.files.managed.get(&ManagedFile::PfConf).and_then(|file| file.unknown.as_deref());
        if let Some(why) = unknown {
            return Err(Refusal::new(
                RefusalKind::Failed,
                format!(
                    "pf's file could not be saved ({why}), so its rules could not be put back. Nothing has been changed."
                ),
            ));
        }
        let text = look.files.bytes(ManagedFile::PfConf).to_vec();
        let mut saved = vec![SavedFile {
            path: look.files.path(ManagedFile::PfConf).to_owned(),
            digest: Digest::of(&text),
            bytes: text.clone(),
        }];
        for path in pf_conf::files_named(&text).into_iter().take(64) {
            let here = files::HostPath::of(&self.runner.host.layout, &self.runner.host.layout.on_disk(&path));
            match here.and_then(|file| file.read(4 << 20)) {
                Ok(bytes) => saved.push(SavedFile { path, digest: Digest::of(&bytes), bytes }),
                Err(FileError::Missing(_)) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(saved)
    }

    /// Refuses while a run is under way in this process.
    pub(super) fn not_busy(&self) -> Result<(), Refusal> {
        match locked(&self.runner.current).as_ref() {
            Some(current) => Err(Refusal::new(
                RefusalKind::Busy,
                format!("Run {} has not ended yet. Nothing has been changed.", current.id()),
            )),
            None => Ok(()),
        }
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn runs(&self, before: Option<u64>, limit: usize) -> Result<Vec<Run>, Refusal> {
        let numbers = self.runner.runs.numbers().map_err(failed)?;
        Ok(numbers
            .iter()
            .copied()
            .filter(|number| before.is_none_or(|before| *number < before))
            // A folder whose run.json is not written yet is a run that has not begun.
            .filter_map(|number| self.runner.run_state(number).ok())
            .take(limit)
            .collect())
    }

    /// The same as lists show them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn run_list(&self, before: Option<u64>, limit: usize) -> Result<Vec<RunBrief>, Refusal> {
        let numbers = self.runner.runs.numbers().map_err(failed)?;
        let wanted = numbers.iter().copied().filter(|number| before.is_none_or(|before| *number < before));
        // As above.
        Ok(wanted.filter_map(|number| self.runner.run_brief(number).ok()).take(limit).collect())
    }

    /// The highest number of a run; none when nothing has run yet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn newest_run(&self) -> Result<Option<u64>, Refusal> {
        Ok(self.runs(None, 1)?.first().map(|run| run.id))
    }

    /// What of pot is left on a host on which it is not initialised, by title; none: it is, or that is not known.
    pub fn leftovers(&self, facts: &HostFacts) -> Option<Vec<(Leftover, String)>> {
        self.runner.host.leftovers(facts, self.runner.turned_pf_on(facts))
    }

    /// When pot was removed by a run from here, unless a later one initialised it.
    pub fn removed(&self) -> Option<Timestamp> {
        let numbers = self.runner.runs.numbers().ok()?;
        let runs = numbers.iter().filter_map(|number| self.runner.run_state(*number).ok());
        let newest = runs.take(RUNS_LOOKED_AT).find(|run| match run.plan.operation {
            Operation::Init { .. } => run.state == RunState::AsPlanned,
            // What else differs: pot is gone when its datasets are.
            Operation::DeInit { .. } => {
                let gone = run.plan.confirm_text.as_ref().map(|root| Expect::NoDataset(root.clone()).title());
                run.standing_checks().any(|check| Some(&check.title) == gone.as_ref() && check.as_planned == Some(true))
            }
            _ => false,
        })?;
        matches!(newest.plan.operation, Operation::DeInit { .. }).then_some(newest.ended).flatten()
    }

    /// Takes away the output of runs that are too old; the history keeps what they did. Takes no lock: what goes has ended.
    pub(crate) fn prune_runs(&self) {
        let runner = &self.runner;
        let is_active = |id| self.active().is_some_and(|(active, _)| active == id);
        let is_needed = |id| is_active(id) || self.is_open(id) || locked(&runner.left_alone).contains(&id);
        match runner.runs.prune(runner.settings.clock.wall(), &is_needed) {
            Ok(0) => {}
            Ok(gone) => tracing::info!("the output of {gone} runs was dropped by age"),
            Err(error) => tracing::error!("old runs were not pruned: {error}"),
        }
    }

    /// Events of a run after `after`, and whether no more will come.
    ///
    /// # Errors
    /// There is no run of that number.
    pub fn events(&self, id: u64, after: u64, limit: usize) -> Result<(Vec<RunEvent>, bool), Refusal> {
        // The state first: an event that comes in between is then read at the next call.
        let run = self.runner.run_state(id)?;
        let events = self.runner.runs.events(id, after, limit).map_err(failed)?;
        let ended = run.state.is_final() && events.last().map_or(after, |event| event.number) >= run.last_event;
        Ok((events, ended))
    }

    /// Ends a run where that is safe.
    ///
    /// # Errors
    /// It does not run, or what it does must not be cut off.
    pub fn abort(&self, id: u64, actor: &Actor, reported: &Reported) -> Result<(), Refusal> {
        self.runner.end_early(&*self.runner.own(id)?, actor, reported)
    }

    /// A nonce for Keep, for a connection that was accepted after the change: `accepted_ms` milliseconds after the machine
    /// started.
    ///
    /// # Errors
    /// The run does not wait, or the connection is older than the change.
    pub fn keep_nonce(&self, id: u64, accepted_ms: i64, connection: u64) -> Result<Secret, Refusal> {
        self.runner.give_nonce(&*self.runner.own(id)?, SinceBoot(accepted_ms), connection)
    }

    /// Keeps what a run changed, over another connection than the one the nonce was given on.
    ///
    /// # Errors
    /// The run does not wait (any more), the nonce is not the one, or the connection is not a new one.
    pub fn keep(
        &self,
        id: u64,
        nonce: &Secret,
        accepted_ms: i64,
        connection: u64,
        actor: &Actor,
        reported: &Reported,
    ) -> Result<(), Refusal> {
        let proof = Proof { nonce, accepted: SinceBoot(accepted_ms), connection };
        self.runner.decide(&*self.runner.own(id)?, Answer::Keep, Some(&proof), actor, reported)
    }

    /// Keeps from the machine's own command line, also when another process waits for the answer.
    ///
    /// # Errors
    /// The run does not wait (any more).
    pub fn keep_from_command_line(&self, id: u64, actor: &Actor) -> Result<(), Refusal> {
        self.answer(id, Answer::Keep, actor, &Reported::default())
    }

    /// Puts back at once what a run changed.
    ///
    /// # Errors
    /// The run does not wait (any more).
    pub fn put_back(&self, id: u64, actor: &Actor, reported: &Reported) -> Result<(), Refusal> {
        self.answer(id, Answer::PutBack, actor, reported)
    }

    /// An answer from this or for another process.
    fn answer(&self, id: u64, answer: Answer, actor: &Actor, reported: &Reported) -> Result<(), Refusal> {
        if let Ok(current) = self.runner.own(id) {
            return self.runner.decide(&current, answer, None, actor, reported);
        }
        let pending = Pending::read(&self.runner.host.layout).map_err(failed)?;
        if pending.is_none_or(|pending| pending.run != id || pending.phase != Phase::Waiting) {
            return Err(does_not_wait(id));
        }
        match Lock::acquire(&self.runner.host.layout, &format!("{}: run {id}", actor.name), Duration::ZERO) {
            // Another process waits for the answer and takes it from there.
            Err(Busy::Held { .. }) => Restart::of(&self.runner).leave_answer(id, answer, actor),
            Err(Busy::File(error)) => Err(failed(error)),
            // Nobody waits any more: whoever did has died.
            Ok(lock) => Restart::of(&self.runner).answer_for_the_dead(id, answer, actor, lock),
        }
    }
}

/// The typed text, where the plan wants one.
///
/// # Errors
/// It is not the one that is wanted; nothing has been changed.
pub(crate) fn confirmed(plan: &Plan, given: Option<&str>) -> Result<(), Refusal> {
    let Some(wanted) = plan.confirm_text.as_deref() else { return Ok(()) };
    if given.is_some_and(|given| given.trim() == wanted) {
        return Ok(());
    }
    if wanted == ACKNOWLEDGED {
        let what = plan.acknowledge.as_deref().unwrap_or_default();
        return Err(Refusal::new(RefusalKind::Limit, format!("Acknowledge first: {what} Nothing has been changed."))
            .on("confirm_text"));
    }
    Err(Refusal::new(RefusalKind::Limit, "That is not the dataset's name. Nothing has been destroyed.")
        .on("confirm_text"))
}

/// The route to POT_NETWORK goes to the bridge: whoever sits in it is cut off for certain. It depends on who asks, so it
/// is no part of the draft, which is the same for everybody.
fn whoever_asks_is_cut_off(draft: &PlanDraft, look: &HostSnapshot, reported: &Reported) -> Option<Blocker> {
    let Operation::VnetStart { .. } = draft.operation else { return None };
    let network = look.configuration.value("POT_NETWORK").and_then(|value| value.parse::<Ipv4Net>().ok())?;
    match Host::reported_address(reported.address.as_deref()) {
        Some(IpAddr::V4(address)) if network.contains(&address) => Some(Blocker {
            problem: format!(
                "you are connected from {address}, which lies in POT_NETWORK {network}: the bridge would steal the way back to you."
            ),
            remedy: "Choose a POT_NETWORK that this network does not use.".to_owned(),
            parameter: Some("POT_NETWORK".to_owned()),
        }),
        _ => None,
    }
}

/// Four characters that cannot be mistaken for one another.
fn approval_code() -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut random = [0_u8; 6];
    // Without random bytes the code is guessable; it proves nothing by itself, root still reads the plan and says yes.
    let _ = getrandom::fill(&mut random);
    random.iter().filter_map(|byte| LETTERS.get(usize::from(byte & 31))).map(|letter| char::from(*letter)).collect()
}

fn milliseconds() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_plans_pushes_out_its_own_and_nobody_elses() {
        let mut plans = BTreeMap::from([(1, "anna"), (2, "olaf")]);
        for id in 3..1000 {
            while plans.len() >= MOST_PLANS {
                let gone = to_make_room(plans.iter().map(|(id, session)| (*id, *session))).unwrap();
                plans.remove(&gone);
            }
            plans.insert(id, "vera");
        }
        assert_eq!(plans.len(), MOST_PLANS);
        assert_eq!((plans.get(&1), plans.get(&2)), (Some(&"anna"), Some(&"olaf")));
        // Of its own the newest stay.
        assert_eq!(plans.get(&999), Some(&"vera"));
        assert_eq!(to_make_room(std::iter::empty()), None);
    }
}
