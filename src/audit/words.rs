//! The words of acts, by which a search and the filters find them, and what is asked of SQLite's index of them.
//!
//! A search is for beginnings of words, and the index goes through every word that begins so, with all acts that have
//! it, before it hands out the first. Hence each word carries the number of its [`BLOCK`] of records: a search goes from
//! block to block, newest first, and stops when a page is full. What the other filters ask for are marks: whole words
//! that no text has, of all blocks.
//!
//! The index may hand out more than is meant (parts of words that do not follow each other): what is found is looked at
//! itself. What the index should hold follows from the records alone, so that it is held against the journal.

use super::row::{is_change, is_person, word};
use crate::journal::record::{Action, Outcome, Record};

/// Records of one block: the more, the longer a search for one letter takes; the fewer, the longer one that goes through
/// all blocks. Few in this module's own tests, which are thus about many blocks.
pub(super) const BLOCK: u64 = if cfg!(test) { 128 } else { 16_384 };

/// Words of a search that are looked for; further ones are left out.
const MOST_WORDS: usize = 16;

/// Words that are looked for in the index, parts of words among them.
const MOST_NEEDLES: usize = 24;

pub(super) const fn block(sequence: u64) -> u64 {
    sequence / BLOCK
}

/// The first record of a block.
pub(super) const fn first_of(block: u64) -> u64 {
    block.saturating_mul(BLOCK)
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

/// A property that the other filters ask for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark<'a> {
    Change,
    Person,
    Actor(&'a str),
    Action(Action),
    Outcome(Outcome),
    Parameter(&'a str),
    Run(u64),
}

/// What the marks of actors begin with, and no other word.
pub(super) const ACTORS: &str = "=by";

impl Mark<'_> {
    /// As a word that no text has: those are of letters and digits. Names are written as their bytes, so that capital
    /// letters and what stands between words make a difference.
    pub(super) fn word(self) -> String {
        let bytes = |kind: &str, name: &str| {
            let digits = name.bytes().flat_map(|byte| [byte >> 4, byte & 15]);
            let digits = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16));
            kind.chars().chain(digits).collect::<String>()
        };
        match self {
            Self::Change => "=change".to_owned(),
            Self::Person => "=person".to_owned(),
            Self::Actor(name) => bytes(ACTORS, name),
            Self::Action(action) => format!("=action={}", word(&action).replace('-', "=")),
            Self::Outcome(outcome) => format!("=end={}", word(&outcome).replace('-', "=")),
            Self::Parameter(name) => bytes("=set", name),
            Self::Run(run) => format!("=run{run}"),
        }
    }
}

impl Mark<'_> {
    /// The actor whose mark this is.
    pub(super) fn actor_of(mark: &str) -> Option<String> {
        let digits = mark.strip_prefix(ACTORS)?.as_bytes().as_chunks::<2>().0.iter();
        let bytes = digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        String::from_utf8(bytes.collect::<Option<_>>()?).ok()
    }
}

/// Every word of an act, as SQLite's index takes it in: once each, in order.
pub(super) fn of_act(record: &Record, ended: Option<&Record>) -> String {
    let entry = &record.entry;
    let action = word(&entry.action);
    let block = format!("{:x}=", block(record.sequence));
    let mut buffer = String::new();
    let (mut all, mut places) = (String::new(), Vec::new());
    let mut add = |parts: [&str; 2]| {
        let begin = all.len();
        all.extend(parts);
        places.push(begin..all.len());
    };
    for part in searched(record, ended, &action) {
        each_word(part, &mut buffer, &mut |word| add([&block, word]));
    }
    let marks = [
        is_change(entry.action).then_some(Mark::Change),
        is_person(entry.actor.method).then_some(Mark::Person),
        Some(Mark::Actor(&entry.actor.name)),
        Some(Mark::Action(entry.action)),
        ended.unwrap_or(record).entry.outcome.map(Mark::Outcome),
        entry.run.map(Mark::Run),
    ];
    let changed = entry.changes.iter().map(|change| Mark::Parameter(&change.name));
    for mark in marks.into_iter().flatten().chain(changed) {
        add(["", &mark.word()]);
    }
    let mut words: Vec<&str> = places.into_iter().filter_map(|place| all.get(place)).collect();
    words.sort_unstable();
    words.dedup();
    words.join(" ")
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

    /// What to look for in the index, in one block.
    pub(super) fn needles(&self, block: u64) -> Vec<Needle> {
        let parts = self
            .0
            .iter()
            .flat_map(|parts| parts.iter().enumerate().map(move |(at, part)| (part, at + 1 < parts.len())));
        // What is found is looked at itself: fewer only mean more of that.
        parts.take(MOST_NEEDLES).map(|(part, whole)| Needle { word: format!("{block:x}={part}"), whole }).collect()
    }
}

fn begins(words: &[String], parts: &[String]) -> bool {
    words.iter().zip(parts).enumerate().all(|(position, (word, part))| {
        if position + 1 == parts.len() { word.starts_with(part.as_str()) } else { word == part }
    })
}

/// One word to look for in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Needle {
    pub(super) word: String,
    /// The word itself; else every word that begins so.
    pub(super) whole: bool,
}

/// What the index is asked for: acts that have all of these.
pub(super) fn expression(needles: &[Needle], marks: &[String]) -> String {
    let marks = marks.iter().map(|mark| format!("\"{mark}\""));
    let needles = needles.iter().map(|Needle { word, whole }| format!("\"{word}\"{}", if *whole { "" } else { "*" }));
    marks.chain(needles).collect::<Vec<_>>().join(" AND ")
}
