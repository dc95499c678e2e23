//! Counts over time: all of the log is read as far as the budget goes, but nothing of it is kept.

use super::blocks::{Forwards, decompress};
use super::budget::{Budget, Meter};
use super::clock::{Turns, Years};
use super::line::Stamp;
use super::meaning::Kind;
use super::read::{
    COPIED, Ended, Ends, Generation, Matcher, Open, Order, Query, Reading, Summary, dated_backwards, given_up,
    is_before, sample_of, with_file,
};
use crate::executor::protocol::Compression;
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::ops::ControlFlow;

/// Lines, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// In the order of [`Kind::ALL`].
    by_kind: [u64; Kind::ALL.len()],
    /// Those that say their level: of all others it is not known whether they are errors.
    pub with_level: u64,
}

impl Counts {
    /// Lines of this kind.
    pub fn of(&self, kind: Kind) -> u64 {
        self.by_kind[kind as usize]
    }

    /// Lines of all kinds.
    pub fn total(&self) -> u64 {
        self.by_kind.iter().sum()
    }

    /// The kinds that there are lines of, each with their number, in the order of [`Kind::ALL`].
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (Kind, u64)> + '_ {
        Kind::ALL.into_iter().map(|kind| (kind, self.of(kind))).filter(|(_, lines)| *lines > 0)
    }

    fn one((kind, with_level): (Kind, bool)) -> Self {
        let mut counts = Self { with_level: u64::from(with_level), ..Self::default() };
        counts.by_kind[kind as usize] = 1;
        counts
    }

    fn add(&mut self, other: &Self) {
        for (own, more) in self.by_kind.iter_mut().zip(other.by_kind) {
            *own += more;
        }
        self.with_level += other.with_level;
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, counts| {
            sum.add(&counts);
            sum
        })
    }
}

/// A time in which lines may be missing in counts, because a file could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Unread {
    /// What the file's lines are not older than; none: that is not known.
    pub(crate) from: Option<Timestamp>,
    /// What they are not later than.
    pub(crate) until: Timestamp,
    /// The file.
    pub(crate) path: String,
}

/// Counts over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Histogram {
    /// Where the first bar begins.
    pub since: Timestamp,
    /// Where the last bar ends.
    pub until: Timestamp,
    /// Lines per bar.
    pub bars: Vec<Counts>,
    /// All lines of the query in that time.
    pub total: u64,
    /// Lines from this time on were counted, older ones were not: there was too much to read. None: all were.
    pub(crate) counted_from: Option<Timestamp>,
    /// Where a file could not be read to its end: what was found of it is counted.
    pub(crate) unread: Vec<Unread>,
}

impl Histogram {
    /// Where the bar with this index begins; with their number: where the last one ends. Whole seconds, so that the
    /// lines of a bar are those from its edge to the next.
    pub(crate) fn edge(&self, index: usize) -> Timestamp {
        let (since, until) = (self.since.as_second(), self.until.as_second());
        Timestamp::from_second(edge(since, until, self.bars.len(), index)).unwrap_or(self.until)
    }
}

/// Counts the query's lines in at most `bars` equal parts of its time (without a beginning: of all that is there), from
/// the newest on until the budget is used up.
pub fn histogram(
    generations: &[Generation],
    open: &mut Open<'_>,
    query: &Query,
    bars: usize,
    budget: Budget,
) -> (Histogram, Summary) {
    let mut summary = Summary::default();
    let mut meter = Meter::new(budget);
    let (mut counted_from, mut unread) = (None, Vec::new());
    let matcher = Matcher::new(query);
    let newest = generations.iter().filter_map(|generation| generation.modified).max();
    let mut tally = Tally::new(query, newest, bars.max(1));
    let mut order = Order::default();
    for (index, generation) in generations.iter().enumerate() {
        let reference = order.no_later(generation);
        if is_before(generation, query) {
            continue;
        }
        if meter.is_used_up() {
            counted_from = Some(reference);
            break;
        }
        let counted = with_file(generation, index, open, |file| {
            let reading = Reading { file, generation, matcher: &matcher, reference, order: &mut order };
            if generation.compression == Compression::Plain {
                dated_backwards(reading, u64::MAX, false, &mut meter, &mut |mark, time, _| {
                    if let Some(line) = mark.counted
                        && matcher.in_time(time)
                    {
                        tally.count(time, &Counts::one(line));
                    }
                    ControlFlow::Continue(())
                })
            } else {
                count_forwards(reading, &mut meter, &mut tally)
            }
        });
        match counted {
            Ok(Ended::Whole | Ended::Enough) => {}
            Ok(Ended::UsedUp(stop)) => {
                counted_from = Some(stop.map_or(reference, |stop| stop.back_to));
                break;
            }
            Err(error) => {
                let from = older_than(generations, index, reference);
                unread.push(Unread { from, until: reference, path: generation.path.clone() });
                summary.problems.push(error);
            }
        }
    }
    summary.bytes = meter.spent();
    (Histogram { counted_from, unread, ..tally.histogram() }, summary)
}

/// What the lines of a generation, which are no later than `reference`, are not older than: the last change of the next
/// older one. None where there is none, or where copying the files has given all of them the same time.
fn older_than(generations: &[Generation], index: usize, reference: Timestamp) -> Option<Timestamp> {
    let older = generations.get(index + 1)?.modified?;
    (reference.as_second() - older.as_second() >= COPIED).then_some(older)
}

