//! Reading the projection: pages by cursor, one act, one parameter over time, exports.

use super::store::{Store, StoreError, is_change, is_person, signed, unsigned, word};
use crate::journal::record::{Action, Outcome, Record};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use sqlx::{QueryBuilder, Sqlite};
use std::borrow::Cow;

/// What a page of the history shows. Every part narrows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only what changed the host (the page's first tab), or everything.
    pub changes_only: bool,
    /// Only what people did.
    pub people_only: bool,
    /// From this time on, milliseconds of the Unix epoch.
    pub since_ms: Option<i64>,
    /// Before this time.
    pub until_ms: Option<i64>,
    /// Only this actor.
    pub actor: Option<String>,
    /// Only this action.
    pub action: Option<Action>,
    /// Only this outcome.
    pub outcome: Option<Outcome>,
    /// Only acts that changed this parameter.
    pub parameter: Option<String>,
    /// Words that must all begin so somewhere in the act.
    pub text: Option<String>,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Only acts with a smaller sequence number; none: the newest.
    pub before: Option<u64>,
}

/// An intent with its outcome, or an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// The intent or event.
    pub record: Record,
    /// The outcome's record, when there is one apart.
    pub ended: Option<Record>,
}

impl Act {
    /// How it ended; none while it has not.
    pub fn outcome(&self) -> Option<Outcome> {
        self.ended.as_ref().unwrap_or(&self.record).entry.outcome
    }
}

impl Act {
    /// What to say of it in one sentence: what was meant is told only where nothing else became of it.
    pub fn message(&self) -> Cow<'_, str> {
        let entry = &self.record.entry;
        let other_end = self
            .ended
            .as_ref()
            .map(|ended| &ended.entry)
            .filter(|ended| !matches!(ended.outcome, Some(Outcome::Done)) && !ended.message.is_empty());
        match other_end {
            None => Cow::Borrowed(&entry.message),
            // How a run ended does not say which.
            Some(end) if entry.action == Action::Run && !end.message.contains(&entry.object) => {
                Cow::Owned(format!("{}: {}", entry.object, end.message))
            }
            Some(end) => Cow::Borrowed(&end.message),
        }
    }
}

/// Acts of one page, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// At most as many as asked for.
    pub acts: Vec<Act>,
    /// Where the next page begins, when there is one.
    pub next: Option<Cursor>,
}

/// One change of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterChange {
    /// The act.
    pub act: Act,
    /// The value before.
    pub from: Option<String>,
    /// The value after.
    pub to: Option<String>,
}

