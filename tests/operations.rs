//! Operations on a simulated host: planned, run, verified, kept or put back, with faults switched on.

use pot_console::executor::protocol::{Refusal, RefusalKind};
use pot_console::journal::record::{Actor, Entry, Method, Record, Reported, Role, Stage};
use pot_console::layout::Layout;
use pot_console::operations::engine::{Engine, EngineSettings};
use pot_console::operations::plan::{
    Leftover, ManagedFile, Operation, Plan, Preparation, Run, RunEventKind, RunState, StepState,
};
use pot_console::operations::recorder::Recorder;
use pot_console::process::Tools;
use pot_console::simulator::{self, Fault, Scenario};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
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
            sequence: records.len() as u64 + 1,
            id: uuid::Uuid::now_v7(),
            time: jiff::Timestamp::now(),
            entry,
        };
        records.push(record.clone());
        Ok(record)
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
        self.engine.plan("session", &anna(), operation).unwrap()
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
