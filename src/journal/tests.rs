//! What must hold of the journal whatever happens to it.

use super::chain::{segment_path, segments};
use super::head::Head;
use super::problem::ProblemKind;
use super::record::{Action, Entry, Method, Stage};
use super::write::own_entry;
use super::*;
use crate::platform::times_asked;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A journal in a folder of its own, with small segments.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn with_records(count: u64) -> Self {
        let place = Self::new();
        let journal = place.open().0;
        for number in 1..=count {
            journal.append(entry(&format!("number {number}"))).unwrap();
        }
        place
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    fn head(&self) -> PathBuf {
        self.dir.path().join("log/head")
    }

    fn open(&self) -> (Journal, Opening) {
        open_at(self.dir.path())
    }

    fn verify(&self) -> VerifyReport {
        verify(&self.path(), &self.head(), None)
    }

    fn key(&self) -> CheckpointKey {
        CheckpointKey::open_or_make(&self.dir.path().join("keys")).unwrap()
    }

    /// All lines of all segments, with their segment.
    fn lines(&self) -> Vec<(u64, Vec<u8>)> {
        let mut lines = Vec::new();
        for first in segments(&self.path()).unwrap() {
            let bytes = std::fs::read(segment_path(&self.path(), first)).unwrap();
            lines.extend(bytes.split_inclusive(|byte| *byte == b'\n').map(|line| (first, line.to_vec())));
        }
        lines
    }

    fn write_lines(&self, lines: &[(u64, Vec<u8>)]) {
        for first in segments(&self.path()).unwrap() {
            let of_it = lines.iter().filter(|(segment, _)| *segment == first);
            let bytes: Vec<u8> = of_it.flat_map(|(_, line)| line.clone()).collect();
            std::fs::write(segment_path(&self.path(), first), bytes).unwrap();
        }
    }
}

fn open_at(dir: &Path) -> (Journal, Opening) {
    Journal::open_with_segments(&dir.join("journal"), &dir.join("log/head"), 4000).unwrap()
}

fn entry(message: &str) -> Entry {
    Entry { message: message.to_owned(), ..own_entry("pot.conf".to_owned(), String::new()) }
}

fn staged(stage: Stage, intent: Option<u64>) -> Entry {
    Entry { stage, intent, action: Action::Configuration, ..entry("POT_EXTIF em0 → vtnet0") }
}

#[test]
fn a_record_is_found_again_after_the_journal_was_closed() {
    let place = Place::new();
    for round in 0..3_u64 {
        let (journal, opening) = place.open();
        assert!(opening.problem.is_none() && opening.rolled_back.is_none() && opening.torn.is_none(), "{opening:?}");
        for number in 1..=20 {
            let record = journal.append(entry(&format!("number {number}"))).unwrap();
            assert_eq!(record.sequence, round * 20 + number);
        }
        let (records, hashes) = journal.after(0, 1000).unwrap();
        assert_eq!(records.len() as u64, (round + 1) * 20);
        assert_eq!(hashes.last(), Some(&journal.last().unwrap().1));
        assert!(records.iter().zip(1..).all(|(record, number)| record.sequence == number));
    }
    let (journal, _) = place.open();
    assert!(segments(&place.path()).unwrap().len() > 3);
    assert_eq!(journal.record(33).unwrap().unwrap().entry.message, "number 13");
    assert_eq!(journal.record(61).unwrap(), None);
    assert_eq!(journal.record(0).unwrap(), None);
    assert_eq!(journal.record(u64::MAX).unwrap(), None);
    let (records, _) = journal.after(57, 2).unwrap();
    assert_eq!(records.iter().map(|record| record.sequence).collect::<Vec<_>>(), [58, 59]);
    let report = place.verify();
    assert!(report.sound, "{report:?}");
    assert_eq!((report.records, report.first, report.last), (60, 1, 60));
}

#[test]
fn thousands_of_records_are_read_in_pages_across_segments() {
    let place = Place::new();
    let (journal, _) = Journal::open_with_segments(&place.path(), &place.head(), 300_000).unwrap();
    for number in 1..=2000 {
        journal.append(entry(&format!("number {number}"))).unwrap();
    }
    drop(journal);
    let (journal, _) = Journal::open_with_segments(&place.path(), &place.head(), 300_000).unwrap();
    for after in [0, 1, 255, 256, 257, 511, 700, 1023, 1998, 1999, 2000] {
        let (records, hashes) = journal.after(after, 300).unwrap();
        let expected: Vec<u64> = (after + 1..=2000).take(300).collect();
        assert_eq!(records.iter().map(|record| record.sequence).collect::<Vec<_>>(), expected);
        assert_eq!(hashes.len(), expected.len());
    }
}

