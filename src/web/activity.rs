//! Activity: what pot was asked to do, as syslog has it. The lines are read here, in the unprivileged process, on
//! descriptors that the executor opened.

use super::connection::{PATIENCE, hand_on};
use super::error::Fault;
use super::layout::{self, Clock, Entry as Place, Frame, Pages};
use super::turns::Turns;
use super::visitor::Visitor;
use crate::activity::{
    self, Budget, Cursor, Entry, Follower, Generation, Histogram, LeftOff, Missed, Query, StreamPosition, Summary,
    line, meaning,
};
use crate::audit::Act;
use crate::audit::csv_field;
use crate::executor::protocol::{Command, Compression, LogFileView, LogFiles};
use crate::refusal::{Refusal, RefusalKind};
use crate::rules::{LogRoute, log_route};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::fs::File;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, mpsc};

/// Entries on one page.
const PAGE: usize = 100;
/// What is looked at for one page, for counts, and for a follower who comes back: one or two seconds' worth of text,
/// whether it was found packed or not, so that nobody waits long for a turn behind a log of gigabytes. A single packed file
/// may hold twice as much. A page that has entries leaves packed files of more than some tenths of a second to the next.
const AT_ONCE: Budget = Budget { text: 256 << 20, packed: 512 << 20, packed_for_more: 1 << 20 };
/// Bars of the histogram.
const BARS: usize = 60;
/// How often an appended line is looked for while someone follows, one fstat(2) each time; the more follow, the more
/// seldom, so that all of them together stay cheap.
const POLL: Duration = Duration::from_millis(25);
/// How often the executor is asked whether the log was rotated and whether the session still holds.
const ROTATION: Duration = Duration::from_secs(1);
/// A line now and then, so that proxies and browsers keep the stream.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Each reading holds blocks of the log, and a thread. Those beyond wait for their turn.
static READINGS: Semaphore = Semaphore::const_new(4);
/// Counts go through the whole log: pages do not wait behind them.
static COUNTS: Semaphore = Semaphore::const_new(2);
/// Readings and counts of one session at a time: however much it asks for, the others have their turns.
static READINGS_OF_ONE: Turns = Turns::new(2);
/// An export lasts as long as its reader is slow. Those beyond are refused.
static EXPORTS: Semaphore = Semaphore::const_new(4);
/// Exports of one session at a time: whoever takes their time with theirs leaves some to the others.
static EXPORTS_OF_ONE: Turns = Turns::new(2);
/// Each follower holds a descriptor, and a thread while it looks.
const MOST_FOLLOWERS: usize = 256;
static FOLLOWERS: Semaphore = Semaphore::const_new(MOST_FOLLOWERS);

/// The routes of this file. All of them are for those who are signed in.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/activity", web::get().to(show))
        .route("/activity/counts", web::get().to(counts))
        .route("/activity/events", web::get().to(events))
        .route("/activity/export", web::get().to(export));
}

/// The filters as they stand in the address. Empty ones are as good as absent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Filters {
    since: String,
    until: String,
    command: String,
    pot: String,
    level: String,
    changes: String,
    text: String,
    /// Where a page begins.
    before: String,
    /// `1`: follow what is appended.
    follow: String,
    /// `1`: show the counts in the page itself, for browsers without JavaScript.
    counts: String,
    /// Of what is followed: how far the page was read.
    from: String,
    /// Of an export: `text`, `csv` or `json`.
    format: String,
}

