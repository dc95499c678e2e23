//! Kept versions of files, by content: the same bytes are kept once.

use super::error::FileError;
use super::lock::open_lock;
use super::replace::{Expected, read_limited, replace_with_mode};
use crate::clock::Clock;
use crate::digest::Digest;
use crate::layout::Layout;
use crate::platform::crash_point;
use jiff::Timestamp;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest version that is read back.
const LARGEST: u64 = 64 << 20;

/// One kept version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Which file, by its short name (`pot.conf`).
    pub file: String,
    /// Its path on the host.
    pub path: String,
    /// Content digest.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
    /// When it was replaced; while it was not, when it was kept.
    pub at: Timestamp,
    /// The journal record of the change that it was kept for.
    pub record: Option<u64>,
}

/// The folder `backups` in the console's private folder: `objects/HEX` are contents, `index` has a line of JSON for
/// each keeping.
#[derive(Debug, Clone)]
pub struct Backups {
    dir: PathBuf,
    clock: Clock,
}

impl Backups {
    /// Those of this host.
    pub fn of(layout: &Layout) -> Self {
        Self { dir: layout.private().join("backups"), clock: Clock::default() }
    }

    /// The same, with times from this clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Keeps `bytes`, the content of `path`, as a version of `file`; on disk when it returns. `record`: the change that
    /// is about to replace it.
    pub fn keep(&self, file: &str, path: &str, bytes: &[u8], record: Option<u64>) -> Result<Backup, FileError> {
        let _lock = self.lock()?;
        crash_point("backup-begin");
        let digest = Digest::of(bytes);
        let object = self.object(&digest);
        if !read_limited(&object, LARGEST).is_ok_and(|kept| kept == bytes) {
            replace_with_mode(&object, &Expected::Anything, bytes, 0o600, &crash_point)?;
        }
        crash_point("backup-kept");
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let mut backup =
            Backup { file: file.to_owned(), path: path.to_owned(), digest, size, at: self.clock.wall(), record };
        // The index is small (pruned by number): written whole, it can never hold half a line.
        let mut all = self.index()?;
        // What was kept when it was found and is replaced now is one version, not two.
        match all.iter_mut().rev().find(|kept| kept.file == file) {
            Some(kept) if kept.digest == digest && kept.path == path && kept.record.is_none() => {
                // Told by the change that replaces it, it is told by that one's time, too.
                if record.is_some() {
                    (kept.record, kept.at) = (record, backup.at);
                }
                backup = kept.clone();
            }
            _ => all.push(backup.clone()),
        }
        self.write_index(&all)?;
        crash_point("backup-listed");
        Ok(backup)
    }

    /// Versions of `file` (of all files when none), newest first.
    pub fn list(&self, file: Option<&str>) -> Result<Vec<Backup>, FileError> {
        let mut backups = self.index()?;
        backups.retain(|backup| file.is_none_or(|file| backup.file == file));
        backups.reverse();
        Ok(backups)
    }

    /// A kept version's bytes, checked against its digest.
    pub fn read(&self, file: &str, digest: &Digest) -> Result<Vec<u8>, FileError> {
        let wrong = |what| FileError::Backup { file: file.to_owned(), digest: *digest, what };
        if !self.index()?.iter().any(|backup| backup.file == file && backup.digest == *digest) {
            return Err(wrong("missing"));
        }
        let bytes = match read_limited(&self.object(digest), LARGEST) {
            Err(FileError::Missing(_)) => return Err(wrong("missing")),
            other => other?,
        };
        if Digest::of(&bytes) == *digest { Ok(bytes) } else { Err(wrong("damaged")) }
    }

    /// Drops versions that are beyond the newest `number` of their file *and* older than `age`; never the newest one
    /// of a file. Answers how many were dropped.
    pub(crate) fn prune(&self, number: usize, age: Duration) -> Result<usize, FileError> {
        let _lock = self.lock()?;
        let all = self.index()?;
        let now = self.clock.wall();
        let mut seen: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
        let mut kept = Vec::new();
        let mut dropped = 0;
        for backup in all.into_iter().rev() {
            let newer = seen.entry(backup.file.clone()).or_default();
            let young = now.duration_since(backup.at).unsigned_abs() <= age || backup.at > now;
            if *newer == 0 || *newer < number || young {
                *newer += 1;
                kept.push(backup);
            } else {
                dropped += 1;
            }
        }
        kept.reverse();
        if dropped > 0 {
            self.write_index(&kept)?;
        }
        self.drop_unlisted(&kept)?;
        Ok(dropped)
    }

    fn drop_unlisted(&self, kept: &[Backup]) -> Result<(), FileError> {
        let listed: BTreeSet<String> = kept.iter().map(|backup| backup.digest.hex()).collect();
        let objects = self.dir.join("objects");
        for entry in std::fs::read_dir(&objects).map_err(FileError::system("listing", &objects))? {
            let entry = entry.map_err(FileError::system("listing", &objects))?;
            if !entry.file_name().to_str().is_some_and(|name| listed.contains(name)) {
                let path = entry.path();
                std::fs::remove_file(&path).map_err(FileError::system("removing", &path))?;
            }
        }
        Ok(())
    }

    fn object(&self, digest: &Digest) -> PathBuf {
        self.dir.join("objects").join(digest.hex())
    }

    fn index(&self) -> Result<Vec<Backup>, FileError> {
        let bytes = match read_limited(&self.dir.join("index"), LARGEST) {
            Ok(bytes) => bytes,
            Err(FileError::Missing(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        // A line that someone damaged costs that version, not all of them.
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    fn write_index(&self, backups: &[Backup]) -> Result<(), FileError> {
        let path = self.dir.join("index");
        let mut text = Vec::new();
        for backup in backups {
            serde_json::to_writer(&mut text, backup)
                .map_err(|error| FileError::system("writing", &path)(io::Error::other(error)))?;
            text.push(b'\n');
        }
        replace_with_mode(&path, &Expected::Anything, &text, 0o600, &crash_point).map(drop)
    }

    fn lock(&self) -> Result<Flock<File>, FileError> {
        make_private_dir(&self.dir)?;
        make_private_dir(&self.dir.join("objects"))?;
        let path = self.dir.join("lock");
        let mut file = open_lock(&path)?;
        file.flush().map_err(FileError::system("locking", &path))?;
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| FileError::system("locking", &path)(errno.into()))
    }
}

/// A folder that only its owner enters.
pub(crate) fn make_private_dir(dir: &Path) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(FileError::system("making the folder", dir))
}
