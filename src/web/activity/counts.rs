//! /activity/counts: the histogram, as a picture and as a table of the same.

use super::filters::Filters;
use super::reading::{AT_ONCE, Log, Turn, log, problems, reading_in};
use crate::activity::meaning::Kind;
use crate::activity::{self, Histogram, Query, Summary, Unread};
use crate::web::error::Fault;
use crate::web::layout::{self, Clock};
use crate::web::time_axis::{Axis, Place, Tick};
use crate::web::visitor::Visitor;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use tokio::sync::Semaphore;

/// Bars of the histogram.
const BARS: usize = 60;
/// Height of the plot, in pixels.
const PLOT: u64 = 96;
/// Least height of a kind of line that there is: a single line must be seen beside a thousand.
const LEAST: u64 = 2;
/// Counts go through the whole log: pages do not wait behind them.
static COUNTS: Semaphore = Semaphore::const_new(2);

/// `templates/activity/counts.html`: the histogram, drawn from real counts.
#[derive(Template)]
#[template(path = "activity/counts.html")]
pub(super) struct Counts {
    bars: Vec<Bar>,
    ticks: Vec<Tick>,
    /// The whole in sentences: the picture's description.
    said: String,
    total: String,
    /// The scale: lines of the highest bar; of half of it, where that is a whole number.
    highest: String,
    half: Option<String>,
    /// How long one bar is.
    each: String,
    legend: Vec<Legend>,
    /// Where the counting ended.
    counted_from: Option<layout::Time>,
    /// Times that were not looked at, or not to their end.
    unseen: Vec<Unseen>,
    since: layout::Time,
    until: layout::Time,
    problems: Vec<String>,
}

/// The template escapes what it shows.
impl askama::filters::HtmlSafe for Counts {}

/// A kind of line, with how many there are.
struct Legend {
    class: &'static str,
    words: &'static str,
    lines: String,
}

/// A time of which nothing is said: a missing bar there does not mean that nothing was logged.
struct Unseen {
    at: Place,
    width: Place,
    words: String,
}

/// One bar.
struct Bar {
    at: Place,
    width: Place,
    parts: Vec<Part>,
    address: String,
    label: String,
    from: layout::Time,
    /// Of each kind, as the table has it.
    cells: Vec<String>,
    lines: String,
}

/// What of a bar is of one kind, in pixels.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    class: &'static str,
    y: u64,
    height: u64,
}

/// A kind in pictures: its class, and the words of legend and table.
const fn shown(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Start => ("k-start", "starts"),
        Kind::Stop => ("k-stop", "stops"),
        Kind::Change => ("k-change", "other changes"),
        Kind::Error => ("k-error", "errors"),
        Kind::Other => ("k-other", "reading and other"),
    }
}

/// "1 start", "2 starts".
fn counted_kind(kind: Kind, lines: u64) -> String {
    let (one, many) = match kind {
        Kind::Start => ("start", "starts"),
        Kind::Stop => ("stop", "stops"),
        Kind::Change => ("other change", "other changes"),
        Kind::Error => ("error", "errors"),
        Kind::Other => ("other line", "other lines"),
    };
    layout::counted(usize::try_from(lines).unwrap_or(usize::MAX), one, many)
}

/// "1 line", "2 lines".
fn lines(number: u64) -> String {
    layout::counted(usize::try_from(number).unwrap_or(usize::MAX), "line", "lines")
}

/// The number of errors, as far as lines say whether they are some.
fn errors(counts: &activity::Counts) -> String {
    let errors = counts.of(Kind::Error);
    match counts.with_level {
        0 => "not known: no line says its level".to_owned(),
        all if all == counts.total() => layout::grouped(errors),
        some => format!("{} of the {} that say their level", layout::grouped(errors), layout::grouped(some)),
    }
}

