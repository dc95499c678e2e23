//! When a pot ran, on its page: a picture and a table of what its log tells.

use super::counts::lasting;
use super::filters::Filters;
use super::reading::{AT_ONCE, log, problems, reading};
use crate::activity::meaning::Kind;
use crate::activity::{self, Began, Budget, Ended, Entry, Event, Spell, Summary};
use crate::web::error::Fault;
use crate::web::layout::{self, Clock};
use crate::web::time_axis::{Axis, Place, Tick};
use crate::web::visitor::Visitor;
use askama::Template;
use jiff::{Span, Timestamp};
use std::time::Duration;

/// Lines of a pot's that are looked at, and what of the log for a page that shows much besides: some tenths of a second's
/// worth. Whoever wants to see further back asks for as much as other pages read at once.
const LINES: usize = 2_000;
const BESIDES: Budget = Budget { text: 8 << 20, packed: AT_ONCE.packed, packed_for_more: 256 << 10 };
const FURTHER: Budget = Budget { packed_for_more: 32 << 20, ..AT_ONCE };
/// How long the page waits for the log: all else on it is known without.
const WAITS: Duration = Duration::from_secs(5);
/// Rows of the table, and bars of the picture.
const MOST: usize = 200;
/// How far back the picture goes for a pot that was started or stopped since.
const DAYS: i64 = 30;

/// `templates/pots/spells.html`: when a pot ran.
#[derive(Template)]
#[template(path = "pots/spells.html")]
pub(in crate::web) struct Spells {
    /// Why nothing can be said.
    unknown: Option<String>,
    bars: Vec<Bar>,
    rows: Vec<Row>,
    /// Spells that are neither drawn nor listed: there are too many.
    more: usize,
    ticks: Vec<Tick>,
    /// What was not looked at: how wide it is drawn.
    unseen: Option<Place>,
    /// How far back the log was looked through; none: all of it was.
    back_to: Option<layout::Time>,
    /// Where it is looked through further.
    further: Option<String>,
    said: String,
    since: Option<layout::Time>,
    until: Option<layout::Time>,
    /// What the legend explains besides a bar: that a beginning, an end, or whether it runs is not known.
    open_ended: bool,
    problems: Vec<String>,
}

/// The template escapes what it shows.
impl askama::filters::HtmlSafe for Spells {}

/// A spell in the picture: what is known of it, and beside it, hatched, what is not.
struct Bar {
    at: Place,
    width: Place,
    /// The beginning is not known: a stub stands before the bar.
    open_before: bool,
    /// The end is not known: a stub stands behind the bar's beginning.
    open_behind: bool,
    /// Whether it still runs is not known: all of it is hatched.
    perhaps: bool,
    words: String,
}

/// A spell in the table.
struct Row {
    from: Cell,
    to: Cell,
    lasted: String,
}

/// A time, or words.
enum Cell {
    Time(layout::Time, String),
    Words(String),
}

/// What is known of a pot besides its log.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) struct Seen {
    /// Whether it runs, where that is known.
    pub(in crate::web) running: Option<bool>,
    /// When that was looked at.
    pub(in crate::web) at: Timestamp,
    /// When the host was started, where that is known.
    pub(in crate::web) booted: Option<Timestamp>,
}

/// When this pot ran, as far as the log is read for a page; `further`: as far as it is read for one that is about it.
pub(in crate::web) async fn spells(visitor: &Visitor, pot: &str, seen: Seen, further: bool) -> Spells {
    match tokio::time::timeout(WAITS, look(visitor, pot, seen, further)).await {
        Ok(Ok(spells)) => spells,
        Ok(Err(fault)) => Spells::unknown(fault.to_string()),
        Err(_) => Spells::unknown(format!("the log was not read within {} s.", WAITS.as_secs())),
    }
}

async fn look(visitor: &Visitor, pot: &str, seen: Seen, further: bool) -> Result<Spells, Fault> {
    let log = log(visitor).await?;
    if log.generations.is_empty() {
        return Ok(Spells::unknown("this host has no log of what pot was asked to do.".to_owned()));
    }
    let filters = Filters { pot: pot.to_owned(), changes: "1".to_owned(), ..Filters::default() };
    let query = filters.query(&log.zone, &log.hostname)?;
    let (generations, budget) = (log.generations, if further { FURTHER } else { BESIDES });
    let (lines, next, summary) =
        reading(visitor, move |open| activity::newest(&generations, open, &query, None, LINES, budget)).await?;
    let back_to = match &summary.left_off {
        Some(left) => Some(left.back_to),
        None => next.and(lines.last().map(|line| line.time)),
    };
    Ok(drawn(pot, &lines, back_to, seen, further, &summary, visitor.clock()))
}

