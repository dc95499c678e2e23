//! What is known about a host: data only, gathered by the probes in `host`, judged by `rules`, shown by pages.
//!
//! Every source is a [`Fact`]: its value or its error, with the evidence and its age. "zpool: not found" is a
//! fact, too.

mod host;
mod shown;
mod size;

pub(crate) use host::pot_installed;
pub use host::{Asked, HostFacts};
pub(crate) use shown::{filter_rules_in_words, heading, pot_nat_in_words};
pub use size::size;

use crate::digest::Digest;
use ipnet::{IpNet, Ipv4Net};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// One answer of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact<T> {
    /// The value, when the source answered in a form that was understood.
    pub value: Option<T>,
    /// Why there is no value: what failed, on what.
    pub error: Option<String>,
    /// The command or file that was asked, as one would type it.
    pub source: String,
    /// The source's own words, control characters made harmless, at most 4 KiB.
    pub evidence: String,
    /// When it was asked.
    pub at: Timestamp,
    /// How long the answer took, in milliseconds.
    pub took_ms: u64,
}

impl<T> Fact<T> {
    /// A fact that was observed, for tests and for values that need no source.
    pub fn known(value: T, source: &str) -> Self {
        Self {
            value: Some(value),
            error: None,
            source: source.to_owned(),
            evidence: String::new(),
            at: Timestamp::now(),
            took_ms: 0,
        }
    }

    /// A source that did not answer.
    pub fn unknown(error: impl Into<String>, source: &str) -> Self {
        Self {
            value: None,
            error: Some(error.into()),
            source: source.to_owned(),
            evidence: String::new(),
            at: Timestamp::now(),
            took_ms: 0,
        }
    }

    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Whether the answer took so long that people should know why they wait.
    pub(crate) fn is_slow(&self) -> bool {
        self.took_ms >= SLOW_MS
    }
}

/// From how many milliseconds on an answer is called slow.
pub(crate) const SLOW_MS: u64 = 5000;

/// What the host runs on. What a source does not tell is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The effective user id of the process that gathers the facts: 0 is root.
    pub uid: u32,
    /// `hw.machine_arch`: `amd64`, `aarch64` …
    pub architecture: Option<String>,
    /// `hw.ncpu`.
    pub(crate) cpus: Option<u32>,
    /// `hw.physmem`, in bytes.
    pub memory: Option<u64>,
    /// `kern.boottime`: when it was started.
    pub(crate) booted: Option<Timestamp>,
}

/// Name and versions of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// `hostname`.
    pub hostname: String,
    /// `freebsd-version -k`, for example `14.3-RELEASE-p2`.
    pub kernel: String,
    /// `freebsd-version -u`; empty when it did not say.
    pub(crate) userland: String,
    /// `security.jail.jailed`; none when the kernel did not say.
    pub jailed: Option<bool>,
    /// The host's time zone name, `UTC` when unknown.
    pub(crate) time_zone: String,
}

impl System {
    /// The kernel's major and minor version, when it starts with them.
    pub fn version(&self) -> Option<(u32, u32)> {
        let mut parts = self.kernel.split(['.', '-']);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

/// A loader tunable: what runs and what the next boot will have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunable {
    /// The running value; none when the kernel does not know it.
    pub running: Option<String>,
    /// The value that the last of the loader's files gives it; none when no file sets it, and the kernel's own counts.
    pub(crate) next_boot: Option<String>,
    /// The file that has that last word.
    #[serde(default)]
    pub(crate) set_in: Option<String>,
}

impl Tunable {
    /// Whether the next boot turns on what is off now.
    pub fn awaits_reboot(&self) -> bool {
        self.running.as_deref() != Some("1") && self.next_boot.as_deref() == Some("1")
    }

