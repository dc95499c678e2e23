//! The strip below the head of every page: what nobody should overlook, wherever they are. Nothing when there is nothing.
//!
//! A page has it from its own request; a script asks again every few seconds and is answered only when it has changed, so
//! that a screen reader is told once.

use super::error::Fault;
use super::layout::{Clock, Icon, Time};
use super::visitor::Visitor;
use crate::digest::Digest;
use crate::executor::protocol::{OutsideChange, RunUnderWay, Strip};
use crate::journal::record::Role;
use actix_web::http::header;
use actix_web::{HttpResponse, web};
use askama::Template;
use askama::filters::HtmlSafe;

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/strip", web::get().to(show));
}

/// `templates/_partials/strip.html`.
#[derive(Debug, Clone, Template)]
#[template(path = "_partials/strip.html")]
pub struct StripView {
    run: Option<(RunUnderWay, Option<Ends>)>,
    outside: Option<(OutsideChange, Time)>,
    reboot: Vec<String>,
    drafts: String,
    may_change: bool,
}

/// When an answer must have come, for the clock on the wall and for the script's own.
#[derive(Debug, Clone)]
struct Ends {
    at: Time,
    at_ms: i64,
}

/// The template escapes what it shows.
impl HtmlSafe for StripView {}

impl StripView {
    /// What stands there for someone of this role.
    pub fn of(strip: &Strip, role: Role, clock: &Clock) -> Self {
        Self {
            run: strip.run.clone().map(|run| {
                let ends = run.deadline.map(|at| Ends { at: clock.time(&at), at_ms: at.as_millisecond() });
                (run, ends)
            }),
            outside: strip.outside.clone().map(|change| {
                let at = clock.moment(&change.at);
                (change, at)
            }),
            reboot: strip.reboot.clone(),
            drafts: match strip.drafts.as_slice() {
                [] => String::new(),
                [one] => one.clone(),
                [all @ .., last] => format!("{} and {last}", all.join(", ")),
            },
            may_change: role >= Role::Operator,
        }
    }

    /// The same on the page of this run, which shows it itself.
    #[must_use]
    pub fn on_run(mut self, id: u64) -> Self {
        self.run = self.run.filter(|(run, _)| run.id != id);
        self
    }

    /// Whether anything stands there.
    pub fn is_empty(&self) -> bool {
        self.run.is_none() && self.outside.is_none() && self.reboot.is_empty() && self.drafts.is_empty()
    }

    /// What changes when the strip does.
    pub fn version(&self) -> String {
        if self.is_empty() {
            return "none".to_owned();
        }
        let text = self.render().unwrap_or_default();
        Digest::of(text.as_bytes()).hex().chars().take(12).collect()
    }

    fn warn() -> Icon {
        Icon::new("warn", "", "is-warn")
    }

    fn now() -> Icon {
        Icon::new("now", "", "is-accent")
    }
}

/// What the script says of its page.
#[derive(serde::Deserialize)]
struct Has {
    /// [`StripView::version`] of what it shows.
    have: String,
    /// The page's path.
    on: String,
}

/// The strip, when it is another than the one the page has.
async fn show(visitor: Visitor, has: web::Query<Has>) -> Result<HttpResponse, Fault> {
    let mut strip = StripView::of(&visitor.session.strip, visitor.session.role, visitor.clock());
    if let Some(run) = has.on.strip_prefix("/runs/").and_then(|id| id.parse().ok()) {
        strip = strip.on_run(run);
    }
    let version = strip.version();
    if has.have == version {
        return Ok(HttpResponse::NoContent().finish());
    }
    let body = strip.render().map_err(|error| Fault::Unexpected(format!("the strip: {error}")))?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("X-Version", version))
        .content_type("text/html; charset=utf-8")
        .body(if strip.is_empty() { String::new() } else { body }))
}
