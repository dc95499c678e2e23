//! A change that waits: nobody answers, it is put back, it is kept.

use crate::bench::{
    Hands, INIT, LONG, VNET, anna, dies, from_lan, initialised, network, open, settings, waiting, waiting_for,
};
use crate::patience::PATIENCE;
use pot_console::journal::record::{Action, Actor, Method, Outcome, Stage};
use pot_console::plan::RunState;
use pot_console::refusal::RefusalKind;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn olaf() -> Actor {
    Actor { name: "olaf".to_owned(), ..anna() }
}

#[test]
fn nobody_answers_and_the_host_equals_the_one_before() {
    let bench = initialised();
    let before = network(&bench);
    let run = waiting(&bench);
    let until = Instant::now() + PATIENCE;
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
    let words: Vec<_> = (0..run.plan.steps.len()).filter_map(|index| run.step_so_far(index)).collect();
    assert!(words.iter().any(|(word, _)| *word == "done, then put back"), "{words:?}");
}

#[test]
fn a_put_back_ends_when_pf_has_let_go_of_the_anchors_and_the_next_start_is_planned_at_once() {
    let bench = initialised();
    bench.tool("sbin", "kldload", &["pf"]);
    // pf lists emptied anchors until its purge thread has come by.
    bench.wrap(
        "pfctl",
        r#"if [ "$*" = "-s Anchors" ] && [ -e "$FLAG" ]; then echo asked >> "$FLAG"; echo '  pot-nat'; echo '  pot-rdr'; exit 0; fi"#,
    );
    let run = waiting_for(&bench, LONG);
    std::fs::write(bench.flag(), "").unwrap();
    bench.engine.put_back(run.id, &anna(), &from_lan()).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let still = bench.engine.run_state(run.id).unwrap();
    assert!(!still.state.is_final(), "it waits for them: {still:#?}");
    std::fs::remove_file(bench.flag()).unwrap();
    let run = bench.until_end(run.id);
    assert_eq!(run.state, RunState::Reverted, "{run:#?}");
    let plan = bench.plan(LONG);
    assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
    // A console that stops does not wait for them.
    let run = waiting_for(&bench, LONG);
    std::fs::write(bench.flag(), "").unwrap();
    bench.engine.shutdown();
    let asked = std::fs::read_to_string(bench.flag()).unwrap().lines().count();
    let run = bench.engine.run_state(run.id).unwrap();
    assert_eq!(run.state, RunState::Reverted);
    assert!(run.summary.contains("pf still lists pot-nat and pot-rdr"), "{}", run.summary);
    // Whoever waits for pf asks twice a second, for 25 s.
    assert!(asked < 10, "asked {asked} times");
}
