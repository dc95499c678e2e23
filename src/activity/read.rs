//! Entries of a log and its rotated generations, newest first: pages and exports.

use super::blocks::{Backwards, Forwards, LONGEST_TEXT, MOST_CONTINUATIONS, decompress, in_words};
use super::budget::{Budget, Meter};
use super::clock::{Dating, Turns, Years};
use super::line::{self, Header, Stamp};
use super::meaning::{self, Call, Kind};
use super::text::harmless;
use crate::executor::protocol::Compression;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use memchr::{memchr, memmem, memrchr};
use serde::Serialize;
use std::cell::Cell;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;

/// Distance between lines whose time is looked at for the turn of the year, in bytes. Twenty lines or so: no host
/// logs so little that a year lies between them unnoticed in a file of this size.
const SAMPLE: usize = 4 << 10;
/// In a file up to this size every line is looked at; in a compressed one up to the second, a tenth or so of its text.
const SAMPLE_ALL_BELOW: u64 = 4 << 20;
const SAMPLE_ALL_PACKED_BELOW: u64 = 256 << 10;

/// The distance of the lines that are looked at in this file.
pub(super) fn sample_of(generation: &Generation) -> usize {
    let below = if generation.compression == Compression::Plain { SAMPLE_ALL_BELOW } else { SAMPLE_ALL_PACKED_BELOW };
    if generation.size <= below { 1 } else { SAMPLE }
}
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
    /// The line's offset in the (decompressed) file; [`u64::MAX`]: behind all of its lines.
    pub(crate) offset: u64,
    /// The line's time: the way back when the file is gone.
    pub time: Timestamp,
    /// What older lines are no later than: this host's last line up to here, in a compressed file its newest.
    pub reached: Timestamp,
    /// The place before was lost with its file: what is later than this was handed out, and is found again from here on.
    pub lost: Option<Timestamp>,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (time, reached) = (self.time.as_millisecond(), self.reached.as_second());
        write!(f, "{}.{}.{}.{time}.{reached}", self.identity.0, self.identity.1, self.offset)?;
        self.lost.map_or(Ok(()), |lost| write!(f, ".{}", lost.as_millisecond()))
    }
}

impl std::str::FromStr for Cursor {
    type Err = ReadError;
    fn from_str(text: &str) -> Result<Self, ReadError> {
        let mut parts = text.split('.').map(|part| part.parse::<i128>().map_err(|_| ReadError::Cursor));
        let mut next = || parts.next().unwrap_or(Err(ReadError::Cursor));
        let mut number = || u64::try_from(next()?).map_err(|_| ReadError::Cursor);
        let (identity, offset) = ((number()?, number()?), number()?);
        let mut number = || i64::try_from(next()?).map_err(|_| ReadError::Cursor);
        let (time, reached) = (number()?, number()?);
        let lost = match parts.next().transpose()?.map(i64::try_from) {
            None => None,
            Some(Ok(lost)) => Some(Timestamp::from_millisecond(lost).map_err(|_| ReadError::Cursor)?),
            Some(Err(_)) => return Err(ReadError::Cursor),
        };
        if parts.next().is_some() {
            return Err(ReadError::Cursor);
        }
        Ok(Self {
            identity,
            offset,
            time: Timestamp::from_millisecond(time).map_err(|_| ReadError::Cursor)?,
            reached: Timestamp::from_second(reached).map_err(|_| ReadError::Cursor)?,
            lost,
        })
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
    /// Where the reading ended before all was read.
    pub(crate) left_off: Option<LeftOff>,
}

/// Where a reading ended before all was read, and goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftOff {
    /// Behind this place: no entry before it is missing, none behind it was handed out.
    pub cursor: Cursor,
    /// The time back to which the log was looked through.
    pub(crate) back_to: Timestamp,
    /// The packed file that a page which has entries leaves to the next one; none: the budget is used up.
    pub(crate) unread: Option<String>,
}

/// A line of pot's as found, before it is dated.
pub(super) struct Hit {
    offset: u64,
    line: Vec<u8>,
    /// Whether the line was longer.
    cut: bool,
    continuation: Vec<u8>,
    times: u64,
}

