//! pfctl(8)'s answers, and how often pot's two anchor lines stand in a pf.conf.

use super::quote;

/// The line that calls pot's translation anchor, as pot init writes and counts it.
pub const NAT_ANCHOR: &str = "nat-anchor pot-nat";
/// The line that calls pot's redirection anchors.
pub const RDR_ANCHOR: &str = "rdr-anchor \"pot-rdr/*\"";

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

    #[test]
    fn only_whole_lines_at_the_margin_are_pots() {
        let text = "nat-anchor pot-nat\n  rdr-anchor \"pot-rdr/*\"\n# nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n";
        assert_eq!(anchor_lines(text.as_bytes()), (1, 1));
        assert_eq!(anchor_lines(b"nat-anchor pot-nat\nnat-anchor pot-nat"), (2, 0));
        assert_eq!(anchor_lines(b"nat-anchor pot-nat\r\nrdr-anchor \"pot-rdr/*\"\r\n"), (0, 0));
    }
}
