//! The file itself and its earlier versions.

use super::{Entry, Fault, Frame, Visitor};
use crate::diff::Diff;
use crate::digest::Digest;
use crate::executor::protocol::{BackupView, Command, ConfigurationView, FileView};
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

/// `templates/configuration/versions.html`.
#[derive(Template)]
#[template(path = "configuration/versions.html")]
struct VersionsPage {
    frame: Frame,
    backups: Vec<BackupView>,
    /// The version that is held against the present file.
    shown: Option<(Digest, Diff)>,
}

impl VersionsPage {
    fn is_shown(&self, digest: &Digest) -> bool {
        self.shown.as_ref().is_some_and(|(shown, _)| shown == digest)
    }
}

async fn versions(visitor: Visitor, query: web::Query<Asked>) -> Result<HttpResponse, Fault> {
    let file = ManagedFile::PotConf;
    let backups = visitor.ask(Command::Backups { file: Some(file) }).await?;
    let shown = match &query.show {
        None => None,
        Some(show) => {
            let digest: Digest = Digest::from_hex(show).map_err(|_| Fault::NotFound)?;
            let FileView { bytes: kept, .. } = visitor.ask(Command::Backup { file, digest }).await?;
            let view: ConfigurationView = visitor.ask(Command::Configuration {}).await?;
            Some((digest, Diff::between(&view.path, &view.own, &kept)))
        }
    };
    let frame = visitor.frame(Entry::Configuration, "Earlier versions · Configuration");
    layout::page(StatusCode::OK, &VersionsPage { frame, backups, shown })
}
