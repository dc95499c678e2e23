//! /runs and /runs/N: past runs, and one that is under way: its output as it comes, its steps ticking off, and the
//! question whether to keep what it changed.
//!
//! The page is made of what the executor keeps; a reload or a second browser sees the same run from its start. The
//! script only adds lines (numbered, so none is lost or doubled) and fetches the parts that changed; without it the
//! page reloads itself.

use super::acts::button;
use super::connection::hand_on;
use super::error::{Fault, with_retry};
use super::feedback::Questions;
use super::known::Known;
use super::layout::{self, Button, Entry, Frame, Icon, Notice, Pages, Time};
use super::operations::{RunLine, runs, state_of, title, with_active};
use super::visitor::{Form, Visitor};
use crate::executor::protocol::{Command, FactsView, Nonce, RunEvents};
use crate::journal::record::Role;
use crate::plan::{
    Check, Leftover, Operation, Run, RunEvent, RunEventKind, RunState, StepProgress, Stream, shell_words,
};
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// How many lines the page itself carries; older ones are in the whole output.
const LINES: usize = 2000;
/// Most events asked for at once.
const BATCH: u32 = 2000;
/// Events that one who follows is sent at once: some dozen KiB.
const FOLLOWED_AT_ONCE: u32 = 200;
/// How long a follower waits for more before the next part: nobody reads faster.
const PAUSE: Duration = Duration::from_millis(150);
/// Whose turn it is to ask for the events of a run that is followed.
static FOLLOWERS: Semaphore = Semaphore::const_new(1);
/// How long an event stream waits for a hint before it looks by itself.
const LOOK: Duration = Duration::from_millis(500);
/// How often an event stream says that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/runs", web::get().to(list))
        .route("/runs/{run}", web::get().to(show))
        .route("/runs/{run}/parts", web::get().to(parts))
        .route("/runs/{run}/events", web::get().to(events))
        .route("/runs/{run}/output", web::get().to(output))
        .route("/runs/{run}/probe", web::get().to(probe))
        .route("/runs/{run}/abort", web::post().to(abort))
        .route("/runs/{run}/keep", web::post().to(keep))
        .route("/runs/{run}/put-back", web::post().to(put_back));
}

/// `templates/runs/runs.html`.
#[derive(Template)]
#[template(path = "runs/runs.html")]
struct List {
    frame: Frame,
    runs: Vec<RunLine>,
    pages: Pages,
}

#[derive(Debug, Deserialize)]
struct Before {
    before: Option<u64>,
}

async fn list(visitor: Visitor, query: web::Query<Before>) -> Result<HttpResponse, Fault> {
    const PAGE: usize = 50;
    let mut found = runs(&visitor, query.before, 51).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let older = found.last().filter(|_| more).map(|run| format!("/runs?before={}", run.id));
    let frame = with_active(
        visitor.frame(Entry::Operations, "Runs"),
        found.first().filter(|_| query.before.is_none()).map(|run| run.state),
    );
    let pages = Pages {
        label: "runs",
        newer: query.before.map(|_| "/runs".to_owned()),
        older,
        position: layout::counted(found.len(), "run", "runs"),
    };
    let runs = found.into_iter().map(|run| RunLine::of(&visitor, run)).collect();
    layout::page(StatusCode::OK, &List { frame, runs, pages })
}

/// `templates/runs/run.html`.
#[derive(Template)]
#[template(path = "runs/run.html")]
struct Page {
    frame: Frame,
    shown: Shown,
    lines: Vec<LineView>,
    left_out: usize,
    last: u64,
}

/// `templates/runs/gone.html`: a run whose output is not kept any more.
#[derive(Template)]
#[template(path = "runs/gone.html")]
struct Gone {
    frame: Frame,
    run: u64,
    message: String,
}

/// `templates/runs/_parts.html`: what changes while it runs.
#[derive(Template)]
#[template(path = "runs/_parts.html")]
struct Parts {
    frame: Frame,
    shown: Shown,
}

