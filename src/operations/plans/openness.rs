//! Whole plans on made hosts: none ends with more open than its operation is for, and cleaning up never with more open
//! than before init. What a plan does is applied as text: no tool runs.

use super::{clean_up, init};
use crate::facts::{Dataset, Fact, HostFacts, Interface, Ipv4Address, Packages, PathKind, PathState, Pf, Pool, Syslog};
use crate::operations::before_init::{BeforeInit, Copy, FLAGS, Note};
use crate::operations::draft::{Action, PlanDraft};
use crate::operations::inputs::{HostFile, HostFiles, Inputs, PfTest, Untested};
use crate::operations::rc_conf::{self, Stands};
use crate::plan::{Leftover, ManagedFile, Operation, StepState};
use crate::potconf::{Configuration, Document, PARAMETERS};
use crate::process::Tool;
use crate::rules::syslogd_flags::{self, opens};
use crate::rules::{Finding, PRIVATE_TMP, Subject, check, limits};
use jiff::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeMap;

const PF_CONF: &str = "set skip on lo0\nblock in\npass out\n";

/// A host, as far as these plans see it.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) rc: String,
    pub(super) pf: String,
    pub(super) pot_conf: String,
    pub(super) initialised: bool,
    pub(super) forwarding: bool,
    before: BeforeInit,
    sysctl_conf: &'static str,
    turned_pf_on: Option<u64>,
    clock: i64,
}

impl Made {
    pub(super) fn new(rc: &str) -> Self {
        Self {
            rc: rc.to_owned(),
            pf: PF_CONF.to_owned(),
            pot_conf: String::new(),
            initialised: false,
            forwarding: false,
            before: BeforeInit::default(),
            sysctl_conf: "",
            turned_pf_on: None,
            clock: 1000,
        }
    }

    /// What sysrc would say: the line's value, or the system's default.
    pub(super) fn flags(&self) -> String {
        match rc_conf::stands(self.rc.as_bytes(), FLAGS) {
            Stands::Absent => "-s".to_owned(),
            Stands::Plain(flags) => flags,
            Stands::Computed => "-s -v".to_owned(),
        }
    }

    /// POT_GATEWAY and POT_NETWORK.
    fn pots(&self) -> (std::net::Ipv4Addr, ipnet::Ipv4Net) {
        let configuration = self.configuration();
        let value = |name| configuration.value(name).unwrap().to_owned();
        (value("POT_GATEWAY").parse().unwrap(), value("POT_NETWORK").parse().unwrap())
    }

    pub(super) fn configuration(&self) -> Configuration {
        let lines: Vec<String> =
            PARAMETERS.iter().map(|parameter| format!("{}={}", parameter.name, parameter.default)).collect();
        Configuration::new(
            Document::parse(lines.join("\n").as_bytes()).unwrap(),
            Document::parse(self.pot_conf.as_bytes()).unwrap(),
        )
    }

    pub(super) fn facts(&self) -> HostFacts {
        fn known<T>(value: T) -> Fact<T> {
            Fact::known(value, "test")
        }
        let dataset = |name: &str, mountpoint: &str| Dataset {
            name: name.into(),
            kind: "filesystem".into(),
            mountpoint: mountpoint.into(),
            canmount: "on".into(),
            mounted: true,
            used: 0,
            available: 0,
            origin: None,
            locked: false,
        };
        let folder = PathState {
            kind: PathKind::Folder,
            uid: 0,
            gid: 0,
            mode: 0o1777,
            empty: false,
            only_root_writes: false,
            exposed: None,
            replaceable_in: None,
            leads_to: None,
        };
        HostFacts {
            packages: known(Packages { pkg: true, pot: Some("0.16.1".into()), potnet: Some("0.5.0".into()) }),
            groups: known(BTreeMap::from([("pot".into(), 1001)])),
            paths: known(BTreeMap::from([("/tmp".into(), folder)])),
            private_bridges: known(Vec::new()),
            pots: known(Vec::new()),
            pools: known(vec![Pool { name: "zroot".into(), size: 9, free: 9, health: "ONLINE".into() }]),
            datasets: known(if self.initialised {
                let parts = ["bases", "jails", "fscomp"];
                let part = |part: &str| dataset(&format!("zroot/pot/{part}"), &format!("/opt/pot/{part}"));
                std::iter::once(dataset("zroot/pot", "/opt/pot")).chain(parts.map(part)).collect()
            } else {
                Vec::new()
            }),
            interfaces: known(vec![Interface {
                name: "em0".into(),
                up: true,
                description: String::new(),
                groups: Vec::new(),
                addresses: vec![Ipv4Address { network: "192.168.178.20/24".parse().unwrap() }],
                addresses6: Vec::new(),
                members: Vec::new(),
            }]),
            routes: known(Vec::new()),
            resolvers: known(Vec::new()),
            forwarding: known(self.forwarding),
            pf: known(Pf { loaded: true, ..Pf::default() }),
            rc: known(BTreeMap::from([(FLAGS.to_owned(), self.flags()), ("pf_rules".into(), "/etc/pf.conf".into())])),
            syslog: known(Syslog { flags: self.flags(), ..Syslog::default() }),
            ..HostFacts::unknown("not asked")
        }
    }

