//! Simulated ifconfig(8), route(8), netstat(1) and ping(8): interfaces, bridges, addresses and the routes that follow from them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv4Net;

use super::call::{Call, Failure, Outcome, getopt, has, value_of};
use super::faults::Fault;
use super::state::{Inet, Inet6, Interface, Kind, State};

const USAGE: &str = "usage: ifconfig [-j jail] [-f type:format] [-L] interface address_family [address [dest_address]]\n                [parameters]\n       ifconfig [-j jail] interface create\n       ifconfig -a [-j jail] [-L] [-d] [-m] [-u] [-v] [address_family]\n       ifconfig -l [-j jail] [-d] [-u] [address_family]\n       ifconfig -g groupname\n       ifconfig [-j jail] [-L] [-d] [-m] [-u] [-v]";

/// How addresses are written: IFCONFIG_FORMAT and -f.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MaskFormat {
    Hex,
    Dotted,
    Cidr,
}

pub(crate) fn ifconfig(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let (flags, rest) = match getopt(&args, "DG:adf:g:j:klLmnuvC") {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.text("ifconfig");
            call.warn(text);
            call.warn(USAGE);
            return Ok(1);
        }
    };
    let mut format = MaskFormat::Hex;
    let from_environment = std::env::var("IFCONFIG_FORMAT").unwrap_or_default();
    for item in [from_environment.as_str(), value_of(&flags, 'f').unwrap_or_default()]
        .into_iter()
        .flat_map(|text| text.split(','))
    {
        match item {
            "inet:cidr" | "addr:cidr" => format = MaskFormat::Cidr,
            "inet:dotted" => format = MaskFormat::Dotted,
            "inet:hex" | "inet:default" | "default" | "addr:default" => format = MaskFormat::Hex,
            _ => {}
        }
    }
    let group = value_of(&flags, 'g');
    if let Some(group) = group.filter(|_| !has(&flags, 'a')) {
        let mut state = call.machine.state()?;
        state.join_interfaces();
        for interface in visible(&state) {
            if interface.groups.iter().any(|known| known == group) {
                call.say(&interface.name);
            }
        }
        return Ok(0);
    }
    if has(&flags, 'C') {
        call.say("bridge epair gif gre lagg lo ovpn stf tap tun vlan vxlan wg wlan");
        return Ok(0);
    }
    let selected = |interface: &&Interface| (!has(&flags, 'u') || interface.up) && (!has(&flags, 'd') || !interface.up);
    if has(&flags, 'l') {
        let mut state = call.machine.state()?;
        state.join_interfaces();
        let family = rest.first().map(String::as_str);
        let names: Vec<&str> = visible(&state)
            .filter(selected)
            .filter(|interface| match family {
                Some("ether") => interface.kind != Kind::Loopback && interface.kind != Kind::Tunnel,
                Some("inet") => !interface.inet.is_empty(),
                Some("inet6") => !interface.inet6.is_empty(),
                _ => true,
            })
            .map(|interface| interface.name.as_str())
            .collect();
        call.say(names.join(" "));
        return Ok(0);
    }
    let family_of = |word: Option<&String>| word.map(String::as_str).filter(|word| is_family(word)).map(str::to_owned);
    let all = has(&flags, 'a') || rest.is_empty();
    if all {
        let mut state = call.machine.state()?;
        state.join_interfaces();
        let family = family_of(rest.first());
        let in_group =
            |interface: &&Interface| group.is_none_or(|group| interface.groups.iter().any(|one| one == group));
        for interface in visible(&state).filter(selected).filter(in_group) {
            show(call, &state, interface, family.as_deref(), format);
        }
        return Ok(0);
    }
    let Some((name, words)) = rest.split_first() else { return Ok(1) };
    let words = words.to_vec();
    let state = call.machine.state()?;
    if state.interface(name).is_none() && cloner(name) == Some(Kind::Bridge) {
        // Looking for a bridge loads the module that makes them.
        call.machine.change(load_bridges)?;
    }
    if words.is_empty() || words.len() == 1 && is_family(&words[0]) {
        let Some(interface) = state.interface(name) else { return no_interface(name) };
        show(call, &state, interface, words.first().map(String::as_str), format);
        return Ok(0);
    }
    let name = name.clone();
    let (said, outcome) = call.machine.change(|state| {
        let mut said = None;
        let mut trial = state.clone();
        let outcome = configure(&mut trial, &name, &words, &mut said);
        // The tool works through its words one by one: what was done before a refused one stays done.
        *state = trial;
        (said, outcome)
    })?;
    if let Some(said) = said {
        call.say(said);
    }
    outcome
}

