//! The root side of the socket: reads requests, lets the executor answer them, writes the answers.
//!
//! Whatever the web process does here costs it its connection at most. Requests are taken from a short queue by a
//! few threads, so that reads run side by side; what computes a password hash, and what may wait for another change or
//! for a slow tool, stand in lines of their own and do not hold up the pages of those who only read. Answers wait in a bounded queue: a web
//! process that does not read is dropped, and nothing that runs ever waits for it. No descriptor is accepted: plain
//! read(2) on the socket closes any that were sent.

use super::core::{Answer, Executor};
use super::frame::{self, FrameError};
use super::permissions;
use super::protocol::{Command, Hint, MAX_REPLY, MAX_REQUEST, Message, Request, VERSION};
use crate::platform;
use crate::refusal::{Refusal, RefusalKind};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

/// Threads that answer requests without a password.
const THREADS: usize = 4;
/// Requests that wait for a thread; the socket's own buffer holds what comes after them.
const MOST_WAITING: usize = 8;
/// Sign-ins that wait for the one thread that hashes, and changes that wait for theirs; beyond it they are told to come
/// back.
const MOST_PATIENT: usize = 16;
/// Threads for what may wait for another change or for a slow tool.
const CHANGE_THREADS: usize = 2;
/// Bytes of requests that may be in memory at once, beyond which the socket is not read.
const MOST_REQUEST_BYTES: usize = 4 * MAX_REQUEST;
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
            // Threads that answer are started for the first message that is one: a web process that only sends rubbish
            // does not cost more than it.
            let mut lanes = None;
            let end = self.read_requests(&socket, &outbox, |work| {
                let lanes = match &mut lanes {
                    Some(lanes) => lanes,
                    None => lanes.insert(self.start_lanes(scope, &outbox).map_err(|_| None)?),
                };
                lanes.send(work)
            });
            outbox.close();
            drop(lanes);
            Ok::<End, io::Error>(end)
        });
        outbox.close();
        self.hints.unsubscribe(subscription);
        end
    }

    fn start_lanes<'scope>(
        self: &'scope Arc<Self>,
        scope: &'scope std::thread::Scope<'scope, '_>,
        outbox: &Arc<Outbox>,
    ) -> io::Result<Lanes> {
        let (quick, quick_queue) = mpsc::sync_channel::<Work>(MOST_WAITING);
        let (passwords, password_queue) = mpsc::sync_channel::<Work>(MOST_PATIENT);
        let (changes, change_queue) = mpsc::sync_channel::<Work>(MOST_PATIENT);
        let lanes = [
            ("answer", quick_queue, THREADS),
            ("password", password_queue, 1),
            ("change", change_queue, CHANGE_THREADS),
        ];
        for (name, queue, threads) in lanes {
            let queue = Arc::new(Mutex::new(queue));
            for _ in 0..threads {
                let (queue, outbox) = (Arc::clone(&queue), Arc::clone(outbox));
                spawn(scope, name, move || {
                    loop {
                        let work = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        let Ok(work) = work else { break };
                        self.answer_into(work, &outbox);
                    }
                })?;
            }
        }
        Ok(Lanes { quick, passwords, changes })
    }

    fn read_requests(
        &self,
        socket: &UnixStream,
        outbox: &Arc<Outbox>,
        mut send: impl FnMut(Work) -> Result<(), Option<(u64, Refusal)>>,
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
            match send(Work { request, _held: held.take(size) }) {
                Ok(()) => {}
                Err(Some((id, refusal))) => outbox.push(id, (Err(refusal), None)),
                Err(None) => return End::Closed,
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
        let command = permissions::name(&work.request.command);
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

/// Whether answering takes a password hash.
fn takes_a_password(command: &Command) -> bool {
    matches!(
        command,
        Command::SignIn { .. }
            | Command::SetUp { .. }
            | Command::Prove { .. }
            | Command::AddAccount { .. }
            | Command::ChangePassword { .. }
            | Command::Run { password: Some(_), .. }
    )
}

/// Whether answering may wait for another change, a tool of the host, or a long file.
fn may_take_long(command: &Command) -> bool {
    matches!(
        command,
        Command::Save { .. }
            | Command::Plan { .. }
            | Command::Run { password: None, .. }
            | Command::SetRole { .. }
            | Command::SetDisabled { .. }
            | Command::SetAside { .. }
            | Command::Feedback { .. }
            | Command::VerifyJournal {}
            | Command::Checkpoint {}
    )
}

/// The lines in which requests wait for a thread.
struct Lanes {
    quick: mpsc::SyncSender<Work>,
    passwords: mpsc::SyncSender<Work>,
    changes: mpsc::SyncSender<Work>,
}

impl Lanes {
    /// Waits for room among the quick ones. The others do not wait for room: the request's number comes back then with
    /// the refusal; none when nobody answers any more.
    fn send(&self, work: Work) -> Result<(), Option<(u64, Refusal)>> {
        let command = &work.request.command;
        let (lane, kind, words) = if takes_a_password(command) {
            let words = "Too many passwords are being checked at once. Try again in a few seconds.";
            (&self.passwords, RefusalKind::Throttled, words)
        } else if may_take_long(command) {
            (&self.changes, RefusalKind::Busy, "Too many changes wait already. Try again in a few seconds.")
        } else {
            return self.quick.send(work).map_err(|_| None);
        };
        lane.try_send(work).map_err(|error| match error {
            mpsc::TrySendError::Full(work) => Some((work.request.id, Refusal::new(kind, words))),
            mpsc::TrySendError::Disconnected(_) => None,
        })
    }
}

struct Work {
    request: Request,
    _held: HeldBytes,
}

/// Counts the bytes of requests that are in memory; taking waits while there are too many.
#[derive(Default)]
struct Held {
    bytes: Mutex<usize>,
    freed: Condvar,
}

struct HeldBytes {
    of: Arc<Held>,
    size: usize,
}

impl Held {
    fn take(self: &Arc<Self>, size: usize) -> HeldBytes {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        while *bytes > 0 && *bytes + size > MOST_REQUEST_BYTES {
            bytes = self.freed.wait(bytes).unwrap_or_else(PoisonError::into_inner);
        }
        *bytes += size;
        HeldBytes { of: Arc::clone(self), size }
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        *self.of.bytes.lock().unwrap_or_else(PoisonError::into_inner) -= self.size;
        self.of.freed.notify_all();
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
