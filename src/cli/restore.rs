//! `pot-console restore`: what `backup` wrote, checked or put back where no console runs.

use super::backup::scratch;
use super::output::{complain, print, print_json};
use super::{Exit, Format, Global};
use crate::archive::{self, ArchiveError, Checked, Put, Recorded, STAGE};
use crate::executor::local::{Local, command_line_actor};
use crate::files::{self, Presence};
use crate::layout::Layout;
use crate::process::harmless;
use anyhow::Context as _;
use serde_json::json;
use std::io::BufReader;
use std::path::PathBuf;

/// Arguments of `restore`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Stop the console first. What stands here is moved aside, nothing is removed; the history says \
                        that it was put back. Exit status: 0 done or sound, 1 refused or not sound, 2 could not be read."
)]
pub(crate) struct Args {
    /// The file that backup wrote
    file: PathBuf,
    /// Check the file and say what would be done; nothing is changed
    #[arg(long, conflicts_with = "force")]
    check: bool,
    /// Also where there is a history already: that one is moved aside
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let layout = global.layout();
    files::check_root_dir(layout.root())?;
    let shown = harmless(&args.file.display().to_string()).into_owned();
    let file = std::fs::File::open(&args.file).with_context(|| format!("reading {shown}"))?;
    let mut from = BufReader::with_capacity(256 << 10, file);
    let done = if args.check {
        let checked = match archive::check(&mut from, &scratch()?) {
            Ok(checked) => checked,
            Err(error) => return refuse(&format!("{shown}: {error}")),
        };
        return only_checked(global, &layout, &shown, &checked);
    } else {
        put_back(&layout, &shown, &mut from, args.force)
    };
    match done {
        Ok(Done::Put(checked, put)) => {
            // The history says it as soon as anyone opens it.
            Local::open(&layout).context("the backup was put back; opening it")?;
            told(global, &layout, &shown, &checked, &put)
        }
        Ok(Done::Refused(why)) => refuse(&why),
        Err(error) => refuse(&format!("{shown}: {error}")),
    }
}

enum Done {
    Put(Box<Checked>, Put),
    Refused(String),
}

fn refuse(why: &str) -> anyhow::Result<Exit> {
    complain(&format!("pot-console: {why}\n"));
    Ok(Exit::Refused)
}

const RUNNING: &str = "a pot-console is at work on this host: stop the console first (service pot_console stop), and end \
                       other commands of it. Nothing was changed";
const WAITS: &str = "a change waits here to be kept or put back: start the console and answer it, or wait until it was \
                     put back. Nothing was changed";

fn over_a_journal(layout: &Layout) -> String {
    format!(
        "there is a history in {}: with --force it is moved aside, with accounts and all that stands there, and the \
         backup's takes its place. Nothing was changed",
        layout.private().display()
    )
}

fn put_back(layout: &Layout, shown: &str, from: &mut dyn std::io::Read, force: bool) -> Result<Done, ArchiveError> {
    files::make_own_dir(&layout.state())?;
    let Some(alone) = Presence::alone(layout)? else { return Ok(Done::Refused(RUNNING.to_owned())) };
    let ended = archive::end_cut_off(layout, &alone)?;
    let here = archive::stands_here(layout)?;
    if here.waiting {
        return Ok(Done::Refused(WAITS.to_owned()));
    }
    let covered = here.journal && !force;
    if covered && ended.is_none() {
        return Ok(Done::Refused(over_a_journal(layout)));
    }
    let stage = layout.state().join(STAGE);
    let checked = archive::unpack_and_check(from, &stage)?;
    if let Some(put) = ended.filter(|put| put.digest == checked.digest) {
        let _ = std::fs::remove_dir_all(&stage);
        return Ok(Done::Put(Box::new(checked), put));
    }
    if covered {
        let _ = std::fs::remove_dir_all(&stage);
        return Ok(Done::Refused(over_a_journal(layout)));
    }
    let message = format!(
        "The console's files were put back from the backup {shown}, made {} on {} by pot-console {}; its history ends at \
         record {}.",
        checked.about.made,
        harmless(&checked.about.host),
        harmless(&checked.about.stamp.program),
        checked.journal.last
    );
    let record = Recorded { by: command_line_actor(), message };
    let put = archive::put_back(layout, &alone, &checked, &record)?;
    Ok(Done::Put(Box::new(checked), put))
}

