//! Holding the projection against the journal: every line and the words of every act; what SQLite makes of those itself
//! (generated columns and their indexes, the index of words) SQLite checks.

use super::error::StoreError;
use super::lines::{Lines, One};
use super::row::{signed, unsigned};
use super::store::Store;
use super::words;
use crate::journal::Ended;
use crate::journal::record::{Record, Stage};
use sqlx::{Sqlite, Transaction};
use std::collections::BTreeMap;
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
type Row = (i64, Vec<u8>, String);

impl Store {
    /// What is wrong with the tables themselves: a page finds its acts by indexes, which may be told to leave some out.
    async fn problems_of_tables(&self) -> Result<Vec<String>, StoreError> {
        type Part = (String, String, Option<String>);
        /// What each of these rows says is the same in every database of this version.
        const FIXED: [(&str, &str); 2] = [
            ("settings of its index of words", "SELECT 'k', k, CAST(v AS TEXT) FROM search_config ORDER BY k"),
            (
                "note of its version",
                "SELECT CAST(version AS TEXT), description, hex(checksum) || success FROM _sqlx_migrations ORDER BY 1",
            ),
        ];
        /// In the file's own numbers (fts5.c): bits of a row's number, and the two bytes that say where the words of a
        /// page of words end; behind that stand their places, when there are any.
        const WITHOUT_ENTRY: &str = "SELECT count(*) FROM (SELECT id >> 37, id & 0x7fffffff FROM search_data \
             WHERE id > 10 AND (id >> 31) & 0x3f = 0 AND hex(substr(block, 3, 2)) < format('%04X', length(block)) \
             EXCEPT SELECT segid, pgno >> 1 FROM search_idx)";
        let parts = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name";
        let as_made = Self::open(Path::new(":memory:")).await?;
        let wanted: Vec<Part> = sqlx::query_as(parts).fetch_all(&as_made.pool).await?;
        // As of one moment, and with the index's own rows read anew, which the check itself does not see to.
        let mut snapshot = self.pool.begin().await?;
        let held: Vec<Part> = sqlx::query_as(parts).fetch_all(&mut *snapshot).await?;
        let mut found = Vec::new();
        for (kind, name, _) in held.iter().filter(|part| !wanted.contains(part)) {
            found.push(format!("the {kind} {name} of the database is not as the console makes it"));
        }
        for (kind, name, _) in &wanted {
            if !held.iter().any(|(_, there, _)| there == name) {
                found.push(format!("the {kind} {name} is missing in the database"));
            }
        }
        if !found.is_empty() {
            // What cannot be relied on is not asked.
            return Ok(found);
        }
        for (what, rows) in FIXED {
            let wanted: Vec<Part> = sqlx::query_as(rows).fetch_all(&as_made.pool).await?;
            let held: Vec<Part> = sqlx::query_as(rows).fetch_all(&mut *snapshot).await?;
            if wanted != held {
                found.push(format!("the database's {what} is not as the console makes it"));
            }
        }
        as_made.pool.close().await;
        let _: Option<i64> =
            sqlx::query_scalar("SELECT rowid FROM search LIMIT 1").fetch_optional(&mut *snapshot).await?;
        // Lines against the indexes that pages go along, words against the index of words, and every page of the file.
        let complaints: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut *snapshot).await?;
        let complaints = complaints.into_iter().filter(|complaint| complaint != "ok");
        found.extend(complaints.map(|complaint| format!("the database is damaged: {complaint}")));
        // That goes through the index of words from its beginning to its end; whoever looks a word up goes in by a table
        // of first words, of which it says little.
        let missing: i64 = sqlx::query_scalar(WITHOUT_ENTRY).fetch_one(&mut *snapshot).await?;
        found.extend((missing > 0).then(|| "the database's index of words lacks entries".to_owned()));
        let hidden: Vec<String> = sqlx::query_scalar(
            "SELECT term FROM word_count WHERE doc <> (SELECT count(*) FROM search WHERE search MATCH '\"' || term || '\"') \
             LIMIT 100",
        )
        .fetch_all(&mut *snapshot)
        .await?;
        found.extend(hidden.into_iter().map(|word| format!("the database does not find all acts that have {word}")));
        Ok(found)
    }
}

