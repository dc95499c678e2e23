//! A copy of the journal's last sequence number and hash in another place (`/var/log`), which a boot environment
//! that is rolled back does not take along.

use crate::digest::Digest;
use crate::files;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Says, in the journal's folder, that the copy could not be written: it is older than it should be, and that is known.
fn owed(dir: &Path) -> PathBuf {
    dir.join("head-owed")
}

/// Whether the copy could not be written the last time.
pub(super) fn is_owed(dir: &Path) -> bool {
    owed(dir).symlink_metadata().is_ok()
}

/// Notes whether the copy could be written. Best effort: this disk, too, may be full.
pub(super) fn note_owed(dir: &Path, failed: bool) {
    let path = owed(dir);
    if failed {
        let _ = File::options().write(true).create(true).truncate(false).mode(0o600).open(path);
    } else if is_owed(dir) {
        let _ = std::fs::remove_file(path);
    }
}

/// What the copy says. One line of fixed length, so that it is overwritten in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) sequence: u64,
    pub(super) hash: Digest,
    pub(super) journal: Uuid,
}

impl Head {
    /// None when there is no such file.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        let file = match crate::platform::open_for_reading(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut buffer = [0; 256];
        let length = file.read_at(&mut buffer, 0)?;
        let text = std::str::from_utf8(&buffer[..length]).unwrap_or_default();
        Self::parse(text)
            .map(Some)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is not a journal's head"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_suffix('\n')?.split(' ');
        let head = Self {
            sequence: words.next()?.parse().ok()?,
            hash: Digest::from_hex(words.next()?).ok()?,
            journal: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(head)
    }

    /// Not made durable: after a power cut it may be older than the journal, never newer, because a record is on
    /// disk before its head is written. It is overwritten in place, but made whole: a death at any time leaves a head.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let text = format!("{:020} {} {}\n", self.sequence, self.hash.hex(), self.journal.hyphenated());
        let opened =
            File::options().write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return files::replace_with_mode(path, &files::Expected::Absent, text.as_bytes(), 0o600, &|_| ())
                    .map(drop)
                    .map_err(io::Error::other);
            }
            Err(error) => return Err(error),
        };
        file.write_all_at(text.as_bytes(), 0)?;
        let length = text.len() as u64;
        if file.metadata()?.len() != length {
            file.set_len(length)?;
        }
        Ok(())
    }
}
