//! `pot-console feedback`: show stored feedback.

use super::{Exit, Global};

/// Arguments of `feedback`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_global: &Global, _args: Args) -> anyhow::Result<Exit> {
    anyhow::bail!("feedback is not built yet")
}
