//! What pages of the host are made from: told once for each number, and never taken for what it was.

use crate::main_path::until;
use crate::rig::{Rig, Wire, edit, kind, many, save};
use pot_console::executor::local::Local;
use pot_console::executor::protocol::{Command, FactsView, FilesView, Have, Reply, Shown};
use pot_console::facts::LeftDrift;
use pot_console::plan::Preparation;
use pot_console::refusal::RefusalKind;
use pot_console::secret::Secret;
use serde_json::Value;
use std::path::Path;
use std::process::Command as Program;
use std::time::{Duration, SystemTime};

/// Whoever asks and keeps what they were told, as the web process does.
#[derive(Default)]
struct Keeper {
    facts: Option<FactsView>,
    files: Option<FilesView>,
}

impl Keeper {
    /// Asks, and gives what a page would be made from; which of both came, too.
    fn ask(&mut self, wire: &mut Wire, token: &Secret) -> (Value, u64, [bool; 2]) {
        let have = Have {
            facts: self.facts.as_ref().map(|facts| facts.revision),
            files: self.files.as_ref().map(|files| files.number),
        };
        let shown = match wire.ask(Some(token), Command::Show { follows: false, have }).unwrap() {
            Reply::Shown(shown) => shown,
            other => panic!("{other:?}"),
        };
        let Shown { session, facts, files, .. } = *shown;
        let came = [facts.is_some(), files.is_some()];
        if let Some(facts) = facts {
            self.facts = Some(*facts);
        }
        if let Some(files) = files {
            self.files = Some(files);
        }
        let facts = self.facts.as_ref().unwrap();
        assert_eq!(session.facts, facts.revision, "the strip is of the same moment as the facts");
        let awaited = facts.facts.is_some();
        assert!(awaited || session.strip.reboot.is_empty());
        let mut told = serde_json::to_value((facts, &self.files.as_ref().unwrap().read)).unwrap();
        told[0].as_object_mut().unwrap().remove("refreshing");
        (told, facts.revision, came)
    }
}

/// A small sequence of numbers that is the same in each run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

const KINDS: u64 = 12;

/// Changes something that pages show, each kind in its own way, by this process or by another.
fn change(kind: u64, step: u64, rig: &Rig, wire: &mut Wire, anna: &Secret) {
    let pot_conf = rig.layout.pot_conf();
    let default = rig.layout.default_conf();
    let same_length = |path: &Path| {
        let text = std::fs::read(path).unwrap_or_default();
        let kept = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1);
        let rest = if text.starts_with(b"# step") { text[kept..].to_vec() } else { text };
        std::fs::write(path, [format!("# step {step:06}\n").into_bytes(), rest].concat()).unwrap();
    };
    let drift = |to: u64| LeftDrift {
        id: "bridge".to_owned(),
        configured: format!("10.0.0.{to}"),
        running: "10.192.0.1".to_owned(),
    };
    match kind {
        0 => {
            let dismiss = Command::Dismiss { item: Preparation::EnableRacct, dismissed: step.is_multiple_of(2) };
            drop(wire.ask(Some(anna), dismiss));
        }
        1 => {
            // The command line's.
            let dismiss = Command::Dismiss { item: Preparation::DisableVtnetLro, dismissed: step.is_multiple_of(2) };
            Local::open(&rig.layout).unwrap().ask::<()>(dismiss).unwrap();
        }
        2 => drop(wire.ask(Some(anna), Command::LeaveDrift { drift: drift(step % 3), leave: step.is_multiple_of(2) })),
        3 => {
            let leave = Command::LeaveDrift { drift: drift(7), leave: step.is_multiple_of(2) };
            Local::open(&rig.layout).unwrap().ask::<()>(leave).unwrap();
        }
        4 => same_length(&pot_conf),
        5 => {
            let beside = pot_conf.with_extension("new");
            std::fs::write(&beside, format!("POT_TMP=/var/tmp/{step}\n")).unwrap();
            std::fs::rename(&beside, &pot_conf).unwrap();
        }
        6 => drop(std::fs::remove_file(&pot_conf)),
        7 => same_length(&default),
        8 => {
            // A link to nothing: it cannot be read, and says so.
            drop(std::fs::remove_file(&pot_conf));
            std::os::unix::fs::symlink(format!("/nowhere/{step}"), &pot_conf).unwrap();
        }
        9 => {
            drop(std::fs::remove_file(&pot_conf));
            std::fs::write(&pot_conf, "POT_GATEWAY=10.192.0.1\n").unwrap();
            // As long ago as no two seconds after any change.
            let at = SystemTime::now() - Duration::from_secs(1000 + step);
            std::fs::File::options().write(true).open(&pot_conf).unwrap().set_modified(at).unwrap();
        }
        10 => {
            let base = wire.ask(Some(anna), Command::Configuration {});
            if let Ok(Reply::Configuration(view)) = base {
                drop(wire.ask(Some(anna), save(view.digest, vec![edit("POT_TMP", &format!("/tmp/{step}"))])));
            }
        }
        _ => {}
    }
}

