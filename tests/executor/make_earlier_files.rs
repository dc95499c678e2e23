//! Makes `tests/fixtures/VERSION` on a simulated host with this version's own code; `tests/fixtures/README.md` says when.

use crate::earlier_files::{FIXTURES, HEAD, STATE, audit_verify, copy, serve};
use crate::main_path::until;
use crate::rig::{PASSWORD, Rig, Wire, edit, save, simulate};
use nix::sys::signal::Signal;
use pot_console::diff::Diff;
use pot_console::digest::Digest;
use pot_console::executor::local::Local;
use pot_console::executor::protocol::{
    Command, ExportFormat, Nonce, Reply, RunEvents, SignedCheckpoint, SignedIn, Started,
};
use pot_console::files::Backups;
use pot_console::journal::record::{Action, Actor, Change, Entry, Method, Outcome, Reported, Role, Stage};
use pot_console::journal::{Checkpoint, Journal, verify};
use pot_console::layout::Layout;
use pot_console::plan::Preparation;
use pot_console::plan::{ManagedFile, Operation, RunEventKind, RunState};
use pot_console::secret::Secret;
use pot_console::settings::Settings;
use pot_console::simulator::{clear_faults, reboot, set_fault};
use serde_json::{Value, json};
use std::path::Path;

const ACTIONS: [Action; 18] = [
    Action::SignIn,
    Action::SignOut,
    Action::Throttle,
    Action::Configuration,
    Action::Restore,
    Action::Run,
    Action::Abort,
    Action::Keep,
    Action::Revert,
    Action::Readiness,
    Action::Feedback,
    Action::Account,
    Action::Settings,
    Action::Outside,
    Action::Refusal,
    Action::Export,
    Action::Process,
    Action::Journal,
];
const OUTCOMES: [Outcome; 7] = [
    Outcome::Done,
    Outcome::Refused,
    Outcome::Failed,
    Outcome::Interrupted,
    Outcome::Reverted,
    Outcome::RevertedInPart,
    Outcome::OvertakenByReboot,
];
const METHODS: [Method; 5] = [Method::Password, Method::CommandLine, Method::SetupCode, Method::Console, Method::None];

const SETTINGS: &str = r#"listen = ["127.0.0.1:8444", "[::1]:8444"]
user = "www"
names = ["pots.example.org"]
tls = { certificate = "/usr/local/etc/ssl/pots.crt", key = "/usr/local/etc/ssl/pots.key" }
idle_minutes = 45
session_hours = 24
reason_required = true
confirm_destructive = "shell"
pf_files = ["/etc/pf.pots.conf"]
hooks = ["/usr/local/libexec/hook.sh"]
public_keys = ["/usr/local/etc/keys/pots.pub"]
backups = 20
refresh_seconds = 90
command_seconds = 300
syslog = true
feedback_recipient = "admin@example.org"

[history]
changes = { days = 36500, records = 2000000 }
visits = { days = 36500, records = 200000 }
by_itself = { days = 36500, records = 20000 }
"#;

const INIT: Operation = Operation::Init {
    place_anchors: true,
    merge_syslogd_flags: true,
    minimal: false,
    leave_syslogd: false,
    leave_pf: false,
    pf_file: None,
};

/// Each action, outcome and way of knowing who it was, in segments of 4,000 bytes, so that the journal was rotated; the
/// executor goes on in the last of them. One act is left without an outcome, as if its process had been killed.
fn earlier_history(layout: &Layout) {
    let (dir, head) = (layout.private().join("journal"), layout.root().join(HEAD));
    for folder in [layout.state(), layout.private()] {
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
    let (journal, _) = Journal::open_with_segments(&dir, &head, 4000).unwrap();
    for (n, action) in ACTIONS.into_iter().enumerate() {
        let actor = Actor {
            name: "anna".to_owned(),
            role: [Some(Role::Admin), Some(Role::Operator), Some(Role::Viewer), None][n % 4],
            method: METHODS[n % METHODS.len()],
            session: (n % 2 == 0).then(|| "01234567".to_owned()),
            claimed: (n % 3 == 0).then(|| "olaf".to_owned()),
        };
        let reported = Reported {
            address: (n % 2 == 0).then(|| "192.0.2.7".to_owned()),
            browser: (n % 4 == 0).then(|| "a browser".to_owned()),
        };
        let (old, new) = (format!("POT_TMP=/{n}\n"), format!("POT_TMP=/{}\n", n + 1));
        let mut entry =
            Entry::event(actor, reported, action, "pot.conf", format!("An act of number {n}: ü \\ \" \u{1b}"));
        entry.changes = vec![
            Change { name: "POT_TMP".to_owned(), from: Some(format!("/{n}")), to: Some(format!("/{}", n + 1)) },
            Change { name: "POT_GATEWAY".to_owned(), from: None, to: Some(String::new()) },
        ];
        entry.diff = Some(Diff::between("pot.conf", old.as_bytes(), new.as_bytes()));
        entry.before = Some(Digest::of(old.as_bytes()));
        entry.after = Some(Digest::of(new.as_bytes()));
        entry.reason = Some("what a person said".to_owned());
        entry.run = (n % 2 == 1).then_some(n as u64);
        entry.stage = Stage::Intent;
        let intent = journal.append(entry.clone()).unwrap().sequence;
        if action == Action::Configuration {
            continue;
        }
        (entry.changes, entry.diff, entry.reason) = (Vec::new(), None, None);
        entry.stage = Stage::Outcome;
        entry.intent = Some(intent);
        entry.outcome = Some(OUTCOMES[n % OUTCOMES.len()]);
        journal.append(entry).unwrap();
    }
}

/// anna, at a browser of hers.
struct Anna<'a> {
    rig: &'a Rig,
    token: Secret,
}