    fn files(&self) -> HostFiles {
        let file = |path: &str, text: &str| HostFile {
            path: path.to_owned(),
            bytes: Some(text.as_bytes().to_vec()),
            leads_to: None,
            unknown: None,
        };
        HostFiles {
            managed: BTreeMap::from([
                (ManagedFile::RcConf, file("/etc/rc.conf", &self.rc)),
                (ManagedFile::PfConf, file("/etc/pf.conf", &self.pf)),
                (ManagedFile::PotConf, file("/usr/local/etc/pot/pot.conf", &self.pot_conf)),
            ]),
            before_init: self.before.clone(),
            sysctl_conf: vec![("/etc/sysctl.conf".to_owned(), Ok(self.sysctl_conf.as_bytes().to_vec()))],
            turned_pf_on: self.turned_pf_on,
            ..HostFiles::default()
        }
    }

    pub(super) fn plan(&self, facts: &HostFacts, operation: &Operation) -> PlanDraft {
        self.with(facts, &[], &|_| None, |inputs| match operation {
            Operation::Init { .. } => init(operation, inputs),
            Operation::VnetStart { .. } => super::vnet_start(operation, inputs),
            Operation::Prepare { .. } => super::prepare(operation, inputs),
            _ => clean_up(operation, inputs),
        })
    }

    pub(super) fn with<T>(
        &self,
        facts: &HostFacts,
        findings: &[Finding],
        path_state: &dyn Fn(&str) -> Option<PathState>,
        plan: impl FnOnce(&Inputs<'_>) -> T,
    ) -> T {
        let configuration = self.configuration();
        plan(&Inputs {
            facts,
            configuration: &configuration,
            files: &self.files(),
            findings,
            against_limit: None,
            against_places: &[],
            path_state,
            pot_says: &[],
            snapshots: &|_| Fact::unknown("not asked", ""),
            pf_test: &|_| PfTest::Valid,
            pkg_preview: &|| Ok(Vec::new()),
            pf_expand: &|_| Err(Untested::Other("not asked".to_owned())),
        })
    }

    /// Makes the plan and does what it says. False when it is blocked: then nothing is done.
    fn run(&mut self, operation: &Operation) -> bool {
        let draft = self.plan(&self.facts(), operation);
        if !draft.blockers.is_empty() {
            return false;
        }
        for action in draft.steps.iter().flat_map(|step| &step.actions) {
            self.clock += 1;
            match action {
                Action::NoteFlags { flags, written } => {
                    self.before.note = Some(Note { at: self.now(), flags: flags.clone(), written: written.clone() });
                }
                Action::Write { file: ManagedFile::PfConf, content, .. } => {
                    self.pf = String::from_utf8(content.clone()).unwrap();
                }
                Action::Run(command) if command.tool == Tool::Sysrc => match command.args.as_slice() {
                    [_, pair] if pair.contains('=') => {
                        let (name, value) = pair.split_once('=').unwrap();
                        self.rc = String::from_utf8(rc_conf::set(self.rc.as_bytes(), name, value)).unwrap();
                    }
                    [_, name] => self.rc = String::from_utf8(rc_conf::unset(self.rc.as_bytes(), name)).unwrap(),
                    other => panic!("sysrc {other:?}"),
                },
                Action::Run(command) if command.tool == Tool::Pot => {
                    if !command.args.iter().any(|arg| arg == "-s" || arg == "-m") {
                        self.pots_init();
                    }
                }
                Action::Run(command) => {
                    assert_eq!(command.argv(), ["potnet", "config-check"], "nothing else is touched");
                }
                Action::Backup(_) | Action::Folder(_) => {}
                other => panic!("{other:?}"),
            }
        }
        self.initialised = matches!(operation, Operation::Init { .. });
        true
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.clock).unwrap()
    }

    /// `pot init` of itself: a copy of rc.conf, then the flags (init.sh).
    fn pots_init(&mut self) {
        self.clock += 1;
        self.before.copy = Some(Copy { bytes: self.rc.as_bytes().to_vec(), at: self.now() });
        let (gateway, network) = self.pots();
        let flags = syslogd_flags::pots_part(gateway, network);
        self.rc = String::from_utf8(rc_conf::set(self.rc.as_bytes(), FLAGS, &flags)).unwrap();
    }
}

