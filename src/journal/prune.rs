//! Dropping what is old, by kind, so that what people did is never pushed out by what ran by itself.

use super::chain::{Line, each_line, segment_path};
use super::checkpoint::{Checkpoint, CheckpointKey, leave_pruned};
use super::error::{JournalError, system};
use super::record::{Action, Method};
use super::store::Journal;
use super::verify::verify;
use super::write::own_entry;
use crate::digest::Digest;
use crate::platform::{self, crash_point};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

/// Kinds of records that are kept for different times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// What people did, and what was done to the host on their behalf.
    Changes,
    /// What was found changed behind the console's back: by a job that writes every minute, too.
    Outside,
    /// Who came and went, was slowed down or turned away.
    Visits,
    /// What ran by itself.
    ByItself,
}

impl Kind {
    /// The kind of a record with this action by someone known in this way.
    pub fn of(action: Action, method: Method) -> Self {
        match action {
            Action::SignIn | Action::SignOut | Action::Throttle | Action::Refusal => Self::Visits,
            Action::Configuration
            | Action::Restore
            | Action::Run
            | Action::Abort
            | Action::Keep
            | Action::Revert
            | Action::Account
            | Action::Settings
            // The journal's own words (torn, rolled back, pruned) belong to the evidence.
            | Action::Journal => Self::Changes,
            Action::Outside => Self::Outside,
            Action::Readiness | Action::Feedback | Action::Export | Action::Process => match method {
                Method::Password | Method::CommandLine | Method::SetupCode => Self::Changes,
                Method::Console | Method::None => Self::ByItself,
            },
        }
    }
}

/// What of one kind is kept: a record goes only when it is beyond the newest `records` *and* older than `age`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The newest of this kind, so many.
    pub records: u64,
    /// And all that are younger.
    pub age: Duration,
}

/// What is kept of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retention {
    /// For [`Kind::Changes`]; the same for [`Kind::Outside`], which is counted apart.
    pub changes: Keep,
    /// For [`Kind::Visits`].
    pub visits: Keep,
    /// For [`Kind::ByItself`].
    pub by_itself: Keep,
}

impl Default for Retention {
    /// Changes ten years and a million, visits a year and 100,000, the rest a quarter and 10,000.
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        let keep = |days, records| Keep { records, age: Duration::from_secs(days * DAY) };
        Self { changes: keep(3650, 1_000_000), visits: keep(365, 100_000), by_itself: keep(90, 10_000) }
    }
}

impl Retention {
    fn of(&self, kind: Kind) -> &Keep {
        match kind {
            Kind::Changes | Kind::Outside => &self.changes,
            Kind::Visits => &self.visits,
            Kind::ByItself => &self.by_itself,
        }
    }
}

/// What was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pruned {
    /// The first record that was dropped.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// The record that says so.
    pub record: u64,
}

/// One segment as far as it matters here.
#[derive(Default)]
struct Content {
    /// Per kind: how many, and when the newest was made.
    kinds: BTreeMap<Kind, (u64, Timestamp)>,
}

#[derive(Deserialize)]
struct Brief {
    time: Timestamp,
    actor: BriefActor,
    action: Action,
}

#[derive(Deserialize)]
struct BriefActor {
    method: Method,
}

impl Journal {
    /// Drops whole segments from the oldest on, as long as nothing in them is to be kept; never the newest segment.
    /// A signed checkpoint stands for what is gone, and the pruning is itself recorded. None when nothing is to go.
    ///
    /// # Errors
    /// The journal is not sound (pruning would remove the evidence), or cannot be written.
    pub(crate) fn prune(&self, retention: &Retention, key: &CheckpointKey) -> Result<Option<Pruned>, JournalError> {
        self.prune_at(retention, key, Timestamp::now())
    }

