//! Holding the projection against the journal: every row, every value, every word, and the tables themselves.

use super::error::StoreError;
use super::row::{Row, signed, unsigned};
use super::store::Store;
use super::words::{self, Words, block};
use crate::digest::Digest;
use crate::journal::Ended;
use crate::journal::record::{Change, Record, Stage};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use tokio::task::JoinHandle;

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
    pub(crate) fn add_all(&mut self, found: Vec<String>) {
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

/// A row as the database has it.
#[derive(Debug)]
struct Held {
    row: Row,
    ended: Option<i64>,
    ended_outcome: Option<String>,
    borne_out: bool,
}

impl sqlx::FromRow<'_, SqliteRow> for Held {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            row: Row::from_row(row)?,
            ended: row.try_get("ended")?,
            ended_outcome: row.try_get("ended_outcome")?,
            borne_out: row.try_get("borne_out")?,
        })
    }
}

/// What the database should hold of some records, as [`Store::is_same`] has SQLite write it.
#[derive(Default)]
struct Expected {
    rows: Vec<u8>,
    values: Vec<u8>,
}

impl Expected {
    fn of(records: &[Record], hashes: &[Digest], texts: Option<&[&str]>) -> Result<Self, StoreError> {
        let mut wanted = Self::default();
        for (at, (record, hash)) in records.iter().zip(hashes).enumerate() {
            let json = match texts.and_then(|texts| texts.get(at)) {
                Some(text) => (*text).to_owned(),
                None => serde_json::to_string(record)?,
            };
            Row::with_json(record, hash, json).write_line(&mut wanted.rows);
            if record.entry.stage != Stage::Outcome {
                write_values(record, &mut wanted.values);
            }
        }
        Ok(wanted)
    }
}

/// A number and a blank; nothing and a blank for none.
fn put_number(line: &mut Vec<u8>, number: Option<i64>) {
    if let Some(number) = number {
        // Writing into memory does not fail.
        let _ = write!(line, "{number}");
    }
    line.push(b' ');
}

fn length(value: Option<&String>) -> i64 {
    value.map_or(-1, |value| i64::try_from(value.len()).unwrap_or(i64::MAX))
}

impl Row {
    /// Numbers and lengths, then the texts: no other row makes the same line.
    fn write_line(&self, line: &mut Vec<u8>) {
        let Self { sequence, time_ms, intent, run, person, is_change, .. } = self;
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
        put_number(line, Some(*sequence));
        put_number(line, Some(*time_ms));
        put_number(line, *intent);
        put_number(line, *run);
        put_number(line, Some(*person));
        put_number(line, Some(*is_change));
        put_number(line, Some(i64::try_from(self.hash.len()).unwrap_or(i64::MAX)));
        for length in texts.map(length) {
            put_number(line, Some(length));
        }
        for byte in &self.hash {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            line.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        for text in texts.into_iter().flatten() {
            line.extend_from_slice(text.as_bytes());
        }
    }
}

/// The same for the values of a record.
fn write_values(record: &Record, line: &mut Vec<u8>) {
    for (position, Change { name, from, to }) in record.entry.changes.iter().enumerate() {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        let [name_length, from_length, to_length] = [Some(name), from.as_ref(), to.as_ref()].map(length);
        for number in [signed(record.sequence), position, name_length, from_length, to_length] {
            put_number(line, Some(number));
        }
        for text in [Some(name), from.as_ref(), to.as_ref()].into_iter().flatten() {
            line.extend_from_slice(text.as_bytes());
        }
    }
}

impl Store {
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
        // Values and words between them are held against the records.
        let values: Vec<i64> = sqlx::query_scalar(
            "SELECT DISTINCT sequence FROM change WHERE (sequence < ? OR sequence > ?) \
             AND sequence NOT IN (SELECT sequence FROM record) ORDER BY sequence LIMIT 1000",
        )
        .bind(signed(first))
        .bind(signed(last.min(until)))
        .fetch_all(&self.pool)
        .await?;
        let words: Vec<i64> = sqlx::query_scalar(
            "SELECT DISTINCT block FROM word WHERE block < ? OR block > coalesce((SELECT max(sequence) FROM record) / ?, -1) \
             ORDER BY block LIMIT 1000",
        )
        .bind(signed(block(first)))
        .bind(signed(words::BLOCK))
        .fetch_all(&self.pool)
        .await?;
        let rows = rows.into_iter().map(|row| format!("row {row} of the database is not in the journal"));
        let words = words.into_iter().map(|block| {
            let (from, to) = (block.saturating_mul(signed(words::BLOCK)), block.saturating_add(1));
            let to = to.saturating_mul(signed(words::BLOCK)).saturating_sub(1);
            format!("the database has words of records {from} to {to}, none of which is in the journal")
        });
        let stray = values
            .into_iter()
            .map(|row| format!("the database has values of record {row}, which is not in the journal"));
        Ok(rows.chain(stray).chain(words).collect())
    }