#[test]
fn an_intent_is_unfinished_until_its_outcome_is_recorded() {
    let place = Place::new();
    let (journal, _) = place.open();
    let first = journal.append(staged(Stage::Intent, None)).unwrap().sequence;
    let second = journal.append(staged(Stage::Intent, None)).unwrap().sequence;
    // Words in a text are not a stage.
    journal.append(entry(r#""stage":"intent" "stage":"outcome""#)).unwrap();
    journal.append(staged(Stage::Outcome, Some(first))).unwrap();
    drop(journal);
    let (journal, opening) = place.open();
    assert_eq!(opening.unfinished.iter().map(|record| record.sequence).collect::<Vec<_>>(), [second]);
    journal.append(staged(Stage::Outcome, Some(second))).unwrap();
    assert!(journal.unfinished().unwrap().is_empty());
}

thread_local! {
    /// Bytes that this thread has read of segments, line by line.
    pub(super) static BYTES_READ: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// What `look` reads of segments.
fn bytes_read(look: impl FnOnce()) -> u64 {
    let before = BYTES_READ.get();
    look();
    BYTES_READ.get() - before
}

/// Root asks each minute whether something was left unfinished; what it appends meanwhile waits for that.
#[test]
fn the_minutes_look_reads_what_was_appended_however_large_the_history_is() {
    for records in [20, 800] {
        let dir = tempfile::tempdir().unwrap();
        let open = || {
            Journal::open_with_segments(&dir.path().join("journal"), &dir.path().join("log/head"), 128 << 10).unwrap().0
        };
        let journal = open();
        let left = journal.append(staged(Stage::Intent, None)).unwrap().sequence;
        for number in 0..records {
            journal.append(entry(&format!("number {number}"))).unwrap();
        }
        let seen = || journal.unfinished().unwrap().iter().map(|record| record.sequence).collect::<Vec<_>>();
        let read = bytes_read(|| assert_eq!(seen(), [left]));
        assert_eq!(read, 0, "{records} records: nothing was appended, nothing is read");
        // What the command line appends is read once.
        let other = open();
        let second = other.append(staged(Stage::Intent, None)).unwrap().sequence;
        let newest = segment_path(journal.dir(), newest(&journal));
        let text = std::fs::read(&newest).unwrap();
        let last = text.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap().len() as u64 + 1;
        let read = bytes_read(|| assert_eq!(seen(), [left, second]));
        assert_eq!(read, last, "{records} records: one was appended, one is read");
        let read = bytes_read(|| {
            journal.append(staged(Stage::Outcome, Some(left))).unwrap();
            assert_eq!(seen(), [second]);
        });
        assert_eq!(read, 0, "{records} records: what is appended here is known here");
    }
}

/// Three processes append to one journal, of small segments; now and then the newest file is replaced by a copy of it.
#[test]
fn each_process_knows_what_is_unfinished_whoever_began_and_ended_it() {
    let mut random = 0x9e37_79b9_u64;
    let mut below = |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    let place = Place::new();
    let journals = [place.open().0, place.open().0, place.open().0];
    let mut open: Vec<u64> = Vec::new();
    for step in 0..400 {
        let journal = &journals[usize::try_from(below(3)).unwrap()];
        match below(4) {
            0 => open.push(journal.append(staged(Stage::Intent, None)).unwrap().sequence),
            1 if !open.is_empty() => {
                let intent = open.remove(usize::try_from(below(open.len() as u64)).unwrap());
                journal.append(staged(Stage::Outcome, Some(intent))).unwrap();
            }
            _ => drop(journal.append(entry("something else")).unwrap()),
        }
        if below(40) == 0 {
            // What stands in older segments than the one before is not looked for again in a journal that was replaced.
            for intent in open.drain(..) {
                journal.append(staged(Stage::Outcome, Some(intent))).unwrap();
            }
            let path = segment_path(&place.path(), newest(journal));
            let copy = path.with_extension("copy");
            std::fs::copy(&path, &copy).unwrap();
            std::fs::rename(&copy, &path).unwrap();
            for journal in &journals {
                journal.append(entry("found again")).unwrap();
            }
        }
        for (number, journal) in journals.iter().enumerate() {
            let seen: Vec<u64> = journal.unfinished().unwrap().iter().map(|record| record.sequence).collect();
            assert_eq!(seen, open, "step {step}, process {number}");
        }
    }
    assert!(segments(&place.path()).unwrap().len() > 10);
}

#[test]
fn a_torn_last_line_is_set_aside_and_recorded() {
    let place = Place::with_records(5);
    let last = *segments(&place.path()).unwrap().last().unwrap();
    let path = segment_path(&place.path(), last);
    let mut bytes = std::fs::read(&path).unwrap();
    let sound = bytes.len();
    bytes.extend_from_slice(b"0123456789abcdef {\"sequence\":6,\"half");
    std::fs::write(&path, &bytes).unwrap();
    let report = place.verify();
    assert!(report.sound && report.torn == (bytes.len() - sound) as u64, "{report:?}");

    let (journal, opening) = place.open();
    assert_eq!(opening.torn, Some(6));
    let message = journal.record(6).unwrap().unwrap().entry.message;
    assert!(message.contains("torn") && message.contains("record 6"), "{message}");
    let aside: Vec<_> = std::fs::read_dir(place.path())
        .unwrap()
        .filter_map(|entry| entry.ok().filter(|entry| entry.file_name().to_string_lossy().starts_with("torn-")))
        .collect();
    assert_eq!(std::fs::read(aside[0].path()).unwrap(), bytes[sound..]);
    let report = place.verify();
    assert!(report.sound && report.records == 6 && report.torn == 0, "{report:?}");
}

#[test]
fn a_line_torn_by_another_process_is_set_aside_by_the_next_append() {
    let place = Place::with_records(1);
    let (journal, _) = place.open();
    let path = segment_path(&place.path(), 1);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(b"half");
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(journal.after(0, 10).unwrap().0.len(), 1);
    assert_eq!(journal.append(entry("after it")).unwrap().sequence, 3);
    assert!(place.verify().sound);
}

#[test]
fn a_rolled_back_journal_is_noticed_recorded_and_shown() {
    let place = Place::with_records(5);
    let old: Vec<_> = place.lines();
    {
        let (journal, _) = place.open();
        journal.append(entry("number 6")).unwrap();
    }
    place.write_lines(&old);
    let problem = place.verify().problem.unwrap();
    assert_eq!((problem.kind, problem.sequence), (ProblemKind::RolledBack, Some(6)));

    let (journal, opening) = place.open();
    let rolled_back = opening.rolled_back.unwrap();
    assert_eq!((rolled_back.head_sequence, rolled_back.last, rolled_back.record), (6, 5, 6));
    assert!(journal.record(6).unwrap().unwrap().entry.message.contains("rolled back"));
    assert!(journal.alarm().unwrap().contains("rolled back"));
    let (journal, opening) = place.open();
    assert!(opening.rolled_back.is_none() && journal.alarm().is_some());
    std::fs::remove_file(place.path().join("alarm")).unwrap();
    assert_eq!(journal.alarm(), None, "root removed the file");
    assert!(place.verify().sound);
}

#[test]
fn an_older_copy_that_grew_again_is_noticed_by_the_head() {
    let place = Place::with_records(5);
    let old = place.lines();
    {
        let (journal, _) = place.open();
        journal.append(entry("number 6")).unwrap();
    }
    let head = std::fs::read(place.head()).unwrap();
    place.write_lines(&old);
    std::fs::remove_file(place.head()).unwrap();
    place.open().0.append(entry("another number 6")).unwrap();
    place.open().0.append(entry("number 7")).unwrap();
    std::fs::write(place.head(), head).unwrap();
    assert_eq!(place.verify().problem.unwrap().kind, ProblemKind::RolledBack);
    assert!(place.open().1.rolled_back.is_some());
}

#[test]
fn a_journal_replaced_under_a_running_console_is_noticed_at_the_next_append() {
    let place = Place::with_records(3);
    let (journal, _) = place.open();
    let path = segment_path(&place.path(), 1);
    let old = std::fs::read(&path).unwrap();
    journal.append(entry("number 4")).unwrap();
    let copy = place.path().join("copy");
    std::fs::write(&copy, old).unwrap();
    std::fs::rename(copy, &path).unwrap();
    let record = journal.append(entry("after it")).unwrap();
    assert_eq!(record.sequence, 5);
    assert!(journal.record(4).unwrap().unwrap().entry.message.contains("rolled back"));
    assert!(journal.alarm().is_some() && place.verify().sound);

    std::fs::remove_dir_all(place.path()).unwrap();
    std::fs::create_dir(place.path()).unwrap();
    assert!(matches!(journal.append(entry("to nowhere")), Err(JournalError::Broken(_))));
}

#[test]
fn a_journal_begun_anew_is_another_one() {
    let place = Place::with_records(3);
    std::fs::remove_dir_all(place.path()).unwrap();
    let (_, opening) = place.open();
    assert!(opening.rolled_back.unwrap().text.contains("another journal"));
}

#[test]
fn a_missing_head_is_named() {
    let place = Place::with_records(3);
    std::fs::remove_file(place.head()).unwrap();
    assert_eq!(place.verify().problem.unwrap().kind, ProblemKind::HeadMissing);
    let (journal, opening) = place.open();
    assert_eq!(opening.problem.unwrap().kind, ProblemKind::HeadMissing);
    // It is written anew, but not without a word.
    assert!(place.verify().sound && journal.alarm().is_some());
    assert!(journal.record(4).unwrap().unwrap().entry.message.contains("is gone"));
    std::fs::write(place.head(), "nonsense").unwrap();
    assert_eq!(place.verify().problem.unwrap().kind, ProblemKind::HeadMissing);
}

#[test]
fn every_flipped_byte_is_found() {
    let place = Place::with_records(12);
    let files = segments(&place.path()).unwrap();
    assert!(files.len() > 1);
    for first in files {
        let path = segment_path(&place.path(), first);
        let sound = std::fs::read(&path).unwrap();
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << (at % 7);
            std::fs::write(&path, &bytes).unwrap();
            let report = place.verify();
            // The very last newline gone looks like a torn write, which the head gives away.
            assert!(!report.sound, "byte {at} of segment {first}");
        }
        std::fs::write(&path, &sound).unwrap();
    }
    assert!(place.verify().sound);
}

#[test]
fn the_first_changed_record_is_named() {
    let place = Place::with_records(12);
    let sound = place.lines();
    for victim in 1..=12_u64 {
        let mut lines = sound.clone();
        let line = lines.iter_mut().find(|(_, line)| is_record(line, victim)).unwrap();
        let text = String::from_utf8(line.1.clone()).unwrap().replace("pot.conf", "pf.confX");
        line.1 = text.into_bytes();
        place.write_lines(&lines);
        let problem = place.verify().problem.unwrap();
        assert_eq!((problem.sequence, problem.kind), (Some(victim), ProblemKind::Changed));
        assert!(problem.text.contains(&format!("record {victim} ")), "{problem}");
    }
}

fn is_record(line: &[u8], sequence: u64) -> bool {
    Line::parse(line).and_then(|line| line.sequence()) == Some(sequence)
}

#[test]
fn every_deleted_swapped_or_doubled_record_is_named() {
    let place = Place::with_records(12);
    let sound = place.lines();
    let at = |sequence| sound.iter().position(|(_, line)| is_record(line, sequence)).unwrap();
    for victim in 1..=12_u64 {
        let mut lines = sound.clone();
        lines.remove(at(victim));
        place.write_lines(&lines);
        let problem = place.verify().problem.unwrap();
        let expected =
            if victim == 12 { (Some(12), ProblemKind::RolledBack) } else { (Some(victim), ProblemKind::Missing) };
        assert_eq!((problem.sequence, problem.kind), expected, "{problem}");

        let mut lines = sound.clone();
        let double = lines[at(victim)].clone();
        lines.insert(at(victim) + 1, double);
        place.write_lines(&lines);
        let problem = place.verify().problem.unwrap();
        assert_eq!((problem.sequence, problem.kind), (Some(victim + 1), ProblemKind::Reordered), "{problem}");
    }
    for (one, other) in (1..=12).flat_map(|one| (one + 1..=12).map(move |other| (one, other))) {
        let mut lines = sound.clone();
        let (first, second) = (lines[at(one)].1.clone(), lines[at(other)].1.clone());
        (lines[at(one)].1, lines[at(other)].1) = (second, first);
        place.write_lines(&lines);
        let problem = place.verify().problem.unwrap();
        assert_eq!(problem.sequence, Some(one), "{problem}");
        let same_segment = sound[at(one)].0 == sound[at(other)].0;
        let kind = if same_segment { ProblemKind::Reordered } else { ProblemKind::Missing };
        assert_eq!(problem.kind, kind, "{problem}");
    }
}

#[test]
fn a_deleted_segment_and_a_truncated_end_are_named() {
    let place = Place::with_records(12);
    let files = segments(&place.path()).unwrap();
    for (at, first) in files.iter().enumerate() {
        let path = segment_path(&place.path(), *first);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let problem = place.verify().problem.unwrap();
        let kind = if at + 1 == files.len() { ProblemKind::RolledBack } else { ProblemKind::Missing };
        assert_eq!(problem.kind, kind, "{problem}");
        std::fs::write(&path, bytes).unwrap();
    }
    let path = segment_path(&place.path(), *files.last().unwrap());
    let bytes = std::fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(!place.verify().sound, "cut at {length}");
    }
}

/// Root writes the whole history anew, hashes and head included.
fn forge(place: &Place, count: u64) {
    std::fs::remove_dir_all(place.path()).unwrap();
    std::fs::remove_file(place.head()).unwrap();
    let journal = place.open().0;
    for number in 1..=count {
        journal.append(entry(&format!("forged {number}"))).unwrap();
    }
}

#[test]
fn a_kept_checkpoint_finds_what_root_cut_off_or_wrote_anew() {
    let place = Place::with_records(12);
    let (journal, _) = place.open();
    let text = Checkpoint::sign(&journal, &place.key()).unwrap().text();
    let checkpoint = Checkpoint::parse(&text).unwrap();
    checkpoint.must_be_signed_by(&place.key().public()).unwrap();
    let check = |place: &Place| verify(&place.path(), &place.head(), Some(&checkpoint));
    assert!(check(&place).sound);
    journal.append(entry("later")).unwrap();
    assert!(check(&place).sound);

    // The last two records are cut off and the head is made to fit.
    let mut lines = place.lines();
    lines.truncate(lines.len() - 2);
    place.write_lines(&lines);
    let hash = std::str::from_utf8(&lines.last().unwrap().1[..64]).unwrap().to_owned();
    std::fs::write(place.head(), format!("{:020} {hash} {}\n", 11, journal.id())).unwrap();
    assert!(place.verify().sound);
    let problem = check(&place).problem.unwrap();
    assert_eq!((problem.kind, problem.sequence), (ProblemKind::Truncated, Some(12)));

    // And the same number of other records appended: only the hash gives it away.
    let (journal, _) = place.open();
    journal.append(entry("another 12")).unwrap();
    journal.append(entry("another 13")).unwrap();
    assert!(place.verify().sound);
    assert_eq!(check(&place).problem.unwrap().kind, ProblemKind::OtherHistory);

    forge(&place, 12);
    assert!(place.verify().sound);
    assert_eq!(check(&place).problem.unwrap().kind, ProblemKind::OtherHistory);
    std::fs::remove_dir_all(place.path()).unwrap();
    std::fs::create_dir(place.path()).unwrap();
    std::fs::remove_file(place.head()).unwrap();
    assert!(!check(&place).sound);
}

#[test]
fn a_checkpoint_with_one_changed_character_is_refused() {
    let place = Place::with_records(2);
    let text = Checkpoint::sign(&place.open().0, &place.key()).unwrap().text();
    let original = Checkpoint::parse(&text).unwrap();
    let mut refused = 0;
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        match String::from_utf8(bytes).map(|text| Checkpoint::parse(&text)) {
            // White space between the fields may change.
            Ok(Ok(same)) => assert_eq!(same, original),
            _ => refused += 1,
        }
    }
    assert!(refused > 300);
    let other = CheckpointKey::open_or_make(&place.dir.path().join("other keys")).unwrap();
    assert!(original.must_be_signed_by(&other.public()).is_err());
    assert!(Checkpoint::parse("{}").is_err());
}

