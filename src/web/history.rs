//! History: who changed what, when, from where and why; proof that it is unbroken; and the way back.

mod checking;
mod versions;
mod way_back;

pub(crate) use checking::Checks;

use super::changed::{Changed, who};
use super::error::Fault;
use super::layout::{self, Entry as Place, Frame, Icon, Notice, Pages};
use super::visitor::Visitor;
use crate::activity::parse_time;
use crate::audit::{Act, CSV_HEAD, Cursor, Filter, ParameterChange, csv_line, json_line};
use crate::diff::{Diff, Line, Side};
use crate::digest::Digest;
use crate::executor::protocol::{Command, ExportFormat, SignedCheckpoint};
use crate::journal::record::{Action, Method, Outcome, Stage};
use crate::plan::ManagedFile;
use crate::potconf::{Name, PARAMETERS};
use crate::refusal::{Refusal, RefusalKind};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use askama::Template;
use bytes::Bytes;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Acts on one page.
const PAGE: u32 = 50;

/// The routes of this file. All of them are for those who are signed in.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/history", web::get().to(show))
        .route("/history/export", web::get().to(export))
        .route("/history/verify", web::post().to(checking::begin))
        .route(checking::ADDRESS, web::get().to(checking::show))
        .route("/history/checkpoint", web::post().to(checkpoint))
        .route("/history/files", web::get().to(versions::files))
        .route("/history/files/{file}", web::get().to(versions::versions))
        .route("/history/parameters/{name}", web::get().to(parameter))
        .route("/history/{record:[0-9]+}", web::get().to(one))
        .route("/history/{record:[0-9]+}/revert", web::get().to(way_back::show))
        .route("/history/{record:[0-9]+}/revert", web::post().to(way_back::go_back));
}

/// The filters as they stand in the address. Empty ones are as good as absent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Filters {
    /// `all`: everything, else changes.
    tab: String,
    since: String,
    until: String,
    actor: String,
    action: String,
    parameter: String,
    outcome: String,
    text: String,
    /// Where a page begins.
    before: Option<u64>,
    /// The act that is shown open.
    open: Option<u64>,
    /// The run whose acts are wanted, whatever the tab.
    run: String,
    format: String,
}

/// A word of the journal, as serde writes it.
fn word<T: DeserializeOwned>(field: &str, text: &str) -> Result<Option<T>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map(Some)
        .map_err(|_| Fault::Invalid(format!("{text} is not known as {field} of the history.")))
}

