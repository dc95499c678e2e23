//! Operations on a simulated host: planned, run, verified, kept or put back, with faults switched on.

#![allow(clippy::unwrap_used, clippy::panic)]

use pot_console::executor::Executor;
use pot_console::executor::local::Local;
use pot_console::executor::protocol::{Command, Reply};
use pot_console::host::Preparation;
use pot_console::journal::record::{Action, Actor, Entry, Method, Outcome, Record, Reported, Role, Stage};
use pot_console::layout::Layout;
use pot_console::operations::clock::{Clock, SinceBoot};
use pot_console::operations::engine::{Engine, EngineSettings};
use pot_console::operations::looking::Host;
use pot_console::operations::plan::{Leftover, ManagedFile, Operation, Plan, Run, RunEventKind, RunState, StepState};
use pot_console::operations::recorder::Recorder;
use pot_console::operations::revert::{Known, NetworkState};
use pot_console::process::Tools;
use pot_console::refusal::{Refusal, RefusalKind};
use pot_console::settings::Settings;
use pot_console::simulator::{self, Fault, Scenario};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Keeps the records of a test.
#[derive(Default)]
struct Kept {
    records: Mutex<Vec<Record>>,
    full: AtomicBool,
}

impl Recorder for Kept {
    fn record(&self, entry: Entry) -> Result<Record, Refusal> {
        if self.full.load(Ordering::Relaxed) {
            return Err(Refusal::new(RefusalKind::NotRecorded, "Not saved: the history could not be written."));
        }
        let mut records = self.records.lock().unwrap();
        let record = Record {
            sequence: records.last().map_or(1, |last| last.sequence + 1),
            id: uuid::Uuid::now_v7(),
            time: jiff::Timestamp::now(),
            entry,
        };
        records.push(record.clone());
        Ok(record)
    }

    fn about(&self, intent: u64, run: u64) -> Result<Vec<Record>, Refusal> {
        let records = self.records.lock().unwrap();
        Ok(records.iter().filter(|record| record.sequence > intent && record.entry.run == Some(run)).cloned().collect())
    }
}

struct Bench {
    _folder: tempfile::TempDir,
    root: PathBuf,
    kept: Arc<Kept>,
    closed: Arc<AtomicBool>,
    engine: Arc<Engine>,
}

fn anna() -> Actor {
    Actor {
        name: "anna".to_owned(),
        role: Some(Role::Admin),
        method: Method::Password,
        session: Some("01234567".to_owned()),
        claimed: None,
    }
}

fn from_lan() -> Reported {
    Reported { address: Some("192.168.178.31".to_owned()), browser: None }
}

const INIT: Operation = Operation::Init {
    place_anchors: true,
    merge_syslogd_flags: true,
    minimal: false,
    leave_syslogd: false,
    leave_pf: false,
    pf_file: None,
};

fn settings() -> EngineSettings {
    EngineSettings {
        command_time: Duration::from_secs(60),
        mailer_time: Duration::from_secs(2),
        pf_files: vec!["/etc/pf.pot.conf".to_owned()],
        ..EngineSettings::default()
    }
}

impl Bench {
    fn new(scenario: Scenario) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        simulator::build_with_program(&root, scenario, Path::new(env!("CARGO_BIN_EXE_pot-console"))).unwrap();
        let kept = Arc::new(Kept::default());
        let closed = Arc::new(AtomicBool::new(false));
        let engine = open(&root, &kept, &closed, settings());
        Self { _folder: folder, root, kept, closed, engine }
    }

    /// The executor starts anew, with other settings.
    fn restart(&mut self, settings: EngineSettings) {
        self.engine = open(&self.root, &self.kept, &self.closed, settings);
        self.engine.recover_at_start();
    }

    fn plan(&self, operation: Operation) -> Plan {
        self.engine.plan("session", &from_lan(), operation).unwrap()
    }

    fn start(&self, plan: &Plan) -> Result<u64, Refusal> {
        let text = plan.confirm_text.as_deref();
        self.engine.run("session", &anna(), &from_lan(), plan.id, &plan.digest, text, Some("a test"))
    }

    fn run(&self, operation: Operation) -> Run {
        let plan = self.plan(operation);
        assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
        let id = self.start(&plan).unwrap();
        self.until_end(id)
    }

    fn until(&self, id: u64, what: impl Fn(&Run) -> bool) -> Run {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let run = self.engine.run_state(id).unwrap();
            if what(&run) {
                return run;
            }
            assert!(Instant::now() < until, "{run:#?}\n{}", self.output(id));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn until_end(&self, id: u64) -> Run {
        let run = self.until(id, |run| run.state.is_final());
        assert!(self.engine.wait(id, Duration::from_secs(10)));
        run
    }

    fn output(&self, id: u64) -> String {
        let (events, _) = self.engine.events(id, 0, 100_000).unwrap();
        events
            .iter()
            .map(|event| match &event.what {
                RunEventKind::Line { text, .. } => format!("{text}\n"),
                RunEventKind::Command { argv } => format!("$ {}\n", argv.join(" ")),
                RunEventKind::Exit { text, .. } => format!("({text})\n"),
                other => format!("[{other:?}]\n"),
            })
            .collect()
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path.trim_start_matches('/'))).unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.root.join(path.trim_start_matches('/')), text).unwrap();
    }

    /// What a simulated tool prints.
    fn tool(&self, folder: &str, name: &str, args: &[&str]) -> String {
        let output = std::process::Command::new(self.root.join(folder).join(name)).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    fn set(&self, name: &str, value: &str) {
        let mut text = self.read("/usr/local/etc/pot/pot.conf");
        text.push_str(&format!("\n{name}={value}\n"));
        self.write("/usr/local/etc/pot/pot.conf", &text);
    }

    fn fault(&self, text: &str) {
        simulator::set_fault(&self.root, text.parse::<Fault>().unwrap()).unwrap();
    }
}

fn open(root: &Path, kept: &Arc<Kept>, closed: &Arc<AtomicBool>, settings: EngineSettings) -> Arc<Engine> {
    let layout = Layout::new(root, None);
    let tools = Tools::find(&layout);
    let closed = Arc::clone(closed);
    let notify = Arc::new(move |_, _, close| {
        if close {
            closed.store(true, Ordering::Relaxed);
        }
    });
    Engine::open(layout, tools, Arc::clone(kept) as Arc<dyn Recorder>, notify, settings).unwrap()
}

fn state_of(plan: &Plan, title: &str) -> StepState {
    plan.steps
        .iter()
        .find(|step| step.title.contains(title))
        .unwrap_or_else(|| panic!("{title}: {:#?}", plan.steps))
        .state
}

#[test]
fn init_is_planned_run_and_found_as_planned() {
    let bench = Bench::new(Scenario::Default);
    let plan = bench.plan(INIT);
    assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
    assert_eq!(
        plan.summary,
        "Creates 5 datasets in zroot, adds 2 lines to /etc/pf.conf and changes syslogd_flags in /etc/rc.conf. Starts no network. If a step fails, what was created stays and is listed here."
    );
    assert_eq!(plan.button, "Initialise pot");
    assert_eq!(state_of(&plan, "dataset zroot/pot/bases"), StepState::WillBeCreated);
    let run = bench.until_end(bench.start(&plan).unwrap());
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    for diff in &plan.diffs {
        println!("{diff}");
    }
    println!("{}\n{}", run.summary, bench.output(run.id));
    let records = bench.kept.records.lock().unwrap();
    assert_eq!(records.first().unwrap().entry.stage, Stage::Intent);
    assert_eq!(records.last().unwrap().entry.stage, Stage::Outcome);
    drop(records);
    let again = bench.plan(INIT);
    assert!(again.nothing_to_do, "{:#?}", again.steps);
}

#[test]
fn an_interface_that_does_not_exist_blocks_before_zfs_is_touched() {
    let bench = Bench::new(Scenario::Default);
    bench.set("POT_EXTIF", "em7");
    let plan = bench.plan(INIT);
    let blocker = plan.blockers.first().unwrap();
    assert_eq!(blocker.problem, "POT_EXTIF em7 does not exist on this host.");
    assert_eq!(blocker.remedy, "Set it to em0.");
    let refusal = bench.start(&plan).unwrap_err();
    assert_eq!(
        refusal.message,
        "Cannot start: POT_EXTIF em7 does not exist on this host. Nothing has been changed. Set it to em0."
    );
    assert!(!bench.tool("sbin", "zfs", &["list", "-H", "-o", "name"]).contains("zroot/pot"));
    assert!(bench.kept.records.lock().unwrap().is_empty());
}

#[test]
fn a_value_that_only_the_shell_knows_blocks() {
    let bench = Bench::new(Scenario::Default);
    bench.set("POT_GATEWAY", "$(echo 10.192.0.1)");
    let plan = bench.plan(INIT);
    assert!(plan.blockers.iter().any(|blocker| blocker.problem.starts_with("POT_GATEWAY")), "{:#?}", plan.blockers);
}

#[test]
fn a_pf_conf_that_cannot_be_read_for_certain_is_asked_about() {
    let bench = Bench::new(Scenario::Default);
    bench.write("/etc/pf.conf", "include \"/etc/pf.more\"\npass all\n");
    bench.write("/etc/pf.more", "set limit states 1000\n");
    let plan = bench.plan(INIT);
    assert!(plan.blockers.iter().any(|blocker| blocker.problem.contains("cannot be told")), "{:#?}", plan.blockers);
    let left = bench.plan(Operation::Init {
        place_anchors: true,
        merge_syslogd_flags: true,
        minimal: false,
        leave_syslogd: false,
        leave_pf: true,
        pf_file: None,
    });
    assert!(left.blockers.is_empty(), "{:#?}", left.blockers);
    assert!(left.diffs.iter().all(|diff| diff.file != "/etc/pf.conf"));
}

#[test]
fn anchors_at_the_top_that_would_break_pf_conf_block_the_run() {
    let bench = Bench::new(Scenario::Default);
    let pots_own = Operation::Init {
        place_anchors: false,
        merge_syslogd_flags: false,
        minimal: false,
        leave_syslogd: false,
        leave_pf: false,
        pf_file: None,
    };
    let plan = bench.plan(pots_own);
    assert!(plan.blockers.iter().any(|blocker| blocker.problem.contains("would be invalid")), "{:#?}", plan.blockers);
}

#[test]
fn own_syslogd_flags_are_there_after_init() {
    let bench = Bench::new(Scenario::Default);
    let text = bench.read("/etc/rc.conf").replace("syslogd_flags=\"-ss\"", "syslogd_flags=\"-c -8 -b 192.168.178.20\"");
    bench.write("/etc/rc.conf", &text);
    let run = bench.run(INIT);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert!(
        bench
            .read("/etc/rc.conf")
            .contains("syslogd_flags=\"-c -8 -b 192.168.178.20 -b 127.0.0.1 -b 10.192.0.1 -a 10.192.0.0/10\""),
        "{}",
        bench.read("/etc/rc.conf")
    );
}

#[test]
fn minimal_init_leaves_files_alone() {
    let bench = Bench::new(Scenario::Default);
    let (pf, rc) = (bench.read("/etc/pf.conf"), bench.read("/etc/rc.conf"));
    let run = bench.run(Operation::Init {
        place_anchors: true,
        merge_syslogd_flags: true,
        minimal: true,
        leave_syslogd: false,
        leave_pf: false,
        pf_file: None,
    });
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert_eq!((bench.read("/etc/pf.conf"), bench.read("/etc/rc.conf")), (pf, rc));
    assert!(bench.output(run.id).contains("$ pot init -v -m"));
}

#[test]
fn a_plan_serves_once_and_only_while_the_host_is_as_it_was() {
    let bench = Bench::new(Scenario::Default);
    let plan = bench.plan(INIT);
    let other = bench.engine.run("another session", &anna(), &from_lan(), plan.id, &plan.digest, None, None);
    assert_eq!(other.unwrap_err().kind, RefusalKind::NotFound);
    let wrong = pot_console::digest::Digest::of(b"x");
    let other = bench.engine.run("session", &anna(), &from_lan(), plan.id, &wrong, None, None);
    assert_eq!(other.unwrap_err().kind, RefusalKind::Conflict);
    let pf = bench.read("/etc/pf.conf");
    bench.write("/etc/pf.conf", &format!("{pf}\n# edited meanwhile\n"));
    assert_eq!(bench.start(&plan).unwrap_err().kind, RefusalKind::Conflict);
    assert_eq!(bench.start(&plan).unwrap_err().kind, RefusalKind::NotFound, "it is used up");
    assert!(!bench.tool("sbin", "zfs", &["list", "-H", "-o", "name"]).contains("zroot/pot"));
}

#[test]
fn a_full_history_refuses_the_run_before_anything_is_changed() {
    let bench = Bench::new(Scenario::Default);
    let plan = bench.plan(INIT);
    let pf = bench.read("/etc/pf.conf");
    bench.kept.full.store(true, Ordering::Relaxed);
    assert_eq!(bench.start(&plan).unwrap_err().kind, RefusalKind::NotRecorded);
    assert_eq!(bench.read("/etc/pf.conf"), pf);
    assert!(bench.engine.runs(None, 10).unwrap().is_empty());
}

#[test]
fn zfs_that_fails_at_the_third_dataset_is_named_with_what_exists() {
    let bench = Bench::new(Scenario::Default);
    let plan = bench.plan(INIT);
    bench.fault("full-at zroot/pot 2");
    let id = bench.start(&plan).unwrap();
    let run = bench.until_end(id);
    assert_eq!(run.state, RunState::Differs, "{run:#?}\n{}", bench.output(id));
    assert!(run.summary.contains("2 of 5 datasets exist"), "{}", run.summary);
    assert!(run.remedy.is_some());
    simulator::clear_faults(&bench.root).unwrap();
    let run = bench.run(INIT);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
}

#[test]
fn a_run_can_be_ended_where_that_is_safe() {
    let bench = Bench::new(Scenario::Default);
    let plan = bench.plan(INIT);
    bench.fault("zfs slow 400");
    let id = bench.start(&plan).unwrap();
    bench.until(id, |_| bench.output(id).contains("$ pot init"));
    bench.engine.abort(id, &anna(), &from_lan()).unwrap();
    let run = bench.until_end(id);
    assert_eq!(run.state, RunState::Aborted, "{run:#?}");
    assert!(run.summary.contains("datasets exist"), "{}", run.summary);
}

#[test]
fn a_rejecting_pfctl_blocks_what_needs_it() {
    let bench = Bench::new(Scenario::Default);
    bench.fault("pfctl fail 1 stdin:3: syntax error");
    let plan = bench.plan(INIT);
    assert!(plan.blockers.iter().any(|blocker| blocker.problem.contains("syntax error")), "{:#?}", plan.blockers);
}

#[test]
fn pot_that_hangs_is_ended_at_the_limit() {
    let mut bench = Bench::new(Scenario::Default);
    bench.restart(EngineSettings { command_time: Duration::from_secs(1), ..settings() });
    let plan = bench.plan(INIT);
    // The command of the run alone: what is asked besides has a longer time of its own.
    bench.fault("pot:init hang");
    let id = bench.start(&plan).unwrap();
    let run = bench.until_end(id);
    assert_eq!(run.state, RunState::Differs);
    assert!(run.summary.contains("did not end within 1 s"), "{}", run.summary);
}

const VNET: Operation = Operation::VnetStart { revert_after: Some(10) };

fn initialised() -> Bench {
    let bench = Bench::new(Scenario::Default);
    let run = bench.run(INIT);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}");
    bench
}

