//! The web process's side of the socket: asks, waits for answers, receives descriptors and hints.
//!
//! Reading is a thread of its own, because a descriptor arrives by recvmsg(2), which tokio does not offer; tokio only sees
//! channels. A question is written by whoever asks, where the socket takes it at once, else by a second thread. When the
//! socket ends, all waiting questions end with a refusal and [`Client::closed`] resolves: without an executor there is
//! nothing to serve.

mod together;

use self::together::{Together, UnderWay};
use crate::digest::Digest;
use crate::executor::frame;
use crate::executor::protocol::{
    Answer, AskedBefore, Command, Hint, LogOpened, MAX_REPLY, MAX_REQUEST, Message, Reply, Request, StillSo, VERSION,
};
use crate::journal::record::Reported;
use crate::platform;
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::BufReader;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::{oneshot, watch};

/// Questions that wait to be written; beyond it the asker is told to come back.
const MOST_WAITING: usize = 256;

/// Bytes that are read from the socket at once: most answers, and several small ones.
const READ_AT_ONCE: usize = 32 << 10;

/// What came for one question, with the descriptor that came along.
type Arrived = (Result<Box<Reply>, Refusal>, Option<OwnedFd>);

/// What a browser sent that tells the executor who asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sender<'a> {
    /// The session's token.
    pub token: Option<&'a Secret>,
    /// Proofs that the browser signed in before.
    pub known: &'a [Secret],
    /// Whether a page asks by itself, not a person.
    pub follows: bool,
}

impl<'a> From<Option<&'a Secret>> for Sender<'a> {
    fn from(token: Option<&'a Secret>) -> Self {
        Self { token, ..Self::default() }
    }
}

/// Asks the executor. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    outgoing: Arc<Outgoing>,
    next_id: AtomicU64,
    waiting: Waiting,
    together: Arc<Together>,
    hints: watch::Receiver<Hint>,
    closed: watch::Receiver<bool>,
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Arrived>>>>;

impl Client {
    /// Starts the two threads. The socket must be blocking.
    ///
    /// # Errors
    /// The socket or a thread could not be duplicated or started.
    pub fn start(socket: UnixStream) -> std::io::Result<Self> {
        let outgoing = Arc::new(Outgoing::of(socket.try_clone()?));
        let waiting = Waiting::default();
        let (hint, hints) = watch::channel(Hint::default());
        let (close, closed) = watch::channel(false);
        let writer = Arc::clone(&outgoing);
        std::thread::Builder::new().name("executor-write".into()).spawn(move || writer.write_all())?;
        let readers_outgoing = Arc::clone(&outgoing);
        let readers_waiting = Arc::clone(&waiting);
        std::thread::Builder::new().name("executor-read".into()).spawn(move || {
            read_all(&socket, &readers_waiting, &hint);
            readers_outgoing.close();
            close.send_replace(true);
            lock(&readers_waiting).clear();
        })?;
        let together = Arc::default();
        Ok(Self(Arc::new(Shared { outgoing, next_id: AtomicU64::new(1), waiting, together, hints, closed })))
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// The executor's refusal, or [`RefusalKind::Failed`] when the executor is gone or answers another question.
    pub async fn ask<A: Answer>(
        &self,
        token: Option<&Secret>,
        reported: &Reported,
        command: Command,
    ) -> Result<A, Refusal> {
        self.ask_as(token.into(), reported, command).await
    }

    /// The same, with all that is to be said of the browser.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub(crate) async fn ask_as<A: Answer>(
        &self,
        from: Sender<'_>,
        reported: &Reported,
        command: Command,
    ) -> Result<A, Refusal> {
        A::expect(self.reply_to(from, reported, command).await?)
    }

