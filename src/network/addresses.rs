//! The addresses of POT_NETWORK and of each private bridge: who has which, what is free, and what potnet would give next.
//!
//! Stretches of addresses, never every one of them: a /8 costs as much as a /24. What potnet gives is followed from its
//! sources (0.5.0: `init_ipdb`, `get`, `new_net`, `get_next_from_bridge`) and held against the real program by
//! `tests/potnet_oracle.rs`.

use super::picture::ipv4_of;
use crate::facts::{HostFacts, Pot, PrivateBridge};
use crate::host::Wanted;
use crate::potconf::Configuration;
use ipnet::Ipv4Net;
use serde::Serialize;
use std::net::Ipv4Addr;

/// Who has an address or a stretch of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Holder {
    /// The first address of POT_NETWORK.
    Network,
    /// Its last.
    Broadcast,
    /// POT_GATEWAY.
    Gateway,
    /// POT_DNS_IP, for the pot of this name.
    Dns {
        /// POT_DNS_NAME.
        name: String,
    },
    /// A private bridge, with all addresses of its network.
    Bridge {
        /// Its name.
        name: String,
        /// Its gateway.
        gateway: Ipv4Addr,
    },
    /// A pot.
    Pot {
        /// Its name.
        name: String,
        /// Whether it runs; none: not known.
        running: Option<bool>,
    },
}

impl Holder {
    /// "pot web1, running".
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Network => "network address".to_owned(),
            Self::Broadcast => "broadcast address".to_owned(),
            Self::Gateway => "POT_GATEWAY".to_owned(),
            Self::Dns { name } => format!("POT_DNS_IP, pot {name}"),
            Self::Bridge { name, .. } => format!("private bridge {name}"),
            Self::Pot { name, running } => format!(
                "pot {name}, {}",
                match running {
                    Some(true) => "running",
                    Some(false) => "stopped",
                    None => "running or not: not known",
                }
            ),
        }
    }
}

/// A stretch of addresses that somebody has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Held {
    /// The first address.
    pub(crate) first: Ipv4Addr,
    /// The last one.
    pub(crate) last: Ipv4Addr,
    /// Who has it.
    pub(crate) by: Holder,
}

/// A stretch of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Range {
    /// The first address.
    pub(crate) first: Ipv4Addr,
    /// The last one.
    pub(crate) last: Ipv4Addr,
}

impl Range {
    const fn of(first: u64, last: u64) -> Option<Self> {
        if first > last || last > u32::MAX as u64 {
            return None;
        }
        #[allow(clippy::cast_possible_truncation, reason = "both were looked at")]
        Some(Self { first: Ipv4Addr::from_bits(first as u32), last: Ipv4Addr::from_bits(last as u32) })
    }

    /// How many addresses it has.
    pub(crate) fn size(self) -> u64 {
        number(self.last) - number(self.first) + 1
    }
}

/// "10.192.0.4", "10.192.0.4 - 10.192.0.9".
impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{} - {}", self.first, self.last) }
    }
}

fn number(address: Ipv4Addr) -> u64 {
    u64::from(address.to_bits())
}

fn ends(network: Ipv4Net) -> (u64, u64) {
    (number(network.network()), number(network.broadcast()))
}

/// The addresses of a network that hosts can have (the crate `ipnet`, `hosts`): all of a /31 and a /32.
fn hosts(network: Ipv4Net) -> (u64, u64) {
    let (first, last) = ends(network);
    if network.prefix_len() >= 31 { (first, last) } else { (first + 1, last - 1) }
}

/// The table of one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The network, without host bits.
    pub(crate) network: Ipv4Net,
    /// Who has what, by address; a pot of a private bridge stands behind its bridge.
    pub(crate) held: Vec<Held>,
    /// The same as stretches that do not touch.
    occupied: Vec<(u64, u64)>,
}

/// What a network's table is made of.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The pots.
    pub(crate) pots: &'a [Pot],
    /// The private bridges.
    pub(crate) bridges: &'a [PrivateBridge],
}

