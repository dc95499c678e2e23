//! The checks of a run: what is expected of the host, and what is seen of it before and afterwards.

use super::inputs::HostFiles;
use crate::digest::Digest;
use crate::facts::{
    Fact, HostFacts, PathKind, RACCT, Tunable, Untested, VTNET_LRO, filter_rules_in_words, pot_nat_in_words, telling,
};
use crate::plan::{Check, ManagedFile};
use crate::rules::{Nat, is_taken};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// A check to make before and after a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// The dataset exists, mounted at this place; `mounted` where that is to be looked at.
    Dataset {
        /// Full name.
        name: String,
        /// Its mountpoint property.
        mountpoint: String,
        /// Whether it should be mounted.
        mounted: bool,
    },
    /// Neither the dataset nor anything below it exists.
    NoDataset(String),
    /// A folder with this group's gid and these permission bits.
    Folder {
        /// Its path.
        path: String,
        /// Group name.
        group: Option<String>,
        /// Permission bits.
        mode: Option<u32>,
    },
    /// Nothing stands at the path.
    Absent(String),
    /// The file has this content.
    Content {
        /// Which.
        file: ManagedFile,
        /// Its digest as previewed.
        digest: Digest,
    },
    /// pot's two lines stand in pf.conf exactly once each (true) or not at all.
    AnchorLines(bool),
    /// pf's file passes `pfctl -nf`.
    PfFileValid,
    /// An rc variable has this value; none: it is not set.
    Rc {
        /// Its name.
        name: String,
        /// Its value.
        value: Option<String>,
    },
    /// `net.inet.ip.forwarding`.
    Forwarding(bool),
    /// A bridge that is up has the gateway's address.
    Bridge(Ipv4Addr, Ipv4Net),
    /// No bridge has this address.
    NoBridge(String),
    /// No bridge has any of these addresses; the name is only said (a new bridge may get it).
    NoBridgeWith(String, Vec<Ipv4Addr>),
    /// A bridge has this member.
    BridgeMember(String),
    /// The main rules are loaded (at least so many), and they call pot's anchors.
    AnchorsCalled,
    /// The main rules call neither of pot's anchors.
    NoAnchorsCalled,
    /// The rules in pot-nat.
    NatRules(Nat),
    /// pot-nat is empty.
    NoNatRules,
    /// pf's module is loaded.
    PfLoaded,
    /// pf is enabled.
    PfEnabled,
    /// pf is off.
    PfDisabled,
    /// The gateway answers `ping -c 3`.
    Ping(Ipv4Addr),
    /// No other pots have addresses outside of the network than those that the plan names.
    PotAddresses(Ipv4Net, Vec<String>),
    /// The pot does not run.
    PotStopped(String),
    /// The package is installed.
    Package(String),
    /// The loader will set the tunable at the next boot.
    NextBoot {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// The group exists.
    Group(String),
    /// syslogd writes the facility to this existing file.
    LogRoute {
        /// `local2`.
        facility: String,
        /// The file.
        log: String,
    },
}

/// What verification looks at.
pub struct Observations<'a> {
    /// The host.
    pub facts: &'a HostFacts,
    /// The managed files.
    pub files: &'a HostFiles,
    /// What pinging said: whether all answered, and its words.
    pub ping: Option<(bool, String)>,
}

