//! Reading and replacing files as root may: whole or not at all, kept versions, one change at a time.

mod backups;
mod error;
mod lock;
mod place;
mod presence;
mod replace;
mod stamped;

pub(crate) use backups::make_private_dir;
pub use backups::{Backup, Backups};
pub(crate) use error::FileError;
pub(crate) use error::advice;
pub use lock::{Busy, Lock};
pub(crate) use place::{HostPath, Place, Seen, check_root_dir};
pub use presence::Presence;
pub(crate) use presence::make_own_dir;
pub use replace::replace;
pub(crate) use replace::{Expected, buffer_for, clear_unfinished, read_limited, replace_with_mode, sync_folder};
#[cfg(test)]
pub(crate) use stamped::NOTES;
pub(crate) use stamped::{PREFERENCES, WAITING, must_be_known, put_stamp, write_stamp};

/// What becomes of the files of a backup that is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unpacking {
    /// They are looked at and taken away: nothing waits for a disk.
    ToCheck,
    /// They stay: each is on disk when it was unpacked.
    ToKeep,
}

#[cfg(test)]
mod tests;