impl<'a> Known<'a> {
    /// What is known of a host.
    ///
    /// # Errors
    /// Why not all of it is known: then nothing can be called free.
    pub fn of(facts: &'a HostFacts) -> Result<Self, String> {
        let why = |error: &Option<String>, what: &str| {
            format!("{what} are not known: {}", error.as_deref().unwrap_or("they were not read"))
        };
        match (facts.pots.get(), facts.private_bridges.get()) {
            (None, _) => Err(why(&facts.pots.error, "This host's pots")),
            (_, None) => Err(why(&facts.private_bridges.error, "This host's private bridges")),
            (Some(pots), Some(bridges)) => Ok(Self { pots, bridges }),
        }
    }

    /// Why some of it may be missing, though most is known.
    pub(crate) fn doubt(facts: &HostFacts) -> Option<&str> {
        facts.pots.error.as_deref().or(facts.private_bridges.error.as_deref())
    }

    /// The pots with an address in a bridged network, as potnet reads them: one each.
    fn bridged(self) -> impl Iterator<Item = (&'a Pot, Ipv4Addr)> {
        let on_bridge = |pot: &&Pot| matches!(pot.network_type.as_str(), "public-bridge" | "private-bridge");
        self.pots.iter().filter(on_bridge).filter_map(|pot| Some((pot, ipv4_of(pot)?)))
    }
}

fn held_by(pot: &Pot, address: Ipv4Addr) -> Held {
    Held { first: address, last: address, by: Holder::Pot { name: pot.name.clone(), running: pot.running } }
}

impl Table {
    /// The table of POT_NETWORK.
    pub(crate) fn of_network(
        network: Ipv4Net,
        gateway: Option<Ipv4Addr>,
        dns: Option<(Ipv4Addr, &str)>,
        known: Known<'_>,
    ) -> Self {
        let one = |address: Ipv4Addr, by: Holder| Held { first: address, last: address, by };
        let mut held = vec![one(network.network(), Holder::Network), one(network.broadcast(), Holder::Broadcast)];
        held.extend(gateway.map(|gateway| one(gateway, Holder::Gateway)));
        held.extend(dns.map(|(address, name)| one(address, Holder::Dns { name: name.to_owned() })));
        held.extend(known.bridged().map(|(pot, address)| held_by(pot, address)));
        // A bridge whose gateway is not in its network is none for potnet.
        for bridge in known.bridges.iter().filter(|bridge| bridge.network.contains(&bridge.gateway)) {
            let by = Holder::Bridge { name: bridge.name.clone(), gateway: bridge.gateway };
            held.push(Held { first: bridge.network.network(), last: bridge.network.broadcast(), by });
        }
        Self::new(network, held)
    }

    /// The table of a private bridge's network.
    pub fn of_bridge(bridge: &PrivateBridge, known: Known<'_>) -> Self {
        let one = |address: Ipv4Addr, by: Holder| Held { first: address, last: address, by };
        let mut held = vec![
            one(bridge.network.network(), Holder::Network),
            one(bridge.network.broadcast(), Holder::Broadcast),
            one(bridge.gateway, Holder::Gateway),
        ];
        let inside = known.bridged().filter(|(_, address)| bridge.network.contains(address));
        held.extend(inside.map(|(pot, address)| held_by(pot, address)));
        Self::new(bridge.network, held)
    }

    fn new(network: Ipv4Net, mut held: Vec<Held>) -> Self {
        // The larger one first: a bridge before its pots.
        held.sort_by_key(|one| (one.first, std::cmp::Reverse(one.last), one.by.clone()));
        let mut occupied: Vec<(u64, u64)> = Vec::with_capacity(held.len());
        for one in &held {
            let (first, last) = (number(one.first), number(one.last));
            match occupied.last_mut() {
                Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
                _ => occupied.push((first, last)),
            }
        }
        Self { network: network.trunc(), held, occupied }
    }

    /// The stretches between `first` and `last` that nobody has.
    fn gaps(&self, first: u64, last: u64) -> Vec<Range> {
        let mut gaps = Vec::new();
        let mut from = first;
        // The stretches are in order: those before are skipped at once.
        let start = self.occupied.partition_point(|(_, end)| *end < first);
        for (taken, end) in self.occupied.iter().skip(start) {
            if *taken > last || from > last {
                break;
            }
            gaps.extend(taken.checked_sub(1).and_then(|before| Range::of(from, before)));
            from = from.max(end + 1);
        }
        gaps.extend(Range::of(from, last));
        gaps
    }