impl Expect {
    /// The check's name.
    pub fn title(&self) -> String {
        match self {
            Self::Dataset { name, .. } => format!("Dataset {name}"),
            Self::NoDataset(name) => format!("{name} is gone"),
            Self::Folder { path, .. } => format!("Folder {path}"),
            Self::Absent(path) => format!("{path} is gone"),
            Self::Content { file, .. } => format!("{} as previewed", file.name()),
            Self::AnchorLines(true) => "Anchor lines in pf.conf".to_owned(),
            Self::AnchorLines(false) => "Anchor lines gone from pf.conf".to_owned(),
            Self::PfFileValid => "pf.conf is valid".to_owned(),
            Self::Rc { name, .. } => format!("rc.conf, {name}"),
            Self::Forwarding(_) => "IP forwarding".to_owned(),
            Self::Bridge(..) => "Bridge with the gateway".to_owned(),
            Self::NoBridge(name) => format!("Bridge {name} is gone"),
            Self::NoBridgeWith(name, _) => format!("Old bridge {name} is gone"),
            Self::BridgeMember(name) => format!("Bridge with {name} for IPv6"),
            Self::AnchorsCalled => "Anchors in the loaded rules".to_owned(),
            Self::NoAnchorsCalled => "Anchors gone from the loaded rules".to_owned(),
            Self::NatRules(_) => "NAT for the pots".to_owned(),
            Self::NoNatRules => "Rules in pot-nat".to_owned(),
            Self::PfLoaded => "pf module".to_owned(),
            Self::PfEnabled | Self::PfDisabled => "pf".to_owned(),
            Self::Ping(_) => "Gateway answers ping".to_owned(),
            Self::PotAddresses(..) => "Addresses of the pots".to_owned(),
            Self::PotStopped(name) => format!("Pot {name} is stopped"),
            Self::Package(name) => format!("Package {name}"),
            Self::NextBoot { name, .. } => format!("{name} at the next boot"),
            Self::Group(name) => format!("Group {name}"),
            Self::LogRoute { log, .. } => format!("pot's activity in {log}"),
        }
    }

