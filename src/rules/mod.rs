//! Findings, limits and readings: pure functions of (configuration, facts).
//!
//! A **finding** ([`check`]) can be overridden by an admin with a reason, a **limit** ([`limits`]) never. A **reading**
//! ([`readings`]) says what a value means on this host; a page shows it where a finding would stand.

mod finding;
pub mod limits;

pub use finding::{Finding, Fix, Severity};