fn is_family(word: &str) -> bool {
    matches!(word, "inet" | "inet6" | "ether" | "link" | "lladdr")
}

fn no_interface(name: &str) -> Outcome {
    Err(Failure::new(1, format!("ifconfig: interface {name} does not exist")))
}

fn visible(state: &State) -> impl Iterator<Item = &Interface> {
    state.running.interfaces.iter().filter(|interface| interface.vnet.is_none())
}

/// The kind that a cloned interface's name stands for.
fn cloner(name: &str) -> Option<Kind> {
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
    Some(match base {
        "bridge" => Kind::Bridge,
        "epair" => Kind::Epair,
        "vlan" => Kind::Vlan,
        "lo" => Kind::Loopback,
        "tun" | "wg" | "gif" => Kind::Tunnel,
        "tap" => Kind::Ether,
        _ => return None,
    })
}

/// Loads if_bridge and what it needs.
fn load_bridges(state: &mut State) {
    for module in ["if_bridge", "bridgestp"] {
        if !state.has_module(module) {
            state.running.modules.push(module.to_owned());
        }
    }
    super::modules::bridge_sysctls(state);
}

/// Makes an interface; the name that it got.
pub(crate) fn create(state: &mut State, wanted: &str) -> Result<String, String> {
    let Some(kind) = cloner(wanted) else { return Err("SIOCIFCREATE2: Invalid argument".into()) };
    let base = wanted.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    let is_taken = |state: &State, unit: u32| {
        let name = format!("{base}{unit}");
        let epair = format!("{name}b");
        state
            .running
            .interfaces
            .iter()
            .any(|known| known.name == name || known.name == epair || known.partner.as_deref() == Some(&epair))
    };
    let unit = match wanted.strip_prefix(base.as_str()).filter(|unit| !unit.is_empty()) {
        Some(unit) => unit.parse().map_err(|_| "SIOCIFCREATE2: Invalid argument".to_owned())?,
        None => (0..10_000).find(|unit| !is_taken(state, *unit)).ok_or("SIOCIFCREATE2: No space left on device")?,
    };
    if is_taken(state, unit) {
        return Err(format!("SIOCIFCREATE2 ({wanted}): File exists"));
    }
    let ends: &[&str] = if kind == Kind::Epair { &["a", "b"] } else { &[""] };
    for end in ends {
        state.running.next_index += 1;
        let index = state.running.next_index;
        let partner = match *end {
            "a" => Some(format!("{base}{unit}b")),
            "b" => Some(format!("{base}{unit}a")),
            _ => None,
        };
        let mac = match kind {
            Kind::Bridge => format!("58:9c:fc:10:{:02x}:{:02x}", unit / 256 % 256, unit % 256),
            Kind::Epair => format!(
                "02:{:02x}:{:02x}:00:0a:{}",
                unit / 256 % 256,
                unit % 256,
                if *end == "a" { "0a" } else { "0b" }
            ),
            Kind::Vlan | Kind::Loopback | Kind::Tunnel => String::new(),
            Kind::Ether => format!("58:9c:fc:20:{:02x}:{:02x}", unit / 256 % 256, unit % 256),
        };
        state.running.interfaces.push(Interface {
            name: format!("{base}{unit}{end}"),
            index,
            kind,
            mac,
            mtu: if kind == Kind::Loopback { 16384 } else { 1500 },
            groups: vec![base.clone()],
            partner,
            up: kind == Kind::Loopback,
            ..Interface::default()
        });
    }
    if kind == Kind::Bridge {
        load_bridges(state);
    }
    Ok(if kind == Kind::Epair { format!("{base}{unit}a") } else { format!("{base}{unit}") })
}

fn mask_prefix(text: &str) -> Option<u8> {
    let mask = if let Some(hex) = text.strip_prefix("0x") {
        u32::from_str_radix(hex, 16).ok()?
    } else {
        u32::from(text.parse::<Ipv4Addr>().ok()?)
    };
    let prefix = mask.leading_ones();
    (mask.checked_shl(prefix).unwrap_or(0) == 0).then(|| u8::try_from(prefix).unwrap_or(32))
}

