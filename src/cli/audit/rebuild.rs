//! `audit rebuild`: the database anew from the journal.

use super::projection::{self, Task};
use crate::audit::DATABASE;
use crate::cli::output::{complain, print, print_json};
use crate::cli::user::refused;
use crate::cli::{Exit, Format, Global};
use crate::executor::local::Local;
use crate::journal::record::Action;
use serde_json::json;

pub(super) fn rebuild(global: &Global) -> anyhow::Result<Exit> {
    let mut local = Local::open(&global.layout())?;
    let message = "The history's database was dropped, to be filled again from the journal.".to_owned();
    // A console that runs here reads this, and makes the database anew itself: nobody takes a file away that it serves from.
    let asked = match local.record(Action::Journal, DATABASE, message) {
        Ok(record) => record,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let answer = projection::with_the_journal(global, &mut local, Task::Fill, asked)?;
    if let Some(refused) = answer.as_ref().and_then(|answer| answer.refused.clone()) {
        complain(&format!("pot-console: {refused}\n"));
        return Ok(Exit::Refused);
    }
    let held = answer.as_ref().and_then(|answer| answer.held);
    let problem = answer.as_ref().and_then(|answer| answer.problem.clone());
    match global.format {
        Format::Json => print_json(&json!({ "held": held, "note": problem }))?,
        Format::Text => match (held, problem) {
            (Some(held), None) => print(&format!("filled again from the journal, up to record {held}\n"))?,
            (Some(held), Some(note)) => {
                print(&format!("filled again from the journal, up to record {held}: {note}\n"))?;
            }
            (None, _) => print("there is no database yet; the console makes it at its start\n")?,
        },
    }
    Ok(Exit::Done)
}
