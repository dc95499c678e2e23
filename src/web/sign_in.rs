//! Signing in and out, the first account, and the form that outlives its session.

use super::State;
use super::configuration;
use super::connection::Connection;
use super::error::{Fault, with_retry};
use super::layout::{self, Frame, Notice, query_value, see_other};
use super::presence;
use super::visitor::{self, Form, Sent, Visitor, state_of};
use crate::client::Sender;
use crate::executor::protocol::{Command, MOST_KNOWN, SessionView, SignedIn};
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use askama::Template;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The routes of this file. All are open: nobody is signed in yet.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/sign-in", web::get().to(show))
        .route("/sign-in", web::post().to(sign_in))
        .route("/set-up", web::get().to(show_set_up))
        .route("/set-up", web::post().to(set_up))
        .route("/sign-out", web::post().to(sign_out));
}

/// `templates/sign_in/sign_in.html`.
#[derive(Template)]
#[template(path = "sign_in/sign_in.html")]
struct SignInPage {
    frame: Frame,
    name: String,
    next: String,
    /// A form that was posted after its session had ended, as JSON; empty when there is none.
    carry: String,
    problem: Option<String>,
}

/// `templates/sign_in/set_up.html`.
#[derive(Template)]
#[template(path = "sign_in/set_up.html")]
struct SetUpPage {
    frame: Frame,
    name: String,
    problem: Option<Refusal>,
}

#[derive(serde::Deserialize)]
struct Next {
    next: Option<String>,
    out: Option<String>,
}

async fn show(request: HttpRequest, query: web::Query<Next>) -> Result<HttpResponse, Fault> {
    let next = local(query.next.as_deref());
    if Visitor::of(&request).await.is_ok() {
        return Ok(see_other(&next));
    }
    if state_of(&request)?.greeting().await?.set_up_needed {
        return Ok(see_other("/set-up"));
    }
    let notice = query.out.is_some().then(|| Notice::done("You are signed out."));
    sign_in_page(&request, StatusCode::OK, next, String::new(), String::new(), None, notice).await
}

/// Pages whose forms are sent by someone who is not signed in yet.
pub(super) fn is_open(path: &str) -> bool {
    ["/sign-in", "/set-up"].contains(&path)
}

/// What someone gets who asked for a page without a session.
pub(super) async fn needed(request: &HttpRequest, htmx: bool) -> Result<HttpResponse, Fault> {
    let asked = request.uri().path_and_query().map_or("/", |asked| asked.as_str());
    if htmx && request.path() == presence::CHECK {
        // Leading away would take away what is typed.
        return configuration::session_ended();
    }
    if htmx {
        // The page that is open, not the fragment's address, is where they want to be again.
        let open = request.headers().get("hx-current-url").and_then(|value| value.to_str().ok()).and_then(path_of);
        let address = format!("/sign-in?next={}", query_value(&local(open)));
        let location = HeaderValue::from_str(&address).unwrap_or(HeaderValue::from_static("/sign-in"));
        return Ok(HttpResponse::Unauthorized()
            .insert_header((HeaderName::from_static("hx-redirect"), location))
            .content_type("text/html; charset=utf-8")
            .finish());
    }
    if *request.method() == actix_web::http::Method::POST {
        return outlived(request).await;
    }
    let wants_page = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_none_or(|kinds| !kinds.contains("text/event-stream"));
    if !wants_page {
        return Ok(HttpResponse::Unauthorized().content_type("text/plain; charset=utf-8").body("sign in first\n"));
    }
    let address = if asked == "/" {
        "/sign-in".to_owned()
    } else {
        format!("/sign-in?next={}", query_value(&local(Some(asked))))
    };
    Ok(see_other(&address))
}

