//! The kept versions of files, and any two of them compared.

use super::Sides;
use crate::diff::Diff;
use crate::executor::protocol::{BackupView, Command, FileView};
use crate::plan::ManagedFile;
use crate::refusal::Refusal;
use crate::web::error::Fault;
use crate::web::layout::{self, Entry as Place, Frame};
use crate::web::visitor::Visitor;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

/// `templates/history/files.html`: kept versions of files, and two of them compared.
#[derive(Template)]
#[template(path = "history/files.html")]
struct Files {
    frame: Frame,
    groups: Vec<Group>,
    compared: Option<Compared>,
    single: Option<ManagedFile>,
}

struct Group {
    file: ManagedFile,
    path: String,
    versions: Vec<Version>,
    /// Whether the comparison is from the file as it stands now, or to it.
    from_now: bool,
    to_now: bool,
}

impl Group {
    /// Marks what is compared. Without a comparison: the newest version with the file as it stands now.
    fn choose(&mut self, from: &str, to: &str) {
        self.from_now = from == "now";
        self.to_now = to.is_empty() || to == "now";
        let newest = self.versions.first().map(|version| version.backup.digest.to_string()).unwrap_or_default();
        let from = if from.is_empty() { newest.as_str() } else { from };
        let find = |digest: &str| self.versions.iter().position(|one| one.backup.digest.to_string() == digest);
        let (from, to) = (find(from), find(to));
        for (at, version) in self.versions.iter_mut().enumerate() {
            (version.from, version.to) = (from == Some(at), to == Some(at));
        }
    }
}

struct Version {
    backup: BackupView,
    at: layout::Time,
    short: String,
    /// Whether the comparison is from it, or to it.
    from: bool,
    to: bool,
}

struct Compared {
    diff: Diff,
    from: String,
    to: String,
    side: bool,
    /// The same comparison in the other view.
    other: String,
}

async fn backups(visitor: &Visitor, file: Option<ManagedFile>) -> Result<Vec<BackupView>, Refusal> {
    visitor.ask(Command::Backups { file }).await
}

/// What is kept, by file, with what is compared chosen.
fn groups(visitor: &Visitor, backups: Vec<BackupView>, compare: &Compare) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for backup in backups {
        let at = visitor.clock().full(&backup.at);
        let version = Version { at, short: backup.digest.short(), from: false, to: false, backup };
        match groups.iter_mut().find(|group| group.file == version.backup.file) {
            Some(group) => group.versions.push(version),
            None => groups.push(Group {
                file: version.backup.file,
                path: version.backup.path.clone(),
                versions: vec![version],
                from_now: false,
                to_now: true,
            }),
        }
    }
    for group in &mut groups {
        group.choose(&compare.from, &compare.to);
    }
    groups
}

pub(super) async fn files(visitor: Visitor) -> Result<HttpResponse, Fault> {
    let groups = groups(&visitor, backups(&visitor, None).await?, &Compare::default());
    let frame = visitor.frame(Place::History, "File versions");
    layout::page(StatusCode::OK, &Files { frame, groups, compared: None, single: None })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Compare {
    /// Digests; `now` is the file as it stands.
    from: String,
    to: String,
    /// As in [`super::View`].
    view: String,
}

async fn content(visitor: &Visitor, file: ManagedFile, which: &str) -> Result<(Vec<u8>, String), Fault> {
    let command = if which.is_empty() || which == "now" {
        Command::File { file }
    } else {
        let digest = which.parse().map_err(|_| Fault::Invalid(format!("{which} is no version of {}.", file.name())))?;
        Command::Backup { file, digest }
    };
    let FileView { bytes, path, .. } = visitor.ask(command).await?;
    Ok((bytes, path))
}

pub(super) async fn versions(
    visitor: Visitor,
    name: web::Path<String>,
    wanted: web::Query<Compare>,
) -> Result<HttpResponse, Fault> {
    let file = ManagedFile::of_name(&name).ok_or(Fault::NotFound)?;
    let groups = groups(&visitor, backups(&visitor, Some(file)).await?, &wanted);
    let compared = if wanted.from.is_empty() {
        None
    } else {
        let (old, path) = content(&visitor, file, &wanted.from).await?;
        let (new, _) = content(&visitor, file, &wanted.to).await?;
        let named = |which: &str| {
            groups
                .iter()
                .flat_map(|group| &group.versions)
                .find(|version| version.backup.digest.to_string() == which)
                .map_or_else(|| "as it stands now".to_owned(), |version| version.at.text().to_owned())
        };
        let side = wanted.view == "side";
        let view = if side { "" } else { "&view=side" };
        let (from, to) = (layout::query_value(&wanted.from), layout::query_value(&wanted.to));
        Some(Compared {
            diff: Diff::between(&path, &old, &new),
            from: named(&wanted.from),
            to: named(&wanted.to),
            side,
            other: format!("/history/files/{}?from={from}&to={to}{view}", file.name()),
        })
    };
    let frame = visitor.frame(Place::History, format!("Versions of {}", file.name()));
    layout::page(StatusCode::OK, &Files { frame, groups, compared, single: Some(file) })
}
