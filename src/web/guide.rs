//! /guide: pot's installation guide with how each of its paragraphs stands on this host, and why findings are some.
//!
//! The words are those of the tables in `host` and `rules`; how a paragraph stands is what the model says, with its offers.

use super::acts::{button, parameter_address};
use super::error::Fault;
use super::known::{Known, Read};
use super::layout::{self, Button, Entry, Frame, Icon};
use super::visitor::Visitor;
use crate::host::{Mark, PARAGRAPHS, Paragraph, ParagraphLine, ParagraphState, Topic, stands};
use crate::journal::record::Role;
use crate::rules::{Explanation, Finding, explanation, explanations};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/guide", web::get().to(show))
        .route("/guide/findings", web::get().to(list))
        .route("/guide/findings/{code}", web::get().to(explain));
}

/// `templates/guide/guide.html`.
#[derive(Template)]
#[template(path = "guide/guide.html")]
struct Page {
    frame: Frame,
    /// None: the host is still being looked at for the first time.
    facts: Option<Read>,
    chapters: Vec<(&'static str, Vec<Row>)>,
}

/// A paragraph with how it stands.
struct Row {
    paragraph: &'static Paragraph,
    lines: Vec<Line>,
    buttons: Vec<Button>,
}

/// One thing that a paragraph is about.
struct Line {
    said: ParagraphLine,
    icon: Icon,
    /// Where it stands besides; empty: nowhere.
    address: String,
}

async fn show(visitor: Visitor) -> Result<HttpResponse, Fault> {
    let known = Known::of(&visitor).await?;
    let may = visitor.may(Role::Operator);
    let state = known.as_ref().map(|known| (known, known.state(&visitor)));
    let mut chapters: Vec<(&'static str, Vec<Row>)> = Vec::new();
    for paragraph in PARAGRAPHS {
        let stands =
            state.as_ref().map(|(known, state)| stands(paragraph, state, &known.configuration, &state.findings));
        let row = row(paragraph, stands, may);
        match chapters.last_mut() {
            Some((chapter, rows)) if *chapter == paragraph.chapter => rows.push(row),
            _ => chapters.push((paragraph.chapter, vec![row])),
        }
    }
    let notice = known.as_ref().and_then(Known::notice);
    let frame = visitor.frame(Entry::Guide, Entry::Guide.label()).with_notice(notice);
    let facts = known.as_ref().map(|known| Read::of(&visitor, known));
    layout::page(StatusCode::OK, &Page { frame, facts, chapters })
}

fn row(paragraph: &'static Paragraph, stands: Option<ParagraphState>, may: bool) -> Row {
    let (lines, acts) = stands.map(|stands| (stands.lines, stands.acts)).unwrap_or_default();
    Row {
        paragraph,
        lines: lines
            .into_iter()
            .map(|line| Line { icon: icon(line.mark), address: address(line.topic), said: line })
            .collect(),
        buttons: acts.iter().map(|offer| button(offer, may)).collect(),
    }
}

fn icon(mark: Mark) -> Icon {
    match mark {
        Mark::Good => Icon::new("tick", "Good", "is-good"),
        Mark::ToDo => Icon::new("todo", "To do", "is-accent"),
        Mark::Waits => Icon::new("wait", "Later", "quiet"),
        Mark::Wrong => Icon::new("error", "Wrong", "is-error"),
        Mark::Doubtful => Icon::new("warn", "Attention", "is-warn"),
        Mark::Plain => Icon::new("notice", "", "quiet"),
    }
}

/// Where more is said of a topic.
fn address(topic: Topic) -> String {
    match topic {
        Topic::Row("configuration") => "/configuration".to_owned(),
        Topic::Row(id) => format!("/readiness#row-{id}"),
        Topic::Group(group) => format!("/configuration#g-{}", group.id()),
        Topic::Parameter(name) => parameter_address(name),
        Topic::Operation(_) | Topic::NetworkCheck | Topic::Fact(..) | Topic::Feedback => String::new(),
    }
}

/// `templates/guide/findings.html`.
#[derive(Template)]
#[template(path = "guide/findings.html")]
struct ListPage {
    frame: Frame,
    all: Vec<&'static Explanation>,
}

async fn list(visitor: Visitor) -> Result<HttpResponse, Fault> {
    let frame = visitor.frame(Entry::Guide, "Why findings are findings");
    layout::page(StatusCode::OK, &ListPage { frame, all: explanations().collect() })
}

/// `templates/guide/finding.html`.
#[derive(Template)]
#[template(path = "guide/finding.html")]
struct FindingPage {
    frame: Frame,
    one: &'static Explanation,
    /// Those that stand on this host; none: not known yet.
    here: Option<Vec<Finding>>,
}

async fn explain(visitor: Visitor, code: web::Path<String>) -> Result<HttpResponse, Fault> {
    let one = explanation(&code).ok_or(Fault::NotFound)?;
    let here = Known::of(&visitor).await?.map(|known| {
        let mut findings = known.state(&visitor).findings.clone();
        findings.retain(|finding| finding.code == one.code);
        findings
    });
    let frame = visitor.frame(Entry::Guide, one.title);
    layout::page(StatusCode::OK, &FindingPage { frame, one, here })
}