    /// The same, whatever the answer.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub(crate) async fn reply_to(
        &self,
        from: Sender<'_>,
        reported: &Reported,
        command: Command,
    ) -> Result<Reply, Refusal> {
        Ok(self.exchange(request_of(from, reported, command)).await?.0)
    }

    /// Asks for what a page is made from (`Session` or `Show`), and whether all of `before` would be told as it was (none: the
    /// page was not made before). Who asks that in the same words at the same time is asked for together.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub(crate) async fn ask_again<A: Answer>(
        &self,
        from: Sender<'_>,
        reported: &Reported,
        page: Command,
        before: Option<&[AskedBefore]>,
    ) -> Result<(A, bool), Refusal> {
        let Some(before) = before else {
            return Ok((self.ask_as(from, reported, page).await?, false));
        };
        let command = Command::StillSo { page: Box::new(page), asked: before.to_vec() };
        let StillSo { page, same } = Answer::expect(self.ask_together(request_of(from, reported, command)).await?)?;
        Ok((A::expect(*page)?, same))
    }

    /// In a task of its own: whoever asks first may go away, or stop listening, before the answer.
    async fn ask_together(&self, request: Request) -> Result<Reply, Refusal> {
        let words = Digest::of(&frame::encode(&request).map_err(malformed)?);
        let (told, first) = self.0.together.join(words);
        if let Some(under_way) = first {
            tokio::spawn(self.clone().ask_for_all(under_way, request));
        }
        told.await.map_err(|_| gone())?
    }

    async fn ask_for_all(self, mut under_way: UnderWay, request: Request) {
        while let Some(mut askers) = under_way.next() {
            let told = self.exchange(request.clone()).await.map(|(reply, _)| reply);
            // Whoever asked may have gone.
            let last = askers.pop();
            for asker in askers {
                let _ = asker.send(told.clone());
            }
            if let Some(asker) = last {
                let _ = asker.send(told);
            }
        }
    }

    /// Opens one generation of pot's log: the file and its size when it was opened.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub async fn open_log<'a>(
        &self,
        from: impl Into<Sender<'a>>,
        reported: &Reported,
        generation: u32,
    ) -> Result<(File, u64), Refusal> {
        let (reply, descriptor) =
            self.exchange(request_of(from.into(), reported, Command::OpenLog { generation })).await?;
        let LogOpened { size } = Answer::expect(reply)?;
        let descriptor =
            descriptor.ok_or_else(|| Refusal::new(RefusalKind::Failed, "The executor sent no open file."))?;
        Ok((File::from(descriptor), size))
    }

    /// What grew, as far as it is known.
    pub fn hints(&self) -> watch::Receiver<Hint> {
        self.0.hints.clone()
    }

    /// Resolves when the executor is gone.
    pub async fn closed(&self) {
        let mut closed = self.0.closed.clone();
        // An error means that the reading thread has ended, which is the same.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    async fn exchange(&self, mut request: Request) -> Result<(Reply, Option<OwnedFd>), Refusal> {
        request.id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let id = request.id;
        let frame = frame::framed(&request, MAX_REQUEST).map_err(malformed)?;
        let (answer, answered) = oneshot::channel();
        lock(&self.0.waiting).insert(id, answer);
        // Taken out again when the asker goes away before the answer.
        let _forget = Forget { id, waiting: &self.0.waiting };
        self.0.outgoing.send(frame)?;
        if *self.0.closed.borrow() {
            return Err(gone());
        }
        let (result, descriptor) = answered.await.map_err(|_| gone())?;
        Ok((*result?, descriptor))
    }
}

/// A question, but for its number.
fn request_of(from: Sender<'_>, reported: &Reported, command: Command) -> Request {
    Request {
        version: VERSION,
        id: 0,
        token: from.token.cloned(),
        known: from.known.to_vec(),
        follows: from.follows,
        reported: reported.clone(),
        command,
    }
}

fn malformed(error: frame::FrameError) -> Refusal {
    Refusal::new(RefusalKind::Malformed, error.to_string())
}

