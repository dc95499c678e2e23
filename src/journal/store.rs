//! The journal as it is written and read. Several processes append to one: each takes a lock on the folder's lock
//! file and first reads what others have added.

use super::chain::{self, GENESIS, Line, Segment, SegmentHeader, each_line, segment_path, segments};
use super::head::{self, Head};
use super::problem::{Problem, ProblemKind, judge_head};
use super::record::{Action, Actor, Entry, Method, Outcome, Record, Reported, Stage};

use crate::digest::Digest;
use crate::files;
use crate::platform::{self, crash_point};
use jiff::Timestamp;
use std::collections::{BTreeMap, btree_map};
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// A segment is closed when it has grown to this many bytes.
const SEGMENT_BYTES: u64 = 64 << 20;
/// Longest JSON of a record: with its surroundings it must fit into a reply of the executor.
pub(super) const LONGEST: usize = 8 << 20;
/// Most bytes of JSON that [`Journal::after`] hands out at once.
const AT_ONCE: usize = 8 << 20;
/// Every how many records the place in the segment is remembered.
const MARK_EVERY: u64 = 256;
/// Space that is set aside so that how a change ended can be recorded although the disk has filled up since.
const RESERVE_BYTES: usize = 1 << 20;
/// How often and at what distance an outcome is tried again after that space was given up.
const FREEING_TRIES: u32 = 50;
const FREEING_PAUSE: Duration = Duration::from_millis(100);

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused. On writing nothing of the record is left behind.
    #[error("{doing} the journal {} failed: {source}{}", path.display(), files::advice(source))]
    System {
        /// "opening", "writing" …
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A record is larger than 8 MiB.
    #[error("the record is {0} bytes long, more than the journal takes: nothing was recorded")]
    TooLong(usize),
    /// The journal is broken at a record that was asked for.
    #[error("the journal is broken: {0}")]
    Broken(Problem),
    /// The journal is in a folder that cannot be made.
    #[error(transparent)]
    File(#[from] files::FileError),
}

impl JournalError {
    /// Whether there is no space left.
    pub fn is_full(&self) -> bool {
        let kind = match self {
            Self::System { source, .. } | Self::File(files::FileError::System { source, .. }) => source.kind(),
            _ => return false,
        };
        matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

pub(super) fn system(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::System { doing, path, source }
}

/// What was found when the journal was opened.
#[derive(Debug, Default)]
pub struct Opening {
    /// A torn last line was set aside; this record says so.
    pub torn: Option<u64>,
    /// Intents without an outcome, in order. Whoever opens the journal as the executor (and holds the change lock)
    /// closes them as interrupted; to others they may be changes under way.
    pub unfinished: Vec<Record>,
    /// The copied head was ahead of the journal or of another history. It is recorded and has set the alarm.
    pub rolled_back: Option<RolledBack>,
    /// The first thing found broken in the newest segment (all of it is looked at by [`super::verify()`]).
    pub problem: Option<Problem>,
}

/// The journal is not the one whose head was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    /// The copied head's sequence number.
    pub head_sequence: u64,
    /// The copied head's hash.
    pub head_hash: Digest,
    /// The journal's last sequence number.
    pub last: u64,
    /// The record that says so.
    pub record: u64,
    /// What happened, in a sentence.
    pub text: String,
}

/// The journal, open for appending. Shared between threads by reference.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    head: PathBuf,
    segment_bytes: u64,
    lock: File,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    id: Uuid,
    /// By the sequence number they begin with, the last one open in `tail`.
    segments: Vec<u64>,
    tail: Tail,
    intents: Intents,
    /// Places in closed segments, read when first needed.
    marks: BTreeMap<u64, Vec<u64>>,
}

impl State {
    /// The segment that holds record `sequence`; none when it was pruned.
    fn segment_of(&self, sequence: u64) -> Option<u64> {
        let at = self.segments.partition_point(|first| *first <= sequence);
        at.checked_sub(1).and_then(|at| self.segments.get(at)).copied()
    }
}

/// The newest segment.
#[derive(Debug)]
struct Tail {
    file: File,
    first: u64,
    /// Bytes in complete lines.
    length: u64,
    /// The next record's sequence number.
    next: u64,
    /// The last line's hash.
    hash: Digest,
    /// The last record's hash; another one while the segment has no record yet.
    record_hash: Digest,
    /// Where the last line stands.
    last_at: u64,
    /// The offset of records first, first + 256 …
    marks: Vec<u64>,
    problem: Option<Problem>,
}

/// The exclusive lock on the folder's lock file; released when dropped.
struct Locked<'a>(&'a File);