    /// What is free for hosts, in stretches.
    pub(crate) fn free(&self) -> Vec<Range> {
        let (first, last) = hosts(self.network);
        self.gaps(first, last)
    }

    /// `potnet next`: the first address that nobody has.
    pub fn next(&self) -> Option<Ipv4Addr> {
        self.free().first().map(|range| range.first)
    }

    /// `potnet new-net -s HOSTS`: the first network with room for so many hosts that has no address in common with what is
    /// held, and the gateway that its bridge gets.
    pub fn new_net(&self, hosts: u16) -> Option<(Ipv4Net, Ipv4Addr)> {
        let length = prefix_for(hosts)?;
        let (first, last) = ends(self.network);
        if length < self.network.prefix_len() {
            return None;
        }
        let size = 1_u64 << (32 - u32::from(length));
        let mut start = first;
        for (taken, end) in &self.occupied {
            if *end < start {
                continue;
            }
            if *taken > start + size - 1 {
                break;
            }
            start = (end + 1).next_multiple_of(size);
        }
        let range = Range::of(start, start + size - 1).filter(|range| number(range.last) <= last)?;
        let network = Ipv4Net::new(range.first, length).ok()?;
        Some((network, Range::of(start + 1, start + 1)?.first))
    }

    /// Everybody who has an address of this block.
    pub(crate) fn within(&self, block: Ipv4Net) -> Vec<&Held> {
        let (first, last) = (block.network(), block.broadcast());
        self.held.iter().filter(|one| one.first <= last && one.last >= first).collect()
    }

    /// How many addresses of this block somebody has.
    pub(crate) fn taken(&self, block: Ipv4Net) -> u64 {
        let (first, last) = ends(block);
        last - first + 1 - self.gaps(first, last).into_iter().map(Range::size).sum::<u64>()
    }

    /// A block's parts, at most sixteen of them: those that are wholly free are told as stretches.
    pub(crate) fn parts(&self, block: Ipv4Net) -> Vec<Part<'_>> {
        let length = opened(block.prefix_len());
        let mut parts = Vec::new();
        let Ok(blocks) = block.subnets(length) else { return parts };
        for block in blocks {
            let taken = self.taken(block);
            let held = self.within(block);
            if taken > 0 {
                parts.push(if length == 32 {
                    Part::Address(block.addr(), held)
                } else {
                    Part::Block { block, taken, held }
                });
                continue;
            }
            match parts.last_mut() {
                Some(Part::Free(range)) => range.last = block.broadcast(),
                _ => parts.push(Part::Free(Range { first: block.network(), last: block.broadcast() })),
            }
        }
        parts
    }
}

/// The prefix length of the parts of a block of this one: sixteen of them, as long as there are.
pub(crate) fn opened(length: u8) -> u8 {
    (length + 4).min(32)
}

/// A part of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Nobody has any of it.
    Free(Range),
    /// Somebody has some of it.
    Block {
        /// The block.
        block: Ipv4Net,
        /// How many addresses are taken.
        taken: u64,
        /// By whom.
        held: Vec<&'a Held>,
    },
    /// An address that somebody has.
    Address(Ipv4Addr, Vec<&'a Held>),
}

/// The prefix length that potnet gives a network for so many hosts (`get_network_size`); none for fewer than two, which it
/// refuses, and for more than it can count.
pub(crate) fn prefix_for(hosts: u16) -> Option<u8> {
    if hosts < 2 {
        return None;
    }
    (16..=30).rev().find(|length| u32::from(hosts) <= (1_u32 << (32 - length)) - 2)
}

