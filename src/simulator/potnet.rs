//! The simulated potnet: the address table of pot's networks.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;

use ipnet::IpNet;

use super::call::{Call, Failure, Outcome};
use super::pot_settings::FOLDER;
use crate::potconf::potnet as reading;

struct Network {
    net: IpNet,
    gateway: IpAddr,
    dns: Option<(String, IpAddr)>,
    fs_root: String,
}

struct Bridge {
    name: String,
    net: IpNet,
    gateway: IpAddr,
}

fn logged(text: &str) -> String {
    let clock = super::clock::now().strftime("%H:%M:%S").to_string();
    format!("{clock} [ERROR] {text}")
}

pub(crate) fn potnet(call: &mut Call) -> Outcome {
    let args: Vec<String> = std::mem::take(&mut call.args);
    let mut words =
        args.iter().filter(|arg| !matches!(arg.as_str(), "-v" | "-vv" | "-vvv" | "-q" | "--verbose" | "--quiet"));
    let Some(subcommand) = words.next() else {
        call.warn("potnet 0.5.0\n\nUSAGE:\n    potnet [FLAGS] <SUBCOMMAND>\n\nSUBCOMMANDS:\n    config-check    etc-hosts    ip4check    ip6check    ipcheck    new-net    next    show    validate");
        return Ok(1);
    };
    if matches!(subcommand.as_str(), "-V" | "--version") {
        call.say("potnet 0.5.0");
        return Ok(0);
    }
    let rest: Vec<&str> = words.map(String::as_str).collect();
    let option = |short: &str, long: &str| {
        rest.iter().enumerate().find_map(|(at, word)| {
            if *word == short || *word == long {
                return rest.get(at + 1).map(|value| (*value).to_owned());
            }
            word.strip_prefix(&format!("{long}="))
                .or_else(|| word.strip_prefix(short).filter(|rest| !rest.is_empty() && !word.starts_with("--")))
                .map(str::to_owned)
        })
    };
    if let Some(refusal) = refusal(subcommand, &rest) {
        return Err(Failure::new(1, refusal));
    }
    let machine = call.machine.clone();
    let default = fs::read(machine.path(format!("{FOLDER}/pot.default.conf"))).unwrap_or_default();
    let own = fs::read(machine.path(format!("{FOLDER}/pot.conf"))).unwrap_or_default();
    let values = reading::values(&default, &own);
    let incomplete = || Failure::new(1, "Error: System configuration incomplete");
    let address = |name: &str| values.get(name).and_then(|text| text.parse::<IpAddr>().ok());
    // potnet reads the configuration before it looks at what is asked: without one every subcommand fails.
    let check = reading::config_check(&default, &own);
    let complete = values.get("POT_NETWORK").and_then(|text| text.parse::<IpNet>().ok()).zip(address("POT_GATEWAY"));
    let (Some((net, gateway)), Some(fs_root)) = (complete, values.get("POT_FS_ROOT")) else { return Err(incomplete()) };
    if ["POT_EXTIF", "POT_NETMASK", "POT_ZFS_ROOT", "POT_DNS_NAME"].iter().any(|name| !values.contains_key(name)) {
        return Err(incomplete());
    }
    let dns = values.get("POT_DNS_NAME").cloned().zip(address("POT_DNS_IP"));
    let network = Network { net, gateway, dns, fs_root: fs_root.clone() };
    match subcommand.as_str() {
        "config-check" => {
            for error in &check.errors {
                call.warn(logged(error));
            }
            Ok(u8::try_from(check.exit_code).unwrap_or(1))
        }
        "ip4check" | "ip6check" | "ipcheck" => {
            let address = host(option("-H", "--host"))?;
            let fits = match subcommand.as_str() {
                "ip4check" => address.is_ipv4(),
                "ip6check" => address.is_ipv6(),
                _ => true,
            };
            Ok(u8::from(!fits))
        }
        "show" => show(call, &network, option("-b", "--bridge-name").as_deref()),
        "next" => {
            let bridge = option("-b", "--bridge-name");
            let (hosts, table) = match &bridge {
                Some(name) => {
                    let Some(bridge) = bridges(call, &network).into_iter().find(|bridge| bridge.name == *name) else {
                        call.warn(logged(&format!("bridge {name} not found")));
                        return Ok(0);
                    };
                    (bridge.net, bridge_table(call, &network, &bridge))
                }
                None => (network.net, table(call, &network)),
            };
            if let Some(free) = hosts.hosts().find(|address| !table.contains_key(address)) {
                call.say(free);
            }
            Ok(0)
        }
        "validate" => {
            let address = host(option("-H", "--host"))?;
            validate(call, &network, address, option("-b", "--bridge-name").as_deref())
        }
        "new-net" => {
            let hosts = option("-s", "-s").ok_or_else(|| missing("-s <host-number>"))?;
            let hosts: u16 = hosts
                .parse()
                .map_err(|error| Failure::new(1, format!("error: Invalid value for '-s <host-number>': {error}")))?;
            new_net(call, &network, hosts.into())
        }
        "etc-hosts" => {
            let bridge = option("-b", "--bridge-name");
            let net = match &bridge {
                Some(name) => {
                    bridges(call, &network).into_iter().find(|bridge| bridge.name == *name).map(|bridge| bridge.net)
                }
                None => None,
            };
            let wanted = if bridge.is_some() { "private-bridge" } else { "public-bridge" };
            let mut hosts: BTreeMap<IpAddr, String> = BTreeMap::new();
            for (name, kind, address) in pots(call, &network) {
                if kind == wanted && (bridge.is_none() || net.is_some_and(|net| net.contains(&address))) {
                    hosts.insert(address, name);
                }
            }
            for (address, name) in hosts {
                call.say(format_args!("{address} {name}"));
            }
            Ok(0)
        }
        other => {
            call.warn(format_args!("error: Found argument '{other}' which wasn't expected, or isn't valid in this context\n\nUSAGE:\n    potnet [FLAGS] <SUBCOMMAND>"));
            Ok(1)
        }
    }
}

