//! /activity/counts: the histogram.

use super::filters::Filters;
use super::reading::{AT_ONCE, Log, Turn, log, problems, reading_in};
use crate::activity::{self, Histogram, Query, Summary};
use crate::web::error::Fault;
use crate::web::layout::{self, Clock};
use crate::web::visitor::Visitor;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use tokio::sync::Semaphore;

/// Bars of the histogram.
const BARS: usize = 60;
/// Counts go through the whole log: pages do not wait behind them.
static COUNTS: Semaphore = Semaphore::const_new(2);

/// `templates/activity/counts.html`: the histogram, drawn from real counts.
#[derive(Template)]
#[template(path = "activity/counts.html")]
pub(super) struct Counts {
    /// Of the drawing: ten for each bar, the empty ones included.
    width: usize,
    bars: Vec<Bar>,
    total: String,
    highest: String,
    /// Where the counting ended, and how wide the part before it is drawn.
    counted_from: Option<(layout::Time, usize)>,
    since: layout::Time,
    until: layout::Time,
    problems: Vec<String>,
}

/// The template escapes what it shows.
impl askama::filters::HtmlSafe for Counts {}

/// One bar in a drawing 48 high.
struct Bar {
    x: usize,
    y: u64,
    height: u64,
    address: String,
    label: String,
}

pub(super) async fn count(visitor: &Visitor, filters: &Filters, log: &Log, query: Query) -> Result<Counts, Fault> {
    let generations = log.generations.clone();
    let turn = Turn::of(visitor, &COUNTS).await?;
    let (histogram, summary) =
        reading_in(visitor, turn, move |open| activity::histogram(&generations, open, &query, BARS, AT_ONCE)).await?;
    Ok(drawn(&histogram, &summary, filters, visitor.clock()))
}

fn drawn(histogram: &Histogram, summary: &Summary, filters: &Filters, clock: &Clock) -> Counts {
    let highest = histogram.bars.iter().copied().max().unwrap_or_default();
    let drawn = histogram.bars.iter().enumerate().filter(|(_, count)| **count > 0);
    let total = layout::counted(usize::try_from(histogram.total).unwrap_or(usize::MAX), "line", "lines");
    let counted_from = histogram.counted_from.map(|from| {
        let before = (0..histogram.bars.len()).filter(|&index| histogram.edge(index + 1) <= from).count();
        (clock.moment(&from), before * 10)
    });
    // Bars end with whole minutes or more. A time without end ends now all the same.
    let ends = |at: Timestamp| if filters.until.is_empty() { at.min(clock.now()) } else { at };
    Counts {
        width: histogram.bars.len() * 10,
        bars: drawn
            .map(|(index, &lines)| {
                // A single line must be seen beside a thousand.
                let height = (lines * 44 / highest.max(1)).max(2);
                let (from, to) = (histogram.edge(index), histogram.edge(index + 1));
                // Of the bar in which the counting ended only the later part is known.
                let from = histogram.counted_from.filter(|at| from < *at && *at < to).unwrap_or(from);
                // The last bar of a time without end holds what is stamped later, too.
                let is_open = index + 1 == histogram.bars.len() && filters.until.is_empty();
                let written = |time| activity::written_time(time, clock.zone());
                let until = if is_open { String::new() } else { written(to) };
                Bar {
                    x: index * 10,
                    y: 48 - height,
                    height,
                    address: filters.address(
                        "/activity",
                        &[("since", &written(from)), ("until", &until), ("counts", &filters.counts)],
                    ),
                    label: format!(
                        "{} from {} to {}",
                        layout::counted(usize::try_from(lines).unwrap_or(usize::MAX), "line", "lines"),
                        clock.full(&from).text(),
                        clock.full(&ends(to)).text()
                    ),
                }
            })
            .collect(),
        total: match &counted_from {
            Some((from, _)) => format!("{total} from {} on", from.text()),
            None => total,
        },
        counted_from,
        highest: layout::grouped(highest),
        since: clock.moment(&histogram.since),
        until: clock.moment(&ends(histogram.until)),
        problems: problems(summary),
    }
}

pub(super) async fn counts(visitor: Visitor, filters: web::Query<Filters>) -> Result<HttpResponse, Fault> {
    let log = log(&visitor).await?;
    let query = filters.query(&log.zone, &log.hostname)?;
    layout::page(StatusCode::OK, &count(&visitor, &filters, &log, query).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn the_bars_of_a_time_without_end_leave_its_end_open() {
        let histogram = Histogram {
            since: "2026-11-23T00:00:00Z".parse().unwrap(),
            until: "2026-11-23T00:00:07Z".parse().unwrap(),
            bars: vec![1, 0, 2],
            total: 3,
            counted_from: None,
        };
        let filters = Filters { since: "7s".into(), ..Filters::default() };
        let counts = drawn(&histogram, &Summary::default(), &filters, &Clock::now_in(TimeZone::UTC));
        let seen: Vec<_> = counts.bars.iter().map(|bar| (bar.x, bar.address.as_str())).collect();
        assert_eq!(counts.width, 30);
        assert_eq!(
            seen,
            [
                (0, "/activity?since=2026-11-23%2000%3A00%3A00&until=2026-11-23%2000%3A00%3A03"),
                (20, "/activity?since=2026-11-23%2000%3A00%3A05"),
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
            bars: vec![1, 2],
            total: 3,
            counted_from: None,
        };
        let ends = |filters: &Filters| {
            let counts = drawn(&histogram, &Summary::default(), filters, &clock);
            (counts.until.to_string(), counts.bars[1].label.clone())
        };
        let (axis, bar) = ends(&Filters::default());
        assert_eq!(axis, clock.moment(&clock.now()).to_string());
        assert!(bar.ends_with(&format!("to {}", clock.full(&clock.now()).text())), "{bar}");
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
            bars,
            counted_from,
        };
        let drawn = |bars, from| {
            let counts = drawn(&histogram(bars, from), &Summary::default(), &Filters::default(), &clock);
            (counts.bars.iter().map(|bar| bar.address.clone()).collect::<Vec<_>>(), counts.render().unwrap())
        };
        let (_, whole) = drawn(vec![0, 1, 2], None);
        assert!(whole.contains("<span>3 lines</span>") && !whole.contains("older"), "{whole}");
        let (bars, part) = drawn(vec![0, 1, 2], Some(back_to));
        assert!(part.contains("3 lines from ") && part.contains("older lines are not in these numbers"), "{part}");
        assert!(part.contains("class=\"uncounted\" x=\"0\" y=\"0\" width=\"10\""), "{part}");
        assert!(bars[0].contains("since=2024-03-12%2010%3A20%3A30&"), "the part of the bar that was counted: {bars:?}");
        let (_, none) = drawn(vec![0, 0, 0], Some(back_to));
        assert!(none.contains("No line from ") && none.contains("older ones were not counted"), "{none}");
    }
}
