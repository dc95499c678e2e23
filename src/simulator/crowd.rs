//! A very large host: thousands of pots, made by a rule from their number.
//!
//! Their files are really there. Their datasets, snapshots and jails, and the interfaces that hang on them, are listed
//! and no more, as those of a fault are: the state that every tool reads stays small.

use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;

use super::contents;
use super::datasets::is_below;
use super::interfaces;
use super::machine::Machine;
use super::pfctl;
use super::state::{Inet, Interface, Jail, Kind, State};

/// Pots of the scenario: with them come ten snapshots each, an interface for ten, a rule of pf for two.
pub(crate) const POTS: u32 = 10_000;

const ROOT: &str = "zroot/pot";
const JAILS: &str = "zroot/pot/jails";
const SNAPSHOTS: u32 = 10;
const MEGABYTE: u64 = 1 << 20;
const DAY: u32 = 24 * 60 * 60;
/// When the first snapshots were taken, in seconds since 1970.
const FIRST_SNAPSHOT: u32 = 1_760_000_000;
const KINDS: [&str; 10] = ["web", "db", "mail", "api", "cache", "queue", "shop", "wiki", "ci", "files"];

/// One of them.
struct Pot {
    number: u32,
    network: Network,
}

enum Network {
    Public(Ipv4Addr),
    /// The bridge's number.
    Private(u32, Ipv4Addr),
    /// The vlan's number.
    Alias(u32, Ipv4Addr),
    Inherit,
}

/// Private bridges of a host with so many pots.
fn bridges(pots: u32) -> u32 {
    (pots / 200).clamp(1, 200)
}

/// The vlans beside those of rc.conf: from 100 on.
fn vlans(pots: u32) -> u32 {
    (pots / 100).clamp(1, 200)
}

fn pots(pots: u32) -> impl Iterator<Item = Pot> {
    (0..pots).map(move |number| {
        // Of a hundred pots ten are of a class: six of them public, two private, one alias, one without a network.
        let (class, nth) = (number / 10 % 10, number / 100 * 10 + number % 10);
        let octet = |number: u32| u8::try_from(number % 250).unwrap_or(0);
        let network = match class {
            0..=5 => {
                let nth = number / 100 * 60 + class * 10 + number % 10;
                Network::Public(Ipv4Addr::from(0x0ac0_1000 + nth / 250 * 256 + nth % 250 + 2))
            }
            6 | 7 => {
                let nth = nth * 2 + class - 6;
                let bridge = nth % bridges(pots);
                Network::Private(bridge, Ipv4Addr::new(10, 200, octet(bridge), octet(nth / bridges(pots)) + 2))
            }
            8 => {
                let vlan = nth % vlans(pots);
                Network::Alias(vlan, Ipv4Addr::new(10, 20, octet(vlan), octet(nth / vlans(pots)) + 2))
            }
            _ => Network::Inherit,
        };
        Pot { number, network }
    })
}

impl Pot {
    fn name(&self) -> String {
        format!("{}-{:05}", KINDS[self.number as usize % KINDS.len()], self.number)
    }

    fn runs(&self) -> bool {
        self.number % 10 == 3
    }

    fn has_stack(&self) -> bool {
        matches!(self.network, Network::Public(_) | Network::Private(..))
    }

    /// Bytes of its file system.
    fn size(&self) -> u64 {
        (u64::from(self.number) * 7919 % 2300 + 90) * MEGABYTE
    }

    fn conf(&self) -> String {
        let name = self.name();
        let (network, vnet, rest) = match &self.network {
            Network::Public(address) => ("public-bridge", true, format!("ip={address}\n")),
            Network::Private(bridge, address) => {
                ("private-bridge", true, format!("ip={address}\nbridge=lan{bridge}\n"))
            }
            Network::Alias(vlan, address) => ("alias", false, format!("ip=vlan{}|{address}\n", 100 + vlan)),
            Network::Inherit => ("inherit", false, String::new()),
        };
        format!(
            "pot.level=0\npot.type=single\npot.base=14.3\npot.potbase=\npot.dns=inherit\npot.cmd=sh /etc/rc\n\
             host.hostname=\"{name}.jail1.lan\"\nosrelease=\"14.3-RELEASE\"\npot.attr.start-at-boot=NO\n\
             pot.attr.persistent=YES\npot.stack=ipv4\nnetwork_type={network}\nvnet={vnet}\n{rest}"
        )
    }
}