#[test]
fn the_signing_key_is_made_once_and_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    assert_eq!(place.key().public(), place.key().public());
    let mode = place.dir.path().join("keys/checkpoint.pem").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!format!("{:?}", place.key()).contains("PRIVATE"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_edit_of_the_files_goes_unnoticed(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..5), 1..4),
    ) {
        let place = Place::with_records(6);
        let path = segment_path(&place.path(), 1);
        let sound = std::fs::read(&path).unwrap();
        let mut bytes = sound.clone();
        for (at, byte, kind) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                3 => bytes.truncate(at),
                _ => bytes.rotate_left(at),
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        let report = place.verify();
        let only_torn = bytes.starts_with(&sound) && report.torn > 0;
        prop_assert_eq!(report.sound, bytes == sound || only_torn);
        // Whatever stands there, reading it neither panics nor loops.
        let (journal, _) = place.open();
        let _ = journal.after(0, 100);
        let _ = journal.record(3);
        let _ = journal.append(entry("after it"));
    }
}

/// Runs one of this file's tests in a process of its own.
fn in_a_process(test: &str, dir: &Path, crash_at: Option<&str>) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--test-threads=1", test]).env("POT_CONSOLE_TEST_JOURNAL", dir);
    if let Some(step) = crash_at {
        command.env("POT_CONSOLE_CRASH_AT", step);
    }
    command
}

