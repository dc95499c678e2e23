//! `audit verify`: the journal, a checkpoint and the database, each held against the other.

use super::projection::{self, Answer, Task};
use crate::cli::output::{print, print_json};
use crate::cli::{Exit, Format, Global};
use crate::executor::head_path;
use crate::executor::local::Local;
use crate::journal::{Checkpoint, CheckpointKey, VerifyReport, verify, verify_unpacked};
use crate::layout::Layout;
use crate::process::harmless;
use anyhow::{Context as _, bail};
use serde_json::json;
use std::path::{Path, PathBuf};

pub(super) fn verify_all(
    global: &Global,
    checkpoint: Option<&Path>,
    key: Option<&str>,
    unpacked: Option<&Path>,
) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let dir = match unpacked {
        Some(folder) => folder.join("journal"),
        None => layout.private().join("journal"),
    };
    std::fs::read_dir(&dir).with_context(|| format!("reading the journal in {}", dir.display()))?;
    let checkpoint = checkpoint.map(read_checkpoint).transpose()?;
    let key = key.map(Checkpoint::public_key).transpose()?;
    let forged = match (&checkpoint, key) {
        (None, _) => None,
        (Some(checkpoint), Some(key)) => checkpoint.must_be_signed_by(&key).err().map(|error| error.to_string()),
        (Some(checkpoint), None) if unpacked.is_none() => signed_here(checkpoint, &layout)?,
        (Some(_), None) => bail!(
            "a backup holds no key: give the public key of the console with --key, as it was printed at set-up and by \
             audit checkpoint"
        ),
    };
    // The journal is read before the executor opens it: opening sets a torn end aside.
    let report = match unpacked {
        Some(_) => verify_unpacked(&dir, checkpoint.as_ref()),
        None => verify(&dir, &head_path(&layout), checkpoint.as_ref()),
    };
    // What was found at some start stands until the file is taken away.
    let alarm = match std::fs::read_to_string(dir.join("alarm")) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some(format!("There is an alarm of the journal that cannot be read: {error}.")),
    };
    let database = if report.sound && unpacked.is_none() {
        let mut local = Local::open(&layout)?;
        projection::with_the_journal(global, &mut local, Task::Compare, 0)
    } else {
        Ok(None)
    };
    let (database, unread) = match database {
        Ok(database) => (database, None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let differs = unread.is_some() || database.as_ref().is_some_and(|database| database.count > 0);
    let sound = report.sound && !differs && forged.is_none() && alarm.is_none();
    // What a pruning has dropped can no longer be held against anything.
    let dropped = checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.sequence < report.first);
    let verified =
        Verified { dir, report, alarm, checkpoint, forged, dropped, database, unread, unpacked: unpacked.is_some() };
    match global.format {
        Format::Json => print_json(&verified.as_json(sound))?,
        Format::Text => print(&verified.as_text())?,
    }
    Ok(if sound { Exit::Done } else { Exit::Refused })
}

/// What was held against what, and what was found.
struct Verified {
    /// Where the journal stands.
    dir: PathBuf,
    report: VerifyReport,
    /// What was found at some start of the executor.
    alarm: Option<String>,
    checkpoint: Option<Checkpoint>,
    /// Why the checkpoint proves nothing.
    forged: Option<String>,
    /// Whether a pruning dropped the record that the checkpoint signs.
    dropped: bool,
    /// None when it was not compared, or there is none.
    database: Option<Answer>,
    /// Why the database could not be compared.
    unread: Option<String>,
    /// Whether it is the history that a backup was unpacked to.
    unpacked: bool,
}

impl Verified {
    fn as_json(&self, sound: bool) -> serde_json::Value {
        let Self { report, alarm, checkpoint, forged, dropped, database, unread, .. } = self;
        json!({
            "sound": sound,
            "records": report.records,
            "first": report.first,
            "last": report.last,
            "head": report.head.map(|head| head.to_string()),
            "torn_bytes": report.torn,
            "repeated_outcomes": report.repeated,
            "repeated_outcomes_count": report.repeated_count,
            "alarm": alarm,
            "problem": report.problem.as_ref().map(ToString::to_string),
            "record": report.problem.as_ref().and_then(|problem| problem.sequence),
            "checkpoint": checkpoint.as_ref().map(|checkpoint| checkpoint.sequence),
            "checkpoint_problem": forged,
            "checkpoint_record_dropped": dropped,
            "database": database.as_ref().map(|database| json!({
                "held": database.held,
                "behind": database.held.map(|held| report.last.saturating_sub(held)),
                "differences": database.differences,
                "count": database.count,
            })),
            "database_problem": unread,
        })
    }