/// Carries out the words behind the interface's name, one by one.
pub(crate) fn configure(state: &mut State, name: &str, words: &[String], said: &mut Option<String>) -> Outcome {
    let fail = |text: String| Err(Failure::new(1, format!("ifconfig: {text}")));
    let mut name = name.to_owned();
    let mut at = 0;
    if matches!(words.first().map(String::as_str), Some("create" | "plumb")) {
        match create(state, &name) {
            Ok(made) => {
                if made != name {
                    *said = Some(made.clone());
                }
                name = made;
            }
            Err(reason) => return fail(reason),
        }
        at = 1;
    }
    if state.interface(&name).is_none() {
        return no_interface(&name);
    }
    let mut family6 = false;
    let mut address: Option<Inet> = None;
    let mut address6: Option<Inet6> = None;
    let mut alias = false;
    let mut remove = false;
    while let Some(word) = words.get(at) {
        at += 1;
        let next = words.get(at).cloned();
        let mut value = || {
            at += 1;
            next.clone().ok_or_else(|| Failure::new(1, format!("ifconfig: '{word}' requires argument")))
        };
        let Some(interface) = state.interface_mut(&name) else { return no_interface(&name) };
        match word.as_str() {
            "inet" => family6 = false,
            "inet6" => family6 = true,
            "alias" | "add" => alias = true,
            "-alias" | "delete" | "remove" => remove = true,
            "up" => interface.up = true,
            "down" => interface.up = false,
            "netmask" => {
                let text = value()?;
                match (mask_prefix(&text), &mut address) {
                    (Some(prefix), Some(address)) => address.prefix = prefix,
                    _ => return fail(format!("{text}: bad value")),
                }
            }
            "broadcast" | "ether" | "lladdr" | "link" | "metric" | "media" | "mediaopt" | "fib" | "maxaddr"
            | "timeout" => {
                let text = value()?;
                if matches!(word.as_str(), "ether" | "lladdr" | "link") {
                    interface.mac = text;
                }
            }
            "prefixlen" => {
                let text = value()?;
                match (text.parse(), &mut address6) {
                    (Ok(prefix), Some(address)) => address.prefix = prefix,
                    _ => return fail(format!("{text}: bad value")),
                }
            }
            "mtu" => {
                let text = value()?;
                interface.mtu = text.parse().map_err(|_| Failure::new(1, format!("ifconfig: {text}: bad value")))?;
            }
            "descr" | "description" => interface.description = Some(value()?),
            "-descr" | "-description" => interface.description = None,
            "group" => {
                let group = value()?;
                if group.ends_with(|c: char| c.is_ascii_digit()) {
                    return fail("setifgroup: group names may not end in a digit".into());
                }
                if !interface.groups.contains(&group) {
                    interface.groups.push(group);
                }
            }
            "-group" => {
                let group = value()?;
                interface.groups.retain(|known| known != &group);
            }
            "name" => {
                let new = value()?;
                if state.running.interfaces.iter().any(|known| known.name == new) {
                    return fail("ioctl SIOCSIFNAME (set name): File exists".into());
                }
                rename(state, &name, &new);
                *said = Some(new.clone());
                name = new;
            }
            "vlan" => {
                let text = value()?;
                interface.vlan =
                    Some(text.parse().map_err(|_| Failure::new(1, format!("ifconfig: {text}: bad value")))?);
            }
            "vlandev" => {
                let parent = value()?;
                let Some(mac) = state.interface(&parent).map(|parent| parent.mac.clone()) else {
                    return fail("SIOCSETVLAN: No such file or directory".into());
                };
                if let Some(interface) = state.interface_mut(&name) {
                    interface.partner = Some(parent);
                    interface.mac = mac;
                }
            }
            "addm" => add_member(state, &name, &value()?)?,
            "deletem" => {
                let member = value()?;
                if interface.kind != Kind::Bridge || !interface.members.contains(&member) {
                    return fail(format!("BRDGDEL {member}: No such file or directory"));
                }
                interface.members.retain(|known| known != &member);
                interface.private_members.retain(|known| known != &member);
            }
            "private" | "-private" => {
                let member = value()?;
                if !interface.members.contains(&member) {
                    return fail(format!("{member}: No such file or directory"));
                }
                interface.private_members.retain(|known| known != &member);
                if word == "private" {
                    interface.private_members.push(member);
                }
            }
            "vnet" => {
                let jail = value()?;
                if !state.running.jails.iter().any(|known| known.name == jail) {
                    return fail(format!("jail \"{jail}\" not found"));
                }
                if let Some(interface) = state.interface_mut(&name) {
                    interface.vnet = Some(jail);
                }
                return Ok(0);
            }
            "-vnet" => {
                let jail = value()?;
                for interface in &mut state.running.interfaces {
                    if interface.name == name && interface.vnet.as_deref() == Some(&jail) {
                        interface.vnet = None;
                    }
                }
            }
            "destroy" | "unplumb" => {
                if cloner(&interface.groups.first().cloned().unwrap_or_default()).is_none() || interface.name == "lo0" {
                    return fail("SIOCIFDESTROY: Invalid argument".into());
                }
                destroy(state, &name);
                return Ok(0);
            }
            "create" | "plumb" => return fail(format!("interface {name} already exists")),
            "accept_rtadv" | "-accept_rtadv" | "auto_linklocal" | "-auto_linklocal" | "ifdisabled" | "-ifdisabled"
            | "no_radr" | "-no_radr" | "stp" | "-stp" | "rxcsum" | "-rxcsum" | "txcsum" | "-txcsum" | "tso"
            | "-tso" | "lro" | "-lro" | "promisc" | "-promisc" | "polling" | "-polling" | "DHCP" | "SYNCDHCP" => {}
            text if family6 => {
                let (ip, prefix) = text.split_once('/').unwrap_or((text, "64"));
                match (ip.split('%').next().unwrap_or(ip).parse::<Ipv6Addr>(), prefix.parse()) {
                    (Ok(ip), Ok(prefix)) if prefix <= 128 => address6 = Some(Inet6 { address: ip, prefix }),
                    _ => return fail(format!("{text}: bad value")),
                }
            }
            text => {
                let (ip, prefix) = match text.split_once('/') {
                    Some((ip, prefix)) => (ip, prefix.parse::<u8>().ok()),
                    None => (text, None),
                };
                match ip.parse::<Ipv4Addr>() {
                    Ok(ip) if prefix.is_none_or(|prefix| prefix <= 32) => {
                        // Without a netmask the class of the address decides.
                        let class = match ip.octets()[0] {
                            0..=127 => 8,
                            128..=191 => 16,
                            _ => 24,
                        };
                        address = Some(Inet { address: ip, prefix: prefix.unwrap_or(class) });
                    }
                    _ => return fail(format!("{text}: bad value")),
                }
            }
        }
    }
    let Some(interface) = state.interface_mut(&name) else { return no_interface(&name) };
    if let Some(address) = address {
        if remove {
            let before = interface.inet.len();
            interface.inet.retain(|known| known.address != address.address);
            if interface.inet.len() == before {
                return fail("ioctl (SIOCDIFADDR): Can't assign requested address".into());
            }
            return Ok(0);
        }
        if alias {
            interface.inet.retain(|known| known.address != address.address);
            interface.inet.push(address.clone());
        } else if interface.inet.is_empty() {
            interface.inet.push(address.clone());
        } else {
            interface.inet[0] = address.clone();
        }
        interface.up = true;
        let taken = visible(state)
            .any(|other| other.name != name && other.inet.iter().any(|known| known.address == address.address));
        if taken {
            if let Some(interface) = state.interface_mut(&name) {
                interface.inet.retain(|known| known.address != address.address);
            }
            return fail("ioctl (SIOCAIFADDR): File exists".into());
        }
    } else if remove && !family6 && !interface.inet.is_empty() {
        interface.inet.remove(0);
    }
    if let (Some(address), Some(interface)) = (address6, state.interface_mut(&name)) {
        interface.inet6.retain(|known| known.address != address.address);
        if !remove {
            interface.inet6.push(address);
            interface.up = true;
        }
    }
    Ok(0)
}

