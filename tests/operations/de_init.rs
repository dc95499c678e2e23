//! de-init, and what it must not take along.

use crate::bench::{Bench, DE_INIT, INIT, VNET, anna, from_lan, initialised};
use pot_console::journal::record::{Actor, Method};
use pot_console::plan::{Leftover, Operation, RunState};
use pot_console::simulator::{self, Scenario};
use std::time::Instant;

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
fn an_empty_cache_is_told_from_one_with_images() {
    let bench = initialised();
    let cache = || bench.plan(DE_INIT).cache_is_empty;
    assert_eq!(cache(), Some(true));
    bench.write("/var/cache/pot/FreeBSD-15.0.txz", "x");
    assert_eq!(cache(), Some(false));
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
