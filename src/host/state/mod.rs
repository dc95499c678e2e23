//! What the facts mean for pot: held against the installation guide ([`mod@readiness`]) and against pot.conf
//! ([`mod@pot_state`]), and put together as the one model that everything shows ([`mod@model`]). Pure: facts and
//! configuration in, rows, differences and words out.

#[cfg(test)]
pub(crate) mod fixture;
mod guide;
mod model;
mod network;
mod operations;
mod paragraphs;
mod pot_state;
mod readiness;
pub(super) mod wanted;

pub use guide::StepState;
pub(crate) use guide::{Act, Lead, Offer, Step, first_pot};
pub(crate) use model::{HostState, RunNow, StateInput};
pub(crate) use operations::{OperationName, Standing};
pub(crate) use paragraphs::{
    Mark, PARAGRAPHS, Paragraph, ParagraphLine, ParagraphState, Topic, paragraph_about, stands,
};
pub use pot_state::{Anchors, Stage};
pub(crate) use pot_state::{Drift, PotState, Remedy, drift_title};
pub(crate) use readiness::Evidence;
pub use readiness::{Row, RowState, readiness};
pub(crate) use wanted::Wanted;
