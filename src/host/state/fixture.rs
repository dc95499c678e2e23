//! For tests: a host that is initialised with pot's defaults and runs as it should.

use crate::facts::{
    Dataset, Fact, HostFacts, Interface, Ipv4Address, Machine, Packages, PathKind, PathState, Pf, PfFile, Pool, Pot,
    Syslog, System, Tunable,
};
use crate::potconf::{Configuration, Document, PARAMETERS};
use std::collections::BTreeMap;

pub(crate) fn known<T>(value: T) -> Fact<T> {
    Fact::known(value, "test")
}

/// pot's defaults, then `own` as pot.conf.
pub(crate) fn configuration(own: &str) -> Configuration {
    let lines: Vec<String> =
        PARAMETERS.iter().map(|parameter| format!("{}={}", parameter.name, parameter.default)).collect();
    Configuration::new(Document::parse(lines.join("\n").as_bytes()).unwrap(), Document::parse(own.as_bytes()).unwrap())
}

pub(crate) fn interface(name: &str, description: &str, addresses: &[&str]) -> Interface {
    Interface {
        name: name.into(),
        up: true,
        description: description.into(),
        groups: if name.starts_with("bridge") { vec!["bridge".into(), "pot".into()] } else { Vec::new() },
        addresses: addresses.iter().map(|text| Ipv4Address { network: text.parse().unwrap() }).collect(),
        addresses6: Vec::new(),
        members: Vec::new(),
    }
}

pub(crate) fn dataset(name: &str, mountpoint: &str) -> Dataset {
    Dataset {
        name: name.into(),
        kind: "filesystem".into(),
        mountpoint: mountpoint.into(),
        canmount: "on".into(),
        mounted: true,
        used: 1 << 30,
        available: 1 << 40,
        origin: None,
        locked: false,
    }
}

pub(crate) fn pot(name: &str, network_type: &str, address: &str) -> Pot {
    Pot {
        name: name.into(),
        kind: "multi".into(),
        network_type: network_type.into(),
        addresses: address.parse().into_iter().collect(),
        bridge: None,
        running: Some(true),
        exports: Vec::new(),
    }
}

/// A folder of root's alone.
fn private_folder() -> PathState {
    PathState {
        kind: PathKind::Folder,
        uid: 0,
        gid: 0,
        mode: 0o700,
        empty: true,
        only_root_writes: true,
        exposed: None,
        replaceable_in: None,
        leads_to: None,
    }
}

pub(crate) fn running_host() -> HostFacts {
    let on = || Tunable { running: Some("1".into()), next_boot: Some("1".into()), set_in: None };
    let lines = |text: &str| text.lines().map(str::to_owned).collect();
    HostFacts {
        system: known(System {
            hostname: "jail1.lan".into(),
            kernel: "14.3-RELEASE-p5".into(),
            userland: "14.3-RELEASE-p5".into(),
            jailed: Some(false),
            time_zone: "UTC".into(),
        }),
        machine: known(Machine::default()),
        vimage: known(true),
        racct: known(on()),
        vtnet_lro_disable: known(on()),
        forwarding: known(true),
        pools: known(vec![Pool { name: "zroot".into(), size: 2 << 40, free: 1 << 40, health: "ONLINE".into() }]),
        datasets: known(vec![
            dataset("zroot/pot", "/opt/pot"),
            dataset("zroot/pot/bases", "/opt/pot/bases"),
            dataset("zroot/pot/jails", "/opt/pot/jails"),
            dataset("zroot/pot/fscomp", "/opt/pot/fscomp"),
            dataset("zroot/pot/cache", "/var/cache/pot"),
            dataset("zroot/potatoes", "/potatoes"),
        ]),
        interfaces: known(vec![
            interface("em0", "", &["192.168.178.20/24"]),
            interface("bridge0", "pot public bridge", &["10.192.0.1/10"]),
        ]),
        pf: known(Pf {
            loaded: true,
            enabled: true,
            anchors: lines("pot-nat\npot-rdr"),
            nat: lines("nat-anchor \"pot-nat\" all\nrdr-anchor \"pot-rdr/*\" all"),
            rules: Vec::new(),
            pot_nat: lines("nat on em0 inet from 10.192.0.0/10 to any -> (em0:0)"),
        }),
        pf_file: known(PfFile {
            path: "/etc/pf.conf".into(),
            exists: true,
            valid: Some(true),
            errors: Vec::new(),
            untested: None,
            anchor_lines: (1, 1),
            fallback: None,
        }),
        ipfw: known(false),
        syslog: known(Syslog {
            flags: "-b 127.0.0.1 -b 10.192.0.1 -a 10.192.0.0/10".into(),
            files: BTreeMap::from([("local2".into(), vec!["/var/log/pot.log".into()])]),
            missing: Vec::new(),
            elsewhere: BTreeMap::new(),
        }),
        rc: known(BTreeMap::from([("pf_enable".into(), "YES".into()), ("syslogd_enable".into(), "YES".into())])),
        packages: known(Packages { pkg: true, pot: Some("0.16.1".into()), potnet: Some("0.5.0".into()) }),
        groups: known(BTreeMap::from([("pot".into(), 1001)])),
        paths: known(BTreeMap::from([("/var/run/pot".into(), private_folder())])),
        pots: known(vec![pot("web1", "public-bridge", "10.192.0.3"), pot("build", "alias", "192.168.178.21")]),
        private_bridges: known(Vec::new()),
        ..HostFacts::unknown("not asked")
    }
}
