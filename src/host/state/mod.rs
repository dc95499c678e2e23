//! What the facts mean for pot: held against the installation guide ([`mod@readiness`]) and against pot.conf
//! ([`mod@pot_state`]). Pure: facts and configuration in, rows and differences out.

#[cfg(test)]
mod fixture;
mod pot_state;
mod readiness;
pub(super) mod wanted;

pub use pot_state::{Anchors, Drift, PotState, Remedy, Stage, pot_state};
pub use readiness::{Counts, Evidence, Preparation, Row, RowState, configuration_row, pot_installed, readiness, size};
pub use wanted::Wanted;
