//! Facts about the host: the probes that gather them, and what they mean for pot.
//!
//! [`mod@probes`] ask, which root's process alone does; [`mod@state`] only judges what was answered, and [`parse`] reads it:
//! both are pure.

pub mod parse;
mod probes;
mod state;

pub use probes::{GatherInput, gather, path_state, pf_rules_path, snapshots, system_and_syslog, time_zone};
pub use state::{
    Anchors, Counts, Drift, Evidence, PotState, Preparation, Remedy, Row, RowState, Stage, Wanted, configuration_row,
    pot_installed, pot_state, readiness, size,
};