    /// What is wrong with the tables themselves: a page finds its rows by indexes and words, which may be told to leave
    /// some out.
    async fn schema_problems(&self) -> Result<Vec<String>, StoreError> {
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
        // Rows against the indexes that pages go along.
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
        idle: &[u64],
    ) -> Result<Vec<String>, StoreError> {
        // What cannot be said in one piece is looked at row by row, which tells why.
        if self.is_same(records, hashes, texts, idle).await.unwrap_or(false) {
            Ok(Vec::new())
        } else {
            self.differing(records, hashes, idle).await
        }
    }

    /// Whether nothing differs: SQLite makes one text of all rows, which is held against the one that they should
    /// make. Many times as fast as taking each value of each row out of the database. `idle` are outcomes that do not
    /// count.
    async fn is_same(
        &self,
        records: &[Record],
        hashes: &[Digest],
        texts: Option<&[&str]>,
        idle: &[u64],
    ) -> Result<bool, StoreError> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(true) };
        type Found = (Vec<u8>, Vec<u8>, i64);
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
             WHEN 'outcome' THEN ended IS NULL AND ended_outcome IS NULL AND \
             (act.sequence IN (SELECT value FROM json_each(?3)) OR NOT EXISTS (SELECT 1 FROM record AS \
             intent WHERE intent.sequence = act.intent AND intent.stage = 'intent' \
             AND (intent.ended IS NOT act.sequence OR intent.ended_outcome IS NOT act.outcome))) \
             ELSE (ended IS NULL AND ended_outcome IS NULL) OR (ended_outcome IS NOT NULL AND EXISTS (SELECT 1 FROM \
             record AS other WHERE other.sequence = act.ended AND other.intent = act.sequence \
             AND other.outcome IS act.ended_outcome)) END)",
        )
        .bind(signed(first.sequence))
        .bind(signed(last.sequence))
        .bind(serde_json::to_string(idle)?)
        .fetch_one(&self.pool);
        // SQLite's own thread works on it meanwhile.
        let (found, wanted) = tokio::join!(found, async { Expected::of(records, hashes, texts) });
        let (found, wanted): (Found, Expected) = (found?, wanted?);
        Ok(found == (wanted.rows, wanted.values, 0))
    }

    /// The same row by row.
    async fn differing(&self, records: &[Record], hashes: &[Digest], idle: &[u64]) -> Result<Vec<String>, StoreError> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(Vec::new()) };
        // Whether an outcome in the database bears out how an intent's row says that it ended.
        let rows: Vec<Held> = sqlx::query_as(
            "SELECT sequence, hash, id, time_ms, stage, intent, actor, method, address, action, object, reason, \
             outcome, message, run, json, person, is_change, ended, ended_outcome, stage <> 'intent' OR ended IS NULL \
             OR EXISTS (SELECT 1 FROM record AS other WHERE other.sequence = record.ended AND other.intent = \
             record.sequence AND other.outcome IS record.ended_outcome) AS borne_out \
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
             act.sequence = outcome.intent AND act.stage = 'intent' \
             WHERE outcome.sequence BETWEEN ? AND ? AND outcome.stage = 'outcome'",
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
                        && (idle.contains(&sequence)
                            || wanted.intent.and_then(|intent| folded.get(&intent)).is_none_or(|(ended, outcome)| {
                                *ended == Some(wanted.sequence) && *outcome == wanted.outcome
                            }))
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
    open: OpenBlock,
    ended: Option<Ended>,
    /// What is wrong with the tables themselves, looked for meanwhile.
    schema_problems: JoinHandle<Result<Vec<String>, StoreError>>,
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
        let tables = store.clone();
        Ok(Self {
            store: store.clone(),
            held: held.map_or(0, unsigned),
            first: 0,
            last: 0,
            open: OpenBlock::default(),
            ended: None,
            schema_problems: tokio::spawn(async move { tables.schema_problems().await }),
            found,
        })
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
        let Self { store, open, ended, held, .. } = self;
        let ended = ended.get_or_insert_with(|| Ended::from(first));
        let idle: Vec<u64> = records
            .iter()
            .filter(|record| record.entry.stage == Stage::Outcome)
            .filter(|record| !record.ends_act().is_some_and(|intent| ended.counts(record.sequence, intent)))
            .map(|record| record.sequence)
            .collect();
        // SQLite's own thread works on the rows meanwhile.
        let (rows, words) =
            tokio::join!(store.compare(records, hashes, texts, &idle), open.take_in(store, *held, records));
        self.found.add_all(rows?);
        self.found.add_all(words?);
        Ok(records.last().is_some_and(|record| record.sequence < self.held))
    }

    /// What differs.
    pub async fn end(mut self) -> Result<Differences, StoreError> {
        self.found.add_all(std::mem::take(&mut self.open).compare(&self.store, self.held).await?);
        self.found.add_all(self.store.outside(self.first, self.last, self.held).await?);
        match self.schema_problems.await {
            Ok(found) => self.found.add_all(found?),
            Err(error) => self.found.add_all(vec![format!("the tables of the database could not be checked: {error}")]),
        }
        Ok(self.found)
    }
}

