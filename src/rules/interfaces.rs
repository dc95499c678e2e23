//! Rules about interfaces: POT_EXTIF and its address, the stack, extra interfaces with their networks, the VPN.

use super::Finding;
use super::view::{MOST_ENTRIES, View, enumerated};
use crate::facts::Interface;
use crate::potconf::{Name, Source};
use ipnet::{IpNet, Ipv4Net};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

const EXTIF: &str = "POT_EXTIF";
const EXTIF_ADDR: &str = "POT_EXTIF_ADDR";
const STACK: &str = "POT_NETWORK_STACK";
const EXTRA: &str = "POT_EXTRA_EXTIF";
const VPN_EXTIF: &str = "POT_VPN_EXTIF";
const VPN_NETWORKS: &str = "POT_VPN_NETWORKS";

/// POT_EXTIF is not an interface of the host (init.sh, `_is_valid_netif`; it stops after the datasets were made). The
/// default is found, too: pot fails with it all the same.
pub(super) fn extif_missing(view: &View<'_>) -> Vec<Finding> {
    let (Some(extif), Some(interfaces)) = (view.text(EXTIF), view.interfaces()) else { return Vec::new() };
    if interfaces.iter().any(|interface| interface.name == extif) {
        return Vec::new();
    }
    let outer = view.outer_interfaces();
    let names: Vec<&str> = outer.iter().map(|interface| interface.name.as_str()).collect();
    let carries_default = view.default_route().map(|route| route.interface.as_str());
    let certain = match outer.as_slice() {
        [first, ..] if Some(first.name.as_str()) == carries_default => Some(first.name.as_str()),
        [only] => Some(only.name.as_str()),
        _ => None,
    };
    let offer = match certain {
        _ if names.is_empty() => "It has no other that could serve.".to_owned(),
        Some(first) if Some(first) == carries_default && names.len() > 1 => {
            format!("It has {}; {first} carries the default route.", enumerated(&names))
        }
        Some(first) if Some(first) == carries_default => format!("It has {first}, which carries the default route."),
        _ => format!("It has {}.", enumerated(&names)),
    };
    vec![
        Finding::error(
            "extif-missing",
            &[EXTIF],
            format!("POT_EXTIF {extif} does not exist on this host, and `pot init` would stop. {offer}"),
        )
        .perhaps_fixed_by(EXTIF, certain),
    ]
}

/// POT_EXTIF has no IPv4 address: NAT has none to give to pots (vnet-start.sh: `-> ($ext_if:0)`). Not for stack ipv6.
pub(super) fn extif_without_address(view: &View<'_>) -> Vec<Finding> {
    if view.text(STACK) == Some("ipv6") {
        return Vec::new();
    }
    let Some(interface) = view.text(EXTIF).and_then(|name| view.interface(name)) else { return Vec::new() };
    // What is none at all is told by another rule.
    if !interface.addresses.is_empty() || view.is_pots_own(interface) {
        return Vec::new();
    }
    let carrier = view.default_route().map(|route| route.interface.as_str()).filter(|name| *name != interface.name);
    let hint = carrier.map(|name| format!(" The default route leaves by {name}.")).unwrap_or_default();
    vec![Finding::warning(
        "extif-without-address",
        &[EXTIF],
        format!(
            "{} has no IPv4 address, so NAT has none to give to the pots. Give it one, or name another.{hint}",
            interface.name
        ),
    )]
}

/// POT_EXTIF is the loopback interface or a bridge of pot's own. Any other bridge, or a tunnel, is a way out for IPv4: NAT
/// needs nothing but its address.
pub(super) fn extif_is_no_way_out(view: &View<'_>) -> Vec<Finding> {
    let Some(interface) = view.text(EXTIF).and_then(|name| view.interface(name)).filter(|_| view.is_own(EXTIF)) else {
        return Vec::new();
    };
    if interface.is_loopback() {
        return vec![Finding::error(
            "extif-is-loopback",
            &[EXTIF],
            format!(
                "{} is the loopback interface. Pots would reach nothing through it. Name the one that leads outside.",
                interface.name
            ),
        )];
    }
    if view.is_pots_own(interface) {
        return vec![Finding::error(
            "extif-is-bridge",
            &[EXTIF],
            format!(
                "{} is a bridge that pot itself made, no way out. Name the one that leads outside.",
                interface.name
            ),
        )];
    }
    Vec::new()
}

/// POT_EXTIF_ADDR is not IPv4 or not an address of POT_EXTIF (init.sh, `_is_valid_extif_addr`: it stops; vnet-start.sh
/// ignores it).
pub(super) fn extif_address_wrong(view: &View<'_>) -> Vec<Finding> {
    let Some(value) = view.text(EXTIF_ADDR) else { return Vec::new() };
    let Ok(address) = value.parse::<Ipv4Addr>() else {
        return vec![Finding::error(
            "extif-addr-not-ipv4",
            &[EXTIF_ADDR],
            format!(
                "POT_EXTIF_ADDR `{value}` is not an IPv4 address. `pot init` would stop, `pot vnet-start` ignores it. Name one \
                 of POT_EXTIF, or leave it empty."
            ),
        )];
    };
    let Some(interface) = view.text(EXTIF).and_then(|name| view.interface(name)) else { return Vec::new() };
    if interface.addresses.iter().any(|known| known.address() == address) {
        return Vec::new();
    }
    let has: Vec<Ipv4Addr> = view.host_addresses(interface).iter().map(|known| known.address()).collect();
    let known = if has.is_empty() { "It has none.".to_owned() } else { format!("It has {}.", enumerated(&has)) };
    let finding = Finding::error(
        "extif-addr-not-on-extif",
        &[EXTIF_ADDR, EXTIF],
        format!("{address} is not an address of {}. `pot init` would stop here. {known}", interface.name),
    );
    // With one address there is nothing to choose.
    vec![if has.len() == 1 { finding.fixed_without(EXTIF_ADDR) } else { finding }]
}

