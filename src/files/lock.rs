//! One change at a time, whichever process makes it.

use super::error::FileError;
use crate::layout::Layout;
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The right to change the host, held until it is dropped (or its process ends, however that comes).
#[derive(Debug)]
pub struct Lock {
    file: Flock<File>,
}

/// Why the lock was not given.
#[derive(Debug, thiserror::Error)]
pub enum Busy {
    /// Someone else is at it.
    #[error("{who} is changing this host; try again when that has ended")]
    Held {
        /// Whom the holder named, and its process.
        who: String,
    },
    /// The lock file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The file that a lock is taken on: root's alone, made at need, never reached through a link.
pub(super) fn open_lock(path: &Path) -> Result<File, FileError> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
        .map_err(FileError::system("opening the lock", path))
}

impl Lock {
    /// Takes the lock for `who` ("anna: saving pot.conf"), waiting for another holder at most `wait`.
    pub fn acquire(layout: &Layout, who: &str, wait: Duration) -> Result<Self, Busy> {
        let path = Self::path(layout);
        let mut file = open_lock(&path)?;
        let give_up = Instant::now().checked_add(wait);
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => {
                    let lock = Self { file };
                    lock.sign(who);
                    return Ok(lock);
                }
                Err((back, nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR)) => {
                    if give_up.is_some_and(|give_up| Instant::now() >= give_up) {
                        return Err(Busy::Held { who: holder(&back) });
                    }
                    file = back;
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err((_, errno)) => return Err(FileError::system("locking", &path)(errno.into()).into()),
            }
        }
    }

    fn path(layout: &Layout) -> PathBuf {
        layout.private().join("change.lock")
    }

    /// Only for others to read who it is; the lock holds without it (a full disk does not matter).
    fn sign(&self, who: &str) {
        let mut file: &File = &self.file;
        let line = format!("{} (process {})\n", crate::process::harmless(who), std::process::id());
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(line.as_bytes()));
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

fn holder(mut file: &File) -> String {
    let mut text = String::new();
    let _ = file.rewind();
    let _ = file.take(500).read_to_string(&mut text);
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() { "another process of this console".to_owned() } else { line.to_owned() }
}
