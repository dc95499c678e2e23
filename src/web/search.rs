//! /search: one field for everything that the console knows by a name. A page by itself, and what the dialog of every page
//! (`static/search.js`) shows while someone types.
//!
//! Every source is asked for what it has already: the facts as they are, the tables of the program, the history's own
//! search. One search of a session runs at a time, and each kind shows its best few, so that nobody's typing is others'
//! work. Nothing is found that its page would not show to the one who asks.

mod found;
mod ranked;

use super::changed::who;
use super::error::Fault;
use super::known::Known;
use super::layout::{self, Entry, Frame, counted, query_value};
use super::visitor::Visitor;
use crate::audit::{Cursor, Filter};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use askama::filters::HtmlSafe;
use found::{Found, Group, Host, Kind, groups, record_address, sorted};
use ranked::{Rank, Wanted};
use serde::Deserialize;
use std::time::Duration;

/// Results of a kind that are shown.
const MOST: usize = 6;

/// How long the history is waited for; without it the rest is shown.
const PATIENCE: Duration = Duration::from_secs(2);

/// Searches of one session that are worked on at a time.
pub(super) const AT_ONCE: usize = 1;

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/search", web::get().to(search));
}

/// `templates/search/search.html`.
#[derive(Template)]
#[template(path = "search/search.html")]
struct Page {
    frame: Frame,
    typed: String,
    results: Results,
}

/// `templates/search/_results.html`: what was found, on the page and in the dialog.
#[derive(Template)]
#[template(path = "search/_results.html")]
struct Results {
    /// Whether anything is looked for.
    asked: bool,
    /// "12 results".
    number: String,
    groups: Vec<Group>,
    /// What could not be searched.
    missing: Vec<&'static str>,
    /// The searches of the history and of the log for the same words.
    further: Vec<(&'static str, String)>,
}

/// The template escapes what it shows.
impl HtmlSafe for Results {}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
}

async fn search(request: HttpRequest, visitor: Visitor, asked: web::Query<Asked>) -> Result<HttpResponse, Fault> {
    let typed: String = asked.into_inner().q.chars().take(200).collect();
    let results = match Wanted::of(&typed) {
        Some(wanted) => results(&visitor, &wanted).await?,
        None => Results {
            asked: false,
            number: String::new(),
            groups: Vec::new(),
            missing: Vec::new(),
            further: Vec::new(),
        },
    };
    if request.headers().contains_key("hx-request") {
        return layout::page(StatusCode::OK, &results);
    }
    let frame = visitor.frame(Entry::Search, Entry::Search.label());
    layout::page(StatusCode::OK, &Page { frame, typed, results })
}

async fn results(visitor: &Visitor, wanted: &Wanted) -> Result<Results, Fault> {
    // Held until the answer is made.
    let _turn = visitor.state().searches.take(&visitor.session.id).await;
    let known = Known::of(visitor).await?;
    let findings = known.as_ref().map(|known| known.state(visitor).findings.clone()).unwrap_or_default();
    let host = known.as_ref().map(|known| Host {
        facts: &known.facts,
        configuration: &known.configuration,
        findings: &findings,
    });
    let mut groups = groups(wanted, host, visitor.session.role, MOST);
    // What was not asked is not called empty.
    let mut missing = match host {
        Some(host) => host.unsearched(),
        None => vec!["the host, which is still being read"],
    };
    if known.as_ref().is_some_and(|known| known.is_unreadable()) {
        missing.push("pot.conf, which cannot be read");
    }
    let progress = visitor.state().history.progress();
    if progress.problem.is_some() || progress.held < progress.journal {
        missing.push("the newest records of the history");
    }
    match tokio::time::timeout(PATIENCE, history(visitor, wanted)).await {
        Ok(Some(group)) => groups.push(group),
        _ => missing.push("the history"),
    }
    let groups = sorted(groups);
    let all = groups.iter().map(|group| group.all).sum();
    let text = query_value(wanted.text());
    Ok(Results {
        asked: true,
        number: match all {
            0 => "Nothing found".to_owned(),
            all => counted(all, "result", "results"),
        },
        groups,
        missing,
        further: vec![
            ("the history", format!("/history?tab=all&text={text}")),
            ("pot's log", format!("/activity?text={text}")),
        ],
    })
}

/// The newest records that have the words; none: the history could not be read.
async fn history(visitor: &Visitor, wanted: &Wanted) -> Option<Group> {
    let filter = Filter { text: Some(wanted.text().to_owned()), ..Filter::default() };
    let store = visitor.history().await;
    let page = store.page(&filter, Cursor::default(), u32::try_from(MOST).unwrap_or(1)).await.ok()?;
    let more = page.next.is_some();
    let found: Vec<Found> = page
        .acts
        .iter()
        .map(|act| Found {
            // Its words are what is said, not its name.
            rank: Rank::Said,
            title: clipped(&act.message()),
            detail: format!("{}, {}", who(&act.record.entry), visitor.clock().moment(&act.record.time).text()),
            address: record_address(act.record.sequence),
        })
        .collect();
    // How many there are the history does not count; that there are more is known.
    let all = found.len() + usize::from(more);
    let list = format!("/history?tab=all&text={}", query_value(wanted.text()));
    Some(Group { kind: Kind::History, found, all, list })
}

/// Characters of a record that are shown.
const LONGEST_TITLE: usize = 160;

fn clipped(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TITLE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_is_text_and_shows_what_it_hides() {
        let found = Found {
            rank: Rank::Exact,
            title: "<img src=x onerror=alert(1)>\u{202e}".to_owned(),
            detail: "'\"&".to_owned(),
            address: format!("/pots/{}", query_value("\"><script>")),
        };
        let results = Results {
            asked: true,
            number: "1 result".to_owned(),
            groups: vec![Group { kind: Kind::Pot, found: vec![found], all: 1, list: String::new() }],
            missing: Vec::new(),
            further: Vec::new(),
        };
        let html = results.render().unwrap();
        assert!(!html.contains("<img") && !html.contains("<script") && !html.contains('\u{202e}'), "{html}");
        assert!(html.contains("href=\"/pots/%22%3E%3Cscript%3E\""), "{html}");
    }

    #[test]
    fn a_long_record_is_cut_at_a_letter() {
        assert_eq!(clipped(&"ä".repeat(LONGEST_TITLE + 1)).chars().count(), LONGEST_TITLE + 1);
        assert_eq!(clipped("short"), "short");
    }
}
