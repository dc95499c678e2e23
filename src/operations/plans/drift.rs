//! Every difference that Host tells, and what it says ends it: followed on made hosts, and looked at again. What pot does
//! is told after its scripts (vnet-start.sh, init.sh); no tool runs.

use super::{init, vnet_start};
use crate::facts::{Fact, HostFacts, Ipv4Address, PathKind, PathState, PrivateBridge};
use crate::host::fixture::{configuration, interface, known, pot, running_host};
use crate::host::{Drift, HostState, Remedy, StateInput, Wanted};
use crate::operations::draft::{Action, PlanDraft};
use crate::operations::inputs::{HostFile, HostFiles, Inputs, PfTest, Untested};
use crate::operations::{pf_conf, rc_conf};
use crate::plan::{ManagedFile, Operation};
use crate::potconf::Configuration;
use crate::process::Tool;
use crate::rules::syslogd_flags::{opens, pots_part};
use crate::rules::{Finding, Nat, PRIVATE_TMP, PublicBridges, Severity, Subject, check};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const PF_CONF: &str = "set block-policy drop\nnat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\nblock in\npass out\n";
const OUT_OF_ORDER: &str = "nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\nset block-policy drop\nblock in\npass out\n";
const BROKEN: &str = "set block-policy drop\nblock in\npass out\npass in on on em0\n";
const NETWORK: &str =
    "POT_NETWORK=10.200.0.0/16\nPOT_NETMASK=255.255.0.0\nPOT_GATEWAY=10.200.0.1\nPOT_DNS_IP=10.200.0.2\n";

const INIT: Operation = Operation::Init {
    place_anchors: true,
    merge_syslogd_flags: true,
    minimal: false,
    leave_syslogd: false,
    leave_pf: false,
    pf_file: None,
};
const VNET: Operation = Operation::VnetStart { revert_after: Some(60) };

/// One thing that came to differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    OtherDataset,
    OtherFolder,
    OtherCache,
    MovedChild,
    NotMounted,
    CacheNotMounted,
    Locked,
    NeverMounted,
    OtherNetwork,
    OtherNetmask,
    BridgeDown,
    SecondBridge,
    SecondBridgeInUse,
    SurplusRule,
    MissingRule,
    PfOff,
    NotCalled,
    NotInFile,
    OneLineLeft,
    FileOutOfOrder,
    FileBroken,
    NoForwarding,
    OldFlags,
    MixedFlags,
    ShutOut,
    PotOutside,
    PrivateBridgeOutside,
}

const FAULTS: [Fault; 27] = [
    Fault::OtherDataset,
    Fault::OtherFolder,
    Fault::OtherCache,
    Fault::MovedChild,
    Fault::NotMounted,
    Fault::CacheNotMounted,
    Fault::Locked,
    Fault::NeverMounted,
    Fault::OtherNetwork,
    Fault::OtherNetmask,
    Fault::BridgeDown,
    Fault::SecondBridge,
    Fault::SecondBridgeInUse,
    Fault::SurplusRule,
    Fault::MissingRule,
    Fault::PfOff,
    Fault::NotCalled,
    Fault::NotInFile,
    Fault::OneLineLeft,
    Fault::FileOutOfOrder,
    Fault::FileBroken,
    Fault::NoForwarding,
    Fault::OldFlags,
    Fault::MixedFlags,
    Fault::ShutOut,
    Fault::PotOutside,
    Fault::PrivateBridgeOutside,
];

/// A host that runs, with all that a run can change.
#[derive(Debug, Clone)]
struct Made {
    facts: HostFacts,
    pot_conf: String,
    rc: String,
    pf: String,
}