fn add_member(state: &mut State, bridge: &str, member: &str) -> Result<(), Failure> {
    let fail = |text: &str| Err(Failure::new(1, format!("ifconfig: BRDGADD {member}: {text}")));
    if state.faults.contains(&Fault::AddmRefused) {
        return fail("Invalid argument");
    }
    if state.interface(bridge).is_none_or(|bridge| bridge.kind != Kind::Bridge) {
        return fail("Invalid argument");
    }
    let Some(candidate) = state.interface(member) else { return fail("No such file or directory") };
    // if_bridge takes Ethernet, vlan and gif (bridge_ioctl_add); no bridge and no tunnel.
    if matches!(candidate.kind, Kind::Bridge | Kind::Loopback | Kind::Tunnel) {
        return fail("Invalid argument");
    }
    // Since 15.0 a member with an address is refused unless the sysctl allows it; 16 has no such sysctl.
    let has_address = !candidate.inet.is_empty() || !candidate.inet6.is_empty();
    let allowed = state.running.sysctls.get("net.link.bridge.member_ifaddrs").is_some_and(|value| value == "1");
    if state.kept.major >= 15 && has_address && !allowed {
        return fail("Invalid argument");
    }
    for other in &state.running.interfaces {
        if other.members.iter().any(|known| known == member) {
            return fail(if other.name == bridge { "File exists" } else { "Device busy" });
        }
    }
    if let Some(bridge) = state.interface_mut(bridge) {
        bridge.members.push(member.to_owned());
    }
    Ok(())
}

