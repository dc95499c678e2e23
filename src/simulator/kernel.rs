//! The simulated kernel: boot, sysctl(8), versions, jails, shutdown.

use std::collections::BTreeMap;
use std::fs;

use super::call::{Call, Failure, Outcome, getopt, has, value_of};
use super::interfaces;
use super::machine::{Machine, now};
use super::modules::{load_module, make_device};
use super::state::{Interface, Jail, Kind, Running, State};
use super::{rc, syslog};

/// Starts the host: what ran is gone, loader.conf, sysctl.conf and rc.conf are in force.
pub(crate) fn boot(state: &mut State, machine: &Machine) -> std::io::Result<()> {
    clear_folder(machine, "/var/run")?;
    let _ = fs::remove_file(machine.path("/dev/pf"));
    state.kept.boots += 1;
    for dataset in &mut state.kept.datasets {
        dataset.busy = false;
    }
    let seed =
        now().unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ state.kept.boots.wrapping_mul(0xd134_2543_de82_ef95);
    let mut running = Running {
        boot_id: format!(
            "{:08x}-{:04x}-11f0-{:04x}-589cfc{:06x}",
            seed >> 32,
            seed >> 16 & 0xffff,
            seed & 0xffff,
            state.kept.boots & 0xff_ffff
        ),
        boot_time: now(),
        kernel: state.kept.kernel.clone(),
        sysctls: kernel_values(state),
        modules: vec!["kernel".into(), "zfs".into(), "cryptodev".into()],
        next_pid: 600,
        ..Running::default()
    };
    for line in machine.text("/boot/loader.conf").lines() {
        let line = line.split('#').next().unwrap_or_default();
        if let Some((name, value)) = line.split_once('=') {
            let value = value.trim().trim_matches('"').to_owned();
            let name = name.trim();
            if let Some(module) = name.strip_suffix("_load") {
                if value.eq_ignore_ascii_case("yes") && !running.modules.iter().any(|known| known == module) {
                    running.modules.push(module.to_owned());
                }
            } else if running.sysctls.contains_key(name) {
                running.sysctls.insert(name.to_owned(), value);
            }
        }
    }
    for line in machine.text("/etc/sysctl.conf").lines() {
        if let Some((name, value)) = line.split('#').next().unwrap_or_default().split_once('=')
            && running.sysctls.contains_key(name.trim())
            && !is_tunable(name.trim())
        {
            running.sysctls.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }
    running.sysctls.insert("kern.boot_id".into(), running.boot_id.replace('-', ""));
    state.running = running;
    let hostname = rc::value(machine, "hostname").unwrap_or_else(|| "Amnesiac".to_owned());
    state.running.sysctls.insert("kern.hostname".into(), hostname);
    if rc::is_yes(rc::value(machine, "gateway_enable").as_deref()) {
        state.running.sysctls.insert("net.inet.ip.forwarding".into(), "1".into());
    }
    let datasets: Vec<String> = state.kept.datasets.iter().map(|dataset| dataset.name.clone()).collect();
    for name in datasets {
        if state.mounts_by_itself(&name).is_some() {
            state.mount(machine, &name)?;
        }
    }
    if state.has_module("pf") {
        make_device(machine);
    }
    for module in rc::value(machine, "kld_list").unwrap_or_default().split_whitespace() {
        load_module(state, machine, module);
    }
    boot_network(state, machine);
    rc::boot_pf(state, machine);
    if !rc::value(machine, "syslogd_enable").is_some_and(|value| value.eq_ignore_ascii_case("no")) {
        let flags = rc::value(machine, "syslogd_flags").unwrap_or_default();
        syslog::start(state, machine, &flags);
        let pid = state.next_pid();
        state.running.services.insert("syslogd".into(), pid);
    }
    for service in ["devd", "cron", "sshd", "ntpd", "sendmail"] {
        if rc::is_yes(rc::value(machine, &format!("{service}_enable")).as_deref()) {
            let pid = state.next_pid();
            state.running.services.insert(service.to_owned(), pid);
        }
    }
    let text = format!("{}\n", state.running.boot_id);
    machine.write("/var/run/simulated-boot-id", &text)
}

/// As rc.d/cleanvar does it: files and sockets go, folders stay.
fn clear_folder(machine: &Machine, folder: &str) -> std::io::Result<()> {
    let here = machine.path(folder);
    fs::create_dir_all(&here)?;
    for entry in fs::read_dir(&here)?.flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            clear_folder(machine, &format!("{folder}/{}", entry.file_name().to_string_lossy()))?;
        } else {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Interfaces, addresses and the default route as rc.conf has them.
fn boot_network(state: &mut State, machine: &Machine) {
    let lo0 = Interface {
        name: "lo0".into(),
        kind: Kind::Loopback,
        up: true,
        mtu: 16384,
        groups: vec!["lo".into()],
        inet: vec![super::state::Inet { address: std::net::Ipv4Addr::LOCALHOST, prefix: 8 }],
        inet6: vec![super::state::Inet6 { address: std::net::Ipv6Addr::LOCALHOST, prefix: 128 }],
        ..Interface::default()
    };
    let cards: Vec<Interface> = state
        .kept
        .cards
        .iter()
        .map(|card| Interface {
            name: card.name.clone(),
            kind: if card.name.starts_with("tun") { Kind::Tunnel } else { Kind::Ether },
            mac: card.mac.clone(),
            mtu: 1500,
            ..Interface::default()
        })
        .collect();
    for mut interface in cards.into_iter().chain([lo0]) {
        state.running.next_index += 1;
        interface.index = state.running.next_index;
        state.running.interfaces.push(interface);
    }
    let mut names: Vec<String> = state.kept.cards.iter().map(|card| card.name.clone()).collect();
    for card in names.clone() {
        for vlan in rc::value(machine, &format!("vlans_{card}")).unwrap_or_default().split_whitespace() {
            let arguments = rc::value(machine, &format!("create_args_{vlan}")).unwrap_or_default();
            let tag = arguments.split_whitespace().skip_while(|word| *word != "vlan").nth(1).unwrap_or("1").to_owned();
            let mut words = vec!["create".to_owned(), "vlan".into(), tag, "vlandev".into(), card.clone(), "up".into()];
            if !vlan.starts_with("vlan") {
                words.truncate(0);
            }
            if !words.is_empty() {
                let _ = interfaces::configure(state, vlan, &words, &mut None);
                names.push(vlan.to_owned());
            }
        }
    }
    for cloned in rc::value(machine, "cloned_interfaces").unwrap_or_default().split_whitespace() {
        if interfaces::create(state, cloned).is_ok() {
            names.push(cloned.to_owned());
        }
    }
    for name in names {
        let mut suffixes = vec![String::new()];
        suffixes.extend((0..32).map(|alias| format!("_alias{alias}")));
        suffixes.push("_ipv6".into());
        for suffix in suffixes {
            if let Some(arguments) = rc::value(machine, &format!("ifconfig_{name}{suffix}")) {
                let mut words: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
                if suffix.starts_with("_alias") && !words.iter().any(|word| word == "alias") {
                    words.push("alias".into());
                }
                if words.iter().any(|word| word == "DHCP" || word == "SYNCDHCP") {
                    words = vec!["inet".into(), "192.0.2.15/24".into()];
                    state.running.default_router = Some("192.0.2.1".into());
                }
                let _ = interfaces::configure(state, &name, &words, &mut None);
                if let Some(interface) = state.interface_mut(&name) {
                    interface.up = true;
                }
            }
        }
        // Every card that is up has a link-local address once IPv6 is on for it.
        if rc::value(machine, &format!("ifconfig_{name}_ipv6")).is_some()
            && let Some(interface) = state.interface_mut(&name)
            && let Some(address) = link_local(&interface.mac)
        {
            interface.inet6.insert(0, super::state::Inet6 { address, prefix: 64 });
        }
    }
    if let Some(router) = rc::value(machine, "defaultrouter").filter(|router| !router.is_empty() && router != "NO") {
        state.running.default_router = Some(router);
    }
}

/// The link-local address that follows from a MAC address.
fn link_local(mac: &str) -> Option<std::net::Ipv6Addr> {
    let bytes: Vec<u8> = mac.split(':').filter_map(|part| u8::from_str_radix(part, 16).ok()).collect();
    let bytes: [u8; 6] = bytes.try_into().ok()?;
    let pair = |high: u8, low: u8| u16::from(high) << 8 | u16::from(low);
    let (first, second) = (pair(bytes[0] ^ 2, bytes[1]), pair(bytes[2], 0xff));
    Some(std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, first, second, pair(0xfe, bytes[3]), pair(bytes[4], bytes[5])))
}

const TUNABLES: [&str; 4] = ["kern.racct.enable", "hw.vtnet.lro_disable", "vfs.zfs.arc_max", "kern.hz"];
const READ_ONLY: [&str; 19] = [
    "kern.ostype",
    "kern.osrelease",
    "kern.osreldate",
    "kern.version",
    "kern.boottime",
    "kern.boot_id",
    "kern.features.vimage",
    "kern.features.inet6",
    "hw.machine",
    "hw.machine_arch",
    "hw.ncpu",
    "hw.physmem",
    "hw.model",
    "security.jail.jailed",
    "security.jail.vnet",
    "kern.vm_guest",
    "net.inet.ip.fw.static_count",
    "kern.ident",
    "vfs.zfs.version.spa",
];

fn is_tunable(name: &str) -> bool {
    TUNABLES.contains(&name)
}

fn kernel_values(state: &State) -> BTreeMap<String, String> {
    let kept = &state.kept;
    let virtual_machine = kept.cards.iter().any(|card| card.name.starts_with("vtnet"));
    let values: Vec<(&str, String)> = vec![
        ("kern.ostype", "FreeBSD".into()),
        ("kern.osrelease", kept.kernel.clone()),
        ("kern.osreldate", format!("{}03000", kept.major)),
        ("kern.ident", "GENERIC".into()),
        ("kern.racct.enable", "0".into()),
        ("kern.securelevel", "-1".into()),
        ("kern.features.vimage", u8::from(kept.vimage).to_string()),
        ("kern.features.inet6", "1".into()),
        ("kern.boottime", String::new()),
        ("kern.hz", "1000".into()),
        ("kern.vm_guest", if virtual_machine { "kvm".into() } else { "none".into() }),
        ("hw.machine", "amd64".into()),
        ("hw.machine_arch", "amd64".into()),
        ("hw.ncpu", "4".into()),
        ("hw.physmem", "17102147584".into()),
        ("hw.model", "Intel(R) Xeon(R) E-2314 CPU @ 2.80GHz".into()),
        ("net.inet.ip.forwarding", "0".into()),
        ("net.inet6.ip6.forwarding", "0".into()),
        ("net.inet.ip.portrange.first", "10000".into()),
        ("net.inet.ip.portrange.last", "65535".into()),
        ("net.inet.ip.portrange.reservedhigh", "1023".into()),
        ("net.link.bridge.pfil_member", "1".into()),
        ("net.link.bridge.pfil_bridge", "0".into()),
        ("net.link.bridge.pfil_onlyip", "1".into()),
        ("security.jail.jailed", u8::from(kept.jailed).to_string()),
        ("security.jail.vnet", u8::from(kept.jailed).to_string()),
        ("security.bsd.unprivileged_read_msgbuf", "0".into()),
        ("vfs.zfs.arc_max", "0".into()),
        ("hw.vtnet.lro_disable", "0".into()),
    ];
    let mut values: BTreeMap<String, String> =
        values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if !kept.vimage {
        values.remove("kern.features.vimage");
    }
    if !virtual_machine {
        values.remove("hw.vtnet.lro_disable");
    }
    values
}

pub(crate) fn sysctl(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let usage = |call: &mut Call| -> Outcome {
        call.warn("usage: sysctl [-bdeFhilNnoqTtVWx] [ -B <bufsize> ] [-f filename] [-j jail] name[=value] ...\n       sysctl [-bdeFhlNnoqTtVWx] [ -B <bufsize> ] [-j jail] -a");
        Ok(1)
    };
    let (flags, names) = match getopt(&args, "AabB:def:FhiIj:NnoqTtVwWXxl") {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.text("sysctl");
            call.warn(text);
            return usage(call);
        }
    };
    let state = call.machine.state()?;
    let value_of_name = |state: &State, name: &str| -> Option<String> {
        if name == "kern.boottime" {
            let boot = state.running.boot_time;
            return Some(format!(
                "{{ sec = {boot}, usec = 412094 }} {}",
                super::clock::at(boot).strftime("%a %b %e %H:%M:%S %Y")
            ));
        }
        if name == "kern.version" {
            return Some(format!("FreeBSD {} GENERIC", state.running.kernel));
        }
        if name == "net.inet.ip.fw.enable" {
            return state.has_module("ipfw").then(|| "1".to_owned());
        }
        state.running.sysctls.get(name).cloned()
    };
    let (nameless, only_names, equals) = (has(&flags, 'n'), has(&flags, 'N'), has(&flags, 'e'));
    let show = |call: &mut Call, name: &str, value: &str| {
        if only_names {
            call.say(name);
        } else if nameless {
            call.say(value);
        } else if equals {
            call.say(format_args!("{name}={value}"));
        } else {
            call.say(format_args!("{name}: {value}"));
        }
    };
    if has(&flags, 'a') || has(&flags, 'A') {
        let names: Vec<String> = state.running.sysctls.keys().cloned().collect();
        for name in names {
            if let Some(value) = value_of_name(&state, &name) {
                show(call, &name, &value);
            }
        }
        return Ok(0);
    }
    if names.is_empty() {
        return usage(call);
    }
    let mut status = 0;
    for word in names {
        let (name, new) = match word.split_once('=') {
            Some((name, new)) => (name.trim(), Some(new.trim())),
            None => (word.as_str(), None),
        };
        let Some(old) = value_of_name(&state, name) else {
            let below: Vec<String> =
                state.running.sysctls.keys().filter(|known| known.starts_with(&format!("{name}."))).cloned().collect();
            if !below.is_empty() && new.is_none() {
                for name in below {
                    if let Some(value) = value_of_name(&state, &name) {
                        show(call, &name, &value);
                    }
                }
                continue;
            }
            if has(&flags, 'i') {
                continue;
            }
            if !has(&flags, 'q') {
                call.warn(format_args!("sysctl: unknown oid '{name}'"));
            }
            status = 1;
            continue;
        };
        let Some(new) = new else {
            show(call, name, &old);
            continue;
        };
        if is_tunable(name) {
            call.warn(format_args!(
                "sysctl: oid '{name}' is a read only tunable\nsysctl: Tunable values are set in /boot/loader.conf"
            ));
            status = 1;
            continue;
        }
        if READ_ONLY.contains(&name) {
            call.warn(format_args!("sysctl: oid '{name}' is read only"));
            status = 1;
            continue;
        }
        let numeric = name != "kern.hostname";
        if numeric && new.parse::<i64>().is_err() {
            call.warn(format_args!("sysctl: invalid integer '{new}'"));
            status = 1;
            continue;
        }
        if name == "kern.securelevel" && new.parse::<i64>().unwrap_or(0) < old.parse::<i64>().unwrap_or(0) {
            call.warn("sysctl: kern.securelevel=-1: Operation not permitted");
            status = 1;
            continue;
        }
        let (key, value) = (name.to_owned(), new.to_owned());
        call.machine.change(|state| state.running.sysctls.insert(key, value))?;
        if nameless {
            call.say(format_args!("{old} -> {new}"));
        } else {
            call.say(format_args!("{name}: {old} -> {new}"));
        }
    }
    Ok(status)
}

