//! The unprivileged process: pages and fragments, guards, assets, server set-up. It parses every request and trusts
//! none; it asks the executor for everything and decides nothing.
//!
//! A page is one file with its `routes`, its templates in the folder of the same name below `templates/`. Handlers take
//! a [`visitor::Visitor`] (who is signed in; through it they ask the executor) and a [`visitor::Form`] (what was posted) and
//! return `Result<HttpResponse, Fault>`. [`guard::guard`] has checked host, origin and form token before, and
//! turns a [`error::Fault`] into a page or a fragment after.

pub(crate) mod assets;
pub mod connection;
pub mod error;
mod error_page;
pub(crate) mod escape;
pub(crate) mod guard;
pub mod layout;
pub(crate) mod visitor;

mod activity;
mod acts;
mod changed;
mod configuration;
mod feedback;
mod guide;
mod history;
mod host;
mod kept;
mod known;
mod network;
mod operations;
pub mod picture;
mod pots;
mod presence;
mod questions;
mod repeated;
mod runs;
mod search;
mod server;
mod settings;
mod sign_in;
mod strip;
mod strip_view;
mod time_axis;
mod turns;

use crate::audit::Projection;
use crate::client::Client;
use crate::executor::protocol::{AskedBefore, Command, Greeting, SessionView};
use crate::journal::record::Reported;
use actix_web::web::{ServiceConfig, route};
use connection::Connections;
use error::Fault;
use jiff::tz::TimeZone;
use layout::Clock;
use serde::{Deserialize, Serialize};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use turns::Turns;

/// What the executor hands over beside the descriptors.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Start {
    /// Certificate and key; none: plain HTTP.
    pub tls: Option<Tls>,
    /// The SQLite file, as this process sees it.
    pub database: PathBuf,
    /// Further names that browsers may use for this host.
    pub names: Vec<String>,
}

/// Certificate chain and key as PEM.
#[derive(Clone, Serialize, Deserialize)]
pub struct Tls {
    /// The chain, the host's own certificate first.
    pub(crate) cert_pem: String,
    /// Its private key.
    pub key_pem: String,
    /// Whether root's settings name it: then browsers may be told to take nothing else for this host.
    #[serde(default)]
    pub named: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(…)")
    }
}

/// Serves the console on these listeners until the executor is gone or a signal says to stop.
///
/// # Errors
/// When the certificate cannot be used or the server cannot start.
pub fn run(listeners: Vec<TcpListener>, socket: UnixStream, start: Start) -> anyhow::Result<()> {
    server::run(listeners, socket, start)
}

/// Whether this process could serve with a certificate and its key.
///
/// # Errors
/// Why it could not.
pub(crate) fn try_out(tls: &Tls) -> anyhow::Result<()> {
    server::server_config(tls).map(drop)
}

/// All pages. Open to everyone: the sign-in pages and the assets; every other handler takes a `Visitor`.
fn routes(cfg: &mut ServiceConfig) {
    cfg.configure(assets::routes)
        .configure(sign_in::routes)
        .configure(host::routes)
        // Before the pots: one of its pages lies between theirs.
        .configure(network::routes)
        .configure(pots::routes)
        .configure(configuration::routes)
        .configure(operations::routes)
        .configure(runs::routes)
        .configure(activity::routes)
        .configure(history::routes)
        .configure(settings::routes)
        .configure(feedback::routes)
        .configure(guide::routes)
        .configure(search::routes)
        .configure(strip::routes)
        .default_service(route().to(guard::not_found));
}

/// Requests of one session that are worked on at a time; the others wait. A browser asks for some at once. The page that a
/// request makes, and what it is made of, are in memory until it is sent: one session's are not to be those of all its
/// connections.
const REQUESTS_AT_ONCE: usize = 6;