/// Questions on their way to the executor, in order.
#[derive(Debug)]
struct Outgoing {
    socket: UnixStream,
    state: Mutex<OutgoingState>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct OutgoingState {
    frames: VecDeque<Vec<u8>>,
    /// Whether one of them is being written: what comes now has to wait behind it.
    writing: bool,
    closed: bool,
}

impl Outgoing {
    fn of(socket: UnixStream) -> Self {
        Self { socket, state: Mutex::default(), came: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, OutgoingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a question, or leaves to the writing thread what the socket does not take at once. Waits for nothing.
    fn send(&self, mut frame: Vec<u8>) -> Result<(), Refusal> {
        let mut state = self.lock();
        if state.closed {
            return Err(gone());
        }
        if state.frames.is_empty() && !state.writing {
            let sent = platform::send_at_once(&self.socket, &frame, None).map_err(|_| gone())?;
            if sent >= frame.len() {
                return Ok(());
            }
            frame.drain(..sent);
        } else if state.frames.len() >= MOST_WAITING {
            return Err(Refusal::new(RefusalKind::Busy, "The executor is busy. Try again in a moment."));
        }
        state.frames.push_back(frame);
        drop(state);
        self.came.notify_one();
        Ok(())
    }

    fn write_all(&self) {
        loop {
            let frame = {
                let mut state = self.lock();
                state.writing = false;
                loop {
                    if state.closed {
                        return;
                    }
                    if let Some(frame) = state.frames.pop_front() {
                        state.writing = true;
                        break frame;
                    }
                    state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            };
            if std::io::Write::write_all(&mut &self.socket, &frame).is_err() {
                return self.close();
            }
        }
    }

    /// The reading thread sees the end and tells everyone.
    fn close(&self) {
        self.lock().closed = true;
        self.came.notify_all();
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

struct Forget<'a> {
    id: u64,
    waiting: &'a Waiting,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        lock(self.waiting).remove(&self.id);
    }
}

fn gone() -> Refusal {
    Refusal::new(RefusalKind::Failed, "The executor is gone; the console is restarting. Try again in a moment.")
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Arrived>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_all(socket: &UnixStream, waiting: &Waiting, hints: &watch::Sender<Hint>) {
    let mut reader = BufReader::with_capacity(READ_AT_ONCE, Reader { socket, descriptors: VecDeque::new() });
    while let Ok(Some(bytes)) = frame::read(&mut reader, MAX_REPLY) {
        match frame::decode::<Message>(&bytes) {
            Ok(Message::Hint(hint)) => {
                hints.send_replace(hint);
            }
            Ok(Message::Reply { id, result }) => {
                // The descriptor is sent with the first byte of its reply, so it is here by now.
                let opened = matches!(&result, Ok(reply) if matches!(**reply, Reply::LogOpened { .. }));
                let descriptor = if opened { reader.get_mut().descriptors.pop_front() } else { None };
                let asker = lock(waiting).remove(&id);
                if let Some(asker) = asker {
                    // Whoever asked may have gone.
                    let _ = asker.send((result, descriptor));
                }
            }
            Err(error) => {
                tracing::error!("the executor's message is not understood: {error}");
                return;
            }
        }
    }
}

/// Reads bytes and keeps the descriptors that come along, in order.
struct Reader<'a> {
    socket: &'a UnixStream,
    descriptors: VecDeque<OwnedFd>,
}

impl std::io::Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let (count, descriptor) = platform::recv_with_fd(self.socket, buffer)?;
        self.descriptors.extend(descriptor);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender as Tell, channel};
    use std::time::Duration;

    /// An executor that shows what it is asked, and answers when the test says so.
    struct Executor {
        asked: Receiver<Request>,
        socket: UnixStream,
    }

    impl Executor {
        fn start() -> (Client, Self) {
            let (web, socket) = UnixStream::pair().unwrap();
            let (show, asked): (Tell<Request>, _) = channel();
            let mut reader = socket.try_clone().unwrap();
            std::thread::spawn(move || {
                while let Ok(Some(bytes)) = frame::read(&mut reader, MAX_REQUEST) {
                    if show.send(frame::decode(&bytes).unwrap()).is_err() {
                        return;
                    }
                }
            });
            (Client::start(web).unwrap(), Self { asked, socket })
        }

        /// The next question; waits for it, and lets those who ask go on meanwhile.
        async fn next(&self) -> Request {
            loop {
                match self.asked.try_recv() {
                    Ok(request) => return request,
                    Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        }

        fn answer(&self, to: &Request, words: &str) {
            let result = Err(Refusal::new(RefusalKind::NotFound, words));
            let message = frame::framed(&Message::Reply { id: to.id, result }, MAX_REPLY).unwrap();
            std::io::Write::write_all(&mut &self.socket, &message).unwrap();
        }
    }

    fn asked_by(token: &str) -> Request {
        let token = Secret(token.to_owned());
        request_of(Sender::from(Some(&token)), &Reported::default(), Command::Session {})
    }

    fn ask(client: &Client, token: &str) -> tokio::task::JoinHandle<String> {
        let (client, request) = (client.clone(), asked_by(token));
        tokio::spawn(async move { client.ask_together(request).await.unwrap_err().message })
    }

    async fn told(asked: tokio::task::JoinHandle<String>) -> String {
        tokio::time::timeout(crate::patience::PATIENCE, asked).await.expect("an answer").unwrap()
    }

    /// Lets all who ask get as far as they can.
    async fn everybody_asks() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn those_who_come_while_it_is_asked_are_asked_for_once_afterwards_and_never_get_an_older_answer() {
        let (client, executor) = Executor::start();
        let first = ask(&client, "anna");
        let of_first = executor.next().await;
        let later: Vec<_> = (0..5).map(|_| ask(&client, "anna")).collect();
        everybody_asks().await;
        let other = ask(&client, "vera");
        let of_other = executor.next().await;
        assert_eq!(of_other.token, Some(Secret("vera".to_owned())), "another's question waits for nobody");
        assert!(executor.asked.try_recv().is_err(), "one of anna's is under way");

        executor.answer(&of_first, "of before");
        assert_eq!(told(first).await, "of before");
        let of_later = executor.next().await;
        assert!(later.iter().all(|asked| !asked.is_finished()), "what was judged before they asked is not theirs");
        assert_eq!(of_later.token, Some(Secret("anna".to_owned())));
        executor.answer(&of_later, "of now");
        for asked in later {
            assert_eq!(told(asked).await, "of now");
        }
        executor.answer(&of_other, "vera's");
        assert_eq!(told(other).await, "vera's");
        everybody_asks().await;
        assert!(executor.asked.try_recv().is_err(), "asked once for all five");

        let again = ask(&client, "anna");
        executor.answer(&executor.next().await, "a new one");
        assert_eq!(told(again).await, "a new one");
    }

    #[tokio::test]
    async fn who_asks_first_and_goes_away_or_listens_no_more_holds_up_nobody() {
        let (client, executor) = Executor::start();
        let (kept, request) = (client.clone(), asked_by("anna"));
        // Asked once, and never looked at again.
        let mut first = Box::pin(async move { kept.ask_together(request).await });
        let looks_once = tokio::time::timeout(Duration::ZERO, &mut first).await;
        assert!(looks_once.is_err(), "nobody has answered");
        let of_first = executor.next().await;
        let later = ask(&client, "anna");
        everybody_asks().await;
        executor.answer(&of_first, "of before");
        executor.answer(&executor.next().await, "of now");
        assert_eq!(told(later).await, "of now");

        let first = ask(&client, "anna");
        let of_first = executor.next().await;
        let later = ask(&client, "anna");
        everybody_asks().await;
        first.abort();
        executor.answer(&of_first, "of before");
        executor.answer(&executor.next().await, "of now");
        assert_eq!(told(later).await, "of now");
    }

    #[tokio::test]
    async fn nobody_is_asked_for_who_has_gone_away() {
        let (client, executor) = Executor::start();
        let first = ask(&client, "anna");
        let of_first = executor.next().await;
        let later = ask(&client, "anna");
        everybody_asks().await;
        later.abort();
        everybody_asks().await;
        executor.answer(&of_first, "of before");
        told(first).await;
        let other = ask(&client, "vera");
        let next = executor.next().await;
        assert_eq!(next.token, Some(Secret("vera".to_owned())));
        executor.answer(&next, "vera's");
        told(other).await;
    }

    #[tokio::test]
    async fn all_who_wait_hear_that_the_executor_is_gone() {
        let (client, executor) = Executor::start();
        let first = ask(&client, "anna");
        executor.next().await;
        let later = ask(&client, "anna");
        everybody_asks().await;
        drop(executor.socket.shutdown(std::net::Shutdown::Both));
        for asked in [first, later] {
            assert_eq!(told(asked).await, gone().message);
        }
    }
}
