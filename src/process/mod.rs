//! Running commands: absolute paths found once, argument vectors, clean environment, process groups, time limits.
//!
//! One way to start a program for probes, operations and the executor. No shell is involved. A command has ended
//! when its process has ended: a daemon that it started may keep its output open for ever.

mod lines;
mod run;
mod tools;

pub(crate) use lines::Splitter;
pub(crate) use lines::Stream;
pub use lines::harmless;
pub(crate) use run::{Cancel, Ending, Limits, OutputLine, ProcessError, capture};
pub use run::{Captured, stream};
pub use tools::Tools;
pub(crate) use tools::{Tool, argv_as_typed};
