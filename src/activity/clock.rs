//! BSD time stamps have no year and no zone: both are inferred from the order of lines, newest first.

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
    /// The time of the last line dated.
    before: Option<Timestamp>,
}

impl Dating {
    /// Begins with the newest line: it was written no later than `reference` (the file's last change).
    pub(super) fn backwards_from(reference: Timestamp, zone: TimeZone) -> Self {
        let latest = reference.to_zoned_datetime(zone.clone()).datetime();
        Self { zone, latest, before: None }
    }

    /// Dates the next older line.
    pub(super) fn date(&mut self, stamp: Stamp) -> Option<Timestamp> {
        match stamp {
            Stamp::Exact(time) => {
                self.latest = time.to_zoned_datetime(self.zone.clone()).datetime();
                self.before = Some(time);
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
                self.latest = self.latest.min(dated);
                let time = self.instant(dated)?;
                self.before = Some(time);
                Some(time)
            }
        }
    }

    /// The hour that comes twice is the later one, until the lines' order says otherwise.
    fn instant(&self, dated: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(dated);
        if let AmbiguousOffset::Fold { .. } = ambiguous.offset()
            && let Ok(later) = ambiguous.later()
            && self.before.is_none_or(|before| later <= before)
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
    /// The number of turns before the next newer line.
    pub(super) fn at(&mut self, stamp: Stamp) -> u16 {
        if let Stamp::Yearless(stamp) = stamp {
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
        let mut year = |stamp| dating.date(stamp).unwrap().to_string()[..10].to_owned();
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
        assert_eq!(dating.date(yearless(1, 1, 0, 0)).unwrap().to_string(), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn the_hour_that_comes_twice_is_told_by_order() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let mut dating = Dating::backwards_from("2026-10-25T03:00:00Z".parse().unwrap(), zone);
        let mut at = |stamp| dating.date(stamp).unwrap().to_string();
        assert_eq!(at(yearless(10, 25, 3, 10)), "2026-10-25T02:10:00Z");
        assert_eq!(at(yearless(10, 25, 2, 10)), "2026-10-25T01:10:00Z");
        assert_eq!(at(yearless(10, 25, 2, 50)), "2026-10-25T00:50:00Z");
        assert_eq!(at(yearless(10, 25, 2, 10)), "2026-10-25T00:10:00Z");
    }

    #[test]
    fn turns_are_counted_forwards() {
        let mut turns = Turns::default();
        let seen: Vec<u16> = [(11, 3), (12, 31), (1, 1), (12, 30), (12, 29), (2, 1)]
            .into_iter()
            .map(|(month, day)| turns.at(yearless(month, day, 0, 0)))
            .collect();
        assert_eq!(seen, [0, 0, 1, 1, 1, 2]);
    }
}