/// A form that outlived its session. Nothing is done; what was typed is kept for the one who signs in now, or who has
/// signed in again elsewhere in this browser.
async fn outlived(request: &HttpRequest) -> Result<HttpResponse, Fault> {
    let form = request.extensions().get::<Sent>().map(Sent::form).unwrap_or_default();
    let visitor = Visitor::of(request).await.ok();
    if is_open(request.path()) {
        let next = local(form.get("next"));
        if visitor.is_some() {
            return Ok(see_other(&next));
        }
        let name = form.text("name").unwrap_or_default().to_owned();
        let problem =
            "This page was made for an earlier visit. Try again; if this comes back, allow this console's cookie.";
        return if request.path() == "/set-up" {
            let problem = Refusal::new(RefusalKind::Limit, problem);
            set_up_page(request, StatusCode::UNAUTHORIZED, name, Some(problem)).await
        } else {
            let carry = form.get("carry").unwrap_or_default().to_owned();
            sign_in_page(request, StatusCode::UNAUTHORIZED, next, name, carry, Some(problem.to_owned()), None).await
        };
    }
    let next = local(stood_at(request).or(Some(request.path())));
    let carry = carried(&form);
    if let Some(visitor) = visitor {
        return Ok(see_other(&with_kept(visitor.state(), &visitor.session.id, next, &carry)?));
    }
    // That a session ends is no fault of theirs, nor of the console.
    let notice = Notice::told("Your session has ended. Nothing was changed; sign in to go on where you were.");
    sign_in_page(request, StatusCode::UNAUTHORIZED, next, String::new(), carry, None, Some(notice)).await
}

/// The page of this console that a form stood on: where it is posted to need not be a page.
fn stood_at(request: &HttpRequest) -> Option<&str> {
    let text = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (_, rest) = text(header::REFERER)?.split_once("://")?;
    rest.strip_prefix(text(header::HOST)?).filter(|path| path.starts_with('/'))
}

/// Keeps a carried form for a session; gives the address that shows it again.
fn with_kept(state: &State, session: &str, address: String, carry: &str) -> Result<String, Fault> {
    let Some(form) = kept(carry) else { return Ok(address) };
    let Some(id) = state.kept_forms.keep(session, form)? else { return Ok(address) };
    let (path, query) = address.split_once('?').unwrap_or((&address, ""));
    // The page may have been shown with an earlier one.
    let others = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("kept="));
    let query: String = others.map(|pair| format!("{pair}&")).collect();
    Ok(format!("{path}?{query}kept={id}"))
}

async fn sign_in_page(
    request: &HttpRequest,
    status: StatusCode,
    next: String,
    name: String,
    carry: String,
    problem: Option<String>,
    notice: Option<Notice>,
) -> Result<HttpResponse, Fault> {
    let (mut frame, fresh) = frame_with_token(request, "Sign in").await?;
    frame.notice = notice;
    let mut response = layout::page(status, &SignInPage { frame, name, next, carry, problem })?;
    if let Some(token) = fresh {
        set_cookie(&mut response, &*state_of(request)?, &token);
    }
    Ok(response)
}

/// A frame whose forms are bound to the token that the browser holds, or to a new random one that it is to hold.
async fn frame_with_token(request: &HttpRequest, title: &str) -> Result<(Frame, Option<Secret>), Fault> {
    let mut frame = visitor::bare_frame(request, title).await?;
    let held = visitor::cookie(request.headers(), state_of(request)?.cookie_name());
    let (token, fresh) = match held {
        Some(token) => (token, None),
        None => {
            let token = visitor::random_token()?;
            (token.clone(), Some(token))
        }
    };
    frame.csrf = visitor::csrf_for(&token);
    Ok((frame, fresh))
}

fn set_cookie(response: &mut HttpResponse, state: &State, token: &Secret) {
    put_cookie(response, state, state.cookie_name(), &token.0, None);
}

fn drop_cookie(response: &mut HttpResponse, state: &State) {
    put_cookie(response, state, state.cookie_name(), "", Some(0));
}

