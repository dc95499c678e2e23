//! `pot-console simulate`: prepares a simulated host in a folder and starts nothing.

use super::{Exit, Format, Global};
use crate::executor::past;
use crate::layout::Layout;
use crate::simulator::{self, Scenario};
use anyhow::Context as _;
use jiff::Timestamp;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Arguments of `simulate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to build the host in; absent or empty
    dir: PathBuf,
    /// Which host: pot not installed, installed but not initialised, in use, or in use for thousands of pots
    #[arg(long, value_name = "fresh|default|busy|huge", default_value = "default")]
    scenario: Scenario,
}

/// Builds a host with the past that its scenario has; `lasts`: beyond the life of this process.
pub(super) fn build(dir: &Path, scenario: Scenario, lasts: bool) -> anyhow::Result<()> {
    if lasts {
        simulator::build(dir, scenario)?;
    } else {
        simulator::build_for_now(dir, scenario)?;
    }
    if scenario == Scenario::Busy {
        let dir = dir.canonicalize().with_context(|| format!("finding {}", dir.display()))?;
        past::live(&Layout::new(&dir, None), Timestamp::now())?;
    }
    Ok(())
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    build(&args.dir, args.scenario, true)?;
    let dir = std::path::absolute(&args.dir)?;
    let mut out = std::io::stdout().lock();
    // A closed pipe is no reason to complain: the host is built.
    let _ = match global.format {
        Format::Json => writeln!(out, "{}", serde_json::json!({ "root": dir, "scenario": args.scenario.to_string() })),
        Format::Text => writeln!(
            out,
            "A simulated host ({}) stands in {}.\nLook at it with: pot-console --root {} facts",
            args.scenario,
            dir.display(),
            dir.display()
        ),
    };
    Ok(Exit::Done)
}
