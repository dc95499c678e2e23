//! pot on this host: initialised or not, what of its network is up, and where what runs is not what pot.conf says.
//!
//! Pure. None anywhere: a source that would know did not answer.

use super::wanted::Wanted;
use crate::facts::{Dataset, HostFacts, Interface, Pot, pot_installed};
use crate::potconf::Configuration;
use crate::rules::{Nat, NatRule};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// How pot describes the bridge that it makes for public-bridge pots.
const PUBLIC_BRIDGE: &str = "pot public bridge";
/// The datasets below POT_ZFS_ROOT that `pot init` makes and every other command needs.
const PARTS: [&str; 3] = ["bases", "jails", "fscomp"];

/// How far pot has come on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// pot is not here.
    NotInstalled,
    /// pot is here; `pot init` has not run to its end.
    Fresh,
    /// The datasets of `pot init` exist.
    Initialised,
    /// ZFS or pkg did not answer.
    Unknown,
}

/// pot's two anchors in pf.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchors {
    /// Both lines stand in pf's file, once each.
    pub in_file: Option<bool>,
    /// pf knows anchors of these names; that alone does not make them count.
    pub(crate) existing: Option<bool>,
    /// The loaded main rules call both.
    pub called: Option<bool>,
    /// Anchor pot-nat holds rules.
    pub filled: Option<bool>,
}

/// Which page mends a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Remedy {
    /// The plan of `pot init`.
    Init,
    /// The plan of `pot vnet-start`.
    VnetStart,
    /// The configuration.
    Configuration,
}

/// Something runs otherwise than pot.conf says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Drift {
    /// Its stable name.
    pub id: &'static str,
    /// What differs.
    pub title: String,
    /// What pot.conf says.
    pub configured: String,
    /// What runs.
    pub running: String,
    /// What comes of it.
    pub(crate) consequence: String,
    /// The page that mends it, when one does.
    pub remedy: Option<Remedy>,
    /// Whether someone knows it and leaves it.
    pub left: bool,
}

/// pot on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PotState {
    /// How far it has come.
    pub stage: Stage,
    /// POT_ZFS_ROOT and everything below it but snapshots, with sizes.
    pub datasets: Vec<Dataset>,
    /// Datasets of `pot init` that do not exist, by full name.
    pub(crate) missing_datasets: Vec<String>,
    /// The network is up as pot itself tells it: bridge, /dev/pf, anchors, NAT rules.
    pub vnet_up_pot: Option<bool>,
    /// The network is up so that it works: besides, pf is on, the main rules call the anchors, packets are forwarded.
    pub vnet_up_strict: Option<bool>,
    /// pot's two anchors.
    pub anchors: Anchors,
    /// The bridge that has POT_GATEWAY.
    pub(crate) public_bridge: Option<String>,
    /// Names of pots on a bridge whose address lies outside POT_NETWORK.
    pub outside: Vec<String>,
    /// Where what runs is not what pot.conf says.
    pub drift: Vec<Drift>,
}

/// Holds the facts against pot.conf.
pub(crate) fn pot_state(facts: &HostFacts, configuration: &Configuration) -> PotState {
    let nat = facts.interfaces.get().and_then(|all| Nat::of(configuration, all));
    let host = Host { facts, wanted: Wanted::of(configuration), nat };
    let missing = host.missing_datasets();
    let anchors = host.anchors();
    let public_bridge = host.bridges().find(|bridge| host.has_gateway(bridge)).map(|bridge| bridge.name.clone());
    let outside = host.pots_outside().map(|(pot, _)| pot.name.clone()).collect();
    PotState {
        stage: host.stage(missing.as_deref()),
        datasets: host.datasets(),
        missing_datasets: missing.clone().unwrap_or_default(),
        vnet_up_pot: host.vnet_up_pot(anchors),
        vnet_up_strict: host.vnet_up_strict(anchors),
        drift: host.drift(anchors, public_bridge.as_deref(), missing.as_deref()),
        anchors,
        public_bridge,
        outside,
    }
}

struct Host<'a> {
    facts: &'a HostFacts,
    wanted: Wanted,
    /// The translations that `pot vnet-start` would load.
    nat: Option<Nat>,
}

