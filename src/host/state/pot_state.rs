//! pot on this host: initialised or not, what of its network is up, and where what runs is not what pot.conf says.
//!
//! Pure. None anywhere: a source that would know did not answer.

use super::wanted::Wanted;
use crate::facts::{Dataset, HostFacts, Interface, Pot, pot_installed};
use crate::potconf::Configuration;
use crate::rules::syslogd_flags::{self, Bindable, Trouble};
use crate::rules::{Nat, NatRule, PublicBridges, is_taken, limits, to_free};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

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

/// Which page fixes a difference.
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
    /// The page that fixes it, when one does: its plan or its values end it, or bring the remedy that does.
    pub remedy: Option<Remedy>,
    /// Values of pot.conf that end it, for [`Remedy::Configuration`].
    pub(crate) set: BTreeMap<String, String>,
    /// What has to be done at the machine, with its commands, where nothing here ends it or can before.
    pub(crate) at_the_machine: Option<String>,
    /// Whether someone knows it and leaves it.
    pub left: bool,
}

/// What ends a difference.
#[derive(Debug, Clone)]
enum End {
    /// A plan.
    Plan(Remedy),
    /// These values of pot.conf.
    Set(BTreeMap<String, String>),
    /// Someone at the machine.
    ByHand(String),
}

/// What differs, as pages name it, by its stable name.
const TITLES: [(&str, &str); 16] = [
    ("dataset", "Dataset"),
    ("mountpoint", "POT_FS_ROOT"),
    ("cache", "Cache"),
    ("cache-mountpoint", "POT_CACHE"),
    ("not-mounted", "Datasets"),
    ("bridge", "Bridge"),
    ("bridge-down", "Bridge"),
    ("anchors-not-in-file", "Anchors"),
    ("two-bridges", "Public bridges"),
    ("nat", "NAT"),
    ("pf-off", "pf"),
    ("forwarding", "Forwarding"),
    ("syslogd", "syslogd_flags"),
    ("pots-outside", "Addresses of pots"),
    ("private-bridges-outside", "Private bridges"),
    ("anchors-not-called", "Anchors"),
];

/// How pages name the difference of this stable name.
pub(crate) fn drift_title(id: &str) -> Option<&'static str> {
    TITLES.iter().find(|(known, _)| *known == id).map(|(_, title)| *title)
}

impl Drift {
    fn new(
        id: &'static str,
        (configured, running): (String, String),
        consequence: impl Into<String>,
        end: End,
    ) -> Self {
        let mut drift = Self {
            id,
            title: drift_title(id).unwrap_or(id).to_owned(),
            configured,
            running,
            consequence: consequence.into(),
            remedy: None,
            set: BTreeMap::new(),
            at_the_machine: None,
            left: false,
        };
        match end {
            End::Plan(remedy) => drift.remedy = Some(remedy),
            End::Set(values) => {
                drift.remedy = Some(Remedy::Configuration);
                drift.set = values;
            }
            End::ByHand(words) => drift.at_the_machine = Some(words),
        }
        drift
    }

    /// What has to be done about this one before the plan of init can start.
    fn end_before_init(&self) -> Option<End> {
        if let Some(words) = &self.at_the_machine {
            return Some(End::ByHand(words.clone()));
        }
        (!self.set.is_empty()).then(|| End::Set(self.set.clone()))
    }
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
    fn dataset_named(&self, name: &str) -> Option<&Dataset> {
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
        Some(names.filter(|name| self.dataset_named(name).is_none()).collect())
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
        self.wanted.gateway.is_some_and(|gateway| is_taken(bridge, gateway))
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
        let elsewhere = self.dataset_elsewhere(missing);
        drift.extend(self.dataset(elsewhere));
        drift.extend(self.mountpoints());
        drift.extend(self.not_mounted(drift.iter().find_map(Drift::end_before_init)));
        // The plan of init is blocked by what it cannot fix of these.
        let before_init = drift.iter().find_map(Drift::end_before_init);
        // Where pot is not initialised nothing of it should run: what does is left of it, which clean-up tells.
        if elsewhere.is_none() && missing.is_some_and(|missing| !missing.is_empty()) {
            return drift;
        }
        let init = || before_init.clone().unwrap_or_else(|| self.init_end());
        // vnet-start asks for the dataset alone.
        let network = || match &before_init {
            Some(end) if elsewhere.is_some() => end.clone(),
            _ => self.network_end(anchors, &init),
        };
        drift.extend(self.no_cache(missing, &init));
        drift.extend(self.bridge(public_bridge, &network));
        drift.extend(self.bridge_down(public_bridge, &network));
        drift.extend(self.two_bridges(&network));
        drift.extend(self.nat(anchors, &network));
        drift.extend(self.pf_off(anchors, &network));
        drift.extend(rules_not_loaded(anchors, &network));
        drift.extend(self.not_in_file(anchors, &init));
        drift.extend(self.forwarding_off(public_bridge, &network));
        drift.extend(self.syslogd(&init));
        drift.extend(self.outside());
        drift.extend(self.private_bridges_outside());
        drift
    }

