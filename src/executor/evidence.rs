//! The journal as the executor uses it: append, read, and count floods of refusals instead of writing them all.

use super::outbox::Hints;
use super::protocol::{ExportFormat, JournalLines, Records, Reply, SignedCheckpoint, VerifyView};
use super::requester::{Requester, console, free_text};
use crate::journal::record::{Action, Entry, Outcome, Record, Reported};
use crate::journal::{Checkpoint, CheckpointKey, Journal, JournalError, Opening, Pruned, Retention, verify};
use crate::operations::recorder::Recorder;
use crate::refusal::{Refusal, RefusalKind};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Refusals of one kind by one asker that are written one by one within a minute.
const WRITTEN_EACH: u32 = 10;
/// The window in which they are counted.
const WINDOW: Duration = Duration::from_mins(1);
/// A kind that was silent for this long starts anew.
const FORGET: Duration = Duration::from_mins(10);
/// Most kinds that are told apart; what comes beyond is counted together.
const MOST_KINDS: usize = 1024;
/// Refusals of all kinds that are written one by one, so many at once and then one each so often: the address that a
/// kind is told by is only reported, and whoever invents addresses must not fill the disk.
const WRITTEN_IN_ALL: (u32, Duration) = (1024, Duration::from_secs(6));
/// Most records handed out at once.
const MOST_RECORDS: u32 = 1000;

/// The journal with the count of what was not written one by one.
pub(super) struct Evidence {
    journal: Journal,
    keys: std::path::PathBuf,
    refusals: Mutex<RefusalCounter>,
    /// What was found broken when the journal was opened.
    problem: Option<String>,
    hints: Arc<Hints>,
    verifying: Mutex<()>,
}

/// A pace: so many at once, and then one each so often.
pub(super) struct RateLimiter {
    most: u32,
    each: Duration,
    left: u32,
    counted: Option<Instant>,
}

impl RateLimiter {
    pub(super) const fn new((most, each): (u32, Duration)) -> Self {
        Self { most, each, left: most, counted: None }
    }

    /// Whether there is one left at this moment; it is used up.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let counted = *self.counted.get_or_insert(now);
        let earned = now.saturating_duration_since(counted).as_millis() / self.each.as_millis().max(1);
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(self.most);
            self.counted = Some(if self.left == self.most { now } else { counted + self.each * earned });
        }
        let some = self.left > 0;
        self.left -= u32::from(some);
        some
    }
}

impl RateLimiter {
    /// What was taken came to nothing.
    pub(super) fn give_back(&mut self) {
        self.left = self.left.saturating_add(1).min(self.most);
    }
}

struct RefusalCounter {
    kinds: HashMap<(String, String, String), Window>,
    in_all: RateLimiter,
    unwritten: Unwritten,
    unwritten_since: Option<Instant>,
}

/// Refusals that were counted and not written one by one, and where they came from.
#[derive(Debug, Default, PartialEq, Eq)]
struct Unwritten {
    count: u64,
    addresses: BTreeSet<String>,
    more_addresses: bool,
}

impl Unwritten {
    /// Addresses that are named.
    const NAMED: usize = 8;

    fn add(&mut self, address: &str) {
        self.count += 1;
        if address.is_empty() || self.addresses.contains(address) {
            return;
        }
        if self.addresses.len() < Self::NAMED {
            self.addresses.insert(address.to_owned());
        } else {
            self.more_addresses = true;
        }
    }

    fn message(&self) -> String {
        let mut from: Vec<&str> = self.addresses.iter().map(String::as_str).collect();
        if self.more_addresses {
            from.push("other addresses");
        }
        let from = if from.is_empty() { String::new() } else { format!(", from {}", from.join(", ")) };
        format!("{} more refusals within a minute{from}.", self.count)
    }
}

impl Default for RefusalCounter {
    fn default() -> Self {
        Self {
            kinds: HashMap::new(),
            in_all: RateLimiter::new(WRITTEN_IN_ALL),
            unwritten: Unwritten::default(),
            unwritten_since: None,
        }
    }
}

struct Window {
    since: Instant,
    last: Instant,
    count: u32,
}

