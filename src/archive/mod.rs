//! The console itself in one file: written beside a running console, checked anywhere, put back where none runs.
//!
//! The file is a tar archive (ustar) that any tar lists and unpacks. Below `pot-console/` it holds first `backup.json`
//! ([`About`]), then the files of [`contents`], last `manifest.json` with the size and digest of every one before it: what
//! was cut off has none.
//!
//! [`write()`] makes it, [`read`] unpacks it into a folder and holds it against the closed list of names and the manifest,
//! [`Checked`] is one that was looked through, `put_back` lets it take the place of what stands on the host.

mod check;
mod contents;
mod put_back;
mod read;
mod write;

pub(crate) use check::{Checked, check, unpack_and_check};
pub(crate) use put_back::{Put, Recorded, STAGE, end_cut_off, forget_record, put_back, recorded, stands_here};
pub(crate) use write::{Written, write};

use crate::files::FileError;
use crate::formats::Newer;
use crate::journal::JournalError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a backup was not written, read or put back.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The system refused.
    #[error("{doing} {} failed: {source}", path.display())]
    System {
        /// "reading", "making" …
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what this program writes.
    #[error("this is no sound backup of the console: {0}. Nothing was put back")]
    Unsound(String),
    /// It is of a newer version than this program knows.
    #[error(transparent)]
    Newer(#[from] Newer),
    /// A file of the console.
    #[error(transparent)]
    File(#[from] FileError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

fn system(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| ArchiveError::System { doing, path, source }
}

#[cfg(test)]
mod tests;
