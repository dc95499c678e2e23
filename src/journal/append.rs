//! Appending: an intent only when its outcome will find space, an outcome at the cost of that space.

use super::chain::segment_path;
use super::error::{JournalError, system};
use super::record::{Entry, Record, Stage};
use super::store::{Journal, Locked, State};
use super::write::create_private;
use crate::platform::{self, crash_point};
use std::io;
use std::path::PathBuf;
use std::sync::MutexGuard;
use std::time::Duration;
use uuid::Uuid;

/// Space that is set aside so that how a change ended can be recorded although the disk has filled up since.
const RESERVE_BYTES: usize = 1 << 20;
/// How often and at what distance an outcome is tried again after that space was given up.
const FREEING_TRIES: u32 = 50;
const FREEING_PAUSE: Duration = Duration::from_millis(100);

impl Journal {
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
            platform::sync_all(&file)
        };
        write().map_err(|error| {
            let _ = std::fs::remove_file(&path);
            system("reserving space for", &path)(error)
        })
    }

    fn reserve(&self) -> PathBuf {
        self.dir.join("reserve")
    }

    pub(super) fn exclusive(&self) -> Result<Exclusive<'_>, JournalError> {
        let mut state = self.state();
        let locked = self.lock_files()?;
        self.catch_up(&mut state)?;
        Ok(Exclusive { journal: self, state, _locked: locked })
    }
}

/// The journal while nobody else appends: for pruning.
pub(super) struct Exclusive<'a> {
    journal: &'a Journal,
    state: MutexGuard<'a, State>,
    _locked: Locked<'a>,
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
