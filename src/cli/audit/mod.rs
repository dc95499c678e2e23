//! `pot-console audit`: show, verify and export the history.
//!
//! What is listed, shown and exported comes from the journal, which is the evidence; the database is only ever held
//! against it.

mod backup;
mod checkpoint;
mod export;
mod list;
mod projection;
mod rebuild;
mod show;
mod verify;

use super::{Exit, Global};
use crate::activity::parse_time;
use crate::audit::{Act, Filter};
use crate::executor::local::Local;
use crate::executor::protocol::{Command, Records};
use crate::journal::record::{Action, Outcome};
use crate::refusal::Refusal;
use anyhow::{Context as _, anyhow};
use export::Form;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use projection::Task;
use serde_json::json;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
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
    /// Only what belongs to this run
    #[arg(long, value_name = "RUN")]
    run: Option<u64>,
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
            run: self.run,
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
            ("run", self.run.map(|run| run.to_string())),
        ];
        words.extend(named.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))));
        words.join(" ").chars().take(500).collect()
    }
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    match args.what {
        What::List { filters, limit, before } => list::list(global, &filters, limit, before),
        What::Show { record } => show::show(global, record),
        What::Verify { checkpoint, key, unpacked } => {
            verify::verify_all(global, checkpoint.as_deref(), key.as_deref(), unpacked.as_deref())
        }
        What::Export { filters, form } => export::export(global, &filters, form),
        What::Rebuild => rebuild::rebuild(global),
        What::Checkpoint { file } => checkpoint::checkpoint(global, file.as_deref()),
        What::Backup { file, check: true, .. } => backup::check(global, &file),
        What::Backup { file, unpack: Some(into), .. } => backup::unpack(global, &file, &into),
        What::Backup { file, .. } => backup::backup(global, &file),
        What::Projection { task, asked } => projection::run(&global.layout(), task, asked).map(|()| Exit::Done),
    }
}

/// The history's database held against the journal.
pub(super) struct Comparison {
    /// The last record that the database holds.
    pub held: u64,
    /// How many rows differ.
    pub differences: u64,
}

/// Holds every row of the database against the journal; none when there is no database yet.
pub(super) fn compare_with_database(global: &Global) -> anyhow::Result<Option<Comparison>> {
    let mut local = Local::open(&global.layout())?;
    let answer = projection::with_the_journal(global, &mut local, Task::Compare, 0)?;
    Ok(answer.and_then(|answer| Some(Comparison { held: answer.held?, differences: answer.count })))
}

/// A part of the journal as the command line asks for it.
fn part(local: &mut Local, after: u64, limit: u64) -> Result<Records, Refusal> {
    local.ask(Command::JournalAfter { after, limit: u32::try_from(limit).unwrap_or(u32::MAX) })
}

/// Time to the second, in UTC.
fn time(time: &Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn outcome(act: &Act) -> String {
    act.outcome().map_or_else(|| "under way".to_owned(), |outcome| named(&outcome))
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
