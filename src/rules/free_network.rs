//! Private networks that nobody has, as far as this host can tell: what "choose another network" can name, and what else
//! has to change with the network.

use super::view::{View, first_address};
use super::{Finding, Fix, Subject};
use crate::facts::Interface;
use crate::potconf::Source;
use ipnet::Ipv4Net;
use std::net::{IpAddr, Ipv4Addr};

/// The sizes that are proposed: as large as pot's own default at most, and with room for pots and private bridges.
const LENGTHS: std::ops::RangeInclusive<u8> = 10..=24;

/// The three private blocks of RFC 1918, and in each where to look first: away from its beginning, where routers, VPNs and
/// other programs take theirs.
const TEN: [(Ipv4Addr, u8); 2] = [(Ipv4Addr::new(10, 192, 0, 0), 10), (Ipv4Addr::new(10, 0, 0, 0), 8)];
const ONE_SEVEN_TWO: [(Ipv4Addr, u8); 2] = [(Ipv4Addr::new(172, 24, 0, 0), 13), (Ipv4Addr::new(172, 16, 0, 0), 12)];
const ONE_NINE_TWO: [(Ipv4Addr, u8); 2] = [(Ipv4Addr::new(192, 168, 192, 0), 18), (Ipv4Addr::new(192, 168, 0, 0), 16)];

/// Up to three private networks that overlap nothing that this host or its neighbours are known to have: one of the size
/// that POT_NETWORK has now, if it has a sensible one, a /16 and a /24. None where it is not known who has which address.
pub fn free_networks(subject: &Subject<'_>) -> Vec<Ipv4Net> {
    free(&View::new(subject)).to_vec()
}

/// What gives the pots this network: beside POT_NETWORK its mask, a gateway in it and, where pot.conf sets one, an address
/// of the DNS pot in it, as far as they do not fit already. None where somebody has the address that the gateway would get.
pub fn renumbering(subject: &Subject<'_>, network: Ipv4Net) -> Option<Fix> {
    renumbered(&View::new(subject), network)
}

/// As [`free_networks`], looked for once.
pub(super) fn free<'v>(view: &'v View<'_>) -> &'v [Ipv4Net] {
    view.free_networks.get_or_init(|| look(view))
}

fn look(view: &View<'_>) -> Vec<Ipv4Net> {
    let Some(mut taken) = taken(view) else { return Vec::new() };
    let wanted = view.network().map_or(16, |now| now.prefix_len().clamp(*LENGTHS.start(), *LENGTHS.end()));
    let mut free: Vec<Ipv4Net> = Vec::new();
    for (length, blocks) in [
        (wanted, [TEN, ONE_SEVEN_TWO, ONE_NINE_TWO]),
        (16, [ONE_SEVEN_TWO, TEN, ONE_NINE_TWO]),
        (24, [ONE_NINE_TWO, ONE_SEVEN_TWO, TEN]),
    ] {
        let places = blocks.into_iter().flatten().filter_map(|(address, prefix)| Ipv4Net::new(address, prefix).ok());
        if let Some(found) = first_free(&Occupied::of(&taken), places, length) {
            free.push(found);
            taken.push(found);
        }
    }
    free
}

