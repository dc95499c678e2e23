//! For tests: advice is followed, and looked at again. On generated configurations and hosts every fix of every finding is
//! made as its button makes it, and the result is checked with the same facts.
//!
//! 200 cases normally, 10,000 with `POT_CONSOLE_LONG=1`.

use super::example::{absent, at, configuration, dataset, file, folder, healthy, interface, pot, route};
use super::{Finding, Severity, Subject, check};
use crate::facts::{Fact, HostFacts, PrivateBridge};
use crate::potconf::{Configuration, Edit, Kind, Name, PARAMETERS, parameter};
use ipnet::Ipv4Net;
use proptest::prelude::*;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

fn cases() -> u32 {
    if std::env::var_os("POT_CONSOLE_LONG").is_some_and(|long| long == "1") { 10_000 } else { 200 }
}

/// Values that meet each other on a host: its LAN, its VPN, pots old and new, and slips of every kind.
const NETWORKS: &[&str] = &[
    "10.200.0.0/16",
    "10.192.0.0/10",
    "192.168.178.0/24",
    "192.168.178.7/24",
    "10.0.0.0/8",
    "10.0.20.0/24",
    "172.16.0.0/12",
    "10.77.0.0/16",
    "10.77.0.0/30",
    "10.200.0.0",
    "192.168.178.0",
    "10.200.1.3/16",
    "100.64.0.0/10",
    "fd00::/64",
    "8.8.8.0/24",
    "10.200.0.0/31",
    "172.20.0.0",
    "0.0.0.0/0",
    "net",
];
const ADDRESSES: &[&str] = &[
    "10.200.0.1",
    "10.200.0.2",
    "10.200.0.0",
    "10.200.255.255",
    "10.192.0.1",
    "10.192.0.2",
    "192.168.178.1",
    "192.168.178.20",
    "192.168.178.53",
    "10.77.0.1",
    "10.0.20.1",
    "172.16.0.1",
    "10.200.0.9",
    "fd00::1",
    "10.200.0.256",
    "",
];
const MASKS: &[&str] = &["255.255.0.0", "255.192.0.0", "255.255.255.0", "255.0.255.0", "255.0.0.0", "", "/16"];
const INTERFACES: &[&str] = &["em0", "em9", "vlan20", "bridge0", "tun0", "tailscale0", "lo0", "em0.20", ""];
const LISTS: &[&str] = &[
    "vlan20",
    "vlan20 vlan30",
    "vlan20,vlan30",
    "em0 vlan20",
    "vlan20 vlan20",
    "vlan20  em0",
    "STACK",
    "em0.20",
    "wg0",
    "",
];

/// Values good and bad: by the parameter where it meets others in a way of its own, else by its kind.
fn values(name: &str) -> Vec<&'static str> {
    match name {
        "POT_NETWROK" => return values("POT_NETWORK"),
        "POT_GATWAY" => return values("POT_GATEWAY"),
        "POT_NETWORK_STAK" => return values("POT_NETWORK_STACK"),
        "POT_EXTIF_ADDR" => return vec!["192.168.178.20", "192.168.178.21", "10.0.20.4", "fd00::1", "x", ""],
        "POT_CACHE" => return vec!["/var/cache/pot", "/opt/pot", "/opt/pot/jails/x", "/srv/cache", "/opt", ""],
        _ => {}
    }
    match parameter(name).map_or(Kind::Network, |known| known.kind) {
        Kind::Network => NETWORKS.to_vec(),
        Kind::Address => ADDRESSES.to_vec(),
        Kind::Netmask => MASKS.to_vec(),
        Kind::Interface => INTERFACES.to_vec(),
        Kind::InterfaceList => LISTS.to_vec(),
        Kind::NetworkList => {
            vec![
                "192.168.0.0/16",
                "10.200.0.0/24 10.8.0.0/24",
                "10.8.0.1",
                "home",
                "10.8.0.9/24",
                "192.168.178.0/24",
                "10.8.0.0/24,10.9.0.0/24",
                "",
            ]
        }
        Kind::Dataset => vec!["zroot/pot", "tank/pot", "zroot/old", "zroot", "zroot/ROOT/default", ""],
        Kind::Folder => vec!["/opt/pot", "/srv/pot", "opt/pot", "/etc", "/var/cache/pot", "/opt/old", ""],
        Kind::TemporaryFolder => vec!["/tmp", "/var/tmp", "/var/run/pot", "/tmp/pot", "/opt/pot", "/srv/shared", ""],
        Kind::Text | Kind::Group => vec!["pot", "jails", "0", "a b", ""],
        Kind::Stack => vec!["ipv4", "dual", "ipv6", "IPv6", "both", ""],
        Kind::Facility => vec!["local2", "LOCAL2", "kern", "mark", "console", "local9", "Local3 ", ""],
        Kind::Suffix => vec![".XXXXXXXX", ".XX", ".tmp", ""],
        Kind::Number => vec!["64", "0", "many"],
        Kind::Boolean => vec!["yes", "1", "FALSE"],
        Kind::PotName => vec!["dns", "named", "web1", ""],
        Kind::ExecutablePath | Kind::FilePath => vec!["/usr/local/etc/hook", "/nowhere", "hook", ""],
    }
}

