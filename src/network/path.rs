//! Which way packets take: from a pot outwards, and from outside to a pot. From the facts alone, with the rule that decides
//! as evidence; nothing is resolved, and where rules beyond pot's decide, that is said.

use super::picture::{Card, Group, Picture, State, Target, Tie, ipv4_of};
use crate::facts::{Export, HostFacts, Interface, Pf, Pot, filter_rules_in_words};
use crate::host::Wanted;
use crate::potconf::Configuration;
use crate::rules::{NatRule, is_taken};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// A place on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hop {
    /// What it is.
    pub(crate) title: String,
    /// What happens there.
    pub(crate) said: String,
    /// Whether packets pass.
    pub(crate) state: State,
    /// What says so.
    pub(crate) evidence: String,
    /// The rule that decides there; empty: none does.
    pub(crate) rule: String,
    /// Where more is said of it.
    pub(crate) target: Option<Target>,
}

/// A way, hop by hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    /// Where it leads: "to anywhere", "from outside to tcp 80".
    pub(crate) title: String,
    /// The places in order.
    pub(crate) hops: Vec<Hop>,
    /// What is not known of it, as sentences.
    pub(crate) doubts: Vec<String>,
}

impl Way {
    /// Drawn, from top to bottom.
    pub(crate) fn picture(&self) -> Picture {
        let rank = |(number, hop): (usize, &Hop)| {
            let card = Card {
                id: format!("hop-{number}"),
                title: hop.title.clone(),
                role: String::new(),
                lines: vec![hop.said.clone()],
                list: Vec::new(),
                state: hop.state,
                target: hop.target.clone(),
                evidence: [hop.evidence.as_str(), hop.rule.as_str()]
                    .iter()
                    .filter(|words| !words.is_empty())
                    .copied()
                    .collect::<Vec<_>>()
                    .join(": "),
            };
            vec![Group { card, cells: Vec::new(), all: None, kind: "parts", up: Tie::In, down: Tie::None }]
        };
        Picture { ranks: self.hops.iter().enumerate().map(rank).collect() }
    }
}

/// The ways of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ways {
    /// What it is: "web1 is a pot on the public bridge."
    pub(crate) what: String,
    /// From it outwards.
    pub(crate) out: Vec<Way>,
    /// From outside to it.
    pub(crate) into: Vec<Way>,
}

/// Ways that are told before the rest is counted.
const MOST: usize = 12;

impl Ways {
    /// The ways of a pot, an interface or an IPv4 address of this name; none: this host knows nothing of that name.
    pub(crate) fn of(name: &str, facts: &HostFacts, configuration: &Configuration) -> Option<Self> {
        let host = Host { facts, configuration, wanted: Wanted::of(configuration) };
        let name = name.trim();
        let pots = facts.pots.get().map(Vec::as_slice).unwrap_or_default();
        if let Some(pot) = pots.iter().find(|pot| pot.name == name) {
            return Some(host.of_pot(pot));
        }
        if let Some(interface) = host.interface(name) {
            return Some(host.of_interface(interface));
        }
        let address = name.parse::<Ipv4Addr>().ok()?;
        let has = |pot: &&Pot| pot.network_type != "inherit" && pot.holds(address);
        if let Some(pot) = pots.iter().find(has) {
            return Some(host.of_pot(pot));
        }
        Some(host.of_address(address))
    }
}

struct Host<'a> {
    facts: &'a HostFacts,
    configuration: &'a Configuration,
    wanted: Wanted,
}

