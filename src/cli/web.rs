//! `pot-console web`: the unprivileged web process; started by serve and demo.

use super::{Exit, Global};

/// Arguments of `web`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_global: &Global, _args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("web is not built yet")
}