fn rename(state: &mut State, old: &str, new: &str) {
    for interface in &mut state.running.interfaces {
        if interface.name == old {
            new.clone_into(&mut interface.name);
        }
        if interface.partner.as_deref() == Some(old) {
            interface.partner = Some(new.to_owned());
        }
        for member in interface.members.iter_mut().chain(&mut interface.private_members) {
            if member == old {
                new.clone_into(member);
            }
        }
    }
}

/// Removes an interface, an epair's other end with it, and its memberships.
pub(crate) fn destroy(state: &mut State, name: &str) {
    let mut doomed = vec![name.to_owned()];
    if let Some(interface) = state.running.interfaces.iter().find(|interface| interface.name == name)
        && interface.kind == Kind::Epair
        && let Some(partner) = &interface.partner
    {
        doomed.push(partner.clone());
    }
    state.running.interfaces.retain(|interface| !doomed.contains(&interface.name));
    for interface in &mut state.running.interfaces {
        interface.members.retain(|member| !doomed.contains(member));
        interface.private_members.retain(|member| !doomed.contains(member));
    }
}

fn show(call: &mut Call, state: &State, interface: &Interface, family: Option<&str>, format: MaskFormat) {
    let (base, names) = match interface.kind {
        Kind::Loopback => (0x8008, "LOOPBACK,"),
        Kind::Tunnel => (0x8010, "POINTOPOINT,"),
        _ => (0x8802, "BROADCAST,"),
    };
    let simplex = if matches!(interface.kind, Kind::Loopback | Kind::Tunnel) { "" } else { "SIMPLEX," };
    let flags = if interface.up { base | 0x41 | 0x100_0000 } else { base };
    let words = if interface.up {
        format!("UP,{names}RUNNING,{simplex}MULTICAST,LOWER_UP")
    } else {
        format!("{names}{simplex}MULTICAST")
    };
    call.say(format_args!("{}: flags={flags:x}<{words}> metric 0 mtu {}", interface.name, interface.mtu));
    let everything = family.is_none();
    if everything {
        if let Some(description) = &interface.description {
            call.say(format_args!("\tdescription: {description}"));
        }
        match interface.kind {
            Kind::Loopback => call.say("\toptions=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>"),
            Kind::Bridge => call.say("\toptions=0"),
            Kind::Vlan => call.say("\toptions=4600003<RXCSUM,TXCSUM,RXCSUM_IPV6,TXCSUM_IPV6,MEXTPG>"),
            Kind::Epair => call.say("\toptions=8<VLAN_MTU>"),
            Kind::Tunnel => call.say("\toptions=80000<LINKSTATE>"),
            Kind::Ether if interface.name.starts_with("vtnet") => {
                // The tunable switches large receive offload off.
                let lro = state.running.sysctls.get("hw.vtnet.lro_disable").is_none_or(|value| value != "1");
                call.say(if lro {
                    "\toptions=4c07bb<RXCSUM,TXCSUM,VLAN_MTU,VLAN_HWTAGGING,JUMBO_MTU,VLAN_HWCSUM,TSO4,TSO6,LRO,VLAN_HWTSO,LINKSTATE,TXCSUM_IPV6>"
                } else {
                    "\toptions=4c03bb<RXCSUM,TXCSUM,VLAN_MTU,VLAN_HWTAGGING,JUMBO_MTU,VLAN_HWCSUM,TSO4,TSO6,VLAN_HWTSO,LINKSTATE,TXCSUM_IPV6>"
                });
            }
            Kind::Ether => call.say(
                "\toptions=481249b<RXCSUM,TXCSUM,VLAN_MTU,VLAN_HWTAGGING,VLAN_HWCSUM,LRO,WOL_MAGIC,VLAN_HWFILTER,NOMAP>",
            ),
        }
    }
    if (everything || matches!(family, Some("ether" | "link" | "lladdr"))) && !interface.mac.is_empty() {
        call.say(format_args!("\tether {}", interface.mac));
    }
    if everything || family == Some("inet") {
        for inet in &interface.inet {
            let net = Ipv4Net::new_assert(inet.address, inet.prefix.min(32));
            let shown = match format {
                MaskFormat::Cidr => format!("{}/{}", inet.address, inet.prefix),
                MaskFormat::Dotted => format!("{} netmask {}", inet.address, net.netmask()),
                MaskFormat::Hex => format!("{} netmask 0x{:08x}", inet.address, u32::from(net.netmask())),
            };
            if interface.kind == Kind::Loopback {
                call.say(format_args!("\tinet {shown}"));
            } else if interface.kind == Kind::Tunnel {
                call.say(format_args!(
                    "\tinet {} --> {} netmask 0x{:08x}",
                    inet.address,
                    inet.address,
                    u32::from(net.netmask())
                ));
            } else {
                call.say(format_args!("\tinet {shown} broadcast {}", net.broadcast()));
            }
        }
    }
    if everything || family == Some("inet6") {
        for inet6 in &interface.inet6 {
            let link_local = inet6.address.segments()[0] & 0xffc0 == 0xfe80;
            let zone = if link_local { format!("%{}", interface.name) } else { String::new() };
            let scope = if link_local { format!(" scopeid {:#x}", interface.index) } else { String::new() };
            call.say(format_args!("\tinet6 {}{zone} prefixlen {}{scope}", inet6.address, inet6.prefix));
        }
    }
    if !everything {
        return;
    }
    if interface.kind == Kind::Bridge {
        call.say("\tid 00:00:00:00:00:00 priority 32768 hellotime 2 fwddelay 15");
        call.say("\tmaxage 20 holdcnt 6 proto rstp maxaddr 2000 timeout 1200");
        call.say("\troot id 00:00:00:00:00:00 priority 32768 ifcost 0 port 0");
        for member in &interface.members {
            let index = state.interface(member).map_or(0, |member| member.index);
            let (bits, extra) = if interface.private_members.contains(member) { (943, "PRIVATE,") } else { (143, "") };
            call.say(format_args!("\tmember: {member} flags={bits}<LEARNING,DISCOVER,{extra}AUTOEDGE,AUTOPTP>"));
            call.say(format_args!("\t        port {index} priority 128 path cost 2000"));
        }
    }
    if !interface.groups.is_empty() {
        call.say(format_args!("\tgroups: {}", interface.groups.join(" ")));
    }
    match interface.kind {
        Kind::Vlan => {
            if let (Some(tag), Some(parent)) = (interface.vlan, &interface.partner) {
                call.say(format_args!("\tvlan: {tag} vlanproto: 802.1q vlanpcp: 0 parent interface: {parent}"));
            }
            call.say("\tmedia: Ethernet autoselect (1000baseT <full-duplex>)\n\tstatus: active");
        }
        Kind::Ether => call.say("\tmedia: Ethernet autoselect (1000baseT <full-duplex>)\n\tstatus: active"),
        Kind::Epair => call.say("\tmedia: Ethernet 10Gbase-T (10Gbase-T <full-duplex>)\n\tstatus: active"),
        Kind::Tunnel if interface.up => call.say("\tOpened by PID 1042"),
        _ => {}
    }
    call.say(match interface.kind {
        Kind::Loopback => "\tnd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>",
        _ if interface.inet6.is_empty() => "\tnd6 options=9<PERFORMNUD,IFDISABLED>",
        _ => "\tnd6 options=23<PERFORMNUD,ACCEPT_RTADV,AUTO_LINKLOCAL>",
    });
}

