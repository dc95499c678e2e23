//! What is appended to a log, through its rotations.

use super::blocks::{LONGEST_LINE, last_entry};
use super::budget::Budget;
use super::clock::Dating;
use super::line;
use super::read::{Entry, Generation, Matcher, Open, Query, ReadError, line_at, walk};
use crate::executor::protocol::Compression;
use jiff::Timestamp;
use memchr::memrchr;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

/// How far a log was told to someone who follows it. Written as text it is where a stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamPosition {
    /// Device and inode of the file that was followed.
    pub identity: (u64, u64),
    /// What was told of it, in bytes from its beginning.
    pub(crate) offset: u64,
    /// When that file had last been written to, in seconds of the Unix epoch: what it is found by when it was packed
    /// since. None: it was not looked at since it was begun.
    pub written: Option<i64>,
}

impl StreamPosition {
    /// Where the file stands among generations, newest first, by what each is and when it was last changed. Packed
    /// since, it is another file that was last changed when that one was.
    pub(crate) fn place_in(
        &self,
        generations: impl DoubleEndedIterator<Item = ((u64, u64), Option<Timestamp>)> + ExactSizeIterator + Clone,
    ) -> Option<usize> {
        generations.clone().position(|(identity, _)| identity == self.identity).or_else(|| {
            let written = self.written?;
            let mut changed = generations.map(|(_, modified)| modified.map(Timestamp::as_second));
            changed.rposition(|changed| changed.is_some_and(|changed| changed >= written))
        })
    }
}

impl std::fmt::Display for StreamPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let written = self.written.unwrap_or(i64::MIN);
        write!(f, "{}.{}.{}.{written}", self.identity.0, self.identity.1, self.offset)
    }
}

impl std::str::FromStr for StreamPosition {
    type Err = ReadError;
    fn from_str(text: &str) -> Result<Self, ReadError> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(ReadError::Cursor);
        let number = |text: &str| text.parse::<u64>().map_err(|_| ReadError::Cursor);
        let (identity, offset) = ((number(next()?)?, number(next()?)?), number(next()?)?);
        let written = next()?.parse::<i64>().map_err(|_| ReadError::Cursor)?;
        match next() {
            Ok(_) => Err(ReadError::Cursor),
            Err(_) => Ok(Self { identity, offset, written: Some(written).filter(|at| *at != i64::MIN) }),
        }
    }
}

/// Most entries of one packed file that are held to be told oldest first.
const MOST_HELD: usize = 20_000;

/// Whether what was logged meanwhile was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missed {
    /// All of it, or as much as was wanted.
    StreamPosition,
    /// It was more than the budget: the rest of it is left out.
    TooMuch,
}

/// Hands out, in parts and oldest first, what was logged after `told` in the files that are no longer the live one,
/// which is the first of `generations`; each part with how far that tells. Several rotations may lie between; the budget
/// is for all of them.
///
/// # Errors
/// A file cannot be read, or is not the one that was listed any more: the list is made anew then.
pub(crate) fn missed(
    generations: &[Generation],
    open: &mut Open<'_>,
    query: &Query,
    told: StreamPosition,
    budget: Budget,
    sink: &mut dyn FnMut(Vec<Entry>, StreamPosition) -> ControlFlow<()>,
) -> Result<Missed, ReadError> {
    let mut left = budget.text;
    let seconds = |generation: &Generation| generation.modified.map(Timestamp::as_second);
    let files = generations.iter().map(|generation| (generation.identity, generation.modified));
    let Some(place) = told.place_in(files) else { return Ok(Missed::StreamPosition) };
    for (index, generation) in generations.iter().enumerate().take(place + 1).skip(1).rev() {
        let from = if index == place { told.offset } else { 0 };
        let done = |offset| StreamPosition { identity: generation.identity, offset, written: seconds(generation) };
        let file = open(index).map_err(|error| ReadError::File { path: generation.path.clone(), error })?;
        let failed = |error: io::Error| ReadError::File { path: generation.path.clone(), error: error.to_string() };
        if generation.compression == Compression::Plain {
            let mut follower = Follower::at(file, from).map_err(failed)?;
            if follower.identity() != generation.identity {
                return Err(failed(io::Error::other("it was rotated meanwhile")));
            }
            loop {
                let before = follower.offset;
                let entries = follower.poll(query).map_err(failed)?;
                if follower.offset == before {
                    break;
                }
                if sink(entries, done(follower.offset)).is_break() {
                    return Ok(Missed::StreamPosition);
                }
                left = left.saturating_sub(follower.offset.abs_diff(before));
                if left == 0 {
                    return Ok(Missed::TooMuch);
                }
            }
        } else {
            let mut entries = Vec::new();
            let one = std::slice::from_ref(generation);
            let mut file = Some(file);
            let mut again = |_| file.take().map_or_else(|| open(index), Ok);
            let (mut wanted, mut more) = (|_: &Generation| true, false);
            let room = Budget { text: left, packed: left, ..budget };
            let summary = walk(one, &mut again, query, None, room, &mut wanted, &mut |entry| {
                if entry.cursor.offset < from {
                    return ControlFlow::Break(());
                }
                more = entries.len() == MOST_HELD;
                if more {
                    return ControlFlow::Break(());
                }
                entries.push(entry);
                ControlFlow::Continue(())
            });
            left = left.saturating_sub(summary.bytes);
            if more || summary.left_off.is_some() || left == 0 {
                return Ok(Missed::TooMuch);
            }
            if let Some(error) = summary.problems.into_iter().next() {
                return Err(error);
            }
            entries.reverse();
            if sink(entries, done(u64::MAX)).is_break() {
                return Ok(Missed::StreamPosition);
            }
        }
    }
    Ok(Missed::StreamPosition)
}