    /// What ends a difference of the network: the plan of `pot vnet-start`, or what it would be blocked by.
    fn network_end(&self, anchors: Anchors, init: &dyn Fn() -> End) -> End {
        let interfaces = self.facts.interfaces.get().map(Vec::as_slice).unwrap_or_default();
        let pots = self.facts.pots.get().map(Vec::as_slice).unwrap_or_default();
        let bridges = PublicBridges::of(interfaces, self.wanted.gateway.filter(|_| self.wanted.ipv4));
        let hang: Vec<String> =
            bridges.others.into_iter().flat_map(|bridge| to_free(bridge, interfaces, pots)).collect();
        if !hang.is_empty() {
            return End::ByHand(format!(
                "What hangs on a bridge of an earlier POT_GATEWAY is taken off first: {}. Then pot vnet-start ends it. \
                 Or set POT_NETWORK back.",
                hang.join("; ")
            ));
        }
        if anchors.in_file == Some(false) || self.is_out_of_order() {
            return init();
        }
        match self.init_end() {
            End::Plan(_) => End::Plan(Remedy::VnetStart),
            of_pf => of_pf,
        }
    }

    /// What ends a difference that is init's: its plan, or what it would be blocked by.
    fn init_end(&self) -> End {
        match self.facts.pf_file.get() {
            // pf takes nothing of such a file, and no plan writes into it or loads it.
            Some(file) if file.valid == Some(false) && !self.is_out_of_order() => {
                End::ByHand(format!("{0} is invalid: fix it first. pfctl -nf {0} shows every line.", file.path))
            }
            _ => End::Plan(Remedy::Init),
        }
    }

    /// pf refuses its file for the order of the lines (pfctl's parse.y, `check_rulestate`), and pot's stand in it: `pot
    /// init` writes them to the top, and the plan of init puts them where they belong.
    fn is_out_of_order(&self) -> bool {
        self.facts.pf_file.get().is_some_and(|file| {
            file.valid == Some(false)
                && file.anchor_lines != (0, 0)
                && file.errors.iter().any(|line| line.contains("Rules must be in order"))
        })
    }

    /// The dataset in which pot lives, when it is another than POT_ZFS_ROOT.
    fn dataset_elsewhere(&self, missing: Option<&[String]>) -> Option<&str> {
        let root = self.wanted.zfs_root.as_ref()?;
        if missing?.is_empty() {
            return None;
        }
        let all = self.facts.datasets.get()?;
        all.iter().filter_map(|dataset| dataset.name.strip_suffix("/fscomp")).find(|other| {
            other != root && PARTS.iter().all(|part| self.dataset_named(&format!("{other}/{part}")).is_some())
        })
    }

    /// pot.conf for a pot that lives in this dataset.
    fn values_for(&self, root: &str) -> BTreeMap<String, String> {
        let mut values = BTreeMap::from([("POT_ZFS_ROOT".to_owned(), root.to_owned())]);
        for (name, dataset, wanted) in [
            ("POT_FS_ROOT", root.to_owned(), &self.wanted.fs_root),
            ("POT_CACHE", format!("{root}/cache"), &self.wanted.cache),
        ] {
            let place = self.dataset_named(&dataset).map(|dataset| dataset.mountpoint.clone());
            values.extend(
                place
                    .filter(|place| Some(place) != wanted.as_ref() && limits::check(name, place).is_ok())
                    .map(|place| (name.to_owned(), place)),
            );
        }
        values
    }

    /// pot lives in another dataset than POT_ZFS_ROOT: every pot would seem to be gone.
    fn dataset(&self, elsewhere: Option<&str>) -> Option<Drift> {
        let (root, other) = (self.wanted.zfs_root.as_ref()?, elsewhere?);
        Some(Drift::new(
            "dataset",
            (root.clone(), other.to_owned()),
            format!("pot sees none of the pots in {other}; pot init would begin anew in {root}."),
            End::Set(self.values_for(other)),
        ))
    }