impl<'a> Host<'a> {
    fn interfaces(&self) -> &'a [Interface] {
        self.facts.interfaces.get().map(Vec::as_slice).unwrap_or_default()
    }

    fn interface(&self, name: &str) -> Option<&'a Interface> {
        self.interfaces().iter().find(|interface| interface.name == name)
    }

    /// pot's NAT rules as they are loaded; none: not known.
    fn rules(&self) -> Option<Vec<(NatRule, &'a str)>> {
        let lines = &self.facts.pf.get()?.pot_nat;
        Some(lines.iter().filter_map(|line| Some((NatRule::read(line)?, line.as_str()))).collect())
    }

    // -- what was asked for --

    fn of_pot(&self, pot: &'a Pot) -> Ways {
        let runs = match pot.running {
            Some(true) => "",
            Some(false) => " It does not run: this is how it will be when it does.",
            None => " Whether it runs is not known.",
        };
        let (kind, out) = match (pot.network_type.as_str(), ipv4_of(pot)) {
            ("inherit", _) => {
                ("uses the host's own network".to_owned(), vec![self.out_of_the_host("to anywhere", None)])
            }
            ("alias", address) => {
                ("has an address on a card of the host".to_owned(), vec![self.out_of_the_host("to anywhere", address)])
            }
            ("public-bridge" | "private-bridge", Some(address)) => (
                format!("has {address} on a {}", pot.network_type.replace('-', " ")),
                self.out_of_a_bridge(pot, address),
            ),
            (other, None) => (format!("has no IPv4 address that is known; its network is {other}"), Vec::new()),
            (other, _) => (format!("has a network type that is not known, {other}"), Vec::new()),
        };
        let into = match pot.network_type.as_str() {
            "public-bridge" | "private-bridge" => self.in_to_pot(pot),
            _ => Vec::new(),
        };
        Ways { what: format!("{} is a pot that {kind}.{runs}", pot.name), out, into }
    }

    fn of_interface(&self, interface: &'a Interface) -> Ways {
        let mut out = Vec::new();
        for (rule, line) in
            self.rules().unwrap_or_default().iter().filter(|(rule, _)| rule.interface == interface.name).take(MOST)
        {
            let hops = vec![
                Hop {
                    title: "pots".to_owned(),
                    said: format!("from {}", rule.from),
                    state: State::Fine,
                    evidence: String::new(),
                    rule: String::new(),
                    target: Some(Target::Addresses(None)),
                },
                self.translation(rule, line),
                self.leaving(&interface.name, None),
            ];
            out.push(Way { title: format!("pots {}", rule.to_in_words()), hops, doubts: self.doubts() });
        }
        let mut into = Vec::new();
        if self.takes_exports(&interface.name) {
            for pot in self.facts.pots.get().into_iter().flatten() {
                into.extend(pot.exported().map(|port| self.through(pot, port, &interface.name)));
            }
        }
        let what = if interface.is_bridge() { "a bridge" } else { "an interface" };
        let rules = match self.rules() {
            None => " pot's NAT rules are not known.".to_owned(),
            Some(_) if out.is_empty() => " No rule in pot-nat translates on it.".to_owned(),
            Some(_) => String::new(),
        };
        Ways { what: format!("{} is {what} of this host.{rules}", interface.name), out, into: told(into) }
    }

    fn of_address(&self, address: Ipv4Addr) -> Ways {
        let held =
            self.interfaces().iter().find(|interface| interface.addresses.iter().any(|held| held.address() == address));
        if let Some(interface) = held {
            let ways = self.of_interface(interface);
            return Ways { what: format!("{address} is an address of {}, {}", interface.name, ways.what), ..ways };
        }
        let unknown = if self.facts.pots.get().is_none() { " Which pots there are is not known." } else { "" };
        let inside = self.wanted.network.is_some_and(|network| network.contains(&address));
        if inside {
            return Ways {
                what: format!("{address} lies in POT_NETWORK, and no pot has it.{unknown}"),
                out: Vec::new(),
                into: Vec::new(),
            };
        }
        let from = self.wanted.network.map(|network| network.network());
        let way = self.way_to(address, from, format!("pots to {address}"));
        Ways {
            what: format!("{address} is no address of this host or its pots.{unknown}"),
            out: vec![way],
            into: Vec::new(),
        }
    }

    // -- outwards --

    fn out_of_a_bridge(&self, pot: &Pot, address: Ipv4Addr) -> Vec<Way> {
        let own = Hop {
            title: pot.name.clone(),
            said: address.to_string(),
            state: if pot.running == Some(true) {
                State::Fine
            } else if pot.running.is_none() {
                State::Unknown
            } else {
                State::Stopped
            },
            evidence: self.facts.pots.source.clone(),
            rule: String::new(),
            target: Some(Target::Pot(pot.name.clone())),
        };
        let bridge = self.bridge_of(pot, address);
        let mut ways = Vec::new();
        // Everywhere first; then the networks that rules name.
        let named: Vec<(Ipv4Addr, String)> = self
            .rules()
            .unwrap_or_default()
            .iter()
            .filter(|(rule, _)| rule.to != "any")
            .filter_map(|(rule, _)| {
                let network = rule.to.parse::<Ipv4Net>().ok()?;
                let to = network.hosts().next().unwrap_or(network.network());
                Some((to, rule.to_in_words()))
            })
            .collect();
        // Any address that only the default route leads to stands for all of them.
        let anywhere = std::iter::once((ANYWHERE, "to anywhere".to_owned()));
        for (to, title) in anywhere.chain(named).take(MOST) {
            let mut way = self.way_to(to, Some(address), title);
            way.hops.insert(0, bridge.clone());
            way.hops.insert(0, own.clone());
            ways.push(way);
        }
        ways
    }

    fn bridge_of(&self, pot: &Pot, address: Ipv4Addr) -> Hop {
        let private = pot.network_type == "private-bridge";
        let bridge = self
            .facts
            .private_bridges
            .get()
            .into_iter()
            .flatten()
            .find(|bridge| Some(&bridge.name) == pot.bridge.as_ref());
        let gateway = if private { bridge.map(|bridge| bridge.gateway) } else { self.wanted.gateway };
        let held = gateway.and_then(|gateway| {
            self.interfaces().iter().find(|interface| interface.is_bridge() && is_taken(interface, gateway))
        });
        let target = Some(Target::Addresses(bridge.filter(|_| private).map(|bridge| bridge.network.trunc())));
        let evidence = self.facts.interfaces.source.clone();
        let outside = self.wanted.network.is_some_and(|network| !network.contains(&address));
        let name = if private { pot.bridge.clone().unwrap_or_default() } else { "public bridge".to_owned() };
        let (title, said, state) = match (held, gateway) {
            _ if self.facts.interfaces.get().is_none() => {
                (name, "whether it is there is not known".to_owned(), State::Unknown)
            }
            (_, None) => (name, "its gateway is not known".to_owned(), State::Unknown),
            (Some(held), Some(gateway)) if !held.up => (held.name.clone(), format!("gateway {gateway}"), State::Down),
            (Some(held), Some(gateway)) if outside && !private => {
                (held.name.clone(), format!("gateway {gateway}; {address} lies outside of POT_NETWORK"), State::Outside)
            }
            (Some(held), Some(gateway)) => (held.name.clone(), format!("gateway {gateway}"), State::Fine),
            (None, Some(gateway)) => (name, format!("no bridge has {gateway}"), State::Missing),
        };
        Hop { title, said, state, evidence, rule: String::new(), target }
    }

    /// From the host's own stack: no rule of pot's is on that way.
    fn out_of_the_host(&self, title: &str, from: Option<Ipv4Addr>) -> Way {
        let (interface, hop) = self.routed(ANYWHERE);
        let mut hops = Vec::new();
        hops.push(Hop {
            title: "this host".to_owned(),
            said: from
                .map_or_else(|| "with the host's own address".to_owned(), |from| format!("as {from}, not translated")),
            state: State::Fine,
            evidence: self.facts.interfaces.source.clone(),
            rule: String::new(),
            target: Some(Target::Host),
        });
        hops.push(hop);
        if let Some(interface) = interface {
            hops.push(self.leaving(&interface, Some(ANYWHERE)));
        }
        Way { title: title.to_owned(), hops, doubts: self.filters() }
    }

    /// From the pots' bridge to an address: forwarding, the route, pot-nat, the interface.
    fn way_to(&self, to: Ipv4Addr, from: Option<Ipv4Addr>, title: String) -> Way {
        let mut hops = vec![self.forwarding()];
        let (interface, hop) = self.routed(to);
        hops.push(hop);
        let Some(interface) = interface else { return Way { title, hops, doubts: self.doubts() } };
        hops.push(self.nat(&interface, to, from));
        hops.push(self.leaving(&interface, Some(to)));
        Way { title, hops, doubts: self.doubts() }
    }

    fn forwarding(&self) -> Hop {
        let fact = &self.facts.forwarding;
        let (said, state) = match fact.get() {
            Some(true) => ("on: packets are passed on".to_owned(), State::Fine),
            Some(false) => ("off: no packet passes between bridge and card".to_owned(), State::Off),
            None => (not_known(fact.error.as_deref()), State::Unknown),
        };
        Hop {
            title: "forwarding".to_owned(),
            said,
            state,
            evidence: fact.source.clone(),
            rule: String::new(),
            target: Some(Target::Host),
        }
    }

    /// The interface that a route names, and the route.
    fn routed(&self, to: Ipv4Addr) -> (Option<String>, Hop) {
        let fact = &self.facts.routes;
        let hop = |said: String, state: State| Hop {
            title: "route".to_owned(),
            said,
            state,
            evidence: fact.source.clone(),
            rule: String::new(),
            target: Some(Target::Host),
        };
        let Some(routes) = fact.get() else { return (None, hop(not_known(fact.error.as_deref()), State::Unknown)) };
        // The most special one counts.
        let leads = routes.iter().filter(|route| route.destination.contains(&to));
        match leads.max_by_key(|route| route.destination.prefix_len()) {
            None => (None, hop("no route leads there".to_owned(), State::Missing)),
            Some(route) => {
                let to = if route.destination.prefix_len() == 0 {
                    "default".to_owned()
                } else {
                    route.destination.to_string()
                };
                let by = route.gateway.map(|gateway| format!(" by {gateway}")).unwrap_or_default();
                (Some(route.interface.clone()), hop(format!("{to}{by} over {}", route.interface), State::Fine))
            }
        }
    }

    /// The first rule in pot-nat that takes such a packet.
    fn nat(&self, interface: &str, to: Ipv4Addr, from: Option<Ipv4Addr>) -> Hop {
        let hop = |said: String, state: State| Hop {
            title: "pot-nat".to_owned(),
            said,
            state,
            evidence: self.facts.pf.source.clone(),
            rule: String::new(),
            target: Some(Target::Host),
        };
        let unclear = |line: &str| hop(format!("not known whether this takes it: {}", line.trim()), State::Unknown);
        let fact = &self.facts.pf;
        let Some(pf) = fact.get() else { return hop(not_known(fact.error.as_deref()), State::Unknown) };
        if !pf.enabled {
            return hop("pf is off: nothing is translated".to_owned(), State::Off);
        }
        if !pf.calls_pot_anchors() {
            return hop("the main rules do not call it: nothing is translated".to_owned(), State::Off);
        }
        // The first rule that takes a packet counts: one that cannot be told leaves the rest untold.
        for line in &pf.pot_nat {
            let Some(rule) = NatRule::read(line) else { return unclear(line) };
            if rule.interface != interface {
                continue;
            }
            // A network of its own is not everywhere.
            let takes = if to == ANYWHERE && rule.to.parse::<Ipv4Net>().is_ok() {
                Some(false)
            } else {
                covers(&rule.to, Some(to))
            };
            match (covers(&rule.from, from), takes) {
                (Some(true), Some(true)) => return self.translation(&rule, line),
                (Some(false), _) | (_, Some(false)) => {}
                _ => return unclear(line),
            }
        }
        hop(
            format!("no rule for it on {interface}: it leaves with the pot's own address, which nobody outside knows"),
            State::Missing,
        )
    }

    fn translation(&self, rule: &NatRule, line: &str) -> Hop {
        let said = rule.as_in_words(self.interfaces());
        let (evidence, rule) = (self.facts.pf.source.clone(), line.trim().to_owned());
        Hop { title: "pot-nat".to_owned(), said, state: State::Fine, evidence, rule, target: Some(Target::Host) }
    }

    fn leaving(&self, name: &str, to: Option<Ipv4Addr>) -> Hop {
        let fact = &self.facts.interfaces;
        let (said, state) = match (self.interface(name), fact.get()) {
            (Some(interface), _) if !interface.up => ("is down".to_owned(), State::Down),
            (Some(_), _) => (if to.is_some() { "leaves the host" } else { "the way out" }.to_owned(), State::Fine),
            (None, Some(_)) => ("this host has no such interface".to_owned(), State::Missing),
            (None, None) => (not_known(fact.error.as_deref()), State::Unknown),
        };
        let target = Some(Target::Path(name.to_owned()));
        Hop { title: name.to_owned(), said, state, evidence: fact.source.clone(), rule: String::new(), target }
    }

    // -- inwards --

    fn in_to_pot(&self, pot: &Pot) -> Vec<Way> {
        let mut names: Vec<String> = self.wanted.interface.iter().cloned().collect();
        names.extend(self.configuration.list("POT_EXTRA_EXTIF"));
        let ways = pot.exported().flat_map(|port| names.iter().map(move |name| (port, name)));
        told(ways.map(|(port, name)| self.through(pot, port, name)).collect())
    }

    fn takes_exports(&self, interface: &str) -> bool {
        self.wanted.interface.as_deref() == Some(interface)
            || self.configuration.list("POT_EXTRA_EXTIF").iter().any(|extra| extra == interface)
    }

    /// By the rule that start.sh (`_js_export_ports`) writes for an exported port.
    fn through(&self, pot: &Pot, port: Export, interface: &str) -> Way {
        let address = ipv4_of(pot).map_or_else(|| "its address".to_owned(), |address| address.to_string());
        let own = self.configuration.value("POT_EXTIF_ADDR").map(str::trim).filter(|own| !own.is_empty());
        let to = match own.filter(|_| self.wanted.interface.as_deref() == Some(interface)) {
            Some(own) => own.to_owned(),
            None => format!("({interface})"),
        };
        let host = port.host.map_or_else(|| "a free port".to_owned(), |port| port.to_string());
        let rule = format!(
            "rdr pass on {interface} proto {} from any to {to} port {host} -> {address} port {}",
            port.protocol(),
            port.pot
        );
        let hook =
            self.configuration.value("POT_EXPORT_PORTS_PF_RULES_HOOK").map(str::trim).filter(|hook| !hook.is_empty());
        let (said, state) = match (hook, pot.running, self.facts.pf.get()) {
            (Some(hook), _, _) => (format!("{hook} writes the rule: not known"), State::Unknown),
            (None, _, None) => (not_known(self.facts.pf.error.as_deref()), State::Unknown),
            (None, Some(false), _) => ("comes with the pot's start".to_owned(), State::Stopped),
            (None, None, _) => ("whether the pot runs is not known".to_owned(), State::Unknown),
            (None, Some(true), Some(pf)) if !pf.enabled => ("pf is off: nothing is redirected".to_owned(), State::Off),
            (None, Some(true), Some(pf)) if !pf.calls_pot_anchors() => {
                ("the main rules do not call it".to_owned(), State::Off)
            }
            (None, Some(true), Some(_)) => {
                (format!("to {address} port {}, past the filter rules", port.pot), State::Fine)
            }
        };
        let redirect = Hop {
            title: format!("pot-rdr/{}", anchor_of(&pot.name)),
            said,
            state,
            evidence: "pot start writes".to_owned(),
            rule,
            target: Some(Target::Host),
        };
        let end = Hop {
            title: pot.name.clone(),
            said: format!("{address} port {}", port.pot),
            state: if pot.running == Some(true) { State::Fine } else { State::Stopped },
            evidence: self.facts.pots.source.clone(),
            rule: String::new(),
            target: Some(Target::Pot(pot.name.clone())),
        };
        let mut doubts =
            vec!["The rules that are loaded in pot-rdr were not read: this is the one that pot writes.".to_owned()];
        doubts.extend(self.facts.pf.get().and_then(|pf| first_of_others(pf, "rdr")));
        Way {
            title: format!("from outside to {port} of {interface}"),
            hops: vec![self.leaving_inwards(interface), redirect, end],
            doubts,
        }
    }

    fn leaving_inwards(&self, name: &str) -> Hop {
        let mut hop = self.leaving(name, None);
        if hop.state == State::Fine {
            let addresses = self.interface(name).map(|interface| interface.addresses.as_slice()).unwrap_or_default();
            hop.said = addresses.first().map_or_else(|| "no address".to_owned(), |held| held.address().to_string());
        }
        hop
    }

    // -- doubts --

    /// What decides beside pot's rules.
    fn doubts(&self) -> Vec<String> {
        let mut doubts: Vec<String> =
            self.facts.pf.get().and_then(|pf| first_of_others(pf, "nat")).into_iter().collect();
        doubts.extend(self.filters());
        doubts
    }

    fn filters(&self) -> Vec<String> {
        match self.facts.pf.get() {
            Some(pf) if pf.enabled && !pf.rules.is_empty() => {
                vec![format!("Whether it passes pf's {} is not known here.", filter_rules_in_words(pf.rules.len()))]
            }
            Some(_) => Vec::new(),
            None => vec!["What pf does is not known.".to_owned()],
        }
    }
}

