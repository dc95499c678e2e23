//! The facilities of syslog(3): the one list for what is judged, probed, parsed and simulated.

/// The facilities by number, as `<sys/syslog.h>` numbers them; 15, which it leaves out, by RFC 5424's name.
pub(crate) const BY_NUMBER: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "security", "console", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// The names that logger(1) and syslog.conf(5) take on FreeBSD (`facilitynames` of `<sys/syslog.h>`).
pub const NAMES: [&str; 24] = [
    "auth", "authpriv", "console", "cron", "daemon", "ftp", "kern", "lpr", "mail", "mark", "news", "ntp", "security",
    "syslog", "user", "uucp", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// The facility that a word names. Upper and lower case are the same: logger(1) and syslogd(8) compare so.
pub fn named(word: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|name| name.eq_ignore_ascii_case(word))
}

/// The number of a facility by its name, in any case.
pub fn number(word: &str) -> Option<u8> {
    BY_NUMBER.iter().zip(0_u8..).find_map(|(name, number)| name.eq_ignore_ascii_case(word).then_some(number))
}

/// Whether a program can log to it. `kern` is the kernel's: syslogd makes `user` of it, whoever else sends it. `mark` is
/// what syslogd itself writes, and no rule for `*` takes it.
pub(crate) fn is_for_programs(name: &str) -> bool {
    !["kern", "mark"].contains(&name)
}

/// What syslogd makes of the facility that a program names: its name in small letters, `user` for `kern`. A word that
/// names none stays as it is.
pub(crate) fn received(word: &str) -> &str {
    match named(word) {
        Some("kern") => "user",
        Some(name) => name,
        None => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_matter_and_the_kernels_facility_is_the_users() {
        assert_eq!(named("LOCAL2"), Some("local2"));
        assert_eq!((named("local8"), named("clock"), named("")), (None, None, None));
        assert_eq!((received("KERN"), received("Console"), received("x")), ("user", "console", "x"));
        assert_eq!((number("local2"), number("KERN"), number("mark")), (Some(18), Some(0), None));
        for name in NAMES.into_iter().filter(|name| *name != "mark") {
            assert!(number(name).is_some(), "{name}");
        }
    }
}
