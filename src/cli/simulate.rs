//! `pot-console simulate`: prepare a simulated host in a folder.

use super::{Exit, Global};

/// Arguments of `simulate`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_global: &Global, _args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("simulate is not built yet")
}
