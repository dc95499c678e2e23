//! Writing the projection: open, append in order, drop.

use super::error::StoreError;
use super::in_use::InUse;
use super::lines::{Lines, One};
use super::row::{signed, unsigned};
use super::words;
use crate::digest::Digest;
use crate::formats::Kind;
use crate::journal::Ends;
use crate::journal::record::{Record, Stage};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{QueryBuilder, SqlStr, Sqlite};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The tables.
const HISTORY: &str = include_str!("../../migrations/0003_history.sql");

/// What `migrations/` holds, in order. Named here instead of by sqlx's macro, which would build SQLite a second time, for
/// the compiler.
fn migrations() -> Migrator {
    let history = Migration::new(3, "history".into(), MigrationType::Simple, SqlStr::from_static(HISTORY), false);
    Migrator::with_migrations(vec![history])
}

/// The projection's database.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) pool: SqlitePool,
    path: PathBuf,
    /// None in memory.
    in_use: Option<Arc<InUse>>,
}

/// Rows written by one statement: with three values each well below SQLite's limit of 32,766.
const AT_ONCE: usize = 250;

/// What one transaction takes in.
struct Batch<'a> {
    lines: Vec<&'a One>,
    /// How intents ended, as far as these lines say.
    ends: Ends<&'a Record>,
}

impl<'a> Batch<'a> {
    /// Lines that must follow record `held`; any, when none is held.
    fn of(parts: &'a [Lines], held: Option<u64>) -> Result<Self, StoreError> {
        let lines: Vec<&One> = parts.iter().flat_map(Lines::all).collect();
        let mut ends = Ends::default();
        let mut before = held;
        for One { record, .. } in &lines {
            if let Some(held) = before
                && record.sequence != held + 1
            {
                return Err(StoreError::Gap { held, found: record.sequence });
            }
            before = Some(record.sequence);
            ends.note(record);
        }
        Ok(Self { lines, ends })
    }

    /// Writes the words anew of acts that stand in the database already and end in these lines.
    async fn write_ends(&self, transaction: &mut sqlx::Transaction<'_, Sqlite>) -> Result<(), StoreError> {
        let first = self.lines.first().map_or(0, |one| one.record.sequence);
        let ended: BTreeSet<u64> =
            self.lines.iter().filter_map(|one| one.record.ends_act()).filter(|intent| *intent < first).collect();
        for intent in ended {
            // The first outcome counts, as everywhere.
            let began: Option<String> = sqlx::query_scalar(
                "SELECT json FROM record WHERE sequence = ?1 AND stage = 'intent' \
                 AND NOT EXISTS (SELECT 1 FROM record WHERE stage = 'outcome' AND intent = ?1 AND sequence > ?1)",
            )
            .bind(signed(intent))
            .fetch_optional(&mut **transaction)
            .await?;
            if let (Some(began), Some(ended)) = (began, self.ends.of(intent)) {
                sqlx::query("UPDATE search SET words = ? WHERE rowid = ?")
                    .bind(words::of_act(&serde_json::from_str(&began)?, Some(ended)))
                    .bind(signed(intent))
                    .execute(&mut **transaction)
                    .await?;
            }
        }
        Ok(())
    }

    /// Writes the lines themselves, and the words of acts that begin in them.
    async fn write_lines(&self, transaction: &mut sqlx::Transaction<'_, Sqlite>) -> Result<(), StoreError> {
        for some in self.lines.chunks(AT_ONCE) {
            let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO record (sequence, hash, json) ");
            insert.push_values(some, |mut row, One { record, hash, json }| {
                row.push_bind(signed(record.sequence)).push_bind(&hash.as_bytes()[..]).push_bind(json);
            });
            insert.build().execute(&mut **transaction).await?;
            let acts: Vec<&Record> =
                some.iter().map(|one| &one.record).filter(|record| record.entry.stage != Stage::Outcome).collect();
            if acts.is_empty() {
                continue;
            }
            let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO search (rowid, words) ");
            insert.push_values(acts, |mut row, act| {
                let ended = self.ends.of(act.sequence).copied().filter(|_| act.entry.stage == Stage::Intent);
                row.push_bind(signed(act.sequence)).push_bind(words::of_act(act, ended));
            });
            insert.build().execute(&mut **transaction).await?;
        }
        Ok(())
    }
}

