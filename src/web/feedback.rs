//! /feedback.

use super::error::Fault;
use super::guard::Visitor;
use super::layout::{self, Entry, Frame};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/feedback", web::get().to(show));
}

/// `templates/feedback/feedback.html`.
#[derive(Template)]
#[template(path = "feedback/feedback.html")]
struct Page {
    frame: Frame,
}

async fn show(visitor: Visitor) -> Result<HttpResponse, Fault> {
    layout::page(StatusCode::OK, &Page { frame: visitor.frame(Entry::Feedback, Entry::Feedback.label()) })
}
