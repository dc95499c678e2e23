//! Hosts in rules: addresses, networks, interfaces, tables, names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::state::{Interface, Kind, State};
use super::ReadFile;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Inet,
    Inet6,
}

impl Family {
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::Inet } else { Self::Inet6 }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Inet6 => "inet6",
        }
    }

    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::Inet => 32,
            Self::Inet6 => 128,
        }
    }
}

/// Parts of an interface's addresses: `:network`, `:broadcast`, `:peer`, `:0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Modifiers {
    pub network: bool,
    pub broadcast: bool,
    pub(crate) peer: bool,
    pub first: bool,
}

impl Modifiers {
    /// Takes the modifiers from the end of a name; none when one is unknown.
    pub fn split(text: &str) -> Option<(&str, Self)> {
        let mut modifiers = Self::default();
        let mut name = text;
        while let Some((rest, word)) = name.rsplit_once(':') {
            match word {
                "network" => modifiers.network = true,
                "broadcast" => modifiers.broadcast = true,
                "peer" => modifiers.peer = true,
                "0" => modifiers.first = true,
                _ => return None,
            }
            name = rest;
        }
        Some((name, modifiers))
    }

    /// Network, broadcast and peer exclude each other.
    pub(crate) fn contradict(self) -> bool {
        u8::from(self.network) + u8::from(self.broadcast) + u8::from(self.peer) > 1
    }

    fn text(self) -> String {
        let words =
            [(self.network, ":network"), (self.broadcast, ":broadcast"), (self.peer, ":peer"), (self.first, ":0")];
        words.iter().filter(|(given, _)| *given).map(|(_, word)| *word).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// An address and the number of bits of its mask.
    Net(IpAddr, u8),
    Range(IpAddr, IpAddr),
    /// An interface in brackets: its addresses of the moment.
    Interface {
        name: String,
        modifiers: Modifiers,
        bits: u8,
    },
    Table(String),
    NoRoute,
    UrpfFailed,
    /// Only an interface (`route-to em0`).
    None,
}

/// A host of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub address: Address,
    /// None: the kind of host has no family.
    pub(crate) family: Option<Family>,
    pub not: bool,
    /// The interface that a link-local address belongs to; 0: none.
    pub scope: u32,
    /// The interface of `route-to (em0 10.0.0.1)`.
    pub interface: Option<String>,
}

impl Host {
    pub fn new(address: Address) -> Self {
        let family = match &address {
            Address::Net(ip, _) | Address::Range(ip, _) => Some(Family::of(*ip)),
            _ => None,
        };
        Self { address, family, not: false, scope: 0, interface: None }
    }

    fn net(ip: IpAddr, bits: Option<u8>) -> Self {
        Self::new(Address::Net(ip, 0)).with_bits(bits.unwrap_or(Family::of(ip).bits()))
    }

    /// Sets the mask, and clears what it does not cover.
    pub(crate) fn with_bits(mut self, bits: u8) -> Self {
        match &mut self.address {
            Address::Net(ip, its) => {
                *its = bits;
                *ip = match *ip {
                    IpAddr::V4(ip) => {
                        let left = 32 - u32::from(bits.min(32));
                        IpAddr::V4((u32::from(ip) & u32::MAX.checked_shl(left).unwrap_or(0)).into())
                    }
                    IpAddr::V6(ip) => {
                        let left = 128 - u32::from(bits.min(128));
                        IpAddr::V6((u128::from(ip) & u128::MAX.checked_shl(left).unwrap_or(0)).into())
                    }
                };
            }
            Address::Interface { bits: its, .. } => *its = bits,
            _ => {}
        }
        self
    }

    /// Bits of the mask, as pf keeps them for this kind.
    pub(crate) fn bits(&self) -> u8 {
        match self.address {
            Address::Net(_, bits) | Address::Interface { bits, .. } => bits,
            _ => 0,
        }
    }

    /// May stand for several addresses: an interface in brackets without `:0` or with an index at its end.
    pub(crate) fn is_many(&self) -> bool {
        match &self.address {
            Address::Interface { name, modifiers, .. } => {
                !modifiers.first || !name.ends_with(|c: char| c.is_ascii_digit())
            }
            _ => false,
        }
    }

    /// A mask of more than 32 bits on an IPv4 address.
    pub(crate) fn mask_is_too_long(&self, family: Option<Family>) -> bool {
        family == Some(Family::Inet) && matches!(self.address, Address::Net(_, bits) if bits > 32)
    }

