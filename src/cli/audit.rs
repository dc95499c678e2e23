//! `pot-console audit`: show, verify and export the history.

use super::{Exit, Global};

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_global: &Global, _args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("audit is not built yet")
}
