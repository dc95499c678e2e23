//! Readiness: packages, tunables, the log's way.

use crate::bench::{Bench, DE_INIT, INIT, blocked, state_of};
use pot_console::layout::Layout;
use pot_console::plan::Preparation;
use pot_console::plan::{Leftover, ManagedFile, Operation, RunState, StepState};
use pot_console::simulator::Scenario;

fn route_log() -> Operation {
    Operation::Prepare { items: vec![Preparation::RouteLog] }
}

#[test]
fn a_fresh_host_is_prepared() {
    let bench = Bench::new(Scenario::Fresh);
    let items = vec![
        Preparation::InstallPot,
        Preparation::EnableRacct,
        Preparation::DisableVtnetLro,
        Preparation::CreateGroup,
        Preparation::RouteLog,
    ];
    let plan = bench.plan(Operation::Prepare { items: items.clone() });
    println!("{}\n{:#?}\n{:#?}\n{:?}", plan.summary, plan.steps, plan.blockers, plan.previews);
    let run = bench.run(Operation::Prepare { items });
    println!("{}\n{}", run.summary, bench.output(run.id));
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}");
    let loader = bench.read("/boot/loader.conf");
    assert!(loader.contains("kern.racct.enable=1\n") && loader.contains("hw.vtnet.lro_disable=1\n"), "{loader}");
}

#[test]
fn a_tunable_counts_as_the_last_file_of_the_loader_sets_it() {
    let bench = Bench::new(Scenario::Fresh);
    let prepare = || Operation::Prepare { items: vec![Preparation::EnableRacct] };
    bench.write("/boot/loader.conf.local", "kern.racct.enable=0\n");
    let plan = bench.plan(prepare());
    let blocker = plan.blockers.first().unwrap();
    assert!(blocker.problem.contains("/boot/loader.conf.local sets kern.racct.enable=0"), "{blocker:?}");
    // Following the advice: the other file says so now, and nothing is left to do.
    bench.write("/boot/loader.conf.local", "kern.racct.enable=1\n");
    let plan = bench.plan(prepare());
    assert!(plan.blockers.is_empty() && plan.nothing_to_do, "{:#?}", plan.steps);
    assert!(plan.steps[0].detail.contains("/boot/loader.conf.local"), "{}", plan.steps[0].detail);
    bench.write("/boot/loader.conf.local", "");
    let run = bench.run(prepare());
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}");
    let check = run.checks.iter().find(|check| check.title.contains("next boot")).unwrap();
    assert_eq!(check.observed, "1 (/boot/loader.conf)");
}

#[test]
fn an_admins_own_pot_conf_of_syslog_stays_and_goes_on_forwarding() {
    let bench = Bench::new(Scenario::Fresh);
    let own = "!pot\n*.*\t@loghost.example.org:514\n!*\nlocal3.*\t/var/log/nomad.log\n";
    let rotated = "/var/log/nomad.log\t600\t7\t100\t*\tJ\n";
    for (folder, text) in [("syslog.d", own), ("newsyslog.conf.d", rotated)] {
        std::fs::create_dir_all(bench.root.join(format!("usr/local/etc/{folder}"))).unwrap();
        bench.write(&format!("/usr/local/etc/{folder}/pot.conf"), text);
    }
    let run = bench.run(route_log());
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert_eq!(bench.read("/usr/local/etc/syslog.d/pot.conf"), own);
    assert_eq!(bench.read("/usr/local/etc/newsyslog.conf.d/pot.conf"), rotated);
    assert!(bench.read("/usr/local/etc/syslog.d/pot-activity.conf").contains("local2.*"));
    bench.tool("usr/bin", "logger", &["-p", "local2.info", "-t", "pot", "pot-start web1"]);
    assert_eq!(bench.read("/var/log/pot.log").lines().count(), 1, "{}", bench.read("/var/log/pot.log"));
    assert!(bench.plan(route_log()).nothing_to_do);
}

#[test]
fn what_an_earlier_version_wrote_moves_so_that_no_line_is_written_twice() {
    use pot_console::operations::log_routing::{OLD_ROTATION, OLD_RULE, ROTATION, RULE, rotation, rule};
    let bench = Bench::new(Scenario::Fresh);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    for (path, bytes) in [(OLD_RULE, rule("local2")), (OLD_ROTATION, rotation())] {
        std::fs::create_dir_all(bench.root.join(path.trim_start_matches('/')).parent().unwrap()).unwrap();
        bench.write(path, &text(bytes));
    }
    bench.write("/var/log/pot.log", "");
    let plan = bench.plan(route_log());
    assert_eq!(state_of(&plan, "old /usr/local/etc/syslog.d/pot.conf"), StepState::WillBeDestroyed);
    let run = bench.until_end(bench.start(&plan).unwrap());
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    for (old, new, bytes) in [(OLD_RULE, RULE, rule("local2")), (OLD_ROTATION, ROTATION, rotation())] {
        assert!(!bench.root.join(old.trim_start_matches('/')).exists(), "{old}");
        assert_eq!(bench.read(new), text(bytes));
    }
    bench.tool("usr/bin", "logger", &["-p", "local2.info", "-t", "pot", "pot-start web1"]);
    assert_eq!(bench.read("/var/log/pot.log").lines().count(), 1, "{}", bench.read("/var/log/pot.log"));
    // The old text back beside the new file would write everything twice.
    let layout = Layout::new(&bench.root, None);
    let kept = pot_console::files::Backups::of(&layout).list(Some("syslog.d-pot.conf")).unwrap().remove(0);
    let back = bench.plan(Operation::Restore { backup: kept.digest, file: ManagedFile::SyslogConf });
    assert!(blocked(&back).contains("written or rotated twice"), "{}", blocked(&back));
}

