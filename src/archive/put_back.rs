//! A backup takes the place of what stands on the host. Everything is made ready in a folder beside the private one; then a
//! note says what is to be done, and only then something is moved. Whoever dies before the note leaves all as it was;
//! after it, whichever pot-console comes next does the rest: what was moved is seen from where it stands.

use super::check::Checked;
use super::contents::SETTINGS;
use super::read::PRIVATE;
use super::{ArchiveError, system};
use crate::digest::Digest;
use crate::files::{self, Expected, FileError, Presence, read_limited, replace_with_mode, sync_folder};
use crate::journal::record::Actor;
use crate::layout::Layout;
use crate::platform::crash_point;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// The folder that a backup is unpacked to, beside the private one.
pub(crate) const STAGE: &str = "restore.new";
/// What is to be done, there.
const NOTE: &str = "restore.json";
/// In the private folder: what the history is to say of it.
const RECORD: &str = "restored.json";
/// Longest of these files, in bytes.
const LONGEST: u64 = 1 << 20;

/// What stands on the host already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Here {
    /// A journal.
    pub journal: bool,
    /// A change that waits to be kept or put back.
    pub waiting: bool,
    /// Settings.
    pub settings: bool,
    /// An earlier putting back that was cut off.
    pub cut_off: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    /// Of which backup.
    digest: Digest,
    /// What the private folder is called afterwards that stood here before.
    before: String,
    /// The mode of the settings, where they are put back.
    settings_mode: Option<u32>,
}

/// What the history is to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recorded {
    /// Who did it.
    pub by: Actor,
    /// One sentence.
    pub message: String,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Put {
    /// Of which backup.
    pub digest: Digest,
    /// Where the private folder is that stood here before.
    pub before: Option<PathBuf>,
    /// Where the settings are that stood here before, when they were others.
    pub settings_before: Option<PathBuf>,
}

/// Looks at the host.
///
/// # Errors
/// Something cannot be looked at: what stands there is not known.
pub(crate) fn stands_here(layout: &Layout) -> Result<Here, ArchiveError> {
    let private = layout.private();
    let dir = private.join("journal");
    let journal = match std::fs::read_dir(&dir) {
        Ok(entries) => {
            let mut found = false;
            for entry in entries {
                let name = entry.map_err(system("listing", &dir))?.file_name();
                found |= Path::new(&name).extension().is_some_and(|extension| extension == "journal");
            }
            found
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(system("listing", &dir)(error)),
    };
    Ok(Here {
        journal,
        waiting: exists(&private.join(files::WAITING))?,
        settings: exists(&layout.settings())?,
        cut_off: exists(&layout.state().join(NOTE))? || exists(&layout.state().join(STAGE))?,
    })
}

fn exists(path: &Path) -> Result<bool, ArchiveError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(system("looking at", path)(error)),
    }
}

/// Lets what was unpacked into [`STAGE`] take its place. What stood there is moved aside, nothing is removed.
///
/// # Errors
/// Either nothing was moved, or whichever pot-console comes next does the rest.
pub(crate) fn put_back(
    layout: &Layout,
    alone: &Presence,
    checked: &Checked,
    record: &Recorded,
) -> Result<Put, ArchiveError> {
    let state = layout.state();
    let staged = state.join(STAGE).join(PRIVATE);
    files::put_stamp(&staged, &checked.about.stamp)?;
    write_json(&staged.join(RECORD), record)?;
    sync_folder(&staged)?;
    sync_folder(&state.join(STAGE))?;
    crash_point("restore-staged");
    let note = Note { digest: checked.digest, before: name_for_before(&state)?, settings_mode: checked.settings_mode };
    write_json(&state.join(NOTE), &note)?;
    crash_point("restore-noted");
    carry_out(layout, alone, &note)
}

