//! The console backed up, lost, and put back by the commands that an admin has: on the same host, on another one, over what
//! stands there, and killed at each step.

use crate::earlier_files::{audit_verify, serve};
use crate::main_path::until;
use crate::rig::{PASSWORD, Rig, edit, save, simulate};
use nix::sys::signal::Signal;
use pot_console::executor::local::Local;
use pot_console::executor::protocol::{AccountView, Command, Records};
use pot_console::journal::record::{Action, Record};
use pot_console::layout::Layout;
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Output};

fn console(root: &Path, args: &[&str]) -> Output {
    crashing(root, args, None)
}

fn crashing(root: &Path, args: &[&str], at: Option<&str>) -> Output {
    let mut command = Program::new(env!("CARGO_BIN_EXE_pot-console"));
    command.arg("--root").arg(root).args(args).stdin(std::process::Stdio::null());
    if let Some(at) = at {
        command.env("POT_CONSOLE_CRASH_AT", at);
    }
    command.output().unwrap()
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", words(output));
    words(output)
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", words(output));
    words(output)
}

fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

/// Every file below a folder but locks, by its name there.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut todo) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if !path.to_string_lossy().ends_with("lock") && !path.ends_with("reserve") {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn accounts(layout: &Layout) -> Vec<String> {
    let accounts: Vec<AccountView> = Local::open(layout).unwrap().ask(Command::Accounts {}).unwrap();
    accounts.into_iter().map(|account| account.name).collect()
}

fn records(layout: &Layout) -> Vec<Record> {
    let mut local = Local::open(layout).unwrap();
    let mut all: Vec<Record> = Vec::new();
    loop {
        let after = all.last().map_or(0, |record| record.sequence);
        let some: Records = local.ask(Command::JournalAfter { after, limit: 1000 }).unwrap();
        if some.records.is_empty() {
            return all;
        }
        all.extend(some.records);
    }
}

/// What the history says of putting back.
fn told(layout: &Layout) -> Vec<String> {
    let all = records(layout);
    let told = all.iter().filter(|record| record.entry.action == Action::Restore && record.entry.object == "console");
    told.map(|record| record.entry.message.clone()).collect()
}

/// A host with accounts, settings, a saved change and keys, and its backup.
struct Kept {
    layout: Layout,
    dir: tempfile::TempDir,
    backup: PathBuf,
}

