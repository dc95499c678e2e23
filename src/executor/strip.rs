//! What stands on every page of someone signed in: a run under way or waiting, a change made outside, a reboot that is
//! outstanding, another person who is at work on pot.conf. Nothing when there is nothing.

use super::common::lock;
use super::facts_cache::Told;
use super::protocol::{OutsideChange, RunUnderWay, Strip};
use crate::journal::record::Record;
use crate::operations::engine::Engine;
use crate::plan::Preparation;
use crate::plan::RunState;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a change made outside is told on every page.
const OUTSIDE: Duration = Duration::from_hours(1);
/// How long ago someone sent a draft of pot.conf who counts as being at work on it.
const DRAFT: Duration = Duration::from_mins(2);
/// Most people who are named.
const MOST_NAMED: usize = 8;

/// What was noticed since the start.
#[derive(Debug, Default)]
pub(super) struct Noticed {
    outside: Mutex<Option<(Instant, OutsideChange)>>,
    /// By account: when it last sent a draft.
    drafts: Mutex<BTreeMap<String, Instant>>,
}

impl Noticed {
    /// A file was changed outside of the console.
    pub(super) fn outside(&self, record: &Record) {
        let told = OutsideChange { record: record.sequence, at: record.time, message: record.entry.message.clone() };
        *lock(&self.outside) = Some((Instant::now(), told));
    }

    /// Someone who may save sent a draft of pot.conf; without a change in it they are at work on nothing.
    pub(super) fn draft(&self, account: &str, changes: bool) {
        let mut drafts = lock(&self.drafts);
        drafts.retain(|_, at| at.elapsed() < DRAFT);
        if changes {
            drafts.insert(account.to_owned(), Instant::now());
        } else {
            drafts.remove(account);
        }
    }

    /// What this account is to be told beside `told`, on a page that shows both. `run`: see [`under_way`].
    pub(super) fn strip(&self, account: &str, engine: &Engine, run: Option<RunUnderWay>, told: &Told) -> Strip {
        let outside = lock(&self.outside).clone().filter(|(at, _)| at.elapsed() < OUTSIDE).map(|(_, told)| told);
        let drafts = lock(&self.drafts)
            .iter()
            .filter(|(name, at)| *name != account && at.elapsed() < DRAFT)
            .map(|(name, _)| name.clone())
            .take(MOST_NAMED)
            .collect();
        Strip { run, outside, reboot: reboot(told), can_reboot: engine.reboots(), drafts }
    }
}

/// The run under way. Asked for before the facts beside which it is shown, they are no older than it.
pub(super) fn under_way(engine: &Engine) -> Option<RunUnderWay> {
    // One that has ended holds nobody up, though its place is not free yet.
    let run = engine.under_way()?;
    // Answered, it waits no longer: what was decided is being carried out.
    let waits = run.state == RunState::AwaitingKeep && run.deadline.is_some();
    Some(RunUnderWay {
        id: run.id,
        operation: run.plan.operation.name().to_owned(),
        started_by: run.actor,
        waits,
        deadline: run.deadline.filter(|_| waits),
    })
}

/// The settings of the loader that the next boot will have and this one does not.
fn reboot(told: &Told) -> Vec<String> {
    let Some(facts) = &told.facts else { return Vec::new() };
    let dismissed = |name: &str| told.noted.dismissed.iter().any(|item| tunable(*item) == Some(name));
    facts.awaits_reboot().into_iter().filter(|name| !dismissed(name)).map(str::to_owned).collect()
}

fn tunable(item: Preparation) -> Option<&'static str> {
    match item {
        Preparation::EnableRacct => Some(crate::facts::RACCT),
        Preparation::DisableVtnetLro => Some(crate::facts::VTNET_LRO),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_told_to_others_while_it_is_one() {
        let noticed = Noticed::default();
        let names = |account: &str| -> Vec<String> {
            lock(&noticed.drafts).keys().filter(|name| *name != account).cloned().collect()
        };
        noticed.draft("anna", true);
        assert_eq!(names("olaf"), ["anna"]);
        assert_eq!(names("anna"), Vec::<String>::new());
        noticed.draft("anna", false);
        assert_eq!(names("olaf"), Vec::<String>::new());
    }
}
