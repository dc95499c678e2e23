//! /configuration.

use super::error::Fault;
use super::guard::Visitor;
use super::layout::{self, Entry, Frame};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/configuration", web::get().to(show));
}

/// `templates/configuration/configuration.html`.
#[derive(Template)]
#[template(path = "configuration/configuration.html")]
struct Page {
    frame: Frame,
}

async fn show(visitor: Visitor) -> Result<HttpResponse, Fault> {
    layout::page(StatusCode::OK, &Page { frame: visitor.frame(Entry::Configuration, Entry::Configuration.label()) })
}