/// The connected IPv4 networks, more specific first; of two alike the older one holds the route.
pub(crate) fn connected(state: &State) -> Vec<(Ipv4Net, &Interface, Ipv4Addr)> {
    let mut networks: Vec<(Ipv4Net, &Interface, Ipv4Addr)> = Vec::new();
    for interface in visible(state).filter(|interface| interface.up) {
        for inet in &interface.inet {
            let Ok(net) = Ipv4Net::new(inet.address, inet.prefix) else { continue };
            if !networks.iter().any(|(known, _, _)| *known == net.trunc()) {
                networks.push((net.trunc(), interface, inet.address));
            }
        }
    }
    networks.sort_by_key(|(net, _, _)| std::cmp::Reverse(net.prefix_len()));
    networks
}

fn default_route(state: &State) -> Option<(Ipv4Addr, &str)> {
    let gateway: Ipv4Addr = state.running.default_router.as_deref()?.parse().ok()?;
    // The interface is chosen when the route is made: the oldest that holds the gateway's network.
    let interface = visible(state)
        .find(|interface| {
            interface
                .inet
                .iter()
                .any(|inet| Ipv4Net::new(inet.address, inet.prefix).is_ok_and(|net| net.contains(&gateway)))
        })
        .map_or("em0", |interface| interface.name.as_str());
    Some((gateway, interface))
}

/// Whether an address is the host's own.
fn own(state: &State, address: Ipv4Addr) -> bool {
    visible(state).any(|interface| interface.up && interface.inet.iter().any(|inet| inet.address == address))
}

