//! `audit list`.

use super::{Filters, outcome, part, time};
use crate::audit::{Act, Filter, json_line};
use crate::cli::output::{Style, print, print_json, wrapped};
use crate::cli::user::refused;
use crate::cli::{Exit, Format, Global};
use crate::executor::local::Local;
use crate::journal::Ends;
use crate::journal::record::Stage;
use crate::process::harmless;
use crate::refusal::Refusal;
use serde_json::json;

/// Acts of the filter from the newest back, at most `limit`, and where to go on.
fn newest(
    local: &mut Local,
    filter: &Filter,
    limit: usize,
    before: Option<u64>,
) -> Result<(Vec<Act>, Option<u64>), Refusal> {
    const STEP: u64 = 500;
    let known = part(local, u64::MAX - 1, 1)?;
    let mut end = before.map_or(known.last, |before| before.saturating_sub(1).min(known.last));
    // An outcome comes after its intent, so that going back it is met first.
    let mut outcomes = Ends::default();
    let mut acts = Vec::new();
    if end < known.last {
        // The outcomes of what stands before the cursor may stand behind it: a run can wait long for its end.
        let mut after = end;
        while after < known.last {
            let some = part(local, after, STEP)?.records;
            let Some(last) = some.last() else { break };
            after = last.sequence;
            some.into_iter().filter(|record| record.ends_act().is_some_and(|intent| intent <= end)).for_each(
                |record| {
                    outcomes.note(record);
                },
            );
        }
    }
    while end >= known.first && end > 0 {
        let begin = end.saturating_sub(STEP).max(known.first.saturating_sub(1));
        let mut records = Vec::new();
        let mut after = begin;
        while after < end {
            let some = part(local, after, end - after)?.records;
            let Some(last) = some.last() else { break };
            after = last.sequence;
            records.extend(some);
        }
        for record in records.into_iter().rev() {
            if record.entry.stage == Stage::Outcome {
                outcomes.note(record);
                continue;
            }
            let ended = outcomes.take(record.sequence).filter(|_| record.entry.stage == Stage::Intent);
            let act = Act { record, ended };
            if filter.admits(&act) {
                if acts.len() == limit {
                    return Ok((acts, before_last(&act)));
                }
                acts.push(act);
            }
        }
        end = begin;
    }
    Ok((acts, None))
}

/// The cursor with which `act` is the first one.
fn before_last(act: &Act) -> Option<u64> {
    Some(act.record.sequence + 1)
}

pub(super) fn list(global: &Global, filters: &Filters, limit: usize, before: Option<u64>) -> anyhow::Result<Exit> {
    let filter = filters.filter()?;
    let mut local = Local::open(&global.layout())?;
    let (acts, next) = match newest(&mut local, &filter, limit.max(1), before) {
        Ok(found) => found,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    match global.format {
        Format::Json => {
            let records: Vec<serde_json::Value> =
                acts.iter().map(|act| serde_json::from_str(&json_line(act))).collect::<Result<_, _>>()?;
            print_json(&json!({ "records": records, "before": next }))?;
        }
        Format::Text => {
            let style = Style::of_stdout(global.format);
            let mut text = String::new();
            for act in &acts {
                text.push_str(&line(act, style));
            }
            if acts.is_empty() {
                text.push_str("nothing matches\n");
            }
            if let Some(next) = next {
                text.push_str(&style.faint(&format!("older ones: --before {next}\n")));
            }
            print(&text)?;
        }
    }
    Ok(Exit::Done)
}

/// An act in one line, and its reason below.
fn line(act: &Act, style: Style) -> String {
    let entry = &act.record.entry;
    let mut text = format!(
        "{} {:>7}  {}  {}\n",
        style.faint(&time(&act.record.time)),
        act.record.sequence,
        style.bold(&harmless(&entry.actor.name)),
        style.faint(&outcome(act)),
    );
    text.push_str(&wrapped(&harmless(&act.message()), 4));
    if let Some(reason) = &entry.reason {
        text.push_str(&wrapped(&format!("reason: {}", harmless(reason)), 4));
    }
    text
}