fn init_with(merge: bool) -> Operation {
    Operation::Init {
        place_anchors: true,
        merge_syslogd_flags: merge,
        minimal: false,
        leave_syslogd: false,
        leave_pf: false,
        pf_file: None,
    }
}

fn cleaned() -> Operation {
    Operation::CleanUp { items: vec![Leftover::SyslogdFlags] }
}

/// The forms that syslogd_flags take in people's rc.conf.
const FORMS: [&str; 40] = [
    "",
    "syslogd_flags=\"-s\"\n",
    "syslogd_flags=\"-ss\"\n",
    "syslogd_flags=-s\n",
    "syslogd_flags=-ss  # no network\n",
    "syslogd_flags='-s'\n",
    "syslogd_flags='-s -v -v'\n",
    "syslogd_flags=\"-s -v -v\"\n",
    "syslogd_flags=\"-svv\"\n",
    "syslogd_flags=\"-svn\"\n",
    "syslogd_flags=\"-vvs\"\n",
    "syslogd_flags=\"-s -l /var/named/dev/log\"\n",
    "syslogd_flags=\"-l /var/named/dev/log -ss\"\n",
    "syslogd_flags=\"-C -ss -O rfc5424\"\n",
    "syslogd_flags=\"-ssC\"\n",
    "syslogd_flags=\"-N\"\n",
    "syslogd_flags=\"-N -s\"\n",
    "syslogd_flags=\"-s -a 192.168.178.0/24\"\n",
    "syslogd_flags=\"-s -b 192.168.178.20\"\n",
    "syslogd_flags=\"-s -b 127.0.0.1\"\n",
    "syslogd_flags=\"-s -f /etc/my-syslog.conf\"\n",
    "syslogd_flags=\"-4 -s\"\n",
    "syslogd_flags=\"-8 -c -s\"\n",
    "syslogd_flags=\"-s -m 20 -P /var/run/x.pid\"\n",
    "syslogd_flags=\"-ss -k -T -u\"\n",
    "syslogd_flags=\"\"\n",
    "syslogd_flags=\n",
    "syslogd_flags=\"-vv\"\n",
    "syslogd_flags=\"-C\"\n",
    "syslogd_flags=\"-O rfc5424\"\n",
    "syslogd_flags=\"-a 192.168.178.0/24\"\n",
    "syslogd_flags=\"-a 192.168.178.0/24:* -a 10.9.0.0/16\"\n",
    "syslogd_flags=\"-b 192.168.178.20\"\n",
    "syslogd_flags=\"-b 192.168.178.20 -a 192.168.178.0/24\"\n",
    "syslogd_flags=\"-b 127.0.0.1\"\n",
    "syslogd_flags=\"-b 127.0.0.1 -b 192.168.178.20 -a 192.168.178.0/24 -v\"\n",
    "  syslogd_flags=\"-s\"\t# mine\n",
    "syslogd_flags=\"-8\"\nx=1\nsyslogd_flags=\"-s -c\"; y=2\n",
    "syslogd_flags=\"-s\"\r\n",
    "syslogd_flags=\"-n -s -A -H\"\n",
];

fn rc_with(form: &str) -> String {
    format!("hostname=\"jail1\"\n{form}gateway_enable=\"NO\"\n")
}

#[test]
fn cleaning_up_gives_back_what_init_took_away() {
    for form in FORMS {
        for merge in [true, false] {
            let mut host = Made::new(&rc_with(form));
            let (before, flags) = (host.rc.clone(), host.flags());
            assert!(host.run(&init_with(merge)), "{form}: {:#?}", host.plan(&host.facts(), &init_with(merge)).blockers);
            assert!(!opens(&flags, &host.flags(), Some(host.pots())), "{form}: init ends with {}", host.flags());
            assert!(!host.run(&cleaned()), "{form}: pot is initialised");
            let again = host.plan(&host.facts(), &init_with(merge));
            assert!(again.diffs.is_empty() || !merge, "{form}: init again changes {:#?}", again.diffs);
            host.initialised = false;
            assert!(host.run(&cleaned()), "{form}");
            assert_eq!(host.flags(), flags, "{form}");
            // Quotes are put where there were none; everything else is as it was.
            assert_eq!(host.rc.replace('"', ""), before.replace('"', ""), "{form}");
            let draft = host.plan(&host.facts(), &cleaned());
            assert_eq!(draft.steps[0].step.state, StepState::Done, "{form}: nothing is left");
        }
    }
}

