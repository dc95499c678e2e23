//! Why the journal could not be read or written.

use super::problem::Problem;
use crate::files;
use std::io;
use std::path::{Path, PathBuf};

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused. On writing nothing of the record is left behind.
    #[error("{doing} the journal {} failed: {source}{}", path.display(), files::advice(source))]
    System {
        /// "opening", "writing" …
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A record is larger than 8 MiB.
    #[error("the record is {0} bytes long, more than the journal takes: nothing was recorded")]
    TooLong(usize),
    /// The journal is broken at a record that was asked for.
    #[error("the journal is broken: {0}")]
    Broken(Problem),
    /// The journal is in a folder that cannot be made.
    #[error(transparent)]
    File(#[from] files::FileError),
}

impl JournalError {
    /// Whether there is no space left.
    pub(crate) fn is_full(&self) -> bool {
        let kind = match self {
            Self::System { source, .. } | Self::File(files::FileError::System { source, .. }) => source.kind(),
            _ => return false,
        };
        matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

pub(super) fn system(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::System { doing, path, source }
}
