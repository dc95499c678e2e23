//! The lines of a segment and how they are linked.

use super::record::Record;
use crate::digest::Digest;
use crate::files::{self, FileError};
use crate::formats::Kind;
use crate::search_plainly;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// What stands before the first line of a journal.
pub(super) const GENESIS: Digest = Digest::from_bytes([0; 32]);
/// Longest line that is read: far above what is ever written ([`super::write::LONGEST`]).
const LONGEST_LINE: usize = 64 << 20;
/// Hash and blank before the JSON.
const PREFIX: usize = 65;

/// A segment's first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SegmentHeader {
    /// What it says.
    pub(super) segment: Segment,
}

/// What a segment's first line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Segment {
    /// The journal's identity: another one after it was begun anew.
    pub(super) journal: Uuid,
    /// The sequence number of the first record.
    pub(super) first: u64,
    /// The last hash before this segment.
    pub(super) previous: Digest,
}

/// One line, without its newline.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Its hash, as it says.
    pub hash: Digest,
    /// What it says.
    pub json: &'a [u8],
    pub(super) text: &'a [u8],
}

impl<'a> Line<'a> {
    /// A line without its newline.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let hash = std::str::from_utf8(line.get(..PREFIX - 1)?).ok()?;
        let json = line.get(PREFIX..)?;
        (line[PREFIX - 1] == b' ').then_some(())?;
        Some(Self { hash: Digest::from_hex(hash).ok()?, json, text: line })
    }

    /// Whether its hash follows from the line before.
    pub(super) fn follows(&self, previous: &Digest) -> bool {
        link(previous, self.json) == self.hash
    }

    /// The sequence number of a record, read from its beginning: records are written with that field first.
    pub(super) fn sequence(&self) -> Option<u64> {
        let rest = self.json.strip_prefix(b"{\"sequence\":")?;
        let end = rest.iter().position(|byte| *byte == b',')?;
        std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
    }

    /// The record that it holds.
    pub fn record(&self) -> Option<Record> {
        serde_json::from_slice(self.json).ok()
    }

    /// The version that a segment's first line names; 1 when it names none.
    pub(super) fn version(&self) -> u64 {
        #[derive(Deserialize)]
        struct Named {
            segment: Version,
        }
        #[derive(Deserialize)]
        struct Version {
            version: Option<u64>,
        }
        serde_json::from_slice::<Named>(self.json).ok().and_then(|named| named.segment.version).unwrap_or(1)
    }

    pub(super) fn header(&self) -> Option<Segment> {
        serde_json::from_slice::<SegmentHeader>(self.json).ok().map(|header| header.segment)
    }
}

/// The hash of a line.
pub(super) fn link(previous: &Digest, json: &[u8]) -> Digest {
    Digest::of_all([&previous.as_bytes()[..], json])
}

/// A line as it is stored.
pub(super) fn line(hash: &Digest, json: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(PREFIX + json.len() + 1);
    line.extend_from_slice(hash.hex().as_bytes());
    line.push(b' ');
    line.extend_from_slice(json);
    line.push(b'\n');
    line
}

/// The file of the segment that begins with record `first`.
pub(super) fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.journal"))
}

/// Whether this program knows the segment's form.
///
/// # Errors
/// It is of a newer version, or cannot be read.
pub(super) fn must_be_known(path: &Path) -> Result<(), FileError> {
    const LONGEST_HEADER: u64 = 4 << 10;
    let mut begin = Vec::new();
    crate::platform::open_for_reading(path)
        .and_then(|file| file.take(LONGEST_HEADER).read_to_end(&mut begin))
        .map_err(FileError::system("reading", path))?;
    let first = begin.split(|byte| *byte == b'\n').next().and_then(Line::parse);
    first.map_or(Ok(()), |line| Ok(Kind::Journal.must_be_known(path, line.version())?))
}

/// The segments of a journal by the sequence number they begin with.
pub(super) fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let first = name.to_str().and_then(|name| name.strip_suffix(".journal"));
        let first = first.filter(|digits| digits.len() == 20).and_then(|digits| digits.parse().ok());
        if let Some(first) = first.filter(|first| *first > 0) {
            found.push(first);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Hands out complete lines (without newline) of `file` between the offsets `from` and `to`, with the offset of
/// each, until `each` breaks. Answers the offset behind the last line that was handed out and the broken-off value.
pub(super) fn each_line<B>(
    mut file: &File,
    from: u64,
    to: u64,
    mut each: impl FnMut(u64, &[u8]) -> ControlFlow<B>,
) -> io::Result<(u64, Option<B>)> {
    use std::io::Seek as _;
    file.seek(io::SeekFrom::Start(from))?;
    let mut unread = to.saturating_sub(from);
    let mut buffer = files::buffer_for(unread);
    // `buffer[start..end]` is read and not handed out; it begins at `offset` of the file.
    let (mut start, mut end, mut offset) = (0, 0, from);
    loop {
        while let Some(length) = search_plainly::find(b'\n', &buffer[start..end]) {
            let answer = each(offset, &buffer[start..start + length]);
            start += length + 1;
            offset += length as u64 + 1;
            if let ControlFlow::Break(value) = answer {
                return Ok((offset, Some(value)));
            }
        }
        if unread == 0 {
            return Ok((offset, None));
        }
        buffer.copy_within(start..end, 0);
        end -= start;
        start = 0;
        if end == buffer.len() {
            if end >= LONGEST_LINE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than any that is written"));
            }
            buffer.resize(end * 2, 0);
        }
        let room = usize::try_from(unread).unwrap_or(usize::MAX).min(buffer.len() - end);
        let count = match file.read(&mut buffer[end..end + room]) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if count == 0 {
            return Ok((offset, None));
        }
        end += count;
        unread -= count as u64;
        #[cfg(test)]
        super::tests::BYTES_READ.with(|read| read.set(read.get() + count as u64));
    }
}