#[test]
fn without_any_witness_syslogd_ends_with_taking_no_lines() {
    for form in FORMS {
        let mut host = Made::new(&rc_with(form));
        let flags = host.flags();
        assert!(host.run(&init_with(true)));
        host.before = BeforeInit::default();
        host.initialised = false;
        let draft = host.plan(&host.facts(), &cleaned());
        assert!(draft.warnings.iter().any(|warning| warning.contains("is not known")), "{form}: {:#?}", draft.warnings);
        assert!(host.run(&cleaned()), "{form}");
        assert!(!opens(&flags, &host.flags(), None), "{form}: ends with {}", host.flags());
        assert!(!opens("-s", &host.flags(), None), "{form}: ends with {}", host.flags());
    }
}

#[test]
fn pots_own_copy_of_rc_conf_tells_what_stood_there() {
    for form in FORMS {
        let mut host = Made::new(&rc_with(form));
        let flags = host.flags();
        // In a shell, without the console.
        host.pots_init();
        assert!(host.run(&cleaned()), "{form}");
        // Flags of the host's own that might be init's are not given back.
        let wanted = if syslogd_flags::has_inits_form(&flags) { "-s" } else { &flags };
        assert_eq!(host.flags(), wanted, "{form}");
        // A second init has written over the copy.
        host.pots_init();
        host.pots_init();
        assert!(host.run(&cleaned()), "{form}");
        assert_eq!(host.flags(), "-s", "{form}");
    }
}

#[test]
fn flags_that_only_the_shell_knows_are_left_alone_and_it_is_said() {
    for form in [
        "syslogd_flags=\"-s ${more}\"\n",
        "syslogd_flags=\"$syslogd_flags -v\"\n",
        "syslogd_flags=`cat /etc/flags`\n",
        "syslogd_flags=$(cat /etc/flags)\n",
        "syslogd_flags=\"-s \\\n-v\"\n",
        "syslogd_flags='-s\n-v'\n",
        "syslogd_flags=\"-s\"$more\n",
    ] {
        let mut host = Made::new(&rc_with(form));
        let before = host.rc.clone();
        let draft = host.plan(&host.facts(), &init_with(true));
        assert!(
            draft
                .blockers
                .iter()
                .any(|one| one.problem.contains("syslogd_flags") && one.remedy.contains("leave syslogd")),
            "{form}: {:#?}",
            draft.blockers
        );
        assert!(!host.run(&init_with(true)));
        let Operation::Init { place_anchors, merge_syslogd_flags, minimal, leave_pf, pf_file, .. } = init_with(true)
        else {
            return;
        };
        let left =
            Operation::Init { place_anchors, merge_syslogd_flags, minimal, leave_syslogd: true, leave_pf, pf_file };
        assert!(host.run(&left), "{form}");
        host.initialised = false;
        host.run(&cleaned());
        assert_eq!(host.rc, before, "{form}");
    }
}

