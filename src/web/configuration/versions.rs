//! The file itself, and the way to its earlier versions.

use super::{Entry, Fault, Frame, Visitor};
use crate::executor::protocol::{Command, ConfigurationView};
use crate::plan::ManagedFile;
use crate::web::layout;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/configuration/file", web::get().to(file)).route("/configuration/versions", web::get().to(versions));
}

/// A file with numbered lines.
struct Listing {
    path: String,
    exists: bool,
    /// Prefix of the anchors of its lines.
    anchor: &'static str,
    lines: Vec<String>,
}

impl Listing {
    fn new(path: &str, bytes: &[u8], anchor: &'static str) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let lines = text.lines().map(str::to_owned).collect();
        Self { path: path.to_owned(), exists: !bytes.is_empty(), anchor, lines }
    }
}

/// `templates/configuration/file.html`.
#[derive(Template)]
#[template(path = "configuration/file.html")]
struct FilePage {
    frame: Frame,
    own: Listing,
    default: Listing,
}

async fn file(visitor: Visitor) -> Result<HttpResponse, Fault> {
    let view: ConfigurationView = visitor.ask(Command::Configuration {}).await?;
    let mut own = Listing::new(&view.path, &view.own, "L");
    own.exists = view.exists;
    let default = Listing::new(&view.default_path, &view.default, "D");
    layout::page(
        StatusCode::OK,
        &FilePage { frame: visitor.frame(Entry::Configuration, "File · Configuration"), own, default },
    )
}

#[derive(serde::Deserialize)]
struct Asked {
    show: Option<String>,
}

/// Where the versions once stood: they are one list with those of other files now.
async fn versions(_visitor: Visitor, query: web::Query<Asked>) -> HttpResponse {
    let list = format!("/history/files/{}", ManagedFile::PotConf.name());
    match &query.show {
        Some(digest) => layout::see_other(&format!("{list}?from={}&to=now", layout::query_value(digest))),
        None => layout::see_other(&list),
    }
}
