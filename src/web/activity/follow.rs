//! /activity/events: what is appended to the log, as it is appended.

use super::chunks;
use super::entries::{Line, run_of, runs_of};
use super::filters::Filters;
use super::reading::{AT_ONCE, READINGS, Turn, blocking, is_live, log, reading_in, turn_of};
use crate::activity::{self, Entry, Follower, Generation, Missed, Query, StreamPosition};
use crate::audit::Act;
use crate::refusal::RefusalKind;
use crate::web::connection::{PATIENCE, hand_on};
use crate::web::error::Fault;
use crate::web::layout::Clock;
use crate::web::visitor::Visitor;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template as _;
use bytes::Bytes;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// How often an appended line is looked for while someone follows, one fstat(2) each time; the more follow, the more
/// seldom, so that all of them together stay cheap.
const POLL: Duration = Duration::from_millis(25);
/// How often the executor is asked whether the log was rotated and whether the session still holds.
const ROTATION: Duration = Duration::from_secs(1);
/// A line now and then, so that proxies and browsers keep the stream.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Each follower holds a descriptor, and a thread while it looks.
const MOST_FOLLOWERS: usize = 256;
static FOLLOWERS: Semaphore = Semaphore::const_new(MOST_FOLLOWERS);

/// What is appended, as it is appended: one event an entry, ready to be put at the head of the list.
pub(super) async fn events(
    visitor: Visitor,
    filters: web::Query<Filters>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    // A browser that connects again says what it has; a page says how far it was read.
    let last = request.headers().get("Last-Event-ID").and_then(|told| told.to_str().ok());
    let told: Option<StreamPosition> = last.or(Some(filters.from.as_str())).and_then(|told| told.parse().ok());
    let log = log(&visitor).await?;
    let query = filters.query(&log.zone, &log.hostname)?;
    let turn = turn_of(&FOLLOWERS, "pages follow the log")?;
    let (sender, receiver) = mpsc::channel::<Bytes>(16);
    actix_web::rt::spawn(async move {
        let _turn = turn;
        // An error ends the stream; the browser connects again and is told what is wrong by the page.
        if let Err(fault) = follow(&visitor, &query, told, &sender).await {
            tracing::debug!(%fault, "following the log ended");
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        // A compressed stream would wait for more to compress.
        .insert_header((CONTENT_ENCODING, "identity"))
        .streaming(chunks(receiver, Arc::new(AtomicBool::new(true)))))
}

/// Follows the log: first what was logged after `told`, then what is appended, through every rotation.
async fn follow(
    visitor: &Visitor,
    query: &Query,
    mut told: Option<StreamPosition>,
    sender: &mpsc::Sender<Bytes>,
) -> Result<(), Fault> {
    let mut stopping = visitor.state().stopping.clone();
    // When a change begins to wait for its answer all connections are cut: the stream ends before.
    let mut hints = visitor.state().client.hints();
    let closed = hints.borrow().close_connections;
    let shared = Arc::new(query.clone());
    let mut follower: Option<Follower> = None;
    let mut looked = tokio::time::Instant::now() - ROTATION;
    let mut said = tokio::time::Instant::now() - HEARTBEAT;
    loop {
        if looked.elapsed() >= ROTATION {
            looked = tokio::time::Instant::now();
            let generations = log(visitor).await?.generations;
            // While the live file is away the newest rotated one stands first: what is in it was told.
            let live = generations.first().filter(|generation| is_live(generation)).map(|live| live.identity);
            if let Some(live) = live
                && follower.as_ref().map(Follower::identity) != Some(live)
            {
                if let Some(mut old) = follower.take() {
                    // What was written up to the rotation comes first.
                    loop {
                        let before = old.told().offset;
                        old = send(visitor, old, &shared, sender).await?;
                        if old.told().offset == before {
                            break;
                        }
                    }
                    told = Some(old.told());
                }
                let begun = match told {
                    None => None,
                    Some(told) if told.identity == live => Some(told.offset),
                    Some(_) => Some(0),
                };
                if let Some(told) = &mut told
                    && told.identity != live
                {
                    send_missed(visitor, generations, query, told, sender).await?;
                }
                match visitor.open_log(0).await {
                    // Rotated again in between: the next look finds that.
                    Ok((file, _)) => {
                        let next = blocking(move || match begun {
                            None => Follower::new(file),
                            Some(offset) => Follower::at(file, offset),
                        });
                        follower = next.await?.ok().filter(|next| next.identity() == live);
                    }
                    // It may be away for a moment while it is rotated.
                    Err(refusal) if matches!(refusal.kind, RefusalKind::NotFound | RefusalKind::Failed) => {}
                    Err(refusal) => return Err(refusal.into()),
                }
            }
        }
        if let Some(present) = follower.take() {
            let before = present.told().offset;
            let present = send(visitor, present, &shared, sender).await?;
            if present.told().offset != before {
                said = tokio::time::Instant::now();
            }
            follower = Some(present);
        }
        if said.elapsed() >= HEARTBEAT {
            said = tokio::time::Instant::now();
            if !hand_on(sender, ": still here\n\n").await {
                return Ok(());
            }
        }
        let following = MOST_FOLLOWERS.saturating_sub(FOLLOWERS.available_permits());
        tokio::select! {
            () = tokio::time::sleep(POLL * u32::try_from(1 + following / 16).unwrap_or(1)) => {}
            () = sender.closed() => return Ok(()),
            _ = hints.wait_for(|hints| hints.close_connections != closed) => return Ok(()),
            _ = stopping.changed() => return Ok(()),
        }
    }
}

/// Sends what was logged after `told` in files that are no longer the live one, and notes how far that tells.
async fn send_missed(
    visitor: &Visitor,
    generations: Vec<Generation>,
    query: &Query,
    told: &mut StreamPosition,
    sender: &mpsc::Sender<Bytes>,
) -> Result<(), Fault> {
    let turn = Turn::of(visitor, &READINGS).await?;
    let (followed, live) = (sender.clone(), generations.first().map(|generation| generation.identity));
    let (begin, query, asking, sender) = (*told, query.clone(), visitor.clone(), sender.clone());
    let runtime = tokio::runtime::Handle::current();
    let (reached, read) = reading_in(visitor, turn, move |open| {
        let mut reached = begin;
        let read = activity::missed(&generations, open, &query, begin, AT_ONCE, &mut |entries, told| {
            let runs = runtime.block_on(runs_of(&asking, &entries)).unwrap_or_default();
            for chunk in events_of(entries, told, asking.clock(), &runs) {
                let sent = runtime.block_on(tokio::time::timeout(PATIENCE, sender.send(chunk)));
                if !matches!(sent, Ok(Ok(()))) {
                    return ControlFlow::Break(());
                }
            }
            reached = told;
            ControlFlow::Continue(())
        });
        (reached, read)
    })
    .await?;
    *told = reached;
    let read = read.map_err(|error| Fault::Unexpected(format!("following the log: {error}")))?;
    if let (Missed::TooMuch, Some(live)) = (read, live) {
        // The stream goes on with the live file, also when it is broken off and begun again. The page says that there is
        // a gap.
        *told = StreamPosition { identity: live, offset: 0, written: None };
        hand_on(&followed, format!("event: gap\nid: {told}\ndata: too much was logged meanwhile\n\n")).await;
    }
    Ok(())
}

/// Sends what was appended, and gives the follower back.
async fn send(
    visitor: &Visitor,
    mut follower: Follower,
    query: &Arc<Query>,
    sender: &mpsc::Sender<Bytes>,
) -> Result<Follower, Fault> {
    let query = Arc::clone(query);
    let (follower, entries) = blocking(move || {
        let entries = follower.poll(&query);
        (follower, entries)
    })
    .await?;
    let entries = entries.map_err(|error| Fault::Unexpected(format!("following the log: {error}")))?;
    // A line is worth more than whose run it was.
    let runs = runs_of(visitor, &entries).await.unwrap_or_default();
    for event in events_of(entries, follower.told(), visitor.clock(), &runs) {
        if !hand_on(sender, event).await {
            return Err(Fault::Unexpected("nobody takes what was logged".to_owned()));
        }
    }
    Ok(follower)
}

/// One event an entry, each with where the stream goes on when it is broken off behind it: at the next entry, behind the
/// last one where `told` says.
fn events_of(entries: Vec<Entry>, told: StreamPosition, clock: &Clock, runs: &[Act]) -> impl Iterator<Item = Bytes> {
    let next = entries.iter().skip(1).map(|entry| StreamPosition { offset: entry.cursor.offset, ..told });
    let ids: Vec<StreamPosition> = next.chain([told]).collect();
    entries.into_iter().zip(ids).map(move |(entry, id)| {
        let run = run_of(&entry, runs);
        let line = Line { entry, clock: clock.clone(), fresh: true, run };
        let mut event = format!("event: entry\nid: {id}\n");
        for part in line.render().unwrap_or_default().lines() {
            event.push_str("data: ");
            event.push_str(part);
            event.push('\n');
        }
        event.push('\n');
        Bytes::from(event)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;
    use std::io::Write as _;

    #[test]
    fn a_stream_that_breaks_off_behind_any_event_goes_on_with_the_next_one() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for number in 0..4 {
            let repeated = if number == 1 { "Nov 23 20:20:46 h last message repeated 2 times\n" } else { "" };
            write!(file, "Nov 23 20:20:46 h pot[7]: pot-start web{number}\n\tmore\n{repeated}").unwrap();
        }
        let query = Query::default();
        let rest = |from| {
            let mut follower = Follower::at(file.reopen().unwrap(), from).unwrap();
            (follower.poll(&query).unwrap(), follower.told())
        };
        let (entries, told) = rest(0);
        let events: Vec<Bytes> = events_of(entries, told, &Clock::now_in(TimeZone::UTC), &[]).collect();
        assert_eq!(events.len(), 4);
        for (number, event) in events.iter().enumerate() {
            let text = std::str::from_utf8(event).unwrap();
            let id: StreamPosition = text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().parse().unwrap();
            let pots: Vec<_> = rest(id.offset).0.into_iter().filter_map(|entry| entry.pot).collect();
            let wanted: Vec<_> = (number + 1..4).map(|number| format!("web{number}")).collect();
            assert_eq!(pots, wanted, "after {text}");
        }
    }
}