impl Filters {
    fn filter(&self, visitor: &Visitor) -> Result<Filter, Fault> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let time = |text: &str| {
            (!text.trim().is_empty())
                .then(|| parse_time(text, visitor.clock().zone(), Timestamp::now()))
                .transpose()
                .map_err(|error| Fault::Invalid(error.to_string()))
        };
        if self.text.len() > 200 || self.parameter.len() > 200 || self.actor.len() > 200 {
            return Err(Fault::Invalid("A filter of the history is longer than 200 characters.".to_owned()));
        }
        let run = (!self.run.is_empty()).then(|| self.run.parse::<u64>()).transpose();
        let run = run.map_err(|_| Fault::Invalid("A run is named by its number.".to_owned()))?;
        Ok(Filter {
            changes_only: self.tab != "all" && run.is_none(),
            people_only: false,
            since_ms: time(&self.since)?.map(Timestamp::as_millisecond),
            until_ms: time(&self.until)?.map(Timestamp::as_millisecond),
            actor: given(&self.actor),
            action: word("an action", &self.action)?,
            outcome: word("an outcome", &self.outcome)?,
            parameter: given(&self.parameter),
            text: given(&self.text),
            run,
        })
    }

    fn all(&self) -> [(&'static str, &String); 9] {
        [
            ("tab", &self.tab),
            ("since", &self.since),
            ("until", &self.until),
            ("actor", &self.actor),
            ("action", &self.action),
            ("parameter", &self.parameter),
            ("outcome", &self.outcome),
            ("text", &self.text),
            ("run", &self.run),
        ]
    }

    fn address(&self, path: &str, change: &[(&str, &str)]) -> String {
        layout::address(path, &self.all(), change)
    }

    /// For the record of an export.
    fn in_words(&self) -> String {
        let scope = if self.tab == "all" { "everything" } else { "changes" };
        let narrowed = self.all().into_iter().filter(|(name, value)| *name != "tab" && !value.is_empty());
        let given: Vec<String> =
            std::iter::once(scope.to_owned()).chain(narrowed.map(|(name, value)| format!("{name} {value}"))).collect();
        given.join(", ").replace(char::is_control, " ")
    }

    fn any(&self) -> bool {
        self.all().iter().any(|(name, value)| *name != "tab" && !value.is_empty())
    }

    /// Whether nothing but a run narrows the list.
    fn is_of_a_run_alone(&self) -> bool {
        !self.run.is_empty()
            && self.all().iter().all(|(name, value)| matches!(*name, "tab" | "run") || value.is_empty())
    }

    fn is(&self, value: &str, other: &str) -> bool {
        value == other
    }

    /// Whether the address asks for another time than those that are offered: it stays when the form is sent.
    fn own_time(&self) -> bool {
        TIMES.iter().all(|(value, _)| *value != self.since)
    }

    /// The same for a parameter, one of an extra interface's for example.
    fn own_parameter(&self) -> bool {
        !self.parameter.is_empty() && PARAMETERS.iter().all(|known| known.name != self.parameter)
    }

    /// The page that a row's link opens, with this act open or, when it is open, closed.
    fn opened(&self, sequence: u64) -> String {
        let before = self.before.map_or(String::new(), |before| before.to_string());
        let open = if self.open == Some(sequence) { String::new() } else { sequence.to_string() };
        format!("{}#r{sequence}", self.address("/history", &[("before", &before), ("open", &open)]))
    }
}

/// One act as the pages show it.
struct Shown {
    act: Act,
    sequence: u64,
    time: layout::Time,
    full: layout::Time,
    open: bool,
    /// Show the difference side by side.
    side: bool,
    link: String,
    outcome_words: &'static str,
    outcome_icon: Icon,
    from_where: String,
    changed: Changed,
    /// Whether the way back can be planned from it.
    way_back: Option<String>,
}

impl Shown {
    fn new(visitor: &Visitor, act: Act, open: bool, link: String) -> Self {
        let entry = &act.record.entry;
        let (outcome_words, outcome_icon) = outcome(entry.action, entry.stage, act.outcome());
        let from_where = match (entry.actor.method, &entry.reported.address) {
            (Method::CommandLine, _) => match &entry.actor.claimed {
                Some(claimed) => format!("command line, claims to be {claimed}"),
                None => "command line".to_owned(),
            },
            (Method::Console, _) => "by itself".to_owned(),
            (_, Some(address)) => address.clone(),
            _ if entry.action == Action::Outside => "not by this console".to_owned(),
            _ => String::new(),
        };
        let done = matches!(act.outcome(), Some(Outcome::Done));
        let way_back = match entry.action {
            Action::Configuration | Action::Outside | Action::Restore if done && !entry.changes.is_empty() => {
                Some(format!("/history/{}/revert", act.record.sequence))
            }
            Action::Restore | Action::Run | Action::Readiness | Action::Outside if entry.before.is_some() && done => {
                Some("/history/files".to_owned())
            }
            _ => None,
        };
        let clock = visitor.clock();
        Self {
            sequence: act.record.sequence,
            time: clock.time(&act.record.time),
            full: clock.full(&act.record.time),
            open,
            side: false,
            link,
            outcome_words,
            outcome_icon,
            from_where,
            changed: Changed::of(&act.record.entry, act.ended.as_ref().map(|ended| &ended.entry)),
            way_back,
            act,
        }
    }