pub(crate) fn uname(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let (flags, rest) = match getopt(&args, "abiKmnoprsUv") {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.text("uname");
            call.warn(text);
            call.warn("usage: uname [-abiKmnoprsUv]");
            return Ok(1);
        }
    };
    if !rest.is_empty() {
        call.warn("usage: uname [-abiKmnoprsUv]");
        return Ok(1);
    }
    let state = call.machine.state()?;
    let host = state.running.sysctls.get("kern.hostname").cloned().unwrap_or_default();
    let version = format!("FreeBSD {} GENERIC", state.running.kernel);
    let all = has(&flags, 'a');
    let mut words = Vec::new();
    if flags.is_empty() || has(&flags, 's') || has(&flags, 'o') || all {
        words.push("FreeBSD".to_owned());
    }
    for (letter, value) in [
        ('n', host),
        ('r', state.running.kernel.clone()),
        ('v', version),
        ('m', "amd64".to_owned()),
        ('p', "amd64".to_owned()),
        ('i', "GENERIC".to_owned()),
        ('U', format!("{}03000", state.kept.major)),
        ('K', format!("{}03000", state.kept.major)),
    ] {
        if has(&flags, letter) || all && matches!(letter, 'n' | 'r' | 'v' | 'm') {
            words.push(value);
        }
    }
    call.say(words.join(" "));
    Ok(0)
}

