//! What each account still may do of what leaves traces.

use super::common::lock;
use super::evidence::RateLimiter;
use super::permissions::Row;
use super::requester::Requester;
use crate::refusal::{Refusal, RefusalKind};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

/// By account and command.
#[derive(Default)]
pub(super) struct RateLimiters(Mutex<HashMap<(String, &'static str), RateLimiter>>);

impl RateLimiters {
    /// Counts what leaves traces, each account by itself; the terminal is root's.
    pub(super) fn take(
        &self,
        requester: &Requester,
        account: impl FnOnce() -> String,
        row: &Row,
    ) -> Result<(), Refusal> {
        let Some(often) = row.often.filter(|_| !requester.terminal) else { return Ok(()) };
        let mut paces = lock(&self.0);
        let pace = paces.entry((account(), row.name)).or_insert_with(|| RateLimiter::new((often.at_once, often.each)));
        if pace.take(Instant::now()) {
            return Ok(());
        }
        let words =
            format!("This account did this {} times within a short time. Try again in a minute.", often.at_once);
        Err(Refusal::new(RefusalKind::Throttled, words))
    }

    /// What was refused because someone else was quicker does not count.
    pub(super) fn give_back(&self, account: &str, row: &Row) {
        if let Some(pace) = lock(&self.0).get_mut(&(account.to_owned(), row.name)) {
            pace.give_back();
        }
    }
}
