//! The list of operations and their plans say the same: nothing is offered whose plan is blocked or has nothing to do,
//! and nothing is called blocked, done or empty whose plan would go through.

use super::openness::Made;
use super::{clean_up, de_init, init, leftovers_in_words, vnet_start};
use crate::digest::Digest;
use crate::facts::{Dataset, Fact, HostFacts, Interface, Ipv4Address, Packages, PathState, Pf, PfFile, Pot, Snapshots};
use crate::host::{HostState, OperationName, Standing, StateInput};
use crate::operations::inputs::Inputs;
use crate::operations::pf_conf;
use crate::plan::{Leftover, Operation};
use crate::rules::{Subject, check};
use proptest::prelude::*;

/// What varies.
#[derive(Debug, Clone)]
struct Case {
    installed: bool,
    datasets: usize,
    anchors_in_file: bool,
    file_valid: bool,
    pf_on: bool,
    anchors: bool,
    called: bool,
    nat: bool,
    bridge: bool,
    old_bridge: bool,
    forwarding: bool,
    interface: &'static str,
    pot: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let mostly = || prop::bool::weighted(0.8);
    let first =
        (mostly(), prop::sample::select(vec![0, 1, 3, 4, 4, 4]), mostly(), mostly(), mostly(), mostly(), mostly());
    let second = (
        mostly(),
        mostly(),
        prop::bool::weighted(0.1),
        mostly(),
        prop::sample::select(vec!["em0", "em0", "em0", "em7"]),
        any::<bool>(),
    );
    (first, second).prop_map(|(first, second)| {
        let (installed, datasets, anchors_in_file, file_valid, pf_on, anchors, called) = first;
        let (nat, bridge, old_bridge, forwarding, interface, pot) = second;
        Case {
            installed,
            datasets,
            anchors_in_file,
            file_valid,
            pf_on,
            anchors,
            called,
            nat,
            bridge,
            old_bridge,
            forwarding,
            interface,
            pot,
        }
    })
}

impl Case {
    fn host(&self) -> Made {
        let anchors = if self.anchors_in_file { "nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n" } else { "" };
        let mut host = Made::new("syslogd_flags=\"-b 127.0.0.1 -b 10.192.0.1 -a 10.192.0.0/10\"\n");
        host.pf = format!("set skip on lo0\n{anchors}pass\n");
        host.pot_conf = format!("POT_EXTIF={}\n", self.interface);
        host.initialised = self.datasets > 0;
        host.forwarding = self.forwarding;
        host
    }

    fn facts(&self, host: &Made) -> HostFacts {
        let mut facts = host.facts();
        let known = facts.datasets.value.as_mut().unwrap();
        if let Some(root) = known.first_mut() {
            root.canmount = "off".to_owned();
            root.mounted = false;
        }
        if let Some(root) = known.first().cloned() {
            known.extend(["bases", "jails", "fscomp"].iter().take(self.datasets - 1).map(|child| Dataset {
                name: format!("zroot/pot/{child}"),
                mountpoint: format!("/opt/pot/{child}"),
                canmount: "on".to_owned(),
                mounted: true,
                ..root.clone()
            }));
        }
        if !self.installed {
            facts.packages.value = Some(Packages { pkg: true, pot: None, potnet: None });
            facts.groups.value = Some(std::collections::BTreeMap::new());
        }
        let lines = |some: bool, all: &[&str]| -> Vec<String> {
            all.iter().filter(|_| some).map(|line| (*line).to_owned()).collect()
        };
        facts.pf.value = Some(Pf {
            loaded: true,
            enabled: self.pf_on,
            anchors: lines(self.anchors, &["pot-nat", "pot-rdr"]),
            nat: lines(self.called, &["nat-anchor \"pot-nat\" all", "rdr-anchor \"pot-rdr/*\" all"]),
            rules: lines(true, &["pass all flags S/SA keep state"]),
            pot_nat: lines(self.nat, &["nat on em0 inet from 10.192.0.0/10 to any -> (em0:0)"]),
        });
        facts.pf_file = Fact::known(
            PfFile {
                path: "/etc/pf.conf".to_owned(),
                exists: true,
                valid: Some(self.file_valid),
                errors: lines(!self.file_valid, &["stdin:3: syntax error"]),
                untested: None,
                anchor_lines: pf_conf::anchor_lines(host.pf.as_bytes()),
                fallback: None,
            },
            "test",
        );
        facts.ipfw = Fact::known(false, "test");
        let interfaces = facts.interfaces.value.as_mut().unwrap();
        let bridge = |name: &str, network: &str, members: Vec<String>| Interface {
            name: name.to_owned(),
            up: true,
            description: "pot public bridge".to_owned(),
            groups: vec!["bridge".to_owned(), "pot".to_owned()],
            addresses: vec![Ipv4Address { network: network.parse().unwrap() }],
            addresses6: Vec::new(),
            members,
        };
        if self.bridge {
            interfaces.push(bridge("bridge0", "10.192.0.1/10", Vec::new()));
        }
        if self.old_bridge {
            interfaces.push(bridge("bridge1", "10.100.0.1/16", vec!["epair0a".to_owned()]));
        }
        if self.pot && self.datasets == 4 {
            facts.pots.value = Some(vec![Pot {
                name: "web1".to_owned(),
                kind: "multi".to_owned(),
                network_type: "public-bridge".to_owned(),
                addresses: vec!["10.192.0.3".parse().unwrap()],
                bridge: None,
                running: Some(false),
                exports: Vec::new(),
            }]);
        }
        facts
    }
}

