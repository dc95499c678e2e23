//! Reading the projection: pages by cursor, one act, one parameter over time, exports.

use super::error::StoreError;
use super::row::{is_change, is_person, signed, unsigned};
use super::store::Store;
use super::words::{ACTORS, Mark, Needle, Wanted, block, expression, first_of};
use crate::journal::record::{Action, Outcome, Record};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::borrow::Cow;
use std::ops::RangeInclusive;

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

    /// What the index is asked for beside words.
    fn marks(&self) -> Vec<String> {
        let marks = [
            self.changes_only.then_some(Mark::Change),
            self.people_only.then_some(Mark::Person),
            self.actor.as_deref().map(Mark::Actor),
            self.action.map(Mark::Action),
            self.outcome.map(Mark::Outcome),
            self.parameter.as_deref().map(Mark::Parameter),
            self.run.map(Mark::Run),
        ];
        marks.into_iter().flatten().map(Mark::word).collect()
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

/// Acts read at once for an export.
const EXPORTED_AT_ONCE: usize = 500;

/// Acts that [`Store::runs_between`] gives at most.
const MOST_RUNS: usize = 500;

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

impl Part {
    const fn is_newest_first(self) -> bool {
        matches!(self, Self::Before(_))
    }

    /// What comes next of these records, the part of one block where words are looked for: those stand by blocks.
    fn next(self, records: &RangeInclusive<u64>, by_blocks: bool) -> RangeInclusive<u64> {
        let (first, last) = (*records.start(), *records.end());
        match self {
            _ if !by_blocks => records.clone(),
            Self::Before(_) => first.max(first_of(block(last)))..=last,
            Self::After(_) => first..=last.min(first_of(block(first) + 1) - 1),
        }
    }

    /// What is left then.
    fn rest(self, records: &RangeInclusive<u64>, taken: &RangeInclusive<u64>) -> RangeInclusive<u64> {
        match self {
            Self::Before(_) => *records.start()..=taken.start().saturating_sub(1),
            Self::After(_) => taken.end().saturating_add(1)..=*records.end(),
        }
    }
}

/// The act's record, and its outcome's when that is another one: the first of those that name it.
const ACT: &str = "record.json, CASE record.stage WHEN 'intent' THEN (SELECT outcome.json \
     FROM record AS outcome INDEXED BY record_end WHERE outcome.stage = 'outcome' \
     AND outcome.intent = record.sequence AND outcome.sequence > record.sequence ORDER BY outcome.sequence LIMIT 1) END";

fn act(row: (String, Option<String>)) -> Result<Act, StoreError> {
    Ok(Act { record: serde_json::from_str(&row.0)?, ended: row.1.map(|json| serde_json::from_str(&json)).transpose()? })
}

/// The acts among these records that SQLite's index finds, after `prefix`; without anything to find all acts.
fn acts_query(prefix: &str, wanted: &str, records: &RangeInclusive<u64>, part: Part) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(prefix);
    query.push("SELECT ").push(ACT);
    let place = if wanted.is_empty() {
        query.push(" FROM record WHERE record.stage <> 'outcome'");
        "record.sequence"
    } else {
        query.push(" FROM search CROSS JOIN record ON record.sequence = search.rowid WHERE search MATCH ");
        query.push_bind(wanted.to_owned());
        "search.rowid"
    };
    query.push(" AND ").push(place).push(" BETWEEN ").push_bind(signed(*records.start()));
    query.push(" AND ").push_bind(signed(*records.end()));
    query.push(" ORDER BY ").push(place).push(if part.is_newest_first() { " DESC" } else { "" });
    query
}