/// Every parameter, those that most often meet each other once more, networks of extra interfaces, and misspelt names.
fn names() -> Vec<&'static str> {
    const MORE: [&str; 10] = [
        "POT_NETWORK",
        "POT_GATEWAY",
        "POT_NETMASK",
        "POT_EXTIF",
        "POT_NETWORK_vlan20",
        "POT_NETWORK_vlan30",
        "POT_NETWORK_em0",
        "POT_NETWROK",
        "POT_GATWAY",
        "POT_NETWORK_STAK",
    ];
    PARAMETERS.iter().map(|known| known.name).chain(MORE).collect()
}

/// A line of pot.conf: an assignment written in one of many ways, or something around one.
fn line() -> impl Strategy<Value = String> {
    let assignment =
        prop::sample::select(names()).prop_flat_map(|name| (Just(name), prop::sample::select(values(name))));
    let form = prop::sample::select(vec![
        "N=V\n",
        "N=V\n",
        "N=V\n",
        "N=V\n",
        "N=\"V\"\n",
        "N='V'\n",
        "N=V\r\n",
        "N=V\t# why\n",
        "N=V # why\n",
        "export N=V\n",
        "# N=V\n",
        "N=V;\n",
        "unset N\n",
        "N=$(cat /etc/V)\n",
        "if true; then\nN=V\nfi\n",
    ]);
    (assignment, form).prop_map(|((name, value), form)| form.replace('N', name).replace('V', value))
}

/// One thing that is so on a host.
type Change = fn(&mut HostFacts);

const CHANGES: &[Change] = &[
    |facts| push(facts, "bridge0", "bridge", "192.168.178.30/24"),
    |facts| push(facts, "bridge0", "pot", "10.200.0.1/16"),
    |facts| push(facts, "tun0", "tun", "10.8.0.2/24"),
    |facts| push(facts, "tailscale0", "tun", "100.101.102.103/32"),
    |facts| push(facts, "wg0", "wg", "10.200.0.1/24"),
    |facts| push(facts, "em1", "em", "10.77.0.4/24"),
    |facts| facts.interfaces.value.as_mut().unwrap().iter_mut().for_each(|one| one.addresses.clear()),
    |facts| facts.routes.value.as_mut().unwrap().push(route("10.200.0.0/16", None, "tailscale0")),
    |facts| facts.routes.value.as_mut().unwrap().push(route("10.77.0.0/16", Some("192.168.178.7"), "em0")),
    |facts| facts.routes.value.as_mut().unwrap().push(route("0.0.0.0/1", Some("10.8.0.1"), "tun0")),
    |facts| facts.routes = Fact::known(vec![route("0.0.0.0/0", Some("10.77.0.1"), "em0")], "test"),
    |facts| facts.routes = Fact::known(Vec::new(), "test"),
    |facts| facts.resolvers = Fact::known(vec!["10.200.0.1".parse().unwrap()], "test"),
    |facts| facts.resolvers = Fact::known(vec!["10.192.0.1".parse().unwrap(), "9.9.9.9".parse().unwrap()], "test"),
    |facts| facts.pots.value.as_mut().unwrap().push(pot("web1", "public-bridge", "10.200.0.1")),
    |facts| facts.pots.value.as_mut().unwrap().push(pot("db1", "public-bridge", "10.192.0.1")),
    |facts| facts.pots.value.as_mut().unwrap().push(pot("dns", "public-bridge", "10.192.0.2")),
    |facts| facts.pots.value.as_mut().unwrap().push(pot("build", "alias", "192.168.178.21")),
    |facts| {
        let (network, gateway) = ("10.200.0.0/29".parse().unwrap(), "10.200.0.1".parse().unwrap());
        facts.private_bridges = Fact::known(vec![PrivateBridge { name: "lan".to_owned(), network, gateway }], "test");
    },
    |facts| facts.interfaces = Fact::unknown("no", "test"),
    |facts| facts.routes = Fact::unknown("no", "test"),
    |facts| facts.pots = Fact::unknown("no", "test"),
    |facts| facts.datasets.value.as_mut().unwrap().push(dataset("zroot/pot", "/opt/old", 5 << 30)),
    |facts| {
        let parts = ["", "/jails", "/bases", "/fscomp", "/cache"];
        let all = parts.map(|part| dataset(&format!("zroot/old{part}"), &format!("/opt/old{part}"), 5 << 30));
        facts.datasets.value.as_mut().unwrap().extend(all);
    },
    |facts| facts.pools.value.as_mut().unwrap()[0].name = "tank".to_owned(),
    |facts| at(facts, "/srv/shared", folder(0o777, false)),
    |facts| at(facts, "/srv/pot", folder(0o755, false)),
    |facts| at(facts, "/usr/local/etc/hook", file(0o644, false)),
    |facts| at(facts, "/var/run/pot", absent()),
    |facts| facts.groups.value.as_mut().unwrap().clear(),
    |facts| facts.system.value.as_mut().unwrap().kernel = "15.0-RELEASE".to_owned(),
];

