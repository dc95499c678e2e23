//! Plans: what they say, and when they no longer hold.

use crate::bench::{Bench, DE_INIT, INIT, anna, from_lan, initialised, network_kept};
use pot_console::plan::Preparation;
use pot_console::plan::{Operation, Plan, RunState};
use pot_console::refusal::RefusalKind;
use pot_console::simulator::Scenario;

#[test]
fn a_plan_serves_once_and_only_while_the_host_is_as_it_was() {
    let bench = Bench::new(Scenario::Default);
    let plan = bench.plan(INIT);
    let other = bench.engine.run("another session", &anna(), &from_lan(), plan.id, &plan.digest, None, None);
    assert_eq!(other.unwrap_err().kind, RefusalKind::NotFound);
    let wrong = pot_console::digest::Digest::of(b"x");
    let other = bench.engine.run("session", &anna(), &from_lan(), plan.id, &wrong, None, None);
    assert_eq!(other.unwrap_err().kind, RefusalKind::Conflict);
    let pf = bench.read("/etc/pf.conf");
    bench.write("/etc/pf.conf", &format!("{pf}\n# edited meanwhile\n"));
    assert_eq!(bench.start(&plan).unwrap_err().kind, RefusalKind::Conflict);
    assert_eq!(bench.start(&plan).unwrap_err().kind, RefusalKind::NotFound, "it is used up");
    assert!(!bench.tool("sbin", "zfs", &["list", "-H", "-o", "name"]).contains("zroot/pot"));
}

#[test]
fn a_plan_as_commands_does_once_what_the_run_would_do() {
    use pot_console::plan::text::commands;
    let fresh = Bench::new(Scenario::Fresh);
    let items = vec![Preparation::EnableRacct, Preparation::DisableVtnetLro, Preparation::RouteLog];
    let text = commands(&fresh.plan(Operation::Prepare { items }));
    let patched: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("patch ")).collect();
    assert_eq!(
        patched,
        [
            "/boot/loader.conf <<'EOF'",
            "/usr/local/etc/syslog.d/pot-activity.conf <<'EOF'",
            "/usr/local/etc/newsyslog.conf.d/pot-activity.conf <<'EOF'"
        ],
        "{text}"
    );
    assert!(text.contains("+kern.racct.enable=1\n+hw.vtnet.lro_disable=1\n"), "both tunables in one patch: {text}");
    for line in
        ["mkdir -p /usr/local/etc/syslog.d", "install -m 640 /dev/null /var/log/pot.log", "service syslogd reload"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    let bench = initialised();
    let text = commands(&bench.plan(Operation::DeInit { stop_pots: false, minimal: false, pf_file: None }));
    assert!(text.ends_with("\npot de-init -v\n") && !text.contains("patch"), "pot takes its lines out itself: {text}");
}

/// The shapes that a value takes in people's rc.conf, beside the stock one.
#[test]
fn what_sysrc_makes_of_rc_conf_is_shown_before_to_the_letter() {
    for line in [
        "",
        "syslogd_flags='-c -8'",
        "  syslogd_flags=\"-8 -vv\"\t# mine",
        "syslogd_flags=-s   # hush",
        "syslogd_flags=\"-8\"\nother=\"1\"\nsyslogd_flags=\"-c\"; more=\"2\"",
        "syslogd_flags=\"\"",
    ] {
        let bench = Bench::new(Scenario::Default);
        let rest: Vec<String> = bench.read("/etc/rc.conf").lines().map(str::to_owned).collect();
        let rest: Vec<String> = rest.into_iter().filter(|line| !line.contains("syslogd_flags")).collect();
        let old = format!("{}\n{line}\n", rest.join("\n"));
        bench.write("/etc/rc.conf", &old);
        let plan = bench.plan(INIT);
        let shown = plan.diffs.iter().find(|diff| diff.file == "/etc/rc.conf").unwrap();
        let run = bench.run(INIT);
        assert_eq!(run.state, RunState::AsPlanned, "{line}: {run:#?}");
        let new = bench.read("/etc/rc.conf");
        let done = pot_console::diff::Diff::between("/etc/rc.conf", old.as_bytes(), new.as_bytes());
        assert_eq!(shown.to_string(), done.to_string(), "{line}");
    }
}

#[test]
fn a_file_that_has_the_last_word_over_rc_conf_is_named() {
    for file in ["/etc/rc.conf.local", "/etc/rc.conf.d/syslogd"] {
        let bench = Bench::new(Scenario::Default);
        std::fs::create_dir_all(bench.root.join("etc/rc.conf.d")).unwrap();
        bench.write(file, "syslogd_flags=\"-8\"\n");
        let plan = bench.plan(INIT);
        let blocks = |plan: &Plan| plan.blockers.iter().any(|one| one.problem.starts_with(file));
        assert!(blocks(&plan), "{file}: {:#?}", plan.blockers);
        let Operation::Init { place_anchors, merge_syslogd_flags, minimal, leave_pf, pf_file, .. } = INIT else {
            return;
        };
        let left =
            Operation::Init { place_anchors, merge_syslogd_flags, minimal, leave_syslogd: true, leave_pf, pf_file };
        assert!(bench.plan(left).blockers.is_empty());
    }
}

#[test]
fn a_pf_conf_that_cannot_be_read_is_not_called_missing_among_what_is_left() {
    let bench = initialised();
    network_kept(&bench);
    bench.run(DE_INIT);
    bench.keep_elsewhere("/etc/pf.conf", "/home/anna/pf.conf", "/home/anna/pf.conf");
    bench.mode("/home/anna", 0o777);
    let left = bench.plan(Operation::CleanUp { items: Vec::new() }).left_behind;
    let (_, words) = left.iter().find(|(what, _)| what.contains("anchors")).expect("named");
    assert!(words.contains("is not known: /etc/pf.conf is a link to /home/anna/pf.conf"), "{words}");
    assert!(!words.contains("does not exist"), "{words}");
}

#[test]
fn plan_clean_up_without_an_item_lists_what_there_is() {
    let bench = initialised();
    bench.run(DE_INIT);
    let call = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_pot-console"))
            .arg("--root")
            .arg(&bench.root)
            .args(args)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    let (code, text) = call(&["plan", "clean-up"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("  syslogd-flags: ") && text.contains("  fs-root: folder /opt/pot"), "{text}");
    assert!(!text.contains("Cannot start"), "{text}");
    let (code, text) = call(&["--format", "json", "plan", "clean-up"]);
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, plan["left_behind"][0][0].as_str()), (Some(0), Some("syslogd-flags")), "{text}");
    let (code, text) = call(&["run", "clean-up"]);
    assert!(code == Some(1) && text.contains("Nothing is chosen."), "{text}");
}

#[test]
fn without_pot_a_plan_says_what_is_missing_and_makes_no_steps_of_empty_names() {
    let bench = Bench::new(Scenario::Fresh);
    for operation in [INIT, DE_INIT, Operation::VnetStart { revert_after: Some(60) }] {
        let plan = bench.plan(operation);
        let problems: Vec<&str> = plan.blockers.iter().map(|blocker| blocker.problem.as_str()).collect();
        assert_eq!(problems, ["pot is not installed on this host."]);
        assert!(plan.steps.is_empty() && plan.destroys.is_empty(), "{:#?}", plan.steps);
        assert!(plan.summary.starts_with("There is nothing to plan yet"), "{}", plan.summary);
    }
}