fn missing(argument: &str) -> Failure {
    Failure::new(1, format!("error: The following required arguments were not provided:\n    {argument}"))
}

fn host(given: Option<String>) -> Result<IpAddr, Failure> {
    given
        .ok_or_else(|| missing("--host <host>"))?
        .parse()
        .map_err(|_| Failure::new(1, "error: Invalid value for '--host <host>': invalid IP address syntax"))
}

/// Why a subcommand's arguments are none that it knows.
fn refusal(subcommand: &str, arguments: &[&str]) -> Option<String> {
    let known: &[&str] = match subcommand {
        "config-check" => &[],
        "ip4check" | "ip6check" | "ipcheck" => &["-H", "--host"],
        "show" | "next" | "etc-hosts" => &["-b", "--bridge-name"],
        "validate" => &["-H", "--host", "-b", "--bridge-name"],
        "new-net" => &["-s"],
        // Of these nothing is known at all, which is said elsewhere.
        _ => return None,
    };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if known.contains(word) {
            words.next();
        } else if !known
            .iter()
            .any(|name| word.strip_prefix(name).is_some_and(|rest| !name.starts_with("--") || rest.starts_with('=')))
        {
            return Some(format!(
                "error: Found argument '{word}' which wasn't expected, or isn't valid in this context"
            ));
        }
    }
    None
}

/// Pots on bridges: name, network type, address.
fn pots(call: &Call, network: &Network) -> Vec<(String, String, IpAddr)> {
    let folder = format!("{}/jails", network.fs_root);
    let mut names: Vec<String> = fs::read_dir(call.machine.path(&folder))
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
        .into_iter()
        .filter_map(|name| {
            let text = fs::read_to_string(call.machine.path(format!("{folder}/{name}/conf/pot.conf"))).ok()?;
            let value = |key: &str| {
                text.lines().rev().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned)
            };
            let kind = value("network_type")?;
            let address = value("ip")?.parse().ok()?;
            matches!(kind.as_str(), "public-bridge" | "private-bridge").then_some((name, kind, address))
        })
        .collect()
}

fn bridges(call: &Call, network: &Network) -> Vec<Bridge> {
    let folder = format!("{}/bridges", network.fs_root);
    let mut names: Vec<String> = fs::read_dir(call.machine.path(&folder))
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
        .into_iter()
        .filter_map(|file| {
            let text = fs::read_to_string(call.machine.path(format!("{folder}/{file}"))).ok()?;
            let value = |key: &str| {
                text.lines()
                    .map(str::trim)
                    .rev()
                    .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                    .map(str::to_owned)
            };
            let bridge = Bridge {
                name: value("name")?,
                net: value("net")?.parse().ok()?,
                gateway: value("gateway")?.parse().ok()?,
            };
            bridge.net.contains(&bridge.gateway).then_some(bridge)
        })
        .collect()
}

