//! `pot-console conf`: show and change pot.conf.
//!
//! Reading needs no executor. Every change goes through it: the same limits, lock, intent, backup and journal as a
//! change in the browser.

use super::output::{Style, complain, counted, print, print_json, wrapped};
use super::pot_conf::{Files, host_facts, of_finding, silence};
use super::{Exit, Format, Global};
use crate::diff::Diff;
use crate::digest::Digest;
use crate::executor::local::Local;
use crate::executor::protocol::{BackupView, Command, FileView, Saved, Started};
use crate::host::path_state;
use crate::layout::Layout;
use crate::operations::plan::{ManagedFile, Operation, Plan, Run, RunState};
use crate::potconf::{Edit, Group, Name, Setting, Source, parameter};
use crate::process::harmless;
use crate::refusal::{Refusal, RefusalKind};
use crate::rules::{Finding, Review, Severity, Verdict};
use anyhow::Context as _;
use serde::Serialize;
use std::time::Duration;

/// Arguments of `conf`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show every parameter: its value, where it comes from, what potnet reads
    Show {
        /// Only these parameters
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Set parameters in pot.conf
    Set {
        /// What to set
        #[arg(value_name = "NAME=VALUE", required = true)]
        assignments: Vec<String>,
        #[command(flatten)]
        change: Change,
    },
    /// Take parameters out of pot.conf, so that their defaults count
    Unset {
        /// Which ones
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        #[command(flatten)]
        change: Change,
    },
    /// Show what pot.conf sets otherwise than the defaults, or what changed since a backup
    Diff {
        /// A backup's digest, or its beginning
        backup: Option<String>,
    },
    /// Write a backup back; without BACKUP list them
    Restore {
        /// The backup's digest, or its beginning
        backup: Option<String>,
        /// Print the difference and write nothing
        #[arg(long)]
        dry_run: bool,
        /// Why, for the history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// How to change.
#[derive(Debug, clap::Args)]
struct Change {
    /// Print the difference and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write in spite of error findings; never in spite of a limit
    #[arg(long)]
    force: bool,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Recorded where someone forces a change and gives no reason.
const FORCED: &str = "--force on the command line";

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    match args.command {
        Action::Show { names } => show(global, &names),
        Action::Set { assignments, change } => {
            let edits = assignments.iter().map(|text| assignment(text)).collect::<Result<Vec<_>, _>>()?;
            apply(global, &edits, &change)
        }
        Action::Unset { names, change } => {
            let name = |text: &String| Ok::<_, anyhow::Error>(Edit::unset(Name::try_from(text.as_str())?));
            let edits = names.iter().map(name).collect::<Result<Vec<_>, _>>()?;
            apply(global, &edits, &change)
        }
        Action::Diff { backup: None } => differences(global),
        Action::Diff { backup: Some(backup) } => changes_since(global, &backup),
        Action::Restore { backup: None, .. } => backups(global),
        Action::Restore { backup: Some(backup), dry_run, reason } => restore(global, &backup, dry_run, reason),
    }
}

/// `NAME=VALUE`.
fn assignment(text: &str) -> anyhow::Result<Edit> {
    let (name, value) = text.split_once('=').with_context(|| format!("{text:?} is not of the form NAME=VALUE"))?;
    Ok(Edit::set(Name::try_from(name)?, value))
}

// -- show --

/// One parameter as programs read it.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    value: Option<&'a str>,
    default: Option<&'a str>,
    source: Source,
    line: Option<usize>,
    editable: bool,
    reason: Option<&'a str>,
    potnet_value: Option<&'a str>,
    since: Option<&'static str>,
    deprecated: bool,
}

impl<'a> Row<'a> {
    fn of(setting: &'a Setting) -> Self {
        Self {
            name: &setting.name,
            value: setting.value.as_deref(),
            default: setting.default.as_deref(),
            source: setting.source,
            line: setting.line,
            editable: setting.editable,
            reason: setting.reason.as_deref(),
            potnet_value: setting.potnet_value.as_deref(),
            since: setting.since,
            deprecated: setting.deprecated,
        }
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    /// Said when there is no pot.conf: all values are defaults.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    missing: bool,
    digest: Digest,
    parameters: Vec<Row<'a>>,
}

fn show(global: &Global, names: &[String]) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let files = Files::read(&layout)?;
    let mut settings = files.configuration.settings();
    for name in names {
        let known = settings.iter().any(|setting| setting.name == *name);
        anyhow::ensure!(known, "{name:?} is neither a parameter of pot nor set in its files");
    }
    settings.retain(|setting| names.is_empty() || names.contains(&setting.name));
    match global.format {
        Format::Json => print_json(&Shown {
            missing: !files.exists,
            digest: files.configuration.own().digest(),
            parameters: settings.iter().map(Row::of).collect(),
        })?,
        Format::Text => {
            let mut text = table(&settings, Style::of_stdout(global.format));
            if let Some(note) = files.note(&layout) {
                text.push_str(&format!("\n{note}"));
            }
            print(&text)?;
        }
    }
    Ok(Exit::Done)
}

/// All settings, in the groups of the guide.
fn table(settings: &[Setting], style: Style) -> String {
    let width = |pick: fn(&Setting) -> usize| settings.iter().map(pick).max().unwrap_or(0);
    // A longer one stands out: a name may have any length, and a width has a limit.
    let names = width(|setting| setting.name.len()).min(40);
    let values = width(|setting| value_of(setting).chars().count().min(40));
    let group_of = |setting: &Setting| match parameter(&setting.name) {
        Some(known) => Some(known.group),
        None => crate::potconf::extra_interface(&setting.name).map(|_| Group::Network),
    };
    let mut text = String::new();
    let mut section = |label: &str, members: &mut dyn Iterator<Item = &Setting>| {
        let mut members = members.peekable();
        if members.peek().is_none() {
            return;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("{}\n", style.bold(label)));
        for setting in members {
            let value = value_of(setting);
            let gap = " ".repeat(values.saturating_sub(value.chars().count()));
            let source = match (setting.source, setting.line) {
                (Source::Default, _) => "default".to_owned(),
                (Source::PotConf, Some(line)) => format!("pot.conf, line {line}"),
                (Source::PotConf, None) => "pot.conf".to_owned(),
                (Source::Unset, _) => "not set".to_owned(),
            };
            let source = if setting.source == Source::PotConf { source } else { style.faint(&source) };
            text.push_str(&format!("  {:names$}  {value}{gap}  {source}", setting.name));
            if let Some(reason) = setting.reason.as_deref().filter(|_| !setting.editable) {
                text.push_str(&format!(", read-only: {}", harmless(reason)));
            }
            text.push('\n');
            let potnet = setting.potnet_value.as_deref();
            if let Some(read) = potnet.filter(|read| setting.value.is_some() && setting.value.as_deref() != Some(read))
            {
                text.push_str(&format!("  {:names$}  potnet reads {}\n", "", harmless(read)));
            }
        }
    };
    for group in Group::ALL {
        section(group.label(), &mut settings.iter().filter(|setting| group_of(setting) == Some(*group)));
    }
    section("Unknown to pot", &mut settings.iter().filter(|setting| group_of(setting).is_none()));
    text
}

/// A value as the table shows it.
fn value_of(setting: &Setting) -> String {
    match (&setting.value, &setting.raw) {
        (Some(value), _) if value.is_empty() => "(empty)".to_owned(),
        (Some(value), _) => harmless(value).into_owned(),
        (None, Some(raw)) => harmless(raw).into_owned(),
        (None, None) => "-".to_owned(),
    }
}

// -- diff --

#[derive(Serialize)]
struct Difference<'a> {
    name: &'a str,
    default: Option<&'a str>,
    value: Option<&'a str>,
    line: Option<usize>,
}