    fn entry(&self) -> &crate::journal::record::Entry {
        &self.act.record.entry
    }

    /// What the record itself says, when the row says it shorter.
    fn whole_message(&self) -> Option<&str> {
        Some(self.entry().message.as_str()).filter(|message| self.changed.is_short_for(message))
    }

    /// What it says of its end, when the outcome's record says something of its own.
    fn ended_message(&self) -> Option<&str> {
        self.act
            .ended
            .as_ref()
            .map(|ended| ended.entry.message.as_str())
            .filter(|message| !message.is_empty() && !self.act.message().ends_with(message))
    }

    fn diff(&self) -> Option<&Diff> {
        let ended = self.act.ended.as_ref().and_then(|ended| ended.entry.diff.as_ref());
        self.entry().diff.as_ref().or(ended).filter(|diff| !diff.is_empty())
    }

    fn after(&self) -> Option<&Digest> {
        self.entry().after.as_ref().or_else(|| self.act.ended.as_ref().and_then(|ended| ended.entry.after.as_ref()))
    }

    /// Who, in few words.
    fn who(&self) -> &str {
        who(self.entry())
    }

    /// How the executor knows who it was; none: it does not.
    fn method(&self) -> Option<&'static str> {
        match self.entry().actor.method {
            Method::Password => Some("password"),
            Method::CommandLine => Some("command line, root"),
            Method::SetupCode => Some("set-up code"),
            Method::Console => Some("the console itself"),
            Method::None => None,
        }
    }

    /// What pot.conf was before this, beside what it is now: that version was kept when it was changed.
    fn compare_with_today(&self) -> Option<String> {
        let before =
            self.entry().before.filter(|_| of_pot_conf(self.entry().action) && !self.entry().changes.is_empty())?;
        let from = layout::query_value(&before.to_string());
        Some(format!("/history/files/{}?from={from}&to=now", ManagedFile::PotConf.name()))
    }

    fn role(&self) -> String {
        self.entry().actor.role.map_or(String::new(), |role| role.to_string())
    }

    fn is_parameter(&self, name: &str) -> bool {
        of_pot_conf(self.entry().action) && Name::try_from(name).is_ok()
    }

    fn grouped(&self) -> String {
        layout::grouped(self.sequence)
    }
}

/// Whether the values of such an act are those of pot.conf.
fn of_pot_conf(action: Action) -> bool {
    matches!(action, Action::Configuration | Action::Outside | Action::Restore)
}

/// Words and icon for how an act ended.
fn outcome(action: Action, stage: Stage, outcome: Option<Outcome>) -> (&'static str, Icon) {
    let tick = Icon::new("tick", "", "quiet");
    let error = Icon::new("error", "", "is-error");
    match outcome {
        None if stage == Stage::Intent => ("under way", Icon::new("now", "", "is-accent")),
        None => ("recorded", tick),
        // One word for all, which is that of the filter.
        Some(Outcome::Done) if action == Action::Outside => ("done", Icon::new("outside", "", "is-warn")),
        Some(Outcome::Done) => ("done", tick),
        Some(Outcome::Refused) => ("refused", Icon::new("lock", "", "is-warn")),
        Some(Outcome::Failed) => ("failed", error),
        Some(Outcome::Interrupted) => ("interrupted", error),
        Some(Outcome::Reverted) => ("put back", Icon::new("back", "", "is-accent")),
        Some(Outcome::RevertedInPart) => ("put back in part", error),
        Some(Outcome::OvertakenByReboot) => ("overtaken by reboot", Icon::new("warn", "", "is-warn")),
    }
}

struct Day {
    heading: layout::Time,
    acts: Vec<Shown>,
}

