//! Operations on a simulated host: planned, run, verified, kept or put back, with faults switched on.

#![allow(clippy::unwrap_used, clippy::panic)]

mod anchors;
mod bench;
mod command_line;
mod de_init;
mod drift;
mod init;
mod network;
#[path = "../support/patience.rs"]
mod patience;
mod places;
mod plans;
mod prepare;
#[path = "../support/prepared.rs"]
mod prepared;
mod put_back;
mod restart;
mod results;
mod temporary;
