//! What the facts mean for pot: held against the installation guide ([`mod@readiness`]) and against pot.conf
//! ([`mod@pot_state`]), and put together as the one model that everything shows ([`mod@model`]). Pure: facts and
//! configuration in, rows, differences and words out.

#[cfg(test)]
mod fixture;
mod guide;
mod model;
mod network;
mod operations;
mod pot_state;
mod readiness;
pub(super) mod wanted;

pub use guide::{Act, Lead, Offer, Step, StepState};
pub use model::{HostState, StateInput};
pub use network::Network;
pub use operations::{OperationName, OperationState, Standing};
pub use pot_state::{Anchors, Drift, PotState, Remedy, Stage};
pub use readiness::{Counts, Evidence, Row, RowState, readiness};
pub use wanted::Wanted;
