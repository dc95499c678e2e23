//! Entries as lines of a page, by day, each beside the console's own run that it belongs to.

use crate::activity::Entry;
use crate::audit::Act;
use crate::web::error::Fault;
use crate::web::layout::{self, Clock};
use crate::web::visitor::Visitor;
use askama::Template;
use jiff::Timestamp;

pub(super) struct Day {
    pub(super) heading: layout::Time,
    pub(super) entries: Vec<Line>,
}

/// `templates/activity/line.html`: one entry.
#[derive(Template)]
#[template(path = "activity/line.html")]
pub(super) struct Line {
    pub(super) entry: Entry,
    pub(super) clock: Clock,
    pub(super) fresh: bool,
    /// The console's own run that this call belongs to: its number and who started it.
    pub(super) run: Option<(u64, String)>,
}

/// The template escapes what it shows.
impl askama::filters::HtmlSafe for Line {}

/// The history learns of a run a moment after its first call is logged.
const SETTLES: i64 = 60;

impl Line {
    /// Whether no run of this console was it.
    fn is_not_from_here(&self) -> bool {
        let age = Timestamp::now().as_second() - self.entry.time.as_second();
        self.entry.changes && !self.fresh && !self.entry.foreign && age > SETTLES
    }

    /// What a call's line says beyond its command and arguments: further lines, and that it was cut off.
    fn rest(&self) -> Option<&str> {
        self.entry.command.as_ref()?;
        match self.entry.message.split_once('\n') {
            Some((_, rest)) => Some(rest),
            None => self.entry.message.ends_with("… (cut)").then_some("… (cut)"),
        }
    }
}

/// How far a logged call may lie outside of the run that made it: syslog writes whole seconds.
const SLACK_MS: i64 = 2_000;

/// What a run of each operation calls pot for: de-init stops the pots that run.
const CALLS: [(&str, &[&str]); 3] =
    [("init", &["init"]), ("vnet-start", &["vnet-start"]), ("de-init", &["de-init", "stop"])];

/// Whether a run of this operation calls pot so.
fn calls(operation: &str, command: &str) -> bool {
    CALLS.iter().any(|(name, commands)| *name == operation && commands.contains(&command))
}

/// The console's runs in the time of these entries.
pub(super) async fn runs_of(visitor: &Visitor, entries: &[Entry]) -> Result<Vec<Act>, Fault> {
    let times = || entries.iter().map(|entry| entry.time);
    let (Some(newest), Some(oldest)) = (times().max(), times().min()) else { return Ok(Vec::new()) };
    // A run may have begun an hour before it called pot: it waited for its preparations.
    let since = oldest.as_millisecond() - 3_600_000;
    let until = newest.as_millisecond() + SLACK_MS;
    let called = |(_, commands): &&(&str, &[&str])| {
        commands.iter().any(|command| entries.iter().any(|entry| entry.command.as_deref() == Some(*command)))
    };
    let operations: Vec<&str> = CALLS.iter().filter(called).map(|(operation, _)| *operation).collect();
    if operations.is_empty() {
        return Ok(Vec::new());
    }
    // The run that called pot was recorded before pot could log it.
    let history = visitor.state().history.up_to_date(None).await;
    history
        .runs_between(&operations, since, until)
        .await
        .map_err(|error| Fault::Unexpected(format!("the history could not be read: {error}")))
}

/// The run that called pot so at that time. A match of time and command, no proof: the page says so.
pub(super) fn run_of(entry: &Entry, runs: &[Act]) -> Option<(u64, String)> {
    let command = entry.command.as_deref().filter(|_| !entry.foreign)?;
    let at = entry.time.as_millisecond();
    runs.iter().find_map(|act| {
        let record = &act.record;
        let ended = act.ended.as_ref().map_or(i64::MAX, |ended| ended.time.as_millisecond());
        let within = record.time.as_millisecond() - SLACK_MS <= at && at <= ended.saturating_add(SLACK_MS);
        (within && calls(&record.entry.object, command))
            .then_some(record.entry.run)
            .flatten()
            .map(|run| (run, record.entry.actor.name.clone()))
    })
}

pub(super) fn by_day(entries: Vec<Entry>, clock: &Clock, runs: &[Act]) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for entry in entries {
        let heading = clock.day(&entry.time);
        let run = run_of(&entry, runs);
        let line = Line { entry, clock: clock.clone(), fresh: false, run };
        match days.last_mut() {
            Some(day) if day.heading.text() == heading.text() => day.entries.push(line),
            _ => days.push(Day { heading, entries: vec![line] }),
        }
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Cursor;
    use crate::journal::record::{Action, Actor, Entry as Told, Method, Record, Reported, Stage};

    fn call(command: &str, seconds: i64) -> Entry {
        let time = Timestamp::from_second(seconds).unwrap();
        Entry {
            time,
            host: "jail1".to_owned(),
            foreign: false,
            priority: None,
            pid: None,
            command: Some(command.to_owned()),
            arguments: None,
            pot: None,
            changes: true,
            message: command.to_owned(),
            times: 1,
            cursor: Cursor { identity: (0, 0), offset: 0, time, reached: time, lost: None },
        }
    }

    #[test]
    fn the_pots_that_a_de_init_of_this_console_stops_are_stopped_from_here() {
        let actor =
            Actor { name: "anna".to_owned(), role: None, method: Method::Password, session: None, claimed: None };
        let entry = |stage| {
            let mut entry =
                Told::event(actor.clone(), Reported::default(), Action::Run, "de-init", "de-init".to_owned());
            (entry.stage, entry.run) = (stage, Some(7));
            entry
        };
        let record = |sequence, seconds, stage| Record {
            sequence,
            id: uuid::Uuid::nil(),
            time: Timestamp::from_second(seconds).unwrap(),
            entry: entry(stage),
        };
        let runs = [Act { record: record(1, 1000, Stage::Intent), ended: Some(record(2, 1060, Stage::Outcome)) }];
        let run = |command: &str, at: i64| run_of(&call(command, at), &runs).map(|(run, _)| run);
        assert_eq!((run("stop", 1010), run("de-init", 1030)), (Some(7), Some(7)));
        assert_eq!((run("stop", 1100), run("start", 1010)), (None, None), "another time, another command");
    }
}
