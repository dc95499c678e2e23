//! `pot-console user`: manage accounts.

use super::{Exit, Global};

/// Arguments of `user`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_global: &Global, _args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("user is not built yet")
}