/// What of the network a revert has to give back.
fn network(bench: &Bench) -> String {
    let pf = bench.tool("sbin", "pfctl", &["-s", "info"]);
    format!(
        "{}\n{}\n{}\n{}\n{}\n{}\n{}",
        pf.lines()
            .find(|line| line.contains("Status") || line.contains("/dev/pf"))
            .unwrap_or_default()
            .split(" for ")
            .next()
            .unwrap_or_default(),
        bench.tool("sbin", "pfctl", &["-s", "rules"]),
        bench.tool("sbin", "pfctl", &["-s", "nat"]),
        bench.tool("sbin", "pfctl", &["-s", "nat", "-a", "pot-nat"]),
        bench.tool("sbin", "sysctl", &["-n", "net.inet.ip.forwarding"]),
        bench.tool("sbin", "ifconfig", &["-g", "bridge"]),
        bench.tool("sbin", "ifconfig", &["-a"]),
    )
}

fn waiting(bench: &Bench) -> Run {
    let plan = bench.plan(VNET);
    assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
    let id = bench.start(&plan).unwrap();
    let run = bench.until(id, |run| run.state == RunState::AwaitingKeep || run.state.is_final());
    assert_eq!(run.state, RunState::AwaitingKeep, "{run:#?}\n{}", bench.output(id));
    run
}

#[test]
fn nobody_answers_and_the_host_equals_the_one_before() {
    let bench = initialised();
    let before = network(&bench);
    let run = waiting(&bench);
    let until = Instant::now() + Duration::from_secs(5);
    while !bench.closed.load(Ordering::Relaxed) {
        assert!(Instant::now() < until, "the web process is told to close its connections");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_ne!(network(&bench), before);
    let plan = bench.plan(INIT);
    assert_eq!(bench.start(&plan).unwrap_err().kind, RefusalKind::Busy, "nothing else changes meanwhile");
    let run = bench.until_end(run.id);
    assert_eq!(run.state, RunState::Reverted, "{run:#?}\n{}", bench.output(run.id));
    assert!(
        run.summary.contains("because no answer arrived. The host is as before, checked: 5 of 5."),
        "{}",
        run.summary
    );
    assert_eq!(network(&bench), before);
    println!("{}", bench.output(run.id));
}

#[test]
fn keep_takes_two_new_connections() {
    let bench = initialised();
    let plan = bench.plan(VNET);
    println!("{}\n{:#?}\n{:?}\n{:?}\n{:?}", plan.summary, plan.steps, plan.routes, plan.pf_rules, plan.put_back);
    let run = waiting(&bench);
    let now = pot_console::platform::since_boot_ms();
    let keep = |nonce: &pot_console::secret::Secret, at: i64, connection| {
        bench.engine.keep(run.id, nonce, at, connection, &anna(), &from_lan())
    };
    assert!(bench.engine.keep_nonce(run.id, now - 60_000, 1).is_err(), "an old connection proves nothing");
    let nonce = bench.engine.keep_nonce(run.id, now + 5, 2).unwrap();
    assert!(keep(&nonce, now + 5, 2).is_err(), "the same connection");
    assert!(keep(&nonce, now - 60_000, 3).is_err(), "an old one");
    let made_up = pot_console::secret::Secret("x".to_owned());
    assert!(keep(&made_up, now + 6, 3).is_err(), "a nonce that was not given out");
    keep(&nonce, now + 6, 3).unwrap();
    let run = bench.until_end(run.id);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert!(run.summary.contains("Kept. The network runs as planned."), "{}", run.summary);
    println!("{}\n{}", run.summary, bench.output(run.id));
    // Once more: all is as it should be, nothing to be put back, no question.
    let run = bench.run(VNET);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert!(
        run.summary.starts_with("pot ended with status 1. That is usual when pf was already on. All "),
        "{}",
        run.summary
    );
}

#[test]
fn put_back_now_is_put_back_now() {
    let bench = initialised();
    let before = network(&bench);
    let run = waiting(&bench);
    bench.engine.put_back(run.id, &anna(), &from_lan()).unwrap();
    let run = bench.until_end(run.id);
    assert_eq!(run.state, RunState::Reverted);
    assert_eq!(network(&bench), before);
}

#[test]
fn a_stop_of_the_executor_puts_back_first() {
    let bench = initialised();
    let before = network(&bench);
    let run = waiting(&bench);
    bench.engine.shutdown();
    let run = bench.engine.run_state(run.id).unwrap();
    assert_eq!(run.state, RunState::Reverted, "{run:#?}");
    assert_eq!(network(&bench), before);
}

#[test]
fn what_cannot_be_put_back_is_named_with_what_to_type() {
    let bench = initialised();
    let run = waiting(&bench);
    bench.fault("kldunload fail 1 kldunload: can't unload file: Device busy");
    bench.fault("ifconfig:bridge0 fail 1 ifconfig: no");
    bench.engine.put_back(run.id, &anna(), &from_lan()).unwrap();
    let run = bench.until_end(run.id);
    assert_eq!(run.state, RunState::RevertedInPart, "{run:#?}");
    assert!(run.remedy.as_deref().is_some_and(|remedy| remedy.starts_with("At the machine run:")), "{run:#?}");
    assert!(run.summary.contains("Could not put back: "), "{}", run.summary);
    assert!(run.summary.contains("the bridges are not as before, there are now: bridge0"), "{}", run.summary);
    let records = bench.kept.records.lock().unwrap();
    let outcome = &records.last().unwrap().entry;
    assert!(outcome.message.contains("ifconfig bridge0 destroy"), "the history says it, too: {outcome:?}");
}

#[test]
fn a_reboot_overtakes_what_was_pending() {
    let mut bench = initialised();
    let run = waiting(&bench);
    // The executor dies with the machine.
    let id = run.id;
    let private = bench.root.join("var/db/pot-console/root");
    let pending = std::fs::read(private.join("pending-revert.json")).unwrap();
    let stored = std::fs::read(private.join(format!("runs/{id}/run.json"))).unwrap();
    bench.engine.put_back(id, &anna(), &from_lan()).unwrap();
    bench.until_end(id);
    std::fs::write(private.join("pending-revert.json"), pending).unwrap();
    std::fs::write(private.join(format!("runs/{id}/run.json")), stored).unwrap();
    bench.forget_how_it_ended(id);
    simulator::reboot(&bench.root).unwrap();
    bench.restart(settings());
    let run = bench.engine.run_state(id).unwrap();
    assert_eq!(run.state, RunState::OvertakenByReboot, "{run:#?}");
    assert!(!private.join("pending-revert.json").exists());
}

#[test]
fn an_executor_that_starts_again_carries_the_revert_out() {
    let mut bench = initialised();
    let before = network(&bench);
    let run = waiting(&bench);
    let id = run.id;
    let private = bench.root.join("var/db/pot-console/root");
    let pending = std::fs::read(private.join("pending-revert.json")).unwrap();
    let stored = std::fs::read(private.join(format!("runs/{id}/run.json"))).unwrap();
    let now = pot_console::platform::since_boot_ms();
    let nonce = bench.engine.keep_nonce(id, now + 5, 2).unwrap();
    bench.engine.keep(id, &nonce, now + 6, 3, &anna(), &from_lan()).unwrap();
    bench.until_end(id);
    // As if it had died before anyone answered.
    std::fs::write(private.join("pending-revert.json"), pending).unwrap();
    std::fs::write(private.join(format!("runs/{id}/run.json")), stored).unwrap();
    bench.forget_how_it_ended(id);
    assert_ne!(network(&bench), before);
    bench.restart(settings());
    let run = bench.until_end(id);
    assert_eq!(run.state, RunState::Reverted, "{run:#?}\n{}", bench.output(id));
    assert_eq!(network(&bench), before);
}

#[test]
fn keep_at_the_machines_own_console_reaches_the_process_that_waits() {
    let bench = initialised();
    let run = waiting(&bench);
    let other = open(&bench.root, &bench.kept, &bench.closed, settings());
    let root = Actor { name: "root".to_owned(), method: Method::CommandLine, role: None, session: None, claimed: None };
    other.keep_from_command_line(run.id, &root).unwrap();
    let run = bench.until_end(run.id);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}");
}

#[test]
fn a_network_that_this_host_uses_blocks_vnet_start() {
    let bench = initialised();
    bench.set("POT_NETWORK", "192.168.0.0/16");
    bench.set("POT_NETMASK", "255.255.0.0");
    bench.set("POT_GATEWAY", "192.168.0.1");
    let plan = bench.plan(VNET);
    assert!(plan.blockers.iter().any(|blocker| blocker.problem.contains("default gateway")), "{:#?}", plan.blockers);
}

#[test]
fn an_invalid_pf_conf_blocks_vnet_start() {
    let bench = initialised();
    let text = bench.read("/etc/pf.conf");
    bench.write("/etc/pf.conf", &format!("{text}\npass in on on em0\n"));
    let plan = bench.plan(VNET);
    assert!(plan.blockers.iter().any(|blocker| blocker.problem.contains("is invalid")), "{:#?}", plan.blockers);
}

#[test]
fn running_pots_keep_de_init_from_starting_unless_they_are_stopped() {
    let bench = Bench::new(Scenario::Busy);
    let keep = bench.plan(Operation::DeInit { stop_pots: false, minimal: false, pf_file: None });
    let blocker = keep.blockers.first().unwrap();
    assert!(
        blocker
            .problem
            .contains("pot de-init does not notice running pots, so this console will not start it while they run."),
        "{blocker:?}"
    );
    let plan = bench.plan(Operation::DeInit { stop_pots: true, minimal: false, pf_file: None });
    // A backup holds a snapshot: zfs destroy would stop half way.
    let held: Vec<&str> = plan.blockers.iter().map(|blocker| blocker.problem.as_str()).collect();
    assert!(matches!(held.as_slice(), [one] if one.contains("is held")), "{held:?}");
    let snapshot = held[0].split(' ').nth(2).unwrap();
    bench.tool("sbin", "zfs", &["release", "backup", snapshot]);
    let plan = bench.plan(Operation::DeInit { stop_pots: true, minimal: false, pf_file: None });
    assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
    assert_eq!(plan.confirm_text.as_deref(), Some("zroot/pot"));
    let wrong =
        bench.engine.run("session", &anna(), &from_lan(), plan.id, &plan.digest, Some("zroot"), None).unwrap_err();
    assert_eq!(wrong.message, "That is not the dataset's name. Nothing has been destroyed.");
    let id = bench.start(&plan).unwrap();
    let run = bench.until_end(id);
    println!("{}\n{}", run.summary, bench.output(id));
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}");
    assert!(run.summary.contains("zroot/pot is gone, checked. pot left"), "{}", run.summary);
    assert!(run.leftovers.contains(&Leftover::FsRoot), "{:?}", run.leftovers);
    let run = bench.run(Operation::CleanUp { items: run.leftovers });
    println!("{}\n{}", run.summary, bench.output(run.id));
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}");
    let again =
        bench.plan(Operation::CleanUp { items: vec![Leftover::Bridge, Leftover::FsRoot, Leftover::SyslogdFlags] });
    assert!(again.nothing_to_do, "{:#?}", again.steps);
}

#[test]
fn a_busy_dataset_is_seen_although_pot_says_removed() {
    let bench = initialised();
    let plan = bench.plan(Operation::DeInit { stop_pots: false, minimal: false, pf_file: None });
    assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
    bench.fault("busy zroot/pot/jails");
    let id = bench.start(&plan).unwrap();
    let run = bench.until_end(id);
    println!("{}\n{}", run.summary, bench.output(id));
    assert_eq!(run.state, RunState::Differs, "{run:#?}");
    assert!(run.checks.iter().any(|check| check.title == "zroot/pot is gone" && check.as_planned == Some(false)));
}

#[test]
fn a_dataset_that_is_not_pots_is_not_destroyed() {
    let bench = initialised();
    bench.tool("sbin", "zfs", &["create", "zroot/pot/photos"]);
    let plan = bench.plan(Operation::DeInit { stop_pots: false, minimal: false, pf_file: None });
    assert!(plan.blockers.iter().any(|blocker| blocker.problem.contains("zroot/pot/photos")), "{:#?}", plan.blockers);
    bench.tool("sbin", "zfs", &["destroy", "zroot/pot/photos"]);
    bench.tool("sbin", "zfs", &["set", "canmount=on", "zroot/pot"]);
    let plan = bench.plan(Operation::DeInit { stop_pots: false, minimal: false, pf_file: None });
    assert!(plan.blockers.iter().any(|blocker| blocker.problem.contains("canmount=on")), "{:#?}", plan.blockers);
}

#[test]
fn a_fresh_host_is_prepared() {
    let bench = Bench::new(Scenario::Fresh);
    let items = vec![
        Preparation::InstallPot,
        Preparation::EnableRacct,
        Preparation::DisableVtnetLro,
        Preparation::CreateGroup,
        Preparation::RouteLog,
    ];
    let plan = bench.plan(Operation::Prepare { items: items.clone() });
    println!("{}\n{:#?}\n{:#?}\n{:?}", plan.summary, plan.steps, plan.blockers, plan.previews);
    let run = bench.run(Operation::Prepare { items });
    println!("{}\n{}", run.summary, bench.output(run.id));
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}");
    let loader = bench.read("/boot/loader.conf");
    assert!(loader.contains("kern.racct.enable=1\n") && loader.contains("hw.vtnet.lro_disable=1\n"), "{loader}");
}

#[test]
fn a_kept_version_comes_back_and_passes_the_same_limits() {
    let bench = Bench::new(Scenario::Default);
    let old = bench.read("/etc/pf.conf");
    bench.run(INIT);
    let versions = pot_console::files::Backups::of(&Layout::new(&bench.root, None)).list(Some("pf.conf")).unwrap();
    let backup = versions.first().unwrap().digest;
    let run = bench.run(Operation::Restore { backup, file: ManagedFile::PfConf });
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}");
    assert_eq!(bench.read("/etc/pf.conf"), old);
    let layout = Layout::new(&bench.root, None);
    let bad = pot_console::files::Backups::of(&layout)
        .keep("pot.conf", "/usr/local/etc/pot/pot.conf", b"POT_FS_ROOT=/etc\n", None)
        .unwrap();
    let plan = bench.plan(Operation::Restore { backup: bad.digest, file: ManagedFile::PotConf });
    assert!(plan.blockers.iter().any(|blocker| blocker.problem.contains("POT_FS_ROOT")), "{:#?}", plan.blockers);
}

#[test]
fn feedback_is_kept_and_sent_only_when_asked() {
    use pot_console::operations::feedback::{self, Given};
    let bench = Bench::new(Scenario::Default);
    let given = Given { wrong: "Nothing".to_owned(), ..Given::default() };
    let stored = feedback::store(&bench.engine, given.clone(), false, &anna(), &from_lan()).unwrap();
    assert_eq!(stored.sent, None);
    let stored = feedback::store(&bench.engine, given.clone(), true, &anna(), &from_lan()).unwrap();
    assert_eq!(stored.sent, Some(true), "{stored:?}");
    bench.fault("sendmail fail 75 sendmail: mailbox unavailable");
    let stored = feedback::store(&bench.engine, given.clone(), true, &anna(), &from_lan()).unwrap();
    assert_eq!(stored.sent, Some(false));
    assert!(stored.answer.contains("status 75"), "{}", stored.answer);
    simulator::clear_faults(&bench.root).unwrap();
    bench.fault("sendmail hang");
    let stored = feedback::store(&bench.engine, given.clone(), true, &anna(), &from_lan()).unwrap();
    assert!(stored.answer.contains("did not answer within 2 s"), "{}", stored.answer);
    simulator::clear_faults(&bench.root).unwrap();
    bench.fault("sendmail missing");
    let mut bench = bench;
    bench.restart(settings());
    let stored = feedback::store(&bench.engine, given, true, &anna(), &from_lan()).unwrap();
    assert!(stored.answer.contains("no mailer"), "{}", stored.answer);
    assert_eq!(feedback::list(&Layout::new(&bench.root, None)).len(), 5);
}

