//! Keeping the projection up with the journal, and holding one against the other.

use super::compare::{Comparison, Differences};
use super::store::{Store, StoreError};
use crate::digest::Digest;
use crate::executor::client::Client;
use crate::executor::protocol::{Command, Reply};
use crate::journal::record::{Record, Reported};
use crate::refusal::Refusal;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Records asked for at once.
const BATCH: u32 = 500;
/// How long to wait after a failure before trying again.
const PAUSE: Duration = Duration::from_secs(2);
/// The journal is asked at least this often, should a hint have been lost.
const AT_LEAST: Duration = Duration::from_secs(30);
/// How long a page waits for records that are not taken in yet; then it shows what is held, and that it is behind.
const PATIENCE: Duration = Duration::from_millis(500);
/// Pages that can wait at once. Those beyond show what is held.
const MOST_WAITING: usize = 256;

/// How far the projection is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last record held.
    pub held: u64,
    /// The journal's last record.
    pub journal: u64,
    /// Why it does not come further.
    pub problem: Option<String>,
}

/// Why the projection could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The executor refused or is gone.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// SQLite.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not the answer to the question.
    #[error("the executor gave an answer to another question")]
    OtherReply,
}

struct Batch {
    records: Vec<Record>,
    hashes: Vec<Digest>,
    last: u64,
    first: u64,
}

async fn batch(client: &Client, after: u64) -> Result<Batch, FollowError> {
    let command = Command::JournalAfter { after, limit: BATCH };
    match client.ask(None, &Reported::default(), command).await? {
        Reply::Records { records, last, hashes, first } => Ok(Batch { records, hashes, last, first }),
        _ => Err(FollowError::OtherReply),
    }
}

/// Takes in what is new until the projection holds what the journal holds. A journal that is not the one that was
/// projected (begun anew, rolled back) makes the projection start over.
async fn catch_up(store: &Store, client: &Client, progress: &watch::Sender<Progress>) -> Result<(), FollowError> {
    loop {
        let held = store.last().await?;
        // The last record held is asked for again: its hash tells whether this is still the same journal.
        let mut new = batch(client, held.map_or(0, |(sequence, _)| sequence.saturating_sub(1))).await?;
        if let Some((sequence, hash)) = held {
            let same = new.records.first().is_some_and(|record| record.sequence == sequence)
                && new.hashes.first() == Some(&hash)
                && store.first().await?.is_some_and(|first| first <= new.first);
            if !same {
                store.clear().await?;
                continue;
            }
            new.records.remove(0);
            new.hashes.remove(0);
        }
        // Not when the command line has cleared it meanwhile, to fill it anew.
        store.append_after(held.map_or(0, |(sequence, _)| sequence), &new.records, &new.hashes).await?;
        let held = new.records.last().map(|record| record.sequence).or(held.map(|(sequence, _)| sequence)).unwrap_or(0);
        if new.first > 1 {
            store.drop_before(new.first).await?;
        }
        progress.send_replace(Progress { held, journal: new.last, problem: None });
        if held >= new.last || new.records.is_empty() {
            return Ok(());
        }
    }
}

/// The projection as a process reads it that keeps it up with the journal.
pub struct Projection {
    store: Store,
    progress: watch::Receiver<Progress>,
    waiting: mpsc::Sender<oneshot::Sender<()>>,
}

impl Projection {
    /// Begins to follow the journal in a task of its own, until the executor or this value is gone. A database that
    /// cannot be written delays that and says so.
    pub fn follow(store: Store, client: Client) -> Self {
        let (progress, told) = watch::channel(Progress::default());
        let (waiting, asked) = mpsc::channel(MOST_WAITING);
        tokio::spawn(follow(store.clone(), client, progress, asked));
        Self { store, progress: told, waiting }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// The rows with all that the journal holds now, whichever process appended it; or as far as they are, when they
    /// cannot be brought further at once.
    pub async fn up_to_date(&self) -> &Store {
        if self.progress.borrow().problem.is_none() {
            let (done, wait) = oneshot::channel();
            if self.waiting.try_send(done).is_ok() {
                let _ = tokio::time::timeout(PATIENCE, wait).await;
            }
        }
        &self.store
    }
}

async fn follow(
    store: Store,
    client: Client,
    progress: watch::Sender<Progress>,
    mut asked: mpsc::Receiver<oneshot::Sender<()>>,
) {
    let mut hints = client.hints();
    let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
    loop {
        let caught_up = catch_up(&store, &client, &progress).await;
        // Whoever waits reads on, also when it failed.
        waiting.clear();
        if let Err(error) = caught_up {
            tracing::warn!(%error, "the history's database is behind the journal");
            let journal = hints.borrow().journal;
            progress.send_modify(|progress| {
                progress.journal = progress.journal.max(journal);
                progress.problem = Some(error.to_string());
            });
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        tokio::select! {
            changed = hints.changed() => if changed.is_err() { return },
            first = asked.recv() => {
                let Some(first) = first else { return };
                waiting.push(first);
                while let Ok(another) = asked.try_recv() {
                    waiting.push(another);
                }
            }
            () = tokio::time::sleep(AT_LEAST) => {}
        }
    }
}

/// Holds every row against the journal: every record that differs, in words.
pub async fn compare_all(store: &Store, client: &Client) -> Result<Differences, FollowError> {
    let mut comparison = Comparison::begin(store).await?;
    let mut after = 0;
    loop {
        let found = batch(client, after).await?;
        let more = comparison.add(found.first, found.last, &found.records, &found.hashes, None).await?;
        match found.records.last() {
            Some(record) if more => after = record.sequence,
            _ => return Ok(comparison.end().await?),
        }
    }
}
