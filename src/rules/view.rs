//! What every rule looks at: both files read once, and what is known about the host.

use super::Subject;
use super::spelling::meant;
use crate::facts::{HostFacts, Interface, Ipv4Address, Pot, Route};
use crate::potconf::{Configuration, Setting, Source, Variable, parameter};
use ipnet::Ipv4Net;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

/// Both files and the facts, prepared for the rules.
pub(super) struct View<'a> {
    pub(super) configuration: &'a Configuration,
    pub(super) facts: Option<&'a HostFacts>,
    pub(super) admin: Option<IpAddr>,
    settings: Vec<Setting>,
    places: HashMap<String, usize>,
    /// The interfaces by name.
    interfaces: HashMap<&'a str, &'a Interface>,
    suggestions: HashMap<String, &'static str>,
    /// Looked for once, by `free_network`.
    pub(super) free_networks: OnceCell<Vec<Ipv4Net>>,
}

impl<'a> View<'a> {
    pub(super) fn new(subject: &Subject<'a>) -> Self {
        let settings = subject.configuration.settings();
        let places = settings.iter().enumerate().map(|(place, setting)| (setting.name.clone(), place)).collect();
        let interfaces = subject.facts.and_then(|facts| facts.interfaces.get()).into_iter().flatten();
        // Of two of one name the first, as it is listed.
        let mut by_name = HashMap::new();
        for interface in interfaces {
            by_name.entry(interface.name.as_str()).or_insert(interface);
        }
        let mut view = Self {
            interfaces: by_name,
            configuration: subject.configuration,
            facts: subject.facts,
            admin: subject.admin,
            settings,
            places,
            suggestions: HashMap::new(),
            free_networks: OnceCell::new(),
        };
        let is_interface = |name: &str| view.interface(name).is_some() || view.list("POT_EXTRA_EXTIF").contains(&name);
        view.suggestions = view
            .settings
            .iter()
            .filter(|setting| setting.source == Source::PotConf)
            .filter_map(|setting| Some((setting.name.clone(), meant(&setting.name, is_interface)?)))
            .collect();
        view
    }