/// POT_EXTIF has several IPv4 addresses and POT_EXTIF_ADDR is empty: say which one NAT uses (guide, "POT_EXTIF_ADDR":
/// "the first not alias IPv4 address"; pf.conf(5), `:0`).
pub(super) fn extif_has_several_addresses(view: &View<'_>) -> Vec<Finding> {
    if view.value(EXTIF_ADDR) != Some("") || view.text(STACK) == Some("ipv6") {
        return Vec::new();
    }
    let Some(interface) = view.text(EXTIF).and_then(|name| view.interface(name)) else { return Vec::new() };
    let addresses = view.host_addresses(interface);
    let [first, _, ..] = addresses.as_slice() else { return Vec::new() };
    let others: Vec<Ipv4Addr> = addresses.iter().skip(1).map(|address| address.address()).collect();
    vec![Finding::notice(
        "extif-has-several-addresses",
        &[EXTIF_ADDR, EXTIF],
        format!(
            "{} has {} IPv4 addresses. NAT uses its first, {}; POT_EXTIF_ADDR can name {} instead.",
            interface.name,
            addresses.len(),
            first.address(),
            enumerated(&others)
        ),
    )]
}

/// POT_NETWORK_STACK is another word: `_get_network_stack` makes it ipv4 without saying so.
pub(super) fn stack_unknown(view: &View<'_>) -> Vec<Finding> {
    let Some(value) = view.text(STACK).filter(|value| !["ipv4", "ipv6", "dual"].contains(value)) else {
        return Vec::new();
    };
    let lower = value.trim().to_ascii_lowercase();
    let meant = ["ipv4", "ipv6", "dual"].into_iter().find(|known| *known == lower);
    vec![
        Finding::error(
            "stack-unknown",
            &[STACK],
            format!(
                "POT_NETWORK_STACK `{value}` is none of ipv4, ipv6 and dual. pot takes it for ipv4 without saying so."
            ),
        )
        .perhaps_fixed_by(STACK, meant),
    ]
}

/// The stack and the interface that `pot vnet-start` would make a member of a bridge. Not one that is a member already:
/// pot takes its bridge, whoever made it (network.sh, `_pot_bridge_ipv6`).
fn to_be_bridged<'a>(view: &'a View<'_>) -> Option<(&'a str, &'a Interface)> {
    let stack = view.text(STACK).filter(|_| view.needs_a_member())?;
    let interface = view.text(EXTIF).and_then(|name| view.interface(name))?;
    let bridges = view.interfaces().unwrap_or_default();
    let is_member = bridges.iter().any(|bridge| bridge.is_bridge() && bridge.members.contains(&interface.name));
    (!is_member).then_some((stack, interface))
}

/// Stack ipv6 or dual makes POT_EXTIF a member of a bridge, which can be no bridge and nothing point-to-point
/// (FreeBSD's if_bridge.c, `bridge_ioctl_add`: `EINVAL`). vnet-start then still exits 0.
pub(super) fn stack_needs_ethernet(view: &View<'_>) -> Vec<Finding> {
    let Some((stack, interface)) = to_be_bridged(view) else { return Vec::new() };
    // These are errors with every stack.
    if interface.can_join_a_bridge() || interface.is_loopback() || view.is_pots_own(interface) {
        return Vec::new();
    }
    let name = &interface.name;
    let what = if interface.is_bridge() {
        "a bridge, and no bridge takes another"
    } else {
        "a tunnel, and no bridge takes one"
    };
    let instead = match interface.members.as_slice() {
        [only] if interface.is_bridge() => format!("name {only}, its member"),
        _ => "name an Ethernet interface".to_owned(),
    };
    vec![Finding::error(
        "stack-needs-ethernet",
        &[STACK, EXTIF],
        format!(
            "{name} is {what} for a member. With stack {stack} `pot vnet-start` would fail to bridge it, and still report \
             success. Keep ipv4, or {instead}."
        ),
    )]
}

/// Stack ipv6 or dual makes POT_EXTIF a member of a bridge, which may be refused for an interface with addresses
/// ([`crate::facts::HostFacts::bridges_take_addresses`]). vnet-start then still exits 0.
pub(super) fn stack_needs_bare_interface(view: &View<'_>) -> Vec<Finding> {
    let Some((stack, interface)) = to_be_bridged(view).filter(|(_, interface)| interface.can_join_a_bridge()) else {
        return Vec::new();
    };
    if interface.addresses.is_empty() && interface.addresses6.is_empty() {
        return Vec::new();
    }
    let Some(facts) = view.facts else { return Vec::new() };
    let Some((major, _)) = facts.system.get().and_then(|system| system.version()) else { return Vec::new() };
    if facts.bridges_take_addresses() != Some(false) {
        return Vec::new();
    }
    let (name, parameters) = (&interface.name, [STACK, EXTIF]);
    vec![if major > 15 {
        Finding::error(
            "stack-needs-bare-interface",
            &parameters,
            format!(
                "FreeBSD {major} takes no interface with an address into a bridge, and {name} has one. With stack {stack} \
                 `pot vnet-start` would fail to bridge it, and still report success. Keep ipv4, or name an interface without \
                 addresses."
            ),
        )
    } else {
        Finding::error(
            "stack-needs-bare-interface",
            &parameters,
            format!(
                "FreeBSD 15 takes no interface with an address into a bridge while `net.link.bridge.member_ifaddrs` is 0, and \
                 {name} has one. With stack {stack} `pot vnet-start` would fail to bridge it, and still report success. Set \
                 it to 1, keep ipv4, or name an interface without addresses."
            ),
        )
    }]
}

/// The name can stand in `POT_NETWORK_<interface>`, in a way that vnet-start's `eval` reads it back.
fn can_have_network(interface: &str) -> Option<Name> {
    Name::for_interface(interface).ok()
}

