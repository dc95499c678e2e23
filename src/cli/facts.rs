//! `pot-console facts`: show what is known about the host.

use super::{Exit, Global};

/// Arguments of `facts`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_global: &Global, _args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("facts is not built yet")
}
