//! Variables of rc.conf, defaults included.

use super::probe::{Probe, failure, probe, read};
use crate::facts::Fact;
use crate::host::parse;
use crate::layout::Layout;
use crate::potconf::{Document, Variable};
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

/// A variable as the files of rc.conf give it, where that is certain without a shell: each is a list of plain
/// assignments as far as they say anything of it. None: sysrc(8) has to be asked.
///
/// rc.subr reads /etc/defaults/rc.conf (and vendor.conf beside it), then the files of `rc_conf_files`: /etc/rc.conf and
/// /etc/rc.conf.local, unless someone says otherwise.
pub(super) fn from_files(layout: &Layout, name: &str) -> Option<String> {
    let text = |path: &str| -> Option<Vec<u8>> { Some(read(&layout.on_disk(path)).ok()?.unwrap_or_default()) };
    if layout.on_disk("/etc/defaults/vendor.conf").exists() {
        return None;
    }
    for path in ["/etc/rc.conf.local", "/etc/rc.conf"] {
        let document = Document::parse(&text(path)?).ok()?;
        // Also where nothing in the file is certain.
        if document.variable("rc_conf_files") != Variable::Untouched {
            return None;
        }
        match document.variable(name) {
            Variable::Untouched => {}
            Variable::Static { value, .. } => return String::from_utf8(value).ok(),
            Variable::Unset { .. } | Variable::Computed { .. } => return None,
        }
    }
    // FreeBSD's own file ends with functions; of the variable it has one line.
    let defaults = String::from_utf8(text("/etc/defaults/rc.conf")?).ok()?;
    let mut lines =
        defaults.lines().filter(|line| line.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with('=')));
    let only = lines.next().filter(|_| lines.next().is_none())?;
    match Document::parse(format!("{only}\n").as_bytes()).ok()?.variable(name) {
        Variable::Static { value, .. } => String::from_utf8(value).ok(),
        _ => None,
    }
}

/// The path of pf's file alone, as rc.conf names it: for whoever watches it while nobody looks at the host.
pub(crate) fn pf_rules_path(layout: &Layout, tools: &Tools) -> Option<String> {
    probe(layout, tools, |probe| probe.rc("pf_rules")).value.flatten().filter(|path| path.starts_with('/'))
}
