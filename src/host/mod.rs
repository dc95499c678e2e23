//! Facts about the host and the probes that gather them; readiness and pot's state judged from them.

pub mod parse;
