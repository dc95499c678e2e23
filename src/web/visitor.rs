//! Who sent a request, what they posted, and how a form is bound to a session.

use super::connection::{self, Connection};
use super::error::Fault;
use super::kept::{Asker, Host};
use super::layout::{Clock, Entry, Frame, Notice, Who};
use super::questions::Questions;
use super::strip_view::StripView;
use super::{State, presence};
use crate::audit::Store;
use crate::client::Sender;
use crate::executor::protocol::{Answer, AskedBefore, Command, Greeting, SessionView, Strip};
use crate::host::RunNow;
use crate::journal::record::{Reported, Role};
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use crate::theme::Theme;
use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use subtle::ConstantTimeEq as _;
use tokio::sync::OwnedSemaphorePermit;

/// The hidden field that proves a form to be this console's.
pub(crate) const CSRF_FIELD: &str = "csrf";

/// Someone who is signed in: what handlers get, and through which they ask the executor.
#[derive(Clone)]
pub(crate) struct Visitor {
    token: Secret,
    /// Whether a page asked by itself: see [`super::presence`].
    follows: bool,
    /// Whether a page asked for itself, to show the host as it is now.
    followed: bool,
    /// Their session, without what the page shows beside: [`Visitor::strip`].
    pub session: SessionView,
    /// What their side says about itself.
    pub reported: Reported,
    /// The host.
    pub greeting: Arc<Greeting>,
    /// The connection that the request came over.
    pub connection: Connection,
    clock: Clock,
    state: web::Data<State>,
    moment: Arc<Mutex<Moment>>,
    /// This request was answered before, and all that was asked then would be told as it was: no turn was taken for what is
    /// only sent again.
    pub(super) is_as_before: bool,
    /// What is asked in answering this request.
    pub(super) questions: Arc<Questions>,
}

/// Who sent a request, as the guard has asked for it: its handler need not ask again.
pub(super) struct Admitted(pub(super) Visitor);

/// What was asked when a request was answered before: asked again with who sends it now.
pub(super) struct Before(pub(super) Arc<[AskedBefore]>);

/// What a page shows of the moment in which the executor was asked last: a strip that is older than the facts beside it
/// would tell of what they show to be over.
#[derive(Debug, Default)]
struct Moment {
    strip: Strip,
    /// [`SessionView::facts`].
    revision: u64,
    /// What came along of the host, until it is used.
    host: Option<Host>,
}

impl Visitor {
    /// Who sent a request.
    ///
    /// # Errors
    /// [`Fault::SignIn`] when nobody is signed in.
    pub async fn of(request: &HttpRequest) -> Result<Self, Fault> {
        Self::extract(request).await
    }

    /// Asks the executor in the name of this session.
    pub async fn ask<A: Answer>(&self, command: Command) -> Result<A, Refusal> {
        let noted = self.questions.begin_one(&command).then(|| command.clone());
        let reply = self.state.client.reply_to(self.sender(), &self.reported, command).await;
        match (noted, &reply) {
            (Some(command), Ok(reply)) => self.questions.note(command, reply),
            _ => self.questions.give_up(),
        }
        A::expect(reply?)
    }

