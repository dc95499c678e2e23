//! What earlier versions left on a disk, opened by this one: `tests/fixtures/VERSION`; the README there says what they
//! are.

use crate::main_path::until;
use crate::processes::Started;
use crate::rig::{PASSWORD, Rig, kind, simulate};
use nix::sys::signal::Signal;
use pot_console::digest::Digest;
use pot_console::executor::protocol::{Command, Reply, RunEvents, SignedIn};
use pot_console::files::Backups;
use pot_console::journal::{Checkpoint, verify};
use pot_console::layout::Layout;
use pot_console::refusal::RefusalKind;
use pot_console::secret::Secret;
use pot_console::settings::Settings;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Where the files of earlier versions stand.
pub const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
/// What of a version's host is kept beside `pot-console.toml`, `checkpoint.json` and `expected.json`.
pub const STATE: &str = "var/db/pot-console";
pub const HEAD: &str = "var/log/pot-console.head";

/// A host on which an earlier version served, with this one installed since: started anew, nothing serves yet.
struct Earlier {
    layout: Layout,
    dir: tempfile::TempDir,
    /// The version's folder of fixtures.
    folder: PathBuf,
    /// What that version said of its files.
    expected: Value,
}

impl Earlier {
    fn all() -> Vec<Self> {
        let mut folders: Vec<PathBuf> = std::fs::read_dir(FIXTURES)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect();
        folders.sort();
        assert!(!folders.is_empty(), "{FIXTURES} holds no version");
        folders.into_iter().map(Self::of).collect()
    }

    fn of(folder: PathBuf) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = simulate(&dir.path().join("host"));
        copy(&folder.join("host"), layout.root());
        let expected = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
        Self { layout, dir, folder, expected }
    }

    fn settings(&self) -> Settings {
        Settings::read(&self.folder.join("pot-console.toml"), true).unwrap()
    }

    fn open(self) -> (Rig, Value) {
        let settings = self.settings();
        (Rig::open(self.layout, settings, self.dir), self.expected)
    }

    fn journal(&self) -> PathBuf {
        self.layout.private().join("journal")
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint::parse(&std::fs::read_to_string(self.folder.join("checkpoint.json")).unwrap()).unwrap()
    }
}

/// Copies files with the modes that the console gave them: a checkout knows none.
pub fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            if !to.exists() {
                std::fs::create_dir(&to).unwrap();
                std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o700)).unwrap();
            }
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

