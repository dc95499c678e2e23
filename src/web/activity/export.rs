//! /activity/export: the filtered lines as a file.

use super::chunks;
use super::filters::Filters;
use super::reading::{log, problems, reading_in, too_many, turn_of};
use crate::activity::{self, Entry};
use crate::audit::csv_field;
use crate::web::connection::PATIENCE;
use crate::web::error::Fault;
use crate::web::turns::Turns;
use crate::web::visitor::Visitor;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use jiff::tz::TimeZone;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Semaphore, mpsc};

/// An export lasts as long as its reader is slow. Those beyond are refused.
static EXPORTS: Semaphore = Semaphore::const_new(4);
/// Exports of one session at a time: whoever takes their time with theirs leaves some to the others.
static EXPORTS_OF_ONE: Turns = Turns::new(2);

/// The filtered lines as a file, newest first, streamed.
pub(super) async fn export(visitor: Visitor, filters: web::Query<Filters>) -> Result<HttpResponse, Fault> {
    let (kind, name) = match filters.format.as_str() {
        "" | "text" => ("text/plain; charset=utf-8", "activity.txt"),
        "csv" => ("text/csv; charset=utf-8", "activity.csv"),
        "json" => ("application/x-ndjson", "activity.jsonl"),
        other => return Err(Fault::Invalid(format!("{other} is no format of this export: text, csv or json."))),
    };
    let format = filters.format.clone();
    let log = log(&visitor).await?;
    let query = filters.query(&log.zone, &log.hostname)?;
    let own = EXPORTS_OF_ONE.try_take(&visitor.session.id).ok_or_else(|| too_many("exports of yours run"))?;
    let turn = (own, turn_of(&EXPORTS, "exports run")?);
    let (sender, receiver) = mpsc::channel::<Bytes>(16);
    let complete = Arc::new(AtomicBool::new(false));
    let completed = complete.clone();
    let runtime = tokio::runtime::Handle::current();
    let reader = visitor.clone();
    actix_web::rt::spawn(async move {
        let written = reading_in(&reader, turn, move |open| {
            // Waits for a slow reader; stops when it is gone, or takes nothing for long.
            let send = |chunk: String| {
                let sent = runtime.block_on(tokio::time::timeout(PATIENCE, sender.send(Bytes::from(chunk))));
                matches!(sent, Ok(Ok(())))
            };
            let mut going = true;
            let mut chunk = if format == "csv" { CSV_HEAD.to_owned() } else { String::new() };
            let summary = activity::each(&log.generations, open, &query, None, &mut |entry| {
                chunk.push_str(&exported(&entry, &format, &log.zone));
                if chunk.len() < 32 << 10 {
                    return ControlFlow::Continue(());
                }
                going = send(std::mem::take(&mut chunk));
                if going { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            for problem in problems(&summary) {
                chunk.push_str(&unread(&problem, &format));
            }
            completed.store(going && send(chunk), Ordering::Relaxed);
        })
        .await;
        if let Err(fault) = written {
            tracing::warn!(%fault, "an export of the activity ended early");
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, kind))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(chunks(receiver, complete)))
}

const CSV_HEAD: &str = "time,host,foreign,priority,pid,command,arguments,pot,changes,times,message\r\n";

/// What an export says at its end of a file that could not be read to its end: whoever counts its lines must know.
fn unread(problem: &str, format: &str) -> String {
    let words = format!("not read to the end: {problem}");
    match format {
        "json" => serde_json::json!({ "problem": words }).to_string() + "\n",
        // Only the last field, the message.
        "csv" => ",".repeat(CSV_HEAD.matches(',').count()) + &csv_field(&words) + "\r\n",
        _ => format!("# {words}\n"),
    }
}

/// One entry as a line of an export.
fn exported(entry: &Entry, format: &str, zone: &TimeZone) -> String {
    match format {
        "json" => serde_json::to_string(entry).unwrap_or_default() + "\n",
        "csv" => {
            let pid = entry.pid.map_or(String::new(), |pid| pid.to_string());
            let optional = |text: &Option<String>| text.clone().unwrap_or_default();
            let fields = [
                entry.time.to_string(),
                entry.host.clone(),
                entry.foreign.to_string(),
                optional(&entry.priority),
                pid,
                optional(&entry.command),
                optional(&entry.arguments),
                optional(&entry.pot),
                entry.changes.to_string(),
                entry.times.to_string(),
                entry.message.clone(),
            ];
            fields.iter().map(|field| csv_field(field)).collect::<Vec<_>>().join(",") + "\r\n"
        }
        _ => {
            let local = entry.time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
            let times = if entry.times > 1 { format!(" ({} times)", entry.times) } else { String::new() };
            format!("{local} {} {}{times}\n", entry.host, entry.message.replace('\n', " ⏎ "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_says_at_its_end_what_could_not_be_read() {
        let row = unread("/var/log/pot.log.1.bz2: it ends, \"early\"", "csv");
        assert_eq!(row, ",,,,,,,,,,\"not read to the end: /var/log/pot.log.1.bz2: it ends, \"\"early\"\"\"\r\n");
        assert_eq!(unread("a: b", "json"), "{\"problem\":\"not read to the end: a: b\"}\n");
        assert_eq!(unread("a: b", "text"), "# not read to the end: a: b\n");
    }

    #[test]
    fn a_log_line_is_no_formula_in_a_spreadsheet() {
        assert_eq!(csv_field("=1+1"), "\"'=1+1\"");
        assert_eq!(csv_field("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(csv_field("plain"), "plain");
    }
}