impl Made {
    fn new(faults: &[Fault]) -> Self {
        let mut facts = running_host();
        facts.routes = known(Vec::new());
        facts.resolvers = known(Vec::new());
        facts.bridge_member_addresses = known(None);
        let interfaces = facts.interfaces.value.as_mut().unwrap();
        interfaces.push(interface("vlan20", "", &["10.0.20.4/24"]));
        interfaces.push(interface("epair0a", "web1", &[]));
        interfaces[1].members.push("epair0a".into());
        facts.pf.value.as_mut().unwrap().rules = vec!["block in".into(), "pass out".into()];
        let mut made = Self {
            facts,
            pot_conf: "POT_TMP=/var/run/pot\n".to_owned(),
            rc: "syslogd_flags=\"-b 127.0.0.1 -b 10.192.0.1 -a 10.192.0.0/10\"\n".to_owned(),
            pf: PF_CONF.to_owned(),
        };
        for fault in faults {
            made.befall(*fault);
        }
        made.look();
        made
    }

    fn dataset(&mut self, name: &str) -> &mut crate::facts::Dataset {
        self.facts.datasets.value.as_mut().unwrap().iter_mut().find(|dataset| dataset.name == name).unwrap()
    }

    fn interface(&mut self, name: &str) -> Option<&mut crate::facts::Interface> {
        self.facts.interfaces.value.as_mut().unwrap().iter_mut().find(|interface| interface.name == name)
    }

    fn pf(&mut self) -> &mut crate::facts::Pf {
        self.facts.pf.value.as_mut().unwrap()
    }

    fn flags(&mut self, flags: &str) {
        self.rc = String::from_utf8(rc_conf::set(self.rc.as_bytes(), "syslogd_flags", flags)).unwrap();
    }

    fn befall(&mut self, fault: Fault) {
        match fault {
            Fault::OtherDataset => self.pot_conf.push_str("POT_ZFS_ROOT=zroot/other\n"),
            Fault::OtherFolder => self.pot_conf.push_str("POT_FS_ROOT=/srv/pot\n"),
            Fault::OtherCache => self.pot_conf.push_str("POT_CACHE=/srv/cache\n"),
            Fault::MovedChild => self.dataset("zroot/pot/fscomp").mountpoint = "/srv/fscomp".into(),
            Fault::NotMounted => self.dataset("zroot/pot/bases").mounted = false,
            Fault::CacheNotMounted => self.dataset("zroot/pot/cache").mounted = false,
            Fault::Locked => {
                let jails = self.dataset("zroot/pot/jails");
                (jails.mounted, jails.locked) = (false, true);
            }
            Fault::NeverMounted => {
                let bases = self.dataset("zroot/pot/bases");
                (bases.mounted, bases.canmount) = (false, "off".into());
            }
            Fault::OtherNetwork => self.pot_conf.push_str(NETWORK),
            Fault::OtherNetmask => {
                let bridge = self.interface("bridge0").unwrap();
                for held in &mut bridge.addresses {
                    held.network = ipnet::Ipv4Net::new(held.address(), 24).unwrap();
                }
            }
            Fault::BridgeDown => self.interface("bridge0").unwrap().up = false,
            Fault::SecondBridge => {
                let bridge = interface("bridge3", "pot public bridge", &["10.50.0.1/16"]);
                self.facts.interfaces.value.as_mut().unwrap().push(bridge);
            }
            Fault::SecondBridgeInUse => {
                let mut bridge = interface("bridge4", "pot public bridge", &[]);
                bridge.members = vec!["epair5a".into(), "em1".into()];
                let all = self.facts.interfaces.value.as_mut().unwrap();
                all.push(bridge);
                all.push(interface("epair5a", "late", &[]));
                self.facts.pots.value.as_mut().unwrap().push(pot("late", "public-bridge", "10.192.0.9"));
            }
            Fault::SurplusRule => {
                self.pf().pot_nat.push("nat on tun9 inet from 10.192.0.0/10 to 10.9.0.0/16 -> (tun9:0)".into());
            }
            Fault::MissingRule => {
                self.pot_conf.push_str("POT_EXTRA_EXTIF=vlan20\nPOT_NETWORK_vlan20=10.0.20.0/24\n");
            }
            Fault::PfOff => self.pf().enabled = false,
            Fault::NotCalled => self.pf().nat.clear(),
            Fault::NotInFile => self.pf = "set block-policy drop\nblock in\npass out\n".to_owned(),
            Fault::OneLineLeft => {
                self.pf = "set block-policy drop\nnat-anchor pot-nat\nblock in\npass out\n".to_owned();
            }
            Fault::FileOutOfOrder => self.pf = OUT_OF_ORDER.to_owned(),
            Fault::FileBroken => self.pf = BROKEN.to_owned(),
            Fault::NoForwarding => self.facts.forwarding = known(false),
            Fault::OldFlags => self.flags("-b 127.0.0.1 -b 10.50.0.1 -a 10.50.0.0/16"),
            Fault::MixedFlags => {
                self.flags("-C -b 192.168.178.20 -a 192.168.178.0/24 -b 10.50.0.1 -a 10.50.0.0/16 -vv");
            }
            Fault::ShutOut => self.flags("-b 10.192.0.1 -a 192.168.178.0/24"),
            Fault::PotOutside => {
                self.facts.pots.value.as_mut().unwrap().push(pot("old", "private-bridge", "172.16.0.2"));
            }
            Fault::PrivateBridgeOutside => self.facts.private_bridges.value.as_mut().unwrap().push(PrivateBridge {
                name: "lan1".into(),
                network: "172.16.0.0/29".parse().unwrap(),
                gateway: "172.16.0.1".parse().unwrap(),
            }),
        }
    }

