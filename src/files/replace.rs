//! A file is replaced whole: new content under another name in the same folder, then renamed over the old.

use super::error::FileError;
use crate::digest::Digest;
use crate::platform;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long another writer of the same file is waited for.
const WAIT: Duration = Duration::from_secs(5);
/// No file that is replaced here is anywhere near as large.
const LARGEST: u64 = 64 << 20;

/// A buffer through which `bytes` are read: no larger than they are, for a command waits for each page of it.
pub(crate) fn buffer_for(bytes: u64) -> Vec<u8> {
    const AT_ONCE: usize = 256 << 10;
    vec![0; usize::try_from(bytes).unwrap_or(usize::MAX).min(AT_ONCE)]
}

/// Reads a regular file of at most `max` bytes. The last part of the path may not be a symbolic link.
pub(crate) fn read_limited(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    let file = platform::open_for_reading(path).map_err(FileError::system("opening", path))?;
    read_open(file, path, max)
}

/// Reads at most `max` bytes of an open file; `path` is for words.
pub(super) fn read_open(file: File, path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    // Room for the whole of it, and for a byte in which its end is met: one read instead of one at each doubling.
    let length = file.metadata().map_or(0, |found| found.len().min(max));
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0).saturating_add(1));
    file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(FileError::system("reading", path))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > max) {
        return Err(FileError::TooLarge { path: path.to_owned(), limit: max });
    }
    Ok(bytes)
}

/// What must be there for a replacement to go ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// No file.
    Absent,
    /// A file with this content.
    Content(Digest),
    /// Whatever it is.
    Anything,
}

/// What was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The content's digest before; none when there was no file.
    pub before: Option<Digest>,
    /// The content's digest now.
    pub after: Digest,
    /// The file that was written: where a link within the folder led.
    pub path: PathBuf,
}

