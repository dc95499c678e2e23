//! What becomes of pot's calls at syslogd: one judgement for the check, Host, the Activity page and the plan.

use crate::facility;
use crate::facts::Syslog;

/// Where what pot reports (`POT_LOG_FACILITY.info`) ends up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogRoute<'a> {
    /// In this file, which exists: the most special one of them.
    File(&'a str),
    /// In no file: those that rules name do not exist, and syslogd without `-C` makes none.
    Missing(Vec<&'a str>),
    /// In no file of this host, but elsewhere: at `@loghost`, a program, users.
    Elsewhere(Vec<&'a str>),
    /// Nowhere.
    Nowhere,
}

/// Where the facility's info level ends up. Upper and lower case are the same, and `kern` counts as the `user` that
/// syslogd makes of it.
pub(crate) fn log_route<'a>(syslog: &'a Syslog, word: &str) -> LogRoute<'a> {
    let facility = facility::received(word);
    let of = |map: &'a std::collections::BTreeMap<String, Vec<String>>| -> Vec<&'a str> {
        map.get(facility).into_iter().flatten().map(String::as_str).collect()
    };
    let (files, elsewhere) = (of(&syslog.files), of(&syslog.elsewhere));
    match files.iter().find(|file| !syslog.missing.iter().any(|missing| missing == *file)) {
        Some(file) => LogRoute::File(file),
        None if !elsewhere.is_empty() => LogRoute::Elsewhere(elsewhere),
        None if !files.is_empty() => LogRoute::Missing(files),
        None => LogRoute::Nowhere,
    }
}

/// The files that take the facility's info level by some rule and do not exist.
pub(crate) fn missing_logs<'a>(syslog: &'a Syslog, word: &str) -> Vec<&'a str> {
    let files = syslog.files.get(facility::received(word)).into_iter().flatten();
    files.filter(|file| syslog.missing.contains(file)).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn syslog(files: &[&str], missing: &[&str], elsewhere: &[&str]) -> Syslog {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        Syslog {
            flags: String::new(),
            files: BTreeMap::from([("local2".to_owned(), owned(files))]),
            missing: owned(missing),
            elsewhere: BTreeMap::from([("local2".to_owned(), owned(elsewhere))]),
        }
    }

    #[test]
    fn a_missing_file_beside_a_good_one_loses_nothing() {
        let both = syslog(&["/var/log/pot.log", "/var/log/all.log"], &["/var/log/all.log"], &[]);
        assert_eq!(log_route(&both, "LOCAL2"), LogRoute::File("/var/log/pot.log"));
        let other_order = syslog(&["/var/log/all.log", "/var/log/pot.log"], &["/var/log/all.log"], &[]);
        assert_eq!(log_route(&other_order, "local2"), LogRoute::File("/var/log/pot.log"));
        assert_eq!(missing_logs(&other_order, "local2"), ["/var/log/all.log"]);
    }

    #[test]
    fn what_goes_to_a_log_host_is_not_dropped() {
        assert_eq!(log_route(&syslog(&[], &[], &["@loghost"]), "local2"), LogRoute::Elsewhere(vec!["@loghost"]));
        let lost_here = syslog(&["/var/log/a"], &["/var/log/a"], &["@loghost"]);
        assert_eq!(log_route(&lost_here, "local2"), LogRoute::Elsewhere(vec!["@loghost"]));
        assert_eq!(
            log_route(&syslog(&["/var/log/a"], &["/var/log/a"], &[]), "local2"),
            LogRoute::Missing(vec!["/var/log/a"])
        );
        assert_eq!(log_route(&syslog(&["/var/log/a"], &[], &[]), "kern"), LogRoute::Nowhere);
    }
}