impl Anna<'_> {
    fn ask(&self, command: Command) -> Reply {
        self.rig.connect().ask_from(Some(&self.token), reported(), command).unwrap()
    }

    fn begin(&self, operation: Operation) -> u64 {
        let Reply::Plan(plan) = self.ask(Command::Plan { operation }) else { panic!() };
        assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
        let command = Command::Run {
            plan: plan.id,
            digest: plan.digest,
            password: Some(Secret(PASSWORD.to_owned())),
            confirm_text: plan.confirm_text.clone(),
            reason: Some("to have a run".to_owned()),
        };
        let Reply::Started(Started { run }) = self.ask(command) else { panic!() };
        run
    }

    fn until(&self, run: u64, states: &[RunState]) {
        let mut state = RunState::Running;
        until(&format!("{states:?} of run {run}"), || {
            let Reply::Run(found) = self.ask(Command::RunState { run }) else { panic!() };
            state = found.state;
            state.is_final() || states.contains(&state)
        });
        assert!(states.contains(&state), "run {run} is {state:?}, not one of {states:?}");
    }

    fn run(&self, operation: Operation, state: RunState) {
        let run = self.begin(operation);
        self.until(run, &[state]);
    }

    /// Starts the network and comes to where an answer is waited for.
    fn wait_for_an_answer(&self) -> u64 {
        let run = self.begin(Operation::VnetStart { revert_after: Some(600) });
        self.until(run, &[RunState::AwaitingKeep]);
        run
    }
}

fn reported() -> Reported {
    Reported { address: Some("192.168.178.31".to_owned()), browser: Some("Firefox".to_owned()) }
}

fn sign_in(wire: &mut Wire, name: &str, password: &str) -> Option<Secret> {
    let command = Command::SignIn { name: name.to_owned(), password: Secret(password.to_owned()) };
    match wire.ask_from(None, reported(), command) {
        Ok(Reply::SignedIn(SignedIn { token, .. })) => Some(token),
        _ => None,
    }
}

/// Who came and went, and what became of accounts.
fn visits(rig: &Rig) {
    let mut wire = rig.connect();
    let mut local = Local::open(&rig.layout).unwrap();
    let add =
        |name: &str, role| Command::AddAccount { name: name.to_owned(), role, password: Secret(PASSWORD.to_owned()) };
    local.ask::<()>(add("gone", Role::Operator)).unwrap();
    local.ask::<()>(add("max.mustermann", Role::Viewer)).unwrap();
    local.ask::<()>(Command::SetDisabled { name: "gone".to_owned(), disabled: true }).unwrap();
    local.ask::<()>(Command::SetRole { name: "max.mustermann".to_owned(), role: Role::Operator }).unwrap();
    let olaf = sign_in(&mut wire, "olaf", PASSWORD).unwrap();
    let new = Secret("the second password".to_owned());
    wire.ask(Some(&olaf), Command::ChangePassword { old: Secret(PASSWORD.to_owned()), new }).unwrap();
    wire.ask(Some(&olaf), Command::SignOut {}).unwrap();
    for n in 0..6 {
        assert!(sign_in(&mut wire, "nobody-known", &format!("a guess, number {n}")).is_none());
    }
    let vera = sign_in(&mut wire, "vera", PASSWORD).unwrap();
    assert!(wire.ask(Some(&vera), add("eve", Role::Admin)).is_err(), "a viewer adds no accounts");
}

