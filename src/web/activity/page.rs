//! /activity: the page.

use super::counts::{Counts, count};
use super::entries::{Day, by_day, runs_of};
use super::filters::Filters;
use super::reading::{AT_ONCE, Log, is_live, log, problems, reading};
use crate::activity::{self, Cursor, LeftOff, Query, StreamPosition, meaning};
use crate::rules::{LogRoute, log_route};
use crate::web::error::Fault;
use crate::web::layout::{self, Entry as Place, Frame, Pages};
use crate::web::visitor::Visitor;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use jiff::Timestamp;

/// Entries on one page.
const PAGE: usize = 100;

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
        let Some(facts) = visitor.look().await?.told.facts.clone() else {
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

const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
const SPANS: [(&str, &str); 5] = [("1 h", "1h"), ("24 h", "24h"), ("7 days", "7d"), ("30 days", "30d"), ("all", "")];

pub(super) async fn show(visitor: Visitor, filters: web::Query<Filters>) -> Result<HttpResponse, Fault> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::layout::Clock;
    use jiff::tz::TimeZone;

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
    }
}
