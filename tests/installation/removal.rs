//! `setup --remove`: what setup made goes, what was there stays, and a change that waits is put back first.

use crate::patience::PATIENCE;
use crate::rig::{Host, PRIVATE, SETTINGS, WEB, differences, host_name};
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn the_removal_takes_what_setup_made_and_names_what_it_leaves() {
    let host = Host::new();
    let before = host.tree();
    host.set_up();
    let dry = host.run(&["setup", "--remove", "--dry-run"]);
    assert_eq!(dry.status, Some(0), "{}", dry.all());
    for line in [
        "$ service pot_console stop",
        "$ sysrc -x pot_console_enable",
        "$ pw userdel -n potconsole",
        "remove /usr/local/etc/pot-console.toml",
    ] {
        assert!(dry.out.contains(line), "{line}: {}", dry.all());
    }
    assert!(host.runs(), "a dry run stops nothing");
    let unasked = host.run(&["setup", "--remove"]);
    assert_eq!(unasked.status, Some(1), "{}", unasked.all());
    assert!(host.runs() && unasked.err.contains("Nothing was taken away"), "{}", unasked.all());
    let said = host.run(&["setup", "--remove", "--yes"]);
    assert_eq!(said.status, Some(0), "{}", said.all());
    assert!(said.out.contains("the history, accounts, kept versions and keys"), "{}", said.all());
    assert!(!host.runs());
    let left: Vec<String> = differences(&before, &host.tree())
        .into_iter()
        .filter(|name| !name.starts_with("var/db/pot-console/"))
        .collect();
    assert_eq!(
        left,
        ["var/db", "var/db/pot-console", "var/log", "var/log/pot-console.head"]
            .map(str::to_owned)
            .into_iter()
            .filter(|name| left.contains(name))
            .collect::<Vec<_>>(),
        "nothing else is left"
    );
    assert!(!host.path(WEB).exists() && host.path(PRIVATE).exists());
    assert!(!host.path("/var/db/pot-console/root/setup-code").exists(), "the code was for the console that went");
    assert!(host.run(&["audit", "list"]).out.contains("setup --remove"), "the history says so");
    // And again.
    let again = host.run(&["setup", "--remove", "--yes"]);
    assert_eq!(again.status, Some(0), "{}", again.all());
    assert!(again.out.contains("nothing here that setup made"), "{}", again.all());
    host.set_up();
    assert_eq!(host.run(&["audit", "verify"]).status, Some(0), "the history goes on");
}

#[test]
fn killed_at_every_step_the_next_removal_ends_it() {
    let host = Host::new();
    host.set_up();
    let mut killed = 0;
    while host.killed_at("setup-undo#2", &["setup", "--remove", "--yes"]).status.is_none() {
        killed += 1;
        assert!(killed < 20, "it never ends");
    }
    assert!(killed >= 6, "{killed}");
    assert!(!host.read("/etc/passwd").contains("potconsole") && !host.read("/etc/group").contains("potconsole"));
    assert!(!host.path(SETTINGS).exists() && !host.read("/etc/rc.conf").contains("pot_console"));
}

#[test]
fn settings_that_were_changed_since_are_left_and_the_variable_gets_its_value_back() {
    let host = Host::new();
    host.tool("usr/sbin/sysrc", &["pot_console_enable=NO"]);
    host.set_up();
    let mine = format!("{}\nreason_required = true\n", host.read(SETTINGS).replace("[history]", "#"));
    host.write(SETTINGS, &mine, 0o644);
    let said = host.run(&["setup", "--remove", "--yes"]);
    assert_eq!(said.status, Some(0), "{}", said.all());
    assert!(said.out.contains("pot-console.toml: it was changed since setup wrote it"), "{}", said.all());
    assert_eq!(host.read(SETTINGS), mine);
    assert!(host.read("/etc/rc.conf").contains("pot_console_enable=\"NO\""), "{}", host.read("/etc/rc.conf"));
}

#[test]
fn purging_needs_the_hosts_name_and_then_leaves_nothing() {
    let host = Host::new();
    let before = host.tree();
    host.set_up();
    for typed in ["", "\n", "yes\n", "some-other-host\n"] {
        let said = host.typed(&["setup", "--remove", "--purge", "--yes"], typed);
        assert_ne!(said.status, Some(0), "{typed:?}: {}", said.all());
        assert!(host.runs() && host.path(PRIVATE).exists(), "{typed:?}: {}", said.all());
    }
    let said = host.typed(&["setup", "--remove", "--purge"], &format!("{}\n", host_name()));
    assert_eq!(said.status, Some(0), "{}", said.all());
    assert_eq!(differences(&before, &host.tree()), [""; 0]);
    assert!(!host.path("/var/log/pot-console.log").exists());
}

#[test]
fn a_change_that_waits_is_put_back_before_the_console_goes() {
    for dies in [false, true] {
        let host = Host::new();
        assert_eq!(host.run(&["run", "init"]).status, Some(0));
        let rules = || host.tool("sbin/pfctl", &["-s", "nat"]).out + &host.tool("sbin/ifconfig", &["-l"]).out;
        let before = rules();
        host.set_up();
        let args = ["run", "vnet-start", "--revert-after", "600"];
        let mut waiting = None;
        if dies {
            // Nobody waits for the answer any more: it is the next one's who comes.
            assert_eq!(host.killed_at("run-awaiting-keep", &args).status, None);
        } else {
            let mut command = host.command(&args);
            waiting = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        }
        let pending = host.path("/var/db/pot-console/root/pending-revert.json");
        let begun = Instant::now();
        while rules() == before
            || !pending.exists()
            || !host.run(&["setup", "--remove", "--dry-run"]).out.contains("put back what run")
        {
            assert!(begun.elapsed() < PATIENCE, "it never waits");
            std::thread::sleep(Duration::from_millis(100));
        }
        // Until it waits to be kept it cannot be put back by anybody else.
        let said = loop {
            let said = host.run(&["setup", "--remove", "--yes"]);
            if !said.err.contains("does not wait to be kept") || begun.elapsed() > PATIENCE {
                break said;
            }
            assert!(host.runs(), "nothing is taken away before it is put back: {}", said.all());
            std::thread::sleep(Duration::from_millis(200));
        };
        assert_eq!(said.status, Some(0), "dies {dies}: {}", said.all());
        assert!(said.out.contains("put back what run"), "said beforehand: {}", said.all());
        assert_eq!(rules(), before, "dies {dies}");
        assert!(!pending.exists() && !host.runs());
        if let Some(mut waiting) = waiting {
            waiting.wait().unwrap();
        }
    }
}

#[test]
fn setup_does_not_restart_a_console_whose_change_waits() {
    let host = Host::new();
    assert_eq!(host.run(&["run", "init"]).status, Some(0));
    host.set_up();
    assert_eq!(host.killed_at("run-awaiting-keep", &["run", "vnet-start", "--revert-after", "600"]).status, None);
    std::fs::remove_dir_all(host.path("/var/db/pot-console/root/tls")).unwrap();
    let said = host.run(&["setup", "--yes"]);
    assert_eq!(said.status, Some(1), "{}", said.all());
    assert!(said.err.contains("answer first: pot-console run keep"), "{}", said.all());
    assert!(host.path("/var/db/pot-console/root/pending-revert.json").exists());
}