/// What began and ended spells of this host's pot, oldest first, with the host's own start where it falls among them.
fn events(lines: &[Entry], back_to: Option<Timestamp>, booted: Option<Timestamp>) -> Vec<(Timestamp, Event)> {
    let event = |line: &Entry| {
        let kind = Kind::of(None, line.message.as_bytes());
        // Another host's pot may have the same name.
        match kind {
            _ if line.foreign => None,
            Kind::Start => Some((line.time, Event::Start)),
            Kind::Stop => Some((line.time, Event::Stop)),
            Kind::Change | Kind::Error | Kind::Other => None,
        }
    };
    let mut events: Vec<_> = lines.iter().rev().filter_map(event).collect();
    // What was not looked at cannot have been ended by it.
    let booted = booted.filter(|booted| back_to.is_none_or(|back_to| *booted >= back_to));
    events.extend(booted.map(|booted| (booted, Event::Boot)));
    // Clocks that are set make lines jump back; those of one second stay as they were written.
    events.sort_by_key(|(at, _)| *at);
    events
}

impl Spells {
    fn unknown(why: String) -> Self {
        Self {
            unknown: Some(why),
            bars: Vec::new(),
            rows: Vec::new(),
            more: 0,
            ticks: Vec::new(),
            unseen: None,
            back_to: None,
            further: None,
            said: String::new(),
            since: None,
            until: None,
            open_ended: false,
            problems: Vec::new(),
        }
    }
}

fn drawn(
    pot: &str,
    lines: &[Entry],
    back_to: Option<Timestamp>,
    seen: Seen,
    further: bool,
    summary: &Summary,
    clock: &Clock,
) -> Spells {
    let events = events(lines, back_to, seen.booted);
    let all = activity::spells(&events, seen.running.map(|running| (running, seen.at)));
    let address = || layout::address(&format!("/pots/{}", layout::query_value(pot)), &[], &[("log", "all")]);
    let mut drawn = Spells {
        more: all.len().saturating_sub(MOST),
        back_to: back_to.map(|at| clock.moment(&at)),
        further: (back_to.is_some() && !further).then(address),
        problems: problems(summary),
        ..Spells::unknown(String::new())
    };
    drawn.unknown = None;
    let shown: Vec<&Spell> = all.iter().rev().take(MOST).collect();
    drawn.rows = shown.iter().map(|spell| row(spell, pot, clock)).collect();
    drawn.open_ended =
        all.iter().any(|spell| !matches!((spell.began, spell.ended), (Began::At(_), Ended::At(_) | Ended::Not)));
    let Some(since) = beginning(&all, back_to, clock.now()) else {
        drawn.said = format!("No start or stop of {pot} was found in the log{}.", until_there(back_to, clock));
        return drawn;
    };
    let axis = Axis::new(since, clock.now());
    drawn.ticks = axis.ticks(clock.zone());
    drawn.unseen = back_to.map(|at| axis.place(at)).filter(|place| place.0 > 0);
    drawn.since = Some(clock.moment(&since));
    drawn.until = Some(clock.moment(&clock.now()));
    drawn.bars = shown.iter().rev().filter_map(|spell| bar(spell, &axis, since, clock)).collect();
    let words: Vec<String> = shown.iter().take(5).map(|spell| words(spell, clock)).collect();
    drawn.said = format!(
        "{}{}, newest first: {}{}.",
        layout::counted(all.len(), "time in which it ran", "times in which it ran"),
        until_there(back_to, clock),
        words.join("; "),
        if all.len() > words.len() { "; older ones are in the table" } else { "" }
    );
    drawn
}

fn until_there(back_to: Option<Timestamp>, clock: &Clock) -> String {
    back_to.map_or_else(String::new, |at| {
        format!(" since {}, as far back as it was looked through", clock.moment(&at).text())
    })
}

/// Where the picture begins: with the first thing known, and not so early that what happened of late has no room.
fn beginning(spells: &[Spell], back_to: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let known = |spell: &Spell| -> Vec<Timestamp> {
        let began = match spell.began {
            Began::At(at) => Some(at),
            Began::Unlogged(after) => after,
        };
        let ended = match spell.ended {
            Ended::At(at) | Ended::Unlogged(at) => Some(at),
            Ended::Not | Ended::Unknown => None,
        };
        began.into_iter().chain(ended).collect()
    };
    if spells.is_empty() {
        return None;
    }
    let mut times: Vec<Timestamp> = spells.iter().flat_map(known).filter(|at| *at < now).collect();
    times.sort();
    let first = times.first().copied().or(back_to).or_else(|| now.checked_sub(Span::new().hours(24)).ok())?;
    let month = now.checked_sub(Span::new().hours(DAYS * 24)).unwrap_or(first);
    let first = if times.last().is_some_and(|last| *last > month) { first.max(month) } else { first };
    // Room for a beginning that is not known.
    let room = (now.as_second() - first.as_second()).max(60) / 24;
    Some(first.checked_sub(Span::new().seconds(room)).unwrap_or(first))
}