/// Stands for every address that no route but the default one leads to: of TEST-NET-1 (RFC 5737), which nobody has.
const ANYWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The name of a pot's anchor below pot-rdr (network.sh, `_get_pot_rdr_anchor_name`): of a long name its last 55 letters,
/// without underscores at their beginning.
fn anchor_of(name: &str) -> &str {
    match name.len().checked_sub(55) {
        Some(cut) if cut > 0 => name.get(cut..).unwrap_or(name).trim_start_matches('_'),
        _ => name,
    }
}

fn told(mut ways: Vec<Way>) -> Vec<Way> {
    ways.truncate(MOST);
    ways
}

/// A translation of the main rules that pf looks at before pot's anchor: the first that fits counts.
fn first_of_others(pf: &Pf, kind: &str) -> Option<String> {
    let anchor = format!("{kind}-anchor");
    let before = pf.nat.iter().take_while(|rule| !(rule.starts_with(&anchor) && rule.contains("pot-")));
    let own = |rule: &&String| {
        let first = rule.split_ascii_whitespace().next().unwrap_or_default();
        first == kind || first == "binat" || first == "no" || first.ends_with("-anchor") && !rule.contains("pot-")
    };
    let rule = before.into_iter().find(own)?;
    Some(format!("A rule of the main rules stands before pot's and may take it first: {}", rule.trim()))
}

