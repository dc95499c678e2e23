//! Where operations say what they are about to do and how it ended: the executor's journal, without naming it here.

use crate::executor::protocol::Refusal;
use crate::journal::record::{Entry, Record};

/// Takes entries into the history.
pub trait Recorder: Send + Sync {
    /// Appends an entry; an intent is on disk when this returns.
    ///
    /// # Errors
    /// `RefusalKind::NotRecorded`: then nothing may be changed.
    fn record(&self, entry: Entry) -> Result<Record, Refusal>;
}