/// What the order of lines is known by: a time stamp, and the line when it was looked for.
pub(super) struct Mark {
    pub(super) stamp: Stamp,
    /// Whether it is this host's line: only those follow one another in time.
    pub(super) own: bool,
    pub(super) hit: Option<Hit>,
    /// Of a line that was looked for: its kind, and whether it says its level.
    pub(super) counted: Option<(Kind, bool)>,
}

pub(super) struct Matcher<'q> {
    pub(super) query: &'q Query,
    needle: memmem::Finder<'q>,
}

impl<'q> Matcher<'q> {
    pub(super) fn new(query: &'q Query) -> Self {
        // The rarest text that every wanted line holds.
        let needle = match (&query.text, &query.pot) {
            (Some(text), _) if !text.is_empty() => text.as_bytes(),
            // Some names are made of several arguments: `import -p web -t 1.0` makes `web_1_0`.
            (_, Some(pot)) if !pot.contains('_') => pot.as_bytes(),
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
    pub(super) fn marks(&self, base: u64, block: &[u8], sample: usize, keep: bool) -> Vec<Mark> {
        let mut marks = Vec::new();
        let mut next_sample = 0;
        let mut done = 0;
        let mut hits = self.needle.find_iter(block);
        let mut hit = hits.next();
        loop {
            // Samples up to the next hit's line.
            let line_start = hit.map(|at| memrchr(b'\n', &block[..at]).map_or(0, |end| end + 1));
            while next_sample < line_start.unwrap_or(block.len()) {
                // A line of pot's that is not looked for tells the year as any other does; one that is, is behind this.
                if let Some(header) = line::parse(line_at(block, next_sample)) {
                    let own = !self.is_foreign(header.host);
                    marks.push(Mark { stamp: header.stamp, own, hit: None, counted: None });
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
            let kept = line.len().min(line.len() - header.message.len() + LONGEST_TEXT);
            Hit {
                offset: base + start as u64,
                line: line[..kept].to_vec(),
                cut: kept < line.len(),
                continuation,
                times,
            }
        });
        let level = header.priority.map(|priority| priority.level);
        let counted = Some((Kind::of(level, header.message), level.is_some()));
        (Mark { stamp: header.stamp, own: !self.is_foreign(header.host), hit, counted }, end)
    }

    pub(super) fn entry(&self, hit: &Hit, time: Timestamp, identity: (u64, u64), reached: Timestamp) -> Option<Entry> {
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
        if hit.cut {
            message.push_str(" … (cut)");
        }
        Some(Entry {
            time,
            foreign: self.is_foreign(header.host),
            host: harmless(header.host),
            priority: header.priority.map(line::Priority::name),
            pid: header.pid,
            command,
            arguments,
            pot,
            changes,
            message,
            times: hit.times,
            cursor: Cursor { identity, offset: hit.offset, time, reached, lost: None },
        })
    }

    fn is_foreign(&self, host: &[u8]) -> bool {
        !self.query.hostname.is_empty() && !same_host(host, self.query.hostname.as_bytes())
    }

    pub(super) fn in_time(&self, time: Timestamp) -> bool {
        self.query.since.is_none_or(|since| time >= since) && self.query.until.is_none_or(|until| time < until)
    }
}

/// syslogd writes the name up to the first dot, or all of it.
fn same_host(a: &[u8], b: &[u8]) -> bool {
    match (memchr(b'.', a), memchr(b'.', b)) {
        (Some(_), Some(_)) | (None, None) => a.eq_ignore_ascii_case(b),
        (Some(dot), None) => a[..dot].eq_ignore_ascii_case(b),
        (None, Some(dot)) => a.eq_ignore_ascii_case(&b[..dot]),
    }
}

pub(super) fn line_at(block: &[u8], start: usize) -> &[u8] {
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
    walk(generations, open, query, cursor, Budget::UNBOUNDED, &mut |_| true, sink)
}

/// The same, as long as the budget lasts and each further file is wanted.
pub(super) fn walk(
    generations: &[Generation],
    open: &mut Open<'_>,
    query: &Query,
    cursor: Option<Cursor>,
    budget: Budget,
    wanted: &mut dyn FnMut(&Generation) -> bool,
    sink: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Summary {
    let mut summary = Summary::default();
    let mut meter = Meter::new(budget);
    let matcher = Matcher::new(query);
    let found = cursor.and_then(|cursor| {
        let index = generations.iter().position(|generation| generation.identity == cursor.identity)?;
        holds(&generations[index], index, open, cursor, &query.zone).then_some(index)
    });
    // The file was rotated away or compressed since: go on after the same line, or by time.
    let mut missed = cursor.and_then(|cursor| match (cursor.lost, found) {
        (Some(lost), _) => Some((lost, None)),
        (None, None) => Some((cursor.time, Some(cursor.offset))),
        (None, Some(_)) => None,
    });
    let mut sink = |entry: Entry| {
        if let Some((place, offset)) = missed {
            let (time, place) = (entry.time.as_millisecond(), place.as_millisecond());
            if time == place && offset == Some(entry.cursor.offset) {
                missed = None;
                return ControlFlow::Continue(());
            }
            if time > place || time == place && offset.is_some_and(|offset| entry.cursor.offset > offset) {
                return ControlFlow::Continue(());
            }
        }
        sink(entry)
    };
    let mut order = Order::default();
    for (index, generation) in generations.iter().enumerate() {
        let from = cursor.filter(|_| found == Some(index));
        let no_later = order.no_later(generation);
        let reference = from.map_or(no_later, |cursor| cursor.reached);
        if from.is_some() {
            // Nothing may be left of this file: the next older one is no later all the same.
            order.read(reference);
        }
        if found.is_some_and(|found| index < found) || is_before(generation, query) {
            continue;
        }
        let before = Stop {
            at: from.unwrap_or(Cursor {
                identity: generation.identity,
                offset: u64::MAX,
                time: reference,
                reached: reference,
                lost: None,
            }),
            back_to: reference,
        };
        if meter.is_used_up() {
            summary.left_off = Some(before.left_off(None));
            break;
        }
        if !wanted(generation) {
            summary.left_off = Some(before.left_off(Some(generation.path.clone())));
            break;
        }
        let from = from.filter(|from| from.offset != u64::MAX);
        let read = with_file(generation, index, open, |file| {
            let reading = Reading { file, generation, matcher: &matcher, reference, order: &mut order };
            if generation.compression == Compression::Plain {
                backwards(reading, from, &mut meter, &mut sink)
            } else {
                held(reading, from, &mut meter, &mut sink)
            }
        });
        match read {
            Ok(Ended::Whole) => {}
            Ok(Ended::Enough) => break,
            Ok(Ended::UsedUp(stop)) => {
                summary.left_off = Some(stop.unwrap_or(before).left_off(None));
                break;
            }
            Err(error) => summary.problems.push(error),
        }
    }
    if let Some(left) = &mut summary.left_off {
        left.cursor.lost = missed.map(|(place, _)| place);
    }
    summary.bytes = meter.spent();
    summary
}

/// How reading a file ended.
pub(super) enum Ended {
    /// All was read that is to be read of it.
    Whole,
    /// Whoever takes the entries wants no more.
    Enough,
    /// The budget is used up: here; none: nothing of the file counts as read.
    UsedUp(Option<Stop>),
}

/// A place in a file where the budget was used up.
pub(super) struct Stop {
    at: Cursor,
    /// The time back to which the log was looked through.
    pub(super) back_to: Timestamp,
}

impl Stop {
    fn left_off(self, unread: Option<String>) -> LeftOff {
        LeftOff { cursor: self.at, back_to: self.back_to, unread }
    }
}

/// Of a packed file that was given up after `room` bytes: whether another reading has more room for it, or none has.
///
/// # Errors
/// None has.
pub(super) fn given_up(meter: &Meter, room: u64, stop: Option<Stop>) -> io::Result<Ended> {
    if room < meter.most() {
        return Ok(Ended::UsedUp(stop));
    }
    let words = format!(
        "it holds more than {} of text, which is not unpacked for a page; an export holds all of it",
        in_words(meter.most())
    );
    Err(io::Error::new(io::ErrorKind::InvalidData, words))
}

/// Whether the file is the one that the cursor was given out for: numbers of removed files are used again.
fn holds(generation: &Generation, index: usize, open: &mut Open<'_>, cursor: Cursor, zone: &TimeZone) -> bool {
    if generation.compression != Compression::Plain || cursor.offset == u64::MAX {
        return generation.modified.is_none_or(|modified| with_slack(modified) >= cursor.time);
    }
    let mut line = [0; 512];
    let Ok(count) = open(index).and_then(|file| file.read_at(&mut line, cursor.offset).map_err(|e| e.to_string()))
    else {
        // What is wrong with it is told where it is read.
        return true;
    };
    match line::parse(line_at(&line[..count], 0)).map(|header| header.stamp) {
        Some(Stamp::Exact(time)) => time.as_millisecond() == cursor.time.as_millisecond(),
        Some(Stamp::Yearless(stamp)) => {
            let time = cursor.time.to_zoned_datetime(zone.clone()).datetime();
            (time.month(), time.day(), time.minute(), time.second())
                == (stamp.month(), stamp.day(), stamp.minute(), stamp.second())
        }
        None => false,
    }
}

/// How much later than a file's last change its newest line may be dated, and than a line the one before it.
fn with_slack(time: Timestamp) -> Timestamp {
    time.checked_add(Span::new().hours(24)).unwrap_or(Timestamp::MAX)
}

/// Files that were last changed within so many seconds may be copies that did not keep their times.
pub(super) const COPIED: i64 = 3600;

/// What the newer generations say about the time of the next older one.
#[derive(Default)]
pub(super) struct Order {
    /// The oldest line of this host that was read.
    oldest: Option<Timestamp>,
    /// The earliest last change of a newer file.
    changed: Option<Timestamp>,
}

impl Order {
    /// No line of the next older generation is later than this: than its last change, unless a copy made that.
    pub(super) fn no_later(&mut self, generation: &Generation) -> Timestamp {
        let modified = generation.modified.unwrap_or_else(Timestamp::now);
        // Files that were copied without their times were all changed at about the same time.
        let copied = self.changed.is_some_and(|changed| changed.as_second() - modified.as_second() < COPIED);
        self.changed = Some(self.changed.map_or(modified, |changed| changed.min(modified)));
        match self.oldest {
            Some(oldest) if copied && with_slack(oldest) < modified => oldest,
            _ => modified,
        }
    }

    pub(super) fn read(&mut self, time: Timestamp) {
        self.oldest = Some(self.oldest.map_or(time, |oldest| oldest.min(time)));
    }
}

/// One generation and what is looked for in it.
pub(super) struct Reading<'a> {
    pub(super) file: &'a File,
    pub(super) generation: &'a Generation,
    pub(super) matcher: &'a Matcher<'a>,
    /// No line is later than this.
    pub(super) reference: Timestamp,
    pub(super) order: &'a mut Order,
}

/// Whether all of it is older than what is looked for.
pub(super) fn is_before(generation: &Generation, query: &Query) -> bool {
    match (generation.modified, query.since) {
        (Some(modified), Some(since)) => with_slack(modified) < since,
        _ => false,
    }
}

pub(super) fn with_file<T>(
    generation: &Generation,
    index: usize,
    open: &mut Open<'_>,
    read: impl FnOnce(&File) -> io::Result<T>,
) -> Result<T, ReadError> {
    let named = |error: String| ReadError::File { path: generation.path.clone(), error };
    let file = open(index).map_err(named)?;
    read(&file).map_err(|error| named(error.to_string()))
}

fn backwards(
    reading: Reading<'_>,
    from: Option<Cursor>,
    meter: &mut Meter,
    sink: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> io::Result<Ended> {
    let (matcher, identity) = (reading.matcher, reading.generation.identity);
    let end = from.map_or(u64::MAX, |cursor| cursor.offset);
    dated_backwards(reading, end, true, meter, &mut |mark, time, reached| {
        let hit = mark.hit.filter(|_| matcher.in_time(time));
        match hit.and_then(|hit| matcher.entry(&hit, time, identity, reached)) {
            Some(entry) => sink(entry),
            None => ControlFlow::Continue(()),
        }
    })
}

/// Hands out the marks of a plain file before `end`, the last one first, each with its time and with what older lines are
/// no later than, until `take` breaks or the budget is used up. `keep`: with their lines.
pub(super) fn dated_backwards(
    reading: Reading<'_>,
    end: u64,
    keep: bool,
    meter: &mut Meter,
    take: &mut dyn FnMut(Mark, Timestamp, Timestamp) -> ControlFlow<()>,
) -> io::Result<Ended> {
    let Reading { file, generation, matcher, reference, order } = reading;
    let sample = sample_of(generation);
    let mut dating = Dating::backwards_from(reference, matcher.query.zone.clone());
    let mut blocks = Backwards::new(file, end.min(generation.size), meter.most());
    loop {
        let found = blocks.next().map(|block| {
            block.map(|(base, text)| {
                let first =
                    line::parse(line_at(text, 0)).map(|header| (header.stamp, !matcher.is_foreign(header.host)));
                (base, first, matcher.marks(base, text, sample, keep))
            })
        });
        meter.count(blocks.take_read());
        let Some((base, first, marks)) = found? else { break };
        let mut before = Before::new(matcher.query);
        for mark in marks.into_iter().rev() {
            let Some(time) = dating.date(mark.stamp, mark.own) else { continue };
            if mark.own {
                order.read(time);
                before.look(time);
            }
            if take(mark, time, dating.reached()).is_break() {
                return Ok(Ended::Enough);
            }
        }
        if before.all() {
            break;
        }
        // The block's first line is found again by its time.
        if base > 0
            && meter.is_used_up()
            && let Some(time) = first.and_then(|(stamp, own)| dating.clone().date(stamp, own))
        {
            let reached = dating.reached();
            let at = Cursor { identity: generation.identity, offset: base, time, reached, lost: None };
            return Ok(Ended::UsedUp(Some(Stop { at, back_to: reached })));
        }
    }
    Ok(Ended::Whole)
}

/// Whether a whole block is older than what is looked for, clocks that were set included. A single line is not enough
/// to stop at: whoever may log could hide all older lines with one.
struct Before {
    since: Option<Timestamp>,
    seen: bool,
    later: bool,
}

impl Before {
    fn new(query: &Query) -> Self {
        Self { since: query.since, seen: false, later: false }
    }

    fn look(&mut self, time: Timestamp) {
        self.seen = true;
        self.later |= self.since.is_none_or(|since| with_slack(time) >= since);
    }

    fn all(&self) -> bool {
        self.seen && !self.later
    }
}

/// An entry of a file that is read forwards, before it is dated.
struct Held {
    /// As [`Turns`] tells it; none while no line of this host's has been found behind another one's.
    year: Option<i32>,
    stamp: Stamp,
    own: bool,
    hit: Hit,
}

/// Reads a compressed file forwards, holding the last entries before the place wanted; once for most files.
fn held(
    reading: Reading<'_>,
    from: Option<Cursor>,
    meter: &mut Meter,
    sink: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> io::Result<Ended> {
    let Reading { file, generation, matcher, reference, order } = reading;
    let mut limit = from.map_or(u64::MAX, |cursor| cursor.offset);
    let place = limit;
    // Where the last time through ended.
    let mut stop: Option<Stop> = None;
    loop {
        let room = meter.room();
        let mut held: VecDeque<Held> = VecDeque::new();
        let mut held_bytes = 0;
        let mut dropped = false;
        let mut turns = Turns::new(&matcher.query.zone);
        // How many of another host's stand at the end of what is held.
        let mut undated = 0;
        // Whether the place to go on from was passed, and a line of this host's stands there or behind it.
        let (mut passed, mut own_behind) = (false, false);
        let mut ends = Ends::default();
        let mut blocks = Forwards::new(decompress(file, generation.compression)?, room);
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
            for Mark { stamp, own, hit, .. } in matcher.marks(base, block, sample_of(generation), true) {
                passed |= hit.as_ref().is_some_and(|hit| hit.offset >= place);
                own_behind |= passed && own;
                let year = own.then(|| turns.own(stamp));
                if let Some(year) = year {
                    ends.see(year, stamp);
                    for other in held.iter_mut().rev().take(std::mem::take(&mut undated)) {
                        if let Stamp::Yearless(stamp) = other.stamp {
                            other.year = Some(turns.before_last(stamp));
                        }
                    }
                }
                let Some(hit) = hit.filter(|hit| hit.offset < limit) else { continue };
                undated += usize::from(!own);
                held_bytes += hit.line.len() + hit.continuation.len();
                held.push_back(Held { year, stamp, own, hit });
                while held.len() > HELD_ENTRIES || held_bytes > HELD_BYTES {
                    if let Some(Held { hit: old, .. }) = held.pop_front() {
                        held_bytes -= old.line.len() + old.continuation.len();
                        dropped = true;
                    }
                }
            }
        }
        let size = blocks.read();
        meter.count(size);
        if blocks.is_given_up() {
            return given_up(meter, room, stop);
        }
        let next_limit = held.front().map(|held| held.hit.offset);
        // Whoever goes on with this file before its newest line was told when that was written; who goes on behind it, among
        // lines of other hosts, what it is no later than.
        let told = from.is_some() && (own_behind || !passed);
        let newest = ends.newest.map(|(year, stamp)| (year, if told { Stamp::Exact(reference) } else { stamp }));
        let mut years = Years::ending(newest, reference, &matcher.query.zone);
        let mut reached = years.newest();
        let (mut oldest, mut back_to) = (reached, reached);
        for (index, Held { year, stamp, own, hit }) in held.into_iter().rev().enumerate() {
            reached = if index < undated { reference } else { years.newest() };
            let Some(time) = years.date(year, stamp, own) else { continue };
            oldest = time;
            back_to = if own { time } else { back_to };
            if matcher.in_time(time)
                && let Some(entry) = matcher.entry(&hit, time, generation.identity, reached)
                && sink(entry).is_break()
            {
                return Ok(Ended::Enough);
            }
        }
        if let Some(time) = ends.oldest.and_then(|(year, stamp)| years.date(Some(year), stamp, true)) {
            order.read(time);
        }
        match (next_limit, broken) {
            (Some(next), _) if dropped => {
                limit = next;
                let at = Cursor { identity: generation.identity, offset: next, time: oldest, reached, lost: None };
                stop = Some(Stop { at, back_to });
                // Once more from its beginning: only if it can be read to its end.
                if meter.is_used_up() || meter.room() < size {
                    return Ok(Ended::UsedUp(stop));
                }
            }
            (_, Some(error)) => return Err(error),
            (_, None) => return Ok(Ended::Whole),
        }
    }
}

/// The first and the last of this host's lines in a file that is read forwards, with their years.
#[derive(Default)]
pub(super) struct Ends {
    pub(super) oldest: Option<(i32, Stamp)>,
    pub(super) newest: Option<(i32, Stamp)>,
}

impl Ends {
    pub(super) fn see(&mut self, year: i32, stamp: Stamp) {
        self.oldest.get_or_insert((year, stamp));
        self.newest = Some((year, stamp));
    }
}

/// One page, newest first, and where the next one begins.
///
/// A compressed file is read from its beginning whatever is wanted of it. A page that has entries goes no further than the
/// budget's `packed_for_more`, and one that has none no further than its `text`: the next page reads on, and the summary
/// says where this one left off.
pub fn newest(
    generations: &[Generation],
    open: &mut Open<'_>,
    query: &Query,
    cursor: Option<Cursor>,
    limit: usize,
    budget: Budget,
) -> (Vec<Entry>, Option<Cursor>, Summary) {
    let mut entries: Vec<Entry> = Vec::new();
    let any = Cell::new(false);
    let mut more = false;
    let mut packed = 0;
    let mut wanted = |generation: &Generation| {
        if generation.compression != Compression::Plain {
            packed += generation.size;
        }
        packed <= budget.packed_for_more || !any.get()
    };
    let summary = walk(generations, open, query, cursor, budget, &mut wanted, &mut |entry| {
        if entries.len() == limit {
            more = true;
            return ControlFlow::Break(());
        }
        entries.push(entry);
        any.set(true);
        ControlFlow::Continue(())
    });
    let next = match &summary.left_off {
        Some(left) => Some(left.cursor),
        None => entries.last().filter(|_| more).map(|entry| entry.cursor),
    };
    (entries, next, summary)
}

/// A time as people write it in a filter: RFC 3339, `2026-11-23`, `2026-11-23 20:20`, or `30m`, `2h`, `7d` ago.
pub(crate) fn parse_time(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, ReadError> {
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

/// A time of whole seconds as [`parse_time`] takes it: in the host's zone, but for an hour that comes twice there.
pub(crate) fn written_time(time: Timestamp, zone: &TimeZone) -> String {
    let local = time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    if parse_time(&local, zone, time).is_ok_and(|parsed| parsed == time) { local } else { time.to_string() }
}
