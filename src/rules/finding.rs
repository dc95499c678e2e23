//! A finding: what a rule says about a configuration.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How bad it is. Errors can be overridden by an admin with a reason; limits cannot, and are no findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// pot would fail, or do something else than the file says.
    Error,
    /// It works, but probably not as meant.
    Warning,
    /// Worth knowing.
    Notice,
}

/// A change that certainly mends a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// Parameters to set, with their values.
    pub set: BTreeMap<String, String>,
    /// Parameters to take out of pot.conf.
    pub unset: Vec<String>,
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's stable name, for example `gateway-outside-network`.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// The parameters it speaks of; the first is the one to change.
    pub parameters: Vec<String>,
    /// The line of pot.conf, counted from 1.
    pub line: Option<usize>,
    /// One or two plain sentences: what is wrong, what would happen.
    pub message: String,
    /// The change that mends it, where one is certain.
    pub fix: Option<Fix>,
}