    /// Datasets of pot's own that are mounted elsewhere than pot.conf says. One of that name that pot did not make is no
    /// difference: the configuration tells it.
    fn mountpoints(&self) -> Vec<Drift> {
        let (Some(root), Some(fs_root)) = (&self.wanted.zfs_root, &self.wanted.fs_root) else { return Vec::new() };
        let mut found = Vec::new();
        if !PARTS.iter().any(|part| self.dataset_named(&format!("{root}/{part}")).is_some()) {
            return found;
        }
        let moved = |dataset: &Dataset, wanted: &str, id, name: &'static str| {
            let end = if limits::check(name, &dataset.mountpoint).is_ok() {
                End::Set(BTreeMap::from([(name.to_owned(), dataset.mountpoint.clone())]))
            } else {
                End::ByHand(format!("At the machine: zfs set mountpoint={wanted} {}", dataset.name))
            };
            Drift::new(
                id,
                (wanted.to_owned(), format!("{} is mounted at {}", dataset.name, dataset.mountpoint)),
                format!("pot takes {} for invalid and ends every command that needs it.", dataset.name),
                end,
            )
        };
        let own = self.dataset_named(root);
        if let Some(dataset) = own.filter(|dataset| dataset.mountpoint != *fs_root) {
            found.push(moved(dataset, fs_root, "mountpoint", "POT_FS_ROOT"));
        } else if own.is_some() {
            // pot goes by POT_FS_ROOT/NAME alone.
            let others: Vec<&Dataset> = PARTS
                .iter()
                .filter_map(|part| Some((part, self.dataset_named(&format!("{root}/{part}"))?)))
                .filter(|(part, dataset)| dataset.mountpoint != format!("{fs_root}/{part}"))
                .map(|(_, dataset)| dataset)
                .collect();
            if !others.is_empty() {
                let each = |words: &dyn Fn(&Dataset) -> String, between| {
                    others.iter().map(|dataset| words(dataset)).collect::<Vec<_>>().join(between)
                };
                found.push(Drift::new(
                    "mountpoint",
                    (
                        fs_root.clone(),
                        each(&|dataset| format!("{} is mounted at {}", dataset.name, dataset.mountpoint), "; "),
                    ),
                    format!("pot looks for what is in them below {fs_root}."),
                    End::ByHand(format!(
                        "At the machine: {}",
                        each(&|dataset| format!("zfs inherit mountpoint {}", dataset.name), "; ")
                    )),
                ));
            }
        }
        if let (Some(dataset), Some(wanted)) = (self.dataset_named(&format!("{root}/cache")), &self.wanted.cache)
            && dataset.mountpoint != *wanted
        {
            found.push(moved(dataset, wanted, "cache-mountpoint", "POT_CACHE"));
        }
        found
    }

    /// init.sh makes it where it is missing, and nothing else of pot does.
    fn no_cache(&self, missing: Option<&[String]>, end: &dyn Fn() -> End) -> Option<Drift> {
        let (root, place) = (self.wanted.zfs_root.as_ref()?, self.wanted.cache.as_ref()?);
        let name = format!("{root}/cache");
        (missing == Some(&[]) && self.dataset_named(&name).is_none()).then(|| {
            Drift::new(
                "cache",
                (format!("{name}, mounted at {place}"), "not there".to_owned()),
                format!(
                    "What pot downloads is kept in {place} as that folder is; where there is none, pot cannot keep it."
                ),
                end(),
            )
        })
    }

    /// Datasets that are not mounted: the plan of init mounts what can be, unless something comes first.
    fn not_mounted(&self, first: Option<End>) -> Option<Drift> {
        let root = self.wanted.zfs_root.as_ref()?;
        let parts = PARTS.iter().chain(&["cache"]);
        let unmounted: Vec<&Dataset> = parts
            .filter_map(|part| self.dataset_named(&format!("{root}/{part}")))
            .filter(|dataset| !dataset.mounted)
            .collect();
        if unmounted.is_empty() {
            return None;
        }
        let names: Vec<&str> = unmounted.iter().map(|dataset| dataset.name.as_str()).collect();
        let by_hand: Vec<String> = unmounted
            .iter()
            .filter(|dataset| dataset.locked || dataset.canmount == "off")
            .map(|dataset| dataset.how_to_mount())
            .collect();
        Some(Drift::new(
            "not-mounted",
            ("mounted".to_owned(), format!("not mounted: {}", names.join(", "))),
            "What is in them cannot be seen, and what is new would be written beside them.",
            // A key only its owner has, and what is not to be mounted someone has said.
            if by_hand.is_empty() {
                first.unwrap_or_else(|| self.init_end())
            } else {
                End::ByHand(format!("At the machine: {}", by_hand.join("; ")))
            },
        ))
    }

    /// The public bridge has another address than POT_GATEWAY, or another prefix than POT_NETMASK.
    fn bridge(&self, public_bridge: Option<&str>, end: &dyn Fn() -> End) -> Option<Drift> {
        if !self.wanted.ipv4 {
            return None;
        }
        let wanted = self.wanted.bridge_address()?;
        let held = |bridge: &&Interface| bridge.addresses.iter().any(|held| held.address() == wanted.addr());
        if let Some(shared) = self.bridges().filter(|_| public_bridge.is_none()).find(held) {
            return Some(self.shared_bridge(shared, wanted));
        }
        let running = match public_bridge {
            Some(name) => self.bridges().find(|bridge| bridge.name == name)?,
            None => self.bridges().find(|bridge| bridge.is_public_bridge() && !bridge.addresses.is_empty())?,
        };
        if running.addresses.iter().any(|held| held.network == wanted) {
            return None;
        }
        let consequence = match public_bridge {
            Some(_) => "Pots beyond the bridge's own network cannot be reached.",
            None => {
                "It was made before POT_GATEWAY changed. pot would make a second bridge beside it, and pots that run \
                 keep the old gateway."
            }
        };
        let running = format!("{}, {}", running.name, addresses(running));
        Some(Drift::new("bridge", (wanted.to_string(), running), consequence, end()))
    }

    /// A bridge has POT_GATEWAY, and further addresses: for pot it is none of its own.
    fn shared_bridge(&self, bridge: &Interface, wanted: Ipv4Net) -> Drift {
        let others = bridge.addresses.iter().filter(|held| held.address() != wanted.addr());
        let off: Vec<String> =
            others.map(|held| format!("ifconfig {} inet {} -alias", bridge.name, held.address())).collect();
        Drift::new(
            "bridge",
            (wanted.to_string(), format!("{}, {}", bridge.name, addresses(bridge))),
            "pot takes a bridge for its own only if POT_GATEWAY is its one IPv4 address: it would make a second one with \
             the same address beside it.",
            End::ByHand(format!("At the machine: {}", off.join("; "))),
        )
    }

    /// pot looks at the bridge's address alone.
    fn bridge_down(&self, public_bridge: Option<&str>, end: &dyn Fn() -> End) -> Option<Drift> {
        let name = public_bridge.filter(|_| self.wanted.ipv4)?;
        let down = self.bridges().any(|bridge| bridge.name == name && !bridge.up);
        down.then(|| {
            Drift::new(
                "bridge-down",
                ("up, for the pots' network".to_owned(), format!("{name} is down")),
                "No packet passes between pots, nor to the outside. pot itself takes it for done.",
                end(),
            )
        })
    }

    /// The loaded rules call the anchors, the file that the next boot loads does not hold pot's lines any more.
    fn not_in_file(&self, anchors: Anchors, end: &dyn Fn() -> End) -> Option<Drift> {
        let file = self.facts.pf_file.get()?;
        (anchors.called == Some(true) && anchors.filled == Some(true) && anchors.in_file == Some(false)).then(|| {
            let which =
                if file.anchor_lines == (0, 0) { "pot's two lines are not" } else { "one of pot's two lines is not" };
            Drift::new(
                "anchors-not-in-file",
                (format!("{which} in {}", file.path), "called by the loaded rules".to_owned()),
                "Unless the file calls them in other words, the next boot or reload drops them, and no pot reaches \
                 anything outside.",
                end(),
            )
        })
    }

    /// More public bridges than the one that counts; one of an earlier POT_GATEWAY alone is told by [`Self::bridge`].
    fn two_bridges(&self, end: &dyn Fn() -> End) -> Option<Drift> {
        let interfaces = self.facts.interfaces.get().filter(|_| self.wanted.ipv4)?;
        let bridges = PublicBridges::of(interfaces, self.wanted.gateway);
        let all: Vec<&Interface> = bridges.used.into_iter().chain(bridges.others).collect();
        (all.len() > 1).then(|| {
            let running: Vec<String> =
                all.into_iter().map(|bridge| format!("{} {}", bridge.name, addresses(bridge))).collect();
            Drift::new(
                "two-bridges",
                ("one, with POT_GATEWAY".to_owned(), running.join("; ")),
                "Pots on the one do not reach those on the other.",
                end(),
            )
        })
    }

    fn nat(&self, anchors: Anchors, end: &dyn Fn() -> End) -> Option<Drift> {
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
        let in_words = |rules: &[NatRule]| match rules {
            [] => "no such rule".to_owned(),
            rules => rules.iter().map(NatRule::to_string).collect::<Vec<_>>().join("; "),
        };
        Some(Drift::new("nat", (in_words(&missing), in_words(&surplus)), consequence, end()))
    }

    /// The rules are there, but pf is off: a bridge without translation.
    fn pf_off(&self, anchors: Anchors, end: &dyn Fn() -> End) -> Option<Drift> {
        let pf = self.facts.pf.get()?;
        (anchors.filled == Some(true) && !pf.enabled).then(|| {
            Drift::new(
                "pf-off",
                ("on, for the pots' network".to_owned(), "off".to_owned()),
                "No pot reaches anything outside of this host, and nothing filters.",
                end(),
            )
        })
    }

    fn forwarding_off(&self, public_bridge: Option<&str>, end: &dyn Fn() -> End) -> Option<Drift> {
        (self.wanted.ipv4 && public_bridge.is_some() && self.facts.forwarding.get() == Some(&false)).then(|| {
            Drift::new(
                "forwarding",
                ("net.inet.ip.forwarding=1, for the pots' network".to_owned(), "net.inet.ip.forwarding=0".to_owned()),
                "No packet passes between pots and the outside.",
                end(),
            )
        })
    }

    /// syslogd still listens for pots of another network.
    fn syslogd(&self, end: &dyn Fn() -> End) -> Option<Drift> {
        let (gateway, network) = (self.wanted.gateway?, self.wanted.network?.trunc());
        let flags = &self.facts.syslog.get()?.flags;
        // Which addresses can be bound only the interfaces tell.
        let bindable = Bindable::of(self.facts.interfaces.get()?);
        let consequence = match syslogd_flags::trouble(flags, gateway, network, &bindable)? {
            Trouble::Stale => {
                "What pots log over the network is not received: syslogd cannot bind an address that the host does \
                 not have. It starts all the same and does not listen there."
            }
            Trouble::ShutOut => {
                "What pots log over the network is not received: syslogd takes lines of another network only."
            }
        };
        let sides = (format!("-b {gateway} -a {network}"), flags.clone());
        Some(Drift::new("syslogd", sides, consequence, end()))
    }

    /// Nothing in pot gives a pot another address.
    fn outside(&self) -> Option<Drift> {
        let network = self.wanted.network?.trunc();
        let (first, _) = self.pots_outside().next()?;
        let pots: Vec<String> = self.pots_outside().map(|(pot, address)| format!("{} {address}", pot.name)).collect();
        let bridge = if first.network_type == "private-bridge" { " -N public-bridge" } else { "" };
        Some(Drift::new(
            "pots-outside",
            (network.to_string(), shortened(&pots, 6)),
            crate::facts::left_outside(pots.len()),
            End::ByHand(format!(
                "Set POT_NETWORK back, or make a clone with an address in {network}, for example: pot stop -p {0}; pot \
                 clone -F -P {0} -p {0}-new{bridge} -i auto",
                first.name
            )),
        ))
    }

    fn private_bridges_outside(&self) -> Option<Drift> {
        let network = self.wanted.network?;
        let all = self.facts.private_bridges.get()?;
        let outside: Vec<_> = all.iter().filter(|bridge| !network.contains(&bridge.network)).collect();
        let first = outside.first()?;
        let named: Vec<String> = outside.iter().map(|bridge| format!("{} {}", bridge.name, bridge.network)).collect();
        Some(Drift::new(
            "private-bridges-outside",
            (network.trunc().to_string(), shortened(&named, 6)),
            "The NAT rules do not cover them: their pots do not reach the outside.",
            End::ByHand(format!(
                "Set POT_NETWORK back, or make one in {}, for example: pot create-private-bridge -B {}-new -S {}; its pots \
                 come to it as clones. Once nothing uses the old one: pot destroy -B {}",
                network.trunc(),
                first.name,
                (1_u64 << (32 - first.network.prefix_len())).saturating_sub(3).clamp(2, 1000),
                first.name
            )),
        ))
    }
}

