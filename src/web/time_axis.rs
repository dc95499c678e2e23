//! An axis of time for pictures: where a moment stands, and the round times that are named.
//!
//! Places are percentages, so that a picture takes the width of its page and neither text nor patterns are stretched.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use std::fmt;

/// A time, from left to right.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    since: i64,
    until: i64,
}

/// A place or a width: hundredths of a percent of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) i64);

/// Digits and a percent sign.
impl askama::filters::HtmlSafe for Place {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}%", self.0 / 100, self.0 % 100)
    }
}

/// All of the picture.
const WHOLE: i64 = 10_000;

/// A round time that is named below the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) at: Place,
    pub(super) label: String,
}

/// The distances that ticks may have: how many of which unit, and about how many seconds that is.
const DISTANCES: [(i64, Unit, i64); 18] = [
    (1, Unit::Second, 1),
    (10, Unit::Second, 10),
    (1, Unit::Minute, 60),
    (5, Unit::Minute, 300),
    (15, Unit::Minute, 900),
    (30, Unit::Minute, 1_800),
    (1, Unit::Hour, 3_600),
    (3, Unit::Hour, 10_800),
    (6, Unit::Hour, 21_600),
    (12, Unit::Hour, 43_200),
    (1, Unit::Day, 86_400),
    (2, Unit::Day, 172_800),
    (7, Unit::Day, 604_800),
    (1, Unit::Month, 2_678_400),
    (3, Unit::Month, 8_035_200),
    (1, Unit::Year, 31_622_400),
    (5, Unit::Year, 158_112_000),
    (50, Unit::Year, 1_581_120_000),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Year,
}

/// Most ticks of a picture: each has room for its words on a phone.
const MOST: i64 = 5;
/// Nearer to an edge than this, the words of a tick would run over it.
const MARGIN: i64 = 500;

impl Axis {
    /// From one time to a later one; at least a second.
    pub(super) fn new(since: Timestamp, until: Timestamp) -> Self {
        let since = since.as_second();
        Self { since, until: until.as_second().max(since.saturating_add(1)) }
    }

    /// Where a moment stands; what lies outside stands at the edge.
    pub(super) fn place(&self, at: Timestamp) -> Place {
        let (past, whole) = (at.as_second().clamp(self.since, self.until) - self.since, self.until - self.since);
        let place = i128::from(past) * i128::from(WHOLE) / i128::from(whole);
        Place(i64::try_from(place).unwrap_or_default())
    }

    /// Round times in this zone, at most five, none of them at an edge.
    pub(super) fn ticks(&self, zone: &TimeZone) -> Vec<Tick> {
        let whole = self.until - self.since;
        let fits = |(_, _, seconds): &&(i64, Unit, i64)| whole / seconds <= MOST;
        let Some(&(count, unit, _)) = DISTANCES.iter().find(fits).or(DISTANCES.last()) else { return Vec::new() };
        let Ok(since) = Timestamp::from_second(self.since) else { return Vec::new() };
        let Some(first) = floor(since.to_zoned_datetime(zone.clone()).datetime(), count, unit) else {
            return Vec::new();
        };
        let mut ticks = Vec::new();
        // The first may lie before the axis, and an hour that comes twice is passed over.
        for index in 0..=MOST + 2 {
            let Some(local) = distance(count * index, unit).and_then(|span| first.checked_add(span).ok()) else {
                break;
            };
            let Ok(zoned) = local.to_zoned_datetime(zone.clone()) else { break };
            let at = zoned.timestamp();
            if at.as_second() > self.until {
                break;
            }
            let place = self.place(at);
            if at.as_second() > self.since && (MARGIN..=WHOLE - MARGIN).contains(&place.0) {
                ticks.push(Tick { at: place, label: local.strftime(format(local, unit)).to_string() });
            }
        }
        ticks
    }
}

fn format(local: DateTime, unit: Unit) -> &'static str {
    match unit {
        Unit::Second => "%H:%M:%S",
        Unit::Minute | Unit::Hour if local.time() != Time::midnight() => "%H:%M",
        Unit::Minute | Unit::Hour | Unit::Day => "%-d %b",
        Unit::Month if local.month() != 1 => "%b",
        Unit::Month => "%b %Y",
        Unit::Year => "%Y",
    }
}

