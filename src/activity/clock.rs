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
                let limit = self.latest.checked_add(Span::new().hours(SLACK_HOURS)).unwrap_or(DateTime::MAX);
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

/// Counts the turns of the year in a log that is read forwards, where the year itself is known only at the end.
#[derive(Debug, Default)]
pub(super) struct Turns {
    latest: Option<DateTime>,
    turns: u16,
}

impl Turns {
    /// The number of turns before the next newer line. `own`: it is this host's.
    pub(super) fn at(&mut self, stamp: Stamp, own: bool) -> u16 {
        if let Stamp::Yearless(stamp) = stamp
            && own
        {
            let turned = self.latest.is_some_and(|latest| {
                stamp.checked_add(Span::new().hours(SLACK_HOURS)).is_ok_and(|limit| limit < latest)
            });
            if turned {
                self.turns = self.turns.saturating_add(1);
                self.latest = Some(stamp);
            } else {
                self.latest = Some(self.latest.map_or(stamp, |latest| latest.max(stamp)));
            }
        }
        self.turns
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
        let mut turns = Turns::default();
        let seen = [(11, 3, true), (1, 1, false), (11, 4, true)]
            .map(|(month, day, own)| turns.at(yearless(month, day, 0, 0), own));
        assert_eq!(seen, [0, 0, 0]);
    }

    #[test]
    fn turns_are_counted_forwards() {
        let mut turns = Turns::default();
        let seen: Vec<u16> = [(11, 3), (12, 31), (1, 1), (12, 30), (12, 29), (2, 1)]
            .into_iter()
            .map(|(month, day)| turns.at(yearless(month, day, 0, 0), true))
            .collect();
        assert_eq!(seen, [0, 0, 1, 1, 1, 2]);
    }
}
