//! Runs from root's own command line.

use crate::bench::{Bench, call, dies, initialised, journal, network};
use crate::patience::PATIENCE;
use pot_console::journal::record::{Action, Outcome};
use pot_console::plan::RunState;
use pot_console::simulator::Scenario;
use std::time::{Duration, Instant};

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
        let until = Instant::now() + PATIENCE;
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
