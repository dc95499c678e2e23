//! Pot's anchors in pf.conf files of all kinds, with a pfctl as the judge: a file that it takes, it takes with the
//! anchors placed, too, with the same rules beside them, and it shows both anchors where translation looks for them.
//!
//! The judge is the simulated pfctl. Two variables of the environment give it another, and more files:
//!
//! - `POT_CONSOLE_PFCTL`: the path of a pfctl that takes `-nvf FILE`, for example FreeBSD's own;
//! - `POT_CONSOLE_PF_FILES`: a folder with files that are tried as they are and as a quarry for generated ones.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pot_console::operations::pf_conf::{self, Placement};
use pot_console::simulator::{self, Scenario};

/// Statements of every section and oddities of spelling, one piece a file is made of.
const PIECES: &[&str] = &[
    "ext = \"em0\"",
    "lan = \"{ 10.0.0.0/8 192.168.0.0/16 }\"",
    "q = '\"quoted\"'",
    "rule = \"pass out\"",
    "open = \"{ 10.1.1.1,\"",
    "hash = \"all # from here\"",
    "two = \"pass \\\n in\"",
    "long = \"a\nb\"",
    "both = '\nnat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n'",
    "set skip on lo0",
    "set limit states 10000",
    "set block-policy drop",
    "set timeout { tcp.closing 60,\n tcp.established 7200 }",
    "set require-order no",
    "set loginterface em0 # not \"all",
    "table <bad> persist { 10.2.0.0/16 }",
    "table <wide> {\n10.3.0.0/16, # more \\\n10.4.0.0/16\n}",
    "scrub in all",
    "scrub on em0 \\\n all max-mss 1400",
    "nat on em0 inet from 10.5.0.0/16 to any -> (em0)",
    "no nat on em0 from any to 10.6.0.1",
    "rdr on em0 proto tcp from any to any port 80 -> 10.0.0.2 port 8080",
    "binat on em0 from 10.0.0.9 to any -> 192.168.178.9",
    "rdr-anchor \"other/*\"",
    "nat-anchor pot-nat",
    "rdr-anchor \"pot-rdr/*\"",
    "nat-anchor \"pot-nat\" # spelled otherwise",
    "  rdr-anchor 'pot-rdr/*'",
    "antispoof for em0",
    "pass out all",
    "pass in on em0 proto tcp from any to any port { 22, 80 } label it's",
    "pass in label a\\b",
    "pass in from { 10.7.0.1,\n 10.7.0.2 } to any",
    "pass in label \"x\\\\\"",
    "pass in from $open 10.1.1.2 }",
    "$rule $hash and so on {",
    "$rule on em0 all",
    "block in \\\\\n",
    "anchor inner {\npass in\nblock out\n}",
    "anchor \"third/*\"",
    "# a note",
    "# a note that goes on \\",
    "# ends in two \\\\",
    "\\",
    "\t \\",
    "",
    "include \"/dev/null\"",
];

/// A small generator of numbers: the same files in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound
    }
}

struct Judge {
    pfctl: PathBuf,
    /// Where a file is written, and what pfctl calls it.
    file: PathBuf,
    name: PathBuf,
    _folder: tempfile::TempDir,
}

impl Judge {
    /// Another pfctl, where one is named; else the simulated one of a release.
    fn new(release: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if let Some(pfctl) = std::env::var_os("POT_CONSOLE_PFCTL") {
            let file = folder.path().join("pf.conf");
            return Self { pfctl: pfctl.into(), name: file.clone(), file, _folder: folder };
        }
        let root = folder.path().join("root");
        let program = Path::new(env!("CARGO_BIN_EXE_pot-console"));
        simulator::build_with_program(&root, Scenario::Default, program).expect("a simulated root");
        for (tool, words) in [
            ("usr/sbin/simctl", &["release", release][..]),
            ("usr/sbin/simctl", &["reboot"]),
            ("sbin/kldload", &["pf"]),
        ] {
            assert!(Command::new(root.join(tool)).args(words).status().expect(tool).success(), "{tool} {words:?}");
        }
        Self {
            pfctl: root.join("sbin/pfctl"),
            file: root.join("etc/pf.conf"),
            name: "/etc/pf.conf".into(),
            _folder: folder,
        }
    }

    /// What pf would load, one line each; pfctl's words when it does not take the file.
    fn judge(&self, text: &[u8]) -> Result<Vec<String>, String> {
        fs::write(&self.file, text).expect("a file");
        let answer = Command::new(&self.pfctl).arg("-nvf").arg(&self.name).output().expect("pfctl");
        if answer.status.success() {
            Ok(String::from_utf8_lossy(&answer.stdout).lines().map(str::to_owned).collect())
        } else {
            Err(String::from_utf8_lossy(&answer.stderr).into_owned())
        }
    }
}

/// As pfctl shows pot's anchors.
const SHOWN: [&str; 2] = ["nat-anchor \"pot-nat\" all", "rdr-anchor \"pot-rdr/*\" all"];

/// The rules beside them. A label may hold the rule's number, which two more rules change.
fn beside_pots(rules: &[String]) -> Vec<&str> {
    let own = rules.iter().filter(|rule| !SHOWN.contains(&rule.as_str()));
    own.map(|rule| rule.split(" label ").next().unwrap_or(rule)).collect()
}

