//! The chain of evidence: append, verify, checkpoints, pruning, backup.
//!
//! A journal is a folder of segments, each named after the first sequence number in it. A segment is lines of
//! `HASH JSON`, where HASH is the SHA-256, in hexadecimal, of the previous line's hash (32 bytes) and this line's
//! JSON as it stands. The first line of a segment names the journal and the last hash of the segment before (32
//! zero bytes for the very first), and is a link of the chain like any other; every further line is one
//! [`record::Record`].
//!
//! From the bottom up: `record` is what is said, `chain` its bytes; `tail` and `intents` are what is known of the file;
//! `store` is the journal as processes share it, `read` hands out of it, `write` adds a line, `catch_up` looks whether it
//! is still what was written, `append` and `open` are what others call. `verify`, `checkpoint`, `prune` and `backup` look
//! at the whole.

mod append;
mod backup;
mod catch_up;
mod chain;
mod checkpoint;
mod ends;
mod error;
mod head;
mod intents;
mod open;
mod problem;
mod prune;
mod read;
pub mod record;
mod store;
mod tail;
mod verify;
mod write;

pub(crate) use backup::{BackupReport, check_backup, restore_backup, write_backup};
pub use chain::Line;
pub use checkpoint::Checkpoint;
pub(crate) use checkpoint::CheckpointKey;
pub use ends::{Ended, Ends};
pub(crate) use error::JournalError;
pub(crate) use open::Opening;
pub use prune::Keep;
pub(crate) use prune::{Pruned, Retention};
pub(crate) use read::time_of_last;
pub use store::Journal;
pub use verify::verify;
pub(crate) use verify::{VerifyReport, verify_unpacked};

#[cfg(test)]
mod tests;
