//! Runs on disk: `runs/N/run.json` and `runs/N/events.jsonl` in the console's private folder.
//!
//! Any process of root's can read them while another writes; a line that is cut off is no event yet. Numbers count up
//! and none is given twice. Old runs are pruned ([`Runs::prune`]): the journal keeps what they did, this is their output.

use crate::files::{self, Expected, FileError};
use crate::formats::Kind;
use crate::layout::Layout;
use crate::plan::{Operation, Run, RunBrief, RunEvent, RunState};
use crate::platform::crash_point;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Largest run.json that is read, in bytes.
const LARGEST: u64 = 16 << 20;
/// Runs that are kept as lists show them.
const BRIEFS: usize = 128;
/// Places in event files that are remembered for readers who come back.
const PLACES: usize = 256;
/// So many of the newest runs are kept whatever their age.
pub(crate) const NEWEST_KEPT: usize = 500;
/// Those beyond are kept for so long after they began.
pub(crate) const KEPT_FOR: Duration = Duration::from_hours(24 * 90);
/// And never more than so many, beside those that something still needs.
pub(crate) const MOST_KEPT: usize = 2000;
/// Whatever changed less long ago may change once more with the same time stamp: file systems count as coarsely as this.
const SETTLED: Duration = Duration::from_secs(2);

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
    /// The numbers as they were last listed, highest first.
    listed: Mutex<Option<(Trace, Arc<[u64]>)>>,
    /// The highest run as it was last read: it is asked for every second.
    newest: Mutex<Option<(Trace, StoredRun)>>,
    /// The newest runs as lists show them, as they were last read.
    briefs: Mutex<BTreeMap<u64, (Trace, RunBrief)>>,
    /// Runs that were read and had ended: that stays so.
    ended: Mutex<BTreeSet<u64>>,
    /// (run, number of an event) to where the next one begins.
    places: Mutex<BTreeMap<(u64, u64), u64>>,
}

