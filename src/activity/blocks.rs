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
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Largest block read at once, in bytes.
const BLOCK: usize = 1 << 20;
/// First block of a backward reading: a page of the newest entries needs no more.
const FIRST_BLOCK: usize = 64 << 10;
/// What is kept of a line that fills a block, in bytes; its header stands at its beginning.
pub(super) const LONGEST_LINE: usize = 64 << 10;
/// What is kept of one entry's text in bytes; the rest is cut and said so.
pub(super) const LONGEST_TEXT: usize = 8 << 10;
/// Lines that are taken into the entry they follow.
pub(super) const MOST_CONTINUATIONS: usize = 64;

/// Whether an entry may begin here.
fn begins_entry(line: &[u8]) -> bool {
    let end = memchr(b'\n', line).unwrap_or(line.len());
    line::parse(&line[..end]).is_some_and(|header| line::repeats(&header).is_none())
}

/// Where the last line of `block` that an entry may begin with begins.
pub(super) fn last_entry(block: &[u8]) -> Option<usize> {
    let mut end = block.len();
    loop {
        let start = memrchr(b'\n', &block[..end]).map_or(0, |at| at + 1);
        if begins_entry(&block[start..]) {
            return Some(start);
        }
        end = start.checked_sub(1)?;
    }
}

/// Shortens lines that follow an entry's header to what an entry shows: a block full of them would grow without
/// bounds. How often the entry was repeated may be said after them, so the lines' heads are kept.
fn shorten(lines: &mut Vec<u8>) -> usize {
    let whole = lines.len();
    let mut kept = 0;
    let mut at = 0;
    let mut number = 0;
    while at < whole {
        let end = memchr(b'\n', &lines[at..]).map(|end| at + end);
        // The first line may be the rest of a header's, the last one may go on.
        let most = if number == 0 || end.is_none() { LONGEST_LINE } else { LONGEST_TEXT };
        if number <= MOST_CONTINUATIONS || end.is_none() {
            let length = (end.unwrap_or(whole) - at).min(most);
            lines.copy_within(at..at + length, kept);
            kept += length;
            if end.is_some() {
                lines[kept] = b'\n';
                kept += 1;
            }
        }
        number += 1;
        at = end.map_or(whole, |end| end + 1);
    }
    lines.truncate(kept);
    whole - kept
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
    /// Bytes that were read of the file and not asked about yet.
    read: u64,
    /// The most that is read for one block.
    most: u64,
}

impl<'a> Backwards<'a> {
    /// `most`: bytes without any line that an entry may begin with, after which the file is given up.
    pub(super) fn new(file: &'a File, end: u64, most: u64) -> Self {
        Self { file, position: end, carry: Vec::new(), buffer: Vec::new(), next_size: FIRST_BLOCK, read: 0, most }
    }

    /// How much of the file was read since this was asked last.
    pub(super) fn take_read(&mut self) -> u64 {
        std::mem::take(&mut self.read)
    }

    /// The next older block and its offset in the file; `None` at the file's beginning.
    ///
    /// # Errors
    /// The file cannot be read, or there is too much of it without a line that syslogd wrote.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        let end = self.position;
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
            self.read += size as u64;
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
                None if end - start > self.most => {
                    let words = format!("{} of it hold no line that syslogd wrote", in_words(end - start));
                    return Err(io::Error::new(io::ErrorKind::InvalidData, words));
                }
                None => {
                    // No entry begins here: all of it belongs to one that begins earlier.
                    shorten(&mut self.buffer);
                    std::mem::swap(&mut self.buffer, &mut self.carry);
                }
            }
        }
    }

    /// The first place in the buffer where an entry begins after a line end.
    fn edge(&self) -> Option<usize> {
        first_entry_after_line_end(&self.buffer)
    }
}

fn first_entry_after_line_end(buffer: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr(b'\n', &buffer[at..])? + 1;
        if begins_entry(&buffer[at..]) {
            return Some(at);
        }
    }
}

/// A number of bytes, for people.
pub(super) fn in_words(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{bytes} bytes") } else { format!("{} MiB", bytes >> 20) }
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
    /// What was left out of the lines after the entry that the buffer begins with, in bytes.
    left_out: usize,
    ended: bool,
    /// Why the stream ended before its end; told after what was read until then.
    broken: Option<io::Error>,
    /// Bytes that were read of the stream.
    read: u64,
    /// The most that is read of it.
    most: u64,
}

impl<R: Read> Forwards<R> {
    /// `most`: bytes after which the stream is given up.
    pub(super) fn new(stream: R, most: u64) -> Self {
        Self { stream, buffer: Vec::new(), used: 0, offset: 0, left_out: 0, ended: false, broken: None, read: 0, most }
    }

    /// How much of the stream was read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// Whether the stream holds more than is read of it. Asked at its end.
    pub(super) fn is_given_up(&self) -> bool {
        self.read > self.most
    }