    pub(super) fn prune_at(
        &self,
        retention: &Retention,
        key: &CheckpointKey,
        now: Timestamp,
    ) -> Result<Option<Pruned>, JournalError> {
        let segments = self.exclusive()?.segments().to_vec();
        let Some(goes) = self.droppable(&segments, retention, now)? else { return Ok(None) };
        if let Some(problem) = verify(self.dir(), self.head_path(), None).problem {
            return Err(JournalError::Broken(problem));
        }

        let mut journal = self.exclusive()?;
        if !journal.segments().starts_with(&segments[..=goes]) {
            // Another process has pruned meanwhile.
            return Ok(None);
        }
        let (from, kept_from) = (segments[0], segments[goes]);
        let to = kept_from - 1;
        let checkpoint = Checkpoint::of(journal.id(), to, self.hash_before(kept_from)?, key);
        leave_pruned(self.dir(), &checkpoint).map_err(system("pruning", self.dir()))?;
        crash_point("prune-attested");
        let message = format!(
            "Records {from} to {to} were dropped because of their age; a checkpoint signed with the key {} stands \
             for them ({}).",
            checkpoint.key, checkpoint.hash
        );
        let record = journal.append(own_entry(format!("records {from} to {to}"), message))?.sequence;
        crash_point("prune-recorded");
        for _ in 0..goes {
            journal.drop_oldest()?;
            crash_point("prune-dropped");
        }
        Ok(Some(Pruned { from, to, record }))
    }

    /// The index of the first segment that stays; none when all of them do.
    fn droppable(
        &self,
        segments: &[u64],
        retention: &Retention,
        now: Timestamp,
    ) -> Result<Option<usize>, JournalError> {
        let mut contents = Vec::with_capacity(segments.len());
        for first in segments {
            contents.push(Content::read(self.dir(), *first)?);
        }
        // How many of each kind stand in newer segments.
        let mut newer: BTreeMap<Kind, u64> = BTreeMap::new();
        let mut goes = vec![false; contents.len()];
        for (content, goes) in contents.iter().zip(&mut goes).rev() {
            *goes = content.kinds.iter().all(|(kind, (_, newest))| {
                let keep = retention.of(*kind);
                let old = Duration::try_from(now.duration_since(*newest)).is_ok_and(|age| age > keep.age);
                old && newer.get(kind).copied().unwrap_or(0) >= keep.records
            });
            for (kind, (count, _)) in &content.kinds {
                *newer.entry(*kind).or_default() += count;
            }
        }
        let count = goes.iter().take(segments.len().saturating_sub(1)).take_while(|goes| **goes).count();
        Ok((count > 0).then_some(count))
    }

    /// The hash that the segment beginning with `first` follows from.
    fn hash_before(&self, first: u64) -> Result<Digest, JournalError> {
        let path = segment_path(self.dir(), first);
        let file = platform::open_for_reading(&path).map_err(system("reading", &path))?;
        let (_, previous) = each_line(&file, 0, u64::MAX, |_, line| {
            ControlFlow::Break(Line::parse(line).and_then(|line| line.header()).map(|header| header.previous))
        })
        .map_err(system("reading", &path))?;
        previous.flatten().ok_or_else(|| {
            system("reading", &path)(io::Error::new(io::ErrorKind::InvalidData, "its first line is not a segment's"))
        })
    }
}

impl Content {
    fn read(dir: &Path, first: u64) -> Result<Self, JournalError> {
        let path = segment_path(dir, first);
        let file = platform::open_for_reading(&path).map_err(system("reading", &path))?;
        let mut content = Self::default();
        each_line(&file, 0, u64::MAX, |_, line| {
            let brief = Line::parse(line).and_then(|line| serde_json::from_slice::<Brief>(line.json).ok());
            if let Some(brief) = brief {
                let kind = Kind::of(brief.action, brief.actor.method);
                let (count, newest) = content.kinds.entry(kind).or_insert((0, brief.time));
                *count += 1;
                *newest = (*newest).max(brief.time);
            }
            ControlFlow::<()>::Continue(())
        })
        .map_err(system("reading", &path))?;
        Ok(content)
    }
}