pub(crate) fn route(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let words: Vec<&str> =
        args.iter().map(String::as_str).filter(|word| !matches!(*word, "-n" | "-4" | "-inet" | "-q")).collect();
    match words.as_slice() {
        ["get" | "show", target] => {
            let state = call.machine.state()?;
            route_get(call, &state, target)
        }
        ["add" | "change", "default", gateway] => {
            let gateway = (*gateway).to_owned();
            call.machine.change(|state| state.running.default_router = Some(gateway.clone()))?;
            call.say(format_args!("add net default: gateway {gateway}"));
            Ok(0)
        }
        ["delete" | "del", "default", ..] => {
            call.machine.change(|state| state.running.default_router = None)?;
            call.say("delete net default");
            Ok(0)
        }
        [] => {
            call.warn("usage: route [-46dnqtv] command [[modifiers] args]");
            Ok(64)
        }
        _ => {
            call.warn("usage: route [-46dnqtv] command [[modifiers] args]");
            Ok(64)
        }
    }
}

fn route_get(call: &mut Call, state: &State, target: &str) -> Outcome {
    let missing = || Err(Failure::new(1, "route: route has not been found"));
    if target == "default" || target == "0.0.0.0" {
        let Some((gateway, interface)) = default_route(state) else { return missing() };
        let mtu = state.interface(interface).map_or(1500, |interface| interface.mtu);
        call.say("   route to: 0.0.0.0\ndestination: 0.0.0.0\n       mask: 0.0.0.0");
        call.say(format_args!("    gateway: {gateway}\n        fib: 0\n  interface: {interface}"));
        call.say("      flags: <UP,GATEWAY,DONE,STATIC>");
        call.say(" recvpipe  sendpipe  ssthresh  rtt,msec    mtu        weight    expire");
        call.say(format_args!("       0         0         0         0      {mtu}         1         0 "));
        return Ok(0);
    }
    let Ok(address) = target.parse::<Ipv4Addr>() else {
        return Err(Failure::new(1, format!("route: bad address: {target}")));
    };
    call.say(format_args!("   route to: {address}"));
    let mtu = if own(state, address) { 16384 } else { 1500 };
    if own(state, address) {
        call.say(format_args!("destination: {address}\n        fib: 0\n  interface: lo0"));
        call.say("      flags: <UP,HOST,DONE,STATIC,PINNED>");
    } else if let Some((net, interface, _)) = connected(state).into_iter().find(|(net, _, _)| net.contains(&address)) {
        call.say(format_args!(
            "destination: {}\n       mask: {}\n        fib: 0\n  interface: {}",
            net.network(),
            net.netmask(),
            interface.name
        ));
        call.say("      flags: <UP,DONE,PINNED>");
    } else if let Some((gateway, interface)) = default_route(state) {
        call.say(format_args!("destination: 0.0.0.0\n       mask: 0.0.0.0\n    gateway: {gateway}\n        fib: 0\n  interface: {interface}"));
        call.say("      flags: <UP,GATEWAY,DONE,STATIC>");
    } else {
        return missing();
    }
    call.say(" recvpipe  sendpipe  ssthresh  rtt,msec    mtu        weight    expire");
    call.say(format_args!("       0         0         0         0     {mtu:>5}         1         0 "));
    Ok(0)
}