/// The part that runs in a process of its own: fifty records, or what the disk takes.
#[test]
fn fifty_appends_of_one_process() {
    let Some(dir) = std::env::var_os("POT_CONSOLE_TEST_JOURNAL") else {
        let place = Place::with_records(50);
        assert_eq!(place.verify().records, 50);
        return;
    };
    let (journal, _) = open_at(Path::new(&dir));
    for number in 0..25 {
        let intent = journal.append(staged(Stage::Intent, None)).unwrap().sequence;
        journal.append(Entry { run: Some(number), ..staged(Stage::Outcome, Some(intent)) }).unwrap();
    }
}

#[test]
fn no_record_is_lost_when_processes_and_threads_append_at_once() {
    let place = Place::new();
    let (journal, _) = place.open();
    let children: Vec<_> = (0..4)
        .map(|_| in_a_process("journal::tests::fifty_appends_of_one_process", place.dir.path(), None).spawn().unwrap())
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let record = journal.append(entry("from a thread")).unwrap();
                    assert_eq!(journal.record(record.sequence).unwrap().unwrap(), record);
                }
            });
        }
    });
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let report = place.verify();
    assert!(report.sound, "{report:?}");
    assert_eq!(report.records, 400);
    assert_eq!(journal.last().unwrap().0, 400);
    assert_eq!(journal.after(0, 1000).unwrap().0.len(), 400);
    assert!(journal.unfinished().unwrap().is_empty());
}