/// Where acts of a time may stand: the first and the last record, after `prefix`. What is found is looked at itself.
fn bounds_query(prefix: &str, filter: &Filter) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(prefix);
    query.push("SELECT max(coalesce((SELECT min(sequence) FROM record), 1), ");
    match filter.since_ms {
        Some(since) => {
            query.push("coalesce((SELECT min(sequence) FROM (SELECT sequence FROM record INDEXED BY record_time ");
            query.push("WHERE time_ms >= ").push_bind(since);
            query.push(" ORDER BY time_ms LIMIT ").push_bind(AROUND).push(")), 9223372036854775807)")
        }
        None => query.push("0"),
    };
    query.push("), min(coalesce((SELECT max(sequence) FROM record), 0), ");
    match filter.until_ms {
        Some(until) => {
            query.push("coalesce((SELECT max(sequence) FROM (SELECT sequence FROM record INDEXED BY record_time ");
            // To the nearest millisecond it may be the next one.
            query.push("WHERE time_ms <= ").push_bind(until);
            query.push(" ORDER BY time_ms DESC LIMIT ").push_bind(AROUND).push(")), 0)")
        }
        None => query.push("9223372036854775807"),
    };
    query.push(")");
    query
}

/// For each word that is meant as a beginning: the next longer one, after `prefix`. When that begins otherwise, the word
/// itself is all there is, which the index finds without going through what begins so.
fn longer_query(prefix: &str, needles: &[Needle]) -> Result<QueryBuilder<Sqlite>, StoreError> {
    // The digit 0 comes before all that a word can go on with.
    let longer: Vec<String> = needles.iter().map(|needle| format!("{}0", needle.word)).collect();
    let mut query = QueryBuilder::new(prefix);
    query.push("SELECT wanted.key, (SELECT term FROM word WHERE term >= wanted.value LIMIT 1) FROM json_each(");
    query.push_bind(serde_json::to_string(&longer)?).push(") AS wanted");
    Ok(query)
}

/// Needles of which those are whole words that stand for no other ones.
async fn narrowed(connection: &mut SqliteConnection, mut needles: Vec<Needle>) -> Result<Vec<Needle>, StoreError> {
    let longer: Vec<(i64, Option<String>)> =
        longer_query("", &needles)?.build_query_as().fetch_all(&mut *connection).await?;
    for (at, longer) in longer {
        if let Some(needle) = usize::try_from(at).ok().and_then(|at| needles.get_mut(at)) {
            needle.whole |= longer.is_none_or(|longer| !longer.starts_with(&needle.word));
        }
    }
    Ok(needles)
}

