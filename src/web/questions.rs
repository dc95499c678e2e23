//! What was asked while an answer was made: whether asking it all again would make the same.

use crate::executor::protocol::{AskedBefore, Command, MOST_ASKED, Reply};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Questions to the executor while an answer is made.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// With what came; none: of something that the answer was made of nobody can say that it is still so.
    noted: Mutex<Option<Vec<AskedBefore>>>,
    did_something: AtomicBool,
}

impl Questions {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<AskedBefore>>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on they are noted.
    pub(super) fn begin(&self) {
        *self.lock() = Some(Vec::new());
    }

    /// The answer that is made must not be given again.
    pub(super) fn give_up(&self) {
        *self.lock() = None;
    }

    /// Before a question is asked: whether it is to be noted with what comes.
    pub(super) fn begin_one(&self, command: &Command) -> bool {
        if !command.can_be_asked_again() {
            self.did_something.store(true, Ordering::Relaxed);
            self.give_up();
        }
        self.lock().is_some()
    }

    /// Whether one of them may have changed something.
    pub(super) fn did_something(&self) -> bool {
        self.did_something.load(Ordering::Relaxed)
    }

    pub(super) fn note(&self, command: Command, reply: &Reply) {
        let mut noted = self.lock();
        match (noted.as_mut(), reply.digest()) {
            (Some(noted), Ok(told)) if noted.len() < MOST_ASKED => noted.push(AskedBefore { command, told }),
            _ => *noted = None,
        }
    }

    /// All of them; from now on none is noted.
    pub(super) fn take(&self) -> Option<Vec<AskedBefore>> {
        self.lock().take()
    }

    /// The log is read: what its files are tells whether it would read the same again.
    pub(super) fn note_log(&self) {
        let mut noted = self.lock();
        let knows_files =
            |noted: &Vec<AskedBefore>| noted.iter().any(|asked| matches!(asked.command, Command::LogFiles {}));
        if !noted.as_ref().is_some_and(knows_files) {
            *noted = None;
        }
    }
}
