//! `pot-console selftest`: a look at the installation and the host, and at what of a real host can be tried harmlessly.
//!
//! Nothing is changed (SQLite may move what stands in its own log into its file). The rows of the installation are those of `setup --check`, by the same judge; those named after the
//! areas of README's table say how each came out here. No password, key, code or record is in any of them.

use super::audit::{Comparison, compare_with_database};
use super::setup::{answering, host};
use super::{Exit, Global, lines};
use crate::executor::head_path;
use crate::facts::{HostFacts, PfTest};
use crate::host as probes;
use crate::host::GatherInput;
use crate::host::parse::pf::verdict;
use crate::installation::host::Host;
use crate::installation::judge::judge;
use crate::installation::line::{Line, Verdict};
use crate::installation::look::{Asked, CertificateSeen, Seen};
use crate::journal::{VerifyReport, time_of_last, verify};
use crate::layout::Layout;
use crate::potconf::{Configuration, Document};
use crate::process::{Limits, Tool, Tools, capture};
use jiff::Timestamp;
use std::io;
use std::path::Path;

/// Days before its end at which a certificate is worth a note, and at which something is wrong with its renewal.
const SOON: i64 = 30;
const LATE: i64 = 7;
/// How far the clock may be behind the last record of the history, in seconds.
const BEHIND: i64 = 60;

/// Arguments of `selftest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 as it should be, 1 something differs, 2 something could not be found out.")]
pub(crate) struct Args {}

/// Runs the command.
pub fn run(global: &Global, _: Args) -> anyhow::Result<Exit> {
    let host = match host(global, "selftest")? {
        Ok(host) => host,
        Err(exit) => return Ok(exit),
    };
    let asked = Asked::default();
    let seen = Seen::look(&host, &asked);
    let mut all = vec![program()];
    all.extend(judge(&host, &asked, &seen).into_iter().map(|row| row.line));
    let (answers, answered) = answering(&host, &asked, &seen);
    all.extend(answered);
    if let Some(Ok(CertificateSeen::Serves { .. })) = seen.certificate
        && let Some(answers) = answers
    {
        all.push(certificate_days(answers.valid_until));
    }
    let dir = host.layout.private().join("journal");
    let report = dir.is_dir().then(|| verify(&dir, &head_path(&host.layout), None));
    all.push(journal(report.as_ref(), &dir));
    all.push(database(global, report.as_ref(), &seen));
    all.push(clock(&dir, report.as_ref()));
    let facts = facts(&host.layout, &host.tools);
    all.extend(release(&facts));
    all.extend(tools(&host.tools));
    all.extend(unknown_facts(&facts));
    all.extend(pf_syntax(&host));
    all.extend(areas(&facts));
    lines::show(global, &all)
}

fn program() -> Line {
    let simulator = if cfg!(feature = "simulator") { ", with the simulated host" } else { "" };
    Line::new("program", Verdict::Sound, format!("pot-console {}{simulator}", env!("CARGO_PKG_VERSION")))
}

fn certificate_days(until: Option<Timestamp>) -> Line {
    const ID: &str = "certificate.days";
    let Some(until) = until else {
        return Line::new(ID, Verdict::NotKnown, "the certificate's last day could not be read");
    };
    let days = until.duration_since(Timestamp::now()).as_hours().div_euclid(24);
    let until = until.strftime("%Y-%m-%d");
    let remedy = "a self-signed one is made anew by service pot_console reload; renew one that the settings name where it \
                  comes from";
    match days {
        ..0 => Line::new(ID, Verdict::Differs, format!("it ended on {until}")).with(remedy),
        0..LATE => Line::new(ID, Verdict::Differs, format!("{days} days left, until {until}")).with(remedy),
        LATE..SOON => Line::new(ID, Verdict::Note, format!("{days} days left, until {until}")).with(remedy),
        _ => Line::new(ID, Verdict::Sound, format!("{days} days left, until {until}")),
    }
}