pub(crate) fn freebsd_version(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let Ok((flags, _)) = getopt(&args, "kruj:") else {
        call.warn("usage: freebsd-version [-kru] [-j jail]");
        return Ok(1);
    };
    let state = call.machine.state()?;
    if has(&flags, 'k') {
        call.say(&state.kept.kernel);
    }
    if has(&flags, 'r') {
        call.say(&state.running.kernel);
    }
    if has(&flags, 'u') || flags.is_empty() {
        call.say(&state.kept.userland);
    }
    Ok(0)
}

pub(crate) fn hostname(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let state = call.machine.state()?;
    let name = state.running.sysctls.get("kern.hostname").cloned().unwrap_or_default();
    match args.first().map(String::as_str) {
        None | Some("-f") => call.say(name),
        Some("-s") => call.say(name.split('.').next().unwrap_or_default()),
        Some("-d") => call.say(name.split_once('.').map_or("", |(_, domain)| domain)),
        Some(new) => {
            let new = new.to_owned();
            call.machine.change(|state| state.running.sysctls.insert("kern.hostname".into(), new))?;
        }
    }
    Ok(0)
}

pub(crate) fn jls(call: &mut Call) -> Outcome {
    let mut args = std::mem::take(&mut call.args);
    let mut json = false;
    if args.first().is_some_and(|arg| arg == "--libxo") {
        json = args.get(1).is_some_and(|style| style.starts_with("json"));
        args.drain(..2.min(args.len()));
    } else if args.first().is_some_and(|arg| arg.starts_with("--libxo")) {
        json = args.first().is_some_and(|arg| arg.contains("json"));
        args.remove(0);
    }
    let (flags, names) = match getopt(&args, "dhNnqsvj:") {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.text("jls");
            call.warn(text);
            call.warn("usage: jls [-dhNnqv] [-j jail] [param ...]");
            return Ok(1);
        }
    };
    let mut state = call.machine.state()?;
    state.join_jails();
    let mut jails: Vec<&Jail> = state.running.jails.iter().collect();
    if let Some(wanted) = value_of(&flags, 'j') {
        jails.retain(|jail| jail.name == wanted || jail.jid.to_string() == wanted);
        if jails.is_empty() {
            // The head stands there already when the jail turns out not to be.
            if names.is_empty() && !json && !has(&flags, 'n') && !has(&flags, 's') {
                call.say("   JID  IP Address      Hostname                      Path");
            }
            return Err(Failure::new(1, format!("jls: jail \"{wanted}\" not found")));
        }
    }
    let parameter = |jail: &Jail, name: &str| match name {
        "jid" => Some(jail.jid.to_string()),
        "name" => Some(jail.name.clone()),
        "path" => Some(jail.path.clone()),
        "host.hostname" => Some(jail.hostname.clone()),
        "ip4.addr" => Some(if jail.vnet { String::new() } else { jail.addresses.join(",") }),
        "vnet" => Some(if jail.vnet { "new".into() } else { "inherit".into() }),
        "dying" => Some("false".into()),
        "osrelease" => Some(state.kept.userland.clone()),
        _ => None,
    };
    if json {
        let text = |text: &str| serde_json::Value::from(text);
        let items: Vec<String> = jails
            .iter()
            .map(|jail| {
                let address = if jail.vnet { "" } else { jail.addresses.first().map_or("", String::as_str) };
                let (address, hostname, path) = (text(address), text(&jail.hostname), text(&jail.path));
                format!("{{\"jid\":{},\"ipv4\":{address},\"hostname\":{hostname},\"path\":{path}}}", jail.jid)
            })
            .collect();
        call.say(format_args!("{{\"__version\": \"2\", \"jail-information\": {{\"jail\": [{}]}}}}", items.join(", ")));
        return Ok(0);
    }
    if !names.is_empty() || has(&flags, 'n') || has(&flags, 's') {
        let default = ["jid", "name", "path", "host.hostname"].map(str::to_owned);
        let names = if names.is_empty() { default.as_slice() } else { names };
        if let Some(bad) = jails.first().and_then(|jail| names.iter().find(|name| parameter(jail, name).is_none())) {
            return Err(Failure::new(1, format!("jls: unknown parameter: {bad}")));
        }
        if has(&flags, 'h') {
            call.say(names.join(" "));
        }
        for jail in jails {
            let words: Vec<String> = names
                .iter()
                .map(|name| {
                    let value = parameter(jail, name).unwrap_or_default();
                    let value = if value.is_empty() {
                        if has(&flags, 'q') { "\"\"".to_owned() } else { "-".to_owned() }
                    } else {
                        value
                    };
                    if has(&flags, 'n') || has(&flags, 's') { format!("{name}={value}") } else { value }
                })
                .collect();
            call.say(words.join(" "));
        }
        return Ok(0);
    }
    if has(&flags, 'N') {
        call.say(" JID             IP Address      Hostname                      Path");
        for jail in jails {
            let address = if jail.vnet { "" } else { jail.addresses.first().map_or("", String::as_str) };
            call.say(format_args!(" {:<15} {address:<15} {:<29} {}", jail.name, jail.hostname, jail.path));
        }
        return Ok(0);
    }
    call.say("   JID  IP Address      Hostname                      Path");
    for jail in jails {
        let address = if jail.vnet { "" } else { jail.addresses.first().map_or("", String::as_str) };
        call.say(format_args!("{:>6}  {address:<15} {:<29} {}", jail.jid, jail.hostname, jail.path));
    }
    Ok(0)
}

