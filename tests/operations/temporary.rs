//! The folder of pot's temporary files.

use crate::bench::{Bench, INIT, VNET, blocked, initialised, network_kept, state_of};
use pot_console::journal::record::Action;
use pot_console::layout::Layout;
use pot_console::plan::Preparation;
use pot_console::plan::{Operation, RunState, StepState};
use pot_console::simulator::{self, Scenario};
use std::path::PathBuf;

fn private_tmp() -> Operation {
    Operation::Prepare { items: vec![Preparation::PrivateTmp] }
}

/// The row of Host about temporary files, and the findings, as they are now.
fn row_and_findings(bench: &Bench) -> (pot_console::host::Row, Vec<String>) {
    let layout = Layout::new(&bench.root, None);
    let read = |path: PathBuf| pot_console::potconf::Document::parse(&std::fs::read(path).unwrap()).unwrap();
    let configuration = pot_console::potconf::Configuration::new(read(layout.default_conf()), read(layout.pot_conf()));
    let facts = bench.facts();
    let rows = pot_console::host::readiness(&facts, &configuration, &[]);
    let subject = pot_console::rules::Subject::new(&configuration).on(Some(&facts));
    let codes = pot_console::rules::check(&subject).into_iter().map(|finding| finding.code).collect();
    (rows.into_iter().find(|row| row.id == "tmp").unwrap(), codes)
}

#[test]
fn tmp_as_a_link_is_used_where_it_is_and_nobody_is_told_to_change_it() {
    let bench = Bench::new(Scenario::Default);
    std::fs::create_dir_all(bench.root.join("var/tmp")).unwrap();
    bench.mode("/var/tmp", 0o1777);
    let _ = std::fs::remove_dir_all(bench.root.join("tmp"));
    std::os::unix::fs::symlink("var/tmp", bench.root.join("tmp")).unwrap();
    bench.set("POT_TMP", "/tmp");
    for operation in [INIT, VNET] {
        let words = blocked(&bench.plan(operation));
        assert!(!words.contains("POT_TMP") && !words.contains("install -d"), "{words}");
    }
    let run = bench.run(INIT);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
}

#[test]
fn a_missing_pot_tmp_is_made_for_root_alone_and_tmp_is_left_as_it_is() {
    use std::os::unix::fs::MetadataExt as _;
    let bench = Bench::new(Scenario::Default);
    bench.set("POT_TMP", "/var/run/pot/tmp");
    let plan = bench.plan(INIT);
    assert!(plan.blockers.is_empty(), "{}", blocked(&plan));
    assert_eq!(state_of(&plan, "POT_TMP /var/run/pot/tmp"), StepState::WillBeCreated);
    assert!(pot_console::plan::text::commands(&plan).contains("install -d -m 700 /var/run/pot/tmp\n"));
    let run = bench.until_end(bench.start(&plan).unwrap());
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    let mode = |path: &str| bench.root.join(path).metadata().unwrap().mode() & 0o7777;
    assert_eq!((mode("var/run/pot/tmp"), mode("var/run/pot") & 0o700), (0o700, 0o700));
    // Gone after a reboot: the network makes it again.
    simulator::reboot(&bench.root).unwrap();
    let _ = std::fs::remove_dir_all(bench.root.join("var/run/pot"));
    assert_eq!(network_kept(&bench).state, RunState::AsPlanned);
    assert_eq!(mode("var/run/pot/tmp"), 0o700);

    let linked = Bench::new(Scenario::Default);
    let _ = std::fs::remove_dir_all(linked.root.join("tmp"));
    std::fs::create_dir_all(linked.root.join("var/tmp")).unwrap();
    std::os::unix::fs::symlink("var/tmp", linked.root.join("tmp")).unwrap();
    linked.set("POT_TMP", "/tmp");
    let plan = linked.plan(INIT);
    assert!(!blocked(&plan).contains("tmp"), "{}", blocked(&plan));
    assert!(!pot_console::plan::text::commands(&plan).contains("700"), "its mode is nobody's business");
}