    /// Whether it is as planned (none: that could not be seen), and what was seen.
    pub fn look(&self, seen: &Observations<'_>) -> (Option<bool>, String) {
        let facts = seen.facts;
        match self {
            Self::Dataset { name, mountpoint, mounted } => {
                of(&facts.datasets, |all| match all.iter().find(|dataset| dataset.name == *name) {
                    None => (false, "none".to_owned()),
                    Some(dataset) => {
                        let state = match (dataset.mounted, dataset.locked) {
                            (true, _) => "mounted",
                            (false, true) => "not mounted, its key is not loaded",
                            (false, false) => "not mounted",
                        };
                        let good = dataset.mountpoint == *mountpoint && dataset.mounted == *mounted;
                        (good, format!("{}, {state}", dataset.mountpoint))
                    }
                })
            }
            // A snapshot goes with its dataset.
            Self::NoDataset(name) => of(&facts.datasets, |all| {
                let left = all.iter().filter(|dataset| is_at_or_below(&dataset.name, name)).count();
                match left {
                    0 => (true, "gone".to_owned()),
                    1 => (false, "1 dataset is left".to_owned()),
                    _ => (false, format!("{left} datasets are left")),
                }
            }),
            Self::Folder { path, group, mode } => of(&facts.paths, |paths| match paths.get(path) {
                Some(state) if state.kind == PathKind::Folder => {
                    let gid = group.as_ref().and_then(|group| facts.groups.get().and_then(|all| all.get(group)));
                    let owned = gid.is_none_or(|gid| *gid == state.gid);
                    let open = mode.is_none_or(|mode| mode == state.mode & 0o7777);
                    (owned && open, format!("{:o}, group {}", state.mode & 0o7777, state.gid))
                }
                Some(state) if state.kind == PathKind::Absent => (false, "none".to_owned()),
                Some(state) => (false, format!("{:?}, not a folder", state.kind).to_lowercase()),
                None => (false, "none".to_owned()),
            }),
            Self::Absent(path) => of(&facts.paths, |paths| {
                let there = paths.get(path).is_some_and(|state| state.kind != PathKind::Absent);
                (!there, if there { "still there" } else { "gone" }.to_owned())
            }),
            Self::Content { file, digest } => {
                let now = Digest::of(seen.files.bytes(*file));
                (
                    Some(now == *digest),
                    if now == *digest { "as previewed" } else { "differs from the preview" }.to_owned(),
                )
            }
            Self::AnchorLines(wanted) => {
                let text = seen.files.bytes(ManagedFile::PfConf);
                let (nat, rdr) = super::pf_conf::anchor_lines(text);
                let called = super::pf_conf::anchors_held(text);
                let good =
                    if *wanted { (nat, rdr) == (1, 1) && called.0 > 0 && called.1 > 0 } else { (nat, rdr) == (0, 0) };
                (Some(good), format!("nat-anchor {nat}, rdr-anchor {rdr}"))
            }
            Self::PfFileValid => match facts.pf_file.get() {
                Some(file) => match file.valid {
                    Some(true) => (Some(true), "valid".to_owned()),
                    Some(false) => (Some(false), telling(&file.errors).unwrap_or_else(|| "invalid".to_owned())),
                    None => {
                        let why = file.untested.as_ref().map_or_else(|| "not asked".to_owned(), Untested::to_string);
                        (None, format!("could not be judged: {why}"))
                    }
                },
                None => (None, unknown(facts.pf_file.error.as_deref())),
            },
            Self::Rc { name, value } => of(&facts.rc, |all| {
                let now = all.get(name);
                let good = now == value.as_ref();
                (good, now.cloned().unwrap_or_else(|| "not set".to_owned()))
            }),
            Self::Forwarding(wanted) => {
                of(&facts.forwarding, |on| (on == wanted, if *on { "on" } else { "off" }.to_owned()))
            }
            Self::Bridge(gateway, network) => of(&facts.interfaces, |all| {
                let bridge = all
                    .iter()
                    .filter(|interface| interface.is_bridge() && is_taken(interface, *gateway))
                    .find_map(|bridge| Some((bridge, bridge.addresses.first()?)));
                match bridge {
                    Some((bridge, address)) => {
                        let good = bridge.up && address.network.prefix_len() == network.prefix_len();
                        let down = if bridge.up { "" } else { ", down" };
                        (good, format!("{}, {}{down}", bridge.name, address.network))
                    }
                    None => (false, "none".to_owned()),
                }
            }),
            Self::NoBridge(name) => of(&facts.interfaces, |all| {
                let there = all.iter().any(|interface| interface.name == *name);
                (!there, if there { "still there" } else { "gone" }.to_owned())
            }),
            Self::NoBridgeWith(_, addresses) => of(&facts.interfaces, |all| {
                let there = all
                    .iter()
                    .filter(|interface| interface.is_bridge())
                    .find(|bridge| bridge.addresses.iter().any(|own| addresses.contains(&own.address())));
                (
                    there.is_none(),
                    there.map_or_else(|| "gone".to_owned(), |bridge| format!("still there: {}", bridge.name)),
                )
            }),
            Self::BridgeMember(member) => of(&facts.interfaces, |all| {
                match all.iter().find(|interface| interface.is_bridge() && interface.members.contains(member)) {
                    Some(bridge) => (true, format!("{}, member {member}", bridge.name)),
                    None => (false, "none".to_owned()),
                }
            }),
            Self::AnchorsCalled => of(&facts.pf, |pf| {
                if pf.calls_pot_anchors() {
                    (true, format!("{}; pot-nat, pot-rdr called", filter_rules_in_words(pf.rules.len())))
                } else if pf.rules.is_empty() && pf.nat.is_empty() {
                    (false, "no rules loaded".to_owned())
                } else {
                    (false, "not called".to_owned())
                }
            }),
            Self::NoAnchorsCalled => of(&facts.pf, |pf| {
                let calls = pf.names_pot_anchors();
                (!calls, if calls { "still called" } else { "gone" }.to_owned())
            }),
            Self::NatRules(nat) => of(&facts.pf, |pf| {
                let (missing, unplanned) = nat.compare(&pf.pot_nat);
                let interfaces: Vec<String> =
                    nat.rules().into_iter().filter(|rule| !missing.contains(rule)).map(|rule| rule.interface).collect();
                // All that are there, as everywhere; those of the plan behind it.
                let mut text = pot_nat_in_words(pf.pot_nat.len());
                if !interfaces.is_empty() {
                    text.push_str(&format!("; as planned on {}", interfaces.join(", ")));
                }
                if !missing.is_empty() {
                    text.push_str(&format!("; {} missing", missing.len()));
                }
                if !unplanned.is_empty() {
                    text.push_str(&format!("; {} not planned", unplanned.len()));
                }
                (missing.is_empty() && unplanned.is_empty(), text)
            }),
            Self::NoNatRules => of(&facts.pf, |pf| (pf.pot_nat.is_empty(), pot_nat_in_words(pf.pot_nat.len()))),
            Self::PfLoaded => {
                of(&facts.pf, |pf| (pf.loaded, if pf.loaded { "loaded" } else { "not loaded" }.to_owned()))
            }
            Self::PfEnabled | Self::PfDisabled => of(&facts.pf, |pf| {
                (pf.enabled == matches!(self, Self::PfEnabled), if pf.enabled { "on" } else { "off" }.to_owned())
            }),
            Self::Ping(_) => match &seen.ping {
                Some((all, words)) => (Some(*all), words.clone()),
                None => (None, "not asked".to_owned()),
            },
            Self::PotAddresses(network, planned) => of(&facts.pots, |pots| {
                let (known, new): (Vec<&str>, Vec<&str>) = crate::facts::pots_outside(pots, *network)
                    .into_iter()
                    .partition(|name| planned.iter().any(|known| known == name));
                match (known.as_slice(), new.as_slice()) {
                    ([], []) => (true, format!("all in {network}")),
                    (known, []) => (true, format!("as planned outside of {network}: {}", known.join(", "))),
                    (_, new) => (false, format!("outside of {network}: {}", new.join(", "))),
                }
            }),
            Self::PotStopped(name) => match facts.pots.get() {
                Some(pots) => match pots.iter().find(|pot| pot.name == *name).map(|pot| pot.running) {
                    Some(Some(true)) => (Some(false), "still runs".to_owned()),
                    Some(None) => (None, "could not be seen".to_owned()),
                    Some(Some(false)) | None => (Some(true), "stopped".to_owned()),
                },
                None => (None, unknown(facts.pots.error.as_deref())),
            },
            Self::Package(name) => of(&facts.packages, |packages| {
                let version = if name == "potnet" { &packages.potnet } else { &packages.pot };
                (version.is_some(), version.clone().unwrap_or_else(|| "not installed".to_owned()))
            }),
            Self::NextBoot { name, value } => match tunable(facts, name) {
                Some(fact) => {
                    of(fact, |tunable| (tunable.next_boot.as_ref() == Some(value), tunable.next_boot_in_words()))
                }
                None => (None, "could not be seen".to_owned()),
            },
            Self::Group(name) => of(&facts.groups, |groups| match groups.get(name) {
                Some(gid) => (true, format!("gid {gid}")),
                None => (false, "none".to_owned()),
            }),
            Self::LogRoute { facility, log } => of(&facts.syslog, |syslog| {
                let files = syslog.files.get(facility).cloned().unwrap_or_default();
                let missing = syslog.missing.contains(log);
                let text = match files.is_empty() {
                    true => "written nowhere".to_owned(),
                    false if missing => format!("{}, which does not exist", files.join(", ")),
                    false => files.join(", "),
                };
                (files.contains(log) && !missing, text)
            }),
        }
    }

