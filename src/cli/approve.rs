//! `pot-console approve`: approve a plan in a terminal.

use super::{Exit, Global};

/// Arguments of `approve`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_global: &Global, _args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("approve is not built yet")
}