/// The parts of a bar, from its foot up. It is as high as its lines are many beside the highest one; each kind in it has
/// its share, and two pixels at least.
fn parts(counts: &activity::Counts, highest: u64) -> Vec<Part> {
    let kinds: Vec<(Kind, u64)> = counts.kinds().collect();
    let total = counts.total();
    let share = |of: u64, whole: u64, height: u64| {
        u64::try_from(u128::from(of) * u128::from(height) / u128::from(whole.max(1))).unwrap_or(height)
    };
    let whole = share(total, highest, PLOT).max(LEAST * kinds.len() as u64);
    let mut heights: Vec<u64> = kinds.iter().map(|(_, lines)| share(*lines, total, whole).max(LEAST)).collect();
    // What rounding leaves over or takes too much is the tallest's: at most some pixels.
    loop {
        let sum: u64 = heights.iter().sum();
        let Some(tallest) = heights.iter_mut().max() else { return Vec::new() };
        match sum.cmp(&whole) {
            std::cmp::Ordering::Less => *tallest += 1,
            std::cmp::Ordering::Equal => break,
            std::cmp::Ordering::Greater => *tallest -= 1,
        }
    }
    let mut y = PLOT;
    kinds
        .iter()
        .zip(heights)
        .map(|((kind, _), height)| {
            y -= height;
            Part { class: shown(*kind).0, y, height }
        })
        .collect()
}

pub(super) async fn count(visitor: &Visitor, filters: &Filters, log: &Log, query: Query) -> Result<Counts, Fault> {
    let generations = log.generations.clone();
    let turn = Turn::of(visitor, &COUNTS).await?;
    let (histogram, summary) =
        reading_in(visitor, turn, move |open| activity::histogram(&generations, open, &query, BARS, AT_ONCE)).await?;
    Ok(drawn(&histogram, &summary, filters, visitor.clock()))
}

fn drawn(histogram: &Histogram, summary: &Summary, filters: &Filters, clock: &Clock) -> Counts {
    let highest = histogram.bars.iter().map(activity::Counts::total).max().unwrap_or_default();
    let total = lines(histogram.total);
    // Bars end with whole minutes or more. A time without end ends now all the same.
    let ends = |at: Timestamp| if filters.until.is_empty() { at.min(clock.now()) } else { at };
    let axis = Axis::new(histogram.since, histogram.until);
    let all: activity::Counts = histogram.bars.iter().copied().sum();
    let each = (histogram.edge(1).as_second() - histogram.since.as_second()).max(1);
    let unseen = unseen(histogram, &axis, clock);
    let bars: Vec<Bar> = histogram
        .bars
        .iter()
        .enumerate()
        .filter(|(_, counts)| counts.total() > 0)
        .map(|(index, counts)| {
            let (begins, to) = (histogram.edge(index), histogram.edge(index + 1));
            // Of the bar in which the counting ended only the later part is known.
            let from = histogram.counted_from.filter(|at| begins < *at && *at < to).unwrap_or(begins);
            // The last bar of a time without end holds what is stamped later, too.
            let is_open = index + 1 == histogram.bars.len() && filters.until.is_empty();
            let written = |time| activity::written_time(time, clock.zone());
            let until = if is_open { String::new() } else { written(to) };
            let (at, end) = (axis.place(begins), axis.place(to));
            let kinds: Vec<String> = counts.kinds().map(|(kind, lines)| counted_kind(kind, lines)).collect();
            Bar {
                at,
                width: Place(((end.0 - at.0) * 9 / 10).max(10)),
                parts: parts(counts, highest),
                address: filters
                    .address("/activity", &[("since", &written(from)), ("until", &until), ("counts", &filters.counts)]),
                label: format!(
                    "{} from {} to {}: {}",
                    lines(counts.total()),
                    clock.full(&from).text(),
                    clock.full(&ends(to)).text(),
                    kinds.join(", ")
                ),
                from: clock.full(&from),
                cells: Kind::ALL
                    .into_iter()
                    .map(|kind| match kind {
                        Kind::Error if counts.with_level == 0 => "not known".to_owned(),
                        kind => layout::grouped(counts.of(kind)),
                    })
                    .collect(),
                lines: layout::grouped(counts.total()),
            }
        })
        .collect();
    let counted_from = histogram.counted_from.map(|from| clock.moment(&from));
    let until = ends(histogram.until);
    Counts {
        said: said(histogram, &all, &bars, &unseen, clock, until),
        bars,
        ticks: axis.ticks(clock.zone()),
        total: match &counted_from {
            Some(from) => format!("{total} from {} on", from.text()),
            None => total,
        },
        highest: layout::grouped(highest),
        half: (highest > 0 && highest.is_multiple_of(2)).then(|| layout::grouped(highest / 2)),
        each: lasting(each),
        legend: Kind::ALL
            .into_iter()
            .map(|kind| {
                let (class, words) = shown(kind);
                let lines = if kind == Kind::Error { errors(&all) } else { layout::grouped(all.of(kind)) };
                Legend { class, words, lines }
            })
            .collect(),
        counted_from,
        unseen,
        since: clock.moment(&histogram.since),
        until: clock.moment(&until),
        problems: problems(summary),
    }
}

