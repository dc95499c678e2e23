//! Hosts of all sorts, made from a number: the same number makes the same host. With none, five, forty and five hundred
//! pots, up to sixty networks behind the VPN, names that nobody would choose, and with much that is not known.

use ipnet::Ipv4Net;
use pot_console::facts::{Fact, HostFacts, Interface, Pf, Pot, PrivateBridge, Route};
use pot_console::potconf::{Configuration, Document, PARAMETERS};
use std::net::{IpAddr, Ipv4Addr};

/// Names that others chose.
const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "a-very-long-name-that-goes-on-and-on-until-nothing-could-hold-it-and-then-some-more",
    "測試用的名字很長很長很長很長很長很長",
    "\u{202e}gnp.exe\u{1b}[31m",
    "z\u{351}\u{36b}\u{343}a\u{34b}\u{310}l\u{334}g\u{335}o",
    "👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦",
    "﷽﷽﷽﷽﷽﷽﷽",
    "MWMWMWMWMWMWMWMWMWMWMWMWMWMW&amp;&#60;",
];

/// A number after the other (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

fn interface(name: &str, up: bool, description: &str, bridge: bool, addresses: &[Ipv4Net]) -> Interface {
    let addresses: Vec<_> = addresses.iter().map(|network| serde_json::json!({ "network": network })).collect();
    serde_json::from_value(serde_json::json!({
        "name": name, "up": up, "description": description,
        "groups": if bridge { vec!["bridge"] } else { Vec::new() },
        "addresses": addresses, "addresses6": [], "members": [],
    }))
    .unwrap()
}

fn net(address: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new(Ipv4Addr::from(address), length).unwrap()
}