/// What potnet would give, by its own reading of pot.conf.
///
/// # Errors
/// Why it gives nothing, or why that is not known.
pub fn potnet(facts: &HostFacts, configuration: &Configuration) -> Result<Table, String> {
    const NEEDED: [&str; 7] =
        ["POT_ZFS_ROOT", "POT_FS_ROOT", "POT_NETWORK", "POT_NETMASK", "POT_GATEWAY", "POT_EXTIF", "POT_DNS_NAME"];
    let value = |name: &str| configuration.setting(name).potnet_value;
    if let Some(missing) = NEEDED.iter().find(|name| value(name).is_none()) {
        return Err(format!("potnet finds no {missing} that it can read, and gives nothing"));
    }
    let Some(network) = value("POT_NETWORK").and_then(|text| text.parse::<Ipv4Net>().ok()) else {
        return Err("potnet reads a POT_NETWORK that is not IPv4".to_owned());
    };
    if value("POT_FS_ROOT").as_deref() != configuration.value("POT_FS_ROOT") {
        return Err("potnet reads another POT_FS_ROOT than pot: which pots it finds is not known".to_owned());
    }
    let address = |name: &str| value(name).and_then(|text| text.parse::<Ipv4Addr>().ok());
    let name = value("POT_DNS_NAME").unwrap_or_default();
    let dns = address("POT_DNS_IP").map(|address| (address, name.as_str()));
    Ok(Table::of_network(network, address("POT_GATEWAY"), dns, Known::of(facts)?))
}