#[test]
fn a_plan_is_not_made_from_what_could_not_be_read() {
    type Forget = (&'static str, fn(&mut HostFacts));
    fn gone<T>(what: &str) -> Fact<T> {
        Fact::unknown(format!("{what} did not answer within 10 s"), what)
    }
    let facts: [Forget; 13] = [
        ("rc", |facts| facts.rc = gone("rc")),
        ("packages", |facts| facts.packages = gone("packages")),
        ("groups", |facts| facts.groups = gone("groups")),
        ("paths", |facts| facts.paths = gone("paths")),
        ("private_bridges", |facts| facts.private_bridges = gone("private_bridges")),
        ("pools", |facts| facts.pools = gone("pools")),
        ("datasets", |facts| facts.datasets = gone("datasets")),
        ("interfaces", |facts| facts.interfaces = gone("interfaces")),
        ("routes", |facts| facts.routes = gone("routes")),
        ("resolvers", |facts| facts.resolvers = gone("resolvers")),
        ("forwarding", |facts| facts.forwarding = gone("forwarding")),
        ("pf", |facts| facts.pf = gone("pf")),
        ("pots", |facts| facts.pots = gone("pots")),
    ];
    let host = Made::new(&rc_with("syslogd_flags=\"-ss\"\n"));
    let up = Made {
        initialised: true,
        pf: format!("nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n{PF_CONF}"),
        ..host.clone()
    };
    let network = Operation::VnetStart { revert_after: Some(60) };
    let all = Operation::CleanUp { items: Leftover::ALL.to_vec() };
    assert_eq!(host.plan(&host.facts(), &init_with(true)).blockers, []);
    assert_eq!(up.plan(&up.facts(), &network).blockers, []);
    assert_eq!(host.plan(&host.facts(), &all).blockers, []);
    for (name, forget) in facts {
        let says = |host: &Made, operation: &Operation| {
            let mut facts = host.facts();
            forget(&mut facts);
            let draft = host.plan(&facts, operation);
            assert!(
                draft.blockers.iter().all(|one| one.problem.contains("did not answer")),
                "{name} is taken for something else: {:#?}",
                draft.blockers
            );
            if name == "rc" {
                assert!(draft.diffs.iter().all(|diff| diff.file != "/etc/rc.conf"), "no difference from nothing");
            }
            !draft.blockers.is_empty()
        };
        let (init, network, clean) = (says(&host, &init_with(true)), says(&up, &network), says(&host, &all));
        let wanted = match name {
            "packages" => (true, true, false),
            "groups" | "pools" => (true, false, false),
            "routes" | "resolvers" | "forwarding" | "pots" => (false, true, false),
            "rc" | "paths" | "datasets" | "interfaces" => (true, true, true),
            "private_bridges" => (true, false, false),
            "pf" => (false, true, true),
            other => panic!("{other}"),
        };
        assert_eq!((init, network, clean), wanted, "{name}: who needs it");
    }
}

/// What happens to a host between its installation and the last cleaning up.
#[derive(Debug, Clone)]
enum Event {
    Init(bool),
    ShellInit,
    Edit(&'static str),
    CleanUp,
    NoteLost,
    OtherNetwork,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => any::<bool>().prop_map(Event::Init),
        2 => Just(Event::ShellInit),
        2 => prop_oneof![Just("-C"), Just("-v"), Just("-8 -n"), Just("-l /x/log")].prop_map(Event::Edit),
        1 => Just(Event::CleanUp),
        1 => Just(Event::NoteLost),
        1 => Just(Event::OtherNetwork),
    ];
    proptest::collection::vec(event, 1..6)
}

fn flags_of_a_host() -> impl Strategy<Value = String> {
    let flag = prop_oneof![
        Just("-s"),
        Just("-s"),
        Just("-ss"),
        Just("-N"),
        Just("-v"),
        Just("-vv"),
        Just("-C"),
        Just("-svn"),
        Just("-O rfc5424"),
        Just("-l /x/log"),
        Just("-a 192.168.178.0/24"),
        Just("-a *.lan:*"),
        Just("-b 192.168.178.20"),
        Just("-b 127.0.0.1"),
        Just("-b :1514"),
        Just("-f /etc/my.conf"),
        Just("-4"),
    ];
    let flags = proptest::collection::vec(flag, 0..5).prop_map(|flags| flags.join(" "));
    (flags, 0..4).prop_map(|(flags, quotes)| match quotes {
        0 => String::new(),
        1 => format!("syslogd_flags='{flags}'\n"),
        2 => format!("syslogd_flags=\"{flags}\" # mine\n"),
        _ => format!("syslogd_flags=\"{flags}\"\n"),
    })
}

proptest! {
    // A few hundred hosts in passing; with POT_CONSOLE_LONG more than ten thousand.
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("POT_CONSOLE_LONG").is_some() { 20_000 } else { 300 },
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_plan_ends_with_more_open_than_before_init(form in flags_of_a_host(), events in events(), pf_first in any::<bool>()) {
        let mut host = Made::new(&rc_with(&form));
        if pf_first {
            host.pf = format!("nat on em0 from 10.0.0.0/8 to any -> (em0)\n{PF_CONF}").replace("set skip on lo0\n", "");
        }
        let (flags, pf) = (host.flags(), host.pf.clone());
        for event in &events {
            let now = host.flags();
            match event {
                Event::Init(merge) => {
                    host.run(&init_with(*merge));
                    prop_assert!(
                        !opens(&now, &host.flags(), Some(host.pots())) || !opens(&flags, &host.flags(), Some(host.pots())),
                        "init opens: {} to {}", now, host.flags()
                    );
                }
                Event::ShellInit => {
                    host.pots_init();
                    host.initialised = true;
                }
                Event::Edit(more) => {
                    let flags = format!("{} {more}", host.flags());
                    host.rc = String::from_utf8(rc_conf::set(host.rc.as_bytes(), FLAGS, flags.trim())).unwrap();
                }
                Event::CleanUp => {
                    host.initialised = false;
                    host.run(&cleaned());
                    prop_assert!(!opens(&flags, &host.flags(), None), "clean-up opens: {}", host.flags());
                }
                // Without a note the part of another network, mixed with flags of the host's own, is nobody's.
                Event::NoteLost if host.pot_conf.is_empty() => host.before.note = None,
                Event::OtherNetwork if host.before.note.is_some() => {
                    host.pot_conf = "POT_NETWORK=10.64.0.0/16\nPOT_NETMASK=255.255.0.0\nPOT_GATEWAY=10.64.0.1\nPOT_DNS_IP=10.64.0.2\n".to_owned();
                }
                Event::OtherNetwork | Event::NoteLost => {}
            }
            let lines: Vec<&str> = host.pf.lines().filter(|line| !line.contains("pot-")).collect();
            prop_assert_eq!(lines.join("\n") + "\n", pf.clone(), "every rule of the host's own stays, in its order");
        }
        host.initialised = false;
        host.run(&cleaned());
        prop_assert!(!opens(&flags, &host.flags(), None), "from {} to {} by {:?}", flags, host.flags(), events);
    }
}

/// Values for the places that pot.conf names, near to each other.
fn place_line() -> impl Strategy<Value = String> {
    let name = prop_oneof![4 => Just("POT_TMP"), 1 => Just("POT_CACHE"), 1 => Just("POT_FS_ROOT")];
    let value = prop::sample::select(vec![
        "/tmp",
        "/tmp",
        "/var/tmp",
        "/var/run/pot",
        "/var/run/pot/cache",
        "/var/run",
        "/srv/shared",
        "/srv/own",
        "/srv/link",
        "/tmp/pot",
        "",
        "$(mktemp -d)",
    ]);
    let form = prop::sample::select(vec!["N=V\n", "N=V\n", "N=V # ours\n", "# N=V\n", "export N=V\n", "N=V\r\n"]);
    (name, value, form).prop_map(|(name, value, form)| form.replace('N', name).replace('V', value))
}

/// What stands at a path of these hosts; `own` is what stands at [`PRIVATE_TMP`].
fn place_state(path: &str, own: &PathState) -> PathState {
    let state = |kind, mode: u32, open: bool| PathState {
        kind,
        uid: 0,
        gid: 0,
        mode,
        empty: true,
        only_root_writes: !open,
        exposed: open.then(|| path.to_owned()),
        replaceable_in: None,
        leads_to: None,
    };
    let open = |kind, mode| state(kind, mode, true);
    match path {
        "/tmp" | "/var/tmp" => open(PathKind::Folder, 0o1777),
        "/srv/shared" => open(PathKind::Folder, 0o777),
        "/srv/own" => state(PathKind::Folder, 0o755, false),
        "/srv/link" => PathState {
            leads_to: Some(crate::facts::LeadsTo {
                path: "/tmp".to_owned(),
                kind: PathKind::Folder,
                uid: 0,
                mode: 0o1777,
                refused: None,
            }),
            ..open(PathKind::Link, 0o755)
        },
        "/tmp/pot" => open(PathKind::Absent, 0),
        PRIVATE_TMP => own.clone(),
        _ => state(PathKind::Absent, 0, false),
    }
}

fn what_is_there() -> impl Strategy<Value = PathState> {
    let kind = prop::sample::select(vec![PathKind::Absent, PathKind::Absent, PathKind::Folder, PathKind::File]);
    (kind, prop::sample::select(vec![0o700, 0o755, 0o777])).prop_map(|(kind, mode)| PathState {
        kind,
        uid: 0,
        gid: 0,
        mode,
        empty: true,
        only_root_writes: mode & 0o022 == 0,
        exposed: None,
        replaceable_in: None,
        leads_to: None,
    })
}

#[test]
fn the_advice_on_temporary_files_is_followed_and_nothing_else_is_wrong_then() {
    let cases = if std::env::var_os("POT_CONSOLE_LONG").is_some() { 20_000 } else { 400 };
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let (followed, refused) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let strategy = (
        proptest::collection::vec(place_line(), 0..3),
        what_is_there(),
        proptest::option::weighted(0.2, proptest::option::of(any::<bool>())),
        any::<bool>(),
    );
    let outcome = runner.run(&strategy, |(lines, own, runs, initialised)| {
        let host = Made { pot_conf: lines.concat(), initialised, ..Made::new(&rc_with("syslogd_flags=\"-s\"\n")) };
        let facts_of = |host: &Made, own: &PathState| {
            let mut facts = host.facts();
            let configuration = host.configuration();
            let named = crate::host::GatherInput::new(&configuration, &[]).paths;
            let all = facts.paths.value.as_mut().unwrap();
            all.extend(named.into_iter().map(|path| (path.clone(), place_state(&path, own))));
            if let Some(running) = runs {
                let pot = crate::facts::Pot {
                    name: "web1".into(),
                    kind: "multi".into(),
                    network_type: "inherit".into(),
                    addresses: Vec::new(),
                    bridge: None,
                    running,
                    exports: Vec::new(),
                };
                facts.pots.value.as_mut().unwrap().push(pot);
            }
            facts
        };
        let judged = |host: &Made, facts: &HostFacts, own: &PathState| {
            let configuration = host.configuration();
            let findings = check(&Subject::new(&configuration).on(Some(facts)));
            let row =
                crate::host::readiness(facts, &configuration, &[]).into_iter().find(|row| row.id == "tmp").unwrap();
            let look = |path: &str| Some(place_state(path, own));
            let limit = limits::check_all(&configuration).is_ok()
                && limits::check_places(&configuration, &["POT_TMP"], &look).is_empty();
            let network = Operation::VnetStart { revert_after: Some(60) };
            let blocked: Vec<_> = [init_with(true), network]
                .iter()
                .map(|operation| {
                    host.with(facts, &findings, &look, |inputs| match operation {
                        Operation::Init { .. } => init(operation, inputs),
                        _ => super::vnet_start(operation, inputs),
                    })
                })
                .flat_map(|draft| draft.blockers)
                // A line that was put in moves those below it.
                .map(|blocker| blocker.problem.replace(|letter: char| letter.is_ascii_digit(), ""))
                .collect();
            (findings, row, limit, blocked)
        };
        let facts = facts_of(&host, &own);
        let (findings, row, limit, blocked) = judged(&host, &facts, &own);
        let operation = Operation::Prepare { items: vec![crate::plan::Preparation::PrivateTmp] };
        let look = |path: &str| Some(place_state(path, &own));
        let draft = host.with(&facts, &findings, &look, |inputs| super::prepare(&operation, inputs));
        if !draft.blockers.is_empty() {
            prop_assert!(draft.blockers.iter().all(|one| !one.remedy.is_empty()), "{:#?}", draft.blockers);
            refused.set(refused.get() + 1);
            return Ok(());
        }
        if draft.nothing_to_do {
            prop_assert_eq!(row.state, crate::host::RowState::Ready, "{}", row.why);
            return Ok(());
        }
        prop_assert!(row.is_open(), "{:?} is planned for and not advised", row);
        prop_assert!(runs.is_none_or(|running| running == Some(false)), "planned while web1 runs or may");
        followed.set(followed.get() + 1);
        let mut after = host.clone();
        let made = PathState {
            kind: PathKind::Folder,
            mode: if own.kind == PathKind::Folder { own.mode } else { 0o700 },
            ..own
        };
        for action in draft.steps.iter().flat_map(|step| &step.actions) {
            match action {
                Action::Write { file: ManagedFile::PotConf, content, .. } => {
                    after.pot_conf = String::from_utf8(content.clone()).unwrap();
                }
                Action::PrivateFolder(path) => prop_assert_eq!(path, PRIVATE_TMP),
                Action::Folder(_) | Action::Backup(ManagedFile::PotConf) | Action::NoPotRuns => {}
                other => prop_assert!(false, "{:?}", other),
            }
        }
        let (now, row, limit_now, blocked_now) = judged(&after, &facts_of(&after, &made), &made);
        prop_assert_eq!(row.state, crate::host::RowState::Ready, "{}: {}", after.pot_conf, row.why);
        for finding in &now {
            let stood = findings.iter().any(|old| old.code == finding.code && old.parameters == finding.parameters);
            prop_assert!(stood, "came with the advice: {:#?}\n{}", finding, after.pot_conf);
        }
        prop_assert!(limit_now || !limit, "against a limit now: {}", after.pot_conf);
        for problem in &blocked_now {
            prop_assert!(blocked.contains(problem), "blocks now: {}\n{}", problem, after.pot_conf);
        }
        Ok(())
    });
    outcome.unwrap();
    println!("{} followed, {} refused", followed.get(), refused.get());
    assert!(followed.get() > cases / 10 && refused.get() > cases / 20, "{} {}", followed.get(), refused.get());
}

/// What else may stand on a host whose pot is gone.
#[derive(Debug, Clone)]
struct Rest {
    forwarding: bool,
    pf: bool,
    gateway_enable: &'static str,
    pf_enable: &'static str,
    sysctl_conf: &'static str,
    more_interfaces: Vec<&'static str>,
    nat: Vec<&'static str>,
    rules: Vec<&'static str>,
    pf_conf: &'static str,
    ipfw: bool,
    turned_pf_on: Option<u64>,
}

fn rest() -> impl Strategy<Value = Rest> {
    let yes_no = || prop::sample::select(vec!["NO", "NO", "NO", "YES"]);
    let some = |of: Vec<&'static str>| prop_oneof![3 => Just(Vec::new()), 1 => proptest::sample::subsequence(of.clone(), 1..=of.len())];
    let first = (
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.8),
        yes_no(),
        yes_no(),
        prop::sample::select(vec!["", "", "# net.inet.ip.forwarding=1\n", "net.inet.ip.forwarding=1\n", "kern.x=1\n"]),
        some(vec!["em1", "tap0", "tun0", "pflog0", "em1v"]),
    );
    let nat = vec![
        "nat-anchor \"pot-nat\" all",
        "rdr-anchor \"pot-rdr/*\" all",
        "nat on em0 inet from 10.0.0.0/8 to any -> (em0)",
    ];
    let second = (
        some(nat),
        some(vec!["block drop in all", "pass all flags S/SA keep state"]),
        prop::sample::select(vec!["", "", "ether block in from any\n"]),
        prop::bool::weighted(0.1),
        prop::option::weighted(0.7, Just(3)),
    );
    (first, second).prop_map(|(first, second)| {
        let (forwarding, pf, gateway_enable, pf_enable, sysctl_conf, more_interfaces) = first;
        let (nat, rules, pf_conf, ipfw, turned_pf_on) = second;
        Rest {
            forwarding,
            pf,
            gateway_enable,
            pf_enable,
            sysctl_conf,
            more_interfaces,
            nat,
            rules,
            pf_conf,
            ipfw,
            turned_pf_on,
        }
    })
}

