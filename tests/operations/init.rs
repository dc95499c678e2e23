//! init: planned, run, looked at, ended, failed.

use crate::bench::{Bench, INIT, anna, as_release, blocked, from_lan, initialised, settings, state_of};
use pot_console::journal::record::Stage;
use pot_console::operations::engine::EngineSettings;
use pot_console::plan::{Leftover, Operation, RunState, StepState};
use pot_console::simulator::{self, Scenario};
use std::time::Duration;

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