    /// The parameter that was probably meant by a name of pot.conf that pot does not know.
    pub(super) fn suggestion(&self, name: &str) -> Option<&'static str> {
        self.suggestions.get(name).copied()
    }

    /// Every setting: the known parameters, then whatever else the files name.
    pub(super) fn settings(&self) -> &[Setting] {
        &self.settings
    }

    pub(super) fn setting(&self, name: &str) -> Option<&Setting> {
        self.places.get(name).and_then(|&place| self.settings.get(place))
    }

    /// The certain value, `""` included.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.setting(name)?.value.as_deref()
    }

    /// The certain value, when there is something in it.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.value(name).filter(|value| !value.is_empty())
    }

    /// Whether pot.conf gives it another value than the default. Only such a value is blamed for what it says: a
    /// default is not the admin's choice.
    pub(super) fn is_own(&self, name: &str) -> bool {
        self.setting(name).is_some_and(|setting| {
            setting.source == Source::PotConf
                && setting.value.as_deref() != setting.default.as_deref().or(parameter(name).map(|known| known.default))
        })
    }

    /// Whether pot.conf gives one of them another value than the default.
    pub(super) fn is_any_own(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.is_own(name))
    }

    /// Whether pot.conf takes it away with `unset`, for certain.
    pub(super) fn is_removed(&self, name: &str) -> bool {
        self.configuration.trouble().is_none()
            && matches!(self.configuration.own().variable(name), Variable::Unset { .. })
    }

    /// The line of pot.conf that gives it.
    pub(super) fn line(&self, name: &str) -> Option<usize> {
        self.setting(name)?.line
    }

    /// `POT_NETWORK`, when it is an IPv4 network; host bits as written.
    pub(super) fn network(&self) -> Option<Ipv4Net> {
        self.text("POT_NETWORK")?.parse().ok()
    }

    /// A parameter that is an IPv4 address.
    pub(super) fn address(&self, name: &str) -> Option<Ipv4Addr> {
        self.text(name)?.parse().ok()
    }

    /// The entries of a list, each once, in order; the first [`MOST_ENTRIES`] of them.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        let mut seen = HashSet::new();
        let entries = self.value(name).map(super::limits::split).into_iter().flatten();
        entries.filter(|entry| seen.insert(*entry)).take(MOST_ENTRIES).collect()
    }

    /// Parameters of the family `POT_NETWORK_<interface>` that are set: the setting and its interface.
    pub(super) fn extra_networks(&self) -> impl Iterator<Item = (&Setting, &str)> {
        self.settings
            .iter()
            .filter(|setting| setting.source != Source::Unset)
            .filter_map(|setting| crate::potconf::extra_interface(&setting.name).map(|interface| (setting, interface)))
    }

    /// Whether `pot vnet-start` makes POT_EXTIF a member of a bridge (stack ipv6 or dual).
    pub(super) fn needs_a_member(&self) -> bool {
        matches!(self.text("POT_NETWORK_STACK"), Some("ipv6" | "dual"))
    }

    // -- the host --

    /// The host's interfaces, when they are known.
    pub(super) fn interfaces(&self) -> Option<&'a [Interface]> {
        self.facts?.interfaces.get().map(Vec::as_slice)
    }

    pub(super) fn interface(&self, name: &str) -> Option<&'a Interface> {
        self.interfaces.get(name).copied()
    }

    pub(super) fn routes(&self) -> &'a [Route] {
        self.facts.and_then(|facts| facts.routes.get()).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn pots(&self) -> &'a [Pot] {
        self.facts.and_then(|facts| facts.pots.get()).map(Vec::as_slice).unwrap_or_default()
    }

    /// The default route.
    pub(super) fn default_route(&self) -> Option<&'a Route> {
        self.routes().iter().find(|route| route.destination.prefix_len() == 0)
    }

    /// Whether an interface is pot's own doing: its bridges (group `pot`, or a bridge that has the gateway's address)
    /// and the pots' ends of their cables.
    pub(super) fn is_pots_own(&self, interface: &Interface) -> bool {
        interface.groups.iter().any(|group| group == "pot" || group == "epair")
            || interface.description.starts_with("pot ")
            || interface.name.starts_with("epair")
            || (interface.is_bridge()
                && self
                    .address("POT_GATEWAY")
                    .is_some_and(|gateway| interface.addresses.iter().any(|address| address.address() == gateway)))
    }

    /// Whether the interface of that name is pot's own doing.
    pub(super) fn is_named_pots_own(&self, name: &str) -> bool {
        self.interface(name).is_some_and(|interface| self.is_pots_own(interface))
    }

    /// Whether everything was answered that says which addresses this host and its neighbours have. Without a host
    /// nothing was asked, and there is nothing to go by.
    pub(super) fn knows_addresses(&self) -> bool {
        self.facts.is_none_or(|facts| {
            facts.interfaces.get().is_some()
                && facts.routes.get().is_some()
                && facts.resolvers.get().is_some()
                && facts.pots.get().is_some()
                && facts.private_bridges.get().is_some()
        })
    }

    /// The interfaces with a network that overlaps this one, and that network; without loopback and pot's own.
    pub(super) fn overlapping_interfaces(&self, network: Ipv4Net) -> Vec<(&'a Interface, Ipv4Net)> {
        let interfaces = self.interfaces().unwrap_or_default().iter();
        interfaces
            .filter(|interface| !interface.is_loopback() && !self.is_pots_own(interface))
            .filter_map(|interface| {
                let address = interface.addresses.iter().find(|address| overlap(network, address.network))?;
                Some((interface, address.network))
            })
            .collect()
    }

    /// The routes into this network or around it, with a next hop or without (tailscale0, wg0), that no overlapping
    /// interface explains. A route to more than a /8 is a default route in parts (`0.0.0.0/1` of a VPN), and what goes
    /// to the loopback interface reaches nobody.
    pub(super) fn overlapping_routes(&self, network: Ipv4Net) -> Vec<&'a Route> {
        let told = self.overlapping_interfaces(network);
        let is_loopback = |name: &str| name == "lo0" || self.interface(name).is_some_and(Interface::is_loopback);
        self.routes()
            .iter()
            .filter(|route| {
                route.destination.prefix_len() >= 8
                    && overlap(network, route.destination)
                    && !is_loopback(&route.interface)
                    && !self.is_named_pots_own(&route.interface)
                    && !told.iter().any(|(_, other)| overlap(*other, route.destination))
            })
            .collect()
    }

    /// The default gateway, when it lies in this network and is not reached by pot's own interfaces.
    pub(super) fn default_gateway_in(&self, network: Ipv4Net) -> Option<Ipv4Addr> {
        let route = self.default_route()?;
        route.gateway.filter(|gateway| network.contains(gateway) && !self.is_named_pots_own(&route.interface))
    }

    /// The name servers in this network that are no pots.
    pub(super) fn resolvers_in(&self, network: Ipv4Net) -> Vec<Ipv4Addr> {
        let dns_pot = self.address("POT_DNS_IP");
        self.facts
            .and_then(|facts| facts.resolvers.get())
            .into_iter()
            .flatten()
            .filter_map(|resolver| match resolver {
                IpAddr::V4(address) => Some(*address),
                IpAddr::V6(_) => None,
            })
            .filter(|address| network.contains(address) && Some(*address) != dns_pot)
            .filter(|address| !self.pots().iter().any(|pot| pot.addresses.contains(&IpAddr::V4(*address))))
            .collect()
    }

    /// The admin's address, when it lies in this network.
    pub(super) fn admin_in(&self, network: Ipv4Net) -> Option<Ipv4Addr> {
        match self.admin?.to_canonical() {
            IpAddr::V4(admin) if network.contains(&admin) && !admin.is_loopback() => Some(admin),
            _ => None,
        }
    }

    /// Whether this host or its neighbours use the network, as far as that is known: it cannot be the pots' then.
    pub(super) fn is_in_use(&self, network: Ipv4Net) -> bool {
        !self.overlapping_interfaces(network).is_empty()
            || !self.overlapping_routes(network).is_empty()
            || self.default_gateway_in(network).is_some()
            || !self.resolvers_in(network).is_empty()
            || self.admin_in(network).is_some()
    }

    /// Whether somebody has the address, as far as that is known: the host, a next hop, a name server, the one who
    /// asks, a pot, a private bridge, or another parameter than `parameter`. The address of pot's own public bridge is
    /// free for the gateway, whose it was; the DNS pot's is free for POT_DNS_IP.
    pub(super) fn is_taken(&self, address: Ipv4Addr, parameter: &str) -> bool {
        let alone = Ipv4Net::from(address);
        let of_interface = |interface: &Interface| {
            let is_held = interface.addresses.iter().any(|held| held.address() == address);
            is_held && !(parameter == "POT_GATEWAY" && interface.is_bridge() && self.is_pots_own(interface))
        };
        let is_dns_pot = |pot: &Pot| parameter == "POT_DNS_IP" && self.text("POT_DNS_NAME") == Some(pot.name.as_str());
        let bridges = self.facts.and_then(|facts| facts.private_bridges.get());
        let resolvers = self.facts.and_then(|facts| facts.resolvers.get());
        self.interfaces().unwrap_or_default().iter().any(of_interface)
            || !self.overlapping_interfaces(alone).is_empty()
            || !self.overlapping_routes(alone).is_empty()
            || self.routes().iter().any(|route| route.gateway == Some(address))
            || resolvers.is_some_and(|all| all.contains(&IpAddr::V4(address)) && parameter != "POT_DNS_IP")
            || self.admin_in(alone).is_some()
            || self.pots().iter().any(|pot| pot.holds(address) && !is_dns_pot(pot))
            || bridges.is_some_and(|all| all.iter().any(|bridge| bridge.network.contains(&address)))
            || ["POT_GATEWAY", "POT_DNS_IP"]
                .iter()
                .any(|other| *other != parameter && self.address(other) == Some(address))
    }

    /// Interfaces that could lead outside, the one with the default route first.
    pub(super) fn outer_interfaces(&self) -> Vec<&'a Interface> {
        let first = self.default_route().map(|route| route.interface.as_str());
        let mut outer: Vec<&Interface> = self
            .interfaces()
            .unwrap_or_default()
            .iter()
            .filter(|interface| !interface.is_loopback() && !self.is_pots_own(interface))
            // A bridge that carries the host's address is one, but only for IPv4.
            .filter(|interface| !interface.is_bridge() || (!interface.addresses.is_empty() && !self.needs_a_member()))
            .collect();
        outer.sort_by_key(|interface| Some(interface.name.as_str()) != first);
        outer
    }

    /// The IPv4 addresses of an interface that are the host's, without those that pots of type alias have on it.
    pub(super) fn host_addresses(&self, interface: &Interface) -> Vec<Ipv4Address> {
        let of_pots: HashSet<IpAddr> = self
            .pots()
            .iter()
            .filter(|pot| pot.network_type == "alias")
            .flat_map(|pot| pot.addresses.iter().copied())
            .collect();
        interface
            .addresses
            .iter()
            .filter(|address| !of_pots.contains(&IpAddr::V4(address.address())))
            .copied()
            .collect()
    }
}