    /// The check at this time, with what was seen before.
    pub fn check(&self, seen: &Observations<'_>, before: Option<String>, at: jiff::Timestamp) -> Check {
        let (as_planned, observed) = self.look(seen);
        Check { title: self.title(), as_planned, observed, before, at: Some(at), before_put_back: false }
    }
}

/// Whether `name` is the dataset `root`, one below it or a snapshot of either.
pub(crate) fn is_at_or_below(name: &str, root: &str) -> bool {
    name.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest.starts_with('@'))
}

/// What is known of a loader tunable that plans set; none for any other.
pub fn tunable<'a>(facts: &'a HostFacts, name: &str) -> Option<&'a Fact<Tunable>> {
    match name {
        RACCT => Some(&facts.racct),
        VTNET_LRO => Some(&facts.vtnet_lro_disable),
        _ => None,
    }
}

/// "1 rule", "3 rules".
pub fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn unknown(error: Option<&str>) -> String {
    error.unwrap_or("could not be seen").to_owned()
}

fn of<T>(fact: &Fact<T>, look: impl FnOnce(&T) -> (bool, String)) -> (Option<bool>, String) {
    match fact.get() {
        Some(value) => {
            let (good, text) = look(value);
            (Some(good), text)
        }
        None => (None, unknown(fact.error.as_deref())),
    }
}