    /// What the next boot will have, and from where: `1 (/boot/loader.conf.local)`.
    pub(crate) fn next_boot_in_words(&self) -> String {
        match (&self.next_boot, &self.set_in) {
            (Some(value), Some(file)) => format!("{value} ({file})"),
            (Some(value), None) => value.clone(),
            (None, _) => "set by no file of the loader: the kernel's own value counts".to_owned(),
        }
    }
}

/// The tunable `kern.racct.enable` of the guide's "Enable the resource limit database".
pub(crate) const RACCT: &str = "kern.racct.enable";
/// The tunable `hw.vtnet.lro_disable` of the guide's "Known issue" with vtnet.
pub(crate) const VTNET_LRO: &str = "hw.vtnet.lro_disable";

/// pot's program, as its package installs it: a key of [`HostFacts::paths`].
pub(crate) const POT_PROGRAM: &str = "/usr/local/bin/pot";

/// A ZFS pool. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its size.
    pub size: u64,
    /// What is free.
    pub free: u64,
    /// `ONLINE`, `DEGRADED` …
    pub health: String,
}

/// A ZFS dataset. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// Its full name.
    pub name: String,
    /// `filesystem`, `volume` or `snapshot`.
    pub kind: String,
    /// Its mountpoint property (`none`, `legacy`, `-` or a path).
    pub mountpoint: String,
    /// `on`, `off`, `noauto` or `-`.
    pub canmount: String,
    /// Whether it is mounted.
    pub mounted: bool,
    /// What it and its children use.
    pub used: u64,
    /// What is left for it.
    pub available: u64,
    /// The snapshot it was cloned from.
    pub origin: Option<String>,
    /// It is encrypted and its key is not loaded (`keystatus` is `unavailable`): it cannot be mounted before.
    #[serde(default)]
    pub locked: bool,
}

impl Dataset {
    /// A file system with a place of its own that is not mounted: what is in it cannot be looked at.
    ///
    /// pot's own root has `canmount=off`: it never holds anything itself.
    pub fn is_hidden(&self) -> bool {
        self.kind == "filesystem" && !self.mounted && self.canmount != "off" && self.mountpoint != "none"
    }

    /// What to type so that a hidden one can be looked at.
    pub(crate) fn how_to_mount(&self) -> String {
        let name = &self.name;
        let key = if self.locked { format!("zfs load-key -r {name}, then ") } else { String::new() };
        let canmount =
            if self.canmount == "off" { format!("zfs set canmount=on {name}, then ") } else { String::new() };
        format!("{key}{canmount}zfs mount {name}")
    }
}

/// Snapshots below a dataset. There may be hundreds of thousands, so they are counted and not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshots {
    /// How many there are.
    pub count: u64,
    /// The first of them by zfs's order, at most [`SNAPSHOTS_KEPT`].
    pub first: Vec<String>,
    /// How many are held: `zfs destroy -r` stops at them, half done.
    pub held: u64,
    /// The first that is held.
    pub(crate) first_held: Option<String>,
    /// Digest of all names: another one tells that a snapshot came or went.
    pub digest: Digest,
}

/// How many snapshots are kept by name.
pub(crate) const SNAPSHOTS_KEPT: usize = 200;

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Whether the flag UP is set.
    pub up: bool,
    /// Its description, empty when there is none.
    pub description: String,
    /// Interface groups (`bridge`, `pot`, `lo` …).
    pub groups: Vec<String>,
    /// IPv4 addresses in order; the first is the one that NAT uses.
    pub addresses: Vec<Ipv4Address>,
    /// IPv6 addresses with prefix.
    pub(crate) addresses6: Vec<IpNet>,
    /// Members, when it is a bridge.
    pub members: Vec<String>,
}

impl Interface {
    /// Whether it is a bridge.
    pub(crate) fn is_bridge(&self) -> bool {
        self.groups.iter().any(|group| group == "bridge") || self.name.starts_with("bridge")
    }

    /// Whether it is a bridge that `pot vnet-start` made for public-bridge pots, by its description (vnet-start.sh): the
    /// present one or one of an earlier POT_GATEWAY.
    pub(crate) fn is_public_bridge(&self) -> bool {
        self.is_bridge() && self.description == "pot public bridge"
    }

    /// Whether if_bridge(4) takes it as a member. It takes Ethernet (tap and vlan among it) and gif interfaces alone
    /// (FreeBSD's if_bridge.c, `bridge_ioctl_add`: anything else is `EINVAL`): no other bridge and nothing that is
    /// point-to-point. Told by the groups, which stay when an interface is renamed.
    pub(crate) fn can_join_a_bridge(&self) -> bool {
        const KINDS: [&str; 15] = [
            "tun", "wg", "gre", "me", "ipsec", "stf", "ovpn", "ng", "ppp", "sl", "disc", "enc", "pflog", "pfsync",
            "usbus",
        ];
        let is_named_so = |kind: &str| {
            let number = self.name.strip_prefix(kind);
            number.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
        };
        !self.is_bridge()
            && !self.is_loopback()
            && !KINDS.iter().any(|kind| is_named_so(kind) || self.groups.iter().any(|group| group == kind))
    }

