//! Which outcome of an intent counts: the first one in the journal. A second can stand there when two processes closed
//! the same intent; it stays, as all that was written does, and changes nothing about how the act ended.

use super::record::{Record, Stage};
use std::borrow::Borrow;
use std::collections::BTreeMap;

impl Record {
    /// The intent whose act this outcome ends; none when it is no outcome, or names what does not stand before it.
    pub(crate) fn ends_act(&self) -> Option<u64> {
        self.entry.intent.filter(|intent| self.entry.stage == Stage::Outcome && *intent < self.sequence)
    }
}

/// The outcomes that count among records that are met in any order, by the intent that they end.
#[derive(Debug)]
pub struct Ends<T>(BTreeMap<u64, T>);

impl<T> Default for Ends<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Borrow<Record>> Ends<T> {
    /// Takes note of a record; one that is no outcome is left out.
    pub fn note(&mut self, record: T) {
        let Some(intent) = record.borrow().ends_act() else { return };
        let sequence = record.borrow().sequence;
        if self.0.get(&intent).is_none_or(|known| sequence < known.borrow().sequence) {
            self.0.insert(intent, record);
        }
    }

    /// The outcome that counts among those noted.
    pub fn of(&self, intent: u64) -> Option<&T> {
        self.0.get(&intent)
    }

    /// The same, and it is not needed any more.
    pub fn take(&mut self, intent: u64) -> Option<T> {
        self.0.remove(&intent)
    }
}

/// The intents that have ended, as a journal is read from its beginning: a bit for each record.
#[derive(Debug)]
pub struct Ended {
    first: u64,
    bits: Vec<u64>,
}

impl Ended {
    /// For a journal that begins with record `first`. Of what was dropped before it nothing is known.
    pub fn from(first: u64) -> Self {
        Self { first, bits: Vec::new() }
    }

    /// Whether the outcome of number `sequence` is the one that counts of the intent that it names. To be asked once
    /// for each outcome, in the order of the journal.
    pub fn counts(&mut self, sequence: u64, intent: u64) -> bool {
        if intent >= sequence {
            return false;
        }
        let Some(place) = intent.checked_sub(self.first) else { return true };
        let (Ok(at), bit) = (usize::try_from(place / 64), 1 << (place % 64)) else { return false };
        // No further than the records that were read.
        if self.bits.len() <= at {
            self.bits.resize(at + 1, 0);
        }
        let Some(bits) = self.bits.get_mut(at) else { return false };
        let first = *bits & bit == 0;
        *bits |= bit;
        first
    }
}
