//! What packages ship: the package itself, the service under rc, the port, the manual pages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on says so")]

mod manual;
mod package;
#[path = "../support/patience.rs"]
mod patience;
mod port;
mod service;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A path of the source.
fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A text of the source.
fn text(path: &str) -> String {
    std::fs::read_to_string(source(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Everything that a program printed.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A simulated host below a folder.
fn simulate(root: &Path) {
    let done = Command::new(env!("CARGO_BIN_EXE_pot-console")).arg("simulate").arg(root).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
}

/// The console on the simulated host below `root`.
fn console(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pot-console"));
    command.arg("--root").arg(root).stdin(std::process::Stdio::null());
    command
}

/// The version of Cargo.toml.
const VERSION: &str = env!("CARGO_PKG_VERSION");