#[test]
fn whatever_changes_nobody_who_keeps_what_they_were_told_shows_what_was() {
    let rig = Rig::new();
    let (mut wire, vera, anna) = (rig.connect(), rig.sign_in("vera"), rig.sign_in("anna"));
    until("the first look", || Keeper::default().ask(&mut wire, &vera).0[0]["facts"].is_object());
    let (mut often, mut seldom) = (Keeper::default(), Keeper::default());
    let mut dice = Dice(20_261_130);
    let mut spared = [0; 2];
    for step in 0..many(60, 3_000) as u64 {
        // Each kind at least once, then as it falls.
        let of = if step < KINDS { step } else { dice.throw(KINDS) };
        change(of, step, &rig, &mut wire, &anna);
        for keeper in [Some(&mut often), step.is_multiple_of(3).then_some(&mut seldom)].into_iter().flatten() {
            // The host may be read anew between two questions: then the number is another, and both are asked again.
            let same = (0..50).any(|_| {
                let (kept, kept_revision, came) = keeper.ask(&mut wire, &vera);
                let (whole, revision, _) = Keeper::default().ask(&mut wire, &vera);
                for (spared, came) in spared.iter_mut().zip(came) {
                    *spared += usize::from(!came);
                }
                if kept_revision == revision {
                    assert_eq!(kept, whole, "after step {step}, a change of kind {of}");
                }
                kept_revision == revision
            });
            assert!(same, "the number is another at each question");
        }
        // And it is what is there.
        let (told, ..) = often.ask(&mut wire, &vera);
        if let Ok(bytes) = std::fs::read(rig.layout.pot_conf()) {
            use base64::Engine as _;
            let own = base64::engine::general_purpose::STANDARD.encode(bytes);
            assert_eq!(told[1]["Ok"]["own"], Value::String(own), "after step {step}, a change of kind {of}");
        }
        let noted = |name: &str| -> Value {
            let bytes = std::fs::read(rig.layout.private().join(name));
            bytes.map_or_else(|_| Value::Array(Vec::new()), |bytes| serde_json::from_slice(&bytes).unwrap())
        };
        let list = |value: Value| match value {
            // Files carry their format beside what they hold.
            Value::Object(all) => all.into_iter().find_map(|(_, value)| value.is_array().then_some(value)).unwrap(),
            list => list,
        };
        assert_eq!(told[0]["dismissed"], list(noted("set-aside.json")), "after step {step}, a change of kind {of}");
        assert_eq!(told[0]["left_drift"], list(noted("left-drift.json")), "after step {step}, a change of kind {of}");
    }
    assert!(spared[0] > 5 && spared[1] > 5, "what had not changed was told again: {spared:?}");
}

#[test]
fn a_way_that_is_no_folder_is_no_missing_file() {
    let rig = Rig::new();
    let (mut wire, vera) = (rig.connect(), rig.sign_in("vera"));
    let folder = rig.layout.pot_conf().parent().unwrap().to_owned();
    std::fs::remove_dir_all(&folder).unwrap();
    let mut keeper = Keeper::default();
    // Both files are missing, which is kept.
    for _ in 0..2 {
        assert_eq!(keeper.ask(&mut wire, &vera).0[1]["Ok"]["exists"], false);
    }
    std::fs::write(&folder, "").unwrap();
    let (told, ..) = keeper.ask(&mut wire, &vera);
    assert_eq!(told[1]["Err"]["kind"], "unreadable", "{told}");
}

#[test]
fn new_facts_have_a_new_number_and_those_of_before_are_not_told_again() {
    let rig = Rig::new();
    let (mut wire, vera) = (rig.connect(), rig.sign_in("vera"));
    let mut keeper = Keeper::default();
    until("the first look", || keeper.ask(&mut wire, &vera).0[0]["facts"].is_object());
    let (before, first, _) = keeper.ask(&mut wire, &vera);
    assert_eq!(keeper.ask(&mut wire, &vera).2, [false, false], "told twice");
    let removed = rig.layout.on_disk("/sbin/ifconfig");
    std::fs::remove_file(removed).unwrap();
    wire.ask(Some(&vera), Command::Facts { refresh: true }).unwrap();
    until("new facts", || keeper.ask(&mut wire, &vera).1 != first);
    let (after, ..) = keeper.ask(&mut wire, &vera);
    assert_ne!(before[0]["facts"]["interfaces"], after[0]["facts"]["interfaces"]);
    assert_eq!(after, Keeper::default().ask(&mut wire, &vera).0);
}

#[test]
fn who_is_disabled_by_another_process_is_told_nothing_not_even_that_nothing_is_new() {
    let rig = Rig::new();
    let (mut wire, olaf) = (rig.connect(), rig.sign_in("olaf"));
    let mut keeper = Keeper::default();
    let (_, revision, _) = keeper.ask(&mut wire, &olaf);
    let disable = Program::new(env!("CARGO_BIN_EXE_pot-console"))
        .arg("--root")
        .arg(rig.layout.root())
        .args(["user", "disable", "olaf"])
        .output()
        .unwrap();
    assert!(disable.status.success(), "{disable:?}");
    let have = Have { facts: Some(revision), files: keeper.files.map(|files| files.number) };
    for follows in [true, false] {
        assert_eq!(kind(wire.ask(Some(&olaf), Command::Show { follows, have })), RefusalKind::SignInNeeded);
    }
}