impl RefusalCounter {
    /// Whether this one is to be written; else it is counted.
    fn admit(&mut self, kind: (String, String, String), now: Instant) -> bool {
        if !self.kinds.contains_key(&kind) && self.kinds.len() >= MOST_KINDS {
            self.kinds.retain(|_, window| now < window.last + FORGET);
        }
        let address = kind.2.clone();
        let room = self.kinds.contains_key(&kind) || self.kinds.len() < MOST_KINDS;
        let written = room && {
            let window = self.kinds.entry(kind).or_insert(Window { since: now, last: now, count: 0 });
            if now >= window.last + FORGET {
                window.count = 0;
                window.since = now;
            } else if now >= window.since + WINDOW {
                // One that goes on flooding is only counted; one that is calm again is written again.
                window.count = if window.count > WRITTEN_EACH { WRITTEN_EACH } else { 0 };
                window.since = now;
            }
            window.last = now;
            window.count = window.count.saturating_add(1);
            window.count <= WRITTEN_EACH
        };
        let written = written && self.in_all.take(now);
        if !written {
            self.unwritten.add(&address);
            self.unwritten_since.get_or_insert(now);
        }
        written
    }

    /// How many were counted, once a minute has passed since the first of them.
    fn take_count(&mut self, now: Instant, at_once: bool) -> Option<Unwritten> {
        let since = self.unwritten_since?;
        if now < since + WINDOW && !at_once {
            return None;
        }
        self.unwritten_since = None;
        Some(std::mem::take(&mut self.unwritten)).filter(|unwritten| unwritten.count > 0)
    }
}

impl Evidence {
    pub(super) fn new(journal: Journal, opening: &Opening, keys: std::path::PathBuf, hints: Arc<Hints>) -> Self {
        let problem = opening.problem.as_ref().map(|problem| format!("The history is not sound: {problem}."));
        let evidence = Self { journal, keys, refusals: Mutex::default(), problem, hints, verifying: Mutex::default() };
        evidence.tell();
        evidence
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Appends; on disk when this returns.
    ///
    /// # Errors
    /// [`RefusalKind::NotRecorded`]: what was to be recorded must not be done.
    pub(super) fn append(&self, entry: Entry) -> Result<Record, Refusal> {
        let record = self.journal.append(entry).map_err(|error| not_recorded(&error))?;
        self.tell();
        Ok(record)
    }

    /// Appends how a change ended. The change has been made; when this fails, the next start finds the intent open.
    pub(super) fn append_outcome(&self, entry: Entry) -> Option<u64> {
        match self.append(entry) {
            Ok(record) => Some(record.sequence),
            Err(refusal) => {
                tracing::error!("how a change ended could not be recorded: {refusal}");
                None
            }
        }
    }

    /// Records a refusal, or counts it when there were many of its kind within a minute.
    pub(super) fn refused(&self, command: &str, entry: Entry) {
        let now = Instant::now();
        let kind = (
            command.to_owned(),
            entry.actor.session.clone().unwrap_or_else(|| entry.actor.name.clone()),
            entry.reported.address.clone().unwrap_or_default(),
        );
        let (write, counted) = {
            let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            (refusals.admit(kind, now), refusals.take_count(now, false))
        };
        if let Some(count) = counted {
            self.write_count(&count);
        }
        if write && let Err(refusal) = self.append(entry) {
            tracing::error!("a refusal could not be recorded: {refusal}");
        }
    }

    /// Writes the count of refusals that were not written one by one: once a minute, and at the end.
    pub(super) fn write_counted(&self, at_once: bool) {
        let counted = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).take_count(Instant::now(), at_once);
        if let Some(count) = counted {
            self.write_count(&count);
        }
    }

    fn write_count(&self, unwritten: &Unwritten) {
        let entry = own(Action::Refusal, "flood", Outcome::Refused, unwritten.message());
        if let Err(refusal) = self.append(entry) {
            tracing::error!("a count of refusals could not be recorded: {refusal}");
        }
    }

    /// Notices what other processes appended, and tells the web process.
    pub(super) fn tell(&self) {
        if let Err(error) = self.tell_of_last() {
            tracing::error!("{error}");
        }
    }

    /// The same, for those who ask so often that a complaint each time would be noise.
    pub(super) fn tell_of_last(&self) -> Result<(), JournalError> {
        let (last, _) = self.journal.last()?;
        self.hints.tell(|hint| hint.journal = last);
        Ok(())
    }

    pub(super) fn after(&self, after: u64, limit: u32) -> Result<Reply, Refusal> {
        let limit = limit.clamp(1, MOST_RECORDS);
        let (records, hashes) = self
            .journal
            .after(after, limit as usize)
            .map_err(|error| Refusal::new(RefusalKind::Failed, format!("The journal cannot be read: {error}.")))?;
        let (last, _) = self
            .journal
            .last()
            .map_err(|error| Refusal::new(RefusalKind::Failed, format!("The journal cannot be read: {error}.")))?;
        Ok(Reply::Records(Records { records, last, hashes, first: self.journal.first() }))
    }