fn table(call: &Call, network: &Network) -> BTreeMap<IpAddr, String> {
    let mut table = BTreeMap::from([(network.net.network(), String::new()), (network.net.broadcast(), String::new())]);
    table.insert(network.gateway, "default gateway".into());
    if let Some((name, address)) = &network.dns {
        table.insert(*address, name.clone());
    }
    for (name, _, address) in pots(call, network) {
        table.insert(address, name);
    }
    for bridge in bridges(call, network) {
        let name = &bridge.name;
        table.insert(bridge.net.network(), format!("{name} bridge - network "));
        table.insert(bridge.net.broadcast(), format!("{name} bridge - broadcast "));
        table.insert(bridge.gateway, format!("{name} bridge - gateway "));
        for host in bridge.net.hosts().take(4096) {
            table.entry(host).or_insert_with(|| format!("{name} bridge - allocated address"));
        }
    }
    table
}

fn bridge_table(call: &Call, network: &Network, bridge: &Bridge) -> BTreeMap<IpAddr, String> {
    let name = &bridge.name;
    let mut table = BTreeMap::from([
        (bridge.net.network(), format!("{name} bridge - network ")),
        (bridge.net.broadcast(), format!("{name} bridge - broadcast ")),
        (bridge.gateway, format!("{name} bridge - gateway ")),
    ]);
    for (name, _, address) in pots(call, network) {
        if bridge.net.contains(&address) {
            table.insert(address, name);
        }
    }
    table
}

fn show(call: &mut Call, network: &Network, bridge: Option<&str>) -> Outcome {
    if let Some(name) = bridge {
        match bridges(call, network).into_iter().find(|bridge| bridge.name == name) {
            Some(bridge) => {
                for (address, who) in bridge_table(call, network, &bridge) {
                    call.say(format_args!("\t{address}\t{who}"));
                }
            }
            None => call.warn(logged(&format!("bridge {name} not found"))),
        }
        return Ok(0);
    }
    call.say("Network topology:");
    call.say(format_args!("\tnetwork : {}", network.net.trunc()));
    call.say(format_args!("\tmin addr: {}", network.net.network()));
    call.say(format_args!("\tmax addr: {}", network.net.broadcast()));
    call.say("\nAddresses already taken:");
    for (address, who) in table(call, network) {
        call.say(format_args!("\t{address}\t{who}"));
    }
    Ok(0)
}

fn validate(call: &mut Call, network: &Network, address: IpAddr, bridge: Option<&str>) -> Outcome {
    let refuse = |reason: &str| Err(Failure::new(1, format!("Error: {reason}")));
    match bridge {
        None if table(call, network).contains_key(&address) => refuse("Address already in use"),
        None if !network.net.contains(&address) => refuse("Address outside the network"),
        None => Ok(0),
        Some(name) => {
            let Some(bridge) = bridges(call, network).into_iter().find(|bridge| bridge.name == name) else {
                return refuse(&format!("bridge {name} not found"));
            };
            if !bridge.net.contains(&address) {
                call.warn(logged(&format!("ip {address} not in the bridge network {}", bridge.net)));
                return refuse("Ip outside the bridge network");
            }
            if bridge_table(call, network, &bridge).contains_key(&address) {
                call.warn(logged(&format!("ip {address} already in use")));
                return refuse("Ip already used");
            }
            Ok(0)
        }
    }
}

fn new_net(call: &mut Call, network: &Network, hosts: u32) -> Outcome {
    if hosts <= 1 {
        call.warn(logged(&format!("A network with size {hosts} is too small")));
        return Ok(1);
    }
    // Room for the hosts, the network's and the broadcast address.
    let bits = (2..=17u8).find(|bits| hosts + 2 <= 1u32 << bits).unwrap_or(17);
    let length = network.net.max_prefix_len();
    let table = table(call, network);
    if let Ok(subnets) = network.net.subnets(length.saturating_sub(bits)) {
        let mut taken = table.keys().peekable();
        for subnet in subnets.take(2_000_000) {
            while taken.next_if(|address| **address < subnet.network()).is_some() {}
            let free = taken.peek().is_none_or(|address| !subnet.contains(*address));
            if free {
                call.say(format_args!("net={subnet}"));
                if let Some(gateway) = subnet.hosts().next() {
                    call.say(format_args!("gateway={gateway}"));
                }
                break;
            }
        }
    }
    Ok(0)
}
