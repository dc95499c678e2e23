//! A simulated host with an executor, and the web process's end of the socket as raw bytes.

use crate::patience::PATIENCE;
use pot_console::digest::Digest;
use pot_console::executor::End;
use pot_console::executor::Executor;
use pot_console::executor::local::Local;
use pot_console::executor::protocol::{
    Command, ConfigurationView, Message, Records, Reply, Request, SignedIn, VERSION,
};
use pot_console::journal::record::{Record, Reported, Role};
use pot_console::layout::Layout;
use pot_console::potconf::{Edit, Name};
use pot_console::refusal::{Refusal, RefusalKind};
use pot_console::secret::Secret;
use pot_console::settings::Settings;
use pot_console::simulator::{Scenario, build_with_program};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

pub const PASSWORD: &str = "correct horse battery";

/// A number that a long run multiplies: `POT_CONSOLE_LONG=1`.
pub fn many(normally: usize, long: usize) -> usize {
    if std::env::var_os("POT_CONSOLE_LONG").is_some() { long } else { normally }
}

/// A simulated host in a folder.
pub fn simulate(dir: &Path) -> Layout {
    build_with_program(dir, Scenario::Default, Path::new(env!("CARGO_BIN_EXE_pot-console"))).unwrap();
    Layout::new(&dir.canonicalize().unwrap(), None)
}

/// A running executor of a simulated host.
pub struct Rig {
    pub layout: Layout,
    pub executor: Arc<Executor>,
    watch: Option<JoinHandle<()>>,
    dir: tempfile::TempDir,
}

impl Rig {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = simulate(&dir.path().join("host"));
        Self::on(layout, dir)
    }

    pub fn on(layout: Layout, dir: tempfile::TempDir) -> Self {
        {
            let mut local = Local::open(&layout).unwrap();
            for (name, role) in [("anna", Role::Admin), ("olaf", Role::Operator), ("vera", Role::Viewer)] {
                let password = Secret(PASSWORD.to_owned());
                local.ask::<()>(Command::AddAccount { name: name.to_owned(), role, password }).unwrap();
            }
        }
        Self::open(layout, Settings::default(), dir)
    }

    /// On a host that has accounts.
    pub fn open(layout: Layout, settings: Settings, dir: tempfile::TempDir) -> Self {
        let (executor, opening) = Executor::open(&layout, settings).unwrap();
        let watch = executor.begin_serving(&opening).unwrap();
        Self { layout, executor, watch: Some(watch), dir }
    }

    /// Ends serving and hands over the folder of the host.
    pub fn end(mut self) -> tempfile::TempDir {
        self.stop();
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }

    fn stop(&mut self) {
        self.executor.end_serving();
        if let Some(watch) = self.watch.take() {
            let _ = watch.join();
        }
    }

    /// A new connection, served by a thread of its own.
    pub fn connect(&self) -> Wire {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let executor = Arc::clone(&self.executor);
        let server = std::thread::spawn(move || executor.serve(theirs).unwrap());
        Wire { server: Some(server), ..Wire::over(ours) }
    }

    /// The token of a new session.
    pub fn sign_in(&self, name: &str) -> Secret {
        let command = Command::SignIn { name: name.to_owned(), password: Secret(PASSWORD.to_owned()) };
        match self.connect().ask(None, command).unwrap() {
            Reply::SignedIn(SignedIn { token, .. }) => token,
            other => panic!("{other:?}"),
        }
    }

    pub fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        let mut wire = self.connect();
        loop {
            let after = records.last().map_or(0, |record: &Record| record.sequence);
            match wire.ask(None, Command::JournalAfter { after, limit: 1000 }).unwrap() {
                Reply::Records(Records { records: some, .. }) if some.is_empty() => return records,
                Reply::Records(Records { records: some, .. }) => records.extend(some),
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn pot_conf(&self) -> Vec<u8> {
        std::fs::read(self.layout.pot_conf()).unwrap()
    }

    /// Everything that a hostile web process must not change: all files of the host and the console but the journal.
    pub fn state_of_the_host(&self) -> Vec<(std::path::PathBuf, Digest)> {
        let mut files = Vec::new();
        collect(self.layout.root(), &mut files);
        let private = self.layout.private();
        // The key for checkpoints is made in the background when the journal is looked through for pruning.
        let may_grow =
            [private.join("journal"), private.join("keys"), self.layout.on_disk("/var/log/pot-console.head")];
        // The lock file holds who had it last; what is known of watched files is written when the console looks.
        let may_change = [private.join("change.lock"), private.join("watched.json"), private.join("backups")];
        let free: Vec<_> = may_grow.iter().chain(&may_change).collect();
        files.retain(|(path, _)| {
            !free.iter().any(|other| path.starts_with(other) || *path == unfinished(other))
                && !path.ends_with("sim.lock")
        });
        files.sort();
        files
    }
}

/// The name under which a file is written before it replaces the old one.
fn unfinished(path: &Path) -> std::path::PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.pot-console"))
}

