//! `pot-console demo` and `pot-console simulate` where the simulated host is no part of the build: they say so.

use super::{Exit, Global};
use anyhow::bail;
use std::ffi::OsString;

/// Whatever follows: the words of the other build are no wrong usage here.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _words: Vec<OsString>,
}

/// Runs neither command.
pub fn run(_global: &Global, _args: Args) -> anyhow::Result<Exit> {
    bail!(
        "this build has no simulated host. Build pot-console from its source with its default features to try it on \
         one, or look at this host: pot-console check"
    )
}
