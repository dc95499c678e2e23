//! Lines of the journal, read: what is taken into the projection, and what it is held against.

use super::error::StoreError;
use crate::digest::Digest;
use crate::journal::Line;
use crate::journal::record::{Action, Actor, Change, Entry, Outcome, Record, Reported, Stage};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

/// Consecutive lines of the journal as they stand there.
#[derive(Debug)]
pub struct Lines(Vec<One>);

/// A line, read.
#[derive(Debug)]
pub(super) struct One {
    /// As far as it is searched: without id, time, difference and digests, of which most lines mostly consist.
    pub(super) record: Record,
    pub(super) hash: Digest,
    /// What the hash is of, byte for byte.
    pub(super) json: String,
}

/// What is read of a record. The rest is kept as it stands.
#[derive(Deserialize)]
struct Searched {
    sequence: u64,
    stage: Stage,
    intent: Option<u64>,
    actor: Actor,
    reported: Reported,
    action: Action,
    object: String,
    changes: Vec<Change>,
    reason: Option<String>,
    outcome: Option<Outcome>,
    message: String,
    run: Option<u64>,
}

impl From<Searched> for Record {
    fn from(read: Searched) -> Self {
        let Searched { sequence, stage, intent, actor, reported, action, object, changes, .. } = read;
        let Searched { reason, outcome, message, run, .. } = read;
        let entry = Entry {
            stage,
            intent,
            actor,
            reported,
            action,
            object,
            changes,
            diff: None,
            before: None,
            after: None,
            reason,
            outcome,
            message,
            run,
        };
        Self { sequence, id: Uuid::nil(), time: Timestamp::UNIX_EPOCH, entry }
    }
}

impl Lines {
    /// Reads `HASH JSON`, a line each.
    ///
    /// # Errors
    /// [`StoreError::Line`].
    pub fn read(lines: &[u8]) -> Result<Self, StoreError> {
        let read = |line| {
            let line = Line::parse(line)?;
            let json = std::str::from_utf8(line.json).ok()?.to_owned();
            let searched: Searched = serde_json::from_str(&json).ok()?;
            Some(One { record: searched.into(), hash: line.hash, json })
        };
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| read(line).ok_or(StoreError::Line)).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn all(&self) -> &[One] {
        &self.0
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.0.iter().map(|one| &one.record)
    }

    /// The record of the first line, and its hash.
    pub(super) fn first(&self) -> Option<(u64, Digest)> {
        self.0.first().map(|one| (one.record.sequence, one.hash))
    }

    /// The last record's number.
    pub fn last(&self) -> Option<u64> {
        self.0.last().map(|one| one.record.sequence)
    }

    /// Leaves the first line out.
    pub(super) fn without_first(mut self) -> Self {
        if !self.0.is_empty() {
            self.0.remove(0);
        }
        self
    }
}
