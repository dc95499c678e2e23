//! The console without JavaScript, as a browser's forms send it: sign in, edit, review, save, and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod browser;
mod editing;
mod guide;
mod history;
mod repeated;
mod runs;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
