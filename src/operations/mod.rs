//! What the console does to the host: plan, run, verify, revert.
//!
//! [`engine`] is the door. Plans are data ([`plan`]) made by pure functions ([`plans`]) from what was looked at
//! ([`looking`]); a [`draft`] ties what is shown to what is done and checked; [`running`] carries it out with what `runner` holds; [`revert`]
//! puts the network back.

pub mod before_init;
pub mod clock;
mod course;
mod current;
pub mod draft;
pub mod engine;
pub mod feedback;
pub mod loader_conf;
pub mod log_routing;
pub mod looking;
mod noted;
pub mod pf_conf;
pub mod plan;
pub mod plan_text;
pub mod plans;
pub mod rc_conf;
pub mod recognise;
pub mod recorder;
pub mod revert;
mod runner;
mod running;
pub mod runs;
pub mod syslogd_flags;