/// Anchors that exist, but that the main rules do not call, do nothing.
fn rules_not_loaded(anchors: Anchors, end: &dyn Fn() -> End) -> Option<Drift> {
    if anchors.filled != Some(true) || anchors.called != Some(false) {
        return None;
    }
    let in_file = anchors.in_file == Some(true);
    Some(Drift::new(
        "anchors-not-called",
        (
            if in_file { "in pf's file" } else { "not in pf's file" }.to_owned(),
            "not called by the loaded rules".to_owned(),
        ),
        "pot's NAT rules are loaded, but pf never looks at them: no pot reaches anything outside.",
        end(),
    ))
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
    fn without_its_cache_dataset_pot_init_is_not_done() {
        let mut facts = running_host();
        facts.datasets.value.as_mut().unwrap().retain(|dataset| dataset.name != "zroot/pot/cache");
        let state = state(&facts, "");
        assert_eq!((state.stage, ids(&state)), (Stage::Initialised, vec!["cache"]));
        assert_eq!(state.drift[0].remedy, Some(Remedy::Init));
    }

    #[test]
    fn a_bridge_with_a_second_address_is_none_of_pots() {
        let mut facts = running_host();
        let all = facts.interfaces.value.as_mut().unwrap();
        let bridge = all.iter_mut().find(|interface| interface.is_bridge()).unwrap();
        bridge.addresses = interface("bridge0", "", &["10.192.0.1/10", "10.9.0.1/24"]).addresses;
        let shared = state(&facts, "");
        assert_eq!((shared.public_bridge, shared.vnet_up_pot), (None, Some(false)));
        let told = &shared.drift[0];
        assert_eq!(
            (told.id, told.at_the_machine.as_deref()),
            ("bridge", Some("At the machine: ifconfig bridge0 inet 10.9.0.1 -alias"),)
        );
        // Whoever follows that has the bridge again.
        let all = facts.interfaces.value.as_mut().unwrap();
        all.iter_mut().find(|interface| interface.is_bridge()).unwrap().addresses.pop();
        assert_eq!(ids(&state(&facts, "")), Vec::<&str>::new());
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
    fn an_address_that_may_be_the_hosts_own_is_not_called_old() {
        let mut facts = running_host();
        facts.syslog.value.as_mut().unwrap().flags = "-b 192.168.77.2 -b 10.192.0.1".into();
        assert_eq!(ids(&state(&facts, "")), ["syslogd"]);
        // Whoever made that bridge, it is none of pot's public ones.
        facts.interfaces.value.as_mut().unwrap().push(interface("bridge7", "", &["192.168.77.2/24"]));
        assert_eq!(ids(&state(&facts, "")), Vec::<&str>::new());
        facts.interfaces = Fact::unknown("ifconfig did not answer", "ifconfig");
        facts.syslog.value.as_mut().unwrap().flags = "-b 127.0.0.1 -b 10.50.0.1 -a 10.50.0.0/16".into();
        assert_eq!(ids(&state(&facts, "")), Vec::<&str>::new(), "not known is not none");
    }

    #[test]
    fn where_pot_was_removed_what_still_runs_is_left_of_it_and_no_reason_to_initialise() {
        let mut facts = running_host();
        facts.datasets = known(vec![dataset("zroot/potatoes", "/potatoes")]);
        facts.pf_file.value.as_mut().unwrap().anchor_lines = (0, 0);
        facts.forwarding = known(false);
        let removed = state(&facts, "");
        assert_eq!((removed.stage, ids(&removed)), (Stage::Fresh, vec![]));
    }

    #[test]
    fn a_file_that_pots_own_lines_made_invalid_is_fixed_by_the_plan_of_init() {
        let mut facts = running_host();
        facts.pf.value.as_mut().unwrap().nat.clear();
        let file = facts.pf_file.value.as_mut().unwrap();
        (file.valid, file.errors) = (Some(false), vec!["/etc/pf.conf:3: Rules must be in order: options".into()]);
        let remedy = |facts: &HostFacts| {
            let drift = state(facts, "").drift.remove(0);
            (drift.id, drift.remedy, drift.at_the_machine.is_some())
        };
        assert_eq!(remedy(&facts), ("anchors-not-called", Some(Remedy::Init), false));
        facts.pf_file.value.as_mut().unwrap().errors = vec!["/etc/pf.conf:3: syntax error".into()];
        assert_eq!(remedy(&facts), ("anchors-not-called", None, true));
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
        assert_eq!(state.drift[0].remedy, Some(Remedy::VnetStart), "the plan has a step for it");
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