/// How many entries of a list are judged. The limit is far below; a file of 1 MiB can hold a quarter of a million.
pub(super) const MOST_ENTRIES: usize = 256;

/// Whether two networks have an address in common.
pub(super) fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

/// The first address that a host in the network can have.
pub(super) fn first_address(network: Ipv4Net) -> Option<Ipv4Addr> {
    (network.prefix_len() <= 30).then(|| Ipv4Addr::from(u32::from(network.network()) + 1))
}

/// `65534` as `65,534`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many of a long list a message names.
pub(super) const NAMED: usize = 5;

/// `a`, `a and b`, `a, b and c`, `a, b, c, d, e and 7 more`.
pub(super) fn enumerated<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut items = items.into_iter();
    let mut parts: Vec<String> = items.by_ref().take(NAMED).map(|item| item.to_string()).collect();
    let rest = items.count();
    if rest > 0 {
        parts.push(format!("{} more", grouped(rest as u64)));
    }
    match parts.pop() {
        None => String::new(),
        Some(last) if parts.is_empty() => last,
        Some(last) => format!("{} and {last}", parts.join(", ")),
    }
}

/// `one` for 1, `many` else.
pub(super) fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lists_read_as_people_write_them() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(65_534), "65,534");
        assert_eq!(grouped(4_194_302), "4,194,302");
        assert_eq!(enumerated(["a"]), "a");
        assert_eq!(enumerated(["a", "b", "c"]), "a, b and c");
        assert_eq!(enumerated(1..=12), "1, 2, 3, 4, 5 and 7 more");
    }

    #[test]
    fn networks_overlap_in_both_directions() {
        let net = |text: &str| text.parse::<Ipv4Net>().unwrap();
        assert!(overlap(net("10.0.0.0/8"), net("10.200.1.5/24")));
        assert!(overlap(net("10.200.1.5/24"), net("10.0.0.0/8")));
        assert!(!overlap(net("10.0.0.0/16"), net("10.1.0.0/16")));
        assert_eq!(first_address(net("10.200.0.9/16")), Some(Ipv4Addr::new(10, 200, 0, 1)));
        assert_eq!(first_address(net("10.0.0.0/31")), None);
    }
}
