//! The versions of what the console keeps on disk: one table, and one sentence for what is newer than this program.
//!
//! A file that names no version is of version 1: so 0.1.0 wrote all of them but accounts, checkpoints and backups. When a
//! kind is written otherwise, its number here goes up and its files name it as `version`; what is not of today's number
//! is read as long as it can be, and what is newer is neither read nor replaced.
//!
//! `formats.json` in the private folder (the [`Stamp`]) says of all kinds at once what was written there last. Whatever
//! opens that folder looks there first: one small file keeps an older program from thousands that it would misread.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The name of the stamp in the private folder.
pub(crate) const STAMP: &str = "formats.json";
/// This program's own version.
pub(crate) const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// What is kept, by how it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `pot-console.toml`.
    Settings,
    /// `journal/`.
    Journal,
    /// `accounts.json`.
    Accounts,
    /// `runs/`.
    Runs,
    /// `backups/`.
    Versions,
    /// The small files beside them.
    Notes,
    /// `pending-revert.json`.
    Waiting,
    /// The web process's database.
    Database,
    /// A signed checkpoint, kept elsewhere.
    Checkpoint,
    /// What `audit backup` writes.
    HistoryBackup,
    /// What `backup` writes.
    Backup,
}

/// How a kind is written and read by this program.
#[derive(Debug)]
pub struct Format {
    /// What it is of.
    pub kind: Kind,
    /// As `formats.json` has it.
    pub name: &'static str,
    /// What people call it.
    pub what: &'static str,
    /// The version that this program writes, and the newest that it reads.
    pub version: u64,
    /// Whether it stands in the private folder, so that the stamp speaks of it.
    pub stamped: bool,
    /// What to do about a newer one.
    remedy: &'static str,
}

/// What serves for everything in the private folder.
const OF_THE_FOLDER: &str =
    "Install that pot-console again, or put a backup back that this one can read: pot-console restore FILE --force";

/// Every kind. `docs/versions.md` shows it.
pub const FORMATS: [Format; 11] = [
    Format {
        kind: Kind::Settings,
        name: "settings",
        what: "settings",
        version: 1,
        stamped: false,
        remedy: "Install that pot-console again, or write settings for this one, with version = 1",
    },
    Format {
        kind: Kind::Journal,
        name: "journal",
        what: "the history's journal",
        version: 1,
        stamped: true,
        remedy: OF_THE_FOLDER,
    },
    Format {
        kind: Kind::Accounts,
        name: "accounts",
        what: "accounts",
        version: 1,
        stamped: true,
        remedy: OF_THE_FOLDER,
    },
    Format { kind: Kind::Runs, name: "runs", what: "runs", version: 1, stamped: true, remedy: OF_THE_FOLDER },
    Format {
        kind: Kind::Versions,
        name: "versions",
        what: "kept versions of files",
        version: 1,
        stamped: true,
        remedy: OF_THE_FOLDER,
    },
    Format { kind: Kind::Notes, name: "notes", what: "notes", version: 1, stamped: true, remedy: OF_THE_FOLDER },
    // Nothing takes its place: only who knows how can put the change back.
    Format {
        kind: Kind::Waiting,
        name: "waiting",
        what: "a change that waits",
        version: 1,
        stamped: true,
        remedy: "Install that pot-console again: it alone can put the change back",
    },
    // The number of the last migration.
    Format {
        kind: Kind::Database,
        name: "database",
        what: "the history's database",
        version: 3,
        stamped: false,
        remedy: "Install that pot-console again, or make the database anew from the history: pot-console audit rebuild",
    },
    Format {
        kind: Kind::Checkpoint,
        name: "checkpoint",
        what: "a checkpoint",
        version: 1,
        stamped: false,
        remedy: "Read it with that pot-console",
    },
    Format {
        kind: Kind::HistoryBackup,
        name: "history-backup",
        what: "a backup of the history",
        version: 1,
        stamped: false,
        remedy: "Read it with that pot-console",
    },
    Format {
        kind: Kind::Backup,
        name: "backup",
        what: "a backup of the console",
        version: 1,
        stamped: false,
        remedy: "Read it with that pot-console",
    },
];

/// Something is of a newer version than this program knows: it was neither read nor changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} was written by a newer pot-console{}: {what}, version {found}; this pot-console {PROGRAM} knows {known}. It was \
     not read, and nothing was changed. {remedy}",
    path.display(), by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default()
)]
pub struct Newer {
    /// The file.
    pub path: PathBuf,
    /// The program that wrote it, where that is known.
    pub by: Option<String>,
    /// What it is, for people.
    pub what: String,
    /// The version that it names.
    pub found: u64,
    /// What this program knows.
    known: Known,
    remedy: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Up to this version.
    UpTo(u64),
    /// Nothing of the kind.
    Nothing,
}

impl std::fmt::Display for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UpTo(version) => write!(f, "version {version}"),
            Self::Nothing => f.write_str("nothing of the kind"),
        }
    }
}