fn count_forwards(reading: Reading<'_>, meter: &mut Meter, tally: &mut Tally) -> io::Result<Ended> {
    let Reading { file, generation, matcher, reference, order } = reading;
    // The year is known only at the end. Per minute, so that memory is bounded by the time that the file covers;
    // where a bar or the time asked for begins or ends, per second.
    let fine = tally.fine_minutes(matcher.query);
    let mut counted: BTreeMap<(i32, i64, bool), (Stamp, Counts)> = BTreeMap::new();
    // Another host's, until this one's next line tells their year.
    let mut undated: BTreeMap<i64, (DateTime, Counts)> = BTreeMap::new();
    let mut turns = Turns::new(&matcher.query.zone);
    let mut ends = Ends::default();
    let (room, before) = (meter.room(), tally.clone());
    let mut blocks = Forwards::new(decompress(file, generation.compression)?, room);
    // What stands before a damage is counted, as it is listed.
    let ended = loop {
        let (base, block) = match blocks.next() {
            Ok(Some(found)) => found,
            Ok(None) => break Ok(Ended::Whole),
            Err(error) => break Err(error),
        };
        for mark in matcher.marks(base, block, sample_of(generation), false) {
            let year = mark.own.then(|| turns.own(mark.stamp));
            if let Some(year) = year {
                ends.see(year, mark.stamp);
                for (second, (stamp, lines)) in std::mem::take(&mut undated) {
                    let key = (turns.before_last(stamp), second, false);
                    counted.entry(key).or_insert((Stamp::Yearless(stamp), Counts::default())).1.add(&lines);
                }
            }
            let Some(line) = mark.counted.map(Counts::one) else { continue };
            match mark.stamp {
                Stamp::Exact(time) if matcher.in_time(time) => tally.count(time, &line),
                Stamp::Exact(_) => {}
                Stamp::Yearless(stamp) => {
                    let minute = minute_of_year(stamp);
                    let second = minute * 60 + if fine.contains(&minute) { i64::from(stamp.second()) } else { 0 };
                    match year {
                        Some(year) => {
                            let of = counted.entry((year, second, true)).or_insert((mark.stamp, Counts::default()));
                            of.1.add(&line);
                        }
                        None => undated.entry(second).or_insert((stamp, Counts::default())).1.add(&line),
                    }
                }
            }
        }
    };
    meter.count(blocks.read());
    if blocks.is_given_up() {
        // Of a file all is counted or nothing.
        *tally = before;
        return given_up(meter, room, None);
    }
    let mut years = Years::ending(ends.newest, reference, &matcher.query.zone);
    let undated = undated.into_values().map(|(stamp, lines)| (None, Stamp::Yearless(stamp), false, lines));
    let counted = counted.into_iter().map(|((year, _, own), (stamp, lines))| (Some(year), stamp, own, lines));
    for (year, stamp, own, lines) in counted.chain(undated).rev() {
        if let Some(time) = years.date(year, stamp, own)
            && matcher.in_time(time)
        {
            tally.count(time, &lines);
        }
    }
    if let Some(time) = ends.oldest.and_then(|(year, stamp)| years.date(Some(year), stamp, true)) {
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
#[derive(Clone)]
enum Tally {
    /// The time is known beforehand.
    Fixed { since: i64, until: i64, counts: Vec<Counts> },
    /// Where the counts begin shows at the end: per `unit` seconds meanwhile.
    Open { unit: i64, counts: BTreeMap<i64, Counts>, bars: usize },
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
        Self::Fixed { since, until: until.max(since + 1), counts: vec![Counts::default(); bars] }
    }

    fn count(&mut self, time: Timestamp, lines: &Counts) {
        let second = time.as_second();
        match self {
            Self::Fixed { since, until, counts } => {
                let past = i128::from((second - *since).clamp(0, *until - *since - 1));
                let bar = past * counts.len() as i128 / i128::from(*until - *since);
                if let Some(count) = usize::try_from(bar).ok().and_then(|bar| counts.get_mut(bar)) {
                    count.add(lines);
                }
            }
            Self::Open { unit, counts, .. } => {
                counts.entry(second.div_euclid(*unit)).or_default().add(lines);
                if counts.len() > MOST_UNITS {
                    *unit *= 60;
                    for (at, lines) in std::mem::take(counts) {
                        counts.entry(at.div_euclid(60)).or_default().add(&lines);
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
                let mut parts = vec![Counts::default(); usize::try_from(number).unwrap_or(1)];
                for (at, lines) in counts {
                    if let Some(part) = usize::try_from((at - first) / width).ok().and_then(|at| parts.get_mut(at)) {
                        part.add(&lines);
                    }
                }
                (first * unit, (first + width * number) * unit, parts)
            }
        };
        let time = |second, otherwise| Timestamp::from_second(second).unwrap_or(otherwise);
        let (since, until) = (time(since, Timestamp::MIN), time(until, Timestamp::MAX));
        let total = bars.iter().map(Counts::total).sum();
        Histogram { since, until, total, bars, counted_from: None, unread: Vec::new() }
    }
}