fn list<'a>(expected: &'a Value, name: &str) -> &'a Vec<Value> {
    expected[name].as_array().filter(|list| !list.is_empty()).unwrap_or_else(|| panic!("no {name} in {expected}"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[test]
fn the_history_of_an_earlier_version_is_sound_and_any_changed_byte_in_it_is_found() {
    for earlier in Earlier::all() {
        let head = earlier.layout.root().join(HEAD);
        let check = || verify(&earlier.journal(), &head, Some(&earlier.checkpoint()));
        let report = check();
        assert_eq!(report.problem, None);
        assert!(report.sound);
        assert_eq!(Some(report.records), earlier.expected["records"].as_u64());
        assert_eq!(report.head.unwrap().to_string(), text(&earlier.expected, "hash"));
        let mut segments: Vec<PathBuf> =
            std::fs::read_dir(earlier.journal()).unwrap().map(|entry| entry.unwrap().path()).collect();
        segments.retain(|path| path.extension().is_some_and(|extension| extension == "journal"));
        assert!(segments.len() > 2, "a journal that was rotated: {segments:?}");
        for segment in segments {
            let whole = std::fs::read(&segment).unwrap();
            // A dozen places, no two of them as far from their line's beginning.
            for at in (0..whole.len()).step_by(whole.len() / 12 + 1) {
                let mut changed = whole.clone();
                changed[at] ^= 1;
                std::fs::write(&segment, &changed).unwrap();
                assert!(!check().sound, "byte {at} of {} was changed", segment.display());
            }
            std::fs::write(&segment, &whole).unwrap();
        }
        assert!(check().sound);
    }
}

#[test]
fn every_record_of_an_earlier_version_is_read_with_who_what_and_how_it_ended() {
    for earlier in Earlier::all() {
        let (rig, expected) = earlier.open();
        let records = rig.records();
        // Those that it had; opening adds its own.
        let count = usize::try_from(expected["records"].as_u64().unwrap()).unwrap();
        let found: Vec<Value> =
            records.iter().take(count).map(|record| serde_json::to_value(record).unwrap()).collect();
        let mut lines = Vec::new();
        for number in expected["segments"].as_array().unwrap() {
            let path = rig.layout.private().join("journal").join(number.as_str().unwrap());
            let segment = std::fs::read_to_string(path).unwrap();
            lines.extend(segment.lines().skip(1).map(|line| line.split_once(' ').unwrap().1.to_owned()));
        }
        for (record, line) in found.iter().zip(&lines) {
            let line: Value = serde_json::from_str(line).unwrap();
            for (name, value) in line.as_object().unwrap() {
                assert_eq!(&record[name], value, "{name} of {line}");
            }
        }
        assert_eq!(found.len(), count);
        for action in list(&expected, "actions") {
            assert!(found.iter().any(|record| record["action"] == *action), "{action}");
        }
        for outcome in list(&expected, "outcomes") {
            assert!(found.iter().any(|record| record["outcome"] == *outcome), "{outcome}");
        }
    }
}

#[test]
fn accounts_of_an_earlier_version_sign_in_with_their_passwords_and_roles() {
    for earlier in Earlier::all() {
        let (rig, expected) = earlier.open();
        for account in list(&expected, "accounts") {
            let name = text(account, "name");
            let ask = |password: &str| {
                let command = Command::SignIn { name: name.to_owned(), password: Secret(password.to_owned()) };
                rig.connect().ask(None, command)
            };
            assert_eq!(kind(ask("another password")), RefusalKind::WrongPassword);
            match ask(text(account, "password")) {
                Ok(Reply::SignedIn(SignedIn { session, .. })) => {
                    assert_eq!(account["disabled"], false, "{name} is disabled");
                    assert_eq!(session.role.to_string(), text(account, "role"), "{name}");
                }
                Ok(other) => panic!("{other:?}"),
                Err(refusal) => assert_eq!(account["disabled"], true, "{name}: {refusal}"),
            }
        }
    }
}

#[test]
fn runs_of_an_earlier_version_are_shown_as_they_ended_and_one_that_waited_as_overtaken_by_the_reboot() {
    for earlier in Earlier::all() {
        let (rig, expected) = earlier.open();
        let (mut wire, token) = (rig.connect(), rig.sign_in("vera"));
        let runs = list(&expected, "runs");
        let Ok(Reply::Runs { runs: all }) = wire.ask(Some(&token), Command::Runs { before: None, limit: 200 }) else {
            panic!()
        };
        assert_eq!(all.len(), runs.len());
        for expected in runs {
            let run = expected["run"].as_u64().unwrap();
            let Ok(Reply::Run(found)) = wire.ask(Some(&token), Command::RunState { run }) else { panic!("run {run}") };
            assert_eq!(found.plan.operation.name(), text(expected, "operation"));
            let state = serde_json::to_value(found.state).unwrap();
            let awaited =
                if expected["state"] == "awaiting-keep" { "overtaken-by-reboot" } else { text(expected, "state") };
            assert_eq!(state, awaited, "{found:#?}");
            let Ok(Reply::RunEvents(RunEvents { events, .. })) =
                wire.ask(Some(&token), Command::RunEvents { run, after: 0, limit: 2000 })
            else {
                panic!("events of run {run}")
            };
            assert!(
                events.len() as u64 >= expected["events"].as_u64().unwrap(),
                "{} events of run {run}",
                events.len()
            );
        }
        assert!(!rig.layout.private().join("pending-revert.json").exists());
    }
}

#[test]
fn kept_versions_and_feedback_of_an_earlier_version_are_still_there() {
    for earlier in Earlier::all() {
        let layout = &earlier.layout;
        let kept = Backups::of(layout).list(None).unwrap();
        assert_eq!(kept.len(), list(&earlier.expected, "versions").len());
        for version in list(&earlier.expected, "versions") {
            let (file, digest) = (text(version, "file"), text(version, "digest"));
            let digest: Digest = serde_json::from_value(digest.into()).unwrap();
            let bytes = Backups::of(layout).read(file, &digest).unwrap();
            assert_eq!(Digest::of(&bytes), digest, "{file}");
        }
        let feedback = pot_console::operations::feedback::list(layout);
        assert_eq!(Some(feedback.len() as u64), earlier.expected["feedback"].as_u64());
    }
}

#[test]
fn the_database_of_an_earlier_version_is_made_anew_from_the_history() {
    for earlier in Earlier::all() {
        let folder = earlier.layout.web();
        let database = folder.join("history.sqlite");
        let held = earlier.expected["database"].as_u64().unwrap();
        let before = std::fs::read(&database).unwrap();
        if nix::unistd::geteuid().is_root() {
            // The web process's user, which a checkout does not know.
            let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
            let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
            for path in files.chain([folder.clone()]) {
                std::os::unix::fs::chown(path, Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
            }
        }
        // Who only looks leaves it as it is, and says so.
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_pot-console"))
            .arg("--root")
            .arg(earlier.layout.root())
            .args(["audit", "verify"])
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && words.contains("database: made by an earlier pot-console"), "{words}");
        assert!(std::fs::read(&database).unwrap() == before, "it was changed");
        let mut demo = serve(earlier.layout.root(), earlier.dir.path());
        let mut verified = Value::Null;
        until("the database's last record", || {
            verified = audit_verify(earlier.layout.root());
            verified["database"]["behind"] == 0
        });
        assert_eq!(verified["sound"], true, "{verified}");
        assert_eq!(verified["database"]["count"], 0, "{verified}");
        assert!(verified["database"]["held"].as_u64().unwrap() > held, "{verified}");
        demo.signal(Signal::SIGTERM);
        assert!(demo.child.wait().unwrap().success());
    }
}

#[test]
fn every_setting_of_an_earlier_version_is_read_as_it_was_meant() {
    for earlier in Earlier::all() {
        let read = earlier.settings().values();
        for setting in list(&earlier.expected, "settings") {
            let (name, value) = (text(setting, "name"), text(setting, "value"));
            let found = read.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name} is gone"));
            assert_eq!(found.1, value, "{name}");
        }
    }
}

/// The console on this host; the password file stands beside it.
pub fn serve(root: &Path, beside: &Path) -> Started {
    let password = beside.join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    let (root, password) = (root.to_str().unwrap(), password.to_str().unwrap());
    let demo = Started::new(&["demo", "--listen", "127.0.0.1:0", "--dir", root, "--password-file", password]);
    demo.address();
    demo
}

/// What `audit verify` says.
pub fn audit_verify(root: &Path) -> Value {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_pot-console"))
        .arg("--root")
        .arg(root)
        .args(["--format", "json", "audit", "verify"])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}