fn put_cookie(response: &mut HttpResponse, state: &State, name: &str, value: &str, seconds: Option<u32>) {
    let secure = if state.start.tls.is_some() { "; Secure" } else { "" };
    let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let line = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{age}{secure}");
    if let Ok(value) = HeaderValue::from_str(&line) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// Proofs that this browser signed in before, one for each account that it was: with them its tries are its own, whoever
/// guesses from the same address. They give no other right.
struct Known(Vec<Secret>);

impl Known {
    /// As long as browsers keep a cookie at all.
    const SECONDS: u32 = 400 * 24 * 3600;

    fn name(state: &State) -> String {
        format!("{}-known", state.cookie_name())
    }

    fn of(request: &HttpRequest, state: &State) -> Self {
        let name = Self::name(state);
        let held = request
            .headers()
            .get_all(header::COOKIE)
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value);
        let fits = |text: &&str| {
            text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        Self(held.split('.').filter(fits).take(MOST_KNOWN).map(|text| Secret(text.to_owned())).collect())
    }

    /// Sets the cookie anew, with the proof that was just given first; the browser counts its age from now.
    fn keep(mut self, new: Option<Secret>, response: &mut HttpResponse, state: &State) {
        if let Some(new) = new {
            self.0.insert(0, new);
        }
        let words: Vec<&str> = self.0.iter().take(MOST_KNOWN).map(|token| token.0.as_str()).collect();
        put_cookie(response, state, &Self::name(state), &words.join("."), Some(Self::SECONDS));
    }
}

async fn sign_in(request: HttpRequest, connection: Connection, form: Form) -> Result<HttpResponse, Fault> {
    let state = state_of(&request)?;
    let reported = visitor::reported(&request, &connection);
    let name = form.text("name").unwrap_or_default().to_owned();
    let password = Secret(form.get("password").unwrap_or_default().to_owned());
    let next = local(form.get("next"));
    let carry = form.get("carry").unwrap_or_default().to_owned();
    if name.is_empty() || password.0.is_empty() {
        let problem = Some("Give your name and your password.".to_owned());
        return sign_in_page(&request, StatusCode::UNPROCESSABLE_ENTITY, next, name, carry, problem, None).await;
    }
    // A session that this browser still holds ends here: one browser, one session.
    let held = visitor::session_cookie(request.headers(), state.cookie_name());
    let browser = Known::of(&request, &state);
    let sender = Sender { known: &browser.0, ..Sender::default() };
    match state.client.ask_as(sender, &reported, Command::SignIn { name: name.clone(), password }).await {
        Ok(SignedIn { token, known, session }) => {
            if let Some(held) = held
                && state.client.ask::<SessionView>(Some(&held), &reported, Command::Session {}).await.is_ok()
            {
                // What ends between question and command has ended.
                let _ = state.client.ask::<()>(Some(&held), &reported, Command::SignOut {}).await;
            }
            let mut response = see_other(&with_kept(&state, &session.id, next, &carry)?);
            set_cookie(&mut response, &state, &token);
            browser.keep(known, &mut response, &state);
            Ok(response)
        }
        Err(refusal) => {
            let status = match refusal.kind {
                RefusalKind::WrongPassword => StatusCode::UNPROCESSABLE_ENTITY,
                RefusalKind::Throttled => StatusCode::TOO_MANY_REQUESTS,
                _ => return Err(Fault::Refused(refusal)),
            };
            let kind = refusal.kind;
            let page = sign_in_page(&request, status, next, name, carry, Some(refusal.message), None).await?;
            Ok(with_retry(page, kind))
        }
    }
}

async fn show_set_up(request: HttpRequest) -> Result<HttpResponse, Fault> {
    let state = state_of(&request)?;
    if !state.greeting().await?.set_up_needed {
        return Ok(see_other("/sign-in"));
    }
    set_up_page(&request, StatusCode::OK, String::new(), None).await
}

async fn set_up_page(
    request: &HttpRequest,
    status: StatusCode,
    name: String,
    problem: Option<Refusal>,
) -> Result<HttpResponse, Fault> {
    let (frame, fresh) = frame_with_token(request, "Set up").await?;
    let mut response = layout::page(status, &SetUpPage { frame, name, problem })?;
    if let Some(token) = fresh {
        set_cookie(&mut response, &*state_of(request)?, &token);
    }
    Ok(response)
}

async fn set_up(request: HttpRequest, connection: Connection, form: Form) -> Result<HttpResponse, Fault> {
    let state = state_of(&request)?;
    let reported = visitor::reported(&request, &connection);
    let name = form.text("name").unwrap_or_default().to_owned();
    let password = form.get("password").unwrap_or_default().to_owned();
    if form.get("repeated") != Some(password.as_str()) {
        let problem = Refusal::new(RefusalKind::Limit, "The two passwords differ.").on("repeated");
        return set_up_page(&request, StatusCode::UNPROCESSABLE_ENTITY, name, Some(problem)).await;
    }
    let command = Command::SetUp {
        code: Secret(form.text("code").unwrap_or_default().to_owned()),
        name: name.clone(),
        password: Secret(password),
    };
    match state.client.ask(None, &reported, command).await {
        Ok(SignedIn { token, known, .. }) => {
            state.forget_greeting();
            let mut response = see_other("/");
            set_cookie(&mut response, &state, &token);
            Known::of(&request, &state).keep(known, &mut response, &state);
            Ok(response)
        }
        Err(refusal) => {
            let status = match refusal.kind {
                RefusalKind::WrongPassword | RefusalKind::Limit => StatusCode::UNPROCESSABLE_ENTITY,
                RefusalKind::Throttled => StatusCode::TOO_MANY_REQUESTS,
                _ => return Err(Fault::Refused(refusal)),
            };
            set_up_page(&request, status, name, Some(refusal)).await
        }
    }
}

async fn sign_out(request: HttpRequest, visitor: Visitor) -> Result<HttpResponse, Fault> {
    visitor.ask::<()>(Command::SignOut {}).await?;
    let mut response = see_other("/sign-in?out");
    drop_cookie(&mut response, &*state_of(&request)?);
    response.headers_mut().insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"storage\""));
    Ok(response)
}