impl Host<'_> {
    fn dataset(&self, name: &str) -> Option<&Dataset> {
        self.facts.datasets.get()?.iter().find(|dataset| dataset.name == name)
    }

    fn datasets(&self) -> Vec<Dataset> {
        let (Some(all), Some(root)) = (self.facts.datasets.get(), &self.wanted.zfs_root) else { return Vec::new() };
        let is_below =
            |name: &str| name.strip_prefix(root.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        all.iter().filter(|dataset| dataset.kind != "snapshot" && is_below(&dataset.name)).cloned().collect()
    }

    /// None when that is not known.
    fn missing_datasets(&self) -> Option<Vec<String>> {
        let root = self.wanted.zfs_root.as_ref()?;
        self.facts.datasets.get()?;
        let names = std::iter::once(root.clone()).chain(PARTS.map(|part| format!("{root}/{part}")));
        Some(names.filter(|name| self.dataset(name).is_none()).collect())
    }

    fn stage(&self, missing: Option<&[String]>) -> Stage {
        match (missing, pot_installed(self.facts)) {
            (Some([]), _) => Stage::Initialised,
            (_, Some(false)) => Stage::NotInstalled,
            (Some(_), Some(true)) => Stage::Fresh,
            _ => Stage::Unknown,
        }
    }

    fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.facts.interfaces.get().into_iter().flatten()
    }

    fn bridges(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces().filter(|interface| interface.is_bridge())
    }

    fn has_gateway(&self, bridge: &Interface) -> bool {
        bridge.addresses.iter().any(|address| Some(address.address()) == self.wanted.gateway)
    }

    fn anchors(&self) -> Anchors {
        let pf = self.facts.pf.get();
        Anchors {
            in_file: self.facts.pf_file.get().map(|file| file.anchor_lines.0 > 0 && file.anchor_lines.1 > 0),
            existing: pf
                .map(|pf| ["pot-nat", "pot-rdr"].iter().all(|name| pf.anchors.iter().any(|known| known == name))),
            called: pf.map(|pf| pf.calls_pot_anchors()),
            filled: pf.map(|pf| !pf.pot_nat.is_empty()),
        }
    }

    /// What pot's own test looks at (its function `_is_vnet_up`), per address family of POT_NETWORK_STACK.
    fn vnet_up_pot(&self, anchors: Anchors) -> Option<bool> {
        let ipv4 = || {
            self.wanted.gateway?;
            self.facts.interfaces.get()?;
            let bridge = self.bridges().any(|bridge| self.has_gateway(bridge));
            Some(bridge && self.facts.pf.get()?.loaded && anchors.existing? && anchors.filled?)
        };
        let ipv6 = || {
            let card = self.wanted.interface.as_ref()?;
            self.facts.interfaces.get()?;
            Some(self.bridges().any(|bridge| bridge.members.contains(card)))
        };
        match (self.wanted.ipv4, self.wanted.ipv6) {
            (true, true) => Some(ipv4()? && ipv6()?),
            (false, true) => ipv6(),
            _ => ipv4(),
        }
    }

    fn vnet_up_strict(&self, anchors: Anchors) -> Option<bool> {
        let up = self.vnet_up_pot(anchors)?;
        if !up || !self.wanted.ipv4 {
            return Some(up);
        }
        let wanted = self.wanted.bridge_address()?;
        // Rules for a network that is not certain cannot be held against those that are loaded.
        self.wanted.network?;
        self.wanted.interface.as_ref()?;
        let bridge =
            self.bridges().any(|bridge| bridge.up && bridge.addresses.iter().any(|held| held.network == wanted));
        let nat = self.nat_differences()?.0.is_empty();
        Some(bridge && nat && self.facts.pf.get()?.enabled && anchors.called? && *self.facts.forwarding.get()?)
    }

    /// The NAT rules that are missing and those that are one too many; none while it is not known which there should be.
    fn nat_differences(&self) -> Option<(Vec<NatRule>, Vec<NatRule>)> {
        Some(self.nat.as_ref()?.compare(&self.facts.pf.get()?.pot_nat))
    }

    /// Pots on a bridge whose IPv4 address lies outside POT_NETWORK, with that address.
    fn pots_outside(&self) -> impl Iterator<Item = (&Pot, Ipv4Addr)> {
        self.facts.pots.get().into_iter().flatten().filter_map(|pot| {
            let network = self.wanted.network?;
            Some((pot, pot.outside(network)?))
        })
    }

    fn drift(&self, anchors: Anchors, public_bridge: Option<&str>, missing: Option<&[String]>) -> Vec<Drift> {
        let mut drift = Vec::new();
        drift.extend(self.dataset_elsewhere(missing));
        drift.extend(self.mountpoints());
        drift.extend(self.bridge(public_bridge));
        drift.extend(self.bridge_down(public_bridge));
        drift.extend(self.two_bridges());
        drift.extend(self.nat(anchors));
        drift.extend(self.pf_off(anchors));
        drift.extend(rules_not_loaded(anchors, self.facts.pf_file.get().and_then(|file| file.valid)));
        drift.extend(self.not_in_file(anchors));
        drift.extend(self.forwarding_off(public_bridge));
        drift.extend(self.syslogd());
        drift.extend(self.outside());
        drift.extend(self.private_bridges_outside());
        drift
    }

    /// pot lives in another dataset than POT_ZFS_ROOT: every pot would seem to be gone.
    fn dataset_elsewhere(&self, missing: Option<&[String]>) -> Option<Drift> {
        let root = self.wanted.zfs_root.as_ref()?;
        if missing?.is_empty() {
            return None;
        }
        let all = self.facts.datasets.get()?;
        let other = all.iter().filter_map(|dataset| dataset.name.strip_suffix("/fscomp")).find(|other| {
            *other != root && PARTS.iter().all(|part| self.dataset(&format!("{other}/{part}")).is_some())
        })?;
        Some(Drift {
            id: "dataset",
            title: "Dataset".to_owned(),
            configured: root.clone(),
            running: other.to_owned(),
            consequence: format!("pot sees none of the pots in {other}; pot init would begin anew in {root}."),
            remedy: Some(Remedy::Configuration),
            left: false,
        })
    }

    fn mountpoints(&self) -> Vec<Drift> {
        let Some(root) = &self.wanted.zfs_root else { return Vec::new() };
        let mut found = Vec::new();
        let cache = format!("{root}/cache");
        for (name, wanted, title) in
            [(root, &self.wanted.fs_root, "POT_FS_ROOT"), (&cache, &self.wanted.cache, "POT_CACHE")]
        {
            if let (Some(dataset), Some(wanted)) = (self.dataset(name), wanted)
                && dataset.mountpoint != *wanted
            {
                found.push(Drift {
                    id: if title == "POT_CACHE" { "cache-mountpoint" } else { "mountpoint" },
                    title: title.to_owned(),
                    configured: wanted.clone(),
                    running: format!("{name} is mounted at {}", dataset.mountpoint),
                    consequence: format!("pot takes {name} for invalid and ends every command that needs it."),
                    remedy: Some(Remedy::Configuration),
                    left: false,
                });
            }
        }
        let unmounted: Vec<&Dataset> = PARTS
            .iter()
            .filter_map(|part| self.dataset(&format!("{root}/{part}")))
            .filter(|dataset| !dataset.mounted)
            .collect();
        if !unmounted.is_empty() {
            let names: Vec<&str> = unmounted.iter().map(|dataset| dataset.name.as_str()).collect();
            let locked = unmounted.iter().find(|dataset| dataset.locked);
            // pot init mounts what can be mounted; a key only its owner has.
            let key = locked.map(|dataset| format!(" Its key is not loaded: {}", dataset.how_to_mount()));
            found.push(Drift {
                id: "not-mounted",
                title: "Datasets".to_owned(),
                configured: "mounted".to_owned(),
                running: format!("not mounted: {}", names.join(", ")),
                consequence: format!(
                    "What is in them cannot be seen, and new pots would be written beside them.{}",
                    key.unwrap_or_default()
                ),
                remedy: locked.is_none().then_some(Remedy::Init),
                left: false,
            });
        }
        found
    }

    /// The public bridge has another address than POT_GATEWAY, or another prefix than POT_NETMASK.
    fn bridge(&self, public_bridge: Option<&str>) -> Option<Drift> {
        if !self.wanted.ipv4 {
            return None;
        }
        let wanted = self.wanted.bridge_address()?;
        let running = match public_bridge {
            Some(name) => self.bridges().find(|bridge| bridge.name == name)?,
            None => {
                self.bridges().find(|bridge| bridge.description == PUBLIC_BRIDGE && !bridge.addresses.is_empty())?
            }
        };
        if running.addresses.iter().any(|held| held.network == wanted) {
            return None;
        }
        Some(Drift {
            id: "bridge",
            title: "Bridge".to_owned(),
            configured: wanted.to_string(),
            running: format!("{}, {}", running.name, addresses(running)),
            consequence: match public_bridge {
                Some(_) => "Pots beyond the bridge's own network cannot be reached.".to_owned(),
                None => {
                    "It was made before POT_GATEWAY changed. pot would make a second bridge beside it, and pots that \
                         run keep the old gateway."
                        .to_owned()
                }
            },
            remedy: Some(Remedy::VnetStart),
            left: false,
        })
    }

    /// pot looks at the bridge's address alone.
    fn bridge_down(&self, public_bridge: Option<&str>) -> Option<Drift> {
        let name = public_bridge.filter(|_| self.wanted.ipv4)?;
        let down = self.bridges().any(|bridge| bridge.name == name && !bridge.up);
        down.then(|| Drift {
            id: "bridge-down",
            title: "Bridge".to_owned(),
            configured: "up, for the pots' network".to_owned(),
            running: format!("{name} is down"),
            consequence: format!(
                "No packet passes between pots, nor to the outside. pot vnet-start takes it for done; at the machine: \
                 ifconfig {name} up"
            ),
            remedy: None,
            left: false,
        })
    }

    /// The loaded rules call the anchors, the file that the next boot loads does not hold pot's lines any more.
    fn not_in_file(&self, anchors: Anchors) -> Option<Drift> {
        let file = self.facts.pf_file.get()?;
        (anchors.called == Some(true) && anchors.filled == Some(true) && file.anchor_lines == (0, 0)).then(|| Drift {
            id: "anchors-not-in-file",
            title: "Anchors".to_owned(),
            configured: format!("pot's two lines are not in {}", file.path),
            running: "called by the loaded rules".to_owned(),
            consequence: "Unless the file calls them in other words, the next boot or reload drops them, and no pot \
                          reaches anything outside."
                .to_owned(),
            remedy: Some(Remedy::Init),
            left: false,
        })
    }

    fn two_bridges(&self) -> Option<Drift> {
        let bridges: Vec<&Interface> = self.bridges().filter(|bridge| bridge.description == PUBLIC_BRIDGE).collect();
        (bridges.len() > 1).then(|| Drift {
            id: "two-bridges",
            title: "Public bridges".to_owned(),
            configured: "one, with POT_GATEWAY".to_owned(),
            running: bridges
                .iter()
                .map(|bridge| format!("{} {}", bridge.name, addresses(bridge)))
                .collect::<Vec<_>>()
                .join("; "),
            consequence: "Pots on the one do not reach those on the other.".to_owned(),
            remedy: None,
            left: false,
        })
    }

    fn nat(&self, anchors: Anchors) -> Option<Drift> {
        if anchors.filled != Some(true) || !self.wanted.ipv4 {
            return None;
        }
        let (missing, surplus) = self.nat_differences()?;
        if missing.is_empty() && surplus.is_empty() {
            return None;
        }
        let network = self.wanted.network?.trunc().to_string();
        let loaded = self.facts.pf.get()?.pot_nat.iter().filter_map(|line| NatRule::read(line));
        let consequence = if loaded.into_iter().all(|rule| rule.from != network) {
            format!("The rules are for another network: pots in {network} get no answer from outside of this host.")
        } else {
            "Some networks are not reached, or reached from another address than pot.conf says.".to_owned()
        };
        let in_words = |rules: &[NatRule]| rules.iter().map(NatRule::to_string).collect::<Vec<_>>().join("; ");
        Some(Drift {
            id: "nat",
            title: "NAT".to_owned(),
            configured: if missing.is_empty() { "no such rule".to_owned() } else { in_words(&missing) },
            running: if surplus.is_empty() { "no such rule".to_owned() } else { in_words(&surplus) },
            consequence,
            remedy: Some(Remedy::VnetStart),
            left: false,
        })
    }

    /// The rules are there, but pf is off: a bridge without translation.
    fn pf_off(&self, anchors: Anchors) -> Option<Drift> {
        let pf = self.facts.pf.get()?;
        (anchors.filled == Some(true) && !pf.enabled).then(|| Drift {
            id: "pf-off",
            title: "pf".to_owned(),
            configured: "on, for the pots' network".to_owned(),
            running: "off".to_owned(),
            consequence: "No pot reaches anything outside of this host, and nothing filters.".to_owned(),
            remedy: Some(Remedy::VnetStart),
            left: false,
        })
    }

    fn forwarding_off(&self, public_bridge: Option<&str>) -> Option<Drift> {
        (self.wanted.ipv4 && public_bridge.is_some() && self.facts.forwarding.get() == Some(&false)).then(|| Drift {
            id: "forwarding",
            title: "Forwarding".to_owned(),
            configured: "net.inet.ip.forwarding=1, for the pots' network".to_owned(),
            running: "net.inet.ip.forwarding=0".to_owned(),
            consequence: "No packet passes between pots and the outside.".to_owned(),
            remedy: Some(Remedy::VnetStart),
            left: false,
        })
    }

    /// syslogd still listens for pots of another network. Addresses of the host's own are the admin's, not pot's.
    fn syslogd(&self) -> Option<Drift> {
        let (gateway, network) = (self.wanted.gateway?, self.wanted.network?.trunc());
        let flags = &self.facts.syslog.get()?.flags;
        let own: Vec<Ipv4Addr> = self
            .interfaces()
            .filter(|interface| !interface.is_bridge())
            .flat_map(|interface| interface.addresses.iter().map(|address| address.address()))
            .collect();
        let bound = flag_values(flags, 'b').into_iter().filter_map(|value| value.parse::<Ipv4Addr>().ok());
        let (current, others): (Vec<Ipv4Addr>, Vec<Ipv4Addr>) = bound.partition(|address| *address == gateway);
        let stale = others.iter().any(|address| !address.is_loopback() && !own.contains(address));
        // Without an address that pot would bind, -a is the admin's own: another log host's network. A name admits whom
        // it will.
        let peers: Vec<Option<Ipv4Net>> = flag_values(flags, 'a').into_iter().map(|peer| peer.parse().ok()).collect();
        let shut_out = !current.is_empty()
            && !peers.is_empty()
            && peers.iter().all(|peer| peer.is_some_and(|peer| !peer.contains(&network)));
        if !stale && !shut_out {
            return None;
        }
        Some(Drift {
            id: "syslogd",
            title: "syslogd_flags".to_owned(),
            configured: format!("-b {gateway} -a {network}"),
            running: flags.clone(),
            consequence: if stale {
                "What pots log over the network is not received, and at boot syslogd may not start: it cannot bind \
                 an address that the host does not have."
            } else {
                "What pots log over the network is not received: syslogd takes lines of another network only."
            }
            .to_owned(),
            remedy: Some(Remedy::Init),
            left: false,
        })
    }

    fn outside(&self) -> Option<Drift> {
        let pots: Vec<String> = self.pots_outside().map(|(pot, address)| format!("{} {address}", pot.name)).collect();
        let network = self.wanted.network?.trunc();
        (!pots.is_empty()).then(|| Drift {
            id: "pots-outside",
            title: "Addresses of pots".to_owned(),
            configured: network.to_string(),
            running: shortened(&pots, 6),
            consequence: crate::facts::left_outside(pots.len()).to_owned(),
            remedy: Some(Remedy::Configuration),
            left: false,
        })
    }

    fn private_bridges_outside(&self) -> Option<Drift> {
        let network = self.wanted.network?;
        let bridges: Vec<String> = self
            .facts
            .private_bridges
            .get()?
            .iter()
            .filter(|bridge| !network.contains(&bridge.network))
            .map(|bridge| format!("{} {}", bridge.name, bridge.network))
            .collect();
        (!bridges.is_empty()).then(|| Drift {
            id: "private-bridges-outside",
            title: "Private bridges".to_owned(),
            configured: network.trunc().to_string(),
            running: shortened(&bridges, 6),
            consequence: "The NAT rules do not cover them: their pots do not reach the outside.".to_owned(),
            remedy: Some(Remedy::Configuration),
            left: false,
        })
    }
}