/// A run ready for its templates.
struct Shown {
    run: Run,
    heading: &'static str,
    command: Option<String>,
    started: Time,
    icon: Icon,
    state: &'static str,
    elapsed: String,
    ends: Option<Ends>,
    nonce: Option<String>,
    old_connection: bool,
    loopback: bool,
    peer: String,
    /// Of the checks that say something of the host as it is: good ones, and all.
    good: (usize, usize),
    may_answer: bool,
    leftovers: Vec<(String, &'static str)>,
    /// After pot was removed: why.
    feedback: Option<Questions>,
    /// What is to be done now; of the newest run alone.
    next: Option<Next>,
}

/// What comes next after a run.
enum Next {
    /// What is known of the host is of before its end; it is being read again.
    Reading,
    /// What the model of the host leads to.
    Known { heading: String, text: String, buttons: Vec<Button> },
}

/// A deadline.
struct Ends {
    /// Time of day, for reading.
    at: Time,
    /// Milliseconds of the Unix epoch.
    at_ms: i64,
    /// Seconds left.
    left: i64,
    /// Seconds in all.
    of: u16,
}

/// One line of output.
struct LineView {
    number: u64,
    time: String,
    class: &'static str,
    text: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates call methods, with references to what they loop over")]
impl Shown {
    fn waits(&self) -> bool {
        self.run.state == RunState::AwaitingKeep
    }

    fn ended(&self) -> bool {
        self.run.state.is_final()
    }

    fn ended_well(&self) -> bool {
        matches!(self.run.state, RunState::AsPlanned | RunState::Reverted)
    }

    /// Whether the page goes on by itself.
    fn goes_on(&self) -> bool {
        !self.ended() || self.reads_again()
    }

    fn reads_again(&self) -> bool {
        matches!(self.next, Some(Next::Reading))
    }

    /// What comes next: heading, text, buttons.
    fn next(&self) -> Option<(&str, &str, &[Button])> {
        match self.next.as_ref()? {
            Next::Reading => None,
            Next::Known { heading, text, buttons } => Some((heading, text, buttons)),
        }
    }

    /// The same plan once more, where the run did not end well; the main button unless something else comes next.
    fn again(&self) -> Option<(String, bool)> {
        let address = format!("/operations/{}", self.run.plan.operation.name());
        let buttons = self.next().map(|(_, _, buttons)| buttons).unwrap_or_default();
        let offered = buttons.iter().any(|button| button.address == address);
        let main = !self.reads_again() && !buttons.iter().any(|button| button.main);
        (!self.ended_well() && !offered).then_some((address, main))
    }

    fn state_name(&self) -> String {
        serde_json::to_value(self.run.state).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Checks of the host as it is.
    fn standing(&self) -> Vec<&Check> {
        self.run.standing_checks().collect()
    }

    /// Whether anything is known of how it was before.
    fn has_before(&self) -> bool {
        self.run.standing_checks().any(|check| check.before.as_deref().is_some_and(|before| !before.is_empty()))
    }

    /// Checks made before the change was put back.
    fn earlier(&self) -> Vec<&Check> {
        self.run.checks.iter().filter(|check| check.before_put_back).collect()
    }

    /// What the checks are held against.
    fn measure(&self) -> &'static str {
        if self.run.put_back.is_empty() { "as planned" } else { "as before" }
    }

    fn check_icon(&self, check: &Check) -> Icon {
        match check.as_planned {
            Some(true) if check.before_put_back => Icon::new("tick", "As planned then", "quiet"),
            Some(true) if !self.run.put_back.is_empty() => Icon::new("tick", "As before", "is-good"),
            Some(false) if !check.before_put_back && !self.run.put_back.is_empty() => {
                Icon::new("error", "Not as before", "is-error")
            }
            Some(true) => Icon::new("tick", "As planned", "is-good"),
            Some(false) => Icon::new("error", "Not as planned", "is-error"),
            None => Icon::new("wait", "Could not be seen", "quiet"),
        }
    }

