//! pot.conf: what it says to sh, what it says to potnet, and how to change one line of it without touching another.
//!
//! pot *sources* the file as root, potnet reads it line by line and knows no quotes. So there are two readings:
//! [`Configuration`] is sh's (never evaluated: what is not certain is read-only), [`potnet`] is potnet's.
//! [`Document`] keeps every byte. Nothing here does I/O.

pub mod commands;
mod configuration;
mod document;
mod name;
mod parameters;
pub mod potnet;
mod shell;

pub use configuration::{Configuration, Edit, EditError, Source};
pub(crate) use configuration::{EditAction, Setting};
pub(crate) use document::{Assignment, CommandRun, Variable};
pub use document::{Document, LARGEST, Value};
pub use name::Name;
pub(crate) use name::extra_interface;
pub(crate) use parameters::{Empty, Kind, Parameter};
pub use parameters::{Group, PARAMETERS, Reading, parameter};
pub use potnet::PotnetAnswer;