    fn sender(&self) -> Sender<'_> {
        Sender { token: Some(&self.token), known: &[], follows: self.follows }
    }

    /// Opens one generation of pot's log.
    pub async fn open_log(&self, generation: u32) -> Result<(std::fs::File, u64), Refusal> {
        self.questions.note_log();
        self.state.client.open_log(self.sender(), &self.reported, generation).await
    }

    /// The history with all that the journal held when this request came, and all that was done since in answering it.
    pub(super) async fn history(&self) -> Store {
        let to = self.session.journal.filter(|_| !self.questions.did_something());
        self.state.history.up_to_date(to).await
    }

    /// What the whole process shares.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The frame of a page.
    pub fn frame(&self, current: Entry, title: impl Into<String>) -> Frame {
        Frame {
            title: title.into(),
            current,
            greeting: Arc::clone(&self.greeting),
            who: Some(Who { name: self.session.name.clone(), role: self.session.role }),
            csrf: self.csrf(),
            clock: self.clock.clone(),
            counts: Vec::new(),
            notice: None,
            strip: Some(self.strip().shown()),
            theme: self.session.theme,
        }
    }

    /// For the hidden field `csrf` of a form that posts.
    pub(super) fn csrf(&self) -> String {
        csrf_for(&self.token)
    }

    /// What nobody should overlook, as of the moment in which the host was looked at last.
    pub(super) fn strip(&self) -> StripView {
        StripView::of(&self.moment().strip, self.session.role, &self.clock, &self.csrf())
    }

    /// The number of what is known of the host in the same moment.
    pub(super) fn revision(&self) -> u64 {
        self.moment().revision
    }

    fn moment(&self) -> MutexGuard<'_, Moment> {
        self.moment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the host: what came along with the session, if nobody has used that yet, else asked for now. From
    /// then on the page's strip is of that moment, too.
    ///
    /// # Errors
    /// The executor's refusal.
    pub(super) async fn look(&self) -> Result<Host, Fault> {
        if let Some(host) = self.moment().host.take() {
            return Ok(host);
        }
        self.questions.give_up();
        let asker = Asker { sender: self.sender(), reported: &self.reported };
        let ((session, host), _) = self.state.show(asker, self.followed, None).await?;
        *self.moment() = Moment { strip: session.strip, revision: session.facts, host: None };
        Ok(host)
    }

    /// The session, and the numbers of what came along of the host, both of the moment in which the executor was asked.
    pub(super) fn asked_at(&self) -> (SessionView, Option<(u64, u64, bool)>) {
        let moment = self.moment();
        let session = SessionView { strip: moment.strip.clone(), facts: moment.revision, ..self.session.clone() };
        (session, moment.host.as_ref().map(Host::numbers))
    }

    /// The host is another than it was when this request came.
    pub(super) fn forget_host(&self) {
        self.moment().host = None;
    }

    /// The run under way, as the model of the host knows it.
    pub(super) fn run_under_way(&self) -> Option<RunNow> {
        let moment = self.moment();
        let run = moment.strip.run.as_ref()?;
        Some(RunNow { id: run.id, operation: run.operation.clone(), waits: run.waits })
    }

    /// Times in the host's zone.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether their role may do what this one may. A courtesy of pages: the executor decides.
    pub fn may(&self, role: Role) -> bool {
        self.session.role >= role
    }

    /// The browser's address, when the connection still tells.
    pub fn address(&self) -> Option<IpAddr> {
        self.connection.peer.map(|peer| unmapped(peer.ip()))
    }
}

/// An IPv4 address that came in over an IPv6 socket is still an IPv4 address.
fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl FromRequest for Visitor {
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Fault>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let admitted = request.extensions_mut().remove::<Admitted>();
            if let Some(Admitted(visitor)) = admitted {
                return Ok(visitor);
            }
            let state = state_of(&request)?;
            let token = session_cookie(request.headers(), state.cookie_name()).ok_or(Fault::SignIn)?;
            let connection = Connection::of(&request)
                .ok_or_else(|| Fault::Unexpected("this connection was not counted".to_owned()))?;
            let reported = reported(&request, &connection);
            let follows = !presence::is_a_person(&request);
            let followed = presence::is_followed(&request);
            let sender = Sender { token: Some(&token), known: &[], follows };
            let asker = Asker { sender, reported: &reported };
            let knew_zone = state.knows_zone();
            // The guard asks who sends a form before it is read; what the page is made from is asked for after.
            let is_read = *request.method() == Method::GET || request.extensions().contains::<Sent>();
            let before = request.extensions_mut().remove::<Before>();
            let before: Option<&[AskedBefore]> = before.as_ref().map(|before| &*before.0);
            let asked = if is_read && shows_the_host(request.method(), request.path()) {
                state.show(asker, followed, before).await.map(|((session, host), same)| (session, Some(host), same))
            } else {
                let session = state.client.ask_again(sender, &reported, Command::Session {}, before).await;
                session.map(|(session, same)| (session, None, same)).map_err(Fault::Refused)
            };
            let (mut session, mut host, mut is_as_before): (SessionView, _, _) = match asked {
                Ok(asked) => asked,
                Err(Fault::Refused(refusal)) if refusal.kind == RefusalKind::SignInNeeded => return Err(Fault::SignIn),
                Err(fault) => return Err(fault),
            };
            if let Some(open) = connection::open(&request) {
                state.connections.belongs_to(&open, &session.id);
            }
            is_as_before &= state.knows_zone();
            // Asked for twice for one request (the error page after its page), it has its turn already.
            let needs_a_turn = takes_a_turn(request.method(), request.path()) && !is_as_before;
            if needs_a_turn && !request.extensions().contains::<Turn>() {
                let turn = match state.turns.try_take(&session.id) {
                    Some(turn) => Some(turn),
                    None => {
                        // What came along is of before the wait.
                        host = None;
                        session.journal = None;
                        state.turns.take(&session.id).await.ok()
                    }
                };
                request.extensions_mut().insert(Turn(turn));
            }
            if !state.knows_zone() {
                // Best effort: without facts, times are shown in UTC and say so.
                if let Ok(((later, looked), _)) = state.show(asker, true, None).await {
                    (session, host) = (later, host.map(|_| looked));
                }
            }
            if !knew_zone && state.knows_zone() {
                // The host's name is known since the same moment, and the greeting may be of before.
                state.forget_greeting();
            }
            let moment = Moment { strip: std::mem::take(&mut session.strip), revision: session.facts, host };
            let visitor = Self {
                token: token.clone(),
                follows,
                followed,
                session,
                reported: reported.clone(),
                greeting: state.greeting().await?,
                connection,
                clock: state.clock(),
                state: state.clone(),
                moment: Arc::new(Mutex::new(moment)),
                is_as_before,
                questions: Arc::default(),
            };
            request.extensions_mut().insert(visitor.clone());
            Ok(visitor)
        })
    }
}

