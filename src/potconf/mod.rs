//! pot.conf: lossless document, shell words, parameters, edits, potnet's reading of it.

use serde::{Deserialize, Serialize};

/// A shell variable name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name(String);

/// One wanted change of pot.conf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Which parameter.
    pub name: Name,
    /// What becomes of it.
    pub action: EditAction,
}

/// What becomes of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EditAction {
    /// It gets this value.
    Set(String),
    /// Its assignment is removed.
    Unset,
}
