//! Which firewall the next boot has: what rc.d/pf makes of rc.conf and pf's file.
//!
//! Checked against libexec/rc/rc.d/pf of FreeBSD 15: pf is not started without its rules file (`required_files`); it is
//! turned on whether or not that file loads; only where `pf_fallback_rules_enable` says so other rules take its place.

use crate::facts::{HostFacts, PfFallback, PfTest};

/// rc.subr(8)'s idea of yes.
pub(crate) fn is_yes(value: &str) -> bool {
    ["yes", "true", "on", "1"].iter().any(|yes| value.trim().eq_ignore_ascii_case(yes))
}

/// The firewall of the next boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NextBoot {
    /// `pf_enable` is not yes: pf stays out of it.
    Off,
    /// The rules of this file.
    File(String),
    /// The file does not exist, so pf is not started.
    NotStarted(String),
    /// pf's file does not load, and these rules take its place.
    Fallback(PfFallback),
    /// Nothing that loads: pf is on and lets everything pass.
    NoRules,
    /// That cannot be told; why.
    Unknown(String),
}

/// The firewall of the next boot if pf's file stays as it is.
pub(crate) fn next_boot(facts: &HostFacts) -> NextBoot {
    match facts.pf_file.get() {
        Some(file) => next_boot_with(facts, file.exists, &file.test()),
        None => match boots_pf(facts) {
            Some(false) => NextBoot::Off,
            _ => NextBoot::Unknown(facts.pf_file.error.clone().unwrap_or_else(|| "pf's file was not read".to_owned())),
        },
    }
}

/// The same if pf's file were there or not, and judged so: for plans that change it.
pub(crate) fn next_boot_with(facts: &HostFacts, exists: bool, test: &PfTest) -> NextBoot {
    match boots_pf(facts) {
        None => {
            let why = facts.rc.error.clone().unwrap_or_else(|| "rc.conf was not read".to_owned());
            return NextBoot::Unknown(why);
        }
        Some(false) => return NextBoot::Off,
        Some(true) => {}
    }
    let path = facts.pf_file.get().map_or_else(|| "pf's file".to_owned(), |file| file.path.clone());
    if !exists {
        return NextBoot::NotStarted(path);
    }
    match test {
        PfTest::Valid => NextBoot::File(path),
        PfTest::Untested(why) => NextBoot::Unknown(format!("{path} could not be judged: {why}")),
        PfTest::Invalid(_) => match facts.pf_file.get().and_then(|file| file.fallback.clone()) {
            Some(fallback) if fallback.valid != Some(false) => NextBoot::Fallback(fallback),
            _ => NextBoot::NoRules,
        },
    }
}

/// `pf_enable`; none when rc.conf was not read.
fn boots_pf(facts: &HostFacts) -> Option<bool> {
    facts.rc.get().map(|rc| rc.get("pf_enable").is_some_and(|value| is_yes(value)))
}

impl NextBoot {
    /// As a sentence without its end: `The next boot has no firewall`.
    pub fn in_words(&self) -> String {
        match self {
            Self::Off => "pf is not started at boot (pf_enable), so the next boot has no pf".to_owned(),
            Self::File(path) => format!("The next boot loads {path}"),
            Self::NotStarted(path) => {
                format!("The next boot has no firewall: {path} does not exist, and pf is not started without it")
            }
            Self::Fallback(PfFallback { file: Some(file), .. }) => {
                format!("The next boot loads {file} in its place (pf_fallback_rules_enable)")
            }
            Self::Fallback(PfFallback { text, .. }) => {
                let text = text.as_deref().unwrap_or_default();
                let closed = if text.trim_start().starts_with("block") && !text.contains("pass") {
                    ", which let nobody in"
                } else {
                    ""
                };
                format!("The next boot loads the fallback rules `{text}` in its place{closed}")
            }
            Self::NoRules => {
                "The next boot has no firewall: pf is turned on without any rules, and everything passes".to_owned()
            }
            Self::Unknown(why) => format!("Which firewall the next boot has is not known ({why})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Fact, PfFile, Untested};

    fn facts(enable: &str, valid: Option<bool>, fallback: Option<PfFallback>) -> HostFacts {
        let file = PfFile {
            path: "/etc/pf.conf".to_owned(),
            exists: true,
            valid,
            errors: Vec::new(),
            untested: valid.is_none().then_some(Untested::PfNotLoaded),
            anchor_lines: (0, 0),
            fallback,
        };
        HostFacts {
            rc: Fact::known([("pf_enable".to_owned(), enable.to_owned())].into(), "test"),
            pf_file: Fact::known(file, "test"),
            ..HostFacts::unknown("not asked")
        }
    }

    fn text(text: &str, valid: Option<bool>) -> PfFallback {
        PfFallback { file: None, text: Some(text.to_owned()), valid }
    }

    #[test]
    fn the_next_boots_firewall_is_the_one_that_rc_will_load() {
        assert_eq!(next_boot(&facts("NO", Some(false), None)), NextBoot::Off);
        assert_eq!(next_boot(&facts("YES", Some(true), None)), NextBoot::File("/etc/pf.conf".to_owned()));
        assert_eq!(next_boot(&facts("on", Some(false), None)), NextBoot::NoRules);
        assert!(matches!(next_boot(&facts("YES", None, None)), NextBoot::Unknown(why) if why.contains("not loaded")));
        assert!(matches!(next_boot(&HostFacts::unknown("no")), NextBoot::Unknown(_)));
        let missing = next_boot_with(&facts("YES", Some(true), None), false, &PfTest::Valid);
        assert_eq!(missing, NextBoot::NotStarted("/etc/pf.conf".to_owned()));
    }

    #[test]
    fn fallback_rules_take_the_place_of_a_file_that_does_not_load() {
        let block = text("block drop log all", Some(true));
        let next = next_boot(&facts("YES", Some(false), Some(block.clone())));
        assert_eq!(next, NextBoot::Fallback(block));
        assert!(next.in_words().contains("let nobody in"), "{}", next.in_words());
        let file = PfFallback { file: Some("/etc/pf-fallback.conf".to_owned()), text: None, valid: Some(true) };
        let next = next_boot(&facts("YES", Some(false), Some(file.clone())));
        assert!(next.in_words().contains("/etc/pf-fallback.conf"), "{}", next.in_words());
        // A good file needs none, and a fallback that does not load either is none.
        assert!(matches!(next_boot(&facts("YES", Some(true), Some(file))), NextBoot::File(_)));
        assert_eq!(next_boot(&facts("YES", Some(false), Some(text("nonsense", Some(false))))), NextBoot::NoRules);
        assert_eq!(next_boot(&facts("NO", Some(false), Some(text("pass", Some(true))))), NextBoot::Off);
    }
}
