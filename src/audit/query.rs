//! Reading the projection: pages by cursor, one act, one parameter over time, exports.

use super::store::{Store, StoreError, is_change, is_person, signed, unsigned, word};
use crate::journal::record::{Action, Outcome, Record};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use sqlx::{QueryBuilder, Sqlite};

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
    pub fn message(&self) -> &str {
        let other_end = self
            .ended
            .as_ref()
            .filter(|ended| !matches!(ended.entry.outcome, Some(Outcome::Done)) && !ended.entry.message.is_empty());
        &other_end.unwrap_or(&self.record).entry.message
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
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(16)
        .map(|word| format!("\"{}\"*", word.replace('"', "\"\"")))
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Letters and digits that stand together, in small letters: what FTS5's tokenizer makes of a text, but for accents.
fn words(text: &str) -> Vec<String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// The text of an act that is searched.
pub(super) fn searched(record: &Record) -> String {
    let entry = &record.entry;
    let mut text = format!("{} {} {} {}", entry.actor.name, word(&entry.action), entry.object, entry.message);
    let values = entry.changes.iter().flat_map(|change| [Some(&change.name), change.from.as_ref(), change.to.as_ref()]);
    for part in values.flatten().chain(&entry.reason) {
        text.push(' ');
        text.push_str(part);
    }
    text
}

impl Filter {
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
            && self.text.as_ref().is_none_or(|wanted| holds_words(&searched(&act.record), wanted))
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

fn narrow(query: &mut QueryBuilder<Sqlite>, filter: &Filter, cursor: Cursor) {
    query.push(" WHERE record.stage <> 'outcome'");
    if let Some(before) = cursor.before {
        query.push(" AND record.sequence < ").push_bind(signed(before));
    }
    if filter.people_only {
        query.push(" AND record.person = 1");
    }
    if filter.changes_only {
        query.push(" AND record.is_change = 1");
    }
    if let Some(since) = filter.since_ms {
        query.push(" AND record.time_ms >= ").push_bind(since);
    }
    if let Some(until) = filter.until_ms {
        query.push(" AND record.time_ms < ").push_bind(until);
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
    if let Some(parameter) = &filter.parameter {
        query.push(" AND record.sequence IN (SELECT sequence FROM change WHERE name = ");
        query.push_bind(parameter.clone()).push(")");
    }
    if let Some(expression) = filter.text.as_deref().and_then(match_expression) {
        query.push(" AND record.sequence IN (SELECT rowid FROM words WHERE words MATCH ");
        query.push_bind(expression).push(")");
    }
}

fn act(row: (String, Option<String>)) -> Result<Act, StoreError> {
    Ok(Act { record: serde_json::from_str(&row.0)?, ended: row.1.map(|json| serde_json::from_str(&json)).transpose()? })
}

/// The act's record, and its outcome's when that is another one.
const COLUMNS: &str = "SELECT record.json, outcome.json FROM record \
     LEFT JOIN record AS outcome ON outcome.sequence = record.ended AND record.stage = 'intent'";

impl Store {
    /// One page, newest first. `limit` is taken between 1 and 200.
    pub async fn page(&self, filter: &Filter, cursor: Cursor, limit: u32) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, 200) as usize;
        let mut query = QueryBuilder::new(COLUMNS);
        narrow(&mut query, filter, cursor);
        query.push(" ORDER BY record.sequence DESC LIMIT ").push_bind(i64::try_from(limit + 1).unwrap_or(201));
        let rows: Vec<(String, Option<String>)> = query.build_query_as().fetch_all(&self.pool).await?;
        let more = rows.len() > limit;
        let acts = rows.into_iter().take(limit).map(act).collect::<Result<Vec<_>, _>>()?;
        let next = acts.last().filter(|_| more).map(|act| Cursor { before: Some(act.record.sequence) });
        Ok(Page { acts, next })
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
        let pages = futures_util::stream::unfold(Some(0_u64), move |after| {
            let pool = pool.clone();
            let filter = filter.clone();
            async move {
                let after = after?;
                // Short reads, so that a slow download never holds a snapshot of the database.
                let rows = async {
                    let mut query = QueryBuilder::new(COLUMNS);
                    narrow(&mut query, &filter, Cursor::default());
                    query.push(" AND record.sequence > ").push_bind(signed(after));
                    query.push(" ORDER BY record.sequence LIMIT 500");
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
