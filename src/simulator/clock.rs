//! Times as the simulated tools print them: in the zone of the simulated host, wherever the machine that runs them stands.

use std::sync::OnceLock;

use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};

use super::machine::Machine;

/// Where tzsetup(8) leaves the zone's name. A host without it keeps UTC.
const ZONE_FILE: &str = "/var/db/zoneinfo";

static ZONE: OnceLock<TimeZone> = OnceLock::new();

/// Sets a new host up for the zone of the machine that it is built on: its times are those of the person who looks.
pub(crate) fn set_up(machine: &Machine) -> std::io::Result<()> {
    let zone = TimeZone::system();
    match zone.iana_name().filter(|name| !matches!(*name, "UTC" | "Etc/UTC" | "Etc/Unknown")) {
        Some(name) => machine.write(ZONE_FILE, &format!("{name}\n")),
        None => Ok(()),
    }
}

/// Takes over the host's zone, for as long as this process lives.
pub(crate) fn of(machine: &Machine) {
    let zone = TimeZone::get(machine.text(ZONE_FILE).trim()).unwrap_or(TimeZone::UTC);
    // Set before: another root was built by the same process, on the same machine.
    let _ = ZONE.set(zone);
}

/// A second since 1970 as local time.
pub(crate) fn at(seconds: i64) -> ZonedDateTime {
    local(Timestamp::from_second(seconds).unwrap_or_default())
}

/// Now, as local time.
pub(crate) fn now() -> ZonedDateTime {
    local(Timestamp::now())
}

fn local(time: Timestamp) -> ZonedDateTime {
    time.to_zoned_datetime(ZONE.get().cloned().unwrap_or(TimeZone::UTC))
}
