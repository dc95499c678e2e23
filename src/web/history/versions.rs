//! The kept versions of files, and any two of them compared.

use super::{Shown, Sides, trouble};
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

/// Changes that the list looks up; older versions are named by their record alone.
const LOOKED_UP: usize = 200;

/// `templates/history/files.html`: kept versions of files in one list, and two of them compared.
#[derive(Template)]
#[template(path = "history/files.html")]
struct VersionsPage {
    frame: Frame,
    /// The files of which versions are kept: name in addresses, and path.
    files: Vec<(&'static str, String)>,
    /// Newest first.
    versions: Vec<Version>,
    compared: Option<Compared>,
    /// One file alone, any two versions of which can be compared.
    single: Option<Single>,
}

/// The list of one file.
struct Single {
    file: ManagedFile,
    /// Whether the comparison is from the file as it stands now, or to it.
    from_now: bool,
    to_now: bool,
}

impl VersionsPage {
    fn is_shown(&self, name: &str) -> bool {
        self.single.as_ref().is_some_and(|single| single.file.name() == name)
    }
}

impl Single {
    /// Marks what is compared. Without a comparison: the newest version with the file as it stands now.
    fn choose(file: ManagedFile, versions: &mut [Version], from: &str, to: &str) -> Self {
        let newest = versions.first().map(|version| version.backup.digest.to_string()).unwrap_or_default();
        let chosen = if from.is_empty() { newest.as_str() } else { from };
        let find = |digest: &str| versions.iter().position(|one| one.backup.digest.to_string() == digest);
        let (old, new) = (find(chosen), find(to));
        for (at, version) in versions.iter_mut().enumerate() {
            (version.from, version.to) = (old == Some(at), new == Some(at));
        }
        Self { file, from_now: from == "now", to_now: to.is_empty() || to == "now" }
    }
}

/// A kept version, told by the change that it was kept before.
struct Version {
    backup: BackupView,
    at: layout::Time,
    /// None: nothing is known of a change, or it is too old to be looked up.
    change: Option<Shown>,
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

/// What is kept, newest first, each with the change that it was kept before.
async fn listed(visitor: &Visitor, mut backups: Vec<BackupView>) -> Result<Vec<Version>, Fault> {
    backups.sort_by_key(|backup| std::cmp::Reverse(backup.at));
    let history = visitor.history().await;
    let mut versions = Vec::with_capacity(backups.len());
    for (number, backup) in backups.into_iter().enumerate() {
        let change = match backup.record.filter(|_| number < LOOKED_UP) {
            Some(record) => history.act(record).await.map_err(trouble)?,
            None => None,
        };
        let change = change.map(|act| {
            let link = format!("/history/{}", act.record.sequence);
            Shown::new(visitor, act, false, link)
        });
        versions.push(Version { at: visitor.clock().moment(&backup.at), change, from: false, to: false, backup });
    }
    tell_apart(&mut versions, visitor.clock());
    Ok(versions)
}

/// Versions of one minute are shown with their seconds. They are sorted by time.
fn tell_apart(versions: &mut [Version], clock: &layout::Clock) {
    let alike = |one: &Version, other: &Version| one.at.text() == other.at.text();
    let doubtful: Vec<bool> = (0..versions.len())
        .map(|place| {
            let around = [place.checked_sub(1), Some(place + 1)];
            around.into_iter().flatten().filter_map(|near| versions.get(near)).any(|near| alike(near, &versions[place]))
        })
        .collect();
    for (version, doubtful) in versions.iter_mut().zip(doubtful) {
        if doubtful {
            version.at = clock.full(&version.backup.at);
        }
    }
}

/// The files of which versions are kept, in the order of the newest.
fn files_of(backups: &[BackupView]) -> Vec<(&'static str, String)> {
    let mut files: Vec<(&'static str, String)> = Vec::new();
    for backup in backups {
        if !files.iter().any(|(name, _)| *name == backup.file.name()) {
            files.push((backup.file.name(), backup.path.clone()));
        }
    }
    files
}

pub(super) async fn files(visitor: Visitor) -> Result<HttpResponse, Fault> {
    let backups = backups(&visitor, None).await?;
    let files = files_of(&backups);
    let versions = listed(&visitor, backups).await?;
    let frame = visitor.frame(Place::History, "File versions");
    layout::page(StatusCode::OK, &VersionsPage { frame, files, versions, compared: None, single: None })
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
    let mut backups = backups(&visitor, None).await?;
    let files = files_of(&backups);
    backups.retain(|backup| backup.file == file);
    let mut versions = listed(&visitor, backups).await?;
    let single = Single::choose(file, &mut versions, &wanted.from, &wanted.to);
    let compared = if wanted.from.is_empty() {
        None
    } else {
        let (old, path) = content(&visitor, file, &wanted.from).await?;
        let (new, _) = content(&visitor, file, &wanted.to).await?;
        let named = |which: &str| {
            versions.iter().find(|version| version.backup.digest.to_string() == which).map_or_else(
                || "as it stands now".to_owned(),
                |version| visitor.clock().full(&version.backup.at).text().to_owned(),
            )
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
    layout::page(StatusCode::OK, &VersionsPage { frame, files, versions, compared, single: Some(single) })
}