/// Adds every small file below `dir`. A name that goes between listing and reading was the unfinished one of a file that
/// the console writes in the background; it is in no list.
fn collect(dir: &Path, files: &mut Vec<(std::path::PathBuf, Digest)>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let read = || -> std::io::Result<Option<Digest>> {
            let found = entry.metadata()?;
            let small = found.is_file() && found.len() < 1 << 20;
            small.then(|| std::fs::read(&path).map(|bytes| Digest::of(&bytes))).transpose()
        };
        match read() {
            Ok(None) if entry.file_type().is_ok_and(|kind| kind.is_dir()) => collect(&path, files),
            Ok(None) => {}
            Ok(Some(digest)) => files.push((path, digest)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One end of a control socket.
pub struct Wire {
    pub socket: UnixStream,
    /// What the browser carries of earlier visits.
    pub known: Vec<Secret>,
    /// Whether what is asked is asked by a page that follows something.
    pub follows: bool,
    next: u64,
    server: Option<JoinHandle<End>>,
}

impl Wire {
    /// Over a socket that someone else serves.
    pub fn over(socket: UnixStream) -> Self {
        Self { socket, known: Vec::new(), follows: false, next: 1, server: None }
    }

    /// Sends bytes as they are; the executor may have closed its side.
    pub fn send_raw(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    /// Sends bytes as a frame.
    pub fn send_frame(&mut self, bytes: &[u8]) -> bool {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        self.send_raw(&[&length[..], bytes].concat())
    }

    /// The next message; none when the executor closed the connection.
    pub fn receive(&mut self) -> Option<Message> {
        let mut header = [0; 4];
        self.socket.read_exact(&mut header).ok()?;
        let mut bytes = vec![0; u32::from_be_bytes(header) as usize];
        self.socket.read_exact(&mut bytes).ok()?;
        Some(serde_json::from_slice(&bytes).unwrap())
    }

    /// Asks and waits for the answer; hints are passed over.
    pub fn ask(&mut self, token: Option<&Secret>, command: Command) -> Result<Reply, Refusal> {
        self.ask_from(token, Reported::default(), command)
    }

    pub fn ask_from(&mut self, token: Option<&Secret>, reported: Reported, command: Command) -> Result<Reply, Refusal> {
        let id = self.next;
        self.next += 1;
        let (known, follows) = (self.known.clone(), self.follows);
        let request = Request { version: VERSION, id, token: token.cloned(), known, follows, reported, command };
        assert!(self.send_frame(&serde_json::to_vec(&request).unwrap()), "the executor closed the connection");
        loop {
            match self.receive().expect("the executor closed the connection") {
                Message::Reply { id: answered, result } if answered == id => return result.map(|reply| *reply),
                Message::Reply { .. } | Message::Hint(_) => {}
            }
        }
    }

    pub fn configuration(&mut self, token: Option<&Secret>) -> ConfigurationView {
        match self.ask(token, Command::Configuration {}).unwrap() {
            Reply::Configuration(view) => view,
            other => panic!("{other:?}"),
        }
    }

    /// Closes our side and tells how serving ended.
    pub fn end(mut self) -> End {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        self.server.take().unwrap().join().unwrap()
    }
}

pub fn edit(name: &str, value: &str) -> Edit {
    Edit::set(Name::try_from(name).unwrap(), value)
}

pub fn save(base: Digest, edits: Vec<Edit>) -> Command {
    Command::Save { base, edits, reason: None, accept_errors: false }
}

pub fn kind<T: std::fmt::Debug>(result: Result<T, Refusal>) -> RefusalKind {
    match result {
        Err(refusal) => refusal.kind,
        Ok(reply) => panic!("not refused: {reply:?}"),
    }
}