#[test]
fn nothing_is_offered_that_its_plan_would_not_do_and_nothing_done_is_planned_again() {
    let cases_run = if std::env::var_os("POT_CONSOLE_LONG").is_some() { 20_000 } else { 500 };
    let config = ProptestConfig { cases: cases_run, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let offered = std::cell::Cell::new(0);
    let differing = std::cell::RefCell::new(std::collections::BTreeMap::<String, (usize, String)>::new());
    let outcome = runner.run(&cases(), |case| {
        let host = case.host();
        let facts = case.facts(&host);
        let configuration = host.configuration();
        let findings = check(&Subject::new(&configuration).on(Some(&facts)));
        let no_path = |_: &str| -> Option<PathState> { None };
        let with = |operation: &Operation| {
            host.with(&facts, &findings, &no_path, |inputs| {
                let test = |_: &[u8]| {
                    if case.file_valid {
                        crate::facts::PfTest::Valid
                    } else {
                        crate::facts::PfTest::Invalid(vec!["stdin:3: syntax error".to_owned()])
                    }
                };
                let none = |_: &str| {
                    let digest = Digest::of(b"");
                    Fact::known(Snapshots { count: 0, first: Vec::new(), held: 0, first_held: None, digest }, "test")
                };
                let inputs = Inputs { pf_test: &test, snapshots: &none, ..*inputs };
                match operation {
                    Operation::Init { .. } => init(operation, &inputs),
                    Operation::VnetStart { .. } => vnet_start(operation, &inputs),
                    Operation::DeInit { .. } => de_init(operation, &inputs),
                    _ => clean_up(operation, &inputs),
                }
            })
        };
        let left = (case.datasets == 0).then(|| host.with(&facts, &findings, &no_path, leftovers_in_words));
        let state = HostState::of(&StateInput {
            facts: &facts,
            configuration: &configuration,
            findings: &findings,
            has_files: true,
            dismissed: &[],
            left_drift: &[],
            leftovers: left.as_deref(),
            removed: None,
            run: None,
        });
        let operations = [
            (OperationName::VnetStart, Operation::VnetStart { revert_after: Some(60) }),
            (
                OperationName::Init,
                Operation::Init {
                    place_anchors: true,
                    merge_syslogd_flags: true,
                    minimal: false,
                    leave_syslogd: false,
                    leave_pf: false,
                    pf_file: None,
                },
            ),
            (OperationName::DeInit, Operation::DeInit { stop_pots: false, minimal: false, pf_file: None }),
            (OperationName::CleanUp, Operation::CleanUp { items: Leftover::ALL.to_vec() }),
        ];
        for (name, operation) in operations {
            let standing = state.operation(name).unwrap();
            let draft = with(&operation);
            let (blocked, nothing) = (!draft.blockers.is_empty(), draft.nothing_to_do);
            let agrees = match standing.standing {
                Standing::ToDo | Standing::Differs => !blocked && !nothing,
                Standing::Blocked => blocked,
                // init looks into folders that these hosts do not have.
                Standing::Done if name == OperationName::Init => true,
                Standing::Done | Standing::Nothing => nothing || blocked,
                Standing::InUse | Standing::Unknown => true,
                // No run is under way here.
                Standing::UnderWay => false,
            };
            if matches!(standing.standing, Standing::ToDo | Standing::Differs) {
                offered.set(offered.get() + 1);
            }
            if !agrees {
                let problem = draft.blockers.first().map(|one| one.problem.clone()).unwrap_or_default();
                let open: Vec<String> =
                    draft.steps.iter().map(|step| format!("{}: {:?}", step.step.title, step.step.state)).collect();
                let what = format!(
                    "{name:?} {:?} ({}), nothing to do: {nothing}, blocked: {problem}",
                    standing.standing, standing.words
                );
                let mut all = differing.borrow_mut();
                all.entry(what).or_insert((0, format!("{case:?}\n{open:?}"))).0 += 1;
            }
        }
        Ok(())
    });
    outcome.unwrap();
    let differing = differing.into_inner();
    assert!(differing.is_empty(), "{differing:#?}");
    assert!(offered.get() > cases_run / 10, "{}", offered.get());
}