fn bar(spell: &Spell, axis: &Axis, since: Timestamp, clock: &Clock) -> Option<Bar> {
    let now = clock.now();
    let (from, open_before) = match (spell.began, spell.ended) {
        (Began::At(at), _) => (at, false),
        // How long it had run is not known: only the end is drawn.
        (Began::Unlogged(_), Ended::At(at)) => (at, true),
        (Began::Unlogged(_), _) => (now, true),
    };
    let (to, open_behind) = match spell.ended {
        Ended::At(at) => (at, false),
        Ended::Unlogged(_) => (from, true),
        Ended::Not | Ended::Unknown => (now, false),
    };
    if to < since {
        return None;
    }
    let (at, end) = (axis.place(from), axis.place(to));
    Some(Bar {
        at,
        width: Place((end.0 - at.0).max(0)),
        open_before,
        open_behind,
        perhaps: spell.ended == Ended::Unknown,
        words: words(spell, clock),
    })
}

/// A spell in words.
fn words(spell: &Spell, clock: &Clock) -> String {
    let moment = |at: &Timestamp| clock.moment(at).text().to_owned();
    let began = match spell.began {
        Began::At(at) => format!("from {}", moment(&at)),
        Began::Unlogged(Some(after)) => format!("from a time after {} that is not logged", moment(&after)),
        Began::Unlogged(None) => "from a time that is not logged".to_owned(),
    };
    let ended = match spell.ended {
        Ended::At(at) => format!("to {}", moment(&at)),
        Ended::Unlogged(by) => format!("to a time before {} that is not logged", moment(&by)),
        Ended::Not => "on: it runs".to_owned(),
        Ended::Unknown => "on; whether it still runs is not known".to_owned(),
    };
    match lasted(spell, clock.now()) {
        Some(lasted) => format!("{began} {ended}, {lasted}"),
        None => format!("{began} {ended}"),
    }
}

/// How long it lasted, or has lasted.
fn lasted(spell: &Spell, now: Timestamp) -> Option<String> {
    let Began::At(from) = spell.began else { return None };
    let to = match spell.ended {
        Ended::At(at) => at,
        Ended::Not => now,
        Ended::Unlogged(_) | Ended::Unknown => return None,
    };
    Some(lasting((to.as_second() - from.as_second()).max(0)))
}

