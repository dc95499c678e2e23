//! BSD time stamps have no year and no zone: both are inferred from the order of lines, newest first.
//!
//! Only this host's own lines have an order to go by: another one's clock may be wrong, and a pot that may log can
//! stamp a line as it likes. Its lines are dated by their place among this host's.

use super::line::Stamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};

/// How far a line may lie behind the one before it in time (a clock that was set) and still be of the same year.
const SLACK_HOURS: i64 = 24;

/// Follows the lines of a log from newer to older and dates each.
#[derive(Debug, Clone)]
pub(super) struct Dating {
    zone: TimeZone,
    /// No line may be dated later than this and the slack.
    latest: DateTime,
    /// The time of the last line dated, or what it is no later than.
    before: Timestamp,
}

impl Dating {
    /// Begins with the newest line: it was written no later than `reference` (the file's last change).
    pub(super) fn backwards_from(reference: Timestamp, zone: TimeZone) -> Self {
        let latest = reference.to_zoned_datetime(zone.clone()).datetime();
        Self { zone, latest, before: reference }
    }

    /// The time of this host's last line dated: where to begin anew with the next older one.
    pub(super) fn reached(&self) -> Timestamp {
        self.before
    }

    /// Dates the next older line. `own`: it is this host's, and those after it are older.
    pub(super) fn date(&mut self, stamp: Stamp, own: bool) -> Option<Timestamp> {
        match stamp {
            Stamp::Exact(time) => {
                if own {
                    self.latest = time.to_zoned_datetime(self.zone.clone()).datetime();
                    self.before = time;
                }
                Some(time)
            }
            Stamp::Yearless(stamp) => {
                let limit = with_slack(self.latest);
                // Nine years reach over the longest gap between two leap years.
                let dated = (-9..=1).rev().find_map(|offset| {
                    let year = self.latest.year().checked_add(offset)?;
                    let dated = in_year(stamp, year)?;
                    (dated <= limit).then_some(dated)
                })?;
                let time = self.instant(dated)?;
                if own {
                    self.latest = self.latest.min(dated);
                    self.before = time;
                }
                Some(time)
            }
        }
    }

    /// The hour that comes twice is the later one, until the lines' order says otherwise.
    fn instant(&self, dated: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(dated);
        if let AmbiguousOffset::Fold { .. } = ambiguous.offset()
            && let Ok(later) = ambiguous.later()
            && later <= self.before
        {
            return Some(later);
        }
        if let AmbiguousOffset::Fold { .. } = ambiguous.offset() {
            return ambiguous.earlier().ok();
        }
        ambiguous.compatible().ok()
    }
}

/// The stamp in another year; none for 29 February of a common year.
fn in_year(stamp: DateTime, year: i16) -> Option<DateTime> {
    DateTime::new(year, stamp.month(), stamp.day(), stamp.hour(), stamp.minute(), stamp.second(), 0).ok()
}

/// The year in which stamps without one are compared: a leap year.
const ANY: i16 = 2000;

/// How far a line may be stamped later than the next one.
fn with_slack(stamp: DateTime) -> DateTime {
    stamp.checked_add(Span::new().hours(SLACK_HOURS)).unwrap_or(DateTime::MAX)
}

/// Counts the years of a log that is read forwards, where they themselves are known only at the end: each is told as its
/// distance from the first line's.
#[derive(Debug)]
pub(super) struct Turns {
    zone: TimeZone,
    /// The latest stamp of the present year.
    latest: Option<DateTime>,
    year: i32,
    /// This host's last line.
    last: Option<(i32, DateTime)>,
}

impl Turns {
    pub(super) fn new(zone: &TimeZone) -> Self {
        Self { zone: zone.clone(), latest: None, year: 0, last: None }
    }