/// The words that acts of one block should have, as far as the journal was read.
#[derive(Debug, Default)]
struct OpenBlock {
    words: Words,
    /// What has not ended yet.
    intents: BTreeMap<u64, Record>,
    /// The last record taken in; 0: none.
    last: u64,
}

impl OpenBlock {
    /// Takes in what follows, and compares each block that is complete then.
    async fn take_in(&mut self, store: &Store, held: u64, records: &[Record]) -> Result<Vec<String>, StoreError> {
        let mut found = Vec::new();
        for records in records.chunk_by(|one, next| block(one.sequence) == block(next.sequence)) {
            let (Some(first), Some(last)) = (records.first(), records.last()) else { continue };
            if block(self.last) != block(first.sequence) {
                found.extend(std::mem::take(self).compare(store, held).await?);
            }
            self.last = last.sequence;
            for record in records {
                match record.entry.stage {
                    Stage::Event => self.words.add(record, None),
                    Stage::Intent => drop(self.intents.insert(record.sequence, record.clone())),
                    // The first one takes it away: it is the one that counts.
                    Stage::Outcome => {
                        if let Some(intent) = record.ends_act().and_then(|intent| self.intents.remove(&intent)) {
                            self.words.add(&intent, Some(record));
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// Holds the block's words in the database against them, those of records left out that were taken in after `held`.
    async fn compare(self, store: &Store, held: u64) -> Result<Vec<String>, StoreError> {
        let Self { mut words, mut intents, last } = self;
        if last == 0 {
            return Ok(Vec::new());
        }
        let number = block(last);
        // Words and ends of one moment, for acts go on ending.
        let mut snapshot = store.pool.begin().await?;
        let newest: Option<i64> =
            sqlx::query_scalar("SELECT max(sequence) FROM record").fetch_one(&mut *snapshot).await?;
        let newest = newest.map_or(0, unsigned);
        // Nothing was taken in meanwhile that has words here.
        let whole = block(held) > number || newest <= held;
        // Rows that are held against the journal themselves, when their turn comes.
        let open: Vec<u64> = intents.keys().copied().collect();
        let ended_later: Vec<(i64, String)> = sqlx::query_as(
            "SELECT act.sequence, outcome.json FROM json_each(?) AS open CROSS JOIN record AS act \
             ON act.sequence = open.value JOIN record AS outcome ON outcome.sequence = act.ended WHERE act.ended > ?",
        )
        .bind(serde_json::to_string(&open)?)
        .bind(signed(last))
        .fetch_all(&mut *snapshot)
        .await?;
        for (intent, json) in ended_later {
            let intent = u64::try_from(intent).ok().and_then(|intent| intents.remove(&intent));
            if let (Some(intent), Ok(outcome)) = (intent, serde_json::from_str(&json)) {
                words.add(&intent, Some(&outcome));
            }
        }
        for intent in intents.values() {
            words.add(intent, None);
        }
        let expected = words.sorted();
        if whole {
            let text: Vec<u8> = sqlx::query_scalar(
                "SELECT CAST(coalesce(group_concat(line, ''), '') AS BLOB) FROM (SELECT format('%d %d ', \
                 octet_length(word), octet_length(acts)) || word || acts AS line FROM word WHERE block = ? ORDER BY word)",
            )
            .bind(signed(number))
            .fetch_one(&mut *snapshot)
            .await?;
            let mut wanted = Vec::with_capacity(text.len());
            for (word, acts) in &expected {
                wanted.extend_from_slice(format!("{} {} {word}", word.len(), acts.len()).as_bytes());
                wanted.extend_from_slice(acts);
            }
            if text == wanted {
                return Ok(Vec::new());
            }
        }
        let held_rows: Vec<(String, Vec<u8>)> = sqlx::query_as("SELECT word, acts FROM word WHERE block = ?")
            .bind(signed(number))
            .fetch_all(&mut *snapshot)
            .await?;
        let differing = words::differing(number, expected, held_rows, held..newest);
        let named =
            differing.records.iter().map(|record| format!("the words of record {record} differ in the database"));
        let unnamed = (differing.otherwise_written || (whole && differing.records.is_empty()))
            .then(|| format!("words of the records up to {last} are not as the console writes them in the database"));
        Ok(named.chain(unnamed).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::tests::{a_day, entry, record, store};
    use super::*;
    use crate::journal::record::Action;

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
        assert_eq!(store.schema_problems().await.unwrap(), Vec::<String>::new());
        for tampering in [
            "DROP INDEX record_changes",
            "CREATE TRIGGER hide AFTER INSERT ON record BEGIN DELETE FROM record WHERE actor = 'anna'; END",
            "CREATE TABLE mine (x)",
            "DROP TABLE word",
            // The index leaves out an actor, but says of itself what it should.
            "DROP INDEX record_changes; \
             CREATE INDEX record_changes ON record (is_change, sequence, actor, person, time_ms) \
             WHERE stage <> 'outcome' AND actor <> 'anna'; \
             PRAGMA writable_schema = on; \
             UPDATE sqlite_schema SET sql = replace(sql, ' AND actor <> ''anna''', '') WHERE name = 'record_changes'; \
             PRAGMA writable_schema = reset",
        ] {
            sqlx::raw_sql(tampering).execute(&store.pool).await.unwrap();
            assert!(!store.schema_problems().await.unwrap().is_empty(), "{tampering}");
            store.clear().await.unwrap();
            store.append(&records, &hashes).await.unwrap();
            assert_eq!(store.schema_problems().await.unwrap(), Vec::<String>::new(), "{tampering}");
        }
    }

    async fn compared(store: &Store, records: &[Record], hashes: &[Digest]) -> Vec<String> {
        let mut comparison = Comparison::begin(store).await.unwrap();
        for (records, hashes) in records.chunks(1500).zip(hashes.chunks(1500)) {
            comparison.add(1, records.last().unwrap().sequence, records, hashes, None).await.unwrap();
        }
        comparison.end().await.unwrap().named
    }

    #[tokio::test]
    async fn of_two_outcomes_of_an_act_the_first_is_shown_and_nothing_differs() {
        use crate::audit::{Cursor, Filter};
        use crate::journal::record::Outcome;
        let ended = |outcome, message: &str| {
            let mut entry = entry(Stage::Outcome, Action::Run, "anna");
            (entry.intent, entry.outcome, entry.message) = (Some(1), Some(outcome), message.to_owned());
            entry
        };
        let (records, hashes): (Vec<_>, Vec<_>) = [
            record(1, entry(Stage::Intent, Action::Run, "anna")),
            record(2, ended(Outcome::Reverted, "was put back")),
            record(3, entry(Stage::Event, Action::SignIn, "anna")),
            record(4, ended(Outcome::Interrupted, "was interrupted")),
        ]
        .into_iter()
        .unzip();
        // All at once, each alone, and both ends in one part.
        for parts in [vec![4], vec![1, 1, 1, 1], vec![1, 3]] {
            let (store, folder) = store().await;
            let mut from = 0;
            for part in parts {
                store.append(&records[from..from + part], &hashes[from..from + part]).await.unwrap();
                from += part;
            }
            assert_eq!(compared(&store, &records, &hashes).await, Vec::<String>::new());
            let of = async |filter: Filter| store.page(&filter, Cursor::default(), 10).await.unwrap().acts;
            for asked in [1, 2, 4] {
                assert_eq!(store.act(asked).await.unwrap().unwrap().outcome(), Some(Outcome::Reverted), "{asked}");
            }
            assert_eq!(of(Filter { text: Some("put back".into()), ..Filter::default() }).await.len(), 1);
            assert_eq!(of(Filter { text: Some("interrupted".into()), ..Filter::default() }).await.len(), 0);
            assert_eq!(of(Filter { outcome: Some(Outcome::Interrupted), ..Filter::default() }).await.len(), 0);
            // As an earlier version filled it: found, and made anew at the first opening.
            let as_before = "UPDATE record SET ended = 4, ended_outcome = 'interrupted' WHERE sequence = 1; \
                             DELETE FROM _sqlx_migrations WHERE version = 2";
            sqlx::raw_sql(as_before).execute(&store.pool).await.unwrap();
            let found = compared(&store, &records, &hashes).await;
            assert!(found.iter().any(|found| found.contains("how record 2 ended differs")), "{found:?}");
            store.close().await;
            let store = Store::open(&folder.path().join("history.sqlite")).await.unwrap();
            assert_eq!(store.last().await.unwrap(), None);
            store.append(&records, &hashes).await.unwrap();
            assert_eq!(compared(&store, &records, &hashes).await, Vec::<String>::new());
        }
    }

    #[tokio::test]
    async fn every_altered_word_is_found_and_named() {
        let (store, _folder) = store().await;
        let (mut records, mut hashes) = (Vec::new(), Vec::new());
        for sequence in 1..=2 * words::BLOCK + 100 {
            // Some end in another block, some in another part, some never; each has words of its own.
            let stage = match sequence % 1000 {
                7 => Stage::Intent,
                500 if sequence > 1000 => Stage::Outcome,
                _ => Stage::Event,
            };
            let mut entry = entry(stage, Action::Configuration, "anna");
            entry.intent = (stage == Stage::Outcome).then(|| sequence - 1493);
            entry.message = format!("act {sequence} of {}", sequence % 50);
            let (record, hash) = record(sequence, entry);
            records.push(record);
            hashes.push(hash);
        }
        for (records, hashes) in records.chunks(700).zip(hashes.chunks(700)) {
            store.append(records, hashes).await.unwrap();
        }
        assert_eq!(compared(&store, &records, &hashes).await, Vec::<String>::new());
        for (tampered, fixed, named) in [
            (
                "UPDATE word SET acts = CAST(substr(acts, 3) AS BLOB) WHERE block = 0 AND word = '23'",
                "UPDATE word SET acts = CAST(x'0017' || acts AS BLOB) WHERE block = 0 AND word = '23'",
                vec!["the words of record 23 differ in the database"],
            ),
            (
                "UPDATE word SET word = 'act8193' WHERE word = '8193'",
                "UPDATE word SET word = '8193' WHERE word = 'act8193'",
                vec!["the words of record 8193 differ in the database"],
            ),
            (
                "UPDATE word SET acts = CAST(acts || x'00' AS BLOB) WHERE block = 1 AND word = 'of'",
                "UPDATE word SET acts = CAST(substr(acts, 1, length(acts) - 1) AS BLOB) WHERE block = 1 AND word = 'of'",
                vec!["words of the records up to 8191 are not as the console writes them in the database"],
            ),
            (
                "INSERT INTO word VALUES (3, 'absent', x'0000')",
                "DELETE FROM word WHERE word = 'absent'",
                vec!["the database has words of records 12288 to 16383, none of which is in the journal"],
            ),
        ] {
            sqlx::raw_sql(tampered).execute(&store.pool).await.unwrap();
            assert_eq!(compared(&store, &records, &hashes).await, named, "{tampered}");
            sqlx::raw_sql(fixed).execute(&store.pool).await.unwrap();
            assert_eq!(compared(&store, &records, &hashes).await, Vec::<String>::new(), "{fixed}");
        }
        // What was dropped with old records leaves nothing behind.
        store.drop_before(5000).await.unwrap();
        let mut comparison = Comparison::begin(&store).await.unwrap();
        comparison.add(5000, records.len() as u64, &records[4999..], &hashes[4999..], None).await.unwrap();
        assert_eq!(comparison.end().await.unwrap(), Differences::default());
    }

    #[tokio::test]
    async fn every_altered_column_is_found() {
        let (store, _folder) = store().await;
        let (mut records, mut hashes) = a_day();
        let (unfinished, hash) = record(5, entry(Stage::Intent, Action::Run, "anna"));
        records.push(unfinished);
        hashes.push(hash);
        store.append(&records, &hashes).await.unwrap();
        assert_eq!(store.differing(&records, &hashes, &[]).await.unwrap(), Vec::<String>::new());
        assert!(store.is_same(&records, &hashes, None, &[]).await.unwrap());
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
                assert!(!store.is_same(&records, &hashes, None, &[]).await.unwrap(), "{column} of record {sequence}");
                let found = store.compare(&records, &hashes, None, &[]).await.unwrap();
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
            "DELETE FROM word WHERE word = 'anna'",
            "UPDATE word SET acts = x'0001' WHERE word = 'vpn'",
            "UPDATE word SET acts = CAST(acts || x'0002' AS BLOB) WHERE word = 'vpn'",
            "UPDATE word SET word = 'cpn' WHERE word = 'vpn'",
            "INSERT INTO word VALUES (0, 'absent', x'0002')",
            // Nothing, half a place, and a record that is still to come.
            "INSERT INTO word VALUES (0, 'absent', x'')",
            "INSERT INTO word VALUES (0, 'absent', x'00')",
            "INSERT INTO word VALUES (0, 'absent', x'0100')",
            "UPDATE word SET acts = CAST(acts || x'0100' AS BLOB) WHERE word = 'vpn'",
            "INSERT INTO word VALUES (-1, 'absent', x'0002')",
            "INSERT INTO word VALUES (7, 'absent', x'0002')",
        ] {
            sqlx::query(tampered).execute(&store.pool).await.unwrap();
            assert!(!compared(&store, &records, &hashes).await.is_empty(), "{tampered}");
            store.clear().await.unwrap();
            store.append(&records, &hashes).await.unwrap();
        }
    }
}