fn kept() -> Kept {
    let rig = Rig::new();
    let token = rig.sign_in("anna");
    let mut wire = rig.connect();
    let base = wire.configuration(Some(&token)).digest;
    wire.ask(Some(&token), save(base, vec![edit("POT_TMP", "/var/tmp")])).unwrap();
    let layout = rig.layout.clone();
    let dir = rig.end();
    std::fs::write(layout.settings(), "names = [\"jail1.lan\"]\nidle_minutes = 20\n").unwrap();
    std::fs::set_permissions(layout.settings(), std::fs::Permissions::from_mode(0o640)).unwrap();
    done(&console(layout.root(), &["audit", "checkpoint"]));
    let backup = dir.path().join("console.tar");
    let said = done(&console(layout.root(), &["backup", path(&backup)]));
    assert!(said.contains("accounts: 1 file") && said.contains("The key that signs checkpoints and"), "{said}");
    assert_eq!(backup.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    Kept { layout, dir, backup }
}

#[test]
fn a_lost_console_comes_back_on_another_host_with_accounts_history_settings_and_keys() {
    let kept = kept();
    let other = simulate(&kept.dir.path().join("other"));
    let said = done(&console(other.root(), &["restore", path(&kept.backup), "--check"]));
    assert!(said.contains("the backup is sound") && !other.private().exists(), "{said}");
    let before = files(&kept.layout.private());
    done(&console(other.root(), &["restore", path(&kept.backup)]));
    assert_eq!(accounts(&other), ["anna", "olaf", "vera"]);
    let after = files(&other.private());
    for (name, bytes) in &before {
        // The history goes on; the rest is as it was.
        if name.starts_with("journal") {
            assert!(after[name].starts_with(bytes), "{}", name.display());
        } else {
            assert!(after.get(name) == Some(bytes), "{}", name.display());
        }
    }
    assert_eq!(std::fs::read(other.settings()).unwrap(), std::fs::read(kept.layout.settings()).unwrap());
    assert_eq!(other.settings().metadata().unwrap().permissions().mode() & 0o777, 0o640);
    for name in ["", "journal", "keys", "backups/objects"] {
        let mode = other.private().join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{name}");
    }
    assert!(!other.state().join("restore.new").exists() && !other.state().join("restore.json").exists());
    let told = told(&other);
    assert!(told.len() == 1 && told[0].starts_with("The console's files were put back from the backup "), "{told:?}");
    // The pages' database is made anew from the history that was put back, and anna signs in.
    let mut demo = serve(other.root(), kept.dir.path());
    until("the database", || audit_verify(other.root())["database"]["behind"] == 0);
    assert_eq!(audit_verify(other.root())["database"]["count"], 0);
    demo.signal(Signal::SIGTERM);
    assert!(demo.child.wait().unwrap().success());
    let rig = Rig::open(other, pot_console::settings::Settings::default(), kept.dir);
    rig.sign_in("anna");
    assert!(!PASSWORD.is_empty());
}

#[test]
fn putting_back_over_a_history_takes_force_and_moves_what_stood_there_aside() {
    let kept = kept();
    let layout = &kept.layout;
    done(&console(layout.root(), &["user", "disable", "vera"]));
    std::fs::write(layout.settings(), "idle_minutes = 99\n").unwrap();
    let before = files(&layout.private());
    let said = refused(&console(layout.root(), &["restore", path(&kept.backup)]));
    assert!(said.contains("--force"), "{said}");
    assert_eq!(files(&layout.private()), before);
    let output = console(layout.root(), &["--format", "json", "restore", path(&kept.backup), "--force"]);
    done(&output);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(files(Path::new(said["before"].as_str().unwrap())), before);
    let settings_before = said["settings_before"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(settings_before).unwrap(), "idle_minutes = 99\n");
    assert!(std::fs::read_to_string(layout.settings()).unwrap().contains("idle_minutes = 20"));
    // That the history went back is no secret: the copied head knows of records that are gone.
    assert!(layout.private().join("journal/alarm").exists());
    assert_eq!(told(layout).len(), 1);
}

#[test]
fn nothing_is_put_back_beside_a_running_console_or_while_a_change_waits() {
    let kept = kept();
    let layout = &kept.layout;
    let demo = serve(layout.root(), kept.dir.path());
    // A backup is made beside it, and is sound.
    let second = kept.dir.path().join("second.tar");
    done(&console(layout.root(), &["backup", path(&second)]));
    done(&console(layout.root(), &["restore", path(&second), "--check"]));
    for force in [&[][..], &["--force"]] {
        let said = refused(&console(layout.root(), &[&["restore", path(&kept.backup)], force].concat()));
        assert!(said.contains("stop the console first"), "{said}");
    }
    drop(demo);
    until("the end of the console", || {
        !words(&console(layout.root(), &["restore", path(&second), "--check"])).contains("stop the console")
    });
    std::fs::write(layout.private().join("pending-revert.json"), "{}").unwrap();
    let before = files(&layout.state());
    let said = refused(&console(layout.root(), &["restore", path(&kept.backup), "--force"]));
    assert!(said.contains("a change waits"), "{said}");
    assert_eq!(files(&layout.state()), before);
}

#[test]
fn a_restore_that_was_killed_at_any_step_left_all_as_it_was_or_is_ended_by_the_next_command() {
    let kept = kept();
    for (step, noted) in [
        ("replace-renamed#1", false),
        ("restore-staged", false),
        ("restore-noted", true),
        ("restore-set-aside", true),
        ("restore-placed", true),
        ("replace-synced#4", true),
        ("restore-settings", true),
        ("restore-tidied", true),
    ] {
        let layout = simulate(&kept.dir.path().join(format!("host-{step}")));
        let mut local = Local::open(&layout).unwrap();
        let password = pot_console::secret::Secret(PASSWORD.to_owned());
        let role = pot_console::journal::record::Role::Admin;
        local.ask::<()>(Command::AddAccount { name: "here".to_owned(), role, password }).unwrap();
        drop(local);
        std::fs::write(layout.settings(), "idle_minutes = 99\n").unwrap();
        let before = files(&layout.private());
        let args = ["restore", path(&kept.backup), "--force"];
        let output = crashing(layout.root(), &args, Some(step));
        assert_eq!(output.status.signal(), Some(9), "{step}: {}", words(&output));
        if noted {
            // Whoever comes first ends it, before anything else is done.
            done(&console(layout.root(), &["user", "list"]));
            assert_eq!(accounts(&layout), ["anna", "olaf", "vera"], "{step}");
            assert!(std::fs::read_to_string(layout.settings()).unwrap().contains("idle_minutes = 20"), "{step}");
            assert_eq!(told(&layout).len(), 1, "{step}");
        } else {
            assert_eq!(files(&layout.private()), before, "{step}");
            assert_eq!(accounts(&layout), ["here"], "{step}");
            done(&console(layout.root(), &args));
            assert_eq!(accounts(&layout), ["anna", "olaf", "vera"], "{step}");
            assert_eq!(told(&layout).len(), 1, "{step}");
        }
        assert!(!layout.state().join("restore.new").exists(), "{step}");
        assert!(!layout.state().join("restore.json").exists(), "{step}");
    }
    // Asked for again, without force, the one that was cut off is ended, not done twice.
    let layout = simulate(&kept.dir.path().join("again"));
    drop(Local::open(&layout).unwrap());
    let output = crashing(layout.root(), &["restore", path(&kept.backup), "--force"], Some("restore-set-aside"));
    assert_eq!(output.status.signal(), Some(9));
    done(&console(layout.root(), &["restore", path(&kept.backup)]));
    assert_eq!(accounts(&layout), ["anna", "olaf", "vera"]);
    assert_eq!(told(&layout).len(), 1);
}

#[test]
fn a_file_that_is_no_backup_or_was_changed_is_refused_by_check_and_by_restore_and_nothing_is_left() {
    let kept = kept();
    let other = simulate(&kept.dir.path().join("other"));
    let bad = kept.dir.path().join("bad.tar");
    let whole = std::fs::read(&kept.backup).unwrap();
    let mut changed = whole.clone();
    let at = whole.len() / 2;
    changed[at] ^= 4;
    for bytes in [&b"no archive"[..], &whole[..at], &changed] {
        std::fs::write(&bad, bytes).unwrap();
        for args in [&["restore", path(&bad), "--check"][..], &["restore", path(&bad)]] {
            let said = refused(&console(other.root(), args));
            assert!(said.contains("no sound backup"), "{said}");
        }
        assert!(!other.private().exists() && !other.state().join("restore.new").exists());
    }
    assert_eq!(console(other.root(), &["restore", "/nonexistent/file"]).status.code(), Some(2));
    // One that is there is never written over.
    assert_eq!(console(kept.layout.root(), &["backup", path(&kept.backup)]).status.code(), Some(2));
    assert_eq!(std::fs::read(&kept.backup).unwrap(), whole);
}

#[test]
fn what_a_newer_pot_console_wrote_is_left_as_it_is_and_said_whatever_kind_it_is_of() {
    type Change = fn(&str) -> String;
    let version_2: Change = |text| format!("{{\"version\":2,\"old\":{text:?}}}");
    let changes: [(&str, Change, &str); 7] = [
        ("formats.json", |text| text.replace("\"runs\":1", "\"runs\":2"), "runs, version 2;"),
        ("accounts.json", |text| text.replace("\"version\": 1", "\"version\": 2"), "accounts, version 2;"),
        ("watched.json", version_2, "notes, version 2;"),
        ("settings.json", version_2, "notes, version 2;"),
        ("set-aside.json", version_2, "notes, version 2;"),
        ("pending-revert.json", version_2, "a change that waits, version 2;"),
        (
            "journal/00000000000000000001.journal",
            |text| text.replacen("{\"segment\":{", "{\"segment\":{\"version\":2,\"form\":\"x\",", 1),
            "the history's journal, version 2;",
        ),
    ];
    for (name, change, said) in changes {
        let kept = kept();
        let file = kept.layout.private().join(name);
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let newer = change(&text);
        assert_ne!(newer, text, "{name}");
        std::fs::write(&file, newer).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let before = files(&kept.layout.private());
        for args in [&["user", "list"][..], &["user", "disable", "vera"], &["conf", "set", "POT_EXTIF=em1", "--force"]]
        {
            let output = console(kept.layout.root(), args);
            assert!(!output.status.success(), "{name}: {args:?}");
            let words = words(&output);
            let advice = if name == "pending-revert.json" { "Install that" } else { "restore FILE --force" };
            for part in [path(&file), "was written by a newer pot-console", said, "knows version 1", advice] {
                assert!(words.contains(part), "{name}: {part}: {words}");
            }
        }
        let after = files(&kept.layout.private());
        assert_eq!(after, before, "{name}");
        // What the sentence advises, followed: the backup of before goes over it, and all is well.
        if name != "pending-revert.json" {
            done(&console(kept.layout.root(), &["restore", path(&kept.backup), "--force"]));
            assert_eq!(accounts(&kept.layout), ["anna", "olaf", "vera"], "{name}");
        }
    }
}