    fn progress_icon(&self, index: &usize) -> Icon {
        let put_back = matches!(self.run.state, RunState::Reverted | RunState::RevertedInPart);
        match self.run.progress.get(*index).copied().flatten() {
            Some(StepProgress::Done) if put_back => Icon::new("back", "Put back", "quiet"),
            Some(StepProgress::Done) => Icon::new("tick", "Done", "is-good"),
            Some(StepProgress::Failed) => Icon::new("error", "Failed", "is-error"),
            Some(StepProgress::Running) => Icon::new("now", "Runs", "is-accent"),
            None => Icon::new("wait", "Not begun", "quiet"),
        }
    }
}

async fn run_of(visitor: &Visitor, run: u64) -> Result<Run, Fault> {
    Ok(visitor.ask(Command::RunState { run }).await?)
}

/// What the model of the host leads to, from facts that are newer than the end of the run; none while it goes on, and of
/// a run after which there was another.
async fn next(visitor: &Visitor, run: &Run) -> Result<Option<Next>, Fault> {
    let Some(ended) = run.ended.filter(|_| run.state.is_final()) else { return Ok(None) };
    if runs(visitor, None, 1).await?.first().is_none_or(|newest| newest.id != run.id) {
        return Ok(None);
    }
    let Some(known) = Known::of(visitor).await? else { return Ok(Some(Next::Reading)) };
    if known.facts.at < ended {
        if !known.refreshing {
            visitor.ask::<FactsView>(Command::Facts { refresh: true }).await?;
        }
        return Ok(Some(Next::Reading));
    }
    let state = known.state(visitor);
    // It ended between two questions of this page.
    if state.run.as_ref().is_some_and(|under_way| under_way.id == run.id) {
        return Ok(Some(Next::Reading));
    }
    let open_drift = state.open_drift();
    let may = visitor.may(Role::Operator);
    Ok(Some(match state.lead.clone() {
        Some(lead) => {
            let mut buttons: Vec<Button> = lead.acts.iter().map(|offer| button(offer, may)).collect();
            if open_drift > 0 {
                // Each difference, with what ends it, stands there.
                buttons.push(Button {
                    label: "Look at what differs".to_owned(),
                    address: "/#l-drift".to_owned(),
                    main: false,
                });
            }
            Next::Known { buttons, heading: lead.heading, text: lead.text }
        }
        None => Next::Known {
            heading: "Nothing is to be done now".to_owned(),
            text: state.at_rest(),
            buttons: vec![Button { label: "Host".to_owned(), address: "/".to_owned(), main: true }],
        },
    }))
}

/// What this run left behind and is still there: of what somebody has cleaned up since nothing is offered.
async fn left(visitor: &Visitor, run: &Run) -> Result<Vec<Leftover>, Fault> {
    let mut left = run.leftovers.clone();
    if left.is_empty() {
        return Ok(left);
    }
    let known = Known::of(visitor).await?;
    // What the run saw at its end is newer than facts of before.
    let is_newer = |known: &Known| run.ended.is_none_or(|ended| known.facts.at < ended);
    if !known.as_ref().is_some_and(is_newer) {
        let still = known.map(|known| known.left).unwrap_or_default();
        left.retain(|item| still.contains(item));
    }
    Ok(left)
}

async fn shown(visitor: &Visitor, run: Run) -> Result<Shown, Fault> {
    let clock = visitor.clock();
    let (icon, state) = match (run.state, run.deadline) {
        (RunState::AwaitingKeep, None) => (Icon::new("now", "", "is-accent"), "Answered"),
        (state, _) => state_of(state),
    };
    let mut nonce = None;
    let mut old_connection = false;
    if run.state == RunState::AwaitingKeep && visitor.may(Role::Operator) {
        // Given out only over a connection that was accepted after the change.
        let command = Command::KeepNonce {
            run: run.id,
            accepted_ms: visitor.connection.accepted_ms,
            connection: visitor.connection.number,
        };
        match visitor.ask(command).await {
            Ok(Nonce { nonce: given }) => nonce = Some(given.0.clone()),
            Err(_) => old_connection = true,
        }
    }
    let peer = visitor.connection.peer.map(|peer| peer.ip().to_canonical());
    let ends = run.deadline.map(|deadline| Ends {
        at: clock.time(&deadline),
        at_ms: deadline.as_millisecond(),
        left: (deadline.as_millisecond() - Timestamp::now().as_millisecond()).max(0) / 1000,
        of: run.plan.revert_after.unwrap_or(60),
    });
    let until = run.ended.unwrap_or_else(Timestamp::now);
    let leftovers = left(visitor, &run)
        .await?
        .iter()
        .filter_map(|left| {
            let value = serde_json::to_value(left).ok()?.as_str()?.to_owned();
            Some((value, left.in_words()))
        })
        .collect();
    let next = next(visitor, &run).await?;
    Ok(Shown {
        heading: title(&run.plan.operation),
        command: run.plan.command(),
        started: clock.time(&run.started),
        icon,
        state,
        elapsed: seconds(until.as_millisecond() - run.started.as_millisecond()),
        ends,
        nonce,
        old_connection,
        loopback: peer.is_some_and(|peer| peer.is_loopback()),
        peer: peer.map(|peer| peer.to_string()).unwrap_or_default(),
        good: (
            run.standing_checks().filter(|check| check.as_planned == Some(true)).count(),
            run.standing_checks().count(),
        ),
        may_answer: visitor.may(Role::Operator),
        leftovers,
        feedback: (run.state == RunState::AsPlanned && matches!(run.plan.operation, Operation::DeInit { .. }))
            .then(|| Questions::on(visitor, format!("/runs/{}", run.id))),
        next,
        run,
    })
}

/// "8 s", "2 min 5 s".
fn seconds(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    if seconds < 100 { format!("{seconds} s") } else { format!("{} min {} s", seconds / 60, seconds % 60) }
}

fn run_title(shown: &Shown) -> String {
    match (&shown.ends, shown.run.state) {
        (Some(ends), RunState::AwaitingKeep) => format!("{} s to answer · Run {}", ends.left, shown.run.id),
        (_, RunState::Running) => format!("Running · Run {}", shown.run.id),
        (_, _) => format!("{} · Run {}", shown.state, shown.run.id),
    }
}

fn frame(visitor: &Visitor, shown: &Shown) -> Frame {
    let mut frame = with_active(visitor.frame(Entry::Operations, run_title(shown)), Some(shown.run.state));
    // The page is the run's own.
    frame.strip = Some(visitor.strip().on_run(shown.run.id).shown());
    frame
}

async fn show(visitor: Visitor, run: web::Path<u64>) -> Result<HttpResponse, Fault> {
    or_gone(&visitor, *run, page(&visitor, *run, StatusCode::OK, None).await)
}

/// The page, or the way to the history where that is all that is left of a run.
fn or_gone(visitor: &Visitor, run: u64, page: Result<HttpResponse, Fault>) -> Result<HttpResponse, Fault> {
    let Err(fault) = page else { return page };
    let Some(refusal) = fault.refusal(RefusalKind::Gone) else { return Err(fault) };
    let frame = visitor.frame(Entry::Operations, format!("Run {run}"));
    layout::page(StatusCode::GONE, &Gone { frame, run, message: refusal.message.clone() })
}

async fn page(visitor: &Visitor, run: u64, status: StatusCode, notice: Option<Notice>) -> Result<HttpResponse, Fault> {
    let run = run_of(visitor, run).await?;
    let (events, last) = all_events(visitor, run.id).await?;
    let shown = shown(visitor, run).await?;
    let mut lines: Vec<LineView> = events.iter().filter_map(|event| line(visitor, event)).collect();
    let left_out = lines.len().saturating_sub(LINES);
    lines.drain(..left_out);
    let waits = shown.waits();
    let frame = frame(visitor, &shown).with_notice(notice);
    let mut response = layout::page(status, &Page { frame, shown, lines, left_out, last })?;
    if waits {
        // Keep has to come over another connection than this page.
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

async fn all_events(visitor: &Visitor, run: u64) -> Result<(Vec<RunEvent>, u64), Fault> {
    let mut all = Vec::new();
    let mut after = 0;
    loop {
        let RunEvents { events, .. } = visitor.ask(Command::RunEvents { run, after, limit: BATCH }).await?;
        let Some(last) = events.last() else { return Ok((all, after)) };
        after = last.number;
        all.extend(events);
        // A run that writes without end must not hold the page for ever.
        if all.len() > 200_000 {
            return Ok((all, after));
        }
    }
}

/// An event as a line of output; steps, checks and states are shown elsewhere.
fn line(visitor: &Visitor, event: &RunEvent) -> Option<LineView> {
    let (class, text) = match &event.what {
        RunEventKind::Line { stream, text } => (level(*stream, text), text.clone()),
        RunEventKind::Command { argv } => ("lv-command", format!("$ {}", shell_words(argv))),
        RunEventKind::Exit { text, .. } => ("lv-exit", text.clone()),
        RunEventKind::Step { .. } | RunEventKind::Check(_) | RunEventKind::State { .. } => return None,
    };
    let zoned = event.time.to_zoned_datetime(visitor.clock().zone().clone());
    Some(LineView { number: event.number, time: zoned.strftime("%H:%M:%S%.3f").to_string(), class, text })
}

/// pot's level of a line.
fn level(stream: Stream, text: &str) -> &'static str {
    match stream {
        _ if text.starts_with("###>") => "lv-error",
        _ if text.starts_with("=====>") => "lv-debug",
        _ if text.starts_with("===>") => "lv-info",
        Stream::Err => "lv-err",
        Stream::Console => "lv-console",
        Stream::Out => "lv-out",
    }
}

async fn parts(visitor: Visitor, run: web::Path<u64>) -> Result<HttpResponse, Fault> {
    let run = run_of(&visitor, *run).await?;
    let shown = shown(&visitor, run).await?;
    let waits = shown.waits();
    let mut response = layout::page(StatusCode::OK, &Parts { frame: frame(&visitor, &shown), shown })?;
    if waits {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

/// Whether a new connection gets through: each answer ends its connection, so each question needs a new one.
async fn probe(visitor: Visitor, run: web::Path<u64>) -> Result<HttpResponse, Fault> {
    let run = run_of(&visitor, *run).await?;
    let shown = shown(&visitor, run).await?;
    let answer = json!({
        "state": shown.state_name(),
        "nonce": shown.nonce,
        "new": shown.nonce.is_some(),
        "deadline_ms": shown.ends.as_ref().map(|ends| ends.at_ms),
        "now_ms": Timestamp::now().as_millisecond(),
    });
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).force_close().json(answer))
}

#[derive(Debug, Deserialize)]
struct After {
    after: Option<u64>,
}

/// The run's events as they come, each with its number; the browser says the last it has when it comes back.
async fn events(
    request: HttpRequest,
    visitor: Visitor,
    run: web::Path<u64>,
    query: web::Query<After>,
) -> Result<HttpResponse, Fault> {
    let run = *run;
    // No such run: said before a stream begins.
    run_of(&visitor, run).await?;
    let last = request
        .headers()
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse::<u64>().ok())
        .or(query.after)
        .unwrap_or(0);
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    actix_web::rt::spawn(async move {
        // An error ends the stream; the browser comes back and is told by the page.
        if let Err(fault) = follow(&visitor, run, last, &sender).await {
            tracing::debug!(%fault, "following a run ended");
        }
    });
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (Ok::<_, std::convert::Infallible>(chunk), receiver))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        // A compressed stream would wait for more to compress.
        .insert_header((CONTENT_ENCODING, "identity"))
        .streaming(stream))
}

