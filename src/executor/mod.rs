//! The border between the two processes and the root side behind it.

pub mod client;
pub mod protocol;
