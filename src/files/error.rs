//! What can go wrong with a file, said with its name and what to do.

use crate::digest::Digest;
use crate::formats::Newer;
use crate::layout::remedy_for_open;
use nix::errno::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// Why a file was not read or written. Whatever it says, the old content is still there, whole.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// It is a folder, a device, a FIFO …
    #[error("{} is not a regular file: it is neither read nor replaced", .0.display())]
    NotRegular(PathBuf),
    /// It is longer than anything that is meant to be there.
    #[error("{} is larger than {limit} bytes: it is not read", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The most that is read.
        limit: u64,
    },
    /// A symbolic link that leads out of its folder.
    #[error("{} is a link to {}, which is outside of its folder: write to the file itself, or make it a plain file", path.display(), target.display())]
    LinkLeaves {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A symbolic link where only a file is opened.
    #[error("{} is a symbolic link, which is not followed here: name the file itself, or put a plain file in its place", .0.display())]
    IsLink(PathBuf),
    /// A symbolic link to nothing.
    #[error("{} is a link to {}, and nothing is there: make that file, or take the link away", path.display(), target.display())]
    LinkToNothing {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A symbolic link over what others than root can change.
    #[error("{} is a link to {}, and others than root can change {}: {}, or put a plain file in the link's place", path.display(), target.display(), exposed.display(), remedy_for_open(&exposed.to_string_lossy()))]
    LinkExposed {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
        /// The first part of the way that is not root's alone.
        exposed: PathBuf,
    },
    /// It has more names (hard links), and others could have given it this one.
    #[error("{} has more names (hard links), and others than root can change {}: it may be a file of root's that someone gave this name; {}, or make it a file with one name", path.display(), exposed.display(), remedy_for_open(&exposed.to_string_lossy()))]
    OtherNames {
        /// Which file.
        path: PathBuf,
        /// The first part of the way that is not root's alone.
        exposed: PathBuf,
    },
    /// It has more names (hard links).
    #[error("{} has {names} names (hard links): replacing it would part them; make it a file with one name", path.display())]
    HardLinks {
        /// Which file.
        path: PathBuf,
        /// How many.
        names: u64,
    },
    /// File flags forbid it; they are never cleared.
    #[error("{} has the file flag {}: clear it by hand (chflags) if the file is meant to change", path.display(), flags.join(", "))]
    Flags {
        /// The file or its folder.
        path: PathBuf,
        /// As chflags(1) names them.
        flags: Vec<&'static str>,
    },
    /// The content is not the one that was to be replaced.
    #[error("{} was changed meanwhile: nothing was written", path.display())]
    Changed {
        /// Which file.
        path: PathBuf,
        /// What it contains now; none: it is gone.
        found: Option<Digest>,
    },
    /// A kept version is not what it was kept as.
    #[error("the kept version {digest} of {file} is {what}", digest = .digest, file = .file, what = .what)]
    Backup {
        /// The file it is a version of.
        file: String,
        /// Its content digest.
        digest: Digest,
        /// `missing` or `damaged`.
        what: &'static str,
    },
    /// Others than root can write to it.
    #[error("{}: {why}", path.display())]
    Untrusted {
        /// Which file or folder.
        path: PathBuf,
        /// Who can, and what to do.
        why: &'static str,
    },
    /// It is of a newer version than this program knows.
    #[error(transparent)]
    Newer(#[from] Newer),
    /// The system refused.
    #[error("{doing} {} failed: {source}{}", path.display(), advice(source))]
    System {
        /// "writing", "renaming" …
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl FileError {
    /// Says what was tried on what.
    pub(crate) fn system(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::Missing(path),
            io::ErrorKind::InvalidInput if doing == "opening" => Self::NotRegular(path),
            _ if doing == "opening" && is_link(&source) => Self::IsLink(path),
            _ => Self::System { doing, path, source },
        }
    }

    /// Whether there is no room: what was to be replaced is as it was.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self.errno(), Some(Errno::ENOSPC | Errno::EDQUOT))
    }

    /// The system's error number, where there is one.
    pub(crate) fn errno(&self) -> Option<Errno> {
        match self {
            Self::System { source, .. } => source.raw_os_error().map(Errno::from_raw),
            _ => None,
        }
    }
}

/// What open(2) with `O_NOFOLLOW` says of a symbolic link: ELOOP by POSIX, EMLINK on FreeBSD.
fn is_link(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::ELOOP | Errno::EMLINK))
}

/// What to do about it, where that is known.
pub(crate) fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOSPC | Errno::EDQUOT) => {
            ": make room on that file system and try again; the old content is intact"
        }
        Some(Errno::EROFS) => ": that file system is mounted read-only; mount it writable and try again",
        Some(Errno::EACCES) => ": the console's user may not write there; look at owner and mode of the folder",
        Some(Errno::EPERM) => ": forbidden by file flags, securelevel or owner; look with ls -lo",
        Some(Errno::EIO) => ": the device reports an error; look at dmesg and zpool status",
        Some(Errno::ELOOP) => ": it is a symbolic link that is not followed here, or leads through too many of them",
        _ => "",
    }
}
