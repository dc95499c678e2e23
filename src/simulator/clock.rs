//! Times as the simulated tools print them: in the zone of the machine that runs them.

use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};

/// A second since 1970 as local time.
pub(crate) fn at(seconds: i64) -> ZonedDateTime {
    Timestamp::from_second(seconds).unwrap_or_default().to_zoned_datetime(TimeZone::system())
}

/// Now, as local time.
pub(crate) fn now() -> ZonedDateTime {
    Timestamp::now().to_zoned_datetime(TimeZone::system())
}
