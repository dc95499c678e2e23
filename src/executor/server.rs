//! The root side of the socket: reads requests, lets the executor answer them, writes the answers.
//!
//! Whatever the web process does here costs it its connection at most. Requests wait in queues by what answering them
//! costs, with a turn for every asker ([`super::queues`]); beyond their share they are told to come back. Answers wait in a
//! bounded queue: a web process that does not read is dropped, and nothing that runs ever waits for it. No descriptor is
//! accepted: plain read(2) on the socket closes any that were sent.

use super::core::Executor;
use super::frame::{self, FrameError};
use super::outbox::Outbox;
use super::permissions::{self, Queue};
use super::protocol::{MAX_REQUEST, Request, VERSION};
use super::queues::FairQueue;
use crate::refusal::{Refusal, RefusalKind};
use std::collections::HashMap;
use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bytes of requests that may wait at once; beyond it they are refused.
const MOST_REQUEST_BYTES: usize = 4 * MAX_REQUEST;
/// Smaller ones do not count: the queues bound how many there are.
const SMALL_REQUEST: usize = 4 << 10;
/// Bytes that are read from the socket at once.
const READ_AT_ONCE: usize = 16 << 10;
/// A web process that takes nothing for this long is dropped.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// How serving a web process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It closed its side between two messages.
    Closed,
    /// It broke the protocol; the words are in the journal.
    Dropped(String),
}

impl Executor {
    /// Serves one web process until its socket ends. Blocks.
    ///
    /// # Errors
    /// Threads could not be started or the socket not be set up.
    pub fn serve(self: &Arc<Self>, socket: UnixStream) -> io::Result<End> {
        socket.set_write_timeout(Some(WRITE_LIMIT))?;
        let outbox = Arc::new(Outbox::new(socket.try_clone()?));
        let subscription = self.watching.hints.subscribe(Arc::clone(&outbox));
        let end = std::thread::scope(|scope| {
            let writer = Arc::clone(&outbox);
            spawn(scope, "reply", move || writer.write_all())?;
            let mut queues = Queues::default();
            let end = self.read_requests(&socket, &outbox, |queue, asker, work| {
                // Threads are started for the first message that needs them: a web process that only sends rubbish does
                // not cost more than it.
                let (line, new) = queues.of(queue);
                for _ in 0..if new { queue.served().threads } else { 0 } {
                    let (line, outbox) = (Arc::clone(&line), Arc::clone(&outbox));
                    spawn(scope, queue.served().name, move || {
                        while let Some((asker, work)) = line.take() {
                            self.answer_into(work, &outbox);
                            line.done(asker);
                        }
                    })?;
                }
                Ok(line.push(asker, work))
            });
            outbox.close();
            queues.close();
            Ok::<End, io::Error>(end)
        });
        outbox.close();
        self.watching.hints.unsubscribe(subscription);
        end
    }

    fn read_requests(
        &self,
        socket: &UnixStream,
        outbox: &Arc<Outbox>,
        mut send: impl FnMut(Queue, &str, Work) -> io::Result<Result<(), Work>>,
    ) -> End {
        let held = Arc::new(Held::default());
        // A question is small: head and bytes come with one read, and often those of others.
        let mut reader = BufReader::with_capacity(READ_AT_ONCE, socket);
        loop {
            let request = match frame::read(&mut reader, MAX_REQUEST) {
                Ok(None) => return End::Closed,
                // A web process that was killed or dropped: no message was broken.
                Err(FrameError::Socket(_)) => return End::Closed,
                Ok(Some(bytes)) => frame::decode::<Request>(&bytes).map(|request| (request, bytes.len())),
                Err(error) => Err(error),
            };
            let (request, size) = match request {
                Ok((request, size)) if request.version == VERSION => (request, size),
                Ok((request, _)) => {
                    return self.dropped(&FrameError::Malformed(format!("version {}", request.version)));
                }
                Err(error) => return self.dropped(&error),
            };
            let id = request.id;
            let (asker, role) = self.who_waits(&request);
            let row = permissions::row(&request.command);
            // What the table is going to refuse does not take the room of those who have the right.
            let queue = if row.who.admits(role) { row.queue } else { Queue::Memory };
            let room = held.take(&asker, size);
            let sent = room.map_or(Ok(Err(())), |held| {
                send(queue, &asker, Work { request, _held: held }).map(|sent| sent.map_err(drop))
            });
            match sent {
                Ok(Ok(())) => {}
                Ok(Err(())) => outbox.push(id, (Err(too_much(queue)), None)),
                Err(error) => {
                    tracing::error!("no thread could be started to answer: {error}");
                    return End::Closed;
                }
            }
            if outbox.is_closed() {
                return End::Closed;
            }
        }
    }

