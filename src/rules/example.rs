//! For tests: pot's own default file in words of ours, a healthy host, and ways to ask what is found on them.

use super::{Finding, Subject};
use crate::facts::{
    Dataset, Fact, HostFacts, Interface, Ipv4Address, LeadsTo, Packages, PathKind, PathState, Pf, PfFile, Pool, Pot,
    Route, Syslog, System, Tunable,
};
use crate::potconf::{Configuration, Document, Edit, Name, PARAMETERS};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// pot.default.conf with the defaults of pot 0.16.1.
pub(super) fn defaults() -> Vec<u8> {
    PARAMETERS
        .iter()
        .map(|parameter| format!("# {}\n{}={}\n", parameter.label, parameter.name, parameter.default))
        .collect::<Vec<_>>()
        .concat()
        .into_bytes()
}

/// The defaults, and this pot.conf.
pub(super) fn configuration(own: &str) -> Configuration {
    Configuration::new(Document::parse(&defaults()).unwrap(), Document::parse(own.as_bytes()).unwrap())
}

pub(super) fn interface(name: &str, group: &str, addresses: &[&str]) -> Interface {
    Interface {
        name: name.to_owned(),
        up: true,
        description: String::new(),
        groups: vec![group.to_owned()],
        addresses: addresses.iter().map(|text| Ipv4Address { network: text.parse().unwrap() }).collect(),
        addresses6: Vec::new(),
        members: Vec::new(),
    }
}

fn path(kind: PathKind) -> PathState {
    PathState {
        kind,
        uid: 0,
        gid: 0,
        mode: 0o755,
        empty: true,
        only_root_writes: true,
        exposed: None,
        replaceable_in: None,
        leads_to: None,
    }
}

/// A host on which pot is installed and nothing is wrong: em0 with the default route, vlan20, vlan30, lo0, the pool
/// zroot, syslog as FreeBSD ships it.
pub(super) fn healthy() -> HostFacts {
    let mut paths = BTreeMap::new();
    for absent in ["/opt/pot", "/var/cache/pot", super::PRIVATE_TMP] {
        paths.insert(absent.to_owned(), path(PathKind::Absent));
    }
    paths.insert(
        "/tmp".to_owned(),
        PathState { mode: 0o1777, empty: false, only_root_writes: false, ..path(PathKind::Folder) },
    );
    HostFacts {
        at: Timestamp::UNIX_EPOCH,
        simulated: true,
        system: Fact::known(
            System {
                hostname: "jail1.lan".to_owned(),
                kernel: "14.3-RELEASE-p5".to_owned(),
                userland: "14.3-RELEASE-p5".to_owned(),
                jailed: Some(false),
                time_zone: "UTC".to_owned(),
            },
            "test",
        ),
        vimage: Fact::known(true, "test"),
        racct: Fact::known(Tunable { running: Some("0".to_owned()), next_boot: None, set_in: None }, "test"),
        vtnet_lro_disable: Fact::known(Tunable::default(), "test"),
        forwarding: Fact::known(false, "test"),
        bridge_member_addresses: Fact::known(None, "test"),
        pools: Fact::known(
            vec![Pool { name: "zroot".to_owned(), size: 500 << 30, free: 412 << 30, health: "ONLINE".to_owned() }],
            "test",
        ),
        datasets: Fact::known(vec![dataset("zroot", "/zroot", 88 << 30)], "test"),
        interfaces: Fact::known(
            vec![
                interface("em0", "em", &["192.168.178.20/24"]),
                interface("vlan20", "vlan", &["10.0.20.4/24"]),
                interface("vlan30", "vlan", &["10.0.30.8/24"]),
                interface("lo0", "lo", &["127.0.0.1/8"]),
            ],
            "test",
        ),
        routes: Fact::known(
            vec![
                route("0.0.0.0/0", Some("192.168.178.1"), "em0"),
                route("192.168.178.0/24", None, "em0"),
                route("10.0.20.0/24", None, "vlan20"),
                route("10.0.30.0/24", None, "vlan30"),
            ],
            "test",
        ),
        resolvers: Fact::known(vec!["192.168.178.1".parse().unwrap()], "test"),
        pf: Fact::known(Pf::default(), "test"),
        pf_file: Fact::known(
            PfFile {
                path: "/etc/pf.conf".to_owned(),
                exists: true,
                valid: Some(true),
                errors: Vec::new(),
                untested: None,
                anchor_lines: (0, 0),
                fallback: None,
            },
            "test",
        ),
        ipfw: Fact::known(false, "test"),
        syslog: Fact::known(
            Syslog {
                flags: "-s".to_owned(),
                files: BTreeMap::from([
                    ("cron".to_owned(), vec!["/var/log/cron".to_owned()]),
                    ("auth".to_owned(), vec!["/var/log/auth.log".to_owned()]),
                ]),
                missing: Vec::new(),
                elsewhere: BTreeMap::new(),
            },
            "test",
        ),
        rc: Fact::known(BTreeMap::new(), "test"),
        packages: Fact::known(
            Packages { pkg: true, pot: Some("0.16.1".to_owned()), potnet: Some("0.5.0".to_owned()) },
            "test",
        ),
        groups: Fact::known(BTreeMap::from([("wheel".to_owned(), 0), ("pot".to_owned(), 1002)]), "test"),
        paths: Fact::known(paths, "test"),
        pots: Fact::known(Vec::new(), "test"),
        private_bridges: Fact::known(Vec::new(), "test"),
        files: Fact::known(BTreeMap::new(), "test"),
        ..HostFacts::unknown("not asked")
    }
}