#[derive(Serialize)]
struct Differences<'a> {
    digest: Digest,
    differences: Vec<Difference<'a>>,
}

/// What pot.conf sets otherwise than the defaults.
fn differences(global: &Global) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let files = Files::read(&layout)?;
    let settings = files.configuration.settings();
    let differing: Vec<Difference<'_>> = settings
        .iter()
        .filter(|setting| setting.source == Source::PotConf)
        .filter(|setting| setting.value.is_none() || setting.value != setting.default)
        .map(|setting| Difference {
            name: &setting.name,
            default: setting.default.as_deref(),
            value: setting.value.as_deref(),
            line: setting.line,
        })
        .collect();
    match global.format {
        Format::Json => {
            print_json(&Differences { digest: files.configuration.own().digest(), differences: differing })?;
        }
        Format::Text if differing.is_empty() => {
            print(&format!("{} sets nothing otherwise than the defaults.\n", layout.shown(&layout.pot_conf())))?;
        }
        Format::Text => {
            let mut diff =
                format!("--- {}\n+++ {}\n", layout.shown(&layout.default_conf()), layout.shown(&layout.pot_conf()));
            for difference in differing {
                let name = difference.name;
                if let Some(default) = difference.default {
                    diff.push_str(&format!("-{name}={}\n", harmless(default)));
                }
                let raw = files.configuration.setting(name).raw;
                let value = difference.value.or(raw.as_deref()).unwrap_or("(not certain)");
                diff.push_str(&format!("+{name}={}\n", harmless(value)));
            }
            print(&Style::of_stdout(global.format).diff(&diff))?;
        }
    }
    Ok(Exit::Done)
}