/// `templates/history/history.html`.
#[derive(Template)]
#[template(path = "history/history.html")]
struct Page {
    frame: Frame,
    filters: Filters,
    days: Vec<Day>,
    pages: Pages,
    actors: Vec<String>,
    state: StateLine,
}

/// What is known of the proof.
struct StateLine {
    records: String,
    behind: Option<String>,
    checked: Option<(layout::Time, bool, String)>,
    /// How far a check is that is under way.
    checking: Option<String>,
    csv: String,
    json: String,
    jsonl: String,
}

fn state_line(visitor: &Visitor, filters: &Filters) -> StateLine {
    let progress = visitor.state().history.progress();
    let behind = (progress.held < progress.journal || progress.problem.is_some()).then(|| {
        let why = progress.problem.clone().map_or(String::new(), |problem| format!(": {problem}"));
        format!(
            "This list is behind the journal ({} of {} records{why})",
            layout::grouped(progress.held),
            layout::grouped(progress.journal)
        )
    });
    let checks = &visitor.state().checks;
    let checked = checks.last().map(|checked| {
        let problem = checked.problem();
        (visitor.clock().moment(&checked.at), problem.is_none(), problem.unwrap_or_default())
    });
    let export = |format: &str| filters.address("/history/export", &[("format", format)]);
    StateLine {
        records: layout::counted(usize::try_from(progress.journal).unwrap_or(usize::MAX), "record", "records"),
        behind,
        checked,
        checking: checks.under_way(),
        csv: export("csv"),
        json: export("json"),
        jsonl: export("jsonl"),
    }
}

/// The database's own trouble, in words.
fn trouble(error: crate::audit::StoreError) -> Fault {
    Fault::Unexpected(format!("the history could not be read: {error}"))
}

async fn show(visitor: Visitor, filters: web::Query<Filters>) -> Result<HttpResponse, Fault> {
    list(&visitor, filters.into_inner(), None).await
}

async fn list(visitor: &Visitor, filters: Filters, notice: Option<Notice>) -> Result<HttpResponse, Fault> {
    let filter = filters.filter(visitor)?;
    let history = visitor.history().await;
    let page = history.page(&filter, Cursor { before: filters.before }, PAGE).await.map_err(trouble)?;
    let actors = history.actors().await.map_err(trouble)?;
    let mut days: Vec<Day> = Vec::new();
    for act in page.acts {
        let heading = visitor.clock().day(&act.record.time);
        let sequence = act.record.sequence;
        let shown = Shown::new(visitor, act, filters.open == Some(sequence), filters.opened(sequence));
        match days.last_mut() {
            Some(day) if day.heading.text() == heading.text() => day.acts.push(shown),
            _ => days.push(Day { heading, acts: vec![shown] }),
        }
    }
    let older = page
        .next
        .and_then(|next| next.before)
        .map(|before| filters.address("/history", &[("before", &before.to_string())]));
    let newer = filters.before.map(|_| filters.address("/history", &[]));
    let page = Page {
        frame: visitor.frame(Place::History, Place::History.label()).with_notice(notice),
        days,
        pages: Pages { label: "History", newer, older, position: String::new() },
        actors,
        state: state_line(visitor, &filters),
        filters,
    };
    layout::page(StatusCode::OK, &page)
}

/// One row of a difference shown side by side; none where a part of the file is left out.
type SideRow<'a> = Option<(Option<&'a Line>, Option<&'a Line>)>;

/// A difference as two columns: what was removed beside what was put in its place.
fn side_by_side(diff: &Diff) -> Vec<SideRow<'_>> {
    let mut rows = Vec::new();
    for (number, hunk) in diff.hunks.iter().enumerate() {
        if number > 0 {
            rows.push(None);
        }
        let mut lines = hunk.lines.iter().peekable();
        while lines.peek().is_some() {
            let mut run = |side: Side| {
                let mut run = Vec::new();
                while let Some(line) = lines.next_if(|line| line.side == side) {
                    run.push(line);
                }
                run
            };
            rows.extend(run(Side::Context).into_iter().map(|line| Some((Some(line), Some(line)))));
            let (removed, added) = (run(Side::Removed), run(Side::Added));
            let longest = removed.len().max(added.len());
            rows.extend((0..longest).map(|at| Some((removed.get(at).copied(), added.get(at).copied()))));
        }
    }
    rows
}

