//! pfctl(8)'s answers, and how often pot's two anchor lines stand in a pf.conf.

use super::quote;
use crate::facts::{PfTest, Untested};
use crate::process::{Captured, harmless};

/// Lines of pfctl's complaints that are kept.
const MOST_COMPLAINTS: usize = 200;

/// The line that calls pot's translation anchor, as pot init writes and counts it.
pub(crate) const NAT_ANCHOR: &str = "nat-anchor pot-nat";
/// The line that calls pot's redirection anchors.
pub(crate) const RDR_ANCHOR: &str = "rdr-anchor \"pot-rdr/*\"";

/// `pfctl -s info`: whether pf filters.
pub fn enabled(text: &str) -> Result<bool, String> {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("Status:")).unwrap_or(text);
    match line.split_ascii_whitespace().next() {
        Some("Enabled") => Ok(true),
        Some("Disabled") => Ok(false),
        _ => Err(format!("pfctl -s info says neither Enabled nor Disabled: {}", quote(line))),
    }
}

/// `pfctl -s Anchors`: one name a line, indented.
pub fn anchors(text: &str) -> Result<Vec<String>, String> {
    lines(text)
        .map(|line| {
            if line.contains(char::is_whitespace) {
                Err(format!("pfctl -s Anchors answered a line that is not understood: {}", quote(line)))
            } else {
                Ok(line.to_owned())
            }
        })
        .collect()
}

/// Whether these are pfctl's words where pf is not in the kernel. From FreeBSD 15 on it says so in this way of `-n`, too:
/// it opens the device first, and closing what it did not get is the error that it tells.
pub fn is_not_loaded(stderr: &str) -> bool {
    stderr.contains("/dev/pf: No such file") || stderr.contains("Failed to open netlink: Bad file descriptor")
}

/// What an answer of `pfctl -nf` says of the text: the one reader of it.
pub fn verdict(answer: &Captured) -> PfTest {
    if answer.succeeded() {
        return PfTest::Valid;
    }
    let complaints = || -> Vec<String> {
        lines(&answer.stderr).take(MOST_COMPLAINTS).map(|line| harmless(line).into_owned()).collect()
    };
    let other = |why: &str| PfTest::Untested(Untested::Other(why.to_owned()));
    if answer.timed_out {
        other("pfctl did not answer in time")
    } else if answer.status.is_none() {
        other("pfctl was ended by a signal")
    } else if is_not_loaded(&answer.stderr) {
        PfTest::Untested(Untested::PfNotLoaded)
    } else if answer.stderr.contains("Failed to open netlink") || answer.stderr.contains("Permission denied") {
        PfTest::Untested(Untested::Other(complaints().into_iter().next().unwrap_or_default()))
    } else {
        PfTest::Invalid(complaints())
    }
}

/// The rules that `pfctl -s nat` or `-s rules` lists. It ends with status 0 even where it could not ask the kernel, and
/// says so on standard error only: nothing listed is an answer only beside silence there, or where it was asked for an
/// anchor (`of_an_anchor`) that does not exist, which each release says in its own words.
pub fn listed(answer: &Captured, of_an_anchor: bool) -> Result<Vec<String>, String> {
    let complaint = lines(&answer.stderr)
        // pfctl of releases before 13 says that on every host without ALTQ.
        .find(|line| !line.starts_with("No ALTQ support") && !line.starts_with("ALTQ related functions"));
    let absent = |line: &str| {
        of_an_anchor
            && (line.contains("DIOCGETRULES: Invalid argument")
                || line.contains("DIOCGETRULES: No such file or directory")
                || line.contains("Anchor does not exist")
                || line.starts_with("Anchor '"))
    };
    match complaint {
        _ if answer.timed_out => Err("pfctl did not answer in time".to_owned()),
        _ if answer.truncated => Err("pfctl answered more than can be kept".to_owned()),
        Some(line) if absent(line) => Ok(rules(&answer.stdout)),
        Some(line) => Err(format!("pfctl could not list the rules: {}", harmless(line))),
        None if answer.succeeded() => Ok(rules(&answer.stdout)),
        None => Err("pfctl failed without a word".to_owned()),
    }
}

/// `pfctl -s nat` and `pfctl -s rules`: one rule a line, kept as it stands.
pub fn rules(text: &str) -> Vec<String> {
    lines(text).map(str::to_owned).collect()
}

