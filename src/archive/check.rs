//! Looking through what was unpacked: whether the console could go on with it.

use super::contents::{About, Part, SETTINGS};
use super::read::{PRIVATE, Unpacked, unpack};
use super::{ArchiveError, system};
use crate::accounts::store::Accounts;
use crate::digest::Digest;
use crate::files::{self, Unpacking, read_limited};
use crate::journal::{JournalError, VerifyReport, verify_unpacked};
use crate::settings::Settings;
use std::io::Read;
use std::path::Path;

/// A backup that is sound.
#[derive(Debug)]
pub(crate) struct Checked {
    /// What it says of itself.
    pub about: About,
    /// What is in it, in people's words.
    pub parts: Vec<&'static str>,
    /// How many files.
    pub files: usize,
    /// Bytes in all of them.
    pub bytes: u64,
    /// The history, verified.
    pub journal: VerifyReport,
    /// How many accounts.
    pub accounts: usize,
    /// The settings, where they are in it.
    pub settings: Option<Settings>,
    /// Tells it from other backups.
    pub digest: Digest,
    pub(super) settings_mode: Option<u32>,
}

/// Reads a backup to its end and looks through all of it. `scratch` is a folder that does not exist; it is gone when this
/// returns.
///
/// # Errors
/// It is not sound.
pub(crate) fn check(from: &mut dyn Read, scratch: &Path) -> Result<Checked, ArchiveError> {
    let checked = unpack(from, scratch, Unpacking::ToCheck).and_then(|unpacked| look_through(scratch, unpacked));
    let _ = std::fs::remove_dir_all(scratch);
    checked
}

/// The same, and leaves the files on disk in the folder `into`; on any error it is gone again.
///
/// # Errors
/// It is not sound.
pub(crate) fn unpack_and_check(from: &mut dyn Read, into: &Path) -> Result<Checked, ArchiveError> {
    let checked = unpack(from, into, Unpacking::ToKeep).and_then(|unpacked| look_through(into, unpacked));
    if checked.is_err() {
        let _ = std::fs::remove_dir_all(into);
    }
    checked
}

fn look_through(into: &Path, unpacked: Unpacked) -> Result<Checked, ArchiveError> {
    let unsound = |what: String| ArchiveError::Unsound(what);
    let private = into.join(PRIVATE);
    files::must_be_known(&private)?;
    let journal = verify_unpacked(&private.join("journal"), None);
    if let Some(problem) = journal.problem {
        return Err(JournalError::Broken(problem).into());
    }
    let accounts = Accounts::of(&private).all().map_err(|error| unsound(format!("its accounts: {error}")))?;
    let kept = private.join("backups/objects");
    match std::fs::read_dir(&kept) {
        Ok(entries) => {
            for entry in entries {
                let path = entry.map_err(system("listing", &kept))?.path();
                let digest = Digest::of(&read_limited(&path, 64 << 20)?);
                if path.file_name().and_then(|name| name.to_str()) != Some(&digest.hex()) {
                    return Err(unsound(format!("the kept version {} was changed", path.display())));
                }
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(system("listing", &kept)(error)),
    }
    let settings = if unpacked.parts.contains(&Part::Settings) {
        let read = Settings::read(&into.join(SETTINGS), true);
        Some(read.map_err(|error| unsound(format!("{error}")))?)
    } else {
        None
    };
    Ok(Checked {
        about: unpacked.about,
        parts: unpacked.parts.into_iter().map(Part::what).collect(),
        files: unpacked.files,
        bytes: unpacked.bytes,
        journal,
        accounts: accounts.len(),
        settings,
        digest: unpacked.digest,
        settings_mode: unpacked.settings_mode,
    })
}