impl Store {
    /// Opens or makes the database at `path`.
    ///
    /// # Errors
    /// [`StoreError::Earlier`] and [`StoreError::Newer`]: it was made by another version. Nothing was changed.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let in_use = if path == Path::new(":memory:") { None } else { Some(Arc::new(InUse::share(path)?)) };
        Self::connect(path, in_use).await
    }

    async fn connect(path: &Path, in_use: Option<Arc<InUse>>) -> Result<Self, StoreError> {
        /// In bytes.
        const PAGE: u32 = 16 << 10;
        const LOG: u32 = 32 << 20;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // The journal is the evidence: after a power cut the projection only has to be consistent.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5))
            .pragma("cache_size", "-4096")
            // A record with its difference has two to four thousand bytes: in pages of 4096 much room would stay empty.
            .page_size(PAGE)
            // Pages that change often are written once in 32 MiB, not once in 4.
            .pragma("wal_autocheckpoint", (LOG / PAGE).to_string());
        // One writer and one reader beside it are enough for one console (measured in the trial of this stack); a check of
        // the whole history takes two more.
        let connections = if path == Path::new(":memory:") { 1 } else { 4 };
        let pool = SqlitePoolOptions::new().max_connections(connections).connect_with(options).await?;
        if let Err(error) = migrations().run(&pool).await {
            if let MigrateError::VersionMissing(found) = &error {
                Kind::Database.must_be_known(path, u64::try_from(*found).unwrap_or(u64::MAX))?;
                return Err(StoreError::Earlier);
            }
            return Err(error.into());
        }
        Ok(Self { pool, path: path.to_owned(), in_use })
    }

    /// Opens the database; one that cannot be used is begun anew, since all of it comes from the journal. One that
    /// another process serves pages from is left to that process for some seconds.
    ///
    /// # Errors
    /// It cannot be opened, and begun anew neither.
    pub async fn open_or_begin(path: &Path) -> Result<Self, StoreError> {
        const PATIENCE: Duration = Duration::from_secs(15);
        const PAUSE: Duration = Duration::from_millis(250);
        let begun = Instant::now();
        loop {
            match Self::open(path).await {
                Err(error) if !error.is_of_the_place() => {
                    tracing::warn!(%error, "the history's database is begun anew");
                }
                other => return other,
            }
            match Self::begin(path).await {
                Err(StoreError::InUse) if begun.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
                other => return other,
            }
        }
    }

    /// Drops the files and begins anew.
    ///
    /// # Errors
    /// [`StoreError::InUse`]: nothing was touched.
    pub async fn begin(path: &Path) -> Result<Self, StoreError> {
        let in_use = Arc::new(InUse::share(path)?);
        Self::begin_with(path, in_use).await
    }

    /// The same by one who has it open, and whose clones of it can be used no more, whatever comes of it.
    ///
    /// # Errors
    /// [`StoreError::InUse`]: nothing was touched.
    pub(crate) async fn begin_anew(&self) -> Result<Self, StoreError> {
        /// A connection that is at work is done after moments.
        const CLOSING: Duration = Duration::from_secs(10);
        let _ = tokio::time::timeout(CLOSING, self.pool.close()).await;
        match &self.in_use {
            Some(in_use) => Self::begin_with(&self.path, Arc::clone(in_use)).await,
            None => Self::open(&self.path).await,
        }
    }

    /// Opens it again after [`Store::begin_anew`] that came to nothing.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(crate) async fn reopen(&self) -> Result<Self, StoreError> {
        Self::connect(&self.path, self.in_use.clone()).await
    }

    async fn begin_with(path: &Path, in_use: Arc<InUse>) -> Result<Self, StoreError> {
        let alone = in_use.alone()?;
        if alone {
            // The file last: the log of another one would be taken for its own.
            for ending in ["-wal", "-shm", ""] {
                let mut name = path.as_os_str().to_owned();
                name.push(ending);
                // What is not there need not go; what cannot go shows itself at once.
                let _ = std::fs::remove_file(name);
            }
        }
        let made = if alone { Self::connect(path, Some(Arc::clone(&in_use))).await } else { Err(StoreError::InUse) };
        in_use.share_again()?;
        made
    }

    /// Closes it, in order.
    pub async fn close(self) {
        self.pool.close().await;
    }

    /// Where it stands.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last record held: sequence and hash.
    pub async fn last(&self) -> Result<Option<(u64, Digest)>, StoreError> {
        let row: Option<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT sequence, hash FROM record ORDER BY sequence DESC LIMIT 1")
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.and_then(|(sequence, hash)| Some((unsigned(sequence), Digest::from_bytes(hash.try_into().ok()?)))))
    }

    /// The first record held.
    pub async fn first(&self) -> Result<Option<u64>, StoreError> {
        let first: Option<i64> = sqlx::query_scalar("SELECT min(sequence) FROM record").fetch_one(&self.pool).await?;
        Ok(first.map(unsigned))
    }

    /// How many records are held.
    pub async fn count(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM record").fetch_one(&self.pool).await?;
        Ok(unsigned(count))
    }

    /// Takes in lines that follow the last one held, all or none; any, when none is held.
    ///
    /// # Errors
    /// [`StoreError::Gap`] when the first does not follow; the caller clears and starts anew.
    pub async fn append(&self, parts: &[Lines]) -> Result<(), StoreError> {
        self.append_to(None, parts).await
    }

    /// The same to what the caller has seen: `after` is the last record held, 0 when none is.
    ///
    /// # Errors
    /// [`StoreError::Gap`], too, when someone else has filled or cleared the database since.
    pub(crate) async fn append_after(&self, after: u64, lines: Lines) -> Result<(), StoreError> {
        self.append_to(Some(after), &[lines]).await
    }

    async fn append_to(&self, after: Option<u64>, parts: &[Lines]) -> Result<(), StoreError> {
        let (Some((found, _)), Some(last)) =
            (parts.iter().find_map(Lines::first), parts.iter().rev().find_map(Lines::last))
        else {
            return Ok(());
        };
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let held: Option<i64> =
            sqlx::query_scalar("SELECT max(sequence) FROM record").fetch_one(&mut *transaction).await?;
        let held = held.map(unsigned);
        if after.is_some_and(|after| held.unwrap_or(0) != after) {
            return Err(StoreError::Gap { held: held.unwrap_or(0), found });
        }
        let batch = Batch::of(parts, held)?;
        // In the order of their numbers, in which the index takes words in most easily.
        batch.write_ends(&mut transaction).await?;
        batch.write_lines(&mut transaction).await?;
        sqlx::query(
            "INSERT INTO progress (one, held) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET held = excluded.held",
        )
        .bind(signed(last))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Drops everything and makes the tables anew, to be filled again from the journal: what someone altered about them
    /// is gone, too.
    pub async fn clear(&self) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        loop {
            // Indexes go with their tables; what belongs to a virtual table goes with that.
            let next: Option<(String, String)> = sqlx::query_as(
                "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view', 'trigger') \
                 AND (name NOT LIKE 'sqlite\\_%' ESCAPE '\\' OR name LIKE 'sqlite\\_stat%' ESCAPE '\\') \
                 AND name <> '_sqlx_migrations' \
                 ORDER BY sql LIKE 'CREATE VIRTUAL%' DESC LIMIT 1",
            )
            .fetch_optional(&mut *transaction)
            .await?;
            let Some((kind, name)) = next else { break };
            let statement = format!("DROP {kind} \"{}\"", name.replace('"', "\"\""));
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *transaction).await?;
        }
        sqlx::raw_sql(HISTORY).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Drops what stands before `first`, which the journal has pruned.
    pub(crate) async fn drop_before(&self, first: u64) -> Result<(), StoreError> {
        if self.first().await?.is_none_or(|oldest| oldest >= first) {
            return Ok(());
        }
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for statement in ["DELETE FROM search WHERE rowid < ?", "DELETE FROM record WHERE sequence < ?"] {
            sqlx::query(statement).bind(signed(first)).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::audit::{Cursor, Filter};
    use crate::journal::record::{Action, Actor, Change, Entry, Method, Outcome, Reported, Role};
    use jiff::Timestamp;
    use uuid::Uuid;

    #[test]
    fn every_migration_is_run() {
        let mut files: Vec<_> = std::fs::read_dir("migrations").unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        let on_disk: Vec<_> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        let named = migrations();
        assert_eq!(on_disk, named.iter().map(|migration| migration.sql.as_str()).collect::<Vec<_>>());
        let newest = named.iter().map(|migration| migration.version).max().unwrap();
        assert_eq!(u64::try_from(newest).unwrap(), Kind::Database.format().version);
    }

    #[tokio::test]
    async fn a_database_of_a_newer_version_is_refused_with_words_and_kept() {
        let (store, folder) = store().await;
        let (records, hashes) = a_day();
        store.append(&lines(&records, &hashes)).await.unwrap();
        let next = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                    VALUES (4, 'next', 1, x'00', 0)";
        sqlx::query(next).execute(&store.pool).await.unwrap();
        store.close().await;
        let path = folder.path().join("history.sqlite");
        for opened in [Store::open(&path).await, Store::open_or_begin(&path).await] {
            let words = opened.unwrap_err().to_string();
            assert!(words.contains("history.sqlite was written by a newer pot-console"), "{words}");
            assert!(words.contains("version 4;") && words.contains("knows version 3"), "{words}");
            assert!(words.contains("pot-console audit rebuild"), "{words}");
        }
        // What it advises.
        let begun = Store::begin(&path).await.unwrap();
        begun.append(&lines(&records, &hashes)).await.unwrap();
        begun.close().await;
        assert_eq!(Store::open(&path).await.unwrap().last().await.unwrap(), Some((4, hashes[3])));
    }

    #[tokio::test]
    async fn a_database_of_an_earlier_version_is_made_anew_and_until_then_left_as_it_is() {
        let (store, folder) = store().await;
        let (records, hashes) = a_day();
        store.append(&lines(&records, &hashes)).await.unwrap();
        sqlx::raw_sql("UPDATE _sqlx_migrations SET version = 2").execute(&store.pool).await.unwrap();
        store.close().await;
        let path = folder.path().join("history.sqlite");
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(Store::open(&path).await, Err(StoreError::Earlier)));
        assert!(std::fs::read(&path).unwrap() == before);
        let begun = Store::open_or_begin(&path).await.unwrap();
        assert_eq!(begun.last().await.unwrap(), None);
        begun.append(&lines(&records, &hashes)).await.unwrap();
        let size: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&begun.pool).await.unwrap();
        assert_eq!(size, 16384);
    }

    /// As the journal has them.
    pub fn lines(records: &[Record], hashes: &[Digest]) -> [Lines; 1] {
        let line =
            |(record, hash): (&Record, &Digest)| format!("{} {}\n", hash.hex(), serde_json::to_string(record).unwrap());
        let text: String = records.iter().zip(hashes).map(line).collect();
        [Lines::read(text.as_bytes()).unwrap()]
    }

    pub fn entry(stage: Stage, action: Action, actor: &str) -> Entry {
        Entry {
            stage,
            intent: None,
            actor: Actor {
                name: actor.to_owned(),
                role: Some(Role::Admin),
                method: if actor == "pot-console" { Method::Console } else { Method::Password },
                session: None,
                claimed: None,
            },
            reported: Reported::default(),
            action,
            object: "pot.conf".to_owned(),
            changes: Vec::new(),
            diff: None,
            before: None,
            after: None,
            reason: None,
            outcome: (stage != Stage::Intent).then_some(Outcome::Done),
            message: format!("{actor} did something"),
            run: None,
        }
    }

    pub fn record(sequence: u64, entry: Entry) -> (Record, Digest) {
        let time = Timestamp::from_millisecond(1_790_000_000_000 + i64::try_from(sequence).unwrap()).unwrap();
        (Record { sequence, id: Uuid::now_v7(), time, entry }, Digest::of(&sequence.to_be_bytes()))
    }

    impl Store {
        /// With new connections, which know nothing of before.
        pub async fn reopened(&self) -> Result<Self, StoreError> {
            self.pool.close().await;
            self.reopen().await
        }
    }

    pub async fn store() -> (Store, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("history.sqlite")).await.unwrap();
        (store, folder)
    }

    /// A sign-in, a save (intent and outcome), something that ran by itself.
    pub(crate) fn a_day() -> (Vec<Record>, Vec<Digest>) {
        let mut save = entry(Stage::Intent, Action::Configuration, "anna");
        save.changes = vec![Change {
            name: "POT_NETWORK".to_owned(),
            from: Some("10.192.0.0/10".to_owned()),
            to: Some("10.200.0.0/16".to_owned()),
        }];
        save.reason = Some("collided with the site VPN".to_owned());
        let mut saved = entry(Stage::Outcome, Action::Configuration, "anna");
        saved.intent = Some(2);
        [
            record(1, entry(Stage::Event, Action::SignIn, "anna")),
            record(2, save),
            record(3, saved),
            record(4, entry(Stage::Event, Action::Outside, "pot-console")),
        ]
        .into_iter()
        .unzip()
    }

    #[tokio::test]
    async fn an_act_is_one_row_and_every_filter_narrows() {
        let (store, _folder) = store().await;
        let (records, hashes) = a_day();
        store.append(&lines(&records, &hashes)).await.unwrap();
        let seen = async |filter: Filter| -> Vec<u64> {
            let page = store.page(&filter, Cursor::default(), 50).await.unwrap();
            page.acts.iter().map(|act| act.record.sequence).collect()
        };
        assert_eq!(seen(Filter::default()).await, [4, 2, 1]);
        assert_eq!(seen(Filter { changes_only: true, ..Filter::default() }).await, [4, 2]);
        assert_eq!(seen(Filter { people_only: true, ..Filter::default() }).await, [2, 1]);
        assert_eq!(seen(Filter { actor: Some("pot-console".into()), ..Filter::default() }).await, [4]);
        assert_eq!(seen(Filter { action: Some(Action::SignIn), ..Filter::default() }).await, [1]);
        assert_eq!(seen(Filter { outcome: Some(Outcome::Failed), ..Filter::default() }).await, Vec::<u64>::new());
        assert_eq!(seen(Filter { parameter: Some("POT_NETWORK".into()), ..Filter::default() }).await, [2]);
        assert_eq!(seen(Filter { text: Some("10.200 vpn".into()), ..Filter::default() }).await, [2]);
        assert_eq!(seen(Filter { text: Some("\" OR * AND".into()), ..Filter::default() }).await, Vec::<u64>::new());
        assert_eq!(seen(Filter { since_ms: Some(1_790_000_000_002), ..Filter::default() }).await, [4, 2]);
        let act = store.act(3).await.unwrap().unwrap();
        assert_eq!((act.record.sequence, act.outcome()), (2, Some(Outcome::Done)));
        let over_time = store.parameter("POT_NETWORK", Cursor::default(), 10).await.unwrap();
        assert_eq!(over_time[0].to.as_deref(), Some("10.200.0.0/16"));
        assert_eq!(store.actors().await.unwrap(), ["anna", "pot-console"]);
    }

    #[tokio::test]
    async fn pages_follow_each_other_without_a_gap() {
        let (store, _folder) = store().await;
        let (records, hashes): (Vec<_>, Vec<_>) =
            (1..=120).map(|number| record(number, entry(Stage::Event, Action::SignIn, "anna"))).unzip();
        store.append(&lines(&records, &hashes)).await.unwrap();
        let mut seen = Vec::new();
        let mut cursor = Cursor::default();
        for _ in 0..10 {
            let page = store.page(&Filter::default(), cursor, 50).await.unwrap();
            seen.extend(page.acts.iter().map(|act| act.record.sequence));
            match page.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        assert_eq!(seen, (1..=120).rev().collect::<Vec<u64>>());
        let exported: Vec<u64> = futures_util::StreamExt::collect::<Vec<_>>(store.stream(&Filter::default()))
            .await
            .into_iter()
            .map(|act| act.unwrap().record.sequence)
            .collect();
        assert_eq!(exported, (1..=120).collect::<Vec<u64>>());
    }

    #[tokio::test]
    async fn a_gap_is_refused_and_the_rest_stays() {
        let (store, _folder) = store().await;
        let (records, hashes) = a_day();
        store.append(&lines(&records[..2], &hashes[..2])).await.unwrap();
        let gap = store.append(&lines(&records[3..], &hashes[3..])).await;
        assert!(matches!(gap, Err(StoreError::Gap { held: 2, found: 4 })), "{gap:?}");
        assert_eq!(store.last().await.unwrap(), Some((2, hashes[1])));
    }

    #[tokio::test]
    async fn who_saw_the_database_before_it_was_cleared_puts_nothing_into_the_empty_one() {
        let append_after = async |store: &Store, after, records: &[Record], hashes: &[Digest]| {
            let [lines] = lines(records, hashes);
            store.append_after(after, lines).await
        };
        let (store, _folder) = store().await;
        let (records, hashes) = a_day();
        append_after(&store, 0, &records[..3], &hashes[..3]).await.unwrap();
        store.clear().await.unwrap();
        let late = append_after(&store, 3, &records[3..], &hashes[3..]).await;
        assert!(matches!(late, Err(StoreError::Gap { held: 0, found: 4 })), "{late:?}");
        assert_eq!(store.last().await.unwrap(), None);
        append_after(&store, 0, &records, &hashes).await.unwrap();
        assert_eq!(store.first().await.unwrap(), Some(1));
    }

    #[tokio::test]
    async fn a_damaged_database_is_not_taken_away_from_one_who_serves_from_it() {
        let (store, folder) = store().await;
        let (records, hashes) = a_day();
        store.append(&lines(&records, &hashes)).await.unwrap();
        let path = folder.path().join("history.sqlite");
        assert!(matches!(Store::begin(&path).await, Err(StoreError::InUse)));
        assert_eq!(store.last().await.unwrap(), Some((4, hashes[3])));
        // Who has it open begins it anew, and only when nobody else has.
        let other = Store::open(&path).await.unwrap();
        assert!(matches!(store.begin_anew().await, Err(StoreError::InUse)));
        let store = store.reopen().await.unwrap();
        assert_eq!(store.last().await.unwrap(), Some((4, hashes[3])));
        other.close().await;
        let new = store.begin_anew().await.unwrap();
        assert_eq!(new.last().await.unwrap(), None);
        new.append(&lines(&records, &hashes)).await.unwrap();
        // What is closed late takes nothing of it along.
        drop(store);
        let again = Store::open(&path).await.unwrap();
        assert_eq!(again.last().await.unwrap(), Some((4, hashes[3])));
        for bytes in [&b"not a database at all, for more than a hundred bytes of it".repeat(100)[..], b""] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("history.sqlite");
            std::fs::write(&path, bytes).unwrap();
            let begun = Store::open_or_begin(&path).await.unwrap();
            assert_eq!(begun.last().await.unwrap(), None);
        }
    }
}
