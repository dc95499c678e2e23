//! Writing the projection: open, append in order, compare with the journal, drop.

use super::query::indexed;
use crate::digest::Digest;
use crate::journal::record::{Action, Change, Method, Record, Stage};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{QueryBuilder, Row as _, SqlStr, Sqlite};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The projection could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite's own words.
    #[error("the history's database: {0}")]
    Database(#[from] sqlx::Error),
    /// A migration failed.
    #[error("the history's database could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Records must come in order without gaps.
    #[error("record {found} came after record {held}: the history is rebuilt")]
    Gap {
        /// The last sequence number held.
        held: u64,
        /// The one that came.
        found: u64,
    },
    /// A record that cannot be written as text.
    #[error("a record could not be written as JSON: {0}")]
    Encoding(#[from] serde_json::Error),
}

/// What the database says otherwise than the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// One sentence per record, the first thousand.
    pub named: Vec<String>,
    /// How many there are.
    pub count: u64,
}

impl Differences {
    /// Most that are named.
    const MOST: usize = 1000;

    /// Adds what one part of the comparison found.
    pub fn add_all(&mut self, found: Vec<String>) {
        self.count += found.len() as u64;
        let room = Self::MOST.saturating_sub(self.named.len());
        self.named.extend(found.into_iter().take(room));
    }

    /// The first ones as one sentence; none when everything agrees.
    pub fn in_words(&self) -> Option<String> {
        const SHOWN: usize = 5;
        if self.named.is_empty() {
            return None;
        }
        let first: Vec<&str> = self.named.iter().take(SHOWN).map(String::as_str).collect();
        let rest = self.count.saturating_sub(first.len() as u64);
        let more = if rest == 0 { String::new() } else { format!("; and {rest} more") };
        Some(format!("{}{more}", first.join("; ")))
    }
}

/// The tables.
const HISTORY: &str = include_str!("../../migrations/0001_history.sql");

/// What `migrations/` holds, in order. Named here instead of by sqlx's macro, which would build SQLite a second time, for
/// the compiler.
fn migrations() -> Migrator {
    let history = SqlStr::from_static(HISTORY);
    Migrator::with_migrations(vec![Migration::new(1, "history".into(), MigrationType::Simple, history, false)])
}

/// The projection's database.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) pool: SqlitePool,
}

/// The row that a record makes, by itself: what `verify` holds against the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    sequence: i64,
    hash: Vec<u8>,
    id: String,
    time_ms: i64,
    stage: String,
    intent: Option<i64>,
    actor: String,
    method: String,
    address: Option<String>,
    action: String,
    object: String,
    reason: Option<String>,
    outcome: Option<String>,
    message: String,
    run: Option<i64>,
    json: String,
    person: i64,
    is_change: i64,
}

impl sqlx::FromRow<'_, SqliteRow> for Row {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            sequence: row.try_get("sequence")?,
            hash: row.try_get("hash")?,
            id: row.try_get("id")?,
            time_ms: row.try_get("time_ms")?,
            stage: row.try_get("stage")?,
            intent: row.try_get("intent")?,
            actor: row.try_get("actor")?,
            method: row.try_get("method")?,
            address: row.try_get("address")?,
            action: row.try_get("action")?,
            object: row.try_get("object")?,
            reason: row.try_get("reason")?,
            outcome: row.try_get("outcome")?,
            message: row.try_get("message")?,
            run: row.try_get("run")?,
            json: row.try_get("json")?,
            person: row.try_get("person")?,
            is_change: row.try_get("is_change")?,
        })
    }
}

/// A row as the database has it.
#[derive(Debug)]
struct Held {
    row: Row,
    ended: Option<i64>,
    ended_outcome: Option<String>,
    borne_out: bool,
    searchable: bool,
}

impl sqlx::FromRow<'_, SqliteRow> for Held {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            row: Row::from_row(row)?,
            ended: row.try_get("ended")?,
            ended_outcome: row.try_get("ended_outcome")?,
            borne_out: row.try_get("borne_out")?,
            searchable: row.try_get("searchable")?,
        })
    }
}

/// The word that serde writes for a fieldless variant.
pub(super) fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Whether a person did it; else it ran by itself.
pub(super) fn is_person(method: Method) -> bool {
    !matches!(method, Method::Console | Method::None)
}

