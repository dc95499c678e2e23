//! What the log says of the end of a pot that is not on this host any more.

use super::filters::Filters;
use super::reading::{AT_ONCE, log, problems, reading};
use crate::activity;
use crate::web::error::Fault;
use crate::web::visitor::Visitor;
use jiff::Timestamp;

/// Calls that are looked at: the newest may be another host's.
const CALLS: usize = 20;

/// What the log says of a pot's end.
pub(in crate::web) enum Destroyed {
    /// `pot destroy` was last called for it then. A call, no proof that pot did what was asked.
    Called(Timestamp),
    /// No such call was found; the time back to which was looked, when that is not the whole log.
    NotFound(Option<Timestamp>),
    /// It cannot be said, and why.
    Unknown(String),
}

/// Looks the pot up in the log, in as much of it as is read for one page.
pub(in crate::web) async fn destroyed(visitor: &Visitor, pot: &str) -> Destroyed {
    look(visitor, pot).await.unwrap_or_else(|fault| Destroyed::Unknown(fault.to_string()))
}

async fn look(visitor: &Visitor, pot: &str) -> Result<Destroyed, Fault> {
    let log = log(visitor).await?;
    if log.generations.is_empty() {
        return Ok(Destroyed::Unknown("this host has no log of what pot was asked to do.".to_owned()));
    }
    let filters = Filters { pot: pot.to_owned(), command: "destroy".to_owned(), ..Filters::default() };
    let query = filters.query(&log.zone, &log.hostname)?;
    let generations = log.generations;
    let (calls, _, summary) =
        reading(visitor, move |open| activity::newest(&generations, open, &query, None, CALLS, AT_ONCE)).await?;
    // What was found is so whatever else could not be read.
    if let Some(call) = calls.iter().find(|call| !call.foreign) {
        return Ok(Destroyed::Called(call.time));
    }
    Ok(match problems(&summary) {
        none if none.is_empty() => Destroyed::NotFound(summary.left_off.map(|left| left.back_to)),
        unread => Destroyed::Unknown(unread.join(" ")),
    })
}
