//! A sudden death (SIGKILL) at every step of saving and of a run: what is left is the old or the new, whole, and the
//! history says what happened.

use crate::child;
use crate::prepared;
use crate::rig::{edit, many, save, simulate};
use pot_console::executor::Executor;
use pot_console::executor::local::Local;
use pot_console::executor::protocol::{Command, ConfigurationView, Records, Saved, VerifyView};
use pot_console::journal::record::{Outcome, Record, Stage};
use pot_console::layout::Layout;
use pot_console::plan::{Run, RunState};
use pot_console::refusal::RefusalKind;
use pot_console::settings::Settings;
use std::os::unix::process::ExitStatusExt as _;

const SAVING: [&str; 16] = [
    "save-begin",
    "journal-begin",
    "journal-written",
    "journal-synced",
    "journal-headed",
    "save-intended",
    "backup-begin",
    "backup-kept",
    "backup-listed",
    "replace-begin",
    "replace-written",
    "replace-synced",
    "replace-renamed",
    "replace-done",
    "save-written",
    "save-recorded",
];

const RUNNING: [&str; 9] = [
    "run-begun",
    "run-event",
    "run-action",
    "run-command-ended",
    "run-acted",
    "journal-written",
    "replace-synced",
    "replace-renamed",
    "run-ended",
];

/// Runs the child so that it dies at the step's first, second … time, and looks after each death: on one host, or on a
/// fresh one each time where the child's work can be done only once. On one host the work is a save, which no tool of the
/// host has a part in: without them sixty calls less are made for each death. The long run keeps them.
fn at_every_time(what: &str, steps: &[&str], most: usize, fresh: bool, mut look: impl FnMut(&Layout, &str)) {
    let dir = tempfile::tempdir().unwrap();
    let host = |number: usize| {
        let layout = simulate(&dir.path().join(format!("host{number}")));
        if !fresh && many(0, 1) == 0 {
            for folder in ["/sbin", "/bin", "/usr/sbin", "/usr/bin", "/usr/local/bin"] {
                std::fs::remove_dir_all(layout.on_disk(folder)).unwrap();
            }
        }
        drop(Local::open(&layout).unwrap());
        layout
    };
    let mut layout = host(0);
    let (mut deaths, mut tries) = (0, 0);
    for step in steps {
        for time in 1..=most {
            tries += 1;
            if fresh {
                layout = host(tries);
            }
            let at = format!("{step}#{time}");
            // Another value each time, so that there is something to save.
            let value = 20 + tries % 43;
            let status = child::start(what, layout.root(), &value.to_string(), Some(&at)).wait().unwrap();
            match (status.code(), status.signal()) {
                (_, Some(9)) => deaths += 1,
                // It does not come by that often.
                (Some(0), _) => {
                    assert!(time > 1, "{step} was never reached");
                    look(&layout, &at);
                    break;
                }
                other => panic!("at {at}: {other:?}"),
            }
            look(&layout, &at);
        }
    }
    assert!(deaths >= steps.len());
}

fn after_a_start(layout: &Layout, at: &str) -> Vec<Record> {
    let (executor, opening) = Executor::open(layout, Settings::default()).unwrap();
    assert!(opening.rolled_back.is_none(), "at {at}: {opening:?}");
    let watch = executor.begin_serving(&opening).unwrap();
    let mut local = Local::open(layout).unwrap();
    let view: VerifyView = local.ask(Command::VerifyJournal {}).unwrap();
    assert!(view.sound, "at {at}: {view:?}");
    let mut records = Vec::new();
    loop {
        let after = records.last().map_or(0, |record: &Record| record.sequence);
        let some: Records = local.ask(Command::JournalAfter { after, limit: 1000 }).unwrap();
        if some.records.is_empty() {
            break;
        }
        records.extend(some.records);
    }
    executor.end_serving();
    watch.join().unwrap();
    let open: Vec<&Record> = records
        .iter()
        .filter(|record| record.entry.stage == Stage::Intent)
        .filter(|intent| !records.iter().any(|record| record.entry.intent == Some(intent.sequence)))
        .collect();
    assert!(open.is_empty(), "at {at} these were left open: {open:?}");
    records
}

