//! What the simulated host knows: one JSON file in its root, the persistent part apart from what a reboot clears.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::faults::Fault;

/// Everything the simulated tools know about their host.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// Survives a reboot: hardware, pools, packages.
    pub kept: Kept,
    /// Gone at a reboot and made anew from rc.conf, loader.conf and the hardware.
    pub running: Running,
    /// Faults that are switched on.
    pub faults: Vec<Fault>,
}

/// What survives a reboot.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// `14.3-RELEASE-p2`: userland.
    pub(crate) userland: String,
    /// `14.3-RELEASE`: installed kernel.
    pub kernel: String,
    /// Major version, for behaviour that changed between releases.
    pub(crate) major: u32,
    /// The kernel has VIMAGE (GENERIC since 12.0).
    pub vimage: bool,
    /// The host is itself a jail.
    pub jailed: bool,
    /// Network cards that are plugged in.
    pub cards: Vec<Card>,
    pub pools: Vec<Pool>,
    pub datasets: Vec<Dataset>,
    pub packages: Packages,
    /// Files with flags such as schg, host path to flags.
    pub(crate) file_flags: BTreeMap<String, BTreeSet<String>>,
    /// Number of boots so far.
    pub(crate) boots: u64,
    /// For guids of datasets.
    pub(crate) next_guid: u64,
    /// Pots of a very large host, made by a rule (`crowd`).
    #[serde(default)]
    pub(crate) crowd: u32,
}

/// A network card.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Card {
    pub name: String,
    pub mac: String,
}

/// A ZFS pool. Sizes in bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pool {
    pub name: String,
    pub size: u64,
    pub health: String,
}

/// A file system, snapshot or volume.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Dataset {
    pub name: String,
    /// Properties set on this very dataset.
    pub local: BTreeMap<String, String>,
    /// Bytes of its own, children not counted.
    pub own: u64,
    pub mounted: bool,
    /// Where it is mounted while it is (the property may have changed since).
    pub(crate) mounted_at: Option<String>,
    /// The snapshot this is a clone of.
    pub origin: Option<String>,
    /// Tags of `zfs hold`.
    pub holds: Vec<String>,
    /// A process stands in it: it cannot be unmounted.
    pub busy: bool,
    /// Seconds since 1970.
    pub created: i64,
    pub(crate) guid: u64,
    pub(crate) volume: bool,
}

impl Dataset {
    /// The file system or volume that it is, or that it is a snapshot of.
    pub fn owner(&self) -> &str {
        self.name.split_once('@').map_or(self.name.as_str(), |(owner, _)| owner)
    }

    pub(crate) fn is_snapshot(&self) -> bool {
        self.name.contains('@')
    }
}

/// What pkg knows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Packages {
    /// pkg itself is there (`pkg bootstrap` was run).
    pub(crate) bootstrapped: bool,
    pub installed: BTreeMap<String, Package>,
    pub available: BTreeMap<String, Package>,
}

/// A package.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Package {
    pub version: String,
    pub comment: String,
    /// Bytes on disk.
    pub size: u64,
    pub depends: Vec<String>,
    pub(crate) automatic: bool,
}

/// What a reboot clears.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Running {
    /// Differs at each boot.
    pub(crate) boot_id: String,
    /// Seconds since 1970.
    pub boot_time: i64,
    /// Kernel that was booted.
    pub kernel: String,
    pub sysctls: BTreeMap<String, String>,
    pub modules: Vec<String>,
    pub interfaces: Vec<Interface>,
    pub(crate) default_router: Option<String>,
    pub pf: Pf,
    pub jails: Vec<Jail>,
    /// Services that run, by name, with their process id.
    pub services: BTreeMap<String, u32>,
    pub syslogd: Syslogd,
    pub(crate) next_jid: u32,
    pub(crate) next_pid: u32,
    /// Next index of an interface (scope id, link#).
    pub(crate) next_index: u32,
}

