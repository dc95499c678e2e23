//! Who lives on the busy host: bases, file systems, forty pots of all kinds, bridges, and what differs from pot.conf by now.

use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;

use super::interfaces;
use super::kernel;
use super::machine::{Machine, now};
use super::pfctl;
use super::rc;
use super::state::{Jail, State};

const DAY: i64 = 86400;
const MEGABYTE: u64 = 1024 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Network {
    Inherit,
    Alias,
    Public,
    Private(&'static str),
}

/// A pot: name, kind, base, network, last part of its address, running, exported ports.
struct Pot {
    name: &'static str,
    multi: bool,
    base: &'static str,
    network: Network,
    address: &'static str,
    runs: bool,
    ports: &'static str,
}

const fn pot(name: &'static str, base: &'static str, network: Network, address: &'static str) -> Pot {
    Pot { name, multi: false, base, network, address, runs: false, ports: "" }
}

impl Pot {
    const fn running(mut self) -> Self {
        self.runs = true;
        self
    }

    const fn multi(mut self) -> Self {
        self.multi = true;
        self
    }

    const fn ports(mut self, ports: &'static str) -> Self {
        self.ports = ports;
        self
    }
}

use Network::{Alias, Inherit, Private, Public};

const POTS: [Pot; 40] = [
    pot("proxy", "14.3", Public, "10.200.0.5").running().ports("tcp:80:80 tcp:443:443"),
    pot("db1", "14.3", Private("db"), "10.200.2.2").running(),
    pot("db2", "14.3", Private("db"), "10.200.2.3").running(),
    pot("db-test", "14.3", Private("db"), "10.200.2.4"),
    pot("mail1", "14.3", Public, "10.200.0.6").running().ports("tcp:25:25 tcp:587:587 tcp:993:993"),
    pot("mail-archive", "13.5", Public, "10.200.0.7").multi(),
    pot("web1", "14.3", Private("web"), "10.200.1.2").running(),
    pot("web2", "14.3", Private("web"), "10.200.1.3").running(),
    pot("web3", "14.3", Private("web"), "10.200.1.4"),
    pot("wiki", "14.3", Private("web"), "10.200.1.5").running(),
    pot("git", "14.3", Public, "10.200.0.8").running().ports("tcp:22:2222"),
    pot("ci-master", "14.3", Public, "10.200.0.9").running(),
    pot("ci-runner-1", "14.3", Public, "10.200.0.10").running(),
    pot("ci-runner-2", "14.3", Public, "10.200.0.11").running(),
    pot("ci-runner-3", "13.5", Public, "10.200.0.12"),
    pot("build", "14.3", Alias, "192.168.178.21").running(),
    pot("build-13", "13.5", Alias, "em0|192.168.178.22"),
    pot("dns", "14.3", Public, "10.200.0.2").running(),
    pot("dhcp", "14.3", Inherit, ""),
    pot("ntp", "14.3", Inherit, "").running(),
    pot("syslog", "14.3", Inherit, "").multi(),
    pot("monitor", "14.3", Public, "10.200.0.13").running().ports("tcp:3000:3000"),
    pot("metrics", "14.3", Public, "10.200.0.14").running(),
    pot("alerts", "14.3", Public, "10.200.0.15"),
    pot("backup", "14.3", Alias, "vlan30|10.0.30.9").multi(),
    pot("nfs-gw", "14.3", Alias, "vlan20|10.0.20.5 em0|192.168.178.23"),
    pot("cache", "14.3", Public, "10.200.0.16"),
    pot("queue", "14.3", Public, "10.200.0.17"),
    pot("ldap", "14.3", Public, "10.200.0.18"),
    pot("radius", "14.3", Inherit, ""),
    pot("printer", "13.5", Inherit, "").multi(),
    pot("lab1", "14.3", Private("lab"), "10.200.3.2"),
    pot("lab2", "14.3", Private("lab"), "10.200.3.3"),
    pot("lab3", "13.5", Private("lab"), "10.200.3.4").multi(),
    pot("old-intranet", "13.5", Public, "10.192.0.5").multi(),
    pot("old-forum", "13.5", Public, "10.192.0.6").multi(),
    pot("scratch", "14.3", Inherit, ""),
    pot("template-14", "14.3", Public, "10.200.0.19").multi(),
    pot("try_zfs", "14.3", Public, "10.200.0.20"),
    pot("zabbix", "13.5", Public, "10.200.0.21"),
];

const BRIDGES: [(&str, &str, &str, bool); 3] = [
    ("web", "10.200.1.0/28", "10.200.1.1", true),
    ("db", "10.200.2.0/28", "10.200.2.1", true),
    ("lab", "10.200.3.0/27", "10.200.3.1", false),
];

pub(crate) fn move_in(state: &mut State, machine: &Machine) -> io::Result<()> {
    let root = "zroot/pot";
    let kilobyte = 1024;
    state.add_dataset(
        machine,
        root,
        &[("mountpoint", "/opt/pot"), ("canmount", "off"), ("compression", "lz4"), ("atime", "off")],
        96 * kilobyte,
    )?;
    for name in ["bases", "jails", "fscomp"] {
        state.add_dataset(machine, &format!("{root}/{name}"), &[], 96 * kilobyte)?;
    }
    state.add_dataset(
        machine,
        "zroot/pot/cache",
        &[("mountpoint", "/var/cache/pot"), ("compression", "off")],
        2214 * MEGABYTE,
    )?;
    for (name, size) in [("14.3", 1380), ("13.5", 1265)] {
        state.add_dataset(machine, &format!("{root}/bases/{name}"), &[], size * MEGABYTE)?;
    }
    for (name, size) in [("www-data", 5321), ("mail-spool", 11_872), ("distfiles", 8120)] {
        state.add_dataset(machine, &format!("{root}/fscomp/{name}"), &[], size * MEGABYTE)?;
    }
    for image in ["nginx-14_1.4.xz", "postgresql16-14_2.1.xz", "14.3-RELEASE_base.txz"] {
        machine.write(&format!("/var/cache/pot/{image}"), "simulated image\n")?;
    }
    for (name, net, gateway, _) in BRIDGES {
        machine.write(&format!("/opt/pot/bridges/{name}"), &format!("net={net}\ngateway={gateway}\nname={name}\n"))?;
    }
    // As pot init leaves it.
    let folder = machine.path("/opt/pot");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o750))?;
    let _ = std::os::unix::fs::chown(&folder, Some(0), Some(478));
    machine.write("/usr/local/etc/pot/keys/jail1.pub", "untrusted comment: simulated key\n")?;
    for (number, pot) in (0u64..).zip(&POTS) {
        add_pot(state, machine, pot, number)?;
    }
    start_network(state, machine);
    for pot in POTS.iter().filter(|pot| pot.runs) {
        start(state, pot);
    }
    Ok(())
}