#[test]
fn a_death_while_saving_leaves_the_old_or_the_new_file_whole_and_says_so() {
    let (mut before, mut interrupted) = (None::<Vec<u8>>, 0);
    at_every_time("saves_a_value", &SAVING, 6, false, |layout, at| {
        let now = std::fs::read(layout.pot_conf()).unwrap();
        let records = after_a_start(layout, at);
        let last = records
            .iter()
            .rev()
            .find(|record| record.entry.stage == Stage::Outcome && record.entry.object.ends_with("pot.conf"));
        let intent = last.and_then(|last| {
            records.iter().find(|record| Some(record.sequence) == last.entry.intent && record.entry.after.is_some())
        });
        let digest = pot_console::digest::Digest::of(&now);
        if let (Some(last), Some(intent)) = (last, intent) {
            let new = intent.entry.after == Some(digest);
            let old = intent.entry.before == Some(digest) || before.as_ref() == Some(&now);
            assert!(new || old, "at {at}: neither the old nor the new file: {}", String::from_utf8_lossy(&now));
            if last.entry.outcome == Some(Outcome::Interrupted) {
                interrupted += 1;
                let says = if new { "new content is in place" } else { "old content is still in place" };
                assert!(last.entry.message.contains(says), "at {at}: {}", last.entry.message);
            }
        }
        let folder = layout.etc();
        let strays: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".conf") && !name.ends_with(".sample") && name != "flavours")
            .collect();
        assert!(strays.is_empty(), "at {at}: {strays:?}");
        before = Some(now);
    });
    assert!(interrupted >= 8, "only {interrupted} were told as interrupted");
}

/// The files of the host that init changes.
fn changed_by_init(layout: &Layout) -> [Vec<u8>; 2] {
    ["/etc/pf.conf", "/etc/rc.conf"].map(|path| std::fs::read(layout.on_disk(path)).unwrap())
}

/// Half-written files that a death left beside those that init changes.
fn strays(layout: &Layout) -> Vec<String> {
    ["/etc", "/boot", "/usr/local/etc/syslog.d", "/usr/local/etc/newsyslog.conf.d"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(layout.on_disk(folder)).into_iter().flatten().flatten())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".pot-console"))
        .collect()
}

#[test]
fn a_death_while_running_is_told_as_interrupted() {
    let mut interrupted = 0;
    let reference = tempfile::tempdir().unwrap();
    let undisturbed = simulate(&reference.path().join("host"));
    let old = changed_by_init(&undisturbed);
    drop(Local::open(&undisturbed).unwrap());
    assert!(child::start("runs_init", undisturbed.root(), "", None).wait().unwrap().success());
    let new = changed_by_init(&undisturbed);
    assert!(old[0] != new[0] && old[1] != new[1]);
    at_every_time("runs_init", &RUNNING, 2, true, |layout, at| {
        for (now, (old, new)) in changed_by_init(layout).iter().zip(old.iter().zip(&new)) {
            assert!(now == old || now == new, "at {at}: half a file: {}", String::from_utf8_lossy(now));
        }
        let records = after_a_start(layout, at);
        interrupted += usize::from(
            records
                .iter()
                .rev()
                .find(|record| record.entry.run.is_some())
                .is_some_and(|record| record.entry.outcome == Some(Outcome::Interrupted)),
        );
        let mut local = Local::open(layout).unwrap();
        let runs: Vec<Run> = local.ask(Command::Runs { before: None, limit: 50 }).unwrap();
        assert!(runs.iter().all(|run| run.state.is_final()), "at {at}: {runs:?}");
        assert!(strays(layout).is_empty(), "at {at}: {:?}", strays(layout));
    });
    assert!(interrupted >= 3, "only {interrupted} were told as interrupted");
}

/// What of the network has to be given back.
fn network(layout: &Layout) -> String {
    let asked: [(&str, &[&str]); 6] = [
        ("pfctl", &["-s", "rules"]),
        ("pfctl", &["-s", "nat"]),
        ("pfctl", &["-s", "nat", "-a", "pot-nat"]),
        ("pfctl", &["-s", "Anchors"]),
        ("sysctl", &["-n", "net.inet.ip.forwarding"]),
        ("ifconfig", &["-a"]),
    ];
    let answers = asked.map(|(tool, args)| {
        let tool = layout.on_disk("/sbin").join(tool);
        let output = std::process::Command::new(tool).args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    });
    let enabled = std::process::Command::new(layout.on_disk("/sbin/pfctl")).args(["-s", "info"]).output().unwrap();
    let enabled = String::from_utf8(enabled.stdout).unwrap().contains("Status: Enabled");
    format!("{}\n{enabled}", answers.join("\n"))
}

