//! How facts read for people.

use super::Asked;

impl Asked<'_> {
    /// The source as a heading; empty when the words name their sources themselves.
    pub(crate) fn heading(&self) -> &str {
        heading(self.source, self.evidence)
    }
}

/// A source as a heading above its words; empty when the words name their sources themselves, as those of several do.
pub(crate) fn heading<'a>(source: &'a str, words: &str) -> &'a str {
    match source.split_once("; ") {
        Some((first, _)) if words.starts_with(first) => "",
        _ => source,
    }
}
