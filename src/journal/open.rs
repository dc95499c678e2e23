//! Opening the journal, and what was found then.

use super::catch_up::RolledBack;
use super::chain::{GENESIS, Segment, must_be_known, segment_path, segments};
use super::error::{JournalError, system};
use super::intents::Intents;
use super::problem::{Problem, ProblemKind};
use super::record::Record;
use super::store::{Journal, Locked, State};
use super::tail::Tail;
use super::write::begin_segment;
use crate::clock::Clock;
use crate::files;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Mutex;
use uuid::Uuid;

/// A segment is closed when it has grown to this many bytes.
const SEGMENT_BYTES: u64 = 64 << 20;

/// What was found when the journal was opened.
#[derive(Debug, Default)]
pub struct Opening {
    /// A torn last line was set aside; this record says so.
    pub(crate) torn: Option<u64>,
    /// Intents without an outcome, in order. Whoever opens the journal as the executor (and holds the change lock)
    /// closes them as interrupted; to others they may be changes under way.
    pub unfinished: Vec<Record>,
    /// The copied head was ahead of the journal or of another history. It is recorded and has set the alarm.
    pub rolled_back: Option<RolledBack>,
    /// The first thing found broken in the newest segment (all of it is looked at by [`super::verify()`]).
    pub problem: Option<Problem>,
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
        // What a newer program writes, it writes to the newest one.
        if let Some(newest) = found.last() {
            must_be_known(&segment_path(dir, *newest))?;
        }
        // Reading two segments takes its time, and whoever appends waits for the lock. What comes meanwhile is read below.
        drop(locked);
        let newest = found.last().copied().unwrap_or(1);
        let mut intents = Intents::before(dir, newest, &found)?;
        let (tail, id) = Tail::open(dir, newest, &mut intents)?;
        let unfinished = intents.read(dir)?;

        let mut opening = Opening { unfinished, problem: tail.problem.clone(), ..Opening::default() };
        let state = State { id, segments: found, tail, intents, marks: BTreeMap::new() };
        let journal = Self {
            dir: dir.to_owned(),
            head: head.to_owned(),
            segment_bytes: bytes,
            lock,
            clock: Clock::default(),
            state: Mutex::new(state),
        };
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
}
