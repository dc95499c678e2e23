//! The same question in the same second, and nothing has changed: the same answer. A page that is reloaded over and over,
//! or open in many tabs that all hear of the same change, is made and packed once.
//!
//! What is kept is never shown for itself. Who asks is judged by the executor at each request, as ever; whatever else the
//! answer was made of is asked for again, too, and must be what it was. Only what the web process makes of it is spared.
//! The key is every byte of the request, so what a page repeats of its request, and its form tokens, are those of that very
//! request: of the lengths of packed pages nothing can be learnt by asking again.

use super::State;
use super::presence;
use super::visitor::{Admitted, Before, Sent, Visitor, takes_a_turn};
use crate::audit::Progress;
use crate::executor::protocol::{AskedBefore, Greeting, SessionView};
use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use bytes::Bytes;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pages whose answers may be given again. They are made of the request, of what the executor says through
/// [`Visitor::ask`], of the journal up to the number that comes with the session, and of nothing else.
const PAGES: [&str; 11] = [
    "/",
    "/readiness",
    "/pots",
    "/pots/addresses",
    "/configuration",
    "/operations",
    "/activity",
    "/history",
    "/settings",
    "/guide",
    "/network/path",
];

/// Bytes of answers that are kept, of one second, for all sessions. What does not fit is made each time.
const MOST_BYTES: usize = 1 << 20;

/// What an answer was made of beside what its page asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ground {
    /// Pages tell how old something is, in seconds.
    second: i64,
    /// Who asks, with the strip and the journal's number.
    session: SessionView,
    /// What is known of the host, for pages about it: numbers of facts and files, and whether a look is under way.
    host: Option<(u64, u64, bool)>,
    greeting: Arc<Greeting>,
    /// How far the list of the history is, its last check, and one that is under way.
    history: (Progress, Option<Timestamp>, Option<String>),
}

impl Ground {
    fn of(visitor: &Visitor) -> Self {
        let (session, host) = visitor.asked_at();
        let state = visitor.state();
        Self {
            second: visitor.clock().now().as_second(),
            session,
            host,
            greeting: Arc::clone(&visitor.greeting),
            history: (state.history.progress(), state.checks.last_at(), state.checks.under_way()),
        }
    }
}

/// An answer that is kept.
struct Answered {
    ground: Ground,
    questions: Arc<[AskedBefore]>,
    headers: HeaderMap,
    /// Copied for each answer: what of one a browser does not take is to be the memory of that alone, see
    /// [`super::connection::Sending`].
    body: Box<[u8]>,
}

/// All that are kept, of one second.
#[derive(Default)]
pub(crate) struct Repeated(Mutex<Second>);

#[derive(Default)]
struct Second {
    began: i64,
    bytes: usize,
    answers: HashMap<[u8; 32], Arc<Answered>>,
}

impl Repeated {
    fn lock(&self) -> MutexGuard<'_, Second> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, key: [u8; 32], answered: Answered) {
        let mut kept = self.lock();
        if kept.began != answered.ground.second {
            *kept = Second { began: answered.ground.second, ..Second::default() };
        }
        if let Some(before) = kept.answers.remove(&key) {
            kept.bytes -= before.body.len();
        }
        let bytes = kept.bytes + answered.body.len();
        if bytes <= MOST_BYTES {
            kept.bytes = bytes;
            kept.answers.insert(key, Arc::new(answered));
        }
    }

    /// What is kept of this second.
    fn find(&self, key: &[u8; 32]) -> Option<Arc<Answered>> {
        let kept = self.lock();
        kept.answers.get(key).filter(|_| kept.began == Timestamp::now().as_second()).cloned()
    }

    /// Lets go of what is of a second that is over. To be called every few seconds.
    pub(super) fn forget_old(&self) {
        let mut kept = self.lock();
        if kept.began != Timestamp::now().as_second() {
            *kept = Second::default();
        }
    }
}

/// A question whose answer may be kept.
pub(super) struct Question {
    key: [u8; 32],
    /// The answer, when it would be made the same.
    kept: Option<Arc<Answered>>,
    ground: Ground,
    visitor: Visitor,
    state: web::Data<State>,
}

impl Question {
    /// Asks who sent the request, and whether what its answer was made of before is as it was; none when it is made each
    /// time, or nobody is signed in.
    pub(super) async fn of(request: &HttpRequest, state: web::Data<State>) -> Option<Self> {
        let is_page = *request.method() == Method::GET && PAGES.contains(&request.path());
        let is_check = *request.method() == Method::POST && request.path() == presence::CHECK;
        if !(is_page || is_check) {
            return None;
        }
        let key = key(request);
        let mut kept = state.repeated.find(&key);
        if let Some(kept) = &kept {
            request.extensions_mut().insert(Before(Arc::clone(&kept.questions)));
        }
        let mut visitor = Visitor::of(request).await.ok()?;
        let mut ground = Ground::of(&visitor);
        kept = kept.filter(|kept| visitor.is_as_before && kept.ground == ground);
        if kept.is_none() && visitor.is_as_before && takes_a_turn(request.method(), request.path()) {
            // It is made after all.
            visitor = Visitor::of(request).await.ok()?;
            ground = Ground::of(&visitor);
        }
        Some(Self { key, kept, ground, visitor, state })
    }

    /// The answer, when it is given again.
    pub(super) fn answer(&self) -> Option<HttpResponse> {
        let kept = self.kept.as_ref()?;
        let mut response = HttpResponse::Ok().body(Bytes::copy_from_slice(&kept.body));
        *response.headers_mut() = kept.headers.clone();
        Some(response)
    }

    /// From now on what the handler asks is noted; not where nobody can say whether the journal has grown.
    pub(super) fn begin(&self, request: &HttpRequest) {
        if self.ground.session.journal.is_some() {
            self.visitor.questions.begin();
        }
        request.extensions_mut().insert(Admitted(self.visitor.clone()));
    }

    /// Keeps what was answered, if it was made of nothing but what can be asked again.
    pub(super) fn keep(self, answered: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        let questions = self.visitor.questions.take();
        let (Some(questions), StatusCode::OK) = (questions, answered.status()) else { return answered };
        let headers = answered.headers().clone();
        if headers.contains_key(header::SET_COOKIE) {
            return answered;
        }
        answered.map_body(|_, body| match body.try_into_bytes() {
            Ok(body) => {
                let questions = questions.into();
                let kept = Answered { ground: self.ground, questions, headers, body: body[..].into() };
                self.state.repeated.keep(self.key, kept);
                BoxBody::new(body)
            }
            Err(stream) => stream,
        })
    }
}

/// Every byte of a request, and where it comes from. The token in its cookie is no longer to be read from it.
fn key(request: &HttpRequest) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(bytes.len().to_be_bytes());
        hash.update(bytes);
    };
    part(request.method().as_str().as_bytes());
    part(request.uri().to_string().as_bytes());
    part(request.peer_addr().map(|peer| peer.ip().to_string()).unwrap_or_default().as_bytes());
    // The map has an order of its own on each thread; that of values of one name stays.
    let mut headers: Vec<_> = request.headers().iter().collect();
    headers.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in headers {
        part(name.as_str().as_bytes());
        part(value.as_bytes());
    }
    if let Some(sent) = request.extensions().get::<Sent>() {
        part(&sent.0);
    }
    hash.finalize().into()
}