/// rc.conf of the host.
pub(crate) fn rc_conf() -> String {
    contents::RC_CONF_DEFAULT
        .replace("pf_enable=\"NO\"", "pf_enable=\"YES\"\ngateway_enable=\"YES\"\npot_enable=\"YES\"")
        .replace("syslogd_flags=\"-ss\"", "syslogd_flags=\"-b 127.0.0.1 -b 10.192.0.1 -a 10.192.0.0/10\"")
}

/// pf.conf of a host with so many pots: of two of them one is reached by a port of the host.
pub(crate) fn pf_conf(pots: u32) -> String {
    let mut translation = "# --- translation\nnat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n".to_owned();
    for number in 0..pots / 2 {
        let address = Ipv4Addr::from(0x0ac0_1000 + number / 250 * 256 + number % 250 + 2);
        translation.push_str(&format!(
            "rdr pass on $ext_if inet proto tcp from any to 192.168.178.20 port {} -> {address} port 80\n",
            10_000 + number % 50_000
        ));
    }
    contents::PF_CONF.replace("# --- translation\n", &translation)
}

/// Makes them, and the network that they stand in.
pub(crate) fn move_in(state: &mut State, machine: &Machine, many: u32) -> io::Result<()> {
    let own = [("mountpoint", "/opt/pot"), ("canmount", "off"), ("compression", "lz4"), ("atime", "off")];
    state.add_dataset(machine, ROOT, &own, 96 << 10)?;
    for name in ["bases", "fscomp"] {
        state.add_dataset(machine, &format!("{ROOT}/{name}"), &[], 96 << 10)?;
    }
    // What is listed below it uses so much.
    state.add_dataset(machine, JAILS, &[], pots(many).map(|pot| pot.size()).sum())?;
    state.add_dataset(machine, "zroot/pot/cache", &[("mountpoint", "/var/cache/pot")], 2214 * MEGABYTE)?;
    state.add_dataset(machine, "zroot/pot/bases/14.3", &[], 1380 * MEGABYTE)?;
    for number in 0..bridges(many) {
        let net = Ipv4Addr::new(10, 200, u8::try_from(number % 250).unwrap_or(0), 0);
        let gateway = Ipv4Addr::from(u32::from(net) + 1);
        machine.write(
            &format!("/opt/pot/bridges/lan{number}"),
            &format!("net={net}/24\ngateway={gateway}\nname=lan{number}\n"),
        )?;
    }
    // As pot init leaves it.
    let folder = machine.path("/opt/pot");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o750))?;
    let _ = std::os::unix::fs::chown(&folder, Some(0), Some(478));
    let jails = machine.path("/opt/pot/jails");
    for pot in pots(many) {
        let folder = jails.join(pot.name());
        std::fs::create_dir(&folder)?;
        std::fs::create_dir(folder.join("conf"))?;
        std::fs::write(folder.join("conf/pot.conf"), pot.conf())?;
    }
    state.kept.crowd = many;
    start_network(state, many);
    Ok(())
}

fn start_network(state: &mut State, many: u32) {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut bridge = |description: &str, address: &str| {
        let mut name = None;
        let mut create = words("create descr");
        create.push(description.to_owned());
        create.extend(words("group pot"));
        let _ = interfaces::configure(state, "bridge", &create, &mut name);
        if let Some(name) = &name {
            let _ = interfaces::configure(state, name, &words(address), &mut None);
            let _ = interfaces::configure(state, name, &words("up"), &mut None);
        }
        name
    };
    let public = bridge("pot public bridge", "inet 10.192.0.1 netmask 255.192.0.0");
    for number in 0..bridges(many) {
        bridge("pot private bridge", &format!("inet 10.200.{}.1/24", number % 250));
    }
    let members = epairs(many).filter(|(_, pot)| matches!(pot.network, Network::Public(_)));
    let members: Vec<String> = members.map(|(name, _)| name).collect();
    if let Some(bridge) = public.and_then(|name| state.interface_mut(&name)) {
        bridge.private_members.clone_from(&members);
        bridge.members = members;
    }
    for number in 0..vlans(many) {
        let (name, tag) = (format!("vlan{}", 100 + number), 100 + number);
        let address = Ipv4Addr::new(10, 20, u8::try_from(number % 250).unwrap_or(0), 1);
        let _ = interfaces::configure(
            state,
            &name,
            &words(&format!("create vlan {tag} vlandev em0 inet {address}/24 up")),
            &mut None,
        );
    }
    state.running.sysctls.insert("net.inet.ip.forwarding".into(), "1".into());
    let rules = b"nat on em0 from 10.192.0.0/10 to any -> (em0:0)\n";
    let parsed = super::pf::parse(state, &|_| None, "pot-nat", rules, &[]);
    pfctl::apply(&mut state.running.pf, "pot-nat", parsed, (true, true));
}