    /// The year of this host's next line.
    pub(super) fn own(&mut self, stamp: Stamp) -> i32 {
        let stamp = match stamp {
            Stamp::Yearless(stamp) => Some(stamp),
            Stamp::Exact(time) => Some(time.to_zoned_datetime(self.zone.clone()).datetime()),
        };
        // A year that is no leap year has no stamp that a leap year lacks.
        let Some(stamp) = stamp.and_then(|stamp| in_year(stamp, ANY)) else { return self.year };
        let mut year = self.year;
        match self.latest {
            Some(latest) if with_slack(stamp) < latest => {
                self.year += 1;
                year = self.year;
                self.latest = Some(stamp);
            }
            // A clock that was set back over New Year.
            Some(latest) if in_year(stamp, ANY - 1).is_some_and(|stamp| with_slack(stamp) >= latest) => year -= 1,
            Some(latest) => self.latest = Some(latest.max(stamp)),
            None => self.latest = Some(stamp),
        }
        self.last = Some((year, stamp));
        year
    }

    /// The year of another host's line that stands before this host's last one and behind the one before that: as
    /// [`Dating`] has it, the latest year in which it is no later than that one and the slack.
    pub(super) fn before_last(&self, stamp: DateTime) -> i32 {
        let Some((year, last)) = self.last else { return self.year };
        let limit = with_slack(last);
        let no_later = |years: &i16| in_year(stamp, ANY + years).is_some_and(|stamp| stamp <= limit);
        year + [1, 0].iter().find(|years| no_later(years)).map_or(-1, |&years| i32::from(years))
    }
}

/// Dates lines of a file that was read forwards, newest first, when its end is known.
#[derive(Debug)]
pub(super) struct Years {
    /// Before any line is dated.
    end: Dating,
    dating: Dating,
    time: Timestamp,
    newest: i32,
    newest_year: i32,
}

impl Years {
    /// `newest`: this host's last line in the file, with its year as [`Turns`] told it. No line is later than
    /// `reference`.
    pub(super) fn ending(newest: Option<(i32, Stamp)>, reference: Timestamp, zone: &TimeZone) -> Self {
        let end = Dating::backwards_from(reference, zone.clone());
        let mut dating = end.clone();
        let (newest, stamp) = newest.unwrap_or((0, Stamp::Exact(reference)));
        let time = dating.date(stamp, true).unwrap_or(reference);
        let newest_year = i32::from(time.to_zoned_datetime(zone.clone()).year());
        Self { end, dating, time, newest, newest_year }
    }

    /// When this host's last line in the file was written.
    pub(super) fn newest(&self) -> Timestamp {
        self.time
    }

