//! How facts read for people.

use super::Asked;

impl Asked<'_> {
    /// The source as a heading; empty when the words name their sources themselves.
    pub(crate) fn heading(&self) -> &str {
        heading(self.source, self.evidence)
    }
}

/// "5 filter rules in the main rule set": rules in anchors are not among them.
pub fn filter_rules_in_words(count: usize) -> String {
    format!(
        "{} in the main rule set",
        if count == 1 { "1 filter rule".to_owned() } else { format!("{count} filter rules") }
    )
}

/// "3 rules in pot-nat".
pub fn pot_nat_in_words(count: usize) -> String {
    format!("{} in pot-nat", if count == 1 { "1 rule".to_owned() } else { format!("{count} rules") })
}

/// A source as a heading above its words; empty when the words name their sources themselves, as those of several do.
pub(crate) fn heading<'a>(source: &'a str, words: &str) -> &'a str {
    match source.split_once("; ") {
        Some((first, _)) if words.starts_with(first) => "",
        _ => source,
    }
}
