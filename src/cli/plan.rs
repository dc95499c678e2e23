//! `pot-console plan`: show what an operation would do.

use super::{Exit, Global};

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_global: &Global, _args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("plan is not built yet")
}