// -- set and unset --

/// What became of a change, for programs.
#[derive(Serialize)]
struct Changed<'a> {
    written: bool,
    digest: Digest,
    record: Option<u64>,
    diff: String,
    findings: &'a [Finding],
}

/// Why nothing was written, for programs.
#[derive(Serialize)]
struct Refused<'a> {
    written: bool,
    kind: RefusalKind,
    message: &'a str,
    field: Option<&'a str>,
    findings: &'a [Finding],
}

fn apply(global: &Global, edits: &[Edit], change: &Change) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let files = Files::read(&layout)?;
    let base = files.configuration.own().digest();
    if change.dry_run {
        return dry_run(global, &layout, &files, edits, change.force);
    }
    let mut local = match Local::open(&layout) {
        Ok(local) => local,
        Err(error) => return unreachable(&error),
    };
    let given = change.reason.as_deref().filter(|reason| !reason.trim().is_empty());
    let reason = given.or(change.force.then_some(FORCED)).map(str::to_owned);
    let command = Command::Save { base, edits: edits.to_vec(), reason, accept_errors: change.force };
    match local.ask(command) {
        Ok(Saved { digest, record, diff }) => {
            report(global, &layout, Some(record), digest, given, &diff, &[])?;
            Ok(Exit::Done)
        }
        Err(refusal) => refuse(global, &refusal),
    }
}

/// What saving these edits would write, or why it would be refused. Asks the host, writes nothing.
fn dry_run(global: &Global, layout: &Layout, files: &Files, edits: &[Edit], force: bool) -> anyhow::Result<Exit> {
    let review = match Review::of(&files.configuration, edits) {
        Ok(review) => review,
        Err(unwritable) => return refuse(global, &unwritable.into()),
    };
    let facts = host_facts(layout, &review.after)?;
    if let Err(against) = review.within_places(&|path| path_state(layout, path).ok()) {
        return refuse(global, &against.into());
    }
    let Verdict { mut findings, errors } = review.judge(Some(&facts), None);
    findings.extend(silence(&facts));
    let diff = review.diff(&layout.shown(&layout.pot_conf()));
    report(global, layout, None, review.after.own().digest(), None, &diff, &findings)?;
    Ok(if errors.is_empty() || force { Exit::Done } else { Exit::Refused })
}