    /// The next older line. `year`: as [`Turns`] told it; none for another host's behind all of this one's.
    pub(super) fn date(&mut self, year: Option<i32>, stamp: Stamp, own: bool) -> Option<Timestamp> {
        let (Stamp::Yearless(stamp), Some(year)) = (stamp, year) else {
            let dating = if own { &mut self.dating } else { &mut self.end.clone() };
            return dating.date(stamp, own);
        };
        let wanted = i16::try_from(self.newest_year - (self.newest - year)).ok()?;
        // Nine years reach over the longest gap between two leap years.
        let (back, dated) = (0..=9).find_map(|back| Some((back, in_year(stamp, wanted.checked_sub(back)?)?)))?;
        let time = self.dating.instant(dated)?;
        if own {
            self.newest_year -= i32::from(back);
            self.dating.before = time;
        }
        Some(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::datetime;

    fn yearless(month: i8, day: i8, hour: i8, minute: i8) -> Stamp {
        Stamp::Yearless(datetime(2000, month, day, hour, minute, 0, 0))
    }

    #[test]
    fn the_year_turns_where_the_months_go_up_again() {
        let mut dating = Dating::backwards_from("2026-01-02T12:00:00Z".parse().unwrap(), TimeZone::UTC);
        let mut year = |stamp| dating.date(stamp, true).unwrap().to_string()[..10].to_owned();
        assert_eq!(year(yearless(1, 2, 11, 0)), "2026-01-02");
        assert_eq!(year(yearless(12, 31, 23, 59)), "2025-12-31");
        assert_eq!(year(yearless(2, 10, 0, 0)), "2025-02-10");
        assert_eq!(year(yearless(3, 1, 0, 0)), "2024-03-01");
        assert_eq!(year(yearless(2, 29, 0, 0)), "2024-02-29");
        assert_eq!(year(yearless(2, 29, 12, 0)), "2024-02-29", "a clock that was set back by less than a day");
    }

    #[test]
    fn a_line_just_after_new_year_in_a_file_last_changed_just_before_it() {
        let mut dating = Dating::backwards_from("2025-12-31T23:59:59Z".parse().unwrap(), TimeZone::UTC);
        assert_eq!(dating.date(yearless(1, 1, 0, 0), true).unwrap().to_string(), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn the_hour_that_comes_twice_is_told_by_order() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let mut dating = Dating::backwards_from("2026-10-25T03:00:00Z".parse().unwrap(), zone);
        let mut at = |stamp| dating.date(stamp, true).unwrap().to_string();
        assert_eq!(at(yearless(10, 25, 3, 10)), "2026-10-25T02:10:00Z");
        assert_eq!(at(yearless(10, 25, 2, 10)), "2026-10-25T01:10:00Z");
        assert_eq!(at(yearless(10, 25, 2, 50)), "2026-10-25T00:50:00Z");
        assert_eq!(at(yearless(10, 25, 2, 10)), "2026-10-25T00:10:00Z");
    }

    #[test]
    fn the_hour_that_comes_twice_is_the_first_one_until_the_second_has_begun() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let newest = |changed: &str| {
            let mut dating = Dating::backwards_from(changed.parse().unwrap(), zone.clone());
            dating.date(yearless(10, 25, 2, 10), true).unwrap().to_string()
        };
        assert_eq!(newest("2026-10-25T00:10:00Z"), "2026-10-25T00:10:00Z");
        assert_eq!(newest("2026-10-25T01:10:00Z"), "2026-10-25T01:10:00Z");
    }

    #[test]
    fn a_line_of_another_host_moves_no_year() {
        let mut dating = Dating::backwards_from("2026-11-23T12:00:00Z".parse().unwrap(), TimeZone::UTC);
        let mut at = |stamp, own| dating.date(stamp, own).unwrap().to_string()[..10].to_owned();
        assert_eq!(at(yearless(11, 23, 11, 0), true), "2026-11-23");
        assert_eq!(at(yearless(1, 1, 0, 0), false), "2026-01-01");
        assert_eq!(at(Stamp::Exact(Timestamp::UNIX_EPOCH), false), "1970-01-01");
        assert_eq!(at(yearless(11, 22, 11, 0), true), "2026-11-22");
    }

    #[test]
    fn years_are_counted_forwards() {
        let years = |stamps: &[(i8, i8)]| -> Vec<i32> {
            let mut turns = Turns::new(&TimeZone::UTC);
            stamps.iter().map(|&(month, day)| turns.own(yearless(month, day, 0, 0))).collect()
        };
        assert_eq!(years(&[(11, 3), (12, 31), (1, 1), (12, 30), (12, 29), (2, 1)]), [0, 0, 1, 1, 1, 2]);
        // A clock that was set back by less than a day, over New Year as well.
        assert_eq!(years(&[(11, 3), (11, 2), (12, 31), (1, 1), (12, 31), (1, 1), (1, 2)]), [0, 0, 0, 1, 0, 1, 1]);
        let mut mixed = Turns::new(&TimeZone::UTC);
        assert_eq!(mixed.own(yearless(11, 3, 0, 0)), 0);
        assert_eq!(mixed.own(Stamp::Exact("2026-02-03T00:00:00Z".parse().unwrap())), 1);
        assert_eq!(mixed.own(yearless(11, 3, 0, 0)), 1);
    }

    #[test]
    fn a_line_of_another_host_has_the_year_of_its_place() {
        let mut turns = Turns::new(&TimeZone::UTC);
        let mut before = |own: (i8, i8), other: (i8, i8)| {
            turns.own(yearless(own.0, own.1, 0, 0));
            let Stamp::Yearless(other) = yearless(other.0, other.1, 0, 0) else { unreachable!() };
            turns.before_last(other)
        };
        assert_eq!(before((11, 3), (11, 1)), 0);
        assert_eq!(before((11, 3), (12, 20)), -1, "a clock that is ahead");
        assert_eq!(before((1, 5), (1, 3)), 1);
        assert_eq!(before((1, 5), (12, 30)), 0);
        assert_eq!(before((12, 31), (1, 1)), 2, "a day ahead");
    }
}