/// `templates/history/_sides.html`.
#[derive(Template)]
#[template(path = "history/_sides.html")]
struct Sides<'a> {
    file: &'a str,
    rows: Vec<SideRow<'a>>,
}

impl<'a> Sides<'a> {
    fn new(diff: &'a Diff) -> Self {
        Self { file: &diff.file, rows: side_by_side(diff) }
    }
}

impl askama::filters::HtmlSafe for Sides<'_> {}

/// How a difference is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct View {
    /// `side`: side by side, else one below the other.
    view: String,
}

/// `templates/history/one.html`: one act by itself, to link to.
#[derive(Template)]
#[template(path = "history/one.html")]
struct One {
    frame: Frame,
    shown: Shown,
}

async fn act_of(visitor: &Visitor, record: u64) -> Result<Act, Fault> {
    let history = visitor.history().await;
    if let Some(act) = history.act(record).await.map_err(trouble)? {
        return Ok(act);
    }
    let first = history.first().await.map_err(trouble)?.unwrap_or(1);
    let last = history.last().await.map_err(trouble)?.map_or(0, |(last, _)| last);
    let behind = visitor.state().history.progress();
    let why = if (last + 1..=behind.journal).contains(&record) || (record > last && behind.problem.is_some()) {
        let why = behind.problem.map_or(String::new(), |problem| format!(": {problem}"));
        format!(
            "Record {record} cannot be shown yet: this list is behind the journal and ends with record {last}{why}."
        )
    } else if record > 0 && record < first {
        format!("Record {record} was dropped because of its age: the history begins with record {first} now.")
    } else {
        format!("There is no record {record}: the history ends with record {last}.")
    };
    Err(Fault::Refused(Refusal::new(RefusalKind::NotFound, why)))
}

async fn one(visitor: Visitor, record: web::Path<u64>, view: web::Query<View>) -> Result<HttpResponse, Fault> {
    let act = act_of(&visitor, *record).await?;
    let mut shown = Shown::new(&visitor, act, true, "/history".to_owned());
    shown.side = view.view == "side";
    let title = format!("Record {}", shown.grouped());
    layout::page(StatusCode::OK, &One { frame: visitor.frame(Place::History, title), shown })
}

/// `templates/history/parameter.html`: one parameter over time.
#[derive(Template)]
#[template(path = "history/parameter.html")]
struct OverTime {
    frame: Frame,
    name: String,
    known: Option<&'static crate::potconf::Parameter>,
    changes: Vec<(Shown, Option<String>, Option<String>)>,
    older: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Before {
    before: Option<u64>,
}

async fn parameter(visitor: Visitor, name: web::Path<String>, at: web::Query<Before>) -> Result<HttpResponse, Fault> {
    let name = Name::try_from(name.as_str()).map_err(|_| Fault::NotFound)?.to_string();
    let history = visitor.history().await;
    let found: Vec<ParameterChange> =
        history.parameter(&name, Cursor { before: at.before }, PAGE).await.map_err(trouble)?;
    let older = (found.len() == PAGE as usize)
        .then(|| found.last())
        .flatten()
        .map(|last| format!("/history/parameters/{name}?before={}", last.act.record.sequence));
    let changes = found
        .into_iter()
        .map(|change| {
            let link = format!("/history/{}", change.act.record.sequence);
            (Shown::new(&visitor, change.act, false, link), change.from, change.to)
        })
        .collect();
    let frame = visitor.frame(Place::History, format!("{name} over time"));
    let known = crate::potconf::parameter(&name);
    layout::page(StatusCode::OK, &OverTime { frame, name, known, changes, older })
}

async fn checkpoint(visitor: Visitor) -> Result<HttpResponse, Fault> {
    let SignedCheckpoint { text } = visitor.ask(Command::Checkpoint {}).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"pot-console-checkpoint.json\""))
        .body(text))
}