/// What the whole process shares.
pub(crate) struct State {
    /// The way to the executor.
    pub client: Client,
    /// What the executor handed over.
    pub start: Start,
    /// Becomes true when the server stops: event streams must end then.
    pub(crate) stopping: watch::Receiver<bool>,
    /// All open connections.
    pub connections: Connections,
    /// Each session's turns at having requests worked on.
    turns: Turns,
    /// Each session's turns at searching everything.
    searches: Turns,
    /// The journal's projection, for reading.
    pub history: Projection,
    /// Checks of the whole history.
    pub(crate) checks: history::Checks,
    /// Forms that were posted after their session had ended, until they are shown again.
    pub(crate) kept_forms: sign_in::KeptForms,
    /// What the executor told of the host.
    pub(crate) kept: kept::Kept,
    /// Answers of this second.
    pub(crate) repeated: repeated::Repeated,
    greeting: Mutex<Option<(Instant, Arc<Greeting>)>>,
    zone: RwLock<Option<TimeZone>>,
}

/// How long a greeting is taken for current. It carries the journal's alarm, which must not wait long.
const GREETING_AGE: Duration = Duration::from_secs(2);

impl State {
    fn new(client: Client, start: Start, stopping: watch::Receiver<bool>, history: Projection) -> Self {
        Self {
            client,
            start,
            stopping,
            connections: Connections::default(),
            turns: Turns::new(REQUESTS_AT_ONCE),
            searches: Turns::new(search::AT_ONCE),
            history,
            checks: history::Checks::default(),
            kept_forms: sign_in::KeptForms::default(),
            kept: kept::Kept::default(),
            repeated: repeated::Repeated::default(),
            greeting: Mutex::new(None),
            zone: RwLock::new(None),
        }
    }

    /// The session cookie's name. The prefix makes browsers refuse it unless it is Secure, for this host and all paths.
    pub(crate) fn cookie_name(&self) -> &'static str {
        if self.start.tls.is_some() { "__Host-pot-console" } else { "pot-console" }
    }

    /// What is known of the host before anyone is signed in, at most two seconds old.
    ///
    /// # Errors
    /// When the executor does not answer.
    pub async fn greeting(&self) -> Result<Arc<Greeting>, Fault> {
        if let Ok(kept) = self.greeting.lock()
            && let Some((at, greeting)) = kept.as_ref()
            && at.elapsed() < GREETING_AGE
        {
            return Ok(Arc::clone(greeting));
        }
        let greeting = Arc::new(self.client.ask(None, &Reported::default(), Command::Greeting {}).await?);
        if let Ok(mut kept) = self.greeting.lock() {
            *kept = Some((Instant::now(), Arc::clone(&greeting)));
        }
        Ok(greeting)
    }

    /// Who asks, and what a page about the host is made from; and whether all of `before` would be told as it was.
    ///
    /// # Errors
    /// The executor's refusal.
    async fn show(
        &self,
        asker: kept::Asker<'_>,
        follows: bool,
        before: Option<&[AskedBefore]>,
    ) -> Result<((SessionView, kept::Host), bool), Fault> {
        let (shown, same) = self.kept.show(&self.client, asker, follows, before).await?;
        self.remember_zone(&shown.1.told);
        Ok((shown, same))
    }

    /// Forgets the greeting, after something that changes it.
    pub(crate) fn forget_greeting(&self) {
        if let Ok(mut kept) = self.greeting.lock() {
            *kept = None;
        }
    }

    /// Times in the host's zone; UTC until it is known.
    pub fn clock(&self) -> Clock {
        Clock::now_in(self.zone.read().ok().and_then(|zone| zone.clone()).unwrap_or(TimeZone::UTC))
    }

    fn knows_zone(&self) -> bool {
        self.zone.read().is_ok_and(|zone| zone.is_some())
    }

    fn remember_zone(&self, told: &kept::KeptFacts) {
        let Some(zone_now) = told.zone() else { return };
        if self.zone.read().is_ok_and(|zone| zone.as_ref() == Some(zone_now)) {
            return;
        }
        if let Ok(mut zone) = self.zone.write() {
            *zone = Some(zone_now.clone());
        }
    }
}
