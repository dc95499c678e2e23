//! Everything that is known about one host: a row for each fact.

use super::{
    Dataset, Fact, Interface, Machine, Packages, PathState, Pf, PfFile, Pool, Pot, PrivateBridge, RACCT, Route,
    SLOW_MS, Syslog, System, Tunable, VTNET_LRO,
};
use crate::digest::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Declares the facts: of each what it is, the type of its value, and what it tells in two or three words. How it is
/// asked for says its row in `host::probes`.
macro_rules! facts {
    ($($(#[$doc:meta])* $fact:ident: $value:ty, $about:literal;)+) => {
        /// Everything that the probes know about one host at one time.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub struct HostFacts {
            /// When the last probe ended.
            pub at: Timestamp,
            /// Whether the host is simulated.
            pub simulated: bool,
            $($(#[$doc])* pub $fact: Fact<$value>,)+
        }

        impl HostFacts {
            /// Facts of a host that was not asked anything: each source says `why`. A start for tests and for tools that
            /// know a few facts only.
            pub fn unknown(why: &str) -> Self {
                Self { at: Timestamp::now(), simulated: false, $($fact: Fact::unknown(why, ""),)+ }
            }

            /// Every source, in the order of the facts.
            pub(crate) fn everything_asked(&self) -> Vec<Asked<'_>> {
                vec![$(Asked::of($about, &self.$fact),)+]
            }
        }
    };
}

facts! {
    /// Name and versions.
    system: System, "name and versions";
    /// What it runs on, since when, and as whom the console asks.
    machine: Machine, "machine";
    /// `kern.features.vimage`: VNET is in the kernel.
    vimage: bool, "VNET";
    /// `kern.racct.enable`, now and at the next boot.
    racct: Tunable, "resource limits";
    /// `hw.vtnet.lro_disable`, now and at the next boot.
    vtnet_lro_disable: Tunable, "vtnet offload";
    /// `net.inet.ip.forwarding`.
    forwarding: bool, "forwarding";
    /// `net.link.bridge.member_ifaddrs` where the kernel has it (FreeBSD 15, once if_bridge is loaded).
    bridge_member_addresses: Option<bool>, "bridge members";
    /// ZFS pools.
    pools: Vec<Pool>, "pools";
    /// ZFS datasets of all pools.
    datasets: Vec<Dataset>, "datasets";
    /// Network interfaces in the host's order.
    interfaces: Vec<Interface>, "interfaces";
    /// The IPv4 routes.
    routes: Vec<Route>, "routes";
    /// Name servers of /etc/resolv.conf.
    resolvers: Vec<IpAddr>, "name servers";
    /// The state of pf in the kernel.
    pf: Pf, "pf";
    /// pf's configuration file.
    pf_file: PfFile, "pf's file";
    /// Whether ipfw is enabled.
    ipfw: bool, "ipfw";
    /// Where syslogd writes what.
    syslog: Syslog, "syslog";
    /// rc variables that matter here, as `sysrc -n` gives them (defaults included).
    rc: BTreeMap<String, String>, "rc.conf";
    /// Packages and pkg itself.
    packages: Packages, "packages";
    /// Groups by name, with gid.
    groups: BTreeMap<String, u32>, "groups";
    /// The paths that pot.conf and the defaults name, by path.
    paths: BTreeMap<String, PathState>, "paths";
    /// The pots below `POT_FS_ROOT/jails`.
    pots: Vec<Pot>, "pots";
    /// The private bridges below `POT_FS_ROOT/bridges`.
    private_bridges: Vec<PrivateBridge>, "private bridges";
    /// Digests of the files that the history watches, by path.
    files: BTreeMap<String, Option<Digest>>, "watched files";
}

impl HostFacts {
    /// The loader's settings that the next boot will have and this one does not: LRO of vtnet counts where there is such
    /// a card.
    pub fn awaits_reboot(&self) -> Vec<&'static str> {
        let awaits = |fact: &Fact<Tunable>| fact.get().is_some_and(Tunable::awaits_reboot);
        let racct = awaits(&self.racct) && self.racct.get().is_some_and(|tunable| tunable.running.is_some());
        let has_card = self.interfaces.get().is_some_and(|all| all.iter().any(Interface::is_vtnet));
        let vtnet = awaits(&self.vtnet_lro_disable) && has_card;
        [(racct, RACCT), (vtnet, VTNET_LRO)].into_iter().filter(|(awaits, _)| *awaits).map(|(_, name)| name).collect()
    }

    /// Whether if_bridge(4) takes an interface that has an address as a member; none when that is not known. FreeBSD 15
    /// does unless `net.link.bridge.member_ifaddrs` was set to 0 (`if_bridge.c` begins with 1, and the variable comes
    /// with the module, so that it is unknown before), 16 never does (bridge(4), release notes).
    pub(crate) fn bridges_take_addresses(&self) -> Option<bool> {
        match self.system.get()?.version()?.0 {
            ..15 => Some(true),
            15 => Some(*self.bridge_member_addresses.get()? != Some(false)),
            _ => Some(false),
        }
    }

    /// The sources that were slow, in words: `datasets 12 s, rc.conf 31 s`. None when all answered soon.
    pub(crate) fn slow_in_words(&self) -> Option<String> {
        let slow: Vec<String> = self
            .everything_asked()
            .iter()
            .filter(|asked| asked.is_slow())
            .map(|asked| format!("{} {} s", asked.about, asked.took_ms / 1000))
            .collect();
        (!slow.is_empty()).then(|| slow.join(", "))
    }
}

/// One source with what it answered, whatever kind of value it gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked<'a> {
    /// What it tells, in two or three words.
    pub about: &'static str,
    /// Why there is no value, or why it is not whole.
    pub error: Option<&'a str>,
    /// The commands or files.
    pub source: &'a str,
    /// Their words.
    pub evidence: &'a str,
    /// When it was asked.
    pub at: Timestamp,
    /// How long the answer took, in milliseconds.
    pub took_ms: u64,
}

impl<'a> Asked<'a> {
    fn of<T>(about: &'static str, fact: &'a Fact<T>) -> Self {
        Self {
            about,
            error: fact.error.as_deref(),
            source: &fact.source,
            evidence: &fact.evidence,
            at: fact.at,
            took_ms: fact.took_ms,
        }
    }

    /// Whether the answer took so long that people should know why they wait.
    pub(crate) fn is_slow(&self) -> bool {
        self.took_ms >= SLOW_MS
    }
}

/// Whether pot is there, as package or by hand; none when that is not known.
pub(crate) fn pot_installed(facts: &HostFacts) -> Option<bool> {
    let by_hand = facts.paths.get().and_then(|paths| paths.get(super::POT_PROGRAM)).map(PathState::is_there);
    match (facts.packages.get().map(|packages| packages.pot.is_some()), by_hand) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), _) | (None, Some(false)) => Some(false),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_sources_are_named_with_their_time() {
        let mut facts = HostFacts::unknown("not asked");
        assert_eq!(facts.slow_in_words(), None);
        (facts.rc.took_ms, facts.datasets.took_ms) = (31_500, SLOW_MS);
        assert_eq!(facts.slow_in_words().as_deref(), Some("datasets 5 s, rc.conf 31 s"));
        facts.datasets.took_ms = SLOW_MS - 1;
        assert_eq!(facts.slow_in_words().as_deref(), Some("rc.conf 31 s"));
    }
}