/// Runs the command line, which dies at a place.
fn dies(bench: &Bench, at: &str, args: &[&str]) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_pot-console"))
        .arg("--root")
        .arg(&bench.root)
        .arg("run")
        .args(args)
        .env("POT_CONSOLE_CRASH_AT", at)
        .output()
        .unwrap();
    assert!(output.status.code().is_none(), "it was to be killed: {output:?}");
}

#[test]
fn an_executor_killed_during_init_says_at_restart_what_it_finds() {
    let mut bench = Bench::new(Scenario::Default);
    dies(&bench, "run-command-ended#2", &["init"]);
    bench.restart(settings());
    let run = bench.engine.runs(None, 1).unwrap().remove(0);
    assert_eq!(run.state, RunState::Interrupted, "{run:#?}");
    assert_eq!(
        run.summary,
        "The console was stopped during this run. What it found at restart: 5 of 5 datasets exist. Plan init again to go on."
    );
    let (events, ended) = bench.engine.events(run.id, 0, 10_000).unwrap();
    assert!(ended && events.iter().enumerate().all(|(index, event)| event.number == index as u64 + 1));
}

#[test]
fn an_executor_killed_in_the_middle_of_vnet_start_puts_back_at_restart() {
    let mut bench = initialised();
    let before = network(&bench);
    dies(&bench, "run-command-ended", &["vnet-start", "--revert-after", "600"]);
    assert_ne!(network(&bench), before);
    bench.restart(settings());
    let id = bench.engine.runs(None, 1).unwrap()[0].id;
    let run = bench.until_end(id);
    assert_eq!(run.state, RunState::Reverted, "{run:#?}\n{}", bench.output(id));
    assert_eq!(network(&bench), before);
}

#[test]
fn an_executor_killed_while_it_waited_goes_on_waiting_and_puts_back_in_time() {
    let mut bench = initialised();
    let before = network(&bench);
    dies(&bench, "run-awaiting-keep", &["vnet-start", "--revert-after", "10"]);
    bench.restart(settings());
    let id = bench.engine.runs(None, 1).unwrap()[0].id;
    let run = bench.engine.run_state(id).unwrap();
    assert!(matches!(run.state, RunState::AwaitingKeep | RunState::Reverted), "{run:#?}");
    let run = bench.until_end(id);
    assert_eq!(run.state, RunState::Reverted, "{run:#?}");
    assert!(run.summary.contains("because no answer arrived"), "{}", run.summary);
    assert_eq!(network(&bench), before);
}

#[test]
fn without_a_service_the_next_command_puts_back_what_is_overdue() {
    let bench = initialised();
    let before = network(&bench);
    dies(&bench, "run-awaiting-keep", &["vnet-start", "--revert-after", "10"]);
    let call = |args: &[&str]| {
        let command = std::process::Command::new(env!("CARGO_BIN_EXE_pot-console"))
            .arg("--root")
            .arg(&bench.root)
            .args(args)
            .output()
            .unwrap();
        String::from_utf8_lossy(&command.stderr).into_owned()
    };
    let said = call(&["run", "init"]);
    assert!(said.contains("waits to be kept or put back"), "its time is not over: {said}");
    assert_ne!(network(&bench), before);
    std::thread::sleep(Duration::from_secs(10));
    call(&["feedback", "list"]);
    assert_eq!(network(&bench), before);
    let run = bench.engine.runs(None, 1).unwrap().remove(0);
    assert_eq!(run.state, RunState::Reverted, "{run:#?}");
}