/// An address below this console; anything else becomes the start page. `//host`, `/\host` and the like lead away.
fn local(address: Option<&str>) -> String {
    let fits = |address: &&str| {
        address.len() <= 2000
            && address.starts_with('/')
            && !address.starts_with("//")
            && !address.contains('\\')
            && !address.starts_with("/sign-")
            && !address.starts_with("/set-up")
            && address.bytes().all(|byte| byte.is_ascii_graphic())
    };
    address.filter(fits).unwrap_or("/").to_owned()
}

/// Path and query of an absolute address.
fn path_of(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    rest.find('/').and_then(|at| rest.get(at..))
}

/// The posted form as the sign-in page carries it on, without what must not stand in a page. Empty: nothing to carry.
fn carried(form: &Form) -> String {
    const SECRET: [&str; 8] =
        [visitor::CSRF_FIELD, "password", "repeated", "code", "old", "new", "nonce", "confirm_text"];
    let fields: Vec<_> = form.0.iter().filter(|(name, _)| !SECRET.contains(&name.as_str())).collect();
    if fields.is_empty() { String::new() } else { serde_json::to_string(&fields).unwrap_or_default() }
}

fn kept(carry: &str) -> Option<Form> {
    serde_json::from_str(carry).ok().map(Form).filter(|form| !form.0.is_empty())
}

/// Forms that were posted after their session had ended. They are only ever shown again, never carried out: what
/// they would change stays the decision of the one who signed in.
#[derive(Default)]
pub(crate) struct KeptForms(Mutex<VecDeque<KeptForm>>);

struct KeptForm {
    id: String,
    session: String,
    at: Instant,
    form: Form,
}

impl KeptForms {
    const MOST: usize = 32;
    const LONGEST: Duration = Duration::from_mins(15);
    const LARGEST: usize = 256 * 1024;

    /// Keeps a form for a session; answers with its id, or nothing when it is too large to keep.
    fn keep(&self, session: &str, form: Form) -> Result<Option<String>, Fault> {
        let size: usize = form.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size > Self::LARGEST {
            return Ok(None);
        }
        let id = visitor::random_token()?.0.clone();
        let Ok(mut kept) = self.0.lock() else { return Ok(None) };
        kept.retain(|one| one.at.elapsed() < Self::LONGEST);
        while kept.len() >= Self::MOST {
            kept.pop_front();
        }
        kept.push_back(KeptForm { id: id.clone(), session: session.to_owned(), at: Instant::now(), form });
        Ok(Some(id))
    }

    /// The form of that id, when it was kept for this session.
    pub fn find(&self, visitor: &Visitor, id: &str) -> Option<Form> {
        let kept = self.0.lock().ok()?;
        kept.iter()
            .find(|one| one.id == id && one.session == visitor.session.id && one.at.elapsed() < Self::LONGEST)
            .map(|one| one.form.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_nobody_is_led_away() {
        assert_eq!(local(Some("/history?who=anna")), "/history?who=anna");
        for address in
            ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\r\nSet-Cookie:x", "/sign-out"]
        {
            assert_eq!(local(Some(address)), "/", "{address:?}");
        }
        assert_eq!(path_of("http://127.0.0.1:80/configuration?x=1"), Some("/configuration?x=1"));
    }

    #[test]
    fn secrets_are_not_carried_through_the_sign_in_page() {
        let form = Form(vec![
            ("csrf".into(), "c".into()),
            ("password".into(), "p".into()),
            ("POT_NETWORK".into(), "10.0.0.0/8".into()),
        ]);
        assert_eq!(kept(&carried(&form)).unwrap().0, [("POT_NETWORK".to_owned(), "10.0.0.0/8".to_owned())]);
    }
}