    fn dropped(&self, error: &FrameError) -> End {
        let words = error.to_string();
        self.record_broken_message(&words);
        End::Dropped(words)
    }

    fn answer_into(self: &Arc<Self>, work: Work, outbox: &Outbox) {
        let id = work.request.id;
        let command = permissions::row(&work.request.command).name;
        // No input should make it panic; should one do so all the same, one answer is lost, not the executor.
        let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.answer(work.request)))
            .unwrap_or_else(|_| {
                tracing::error!("the executor failed inside of the command {command}");
                (Err(Refusal::new(RefusalKind::Failed, "The executor failed inside of this command.")), None)
            });
        outbox.push(id, answer);
    }
}

fn spawn<'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    name: &str,
    body: impl FnOnce() + Send + 'scope,
) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, body).map(|_| ())
}

/// The words for who asks for more than their share.
fn too_much(queue: Queue) -> Refusal {
    let words = match queue {
        Queue::Password => "Too many passwords wait to be checked. Try again in a few seconds.",
        Queue::Draft => "A plan or a review of yours is being made. Try again when it is there.",
        Queue::Long => "What you asked for last is still being done. Try again when it has ended.",
        Queue::Change => "Too many changes of yours wait already. Try again in a few seconds.",
        Queue::Memory | Queue::Disk | Queue::Urgent => "You ask for too much at once. Try again in a few seconds.",
    };
    Refusal::new(RefusalKind::Busy, words)
}

/// The queues of one connection, each made when something is to wait in it.
#[derive(Default)]
struct Queues([Option<Arc<FairQueue<Work>>>; Queue::ALL.len()]);

impl Queues {
    /// The queue, and whether it is new and needs its threads.
    fn of(&mut self, queue: Queue) -> (Arc<FairQueue<Work>>, bool) {
        let place = &mut self.0[queue.place()];
        let new = place.is_none();
        (Arc::clone(place.get_or_insert_with(|| Arc::new(FairQueue::new(queue.served())))), new)
    }

    fn close(&self) {
        self.0.iter().flatten().for_each(|line| line.close());
    }
}

struct Work {
    request: Request,
    _held: HeldBytes,
}

/// Counts the bytes of large requests that are in memory, in all and by asker.
#[derive(Default)]
struct Held(Mutex<HashMap<String, usize>>);

struct HeldBytes {
    of: Arc<Held>,
    asker: String,
    size: usize,
}

impl Held {
    /// Room for a request of that size; none when too much waits. One asker has room for one of the largest, or for
    /// several that are no larger together.
    fn take(self: &Arc<Self>, asker: &str, size: usize) -> Option<HeldBytes> {
        let size = if size <= SMALL_REQUEST { 0 } else { size };
        if size > 0 {
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let (all, own) = (held.values().sum::<usize>(), held.get(asker).copied().unwrap_or(0));
            if all + size > MOST_REQUEST_BYTES || own + size > MAX_REQUEST {
                return None;
            }
            held.insert(asker.to_owned(), own + size);
        }
        Some(HeldBytes { of: Arc::clone(self), asker: asker.to_owned(), size })
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        if self.size == 0 {
            return;
        }
        let mut held = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = held.get_mut(&self.asker) {
            *own -= self.size;
            if *own == 0 {
                held.remove(&self.asker);
            }
        }
    }
}
