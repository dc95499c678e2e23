//! The two processes of the binary: what the web process still has, and how they begin, go on and end together.

use crate::main_path::until;
use crate::patience::PATIENCE;
use crate::rig::{PASSWORD, simulate};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pot_console::executor::local::Local;
use pot_console::executor::protocol::{Command as Ask, Records};
use pot_console::journal::record::{Action, Entry, Outcome, Role};
use pot_console::layout::Layout;
use pot_console::secret::Secret;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A started binary; killed when the test fails.
pub struct Started {
    pub child: Child,
    lines: mpsc::Receiver<String>,
}

impl Started {
    pub fn new(args: &[&str]) -> Self {
        Self::of(Path::new(env!("CARGO_BIN_EXE_pot-console")), args)
    }

    fn of(program: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(program).args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (send, lines) = mpsc::channel();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Self { child, lines }
    }

    fn line_with(&self, words: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line: {words}"));
            if line.contains(words) {
                return line;
            }
        }
    }

    pub fn address(&self) -> String {
        let line = self.line_with("pot-console listening on ");
        line.rsplit_once("://").unwrap().1.to_owned()
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    fn web(&self) -> i32 {
        let mut found = None;
        until("the web process", || {
            found = web_processes(self.pid()).first().copied();
            found.is_some()
        });
        found.unwrap()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Children of a process whose arguments end in `web`. /proc is asked, which only Linux has.
fn web_processes(parent: i32) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
        let is_child = fields.get(1).and_then(|field| field.parse::<i32>().ok()) == Some(parent);
        let is_zombie = fields.first() == Some(&"Z");
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if is_child && !is_zombie && arguments.ends_with(b"\0web\0") {
            found.push(pid);
        }
    }
    found
}

fn on_linux() -> bool {
    let linux = Path::new("/proc/self/status").exists();
    if !linux {
        eprintln!("the processes are looked at through /proc, which is not here: this is not tried");
    }
    linux
}