/// Does the rest of one that was cut off, or takes away what it left before anything was moved; none unless something was
/// put back.
///
/// # Errors
/// Something could not be moved, or the note cannot be read; nothing else is done on this host then.
pub(crate) fn end_cut_off(layout: &Layout, alone: &Presence) -> Result<Option<Put>, ArchiveError> {
    let path = layout.state().join(NOTE);
    let bytes = match read_limited(&path, LONGEST) {
        Ok(bytes) => bytes,
        Err(FileError::Missing(_)) => {
            let stage = layout.state().join(STAGE);
            if exists(&stage)? {
                std::fs::remove_dir_all(&stage).map_err(system("removing", &stage))?;
            }
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let note: Note = serde_json::from_slice(&bytes).map_err(|error| system("understanding", &path)(error.into()))?;
    carry_out(layout, alone, &note).map(Some)
}

fn carry_out(layout: &Layout, _alone: &Presence, note: &Note) -> Result<Put, ArchiveError> {
    let (state, private) = (layout.state(), layout.private());
    let stage = state.join(STAGE);
    let (staged, before) = (stage.join(PRIVATE), state.join(&note.before));
    if exists(&staged)? {
        if exists(&private)? {
            std::fs::rename(&private, &before).map_err(system("moving aside", &private))?;
            sync_folder(&state)?;
        }
        crash_point("restore-set-aside");
        std::fs::rename(&staged, &private).map_err(system("putting back", &private))?;
        sync_folder(&state)?;
    }
    crash_point("restore-placed");
    let mut put = Put { digest: note.digest, before: None, settings_before: None };
    if exists(&before)? {
        put.before = Some(before);
    }
    if let Some(mode) = note.settings_mode
        && exists(&stage.join(SETTINGS))?
    {
        put.settings_before = put_settings(layout, &stage.join(SETTINGS), mode)?;
    }
    crash_point("restore-settings");
    if exists(&stage)? {
        std::fs::remove_dir_all(&stage).map_err(system("removing", &stage))?;
    }
    crash_point("restore-tidied");
    let path = state.join(NOTE);
    std::fs::remove_file(&path).map_err(system("removing", &path))?;
    sync_folder(&state)?;
    Ok(put)
}

/// Gives where the settings are that stood there before, when they were others.
fn put_settings(layout: &Layout, staged: &Path, mode: u32) -> Result<Option<PathBuf>, ArchiveError> {
    let path = layout.settings();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(system("making the folder", folder))?;
    }
    let new = read_limited(staged, LONGEST)?;
    let mut aside = path.clone().into_os_string();
    aside.push(".before-restore");
    let aside = PathBuf::from(aside);
    match read_limited(&path, LONGEST) {
        // Also when a first try got so far.
        Ok(old) if old == new => Ok(exists(&aside)?.then_some(aside)),
        Ok(old) => {
            replace_with_mode(&aside, &Expected::Anything, &old, 0o600, &crash_point)?;
            replace_with_mode(&path, &Expected::Anything, &new, mode, &crash_point)?;
            Ok(Some(aside))
        }
        Err(FileError::Missing(_)) => {
            replace_with_mode(&path, &Expected::Anything, &new, mode, &crash_point)?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn name_for_before(state: &Path) -> Result<String, ArchiveError> {
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let names = std::iter::once(String::new()).chain((2..100).map(|number| format!("-{number}")));
    for more in names {
        let name = format!("{PRIVATE}.before-{now}{more}");
        if !exists(&state.join(&name))? {
            return Ok(name);
        }
    }
    Err(system("finding a name in", state)(io::Error::other("a hundred folders were moved aside this second")))
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), ArchiveError> {
    let mut bytes = serde_json::to_vec(value).map_err(|error| system("writing", path)(error.into()))?;
    bytes.push(b'\n');
    replace_with_mode(path, &Expected::Anything, &bytes, 0o600, &crash_point)?;
    Ok(())
}

/// What the history does not say yet of a backup that was put back.
///
/// # Errors
/// It cannot be read.
pub(crate) fn recorded(private: &Path) -> Result<Option<Recorded>, ArchiveError> {
    let path = private.join(RECORD);
    match read_limited(&path, LONGEST) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map(Some).map_err(|error| system("understanding", &path)(error.into()))
        }
        Err(FileError::Missing(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The history says it.
pub(crate) fn forget_record(private: &Path) -> Result<(), ArchiveError> {
    let path = private.join(RECORD);
    std::fs::remove_file(&path).map_err(system("removing", &path))
}
