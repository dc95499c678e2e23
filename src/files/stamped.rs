//! The console's private folder and the versions of what stands there.

use super::error::FileError;
use super::replace::{Expected, read_limited, replace_with_mode};
use crate::formats::{Kind, STAMP, Stamp};
use crate::platform::crash_point;
use std::io;
use std::path::Path;

/// The small files whose readers take what they cannot read for none: a newer one of these would be replaced.
pub(crate) const NOTES: [&str; 8] = [
    "before-init.json",
    "left-drift.json",
    PREFERENCES,
    "set-aside.json",
    "settings.json",
    "syslog.json",
    "watched.json",
    "tls/made-for.json",
];
/// How people like their pages.
pub(crate) const PREFERENCES: &str = "preferences.json";
/// What a change leaves that waits to be kept or put back.
pub(crate) const WAITING: &str = "pending-revert.json";
/// Longest of them, in bytes.
const LONGEST: u64 = 64 << 20;

/// Looks whether this program knows all that stands in the private folder, before anything there is read or changed. The
/// journal and runs are looked at by those who open them.
///
/// # Errors
/// [`FileError::Newer`]; or the stamp or a note cannot be read, so that this is not known.
pub(crate) fn must_be_known(private: &Path) -> Result<(), FileError> {
    if let Some(stamp) = stamp(private)? {
        stamp.must_be_known(&private.join(STAMP))?;
    }
    let notes = NOTES.map(|name| (name, Kind::Notes));
    for (name, kind) in notes.into_iter().chain([(WAITING, Kind::Waiting), ("accounts.json", Kind::Accounts)]) {
        let path = private.join(name);
        // What cannot be read is told by whoever needs it.
        if let Ok(bytes) = read_limited(&path, LONGEST) {
            kind.must_be_known_json(&path, &bytes)?;
        }
    }
    Ok(())
}

/// Notes that this program writes there from now on. Nothing is written where that is known already.
///
/// # Errors
/// It could not be written.
pub(crate) fn write_stamp(private: &Path) -> Result<(), FileError> {
    let own = Stamp::of_this_program();
    if stamp(private)?.as_ref() == Some(&own) {
        return Ok(());
    }
    put_stamp(private, &own)
}

/// The same for what another program wrote.
pub(crate) fn put_stamp(private: &Path, stamp: &Stamp) -> Result<(), FileError> {
    let path = private.join(STAMP);
    let mut bytes =
        serde_json::to_vec(stamp).map_err(|error| FileError::system("writing", &path)(io::Error::other(error)))?;
    bytes.push(b'\n');
    replace_with_mode(&path, &Expected::Anything, &bytes, 0o600, &crash_point).map(drop)
}

fn stamp(private: &Path) -> Result<Option<Stamp>, FileError> {
    let path = private.join(STAMP);
    let bytes = match read_limited(&path, 64 << 10) {
        Ok(bytes) => bytes,
        Err(FileError::Missing(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| FileError::Untrusted {
        path,
        why: "says which version of this program wrote this folder, and is damaged; take it away if none newer than this \
              one ever did",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_a_newer_program_wrote_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        must_be_known(dir.path()).unwrap();
        write_stamp(dir.path()).unwrap();
        must_be_known(dir.path()).unwrap();
        let path = dir.path().join(STAMP);
        let own = std::fs::read_to_string(&path).unwrap();
        for format in crate::formats::FORMATS.iter().filter(|format| format.stamped) {
            let (now, next) = (format!("\"{}\":{}", format.name, format.version), format.version + 1);
            assert!(own.contains(&now), "{own}");
            std::fs::write(&path, own.replace(&now, &format!("\"{}\":{next}", format.name))).unwrap();
            let words = must_be_known(dir.path()).unwrap_err().to_string();
            assert!(words.contains(&format!("{}, version {next};", format.what)), "{words}");
        }
        std::fs::write(&path, "{\"pot").unwrap();
        assert!(must_be_known(dir.path()).unwrap_err().to_string().contains("is damaged"));
    }

    #[test]
    fn each_note_of_a_newer_version_is_named() {
        for name in NOTES {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "{\"version\":1}").unwrap();
            must_be_known(dir.path()).unwrap();
            std::fs::write(&path, "{\"version\":2,\"new\":[]}").unwrap();
            let words = must_be_known(dir.path()).unwrap_err().to_string();
            assert!(words.contains(name) && words.contains("notes, version 2;"), "{words}");
        }
    }
}