    /// What pf says of a file: its statements have an order, and `on on` is none.
    fn pf_test(text: &[u8]) -> PfTest {
        let text = String::from_utf8_lossy(text);
        if text.contains("on on") {
            return PfTest::Invalid(vec!["/etc/pf.conf:2: syntax error".into()]);
        }
        match (text.find("anchor"), text.find("set block-policy")) {
            (Some(anchor), Some(set)) if anchor < set => PfTest::Invalid(vec![
                "/etc/pf.conf:3: Rules must be in order: options, ethernet, normalization, queueing, translation, filtering"
                    .into(),
            ]),
            _ => PfTest::Valid,
        }
    }

    /// The facts that the files give.
    fn look(&mut self) {
        let text = match rc_conf::stands(self.rc.as_bytes(), "syslogd_flags") {
            rc_conf::Stands::Plain(flags) => flags,
            other => panic!("{other:?}"),
        };
        self.facts.syslog.value.as_mut().unwrap().flags = text.clone();
        let rc = self.facts.rc.value.as_mut().unwrap();
        rc.insert("syslogd_flags".into(), text);
        rc.insert("pf_rules".into(), "/etc/pf.conf".into());
        let file = self.facts.pf_file.value.as_mut().unwrap();
        file.anchor_lines = pf_conf::anchors_held(self.pf.as_bytes());
        (file.valid, file.errors) = match Self::pf_test(self.pf.as_bytes()) {
            PfTest::Invalid(errors) => (Some(false), errors),
            _ => (Some(true), Vec::new()),
        };
        // POT_FS_ROOT as init leaves it, and whatever else a plan looks at.
        let made = PathState { gid: 1001, ..place(PathKind::Folder, 0o750) };
        self.facts.paths.value.as_mut().unwrap().insert("/opt/pot".into(), made);
    }

    fn configuration(&self) -> Configuration {
        configuration(&self.pot_conf)
    }

    fn findings(&self) -> Vec<Finding> {
        check(&Subject::new(&self.configuration()).on(Some(&self.facts)))
    }

    fn drift(&self) -> Vec<Drift> {
        let (configuration, findings) = (self.configuration(), self.findings());
        let state = HostState::of(&StateInput {
            facts: &self.facts,
            configuration: &configuration,
            findings: &findings,
            has_files: true,
            dismissed: &[],
            left_drift: &[],
            leftovers: None,
            removed: None,
            run: None,
        });
        state.pot.drift
    }

