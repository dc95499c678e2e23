//! The two processes: starts the web process, restarts it, hands over to a new one, ends it.
//!
//! The web process is the same binary in a clean image. It gets the control socket as descriptor 3 and the listening
//! sockets as 4 and on; all else it needs (certificate and key, user, folder) is the first frame on the control
//! socket, never an argument or the environment.

use super::core::Executor;
use super::frame;
use super::server::End;
use super::web_log;
use crate::journal::record::{Action, Outcome};
use crate::platform::{self, Signals, Wake};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest first frame in bytes: certificate chains are the largest part.
pub(crate) const MAX_START: usize = 4 << 20;
/// Environment variables that the web process gets.
const ENVIRONMENT: [&str; 2] = ["RUST_LOG", "RUST_BACKTRACE"];
/// First and longest pause before a web process that died is started again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// A web process that lived this long was sound: the pause begins anew.
const SOUND: Duration = Duration::from_mins(1);
/// How long a web process may take to end after it was asked to.
const DRAIN: Duration = Duration::from_secs(12);
/// How long a new one may take until it accepts, before the old one is asked to end all the same.
const READY: Duration = Duration::from_secs(20);
/// How often the state of things is looked at.
const TICK: Duration = Duration::from_millis(100);
/// The same until the first web process accepts connections, for as long as that usually takes.
const FIRST_TICK: Duration = Duration::from_millis(4);
const AWAITED: Duration = Duration::from_secs(5);

/// What the web process is told when it starts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartData {
    /// How many listening sockets were handed over.
    pub(crate) listeners: u16,
    /// Its folder, which becomes its root folder when it changes its user.
    pub folder: PathBuf,
    /// The user to become, when the executor is root.
    pub user: Option<WebUser>,
    /// What the server itself needs: a matter between the command line and the web module.
    pub server: serde_json::Value,
}

/// The user of the web process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebUser {
    /// User number, not 0.
    pub uid: u32,
    /// Group number, not 0.
    pub gid: u32,
}

/// Reads what this process, the web process, was started with. To be called first thing.
///
/// # Errors
/// It was not started by an executor.
pub(crate) fn receive_start() -> io::Result<(StartData, UnixStream, Vec<TcpListener>)> {
    let mut control = UnixStream::from(platform::inherited(3)?);
    let bytes = frame::read(&mut control, MAX_START)
        .map_err(io::Error::other)?
        .ok_or_else(|| io::Error::other("the executor ended before it said anything"))?;
    let data: StartData = frame::decode(&bytes).map_err(io::Error::other)?;
    let first_other = 4 + i32::from(data.listeners);
    platform::close_descriptors_from(first_other);
    let listeners = (4..first_other).map(|number| platform::inherited(number).map(TcpListener::from));
    let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
    Ok((data, control, listeners))
}

/// Gives up everything that the web process does not need, for good. Must be called while there is one thread.
///
/// # Errors
/// A step failed or could be undone: the process must end.
pub(crate) fn confine(data: &StartData) -> io::Result<()> {
    if let Some(user) = data.user {
        if user.uid == 0 || user.gid == 0 {
            return Err(io::Error::other("the web process must not be root"));
        }
        platform::chroot_to(&data.folder)?;
        platform::switch_user(user.uid, user.gid, &[])?;
    } else {
        if nix::unistd::geteuid().is_root() {
            return Err(io::Error::other("the web process must not be root"));
        }
        std::env::set_current_dir(&data.folder)?;
    }
    platform::no_new_privileges()?;
    platform::no_core_dumps()?;
    platform::no_tracing()?;
    platform::die_with_parent()
}

/// One web process and the thread that serves it.
struct WebProcess {
    child: Child,
    started: Instant,
    /// When it was asked to end.
    ending: Option<Instant>,
    /// Whether its connection has ended: without one it can only hold the listening sockets.
    cut_off: Arc<AtomicBool>,
}