#[cfg(debug_assertions)]
#[test]
fn a_sudden_death_at_any_step_leaves_a_sound_journal_with_every_reported_record() {
    for (step, least) in [
        ("journal-begin#7", 6),
        ("journal-written#7", 6),
        ("journal-synced#7", 7),
        ("journal-headed#7", 7),
        ("journal-segment#2", 2),
    ] {
        let place = Place::new();
        let mut child = in_a_process("journal::tests::fifty_appends_of_one_process", place.dir.path(), Some(step));
        let status = child.stdout(std::process::Stdio::null()).status().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{step}");
        let report = place.verify();
        assert!(report.sound, "{step}: {report:?}");
        assert!(report.records >= least, "{step}: {report:?}");
        let (journal, opening) = place.open();
        assert!(opening.rolled_back.is_none() && opening.problem.is_none(), "{step}: {opening:?}");
        for intent in &opening.unfinished {
            journal.append(staged(Stage::Outcome, Some(intent.sequence))).unwrap();
        }
        assert_eq!(opening.unfinished.len() as u64, report.records % 2, "{step}");
        assert!(place.verify().sound);
    }
}

/// The part that runs on a small file system: fills it, then tries to record.
#[test]
fn a_full_disk_refuses_a_change_before_it_is_made_and_still_takes_an_outcome() {
    let Some(dir) = std::env::var_os("POT_CONSOLE_TEST_JOURNAL") else {
        let mount_point = tempfile::tempdir().unwrap();
        let name = "journal::tests::a_full_disk_refuses_a_change_before_it_is_made_and_still_takes_an_outcome";
        let inner = in_a_process(name, mount_point.path(), None);
        let mut command = Command::new("unshare");
        let script = r#"mount -t tmpfs -o size=4m none "$0" || exit 77; exec "$@""#;
        command.args(["-m", "sh", "-c", script]).arg(mount_point.path()).arg(inner.get_program());
        command.args(inner.get_args()).env("POT_CONSOLE_TEST_JOURNAL", mount_point.path());
        match command.output() {
            // Only root may mount, and only Linux has unshare.
            Ok(output) if output.status.code() == Some(77) || !nix::unistd::geteuid().is_root() => {}
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
        }
        return;
    };
    let dir = Path::new(&dir);
    let (journal, _) = open_at(dir);
    let intent = journal.append(staged(Stage::Intent, None)).unwrap().sequence;
    let filler = dir.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[1; 512]).is_ok() {}
    // A record needs a new page of the file before long.
    let mut refused = None;
    for _ in 0..40 {
        let before = std::fs::metadata(segment_path(journal.dir(), newest(&journal))).unwrap().len();
        match journal.append(entry("something")) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(std::fs::metadata(segment_path(journal.dir(), newest(&journal))).unwrap().len(), before);
                refused = Some(error);
                break;
            }
        }
    }
    let error = refused.expect("the disk is full");
    assert!(error.is_full() && error.to_string().contains("make room"), "{error}");
    let last = journal.last().unwrap().0;
    assert!(verify(journal.dir(), journal.head_path(), None).sound);
    // The reserve is given up for how the change ended, and from then on none is begun.
    journal.append(staged(Stage::Outcome, Some(intent))).unwrap();
    while std::io::Write::write_all(&mut file, &[1; 512]).is_ok() {}
    let error = journal.append(staged(Stage::Intent, None)).unwrap_err();
    assert!(error.is_full(), "{error}");
    let (reopened, opening) = open_at(dir);
    assert!(opening.unfinished.is_empty());
    assert_eq!(reopened.last().unwrap().0, last + 1);

    drop(file);
    std::fs::remove_file(filler).unwrap();
    journal.append(staged(Stage::Intent, None)).unwrap();
    let report = verify(journal.dir(), journal.head_path(), None);
    assert!(report.sound, "{report:?}");
}

fn newest(journal: &Journal) -> u64 {
    *segments(journal.dir()).unwrap().last().unwrap()
}

