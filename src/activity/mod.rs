//! Activity: what pot did, from syslog.
//!
//! Runs in the unprivileged process on descriptors that the executor opened. Nothing is loaded whole: plain files
//! are read backwards in blocks, compressed ones stream. What a line says is not proof: any local user can write it.

mod blocks;
mod clock;
pub mod line;
pub mod meaning;
mod read;
#[cfg(test)]
mod tests;
pub mod text;

pub use read::{
    Cursor, Entry, Follower, Generation, Histogram, Open, Query, ReadError, Summary, Told, each, histogram, missed,
    newest, parse_time,
};
