//! Where pot's activity is written: the files that bring pot's facility into a log and rotate it.
//!
//! They have names of their own: `pot.conf` in these folders may be an admin's. An earlier version of the console took
//! that name; a file with exactly its text is known by that and moves to the new name.

use crate::host::parse::syslog::{self, Rules};

/// pot's log, which the console reads.
pub(crate) const LOG: &str = "/var/log/pot.log";
/// syslogd's configuration, unless its flags name another (`-f`).
pub(crate) const MAIN: &str = "/etc/syslog.conf";
/// The folder of syslogd's part.
pub const FOLDER: &str = "/usr/local/etc/syslog.d";
/// syslogd's part.
pub const RULE: &str = "/usr/local/etc/syslog.d/pot-activity.conf";
/// newsyslog's part.
pub const ROTATION: &str = "/usr/local/etc/newsyslog.conf.d/pot-activity.conf";
/// Where an earlier version had syslogd's part.
pub const OLD_RULE: &str = "/usr/local/etc/syslog.d/pot.conf";
/// Where an earlier version had newsyslog's part.
pub const OLD_ROTATION: &str = "/usr/local/etc/newsyslog.conf.d/pot.conf";
/// newsyslog's configuration.
pub(crate) const ROTATION_MAIN: &str = "/etc/newsyslog.conf";
/// The folders that a stock newsyslog.conf includes (newsyslog.conf(5)).
pub(crate) const ROTATION_FOLDERS: [&str; 2] = ["/etc/newsyslog.conf.d", "/usr/local/etc/newsyslog.conf.d"];

/// syslogd's part. A stock syslog.conf writes pot's `info` lines nowhere. The line is preceded by `!*` and `+*`,
/// so that a program or host block left open before it does not hide it (syslog.conf(5)).
pub fn rule(facility: &str) -> Vec<u8> {
    format!("# pot's activity; written by pot-console\n!*\n+*\n{facility}.*\t\t\t\t\t{LOG}\n").into_bytes()
}

/// newsyslog's part: a generation each 1000 kB, 12 kept, bzip2, made when missing (newsyslog.conf(5)).
pub fn rotation() -> Vec<u8> {
    format!("# pot's activity; written by pot-console\n{LOG}\t\t640  12\t   1000\t*\tJC\n").into_bytes()
}

/// Whether the bytes are a rule that the console wrote, for whatever facility, and nothing else.
pub(crate) fn is_our_rule(bytes: &[u8]) -> bool {
    let lines = std::str::from_utf8(bytes).unwrap_or_default();
    let facility = lines.lines().last().and_then(|line| line.split_once(".*")).map(|(facility, _)| facility);
    facility.is_some_and(|facility| {
        facility.bytes().all(|byte| byte.is_ascii_alphanumeric()) && bytes == rule(facility).as_slice()
    })
}

/// Whether the bytes are a rotation that the console wrote, and nothing else.
pub(crate) fn is_our_rotation(bytes: &[u8]) -> bool {
    bytes == rotation().as_slice()
}

/// The file of the console's own name with what is wanted in it: lines of others that stand there stay.
pub(crate) fn with_ours(old: &[u8], wanted: &[u8], is_ours: fn(&[u8]) -> bool) -> Vec<u8> {
    if old.is_empty() || is_ours(old) {
        return wanted.to_vec();
    }
    let stands = old.windows(wanted.len()).any(|part| part == wanted);
    if stands { old.to_vec() } else { appended(old, wanted) }
}

/// The main file with the line that makes syslogd read [`FOLDER`]. An included file begins without the block that is
/// open where it is included (`parseconfigfile` in syslogd.c).
pub(crate) fn with_include(main: &[u8]) -> Vec<u8> {
    appended(main, format!("include\t\t\t\t\t\t{FOLDER}\n").as_bytes())
}

/// The main file with the rule itself, behind everything else.
pub(crate) fn with_rule(main: &[u8], facility: &str) -> Vec<u8> {
    let filtered = main.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_start().starts_with(b":"));
    let mut rule = String::from_utf8_lossy(&rule(facility)).into_owned();
    if filtered {
        // A property filter that is left open would hide it, too.
        rule = rule.replace("+*\n", "+*\n:*\n");
    }
    appended(main, rule.as_bytes())
}

fn appended(text: &[u8], lines: &[u8]) -> Vec<u8> {
    let mut new = text.to_vec();
    if new.last().is_some_and(|byte| *byte != b'\n') {
        new.push(b'\n');
    }
    new.extend_from_slice(lines);
    new
}

/// Folders that the main file includes.
pub fn folders(main: &[u8]) -> Vec<String> {
    syslog::folders(&String::from_utf8_lossy(main))
}

