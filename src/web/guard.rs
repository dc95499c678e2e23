//! The one gate that every request passes: which host it names, whether it comes from this console's own pages, who
//! sent it, and the headers that every answer carries. What is not allowed here is refused by default.

use super::connection::{self, Sending};
use super::error::Fault;
use super::error_page::{ErrorPage, Problem};
use super::layout::{self, Entry};
use super::repeated::Question;
use super::visitor::{CSRF_FIELD, Sent, Visitor, bare_frame, cookie, csrf_holds, session_cookie, state_of};
use super::{State, sign_in};
use crate::refusal::RefusalKind;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::{PayloadError, QueryPayloadError};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError as _, web};
use flate2::{Compress, Compression, FlushCompress, Status};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use std::cell::RefCell;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Largest form in bytes: a pot.conf of 1 MiB, percent-encoded in part.
pub(crate) const LARGEST_FORM: usize = 2 << 20;
/// Largest form in bytes of someone who is not signed in.
const SMALL_FORM: usize = 64 << 10;
/// Bytes of forms that strangers may have on their way, all of them together. A sign-in takes some hundred.
static STRANGERS_FORMS: Semaphore = Semaphore::const_new(1 << 20);
/// Most fields of a form: every parameter and some dozens of interfaces need far fewer.
const MOST_FIELDS: usize = 1000;
/// How long a form may take to arrive.
const FORM_TIME: Duration = Duration::from_secs(30);
/// The same as a header, for htmx.
const CSRF_HEADER: &str = "x-csrf-token";
/// htmx says so when it asks.
const HX_REQUEST: &str = "hx-request";

/// No script, style, frame or form of anyone else; no inline script or style of ours.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The gate itself.
pub(crate) async fn guard(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let open = connection::open(request.request()).zip(state_of(request.request()).ok());
    let named = state_of(request.request()).is_ok_and(|state| state.start.tls.as_ref().is_some_and(|tls| tls.named));
    let htmx = request.headers().contains_key(HX_REQUEST);
    let asset = request.path().starts_with("/static/");
    let gzip = super::assets::accepts_gzip(request.headers());
    if request.method() == Method::HEAD {
        // Routed as what it asks about; the server leaves the body away by itself.
        request.head_mut().method = Method::GET;
    }
    let mut question = None;
    let answered = match admit(&mut request).await {
        Ok(()) => {
            if let Ok(state) = state_of(request.request()) {
                question = Question::of(request.request(), state).await;
            }
            if let Some(response) = question.as_ref().and_then(Question::answer) {
                question = None;
                request.into_response(response)
            } else {
                if let Some(question) = &question {
                    question.begin(request.request());
                }
                next.call(request).await?.map_into_boxed_body()
            }
        }
        Err(fault) => request.error_response(fault),
    };
    let mut answered = packed(told(answered, htmx).await, gzip);
    if let Some(question) = question {
        answered = question.keep(answered);
    }
    if connection::is_ending(answered.request()) {
        answered.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let headers = answered.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not no-referrer: with it browsers send `Origin: null` with our own forms, and the origin could not be judged.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if named {
        // Never with a self-signed certificate: the browser would not even let someone look who it is.
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=15552000"));
    }
    if !asset || !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(answered.map_body(|_, body| BoxBody::new(Sending::new(body, open))))
}

/// Smaller pages are not worth the work.
const WORTH_PACKING: usize = 1024;

/// Compresses a page that is whole in memory. Streams stay as they are: events must not wait in a compressor. What a
/// page repeats of its request cannot be used to guess its secrets by their length: form tokens are masked.
fn packed(answered: ServiceResponse<BoxBody>, gzip: bool) -> ServiceResponse<BoxBody> {
    if !gzip || !is_told(answered.headers()) || answered.headers().contains_key(header::CONTENT_ENCODING) {
        return answered;
    }
    let mut compressed = false;
    let mut answered = answered.map_body(|_, body| match body.try_into_bytes() {
        Ok(bytes) if bytes.len() >= WORTH_PACKING => match pack(&bytes) {
            Ok(small) => {
                compressed = true;
                BoxBody::new(small)
            }
            Err(_) => BoxBody::new(bytes),
        },
        Ok(bytes) => BoxBody::new(bytes),
        Err(stream) => stream,
    });
    let headers = answered.headers_mut();
    if compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    answered
}

thread_local! {
    /// Each thread's compressor, for one page after the other: to make one anew costs more than to pack a small page.
    static PACKER: RefCell<Compress> = RefCell::new(Compress::new_gzip(PACKED, 15));
}

/// How hard pages are packed: the least, for packing is most of the work that a page costs.
const PACKED: Compression = Compression::new(1);

fn pack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    PACKER.with_borrow_mut(|packer| {
        packer.reset();
        let mut packed = Vec::with_capacity(bytes.len() / 3 + WORTH_PACKING);
        loop {
            let taken = usize::try_from(packer.total_in()).unwrap_or(bytes.len());
            let left = bytes.get(taken..).unwrap_or_default();
            match packer.compress_vec(left, &mut packed, FlushCompress::Finish)? {
                Status::StreamEnd => return Ok(packed),
                Status::Ok | Status::BufError => packed.reserve(packed.len().max(WORTH_PACKING)),
            }
        }
    })
}

