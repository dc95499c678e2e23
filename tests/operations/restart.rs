//! The executor dies, or the machine, and what is found then.

use crate::bench::{
    Bench, INIT, LONG, anna, call, dies, from_lan, initialised, journal, network, settings, waiting, waiting_for,
};
use pot_console::executor::Executor;
use pot_console::journal::record::{Outcome, Stage};
use pot_console::layout::Layout;
use pot_console::operations::engine::Engine;
use pot_console::operations::recorder::Recorder;
use pot_console::plan::{Operation, RunState};
use pot_console::process::Tools;
use pot_console::settings::Settings;
use pot_console::simulator::{self, Scenario};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Like `open`, but what is told of runs makes their thread panic when the test says so.
fn open_with_a_fault(bench: &Bench, fault: &Arc<AtomicBool>) -> Arc<Engine> {
    let layout = Layout::new(&bench.root, None);
    let tools = Tools::find(&layout);
    let fault = Arc::clone(fault);
    let notify = Arc::new(move |_, _, _| assert!(!fault.swap(false, Ordering::Relaxed), "a fault of the console"));
    Engine::open(layout, tools, Arc::clone(&bench.kept) as Arc<dyn Recorder>, notify, settings()).unwrap()
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
