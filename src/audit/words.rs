//! The words of acts, by which a search finds them, and the table that holds them.
//!
//! For every [`BLOCK`] records the table says of each word which acts of theirs have it. A search goes from block to
//! block, newest first, and keeps what has all its words; what it finds is then looked at itself. What the table should
//! hold follows from the records alone, so that it is held against the journal like every other row.

use super::error::StoreError;
use super::row::{is_change, is_person, signed, word};
use crate::journal::record::{Outcome, Record};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

/// Records of one block; their places in it are two bytes.
pub(super) const BLOCK: u64 = 4096;

/// Words of a search that are looked for; further ones are left out.
const MOST_WORDS: usize = 16;

/// Words that are looked for in the table, parts of words and the rest of the filter among them.
const MOST_NEEDLES: usize = 24;

/// Rows written by one statement: with three values each well below SQLite's limit of 32,766.
const AT_ONCE: usize = 2000;

pub(super) const fn block(sequence: u64) -> u64 {
    sequence / BLOCK
}

/// The first record of a block.
pub(super) const fn first_of(block: u64) -> u64 {
    block.saturating_mul(BLOCK)
}

fn place(sequence: u64) -> u16 {
    u16::try_from(sequence % BLOCK).unwrap_or(u16::MAX)
}

/// Hands out what letters and digits stand together in `text`, in small letters.
fn each_word(text: &str, word: &mut String, take: &mut dyn FnMut(&str)) {
    word.clear();
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            word.push(letter.to_ascii_lowercase());
        } else if letter.is_alphanumeric() {
            match letter {
                // The end of a word makes no other word of it.
                'ς' => word.push('σ'),
                _ => word.extend(letter.to_lowercase()),
            }
        } else if !word.is_empty() {
            take(word);
            word.clear();
        }
    }
    if !word.is_empty() {
        take(word);
        word.clear();
    }
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    each_word(text, &mut String::new(), &mut |word| words.push(word.to_owned()));
    words
}

/// The parts of an act that are searched: what its line on the page and its values say, and how it ended.
fn searched<'a>(record: &'a Record, ended: Option<&'a Record>, action: &'a str) -> impl Iterator<Item = &'a str> {
    let entry = &record.entry;
    let values = entry.changes.iter().flat_map(|change| {
        [Some(change.name.as_str()), change.from.as_deref(), change.to.as_deref()].into_iter().flatten()
    });
    let end = ended.map(|ended| ended.entry.message.as_str()).filter(|end| *end != entry.message);
    [entry.actor.name.as_str(), action, &entry.object, &entry.message]
        .into_iter()
        .chain(values)
        .chain(entry.reason.as_deref())
        .chain(entry.reported.address.as_deref())
        .chain(end)
}

/// A property that the other filters ask for, as a word that no text has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark<'a> {
    Change,
    Person,
    Actor(&'a str),
    Action(&'a str),
    Outcome(Outcome),
}

impl Mark<'_> {
    fn write(self, text: &mut String) {
        text.clear();
        match self {
            Self::Change => text.push_str("=change"),
            Self::Person => text.push_str("=person"),
            Self::Actor(name) => text.extend(["=actor ", name]),
            Self::Action(name) => text.extend(["=action ", name]),
            Self::Outcome(outcome) => text.extend(["=outcome ", &word(&outcome)]),
        }
    }

    fn word(self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }
}

/// Hands out every word of an act, some of them more than once.
fn words_of_act(record: &Record, ended: Option<&Record>, buffer: &mut String, take: &mut dyn FnMut(&str)) {
    let entry = &record.entry;
    let action = word(&entry.action);
    for part in searched(record, ended, &action) {
        each_word(part, buffer, take);
    }
    let marks = [
        is_change(entry.action).then_some(Mark::Change),
        is_person(entry.actor.method).then_some(Mark::Person),
        Some(Mark::Actor(&entry.actor.name)),
        Some(Mark::Action(&action)),
        ended.unwrap_or(record).entry.outcome.map(Mark::Outcome),
    ];
    for mark in marks.into_iter().flatten() {
        mark.write(buffer);
        take(buffer);
    }
}

/// The places in one block of the acts that have a word, ascending, as the table has them: two bytes each, the higher
/// one first.
pub(super) type Places = Vec<u8>;

fn places_of(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.as_chunks::<2>().0.iter().map(|two| u16::from_be_bytes(*two))
}

/// The words of acts of one block.
#[derive(Debug, Default)]
pub(super) struct Words {
    words: HashMap<Box<str>, Vec<u16>>,
    buffer: String,
}

impl Words {
    /// Takes in an act.
    pub(super) fn add(&mut self, record: &Record, ended: Option<&Record>) {
        let Self { words, buffer } = self;
        let place = place(record.sequence);
        words_of_act(record, ended, buffer, &mut |word| match words.get_mut(word) {
            Some(places) if places.last() == Some(&place) => {}
            Some(places) => places.push(place),
            None => drop(words.insert(word.into(), vec![place])),
        });
    }

