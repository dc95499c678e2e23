//! `pot-console web`: the unprivileged web process; started by serve and demo.

use super::{Exit, Global};
use crate::executor::processes::{confine, receive_start};
use crate::{platform, web};
use anyhow::Context as _;

/// Arguments of `web`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command: one thread until all power is given up, and only then a runtime.
pub fn run(_global: &Global, _args: Args) -> anyhow::Result<Exit> {
    let (data, control, listeners) = receive_start().context("this command is started by serve and demo only")?;
    confine(&data).context("giving up privileges")?;
    platform::set_process_title("pot-console web");
    super::serve::log_to_executor();
    let start: web::Start = serde_json::from_value(data.server).context("reading what the executor handed over")?;
    web::run(listeners, control, start)?;
    Ok(Exit::Done)
}