pub(crate) fn jail(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let (flags, rest) = match getopt(&args, "cdeFf:hi:J:l:mn:p:qr:Rs:u:U:v") {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.text("jail");
            call.warn(text);
            return Ok(1);
        }
    };
    if let Some(name) = value_of(&flags, 'r') {
        if value_of(&flags, 'f') == Some("-") {
            Call::stdin();
        }
        let name = name.to_owned();
        let found = call.machine.change(|state| stop_jail(state, &name))?;
        return if found { Ok(0) } else { Err(Failure::new(1, format!("jail: \"{name}\" not found"))) };
    }
    if !has(&flags, 'c') {
        call.warn("usage: jail [-dhilqv] [-J jid_file] [-u username] [-U username] -[cmr] param=value ... [command=command ...]");
        return Ok(1);
    }
    let value = |key: &str| {
        rest.iter().find_map(|word| word.strip_prefix(key).and_then(|word| word.strip_prefix('='))).unwrap_or_default()
    };
    let addresses: Vec<String> = value("ip4.addr")
        .split(',')
        .filter(|item| !item.is_empty())
        .map(|item| item.split_once('|').map_or(item, |(_, address)| address).to_owned())
        .collect();
    let vnet = rest.iter().any(|word| word == "vnet");
    let new = Jail {
        jid: 0,
        name: value("name").to_owned(),
        hostname: value("host.hostname").to_owned(),
        path: value("path").to_owned(),
        addresses,
        vnet,
        parameters: rest.to_vec(),
    };
    let ends: Vec<String> =
        rest.iter().filter_map(|word| word.strip_prefix("vnet.interface=")).map(str::to_owned).collect();
    let aliases: Vec<(String, String)> = value("ip4.addr")
        .split(',')
        .filter_map(|item| item.split_once('|'))
        .map(|(interface, address)| (interface.to_owned(), address.to_owned()))
        .collect();
    call.machine.change(|state| -> Outcome {
        if state.running.jails.iter().any(|jail| jail.name == new.name) {
            return Err(Failure::new(1, format!("jail: jail \"{}\" already exists", new.name)));
        }
        let name = new.name.clone();
        start_jail(state, new);
        for end in ends {
            if let Some(interface) = state.interface_mut(&end) {
                interface.vnet = Some(name.clone());
            }
        }
        for (interface, address) in aliases {
            let words = ["inet".to_owned(), format!("{address}/32"), "alias".to_owned()];
            let _ = interfaces::configure(state, &interface, &words, &mut None);
        }
        Ok(0)
    })?
}

