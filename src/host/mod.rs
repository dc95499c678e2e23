//! Facts about the host: the probes that gather them, and what they mean for pot.
//!
//! [`mod@probes`] ask, which root's process alone does; [`mod@state`] only judges what was answered, and [`parse`] reads it:
//! both are pure.

pub mod parse;
mod probes;
mod state;

pub use probes::{GatherInput, gather, snapshots};
pub(crate) use probes::{LogSource, log_source, path_state, pf_rules_path, time_zone};
#[cfg(test)]
pub(crate) use state::fixture;
pub(crate) use state::{
    Act, Drift, Evidence, HostState, Lead, Mark, Offer, OperationName, PARAGRAPHS, Paragraph, ParagraphLine,
    ParagraphState, PotState, Remedy, RunNow, Standing, StateInput, Step, Topic, Wanted, drift_title, first_pot,
    paragraph_about, stands,
};
pub use state::{Anchors, Row, RowState, Stage, StepState, readiness};
