//! Name and versions of the host, and what it runs on.

use super::probe::Probe;
use super::time_zone::time_zone;
use crate::facts::{Machine, System};
use crate::process::Tool;
use jiff::Timestamp;

pub(super) fn system(probe: &mut Probe<'_>) -> Result<System, String> {
    let hostname = match probe.answer(Tool::Hostname, &[]) {
        Ok(hostname) => hostname.trim().to_owned(),
        Err(error) => probe.sysctl("kern.hostname").ok().flatten().ok_or(error)?,
    };
    // The installed kernel; without one on disk (diskless, jails) the running one.
    let kernel =
        probe.answer(Tool::FreebsdVersion, &["-k"]).or_else(|_| probe.answer(Tool::Uname, &["-r"]))?.trim().to_owned();
    let userland = probe.answer(Tool::FreebsdVersion, &["-u"]).map(|text| text.trim().to_owned()).unwrap_or_default();
    // Kept apart from the versions: that the one is not known says nothing of the others.
    let jailed = probe.sysctl("security.jail.jailed").ok().map(|value| value.as_deref() == Some("1"));
    let (time_zone, source) = time_zone(probe.layout());
    probe.note(source, time_zone.as_str());
    Ok(System { hostname, kernel, userland, jailed, time_zone })
}

pub(super) fn machine(probe: &mut Probe<'_>) -> Result<Machine, String> {
    let uid = nix::unistd::geteuid().as_raw();
    probe.note("id -u", uid.to_string());
    // Nice to know, no more: a value that does not come is left out.
    let mut value = |name: &str| probe.sysctl(name).ok().flatten().filter(|value| !value.is_empty());
    Ok(Machine {
        uid,
        architecture: value("hw.machine_arch"),
        cpus: value("hw.ncpu").and_then(|value| value.parse().ok()),
        memory: value("hw.physmem").and_then(|value| value.parse().ok()),
        booted: value("kern.boottime").and_then(|value| boot_time(&value)),
    })
}

/// `{ sec = 1764000000, usec = 123456 } Mon Nov 24 16:00:00 2025`
fn boot_time(text: &str) -> Option<Timestamp> {
    let (_, rest) = text.split_once("sec = ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Timestamp::from_second(digits.parse().ok()?).ok()
}
