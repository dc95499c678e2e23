//! Readings: what a value means on this host, in a few words. A page shows it where a finding would stand.

use super::Subject;
use super::limits;
use super::log_route::{LogRoute, log_route};
use super::view::{View, enumerated, first_address, grouped, overlap, plural};
use crate::facts::{Ipv4Address, PathKind, PathState, size};
use crate::potconf::{Parameter, Reading, Source, parameter};
use ipnet::Ipv4Net;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// For each parameter what its value means on this host, in a few words, and for each `POT_NETWORK_<interface>` that is
/// set or listed; none for what nothing can be said about.
pub fn of(subject: &Subject<'_>) -> BTreeMap<String, String> {
    let view = &View::new(subject);
    let mut readings = BTreeMap::new();
    for setting in view.settings() {
        let Some(known) = parameter(&setting.name) else { continue };
        let reading = match setting.value.as_deref() {
            Some(value) => of_value(view, known, value),
            None if setting.source == Source::Unset => Some("Set in neither file".to_owned()),
            None => Some("Computed by sh at every call, so its value is not known here".to_owned()),
        };
        if let Some(reading) = reading {
            readings.insert(setting.name.clone(), reading);
        }
    }
    for (setting, interface) in view.extra_networks() {
        let reading = match setting.value.as_deref() {
            Some(value) => of_extra_network(view, interface, value),
            None => Some("Computed by sh at every call, so its value is not known here".to_owned()),
        };
        if let Some(reading) = reading {
            readings.insert(setting.name.clone(), reading);
        }
    }
    readings
}

fn of_value(view: &View<'_>, known: &Parameter, value: &str) -> Option<String> {
    let words = match known.reading {
        Reading::Computed => return computed(view, known, value),
        Reading::Switch { on, .. } if limits::boolean(value) == Some(true) => on,
        Reading::Switch { off, .. } => off,
        Reading::Choice(choices) => choices.iter().find(|(choice, _)| *choice == value).or(choices.first())?.1,
        Reading::Given { none, .. } if value.is_empty() => none,
        Reading::Given { some, .. } => some,
    };
    Some(words.to_owned())
}

/// Of the parameters whose row has no words for it.
fn computed(view: &View<'_>, known: &Parameter, value: &str) -> Option<String> {
    match known.name {
        "POT_ZFS_ROOT" => dataset(view, value),
        "POT_FS_ROOT" => folder(view, value, value_of(view, "POT_ZFS_ROOT")),
        "POT_CACHE" => folder(view, value, value_of(view, "POT_ZFS_ROOT").map(|root| format!("{root}/cache"))),
        "POT_TMP" => temporary(view, known.counting(value)),
        "POT_GROUP" => group(view, known.counting(value)),
        "POT_EXTIF" => interface(view, value),
        "POT_EXTIF_ADDR" => nat_address(view, value),
        "POT_NETWORK" => network(view, value),
        "POT_NETMASK" => netmask(view, value),
        "POT_GATEWAY" => gateway(view, value),
        "POT_EXTRA_EXTIF" => Some(extra_interfaces(view)),
        "POT_VPN_EXTIF" => Some(vpn_interface(view, value)),
        "POT_VPN_NETWORKS" => Some(match view.list(known.name).len() {
            0 => "Empty: no rule for a VPN".to_owned(),
            count => format!("{count} {} behind the VPN", plural(count, "network", "networks")),
        }),
        "POT_DNS_NAME" => dns_pot(view, value),
        "POT_DNS_IP" => dns_address(view, value),
        "POT_LOG_FACILITY" => facility(view, value),
        "POT_HOSTNAME_MAX_LENGTH" => {
            let length = known.counting(value);
            Some(format!("At most {length} {}", plural(usize::from(length != "1"), "characters", "character")))
        }
        "POT_MKTEMP_SUFFIX" => {
            let random = value.len() - value.trim_end_matches('X').len();
            Some(format!("{random} random {}", plural(random, "character", "characters")))
        }
        _ => None,
    }
}

fn value_of(view: &View<'_>, name: &str) -> Option<String> {
    view.text(name).map(str::to_owned)
}