async fn follow(visitor: &Visitor, run: u64, mut after: u64, sender: &mpsc::Sender<Bytes>) -> Result<(), Fault> {
    let mut hints = visitor.state().client.hints();
    let mut stopping = visitor.state().stopping.clone();
    // All connections end when a change begins to wait for its answer: the stream ends before its own is cut, so that the
    // browser is told no error, and comes back over a new one.
    let closed = hints.borrow().close_connections;
    let mut said = tokio::time::Instant::now();
    // How soon to come back when the connection breaks, in milliseconds.
    if !hand_on(sender, "retry: 1000\n\n").await {
        return Ok(());
    }
    loop {
        let closing = hints.borrow().close_connections != closed;
        let RunEvents { events, ended } = next_events(visitor, run, after).await?;
        if let Some(last) = events.last() {
            after = last.number;
            said = tokio::time::Instant::now();
            if !hand_on(sender, as_stream(visitor, &events)).await {
                return Ok(());
            }
        } else if ended {
            let _ = hand_on(sender, format!("id: {after}\nevent: end\ndata: {{}}\n\n")).await;
            return Ok(());
        } else if said.elapsed() >= HEARTBEAT {
            said = tokio::time::Instant::now();
            if !hand_on(sender, ": still here\n\n").await {
                return Ok(());
            }
        }
        if closing {
            return Ok(());
        }
        let more = async {
            if !events.is_empty() {
                // What comes within the pause comes as one part.
                tokio::time::sleep(PAUSE).await;
            }
            if events.len() < FOLLOWED_AT_ONCE as usize {
                let _ = tokio::time::timeout(LOOK, hints.changed()).await;
            }
        };
        tokio::select! {
            () = more => {}
            () = sender.closed() => return Ok(()),
            _ = stopping.changed() => return Ok(()),
        }
    }
}

