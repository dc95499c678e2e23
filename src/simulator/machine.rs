//! A simulated root: where it is, which file a host path means in it, and its state under a lock.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::faults::Fault;
use super::state::State;

/// The file that makes a folder a simulated root. Without it no simulated tool runs.
pub(crate) const MARKER: &str = "var/db/simulated-host/marker";
const STATE: &str = "var/db/simulated-host/state.json";
const LOCK: &str = "var/db/simulated-host/lock";
/// Contents of datasets that are not mounted, and of folders that a mount hides.
const ASIDE: &str = "var/db/simulated-host/aside";

/// A simulated root folder.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    root: PathBuf,
}

impl Machine {
    /// The simulated root in `dir`, if it is one.
    pub fn open(dir: &Path) -> Option<Self> {
        dir.join(MARKER).is_file().then(|| Self { root: dir.to_owned() })
    }

    /// A root that is only being built.
    pub fn new(dir: &Path) -> Self {
        Self { root: dir.to_owned() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the file that the host calls `path` really is. `..` never leads out of the root, and a link with an
    /// absolute target is followed as a chroot would: no simulated tool touches anything outside of its root.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.resolve(path.as_ref(), true)
    }

    /// As [`Machine::path`], but a link in the last place is not followed.
    pub(crate) fn path_itself(&self, path: impl AsRef<Path>) -> PathBuf {
        self.resolve(path.as_ref(), false)
    }

    fn resolve(&self, path: &Path, follow_last: bool) -> PathBuf {
        let mut waiting: Vec<std::ffi::OsString> = plain_parts(path);
        waiting.reverse();
        let mut done: Vec<std::ffi::OsString> = Vec::new();
        let mut links = 0;
        while let Some(part) = waiting.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            done.push(part);
            let here = self.join(&done);
            if waiting.is_empty() && !follow_last {
                break;
            }
            if let Ok(target) = fs::read_link(&here) {
                links += 1;
                if links > 32 {
                    break;
                }
                if target.is_absolute() {
                    done.clear();
                } else {
                    done.pop();
                }
                waiting.extend(plain_parts(&target).into_iter().rev());
            }
        }
        self.join(&done)
    }

    fn join(&self, parts: &[std::ffi::OsString]) -> PathBuf {
        let mut path = self.root.clone();
        path.extend(parts);
        path
    }

    /// Reads a file of the host; empty when it cannot be read.
    pub fn text(&self, path: &str) -> String {
        fs::read(self.path(path)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Writes a file of the host, with the folders above it.
    pub fn write(&self, path: &str, text: &str) -> io::Result<()> {
        let file = self.path(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, text)
    }

    /// Replaces a file in one step, keeping its mode and, where allowed, its owner.
    pub fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let file = self.path(path);
        let old = fs::metadata(&file).ok();
        let temporary = file.with_extension(format!("simulated.{}", std::process::id()));
        let mut new = fs::File::create(&temporary)?;
        new.write_all(bytes)?;
        if let Some(old) = &old {
            fs::set_permissions(&temporary, fs::Permissions::from_mode(old.mode() & 0o7777))?;
            // An ordinary user cannot give files away; then they are all that user's anyway.
            let _ = std::os::unix::fs::chown(&temporary, Some(old.uid()), Some(old.gid()));
        }
        fs::rename(&temporary, &file)
    }

    /// Puts a plain file in the place of whatever stands at `path`, a link included, as mv(1) does.
    pub(crate) fn put_in_place(&self, path: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        let here = self.path_itself(path);
        let temporary = here.with_extension(format!("simulated.{}", std::process::id()));
        fs::write(&temporary, bytes)?;
        fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))?;
        fs::rename(&temporary, &here)
    }

    /// Folder for the content of a dataset that is not mounted.
    pub(crate) fn store_of(&self, guid: u64) -> PathBuf {
        self.root.join(ASIDE).join(format!("dataset-{guid}"))
    }

    /// Folder for what a mounted dataset hides.
    pub(crate) fn hidden_by(&self, guid: u64) -> PathBuf {
        self.root.join(ASIDE).join(format!("hidden-{guid}"))
    }

    /// The state as it is now.
    pub fn state(&self) -> io::Result<State> {
        let bytes = fs::read(self.root.join(STATE))?;
        serde_json::from_slice(&bytes).map_err(io::Error::other)
    }

    /// The faults that are switched on. Every call of every tool asks for them, and nearly always there are none: then
    /// the state, whose last field they are, is not taken apart.
    pub(crate) fn faults(&self) -> io::Result<Vec<Fault>> {
        let bytes = fs::read(self.root.join(STATE))?;
        if bytes.ends_with(br#""faults":[]}"#) {
            return Ok(Vec::new());
        }
        serde_json::from_slice(&bytes).map(|state: State| state.faults).map_err(io::Error::other)
    }

    /// Changes the state under the lock; what `change` returns is handed on after the state was written.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> io::Result<T> {
        let lock = fs::OpenOptions::new().create(true).truncate(false).write(true).open(self.root.join(LOCK))?;
        let lock = Flock::lock(lock, FlockArg::LockExclusive)
            .map_err(|(_, errno)| io::Error::from_raw_os_error(errno as i32))?;
        let mut state = self.state()?;
        let result = change(&mut state);
        self.store(&state)?;
        drop(lock);
        Ok(result)
    }

    /// Writes the state whole.
    pub fn store(&self, state: &State) -> io::Result<()> {
        let bytes = serde_json::to_vec(state).map_err(io::Error::other)?;
        let file = self.root.join(STATE);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let temporary = file.with_extension(format!("{}", std::process::id()));
        fs::write(&temporary, bytes)?;
        fs::rename(&temporary, &file)
    }
}

/// The ordinary components of a path, `..` among them.
fn plain_parts(path: &Path) -> Vec<std::ffi::OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(part) => Some(part.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

/// Now, in seconds since 1970.
pub(crate) fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
}