/// Whether it changed the host, or tried to.
pub(super) fn is_change(action: Action) -> bool {
    !matches!(
        action,
        Action::SignIn
            | Action::SignOut
            | Action::Throttle
            | Action::Refusal
            | Action::Export
            | Action::Process
            | Action::Journal
    )
}

impl Row {
    fn of(record: &Record, hash: &Digest) -> Result<Self, StoreError> {
        Ok(Self::with_json(record, hash, serde_json::to_string(record)?))
    }

    fn with_json(record: &Record, hash: &Digest, json: String) -> Self {
        let entry = &record.entry;
        Self {
            sequence: signed(record.sequence),
            hash: hash.as_bytes().to_vec(),
            id: record.id.to_string(),
            time_ms: record.time.as_millisecond(),
            stage: word(&entry.stage),
            intent: entry.intent.map(signed),
            actor: entry.actor.name.clone(),
            method: word(&entry.actor.method),
            address: entry.reported.address.clone(),
            action: word(&entry.action),
            object: entry.object.clone(),
            reason: entry.reason.clone(),
            outcome: entry.outcome.as_ref().map(word),
            message: entry.message.clone(),
            run: entry.run.map(signed),
            json,
            person: i64::from(is_person(entry.actor.method)),
            is_change: i64::from(is_change(entry.action)),
        }
    }
}

/// What the database should hold of some records, as [`Store::is_same`] has SQLite write it.
#[derive(Default)]
struct Wanted {
    rows: Vec<u8>,
    values: Vec<u8>,
    acts: i64,
}

impl Wanted {
    fn of(records: &[Record], hashes: &[Digest], texts: Option<&[&str]>) -> Result<Self, StoreError> {
        let mut wanted = Self::default();
        for (at, (record, hash)) in records.iter().zip(hashes).enumerate() {
            let json = match texts.and_then(|texts| texts.get(at)) {
                Some(text) => (*text).to_owned(),
                None => serde_json::to_string(record)?,
            };
            Row::with_json(record, hash, json).write_line(&mut wanted.rows);
            if record.entry.stage != Stage::Outcome {
                wanted.acts += 1;
                write_values(record, &mut wanted.values);
            }
        }
        Ok(wanted)
    }
}

fn length(value: Option<&String>) -> i64 {
    value.map_or(-1, |value| i64::try_from(value.len()).unwrap_or(i64::MAX))
}

impl Row {
    /// Numbers and lengths, then the texts: no other row makes the same line.
    fn write_line(&self, line: &mut Vec<u8>) {
        let Self { sequence, time_ms, intent, run, person, is_change, .. } = self;
        let number = |number: &Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
        let (intent, run) = (number(intent), number(run));
        let texts = [
            Some(&self.id),
            Some(&self.stage),
            Some(&self.actor),
            Some(&self.method),
            self.address.as_ref(),
            Some(&self.action),
            Some(&self.object),
            self.reason.as_ref(),
            self.outcome.as_ref(),
            Some(&self.message),
            Some(&self.json),
        ];
        let mut text = format!("{sequence} {time_ms} {intent} {run} {person} {is_change} {} ", self.hash.len());
        for length in texts.map(length) {
            text.push_str(&length.to_string());
            text.push(' ');
        }
        for byte in &self.hash {
            text.push_str(&format!("{byte:02X}"));
        }
        line.extend_from_slice(text.as_bytes());
        for text in texts.into_iter().flatten() {
            line.extend_from_slice(text.as_bytes());
        }
    }
}

/// The same for the values of a record.
fn write_values(record: &Record, line: &mut Vec<u8>) {
    for (position, Change { name, from, to }) in record.entry.changes.iter().enumerate() {
        let lengths = [Some(name), from.as_ref(), to.as_ref()].map(length);
        let [name_length, from_length, to_length] = lengths;
        let numbers = format!("{} {position} {name_length} {from_length} {to_length} ", record.sequence);
        line.extend_from_slice(numbers.as_bytes());
        for text in [Some(name), from.as_ref(), to.as_ref()].into_iter().flatten() {
            line.extend_from_slice(text.as_bytes());
        }
    }
}

/// Records written by one statement: with twenty values each well below SQLite's limit of 32,766.
const AT_ONCE: usize = 250;

