//! What the console does to the host: plan, run, verify, revert.
//!
//! [`engine`] is the door. Plans are data ([`crate::plan`]) made by pure functions ([`plans`]) from [`inputs`], which
//! [`looking`] reads; a [`draft`] ties what is shown to what is done and to the [`checks`] that look at it; [`running`]
//! carries it out with what `runner` holds; [`revert`] puts the network back.

pub(crate) mod before_init;
pub mod checks;
mod course;
mod current;
pub(crate) mod draft;
pub mod engine;
pub mod feedback;
pub(crate) mod inputs;
pub(crate) mod loader_conf;
pub mod log_routing;
pub mod looking;
mod noted;
pub mod pf_conf;
pub mod plans;
pub mod rc_conf;
pub(crate) mod reboot;
pub(crate) mod recognise;
pub mod recorder;
pub mod revert;
mod runner;
mod running;
pub mod runs;

pub use crate::clock;