fn state<'a>(view: &View<'a>, path: &str) -> Option<&'a PathState> {
    view.facts?.paths.get()?.get(path)
}

fn dataset(view: &View<'_>, value: &str) -> Option<String> {
    let facts = view.facts?;
    if let Some(known) = facts.datasets.get()?.iter().find(|known| known.name == value) {
        let pots = view.pots().len();
        return Some(if pots > 0 {
            format!("Exists with {pots} {}, {} used", plural(pots, "pot", "pots"), size(known.used))
        } else {
            format!("Exists, {} used", size(known.used))
        });
    }
    let pool = value.split('/').next()?;
    let free = facts.pools.get()?.iter().find(|known| known.name == pool)?.free;
    Some(format!("Not there yet. pot init creates it; pool {pool} has {} free", size(free)))
}

fn folder(view: &View<'_>, value: &str, dataset: Option<String>) -> Option<String> {
    let mounted = view.facts?.datasets.get().and_then(|all| {
        let known = all.iter().find(|known| Some(&known.name) == dataset.as_ref())?;
        (known.mountpoint == value).then_some(known)
    });
    if let Some(known) = mounted {
        return Some(format!("Mountpoint of {}", known.name));
    }
    Some(match state(view, value)?.kind {
        PathKind::Absent => "No such folder yet".to_owned(),
        PathKind::Folder if state(view, value)?.empty => "Exists, empty".to_owned(),
        PathKind::Folder => "Exists, not empty".to_owned(),
        PathKind::File | PathKind::Link | PathKind::Other => "Exists, not a folder".to_owned(),
    })
}

fn temporary(view: &View<'_>, value: &str) -> Option<String> {
    Some(match state(view, value)?.kind {
        PathKind::Absent => "No such folder yet; pot creates it".to_owned(),
        PathKind::Folder => "Exists".to_owned(),
        PathKind::File | PathKind::Link | PathKind::Other => "Exists, not a folder".to_owned(),
    })
}

fn group(view: &View<'_>, value: &str) -> Option<String> {
    let groups = view.facts?.groups.get()?;
    Some(match groups.get(value) {
        Some(gid) => format!("Exists, gid {gid}"),
        None => "No such group yet; the package pot brings it".to_owned(),
    })
}

fn interface(view: &View<'_>, value: &str) -> Option<String> {
    let known = view.interface(value)?;
    let route = view.default_route().is_some_and(|route| route.interface == value);
    let address = match view.host_addresses(known).as_slice() {
        [] => "No IPv4 address".to_owned(),
        [only] => only.network.to_string(),
        [first, rest @ ..] => format!("{} and {} more", first.network, rest.len()),
    };
    Some(if route { format!("{address}, carries the default route") } else { address })
}

fn nat_address(view: &View<'_>, value: &str) -> Option<String> {
    let known = view.interface(view.text("POT_EXTIF")?)?;
    if !value.is_empty() {
        return known
            .addresses
            .iter()
            .any(|address| address.address().to_string() == value)
            .then(|| format!("An address of {}", known.name));
    }
    Some(match view.host_addresses(known).as_slice() {
        [] => format!("Empty, and {} has no IPv4 address", known.name),
        [only] => format!("Empty: {}, the only address of {}", only.address(), known.name),
        [first, ..] => format!("Empty: {}, the first address of {}", first.address(), known.name),
    })
}

fn network(view: &View<'_>, value: &str) -> Option<String> {
    let network: Ipv4Net = value.parse().ok()?;
    let network = network.trunc();
    let first = first_address(network)?;
    let last = Ipv4Addr::from(u32::from(network.broadcast()).saturating_sub(1));
    let count = (1_u64 << (32 - u32::from(network.prefix_len()))) - 2;
    let range = format!("{} addresses, {first} to {last}", grouped(count));
    Some(match view.interfaces() {
        None => range,
        Some(_) => {
            let routes = view.overlapping_routes(network);
            match (view.overlapping_interfaces(network).first(), routes.first()) {
                (Some((interface, _)), _) => format!("{range}. Overlaps the network of {}", interface.name),
                (None, Some(route)) => format!("{range}. Overlaps the route by {}", route.interface),
                (None, None) => format!("{range}. Overlaps no network of this host"),
            }
        }
    })
}

