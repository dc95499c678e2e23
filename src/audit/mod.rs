//! The history for reading: the journal's projection in SQLite.
//!
//! The journal is the evidence and the executor's; this is the web process's copy by sequence number, for pages,
//! filters and exports: each line as it stands there, and an index of its words. It can be dropped and rebuilt, lags
//! visibly when it cannot write, and never holds what the journal does not.

mod compare;
mod error;
mod export;
mod follow;
mod in_use;
mod lines;
mod query;
mod row;
mod store;
mod words;

pub use compare::Comparison;
pub(crate) use error::StoreError;
pub(crate) use export::{CSV_HEAD, csv_field, csv_line, json_line};
pub(crate) use follow::{DATABASE, FollowError, Progress, Projection, compare_all, taken_up};
pub use lines::Lines;
pub(crate) use query::{Act, ParameterChange};
pub use query::{Cursor, Filter, Page};
pub use store::Store;