/// The events after one. All who follow stand in one line for them: however many they are, the executor answers one of
/// them at a time, and everybody else's questions beside it.
async fn next_events(visitor: &Visitor, run: u64, after: u64) -> Result<RunEvents, Fault> {
    let _turn = FOLLOWERS.acquire().await.map_err(|error| Fault::Unexpected(error.to_string()))?;
    Ok(visitor.ask(Command::RunEvents { run, after, limit: FOLLOWED_AT_ONCE }).await?)
}

fn as_stream(visitor: &Visitor, events: &[RunEvent]) -> String {
    let mut text = String::new();
    for event in events {
        let data = match line(visitor, event) {
            Some(line) => json!({ "number": line.number, "time": line.time, "class": line.class, "text": line.text }),
            None => json!({ "number": event.number, "changed": true }),
        };
        // JSON has no line ends: one data line.
        let _ = write!(text, "id: {}\nevent: run\ndata: {data}\n\n", event.number);
    }
    text
}

/// The whole output as text.
async fn output(visitor: Visitor, run: web::Path<u64>) -> Result<HttpResponse, Fault> {
    let run = match run_of(&visitor, *run).await {
        Ok(run) => run,
        Err(fault) => return or_gone(&visitor, *run, Err(fault)),
    };
    let (events, _) = all_events(&visitor, run.id).await?;
    let mut text = String::new();
    for line in events.iter().filter_map(|event| line(&visitor, event)) {
        let _ = writeln!(text, "{} {}", line.time, line.text);
    }
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(text))
}

