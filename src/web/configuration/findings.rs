//! Findings as the page shows them, with their fixes.

use crate::digest::Digest;
use crate::rules::{Finding, Fix, Severity};
use crate::web::layout::Words;
use std::collections::BTreeSet;

/// A finding as it is shown.
pub(crate) struct FindingView {
    /// Which rule speaks.
    pub code: String,
    pub severity: Severity,
    pub message: String,
    /// It speaks of this field alone: grey while one is still typing.
    pub own: bool,
    pub fix: Option<FixView>,
    /// Where it stands.
    pub parameter: String,
}

impl FindingView {
    /// The message with code in it.
    pub fn words(&self) -> Words<'_> {
        Words(&self.message)
    }

    /// The message behind the link to its parameter, whose name it need not repeat.
    pub(crate) fn after_link(&self) -> Words<'_> {
        Words(self.message.strip_prefix(self.parameter.as_str()).unwrap_or(&self.message))
    }

    /// "is-error".
    pub fn class(&self) -> &'static str {
        severity_class(self.severity)
    }
}

/// A fix button.
pub(crate) struct FixView {
    /// What the button sends.
    pub key: String,
    /// "Set", "Set both", "Remove".
    pub(crate) verb: String,
    /// The values or names.
    pub what: String,
}

/// The class of a severity's colour.
pub(crate) fn severity_class(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "is-error",
        Severity::Warning => "is-warn",
        Severity::Notice => "is-notice",
    }
}

/// Which rules speak of which parameters. Their words may name the value: whoever types on at a field that is wrong
/// already is not told so again with every letter.
pub(super) fn digest_of(remarks: &[FindingView]) -> String {
    let pieces = remarks.iter().flat_map(|remark| [remark.parameter.as_bytes(), b"\0", remark.code.as_bytes(), b"\0"]);
    Digest::of_all(pieces).hex().chars().take(12).collect()
}

/// What a fix button of this finding sends: the code and the parameter, because a code can stand twice.
pub(crate) fn fix_key(finding: &Finding) -> String {
    format!("{}@{}", finding.code, finding.parameters.first().map_or("", String::as_str))
}

pub(super) fn fix_view(finding: &Finding) -> Option<FixView> {
    let fix = finding.fix.as_ref()?;
    let key = fix_key(finding);
    let (set, unset): (Vec<_>, Vec<_>) = (fix.set.iter().collect(), fix.unset.iter().collect());
    let view = match (set.as_slice(), unset.as_slice()) {
        ([(name, value)], []) => {
            let verb =
                if finding.parameters.first() == Some(*name) { "Set".to_owned() } else { format!("Set {name} to") };
            FixView { key, verb, what: (*value).clone() }
        }
        ([], [name]) => FixView { key, verb: "Remove".to_owned(), what: (*name).clone() },
        ([], names) => FixView { key, verb: "Remove".to_owned(), what: join(names.iter().map(|name| name.as_str())) },
        (values, _) => {
            FixView { key, verb: "Set".to_owned(), what: join(values.iter().map(|(_, value)| value.as_str())) }
        }
    };
    Some(view)
}

pub(super) fn fix_all(findings: &[Finding]) -> Option<FixView> {
    let fixes: Vec<&Fix> = findings
        .iter()
        .filter(|finding| finding.severity != Severity::Notice)
        .filter_map(|finding| finding.fix.as_ref())
        .collect();
    // Two findings may want the same of the same parameter: it is told once.
    let mut named = BTreeSet::new();
    let values: Vec<&str> = fixes
        .iter()
        .flat_map(|fix| {
            let set = fix.set.iter().map(|(name, value)| (name, value.as_str()));
            set.chain(fix.unset.iter().map(|name| (name, name.as_str())))
        })
        .filter(|(name, _)| named.insert(*name))
        .map(|(_, what)| what)
        .collect();
    let verb = if fixes.iter().all(|fix| fix.set.is_empty()) { "Remove" } else { "Set" };
    let what = match values.len() {
        0 => return None,
        1 => "it".to_owned(),
        2 => "both".to_owned(),
        count => format!("all {count}"),
    };
    Some(FixView { key: "all".to_owned(), verb: format!("{verb} {what}"), what: join(values.into_iter()) })
}

/// "a", "a and b", "a, b and c".
pub fn join<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

pub(super) fn problem(name: &str, message: &str) -> FindingView {
    FindingView {
        code: "limit".to_owned(),
        severity: Severity::Error,
        message: format!("{message}. It cannot be saved."),
        own: true,
        fix: None,
        parameter: name.to_owned(),
    }
}