impl<'a> Locked<'a> {
    fn take(file: &'a File) -> io::Result<Self> {
        loop {
            match file.lock() {
                Ok(()) => return Ok(Self(file)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl Journal {
    /// Opens the journal in `dir`, made at first need, whose head is copied to `head`.
    ///
    /// # Errors
    /// The folder or a file in it cannot be used. A broken chain is no error: see [`Opening`].
    pub fn open(dir: &Path, head: &Path) -> Result<(Self, Opening), JournalError> {
        Self::open_with_segments(dir, head, SEGMENT_BYTES)
    }

    /// The same with segments of another size, for tests and benchmarks.
    pub fn open_with_segments(dir: &Path, head: &Path, bytes: u64) -> Result<(Self, Opening), JournalError> {
        files::make_private_dir(dir)?;
        if let Some(folder) = head.parent() {
            // /var/log has been there since the system was installed; a simulated root may have none yet.
            std::fs::create_dir_all(folder).map_err(system("making the folder of the head of", folder))?;
        }
        let lock_path = dir.join("lock");
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&lock_path)
            .map_err(system("locking", &lock_path))?;
        let locked = Locked::take(&lock).map_err(system("locking", &lock_path))?;

        let mut found = segments(dir).map_err(system("listing", dir))?;
        if found.is_empty() {
            begin_segment(dir, &Segment { journal: Uuid::now_v7(), first: 1, previous: GENESIS })?;
            found = vec![1];
        }
        // Reading two segments takes its time, and whoever appends waits for the lock. What comes meanwhile is read below.
        drop(locked);
        let newest = found.last().copied().unwrap_or(1);
        let mut intents = Intents::before(dir, newest, &found)?;
        let (tail, id) = Tail::open(dir, newest, &mut intents)?;
        let unfinished = intents.read(dir)?;

        let mut opening = Opening { unfinished, problem: tail.problem.clone(), ..Opening::default() };
        let state = State { id, segments: found, tail, intents, marks: BTreeMap::new() };
        let journal =
            Self { dir: dir.to_owned(), head: head.to_owned(), segment_bytes: bytes, lock, state: Mutex::new(state) };
        {
            let mut state = journal.state();
            let _locked = journal.lock_files()?;
            let headless = journal.head_problem(&state);
            if opening.problem.is_none() {
                opening.problem.clone_from(&headless);
            }
            match journal.catch_up(&mut state) {
                Ok(noticed) => {
                    (opening.torn, opening.rolled_back) = (noticed.torn, noticed.rolled_back);
                    // It is written anew below; without it the end of the journal proves nothing up to here.
                    if let Some(problem) = headless {
                        journal.raise_alarm(&mut state, &format!("{}.", problem.text))?;
                    }
                    journal.copy_head(&state);
                }
                // It can still be read; nothing is changed until it can be written.
                Err(error) if error.is_full() => {
                    opening.problem = Some(Problem::new(None, ProblemKind::Unreadable, error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((journal, opening))
    }

    /// A copied head that is gone or unreadable although there are records.
    fn head_problem(&self, state: &State) -> Option<Problem> {
        let why = match Head::read(&self.head) {
            Ok(Some(_)) => return None,
            Ok(None) if state.tail.next == 1 => return None,
            Ok(None) => "is gone".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        };
        let text = format!("the copy of the head, {}, {why}", self.head.display());
        Some(Problem::new(state.tail.next.checked_sub(1), ProblemKind::HeadMissing, text))
    }

    /// Whether the copied head belongs to this journal as it stands. If not, that is recorded and the alarm is set.
    fn compare_head(&self, state: &mut State) -> Result<Option<RolledBack>, JournalError> {
        let Ok(Some(head)) = Head::read(&self.head) else { return Ok(None) };
        let last = state.tail.next - 1;
        let first = state.segments.first().copied().unwrap_or(1);
        let here = if head.sequence == last {
            Some(state.tail.record_hash)
        } else if head.sequence < first || head.sequence > last {
            None
        } else {
            match self.read_after(state, head.sequence - 1, 1) {
                Ok((_, hashes)) => hashes.first().copied(),
                Err(JournalError::Broken(_)) => None,
                Err(error) => return Err(error),
            }
        };
        let behind = if head.sequence < last && !head::is_owed(&self.dir) {
            self.time_of(state, (head.sequence + 1).max(first)).zip(self.time_of(state, last))
        } else {
            None
        };
        let Some(problem) = judge_head(&head, state.id, last, here, behind) else { return Ok(None) };
        let mut text = problem.text;
        text.push_str(&format!(" (copied head: {}).", head.hash));
        let record = self.raise_alarm(state, &text)?.sequence;
        Ok(Some(RolledBack { head_sequence: head.sequence, head_hash: head.hash, last, record, text }))
    }

    /// When a record was made; none when there is no such record.
    fn time_of(&self, state: &mut State, sequence: u64) -> Option<Timestamp> {
        let (records, _) = self.read_after(state, sequence.checked_sub(1)?, 1).ok()?;
        records.first().filter(|record| record.sequence == sequence).map(|record| record.time)
    }

    /// Records that the journal is not what it was, copies the head anew, and sets the alarm.
    fn raise_alarm(&self, state: &mut State, text: &str) -> Result<Record, JournalError> {
        let record = self.write(state, own_entry("journal".to_owned(), text.to_owned()))?;
        self.copy_head(state);
        let path = self.alarm_path();
        let written = create_private(&path).and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "the journal's alarm could not be written");
        }
        Ok(record)
    }

    /// Gives `entry` its place in the chain. It is on disk when this returns.
    ///
    /// # Errors
    /// Nothing of it is left behind; what was to be recorded must not be done.
    pub fn append(&self, entry: Entry) -> Result<Record, JournalError> {
        crash_point("journal-begin");
        let mut state = self.state();
        let _locked = self.lock_files()?;
        self.catch_up(&mut state)?;
        let record = match entry.stage {
            Stage::Intent => {
                self.reserve_space()?;
                self.write(&mut state, entry)?
            }
            Stage::Event => self.write(&mut state, entry)?,
            Stage::Outcome => self.write_outcome(&mut state, entry)?,
        };
        crash_point("journal-synced");
        self.copy_head(&state);
        crash_point("journal-headed");
        Ok(record)
    }

    /// The change has been made: how it ended must be recorded, at the cost of the space that was set aside.
    fn write_outcome(&self, state: &mut State, entry: Entry) -> Result<Record, JournalError> {
        let mut tries = 0;
        loop {
            match self.write(state, entry.clone()) {
                Err(error) if error.is_full() && tries < FREEING_TRIES => {
                    let _ = std::fs::remove_file(self.reserve());
                    if tries > 0 {
                        // ZFS frees a removed file's space with its next transaction group.
                        std::thread::sleep(FREEING_PAUSE);
                    }
                    tries += 1;
                }
                other => return other,
            }
        }
    }

    /// Sets aside space for outcomes before an intent is written, so that a change which is begun can also be
    /// recorded to its end on a disk that fills up meanwhile.
    fn reserve_space(&self) -> Result<(), JournalError> {
        let path = self.reserve();
        if path.symlink_metadata().is_ok_and(|file| file.len() == RESERVE_BYTES as u64) {
            return Ok(());
        }
        // Bytes that no file system compresses away.
        let mut noise = vec![0; RESERVE_BYTES];
        getrandom::fill(&mut noise).map_err(|error| system("reserving space for", &path)(io::Error::other(error)))?;
        let write = || {
            let mut file = create_private(&path)?;
            io::Write::write_all(&mut file, &noise)?;
            file.sync_all()
        };
        write().map_err(|error| {
            let _ = std::fs::remove_file(&path);
            system("reserving space for", &path)(error)
        })
    }

    /// At most `limit` records after sequence number `after`, in order, each with its hash; fewer when they are long.
    /// Records of other processes are seen.
    ///
    /// # Errors
    /// A record that should be there is not, or cannot be understood.
    pub fn after(&self, after: u64, limit: usize) -> Result<(Vec<Record>, Vec<Digest>), JournalError> {
        self.learn_places(after.saturating_add(1));
        let mut state = self.state();
        self.look(&mut state)?;
        self.read_after(&mut state, after, limit)
    }

    /// The same as they stand in the file, each with its newline; and the sequence number of the last one. Whoever has
    /// verified the journal need not have it read again.
    ///
    /// # Errors
    /// A record that should be there is not.
    pub fn lines_after(&self, after: u64, limit: usize) -> Result<(Vec<u8>, u64), JournalError> {
        let mut state = self.state();
        self.look(&mut state)?;
        let mut lines = Vec::new();
        let mut count = 0;
        let first = after.saturating_add(1).max(state.segments.first().copied().unwrap_or(1));
        self.walk_after(&mut state, after, limit, &mut |line| {
            lines.extend_from_slice(line.text);
            lines.push(b'\n');
            count += 1;
            true
        })?;
        Ok((lines, first + count - 1))
    }

    fn read_after(
        &self,
        state: &mut State,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<Record>, Vec<Digest>), JournalError> {
        let mut records = Vec::new();
        let mut hashes = Vec::new();
        self.walk_after(state, after, limit, &mut |line| {
            let record = line.record();
            let is_one = record.is_some();
            records.extend(record);
            hashes.extend(is_one.then_some(line.hash));
            is_one
        })?;
        Ok((records, hashes))
    }

    /// Hands out up to `limit` lines of records after record `after`, or as many as hold [`AT_ONCE`] bytes, until one is
    /// not taken because it is no record.
    fn walk_after(
        &self,
        state: &mut State,
        after: u64,
        limit: usize,
        take: &mut dyn FnMut(&Line<'_>) -> bool,
    ) -> Result<(), JournalError> {
        let (mut taken, mut bytes) = (0, 0);
        let mut wanted = after.saturating_add(1).max(state.segments.first().copied().unwrap_or(1));
        while wanted < state.tail.next && taken < limit && bytes < AT_ONCE {
            let place = self.place(state, wanted)?;
            let file = self.open_segment(place.first)?;
            let expected_first = wanted;
            let (_, broken) = each_line(&file, place.offset, place.end, |_, line| {
                let Some(line) = Line::parse(line) else {
                    return ControlFlow::Break(Some(Problem::malformed(wanted)));
                };
                match line.sequence() {
                    Some(sequence) if sequence < expected_first => return ControlFlow::Continue(()),
                    Some(sequence) if sequence == wanted => {}
                    _ => return ControlFlow::Break(Some(Problem::missing(wanted, line.sequence()))),
                }
                if taken > 0 && (bytes + line.json.len() > AT_ONCE || taken >= limit) {
                    return ControlFlow::Break(None);
                }
                if !take(&line) {
                    return ControlFlow::Break(Some(Problem::malformed(wanted)));
                }
                taken += 1;
                bytes += line.json.len();
                wanted += 1;
                if taken >= limit || bytes >= AT_ONCE {
                    return ControlFlow::Break(None);
                }
                ControlFlow::Continue(())
            })
            .map_err(system("reading", &segment_path(&self.dir, place.first)))?;
            match broken {
                Some(Some(problem)) if taken == 0 => return Err(JournalError::Broken(problem)),
                // What is sound is handed out; the next call meets the problem.
                Some(_) => break,
                None if wanted == expected_first => {
                    return Err(JournalError::Broken(Problem::missing(wanted, None)));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// One record; none when there is none of that number (not yet, or pruned).
    pub fn record(&self, sequence: u64) -> Result<Option<Record>, JournalError> {
        if sequence == 0 || sequence < self.first() {
            return Ok(None);
        }
        Ok(self.after(sequence - 1, 1)?.0.into_iter().next())
    }

    /// The last sequence number and that record's hash; 0 (and 32 zero bytes) when there is no record yet.
    pub fn last(&self) -> Result<(u64, Digest), JournalError> {
        let mut state = self.state();
        self.look(&mut state)?;
        Ok((state.tail.next - 1, state.tail.record_hash))
    }

    /// Whether there is more than the segment that is written to, which is never pruned.
    pub fn has_old_segments(&self) -> bool {
        self.state().segments.len() > 1
    }

    /// The lowest sequence number that is kept: 1 unless the journal was pruned.
    pub fn first(&self) -> u64 {
        self.state().segments.first().copied().unwrap_or(1)
    }

    /// The journal's identity; another one after it was begun anew.
    pub fn id(&self) -> Uuid {
        self.state().id
    }

    /// Intents without an outcome as of now, in order. Reads what was appended since the last look, and those intents:
    /// it may be asked often, however large the journal is.
    pub fn unfinished(&self) -> Result<Vec<Record>, JournalError> {
        let mut state = self.state();
        self.look(&mut state)?;
        state.intents.read(&self.dir)
    }

    /// A sentence when the journal was found rolled back or replaced, by whichever process, until that is
    /// acknowledged.
    pub fn alarm(&self) -> Option<String> {
        match files::read_limited(&self.alarm_path(), 4096) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(files::FileError::Missing(_)) => None,
            Err(error) => Some(format!("There is an alarm of the journal that cannot be read: {error}.")),
        }
    }

    /// Ends the alarm. The records that say so stay.
    pub fn acknowledge_alarm(&self) -> Result<(), JournalError> {
        let path = self.alarm_path();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(system("ending the alarm of", &path)(error)),
            _ => Ok(()),
        }
    }

    fn alarm_path(&self) -> PathBuf {
        self.dir.join("alarm")
    }

    /// The folder it is in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where its head is copied to.
    pub fn head_path(&self) -> &Path {
        &self.head
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A thread that died while it held this had not changed the state halfway: it is set after each step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_files(&self) -> Result<Locked<'_>, JournalError> {
        Locked::take(&self.lock).map_err(system("locking", &self.dir))
    }

    fn reserve(&self) -> PathBuf {
        self.dir.join("reserve")
    }

    fn open_segment(&self, first: u64) -> Result<File, JournalError> {
        let path = segment_path(&self.dir, first);
        platform::open_for_reading(&path).map_err(system("reading", &path))
    }

    fn copy_head(&self, state: &State) {
        let head = Head { sequence: state.tail.next - 1, hash: state.tail.record_hash, journal: state.id };
        let written = head.write(&self.head);
        head::note_owed(&self.dir, written.is_err());
        if let Err(error) = written {
            // The record itself is safe.
            tracing::warn!(path = %self.head.display(), %error, "the copy of the journal's head could not be written");
        }
    }

    /// Takes note of what other processes have appended, without the lock: a line that is being written is left for
    /// the next time.
    fn look(&self, state: &mut State) -> Result<(), JournalError> {
        loop {
            state.tail.read_on(&self.dir, &mut state.intents)?;
            let next = segment_path(&self.dir, state.tail.next);
            if state.tail.first == state.tail.next || !next.exists() {
                return Ok(());
            }
            let (tail, id) = Tail::open(&self.dir, state.tail.next, &mut state.intents)?;
            let old = std::mem::replace(&mut state.tail, tail);
            state.marks.insert(old.first, old.marks);
            state.segments.push(state.tail.first);
            state.id = id;
        }
    }

    /// The same with the lock held: what is not a complete line now never will be. It is set aside; that, and a copied
    /// head of another history, is recorded.
    fn catch_up(&self, state: &mut State) -> Result<Noticed, JournalError> {
        let mut noticed = Noticed::default();
        // Another process may have pruned.
        let found = segments(&self.dir).map_err(system("listing", &self.dir))?;
        state.segments.retain(|first| found.contains(first));
        self.reopen_if_replaced(state, &found)?;
        self.look(state)?;
        let path = segment_path(&self.dir, state.tail.first);
        let length = state.tail.file.metadata().map_err(system("examining", &path))?.len();
        let torn = length.saturating_sub(state.tail.length);
        if torn == 0 {
            noticed.rolled_back = self.compare_head(state)?;
            return Ok(noticed);
        }
        let aside = self.dir.join(format!("torn-{:020}-{}", state.tail.next, Uuid::now_v7().simple()));
        let set_aside = || {
            let mut bytes = vec![0; usize::try_from(torn).map_err(io::Error::other)?];
            state.tail.file.read_exact_at(&mut bytes, state.tail.length)?;
            let mut file = create_private(&aside)?;
            io::Write::write_all(&mut file, &bytes)?;
            file.sync_all()?;
            state.tail.file.set_len(state.tail.length)?;
            state.tail.file.sync_all()
        };
        set_aside().map_err(|error| {
            let _ = std::fs::remove_file(&aside);
            system("setting aside a torn line of", &path)(error)
        })?;
        let name = aside.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let message = format!(
            "The journal's last line was torn ({torn} bytes, no newline): a write was cut off before record {} was \
             complete. The bytes were set aside as {name}.",
            state.tail.next
        );
        noticed.rolled_back = self.compare_head(state)?;
        noticed.torn = Some(self.write(state, own_entry(name, message))?.sequence);
        self.copy_head(state);
        Ok(noticed)
    }

    /// Someone may have put another file in the place of the one that is open here (an older copy, a rolled back
    /// file system): what is appended to a file without a name would be lost.
    fn reopen_if_replaced(&self, state: &mut State, found: &[u64]) -> Result<(), JournalError> {
        let path = segment_path(&self.dir, state.tail.first);
        if state.tail.is_in_place(&path) {
            return Ok(());
        }
        let Some(newest) = found.last().copied() else {
            let last = state.tail.next - 1;
            let text =
                format!("the journal's segments are gone from {}: records 1 to {last} are missing", self.dir.display());
            return Err(JournalError::Broken(Problem::new(Some(last), ProblemKind::Missing, text)));
        };
        let mut intents = Intents::before(&self.dir, newest, found)?;
        (state.tail, state.id) = Tail::open(&self.dir, newest, &mut intents)?;
        state.intents = intents;
        state.segments = found.to_vec();
        state.marks.clear();
        Ok(())
    }

    fn write(&self, state: &mut State, entry: Entry) -> Result<Record, JournalError> {
        if state.tail.length >= self.segment_bytes && state.tail.next > state.tail.first {
            let header = Segment { journal: state.id, first: state.tail.next, previous: state.tail.hash };
            begin_segment(&self.dir, &header)?;
            crash_point("journal-segment");
            self.look(state)?;
        }
        let record = Record { sequence: state.tail.next, id: Uuid::now_v7(), time: Timestamp::now(), entry };
        let path = segment_path(&self.dir, state.tail.first);
        let json = serde_json::to_vec(&record).map_err(|error| system("writing", &path)(io::Error::other(error)))?;
        if json.len() > LONGEST {
            return Err(JournalError::TooLong(json.len()));
        }
        let hash = chain::link(&state.tail.hash, &json);
        let line = chain::line(&hash, &json);
        let tail = &mut state.tail;
        let written = tail.file.write_all_at(&line, tail.length).and_then(|()| {
            crash_point("journal-written");
            tail.file.sync_data()
        });
        if let Err(error) = written {
            // No half line stays; should even this fail, the next append sets it aside.
            let _ = tail.file.set_len(tail.length);
            let _ = tail.file.sync_data();
            return Err(system("writing", &path)(error));
        }
        tail.mark();
        let stands = Stands { segment: tail.first, offset: tail.length, length: line.len() - 1 };
        match (record.entry.stage, record.entry.intent) {
            (Stage::Intent, _) => state.intents.begun(record.sequence, stands),
            (Stage::Outcome, Some(intent)) => state.intents.ended(intent),
            (Stage::Outcome | Stage::Event, _) => {}
        }
        tail.last_at = tail.length;
        tail.length += line.len() as u64;
        tail.next += 1;
        (tail.hash, tail.record_hash) = (hash, hash);
        Ok(record)
    }

    /// Learns the places in the closed segment of record `sequence`, before anybody has to wait for that: all of it is read,
    /// once. What cannot be read is told by whoever reads the record.
    fn learn_places(&self, sequence: u64) {
        let first = {
            let state = self.state();
            let first = state.segment_of(sequence).filter(|first| *first != state.tail.first);
            first.filter(|first| !state.marks.contains_key(first))
        };
        if let Some(first) = first
            && let Ok(marks) = marks_of(&self.dir, first)
        {
            self.state().marks.insert(first, marks);
        }
    }

    /// Where to look for record `sequence`: a segment and an offset at or before it.
    fn place(&self, state: &mut State, sequence: u64) -> Result<Place, JournalError> {
        let first = state.segment_of(sequence);
        let first = first.ok_or_else(|| JournalError::Broken(Problem::missing(sequence, None)))?;
        let path = segment_path(&self.dir, first);
        let (marks, end) = if first == state.tail.first {
            (&state.tail.marks, state.tail.length)
        } else {
            let file = self.open_segment(first)?;
            let end = file.metadata().map_err(system("examining", &path))?.len();
            let marks = match state.marks.entry(first) {
                btree_map::Entry::Occupied(known) => known.into_mut(),
                btree_map::Entry::Vacant(unknown) => unknown.insert(marks_of(&self.dir, first)?),
            };
            (&*marks, end)
        };
        let mark = usize::try_from((sequence - first) / MARK_EVERY).unwrap_or(usize::MAX);
        let offset = marks.get(mark).copied().ok_or_else(|| JournalError::Broken(Problem::missing(sequence, None)))?;
        Ok(Place { first, offset, end })
    }
}

/// The journal while nobody else appends: for pruning.
pub(super) struct Exclusive<'a> {
    journal: &'a Journal,
    state: MutexGuard<'a, State>,
    _locked: Locked<'a>,
}

impl Journal {
    pub(super) fn exclusive(&self) -> Result<Exclusive<'_>, JournalError> {
        let mut state = self.state();
        let locked = self.lock_files()?;
        self.catch_up(&mut state)?;
        Ok(Exclusive { journal: self, state, _locked: locked })
    }
}

impl Exclusive<'_> {
    /// The segments, oldest first, by the sequence number they begin with.
    pub(super) fn segments(&self) -> &[u64] {
        &self.state.segments
    }

    pub(super) fn id(&self) -> Uuid {
        self.state.id
    }

    pub(super) fn append(&mut self, entry: Entry) -> Result<Record, JournalError> {
        let record = self.journal.write(&mut self.state, entry)?;
        self.journal.copy_head(&self.state);
        Ok(record)
    }

    /// Drops the oldest segment.
    pub(super) fn drop_oldest(&mut self) -> Result<(), JournalError> {
        let Some(first) = self.state.segments.first().copied().filter(|first| *first != self.state.tail.first) else {
            return Ok(());
        };
        let path = segment_path(&self.journal.dir, first);
        std::fs::remove_file(&path).map_err(system("pruning", &path))?;
        self.state.segments.remove(0);
        self.state.marks.remove(&first);
        self.state.intents.forget(first);
        Ok(())
    }
}

/// What catching up brought to light.
#[derive(Default)]
struct Noticed {
    torn: Option<u64>,
    rolled_back: Option<RolledBack>,
}

struct Place {
    first: u64,
    offset: u64,
    end: u64,
}

impl Tail {
    /// Opens the segment that begins with record `first` and reads it; `intents` learns of those in it.
    fn open(dir: &Path, first: u64, intents: &mut Intents) -> Result<(Self, Uuid), JournalError> {
        let path = segment_path(dir, first);
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(&path)
            .map_err(system("opening", &path))?;
        let end = file.metadata().map_err(system("examining", &path))?.len();
        let (length, header) = each_line(&file, 0, end, |_, line| {
            let header = Line::parse(line).and_then(|line| Some((line, line.header()?)));
            ControlFlow::Break(match header {
                Some((line, header)) => {
                    let sound = line.follows(&header.previous) && header.first == first;
                    (line.hash, header.previous, header.journal, sound)
                }
                // What follows can still be read, and the break is found by whoever verifies.
                None => (chain::link(&GENESIS, line), GENESIS, Uuid::nil(), false),
            })
        })
        .map_err(system("reading", &path))?;
        let (hash, record_hash, id, sound) = header.unwrap_or((GENESIS, GENESIS, Uuid::nil(), false));
        let problem = (!sound).then(|| {
            let text = format!("the first line of {} was changed", path.display());
            Problem::new(Some(first), ProblemKind::Changed, text)
        });
        let mut tail =
            Self { file, first, length, next: first, hash, record_hash, last_at: 0, marks: Vec::new(), problem };
        tail.read_on(dir, intents)?;
        Ok((tail, id))
    }

    /// Takes note of complete lines behind those that are known.
    fn read_on(&mut self, dir: &Path, intents: &mut Intents) -> Result<(), JournalError> {
        let path = segment_path(dir, self.first);
        let end = self.file.metadata().map_err(system("examining", &path))?.len();
        if end < self.length {
            // Someone cut it: what was known no longer holds.
            let found = segments(dir).map_err(system("listing", dir))?;
            *intents = Intents::before(dir, self.first, &found)?;
            *self = Self::open(dir, self.first, intents)?.0;
            return Ok(());
        }
        if end == self.length {
            return Ok(());
        }
        let file = self.file.try_clone().map_err(system("reading", &path))?;
        let (behind, _) = each_line(&file, self.length, end, |offset, line| {
            self.length = offset;
            let problem = match Line::parse(line) {
                None => Some(Problem::malformed(self.next)),
                Some(line) => {
                    intents.note(self.first, offset, &line);
                    let problem = match line.sequence() {
                        Some(sequence) if sequence == self.next => {
                            (!line.follows(&self.hash)).then(|| Problem::changed(self.next))
                        }
                        other => Some(Problem::missing(self.next, other)),
                    };
                    (self.hash, self.record_hash) = (line.hash, line.hash);
                    problem
                }
            };
            if self.problem.is_none() {
                self.problem = problem;
            }
            self.mark();
            self.last_at = offset;
            // A number that was skipped is never given again.
            self.next =
                Line::parse(line).and_then(|line| line.sequence()).unwrap_or(0).max(self.next).saturating_add(1);
            ControlFlow::<()>::Continue(())
        })
        .map_err(system("reading", &path))?;
        self.length = behind;
        Ok(())
    }

    /// Whether the file open here is still the one at `path` and its last known line is still there.
    fn is_in_place(&self, path: &Path) -> bool {
        let same_file = match (self.file.metadata(), path.symlink_metadata()) {
            (Ok(here), Ok(there)) => (here.dev(), here.ino()) == (there.dev(), there.ino()),
            _ => false,
        };
        let mut hash = [0; 64];
        same_file
            && self.file.read_exact_at(&mut hash, self.last_at).is_ok()
            && hash == *self.hash.hex().as_bytes()
            && self.file.metadata().is_ok_and(|file| file.len() >= self.length)
    }

    /// To be called before a record at `length` is counted.
    fn mark(&mut self) {
        if (self.next - self.first).is_multiple_of(MARK_EVERY) {
            self.marks.push(self.length);
        }
    }
}

/// The first line of a new segment. Its file appears with that line, complete, or not at all.
fn begin_segment(dir: &Path, segment: &Segment) -> Result<(), JournalError> {
    let path = segment_path(dir, segment.first);
    let json = serde_json::to_vec(&SegmentHeader { segment: segment.clone() })
        .map_err(|error| system("writing", &path)(io::Error::other(error)))?;
    let line = chain::line(&chain::link(&segment.previous, &json), &json);
    files::replace_with_mode(&path, &files::Expected::Absent, &line, 0o600, &|_| ())?;
    Ok(())
}

/// The offsets of every so many records of a closed segment.
fn marks_of(dir: &Path, first: u64) -> Result<Vec<u64>, JournalError> {
    let path = segment_path(dir, first);
    let file = platform::open_for_reading(&path).map_err(system("reading", &path))?;
    let end = file.metadata().map_err(system("examining", &path))?.len();
    let mut marks = Vec::new();
    let mut lines = 0;
    each_line(&file, 0, end, |offset, _| {
        if lines > 0 && (lines - 1) % MARK_EVERY == 0 {
            marks.push(offset);
        }
        lines += 1;
        ControlFlow::<()>::Continue(())
    })
    .map_err(system("reading", &path))?;
    Ok(marks)
}

/// Where the intents stand that have no outcome, by sequence number. They are noted as lines are read and written, so
/// that nobody has to look through a segment for them.
#[derive(Debug, Default)]
struct Intents(BTreeMap<u64, Stands>);

/// A line's place: segment, offset, and length without its newline.
#[derive(Debug, Clone, Copy)]
struct Stands {
    segment: u64,
    offset: u64,
    length: usize,
}

impl Intents {
    /// Those of the segment before `newest`, whose own are noted as it is read. An intent is closed within its run or at
    /// the next start, long before 64 MiB of further records.
    fn before(dir: &Path, newest: u64, segments: &[u64]) -> Result<Self, JournalError> {
        let mut intents = Self::default();
        let Some(first) = segments.iter().copied().filter(|first| *first < newest).max() else { return Ok(intents) };
        let path = segment_path(dir, first);
        let file = match platform::open_for_reading(&path) {
            Ok(file) => file,
            // Another process has pruned meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(intents),
            Err(error) => return Err(system("reading", &path)(error)),
        };
        let end = file.metadata().map_err(system("examining", &path))?.len();
        each_line(&file, 0, end, |offset, line| {
            if let Some(line) = Line::parse(line) {
                intents.note(first, offset, &line);
            }
            ControlFlow::<()>::Continue(())
        })
        .map_err(system("reading", &path))?;
        Ok(intents)
    }

    /// Takes note of what a line begins or ends.
    fn note(&mut self, segment: u64, offset: u64, line: &Line<'_>) {
        match stage(line.json) {
            Some(Staged::Intent) => {
                self.begun(line.sequence().unwrap_or(0), Stands { segment, offset, length: line.text.len() });
            }
            Some(Staged::Outcome(intent)) => self.ended(intent),
            None => {}
        }
    }

    fn begun(&mut self, intent: u64, stands: Stands) {
        self.0.insert(intent, stands);
    }

    fn ended(&mut self, intent: u64) {
        self.0.remove(&intent);
    }

    /// A segment was pruned.
    fn forget(&mut self, segment: u64) {
        self.0.retain(|_, stands| stands.segment != segment);
    }

    /// The records, in order. What another process has pruned, or someone has overwritten, is left out.
    fn read(&self, dir: &Path) -> Result<Vec<Record>, JournalError> {
        let mut records = Vec::new();
        for (sequence, stands) in &self.0 {
            let path = segment_path(dir, stands.segment);
            let file = match platform::open_for_reading(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(system("reading", &path)(error)),
            };
            let mut line = vec![0; stands.length];
            match file.read_exact_at(&mut line, stands.offset) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                Err(error) => return Err(system("reading", &path)(error)),
            }
            let record = Line::parse(&line).and_then(|line| line.record());
            records.extend(record.filter(|record| record.sequence == *sequence));
        }
        Ok(records)
    }
}

/// What the beginning of a record's line says of its stage.
pub(super) enum Staged {
    /// An intent.
    Intent,
    /// An outcome, with the intent that it names.
    Outcome(u64),
}

/// The stage of a record, read from its beginning: number, id and time stand before it and hold no other text, so
/// that starting the console does not mean parsing a hundred thousand records.
pub(super) fn stage(json: &[u8]) -> Option<Staged> {
    const FIELD: &[u8] = br#","stage":""#;
    let beginning = &json[..json.len().min(256)];
    let at = memchr::memmem::find(beginning, FIELD)? + FIELD.len();
    let rest = &beginning[at..];
    if rest.starts_with(br#"intent""#) {
        return Some(Staged::Intent);
    }
    let number = rest.strip_prefix(br#"outcome","intent":"#)?;
    let end = number.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&number[..end]).ok()?.parse().ok().map(Staged::Outcome)
}

/// What the journal says of itself.
pub(super) fn own_entry(object: String, message: String) -> Entry {
    Entry {
        stage: Stage::Event,
        intent: None,
        actor: Actor {
            name: "pot-console".to_owned(),
            role: None,
            method: Method::Console,
            session: None,
            claimed: None,
        },
        reported: Reported::default(),
        action: Action::Journal,
        object,
        changes: Vec::new(),
        diff: None,
        before: None,
        after: None,
        reason: None,
        outcome: Some(Outcome::Done),
        message,
        run: None,
    }
}

pub(super) fn create_private(path: &Path) -> io::Result<File> {
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)
}
