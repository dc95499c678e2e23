//! `pot-console check`: show the findings on pot.conf.

use super::{Exit, Global};

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_global: &Global, _args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("check is not built yet")
}