    /// In the order in which the table has them.
    pub(super) fn sorted(self) -> Vec<(Box<str>, Places)> {
        let mut words: Vec<(Box<str>, Places)> = self
            .words
            .into_iter()
            .map(|(word, mut places)| {
                places.sort_unstable();
                (word, places.into_iter().flat_map(u16::to_be_bytes).collect())
            })
            .collect();
        words.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        words
    }
}

/// What rows of one block have otherwise than they should.
#[derive(Debug, Default)]
pub(super) struct Differing {
    /// The records whose words they are.
    pub(super) records: BTreeSet<u64>,
    /// The same records, but not as they are written here.
    pub(super) otherwise_written: bool,
}

/// Holds the rows of a block against the words that it should have. Records after the first of `meanwhile`, up to the
/// last one, are left out.
pub(super) fn differing(
    block: u64,
    wanted: Vec<(Box<str>, Places)>,
    rows: Vec<(String, Places)>,
    meanwhile: Range<u64>,
) -> Differing {
    let sequences = |acts: &[u8]| -> Vec<u64> {
        let sequences = places_of(acts).map(|place| first_of(block) + u64::from(place));
        sequences.filter(|sequence| *sequence <= meanwhile.start || *sequence > meanwhile.end).collect()
    };
    let mut rows: HashMap<String, Places> = rows.into_iter().collect();
    let mut differing = Differing::default();
    for (word, acts) in wanted {
        let there = rows.remove(&*word).unwrap_or_default();
        let (acts, is_even, there) = (sequences(&acts), there.len().is_multiple_of(2), sequences(&there));
        if acts != there || !is_even {
            let (acts, there) = (BTreeSet::from_iter(acts), BTreeSet::from_iter(there));
            differing.otherwise_written |= acts == there;
            differing.records.extend(acts.symmetric_difference(&there));
        }
    }
    for acts in rows.values() {
        differing.otherwise_written |= acts.is_empty() || !acts.len().is_multiple_of(2);
        differing.records.extend(sequences(acts));
    }
    differing
}