/// pot.conf saved, refused, changed behind the console's back.
fn changes(rig: &Rig) {
    let mut wire = rig.connect();
    let token = sign_in(&mut wire, "anna", PASSWORD).unwrap();
    let anna = Anna { rig, token: token.clone() };
    until("the first look", || rig.layout.private().join("watched.json").exists());
    let base = wire.configuration(Some(&token)).digest;
    anna.ask(save(base, vec![edit("POT_HOSTNAME_MAX_LENGTH", "60"), edit("POT_NETMASK", "255.192.0.0")]));
    let base = wire.configuration(Some(&token)).digest;
    assert!(wire.ask(Some(&token), save(base, vec![edit("POT_FS_ROOT", "/etc")])).is_err());
    let by_hand = [rig.pot_conf().as_slice(), b"# by hand\n"].concat();
    std::fs::write(rig.layout.pot_conf(), by_hand).unwrap();
    until("the outside change", || {
        let outside = |entry: &Entry| entry.action == Action::Outside && entry.object.ends_with("pot.conf");
        rig.records().iter().any(|record| record.sequence > 40 && outside(&record.entry))
    });
}

/// Runs with every end that an admin can bring about.
fn runs(rig: &Rig) {
    let token = sign_in(&mut rig.connect(), "anna", PASSWORD).unwrap();
    let (anna, root) = (Anna { rig, token }, rig.layout.root());
    set_fault(root, "full-at zroot/pot 2".parse().unwrap()).unwrap();
    anna.run(INIT, RunState::Differs);
    clear_faults(root).unwrap();
    set_fault(root, "zfs slow 400".parse().unwrap()).unwrap();
    let run = anna.begin(INIT);
    until("pot's first command", || {
        let Reply::RunEvents(RunEvents { events, .. }) = anna.ask(Command::RunEvents { run, after: 0, limit: 2000 })
        else {
            panic!()
        };
        let is_pots = |argv: &[String]| argv.starts_with(&["pot".to_owned(), "init".to_owned()]);
        events.iter().any(|event| matches!(&event.what, RunEventKind::Command { argv } if is_pots(argv)))
    });
    anna.ask(Command::Abort { run });
    anna.until(run, &[RunState::Aborted]);
    clear_faults(root).unwrap();
    anna.run(Operation::DeInit { stop_pots: true, minimal: false, pf_file: None }, RunState::AsPlanned);
    anna.run(INIT, RunState::AsPlanned);
    anna.run(Operation::Prepare { items: vec![Preparation::EnableRacct] }, RunState::AsPlanned);
    anna.ask(Command::Dismiss { item: Preparation::DisableVtnetLro, dismissed: true });

    let run = anna.wait_for_an_answer();
    anna.ask(Command::PutBack { run });
    anna.until(run, &[RunState::Reverted]);
    let run = anna.wait_for_an_answer();
    let now = pot_console::platform::since_boot_ms();
    let Reply::Nonce(Nonce { nonce }) = anna.ask(Command::KeepNonce { run, accepted_ms: now + 5, connection: 2 })
    else {
        panic!()
    };
    anna.ask(Command::Keep { run, nonce, accepted_ms: now + 6, connection: 3 });
    anna.until(run, &[RunState::AsPlanned]);
    let backup = Backups::of(&rig.layout).list(Some("pot.conf")).unwrap().first().unwrap().digest;
    anna.run(Operation::Restore { backup, file: ManagedFile::PotConf }, RunState::AsPlanned);

    anna.ask(Command::Feedback {
        wrong: "Nothing".to_owned(),
        missing: String::new(),
        usability: "Good".to_owned(),
        name: Some("Anna".to_owned()),
        reply_to: Some("anna@example.org".to_owned()),
        send: true,
    });
    anna.ask(Command::RecordExport { format: ExportFormat::Csv, filter: "actor=anna".to_owned() });
}

fn word<T: serde::Serialize>(value: T) -> Value {
    serde_json::to_value(value).unwrap()
}

