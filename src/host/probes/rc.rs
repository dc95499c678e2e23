//! Variables of rc.conf, defaults included.

use super::probe::{Probe, failure, probe};
use crate::facts::Fact;
use crate::host::parse;
use crate::layout::Layout;
use crate::process::{Tool, Tools};
use std::collections::BTreeMap;

/// The rc variables that matter here: each costs sysrc a little time, so each is asked once.
const RC_VARIABLES: [&str; 13] = [
    "pf_enable",
    "pf_rules",
    "syslogd_enable",
    "syslogd_flags",
    "pot_enable",
    "gateway_enable",
    "firewall_enable",
    "newsyslog_enable",
    "cloned_interfaces",
    "kern_securelevel_enable",
    "pf_fallback_rules_enable",
    "pf_fallback_rules_file",
    "pf_fallback_rules",
];

pub(super) fn variables(probe: &mut Probe<'_>) -> Result<BTreeMap<String, String>, String> {
    let answer = probe.ask(Tool::Sysrc, &RC_VARIABLES)?;
    let said = parse::files::variables(&answer.stdout);
    // Status 1 says that one of them is set nowhere, which is usual; but each of them must have been answered. A script
    // that was ended half way has named some, and left out the rest without a word.
    let is_answered = |name: &str| {
        said.as_ref().is_ok_and(|variables| variables.contains_key(name))
            || answer.stderr.contains(&format!("unknown variable '{name}'"))
    };
    match RC_VARIABLES.iter().find(|name| !is_answered(name)) {
        None => said,
        Some(_) if !answer.succeeded() => Err(failure(Tool::Sysrc, &RC_VARIABLES, &answer)),
        Some(name) => Err(said.err().unwrap_or_else(|| format!("sysrc did not say anything of {name}"))),
    }
}

/// A variable of rc.conf; none when no file sets it.
pub(super) fn variable<'a>(rc: &'a Fact<BTreeMap<String, String>>, name: &str) -> Result<Option<&'a str>, String> {
    match rc.get() {
        Some(variables) => Ok(variables.get(name).map(String::as_str)),
        None => Err(rc.error.clone().unwrap_or_else(|| "rc.conf was not read".to_owned())),
    }
}

/// The path of pf's file alone, as rc.conf names it: for whoever watches it while nobody looks at the host.
pub(crate) fn pf_rules_path(layout: &Layout, tools: &Tools) -> Option<String> {
    probe(layout, tools, |probe| probe.rc("pf_rules")).value.flatten().filter(|path| path.starts_with('/'))
}
