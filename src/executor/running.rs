//! Operations and evidence: hands to the engine what the table allowed, with the proof that the plan's row wants.

use super::core::{Asking, Executor, admit_role, free_text, lock};
use super::evidence::own;
use super::permissions::{self, Who};
use super::protocol::{ExportFormat, Reply};
use crate::digest::Digest;
use crate::host::Preparation;
use crate::journal::record::{Action, Outcome};
use crate::operations::engine::confirmed;
use crate::operations::feedback::Given;
use crate::operations::plan::{ManagedFile, Operation, ProofNeeded, RunState};
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use crate::settings::ConfirmDestructive;
use std::sync::Arc;
use std::time::Duration;

/// Most runs and events handed out at once, as the protocol says.
const MOST_RUNS: u32 = 200;
const MOST_EVENTS: u32 = 2000;
/// Longest answer of the feedback form, in characters.
const LONGEST_ANSWER: usize = 10_000;

impl Executor {
    pub(super) fn aside(&self) -> Vec<Preparation> {
        self.engine.set_aside_items()
    }

    /// Before the web process is told to end: what must not be left half done is put back or ended.
    pub(super) fn prepare_to_end(&self) {
        self.engine.shutdown();
    }

    /// Refuses while something runs here or may have to be put back.
    pub(super) fn nothing_runs(&self) -> Result<(), Refusal> {
        match self.engine.active() {
            Some((run, RunState::Running)) => {
                let words = format!("Run {run} has not ended yet. Nothing was changed; try again when it has.");
                Err(Refusal::new(RefusalKind::Busy, words))
            }
            _ => self.engine.nothing_pending(),
        }
    }

    pub(super) fn plan(&self, asking: &Asking, operation: Operation) -> Result<Reply, Refusal> {
        if let Operation::Restore { backup, file: ManagedFile::PotConf } = &operation {
            self.version_chosen_by_root(asking, backup)?;
        }
        self.pace_previews(asking)?;
        let plan = self.engine.plan(&asking.session_name(), &asking.reported, operation)?;
        // Root is asked only about what the asker may run: who may only look must not have plans written to the disk.
        let shell = self.settings().confirm_destructive == ConfirmDestructive::Shell;
        if permissions::operation(&plan.operation, shell).who.admits(asking.role) {
            self.offer_for_approval(&plan)?;
        }
        Ok(Reply::Plan(Box::new(plan)))
    }

    /// Role and proof of the plan's own row, then the engine, which checks session, age, digest and facts.
    pub(super) fn run(
        self: &Arc<Self>,
        asking: &Asking,
        plan: u64,
        digest: Digest,
        password: Option<&Secret>,
        confirm_text: Option<&str>,
        reason: Option<&str>,
    ) -> Result<Reply, Refusal> {
        let session = asking.session_name();
        // Of another's plan nothing is told, and no proof is used up for it.
        let Some(kept) = self.engine.plan_view(&session, plan) else {
            let words =
                "This plan is used up, older than ten minutes or not yours. Nothing has been changed. Plan again.";
            return Err(Refusal::new(RefusalKind::NotFound, words));
        };
        let shell = self.settings().confirm_destructive == ConfirmDestructive::Shell;
        let row = permissions::operation(&kept.operation, shell);
        if let Who::AtLeast(role) = row.who {
            admit_role(asking, role)?;
        }
        let reason = self.reason(reason, false)?;
        if !asking.terminal {
            match row.proof.max(kept.proof) {
                ProofNeeded::None => {}
                ProofNeeded::Fresh => Self::admit_proof(asking, ProofNeeded::Fresh)?,
                ProofNeeded::OneTime => {
                    let words = "Give your password again: this needs it now, for exactly this plan.";
                    let password =
                        password.ok_or_else(|| Refusal::new(RefusalKind::ProofNeeded, words).on("password"))?;
                    self.check_own_password(asking, password)?;
                }
                ProofNeeded::Shell => {
                    // Root's word serves once: it is not used up by a try that could not succeed.
                    confirmed(&kept, confirm_text)?;
                    self.nothing_runs()?;
                    if kept.digest != digest {
                        let words = "This is not the plan that was shown. Nothing has been changed. Plan again.";
                        return Err(Refusal::new(RefusalKind::Conflict, words));
                    }
                    self.take_approval(&kept)?;
                }
            }
        }
        // What someone did to a file up to now is not taken for the run's doing.
        self.look_before_judging(asking);
        self.look_for_outside_changes();
        let run = self.engine.run(
            &session,
            &asking.actor,
            &asking.reported,
            plan,
            &digest,
            confirm_text,
            reason.as_deref(),
        )?;
        self.look_again_after(run);
        Ok(Reply::Started { run })
    }

    /// When the run has ended the facts are old.
    fn look_again_after(self: &Arc<Self>, run: u64) {
        let executor = Arc::clone(self);
        let waiting = std::thread::Builder::new().name("after-run".to_owned()).spawn(move || {
            while !executor.engine.wait(run, Duration::from_hours(1)) {}
            executor.look_after_run();
            executor.facts.outdate();
        });
        if let Err(error) = waiting {
            tracing::warn!("the host is looked at again only when someone asks: {error}");
        }
    }

