//! Entries of a log and its rotated generations, newest first: pages, exports, counts, and what is appended.

use super::blocks::{Backwards, Forwards, LONGEST_LINE, decompress};
use super::clock::{Dating, Turns};
use super::line::{self, Header, Stamp};
use super::meaning::{self, Call};
use super::text::harmless;
use crate::executor::protocol::Compression;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use memchr::{memchr, memmem, memrchr};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

/// What is kept of one entry's text in bytes; the rest is cut and said so.
const LONGEST_TEXT: usize = 8 << 10;
/// Continuation lines taken into an entry.
const MOST_CONTINUATIONS: usize = 64;
/// Distance between lines whose time is looked at for the turn of the year, in bytes. Twenty lines or so: no host
/// logs so little that a year lies between them unnoticed in a file of this size.
const SAMPLE: usize = 4 << 10;
/// In a file up to this size every line is looked at.
const SAMPLE_ALL_BELOW: u64 = 4 << 20;
/// Entries of a compressed file held at once, and their bytes: a longer one is read again for older ones.
const HELD_ENTRIES: usize = 20_000;
const HELD_BYTES: usize = 8 << 20;

/// One file of the log as the executor lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Its path on the host, for messages.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: Option<Timestamp>,
    /// How it is compressed.
    pub compression: Compression,
    /// Device and inode.
    pub identity: (u64, u64),
}

/// Opens the generation with this index.
pub type Open<'a> = dyn FnMut(usize) -> Result<File, String> + 'a;

/// What is looked for. Every part narrows it.
#[derive(Debug, Clone)]
pub struct Query {
    /// From this time on.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Only this command of pot.
    pub command: Option<String>,
    /// Only calls about this pot.
    pub pot: Option<String>,
    /// Only this level and more urgent ones (0 emerg to 7 debug); lines without a level count as info.
    pub level: Option<u8>,
    /// Only commands that change something.
    pub changes_only: bool,
    /// Only lines that hold this text, as it stands, capitals included.
    pub text: Option<String>,
    /// The host's zone, in which syslogd writes local time.
    pub zone: TimeZone,
    /// The host's own name: lines of another one are foreign. Empty: no line is.
    pub hostname: String,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            since: None,
            until: None,
            command: None,
            pot: None,
            level: None,
            changes_only: false,
            text: None,
            zone: TimeZone::UTC,
            hostname: String::new(),
        }
    }
}

/// One line of pot's, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When, as the line says.
    pub time: Timestamp,
    /// The host as the line says.
    pub host: String,
    /// Whether that is another host than this one.
    pub foreign: bool,
    /// Facility and level, when the line has them.
    pub priority: Option<String>,
    /// The process, when the line names it.
    pub pid: Option<u32>,
    /// The command of pot, when the message is a call.
    pub command: Option<String>,
    /// Its arguments as logged.
    pub arguments: Option<String>,
    /// The pot that it is about.
    pub pot: Option<String>,
    /// Whether such a command changes something; not known for what is no call.
    pub changes: bool,
    /// The message, made harmless; continuation lines after line ends.
    pub message: String,
    /// How often it was logged (`last message repeated …` folded in).
    pub times: u64,
    /// Where it stands.
    #[serde(skip)]
    pub cursor: Cursor,
}

/// A place in the log: the entries after it in a listing are older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The file's device and inode.
    pub identity: (u64, u64),
    /// The line's offset in the (decompressed) file.
    pub offset: u64,
    /// The line's time: the way back when the file is gone.
    pub time: Timestamp,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}.{}", self.identity.0, self.identity.1, self.offset, self.time.as_millisecond())
    }
}

impl std::str::FromStr for Cursor {
    type Err = ReadError;
    fn from_str(text: &str) -> Result<Self, ReadError> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(ReadError::Cursor);
        let identity =
            (next()?.parse().map_err(|_| ReadError::Cursor)?, next()?.parse().map_err(|_| ReadError::Cursor)?);
        let offset = next()?.parse().map_err(|_| ReadError::Cursor)?;
        let milliseconds = next()?.parse().map_err(|_| ReadError::Cursor)?;
        let time = Timestamp::from_millisecond(milliseconds).map_err(|_| ReadError::Cursor)?;
        if parts.next().is_some() {
            return Err(ReadError::Cursor);
        }
        Ok(Self { identity, offset, time })
    }
}

