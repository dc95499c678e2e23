//! Facts about the host: the probes that gather them, and what they mean for pot.
//!
//! [`gather`] asks every source at once, a row of [`mod@probes`] for each fact. [`mod@readiness`] holds the facts against the
//! installation guide, [`mod@pot_state`] against pot.conf; both are pure, and so is [`parse`].

#[cfg(test)]
mod fixture;
pub mod parse;
pub mod pot_state;
mod probes;
mod readiness;
mod wanted;

pub use pot_state::{Anchors, Drift, PotState, Remedy, Stage, pot_state};
pub use probes::{GatherInput, gather, path_state, pf_rules_path, snapshots, time_zone};
pub use readiness::{Counts, Evidence, Preparation, Row, RowState, configuration_row, pot_installed, readiness, size};
pub use wanted::Wanted;
