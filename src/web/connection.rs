//! The connections that browsers have open: when each was accepted, whose share it counts against, what it holds of
//! answers that nobody takes, and the way to end all of them at once.
//!
//! Whether an admin can still get in after pf changed is proven only by a connection that was accepted after the
//! change; so each has a number and a time, and all are closed when a change begins to wait for an answer.
//!
//! Nobody's connections keep out another's: a connection counts against the address that it comes from until a session
//! is shown over it, then against that session. Whoever has more than their share loses the oldest of their own, idle ones
//! first. Strangers and sessions together have fewer than the server accepts, so that a new connection always finds room.

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::rt::net::TcpStream;
use actix_web::{FromRequest, HttpRequest, web};
use bytes::Bytes;
use std::any::Any;
use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::State;
use super::error::Fault;
use crate::platform;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// The connection that a request came over.
#[derive(Debug, Clone, Copy)]
pub struct Connection {
    /// When it was accepted, milliseconds since this machine started: the wall's clock may be set meanwhile.
    pub accepted_ms: i64,
    /// Counted from 1 in this process.
    pub number: u64,
    /// The other end.
    pub(crate) peer: Option<SocketAddr>,
    /// This end.
    pub local: Option<SocketAddr>,
}

impl FromRequest for Connection {
    type Error = Fault;
    type Future = Ready<Result<Self, Fault>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request).ok_or_else(|| Fault::Unexpected("this connection was not counted".to_owned())))
    }
}

impl Connection {
    /// The connection that a request came over.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.conn_data::<Arc<Open>>().map(|open| open.connection)
    }
}

/// Most connections from one address (of IPv6: one /64) over which no session was shown, not counting those that came
/// just now. A browser opens six.
const PER_ADDRESS: usize = 32;
/// Most of them that came just now: whoever shares the address with a flood needs a moment to show a session.
const NEW_PER_ADDRESS: usize = 192;
/// How long a connection is one that came just now.
const NEW: Duration = Duration::from_secs(1);
/// Most connections in all over which no session was shown.
const STRANGERS: usize = 384;
/// Most connections of one session: some windows of a browser, each with a stream or two beside its six.
const PER_SESSION: usize = 64;
/// Most connections of all sessions.
const SESSIONS: usize = 640;
/// What all these may come to; the server accepts more, which is the room for new ones.
pub(crate) const MOST_COUNTED: usize = STRANGERS + SESSIONS;
/// Bytes of answers that may wait for browsers to take them, in all; beyond it the one that has taken nothing for
/// longest loses its connection.
const MOST_HELD: usize = 16 << 20;
/// How long an answer waits for a browser that takes nothing of it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that is open; kept by the server for as long as it is.
#[derive(Debug)]
pub struct Open {
    connection: Connection,
    /// A second descriptor of the same socket, only to shut it down.
    socket: Option<std::net::TcpStream>,
    /// Whether its next answer is its last.
    ending: AtomicBool,
    /// Whether it was ended from this side.
    is_shut: AtomicBool,
    /// The session that was shown over it.
    session: OnceLock<String>,
    /// Requests whose answers are not wholly handed to the socket.
    busy: AtomicUsize,
    /// Bytes of whole answers that the browser has not taken.
    held: AtomicUsize,
    /// When it last took something, in milliseconds since `began`.
    taken_ms: AtomicU64,
    began: Instant,
}

/// Whom a connection counts against.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone)]
enum Share {
    Address(Option<IpAddr>),
    Session(String),
}

impl Open {
    fn new(connection: Connection, socket: Option<std::net::TcpStream>) -> Self {
        Self {
            connection,
            socket,
            ending: AtomicBool::new(false),
            is_shut: AtomicBool::new(false),
            session: OnceLock::new(),
            busy: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            taken_ms: AtomicU64::new(0),
            began: Instant::now(),
        }
    }

    fn share(&self) -> Share {
        match self.session.get() {
            Some(session) => Share::Session(session.clone()),
            None => Share::Address(self.connection.peer.map(|peer| network(peer.ip().to_canonical()))),
        }
    }

    fn is_idle(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0
    }

    fn shut(&self) {
        self.is_shut.store(true, Ordering::Relaxed);
        if let Some(socket) = &self.socket {
            // Already closed by the other end: nothing is left to do.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn note_taken(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.taken_ms.store(now, Ordering::Relaxed);
    }

    fn untaken_for(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.taken_ms.load(Ordering::Relaxed)))
    }
}