/// Decides whether a request may reach its handler.
async fn admit(request: &mut ServiceRequest) -> Result<(), Fault> {
    let state = state_of(request.request())?;
    let greeting = state.greeting().await.ok();
    let host = request_host(request).unwrap_or_default().to_owned();
    let own = greeting.as_ref().map_or("", |greeting| greeting.hostname.as_str());
    if !is_own_name(&host, own, &state.start.names) {
        return Err(Fault::Misdirected(host));
    }
    match *request.method() {
        Method::GET | Method::HEAD => return Ok(()),
        Method::POST => {}
        _ => {
            let words = format!("{} is not used here.", request.method());
            return Err(Fault::Unfit(StatusCode::METHOD_NOT_ALLOWED, words));
        }
    }
    if !is_own_origin(request.headers(), &host) {
        return Err(Fault::Forged("This request came from another site.".to_owned()));
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let words = "A form must be sent as application/x-www-form-urlencoded.".to_owned();
        return Err(Fault::Unfit(StatusCode::UNSUPPORTED_MEDIA_TYPE, words));
    }
    // A body that unpacks to more than was counted: none of this console's pages sends one.
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        let words = "A form must not be compressed.".to_owned();
        return Err(Fault::Unfit(StatusCode::UNSUPPORTED_MEDIA_TYPE, words));
    }
    let sent = read_form(request, &state).await?;
    let given = request
        .headers()
        .get(CSRF_HEADER)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
        .or_else(|| sent.get(CSRF_FIELD))
        .unwrap_or_default();
    let token = cookie(request.headers(), state.cookie_name());
    let own_page = is_surely_own_origin(request.headers(), &host);
    request.extensions_mut().insert(sent);
    match token {
        Some(token) if csrf_holds(&token, &given) => Ok(()),
        // A browser that lost its cookie has lost its session, too: signing in keeps what was typed.
        None if !sign_in::is_open(request.path()) => Err(Fault::SignIn),
        // A page of this console that outlived its session: signed out, or in again, in another tab. Nothing is done,
        // but what was typed there is kept as it is when a session runs out.
        _ if own_page => Err(Fault::SignIn),
        _ => Err(Fault::Forged("This form was not made for this browser's session.".to_owned())),
    }
}

/// Reads the form. Strangers get little of the server's memory and time: a large form needs a session first, and all
/// small ones that are on their way without a session share one budget.
async fn read_form(request: &mut ServiceRequest, state: &web::Data<State>) -> Result<Sent, Fault> {
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let small = declared.filter(|length: &usize| *length <= SMALL_FORM);
    let signed_in = session_cookie(request.headers(), state.cookie_name()).is_some();
    let _share = match small {
        None => {
            Visitor::of(request.request()).await?;
            None
        }
        // Asking for the session would only tell whose memory it is in.
        Some(_) if signed_in && has_arrived(request).await => None,
        Some(_) if signed_in && Visitor::of(request.request()).await.is_ok() => None,
        Some(length) => Some(
            u32::try_from(length)
                .ok()
                .and_then(|length| STRANGERS_FORMS.try_acquire_many(length.max(1)).ok())
                .ok_or_else(|| {
                    let words = "Too many forms are on their way at once. Try again in a few seconds.";
                    Fault::Unfit(StatusCode::SERVICE_UNAVAILABLE, words.to_owned())
                })?,
        ),
    };
    // Pages of this console are in UTF-8, and so is what their forms send.
    let sent = tokio::time::timeout(FORM_TIME, request.extract::<web::Bytes>())
        .await
        .map_err(|_| Fault::Unfit(StatusCode::REQUEST_TIMEOUT, "The form did not arrive in time.".to_owned()))?
        .map_err(|error| unread(&error))?;
    let sent = Sent(sent);
    if sent.count() > MOST_FIELDS {
        return Err(Fault::Invalid(format!("The form has more than {MOST_FIELDS} fields.")));
    }
    Ok(sent)
}