#[test]
fn a_death_while_putting_back_is_made_good_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let prepare = |name: &str| {
        let at = dir.path().join(name);
        prepared::copied("initialised_from_the_command_line", &at, |at| {
            let layout = simulate(&at.join("root"));
            drop(Local::open(&layout).unwrap());
            assert!(child::start("runs_init", layout.root(), "", None).wait().unwrap().success());
        });
        Layout::new(&at.join("root").canonicalize().unwrap(), None)
    };
    let state = |layout: &Layout| {
        let runs: Vec<Run> = Local::open(layout).unwrap().ask(Command::Runs { before: None, limit: 1 }).unwrap();
        (runs[0].state, runs[0].last_event)
    };
    // Undisturbed: how many events there are, and how many of them when putting back begins.
    let whole = prepare("whole");
    let what = "starts_the_network_and_puts_it_back";
    assert!(child::start(what, whole.root(), "", None).wait().unwrap().success());
    let (ended, last) = state(&whole);
    assert_eq!(ended, RunState::Reverted);
    let begun = prepare("begun");
    let dead = |layout: &Layout, at: &str| {
        let status = child::start(what, layout.root(), "", Some(at)).wait().unwrap();
        assert_eq!(status.signal(), Some(9), "at {at}: {status:?}");
    };
    dead(&begun, "revert-begin");
    // As the dead left it: whoever opens the console goes on with putting back.
    let events = std::fs::read_to_string(begun.private().join("runs/2/events.jsonl")).unwrap();
    let first = u64::try_from(events.lines().count()).unwrap() + 1;
    assert!(first + 4 < last, "{first} {last}");

    let mut places: Vec<String> = (first..=last).step_by(8).map(|event| format!("run-event#{event}")).collect();
    places.extend(["revert-begin".to_owned(), "run-ended".to_owned()]);
    for (number, at) in places.iter().enumerate() {
        let layout = prepare(&format!("host{number}"));
        let before = network(&layout);
        dead(&layout, at);
        let (executor, opening) = Executor::open(&layout, Settings::default()).unwrap();
        let watch = executor.begin_serving(&opening).unwrap();
        crate::main_path::until("the run's end", || state(&layout).0.is_final());
        executor.end_serving();
        watch.join().unwrap();
        assert_eq!(state(&layout).0, RunState::Reverted, "at {at}");
        assert_eq!(network(&layout), before, "at {at}");
        after_a_start(&layout, at);
    }
}

/// A file system of its own, unmounted at the end. Only root can have one.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn new(at: &std::path::Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "none"])
            .arg(at)
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("this machine lets no file system be mounted: a full and a read-only one are not tried here");
        }
        mounted.then(|| Self(at.to_owned()))
    }

    fn make_read_only(&self) {
        assert!(
            std::process::Command::new("mount").args(["-o", "remount,ro"]).arg(&self.0).status().unwrap().success()
        );
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

/// pot's folder on a small file system that `spoil` makes unusable.
fn with_spoilt_folder(kind: RefusalKind, spoil: impl FnOnce(&Mounted, &std::path::Path)) {
    let dir = tempfile::tempdir().unwrap();
    let layout = simulate(&dir.path().join("host"));
    let files: Vec<_> = std::fs::read_dir(layout.etc())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), std::fs::read(&path).unwrap()))
        .collect();
    let Some(mounted) = Mounted::new(layout.etc(), "size=64k") else { return };
    for (path, bytes) in files {
        std::fs::write(path, bytes).unwrap();
    }
    spoil(&mounted, layout.etc());
    let before = std::fs::read(layout.pot_conf()).unwrap();
    let names = |layout: &Layout| {
        let mut names: Vec<_> =
            std::fs::read_dir(layout.etc()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let names_before = names(&layout);
    let mut local = Local::open(&layout).unwrap();
    let view: ConfigurationView = local.ask(Command::Configuration {}).unwrap();
    let refusal = local.ask::<Saved>(save(view.digest, vec![edit("POT_HOSTNAME_MAX_LENGTH", "33")])).unwrap_err();
    assert_eq!(refusal.kind, kind, "{refusal}");
    assert!(refusal.message.contains("pot.conf"), "{refusal}");
    assert_eq!(std::fs::read(layout.pot_conf()).unwrap(), before);
    assert_eq!(names(&layout), names_before);
    let records = after_a_start(&layout, "a spoilt folder");
    assert!(records.iter().any(|record| record.entry.outcome == Some(Outcome::Failed)));
    drop(local);
    drop(mounted);
}

#[test]
fn a_full_file_system_leaves_the_old_file_and_an_error_that_says_so() {
    with_spoilt_folder(RefusalKind::NotRecorded, |_, folder| {
        let mut filler = std::fs::File::create(folder.join("filler.conf")).unwrap();
        while std::io::Write::write_all(&mut filler, &[b'x'; 512]).is_ok() {}
    });
}

#[test]
fn a_read_only_file_system_leaves_the_old_file_and_an_error_that_says_so() {
    with_spoilt_folder(RefusalKind::Failed, |mounted, _| mounted.make_read_only());
}

#[test]
fn a_full_journal_refuses_the_change_before_it_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let layout = simulate(&dir.path().join("host"));
    let Some(mounted) = Mounted::new(&layout.state(), "size=2m,mode=755") else { return };
    let mut local = Local::open(&layout).unwrap();
    let view: ConfigurationView = local.ask(Command::Configuration {}).unwrap();
    let mut filler = std::fs::File::create(layout.state().join("filler")).unwrap();
    while std::io::Write::write_all(&mut filler, &[b'x'; 512]).is_ok() {}
    drop(filler);
    let before = std::fs::read(layout.pot_conf()).unwrap();
    let refusal = local.ask::<Saved>(save(view.digest, vec![edit("POT_HOSTNAME_MAX_LENGTH", "33")])).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::NotRecorded, "{refusal}");
    assert_eq!(std::fs::read(layout.pot_conf()).unwrap(), before);
    drop(local);
    drop(mounted);
}