#[test]
fn a_syslog_conf_that_includes_no_folder_gets_the_line_that_is_missing() {
    let main = "*.notice\t/var/log/messages\n!ppp\n*.*\t/var/log/ppp.log\n";
    for sleeping in [false, true] {
        let bench = Bench::new(Scenario::Fresh);
        bench.write("/etc/syslog.conf", main);
        std::fs::create_dir_all(bench.root.join("usr/local/etc/syslog.d")).unwrap();
        if sleeping {
            bench.write("/usr/local/etc/syslog.d/old.conf", "*.*\t@loghost.example.org\n");
        }
        let plan = bench.plan(route_log());
        assert!(plan.diffs.iter().any(|diff| diff.file == "/etc/syslog.conf"), "{:#?}", plan.diffs);
        let run = bench.until_end(bench.start(&plan).unwrap());
        assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
        let now = bench.read("/etc/syslog.conf");
        assert!(now.starts_with(main), "{now}");
        // Lines of others that nobody reads are not woken by the way.
        assert_eq!(now.contains("include"), !sleeping, "{now}");
        assert_eq!(plan.warnings.iter().any(|one| one.contains("old.conf")), sleeping, "{:#?}", plan.warnings);
        bench.tool("usr/bin", "logger", &["-p", "local2.info", "-t", "pot", "pot-start web1"]);
        assert!(bench.read("/var/log/pot.log").contains("pot-start web1"));
        assert!(bench.plan(route_log()).nothing_to_do, "it does not say so without end");
    }
}

#[test]
fn the_file_that_syslogds_flags_name_is_the_one_that_gets_the_line() {
    let bench = Bench::new(Scenario::Fresh);
    let stock = bench.read("/etc/syslog.conf");
    bench.write("/etc/my-syslog.conf", "*.notice\t/var/log/messages\n");
    bench.tool("usr/sbin", "sysrc", &["syslogd_flags=-s -f /etc/my-syslog.conf"]);
    bench.tool("usr/sbin", "service", &["syslogd", "restart"]);
    let run = bench.run(route_log());
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert_eq!(bench.read("/etc/syslog.conf"), stock);
    assert!(bench.read("/etc/my-syslog.conf").contains("include"));
    bench.tool("usr/bin", "logger", &["-p", "local2.info", "-t", "pot", "pot-start web1"]);
    assert!(bench.read("/var/log/pot.log").contains("pot-start web1"));
}

#[test]
fn another_log_that_is_missing_does_not_make_a_good_one_lost() {
    let bench = Bench::new(Scenario::Fresh);
    bench.write("/etc/syslog.conf", "*.*\t/var/log/all.log\ninclude\t/usr/local/etc/syslog.d\n");
    std::fs::create_dir_all(bench.root.join("usr/local/etc/syslog.d")).unwrap();
    bench.write("/usr/local/etc/syslog.d/own.conf", "local2.*\t/var/log/pot.log\n");
    bench.write("/var/log/pot.log", "");
    let plan = bench.plan(route_log());
    assert!(plan.nothing_to_do && plan.blockers.is_empty(), "{plan:#?}");
    assert!(plan.warnings.iter().any(|one| one.contains("/var/log/all.log")), "{:#?}", plan.warnings);
}

#[test]
fn the_hosts_own_syslogd_flags_come_back_with_clean_up() {
    for line in ["syslogd_flags=\"-s -v -v\"\n", "syslogd_flags='-svn'\n", ""] {
        let bench = Bench::new(Scenario::Default);
        let rest: String = bench
            .read("/etc/rc.conf")
            .lines()
            .filter(|line| !line.contains("syslogd_flags"))
            .fold(String::new(), |text, line| format!("{text}{line}\n"));
        let before = format!("{rest}{line}");
        bench.write("/etc/rc.conf", &before);
        assert_eq!(bench.run(INIT).state, RunState::AsPlanned);
        assert!(bench.read("/etc/rc.conf").contains("-a 10.192.0.0/10"), "{line}");
        let run = bench.run(DE_INIT);
        assert!(run.leftovers.contains(&Leftover::SyslogdFlags), "{line}: {run:#?}");
        let run = bench.run(Operation::CleanUp { items: vec![Leftover::SyslogdFlags] });
        assert_eq!(run.state, RunState::AsPlanned, "{line}: {run:#?}");
        assert_eq!(bench.read("/etc/rc.conf"), before);
    }
}
