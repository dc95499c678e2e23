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

impl Severity {
    /// Its name in JSON and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// A change that certainly fixes a finding.
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
    /// The change that fixes it, where one is certain.
    pub fix: Option<Fix>,
}

impl Finding {
    /// Whether it stops an operation that reads these parameters. pf's file is judged by each plan as it will be
    /// afterwards: init and de-init may be what fixes it.
    pub fn stops(&self, parameters: &[&str]) -> bool {
        self.severity == Severity::Error && self.code != "pf-conf-invalid" && self.concerns(parameters)
    }

    fn new(severity: Severity, code: &str, parameters: &[&str], message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            severity,
            parameters: parameters.iter().map(|&name| name.to_owned()).collect(),
            line: None,
            message: message.into(),
            fix: None,
        }
    }

    /// pot would fail, or do something else than the file says. The first parameter is the one to change.
    pub fn error(code: &str, parameters: &[&str], message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, parameters, message)
    }

    /// It works, but probably not as meant. The first parameter is the one to change.
    pub fn warning(code: &str, parameters: &[&str], message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, parameters, message)
    }

    /// Worth knowing. The first parameter is the one to change.
    pub fn notice(code: &str, parameters: &[&str], message: impl Into<String>) -> Self {
        Self::new(Severity::Notice, code, parameters, message)
    }

    /// Whether it concerns somebody who uses these parameters. One that names several speaks of how they stand to each
    /// other, and concerns only who uses them all; one that names none concerns everybody.
    pub fn concerns(&self, used: &[&str]) -> bool {
        self.parameters.iter().all(|name| used.contains(&name.as_str()))
    }

    /// Names the line, where it is not simply the one of the first parameter.
    #[must_use]
    pub fn at(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    /// Offers to set a parameter. Several calls make one fix.
    #[must_use]
    pub(crate) fn fixed_by(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fix.get_or_insert_default().set.insert(name.to_owned(), value.into());
        self
    }

    /// As [`Finding::fixed_by`], when there is a certain value.
    #[must_use]
    pub(crate) fn perhaps_fixed_by(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.fixed_by(name, value),
            None => self,
        }
    }

    /// Offers to take a parameter out of pot.conf. Several calls make one fix.
    #[must_use]
    pub(crate) fn fixed_without(mut self, name: &str) -> Self {
        self.fix.get_or_insert_default().unset.push(name.to_owned());
        self
    }
}

/// The errors that an edit of the `touched` parameters brings, or leaves on one of them. An error that was there before
/// and that the edit does not touch is no reason to refuse it: fixing one of two would be impossible.
pub(crate) fn errors_brought<'a>(
    before: &[Finding],
    after: &'a [Finding],
    touched: impl Fn(&str) -> bool,
) -> impl Iterator<Item = &'a Finding> {
    let stood = move |error: &Finding| {
        let same = |other: &Finding| other.code == error.code && other.parameters == error.parameters;
        before.iter().any(|other| other.severity == Severity::Error && same(other))
            && !error.parameters.iter().any(|name| touched(name))
    };
    after.iter().filter(move |finding| finding.severity == Severity::Error && !stood(finding))
}
