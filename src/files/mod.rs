//! Reading and replacing files as root may: whole or not at all, kept versions, one change at a time.

mod backups;
mod error;
mod lock;
mod place;
mod replace;

pub(crate) use backups::make_private_dir;
pub use backups::{Backup, Backups};
pub(crate) use error::FileError;
pub(crate) use error::advice;
pub use lock::{Busy, Lock};
pub(crate) use place::{HostPath, Place, check_root_dir};
pub use replace::replace;
pub(crate) use replace::{Expected, clear_unfinished, read_limited, replace_with_mode};

#[cfg(test)]
mod tests;