    /// Lines of the journal as they stand there, after record `after`.
    pub(super) fn lines(&self, after: u64, limit: u32) -> Result<JournalLines, Refusal> {
        let unreadable = |error| Refusal::new(RefusalKind::Failed, format!("The journal cannot be read: {error}."));
        let limit = limit.clamp(1, MOST_RECORDS);
        let (lines, newest) = self.journal.lines_after(after, limit as usize).map_err(unreadable)?;
        let (last, _) = self.journal.last().map_err(unreadable)?;
        Ok(JournalLines { first: self.journal.first(), last, newest, lines })
    }

    /// The newest `count` records, newest first.
    pub(super) fn newest(&self, count: u64) -> Vec<Record> {
        let Ok((last, _)) = self.journal.last() else { return Vec::new() };
        let mut after = last.saturating_sub(count);
        let mut records = Vec::new();
        while after < last {
            match self.journal.after(after, MOST_RECORDS as usize) {
                Ok((some, _)) if !some.is_empty() => {
                    after = some.last().map_or(last, |record| record.sequence);
                    records.extend(some);
                }
                _ => break,
            }
        }
        records.reverse();
        records
    }

    /// Whether the journal was found rolled back or replaced, and nobody has acknowledged that.
    pub(super) fn rolled_back(&self) -> bool {
        self.journal.alarm().is_some()
    }

    /// What is shown on every page while the journal is not sound.
    pub(super) fn alarm(&self) -> Option<String> {
        self.journal.alarm().or_else(|| self.problem.clone())
    }

    /// Reads the whole journal. One at a time: whoever asks meanwhile is told so, and holds up nobody.
    pub(super) fn verify(&self) -> Result<VerifyView, Refusal> {
        let Ok(_one) = self.verifying.try_lock() else {
            return Err(Refusal::new(RefusalKind::Busy, "The history is being checked already. Wait for that to end."));
        };
        let report = verify(self.journal.dir(), self.journal.head_path(), None);
        // A journal that was put in another's place is unbroken, too: what was noticed then stands until root clears it.
        let alarm = self.journal.alarm();
        Ok(VerifyView {
            sound: report.sound && alarm.is_none(),
            records: report.records,
            head: report.head,
            problem: report.problem.map(|problem| problem.to_string()).or(alarm),
            repeated: report.repeated_count,
        })
    }

    /// The key of checkpoints, made at first need. That it was made is recorded, so that another one in its place shows.
    ///
    /// # Errors
    /// It can neither be read nor made.
    pub(super) fn key(&self) -> Result<CheckpointKey, JournalError> {
        if let Some(key) = CheckpointKey::open(&self.keys)? {
            return Ok(key);
        }
        let key = CheckpointKey::open_or_make(&self.keys)?;
        let message = format!("A key that signs checkpoints was made. Its public part is {}.", key.public());
        let _ = self.append_outcome(own(Action::Journal, "checkpoint key", Outcome::Done, message));
        Ok(key)
    }

    /// Drops what is too old; the projection follows with its next look.
    pub(super) fn prune(&self, retention: &Retention) -> Result<Option<Pruned>, JournalError> {
        if !self.journal.has_old_segments() {
            return Ok(None);
        }
        let key = self.key()?;
        let pruned = self.journal.prune(retention, &key)?;
        self.tell();
        Ok(pruned)
    }

    /// Records something that the executor itself did or noticed.
    pub(super) fn record_own(&self, action: Action, object: &str, outcome: Outcome, message: String) {
        if let Err(refusal) = self.append(own(action, object, outcome, message)) {
            tracing::error!("{refusal}");
        }
    }

    pub(super) fn verify_journal(&self) -> Result<Reply, Refusal> {
        Ok(Reply::Verified(self.verify()?))
    }

    pub(super) fn checkpoint(&self, requester: &Requester) -> Result<Reply, Refusal> {
        let text = self.sign_checkpoint()?;
        let message = "A checkpoint of the history was made. It proves something once it is held on another machine.";
        self.append(requester.event(Action::Journal, "checkpoint", Outcome::Done, message.to_owned()))?;
        Ok(Reply::Checkpoint(SignedCheckpoint { text }))
    }

    pub(super) fn record_export(
        &self,
        requester: &Requester,
        format: ExportFormat,
        filter: &str,
    ) -> Result<Reply, Refusal> {
        let filter = free_text(Some(filter), 500, "filter")?;
        let name = match format {
            ExportFormat::Csv => "csv",
            ExportFormat::Json => "json",
            ExportFormat::Jsonl => "jsonl",
        };
        let of = filter.map_or_else(|| "all of it".to_owned(), |filter| format!("filter {filter}"));
        let message = format!("The history was exported as {name} ({of}).");
        self.append(requester.event(Action::Export, name, Outcome::Done, message))?;
        Ok(Reply::Done {})
    }

