//! `pot-console audit`: show, verify and export the history.
//!
//! What is listed, shown and exported comes from the journal, which is the evidence; the database is only ever held
//! against it.

mod projection;

use super::output::{Style, complain, print, print_json, wrapped};
use super::user::refused;
use super::{Exit, Format, Global};
use crate::accounts::session::random_code;
use crate::activity::parse_time;
use crate::audit::{Act, CSV_HEAD, DATABASE, Filter, csv_line, json_line};
use crate::executor::head_path;
use crate::executor::local::Local;
use crate::executor::protocol::{Command, ExportFormat, Records, SignedCheckpoint};
use crate::journal::record::{Action, Method, Outcome, Record, Stage};
use crate::journal::{
    BackupReport, Checkpoint, CheckpointKey, Ends, VerifyReport, check_backup, restore_backup, verify, verify_unpacked,
    write_backup,
};
use crate::layout::Layout;
use crate::process::harmless;
use crate::refusal::Refusal;
use anyhow::{Context as _, anyhow, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use projection::Task;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List what was done, newest first
    List {
        #[command(flatten)]
        filters: Filters,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
        /// Only what came before this record
        #[arg(long, value_name = "RECORD")]
        before: Option<u64>,
    },
    /// Show one record with values and difference
    Show {
        /// Its number
        record: u64,
    },
    /// Check that every record stands in its place unbroken, and that the database says the same
    #[command(after_help = "Exit status: 0 sound, 1 broken or different, 2 could not be read.")]
    Verify {
        /// A checkpoint that was kept elsewhere: a journal whose end was cut off or written anew is found out
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// The public key that the checkpoint must be signed with, as noted at set-up [default: this console's own]
        #[arg(long, value_name = "KEY", requires = "checkpoint")]
        key: Option<String>,
        /// Check the history that a backup was unpacked to, on whatever machine, instead of this host's
        #[arg(long, value_name = "DIR")]
        unpacked: Option<PathBuf>,
    },
    /// Write the history to standard output, oldest first; that it was exported is recorded
    Export {
        #[command(flatten)]
        filters: Filters,
        /// Form of the export [default: jsonl, or json with --format json]
        #[arg(long = "as", value_enum, value_name = "FORM")]
        form: Option<Form>,
    },
    /// Drop the database that pages read, and fill it again from the journal; a running console does it itself
    Rebuild,
    /// Make a signed checkpoint, to be kept on another machine, and print the public key that it is checked with
    Checkpoint {
        /// Where to write it [default: standard output]
        file: Option<PathBuf>,
    },
    /// Write journal and accounts to one file, without the signing key
    Backup {
        /// The file
        file: PathBuf,
        /// Check this file instead of writing it
        #[arg(long, conflicts_with = "unpack")]
        check: bool,
        /// Check this file and unpack it into a new folder
        #[arg(long, value_name = "DIR")]
        unpack: Option<PathBuf>,
    },
    /// Reads the database as the web process's user; started by verify and rebuild.
    #[command(hide = true)]
    Projection {
        #[arg(value_enum)]
        task: Task,
        /// The record that asks for it
        #[arg(long, value_name = "RECORD", default_value_t = 0)]
        asked: u64,
    },
}

/// What is listed or exported; each narrows it.
#[derive(Debug, clap::Args)]
struct Filters {
    /// Only what changed the host
    #[arg(long)]
    changes: bool,
    /// Only what people did
    #[arg(long)]
    people: bool,
    /// From this time on: RFC 3339, 2026-11-23, or 30m, 2h, 7d ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only by this account or login name
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only this action: configuration, restore, run, sign-in, outside …
    #[arg(long, value_parser = word::<Action>)]
    action: Option<Action>,
    /// Only with this outcome: done, refused, failed, interrupted, reverted …
    #[arg(long, value_parser = word::<Outcome>)]
    outcome: Option<Outcome>,
    /// Only changes of this parameter
    #[arg(long, value_name = "NAME")]
    parameter: Option<String>,
    /// Only with these words
    #[arg(long, value_name = "WORDS")]
    text: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// Comma-separated values
    Csv,
    /// One JSON document
    Json,
    /// One JSON object a line
    Jsonl,
}

/// A word of the journal, as it stands there.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(json!(text)).map_err(|error| error.to_string())
}

