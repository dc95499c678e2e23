//! The chain of evidence: append, verify, checkpoints.

pub mod record;
