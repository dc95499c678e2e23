//! Running commands: absolute paths found once, argument vectors, clean environment, process groups, time limits.
//!
//! One way to start a program for probes, operations and the executor. No shell is involved. A command has ended
//! when its process has ended: a daemon that it started may keep its output open for ever.

mod lines;
mod run;
mod tools;

pub(crate) use lines::Splitter;
pub use lines::{Stream, harmless};
pub use run::{Cancel, Captured, Ending, Limits, OutputLine, ProcessError, capture, stream};
pub use tools::{Tool, Tools, argv_as_typed};
