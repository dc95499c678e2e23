//! What the console does to the host: plan, run, verify, revert.

pub mod draft;
pub mod loader_conf;
pub mod log_routing;
pub mod nat_rules;
pub mod pf_conf;
pub mod plan;
pub mod plans;
pub mod rc_conf;
pub mod recorder;
pub mod syslogd_flags;