#[test]
fn temporary_files_of_pot_move_to_a_folder_of_roots_alone_and_everything_goes_on() {
    use pot_console::host::RowState;
    use std::os::unix::fs::MetadataExt as _;
    let bench = Bench::new(Scenario::Default);
    let text = bench.read("/usr/local/etc/pot/pot.conf");
    let (row, findings) = row_and_findings(&bench);
    assert_eq!((row.state, row.needed, row.action), (RowState::ToDo, false, Some(Preparation::PrivateTmp)));
    let plan = bench.plan(private_tmp());
    assert!(plan.blockers.is_empty(), "{}", blocked(&plan));
    assert_eq!(plan.summary, "Gives pot a folder of root's alone for temporary files.");
    let typed = pot_console::plan::text::commands(&plan);
    assert!(typed.contains("install -d -m 700 /var/run/pot\n") && typed.contains("+POT_TMP=/var/run/pot\n"), "{typed}");
    assert_eq!(bench.read("/usr/local/etc/pot/pot.conf"), text, "a plan changes nothing");

    let run = bench.until_end(bench.start(&plan).unwrap());
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert_eq!(bench.root.join("var/run/pot").metadata().unwrap().mode() & 0o7777, 0o700);
    let versions = pot_console::files::Backups::of(&Layout::new(&bench.root, None)).list(Some("pot.conf")).unwrap();
    assert!(!versions.is_empty(), "what stood there is kept");
    let records = bench.kept.records.lock().unwrap().clone();
    let record = records.iter().find(|record| record.entry.message.contains("POT_TMP")).unwrap();
    assert_eq!((record.entry.actor.name.as_str(), record.entry.action), ("anna", Action::Readiness));

    // The advice was followed; looked at again, nothing else is wrong, and everything goes on.
    let (row, after) = row_and_findings(&bench);
    assert_eq!((row.state, after), (RowState::Ready, findings));
    assert!(bench.plan(private_tmp()).nothing_to_do);
    assert_eq!(bench.run(INIT).state, RunState::AsPlanned);
    assert_eq!(network_kept(&bench).state, RunState::AsPlanned);
    simulator::reboot(&bench.root).unwrap();
    assert_eq!(row_and_findings(&bench).0.state, RowState::Ready, "a boot takes files out of /var/run, not folders");
    assert_eq!(network_kept(&bench).state, RunState::AsPlanned);
}

#[test]
fn pot_keeps_its_folder_for_temporary_files_while_pots_run() {
    let bench = Bench::new(Scenario::Busy);
    bench.set("POT_TMP", "/tmp");
    let text = bench.read("/usr/local/etc/pot/pot.conf");
    let plan = bench.plan(private_tmp());
    assert!(blocked(&plan).contains("pot stop refuses them") && blocked(&plan).contains("Stop all pots"), "{plan:#?}");
    assert!(bench.start(&plan).is_err());
    bench.fault("jls fail 1 jls: not now");
    assert!(blocked(&bench.plan(private_tmp())).contains(", or may: "), "not seen is not stopped");

    // One that starts between the plan and its run.
    let quiet = initialised();
    network_kept(&quiet);
    quiet.tool("usr/local/bin", "pot", &["create", "-p", "web1", "-b", "14.3", "-N", "public-bridge"]);
    let plan = quiet.plan(private_tmp());
    assert!(plan.blockers.is_empty(), "{}", blocked(&plan));
    let before = quiet.read("/usr/local/etc/pot/pot.conf");
    quiet.tool("usr/local/bin", "pot", &["start", "web1"]);
    assert!(quiet.facts().pots.get().unwrap().iter().any(|pot| pot.running == Some(true)), "it runs");
    if let Ok(id) = quiet.start(&plan) {
        let run = quiet.until_end(id);
        assert_eq!(run.state, RunState::Differs, "{run:#?}");
        assert!(quiet.output(id).contains("POT_TMP stays as it is."), "{}", quiet.output(id));
    }
    assert_eq!(quiet.read("/usr/local/etc/pot/pot.conf"), before);
    assert_eq!(bench.read("/usr/local/etc/pot/pot.conf"), text);
}

#[test]
fn a_folder_for_temporary_files_that_cannot_be_had_is_said_with_what_to_do() {
    let fresh = Bench::new(Scenario::Fresh);
    assert!(blocked(&fresh.plan(private_tmp())).contains("Install pot first"), "{:#?}", fresh.plan(private_tmp()));

    let plan_with = |prepare: &dyn Fn(&Bench)| {
        let bench = Bench::new(Scenario::Default);
        prepare(&bench);
        let plan = bench.plan(private_tmp());
        assert!(!plan.blockers.is_empty() && !plan.blockers[0].remedy.is_empty(), "{plan:#?}");
        blocked(&plan)
    };
    let open = plan_with(&|bench| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::create_dir_all(bench.root.join("var/run/pot")).unwrap();
        std::fs::set_permissions(bench.root.join("var/run/pot"), std::fs::Permissions::from_mode(0o777)).unwrap();
    });
    assert!(open.contains("is not a folder that only root can write"), "{open}");
    let link = plan_with(&|bench| {
        std::os::unix::fs::symlink("/opt", bench.root.join("var/run/pot")).unwrap();
    });
    assert!(link.contains("is not a folder that only root can write"), "{link}");
    let computed = plan_with(&|bench| bench.set("POT_TMP", "$(mktemp -d)"));
    assert!(computed.contains("not certain"), "{computed}");
    let nested = plan_with(&|bench| bench.set("POT_CACHE", "/var/run/pot"));
    assert!(nested.contains("With POT_TMP=/var/run/pot: "), "{nested}");
}
