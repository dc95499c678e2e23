//! The probes' parsers against what real FreeBSD hosts answered, recorded command by command.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/recordings.rs"]
mod recordings;

use pot_console::facts::PfTest;
use pot_console::host::parse;
use pot_console::process::Captured;
use std::collections::BTreeMap;

#[derive(serde::Deserialize)]
struct Record {
    state: String,
    command: String,
    #[serde(default)]
    status: i32,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    stderr: String,
}

impl Record {
    fn answer(&self) -> Captured {
        Captured {
            status: Some(self.status),
            timed_out: false,
            stdout: self.stdout.clone(),
            stderr: self.stderr.clone(),
            truncated: false,
            took: std::time::Duration::ZERO,
        }
    }

    fn lines(&self) -> usize {
        self.stdout.lines().filter(|line| !line.trim().is_empty()).count()
    }

    /// Holds the parser that this command belongs to against the answer; the parser's name.
    fn hold(&self) -> Option<&'static str> {
        let command = self.command.as_str();
        let at = format!("{}: {command}\n{}{}", self.state, self.stdout, self.stderr);
        let good = self.status == 0;
        if command.contains("pfctl -nf ") || command.contains("pfctl -nvf ") {
            let absent = self.stderr.contains("cannot open the main config file");
            match parse::pf::verdict(&self.answer()) {
                PfTest::Valid => assert!(good, "{at}"),
                PfTest::Invalid(words) => assert!(!good && (absent || !words.is_empty()), "{at}"),
                PfTest::Untested(_) => {
                    assert!(self.stderr.contains("/dev/pf") || self.stderr.contains("netlink"), "{at}");
                }
            }
            return Some("pfctl -nf");
        }
        Some(match command {
            "pfctl -s info" if good => {
                assert!(parse::pf::enabled(&self.stdout).is_ok(), "{at}");
                "pfctl -s info"
            }
            "pfctl -s info" => {
                assert!(parse::pf::is_not_loaded(&self.stderr), "{at}");
                "pfctl without pf"
            }
            "pfctl -s Anchors" => {
                assert_eq!(parse::pf::anchors(&self.stdout).unwrap().len(), self.lines(), "{at}");
                "pfctl -s Anchors"
            }
            "pfctl -s nat"
            | "pfctl -s rules"
            | "pfctl -sn"
            | "pfctl -sr"
            | "pfctl -s nat -a pot-nat"
            | "pfctl -s nat -a nosuchanchor"
            | "pfctl -a 'pot-rdr/*' -s nat" => {
                assert_eq!(
                    parse::pf::listed(&self.answer(), command.contains("-a ")).unwrap().len(),
                    self.lines(),
                    "{at}"
                );
                "pfctl -s nat"
            }
            "ifconfig -a" => {
                let found = parse::ifconfig::interfaces(&self.stdout).unwrap();
                assert!(found.iter().any(|interface| interface.name == "lo0"), "{at}");
                "ifconfig -a"
            }
            "netstat -rn -f inet" => {
                let routes = parse::netstat::routes(&self.stdout).unwrap();
                assert!(routes.iter().any(|route| route.destination.prefix_len() == 0), "{at}");
                "netstat -rn"
            }
            "zpool list -Hp -o name,size,free,health" => {
                assert_eq!(parse::zfs::pools(&self.stdout).unwrap().len(), self.lines(), "{at}");
                "zpool list"
            }
            "zfs list -Hp -t all -o name,type,mountpoint,canmount,mounted,used,available,origin" => {
                let datasets = parse::zfs::datasets(&self.stdout).unwrap();
                assert_eq!(datasets.len(), self.lines(), "{at}");
                // What a real host with pots has mounted is seen as mounted: nothing of pot's is hidden there.
                let hidden =
                    datasets.iter().find(|dataset| dataset.name.starts_with("zroot/pot/") && dataset.is_hidden());
                assert!(hidden.is_none(), "{hidden:?}");
                "zfs list"
            }
            "getent group" => {
                assert_eq!(parse::files::groups(&self.stdout).unwrap().get("wheel"), Some(&0), "{at}");
                "getent group"
            }
            _ if command.starts_with("sysrc pf_enable pf_rules ") => {
                let variables = parse::files::variables(&self.stdout).unwrap();
                for name in command.split(' ').skip(1) {
                    let said =
                        variables.contains_key(name) || self.stderr.contains(&format!("unknown variable '{name}'"));
                    assert!(said, "{name} in {at}");
                }
                "sysrc"
            }
            "sysctl -n kern.racct.enable" | "sysctl -n net.inet.ip.forwarding" => {
                assert!(matches!(self.stdout.trim(), "0" | "1"), "{at}");
                "sysctl"
            }
            "sysctl -n no.such.oid" => {
                assert!(!good && self.stderr.contains("unknown oid"), "{at}");
                "sysctl unknown"
            }
            "pkg -N" => {
                assert!(good || self.stderr.contains("not installed") || self.status == 127, "{at}");
                "pkg -N"
            }
            _ => return None,
        })
    }
}

#[test]
fn every_recorded_answer_of_freebsd_is_understood() {
    let folder = recordings::folder();
    let mut held: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        files += 1;
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let record: Record =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error}: {line}", path.display()));
            if let Some(parser) = record.hold() {
                *held.entry(parser).or_default() += 1;
            }
        }
    }
    assert!(files >= 2, "{files} recordings in {}", folder.display());
    for parser in [
        "pfctl -nf",
        "pfctl -s info",
        "pfctl -s Anchors",
        "pfctl -s nat",
        "ifconfig -a",
        "netstat -rn",
        "zpool list",
        "zfs list",
        "getent group",
        "sysrc",
        "sysctl",
        "sysctl unknown",
        "pkg -N",
    ] {
        assert!(held.contains_key(parser), "no answer for {parser}: {held:?}");
    }
    println!("{held:?}");
}