/// Whether a side of a rule holds an address; none: that cannot be told from the rule, or the address is not known.
fn covers(side: &str, address: Option<Ipv4Addr>) -> Option<bool> {
    if side == "any" {
        return Some(true);
    }
    let network = side.parse::<Ipv4Net>().ok()?;
    Some(network.contains(&address?))
}

fn not_known(error: Option<&str>) -> String {
    error.map_or_else(|| "not known".to_owned(), |error| format!("not known: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Fact, Route};
    use crate::host::fixture::{configuration, interface, known, pot, running_host};

    fn route(destination: &str, gateway: Option<&str>, interface: &str) -> Route {
        Route {
            destination: destination.parse().unwrap(),
            gateway: gateway.map(|text| text.parse().unwrap()),
            interface: interface.to_owned(),
        }
    }

    /// web1 on the public bridge, a VPN with one network, routes to both.
    fn host() -> HostFacts {
        let mut facts = running_host();
        facts.routes =
            known(vec![route("0.0.0.0/0", Some("192.168.178.1"), "em0"), route("172.16.0.0/16", None, "tun0")]);
        facts.interfaces.value.as_mut().unwrap().push(interface("tun0", "", &["10.8.0.2/24"]));
        let pf = facts.pf.value.as_mut().unwrap();
        pf.pot_nat.push("nat on tun0 inet from 10.192.0.0/10 to 172.16.0.0/16 -> (tun0:0) round-robin".to_owned());
        facts.pots.value.as_mut().unwrap()[0].exports = vec!["tcp:80:8080".to_owned()];
        facts
    }

    fn ways(of: &str, facts: &HostFacts) -> Ways {
        Ways::of(of, facts, &configuration("")).unwrap()
    }

    fn hop<'a>(way: &'a Way, title: &str) -> &'a Hop {
        way.hops.iter().find(|hop| hop.title == title).unwrap_or_else(|| panic!("no {title}: {way:?}"))
    }

    #[test]
    fn a_pots_packets_are_followed_over_bridge_route_rule_and_card() {
        let ways = ways("web1", &host());
        let titles: Vec<&str> = ways.out.iter().map(|way| way.title.as_str()).collect();
        assert_eq!(titles, ["to anywhere", "to 172.16.0.0/16"]);
        let hops: Vec<&str> = ways.out[0].hops.iter().map(|hop| hop.title.as_str()).collect();
        assert_eq!(hops, ["web1", "bridge0", "forwarding", "route", "pot-nat", "em0"]);
        assert!(ways.out.iter().flat_map(|way| &way.hops).all(|hop| hop.state == State::Fine), "{ways:?}");
        assert_eq!(hop(&ways.out[0], "pot-nat").said, "as 192.168.178.20");
        let vpn = hop(&ways.out[1], "pot-nat");
        assert_eq!(vpn.said, "as 10.8.0.2");
        assert!(vpn.rule.starts_with("nat on tun0"), "{vpn:?}");
        assert_eq!(ways, Ways::of("10.192.0.3", &host(), &configuration("")).unwrap(), "by its address, too");
    }

    #[test]
    fn an_exported_port_is_followed_inwards_by_the_rule_that_pot_writes() {
        let facts = host();
        let ways = ways("web1", &facts);
        assert_eq!(ways.into.len(), 1);
        assert_eq!(ways.into[0].title, "from outside to tcp 8080 of em0");
        let rdr = hop(&ways.into[0], "pot-rdr/web1");
        assert_eq!(rdr.rule, "rdr pass on em0 proto tcp from any to (em0) port 8080 -> 10.192.0.3 port 80");
        assert_eq!(rdr.state, State::Fine);
        // By the card, and by its address.
        assert_eq!(self::ways("em0", &facts).into, ways.into);
        assert_eq!(self::ways("192.168.178.20", &facts).into, ways.into);
        let hook = configuration("POT_EXPORT_PORTS_PF_RULES_HOOK=/usr/local/libexec/rules\n");
        let hooked = Ways::of("web1", &facts, &hook).unwrap();
        assert_eq!(hop(&hooked.into[0], "pot-rdr/web1").state, State::Unknown);
    }

    #[test]
    fn a_way_that_ends_says_where() {
        let mut facts = host();
        facts.forwarding = known(false);
        assert_eq!(hop(&ways("web1", &facts).out[0], "forwarding").state, State::Off);
        facts.pf.value.as_mut().unwrap().enabled = false;
        assert_eq!(hop(&ways("web1", &facts).out[0], "pot-nat").state, State::Off);
        facts = host();
        facts.pf.value.as_mut().unwrap().pot_nat.remove(0);
        assert_eq!(hop(&ways("web1", &facts).out[0], "pot-nat").state, State::Missing);
        facts.interfaces.value.as_mut().unwrap().retain(|interface| !interface.is_bridge());
        assert_eq!(hop(&ways("web1", &facts).out[0], "public bridge").state, State::Missing);
    }

    #[test]
    fn what_rules_beyond_pots_decide_is_said_to_be_not_known() {
        let mut facts = host();
        let pf = facts.pf.value.as_mut().unwrap();
        pf.rules.push("block drop all".to_owned());
        pf.nat.insert(0, "nat on em0 inet from 10.0.0.0/8 to any -> 192.168.178.99".to_owned());
        let doubts = ways("web1", &facts).out[0].doubts.join(" ");
        assert!(doubts.contains("192.168.178.99") && doubts.contains("1 filter rule"), "{doubts}");
        // Behind pot's anchor it comes too late.
        let pf = facts.pf.value.as_mut().unwrap();
        pf.nat.rotate_left(1);
        let doubts = ways("web1", &facts).out[0].doubts.join(" ");
        assert!(!doubts.contains("192.168.178.99"), "{doubts}");
        facts.pf = Fact::unknown("pfctl: not found", "pfctl");
        let way = &ways("web1", &facts).out[0];
        assert_eq!(hop(way, "pot-nat").state, State::Unknown);
        assert!(way.doubts.contains(&"What pf does is not known.".to_owned()), "{way:?}");
    }

    #[test]
    fn a_rule_whose_sides_cannot_be_read_is_not_passed_over() {
        let mut facts = host();
        let rules = &mut facts.pf.value.as_mut().unwrap().pot_nat;
        *rules = vec!["nat on em0 inet from <pots> to any -> (em0:0)".to_owned()];
        let way = ways("web1", &facts).out.remove(0);
        assert_eq!(hop(&way, "pot-nat").state, State::Unknown, "{way:?}");
    }

    #[test]
    fn names_that_nobody_has_and_addresses_outside_are_told_apart() {
        let facts = host();
        assert_eq!(Ways::of("www.example.org", &facts, &configuration("")), None);
        let outside = ways("172.16.3.4", &facts);
        assert_eq!(hop(&outside.out[0], "route").said, "172.16.0.0/16 over tun0");
        assert!(ways("10.192.7.7", &facts).what.contains("no pot has it"));
        let mut facts = facts;
        facts.pots.value.as_mut().unwrap().push(pot("ntp", "inherit", ""));
        assert!(ways("ntp", &facts).what.contains("host's own network"));
        assert_eq!(anchor_of(&format!("{}_{}", "a".repeat(9), "b".repeat(54))), "b".repeat(54));
    }
}
