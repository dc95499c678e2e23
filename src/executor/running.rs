//! Operations and evidence: hands to the engine what the table allowed, with the proof that the plan's row wants.

use super::approval;
use super::authentication::Authentication;
use super::common::{SettingsInForce, lock};
use super::configuration::{PotConf, nothing_runs};
use super::permissions::{self, Who};
use super::protocol::{FeedbackStored, Nonce, Reply, RunEvents, Started};
use super::requester::{Requester, admit_proof, admit_role, free_text};
use super::watch::Watching;
use crate::digest::Digest;
use crate::facts::LeftDrift;
use crate::layout::Layout;
use crate::operations::engine::{Engine, confirmed};
use crate::operations::feedback::{self, Given};
use crate::plan::{ManagedFile, Operation, Preparation, ProofNeeded, RunState};
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use crate::settings::ConfirmDestructive;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Most runs and events handed out at once, as the protocol says.
const MOST_RUNS: u32 = 200;
const MOST_EVENTS: u32 = 2000;
/// Between two looks at whether a run has begun to wait for an answer.
const WAITING: Duration = Duration::from_millis(200);
/// Longest answer of the feedback form, in characters.
const LONGEST_ANSWER: usize = 10_000;

/// Operations in the name of those who ask: the engine carries out what the table allowed.
pub(super) struct Runs {
    layout: Layout,
    settings: SettingsInForce,
    engine: Arc<Engine>,
    authentication: Arc<Authentication>,
    watching: Arc<Watching>,
    pot_conf: Arc<PotConf>,
    /// What someone does not want is read, changed and written as a whole: two at once would lose one.
    noting: Mutex<()>,
}

impl Runs {
    pub(super) fn new(watching: &Arc<Watching>, pot_conf: &Arc<PotConf>, authentication: &Arc<Authentication>) -> Self {
        Self {
            layout: watching.layout.clone(),
            settings: watching.settings.clone(),
            engine: Arc::clone(&watching.engine),
            authentication: Arc::clone(authentication),
            watching: Arc::clone(watching),
            pot_conf: Arc::clone(pot_conf),
            noting: Mutex::new(()),
        }
    }

    pub(super) fn plan(&self, requester: &Requester, operation: Operation) -> Result<Reply, Refusal> {
        if let Operation::Restore { backup, file: ManagedFile::PotConf } = &operation {
            self.pot_conf.version_chosen_by_root(requester, backup)?;
        }
        self.watching.facts.pace_previews(requester)?;
        let plan = self.engine.plan(&requester.session_name(), &requester.reported, operation)?;
        // Root is asked only about what the asker may run: who may only look must not have plans written to the disk.
        let shell = self.settings.get().confirm_destructive == ConfirmDestructive::Shell;
        if permissions::operation(&plan.operation, shell).who.admits(requester.role) {
            approval::offer(&self.layout, &plan)?;
        }
        Ok(Reply::Plan(Box::new(plan)))
    }

    /// Role and proof of the plan's own row, then the engine, which checks session, age, digest and facts.
    pub(super) fn run(
        &self,
        requester: &Requester,
        plan: u64,
        digest: Digest,
        password: Option<&Secret>,
        confirm_text: Option<&str>,
        reason: Option<&str>,
    ) -> Result<Reply, Refusal> {
        let session = requester.session_name();
        // Of another's plan nothing is told, and no proof is used up for it.
        let Some(kept) = self.engine.plan_view(&session, plan) else {
            let words =
                "This plan is used up, older than ten minutes or not yours. Nothing has been changed. Plan again.";
            return Err(Refusal::new(RefusalKind::NotFound, words));
        };
        let shell = self.settings.get().confirm_destructive == ConfirmDestructive::Shell;
        let row = permissions::operation(&kept.operation, shell);
        if let Who::AtLeast(role) = row.who {
            admit_role(requester, role)?;
        }
        let reason = self.pot_conf.reason(reason, false)?;
        if !requester.terminal {
            match row.proof.max(kept.proof) {
                ProofNeeded::None => {}
                ProofNeeded::Fresh => admit_proof(requester, ProofNeeded::Fresh)?,
                ProofNeeded::OneTime => {
                    let words = "Give your password again: this needs it now, for exactly this plan.";
                    let password =
                        password.ok_or_else(|| Refusal::new(RefusalKind::ProofNeeded, words).on("password"))?;
                    self.authentication.check_own_password(requester, password)?;
                }
                ProofNeeded::Shell => {
                    // Root's word serves once: it is not used up by a try that could not succeed.
                    confirmed(&kept, confirm_text)?;
                    nothing_runs(&self.engine)?;
                    if kept.digest != digest {
                        let words = "This is not the plan that was shown. Nothing has been changed. Plan again.";
                        return Err(Refusal::new(RefusalKind::Conflict, words));
                    }
                    approval::take(&self.layout, &kept)?;
                }
            }
        }
        // What someone did to a file up to now is not taken for the run's doing.
        self.watching.look_before_judging(requester);
        self.watching.look_for_outside_changes();
        let run = self.engine.run(
            &session,
            &requester.actor,
            &requester.reported,
            plan,
            &digest,
            confirm_text,
            reason.as_deref(),
        )?;
        self.look_again_after(run, kept.revert_after.is_some());
        Ok(Reply::Started(Started { run }))
    }