/// Adds the words of acts that stand behind all those in the table.
pub(super) async fn append(connection: &mut SqliteConnection, block: u64, words: Words) -> Result<(), StoreError> {
    for words in words.sorted().chunks(AT_ONCE) {
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO word (block, word, acts) ");
        insert.push_values(words, |mut row, (word, acts)| {
            row.push_bind(signed(block)).push_bind(&**word).push_bind(acts.as_slice());
        });
        // The `||` of two blobs is text to SQLite.
        insert.push(" ON CONFLICT (block, word) DO UPDATE SET acts = CAST(acts || excluded.acts AS BLOB)");
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Adds what an act that the table has already is found by since it ended.
pub(super) async fn add_end(
    connection: &mut SqliteConnection,
    record: &Record,
    ended: &Record,
) -> Result<(), StoreError> {
    let mut new = BTreeSet::new();
    let mut buffer = String::new();
    words_of_act(record, Some(ended), &mut buffer, &mut |word| {
        new.insert(word.to_owned());
    });
    words_of_act(record, None, &mut buffer, &mut |word| {
        new.remove(word);
    });
    let (block, place) = (signed(block(record.sequence)), place(record.sequence));
    for word in new {
        let held: Option<Vec<u8>> = sqlx::query_scalar("SELECT acts FROM word WHERE block = ? AND word = ?")
            .bind(block)
            .bind(&word)
            .fetch_optional(&mut *connection)
            .await?;
        let mut places: BTreeSet<u16> = places_of(&held.unwrap_or_default()).collect();
        places.insert(place);
        put(connection, block, &word, places).await?;
    }
    Ok(())
}

async fn put(
    connection: &mut SqliteConnection,
    block: i64,
    word: &str,
    places: impl IntoIterator<Item = u16>,
) -> Result<(), StoreError> {
    let places: Places = places.into_iter().flat_map(u16::to_be_bytes).collect();
    sqlx::query("INSERT OR REPLACE INTO word (block, word, acts) VALUES (?, ?, ?)")
        .bind(block)
        .bind(word)
        .bind(places)
        .execute(connection)
        .await?;
    Ok(())
}

/// Drops the words of acts before record `first`.
pub(super) async fn drop_before(connection: &mut SqliteConnection, first: u64) -> Result<(), StoreError> {
    let block = signed(block(first));
    sqlx::query("DELETE FROM word WHERE block < ?").bind(block).execute(&mut *connection).await?;
    let rows: Vec<(String, Vec<u8>)> =
        sqlx::query_as("SELECT word, acts FROM word WHERE block = ?").bind(block).fetch_all(&mut *connection).await?;
    sqlx::query("DELETE FROM word WHERE block = ?").bind(block).execute(&mut *connection).await?;
    for (word, acts) in rows {
        let mut kept = places_of(&acts).filter(|there| *there >= place(first)).peekable();
        if kept.peek().is_some() {
            put(connection, block, &word, kept).await?;
        }
    }
    Ok(())
}

/// What a search asks for: words that begin so, each given as the parts that letters and digits make of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted(Vec<Vec<String>>);

impl Wanted {
    /// None when there is nothing to look for.
    pub(super) fn of(text: &str) -> Option<Self> {
        let words = text.split_whitespace().map(words).filter(|parts| !parts.is_empty()).take(MOST_WORDS);
        Some(Self(words.collect())).filter(|wanted| !wanted.0.is_empty())
    }

    /// Whether each word begins a word of the act, or its parts (`10.200`) begin words that follow each other.
    pub(super) fn are_in(&self, record: &Record, ended: Option<&Record>) -> bool {
        let action = word(&record.entry.action);
        let text: Vec<Vec<String>> = searched(record, ended, &action).map(words).collect();
        self.0.iter().all(|parts| text.iter().any(|text| text.windows(parts.len()).any(|window| begins(window, parts))))
    }

    /// What to look for in the table, the words that few acts have first, as far as one can tell.
    pub(super) fn needles(&self, marks: &[Mark<'_>]) -> Vec<Needle> {
        let mut needles: Vec<Needle> = marks.iter().map(|mark| Needle { word: mark.word(), whole: true }).collect();
        for parts in &self.0 {
            for (at, part) in parts.iter().enumerate() {
                needles.push(Needle { word: part.clone(), whole: at + 1 < parts.len() });
            }
        }
        needles.sort_by(|one, other| {
            let by_length = other.word.len().cmp(&one.word.len());
            other.whole.cmp(&one.whole).then(by_length).then_with(|| one.word.cmp(&other.word))
        });
        needles.dedup();
        // What is found is looked at itself: fewer only mean more of that.
        needles.truncate(MOST_NEEDLES);
        needles
    }
}

fn begins(words: &[String], parts: &[String]) -> bool {
    words.iter().zip(parts).enumerate().all(|(position, (word, part))| {
        if position + 1 == parts.len() { word.starts_with(part.as_str()) } else { word == part }
    })
}

/// One word to look for in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Needle {
    word: String,
    /// The word itself; else every word that begins so.
    whole: bool,
}

/// The acts of one block, a bit each.
type Bits = [u64; 64];
const _: () = assert!(BLOCK == 64 * 64, "a bit for each record of a block");

/// The acts of blocks `from` to `to` that have all words, by sequence number, ascending.
pub(super) async fn having(
    connection: &mut SqliteConnection,
    needles: &[Needle],
    from: u64,
    to: u64,
) -> Result<Vec<u64>, StoreError> {
    let mut having: Option<BTreeMap<u64, Bits>> = None;
    for needle in needles {
        let (first, last) = match &having {
            None => (from, to),
            Some(found) => match (found.first_key_value(), found.last_key_value()) {
                (Some((first, _)), Some((last, _))) => (*first, *last),
                _ => break,
            },
        };
        let mut rows = needle_query("", needle, first, last);
        let mut found: BTreeMap<u64, Bits> = BTreeMap::new();
        for (block, acts) in rows.build_query_as::<(i64, Option<Vec<u8>>)>().fetch_all(&mut *connection).await? {
            let (Ok(block), Some(acts)) = (u64::try_from(block), acts) else { continue };
            let bits = found.entry(block).or_insert([0; 64]);
            for place in places_of(&acts) {
                if let Some(bits) = bits.get_mut(usize::from(place) / 64) {
                    *bits |= 1 << (place % 64);
                }
            }
        }
        if let Some(before) = having {
            found.retain(|block, bits| {
                let Some(before) = before.get(block) else { return false };
                bits.iter_mut().zip(before).for_each(|(bits, before)| *bits &= before);
                bits.iter().any(|bits| *bits != 0)
            });
        }
        having = Some(found);
    }
    let mut sequences = Vec::new();
    for (block, bits) in having.unwrap_or_default() {
        for (at, bits) in (0_u64..).zip(bits) {
            let places = (0..64).filter(|place| bits & (1 << place) != 0);
            sequences.extend(places.map(|place| block * BLOCK + at * 64 + place));
        }
    }
    Ok(sequences)
}

/// The rows of a needle, after `prefix`: from block to block, never through words that are not meant.
pub(super) fn needle_query(prefix: &str, needle: &Needle, from: u64, to: u64) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(prefix);
    query.push("WITH RECURSIVE wanted(block) AS (SELECT ").push_bind(signed(from));
    query.push(" UNION ALL SELECT block + 1 FROM wanted WHERE block < ").push_bind(signed(to));
    // One row for each block: many words may begin so.
    query
        .push(") SELECT block, (SELECT CAST(group_concat(acts, '') AS BLOB) FROM word WHERE word.block = wanted.block");
    query.push(" AND word ");
    if needle.whole {
        query.push("= ").push_bind(needle.word.clone());
    } else {
        query.push(">= ").push_bind(needle.word.clone());
        // Above every letter and digit.
        query.push(" AND word < ").push_bind(format!("{}\u{10ffff}", needle.word));
    }
    query.push(") FROM wanted");
    query
}
