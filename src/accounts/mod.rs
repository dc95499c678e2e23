//! Users, passwords, roles, sessions and proofs: all on the root side.
//!
//! [`store`] is the root-only file, [`preferences`] how people like their pages, [`password`] the hashing, [`throttle`] slows down guessing, [`session`] keeps
//! who is signed in. None of it knows the protocol's commands: `executor` puts the parts together.

pub mod name;
pub mod password;
pub mod preferences;
pub mod session;
pub mod store;
pub mod throttle;