/// What the picture shows, for those who do not see it.
fn said(
    histogram: &Histogram,
    all: &activity::Counts,
    bars: &[Bar],
    unseen: &[Unseen],
    clock: &Clock,
    until: Timestamp,
) -> String {
    let kinds: Vec<String> = all.kinds().map(|(kind, lines)| counted_kind(kind, lines)).collect();
    let mut said = format!(
        "{} from {} to {}: {}.",
        lines(all.total()),
        clock.full(&histogram.since).text(),
        clock.full(&until).text(),
        kinds.join(", ")
    );
    if all.with_level < all.total() {
        said.push_str(&format!(" Errors: {}.", errors(all)));
    }
    let highest = histogram.bars.iter().filter(|counts| counts.total() > 0).zip(bars).max_by_key(|(counts, bar)| {
        // The first of several.
        (counts.total(), std::cmp::Reverse(bar.at))
    });
    if let Some((_, bar)) = highest
        && bars.len() > 1
    {
        said.push_str(&format!(" Most: {}.", bar.label));
    }
    for unseen in unseen {
        said.push_str(&format!(" {}.", unseen.words));
    }
    said
}

/// Where a missing bar does not mean that nothing was logged.
fn unseen(histogram: &Histogram, axis: &Axis, clock: &Clock) -> Vec<Unseen> {
    let band = |from: Option<Timestamp>, until: Timestamp, words: String| {
        let at = from.map_or(Place(0), |from| axis.place(from));
        let width = Place((axis.place(until).0 - at.0).max(0));
        (width.0 > 0).then_some(Unseen { at, width, words })
    };
    let not_counted = histogram
        .counted_from
        .and_then(|from| band(None, from, format!("Lines before {} were not looked at", clock.moment(&from).text())));
    let unread = histogram.unread.iter().filter_map(|Unread { from, until, path }| {
        let between = match from {
            Some(from) => format!("from {} to {}", clock.moment(from).text(), clock.moment(until).text()),
            None => format!("before {}", clock.moment(until).text()),
        };
        band(*from, *until, format!("Lines {between} may be missing: {path} was not read to its end"))
    });
    not_counted.into_iter().chain(unread).collect()
}

/// A length in words, as long as it is a round one: "1 h", "2 h 24 min", "12 h", "1 day".
pub(super) fn lasting(seconds: i64) -> String {
    const UNITS: [(i64, &str, &str); 4] =
        [(86_400, "day", "days"), (3_600, "h", "h"), (60, "min", "min"), (1, "s", "s")];
    let first = UNITS.iter().position(|(length, ..)| seconds >= *length).unwrap_or(UNITS.len() - 1);
    let mut left = seconds;
    let mut words = Vec::new();
    for (length, one, many) in &UNITS[first..UNITS.len().min(first + 2)] {
        let count = left / length;
        left %= length;
        if count > 0 || words.is_empty() && *length == 1 {
            words.push(format!("{count} {}", if count == 1 { one } else { many }));
        }
    }
    words.join(" ")
}