/// The database as it was when this began, held against the journal part by part. Records go on being made and taken in
/// meanwhile: what came later is neither missing nor too much.
#[derive(Debug)]
pub struct Comparison {
    /// Everything is read as of one moment.
    snapshot: Transaction<'static, Sqlite>,
    /// The last record held at the beginning.
    held: u64,
    /// The journal's first and last record, as the newest part says.
    first: u64,
    last: u64,
    ended: Option<Ended>,
    /// Acts that have not ended yet, as far as the journal was read, and their words in the database.
    open: BTreeMap<u64, (Record, Option<String>)>,
    /// What is wrong with the tables themselves, looked for meanwhile.
    tables: JoinHandle<Result<Vec<String>, StoreError>>,
    found: Differences,
}

impl Comparison {
    /// Notes how far the database is. The journal must be read after this: it is then at least as far.
    pub async fn begin(store: &Store) -> Result<Self, StoreError> {
        let mut snapshot = store.pool.begin().await?;
        let (held, taken): (Option<i64>, Option<i64>) =
            sqlx::query_as("SELECT (SELECT max(sequence) FROM record), (SELECT max(held) FROM progress)")
                .fetch_one(&mut *snapshot)
                .await?;
        let mut found = Differences::default();
        if held != taken {
            let [held, taken] = [held, taken].map(|number| number.unwrap_or(0));
            found.add_all(vec![format!("the database ends with record {held}, but it had taken in record {taken}")]);
        }
        let tables = store.clone();
        Ok(Self {
            snapshot,
            held: held.map_or(0, unsigned),
            first: 0,
            last: 0,
            ended: None,
            open: BTreeMap::new(),
            tables: tokio::spawn(async move { tables.problems_of_tables().await }),
            found,
        })
    }

    /// The last record held when this began.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Holds rows against lines that follow those of the part before; the journal runs from `first` to `last`. Whether
    /// more of it is wanted.
    pub async fn add(&mut self, first: u64, last: u64, lines: &Lines) -> Result<bool, StoreError> {
        (self.first, self.last) = (first, last);
        let lines = lines.all();
        let lines = &lines[..lines.partition_point(|one| one.record.sequence <= self.held)];
        let [Some(from), Some(to)] = [lines.first(), lines.last()].map(|one| one.map(|one| one.record.sequence)) else {
            return Ok(false);
        };
        let rows: Vec<Row> =
            sqlx::query_as("SELECT sequence, hash, json FROM record WHERE sequence BETWEEN ? AND ? ORDER BY sequence")
                .bind(signed(from))
                .bind(signed(to))
                .fetch_all(&mut *self.snapshot)
                .await?;
        let words: Vec<(i64, String)> =
            sqlx::query_as("SELECT rowid, words FROM search WHERE rowid BETWEEN ? AND ? ORDER BY rowid")
                .bind(signed(from))
                .bind(signed(to))
                .fetch_all(&mut *self.snapshot)
                .await?;
        let mut found = rows_that_differ(lines, rows);
        let mut words: BTreeMap<u64, String> =
            words.into_iter().map(|(sequence, words)| (unsigned(sequence), words)).collect();
        for One { record, .. } in lines {
            let held = words.remove(&record.sequence);
            let same = match record.entry.stage {
                Stage::Event => held.is_some_and(|held| held == words::of_act(record, None)),
                Stage::Intent => {
                    self.open.insert(record.sequence, (record.clone(), held));
                    true
                }
                Stage::Outcome => {
                    found.extend(self.end_of(record));
                    held.is_none()
                }
            };
            found.extend((!same).then(|| words_differ(record.sequence)));
        }
        self.found.add_all(found);
        Ok(to < self.held)
    }

    /// Holds the words of the act against the database that ends with this outcome.
    fn end_of(&mut self, outcome: &Record) -> Option<String> {
        let intent = outcome.ends_act()?;
        let first = self.first;
        // The first one counts.
        self.ended.get_or_insert_with(|| Ended::from(first)).counts(outcome.sequence, intent).then_some(())?;
        let (intent, held) = self.open.remove(&intent)?;
        let same = held.is_some_and(|held| held == words::of_act(&intent, Some(outcome)));
        (!same).then(|| words_differ(intent.sequence))
    }