/// An extra interface is not on the host (init.sh: it stops).
pub(super) fn extra_missing(view: &View<'_>) -> Vec<Finding> {
    if view.interfaces().is_none() {
        return Vec::new();
    }
    view.list(EXTRA)
        .into_iter()
        .filter(|name| view.interface(name).is_none())
        .map(|name| {
            Finding::error(
                "extra-missing",
                &[EXTRA],
                format!(
                    "The extra interface `{name}` does not exist on this host. `pot init` would stop here. Create it, or take \
                     it out."
                ),
            )
        })
        .collect()
}

/// POT_EXTIF stands among the extra interfaces: its traffic would get two NAT rules.
pub(super) fn extra_is_extif(view: &View<'_>) -> Vec<Finding> {
    let Some(extif) = view.text(EXTIF) else { return Vec::new() };
    let list = view.list(EXTRA);
    if !list.contains(&extif) {
        return Vec::new();
    }
    let others: Vec<&str> = list.into_iter().filter(|name| *name != extif).collect();
    let finding = Finding::warning(
        "extra-is-extif",
        &[EXTRA, EXTIF],
        format!("{extif} is POT_EXTIF already and needs no place in POT_EXTRA_EXTIF. pot would write its rules twice."),
    )
    .fixed_by(EXTRA, others.join(" "));
    let network = can_have_network(extif).filter(|name| view.line(name.as_str()).is_some());
    vec![match network {
        Some(name) => finding.fixed_without(name.as_str()),
        None => finding,
    }]
}

