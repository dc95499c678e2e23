//! Where pot's activity is written: the two files that bring pot's facility into a log and rotate it.

/// pot's log, which the console reads.
pub const LOG: &str = "/var/log/pot.log";
/// syslogd's part.
pub const SYSLOG_CONF: &str = "/usr/local/etc/syslog.d/pot.conf";
/// newsyslog's part.
pub const NEWSYSLOG_CONF: &str = "/usr/local/etc/newsyslog.conf.d/pot.conf";

/// syslog.d/pot.conf. A stock syslog.conf writes pot's `info` lines nowhere. The line is preceded by `!*` and `+*`,
/// so that a program or host block left open before it does not hide it (syslog.conf(5)).
pub fn syslog_conf(facility: &str) -> Vec<u8> {
    format!("# pot's activity; written by pot-console\n!*\n+*\n{facility}.*\t\t\t\t\t{LOG}\n").into_bytes()
}

/// newsyslog.conf.d/pot.conf: a generation each 1000 kB, 12 kept, bzip2, made when missing (newsyslog.conf(5)).
pub fn newsyslog_conf() -> Vec<u8> {
    format!("# pot's activity; written by pot-console\n{LOG}\t\t640  12\t   1000\t*\tJC\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facility_goes_to_the_log_that_is_rotated() {
        let syslog = String::from_utf8(syslog_conf("local2")).unwrap();
        let rule: Vec<&str> = syslog.lines().last().unwrap().split_ascii_whitespace().collect();
        assert_eq!(rule, ["local2.*", LOG]);
        let newsyslog = String::from_utf8(newsyslog_conf()).unwrap();
        assert_eq!(newsyslog.lines().last().unwrap().split_ascii_whitespace().next(), Some(LOG));
    }
}