    /// What differs.
    pub async fn end(mut self) -> Result<Differences, StoreError> {
        let open = std::mem::take(&mut self.open).into_values();
        let differ =
            open.filter(|(intent, held)| held.as_ref().is_none_or(|held| *held != words::of_act(intent, None)));
        self.found.add_all(differ.map(|(intent, _)| words_differ(intent.sequence)).collect());
        let outside = self.outside().await?;
        self.found.add_all(outside);
        self.found.add_all(match self.tables.await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => vec![format!("the tables of the database could not be checked: {error}")],
            Err(error) => vec![format!("the tables of the database could not be checked: {error}")],
        });
        Ok(self.found)
    }

    /// Rows that the journal has no place for.
    async fn outside(&mut self) -> Result<Vec<String>, StoreError> {
        let mut found = Vec::new();
        for (rows, what) in
            [("SELECT sequence AS row FROM record", "row"), ("SELECT rowid AS row FROM search", "words of record")]
        {
            let query = format!("SELECT row FROM ({rows}) WHERE row < ? OR row > ? ORDER BY row LIMIT 1000");
            let rows: Vec<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
                .bind(signed(self.first))
                .bind(signed(self.last.min(self.held)))
                .fetch_all(&mut *self.snapshot)
                .await?;
            found.extend(rows.into_iter().map(|row| format!("{what} {row} of the database is not in the journal")));
        }
        Ok(found)
    }
}

/// Lines that stand otherwise in the database, or not at all.
fn rows_that_differ(lines: &[One], rows: Vec<Row>) -> Vec<String> {
    let mut rows = rows.into_iter().map(|(sequence, hash, json)| (unsigned(sequence), hash, json)).peekable();
    let mut found = Vec::new();
    for One { record, hash, json } in lines {
        match rows.next_if(|(sequence, ..)| *sequence == record.sequence) {
            None => found.push(format!("record {} is missing in the database", record.sequence)),
            Some((_, held, text)) if held != hash.as_bytes() || text != *json => {
                found.push(format!("record {} differs in the database from the journal", record.sequence));
            }
            Some(_) => {}
        }
    }
    found
}

fn words_differ(sequence: u64) -> String {
    format!("the words of record {sequence} differ in the database")
}

#[cfg(test)]
mod tests {
    use super::super::store::tests::{a_day, entry, lines, record, store};
    use super::*;
    use crate::digest::Digest;
    use crate::journal::record::Action;

    #[tokio::test]
    async fn what_comes_while_the_database_is_held_against_the_journal_is_no_difference() {
        let (store, _folder) = store().await;
        let (records, hashes) = a_day();
        store.append(&lines(&records[..2], &hashes[..2])).await.unwrap();
        // The journal is further than the database; then the database catches up while it is looked at.
        let mut comparison = Comparison::begin(&store).await.unwrap();
        store.append(&lines(&records[2..], &hashes[2..])).await.unwrap();
        assert!(!comparison.add(1, 4, &lines(&records, &hashes)[0]).await.unwrap());
        assert_eq!(comparison.end().await.unwrap(), Differences::default());
        // A row that the journal never had is one, and so is a row that was taken away at the end.
        for (tampering, named) in [
            ("UPDATE record SET sequence = 9 WHERE sequence = 4", "row 9 of the database is not in the journal"),
            ("DELETE FROM record WHERE sequence = 4", "ends with record 3, but it had taken in record 4"),
        ] {
            store.clear().await.unwrap();
            store.append(&lines(&records, &hashes)).await.unwrap();
            sqlx::query(tampering).execute(&store.pool).await.unwrap();
            let mut comparison = Comparison::begin(&store).await.unwrap();
            comparison.add(1, 4, &lines(&records, &hashes)[0]).await.unwrap();
            let found = comparison.end().await.unwrap();
            assert!(found.named.iter().any(|found| found.contains(named)), "{tampering}: {found:?}");
        }
    }

