//! What the simulated pot knows after it has sourced its two files.

use super::machine::Machine;
use crate::potconf::{Configuration, Document};

/// pot's folder of configuration files.
pub(crate) const FOLDER: &str = "/usr/local/etc/pot";

/// The values of both files.
pub(crate) struct Settings {
    configuration: Configuration,
}

impl Settings {
    /// Reads both files; `None` without the default one, as pot stops then.
    pub fn read(machine: &Machine) -> Option<Self> {
        let default = std::fs::read(machine.path(format!("{FOLDER}/pot.default.conf"))).ok()?;
        let own = std::fs::read(machine.path(format!("{FOLDER}/pot.conf"))).unwrap_or_default();
        let document = |bytes: &[u8]| Document::parse(bytes).ok();
        Some(Self { configuration: Configuration::new(document(&default)?, document(&own).or_else(|| document(b""))?) })
    }

    /// A parameter's value; empty when it has none that can be told without a shell.
    pub fn value(&self, name: &str) -> &str {
        self.configuration.value(name).unwrap_or_default()
    }

    /// Commands that sourcing pot.conf runs, `vlan30` in `POT_EXTRA_EXTIF=vlan20 vlan30`.
    pub fn commands(&self) -> Vec<String> {
        self.configuration.own().commands().filter_map(|run| run.command).collect()
    }

    pub(crate) fn zfs_root(&self) -> &str {
        self.value("POT_ZFS_ROOT")
    }

    pub(crate) fn fs_root(&self) -> &str {
        self.value("POT_FS_ROOT")
    }

    pub fn tmp(&self) -> &str {
        match self.value("POT_TMP") {
            "" => "/tmp",
            folder => folder,
        }
    }

    pub fn group(&self) -> &str {
        match self.value("POT_GROUP") {
            "" => "pot",
            group => group,
        }
    }

    /// ipv4, ipv6 or dual; anything else is ipv4 without a word.
    pub fn stack(&self) -> &str {
        match self.value("POT_NETWORK_STACK") {
            stack @ ("ipv6" | "dual") => stack,
            _ => "ipv4",
        }
    }

    /// The flags that init gives syslogd.
    pub fn syslogd_flags(&self) -> String {
        format!("-b 127.0.0.1 -b {} -a {}", self.value("POT_GATEWAY"), self.value("POT_NETWORK"))
    }
}

/// The value of a `key=value` line, quotes and blanks removed, as pot reads its own small files.
pub(crate) fn line_value(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.split('=').next().unwrap_or_default().replace([' ', '\t', '"'], ""))
}
