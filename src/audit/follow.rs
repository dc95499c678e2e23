//! Keeping the projection up with the journal, and holding one against the other.

use super::compare::{Comparison, Differences};
use super::error::StoreError;
use super::lines::Lines;
use super::store::Store;
use crate::client::Client;
use crate::executor::protocol::{Command, JournalLines};
use crate::journal::record::{Action, Method, Record, Reported};
use crate::refusal::Refusal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
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

/// A damaged database is begun anew at most this often: on a disk that fails it would be damaged again.
const ANEW: Duration = Duration::from_secs(10);

/// What a record is about by which root asks for the database to be made anew.
pub(crate) const DATABASE: &str = "database";

fn asks_for_a_new_one(record: &Record) -> bool {
    let entry = &record.entry;
    entry.action == Action::Journal && entry.object == DATABASE && entry.actor.method == Method::CommandLine
}

/// Where it is noted up to which record such requests were taken up.
fn taken_up_path(database: &Path) -> PathBuf {
    database.with_extension("rebuilt")
}

/// Up to which record requests for a new database were taken up by a process that serves from it.
pub(crate) fn taken_up(database: &Path) -> u64 {
    std::fs::read_to_string(taken_up_path(database)).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// How far the projection is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The last record held.
    pub held: u64,
    /// The journal's last record.
    pub journal: u64,
    /// Why it does not come further.
    pub problem: Option<String>,
}

/// Why the projection could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    /// The executor refused or is gone.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// SQLite.
    #[error(transparent)]
    Store(#[from] StoreError),
}

async fn batch(client: &Client, after: u64) -> Result<JournalLines, Refusal> {
    client.ask(None, &Reported::default(), Command::JournalLines { after, limit: BATCH }).await
}

/// Takes in what is new until the projection holds what the journal holds. A journal that is not the one that was
/// projected (begun anew, rolled back) makes the projection start over.
async fn catch_up(
    open: &watch::Sender<Store>,
    client: &Client,
    progress: &watch::Sender<Progress>,
    asked: &mut Option<u64>,
) -> Result<(), FollowError> {
    loop {
        let store = open.borrow().clone();
        let held = store.last().await?;
        // The last record held is asked for again: its hash tells whether this is still the same journal.
        let new = batch(client, held.map_or(0, |(sequence, _)| sequence.saturating_sub(1))).await?;
        let mut lines = Lines::read(&new.lines)?;
        if let Some(held) = held {
            let same = lines.first() == Some(held) && store.first().await?.is_some_and(|first| first <= new.first);
            if !same {
                store.clear().await?;
                continue;
            }
            lines = lines.without_first();
        }
        let newest = lines.last();
        // What stood there at the start was taken up by whoever served then.
        let done = *asked.get_or_insert(new.last);
        let request = lines.records().filter(|record| record.sequence > done && asks_for_a_new_one(record)).last();
        let request = request.map(|record| record.sequence);
        if let Some(request) = request {
            // Before anything is taken in: what stands there may be why nothing can be.
            if let Err(error) = store.clear().await {
                tracing::warn!(%error, "the history's database is begun anew");
                begin_anew(open).await?;
            }
            *asked = Some(request);
            std::fs::write(taken_up_path(store.path()), format!("{request}\n")).map_err(StoreError::from)?;
            continue;
        }
        // Not when the command line has cleared it meanwhile, to fill it anew.
        store.append_after(held.map_or(0, |(sequence, _)| sequence), lines).await?;
        let held = newest.or(held.map(|(sequence, _)| sequence)).unwrap_or(0);
        if new.first > 1 {
            store.drop_before(new.first).await?;
        }
        progress.send_replace(Progress { held, journal: new.last, problem: None });
        if held >= new.last || newest.is_none() {
            return Ok(());
        }
    }
}

/// Puts a new database in the place of the one that is open.
async fn begin_anew(open: &watch::Sender<Store>) -> Result<(), StoreError> {
    let store = open.borrow().clone();
    let begun = match store.begin_anew().await {
        Ok(new) => {
            open.send_replace(new);
            return Ok(());
        }
        Err(error) => Err(error),
    };
    // It is closed now: as damaged as it is, most of it can be shown.
    if let Ok(again) = store.reopen().await {
        open.send_replace(again);
    }
    begun
}

/// The projection as a process reads it that keeps it up with the journal.
pub(crate) struct Projection {
    store: watch::Receiver<Store>,
    progress: watch::Receiver<Progress>,
    waiting: mpsc::Sender<oneshot::Sender<()>>,
}

impl Projection {
    /// Begins to follow the journal in a task of its own, until the executor or this value is gone. A database that
    /// cannot be written delays that and says so.
    pub(crate) fn follow(store: Store, client: Client) -> Self {
        let (progress, told) = watch::channel(Progress::default());
        let (waiting, asked) = mpsc::channel(MOST_WAITING);
        let (open, store) = watch::channel(store);
        tokio::spawn(follow(open, client, progress, asked));
        Self { store, progress: told, waiting }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// The rows with all that the journal holds now, whichever process appended it, or with all up to the record `to`; or
    /// as far as they are, when they cannot be brought further at once.
    pub(crate) async fn up_to_date(&self, to: Option<u64>) -> Store {
        let is_held = |progress: &Progress| to.is_some_and(|to| progress.held >= to);
        let goes_on = {
            let progress = self.progress.borrow();
            progress.problem.is_none() && !is_held(&progress)
        };
        if goes_on {
            let (done, wait) = oneshot::channel();
            if self.waiting.try_send(done).is_ok() {
                let _ = tokio::time::timeout(PATIENCE, wait).await;
            }
        }
        self.store.borrow().clone()
    }
}

async fn follow(
    open: watch::Sender<Store>,
    client: Client,
    progress: watch::Sender<Progress>,
    mut asked: mpsc::Receiver<oneshot::Sender<()>>,
) {
    let mut hints = client.hints();
    let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
    // Up to which record requests for a new database were taken up, and when one was begun because of damage.
    let mut requests = None;
    let mut anew: Option<Instant> = None;
    loop {
        let caught_up = catch_up(&open, &client, &progress, &mut requests).await;
        // Whoever waits reads on, also when it failed.
        waiting.clear();
        if let Err(error) = caught_up {
            tracing::warn!(%error, "the history's database is behind the journal");
            let journal = hints.borrow().journal;
            progress.send_modify(|progress| {
                progress.journal = progress.journal.max(journal);
                progress.problem = Some(error.to_string());
            });
            let damaged = matches!(&error, FollowError::Store(error) if error.is_damage());
            if damaged && anew.is_none_or(|at| at.elapsed() > ANEW) {
                anew = Some(Instant::now());
                match begin_anew(&open).await {
                    Ok(()) => continue,
                    Err(error) => tracing::warn!(%error, "the history's database could not be begun anew"),
                }
            }
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

/// Holds every row against the journal: every record that differs, in words. `told` hears how far it is: the last
/// record that was looked at, and the last one to be looked at.
pub(crate) async fn compare_all(
    store: &Store,
    client: &Client,
    told: impl Fn(u64, u64),
) -> Result<Differences, FollowError> {
    let mut comparison = Comparison::begin(store).await?;
    let mut after = 0;
    loop {
        let found = batch(client, after).await?;
        let lines = Lines::read(&found.lines)?;
        let more = comparison.add(found.first, found.last, &lines).await?;
        match lines.last() {
            Some(last) if more => {
                after = last;
                told(after, comparison.held());
            }
            _ => return Ok(comparison.end().await?),
        }
    }
}