/// Whether a request waits for a turn of its session: pages do. What is done (forms), and a run with the way to keep it
/// or put it back, never wait behind pages that hang on a slow disk.
pub(super) fn takes_a_turn(method: &Method, path: &str) -> bool {
    *method == Method::GET && !path.starts_with("/runs/")
}

/// Whether a page is made from what is known of the host: that is asked for with its session, in one question. A page that
/// is left out here asks a second one. Not those of runs: to keep a change nobody waits for a slow disk.
fn shows_the_host(method: &Method, path: &str) -> bool {
    const PAGES: [&str; 7] = ["/", "/readiness", "/pots", "/operations", "/configuration", "/guide", "/network/path"];
    let shows = PAGES.contains(&path) || path.starts_with("/pots/") || path == "/configuration/facts";
    if *method == Method::GET { shows } else { path == presence::CHECK }
}

/// A request's turn among those of its session, kept as long as it is worked on.
struct Turn(#[allow(dead_code, reason = "what it does is to be kept")] Option<OwnedSemaphorePermit>);

/// The process's state, as handlers and extractors get at it.
pub fn state_of(request: &HttpRequest) -> Result<web::Data<State>, Fault> {
    request
        .app_data::<web::Data<State>>()
        .cloned()
        .ok_or_else(|| Fault::Unexpected("the server was set up without its state".to_owned()))
}

/// What the browser's side says about itself.
pub fn reported(request: &HttpRequest, connection: &Connection) -> Reported {
    let browser = request.headers().get(header::USER_AGENT).map(|value| {
        String::from_utf8_lossy(value.as_bytes()).chars().filter(|letter| !letter.is_control()).take(200).collect()
    });
    Reported { address: connection.peer.map(|peer| unmapped(peer.ip()).to_string()), browser }
}

/// Bytes in a session's token, and in one that only binds the sign-in form to a browser.
const SESSION_BYTES: usize = 32;

const FORM_BYTES: usize = SESSION_BYTES + 1;

/// The session's token as the browser sent it, not one from [`random_token`]: to ask the executor for a session that
/// never was would be a refusal in the history.
pub(crate) fn session_cookie(headers: &HeaderMap, name: &str) -> Option<Secret> {
    cookie(headers, name)
        .filter(|token| URL_SAFE_NO_PAD.decode(&token.0).is_ok_and(|bytes| bytes.len() == SESSION_BYTES))
}

/// The token that the browser sent, base64url of a session's 32 bytes or of a form's 33, or nothing.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<Secret> {
    headers
        .get_all(header::COOKIE)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .filter(|value| {
            URL_SAFE_NO_PAD.decode(value).is_ok_and(|bytes| matches!(bytes.len(), SESSION_BYTES | FORM_BYTES))
        })
        .map(|value| Secret(value.to_owned()))
}

/// 33 random bytes as base64url: what a browser holds before anyone has signed in, so that the sign-in form, too, is
/// bound to it. By its length it is no session's.
pub(crate) fn random_token() -> Result<Secret, Fault> {
    let mut bytes = [0; FORM_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Fault::Unexpected(format!("no random bytes: {error}")))?;
    Ok(Secret(URL_SAFE_NO_PAD.encode(bytes)))
}

