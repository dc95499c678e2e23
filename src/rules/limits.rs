//! Limits: what no one may write into pot.conf, because root's shell would run it or obey it.
//!
//! Findings can be overridden by an admin with a reason, limits never. They are a closed grammar per parameter,
//! enforced on every write and, on the file as it stands, before every run. `docs/limits.md` gives for each
//! parameter the grammar and the line of thought.

mod grammar;
mod paths;
mod tables;
#[cfg(test)]
mod tests;
mod together;
mod values;

pub use grammar::grammar;
pub(super) use paths::is_at_or_below;
pub(super) use tables::steers_pot;
pub(super) use together::check_together;
pub use together::places;
pub(crate) use together::{Named, PathLookup, changed_places, check_all, check_named, check_places};
pub use values::check;
pub(crate) use values::{LimitViolation, boolean};
pub(super) use values::{dataset_problem, split};
