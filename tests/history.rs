//! The history of a running console: what was reported as done is in it whatever dies, and tampering is found.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::Value;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use support::{Demo, PATIENCE, program};

/// Runs a command line on a simulated host.
fn console(root: &Path, args: &[&str]) -> Output {
    Command::new(program()).arg("--root").arg(root).args(args).output().expect("run pot-console")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(root: &Path, args: &[&str]) -> Value {
    let output = console(root, &[&["--format", "json"], args].concat());
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{args:?}: {error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// A simulated host on which nothing serves.
fn host() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let built = Command::new(program()).arg("simulate").arg(folder.path().join("host")).output().expect("simulate");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    folder
}

fn journal(root: &Path) -> PathBuf {
    let folder = root.join("var/db/pot-console/root/journal");
    let mut segments: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the journal's folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "journal"))
        .collect();
    segments.sort();
    segments.pop().expect("a segment")
}

/// Values that the history says were saved.
fn saved(root: &Path) -> Vec<String> {
    let found = json(root, &["audit", "list", "--action", "configuration", "--limit", "10000"]);
    let records = found["records"].as_array().expect("records");
    records
        .iter()
        .filter(|record| record["ended"]["outcome"] == "done" || record["ended"]["outcome"] == "interrupted")
        .flat_map(|record| record["changes"].as_array().cloned().unwrap_or_default())
        .filter_map(|change| change["to"].as_str().map(str::to_owned))
        .collect()
}

fn rounds() -> u32 {
    if std::env::var_os("POT_CONSOLE_LONG").is_some() { 200 } else { 20 }
}

#[test]
fn no_save_that_was_reported_is_lost_when_the_saving_process_is_killed() {
    let folder = host();
    let root = folder.path().join("host");
    let mut reported = Vec::new();
    for round in 0..rounds() {
        let value = format!("em{round}");
        let mut child = Command::new(program())
            .arg("--root")
            .arg(&root)
            .args(["conf", "set", &format!("POT_EXTIF={value}"), "--force", "--reason", "a test"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("start a save");
        // From at once to well after its end.
        std::thread::sleep(Duration::from_millis(u64::from(round % 20) * 15));
        let _ = child.kill();
        if child.wait().expect("its end").success() {
            reported.push(value);
        }
    }
    let value = "em999".to_owned();
    let output = console(&root, &["conf", "set", &format!("POT_EXTIF={value}"), "--force", "--reason", "a test"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    reported.push(value);
    let saved = saved(&root);
    for value in &reported {
        assert!(saved.contains(value), "{value} was reported as saved, but is not among {saved:?}");
    }
    let verified = json(&root, &["audit", "verify"]);
    assert_eq!(verified["sound"], true, "{verified}");
}

#[test]
fn the_database_catches_up_after_the_web_process_was_killed() {
    let demo = Demo::start("default");
    for round in 0..rounds() / 4 {
        let child = Command::new("pgrep").args(["-P", &demo.pid().to_string()]).output().expect("pgrep");
        for pid in String::from_utf8_lossy(&child.stdout).split_whitespace() {
            let _ = Command::new("kill").args(["-9", pid]).status();
        }
        let set = format!("POT_EXTIF=vtnet{round}");
        let output = console(&demo.dir, &["conf", "set", &set, "--force", "--reason", "a test"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let begun = Instant::now();
    loop {
        let verified = json(&demo.dir, &["audit", "verify"]);
        assert_eq!(verified["sound"], true, "{verified}");
        if verified["database"]["behind"] == 0 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the database stays behind: {verified}");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(saved(&demo.dir).len(), rounds() as usize / 4);
}

#[test]
fn a_full_disk_refuses_the_change_before_it_is_made() {
    let folder = host();
    let root = folder.path().join("host");
    let first = console(&root, &["conf", "set", "POT_EXTIF=vtnet0", "--force", "--reason", "a test"]);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let conf = root.join("usr/local/etc/pot/pot.conf");
    let before = std::fs::read(&conf).expect("pot.conf");
    // A limit on the size of files is what a full disk looks like to one who writes.
    let size = journal(&root).metadata().expect("the journal").len();
    let command = format!(
        "trap '' XFSZ; ulimit -f {}; exec \"$0\" --root \"$1\" conf set POT_EXTIF=vtnet1 --force --reason full",
        size / 512
    );
    let output =
        Command::new("sh").args(["-c", &command]).arg(program()).arg(&root).output().expect("save with a full disk");
    assert!(!output.status.success(), "{}", stdout(&output));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("could not be recorded"), "{words}");
    assert_eq!(std::fs::read(&conf).expect("pot.conf"), before, "pot.conf was changed without a record");
    let verified = json(&root, &["audit", "verify"]);
    assert_eq!(verified["sound"], true, "{verified}");
}

#[test]
fn a_changed_byte_of_the_journal_is_found_and_its_record_named() {
    let folder = host();
    let root = folder.path().join("host");
    for value in ["vtnet0", "vtnet1", "vtnet2"] {
        console(&root, &["conf", "set", &format!("POT_EXTIF={value}"), "--force", "--reason", "a test"]);
    }
    let kept = folder.path().join("checkpoint.json");
    let kept = kept.to_str().expect("a path");
    assert!(console(&root, &["audit", "checkpoint", kept]).status.success());
    assert!(console(&root, &["audit", "verify", "--checkpoint", kept]).status.success());

    let path = journal(&root);
    let whole = std::fs::read(&path).expect("the journal");
    let at = whole.windows(6).position(|window| window == b"vtnet1").expect("a value in the journal");
    let mut file = std::fs::File::options().read(true).write(true).open(&path).expect("the journal");
    file.seek(SeekFrom::Start(at as u64)).expect("seek");
    file.write_all(b"vtnet7").expect("tamper");
    let mut changed = Vec::new();
    file.rewind().expect("rewind");
    file.read_to_end(&mut changed).expect("read");
    assert_ne!(changed, whole);
    let output = console(&root, &["--format", "json", "audit", "verify"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["sound"], false);
    assert!(found["record"].as_u64().is_some(), "{found}");

    // Cut off after whole lines and without the copy of the head, as only root could: an alarm stands until root takes
    // it away, too; then the kept checkpoint tells.
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    std::fs::write(&path, lines[..lines.len() - 2].concat()).expect("truncate");
    std::fs::remove_file(root.join("var/log/pot-console.head")).expect("remove the head");
    assert!(console(&root, &["audit", "list"]).status.success());
    let output = console(&root, &["audit", "verify"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stdout(&output).contains("is gone"), "{}", stdout(&output));
    std::fs::remove_file(path.with_file_name("alarm")).expect("remove the alarm");
    let output = console(&root, &["audit", "verify"]);
    assert_eq!(output.status.code(), Some(0), "only the checkpoint can tell: {}", stdout(&output));
    let found = json(&root, &["audit", "verify", "--checkpoint", kept]);
    assert_eq!(found["sound"], false, "{found}");
    assert!(found["problem"].as_str().is_some_and(|problem| problem.contains("checkpoint")), "{found}");
}

#[test]
fn every_row_of_the_database_that_differs_is_named_and_a_rebuild_fixes_it() {
    let demo = Demo::start("default");
    for value in ["vtnet0", "vtnet1"] {
        console(&demo.dir, &["conf", "set", &format!("POT_EXTIF={value}"), "--force", "--reason", "a test"]);
    }
    let begun = Instant::now();
    while json(&demo.dir, &["audit", "verify"])["database"]["behind"] != 0 {
        assert!(begun.elapsed() < PATIENCE, "the database stays behind");
        std::thread::sleep(Duration::from_millis(200));
    }
    let database = demo.path("/var/db/pot-console/web/history.sqlite");
    for tampering in [
        "UPDATE record SET json = replace(json, '\"name\":', '\"name\": ') WHERE sequence = 2",
        "UPDATE record SET json = replace(json, 'vtnet1', 'em7')",
        "UPDATE record SET json = json_set(json, '$.outcome', 'failed') WHERE stage = 'outcome'",
        "DELETE FROM record WHERE sequence = 3",
        "DELETE FROM record WHERE sequence = (SELECT max(sequence) FROM record)",
        "UPDATE search SET words = replace(words, 'vtnet1', 'em7')",
        "UPDATE search_content SET c0 = replace(c0, 'vtnet1', 'em7')",
        "DELETE FROM search_idx",
        "DELETE FROM search_data WHERE id > 10",
    ] {
        // The console looks once more within a second of the last record, and would take a deleted one in again.
        std::thread::sleep(Duration::from_secs(2));
        execute(&database, tampering);
        let output = console(&demo.dir, &["--format", "json", "audit", "verify"]);
        assert_eq!(output.status.code(), Some(1), "{tampering}: {}", stdout(&output));
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(found["database"]["count"].as_u64() > Some(0), "{tampering}: {found}");
        let output = console(&demo.dir, &["audit", "rebuild"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let begun = Instant::now();
        loop {
            let found = json(&demo.dir, &["audit", "verify"]);
            if found["sound"] == true && found["database"]["behind"] == 0 {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{tampering}: not fixed: {found}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn execute(database: &Path, statement: &'static str) {
    use sqlx::ConnectOptions as _;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database).foreign_keys(false);
        let mut connection = options.connect().await.expect("open the database");
        let done = sqlx::query(statement).execute(&mut connection).await.expect(statement);
        assert!(done.rows_affected() > 0, "{statement}");
    });
}

#[test]
fn a_backup_holds_journal_and_accounts_and_no_key_and_a_changed_one_is_refused() {
    let folder = host();
    let root = folder.path().join("host");
    console(&root, &["conf", "set", "POT_EXTIF=vtnet0", "--force", "--reason", "a test"]);
    assert!(console(&root, &["audit", "checkpoint"]).status.success());
    let file = folder.path().join("history.backup");
    let name = file.to_str().expect("a path");
    let output = console(&root, &["audit", "backup", name]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(console(&root, &["audit", "backup", name, "--check"]).status.success());
    let mut bytes = std::fs::read(&file).expect("the backup");
    assert!(!String::from_utf8_lossy(&bytes).contains("PRIVATE KEY"));
    let last = bytes.len() - 20;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).expect("tamper");
    assert_eq!(console(&root, &["audit", "backup", name, "--check"]).status.code(), Some(1));
}

#[test]
fn a_list_says_the_object_and_the_values_and_filters_narrow_it() {
    let folder = host();
    let root = folder.path().join("host");
    console(&root, &["conf", "set", "POT_EXTIF=vtnet0", "--force", "--reason", "the card was changed"]);
    let text = stdout(&console(&root, &["audit", "list"]));
    assert!(text.contains("POT_EXTIF") && text.contains("vtnet0") && text.contains("the card was changed"), "{text}");
    let count = |args: &[&str]| {
        let found = json(&root, &[&["audit", "list"], args].concat());
        found["records"].as_array().expect("records").len()
    };
    assert_eq!(count(&["--parameter", "POT_EXTIF"]), 1);
    assert_eq!(count(&["--parameter", "POT_TMP"]), 0);
    assert_eq!(count(&["--text", "card vtn"]), 1);
    assert_eq!(count(&["--outcome", "failed"]), 0);
    assert_eq!(count(&["--since", "1h", "--changes"]), 1);
    assert_eq!(console(&root, &["audit", "list", "--action", "nonsense"]).status.code(), Some(2));
    let lines = stdout(&console(&root, &["audit", "export"]));
    let exported: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(exported.last().expect("a record")["action"], "export", "that it was exported is recorded before");
    let csv = stdout(&console(&root, &["audit", "export", "--as", "csv"]));
    assert!(csv.starts_with("sequence,"), "{csv}");
}

/// What was found changed by someone else, oldest first.
fn outside(root: &Path) -> Vec<Value> {
    let found = json(root, &["audit", "list", "--action", "outside", "--limit", "1000"]);
    let mut records = found["records"].as_array().expect("records").clone();
    records.reverse();
    records
}

fn set(root: &Path, setting: &str) {
    let output = console(root, &["conf", "set", setting, "--force", "--reason", "a test"]);
    assert!(output.status.success(), "{setting}: {}", String::from_utf8_lossy(&output.stderr));
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A console that has looked at its files once.
fn watching() -> Demo {
    let demo = Demo::start("default");
    let known = demo.path("/var/db/pot-console/root/watched.json");
    until("the first look at the files", || std::fs::read_to_string(&known).is_ok_and(|text| text.contains("pf.conf")));
    demo
}

fn append(demo: &Demo, file: &str, line: &str) {
    let mut file = std::fs::File::options().append(true).open(demo.path(file)).expect("a file of the host");
    writeln!(file, "{line}").expect("append a line");
}

#[test]
fn checking_the_history_blames_nobody_while_changes_go_on() {
    let demo = watching();
    let root = demo.dir.clone();
    let end = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if end.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                set(&root, &format!("POT_EXTIF=vtnet{number}"));
            }
        });
        for _ in 0..15 {
            let output = console(&root, &["--format", "json", "audit", "verify"]);
            let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            if found["sound"] != true {
                end.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            assert_eq!(found["sound"], true, "{found}");
        }
        end.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn what_the_command_line_recorded_comes_to_the_pages_by_itself() {
    let demo = watching();
    set(&demo.dir, "POT_EXTIF=vtnet1");
    until("the database", || {
        let found = json(&demo.dir, &["audit", "verify"]);
        found["database"]["behind"] == 0 && found["database"]["held"].as_u64() > Some(0)
    });
}

#[test]
fn what_someone_did_by_hand_right_before_a_save_is_recorded_as_theirs() {
    let demo = watching();
    append(&demo, "/usr/local/etc/pot/pot.conf", "POT_TMP=/var/tmp/by-hand");
    set(&demo.dir, "POT_EXTIF=vtnet1");
    let found = outside(&demo.dir);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0]["message"].as_str().is_some_and(|words| words.contains("/var/tmp/by-hand")), "{found:?}");
    assert_eq!(found[0]["changes"][0]["name"], "POT_TMP");
    let saves = json(&demo.dir, &["audit", "list", "--action", "configuration"]);
    assert_eq!(saves["records"][0]["changes"].as_array().map(Vec::len), Some(1), "{saves}");
    assert_eq!(saves["records"][0]["before"], found[0]["after"], "the save follows from what was found");
}

#[test]
fn what_someone_did_by_hand_right_before_a_run_is_recorded_as_theirs() {
    let demo = watching();
    set(&demo.dir, "POT_EXTIF=vtnet1");
    set(&demo.dir, "POT_EXTIF=vtnet2");
    let versions = json(&demo.dir, &["audit", "list", "--action", "configuration"]);
    let version = versions["records"][0]["before"].as_str().expect("a digest").to_owned();
    append(&demo, "/etc/pf.conf", "pass quick on lo1");
    append(&demo, "/etc/rc.conf", "by_hand_enable=\"YES\"");
    let output = console(&demo.dir, &["conf", "restore", version.trim_start_matches("sha256:"), "--reason", "a test"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    until("both changes", || outside(&demo.dir).len() >= 2);
    let words: Vec<String> = outside(&demo.dir).iter().map(|record| record["message"].to_string()).collect();
    assert!(
        words.iter().any(|words| words.contains("/etc/pf.conf") && words.contains("pass quick on lo1")),
        "{words:?}"
    );
    assert!(words.iter().any(|words| words.contains("by_hand_enable")), "{words:?}");
    assert_eq!(words.len(), 2, "the restored file itself is the console's doing: {words:?}");

    // The restored version stands among the changes of the parameter, with its values.
    let found = json(&demo.dir, &["audit", "list", "--parameter", "POT_EXTIF"]);
    let newest = &found["records"][0];
    assert_eq!((&newest["action"], &newest["changes"][0]["to"]), (&"restore".into(), &"vtnet1".into()), "{found}");
    assert!(
        newest["message"].as_str().is_some_and(|words| words.contains("POT_EXTIF from vtnet2 to vtnet1")),
        "{newest}"
    );
}

#[test]
fn a_save_that_was_killed_halfway_is_not_taken_for_someone_elses() {
    let demo = watching();
    for (number, step) in ["save-written", "save-recorded"].iter().enumerate() {
        let killed = Command::new(program())
            .arg("--root")
            .arg(&demo.dir)
            .args(["conf", "set", &format!("POT_EXTIF=vtnet{number}"), "--force", "--reason", "a test"])
            .env("POT_CONSOLE_CRASH_AT", step)
            .output()
            .expect("a save");
        assert!(!killed.status.success(), "{step}");
        assert!(demo.read("/usr/local/etc/pot/pot.conf").contains(&format!("vtnet{number}")), "{step}");
        // The next change looks first; so does the console itself.
        set(&demo.dir, "POT_TMP=/var/tmp");
        set(&demo.dir, "POT_TMP=/tmp");
        assert_eq!(outside(&demo.dir), Vec::<Value>::new(), "{step}");
    }
}

#[test]
fn a_checkpoint_signed_with_another_key_is_refused() {
    let (own, other) = (host(), host());
    let [own_root, other_root] = [&own, &other].map(|folder| folder.path().join("host"));
    let file = |folder: &tempfile::TempDir| folder.path().join("checkpoint.json").to_str().expect("a path").to_owned();
    for (root, file) in [(&own_root, file(&own)), (&other_root, file(&other))] {
        set(root, "POT_EXTIF=vtnet1");
        assert!(console(root, &["audit", "checkpoint", &file]).status.success());
    }
    // Whoever wants to hide what was cut off signs with a key of their own.
    let keys = "var/db/pot-console/root/keys";
    std::fs::rename(own_root.join(keys), own.path().join("kept")).expect("set the key aside");
    let forged = own.path().join("forged.json").to_str().expect("a path").to_owned();
    let output = console(&own_root, &["audit", "verify", "--checkpoint", &file(&own)]);
    assert_eq!(output.status.code(), Some(1), "without a key nothing is known of a signature: {}", stdout(&output));
    assert!(!own_root.join(keys).exists(), "checking makes no key");
    assert!(console(&own_root, &["audit", "checkpoint", &forged]).status.success());
    std::fs::remove_dir_all(own_root.join(keys)).expect("remove the forger's key");
    std::fs::rename(own.path().join("kept"), own_root.join(keys)).expect("put the key back");
    let output = console(&own_root, &["audit", "verify", "--checkpoint", &forged]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stdout(&output).contains("REFUSED"), "{}", stdout(&output));
    assert_eq!(console(&own_root, &["audit", "verify", "--checkpoint", &file(&own)]).status.code(), Some(0));
    let found = json(&own_root, &["audit", "verify", "--checkpoint", &file(&other)]);
    assert_eq!(found["sound"], false, "{found}");
}

#[test]
fn who_has_seen_the_sign_in_page_and_nothing_more_is_no_refusal() {
    let demo = watching();
    let address = demo.url.trim_start_matches("http://");
    let get = |path: &str, cookie: &str| {
        let mut connection = std::net::TcpStream::connect(address).expect("connect");
        let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        connection.write_all(head.as_bytes()).expect("ask");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        answer
    };
    let page = get("/sign-in", "none=1");
    let cookie = page.lines().find(|line| line.to_ascii_lowercase().starts_with("set-cookie: "));
    let cookie = cookie.and_then(|line| line.split([' ', ';']).nth(1)).expect("a cookie for the form").to_owned();
    for path in ["/history", "/sign-in", "/"] {
        let answer = get(path, &cookie);
        let status = if path == "/sign-in" { "HTTP/1.1 200" } else { "HTTP/1.1 303" };
        assert!(answer.starts_with(status), "{path}: {answer}");
        assert!(!answer.to_ascii_lowercase().contains("set-cookie"), "the form's token is known again: {answer}");
    }
    let found = json(&demo.dir, &["audit", "list", "--action", "refusal"]);
    assert_eq!(found["records"], Value::Array(Vec::new()), "{found}");
}

#[test]
fn settings_that_were_changed_while_the_console_was_stopped_are_recorded() {
    let mut demo = watching();
    demo.stop();
    let path = demo.path("/usr/local/etc/pot-console.toml");
    std::fs::write(&path, "reason_required = true\n").expect("write the settings");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("the settings' mode");
    demo.start_again();
    let found = json(&demo.dir, &["audit", "list", "--action", "settings"]);
    let message = found["records"][0]["message"].as_str().expect("a record of the settings");
    assert!(message.contains("reason_required from false to true"), "{message}");
    assert_eq!(found["records"].as_array().map(Vec::len), Some(1), "{found}");
}

/// Until the database holds what the journal does, and says the same.
fn whole(demo: &Demo) {
    until("a database that says what the journal does", || {
        let output = console(&demo.dir, &["--format", "json", "audit", "verify"]);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        found["sound"] == true && found["database"]["behind"] == 0
    });
}

#[test]
fn a_rebuild_of_a_damaged_database_works_beside_the_console_that_serves_from_it() {
    let demo = watching();
    for round in 0..3 {
        set(&demo.dir, &format!("POT_EXTIF=vtnet{round}"));
    }
    whole(&demo);
    let folder = demo.path("/var/db/pot-console/web");
    for (round, from) in [0_u64, 4096, 100].into_iter().enumerate() {
        // What stands in the file and in its log, from there on; the console has both open.
        for name in ["history.sqlite", "history.sqlite-wal"] {
            let Ok(mut file) = std::fs::File::options().write(true).open(folder.join(name)) else { continue };
            let length = file.metadata().expect("its length").len();
            file.seek(SeekFrom::Start(from.min(length))).expect("seek");
            let rest = usize::try_from(length.saturating_sub(from)).expect("a length");
            file.write_all(&b"damaged ".repeat(rest / 8 + 1)[..rest]).expect("damage it");
        }
        let output = console(&demo.dir, &["audit", "rebuild"]);
        assert!(output.status.success(), "{from}: {}", String::from_utf8_lossy(&output.stderr));
        whole(&demo);
        // The console that runs has the new one open: what comes now stands in it without a restart.
        set(&demo.dir, &format!("POT_EXTIF=em{round}"));
        whole(&demo);
    }
    assert_eq!(saved(&demo.dir).len(), 6);
    // Nobody serves: the command does it.
    let mut demo = demo;
    demo.stop();
    std::fs::write(folder.join("history.sqlite"), "damaged").expect("damage it");
    let output = console(&demo.dir, &["--format", "json", "audit", "rebuild"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = json(&demo.dir, &["audit", "verify"]);
    assert_eq!((&found["sound"], &found["database"]["behind"]), (&true.into(), &0.into()), "{found}");
}

#[test]
fn a_refused_change_is_recorded_with_the_values_that_were_refused() {
    let folder = host();
    let root = folder.path().join("host");
    set(&root, "POT_EXTIF=vtnet1");
    // Without --force: the gateway is outside of it.
    let output = console(&root, &["conf", "set", "POT_NETWORK=10.200.0.0/16", "POT_EXTIF=vtnet1", "HUNTER2=hunter3"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let found = json(&root, &["audit", "list", "--action", "refusal"]);
    let newest = &found["records"][0];
    let words = newest["message"].as_str().expect("a refusal");
    assert!(words.contains("Asked for: POT_NETWORK to 10.200.0.0/16."), "{words}");
    let changes = newest["changes"].as_array().expect("its values");
    assert_eq!(changes.len(), 1, "only what would have been changed: {newest}");
    assert_eq!((&changes[0]["name"], &changes[0]["to"]), (&"POT_NETWORK".into(), &"10.200.0.0/16".into()), "{newest}");
    let whole = std::fs::read_to_string(journal(&root)).expect("the journal");
    assert!(!whole.contains("HUNTER2") && !whole.contains("hunter3"), "a name that pot does not know");
    // They are found by the parameter, as what was refused.
    let found = json(&root, &["audit", "list", "--parameter", "POT_NETWORK"]);
    assert_eq!(found["records"][0]["outcome"], "refused", "{found}");
}

#[test]
fn a_checkpoint_is_checked_where_only_a_backup_was_unpacked() {
    let folder = host();
    let root = folder.path().join("host");
    let file = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    set(&root, "POT_EXTIF=vtnet1");
    let (checkpoint, backup, unpacked) = (file("checkpoint.json"), file("history.backup"), file("unpacked"));
    let output = console(&root, &["audit", "checkpoint", &checkpoint]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = stdout(&output);
    let key = told.strip_prefix("public key of checkpoints: ").and_then(|rest| rest.split(' ').next());
    let key = key.unwrap_or_else(|| panic!("no key: {told}")).to_owned();
    // Without a file the checkpoint stands alone on standard output, the key beside it.
    let output = console(&root, &["audit", "checkpoint"]);
    assert!(serde_json::from_slice::<Value>(&output.stdout).is_ok_and(|text| text["key"] == key.as_str()));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&key));
    // That a key was made is in the history itself.
    let found = json(&root, &["audit", "list", "--text", "checkpoints made"]);
    assert!(found["records"].to_string().contains(&key), "{found}");
    for args in [["audit", "backup", &backup].to_vec(), ["audit", "backup", &backup, "--unpack", &unpacked].to_vec()] {
        let output = console(&root, &args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    // Another machine: nothing of this console is there.
    let elsewhere = file("elsewhere");
    let check = |more: &[&str]| {
        console(Path::new(&elsewhere), &[&["audit", "verify", "--unpacked", &unpacked][..], more].concat())
    };
    assert_eq!(check(&[]).status.code(), Some(0));
    let output = check(&["--checkpoint", &checkpoint, "--key", &key]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), String::from_utf8_lossy(&output.stderr));
    assert!(stdout(&output).contains("is the one that was signed"), "{}", stdout(&output));
    assert!(!Path::new(&elsewhere).exists(), "checking makes nothing");
    let output = check(&["--checkpoint", &checkpoint]);
    assert_eq!(output.status.code(), Some(2), "whose key it is must be said: {}", stdout(&output));
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let output = check(&["--checkpoint", &checkpoint, "--key", other]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stdout(&output).contains("REFUSED"), "{}", stdout(&output));
    assert_eq!(check(&["--checkpoint", &checkpoint, "--key", "nonsense"]).status.code(), Some(2));
    // The end was cut off before it was backed up.
    let journal = Path::new(&unpacked).join("journal/00000000000000000001.journal");
    let text = std::fs::read_to_string(&journal).expect("the journal");
    let kept: Vec<&str> = text.split_inclusive('\n').take(2).collect();
    std::fs::write(&journal, kept.concat()).expect("cut its end off");
    assert_eq!(check(&[]).status.code(), Some(0), "alone it is unbroken");
    let output = check(&["--checkpoint", &checkpoint, "--key", &key]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stdout(&output).contains("the end was cut off"), "{}", stdout(&output));
    std::fs::remove_file(&journal).expect("remove it");
    assert_eq!(check(&[]).status.code(), Some(1), "a folder without a journal is no sound one");
}

#[test]
fn the_first_start_prints_the_key_of_checkpoints() {
    let folder = host();
    let root = folder.path().join("host");
    let settings = root.join("usr/local/etc/pot-console.toml");
    std::fs::write(&settings, "listen = [\"127.0.0.1:0\"]\nuser = \"nobody\"\n").expect("the settings");
    std::fs::set_permissions(&settings, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("their mode");
    let mut child = Command::new(program())
        .arg("--root")
        .arg(&root)
        .arg("serve")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("serve");
    let mut said = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().expect("its output"));
    while !said.contains("fingerprint") {
        let read = std::io::BufRead::read_line(&mut out, &mut said).expect("a line");
        assert!(read > 0, "it ended: {said}");
    }
    let _ = child.kill();
    let _ = child.wait();
    let key = said
        .lines()
        .find_map(|line| line.strip_prefix("Public key of the history's checkpoints, to be noted elsewhere: "));
    let key = key.unwrap_or_else(|| panic!("no key: {said}"));
    let output = console(&root, &["audit", "checkpoint"]);
    let text: Value = serde_json::from_slice(&output.stdout).expect("a checkpoint");
    assert_eq!(text["key"], key, "the same one signs");
}

#[test]
fn of_two_outcomes_of_an_act_the_first_is_listed_shown_and_exported() {
    use pot_console::journal::Journal;
    use pot_console::journal::record::{Outcome, Stage};
    let mut demo = watching();
    set(&demo.dir, "POT_EXTIF=vtnet1");
    let list = json(&demo.dir, &["audit", "list", "--action", "configuration"]);
    let (intent, first) = (list["records"][0]["sequence"].as_u64(), list["records"][0]["ended"]["sequence"].as_u64());
    let (intent, first) = (intent.expect("an intent"), first.expect("its outcome"));
    demo.stop();
    let dir = demo.path("/var/db/pot-console/root/journal");
    let (journal, _) = Journal::open(&dir, &demo.path("/var/log/pot-console.head")).expect("the journal");
    let mut entry = journal.record(first).expect("the journal").expect("the outcome").entry;
    assert_eq!((entry.stage, entry.intent), (Stage::Outcome, Some(intent)));
    entry.outcome = Some(Outcome::Interrupted);
    entry.message = "Closed once more.".to_owned();
    let second = journal.append(entry).expect("a second outcome").sequence;
    drop(journal);
    let verified = json(&demo.dir, &["audit", "verify"]);
    assert_eq!(verified["sound"], true, "{verified}");
    assert_eq!(verified["repeated_outcomes"], serde_json::json!([second]), "{verified}");
    assert!(stdout(&console(&demo.dir, &["audit", "verify"])).contains("the first end counts"));
    demo.start_again();
    whole(&demo);
    for record in [intent, first, second] {
        let found = json(&demo.dir, &["audit", "show", &record.to_string()]);
        assert_eq!((&found["sequence"], &found["ended"]["sequence"]), (&intent.into(), &first.into()), "{found}");
    }
    let before = (intent + 1).to_string();
    for args in [vec!["audit", "list", "--action", "configuration"], vec!["audit", "list", "--before", &before]] {
        let found = json(&demo.dir, &args);
        let act = found["records"].as_array().and_then(|acts| acts.iter().find(|act| act["sequence"] == intent));
        assert_eq!(act.expect("the act")["ended"]["sequence"], first, "{args:?}: {found}");
    }
    let exported = stdout(&console(&demo.dir, &["audit", "export", "--action", "configuration"]));
    assert!(!exported.contains("Closed once more."), "{exported}");
    let output = console(&demo.dir, &["audit", "rebuild"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    whole(&demo);
}

#[test]
fn values_are_recorded_across_a_pot_conf_that_could_not_be_read_for_a_while() {
    let demo = watching();
    set(&demo.dir, "POT_EXTIF=vtnet1");
    let file = "/usr/local/etc/pot/pot.conf";
    let sound = demo.read(file);
    for (broken, round) in [("POT_TMP='open\n", 2), ("POT_TMP=/x\0\n", 3)] {
        let known = outside(&demo.dir).len();
        std::fs::write(demo.path(file), format!("{sound}{broken}")).expect("break it");
        until("what broke it", || outside(&demo.dir).len() > known);
        let found = outside(&demo.dir);
        let newest = found.last().expect("a record");
        assert!(newest["message"].to_string().contains("cannot be read as a configuration now"), "{newest}");
        assert_eq!(newest["changes"], serde_json::json!([]), "nothing is said of values that are not known: {newest}");
        // Once more while it is broken.
        std::fs::write(demo.path(file), format!("{sound}# another line\n{broken}")).expect("break it again");
        until("another change", || outside(&demo.dir).len() > known + 1);
        let value = format!("vtnet{round}");
        std::fs::write(demo.path(file), sound.replace("vtnet1", &value)).expect("fix it");
        until("what fixed it", || outside(&demo.dir).len() > known + 2);
        let found = outside(&demo.dir);
        let newest = found.last().expect("a record");
        let change = serde_json::json!([{ "name": "POT_EXTIF", "from": "vtnet1", "to": value }]);
        assert_eq!(newest["changes"], change, "{newest}");
        assert!(newest["message"].to_string().contains("since it could last be read"), "{newest}");
        // What comes after is held against what stands there now.
        std::fs::write(demo.path(file), &sound).expect("put it back");
        until("what put it back", || outside(&demo.dir).len() > known + 3);
        let found = outside(&demo.dir);
        let change = serde_json::json!([{ "name": "POT_EXTIF", "from": value, "to": "vtnet1" }]);
        assert_eq!(found.last().expect("a record")["changes"], change, "{found:?}");
    }
}

/// A busy host, just built, on which nothing serves.
fn busy() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("host");
    let built = Command::new(program()).args(["simulate", "--scenario", "busy"]).arg(&root).output().expect("simulate");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    (folder, root)
}

/// All acts, oldest first.
fn acts(root: &Path) -> Vec<Value> {
    let found = json(root, &["audit", "list", "--limit", "1000"]);
    let mut acts = found["records"].as_array().expect("records").clone();
    acts.reverse();
    acts
}

#[test]
fn a_busy_hosts_history_tells_of_weeks_by_three_people_and_leads_to_what_stands() {
    let (_folder, root) = busy();
    let verified = console(&root, &["audit", "verify"]);
    assert!(verified.status.success(), "{}", stdout(&verified));
    let acts = acts(&root);
    let of = |action: &str| -> Vec<&Value> { acts.iter().filter(|act| act["action"] == action).collect() };

    let people: std::collections::BTreeSet<&str> =
        of("configuration").iter().filter_map(|act| act["actor"]["name"].as_str()).collect();
    assert_eq!(Vec::from_iter(people), ["anna", "ben", "clara"]);
    let times: Vec<jiff::Timestamp> =
        acts.iter().map(|act| act["time"].as_str().expect("a time").parse().expect("a time")).collect();
    assert!(times.is_sorted() && times.last().is_some_and(|last| *last < jiff::Timestamp::now()), "{times:?}");
    let span = times.last().expect("records").duration_since(times[0]);
    assert!(span.as_hours() > 5 * 7 * 24, "{span:?}");

    // A put-back, a refused save, a run, an edit past the console.
    let saves = of("configuration");
    let undone = |save: &&Value| save["changes"][0]["to"] == "10.0.20.0/24" && save["actor"]["name"] == "anna";
    let undoing = saves.iter().find(|save| undone(save)).expect("the put-back");
    assert!(undoing["reason"].as_str().is_some_and(|reason| reason.starts_with("Back to before record ")));
    let refused = of("refusal");
    assert_eq!((refused.len(), &refused[0]["changes"][0]["name"]), (1, &Value::from("POT_NETWORK")));
    assert_eq!(
        (of("readiness")[0]["run"].as_u64(), of("readiness")[0]["ended"]["outcome"].as_str()),
        (Some(1), Some("done"))
    );
    let run: Value =
        serde_json::from_slice(&std::fs::read(root.join("var/db/pot-console/root/runs/1/run.json")).expect("the run"))
            .expect("the run");
    assert!(run.to_string().contains("as-planned"), "{run}");
    let outside = of("outside");
    assert_eq!((outside.len(), &outside[0]["changes"][0]["to"]), (1, &Value::from("10.0.30.0/23")));

    // What was saved last is what stands, and what was changed since the network was started is what differs today.
    let stands = console(&root, &["conf", "diff", "--format", "json"]);
    assert!(stdout(&stands).contains("10.0.30.0/23"), "{}", stdout(&stands));
    let last = saves.last().expect("a save")["after"].as_str().expect("a digest").to_owned();
    let pot_conf = std::fs::read(root.join("usr/local/etc/pot/pot.conf")).expect("pot.conf");
    assert_eq!(last, pot_console::digest::Digest::of(&pot_conf).to_string());
    let plan = stdout(&console(&root, &["plan", "vnet-start"]));
    assert!(plan.contains("3 rules added, 1 taken away; 3 rules in pot-nat before"), "{plan}");
    assert!(plan.contains("10.0.30.0/23") && plan.contains("tun0"), "{plan}");
    // Nothing is taken for someone else's doing that the story told.
    assert_eq!(self::outside(&root).len(), 1);
}

#[test]
fn a_busy_hosts_history_is_the_same_each_time_it_is_made() {
    let told = || {
        let (folder, root) = busy();
        let acts = acts(&root);
        drop(folder);
        let told = |act: &Value| {
            let hour = act["time"].as_str().map(|time| time[10..19].to_owned());
            (
                hour,
                act["sequence"].clone(),
                act["actor"]["name"].clone(),
                act["message"].clone(),
                act["changes"].clone(),
            )
        };
        acts.iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(told(), told());
}

#[test]
fn a_busy_hosts_log_ends_with_its_pots_as_they_are_and_knows_no_later_start_of_the_network() {
    let (_folder, root) = busy();
    let edited = outside(&root)[0]["time"].as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time");
    let facts = json(&root, &["facts"]);
    let pots = facts["facts"]["pots"]["value"].as_array().expect("pots");
    assert_eq!(pots.len(), 40);
    // Newest first.
    let log = stdout(&console(&root, &["--format", "json", "activity"]));
    let entries: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let calls = |command: &str| entries.iter().filter(|entry| entry["command"] == command).collect::<Vec<_>>();
    assert!(!calls("vnet-start").is_empty());
    for call in calls("vnet-start") {
        let at: jiff::Timestamp = call["time"].as_str().expect("a time").parse().expect("a time");
        assert!(at < edited, "{call}: pf would have been told of what differs today");
    }
    for pot in pots {
        let name = &pot["name"];
        let own = entries.iter().filter(|entry| entry["pot"] == *name && entry["foreign"] == false);
        let last =
            own.map(|entry| entry["command"].as_str().unwrap_or_default()).find(|it| ["start", "stop"].contains(it));
        if let Some(last) = last {
            assert_eq!(pot["running"], last == "start", "{name}: {last}");
        }
    }
}