pub(super) async fn counts(visitor: Visitor, filters: web::Query<Filters>) -> Result<HttpResponse, Fault> {
    let log = log(&visitor).await?;
    let query = filters.query(&log.zone, &log.hostname)?;
    layout::page(StatusCode::OK, &count(&visitor, &filters, &log, query).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::protocol::Compression;
    use jiff::tz::TimeZone;
    use std::fs::File;
    use std::io::Write as _;

    /// The histogram of a log that was written so, one line each, in this time.
    fn counted(since: &str, until: &str, bars: usize, log: &[(&str, &str)]) -> Histogram {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for (at, said) in log {
            writeln!(file, "<150>1 {at} jail1 pot 7 - - {said}").unwrap();
        }
        let (since, until): (Timestamp, Timestamp) = (since.parse().unwrap(), until.parse().unwrap());
        let generation = activity::Generation {
            path: "/var/log/pot.log".to_owned(),
            size: file.as_file().metadata().unwrap().len(),
            modified: Some(until),
            compression: Compression::Plain,
            identity: (1, 1),
        };
        let path = file.path().to_owned();
        let mut open = move |_| File::open(&path).map_err(|error| error.to_string());
        let query = Query { since: Some(since), until: Some(until), ..Query::default() };
        activity::histogram(&[generation], &mut open, &query, bars, AT_ONCE).0
    }

    fn of(bars: &[u64]) -> Vec<activity::Counts> {
        let line = ("2026-03-12T10:00:00Z", "pot-start web1");
        let one = |count: u64| {
            let log = vec![line; usize::try_from(count).unwrap()];
            counted("2026-03-12T10:00:00Z", "2026-03-12T11:00:00Z", 1, &log).bars[0]
        };
        bars.iter().map(|count| one(*count)).collect()
    }

    #[test]
    fn the_bars_of_a_time_without_end_leave_its_end_open() {
        let histogram = Histogram {
            since: "2026-11-23T00:00:00Z".parse().unwrap(),
            until: "2026-11-23T00:00:07Z".parse().unwrap(),
            bars: of(&[1, 0, 2]),
            total: 3,
            counted_from: None,
            unread: Vec::new(),
        };
        let filters = Filters { since: "7s".into(), ..Filters::default() };
        let counts = drawn(&histogram, &Summary::default(), &filters, &Clock::now_in(TimeZone::UTC));
        let seen: Vec<_> = counts.bars.iter().map(|bar| (bar.at.0, bar.address.as_str())).collect();
        assert_eq!(
            seen,
            [
                (0, "/activity?since=2026-11-23%2000%3A00%3A00&until=2026-11-23%2000%3A00%3A03"),
                (7_142, "/activity?since=2026-11-23%2000%3A00%3A05"),
            ]
        );
    }

    #[test]
    fn the_axis_does_not_end_in_the_future_unless_that_was_asked_for() {
        let clock = Clock::now_in(TimeZone::UTC);
        let hour = jiff::SignedDuration::from_hours(1);
        let histogram = Histogram {
            since: clock.now() - hour,
            until: clock.now() + hour,
            bars: of(&[1, 2]),
            total: 3,
            counted_from: None,
            unread: Vec::new(),
        };
        let ends = |filters: &Filters| {
            let counts = drawn(&histogram, &Summary::default(), filters, &clock);
            (counts.until.to_string(), counts.bars[1].label.clone())
        };
        let (axis, bar) = ends(&Filters::default());
        assert_eq!(axis, clock.moment(&clock.now()).to_string());
        assert!(bar.contains(&format!(" to {}: 2 starts", clock.full(&clock.now()).text())), "{bar}");
        let asked = Filters { until: "2100-01-01".into(), ..Filters::default() };
        assert_eq!(ends(&asked).0, clock.moment(&histogram.until).to_string());
    }

    #[test]
    fn a_number_never_passes_for_the_whole() {
        let clock = Clock::now_in(TimeZone::UTC);
        let back_to: Timestamp = "2024-03-12T10:20:30Z".parse().unwrap();
        let histogram = |bars: Vec<u64>, counted_from| Histogram {
            since: "2024-03-12T10:00:00Z".parse().unwrap(),
            until: "2024-03-12T11:00:00Z".parse().unwrap(),
            total: bars.iter().sum(),
            bars: of(&bars),
            counted_from,
            unread: Vec::new(),
        };
        let drawn = |bars, from| {
            let counts = drawn(&histogram(bars, from), &Summary::default(), &Filters::default(), &clock);
            (counts.bars.iter().map(|bar| bar.address.clone()).collect::<Vec<_>>(), counts.render().unwrap())
        };
        let (_, whole) = drawn(vec![0, 1, 2], None);
        assert!(whole.contains("<span>3 lines</span>") && !whole.contains("older"), "{whole}");
        assert!(!whole.contains("url(#p-uncounted)") && !whole.contains("not looked at"), "{whole}");
        let (bars, part) = drawn(vec![0, 1, 2], Some(back_to));
        assert!(part.contains("3 lines from ") && part.contains("older lines are not in these numbers"), "{part}");
        assert!(
            part.contains("x=\"0.00%\" y=\"0\" width=\"34.16%\" height=\"96\" fill=\"url(#p-uncounted)\""),
            "{part}"
        );
        // The picture's own words and the title of what is hatched.
        assert!(part.matches("were not looked at").count() >= 2, "{part}");
        assert!(bars[0].contains("since=2024-03-12%2010%3A20%3A30&"), "the part of the bar that was counted: {bars:?}");
        let (_, none) = drawn(vec![0, 0, 0], Some(back_to));
        assert!(none.contains("No line from ") && none.contains("older ones were not counted"), "{none}");
    }

    #[test]
    fn the_picture_says_its_scale_and_tells_kinds_apart() {
        let log = [
            ("2026-03-12T10:05:00Z", "pot-start web1"),
            ("2026-03-12T10:06:00Z", "pot-start web2"),
            ("2026-03-12T10:07:00Z", "pot-stop web1"),
            ("2026-03-12T10:08:00Z", "pot-snapshot -p web1"),
            ("2026-03-12T10:50:00Z", "pot-version "),
        ];
        let histogram = counted("2026-03-12T10:00:00Z", "2026-03-12T11:00:00Z", 6, &log);
        let filters = Filters { since: "x".into(), until: "y".into(), ..Filters::default() };
        let picture = drawn(&histogram, &Summary::default(), &filters, &Clock::now_in(TimeZone::UTC));
        assert_eq!(
            (picture.highest.as_str(), picture.half.as_deref(), picture.each.as_str()),
            ("4", Some("2"), "10 min")
        );
        let legend: Vec<_> = picture.legend.iter().map(|one| (one.words, one.lines.as_str())).collect();
        assert_eq!(
            legend,
            [("starts", "2"), ("stops", "1"), ("other changes", "1"), ("errors", "0"), ("reading and other", "1")]
        );
        let ticks: Vec<_> = picture.ticks.iter().map(|tick| tick.label.as_str()).collect();
        assert_eq!(ticks, ["10:15", "10:30", "10:45"]);
        let said = "5 lines from 2026-03-12 10:00:00 UTC to 2026-03-12 11:00:00 UTC: 2 starts, 1 stop, 1 other change, 1 \
                    other line. Most: 4 lines from 2026-03-12 10:00:00 UTC to 2026-03-12 10:10:00 UTC: 2 starts, 1 stop, 1 \
                    other change.";
        assert_eq!(picture.said, said);
        let html = picture.render().unwrap();
        for class in ["k-start", "k-stop", "k-change", "k-other"] {
            assert!(html.contains(&format!("fill=\"url(#p-{class})\"")), "{class}: {html}");
        }
        assert!(html.contains("2 starts, 1 stop, 1 other change</title>"), "{html}");
        assert!(html.contains("<td class=\"num\">2</td><td class=\"num\">1</td>"), "the table: {html}");
    }

    #[test]
    fn that_no_line_says_its_level_is_not_taken_for_no_errors() {
        let mut histogram = counted(
            "2026-03-12T10:00:00Z",
            "2026-03-12T11:00:00Z",
            2,
            &[("2026-03-12T10:05:00Z", "pot-start web1"), ("2026-03-12T10:45:00Z", "pot-stop web1")],
        );
        let words = |histogram: &Histogram| {
            let counts = drawn(histogram, &Summary::default(), &Filters::default(), &Clock::now_in(TimeZone::UTC));
            (counts.legend[3].lines.clone(), counts.bars[0].cells[3].clone(), counts.said)
        };
        assert_eq!(words(&histogram).0, "0");
        histogram.bars[0].with_level = 0;
        let (legend, cell, said) = words(&histogram);
        assert_eq!((legend.as_str(), cell.as_str()), ("0 of the 1 that say their level", "not known"));
        assert!(said.contains(" Errors: 0 of the 1 that say their level."), "{said}");
        histogram.bars[1].with_level = 0;
        let (legend, _, said) = words(&histogram);
        assert_eq!(legend, "not known: no line says its level");
        assert!(said.contains(" Errors: not known: no line says its level."), "{said}");
    }

    #[test]
    fn where_a_file_was_not_read_the_picture_shows_a_gap_and_names_the_file() {
        let mut histogram =
            counted("2026-03-12T10:00:00Z", "2026-03-12T20:00:00Z", 10, &[("2026-03-12T19:05:00Z", "pot-start web1")]);
        histogram.unread = vec![
            Unread {
                from: Some("2026-03-12T12:00:00Z".parse().unwrap()),
                until: "2026-03-12T14:00:00Z".parse().unwrap(),
                path: "/var/log/pot.log.0.<b>".to_owned(),
            },
            Unread {
                from: None,
                until: "2026-03-12T11:00:00Z".parse().unwrap(),
                path: "/var/log/pot.log.1".to_owned(),
            },
            // All of it is older than what was asked for.
            Unread { from: None, until: "2026-03-12T09:00:00Z".parse().unwrap(), path: "/x".to_owned() },
        ];
        let clock = Clock::now_in(TimeZone::UTC);
        let counts = drawn(&histogram, &Summary::default(), &Filters::default(), &clock);
        let gaps: Vec<_> = counts.unseen.iter().map(|gap| (gap.at.0, gap.width.0)).collect();
        assert_eq!(gaps, [(2_000, 2_000), (0, 1_000)]);
        let html = counts.render().unwrap();
        assert!(html.contains("may be missing: /var/log/pot.log.0.&#60;b&#62; was not read to its end"), "{html}");
        assert!(!html.contains(".0.<b>"), "{html}");
    }

    #[test]
    fn each_kind_in_a_bar_is_seen_and_the_bar_is_as_high_as_it_says() {
        let mut log = vec![("2026-03-12T10:05:00Z", "pot-start web1"); 1000];
        log.extend([("2026-03-12T10:05:01Z", "pot-stop web1"), ("2026-03-12T10:05:02Z", "pot-version ")]);
        log.extend([("2026-03-12T10:45:00Z", "pot-stop web1"); 501]);
        let bars = counted("2026-03-12T10:00:00Z", "2026-03-12T11:00:00Z", 2, &log).bars;
        let highest = bars[0].total();
        let drawn = parts(&bars[0], highest);
        assert_eq!(drawn.iter().map(|part| part.height).collect::<Vec<_>>(), [92, 2, 2]);
        assert_eq!(drawn.iter().map(|part| part.y).collect::<Vec<_>>(), [4, 2, 0]);
        assert_eq!(
            parts(&bars[1], highest),
            [Part { class: "k-stop", y: 48, height: 48 }],
            "half as many, half as high"
        );
        let few = parts(&of(&[1])[0], 1_000_000);
        assert_eq!(few, [Part { class: "k-start", y: 94, height: 2 }]);
        for (few, many) in [(1, 1), (1, 7), (3, 90), (5, 6)] {
            let bar = counted(
                "2026-03-12T10:00:00Z",
                "2026-03-12T11:00:00Z",
                1,
                &[
                    vec![("2026-03-12T10:05:00Z", "pot-start x"); many],
                    vec![("2026-03-12T10:06:00Z", "pot-stop x"); few],
                ]
                .concat(),
            )
            .bars[0];
            let drawn = parts(&bar, bar.total());
            assert_eq!(drawn.iter().map(|part| part.height).sum::<u64>(), PLOT, "{few} {many}");
            assert!(drawn.iter().all(|part| part.height >= LEAST));
        }
    }

    #[test]
    fn lengths_read_as_words() {
        let words: Vec<String> = [0, 7, 60, 3_599, 3_600, 8_640, 86_400, 190_000].into_iter().map(lasting).collect();
        assert_eq!(words, ["0 s", "7 s", "1 min", "59 min 59 s", "1 h", "2 h 24 min", "1 day", "2 days 4 h"]);
    }
}