impl Store {
    /// One page, newest first. `limit` is taken between 1 and 200.
    pub async fn page(&self, filter: &Filter, cursor: Cursor, limit: u32) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, 200) as usize;
        let mut acts = self.acts(filter, |_| true, Part::Before(cursor.before), limit + 1).await?;
        let more = acts.len() > limit;
        acts.truncate(limit);
        let next = acts.last().filter(|_| more).map(|act| Cursor { before: Some(act.record.sequence) });
        Ok(Page { acts, next })
    }

    /// The first `count` acts of a part that the filter admits, and `also`.
    async fn acts(
        &self,
        filter: &Filter,
        also: impl Fn(&Act) -> bool,
        part: Part,
        count: usize,
    ) -> Result<Vec<Act>, StoreError> {
        let mut acts = Vec::new();
        if filter.is_contradictory() {
            return Ok(acts);
        }
        let mut connection = self.pool.acquire().await?;
        let (first, last): (i64, i64) = bounds_query("", filter).build_query_as().fetch_one(&mut *connection).await?;
        // The first record of a journal has number 1.
        let (first, last) = (unsigned(first).max(1), unsigned(last));
        let mut records = match part {
            Part::Before(before) => first..=before.map_or(last, |before| last.min(before.saturating_sub(1))),
            Part::After(after) => first.max(after.saturating_add(1))..=last,
        };
        let (words, marks) = (filter.wanted(), filter.marks());
        while !records.is_empty() {
            let some = part.next(&records, words.is_some());
            let needles = match &words {
                Some(words) => narrowed(&mut connection, words.needles(block(*some.start()))).await?,
                None => Vec::new(),
            };
            let mut query = acts_query("", &expression(&needles, &marks), &some, part);
            let mut rows = query.build_query_as().fetch(&mut *connection);
            while let Some(row) = rows.try_next().await? {
                let act = act(row)?;
                if filter.admits(&act) && also(&act) {
                    acts.push(act);
                    if acts.len() == count {
                        return Ok(acts);
                    }
                }
            }
            records = part.rest(&records, &some);
        }
        Ok(acts)
    }

    /// The act that a record belongs to, by sequence number.
    pub async fn act(&self, sequence: u64) -> Result<Option<Act>, StoreError> {
        let mut query = QueryBuilder::new("SELECT ");
        query
            .push(ACT)
            .push(" FROM record WHERE record.sequence = coalesce((SELECT intent FROM record WHERE sequence = ");
        query.push_bind(signed(sequence)).push(" AND stage = 'outcome'), ").push_bind(signed(sequence)).push(")");
        let row: Option<(String, Option<String>)> = query.build_query_as().fetch_optional(&self.pool).await?;
        row.map(act).transpose()
    }

    /// One parameter over time, newest first.
    pub async fn parameter(&self, name: &str, cursor: Cursor, limit: u32) -> Result<Vec<ParameterChange>, StoreError> {
        let limit = limit.clamp(1, 200) as usize;
        let filter = Filter { parameter: Some(name.to_owned()), ..Filter::default() };
        let acts = self.acts(&filter, |_| true, Part::Before(cursor.before), limit).await?;
        let changes = acts.iter().flat_map(|act| {
            let changes = act.record.entry.changes.iter().filter(|change| change.name == name);
            changes.map(|change| ParameterChange { act: act.clone(), from: change.from.clone(), to: change.to.clone() })
        });
        Ok(changes.take(limit).collect())
    }

    /// Runs of these operations that began in a span of time (milliseconds of the Unix epoch), newest first, at most
    /// 500.
    pub(crate) async fn runs_between(
        &self,
        operations: &[&str],
        since_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<Act>, StoreError> {
        let filter = Filter {
            action: Some(Action::Run),
            since_ms: Some(since_ms),
            until_ms: Some(until_ms),
            ..Filter::default()
        };
        let of_these = |act: &Act| operations.contains(&act.record.entry.object.as_str());
        self.acts(&filter, of_these, Part::Before(None), MOST_RUNS).await
    }

    /// Everybody who stands in the history, for the filter.
    pub async fn actors(&self) -> Result<Vec<String>, StoreError> {
        const MOST: usize = 500;
        // Goes through the index from name to name, so that it costs the number of names, not of records.
        let marks: Vec<String> = sqlx::query_scalar(
            "WITH RECURSIVE name(mark) AS (SELECT (SELECT term FROM word WHERE term >= ?1 LIMIT 1) UNION ALL \
             SELECT (SELECT term FROM word WHERE term >= name.mark || '0' LIMIT 1) FROM name WHERE name.mark GLOB ?1 || '*') \
             SELECT mark FROM name WHERE mark GLOB ?1 || '*' LIMIT ?2",
        )
        .bind(ACTORS)
        .bind(i64::try_from(MOST).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(marks.iter().filter_map(|mark| Mark::actor_of(mark)).collect())
    }

    /// Every act of the filter, oldest first, as a stream for exports.
    pub fn stream<'a>(&self, filter: &Filter) -> BoxStream<'a, Result<Act, StoreError>> {
        let store = self.clone();
        let filter = filter.clone();
        let pages = futures_util::stream::unfold(Some(0_u64), move |after| {
            let store = store.clone();
            let filter = filter.clone();
            async move {
                // Short reads, so that a slow download never holds a snapshot of the database.
                match store.acts(&filter, |_| true, Part::After(after?), EXPORTED_AT_ONCE).await {
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
    use super::super::row::word;
    use super::super::store::tests::{a_day, lines, store};
    use super::super::words::BLOCK;
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
        async fn plan(store: &Store, mut query: QueryBuilder<Sqlite>) -> Vec<String> {
            let steps: Vec<(i64, i64, i64, String)> = query.build_query_as().fetch_all(&store.pool).await.unwrap();
            steps.into_iter().map(|(_, _, _, step)| step).collect()
        }
        const EXPLAIN: &str = "EXPLAIN QUERY PLAN ";
        let (store, _folder) = store().await;
        let (records, hashes) = a_day();
        store.append(&lines(&records, &hashes)).await.unwrap();
        let texts = [None, Some("10.200"), Some("save vpn")];
        for filter in filters().into_iter().flat_map(|filter| texts.map(|text| (filter.clone(), text))) {
            let filter = Filter { text: filter.1.map(str::to_owned).or(filter.0.text.clone()), ..filter.0 };
            let needles = filter.wanted().map_or(Vec::new(), |words| words.needles(0));
            let wanted = expression(&needles, &filter.marks());
            for part in [Part::Before(None), Part::After(0)] {
                let steps = plan(&store, acts_query(EXPLAIN, &wanted, &(1..=1000), part)).await;
                let by_index = |step: &String| {
                    // The index of words, of which only what it finds is read; else records by their numbers.
                    (step.starts_with("SCAN search VIRTUAL TABLE INDEX") && step.contains('M'))
                        || step.starts_with("SEARCH ")
                        || step.starts_with("CORRELATED SCALAR")
                };
                assert!(steps.iter().all(by_index), "{filter:?}: {steps:?}");
            }
            let steps = plan(&store, bounds_query(EXPLAIN, &filter)).await;
            let scans = steps.iter().filter(|step| step.starts_with("SCAN") || step.contains("TEMP B-TREE"));
            // A span of time is looked for once, among two thousand records at most.
            let whole = |step: &&String| !step.contains("CONSTANT ROW") && !step.contains("(subquery");
            assert_eq!(scans.filter(whole).count(), 0, "{steps:?}");
        }
        let needles = Wanted::of("10.200").unwrap().needles(0);
        let steps = plan(&store, longer_query(EXPLAIN, &needles).unwrap()).await;
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:?}");
    }

    #[tokio::test]
    async fn the_index_of_words_and_the_text_itself_say_the_same() {
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
        store.append(&lines(&records, &hashes)).await.unwrap();
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
        let searches = if std::env::var_os("POT_CONSOLE_LONG").is_some() { 10_000 } else { 300 };
        let mut found = 0;
        for _ in 0..searches {
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
        assert!(found > searches / 10, "{found}");
    }

    #[tokio::test]
    async fn words_are_found_through_all_blocks_with_every_other_filter() {
        let (store, _folder) = store().await;
        let (day, hash) = a_day();
        let (mut records, mut hashes) = (Vec::new(), Vec::new());
        for sequence in 1..=5 * BLOCK {
            // A save, how it ended two records later, and what others did.
            let kind = [3, 0, 1, 2][usize::try_from(sequence % 4).unwrap()];
            let mut record = day[kind].clone();
            record.sequence = sequence;
            record.time =
                jiff::Timestamp::from_millisecond(1_790_000_000_000 + i64::try_from(sequence).unwrap()).unwrap();
            let rare = if sequence % 70 == 3 { " rare" } else { "" };
            record.entry.message = format!("often{} happened{rare}", sequence % 7);
            if record.entry.stage == Stage::Outcome {
                record.entry.intent = Some(sequence - 1);
                record.entry.outcome = Some(if sequence % 5 == 0 { Outcome::Failed } else { Outcome::Done });
            }
            records.push(record);
            hashes.push(hash[0]);
        }
        // In parts of which some end between a save and how it ended.
        for (records, hashes) in records.chunks(101).zip(hashes.chunks(101)) {
            store.append(&lines(records, hashes)).await.unwrap();
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
        store.append(&lines(&records, &hashes)).await.unwrap();
        let everything = store.page(&Filter::default(), Cursor::default(), 200).await.unwrap().acts;
        for filter in filters() {
            let page = store.page(&filter, Cursor::default(), 200).await.unwrap().acts;
            let admitted: Vec<Act> = everything.iter().filter(|act| filter.admits(act)).cloned().collect();
            assert_eq!(page, admitted, "{filter:?}");
        }
    }
}