/// The filtered acts as a file, oldest first, streamed. That it was exported is recorded before.
async fn export(visitor: Visitor, filters: web::Query<Filters>) -> Result<HttpResponse, Fault> {
    let (format, kind, name) = match filters.format.as_str() {
        "csv" => (ExportFormat::Csv, "text/csv; charset=utf-8", "history.csv"),
        "json" => (ExportFormat::Json, "application/json", "history.json"),
        "jsonl" => (ExportFormat::Jsonl, "application/x-ndjson", "history.jsonl"),
        other => return Err(Fault::Invalid(format!("{other} is no format of this export: csv, json or jsonl."))),
    };
    let filter = filters.filter(&visitor)?;
    let described: String = filters.in_words().chars().take(500).collect();
    visitor.ask::<()>(Command::RecordExport { format, filter: described }).await?;
    let acts = visitor.history().await.stream(&filter);
    let head = match format {
        ExportFormat::Csv => CSV_HEAD,
        ExportFormat::Json => "[\n",
        ExportFormat::Jsonl => "",
    };
    let mut first = true;
    let body = acts.map(move |act| -> Result<Bytes, std::io::Error> {
        let act = act.map_err(std::io::Error::other)?;
        let separator = if first { "" } else { ",\n" };
        first = false;
        Ok(Bytes::from(match format {
            ExportFormat::Csv => csv_line(&act),
            ExportFormat::Json => format!("{separator}{}", json_line(&act)),
            ExportFormat::Jsonl => json_line(&act) + "\n",
        }))
    });
    let foot = if format == ExportFormat::Json { "\n]\n" } else { "" };
    let whole = futures_util::stream::iter([Ok(Bytes::from(head))])
        .chain(body)
        .chain(futures_util::stream::iter([Ok(Bytes::from(foot))]));
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, kind))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(whole))
}

/// What the filters offer.
const OUTCOMES: [(&str, &str); 7] = [
    ("done", "done"),
    ("refused", "refused"),
    ("failed", "failed"),
    ("interrupted", "interrupted"),
    ("reverted", "put back"),
    ("reverted-in-part", "put back in part"),
    ("overtaken-by-reboot", "overtaken by reboot"),
];
const ACTIONS: [(&str, &str); 18] = [
    ("configuration", "pot.conf changed"),
    ("restore", "file version restored"),
    ("run", "operation run"),
    ("readiness", "readiness"),
    ("outside", "changed outside"),
    ("abort", "aborted"),
    ("keep", "kept"),
    ("revert", "put back"),
    ("sign-in", "sign-in"),
    ("sign-out", "sign-out"),
    ("throttle", "sign-ins slowed down"),
    ("account", "account"),
    ("settings", "settings"),
    ("feedback", "feedback"),
    ("refusal", "refused command"),
    ("export", "export"),
    ("process", "console started or stopped"),
    ("journal", "the journal itself"),
];
const TIMES: [(&str, &str); 5] =
    [("", "All time"), ("1d", "Last 24 hours"), ("7d", "Last 7 days"), ("30d", "Last 30 days"), ("365d", "Last year")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_shown_in_the_word_that_its_filter_has() {
        for (value, label) in OUTCOMES {
            let of: Outcome = word("an outcome", value).unwrap().unwrap();
            for (action, _) in ACTIONS {
                let action: Action = word("an action", action).unwrap().unwrap();
                for stage in [Stage::Event, Stage::Outcome] {
                    assert_eq!(outcome(action, stage, Some(of)).0, label, "{action:?}");
                }
            }
        }
    }
}