/// Anchors that exist, but that the main rules do not call, do nothing.
fn rules_not_loaded(anchors: Anchors, valid: Option<bool>) -> Option<Drift> {
    if anchors.filled != Some(true) || anchors.called != Some(false) {
        return None;
    }
    let in_file = anchors.in_file == Some(true);
    Some(Drift {
        id: "anchors-not-called",
        title: "Anchors".to_owned(),
        configured: if in_file { "in pf's file" } else { "not in pf's file" }.to_owned(),
        running: "not called by the loaded rules".to_owned(),
        consequence: "pot's NAT rules are loaded, but pf never looks at them: no pot reaches anything outside."
            .to_owned(),
        remedy: match (in_file, valid) {
            // pf takes nothing of a file that is not valid: first it has to be mended by hand.
            (_, Some(false)) => None,
            (true, _) => Some(Remedy::VnetStart),
            (false, _) => Some(Remedy::Init),
        },
        left: false,
    })
}

fn addresses(interface: &Interface) -> String {
    let list: Vec<_> = interface.addresses.iter().map(|address| address.network.to_string()).collect();
    if list.is_empty() { "no address".to_owned() } else { list.join(", ") }
}

fn shortened(list: &[String], most: usize) -> String {
    match list.len().checked_sub(most) {
        Some(more) if more > 0 => format!("{} and {more} more", list[..most].join(", ")),
        _ => list.join(", "),
    }
}

