//! `pot-console serve`: serve the console on this host.

use super::{Exit, Global};

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_global: &Global, _args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("serve is not built yet")
}
