//! Reading and replacing files as root may: whole or not at all, kept versions, one change at a time.

mod backups;
mod error;
mod lock;
mod replace;
mod trust;

pub(crate) use backups::make_private_dir;
pub use backups::{Backup, Backups};
pub use error::FileError;
pub(crate) use error::advice;
pub use lock::{Busy, Lock};
pub use replace::{Expected, Replaced, clear_unfinished, read_limited, read_linked, replace, replace_with_mode};
pub use trust::{check_root_dir, only_root_writes};

#[cfg(test)]
mod tests;
