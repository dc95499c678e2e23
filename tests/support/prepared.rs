//! Hosts that many tests begin with: made once in each run of the tests, as a person makes them, and copied.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What an ended run of the tests has left goes after so long: the longest run takes hours.
const STALE: Duration = Duration::from_hours(24);

/// Puts a copy of the folder of this name at `to`, which must not exist; in it `root` is a simulated host. Whoever asks
/// first in a run of the tests makes it with `make`, in the folder that this is told; the others wait for that. The
/// program behind the tools is linked, not copied.
pub fn copied(name: &str, to: &Path, make: impl FnOnce(&Path)) {
    let kept = made(name, make);
    let copy = Command::new("cp").arg("-a").args([&kept, to]).status().expect("cp");
    assert!(copy.success(), "{} was not copied", kept.display());
    let own = Path::new(env!("CARGO_BIN_EXE_pot-console"));
    if fs::hard_link(own, program(to)).is_err() {
        fs::copy(own, program(to)).expect("a copy of the program");
    }
}

fn made(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prepared");
    // Each test is a process of its own: this is what all of one run have in common.
    let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| format!("process-{}", std::process::id()));
    let folder = all.join(run);
    fs::create_dir_all(&all).expect("a folder");
    if fs::create_dir(&folder).is_ok() {
        remove_stale(&all);
    }
    let lock = File::create(folder.join(format!("{name}.lock"))).expect("a file for the lock");
    lock.lock().expect("the lock");
    let kept = folder.join(name);
    if !kept.exists() {
        // What is here was left by someone who died over it.
        let unfinished = folder.join(format!("{name}.unfinished"));
        let _ = fs::remove_dir_all(&unfinished);
        fs::create_dir(&unfinished).expect("a folder");
        make(&unfinished);
        fs::remove_file(program(&unfinished)).expect("a simulated host");
        fs::rename(&unfinished, &kept).expect("a finished host");
    }
    kept
}

fn program(folder: &Path) -> PathBuf {
    folder.join("root/usr/libexec/pot-console-simulator")
}

fn remove_stale(all: &Path) {
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|found| found.modified()).map(|modified| modified.elapsed());
        if matches!(age, Ok(Ok(age)) if age > STALE) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