/// The network whose addresses one machine can take as it likes: of IPv6 its /64, of IPv4 the address alone.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

/// The open connection of a request.
pub fn open(request: &HttpRequest) -> Option<Arc<Open>> {
    request.conn_data::<Arc<Open>>().cloned()
}

/// Whether the connection of this request ends with the answer.
pub(crate) fn is_ending(request: &HttpRequest) -> bool {
    request.conn_data::<Arc<Open>>().is_some_and(|open| open.ending.load(Ordering::Relaxed))
}

/// All open connections.
#[derive(Debug, Default)]
pub struct Connections {
    next: AtomicU64,
    /// By number, which is by age.
    open: Mutex<BTreeMap<u64, Weak<Open>>>,
    /// Bytes of answers that wait to be taken, of all of them.
    held: AtomicUsize,
}

impl Connections {
    /// Counts a connection that was accepted; `stream` is what actix shows of it.
    pub(crate) fn accepted(&self, stream: &dyn Any) -> Option<Arc<Open>> {
        let tcp = match stream.downcast_ref::<TcpStream>() {
            Some(tcp) => tcp,
            None => stream.downcast_ref::<TlsStream<TcpStream>>()?.get_ref().0,
        };
        // The end of an answer goes out when it is written: it would wait for the browser's word on the part before, which
        // browsers put off (RFC 1122, 4.2.3.2 and 4.2.3.4). Without it a large page only takes longer.
        let _ = tcp.set_nodelay(true);
        let connection = Connection {
            accepted_ms: platform::since_boot_ms(),
            number: self.next.fetch_add(1, Ordering::Relaxed).saturating_add(1),
            peer: tcp.peer_addr().ok(),
            local: tcp.local_addr().ok(),
        };
        let socket = tcp.as_fd().try_clone_to_owned().ok().map(std::net::TcpStream::from);
        Some(self.add(Open::new(connection, socket)))
    }

