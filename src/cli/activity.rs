//! `pot-console activity`: show what pot did, from syslog.

use super::{Exit, Global};

/// Arguments of `activity`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_global: &Global, _args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("activity is not built yet")
}
