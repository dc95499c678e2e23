//! Not a behaviour: what other tests run in a process of its own, to kill it or to have many. Each of these returns at
//! once unless such a test has set the folder it works on.

use crate::patience::PATIENCE;
use crate::rig::{edit, save};
use pot_console::digest::Digest;
use pot_console::executor::local::Local;
use pot_console::executor::protocol::{Command, ConfigurationView, Saved, Started};
use pot_console::layout::Layout;
use pot_console::plan::{Operation, Plan, Run, RunState};
use pot_console::refusal::RefusalKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};

const FOLDER: &str = "POT_CONSOLE_TEST_FOLDER";
const VALUE: &str = "POT_CONSOLE_TEST_VALUE";

/// Starts one of the functions below in a process of its own.
pub fn start(what: &str, folder: &Path, value: &str, crash_at: Option<&str>) -> Child {
    let mut process = Process::new(std::env::current_exe().unwrap());
    process.args(["--exact", &format!("child::{what}"), "--nocapture", "--test-threads=1"]);
    process.env(FOLDER, folder).env(VALUE, value).stdout(Stdio::null()).stderr(Stdio::null());
    match crash_at {
        Some(step) => process.env("POT_CONSOLE_CRASH_AT", step),
        None => process.env_remove("POT_CONSOLE_CRASH_AT"),
    };
    process.spawn().unwrap()
}

fn given() -> Option<(Layout, String)> {
    let folder = PathBuf::from(std::env::var_os(FOLDER)?);
    Some((Layout::new(&folder, None), std::env::var(VALUE).unwrap()))
}

fn present(local: &mut Local) -> (Digest, u64) {
    let view: ConfigurationView = local.ask(Command::Configuration {}).unwrap();
    let text = String::from_utf8(view.own).unwrap();
    let number = text.lines().rev().find_map(|line| line.strip_prefix("POT_HOSTNAME_MAX_LENGTH=")?.parse().ok());
    (view.digest, number.unwrap_or(0))
}

#[test]
fn saves_a_value() {
    let Some((layout, value)) = given() else { return };
    let mut local = Local::open(&layout).unwrap();
    let (base, _) = present(&mut local);
    local.ask::<Saved>(save(base, vec![edit("POT_HOSTNAME_MAX_LENGTH", &value)])).unwrap();
}

/// One more, again and again until `value` times have succeeded; conflicts and a busy lock are tried again.
#[test]
fn counts_up() {
    let Some((layout, value)) = given() else { return };
    let mut local = Local::open(&layout).unwrap();
    let mut left: u32 = value.parse().unwrap();
    while left > 0 {
        let (base, number) = present(&mut local);
        match local.ask::<Saved>(save(base, vec![edit("POT_HOSTNAME_MAX_LENGTH", &(number + 1).to_string())])) {
            Ok(_) => left -= 1,
            Err(refusal) => assert!(matches!(refusal.kind, RefusalKind::Conflict | RefusalKind::Busy), "{refusal}"),
        }
    }
}

#[test]
fn runs_init() {
    let Some((layout, _)) = given() else { return };
    let mut local = Local::open(&layout).unwrap();
    let run = begin(
        &mut local,
        Operation::Init {
            place_anchors: true,
            merge_syslogd_flags: true,
            minimal: false,
            leave_syslogd: false,
            leave_pf: false,
            pf_file: None,
        },
    );
    assert!(local.wait(run, PATIENCE));
}

/// Starts the network and puts it back at once.
#[test]
fn starts_the_network_and_puts_it_back() {
    let Some((layout, _)) = given() else { return };
    let mut local = Local::open(&layout).unwrap();
    let run = begin(&mut local, Operation::VnetStart { revert_after: Some(600) });
    crate::main_path::until("the wait for an answer", || {
        let run: Run = local.ask(Command::RunState { run }).unwrap();
        assert!(!run.state.is_final(), "{run:?}");
        run.state == RunState::AwaitingKeep
    });
    local.ask::<()>(Command::PutBack { run }).unwrap();
    assert!(local.wait(run, PATIENCE));
}

fn begin(local: &mut Local, operation: Operation) -> u64 {
    let plan: Plan = local.ask(Command::Plan { operation }).unwrap();
    let command = Command::Run { plan: plan.id, digest: plan.digest, password: None, confirm_text: None, reason: None };
    let Started { run } = local.ask(command).unwrap();
    run
}