fn row(spell: &Spell, pot: &str, clock: &Clock) -> Row {
    let time = |at: Timestamp| {
        // What was logged of it shortly before and after: a start that failed, and what led to it.
        let written = |at: Timestamp| activity::written_time(at, clock.zone());
        let since = at.checked_sub(Span::new().minutes(5)).unwrap_or(at);
        let until = at.checked_add(Span::new().minutes(5)).unwrap_or(at);
        let change = [("pot", pot), ("since", &*written(since)), ("until", &*written(until))];
        Cell::Time(clock.moment(&at), layout::address("/activity", &[], &change))
    };
    let moment = |at: &Timestamp| clock.moment(at).text().to_owned();
    Row {
        from: match spell.began {
            Began::At(at) => time(at),
            Began::Unlogged(Some(after)) => Cell::Words(format!("not logged, after {}", moment(&after))),
            Began::Unlogged(None) => Cell::Words("not logged".to_owned()),
        },
        to: match spell.ended {
            Ended::At(at) => time(at),
            Ended::Unlogged(by) => Cell::Words(format!("not logged, before {}", moment(&by))),
            Ended::Not => Cell::Words("runs".to_owned()),
            Ended::Unknown => Cell::Words("not known whether it runs".to_owned()),
        },
        lasted: lasted(spell, clock.now()).unwrap_or_else(|| "not known".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Cursor;
    use jiff::tz::TimeZone;

    fn at(second: i64) -> Timestamp {
        Clock::now_in(TimeZone::UTC).now() + Span::new().seconds(second)
    }

    fn line(second: i64, message: &str, foreign: bool) -> Entry {
        let time = at(second);
        Entry {
            time,
            host: "jail1".to_owned(),
            foreign,
            priority: None,
            pid: None,
            command: None,
            arguments: None,
            pot: None,
            changes: true,
            message: message.to_owned(),
            times: 1,
            cursor: Cursor { identity: (0, 0), offset: 0, time, reached: time, lost: None },
        }
    }

    /// `lines`: oldest first; how many seconds from now.
    fn page(pot: &str, lines: &[(i64, &str)], back_to: Option<i64>, seen: Seen) -> (Spells, String) {
        let lines: Vec<Entry> = lines.iter().rev().map(|(second, message)| line(*second, message, false)).collect();
        let clock = Clock::now_in(TimeZone::UTC);
        let spells = drawn(pot, &lines, back_to.map(at), seen, false, &Summary::default(), &clock);
        let html = spells.render().unwrap();
        (spells, html)
    }

    fn runs(running: Option<bool>) -> Seen {
        Seen { running, at: at(-1), booted: None }
    }

    #[test]
    fn a_pots_page_shows_when_it_ran_and_what_of_that_is_not_known() {
        let log = [
            (-40_000, "pot-stop web1"),
            (-30_000, "pot-start web1"),
            (-29_000, "pot-snapshot -p web1"),
            (-20_000, "pot-stop web1"),
            (-10_000, "pot-start web1"),
            (-5_000, "pot-start web1"),
        ];
        let (spells, html) = page("web1", &log, None, runs(Some(true)));
        let drawn: Vec<_> =
            spells.bars.iter().map(|bar| (bar.open_before, bar.width.0 > 0, bar.open_behind, bar.perhaps)).collect();
        assert_eq!(
            drawn,
            [
                (true, false, false, false),
                (false, true, false, false),
                (false, false, true, false),
                (false, true, false, false)
            ]
        );
        assert_eq!(
            spells.rows.iter().map(|row| row.lasted.as_str()).collect::<Vec<_>>(),
            ["1 h 23 min", "not known", "2 h 46 min", "not known"]
        );
        assert!(spells.said.starts_with("4 times in which it ran, newest first: from "), "{}", spells.said);
        assert!(html.contains("role=\"img\" aria-labelledby=\"spells-title spells-said\""), "{html}");
        assert_eq!(html.matches("<title>").count(), 4, "each bar says what it is: {html}");
        assert!(html.contains("on: it runs, 1 h 23 min</title>"), "{html}");
        // Read as stopped: when it ended is not made up.
        let (spells, html) = page("web1", &log, None, runs(Some(false)));
        assert!(spells.bars[3].open_behind && html.contains("not logged, before "), "{html}");
        let (spells, html) = page("web1", &log, None, runs(None));
        assert!(spells.bars[3].perhaps && html.contains("whether it still runs is not known"), "{html}");
    }

    #[test]
    fn what_was_not_looked_at_is_no_time_in_which_a_pot_did_not_run() {
        let (spells, html) = page("web1", &[(-5_000, "pot-stop web1")], Some(-9_000), runs(Some(false)));
        assert!(html.contains("not looked at") && html.contains("href=\"/pots/web1?log=all\""), "{html}");
        assert!(spells.said.contains("as far back as it was looked through"), "{}", spells.said);
        let (spells, html) = page("web1", &[], Some(-9_000), runs(Some(false)));
        assert!(
            spells.bars.is_empty() && html.contains("No start or stop of web1 was found in the log since "),
            "{html}"
        );
        // It runs, and nothing tells since when.
        let (spells, html) = page("web1", &[], None, runs(Some(true)));
        assert!(spells.bars[0].open_before && html.contains("from a time that is not logged on: it runs"), "{html}");
    }

    #[test]
    fn lines_of_other_hosts_and_a_reboot_are_told_apart() {
        let lines = [line(-50, "pot-stop web1", true), line(-100, "pot-start web1", false)];
        assert_eq!(events(&lines, None, None), [(lines[1].time, Event::Start)]);
        let booted = at(-60);
        assert_eq!(events(&lines, None, Some(booted)), [(lines[1].time, Event::Start), (booted, Event::Boot)]);
        assert_eq!(events(&lines, Some(at(-10)), Some(booted)).len(), 1);
    }

    #[test]
    fn names_of_pots_are_text_in_the_picture() {
        let hostile = "<svg onload=alert(1)>\"'&";
        for log in [&[][..], &[(-50, "pot-start x")][..]] {
            let (_, html) = page(hostile, log, Some(-99), runs(None));
            assert!(!html.contains("<svg onload") && !html.contains("alert(1)>"), "{html}");
            assert!(html.contains("/pots/%3Csvg%20onload"), "{html}");
        }
    }
}