/// Says what was written, or would be. `record` is none when nothing was.
fn report(
    global: &Global,
    layout: &Layout,
    record: Option<u64>,
    digest: Digest,
    reason: Option<&str>,
    diff: &Diff,
    findings: &[Finding],
) -> anyhow::Result<()> {
    if global.format == Format::Json {
        let written = record.is_some() && !diff.is_empty();
        return print_json(&Changed { written, digest, record, diff: diff.to_string(), findings });
    }
    let style = Style::of_stdout(global.format);
    let path = layout.shown(&layout.pot_conf());
    let mut text = style.diff(&safe_diff(diff));
    if diff.is_empty() {
        text.push_str(&format!(
            "{path} says so already; nothing {} changed.\n",
            if record.is_some() { "was" } else { "would be" }
        ));
    } else {
        match record {
            Some(record) => text.push_str(&format!(
                "\nSaved {path}, record {record}{}.\n",
                reason.map(|reason| format!(": {}", harmless(reason))).unwrap_or_default()
            )),
            None => text.push_str("\nNothing was written (--dry-run).\n"),
        }
    }
    for finding in findings {
        text.push('\n');
        text.push_str(&of_finding(finding, style));
    }
    print(&text)
}

/// A difference whose lines cannot steer a terminal.
fn safe_diff(diff: &Diff) -> String {
    let text = diff.to_string();
    text.lines().flat_map(|line| [harmless(line), "\n".into()]).collect()
}

/// Says why nothing was written.
fn refuse(global: &Global, refusal: &Refusal) -> anyhow::Result<Exit> {
    if global.format == Format::Json {
        print_json(&Refused {
            written: false,
            kind: refusal.kind,
            message: &refusal.message,
            field: refusal.field.as_deref(),
            findings: &refusal.findings,
        })?;
    } else {
        let message = match refusal.kind {
            // The findings below say it.
            RefusalKind::Findings => "nothing was written",
            _ => &refusal.message,
        };
        let lines: Vec<_> = message.lines().map(harmless).collect();
        let mut text = format!("pot-console: {}\n", lines.join("\n"));
        if let Some(conflict) = &refusal.conflict {
            for collision in &conflict.colliding {
                let words = |value: &Option<String>| {
                    value.as_deref().map_or("unset".to_owned(), |value| harmless(value).into_owned())
                };
                let (theirs, yours) = (words(&collision.theirs), words(&collision.yours));
                text.push_str(&wrapped(&format!("{}: there {theirs}, yours {yours}", collision.name), 4));
            }
        }
        let errors = refusal.findings.iter().filter(|finding| finding.severity == Severity::Error);
        if !refusal.findings.is_empty() {
            let counted = counted(refusal.findings.iter().map(|finding| finding.severity));
            text.push_str(&format!("\n{counted}; --force --reason TEXT writes in spite of errors\n"));
        }
        for finding in errors {
            text.push('\n');
            text.push_str(&of_finding(finding, Style::plain()));
        }
        complain(&text);
    }
    Ok(refusal.kind.into())
}

fn unreachable(error: &dyn std::fmt::Display) -> anyhow::Result<Exit> {
    complain(&format!("pot-console: {error}\n"));
    Ok(Exit::Unreachable)
}

// -- backups --

/// The kept versions of pot.conf.
fn kept(local: &mut Local) -> Result<Vec<BackupView>, Refusal> {
    local.ask(Command::Backups { file: Some(ManagedFile::PotConf) })
}