    /// Whether it is a card of vtnet(4).
    pub(crate) fn is_vtnet(&self) -> bool {
        self.name
            .strip_prefix("vtnet")
            .is_some_and(|unit| !unit.is_empty() && unit.bytes().all(|digit| digit.is_ascii_digit()))
    }

    /// Whether it is a loopback interface.
    pub(crate) fn is_loopback(&self) -> bool {
        self.groups.iter().any(|group| group == "lo") || self.name == "lo0"
    }
}

/// An IPv4 address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv4Address {
    /// Address with prefix length, host bits kept.
    pub network: Ipv4Net,
}

impl Ipv4Address {
    /// The address alone.
    pub fn address(&self) -> Ipv4Addr {
        self.network.addr()
    }
}

/// An IPv4 route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Destination; 0.0.0.0/0 is the default route.
    pub destination: Ipv4Net,
    /// The next hop, when there is one.
    pub gateway: Option<Ipv4Addr>,
    /// The interface it leaves by.
    pub interface: String,
}

/// The state of pf in the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pf {
    /// /dev/pf exists (the module is loaded).
    pub loaded: bool,
    /// `pfctl -s info` says Enabled.
    pub enabled: bool,
    /// `pfctl -s Anchors`: anchors that exist, called or not.
    pub anchors: Vec<String>,
    /// `pfctl -s nat`: translation rules of the main rule set.
    pub nat: Vec<String>,
    /// `pfctl -s rules`: filter rules of the main rule set, as evidence.
    pub rules: Vec<String>,
    /// `pfctl -s nat -a pot-nat`.
    pub pot_nat: Vec<String>,
}

impl Pf {
    /// Whether the main rules call any of pot's anchors.
    pub(crate) fn names_pot_anchors(&self) -> bool {
        self.nat.iter().any(|rule| rule.contains("pot-nat") || rule.contains("pot-rdr/"))
    }

    /// Whether the main rules call both of pot's anchors.
    pub fn calls_pot_anchors(&self) -> bool {
        let calls = |kind: &str, name: &str| {
            self.nat.iter().any(|rule| {
                rule.strip_prefix(kind).is_some_and(|rest| rest.trim_start().trim_start_matches('"').starts_with(name))
            })
        };
        calls("nat-anchor", "pot-nat") && calls("rdr-anchor", "pot-rdr/*")
    }
}

/// pf's configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PfFile {
    /// What `sysrc -n pf_rules` says.
    pub path: String,
    /// Whether it exists.
    pub exists: bool,
    /// Whether `pfctl -nf` takes it; none when it could not be judged.
    pub valid: Option<bool>,
    /// pfctl's words when it does not.
    pub errors: Vec<String>,
    /// Why it could not be judged, when it could not.
    #[serde(default)]
    pub(crate) untested: Option<Untested>,
    /// How often it calls each of pot's anchors in a statement of its own: nat-anchor, rdr-anchor.
    pub anchor_lines: (usize, usize),
    /// What rc.d/pf loads when it cannot load this file; none where that was not asked because the file is good.
    #[serde(default)]
    pub(crate) fallback: Option<PfFallback>,
}

impl PfFile {
    /// The file's own verdict as `pfctl -nf` gave it.
    pub fn test(&self) -> PfTest {
        match self.valid {
            Some(true) => PfTest::Valid,
            Some(false) => PfTest::Invalid(self.errors.clone()),
            None => PfTest::Untested(self.untested.clone().unwrap_or_else(|| Untested::Other("not asked".to_owned()))),
        }
    }
}

/// The rules that rc.d/pf loads when it cannot load pf's file, where `pf_fallback_rules_enable` says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PfFallback {
    /// The file `pf_fallback_rules_file`, when it exists; none: the text of `pf_fallback_rules`.
    pub file: Option<String>,
    /// The rules, when they are the variable's text.
    pub text: Option<String>,
    /// Whether `pfctl -nf` takes them.
    pub valid: Option<bool>,
}