/// Whether the whole form came with the head of its request, as what a browser sends while one types does: then it is in
/// memory already, whoever sent it.
async fn has_arrived(request: &mut ServiceRequest) -> bool {
    // The server hands on what it has read of a form after its handler was called for the first time.
    tokio::task::yield_now().await;
    let mut payload = request.take_payload();
    let mut arrived = Vec::new();
    let whole = loop {
        match payload.next().now_or_never() {
            Some(Some(chunk)) => arrived.push(chunk),
            Some(None) => break true,
            None => break false,
        }
    };
    let arrived = futures_util::stream::iter(arrived);
    let payload: Pin<Box<dyn Stream<Item = _>>> =
        if whole { Box::pin(arrived) } else { Box::pin(arrived.chain(payload)) };
    request.set_payload(Payload::Stream { payload });
    whole
}

fn unread(error: &actix_web::Error) -> Fault {
    if let Some(PayloadError::Overflow) = error.as_error() {
        let words = format!("A form may have at most {} MiB.", LARGEST_FORM >> 20);
        return Fault::Unfit(StatusCode::PAYLOAD_TOO_LARGE, words);
    }
    Fault::Invalid(format!("The form could not be read: {}.", error.to_string().trim_end_matches('.')))
}

fn request_host(request: &ServiceRequest) -> Option<&str> {
    // Never a forwarded header: anyone can send those.
    match request.headers().get(header::HOST) {
        Some(host) => host.to_str().ok(),
        None => request.head().uri.authority().map(|authority| authority.as_str()),
    }
}

/// The name without the port, `[::1]` without its brackets.
fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.contains(':') => name,
        _ => host,
    }
}

/// Whether a Host header names this console. A page of another site that points its own name at our address (DNS
/// rebinding) always sends that name, so addresses are safe and names must be known.
fn is_own_name(host: &str, own: &str, configured: &[String]) -> bool {
    let name = without_port(host).trim_end_matches('.');
    let same = |other: &str| !other.is_empty() && name.eq_ignore_ascii_case(other.trim_end_matches('.'));
    name.parse::<IpAddr>().is_ok()
        || same("localhost")
        || same(own)
        || same(own.split('.').next().unwrap_or_default())
        || configured.iter().any(|configured| same(configured))
}

/// Whether a form was sent by a page of this console, as far as the browser says.
fn is_own_origin(headers: &HeaderMap, host: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text("sec-fetch-site");
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return false;
    }
    match text("origin") {
        None => true,
        // Sent in privacy modes; then the browser's own word on the site must say that it is ours.
        Some("null") => site == Some("same-origin"),
        Some(origin) => origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host)),
    }
}

/// Whether the browser itself says that a form was sent by a page of this console. Clients that say nothing do not.
fn is_surely_own_origin(headers: &HeaderMap, host: &str) -> bool {
    let same = headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
    is_own_origin(headers, host) && (same || headers.contains_key(header::ORIGIN))
}

/// Turns a fault into what the asker can show: a page in the layout, a line for htmx, a way to sign in.
async fn told(answered: ServiceResponse<BoxBody>, htmx: bool) -> ServiceResponse<BoxBody> {
    let status = answered.status();
    if !(status.is_client_error() || status.is_server_error()) || is_told(answered.headers()) {
        return answered;
    }
    let fault = answered.response().error().and_then(|error| error.as_error::<Fault>()).cloned();
    let fault = match fault {
        Some(Fault::Refused(refusal)) if refusal.kind == RefusalKind::SignInNeeded => Fault::SignIn,
        Some(fault) => fault,
        None if status == StatusCode::NOT_FOUND => Fault::NotFound,
        None => match answered.response().error() {
            Some(error) => match error.as_error::<QueryPayloadError>() {
                Some(QueryPayloadError::Deserialize(wrong)) => {
                    Fault::Invalid(format!("This address cannot be read: {wrong}."))
                }
                _ => Fault::Invalid(format!("{error}.")),
            },
            None => Fault::Unexpected(status.to_string()),
        },
    };
    if let Fault::Unexpected(problem) = &fault {
        tracing::error!(path = answered.request().path(), problem, "a page failed");
    }
    let retry_after = fault.retry_after();
    let status =
        if matches!(fault, Fault::Unexpected(_)) && !status.is_server_error() { status } else { fault.status_code() };
    let request = answered.request().clone();
    let said = match &fault {
        Fault::SignIn => sign_in::needed(&request, htmx).await,
        _ if htmx => problem(status, &fault),
        _ => error_page(&request, status, &fault).await,
    };
    let mut response = said.unwrap_or_else(HttpResponse::from_error);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    }
    ServiceResponse::new(request, response)
}

