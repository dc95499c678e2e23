//! `setup` and `selftest` on a simulated host whose service is the console itself: made, made again, killed in the middle,
//! with each thing there already, looked at, taken away.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says why and fails")]

#[path = "../support/patience.rs"]
mod patience;
mod removal;
mod rig;
mod selftest;
mod setup;