#[test]
fn the_command_line_plans_runs_and_keeps() {
    let bench = Bench::new(Scenario::Default);
    let call = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_pot-console"))
            .arg("--root")
            .arg(&bench.root)
            .args(args)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    let (code, text) = call(&["plan", "init"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("+nat-anchor pot-nat"), "{text}");
    let (code, text) = call(&["run", "init", "--reason", "a test"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = call(&["run", "de-init", "--confirm", "zroot"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("That is not the dataset's name. Nothing has been destroyed."), "{text}");
    let waiting = std::thread::scope(|scope| {
        let run = scope.spawn(|| call(&["run", "vnet-start", "--revert-after", "60"]));
        let until = Instant::now() + Duration::from_secs(40);
        let id = loop {
            let newest = bench.engine.runs(None, 1).unwrap();
            match newest.first() {
                Some(run) if run.state == RunState::AwaitingKeep => break run.id,
                _ if Instant::now() > until => panic!("it never waited: {newest:#?}"),
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        let (code, text) = call(&["run", "keep", &id.to_string()]);
        assert_eq!(code, Some(0), "{text}");
        run.join().unwrap()
    });
    assert_eq!(waiting.0, Some(0), "{}", waiting.1);
    assert!(waiting.1.contains("Kept. The network runs as planned."), "{}", waiting.1);
    let (code, text) = call(&["run", "de-init", "--confirm", "zroot/pot"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("zroot/pot is gone, checked."), "{text}");
    let (code, _) = call(&["plan", "init", "-p", "/etc/passwd"]);
    assert_eq!(code, Some(2), "only known files");
}

#[test]
fn a_changed_network_takes_the_old_bridge_along_and_gives_it_back() {
    let bench = initialised();
    let run = waiting(&bench);
    let root = Actor { name: "root".to_owned(), method: Method::CommandLine, role: None, session: None, claimed: None };
    bench.engine.keep_from_command_line(run.id, &root).unwrap();
    assert_eq!(bench.until_end(run.id).state, RunState::AsPlanned);
    let before = network(&bench);
    for (name, value) in [
        ("POT_NETWORK", "10.64.0.0/16"),
        ("POT_NETMASK", "255.255.0.0"),
        ("POT_GATEWAY", "10.64.0.1"),
        ("POT_DNS_IP", "10.64.0.2"),
    ] {
        bench.set(name, value);
    }
    let plan = bench.plan(VNET);
    assert_eq!(state_of(&plan, "old bridge bridge0"), StepState::WillBeDestroyed);
    let run = waiting(&bench);
    let bridges = bench.tool("sbin", "ifconfig", &["-a"]);
    assert!(bridges.contains("inet 10.64.0.1") && !bridges.contains("inet 10.192.0.1"), "{bridges}");
    bench.engine.put_back(run.id, &anna(), &from_lan()).unwrap();
    let run = bench.until_end(run.id);
    assert_eq!(run.state, RunState::Reverted, "{run:#?}\n{}", bench.output(run.id));
    let inet = |text: &str| text.lines().filter(|line| line.contains("inet ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(inet(&network(&bench)), inet(&before));
    assert!(bench.tool("sbin", "pfctl", &["-s", "nat", "-a", "pot-nat"]).contains("10.192.0.0/10"));
    assert!(bench.tool("sbin", "pfctl", &["-s", "info"]).contains("Enabled"), "a pf that was on is never turned off");
}

#[test]
fn whoever_sits_in_the_pots_network_is_not_cut_off() {
    let bench = initialised();
    let plan = bench.plan(VNET);
    let inside = Reported { address: Some("10.192.7.7".to_owned()), browser: None };
    let refusal = bench.engine.run("session", &anna(), &inside, plan.id, &plan.digest, None, None).unwrap_err();
    assert!(refusal.message.contains("you are connected from 10.192.7.7"), "{refusal}");
    // Seen in the plan already, by whoever it concerns.
    let theirs = bench.engine.plan("session", &inside, VNET).unwrap();
    assert!(theirs.blockers.iter().any(|one| one.problem.contains("10.192.7.7")), "{:#?}", theirs.blockers);
    assert!(bench.tool("sbin", "ifconfig", &["-g", "bridge"]).trim().is_empty());
}

#[test]
fn a_bridge_of_ipv6_comes_and_goes_as_well() {
    for stack in ["dual", "ipv6"] {
        let bench = initialised();
        bench.set("POT_NETWORK_STACK", stack);
        let before = network(&bench);
        let run = waiting(&bench);
        let bridge = bench.tool("sbin", "ifconfig", &["-a"]);
        assert_eq!(bridge.contains("inet 10.192.0.1"), stack == "dual", "{stack}: {bridge}");
        assert!(run.checks.iter().all(|check| check.as_planned == Some(true)), "{stack}: {:#?}", run.checks);
        bench.engine.put_back(run.id, &anna(), &from_lan()).unwrap();
        let run = bench.until_end(run.id);
        assert_eq!(run.state, RunState::Reverted, "{stack}: {run:#?}\n{}", bench.output(run.id));
        assert_eq!(network(&bench), before, "{stack}");
    }
}

#[test]
fn rules_that_were_loaded_by_hand_are_given_up_knowingly() {
    let bench = initialised();
    bench.write(
        "/etc/pf.by-hand.conf",
        "pass quick on lo0 all\npass in proto tcp from any to any port 2222 keep state\n",
    );
    bench.tool("sbin", "kldload", &["pf"]);
    bench.tool("sbin", "pfctl", &["-f", "/etc/pf.by-hand.conf"]);
    bench.tool("sbin", "pfctl", &["-e"]);
    assert!(bench.tool("sbin", "pfctl", &["-s", "rules"]).contains("2222"), "{}", network(&bench));

    let plan = bench.plan(VNET);
    assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
    let sentence = plan.acknowledge.clone().expect("something to acknowledge");
    assert!(sentence.contains("what was loaded by hand is lost"), "{sentence}");
    assert!(plan.warnings.iter().any(|warning| warning.contains("2222")), "{:#?}", plan.warnings);
    let start = |confirm| bench.engine.run("session", &anna(), &from_lan(), plan.id, &plan.digest, confirm, None);
    for confirm in [None, Some("yes")] {
        let refusal = start(confirm).unwrap_err();
        assert!(refusal.message.starts_with("Acknowledge first: The loaded rules differ"), "{refusal}");
    }
    let id = start(Some("acknowledged")).unwrap();
    bench.until(id, |run| run.state == RunState::AwaitingKeep);
    bench.engine.put_back(id, &anna(), &from_lan()).unwrap();
    let run = bench.until_end(id);
    assert!(!bench.tool("sbin", "pfctl", &["-s", "rules"]).contains("2222"));
    assert_eq!(run.state, RunState::RevertedInPart, "that they are gone is not hidden: {run:#?}");
    assert!(run.remedy.as_deref().is_some_and(|remedy| remedy.contains("pfctl -f")), "{run:#?}");
}

/// The shapes that a value takes in people's rc.conf, beside the stock one.
#[test]
fn what_sysrc_makes_of_rc_conf_is_shown_before_to_the_letter() {
    for line in [
        "",
        "syslogd_flags='-c -8'",
        "  syslogd_flags=\"-8 -vv\"\t# mine",
        "syslogd_flags=-s   # hush",
        "syslogd_flags=\"-8\"\nother=\"1\"\nsyslogd_flags=\"-c\"; more=\"2\"",
        "syslogd_flags=\"\"",
    ] {
        let bench = Bench::new(Scenario::Default);
        let rest: Vec<String> = bench.read("/etc/rc.conf").lines().map(str::to_owned).collect();
        let rest: Vec<String> = rest.into_iter().filter(|line| !line.contains("syslogd_flags")).collect();
        let old = format!("{}\n{line}\n", rest.join("\n"));
        bench.write("/etc/rc.conf", &old);
        let plan = bench.plan(INIT);
        let shown = plan.diffs.iter().find(|diff| diff.file == "/etc/rc.conf").unwrap();
        let run = bench.run(INIT);
        assert_eq!(run.state, RunState::AsPlanned, "{line}: {run:#?}");
        let new = bench.read("/etc/rc.conf");
        let done = pot_console::diff::Diff::between("/etc/rc.conf", old.as_bytes(), new.as_bytes());
        assert_eq!(shown.to_string(), done.to_string(), "{line}");
    }
}

#[test]
fn a_file_that_has_the_last_word_over_rc_conf_is_named() {
    for file in ["/etc/rc.conf.local", "/etc/rc.conf.d/syslogd"] {
        let bench = Bench::new(Scenario::Default);
        std::fs::create_dir_all(bench.root.join("etc/rc.conf.d")).unwrap();
        bench.write(file, "syslogd_flags=\"-8\"\n");
        let plan = bench.plan(INIT);
        let blocks = |plan: &Plan| plan.blockers.iter().any(|one| one.problem.starts_with(file));
        assert!(blocks(&plan), "{file}: {:#?}", plan.blockers);
        let Operation::Init { place_anchors, merge_syslogd_flags, minimal, leave_pf, pf_file, .. } = INIT else {
            return;
        };
        let left =
            Operation::Init { place_anchors, merge_syslogd_flags, minimal, leave_syslogd: true, leave_pf, pf_file };
        assert!(bench.plan(left).blockers.is_empty());
    }
}

#[test]
fn anchors_that_an_earlier_pot_put_at_the_top_are_mended_by_init() {
    let bench = Bench::new(Scenario::Default);
    let text = bench.read("/etc/pf.conf");
    bench.write("/etc/pf.conf", &format!("nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n{text}"));
    bench.tool("sbin", "kldload", &["pf"]);
    assert!(bench.tool("sbin", "pfctl", &["-nf", "/etc/pf.conf"]).contains("order"));
    let run = bench.run(INIT);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert_eq!(bench.tool("sbin", "pfctl", &["-nf", "/etc/pf.conf"]), "");
}

impl Bench {
    /// Keeps a file elsewhere and puts a link to it in its place, as whoever keeps a host's files together does.
    fn keep_elsewhere(&self, path: &str, target: &str, link: &str) {
        let [path, target] = [path, target].map(|path| self.root.join(path.trim_start_matches('/')));
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::rename(&path, &target).unwrap();
        std::os::unix::fs::symlink(link, &path).unwrap();
    }

    fn is_link(&self, path: &str) -> bool {
        self.root.join(path.trim_start_matches('/')).is_symlink()
    }

    fn mode(&self, path: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.root.join(path.trim_start_matches('/'));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn facts(&self) -> pot_console::facts::HostFacts {
        let layout = Layout::new(&self.root, None);
        let read =
            |path: PathBuf| pot_console::potconf::Document::parse(&std::fs::read(path).unwrap_or_default()).unwrap();
        let configuration =
            pot_console::potconf::Configuration::new(read(layout.default_conf()), read(layout.pot_conf()));
        let input = pot_console::host::GatherInput::new(&configuration, &[]);
        pot_console::host::gather(&layout, &Tools::find(&layout), &input)
    }
}

/// Words of the plan's blockers, one a line.
fn blockers(plan: &Plan) -> String {
    plan.blockers.iter().map(|one| format!("{} {}\n", one.problem, one.remedy)).collect()
}

const LINKED: [(&str, &str, &str); 3] = [
    ("/etc/pf.conf", "/usr/local/etc/host/pf.conf", "/usr/local/etc/host/pf.conf"),
    ("/etc/rc.conf", "/usr/local/etc/host/rc.conf", "../usr/local/etc/host/rc.conf"),
    ("/boot/loader.conf", "/usr/local/etc/host/loader.conf", "/usr/local/etc/host/loader.conf"),
];

#[test]
fn files_that_are_links_stay_links_and_what_they_lead_to_is_changed() {
    for (place_anchors, merge_syslogd_flags) in [(true, true), (false, false)] {
        let bench = Bench::new(Scenario::Default);
        if !place_anchors {
            // Where pot's lines at the top are no harm.
            bench.write("/etc/pf.conf", "pass all\n");
        }
        let rc = bench.read("/etc/rc.conf");
        bench.write("/etc/rc.conf", &format!("{rc}syslogd_flags=\"-s\"\npot_enable=\"YES\"\n"));
        for (path, target, link) in LINKED {
            bench.keep_elsewhere(path, target, link);
        }
        let facts = bench.facts();
        assert_eq!(facts.paths.get().unwrap()["/etc/pf.conf"].real_path(""), "/usr/local/etc/host/pf.conf");
        assert!(facts.files.get().unwrap()["/etc/rc.conf"].is_some());

        let init = Operation::Init {
            place_anchors,
            merge_syslogd_flags,
            minimal: false,
            leave_syslogd: false,
            leave_pf: false,
            pf_file: None,
        };
        let run = bench.run(init);
        assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
        assert!(bench.output(run.id).contains("$ pot init -v -s -p \n"), "{}", bench.output(run.id));
        assert!(bench.read("/usr/local/etc/host/pf.conf").contains("nat-anchor pot-nat\n"));
        assert!(bench.read("/usr/local/etc/host/rc.conf").contains("syslogd_flags=\"-b 127.0.0.1 -b 10.192.0.1 -a"));
        for (path, ..) in LINKED {
            assert!(bench.is_link(path), "{path}");
        }
        // Once is enough for what does not depend on the options.
        if !place_anchors {
            continue;
        }
        let prepare = Operation::Prepare { items: vec![Preparation::EnableRacct, Preparation::DisableVtnetLro] };
        assert_eq!(bench.run(prepare).state, RunState::AsPlanned);
        assert!(bench.read("/usr/local/etc/host/loader.conf").contains("kern.racct.enable=1"));
        let run = bench.run(Operation::DeInit { stop_pots: false, minimal: false, pf_file: None });
        assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
        assert!(!bench.read("/usr/local/etc/host/pf.conf").contains("pot-nat"));
        let run = bench.run(Operation::CleanUp { items: vec![Leftover::SyslogdFlags, Leftover::PotEnable] });
        assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
        let rc = bench.read("/usr/local/etc/host/rc.conf");
        assert!(!rc.contains("10.192.0.1") && !rc.contains("pot_enable"), "{rc}");
        for (path, ..) in LINKED {
            assert!(bench.is_link(path), "{path}");
        }
    }
}

#[test]
fn a_link_over_a_folder_of_others_stops_only_what_writes_that_file() {
    let leaving = |leave_syslogd, leave_pf| Operation::Init {
        place_anchors: true,
        merge_syslogd_flags: true,
        minimal: false,
        leave_syslogd,
        leave_pf,
        pf_file: None,
    };
    let prepare = Operation::Prepare { items: vec![Preparation::EnableRacct] };
    let de_init = |minimal| Operation::DeInit { stop_pots: false, minimal, pf_file: None };
    let bench = initialised();
    for (path, writes, free) in [
        (
            "/etc/pf.conf",
            vec![leaving(false, false), de_init(false), VNET],
            vec![leaving(true, true), de_init(true), prepare.clone()],
        ),
        ("/etc/rc.conf", vec![leaving(false, true)], vec![leaving(true, true), VNET]),
        ("/boot/loader.conf", vec![prepare.clone()], vec![leaving(false, false)]),
    ] {
        let target = format!("/home/anna/{}", path.rsplit('/').next().unwrap());
        bench.keep_elsewhere(path, &target, &target);
        bench.mode("/home/anna", 0o777);
        let why =
            format!("{path} is a link to {target}, and others than root can change /home/anna: give that to root");
        for operation in writes {
            let words = blockers(&bench.plan(operation.clone()));
            assert!(words.contains(&why), "{path} {operation:?}: {words}");
        }
        let mut found = Vec::new();
        for operation in free {
            let plan = bench.plan(operation.clone());
            assert!(!blockers(&plan).contains(path), "{path} {operation:?}: {}", blockers(&plan));
            found = plan.findings;
        }
        assert!(found.iter().any(|one| one.code == "link-not-followed" && one.message.starts_with(&why)), "{path}");
        // As advised: then everything goes on.
        bench.mode("/home/anna", 0o755);
        assert!(!blockers(&bench.plan(leaving(false, false))).contains("is a link"), "{path}");
    }
}

#[test]
fn anchors_whose_lines_end_in_a_carriage_return_are_none_wherever_they_are_counted() {
    let bench = Bench::new(Scenario::Default);
    bench.write("/etc/pf.conf", "# by a text editor elsewhere\r\nnat-anchor pot-nat\r\nrdr-anchor \"pot-rdr/*\"\r\n");
    assert_eq!(bench.facts().pf_file.get().unwrap().anchor_lines, (0, 0));
    let plan = bench.plan(INIT);
    assert_eq!(state_of(&plan, "anchors in"), StepState::Blocks, "nothing is written: {:#?}", plan.steps);
    let words = blockers(&plan);
    assert!(words.contains("line 2 holds a carriage return (CR), which pf refuses"), "{words}");
    bench.tool("sbin", "kldload", &["pf"]);
    assert!(bench.tool("sbin", "pfctl", &["-nf", "/etc/pf.conf"]).contains("syntax error"));
    // pot itself sees none either, and its sed takes none out.
    bench.tool("usr/local/bin", "pot", &["init"]);
    assert!(bench.read("/etc/pf.conf").starts_with("nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n# by a text"));
    assert_eq!(bench.facts().pf_file.get().unwrap().anchor_lines, (1, 1));
}

#[test]
fn lines_like_pots_that_pf_does_not_read_are_called_anchors_nowhere() {
    let pf_conf =
        "# moved, see below \\\nnat-anchor pot-nat\npass quick all\nblock all\nold = '\nrdr-anchor \"pot-rdr/*\"\n'\n";
    let bench = Bench::new(Scenario::Default);
    bench.write("/etc/pf.conf", pf_conf);
    let facts = bench.facts();
    assert_eq!(facts.pf_file.get().map(|file| (file.valid, file.anchor_lines)), Some((Some(true), (0, 0))));
    let by_pot = Operation::Init {
        place_anchors: false,
        merge_syslogd_flags: true,
        minimal: false,
        leave_syslogd: false,
        leave_pf: false,
        pf_file: None,
    };
    for operation in [INIT, by_pot] {
        let plan = bench.plan(operation);
        assert_eq!(state_of(&plan, "anchors in"), StepState::Blocks, "{:#?}", plan.steps);
        assert!(blockers(&plan).contains("line 2 reads like one of pot's"), "{}", blockers(&plan));
    }
    let plan = bench.plan(VNET);
    assert!(blockers(&plan).contains("does not hold pot's two anchors"), "{}", blockers(&plan));
    // pot would take the two lines out, and `pass quick all` would become a part of the note before it.
    bench.tool("usr/local/bin", "pot", &["init", "-m"]);
    let plan = bench.plan(Operation::DeInit { stop_pots: false, minimal: false, pf_file: None });
    assert!(blockers(&plan).contains("line 2 reads like one of pot's"), "{}", blockers(&plan));
    let plan = bench.plan(Operation::DeInit { stop_pots: false, minimal: true, pf_file: None });
    assert!(!blockers(&plan).contains("reads like"), "{}", blockers(&plan));
    // As advised: the line goes, with what it belongs to.
    bench.write("/etc/pf.conf", "pass quick all\nblock all\n");
    let plan = bench.plan(INIT);
    assert_eq!(state_of(&plan, "anchors in"), StepState::WillBeChanged, "{}", blocked(&plan));
}

#[test]
fn anchors_in_a_file_that_pf_refuses_are_not_said_to_stand() {
    let bench = Bench::new(Scenario::Default);
    for pf_conf in [
        "set skip on lo0\npass on\n",
        "nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\npass on\n",
        "frobnicate\nnat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n",
    ] {
        bench.write("/etc/pf.conf", pf_conf);
        let plan = bench.plan(INIT);
        assert_eq!(state_of(&plan, "anchors in"), StepState::Blocks, "{pf_conf}: {:#?}", plan.steps);
        assert!(!blocked(&plan).is_empty(), "{pf_conf}");
    }
}

#[test]
fn anchors_that_are_spelled_otherwise_call_pots_rules_as_well() {
    let bench = initialised();
    let pf_conf = bench.read("/etc/pf.conf");
    let spelled = pf_conf
        .replace("nat-anchor pot-nat", "nat-anchor \"pot-nat\" # pot's")
        .replace("rdr-anchor \"pot-rdr/*\"", "  rdr-anchor 'pot-rdr/*'");
    bench.write("/etc/pf.conf", &spelled);
    let plan = bench.plan(VNET);
    assert!(!blockers(&plan).contains("pot's two anchors"), "{}", blockers(&plan));
    let run = network_kept(&bench);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert!(bench.facts().pf.get().unwrap().calls_pot_anchors());
}

#[test]
fn a_folder_that_really_is_one_of_the_systems_is_not_given_to_pot() {
    let bench = Bench::new(Scenario::Default);
    let rc_d = bench.root.join("usr/local/etc/rc.d");
    std::fs::create_dir_all(bench.root.join("home/anna")).unwrap();
    std::os::unix::fs::symlink("/usr/local/etc", bench.root.join("home/anna/c")).unwrap();
    let before = std::fs::metadata(&rc_d).unwrap();
    for name in ["POT_FS_ROOT", "POT_CACHE", "POT_TMP"] {
        let old = bench.read("/usr/local/etc/pot/pot.conf");
        bench.set(name, "/home/anna/c/rc.d");
        let plan = bench.plan(INIT);
        let words = blockers(&plan);
        assert!(words.contains(&format!("{name} cannot be `/home/anna/c/rc.d`: ")), "{name}: {words}");
        assert!(bench.start(&plan).is_err());
        bench.write("/usr/local/etc/pot/pot.conf", &old);
        // A version that brings it is held to the same.
        let bad = pot_console::files::Backups::of(&Layout::new(&bench.root, None))
            .keep("pot.conf", "/usr/local/etc/pot/pot.conf", format!("{name}=/home/anna/c/rc.d\n").as_bytes(), None)
            .unwrap();
        let plan = bench.plan(Operation::Restore { backup: bad.digest, file: ManagedFile::PotConf });
        assert!(blockers(&plan).contains("it really is `/usr/local/etc/rc.d`"), "{name}: {}", blockers(&plan));
        // Nor may anybody be able to turn the link later.
        bench.set(name, "/home/anna/pot");
        bench.mode("/home/anna", 0o777);
        let words = blockers(&bench.plan(INIT));
        assert!(words.contains("others can change `/home/anna`: give that to root"), "{name}: {words}");
        bench.mode("/home/anna", 0o755);
        assert!(!blockers(&bench.plan(INIT)).contains(&format!("{name} cannot be")), "{name}");
        bench.write("/usr/local/etc/pot/pot.conf", &old);
    }
    let after = std::fs::metadata(&rc_d).unwrap();
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!((before.mode(), before.gid()), (after.mode(), after.gid()));
}

#[test]
fn a_place_that_stands_and_is_not_used_blocks_nothing() {
    let bench = initialised();
    bench.set("POT_CACHE", "/home/anna/cache");
    bench.set("POT_EXPORT_PORTS_PF_RULES_HOOK", "/home/anna/hook");
    std::fs::create_dir_all(bench.root.join("home/anna")).unwrap();
    bench.mode("/home/anna", 0o777);
    let vnet = blockers(&bench.plan(VNET));
    assert!(!vnet.contains("POT_CACHE") && !vnet.contains("HOOK"), "{vnet}");
    assert!(blockers(&bench.plan(INIT)).contains("POT_CACHE cannot be"));
    // Removing pot is the way out of a bad place; removing its folder there is not.
    let pot_conf = bench.read("/usr/local/etc/pot/pot.conf");
    bench.set("POT_FS_ROOT", "/home/anna/pot");
    let de_init = blockers(&bench.plan(Operation::DeInit { stop_pots: false, minimal: false, pf_file: None }));
    assert!(!de_init.contains("POT_FS_ROOT cannot be"), "{de_init}");
    let clean_up = |item| blockers(&bench.plan(Operation::CleanUp { items: vec![item] }));
    assert!(clean_up(Leftover::FsRoot).contains("POT_FS_ROOT cannot be"));
    assert!(!clean_up(Leftover::NatRules).contains("POT_FS_ROOT cannot be"));
    bench.write("/usr/local/etc/pot/pot.conf", &pot_conf);
    // A version with the same places is no news.
    let text = format!("{}# the same\n", bench.read("/usr/local/etc/pot/pot.conf"));
    let same = pot_console::files::Backups::of(&Layout::new(&bench.root, None))
        .keep("pot.conf", "/usr/local/etc/pot/pot.conf", text.as_bytes(), None)
        .unwrap();
    let plan = bench.plan(Operation::Restore { backup: same.digest, file: ManagedFile::PotConf });
    assert_eq!(blockers(&plan), "");
}

#[test]
fn tmp_as_a_link_is_used_where_it_is_and_nobody_is_told_to_change_it() {
    let bench = Bench::new(Scenario::Default);
    std::fs::create_dir_all(bench.root.join("var/tmp")).unwrap();
    bench.mode("/var/tmp", 0o1777);
    let _ = std::fs::remove_dir_all(bench.root.join("tmp"));
    std::os::unix::fs::symlink("var/tmp", bench.root.join("tmp")).unwrap();
    bench.set("POT_TMP", "/tmp");
    for operation in [INIT, VNET] {
        let words = blockers(&bench.plan(operation));
        assert!(!words.contains("POT_TMP") && !words.contains("install -d"), "{words}");
    }
    let run = bench.run(INIT);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
}

#[test]
fn an_invalid_pf_conf_keeps_nobody_from_removing_pot() {
    let bench = initialised();
    let text = bench.read("/etc/pf.conf");
    bench.write("/etc/pf.conf", &format!("{text}\npass in on on em0\n"));
    let operation = Operation::DeInit { stop_pots: false, minimal: false, pf_file: None };
    let plan = bench.plan(operation.clone());
    assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
    assert!(plan.warnings.iter().any(|warning| warning.contains("not valid after")), "{:#?}", plan.warnings);
    assert_eq!(bench.run(operation).state, RunState::AsPlanned);
}

#[test]
fn a_dataset_among_the_pots_that_is_no_pot_is_not_destroyed() {
    let bench = Bench::new(Scenario::Busy);
    let problems = |bench: &Bench| -> Vec<String> {
        let plan = bench.plan(Operation::DeInit { stop_pots: true, minimal: false, pf_file: None });
        plan.blockers.into_iter().map(|blocker| blocker.problem).collect()
    };
    assert!(!problems(&bench).iter().any(|problem| problem.contains("is no pot")), "all of them are");
    bench.tool("sbin", "zfs", &["create", "zroot/pot/jails/photos"]);
    assert!(problems(&bench).iter().any(|problem| problem.starts_with("zroot/pot/jails/photos is no pot")));
}

#[test]
fn nothing_is_offered_for_cleaning_up_while_pot_is_still_there() {
    let bench = initialised();
    let plan = bench.plan(Operation::DeInit { stop_pots: false, minimal: false, pf_file: None });
    bench.fault("busy zroot/pot/jails");
    let run = bench.until_end(bench.start(&plan).unwrap());
    assert_eq!((run.state, run.leftovers), (RunState::Differs, Vec::new()));
    simulator::clear_faults(&bench.root).unwrap();
    let run = bench.run(Operation::DeInit { stop_pots: false, minimal: false, pf_file: None });
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}");
    assert!(run.leftovers.contains(&Leftover::FsRoot), "{:?}", run.leftovers);
}

#[test]
fn pots_that_the_plan_named_outside_of_the_network_are_as_planned() {
    let bench = Bench::new(Scenario::Busy);
    std::fs::create_dir_all(bench.root.join("var/run/pot")).unwrap();
    let plan = bench.plan(VNET);
    assert!(plan.warnings.iter().any(|warning| warning.contains("old-forum")), "{:#?}", plan.warnings);
    let id = bench.start(&plan).unwrap();
    bench.until(id, |run| run.state == RunState::AwaitingKeep && run.checks.len() == 8);
    let root = Actor { name: "root".to_owned(), method: Method::CommandLine, role: None, session: None, claimed: None };
    bench.engine.keep_from_command_line(id, &root).unwrap();
    let run = bench.until_end(id);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}");
    let seen = run.checks.iter().find(|check| check.title == "Addresses of the pots").unwrap();
    assert!(seen.observed.contains("as planned outside of") && seen.observed.contains("old-forum"), "{seen:?}");
}

#[test]
fn a_plan_as_commands_does_once_what_the_run_would_do() {
    use pot_console::operations::plan_text::commands;
    let fresh = Bench::new(Scenario::Fresh);
    let items = vec![Preparation::EnableRacct, Preparation::DisableVtnetLro, Preparation::RouteLog];
    let text = commands(&fresh.plan(Operation::Prepare { items }));
    let patched: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("patch ")).collect();
    assert_eq!(
        patched,
        [
            "/boot/loader.conf <<'EOF'",
            "/usr/local/etc/syslog.d/pot-activity.conf <<'EOF'",
            "/usr/local/etc/newsyslog.conf.d/pot-activity.conf <<'EOF'"
        ],
        "{text}"
    );
    assert!(text.contains("+kern.racct.enable=1\n+hw.vtnet.lro_disable=1\n"), "both tunables in one patch: {text}");
    for line in
        ["mkdir -p /usr/local/etc/syslog.d", "install -m 640 /dev/null /var/log/pot.log", "service syslogd reload"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    let bench = initialised();
    let text = commands(&bench.plan(Operation::DeInit { stop_pots: false, minimal: false, pf_file: None }));
    assert!(text.ends_with("\npot de-init -v\n") && !text.contains("patch"), "pot takes its lines out itself: {text}");
}

/// A clock that a test sets: what it shows is added to the machine's own.
#[derive(Clone, Default)]
struct Hands {
    boot_ms: Arc<AtomicI64>,
    wall_ms: Arc<AtomicI64>,
}

impl Hands {
    fn clock(&self) -> Clock {
        let (boot, wall) = (Arc::clone(&self.boot_ms), Arc::clone(&self.wall_ms));
        Clock::new(
            move || SinceBoot(pot_console::platform::since_boot_ms() + boot.load(Ordering::Relaxed)),
            move || {
                let now = jiff::Timestamp::now().as_millisecond() + wall.load(Ordering::Relaxed);
                jiff::Timestamp::from_millisecond(now).unwrap()
            },
        )
    }

    fn pass(&self, time: Duration) {
        self.boot_ms.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    fn set_wall(&self, hours: i64) {
        self.wall_ms.store(hours * 3_600_000, Ordering::Relaxed);
    }

    fn settings(&self) -> EngineSettings {
        EngineSettings { clock: self.clock(), ..settings() }
    }
}

const LONG: Operation = Operation::VnetStart { revert_after: Some(600) };

fn waiting_for(bench: &Bench, operation: Operation) -> Run {
    let plan = bench.plan(operation);
    assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
    let id = bench.start(&plan).unwrap();
    let run = bench.until(id, |run| run.state == RunState::AwaitingKeep || run.state.is_final());
    assert_eq!(run.state, RunState::AwaitingKeep, "{run:#?}\n{}", bench.output(id));
    run
}

fn olaf() -> Actor {
    Actor { name: "olaf".to_owned(), ..anna() }
}

impl Bench {
    fn actions(&self, run: u64) -> Vec<(Action, Stage)> {
        let records = self.kept.records.lock().unwrap();
        let of_run = records.iter().filter(|record| record.entry.run == Some(run));
        of_run.map(|record| (record.entry.action, record.entry.stage)).collect()
    }

    /// The history as it was when the run waited: nobody had answered, and it had not ended.
    fn forget_how_it_ended(&self, run: u64) {
        let mut records = self.kept.records.lock().unwrap();
        records.retain(|record| record.entry.run != Some(run) || record.entry.stage == Stage::Intent);
    }

    fn outcomes(&self, run: u64) -> Vec<Outcome> {
        let records = self.kept.records.lock().unwrap();
        let of_run = records.iter().filter(|record| record.entry.run == Some(run));
        of_run.filter(|record| record.entry.stage == Stage::Outcome).filter_map(|record| record.entry.outcome).collect()
    }

    /// Puts a shell script in front of a simulated tool. `$REAL` is the tool, `$FLAG` a file that the test makes.
    fn wrap(&self, name: &str, script: &str) {
        let (tool, real) = (self.root.join("sbin").join(name), self.root.join("real").join(name));
        std::fs::create_dir_all(self.root.join("real")).unwrap();
        std::fs::rename(&tool, &real).unwrap();
        let text = format!(
            "#!/bin/sh\nREAL={}\nFLAG={}\n{script}\nexec \"$REAL\" \"$@\"\n",
            real.display(),
            self.flag().display()
        );
        std::fs::write(&tool, text).unwrap();
        std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }

    fn flag(&self) -> PathBuf {
        self.root.join("flag")
    }

    fn network_state(&self) -> NetworkState {
        let layout = Layout::new(&self.root, None);
        let tools = Tools::find(&layout);
        NetworkState::read(&Host::new(layout, tools, Vec::new()))
    }
}

#[test]
fn keep_that_comes_after_its_time_is_refused_and_not_recorded() {
    let mut bench = initialised();
    let hands = Hands::default();
    bench.restart(hands.settings());
    let before = network(&bench);
    let run = waiting_for(&bench, LONG);
    let now = pot_console::platform::since_boot_ms();
    let nonce = bench.engine.keep_nonce(run.id, now + 5, 2).unwrap();
    hands.pass(Duration::from_mins(10));
    let refusal = bench.engine.keep(run.id, &nonce, now + 6, 3, &anna(), &from_lan()).unwrap_err();
    assert_eq!(refusal.message, format!("This came too late: what run {} changed is put back.", run.id));
    let run = bench.until_end(run.id);
    assert_eq!(run.state, RunState::Reverted, "{run:#?}");
    assert!(run.summary.contains("because no answer arrived"), "{}", run.summary);
    assert_eq!(network(&bench), before);
    assert!(bench.actions(run.id).iter().all(|(action, _)| *action != Action::Keep), "{:?}", bench.actions(run.id));
    assert_eq!(bench.outcomes(run.id), [Outcome::Reverted]);
}

#[test]
fn of_two_admins_who_answer_otherwise_the_first_is_taken_and_the_second_told() {
    let bench = initialised();
    let before = network(&bench);
    let run = waiting_for(&bench, LONG);
    let now = pot_console::platform::since_boot_ms();
    let nonce = bench.engine.keep_nonce(run.id, now + 5, 2).unwrap();
    // So that putting back takes a while.
    bench.fault("pfctl slow 300");
    bench.engine.put_back(run.id, &anna(), &from_lan()).unwrap();
    let decided = bench.engine.run_state(run.id).unwrap();
    assert!(!decided.state.is_final() && decided.deadline.is_none(), "the page counts down no more: {decided:#?}");
    assert_eq!(decided.decided.map(|decided| (decided.keep, decided.by)), Some((false, Some("anna".to_owned()))));
    let refusal = bench.engine.keep(run.id, &nonce, now + 6, 3, &olaf(), &from_lan()).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Conflict, "{refusal}");
    let other = open(&bench.root, &bench.kept, &bench.closed, settings());
    let refusal = other.keep_from_command_line(run.id, &olaf()).unwrap_err();
    assert!(matches!(refusal.kind, RefusalKind::Conflict | RefusalKind::NotFound), "{refusal}");
    // Who agrees is not told that he was wrong.
    assert!(bench.engine.put_back(run.id, &olaf(), &from_lan()).is_ok());
    let run = bench.until_end(run.id);
    assert_eq!(run.state, RunState::Reverted, "{run:#?}");
    assert_eq!(network(&bench), before);
    let answers: Vec<Action> = bench
        .actions(run.id)
        .into_iter()
        .filter(|(_, stage)| *stage == Stage::Event)
        .map(|(action, _)| action)
        .collect();
    assert_eq!(answers, [Action::Revert], "one answer was taken, and one is recorded");
    assert!(!bench.root.join(format!("var/db/pot-console/root/runs/{}/answer.json", run.id)).exists());
}

#[test]
fn keep_that_cannot_be_recorded_is_refused_and_may_be_tried_again() {
    let bench = initialised();
    let run = waiting_for(&bench, LONG);
    bench.kept.full.store(true, Ordering::Relaxed);
    let refusal = bench.engine.keep_from_command_line(run.id, &anna()).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::NotRecorded);
    bench.kept.full.store(false, Ordering::Relaxed);
    bench.engine.keep_from_command_line(run.id, &anna()).unwrap();
    assert_eq!(bench.until_end(run.id).state, RunState::AsPlanned);
}

#[test]
fn a_clock_that_is_set_neither_refuses_keep_nor_changes_the_wait() {
    let mut bench = initialised();
    let hands = Hands::default();
    bench.restart(hands.settings());
    let run = waiting_for(&bench, LONG);
    // An hour back, as when the time server is reached at last.
    hands.set_wall(-1);
    let shown = bench.engine.run_state(run.id).unwrap();
    let left = shown.deadline.unwrap().duration_since(hands.clock().wall()).as_secs();
    assert!((500..=600).contains(&left), "the deadline that is shown goes with the clock: {left}");
    let now = pot_console::platform::since_boot_ms();
    let nonce = bench.engine.keep_nonce(run.id, now + 5, 2).unwrap();
    // And two hours on.
    hands.set_wall(1);
    std::thread::sleep(Duration::from_millis(500));
    bench.engine.keep(run.id, &nonce, now + 6, 3, &anna(), &from_lan()).unwrap();
    assert_eq!(bench.until_end(run.id).state, RunState::AsPlanned);
}

#[test]
fn a_clock_that_is_set_over_a_restart_gives_the_same_rest_of_the_wait() {
    let mut bench = initialised();
    let before = network(&bench);
    dies(&bench, "run-awaiting-keep", &["vnet-start", "--revert-after", "600"]);
    let hands = Hands::default();
    hands.set_wall(2);
    bench.restart(hands.settings());
    let id = bench.engine.runs(None, 1).unwrap()[0].id;
    std::thread::sleep(Duration::from_millis(600));
    let run = bench.engine.run_state(id).unwrap();
    assert_eq!(run.state, RunState::AwaitingKeep, "by the wall its time would be over: {run:#?}");
    hands.pass(Duration::from_mins(10));
    let run = bench.until_end(id);
    assert_eq!(run.state, RunState::Reverted, "{run:#?}");
    assert_eq!(network(&bench), before);
}

/// Like `open`, but what is told of runs makes their thread panic when the test says so.
fn open_with_a_fault(bench: &Bench, fault: &Arc<AtomicBool>) -> Arc<Engine> {
    let layout = Layout::new(&bench.root, None);
    let tools = Tools::find(&layout);
    let fault = Arc::clone(fault);
    let notify = Arc::new(move |_, _, _| assert!(!fault.swap(false, Ordering::Relaxed), "a fault of the console"));
    Engine::open(layout, tools, Arc::clone(&bench.kept) as Arc<dyn Recorder>, notify, settings()).unwrap()
}

#[test]
fn a_run_in_which_the_console_fails_is_put_back_at_once_and_lets_go_of_the_host() {
    let mut bench = initialised();
    let before = network(&bench);
    let fault = Arc::new(AtomicBool::new(false));
    bench.engine = open_with_a_fault(&bench, &fault);
    // In the middle of pot's work, while it waits, and in the middle of putting back.
    for place in 0..3 {
        let plan = bench.plan(LONG);
        let id = bench.start(&plan).unwrap();
        if place == 0 {
            bench.until(id, |_| bench.output(id).contains("$ pot vnet-start"));
            fault.store(true, Ordering::Relaxed);
        } else {
            bench.until(id, |run| run.state == RunState::AwaitingKeep && run.checks.len() >= 8);
            fault.store(true, Ordering::Relaxed);
            // The one who answers is told by the same way: his thread fails, the decision stands.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                bench.engine.put_back(id, &anna(), &from_lan())
            }));
            fault.store(place == 2, Ordering::Relaxed);
        }
        let run = bench.until_end(id);
        assert_eq!(run.state, RunState::Reverted, "{place}: {run:#?}\n{}", bench.output(id));
        assert_eq!(network(&bench), before, "{place}");
        assert_eq!(bench.outcomes(id), [Outcome::Reverted], "{place}");
        assert!(bench.engine.active().is_none());
        fault.store(false, Ordering::Relaxed);
    }
    // Without anything to put back it is interrupted, and the next one starts.
    let de_init = Operation::DeInit { stop_pots: false, minimal: false, pf_file: None };
    let plan = bench.plan(de_init);
    let id = bench.start(&plan).unwrap();
    bench.until(id, |_| bench.output(id).contains("$ pot de-init"));
    fault.store(true, Ordering::Relaxed);
    let run = bench.until_end(id);
    assert_eq!(run.state, RunState::Interrupted, "{run:#?}");
    assert!(run.summary.contains("a fault of the console"), "{}", run.summary);
    assert_eq!(bench.outcomes(id), [Outcome::Interrupted]);
    let run = bench.run(INIT);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}");
}

#[test]
fn a_disk_that_is_full_at_the_end_of_a_run_gives_it_one_outcome() {
    let bench = initialised();
    let run = waiting_for(&bench, LONG);
    let folder = bench.root.join(format!("var/db/pot-console/root/runs/{}", run.id));
    // run.json stays as it was while it waited: what replaces it cannot be written.
    let blocked = folder.join(".run.json.pot-console");
    std::fs::create_dir(&blocked).unwrap();
    bench.engine.put_back(run.id, &anna(), &from_lan()).unwrap();
    bench.until_end(run.id);
    for _ in 0..5 {
        bench.engine.take_up_orphans();
    }
    assert_eq!(bench.outcomes(run.id), [Outcome::Reverted]);
    assert_eq!(bench.engine.run_state(run.id).unwrap().state, RunState::Reverted);
    // A process that starts meanwhile believes the history.
    let other = open(&bench.root, &bench.kept, &bench.closed, settings());
    other.recover_at_start();
    assert_eq!(bench.outcomes(run.id), [Outcome::Reverted]);
    assert_eq!(other.run_state(run.id).unwrap().state, RunState::Reverted);
    std::fs::remove_dir(&blocked).unwrap();
    bench.engine.take_up_orphans();
    let later = open(&bench.root, &bench.kept, &bench.closed, settings());
    assert_eq!(later.run_state(run.id).unwrap().state, RunState::Reverted, "it is written once that can be done");

    // The history itself is full when it ends: its outcome is recorded later, once.
    let run = waiting_for(&bench, LONG);
    bench.kept.full.store(true, Ordering::Relaxed);
    bench.engine.put_back(run.id, &anna(), &from_lan()).unwrap();
    bench.until_end(run.id);
    bench.engine.take_up_orphans();
    assert!(bench.outcomes(run.id).is_empty());
    bench.kept.full.store(false, Ordering::Relaxed);
    for _ in 0..3 {
        bench.engine.take_up_orphans();
    }
    assert_eq!(bench.outcomes(run.id), [Outcome::Reverted]);
}

/// The whole history of the command line's journal.
fn journal(bench: &Bench) -> Vec<Record> {
    let mut local = Local::open(&Layout::new(&bench.root, None)).unwrap();
    let Ok(Reply::Records { records, .. }) = local.ask(Command::JournalAfter { after: 0, limit: 1000 }) else {
        panic!("no records")
    };
    records
}

fn call(bench: &Bench, args: &[&str]) -> (Option<i32>, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_pot-console"))
        .arg("--root")
        .arg(&bench.root)
        .args(args)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

#[test]
fn what_was_killed_at_the_command_line_is_closed_once_by_the_next_command_or_start() {
    let bench = Bench::new(Scenario::Default);
    dies(&bench, "run-command-ended#2", &["init"]);
    let id = bench.engine.runs(None, 1).unwrap()[0].id;
    let (code, text) = call(&bench, &["feedback", "list"]);
    assert_eq!(code, Some(0), "{text}");
    let run = bench.engine.run_state(id).unwrap();
    assert_eq!(run.state, RunState::Interrupted, "the next command closes it: {run:#?}");
    // One that dies while it waits: its time goes on, whoever asks.
    let (code, text) = call(&bench, &["run", "init"]);
    assert_eq!(code, Some(0), "{text}");
    dies(&bench, "run-awaiting-keep", &["vnet-start", "--revert-after", "600"]);
    let waiting = bench.engine.runs(None, 1).unwrap()[0].id;
    call(&bench, &["facts"]);
    call(&bench, &["feedback", "list"]);
    assert_eq!(bench.engine.run_state(waiting).unwrap().state, RunState::AwaitingKeep);
    // The server starts, and takes it up.
    let layout = Layout::new(&bench.root, None);
    let (executor, opening) = Executor::open(&layout, Settings::default()).unwrap();
    let watch = executor.begin_serving(&opening).unwrap();
    let (code, text) = call(&bench, &["run", "put-back", &waiting.to_string()]);
    assert_eq!(code, Some(0), "{text}");
    executor.end_serving();
    watch.join().unwrap();
    let records = journal(&bench);
    for intent in records.iter().filter(|record| record.entry.stage == Stage::Intent) {
        let outcomes: Vec<_> = records
            .iter()
            .filter(|record| record.entry.intent == Some(intent.sequence))
            .map(|record| (record.entry.outcome, record.entry.message.clone()))
            .collect();
        assert_eq!(outcomes.len(), 1, "{intent:#?}: {outcomes:#?}");
    }
    assert_eq!(bench.engine.run_state(waiting).unwrap().state, RunState::Reverted);
}

#[test]
fn a_change_of_the_configuration_that_was_killed_is_closed_by_the_next_command() {
    let bench = Bench::new(Scenario::Default);
    let killed = std::process::Command::new(env!("CARGO_BIN_EXE_pot-console"))
        .arg("--root")
        .arg(&bench.root)
        .args(["conf", "set", "POT_LOG_FACILITY=local3"])
        .env("POT_CONSOLE_CRASH_AT", "save-intended")
        .output()
        .unwrap();
    assert!(killed.status.code().is_none(), "{killed:?}");
    call(&bench, &["feedback", "list"]);
    let records = journal(&bench);
    let intent = records.iter().find(|record| record.entry.stage == Stage::Intent).unwrap();
    let outcomes: Vec<_> = records
        .iter()
        .filter(|record| record.entry.intent == Some(intent.sequence))
        .map(|record| record.entry.outcome)
        .collect();
    assert_eq!(outcomes, [Some(Outcome::Interrupted)]);
}

#[test]
fn a_keep_that_was_recorded_holds_although_its_process_died_before_it_was_done() {
    let mut bench = initialised();
    let run = waiting_for(&bench, LONG);
    let private = bench.root.join("var/db/pot-console/root");
    let stored = private.join(format!("runs/{}/run.json", run.id));
    let (pending, waiting) =
        (std::fs::read(private.join("pending-revert.json")).unwrap(), std::fs::read(&stored).unwrap());
    bench.engine.keep_from_command_line(run.id, &anna()).unwrap();
    bench.until_end(run.id);
    let kept = network(&bench);
    for with_pending in [true, false] {
        // As if it had died right after Keep was recorded.
        bench
            .kept
            .records
            .lock()
            .unwrap()
            .retain(|record| record.entry.run != Some(run.id) || record.entry.stage != Stage::Outcome);
        std::fs::write(&stored, &waiting).unwrap();
        if with_pending {
            std::fs::write(private.join("pending-revert.json"), &pending).unwrap();
        }
        bench.restart(settings());
        let run = bench.until_end(run.id);
        assert_eq!(run.state, RunState::AsPlanned, "{with_pending}: {run:#?}");
        assert!(run.summary.starts_with("Kept. The network runs as planned."), "{}", run.summary);
        assert_eq!(network(&bench), kept);
        assert!(!private.join("pending-revert.json").exists());
    }
}

#[test]
fn a_refused_keep_at_the_command_line_is_recorded() {
    let bench = initialised();
    let (code, text) = call(&bench, &["run", "keep", "77"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("Run 77 does not wait to be kept."), "{text}");
    let records = journal(&bench);
    let refusal = records.iter().find(|record| record.entry.action == Action::Refusal).expect("a record of it");
    assert_eq!(refusal.entry.outcome, Some(Outcome::Refused));
    assert!(refusal.entry.message.contains("Run 77 does not wait to be kept."), "{refusal:#?}");
}

#[test]
fn rules_of_pot_nat_that_pfctl_did_not_give_are_not_none() {
    let bench = initialised();
    bench.tool("sbin", "kldload", &["pf"]);
    bench.wrap("pfctl", r#"if [ "$*" = "-s nat -a pot-nat" ] && [ -e "$FLAG" ]; then . "$FLAG"; fi"#);
    let answer = |script: &str| {
        std::fs::write(bench.flag(), script).unwrap();
        bench.network_state().pot_nat
    };
    for absent in [
        "echo 'pfctl: DIOCGETRULES: Invalid argument' >&2; exit 0",
        "echo 'pfctl: Anchor does not exist.' >&2; exit 1",
        "echo \"Anchor 'pot-nat' not found.\" >&2; exit 1",
        "exit 0",
    ] {
        assert_eq!(answer(absent), Known::Is(Vec::new()), "{absent}");
    }
    for unknown in [
        "echo 'pfctl: DIOCGETRULES: Cannot allocate memory' >&2; exit 0",
        "echo 'nat on em0 all'; echo 'pfctl: DIOCGETRULE: Device busy' >&2; exit 0",
        "echo 'pfctl: it broke' >&2; exit 1",
        "kill -9 $$",
        "printf '%1200000s' x; exit 0",
    ] {
        let got = answer(unknown);
        assert!(matches!(&got, Known::Unknown(_)), "{unknown}: {got:?}");
    }
    // Nothing starts that could not be put back.
    std::fs::remove_file(bench.flag()).unwrap();
    let plan = bench.plan(LONG);
    std::fs::write(bench.flag(), "echo 'pfctl: it broke' >&2; exit 1").unwrap();
    let refusal = bench.start(&plan).unwrap_err();
    assert!(refusal.message.contains("Nothing has been changed."), "{refusal}");
    assert!(bench.engine.runs(None, 5).unwrap().iter().all(|run| run.plan.operation != LONG));
}

#[test]
fn putting_back_tries_each_step_although_nothing_of_the_host_can_be_seen() {
    let bench = initialised();
    let before = network(&bench);
    for (tool, asks) in [("pfctl", "-s*"), ("sysctl", "-n*"), ("ifconfig", "-a*")] {
        bench.wrap(
            tool,
            &format!(
                "if [ -e \"$FLAG\" ]; then case \"$*\" in {asks}) echo '{tool}: no answer' >&2; exit 71;; esac; fi"
            ),
        );
    }
    let run = waiting_for(&bench, LONG);
    std::fs::write(bench.flag(), "").unwrap();
    bench.engine.put_back(run.id, &anna(), &from_lan()).unwrap();
    let run = bench.until_end(run.id);
    std::fs::remove_file(bench.flag()).unwrap();
    assert_eq!(network(&bench), before, "{}", bench.output(run.id));
    assert_eq!(run.state, RunState::RevertedInPart, "what could not be seen is not called put back: {run:#?}");
    assert!(run.summary.contains("could not be seen"), "{}", run.summary);
}

#[test]
fn what_was_seen_before_a_put_back_does_not_stand_beside_what_is_seen_after() {
    let bench = initialised();
    let run = waiting_for(&bench, LONG);
    bench.until(run.id, |run| run.checks.len() >= 8);
    bench.engine.put_back(run.id, &anna(), &from_lan()).unwrap();
    let run = bench.until_end(run.id);
    assert_eq!(run.state, RunState::Reverted);
    let standing: Vec<&str> = run.standing_checks().map(|check| check.title.as_str()).collect();
    assert_eq!(standing.len(), 5, "{standing:?}");
    assert!(standing.iter().all(|title| title.starts_with("Put back: ")), "{standing:?}");
    let forwarding = run.checks.iter().find(|check| check.title == "IP forwarding").unwrap();
    assert!(forwarding.before_put_back, "{forwarding:?}");
    let words: Vec<_> = (0..run.plan.steps.len()).filter_map(|index| run.step_at_end(index)).collect();
    assert!(words.iter().any(|(word, _)| *word == "done, then put back"), "{words:?}");
}

#[test]
fn the_steps_of_a_run_that_has_ended_say_what_became_of_them() {
    let bench = Bench::new(Scenario::Default);
    let plan = bench.plan(INIT);
    assert!(plan.steps.iter().any(|step| step.detail.starts_with("will be created")));
    let run = bench.run(INIT);
    let details: Vec<_> = (0..run.plan.steps.len()).filter_map(|index| run.step_at_end(index)).collect();
    assert_eq!(details.len(), run.plan.steps.len());
    assert!(details.iter().any(|(word, detail)| *word == "created" && detail.starts_with("created, ")), "{details:#?}");
    assert!(details.iter().all(|(_, detail)| !detail.contains("will be")), "{details:#?}");
}

#[test]
fn a_put_back_ends_when_pf_has_let_go_of_the_anchors_and_the_next_start_is_planned_at_once() {
    let bench = initialised();
    bench.tool("sbin", "kldload", &["pf"]);
    // pf lists emptied anchors until its purge thread has come by.
    bench.wrap(
        "pfctl",
        r#"if [ "$*" = "-s Anchors" ] && [ -e "$FLAG" ]; then echo '  pot-nat'; echo '  pot-rdr'; exit 0; fi"#,
    );
    let run = waiting_for(&bench, LONG);
    std::fs::write(bench.flag(), "").unwrap();
    let begun = Instant::now();
    bench.engine.put_back(run.id, &anna(), &from_lan()).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let still = bench.engine.run_state(run.id).unwrap();
    assert!(!still.state.is_final(), "it waits for them: {still:#?}");
    std::fs::remove_file(bench.flag()).unwrap();
    let run = bench.until_end(run.id);
    assert!(begun.elapsed() >= Duration::from_secs(3));
    assert_eq!(run.state, RunState::Reverted, "{run:#?}");
    let plan = bench.plan(LONG);
    assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
    // A console that stops does not wait for them.
    let run = waiting_for(&bench, LONG);
    std::fs::write(bench.flag(), "").unwrap();
    let begun = Instant::now();
    bench.engine.shutdown();
    let run = bench.engine.run_state(run.id).unwrap();
    assert_eq!(run.state, RunState::Reverted);
    assert!(run.summary.contains("pf still lists pot-nat and pot-rdr"), "{}", run.summary);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn what_someone_else_writes_during_a_run_stands_and_is_named_in_its_result() {
    let bench = initialised();
    let run = waiting_for(&bench, LONG);
    let rc = bench.read("/etc/rc.conf") + "sshd_enable=\"YES\"\n";
    bench.write("/etc/rc.conf", &rc);
    let pf = bench.read("/etc/pf.conf") + "pass all\n";
    bench.write("/etc/pf.conf", &pf);
    bench.engine.keep_from_command_line(run.id, &anna()).unwrap();
    let kept = bench.until_end(run.id);
    let words = "Meanwhile /etc/pf.conf, /etc/rc.conf were written by someone else; they stand as they wrote it.";
    assert!(kept.summary.contains(words), "{}", kept.summary);
    assert_eq!((bench.read("/etc/rc.conf"), bench.read("/etc/pf.conf")), (rc, pf));
    assert!(bench.kept.records.lock().unwrap().last().unwrap().entry.message.contains(words), "the history, too");
    // Nobody did: nothing is said.
    let run = bench.run(VNET);
    assert!(!run.summary.contains("someone else"), "{}", run.summary);
}

#[test]
fn a_run_whose_host_could_not_be_looked_at_is_not_called_as_planned() {
    let bench = Bench::new(Scenario::Default);
    let plan = bench.plan(INIT);
    let id = bench.start(&plan).unwrap();
    bench.until(id, |_| bench.output(id).contains("$ pot init"));
    // pot.conf is no file any more when the run is compared with its plan.
    let conf = bench.root.join("usr/local/etc/pot/pot.conf");
    bench.until(id, |_| bench.output(id).contains("ended with status") || bench.output(id).contains("creating"));
    std::fs::remove_file(&conf).unwrap();
    std::fs::create_dir(&conf).unwrap();
    let run = bench.until_end(id);
    assert_eq!(run.state, RunState::Differs, "{run:#?}");
    assert!(!run.checks.is_empty() && run.checks.iter().all(|check| check.as_planned.is_none()), "{:#?}", run.checks);
}

const DE_INIT: Operation = Operation::DeInit { stop_pots: true, minimal: false, pf_file: None };

#[test]
fn an_rc_conf_that_could_not_be_read_stops_init_and_loses_no_flag_of_syslogd() {
    let bench = Bench::new(Scenario::Default);
    let rc = bench.read("/etc/rc.conf");
    bench.write("/etc/rc.conf", &format!("{rc}\nsyslogd_flags=\"-ss\"\n"));
    bench.fault("sysrc fail 1 sysrc: out of memory");
    let plan = bench.plan(INIT);
    let problems: Vec<&str> = plan.blockers.iter().map(|blocker| blocker.problem.as_str()).collect();
    assert!(problems.iter().any(|problem| problem.starts_with("rc.conf could not be read")), "{problems:?}");
    assert!(plan.diffs.iter().all(|diff| !diff.file.ends_with("rc.conf")), "{:?}", plan.diffs);
    assert_eq!(state_of(&plan, "syslogd_flags"), StepState::Blocks);
    assert!(bench.start(&plan).is_err());
}

#[test]
fn what_could_not_be_asked_is_not_called_missing() {
    let bench = Bench::new(Scenario::Default);
    bench.fault("getent fail 1 getent: no answer");
    let plan = bench.plan(INIT);
    let problems: Vec<&str> = plan.blockers.iter().map(|blocker| blocker.problem.as_str()).collect();
    assert!(problems.iter().any(|problem| problem.starts_with("The list of groups could not be read")), "{problems:?}");
    assert!(!problems.iter().any(|problem| problem.contains("does not exist")), "{problems:?}");
    bench.fault("pfctl fail 1 pfctl: DIOCGETSTATUS: Device busy");
    let plan = bench.plan(Operation::CleanUp { items: vec![Leftover::NatRules] });
    let problems: Vec<&str> = plan.blockers.iter().map(|blocker| blocker.problem.as_str()).collect();
    assert!(problems.iter().any(|problem| problem.starts_with("The state of pf could not be read")), "{problems:?}");
}

#[test]
fn datasets_that_are_not_mounted_are_mounted_by_init() {
    let bench = initialised();
    for name in ["zroot/pot/bases", "zroot/pot/cache"] {
        bench.tool("sbin", "zfs", &["unmount", name]);
    }
    let plan = bench.plan(INIT);
    assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
    assert!(plan.summary.contains("ounts 2 datasets"), "{}", plan.summary);
    assert_eq!(state_of(&plan, "dataset zroot/pot/bases"), StepState::WillBeChanged);
    let run = bench.until_end(bench.start(&plan).unwrap());
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    let mounted = bench.tool("sbin", "zfs", &["list", "-H", "-o", "mounted", "zroot/pot/bases", "zroot/pot/cache"]);
    assert_eq!(mounted, "yes\nyes\n");

    // Without its key nothing can mount it, and the plan says what to do.
    bench.tool("sbin", "zfs", &["unmount", "zroot/pot/fscomp"]);
    bench.fault("locked zroot/pot/fscomp");
    let plan = bench.plan(INIT);
    let blocker = plan.blockers.first().unwrap();
    assert!(blocker.problem.contains("its key is not loaded"), "{blocker:?}");
    assert!(blocker.remedy.contains("zfs load-key -r zroot/pot/fscomp"), "{blocker:?}");
}

#[test]
fn a_dataset_that_cannot_be_looked_at_is_not_called_no_pot_and_not_advised_to_be_destroyed() {
    let bench = Bench::new(Scenario::Busy);
    let names = bench.tool("sbin", "zfs", &["list", "-H", "-o", "name", "-d", "1", "zroot/pot/jails"]);
    let mut unmounted = None;
    for name in names.lines().skip(1) {
        // Those below it first.
        let below = bench.tool("sbin", "zfs", &["list", "-H", "-r", "-o", "name", name]);
        for dataset in below.lines().rev() {
            bench.tool("sbin", "zfs", &["unmount", dataset]);
        }
        if bench.tool("sbin", "zfs", &["list", "-H", "-o", "mounted", name]) == "no\n" {
            unmounted = Some(name);
            break;
        }
    }
    let name = unmounted.expect("no pot's dataset could be unmounted");
    let plan = bench.plan(DE_INIT);
    let of_it: Vec<_> = plan.blockers.iter().filter(|blocker| blocker.problem.contains(name)).collect();
    assert!(
        matches!(of_it.as_slice(), [one] if one.problem.contains("is not mounted: what is in it cannot be looked at")),
        "{of_it:?}"
    );
    assert_eq!(of_it[0].remedy, format!("Mount it first: zfs mount {name}"));
    assert!(plan.blockers.iter().all(|blocker| !blocker.remedy.contains("destroy -r")), "{:#?}", plan.blockers);
    // Who follows the advice has one thing less in the way.
    bench.tool("sbin", "zfs", &["mount", name]);
    let plan = bench.plan(DE_INIT);
    assert!(plan.blockers.iter().all(|blocker| !blocker.problem.contains(name)), "{:#?}", plan.blockers);
}

#[test]
fn many_snapshots_are_counted_and_the_first_ones_listed() {
    let bench = initialised();
    bench.fault("snapshots zroot/pot/jails 120000");
    let begun = Instant::now();
    let init = bench.plan(INIT);
    assert!(init.blockers.is_empty(), "{:#?}", init.blockers);
    let plan = bench.plan(DE_INIT);
    println!("two plans beside 120,000 snapshots took {:?}", begun.elapsed());
    assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
    let all = plan.snapshots.as_ref().unwrap();
    assert!(all.count >= 120_000, "{}", all.count);
    let listed = plan.destroys.iter().filter(|dataset| dataset.kind == "snapshot").count();
    assert_eq!(listed, 200);
    assert_eq!(plan.unlisted_snapshots(), Some(all.count - 200));
    let step = plan.steps.iter().find(|step| step.title.contains("dataset zroot/pot and")).unwrap();
    assert!(step.detail.contains("120000 snapshots"), "{}", step.detail);
    let size = serde_json::to_vec(&plan).unwrap().len();
    assert!(size < 1 << 20, "the plan has {size} bytes");
    // One that comes or goes is another plan.
    bench.fault("snapshots zroot/pot/jails 1");
    assert_ne!(bench.plan(DE_INIT).digest, plan.digest);
    bench.fault("zfs fail 1 internal error: pool I/O is currently suspended");
    let plan = bench.plan(DE_INIT);
    assert!(plan.blockers.iter().any(|blocker| blocker.problem.contains("suspended")), "{:#?}", plan.blockers);
}

#[test]
fn a_tunable_counts_as_the_last_file_of_the_loader_sets_it() {
    let bench = Bench::new(Scenario::Fresh);
    let prepare = || Operation::Prepare { items: vec![Preparation::EnableRacct] };
    bench.write("/boot/loader.conf.local", "kern.racct.enable=0\n");
    let plan = bench.plan(prepare());
    let blocker = plan.blockers.first().unwrap();
    assert!(blocker.problem.contains("/boot/loader.conf.local sets kern.racct.enable=0"), "{blocker:?}");
    // Following the advice: the other file says so now, and nothing is left to do.
    bench.write("/boot/loader.conf.local", "kern.racct.enable=1\n");
    let plan = bench.plan(prepare());
    assert!(plan.blockers.is_empty() && plan.nothing_to_do, "{:#?}", plan.steps);
    assert!(plan.steps[0].detail.contains("/boot/loader.conf.local"), "{}", plan.steps[0].detail);
    bench.write("/boot/loader.conf.local", "");
    let run = bench.run(prepare());
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}");
    let check = run.checks.iter().find(|check| check.title.contains("next boot")).unwrap();
    assert_eq!(check.observed, "1 (/boot/loader.conf)");
}

fn root_at_the_machine() -> Actor {
    Actor { name: "root".to_owned(), method: Method::CommandLine, role: None, session: None, claimed: None }
}

/// Starts the network and keeps it.
fn network_kept(bench: &Bench) -> Run {
    let run = waiting(bench);
    bench.engine.keep_from_command_line(run.id, &root_at_the_machine()).unwrap();
    bench.until_end(run.id)
}

/// The host as another release, from its next boot on.
fn as_release(bench: &Bench, version: &str) {
    bench.tool("usr/sbin", "simctl", &["release", version]);
    simulator::reboot(&bench.root).unwrap();
}

fn route_log() -> Operation {
    Operation::Prepare { items: vec![Preparation::RouteLog] }
}

/// What stands in the way, in one text.
fn blocked(plan: &Plan) -> String {
    plan.blockers.iter().map(|one| format!("{} {}\n", one.problem, one.remedy)).collect()
}

#[test]
fn the_hosts_own_syslogd_flags_come_back_with_clean_up() {
    for line in ["syslogd_flags=\"-s -v -v\"\n", "syslogd_flags='-svn'\n", ""] {
        let bench = Bench::new(Scenario::Default);
        let rest: String = bench
            .read("/etc/rc.conf")
            .lines()
            .filter(|line| !line.contains("syslogd_flags"))
            .fold(String::new(), |text, line| format!("{text}{line}\n"));
        let before = format!("{rest}{line}");
        bench.write("/etc/rc.conf", &before);
        assert_eq!(bench.run(INIT).state, RunState::AsPlanned);
        assert!(bench.read("/etc/rc.conf").contains("-a 10.192.0.0/10"), "{line}");
        let run = bench.run(DE_INIT);
        assert!(run.leftovers.contains(&Leftover::SyslogdFlags), "{line}: {run:#?}");
        let run = bench.run(Operation::CleanUp { items: vec![Leftover::SyslogdFlags] });
        assert_eq!(run.state, RunState::AsPlanned, "{line}: {run:#?}");
        assert_eq!(bench.read("/etc/rc.conf"), before);
    }
}

#[test]
fn an_admins_own_pot_conf_of_syslog_stays_and_goes_on_forwarding() {
    let bench = Bench::new(Scenario::Fresh);
    let own = "!pot\n*.*\t@loghost.example.org:514\n!*\nlocal3.*\t/var/log/nomad.log\n";
    let rotated = "/var/log/nomad.log\t600\t7\t100\t*\tJ\n";
    for (folder, text) in [("syslog.d", own), ("newsyslog.conf.d", rotated)] {
        std::fs::create_dir_all(bench.root.join(format!("usr/local/etc/{folder}"))).unwrap();
        bench.write(&format!("/usr/local/etc/{folder}/pot.conf"), text);
    }
    let run = bench.run(route_log());
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert_eq!(bench.read("/usr/local/etc/syslog.d/pot.conf"), own);
    assert_eq!(bench.read("/usr/local/etc/newsyslog.conf.d/pot.conf"), rotated);
    assert!(bench.read("/usr/local/etc/syslog.d/pot-activity.conf").contains("local2.*"));
    bench.tool("usr/bin", "logger", &["-p", "local2.info", "-t", "pot", "pot-start web1"]);
    assert_eq!(bench.read("/var/log/pot.log").lines().count(), 1, "{}", bench.read("/var/log/pot.log"));
    assert!(bench.plan(route_log()).nothing_to_do);
}

#[test]
fn what_an_earlier_version_wrote_moves_so_that_no_line_is_written_twice() {
    use pot_console::operations::log_routing::{OLD_ROTATION, OLD_RULE, ROTATION, RULE, rotation, rule};
    let bench = Bench::new(Scenario::Fresh);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    for (path, bytes) in [(OLD_RULE, rule("local2")), (OLD_ROTATION, rotation())] {
        std::fs::create_dir_all(bench.root.join(path.trim_start_matches('/')).parent().unwrap()).unwrap();
        bench.write(path, &text(bytes));
    }
    bench.write("/var/log/pot.log", "");
    let plan = bench.plan(route_log());
    assert_eq!(state_of(&plan, "old /usr/local/etc/syslog.d/pot.conf"), StepState::WillBeDestroyed);
    let run = bench.until_end(bench.start(&plan).unwrap());
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    for (old, new, bytes) in [(OLD_RULE, RULE, rule("local2")), (OLD_ROTATION, ROTATION, rotation())] {
        assert!(!bench.root.join(old.trim_start_matches('/')).exists(), "{old}");
        assert_eq!(bench.read(new), text(bytes));
    }
    bench.tool("usr/bin", "logger", &["-p", "local2.info", "-t", "pot", "pot-start web1"]);
    assert_eq!(bench.read("/var/log/pot.log").lines().count(), 1, "{}", bench.read("/var/log/pot.log"));
    // The old text back beside the new file would write everything twice.
    let layout = Layout::new(&bench.root, None);
    let kept = pot_console::files::Backups::of(&layout).list(Some("syslog.d-pot.conf")).unwrap().remove(0);
    let back = bench.plan(Operation::Restore { backup: kept.digest, file: ManagedFile::SyslogConf });
    assert!(blocked(&back).contains("written or rotated twice"), "{}", blocked(&back));
}

#[test]
fn a_syslog_conf_that_includes_no_folder_gets_the_line_that_is_missing() {
    let main = "*.notice\t/var/log/messages\n!ppp\n*.*\t/var/log/ppp.log\n";
    for sleeping in [false, true] {
        let bench = Bench::new(Scenario::Fresh);
        bench.write("/etc/syslog.conf", main);
        std::fs::create_dir_all(bench.root.join("usr/local/etc/syslog.d")).unwrap();
        if sleeping {
            bench.write("/usr/local/etc/syslog.d/old.conf", "*.*\t@loghost.example.org\n");
        }
        let plan = bench.plan(route_log());
        assert!(plan.diffs.iter().any(|diff| diff.file == "/etc/syslog.conf"), "{:#?}", plan.diffs);
        let run = bench.until_end(bench.start(&plan).unwrap());
        assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
        let now = bench.read("/etc/syslog.conf");
        assert!(now.starts_with(main), "{now}");
        // Lines of others that nobody reads are not woken by the way.
        assert_eq!(now.contains("include"), !sleeping, "{now}");
        assert_eq!(plan.warnings.iter().any(|one| one.contains("old.conf")), sleeping, "{:#?}", plan.warnings);
        bench.tool("usr/bin", "logger", &["-p", "local2.info", "-t", "pot", "pot-start web1"]);
        assert!(bench.read("/var/log/pot.log").contains("pot-start web1"));
        assert!(bench.plan(route_log()).nothing_to_do, "it does not say so without end");
    }
}

#[test]
fn the_file_that_syslogds_flags_name_is_the_one_that_gets_the_line() {
    let bench = Bench::new(Scenario::Fresh);
    let stock = bench.read("/etc/syslog.conf");
    bench.write("/etc/my-syslog.conf", "*.notice\t/var/log/messages\n");
    bench.tool("usr/sbin", "sysrc", &["syslogd_flags=-s -f /etc/my-syslog.conf"]);
    bench.tool("usr/sbin", "service", &["syslogd", "restart"]);
    let run = bench.run(route_log());
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert_eq!(bench.read("/etc/syslog.conf"), stock);
    assert!(bench.read("/etc/my-syslog.conf").contains("include"));
    bench.tool("usr/bin", "logger", &["-p", "local2.info", "-t", "pot", "pot-start web1"]);
    assert!(bench.read("/var/log/pot.log").contains("pot-start web1"));
}

#[test]
fn another_log_that_is_missing_does_not_make_a_good_one_lost() {
    let bench = Bench::new(Scenario::Fresh);
    bench.write("/etc/syslog.conf", "*.*\t/var/log/all.log\ninclude\t/usr/local/etc/syslog.d\n");
    std::fs::create_dir_all(bench.root.join("usr/local/etc/syslog.d")).unwrap();
    bench.write("/usr/local/etc/syslog.d/own.conf", "local2.*\t/var/log/pot.log\n");
    bench.write("/var/log/pot.log", "");
    let plan = bench.plan(route_log());
    assert!(plan.nothing_to_do && plan.blockers.is_empty(), "{plan:#?}");
    assert!(plan.warnings.iter().any(|one| one.contains("/var/log/all.log")), "{:#?}", plan.warnings);
}

#[test]
fn the_network_is_not_started_before_pot_is_initialised() {
    let bench = Bench::new(Scenario::Default);
    let text = bench.read("/etc/pf.conf");
    for anchors in [false, true] {
        if anchors {
            let at = text.find("nat on").or_else(|| text.find("pass")).or_else(|| text.find("block")).unwrap();
            let (head, tail) = text.split_at(at);
            bench.write("/etc/pf.conf", &format!("{head}nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n{tail}"));
        }
        let plan = bench.plan(VNET);
        let first = plan.blockers.iter().find(|one| one.problem.starts_with("pot is not initialised"));
        assert_eq!(first.map(|one| one.remedy.as_str()), Some("Run pot init first."), "{:#?}", plan.blockers);
        assert!(!plan.warnings.iter().any(|one| one.contains("without it")), "{:#?}", plan.warnings);
    }
}

#[test]
fn a_missing_pot_tmp_is_made_for_root_alone_and_tmp_is_left_as_it_is() {
    use std::os::unix::fs::MetadataExt as _;
    let bench = Bench::new(Scenario::Default);
    bench.set("POT_TMP", "/var/run/pot/tmp");
    let plan = bench.plan(INIT);
    assert!(plan.blockers.is_empty(), "{}", blocked(&plan));
    assert_eq!(state_of(&plan, "POT_TMP /var/run/pot/tmp"), StepState::WillBeCreated);
    assert!(pot_console::operations::plan_text::commands(&plan).contains("install -d -m 700 /var/run/pot/tmp\n"));
    let run = bench.until_end(bench.start(&plan).unwrap());
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    let mode = |path: &str| bench.root.join(path).metadata().unwrap().mode() & 0o7777;
    assert_eq!((mode("var/run/pot/tmp"), mode("var/run/pot") & 0o700), (0o700, 0o700));
    // Gone after a reboot: the network makes it again.
    simulator::reboot(&bench.root).unwrap();
    let _ = std::fs::remove_dir_all(bench.root.join("var/run/pot"));
    assert_eq!(network_kept(&bench).state, RunState::AsPlanned);
    assert_eq!(mode("var/run/pot/tmp"), 0o700);

    let linked = Bench::new(Scenario::Default);
    let _ = std::fs::remove_dir_all(linked.root.join("tmp"));
    std::fs::create_dir_all(linked.root.join("var/tmp")).unwrap();
    std::os::unix::fs::symlink("var/tmp", linked.root.join("tmp")).unwrap();
    linked.set("POT_TMP", "/tmp");
    let plan = linked.plan(INIT);
    assert!(!blocked(&plan).contains("tmp"), "{}", blocked(&plan));
    assert!(!pot_console::operations::plan_text::commands(&plan).contains("700"), "its mode is nobody's business");
}

fn private_tmp() -> Operation {
    Operation::Prepare { items: vec![Preparation::PrivateTmp] }
}

/// The row of Host about temporary files, and the findings, as they are now.
fn row_and_findings(bench: &Bench) -> (pot_console::host::Row, Vec<String>) {
    let layout = Layout::new(&bench.root, None);
    let read = |path: PathBuf| pot_console::potconf::Document::parse(&std::fs::read(path).unwrap()).unwrap();
    let configuration = pot_console::potconf::Configuration::new(read(layout.default_conf()), read(layout.pot_conf()));
    let facts = bench.facts();
    let rows = pot_console::host::readiness(&facts, &configuration, &[]);
    let subject = pot_console::rules::Subject::new(&configuration).on(Some(&facts));
    let codes = pot_console::rules::check(&subject).into_iter().map(|finding| finding.code).collect();
    (rows.into_iter().find(|row| row.id == "tmp").unwrap(), codes)
}

#[test]
fn temporary_files_of_pot_move_to_a_folder_of_roots_alone_and_everything_goes_on() {
    use pot_console::host::RowState;
    use std::os::unix::fs::MetadataExt as _;
    let bench = Bench::new(Scenario::Default);
    let text = bench.read("/usr/local/etc/pot/pot.conf");
    let (row, findings) = row_and_findings(&bench);
    assert_eq!((row.state, row.needed, row.action), (RowState::ToDo, false, Some(Preparation::PrivateTmp)));
    let plan = bench.plan(private_tmp());
    assert!(plan.blockers.is_empty(), "{}", blocked(&plan));
    assert_eq!(plan.summary, "Gives pot a folder of root's alone for temporary files.");
    let typed = pot_console::operations::plan_text::commands(&plan);
    assert!(typed.contains("install -d -m 700 /var/run/pot\n") && typed.contains("+POT_TMP=/var/run/pot\n"), "{typed}");
    assert_eq!(bench.read("/usr/local/etc/pot/pot.conf"), text, "a plan changes nothing");

    let run = bench.until_end(bench.start(&plan).unwrap());
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert_eq!(bench.root.join("var/run/pot").metadata().unwrap().mode() & 0o7777, 0o700);
    let versions = pot_console::files::Backups::of(&Layout::new(&bench.root, None)).list(Some("pot.conf")).unwrap();
    assert!(!versions.is_empty(), "what stood there is kept");
    let records = bench.kept.records.lock().unwrap().clone();
    let record = records.iter().find(|record| record.entry.message.contains("POT_TMP")).unwrap();
    assert_eq!((record.entry.actor.name.as_str(), record.entry.action), ("anna", Action::Readiness));

    // The advice was followed; looked at again, nothing else is wrong, and everything goes on.
    let (row, after) = row_and_findings(&bench);
    assert_eq!((row.state, after), (RowState::Ready, findings));
    assert!(bench.plan(private_tmp()).nothing_to_do);
    assert_eq!(bench.run(INIT).state, RunState::AsPlanned);
    assert_eq!(network_kept(&bench).state, RunState::AsPlanned);
    simulator::reboot(&bench.root).unwrap();
    assert_eq!(row_and_findings(&bench).0.state, RowState::Ready, "a boot takes files out of /var/run, not folders");
    assert_eq!(network_kept(&bench).state, RunState::AsPlanned);
}

#[test]
fn pot_keeps_its_folder_for_temporary_files_while_pots_run() {
    let bench = Bench::new(Scenario::Busy);
    bench.set("POT_TMP", "/tmp");
    let text = bench.read("/usr/local/etc/pot/pot.conf");
    let plan = bench.plan(private_tmp());
    assert!(blocked(&plan).contains("pot stop refuses them") && blocked(&plan).contains("Stop all pots"), "{plan:#?}");
    assert!(bench.start(&plan).is_err());
    bench.fault("jls fail 1 jls: not now");
    assert!(blocked(&bench.plan(private_tmp())).contains(", or may: "), "not seen is not stopped");

    // One that starts between the plan and its run.
    let quiet = initialised();
    network_kept(&quiet);
    quiet.tool("usr/local/bin", "pot", &["create", "-p", "web1", "-b", "14.3", "-N", "public-bridge"]);
    let plan = quiet.plan(private_tmp());
    assert!(plan.blockers.is_empty(), "{}", blocked(&plan));
    let before = quiet.read("/usr/local/etc/pot/pot.conf");
    quiet.tool("usr/local/bin", "pot", &["start", "web1"]);
    assert!(quiet.facts().pots.get().unwrap().iter().any(|pot| pot.running == Some(true)), "it runs");
    if let Ok(id) = quiet.start(&plan) {
        let run = quiet.until_end(id);
        assert_eq!(run.state, RunState::Differs, "{run:#?}");
        assert!(quiet.output(id).contains("POT_TMP stays as it is."), "{}", quiet.output(id));
    }
    assert_eq!(quiet.read("/usr/local/etc/pot/pot.conf"), before);
    assert_eq!(bench.read("/usr/local/etc/pot/pot.conf"), text);
}

#[test]
fn a_folder_for_temporary_files_that_cannot_be_had_is_said_with_what_to_do() {
    let fresh = Bench::new(Scenario::Fresh);
    assert!(blocked(&fresh.plan(private_tmp())).contains("Install pot first"), "{:#?}", fresh.plan(private_tmp()));

    let plan_with = |prepare: &dyn Fn(&Bench)| {
        let bench = Bench::new(Scenario::Default);
        prepare(&bench);
        let plan = bench.plan(private_tmp());
        assert!(!plan.blockers.is_empty() && !plan.blockers[0].remedy.is_empty(), "{plan:#?}");
        blocked(&plan)
    };
    let open = plan_with(&|bench| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::create_dir_all(bench.root.join("var/run/pot")).unwrap();
        std::fs::set_permissions(bench.root.join("var/run/pot"), std::fs::Permissions::from_mode(0o777)).unwrap();
    });
    assert!(open.contains("is not a folder that only root can write"), "{open}");
    let link = plan_with(&|bench| {
        std::os::unix::fs::symlink("/opt", bench.root.join("var/run/pot")).unwrap();
    });
    assert!(link.contains("is not a folder that only root can write"), "{link}");
    let computed = plan_with(&|bench| bench.set("POT_TMP", "$(mktemp -d)"));
    assert!(computed.contains("not certain"), "{computed}");
    let nested = plan_with(&|bench| bench.set("POT_CACHE", "/var/run/pot"));
    assert!(nested.contains("With POT_TMP=/var/run/pot: "), "{nested}");
}

#[test]
fn a_bridge_or_a_tunnel_joins_no_bridge() {
    let bench = initialised();
    bench.tool("sbin", "ifconfig", &["bridge7", "create"]);
    bench.tool("sbin", "ifconfig", &["bridge7", "inet", "192.168.77.2/24"]);
    bench.tool("sbin", "ifconfig", &["tun0", "create"]);
    for (external, kind) in [("bridge7", "a bridge"), ("tun0", "no Ethernet interface")] {
        bench.set("POT_EXTIF", external);
        for stack in ["dual", "ipv6"] {
            bench.set("POT_NETWORK_STACK", stack);
            let plan = bench.plan(VNET);
            let words = format!("POT_EXTIF {external} is {kind}: if_bridge(4) does not take it as a member.");
            assert!(blocked(&plan).contains(&words), "{stack}: {}", blocked(&plan));
        }
        bench.set("POT_NETWORK_STACK", "ipv4");
        let plan = bench.plan(VNET);
        assert!(plan.blockers.is_empty(), "{external} is right for ipv4: {}", blocked(&plan));
    }
}

#[test]
fn the_whole_job_is_done_on_releases_14_and_15() {
    for release in ["14.3-RELEASE", "15.0-RELEASE"] {
        let bench = Bench::new(Scenario::Default);
        as_release(&bench, release);
        let before = (bench.read("/etc/rc.conf"), bench.read("/etc/pf.conf"));
        let plan = bench.plan(INIT);
        assert!(plan.blockers.is_empty(), "{release}: {}", blocked(&plan));
        let run = bench.until_end(bench.start(&plan).unwrap());
        assert_eq!(run.state, RunState::AsPlanned, "{release}: {run:#?}\n{}", bench.output(run.id));
        let run = network_kept(&bench);
        assert_eq!(run.state, RunState::AsPlanned, "{release}: {run:#?}\n{}", bench.output(run.id));
        let run = bench.run(DE_INIT);
        assert_eq!(run.state, RunState::AsPlanned, "{release}: {run:#?}\n{}", bench.output(run.id));
        assert!(run.leftovers.contains(&Leftover::PfRules), "{release}: {run:#?}");
        assert!(bench.tool("sbin", "pfctl", &["-s", "nat"]).contains("pot-nat"), "they are still loaded");
        let rules = bench.tool("sbin", "pfctl", &["-s", "rules"]);
        let run = bench.run(Operation::CleanUp { items: run.leftovers });
        assert_eq!(run.state, RunState::AsPlanned, "{release}: {run:#?}\n{}", bench.output(run.id));
        assert!(!bench.tool("sbin", "pfctl", &["-s", "nat"]).contains("pot-"), "{release}");
        assert_eq!(bench.tool("sbin", "pfctl", &["-s", "rules"]), rules, "{release}: every other rule is as it was");
        assert_eq!((bench.read("/etc/rc.conf"), bench.read("/etc/pf.conf")), before, "{release}");
        // What stays is said, with what to type.
        let left = bench.plan(Operation::CleanUp { items: Vec::new() }).left_behind;
        let named = |what: &str, command: &str| left.iter().any(|(name, text)| name == what && text.contains(command));
        assert!(named("pf", "pfctl -d") && named("IP forwarding", "sysctl net.inet.ip.forwarding=0"), "{left:#?}");
    }
}

#[test]
fn a_fresh_release_15_loads_pf_first_and_judges_before_it_changes_anything() {
    let bench = Bench::new(Scenario::Default);
    as_release(&bench, "15.0-RELEASE");
    let good = bench.read("/etc/pf.conf");
    let plan = bench.plan(INIT);
    assert!(plan.blockers.is_empty(), "{}", blocked(&plan));
    let titles: Vec<&str> = plan.steps.iter().take(2).map(|step| step.title.as_str()).collect();
    assert_eq!(titles, ["pf module", "test of /etc/pf.conf"]);
    assert!(plan.warnings.iter().any(|one| one.contains("could not be judged yet")), "{:#?}", plan.warnings);

    bench.write("/etc/pf.conf", &format!("{good}pass in on on em0\n"));
    let before = (bench.read("/etc/rc.conf"), bench.read("/etc/pf.conf"));
    let plan = bench.plan(INIT);
    assert!(!blocked(&plan).contains("invalid"), "nothing is invalid that could not be asked: {}", blocked(&plan));
    let run = bench.until_end(bench.start(&plan).unwrap());
    assert_eq!(run.state, RunState::Differs, "{run:#?}");
    assert!(run.summary.contains("syntax error"), "{}", run.summary);
    assert_eq!((bench.read("/etc/rc.conf"), bench.read("/etc/pf.conf")), before);
    assert!(!bench.tool("sbin", "zfs", &["list", "-H", "-o", "name"]).contains("zroot/pot"));
    // Now that pf is loaded it is judged when planned.
    assert!(blocked(&bench.plan(INIT)).contains("is invalid already"));
}

#[test]
fn loaded_rules_that_are_not_the_files_are_named_and_never_replaced_by_clean_up() {
    let bench = initialised();
    assert_eq!(network_kept(&bench).state, RunState::AsPlanned);
    let text = bench.read("/etc/pf.conf");
    bench.write("/etc/pf.conf", &format!("{text}pass in proto tcp from any to any port 2222 keep state\n"));
    let run = bench.run(DE_INIT);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}");
    assert!(!run.leftovers.contains(&Leftover::PfRules), "{run:#?}");
    let plan = bench.plan(Operation::CleanUp { items: Leftover::ALL.to_vec() });
    let (_, words) = plan.left_behind.iter().find(|(what, _)| what.contains("anchors")).expect("named");
    assert!(words.contains("2222") && words.contains("pfctl -f /etc/pf.conf"), "{words}");
    assert_eq!(bench.until_end(bench.start(&plan).unwrap()).state, RunState::AsPlanned);
    assert!(bench.tool("sbin", "pfctl", &["-s", "nat"]).contains("pot-nat"), "left as they are");
}

#[test]
fn plan_clean_up_without_an_item_lists_what_there_is() {
    let bench = initialised();
    bench.run(DE_INIT);
    let call = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_pot-console"))
            .arg("--root")
            .arg(&bench.root)
            .args(args)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    let (code, text) = call(&["plan", "clean-up"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("  syslogd-flags: ") && text.contains("  fs-root: folder /opt/pot"), "{text}");
    assert!(!text.contains("Cannot start"), "{text}");
    let (code, text) = call(&["--format", "json", "plan", "clean-up"]);
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, plan["left_behind"][0][0].as_str()), (Some(0), Some("syslogd-flags")), "{text}");
    let (code, text) = call(&["run", "clean-up"]);
    assert!(code == Some(1) && text.contains("Nothing is chosen."), "{text}");
}

#[test]
fn a_pf_conf_that_cannot_be_read_is_not_called_missing_among_what_is_left() {
    let bench = initialised();
    network_kept(&bench);
    bench.run(DE_INIT);
    bench.keep_elsewhere("/etc/pf.conf", "/home/anna/pf.conf", "/home/anna/pf.conf");
    bench.mode("/home/anna", 0o777);
    let left = bench.plan(Operation::CleanUp { items: Vec::new() }).left_behind;
    let (_, words) = left.iter().find(|(what, _)| what.contains("anchors")).expect("named");
    assert!(words.contains("is not known: /etc/pf.conf is a link to /home/anna/pf.conf"), "{words}");
    assert!(!words.contains("does not exist"), "{words}");
}
