//! The root side of the socket: reads requests, lets the executor answer them, writes the answers.
//!
//! Whatever the web process does here costs it its connection at most. Requests wait in queues by what answering them
//! costs, with a turn for every asker ([`super::queues`]); beyond their share they are told to come back. Answers wait in a
//! bounded queue: a web process that does not read is dropped, and nothing that runs ever waits for it. No descriptor is
//! accepted: plain read(2) on the socket closes any that were sent.

use super::core::{Answer, Executor};
use super::frame::{self, FrameError};
use super::permissions::{self, Queue};
use super::protocol::{Hint, MAX_REPLY, MAX_REQUEST, Message, Request, VERSION};
use super::queues::Line;
use crate::platform;
use crate::refusal::{Refusal, RefusalKind};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Bytes of requests that may wait at once; beyond it they are refused.
const MOST_REQUEST_BYTES: usize = 4 * MAX_REQUEST;
/// Smaller ones do not count: the queues bound how many there are.
const SMALL_REQUEST: usize = 4 << 10;
/// Bytes of answers that wait to be read, beyond which the web process is dropped.
const MOST_REPLY_BYTES: usize = 4 * MAX_REPLY;
/// What an answer takes beside its bytes: many short ones are no way around the limit.
const PER_ANSWER: usize = 256;
/// Open files that wait to be taken over; beyond it a log is not opened. Whoever lets them pile up must not use up the
/// descriptors that the executor needs to put a change back.
const MOST_DESCRIPTORS: usize = 32;
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
        let subscription = self.hints.subscribe(Arc::clone(&outbox));
        let end = std::thread::scope(|scope| {
            let writer = Arc::clone(&outbox);
            spawn(scope, "reply", move || writer.write_all())?;
            let mut lines = Lines::default();
            let end = self.read_requests(&socket, &outbox, |queue, asker, work| {
                // Threads are started for the first message that needs them: a web process that only sends rubbish does
                // not cost more than it.
                let (line, new) = lines.of(queue);
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
            lines.close();
            Ok::<End, io::Error>(end)
        });
        outbox.close();
        self.hints.unsubscribe(subscription);
        end
    }

    fn read_requests(
        &self,
        socket: &UnixStream,
        outbox: &Arc<Outbox>,
        mut send: impl FnMut(Queue, &str, Work) -> io::Result<Result<(), Work>>,
    ) -> End {
        let held = Arc::new(Held::default());
        let mut reader = socket;
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
struct Lines([Option<Arc<Line<Work>>>; Queue::ALL.len()]);

impl Lines {
    /// The queue, and whether it is new and needs its threads.
    fn of(&mut self, queue: Queue) -> (Arc<Line<Work>>, bool) {
        let place = &mut self.0[queue.place()];
        let new = place.is_none();
        (Arc::clone(place.get_or_insert_with(|| Arc::new(Line::new(queue.served())))), new)
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

/// Answers on their way to the web process.
pub(super) struct Outbox {
    socket: UnixStream,
    state: Mutex<OutboxState>,
    changed: Condvar,
}

#[derive(Default)]
struct OutboxState {
    frames: VecDeque<(Vec<u8>, Option<OwnedFd>)>,
    bytes: usize,
    descriptors: usize,
    hint: Option<Hint>,
    closed: bool,
}

impl Outbox {
    fn new(socket: UnixStream) -> Self {
        Self { socket, state: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, OutboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, id: u64, (mut result, descriptor): Answer) {
        let mut descriptor = descriptor.filter(|_| result.is_ok());
        if descriptor.is_some() && !self.reserve_descriptor() {
            descriptor = None;
            let words = "Too many open files wait to be taken over. Try again in a moment.";
            result = Err(Refusal::new(RefusalKind::Busy, words));
        }
        let reserved = usize::from(descriptor.is_some());
        let frame = encode(&Message::Reply { id, result });
        let (frame, descriptor) = match frame {
            Ok(frame) => (frame, descriptor),
            Err(error) => {
                let refusal = Refusal::new(RefusalKind::Failed, format!("The answer cannot be sent: {error}."));
                match encode(&Message::Reply { id, result: Err(refusal) }) {
                    Ok(frame) => (frame, None),
                    Err(_) => return self.close(),
                }
            }
        };
        let mut state = self.lock();
        // A reply that turned out too long travels without its descriptor.
        state.descriptors -= reserved - usize::from(descriptor.is_some());
        if state.bytes + frame.len() + PER_ANSWER > MOST_REPLY_BYTES {
            drop(state);
            tracing::warn!("the web process does not read its answers; it is dropped");
            return self.close();
        }
        state.bytes += frame.len() + PER_ANSWER;
        state.frames.push_back((frame, descriptor));
        self.changed.notify_one();
    }

    fn reserve_descriptor(&self) -> bool {
        let mut state = self.lock();
        let room = state.descriptors < MOST_DESCRIPTORS;
        state.descriptors += usize::from(room);
        room
    }

    /// The newest hint replaces one that was not sent yet.
    pub(super) fn hint(&self, hint: Hint) {
        self.lock().hint = Some(hint);
        self.changed.notify_one();
    }

    fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Ends the connection; the reading side wakes up by it.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }

    fn write_all(&self) {
        loop {
            let (frame, descriptor) = {
                let mut state = self.lock();
                loop {
                    if state.closed {
                        return;
                    }
                    if let Some((frame, descriptor)) = state.frames.pop_front() {
                        state.bytes -= frame.len() + PER_ANSWER;
                        state.descriptors -= usize::from(descriptor.is_some());
                        break (frame, descriptor);
                    }
                    if let Some(Ok(frame)) = state.hint.take().map(|hint| encode(&Message::Hint(hint))) {
                        break (frame, None);
                    }
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            };
            let descriptor = descriptor.as_ref().map(|descriptor| descriptor.as_fd());
            if platform::send_with_fd(&self.socket, &frame, descriptor).is_err() {
                return self.close();
            }
        }
    }
}

fn encode(message: &Message) -> Result<Vec<u8>, FrameError> {
    frame::with_header(&frame::encode(message)?, MAX_REPLY)
}

/// Who is to be told that something grew: the web processes that are served now (two during a hand-over).
#[derive(Default)]
pub(super) struct Hints {
    outboxes: Mutex<Vec<(usize, Arc<Outbox>)>>,
    present: Mutex<Hint>,
    next: AtomicUsize,
    /// How many times a web process said that it accepts connections.
    ready: Mutex<u64>,
}

impl Hints {
    pub(super) fn note_ready(&self) {
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    pub(super) fn ready_count(&self) -> u64 {
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribe(&self, outbox: Arc<Outbox>) -> usize {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        outbox.hint(*self.present.lock().unwrap_or_else(PoisonError::into_inner));
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner).push((number, outbox));
        number
    }

    fn unsubscribe(&self, number: usize) {
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner).retain(|(other, _)| *other != number);
    }

    /// Changes the hint and tells everyone. Never waits for a web process.
    pub(super) fn tell(&self, change: impl FnOnce(&mut Hint)) {
        let hint = {
            let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
            let before = *present;
            change(&mut present);
            if *present == before {
                return;
            }
            *present
        };
        for (_, outbox) in self.outboxes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            outbox.hint(hint);
        }
    }
}
