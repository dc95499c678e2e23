//! How someone likes their pages: kept by account, so that it is the same on every device that they sign in with.
//!
//! It stands in a small file of its own, not among the accounts: whoever may only look then has no file with passwords
//! written anew, and a program that knows nothing of it reads accounts as before. It changes neither the host nor what
//! anybody may do, so the history does not tell of it.

use super::name::AccountName;
use crate::files::{self, Expected, FileError, PREFERENCES};
use crate::formats::Kind;
use crate::theme::Theme;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Longest file, in bytes: a line for each of the accounts that there can be.
const LONGEST: u64 = 256 << 10;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Contents {
    /// Of those who chose one.
    #[serde(default)]
    themes: BTreeMap<AccountName, Theme>,
}

/// The preferences of all accounts: read once, written when one of them changes.
#[derive(Debug)]
pub(crate) struct Preferences {
    path: PathBuf,
    contents: Mutex<Contents>,
}

impl Preferences {
    /// Those of the folder `private`, which is root's alone. A file that cannot be understood counts as none; a newer
    /// program's was refused before anything there was read.
    pub(crate) fn of(private: &Path) -> Self {
        let path = private.join(PREFERENCES);
        let contents = match read(&path) {
            Ok(contents) => contents,
            Err(error) => {
                tracing::warn!("the themes of the accounts are not known, pages follow the browser's: {error}");
                Contents::default()
            }
        };
        Self { path, contents: Mutex::new(contents) }
    }

    /// The theme that an account chose.
    pub(crate) fn theme(&self, of: &AccountName) -> Theme {
        let contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        contents.themes.get(of).copied().unwrap_or_default()
    }

    /// Chooses a theme for an account that exists.
    ///
    /// # Errors
    /// It could not be written; the theme stays as it was.
    pub(crate) fn set_theme(&self, of: &AccountName, theme: Theme) -> Result<(), FileError> {
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        if contents.themes.get(of).copied().unwrap_or_default() == theme {
            return Ok(());
        }
        let mut themes = contents.themes.clone();
        if theme.is_system() {
            themes.remove(of);
        } else {
            themes.insert(of.clone(), theme);
        }
        let next = Contents { themes };
        let bytes = serde_json::to_vec(&next)
            .map_err(|error| FileError::system("writing", &self.path)(std::io::Error::other(error)))?;
        files::replace_with_mode(&self.path, &Expected::Anything, &bytes, 0o600, &crate::platform::crash_point)?;
        *contents = next;
        Ok(())
    }
}

fn read(path: &Path) -> Result<Contents, String> {
    let bytes = match files::read_limited(path, LONGEST) {
        Ok(bytes) => bytes,
        Err(FileError::Missing(_)) => return Ok(Contents::default()),
        Err(error) => return Err(error.to_string()),
    };
    Kind::Notes.must_be_known_json(path, &bytes).map_err(|newer| newer.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_is_kept_by_account_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let [anna, olaf] = ["anna", "olaf"].map(|name| AccountName::parse(name).unwrap());
        let preferences = Preferences::of(dir.path());
        assert_eq!(preferences.theme(&anna), Theme::System);
        preferences.set_theme(&anna, Theme::System).unwrap();
        assert!(!dir.path().join(PREFERENCES).exists(), "nobody chose anything");
        preferences.set_theme(&anna, Theme::Dark).unwrap();
        preferences.set_theme(&olaf, Theme::Light).unwrap();
        preferences.set_theme(&olaf, Theme::System).unwrap();
        let again = Preferences::of(dir.path());
        assert_eq!((again.theme(&anna), again.theme(&olaf)), (Theme::Dark, Theme::System));
        let text = std::fs::read_to_string(dir.path().join(PREFERENCES)).unwrap();
        assert_eq!(text, "{\"themes\":{\"anna\":\"dark\"}}", "the way others read it");
    }

    #[test]
    fn a_damaged_file_takes_nobody_their_pages() {
        let dir = tempfile::tempdir().unwrap();
        let anna = AccountName::parse("anna").unwrap();
        for damaged in ["", "{", "[]", "{\"themes\":{\"anna\":\"pink\"}}", "{\"themes\":{\"\":\"dark\"}}"] {
            std::fs::write(dir.path().join(PREFERENCES), damaged).unwrap();
            let preferences = Preferences::of(dir.path());
            assert_eq!(preferences.theme(&anna), Theme::System, "{damaged}");
            preferences.set_theme(&anna, Theme::Dark).unwrap();
            assert_eq!(Preferences::of(dir.path()).theme(&anna), Theme::Dark);
        }
    }
}