/// What forms carry: derived from the token, so it needs no memory and outlives a restart; one way, so it tells
/// nothing about the token; masked anew each time, so that compression cannot be used to guess it.
pub(crate) fn csrf_for(token: &Secret) -> String {
    let mut mask = [0; 32];
    // Without random bytes the mask is zero, which only loses the masking.
    let _ = getrandom::fill(&mut mask);
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&mask);
    for (byte, (mask, proof)) in bytes[32..].iter_mut().zip(mask.iter().zip(csrf_proof(token))) {
        *byte = mask ^ proof;
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

fn csrf_proof(token: &Secret) -> [u8; 32] {
    Sha256::new().chain_update(b"pot-console form\0").chain_update(token.0.as_bytes()).finalize().into()
}

pub(super) fn csrf_holds(token: &Secret, given: &str) -> bool {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(given) else { return false };
    let Some((mask, masked)) = bytes.split_at_checked(32) else { return false };
    let unmasked: Vec<u8> = mask.iter().zip(masked).map(|(mask, masked)| mask ^ masked).collect();
    masked.len() == 32 && bool::from(unmasked.ct_eq(&csrf_proof(token)[..]))
}

/// A posted form as it came, with no more fields than are read.
pub(crate) struct Sent(pub(super) Bytes);

impl Sent {
    /// The last value of that name, read from the end: what the guard looks for stands there.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let mut fields = self.0.rsplit(|byte| *byte == b'&').filter_map(|field| form_urlencoded::parse(field).next());
        fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// How many fields there are.
    pub(super) fn count(&self) -> usize {
        self.0.split(|byte| *byte == b'&').filter(|field| !field.is_empty()).count()
    }

    /// All of it.
    pub(super) fn form(&self) -> Form {
        Form(form_urlencoded::parse(&self.0).into_owned().collect())
    }
}

/// A posted form: names and values in order, the same name several times where a list is meant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form(pub Vec<(String, String)>);

impl Form {
    /// The last value of that name: a checkbox after its hidden "unchecked" value wins.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of that name in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether there is such a field at all.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The last value of that name without blanks around it; none when it is missing or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim).filter(|text| !text.is_empty())
    }
}

impl FromRequest for Form {
    type Error = Fault;
    type Future = std::future::Ready<Result<Self, Fault>>;

    /// The guard has taken it in already.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let form = request.extensions().get::<Sent>().map(Sent::form);
        std::future::ready(form.ok_or_else(|| Fault::Invalid("There is no form.".to_owned())))
    }
}

/// The frame of a page that is shown without a session.
pub(crate) async fn bare_frame(request: &HttpRequest, title: &str) -> Result<Frame, Fault> {
    let state = state_of(request)?;
    let greeting = state.greeting().await.unwrap_or_else(|_| {
        Arc::new(Greeting {
            hostname: "pot-console".to_owned(),
            simulated: false,
            set_up_needed: false,
            feedback_recipient: String::new(),
            reason_required: false,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pot_conf: String::new(),
            alarm: None,
        })
    });
    Ok(Frame {
        title: title.to_owned(),
        current: Entry::Elsewhere,
        greeting,
        who: None,
        csrf: String::new(),
        clock: state.clock(),
        counts: Vec::new(),
        notice: None::<Notice>,
        strip: None,
        theme: Theme::System,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_form_of_another_session_is_not_taken() {
        let (mine, other) = (random_token().unwrap(), random_token().unwrap());
        assert!(csrf_holds(&mine, &csrf_for(&mine)));
        assert!(!csrf_holds(&other, &csrf_for(&mine)));
        assert!(!csrf_holds(&mine, ""));
        assert!(!csrf_holds(&mine, "AAAA"));
        assert_ne!(csrf_for(&mine), csrf_for(&mine), "masked anew each time");
    }

    #[test]
    fn only_a_token_of_the_right_form_counts_as_a_cookie() {
        let token = random_token().unwrap();
        let line = format!("other=1; pot-console={}", token.0);
        let mut map = HeaderMap::new();
        map.insert(header::COOKIE, HeaderValue::from_str(&line).unwrap());
        assert_eq!(cookie(&map, "pot-console"), Some(token));
        assert_eq!(session_cookie(&map, "pot-console"), None, "what binds the sign-in form is no session");
        assert_eq!(cookie(&headers(&[("cookie", "pot-console=short")]), "pot-console"), None);
    }

    #[test]
    fn keeping_a_change_never_waits_behind_pages() {
        for (method, path) in [(Method::POST, "/runs/3/keep"), (Method::GET, "/runs/3"), (Method::POST, "/settings")] {
            assert!(!takes_a_turn(&method, path), "{path}");
        }
        assert!(takes_a_turn(&Method::GET, "/activity"));
    }

    #[test]
    fn what_is_read_from_the_end_of_a_form_is_what_the_whole_form_says() {
        for text in
            ["", "&", "a", "a=1", "a=1&b=2&a=3&", "&&a=%26b=1&b=%3d+", "%61=x&a=y&c", "a=1&b&=3", "csrf=a%20b&csrf="]
        {
            let sent = Sent(Bytes::from_static(text.as_bytes()));
            let form = sent.form();
            for name in ["a", "b", "c", "csrf", "", "missing"] {
                assert_eq!(sent.get(name).as_deref(), form.get(name), "{name} of {text}");
            }
            assert_eq!(sent.count(), form.0.len(), "{text}");
        }
    }

    #[test]
    fn a_checked_box_wins_over_its_hidden_field() {
        let form = Form(vec![("A".into(), "false".into()), ("A".into(), "true".into())]);
        assert_eq!(form.get("A"), Some("true"));
        assert_eq!(form.all("A").count(), 2);
    }
}
