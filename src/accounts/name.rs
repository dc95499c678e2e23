//! The grammar of account names.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name in characters.
const LONGEST: usize = 32;

/// An account's name: 1 to 32 characters, a lower-case letter first, then lower-case letters, digits, `.`, `_`, `-`.
/// So it can stand in a log line, a URL or a terminal without any quoting, and two names never look alike by case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AccountName(String);

/// The text is no account name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an account name has 1 to 32 characters: a lower-case letter, then lower-case letters, digits, dot, underscore or hyphen"
)]
pub struct NotAName;

impl AccountName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`NotAName`] for anything outside of the grammar.
    pub fn parse(text: &str) -> Result<Self, NotAName> {
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let rest = bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
        if first && rest && text.len() <= LONGEST { Ok(Self(text.to_owned())) } else { Err(NotAName) }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> Self {
        name.0
    }
}

impl TryFrom<String> for AccountName {
    type Error = NotAName;
    fn try_from(text: String) -> Result<Self, NotAName> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_plain() {
        for good in ["a", "anna", "anna.b-c_2", &"a".repeat(32)] {
            assert!(AccountName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "Anna", "1a", ".a", "a b", "a\n", "ä", "a/b", "a:b", &"a".repeat(33)] {
            assert_eq!(AccountName::parse(bad), Err(NotAName), "{bad}");
        }
    }
}