impl Filters {
    fn query(&self, zone: &TimeZone, hostname: &str) -> Result<Query, Fault> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let time = |text: &str| {
            let now = Timestamp::now();
            (!text.trim().is_empty())
                .then(|| activity::parse_time(text, zone, now).map_err(|error| Fault::Invalid(error.to_string())))
                .transpose()
        };
        for (field, text) in [("text", &self.text), ("pot", &self.pot), ("command", &self.command)] {
            if text.len() > 200 {
                return Err(Fault::Invalid(format!("The filter {field} is longer than 200 characters.")));
            }
        }
        if !self.command.is_empty() && !meaning::commands().any(|command| command == self.command) {
            return Err(Fault::Invalid(format!("{} is no command of pot.", self.command)));
        }
        let level = given(&self.level)
            .map(|name| {
                line::level_number(&name).ok_or_else(|| Fault::Invalid(format!("{name} is no level of syslog.")))
            })
            .transpose()?;
        let (since, until) = (time(&self.since)?, time(&self.until)?);
        if since.zip(until).is_some_and(|(since, until)| since >= until) {
            return Err(Fault::Invalid("The time ends before it begins: From must be earlier than Until.".to_owned()));
        }
        Ok(Query {
            since,
            until,
            command: given(&self.command),
            pot: given(self.pot.trim()),
            level,
            changes_only: self.changes == "1",
            text: given(&self.text),
            zone: zone.clone(),
            hostname: hostname.to_owned(),
        })
    }

    /// The address of a page with these filters, one of them changed.
    fn address(&self, path: &str, change: &[(&str, &str)]) -> String {
        let all = [
            ("since", &self.since),
            ("until", &self.until),
            ("command", &self.command),
            ("pot", &self.pot),
            ("level", &self.level),
            ("changes", &self.changes),
            ("text", &self.text),
        ];
        layout::address(path, &all, change)
    }

    fn is_command(&self, name: &str) -> bool {
        self.command == name
    }

    fn is_level(&self, name: &str) -> bool {
        self.level == name
    }

    fn any(&self) -> bool {
        self.address("", &[]).contains('?')
    }
}

/// Whether a path is that of the live file: newsyslog's rotated ones end in a number and a compression.
fn is_live(generation: &Generation) -> bool {
    let number = generation.path.rsplit('.').next().unwrap_or_default();
    generation.compression == Compression::Plain && !number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The log as the executor lists it.
struct Log {
    facility: String,
    generations: Vec<Generation>,
    zone: TimeZone,
    hostname: String,
}

async fn log(visitor: &Visitor) -> Result<Log, Fault> {
    let LogFiles { facility, files, time_zone, hostname } = visitor.ask(Command::LogFiles {}).await?;
    Ok(Log {
        facility,
        generations: files.into_iter().map(generation).collect(),
        zone: TimeZone::get(&time_zone).unwrap_or(TimeZone::UTC),
        hostname,
    })
}

fn generation(file: LogFileView) -> Generation {
    Generation {
        path: file.path,
        size: file.size,
        modified: file.modified,
        compression: file.compression,
        identity: file.identity,
    }
}

/// Runs a reading off the async threads; descriptors come from the executor as they are needed.
async fn reading<T: Send + 'static>(
    visitor: &Visitor,
    read: impl FnOnce(&mut activity::Open<'_>) -> T + Send + 'static,
) -> Result<T, Fault> {
    let turn = Turn::of(visitor, &READINGS).await?;
    reading_in(visitor, turn, read).await
}

/// The thread keeps the turn. When the browser has gone it reads the file that it has open, and no further one.
async fn reading_in<T: Send + 'static>(
    visitor: &Visitor,
    turn: impl Send + 'static,
    read: impl FnOnce(&mut activity::Open<'_>) -> T + Send + 'static,
) -> Result<T, Fault> {
    let visitor = visitor.clone();
    let runtime = tokio::runtime::Handle::current();
    let waited_for = Arc::new(());
    let wanted = Arc::downgrade(&waited_for);
    let mut open = move |index: usize| -> Result<File, String> {
        if wanted.strong_count() == 0 {
            return Err("nobody waits for it any more".to_owned());
        }
        let generation = u32::try_from(index).map_err(|error| error.to_string())?;
        runtime.block_on(visitor.open_log(generation)).map(|(file, _)| file).map_err(|refusal| refusal.message)
    };
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        read(&mut open)
    })
    .await;
    drop(waited_for);
    done.map_err(|error| Fault::Unexpected(format!("reading the log: {error}")))
}

/// A turn at reading, among those of the session and among all.
struct Turn {
    _own: OwnedSemaphorePermit,
    _all: SemaphorePermit<'static>,
}

