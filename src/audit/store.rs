//! Writing the projection: open, append in order, compare with the journal, drop.

use super::error::StoreError;
use super::in_use::InUse;
use super::row::{Row, signed, unsigned, word};
use super::words::{self, Words, block};
use crate::digest::Digest;
use crate::formats::Kind;
use crate::journal::Ends;
use crate::journal::record::{Change, Record, Stage};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{QueryBuilder, SqlStr, Sqlite};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The tables.
const HISTORY: &str = include_str!("../../migrations/0001_history.sql");
/// Drops rows that an earlier version may have made otherwise.
const FIRST_OUTCOMES: &str = include_str!("../../migrations/0002_first_outcomes.sql");

/// What `migrations/` holds, in order. Named here instead of by sqlx's macro, which would build SQLite a second time, for
/// the compiler.
fn migrations() -> Migrator {
    let migration = |version, name: &'static str, sql| {
        Migration::new(version, name.into(), MigrationType::Simple, SqlStr::from_static(sql), false)
    };
    Migrator::with_migrations(vec![migration(1, "history", HISTORY), migration(2, "first outcomes", FIRST_OUTCOMES)])
}

/// The projection's database.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) pool: SqlitePool,
    path: PathBuf,
    /// None in memory.
    in_use: Option<Arc<InUse>>,
}

/// Records written by one statement: with twenty values each well below SQLite's limit of 32,766.
const AT_ONCE: usize = 250;

/// Writes records and their values with one statement for each table; all that is new begins with record `new_from`.
/// Gives the last number held then.
async fn append_some(
    transaction: &mut sqlx::Transaction<'_, Sqlite>,
    mut held: Option<u64>,
    new_from: u64,
    records: &[Record],
    hashes: &[Digest],
) -> Result<Option<u64>, StoreError> {
    let first = records.first().map_or(0, |record| record.sequence);
    let mut rows = Vec::with_capacity(records.len());
    // How intents ended: at once for those of this part, by an update for earlier ones.
    let mut ends = Ends::default();
    for (record, hash) in records.iter().zip(hashes) {
        if let Some(held) = held
            && record.sequence != held + 1
        {
            return Err(StoreError::Gap { held, found: record.sequence });
        }
        held = Some(record.sequence);
        let row = Row::of(record, hash)?;
        ends.note(record);
        if let Some(intent) = record.ends_act().filter(|intent| *intent < first) {
            // The first outcome counts, as everywhere.
            let began: Option<String> = sqlx::query_scalar(
                "UPDATE record SET ended = ?, ended_outcome = ? WHERE sequence = ? AND stage = 'intent' \
                 AND ended IS NULL RETURNING json",
            )
            .bind(row.sequence)
            .bind(&row.outcome)
            .bind(signed(intent))
            .fetch_optional(&mut **transaction)
            .await?;
            // How it ended is searched, too.
            if let Some(began) = began.filter(|_| intent < new_from) {
                words::add_end(transaction, &serde_json::from_str(&began)?, record).await?;
            }
        }
        rows.push((record, row));
    }
    if rows.is_empty() {
        return Ok(held);
    }
    let mut insert = QueryBuilder::<Sqlite>::new(
        "INSERT INTO record (sequence, hash, id, time_ms, stage, intent, actor, method, address, action, object, \
         reason, outcome, message, run, json, person, is_change, ended, ended_outcome) ",
    );
    insert.push_values(rows, |mut values, (record, row)| {
        let end = match record.entry.stage {
            Stage::Event => Some(record),
            Stage::Intent => ends.of(record.sequence).copied(),
            Stage::Outcome => None,
        };
        let (ended, outcome) = (end.map(|end| signed(end.sequence)), end.and_then(|end| end.entry.outcome));
        values.push_bind(row.sequence).push_bind(row.hash).push_bind(row.id).push_bind(row.time_ms);
        values.push_bind(row.stage).push_bind(row.intent).push_bind(row.actor).push_bind(row.method);
        values.push_bind(row.address).push_bind(row.action).push_bind(row.object).push_bind(row.reason);
        values.push_bind(row.outcome).push_bind(row.message).push_bind(row.run).push_bind(row.json);
        values.push_bind(row.person).push_bind(row.is_change).push_bind(ended).push_bind(outcome.as_ref().map(word));
    });
    insert.build().execute(&mut **transaction).await?;

    // Values stand with the act, which is the intent when there is one.
    let acts = records.iter().filter(|record| record.entry.stage != Stage::Outcome);
    let values: Vec<(u64, usize, &Change)> = acts
        .flat_map(|act| act.entry.changes.iter().enumerate().map(|(position, change)| (act.sequence, position, change)))
        .collect();
    for values in values.chunks(AT_ONCE) {
        let mut insert =
            QueryBuilder::<Sqlite>::new("INSERT INTO change (name, sequence, position, from_value, to_value) ");
        insert.push_values(values, |mut row, (sequence, position, change)| {
            row.push_bind(&change.name).push_bind(signed(*sequence));
            row.push_bind(i64::try_from(*position).unwrap_or(i64::MAX));
            row.push_bind(&change.from).push_bind(&change.to);
        });
        insert.build().execute(&mut **transaction).await?;
    }
    Ok(held)
}

/// Writes the words of new acts.
async fn append_words(transaction: &mut sqlx::Transaction<'_, Sqlite>, records: &[Record]) -> Result<(), StoreError> {
    let mut ends = Ends::default();
    for record in records {
        ends.note(record);
    }
    for records in records.chunk_by(|one, next| block(one.sequence) == block(next.sequence)) {
        let Some(first) = records.first() else { continue };
        let mut words = Words::default();
        for act in records.iter().filter(|record| record.entry.stage != Stage::Outcome) {
            words.add(act, ends.of(act.sequence).copied().filter(|_| act.entry.stage == Stage::Intent));
        }
        words::append(transaction, block(first.sequence), words).await?;
    }
    Ok(())
}

