//! `pot-console facts`: show what is known about the host.
//!
//! It asks the tools itself, as whoever runs it: what only root may see is an error beside the others then.

use super::{Exit, Format, Global};
use crate::facts::{HostFacts, size};
use crate::host::{self, GatherInput, HostState, PotState, Row, RowState, StateInput};
use crate::layout::Layout;
use crate::potconf::{Configuration, Document};
use crate::process::{Tools, harmless};
use crate::rules::{self, Subject};
use anyhow::Context as _;
use serde::Serialize;
use std::io::{self, Write as _};
use std::path::Path;

/// Arguments of `facts`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show what each source was asked and what it answered
    #[arg(long)]
    evidence: bool,
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    facts: &'a HostFacts,
    readiness: &'a [Row],
    pot: &'a PotState,
    state: &'a HostState,
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let configuration = read(&layout)?;
    // The settings' further pf files only widen what is watched, so they are not needed here.
    let facts = host::gather(&layout, &Tools::find(&layout), &GatherInput::new(&configuration, &[]));
    let findings = rules::check(&Subject::new(&configuration).on(Some(&facts)));
    // What someone dismissed is the service's to know.
    let state = HostState::of(&StateInput {
        facts: &facts,
        configuration: &configuration,
        findings: &findings,
        has_files: layout.pot_conf().exists() || layout.default_conf().exists(),
        dismissed: &[],
        left_drift: &[],
        leftovers: None,
        removed: None,
        run: None,
    });
    let mut out = io::stdout().lock();
    let printed = match global.format {
        Format::Json => {
            let answer = Answer { facts: &facts, readiness: &state.readiness, pot: &state.pot, state: &state };
            serde_json::to_writer_pretty(&mut out, &answer).map_err(io::Error::from).and_then(|()| writeln!(out))
        }
        Format::Text => print(&mut out, &facts, &state, args.evidence),
    };
    match printed {
        // `facts | head -1` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(error).context("printing the facts"),
        Ok(()) => Ok(Exit::Done),
    }
}

/// Both files; those that do not exist are empty.
pub(super) fn read(layout: &Layout) -> anyhow::Result<Configuration> {
    let document = |path: &Path| {
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other.with_context(|| format!("reading {}", path.display()))?,
        };
        Document::parse(&bytes).with_context(|| format!("reading {}", path.display()))
    };
    Ok(Configuration::new(document(&layout.default_conf())?, document(&layout.pot_conf())?))
}

fn print(out: &mut impl io::Write, facts: &HostFacts, model: &HostState, evidence: bool) -> io::Result<()> {
    let (rows, state) = (&model.readiness, &model.pot);
    if let Some(system) = facts.system.get() {
        writeln!(out, "{}: FreeBSD {}", system.hostname, system.kernel)?;
    }
    writeln!(out, "\nReadiness")?;
    for row in rows {
        let state = match row.state {
            RowState::ToDo if row.awaits_reboot => "next boot",
            RowState::ToDo if row.waits => "waits",
            state => state.word(),
        };
        let weight = if row.needed { "" } else { " (advised)" };
        writeln!(out, "  {state:<18}{}{weight}: {}", row.title, row.why)?;
        for (label, value) in &row.values {
            writeln!(out, "  {:<20}{label}: {value}", "")?;
        }
    }
    let word = |known: Option<bool>| known.map_or("not known", |known| if known { "yes" } else { "no" });
    writeln!(out, "\npot: {}", model.word("pot"))?;
    writeln!(out, "  network up, as pot tells it   {}", word(state.vnet_up_pot))?;
    writeln!(out, "  network up, so that it works  {}", word(state.vnet_up_strict))?;
    let anchors = &state.anchors;
    let shown = [
        ("in pf's file", anchors.in_file),
        ("existing", anchors.existing),
        ("called", anchors.called),
        ("filled", anchors.filled),
    ];
    for (title, known) in shown {
        writeln!(out, "  anchors {title:<22}{}", word(known))?;
    }
    for dataset in &state.datasets {
        if dataset.kind == "filesystem" {
            writeln!(out, "  {} {} at {}", dataset.name, size(dataset.used), dataset.mountpoint)?;
        }
    }
    for pot in facts.pots.get().into_iter().flatten() {
        let addresses = pot.addresses.iter().map(|address| format!(" {address}")).collect::<Vec<_>>().join(",");
        let running = pot.running.map_or("not known", |running| if running { "running" } else { "stopped" });
        // Names are those of folders, and a terminal obeys what stands in them.
        let (name, kind, network) = (harmless(&pot.name), harmless(&pot.kind), harmless(&pot.network_type));
        writeln!(out, "  pot {name}: {kind}, {network}{addresses}, {running}")?;
    }
    if !state.drift.is_empty() {
        writeln!(out, "\nDiffers from pot.conf")?;
        for drift in &state.drift {
            let (running, configured) = (harmless(&drift.running), harmless(&drift.configured));
            writeln!(out, "  {}: runs {running}; pot.conf says {configured}", drift.title)?;
            writeln!(out, "    {}", drift.consequence)?;
            for (name, value) in &drift.set {
                writeln!(out, "    What ends it: {name} set to {}.", harmless(value))?;
            }
            if let Some(words) = &drift.at_the_machine {
                writeln!(out, "    {}", harmless(words))?;
            }
        }
    }
    writeln!(out, "\nOperations")?;
    for operation in &model.operations {
        writeln!(out, "  {:<12}{}", operation.name.in_words(), operation.words)?;
    }
    if let Some(lead) = &model.lead {
        writeln!(out, "\nNext: {}", lead.heading)?;
        writeln!(out, "  {}", harmless(&lead.text))?;
    }
    writeln!(out, "\nSources")?;
    for asked in facts.everything_asked() {
        let error = asked.error.map_or_else(String::new, |error| format!(": {error}"));
        let slow = if asked.is_slow() { " (slow)" } else { "" };
        writeln!(out, "  {:<20}{:>6} ms{slow}  {}{error}", asked.about, asked.took_ms, asked.source)?;
        if evidence {
            for line in asked.evidence.lines() {
                writeln!(out, "  | {line}")?;
            }
        }
    }
    Ok(())
}