/// What could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file could not be read.
    #[error("{path}: {error}")]
    File {
        /// Which one.
        path: String,
        /// Why.
        error: String,
    },
    /// The cursor is not one that this page gave out.
    #[error("the place in the log is not one that this page gave out; begin at the newest entry")]
    Cursor,
    /// A time in a filter.
    #[error("{0} is no time: write 2026-11-23, 2026-11-23 20:20, 2026-11-23T20:20:46Z, or 30m, 2h, 7d for so long ago")]
    Time(String),
}

/// What was read and what could not be.
#[derive(Debug, Default)]
pub struct Summary {
    /// Bytes of text looked at.
    pub bytes: u64,
    /// Files that could not be read to the end, with the reason.
    pub problems: Vec<ReadError>,
}

/// A line of pot's as found, before it is dated.
struct Hit {
    offset: u64,
    line: Vec<u8>,
    continuation: Vec<u8>,
    times: u64,
}

/// What the order of lines is known by: a time stamp, and the line when it was looked for.
struct Mark {
    stamp: Stamp,
    hit: Option<Hit>,
    counted: bool,
}

struct Matcher<'q> {
    query: &'q Query,
    needle: memmem::Finder<'q>,
}

impl<'q> Matcher<'q> {
    fn new(query: &'q Query) -> Self {
        // The rarest text that every wanted line holds.
        let needle = match (&query.text, &query.pot) {
            (Some(text), _) if !text.is_empty() => text.as_bytes(),
            (_, Some(pot)) => pot.as_bytes(),
            _ => b" pot",
        };
        Self { query, needle: memmem::Finder::new(needle) }
    }

    /// Whether a line's header and message are what is looked for; time is judged later, when it is known.
    fn wants(&self, header: &Header<'_>) -> bool {
        if header.tag != b"pot" {
            return false;
        }
        let query = self.query;
        if let Some(most) = query.level
            && header.priority.map_or(6, |priority| priority.level) > most
        {
            return false;
        }
        if query.command.is_none() && query.pot.is_none() && !query.changes_only {
            return true;
        }
        let Some(call) = std::str::from_utf8(header.message).ok().and_then(meaning::call) else { return false };
        query.command.as_ref().is_none_or(|command| *command == call.command)
            && (query.pot.is_none() || query.pot == call.pot)
            && (!query.changes_only || call.changes)
    }

    /// The marks of a block in file order. `keep`: copy the lines; else only say that they count.
    fn marks(&self, base: u64, block: &[u8], sample: usize, keep: bool) -> Vec<Mark> {
        let mut marks = Vec::new();
        let mut next_sample = 0;
        let mut done = 0;
        let mut hits = self.needle.find_iter(block);
        let mut hit = hits.next();
        loop {
            // Samples up to the next hit's line.
            let line_start = hit.map(|at| memrchr(b'\n', &block[..at]).map_or(0, |end| end + 1));
            while next_sample < line_start.unwrap_or(block.len()) {
                if let Some(header) = line::parse(line_at(block, next_sample))
                    && next_sample >= done
                {
                    marks.push(Mark { stamp: header.stamp, hit: None, counted: false });
                }
                let from = (next_sample + sample.max(1)).min(block.len());
                next_sample = memchr(b'\n', &block[from.saturating_sub(1)..]).map_or(block.len(), |end| from + end);
            }
            let Some(start) = line_start else { return marks };
            let start = entry_start(block, start, done);
            if start >= done
                && let Some(header) = line::parse(line_at(block, start))
                && self.wants(&header)
            {
                let (mark, end) = self.mark(base, block, start, &header, keep);
                marks.push(mark);
                done = end;
                next_sample = next_sample.max(end);
            } else {
                done = done.max(line_end(block, line_start.unwrap_or(start)));
            }
            hit = hits.find(|&at| at >= done);
        }
    }

    /// One line with what follows it: repetitions and continuations.
    fn mark(&self, base: u64, block: &[u8], start: usize, header: &Header<'_>, keep: bool) -> (Mark, usize) {
        let mut end = line_end(block, start);
        let mut times = 1_u64;
        let mut continuation = Vec::new();
        for _ in 0..MOST_CONTINUATIONS {
            if end >= block.len() {
                break;
            }
            let line = line_at(block, end);
            match line::parse(line) {
                Some(next) => match line::repeats(&next) {
                    Some(more) => times = times.saturating_add(more),
                    None => break,
                },
                None if keep && continuation.len() < LONGEST_TEXT => {
                    continuation.push(b'\n');
                    continuation.extend_from_slice(&line[..line.len().min(LONGEST_TEXT)]);
                }
                None => {}
            }
            end = line_end(block, end);
        }
        let hit = keep.then(|| {
            let line = line_at(block, start);
            Hit {
                offset: base + start as u64,
                line: line[..line.len().min(LONGEST_TEXT)].to_vec(),
                continuation,
                times,
            }
        });
        (Mark { stamp: header.stamp, hit, counted: true }, end)
    }

