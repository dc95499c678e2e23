//! Entries of a log and its rotated generations, newest first: pages, exports, counts, and what is appended.

use super::blocks::{Backwards, Forwards, LONGEST_LINE, LONGEST_TEXT, MOST_CONTINUATIONS, decompress, last_entry};
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
use std::cell::Cell;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

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
    /// What older lines are no later than: this host's last line up to here.
    pub reached: Timestamp,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (time, reached) = (self.time.as_millisecond(), self.reached.as_second());
        write!(f, "{}.{}.{}.{time}.{reached}", self.identity.0, self.identity.1, self.offset)
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
        if parts.next().is_some() {
            return Err(ReadError::Cursor);
        }
        Ok(Self {
            identity,
            offset,
            time: Timestamp::from_millisecond(time).map_err(|_| ReadError::Cursor)?,
            reached: Timestamp::from_second(reached).map_err(|_| ReadError::Cursor)?,
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
    /// The file before which a page ended early.
    pub unread: Option<String>,
}

/// A line of pot's as found, before it is dated.
struct Hit {
    offset: u64,
    line: Vec<u8>,
    /// Whether the line was longer.
    cut: bool,
    continuation: Vec<u8>,
    times: u64,
}

/// What the order of lines is known by: a time stamp, and the line when it was looked for.
struct Mark {
    stamp: Stamp,
    /// Whether it is this host's line: only those follow one another in time.
    own: bool,
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
                    let own = !self.is_foreign(header.host);
                    marks.push(Mark { stamp: header.stamp, own, hit: None, counted: false });
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
        (Mark { stamp: header.stamp, own: !self.is_foreign(header.host), hit, counted: true }, end)
    }

    fn entry(&self, hit: &Hit, time: Timestamp, identity: (u64, u64), reached: Timestamp) -> Option<Entry> {
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
            cursor: Cursor { identity, offset: hit.offset, time, reached },
        })
    }

    fn is_foreign(&self, host: &[u8]) -> bool {
        !self.query.hostname.is_empty() && !same_host(host, self.query.hostname.as_bytes())
    }

    fn in_time(&self, time: Timestamp) -> bool {
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
    walk(generations, open, query, cursor, &mut |_| true, sink)
}

