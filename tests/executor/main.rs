//! The executor as its neighbours meet it: the web process, be it honest or hostile, the command line beside it, a
//! sudden death at every step, and the two processes with what the web process still has.

// A test's own functions may fail as the test may; clippy.toml allows it in the test functions alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::cast_possible_truncation, clippy::case_sensitive_file_extension_comparisons)]

mod child;
mod console_backup;
mod crash;
mod earlier_files;
mod hostile;
mod idle;
mod main_path;
mod make_earlier_files;
#[path = "../support/patience.rs"]
mod patience;
mod permissions;
mod places;
#[path = "../support/prepared.rs"]
mod prepared;
mod processes;
mod rig;
mod shown;
mod writers;
