//! `pot-console demo`: try the console on a simulated host.

use super::{Exit, Global};

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_global: &Global, _args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("demo is not built yet")
}
