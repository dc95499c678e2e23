//! The HTTP server: listeners, TLS, connections, and how it stops.

use super::{Start, State, Tls, connection, guard, routes};
use crate::audit::{Projection, Store};
use crate::client::Client;
use crate::executor::protocol::Command;
use crate::journal::record::Reported;
use crate::platform;
use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::{App, HttpServer, middleware, web};
use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Two cores are what such hosts have to spare for a console.
const WORKERS: usize = 2;
/// Connections of one worker, those whose TLS handshake has not ended among them: more than [`connection::MOST_COUNTED`] in
/// all, so that a new one is always accepted and then judged by its share.
const CONNECTIONS: usize = 1024;
/// How often connections whose browsers take nothing are looked for.
const SWEEP: Duration = Duration::from_secs(5);
/// After how many of these what connections and pages have left in memory goes back to the system.
const SWEEPS_TO_TRIM: u64 = 12;
const _: () = assert!(WORKERS * CONNECTIONS > connection::MOST_COUNTED + 256);

/// How long connections that were accepted just before this process is to end may take to say what they want. Whoever
/// comes later is accepted by the process that takes over, from the same sockets.
const LAST_ACCEPTED: Duration = Duration::from_millis(700);

/// Serves until the executor is gone or a signal says to stop.
pub(super) fn run(listeners: Vec<TcpListener>, socket: UnixStream, start: Start) -> anyhow::Result<()> {
    actix_web::rt::System::new().block_on(serve(listeners, socket, start))
}

async fn serve(listeners: Vec<TcpListener>, socket: UnixStream, start: Start) -> anyhow::Result<()> {
    let tls = start.tls.as_ref().map(server_config).transpose()?;
    let client = Client::start(socket).context("talking to the executor")?;
    let ready = client.clone();
    let (stop, stopping) = watch::channel(false);
    let database = Store::open_or_begin(&start.database).await.context("opening the history's database")?;
    let history = Projection::follow(database, client.clone());
    let state = web::Data::new(State::new(client.clone(), start, stopping, history));

    actix_web::rt::spawn(close_when_asked(state.clone()));
    actix_web::rt::spawn(end_stalled(state.clone()));
    let (give_handle, handle) = tokio::sync::oneshot::channel::<ServerHandle>();
    let shared = state.clone();
    let connected = state.clone();
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .app_data(web::PayloadConfig::new(guard::LARGEST_FORM))
            .wrap(middleware::from_fn(guard::guard))
            .configure(routes)
    })
    .workers(WORKERS)
    .max_connections(CONNECTIONS)
    .keep_alive(KeepAlive::Timeout(Duration::from_secs(30)))
    .client_request_timeout(Duration::from_secs(10))
    .client_disconnect_timeout(Duration::from_secs(2))
    // Otherwise a closed event stream lives until a second write to it fails.
    .h1_allow_half_closed(false)
    .shutdown_timeout(5)
    .on_connect(move |stream, extensions| {
        if let Some(open) = connected.connections.accepted(stream) {
            extensions.insert(open);
        }
    })
    .shutdown_signal(async move {
        asked_to_stop(&client).await;
        if let Ok(handle) = handle.await {
            handle.pause().await;
            tokio::time::sleep(LAST_ACCEPTED).await;
        }
        // Streams that are not told would hold the server for the whole time that it allows itself.
        let _ = stop.send(true);
    });
    for listener in listeners {
        listener.set_nonblocking(true).context("preparing the listener")?;
        server = match &tls {
            Some(config) => server.listen_rustls_0_23(listener, config.clone()),
            None => server.listen(listener),
        }
        .context("listening")?;
    }
    let running = server.run();
    let _ = give_handle.send(running.handle());
    // The executor says where the console listens once someone listens.
    actix_web::rt::spawn(async move {
        if let Err(refusal) = ready.ask::<()>(None, &Reported::default(), Command::Ready {}).await {
            tracing::warn!("the executor did not take that this process is ready: {refusal}");
        }
    });
    running.await.context("serving")
}

/// SIGTERM, SIGINT, or the executor's end: without it nothing can be shown or done.
async fn asked_to_stop(client: &Client) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return client.closed().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = client.closed() => tracing::error!("the executor is gone"),
    }
}

/// How long an answer that is on its way may take when all connections are to end.
const CLOSING: Duration = Duration::from_millis(500);

/// Ends all connections when a change begins to wait for an answer, so that the answer must come over a new one.
async fn close_when_asked(state: web::Data<State>) {
    let mut hints = state.client.hints();
    let mut seen = hints.borrow_and_update().close_connections;
    while hints.changed().await.is_ok() {
        let asked = hints.borrow_and_update().close_connections;
        if asked != seen {
            seen = asked;
            state.connections.close_all(CLOSING).await;
        }
    }
}

/// Ends connections whose browsers take nothing of their answers.
async fn end_stalled(state: web::Data<State>) {
    for sweep in 1_u64.. {
        actix_web::rt::time::sleep(SWEEP).await;
        state.connections.end_stalled();
        state.repeated.forget_old();
        if sweep.is_multiple_of(SWEEPS_TO_TRIM) {
            platform::trim_memory();
        }
    }
}

pub(super) fn server_config(tls: &Tls) -> anyhow::Result<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(tls.cert_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .context("reading the certificate")?;
    let key = PrivateKeyDer::from_pem_slice(tls.key_pem.as_bytes()).context("reading the certificate's key")?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("setting up TLS")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("using the certificate")?;
    // HTTP/2 would carry several requests over one connection; that a new one arrives is evidence here.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