    /// Alters the database as one who has its file.
    async fn tamper(store: &Store, statements: &str) {
        let mut connection = store.pool.acquire().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned())).execute(&mut *connection).await.expect(statements);
    }

    #[tokio::test]
    async fn tables_that_leave_something_out_are_found_and_made_anew() {
        let (mut store, _folder) = store().await;
        let (records, hashes) = a_day();
        for tampering in [
            "DROP INDEX record_end",
            "CREATE TRIGGER hide AFTER INSERT ON record BEGIN DELETE FROM record WHERE sequence = 1; END",
            "CREATE TABLE mine (x)",
            "CREATE INDEX mine ON record (stage)",
            "ANALYZE",
            "DROP TABLE search",
            "DROP TABLE word",
            "DROP TABLE word_count; CREATE TABLE word_count (term, doc, cnt)",
            // A view that leaves an act out, in the place of the table.
            "ALTER TABLE record RENAME TO there; CREATE VIEW record AS SELECT * FROM there WHERE sequence <> 2",
            // Words taken apart otherwise than the console does.
            "DROP TABLE search; CREATE VIRTUAL TABLE search USING fts5(words, detail=none, columnsize=0)",
            // The index leaves out an outcome, but says of itself what it should.
            "DROP INDEX record_end; \
             CREATE INDEX record_end ON record (intent) WHERE stage = 'outcome' AND sequence <> 3; \
             PRAGMA writable_schema = on; \
             UPDATE sqlite_schema SET sql = replace(sql, ' AND sequence <> 3', '') WHERE name = 'record_end'; \
             PRAGMA writable_schema = reset",
            // An index of other times, that says the same.
            "DROP INDEX record_time; CREATE INDEX record_time ON record (time_ms + 1); \
             PRAGMA writable_schema = on; \
             UPDATE sqlite_schema SET sql = replace(sql, 'time_ms + 1', 'time_ms') WHERE name = 'record_time'; \
             PRAGMA writable_schema = reset",
            // A column that is made of something else.
            "PRAGMA writable_schema = on; \
             UPDATE sqlite_schema SET sql = replace(sql, '$.stage', '$.action') WHERE name = 'record'; \
             PRAGMA writable_schema = reset",
            // The same while its index is filled, and then not any more.
            "DROP INDEX record_time; PRAGMA writable_schema = on; \
             UPDATE sqlite_schema SET sql = replace(sql, '$.time', '$.id') WHERE name = 'record'; \
             PRAGMA writable_schema = reset; CREATE INDEX record_time ON record (time_ms); \
             PRAGMA writable_schema = on; \
             UPDATE sqlite_schema SET sql = replace(sql, '$.id', '$.time') WHERE name = 'record'; \
             PRAGMA writable_schema = reset",
            "INSERT INTO search_config VALUES ('rank', 'bm25(10.0)')",
            "UPDATE _sqlx_migrations SET checksum = x'00'",
            "DELETE FROM search_content WHERE id = 2",
            "UPDATE search_content SET c0 = replace(c0, 'vpn', 'lan') WHERE id = 2",
            "DELETE FROM search_data WHERE id = 10",
            "DELETE FROM search_data WHERE id = 1",
            "DELETE FROM search_data WHERE id > 10",
            "DELETE FROM search_idx",
            "UPDATE search_data SET block = zeroblob(length(block)) WHERE id > 10",
            "UPDATE search_data SET block = CAST(replace(hex(block), hex('vpn'), hex('vpx')) AS BLOB) WHERE id > 10",
            "DELETE FROM search WHERE rowid = 1",
            "INSERT INTO search (rowid, words) VALUES (1000, 'x')",
            "DROP TABLE search_idx",
            "UPDATE search_config SET v = 5 WHERE k = 'version'",
            "UPDATE record SET json = '{}' WHERE sequence = 4",
        ] {
            match store.clear().await {
                Ok(()) => {}
                // What a console does then.
                Err(_) => store = store.begin_anew().await.unwrap(),
            }
            store.append(&lines(&records, &hashes)).await.unwrap();
            assert_eq!(compared(&store, &records, &hashes).await, Vec::<String>::new(), "before {tampering}");
            tamper(&store, tampering).await;
            match store.reopened().await {
                Ok(again) => {
                    store = again;
                    assert!(!compared(&store, &records, &hashes).await.is_empty(), "{tampering}");
                }
                // Not even opened: a console begins it anew.
                Err(_) => store = store.begin_anew().await.unwrap(),
            }
        }
    }

    async fn compared(store: &Store, records: &[Record], hashes: &[Digest]) -> Vec<String> {
        let (first, last) = (records[0].sequence, records[records.len() - 1].sequence);
        // As it is said where it is asked for: what cannot be read differs.
        let differences = async {
            let mut comparison = Comparison::begin(store).await?;
            for (records, hashes) in records.chunks(1500).zip(hashes.chunks(1500)) {
                comparison.add(first, last, &lines(records, hashes)[0]).await?;
            }
            comparison.end().await
        };
        differences.await.map_or_else(|error: StoreError| vec![error.to_string()], |found| found.named)
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
            let (store, _folder) = store().await;
            let mut from = 0;
            for part in parts {
                store.append(&lines(&records[from..from + part], &hashes[from..from + part])).await.unwrap();
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
            // The words of the other end.
            let other = words::of_act(&records[0], Some(&records[3]));
            sqlx::query("UPDATE search SET words = ? WHERE rowid = 1").bind(other).execute(&store.pool).await.unwrap();
            let found = compared(&store, &records, &hashes).await;
            assert!(found.iter().any(|found| found.contains("words of record 1 differ")), "{found:?}");
        }
    }

    /// Many acts; some end in another block, some in another part, some never; each has words of its own.
    async fn many(count: u64) -> (Store, tempfile::TempDir, Vec<Record>, Vec<Digest>) {
        let (store, folder) = store().await;
        let (mut records, mut hashes) = (Vec::new(), Vec::new());
        for sequence in 1..=count {
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
            store.append(&lines(records, hashes)).await.unwrap();
        }
        (store, folder, records, hashes)
    }

    #[tokio::test]
    async fn every_altered_word_is_found_and_named() {
        let (store, _folder, records, hashes) = many(1600).await;
        assert_eq!(compared(&store, &records, &hashes).await, Vec::<String>::new());
        for (tampered, named) in [
            ("UPDATE search SET words = replace(words, '0=23 ', '') WHERE rowid = 23", "words of record 23 differ"),
            ("UPDATE search SET words = words || ' =person2' WHERE rowid = 1049", "words of record 1049 differ"),
            ("DELETE FROM search WHERE rowid = 1049", "words of record 1049 differ"),
            // An outcome has none of its own.
            ("INSERT INTO search (rowid, words) VALUES (1500, 'x')", "words of record 1500 differ"),
            ("INSERT INTO search (rowid, words) VALUES (9000, 'x')", "words of record 9000 of the database is not in"),
        ] {
            let sequence: i64 = named.split(' ').nth(3).unwrap().parse().unwrap();
            let before: Option<String> = sqlx::query_scalar("SELECT words FROM search WHERE rowid = ?")
                .bind(sequence)
                .fetch_optional(&store.pool)
                .await
                .unwrap();
            sqlx::raw_sql(tampered).execute(&store.pool).await.unwrap();
            let found = compared(&store, &records, &hashes).await;
            assert!(found.len() == 1 && found[0].contains(named), "{tampered}: {found:?}");
            sqlx::query("DELETE FROM search WHERE rowid = ?").bind(sequence).execute(&store.pool).await.unwrap();
            if let Some(before) = before {
                let put_back =
                    sqlx::query("INSERT INTO search (rowid, words) VALUES (?, ?)").bind(sequence).bind(before);
                put_back.execute(&store.pool).await.unwrap();
            }
            assert_eq!(compared(&store, &records, &hashes).await, Vec::<String>::new(), "{tampered}");
        }
        // What was dropped with old records leaves nothing behind.
        store.drop_before(1400).await.unwrap();
        assert_eq!(compared(&store, &records[1399..], &hashes[1399..]).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn no_row_of_the_index_of_words_is_taken_away_or_altered_unnoticed() {
        let (store, folder, ..) = many(1200).await;
        let path = folder.path().join("history.sqlite");
        sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&store.pool).await.unwrap();
        store.close().await;
        let whole = std::fs::read(&path).unwrap();
        // Every row in every way, or some of them.
        let step = if std::env::var_os("POT_CONSOLE_LONG").is_some() { 1 } else { 3 };
        const ENTRY: &str =
            "WHERE (segid, term) = (SELECT segid, term FROM search_idx ORDER BY segid, term LIMIT 1 OFFSET ?)";
        let alterations = [
            ("search_data", "DELETE FROM search_data WHERE id = ?".to_owned()),
            (
                "search_data",
                "UPDATE search_data SET block = CAST(substr(block, 1, length(block) - 9) || x'7F' \
                 || substr(block, -8) AS BLOB) WHERE id = ?"
                    .to_owned(),
            ),
            // Where a lookup of a word begins.
            ("search_idx", format!("DELETE FROM search_idx {ENTRY}")),
            (
                "search_idx",
                format!(
                    "UPDATE search_idx SET term = coalesce(CAST(substr(term, 1, length(term) - 1) AS BLOB), x'') {ENTRY}"
                ),
            ),
            ("search_idx", format!("UPDATE search_idx SET term = CAST('~' AS BLOB) {ENTRY}")),
            ("search_idx", format!("UPDATE search_idx SET pgno = pgno - 2 {ENTRY}")),
        ];
        let mut at = 0;
        for (table, alteration) in alterations {
            let store = Store::open(&path).await.unwrap();
            let rows: Vec<i64> = match table {
                "search_data" => sqlx::query_scalar("SELECT id FROM search_data").fetch_all(&store.pool).await.unwrap(),
                _ => {
                    let count: i64 =
                        sqlx::query_scalar("SELECT count(*) FROM search_idx").fetch_one(&store.pool).await.unwrap();
                    (0..count).collect()
                }
            };
            store.close().await;
            assert!(rows.len() > 3, "{rows:?}");
            for row in rows {
                at += 1;
                if at % step != 0 {
                    continue;
                }
                let store = Store::open(&path).await.unwrap();
                // Some alter nothing: what is empty cannot be made shorter.
                let before: Vec<(Vec<u8>, i64)> = entries(&store).await;
                let altered = sqlx::AssertSqlSafe(alteration.clone());
                sqlx::query(altered).bind(row).execute(&store.pool).await.unwrap();
                let same = table == "search_idx" && before == entries(&store).await;
                store.close().await;
                let store = Store::open(&path).await.unwrap();
                // What cannot be read differs, too.
                let found = store.problems_of_tables().await.map_or(1, |found| found.len());
                assert!(same || found > 0, "{alteration} of {row}");
                store.close().await;
                std::fs::write(&path, &whole).unwrap();
            }
        }
    }

    async fn entries(store: &Store) -> Vec<(Vec<u8>, i64)> {
        let entries = sqlx::query_as("SELECT CAST(term AS BLOB), pgno FROM search_idx ORDER BY segid, term");
        entries.fetch_all(&store.pool).await.unwrap()
    }

    #[tokio::test]
    async fn every_altered_column_and_every_row_too_few_or_too_much_is_found() {
        let (store, _folder) = store().await;
        let (mut records, mut hashes) = a_day();
        let (unfinished, hash) = record(5, entry(Stage::Intent, Action::Run, "anna"));
        records.push(unfinished);
        hashes.push(hash);
        store.append(&lines(&records, &hashes)).await.unwrap();
        assert_eq!(compared(&store, &records, &hashes).await, Vec::<String>::new());
        let mut tampering: Vec<String> = Vec::new();
        for sequence in 1..=5 {
            for set in [
                "hash = x'00'",
                "json = json || ' '",
                "json = replace(json, '1', '2')",
                "json = json_set(json, '$.outcome', 'failed')",
                "json = json_set(json, '$.intent', 4)",
                "sequence = 77",
            ] {
                tampering.push(format!("UPDATE record SET {set} WHERE sequence = {sequence}"));
            }
            tampering.push(format!("DELETE FROM record WHERE sequence = {sequence}"));
            for (table, id, words) in [("search", "rowid", "words"), ("search_content", "id", "c0")] {
                if sequence == 3 {
                    tampering.push(format!("INSERT INTO {table} ({id}, {words}) VALUES (3, 'x')"));
                } else {
                    tampering.push(format!("DELETE FROM {table} WHERE {id} = {sequence}"));
                    tampering.push(format!("UPDATE {table} SET {words} = {words} || 'x' WHERE {id} = {sequence}"));
                }
            }
        }
        let more = [
            "INSERT INTO record (sequence, hash, json) VALUES (0, x'00', '{}')",
            "INSERT INTO record (sequence, hash, json) SELECT 6, hash, json FROM record WHERE sequence = 5",
            "INSERT INTO record (sequence, hash, json) SELECT -1, hash, json FROM record WHERE sequence = 5",
            "INSERT INTO search (rowid, words) VALUES (-1, 'x')",
            "INSERT INTO search (rowid, words) VALUES (6, 'x')",
            "UPDATE progress SET held = 9",
            "DELETE FROM progress",
        ];
        tampering.extend(more.map(str::to_owned));
        for tampering in tampering {
            tamper(&store, &tampering).await;
            assert!(!compared(&store, &records, &hashes).await.is_empty(), "{tampering}");
            store.clear().await.unwrap();
            store.append(&lines(&records, &hashes)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_record_that_an_earlier_version_wrote_otherwise_is_kept_as_it_stands() {
        let (store, _folder) = store().await;
        let (records, hashes) = a_day();
        // With a field that nobody knows any more.
        let text: String = (records.iter().zip(&hashes))
            .map(|(record, hash)| {
                let json = serde_json::to_string(record).unwrap();
                format!("{} {},\"forgotten\":1}}\n", hash.hex(), &json[..json.len() - 1])
            })
            .collect();
        let read = [Lines::read(text.as_bytes()).unwrap()];
        store.append(&read).await.unwrap();
        let mut comparison = Comparison::begin(&store).await.unwrap();
        comparison.add(1, 4, &read[0]).await.unwrap();
        assert_eq!(comparison.end().await.unwrap(), Differences::default());
        assert!(!compared(&store, &records, &hashes).await.is_empty());
    }
}
