//! Operations and evidence: hands to the engine what the table allowed, with the proof that the plan's row wants.

use super::core::{Asking, Executor};
use super::evidence::own;
use super::protocol::{ExportFormat, Refusal, RefusalKind, Reply, Secret};
use crate::digest::Digest;
use crate::journal::record::{Action, Outcome};
use crate::operations::plan::{Operation, Preparation};

/// The three answers of the guide, and who gives them.
pub(super) struct FeedbackText {
    pub wrong: String,
    pub missing: String,
    pub usability: String,
    pub name: Option<String>,
    pub reply_to: Option<String>,
    pub send: bool,
}

fn not_yet() -> Refusal {
    Refusal::new(RefusalKind::Failed, "Operations are not built yet.")
}

impl Executor {
    pub(super) fn aside(&self) -> Vec<Preparation> {
        Vec::new()
    }

    /// Before the web process is told to end: what must not be left half done.
    pub(super) fn prepare_to_end(&self) {}

    pub(super) fn nothing_pending(&self) -> Result<(), Refusal> {
        Ok(())
    }

    pub(super) fn plan(&self, _asking: &Asking, _operation: Operation) -> Result<Reply, Refusal> {
        Err(not_yet())
    }

    pub(super) fn run(
        &self,
        _asking: &Asking,
        _plan: u64,
        _digest: Digest,
        _password: Option<&Secret>,
        _confirm_text: Option<&str>,
        _reason: Option<&str>,
    ) -> Result<Reply, Refusal> {
        Err(not_yet())
    }

    pub(super) fn runs(&self, _before: Option<u64>, _limit: u32) -> Result<Reply, Refusal> {
        Ok(Reply::Runs { runs: Vec::new() })
    }

    pub(super) fn run_state(&self, _run: u64) -> Result<Reply, Refusal> {
        Err(not_yet())
    }

    pub(super) fn run_events(&self, _run: u64, _after: u64, _limit: u32) -> Result<Reply, Refusal> {
        Err(not_yet())
    }

    pub(super) fn abort(&self, _asking: &Asking, _run: u64) -> Result<Reply, Refusal> {
        Err(not_yet())
    }

    pub(super) fn keep_nonce(&self, _asking: &Asking, _run: u64, _accepted: i64, _on: u64) -> Result<Reply, Refusal> {
        Err(not_yet())
    }

    pub(super) fn keep(
        &self,
        _asking: &Asking,
        _run: u64,
        _nonce: &Secret,
        _accepted: i64,
        _on: u64,
    ) -> Result<Reply, Refusal> {
        Err(not_yet())
    }

    pub(super) fn put_back(&self, _asking: &Asking, _run: u64) -> Result<Reply, Refusal> {
        Err(not_yet())
    }

    pub(super) fn set_aside(&self, _asking: &Asking, _item: Preparation, _aside: bool) -> Result<Reply, Refusal> {
        Err(not_yet())
    }

    pub(super) fn feedback(&self, _asking: &Asking, _text: FeedbackText) -> Result<Reply, Refusal> {
        Err(not_yet())
    }

    pub(super) fn verify_journal(&self) -> Result<Reply, Refusal> {
        Ok(Reply::Verified(self.evidence.verify()))
    }

    pub(super) fn checkpoint(&self, asking: &Asking) -> Result<Reply, Refusal> {
        let text = self.evidence.sign_checkpoint()?;
        let message = "A checkpoint of the history was made. It proves something once it is held on another machine.";
        self.evidence.append(asking.event(Action::Journal, "checkpoint", Outcome::Done, message.to_owned()))?;
        Ok(Reply::Checkpoint { text })
    }

    pub(super) fn record_export(&self, asking: &Asking, format: ExportFormat, filter: &str) -> Result<Reply, Refusal> {
        let filter = super::core::free_text(Some(filter), 500, "filter")?;
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
