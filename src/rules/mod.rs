//! Findings, limits and readings: pure functions of (configuration, facts).

mod finding;

pub use finding::{Finding, Fix, Severity};
