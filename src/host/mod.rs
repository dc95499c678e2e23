//! Facts about the host: the probes that gather them, and what they mean for pot.
//!
//! [`gather`] asks every source at once. [`readiness`] holds the facts against the installation guide,
//! [`pot_state`] against pot.conf; both are pure.

#[cfg(test)]
mod fixture;
mod gather;
pub mod parse;
pub mod pot_state;
mod probe;
mod readiness;
mod wanted;

pub use gather::{GatherInput, POT_PROGRAM, gather};
pub use pot_state::{Anchors, Drift, PotState, Remedy, Stage};
pub use readiness::{Counts, Evidence, Row, RowState, configuration_row, readiness, size};
pub use wanted::Wanted;

use crate::facts::{PathKind, PathState};

fn is_there(state: &PathState) -> bool {
    state.kind != PathKind::Absent
}
