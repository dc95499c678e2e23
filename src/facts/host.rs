//! Everything that is known about one host: a row for each fact.

use super::{
    Dataset, Fact, Interface, Machine, Packages, PathState, Pf, PfFile, Pool, Pot, PrivateBridge, RACCT, Route,
    SLOW_MS, Syslog, System, Tunable, VTNET_LRO, size,
};
use crate::digest::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Declares the facts: of each what it is, the type of its value, and what it tells in two or three words. How it is
/// asked for says its row in `host::probes`.
macro_rules! facts {
    ($($(#[$doc:meta])* $fact:ident: $value:ty, $about:literal $(, told by $alike:path)?;)+) => {
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

            /// Whether these tell the same as others: times and the sources' own words apart, which change with every
            /// look, and sizes as they are shown.
            pub fn tell_the_same_as(&self, other: &Self) -> bool {
                self.simulated == other.simulated
                    $(&& alike(&self.$fact, &other.$fact, facts!(@alike $($alike)?)))+
            }

            /// Gives up the largest values until all are at most so many bytes as JSON, and says so in their place: what
            /// is too large for an answer is not known, whatever part of it could be sent.
            pub fn keep_within(&mut self, most: usize) {
                loop {
                    let sizes = [$(json_size(&self.$fact.value),)+];
                    let all: usize = sizes.iter().sum();
                    let largest = sizes.iter().copied().max().unwrap_or(0);
                    if all <= most || largest == 0 {
                        return;
                    }
                    let words = format!(
                        "the answer is not kept: it takes {} of the {} that there are for what is known of a host",
                        size(largest as u64),
                        size(most as u64)
                    );
                    $(if self.$fact.value.is_some() && json_size(&self.$fact.value) == largest {
                        self.$fact.value = None;
                        self.$fact.error = Some(words);
                        continue;
                    })+
                    return;
                }
            }

            /// Every source, in the order of the facts.
            pub(crate) fn everything_asked(&self) -> Vec<Asked<'_>> {
                vec![$(Asked::of($about, &self.$fact),)+]
            }
        }
    };
    (@alike) => { PartialEq::eq };
    (@alike $alike:path) => { |one, other| $alike(one, other) };
}

fn alike<T>(one: &Fact<T>, other: &Fact<T>, alike: impl Fn(&T, &T) -> bool) -> bool {
    let values = match (&one.value, &other.value) {
        (Some(one), Some(other)) => alike(one, other),
        (None, None) => true,
        _ => false,
    };
    values && one.error == other.error && one.source == other.source
}

/// Pools, with their sizes as they are shown.
fn pools_alike(one: &[Pool], other: &[Pool]) -> bool {
    let told = |pool: &Pool| (pool.name.clone(), size(pool.size), size(pool.free), pool.health.clone());
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one == other || told(one) == told(other))
}

/// Datasets, with their sizes as they are shown: on a host that is used they are others at each look.
fn datasets_alike(one: &[Dataset], other: &[Dataset]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            size(one.used) == size(other.used)
                && size(one.available) == size(other.available)
                && *one == Dataset { used: one.used, available: one.available, ..other.clone() }
        })
}

/// What a value takes as JSON, in bytes.
fn json_size(value: &impl Serialize) -> usize {
    struct Counted(usize);
    impl std::io::Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counted = Counted(0);
    // What cannot be written is not sent either.
    match serde_json::to_writer(&mut counted, value) {
        Ok(()) => counted.0,
        Err(_) => 0,
    }
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
    pools: Vec<Pool>, "pools", told by pools_alike;
    /// ZFS datasets of all pools.
    datasets: Vec<Dataset>, "datasets", told by datasets_alike;
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

    fn dataset(name: &str, used: u64) -> Dataset {
        Dataset {
            name: name.to_owned(),
            kind: "filesystem".to_owned(),
            mountpoint: "/x".to_owned(),
            canmount: "on".to_owned(),
            mounted: true,
            used,
            available: 5 << 40,
            origin: None,
            locked: false,
        }
    }

    #[test]
    fn a_look_that_finds_the_same_tells_the_same_whatever_was_written_meanwhile() {
        let look = |used: u64| {
            let mut facts = HostFacts::unknown("not asked");
            facts.datasets = Fact::known(vec![dataset("zroot/a", used), dataset("zroot/b", 7)], "zfs list");
            facts.datasets.evidence = format!("zroot/a {used}");
            facts.datasets.took_ms = used % 100;
            facts
        };
        let before = look((48 << 30) + 1);
        assert!(look((48 << 30) + 4096).tell_the_same_as(&before), "48 GiB both times");
        assert!(!look(49 << 30).tell_the_same_as(&before));
        let mut other = look((48 << 30) + 1);
        other.datasets.value.as_mut().unwrap()[1].mounted = false;
        assert!(!other.tell_the_same_as(&before));
        let mut gone = look((48 << 30) + 1);
        gone.datasets.value.as_mut().unwrap().pop();
        assert!(!gone.tell_the_same_as(&before));
        let failed = HostFacts { datasets: Fact::unknown("zfs: not found", "zfs list"), ..look(0) };
        assert!(!failed.tell_the_same_as(&before));
    }

    #[test]
    fn what_is_too_large_for_an_answer_is_not_known_and_never_empty() {
        let mut facts = HostFacts::unknown("not asked");
        facts.datasets =
            Fact::known((0..1000).map(|number| dataset(&format!("zroot/{number}"), 1)).collect(), "zfs list");
        facts.resolvers = Fact::known(vec![IpAddr::from([192, 0, 2, 1])], "/etc/resolv.conf");
        let whole = facts.clone();
        facts.keep_within(1 << 20);
        assert_eq!(facts, whole);
        facts.keep_within(64 << 10);
        assert_eq!(facts.datasets.value, None);
        let error = facts.datasets.error.as_deref().unwrap();
        assert!(error.contains("not kept") && error.contains("64 KiB"), "{error}");
        assert_eq!(facts.resolvers, whole.resolvers, "the others stay");
        facts.keep_within(0);
        assert!(facts.resolvers.value.is_none() && facts.resolvers.error.is_some());
    }

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