    /// When the run has ended the facts are old, and before, when it begins to wait for an answer to what it changed.
    fn look_again_after(&self, run: u64, may_wait: bool) {
        let (engine, watching) = (Arc::clone(&self.engine), Arc::clone(&self.watching));
        let waiting = std::thread::Builder::new().name("after-run".to_owned()).spawn(move || {
            let mut told = !may_wait;
            while !engine.wait(run, if told { Duration::from_hours(1) } else { WAITING }) {
                if !told && engine.active() == Some((run, RunState::AwaitingKeep)) {
                    told = true;
                    watching.facts.outdate();
                }
            }
            watching.look_after_run();
            watching.facts.outdate();
        });
        if let Err(error) = waiting {
            tracing::warn!("the host is looked at again only when someone asks: {error}");
        }
    }

    pub(super) fn runs(&self, before: Option<u64>, limit: u32) -> Result<Reply, Refusal> {
        let runs = self.engine.runs(before, limit.clamp(1, MOST_RUNS) as usize)?;
        Ok(Reply::Runs { runs })
    }

    pub(super) fn run_list(&self, before: Option<u64>, limit: u32) -> Result<Reply, Refusal> {
        let runs = self.engine.run_list(before, limit.clamp(1, MOST_RUNS) as usize)?;
        Ok(Reply::RunList { runs })
    }

    pub(super) fn run_state(&self, run: u64) -> Result<Reply, Refusal> {
        Ok(Reply::Run(Box::new(self.engine.run_state(run)?)))
    }

    pub(super) fn run_events(&self, run: u64, after: u64, limit: u32) -> Result<Reply, Refusal> {
        let (events, ended) = self.engine.events(run, after, limit.clamp(1, MOST_EVENTS) as usize)?;
        Ok(Reply::RunEvents(RunEvents { events, ended }))
    }

    pub(super) fn abort(&self, requester: &Requester, run: u64) -> Result<Reply, Refusal> {
        self.engine.abort(run, &requester.actor, &requester.reported)?;
        Ok(Reply::Done {})
    }

    pub(super) fn keep_nonce(&self, run: u64, accepted_ms: i64, connection: u64) -> Result<Reply, Refusal> {
        Ok(Reply::Nonce(Nonce { nonce: self.engine.keep_nonce(run, accepted_ms, connection)? }))
    }

    pub(super) fn keep(
        &self,
        requester: &Requester,
        run: u64,
        nonce: &Secret,
        accepted_ms: i64,
        connection: u64,
    ) -> Result<Reply, Refusal> {
        self.engine.keep(run, nonce, accepted_ms, connection, &requester.actor, &requester.reported)?;
        Ok(Reply::Done {})
    }

    pub(super) fn put_back(&self, requester: &Requester, run: u64) -> Result<Reply, Refusal> {
        self.engine.put_back(run, &requester.actor, &requester.reported)?;
        Ok(Reply::Done {})
    }

    pub(super) fn dismiss(&self, requester: &Requester, item: Preparation, dismissed: bool) -> Result<Reply, Refusal> {
        let _one_at_a_time = lock(&self.noting);
        self.engine.dismiss(item, dismissed, &requester.actor, &requester.reported)?;
        Ok(Reply::Done {})
    }

    pub(super) fn leave_drift(&self, requester: &Requester, drift: LeftDrift, leave: bool) -> Result<Reply, Refusal> {
        let _one_at_a_time = lock(&self.noting);
        self.engine.leave_drift(drift, leave, &requester.actor, &requester.reported)?;
        Ok(Reply::Done {})
    }

    pub(super) fn reboot(&self, requester: &Requester) -> Result<Reply, Refusal> {
        self.engine.reboot(&requester.actor, &requester.reported)?;
        self.watching.facts.outdate();
        Ok(Reply::Done {})
    }

    pub(super) fn feedback(&self, requester: &Requester, given: Given, send: bool) -> Result<Reply, Refusal> {
        for (field, text) in [("wrong", &given.wrong), ("missing", &given.missing), ("usability", &given.usability)] {
            free_text(Some(text), LONGEST_ANSWER, field)?;
        }
        free_text(given.name.as_deref(), 200, "name")?;
        free_text(given.reply_to.as_deref(), 200, "reply_to")?;
        let stored = feedback::store(&self.engine, given, send, &requester.actor, &requester.reported)?;
        Ok(Reply::FeedbackStored(FeedbackStored {
            sent: stored.sent,
            answer: stored.answer,
            text: stored.text,
            recipient: stored.recipient,
        }))
    }
}