fn netmask(view: &View<'_>, value: &str) -> Option<String> {
    let prefix = ipnet::ipv4_mask_to_prefix(value.parse().ok()?).ok()?;
    Some(match view.network() {
        Some(network) if network.prefix_len() == prefix => format!("/{prefix}, the size of POT_NETWORK"),
        _ => format!("/{prefix}"),
    })
}

fn gateway(view: &View<'_>, value: &str) -> Option<String> {
    let address: Ipv4Addr = value.parse().ok()?;
    let network = view.network()?;
    if !network.contains(&address) {
        return None;
    }
    let place = if first_address(network) == Some(address) { "The first address of" } else { "An address in" };
    let bridge = view
        .interfaces()
        .unwrap_or_default()
        .iter()
        .find(|known| known.is_bridge() && known.addresses.iter().any(|held| held.address() == address));
    Some(match bridge {
        Some(bridge) => format!("{place} POT_NETWORK, on {} now", bridge.name),
        None => format!("{place} POT_NETWORK"),
    })
}

fn extra_interfaces(view: &View<'_>) -> String {
    match view.list("POT_EXTRA_EXTIF").len() {
        0 => "Empty: pots go out by POT_EXTIF alone".to_owned(),
        count => format!("{count} further {}", plural(count, "interface", "interfaces")),
    }
}

fn of_extra_network(view: &View<'_>, interface: &str, value: &str) -> Option<String> {
    let network: Ipv4Net = value.parse().ok()?;
    let known = view.interface(interface)?;
    let meets = |address: &&Ipv4Address| overlap(network, address.network);
    Some(match known.addresses.iter().find(meets) {
        Some(address) => {
            let stands_in = address.network.trunc();
            let how = match network.trunc().prefix_len().cmp(&stands_in.prefix_len()) {
                Ordering::Equal => "Network",
                Ordering::Greater => "A part of the network",
                Ordering::Less => "Wider than the network",
            };
            format!("{how} of {}", address.network)
        }
        None if known.addresses.is_empty() => format!("{interface} has no IPv4 address"),
        None => format!("Beyond {interface}, which has {}", known.addresses.first()?.network),
    })
}

fn vpn_interface(view: &View<'_>, value: &str) -> String {
    if value.is_empty() {
        return "Empty: no VPN".to_owned();
    }
    match (view.interfaces(), interface(view, value)) {
        (None, _) => "Interface of the VPN".to_owned(),
        (Some(_), Some(reading)) => reading,
        (Some(_), None) => "Not there now".to_owned(),
    }
}

fn dns_pot(view: &View<'_>, value: &str) -> Option<String> {
    let pots = view.facts?.pots.get()?;
    Some(match pots.iter().find(|pot| pot.name == value) {
        Some(pot) if pot.running == Some(true) => format!("The pot {value} runs"),
        Some(_) => format!("The pot {value} exists"),
        None => "Not used: no pot has this name".to_owned(),
    })
}

fn dns_address(view: &View<'_>, value: &str) -> Option<String> {
    let address: Ipv4Addr = value.parse().ok()?;
    Some(if view.network()?.contains(&address) {
        "An address in POT_NETWORK".to_owned()
    } else if view.setting("POT_DNS_IP").is_some_and(|setting| setting.source == Source::Default) {
        "The default lies outside POT_NETWORK, and potnet leaves it out".to_owned()
    } else {
        return None;
    })
}

fn facility(view: &View<'_>, value: &str) -> Option<String> {
    Some(match log_route(view.facts?.syslog.get()?, value) {
        LogRoute::File(file) => format!("syslogd writes it to {file}"),
        LogRoute::Missing(files) => format!("syslogd would write it to {}, which is not there", enumerated(files)),
        LogRoute::Elsewhere(places) => format!("syslogd passes it on to {}, and keeps none here", enumerated(places)),
        LogRoute::Nowhere => "syslogd writes it nowhere yet".to_owned(),
    })
}