fn push(facts: &mut HostFacts, name: &str, group: &str, address: &str) {
    if let Some(all) = facts.interfaces.value.as_mut() {
        let mut one = interface(name, group, &[address]);
        if group == "pot" {
            one.groups.push("bridge".to_owned());
        }
        all.push(one);
    }
}

fn host(changes: &[Change]) -> HostFacts {
    let mut facts = healthy();
    // What takes a fact away comes last.
    let (mut others, mut losses): (Vec<&Change>, Vec<&Change>) = (Vec::new(), Vec::new());
    for change in changes {
        let mut tried = healthy();
        change(&mut tried);
        let loses = tried.interfaces.value.is_none() || tried.routes.value.is_none() || tried.pots.value.is_none();
        if loses { losses.push(change) } else { others.push(change) }
    }
    others.into_iter().chain(losses).for_each(|change| change(&mut facts));
    facts
}

/// Addresses that somebody has, found without the rules' own code.
fn somebody_has(facts: &HostFacts, admin: Option<IpAddr>, address: Ipv4Addr) -> bool {
    let known = |list: &Fact<Vec<IpAddr>>| list.get().is_some_and(|all| all.contains(&IpAddr::V4(address)));
    let interfaces = facts.interfaces.get().into_iter().flatten();
    interfaces
        .filter(|one| !one.groups.contains(&"pot".to_owned()))
        .any(|one| one.addresses.iter().any(|held| held.network.contains(&address)))
        || facts.routes.get().into_iter().flatten().any(|route| route.gateway == Some(address))
        || known(&facts.resolvers)
        || admin == Some(IpAddr::V4(address))
        || facts.pots.get().into_iter().flatten().any(|pot| pot.addresses.contains(&IpAddr::V4(address)))
        || facts.private_bridges.get().into_iter().flatten().any(|bridge| bridge.network.contains(&address))
}

fn errors(findings: &[Finding]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Error) {
        *counts.entry(finding.code.as_str()).or_default() += 1;
    }
    counts
}