/// An interface stands in POT_EXTRA_EXTIF twice.
pub(super) fn extra_twice(view: &View<'_>) -> Vec<Finding> {
    let once = view.list(EXTRA);
    let Some(value) = view.value(EXTRA) else { return Vec::new() };
    if once.len() == MOST_ENTRIES {
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let Some(twice) = super::limits::split(value).find(|entry| !seen.insert(*entry)) else { return Vec::new() };
    let message = format!(
        "POT_EXTRA_EXTIF names `{}` more than once, and pot would write its rules as often. Once is enough.",
        twice.escape_debug()
    );
    vec![Finding::warning("extra-twice", &[EXTRA], message).fixed_by(EXTRA, once.join(" "))]
}

/// An extra interface has no `POT_NETWORK_<interface>`: vnet-start.sh makes no rule for it and says nothing.
pub(super) fn extra_without_network(view: &View<'_>) -> Vec<Finding> {
    let extif = view.text(EXTIF);
    view.list(EXTRA)
        .into_iter()
        .filter(|interface| Some(*interface) != extif)
        .filter_map(|interface| {
            let name = can_have_network(interface)?;
            let setting = view.setting(name.as_str());
            // A computed one may well have a value.
            let is_missing = setting.is_none_or(|setting| match setting.value.as_deref() {
                Some(value) => value.is_empty(),
                None => setting.source == Source::Unset,
            });
            if !is_missing {
                return None;
            }
            let own_network = view.interface(interface).and_then(|known| {
                let address = view.host_addresses(known).first().copied()?;
                (address.network.prefix_len() < 31).then(|| address.network.trunc().to_string())
            });
            Some(
                Finding::warning(
                    "extra-without-network",
                    &[name.as_str(), EXTRA],
                    format!(
                        "Without a network, pots do not reach {interface}: `pot vnet-start` makes no rule for it. Set {name} \
                         to the network behind it."
                    ),
                )
                .perhaps_fixed_by(name.as_str(), own_network),
            )
        })
        .collect()
}

/// An extra interface's name cannot stand in a shell variable: vnet-start's `eval` reads another variable, or runs what
/// is in the name.
pub(super) fn extra_name_unusable(view: &View<'_>) -> Vec<Finding> {
    view.list(EXTRA)
        .into_iter()
        .filter(|interface| can_have_network(interface).is_none())
        .map(|interface| {
            let entry = interface.escape_debug();
            let message = if interface == "STACK" {
                "An extra interface named STACK would get the value of POT_NETWORK_STACK for its network.".to_owned()
            } else if interface.contains(SEPARATORS) {
                format!(
                    "`{entry}` is one name for sh, which splits a list at blanks alone. Write blanks between the names."
                )
            } else {
                format!(
                    "The name `{entry}` cannot stand in a shell variable, and `pot vnet-start` would evaluate \
                     `$POT_NETWORK_{entry}`. Give the interface another name."
                )
            };
            Finding::error("extra-name-unusable", &[EXTRA], message)
                .perhaps_fixed_by(EXTRA, split_at_commas(view, EXTRA))
        })
        .collect()
}

/// What people write between the entries of a list where sh wants blanks.
const SEPARATORS: [char; 2] = [',', ';'];

/// A list that was written with commas, as sh can read it; none where it has none, or would still not be a list.
fn split_at_commas(view: &View<'_>, list: &str) -> Option<String> {
    let value = view.text(list).filter(|value| value.contains(SEPARATORS))?;
    let mut entries: Vec<&str> = Vec::new();
    for entry in value.split(SEPARATORS).flat_map(super::limits::split) {
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    let split = entries.join(" ");
    super::limits::check(list, &split).is_ok().then_some(split)
}

/// A `POT_NETWORK_<interface>` whose interface is not in POT_EXTRA_EXTIF: nothing reads it.
pub(super) fn extra_network_unused(view: &View<'_>) -> Vec<Finding> {
    // A list that is not certain may hold it; so may one that was meant and lost its quotes.
    if view.value(EXTRA).is_none() || lost_its_quotes(view, EXTRA) {
        return Vec::new();
    }
    let list = view.list(EXTRA);
    view.extra_networks()
        .filter(|(setting, interface)| setting.source == Source::PotConf && !list.contains(interface))
        .filter(|(setting, _)| view.suggestion(&setting.name).is_none())
        .map(|(setting, interface)| {
            Finding::warning(
                "extra-network-unused",
                &[&setting.name, EXTRA],
                format!("{} has no effect while {interface} is not in POT_EXTRA_EXTIF. Add it there.", setting.name),
            )
        })
        .collect()
}

/// Whether the list was meant to be set and lacks its quotes, which `unquoted_blank` tells.
fn lost_its_quotes(view: &View<'_>, list: &str) -> bool {
    view.configuration.own().commands().any(|command| command.meant.is_some_and(|(name, _)| name == list))
}

/// POT_VPN_EXTIF without POT_VPN_NETWORKS or the reverse: vnet-start.sh wants both and says nothing.
pub(super) fn vpn_half_set(view: &View<'_>) -> Vec<Finding> {
    let (Some(interface), Some(networks)) = (view.value(VPN_EXTIF), view.value(VPN_NETWORKS)) else {
        return Vec::new();
    };
    match (interface.is_empty(), networks.trim().is_empty()) {
        (false, true) if lost_its_quotes(view, VPN_NETWORKS) => Vec::new(),
        (false, true) => vec![Finding::warning(
            "vpn-without-networks",
            &[VPN_NETWORKS, VPN_EXTIF],
            format!(
                "POT_VPN_EXTIF is {interface}, but POT_VPN_NETWORKS names no network: pot makes no rule for the VPN. Name \
                 the networks behind it."
            ),
        )],
        (true, false) => vec![Finding::warning(
            "vpn-without-interface",
            &[VPN_EXTIF, VPN_NETWORKS],
            format!(
                "POT_VPN_NETWORKS is {}, but POT_VPN_EXTIF names no interface: pot makes no rule for the VPN. Name it, such as \
                 tun0.",
                enumerated(view.list(VPN_NETWORKS))
            ),
        )],
        _ => Vec::new(),
    }
}

/// POT_VPN_EXTIF does not exist now. A tunnel may come later: pf takes a rule for an interface that is not there yet.
pub(super) fn vpn_interface_missing(view: &View<'_>) -> Vec<Finding> {
    let (Some(name), Some(_)) = (view.text(VPN_EXTIF), view.interfaces()) else { return Vec::new() };
    if view.interface(name).is_some() {
        return Vec::new();
    }
    vec![Finding::notice(
        "vpn-interface-missing",
        &[VPN_EXTIF],
        format!("{name} does not exist on this host now. That is usual while the VPN is down."),
    )]
}

/// Entries of POT_VPN_NETWORKS and values of `POT_NETWORK_<interface>` that are no networks: one of them makes pf refuse
/// the whole set of NAT rules (pfctl loads all or nothing).
pub(super) fn entries_that_are_no_networks(view: &View<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for entry in view.list(VPN_NETWORKS) {
        let finding = judge_entry(VPN_NETWORKS, entry);
        findings.extend(finding.map(|finding| match finding.code.as_str() {
            "not-a-network" => finding.perhaps_fixed_by(VPN_NETWORKS, split_at_commas(view, VPN_NETWORKS)),
            _ => finding,
        }));
    }
    for (setting, _) in view.extra_networks() {
        // What is probably another parameter with a slip in its name is told by `unknown_parameter`.
        let is_slip = view.suggestion(&setting.name).is_some();
        if let Some(value) = setting.value.as_deref().filter(|value| !value.is_empty() && !is_slip) {
            findings.extend(judge_entry(&setting.name, value));
        }
    }
    findings
}

fn judge_entry(name: &str, entry: &str) -> Option<Finding> {
    match entry.parse::<IpNet>() {
        Ok(IpNet::V6(_)) => Some(Finding::error(
            "network-is-ipv6",
            &[name],
            format!(
                "`{entry}` in {name} is an IPv6 network. The pots' own network is IPv4, and pf refuses to mix them: write \
                 an IPv4 network."
            ),
        )),
        Ok(IpNet::V4(network)) if network.trunc() != network => {
            let finding = Finding::warning(
                "network-with-host-bits",
                &[name],
                format!("{entry} is an address in the network {}, not the network itself.", network.trunc()),
            );
            Some(if name == VPN_NETWORKS { finding } else { finding.fixed_by(name, network.trunc().to_string()) })
        }
        Ok(IpNet::V4(_)) => None,
        Err(_) if entry.parse::<IpAddr>().is_ok() => Some(Finding::warning(
            "network-without-prefix",
            &[name],
            format!("`{entry}` in {name} has no prefix length: pf takes it for that one address."),
        )),
        Err(_) => Some(Finding::error(
            "not-a-network",
            &[name],
            format!(
                "`{}` in {name} is not a network such as `10.0.20.0/24`. pf would refuse all of pot's NAT rules.{}",
                entry.escape_debug(),
                match entry.contains(SEPARATORS) {
                    true if name == VPN_NETWORKS => " Separate networks by blanks.",
                    true => " It takes one network alone.",
                    false => "",
                }
            ),
        )),
    }
}

/// A network of POT_VPN_NETWORKS or `POT_NETWORK_<interface>` is the one of another interface of this host, or a part of it.
/// vnet-start.sh then makes a rule `nat on INTERFACE from POT_NETWORK to NETWORK`, which sees only what leaves by that
/// interface; what is sent to a network that the host stands in leaves by the interface that stands in it.
pub(super) fn network_of_another_interface(view: &View<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(vpn) = view.text(VPN_EXTIF) {
        let all = view.list(VPN_NETWORKS);
        for entry in &all {
            let Some((network, other)) = stands_elsewhere(view, vpn, entry) else { continue };
            let rest: Vec<&str> = all.iter().filter(|one| one != &entry).copied().collect();
            let message = format!(
                "`{entry}` of POT_VPN_NETWORKS is {network} {other}. What pots send there leaves by {other}, and the rule for \
                 {vpn} never applies. Take it out, unless {vpn} brings a route to it."
            );
            let finding = Finding::warning("network-of-another-interface", &[VPN_NETWORKS, VPN_EXTIF], message);
            findings.push(if rest.is_empty() { finding } else { finding.fixed_by(VPN_NETWORKS, rest.join(" ")) });
        }
    }
    let listed = view.list(EXTRA);
    // Of one that is not there another rule tells.
    let is_there = |interface: &str| listed.contains(&interface) && view.interface(interface).is_some();
    for (setting, interface) in view.extra_networks().filter(|(_, interface)| is_there(interface)) {
        let Some(value) = setting.value.as_deref() else { continue };
        let Some((network, other)) = stands_elsewhere(view, interface, value) else { continue };
        let own = view.interface(interface).and_then(|known| view.host_addresses(known).first().copied());
        let finding = Finding::warning(
            "network-of-another-interface",
            &[&setting.name, EXTRA],
            format!(
                "`{value}` is {network} {other}. What pots send there leaves by {other}, and the rule for {interface} never \
                 applies. Name the network behind {interface}."
            ),
        );
        let own = own.filter(|own| own.network.prefix_len() < 31).map(|own| own.network.trunc().to_string());
        findings.push(finding.perhaps_fixed_by(&setting.name, own));
    }
    findings
}

/// The interface that stands in this network, when it is not the named one, and whether in it or around it. A route to it
/// by the named one that is at least as narrow takes what is sent there.
fn stands_elsewhere<'a>(view: &View<'a>, named: &str, entry: &str) -> Option<(&'static str, &'a str)> {
    let network = entry.parse::<Ipv4Net>().ok()?.trunc();
    let stands_in = |interface: &Interface| {
        interface.addresses.iter().map(|held| held.network.trunc()).find(|other| other.contains(&network))
    };
    if view.interface(named).is_some_and(|interface| stands_in(interface).is_some()) {
        return None;
    }
    let others = view.interfaces()?.iter();
    let (other, around) = others
        .filter(|interface| interface.name != named && !interface.is_loopback() && !view.is_pots_own(interface))
        .find_map(|interface| Some((interface, stands_in(interface)?)))?;
    let by_named = view.routes().iter().any(|route| {
        route.interface == named
            && route.destination.contains(&network)
            && route.destination.prefix_len() > around.prefix_len()
    });
    let what = if around == network { "the network of" } else { "a part of the network of" };
    (!by_named).then_some((what, other.name.as_str()))
}

/// The networks behind two extra interfaces overlap: the first rule would win for both.
pub(super) fn extra_networks_overlap(view: &View<'_>) -> Vec<Finding> {
    let list = view.list(EXTRA);
    let known: Vec<(&str, &str, Ipv4Net)> = list
        .iter()
        .filter_map(|interface| {
            let name = can_have_network(interface)?;
            let setting = view.setting(name.as_str())?;
            Some((setting.name.as_str(), *interface, setting.value.as_deref()?.parse().ok()?))
        })
        .collect();
    let mut findings = Vec::new();
    for (place, (name, interface, network)) in known.iter().enumerate() {
        if let Some((other_name, other, other_network)) =
            known.iter().take(place).find(|(_, _, earlier)| super::view::overlap(*earlier, *network))
        {
            findings.push(Finding::warning(
                "extra-networks-overlap",
                &[name, other_name],
                format!("{network} behind {interface} overlaps {other_network} behind {other}: the first rule wins. Narrow one."),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use crate::facts::{Fact, HostFacts, Interface, Ipv4Address};
    use crate::rules::example::{codes, fix_sets, found, found_on, healthy, host, pot, route, the};
    use crate::rules::{Finding, Severity};

    fn on(own: &str) -> Vec<Finding> {
        found_on(&healthy(), own)
    }

    fn add(facts: &mut HostFacts, name: &str, groups: &[&str], addresses: &[&str]) {
        facts.interfaces.value.as_mut().unwrap().push(Interface {
            name: name.to_owned(),
            up: true,
            description: String::new(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            addresses: addresses.iter().map(|text| Ipv4Address { network: text.parse().unwrap() }).collect(),
            addresses6: Vec::new(),
            members: Vec::new(),
        });
    }

    #[test]
    fn a_missing_interface_is_replaced_by_the_one_with_the_default_route() {
        let facts = host(|facts| {
            facts.interfaces = Fact::known(Vec::new(), "test");
            add(facts, "re0", &["re"], &["10.1.1.1/24"]);
            add(facts, "vtnet0", &["vtnet"], &["192.168.178.20/24"]);
            add(facts, "lo0", &["lo"], &["127.0.0.1/8"]);
            add(facts, "bridge0", &["bridge"], &[]);
            facts.routes = Fact::known(vec![route("0.0.0.0/0", Some("192.168.178.1"), "vtnet0")], "test");
        });
        // The default em0 is found, too: pot would stop.
        let findings = found_on(&facts, "");
        assert_eq!(codes(&findings), ["extif-missing"]);
        assert_eq!(
            findings[0].message,
            "POT_EXTIF em0 does not exist on this host, and `pot init` would stop. It has vtnet0 and re0; vtnet0 carries the \
             default route."
        );
        assert_eq!(fix_sets(&findings[0], "POT_EXTIF"), Some("vtnet0"));
        assert_eq!(found_on(&facts, "POT_EXTIF=vtnet0\n"), []);
    }

    #[test]
    fn without_a_default_route_nothing_is_chosen() {
        let facts = host(|facts| facts.routes = Fact::known(Vec::new(), "test"));
        let findings = found_on(&facts, "POT_EXTIF=em9\n");
        assert_eq!(the("extif-missing", &findings).fix, None);
    }

    #[test]
    fn an_interface_that_leads_nowhere_is_found() {
        let facts = host(|facts| {
            add(facts, "em1", &["em"], &[]);
            add(facts, "bridge7", &["bridge"], &["10.7.0.1/24"]);
            add(facts, "bridge8", &["bridge", "pot"], &["10.8.0.1/24"]);
        });
        assert_eq!(codes(&found_on(&facts, "POT_EXTIF=em1\n")), ["extif-without-address"]);
        assert_eq!(codes(&found_on(&facts, "POT_EXTIF=lo0\n")), ["extif-is-loopback"]);
        let own = found_on(&facts, "POT_EXTIF=bridge8\n");
        assert_eq!((codes(&own), own[0].severity), (vec!["extif-is-bridge"], Severity::Error));
        assert_eq!(found_on(&facts, "POT_EXTIF=vlan20\n"), []);
        assert_eq!(found_on(&facts, "POT_EXTIF=em1\nPOT_NETWORK_STACK=ipv6\n"), []);
    }

    /// em0 is the only member of bridge0, which carries the host's address.
    fn bridged() -> HostFacts {
        host(|facts| {
            let mut all = facts.interfaces.value.take().unwrap();
            let addresses = std::mem::take(&mut all[0].addresses);
            facts.interfaces.value = Some(all);
            add(facts, "bridge0", &["bridge"], &[]);
            let bridge = facts.interfaces.value.as_mut().unwrap().last_mut().unwrap();
            (bridge.addresses, bridge.members) = (addresses, vec!["em0".to_owned()]);
            facts.routes = Fact::known(vec![route("0.0.0.0/0", Some("192.168.178.1"), "bridge0")], "test");
        })
    }

    #[test]
    fn a_bridge_that_carries_the_hosts_address_is_right_for_ipv4_and_refused_for_dual() {
        assert_eq!(found_on(&bridged(), "POT_EXTIF=bridge0\n"), []);
        for stack in ["dual", "ipv6"] {
            let findings = found_on(&bridged(), &format!("POT_EXTIF=bridge0\nPOT_NETWORK_STACK={stack}\n"));
            let finding = the("stack-needs-ethernet", &findings);
            assert_eq!((codes(&findings), finding.severity), (vec!["stack-needs-ethernet"], Severity::Error));
            assert!(finding.message.contains("no bridge takes another"), "{finding:?}");
            assert!(finding.message.ends_with("Keep ipv4, or name em0, its member."), "{finding:?}");
        }
        // Its member is one of a bridge already, and that is what pot looks for; NAT has no address there.
        assert_eq!(codes(&found_on(&bridged(), "POT_NETWORK_STACK=dual\n")), ["extif-without-address"]);
        assert_eq!(found_on(&bridged(), "POT_NETWORK_STACK=ipv6\n"), []);
        // What is missing is replaced by the bridge only where it serves.
        let missing = |stack: &str| found_on(&bridged(), &format!("POT_EXTIF=em9\nPOT_NETWORK_STACK={stack}\n"));
        assert_eq!(fix_sets(the("extif-missing", &missing("ipv4")), "POT_EXTIF"), Some("bridge0"));
        assert_ne!(fix_sets(the("extif-missing", &missing("dual")), "POT_EXTIF"), Some("bridge0"));
    }

    #[test]
    fn a_tunnel_can_be_no_member_of_a_bridge_but_translates_ipv4() {
        for (name, group) in
            [("tun0", "tun"), ("wg0", "wg"), ("tailscale0", "tun"), ("gre3", "gre"), ("ng0", "ng_iface")]
        {
            let facts = host(|facts| add(facts, name, &[group], &["10.7.0.2/32"]));
            assert_eq!(found_on(&facts, &format!("POT_EXTIF={name}\n")), [], "{name}");
            let dual = found_on(&facts, &format!("POT_EXTIF={name}\nPOT_NETWORK_STACK=dual\n"));
            assert_eq!((codes(&dual), dual[0].severity), (vec!["stack-needs-ethernet"], Severity::Error), "{name}");
        }
        // if_bridge takes these: Ethernet, and gif by a special case of its own.
        for (name, group) in [("tap0", "tap"), ("vlan7", "vlan"), ("gif0", "gif"), ("lagg0", "lagg"), ("wlan0", "wlan")]
        {
            let facts = host(|facts| add(facts, name, &[group], &["10.7.0.2/32"]));
            assert_eq!(found_on(&facts, &format!("POT_EXTIF={name}\nPOT_NETWORK_STACK=dual\n")), [], "{name}");
        }
    }

    #[test]
    fn the_address_for_nat_must_be_on_the_interface() {
        let findings = on("POT_EXTIF_ADDR=192.168.178.99\n");
        assert_eq!(codes(&findings), ["extif-addr-not-on-extif"]);
        assert_eq!(findings[0].fix.as_ref().unwrap().unset, ["POT_EXTIF_ADDR"]);
        assert_eq!(codes(&on("POT_EXTIF_ADDR=fd00::1\n")), ["extif-addr-not-ipv4"]);
        assert_eq!(on("POT_EXTIF_ADDR=192.168.178.20\n"), []);
    }

    #[test]
    fn with_several_addresses_the_one_that_nat_uses_is_named() {
        let facts = host(|facts| {
            let em0 = facts.interfaces.value.as_mut().unwrap().first_mut().unwrap();
            for more in ["192.168.178.21/32", "192.168.178.22/32"] {
                em0.addresses.push(Ipv4Address { network: more.parse().unwrap() });
            }
            facts.pots = Fact::known(vec![pot("build", "alias", "192.168.178.21")], "test");
        });
        let findings = found_on(&facts, "");
        assert_eq!(codes(&findings), ["extif-has-several-addresses"]);
        assert_eq!(findings[0].severity, Severity::Notice);
        assert_eq!(
            findings[0].message,
            "em0 has 2 IPv4 addresses. NAT uses its first, 192.168.178.20; POT_EXTIF_ADDR can name 192.168.178.22 instead."
        );
        assert_eq!(found_on(&facts, "POT_EXTIF_ADDR=192.168.178.22\n"), []);
    }

    #[test]
    fn an_unknown_stack_is_silently_ipv4() {
        let findings = found("POT_NETWORK_STACK=IPv6\n");
        assert_eq!(codes(&findings), ["stack-unknown"]);
        assert_eq!(fix_sets(&findings[0], "POT_NETWORK_STACK"), Some("ipv6"));
        assert_eq!(the("stack-unknown", &found("POT_NETWORK_STACK=both\n")).fix, None);
        assert_eq!(found("POT_NETWORK_STACK=dual\n"), []);
    }

    #[test]
    fn an_interface_with_an_address_is_bridged_unless_the_release_or_root_says_no() {
        let version = |kernel: &'static str, allowed: Option<bool>| {
            host(move |facts| {
                facts.system.value.as_mut().unwrap().kernel = kernel.to_owned();
                facts.bridge_member_addresses = Fact::known(allowed, "test");
            })
        };
        let own = "POT_NETWORK_STACK=dual\n";
        assert_eq!(codes(&found_on(&version("15.0-RELEASE", Some(false)), own)), ["stack-needs-bare-interface"]);
        assert_eq!(codes(&found_on(&version("16.0-CURRENT", Some(true)), own)), ["stack-needs-bare-interface"]);
        assert_eq!(found_on(&version("15.0-RELEASE", Some(true)), own), []);
        // Before the module is loaded the variable does not exist: it begins with 1.
        assert_eq!(found_on(&version("15.0-RELEASE", None), own), []);
        assert_eq!(found_on(&version("15.0-RELEASE", Some(false)), ""), []);
        assert_eq!(found_on(&version("14.3-RELEASE", None), own), []);
    }

    #[test]
    fn a_finding_on_the_stack_stops_nothing_that_does_not_use_it() {
        let facts = host(|facts| {
            facts.system.value.as_mut().unwrap().kernel = "15.0-RELEASE".to_owned();
            facts.bridge_member_addresses = Fact::known(Some(false), "test");
        });
        let findings = found_on(&facts, "POT_NETWORK_STACK=dual\n");
        let finding = the("stack-needs-bare-interface", &findings);
        // pot init uses the interface, but not the stack; pot vnet-start uses both.
        assert!(!finding.concerns(&["POT_ZFS_ROOT", "POT_EXTIF", "POT_NETWORK"]));
        assert!(finding.concerns(&["POT_EXTIF", "POT_NETWORK_STACK"]));
        let unknown = found("POT_NETWORK_STACK=both\n");
        assert!(!the("stack-unknown", &unknown).concerns(&["POT_EXTIF", "POT_NETWORK"]));
        let of_file = found("POT_EXTIF='em0\n");
        assert!(the("shell-syntax", &of_file).concerns(&["POT_GROUP"]), "what is no parameter's concerns everybody");
    }

    const EXTRA: &str =
        "POT_EXTRA_EXTIF=\"vlan20 vlan30\"\nPOT_NETWORK_vlan20=10.0.20.0/24\nPOT_NETWORK_vlan30=10.0.30.0/24\n";

    #[test]
    fn the_guides_extra_interfaces_are_sound() {
        assert_eq!(on(EXTRA), []);
    }

    #[test]
    fn an_extra_interface_without_its_network_gets_the_hosts() {
        let findings = on(&EXTRA.replace("POT_NETWORK_vlan30=10.0.30.0/24\n", ""));
        assert_eq!(codes(&findings), ["extra-without-network"]);
        assert_eq!(findings[0].parameters, ["POT_NETWORK_vlan30", "POT_EXTRA_EXTIF"]);
        assert_eq!(
            findings[0].message,
            "Without a network, pots do not reach vlan30: `pot vnet-start` makes no rule for it. Set POT_NETWORK_vlan30 to \
             the network behind it."
        );
        assert_eq!(fix_sets(&findings[0], "POT_NETWORK_vlan30"), Some("10.0.30.0/24"));
        // A computed one is not called missing.
        let computed = on(&EXTRA.replace("10.0.30.0/24", "$(vlan_net 30)"));
        assert_eq!(codes(&computed), ["computed-value"]);
    }

    #[test]
    fn extra_interfaces_must_be_there_and_others() {
        assert_eq!(codes(&on(&EXTRA.replace("vlan30", "vlan50"))), ["extra-missing"]);
        let twice =
            on("POT_EXTRA_EXTIF=\"em0 vlan20\"\nPOT_NETWORK_vlan20=10.0.20.0/24\nPOT_NETWORK_em0=10.3.0.0/16\n");
        assert_eq!(codes(&twice), ["extra-is-extif"]);
        assert_eq!(fix_sets(&twice[0], "POT_EXTRA_EXTIF"), Some("vlan20"));
        let twice = on(&EXTRA.replace("vlan20 vlan30", "vlan20 vlan30 vlan20"));
        assert_eq!(codes(&twice), ["extra-twice"]);
        assert_eq!(fix_sets(&twice[0], "POT_EXTRA_EXTIF"), Some("vlan20 vlan30"));
    }

    #[test]
    fn a_name_that_sh_cannot_have_in_a_variable_is_refused() {
        let findings = found("POT_EXTRA_EXTIF=em0.20\n");
        assert_eq!(codes(&findings), ["extra-name-unusable"]);
        assert!(findings[0].message.contains("$POT_NETWORK_em0.20"));
        assert_eq!(codes(&found("POT_EXTRA_EXTIF='x;id'\n")), ["extra-name-unusable"]);
        assert!(codes(&found("POT_EXTRA_EXTIF=STACK\n")).contains(&"extra-name-unusable"));
    }

    #[test]
    fn a_network_without_its_interface_has_no_effect() {
        let findings = on("POT_NETWORK_vlan20=10.0.20.0/24\n");
        assert_eq!(codes(&findings), ["extra-network-unused"]);
        assert_eq!(findings[0].parameters, ["POT_NETWORK_vlan20", "POT_EXTRA_EXTIF"]);
    }

    #[test]
    fn extra_networks_are_networks_and_apart() {
        assert_eq!(codes(&on(&EXTRA.replace("10.0.30.0/24", "10.0.0.0/16"))), ["extra-networks-overlap"]);
        assert!(codes(&on(&EXTRA.replace("10.0.30.0/24", "vlan30net"))).contains(&"not-a-network"));
        assert_eq!(codes(&on(&EXTRA.replace("10.0.30.0/24", "fd00::/64"))), ["network-is-ipv6"]);
        let bits = on(&EXTRA.replace("10.0.30.0/24", "10.0.30.8/24"));
        assert_eq!(fix_sets(the("network-with-host-bits", &bits), "POT_NETWORK_vlan30"), Some("10.0.30.0/24"));
    }

    #[test]
    fn a_list_with_commas_is_offered_split() {
        let own = "POT_VPN_EXTIF=tun0\nPOT_VPN_NETWORKS=10.8.0.0/24,10.9.0.0/24\n";
        let findings = on(own);
        let finding = the("not-a-network", &findings);
        assert_eq!(fix_sets(finding, "POT_VPN_NETWORKS"), Some("10.8.0.0/24 10.9.0.0/24"));
        let fixed = crate::rules::example::fixed(own, std::slice::from_ref(finding));
        assert_eq!(codes(&on(&fixed)), ["vpn-interface-missing"], "{fixed}");
        // After a comma people write a blank.
        let findings = on(&own.replace("10.8.0.0/24,10.9.0.0/24", "\"10.8.0.0/24, 10.9.0.0/24;10.8.0.0/24\""));
        assert!(findings.iter().any(|one| fix_sets(one, "POT_VPN_NETWORKS") == Some("10.8.0.0/24 10.9.0.0/24")));
        let findings = on(&EXTRA.replace("vlan20 vlan30", "vlan20,vlan30"));
        let finding = the("extra-name-unusable", &findings);
        assert_eq!(fix_sets(finding, "POT_EXTRA_EXTIF"), Some("vlan20 vlan30"));
        let fixed = crate::rules::example::fixed(
            &EXTRA.replace("vlan20 vlan30", "vlan20,vlan30"),
            std::slice::from_ref(finding),
        );
        assert_eq!(on(&fixed), [], "{fixed}");
        // Not a list: pf would not take two networks without braces, with or without commas.
        let findings = on(&EXTRA.replace("10.0.30.0/24", "10.0.30.0/24,10.0.31.0/24"));
        let finding = the("not-a-network", &findings);
        assert!(finding.message.ends_with("It takes one network alone.") && finding.fix.is_none(), "{finding:?}");
        // What is no network without its commas either is not offered.
        let findings = on("POT_VPN_EXTIF=tun0\nPOT_VPN_NETWORKS=home,10.9.0.0/24\n");
        assert_eq!(the("not-a-network", &findings).fix, None);
    }

    #[test]
    fn a_vpn_network_that_is_the_hosts_own_lan_is_found() {
        let vpn = |networks: &str| format!("POT_VPN_EXTIF=tun0\nPOT_VPN_NETWORKS=\"{networks}\"\n");
        let findings = on(&vpn("192.168.178.0/24 10.9.0.0/24"));
        let finding = the("network-of-another-interface", &findings);
        assert_eq!((finding.severity, finding.parameters[0].as_str()), (Severity::Warning, "POT_VPN_NETWORKS"));
        assert_eq!(
            finding.message,
            "`192.168.178.0/24` of POT_VPN_NETWORKS is the network of em0. What pots send there leaves by em0, and the rule \
             for tun0 never applies. Take it out, unless tun0 brings a route to it."
        );
        assert_eq!(fix_sets(finding, "POT_VPN_NETWORKS"), Some("10.9.0.0/24"));
        let fixed = crate::rules::example::fixed(&vpn("192.168.178.0/24 10.9.0.0/24"), std::slice::from_ref(finding));
        assert_eq!(codes(&on(&fixed)), ["vpn-interface-missing"]);
        // With it alone nothing would be left of the VPN; that is nobody's to decide here.
        assert_eq!(the("network-of-another-interface", &on(&vpn("192.168.178.0/24"))).fix, None);
        assert!(
            the("network-of-another-interface", &on(&vpn("10.0.20.64/26")))
                .message
                .contains("a part of the network of vlan20")
        );
        // The guide's example holds the LAN and more; the rule serves for the rest.
        assert_eq!(codes(&on(&vpn("192.168.0.0/16"))), ["vpn-interface-missing"]);
        // A tunnel that brings a narrower route takes what is sent there; one that stands in the network, too.
        let routed = host(|facts| {
            add(facts, "tun0", &["tun"], &["10.8.0.2/24"]);
            facts.routes.value.as_mut().unwrap().push(route("192.168.178.128/25", Some("10.8.0.1"), "tun0"));
        });
        assert_eq!(found_on(&routed, &vpn("192.168.178.128/25")), []);
        assert_eq!(found_on(&routed, &vpn("10.8.0.0/24")), []);
        assert_eq!(codes(&found_on(&routed, &vpn("192.168.178.0/24"))), ["network-of-another-interface"]);
        // The same for the network of an extra interface.
        let findings = on(&EXTRA.replace("10.0.30.0/24", "192.168.178.0/24"));
        let finding = the("network-of-another-interface", &findings);
        assert_eq!(fix_sets(finding, "POT_NETWORK_vlan30"), Some("10.0.30.0/24"), "{finding:?}");
    }

    #[test]
    fn a_vpn_wants_both_of_its_parameters() {
        assert_eq!(codes(&found("POT_VPN_EXTIF=tun0\n")), ["vpn-without-networks"]);
        // The quotes are what is missing there.
        let slip = "POT_VPN_EXTIF=tun0\nPOT_VPN_NETWORKS=192.168.0.0/24 192.168.10.0/24\n";
        assert_eq!(codes(&found(slip)), ["unquoted-blank"]);
        assert_eq!(codes(&found("POT_VPN_NETWORKS=192.168.0.0/24\n")), ["vpn-without-interface"]);
        assert_eq!(found("POT_VPN_EXTIF=tun0\nPOT_VPN_NETWORKS=\"192.168.0.0/24 10.10.0.0/16\"\n"), []);
        let findings = on("POT_VPN_EXTIF=tun0\nPOT_VPN_NETWORKS=192.168.0.0/24\n");
        assert_eq!((codes(&findings), findings[0].severity), (vec!["vpn-interface-missing"], Severity::Notice));
        let wrong = found("POT_VPN_EXTIF=tun0\nPOT_VPN_NETWORKS=\"home 192.168.1.7\"\n");
        assert_eq!(codes(&wrong), ["not-a-network", "network-without-prefix"]);
    }
}
