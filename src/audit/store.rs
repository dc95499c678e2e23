//! Writing the projection: open, append in order, compare with the journal, drop.

use crate::digest::Digest;
use crate::journal::record::{Action, Method, Record, Stage};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
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

/// The projection's database.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) pool: SqlitePool,
}

/// The row that a record makes, by itself: what `verify` holds against the database.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
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

impl Row {
    fn of(record: &Record, hash: &Digest) -> Result<Self, StoreError> {
        let entry = &record.entry;
        let is_change = !matches!(
            entry.action,
            Action::SignIn
                | Action::SignOut
                | Action::Throttle
                | Action::Refusal
                | Action::Export
                | Action::Process
                | Action::Journal
        );
        Ok(Self {
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
            json: serde_json::to_string(record)?,
            person: i64::from(!matches!(entry.actor.method, Method::Console | Method::None)),
            is_change: i64::from(is_change),
        })
    }
}

impl Store {
    /// Opens or makes the database at `path` and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // The journal is the evidence: after a power cut the projection only has to be consistent.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5))
            .pragma("cache_size", "-4096");
        // One writer and one reader beside it are enough for one console (measured in the trial of this stack).
        let pool = SqlitePoolOptions::new().max_connections(3).connect_with(options).await?;
        sqlx::migrate!("./migrations").run(&pool).await?;
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

    /// How many records are held.
    pub async fn count(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM record").fetch_one(&self.pool).await?;
        Ok(unsigned(count))
    }