async fn abort(visitor: Visitor, run: web::Path<u64>, _form: Form) -> Result<HttpResponse, Fault> {
    let run = *run;
    answer(&visitor, run, visitor.ask(Command::Abort { run }).await).await
}

async fn keep(visitor: Visitor, run: web::Path<u64>, form: Form) -> Result<HttpResponse, Fault> {
    let run = *run;
    let Some(nonce) = form.text("nonce") else {
        let words = "This page was loaded over a connection that is older than the change. It is loaded anew now: press Keep again.";
        return page(&visitor, run, StatusCode::CONFLICT, Some(Notice::attention(words))).await;
    };
    let command = Command::Keep {
        run,
        nonce: Secret(nonce.to_owned()),
        accepted_ms: visitor.connection.accepted_ms,
        connection: visitor.connection.number,
    };
    answer(&visitor, run, visitor.ask(command).await).await
}

async fn put_back(visitor: Visitor, run: web::Path<u64>, _form: Form) -> Result<HttpResponse, Fault> {
    let run = *run;
    answer(&visitor, run, visitor.ask(Command::PutBack { run }).await).await
}

/// The run's page after an answer, or with why it was not taken.
async fn answer(visitor: &Visitor, run: u64, result: Result<(), Refusal>) -> Result<HttpResponse, Fault> {
    match result {
        Ok(()) => Ok(layout::see_other(&format!("/runs/{run}"))),
        Err(refusal) if matches!(refusal.kind, RefusalKind::Conflict | RefusalKind::NotFound | RefusalKind::Busy) => {
            let status = actix_web::ResponseError::status_code(&Fault::from(refusal.clone()));
            let page = page(visitor, run, status, Some(Notice::attention(refusal.message))).await?;
            Ok(with_retry(page, refusal.kind))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