pub(crate) fn netstat(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let (flags, _) = match getopt(&args, "46AaBbdF:f:ghI:iLlM:mN:nP:p:Qq:RrSsTuWw:xz") {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.text("netstat");
            call.warn(text);
            return Ok(1);
        }
    };
    if !has(&flags, 'r') {
        return Err(Failure::new(1, "netstat: only -r is simulated"));
    }
    let state = call.machine.state()?;
    if value_of(&flags, 'f') == Some("link") {
        // There are no routes by hardware addresses; before 14 that was an error.
        if state.kept.major >= 14 {
            call.say("Routing tables");
            return Ok(0);
        }
        return Err(Failure::new(71, "netstat: sysctl: net.route.0.18.dump.0: Invalid argument"));
    }
    call.say("Routing tables");
    let flags_width = if state.kept.major >= 15 { 10 } else { 8 };
    if !has(&flags, '6') && value_of(&flags, 'f') != Some("inet6") {
        call.say("\nInternet:");
        call.say(format_args!(
            "{:<18} {:<18} {:<flags_width$} {:>8} {}",
            "Destination", "Gateway", "Flags", "Netif", "Expire"
        ));
        if let Some((gateway, interface)) = default_route(&state) {
            call.say(format_args!(
                "{:<18} {:<18} {:<flags_width$} {:>8}",
                "default",
                gateway.to_string(),
                "UGS",
                interface
            ));
        }
        let mut lines: Vec<(Ipv4Addr, String)> = Vec::new();
        for (net, interface, _) in connected(&state) {
            if interface.kind != Kind::Loopback && net.prefix_len() < 32 {
                let link = format!("link#{}", interface.index);
                lines.push((
                    net.network(),
                    format!("{:<18} {:<18} {:<flags_width$} {:>8}", net.to_string(), link, "U", interface.name),
                ));
            }
        }
        for interface in visible(&state).filter(|interface| interface.up) {
            for inet in &interface.inet {
                let flags = if interface.kind == Kind::Loopback { "UH" } else { "UHS" };
                // Before 14 the route to an own address names its own interface's link.
                let lo0 = state.interface("lo0").map_or(1, |lo| lo.index);
                let link = if state.kept.major < 14 { interface.index } else { lo0 };
                lines.push((
                    inet.address,
                    format!(
                        "{:<18} {:<18} {flags:<flags_width$} {:>8}",
                        inet.address.to_string(),
                        format!("link#{link}"),
                        "lo0"
                    ),
                ));
            }
        }
        lines.sort();
        for (_, line) in lines {
            call.say(line);
        }
    }
    if !has(&flags, '4') && value_of(&flags, 'f') != Some("inet") {
        call.say("\nInternet6:");
        call.say(format_args!(
            "{:<33} {:<29} {:<flags_width$} {:>8} {}",
            "Destination", "Gateway", "Flags", "Netif", "Expire"
        ));
        call.say(format_args!("{:<33} {:<29} {:<flags_width$} {:>8}", "::1", "link#2", "UHS", "lo0"));
    }
    Ok(0)
}

pub(crate) fn ping(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let (flags, rest) = match getopt(&args, "46AaC:c:DdfG:g:Hh:I:i:Ll:M:m:nop:P:QqRrS:s:T:t:vW:w:z:") {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.text("ping");
            call.warn(text);
            call.warn("usage: ping [-4aADdfHnoQqRrv] [-c count] [-i wait] [-t timeout] [-W waittime] host");
            return Ok(64);
        }
    };
    let [host] = rest else {
        call.warn("usage: ping [-4aADdfHnoQqRrv] [-c count] [-i wait] [-t timeout] [-W waittime] host");
        return Ok(64);
    };
    let count: u64 = value_of(&flags, 'c').and_then(|text| text.parse().ok()).unwrap_or(1).clamp(1, 100);
    let state = call.machine.state()?;
    let Ok(IpAddr::V4(address)) = host.parse::<IpAddr>() else {
        return Err(match state.kept.major {
            15.. => Failure::new(68, format!("ping: cannot resolve {host}: Name does not resolve")),
            14 => Failure::new(68, format!("ping: cannot resolve {host}: Unknown host")),
            _ => Failure::new(1, "ping: Unknown host"),
        });
    };
    // The host's own addresses and those of running jails answer, and the router; nothing else exists here.
    let jail = state.running.jails.iter().any(|jail| jail.addresses.iter().any(|known| known == host));
    let router = default_route(&state).is_some_and(|(gateway, _)| gateway == address);
    // A route that was taken over by a bridge leads nowhere.
    let stolen = router
        && connected(&state)
            .into_iter()
            .find(|(net, _, _)| net.contains(&address))
            .is_none_or(|(_, interface, _)| interface.kind == Kind::Bridge);
    let answers = own(&state, address) || jail || router && !stolen;
    call.say(format_args!("PING {host} ({address}): 56 data bytes"));
    if answers {
        for sequence in 0..count {
            call.say(format_args!(
                "64 bytes from {address}: icmp_seq={sequence} ttl=64 time=0.0{}1 ms",
                4 + sequence % 4
            ));
        }
    } else {
        call.flush();
        let wait = value_of(&flags, 't').and_then(|text| text.parse::<f64>().ok()).unwrap_or(1.0).clamp(0.0, 2.0);
        std::thread::sleep(std::time::Duration::from_secs_f64(wait.min(1.0)));
    }
    let received = if answers { count } else { 0 };
    call.say(format_args!("\n--- {host} ping statistics ---"));
    call.say(format_args!(
        "{count} packets transmitted, {received} packets received, {:.1}% packet loss",
        if answers { 0.0 } else { 100.0 }
    ));
    if answers {
        call.say("round-trip min/avg/max/stddev = 0.041/0.055/0.071/0.012 ms");
    }
    Ok(if answers { 0 } else { 2 })
}