/// The same the other way.
fn named<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

impl Filters {
    fn filter(&self) -> anyhow::Result<Filter> {
        let zone = TimeZone::system();
        let time = |text: &Option<String>| {
            text.as_ref()
                .map(|text| parse_time(text, &zone, Timestamp::now()).map(Timestamp::as_millisecond))
                .transpose()
                .map_err(|error| anyhow!("{error}"))
        };
        Ok(Filter {
            changes_only: self.changes,
            people_only: self.people,
            since_ms: time(&self.since)?,
            until_ms: time(&self.until)?,
            actor: self.actor.clone(),
            action: self.action,
            outcome: self.outcome,
            parameter: self.parameter.clone(),
            text: self.text.clone(),
        })
    }

    /// As it is recorded with an export.
    fn in_words(&self) -> String {
        let mut words = Vec::new();
        for (given, name) in [(self.changes, "changes"), (self.people, "people")] {
            if given {
                words.push(name.to_owned());
            }
        }
        let named = [
            ("since", self.since.clone()),
            ("until", self.until.clone()),
            ("actor", self.actor.clone()),
            ("action", self.action.as_ref().map(named)),
            ("outcome", self.outcome.as_ref().map(named)),
            ("parameter", self.parameter.clone()),
            ("text", self.text.clone()),
        ];
        words.extend(named.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))));
        words.join(" ").chars().take(500).collect()
    }
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    match args.what {
        What::List { filters, limit, before } => list(global, &filters, limit, before),
        What::Show { record } => show(global, record),
        What::Verify { checkpoint, key, unpacked } => {
            verify_all(global, checkpoint.as_deref(), key.as_deref(), unpacked.as_deref())
        }
        What::Export { filters, form } => export(global, &filters, form),
        What::Rebuild => rebuild(global),
        What::Checkpoint { file } => checkpoint(global, file.as_deref()),
        What::Backup { file, check: true, .. } => check(global, &file),
        What::Backup { file, unpack: Some(into), .. } => unpack(global, &file, &into),
        What::Backup { file, .. } => backup(global, &file),
        What::Projection { task, asked } => projection::run(&global.layout(), task, asked).map(|()| Exit::Done),
    }
}

/// A part of the journal as the command line asks for it.
fn part(local: &mut Local, after: u64, limit: u64) -> Result<Records, Refusal> {
    local.ask(Command::JournalAfter { after, limit: u32::try_from(limit).unwrap_or(u32::MAX) })
}

/// Acts of the filter from the newest back, at most `limit`, and where to go on.
fn newest(
    local: &mut Local,
    filter: &Filter,
    limit: usize,
    before: Option<u64>,
) -> Result<(Vec<Act>, Option<u64>), Refusal> {
    const STEP: u64 = 500;
    let known = part(local, u64::MAX - 1, 1)?;
    let mut end = before.map_or(known.last, |before| before.saturating_sub(1).min(known.last));
    // An outcome comes after its intent, so that going back it is met first.
    let mut outcomes = Ends::default();
    let mut acts = Vec::new();
    if end < known.last {
        // The outcomes of what stands before the cursor may stand behind it: a run can wait long for its end.
        let mut after = end;
        while after < known.last {
            let some = part(local, after, STEP)?.records;
            let Some(last) = some.last() else { break };
            after = last.sequence;
            some.into_iter().filter(|record| record.ends_act().is_some_and(|intent| intent <= end)).for_each(
                |record| {
                    outcomes.note(record);
                },
            );
        }
    }
    while end >= known.first && end > 0 {
        let begin = end.saturating_sub(STEP).max(known.first.saturating_sub(1));
        let mut records = Vec::new();
        let mut after = begin;
        while after < end {
            let some = part(local, after, end - after)?.records;
            let Some(last) = some.last() else { break };
            after = last.sequence;
            records.extend(some);
        }
        for record in records.into_iter().rev() {
            if record.entry.stage == Stage::Outcome {
                outcomes.note(record);
                continue;
            }
            let ended = outcomes.take(record.sequence).filter(|_| record.entry.stage == Stage::Intent);
            let act = Act { record, ended };
            if filter.admits(&act) {
                if acts.len() == limit {
                    return Ok((acts, before_last(&act)));
                }
                acts.push(act);
            }
        }
        end = begin;
    }
    Ok((acts, None))
}