    fn add(&self, open: Open) -> Arc<Open> {
        let open = Arc::new(open);
        let mut all = self.lock();
        all.insert(open.connection.number, Arc::downgrade(&open));
        Self::keep_shares(&mut all);
        open
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Weak<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session was shown over this connection: from now on it counts against that one.
    pub(crate) fn belongs_to(&self, open: &Open, session: &str) {
        if open.session.get().is_none() && open.session.set(session.to_owned()).is_ok() {
            Self::keep_shares(&mut self.lock());
        }
    }

    /// Ends connections until everyone is within their share again.
    fn keep_shares(all: &mut BTreeMap<u64, Weak<Open>>) {
        let mut shares: BTreeMap<Share, Vec<Arc<Open>>> = BTreeMap::new();
        all.retain(|_, one| match one.upgrade() {
            Some(open) => {
                shares.entry(open.share()).or_default().push(open);
                true
            }
            None => false,
        });
        let mut end = |open: Arc<Open>| {
            all.remove(&open.connection.number);
            open.shut();
        };
        let is_stranger = |share: &Share| matches!(share, Share::Address(_));
        for (share, open) in &mut shares {
            // By age: those that came just now stand at the end.
            let new = open.iter().rev().take_while(|open| is_stranger(share) && open.began.elapsed() < NEW).count();
            let most = if is_stranger(share) { PER_ADDRESS } else { PER_SESSION };
            let most = if new > 0 { new.min(NEW_PER_ADDRESS).max(most) } else { most };
            while open.len() > most {
                end(first_to_go(open));
            }
        }
        for (strangers, most) in [(true, STRANGERS), (false, SESSIONS)] {
            loop {
                let of_kind = || shares.iter().filter(|(share, _)| is_stranger(share) == strangers);
                if of_kind().map(|(_, open)| open.len()).sum::<usize>() <= most {
                    break;
                }
                let largest = of_kind().max_by_key(|(_, open)| open.len()).map(|(share, _)| share.clone());
                let Some(open) = largest.and_then(|share| shares.get_mut(&share)) else { break };
                end(first_to_go(open));
            }
        }
    }

    /// An answer of `bytes` begins to wait for the browser at the other end of `open`.
    fn hold(&self, open: &Open, bytes: usize) {
        open.note_taken();
        open.held.fetch_add(bytes, Ordering::Relaxed);
        if self.held.fetch_add(bytes, Ordering::Relaxed) + bytes <= MOST_HELD {
            return;
        }
        // What an ended connection holds goes a moment later.
        let all = self.lock();
        let mut holding: Vec<Arc<Open>> = all
            .values()
            .filter_map(Weak::upgrade)
            .filter(|other| !other.is_shut.load(Ordering::Relaxed) && other.held.load(Ordering::Relaxed) > 0)
            .collect();
        holding.sort_by_key(|other| other.untaken_for());
        let mut held: usize = holding.iter().map(|other| other.held.load(Ordering::Relaxed)).sum();
        while held > MOST_HELD
            && let Some(slowest) = holding.pop()
        {
            held -= slowest.held.load(Ordering::Relaxed).min(held);
            slowest.shut();
        }
    }

    fn let_go(&self, open: &Open, bytes: usize) {
        open.note_taken();
        open.held.fetch_sub(bytes, Ordering::Relaxed);
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Ends connections whose browsers take nothing of their answers, and those beyond a share. To be called every few
    /// seconds.
    pub(crate) fn end_stalled(&self) {
        let mut all = self.lock();
        Self::keep_shares(&mut all);
        for open in all.values().filter_map(Weak::upgrade) {
            if open.held.load(Ordering::Relaxed) > 0 && open.untaken_for() > PATIENCE {
                open.shut();
            }
        }
    }

    /// Ends every connection that is open now, event streams included: the answer that is on its way is the last one,
    /// and after `grace` the socket is shut. Cutting at once would lose the very page that tells of the change; that
    /// the proof comes over a new connection is the executor's to check, by the time each was accepted.
    pub(crate) async fn close_all(&self, grace: Duration) {
        let ending: Vec<Weak<Open>> = std::mem::take(&mut *self.lock()).into_values().collect();
        for open in ending.iter().filter_map(Weak::upgrade) {
            open.ending.store(true, Ordering::Relaxed);
        }
        actix_web::rt::time::sleep(grace).await;
        for open in ending.iter().filter_map(Weak::upgrade) {
            open.shut();
        }
    }
}

/// Takes the connection that its owner misses least: the oldest on which nothing is under way, else the oldest.
fn first_to_go(open: &mut Vec<Arc<Open>>) -> Arc<Open> {
    let at = open.iter().position(|open| open.is_idle()).unwrap_or(0);
    open.remove(at)
}

/// Hands a part of a stream to the one who follows it; false when that one has gone, or took nothing for a minute.
pub(crate) async fn hand_on(follower: &mpsc::Sender<Bytes>, part: impl Into<Bytes>) -> bool {
    tokio::time::timeout(PATIENCE, follower.send(part.into())).await.is_ok_and(|sent| sent.is_ok())
}

/// Bytes that the socket is given at once; the next ones follow when it has taken them.
const PIECE: usize = 16 << 10;

/// An answer's body on its way to a browser: handed over in pieces, so that what the browser does not take stays here
/// and is counted, not in a buffer of the server's. Streams are passed on as they come; they bound themselves.
pub(crate) struct Sending {
    body: Body,
    open: Option<(Arc<Open>, web::Data<State>)>,
}

enum Body {
    /// What is left of it, and the bytes that are kept in memory for that: pieces share the memory of the whole.
    Whole(Bytes, usize),
    Stream(BoxBody),
}

impl Sending {
    /// The body of the answer to a request that came over `open`.
    pub fn new(body: BoxBody, open: Option<(Arc<Open>, web::Data<State>)>) -> Self {
        let body = match body.try_into_bytes() {
            Ok(bytes) => {
                let kept = bytes.len();
                Body::Whole(bytes, kept)
            }
            Err(stream) => Body::Stream(stream),
        };
        if let Some((open, state)) = &open {
            open.busy.fetch_add(1, Ordering::Relaxed);
            if let Body::Whole(bytes, _) = &body {
                state.connections.hold(open, bytes.len());
            }
        }
        Self { body, open }
    }

    fn taken(&self, bytes: usize) {
        if let Some((open, state)) = &self.open {
            state.connections.let_go(open, bytes);
        }
    }
}

impl MessageBody for Sending {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        match &self.body {
            Body::Whole(bytes, _) => BodySize::Sized(bytes.len() as u64),
            Body::Stream(stream) => stream.size(),
        }
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match &mut self.body {
            Body::Stream(stream) => Pin::new(stream).poll_next(context),
            Body::Whole(bytes, _) if bytes.is_empty() => Poll::Ready(None),
            Body::Whole(bytes, kept) => {
                // The last piece would keep all of it. Each byte is copied once at most; assets stand in the program.
                if bytes.len() < *kept / 2 && bytes.is_unique() {
                    *bytes = Bytes::copy_from_slice(bytes);
                    *kept = bytes.len();
                }
                let piece = bytes.split_to(bytes.len().min(PIECE));
                self.taken(piece.len());
                Poll::Ready(Some(Ok(piece)))
            }
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Body::Whole(left, _) = &self.body {
            self.taken(left.len());
        }
        if let Some((open, _)) = &self.open {
            open.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_large_answer_does_not_wait_for_the_browser_to_confirm_the_part_before() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _browser = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        Connections::default().accepted(&stream).unwrap();
        assert!(stream.nodelay().unwrap());
    }

    fn from(connections: &Connections, address: &str) -> Arc<Open> {
        from_before(connections, address, Duration::ZERO)
    }

    fn from_before(connections: &Connections, address: &str, age: Duration) -> Arc<Open> {
        let number = connections.next.fetch_add(1, Ordering::Relaxed) + 1;
        let peer = Some(SocketAddr::new(address.parse().unwrap(), 1000));
        let mut open = Open::new(Connection { accepted_ms: 0, number, peer, local: None }, None);
        open.began -= age;
        connections.add(open)
    }

    fn counted(connections: &Connections, open: &Arc<Open>) -> bool {
        connections.lock().contains_key(&open.connection.number)
    }

    #[test]
    fn a_stranger_who_opens_many_connections_loses_his_own_and_nobody_elses() {
        let connections = Connections::default();
        let session = from(&connections, "10.0.0.1");
        connections.belongs_to(&session, "anna");
        let other = from(&connections, "10.0.0.2");
        // The same address as the session's: behind a proxy everybody has it.
        let flood: Vec<_> = (0..2000).map(|_| from(&connections, "10.0.0.1")).collect();
        assert_eq!(flood.iter().filter(|open| counted(&connections, open)).count(), NEW_PER_ADDRESS);
        assert!(counted(&connections, flood.last().unwrap()), "the newest is served");
        let waiting: Vec<_> = (0..500).map(|_| from_before(&connections, "10.0.0.3", NEW * 2)).collect();
        assert_eq!(waiting.iter().filter(|open| counted(&connections, open)).count(), PER_ADDRESS);
        assert!(counted(&connections, &session));
        assert!(counted(&connections, &other));
    }

    #[test]
    fn strangers_from_everywhere_stay_within_their_number_and_sessions_within_theirs() {
        let connections = Connections::default();
        let sessions: Vec<_> = (0..100)
            .map(|number| {
                let open = from(&connections, "10.0.0.1");
                connections.belongs_to(&open, &format!("session {number}"));
                open
            })
            .collect();
        let mut strangers = Vec::new();
        for number in 0..1500_u32 {
            strangers.push(from(&connections, &format!("2001:db8:{:x}:{:x}::{number:x}", number >> 8, number & 255)));
        }
        assert_eq!(strangers.iter().filter(|open| counted(&connections, open)).count(), STRANGERS);
        assert!(sessions.iter().all(|open| counted(&connections, open)));
        let greedy: Vec<_> = (0..1500)
            .map(|number| {
                let open = from(&connections, "10.0.0.9");
                connections.belongs_to(&open, &format!("greedy {}", number % 20));
                open
            })
            .collect();
        assert!(sessions.iter().all(|open| counted(&connections, open)), "those with one keep it");
        assert!(greedy.iter().filter(|open| counted(&connections, open)).count() <= SESSIONS);
        assert!(connections.lock().len() <= MOST_COUNTED);
    }

    #[test]
    fn of_ones_own_the_oldest_idle_connection_goes_first() {
        let connections = Connections::default();
        let busy = from(&connections, "10.0.0.1");
        busy.busy.fetch_add(1, Ordering::Relaxed);
        let idle = from(&connections, "10.0.0.1");
        let _more: Vec<_> = (0..NEW_PER_ADDRESS - 1).map(|_| from(&connections, "10.0.0.1")).collect();
        assert!(counted(&connections, &busy));
        assert!(!counted(&connections, &idle));
    }

    #[test]
    fn an_address_of_ipv6_is_its_network() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6".parse().unwrap()), "2001:db8:1:2::".parse::<IpAddr>().unwrap());
        assert_eq!(network("10.1.2.3".parse().unwrap()), "10.1.2.3".parse::<IpAddr>().unwrap());
    }
}