/// Writes records, their values and their words with one statement for each table. Gives the last number held then.
async fn append_some(
    transaction: &mut sqlx::Transaction<'_, Sqlite>,
    mut held: Option<u64>,
    records: &[Record],
    hashes: &[Digest],
) -> Result<Option<u64>, StoreError> {
    let first = records.first().map_or(0, |record| record.sequence);
    let mut rows = Vec::with_capacity(records.len());
    // How intents ended: at once for those of this part, by an update for earlier ones.
    let mut ends: BTreeMap<i64, (i64, Option<String>)> = BTreeMap::new();
    for (record, hash) in records.iter().zip(hashes) {
        if let Some(held) = held
            && record.sequence != held + 1
        {
            return Err(StoreError::Gap { held, found: record.sequence });
        }
        held = Some(record.sequence);
        let row = Row::of(record, hash)?;
        match (record.entry.stage, row.intent) {
            (Stage::Event, _) => drop(ends.insert(row.sequence, (row.sequence, row.outcome.clone()))),
            (Stage::Outcome, Some(intent)) if intent >= signed(first) => {
                ends.insert(intent, (row.sequence, row.outcome.clone()));
            }
            (Stage::Outcome, Some(intent)) => {
                let began: Option<String> = sqlx::query_scalar(
                    "UPDATE record SET ended = ?, ended_outcome = ? WHERE sequence = ? RETURNING json",
                )
                .bind(row.sequence)
                .bind(&row.outcome)
                .bind(intent)
                .fetch_optional(&mut **transaction)
                .await?;
                // How it ended is searched, too.
                if let Some(began) = began {
                    sqlx::query("INSERT OR REPLACE INTO words (rowid, text) VALUES (?, ?)")
                        .bind(intent)
                        .bind(indexed(&serde_json::from_str(&began)?, Some(record)))
                        .execute(&mut **transaction)
                        .await?;
                }
            }
            _ => {}
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Ok(held);
    }
    let mut insert = QueryBuilder::<Sqlite>::new(
        "INSERT INTO record (sequence, hash, id, time_ms, stage, intent, actor, method, address, action, object, \
         reason, outcome, message, run, json, person, is_change, ended, ended_outcome) ",
    );
    insert.push_values(rows, |mut values, row| {
        let (ended, outcome) = ends.remove(&row.sequence).map_or((None, None), |(by, outcome)| (Some(by), outcome));
        values.push_bind(row.sequence).push_bind(row.hash).push_bind(row.id).push_bind(row.time_ms);
        values.push_bind(row.stage).push_bind(row.intent).push_bind(row.actor).push_bind(row.method);
        values.push_bind(row.address).push_bind(row.action).push_bind(row.object).push_bind(row.reason);
        values.push_bind(row.outcome).push_bind(row.message).push_bind(row.run).push_bind(row.json);
        values.push_bind(row.person).push_bind(row.is_change).push_bind(ended).push_bind(outcome);
    });
    insert.build().execute(&mut **transaction).await?;

    let endings: BTreeMap<u64, &Record> = records
        .iter()
        .filter(|record| record.entry.stage == Stage::Outcome)
        .filter_map(|record| Some((record.entry.intent?, record)))
        .collect();
    // Values and words stand with the act, which is the intent when there is one.
    let acts: Vec<&Record> = records.iter().filter(|record| record.entry.stage != Stage::Outcome).collect();
    let values: Vec<(u64, usize, &Change)> = acts
        .iter()
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
    if !acts.is_empty() {
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO words (rowid, text) ");
        insert.push_values(acts, |mut row, act| {
            row.push_bind(signed(act.sequence)).push_bind(indexed(act, endings.get(&act.sequence).copied()));
        });
        insert.build().execute(&mut **transaction).await?;
    }
    Ok(held)
}

impl Store {
    /// Opens or makes the database at `path` and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
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
        // One writer and one reader beside it are enough for one console (measured in the trial of this stack).
        let connections = if path == Path::new(":memory:") { 1 } else { 3 };
        let pool = SqlitePoolOptions::new().max_connections(connections).connect_with(options).await?;
        migrations().run(&pool).await?;
        Ok(Self { pool })
    }

    /// Opens the database; one that cannot be used is set aside and begun anew, since all of it comes from the journal.
    pub async fn open_or_begin(path: &Path) -> Result<Self, StoreError> {
        match Self::open(path).await {
            Ok(store) => Ok(store),
            Err(error) => {
                tracing::warn!(%error, "the history's database is begun anew");
                for ending in ["", "-wal", "-shm"] {
                    let mut name = path.as_os_str().to_owned();
                    name.push(ending);
                    // What is not there need not go; what cannot go shows itself at once.
                    let _ = std::fs::remove_file(name);
                }
                Self::open(path).await
            }
        }
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
    pub async fn append_after(&self, after: u64, records: &[Record], hashes: &[Digest]) -> Result<(), StoreError> {
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
        for (records, hashes) in records.chunks(AT_ONCE).zip(hashes.chunks(AT_ONCE)) {
            held = append_some(&mut transaction, held, records, hashes).await?;
        }
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
            // Tables of FTS5's own go with the table of words, indexes with theirs.
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
    pub async fn drop_before(&self, first: u64) -> Result<(), StoreError> {
        if self.first().await?.is_none_or(|oldest| oldest >= first) {
            return Ok(());
        }
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for statement in [
            "DELETE FROM words WHERE rowid < ?",
            "DELETE FROM change WHERE sequence < ?",
            "DELETE FROM record WHERE sequence < ?",
        ] {
            sqlx::query(statement).bind(signed(first)).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Rows up to `until` that the journal, which begins with `first` and ends with `last`, has no place for.
    async fn outside(&self, first: u64, last: u64, until: u64) -> Result<Vec<String>, StoreError> {
        let rows: Vec<i64> = sqlx::query_scalar(
            "SELECT sequence FROM record WHERE sequence < ? OR sequence BETWEEN ? AND ? ORDER BY sequence LIMIT 1000",
        )
        .bind(signed(first))
        .bind(signed(last.saturating_add(1)))
        .bind(signed(until))
        .fetch_all(&self.pool)
        .await?;
        let values: Vec<i64> = sqlx::query_scalar(
            "SELECT DISTINCT sequence FROM change WHERE sequence NOT IN (SELECT sequence FROM record) \
             ORDER BY sequence LIMIT 1000",
        )
        .fetch_all(&self.pool)
        .await?;
        let words: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM words_docsize WHERE id NOT IN (SELECT sequence FROM record) ORDER BY id LIMIT 1000",
        )
        .fetch_all(&self.pool)
        .await?;
        let rows = rows.into_iter().map(|row| format!("row {row} of the database is not in the journal"));
        let words =
            words.into_iter().map(|row| format!("the database has words of record {row}, which is not in the journal"));
        let stray = values
            .into_iter()
            .map(|row| format!("the database has values of record {row}, which is not in the journal"));
        Ok(rows.chain(stray).chain(words).collect())
    }

    /// What is wrong with the tables themselves: a page finds its rows by indexes and words, which may be told to leave
    /// some out.
    async fn ill_made(&self) -> Result<Vec<String>, StoreError> {
        type Part = (String, String, Option<String>);
        let parts = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name";
        let as_made = Self::open(Path::new(":memory:")).await?;
        let wanted: Vec<Part> = sqlx::query_as(parts).fetch_all(&as_made.pool).await?;
        as_made.pool.close().await;
        let held: Vec<Part> = sqlx::query_as(parts).fetch_all(&self.pool).await?;
        let mut found = Vec::new();
        for (kind, name, _) in held.iter().filter(|part| !wanted.contains(part)) {
            found.push(format!("the {kind} {name} of the database is not as the console makes it"));
        }
        for (kind, name, _) in &wanted {
            if !held.iter().any(|(_, there, _)| there == name) {
                found.push(format!("the {kind} {name} is missing in the database"));
            }
        }
        // Rows against the indexes that pages go along. Of the words that would take three times as long.
        for check in ["PRAGMA integrity_check(record)", "PRAGMA integrity_check(change)"] {
            let complaints: Vec<String> = sqlx::query_scalar(check).fetch_all(&self.pool).await?;
            let complaints = complaints.into_iter().filter(|complaint| complaint != "ok");
            found.extend(complaints.map(|complaint| format!("the database is damaged: {complaint}")));
        }
        Ok(found)
    }

    /// Holds rows against the journal's records, which must be consecutive: each record that differs, in words.
    async fn compare(
        &self,
        records: &[Record],
        hashes: &[Digest],
        texts: Option<&[&str]>,
    ) -> Result<Vec<String>, StoreError> {
        // What cannot be said in one piece is looked at row by row, which tells why.
        if self.is_same(records, hashes, texts).await.unwrap_or(false) {
            Ok(Vec::new())
        } else {
            self.differing(records, hashes).await
        }
    }

    /// Whether nothing differs: SQLite makes one text of all rows, which is held against the one that they should
    /// make. Many times as fast as taking each value of each row out of the database.
    async fn is_same(&self, records: &[Record], hashes: &[Digest], texts: Option<&[&str]>) -> Result<bool, StoreError> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(true) };
        type Found = (Vec<u8>, Vec<u8>, i64, i64, i64);
        let found = sqlx::query_as(
            "SELECT \
             (SELECT CAST(coalesce(group_concat(line, ''), '') AS BLOB) FROM (SELECT format( \
             '%d %d %s %s %d %d %d %d %d %d %d %d %d %d %d %d %d %d ', sequence, time_ms, intent, run, person, is_change, \
             octet_length(hash), octet_length(id), octet_length(stage), octet_length(actor), octet_length(method), \
             coalesce(octet_length(address), -1), octet_length(action), octet_length(object), \
             coalesce(octet_length(reason), -1), coalesce(octet_length(outcome), -1), octet_length(message), \
             octet_length(json)) \
             || concat(hex(hash), id, stage, actor, method, address, action, object, reason, outcome, message, json) \
             AS line FROM record WHERE sequence BETWEEN ?1 AND ?2 ORDER BY sequence)), \
             (SELECT CAST(coalesce(group_concat(line, ''), '') AS BLOB) FROM (SELECT format('%d %d %d %d %d ', sequence, \
             position, octet_length(name), coalesce(octet_length(from_value), -1), coalesce(octet_length(to_value), -1)) \
             || concat(name, from_value, to_value) AS line FROM change WHERE sequence BETWEEN ?1 AND ?2 \
             ORDER BY sequence, position)), \
             (SELECT count(*) FROM record AS act WHERE sequence BETWEEN ?1 AND ?2 AND NOT CASE stage \
             WHEN 'event' THEN ended IS sequence AND ended_outcome IS outcome \
             WHEN 'outcome' THEN ended IS NULL AND ended_outcome IS NULL AND NOT EXISTS (SELECT 1 FROM record AS \
             intent WHERE intent.sequence = act.intent \
             AND (intent.ended IS NOT act.sequence OR intent.ended_outcome IS NOT act.outcome)) \
             ELSE (ended IS NULL AND ended_outcome IS NULL) OR (ended_outcome IS NOT NULL AND EXISTS (SELECT 1 FROM \
             record AS other WHERE other.sequence = act.ended AND other.intent = act.sequence \
             AND other.outcome IS act.ended_outcome)) END), \
             (SELECT count(*) FROM words_docsize WHERE id BETWEEN ?1 AND ?2), \
             (SELECT count(*) FROM words_docsize CROSS JOIN record ON record.sequence = words_docsize.id WHERE words_docsize.id BETWEEN ?1 AND ?2 \
             AND stage = 'outcome')",
        )
        .bind(signed(first.sequence))
        .bind(signed(last.sequence))
        .fetch_one(&self.pool);
        // SQLite's own thread works on it meanwhile.
        let (found, wanted) = tokio::join!(found, async { Wanted::of(records, hashes, texts) });
        let (found, wanted): (Found, Wanted) = (found?, wanted?);
        Ok(found == (wanted.rows, wanted.values, 0, wanted.acts, 0))
    }

    /// The same row by row.
    async fn differing(&self, records: &[Record], hashes: &[Digest]) -> Result<Vec<String>, StoreError> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(Vec::new()) };
        // Whether an outcome in the database bears out how an intent's row says that it ended, and whether the act is
        // found by its words.
        let rows: Vec<Held> = sqlx::query_as(
            "SELECT sequence, hash, id, time_ms, stage, intent, actor, method, address, action, object, reason, \
             outcome, message, run, json, person, is_change, ended, ended_outcome, stage <> 'intent' OR ended IS NULL \
             OR EXISTS (SELECT 1 FROM record AS other WHERE other.sequence = record.ended AND other.intent = \
             record.sequence AND other.outcome IS record.ended_outcome) AS borne_out, \
             EXISTS (SELECT 1 FROM words_docsize WHERE words_docsize.id = record.sequence) AS searchable \
             FROM record WHERE sequence BETWEEN ? AND ? ORDER BY sequence",
        )
        .bind(signed(first.sequence))
        .bind(signed(last.sequence))
        .fetch_all(&self.pool)
        .await?;
        type Value = (String, i64, i64, Option<String>, Option<String>);
        let values: Vec<Value> = sqlx::query_as(
            "SELECT name, sequence, position, from_value, to_value FROM change WHERE sequence BETWEEN ? AND ? \
             ORDER BY sequence, position",
        )
        .bind(signed(first.sequence))
        .bind(signed(last.sequence))
        .fetch_all(&self.pool)
        .await?;
        // What outcomes say of intents that stand in an earlier part.
        let folded: Vec<(i64, Option<i64>, Option<String>)> = sqlx::query_as(
            "SELECT act.sequence, act.ended, act.ended_outcome FROM record AS outcome JOIN record AS act ON \
             act.sequence = outcome.intent WHERE outcome.sequence BETWEEN ? AND ? AND outcome.stage = 'outcome'",
        )
        .bind(signed(first.sequence))
        .bind(signed(last.sequence))
        .fetch_all(&self.pool)
        .await?;

        let mut rows: BTreeMap<i64, Held> = rows.into_iter().map(|held| (held.row.sequence, held)).collect();
        let mut by_record: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
        for value in values {
            by_record.entry(value.1).or_default().push(value);
        }
        let folded: BTreeMap<i64, (Option<i64>, Option<String>)> =
            folded.into_iter().map(|(act, ended, outcome)| (act, (ended, outcome))).collect();
        let mut found = Vec::new();
        for (record, hash) in records.iter().zip(hashes) {
            let sequence = record.sequence;
            let wanted = Row::of(record, hash)?;
            let of_record = by_record.remove(&wanted.sequence).unwrap_or_default();
            let held = match rows.remove(&wanted.sequence) {
                None => {
                    found.push(format!("record {sequence} is missing in the database"));
                    continue;
                }
                Some(held) if held.row != wanted => {
                    found.push(format!("record {sequence} differs in the database from the journal"));
                    continue;
                }
                Some(held) => held,
            };
            let ends_well = match record.entry.stage {
                Stage::Event => held.ended == Some(wanted.sequence) && held.ended_outcome == wanted.outcome,
                // The intent may have been pruned; then there is nothing to hold against.
                Stage::Outcome => {
                    held.ended.is_none()
                        && held.ended_outcome.is_none()
                        && wanted.intent.and_then(|intent| folded.get(&intent)).is_none_or(|(ended, outcome)| {
                            *ended == Some(wanted.sequence) && *outcome == wanted.outcome
                        })
                }
                // An intent may only be called ended by an outcome that names it.
                Stage::Intent => held.borne_out && held.ended.is_some() == held.ended_outcome.is_some(),
            };
            if !ends_well {
                found.push(format!("how record {sequence} ended differs in the database"));
            }
            let values = if record.entry.stage == Stage::Outcome { &[] } else { record.entry.changes.as_slice() };
            let values = values.iter().enumerate().map(|(position, change)| {
                let position = i64::try_from(position).unwrap_or(i64::MAX);
                (change.name.clone(), wanted.sequence, position, change.from.clone(), change.to.clone())
            });
            if !values.eq(of_record) {
                found.push(format!("the values of record {sequence} differ in the database"));
            }
            if held.searchable == (record.entry.stage == Stage::Outcome) {
                found.push(format!("the words of record {sequence} differ in the database"));
            }
        }
        found.extend(rows.into_keys().map(|extra| format!("row {extra} of the database is not in the journal")));
        found.extend(
            by_record
                .into_keys()
                .map(|extra| format!("the database has values of record {extra} that the journal does not have")),
        );
        Ok(found)
    }
}

