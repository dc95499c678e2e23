//! Reading the log off the threads that serve pages, with a turn for everyone.

use crate::activity::{self, Budget, Generation, Summary};
use crate::executor::protocol::{Command, Compression, LogFileView, LogFiles};
use crate::refusal::{Refusal, RefusalKind};
use crate::web::error::Fault;
use crate::web::turns::Turns;
use crate::web::visitor::Visitor;
use jiff::tz::TimeZone;
use std::fs::File;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// What is looked at for one page, for counts, and for a follower who comes back: one or two seconds' worth of text,
/// whether it was found packed or not, so that nobody waits long for a turn behind a log of gigabytes. A single packed file
/// may hold twice as much. A page that has entries leaves packed files of more than some tenths of a second to the next.
pub(super) const AT_ONCE: Budget = Budget { text: 256 << 20, packed: 512 << 20, packed_for_more: 1 << 20 };

/// Each reading holds blocks of the log, and a thread. Those beyond wait for their turn.
pub(super) static READINGS: Semaphore = Semaphore::const_new(4);
/// Readings and counts of one session at a time: however much it asks for, the others have their turns.
static READINGS_OF_ONE: Turns = Turns::new(2);

/// The log as the executor lists it.
pub(super) struct Log {
    pub(super) facility: String,
    pub(super) generations: Vec<Generation>,
    pub(super) zone: TimeZone,
    pub(super) hostname: String,
}

pub(super) async fn log(visitor: &Visitor) -> Result<Log, Fault> {
    let LogFiles { facility, files, time_zone, hostname } = visitor.ask(Command::LogFiles {}).await?;
    Ok(Log {
        facility,
        generations: files.into_iter().map(generation).collect(),
        zone: TimeZone::get(&time_zone).unwrap_or(TimeZone::UTC),
        hostname,
    })
}

fn generation(file: LogFileView) -> Generation {
    Generation {
        path: file.path,
        size: file.size,
        modified: file.modified,
        compression: file.compression,
        identity: file.identity,
    }
}

/// Whether a path is that of the live file: newsyslog's rotated ones end in a number and a compression.
pub(super) fn is_live(generation: &Generation) -> bool {
    let number = generation.path.rsplit('.').next().unwrap_or_default();
    generation.compression == Compression::Plain && !number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Runs a reading off the async threads; descriptors come from the executor as they are needed.
pub(super) async fn reading<T: Send + 'static>(
    visitor: &Visitor,
    read: impl FnOnce(&mut activity::Open<'_>) -> T + Send + 'static,
) -> Result<T, Fault> {
    let turn = Turn::of(visitor, &READINGS).await?;
    reading_in(visitor, turn, read).await
}

/// The thread keeps the turn. When the browser has gone it reads the file that it has open, and no further one.
pub(super) async fn reading_in<T: Send + 'static>(
    visitor: &Visitor,
    turn: impl Send + 'static,
    read: impl FnOnce(&mut activity::Open<'_>) -> T + Send + 'static,
) -> Result<T, Fault> {
    let visitor = visitor.clone();
    let runtime = tokio::runtime::Handle::current();
    let waited_for = Arc::new(());
    let wanted = Arc::downgrade(&waited_for);
    let mut open = move |index: usize| -> Result<File, String> {
        if wanted.strong_count() == 0 {
            return Err("nobody waits for it any more".to_owned());
        }
        let generation = u32::try_from(index).map_err(|error| error.to_string())?;
        runtime.block_on(visitor.open_log(generation)).map(|(file, _)| file).map_err(|refusal| refusal.message)
    };
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        read(&mut open)
    })
    .await;
    drop(waited_for);
    done.map_err(|error| Fault::Unexpected(format!("reading the log: {error}")))
}

/// A turn at reading, among those of the session and among all.
pub(super) struct Turn {
    _own: OwnedSemaphorePermit,
    _all: SemaphorePermit<'static>,
}

impl Turn {
    pub(super) async fn of(visitor: &Visitor, all: &'static Semaphore) -> Result<Self, Fault> {
        let unexpected = |error: tokio::sync::AcquireError| Fault::Unexpected(error.to_string());
        // One's own first: whoever waits for that holds up nobody.
        Ok(Self {
            _own: READINGS_OF_ONE.take(&visitor.session.id).await.map_err(unexpected)?,
            _all: all.acquire().await.map_err(unexpected)?,
        })
    }
}

/// A turn, or the words that all are taken.
pub(super) fn turn_of(turns: &'static Semaphore, what: &str) -> Result<SemaphorePermit<'static>, Fault> {
    turns.try_acquire().map_err(|_| too_many(what))
}

pub(super) fn too_many(what: &str) -> Fault {
    let words = format!("Too many {what} at once. Try again when one of them has ended.");
    Refusal::new(RefusalKind::Throttled, words).into()
}

/// Reads off the threads that serve pages: a disk that hangs holds up this reading alone.
pub(super) async fn blocking<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    let read = tokio::task::spawn_blocking(read);
    read.await.map_err(|error| Fault::Unexpected(format!("reading the log: {error}")))
}

pub(super) fn problems(summary: &Summary) -> Vec<String> {
    summary.problems.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_live_file_is_followed_while_it_is_rotated() {
        let live = |path: &str, compression| {
            is_live(&Generation { path: path.into(), size: 0, modified: None, compression, identity: (0, 0) })
        };
        assert!(live("/var/log/pot.log", Compression::Plain));
        assert!(live("/var/log/messages", Compression::Plain));
        assert!(!live("/var/log/pot.log.0", Compression::Plain));
        assert!(!live("/var/log/pot.log.0.bz2", Compression::Bzip2));
    }
}