#[test]
fn pruning_drops_old_segments_and_leaves_a_checkpoint_and_a_record() {
    let place = Place::with_records(40);
    let (journal, _) = place.open();
    let before = segments(&place.path()).unwrap();
    let all = Retention {
        changes: Keep { records: 10, age: Duration::ZERO },
        visits: Keep { records: 0, age: Duration::ZERO },
        by_itself: Keep { records: 0, age: Duration::ZERO },
    };
    let young = Retention { changes: Keep { records: 0, age: Duration::from_hours(1) }, ..all };
    assert_eq!(journal.prune(&young, &place.key()).unwrap(), None);
    let pruned = journal.prune(&all, &place.key()).unwrap().unwrap();
    assert_eq!((pruned.from, pruned.record), (1, 41));
    assert!(pruned.to <= 30 && pruned.to > 20, "{pruned:?}");
    assert_eq!(journal.first(), pruned.to + 1);
    assert!(segments(&place.path()).unwrap().len() < before.len());
    let report = place.verify();
    assert!(report.sound, "{report:?}");
    assert_eq!(report.first, pruned.to + 1);
    assert_eq!(journal.after(0, 100).unwrap().0.first().unwrap().sequence, pruned.to + 1);
    let message = journal.record(41).unwrap().unwrap().entry.message;
    assert!(message.contains(&format!("Records 1 to {}", pruned.to)), "{message}");

    // Without its checkpoint, or with someone else's, a pruned journal is one with records missing.
    let path = place.path().join("pruned.checkpoint");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(place.verify().problem.unwrap().kind, ProblemKind::Missing);
    std::fs::write(&path, text.replace("\"sequence\": ", "\"sequence\": 1")).unwrap();
    assert!(!place.verify().sound);
    std::fs::write(&path, text).unwrap();
    // Dropping one more segment by hand is found.
    std::fs::remove_file(segment_path(&place.path(), pruned.to + 1)).unwrap();
    assert_eq!(place.verify().problem.unwrap().kind, ProblemKind::Missing);
}

#[test]
fn what_people_did_is_not_pushed_out_by_what_ran_by_itself() {
    let place = Place::new();
    let (journal, _) = place.open();
    let by_anna = |message: &str| {
        let mut entry = staged(Stage::Event, None);
        entry.actor.method = Method::Password;
        Entry { message: message.to_owned(), ..entry }
    };
    let by_itself = |action| Entry { action, ..entry("by itself") };
    for number in 0..30 {
        journal.append(by_itself(if number % 2 == 0 { Action::Process } else { Action::SignIn })).unwrap();
    }
    let kept = journal.append(by_anna("POT_EXTIF em0 → vtnet0")).unwrap().sequence;
    for _ in 0..60 {
        journal.append(by_itself(Action::Process)).unwrap();
    }
    let nothing = Keep { records: 0, age: Duration::ZERO };
    let retention =
        Retention { changes: Keep { records: 1, age: Duration::ZERO }, visits: nothing, by_itself: nothing };
    let pruned = journal.prune(&retention, &place.key()).unwrap().unwrap();
    assert!(pruned.to < kept && pruned.to > 10, "{pruned:?}");
    assert!(journal.record(kept).unwrap().is_some());
    assert!(place.verify().sound);
}

#[test]
fn a_job_that_writes_files_does_not_push_out_what_people_did() {
    let place = Place::new();
    let (journal, _) = place.open();
    let by = |method, action| {
        let mut entry = staged(Stage::Event, None);
        entry.actor.method = method;
        Entry { action, ..entry }
    };
    let kept = journal.append(by(Method::Password, Action::Configuration)).unwrap().sequence;
    for _ in 0..60 {
        journal.append(by(Method::None, Action::Outside)).unwrap();
    }
    let nothing = Keep { records: 0, age: Duration::ZERO };
    let retention =
        Retention { changes: Keep { records: 1, age: Duration::ZERO }, visits: nothing, by_itself: nothing };
    assert_eq!(journal.prune(&retention, &place.key()).unwrap(), None);
    assert!(journal.record(kept).unwrap().is_some());
    // Among themselves the newest are kept.
    journal.append(by(Method::Password, Action::Configuration)).unwrap();
    assert!(journal.prune(&retention, &place.key()).unwrap().is_some());
    assert!(place.verify().sound);
}

#[test]
fn a_checkpoint_of_a_pruning_that_is_signed_with_another_key_is_found() {
    let place = Place::with_records(40);
    let (journal, _) = place.open();
    let nothing = Keep { records: 0, age: Duration::ZERO };
    let retention = Retention { changes: nothing, visits: nothing, by_itself: nothing };
    let pruned = journal.prune(&retention, &place.key()).unwrap().unwrap();
    assert!(place.verify().sound);
    let path = place.path().join("pruned.checkpoint");
    let own = std::fs::read_to_string(&path).unwrap();
    let hash = Checkpoint::parse(&own).unwrap().hash;
    // The same number and hash.
    let key = CheckpointKey::open_or_make(&place.dir.path().join("other")).unwrap();
    std::fs::write(&path, Checkpoint::of(journal.id(), pruned.to, hash, &key).text()).unwrap();
    let problem = place.verify().problem.unwrap();
    assert_eq!((problem.kind, problem.sequence), (ProblemKind::OtherHistory, Some(pruned.record)), "{problem}");
    assert!(problem.text.contains(&key.public()), "{problem}");
    std::fs::write(&path, own).unwrap();
    assert!(place.verify().sound);
}

#[test]
fn of_two_outcomes_of_an_act_the_first_counts_and_the_journal_is_sound() {
    let place = Place::new();
    let (journal, _) = place.open();
    journal.append(staged(Stage::Intent, None)).unwrap();
    for intent in [Some(1), Some(1), None] {
        journal.append(staged(if intent.is_some() { Stage::Outcome } else { Stage::Intent }, intent)).unwrap();
    }
    journal.append(staged(Stage::Outcome, Some(4))).unwrap();
    journal.append(staged(Stage::Outcome, Some(1))).unwrap();
    let report = place.verify();
    assert!(report.sound, "{report:?}");
    assert_eq!((report.repeated, report.repeated_count), (vec![3, 6], 2));
    assert!(journal.unfinished().unwrap().is_empty());
    // In whatever order they are met.
    let (records, _) = journal.after(0, 10).unwrap();
    for backwards in [false, true] {
        let mut ends = Ends::default();
        let mut met: Vec<_> = records.iter().collect();
        if backwards {
            met.reverse();
        }
        for record in met {
            ends.note(record);
        }
        assert_eq!(ends.of(1).map(|record| record.sequence), Some(2));
        assert_eq!(ends.take(4).map(|record| record.sequence), Some(5));
    }
}