/// An answer that a handler has put into words already.
fn is_told(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/html") || kind.starts_with("text/event-stream"))
}

/// One line, swapped into the head of the page that is open.
fn problem(status: StatusCode, fault: &Fault) -> Result<HttpResponse, Fault> {
    let template = Problem { message: fault.to_string(), remedy: fault.remedy().to_owned() };
    let mut response = layout::page(status, &template)?;
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("hx-retarget"), HeaderValue::from_static("#problem"));
    headers.insert(HeaderName::from_static("hx-reswap"), HeaderValue::from_static("innerHTML show:#problem:top"));
    Ok(response)
}

async fn error_page(request: &HttpRequest, status: StatusCode, fault: &Fault) -> Result<HttpResponse, Fault> {
    let visitor = request.extensions().get::<Visitor>().cloned();
    let visitor = match visitor {
        Some(visitor) => Some(visitor),
        // A page that nobody may know of without being signed in must not say so by its navigation.
        None => Visitor::extract(request).await.ok(),
    };
    let frame = match visitor {
        Some(visitor) => visitor.frame(Entry::Elsewhere, fault.heading()),
        None => bare_frame(request, fault.heading()).await?,
    };
    layout::page(
        status,
        &ErrorPage {
            frame,
            heading: fault.heading().to_owned(),
            message: fault.to_string(),
            remedy: fault.remedy().to_owned(),
        },
    )
}

/// The page for addresses that nothing stands at.
///
/// Where an address takes nothing but forms, whoever comes there otherwise (after signing in again, by the address bar)
/// gets the nearest page above it.
pub(crate) async fn not_found(request: HttpRequest) -> Result<HttpResponse, Fault> {
    let map = request.resource_map();
    if request.method() != Method::GET || !map.has_resource(request.path()) {
        return Err(Fault::NotFound);
    }
    let above = std::iter::successors(request.path().rsplit_once('/'), |(above, _)| above.rsplit_once('/'));
    let above = above.map(|(above, _)| if above.is_empty() { "/" } else { above });
    let page = above.into_iter().find(|above| map.has_resource(above)).unwrap_or("/");
    let query = request.uri().query().map_or(String::new(), |query| format!("?{query}"));
    Ok(layout::see_other(&format!("{page}{query}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn names_that_are_not_this_hosts_are_not_answered_for() {
        let names = vec!["pots.example.org".to_owned()];
        for host in ["127.0.0.1:8080", "[::1]:80", "localhost:1", "jail1.lan", "JAIL1:8443", "pots.example.org."] {
            assert!(is_own_name(host, "jail1.lan", &names), "{host}");
        }
        for host in ["", "evil.example", "jail1.lan.evil.example:80", "127.0.0.1.evil.example", "a:b:c"] {
            assert!(!is_own_name(host, "jail1.lan", &names), "{host}");
        }
        assert!(!is_own_name("", "", &names));
    }

    #[test]
    fn every_packed_page_unpacks_to_itself_whatever_was_packed_before_it() {
        use std::io::Read as _;
        let mut dice = 7_u32;
        for length in [0_u32, 1, 1023, 1024, 40_000, 5, 300_000, 2 << 20, 17] {
            // Half of it can hardly be packed.
            let page: Vec<u8> = (0..length)
                .map(|place| {
                    dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let [random, ..] = dice.to_be_bytes();
                    if place % 2_000 < 1_000 { b'a' + u8::try_from(place % 7).unwrap() } else { random }
                })
                .collect();
            let packed = pack(&page).unwrap();
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == page, "{length} bytes");
        }
    }

    #[test]
    fn forms_of_other_sites_are_refused() {
        let host = "192.168.178.20:8443";
        assert!(is_own_origin(&headers(&[]), host));
        assert!(is_own_origin(&headers(&[("origin", "https://192.168.178.20:8443")]), host));
        assert!(is_own_origin(&headers(&[("origin", "null"), ("sec-fetch-site", "same-origin")]), host));
        assert!(!is_own_origin(&headers(&[("origin", "null")]), host));
        assert!(!is_own_origin(&headers(&[("origin", "https://evil.example")]), host));
        assert!(!is_own_origin(&headers(&[("sec-fetch-site", "same-site")]), host));
        assert!(!is_own_origin(&headers(&[("sec-fetch-site", "cross-site")]), host));
    }
}