/// What `pfctl -nf` says of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PfTest {
    /// It takes it.
    Valid,
    /// It does not; its words.
    Invalid(Vec<String>),
    /// It could not judge it; why.
    Untested(Untested),
}

/// Why `pfctl -nf` could not judge a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Untested {
    /// From FreeBSD 15 on pfctl judges nothing while pf is not in the kernel.
    PfNotLoaded,
    /// Anything else, in words.
    Other(String),
}

impl std::fmt::Display for Untested {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PfNotLoaded => f.write_str("pf is not loaded"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

/// The most telling of pfctl's words about a text: the first line with a number, and behind it what stood before, which
/// belongs to it: `stdin:4: could not parse host specification (no IP address found for em0/24)`.
pub(crate) fn telling(words: &[String]) -> Option<String> {
    let Some(at) = words.iter().position(|line| has_line_number(line)) else { return words.first().cloned() };
    let line = words.get(at)?;
    let before: Vec<&str> = words.iter().take(at).map(String::as_str).collect();
    Some(if before.is_empty() { line.clone() } else { format!("{line} ({})", before.join("; ")) })
}

/// `/etc/pf.conf:12: …`
fn has_line_number(line: &str) -> bool {
    line.match_indices(':').any(|(at, _)| {
        let rest = line.get(at + 1..).unwrap_or_default();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && rest.get(digits..).is_some_and(|rest| rest.starts_with(':'))
    })
}

/// syslogd's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Syslog {
    /// `syslogd_flags` as in force for the next start.
    pub flags: String,
    /// For each facility (`local2` …) the files that take its info level, most special first.
    pub files: BTreeMap<String, Vec<String>>,
    /// Files named by a rule that do not exist (syslogd without -C does not create them).
    pub missing: Vec<String>,
    /// For each facility where else its info level goes: `@loghost`, a program, users.
    #[serde(default)]
    pub elsewhere: BTreeMap<String, Vec<String>>,
}

/// Packages and pkg itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packages {
    /// Whether pkg is bootstrapped.
    pub pkg: bool,
    /// Installed version of pot.
    pub pot: Option<String>,
    /// Installed version of potnet.
    pub potnet: Option<String>,
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathState {
    /// What it is.
    pub kind: PathKind,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
    /// For a folder: whether it holds nothing.
    pub empty: bool,
    /// Whether it (as far as it exists), where it leads, and every folder on the way are owned by root and writable by
    /// no other.
    pub(crate) only_root_writes: bool,
    /// The first part of the way, or it itself, that others than root can change. None: [`Self::only_root_writes`].
    #[serde(default)]
    pub(crate) exposed: Option<String>,
    /// The first folder on the way in which others than root could put something else in its place. None: only root can.
    #[serde(default)]
    pub(crate) replaceable_in: Option<String>,
    /// Where it really is, when a link stands in the way.
    #[serde(default)]
    pub leads_to: Option<LeadsTo>,
}

/// The end of a path that leads over a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadsTo {
    /// Its path on the host.
    pub path: String,
    /// What stands there.
    pub kind: PathKind,
    /// Owner.
    pub uid: u32,
    /// Permission bits.
    pub mode: u32,
    /// Why the console does not read or write the file of that name, though a link leads there; none: it does.
    #[serde(default)]
    pub refused: Option<String>,
}

impl PathState {
    /// Whether anything is there.
    pub(crate) fn is_there(&self) -> bool {
        self.kind != PathKind::Absent
    }

    /// What stands where the path really leads.
    pub(crate) fn real_kind(&self) -> PathKind {
        self.leads_to.as_ref().map_or(self.kind, |end| end.kind)
    }

    /// Owner and permission bits of what stands where the path really leads.
    pub(crate) fn real_owner_and_mode(&self) -> (u32, u32) {
        self.leads_to.as_ref().map_or((self.uid, self.mode), |end| (end.uid, end.mode))
    }