/// The addresses of POT_NETWORK as sh reads pot.conf.
///
/// # Errors
/// Why they are not known.
pub(crate) fn pot_network(facts: &HostFacts, configuration: &Configuration) -> Result<Table, String> {
    let wanted = Wanted::of(configuration);
    let Some(network) = wanted.network else {
        return Err("POT_NETWORK is no IPv4 network, or its value is not certain".to_owned());
    };
    let dns = configuration.value("POT_DNS_IP").and_then(|text| text.parse::<Ipv4Addr>().ok());
    let name = configuration.value("POT_DNS_NAME").unwrap_or_default();
    // One from the default file that lies outside is left out by potnet, and means nothing.
    let dns = dns.filter(|address| network.contains(address)).map(|address| (address, name));
    Ok(Table::of_network(network, wanted.gateway, dns, Known::of(facts)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fixture::{configuration, known, pot, running_host};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn table(pots: &[(&str, &str)], bridges: &[(&str, &str)], network: &str) -> Table {
        let pots: Vec<Pot> = pots.iter().map(|(name, address)| pot(name, "public-bridge", address)).collect();
        let bridges: Vec<PrivateBridge> = bridges
            .iter()
            .map(|(network, gateway)| PrivateBridge {
                name: "lan".to_owned(),
                network: net(network),
                gateway: gateway.parse().unwrap(),
            })
            .collect();
        let network = net(network);
        let gateway = Ipv4Addr::from_bits(network.network().to_bits() + 1);
        Table::of_network(network, Some(gateway), None, Known { pots: &pots, bridges: &bridges })
    }

    #[test]
    fn the_next_address_skips_gateway_pots_and_private_bridges() {
        let table =
            table(&[("a", "10.192.0.2"), ("b", "10.192.0.4")], &[("10.192.0.8/29", "10.192.0.9")], "10.192.0.0/10");
        assert_eq!(table.next(), Some(Ipv4Addr::new(10, 192, 0, 3)));
        let ranges: Vec<String> = table.free().iter().map(Range::to_string).collect();
        assert_eq!(ranges, ["10.192.0.3", "10.192.0.5 - 10.192.0.7", "10.192.0.16 - 10.255.255.254"]);
        assert_eq!(table.new_net(6), Some((net("10.192.0.16/29"), Ipv4Addr::new(10, 192, 0, 17))));
        assert_eq!(table.new_net(1), None);
    }

    #[test]
    fn a_network_of_sixteen_million_addresses_is_opened_block_by_block() {
        let table = table(&[("a", "10.3.4.5")], &[], "10.0.0.0/8");
        let mut block = table.network;
        let mut opened = 0;
        loop {
            let parts = table.parts(block);
            assert!(parts.len() <= 16, "{parts:?}");
            let size: u64 = parts
                .iter()
                .map(|part| match part {
                    Part::Free(range) => range.size(),
                    Part::Block { block, .. } => 1 << (32 - block.prefix_len()),
                    Part::Address(..) => 1,
                })
                .sum();
            assert_eq!(size, 1 << (32 - block.prefix_len()), "{block}");
            opened += 1;
            let pots = Ipv4Addr::new(10, 3, 4, 5);
            let next = parts.iter().find_map(|part| match part {
                Part::Block { block, .. } if block.contains(&pots) => Some(*block),
                _ => None,
            });
            match next {
                Some(next) => block = next,
                None => break,
            }
        }
        assert_eq!(opened, 6);
        assert_eq!(block, net("10.3.4.0/28"));
    }

    #[test]
    fn nothing_is_called_free_while_the_pots_are_not_known() {
        let mut facts = running_host();
        assert_eq!(potnet(&facts, &configuration("")).unwrap().next(), Some(Ipv4Addr::new(10, 192, 0, 4)));
        facts.pots = crate::facts::Fact::unknown("jails: denied", "jails");
        let why = potnet(&facts, &configuration("")).unwrap_err();
        assert!(why.contains("jails: denied"), "{why}");
        assert!(pot_network(&facts, &configuration("")).is_err());
    }

    #[test]
    fn what_potnet_gives_goes_by_its_own_reading() {
        let facts = running_host();
        // Quotes hide the value from potnet: it goes on with the default.
        let quoted = configuration("POT_NETWORK=\"10.200.0.0/16\"\nPOT_NETMASK=255.255.0.0\nPOT_GATEWAY=10.200.0.1\n");
        assert_eq!(potnet(&facts, &quoted).unwrap().network, net("10.192.0.0/10"));
        assert_eq!(pot_network(&facts, &quoted).unwrap().network, net("10.200.0.0/16"));
    }

    #[test]
    fn a_private_bridge_has_its_own_next_address() {
        let mut facts = running_host();
        let mut db = pot("db", "private-bridge", "10.192.0.10");
        db.bridge = Some("lan".to_owned());
        facts.pots.value.as_mut().unwrap().push(db);
        let bridge = PrivateBridge {
            name: "lan".to_owned(),
            network: net("10.192.0.8/29"),
            gateway: Ipv4Addr::new(10, 192, 0, 9),
        };
        facts.private_bridges = known(vec![bridge.clone()]);
        let table = Table::of_bridge(&bridge, Known::of(&facts).unwrap());
        assert_eq!(table.next(), Some(Ipv4Addr::new(10, 192, 0, 11)));
    }

    proptest! {
        /// As potnet does it: one address after the other.
        #[test]
        fn stretches_give_what_counting_gives(
            length in 22_u8..=30,
            pots in prop::collection::vec(0_u32..1100, 0..40),
            bridge in prop::option::of((0_u32..1024, 26_u8..=31)),
            hosts in 2_u16..300,
        ) {
            let base = Ipv4Addr::new(10, 1, 4, 0);
            let network = Ipv4Net::new(base, length).unwrap().trunc();
            let named: Vec<Pot> = pots
                .iter()
                .map(|offset| pot(&format!("p{offset}"), "public-bridge", &Ipv4Addr::from_bits(base.to_bits() + offset).to_string()))
                .collect();
            let bridges: Vec<PrivateBridge> = bridge
                .into_iter()
                .map(|(offset, length)| {
                    let network = Ipv4Net::new(Ipv4Addr::from_bits(base.to_bits() + offset), length).unwrap().trunc();
                    PrivateBridge { name: "lan".to_owned(), network, gateway: network.hosts().next().unwrap() }
                })
                .collect();
            let gateway = network.hosts().next().unwrap();
            let mut taken: BTreeSet<Ipv4Addr> = BTreeSet::from([network.network(), network.broadcast(), gateway]);
            taken.extend(named.iter().filter_map(ipv4_of));
            for bridge in &bridges {
                taken.extend([bridge.network.network(), bridge.network.broadcast()]);
                taken.extend(bridge.network.hosts());
            }
            let table = Table::of_network(network, Some(gateway), None, Known { pots: &named, bridges: &bridges });
            prop_assert_eq!(table.next(), network.hosts().find(|address| !taken.contains(address)));
            let counted = prefix_for(hosts).and_then(|length| {
                network.subnets(length).ok()?.find(|subnet| !taken.iter().any(|address| subnet.contains(address)))
            });
            prop_assert_eq!(table.new_net(hosts).map(|(network, _)| network), counted);
            let free: u64 = table.free().into_iter().map(Range::size).sum();
            prop_assert_eq!(free, network.hosts().filter(|address| !taken.contains(address)).count() as u64);
            prop_assert!(network.hosts().all(|address| (table.taken(Ipv4Net::from(address)) == 0) != taken.contains(&address)));
        }
    }
}
