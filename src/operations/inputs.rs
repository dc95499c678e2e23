//! What plans are made from: the host's facts, pot's configuration, the managed files, and what can be asked further.

use super::before_init::BeforeInit;
use crate::facts::{Fact, HostFacts, PathState, Snapshots, telling};
use crate::plan::ManagedFile;
use crate::potconf::Configuration;
use crate::rules::{Finding, limits};
use std::collections::BTreeMap;

/// A managed file as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostFile {
    /// Its path on the host.
    pub path: String,
    /// Its bytes; none when it does not exist, or is not known.
    pub bytes: Option<Vec<u8>>,
    /// The file that a link at its path leads to.
    pub leads_to: Option<String>,
    /// Why it is neither read nor written.
    pub unknown: Option<String>,
}

/// The managed files as they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFiles {
    /// Those that the console writes.
    pub(crate) managed: BTreeMap<ManagedFile, HostFile>,
    /// Further files that rc(8) reads after /etc/rc.conf, those that exist, the last word last; a file that could not be
    /// read with why.
    pub(crate) after_rc_conf: Vec<(String, Result<Vec<u8>, String>)>,
    /// The `*.conf` files that syslogd reads beside its main file, and those of [`super::log_routing::FOLDER`] even when
    /// it does not read them.
    pub syslog: Vec<(String, Vec<u8>)>,
    /// What newsyslog reads: its main file first, where it exists.
    pub rotation: Vec<(String, Vec<u8>)>,
    /// Why those of syslogd and newsyslog are not all that there are.
    pub(crate) logs_unread: Option<String>,
    /// What rc.conf said before init.
    pub(crate) before_init: BeforeInit,
    /// What sysctl(8) is told at boot (sysctl.conf(5)): those files that exist, one that could not be read with why.
    pub(crate) sysctl_conf: Vec<(String, Result<Vec<u8>, String>)>,
    /// The run of this console that turned pf on since the host was booted; none: there is none, or nobody asked.
    pub(crate) turned_pf_on: Option<u64>,
}

impl HostFiles {
    /// The file's bytes; empty when it does not exist.
    pub fn bytes(&self, file: ManagedFile) -> &[u8] {
        self.managed.get(&file).and_then(|file| file.bytes.as_deref()).unwrap_or_default()
    }

    /// Whether it exists.
    pub fn exists(&self, file: ManagedFile) -> bool {
        self.managed.get(&file).is_some_and(|file| file.bytes.is_some())
    }

    /// Its path on the host.
    pub fn path(&self, file: ManagedFile) -> &str {
        self.managed.get(&file).map_or("", |file| file.path.as_str())
    }

    /// The file that a link at its path leads to, as the host calls it; none: it is no link. The host's own tools do
    /// not keep such a link: sysrc(8) puts a plain file in its place, sed(1) with -i refuses it.
    pub fn leads_to(&self, file: ManagedFile) -> Option<&str> {
        self.managed.get(&file).and_then(|file| file.leads_to.as_deref())
    }

    /// Why it is neither read nor written; what [`Self::bytes`] gives says nothing then.
    pub fn unknown(&self, file: ManagedFile) -> Option<&str> {
        self.managed.get(&file).and_then(|file| file.unknown.as_deref())
    }

    /// Whether a file sets a sysctl at boot; none: one of them could not be read.
    pub(crate) fn sets_sysctl(&self, name: &str) -> Option<bool> {
        let mut sets = false;
        for (_, bytes) in &self.sysctl_conf {
            let text = String::from_utf8_lossy(bytes.as_ref().ok()?).into_owned();
            sets |= text.lines().any(|line| line.split('#').next().unwrap_or_default().contains(name));
        }
        Some(sets)
    }

    /// The file that has the last word over /etc/rc.conf on a variable, if one sets it, or could.
    pub(crate) fn overrides(&self, name: &str) -> Option<Override<'_>> {
        self.after_rc_conf.iter().rev().find_map(|(path, bytes)| match bytes {
            Ok(bytes) if super::rc_conf::sets(bytes, name) => Some(Override::Sets(path)),
            Ok(_) => None,
            Err(why) => Some(Override::Unknown(why)),
        })
    }
}

/// A file that comes after /etc/rc.conf, on one variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Override<'a> {
    /// It sets it; its path.
    Sets(&'a str),
    /// It could not be read; why.
    Unknown(&'a str),
}

pub use crate::facts::{PfTest, Untested};

/// The rules that pfctl makes of a text, or why it could not tell.
pub(crate) type Expanded = Result<Vec<String>, Untested>;

/// Everything that plans are made from. Plan functions are pure: what they need of the host was asked before.
pub struct Inputs<'a> {
    /// The host.
    pub facts: &'a HostFacts,
    /// pot's configuration.
    pub configuration: &'a Configuration,
    /// The managed files.
    pub files: &'a HostFiles,
    /// Findings on the configuration as it stands.
    pub findings: &'a [Finding],
    /// The first value against a limit, in words.
    pub(crate) against_limit: Option<&'a str>,
    /// Parameters whose place on this host is against a limit: they block what uses them.
    pub(crate) against_places: &'a [limits::LimitViolation],
    /// What stands at a path of the host, where it can be looked at.
    pub(crate) path_state: &'a dyn Fn(&str) -> Option<PathState>,
    /// What `pot config -q -g NAME` answered: parameter, and the answer or why there is none.
    pub(crate) pot_says: &'a [(String, Result<String, String>)],
    /// Counts the snapshots at and below a dataset: asked by the plan that destroys them.
    pub snapshots: &'a dyn Fn(&str) -> Fact<Snapshots>,
    /// Asks `pfctl -nf -`.
    pub(crate) pf_test: &'a dyn Fn(&[u8]) -> PfTest,
    /// Asks `pkg install -n`; its words, or why it could not be asked.
    pub(crate) pkg_preview: &'a dyn Fn() -> Result<Vec<String>, String>,
    /// The rules that `pfctl -nvf -` makes of a text, or why it could not tell.
    pub(crate) pf_expand: &'a dyn Fn(&[u8]) -> Expanded,
}

impl Inputs<'_> {
    /// A parameter's value; empty when it is not set or not certain ([`PlanDraft::uses`] blocks for the latter).
    pub fn value(&self, name: &str) -> String {
        self.configuration.value(name).unwrap_or_default().trim().to_owned()
    }

    /// A parameter's value, parsed.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.value(name).parse().ok()
    }
}

/// pfctl's most telling words about a text that it was given on standard input: `line 3: syntax error`.
pub(crate) fn first_trouble(words: &[String]) -> String {
    let first = telling(words).unwrap_or_default();
    match first.strip_prefix("stdin:") {
        Some(rest) => format!("line {rest}"),
        None => first,
    }
}