fn get(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET /sign-in HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

fn status(pid: i32, field: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:"))).unwrap_or_default().to_owned();
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_demo_serves_a_page_and_leaves_nothing_behind() {
    if !on_linux() {
        return;
    }
    let mut demo = Started::new(&["demo", "--listen", "127.0.0.1:0"]);
    let address = demo.address();
    assert!(demo.line_with("name:").ends_with("admin"));
    assert!(demo.line_with("password:").len() > 20);
    let host = demo.line_with("simulated, in ");
    let folder = PathBuf::from(host.split("simulated, in ").nth(1).unwrap().split(". ").next().unwrap());
    assert!(folder.join("etc/rc.conf").exists());
    assert!(get(&address).unwrap().starts_with("HTTP/1.1 200"));
    let web = demo.web();
    demo.signal(Signal::SIGTERM);
    assert!(demo.child.wait().unwrap().success());
    assert!(!folder.exists(), "{} was left behind", folder.display());
    assert!(!Path::new(&format!("/proc/{web}/status")).exists());
}

#[test]
fn the_web_process_has_nothing_left_that_is_roots() {
    if !on_linux() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let host = dir.path().join("host");
    let demo = Started::new(&["demo", "--listen", "127.0.0.1:0", "--dir", host.to_str().unwrap()]);
    let address = demo.address();
    let web = demo.web();
    let host = host.canonicalize().unwrap();
    if nix::unistd::geteuid().is_root() {
        let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
        for (field, id) in [("Uid", nobody.uid.as_raw()), ("Gid", nobody.gid.as_raw())] {
            assert_eq!(status(web, field), vec![id.to_string(); 4], "{field}");
        }
        let groups = status(web, "Groups");
        assert!(groups.iter().all(|group| *group == nobody.gid.to_string()), "{groups:?}");
        for field in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert!(status(web, field)[0].bytes().all(|digit| digit == b'0'), "{field}");
        }
        let root = std::fs::read_link(format!("/proc/{web}/root")).unwrap();
        assert_eq!(root, host.join("var/db/pot-console/web"));
        // Its root folder holds the history's copy and nothing else: no program, no device, no file of the host.
        for entry in std::fs::read_dir(format!("/proc/{web}/root")).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            assert!(name.starts_with("history.sqlite"), "{name} stands in the web process's root folder");
        }
        // As this user its own file can be read, root's cannot.
        let can_read = |path: &Path| {
            Command::new("setpriv")
                .args(["--reuid", "nobody", "--clear-groups", "cat"])
                .arg(path)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success()
        };
        let state = host.join("var/db/pot-console");
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        assert!(can_read(&state.join("web/history.sqlite")));
        assert!(state.join("root/accounts.json").exists());
        assert!(!can_read(&state.join("root/accounts.json")));
    } else {
        eprintln!("this is not root: that the web process changes its user is not tried here");
    }
    assert_eq!(status(web, "NoNewPrivs"), ["1"]);
    // A session of its own: it cannot type into the terminal that root started it from.
    let stat = std::fs::read_to_string(format!("/proc/{web}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    assert_eq!((fields[3], fields[4]), (web.to_string().as_str(), "0"), "session and terminal: {stat}");
    let limits = std::fs::read_to_string(format!("/proc/{web}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    // Open: nothing to read or write on standard input and output, a pipe to the executor's log, the control socket, the
    // listener, the runtime's own, its SQLite files. No file of the host, no folder, no terminal of root's.
    for entry in std::fs::read_dir(format!("/proc/{web}/fd")).unwrap().flatten() {
        let number: i32 = entry.file_name().to_str().unwrap().parse().unwrap();
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        let target = target.to_str().unwrap().to_owned();
        let own = ["socket:", "anon_inode:", "pipe:"].iter().any(|kind| target.starts_with(kind))
            || target.contains("/var/db/pot-console/web/");
        let own = match number {
            0 | 1 => target == "/dev/null",
            2 => target.starts_with("pipe:"),
            _ => own,
        };
        assert!(own, "descriptor {number} is {target}");
    }
    assert!(get(&address).is_some());
    let arguments = std::fs::read(format!("/proc/{web}/cmdline")).unwrap();
    assert_eq!(arguments.split(|byte| *byte == 0).count(), 3, "{}", String::from_utf8_lossy(&arguments));
}

#[test]
fn a_web_process_that_dies_is_started_again_and_one_without_executor_ends() {
    if !on_linux() {
        return;
    }
    let mut demo = Started::new(&["demo", "--listen", "127.0.0.1:0"]);
    let address = demo.address();
    let host = demo.line_with("simulated, in ");
    let first = demo.web();
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    until("another web process", || web_processes(demo.pid()).iter().any(|pid| *pid != first));
    assert!(get(&address).unwrap().starts_with("HTTP/1.1 200"));
    let second = demo.web();
    demo.child.kill().unwrap();
    demo.child.wait().unwrap();
    until("the web process's end", || {
        std::fs::read_to_string(format!("/proc/{second}/stat")).map_or(true, |stat| stat.contains(") Z"))
    });
    // Killed, it could not clean up.
    let folder = host.split("simulated, in ").nth(1).unwrap().split(". ").next().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_upgrade_of_the_binary_does_not_keep_the_web_process_from_coming_back() {
    if !on_linux() {
        return;
    }
    let installed = Path::new(env!("CARGO_BIN_EXE_pot-console"));
    let dir = tempfile::tempdir_in(installed.parent().unwrap()).unwrap();
    let (program, next) = (dir.path().join("pot-console"), dir.path().join("next"));
    std::fs::hard_link(installed, &program).unwrap();
    let host = dir.path().join("host");
    let demo = Started::of(&program, &["demo", "--listen", "127.0.0.1:0", "--dir", host.to_str().unwrap()]);
    let address = demo.address();
    let first = demo.web();
    // As pkg(8) does it: the old file goes, another has its name.
    std::fs::remove_file(&program).unwrap();
    std::fs::copy(installed, &next).unwrap();
    std::fs::rename(&next, &program).unwrap();
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    until("another web process", || web_processes(demo.pid()).iter().any(|pid| *pid != first));
    assert!(get(&address).unwrap().starts_with("HTTP/1.1 200"));
}

#[test]
fn inside_of_a_jail_nothing_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let layout = simulate(&dir.path().join("host"));
    let state = layout.on_disk("/var/db/simulated-host/state.json");
    let text = std::fs::read_to_string(&state).unwrap();
    let (free, jailed) = ("\"security.jail.jailed\":\"0\"", "\"security.jail.jailed\":\"1\"");
    assert!(text.contains(free), "{text}");
    std::fs::write(&state, text.replace(free, jailed)).unwrap();
    let tried = Command::new(env!("CARGO_BIN_EXE_pot-console"))
        .args(["--root", layout.root().to_str().unwrap(), "serve"])
        .output()
        .unwrap();
    assert!(!tried.status.success());
    let said = String::from_utf8_lossy(&tried.stderr).into_owned();
    assert!(said.contains("this is a jail"), "{said}");
    assert!(!layout.private().exists(), "something was begun");
}

#[test]
fn a_folder_that_another_user_could_exchange_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let layout = simulate(&dir.path().join("host"));
    drop(Local::open(&layout).unwrap());
    std::fs::set_permissions(layout.state(), std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(Local::open(&layout).is_err());
    std::fs::set_permissions(layout.state(), std::fs::Permissions::from_mode(0o755)).unwrap();
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(layout.state(), Some(1234), None).unwrap();
        assert!(Local::open(&layout).is_err());
    }
}

/// A certificate and its key, as PEM.
fn pair() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_certificate_that_does_not_fit_its_key_is_no_outage() {
    use std::os::unix::fs::PermissionsExt as _;
    if !on_linux() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let layout = simulate(&dir.path().join("host"));
    let (chain, key) = (layout.on_disk("/usr/local/etc/chain.pem"), layout.on_disk("/usr/local/etc/key.pem"));
    let (first, second) = (pair(), pair());
    std::fs::write(&chain, &first.0).unwrap();
    std::fs::write(&key, &first.1).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = dir.path().join("settings.toml");
    let text = "listen = [\"127.0.0.1:0\"]\nuser = \"nobody\"\n[tls]\ncertificate = \"/usr/local/etc/chain.pem\"\nkey = \"/usr/local/etc/key.pem\"\n";
    std::fs::write(&settings, text).unwrap();
    let root = layout.root().to_str().unwrap();
    let mut serve = Started::new(&["--root", root, "serve", "--config", settings.to_str().unwrap()]);
    let address = serve.address();
    let connect = || {
        let stream = TcpStream::connect(&address).expect("refused");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        presented(stream)
    };
    let (old_web, old) = (serve.web(), connect());

    // The chain was renewed, its key not yet.
    std::fs::write(&chain, &second.0).unwrap();
    serve.signal(Signal::SIGHUP);
    let mut local = Local::open(&layout).unwrap();
    until("the new one given up", || {
        let Ok(Records { records, .. }) = local.ask(Ask::JournalAfter { after: 0, limit: 1000 }) else { panic!() };
        assert_eq!(connect(), old);
        records.iter().any(|record| {
            record.entry.outcome == Some(Outcome::Refused)
                && record.entry.message.contains("the certificate cannot be used")
        })
    });
    assert_eq!(web_processes(serve.pid()), [old_web], "no web process was started with it");
    assert_eq!(connect(), old);
    // A certificate that root named is one that browsers may insist on.
    assert!(head_over_tls(&address).to_ascii_lowercase().contains("\r\nstrict-transport-security: max-age="));

    std::fs::write(&key, &second.1).unwrap();
    serve.signal(Signal::SIGHUP);
    until("the new certificate", || connect() != old);
    until("the old web process's end", || !web_processes(serve.pid()).contains(&old_web));
    serve.signal(Signal::SIGTERM);
    assert!(serve.child.wait().unwrap().success());
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_before_anything_is_served() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let layout = simulate(&dir.path().join("host"));
    let (chain, key) = (layout.on_disk("/usr/local/etc/chain.pem"), layout.on_disk("/usr/local/etc/key.pem"));
    std::fs::write(&chain, pair().0).unwrap();
    let settings = dir.path().join("settings.toml");
    let text = "listen = [\"127.0.0.1:0\"]\nuser = \"nobody\"\n[tls]\ncertificate = \"/usr/local/etc/chain.pem\"\nkey = \"/usr/local/etc/key.pem\"\n";
    std::fs::write(&settings, text).unwrap();
    // Another certificate's key, and what only looks like one.
    let looks_so = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned();
    for key_pem in [pair().1, looks_so] {
        std::fs::write(&key, key_pem).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let tried = Command::new(env!("CARGO_BIN_EXE_pot-console"))
            .args(["--root", layout.root().to_str().unwrap(), "serve", "--config", settings.to_str().unwrap()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&tried.stderr).into_owned();
        assert!(!tried.status.success() && said.contains("the certificate cannot be used: "), "{said}");
        assert!(!said.contains("PRIVATE KEY") && !said.contains("a new one is started"), "{said}");
    }
}

#[test]
fn a_demo_goes_on_with_its_folder_and_takes_the_password_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let (host, file) = (dir.path().join("host"), dir.path().join("password"));
    std::fs::write(&file, "a password from a file\n").unwrap();
    let args =
        ["demo", "--listen", "127.0.0.1:0", "--dir", host.to_str().unwrap(), "--password-file", file.to_str().unwrap()];
    for round in 0..2 {
        let mut demo = Started::new(&args);
        demo.address();
        let layout = Layout::new(&host.canonicalize().unwrap(), None);
        if round == 0 {
            let mut text = std::fs::read(layout.pot_conf()).unwrap();
            text.extend_from_slice(b"# kept\n");
            std::fs::write(layout.pot_conf(), text).unwrap();
        } else {
            assert!(std::fs::read_to_string(layout.pot_conf()).unwrap().ends_with("# kept\n"));
        }
        demo.signal(Signal::SIGINT);
        assert!(demo.child.wait().unwrap().success());
    }
    let mut wrong = Started::new(&["demo", "--listen", "127.0.0.1:0", "--dir", dir.path().to_str().unwrap()]);
    assert!(!wrong.child.wait().unwrap().success(), "a folder with other things in it was taken");
}

#[test]
fn a_new_certificate_is_handed_over_without_a_refused_connection() {
    if !on_linux() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let layout = simulate(&dir.path().join("host"));
    Local::open(&layout)
        .unwrap()
        .ask::<()>(Ask::AddAccount { name: "anna".into(), role: Role::Admin, password: Secret(PASSWORD.into()) })
        .unwrap();
    let settings = dir.path().join("settings.toml");
    std::fs::write(&settings, "listen = [\"127.0.0.1:0\"]\nuser = \"nobody\"\n").unwrap();
    let root = layout.root().to_str().unwrap();
    let mut serve = Started::new(&["--root", root, "serve", "--config", settings.to_str().unwrap()]);
    let fingerprint = serve.line_with("fingerprint");
    let address = serve.address();
    let before = serve.web();
    let certificate = |address: &str| {
        let stream = TcpStream::connect(address).expect("refused");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        presented(stream)
    };
    let first = certificate(&address);
    assert!(fingerprint.ends_with(&first), "{fingerprint} {first}");
    assert!(!head_over_tls(&address).to_ascii_lowercase().contains("strict-transport-security"));

    // Broken settings change nothing; then another certificate.
    std::fs::write(&settings, "listen = 7").unwrap();
    serve.signal(Signal::SIGHUP);
    let mut local = Local::open(&layout).unwrap();
    until("a record of the settings that were not taken", || {
        let Ok(Records { records, .. }) = local.ask(Ask::JournalAfter { after: 0, limit: 1000 }) else { panic!() };
        let refused = |entry: &Entry| entry.action == Action::Settings && entry.outcome == Some(Outcome::Refused);
        records.iter().any(|record| refused(&record.entry) && record.entry.message.contains("listen"))
    });
    drop(local);
    assert_eq!(certificate(&address), first);
    let text = "listen = [\"127.0.0.1:0\"]\nuser = \"nobody\"\nidle_minutes = 10\ncommand_seconds = 5\n";
    std::fs::write(&settings, text).unwrap();
    std::fs::remove_dir_all(layout.private().join("tls")).unwrap();
    serve.signal(Signal::SIGHUP);
    let mut connections = 0;
    until("the new certificate", || {
        connections += 1;
        certificate(&address) != first
    });
    until("the old web process's end", || {
        connections += 1;
        certificate(&address);
        !web_processes(serve.pid()).contains(&before)
    });
    assert!(connections > 2);
    let second = certificate(&address);
    assert_ne!(second, first);
    // Announced in the terminal and in the history, so that whoever sees another one knows.
    assert!(serve.line_with("fingerprint").ends_with(&second));
    let Ok(Records { records, .. }) = Local::open(&layout).unwrap().ask(Ask::JournalAfter { after: 0, limit: 1000 })
    else {
        panic!()
    };
    let taken =
        |entry: &Entry| entry.action == Action::Settings && entry.message.contains("command_seconds from 120 to 5");
    assert!(records.iter().any(|record| taken(&record.entry)), "how long a command may take is not said to be taken");
    for (shown, named) in [(&first, "localhost"), (&second, "127.0.0.1")] {
        let told = |entry: &Entry| entry.object == "certificate" && entry.message.ends_with(shown.as_str());
        assert!(records.iter().any(|record| told(&record.entry) && record.entry.message.contains(named)));
    }

    // Under load, too, nobody notices but by the certificate.
    let before = serve.web();
    let over = std::sync::atomic::AtomicBool::new(false);
    let (answered, failed) = std::thread::scope(|scope| {
        let browsers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let (mut answered, mut failed) = (0, Vec::new());
                    while !over.load(std::sync::atomic::Ordering::Relaxed) {
                        match get_over_tls(&address) {
                            Ok(()) => answered += 1,
                            Err(error) => failed.push(error.to_string()),
                        }
                    }
                    (answered, failed)
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        serve.signal(Signal::SIGHUP);
        until("the old web process's end", || !web_processes(serve.pid()).contains(&before));
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        let all = browsers.into_iter().map(|browser| browser.join().unwrap());
        all.fold((0, Vec::new()), |(sum, mut list), (answered, failed)| {
            list.extend(failed);
            (sum + answered, list)
        })
    });
    assert!(answered > 16 && failed.is_empty(), "{answered} answers, and {failed:?}");
    serve.signal(Signal::SIGTERM);
    assert!(serve.child.wait().unwrap().success());
}

/// The SHA-256 fingerprint of the certificate that a server presents.
fn presented(stream: TcpStream) -> String {
    let (mut connection, mut stream) = (tls_connection(), stream);
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).unwrap();
    }
    let presented = connection.peer_certificates().unwrap()[0].to_vec();
    let digest = pot_console::digest::Digest::of(&presented);
    digest.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// The head of the answer to a question over a connection of its own.
fn head_over_tls(address: &str) -> String {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = rustls::StreamOwned::new(tls_connection(), stream);
    write!(stream, "GET /sign-in HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // The end of the connection without TLS's own word for it is an end, too.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split("\r\n\r\n").next().unwrap_or_default().to_owned()
}

/// Asks for a page over a connection of its own.
fn get_over_tls(address: &str) -> std::io::Result<()> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut stream = rustls::StreamOwned::new(tls_connection(), stream);
    write!(stream, "GET /sign-in HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut begin = [0; 12];
    stream.read_exact(&mut begin)?;
    if begin == *b"HTTP/1.1 200" {
        Ok(())
    } else {
        Err(std::io::Error::other(String::from_utf8_lossy(&begin).into_owned()))
    }
}

/// A client that takes any certificate.
fn tls_connection() -> rustls::ClientConnection {
    use rustls::pki_types::ServerName;
    #[derive(Debug)]
    struct Any;
    impl rustls::client::danger::ServerCertVerifier for Any {
        fn verify_server_cert(
            &self,
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &[rustls::pki_types::CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: rustls::pki_types::UnixTime,
        ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
            Ok(rustls::client::danger::ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }
        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }
        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
        }
    }
    let config = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(std::sync::Arc::new(Any))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    rustls::ClientConnection::new(config.into(), name).unwrap()
}
