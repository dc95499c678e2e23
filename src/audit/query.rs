//! Reading the projection: pages by cursor, one act, one parameter over time, exports.

use super::error::StoreError;
use super::row::{is_change, is_person, signed, unsigned, word};
use super::store::Store;
use super::words::{self, Mark, Wanted, block};
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
    /// Only what belongs to this run.
    pub run: Option<u64>,
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

impl Filter {
    /// Whether no act can be meant: an action that is no change, among changes.
    fn is_contradictory(&self) -> bool {
        self.changes_only && self.action.is_some_and(|action| !is_change(action))
    }

    /// The words that are looked for.
    fn wanted(&self) -> Option<Wanted> {
        self.text.as_deref().and_then(Wanted::of)
    }

    /// What the table of words tells of the rest of the filter.
    fn marks<'a>(&'a self, action: Option<&'a String>) -> Vec<Mark<'a>> {
        [
            self.changes_only.then_some(Mark::Change),
            self.people_only.then_some(Mark::Person),
            self.actor.as_deref().map(Mark::Actor),
            action.map(|action| Mark::Action(action)),
            self.outcome.map(Mark::Outcome),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Whether an act is one that [`Store::page`] would show: the command line reads the journal itself.
    pub(crate) fn admits(&self, act: &Act) -> bool {
        let entry = &act.record.entry;
        let time = act.record.time.as_millisecond();
        (!self.people_only || is_person(entry.actor.method))
            && (!self.changes_only || is_change(entry.action))
            && self.since_ms.is_none_or(|since| time >= since)
            && self.until_ms.is_none_or(|until| time < until)
            && self.actor.as_ref().is_none_or(|actor| *actor == entry.actor.name)
            && self.action.is_none_or(|action| action == entry.action)
            && self.outcome.is_none_or(|outcome| act.outcome() == Some(outcome))
            && self.run.is_none_or(|run| entry.run == Some(run))
            && self.parameter.as_ref().is_none_or(|name| entry.changes.iter().any(|change| change.name == *name))
            && self.wanted().is_none_or(|wanted| wanted.are_in(&act.record, act.ended.as_ref()))
    }
}

/// Acts whose words are all there are read in parts of this size.
const READ_AT_ONCE: usize = 100;

/// Blocks of the table of words that are searched at once, at most: few at first, since words that many acts have fill a
/// page at once.
const MOST_BLOCKS: u64 = 32;

/// Acts read at once for an export.
const EXPORTED_AT_ONCE: usize = 500;

/// Records that are looked at on either side of a time: a clock that was set back put them in another order.
const AROUND: i64 = 1000;

/// Which acts of a filter are wanted, and from which end.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// The newest before a record; none: of all.
    Before(Option<u64>),
    /// The oldest after a record.
    After(u64),
}

/// What a query walks through, in the order of sequence numbers: never the whole table with another filter on it.
enum Walk {
    /// These acts, as JSON: what the table of words found.
    Acts(String),
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
        } else if filter.run.is_some() {
            Self::Index("record_run")
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
            Self::Acts(_) => "hit.value",
            Self::Parameter(_) => "change.sequence",
            Self::Index(_) | Self::Everything => "record.sequence",
        }
    }
}