/// The database as far as it was when this began, held against the journal part by part. Records go on being made and
/// taken in meanwhile: what came later is neither missing nor too much.
#[derive(Debug)]
pub struct Comparison {
    store: Store,
    /// The last record held at the beginning.
    held: u64,
    /// The journal's first and last record, as the newest part says.
    first: u64,
    last: u64,
    found: Differences,
}

impl Comparison {
    /// Notes how far the database is. The journal must be read after this: it is then at least as far.
    pub async fn begin(store: &Store) -> Result<Self, StoreError> {
        // One statement, so that both are of one moment.
        let (held, taken): (Option<i64>, Option<i64>) =
            sqlx::query_as("SELECT (SELECT max(sequence) FROM record), (SELECT max(held) FROM progress)")
                .fetch_one(&store.pool)
                .await?;
        let mut found = Differences::default();
        if held != taken {
            let [held, taken] = [held, taken].map(|number| number.unwrap_or(0));
            found.add_all(vec![format!("the database ends with record {held}, but it had taken in record {taken}")]);
        }
        Ok(Self { store: store.clone(), held: held.map_or(0, unsigned), first: 0, last: 0, found })
    }

    /// The last record held when this began.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Holds rows against records that follow those of the part before; the journal runs from `first` to `last`, and
    /// `texts` is how the records stand there, where that is known. Whether more of it is wanted.
    pub async fn add(
        &mut self,
        first: u64,
        last: u64,
        records: &[Record],
        hashes: &[Digest],
        texts: Option<&[&str]>,
    ) -> Result<bool, StoreError> {
        (self.first, self.last) = (first, last);
        let count = records.partition_point(|record| record.sequence <= self.held);
        let (records, hashes) = (records.get(..count).unwrap_or(records), hashes.get(..count).unwrap_or(hashes));
        self.found.add_all(self.store.compare(records, hashes, texts).await?);
        Ok(records.last().is_some_and(|record| record.sequence < self.held))
    }

