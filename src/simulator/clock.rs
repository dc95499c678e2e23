//! Times as the simulated tools print them: in the zone of the simulated host, wherever the machine that runs them stands.

use std::sync::OnceLock;

use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};

use super::machine::Machine;

/// Where tzsetup(8) leaves the zone's name. A host without it keeps UTC.
const ZONE_FILE: &str = "/var/db/zoneinfo";

/// The host that this process tells times of, and its zone once somebody asked for a time: most tools print none.
static HOST: OnceLock<Machine> = OnceLock::new();
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
    // Set before: another root was built by the same process, on the same machine.
    let _ = HOST.set(machine.clone());
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
    let zone = ZONE.get_or_init(|| {
        let name = HOST.get().map(|machine| machine.text(ZONE_FILE)).unwrap_or_default();
        match name.trim() {
            "" => TimeZone::UTC,
            name => TimeZone::get(name).unwrap_or(TimeZone::UTC),
        }
    });
    time.to_zoned_datetime(zone.clone())
}
