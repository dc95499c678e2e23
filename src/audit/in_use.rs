//! Who has the history's database open. SQLite's locks keep those apart who read and write one file, not from one who
//! takes the file away: its files are only replaced by a process that is alone with them.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Whoever replaces the files is done after moments.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// A lock beside the database, shared by all that have it open; given up when dropped.
#[derive(Debug)]
pub(super) struct InUse(File);

impl InUse {
    /// Shares it.
    ///
    /// # Errors
    /// The lock's file cannot be made, or someone is alone with the database for long.
    pub(super) fn share(database: &Path) -> io::Result<Self> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(path)?;
        let in_use = Self(file);
        in_use.share_again()?;
        Ok(in_use)
    }

    /// Shares it again after [`InUse::alone`], whatever that said.
    pub(super) fn share_again(&self) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            match self.0.try_lock_shared() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "another process is replacing it"));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Whether nobody else has the database open, until it is shared again. The caller has closed it: for a moment
    /// nothing is held here.
    pub(super) fn alone(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