/// The admin's own lines; a last line's missing end is no difference.
fn own_lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    lines.retain(|line| {
        let line: Vec<u8> = line.iter().copied().filter(|byte| !matches!(byte, b'"' | b'\'' | b' ' | b'\t')).collect();
        !line.starts_with(b"nat-anchorpot-nat") && !line.starts_with(b"rdr-anchorpot-rdr/*")
    });
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

#[derive(Default)]
struct Count {
    refused: usize,
    placed: usize,
    present: usize,
    asked: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

fn try_file(judge: &Judge, name: &str, text: &[u8], count: &mut Count) {
    let Ok(before) = judge.judge(text) else {
        count.refused += 1;
        return;
    };
    let mut wrong = |why: &str| {
        count.wrong.push(format!("{name}: {why}\n----\n{}\n----", String::from_utf8_lossy(text)));
    };
    match pf_conf::place_anchors(text) {
        Placement::Ask { reason } => {
            let kind = reason.chars().filter(|character| !character.is_ascii_digit()).collect();
            *count.asked.entry(kind).or_default() += 1;
        }
        Placement::Present { .. } => {
            count.present += 1;
            if !SHOWN.iter().all(|anchor| before.iter().any(|rule| rule == anchor)) {
                wrong("said to hold both anchors, and pf sees none");
            }
        }
        Placement::Placed { text: new, .. } => {
            count.placed += 1;
            let with = |why: &str| format!("{why}; with the anchors:\n{}", String::from_utf8_lossy(&new));
            match judge.judge(&new) {
                Err(words) => wrong(&with(&format!("refused afterwards: {words}"))),
                Ok(after) => {
                    if !SHOWN.iter().all(|anchor| after.iter().any(|rule| rule == anchor)) {
                        wrong(&with("pf does not see both anchors"));
                    }
                    if beside_pots(&before) != beside_pots(&after) {
                        wrong(&with("other rules than before"));
                    }
                }
            }
            if own_lines(text) != own_lines(&new) {
                wrong(&with("lines of the admin's are gone or in another order"));
            }
            if !matches!(pf_conf::place_anchors(&new), Placement::Present { .. }) {
                wrong(&with("not taken for placed when looked at again"));
            }
            if own_lines(&pf_conf::remove_anchors(&new)) != own_lines(text) {
                wrong(&with("taking the anchors out does not give the file back"));
            }
        }
    }
}

fn files() -> Vec<(String, Vec<u8>)> {
    let Some(folder) = std::env::var_os("POT_CONSOLE_PF_FILES") else { return Vec::new() };
    let mut paths: Vec<PathBuf> =
        fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| (path.display().to_string(), fs::read(path).expect("a file"))).collect()
}

/// A file of some pieces, mostly in pf's order, now and then with something moved, doubled or lost.
fn generated(dice: &mut Dice, quarry: &[Vec<u8>]) -> Vec<u8> {
    let mut chosen: Vec<usize> = (0..=dice.below(9)).map(|_| dice.below(PIECES.len())).collect();
    chosen.sort_unstable();
    let mut pieces: Vec<Vec<u8>> = chosen.into_iter().map(|index| PIECES[index].as_bytes().to_vec()).collect();
    if !quarry.is_empty() && dice.below(2) == 0 {
        pieces = quarry[dice.below(quarry.len())].split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        for _ in 0..=dice.below(3) {
            pieces.insert(dice.below(pieces.len() + 1), PIECES[dice.below(PIECES.len())].as_bytes().to_vec());
        }
    }
    for _ in 0..dice.below(4) / 2 {
        let (from, to) = (dice.below(pieces.len()), dice.below(pieces.len()));
        match dice.below(4) {
            0 => pieces.swap(from, to),
            1 => pieces[to] = PIECES[dice.below(PIECES.len())].as_bytes().to_vec(),
            2 => pieces[from].extend_from_slice([&b" \\"[..], b" # \\", b" #", b"\\\\", b" \\\\\\"][dice.below(5)]),
            _ => {
                let moved = pieces[from].clone();
                pieces.insert(to, moved);
            }
        }
    }
    let mut text = pieces.join(&b'\n');
    if dice.below(4) > 0 {
        text.push(b'\n');
    }
    text
}

#[test]
fn a_pf_conf_that_pf_takes_is_taken_with_pots_anchors_and_every_own_line_in_place() {
    let files = files();
    let rounds = if std::env::var_os("POT_CONSOLE_LONG").is_some() { 10_000 } else { 80 };
    for release in ["14", "15"] {
        hold(&Judge::new(release), &files, rounds, release);
    }
}

fn hold(judge: &Judge, files: &[(String, Vec<u8>)], rounds: usize, release: &str) {
    let mut count = Count::default();
    for (name, text) in files {
        try_file(judge, name, text, &mut count);
    }
    println!("files: {} placed, {} present, {} refused, {:?}", count.placed, count.present, count.refused, count.asked);
    let quarry: Vec<Vec<u8>> = files.iter().map(|(_, text)| text.clone()).collect();
    let mut dice = Dice(if release == "14" { 14 } else { 15 });
    for round in 0..rounds {
        try_file(judge, &format!("generated {round} for {release}"), &generated(&mut dice, &quarry), &mut count);
    }
    println!("all: {} placed, {} present, {} refused, {:?}", count.placed, count.present, count.refused, count.asked);
    assert!(
        count.wrong.is_empty(),
        "{} wrong:\n{}",
        count.wrong.len(),
        count.wrong[..count.wrong.len().min(12)].join("\n")
    );
    assert!(count.placed >= rounds / 10, "only {} were placed", count.placed);
}