fn add_pot(state: &mut State, machine: &Machine, pot: &Pot, number: u64) -> io::Result<()> {
    let dataset = format!("zroot/pot/jails/{}", pot.name);
    // Sizes that differ and stay the same from one build to the next.
    let size = (number * 7919 % 2300 + 90) * MEGABYTE;
    state.add_dataset(machine, &dataset, &[], 112 * 1024)?;
    if pot.multi {
        state.add_dataset(machine, &format!("{dataset}/custom"), &[], size / 4)?;
        state.add_dataset(machine, &format!("{dataset}/usr.local"), &[], size)?;
    } else {
        state.add_dataset(machine, &format!("{dataset}/m"), &[], size)?;
    }
    let age = DAY * (12 + i64::try_from(number * 37 % 500).unwrap_or(0));
    let mut created = vec![dataset.clone()];
    if number.is_multiple_of(3) {
        // By the day: two roots built one after the other are alike.
        let taken = (now() / DAY - 9) * DAY - i64::try_from(number).unwrap_or(0) * 61;
        let snapshot = format!("{dataset}@{taken}");
        state.add_dataset(machine, &snapshot, &[], 0)?;
        if pot.name == "mail1" || pot.name == "proxy" {
            // A backup runs through the night and holds what it reads.
            if let Some(snapshot) = state.dataset_mut(&snapshot) {
                snapshot.holds.push("backup".into());
            }
        }
        created.push(snapshot);
    }
    for dataset in state
        .kept
        .datasets
        .iter_mut()
        .filter(|known| known.name == dataset || known.name.starts_with(&format!("{dataset}/")))
    {
        dataset.created = now() - age;
    }
    let folder = format!("/opt/pot/jails/{}", pot.name);
    let (network, vnet) = match pot.network {
        Inherit => ("inherit", false),
        Alias => ("alias", false),
        Public => ("public-bridge", true),
        Private(_) => ("private-bridge", true),
    };
    let mut text = format!(
        "pot.level={level}\npot.type={kind}\npot.base={base}\npot.potbase=\npot.dns=inherit\npot.cmd=sh /etc/rc\nhost.hostname=\"{name}.jail1.lan\"\nosrelease=\"{base}-RELEASE\"\npot.attr.start-at-boot={boot}\npot.attr.persistent=YES\npot.attr.no-rc-script=NO\npot.attr.prunable=NO\npot.attr.localhost-tunnel=NO\npot.stack=ipv4\nnetwork_type={network}\nvnet={vnet}\n",
        level = u8::from(pot.multi),
        kind = if pot.multi { "multi" } else { "single" },
        base = pot.base,
        name = pot.name,
        boot = if matches!(pot.name, "proxy" | "db1" | "mail1") { "YES" } else { "NO" },
    );
    if pot.network != Inherit {
        text.push_str(&format!("ip={}\n", pot.address));
    }
    if let Private(bridge) = pot.network {
        text.push_str(&format!("bridge={bridge}\n"));
    }
    if !pot.ports.is_empty() {
        text.push_str(&format!("pot.export.ports={}\n", pot.ports));
    }
    match pot.name {
        "proxy" => text.push_str("pot.depend=dns\n"),
        "web1" | "web2" | "wiki" => text.push_str("pot.depend=db1\n"),
        _ => {}
    }
    machine.write(&format!("{folder}/conf/pot.conf"), &text)?;
    let mut mounts = String::new();
    if pot.multi {
        mounts.push_str(&format!("zroot/pot/bases/{} / ro\n{dataset}/usr.local /usr/local zfs-remount\n{dataset}/custom /opt/custom zfs-remount\n", pot.base));
    }
    match pot.name {
        "web1" | "web2" | "web3" | "wiki" => mounts.push_str("zroot/pot/fscomp/www-data /usr/local/www\n"),
        "mail1" | "mail-archive" => mounts.push_str("zroot/pot/fscomp/mail-spool /var/mail\n"),
        "build" | "build-13" => mounts.push_str("zroot/pot/fscomp/distfiles /usr/ports/distfiles\n"),
        _ => {}
    }
    machine.write(&format!("{folder}/conf/fscomp.conf"), &mounts)?;
    std::fs::create_dir_all(machine.path(format!("{folder}/m/etc")))
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The network as an earlier vnet-start left it: before vlan30's network was widened and the VPN was added.
fn start_network(state: &mut State, machine: &Machine) {
    let mut bridge = |description: &str, address: &str| {
        let mut name = None;
        let mut create = words("create descr");
        create.push(description.to_owned());
        create.extend(words("group pot"));
        let _ = interfaces::configure(state, "bridge", &create, &mut name);
        if let Some(name) = name {
            let _ = interfaces::configure(state, &name, &words(address), &mut None);
        }
    };
    bridge("pot public bridge", "inet 10.200.0.1 netmask 255.255.0.0");
    for (_, net, gateway, up) in BRIDGES {
        if up {
            bridge("pot private bridge", &format!("inet {gateway}/{}", net.rsplit('/').next().unwrap_or("28")));
        }
    }
    state.running.sysctls.insert("net.inet.ip.forwarding".into(), "1".into());
    if !state.has_module("pf") {
        rc::boot_pf(state, machine);
    }
    let rules = "nat on em0 from 10.200.0.0/16 to any -> (em0:0)\nnat on vlan20 from 10.200.0.0/16 to 10.0.20.0/24 -> (vlan20:0)\nnat on vlan30 from 10.200.0.0/16 to 10.0.30.0/24 -> (vlan30:0)\n";
    load(state, "pot-nat", rules);
}

fn load(state: &mut State, anchor: &str, rules: &str) {
    let parsed = super::pf::parse(state, &|_| None, anchor, rules.as_bytes(), &[]);
    pfctl::apply(&mut state.running.pf, anchor, parsed, (true, true));
}

fn start(state: &mut State, pot: &Pot) {
    let addresses: Vec<String> =
        pot.address.split_whitespace().map(|item| item.rsplit('|').next().unwrap_or_default().to_owned()).collect();
    let vnet = matches!(pot.network, Public | Private(_));
    if vnet {
        let mut end = None;
        let mut create = words("create descr");
        create.push(pot.name.to_owned());
        create.extend(words("group pot"));
        let _ = interfaces::configure(state, "epair", &create, &mut end);
        let Some(end) = end else { return };
        let gateway: Ipv4Addr = match pot.network {
            Private("web") => Ipv4Addr::new(10, 200, 1, 1),
            Private(_) => Ipv4Addr::new(10, 200, 2, 1),
            _ => Ipv4Addr::new(10, 200, 0, 1),
        };
        let bridge = state
            .running
            .interfaces
            .iter()
            .find(|interface| interface.inet.iter().any(|inet| inet.address == gateway))
            .map(|interface| interface.name.clone());
        let _ = interfaces::configure(state, &end, &words("up"), &mut None);
        if let Some(bridge) = bridge {
            let _ = interfaces::configure(state, &bridge, &words(&format!("addm {end} private {end}")), &mut None);
        }
        let inner = format!("{}b", end.trim_end_matches('a'));
        if let Some(interface) = state.interface_mut(&inner) {
            interface.vnet = Some(pot.name.to_owned());
        }
    }
    let mut rules = String::new();
    for (inner, outer) in pot.ports.split_whitespace().filter_map(|port| port.rsplit_once(':')) {
        let inner = inner.trim_start_matches("tcp:");
        rules.push_str(&format!(
            "rdr pass on em0 proto tcp from any to (em0) port {outer} -> {} port {inner}\n",
            pot.address
        ));
    }
    if !rules.is_empty() {
        load(state, &format!("pot-rdr/{}", pot.name), &rules);
    }
    kernel::start_jail(
        state,
        Jail {
            jid: 0,
            name: pot.name.to_owned(),
            hostname: format!("{}.jail1.lan", pot.name),
            path: format!("/opt/pot/jails/{}/m", pot.name),
            addresses,
            vnet,
            parameters: Vec::new(),
        },
    );
}

/// Names of pots and whether they run, for the log of what was done to them.
pub(crate) fn names() -> impl Iterator<Item = (&'static str, bool)> {
    POTS.iter().map(|pot| (pot.name, pot.runs))
}