impl Turn {
    async fn of(visitor: &Visitor, all: &'static Semaphore) -> Result<Self, Fault> {
        let unexpected = |error: tokio::sync::AcquireError| Fault::Unexpected(error.to_string());
        // One's own first: whoever waits for that holds up nobody.
        Ok(Self {
            _own: READINGS_OF_ONE.take(&visitor.session.id).await.map_err(unexpected)?,
            _all: all.acquire().await.map_err(unexpected)?,
        })
    }
}

/// A turn, or the words that all are taken.
fn turn_of(turns: &'static Semaphore, what: &str) -> Result<SemaphorePermit<'static>, Fault> {
    turns.try_acquire().map_err(|_| too_many(what))
}

fn too_many(what: &str) -> Fault {
    let words = format!("Too many {what} at once. Try again when one of them has ended.");
    Refusal::new(RefusalKind::Throttled, words).into()
}

/// `templates/activity/activity.html`.
#[derive(Template)]
#[template(path = "activity/activity.html")]
struct Page {
    frame: Frame,
    filters: Filters,
    facility: String,
    file: Option<String>,
    absent: Absent,
    files: usize,
    days: Vec<Day>,
    pages: Pages,
    further: Option<Further>,
    problems: Vec<String>,
    following: bool,
    counts: Option<Counts>,
    addresses: Addresses,
    commands: Vec<&'static str>,
    /// What is wrong in the filters.
    wrong: Option<String>,
}

/// Why there is no file to read.
enum Absent {
    /// There is one.
    No,
    /// What syslogd does is not known (yet).
    Unknown(String),
    /// No rule writes pot's lines to a file.
    Nowhere,
    /// The file of the rule does not exist.
    Missing(String),
    /// What stands there is a folder, a link or a device.
    NoFile(String),
}

impl Absent {
    async fn why(visitor: &Visitor, log: &Log) -> Result<Self, Fault> {
        if !log.generations.is_empty() {
            return Ok(Self::No);
        }
        let Some(facts) = visitor.facts().await? else {
            return Ok(Self::Unknown("The host is being looked at for the first time. Reload in a moment.".to_owned()));
        };
        let Some(syslog) = facts.syslog.get() else {
            return Ok(Self::Unknown(facts.syslog.error.clone().unwrap_or_default()));
        };
        Ok(match log_route(syslog, &log.facility) {
            LogRoute::File(path) => Self::NoFile(path.to_owned()),
            LogRoute::Missing(paths) => Self::Missing(paths.join(", ")),
            LogRoute::Elsewhere(_) | LogRoute::Nowhere => Self::Nowhere,
        })
    }
}

/// `templates/activity/further.html`: how far back a page looked that did not come to the log's end, and where it goes on.
#[derive(Template)]
#[template(path = "activity/further.html")]
struct Further {
    back_to: layout::Time,
    found_any: bool,
    address: String,
}

/// The template escapes what it shows.
impl askama::filters::HtmlSafe for Further {}

struct Addresses {
    this: String,
    live: String,
    events: String,
    counts: String,
    with_counts: String,
    clear: &'static str,
    text: String,
    csv: String,
    json: String,
    spans: Vec<(&'static str, String, bool)>,
}

struct Day {
    heading: layout::Time,
    entries: Vec<Line>,
}

/// `templates/activity/line.html`: one entry.
#[derive(Template)]
#[template(path = "activity/line.html")]
struct Line {
    entry: Entry,
    clock: Clock,
    fresh: bool,
    /// The console's own run that this call belongs to: its number and who started it.
    run: Option<(u64, String)>,
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

const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
const SPANS: [(&str, &str); 5] = [("1 h", "1h"), ("24 h", "24h"), ("7 days", "7d"), ("30 days", "30d"), ("all", "")];

async fn show(visitor: Visitor, filters: web::Query<Filters>) -> Result<HttpResponse, Fault> {
    let filters = filters.into_inner();
    let log = log(&visitor).await?;
    let cursor = || -> Result<Option<Cursor>, Fault> {
        let wrong = |error: activity::ReadError| Fault::Invalid(error.to_string());
        (!filters.before.is_empty()).then(|| filters.before.parse().map_err(wrong)).transpose()
    };
    // What is wrong in the filters is said beside them; what was typed stays.
    let asked = filters.query(&log.zone, &log.hostname).and_then(|query| Ok((query, cursor()?)));
    let (query, cursor, wrong) = match asked {
        Ok((query, cursor)) => (query, cursor, None),
        Err(Fault::Invalid(words)) => (Query::default(), None, Some(words)),
        Err(other) => return Err(other),
    };
    let generations = if wrong.is_none() { log.generations.clone() } else { Vec::new() };
    let (entries, next, summary) = {
        let query = query.clone();
        reading(&visitor, move |open| activity::newest(&generations, open, &query, cursor, PAGE, AT_ONCE)).await?
    };
    let following = filters.follow == "1" && cursor.is_none() && wrong.is_none();
    let counted = filters.counts == "1" && wrong.is_none() && (following || !entries.is_empty());
    let counts = if counted { Some(count(&visitor, &filters, &log, query).await?) } else { None };
    let live = log.generations.first().filter(|generation| is_live(generation));
    let told = live.map_or_else(String::new, |live| {
        let written = live.modified.map(Timestamp::as_second);
        StreamPosition { identity: live.identity, offset: live.size, written }.to_string()
    });
    let clock = visitor.clock().clone();
    let runs = runs_of(&visitor, &entries).await?;
    let absent = Absent::why(&visitor, &log).await?;
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let older = next.map(|next| filters.address("/activity", &[("before", &next.to_string())]));
    let used_up = summary.left_off.as_ref().filter(|left| left.unread.is_none());
    let (further, older) = match used_up {
        Some(LeftOff { back_to, .. }) => {
            let further = |address| Further { back_to: clock.moment(back_to), found_any: !entries.is_empty(), address };
            (older.map(further), None)
        }
        None => (None, older),
    };
    let unread = summary.left_off.as_ref().and_then(|left| left.unread.as_ref());
    let page = Page {
        frame: visitor.frame(Place::Activity, Place::Activity.label()),
        facility: log.facility,
        file: log.generations.first().map(|generation| generation.path.clone()),
        absent,
        files: log.generations.len(),
        days: by_day(entries, &clock, &runs),
        pages: Pages {
            label: "Activity",
            newer: cursor.map(|_| filters.address("/activity", &[])),
            older,
            position: unread.map_or_else(String::new, |path| format!("Older lines are in {path}.")),
        },
        further,
        problems: problems(&summary),
        following,
        counts,
        addresses: Addresses {
            this: filters.address("/activity", &[]),
            live: filters.address("/activity", &[("follow", "1")]),
            events: filters.address("/activity/events", &[("from", &told)]),
            counts: filters.address("/activity/counts", &[]),
            with_counts: filters.address("/activity", &[("counts", "1")]),
            clear: "/activity",
            text: filters.address("/activity/export", &[("format", "text")]),
            csv: filters.address("/activity/export", &[("format", "csv")]),
            json: filters.address("/activity/export", &[("format", "json")]),
            spans: SPANS
                .iter()
                .map(|(label, since)| {
                    let current = filters.since == *since && filters.until.is_empty();
                    let kept =
                        [("since", *since), ("until", ""), ("counts", &filters.counts), ("follow", &filters.follow)];
                    (*label, filters.address("/activity", &kept), current)
                })
                .collect(),
        },
        commands: meaning::commands().collect(),
        filters,
        wrong,
    };
    layout::page(status, &page)
}

fn problems(summary: &Summary) -> Vec<String> {
    summary.problems.iter().map(ToString::to_string).collect()
}

/// How far a logged call may lie outside of the run that made it: syslog writes whole seconds.
const SLACK_MS: i64 = 2_000;

/// The console's runs in the time of these entries.
async fn runs_of(visitor: &Visitor, entries: &[Entry]) -> Result<Vec<Act>, Fault> {
    let times = || entries.iter().map(|entry| entry.time);
    let (Some(newest), Some(oldest)) = (times().max(), times().min()) else { return Ok(Vec::new()) };
    // A run may have begun an hour before it called pot: it waited for its preparations.
    let since = oldest.as_millisecond() - 3_600_000;
    let until = newest.as_millisecond() + SLACK_MS;
    let called = |operation: &&str| entries.iter().any(|entry| entry.command.as_deref() == Some(operation));
    let operations: Vec<&str> = ["init", "vnet-start", "de-init"].into_iter().filter(called).collect();
    if operations.is_empty() {
        return Ok(Vec::new());
    }
    // The run that called pot was recorded before pot could log it.
    let history = visitor.state().history.up_to_date().await;
    history
        .runs_between(&operations, since, until)
        .await
        .map_err(|error| Fault::Unexpected(format!("the history could not be read: {error}")))
}

/// The run that called pot so at that time. A match of time and command, no proof: the page says so.
fn run_of(entry: &Entry, runs: &[Act]) -> Option<(u64, String)> {
    let command = entry.command.as_deref().filter(|_| !entry.foreign)?;
    let at = entry.time.as_millisecond();
    runs.iter().find_map(|act| {
        let record = &act.record;
        let ended = act.ended.as_ref().map_or(i64::MAX, |ended| ended.time.as_millisecond());
        let within = record.time.as_millisecond() - SLACK_MS <= at && at <= ended.saturating_add(SLACK_MS);
        (within && record.entry.object == command)
            .then_some(record.entry.run)
            .flatten()
            .map(|run| (run, record.entry.actor.name.clone()))
    })
}

fn by_day(entries: Vec<Entry>, clock: &Clock, runs: &[Act]) -> Vec<Day> {
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

/// `templates/activity/counts.html`: the histogram, drawn from real counts.
#[derive(Template)]
#[template(path = "activity/counts.html")]
struct Counts {
    /// Of the drawing: ten for each bar, the empty ones included.
    width: usize,
    bars: Vec<Bar>,
    total: String,
    highest: String,
    /// Where the counting ended, and how wide the part before it is drawn.
    counted_from: Option<(layout::Time, usize)>,
    since: layout::Time,
    until: layout::Time,
    problems: Vec<String>,
}

/// The template escapes what it shows.
impl askama::filters::HtmlSafe for Counts {}

/// One bar in a drawing 48 high.
struct Bar {
    x: usize,
    y: u64,
    height: u64,
    address: String,
    label: String,
}

async fn count(visitor: &Visitor, filters: &Filters, log: &Log, query: Query) -> Result<Counts, Fault> {
    let generations = log.generations.clone();
    let turn = Turn::of(visitor, &COUNTS).await?;
    let (histogram, summary) =
        reading_in(visitor, turn, move |open| activity::histogram(&generations, open, &query, BARS, AT_ONCE)).await?;
    Ok(drawn(&histogram, &summary, filters, visitor.clock()))
}

fn drawn(histogram: &Histogram, summary: &Summary, filters: &Filters, clock: &Clock) -> Counts {
    let highest = histogram.bars.iter().copied().max().unwrap_or_default();
    let drawn = histogram.bars.iter().enumerate().filter(|(_, count)| **count > 0);
    let total = layout::counted(usize::try_from(histogram.total).unwrap_or(usize::MAX), "line", "lines");
    let counted_from = histogram.counted_from.map(|from| {
        let before = (0..histogram.bars.len()).filter(|&index| histogram.edge(index + 1) <= from).count();
        (clock.moment(&from), before * 10)
    });
    Counts {
        width: histogram.bars.len() * 10,
        bars: drawn
            .map(|(index, &lines)| {
                // A single line must be seen beside a thousand.
                let height = (lines * 44 / highest.max(1)).max(2);
                let (from, to) = (histogram.edge(index), histogram.edge(index + 1));
                // Of the bar in which the counting ended only the later part is known.
                let from = histogram.counted_from.filter(|at| from < *at && *at < to).unwrap_or(from);
                // The last bar of a time without end holds what is stamped later, too.
                let is_open = index + 1 == histogram.bars.len() && filters.until.is_empty();
                let written = |time| activity::written_time(time, clock.zone());
                let until = if is_open { String::new() } else { written(to) };
                Bar {
                    x: index * 10,
                    y: 48 - height,
                    height,
                    address: filters.address(
                        "/activity",
                        &[("since", &written(from)), ("until", &until), ("counts", &filters.counts)],
                    ),
                    label: format!(
                        "{} from {} to {}",
                        layout::counted(usize::try_from(lines).unwrap_or(usize::MAX), "line", "lines"),
                        clock.full(&from).text(),
                        clock.full(&to).text()
                    ),
                }
            })
            .collect(),
        total: match &counted_from {
            Some((from, _)) => format!("{total} from {} on", from.text()),
            None => total,
        },
        counted_from,
        highest: layout::grouped(highest),
        since: clock.moment(&histogram.since),
        until: clock.moment(&histogram.until),
        problems: problems(summary),
    }
}

async fn counts(visitor: Visitor, filters: web::Query<Filters>) -> Result<HttpResponse, Fault> {
    let log = log(&visitor).await?;
    let query = filters.query(&log.zone, &log.hostname)?;
    layout::page(StatusCode::OK, &count(&visitor, &filters, &log, query).await?)
}

/// What is appended, as it is appended: one event an entry, ready to be put at the head of the list.
async fn events(visitor: Visitor, filters: web::Query<Filters>, request: HttpRequest) -> Result<HttpResponse, Fault> {
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

/// An answer in the making. One that ends without being `complete` breaks off, so that nobody takes it for all.
fn chunks(
    receiver: mpsc::Receiver<Bytes>,
    complete: Arc<AtomicBool>,
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    futures_util::stream::unfold((receiver, complete), |(mut receiver, complete)| async move {
        match receiver.recv().await {
            Some(chunk) => Some((Ok(chunk), (receiver, complete))),
            None if complete.swap(true, Ordering::Relaxed) => None,
            None => Some((Err(std::io::Error::other("the answer ended early")), (receiver, complete))),
        }
    })
}

/// Follows the log: first what was logged after `told`, then what is appended, through every rotation.
async fn follow(
    visitor: &Visitor,
    query: &Query,
    mut told: Option<StreamPosition>,
    sender: &mpsc::Sender<Bytes>,
) -> Result<(), Fault> {
    let mut stopping = visitor.state().stopping.clone();
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
                        let next = aside(move || match begun {
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
    let (follower, entries) = aside(move || {
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

/// Reads off the threads that serve pages: a disk that hangs holds up this reading alone.
async fn aside<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    let read = tokio::task::spawn_blocking(read);
    read.await.map_err(|error| Fault::Unexpected(format!("reading the log: {error}")))
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

/// The filtered lines as a file, newest first, streamed.
async fn export(visitor: Visitor, filters: web::Query<Filters>) -> Result<HttpResponse, Fault> {
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
    use std::io::Write as _;

    #[test]
    fn an_address_keeps_the_filters_and_escapes_them() {
        let filters = Filters { pot: "web1".into(), text: "a&b=c".into(), ..Filters::default() };
        assert_eq!(filters.address("/activity", &[("since", "7d")]), "/activity?pot=web1&text=a%26b%3Dc&since=7d");
        assert_eq!(Filters::default().address("/activity", &[]), "/activity");
    }

    #[test]
    fn an_export_says_at_its_end_what_could_not_be_read() {
        let row = unread("/var/log/pot.log.1.bz2: it ends, \"early\"", "csv");
        assert_eq!(row, ",,,,,,,,,,\"not read to the end: /var/log/pot.log.1.bz2: it ends, \"\"early\"\"\"\r\n");
        assert_eq!(unread("a: b", "json"), "{\"problem\":\"not read to the end: a: b\"}\n");
        assert_eq!(unread("a: b", "text"), "# not read to the end: a: b\n");
    }

    #[test]
    fn only_the_live_file_is_followed_while_it_is_rotated() {
        let live = |path: &str, compression| {
            is_live(&Generation { path: path.into(), size: 0, modified: None, compression, identity: (0, 0) })
        };
        assert!(live("/var/log/pot.log", Compression::Plain));
        assert!(live("/var/log/messages", Compression::Plain));
        assert!(!live("/var/log/pot.log.0", Compression::Plain));
        assert!(!live("/var/log/pot.log.0.bz2", Compression::Bzip2));
    }

    #[test]
    fn the_bars_of_a_time_without_end_leave_its_end_open() {
        let histogram = Histogram {
            since: "2026-11-23T00:00:00Z".parse().unwrap(),
            until: "2026-11-23T00:00:07Z".parse().unwrap(),
            bars: vec![1, 0, 2],
            total: 3,
            counted_from: None,
        };
        let filters = Filters { since: "7s".into(), ..Filters::default() };
        let counts = drawn(&histogram, &Summary::default(), &filters, &Clock::now_in(TimeZone::UTC));
        let seen: Vec<_> = counts.bars.iter().map(|bar| (bar.x, bar.address.as_str())).collect();
        assert_eq!(counts.width, 30);
        assert_eq!(
            seen,
            [
                (0, "/activity?since=2026-11-23%2000%3A00%3A00&until=2026-11-23%2000%3A00%3A03"),
                (20, "/activity?since=2026-11-23%2000%3A00%3A05"),
            ]
        );
    }

    #[test]
    fn what_was_not_looked_through_is_said_with_how_far_back_it_was() {
        let clock = Clock::now_in(TimeZone::UTC);
        let back_to: Timestamp = "2024-03-12T10:20:30Z".parse().unwrap();
        let said = |found_any| {
            let address = "/activity?text=a%26b&before=1.2.3.4.5".to_owned();
            Further { back_to: clock.moment(&back_to), found_any, address }.render().unwrap()
        };
        let (nothing, some) = (said(false), said(true));
        assert!(nothing.contains("Looked back to ") && nothing.contains("; nothing found yet."), "{nothing}");
        assert!(nothing.contains("2024-03-12T10:20:30Z") && nothing.contains(">Go on</a>"), "{nothing}");
        assert!(nothing.contains("href=\"/activity?text=a%26b&#38;before=1.2.3.4.5\""), "{nothing}");
        assert!(some.contains("Looked back to ") && !some.contains("nothing"), "{some}");
        // A number never passes for the whole.
        let histogram = |bars: Vec<u64>, counted_from| Histogram {
            since: "2024-03-12T10:00:00Z".parse().unwrap(),
            until: "2024-03-12T11:00:00Z".parse().unwrap(),
            total: bars.iter().sum(),
            bars,
            counted_from,
        };
        let drawn = |bars, from| {
            let counts = drawn(&histogram(bars, from), &Summary::default(), &Filters::default(), &clock);
            (counts.bars.iter().map(|bar| bar.address.clone()).collect::<Vec<_>>(), counts.render().unwrap())
        };
        let (_, whole) = drawn(vec![0, 1, 2], None);
        assert!(whole.contains("<span>3 lines</span>") && !whole.contains("older"), "{whole}");
        let (bars, part) = drawn(vec![0, 1, 2], Some(back_to));
        assert!(part.contains("3 lines from ") && part.contains("older lines are not in these numbers"), "{part}");
        assert!(part.contains("class=\"uncounted\" x=\"0\" y=\"0\" width=\"10\""), "{part}");
        assert!(bars[0].contains("since=2024-03-12%2010%3A20%3A30&"), "the part of the bar that was counted: {bars:?}");
        let (_, none) = drawn(vec![0, 0, 0], Some(back_to));
        assert!(none.contains("No line from ") && none.contains("older ones were not counted"), "{none}");
    }

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

    #[test]
    fn a_log_line_is_no_formula_in_a_spreadsheet() {
        assert_eq!(csv_field("=1+1"), "\"'=1+1\"");
        assert_eq!(csv_field("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(csv_field("plain"), "plain");
    }
}