/// The host of this number with its configuration.
pub fn generated(number: u64) -> (HostFacts, Configuration) {
    let mut numbers = Numbers(number);
    let mut facts = HostFacts::unknown("not asked");
    let mut own = vec!["POT_EXTIF=em0".to_owned()];
    let extra = numbers.one_of(&[0, 0, 1, 3, 20]);
    let vpn = numbers.one_of(&[0, 0, 1, 7, 60]);
    let names: Vec<String> = (0..extra).map(|number| format!("vlan{}", number * 10)).collect();
    if extra > 0 {
        own.push(format!("POT_EXTRA_EXTIF=\"{}\"", names.join(" ")));
        own.extend(names.iter().enumerate().map(|(at, name)| format!("POT_NETWORK_{name}=10.0.{at}.0/24")));
    }
    if vpn > 0 {
        let networks: Vec<String> = (0..vpn).map(|number| format!("172.16.{number}.0/24")).collect();
        own.push(format!("POT_VPN_EXTIF=tun0\nPOT_VPN_NETWORKS=\"{}\"", networks.join(" ")));
    }
    if numbers.one_in(4) {
        own.push("POT_NETWORK=10.200.0.0/16\nPOT_NETMASK=255.255.0.0\nPOT_GATEWAY=10.200.0.1".to_owned());
    }
    if numbers.one_in(12) {
        own.push("POT_NETWORK=$(cat /etc/network)".to_owned());
    }
    let up = !numbers.one_in(6);
    let mut interfaces = vec![interface("em0", !numbers.one_in(8), "", false, &[net([192, 168, 178, 20], 24)])];
    interfaces.push(interface("lo0", true, "", false, &[net([127, 0, 0, 1], 8)]));
    interfaces.extend(
        names
            .iter()
            .zip(0..)
            .filter(|_| !numbers.one_in(5))
            .map(|(name, at)| interface(name, at % 3 != 2, "", false, &[net([10, 0, at, 4], 24)])),
    );
    if vpn > 0 && up {
        interfaces.push(interface("tun0", true, "", false, &[net([10, 8, 0, 2], 24)]));
    }
    if up {
        interfaces.push(interface(
            "bridge0",
            !numbers.one_in(6),
            "pot public bridge",
            true,
            &[net([10, 192, 0, 1], 10)],
        ));
    }
    if numbers.one_in(5) {
        interfaces.push(interface("bridge7", true, "pot public bridge", true, &[net([10, 99, 0, 1], 16)]));
    }
    let bridges = numbers.one_of(&[0, 0, 1, 4, 30]);
    let bridges: Vec<PrivateBridge> = (0..bridges)
        .map(|number| PrivateBridge {
            name: if numbers.one_in(6) { numbers.one_of(&HOSTILE).to_owned() } else { format!("lan{number}") },
            network: net([10, 192, 10 + number, 0], 28),
            gateway: Ipv4Addr::new(10, 192, 10 + number, 1),
        })
        .collect();
    let count = numbers.one_of(&[0_u64, 1, 5, 40, 500]);
    let pots = (0..count).map(|number| pot(number, &bridges, &mut numbers)).collect();
    let loaded = |line: &str| line.to_owned();
    let pf = Pf {
        loaded: up,
        enabled: up && !numbers.one_in(6),
        anchors: vec![loaded("pot-nat"), loaded("pot-rdr")],
        nat: if numbers.one_in(6) {
            Vec::new()
        } else {
            vec![loaded("nat-anchor \"pot-nat\" all"), loaded("rdr-anchor \"pot-rdr/*\" all")]
        },
        rules: vec![loaded("pass all"); usize::try_from(numbers.below(40)).unwrap()],
        pot_nat: vec![loaded("nat on em0 inet from 10.192.0.0/10 to any -> (em0:0)")],
    };
    let route = Route {
        destination: net([0, 0, 0, 0], 0),
        gateway: Some(Ipv4Addr::new(192, 168, 178, 1)),
        interface: "em0".to_owned(),
    };
    let known = !numbers.one_in(10);
    if known || numbers.one_in(2) {
        facts.interfaces = Fact::known(interfaces, "ifconfig -a");
    }
    if known || numbers.one_in(2) {
        facts.pots = Fact::known(pots, "/opt/pot/jails");
    }
    if known || numbers.one_in(2) {
        facts.private_bridges = Fact::known(bridges, "/opt/pot/bridges");
    }
    if known || numbers.one_in(2) {
        facts.pf = Fact::known(pf, "pfctl");
    }
    if known {
        facts.routes = Fact::known(vec![route], "netstat -rn");
        facts.forwarding = Fact::known(up, "sysctl net.inet.ip.forwarding");
    }
    let defaults: Vec<String> =
        PARAMETERS.iter().map(|parameter| format!("{}={}", parameter.name, parameter.default)).collect();
    let document = |lines: Vec<String>| Document::parse(lines.join("\n").as_bytes()).unwrap();
    (facts, Configuration::new(document(defaults), document(own)))
}

fn pot(number: u64, bridges: &[PrivateBridge], numbers: &mut Numbers) -> Pot {
    let part = |shift: u32| u8::try_from(number >> shift & 0xff).unwrap();
    let kind = numbers.one_of(&["public-bridge", "public-bridge", "private-bridge", "alias", "inherit"]);
    let address = match kind {
        "inherit" => None,
        "alias" => Some(Ipv4Addr::new(192, 168, 178, part(0))),
        _ => Some(Ipv4Addr::new(10, 192, part(8), part(0))),
    };
    let bridge = bridges.get(usize::try_from(number).unwrap() % bridges.len().max(1)).map(|bridge| bridge.name.clone());
    Pot {
        name: if numbers.one_in(20) { format!("{}{number}", numbers.one_of(&HOSTILE)) } else { format!("pot{number}") },
        kind: "multi".to_owned(),
        network_type: if numbers.one_in(60) { "odd".to_owned() } else { kind.to_owned() },
        addresses: address.map(IpAddr::V4).into_iter().collect(),
        bridge: bridge.filter(|_| kind == "private-bridge"),
        running: numbers.one_of(&[Some(true), Some(true), Some(false), None]),
        exports: if numbers.one_in(4) {
            vec![format!("tcp:80:{}", 8000 + number), "udp:53".to_owned()]
        } else {
            Vec::new()
        },
    }
}
