//! The connections that browsers have open: when each was accepted, and the way to end all of them at once.
//!
//! Whether an admin can still get in after pf changed is proven only by a connection that was accepted after the
//! change; so each has a number and a time, and all are closed when a change begins to wait for an answer.

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Payload;
use actix_web::rt::net::TcpStream;
use actix_web::{FromRequest, HttpRequest};
use std::any::Any;
use std::collections::HashMap;
use std::future::{Ready, ready};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use super::error::Fault;
use crate::platform;

/// The connection that a request came over.
#[derive(Debug, Clone, Copy)]
pub struct Connection {
    /// When it was accepted, milliseconds since this machine started: the wall's clock may be set meanwhile.
    pub accepted_ms: i64,
    /// Counted from 1 in this process.
    pub number: u64,
    /// The other end.
    pub peer: Option<SocketAddr>,
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

/// A connection that is open; kept by the server for as long as it is.
#[derive(Debug)]
pub struct Open {
    connection: Connection,
    /// A second descriptor of the same socket, only to shut it down.
    socket: Option<std::net::TcpStream>,
    /// Whether its next answer is its last.
    ending: AtomicBool,
}

/// Whether the connection of this request ends with the answer.
pub fn is_ending(request: &HttpRequest) -> bool {
    request.conn_data::<Arc<Open>>().is_some_and(|open| open.ending.load(Ordering::Relaxed))
}

/// All open connections.
#[derive(Debug, Default)]
pub struct Connections {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Weak<Open>>>,
}

impl Connections {
    /// Counts a connection that was accepted; `stream` is what actix shows of it.
    pub fn accepted(&self, stream: &dyn Any) -> Option<Arc<Open>> {
        let tcp = match stream.downcast_ref::<TcpStream>() {
            Some(tcp) => tcp,
            None => stream.downcast_ref::<TlsStream<TcpStream>>()?.get_ref().0,
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let connection = Connection {
            accepted_ms: platform::since_boot_ms(),
            number,
            peer: tcp.peer_addr().ok(),
            local: tcp.local_addr().ok(),
        };
        let socket = tcp.as_fd().try_clone_to_owned().ok().map(std::net::TcpStream::from);
        let open = Arc::new(Open { connection, socket, ending: AtomicBool::new(false) });
        if let Ok(mut all) = self.open.lock() {
            // Ended connections leave a dead entry each; sweep them as the map grows.
            if all.len() >= 64 && all.len().is_power_of_two() {
                all.retain(|_, one| one.strong_count() > 0);
            }
            all.insert(number, Arc::downgrade(&open));
        }
        Some(open)
    }

    /// Ends every connection that is open now, event streams included: the answer that is on its way is the last one,
    /// and after `grace` the socket is shut. Cutting at once would lose the very page that tells of the change; that
    /// the proof comes over a new connection is the executor's to check, by the time each was accepted.
    pub async fn close_all(&self, grace: Duration) {
        let ending: Vec<Weak<Open>> = match self.open.lock() {
            Ok(mut all) => all.drain().map(|(_, one)| one).collect(),
            Err(_) => return,
        };
        for open in ending.iter().filter_map(Weak::upgrade) {
            open.ending.store(true, Ordering::Relaxed);
        }
        actix_web::rt::time::sleep(grace).await;
        for open in ending.iter().filter_map(Weak::upgrade) {
            if let Some(socket) = &open.socket {
                // Already closed by the other end: nothing is left to do.
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }
}