    fn plan(&self, operation: &Operation) -> PlanDraft {
        let file = |path: &str, text: &str| HostFile {
            path: path.to_owned(),
            bytes: Some(text.as_bytes().to_vec()),
            leads_to: None,
            unknown: None,
        };
        let (configuration, findings) = (self.configuration(), self.findings());
        let inputs = Inputs {
            facts: &self.facts,
            configuration: &configuration,
            files: &HostFiles {
                managed: BTreeMap::from([
                    (ManagedFile::RcConf, file("/etc/rc.conf", &self.rc)),
                    (ManagedFile::PfConf, file("/etc/pf.conf", &self.pf)),
                    (ManagedFile::PotConf, file("/usr/local/etc/pot/pot.conf", &self.pot_conf)),
                ]),
                ..HostFiles::default()
            },
            findings: &findings,
            against_limit: None,
            against_places: &[],
            path_state: &|_| None,
            pot_says: &[],
            snapshots: &|_| Fact::unknown("not asked", ""),
            pf_test: &Self::pf_test,
            pkg_preview: &|| Ok(Vec::new()),
            pf_expand: &|_| Err(Untested::Other("not asked".to_owned())),
        };
        match operation {
            Operation::Init { .. } => init(operation, &inputs),
            _ => vnet_start(operation, &inputs),
        }
    }

