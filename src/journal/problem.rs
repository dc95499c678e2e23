//! What can be wrong with a journal, in words.

use super::head::Head;
use crate::digest::Digest;
use jiff::{SignedDuration, Timestamp};
use std::fmt;
use uuid::Uuid;

/// What kind of breach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// A record's text or hash is not the one that was written.
    Changed,
    /// A record is not there.
    Missing,
    /// A record stands in another place, or twice.
    Reordered,
    /// A line is not a record.
    Malformed,
    /// The copy of the head is ahead of the journal, or of another history: an older copy of the journal was put in
    /// place.
    RolledBack,
    /// The copy of the head is gone or cannot be read.
    HeadMissing,
    /// The copy of the head is older than any power cut leaves it: an older copy of it was put in place.
    HeadBehind,
    /// The journal ends before the checkpoint.
    Truncated,
    /// The record that the checkpoint names is another one.
    OtherHistory,
    /// A file of the journal could not be read.
    Unreadable,
}

/// The first thing found broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The record it is about, where it is about one.
    pub sequence: Option<u64>,
    /// What kind.
    pub kind: ProblemKind,
    /// A sentence that names the record and what is wrong.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Problem {
    pub(super) fn new(sequence: Option<u64>, kind: ProblemKind, text: String) -> Self {
        Self { sequence, kind, text }
    }

    pub(super) fn malformed(sequence: u64) -> Self {
        Self::new(
            Some(sequence),
            ProblemKind::Malformed,
            format!("where record {sequence} should be stands a line that is no record"),
        )
    }

    pub(super) fn changed(sequence: u64) -> Self {
        Self::new(
            Some(sequence),
            ProblemKind::Changed,
            format!(
                "record {sequence} was changed, or the one before it together with its hash: its text does not give \
                 the hash that stands before it"
            ),
        )
    }

    /// Where record `expected` should be stands `found`, or nothing.
    pub(super) fn missing(expected: u64, found: Option<u64>) -> Self {
        match found {
            Some(found) if found > expected => Self::new(
                Some(expected),
                ProblemKind::Missing,
                format!("record {expected} is missing: record {found} stands in its place"),
            ),
            Some(found) => Self::new(
                Some(expected),
                ProblemKind::Reordered,
                format!("record {found} stands where record {expected} should be"),
            ),
            None => Self::new(Some(expected), ProblemKind::Missing, format!("record {expected} is missing")),
        }
    }
}

/// Records that were made within this time of each other may all be missing in the copied head after a power cut: it is
/// written without waiting for the disk. ZFS writes what waits after seconds, UFS and others after half a minute.
const POWER_CUT: SignedDuration = SignedDuration::from_mins(5);

/// Whether `head` contradicts a journal `id` that ends with record `last` and holds hash `here` at the head's number.
/// `behind` are the times of the record after the one that the head names, and of the last one.
pub(super) fn judge_head(
    head: &Head,
    id: Uuid,
    last: u64,
    here: Option<Digest>,
    behind: Option<(Timestamp, Timestamp)>,
) -> Option<Problem> {
    if let Some((next, newest)) = behind.filter(|_| head.journal == id && here.is_none_or(|here| here == head.hash))
        && newest.duration_since(next) > POWER_CUT
    {
        let text = format!(
            "the copied head ends with record {}, the journal with record {last}: records were made from {next} to {newest} \
             without being copied, which no power cut explains. An older copy of the head was put in place, or its \
             file system was rolled back",
            head.sequence
        );
        return Some(Problem::new(Some(head.sequence), ProblemKind::HeadBehind, text));
    }
    let text = if head.journal != id {
        format!(
            "the copied head (record {}) belongs to another journal: this one was begun anew or put in its place",
            head.sequence
        )
    } else if head.sequence > last {
        format!(
            "the journal was rolled back: it ends with record {last}, but record {} had been written",
            head.sequence
        )
    } else if head.sequence > 0 && here.is_some_and(|here| here != head.hash) {
        format!(
            "record {} is not the one whose head was copied: the journal was rolled back and went on",
            head.sequence
        )
    } else {
        return None;
    };
    Some(Problem::new(Some(head.sequence), ProblemKind::RolledBack, text))
}