fn journal(report: Option<&VerifyReport>, dir: &Path) -> Line {
    const ID: &str = "journal";
    let Some(report) = report else {
        return Line::new(ID, Verdict::Note, "there is no history yet");
    };
    // What was found at some start stands until root takes the file away.
    let alarm = match dir.join("alarm").symlink_metadata() {
        Ok(_) => Some(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(false),
        Err(_) => None,
    };
    let remedy = "pot-console audit verify";
    match (&report.problem, alarm) {
        (Some(problem), _) => Line::new(ID, Verdict::Differs, problem.to_string()).with(remedy),
        (None, _) if !report.sound => Line::new(ID, Verdict::Differs, "it is not sound").with(remedy),
        (None, Some(true)) => Line::new(ID, Verdict::Differs, "an alarm of an earlier start stands").with(remedy),
        (None, None) => Line::new(ID, Verdict::NotKnown, "whether an alarm stands could not be found out").with(remedy),
        (None, Some(false)) if report.torn > 0 => Line::new(
            ID,
            Verdict::Note,
            format!("{} records are unbroken; a write is under way or was cut off", report.records),
        ),
        (None, Some(false)) => Line::new(ID, Verdict::Sound, format!("{} records are unbroken", report.records)),
    }
}

/// Only where opening the history changes nothing: no write was cut off, and no run waits for what the next start does.
fn database(global: &Global, report: Option<&VerifyReport>, seen: &Seen) -> Line {
    const ID: &str = "database";
    let note = |words: &str| Line::new(ID, Verdict::Note, words);
    match (report, &seen.waits) {
        (None, _) => return note("there is no history yet"),
        (Some(report), _) if !report.sound => return note("not compared with a history that is not sound"),
        (Some(report), _) if report.torn > 0 => return note("not compared while a write is under way"),
        (_, Ok(Some(run))) => return note(&format!("not compared while run {run} waits to be kept")),
        (_, Err(why)) => return Line::new(ID, Verdict::NotKnown, why.clone()),
        (Some(_), Ok(None)) => {}
    }
    match compare_with_database(global) {
        Ok(None) => note("there is none yet"),
        Ok(Some(Comparison { held, differences: 0 })) => {
            Line::new(ID, Verdict::Sound, format!("every row up to record {held} says what the history says"))
        }
        Ok(Some(Comparison { differences, .. })) => {
            Line::new(ID, Verdict::Differs, format!("{differences} rows differ from the history"))
                .with("pot-console audit rebuild fills it anew from the history, which is the evidence")
        }
        Err(error) => Line::new(ID, Verdict::NotKnown, format!("{error:#}")),
    }
}

/// A clock that was set back shows in what was written before.
fn clock(dir: &Path, report: Option<&VerifyReport>) -> Line {
    const ID: &str = "clock";
    let now = Timestamp::now();
    let shown = now.strftime("%Y-%m-%d %H:%M:%SZ");
    let last = match report {
        Some(report) if report.last > 0 => time_of_last(dir),
        _ => return Line::new(ID, Verdict::Sound, format!("it says {shown}")),
    };
    match last {
        None => Line::new(ID, Verdict::NotKnown, format!("it says {shown}; the last record's time could not be read")),
        Some(last) if last.duration_since(now).as_secs() > BEHIND => {
            let words = format!(
                "it says {shown}, and the last record of the history is of {}",
                last.strftime("%Y-%m-%d %H:%M:%SZ")
            );
            Line::new(ID, Verdict::Differs, words)
                .with("set it: sysrc ntpd_enable=YES && service ntpd start, or ntpdate")
        }
        Some(_) => Line::new(ID, Verdict::Sound, format!("it says {shown}, after the last record of the history")),
    }
}

fn facts(layout: &Layout, tools: &Tools) -> HostFacts {
    let document = |path: &Path| {
        let bytes = std::fs::read(path).unwrap_or_default();
        Document::parse(&bytes).ok()
    };
    // Without a pot.conf that can be read the host is asked all the same.
    let files = (document(&layout.default_conf()), document(&layout.pot_conf()));
    let input = match files {
        (Some(defaults), Some(own)) => GatherInput::new(&Configuration::new(defaults, own), &[]),
        _ => GatherInput::default(),
    };
    probes::gather(layout, tools, &input)
}

fn release(facts: &HostFacts) -> Vec<Line> {
    const ID: &str = "release";
    let Some(system) = facts.system.get() else {
        return vec![Line::new(ID, Verdict::NotKnown, facts.system.error.clone().unwrap_or_default())];
    };
    let found = format!("FreeBSD, kernel {}, userland {}", system.kernel, system.userland);
    let line = match system.version().map(|(major, _)| major) {
        None => Line::new(ID, Verdict::NotKnown, found),
        Some(14 | 15) => Line::new(ID, Verdict::Sound, found),
        Some(..14) => Line::new(ID, Verdict::Differs, found).with("FreeBSD 14 and 15 are supported: upgrade the host"),
        Some(_) => Line::new(ID, Verdict::Note, format!("{found}: newer than what the console was tried on")),
    };
    let mut all = vec![line];
    if let Some(packages) = facts.packages.get() {
        let version = |known: &Option<String>| known.clone().unwrap_or_else(|| "not installed as a package".to_owned());
        let (pot, potnet) = (version(&packages.pot), version(&packages.potnet));
        all.push(Line::new("packages", Verdict::Note, format!("pot {pot}; potnet {potnet}")));
    }
    all
}

/// Programs that are there only with what they belong to.
const OPTIONAL: [Tool; 4] = [Tool::Pot, Tool::Potnet, Tool::Pkg, Tool::Sendmail];

fn tools(tools: &Tools) -> Vec<Line> {
    let missing = |optional: bool| -> Vec<&str> {
        let all = Tool::ALL.into_iter().filter(|tool| OPTIONAL.contains(tool) == optional);
        all.filter(|tool| tools.path(*tool).is_none()).map(Tool::name).collect()
    };
    let (needed, optional) = (missing(false), missing(true));
    let found = Tool::ALL.len() - needed.len() - optional.len();
    let mut lines = vec![if needed.is_empty() {
        Line::new("tools", Verdict::Sound, format!("{found} of {} are there", Tool::ALL.len()))
    } else {
        Line::new("tools", Verdict::Differs, format!("not there: {}", needed.join(", ")))
            .with("they belong to FreeBSD's base system: what was taken away?")
    }];
    if !optional.is_empty() {
        lines.push(Line::new("tools.optional", Verdict::Note, format!("not there: {}", optional.join(", "))));
    }
    lines
}

fn unknown_facts(facts: &HostFacts) -> Vec<Line> {
    let all = facts.everything_asked();
    let total = all.len();
    let (known, unknown): (Vec<_>, Vec<_>) = all.into_iter().partition(|asked| asked.error.is_none());
    let mut lines = vec![Line::new("facts", Verdict::Sound, format!("{} of {total} sources answered", known.len()))];
    lines.extend(unknown.into_iter().map(|asked| {
        let words = format!("{}: {} ({})", asked.about, asked.error.unwrap_or_default(), asked.source);
        Line::new("facts.unknown", Verdict::NotKnown, words)
            .with("pot-console facts --evidence shows what was answered")
    }));
    if let Some(slow) = facts.slow_in_words() {
        lines.push(Line::new("facts.slow", Verdict::Note, slow));
    }
    lines
}

/// What the host's own pfctl says of both forms of address translation; pot writes the old one.
fn pf_syntax(host: &Host) -> Vec<Line> {
    let judged = |text: &str| {
        let limits = Limits { time: Tool::Pfctl.patience(), ..Limits::default() };
        capture(&host.tools, Tool::Pfctl, &["-nf", "-"], Some(text.as_bytes()), &limits)
            .map_err(|error| error.to_string())
            .map(|answer| verdict(&answer))
    };
    let old = "nat on lo0 inet from 192.0.2.0/24 to any -> (lo0)\npass all\n";
    let new = "match out on lo0 inet from 192.0.2.0/24 to any nat-to (lo0)\npass all\n";
    let line = |id: &str, form: &str, text: &str, is_needed: bool| match judged(text) {
        Ok(PfTest::Valid) => Line::new(id, Verdict::Sound, format!("pfctl takes {form}")),
        Ok(PfTest::Invalid(words)) if is_needed => {
            Line::new(id, Verdict::Differs, format!("pfctl refuses {form}: {}", words.join("; ")))
                .with("pot writes its rules so: vnet-start cannot work with this pf")
        }
        Ok(PfTest::Invalid(_)) => {
            Line::new(id, Verdict::Note, format!("pfctl does not know {form}, which pot does not use"))
        }
        // From FreeBSD 15 on it judges nothing while pf is not loaded: that is no fault of the host's.
        Ok(PfTest::Untested(why)) => Line::new(id, Verdict::Note, format!("{form} was not judged: {why}")),
        Err(why) => Line::new(id, Verdict::NotKnown, why),
    };
    vec![line("pf.nat", "nat on … -> (…)", old, true), line("pf.nat-to", "match out … nat-to (…)", new, false)]
}

/// README's table of what is untested until a real host: what of each area answers here, and what was not tried because
/// trying it would change the host.
fn areas(facts: &HostFacts) -> Vec<Line> {
    let not_tried = |known: bool, id: &str, seen: String, untried: &str| {
        let verdict = if known { Verdict::Note } else { Verdict::NotKnown };
        Line::new(&format!("area.{id}"), verdict, format!("{seen}. Not tried: {untried}"))
    };
    let count = |known: Option<usize>, what: &str| {
        known.map_or_else(|| format!("{what} not known"), |count| format!("{count} {what}"))
    };
    let pools = facts.pools.get().map(Vec::len);
    let datasets = facts.datasets.get().map(Vec::len);
    let interfaces = facts.interfaces.get().map(Vec::len);
    let routes = facts.routes.get().map(Vec::len);
    let pf = facts.pf.get();
    let members = match facts.bridges_take_addresses() {
        Some(true) => "a bridge takes a card with an address",
        Some(false) => "a bridge takes no card with an address",
        None => "whether a bridge takes a card with an address is not known yet",
    };
    let pf_words = pf.map_or_else(
        || "pf did not answer".to_owned(),
        |pf| match (pf.loaded, pf.enabled) {
            (false, _) => "pf is not loaded".to_owned(),
            (true, false) => "pf is loaded and off".to_owned(),
            (true, true) => format!("pf is on, {} rules, {} of translation", pf.rules.len(), pf.nat.len()),
        },
    );
    let ipfw = match facts.ipfw.get() {
        Some(true) => "ipfw is on beside it",
        Some(false) => "ipfw is off",
        None => "whether ipfw is on is not known",
    };
    let tunables = facts.racct.get().is_some() && facts.rc.get().is_some();
    let syslog = facts.syslog.get();
    let syslog_words = syslog.map_or_else(
        || "syslogd's rules could not be read".to_owned(),
        |syslog| {
            let elsewhere: usize = syslog.elsewhere.values().map(Vec::len).sum();
            format!("syslogd's rules are read, {elsewhere} of them lead elsewhere than to a file")
        },
    );
    let packages = facts.packages.get();
    vec![
        not_tried(
            pools.is_some() && datasets.is_some(),
            "zfs",
            format!("{}, {}", count(pools, "pools"), count(datasets, "datasets")),
            "send and receive, quotas, rollback, pool creation, boot environments",
        ),
        not_tried(
            interfaces.is_some() && routes.is_some(),
            "network",
            format!("{}, {}, {members}", count(interfaces, "interfaces"), count(routes, "routes")),
            "the card's reset at addm, MTU and offloads, bridge filtering, DHCP",
        ),
        not_tried(
            pf.is_some() && facts.ipfw.get().is_some(),
            "pf",
            format!("{pf_words}, {ipfw}"),
            "states and real lock-outs, ethernet rules",
        ),
        not_tried(
            tunables,
            "boot",
            if tunables {
                "tunables and rc.conf are read".to_owned()
            } else {
                "tunables or rc.conf could not be read".to_owned()
            },
            "a reboot, other rc scripts, clock steps",
        ),
        not_tried(syslog.is_some(), "syslogd", syslog_words, "remote logging"),
        not_tried(
            packages.is_some(),
            "pkg",
            packages.map_or_else(
                || "pkg did not answer".to_owned(),
                |packages| if packages.pkg { "pkg answers".to_owned() } else { "pkg is not bootstrapped".to_owned() },
            ),
            "upgrades, ports, repositories",
        ),
        not_tried(
            facts.pots.get().is_some(),
            "pot",
            count(facts.pots.get().map(Vec::len), "pots"),
            "import and export, exec, flavours",
        ),
        Line::new("area.flags", Verdict::Note, "Not tried: chflags, which would change a file"),
    ]
}