/// The files that take what pot logs at `facility`.info, when the main file and the files of the folders say this.
/// `files` are path and bytes of each `*.conf` in the included folders.
pub(crate) fn written_to(main: &[u8], files: &[(String, Vec<u8>)], hostname: &str, facility: &str) -> Vec<String> {
    let rules = Rules::read(&String::from_utf8_lossy(main), hostname, |folder| {
        let mut within: Vec<&(String, Vec<u8>)> = files
            .iter()
            .filter(|(path, _)| path.rsplit_once('/').is_some_and(|(own, _)| own == folder.trim_end_matches('/')))
            .collect();
        within.sort_by(|(one, _), (other, _)| one.cmp(other));
        within.into_iter().map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).collect()
    });
    rules.files_for(facility, "pot")
}

/// Whether a newsyslog.conf rotates pot's log.
pub(crate) fn rotates(text: &[u8]) -> bool {
    String::from_utf8_lossy(text).lines().any(|line| line.split_ascii_whitespace().next() == Some(LOG))
}

/// Whether newsyslog's main file includes the folder of [`ROTATION`].
pub(crate) fn includes_rotation(main: &[u8]) -> bool {
    let folder = ROTATION.rsplit_once('/').map_or("", |(folder, _)| folder);
    String::from_utf8_lossy(main).lines().any(|line| {
        let mut words = line.split_ascii_whitespace();
        words.next() == Some("<include>") && words.next().is_some_and(|path| path.starts_with(folder))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facility_goes_to_the_log_that_is_rotated() {
        let syslog = String::from_utf8(rule("local2")).unwrap();
        let words: Vec<&str> = syslog.lines().last().unwrap().split_ascii_whitespace().collect();
        assert_eq!(words, ["local2.*", LOG]);
        assert!(rotates(&rotation()) && !rotates(b"# /var/log/pot.log\n/var/log/pot.log2 600 7 * @T00 J\n"));
    }

    #[test]
    fn what_an_earlier_version_wrote_is_known_and_nothing_else() {
        for facility in ["local2", "LOCAL5", "user"] {
            assert!(is_our_rule(&rule(facility)), "{facility}");
        }
        // As released: the text must never change without the old one being kept here.
        assert!(is_our_rule(b"# pot's activity; written by pot-console\n!*\n+*\nlocal2.*\t\t\t\t\t/var/log/pot.log\n"));
        assert!(is_our_rotation(
            b"# pot's activity; written by pot-console\n/var/log/pot.log\t\t640  12\t   1000\t*\tJC\n"
        ));
        let edited = [rule("local2"), b"local3.* @loghost\n".to_vec()].concat();
        for other in [b"".as_slice(), b"!pot\n*.*\t@loghost.example.org:514\n!*\n", &edited, &rule("local2")[1..]] {
            assert!(!is_our_rule(other) && !is_our_rotation(other), "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn lines_of_others_in_our_file_stay() {
        let own = with_ours(b"", &rule("local2"), is_our_rule);
        assert_eq!(own, rule("local2"));
        assert_eq!(with_ours(&own, &rule("local5"), is_our_rule), rule("local5"), "ours is written anew");
        let mixed = [b"local3.* @loghost\n".to_vec(), own.clone()].concat();
        assert_eq!(with_ours(&mixed, &rule("local2"), is_our_rule), mixed);
        assert_eq!(with_ours(b"local3.* @loghost", &own, is_our_rule), [b"local3.* @loghost\n".to_vec(), own].concat());
    }

    #[test]
    fn the_line_that_is_added_is_one_that_syslogd_reads() {
        let main = b"*.notice\t/var/log/messages\n!ppp\n*.*\t/var/log/ppp.log";
        let ours = [(RULE.to_owned(), rule("local2"))];
        assert_eq!(written_to(main, &ours, "jail1.lan", "local2"), Vec::<String>::new());
        assert_eq!(written_to(&with_include(main), &ours, "jail1.lan", "local2"), [LOG]);
        assert_eq!(written_to(&with_rule(main, "local2"), &[], "jail1.lan", "local2"), [LOG]);
        let filtered = b":msg, contains, \"x\"\n*.* /var/log/x.log\n";
        assert_eq!(written_to(&with_rule(filtered, "local2"), &[], "jail1.lan", "local2"), [LOG]);
        assert_eq!(folders(b"include /etc/syslog.d\n#include /x\nincludes.* /y\n"), ["/etc/syslog.d"]);
        assert!(includes_rotation(b"<include> /usr/local/etc/newsyslog.conf.d/[!.]*.conf\n"));
        assert!(!includes_rotation(
            b"# <include> /usr/local/etc/newsyslog.conf.d/*\n<include> /etc/newsyslog.conf.d/*\n"
        ));
    }
}