    fn as_text(&self) -> String {
        let Self { dir, report, alarm, checkpoint, forged, dropped, database, unread, unpacked } = self;
        let mut text = String::new();
        match &report.problem {
            Some(problem) => text.push_str(&format!("journal:  NOT SOUND: {}\n", harmless(&problem.text))),
            None => text.push_str(&format!(
                "journal:  {} records, {} to {}, each in its place unbroken{}\n",
                report.records,
                report.first,
                report.last,
                if *unpacked { "" } else { "; the copied head agrees" }
            )),
        }
        text.push_str(&repeated_outcomes(report));
        if report.torn > 0 {
            text.push_str(&format!(
                "journal:  a last write was cut off ({} bytes); it is set aside, and that is recorded\n",
                report.torn
            ));
        }
        if let Some(alarm) = alarm {
            let file = dir.join("alarm");
            text.push_str(&format!("alarm:    {} It stands until you remove {}.\n", harmless(alarm), file.display()));
        }
        if let Some(checkpoint) = checkpoint {
            let record = checkpoint.sequence;
            match forged {
                Some(problem) => text.push_str(&format!("checkpoint: REFUSED: {problem}\n")),
                None if !report.sound => {}
                None if *dropped => text.push_str(&format!(
                    "checkpoint: record {record} was dropped by a pruning; of the records that are kept it proves \
                     nothing: use a newer one\n"
                )),
                None => text.push_str(&format!("checkpoint: record {record} is the one that was signed\n")),
            }
        }
        if let Some(problem) = unread {
            text.push_str(&format!("database: {}\n", harmless(problem)));
        }
        match database {
            None if !report.sound => text.push_str("database: not compared with a journal that is not sound\n"),
            None if *unpacked => text.push_str("database: a backup holds none\n"),
            None => {
                if unread.is_none() {
                    text.push_str("database: there is none yet\n");
                }
            }
            Some(database) if database.earlier => text.push_str(
                "database: made by an earlier pot-console; the console makes it anew from the journal at its next start\n",
            ),
            Some(database) => {
                let held = database.held.unwrap_or(0);
                for difference in &database.differences {
                    text.push_str(&format!("database: DIFFERS: {}\n", harmless(difference)));
                }
                if database.count > database.differences.len() as u64 {
                    text.push_str(&format!("database: {} differences in all\n", database.count));
                }
                if database.count == 0 {
                    text.push_str(&format!("database: every row up to record {held} says the same\n"));
                } else {
                    text.push_str("database: the journal is the evidence; audit rebuild fills the database anew\n");
                }
                if held < report.last {
                    let behind = report.last - held;
                    let records = if behind == 1 { "record" } else { "records" };
                    text.push_str(&format!("database: {behind} {records} behind\n"));
                }
            }
        }
        text
    }
}

/// A notice of outcomes that end nothing; nothing when there are none.
fn repeated_outcomes(report: &VerifyReport) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = report.repeated.iter().take(SHOWN).map(u64::to_string).collect();
    let rest = report.repeated_count.saturating_sub(shown.len() as u64);
    let rest = if rest == 0 { String::new() } else { format!(" and {rest} more") };
    match report.repeated_count {
        0 => String::new(),
        1 => format!("journal:  notice: record {} ends an act that had ended; the first end counts\n", shown.join("")),
        _ => format!(
            "journal:  notice: records {}{rest} end acts that had ended; the first end counts\n",
            shown.join(", ")
        ),
    }
}

/// Why a checkpoint is not this console's own: whoever may write the file could have signed anything with another key.
fn signed_here(checkpoint: &Checkpoint, layout: &Layout) -> anyhow::Result<Option<String>> {
    let key = CheckpointKey::open(&layout.private().join("keys")).context("reading the key of checkpoints")?;
    Ok(match key {
        None => Some("this console has signed none: its key is not there".to_owned()),
        Some(key) => checkpoint.must_be_signed_by(&key.public()).err().map(|error| error.to_string()),
    })
}

fn read_checkpoint(file: &Path) -> anyhow::Result<Checkpoint> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    Checkpoint::parse(&text).with_context(|| format!("reading {}", file.display()))
}