/// The values of a repeated option, glued or not, behind other letters or not: `-b X`, `-bX`, `-sb X`.
fn flag_values(flags: &str, option: char) -> Vec<&str> {
    let mut values = Vec::new();
    let mut words = flags.split_ascii_whitespace();
    while let Some(word) = words.next() {
        // syslogd(8)'s letters without a value.
        let bare = |letter: char| "468ACcdFHkNnosTuvz".contains(letter);
        let letters = word.strip_prefix('-').map(|letters| letters.trim_start_matches(bare));
        if let Some(glued) = letters.and_then(|letters| letters.strip_prefix(option)) {
            let value = if glued.is_empty() { words.next() } else { Some(glued) };
            // `-b ADDRESS:SERVICE`
            values.extend(value.map(|value| value.split(':').next().unwrap_or(value)));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{configuration, dataset, interface, known, pot, running_host};
    use super::*;
    use crate::facts::{Fact, Packages, PrivateBridge};

    fn state(facts: &HostFacts, own: &str) -> PotState {
        pot_state(facts, &configuration(own))
    }

    fn ids(state: &PotState) -> Vec<&'static str> {
        state.drift.iter().map(|drift| drift.id).collect()
    }

    #[test]
    fn a_host_that_runs_as_configured_differs_in_nothing() {
        let state = state(&running_host(), "");
        assert_eq!(state.stage, Stage::Initialised);
        assert_eq!(state.drift, vec![]);
        assert_eq!((state.vnet_up_pot, state.vnet_up_strict), (Some(true), Some(true)));
        assert_eq!(state.public_bridge.as_deref(), Some("bridge0"));
        assert_eq!(state.datasets.len(), 5, "zroot/potatoes is not pot's");
    }

    #[test]
    fn an_address_for_nat_that_the_interface_does_not_have_is_no_difference() {
        // pot ignores it, and the plan says so; to start again would change nothing.
        assert_eq!(ids(&state(&running_host(), "POT_EXTIF_ADDR=10.99.0.1\n")), Vec::<&str>::new());
    }

    #[test]
    fn a_changed_network_is_told_for_bridge_nat_syslogd_and_pots() {
        let state =
            state(&running_host(), "POT_NETWORK=10.200.0.0/16\nPOT_NETMASK=255.255.0.0\nPOT_GATEWAY=10.200.0.1\n");
        assert_eq!(ids(&state), ["bridge", "nat", "syslogd", "pots-outside"]);
        assert_eq!((state.vnet_up_pot, state.outside.as_slice()), (Some(false), &["web1".to_owned()][..]));
        assert_eq!(state.drift[0].configured, "10.200.0.1/16");
        assert_eq!(state.drift[0].running, "bridge0, 10.192.0.1/10");
        assert_eq!(state.drift[3].running, "web1 10.192.0.3");
    }

    #[test]
    fn up_for_pot_is_not_up_when_nothing_calls_the_anchors_or_pf_is_off() {
        let mut facts = running_host();
        facts.pf.value.as_mut().unwrap().nat.clear();
        let not_called = state(&facts, "");
        assert_eq!((not_called.vnet_up_pot, not_called.vnet_up_strict), (Some(true), Some(false)));
        assert_eq!(ids(&not_called), ["anchors-not-called"]);
        assert_eq!((not_called.anchors.existing, not_called.anchors.called), (Some(true), Some(false)));

        let mut facts = running_host();
        facts.pf.value.as_mut().unwrap().enabled = false;
        facts.forwarding = known(false);
        let off = state(&facts, "");
        assert_eq!((off.vnet_up_pot, off.vnet_up_strict), (Some(true), Some(false)));
        assert_eq!(ids(&off), ["pf-off", "forwarding"]);
    }

    #[test]
    fn a_network_that_was_never_started_is_down_and_no_difference() {
        let facts = HostFacts {
            interfaces: known(vec![interface("em0", "", &["192.168.178.20/24"])]),
            pf: known(crate::facts::Pf::default()),
            forwarding: known(false),
            ..running_host()
        };
        let state = state(&facts, "");
        assert_eq!((state.vnet_up_pot, state.vnet_up_strict), (Some(false), Some(false)));
        assert_eq!(state.drift, vec![]);
    }

    #[test]
    fn what_no_source_tells_is_not_known() {
        let state = state(&HostFacts::unknown("not asked"), "");
        assert_eq!(state.stage, Stage::Unknown);
        assert_eq!((state.vnet_up_pot, state.vnet_up_strict, state.anchors), (None, None, Anchors::default()));
        let no_pf = HostFacts { pf: Fact::unknown("pfctl: not found", "pfctl"), ..running_host() };
        assert_eq!(pot_state(&no_pf, &configuration("")).vnet_up_pot, None);
    }

    #[test]
    fn an_init_that_broke_off_leaves_the_host_fresh_and_names_what_is_missing() {
        let facts = HostFacts {
            datasets: known(vec![dataset("zroot/pot", "/opt/pot"), dataset("zroot/pot/bases", "/opt/pot/bases")]),
            ..running_host()
        };
        let state = state(&facts, "");
        assert_eq!(state.stage, Stage::Fresh);
        assert_eq!(state.missing_datasets, ["zroot/pot/jails", "zroot/pot/fscomp"]);
        let without = HostFacts { packages: known(Packages::default()), datasets: known(vec![]), ..running_host() };
        assert_eq!(pot_state(&without, &configuration("")).stage, Stage::NotInstalled);
    }

    #[test]
    fn pot_in_another_dataset_or_folder_is_told() {
        assert_eq!(ids(&state(&running_host(), "POT_ZFS_ROOT=zroot/other\n")), ["dataset"]);
        let state = state(&running_host(), "POT_FS_ROOT=/srv/pot\nPOT_CACHE=/srv/cache\n");
        assert_eq!(ids(&state), ["mountpoint", "cache-mountpoint"]);
    }

    #[test]
    fn an_extra_interface_without_its_rule_and_one_too_many_are_nat_drift() {
        let own = "POT_EXTRA_EXTIF=vlan20\nPOT_NETWORK_vlan20=10.0.20.0/24\n";
        assert_eq!(ids(&state(&running_host(), own)), ["nat"]);
        let mut facts = running_host();
        facts
            .pf
            .value
            .as_mut()
            .unwrap()
            .pot_nat
            .push("nat on vlan20 inet from 10.192.0.0/10 to 10.0.20.0/24 -> (vlan20:0)".into());
        assert_eq!(ids(&state(&facts, own)), Vec::<&str>::new());
        assert_eq!(ids(&state(&facts, "")), ["nat"]);
        facts = running_host();
        facts.pf.value.as_mut().unwrap().pot_nat =
            vec!["nat on em0 inet from 10.192.0.0/10 to any -> 192.168.178.20".into()];
        assert_eq!(ids(&state(&facts, "POT_EXTIF_ADDR=192.168.178.20\n")), Vec::<&str>::new());
    }

    #[test]
    fn two_public_bridges_and_private_ones_outside_are_told() {
        let mut facts = running_host();
        facts.interfaces.value.as_mut().unwrap().push(interface("bridge1", "pot public bridge", &["10.200.0.1/16"]));
        facts.private_bridges = known(vec![PrivateBridge {
            name: "lan1".into(),
            network: "172.16.0.0/29".parse().unwrap(),
            gateway: "172.16.0.1".parse().unwrap(),
        }]);
        assert_eq!(ids(&state(&facts, "")), ["two-bridges", "private-bridges-outside"]);
    }

    #[test]
    fn syslogd_flags_of_the_admins_own_are_no_difference() {
        let mut facts = running_host();
        for flags in [
            "-s",
            "",
            "-b 192.168.178.20 -a 192.168.178.0/24",
            "-b127.0.0.1 -b 10.192.0.1:514 -a 10.192.0.0/10",
            "-ss -b",
        ] {
            facts.syslog.value.as_mut().unwrap().flags = flags.into();
            assert_eq!(ids(&state(&facts, "")), Vec::<&str>::new(), "{flags}");
        }
    }

    #[test]
    fn syslogd_that_binds_the_gateway_but_takes_lines_of_another_network_is_told() {
        let mut facts = running_host();
        let mut told = |flags: &str| {
            facts.syslog.value.as_mut().unwrap().flags = flags.to_owned();
            ids(&state(&facts, ""))
        };
        assert_eq!(told("-b 127.0.0.1 -b 10.192.0.1 -a 10.50.0.0/16"), ["syslogd"]);
        assert_eq!(told("-b 10.192.0.1 -a 10.50.0.0/16 -a 10.192.0.0/10:*"), Vec::<&str>::new());
        assert_eq!(told("-b 10.192.0.1 -a loghost.lan"), Vec::<&str>::new(), "a name may be anyone");
        assert_eq!(told("-b 10.192.0.1"), Vec::<&str>::new(), "without -a everyone is heard");
        assert_eq!(told("-sb10.50.0.1 -a10.50.0.0/16"), ["syslogd"], "letters may stand together");
    }

    #[test]
    fn a_bridge_that_is_down_is_told_because_pot_looks_at_its_address_alone() {
        let mut facts = running_host();
        let bridge = facts.interfaces.value.as_mut().unwrap().iter_mut().find(|card| card.is_bridge()).unwrap();
        bridge.up = false;
        let state = state(&facts, "");
        assert_eq!(
            (ids(&state), state.vnet_up_pot, state.vnet_up_strict),
            (vec!["bridge-down"], Some(true), Some(false))
        );
        assert!(state.drift[0].consequence.contains("ifconfig bridge0 up"));
    }

    #[test]
    fn anchors_that_the_file_lost_are_told_before_the_next_boot() {
        let mut facts = running_host();
        facts.pf_file.value.as_mut().unwrap().anchor_lines = (0, 0);
        assert_eq!(ids(&state(&facts, "")), ["anchors-not-in-file"]);
        // init -m never wrote them, and nothing calls them.
        facts.pf.value.as_mut().unwrap().nat.clear();
        assert_eq!(ids(&state(&facts, "")), ["anchors-not-called"]);
    }

    #[test]
    fn a_computed_network_is_not_said_to_work() {
        let state = state(&running_host(), "POT_NETWORK=$(cat /etc/net)\n");
        assert_eq!((state.vnet_up_pot, state.vnet_up_strict), (Some(true), None));
    }

    #[test]
    fn many_pots_outside_are_counted_not_listed() {
        let mut facts = running_host();
        facts.pots = known((0..40).map(|n| pot(&format!("p{n}"), "public-bridge", &format!("172.16.0.{n}"))).collect());
        let state = state(&facts, "");
        assert!(state.drift[0].running.ends_with("and 34 more"), "{}", state.drift[0].running);
        assert_eq!(state.outside.len(), 40);
    }

    #[test]
    fn an_ipv6_host_is_up_when_the_card_is_on_a_bridge() {
        let mut facts = running_host();
        assert_eq!(state(&facts, "POT_NETWORK_STACK=ipv6\n").vnet_up_pot, Some(false));
        facts.interfaces.value.as_mut().unwrap()[1].members = vec!["em0".into()];
        assert_eq!(state(&facts, "POT_NETWORK_STACK=ipv6\n").vnet_up_strict, Some(true));
        assert_eq!(state(&facts, "POT_NETWORK_STACK=dual\n").vnet_up_pot, Some(true));
    }
}
