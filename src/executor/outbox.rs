//! Answers and hints on their way to the web process. They wait in a bounded queue: one that does not read is dropped, and
//! nothing that runs ever waits for it.

use super::frame::{self, FrameError};
use super::protocol::{Hint, MAX_REPLY, Message, Reply};
use crate::platform;
use crate::refusal::{Refusal, RefusalKind};
use std::collections::VecDeque;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Bytes of answers that wait to be read, beyond which the web process is dropped.
const MOST_REPLY_BYTES: usize = 2 * MAX_REPLY;
/// What an answer takes beside its bytes: many short ones are no way around the limit.
const PER_ANSWER: usize = 256;
/// Open files that wait to be taken over; beyond it a log is not opened. Whoever lets them pile up must not use up the
/// descriptors that the executor needs to put a change back.
const MOST_DESCRIPTORS: usize = 32;

/// An answer, with a descriptor where the command opens something.
pub type Answer = (Result<Box<Reply>, Refusal>, Option<OwnedFd>);

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
    /// Whether one of them is being written: what comes now has to wait behind it.
    writing: bool,
    closed: bool,
}

impl Outbox {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self { socket, state: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, OutboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, id: u64, (mut result, descriptor): Answer) {
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
        let (frame, descriptor) = match self.send_at_once(&mut state, frame, descriptor) {
            Ok(Some(left)) => left,
            Ok(None) => return,
            Err(_) => {
                drop(state);
                return self.close();
            }
        };
        if state.bytes + frame.len() + PER_ANSWER > MOST_REPLY_BYTES {
            drop(state);
            tracing::warn!("the web process does not read its answers; it is dropped");
            return self.close();
        }
        state.bytes += frame.len() + PER_ANSWER;
        state.frames.push_back((frame, descriptor));
        self.changed.notify_one();
    }

    /// Sends a frame where nothing waits before it and the socket takes it, which spares waking the thread that writes;
    /// gives back what is left of it.
    fn send_at_once(
        &self,
        state: &mut OutboxState,
        mut frame: Vec<u8>,
        descriptor: Option<OwnedFd>,
    ) -> std::io::Result<Option<(Vec<u8>, Option<OwnedFd>)>> {
        if state.closed || state.writing || !state.frames.is_empty() {
            return Ok(Some((frame, descriptor)));
        }
        let sent = platform::send_at_once(&self.socket, &frame, descriptor.as_ref().map(|file| file.as_fd()))?;
        if sent == 0 {
            return Ok(Some((frame, descriptor)));
        }
        // The descriptor went with the first part.
        state.descriptors -= usize::from(descriptor.is_some());
        if sent >= frame.len() {
            return Ok(None);
        }
        frame.drain(..sent);
        Ok(Some((frame, None)))
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

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Ends the connection; the reading side wakes up by it.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }

    pub(super) fn write_all(&self) {
        loop {
            let (frame, descriptor) = {
                let mut state = self.lock();
                state.writing = false;
                loop {
                    if state.closed {
                        return;
                    }
                    if let Some((frame, descriptor)) = state.frames.pop_front() {
                        state.bytes -= frame.len() + PER_ANSWER;
                        state.descriptors -= usize::from(descriptor.is_some());
                        state.writing = true;
                        break (frame, descriptor);
                    }
                    if let Some(Ok(frame)) = state.hint.take().map(|hint| encode(&Message::Hint(hint))) {
                        state.writing = true;
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
    frame::framed(message, MAX_REPLY)
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

    pub(super) fn subscribe(&self, outbox: Arc<Outbox>) -> usize {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        outbox.hint(*self.present.lock().unwrap_or_else(PoisonError::into_inner));
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner).push((number, outbox));
        number
    }

    pub(super) fn unsubscribe(&self, number: usize) {
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