    /// Where `path`, which this is the state of, really is.
    pub fn real_path<'a>(&'a self, path: &'a str) -> &'a str {
        self.leads_to.as_ref().map_or(path, |end| end.path.as_str())
    }
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathKind {
    /// Nothing is there.
    Absent,
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link (not followed).
    Link,
    /// Anything else.
    Other,
}

/// A pot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pot {
    /// Its name.
    pub name: String,
    /// `single` or `multi`.
    pub kind: String,
    /// `inherit`, `alias`, `public-bridge` or `private-bridge`.
    pub network_type: String,
    /// Its addresses as its configuration gives them.
    pub addresses: Vec<IpAddr>,
    /// The private bridge it stands on.
    pub bridge: Option<String>,
    /// Whether `jls -j NAME` succeeds; none when that could not be asked.
    pub running: Option<bool>,
    /// The ports that it exports, as its configuration has them (`pot.export.ports`): `tcp:80:8080`.
    #[serde(default)]
    pub exports: Vec<String>,
}

/// A port of the host that leads to one of a pot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Export {
    /// UDP; else TCP.
    pub(crate) udp: bool,
    /// The host's port; none: pot takes a free one when the pot starts.
    pub(crate) host: Option<u16>,
    /// The pot's port.
    pub(crate) pot: u16,
}

impl Export {
    /// An entry of `pot.export.ports` as start.sh's `_js_export_ports` takes it apart: `[tcp:|udp:]POT[:HOST]`.
    pub(crate) fn read(entry: &str) -> Option<Self> {
        let (udp, rest) = match (entry.strip_prefix("udp:"), entry.strip_prefix("tcp:")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => (false, entry),
        };
        match rest.split_once(':') {
            Some((pot, host)) => Some(Self { udp, host: Some(host.parse().ok()?), pot: pot.parse().ok()? }),
            None => Some(Self { udp, host: None, pot: rest.parse().ok()? }),
        }
    }

    /// `tcp` or `udp`.
    pub(crate) fn protocol(&self) -> &'static str {
        if self.udp { "udp" } else { "tcp" }
    }
}

/// The host's side: "tcp 80", "tcp, a free port".
impl std::fmt::Display for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host {
            Some(port) => write!(f, "{} {port}", self.protocol()),
            None => write!(f, "{}, a free port", self.protocol()),
        }
    }
}

impl Pot {
    /// The ports that it exports, as far as they can be read.
    pub(crate) fn exported(&self) -> impl Iterator<Item = Export> {
        self.exports.iter().filter_map(|entry| Export::read(entry))
    }

    /// Whether it has this address for itself. One that inherits the host's has none of its own.
    pub fn holds(&self, address: Ipv4Addr) -> bool {
        self.network_type != "inherit" && self.addresses.contains(&IpAddr::V4(address))
    }

    /// Its IPv4 address outside of this network, when it stands on a bridge: a pot on the public bridge loses its gateway
    /// there, one on a private bridge is not translated (vnet-start.sh: `nat on $ext_if from $localnet`).
    pub fn outside(&self, network: Ipv4Net) -> Option<Ipv4Addr> {
        if !matches!(self.network_type.as_str(), "public-bridge" | "private-bridge") {
            return None;
        }
        self.addresses.iter().find_map(|address| match address {
            IpAddr::V4(address) if !network.contains(address) => Some(*address),
            _ => None,
        })
    }
}

/// The names of the pots with an address outside of the network, see [`Pot::outside`].
pub(crate) fn pots_outside(pots: &[Pot], network: Ipv4Net) -> Vec<&str> {
    pots.iter().filter(|pot| pot.outside(network).is_some()).map(|pot| pot.name.as_str()).collect()
}

/// What comes of it, for this many of [`pots_outside`]: true of a network that is not saved yet, not started yet, or runs.
pub fn left_outside(count: usize) -> &'static str {
    if count == 1 {
        "It keeps its address and reaches nothing outside while that network runs."
    } else {
        "They keep their addresses and reach nothing outside while that network runs."
    }
}

/// A private bridge, from `POT_FS_ROOT/bridges/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateBridge {
    /// Its name.
    pub name: String,
    /// Its network.
    pub network: Ipv4Net,
    /// Its gateway.
    pub gateway: Ipv4Addr,
}

/// A difference that someone knows and leaves: it counts as long as both sides say what they said then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftDrift {
    /// The difference's name.
    pub id: String,
    /// What pot.conf said.
    pub configured: String,
    /// What ran.
    pub running: String,
}
