//! Root's record of what setup made on this host, so that taking away leaves what was there before.
//!
//! A thing is noted before it is made: whoever is killed in between leaves a note of something that is not there, which
//! does no harm, and never something that nobody knows the maker of.

use crate::digest::Digest;
use crate::files::{self, Expected, FileError};
use crate::layout::Layout;
use crate::platform::crash_point;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The record's own version.
const VERSION: u16 = 1;
/// Longest record in bytes.
const LONGEST: u64 = 64 << 10;

/// What setup made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Made {
    pub(super) version: u16,
    /// A group of this name.
    pub group: Option<String>,
    /// A user of this name.
    pub user: Option<String>,
    /// A settings file of this content.
    pub settings: Option<Digest>,
    /// The self-signed certificate with its key.
    pub certificate: bool,
    /// The variable of rc.conf.
    pub enabled: Option<Before>,
    /// The history tells already that it is being taken away.
    pub removal_noted: bool,
}

/// What a variable of rc.conf was before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Before {
    /// Its value; none: no file set it.
    pub value: Option<String>,
}

/// Why the record cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MadeError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not what setup writes.
    #[error(
        "{path}, the record of what setup made, is damaged ({error}): move it away; then everything counts as there before setup, and setup --remove keeps it"
    )]
    Damaged {
        /// The file.
        path: String,
        /// Where and why.
        error: String,
    },
    /// A newer program wrote it.
    #[error("{path} is of version {found}, and this program knows version {VERSION}: use the newer program")]
    Newer {
        /// The file.
        path: String,
        /// Its version.
        found: u16,
    },
}

/// Where it stands.
pub(super) fn path(layout: &Layout) -> PathBuf {
    layout.private().join("setup.json")
}

impl Made {
    /// The record of this host; empty when setup made nothing here.
    ///
    /// # Errors
    /// [`MadeError`]: it is there, but nothing is guessed from it.
    pub fn read(layout: &Layout) -> Result<Self, MadeError> {
        let path = path(layout);
        let bytes = match files::read_limited(&path, LONGEST) {
            Ok(bytes) => bytes,
            Err(FileError::Missing(_)) => return Ok(Self::default()),
            Err(error) => return Err(error.into()),
        };
        let shown = path.display().to_string();
        let damaged = |error: serde_json::Error| MadeError::Damaged { path: shown.clone(), error: error.to_string() };
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(damaged)?;
        // Before its parts: those of a newer one may be others.
        let found = value.get("version").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if found > u64::from(VERSION) {
            return Err(MadeError::Newer { path: shown, found: u16::try_from(found).unwrap_or(u16::MAX) });
        }
        serde_json::from_value(value).map_err(damaged)
    }

    /// Notes it; on disk when this returns.
    ///
    /// # Errors
    /// [`MadeError::File`].
    pub fn write(&self, layout: &Layout) -> Result<(), MadeError> {
        let record = Self { version: VERSION, ..self.clone() };
        let bytes = serde_json::to_vec_pretty(&record).unwrap_or_default();
        files::replace_with_mode(&path(layout), &Expected::Anything, &bytes, 0o600, &crash_point)?;
        Ok(())
    }

    /// Whether it says anything.
    pub fn is_empty(&self) -> bool {
        *self == Self { version: self.version, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_record_is_roots_alone_and_one_of_a_newer_program_or_a_damaged_one_is_not_guessed_from() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), None);
        std::fs::create_dir_all(layout.private()).unwrap();
        assert_eq!(Made::read(&layout).unwrap(), Made::default());
        let made = Made { user: Some("x".to_owned()), enabled: Some(Before::default()), ..Made::default() };
        made.write(&layout).unwrap();
        let read = Made::read(&layout).unwrap();
        assert_eq!(
            (read.user.as_deref(), read.enabled.clone(), read.is_empty()),
            (Some("x"), Some(Before::default()), false)
        );
        assert_eq!(path(&layout).metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(path(&layout), r#"{"version":2,"user":{"name":"x"}}"#).unwrap();
        let words = Made::read(&layout).unwrap_err().to_string();
        assert!(words.contains("version 2") && words.contains("version 1") && words.contains("setup.json"), "{words}");
        std::fs::write(path(&layout), "{").unwrap();
        let words = Made::read(&layout).unwrap_err().to_string();
        assert!(words.contains("is damaged") && words.contains("setup.json"), "{words}");
    }
}