fn backups(global: &Global) -> anyhow::Result<Exit> {
    let mut local = match Local::open(&global.layout()) {
        Ok(local) => local,
        Err(error) => return unreachable(&error),
    };
    let backups = match kept(&mut local) {
        Ok(backups) => backups,
        Err(refusal) => return refuse(global, &refusal),
    };
    if global.format == Format::Json {
        print_json(&backups)?;
    } else if backups.is_empty() {
        print("No earlier version of pot.conf is kept.\n")?;
    } else {
        let line = |backup: &BackupView| {
            let hex = backup.digest.hex();
            let short = hex.get(..12).unwrap_or_default();
            let now = if backup.current { ", as it stands now" } else { "" };
            format!("{short}  {:.0}  {} bytes{now}\n", backup.at, backup.size)
        };
        print(&backups.iter().map(line).collect::<String>())?;
    }
    Ok(Exit::Done)
}

/// The one backup that a digest, or its beginning, names.
fn chosen<'a>(backups: &'a [BackupView], wanted: &str) -> anyhow::Result<&'a BackupView> {
    let wanted = wanted.strip_prefix("sha256:").unwrap_or(wanted).to_ascii_lowercase();
    anyhow::ensure!(wanted.len() >= 4, "give at least 4 digits of the backup's digest");
    let mut fitting: Vec<&BackupView> =
        backups.iter().filter(|backup| backup.digest.hex().starts_with(&wanted)).collect();
    fitting.dedup_by_key(|backup| backup.digest);
    match fitting.as_slice() {
        [only] => Ok(only),
        [] => {
            anyhow::bail!("no backup of pot.conf has a digest that begins with {wanted:?}; `conf restore` lists them")
        }
        [first, ..] if fitting.iter().all(|backup| backup.digest == first.digest) => Ok(first),
        _ => anyhow::bail!("several backups have a digest that begins with {wanted:?}; give more of it"),
    }
}

fn restore(global: &Global, wanted: &str, dry_run: bool, reason: Option<String>) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let mut local = match Local::open(&layout) {
        Ok(local) => local,
        Err(error) => return unreachable(&error),
    };
    let backups = match kept(&mut local) {
        Ok(backups) => backups,
        Err(refusal) => return refuse(global, &refusal),
    };
    let digest = chosen(&backups, wanted)?.digest;
    if dry_run {
        let old = match content(&mut local, digest) {
            Ok(old) => old,
            Err(refusal) => return refuse(global, &refusal),
        };
        let files = Files::read(&layout)?;
        let diff = Diff::between(&layout.shown(&layout.pot_conf()), files.configuration.own().bytes(), &old);
        report(global, &layout, None, digest, None, &diff, &[])?;
        return Ok(Exit::Done);
    }
    match carry_out(&mut local, Operation::Restore { backup: digest, file: ManagedFile::PotConf }, reason) {
        Ok(run) => {
            let is_done = run.state == RunState::AsPlanned;
            if global.format == Format::Json {
                print_json(&run)?;
            } else {
                print(&format!("{}\n", harmless(&run.summary)))?;
            }
            Ok(if is_done { Exit::Done } else { Exit::HostCommand })
        }
        Err(refusal) => refuse(global, &refusal),
    }
}

/// The bytes of a backup of pot.conf.
fn content(local: &mut Local, digest: Digest) -> Result<Vec<u8>, Refusal> {
    let FileView { bytes, .. } = local.ask(Command::Backup { file: ManagedFile::PotConf, digest })?;
    Ok(bytes)
}

/// What was changed since a backup was kept.
fn changes_since(global: &Global, wanted: &str) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let mut local = match Local::open(&layout) {
        Ok(local) => local,
        Err(error) => return unreachable(&error),
    };
    let backups = match kept(&mut local) {
        Ok(backups) => backups,
        Err(refusal) => return refuse(global, &refusal),
    };
    let old = match content(&mut local, chosen(&backups, wanted)?.digest) {
        Ok(old) => old,
        Err(refusal) => return refuse(global, &refusal),
    };
    let files = Files::read(&layout)?;
    let diff = Diff::between(&layout.shown(&layout.pot_conf()), &old, files.configuration.own().bytes());
    match global.format {
        Format::Json => print_json(&diff)?,
        Format::Text if diff.is_empty() => print("Nothing has changed since.\n")?,
        Format::Text => print(&Style::of_stdout(global.format).diff(&safe_diff(&diff)))?,
    }
    Ok(Exit::Done)
}