    /// What differs.
    pub async fn end(mut self) -> Result<Differences, StoreError> {
        self.found.add_all(self.store.outside(self.first, self.last, self.held).await?);
        self.found.add_all(self.store.ill_made().await?);
        Ok(self.found)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::audit::{Cursor, Filter};
    use crate::journal::record::{Actor, Change, Entry, Outcome, Reported, Role};
    use jiff::Timestamp;
    use uuid::Uuid;

    #[test]
    fn every_migration_is_run() {
        let mut files: Vec<_> = std::fs::read_dir("migrations").unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        let on_disk: Vec<_> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        let named = migrations();
        assert_eq!(on_disk, named.iter().map(|migration| migration.sql.as_str()).collect::<Vec<_>>());
    }

    fn entry(stage: Stage, action: Action, actor: &str) -> Entry {
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

    fn record(sequence: u64, entry: Entry) -> (Record, Digest) {
        let time = Timestamp::from_millisecond(1_790_000_000_000 + i64::try_from(sequence).unwrap()).unwrap();
        (Record { sequence, id: Uuid::now_v7(), time, entry }, Digest::of(&sequence.to_be_bytes()))
    }

    pub async fn store() -> (Store, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("history.sqlite")).await.unwrap();
        (store, folder)
    }

    /// A sign-in, a save (intent and outcome), something that ran by itself.
    pub fn a_day() -> (Vec<Record>, Vec<Digest>) {
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
    async fn what_comes_while_the_database_is_held_against_the_journal_is_no_difference() {
        let (store, _folder) = store().await;
        let (records, hashes) = a_day();
        store.append(&records[..2], &hashes[..2]).await.unwrap();
        // The journal is further than the database; then the database catches up while it is looked at.
        let mut comparison = Comparison::begin(&store).await.unwrap();
        store.append(&records[2..], &hashes[2..]).await.unwrap();
        assert!(!comparison.add(1, 4, &records, &hashes, None).await.unwrap());
        assert_eq!(comparison.end().await.unwrap(), Differences::default());
        // A row that the journal never had is one, and so is a row that was taken away at the end.
        for (tampering, named) in [
            ("UPDATE record SET sequence = 9 WHERE sequence = 4", "row 9 of the database is not in the journal"),
            ("DELETE FROM record WHERE sequence = 4", "ends with record 3, but it had taken in record 4"),
        ] {
            store.clear().await.unwrap();
            store.append(&records, &hashes).await.unwrap();
            sqlx::query(tampering).execute(&store.pool).await.unwrap();
            let mut comparison = Comparison::begin(&store).await.unwrap();
            comparison.add(1, 4, &records, &hashes, None).await.unwrap();
            let found = comparison.end().await.unwrap();
            assert!(found.named.iter().any(|found| found.contains(named)), "{tampering}: {found:?}");
        }
    }

    #[tokio::test]
    async fn tables_that_leave_something_out_are_found_and_made_anew() {
        let (store, _folder) = store().await;
        let (records, hashes) = a_day();
        store.append(&records, &hashes).await.unwrap();
        assert_eq!(store.ill_made().await.unwrap(), Vec::<String>::new());
        for tampering in [
            "DROP INDEX record_changes",
            "CREATE TRIGGER hide AFTER INSERT ON record BEGIN DELETE FROM record WHERE actor = 'anna'; END",
            "CREATE TABLE mine (x)",
            "DROP TABLE words",
            // The index leaves out an actor, but says of itself what it should.
            "DROP INDEX record_changes; \
             CREATE INDEX record_changes ON record (is_change, sequence, actor, person, time_ms) \
             WHERE stage <> 'outcome' AND actor <> 'anna'; \
             PRAGMA writable_schema = on; \
             UPDATE sqlite_schema SET sql = replace(sql, ' AND actor <> ''anna''', '') WHERE name = 'record_changes'; \
             PRAGMA writable_schema = reset",
        ] {
            sqlx::raw_sql(tampering).execute(&store.pool).await.unwrap();
            assert!(!store.ill_made().await.unwrap().is_empty(), "{tampering}");
            store.clear().await.unwrap();
            store.append(&records, &hashes).await.unwrap();
            assert_eq!(store.ill_made().await.unwrap(), Vec::<String>::new(), "{tampering}");
        }
    }

    #[tokio::test]
    async fn every_altered_column_is_found() {
        let (store, _folder) = store().await;
        let (mut records, mut hashes) = a_day();
        let (unfinished, hash) = record(5, entry(Stage::Intent, Action::Run, "anna"));
        records.push(unfinished);
        hashes.push(hash);
        store.append(&records, &hashes).await.unwrap();
        assert_eq!(store.differing(&records, &hashes).await.unwrap(), Vec::<String>::new());
        assert!(store.is_same(&records, &hashes, None).await.unwrap());
        let columns = [
            "hash",
            "id",
            "time_ms",
            "stage",
            "intent",
            "actor",
            "method",
            "address",
            "action",
            "object",
            "reason",
            "outcome",
            "message",
            "run",
            "json",
            "person",
            "is_change",
            "ended",
            "ended_outcome",
        ];
        for column in columns {
            for sequence in 1..=5 {
                // An intent's end is checked at its outcome; an outcome's own end is never filled.
                if column.starts_with("ended") && sequence == 3 {
                    continue;
                }
                let value = match column {
                    "hash" => "x'00'",
                    "time_ms" | "intent" | "run" | "person" | "is_change" | "ended" => "77",
                    "stage" if sequence == 1 => "'intent'",
                    _ => "'altered'",
                };
                let tampered = format!("UPDATE record SET {column} = {value} WHERE sequence = {sequence}");
                sqlx::query(sqlx::AssertSqlSafe(tampered)).execute(&store.pool).await.unwrap();
                assert!(!store.is_same(&records, &hashes, None).await.unwrap(), "{column} of record {sequence}");
                let found = store.compare(&records, &hashes, None).await.unwrap();
                assert!(!found.is_empty(), "{column} of record {sequence}");
                store.clear().await.unwrap();
                store.append(&records, &hashes).await.unwrap();
            }
        }
        for tampered in [
            "DELETE FROM record WHERE sequence = 2",
            "UPDATE change SET to_value = '10.0.0.0/8'",
            "DELETE FROM change",
            "INSERT INTO change VALUES ('POT_GATEWAY', 4, 0, NULL, 'x')",
            "DELETE FROM words WHERE rowid = 2",
            "INSERT INTO words (rowid, text) VALUES (3, 'anna')",
        ] {
            sqlx::query(tampered).execute(&store.pool).await.unwrap();
            assert!(!store.compare(&records, &hashes, None).await.unwrap().is_empty(), "{tampered}");
            store.clear().await.unwrap();
            store.append(&records, &hashes).await.unwrap();
        }
    }
}
