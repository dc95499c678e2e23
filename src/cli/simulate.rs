//! `pot-console simulate`: prepares a simulated host in a folder and starts nothing.

use super::{Exit, Format, Global};
use crate::simulator::{self, Scenario};
use std::io::Write as _;
use std::path::PathBuf;

/// Arguments of `simulate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to build the host in; absent or empty
    dir: PathBuf,
    /// Which host: pot not installed, installed but not initialised, or in use
    #[arg(long, value_name = "fresh|default|busy", default_value = "default")]
    scenario: Scenario,
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    simulator::build(&args.dir, args.scenario)?;
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