    pub(super) fn sign_checkpoint(&self) -> Result<String, Refusal> {
        let failed =
            |error: JournalError| Refusal::new(RefusalKind::Failed, format!("No checkpoint was made: {error}."));
        let key = self.key().map_err(failed)?;
        Ok(Checkpoint::sign(&self.journal, &key).map_err(failed)?.text())
    }
}

impl Recorder for Evidence {
    fn record(&self, entry: Entry) -> Result<Record, Refusal> {
        self.append(entry)
    }

    fn about(&self, intent: u64, run: u64) -> Result<Vec<Record>, Refusal> {
        let unreadable =
            |error: JournalError| Refusal::new(RefusalKind::Failed, format!("The journal cannot be read: {error}."));
        let mut found = Vec::new();
        let mut after = intent;
        loop {
            let (records, _) = self.journal.after(after, MOST_RECORDS as usize).map_err(unreadable)?;
            let Some(last) = records.last() else { return Ok(found) };
            after = last.sequence;
            found.extend(records.into_iter().filter(|record| record.entry.run == Some(run)));
        }
    }
}

fn not_recorded(error: &JournalError) -> Refusal {
    Refusal::new(RefusalKind::NotRecorded, format!("Nothing was changed, because it could not be recorded: {error}."))
}

/// An event of the executor itself.
pub(super) fn own(action: Action, object: &str, outcome: Outcome, message: String) -> Entry {
    Entry { outcome: Some(outcome), ..Entry::event(console(), Reported::default(), action, object, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(n: u32) -> (String, String, String) {
        ("save".to_owned(), n.to_string(), String::new())
    }

    #[test]
    fn a_flood_is_counted_and_not_written() {
        let (mut refusals, start) = (RefusalCounter::default(), Instant::now());
        let mut written = 0;
        let mut counted = 0;
        for second in 0..600u32 {
            for _ in 0..100 {
                let now = start + Duration::from_secs(u64::from(second));
                written += u32::from(refusals.admit(kind(0), now));
                counted += refusals.take_count(now, false).map_or(0, |unwritten| unwritten.count);
            }
        }
        assert_eq!(written, WRITTEN_EACH);
        counted += refusals.take_count(start + Duration::from_mins(10), true).map_or(0, |unwritten| unwritten.count);
        assert_eq!(counted + u64::from(written), 60_000);
    }

    #[test]
    fn a_counted_flood_names_where_it_came_from() {
        let (mut refusals, now) = (RefusalCounter::default(), Instant::now());
        for n in 0..100 {
            let kind = ("sign-in".to_owned(), "nobody".to_owned(), format!("10.0.0.{}", n % 2));
            refusals.admit(kind, now);
        }
        let counted = refusals.take_count(now, true).unwrap();
        assert_eq!(counted.message(), "80 more refusals within a minute, from 10.0.0.0, 10.0.0.1.");
        for n in 0..100_000 {
            refusals.admit(("sign-in".to_owned(), "nobody".to_owned(), format!("a{n}")), now);
        }
        let counted = refusals.take_count(now, true).unwrap();
        assert!(counted.message().ends_with(", other addresses.") && counted.message().len() < 200);
    }

    #[test]
    fn single_refusals_are_each_written() {
        let (mut refusals, start) = (RefusalCounter::default(), Instant::now());
        for minute in 0..100u64 {
            for n in 0..5 {
                assert!(refusals.admit(kind(n), start + Duration::from_mins(minute)));
            }
        }
        assert_eq!(refusals.take_count(start + FORGET, true), None);
    }

    #[test]
    fn inventing_addresses_does_not_fill_the_history() {
        let (mut refusals, start) = (RefusalCounter::default(), Instant::now());
        let mut written = 0;
        // An hour of ten new askers each second.
        for second in 0..3_600u64 {
            let now = start + Duration::from_secs(second);
            for n in 0..10 {
                written += u32::from(refusals.admit(kind(u32::try_from(second * 10 + n).unwrap()), now));
            }
            refusals.take_count(now, false);
        }
        assert!(written > WRITTEN_IN_ALL.0, "{written}");
        assert!(written <= 1024 + 60 * 10, "{written}");
    }

    #[test]
    fn many_kinds_of_refusals_take_bounded_memory() {
        let (mut refusals, start) = (RefusalCounter::default(), Instant::now());
        let written = (0..10_000).filter(|n| refusals.admit(kind(*n), start)).count();
        assert_eq!(written, MOST_KINDS);
        assert!(refusals.kinds.len() <= MOST_KINDS);
    }
}