/// Gives each record a time, so many minutes after the first one, as if it had been made then.
fn at_minutes(place: &Place, minutes: &[i64]) {
    let begun: jiff::Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let mut lines = place.lines();
    assert!(segments(&place.path()).unwrap().len() == 1 && lines.len() == minutes.len() + 1);
    let mut previous = Line::parse(lines[0].1.trim_ascii_end()).unwrap().hash;
    for ((_, line), minute) in lines.iter_mut().skip(1).zip(minutes) {
        let mut record = Line::parse(line.trim_ascii_end()).unwrap().record().unwrap();
        record.time = begun + jiff::SignedDuration::from_mins(*minute);
        let json = serde_json::to_vec(&record).unwrap();
        previous = chain::link(&previous, &json);
        *line = chain::line(&previous, &json);
    }
    place.write_lines(&lines);
}

/// A head that names this record.
fn head_at(place: &Place, sequence: usize) {
    let lines = place.lines();
    let hash = Line::parse(lines[sequence].1.trim_ascii_end()).unwrap().hash;
    let journal = Line::parse(lines[0].1.trim_ascii_end()).unwrap().header().unwrap().journal;
    Head { sequence: sequence as u64, hash, journal }.write(&place.head()).unwrap();
}

#[test]
fn an_older_copy_of_the_head_is_told_from_one_that_a_power_cut_left() {
    // The head names record 2. What came after it: within moments; or over hours.
    for (minutes, put_back) in [([0, 1, 60, 61, 62], false), ([0, 1, 60, 62, 120], true)] {
        let place = Place::with_records(5);
        at_minutes(&place, &minutes);
        head_at(&place, 2);
        let problem = place.verify().problem;
        assert_eq!(problem.as_ref().map(|problem| problem.kind), put_back.then_some(ProblemKind::HeadBehind));
        let (journal, opening) = place.open();
        assert_eq!(opening.rolled_back.is_some(), put_back, "{opening:?}");
        assert_eq!(journal.alarm().is_some_and(|alarm| alarm.contains("older copy of the head")), put_back);
        // From here on it is copied again.
        journal.append(entry("after it")).unwrap();
        assert!(place.verify().sound);
    }
    // One that could not be written is behind, and that is known.
    let place = Place::with_records(5);
    at_minutes(&place, &[0, 1, 60, 62, 120]);
    head_at(&place, 2);
    std::fs::write(place.path().join("head-owed"), "").unwrap();
    assert!(place.verify().sound);
    let (journal, opening) = place.open();
    assert!(opening.rolled_back.is_none() && journal.alarm().is_none());
    assert!(!place.path().join("head-owed").exists(), "it could be written now");
}

#[test]
fn a_checkpoint_of_a_pruning_that_no_record_speaks_of_stands_for_nothing() {
    let place = Place::with_records(40);
    let (journal, _) = place.open();
    let kept = segments(&place.path()).unwrap()[1];
    let before = journal.record(kept - 1).unwrap().unwrap();
    let hash = journal.after(kept - 2, 1).unwrap().1[0];
    assert_eq!(before.sequence, kept - 1);
    // Signed with the key itself: whoever may remove the records may use it.
    let forged = Checkpoint::of(journal.id(), kept - 1, hash, &place.key());
    std::fs::remove_file(segment_path(&place.path(), 1)).unwrap();
    std::fs::write(place.path().join("pruned.checkpoint"), forged.text()).unwrap();
    let problem = place.verify().problem.unwrap();
    assert_eq!(problem.kind, ProblemKind::Missing, "{problem}");
}

#[test]
fn a_broken_journal_is_not_pruned() {
    let place = Place::with_records(40);
    let path = segment_path(&place.path(), 1);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("number 2", "number X")).unwrap();
    let nothing = Keep { records: 0, age: Duration::ZERO };
    let retention = Retention { changes: nothing, visits: nothing, by_itself: nothing };
    let (journal, _) = place.open();
    assert!(matches!(journal.prune(&retention, &place.key()), Err(JournalError::Broken(_))));
    assert!(path.exists());
}

#[test]
fn who_must_not_wait_is_told_the_last_number_at_once_or_not_at_all() {
    let place = Place::new();
    let journal = place.open().0;
    journal.append(entry("first")).unwrap();
    let last = journal.last().unwrap().0;
    assert_eq!(journal.last_at_once(), Some(last));
    {
        // As while a record is on its way to the disk.
        let _at_work = journal.state();
        std::thread::scope(|scope| assert_eq!(scope.spawn(|| journal.last_at_once()).join().unwrap(), None));
    }
    let other = place.open().0;
    other.append(entry("by another process")).unwrap();
    assert_eq!(journal.last_at_once(), Some(last + 1));
}