    fn entry(&self, hit: &Hit, time: Timestamp, identity: (u64, u64)) -> Option<Entry> {
        let header = line::parse(&hit.line)?;
        let message = harmless(header.message);
        let call = std::str::from_utf8(header.message).ok().and_then(meaning::call);
        let (command, arguments, pot, changes) = match call {
            Some(Call { command, arguments, pot, changes }) => {
                (Some(command), Some(harmless(arguments.as_bytes())), pot, changes)
            }
            None => (None, None, None, false),
        };
        let mut message = message;
        for line in hit.continuation.split(|&byte| byte == b'\n').skip(1) {
            message.push('\n');
            message.push_str(&harmless(line));
        }
        if hit.line.len() >= LONGEST_TEXT {
            message.push_str(" … (cut)");
        }
        let host = harmless(header.host);
        Some(Entry {
            time,
            foreign: !self.query.hostname.is_empty() && !same_host(&host, &self.query.hostname),
            host,
            priority: header.priority.map(line::Priority::name),
            pid: header.pid,
            command,
            arguments,
            pot,
            changes,
            message,
            times: hit.times,
            cursor: Cursor { identity, offset: hit.offset, time },
        })
    }

    fn in_time(&self, time: Timestamp) -> bool {
        self.query.since.is_none_or(|since| time >= since) && self.query.until.is_none_or(|until| time < until)
    }
}

/// syslogd writes the name up to the first dot, or all of it.
fn same_host(a: &str, b: &str) -> bool {
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    if a.contains('.') && b.contains('.') { a.eq_ignore_ascii_case(b) } else { short(a) == short(b) }
}