    pub(super) fn runs(&self, before: Option<u64>, limit: u32) -> Result<Reply, Refusal> {
        let runs = self.engine.runs(before, limit.clamp(1, MOST_RUNS) as usize)?;
        Ok(Reply::Runs { runs })
    }

    pub(super) fn run_state(&self, run: u64) -> Result<Reply, Refusal> {
        Ok(Reply::Run(Box::new(self.engine.run_state(run)?)))
    }

    pub(super) fn run_events(&self, run: u64, after: u64, limit: u32) -> Result<Reply, Refusal> {
        let (events, ended) = self.engine.events(run, after, limit.clamp(1, MOST_EVENTS) as usize)?;
        Ok(Reply::RunEvents { events, ended })
    }

    pub(super) fn abort(&self, asking: &Asking, run: u64) -> Result<Reply, Refusal> {
        self.engine.abort(run, &asking.actor, &asking.reported)?;
        Ok(Reply::Done {})
    }

    pub(super) fn keep_nonce(&self, run: u64, accepted_ms: i64, connection: u64) -> Result<Reply, Refusal> {
        Ok(Reply::Nonce { nonce: self.engine.keep_nonce(run, accepted_ms, connection)? })
    }

    pub(super) fn keep(
        &self,
        asking: &Asking,
        run: u64,
        nonce: &Secret,
        accepted_ms: i64,
        connection: u64,
    ) -> Result<Reply, Refusal> {
        self.engine.keep(run, nonce, accepted_ms, connection, &asking.actor, &asking.reported)?;
        Ok(Reply::Done {})
    }

    pub(super) fn put_back(&self, asking: &Asking, run: u64) -> Result<Reply, Refusal> {
        self.engine.put_back(run, &asking.actor, &asking.reported)?;
        Ok(Reply::Done {})
    }

    pub(super) fn set_aside(&self, asking: &Asking, item: Preparation, aside: bool) -> Result<Reply, Refusal> {
        // Read, changed and written as a whole: two at once would lose one.
        let _line = lock(&self.line);
        self.engine.set_aside(item, aside, &asking.actor, &asking.reported)?;
        Ok(Reply::Done {})
    }

    pub(super) fn feedback(&self, asking: &Asking, given: Given, send: bool) -> Result<Reply, Refusal> {
        for (field, text) in [("wrong", &given.wrong), ("missing", &given.missing), ("usability", &given.usability)] {
            free_text(Some(text), LONGEST_ANSWER, field)?;
        }
        free_text(given.name.as_deref(), 200, "name")?;
        free_text(given.reply_to.as_deref(), 200, "reply_to")?;
        let stored = self.engine.feedback(given, send, &asking.actor, &asking.reported)?;
        Ok(Reply::FeedbackStored {
            sent: stored.sent,
            answer: stored.answer,
            text: stored.text,
            recipient: stored.recipient,
        })
    }

    /// Tells the web process of runs that another process (the command line) carries out.
    pub(super) fn tell_of_runs(&self) {
        // Of a command line that was killed while its run waited to be kept.
        self.engine.take_up_orphans();
        if self.engine.active().is_some() {
            return;
        }
        if let Some(run) = self.engine.runs(None, 1).ok().and_then(|runs| runs.into_iter().next()) {
            self.hints.tell(|hint| hint.run = Some((run.id, run.last_event)));
        }
    }

    /// The number of the newest run, 0 when there is none.
    pub(super) fn newest_run(&self) -> u64 {
        self.engine.runs(None, 1).ok().and_then(|runs| runs.first().map(|run| run.id)).unwrap_or(0)
    }

    pub(super) fn verify_journal(&self) -> Result<Reply, Refusal> {
        Ok(Reply::Verified(self.evidence.verify()?))
    }

    pub(super) fn checkpoint(&self, asking: &Asking) -> Result<Reply, Refusal> {
        let text = self.evidence.sign_checkpoint()?;
        let message = "A checkpoint of the history was made. It proves something once it is held on another machine.";
        self.evidence.append(asking.event(Action::Journal, "checkpoint", Outcome::Done, message.to_owned()))?;
        Ok(Reply::Checkpoint { text })
    }

    pub(super) fn record_export(&self, asking: &Asking, format: ExportFormat, filter: &str) -> Result<Reply, Refusal> {
        let filter = free_text(Some(filter), 500, "filter")?;
        let name = match format {
            ExportFormat::Csv => "csv",
            ExportFormat::Json => "json",
            ExportFormat::Jsonl => "jsonl",
        };
        let of = filter.map_or_else(|| "all of it".to_owned(), |filter| format!("filter {filter}"));
        let message = format!("The history was exported as {name} ({of}).");
        self.evidence.append(asking.event(Action::Export, name, Outcome::Done, message))?;
        Ok(Reply::Done {})
    }

    pub(super) fn note_ready(&self) -> Result<Reply, Refusal> {
        self.hints.note_ready();
        Ok(Reply::Done {})
    }

    /// Records something that the executor itself did or noticed.
    pub(super) fn record_own(&self, action: Action, object: &str, outcome: Outcome, message: String) {
        if let Err(refusal) = self.evidence.append(own(action, object, outcome, message)) {
            tracing::error!("{refusal}");
        }
    }
}