fn summary(shown: &str, checked: &Checked) -> String {
    let about = &checked.about;
    format!(
        "{shown}: made {} on {} by pot-console {}\n{} files, {} bytes: {}\n{} records of the history are unbroken, the \
         last is {}; {} account{}\n{}\n",
        about.made,
        harmless(&about.host),
        harmless(&about.stamp.program),
        checked.files,
        checked.bytes,
        checked.parts.join(", "),
        checked.journal.records,
        checked.journal.last,
        checked.accounts,
        if checked.accounts == 1 { "" } else { "s" },
        if about.keys { "with the keys that there were" } else { "without keys: new ones are made" }
    )
}

fn only_checked(global: &Global, layout: &Layout, shown: &str, checked: &Checked) -> anyhow::Result<Exit> {
    let here = archive::stands_here(layout)?;
    let running = layout.state().is_dir() && Presence::alone(layout)?.is_none();
    let mut against = Vec::new();
    if running {
        against.push(RUNNING.to_owned());
    }
    if here.waiting {
        against.push(WAITS.to_owned());
    }
    match global.format {
        Format::Json => print_json(&json!({
            "backup": as_json(checked),
            "here": {
                "journal": here.journal,
                "settings": here.settings,
                "waiting": here.waiting,
                "running": running,
                "cut_off": here.cut_off,
            },
        }))?,
        Format::Text => {
            let mut text = summary(shown, checked);
            text.push_str("the backup is sound\n");
            for why in &against {
                text.push_str(&format!("It would be refused now: {why}.\n"));
            }
            if here.journal {
                text.push_str("There is a history here: it takes --force, which moves that one aside.\n");
            }
            if here.settings && checked.settings.is_some() {
                text.push_str(&format!(
                    "There are settings here: the backup's take their place, and these are kept as {}.before-restore.\n",
                    layout.settings().display()
                ));
            }
            if here.cut_off {
                text.push_str(
                    "An earlier restore was cut off: what it had begun is ended first, what it had not is removed.\n",
                );
            }
            print(&text)?;
        }
    }
    Ok(Exit::Done)
}

fn as_json(checked: &Checked) -> serde_json::Value {
    json!({
        "made": checked.about.made,
        "host": checked.about.host,
        "program": checked.about.stamp.program,
        "keys": checked.about.keys,
        "files": checked.files,
        "bytes": checked.bytes,
        "parts": checked.parts,
        "records": checked.journal.records,
        "last": checked.journal.last,
        "head": checked.journal.head.map(|head| head.to_string()),
        "accounts": checked.accounts,
    })
}

fn told(global: &Global, layout: &Layout, shown: &str, checked: &Checked, put: &Put) -> anyhow::Result<Exit> {
    let listen = checked
        .settings
        .as_ref()
        .map(|settings| settings.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    match global.format {
        Format::Json => print_json(&json!({
            "backup": as_json(checked),
            "before": put.before,
            "settings_before": put.settings_before,
        }))?,
        Format::Text => {
            let mut text = summary(shown, checked);
            text.push_str(&format!("put back into {}\n", layout.private().display()));
            if let Some(before) = &put.before {
                text.push_str(&format!("What stood there before is in {}.\n", before.display()));
            }
            if let Some(before) = &put.settings_before {
                text.push_str(&format!("The settings from before are in {}.\n", before.display()));
            }
            if let Some(listen) = listen {
                text.push_str(&format!(
                    "The settings listen on {listen}: change them first where this host has other addresses.\n"
                ));
            }
            let alarm = layout.private().join("journal/alarm");
            if alarm.exists() {
                text.push_str(&format!(
                    "The history says that it was put back. Its alarm stands on every page until you remove {}.\n",
                    alarm.display()
                ));
            }
            text.push_str("Start the console now: service pot_console start\n");
            print(&text)?;
        }
    }
    Ok(Exit::Done)
}