    /// Takes in records that follow the last one held, all or none.
    ///
    /// # Errors
    /// [`StoreError::Gap`] when the first does not follow; the caller clears and starts anew.
    pub async fn append(&self, records: &[Record], hashes: &[Digest]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let held: Option<i64> =
            sqlx::query_scalar("SELECT max(sequence) FROM record").fetch_one(&mut *transaction).await?;
        let mut held = held.map(unsigned);
        for (record, hash) in records.iter().zip(hashes) {
            if let Some(held) = held
                && record.sequence != held + 1
            {
                return Err(StoreError::Gap { held, found: record.sequence });
            }
            held = Some(record.sequence);
            let row = Row::of(record, hash)?;
            let own_end = (record.entry.stage == Stage::Event).then_some(row.sequence);
            sqlx::query(
                "INSERT INTO record (sequence, hash, id, time_ms, stage, intent, actor, method, address, action, \
                 object, reason, outcome, message, run, json, person, is_change, ended, ended_outcome) \
                 VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            )
            .bind(row.sequence)
            .bind(&row.hash)
            .bind(&row.id)
            .bind(row.time_ms)
            .bind(&row.stage)
            .bind(row.intent)
            .bind(&row.actor)
            .bind(&row.method)
            .bind(&row.address)
            .bind(&row.action)
            .bind(&row.object)
            .bind(&row.reason)
            .bind(&row.outcome)
            .bind(&row.message)
            .bind(row.run)
            .bind(&row.json)
            .bind(row.person)
            .bind(row.is_change)
            .bind(own_end)
            .bind(own_end.and(row.outcome.as_ref()))
            .execute(&mut *transaction)
            .await?;
            if record.entry.stage == Stage::Outcome {
                sqlx::query("UPDATE record SET ended = ?, ended_outcome = ? WHERE sequence = ?")
                    .bind(row.sequence)
                    .bind(&row.outcome)
                    .bind(row.intent)
                    .execute(&mut *transaction)
                    .await?;
            }
            let mut text = format!("{} {} {} {}", row.actor, row.action, row.object, row.message);
            for (position, change) in record.entry.changes.iter().enumerate() {
                for part in [Some(&change.name), change.from.as_ref(), change.to.as_ref()].into_iter().flatten() {
                    text.push(' ');
                    text.push_str(part);
                }
                // The values stand with the act, which is the intent when there is one.
                if record.entry.stage != Stage::Outcome {
                    sqlx::query(
                        "INSERT INTO change (name, sequence, position, from_value, to_value) VALUES (?,?,?,?,?)",
                    )
                    .bind(&change.name)
                    .bind(row.sequence)
                    .bind(i64::try_from(position).unwrap_or(i64::MAX))
                    .bind(&change.from)
                    .bind(&change.to)
                    .execute(&mut *transaction)
                    .await?;
                }
            }
            if let Some(reason) = &row.reason {
                text.push(' ');
                text.push_str(reason);
            }
            if record.entry.stage != Stage::Outcome {
                sqlx::query("INSERT INTO words (rowid, text) VALUES (?, ?)")
                    .bind(row.sequence)
                    .bind(&text)
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Drops everything, to be filled again from the journal.
    pub async fn clear(&self) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        for statement in ["DELETE FROM words", "DELETE FROM change", "DELETE FROM record"] {
            sqlx::query(statement).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Drops what stands before `first`, which the journal has pruned.
    pub async fn drop_before(&self, first: u64) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
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

    /// Holds rows against the journal's records, which must be consecutive: the first difference in words.
    pub async fn compare(&self, records: &[Record], hashes: &[Digest]) -> Result<Option<String>, StoreError> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(None) };
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT sequence, hash, id, time_ms, stage, intent, actor, method, address, action, object, reason, \
             outcome, message, run, json, person, is_change FROM record WHERE sequence BETWEEN ? AND ? ORDER BY sequence",
        )
        .bind(signed(first.sequence))
        .bind(signed(last.sequence))
        .fetch_all(&self.pool)
        .await?;
        type Value = (String, i64, i64, Option<String>, Option<String>);
        let changes: Vec<Value> = sqlx::query_as(
            "SELECT name, sequence, position, from_value, to_value FROM change WHERE sequence BETWEEN ? AND ? \
             ORDER BY sequence, position",
        )
        .bind(signed(first.sequence))
        .bind(signed(last.sequence))
        .fetch_all(&self.pool)
        .await?;
        let ends: Vec<(i64, Option<i64>, Option<String>)> = sqlx::query_as(
            "SELECT sequence, ended, ended_outcome FROM record WHERE sequence BETWEEN ? AND ? ORDER BY sequence",
        )
        .bind(signed(first.sequence))
        .bind(signed(last.sequence))
        .fetch_all(&self.pool)
        .await?;
        let mut rows = rows.into_iter().peekable();
        let mut changes = changes.into_iter().peekable();
        for ((record, hash), end) in
            records.iter().zip(hashes).zip(ends.into_iter().map(Some).chain(std::iter::repeat(None)))
        {
            let sequence = record.sequence;
            let wanted = Row::of(record, hash)?;
            match rows.next_if(|row| row.sequence == wanted.sequence) {
                None => return Ok(Some(format!("record {sequence} is missing in the database"))),
                Some(row) if row != wanted => {
                    return Ok(Some(format!("record {sequence} differs in the database from the journal")));
                }
                Some(_) => {}
            }
            if record.entry.stage == Stage::Event {
                let own = (wanted.sequence, Some(wanted.sequence), wanted.outcome.clone());
                if end != Some(own) {
                    return Ok(Some(format!("the outcome of record {sequence} differs in the database")));
                }
            }
            if record.entry.stage == Stage::Outcome {
                let folded: Option<(Option<i64>, Option<String>)> =
                    sqlx::query_as("SELECT ended, ended_outcome FROM record WHERE sequence = ?")
                        .bind(wanted.intent)
                        .fetch_optional(&self.pool)
                        .await?;
                // The intent may have been pruned; then there is nothing to hold against.
                if folded.is_some_and(|folded| folded != (Some(wanted.sequence), wanted.outcome.clone())) {
                    return Ok(Some(format!(
                        "the outcome of record {} differs in the database from record {sequence}",
                        wanted.intent.unwrap_or_default()
                    )));
                }
                continue;
            }
            for (position, change) in record.entry.changes.iter().enumerate() {
                let wanted = (
                    change.name.clone(),
                    wanted.sequence,
                    i64::try_from(position).unwrap_or(i64::MAX),
                    change.from.clone(),
                    change.to.clone(),
                );
                if changes.next() != Some(wanted) {
                    return Ok(Some(format!("the values of record {sequence} differ in the database")));
                }
            }
        }
        // An intent may only be called ended by an outcome that names it.
        let unfounded: Option<i64> = sqlx::query_scalar(
            "SELECT sequence FROM record AS act WHERE stage = 'intent' AND sequence BETWEEN ? AND ? \
             AND (ended IS NOT NULL OR ended_outcome IS NOT NULL) AND NOT EXISTS (SELECT 1 FROM record AS end \
             WHERE end.sequence = act.ended AND end.intent = act.sequence AND end.outcome = act.ended_outcome) LIMIT 1",
        )
        .bind(signed(first.sequence))
        .bind(signed(last.sequence))
        .fetch_optional(&self.pool)
        .await?;
        if let Some(sequence) = unfounded {
            return Ok(Some(format!("record {sequence} has an outcome in the database that is not in the journal")));
        }
        if let Some(extra) = rows.next() {
            return Ok(Some(format!("row {} of the database is not in the journal", extra.sequence)));
        }
        if let Some((_, sequence, ..)) = changes.next() {
            return Ok(Some(format!("the values of record {sequence} differ in the database")));
        }
        Ok(None)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::audit::{Cursor, Filter};
    use crate::journal::record::{Actor, Change, Entry, Outcome, Reported, Role};
    use jiff::Timestamp;
    use uuid::Uuid;

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

    async fn store() -> (Store, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("history.sqlite")).await.unwrap();
        (store, folder)
    }

    /// A sign-in, a save (intent and outcome), something that ran by itself.
    fn a_day() -> (Vec<Record>, Vec<Digest>) {
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
    async fn every_altered_column_is_found() {
        let (store, _folder) = store().await;
        let (mut records, mut hashes) = a_day();
        let (unfinished, hash) = record(5, entry(Stage::Intent, Action::Run, "anna"));
        records.push(unfinished);
        hashes.push(hash);
        store.append(&records, &hashes).await.unwrap();
        assert_eq!(store.compare(&records, &hashes).await.unwrap(), None);
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
                let found = store.compare(&records, &hashes).await.unwrap();
                assert!(found.is_some(), "{column} of record {sequence}");
                store.clear().await.unwrap();
                store.append(&records, &hashes).await.unwrap();
            }
        }
        for tampered in [
            "DELETE FROM record WHERE sequence = 2",
            "UPDATE change SET to_value = '10.0.0.0/8'",
            "DELETE FROM change",
            "INSERT INTO change VALUES ('POT_GATEWAY', 4, 0, NULL, 'x')",
        ] {
            sqlx::query(tampered).execute(&store.pool).await.unwrap();
            assert!(store.compare(&records, &hashes).await.unwrap().is_some(), "{tampered}");
            store.clear().await.unwrap();
            store.append(&records, &hashes).await.unwrap();
        }
    }
}