    /// The next block and its offset in the stream; `None` at its end, or when it was given up.
    ///
    /// # Errors
    /// Of the stream, after all that could be read of it.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        self.buffer.drain(..self.used);
        self.offset += (self.used + self.left_out) as u64;
        (self.used, self.left_out) = (0, 0);
        loop {
            self.fill();
            if self.is_given_up() {
                return Ok(None);
            }
            if self.buffer.is_empty() {
                return self.broken.take().map_or(Ok(None), Err);
            }
            // Where something was left out, offsets hold for the entry at the beginning only: it goes alone.
            let edge = match (self.left_out, self.ended) {
                (0, true) => None,
                (0, false) => self.edge(),
                _ => first_entry_after_line_end(&self.buffer).filter(|&edge| self.ended || self.is_told(edge)),
            };
            if edge.is_some() || self.ended {
                self.used = edge.unwrap_or(self.buffer.len());
                return Ok(Some((self.offset, &self.buffer[..self.used])));
            }
            self.left_out += shorten(&mut self.buffer);
        }
    }

    fn fill(&mut self) {
        while !self.ended && self.buffer.len() < BLOCK && !self.is_given_up() {
            let wanted = (BLOCK - self.buffer.len()).max(64 << 10);
            self.buffer.reserve_exact(wanted);
            let held = self.buffer.len();
            // Decompressors give little at a time: this fills no more than that with zeros first.
            match (&mut self.stream).take(wanted as u64).read_to_end(&mut self.buffer) {
                Ok(read) => self.ended = read < wanted,
                Err(error) => (self.ended, self.broken) = (true, Some(error)),
            }
            self.read += (self.buffer.len() - held) as u64;
        }
    }

    /// The last place in the buffer where an entry begins after a line end.
    fn edge(&self) -> Option<usize> {
        let last = memrchr(b'\n', &self.buffer)? + 1;
        if self.is_told(last) && begins_entry(&self.buffer[last..]) {
            return Some(last);
        }
        last_entry(&self.buffer[..last - 1]).filter(|&edge| edge > 0)
    }

    /// Whether enough of the line is there to tell whether an entry begins with it: `… last mess` might go on as
    /// `last message repeated`.
    fn is_told(&self, start: usize) -> bool {
        let line = &self.buffer[start..];
        line.len() >= LONGEST_LINE || memchr(b'\n', line).is_some()
    }
}

/// A rotated file as the text it holds.
pub(super) fn decompress(file: &File, compression: Compression) -> io::Result<Box<dyn Read>> {
    let file = BufReader::with_capacity(128 << 10, FromStart { file: file.try_clone()?, position: 0 });
    Ok(match compression {
        Compression::Plain => Box::new(file),
        Compression::Gzip => Box::new(Ahead::of(flate2::bufread::MultiGzDecoder::new(file))?),
        Compression::Bzip2 => Box::new(Ahead::of(bzip2::bufread::MultiBzDecoder::new(file))?),
        Compression::Xz => {
            // 64 MiB of dictionary is what `xz -9` asks for.
            let stream = liblzma::stream::Stream::new_auto_decoder(80 << 20, liblzma::stream::CONCATENATED)?;
            Box::new(Ahead::of(liblzma::bufread::XzDecoder::new_stream(file, stream))?)
        }
        Compression::Zstd => {
            let mut stream = zstd::stream::read::Decoder::with_buffer(file)?;
            // 32 MiB; the most that `zstd` uses without `--long` or `--ultra` is 8.
            stream.window_log_max(25)?;
            Box::new(Ahead::of(stream)?)
        }
    })
}

/// Reads a shared descriptor from its start, whatever its own position is.
struct FromStart {
    file: File,
    position: u64,
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// Text that is handed over at once, in bytes.
const PART: usize = 256 << 10;
/// Parts that are ready at most while one is looked at.
const PARTS_AHEAD: usize = 2;

/// A stream that another thread unpacks while this one searches, so that a search takes as long as the slower of both
/// and not as both together.
struct Ahead {
    /// Parts in order; the last one is empty, or an error.
    parts: Receiver<io::Result<Vec<u8>>>,
    /// Parts that were read, to be filled again.
    read: SyncSender<Vec<u8>>,
    part: Vec<u8>,
    position: usize,
    ended: bool,
}

impl Ahead {
    fn of(mut stream: impl Read + Send + 'static) -> io::Result<Self> {
        let (filled, parts) = sync_channel(PARTS_AHEAD);
        let (read, emptied) = sync_channel::<Vec<u8>>(PARTS_AHEAD + 1);
        std::thread::Builder::new().name("unpack".to_owned()).spawn(move || {
            loop {
                let mut part = emptied.try_recv().unwrap_or_else(|_| Vec::with_capacity(PART));
                part.clear();
                let outcome = (&mut stream).take(PART as u64).read_to_end(&mut part);
                // What was unpacked before a damage is text, too.
                let more = !part.is_empty();
                if more && filled.send(Ok(part)).is_err() {
                    // Nobody reads on.
                    return;
                }
                if let Some(end) = outcome.map(|_| (!more).then(Vec::new)).transpose() {
                    let _ = filled.send(end);
                    return;
                }
            }
        })?;
        Ok(Self { parts, read, part: Vec::new(), position: 0, ended: false })
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.part.len() && !self.ended {
            // Refused when the thread has ended: then nothing is filled again.
            let _ = self.read.try_send(std::mem::take(&mut self.part));
            self.position = 0;
            let part = self.parts.recv().unwrap_or_else(|_| Err(io::Error::other("unpacking ended without an end")));
            self.ended = part.as_ref().map_or(true, Vec::is_empty);
            self.part = part?;
        }
        let rest = self.part.get(self.position..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        Ok(count)
    }
}
