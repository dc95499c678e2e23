//! Reading and replacing files as root may: whole or not at all, kept versions, one change at a time.

mod backups;
mod error;
mod lock;
mod place;
mod replace;

pub(crate) use backups::make_private_dir;
pub use backups::{Backup, Backups};
pub use error::FileError;
pub(crate) use error::advice;
pub use lock::{Busy, Lock};
pub use place::{HostPath, Place, check_root_dir};
pub use replace::{Expected, Replaced, clear_unfinished, read_limited, replace, replace_with_mode};

#[cfg(test)]
mod tests;
