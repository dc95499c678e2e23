//! Whether the journal is still the one that was written: a torn end, another file, a head of another history.

use super::chain::{segment_path, segments};
use super::error::{JournalError, system};
use super::head::{self, Head};
use super::intents::Intents;
use super::problem::{Problem, ProblemKind, judge_head};
use super::record::Record;
use super::store::{Journal, State};
use super::tail::Tail;
use super::write::{create_private, own_entry};
use crate::digest::Digest;
use crate::files;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use uuid::Uuid;

/// The journal is not the one whose head was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    /// The copied head's sequence number.
    pub(crate) head_sequence: u64,
    /// The copied head's hash.
    pub(crate) head_hash: Digest,
    /// The journal's last sequence number.
    pub last: u64,
    /// The record that says so.
    pub record: u64,
    /// What happened, in a sentence.
    pub text: String,
}

/// What catching up brought to light.
#[derive(Default)]
pub(super) struct Noticed {
    pub(super) torn: Option<u64>,
    pub(super) rolled_back: Option<RolledBack>,
}

impl Journal {
    /// The same with the lock held: what is not a complete line now never will be. It is set aside; that, and a copied
    /// head of another history, is recorded.
    pub(super) fn catch_up(&self, state: &mut State) -> Result<Noticed, JournalError> {
        let mut noticed = Noticed::default();
        // Another process may have pruned.
        let found = segments(&self.dir).map_err(system("listing", &self.dir))?;
        state.segments.retain(|first| found.contains(first));
        self.reopen_if_replaced(state, &found)?;
        self.look(state)?;
        let path = segment_path(&self.dir, state.tail.first);
        let length = state.tail.file.metadata().map_err(system("examining", &path))?.len();
        let torn = length.saturating_sub(state.tail.length);
        if torn == 0 {
            noticed.rolled_back = self.compare_head(state)?;
            return Ok(noticed);
        }
        let aside = self.dir.join(format!("torn-{:020}-{}", state.tail.next, Uuid::now_v7().simple()));
        let set_aside = || {
            let mut bytes = vec![0; usize::try_from(torn).map_err(io::Error::other)?];
            state.tail.file.read_exact_at(&mut bytes, state.tail.length)?;
            let mut file = create_private(&aside)?;
            io::Write::write_all(&mut file, &bytes)?;
            file.sync_all()?;
            state.tail.file.set_len(state.tail.length)?;
            state.tail.file.sync_all()
        };
        set_aside().map_err(|error| {
            let _ = std::fs::remove_file(&aside);
            system("setting aside a torn line of", &path)(error)
        })?;
        let name = aside.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let message = format!(
            "The journal's last line was torn ({torn} bytes, no newline): a write was cut off before record {} was \
             complete. The bytes were set aside as {name}.",
            state.tail.next
        );
        noticed.rolled_back = self.compare_head(state)?;
        noticed.torn = Some(self.write(state, own_entry(name, message))?.sequence);
        self.copy_head(state);
        Ok(noticed)
    }

    /// Someone may have put another file in the place of the one that is open here (an older copy, a rolled back
    /// file system): what is appended to a file without a name would be lost.
    fn reopen_if_replaced(&self, state: &mut State, found: &[u64]) -> Result<(), JournalError> {
        let path = segment_path(&self.dir, state.tail.first);
        if state.tail.is_in_place(&path) {
            return Ok(());
        }
        let Some(newest) = found.last().copied() else {
            let last = state.tail.next - 1;
            let text =
                format!("the journal's segments are gone from {}: records 1 to {last} are missing", self.dir.display());
            return Err(JournalError::Broken(Problem::new(Some(last), ProblemKind::Missing, text)));
        };
        let mut intents = Intents::before(&self.dir, newest, found)?;
        (state.tail, state.id) = Tail::open(&self.dir, newest, &mut intents)?;
        state.intents = intents;
        state.segments = found.to_vec();
        state.marks.clear();
        Ok(())
    }

    /// Whether the copied head belongs to this journal as it stands. If not, that is recorded and the alarm is set.
    fn compare_head(&self, state: &mut State) -> Result<Option<RolledBack>, JournalError> {
        let Ok(Some(head)) = Head::read(&self.head) else { return Ok(None) };
        let last = state.tail.next - 1;
        let first = state.segments.first().copied().unwrap_or(1);
        let here = if head.sequence == last {
            Some(state.tail.record_hash)
        } else if head.sequence < first || head.sequence > last {
            None
        } else {
            match self.read_after(state, head.sequence - 1, 1) {
                Ok((_, hashes)) => hashes.first().copied(),
                Err(JournalError::Broken(_)) => None,
                Err(error) => return Err(error),
            }
        };
        let behind = if head.sequence < last && !head::is_owed(&self.dir) {
            self.time_of(state, (head.sequence + 1).max(first)).zip(self.time_of(state, last))
        } else {
            None
        };
        let Some(problem) = judge_head(&head, state.id, last, here, behind) else { return Ok(None) };
        let mut text = problem.text;
        text.push_str(&format!(" (copied head: {}).", head.hash));
        let record = self.raise_alarm(state, &text)?.sequence;
        Ok(Some(RolledBack { head_sequence: head.sequence, head_hash: head.hash, last, record, text }))
    }

    /// A copied head that is gone or unreadable although there are records.
    pub(super) fn head_problem(&self, state: &State) -> Option<Problem> {
        let why = match Head::read(&self.head) {
            Ok(Some(_)) => return None,
            Ok(None) if state.tail.next == 1 => return None,
            Ok(None) => "is gone".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        };
        let text = format!("the copy of the head, {}, {why}", self.head.display());
        Some(Problem::new(state.tail.next.checked_sub(1), ProblemKind::HeadMissing, text))
    }

    /// Records that the journal is not what it was, copies the head anew, and sets the alarm.
    pub(super) fn raise_alarm(&self, state: &mut State, text: &str) -> Result<Record, JournalError> {
        let record = self.write(state, own_entry("journal".to_owned(), text.to_owned()))?;
        self.copy_head(state);
        let path = self.alarm_path();
        let written = create_private(&path).and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "the journal's alarm could not be written");
        }
        Ok(record)
    }

    /// A sentence when the journal was found rolled back or replaced, by whichever process, until that is
    /// acknowledged.
    pub fn alarm(&self) -> Option<String> {
        match files::read_limited(&self.alarm_path(), 4096) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(files::FileError::Missing(_)) => None,
            Err(error) => Some(format!("There is an alarm of the journal that cannot be read: {error}.")),
        }
    }

    fn alarm_path(&self) -> PathBuf {
        self.dir.join("alarm")
    }
}
