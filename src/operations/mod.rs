//! What the console does to the host: plan, run, verify, revert.

pub mod plan;
pub mod recorder;
