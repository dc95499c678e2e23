//! Why the projection could not be read or written.

use crate::formats::Newer;

/// The projection could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite's own words.
    #[error("the history's database: {0}")]
    Database(#[from] sqlx::Error),
    /// A migration failed.
    #[error("the history's database could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// It is of a newer version than this program knows.
    #[error(transparent)]
    Newer(#[from] Newer),
    /// It is of an earlier version: nothing of it is used, all of it comes from the journal.
    #[error("the history's database was made by an earlier pot-console: it is made anew from the journal")]
    Earlier,
    /// Records must come in order without gaps.
    #[error("record {found} came after record {held}: the history is rebuilt")]
    Gap {
        /// The last sequence number held.
        held: u64,
        /// The one that came.
        found: u64,
    },
    /// The files are to be replaced, and someone else has them open.
    #[error("another process has the history's database open")]
    InUse,
    /// The lock beside the database, or its files.
    #[error("the history's database: {0}")]
    Place(#[from] std::io::Error),
    /// What was handed over is no line of the journal.
    #[error("a line of the journal has no hash, or holds no record")]
    Line,
    /// A row that holds no record.
    #[error("a record in the history's database could not be read: {0}")]
    Encoding(#[from] serde_json::Error),
}

impl StoreError {
    /// SQLite's primary result code, where it gave one.
    fn code(&self) -> Option<u32> {
        let error = match self {
            Self::Database(error) => error,
            Self::Migration(sqlx::migrate::MigrateError::Execute(error)) => error,
            Self::Migration(sqlx::migrate::MigrateError::ExecuteMigration(error, _)) => error,
            _ => return None,
        };
        let code = error.as_database_error()?.code()?.parse::<u32>().ok()?;
        Some(code & 0xff)
    }

    /// Whether the file itself is damaged: nothing but a new one helps. A record that was never taken in has no place
    /// that is taken already: then rows or words of it were left behind by someone else.
    pub(crate) fn is_damage(&self) -> bool {
        /// SQLITE_CORRUPT, SQLITE_CONSTRAINT and SQLITE_NOTADB.
        const DAMAGE: [u32; 3] = [11, 19, 26];
        self.code().is_some_and(|code| DAMAGE.contains(&code))
    }

    /// Whether the place is at fault, not what stands there: another file would fare no better.
    pub(super) fn is_of_the_place(&self) -> bool {
        /// SQLITE_PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN.
        const PLACE: [u32; 9] = [3, 5, 6, 7, 8, 9, 10, 13, 14];
        // Whoever has a newer one has a newer program, too, and will want to go on with it.
        matches!(self, Self::Place(_) | Self::InUse | Self::Newer(_))
            || self.code().is_some_and(|code| PLACE.contains(&code))
    }
}