/// The same, as long as each further file is wanted.
fn walk(
    generations: &[Generation],
    open: &mut Open<'_>,
    query: &Query,
    cursor: Option<Cursor>,
    wanted: &mut dyn FnMut(&Generation) -> bool,
    sink: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Summary {
    let mut summary = Summary::default();
    let matcher = Matcher::new(query);
    let found = cursor.and_then(|cursor| {
        let index = generations.iter().position(|generation| generation.identity == cursor.identity)?;
        holds(&generations[index], index, open, cursor, &query.zone).then_some(index)
    });
    // The file was rotated away or compressed since: go on after the same line, or by time.
    let mut missed = cursor.filter(|_| found.is_none());
    let mut sink = |entry: Entry| {
        if let Some(cursor) = missed {
            let (time, place) = (entry.time.as_millisecond(), cursor.time.as_millisecond());
            if time == place && entry.cursor.offset == cursor.offset {
                missed = None;
                return ControlFlow::Continue(());
            }
            if time >= place {
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
        if found.is_some_and(|found| index < found) || is_before(generation, query) {
            continue;
        }
        if !wanted(generation) {
            summary.unread = Some(generation.path.clone());
            break;
        }
        let read = with_file(generation, index, open, |file| {
            let reading = Reading { file, generation, matcher: &matcher, reference, order: &mut order };
            if generation.compression == Compression::Plain {
                backwards(reading, from, &mut summary.bytes, &mut sink)
            } else {
                held(reading, from, &mut summary.bytes, &mut sink)
            }
        });
        match read {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => break,
            Err(error) => summary.problems.push(error),
        }
    }
    summary
}

/// Whether the file is the one that the cursor was given out for: numbers of removed files are used again.
fn holds(generation: &Generation, index: usize, open: &mut Open<'_>, cursor: Cursor, zone: &TimeZone) -> bool {
    if generation.compression != Compression::Plain {
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

/// What the newer generations say about the time of the next older one.
#[derive(Default)]
struct Order {
    /// The oldest line of this host that was read.
    oldest: Option<Timestamp>,
    /// The earliest last change of a newer file.
    changed: Option<Timestamp>,
}

impl Order {
    /// No line of the next older generation is later than this: than its last change, unless a copy made that.
    fn no_later(&mut self, generation: &Generation) -> Timestamp {
        let modified = generation.modified.unwrap_or_else(Timestamp::now);
        // Files that were copied without their times were all changed at about the same time.
        let copied = self.changed.is_some_and(|changed| changed.as_second() - modified.as_second() < 3600);
        self.changed = Some(self.changed.map_or(modified, |changed| changed.min(modified)));
        match self.oldest {
            Some(oldest) if copied && with_slack(oldest) < modified => oldest,
            _ => modified,
        }
    }

    fn read(&mut self, time: Timestamp) {
        self.oldest = Some(self.oldest.map_or(time, |oldest| oldest.min(time)));
    }
}

/// One generation and what is looked for in it.
struct Reading<'a> {
    file: &'a File,
    generation: &'a Generation,
    matcher: &'a Matcher<'a>,
    /// No line is later than this.
    reference: Timestamp,
    order: &'a mut Order,
}

/// Whether all of it is older than what is looked for.
fn is_before(generation: &Generation, query: &Query) -> bool {
    match (generation.modified, query.since) {
        (Some(modified), Some(since)) => with_slack(modified) < since,
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

fn backwards(
    reading: Reading<'_>,
    from: Option<Cursor>,
    bytes: &mut u64,
    sink: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let Reading { file, generation, matcher, reference, order } = reading;
    let end = from.map_or(generation.size, |cursor| cursor.offset.min(generation.size));
    let sample = if generation.size <= SAMPLE_ALL_BELOW { 1 } else { SAMPLE };
    let mut dating = Dating::backwards_from(reference, matcher.query.zone.clone());
    let mut blocks = Backwards::new(file, end);
    while let Some((base, block)) = blocks.next()? {
        *bytes += block.len() as u64;
        let mut before = Before::new(matcher.query);
        for mark in matcher.marks(base, block, sample, true).into_iter().rev() {
            let Some(time) = dating.date(mark.stamp, mark.own) else { continue };
            if mark.own {
                order.read(time);
                before.look(time);
            }
            if let Some(entry) = mark
                .hit
                .filter(|_| matcher.in_time(time))
                .and_then(|hit| matcher.entry(&hit, time, generation.identity, dating.reached()))
                && sink(entry).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        if before.all() {
            break;
        }
    }
    Ok(ControlFlow::Continue(()))
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

/// Reads a compressed file forwards, holding the last entries before the place wanted; once for most files.
fn held(
    reading: Reading<'_>,
    from: Option<Cursor>,
    bytes: &mut u64,
    sink: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let Reading { file, generation, matcher, reference, order } = reading;
    let mut limit = from.map_or(u64::MAX, |cursor| cursor.offset);
    loop {
        let mut held: VecDeque<(u16, Stamp, bool, Hit)> = VecDeque::new();
        let mut held_bytes = 0;
        let mut dropped = false;
        let mut turns = Turns::default();
        let mut ends = Ends::default();
        let mut left_off = None;
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
                let turn = turns.at(mark.stamp, mark.own);
                ends.see(turn, &mark);
                let Some(hit) = mark.hit else { continue };
                if from.is_some_and(|cursor| cursor.offset == hit.offset) {
                    left_off = Some((turn, Stamp::Exact(reference)));
                }
                if hit.offset >= limit {
                    continue;
                }
                held_bytes += hit.line.len() + hit.continuation.len();
                held.push_back((turn, mark.stamp, mark.own, hit));
                while held.len() > HELD_ENTRIES || held_bytes > HELD_BYTES {
                    if let Some((_, _, _, old)) = held.pop_front() {
                        held_bytes -= old.line.len() + old.continuation.len();
                        dropped = true;
                    }
                }
            }
        }
        let next_limit = held.front().map(|(_, _, _, hit)| hit.offset);
        let mut years = Years::ending(left_off.or(ends.newest), reference, &matcher.query.zone);
        for (turn, stamp, own, hit) in held.into_iter().rev() {
            let Some(time) = years.date(turn, stamp, own) else { continue };
            if matcher.in_time(time)
                && let Some(entry) = matcher.entry(&hit, time, generation.identity, years.dating.reached())
                && sink(entry).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        if let Some(time) = ends.oldest.and_then(|(turn, stamp)| years.date(turn, stamp, true)) {
            order.read(time);
        }
        match (next_limit, broken) {
            (Some(next), _) if dropped => limit = next,
            (_, Some(error)) => return Err(error),
            (_, None) => return Ok(ControlFlow::Continue(())),
        }
    }
}

/// The first and the last of this host's lines in a file that is read forwards, with the turns of the year before them.
#[derive(Default)]
struct Ends {
    oldest: Option<(u16, Stamp)>,
    newest: Option<(u16, Stamp)>,
}

impl Ends {
    fn see(&mut self, turn: u16, mark: &Mark) {
        if mark.own {
            self.oldest.get_or_insert((turn, mark.stamp));
            self.newest = Some((turn, mark.stamp));
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
    fn ending(newest: Option<(u16, Stamp)>, reference: Timestamp, zone: &TimeZone) -> Self {
        let mut dating = Dating::backwards_from(reference, zone.clone());
        let (newest_turn, year) = match newest {
            Some((turn, stamp)) => {
                (turn, dating.date(stamp, true).map(|time| time.to_zoned_datetime(zone.clone()).year()))
            }
            None => (0, Some(reference.to_zoned_datetime(zone.clone()).year())),
        };
        Self { dating, zone: zone.clone(), newest_turn, newest_year: year.unwrap_or(2000) }
    }

    fn date(&mut self, turn: u16, stamp: Stamp, own: bool) -> Option<Timestamp> {
        if let Stamp::Yearless(stamp) = stamp {
            // Turns between two lines that were looked for are not seen by their order alone.
            let year = self.newest_year.checked_sub(i16::try_from(self.newest_turn - turn).ok()?)?;
            let end = DateTime::from_parts(Date::new(year, 12, 31).ok()?, jiff::civil::Time::MAX);
            let end = end.to_zoned_datetime(self.zone.clone()).ok()?.timestamp();
            let dated =
                self.dating.clone().date(Stamp::Yearless(stamp), own)?.to_zoned_datetime(self.zone.clone()).year();
            if own && dated != year {
                self.dating = Dating::backwards_from(end, self.zone.clone());
            } else if !own && dated > year {
                return Dating::backwards_from(end, self.zone.clone()).date(Stamp::Yearless(stamp), false);
            }
        }
        self.dating.date(stamp, own)
    }
}

/// One page, newest first, and where the next one begins.
///
/// A compressed file is read from its beginning whatever is wanted of it. A page that has entries goes no further than
/// `most_packed` bytes of such files: the next page reads on, and the summary names the file.
pub fn newest(
    generations: &[Generation],
    open: &mut Open<'_>,
    query: &Query,
    cursor: Option<Cursor>,
    limit: usize,
    most_packed: u64,
) -> (Vec<Entry>, Option<Cursor>, Summary) {
    let mut entries: Vec<Entry> = Vec::new();
    let any = Cell::new(false);
    let mut more = false;
    let mut packed = 0;
    let mut wanted = |generation: &Generation| {
        if generation.compression != Compression::Plain {
            packed += generation.size;
        }
        packed <= most_packed || !any.get()
    };
    let summary = walk(generations, open, query, cursor, &mut wanted, &mut |entry| {
        if entries.len() == limit {
            more = true;
            return ControlFlow::Break(());
        }
        entries.push(entry);
        any.set(true);
        ControlFlow::Continue(())
    });
    let next = entries.last().filter(|_| more || summary.unread.is_some()).map(|entry| entry.cursor);
    (entries, next, summary)
}

/// Counts over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Histogram {
    /// Where the first bar begins.
    pub since: Timestamp,
    /// Where the last bar ends.
    pub until: Timestamp,
    /// Lines per bar.
    pub bars: Vec<u64>,
    /// All lines of the query in that time.
    pub total: u64,
}

impl Histogram {
    /// Where the bar with this index begins; with their number: where the last one ends. Whole seconds, so that the
    /// lines of a bar are those from its edge to the next.
    pub fn edge(&self, index: usize) -> Timestamp {
        let (since, until) = (self.since.as_second(), self.until.as_second());
        Timestamp::from_second(edge(since, until, self.bars.len(), index)).unwrap_or(self.until)
    }
}

/// Counts the query's lines in at most `bars` equal parts of its time (without a beginning: of all that is there).
pub fn histogram(generations: &[Generation], open: &mut Open<'_>, query: &Query, bars: usize) -> (Histogram, Summary) {
    let mut summary = Summary::default();
    let matcher = Matcher::new(query);
    let newest = generations.iter().filter_map(|generation| generation.modified).max();
    let mut tally = Tally::new(query, newest, bars.max(1));
    let mut order = Order::default();
    for (index, generation) in generations.iter().enumerate() {
        let reference = order.no_later(generation);
        if is_before(generation, query) {
            continue;
        }
        let counted = with_file(generation, index, open, |file| {
            let reading = Reading { file, generation, matcher: &matcher, reference, order: &mut order };
            if generation.compression == Compression::Plain {
                count_backwards(reading, &mut summary.bytes, &mut tally)
            } else {
                count_forwards(reading, &mut summary.bytes, &mut tally)
            }
        });
        if let Err(error) = counted {
            summary.problems.push(error);
        }
    }
    (tally.histogram(), summary)
}

fn count_backwards(reading: Reading<'_>, bytes: &mut u64, tally: &mut Tally) -> io::Result<()> {
    let Reading { file, generation, matcher, reference, order } = reading;
    let sample = if generation.size <= SAMPLE_ALL_BELOW { 1 } else { SAMPLE };
    let mut dating = Dating::backwards_from(reference, matcher.query.zone.clone());
    let mut blocks = Backwards::new(file, generation.size);
    while let Some((base, block)) = blocks.next()? {
        *bytes += block.len() as u64;
        let mut before = Before::new(matcher.query);
        for mark in matcher.marks(base, block, sample, false).into_iter().rev() {
            let Some(time) = dating.date(mark.stamp, mark.own) else { continue };
            if mark.own {
                order.read(time);
                before.look(time);
            }
            if mark.counted && matcher.in_time(time) {
                tally.count(time, 1);
            }
        }
        if before.all() {
            break;
        }
    }
    Ok(())
}

fn count_forwards(reading: Reading<'_>, bytes: &mut u64, tally: &mut Tally) -> io::Result<()> {
    let Reading { file, generation, matcher, reference, order } = reading;
    // The year is known only at the end. Per minute, so that memory is bounded by the time that the file covers;
    // where a bar or the time asked for begins or ends, per second.
    let fine = tally.fine_minutes(matcher.query);
    let mut per_minute: BTreeMap<(u16, i64, bool), (Stamp, u64)> = BTreeMap::new();
    let mut turns = Turns::default();
    let mut ends = Ends::default();
    let mut blocks = Forwards::new(decompress(file, generation.compression)?);
    // What stands before a damage is counted, as it is listed.
    let ended = loop {
        let (base, block) = match blocks.next() {
            Ok(Some(found)) => found,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        *bytes += block.len() as u64;
        for mark in matcher.marks(base, block, SAMPLE, false) {
            let turn = turns.at(mark.stamp, mark.own);
            ends.see(turn, &mark);
            if !mark.counted {
                continue;
            }
            match mark.stamp {
                Stamp::Exact(time) if matcher.in_time(time) => tally.count(time, 1),
                Stamp::Exact(_) => {}
                Stamp::Yearless(stamp) => {
                    let minute = minute_of_year(stamp);
                    let second = if fine.contains(&minute) { i64::from(stamp.second()) } else { 0 };
                    let key = (turn, minute * 60 + second, mark.own);
                    per_minute.entry(key).or_insert((mark.stamp, 0)).1 += 1;
                }
            }
        }
    };
    let mut years = Years::ending(ends.newest, reference, &matcher.query.zone);
    for ((turn, _, own), (stamp, lines)) in per_minute.into_iter().rev() {
        if let Some(time) = years.date(turn, stamp, own)
            && matcher.in_time(time)
        {
            tally.count(time, lines);
        }
    }
    if let Some(time) = ends.oldest.and_then(|(turn, stamp)| years.date(turn, stamp, true)) {
        order.read(time);
    }
    ended
}

/// A yearless stamp's minute in its leap year.
fn minute_of_year(stamp: DateTime) -> i64 {
    i64::from(stamp.day_of_year()) * 1440 + i64::from(stamp.hour()) * 60 + i64::from(stamp.minute())
}

/// Where bar `index` of `bars` begins.
fn edge(since: i64, until: i64, bars: usize, index: usize) -> i64 {
    let (index, bars) = (index as i128, bars.max(1) as i128);
    let past = i128::from(until - since) * index;
    since + i64::try_from((past + bars - 1).div_euclid(bars)).unwrap_or_default()
}

/// Counts in the making.
enum Tally {
    /// The time is known beforehand.
    Fixed { since: i64, until: i64, counts: Vec<u64> },
    /// Where the counts begin shows at the end: per `unit` seconds meanwhile.
    Open { unit: i64, counts: BTreeMap<i64, u64>, bars: usize },
}

/// Counts held while the time is not known. Ten years have as many hours.
const MOST_UNITS: usize = 100_000;

impl Tally {
    fn new(query: &Query, newest: Option<Timestamp>, bars: usize) -> Self {
        let Some(since) = query.since else { return Self::Open { unit: 60, counts: BTreeMap::new(), bars } };
        let since = since.as_second();
        let until = match query.until {
            Some(until) => until.as_second() + i64::from(until.subsec_nanosecond() > 0),
            None => newest.map_or(i64::MIN, Timestamp::as_second).max(Timestamp::now().as_second()) + 1,
        };
        Self::Fixed { since, until: until.max(since + 1), counts: vec![0; bars] }
    }

    fn count(&mut self, time: Timestamp, lines: u64) {
        let second = time.as_second();
        match self {
            Self::Fixed { since, until, counts } => {
                let past = i128::from((second - *since).clamp(0, *until - *since - 1));
                let bar = past * counts.len() as i128 / i128::from(*until - *since);
                if let Some(count) = usize::try_from(bar).ok().and_then(|bar| counts.get_mut(bar)) {
                    *count += lines;
                }
            }
            Self::Open { unit, counts, .. } => {
                *counts.entry(second.div_euclid(*unit)).or_default() += lines;
                if counts.len() > MOST_UNITS {
                    *unit *= 60;
                    for (at, lines) in std::mem::take(counts) {
                        *counts.entry(at.div_euclid(60)).or_default() += lines;
                    }
                }
            }
        }
    }

    /// The minutes of a year in which a bar or the time asked for begins or ends.
    fn fine_minutes(&self, query: &Query) -> HashSet<i64> {
        let mut edges: Vec<i64> = query.since.iter().chain(&query.until).map(|time| time.as_second()).collect();
        if let Self::Fixed { since, until, counts } = self {
            edges.extend((0..=counts.len()).map(|index| edge(*since, *until, counts.len(), index)));
        }
        let civil =
            |second| Timestamp::from_second(second).ok()?.to_zoned_datetime(query.zone.clone()).datetime().into();
        edges
            .into_iter()
            .filter_map(civil)
            .filter_map(|at: DateTime| at.with().year(2000).build().ok())
            .map(minute_of_year)
            .collect()
    }

    fn histogram(self) -> Histogram {
        let (since, until, bars) = match self {
            Self::Fixed { since, until, counts } => (since, until, counts),
            Self::Open { unit, counts, bars } => {
                let first = counts.keys().next().copied().unwrap_or_default();
                let last = counts.keys().next_back().map_or(first + 1, |last| last + 1);
                let most = i64::try_from(bars).unwrap_or(i64::MAX);
                let width = (last - first - 1) / most + 1;
                let number = (last - first - 1) / width + 1;
                let mut parts = vec![0; usize::try_from(number).unwrap_or(1)];
                for (at, lines) in counts {
                    if let Some(part) = usize::try_from((at - first) / width).ok().and_then(|at| parts.get_mut(at)) {
                        *part += lines;
                    }
                }
                (first * unit, (first + width * number) * unit, parts)
            }
        };
        let time = |second, otherwise| Timestamp::from_second(second).unwrap_or(otherwise);
        let (since, until) = (time(since, Timestamp::MIN), time(until, Timestamp::MAX));
        Histogram { since, until, total: bars.iter().sum(), bars }
    }
}

/// How far a log was told to someone who follows it. Written as text it is where a stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Device and inode of the file that was followed.
    pub identity: (u64, u64),
    /// What was told of it, in bytes from its beginning.
    pub offset: u64,
    /// When that file had last been written to, in seconds of the Unix epoch: what it is found by when it was packed
    /// since. None: it was not looked at since it was begun.
    pub written: Option<i64>,
}

impl Told {
    /// Where the file stands among generations, newest first, by what each is and when it was last changed. Packed
    /// since, it is another file that was last changed when that one was.
    pub fn place_in(
        &self,
        generations: impl DoubleEndedIterator<Item = ((u64, u64), Option<Timestamp>)> + ExactSizeIterator + Clone,
    ) -> Option<usize> {
        generations.clone().position(|(identity, _)| identity == self.identity).or_else(|| {
            let written = self.written?;
            let mut changed = generations.map(|(_, modified)| modified.map(Timestamp::as_second));
            changed.rposition(|changed| changed.is_some_and(|changed| changed >= written))
        })
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let written = self.written.unwrap_or(i64::MIN);
        write!(f, "{}.{}.{}.{written}", self.identity.0, self.identity.1, self.offset)
    }
}

impl std::str::FromStr for Told {
    type Err = ReadError;
    fn from_str(text: &str) -> Result<Self, ReadError> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(ReadError::Cursor);
        let number = |text: &str| text.parse::<u64>().map_err(|_| ReadError::Cursor);
        let (identity, offset) = ((number(next()?)?, number(next()?)?), number(next()?)?);
        let written = next()?.parse::<i64>().map_err(|_| ReadError::Cursor)?;
        match next() {
            Ok(_) => Err(ReadError::Cursor),
            Err(_) => Ok(Self { identity, offset, written: Some(written).filter(|at| *at != i64::MIN) }),
        }
    }
}

/// Hands out, in parts and oldest first, what was logged after `told` in the files that are no longer the live one,
/// which is the first of `generations`; each part with how far that tells. Several rotations may lie between.
///
/// # Errors
/// A file cannot be read, or is not the one that was listed any more: the list is made anew then.
pub fn missed(
    generations: &[Generation],
    open: &mut Open<'_>,
    query: &Query,
    told: Told,
    sink: &mut dyn FnMut(Vec<Entry>, Told) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let seconds = |generation: &Generation| generation.modified.map(Timestamp::as_second);
    let files = generations.iter().map(|generation| (generation.identity, generation.modified));
    let Some(place) = told.place_in(files) else { return Ok(()) };
    for (index, generation) in generations.iter().enumerate().take(place + 1).skip(1).rev() {
        let from = if index == place { told.offset } else { 0 };
        let done = |offset| Told { identity: generation.identity, offset, written: seconds(generation) };
        let file = open(index).map_err(|error| ReadError::File { path: generation.path.clone(), error })?;
        let failed = |error: io::Error| ReadError::File { path: generation.path.clone(), error: error.to_string() };
        if generation.compression == Compression::Plain {
            let mut follower = Follower::at(file, from).map_err(failed)?;
            if follower.identity() != generation.identity {
                return Err(failed(io::Error::other("it was rotated meanwhile")));
            }
            loop {
                let before = follower.offset;
                let entries = follower.poll(query).map_err(failed)?;
                if follower.offset == before {
                    break;
                }
                if sink(entries, done(follower.offset)).is_break() {
                    return Ok(());
                }
            }
        } else {
            let mut entries = Vec::new();
            let one = std::slice::from_ref(generation);
            let mut file = Some(file);
            let mut again = |_| file.take().map_or_else(|| open(index), Ok);
            let summary = each(one, &mut again, query, None, &mut |entry| {
                if entry.cursor.offset < from {
                    return ControlFlow::Break(());
                }
                entries.push(entry);
                ControlFlow::Continue(())
            });
            if let Some(error) = summary.problems.into_iter().next() {
                return Err(error);
            }
            entries.reverse();
            if sink(entries, done(u64::MAX)).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Follows a file: what is appended, from where the last look ended.
#[derive(Debug)]
pub struct Follower {
    file: File,
    identity: (u64, u64),
    offset: u64,
    written: Option<i64>,
    last: Option<Entry>,
}

impl Follower {
    /// Follows `file` from its present end.
    pub fn new(file: File) -> io::Result<Self> {
        let end = file.metadata()?.len();
        Self::at(file, end)
    }

    /// Follows `file` from what was told of it.
    pub fn at(file: File, offset: u64) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { file, identity: (metadata.dev(), metadata.ino()), offset, written: None, last: None })
    }

    /// Device and inode of the file that is followed.
    pub fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// How far it was told.
    pub fn told(&self) -> Told {
        Told { identity: self.identity, offset: self.offset, written: self.written }
    }

    /// Entries of whole lines that were appended since the last call, oldest first, at most about a thousand.
    pub fn poll(&mut self, query: &Query) -> io::Result<Vec<Entry>> {
        let metadata = self.file.metadata()?;
        let size = metadata.len();
        self.written = Some(metadata.mtime());
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
            if let (Some(time), Some(hit)) = (dating.date(mark.stamp, mark.own), mark.hit)
                && matcher.in_time(time)
                && let Some(entry) = matcher.entry(&hit, time, self.identity, dating.reached())
            {
                entries.push(entry);
            }
        }
        // `last message repeated …` may come later: what it repeats is the last line, and only if that was wanted.
        if let Some(start) = last_entry(block) {
            let offset = self.offset + start as u64;
            self.last = entries.last().filter(|entry| entry.cursor.offset == offset).cloned();
        }
        self.offset += end as u64;
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
