//! What a run says of itself, and what the history has of it.

use crate::bench::{Bench, INIT, LONG, VNET, anna, from_lan, initialised, open, settings, waiting_for};
use pot_console::journal::record::Outcome;
use pot_console::layout::Layout;
use pot_console::plan::{ManagedFile, Operation, RunState};
use pot_console::refusal::RefusalKind;
use pot_console::simulator::{self, Scenario};
use std::sync::atomic::Ordering;

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

#[test]
fn the_steps_of_a_run_that_has_ended_say_what_became_of_them() {
    let bench = Bench::new(Scenario::Default);
    let plan = bench.plan(INIT);
    assert!(plan.steps.iter().any(|step| step.detail.starts_with("will be created")));
    let run = bench.run(INIT);
    let details: Vec<_> = (0..run.plan.steps.len()).filter_map(|index| run.step_so_far(index)).collect();
    assert_eq!(details.len(), run.plan.steps.len());
    assert!(details.iter().any(|(word, detail)| *word == "created" && detail.starts_with("created, ")), "{details:#?}");
    assert!(details.iter().all(|(_, detail)| !detail.contains("will be")), "{details:#?}");
}

#[test]
fn a_step_that_has_ended_says_so_while_the_run_goes_on() {
    let bench = initialised();
    let run = waiting_for(&bench, LONG);
    let run = bench.until(run.id, |run| run.checks.len() >= 8);
    let bridge = run.plan.steps.iter().position(|step| step.title == "bridge with the gateway").unwrap();
    assert_eq!(run.step_so_far(bridge).unwrap().0, "created", "{:?}", run.progress);
    bench.engine.put_back(run.id, &anna(), &from_lan()).unwrap();
    bench.until_end(run.id);
}

#[test]
fn plan_run_and_host_count_rules_alike() {
    let bench = Bench::new(Scenario::Busy);
    let words = |bench: &Bench| {
        let pf = bench.facts().pf.value.unwrap();
        (
            format!("{} rules in pot-nat", pf.pot_nat.len()),
            format!("{} filter rules in the main rule set", pf.rules.len()),
        )
    };
    let (nat, rules) = words(&bench);
    let plan = bench.plan(Operation::VnetStart { revert_after: None });
    let detail = |title: &str| plan.steps.iter().find(|step| step.title == title).unwrap().detail.clone();
    assert!(detail("NAT for the pots").contains(&nat), "{} and {nat}", detail("NAT for the pots"));
    assert!(detail("pf rules").contains(&rules), "{} and {rules}", detail("pf rules"));
    let difference = plan.nat.as_ref().unwrap().to_string();
    assert!(difference.contains("\n+nat on ") && difference.contains("\n-nat on "), "{difference}");
    let id = bench.start(&plan).unwrap();
    let run = bench.until_end(id);
    let (nat_now, rules_now) = words(&bench);
    let check = |title: &str| run.checks.iter().find(|check| check.title == title).unwrap();
    let (of_nat, of_rules) = (check("NAT for the pots"), check("Anchors in the loaded rules"));
    assert_eq!(of_nat.before.as_deref(), Some(nat.as_str()));
    assert!(of_nat.observed.starts_with(&format!("{nat_now}; as planned on ")), "{of_nat:?} and {nat_now}");
    assert_eq!(of_rules.before.as_deref(), Some(rules.as_str()));
    assert!(of_rules.observed.starts_with(&rules_now), "{of_rules:?} and {rules_now}");
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