fn line_at(block: &[u8], start: usize) -> &[u8] {
    let rest = block.get(start..).unwrap_or_default();
    let line = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn line_end(block: &[u8], start: usize) -> usize {
    block.get(start..).and_then(|rest| memchr(b'\n', rest)).map_or(block.len(), |end| start + end + 1)
}

/// The line with a header to which the line at `start` belongs, not before `floor`.
fn entry_start(block: &[u8], start: usize, floor: usize) -> usize {
    let mut at = start;
    for _ in 0..MOST_CONTINUATIONS {
        if at <= floor || line::parse(line_at(block, at)).is_some_and(|header| line::repeats(&header).is_none()) {
            return at;
        }
        at = memrchr(b'\n', &block[..at - 1]).map_or(0, |end| end + 1);
    }
    start
}

/// Hands every entry of the query to `sink`, newest first, beginning after `cursor`, until the sink breaks.
///
/// Memory is bounded whatever the files' sizes. A file that cannot be read to its end is named in the summary.
pub fn each(
    generations: &[Generation],
    open: &mut Open<'_>,
    query: &Query,
    cursor: Option<Cursor>,
    sink: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Summary {
    let mut summary = Summary::default();
    let mut query = query.clone();
    let first = match cursor {
        Some(cursor) => match generations.iter().position(|generation| generation.identity == cursor.identity) {
            Some(index) => index,
            None => {
                // Rotated away or compressed since: go on by time.
                query.until = Some(query.until.map_or(cursor.time, |until| until.min(cursor.time)));
                0
            }
        },
        None => 0,
    };
    let matcher = Matcher::new(&query);
    for (index, generation) in generations.iter().enumerate().skip(first) {
        if is_before(generation, &query) {
            continue;
        }
        let from = cursor.filter(|cursor| cursor.identity == generation.identity);
        match with_file(generation, index, open, |file| {
            if generation.compression == Compression::Plain {
                backwards(file, generation, &matcher, from, &mut summary.bytes, sink)
            } else {
                held(file, generation, &matcher, from, &mut summary.bytes, sink)
            }
        }) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => break,
            Err(error) => summary.problems.push(error),
        }
    }
    summary
}

/// Whether all of it is older than what is looked for.
fn is_before(generation: &Generation, query: &Query) -> bool {
    match (generation.modified, query.since) {
        (Some(modified), Some(since)) => modified.checked_add(Span::new().hours(24)).is_ok_and(|latest| latest < since),
        _ => false,
    }
}

fn with_file<T>(
    generation: &Generation,
    index: usize,
    open: &mut Open<'_>,
    read: impl FnOnce(&File) -> io::Result<T>,
) -> Result<T, ReadError> {
    let named = |error: String| ReadError::File { path: generation.path.clone(), error };
    let file = open(index).map_err(named)?;
    read(&file).map_err(|error| named(error.to_string()))
}

fn reference(generation: &Generation, from: Option<Cursor>) -> Timestamp {
    from.map(|cursor| cursor.time).or(generation.modified).unwrap_or_else(Timestamp::now)
}

fn backwards(
    file: &File,
    generation: &Generation,
    matcher: &Matcher<'_>,
    from: Option<Cursor>,
    bytes: &mut u64,
    sink: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let end = from.map_or(generation.size, |cursor| cursor.offset.min(generation.size));
    let sample = if generation.size <= SAMPLE_ALL_BELOW { 1 } else { SAMPLE };
    let mut dating = Dating::backwards_from(reference(generation, from), matcher.query.zone.clone());
    let mut blocks = Backwards::new(file, end);
    while let Some((base, block)) = blocks.next()? {
        *bytes += block.len() as u64;
        for mark in matcher.marks(base, block, sample, true).into_iter().rev() {
            let Some(time) = dating.date(mark.stamp) else { continue };
            if let Some(entry) = mark
                .hit
                .filter(|_| matcher.in_time(time))
                .and_then(|hit| matcher.entry(&hit, time, generation.identity))
                && sink(entry).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            if is_long_before(time, matcher.query) {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Whether no older line can be of the wanted time, clocks that were set included.
fn is_long_before(time: Timestamp, query: &Query) -> bool {
    query.since.is_some_and(|since| time.checked_add(Span::new().hours(24)).is_ok_and(|latest| latest < since))
}

/// Reads a compressed file forwards, holding the last entries before the place wanted; once for most files.
fn held(
    file: &File,
    generation: &Generation,
    matcher: &Matcher<'_>,
    from: Option<Cursor>,
    bytes: &mut u64,
    sink: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let mut limit = from.map_or(u64::MAX, |cursor| cursor.offset);
    loop {
        let mut held: VecDeque<(u16, Stamp, Hit)> = VecDeque::new();
        let mut held_bytes = 0;
        let mut dropped = false;
        let mut turns = Turns::default();
        let mut newest: Option<(u16, Stamp)> = None;
        let mut blocks = Forwards::new(decompress(file, generation.compression)?);
        let mut broken = None;
        loop {
            let (base, block) = match blocks.next() {
                Ok(Some(found)) => found,
                Ok(None) => break,
                // What was read before the damage is shown; the damage is named.
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            };
            *bytes += block.len() as u64;
            for mark in matcher.marks(base, block, SAMPLE, true) {
                let turn = turns.at(mark.stamp);
                newest = Some((turn, mark.stamp));
                let Some(hit) = mark.hit.filter(|hit| hit.offset < limit) else { continue };
                held_bytes += hit.line.len() + hit.continuation.len();
                held.push_back((turn, mark.stamp, hit));
                while held.len() > HELD_ENTRIES || held_bytes > HELD_BYTES {
                    if let Some((_, _, old)) = held.pop_front() {
                        held_bytes -= old.line.len() + old.continuation.len();
                        dropped = true;
                    }
                }
            }
        }
        let next_limit = held.front().map(|(_, _, hit)| hit.offset);
        let mut years = Years::ending(newest, generation, &matcher.query.zone);
        for (turn, stamp, hit) in held.into_iter().rev() {
            let Some(time) = years.date(turn, stamp) else { continue };
            if matcher.in_time(time)
                && let Some(entry) = matcher.entry(&hit, time, generation.identity)
                && sink(entry).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            if is_long_before(time, matcher.query) {
                return Ok(ControlFlow::Continue(()));
            }
        }
        match (broken, next_limit) {
            (Some(error), _) => return Err(error),
            (None, Some(next)) if dropped => limit = next,
            _ => return Ok(ControlFlow::Continue(())),
        }
    }
}

/// Dates lines of a file that was read forwards, newest first, when its end is known.
struct Years {
    dating: Dating,
    zone: TimeZone,
    newest_turn: u16,
    newest_year: i16,
}

impl Years {
    fn ending(newest: Option<(u16, Stamp)>, generation: &Generation, zone: &TimeZone) -> Self {
        let mut dating = Dating::backwards_from(reference(generation, None), zone.clone());
        let (newest_turn, year) = match newest {
            Some((turn, stamp)) => (turn, dating.date(stamp).map(|time| time.to_zoned_datetime(zone.clone()).year())),
            None => (0, None),
        };
        Self { dating, zone: zone.clone(), newest_turn, newest_year: year.unwrap_or(2000) }
    }

    fn date(&mut self, turn: u16, stamp: Stamp) -> Option<Timestamp> {
        if let Stamp::Yearless(stamp) = stamp {
            // Turns between two lines that were looked for are not seen by their order alone.
            let year = self.newest_year.checked_sub(i16::try_from(self.newest_turn - turn).ok()?)?;
            let end = DateTime::from_parts(Date::new(year, 12, 31).ok()?, jiff::civil::Time::MAX);
            let end = end.to_zoned_datetime(self.zone.clone()).ok()?.timestamp();
            let turned =
                self.dating.clone().date(Stamp::Yearless(stamp))?.to_zoned_datetime(self.zone.clone()).year() != year;
            if turned {
                self.dating = Dating::backwards_from(end, self.zone.clone());
            }
        }
        self.dating.date(stamp)
    }
}

/// One page, newest first, and where the next one begins.
pub fn newest(
    generations: &[Generation],
    open: &mut Open<'_>,
    query: &Query,
    cursor: Option<Cursor>,
    limit: usize,
) -> (Vec<Entry>, Option<Cursor>, Summary) {
    let mut entries: Vec<Entry> = Vec::new();
    let mut more = false;
    let summary = each(generations, open, query, cursor, &mut |entry| {
        if entries.len() == limit {
            more = true;
            return ControlFlow::Break(());
        }
        entries.push(entry);
        ControlFlow::Continue(())
    });
    let next = entries.last().filter(|_| more).map(|entry| entry.cursor);
    (entries, next, summary)
}

/// Counts over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Histogram {
    /// Where the first bar begins.
    pub since: Timestamp,
    /// Where the last bar ends.
    pub until: Timestamp,
    /// Lines per bar, each as long as the others.
    pub bars: Vec<u64>,
    /// All lines of the query in that time.
    pub total: u64,
}

/// Counts the query's lines in `bars` equal parts of its time (without one: of all that is there).
pub fn histogram(generations: &[Generation], open: &mut Open<'_>, query: &Query, bars: usize) -> (Histogram, Summary) {
    let mut minutes: BTreeMap<i64, u64> = BTreeMap::new();
    let mut summary = Summary::default();
    let matcher = Matcher::new(query);
    for (index, generation) in generations.iter().enumerate() {
        if is_before(generation, query) {
            continue;
        }
        let counted = with_file(generation, index, open, |file| {
            let mut count = |time: Timestamp, lines: u64| {
                if matcher.in_time(time) {
                    *minutes.entry(time.as_second().div_euclid(60)).or_default() += lines;
                }
            };
            if generation.compression == Compression::Plain {
                count_backwards(file, generation, &matcher, &mut summary.bytes, &mut count)
            } else {
                count_forwards(file, generation, &matcher, &mut summary.bytes, &mut count)
            }
        });
        if let Err(error) = counted {
            summary.problems.push(error);
        }
    }
    (in_bars(&minutes, query, bars.max(1)), summary)
}

fn count_backwards(
    file: &File,
    generation: &Generation,
    matcher: &Matcher<'_>,
    bytes: &mut u64,
    count: &mut dyn FnMut(Timestamp, u64),
) -> io::Result<()> {
    let sample = if generation.size <= SAMPLE_ALL_BELOW { 1 } else { SAMPLE };
    let mut dating = Dating::backwards_from(reference(generation, None), matcher.query.zone.clone());
    let mut blocks = Backwards::new(file, generation.size);
    while let Some((base, block)) = blocks.next()? {
        *bytes += block.len() as u64;
        for mark in matcher.marks(base, block, sample, false).into_iter().rev() {
            let Some(time) = dating.date(mark.stamp) else { continue };
            if mark.counted {
                count(time, 1);
            }
            if is_long_before(time, matcher.query) {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn count_forwards(
    file: &File,
    generation: &Generation,
    matcher: &Matcher<'_>,
    bytes: &mut u64,
    count: &mut dyn FnMut(Timestamp, u64),
) -> io::Result<()> {
    // Per minute, so that memory is bounded by the time that the file covers.
    let mut per_minute: BTreeMap<(u16, i64), (Stamp, u64)> = BTreeMap::new();
    let mut turns = Turns::default();
    let mut newest = None;
    let mut blocks = Forwards::new(decompress(file, generation.compression)?);
    while let Some((base, block)) = blocks.next()? {
        *bytes += block.len() as u64;
        for mark in matcher.marks(base, block, SAMPLE, false) {
            let turn = turns.at(mark.stamp);
            newest = Some((turn, mark.stamp));
            if mark.counted {
                let minute = match mark.stamp {
                    Stamp::Exact(time) => time.as_second().div_euclid(60),
                    Stamp::Yearless(stamp) => {
                        i64::from(stamp.day_of_year()) * 1440 + i64::from(stamp.hour()) * 60 + i64::from(stamp.minute())
                    }
                };
                per_minute.entry((turn, minute)).or_insert((mark.stamp, 0)).1 += 1;
            }
        }
    }
    let mut years = Years::ending(newest, generation, &matcher.query.zone);
    for ((turn, _), (stamp, lines)) in per_minute.into_iter().rev() {
        if let Some(time) = years.date(turn, stamp) {
            count(time, lines);
        }
    }
    Ok(())
}

fn in_bars(minutes: &BTreeMap<i64, u64>, query: &Query, bars: usize) -> Histogram {
    let first = minutes.keys().next().copied().unwrap_or_default() * 60;
    let last = minutes.keys().next_back().map_or(first + 60, |minute| (minute + 1) * 60);
    let since = query.since.map_or(first, Timestamp::as_second);
    let until = query.until.map_or(last, Timestamp::as_second).max(since + 1);
    let mut counts = vec![0_u64; bars];
    let mut total = 0;
    for (minute, lines) in minutes {
        let at = (minute * 60).clamp(since, until - 1) - since;
        let bar = i128::from(at) * bars as i128 / i128::from(until - since);
        if let Some(count) = usize::try_from(bar).ok().and_then(|bar| counts.get_mut(bar)) {
            *count += lines;
            total += lines;
        }
    }
    Histogram {
        since: Timestamp::from_second(since).unwrap_or(Timestamp::MIN),
        until: Timestamp::from_second(until).unwrap_or(Timestamp::MAX),
        bars: counts,
        total,
    }
}

/// Follows the live file: what is appended, from where the last look ended.
#[derive(Debug)]
pub struct Follower {
    file: File,
    identity: (u64, u64),
    offset: u64,
    last: Option<Entry>,
}

impl Follower {
    /// Follows `file` from its present end, or from its beginning after a rotation.
    pub fn new(file: File, from_start: bool) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let offset = if from_start { 0 } else { metadata.len() };
        Ok(Self { file, identity: (metadata.dev(), metadata.ino()), offset, last: None })
    }

    /// Device and inode of the file that is followed.
    pub fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// Entries of whole lines that were appended since the last call, oldest first, at most about a thousand.
    pub fn poll(&mut self, query: &Query) -> io::Result<Vec<Entry>> {
        let size = self.file.metadata()?.len();
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
            if let (Some(time), Some(hit)) = (dating.date(mark.stamp), mark.hit)
                && matcher.in_time(time)
                && let Some(entry) = matcher.entry(&hit, time, self.identity)
            {
                entries.push(entry);
            }
        }
        self.offset += end as u64;
        self.last = entries.last().cloned().or(self.last.take());
        Ok(entries)
    }
}

/// A time as people write it in a filter: RFC 3339, `2026-11-23`, `2026-11-23 20:20`, or `30m`, `2h`, `7d` ago.
pub fn parse_time(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, ReadError> {
    let text = text.trim();
    let wrong = || ReadError::Time(harmless(text.as_bytes()).chars().take(60).collect());
    if text.len() > 40 || !text.is_ascii() {
        return Err(wrong());
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Some((count, unit)) = text.split_at_checked(text.len().saturating_sub(1))
        && let Ok(count) = count.parse::<i64>()
    {
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return Err(wrong()),
        };
        let ago = count.checked_mul(seconds).filter(|&ago| ago >= 0).ok_or_else(wrong)?;
        return now.as_second().checked_sub(ago).and_then(|at| Timestamp::from_second(at).ok()).ok_or_else(wrong);
    }
    let civil = text
        .parse::<DateTime>()
        .or_else(|_| text.replacen(' ', "T", 1).parse::<DateTime>())
        .or_else(|_| text.parse::<Date>().map(|date| date.to_datetime(jiff::civil::Time::midnight())))
        .map_err(|_| wrong())?;
    civil.to_zoned_datetime(zone.clone()).map(|zoned| zoned.timestamp()).map_err(|_| wrong())
}
