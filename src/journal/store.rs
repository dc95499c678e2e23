//! The journal as processes share it. Several append to one: each takes a lock on the folder's lock file and first reads
//! what others have added.

use super::chain::segment_path;
use super::error::{JournalError, system};
use super::intents::Intents;
use super::tail::Tail;
use crate::clock::Clock;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use uuid::Uuid;

/// The journal, open for appending. Shared between threads by reference.
#[derive(Debug)]
pub struct Journal {
    pub(super) dir: PathBuf,
    pub(super) head: PathBuf,
    pub(super) segment_bytes: u64,
    pub(super) lock: File,
    pub(super) clock: Clock,
    pub(super) state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) id: Uuid,
    /// By the sequence number they begin with, the last one open in `tail`.
    pub(super) segments: Vec<u64>,
    pub(super) tail: Tail,
    pub(super) intents: Intents,
    /// Places in closed segments, read when first needed.
    pub(super) marks: BTreeMap<u64, Vec<u64>>,
}

impl State {
    /// The segment that holds record `sequence`; none when it was pruned.
    pub(super) fn segment_of(&self, sequence: u64) -> Option<u64> {
        let at = self.segments.partition_point(|first| *first <= sequence);
        at.checked_sub(1).and_then(|at| self.segments.get(at)).copied()
    }
}

/// The exclusive lock on the folder's lock file; released when dropped.
pub(super) struct Locked<'a>(&'a File);

impl<'a> Locked<'a> {
    pub(super) fn take(file: &'a File) -> io::Result<Self> {
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
    /// The same, with times from this clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Whether there is more than the segment that is written to, which is never pruned.
    pub(crate) fn has_old_segments(&self) -> bool {
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

    /// The folder it is in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where its head is copied to.
    pub(crate) fn head_path(&self) -> &Path {
        &self.head
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A thread that died while it held this had not changed the state halfway: it is set after each step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, if nobody holds it now.
    pub(super) fn state_at_once(&self) -> Option<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(died)) => Some(died.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(super) fn lock_files(&self) -> Result<Locked<'_>, JournalError> {
        Locked::take(&self.lock).map_err(system("locking", &self.dir))
    }

    /// Takes note of what other processes have appended, without the lock: a line that is being written is left for
    /// the next time.
    pub(super) fn look(&self, state: &mut State) -> Result<(), JournalError> {
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
}
