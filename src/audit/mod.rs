//! The history for reading: the journal's projection in SQLite.
//!
//! The journal is the evidence and the executor's; this is the web process's copy by sequence number, for pages,
//! filters and exports. It can be dropped and rebuilt, lags visibly when it cannot write, and never holds what the
//! journal does not.

mod compare;
mod error;
mod export;
mod follow;
mod in_use;
mod query;
mod row;
mod store;
mod words;

pub use compare::{Comparison, Differences};
pub use error::StoreError;
pub use export::{CSV_HEAD, csv_field, csv_line, json_line};
pub use follow::{DATABASE, FollowError, Progress, Projection, compare_all, taken_up};
pub use query::{Act, Cursor, Filter, Page, ParameterChange};
pub use store::Store;