/// The host's ends of the cables of those that run.
fn epairs(many: u32) -> impl Iterator<Item = (String, Pot)> {
    (0..).zip(pots(many).filter(|pot| pot.runs() && pot.has_stack())).map(|(unit, pot)| (format!("epair{unit}a"), pot))
}

impl State {
    /// How many of them there are: none once their dataset is gone.
    fn crowd(&self) -> u32 {
        if self.kept.crowd > 0 && self.dataset(JAILS).is_some() { self.kept.crowd } else { 0 }
    }

    /// Adds their interfaces, for a tool that lists and changes nothing.
    pub(crate) fn join_interfaces(&mut self) {
        let many = self.crowd();
        if many == 0 {
            return;
        }
        let mac = |unit: usize| format!("02:{:02x}:{:02x}:00:10:0a", unit >> 8 & 0xff, unit & 0xff);
        let cables: Vec<(String, String)> = epairs(many).map(|(name, pot)| (name, pot.name())).collect();
        for (unit, (name, description)) in cables.into_iter().enumerate() {
            self.join_interface(name, mac(unit), Some(description), "epair");
        }
        // What is not pot's: cards of virtual machines.
        for unit in self.running.interfaces.len()..many as usize / 10 {
            self.join_interface(format!("tap{unit}"), mac(unit + (1 << 15)), None, "tap");
        }
    }

    fn join_interface(&mut self, name: String, mac: String, description: Option<String>, group: &str) {
        let index = 1000 + u32::try_from(self.running.interfaces.len()).unwrap_or(0);
        self.running.interfaces.push(Interface {
            name,
            index,
            kind: if group == "epair" { Kind::Epair } else { Kind::Ether },
            up: true,
            mac,
            mtu: 1500,
            description,
            groups: vec![group.to_owned()],
            inet: Vec::<Inet>::new(),
            ..Interface::default()
        });
    }

    /// Adds their jails, for a tool that lists and changes nothing.
    pub(crate) fn join_jails(&mut self) {
        let running = pots(self.crowd()).filter(Pot::runs).map(|pot| {
            let name = pot.name();
            Jail {
                jid: 1000 + pot.number,
                hostname: format!("{name}.jail1.lan"),
                path: format!("/opt/pot/jails/{name}/m"),
                addresses: match pot.network {
                    Network::Public(address) | Network::Private(_, address) | Network::Alias(_, address) => {
                        vec![address.to_string()]
                    }
                    Network::Inherit => Vec::new(),
                },
                vnet: pot.has_stack(),
                parameters: Vec::new(),
                name,
            }
        });
        let running: Vec<Jail> = running.collect();
        self.running.jails.extend(running);
    }

    /// Their lines of `zfs list`, where they were asked for with all that is below one of these names, or with all there
    /// is; each by columns.
    pub(crate) fn crowd_listed(&self, names: &[String], types: &[&str], columns: &[String]) -> Vec<Vec<String>> {
        let asked = names.is_empty() || names.iter().any(|name| name == JAILS || is_below(JAILS, name));
        let mut rows = Vec::new();
        if !asked {
            return rows;
        }
        let available = self.available(ROOT).to_string();
        for pot in pots(self.crowd()) {
            let name = pot.name();
            for (part, used) in [("", pot.size() + (112 << 10)), ("/m", pot.size())] {
                let dataset = format!("{JAILS}/{name}{part}");
                if types.contains(&"filesystem") {
                    let row = columns.iter().map(|column| match column.as_str() {
                        "name" => dataset.clone(),
                        "type" => "filesystem".to_owned(),
                        "mountpoint" => format!("/opt/pot/jails/{name}{part}"),
                        "canmount" => "on".to_owned(),
                        "mounted" => "yes".to_owned(),
                        "used" | "referenced" => used.to_string(),
                        "available" | "avail" => available.clone(),
                        _ => "-".to_owned(),
                    });
                    rows.push(row.collect());
                }
                if types.contains(&"snapshot") && part == "/m" {
                    for number in 0..SNAPSHOTS {
                        let taken = FIRST_SNAPSHOT + number * DAY + pot.number % DAY;
                        let row = columns.iter().map(|column| match column.as_str() {
                            "name" => format!("{dataset}@{taken}"),
                            "type" => "snapshot".to_owned(),
                            "used" | "userrefs" => "0".to_owned(),
                            _ => "-".to_owned(),
                        });
                        rows.push(row.collect());
                    }
                }
            }
        }
        rows
    }
}
