//! `selftest`: one judge with `setup --check`, nothing changed, no secrets.

use crate::rig::{Host, Said, code_of, differences};
use std::fs;

fn selftest(host: &Host) -> Said {
    host.run(&["--format", "json", "selftest"])
}

#[test]
fn a_sound_installation_passes_and_nothing_is_changed_by_looking() {
    let host = Host::new();
    let code = code_of(&host.set_up());
    let said = selftest(&host);
    assert_eq!(said.status, Some(0), "{}", said.all());
    for (id, verdict) in [
        ("program", "sound"),
        ("user", "sound"),
        ("answers", "sound"),
        ("certificate.days", "sound"),
        ("journal", "sound"),
        ("database", "sound"),
        ("clock", "sound"),
        ("release", "sound"),
        ("tools", "sound"),
        ("facts", "sound"),
        ("pf.nat-to", "note"),
        ("area.zfs", "note"),
        ("area.network", "note"),
        ("area.pf", "note"),
        ("area.boot", "note"),
        ("area.syslogd", "note"),
        ("area.pkg", "note"),
        ("area.pot", "note"),
        ("area.flags", "note"),
    ] {
        assert_eq!(said.verdict(id), verdict, "{id}: {}", said.all());
    }
    let shown = host.run(&["selftest"]);
    assert_eq!(shown.status, Some(0), "{}", shown.all());
    assert!(shown.out.ends_with("As it should be.\n"), "{}", shown.all());
    let key = host.read("/var/db/pot-console/root/tls/key.pem");
    let key = key.lines().nth(1).unwrap();
    for output in [&said.out, &shown.out] {
        assert!(!output.contains(&code) && !output.contains(key), "{output}");
    }
    host.tool("usr/sbin/service", &["pot_console", "stop"]);
    let before = host.tree();
    let stopped = selftest(&host);
    assert_eq!((stopped.status, stopped.verdict("service").as_str()), (Some(1), "differs"), "{}", stopped.all());
    // SQLite moves what stands in its own log into the file when the last reader closes it.
    let changed: Vec<String> =
        differences(&before, &host.tree()).into_iter().filter(|name| !name.contains("/history.sqlite")).collect();
    assert_eq!(changed, [""; 0], "it only looks");
}

#[test]
fn what_differs_is_told_alike_by_check_and_selftest() {
    let host = Host::new();
    host.set_up();
    host.tool("usr/sbin/service", &["pot_console", "stop"]);
    fs::remove_dir_all(host.path("/var/db/pot-console/root/tls")).unwrap();
    host.tool("usr/sbin/sysrc", &["pot_console_enable=NO"]);
    // Someone else on its address.
    let check = host.run(&["--format", "json", "setup", "--check"]);
    let all = selftest(&host);
    assert_eq!((check.status, all.status), (Some(1), Some(1)));
    let lines = |said: &Said| said.json()["lines"].as_array().unwrap().clone();
    let all = lines(&all);
    let mut compared = 0;
    for line in lines(&check) {
        assert!(all.contains(&line), "{line}");
        compared += 1;
    }
    assert!(compared >= 11, "{compared}");
    for id in ["certificate", "rc.conf", "service"] {
        assert_eq!(check.verdict(id), "differs", "{}", check.all());
    }
    // What they advise mends it.
    assert_eq!(host.run(&["setup", "--yes"]).status, Some(0));
    assert_eq!(host.run(&["setup", "--check"]).status, Some(0));
}

#[test]
fn another_certificate_a_broken_history_and_a_missing_tool_are_found() {
    let host = Host::new();
    host.set_up();
    // The console serves with what it read at its start.
    fs::remove_dir_all(host.path("/var/db/pot-console/root/tls")).unwrap();
    let made = host.run(&["--format", "json", "setup", "--check"]);
    assert_eq!(made.verdict("certificate"), "differs", "{}", made.all());
    assert_eq!(host.run(&["setup", "--yes"]).status, Some(0), "it is restarted with the new one");
    assert_eq!(host.run(&["setup", "--check"]).status, Some(0));
    host.fault("jls missing");
    let said = selftest(&host);
    assert_eq!(said.verdict("tools"), "differs", "{}", said.all());
    assert!(said.out.contains("not there: jls"), "{}", said.all());
    host.heal();
    host.fault("ifconfig fail 1 ifconfig: broken");
    let said = selftest(&host);
    assert_eq!(said.verdict("facts.unknown"), "not-known", "{}", said.all());
    assert_eq!(said.verdict("area.network"), "not-known", "{}", said.all());
    host.heal();
    host.tool("usr/sbin/service", &["pot_console", "stop"]);
    let journal = host.path("/var/db/pot-console/root/journal");
    let segment = fs::read_dir(&journal)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "journal"))
        .unwrap();
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, text.replacen("The executor started", "The executor STARTED", 1)).unwrap();
    let said = selftest(&host);
    assert_eq!((said.status, said.verdict("journal").as_str()), (Some(1), "differs"), "{}", said.all());
    assert_eq!(said.verdict("database"), "note", "{}", said.all());
}