/// The cursor with which `act` is the first one.
fn before_last(act: &Act) -> Option<u64> {
    Some(act.record.sequence + 1)
}

fn list(global: &Global, filters: &Filters, limit: usize, before: Option<u64>) -> anyhow::Result<Exit> {
    let filter = filters.filter()?;
    let mut local = Local::open(&global.layout())?;
    let (acts, next) = match newest(&mut local, &filter, limit.max(1), before) {
        Ok(found) => found,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    match global.format {
        Format::Json => {
            let records: Vec<serde_json::Value> =
                acts.iter().map(|act| serde_json::from_str(&json_line(act))).collect::<Result<_, _>>()?;
            print_json(&json!({ "records": records, "before": next }))?;
        }
        Format::Text => {
            let style = Style::of_stdout(global.format);
            let mut text = String::new();
            for act in &acts {
                text.push_str(&line(act, style));
            }
            if acts.is_empty() {
                text.push_str("nothing matches\n");
            }
            if let Some(next) = next {
                text.push_str(&style.faint(&format!("older ones: --before {next}\n")));
            }
            print(&text)?;
        }
    }
    Ok(Exit::Done)
}

/// Time to the second, in UTC.
fn time(time: &Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn outcome(act: &Act) -> String {
    act.outcome().map_or_else(|| "under way".to_owned(), |outcome| named(&outcome))
}

/// An act in one line, and its reason below.
fn line(act: &Act, style: Style) -> String {
    let entry = &act.record.entry;
    let mut text = format!(
        "{} {:>7}  {}  {}\n",
        style.faint(&time(&act.record.time)),
        act.record.sequence,
        style.bold(&harmless(&entry.actor.name)),
        style.faint(&outcome(act)),
    );
    text.push_str(&wrapped(&harmless(&act.message()), 4));
    if let Some(reason) = &entry.reason {
        text.push_str(&wrapped(&format!("reason: {}", harmless(reason)), 4));
    }
    text
}

fn show(global: &Global, sequence: u64) -> anyhow::Result<Exit> {
    let mut local = Local::open(&global.layout())?;
    let act = match act_of(&mut local, sequence) {
        Ok(Some(act)) => act,
        Ok(None) => {
            complain(&format!("pot-console: there is no record {sequence}, or it was pruned\n"));
            return Ok(Exit::Refused);
        }
        Err(refusal) => return Ok(refused(&refusal)),
    };
    match global.format {
        Format::Json => print_json(&serde_json::from_str::<serde_json::Value>(&json_line(&act))?)?,
        Format::Text => print(&detail(&act, Style::of_stdout(global.format)))?,
    }
    Ok(Exit::Done)
}

/// The act that a record belongs to, with its outcome when there is one.
fn act_of(local: &mut Local, sequence: u64) -> Result<Option<Act>, Refusal> {
    let one = |local: &mut Local, wanted: u64| -> Result<Option<Record>, Refusal> {
        let Some(after) = wanted.checked_sub(1) else { return Ok(None) };
        Ok(part(local, after, 1)?.records.into_iter().find(|record| record.sequence == wanted))
    };
    let Some(mut record) = one(local, sequence)? else { return Ok(None) };
    // Its act may have ended before, by another one.
    if let Some(intent) = record.ends_act()
        && let Some(of) = one(local, intent)?
    {
        record = of;
    }
    let mut ended = None;
    if record.entry.stage == Stage::Intent {
        let mut after = record.sequence;
        'search: loop {
            let some = part(local, after, 500)?.records;
            let Some(last) = some.last().map(|record| record.sequence) else { break };
            for other in some {
                if other.ends_act() == Some(record.sequence) {
                    ended = Some(other);
                    break 'search;
                }
            }
            after = last;
        }
    }
    // What is not known yet is shown as such.
    record.entry.outcome = record.entry.outcome.filter(|_| record.entry.stage != Stage::Intent);
    Ok(Some(Act { record, ended }))
}

fn detail(act: &Act, style: Style) -> String {
    let entry = &act.record.entry;
    let mut text = format!("{}\n", style.bold(&harmless(&act.message())));
    let mut row = |name: &str, value: String| {
        text.push_str(&format!("{} {}\n", style.faint(&format!("{name:<9}")), harmless(&value)));
    };
    row("record", format!("{} ({})", act.record.sequence, act.record.id));
    row("when", time(&act.record.time));
    let role = entry.actor.role.map_or(String::new(), |role| format!(", {role}"));
    let known = match entry.actor.method {
        Method::Password => "known by password",
        Method::CommandLine => "at the command line",
        Method::SetupCode => "known by the set-up code",
        Method::Console => "by itself",
        Method::None => "not known",
    };
    row("who", format!("{}{role}, {known}", entry.actor.name));
    if let Some(claimed) = &entry.actor.claimed {
        row("claims", format!("to be {claimed}"));
    }
    if let Some(address) = &entry.reported.address {
        row("from", format!("{address}, as reported"));
    }
    row("action", named(&entry.action));
    row("object", entry.object.clone());
    row("outcome", outcome(act));
    if let Some(reason) = &entry.reason {
        row("reason", reason.clone());
    }
    if let Some(run) = entry.run {
        row("run", run.to_string());
    }
    let ended = act.ended.as_ref();
    if let Some(before) = &entry.before {
        row("before", before.to_string());
    }
    if let Some(after) = entry.after.as_ref().or(ended.and_then(|ended| ended.entry.after.as_ref())) {
        row("after", after.to_string());
    }
    if let Some(ended) = ended {
        row("ended", format!("{} (record {}): {}", time(&ended.time), ended.sequence, ended.entry.message));
    }
    for change in &entry.changes {
        let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        row("value", format!("{}: {} -> {}", change.name, side(&change.from), side(&change.to)));
    }
    if let Some(diff) = entry.diff.as_ref().or(ended.and_then(|ended| ended.entry.diff.as_ref())) {
        let mut lines = String::new();
        for line in diff.to_string().lines() {
            lines.push_str(&harmless(line));
            lines.push('\n');
        }
        text.push_str(&style.diff(&lines));
    }
    text
}

fn verify_all(
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
    match global.format {
        Format::Json => print_json(&json!({
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
        }))?,
        Format::Text => {
            let mut text = String::new();
            match &report.problem {
                Some(problem) => text.push_str(&format!("journal:  NOT SOUND: {}\n", harmless(&problem.text))),
                None => text.push_str(&format!(
                    "journal:  {} records, {} to {}, each in its place unbroken{}\n",
                    report.records,
                    report.first,
                    report.last,
                    if unpacked.is_none() { "; the copied head agrees" } else { "" }
                )),
            }
            text.push_str(&repeated_outcomes(&report));
            if report.torn > 0 {
                text.push_str(&format!(
                    "journal:  a last write was cut off ({} bytes); it is set aside, and that is recorded\n",
                    report.torn
                ));
            }
            if let Some(alarm) = &alarm {
                let file = dir.join("alarm");
                text.push_str(&format!(
                    "alarm:    {} It stands until you remove {}.\n",
                    harmless(alarm),
                    file.display()
                ));
            }
            if let Some(checkpoint) = &checkpoint {
                let record = checkpoint.sequence;
                match &forged {
                    Some(problem) => text.push_str(&format!("checkpoint: REFUSED: {problem}\n")),
                    None if !report.sound => {}
                    None if dropped => text.push_str(&format!(
                        "checkpoint: record {record} was dropped by a pruning; of the records that are kept it proves \
                         nothing: use a newer one\n"
                    )),
                    None => text.push_str(&format!("checkpoint: record {record} is the one that was signed\n")),
                }
            }
            if let Some(problem) = &unread {
                text.push_str(&format!("database: {}\n", harmless(problem)));
            }
            match &database {
                None if !report.sound => text.push_str("database: not compared with a journal that is not sound\n"),
                None if unpacked.is_some() => text.push_str("database: a backup holds none\n"),
                None => {
                    if unread.is_none() {
                        text.push_str("database: there is none yet\n");
                    }
                }
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
            print(&text)?;
        }
    }
    Ok(if sound { Exit::Done } else { Exit::Refused })
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

fn export(global: &Global, filters: &Filters, form: Option<Form>) -> anyhow::Result<Exit> {
    let filter = filters.filter()?;
    let form = form.unwrap_or(if global.format == Format::Json { Form::Json } else { Form::Jsonl });
    let format = match form {
        Form::Csv => ExportFormat::Csv,
        Form::Json => ExportFormat::Json,
        Form::Jsonl => ExportFormat::Jsonl,
    };
    let mut local = Local::open(&global.layout())?;
    if let Err(refusal) = local.ask::<()>(Command::RecordExport { format, filter: filters.in_words() }) {
        return Ok(refused(&refusal));
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match write_acts(&mut local, &filter, form, &mut out) {
        Ok(()) => Ok(Exit::Done),
        Err(error) => match error.downcast::<Refusal>() {
            Ok(refusal) => Ok(refused(&refusal)),
            // Whoever reads has had enough.
            Err(error) if is_closed_pipe(&error) => Ok(Exit::Done),
            Err(error) => Err(error),
        },
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Acts oldest first. An act waits until its outcome is met; what follows it waits with it, so that the order stays.
fn write_acts(local: &mut Local, filter: &Filter, form: Form, out: &mut impl std::io::Write) -> anyhow::Result<()> {
    /// Acts that wait for the oldest one's outcome at most: one that never ended must not hold everything.
    const MOST_WAITING: usize = 10_000;
    let mut written = 0_u64;
    let mut write = |out: &mut dyn std::io::Write, act: &Act| -> std::io::Result<()> {
        if !filter.admits(act) {
            return Ok(());
        }
        written += 1;
        match form {
            Form::Csv => out.write_all(csv_line(act).as_bytes()),
            Form::Json => write!(out, "{}{}", if written == 1 { "" } else { ",\n" }, json_line(act)),
            Form::Jsonl => writeln!(out, "{}", json_line(act)),
        }
    };
    match form {
        Form::Csv => out.write_all(CSV_HEAD.as_bytes())?,
        Form::Json => out.write_all(b"[\n")?,
        Form::Jsonl => {}
    }
    let mut waiting: BTreeMap<u64, Act> = BTreeMap::new();
    let mut after = 0;
    loop {
        let some = part(local, after, 1000)?.records;
        let Some(last) = some.last().map(|record| record.sequence) else { break };
        after = last;
        for record in some {
            if record.entry.stage == Stage::Outcome {
                let act = record.ends_act().and_then(|intent| waiting.get_mut(&intent));
                // The first one counts; what is no intent does not end.
                if let Some(act) = act.filter(|act| act.record.entry.stage == Stage::Intent && act.ended.is_none()) {
                    act.ended = Some(record);
                }
            } else {
                waiting.insert(record.sequence, Act { record, ended: None });
            }
            while let Some(oldest) = waiting.first_entry() {
                let open = oldest.get().record.entry.stage == Stage::Intent && oldest.get().ended.is_none();
                if open && waiting.len() < MOST_WAITING {
                    break;
                }
                if let Some((_, act)) = waiting.pop_first() {
                    write(out, &act)?;
                }
            }
        }
    }
    for act in waiting.values() {
        write(out, act)?;
    }
    if form == Form::Json {
        out.write_all(b"\n]\n")?;
    }
    out.flush()?;
    Ok(())
}

fn rebuild(global: &Global) -> anyhow::Result<Exit> {
    let mut local = Local::open(&global.layout())?;
    let message = "The history's database was dropped, to be filled again from the journal.".to_owned();
    // A console that runs here reads this, and makes the database anew itself: nobody takes a file away that it serves from.
    let asked = match local.record(Action::Journal, DATABASE, message) {
        Ok(record) => record,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let answer = projection::with_the_journal(global, &mut local, Task::Fill, asked)?;
    if let Some(refused) = answer.as_ref().and_then(|answer| answer.refused.clone()) {
        complain(&format!("pot-console: {refused}\n"));
        return Ok(Exit::Refused);
    }
    let held = answer.as_ref().and_then(|answer| answer.held);
    let problem = answer.as_ref().and_then(|answer| answer.problem.clone());
    match global.format {
        Format::Json => print_json(&json!({ "held": held, "note": problem }))?,
        Format::Text => match (held, problem) {
            (Some(held), None) => print(&format!("filled again from the journal, up to record {held}\n"))?,
            (Some(held), Some(note)) => {
                print(&format!("filled again from the journal, up to record {held}: {note}\n"))?;
            }
            (None, _) => print("there is no database yet; the console makes it at its start\n")?,
        },
    }
    Ok(Exit::Done)
}

fn checkpoint(global: &Global, file: Option<&Path>) -> anyhow::Result<Exit> {
    let mut local = Local::open(&global.layout())?;
    let text = match local.ask(Command::Checkpoint {}) {
        Ok(SignedCheckpoint { text }) => text,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let Checkpoint { sequence, key, .. } = Checkpoint::parse(&text).context("reading the checkpoint that was made")?;
    let told =
        format!("public key of checkpoints: {key} (note it elsewhere: audit verify --checkpoint FILE --key KEY)\n");
    match file {
        None => {
            print(&text)?;
            // Beside the checkpoint itself, which someone may be writing to a file.
            complain(&told);
        }
        Some(file) => {
            let mut made = new_file(file)?;
            made.write_all(text.as_bytes())
                .and_then(|()| made.sync_all())
                .with_context(|| format!("writing {}", file.display()))?;
            match global.format {
                Format::Json => print_json(&json!({ "record": sequence, "key": key }))?,
                Format::Text => print(&told)?,
            }
        }
    }
    Ok(Exit::Done)
}

/// A file that was not there before, its owner's alone.
fn new_file(file: &Path) -> anyhow::Result<std::fs::File> {
    std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .with_context(|| format!("making {}", file.display()))
}

fn backup(global: &Global, file: &Path) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let local = Local::open(&layout)?;
    let accounts_file = layout.private().join("accounts.json");
    let accounts = match std::fs::read(&accounts_file) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("reading {}", accounts_file.display())),
    };
    let others: Vec<(&str, &[u8])> = accounts.iter().map(|bytes| ("accounts.json", bytes.as_slice())).collect();
    let mut made = new_file(file)?;
    let shown = file.display();
    // Before the backup, so that it is in it.
    let message = format!("The journal and the accounts were backed up to {}.", harmless(&shown.to_string()));
    let written = local.record(Action::Export, "backup", message).map_err(anyhow::Error::new).and_then(|_| {
        let mut out = std::io::BufWriter::new(&mut made);
        let report = write_backup(&layout.private().join("journal"), &others, &mut out)?;
        out.flush()?;
        drop(out);
        made.sync_all()?;
        Ok(report)
    });
    match written {
        Ok(report) => told(global, &report),
        Err(error) => {
            // Half a backup is none.
            let _ = std::fs::remove_file(file);
            match error.downcast::<Refusal>() {
                Ok(refusal) => Ok(refused(&refusal)),
                Err(error) => Err(error).with_context(|| format!("writing {shown}")),
            }
        }
    }
}

fn told(global: &Global, report: &BackupReport) -> anyhow::Result<Exit> {
    let journal = report.journal.as_ref();
    match global.format {
        Format::Json => print_json(&json!({
            "made": report.made,
            "files": report.files,
            "bytes": report.bytes,
            "records": journal.map(|journal| journal.records),
            "last": journal.map(|journal| journal.last),
            "head": journal.and_then(|journal| journal.head).map(|head| head.to_string()),
        }))?,
        Format::Text => {
            let mut text =
                format!("{} files, {} bytes, made {}\n", report.files.len(), report.bytes, time(&report.made));
            for file in &report.files {
                text.push_str(&format!("  {}\n", harmless(file)));
            }
            if let Some(journal) = journal {
                text.push_str(&format!("every digest fits, and {} records are unbroken\n", journal.records));
            }
            print(&text)?;
        }
    }
    Ok(Exit::Done)
}

fn check(global: &Global, file: &Path) -> anyhow::Result<Exit> {
    let scratch = std::env::temp_dir().join(format!("pot-console-check-{}", random_code(4)?));
    let mut from = std::fs::File::open(file).with_context(|| format!("reading {}", file.display()))?;
    match check_backup(&mut from, &scratch) {
        Ok(report) => told(global, &report),
        Err(error) => {
            complain(&format!("pot-console: {}: {error}\n", file.display()));
            Ok(Exit::Refused)
        }
    }
}

fn unpack(global: &Global, file: &Path, into: &Path) -> anyhow::Result<Exit> {
    let mut from = std::fs::File::open(file).with_context(|| format!("reading {}", file.display()))?;
    match restore_backup(&mut from, into) {
        Ok(report) => told(global, &report),
        Err(error) => {
            complain(&format!("pot-console: {}: {error}\n", file.display()));
            Ok(Exit::Refused)
        }
    }
}