/// Replaces the content of `path` by `new`, whole or not at all; a file that was not there is made with mode 0644.
/// See [`replace_with_mode`].
pub fn replace(
    path: &Path,
    expected: &Expected,
    new: &[u8],
    crash: &dyn Fn(&'static str),
) -> Result<Replaced, FileError> {
    replace_with_mode(path, expected, new, 0o644, crash)
}

/// Replaces the content of `path` by `new`, whole or not at all, and on disk when it returns. Owner, group and mode
/// stay; a file that was not there gets `mode_if_new`. A symbolic link is followed only to a file of the same folder.
/// File flags are never cleared. Writers of one file wait for each other.
///
/// `crash` is called at each step, in order: `replace-begin`, `replace-written`, `replace-synced`, `replace-renamed`,
/// `replace-done`; pass [`platform::crash_point`].
///
/// # Errors
/// Nothing was changed, and no other file is left behind. (When only the folder could not be made durable after the
/// rename, the new content is in place and the error says so.)
pub(crate) fn replace_with_mode(
    path: &Path,
    expected: &Expected,
    new: &[u8],
    mode_if_new: u32,
    crash: &dyn Fn(&'static str),
) -> Result<Replaced, FileError> {
    crash("replace-begin");
    let target = real_target(path)?;
    let folder = target.parent().ok_or_else(|| FileError::NotRegular(target.clone()))?;
    refuse_flags(folder)?;
    let unfinished = Unfinished::claim(&target)?;

    // From here on no other writer of this console is at it.
    let old = match read_limited(&target, LARGEST) {
        Ok(bytes) => Some(bytes),
        Err(FileError::Missing(_)) => None,
        Err(error) => return Err(error),
    };
    let before = old.as_deref().map(Digest::of);
    let as_expected = match expected {
        Expected::Anything => true,
        Expected::Absent => before.is_none(),
        Expected::Content(digest) => before == Some(*digest),
    };
    if !as_expected {
        return Err(FileError::Changed { path: target, found: before });
    }
    let (owner, mode) = match old {
        None => (None, mode_if_new),
        Some(_) => {
            refuse_flags(&target)?;
            let facts = target.symlink_metadata().map_err(FileError::system("examining", &target))?;
            if facts.nlink() > 1 {
                return Err(FileError::HardLinks { path: target, names: facts.nlink() });
            }
            (Some((facts.uid(), facts.gid())), facts.mode() & 0o7777)
        }
    };
    unfinished.write(new, owner, mode, crash)?;
    unfinished.rename_to(&target)?;
    crash("replace-renamed");
    sync_folder(folder)?;
    crash("replace-done");
    Ok(Replaced { before, after: Digest::of(new), path: target })
}

/// Removes what a sudden death while replacing `path` may have left beside it. Replacing it again does so as well.
pub(crate) fn clear_unfinished(path: &Path) -> Result<(), FileError> {
    let target = real_target(path)?;
    let name = unfinished_name(&target)?;
    if name.symlink_metadata().is_ok() {
        drop(Unfinished::claim(&target)?);
    }
    Ok(())
}

/// The content under its other name. The name is always the same and the file is locked: it is at once the lock
/// between writers, and what a crash left behind is used up by the next replacement.
struct Unfinished {
    file: Flock<File>,
    name: PathBuf,
    renamed: std::cell::Cell<bool>,
}

impl Unfinished {
    fn claim(target: &Path) -> Result<Self, FileError> {
        let name = unfinished_name(target)?;
        let give_up = Instant::now() + WAIT;
        loop {
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
                .open(&name)
                .map_err(FileError::system("creating", &name))?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => {
                    // The one who held it before may have renamed or removed it: then the lock is on a file that
                    // no longer has this name.
                    if is_still_at(&file, &name)? {
                        if is_ours(&file, &name)? {
                            return Ok(Self { file, name, renamed: std::cell::Cell::new(false) });
                        }
                        if Instant::now() >= give_up {
                            let why = "someone puts this file there again and again; let nobody but the owner write \
                                       to its folder";
                            return Err(FileError::Untrusted { path: name, why });
                        }
                        std::fs::remove_file(&name).map_err(FileError::system("removing", &name))?;
                    }
                }
                Err((_, nix::errno::Errno::EAGAIN)) if Instant::now() < give_up => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err((_, errno)) => return Err(FileError::system("locking", &name)(errno.into())),
            }
        }
    }

    fn write(
        &self,
        bytes: &[u8],
        owner: Option<(u32, u32)>,
        mode: u32,
        crash: &dyn Fn(&'static str),
    ) -> Result<(), FileError> {
        let mut file: &File = &self.file;
        file.set_len(0).map_err(FileError::system("writing", &self.name))?;
        file.write_all(bytes).map_err(FileError::system("writing", &self.name))?;
        crash("replace-written");
        if let Some((uid, gid)) = owner {
            let facts = file.metadata().map_err(FileError::system("examining", &self.name))?;
            if (facts.uid(), facts.gid()) != (uid, gid) {
                std::os::unix::fs::fchown(file, Some(uid), Some(gid))
                    .map_err(FileError::system("giving its owner to", &self.name))?;
            }
        }
        // After the owner: changing that clears set-user-ID bits.
        file.set_permissions(Permissions::from_mode(mode))
            .map_err(FileError::system("giving its mode to", &self.name))?;
        platform::sync_all(file).map_err(FileError::system("writing", &self.name))?;
        crash("replace-synced");
        Ok(())
    }

    fn rename_to(&self, target: &Path) -> Result<(), FileError> {
        std::fs::rename(&self.name, target).map_err(FileError::system("renaming over", target))?;
        self.renamed.set(true);
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.renamed.get() {
            let _ = std::fs::remove_file(&self.name);
        }
    }
}

/// `.NAME.pot-console` beside the file: begins with a dot and does not end as the file does, so that programs that
/// read all of a folder's `*.conf` (syslogd, newsyslog) never take it.
fn unfinished_name(target: &Path) -> Result<PathBuf, FileError> {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().ok_or_else(|| FileError::NotRegular(target.to_owned()))?);
    name.push(".pot-console");
    Ok(target.with_file_name(name))
}

/// Whether the file is one that only we can have open. In a folder where others may write it could be theirs, or another
/// name of a file that has nothing to do with this; after a sudden death it may have its target's owner already.
fn is_ours(file: &File, name: &Path) -> Result<bool, FileError> {
    let facts = file.metadata().map_err(FileError::system("examining", name))?;
    Ok(facts.is_file() && facts.uid() == nix::unistd::geteuid().as_raw() && facts.nlink() == 1)
}

fn is_still_at(file: &File, name: &Path) -> Result<bool, FileError> {
    let ours = file.metadata().map_err(FileError::system("examining", name))?;
    match name.symlink_metadata() {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(FileError::system("examining", name)(error)),
    }
}

/// The file behind `path`: its folder's real path, and a link at the end followed as long as it stays in that folder.
fn real_target(path: &Path) -> Result<PathBuf, FileError> {
    let name = path.file_name().ok_or_else(|| FileError::NotRegular(path.to_owned()))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = parent.canonicalize().map_err(FileError::system("looking for", parent))?;
    let mut target = folder.join(name);
    // More links than any layout has; a ring ends here.
    for _ in 0..8 {
        match target.symlink_metadata() {
            Ok(facts) if facts.is_symlink() => {
                let leads_to = std::fs::read_link(&target).map_err(FileError::system("reading the link", &target))?;
                let leaves = || FileError::LinkLeaves { path: path.to_owned(), target: leads_to.clone() };
                let next = folder.join(&leads_to);
                let next_folder = next.parent().ok_or_else(leaves)?.canonicalize().map_err(|_| leaves())?;
                if next_folder != folder {
                    return Err(leaves());
                }
                target = folder.join(next.file_name().ok_or_else(leaves)?);
            }
            Ok(facts) if facts.is_file() => return Ok(target),
            Ok(_) => return Err(FileError::NotRegular(target)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(target),
            Err(error) => return Err(FileError::system("examining", &target)(error)),
        }
    }
    Err(FileError::LinkLeaves { path: path.to_owned(), target })
}

fn refuse_flags(path: &Path) -> Result<(), FileError> {
    let flags = platform::blocking_flags(path).map_err(FileError::system("examining", path))?;
    if flags.is_empty() { Ok(()) } else { Err(FileError::Flags { path: path.to_owned(), flags }) }
}

/// Makes a rename in `folder` outlive a power cut.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), FileError> {
    File::open(folder)
        .and_then(|folder| platform::sync_all(&folder))
        .map_err(FileError::system("making durable", folder))
}