impl WebProcess {
    fn ask_to_end(&mut self) {
        if self.ending.is_none() {
            self.ending = Some(Instant::now());
            let _ = kill(self.pid(), Signal::SIGTERM);
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }

    /// Its status in words once it has ended. One that was asked to end and does not is killed; one without a
    /// connection is asked to end, for it need not do so by itself when it was broken into.
    fn ended(&mut self) -> Option<String> {
        if self.cut_off.load(Ordering::Acquire) {
            self.ask_to_end();
        }
        if self.ending.is_some_and(|since| since.elapsed() > DRAIN) {
            let _ = self.child.kill();
        }
        Some(self.child.try_wait().ok()??.to_string())
    }
}

/// A new web process is tried while the one before goes on.
struct HandOver {
    /// The one that is known to serve, unless it has ended meanwhile.
    proven: Option<WebProcess>,
    /// What it was started with.
    data: StartData,
    /// The count of ready ones before the new one was started.
    ready: u64,
    since: Instant,
}

/// Keeps one web process alive until it is told to stop.
pub(crate) struct Supervisor {
    executor: Arc<Executor>,
    /// This binary. Its path is asked for once: an upgrade puts another file there, and then the system no longer
    /// knows where the running one stands.
    program: PathBuf,
    listeners: Vec<TcpListener>,
    data: StartData,
    present: Option<WebProcess>,
    old: Vec<WebProcess>,
    /// Threads that serve a web process; one may still be answering when its web process has gone.
    servers: Vec<JoinHandle<io::Result<End>>>,
    pause: Duration,
    restart_at: Option<Instant>,
    handing_over: Option<HandOver>,
}

impl Supervisor {
    /// A supervisor for these listening sockets.
    ///
    /// # Errors
    /// The system does not say where this binary stands.
    pub fn new(executor: Arc<Executor>, listeners: Vec<TcpListener>, data: StartData) -> io::Result<Self> {
        Ok(Self {
            executor,
            program: std::env::current_exe()?,
            listeners,
            data,
            present: None,
            old: Vec::new(),
            servers: Vec::new(),
            pause: BACK_OFF.0,
            restart_at: None,
            handing_over: None,
        })
    }

    /// Serves until SIGTERM or SIGINT. `on_ready` is called once when the first web process accepts connections,
    /// `on_reload` at each SIGHUP: it gives the new start data, or none to go on as before.
    ///
    /// Must be called by the thread that lives as long as the process: on Linux the web process dies with the thread
    /// that started it.
    ///
    /// # Errors
    /// Signals cannot be waited for, or the first web process cannot be started.
    pub fn run(
        mut self,
        signals: &mut Signals,
        mut on_ready: impl FnMut(),
        mut on_reload: impl FnMut() -> Option<StartData>,
    ) -> io::Result<()> {
        self.present = Some(self.start_web()?);
        let mut announced = false;
        let begun = Instant::now();
        loop {
            // Someone waits for the first page.
            let is_awaited = !announced && begun.elapsed() < AWAITED;
            match signals.wait(if is_awaited { FIRST_TICK } else { TICK })? {
                Some(Wake::Stop) => break,
                Some(Wake::Reload) => {
                    if let Some(data) = on_reload() {
                        self.hand_over(data);
                    }
                }
                Some(Wake::Child) | None => {}
            }
            if !announced && self.executor.web_processes_ready() > 0 {
                announced = true;
                on_ready();
            }
            self.look_after();
        }
        self.stop();
        Ok(())
    }