/// What this version says of the files below `host`.
fn expected(host: &Path, checkpoint: &str, settings: &Settings) -> Value {
    let layout = Layout::new(host, None);
    let journal = layout.private().join("journal");
    let checkpoint = Checkpoint::parse(checkpoint).unwrap();
    let report = verify(&journal, &host.join(HEAD), Some(&checkpoint));
    assert!(report.sound, "{report:?}");
    let names = |folder: &Path| {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let mut segments = names(&journal);
    segments.retain(|name| name.ends_with(".journal"));
    let mut numbers: Vec<u64> =
        names(&layout.private().join("runs")).iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    let runs: Vec<Value> = numbers
        .into_iter()
        .map(|run| {
            let folder = layout.private().join(format!("runs/{run}"));
            let stored: Value = serde_json::from_slice(&std::fs::read(folder.join("run.json")).unwrap()).unwrap();
            let events = std::fs::read_to_string(folder.join("events.jsonl")).unwrap().lines().count();
            json!({"run": run, "operation": stored["plan"]["operation"]["operation"], "state": stored["state"],
                   "events": events})
        })
        .collect();
    let account = |name: &str, role: Role, password: &str, disabled: bool| json!({"name": name, "role": role.to_string(), "password": password, "disabled": disabled});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let held = runtime.block_on(async {
        let store = pot_console::audit::Store::open(&layout.web().join("history.sqlite")).await.unwrap();
        let held = store.count().await.unwrap();
        store.close().await;
        held
    });
    let defaults = Settings::default().values();
    let values = settings.values();
    for (value, default) in values.iter().zip(&defaults) {
        assert_ne!(value, default, "a setting that the file leaves out");
    }
    let versions = Backups::of(&layout).list(None).unwrap();
    json!({
        "records": report.records,
        "hash": report.head.unwrap().to_string(),
        "segments": segments,
        "actions": ACTIONS.map(word),
        "outcomes": OUTCOMES.map(word),
        "runs": runs,
        "accounts": [
            account("anna", Role::Admin, PASSWORD, false),
            account("olaf", Role::Operator, "the second password", false),
            account("vera", Role::Viewer, PASSWORD, false),
            account("max.mustermann", Role::Operator, PASSWORD, false),
            account("gone", Role::Operator, PASSWORD, true),
        ],
        "versions": versions.iter().map(|one| json!({"file": one.file, "digest": one.digest})).collect::<Vec<_>>(),
        "feedback": pot_console::operations::feedback::list(&layout).len(),
        "database": held,
        "settings": values.iter().map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>(),
    })
}

/// Takes away what says nothing: locks, set-aside space, SQLite's files beside the database.
fn tidy(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tidy(&path);
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let says_nothing = name == "lock" || name == "reserve" || name.contains(".lock") || name.contains("sqlite-");
        if says_nothing {
            std::fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
#[ignore = "makes tests/fixtures/VERSION, once for each version"]
fn files_for_the_versions_to_come() {
    let folder = Path::new(FIXTURES).join(env!("CARGO_PKG_VERSION"));
    assert!(!folder.exists(), "{} is what this version left: it is never made anew", folder.display());
    let dir = tempfile::tempdir().unwrap();
    let layout = simulate(&dir.path().join("host"));
    earlier_history(&layout);
    let rig = Rig::on(layout.clone(), dir);
    visits(&rig);
    changes(&rig);
    let dir = rig.end();

    // The web process makes its database; what follows is not in it.
    let mut demo = serve(layout.root(), dir.path());
    until("the database", || audit_verify(layout.root())["database"]["behind"] == 0);
    demo.signal(Signal::SIGTERM);
    assert!(demo.child.wait().unwrap().success());

    let rig = Rig::open(layout.clone(), Settings::default(), dir);
    runs(&rig);
    let dir = rig.end();
    // The network that was kept is gone with a reboot.
    reboot(layout.root()).unwrap();

    // A run waits for its answer while the files are taken.
    let rig = Rig::open(layout, Settings::default(), dir);
    let mut wire = rig.connect();
    let token = sign_in(&mut wire, "anna", PASSWORD).unwrap();
    let anna = Anna { rig: &rig, token };
    let Reply::Checkpoint(SignedCheckpoint { text }) = anna.ask(Command::Checkpoint {}) else { panic!() };
    let run = anna.wait_for_an_answer();
    let host = folder.join("host");
    std::fs::create_dir_all(host.join(STATE)).unwrap();
    std::fs::create_dir_all(host.join(HEAD).parent().unwrap()).unwrap();
    copy(&rig.layout.state(), &host.join(STATE));
    std::fs::copy(rig.layout.root().join(HEAD), host.join(HEAD)).unwrap();
    anna.ask(Command::PutBack { run });
    anna.until(run, &[RunState::Reverted]);

    std::fs::write(folder.join("pot-console.toml"), SETTINGS).unwrap();
    std::fs::write(folder.join("checkpoint.json"), &text).unwrap();
    let settings = Settings::read(&folder.join("pot-console.toml"), true).unwrap();
    let expected = expected(&host, &text, &settings);
    std::fs::write(folder.join("expected.json"), serde_json::to_string_pretty(&expected).unwrap() + "\n").unwrap();
    tidy(&host);
}
