//! The pots' network as what can be drawn and asked: a picture of it, the table of its addresses, the ways that packets
//! take. Pure: facts and configuration in, data out; nothing is resolved and nothing is asked.

pub mod addresses;
pub(crate) mod path;
pub(crate) mod picture;
