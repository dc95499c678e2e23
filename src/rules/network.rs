//! Rules about the pots' network: POT_NETWORK, POT_NETMASK, POT_GATEWAY, the DNS pot's address, and what of the host
//! or of existing pots lies in the way.

use super::free_network::{choose_another, example, free, offering_another, renumbered};
use super::view::{NAMED, View, enumerated, first_address, grouped, overlap, plural};
use super::{Finding, Subject};
use ipnet::{IpNet, Ipv4Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const NETWORK: &str = "POT_NETWORK";
const NETMASK: &str = "POT_NETMASK";
const GATEWAY: &str = "POT_GATEWAY";
const DNS_IP: &str = "POT_DNS_IP";

/// The gateway that is certain to be free: the network's first address, unless somebody has it. In a network that this
/// host uses otherwise the network is what has to change.
fn free_gateway(view: &View<'_>, network: Ipv4Net) -> Option<String> {
    let first = first_address(network)?;
    (view.knows_addresses() && !view.is_in_use(network) && !view.is_taken(first, GATEWAY)).then(|| first.to_string())
}

/// POT_NETWORK is no network. potnet takes its default then, `ifconfig` and pf fail (guide, "POT_NETWORK": an IPv4
/// network; potnet 0.5 parses with a prefix length).
pub(super) fn network_is_no_network(view: &View<'_>) -> Vec<Finding> {
    let Some(value) = view.text(NETWORK) else { return Vec::new() };
    if value.parse::<IpNet>().is_ok() {
        return Vec::new();
    }
    let completed = value.parse::<Ipv4Addr>().ok().and_then(|address| completed(view, address));
    let fix = completed.and_then(|network| renumbered(view, network));
    let message = if value.parse::<IpAddr>().is_ok() {
        let such = completed.map_or_else(|| example(view), |network| network.to_string());
        format!("POT_NETWORK `{value}` lacks its prefix length, as in `{such}`. potnet would not read it.")
    } else {
        format!("POT_NETWORK `{value}` is not a network such as `{}`.", example(view))
    };
    let finding = Finding::error("not-a-network", &[NETWORK], message);
    vec![match fix {
        Some(_) => Finding { fix, ..finding },
        None => offering_another(view, finding),
    }]
}

/// A network written without its prefix length: the netmask gives it where the two fit, else the zeros at its end, by
/// octets as people write them. Of several the largest that this host does not use otherwise.
fn completed(view: &View<'_>, address: Ipv4Addr) -> Option<Ipv4Net> {
    let of_mask = view.address(NETMASK).and_then(|mask| Ipv4Net::with_netmask(address, mask).ok());
    let zeros = u32::from(address).trailing_zeros() / 8;
    let of_octets = (1..=zeros.min(3)).rev().filter_map(|octets| {
        let length = 32_u8.checked_sub(u8::try_from(octets * 8).ok()?)?;
        Ipv4Net::new(address, length).ok()
    });
    let mut networks = of_mask.into_iter().chain(of_octets).filter(|network| network.trunc() == *network);
    networks.find(|network| !view.is_in_use(*network))
}

/// POT_NETWORK, POT_GATEWAY or POT_DNS_IP is IPv6: potnet accepts it, every script assumes IPv4 (vnet-start.sh: `inet
/// "$POT_GATEWAY" netmask "$POT_NETMASK"`).
pub(super) fn ipv6_given(view: &View<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(value) = view.text(NETWORK).filter(|value| matches!(value.parse(), Ok(IpNet::V6(_)))) {
        let finding = Finding::error(
            "network-is-ipv6",
            &[NETWORK],
            format!(
                "POT_NETWORK `{value}` is an IPv6 network. `pot vnet-start` sets up IPv4 only and would fail with it. Write an \
                 IPv4 network such as `{}`.",
                example(view)
            ),
        );
        findings.push(offering_another(view, finding));
    }
    for name in [GATEWAY, DNS_IP] {
        if let Some(value) = view.text(name).filter(|value| value.parse::<Ipv6Addr>().is_ok()) {
            findings.push(Finding::error(
                "address-is-ipv6",
                &[name],
                format!(
                    "{name} `{value}` is an IPv6 address. The pots' own network is IPv4 only: write an IPv4 address."
                ),
            ));
        }
    }
    findings
}

/// POT_GATEWAY, POT_DNS_IP or POT_NETMASK is no address at all.
pub(super) fn no_address(view: &View<'_>) -> Vec<Finding> {
    [GATEWAY, NETMASK, DNS_IP]
        .into_iter()
        .filter_map(|name| {
            let value = view.text(name)?;
            if value.parse::<IpAddr>().is_ok() {
                return None;
            }
            let finding =
                Finding::error("not-an-address", &[name], format!("{name} `{value}` is not an IPv4 address."));
            Some(match name {
                NETMASK => {
                    finding.perhaps_fixed_by(NETMASK, view.network().map(|network| network.netmask().to_string()))
                }
                GATEWAY => {
                    finding.perhaps_fixed_by(GATEWAY, view.network().and_then(|network| free_gateway(view, network)))
                }
                _ => finding,
            })
        })
        .collect()
}

/// POT_GATEWAY lies outside POT_NETWORK (guide, "POT_GATEWAY"; `potnet config-check`, exit 1; init.sh stops then).
pub(super) fn gateway_outside_network(view: &View<'_>) -> Vec<Finding> {
    let (Some(network), Some(gateway)) = (view.network(), view.address(GATEWAY)) else { return Vec::new() };
    if network.contains(&gateway) {
        return Vec::new();
    }
    vec![
        Finding::error(
            "gateway-outside-network",
            &[GATEWAY, NETWORK],
            format!("{gateway} lies outside POT_NETWORK {}. `pot init` would stop here.", network.trunc()),
        )
        .perhaps_fixed_by(GATEWAY, free_gateway(view, network)),
    ]
}

/// POT_GATEWAY is the network's own or its broadcast address, which no host can have. potnet accepts both.
pub(super) fn gateway_is_no_host(view: &View<'_>) -> Vec<Finding> {
    let (Some(network), Some(gateway)) = (view.network(), view.address(GATEWAY)) else { return Vec::new() };
    if network.prefix_len() > 30 {
        return Vec::new();
    }
    let (code, what) = if gateway == network.network() {
        ("gateway-is-network-address", "the network address of POT_NETWORK")
    } else if gateway == network.broadcast() {
        ("gateway-is-broadcast-address", "the broadcast address of POT_NETWORK")
    } else {
        return Vec::new();
    };
    vec![
        Finding::error(
            code,
            &[GATEWAY, NETWORK],
            format!("{gateway} is {what} {}. potnet accepts it, but no host can have it.", network.trunc()),
        )
        .perhaps_fixed_by(GATEWAY, free_gateway(view, network)),
    ]
}

/// POT_NETMASK is empty, not a mask, or not that of POT_NETWORK (guide, "POT_NETMASK": it has to be consistent, and
/// could be derived; `potnet config-check`, exit 1).
pub(super) fn netmask_differs(view: &View<'_>) -> Vec<Finding> {
    let Some(network) = view.network() else { return Vec::new() };
    let derived = network.netmask();
    let (code, message) = match view.value(NETMASK) {
        None if view.is_removed(NETMASK) => (
            "netmask-missing",
            format!("`unset` takes POT_NETMASK away. The one of POT_NETWORK {} is {derived}.", network.trunc()),
        ),
        None => return Vec::new(),
        Some("") => (
            "netmask-missing",
            format!("POT_NETMASK is empty. The one of POT_NETWORK {} is {derived}.", network.trunc()),
        ),
        Some(_) => {
            let Some(mask) = view.address(NETMASK) else { return Vec::new() };
            if mask == derived {
                return Vec::new();
            }
            let bits = u32::from(mask);
            if bits.leading_ones() + bits.trailing_zeros() < 32 {
                (
                    "netmask-not-contiguous",
                    format!(
                        "{mask} is not a netmask: its ones do not stand together. That of POT_NETWORK is {derived}."
                    ),
                )
            } else {
                (
                    "netmask-differs",
                    format!(
                        "{mask} is the netmask of a /{}, but POT_NETWORK is {}. `pot init` would stop here.",
                        bits.leading_ones(),
                        network.trunc()
                    ),
                )
            }
        }
    };
    vec![Finding::error(code, &[NETMASK, NETWORK], message).fixed_by(NETMASK, derived.to_string())]
}

/// POT_NETWORK is written with host bits set. potnet accepts it; pf and syslogd cut the bits off.
pub(super) fn network_with_host_bits(view: &View<'_>) -> Vec<Finding> {
    let Some(network) = view.network() else { return Vec::new() };
    let cut = network.trunc();
    if cut == network {
        return Vec::new();
    }
    vec![
        Finding::warning(
            "network-with-host-bits",
            &[NETWORK],
            format!("{network} is an address in the network {cut}, not the network itself."),
        )
        .fixed_by(NETWORK, cut.to_string()),
    ]
}

/// The networks of RFC 1918.
const PRIVATE: [(Ipv4Addr, u8); 3] =
    [(Ipv4Addr::new(10, 0, 0, 0), 8), (Ipv4Addr::new(172, 16, 0, 0), 12), (Ipv4Addr::new(192, 168, 0, 0), 16)];

fn within(network: Ipv4Net, (address, prefix): (Ipv4Addr, u8)) -> bool {
    Ipv4Net::new(address, prefix).is_ok_and(|larger| larger.contains(&network))
}

/// POT_NETWORK is not a private network (guide, "POT_NETWORK": "it's wise to choose a private network segment";
/// RFC 1918, RFC 6598, RFC 6890).
pub(super) fn network_not_private(view: &View<'_>) -> Vec<Finding> {
    let Some(network) = view.network().filter(|_| view.is_own(NETWORK)) else { return Vec::new() };
    let cut = network.trunc();
    let reserved = [
        (Ipv4Addr::UNSPECIFIED, 8, "means “this host” and is never forwarded"),
        (Ipv4Addr::new(127, 0, 0, 0), 8, "is the loopback network"),
        (Ipv4Addr::new(169, 254, 0, 0), 16, "is for link-local addresses and is never forwarded"),
        (Ipv4Addr::new(224, 0, 0, 0), 4, "is for multicast"),
        (Ipv4Addr::new(240, 0, 0, 0), 4, "is reserved"),
    ];
    for (address, prefix, why) in reserved {
        if Ipv4Net::new(address, prefix).is_ok_and(|other| overlap(other, network)) {
            let finding = Finding::error(
                "network-reserved",
                &[NETWORK],
                format!(
                    "POT_NETWORK {cut} cannot be used for pots: {address}/{prefix} {why}. Choose one within 10.0.0.0/8, \
                     172.16.0.0/12 or 192.168.0.0/16{}.",
                    such_as(view)
                ),
            );
            return vec![offering_another(view, finding)];
        }
    }
    if within(network, (Ipv4Addr::new(100, 64, 0, 0), 10)) {
        return vec![Finding::notice(
            "network-of-carriers",
            &[NETWORK],
            format!(
                "POT_NETWORK {cut} lies in 100.64.0.0/10, which providers and overlay networks such as Tailscale use \
                 between their customers. It \
                 serves where this host uses neither."
            ),
        )];
    }
    if PRIVATE.into_iter().any(|private| within(network, private)) {
        return Vec::new();
    }
    let finding = Finding::warning(
        "network-not-private",
        &[NETWORK],
        format!(
            "POT_NETWORK {cut} is not a private network (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16). Neither this host nor \
             its pots could reach the real hosts that have these addresses. Choose one within those three{}.",
            such_as(view)
        ),
    );
    vec![offering_another(view, finding)]
}

/// ", such as 10.192.0.0/16" where one is known to be free.
fn such_as(view: &View<'_>) -> String {
    free(view).first().map(|free| format!(", such as {free}")).unwrap_or_default()
}

/// POT_NETWORK has no room for the gateway and one pot besides network and broadcast address.
pub(super) fn network_too_small(view: &View<'_>) -> Vec<Finding> {
    let Some(network) = view.network().filter(|network| network.prefix_len() > 30) else { return Vec::new() };
    let finding = Finding::error(
        "network-too-small",
        &[NETWORK],
        format!("POT_NETWORK {} has no room for the gateway and one pot; that takes a /30 at least.", network.trunc()),
    );
    vec![offering_another(view, finding)]
}

/// The networks of the host's interfaces that have addresses in common with this one, by interface; without loopback and
/// pot's own.
pub(crate) fn overlaps(subject: &Subject<'_>, network: Ipv4Net) -> Vec<(String, Ipv4Net)> {
    let view = View::new(subject);
    let found = view.overlapping_interfaces(network).into_iter();
    found.map(|(interface, own)| (interface.name.clone(), own.trunc())).collect()
}

/// POT_NETWORK overlaps a network of a host interface: the bridge would take the route to it (guide, "POT_NETWORK":
/// "that doesn't conflict with your current network setup"; potnet does not look).
pub(super) fn network_overlaps_interface(view: &View<'_>) -> Vec<Finding> {
    let Some(network) = view.network() else { return Vec::new() };
    let overlapping = view.overlapping_interfaces(network);
    overlapping
        .into_iter()
        .map(|(interface, other)| {
            let finding = Finding::error(
                "network-overlaps-interface",
                &[NETWORK],
                format!(
                    "POT_NETWORK {} overlaps {other} of {}. The pots' bridge would take the route to it. {}",
                    network.trunc(),
                    interface.name,
                    choose_another(view)
                ),
            );
            offering_another(view, finding)
        })
        .collect()
}

/// POT_NETWORK overlaps the network behind an extra interface or a VPN: pots could not reach it.
pub(super) fn network_overlaps_listed(view: &View<'_>) -> Vec<Finding> {
    let Some(network) = view.network() else { return Vec::new() };
    let mut findings = Vec::new();
    let listed = view.list("POT_EXTRA_EXTIF");
    for (setting, interface) in view.extra_networks() {
        let other = setting.value.as_deref().and_then(|value| value.parse::<Ipv4Net>().ok());
        if let Some(other) = other.filter(|other| listed.contains(&interface) && overlap(network, *other)) {
            let finding = Finding::error(
                "network-overlaps-extra",
                &[NETWORK, &setting.name],
                format!(
                    "POT_NETWORK {} overlaps {other}, the network behind {interface}. Pots could not tell them apart. {}",
                    network.trunc(),
                    choose_another(view)
                ),
            );
            findings.push(offering_another(view, finding));
        }
    }
    if view.text("POT_VPN_EXTIF").is_some() {
        for entry in view.list("POT_VPN_NETWORKS") {
            let other = entry.parse::<Ipv4Net>().or_else(|_| entry.parse::<Ipv4Addr>().map(Ipv4Net::from));
            if let Some(other) = other.ok().filter(|other| overlap(network, *other)) {
                let finding = Finding::error(
                    "network-overlaps-vpn",
                    &[NETWORK, "POT_VPN_NETWORKS"],
                    format!(
                        "POT_NETWORK {} overlaps {other} of POT_VPN_NETWORKS. Pots could not tell them apart. {}",
                        network.trunc(),
                        choose_another(view)
                    ),
                );
                findings.push(offering_another(view, finding));
            }
        }
    }
    findings
}

/// A route leads into POT_NETWORK or around it, with a next hop or, as by tailscale0 or wg0, without one: the bridge's own
/// route wins or loses against it by prefix length, and takes the place of an equal one (FreeBSD's route_ctl.c: routes of
/// interface addresses are pinned).
pub(super) fn network_overlaps_route(view: &View<'_>) -> Vec<Finding> {
    let Some(network) = view.network() else { return Vec::new() };
    view.overlapping_routes(network)
        .into_iter()
        .map(|route| {
            let finding = Finding::warning(
                "network-overlaps-route",
                &[NETWORK],
                format!(
                    "This host has a route to {} through {}, which overlaps POT_NETWORK {}. One of them would be unreachable. \
                     {}",
                    route.destination,
                    route.interface,
                    network.trunc(),
                    choose_another(view)
                ),
            );
            offering_another(view, finding)
        })
        .collect()
}

/// The address of the admin's browser lies in POT_NETWORK: once the bridge is up, answers to it go to the pots.
pub(super) fn admin_inside_network(view: &View<'_>) -> Vec<Finding> {
    let Some(network) = view.network() else { return Vec::new() };
    let Some(admin) = view.admin_in(network) else { return Vec::new() };
    let finding = Finding::error(
        "admin-inside-network",
        &[NETWORK],
        format!(
            "Your own address {admin} lies in POT_NETWORK {}. `pot vnet-start` would send the answers to you to the pots' \
             bridge and cut you off. {}",
            network.trunc(),
            choose_another(view)
        ),
    );
    vec![offering_another(view, finding)]
}

/// The default gateway lies in POT_NETWORK: the bridge's route to it would cut the host off.
pub(super) fn default_gateway_inside_network(view: &View<'_>) -> Vec<Finding> {
    let Some(network) = view.network() else { return Vec::new() };
    let Some(gateway) = view.default_gateway_in(network) else { return Vec::new() };
    let finding = Finding::error(
        "default-gateway-inside-network",
        &[NETWORK],
        format!(
            "The default gateway of this host, {gateway}, lies in POT_NETWORK {}. `pot vnet-start` would cut the host off. \
             {}",
            network.trunc(),
            choose_another(view)
        ),
    );
    vec![offering_another(view, finding)]
}

/// A resolver lies in POT_NETWORK: the host would look for it among the pots. Not so for the DNS pot.
pub(super) fn resolver_inside_network(view: &View<'_>) -> Vec<Finding> {
    let Some(network) = view.network() else { return Vec::new() };
    let inside = view.resolvers_in(network);
    if inside.is_empty() {
        return Vec::new();
    }
    let finding = Finding::error(
        "resolver-inside-network",
        &[NETWORK],
        format!(
            "The name {} {} of /etc/resolv.conf {} in POT_NETWORK {}. `pot vnet-start` would take the route to {}. {}",
            plural(inside.len(), "server", "servers"),
            enumerated(&inside),
            plural(inside.len(), "lies", "lie"),
            network.trunc(),
            plural(inside.len(), "it", "them"),
            choose_another(view)
        ),
    );
    vec![offering_another(view, finding)]
}

/// POT_DNS_IP, as pot.conf sets it, lies outside POT_NETWORK. `potnet config-check` prints an error, yet exits 0; a
/// default outside is dropped by potnet without a word, and is no finding unless the DNS pot exists.
pub(super) fn dns_outside_network(view: &View<'_>) -> Vec<Finding> {
    let (Some(network), Some(dns)) = (view.network(), view.address(DNS_IP)) else { return Vec::new() };
    if network.contains(&dns) {
        return Vec::new();
    }
    let is_used = view.text("POT_DNS_NAME").is_some_and(|name| view.pots().iter().any(|pot| pot.name == name));
    let own = view.setting(DNS_IP).is_some_and(|setting| setting.source == crate::potconf::Source::PotConf);
    if own {
        let finding = Finding::error(
            "dns-outside-network",
            &[DNS_IP, NETWORK],
            format!(
                "{dns} lies outside POT_NETWORK {}. `potnet config-check` calls that an error, and pots could not reach the \
                 DNS pot there.",
                network.trunc()
            ),
        );
        return vec![if is_used { finding } else { finding.fixed_without(DNS_IP) }];
    }
    if !is_used {
        return Vec::new();
    }
    vec![Finding::warning(
        "dns-outside-network",
        &[DNS_IP, NETWORK],
        format!(
            "The default {dns} lies outside POT_NETWORK {}, so that pots look in vain for the DNS pot `{}` there.",
            network.trunc(),
            view.text("POT_DNS_NAME").unwrap_or_default()
        ),
    )]
}

/// POT_DNS_IP is the gateway's address: a pot cannot have it.
pub(super) fn dns_is_gateway(view: &View<'_>) -> Vec<Finding> {
    let Some(dns) = view.address(DNS_IP).filter(|dns| view.address(GATEWAY) == Some(*dns)) else { return Vec::new() };
    let (first, second) = if view.is_own(DNS_IP) { (DNS_IP, GATEWAY) } else { (GATEWAY, DNS_IP) };
    // The default is only a reservation for a deprecated feature; nothing fails while no pot uses it.
    let message =
        format!("{dns} is both POT_GATEWAY and POT_DNS_IP. The DNS pot cannot have the gateway's address: change one.");
    vec![if view.is_own(DNS_IP) {
        Finding::error("dns-is-gateway", &[first, second], message)
    } else {
        Finding::warning("dns-is-gateway", &[first, second], message)
    }]
}

/// The DNS pot is configured although the feature is deprecated (guide, "dns pot \[DEPRECATED\]").
pub(super) fn dns_deprecated(view: &View<'_>) -> Vec<Finding> {
    ["POT_DNS_NAME", DNS_IP]
        .into_iter()
        .filter(|name| view.is_own(name) && view.text(name).is_some())
        .map(|name| {
            Finding::notice(
                "deprecated",
                &[name],
                format!(
                    "{name} belongs to the DNS pot, an experiment that pot calls deprecated. Without one, take it out."
                ),
            )
        })
        .collect()
}

/// Existing pots on bridges whose addresses lie outside POT_NETWORK: they keep them and lose their gateway, or their NAT.
pub(super) fn pots_outside_network(view: &View<'_>) -> Vec<Finding> {
    let Some(network) = view.network() else { return Vec::new() };
    let mut outside = crate::facts::pots_outside(view.pots(), network);
    if outside.is_empty() {
        return Vec::new();
    }
    outside.sort_unstable();
    let count = outside.len();
    let addresses = plural(count, "has its address", "have their addresses");
    let network = network.trunc();
    // With many of them the count comes first: it is what other pages say.
    let who = if count > NAMED {
        format!("{} pots {addresses} outside POT_NETWORK {network}: {}", grouped(count as u64), enumerated(&outside))
    } else {
        let pots = plural(count, "The pot", "The pots");
        format!("{pots} {} {addresses} outside POT_NETWORK {network}", enumerated(&outside))
    };
    vec![Finding::warning("pots-outside-network", &[NETWORK], format!("{who}. {}", crate::facts::left_outside(count)))]
}

/// Private bridges whose networks lie outside POT_NETWORK: `potnet new-net` gives out parts of it, NAT covers only it
/// (vnet-start.sh: `nat on $ext_if from $localnet`).
pub(super) fn private_bridges_outside_network(view: &View<'_>) -> Vec<Finding> {
    let Some(network) = view.network() else { return Vec::new() };
    let outside: Vec<String> = view
        .facts
        .and_then(|facts| facts.private_bridges.get())
        .into_iter()
        .flatten()
        .filter(|bridge| !network.contains(&bridge.network))
        .map(|bridge| format!("{} ({})", bridge.name, bridge.network))
        .collect();
    if outside.is_empty() {
        return Vec::new();
    }
    vec![Finding::warning(
        "private-bridges-outside-network",
        &[NETWORK],
        format!(
            "The private {} {} {} outside POT_NETWORK {}. Pots there reach no other host while that network runs.",
            plural(outside.len(), "bridge", "bridges"),
            enumerated(&outside),
            plural(outside.len(), "lies", "lie"),
            network.trunc()
        ),
    )]
}

/// A pot has POT_GATEWAY's address, or a private bridge's network holds it.
pub(super) fn gateway_taken(view: &View<'_>) -> Vec<Finding> {
    let Some(gateway) = view.address(GATEWAY) else { return Vec::new() };
    let mut findings = Vec::new();
    let holders: Vec<&str> = view.pots().iter().filter(|pot| pot.holds(gateway)).map(|pot| pot.name.as_str()).collect();
    if !holders.is_empty() {
        findings.push(Finding::error(
            "gateway-taken",
            &[GATEWAY],
            format!(
                "The {} {} {} the address {gateway}, which would also be the gateway's.",
                plural(holders.len(), "pot", "pots"),
                enumerated(&holders),
                plural(holders.len(), "has", "have")
            ),
        ));
    }
    let bridges = view.facts.and_then(|facts| facts.private_bridges.get()).into_iter().flatten();
    findings.extend(bridges.filter(|bridge| bridge.network.contains(&gateway)).map(|bridge| {
        Finding::error(
            "gateway-taken",
            &[GATEWAY],
            format!(
                "{gateway} lies in {}, the network of the private bridge {}. Both bridges would claim it.",
                bridge.network, bridge.name
            ),
        )
    }));
    findings
}

#[cfg(test)]
mod tests {
    use crate::facts::{Fact, HostFacts, Interface, Ipv4Address, PrivateBridge};
    use crate::rules::example::{codes, configuration, fix_sets, found, found_on, healthy, host, pot, route, the};
    use crate::rules::{Finding, Severity, Subject};

    const SMALL: &str = "POT_NETWORK=10.200.0.0/16\nPOT_NETMASK=255.255.0.0\nPOT_GATEWAY=10.200.0.1\n";

    fn only(code: &str, own: &str) -> Finding {
        let findings = found(own);
        assert_eq!(codes(&findings), [code]);
        findings.into_iter().next().unwrap()
    }

    fn is_sound(own: &str) {
        assert_eq!(found(own), [], "{own}");
    }

    #[test]
    fn a_gateway_outside_the_network_is_found_with_the_first_address_as_its_fix() {
        let finding = only("gateway-outside-network", "POT_NETWORK=10.200.0.0/16\nPOT_NETMASK=255.255.0.0\n");
        assert_eq!(finding.severity, Severity::Error);
        assert_eq!(finding.parameters, ["POT_GATEWAY", "POT_NETWORK"]);
        assert_eq!(finding.message, "10.192.0.1 lies outside POT_NETWORK 10.200.0.0/16. `pot init` would stop here.");
        assert_eq!(fix_sets(&finding, "POT_GATEWAY"), Some("10.200.0.1"));
        is_sound(SMALL);
        is_sound("POT_NETWORK=10.200.0.0/16\nPOT_NETMASK=255.255.0.0\nPOT_GATEWAY=10.200.255.254\n");
    }

    #[test]
    fn the_fix_never_gives_the_gateway_a_pots_address() {
        let facts = host(|facts| facts.pots = Fact::known(vec![pot("web1", "public-bridge", "10.200.0.1")], "test"));
        let findings = found_on(&facts, "POT_NETWORK=10.200.0.0/16\nPOT_NETMASK=255.255.0.0\n");
        assert_eq!(the("gateway-outside-network", &findings).fix, None);
    }

    #[test]
    fn network_and_broadcast_address_are_no_gateways() {
        let finding = only("gateway-is-network-address", &SMALL.replace("10.200.0.1", "10.200.0.0"));
        assert_eq!(fix_sets(&finding, "POT_GATEWAY"), Some("10.200.0.1"));
        only("gateway-is-broadcast-address", &SMALL.replace("10.200.0.1", "10.200.255.255"));
        is_sound(&SMALL.replace("10.200.0.1", "10.200.0.255"));
    }

    #[test]
    fn the_netmask_follows_from_the_network() {
        let wrong = |mask: &str| SMALL.replace("255.255.0.0", mask);
        for (code, mask) in [
            ("netmask-differs", "255.255.255.0"),
            ("netmask-not-contiguous", "255.0.255.0"),
            ("netmask-differs", "0.0.0.0"),
        ] {
            let finding = only(code, &wrong(mask));
            assert_eq!(fix_sets(&finding, "POT_NETMASK"), Some("255.255.0.0"), "{mask}");
        }
        let findings = found(&wrong(""));
        assert_eq!(fix_sets(the("netmask-missing", &findings), "POT_NETMASK"), Some("255.255.0.0"));
        let findings = found(&wrong("255.255"));
        assert_eq!(fix_sets(the("not-an-address", &findings), "POT_NETMASK"), Some("255.255.0.0"));
    }

    #[test]
    fn host_bits_are_cut_off() {
        let finding = only("network-with-host-bits", &SMALL.replace("10.200.0.0/16", "10.200.3.7/16"));
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(fix_sets(&finding, "POT_NETWORK"), Some("10.200.0.0/16"));
    }

    #[test]
    fn networks_of_others_are_told_from_private_ones() {
        let with = |network: &str, mask: &str, gateway: &str| {
            format!("POT_NETWORK={network}\nPOT_NETMASK={mask}\nPOT_GATEWAY={gateway}\n")
        };
        only("network-not-private", &with("8.8.0.0/16", "255.255.0.0", "8.8.0.1"));
        only("network-not-private", &with("172.0.0.0/8", "255.0.0.0", "172.0.0.1"));
        assert_eq!(
            only("network-of-carriers", &with("100.64.0.0/16", "255.255.0.0", "100.64.0.1")).severity,
            Severity::Notice
        );
        for (network, gateway) in
            [("127.1.0.0/16", "127.1.0.1"), ("224.1.0.0/16", "224.1.0.1"), ("169.254.0.0/16", "169.254.0.1")]
        {
            only("network-reserved", &with(network, "255.255.0.0", gateway));
        }
        is_sound(&with("172.31.0.0/16", "255.255.0.0", "172.31.0.1"));
        is_sound(&with("192.168.200.0/24", "255.255.255.0", "192.168.200.1"));
        is_sound(&with("10.0.0.0/8", "255.0.0.0", "10.0.0.1"));
    }

    #[test]
    fn a_network_needs_room_for_the_gateway_and_one_pot() {
        let with = |prefix: u8, mask: &str| {
            format!("POT_NETWORK=10.200.0.0/{prefix}\nPOT_NETMASK={mask}\nPOT_GATEWAY=10.200.0.1\n")
        };
        assert_eq!(codes(&found(&with(31, "255.255.255.254"))), ["network-too-small"]);
        assert!(codes(&found(&with(32, "255.255.255.255"))).contains(&"network-too-small"));
        is_sound(&with(30, "255.255.255.252"));
    }

    #[test]
    fn ipv6_and_nonsense_are_no_networks_here() {
        let findings = found("POT_NETWORK=fd00::/64\n");
        assert_eq!(codes(&findings), ["network-is-ipv6"]);
        let findings = found("POT_GATEWAY=fd00::1\nPOT_DNS_IP=fd00::2\n");
        assert_eq!(codes(&findings), ["address-is-ipv6", "address-is-ipv6", "deprecated"]);
        assert!(codes(&found("POT_NETWORK=garbage\n")).contains(&"not-a-network"));
        assert!(codes(&found("POT_GATEWAY=10.192.0.256\n")).contains(&"not-an-address"));
        let findings = found("POT_NETWORK=10.200.0.0\nPOT_NETMASK=255.255.0.0\nPOT_GATEWAY=10.200.0.1\n");
        assert_eq!(fix_sets(the("not-a-network", &findings), "POT_NETWORK"), Some("10.200.0.0/16"));
    }

    #[test]
    fn an_overlap_with_a_host_interface_is_named() {
        let own = "POT_NETWORK=10.0.0.0/16\nPOT_NETMASK=255.255.0.0\nPOT_GATEWAY=10.0.0.1\n";
        let findings = found_on(&healthy(), own);
        assert_eq!(codes(&findings), ["network-overlaps-interface", "network-overlaps-interface"]);
        assert_eq!(
            findings[0].message,
            "POT_NETWORK 10.0.0.0/16 overlaps 10.0.20.4/24 of vlan20. The pots' bridge would take the route to it. Choose \
             another network, such as 10.192.0.0/16."
        );
        assert_eq!(found_on(&healthy(), SMALL), []);
    }

    #[test]
    fn the_bridge_that_pot_made_is_no_overlap() {
        let with_bridge = |groups: &[&str]| {
            host(|facts| {
                facts.interfaces.value.as_mut().unwrap().push(Interface {
                    name: "bridge0".to_owned(),
                    up: true,
                    description: String::new(),
                    groups: groups.iter().map(|&group| group.to_owned()).collect(),
                    addresses: vec![Ipv4Address { network: "10.192.0.1/10".parse().unwrap() }],
                    addresses6: Vec::new(),
                    members: Vec::new(),
                });
                facts.routes.value.as_mut().unwrap().push(route("10.192.0.0/10", None, "bridge0"));
            })
        };
        assert_eq!(found_on(&with_bridge(&["bridge", "pot"]), ""), []);
        assert_eq!(found_on(&with_bridge(&["bridge", "pot"]), SMALL), []);
        assert_eq!(found_on(&with_bridge(&["bridge"]), ""), []);
        assert_eq!(codes(&found_on(&with_bridge(&["bridge"]), SMALL)), ["network-overlaps-interface"]);
    }

    #[test]
    fn extra_and_vpn_networks_must_not_overlap() {
        let extra = format!("{SMALL}POT_EXTRA_EXTIF=vlan20\nPOT_NETWORK_vlan20=10.200.7.0/24\n");
        assert_eq!(codes(&found(&extra)), ["network-overlaps-extra"]);
        is_sound(&extra.replace("10.200.7.0", "10.0.20.0"));
        let vpn = format!("{SMALL}POT_VPN_EXTIF=tun0\nPOT_VPN_NETWORKS=\"10.8.0.0/24 10.0.0.0/8\"\n");
        assert_eq!(codes(&found(&vpn)), ["network-overlaps-vpn"]);
        is_sound(&vpn.replace("10.0.0.0/8", "10.9.0.0/24"));
    }

    #[test]
    fn a_static_route_into_the_network_is_named() {
        let facts = host(|facts| {
            facts.routes.value.as_mut().unwrap().push(route("10.200.0.0/24", Some("10.0.20.1"), "vlan20"));
        });
        assert_eq!(codes(&found_on(&facts, SMALL)), ["network-overlaps-route"]);
        assert_eq!(found_on(&facts, &SMALL.replace("10.200", "10.201")), []);
    }

    #[test]
    fn a_route_without_next_hop_by_a_tunnel_is_named_too() {
        let own = "POT_NETWORK=10.192.0.0/10\n";
        let with = |destination: &str, by: &str| {
            let (destination, by) = (destination.to_owned(), by.to_owned());
            host(move |facts| facts.routes.value.as_mut().unwrap().push(route(&destination, None, &by)))
        };
        for by in ["tailscale0", "wg0"] {
            let findings = found_on(&with("10.200.0.0/16", by), own);
            assert_eq!(codes(&findings), ["network-overlaps-route"]);
            assert!(findings[0].message.contains(&format!("10.200.0.0/16 through {by}")), "{findings:?}");
        }
        // An address of another tunnel inside the route explains nothing of the pots' network.
        let mut both = with("10.0.0.0/8", "wg0");
        both.interfaces.value.as_mut().unwrap().push(crate::rules::example::interface("wg1", "wg", &["10.1.2.3/32"]));
        assert_eq!(codes(&found_on(&both, own)), ["network-overlaps-route"]);
        // The host's own addresses, a black hole, and a default route in two halves are in nobody's way.
        for (destination, by) in [("10.200.0.1/32", "lo0"), ("10.0.0.0/8", "lo0"), ("0.0.0.0/1", "tun0")] {
            assert_eq!(found_on(&with(destination, by), own), [], "{destination} by {by}");
        }
    }

    #[test]
    fn the_check_the_plan_and_the_note_on_saving_count_the_same_pots() {
        let pots: Vec<_> = (0..28)
            .map(|number| {
                let kind = if number < 18 { "public-bridge" } else { "private-bridge" };
                pot(&format!("p{number}"), kind, &format!("10.192.0.{}", number + 3))
            })
            .chain([pot("host", "inherit", "10.192.0.40"), pot("alias", "alias", "192.168.178.21")])
            .collect();
        assert_eq!(crate::facts::pots_outside(&pots, "10.200.0.0/16".parse().unwrap()).len(), 28);
        let facts = host(|facts| facts.pots = Fact::known(pots, "test"));
        let findings = found_on(&facts, SMALL);
        let message = &the("pots-outside-network", &findings).message;
        assert!(message.starts_with("28 pots have their addresses outside"), "{message}");
        assert!(message.contains("and 23 more. They keep") && !message.contains("would"), "{message}");
    }

    #[test]
    fn whoever_would_be_cut_off_is_named() {
        let configuration = configuration("");
        let asked = |address: &str| {
            crate::rules::check(&Subject::new(&configuration).asked_from(Some(address.parse().unwrap())))
        };
        let findings = asked("10.200.0.9");
        assert_eq!(codes(&findings), ["admin-inside-network"]);
        assert!(findings[0].message.starts_with("Your own address 10.200.0.9 lies in POT_NETWORK 10.192.0.0/10."));
        assert_eq!(codes(&asked("::ffff:10.200.0.9")), ["admin-inside-network"]);
        assert_eq!(asked("192.168.178.31"), []);
        assert_eq!(asked("fd00::1"), []);

        let own = SMALL.replace("10.200", "10.99");
        let cut_off = |change: fn(&mut HostFacts)| found_on(&host(change), &own);
        let findings = cut_off(|facts| {
            facts.routes = Fact::known(vec![route("0.0.0.0/0", Some("10.99.0.254"), "em0")], "test");
        });
        assert_eq!(codes(&findings), ["default-gateway-inside-network"]);
        let findings = cut_off(|facts| {
            facts.resolvers = Fact::known(vec!["10.99.0.53".parse().unwrap(), "9.9.9.9".parse().unwrap()], "test");
        });
        assert_eq!(codes(&findings), ["resolver-inside-network"]);
        assert!(
            findings[0].message.starts_with("The name server 10.99.0.53 of /etc/resolv.conf lies in"),
            "{findings:?}"
        );
        assert_eq!(cut_off(|_| ()), []);
    }

    #[test]
    fn a_dns_address_outside_is_blamed_only_where_pot_conf_sets_it() {
        let findings = found(&format!("{SMALL}POT_DNS_IP=10.192.0.2\n"));
        let finding = the("dns-outside-network", &findings);
        assert_eq!(finding.severity, Severity::Error);
        assert_eq!(finding.fix.as_ref().unwrap().unset, ["POT_DNS_IP"]);
        is_sound(SMALL);
        let used = host(|facts| facts.pots = Fact::known(vec![pot("dns", "public-bridge", "10.200.0.2")], "test"));
        assert_eq!(the("dns-outside-network", &found_on(&used, SMALL)).severity, Severity::Warning);
    }

    #[test]
    fn the_dns_pot_cannot_be_the_gateway() {
        let findings = found(&format!("{SMALL}POT_DNS_IP=10.200.0.1\n"));
        assert_eq!(codes(&findings), ["dns-is-gateway", "deprecated"]);
        assert_eq!(codes(&found("POT_GATEWAY=10.192.0.2\n")), ["dns-is-gateway"]);
        assert_eq!(codes(&found(&format!("{SMALL}POT_DNS_IP=10.200.0.2\n"))), ["deprecated"]);
    }

    #[test]
    fn pots_and_bridges_that_a_new_network_leaves_behind_are_named() {
        let facts = host(|facts| {
            facts.pots = Fact::known(
                vec![
                    pot("proxy", "public-bridge", "10.192.0.3"),
                    pot("db1", "public-bridge", "10.192.0.5"),
                    pot("build", "alias", "192.168.178.21"),
                    pot("new", "public-bridge", "10.200.0.5"),
                ],
                "test",
            );
            facts.private_bridges = Fact::known(
                vec![PrivateBridge {
                    name: "lan1".to_owned(),
                    network: "10.192.0.8/29".parse().unwrap(),
                    gateway: "10.192.0.9".parse().unwrap(),
                }],
                "test",
            );
        });
        let findings = found_on(&facts, SMALL);
        assert_eq!(codes(&findings), ["pots-outside-network", "private-bridges-outside-network"]);
        assert_eq!(
            findings[0].message,
            "The pots db1 and proxy have their addresses outside POT_NETWORK 10.200.0.0/16. They keep their addresses and \
             reach nothing outside while that network runs."
        );
        assert!(findings[1].message.contains("lan1 (10.192.0.8/29)"), "{findings:?}");
        assert_eq!(found_on(&facts, "POT_NETWORK=10.128.0.0/9\nPOT_NETMASK=255.128.0.0\n"), []);

        let taken = found_on(&facts, "POT_GATEWAY=10.192.0.5\n");
        assert_eq!(codes(&taken), ["gateway-taken"]);
        assert!(taken[0].message.contains("The pot db1 has the address 10.192.0.5"), "{taken:?}");
        assert_eq!(codes(&found_on(&facts, "POT_GATEWAY=10.192.0.10\n")), ["gateway-taken"]);
        assert_eq!(found_on(&facts, "POT_GATEWAY=10.192.0.254\n"), []);
    }
}