pub(super) fn dataset(name: &str, mountpoint: &str, used: u64) -> Dataset {
    Dataset {
        name: name.to_owned(),
        kind: "filesystem".to_owned(),
        mountpoint: mountpoint.to_owned(),
        canmount: "on".to_owned(),
        mounted: true,
        used,
        available: 412 << 30,
        origin: None,
        locked: false,
    }
}

pub(super) fn route(destination: &str, gateway: Option<&str>, interface: &str) -> Route {
    Route {
        destination: destination.parse().unwrap(),
        gateway: gateway.map(|text| text.parse().unwrap()),
        interface: interface.to_owned(),
    }
}

pub(super) fn pot(name: &str, network_type: &str, address: &str) -> Pot {
    Pot {
        name: name.to_owned(),
        kind: "multi".to_owned(),
        network_type: network_type.to_owned(),
        addresses: vec![address.parse().unwrap()],
        bridge: None,
        running: Some(false),
        exports: Vec::new(),
    }
}

/// The healthy host with one thing changed.
pub(super) fn host(change: impl FnOnce(&mut HostFacts)) -> HostFacts {
    let mut facts = healthy();
    change(&mut facts);
    facts
}

pub(super) fn file(mode: u32, only_root_writes: bool) -> PathState {
    PathState { mode, only_root_writes, empty: false, ..path(PathKind::File) }
}

pub(super) fn folder(mode: u32, empty: bool) -> PathState {
    PathState { mode, empty, only_root_writes: mode & 0o022 == 0, ..path(PathKind::Folder) }
}

pub(super) fn absent() -> PathState {
    path(PathKind::Absent)
}

/// A link of root's to a folder or file of root's.
pub(super) fn link(to: &str, kind: PathKind) -> PathState {
    let leads_to = LeadsTo { path: to.to_owned(), kind, uid: 0, mode: 0o755, refused: None };
    PathState { leads_to: Some(leads_to), ..path(PathKind::Link) }
}

/// Puts a path into the facts.
pub(super) fn at(facts: &mut HostFacts, path: &str, state: PathState) {
    facts.paths.value.as_mut().unwrap().insert(path.to_owned(), state);
}

/// What is found without a host.
pub(super) fn found(own: &str) -> Vec<Finding> {
    sound(own, super::check(&Subject::new(&configuration(own))))
}

/// What is found on a host.
pub(super) fn found_on(facts: &HostFacts, own: &str) -> Vec<Finding> {
    sound(own, super::check(&Subject::new(&configuration(own)).on(Some(facts))))
}

/// Whatever is found can be shown, and every fix can be applied.
fn sound(own: &str, findings: Vec<Finding>) -> Vec<Finding> {
    for finding in &findings {
        assert!(finding.message.ends_with(['.', '?', '`']), "{finding:?}");
        // A value may bring its own.
        assert!(own.contains('`') || finding.message.matches('`').count() % 2 == 0, "{finding:?}");
        assert!(own.contains("  ") || !finding.message.contains("  "), "{finding:?}");
        if let Some(fix) = &finding.fix {
            let mut edits = Vec::new();
            for (name, value) in &fix.set {
                super::limits::check(name, value).unwrap();
                edits.push(Edit::set(Name::try_from(name.as_str()).unwrap(), value.as_str()));
            }
            edits.extend(fix.unset.iter().map(|name| Edit::unset(Name::try_from(name.as_str()).unwrap())));
            let fixed = configuration(own).apply(&edits).unwrap_or_else(|error| panic!("{finding:?}: {error}"));
            let fixed = Configuration::new(Document::parse(&defaults()).unwrap(), fixed);
            let left = super::check(&Subject::new(&fixed));
            assert!(
                !left.iter().any(|other| other.code == finding.code
                    && other.parameters == finding.parameters
                    && other.message == finding.message),
                "the fix leaves it: {finding:?}"
            );
        }
    }
    findings
}

pub(super) fn codes(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// The finding of that code; there must be exactly one.
pub(super) fn the<'a>(code: &str, findings: &'a [Finding]) -> &'a Finding {
    let all: Vec<&Finding> = findings.iter().filter(|finding| finding.code == code).collect();
    assert_eq!(all.len(), 1, "{code} in {findings:#?}");
    all[0]
}

/// The value that a finding's fix sets.
pub(super) fn fix_sets<'a>(finding: &'a Finding, name: &str) -> Option<&'a str> {
    finding.fix.as_ref()?.set.get(name).map(String::as_str)
}

/// The file after every fix that is offered.
pub(super) fn fixed(own: &str, findings: &[Finding]) -> String {
    let mut edits = BTreeMap::new();
    for fix in findings.iter().filter_map(|finding| finding.fix.as_ref()) {
        for (name, value) in &fix.set {
            let name = Name::try_from(name.as_str()).unwrap();
            edits.insert(name.clone(), Edit::set(name, value.as_str()));
        }
        for name in &fix.unset {
            let name = Name::try_from(name.as_str()).unwrap();
            edits.insert(name.clone(), Edit::unset(name));
        }
    }
    let edits: Vec<Edit> = edits.into_values().collect();
    String::from_utf8(configuration(own).apply(&edits).unwrap().bytes().to_vec()).unwrap()
}
