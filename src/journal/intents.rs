//! Where acts stand that have not ended: found as lines are read and written.

use super::chain::{Line, each_line, segment_path};
use super::error::{JournalError, system};
use super::record::Record;
use crate::platform;
use crate::search_plainly;
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Where the intents stand that have no outcome, by sequence number. They are noted as lines are read and written, so
/// that nobody has to look through a segment for them.
#[derive(Debug, Default)]
pub(super) struct Intents(BTreeMap<u64, Stands>);

/// A line's place: segment, offset, and length without its newline.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stands {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) length: usize,
}

impl Intents {
    /// Those of the segment before `newest`, whose own are noted as it is read. An intent is closed within its run or at
    /// the next start, long before 64 MiB of further records.
    pub(super) fn before(dir: &Path, newest: u64, segments: &[u64]) -> Result<Self, JournalError> {
        let mut intents = Self::default();
        let Some(first) = segments.iter().copied().filter(|first| *first < newest).max() else { return Ok(intents) };
        let path = segment_path(dir, first);
        let file = match platform::open_for_reading(&path) {
            Ok(file) => file,
            // Another process has pruned meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(intents),
            Err(error) => return Err(system("reading", &path)(error)),
        };
        let end = file.metadata().map_err(system("examining", &path))?.len();
        each_line(&file, 0, end, |offset, line| {
            if let Some(line) = Line::parse(line) {
                intents.note(first, offset, &line);
            }
            ControlFlow::<()>::Continue(())
        })
        .map_err(system("reading", &path))?;
        Ok(intents)
    }

    /// Takes note of what a line begins or ends.
    pub(super) fn note(&mut self, segment: u64, offset: u64, line: &Line<'_>) {
        match stage(line.json) {
            Some(Staged::Intent) => {
                self.begun(line.sequence().unwrap_or(0), Stands { segment, offset, length: line.text.len() });
            }
            Some(Staged::Outcome(intent)) => self.ended(intent),
            None => {}
        }
    }

    pub(super) fn begun(&mut self, intent: u64, stands: Stands) {
        self.0.insert(intent, stands);
    }

    pub(super) fn ended(&mut self, intent: u64) {
        self.0.remove(&intent);
    }

    /// A segment was pruned.
    pub(super) fn forget(&mut self, segment: u64) {
        self.0.retain(|_, stands| stands.segment != segment);
    }

    /// The records, in order. What another process has pruned, or someone has overwritten, is left out.
    pub(super) fn read(&self, dir: &Path) -> Result<Vec<Record>, JournalError> {
        let mut records = Vec::new();
        for (sequence, stands) in &self.0 {
            let path = segment_path(dir, stands.segment);
            let file = match platform::open_for_reading(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(system("reading", &path)(error)),
            };
            let mut line = vec![0; stands.length];
            match file.read_exact_at(&mut line, stands.offset) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                Err(error) => return Err(system("reading", &path)(error)),
            }
            let record = Line::parse(&line).and_then(|line| line.record());
            records.extend(record.filter(|record| record.sequence == *sequence));
        }
        Ok(records)
    }
}

/// What the beginning of a record's line says of its stage.
pub(super) enum Staged {
    /// An intent.
    Intent,
    /// An outcome, with the intent that it names.
    Outcome(u64),
}

/// The stage of a record, read from its beginning: number, id and time stand before it and hold no other text, so
/// that starting the console does not mean parsing a hundred thousand records.
pub(super) fn stage(json: &[u8]) -> Option<Staged> {
    const FIELD: &[u8] = br#","stage":""#;
    let beginning = &json[..json.len().min(256)];
    let at = search_plainly::find_part(FIELD, beginning)? + FIELD.len();
    let rest = &beginning[at..];
    if rest.starts_with(br#"intent""#) {
        return Some(Staged::Intent);
    }
    let number = rest.strip_prefix(br#"outcome","intent":"#)?;
    let end = number.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&number[..end]).ok()?.parse().ok().map(Staged::Outcome)
}