/// What syslogd holds in memory: the flags of its start, the rules of its last HUP.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Syslogd {
    pub flags: String,
    pub rules: Vec<SyslogRule>,
}

/// A line of syslog.conf as syslogd understood it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SyslogRule {
    /// Program block (`!prog`), empty when none.
    pub program: String,
    /// Host block (`+host`), empty when none.
    pub host: String,
    pub(crate) selector: String,
    /// Host path of the log file.
    pub file: String,
}

/// The kind of an interface decides what ifconfig shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Kind {
    #[default]
    Ether,
    Loopback,
    Bridge,
    Vlan,
    Epair,
    Tunnel,
}

/// An IPv4 address on an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inet {
    pub address: std::net::Ipv4Addr,
    pub prefix: u8,
}

/// An IPv6 address on an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inet6 {
    pub address: std::net::Ipv6Addr,
    pub prefix: u8,
}

/// A network interface.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Interface {
    pub name: String,
    pub index: u32,
    pub kind: Kind,
    pub up: bool,
    pub mac: String,
    pub mtu: u32,
    pub description: Option<String>,
    pub groups: Vec<String>,
    pub inet: Vec<Inet>,
    pub inet6: Vec<Inet6>,
    pub members: Vec<String>,
    pub(crate) private_members: Vec<String>,
    pub(crate) vlan: Option<u16>,
    /// The parent of a vlan, the other end of an epair.
    pub(crate) partner: Option<String>,
    /// The jail it was moved into.
    pub vnet: Option<String>,
}

/// The packet filter's loaded state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Pf {
    pub enabled: bool,
    /// Seconds since 1970 of the last enable or disable.
    pub since: i64,
    pub main: RuleSet,
    /// Anchors that hold rules, by full path.
    pub anchors: BTreeMap<String, RuleSet>,
    pub tables: BTreeMap<String, Vec<String>>,
    pub skip: Vec<String>,
    /// Options were loaded: what `pfctl -f` does with every file, whether it sets any or not.
    #[serde(default)]
    pub(crate) options_loaded: bool,
}

/// The rules of the main rule set or of an anchor, as pfctl prints them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RuleSet {
    pub scrub: Vec<String>,
    pub translation: Vec<String>,
    pub filter: Vec<String>,
    pub(crate) queues: Vec<String>,
    /// Anchors that its rules call, `/*` stripped.
    pub calls: Vec<String>,
}

impl RuleSet {
    pub fn is_empty(&self) -> bool {
        self.scrub.is_empty() && self.translation.is_empty() && self.filter.is_empty()
    }
}

/// A running jail.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Jail {
    pub(crate) jid: u32,
    pub name: String,
    pub hostname: String,
    pub path: String,
    pub addresses: Vec<String>,
    pub vnet: bool,
    pub parameters: Vec<String>,
}

impl State {
    pub fn dataset(&self, name: &str) -> Option<&Dataset> {
        let owner = name.split_once('@').map_or(name, |(owner, _)| owner);
        let first = self.kept.datasets.partition_point(|dataset| dataset.owner() < owner);
        let near = self.kept.datasets.get(first..).unwrap_or_default();
        near.iter().take_while(|dataset| dataset.owner() == owner).find(|dataset| dataset.name == name)
    }

    pub(crate) fn dataset_mut(&mut self, name: &str) -> Option<&mut Dataset> {
        self.kept.datasets.iter_mut().find(|dataset| dataset.name == name)
    }

    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.running.interfaces.iter().find(|interface| interface.name == name && interface.vnet.is_none())
    }

    pub(crate) fn interface_mut(&mut self, name: &str) -> Option<&mut Interface> {
        self.running.interfaces.iter_mut().find(|interface| interface.name == name && interface.vnet.is_none())
    }

    pub(crate) fn has_module(&self, name: &str) -> bool {
        self.running.modules.iter().any(|module| module == name)
    }

    pub(crate) fn next_pid(&mut self) -> u32 {
        self.running.next_pid = self.running.next_pid.max(600) + 7;
        self.running.next_pid
    }
}