/// Every network and address that is in use or spoken for; none where not all of them are known.
fn taken(view: &View<'_>) -> Option<Vec<Ipv4Net>> {
    let facts = view.facts.filter(|_| view.knows_addresses())?;
    let is_loopback = |name: &str| name == "lo0" || view.interface(name).is_some_and(Interface::is_loopback);
    let mut taken: Vec<Ipv4Net> = Vec::new();
    // Also those of loopback interfaces, where jails without a network of their own have theirs, and of pot's own bridges,
    // which stay until the next boot.
    let interfaces = facts.interfaces.get().into_iter().flatten();
    taken.extend(interfaces.flat_map(|interface| interface.addresses.iter().map(|held| held.network.trunc())));
    for route in facts.routes.get().into_iter().flatten() {
        taken.extend(route.gateway.map(Ipv4Net::from));
        // A route to more is a default route in parts, and what goes to the loopback interface reaches nobody.
        if route.destination.prefix_len() >= 8 && !is_loopback(&route.interface) {
            taken.push(route.destination.trunc());
        }
    }
    let mut addresses: Vec<IpAddr> = facts.resolvers.get().into_iter().flatten().copied().collect();
    addresses.extend(facts.pots.get().into_iter().flatten().flat_map(|pot| pot.addresses.iter().copied()));
    addresses.extend(view.admin.map(|admin| admin.to_canonical()));
    taken.extend(addresses.into_iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some(Ipv4Net::from(address)),
        IpAddr::V6(_) => None,
    }));
    taken.extend(facts.private_bridges.get().into_iter().flatten().map(|bridge| bridge.network.trunc()));
    let spoken_for = |value: &str| {
        let network = value.parse::<Ipv4Net>().map(|network| network.trunc());
        network.or_else(|_| value.parse::<Ipv4Addr>().map(Ipv4Net::from)).ok()
    };
    // What sh computes is not known here.
    taken.extend(view.value("POT_VPN_NETWORKS").map(super::limits::split)?.filter_map(spoken_for));
    for (setting, _) in view.extra_networks() {
        taken.extend(spoken_for(setting.value.as_deref()?));
    }
    Some(taken)
}

/// Stretches of addresses, in order, apart from each other.
struct Occupied(Vec<(u64, u64)>);

impl Occupied {
    fn of(networks: &[Ipv4Net]) -> Self {
        let mut stretches: Vec<(u64, u64)> = networks
            .iter()
            .map(|network| (u64::from(u32::from(network.network())), u64::from(u32::from(network.broadcast()))))
            .collect();
        stretches.sort_unstable();
        let mut apart: Vec<(u64, u64)> = Vec::with_capacity(stretches.len());
        for (first, last) in stretches {
            match apart.last_mut() {
                Some(before) if first <= before.1 => before.1 = before.1.max(last),
                _ => apart.push((first, last)),
            }
        }
        Self(apart)
    }

    /// The first network of this length in a place that has no address in common with what is occupied.
    fn gap(&self, place: Ipv4Net, length: u8) -> Option<Ipv4Net> {
        if place.prefix_len() > length {
            return None;
        }
        let size = 1_u64 << (32 - u32::from(length));
        let end = u64::from(u32::from(place.broadcast()));
        let mut start = u64::from(u32::from(place.network()));
        for (first, last) in &self.0 {
            if *last < start {
                continue;
            }
            if *first > start + size - 1 {
                break;
            }
            start = (last + 1).next_multiple_of(size);
        }
        let address = u32::try_from(start).ok().filter(|_| start + size - 1 <= end)?;
        Ipv4Net::new(Ipv4Addr::from(address), length).ok()
    }
}

fn first_free(occupied: &Occupied, mut places: impl Iterator<Item = Ipv4Net>, length: u8) -> Option<Ipv4Net> {
    places.find_map(|place| occupied.gap(place, length))
}

/// As [`renumbering`].
pub(super) fn renumbered(view: &View<'_>, network: Ipv4Net) -> Option<Fix> {
    let network = network.trunc();
    let is_host = |address: Ipv4Addr| {
        network.contains(&address) && address != network.network() && address != network.broadcast()
    };
    let mut fix = Fix::default();
    let mut set = |name: &str, value: String| fix.set.insert(name.to_owned(), value);
    set("POT_NETWORK", network.to_string());
    if view.address("POT_NETMASK") != Some(network.netmask()) {
        set("POT_NETMASK", network.netmask().to_string());
    }
    let gateway = match view.address("POT_GATEWAY").filter(|gateway| is_host(*gateway)) {
        Some(present) => present,
        None => {
            let first = first_address(network).filter(|first| !view.is_taken(*first, "POT_GATEWAY"))?;
            set("POT_GATEWAY", first.to_string());
            first
        }
    };
    let is_set = view.setting("POT_DNS_IP").is_some_and(|setting| setting.source == Source::PotConf);
    let dns = view.text("POT_DNS_IP").filter(|_| is_set);
    if dns.is_some_and(|dns| !dns.parse().is_ok_and(|dns| is_host(dns) && dns != gateway)) {
        let second = Ipv4Addr::from(u32::from(first_address(network)?) + 1);
        set("POT_DNS_IP", second.to_string());
    }
    Some(fix)
}

