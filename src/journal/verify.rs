//! Reads a whole journal and names the first thing that is not as it was written.

use super::chain::{self, GENESIS, Line, Segment, segment_path, segments};
use super::checkpoint::{Checkpoint, PRUNED, pruned_checkpoint};
use super::ends::Ended;
use super::head::{self, Head};
use super::intents::{Staged, stage};
use super::problem::{Problem, ProblemKind, judge_head};
use super::record::{Action, Method, Record};
use crate::digest::Digest;
use crate::files::FileError;
use crate::platform;
use jiff::Timestamp;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use uuid::Uuid;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Whether every record stands in its place unbroken, the copied head agrees and the checkpoint, if any, holds.
    pub sound: bool,
    /// How many records were read.
    pub records: u64,
    /// The lowest sequence number that is kept; 1 unless pruned.
    pub first: u64,
    /// The last sound record's number; 0 when there is none.
    pub last: u64,
    /// The last sound record's hash.
    pub head: Option<Digest>,
    /// Bytes of a last line without newline: a write that is under way, or was cut off. No breach.
    pub(crate) torn: u64,
    /// Outcomes of acts that had ended already, the first thousand: the first outcome counts. No breach.
    pub repeated: Vec<u64>,
    /// How many there are.
    pub(crate) repeated_count: u64,
    /// The first problem.
    pub problem: Option<Problem>,
}

/// What is noted of the journal under its lock, so that records appended meanwhile do not disturb.
struct Snapshot {
    segments: Vec<(u64, u64)>,
    head: io::Result<Option<Head>>,
}

impl Snapshot {
    fn take(dir: &Path, head: Option<&Path>) -> io::Result<Self> {
        let path = dir.join("lock");
        // Reading is enough for the lock; without the file nobody appends.
        let lock = File::options()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(path)
            .ok();
        if let Some(lock) = &lock {
            lock.lock_shared()?;
        }
        let mut found = Vec::new();
        for first in segments(dir)? {
            found.push((first, segment_path(dir, first).metadata()?.len()));
        }
        Ok(Self { segments: found, head: head.map_or(Ok(None), Head::read) })
    }
}

/// Verifies the journal in `dir` against its own chain, the copied head, and a checkpoint that was kept elsewhere.
/// Reads every byte once, with little memory; appending goes on meanwhile.
pub fn verify(dir: &Path, head: &Path, checkpoint: Option<&Checkpoint>) -> VerifyReport {
    verify_parts(dir, Some(head), checkpoint)
}

/// The same for a journal that stands alone, taken out of a backup: there is no copied head.
pub(crate) fn verify_unpacked(dir: &Path, checkpoint: Option<&Checkpoint>) -> VerifyReport {
    let mut report = verify_parts(dir, None, checkpoint);
    if report.problem.is_none() && report.head.is_none() && segments(dir).is_ok_and(|found| found.is_empty()) {
        let text = format!("no journal stands in {}", dir.display());
        (report.sound, report.problem) = (false, Some(Problem::new(None, ProblemKind::Missing, text)));
    }
    report
}

/// The same; without a head for a journal that was taken out of a backup.
pub(super) fn verify_parts(dir: &Path, head: Option<&Path>, checkpoint: Option<&Checkpoint>) -> VerifyReport {
    let mut walk = Walk {
        previous: GENESIS,
        next: 1,
        first: 1,
        records: 0,
        last_record: None,
        id: None,
        torn: 0,
        watched: Vec::new(),
        pruning: None,
        ended: Ended::from(1),
        repeated: (Vec::new(), 0),
        newest: None,
        after_head: None,
    };
    let problem = walk.all(dir, head, checkpoint).err();
    let last = walk.next - 1;
    VerifyReport {
        sound: problem.is_none(),
        records: walk.records,
        first: walk.first,
        last,
        head: walk.last_record,
        torn: walk.torn,
        repeated: walk.repeated.0,
        repeated_count: walk.repeated.1,
        problem,
    }
}

/// A record whose hash someone else has noted.
struct Watched {
    sequence: u64,
    /// It is the copied head.
    is_head: bool,
    seen: Option<Digest>,
}

