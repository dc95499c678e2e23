//! Lines of the journal, read: what is taken into the projection, and what it is held against.

use super::error::StoreError;
use crate::digest::Digest;
use crate::journal::Line;
use crate::journal::record::Record;

/// Consecutive lines of the journal as they stand there.
#[derive(Debug)]
pub struct Lines(Vec<One>);

/// A line, read.
#[derive(Debug)]
pub(super) struct One {
    pub(super) record: Record,
    pub(super) hash: Digest,
    /// What the hash is of, byte for byte.
    pub(super) json: String,
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
            Some(One { record: line.record()?, hash: line.hash, json })
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
