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

pub use configuration::{Configuration, Edit, EditAction, EditError, Setting, Source};
pub use document::{Assignment, CommandRun, Document, LARGEST, Oddity, ParseError, SyntaxProblem, Value, Variable};
pub use name::{Name, NotAName, extra_interface};
pub use parameters::{Empty, Group, Kind, PARAMETERS, Parameter, Reading, parameter};
pub use potnet::PotnetAnswer;