/// Follows a file: what is appended, from where the last look ended.
#[derive(Debug)]
pub(crate) struct Follower {
    file: File,
    identity: (u64, u64),
    offset: u64,
    written: Option<i64>,
    last: Option<Entry>,
}

impl Follower {
    /// Follows `file` from its present end.
    pub fn new(file: File) -> io::Result<Self> {
        let end = file.metadata()?.len();
        Self::at(file, end)
    }

    /// Follows `file` from what was told of it.
    pub fn at(file: File, offset: u64) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { file, identity: (metadata.dev(), metadata.ino()), offset, written: None, last: None })
    }

    /// Device and inode of the file that is followed.
    pub fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// How far it was told.
    pub fn told(&self) -> StreamPosition {
        StreamPosition { identity: self.identity, offset: self.offset, written: self.written }
    }

    /// Entries of whole lines that were appended since the last call, oldest first, at most about a thousand.
    pub(crate) fn poll(&mut self, query: &Query) -> io::Result<Vec<Entry>> {
        let metadata = self.file.metadata()?;
        let size = metadata.len();
        self.written = Some(metadata.mtime());
        if size < self.offset {
            // Truncated: what stands there now is new.
            self.offset = 0;
        }
        if size == self.offset {
            return Ok(Vec::new());
        }
        let wanted = usize::try_from(size - self.offset).unwrap_or(usize::MAX).min(4 * LONGEST_LINE);
        let mut buffer = vec![0; wanted];
        let count = self.file.read_at(&mut buffer, self.offset)?;
        buffer.truncate(count);
        let end = match memrchr(b'\n', &buffer) {
            Some(end) => end + 1,
            None if count == wanted && wanted == 4 * LONGEST_LINE => count,
            None => return Ok(Vec::new()),
        };
        let block = &buffer[..end];
        let matcher = Matcher::new(query);
        let mut entries = Vec::new();
        if let Some(header) = line::parse(line_at(block, 0))
            && let (Some(more), Some(last)) = (line::repeats(&header), &self.last)
        {
            entries.push(Entry { times: more, ..last.clone() });
        }
        for mark in matcher.marks(self.offset, block, LONGEST_LINE, true) {
            // Just written: a clock that is a day off at most.
            let mut dating = Dating::backwards_from(Timestamp::now(), query.zone.clone());
            if let (Some(time), Some(hit)) = (dating.date(mark.stamp, mark.own), mark.hit)
                && matcher.in_time(time)
                && let Some(entry) = matcher.entry(&hit, time, self.identity, dating.reached())
            {
                entries.push(entry);
            }
        }
        // `last message repeated …` may come later: what it repeats is the last line, and only if that was wanted.
        if let Some(start) = last_entry(block) {
            let offset = self.offset + start as u64;
            self.last = entries.last().filter(|entry| entry.cursor.offset == offset).cloned();
        }
        self.offset += end as u64;
        Ok(entries)
    }
}
