//! The web process's side of the border.

use super::protocol::{Command, Hint, Refusal, RefusalKind, Reply, Secret};
use crate::journal::record::Reported;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use tokio::sync::watch;

/// Asks the executor.
#[derive(Clone)]
pub struct Client {
    hints: Arc<watch::Sender<Hint>>,
}

impl Client {
    /// Starts on the socket.
    /// # Errors
    /// The socket cannot be used.
    pub fn start(_socket: UnixStream) -> std::io::Result<Self> {
        Ok(Self { hints: Arc::new(watch::channel(Hint::default()).0) })
    }

    /// Asks one thing.
    pub async fn ask(
        &self,
        _token: Option<&Secret>,
        _reported: &Reported,
        _command: Command,
    ) -> Result<Reply, Refusal> {
        std::future::ready(Err(Refusal::new(RefusalKind::Failed, "the executor is not built yet"))).await
    }

    /// Opens a log file.
    pub async fn open_log(
        &self,
        _token: Option<&Secret>,
        _reported: &Reported,
        _generation: u32,
    ) -> Result<(std::fs::File, u64), Refusal> {
        std::future::ready(Err(Refusal::new(RefusalKind::Failed, "the executor is not built yet"))).await
    }

    /// What grew.
    pub fn hints(&self) -> watch::Receiver<Hint> {
        self.hints.subscribe()
    }

    /// Ends when the executor is gone.
    pub async fn closed(&self) {
        std::future::pending::<()>().await;
    }
}
