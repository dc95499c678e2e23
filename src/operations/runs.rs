//! Runs on disk: `runs/N/run.json` and `runs/N/events.jsonl` in the console's private folder.
//!
//! Any process of root's can read them while another writes; a line that is cut off is no event yet.

use super::plan::{Run, RunEvent};
use crate::files::{self, Expected, FileError};
use crate::layout::Layout;
use crate::platform::crash_point;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Largest run.json that is read, in bytes.
const LARGEST: u64 = 16 << 20;
/// Places in event files that are remembered for readers who come back.
const PLACES: usize = 256;

/// A run with what only the executor needs of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRun {
    /// As shown.
    #[serde(flatten)]
    pub run: Run,
    /// The journal's intent of it.
    pub intent: u64,
}

/// What was asked of a run from the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Kept (true) or to be put back.
    pub keep: bool,
    /// Who.
    pub actor: crate::journal::record::Actor,
}

/// The folder of all runs.
#[derive(Debug)]
pub struct Runs {
    dir: PathBuf,
    /// (run, number of an event) to where the next one begins.
    places: Mutex<BTreeMap<(u64, u64), u64>>,
}

impl Runs {
    /// Opens the folder, made at first need.
    pub fn open(layout: &Layout) -> Result<Self, FileError> {
        let dir = layout.private().join("runs");
        files::make_private_dir(&dir)?;
        Ok(Self { dir, places: Mutex::new(BTreeMap::new()) })
    }

    /// Numbers of all runs, highest first.
    pub fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = std::fs::read_dir(&self.dir)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        numbers
    }

    /// Makes the folder of a new run and gives its number. The caller holds the change lock.
    pub fn begin(&self) -> Result<u64, FileError> {
        let id = self.numbers().first().copied().unwrap_or(0) + 1;
        let path = self.folder(id);
        DirBuilder::new().mode(0o700).create(&path).map_err(FileError::system("making", &path))?;
        Ok(id)
    }

    /// Takes a run that never began away again.
    pub fn forget(&self, id: u64) {
        let _ = std::fs::remove_dir_all(self.folder(id));
    }

    /// Writes a run; on disk when it returns.
    pub fn write(&self, stored: &StoredRun) -> Result<(), FileError> {
        let path = self.folder(stored.run.id).join("run.json");
        let bytes = json(&path, stored)?;
        files::replace_with_mode(&path, &Expected::Anything, &bytes, 0o600, &|_| ()).map(|_| ())
    }

    /// Reads a run.
    pub fn read(&self, id: u64) -> Result<StoredRun, FileError> {
        let path = self.folder(id).join("run.json");
        from_json(&path, &files::read_limited(&path, LARGEST)?)
    }

    /// Opens a run's events for appending; what a sudden death cut off is taken away first. Gives the next number.
    pub fn events_to_append(&self, id: u64) -> Result<(File, u64), FileError> {
        let path = self.folder(id).join("events.jsonl");
        let mut file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&path)
            .map_err(FileError::system("opening", &path))?;
        let mut whole = 0;
        let mut number = 0;
        let mut reader = BufReader::new(&mut file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).map_err(FileError::system("reading", &path))?;
            match line.strip_suffix(b"\n").and_then(|line| serde_json::from_slice::<RunEvent>(line).ok()) {
                Some(event) => {
                    number = event.number;
                    whole += length as u64;
                }
                None => break,
            }
        }
        file.set_len(whole).map_err(FileError::system("shortening", &path))?;
        Ok((file, number + 1))
    }

    /// Appends one event.
    pub fn append(file: &mut File, event: &RunEvent) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(event).map_err(std::io::Error::other)?;
        line.push(b'\n');
        crash_point("run-event");
        file.write_all(&line)
    }

    /// Events after `after`, at most `limit`.
    pub fn events(&self, id: u64, after: u64, limit: usize) -> Result<Vec<RunEvent>, FileError> {
        let path = self.folder(id).join("events.jsonl");
        let mut file = match crate::platform::open_for_reading(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(FileError::system("opening", &path)(error)),
        };
        let known = self.places.lock().unwrap_or_else(PoisonError::into_inner).get(&(id, after)).copied();
        let mut place = known.unwrap_or(0);
        file.seek(SeekFrom::Start(place)).map_err(FileError::system("reading", &path))?;
        let mut reader = BufReader::new(file.take(u64::MAX));
        let mut events = Vec::new();
        let mut line = Vec::new();
        while events.len() < limit {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).map_err(FileError::system("reading", &path))?;
            // A line without end is still being written.
            let Some(text) = line.strip_suffix(b"\n") else { break };
            let Ok(event) = serde_json::from_slice::<RunEvent>(text) else { break };
            place += length as u64;
            if event.number > after {
                events.push(event);
            }
        }
        if let Some(last) = events.last() {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            if places.len() >= PLACES {
                places.clear();
            }
            places.insert((id, last.number), place);
        }
        Ok(events)
    }

    /// Leaves an answer for the process that waits for one.
    pub fn answer(&self, id: u64, answer: &Answer) -> Result<(), FileError> {
        let path = self.folder(id).join("answer.json");
        let bytes = json(&path, answer)?;
        files::replace_with_mode(&path, &Expected::Absent, &bytes, 0o600, &|_| ()).map(|_| ())
    }

    /// Takes the answer, if one was left.
    pub fn take_answer(&self, id: u64) -> Option<Answer> {
        let path = self.folder(id).join("answer.json");
        let answer = from_json(&path, &files::read_limited(&path, LARGEST).ok()?).ok();
        let _ = std::fs::remove_file(&path);
        answer
    }

    fn folder(&self, id: u64) -> PathBuf {
        self.dir.join(id.to_string())
    }
}

pub(super) fn json<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, FileError> {
    serde_json::to_vec(value).map_err(|error| FileError::system("writing", path)(std::io::Error::other(error)))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, FileError> {
    serde_json::from_slice(bytes).map_err(|error| {
        FileError::system("understanding", path)(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
    })
}