    /// As pfctl prints it in a rule of a family.
    pub fn text(&self, family: Option<Family>) -> String {
        let mask = |bits: u8| match family {
            Some(family) if bits < family.bits() => format!("/{bits}"),
            _ => String::new(),
        };
        match &self.address {
            Address::Net(ip, 0) if ip.is_unspecified() => "any".to_owned(),
            Address::Net(ip, bits) => format!("{ip}{}", mask(*bits)),
            Address::Range(first, last) => format!("{first} - {last}"),
            Address::Interface { name, modifiers, bits } => format!("({name}{}){}", modifiers.text(), mask(*bits)),
            Address::Table(name) => format!("<{name}>"),
            Address::NoRoute => "no-route".to_owned(),
            Address::UrpfFailed => "urpf-failed".to_owned(),
            Address::None => "any".to_owned(),
        }
    }
}

/// Whether the host has an interface or a group of interfaces of that name.
pub(super) fn exists(state: &State, name: &str) -> bool {
    state.interface(name).is_some() || is_group(state, name)
}

fn is_group(state: &State, name: &str) -> bool {
    name != "all" && here(state).any(|interface| interface.groups.iter().any(|group| group == name))
}

fn here(state: &State) -> impl Iterator<Item = &Interface> {
    state.running.interfaces.iter().filter(|interface| interface.vnet.is_none())
}