/// Plans, runs and waits for the end.
fn carry_out(local: &mut Local, operation: Operation, reason: Option<String>) -> Result<Run, Refusal> {
    let plan: Plan = local.ask(Command::Plan { operation })?;
    if let Some(blocker) = plan.blockers.first() {
        return Err(Refusal::new(RefusalKind::Limit, format!("{} {}", blocker.problem, blocker.remedy)));
    }
    let confirm_text = plan.confirm_text.clone();
    let command = Command::Run { plan: plan.id, digest: plan.digest, password: None, confirm_text, reason };
    let Started { run } = local.ask(command)?;
    loop {
        let state: Run = local.ask(Command::RunState { run })?;
        if state.ended.is_some() {
            return Ok(state);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::potconf::{Configuration, Document};

    #[test]
    fn an_assignment_has_a_name_and_a_value() {
        assert_eq!(assignment("POT_GROUP=pot").unwrap(), Edit::set(Name::try_from("POT_GROUP").unwrap(), "pot"));
        assert_eq!(assignment("POT_TMP=").unwrap(), Edit::set(Name::try_from("POT_TMP").unwrap(), ""));
        assert_eq!(assignment("POT_TMP=a=b").unwrap(), Edit::set(Name::try_from("POT_TMP").unwrap(), "a=b"));
        for wrong in ["POT_GROUP", "=pot", "POT-GROUP=pot", "a b=c"] {
            assert!(assignment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_stand_in_the_groups_of_the_guide() {
        let default = Document::parse(b"POT_ZFS_ROOT=zroot/pot\nPOT_EXTIF=em0\n").unwrap();
        let own = Document::parse(b"POT_EXTIF=\"em1\"\nPOT_LOG_FACILITY=$(x)\nSITE=berlin\n").unwrap();
        let text = table(&Configuration::new(default, own).settings(), Style::plain());
        assert!(text.starts_with("File system\n  POT_ZFS_ROOT "), "{text}");
        assert!(text.contains("potnet reads \"em1\"\n"), "{text}");
        assert!(text.contains("$(x)") && text.contains("read-only: "), "{text}");
        assert!(text.contains("\nUnknown to pot\n  SITE "), "{text}");
    }

    #[test]
    fn a_name_of_any_length_is_shown() {
        let default = Document::parse(b"POT_ZFS_ROOT=zroot/pot\n").unwrap();
        let name = "N".repeat(70_000);
        let own = Document::parse(format!("{name}=1\n").as_bytes()).unwrap();
        let text = table(&Configuration::new(default, own).settings(), Style::plain());
        assert!(text.contains(&format!("  {name}  1")), "{}", text.len());
        assert!(
            text.lines().filter(|line| !line.contains("NN")).all(|line| line.len() < 200),
            "the others stay readable"
        );
    }

    #[test]
    fn a_backup_is_named_by_the_beginning_of_its_digest() {
        let backup = |bytes: &[u8]| BackupView {
            file: ManagedFile::PotConf,
            path: String::new(),
            digest: Digest::of(bytes),
            size: 0,
            at: jiff::Timestamp::UNIX_EPOCH,
            record: None,
            current: false,
        };
        let backups = [backup(b"a"), backup(b"b"), backup(b"a")];
        let digest = Digest::of(b"a");
        assert_eq!(chosen(&backups, &digest.to_string()).unwrap().digest, digest);
        assert_eq!(chosen(&backups, &digest.hex()[..8]).unwrap().digest, digest);
        assert!(chosen(&backups, "abc").is_err());
        assert!(chosen(&backups, "00000000").is_err());
    }
}