#[test]
fn a_backup_can_be_checked_and_restored_and_holds_no_key() {
    let place = Place::with_records(40);
    let nothing = Keep { records: 0, age: Duration::ZERO };
    let retention = Retention { changes: nothing, visits: nothing, by_itself: nothing };
    let (journal, _) = place.open();
    journal.prune(&retention, &place.key()).unwrap().unwrap();
    let mut bytes = Vec::new();
    let report = write_backup(&place.path(), &[("accounts", b"anna:admin")], &mut bytes).unwrap();
    assert!(report.files.contains(&"accounts".to_owned()));
    assert!(memchr::memmem::find(&bytes, b"PRIVATE KEY").is_none());

    let scratch = place.dir.path().join("scratch");
    let before = times_asked();
    let checked = check_backup(&mut bytes.as_slice(), &scratch).unwrap();
    assert_eq!(times_asked(), before, "what is only checked need not be on disk");
    assert_eq!(checked.journal.unwrap().last, 41);
    assert!(!scratch.exists());
    let into = place.dir.path().join("restored");
    restore_backup(&mut bytes.as_slice(), &into).unwrap();
    assert_eq!(times_asked() - before, checked.files.len(), "what stays is");
    assert_eq!(std::fs::read(into.join("accounts")).unwrap(), b"anna:admin");
    assert!(restore_backup(&mut bytes.as_slice(), &into).is_err(), "a folder that is there is not overwritten");
    assert!(into.join("accounts").exists());
    let (restored, _) = Journal::open(&into.join("journal"), &into.join("log/head")).unwrap();
    // The copied head is not of the backup, and that is recorded.
    let (last, hash) = journal.last().unwrap();
    assert_eq!(restored.after(last - 1, 1).unwrap().1, [hash]);
    assert_eq!(restored.last().unwrap().0, last + 1);

    for at in (0..bytes.len()).step_by(37) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        assert!(check_backup(&mut damaged.as_slice(), &scratch).is_err(), "byte {at}");
        assert!(check_backup(&mut &bytes[..at], &scratch).is_err(), "cut at {at}");
    }
    bytes.push(b'x');
    assert!(check_backup(&mut bytes.as_slice(), &scratch).is_err());
}

#[test]
fn a_backup_whose_names_lead_elsewhere_is_refused() {
    let place = Place::new();
    for name in ["../evil", "/etc/evil", "journal/../evil", ".hidden", "a/b", ""] {
        let digest = crate::digest::Digest::of(b"x");
        let json =
            format!(r#"{{"made":"2026-01-01T00:00:00Z","files":[{{"name":"{name}","size":1,"digest":"{digest}"}}]}}"#);
        let text = format!("pot-console backup 1 {}\n{json}\nx", crate::digest::Digest::of(json.as_bytes()));
        let into = place.dir.path().join("into");
        let error = restore_backup(&mut text.as_bytes(), &into).unwrap_err();
        assert!(error.to_string().contains("leads elsewhere"), "{error}");
        assert!(!into.exists());
    }
}

#[test]
fn a_record_that_no_reply_could_carry_is_refused() {
    let place = Place::new();
    let (journal, _) = place.open();
    assert!(matches!(journal.append(entry(&"x".repeat(9 << 20))), Err(JournalError::TooLong(_))));
    journal.append(entry(&"y".repeat(5 << 20))).unwrap();
    journal.append(entry(&"z".repeat(5 << 20))).unwrap();
    assert_eq!(journal.after(0, 10).unwrap().0.len(), 1);
    assert_eq!(journal.after(1, 10).unwrap().0.len(), 1);
    assert!(place.verify().sound);
}

#[test]
fn a_head_is_there_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("head");
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                seen += usize::from(Head::read(&path).expect("a head or none").is_some());
            }
            seen
        });
        for sequence in 0..300 {
            let head = Head { sequence, hash: crate::digest::Digest::of(b"a record"), journal: uuid::Uuid::nil() };
            head.write(&path).expect("make the head");
            assert_eq!(Head::read(&path).expect("read it"), Some(head));
            std::fs::remove_file(&path).expect("remove it");
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(reader.join().expect("the reader") > 0, "the reader met no head at all");
    });
}

#[test]
fn a_journal_a_checkpoint_or_a_backup_of_a_newer_version_is_told_from_a_broken_one_and_left_as_it_is() {
    let place = Place::with_records(3);
    let journal = place.open().0;
    let text = Checkpoint::sign(&journal, &place.key()).unwrap().text();
    let newer = text.replace("\"pot-console-checkpoint\": 1", "\"pot-console-checkpoint\": 2");
    assert_ne!(newer, text);
    let words = Checkpoint::parse(&newer).unwrap_err().to_string();
    assert!(
        words.contains("newer pot-console: a checkpoint, version 2;") && words.contains("knows version 1"),
        "{words}"
    );

    let mut backup = Vec::new();
    write_backup(&place.path(), &[], &mut backup).unwrap();
    assert!(backup.starts_with(b"pot-console backup 1 sha256:"));
    let newer = [&b"pot-console backup 2 "[..], &backup[21..]].concat();
    let words = check_backup(&mut &newer[..], &place.dir.path().join("scratch")).unwrap_err().to_string();
    assert!(words.contains("a backup of the history, version 2;"), "{words}");

    drop(journal);
    let first = segment_path(&place.path(), segments(&place.path()).unwrap().last().copied().unwrap());
    let whole = std::fs::read_to_string(&first).unwrap();
    let newer = whole.replacen("{\"segment\":{", "{\"segment\":{\"version\":2,\"form\":\"another\",", 1);
    assert_ne!(newer, whole);
    std::fs::write(&first, &newer).unwrap();
    let opened = Journal::open(&place.path(), &place.head());
    let words = opened.map(|_| ()).unwrap_err().to_string();
    assert!(
        words.contains("the history's journal, version 2;") && words.contains(".journal was written by"),
        "{words}"
    );
    let problem = place.verify().problem.unwrap();
    assert_eq!((problem.kind, problem.text), (ProblemKind::Unreadable, words));
    assert_eq!(std::fs::read_to_string(&first).unwrap(), newer);
}
