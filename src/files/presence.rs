//! Who works on the console's files: any number of pot-consoles at once, or one that puts a backup in their place.

use super::error::FileError;
use super::lock::open_lock;
use crate::layout::Layout;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

/// Held by whoever works on the console's files, until it is dropped or its process ends.
#[derive(Debug)]
pub struct Presence {
    _file: Flock<File>,
}

impl Presence {
    /// Beside others. None while a backup is put back.
    ///
    /// # Errors
    /// The lock file cannot be used.
    pub(crate) fn shared(layout: &Layout) -> Result<Option<Self>, FileError> {
        Self::take(layout, FlockArg::LockSharedNonblock)
    }

    /// Alone. None while any other is there.
    ///
    /// # Errors
    /// The lock file cannot be used.
    pub(crate) fn alone(layout: &Layout) -> Result<Option<Self>, FileError> {
        Self::take(layout, FlockArg::LockExclusiveNonblock)
    }

    fn take(layout: &Layout, how: FlockArg) -> Result<Option<Self>, FileError> {
        // Beside the private folder: a backup that is put back takes that one's place.
        let path = layout.state().join("presence.lock");
        let mut file = open_lock(&path)?;
        loop {
            match Flock::lock(file, how) {
                Ok(file) => return Ok(Some(Self { _file: file })),
                Err((_, Errno::EAGAIN)) => return Ok(None),
                Err((back, Errno::EINTR)) => file = back,
                Err((_, errno)) => return Err(FileError::system("locking", &path)(errno.into())),
            }
        }
    }
}

/// Makes the folder at first need, and refuses one that others could have put there or can write to.
///
/// # Errors
/// [`FileError::Untrusted`], or it cannot be made.
pub(crate) fn make_own_dir(path: &Path) -> Result<(), FileError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(FileError::system("making the folder", path))?;
    // Whoever may write here could put another folder in the place of root's.
    let found = path.symlink_metadata().map_err(FileError::system("examining", path))?;
    if !found.is_dir() || found.uid() != nix::unistd::geteuid().as_raw() || found.mode() & 0o022 != 0 {
        let why = "must be a folder that belongs to the user that runs this and that no other can write to: \
                   chown root and chmod go-w it first";
        return Err(FileError::Untrusted { path: path.to_owned(), why });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_may_be_there_and_one_who_puts_a_backup_back_only_alone() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path(), None);
        make_own_dir(&layout.state()).unwrap();
        let (one, other) = (Presence::shared(&layout).unwrap(), Presence::shared(&layout).unwrap());
        assert!(one.is_some() && other.is_some());
        assert!(Presence::alone(&layout).unwrap().is_none());
        drop((one, other));
        let alone = Presence::alone(&layout).unwrap();
        assert!(alone.is_some() && Presence::shared(&layout).unwrap().is_none());
    }
}