fn distance(count: i64, unit: Unit) -> Option<Span> {
    let span = Span::new();
    match unit {
        Unit::Second => span.try_seconds(count).ok(),
        Unit::Minute => span.try_minutes(count).ok(),
        Unit::Hour => span.try_hours(count).ok(),
        Unit::Day => span.try_days(count).ok(),
        Unit::Month => span.try_months(count).ok(),
        Unit::Year => span.try_years(count).ok(),
    }
}

/// The last round time up to this one: a multiple of the distance within the next larger unit; weeks begin on Monday.
fn floor(local: DateTime, count: i64, unit: Unit) -> Option<DateTime> {
    let (date, time) = (local.date(), local.time());
    let down = |value: i8| value - value % i8::try_from(count).unwrap_or(i8::MAX);
    let at = |hour, minute, second| Some(date.to_datetime(Time::new(hour, minute, second, 0).ok()?));
    match unit {
        Unit::Second => at(time.hour(), time.minute(), down(time.second())),
        Unit::Minute => at(time.hour(), down(time.minute()), 0),
        Unit::Hour => at(down(time.hour()), 0, 0),
        Unit::Day => {
            // 1970-01-05 was a Monday.
            let days = date.duration_since(Date::new(1970, 1, 5).ok()?).as_hours() / 24;
            let back = Span::new().try_days(days.rem_euclid(count)).ok()?;
            Some(date.checked_sub(back).ok()?.to_datetime(Time::midnight()))
        }
        Unit::Month => Some(Date::new(date.year(), down(date.month() - 1) + 1, 1).ok()?.to_datetime(Time::midnight())),
        Unit::Year => {
            let year = date.year() - date.year().rem_euclid(i16::try_from(count).ok()?);
            Some(Date::new(year, 1, 1).ok()?.to_datetime(Time::midnight()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ticks(since: &str, until: &str, zone: &str) -> Vec<String> {
        let axis = Axis::new(since.parse().unwrap(), until.parse().unwrap());
        axis.ticks(&TimeZone::get(zone).unwrap())
            .into_iter()
            .map(|tick| format!("{} {}", tick.at, tick.label))
            .collect()
    }

    #[test]
    fn an_axis_names_round_times_of_the_hosts_zone() {
        assert_eq!(
            ticks("2026-03-01T10:07:00Z", "2026-03-01T11:07:00Z", "UTC"),
            ["13.33% 10:15", "38.33% 10:30", "63.33% 10:45", "88.33% 11:00"]
        );
        assert_eq!(
            ticks("2026-03-01T22:00:00Z", "2026-03-02T10:00:00Z", "Europe/Berlin"),
            ["8.33% 2 Mar", "33.33% 03:00", "58.33% 06:00", "83.33% 09:00"]
        );
        assert_eq!(
            ticks("2026-03-01T10:00:00Z", "2026-03-31T10:00:00Z", "UTC"),
            ["25.27% 9 Mar", "48.61% 16 Mar", "71.94% 23 Mar"]
        );
        assert_eq!(
            ticks("2025-11-20T00:00:00Z", "2026-03-20T00:00:00Z", "UTC"),
            ["9.16% Dec", "35.00% Jan 2026", "60.83% Feb", "84.16% Mar"]
        );
    }

    proptest! {
        #[test]
        fn ticks_stand_in_order_within_the_picture(since in -1_000_000_000_i64..4_000_000_000, length in 0_i64..2_000_000_000) {
            let time = |second| Timestamp::from_second(second).unwrap();
            let axis = Axis::new(time(since), time(since + length));
            for zone in ["UTC", "Europe/Berlin", "Australia/Lord_Howe"] {
                let ticks = axis.ticks(&TimeZone::get(zone).unwrap());
                prop_assert!(ticks.len() <= usize::try_from(MOST).unwrap() + 1, "{ticks:?}");
                prop_assert!(ticks.windows(2).all(|pair| pair[0].at < pair[1].at), "{ticks:?}");
                prop_assert!(ticks.iter().all(|tick| (MARGIN..=WHOLE - MARGIN).contains(&tick.at.0)), "{ticks:?}");
            }
        }
    }
}
