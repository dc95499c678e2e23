//! The newest segment, which is written to, and the places of records in the others.

use super::chain::{self, GENESIS, Line, each_line, segment_path, segments};
use super::error::{JournalError, system};
use super::intents::Intents;
use super::problem::{Problem, ProblemKind};
use crate::digest::Digest;
use crate::platform;
use std::fs::File;
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use uuid::Uuid;

/// Every how many records the place in the segment is remembered.
pub(super) const MARK_EVERY: u64 = 256;

/// The newest segment.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) file: File,
    pub(super) first: u64,
    /// Bytes in complete lines.
    pub(super) length: u64,
    /// The next record's sequence number.
    pub(super) next: u64,
    /// The last line's hash.
    pub(super) hash: Digest,
    /// The last record's hash; another one while the segment has no record yet.
    pub(super) record_hash: Digest,
    /// Where the last line stands.
    pub(super) last_at: u64,
    /// The offset of records first, first + 256 …
    pub(super) marks: Vec<u64>,
    pub(super) problem: Option<Problem>,
}

impl Tail {
    /// Opens the segment that begins with record `first` and reads it; `intents` learns of those in it.
    pub(super) fn open(dir: &Path, first: u64, intents: &mut Intents) -> Result<(Self, Uuid), JournalError> {
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
    pub(super) fn read_on(&mut self, dir: &Path, intents: &mut Intents) -> Result<(), JournalError> {
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
    pub(super) fn is_in_place(&self, path: &Path) -> bool {
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
    pub(super) fn mark(&mut self) {
        if (self.next - self.first).is_multiple_of(MARK_EVERY) {
            self.marks.push(self.length);
        }
    }
}

/// The offsets of every so many records of a closed segment.
pub(super) fn marks_of(dir: &Path, first: u64) -> Result<Vec<u64>, JournalError> {
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
