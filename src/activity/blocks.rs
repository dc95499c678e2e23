//! Log files in blocks of whole entries: plain ones backwards from their end, compressed ones forwards.
//!
//! A block begins with a line that has a header and holds all the lines that belong to it (continuations,
//! `last message repeated …`), so that each block can be read by itself.

use super::line;
use crate::executor::protocol::Compression;
use memchr::{memchr, memrchr};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt as _;

/// Largest block read at once, in bytes.
const BLOCK: usize = 1 << 20;
/// First block of a backward reading: a page of the newest entries needs no more.
const FIRST_BLOCK: usize = 64 << 10;
/// What is kept of a line that fills a block, in bytes; its header stands at its beginning.
pub(super) const LONGEST_LINE: usize = 64 << 10;
/// How far a block's edge is moved to find a line with a header, in lines.
const EDGE_LINES: usize = 256;

/// Whether an entry may begin here.
fn begins_entry(line: &[u8]) -> bool {
    let end = memchr(b'\n', line).unwrap_or(line.len());
    line::parse(&line[..end]).is_some_and(|header| line::repeats(&header).is_none())
}

/// Reads a plain file from `end` to its beginning.
pub(super) struct Backwards<'a> {
    file: &'a File,
    /// Where the part that was not read yet ends.
    position: u64,
    /// The beginning of what was read before but belongs to the block before it.
    carry: Vec<u8>,
    buffer: Vec<u8>,
    next_size: usize,
}

impl<'a> Backwards<'a> {
    pub(super) fn new(file: &'a File, end: u64) -> Self {
        Self { file, position: end, carry: Vec::new(), buffer: Vec::new(), next_size: FIRST_BLOCK }
    }

    /// The next older block and its offset in the file; `None` at the file's beginning.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        loop {
            if self.position == 0 {
                if self.carry.is_empty() {
                    return Ok(None);
                }
                std::mem::swap(&mut self.buffer, &mut self.carry);
                self.carry.clear();
                return Ok(Some((0, &self.buffer)));
            }
            let size = usize::try_from(self.position).unwrap_or(usize::MAX).min(self.next_size);
            self.next_size = (self.next_size * 4).min(BLOCK);
            let start = self.position - size as u64;
            self.buffer.resize(size, 0);
            read_all_at(self.file, &mut self.buffer, start)?;
            self.buffer.append(&mut self.carry);
            self.position = start;
            if start == 0 {
                return Ok(Some((0, &self.buffer)));
            }
            match self.edge() {
                Some(edge) => {
                    self.carry.extend_from_slice(&self.buffer[..edge]);
                    return Ok(Some((start + edge as u64, &self.buffer[edge..])));
                }
                None => {
                    // No entry begins here: all of it belongs to one that begins earlier. Its head is what counts.
                    self.buffer.truncate(LONGEST_LINE);
                    std::mem::swap(&mut self.buffer, &mut self.carry);
                }
            }
        }
    }

    /// The first place in the buffer where an entry begins after a line end.
    fn edge(&self) -> Option<usize> {
        let mut at = 0;
        let mut fallback = None;
        for _ in 0..EDGE_LINES {
            at += memchr(b'\n', &self.buffer[at..])? + 1;
            if at >= self.buffer.len() {
                return None;
            }
            if begins_entry(&self.buffer[at..]) {
                return Some(at);
            }
            fallback.get_or_insert(at);
        }
        fallback
    }
}

/// `read_exact_at` that takes a file which was truncated meanwhile: the missing part is left as NUL bytes.
fn read_all_at(file: &File, buffer: &mut [u8], start: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], start + done as u64) {
            Ok(0) => {
                buffer[done..].fill(0);
                return Ok(());
            }
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads a stream from its beginning.
pub(super) struct Forwards<R> {
    stream: R,
    buffer: Vec<u8>,
    /// How much of the buffer was handed out.
    used: usize,
    /// Offset of the buffer's beginning in the stream.
    offset: u64,
    ended: bool,
    /// A line that fills a block is cut; its rest is passed over.
    skipping: bool,
}

impl<R: Read> Forwards<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, buffer: Vec::new(), used: 0, offset: 0, ended: false, skipping: false }
    }

    /// The next block and its offset in the stream; `None` at its end.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        self.buffer.drain(..self.used);
        self.offset += self.used as u64;
        self.used = 0;
        loop {
            while !self.ended && self.buffer.len() < BLOCK {
                let held = self.buffer.len();
                self.buffer.resize(held + (BLOCK - held).max(64 << 10), 0);
                match self.stream.read(&mut self.buffer[held..]) {
                    Ok(0) => {
                        self.ended = true;
                        self.buffer.truncate(held);
                    }
                    Ok(count) => self.buffer.truncate(held + count),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => self.buffer.truncate(held),
                    Err(error) => {
                        self.buffer.truncate(held);
                        return Err(error);
                    }
                }
            }
            if self.skipping {
                let Some(end) = memchr(b'\n', &self.buffer) else {
                    self.offset += self.buffer.len() as u64;
                    self.buffer.clear();
                    if self.ended {
                        return Ok(None);
                    }
                    continue;
                };
                self.buffer.drain(..=end);
                self.offset += end as u64 + 1;
                self.skipping = false;
                continue;
            }
            if self.buffer.is_empty() {
                return Ok(None);
            }
            if self.ended {
                self.used = self.buffer.len();
                return Ok(Some((self.offset, &self.buffer)));
            }
            if let Some(edge) = self.edge() {
                self.used = edge;
                return Ok(Some((self.offset, &self.buffer[..edge])));
            }
            self.skipping = true;
            let whole = self.buffer.len();
            self.used = whole;
            return Ok(Some((self.offset, &self.buffer[..LONGEST_LINE.min(whole)])));
        }
    }

    /// The last place in the buffer where an entry begins after a line end.
    fn edge(&self) -> Option<usize> {
        let mut end = self.buffer.len();
        let mut fallback = None;
        for _ in 0..EDGE_LINES {
            let at = memrchr(b'\n', &self.buffer[..end])?;
            if at + 1 < self.buffer.len() && begins_entry(&self.buffer[at + 1..]) {
                return Some(at + 1);
            }
            fallback.get_or_insert(at + 1);
            end = at;
        }
        fallback
    }
}

/// A rotated file as the text it holds.
pub(super) fn decompress(file: &File, compression: Compression) -> io::Result<Box<dyn Read + '_>> {
    let file = BufReader::with_capacity(128 << 10, FromStart { file, position: 0 });
    Ok(match compression {
        Compression::Plain => Box::new(file),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(file)),
        Compression::Xz => {
            // 64 MiB of dictionary is what `xz -9` asks for.
            let stream = liblzma::stream::Stream::new_auto_decoder(80 << 20, liblzma::stream::CONCATENATED)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(file, stream))
        }
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
    })
}

/// Reads a shared descriptor from its start, whatever its own position is.
struct FromStart<'a> {
    file: &'a File,
    position: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}