/// A query for acts: after `prefix`, from record `after` to before `before`, without order and limit.
fn acts_query(
    prefix: &str,
    filter: &Filter,
    walk: &Walk,
    after: Option<u64>,
    before: Option<u64>,
) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(prefix);
    query.push("SELECT record.json, outcome.json FROM ");
    match walk {
        Walk::Acts(acts) => {
            query.push("json_each(").push_bind(acts.clone());
            query.push(") AS hit CROSS JOIN record ON record.sequence = hit.value")
        }
        Walk::Parameter(_) => query.push("change CROSS JOIN record ON record.sequence = change.sequence"),
        Walk::Index(name) => query.push("record INDEXED BY ").push(name),
        Walk::Everything => query.push("record NOT INDEXED"),
    };
    query.push(" LEFT JOIN record AS outcome ON outcome.sequence = record.ended AND record.stage = 'intent'");
    query.push(" WHERE record.stage <> 'outcome'");
    match (walk, &filter.parameter) {
        (Walk::Parameter(name), _) => {
            query.push(" AND change.name = ").push_bind(name.clone());
            // Once, should one act name it twice.
            query.push(
                " AND NOT EXISTS (SELECT 1 FROM change AS earlier WHERE earlier.name = change.name \
                 AND earlier.sequence = change.sequence AND earlier.position < change.position)",
            );
        }
        (_, Some(name)) => {
            query.push(" AND EXISTS (SELECT 1 FROM change WHERE change.sequence = record.sequence AND change.name = ");
            query.push_bind(name.clone()).push(")");
        }
        _ => {}
    }
    if let Some(after) = after {
        query.push(" AND ").push(walk.place()).push(" > ").push_bind(signed(after));
    }
    if let Some(before) = before {
        query.push(" AND ").push(walk.place()).push(" < ").push_bind(signed(before));
    }
    // Times become sequence numbers first, which every walk goes along; then each is looked at exactly.
    if let Some(since) = filter.since_ms {
        query.push(" AND ").push(walk.place()).push(" >= ");
        push_first_since(&mut query, since);
        query.push(" AND record.time_ms >= ").push_bind(since);
    }
    if let Some(until) = filter.until_ms {
        query.push(" AND ").push(walk.place()).push(" <= ");
        push_last_until(&mut query, until);
        query.push(" AND record.time_ms < ").push_bind(until);
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
    if let Some(run) = filter.run {
        query.push(" AND record.run = ").push_bind(signed(run));
    }
    query
}

/// The first record that may be of this time or later.
fn push_first_since(query: &mut QueryBuilder<Sqlite>, since: i64) {
    query.push(
        "coalesce((SELECT min(sequence) FROM (SELECT sequence FROM record INDEXED BY record_time WHERE time_ms >= ",
    );
    query.push_bind(since).push(" ORDER BY time_ms LIMIT ").push_bind(AROUND).push(")), 9223372036854775807)");
}

/// The last record that may be before this time.
fn push_last_until(query: &mut QueryBuilder<Sqlite>, until: i64) {
    query.push(
        "coalesce((SELECT max(sequence) FROM (SELECT sequence FROM record INDEXED BY record_time WHERE time_ms < ",
    );
    query.push_bind(until).push(" ORDER BY time_ms DESC LIMIT ").push_bind(AROUND).push(")), 0)");
}

fn act(row: (String, Option<String>)) -> Result<Act, StoreError> {
    Ok(Act { record: serde_json::from_str(&row.0)?, ended: row.1.map(|json| serde_json::from_str(&json)).transpose()? })
}

/// The act's record, and its outcome's when that is another one.
const COLUMNS: &str = "SELECT record.json, outcome.json FROM record \
     LEFT JOIN record AS outcome ON outcome.sequence = record.ended AND record.stage = 'intent'";

