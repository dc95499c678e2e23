//! A simulated host with an engine of operations, and a recorder that keeps what it is told.

use crate::patience::PATIENCE;
use crate::prepared;
use pot_console::executor::local::Local;
use pot_console::executor::protocol::{Command, Records};
use pot_console::journal::record::{Action, Actor, Entry, Method, Outcome, Record, Reported, Role, Stage};
use pot_console::layout::Layout;
use pot_console::operations::clock::{Clock, SinceBoot};
use pot_console::operations::engine::{Engine, EngineSettings};
use pot_console::operations::looking::Host;
use pot_console::operations::recorder::Recorder;
use pot_console::operations::revert::NetworkState;
use pot_console::plan::{Operation, Plan, Run, RunEventKind, RunState, StepState};
use pot_console::process::Tools;
use pot_console::refusal::{Refusal, RefusalKind};
use pot_console::simulator::{self, Fault, Scenario};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Keeps the records of a test.
#[derive(Default)]
pub struct Kept {
    pub records: Mutex<Vec<Record>>,
    pub full: AtomicBool,
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

pub struct Bench {
    _folder: tempfile::TempDir,
    pub root: PathBuf,
    pub kept: Arc<Kept>,
    pub closed: Arc<AtomicBool>,
    pub engine: Arc<Engine>,
}

impl Bench {
    pub fn new(scenario: Scenario) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        simulator::build_with_program(&root, scenario, Path::new(env!("CARGO_BIN_EXE_pot-console"))).unwrap();
        Self::of(folder, root, Kept::default())
    }

    /// A host that is there, and what was recorded of it.
    fn of(folder: tempfile::TempDir, root: PathBuf, kept: Kept) -> Self {
        let kept = Arc::new(kept);
        let closed = Arc::new(AtomicBool::new(false));
        let engine = open(&root, &kept, &closed, settings());
        Self { _folder: folder, root, kept, closed, engine }
    }

    /// The executor starts anew, with other settings.
    pub fn restart(&mut self, settings: EngineSettings) {
        self.engine = open(&self.root, &self.kept, &self.closed, settings);
        self.engine.recover_at_start();
    }

    pub fn plan(&self, operation: Operation) -> Plan {
        self.engine.plan("session", &from_lan(), operation).unwrap()
    }

    pub fn start(&self, plan: &Plan) -> Result<u64, Refusal> {
        let text = plan.confirm_text.as_deref();
        self.engine.run("session", &anna(), &from_lan(), plan.id, &plan.digest, text, Some("a test"))
    }

    pub fn run(&self, operation: Operation) -> Run {
        let plan = self.plan(operation);
        assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
        let id = self.start(&plan).unwrap();
        self.until_end(id)
    }

    pub fn until(&self, id: u64, what: impl Fn(&Run) -> bool) -> Run {
        let until = Instant::now() + PATIENCE;
        loop {
            let run = self.engine.run_state(id).unwrap();
            if what(&run) {
                return run;
            }
            assert!(Instant::now() < until, "{run:#?}\n{}", self.output(id));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn until_end(&self, id: u64) -> Run {
        let run = self.until(id, |run| run.state.is_final());
        assert!(self.engine.wait(id, PATIENCE));
        run
    }

    pub fn output(&self, id: u64) -> String {
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

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path.trim_start_matches('/'))).unwrap()
    }

    pub fn write(&self, path: &str, text: &str) {
        std::fs::write(self.root.join(path.trim_start_matches('/')), text).unwrap();
    }

