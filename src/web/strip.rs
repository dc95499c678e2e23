//! /strip: the strip of an open page, asked for by its script every few seconds; /reboot: its button on a simulated host.

use super::error::Fault;
use super::layout;
use super::visitor::{Form, Visitor};
use crate::executor::protocol::Command;
use actix_web::http::header;
use actix_web::{HttpResponse, web};

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/strip", web::get().to(show)).route("/reboot", web::post().to(reboot));
}

/// What the script says of its page.
#[derive(serde::Deserialize)]
struct Has {
    /// [`StripView::version`] of what it shows.
    have: String,
    /// The page's path.
    on: String,
}

/// The strip, when it is another than the one the page has; with it the number of what is known of the host, by which
/// an open page notices that it shows something else. To ask for it is no reason to look at the host.
async fn show(visitor: Visitor, has: web::Query<Has>) -> Result<HttpResponse, Fault> {
    let mut strip = visitor.strip();
    if let Some(run) = has.on.strip_prefix("/runs/").and_then(|id| id.parse().ok()) {
        strip = strip.on_run(run);
    }
    let shown = strip.shown();
    let facts = ("X-Facts", visitor.revision().to_string());
    if has.have == shown.version {
        return Ok(HttpResponse::NoContent().insert_header(facts).finish());
    }
    Ok(HttpResponse::Ok()
        .insert_header(facts)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("X-Version", shown.version))
        .content_type("text/html; charset=utf-8")
        .body(shown.html))
}

/// Reboots the simulated host. The executor refuses it of any other, and while something runs or waits.
async fn reboot(visitor: Visitor, _form: Form) -> Result<HttpResponse, Fault> {
    visitor.ask::<()>(Command::Reboot {}).await?;
    Ok(layout::see_other("/"))
}