/// How often pot's anchor lines stand in a pf.conf, whole and at the margin: what `pot init` counts with
/// `grep -c '^nat-anchor pot-nat$'`. A line ends at its line feed alone: with a carriage return before it, it is no
/// anchor to grep, and a syntax error to pf.
pub fn anchor_lines(text: &[u8]) -> (usize, usize) {
    let count = |wanted: &str| text.split(|byte| *byte == b'\n').filter(|line| *line == wanted.as_bytes()).count();
    (count(NAT_ANCHOR), count(RDR_ANCHOR))
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pf_is_on_or_off_or_not_understood() {
        assert_eq!(enabled("Status: Enabled for 8 days 11:02:17          Debug: Urgent\n\nState Table\n"), Ok(true));
        assert_eq!(enabled("Status: Disabled for 0 days 00:00:09         Debug: Urgent\n"), Ok(false));
        assert!(enabled("pfctl: what?").is_err());
        assert!(enabled("").is_err());
    }

    #[test]
    fn anchors_and_rules_one_a_line() {
        assert_eq!(anchors("  pot-nat\n  pot-rdr\n"), Ok(vec!["pot-nat".to_owned(), "pot-rdr".to_owned()]));
        assert!(anchors("pfctl: Syntax error in something\n").is_err());
        assert_eq!(rules("nat-anchor \"pot-nat\" all\n\n"), ["nat-anchor \"pot-nat\" all"]);
    }

    fn answer(status: i32, stdout: &str, stderr: &str) -> Captured {
        Captured {
            status: Some(status),
            timed_out: false,
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
            truncated: false,
            took: std::time::Duration::ZERO,
        }
    }

    #[test]
    fn a_file_that_pfctl_cannot_judge_is_not_called_invalid() {
        let not_loaded = PfTest::Untested(Untested::PfNotLoaded);
        assert_eq!(verdict(&answer(1, "", "pfctl: Failed to open netlink: Bad file descriptor\n")), not_loaded);
        assert_eq!(verdict(&answer(1, "", "pfctl: /dev/pf: No such file or directory\n")), not_loaded);
        assert!(matches!(
            verdict(&answer(1, "", "pfctl: Failed to open netlink: Protocol not supported\n")),
            PfTest::Untested(Untested::Other(why)) if why.contains("Protocol")
        ));
        let cut = Captured { status: None, timed_out: true, ..answer(0, "", "stdin:1: syntax error\n") };
        assert!(matches!(verdict(&cut), PfTest::Untested(Untested::Other(_))));
        let words = vec!["stdin:1: syntax error".to_owned()];
        assert_eq!(verdict(&answer(1, "", "stdin:1: syntax error\n")), PfTest::Invalid(words));
        assert_eq!(verdict(&answer(0, "", "")), PfTest::Valid);
    }

    #[test]
    fn rules_that_could_not_be_listed_are_not_none() {
        assert_eq!(listed(&answer(0, "", "pfctl: DIOCGETRULES: Invalid argument\n"), true), Ok(Vec::new()));
        assert_eq!(listed(&answer(1, "", "pfctl: Anchor does not exist.\n"), true), Ok(Vec::new()));
        assert_eq!(listed(&answer(0, "nat on em0\n", ""), true), Ok(vec!["nat on em0".to_owned()]));
        assert_eq!(
            listed(&answer(0, "pass\n", "No ALTQ support in kernel\nALTQ related functions disabled\n"), true),
            Ok(vec!["pass".to_owned()])
        );
        // pf changed its rules while they were read: a part of them is no answer, whatever the status.
        assert!(listed(&answer(0, "nat on em0\n", "pfctl: DIOCGETRULE: Device busy\n"), true).is_err());
        assert!(listed(&answer(0, "", "pfctl: DIOCGETRULES: Operation not permitted\n"), true).is_err());
        assert!(listed(&answer(1, "", ""), true).is_err());
        assert!(
            listed(&answer(0, "", "pfctl: DIOCGETRULES: Invalid argument\n"), false).is_err(),
            "no anchor was asked for"
        );
        assert!(listed(&Captured { truncated: true, ..answer(0, "nat\n", "") }, true).is_err());
    }

    #[test]
    fn the_line_with_a_number_is_told_before_one_without() {
        use crate::facts::telling;
        let words = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            telling(&words("no IP address found for em0/24\nstdin:4: could not parse host specification")).as_deref(),
            Some("stdin:4: could not parse host specification (no IP address found for em0/24)")
        );
        assert_eq!(telling(&words("stdin:1: macro\nstdin:1: syntax error")).as_deref(), Some("stdin:1: macro"));
        assert_eq!(telling(&words("pfctl: it broke")).as_deref(), Some("pfctl: it broke"));
        assert_eq!(telling(&[]), None);
    }

    #[test]
    fn only_whole_lines_at_the_margin_are_pots() {
        let text = "nat-anchor pot-nat\n  rdr-anchor \"pot-rdr/*\"\n# nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n";
        assert_eq!(anchor_lines(text.as_bytes()), (1, 1));
        assert_eq!(anchor_lines(b"nat-anchor pot-nat\nnat-anchor pot-nat"), (2, 0));
        assert_eq!(anchor_lines(b"nat-anchor pot-nat\r\nrdr-anchor \"pot-rdr/*\"\r\n"), (0, 0));
    }
}