#[test]
fn cleaning_up_turns_off_only_what_nobody_needs_and_names_the_rest() {
    let cases = if std::env::var_os("POT_CONSOLE_LONG").is_some() { 20_000 } else { 1_000 };
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let (forwarding_off, pf_off) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let outcome = runner.run(&rest(), |rest| {
        let host = Made {
            pf: rest.pf_conf.to_owned(),
            forwarding: rest.forwarding,
            sysctl_conf: rest.sysctl_conf,
            turned_pf_on: rest.turned_pf_on,
            ..Made::new("")
        };
        let mut facts = host.facts();
        let owned = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>();
        facts.pf.value = Some(Pf {
            loaded: true,
            enabled: rest.pf,
            nat: owned(&rest.nat),
            rules: owned(&rest.rules),
            ..Pf::default()
        });
        facts.ipfw = Fact::known(rest.ipfw, "test");
        let rc = facts.rc.value.as_mut().unwrap();
        rc.insert("gateway_enable".into(), rest.gateway_enable.into());
        rc.insert("pf_enable".into(), rest.pf_enable.into());
        let interfaces = facts.interfaces.value.as_mut().unwrap();
        let first = interfaces[0].clone();
        for name in &rest.more_interfaces {
            interfaces.push(Interface { name: (*name).into(), addresses: Vec::new(), ..first.clone() });
        }
        let draft = host.plan(&facts, &Operation::CleanUp { items: Leftover::ALL.to_vec() });
        let commands: Vec<String> = draft
            .steps
            .iter()
            .flat_map(|step| &step.actions)
            .filter_map(|action| match action {
                Action::Run(command) => Some(command.argv().join(" ")),
                _ => None,
            })
            .collect();
        prop_assert!(
            commands.iter().all(|command| !command.contains("=1") && !command.contains(" -e")),
            "{:?}",
            commands
        );
        let others = rest.nat.iter().any(|rule| !rule.contains("pot-"));
        let alone = rest.more_interfaces.iter().all(|name| name.starts_with("pflog"));
        let left_on = rest.forwarding && rest.gateway_enable == "NO" && !rest.sysctl_conf.starts_with("net.inet");
        let goes = commands.contains(&"sysctl net.inet.ip.forwarding=0".to_owned());
        prop_assert_eq!(goes, left_on && alone && !others && !rest.ipfw, "{:?}", commands);
        let names = |what: &str| draft.left_behind.iter().any(|(title, _)| title == what);
        prop_assert_eq!(names("IP forwarding"), left_on && !goes);
        let pf_left_on = rest.pf && rest.pf_enable == "NO";
        let turned_off = commands.contains(&"pfctl -d".to_owned());
        prop_assert!(!turned_off || rest.rules.is_empty(), "what was kept out would get in");
        let keeps_nothing_out = rest.rules.is_empty() && rest.pf_conf.is_empty() && !others;
        prop_assert_eq!(turned_off, pf_left_on && keeps_nothing_out && rest.turned_pf_on.is_some(), "{:?}", commands);
        prop_assert_eq!(names("pf"), pf_left_on && !turned_off);
        forwarding_off.set(forwarding_off.get() + u32::from(goes));
        pf_off.set(pf_off.get() + u32::from(turned_off));
        Ok(())
    });
    outcome.unwrap();
    assert!(
        forwarding_off.get() > cases / 50 && pf_off.get() > cases / 50,
        "{} {}",
        forwarding_off.get(),
        pf_off.get()
    );
}