impl Store {
    /// Opens or makes the database at `path` and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let in_use = if path == Path::new(":memory:") { None } else { Some(Arc::new(InUse::share(path)?)) };
        Self::connect(path, in_use).await
    }

    async fn connect(path: &Path, in_use: Option<Arc<InUse>>) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // The journal is the evidence: after a power cut the projection only has to be consistent.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5))
            .pragma("cache_size", "-4096")
            // Pages that change often are written once in 32 MiB, not once in 4.
            .pragma("wal_autocheckpoint", "8192");
        // One writer and one reader beside it are enough for one console (measured in the trial of this stack); a check of
        // the whole history takes two more.
        let connections = if path == Path::new(":memory:") { 1 } else { 4 };
        let pool = SqlitePoolOptions::new().max_connections(connections).connect_with(options).await?;
        if let Err(error) = migrations().run(&pool).await {
            if let MigrateError::VersionMissing(found) = &error {
                Kind::Database.must_be_known(path, u64::try_from(*found).unwrap_or(u64::MAX))?;
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

    /// Takes in records that follow the last one held, all or none; any, when none is held.
    ///
    /// # Errors
    /// [`StoreError::Gap`] when the first does not follow; the caller clears and starts anew.
    pub async fn append(&self, records: &[Record], hashes: &[Digest]) -> Result<(), StoreError> {
        self.append_to(None, records, hashes).await
    }

    /// The same to what the caller has seen: `after` is the last record held, 0 when none is.
    ///
    /// # Errors
    /// [`StoreError::Gap`], too, when someone else has filled or cleared the database since.
    pub(crate) async fn append_after(
        &self,
        after: u64,
        records: &[Record],
        hashes: &[Digest],
    ) -> Result<(), StoreError> {
        self.append_to(Some(after), records, hashes).await
    }

    async fn append_to(&self, after: Option<u64>, records: &[Record], hashes: &[Digest]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let mut held: Option<u64> = sqlx::query_scalar("SELECT max(sequence) FROM record")
            .fetch_one(&mut *transaction)
            .await
            .map(|held: Option<i64>| held.map(unsigned))?;
        if let (Some(after), Some(first)) = (after, records.first())
            && held.unwrap_or(0) != after
        {
            return Err(StoreError::Gap { held: held.unwrap_or(0), found: first.sequence });
        }
        let new_from = records.first().map_or(0, |record| record.sequence);
        for (records, hashes) in records.chunks(AT_ONCE).zip(hashes.chunks(AT_ONCE)) {
            held = append_some(&mut transaction, held, new_from, records, hashes).await?;
        }
        append_words(&mut transaction, records).await?;
        if let Some(held) = held {
            sqlx::query(
                "INSERT INTO progress (one, held) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET held = excluded.held",
            )
            .bind(signed(held))
            .execute(&mut *transaction)
            .await?;
        }
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
                 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> '_sqlx_migrations' \
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
        words::drop_before(&mut transaction, first).await?;
        for statement in ["DELETE FROM change WHERE sequence < ?", "DELETE FROM record WHERE sequence < ?"] {
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
        store.append(&records, &hashes).await.unwrap();
        let next = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                    VALUES (3, 'next', 1, x'00', 0)";
        sqlx::query(next).execute(&store.pool).await.unwrap();
        store.close().await;
        let path = folder.path().join("history.sqlite");
        for opened in [Store::open(&path).await, Store::open_or_begin(&path).await] {
            let words = opened.unwrap_err().to_string();
            assert!(words.contains("history.sqlite was written by a newer pot-console"), "{words}");
            assert!(words.contains("version 3;") && words.contains("knows version 2"), "{words}");
            assert!(words.contains("pot-console audit rebuild"), "{words}");
        }
        // What it advises.
        let begun = Store::begin(&path).await.unwrap();
        begun.append(&records, &hashes).await.unwrap();
        begun.close().await;
        assert_eq!(Store::open(&path).await.unwrap().last().await.unwrap(), Some((4, hashes[3])));
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
        store.append(&records, &hashes).await.unwrap();
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
        store.append(&records, &hashes).await.unwrap();
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
        store.append(&records[..2], &hashes[..2]).await.unwrap();
        let gap = store.append(&records[3..], &hashes[3..]).await;
        assert!(matches!(gap, Err(StoreError::Gap { held: 2, found: 4 })), "{gap:?}");
        assert_eq!(store.last().await.unwrap(), Some((2, hashes[1])));
    }

    #[tokio::test]
    async fn who_saw_the_database_before_it_was_cleared_puts_nothing_into_the_empty_one() {
        let (store, _folder) = store().await;
        let (records, hashes) = a_day();
        store.append_after(0, &records[..3], &hashes[..3]).await.unwrap();
        store.clear().await.unwrap();
        let late = store.append_after(3, &records[3..], &hashes[3..]).await;
        assert!(matches!(late, Err(StoreError::Gap { held: 0, found: 4 })), "{late:?}");
        assert_eq!(store.last().await.unwrap(), None);
        store.append_after(0, &records, &hashes).await.unwrap();
        assert_eq!(store.first().await.unwrap(), Some(1));
    }

    #[tokio::test]
    async fn a_damaged_database_is_not_taken_away_from_one_who_serves_from_it() {
        let (store, folder) = store().await;
        let (records, hashes) = a_day();
        store.append(&records, &hashes).await.unwrap();
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
        new.append(&records, &hashes).await.unwrap();
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