struct Walk {
    previous: Digest,
    next: u64,
    first: u64,
    records: u64,
    last_record: Option<Digest>,
    id: Option<Uuid>,
    torn: u64,
    watched: Vec<Watched>,
    /// What the record of the pruning that dropped the first records says, until it is found.
    pruning: Option<Pruning>,
    ended: Ended,
    /// Outcomes that do not count, the first ones, and how many there are.
    repeated: (Vec<u64>, u64),
    /// Where the last record's line stands: its segment and the offset there.
    newest: Option<(u64, u64)>,
    /// When the record was made that follows the one that the copied head names.
    after_head: Option<Timestamp>,
}

/// The record by which a pruning says what it dropped: its checkpoint names the last of it, its hash, and the key that
/// it was signed with. Whoever can write here can sign with a key of their own; the chain says which one it was.
struct Pruning {
    object: String,
    hash: String,
    key: String,
    /// A record that names another key.
    other_key: Option<u64>,
}

impl Pruning {
    fn of(checkpoint: &Checkpoint) -> Self {
        Self {
            object: format!(" to {}", checkpoint.sequence),
            hash: format!("({}).", checkpoint.hash),
            key: format!("signed with the key {} stands", checkpoint.key),
            other_key: None,
        }
    }

    /// Whether this is the record. One that names another key is remembered.
    fn is_told_by(&mut self, line: &Line<'_>) -> bool {
        if memchr::memmem::find(line.json, self.hash.as_bytes()).is_none() {
            return false;
        }
        let Some(Record { sequence, entry, .. }) = line.record() else { return false };
        let own = (entry.action, entry.actor.method) == (Action::Journal, Method::Console);
        if !own || !entry.object.ends_with(&self.object) || !entry.message.ends_with(&self.hash) {
            return false;
        }
        let same_key = entry.message.contains(&self.key);
        if !same_key {
            self.other_key = Some(sequence);
        }
        same_key
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Problem {
    let path = path.to_owned();
    move |error| Problem::new(None, ProblemKind::Unreadable, format!("{} cannot be read: {error}", path.display()))
}

impl Walk {
    fn all(&mut self, dir: &Path, head: Option<&Path>, checkpoint: Option<&Checkpoint>) -> Result<(), Problem> {
        let snapshot = Snapshot::take(dir, head).map_err(unreadable(dir))?;
        let pruned = pruned_checkpoint(dir).map_err(unreadable(&dir.join(PRUNED)))?;
        for noted in [checkpoint, pruned.as_ref()].into_iter().flatten() {
            self.watched.push(Watched { sequence: noted.sequence, is_head: false, seen: None });
        }
        if let Ok(Some(head)) = &snapshot.head {
            self.watched.push(Watched { sequence: head.sequence, is_head: true, seen: None });
        }
        let count = snapshot.segments.len();
        for (at, (first, length)) in snapshot.segments.iter().enumerate() {
            if let Err(FileError::Newer(newer)) = chain::must_be_known(&segment_path(dir, *first)) {
                return Err(Problem::new(Some(*first), ProblemKind::Unreadable, newer.to_string()));
            }
            self.segment(dir, *first, *length, at == 0, at + 1 == count, pruned.as_ref())?;
        }
        let last = self.next - 1;

        match snapshot.head {
            Ok(Some(head)) => {
                let id = self.id.unwrap_or(head.journal);
                let behind = self.after_head.zip(self.newest.and_then(|place| time_at(dir, place)));
                let behind = behind.filter(|_| !head::is_owed(dir));
                if let Some(problem) = judge_head(&head, id, last, self.seen(head.sequence), behind) {
                    return Err(problem);
                }
            }
            Ok(None) => {
                if let Some(head) = head.filter(|_| last > 0) {
                    let text = format!("the copy of the head, {}, is gone", head.display());
                    return Err(Problem::new(Some(last), ProblemKind::HeadMissing, text));
                }
            }
            Err(error) => {
                let head = head.unwrap_or(dir).display();
                let text = format!("the copy of the head, {head}, cannot be read: {error}");
                return Err(Problem::new(None, ProblemKind::HeadMissing, text));
            }
        }
        if let Some(pruned) = &pruned {
            self.holds(pruned, "checkpoint of the last pruning")?;
        }
        if let Some(record) = self.pruning.as_ref().and_then(|pruning| pruning.other_key) {
            let text = format!(
                "the checkpoint of the last pruning is not the one that record {record} speaks of: it is signed with \
                 another key ({})",
                pruned.as_ref().map_or("", |pruned| pruned.key.as_str())
            );
            return Err(Problem::new(Some(record), ProblemKind::OtherHistory, text));
        }
        if self.pruning.is_some() {
            let text = format!(
                "records 1 to {} are missing: a checkpoint of a pruning stands for them, but no record says that they \
                 were dropped",
                self.first - 1
            );
            return Err(Problem::new(Some(1), ProblemKind::Missing, text));
        }
        checkpoint.map_or(Ok(()), |checkpoint| self.holds(checkpoint, "checkpoint"))
    }

    fn seen(&self, sequence: u64) -> Option<Digest> {
        self.watched.iter().find(|watched| watched.sequence == sequence).and_then(|watched| watched.seen)
    }

    fn holds(&self, checkpoint: &Checkpoint, name: &str) -> Result<(), Problem> {
        let (sequence, last) = (checkpoint.sequence, self.next - 1);
        if self.id.is_some_and(|id| id != checkpoint.journal) || (self.id.is_none() && sequence > 0) {
            return Err(Problem::new(
                Some(sequence),
                ProblemKind::OtherHistory,
                format!(
                    "the {name} (record {sequence}) is of another journal: this one was begun anew or put in its place"
                ),
            ));
        }
        if sequence > last {
            return Err(Problem::new(
                Some(sequence),
                ProblemKind::Truncated,
                format!(
                    "the journal ends with record {last}, but the {name} attests record {sequence}: the end was cut off"
                ),
            ));
        }
        match self.seen(sequence) {
            Some(hash) if hash != checkpoint.hash => Err(Problem::new(
                Some(sequence),
                ProblemKind::OtherHistory,
                format!("record {sequence} is not the one that the {name} attests: the history was written anew"),
            )),
            // Records before the first that is kept were pruned; the pruning's own checkpoint stands for them.
            _ => Ok(()),
        }
    }

    fn segment(
        &mut self,
        dir: &Path,
        first: u64,
        length: u64,
        is_first: bool,
        is_last: bool,
        pruned: Option<&Checkpoint>,
    ) -> Result<(), Problem> {
        let path = segment_path(dir, first);
        let file = platform::open_for_reading(&path).map_err(unreadable(&path))?;
        let mut begun = false;
        let (behind, problem) = chain::each_line(&file, 0, length, |offset, line| {
            let step = if begun {
                self.newest = Some((first, offset));
                self.record(&file, line, length)
            } else {
                begun = true;
                self.header(line, first, is_first, pruned)
            };
            step.map_or_else(ControlFlow::Break, ControlFlow::Continue)
        })
        .map_err(unreadable(&path))?;
        if let Some(problem) = problem {
            return Err(problem);
        }
        let rest = length - behind;
        if rest > 0 || !begun {
            if !is_last || !begun {
                return Err(Problem::new(
                    Some(self.next),
                    ProblemKind::Malformed,
                    format!("{} ends within a line although it is closed", path.display()),
                ));
            }
            self.torn = rest;
        }
        Ok(())
    }

    fn header(&mut self, line: &[u8], first: u64, is_first: bool, pruned: Option<&Checkpoint>) -> Result<(), Problem> {
        let broken = || {
            Problem::new(
                Some(first),
                ProblemKind::Changed,
                format!("the first line of the segment that begins with record {first} was changed"),
            )
        };
        let line = Line::parse(line).ok_or_else(broken)?;
        let Segment { journal, first: says, previous } = line.header().ok_or_else(broken)?;
        if says != first || !line.follows(&previous) {
            return Err(broken());
        }
        if is_first {
            self.begin(first, &previous, journal, pruned)?;
        } else if self.next != first {
            let mut problem = Problem::missing(self.next, Some(first));
            problem.text.push_str(" (at the beginning of a segment)");
            return Err(problem);
        } else if previous != self.previous || self.id != Some(journal) {
            return Err(Problem::new(
                Some(first),
                ProblemKind::OtherHistory,
                format!("the segment that begins with record {first} does not follow from the one before it"),
            ));
        }
        self.id = Some(journal);
        self.previous = line.hash;
        Ok(())
    }

    /// What stands before the first segment: nothing, or what was pruned.
    fn begin(
        &mut self,
        first: u64,
        previous: &Digest,
        journal: Uuid,
        pruned: Option<&Checkpoint>,
    ) -> Result<(), Problem> {
        self.first = first;
        self.next = first;
        self.ended = Ended::from(first);
        if first == 1 {
            return if *previous == GENESIS { Ok(()) } else { Err(Problem::changed(1)) };
        }
        let attested = pruned.is_some_and(|pruned| {
            pruned.journal == journal
                // A pruning that was cut off has dropped fewer segments than it attests.
                && (pruned.sequence > first - 1 || (pruned.sequence == first - 1 && pruned.hash == *previous))
        });
        if let Some(pruned) = pruned.filter(|_| attested) {
            self.pruning = Some(Pruning::of(pruned));
            return Ok(());
        }
        Err(Problem::new(
            Some(1),
            ProblemKind::Missing,
            format!("records 1 to {} are missing, and no checkpoint of a pruning stands for them", first - 1),
        ))
    }

    fn record(&mut self, file: &File, bytes: &[u8], length: u64) -> Result<(), Problem> {
        let expected = self.next;
        let Some(line) = Line::parse(bytes) else { return Err(Problem::malformed(expected)) };
        let sequence = line.sequence();
        let follows = line.follows(&self.previous);
        if follows && sequence == Some(expected) {
            self.previous = line.hash;
            self.last_record = Some(line.hash);
            self.next += 1;
            self.records += 1;
            for watched in &mut self.watched {
                if watched.sequence == expected {
                    watched.seen = Some(line.hash);
                } else if watched.is_head && watched.sequence < expected && self.after_head.is_none() {
                    self.after_head = line.record().map(|record| record.time);
                }
            }
            if let Some(Staged::Outcome(intent)) = stage(line.json)
                && !self.ended.counts(expected, intent)
            {
                const NAMED: usize = 1000;
                self.repeated.1 += 1;
                if self.repeated.0.len() < NAMED {
                    self.repeated.0.push(expected);
                }
            }
            if self.pruning.as_mut().is_some_and(|pruning| pruning.is_told_by(&line)) {
                self.pruning = None;
            }
            return Ok(());
        }
        Err(match sequence {
            None if follows => Problem::malformed(expected),
            None => Problem::changed(expected),
            Some(sequence) if sequence == expected => Problem::changed(expected),
            Some(sequence) if sequence > expected && stands_later(file, length, expected) => Problem::new(
                Some(expected),
                ProblemKind::Reordered,
                format!(
                    "record {expected} does not stand in its place: record {sequence} stands there, and {expected} after it"
                ),
            ),
            Some(sequence) => Problem::missing(expected, Some(sequence)),
        })
    }
}

/// When the record was made whose line stands at `offset` of the segment that begins with record `first`.
fn time_at(dir: &Path, (first, offset): (u64, u64)) -> Option<Timestamp> {
    let file = platform::open_for_reading(&segment_path(dir, first)).ok()?;
    let found = chain::each_line(&file, offset, u64::MAX, |_, line| {
        ControlFlow::Break(Line::parse(line).and_then(|line| line.record()).map(|record| record.time))
    });
    found.ok()?.1.flatten()
}

/// Whether record `wanted` stands somewhere in the segment: then it was moved, not removed.
fn stands_later(file: &File, length: u64, wanted: u64) -> bool {
    let Ok(file) = file.try_clone() else { return false };
    let found = chain::each_line(&file, 0, length, |_, line| {
        if Line::parse(line).and_then(|line| line.sequence()) == Some(wanted) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    matches!(found, Ok((_, Some(()))))
}
