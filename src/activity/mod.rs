//! Activity: what pot did, from syslog.
//!
//! Runs in the unprivileged process on descriptors that the executor opened. Nothing is loaded whole: plain files
//! are read backwards in blocks, compressed ones stream; pages and counts have a [`Budget`]. What a line says is not proof: any local user can write it.

mod blocks;
mod budget;
mod clock;
mod count;
mod follow;
pub mod line;
pub mod meaning;
mod read;
mod spells;
#[cfg(test)]
mod tests;
pub mod text;

pub use budget::Budget;
pub use count::histogram;
pub(crate) use count::{Counts, Histogram, Unread};
pub(crate) use follow::{Follower, Missed, StreamPosition, missed};
pub use read::{Cursor, Entry, Generation, Open, Query, each, newest};
pub(crate) use read::{LeftOff, ReadError, Summary, parse_time, written_time};
pub(crate) use spells::{Began, Ended, Event, Spell, spells};