    fn carry_out(&mut self, draft: &PlanDraft) {
        for action in draft.steps.iter().flat_map(|step| &step.actions) {
            match action {
                Action::Write { file: ManagedFile::PfConf, content, .. } => {
                    self.pf = String::from_utf8(content.clone()).unwrap();
                }
                Action::Run(command) => {
                    let argv = command.argv();
                    self.command(&argv.iter().map(String::as_str).collect::<Vec<_>>(), command.tool);
                }
                Action::PrivateFolder(path) => {
                    let made = place(PathKind::Folder, 0o700);
                    self.facts.paths.value.as_mut().unwrap().insert(path.clone(), made);
                }
                Action::Backup(_) | Action::Folder(_) | Action::NoteFlags { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        self.look();
    }

    fn command(&mut self, argv: &[&str], tool: Tool) {
        match argv {
            ["ifconfig", name, "destroy"] => {
                assert!(self.interface(name).unwrap().members.is_empty(), "{name} is in use");
                self.facts.interfaces.value.as_mut().unwrap().retain(|interface| interface.name != *name);
            }
            ["ifconfig", name, "up"] => self.interface(name).unwrap().up = true,
            ["ifconfig", name, "deletem", member] => {
                self.interface(name).unwrap().members.retain(|other| other != member);
            }
            ["ifconfig", name, "inet", address, "alias"] => {
                let held = Ipv4Address { network: address.parse().unwrap() };
                let bridge = self.interface(name).unwrap();
                bridge.addresses.retain(|other| other.address() != held.address());
                bridge.addresses.push(held);
                bridge.up = true;
            }
            ["pfctl", "-f", "/etc/pf.conf"] => self.load(),
            ["sysrc", "-q", pair] => self.flags(pair.split_once('=').unwrap().1),
            ["zfs", "mount", name] => {
                let dataset = self.dataset(name);
                assert!(!dataset.locked && dataset.canmount != "off");
                dataset.mounted = true;
            }
            ["zfs", "load-key", "-r", name] => self.dataset(name).locked = false,
            ["zfs", "set", "canmount=on", name] => self.dataset(name).canmount = "on".into(),
            ["zfs", "inherit", "mountpoint", name] => {
                self.dataset(name).mountpoint = name.replace("zroot/pot", "/opt/pot");
            }
            ["potnet", "config-check"] => {}
            ["pot", "stop", "-p", name] => {
                for pot in self.facts.pots.value.as_mut().unwrap().iter_mut().filter(|pot| pot.name == *name) {
                    pot.running = Some(false);
                }
                let all = self.facts.interfaces.value.as_mut().unwrap();
                let ends: Vec<String> =
                    all.iter().filter(|end| end.description == *name).map(|end| end.name.clone()).collect();
                all.retain(|interface| !ends.contains(&interface.name));
                for bridge in all {
                    bridge.members.retain(|member| !ends.contains(member));
                }
            }
            ["pot", "init", "-v", options @ ..] => self.pots_init(options),
            ["pot", "vnet-start", "-v"] => self.pots_vnet_start(),
            other => panic!("{tool:?} {other:?}"),
        }
    }

    /// pf takes a file whole, or nothing of it.
    fn load(&mut self) {
        assert_eq!(Self::pf_test(self.pf.as_bytes()), PfTest::Valid);
        let lines = |wanted: &[&str]| {
            let starts = |line: &&str| wanted.iter().any(|start| line.starts_with(start));
            self.pf.lines().filter(starts).map(str::to_owned).collect::<Vec<_>>()
        };
        let (nat, rules) = (lines(&["nat", "rdr"]), lines(&["block", "pass"]));
        let pf = self.pf();
        (pf.nat, pf.rules) = (nat, rules);
        pf.anchors = vec!["pot-nat".into(), "pot-rdr".into()];
    }

    /// init.sh.
    fn pots_init(&mut self, options: &[&str]) {
        for part in ["bases", "jails", "fscomp"] {
            let dataset = self.dataset(&format!("zroot/pot/{part}"));
            if !dataset.mounted {
                assert!(!dataset.locked && dataset.canmount != "off");
                dataset.mounted = true;
            }
        }
        if !options.contains(&"-s") {
            let configuration = self.configuration();
            let wanted = Wanted::of(&configuration);
            self.flags(&pots_part(wanted.gateway.unwrap(), wanted.network.unwrap()));
        }
        assert_eq!(pf_conf::anchors_held(self.pf.as_bytes()), (1, 1), "placed before pot runs");
    }

    /// vnet-start.sh.
    fn pots_vnet_start(&mut self) {
        let configuration = self.configuration();
        let wanted = Wanted::of(&configuration);
        self.facts.forwarding = known(true);
        let all = self.facts.interfaces.value.as_mut().unwrap();
        if PublicBridges::of(all, wanted.gateway).used.is_none() {
            let address = wanted.bridge_address().unwrap().to_string();
            let name =
                ["bridge0", "bridge1", "bridge2"].into_iter().find(|name| all.iter().all(|one| one.name != *name));
            all.push(interface(name.unwrap(), "pot public bridge", &[&address]));
        }
        let rules = Nat::of(&configuration, all).unwrap().rules();
        if self.pf().anchors.is_empty() {
            self.load();
        }
        let pf = self.pf();
        pf.pot_nat = rules
            .iter()
            .map(|rule| {
                format!("nat on {} inet from {} to {} -> {}", rule.interface, rule.from, rule.to, rule.translated)
            })
            .collect();
        pf.enabled = true;
    }

    /// What someone does who reads the line.
    fn by_hand(&mut self, drift: &Drift) {
        let words = drift.at_the_machine.as_deref().expect("what to do");
        match drift.id {
            "pots-outside" => {
                assert!(words.contains("pot clone -F -P"), "{words}");
                for pot in self.facts.pots.value.as_mut().unwrap() {
                    let network = Wanted::of(&configuration(&self.pot_conf)).network.unwrap();
                    if pot.outside(network).is_some() {
                        pot.addresses = vec![network.hosts().nth(100).unwrap().into()];
                    }
                }
            }
            "private-bridges-outside" => {
                assert!(words.contains("pot create-private-bridge -B"), "{words}");
                self.facts.private_bridges = known(Vec::new());
            }
            _ if words.contains("pfctl -nf /etc/pf.conf") => self.pf = self.pf.replace("on on", "on"),
            _ => {
                let commands = words.split_once(": ").unwrap().1.split(". ").next().unwrap();
                for command in commands.split("; ").flat_map(|command| command.split(", then ")) {
                    self.command(&command.split(' ').collect::<Vec<_>>(), Tool::Ifconfig);
                }
            }
        }
        self.look();
    }
}

/// What stands at a path, root's.
fn place(kind: PathKind, mode: u32) -> PathState {
    PathState {
        kind,
        uid: 0,
        gid: 0,
        mode,
        empty: true,
        only_root_writes: mode & 0o022 == 0,
        exposed: None,
        replaceable_in: None,
        leads_to: None,
    }
}

fn link_to(kind: PathKind) -> PathState {
    let end = crate::facts::LeadsTo { path: "/srv/other".to_owned(), kind, uid: 0, mode: 0o700, refused: None };
    PathState { leads_to: Some(end), ..place(PathKind::Link, 0o755) }
}

/// The remedy of a difference, followed.
fn follow(host: &mut Made, drift: &Drift) {
    let operation = match drift.remedy {
        Some(Remedy::Configuration) => {
            assert!(!drift.set.is_empty(), "the configuration, but which value? {drift:#?}");
            for (name, value) in &drift.set {
                host.pot_conf.push_str(&format!("{name}={value}\n"));
            }
            host.look();
            return;
        }
        None => return host.by_hand(drift),
        Some(Remedy::Init) => INIT,
        Some(Remedy::VnetStart) => VNET,
    };
    let draft = host.plan(&operation);
    assert_eq!(draft.blockers, [], "what is offered cannot start: {drift:#?}");
    assert!(!draft.nothing_to_do, "what is offered has nothing to do: {drift:#?}");
    host.carry_out(&draft);
}

fn errors(host: &Made) -> BTreeSet<String> {
    let errors = host.findings().into_iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.code).collect()
}

/// Ends every difference of a host, each in at most four steps. Gives how many there were.
fn end_all(host: &mut Made) -> usize {
    let mut ended = 0;
    while let Some(one) = host.drift().into_iter().next() {
        let before = host.clone();
        let mut steps = 0;
        while let Some(drift) = host.drift().into_iter().find(|drift| drift.id == one.id) {
            steps += 1;
            assert!(steps <= 4, "a loop: {drift:#?}\n{}", host.pot_conf);
            let (was, errors_before) = (host.clone(), errors(host));
            follow(host, &drift);
            let ids = |host: &Made| host.drift().into_iter().map(|drift| drift.id).collect::<BTreeSet<_>>();
            // In another dataset nothing of pot's was looked at.
            if drift.id != "dataset" {
                let new: Vec<_> = ids(host).difference(&ids(&was)).copied().collect();
                // Rules can be held against the file once it is one that pf takes.
                assert!(new.iter().all(|id| *id == "anchors-not-called"), "{} brought {new:?}", drift.id);
            }
            let new: Vec<_> = errors(host).difference(&errors_before).cloned().collect();
            assert!(new.is_empty(), "{} brought {new:?}", drift.id);
        }
        let wanted = Wanted::of(&host.configuration());
        let (Some(gateway), Some(network)) = (wanted.gateway, wanted.network) else { panic!("a network") };
        let flags = |host: &Made| host.facts.syslog.get().unwrap().flags.clone();
        assert!(!opens(&flags(&before), &flags(host), Some((gateway, network))), "{}", flags(host));
        let (pf, pf_before) = (host.facts.pf.get().unwrap(), before.facts.pf.get().unwrap());
        assert!(pf.enabled || !pf_before.enabled, "pf was turned off");
        for rule in ["block in", "pass out"] {
            assert!(pf.rules.iter().any(|line| line == rule), "{rule}: {pf:#?}");
        }
        ended += 1;
        assert!(ended < 30, "{one:#?}");
    }
    ended
}

#[test]
fn what_host_says_about_each_difference_ends_it() {
    for fault in FAULTS {
        let mut host = Made::new(&[fault]);
        let ids: Vec<_> = host.drift().iter().map(|drift| drift.id).collect();
        // Invalid files alone are no difference, but a row of readiness.
        let silent = matches!(fault, Fault::FileOutOfOrder);
        assert_eq!(ids.is_empty(), silent, "{fault:?}: {ids:?}");
        end_all(&mut host);
        assert_eq!(host.drift(), [], "{fault:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("POT_CONSOLE_LONG").is_some() { 5_000 } else { 100 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn several_differences_are_ended_one_after_the_other(faults in proptest::sample::subsequence(FAULTS.to_vec(), 0..7)) {
        let mut host = Made::new(&faults);
        end_all(&mut host);
    }
}

/// What the configuration says of POT_TMP, and what stands in the way of each plan because of it.
fn said_of_tmp(host: &Made) -> (Vec<Finding>, Vec<(PlanDraft, Vec<crate::plan::Blocker>)>) {
    let findings =
        host.findings().into_iter().filter(|finding| finding.parameters.iter().any(|name| name == "POT_TMP"));
    let plans = [INIT, VNET].iter().map(|operation| {
        let draft = host.plan(operation);
        let is_tmp = |one: &&crate::plan::Blocker| one.parameter.as_deref() == Some("POT_TMP");
        let blockers = draft.blockers.iter().filter(is_tmp).cloned().collect();
        (draft, blockers)
    });
    (findings.collect(), plans.collect())
}

#[test]
fn configuration_and_plans_say_the_same_of_pot_tmp_and_what_they_advise_works() {
    let kinds = || {
        [
            place(PathKind::Absent, 0),
            place(PathKind::Folder, 0o700),
            place(PathKind::Folder, 0o777),
            place(PathKind::File, 0o600),
            place(PathKind::Other, 0o600),
            link_to(PathKind::Folder),
            link_to(PathKind::Absent),
            link_to(PathKind::File),
        ]
    };
    let mut advised = 0;
    for (folder, here, private, running) in kinds().iter().flat_map(|here| {
        kinds().into_iter().flat_map(move |private| {
            ["/srv/tmp", "/tmp/pot", PRIVATE_TMP]
                .into_iter()
                .flat_map(move |folder| [true, false].map(|running| (folder, here.clone(), private.clone(), running)))
        })
    }) {
        let mut host = Made::new(&[]);
        host.pot_conf = format!("POT_TMP={folder}\n");
        for pot in host.facts.pots.value.as_mut().unwrap() {
            pot.running = Some(running);
        }
        let paths = host.facts.paths.value.as_mut().unwrap();
        paths.insert(PRIVATE_TMP.into(), private);
        paths.insert(folder.into(), here);
        let case = format!("{folder} {:?}, pots run: {running}", host.facts.paths.get().unwrap());
        let (findings, plans) = said_of_tmp(&host);
        let says = |code: &str| findings.iter().any(|finding| finding.code == code);
        for (draft, blockers) in &plans {
            assert_eq!(says("folder-is-none"), !blockers.is_empty(), "{case}: {blockers:#?}");
            let made = draft.steps.iter().any(|step| step.step.title.starts_with("POT_TMP "));
            assert_eq!(says("tmp-missing"), made, "{case}");
        }
        let fixes = findings.iter().filter_map(|finding| finding.fix.as_ref()?.set.get("POT_TMP").cloned());
        let remedies = plans.iter().flat_map(|(_, blockers)| blockers).filter_map(|blocker| {
            let (_, rest) = blocker.remedy.split_once("Set it to ")?;
            Some(rest.split_once('.').unwrap().0.to_owned())
        });
        for value in fixes.chain(remedies) {
            advised += 1;
            assert!(!running, "{case}: pot stop would not find the states");
            let mut after = host.clone();
            after.pot_conf = format!("POT_TMP={value}\n");
            for _ in 0..2 {
                let (findings, plans) = said_of_tmp(&after);
                assert!(findings.iter().all(|finding| finding.code == "tmp-missing"), "{case}: {findings:#?}");
                assert!(plans.iter().all(|(_, blockers)| blockers.is_empty()), "{case}");
                after.carry_out(&plans[1].0);
            }
            assert_eq!(said_of_tmp(&after).0, [], "{case}");
        }
    }
    assert!(advised > 20, "{advised}");
}
