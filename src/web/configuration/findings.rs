//! Findings as the page shows them, with their fixes.

use crate::digest::Digest;
use crate::rules::{Finding, Fix, Severity, explanation};
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

    /// The page that says why it is one.
    pub(crate) fn why(&self) -> Option<String> {
        explanation(&self.code).map(|one| format!("/guide/findings/{}", one.code))
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
    /// What changes with it, in words.
    pub(crate) also: &'static str,
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
            FixView { key, verb, what: (*value).clone(), also: "" }
        }
        ([], [name]) => FixView { key, verb: "Remove".to_owned(), what: (*name).clone(), also: "" },
        ([], names) => {
            let what = join(names.iter().map(|name| name.as_str()));
            FixView { key, verb: "Remove".to_owned(), what, also: "" }
        }
        // A network with all that belongs to it is one thing.
        (_, []) if fix.set.contains_key("POT_NETWORK") => {
            let what = fix.set.get("POT_NETWORK").cloned().unwrap_or_default();
            FixView { key, verb: "Set".to_owned(), what, also: with_network(fix) }
        }
        (values, _) => {
            let what = join(values.iter().map(|(_, value)| value.as_str()));
            FixView { key, verb: "Set".to_owned(), what, also: "" }
        }
    };
    Some(view)
}

/// What a fix sets beside the network.
fn with_network(fix: &Fix) -> &'static str {
    let sets = |name: &str| fix.set.contains_key(name);
    match (sets("POT_NETMASK"), sets("POT_GATEWAY"), sets("POT_DNS_IP")) {
        (true, true, true) => "with its mask, gateway and DNS address",
        (true, true, false) => "with its mask and gateway",
        (true, false, true) => "with its mask and DNS address",
        (false, true, true) => "with a gateway and DNS address in it",
        (true, false, false) => "with its mask",
        (false, true, false) => "with a gateway in it",
        (false, false, true) => "with a DNS address in it",
        (false, false, false) => "",
    }
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
    Some(FixView { key: "all".to_owned(), verb: format!("{verb} {what}"), what: join(values.into_iter()), also: "" })
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
        code: "against-limit".to_owned(),
        severity: Severity::Error,
        message: format!("{message}. It cannot be saved."),
        own: true,
        fix: None,
        parameter: name.to_owned(),
    }
}