/// What a file or folder looks like from outside: another one of them differs in that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trace {
    identity: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Trace {
    fn of(path: &Path) -> std::io::Result<Self> {
        let found = path.symlink_metadata()?;
        Ok(Self {
            identity: (found.dev(), found.ino()),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    /// Whether what is read now, after this was taken, can be told from what is written later.
    fn is_settled(&self) -> bool {
        let Ok(seconds) = u64::try_from(self.modified.0) else { return true };
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds + 1);
        SystemTime::now().duration_since(modified).is_ok_and(|age| age >= SETTLED)
    }
}

/// What decides whether a run is kept.
#[derive(Deserialize)]
struct Brief {
    plan: BriefPlan,
    started: Timestamp,
    state: RunState,
}

#[derive(Deserialize)]
struct BriefPlan {
    operation: Operation,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Plain data, set in one step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runs {
    /// Opens the folder, made at first need.
    pub fn open(layout: &Layout) -> Result<Self, FileError> {
        let dir = layout.private().join("runs");
        files::make_private_dir(&dir)?;
        Ok(Self {
            dir,
            listed: Mutex::default(),
            newest: Mutex::default(),
            briefs: Mutex::default(),
            ended: Mutex::default(),
            places: Mutex::default(),
        })
    }

    /// Numbers of all runs, highest first. The folder is listed only when it has changed, whoever changed it.
    ///
    /// # Errors
    /// The folder cannot be read: which runs there are is not known then.
    pub fn numbers(&self) -> Result<Arc<[u64]>, FileError> {
        let trace = Trace::of(&self.dir).map_err(FileError::system("examining", &self.dir))?;
        if let Some((then, numbers)) = &*locked(&self.listed)
            && *then == trace
        {
            return Ok(Arc::clone(numbers));
        }
        let settled = trace.is_settled();
        #[cfg(test)]
        tests::READ.with(|read| read.set(read.get() + 1));
        let mut numbers: Vec<u64> = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(FileError::system("listing", &self.dir))? {
            let name = entry.map_err(FileError::system("listing", &self.dir))?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
        }
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        let numbers: Arc<[u64]> = numbers.into();
        *locked(&self.listed) = settled.then(|| (trace, Arc::clone(&numbers)));
        Ok(numbers)
    }

    /// Whether there was a run of this number, which is not kept any more.
    pub(crate) fn is_pruned(&self, id: u64) -> bool {
        let newest = self.numbers().ok().and_then(|numbers| numbers.first().copied()).unwrap_or(0);
        // Numbers count up: those in between were runs, but for one that never began, whose number was given again.
        (1..newest).contains(&id)
            && matches!(self.folder(id).symlink_metadata(), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
    }

    /// Makes the folder of a new run and gives its number, one more than the highest: that one is never pruned. The caller
    /// holds the change lock.
    pub fn begin(&self) -> Result<u64, FileError> {
        let id = self.numbers()?.first().copied().unwrap_or(0) + 1;
        let path = self.folder(id);
        DirBuilder::new().mode(0o700).create(&path).map_err(FileError::system("making", &path))?;
        Ok(id)
    }

    /// Takes a run that never began, or is not kept any more, away.
    pub(crate) fn forget(&self, id: u64) {
        let folder = self.folder(id);
        // First what makes it one: what is left when this is cut off is a run that never began, and goes at a start.
        let _ = std::fs::remove_file(folder.join("run.json"));
        let _ = std::fs::remove_dir_all(&folder);
        locked(&self.ended).remove(&id);
        locked(&self.places).retain(|(run, _), _| *run != id);
    }

    /// Takes away what is too old: runs beyond the newest [`NEWEST_KEPT`] that began longer than [`KEPT_FOR`] before `now`,
    /// and those beyond [`MOST_KEPT`]. Kept in any case are the newest run of each operation, one that has not ended or
    /// cannot be read, and what `is_needed` names. Gives how many went.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn prune(&self, now: Timestamp, is_needed: &dyn Fn(u64) -> bool) -> Result<usize, FileError> {
        let numbers = self.numbers()?;
        if numbers.len() <= NEWEST_KEPT {
            return Ok(0);
        }
        let mut operations = BTreeSet::new();
        let mut gone = 0;
        for (place, &id) in numbers.iter().enumerate() {
            let path = self.folder(id).join("run.json");
            let brief = files::read_limited(&path, LARGEST).and_then(|bytes| from_json::<Brief>(&path, &bytes));
            let Ok(Brief { plan, started, state }) = brief else { continue };
            let is_newest_of_its_kind = operations.insert(plan.operation.name());
            let is_old = Duration::try_from(now.duration_since(started)).is_ok_and(|age| age > KEPT_FOR);
            let is_beyond = place >= MOST_KEPT || (place >= NEWEST_KEPT && is_old);
            if is_beyond && !is_newest_of_its_kind && state.is_final() && !is_needed(id) {
                self.forget(id);
                gone += 1;
            }
        }
        Ok(gone)
    }

    /// Writes a run; on disk when it returns.
    pub fn write(&self, stored: &StoredRun) -> Result<(), FileError> {
        let path = self.folder(stored.run.id).join("run.json");
        let bytes = json(&path, stored)?;
        files::replace_with_mode(&path, &Expected::Anything, &bytes, 0o600, &|_| ()).map(|_| ())
    }

    /// Reads a run. The highest one is read again only when it has changed, whoever changed it.
    pub fn read(&self, id: u64) -> Result<StoredRun, FileError> {
        let path = self.folder(id).join("run.json");
        // Without one it is read, and the error told from there.
        let trace = Trace::of(&path).ok();
        if let (Some((then, stored)), Some(trace)) = (&*locked(&self.newest), &trace)
            && (stored.run.id, then) == (id, trace)
        {
            return Ok(stored.clone());
        }
        let settled = trace.filter(Trace::is_settled);
        #[cfg(test)]
        tests::READ.with(|read| read.set(read.get() + 1));
        let stored: StoredRun = from_json(&path, &files::read_limited(&path, LARGEST)?)?;
        if stored.run.state.is_final() {
            locked(&self.ended).insert(id);
        }
        let mut newest = locked(&self.newest);
        if let Some(trace) = settled
            && newest.as_ref().is_none_or(|(_, newest)| newest.run.id <= id)
        {
            *newest = Some((trace, stored.clone()));
        }
        Ok(stored)
    }

    /// What lists show of a run. It is read again only when it has changed, whoever changed it.
    pub(crate) fn brief(&self, id: u64) -> Result<RunBrief, FileError> {
        let trace = Trace::of(&self.folder(id).join("run.json")).ok();
        if let (Some((then, brief)), Some(trace)) = (locked(&self.briefs).get(&id), &trace)
            && then == trace
        {
            return Ok(brief.clone());
        }
        let brief = RunBrief::of(&self.read(id)?.run);
        if let Some(trace) = trace.filter(Trace::is_settled) {
            let mut briefs = locked(&self.briefs);
            briefs.insert(id, (trace, brief.clone()));
            while briefs.len() > BRIEFS {
                briefs.pop_first();
            }
        }
        Ok(brief)
    }

    /// Whether a run is known to have ended, without reading it.
    pub(crate) fn has_ended(&self, id: u64) -> bool {
        locked(&self.ended).contains(&id)
    }

    /// Opens a run's events for appending; what a sudden death cut off is taken away first. Gives the next number.
    pub(crate) fn events_to_append(&self, id: u64) -> Result<(File, u64), FileError> {
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
        let known = locked(&self.places).get(&(id, after)).copied();
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
            let mut places = locked(&self.places);
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
    pub(crate) fn take_answer(&self, id: u64) -> Option<Answer> {
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

/// Reads what [`json`] wrote; what a newer program wrote is refused, also where it could be read in part.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, FileError> {
    let kind = if path.ends_with("run.json") {
        Kind::Runs
    } else if path.ends_with(files::WAITING) {
        Kind::Waiting
    } else {
        Kind::Notes
    };
    kind.must_be_known_json(path, bytes)?;
    serde_json::from_slice(bytes).map_err(|error| {
        FileError::system("understanding", path)(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::plan::{Plan, ProofNeeded};

    thread_local! {
        /// How often this thread has read a run or listed the folder.
        pub(super) static READ: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }

    const VNET: Operation = Operation::VnetStart { revert_after: None };

    fn opened(root: &Path) -> Runs {
        Runs::open(&Layout::new(root, None)).unwrap()
    }

    fn stored(id: u64, operation: Operation, state: RunState, started: Timestamp) -> StoredRun {
        let plan = Plan {
            id,
            digest: Digest::of(b""),
            operation,
            made: started,
            summary: String::new(),
            steps: Vec::new(),
            diffs: Vec::new(),
            pf_rules: Vec::new(),
            nat: None,
            cache_is_empty: None,
            routes: Vec::new(),
            destroys: Vec::new(),
            snapshots: None,
            blockers: Vec::new(),
            warnings: Vec::new(),
            acknowledge: None,
            previews: Vec::new(),
            pf_files: Vec::new(),
            put_back: Vec::new(),
            left_behind: Vec::new(),
            findings: Vec::new(),
            proof: ProofNeeded::Fresh,
            confirm_text: None,
            button: String::new(),
            revert_after: None,
            nothing_to_do: false,
            approval_code: None,
        };
        let run = Run {
            id,
            plan,
            actor: "anna".to_owned(),
            reason: None,
            started,
            ended: None,
            state,
            summary: String::new(),
            remedy: None,
            deadline: None,
            decided: None,
            abortable: false,
            checks: Vec::new(),
            progress: Vec::new(),
            leftovers: Vec::new(),
            put_back: Vec::new(),
            last_event: 0,
        };
        StoredRun { run, intent: id }
    }

    /// Makes it as old as what was written an hour ago.
    fn age(path: &Path) {
        File::open(path).unwrap().set_modified(SystemTime::now() - Duration::from_hours(1)).unwrap();
    }

    fn reads(look: impl FnOnce()) -> u64 {
        let before = READ.get();
        look();
        READ.get() - before
    }

    #[test]
    fn nothing_is_read_every_second_while_no_run_comes_or_goes_on() {
        let root = tempfile::tempdir().unwrap();
        let runs = opened(root.path());
        for _ in 0..3 {
            let id = runs.begin().unwrap();
            runs.write(&stored(id, VNET, RunState::Running, Timestamp::now())).unwrap();
        }
        let (folder, newest) = (runs.dir.clone(), runs.folder(3).join("run.json"));
        age(&folder);
        age(&newest);
        let look = || {
            for _ in 0..10 {
                assert_eq!(runs.numbers().unwrap()[..], [3, 2, 1]);
                assert_eq!(runs.read(3).unwrap().run.state, RunState::Running);
            }
        };
        assert_eq!(reads(look), 2, "the folder and the newest run, once each");
        // A command line is another process: what it does is seen at once, also within one tick of the clock.
        let other = opened(root.path());
        for state in [RunState::AwaitingKeep, RunState::Running, RunState::AwaitingKeep, RunState::Reverted] {
            other.write(&stored(3, VNET, state, Timestamp::now())).unwrap();
            assert_eq!(runs.read(3).unwrap().run.state, state);
        }
        for id in 4..20 {
            assert_eq!(other.begin().unwrap(), id);
            assert_eq!(runs.numbers().unwrap().first(), Some(&id));
            if id % 2 == 1 {
                other.forget(id);
                assert_eq!(runs.numbers().unwrap().first(), Some(&(id - 1)));
                assert_eq!(runs.begin().unwrap(), id);
            }
        }
        assert!(runs.has_ended(3) && !runs.has_ended(2));
    }

    #[test]
    fn a_run_of_a_newer_version_is_said_to_be_one_although_it_could_be_read_in_part() {
        let root = tempfile::tempdir().unwrap();
        let runs = opened(root.path());
        let id = runs.begin().unwrap();
        runs.write(&stored(id, VNET, RunState::AsPlanned, Timestamp::now())).unwrap();
        let path = runs.folder(id).join("run.json");
        let newer = std::fs::read_to_string(&path).unwrap().replacen('{', "{\"version\":2,", 1);
        std::fs::write(&path, &newer).unwrap();
        let words = opened(root.path()).read(id).unwrap_err().to_string();
        assert!(words.contains("run.json was written by a newer pot-console: runs, version 2;"), "{words}");
        // It is no old one that goes.
        assert_eq!(runs.prune(Timestamp::now(), &|_| false).unwrap(), 0);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
    }

    #[test]
    fn old_runs_go_and_what_is_open_or_the_newest_of_its_kind_stays() {
        const ALL: u64 = 2_100;
        let now = Timestamp::now();
        let long_ago = now.checked_sub(jiff::Span::new().hours(24 * 91)).unwrap();
        let root = tempfile::tempdir().unwrap();
        let runs = opened(root.path());
        for id in 1..=ALL {
            // Of the oldest hundred some are young: the number counts for them.
            let started = if (51..=600).contains(&id) { long_ago } else { now };
            let (operation, state) = match id {
                1 => (Operation::CleanUp { items: Vec::new() }, RunState::Reverted),
                2 => (VNET, RunState::AwaitingKeep),
                _ => (VNET, RunState::AsPlanned),
            };
            let folder = runs.folder(id);
            std::fs::create_dir(&folder).unwrap();
            let written = serde_json::to_vec(&stored(id, operation, state, started)).unwrap();
            let written = if id == 3 { b"{\"id\":".to_vec() } else { written };
            std::fs::write(folder.join("run.json"), written).unwrap();
            std::fs::write(folder.join("events.jsonl"), "").unwrap();
        }
        let is_needed = |id| id == 4;
        assert_eq!(runs.prune(now, &is_needed).unwrap(), 596);
        let wanted: Vec<u64> = (601..=ALL).rev().chain([4, 3, 2, 1]).collect();
        assert_eq!(runs.numbers().unwrap()[..], wanted[..]);
        assert!(runs.is_pruned(5) && runs.is_pruned(600));
        for id in [0, 1, 2, 3, 4, 601, ALL, ALL + 1] {
            assert!(!runs.is_pruned(id), "{id}");
        }
        // Numbers go on, and however old they are, few runs all stay.
        let later = now.checked_add(jiff::Span::new().hours(24 * 3650)).unwrap();
        assert_eq!(runs.begin().unwrap(), ALL + 1);
        runs.prune(later, &|_| false).unwrap();
        let kept = runs.numbers().unwrap();
        assert_eq!(kept[..4], [ALL + 1, ALL, ALL - 1, ALL - 2]);
        assert_eq!(kept.len(), NEWEST_KEPT + 3, "with 1, 2 and 3");
        assert_eq!(runs.prune(later, &|_| false).unwrap(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_listed_is_not_one_without_runs() {
        let root = tempfile::tempdir().unwrap();
        let runs = opened(root.path());
        runs.begin().unwrap();
        std::fs::rename(&runs.dir, runs.dir.with_extension("away")).unwrap();
        assert!(runs.numbers().is_err() && runs.begin().is_err() && !runs.is_pruned(1));
        assert!(runs.prune(Timestamp::now(), &|_| false).is_err());
    }
}