/// The query of one page, after `prefix`.
fn page_query(prefix: &str, filter: &Filter, cursor: Cursor, limit: usize) -> QueryBuilder<Sqlite> {
    let walk = Walk::of(filter);
    let mut query = acts_query(prefix, filter, &walk, None, cursor.before);
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
        let mut acts = match filter.wanted() {
            Some(wanted) => self.by_words(&wanted, filter, Part::Before(cursor.before), limit + 1).await?,
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

    /// The first `count` acts of a part that have the words and that the rest of the filter admits.
    async fn by_words(
        &self,
        wanted: &Wanted,
        filter: &Filter,
        part: Part,
        count: usize,
    ) -> Result<Vec<Act>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let mut query = QueryBuilder::new("SELECT max(coalesce((SELECT min(sequence) FROM record), 1), ");
        match filter.since_ms {
            Some(since) => push_first_since(&mut query, since),
            None => drop(query.push("0")),
        }
        query.push("), min(coalesce((SELECT max(sequence) FROM record), 0), ");
        match filter.until_ms {
            Some(until) => push_last_until(&mut query, until),
            None => drop(query.push("9223372036854775807")),
        }
        query.push(")");
        let (first, last): (i64, i64) = query.build_query_as().fetch_one(&mut *connection).await?;
        let (mut first, mut last) = (unsigned(first), unsigned(last));
        match part {
            Part::Before(Some(before)) => last = last.min(before.saturating_sub(1)),
            Part::Before(None) => {}
            Part::After(after) => first = first.max(after.saturating_add(1)),
        }
        let newest_first = matches!(part, Part::Before(_));
        let action = filter.action.as_ref().map(word);
        let needles = wanted.needles(&filter.marks(action.as_ref()));
        let mut acts = Vec::new();
        let mut blocks = 1;
        while first <= last {
            let (from, to) = if newest_first {
                (block(last).saturating_sub(blocks - 1).max(block(first)), block(last))
            } else {
                (block(first), block(first).saturating_add(blocks - 1).min(block(last)))
            };
            let mut having = words::having(&mut connection, &needles, from, to).await?;
            having.retain(|sequence| (first..=last).contains(sequence));
            if newest_first {
                having.reverse();
            }
            for some in having.chunks(READ_AT_ONCE) {
                let walk = Walk::Acts(serde_json::to_string(some)?);
                let mut query = acts_query("", filter, &walk, None, None);
                query.push(" ORDER BY hit.key");
                let rows: Vec<(String, Option<String>)> = query.build_query_as().fetch_all(&mut *connection).await?;
                for row in rows {
                    let act = act(row)?;
                    if wanted.are_in(&act.record, act.ended.as_ref()) {
                        acts.push(act);
                        if acts.len() == count {
                            return Ok(acts);
                        }
                    }
                }
            }
            if newest_first {
                let Some(before) = words::first_of(from).checked_sub(1) else { break };
                last = before;
            } else {
                first = words::first_of(to + 1);
            }
            blocks = (blocks * 2).min(MOST_BLOCKS);
        }
        Ok(acts)
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

    /// Runs of these operations that began in a span of time (milliseconds of the Unix epoch), newest first, at most
    /// 500.
    pub(crate) async fn runs_between(
        &self,
        operations: &[&str],
        since_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<Act>, StoreError> {
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

    /// Every act of the filter, oldest first, as a stream for exports.
    pub fn stream<'a>(&self, filter: &Filter) -> BoxStream<'a, Result<Act, StoreError>> {
        let store = self.clone();
        let filter = filter.clone();
        let begin = (!filter.is_contradictory()).then_some(0_u64);
        let pages = futures_util::stream::unfold(begin, move |after| {
            let store = store.clone();
            let filter = filter.clone();
            async move {
                let after = after?;
                // Short reads, so that a slow download never holds a snapshot of the database.
                let rows = async {
                    if let Some(wanted) = filter.wanted() {
                        return store.by_words(&wanted, &filter, Part::After(after), EXPORTED_AT_ONCE).await;
                    }
                    let walk = Walk::of(&filter);
                    let mut query = acts_query("", &filter, &walk, Some(after), None);
                    query.push(" ORDER BY ").push(walk.place()).push(" LIMIT ");
                    query.push_bind(i64::try_from(EXPORTED_AT_ONCE).unwrap_or(i64::MAX));
                    let rows: Vec<(String, Option<String>)> = query.build_query_as().fetch_all(&store.pool).await?;
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
    use crate::journal::record::Stage;

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
                Filter { run: Some(1), ..base.clone() },
                Filter { run: Some(1), outcome: Some(Outcome::Done), since_ms: Some(1), ..base.clone() },
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
        for needle in Wanted::of("10.200").unwrap().needles(&[Mark::Change]) {
            let plan: Vec<(i64, i64, i64, String)> = words::needle_query("EXPLAIN QUERY PLAN ", &needle, 1, 5)
                .build_query_as()
                .fetch_all(&store.pool)
                .await
                .unwrap();
            let at_word: Vec<&String> = plan.iter().map(|step| &step.3).filter(|step| step.contains("word")).collect();
            let searches =
                at_word.iter().all(|step| step.starts_with("SEARCH word USING PRIMARY KEY (block=? AND word"));
            assert!(searches && !at_word.is_empty(), "{plan:?}");
        }
        // What the table of words found, with every other filter.
        for filter in filters() {
            let found = Walk::Acts("[1, 2]".to_owned());
            let mut query = acts_query("EXPLAIN QUERY PLAN ", &filter, &found, None, None);
            query.push(" ORDER BY hit.key");
            let plan: Vec<(i64, i64, i64, String)> = query.build_query_as().fetch_all(&store.pool).await.unwrap();
            let scanned = plan.iter().filter(|step| step.3.starts_with("SCAN") && !step.3.starts_with("SCAN hit "));
            // A span of time is looked for once, among two thousand records at most.
            assert_eq!(scanned.filter(|step| !step.3.contains("(subquery")).count(), 0, "{plan:?}");
        }
        let by_index = |filter: &Filter| !filter.is_contradictory() && filter.text.is_none();
        for filter in filters().into_iter().filter(by_index) {
            for cursor in [Cursor::default(), Cursor { before: Some(1000) }] {
                let plan: Vec<(i64, i64, i64, String)> = page_query("EXPLAIN QUERY PLAN ", &filter, cursor, 51)
                    .build_query_as()
                    .fetch_all(&store.pool)
                    .await
                    .unwrap();
                for (_, _, _, step) in &plan {
                    // Everything is walked from the newest, and only as far as the page goes.
                    let unfiltered = Filter { since_ms: None, until_ms: None, ..filter.clone() } == Filter::default();
                    let scans = step.starts_with("SCAN") && !unfiltered;
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
        // What a search means, said once more.
        let apart = |text: &str| -> Vec<String> {
            let parts = text.split(|letter: char| !letter.is_alphanumeric()).filter(|part| !part.is_empty());
            parts.map(str::to_lowercase).collect()
        };
        let holds = |record: &Record, wanted: &str| {
            let entry = &record.entry;
            let fields =
                [&entry.actor.name, &word(&entry.action), &entry.object, &entry.message].map(|text| apart(text));
            wanted.split_whitespace().map(apart).filter(|parts| !parts.is_empty()).all(|parts| {
                let begins = format!(" {}", parts.join(" "));
                fields.iter().any(|field| format!(" {}", field.join(" ")).contains(&begins))
            })
        };
        let mut found = 0;
        for _ in 0..1000 {
            let text = text(4);
            let filter = Filter { text: Some(text.clone()), ..Filter::default() };
            if Wanted::of(&text).is_none() {
                continue;
            }
            let page = store.page(&filter, Cursor::default(), 200).await.unwrap();
            let numbers: Vec<u64> = page.acts.iter().map(|act| act.record.sequence).collect();
            let by_text: Vec<u64> =
                records.iter().rev().filter(|record| holds(record, &text)).map(|record| record.sequence).collect();
            assert_eq!(numbers, by_text[..by_text.len().min(200)], "{text:?}");
            let exported = store.stream(&filter).map(|act| act.unwrap().record.sequence).collect::<Vec<_>>().await;
            assert_eq!(exported, by_text.iter().rev().copied().collect::<Vec<_>>(), "{text:?}");
            found += usize::from(!numbers.is_empty() && numbers.len() < 200);
        }
        assert!(found > 100, "{found}");
    }

    #[tokio::test]
    async fn words_are_found_through_all_blocks_with_every_other_filter() {
        let (store, _folder) = store().await;
        let (day, hash) = a_day();
        let (mut records, mut hashes) = (Vec::new(), Vec::new());
        for sequence in 1..=3 * words::BLOCK {
            // A save, how it ended two records later, and what others did.
            let kind = [3, 0, 1, 2][usize::try_from(sequence % 4).unwrap()];
            let mut record = day[kind].clone();
            record.sequence = sequence;
            record.time =
                jiff::Timestamp::from_millisecond(1_790_000_000_000 + i64::try_from(sequence).unwrap()).unwrap();
            let rare = if sequence % 700 == 3 { " rare" } else { "" };
            record.entry.message = format!("often{} happened{rare}", sequence % 7);
            if record.entry.stage == Stage::Outcome {
                record.entry.intent = Some(sequence - 1);
                record.entry.outcome = Some(if sequence % 5 == 0 { Outcome::Failed } else { Outcome::Done });
            }
            records.push(record);
            hashes.push(hash[0]);
        }
        // In parts of which some end between a save and how it ended.
        for (records, hashes) in records.chunks(1001).zip(hashes.chunks(1001)) {
            store.append(records, hashes).await.unwrap();
        }
        let everything: Vec<Act> = store.stream(&Filter::default()).map(|act| act.unwrap()).collect().await;
        for text in ["often", "often3", "rare", "often rare", "none", "HAPPENED often5", "10.200 happened", "200.10"] {
            for filter in filters() {
                let filter = Filter { text: Some(text.to_owned()), ..filter };
                let all: Vec<Act> = everything.iter().filter(|act| filter.admits(act)).cloned().collect();
                let exported: Vec<Act> = store.stream(&filter).map(|act| act.unwrap()).collect().await;
                assert!(exported == all, "{filter:?}: {} instead of {}", exported.len(), all.len());
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
                paged.reverse();
                assert!(paged == all, "{filter:?}: {} instead of {}", paged.len(), all.len());
            }
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
