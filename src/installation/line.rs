//! One row of what was looked at, as `setup --check` and `selftest` show it.

use serde::Serialize;

/// How a row came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// As it should be.
    Sound,
    /// Something to know; nothing is wrong.
    Note,
    /// It could not be found out: that is no "none".
    NotKnown,
    /// Not as it should be.
    Differs,
}

impl Verdict {
    /// The word that people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sound => "ok",
            Self::Note => "note",
            Self::NotKnown => "not known",
            Self::Differs => "differs",
        }
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// Its name, the same from release to release.
    pub id: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found, a sentence or a part of one.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Line {
    /// A row without anything to do.
    pub fn new(id: &str, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { id: id.to_owned(), verdict, found: found.into(), remedy: None }
    }

    /// The same with what to do.
    #[must_use]
    pub fn with(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}