/// The end of a message: "Choose another network, such as 10.192.0.0/16."
pub(super) fn choose_another(view: &View<'_>) -> String {
    match free(view) {
        [] => "Choose another network.".to_owned(),
        [first, ..] => format!("Choose another network, such as {first}."),
    }
}

/// A network that can be written where none is: one that is free, else an example.
pub(super) fn example(view: &View<'_>) -> String {
    free(view).first().map_or("10.200.0.0/16".to_owned(), ToString::to_string)
}

/// Offers the first free network. What only may go wrong is no reason to leave pots and bridges behind, which keep their
/// addresses.
pub(super) fn offering_another(view: &View<'_>, mut finding: Finding) -> Finding {
    let stays_behind = view.facts.is_some_and(|facts| {
        let bridged = facts.pots.get().into_iter().flatten().any(|pot| pot.outside(NOWHERE).is_some());
        bridged || facts.private_bridges.get().is_some_and(|bridges| !bridges.is_empty())
    });
    if finding.severity == super::Severity::Error || !stays_behind {
        finding.fix = free(view).first().and_then(|network| renumbered(view, *network));
    }
    finding
}

/// A network in which no pot is.
const NOWHERE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Fact, HostFacts, PrivateBridge};
    use crate::potconf::{Configuration, Edit, Name};
    use crate::rules::example::{configuration, found_on, healthy, host, interface, pot, route, the};
    use crate::rules::{Severity, check};
    use proptest::prelude::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn free(facts: &HostFacts, own: &str) -> Vec<String> {
        let configuration = configuration(own);
        free_networks(&Subject::new(&configuration).on(Some(facts))).iter().map(ToString::to_string).collect()
    }

    fn applied(before: &Configuration, fix: &Fix) -> Configuration {
        let name = |name: &String| Name::try_from(name.as_str()).unwrap();
        let set = fix.set.iter().map(|(parameter, value)| Edit::set(name(parameter), value.as_str()));
        let edits: Vec<Edit> = set.chain(fix.unset.iter().map(|parameter| Edit::unset(name(parameter)))).collect();
        before.with_own(before.apply(&edits).unwrap())
    }

    #[test]
    fn choose_another_network_names_one_and_sets_all_that_belongs_to_it() {
        let own = "POT_NETWORK=10.0.0.0/16\nPOT_NETMASK=255.255.0.0\nPOT_GATEWAY=10.0.0.1\nPOT_DNS_IP=10.0.0.2\n";
        let findings = check(&Subject::new(&configuration(own)).on(Some(&healthy())));
        let finding = findings.iter().find(|finding| finding.code == "network-overlaps-interface").unwrap();
        assert!(finding.message.ends_with("Choose another network, such as 10.192.0.0/16."), "{finding:?}");
        let fix = finding.fix.as_ref().unwrap();
        let set: Vec<(&str, &str)> = fix.set.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            set,
            [("POT_DNS_IP", "10.192.0.2"), ("POT_GATEWAY", "10.192.0.1"), ("POT_NETWORK", "10.192.0.0/16")],
            "the mask fits already"
        );
        let after = applied(&configuration(own), fix);
        let left = check(&Subject::new(&after).on(Some(&healthy())));
        assert!(left.iter().all(|finding| finding.severity == Severity::Notice), "{left:?}");
    }

    #[test]
    fn sizes_are_those_of_the_network_now_a_16_and_a_24() {
        assert_eq!(free(&healthy(), ""), ["10.192.0.0/10", "172.24.0.0/16", "192.168.192.0/24"]);
        let lan = "POT_NETWORK=192.168.178.0/24\n";
        assert_eq!(free(&healthy(), lan), ["10.192.0.0/24", "172.24.0.0/16", "192.168.192.0/24"]);
        assert_eq!(free(&healthy(), "POT_NETWORK=fd00::/64\n")[0], "10.192.0.0/16");
        let routed = host(|facts| {
            for destination in ["10.0.0.0/8", "172.16.0.0/12"] {
                facts.routes.value.as_mut().unwrap().push(route(destination, Some("192.168.178.9"), "em0"));
            }
        });
        assert_eq!(free(&routed, "POT_NETWORK=10.0.0.0/16\n"), ["192.168.192.0/24"]);
        let all = host(|facts| {
            for destination in ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"] {
                facts.routes.value.as_mut().unwrap().push(route(destination, Some("192.168.178.9"), "em0"));
            }
        });
        assert_eq!(free(&all, ""), [""; 0]);
        let finding = found_on(&all, "");
        assert!(finding[0].message.ends_with("Choose another network."), "{finding:?}");
    }

    #[test]
    fn nothing_is_called_free_while_it_is_not_known_who_has_which_address() {
        for loss in [
            (|facts| facts.interfaces = Fact::unknown("no", "test")) as fn(&mut HostFacts),
            |facts| facts.routes = Fact::unknown("no", "test"),
            |facts| facts.resolvers = Fact::unknown("no", "test"),
            |facts| facts.pots = Fact::unknown("no", "test"),
            |facts| facts.private_bridges = Fact::unknown("no", "test"),
        ] {
            assert_eq!(free(&host(loss), ""), [""; 0]);
        }
        assert_eq!(free(&healthy(), "POT_VPN_NETWORKS=\"$(cat /etc/vpn)\"\n"), [""; 0]);
        assert_eq!(free(&healthy(), "POT_NETWORK_vlan20=$(cat /etc/vlan)\n"), [""; 0]);
        assert_eq!(free_networks(&Subject::new(&configuration(""))), [], "no host was looked at");
    }

    #[test]
    fn a_network_without_its_length_gets_one_and_its_gateway_with_it() {
        let findings = found_on(&healthy(), "POT_NETWORK=172.20.0.0\n");
        let fix = the("not-a-network", &findings).fix.as_ref().unwrap();
        assert_eq!(fix.set.get("POT_NETWORK").map(String::as_str), Some("172.20.0.0/16"));
        assert_eq!(fix.set.get("POT_NETMASK").map(String::as_str), Some("255.255.0.0"));
        assert_eq!(fix.set.get("POT_GATEWAY").map(String::as_str), Some("172.20.0.1"));
        let after = applied(&configuration("POT_NETWORK=172.20.0.0\n"), fix);
        assert_eq!(check(&Subject::new(&after).on(Some(&healthy()))), []);
        // The LAN's own address without a length is no network for pots: another is offered.
        let findings = found_on(&healthy(), "POT_NETWORK=192.168.178.0\n");
        let fix = the("not-a-network", &findings).fix.as_ref().unwrap();
        assert_eq!(fix.set.get("POT_NETWORK").map(String::as_str), Some("10.192.0.0/16"));
    }

    #[test]
    fn a_warning_is_no_reason_to_leave_pots_behind() {
        let own = "POT_NETWORK=8.8.8.0/24\nPOT_NETMASK=255.255.255.0\nPOT_GATEWAY=8.8.8.1\n";
        assert!(the("network-not-private", &found_on(&healthy(), own)).fix.is_some());
        let with_pot = host(|facts| facts.pots = Fact::known(vec![pot("db1", "public-bridge", "8.8.8.5")], "test"));
        let findings = found_on(&with_pot, own);
        let finding = the("network-not-private", &findings);
        assert!(
            finding.fix.is_none() && finding.message.ends_with("Choose one within those three, such as 10.192.0.0/24.")
        );
    }

    fn some_network() -> impl Strategy<Value = Ipv4Net> {
        let block = prop::sample::select(vec![net("10.0.0.0/8"), net("172.16.0.0/12"), net("192.168.0.0/16")]);
        (block, any::<u32>(), 8_u8..=32).prop_map(|(block, bits, length)| {
            let length = length.max(block.prefix_len());
            let address = u32::from(block.network()) | (bits & u32::from(block.hostmask()));
            Ipv4Net::new(Ipv4Addr::from(address), length).unwrap()
        })
    }

    fn cases() -> u32 {
        if std::env::var_os("POT_CONSOLE_LONG").is_some_and(|long| long == "1") { 5_000 } else { 300 }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_proposed_is_private_and_nobodys_and_brings_no_error(
            used in prop::collection::vec((some_network(), 0_u8..7), 0..24),
            present in prop::option::of(some_network()),
            admin in prop::option::of(some_network()),
        ) {
            let mut own = present.map_or(String::new(), |network| format!("POT_NETWORK={network}\n"));
            let mut vpn: Vec<String> = Vec::new();
            let facts = host(|facts| {
                let mut pots = Vec::new();
                let mut bridges = Vec::new();
                for (number, (network, what)) in used.iter().enumerate() {
                    let address = network.addr();
                    match what {
                        0 => {
                            let one = interface(&format!("em{}", number + 1), "em", &[&network.to_string()]);
                            facts.interfaces.value.as_mut().unwrap().push(one);
                        }
                        1 => facts.routes.value.as_mut().unwrap().push(route(
                            &network.trunc().to_string(),
                            Some("192.168.178.9"),
                            "em0",
                        )),
                        2 => facts.resolvers.value.as_mut().unwrap().push(address.into()),
                        3 => pots.push(pot(&format!("p{number}"), "public-bridge", &address.to_string())),
                        4 => bridges.push(PrivateBridge {
                            name: format!("b{number}"),
                            network: network.trunc(),
                            gateway: address,
                        }),
                        5 => vpn.push(network.trunc().to_string()),
                        _ => own.push_str(&format!("POT_NETWORK_x{number}={}\n", network.trunc())),
                    }
                }
                facts.pots = Fact::known(pots, "test");
                facts.private_bridges = Fact::known(bridges, "test");
            });
            own.push_str(&format!("POT_VPN_EXTIF=tun0\nPOT_VPN_NETWORKS=\"{}\"\n", vpn.join(" ")));
            let before = configuration(&own);
            let admin = admin.map(|network| IpAddr::V4(network.addr()));
            let subject = Subject::new(&before).on(Some(&facts)).asked_from(admin);
            let overlap = |one: &Ipv4Net, other: &Ipv4Net| one.contains(&other.network()) || other.contains(&one.network());
            let errors = |configuration: &Configuration| {
                let findings = check(&Subject::new(configuration).on(Some(&facts)).asked_from(admin));
                findings.into_iter().filter(|finding| finding.severity == Severity::Error).map(|finding| finding.code)
                    .collect::<std::collections::BTreeSet<String>>()
            };
            let proposed = free_networks(&subject);
            for network in &proposed {
                prop_assert!(LENGTHS.contains(&network.prefix_len()) && network.trunc() == *network, "{network}");
                let private = [net("10.0.0.0/8"), net("172.16.0.0/12"), net("192.168.0.0/16")];
                prop_assert!(private.iter().any(|block| block.contains(network)), "{network}");
                for (other, what) in &used {
                    let other = if matches!(what, 2 | 3) { Ipv4Net::from(other.addr()) } else { other.trunc() };
                    prop_assert!(!overlap(network, &other), "{network} overlaps {other} ({what})");
                }
                prop_assert!(!overlap(network, &net("192.168.178.0/24")) && !overlap(network, &net("10.0.20.0/24")));
                if let Some(IpAddr::V4(admin)) = admin {
                    prop_assert!(!network.contains(&admin), "{network} holds {admin}");
                }
                let fix = renumbering(&subject, *network).expect("a free network's first address is free");
                let new: Vec<String> = errors(&applied(&before, &fix)).difference(&errors(&before)).cloned().collect();
                prop_assert!(new.is_empty(), "{network} brings {new:?} to\n{own}");
            }
        }
    }
}