/// The members of a group, or the interfaces that a name means: itself, or all of its kind (`em`).
fn meant<'a>(state: &'a State, name: &str) -> Vec<&'a Interface> {
    if is_group(state, name) {
        return here(state).filter(|interface| interface.groups.iter().any(|group| group == name)).collect();
    }
    here(state)
        .filter(|interface| {
            name.is_empty()
                || name == "self"
                || interface.name == name
                || !name.ends_with(|c: char| c.is_ascii_digit())
                    && interface
                        .name
                        .strip_prefix(name)
                        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
        .collect()
}

/// Whether an interface is a loopback one.
pub(super) fn is_loopback(state: &State, name: &str) -> bool {
    state.interface(name).is_some_and(|interface| interface.kind == Kind::Loopback)
}

/// The addresses that an interface's name stands for when the rules are read.
pub(super) fn of_interface(state: &State, name: &str, modifiers: Modifiers) -> Vec<Host> {
    let mut found = Vec::new();
    for interface in meant(state, name) {
        let four = interface.inet.iter().map(|inet| (IpAddr::V4(inet.address), inet.prefix));
        let six = interface.inet6.iter().map(|inet| (IpAddr::V6(inet.address), inet.prefix));
        // The loopback interface has its IPv6 addresses before rc.conf gives it that of IPv4.
        let all: Vec<(IpAddr, u8)> =
            if interface.kind == Kind::Loopback { six.chain(four).collect() } else { four.chain(six).collect() };
        let (mut got4, mut got6) = (false, false);
        for (ip, prefix) in all {
            let link_local = matches!(ip, IpAddr::V6(ip) if ip.segments()[0] & 0xffc0 == 0xfe80);
            let broadcast = match ip {
                IpAddr::V4(ip) if matches!(interface.kind, Kind::Ether | Kind::Bridge | Kind::Vlan | Kind::Epair) => {
                    let host = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
                    Some(Ipv4Addr::from(u32::from(ip) | host))
                }
                _ => None,
            };
            let tunnel = interface.kind == Kind::Tunnel;
            if modifiers.broadcast && broadcast.is_none()
                || modifiers.peer && !tunnel
                || modifiers.network && link_local
                || modifiers.first && (ip.is_ipv4() && got4 || ip.is_ipv6() && (got6 || link_local))
            {
                continue;
            }
            got4 |= ip.is_ipv4();
            got6 |= ip.is_ipv6();
            let shown = match broadcast {
                Some(broadcast) if modifiers.broadcast => IpAddr::V4(broadcast),
                _ => ip,
            };
            let mut host = Host::net(shown, modifiers.network.then_some(prefix));
            if link_local {
                host.scope = interface.index;
            }
            found.push(host);
        }
    }
    found
}

/// The name of the interface with an index.
pub(super) fn name_of(state: &State, index: u32) -> Option<String> {
    here(state).find(|interface| index != 0 && interface.index == index).map(|interface| interface.name.clone())
}

/// The index of an interface; 0: there is none.
pub(super) fn index_of(state: &State, name: &str) -> u32 {
    state.interface(name).map_or(0, |interface| interface.index)
}

/// What a word in a rule stands for; what pfctl says on standard error besides, when it is nothing.
pub(super) fn look_up(state: &State, read: ReadFile<'_>, text: &str) -> Result<Vec<Host>, Vec<String>> {
    let (name, bits) = match text.split_once('/') {
        Some((name, mask)) => match mask.parse::<i64>() {
            Ok(bits @ 0..=128) => (name, u8::try_from(bits).ok()),
            _ if state.kept.major < 15 => return Err(vec![format!("invalid netmask '/{mask}'")]),
            Ok(bits) => {
                let why = if bits < 0 { "too small" } else { "too large" };
                return Err(vec![format!("netmask is {why}: /{mask}")]);
            }
            Err(_) => return Err(vec![format!("netmask is invalid: /{mask}")]),
        },
        None => (text, None),
    };
    if bits.is_some()
        && let Some(ip) = short_network(name)
    {
        return Ok(vec![Host::net(IpAddr::V4(ip), bits)]);
    }
    if let Some((ip, scope)) = literal(state, name) {
        let mut host = Host::net(ip, bits);
        host.scope = scope;
        return Ok(vec![host]);
    }
    let mut said = Vec::new();
    match Modifiers::split(name) {
        Some((_, modifiers)) if modifiers.contradict() => {
            said.push("illegal combination of interface modifiers".to_owned());
        }
        Some((_, modifiers)) if (modifiers.network || modifiers.broadcast) && bits.is_some() => {
            said.push("network or broadcast lookup, but extra netmask given".to_owned());
        }
        Some((name, modifiers)) if exists(state, name) || name == "self" => {
            let found = of_interface(state, name, modifiers);
            if !found.is_empty() {
                return Ok(found
                    .into_iter()
                    .map(|host| match bits {
                        Some(bits) => host.with_bits(bits),
                        None => host,
                    })
                    .collect());
            }
        }
        _ => {}
    }
    let (name, first) = name.strip_suffix(":0").map_or((name, false), |name| (name, true));
    let mut found = named(read, name);
    if first {
        let keep4 = found.iter().position(IpAddr::is_ipv4);
        let keep6 = found.iter().position(IpAddr::is_ipv6);
        let mut at = 0;
        found.retain(|_| {
            at += 1;
            Some(at - 1) == keep4 || Some(at - 1) == keep6
        });
    }
    if found.is_empty() {
        said.push(format!("no IP address found for {text}"));
        return Err(said);
    }
    Ok(found.into_iter().map(|ip| Host::net(ip, bits)).collect())
}

/// Addresses by name: the host's own /etc/hosts. Nobody else is asked: a simulated host has no DNS.
fn named(read: ReadFile<'_>, name: &str) -> Vec<IpAddr> {
    let text = read("/etc/hosts").unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .filter(|line| line.split_whitespace().skip(1).any(|known| known.eq_ignore_ascii_case(name)))
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect()
}

/// An address in digits. As inet_aton(3) has it: `10.1` is 10.0.0.1, and parts may be hexadecimal or octal.
fn literal(state: &State, text: &str) -> Option<(IpAddr, u32)> {
    if let Some(ip) = classic(text) {
        return Some((IpAddr::V4(ip), 0));
    }
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    let ip: Ipv6Addr = address.parse().ok()?;
    let scope = match zone {
        None => 0,
        Some(zone) => match index_of(state, zone) {
            0 => zone.parse().ok().filter(|index| *index != 0)?,
            index => index,
        },
    };
    Some((IpAddr::V6(ip), scope))
}

fn classic(text: &str) -> Option<Ipv4Addr> {
    let mut parts = Vec::new();
    for part in text.split('.') {
        let (digits, radix) = match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None if part.len() > 1 && part.starts_with('0') => (part, 8),
            None => (part, 10),
        };
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return None;
        }
        parts.push(u32::from_str_radix(digits, radix).ok()?);
    }
    let (last, before) = parts.split_last()?;
    if before.len() > 3 || before.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 32 - 8 * u32::try_from(before.len()).ok()?;
    if room < 32 && *last >= 1 << room {
        return None;
    }
    let high = before.iter().fold(0u32, |sum, part| sum << 8 | part);
    let high = if room == 32 { 0 } else { high << room };
    Some(Ipv4Addr::from(high | last))
}

/// `10/8`, `192.168/16`: a network whose last parts are left out.
fn short_network(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() > 4 {
        return None;
    }
    let mut bytes = [0u8; 4];
    for (byte, part) in bytes.iter_mut().zip(parts) {
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *byte = part.parse().ok()?;
    }
    Some(Ipv4Addr::from(bytes))
}

/// The family that all hosts have.
pub(super) fn decide_family(hosts: &[Host], family: &mut Option<Family>) {
    if family.is_none()
        && let Some(first) = hosts.first()
        && hosts.iter().all(|host| host.family == first.family)
    {
        *family = first.family;
    }
}

/// Drops the hosts of another family; the first with one decides when none is given.
pub(super) fn keep_family(hosts: &mut Vec<Host>, family: &mut Option<Family>) {
    hosts.retain(|host| match (host.family, *family) {
        (Some(its), Some(family)) => its == family,
        (Some(its), None) => {
            *family = Some(its);
            true
        }
        (None, _) => true,
    });
}