impl Kind {
    /// Its row of the table.
    pub fn format(self) -> &'static Format {
        // Every kind has its row: a test looks.
        FORMATS.iter().find(|format| format.kind == self).unwrap_or(&FORMATS[0])
    }

    /// Looks at the version that a file of this kind names.
    ///
    /// # Errors
    /// [`Newer`].
    pub fn must_be_known(self, path: &Path, found: u64) -> Result<(), Newer> {
        let format = self.format();
        if found <= format.version {
            return Ok(());
        }
        let (what, known) = (format.what.to_owned(), Known::UpTo(format.version));
        Err(Newer { path: path.to_owned(), by: None, what, found, known, remedy: format.remedy })
    }

    /// The same for a file of JSON: its outermost `version`. What is no object, or names none, is of version 1; what is
    /// no JSON is left to whoever reads it.
    ///
    /// # Errors
    /// [`Newer`].
    pub fn must_be_known_json(self, path: &Path, bytes: &[u8]) -> Result<(), Newer> {
        #[derive(Deserialize)]
        struct Named {
            version: Option<u64>,
        }
        // An array would be taken for one with its fields in order.
        let is_object = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        let named = if is_object { serde_json::from_slice::<Named>(bytes).ok() } else { None };
        self.must_be_known(path, named.and_then(|named| named.version).unwrap_or(1))
    }
}

/// What was written last into a private folder, or into a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// The program's version.
    #[serde(rename = "pot-console")]
    pub program: String,
    /// The version of each kind. A program refuses kinds that it does not know.
    pub formats: BTreeMap<String, u64>,
}

impl Stamp {
    /// What this program writes.
    pub fn of_this_program() -> Self {
        let formats = FORMATS.iter().filter(|format| format.stamped);
        Self {
            program: PROGRAM.to_owned(),
            formats: formats.map(|format| (format.name.to_owned(), format.version)).collect(),
        }
    }

    /// Whether this program can read all of it; `path` is where it stands.
    ///
    /// # Errors
    /// [`Newer`], for the first kind that it cannot.
    pub fn must_be_known(&self, path: &Path) -> Result<(), Newer> {
        for (name, found) in &self.formats {
            let format = FORMATS.iter().find(|format| format.stamped && format.name == name);
            let known = format.map_or(Known::Nothing, |format| Known::UpTo(format.version));
            if format.is_none_or(|format| *found > format.version) {
                return Err(Newer {
                    path: path.to_owned(),
                    by: Some(self.program.chars().filter(|one| !one.is_control()).take(40).collect()),
                    what: format
                        .map_or_else(|| name.escape_debug().take(60).collect(), |format| format.what.to_owned()),
                    found: *found,
                    known,
                    // A newer form of what may wait says nothing of whether something does.
                    remedy: OF_THE_FOLDER,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_row_and_the_documentation_shows_them_all() {
        let documented = include_str!("../docs/versions.md");
        for format in &FORMATS {
            assert_eq!(format.kind.format().name, format.name);
            assert_eq!(serde_json::to_value(format.kind).unwrap(), format.name);
            let row = format!("| {} | {} |", format.name, format.version);
            assert!(documented.contains(&row), "docs/versions.md lacks {row}");
        }
    }

    #[test]
    fn what_is_newer_is_refused_with_file_versions_and_what_to_do() {
        let path = Path::new("/x/accounts.json");
        for format in &FORMATS {
            assert_eq!(format.kind.must_be_known(path, format.version), Ok(()));
            let words = format.kind.must_be_known(path, format.version + 1).unwrap_err().to_string();
            let (found, known) =
                (format!("version {};", format.version + 1), format!("knows version {}", format.version));
            for part in ["/x/accounts.json was written by a newer pot-console", &found, &known, format.remedy] {
                assert!(words.contains(part), "{words} lacks {part}");
            }
        }
    }

    #[test]
    fn the_version_of_json_is_its_outermost_one_and_1_without_it() {
        let path = Path::new("f");
        let ask = |text: &str| Kind::Notes.must_be_known_json(path, text.as_bytes()).map_err(|newer| newer.found);
        for known in
            ["{}", "[]", "[2]", "{\"version\":1}", "{\"a\":{\"version\":9}}", "no json", "", "{\"version\":\"x\"}"]
        {
            assert_eq!(ask(known), Ok(()), "{known}");
        }
        assert_eq!(ask(" {\"a\":[1],\"version\":2}"), Err(2));
    }

    #[test]
    fn a_stamp_of_a_kind_that_is_not_known_is_newer() {
        let own = Stamp::of_this_program();
        assert_eq!(own.must_be_known(Path::new("f")), Ok(()));
        let mut other = own.clone();
        other.program = "9.0.0".to_owned();
        other.formats.insert("certificates".to_owned(), 1);
        let words = other.must_be_known(Path::new("/x/formats.json")).unwrap_err().to_string();
        assert!(
            words.contains("(9.0.0): certificates, version 1;") && words.contains("knows nothing of the kind"),
            "{words}"
        );
    }
}
