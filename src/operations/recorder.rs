//! Where operations say what they are about to do and how it ended: the executor's journal, without naming it here; and
//! the words for what became of a file.

use crate::journal::record::{Change, Entry, Record};
use crate::potconf::{Configuration, Document};
use crate::refusal::Refusal;
use std::collections::BTreeSet;

/// Takes entries into the history.
pub trait Recorder: Send + Sync {
    /// Appends an entry; an intent is on disk when this returns.
    ///
    /// # Errors
    /// `RefusalKind::NotRecorded`: then nothing may be changed.
    fn record(&self, entry: Entry) -> Result<Record, Refusal>;

    /// Records after `intent` that belong to the run it began, in order: what the history knows of a run whose process
    /// died. An act has one outcome: who finds one here records no other.
    ///
    /// # Errors
    /// The history cannot be read; then nothing is known of it.
    fn about(&self, intent: u64, run: u64) -> Result<Vec<Record>, Refusal>;
}

/// What differs between two contents of pot.conf, parameter by parameter; nothing when one of them is not certain.
pub(crate) fn changed_parameters(default: &[u8], old: &[u8], new: &[u8]) -> Vec<Change> {
    let read = |own: &[u8]| Some(Configuration::new(Document::parse(default).ok()?, Document::parse(own).ok()?));
    let (Some(old), Some(new)) = (read(old), read(new)) else { return Vec::new() };
    let names: BTreeSet<String> =
        old.settings().into_iter().chain(new.settings()).map(|setting| setting.name).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let (from, to) = (old.own_value(&name), new.own_value(&name));
            (from != to).then_some(Change { name, from, to })
        })
        .collect()
}

/// `POT_NETWORK from 10.192.0.0/10 to 10.200.0.0/16`.
pub fn change_in_words(change: &Change) -> String {
    let shown = |value: &Option<String>| match value.as_deref() {
        Some("") => "empty".to_owned(),
        Some(value) => value.to_owned(),
        None => "the default".to_owned(),
    };
    format!("{} from {} to {}", change.name, shown(&change.from), shown(&change.to))
}

/// `POT_NETWORK from 10.192.0.0/10 to 10.200.0.0/16`, at most five of them.
pub(crate) fn changes_in_words(changes: &[Change]) -> String {
    const SHOWN: usize = 5;
    let mut words: Vec<String> = changes.iter().take(SHOWN).map(change_in_words).collect();
    if changes.len() > SHOWN {
        words.push(format!("and {} more", changes.len() - SHOWN));
    }
    words.join(", ")
}
