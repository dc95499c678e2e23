//! Records and lines of the journal, by their numbers.

use super::chain::{Line, each_line, segment_path, segments};
use super::error::{JournalError, system};
use super::problem::Problem;
use super::record::Record;
use super::store::{Journal, State};
use super::tail::{MARK_EVERY, marks_of};
use crate::digest::Digest;
use crate::platform;
use jiff::Timestamp;
use std::collections::btree_map;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;

/// Most bytes of JSON that [`Journal::after`] hands out at once.
const AT_ONCE: usize = 8 << 20;

/// How much of a segment's end is looked at for its last record, in bytes: more than any record has.
const END: u64 = 8 << 20;

/// When the last record in this folder was written, for whoever only looks: nothing is opened for writing and no lock
/// taken. None: there is no record, or it could not be read.
pub(crate) fn time_of_last(dir: &Path) -> Option<Timestamp> {
    // The newest segment may hold nothing but its first line.
    segments(dir).ok()?.into_iter().rev().take(2).find_map(|first| {
        let mut file = platform::open_for_reading(&segment_path(dir, first)).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(END))).ok()?;
        let mut bytes = Vec::new();
        file.take(END).read_to_end(&mut bytes).ok()?;
        // What stands behind the last newline is not written whole.
        let lines = bytes.rsplit(|byte| *byte == b'\n').skip(1);
        lines.filter_map(|line| Line::parse(line)?.record()).map(|record| record.time).next()
    })
}

impl Journal {
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
    pub(crate) fn lines_after(&self, after: u64, limit: usize) -> Result<(Vec<u8>, u64), JournalError> {
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

    /// The last sequence number, for whoever must not wait for a disk; none: someone is at work on the journal now (a record
    /// is on its way to the disk, a part of it is read), or it cannot be read.
    pub(crate) fn last_at_once(&self) -> Option<u64> {
        let mut state = self.state_at_once()?;
        self.look(&mut state).ok()?;
        Some(state.tail.next - 1)
    }

    /// Intents without an outcome as of now, in order. Reads what was appended since the last look, and those intents:
    /// it may be asked often, however large the journal is.
    pub fn unfinished(&self) -> Result<Vec<Record>, JournalError> {
        let mut state = self.state();
        self.look(&mut state)?;
        state.intents.read(&self.dir)
    }

    pub(super) fn read_after(
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

    /// When a record was made; none when there is no such record.
    pub(super) fn time_of(&self, state: &mut State, sequence: u64) -> Option<Timestamp> {
        let (records, _) = self.read_after(state, sequence.checked_sub(1)?, 1).ok()?;
        records.first().filter(|record| record.sequence == sequence).map(|record| record.time)
    }

    fn open_segment(&self, first: u64) -> Result<File, JournalError> {
        let path = segment_path(&self.dir, first);
        platform::open_for_reading(&path).map_err(system("reading", &path))
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

struct Place {
    first: u64,
    offset: u64,
    end: u64,
}
