//! `audit show`: one act with everything that is recorded of it.

use super::{named, outcome, part, time};
use crate::audit::{Act, json_line};
use crate::cli::output::{Style, complain, print, print_json};
use crate::cli::user::refused;
use crate::cli::{Exit, Format, Global};
use crate::executor::local::Local;
use crate::journal::record::{Method, Record, Stage};
use crate::process::harmless;
use crate::refusal::Refusal;

pub(super) fn show(global: &Global, sequence: u64) -> anyhow::Result<Exit> {
    let mut local = Local::open(&global.layout())?;
    let act = match act_of(&mut local, sequence) {
        Ok(Some(act)) => act,
        Ok(None) => {
            complain(&format!("pot-console: there is no record {sequence}, or it was pruned\n"));
            return Ok(Exit::Refused);
        }
        Err(refusal) => return Ok(refused(&refusal)),
    };
    match global.format {
        Format::Json => print_json(&serde_json::from_str::<serde_json::Value>(&json_line(&act))?)?,
        Format::Text => print(&detail(&act, Style::of_stdout(global.format)))?,
    }
    Ok(Exit::Done)
}

/// The act that a record belongs to, with its outcome when there is one.
fn act_of(local: &mut Local, sequence: u64) -> Result<Option<Act>, Refusal> {
    let one = |local: &mut Local, wanted: u64| -> Result<Option<Record>, Refusal> {
        let Some(after) = wanted.checked_sub(1) else { return Ok(None) };
        Ok(part(local, after, 1)?.records.into_iter().find(|record| record.sequence == wanted))
    };
    let Some(mut record) = one(local, sequence)? else { return Ok(None) };
    // Its act may have ended before, by another one.
    if let Some(intent) = record.ends_act()
        && let Some(of) = one(local, intent)?
    {
        record = of;
    }
    let mut ended = None;
    if record.entry.stage == Stage::Intent {
        let mut after = record.sequence;
        'search: loop {
            let some = part(local, after, 500)?.records;
            let Some(last) = some.last().map(|record| record.sequence) else { break };
            for other in some {
                if other.ends_act() == Some(record.sequence) {
                    ended = Some(other);
                    break 'search;
                }
            }
            after = last;
        }
    }
    // What is not known yet is shown as such.
    record.entry.outcome = record.entry.outcome.filter(|_| record.entry.stage != Stage::Intent);
    Ok(Some(Act { record, ended }))
}

fn detail(act: &Act, style: Style) -> String {
    let entry = &act.record.entry;
    let mut text = format!("{}\n", style.bold(&harmless(&act.message())));
    let mut row = |name: &str, value: String| {
        text.push_str(&format!("{} {}\n", style.faint(&format!("{name:<9}")), harmless(&value)));
    };
    row("record", format!("{} ({})", act.record.sequence, act.record.id));
    row("when", time(&act.record.time));
    let role = entry.actor.role.map_or(String::new(), |role| format!(", {role}"));
    let known = match entry.actor.method {
        Method::Password => "known by password",
        Method::CommandLine => "at the command line",
        Method::SetupCode => "known by the set-up code",
        Method::Console => "by itself",
        Method::None => "not known",
    };
    row("who", format!("{}{role}, {known}", entry.actor.name));
    if let Some(claimed) = &entry.actor.claimed {
        row("claims", format!("to be {claimed}"));
    }
    if let Some(address) = &entry.reported.address {
        row("from", format!("{address}, as reported"));
    }
    row("action", named(&entry.action));
    row("object", entry.object.clone());
    row("outcome", outcome(act));
    if let Some(reason) = &entry.reason {
        row("reason", reason.clone());
    }
    if let Some(run) = entry.run {
        row("run", run.to_string());
    }
    let ended = act.ended.as_ref();
    if let Some(before) = &entry.before {
        row("before", before.to_string());
    }
    if let Some(after) = entry.after.as_ref().or(ended.and_then(|ended| ended.entry.after.as_ref())) {
        row("after", after.to_string());
    }
    if let Some(ended) = ended {
        row("ended", format!("{} (record {}): {}", time(&ended.time), ended.sequence, ended.entry.message));
    }
    for change in &entry.changes {
        let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        row("value", format!("{}: {} -> {}", change.name, side(&change.from), side(&change.to)));
    }
    if let Some(diff) = entry.diff.as_ref().or(ended.and_then(|ended| ended.entry.diff.as_ref())) {
        let mut lines = String::new();
        for line in diff.to_string().lines() {
            lines.push_str(&harmless(line));
            lines.push('\n');
        }
        text.push_str(&style.diff(&lines));
    }
    text
}