fn follow(own: &str, facts: Option<&HostFacts>, admin: Option<IpAddr>) -> Result<usize, String> {
    let before = configuration(own);
    let look = |configuration: &Configuration| check(&Subject::new(configuration).on(facts).asked_from(admin));
    let findings = look(&before);
    let mut followed = 0;
    for finding in &findings {
        let Some(fix) = &finding.fix else { continue };
        followed += 1;
        let name = |name: &String| Name::try_from(name.as_str()).unwrap();
        let set = fix.set.iter().map(|(parameter, value)| Edit::set(name(parameter), value.as_str()));
        let edits: Vec<Edit> = set.chain(fix.unset.iter().map(|parameter| Edit::unset(name(parameter)))).collect();
        let new = before.apply(&edits).map_err(|error| format!("{finding:?} is refused: {error}"))?;
        let text = String::from_utf8_lossy(new.bytes()).into_owned();
        let after = look(&Configuration::new(before.default_document().clone(), new));
        let same = |findings: &[Finding]| {
            findings.iter().filter(|other| other.code == finding.code && other.parameters == finding.parameters).count()
        };
        if same(&after) >= same(&findings) {
            return Err(format!("stays after its fix: {finding:#?}\n{text}\n{after:#?}"));
        }
        let stood = errors(&findings);
        if let Some((code, _)) =
            errors(&after).iter().find(|(code, count)| stood.get(*code).is_none_or(|had| had < *count))
        {
            return Err(format!("{code} came with the fix of {finding:#?}\n{text}\n{after:#?}"));
        }
        for parameter in ["POT_GATEWAY", "POT_DNS_IP"] {
            let suggested = fix.set.get(parameter).and_then(|value| value.parse().ok());
            let taken = suggested.is_some_and(|address| facts.is_some_and(|facts| somebody_has(facts, admin, address)));
            // The DNS pot has its own address.
            if taken && parameter == "POT_GATEWAY" {
                return Err(format!("{parameter} is somebody's: {finding:#?}"));
            }
        }
        let network: Option<Ipv4Net> = fix.set.get("POT_NETWORK").and_then(|value| value.parse().ok());
        let in_use = network.is_some_and(|network| {
            facts.and_then(|facts| facts.interfaces.get()).into_iter().flatten().any(|one| {
                let own = one.groups.contains(&"pot".to_owned()) || one.groups.contains(&"lo".to_owned());
                !own && one.addresses.iter().any(|held| network.contains(&held.address()))
            })
        });
        if in_use {
            return Err(format!("the network is in use: {finding:#?}"));
        }
    }
    Ok(followed)
}

#[test]
fn the_hosts_own_lan_as_the_pots_network_gets_no_fix_that_takes_the_routers_address() {
    let facts = healthy();
    let own = "POT_NETWORK=192.168.178.0/24\nPOT_NETMASK=255.255.255.0\n";
    let findings = check(&Subject::new(&configuration(own)).on(Some(&facts)));
    let gateway = findings.iter().find(|finding| finding.code == "gateway-outside-network").unwrap();
    assert_eq!(gateway.fix, None, "192.168.178.1 is the LAN's own gateway");
    assert!(findings.iter().any(|finding| finding.code == "network-overlaps-interface"));
}

#[test]
fn no_address_is_suggested_while_it_is_not_known_who_has_which() {
    let own = "POT_NETWORK=10.200.0.0/16\nPOT_NETMASK=255.255.0.0\n";
    let fix = |change: Change| {
        let facts = host(&[change]);
        check(&Subject::new(&configuration(own)).on(Some(&facts))).into_iter().next().unwrap().fix
    };
    assert!(fix(|_| ()).is_some());
    for loss in [
        (|facts| facts.interfaces = Fact::unknown("no", "test")) as Change,
        |facts| facts.routes = Fact::unknown("no", "test"),
        |facts| facts.resolvers = Fact::unknown("no", "test"),
        |facts| facts.pots = Fact::unknown("no", "test"),
        |facts| facts.private_bridges = Fact::unknown("no", "test"),
    ] {
        assert_eq!(fix(loss), None);
    }
}

#[test]
fn a_file_from_windows_with_comments_is_still_fixed() {
    let own = "# pot on jail1\r\nPOT_GROUP=pot\r\nPOT_EXTIF=em0\r\n";
    assert!(matches!(follow(own, Some(&healthy()), None), Ok(1..)));
}

#[test]
fn whatever_is_advised_helps_and_brings_no_new_error() {
    let config = ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let followed = std::cell::Cell::new(0);
    let strategy = (
        prop::collection::vec(line(), 1..8),
        prop::collection::vec(prop::sample::select(CHANGES), 0..6),
        prop::option::of(prop::sample::select(vec!["10.200.0.9", "10.200.0.1", "192.168.178.31", "fd00::1"])),
        prop::bool::weighted(0.9),
    );
    let outcome = runner.run(&strategy, |(lines, changes, admin, asked)| {
        let facts = host(&changes);
        let admin = admin.map(|text| text.parse().unwrap());
        match follow(&lines.concat(), asked.then_some(&facts), admin) {
            Ok(count) => followed.set(followed.get() + count),
            Err(words) => return Err(TestCaseError::fail(words)),
        }
        Ok(())
    });
    outcome.unwrap();
    // Advice that is never given cannot be wrong either.
    assert!(followed.get() > usize::try_from(cases()).unwrap() / 2, "only {} fixes were followed", followed.get());
}