    /// What a simulated tool prints.
    pub fn tool(&self, folder: &str, name: &str, args: &[&str]) -> String {
        let output = std::process::Command::new(self.root.join(folder).join(name)).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    pub fn set(&self, name: &str, value: &str) {
        let mut text = self.read("/usr/local/etc/pot/pot.conf");
        text.push_str(&format!("\n{name}={value}\n"));
        self.write("/usr/local/etc/pot/pot.conf", &text);
    }

    pub fn fault(&self, text: &str) {
        simulator::set_fault(&self.root, text.parse::<Fault>().unwrap()).unwrap();
    }

    /// Keeps a file elsewhere and puts a link to it in its place, as whoever keeps a host's files together does.
    pub fn keep_elsewhere(&self, path: &str, target: &str, link: &str) {
        let [path, target] = [path, target].map(|path| self.root.join(path.trim_start_matches('/')));
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::rename(&path, &target).unwrap();
        std::os::unix::fs::symlink(link, &path).unwrap();
    }

    pub fn is_link(&self, path: &str) -> bool {
        self.root.join(path.trim_start_matches('/')).is_symlink()
    }

    pub fn mode(&self, path: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.root.join(path.trim_start_matches('/'));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn facts(&self) -> pot_console::facts::HostFacts {
        let layout = Layout::new(&self.root, None);
        let read =
            |path: PathBuf| pot_console::potconf::Document::parse(&std::fs::read(path).unwrap_or_default()).unwrap();
        let configuration =
            pot_console::potconf::Configuration::new(read(layout.default_conf()), read(layout.pot_conf()));
        let input = pot_console::host::GatherInput::new(&configuration, &[]);
        pot_console::host::gather(&layout, &Tools::find(&layout), &input)
    }

    pub fn actions(&self, run: u64) -> Vec<(Action, Stage)> {
        let records = self.kept.records.lock().unwrap();
        let of_run = records.iter().filter(|record| record.entry.run == Some(run));
        of_run.map(|record| (record.entry.action, record.entry.stage)).collect()
    }

    /// The history as it was when the run waited: nobody had answered, and it had not ended.
    pub fn forget_how_it_ended(&self, run: u64) {
        let mut records = self.kept.records.lock().unwrap();
        records.retain(|record| record.entry.run != Some(run) || record.entry.stage == Stage::Intent);
    }

    pub fn outcomes(&self, run: u64) -> Vec<Outcome> {
        let records = self.kept.records.lock().unwrap();
        let of_run = records.iter().filter(|record| record.entry.run == Some(run));
        of_run.filter(|record| record.entry.stage == Stage::Outcome).filter_map(|record| record.entry.outcome).collect()
    }

    /// Puts a shell script in front of a simulated tool. `$REAL` is the tool, `$FLAG` a file that the test makes.
    pub fn wrap(&self, name: &str, script: &str) {
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

    pub fn flag(&self) -> PathBuf {
        self.root.join("flag")
    }

    pub fn network_state(&self) -> NetworkState {
        let layout = Layout::new(&self.root, None);
        let tools = Tools::find(&layout);
        NetworkState::read(&Host::new(layout, tools, Vec::new()))
    }
}

pub fn anna() -> Actor {
    Actor {
        name: "anna".to_owned(),
        role: Some(Role::Admin),
        method: Method::Password,
        session: Some("01234567".to_owned()),
        claimed: None,
    }
}

pub fn from_lan() -> Reported {
    Reported { address: Some("192.168.178.31".to_owned()), browser: None }
}

pub const INIT: Operation = Operation::Init {
    place_anchors: true,
    merge_syslogd_flags: true,
    minimal: false,
    leave_syslogd: false,
    leave_pf: false,
    pf_file: None,
};

pub fn settings() -> EngineSettings {
    EngineSettings {
        command_time: Duration::from_secs(60),
        mailer_time: Duration::from_secs(2),
        pf_files: vec!["/etc/pf.pot.conf".to_owned()],
        ..EngineSettings::default()
    }
}

pub fn open(root: &Path, kept: &Arc<Kept>, closed: &Arc<AtomicBool>, settings: EngineSettings) -> Arc<Engine> {
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

pub fn state_of(plan: &Plan, title: &str) -> StepState {
    plan.steps
        .iter()
        .find(|step| step.title.contains(title))
        .unwrap_or_else(|| panic!("{title}: {:#?}", plan.steps))
        .state
}

pub const VNET: Operation = Operation::VnetStart { revert_after: Some(10) };

/// The default host after `pot init`: run once for all tests that begin there, with the records of it.
pub fn initialised() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let host = folder.path().join("host");
    prepared::copied("initialised", &host, |at| {
        let bench = Bench::new(Scenario::Default);
        let run = bench.run(INIT);
        assert_eq!(run.state, RunState::AsPlanned, "{run:#?}");
        std::fs::write(at.join("records.json"), serde_json::to_vec(&*bench.kept.records.lock().unwrap()).unwrap())
            .unwrap();
        let moved = std::process::Command::new("mv").args([&bench.root, &at.join("root")]).status().unwrap();
        assert!(moved.success());
    });
    let records = serde_json::from_slice(&std::fs::read(host.join("records.json")).unwrap()).unwrap();
    Bench::of(folder, host.join("root"), Kept { records: Mutex::new(records), full: AtomicBool::new(false) })
}

/// What of the network a revert has to give back.
pub fn network(bench: &Bench) -> String {
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

pub fn waiting(bench: &Bench) -> Run {
    let plan = bench.plan(VNET);
    assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
    let id = bench.start(&plan).unwrap();
    let run = bench.until(id, |run| run.state == RunState::AwaitingKeep || run.state.is_final());
    assert_eq!(run.state, RunState::AwaitingKeep, "{run:#?}\n{}", bench.output(id));
    run
}

/// Runs the command line, which dies at a place.
pub fn dies(bench: &Bench, at: &str, args: &[&str]) {
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

/// A clock that a test sets: what it shows is added to the machine's own.
#[derive(Clone, Default)]
pub struct Hands {
    pub boot_ms: Arc<AtomicI64>,
    pub wall_ms: Arc<AtomicI64>,
}

impl Hands {
    pub fn clock(&self) -> Clock {
        let (boot, wall) = (Arc::clone(&self.boot_ms), Arc::clone(&self.wall_ms));
        Clock::new(
            move || SinceBoot(pot_console::platform::since_boot_ms() + boot.load(Ordering::Relaxed)),
            move || {
                let now = jiff::Timestamp::now().as_millisecond() + wall.load(Ordering::Relaxed);
                jiff::Timestamp::from_millisecond(now).unwrap()
            },
        )
    }

    pub fn pass(&self, time: Duration) {
        self.boot_ms.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    pub fn set_wall(&self, hours: i64) {
        self.wall_ms.store(hours * 3_600_000, Ordering::Relaxed);
    }

    pub fn settings(&self) -> EngineSettings {
        EngineSettings { clock: self.clock(), ..settings() }
    }
}

pub const LONG: Operation = Operation::VnetStart { revert_after: Some(600) };

pub fn waiting_for(bench: &Bench, operation: Operation) -> Run {
    let plan = bench.plan(operation);
    assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
    let id = bench.start(&plan).unwrap();
    let run = bench.until(id, |run| run.state == RunState::AwaitingKeep || run.state.is_final());
    assert_eq!(run.state, RunState::AwaitingKeep, "{run:#?}\n{}", bench.output(id));
    run
}

/// The whole history of the command line's journal.
pub fn journal(bench: &Bench) -> Vec<Record> {
    let mut local = Local::open(&Layout::new(&bench.root, None)).unwrap();
    let Ok(Records { records, .. }) = local.ask(Command::JournalAfter { after: 0, limit: 1000 }) else {
        panic!("no records")
    };
    records
}

pub fn call(bench: &Bench, args: &[&str]) -> (Option<i32>, String) {
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

pub const DE_INIT: Operation = Operation::DeInit { stop_pots: true, minimal: false, pf_file: None };

pub fn root_at_the_machine() -> Actor {
    Actor { name: "root".to_owned(), method: Method::CommandLine, role: None, session: None, claimed: None }
}

/// Starts the network and keeps it.
pub fn network_kept(bench: &Bench) -> Run {
    let run = waiting(bench);
    bench.engine.keep_from_command_line(run.id, &root_at_the_machine()).unwrap();
    bench.until_end(run.id)
}

/// The host as another release, from its next boot on.
pub fn as_release(bench: &Bench, version: &str) {
    bench.tool("usr/sbin", "simctl", &["release", version]);
    simulator::reboot(&bench.root).unwrap();
}

/// What stands in the way, in one text.
pub fn blocked(plan: &Plan) -> String {
    plan.blockers.iter().map(|one| format!("{} {}\n", one.problem, one.remedy)).collect()
}
