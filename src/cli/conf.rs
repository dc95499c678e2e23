//! `pot-console conf`: show and change pot.conf.

use super::{Exit, Global};

/// Arguments of `conf`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_global: &Global, _args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("conf is not built yet")
}
