//! Facts about the host: the probes that gather them, and what they mean for pot.
//!
//! [`mod@probes`] ask, which root's process alone does; [`mod@state`] only judges what was answered, and [`parse`] reads it:
//! both are pure.

pub mod parse;
mod probes;
mod state;

pub use probes::{GatherInput, gather, path_state, pf_rules_path, snapshots, system_and_syslog, time_zone};
pub use state::{
    Act, Anchors, Counts, Drift, Evidence, HostState, Lead, Network, Offer, OperationName, OperationState, PotState,
    Remedy, Row, RowState, Stage, Standing, StateInput, Step, StepState, Wanted, readiness,
};