/// The words of a search as an FTS5 query: each must begin a word of the act. None when nothing is left.
fn match_expression(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split_whitespace()
        .map(words)
        .filter(|parts| !parts.is_empty())
        .take(16)
        .map(|parts| format!("\"{}\"*", parts.join(" ")))
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Letters and digits that stand together, in small letters. The table of words is given these, separated, and is asked
/// for these: FTS5's own tokenizer takes signs that came after Unicode 6.1 for letters.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for letter in text.chars() {
        if letter.is_alphanumeric() || (is_accent(letter) && !word.is_empty()) {
            word.push(small(letter));
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

/// Accents of their own that belong to the letter before them (SQLite's list, `sqlite3Fts5UnicodeIsdiacritic`).
fn is_accent(letter: char) -> bool {
    const FROM_0300: [u32; 2] = [0x0802_9fdf, 0x0003_61f8];
    let Some(at) = u32::from(letter).checked_sub(0x300).filter(|at| *at < 50) else { return false };
    FROM_0300[usize::from(at >= 32)] & (1 << (at % 32)) != 0
}

/// The small letter for a letter, as Unicode's simple case folding has it.
fn small(letter: char) -> char {
    match letter {
        'ς' => 'σ',
        'ſ' => 's',
        'µ' => 'μ',
        _ => {
            let mut small = letter.to_lowercase();
            small.next().filter(|_| small.next().is_none()).unwrap_or(letter)
        }
    }
}

/// An act's text as the table of words takes it.
pub(super) fn indexed(record: &Record, ended: Option<&Record>) -> String {
    words(&searched(record, ended)).join(" ")
}

/// The text of an act that is searched: what its line on the page and its values say, and how it ended.
fn searched(record: &Record, ended: Option<&Record>) -> String {
    let entry = &record.entry;
    let mut text = format!("{} {} {} {}", entry.actor.name, word(&entry.action), entry.object, entry.message);
    let values = entry.changes.iter().flat_map(|change| [Some(&change.name), change.from.as_ref(), change.to.as_ref()]);
    let end = ended.map(|ended| &ended.entry.message).filter(|end| **end != entry.message);
    for part in values.flatten().chain(&entry.reason).chain(&entry.reported.address).chain(end) {
        text.push(' ');
        text.push_str(part);
    }
    text
}

impl Filter {
    /// Whether no act can be meant: an action that is no change, among changes.
    fn is_contradictory(&self) -> bool {
        self.changes_only && self.action.is_some_and(|action| !is_change(action))
    }

    /// Whether an act is one that [`Store::page`] would show: the command line reads the journal itself.
    pub fn admits(&self, act: &Act) -> bool {
        let entry = &act.record.entry;
        let time = act.record.time.as_millisecond();
        (!self.people_only || is_person(entry.actor.method))
            && (!self.changes_only || is_change(entry.action))
            && self.since_ms.is_none_or(|since| time >= since)
            && self.until_ms.is_none_or(|until| time < until)
            && self.actor.as_ref().is_none_or(|actor| *actor == entry.actor.name)
            && self.action.is_none_or(|action| action == entry.action)
            && self.outcome.is_none_or(|outcome| act.outcome() == Some(outcome))
            && self.parameter.as_ref().is_none_or(|name| entry.changes.iter().any(|change| change.name == *name))
            && self.text.as_ref().is_none_or(|wanted| holds_words(&searched(&act.record, act.ended.as_ref()), wanted))
    }
}

/// The same as [`match_expression`] asks of the database: each word of `wanted` begins a word of `text`, or its parts
/// (`10.200`) begin words that follow each other.
fn holds_words(text: &str, wanted: &str) -> bool {
    let text = words(text);
    wanted.split_whitespace().map(words).filter(|parts| !parts.is_empty()).take(16).all(|parts| {
        text.windows(parts.len()).any(|window| {
            window.iter().zip(&parts).enumerate().all(|(position, (there, part))| {
                if position + 1 == parts.len() { there.starts_with(part.as_str()) } else { there == part }
            })
        })
    })
}

/// The letters beside ASCII's own whose small ones are ASCII letters.
const BECOME_ASCII: [char; 2] = ['\u{17f}', '\u{212a}'];

/// Whether an act with this JSON may hold these words, without reading it: letters and digits stand there as they are.
struct Glance {
    parts: Vec<String>,
}

impl Glance {
    fn of(wanted: &str) -> Self {
        Self { parts: words(wanted).into_iter().filter(|part| part.is_ascii()).collect() }
    }

    /// Of an act's record and its outcome's.
    fn may_hold(&self, (json, ended): &(String, Option<String>)) -> bool {
        let texts = [Some(json), ended.as_ref()].map(|text| text.map(|text| text.to_ascii_lowercase()));
        let holds = |part: &String| {
            texts.iter().flatten().any(|text| memchr::memmem::find(text.as_bytes(), part.as_bytes()).is_some())
        };
        self.parts.iter().all(holds)
            || [Some(json), ended.as_ref()].into_iter().flatten().any(|text| text.contains(BECOME_ASCII))
    }
}

/// Acts whose text is looked at itself before the table of words is asked. Of words in many acts that finds a page at
/// once, while the table would have to go through all acts that have them; and words in few acts cost the table little.
const LOOKED_AT: usize = 1000;

/// Records that are looked at on either side of a time: a clock that was set back put them in another order.
const AROUND: i64 = 1000;

/// What a query walks through, in the order of sequence numbers: never the whole table with another filter on it.
enum Walk {
    /// What holds the words.
    Words(String),
    /// What changed the parameter.
    Parameter(String),
    /// An index of `record`, whose first column one value is looked for in.
    Index(&'static str),
    /// All records: every other one at least is an act.
    Everything,
}

impl Walk {
    fn of(filter: &Filter) -> Self {
        if let Some(name) = &filter.parameter {
            Self::Parameter(name.clone())
        } else if let Some(expression) = filter.text.as_deref().and_then(match_expression) {
            Self::Words(expression)
        } else if filter.action.is_some() {
            Self::Index("record_action")
        } else if filter.outcome.is_some_and(|outcome| outcome != Outcome::Done) {
            Self::Index("record_outcome")
        } else if filter.actor.is_some() {
            Self::Index("record_actor")
        } else if filter.outcome.is_some() {
            Self::Index("record_outcome")
        } else if filter.changes_only {
            Self::Index("record_changes")
        } else if filter.people_only {
            Self::Index("record_people")
        } else {
            Self::Everything
        }
    }

    /// The column that says where the walk is.
    const fn place(&self) -> &'static str {
        match self {
            Self::Words(_) => "words.rowid",
            Self::Parameter(_) => "change.sequence",
            Self::Index(_) | Self::Everything => "record.sequence",
        }
    }
}

/// A query for acts: after `prefix`, from record `after` to before `before`, without order and limit.
fn acts_query(prefix: &str, filter: &Filter, after: Option<u64>, before: Option<u64>) -> (QueryBuilder<Sqlite>, Walk) {
    let walk = Walk::of(filter);
    let mut query = QueryBuilder::new(prefix);
    query.push("SELECT record.json, outcome.json FROM ");
    match &walk {
        Walk::Words(_) => query.push("words CROSS JOIN record ON record.sequence = words.rowid"),
        Walk::Parameter(_) => query.push("change CROSS JOIN record ON record.sequence = change.sequence"),
        Walk::Index(name) => query.push("record INDEXED BY ").push(name),
        Walk::Everything => query.push("record NOT INDEXED"),
    };
    query.push(" LEFT JOIN record AS outcome ON outcome.sequence = record.ended AND record.stage = 'intent'");
    query.push(" WHERE record.stage <> 'outcome'");
    match &walk {
        Walk::Words(expression) => {
            query.push(" AND words MATCH ").push_bind(expression.clone());
        }
        Walk::Parameter(name) => {
            query.push(" AND change.name = ").push_bind(name.clone());
            // Once, should one act name it twice.
            query.push(
                " AND NOT EXISTS (SELECT 1 FROM change AS earlier WHERE earlier.name = change.name \
                 AND earlier.sequence = change.sequence AND earlier.position < change.position)",
            );
            if let Some(expression) = filter.text.as_deref().and_then(match_expression) {
                query.push(" AND record.sequence IN (SELECT rowid FROM words WHERE words MATCH ");
                query.push_bind(expression).push(")");
            }
        }
        Walk::Index(_) | Walk::Everything => {}
    }
    if let Some(after) = after {
        query.push(" AND ").push(walk.place()).push(" > ").push_bind(signed(after));
    }
    if let Some(before) = before {
        query.push(" AND ").push(walk.place()).push(" < ").push_bind(signed(before));
    }
    // Times become sequence numbers first, which every walk goes along; then each is looked at exactly.
    if let Some(since) = filter.since_ms {
        query.push(" AND ").push(walk.place());
        query.push(" >= coalesce((SELECT min(sequence) FROM (SELECT sequence FROM record INDEXED BY record_time WHERE time_ms >= ");
        query.push_bind(since).push(" ORDER BY time_ms LIMIT ").push_bind(AROUND);
        query.push(")), 9223372036854775807) AND record.time_ms >= ").push_bind(since);
    }
    if let Some(until) = filter.until_ms {
        query.push(" AND ").push(walk.place());
        query.push(" <= coalesce((SELECT max(sequence) FROM (SELECT sequence FROM record INDEXED BY record_time WHERE time_ms < ");
        query.push_bind(until).push(" ORDER BY time_ms DESC LIMIT ").push_bind(AROUND);
        query.push(")), 0) AND record.time_ms < ").push_bind(until);
    }
    if filter.people_only {
        query.push(" AND record.person = 1");
    }
    if filter.changes_only {
        // An action says it already.
        if filter.action.is_none() {
            query.push(" AND record.is_change = 1");
        }
    }
    if let Some(actor) = &filter.actor {
        query.push(" AND record.actor = ").push_bind(actor.clone());
    }
    if let Some(action) = &filter.action {
        query.push(" AND record.action = ").push_bind(word(action));
    }
    if let Some(outcome) = &filter.outcome {
        query.push(" AND record.ended_outcome = ").push_bind(word(outcome));
    }
    (query, walk)
}

fn act(row: (String, Option<String>)) -> Result<Act, StoreError> {
    Ok(Act { record: serde_json::from_str(&row.0)?, ended: row.1.map(|json| serde_json::from_str(&json)).transpose()? })
}

/// The act's record, and its outcome's when that is another one.
const COLUMNS: &str = "SELECT record.json, outcome.json FROM record \
     LEFT JOIN record AS outcome ON outcome.sequence = record.ended AND record.stage = 'intent'";

/// The query of one page, after `prefix`.
fn page_query(prefix: &str, filter: &Filter, cursor: Cursor, limit: usize) -> QueryBuilder<Sqlite> {
    let (mut query, walk) = acts_query(prefix, filter, None, cursor.before);
    query.push(" ORDER BY ").push(walk.place()).push(" DESC LIMIT ");
    query.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query
}

/// The query of [`Store::runs_between`], after `prefix`: along the runs, which are few, not along the time.
fn runs_query(prefix: &str, operations: &[&str], since_ms: i64, until_ms: i64) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(prefix);
    query.push("SELECT record.json, outcome.json FROM record INDEXED BY record_action ");
    query.push("LEFT JOIN record AS outcome ON outcome.sequence = record.ended AND record.stage = 'intent' ");
    query.push("WHERE record.stage <> 'outcome' AND record.action = 'run' AND record.time_ms >= ");
    query.push_bind(since_ms).push(" AND record.time_ms < ").push_bind(until_ms).push(" AND record.object IN (");
    let mut names = query.separated(", ");
    for operation in operations {
        names.push_bind((*operation).to_owned());
    }
    query.push(") ORDER BY record.sequence DESC LIMIT 500");
    query
}

impl Store {
    /// One page, newest first. `limit` is taken between 1 and 200.
    pub async fn page(&self, filter: &Filter, cursor: Cursor, limit: u32) -> Result<Page, StoreError> {
        if filter.is_contradictory() {
            return Ok(Page { acts: Vec::new(), next: None });
        }
        let limit = limit.clamp(1, 200) as usize;
        let mut acts = match self.among_the_newest(filter, cursor, limit + 1).await? {
            Some(acts) => acts,
            None => self.by_its_index(filter, cursor, limit + 1).await?,
        };
        let more = acts.len() > limit;
        acts.truncate(limit);
        let next = acts.last().filter(|_| more).map(|act| Cursor { before: Some(act.record.sequence) });
        Ok(Page { acts, next })
    }

    /// The newest `count` acts of a filter, along the index that suits it best.
    async fn by_its_index(&self, filter: &Filter, cursor: Cursor, count: usize) -> Result<Vec<Act>, StoreError> {
        let mut query = page_query("", filter, cursor, count);
        let rows: Vec<(String, Option<String>)> = query.build_query_as().fetch_all(&self.pool).await?;
        rows.into_iter().map(act).collect()
    }

    /// The same for a filter with words, by looking at the text of the newest acts that the rest of it admits. None
    /// where that does not tell.
    async fn among_the_newest(
        &self,
        filter: &Filter,
        cursor: Cursor,
        count: usize,
    ) -> Result<Option<Vec<Act>>, StoreError> {
        let Some(text) = filter.text.as_deref().filter(|text| match_expression(text).is_some()) else {
            return Ok(None);
        };
        let rest = Filter { text: None, ..filter.clone() };
        let mut query = page_query("", &rest, cursor, LOOKED_AT);
        let mut rows = query.build_query_as::<(String, Option<String>)>().fetch(&self.pool);
        let glance = Glance::of(text);
        let mut acts = Vec::new();
        let mut looked_at = 0;
        while let Some(row) = rows.next().await {
            let row = row?;
            looked_at += 1;
            if !glance.may_hold(&row) {
                continue;
            }
            let act = act(row)?;
            if holds_words(&searched(&act.record, act.ended.as_ref()), text) {
                acts.push(act);
                if acts.len() == count {
                    return Ok(Some(acts));
                }
            }
        }
        Ok((looked_at < LOOKED_AT).then_some(acts))
    }

    /// The act that a record belongs to, by sequence number.
    pub async fn act(&self, sequence: u64) -> Result<Option<Act>, StoreError> {
        let mut query = QueryBuilder::new(COLUMNS);
        query.push(" WHERE record.sequence = coalesce((SELECT intent FROM record WHERE sequence = ");
        query.push_bind(signed(sequence)).push(" AND stage = 'outcome'), ").push_bind(signed(sequence)).push(")");
        let row: Option<(String, Option<String>)> = query.build_query_as().fetch_optional(&self.pool).await?;
        row.map(act).transpose()
    }

    /// One parameter over time, newest first.
    pub async fn parameter(&self, name: &str, cursor: Cursor, limit: u32) -> Result<Vec<ParameterChange>, StoreError> {
        type Found = (String, Option<String>, Option<String>, Option<String>);
        let rows: Vec<Found> = sqlx::query_as(
            "SELECT record.json, outcome.json, change.from_value, change.to_value FROM change \
             JOIN record ON record.sequence = change.sequence \
             LEFT JOIN record AS outcome ON outcome.sequence = record.ended AND record.stage = 'intent' \
             WHERE change.name = ? AND change.sequence < ? ORDER BY change.sequence DESC LIMIT ?",
        )
        .bind(name)
        .bind(cursor.before.map_or(i64::MAX, signed))
        .bind(i64::from(limit.clamp(1, 200)))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|(json, ended, from, to)| Ok(ParameterChange { act: act((json, ended))?, from, to }))
            .collect()
    }

    /// The acts of one run, in order.
    pub async fn run(&self, run: u64) -> Result<Vec<Act>, StoreError> {
        let mut query = QueryBuilder::new(COLUMNS);
        query.push(" WHERE record.stage <> 'outcome' AND record.run = ").push_bind(signed(run));
        query.push(" ORDER BY record.sequence LIMIT 200");
        let rows: Vec<(String, Option<String>)> = query.build_query_as().fetch_all(&self.pool).await?;
        rows.into_iter().map(act).collect()
    }

    /// Runs of these operations that began in a span of time (milliseconds of the Unix epoch), newest first, at most
    /// 500.
    pub async fn runs_between(
        &self,
        operations: &[&str],
        since_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<Act>, StoreError> {
        if operations.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = runs_query("", operations, since_ms, until_ms);
        let rows: Vec<(String, Option<String>)> = query.build_query_as().fetch_all(&self.pool).await?;
        rows.into_iter().map(act).collect()
    }

    /// Everybody who stands in the history, for the filter.
    pub async fn actors(&self) -> Result<Vec<String>, StoreError> {
        // Walks the index from name to name, so that it costs the number of names, not of records.
        let names = sqlx::query_scalar(
            "WITH RECURSIVE name(actor) AS ( \
             SELECT min(actor) FROM record WHERE stage <> 'outcome' UNION ALL \
             SELECT (SELECT min(actor) FROM record WHERE actor > name.actor AND stage <> 'outcome') FROM name \
             WHERE name.actor IS NOT NULL) SELECT actor FROM name WHERE actor IS NOT NULL LIMIT 500",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(names)
    }

    /// How many people's changes came after `sequence`, for "since you were here".
    pub async fn changes_after(&self, sequence: u64) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT 1 FROM record WHERE is_change = 1 AND stage <> 'outcome' AND sequence > ? LIMIT 1000)",
        )
        .bind(signed(sequence))
        .fetch_one(&self.pool)
        .await?;
        Ok(unsigned(count))
    }

    /// Every act of the filter, oldest first, as a stream for exports.
    pub fn stream<'a>(&self, filter: &Filter) -> BoxStream<'a, Result<Act, StoreError>> {
        let pool = self.pool.clone();
        let filter = filter.clone();
        let begin = (!filter.is_contradictory()).then_some(0_u64);
        let pages = futures_util::stream::unfold(begin, move |after| {
            let pool = pool.clone();
            let filter = filter.clone();
            async move {
                let after = after?;
                // Short reads, so that a slow download never holds a snapshot of the database.
                let rows = async {
                    let (mut query, walk) = acts_query("", &filter, Some(after), None);
                    query.push(" ORDER BY ").push(walk.place()).push(" LIMIT 500");
                    let rows: Vec<(String, Option<String>)> = query.build_query_as().fetch_all(&pool).await?;
                    rows.into_iter().map(act).collect::<Result<Vec<_>, StoreError>>()
                };
                match rows.await {
                    Ok(acts) => {
                        let next = acts.last().map(|act| act.record.sequence)?;
                        Some((acts.into_iter().map(Ok).collect::<Vec<_>>(), Some(next)))
                    }
                    Err(error) => Some((vec![Err(error)], None)),
                }
            }
        });
        pages.flat_map(futures_util::stream::iter).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::tests::{a_day, store};
    use super::*;

    /// Every filter alone and with what goes along with it most.
    fn filters() -> Vec<Filter> {
        let all = Filter::default();
        let changes = Filter { changes_only: true, ..all.clone() };
        let mut filters = vec![Filter { people_only: true, ..all.clone() }];
        for base in [all, changes] {
            filters.extend([
                Filter { since_ms: Some(1), ..base.clone() },
                Filter { since_ms: Some(1), until_ms: Some(2), ..base.clone() },
                Filter { actor: Some("anna".to_owned()), ..base.clone() },
                Filter { action: Some(Action::Run), ..base.clone() },
                Filter { action: Some(Action::SignIn), ..base.clone() },
                Filter { outcome: Some(Outcome::Failed), ..base.clone() },
                Filter { parameter: Some("POT_TMP".to_owned()), ..base.clone() },
                Filter { text: Some("10.200".to_owned()), ..base.clone() },
                Filter { actor: Some("anna".to_owned()), action: Some(Action::Run), since_ms: Some(1), ..base.clone() },
                base,
            ]);
        }
        filters
    }

    #[tokio::test]
    async fn no_page_reads_the_whole_table_or_sorts_it() {
        let (store, _folder) = store().await;
        let (records, hashes) = a_day();
        store.append(&records, &hashes).await.unwrap();
        for filter in filters().into_iter().filter(|filter| !filter.is_contradictory()) {
            for cursor in [Cursor::default(), Cursor { before: Some(1000) }] {
                let plan: Vec<(i64, i64, i64, String)> = page_query("EXPLAIN QUERY PLAN ", &filter, cursor, 51)
                    .build_query_as()
                    .fetch_all(&store.pool)
                    .await
                    .unwrap();
                for (_, _, _, step) in &plan {
                    // Everything is walked from the newest, and only as far as the page goes; FTS5 calls its own search a scan.
                    let unfiltered = Filter { since_ms: None, until_ms: None, ..filter.clone() } == Filter::default();
                    let scans =
                        step.starts_with("SCAN") && !unfiltered && !step.starts_with("SCAN words VIRTUAL TABLE INDEX");
                    assert!(!scans && !step.contains("TEMP B-TREE"), "{filter:?} {cursor:?}: {plan:?}");
                }
            }
        }
        let plan: Vec<(i64, i64, i64, String)> = runs_query("EXPLAIN QUERY PLAN ", &["init", "de-init"], 1, 2)
            .build_query_as()
            .fetch_all(&store.pool)
            .await
            .unwrap();
        let steps = plan.iter().map(|(_, _, _, step)| step.as_str());
        assert!(steps.clone().all(|step| step.starts_with("SEARCH")), "{plan:?}");
    }

    #[tokio::test]
    async fn the_table_of_words_and_the_text_itself_say_the_same() {
        let (store, _folder) = store().await;
        // Parts of words, and what stands between them.
        let parts = [
            "a", "A", "10", "200", ".", " ", "-", "/", "_", "ß", "É", "e\u{301}", "Ω", "д", "東", "🦀", "²", "\"",
            "\t", "İ",
        ];
        let mut random = 7_usize;
        let mut text = |most: usize| -> String {
            let mut some = String::new();
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            for at in 0..=(random >> 33) % most {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(at + 1);
                some.push_str(parts[(random >> 33) % parts.len()]);
            }
            some
        };
        let (mut records, mut hashes) = a_day();
        let (pattern, hash) = (records[0].clone(), hashes[0]);
        (records, hashes) = (Vec::new(), Vec::new());
        for sequence in 1..=600 {
            let mut record = pattern.clone();
            record.sequence = sequence;
            record.entry.message = text(12);
            records.push(record);
            hashes.push(hash);
        }
        store.append(&records, &hashes).await.unwrap();
        let mut found = 0;
        for _ in 0..1000 {
            let wanted = text(4);
            let filter = Filter { text: Some(wanted.clone()), ..Filter::default() };
            let by_table = store.by_its_index(&filter, Cursor::default(), 1000).await.unwrap();
            let glance = Glance::of(&wanted);
            let by_text = records.iter().rev().filter(|record| {
                let holds = holds_words(&searched(record, None), &wanted);
                assert!(
                    !holds || glance.may_hold(&(serde_json::to_string(record).unwrap(), None)),
                    "{wanted:?} {record:?}"
                );
                holds
            });
            let numbers: Vec<u64> = by_table.iter().map(|act| act.record.sequence).collect();
            assert_eq!(numbers, by_text.map(|record| record.sequence).collect::<Vec<_>>(), "{wanted:?}");
            found += usize::from(!numbers.is_empty() && numbers.len() < 600);
        }
        assert!(found > 100, "{found}");
    }

    #[tokio::test]
    async fn words_that_many_acts_have_and_words_that_few_have_make_the_same_pages() {
        let (store, _folder) = store().await;
        let (day, hash) = a_day();
        let (mut records, mut hashes) = (Vec::new(), Vec::new());
        for sequence in 1..=3000_u64 {
            let mut record = day[0].clone();
            record.sequence = sequence;
            let rare = if sequence % 700 == 3 { " rare" } else { "" };
            record.entry.message = format!("often{} happened{rare}", sequence % 7);
            records.push(record);
            hashes.push(hash[0]);
        }
        store.append(&records, &hashes).await.unwrap();
        for words in ["often", "often3", "rare", "often rare", "none", "HAPPENED often5"] {
            let filter = Filter { text: Some(words.to_owned()), ..Filter::default() };
            let all = store.by_its_index(&filter, Cursor::default(), 5000).await.unwrap();
            let mut paged = Vec::new();
            let mut cursor = Cursor::default();
            loop {
                let page = store.page(&filter, cursor, 200).await.unwrap();
                paged.extend(page.acts);
                match page.next {
                    Some(next) => cursor = next,
                    None => break,
                }
            }
            assert_eq!(paged, all, "{words}");
        }
    }

    #[tokio::test]
    async fn the_command_line_and_the_pages_mean_the_same_by_a_filter() {
        let (store, _folder) = store().await;
        let (records, hashes) = a_day();
        store.append(&records, &hashes).await.unwrap();
        let everything = store.page(&Filter::default(), Cursor::default(), 200).await.unwrap().acts;
        for filter in filters() {
            let page = store.page(&filter, Cursor::default(), 200).await.unwrap().acts;
            let admitted: Vec<Act> = everything.iter().filter(|act| filter.admits(act)).cloned().collect();
            assert_eq!(page, admitted, "{filter:?}");
        }
    }
}