/// Adds a running jail under the next number.
pub(crate) fn start_jail(state: &mut State, mut jail: Jail) -> u32 {
    state.running.next_jid += 1;
    jail.jid = state.running.next_jid;
    let jid = jail.jid;
    state.running.jails.push(jail);
    jid
}

/// Ends a jail; its interfaces come back to the host.
pub(crate) fn stop_jail(state: &mut State, name: &str) -> bool {
    let before = state.running.jails.len();
    state.running.jails.retain(|jail| jail.name != name && jail.jid.to_string() != name);
    for interface in &mut state.running.interfaces {
        if interface.vnet.as_deref() == Some(name) {
            interface.vnet = None;
        }
    }
    state.running.jails.len() != before
}

pub(crate) fn jexec(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let (_, rest) = match getopt(&args, "d:lnu:U:") {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.text("jexec");
            call.warn(text);
            return Ok(1);
        }
    };
    let Some(name) = rest.first() else {
        call.warn("usage: jexec [-l] [-d working-directory] [-u username | -U username] jail [command ...]");
        return Ok(1);
    };
    let state = call.machine.state()?;
    if state.running.jails.iter().any(|jail| jail.name == *name || jail.jid.to_string() == *name) {
        Ok(0)
    } else {
        Err(Failure::new(1, format!("jexec: jail \"{name}\" not found")))
    }
}

pub(crate) fn shutdown(call: &mut Call) -> Outcome {
    let name = call.name.clone();
    if name == "shutdown" {
        let wants_reboot = call.args.iter().any(|arg| arg.starts_with('-') && arg.contains('r'));
        let has_time = call.args.iter().any(|arg| arg == "now" || arg.starts_with('+'));
        if !has_time {
            call.warn("usage: shutdown [-c|-h|-k|-p|-r] [-o [-n]] [-q] time [warning-message ...]");
            return Ok(1);
        }
        if !wants_reboot {
            return Err(Failure::new(1, "shutdown: only -r is simulated"));
        }
    }
    call.say("Shutdown NOW!");
    call.flush();
    let machine = call.machine.clone();
    call.machine.change(|state| {
        log_lines(state, &machine);
        boot(state, &machine)
    })??;
    super::start_pots(&machine)?;
    Ok(0)
}

fn log_lines(state: &State, machine: &Machine) {
    syslog::deliver(state, machine, "kern", "notice", "kernel", None, "rebooting");
}