    fn start_web(&mut self) -> io::Result<WebProcess> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut descriptors: Vec<OwnedFd> = vec![theirs.into()];
        for listener in &self.listeners {
            descriptors.push(listener.try_clone()?.into());
        }
        let mut command = Command::new(&self.program);
        command.arg("web").env_clear().current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
        let (said, says) = io::pipe()?;
        command.stderr(says);
        for name in ENVIRONMENT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // Each thread that unpacks a log would keep memory of its own: glibc's variable, and that of FreeBSD's jemalloc.
        command.env("MALLOC_ARENA_MAX", "2").env("MALLOC_CONF", "narenas:2");
        platform::hand_over(&mut command, descriptors)?;
        let child = command.spawn()?;
        // With it goes this side's end of the pipe that the web process writes to.
        drop(command);
        std::thread::Builder::new().name("web-log".to_owned()).spawn(move || web_log::read(said, web_log::log))?;
        let mut start = frame::encode(&self.data).map_err(io::Error::other)?;
        let framed = frame::with_header(&start, MAX_START).map_err(io::Error::other);
        zeroize::Zeroize::zeroize(&mut start);
        let mut framed = framed?;
        io::Write::write_all(&mut &ours, &framed)?;
        zeroize::Zeroize::zeroize(&mut framed);
        let executor = Arc::clone(&self.executor);
        self.servers.retain(|server| !server.is_finished());
        let cut_off = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&cut_off);
        self.servers.push(std::thread::Builder::new().name("serve".to_owned()).spawn(move || {
            let end = executor.serve(ours);
            tell.store(true, Ordering::Release);
            end
        })?);
        Ok(WebProcess { child, started: Instant::now(), ending: None, cut_off })
    }

    /// A second web process accepts beside the first; once it does, the first is asked to end what it has begun.
    fn hand_over(&mut self, data: StartData) {
        let ready = self.executor.web_processes_ready();
        let former = std::mem::replace(&mut self.data, data);
        let new = match self.start_web() {
            Ok(new) => new,
            Err(error) => {
                self.data = former;
                return tracing::error!("no new web process could be started, the old one goes on: {error}");
            }
        };
        let before = self.present.replace(new);
        let (proven, data) = match self.handing_over.take() {
            // Asked again before the last new one served: that one is of no use any more.
            Some(under_way) => {
                self.let_go(before);
                (under_way.proven, under_way.data)
            }
            None => (before, former),
        };
        self.handing_over = Some(HandOver { proven, data, ready, since: Instant::now() });
        self.restart_at = None;
    }

    fn let_go(&mut self, web: Option<WebProcess>) {
        self.old.extend(web.map(|mut web| {
            web.ask_to_end();
            web
        }));
    }

    /// The new one has proved itself, or it goes and the one before stays: no certificate is worth an outage.
    fn look_after_hand_over(&mut self) {
        let Some(mut under_way) = self.handing_over.take() else { return };
        if self.executor.web_processes_ready() > under_way.ready {
            return self.let_go(under_way.proven);
        }
        if under_way.proven.as_mut().is_some_and(|web| web.ended().is_some()) {
            under_way.proven = None;
        }
        let failed = match self.present.as_mut().and_then(WebProcess::ended) {
            Some(status) => {
                self.present = None;
                Some(format!("ended ({status}) before it served"))
            }
            None if under_way.since.elapsed() > READY => Some("did not serve in time".to_owned()),
            None => None,
        };
        let Some(failed) = failed else {
            self.handing_over = Some(under_way);
            return;
        };
        let tried = self.present.take();
        self.let_go(tried);
        self.present = under_way.proven;
        self.data = under_way.data;
        let message = format!(
            "The new web process {failed}; the one before goes on, with the certificate and names from before."
        );
        tracing::error!("{message}");
        self.executor.record_process(message, Outcome::Failed);
    }

    fn look_after(&mut self) {
        self.look_after_hand_over();
        self.old.retain_mut(|old| old.ended().is_none());
        let lived = self.present.as_ref().map(|web| web.started.elapsed());
        if let Some(status) = self.present.as_mut().and_then(WebProcess::ended) {
            self.present = None;
            self.note_death(&status, lived.unwrap_or_default());
        }
        if self.present.is_none() && self.restart_at.is_none_or(|at| Instant::now() >= at) {
            match self.start_web() {
                Ok(web) => {
                    self.present = Some(web);
                    self.restart_at = None;
                }
                Err(error) => {
                    tracing::error!("the web process could not be started: {error}");
                    self.put_off();
                }
            }
        }
    }

    fn note_death(&mut self, status: &str, lived: Duration) {
        if lived >= SOUND {
            self.pause = BACK_OFF.0;
        }
        let message = format!("The web process ended ({status}); a new one is started.");
        tracing::error!("{message}");
        self.executor.record_process(message, Outcome::Failed);
        self.put_off();
    }

    fn put_off(&mut self) {
        self.restart_at = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(BACK_OFF.1);
    }

    fn all(&mut self) -> impl Iterator<Item = WebProcess> {
        let proven = self.handing_over.take().and_then(|under_way| under_way.proven);
        self.old.drain(..).chain(self.present.take()).chain(proven)
    }

    fn stop(&mut self) {
        self.executor.prepare_to_end();
        let mut all: Vec<WebProcess> = self.all().collect();
        all.iter_mut().for_each(WebProcess::ask_to_end);
        while !all.is_empty() {
            all.retain_mut(|web| web.ended().is_none());
            if !all.is_empty() {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        // A save that has begun is brought to its end.
        let give_up = Instant::now() + DRAIN;
        while self.servers.iter().any(|server| !server.is_finished()) && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Only when something went wrong before `stop`.
        for mut web in self.all() {
            let _ = web.child.kill();
            let _ = web.child.wait();
        }
    }
}

impl Executor {
    /// How many times a web process said that it accepts connections.
    fn web_processes_ready(&self) -> u64 {
        self.watching.hints.ready_count()
    }

    fn record_process(&self, message: String, outcome: Outcome) {
        self.evidence.record_own(Action::Process, "web process", outcome, message);
    }
}
