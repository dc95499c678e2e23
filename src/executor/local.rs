//! The same executor inside of a command line: same code, same locks, same journal; what it does is root's.

use super::approval;
use super::core::{Executor, Meant};
use super::protocol::{Answer, Command, JournalLines};
pub(crate) use super::requester::command_line_actor;
use super::requester::{Asker, Requester};
use super::start::{StartError, end_cut_off_restore};
use crate::accounts::name::AccountName;
use crate::journal::record::{Action, Outcome, Reported, Role};
use crate::layout::Layout;
use crate::operations::engine::Engine;
use crate::operations::feedback::Kept;
use crate::plan::Plan;
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use crate::settings::{Settings, SettingsError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// An executor for one command of root's.
pub struct Local {
    executor: Arc<Executor>,
    requester: Requester,
}

/// Why the command line could not open the executor.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The executor could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl Local {
    /// Opens the executor of this host with its settings file.
    ///
    /// # Errors
    /// [`LocalError`], when this is not root, for example.
    pub fn open(layout: &Layout) -> Result<Self, LocalError> {
        end_cut_off_restore(layout)?;
        let settings = Settings::read(&layout.settings(), false)?;
        let (executor, opening) = Executor::open(layout, settings)?;
        executor.watching.close_what_died(&opening);
        let requester = Requester {
            actor: Asker::AtTheCommandLine(OnceLock::new()),
            reported: Reported::default(),
            session: None,
            known: Vec::new(),
            role: Some(Role::Admin),
            fresh: true,
            terminal: true,
        };
        Ok(Self { executor, requester })
    }

    /// Asks as root at the machine's own command line.
    ///
    /// # Errors
    /// The executor's refusal; it is recorded like any other. [`RefusalKind::Failed`] when it answers another question.
    pub fn ask<A: Answer>(&mut self, command: Command) -> Result<A, Refusal> {
        if matches!(command, Command::Facts { .. }) {
            self.executor.present_facts();
        }
        self.executor.answer_as(&self.requester, command).0.and_then(|reply| A::expect(*reply))
    }

    /// Gives an account a new password without the old one: root's right.
    ///
    /// # Errors
    /// No such account, or the password cannot be used.
    pub fn set_password(&mut self, name: &str, password: &Secret) -> Result<(), Refusal> {
        let name = AccountName::parse(name)
            .map_err(|error| Refusal::new(RefusalKind::Limit, format!("{error}.")).on("name"))?;
        self.executor.authentication.write_password(&self.requester, &name, password)
    }

    /// Keeps what a run changed: root's word at the command line needs no nonce.
    ///
    /// # Errors
    /// The run does not wait to be kept; the refusal is recorded.
    pub fn keep(&mut self, run: u64) -> Result<(), Refusal> {
        let kept = self.executor.watching.engine.keep_from_command_line(run, &self.requester.actor);
        if let Err(refusal) = &kept {
            let operation = self.executor.watching.engine.run_state(run).ok().map(|run| run.plan.operation.name());
            self.executor.record_refusal(&self.requester, "keep", operation, Meant::default(), refusal);
        }
        kept
    }

    /// Waits for a run that this command started; true when it has ended.
    pub fn wait(&self, run: u64, time: Duration) -> bool {
        let ended = self.executor.watching.engine.wait(run, time);
        if ended {
            self.executor.watching.look_after_run();
        }
        ended
    }

    /// All feedback that was stored, newest first.
    pub(crate) fn feedback_list(&self) -> Vec<Kept> {
        crate::operations::feedback::list(&self.executor.watching.layout)
    }

    /// Records what the command line itself does: an event of root's. Gives the record's number.
    ///
    /// # Errors
    /// It could not be recorded; then it must not be done.
    pub fn record(&self, action: Action, object: &str, message: String) -> Result<u64, Refusal> {
        let record = self.executor.evidence.append(self.requester.event(action, object, Outcome::Done, message))?;
        Ok(record.sequence)
    }

    /// Says yes to a plan that waits for root, and records it.
    ///
    /// # Errors
    /// It could not be recorded or written.
    pub fn approve(&mut self, code: &str, plan: &Plan) -> Result<(), Refusal> {
        let name = plan.operation.name();
        let message = format!("The plan of {name} ({}) was approved in a terminal.", plan.digest);
        self.executor.evidence.append(self.requester.event(Action::SignIn, name, Outcome::Done, message))?;
        approval::approve(&self.executor.watching.layout, code, plan, &self.requester.actor)
    }

    /// The engine of operations, for whoever must end it in order.
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.executor.watching.engine)
    }

    /// Lines of the journal as they stand, after record `after`: a part of it.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub(crate) fn journal_lines(&self, after: u64) -> Result<JournalLines, Refusal> {
        const MOST: u32 = 1000;
        self.executor.evidence.lines(after, MOST)
    }

    /// The executor itself, for what needs more than questions.
    pub fn executor(&self) -> &Arc<Executor> {
        &self.executor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::protocol::AccountView;
    use crate::journal::Line;

    #[test]
    fn who_sits_at_the_command_line_is_looked_up_when_something_is_recorded_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let mut local = Local::open(&Layout::new(dir.path(), None)).unwrap();
        let looked_up = |local: &Local| match &local.requester.actor {
            Asker::AtTheCommandLine(actor) => actor.get().cloned(),
            Asker::Named(_) => panic!("someone else asks"),
        };
        local.ask::<Vec<AccountView>>(Command::Accounts {}).unwrap();
        assert_eq!(looked_up(&local), None);

        let number = local.record(Action::Process, "console", "Something was done.".to_owned()).unwrap();
        assert_eq!(looked_up(&local), Some(command_line_actor()));
        let lines = local.journal_lines(number - 1).unwrap().lines;
        let record = lines.split(|byte| *byte == b'\n').find_map(|line| Line::parse(line)?.record()).unwrap();
        assert_eq!((record.sequence, record.entry.actor), (number, command_line_actor()));
    }
}
