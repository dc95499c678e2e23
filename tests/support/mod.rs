//! Starts the real program on a simulated host for tests, and ends it with the test.

#![allow(dead_code, reason = "each test binary uses the verbs that it needs")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on says so")]

mod patience;

pub use patience::PATIENCE;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The password that every test console is started with.
pub const PASSWORD: &str = "correct horse battery staple";

/// A running `pot-console demo` on a loopback port of its own.
pub struct Demo {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// The simulated root.
    pub dir: PathBuf,
    /// What it printed so far, both streams.
    pub output: Arc<Mutex<String>>,
    _temporary: tempfile::TempDir,
}

impl Demo {
    /// Starts the console on a new simulated host.
    pub fn start(scenario: &str) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(temporary.path().join("password"), PASSWORD).expect("write the password file");
        let dir = temporary.path().join("host");
        let output = Arc::new(Mutex::new(String::new()));
        let (child, url) = serve(&dir, &["--listen", "127.0.0.1:0", "--scenario", scenario], &output);
        Self { child, url, dir, output, _temporary: temporary }
    }

    /// The same on a very large host with so many pots.
    pub fn start_huge(pots: u32) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(temporary.path().join("password"), PASSWORD).expect("write the password file");
        let dir = temporary.path().join("host");
        pot_console::simulator::build_huge_with_program(&dir, pots, program()).expect("a simulated root");
        let output = Arc::new(Mutex::new(String::new()));
        let (child, url) = serve(&dir, &["--listen", "127.0.0.1:0"], &output);
        Self { child, url, dir, output, _temporary: temporary }
    }

    /// Starts the console again on the same host and port, after [`Demo::kill`] or [`Demo::stop`].
    pub fn start_again(&mut self) {
        let address = self.url.trim_start_matches("http://").to_owned();
        self.output.lock().expect("output").clear();
        (self.child, self.url) = serve(&self.dir, &["--listen", &address], &self.output);
    }

    /// Ends the executor as a crash does, its web process with it.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill the demo");
        self.child.wait().expect("the demo's end");
        // The web process dies with it, a moment later.
        let address = self.url.trim_start_matches("http://");
        let begun = Instant::now();
        while std::net::TcpStream::connect(address).is_ok() {
            assert!(begun.elapsed() < PATIENCE, "{address} is still served");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Switches a fault of the simulated host on.
    pub fn fault(&self, text: &str) {
        pot_console::simulator::set_fault(&self.dir, text.parse().expect("a fault")).expect("set the fault");
    }

    /// Switches all faults off.
    pub fn heal(&self) {
        pot_console::simulator::clear_faults(&self.dir).expect("clear the faults");
    }

    /// What a simulated tool prints.
    pub fn tool(&self, tool: &str, arguments: &[&str]) -> String {
        let output = Command::new(self.path(tool)).args(arguments).output().expect("run the tool");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What of the network a revert has to give back.
    pub fn network(&self) -> String {
        let pfctl = |arguments: &[&str]| self.tool("/sbin/pfctl", arguments);
        let info = pfctl(&["-s", "info"]);
        let status = info.lines().find(|line| line.starts_with("Status")).unwrap_or_default();
        [
            status.split(" for ").next().unwrap_or_default().to_owned(),
            pfctl(&["-s", "rules"]),
            pfctl(&["-s", "nat"]),
            pfctl(&["-s", "nat", "-a", "pot-nat"]),
            self.tool("/sbin/sysctl", &["-n", "net.inet.ip.forwarding"]),
            self.tool("/sbin/ifconfig", &["-a"]),
        ]
        .join("\n")
    }

    /// Ends it as a service is stopped, with TERM: it ends its web process and puts back what nobody kept.
    pub fn stop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let begun = Instant::now();
        // As long as it may take to put back on a busy machine: killed sooner it could not keep its word.
        while begun.elapsed() < PATIENCE {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The executor's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The web process's id: the child of the executor that is called `pot-console web`; others are commands it runs.
    pub fn web_process(&self) -> String {
        let parent = self.child.id().to_string();
        let output = Command::new("pgrep").args(["-f", "-P", &parent, " web$"]).output().expect("pgrep");
        String::from_utf8_lossy(&output.stdout).lines().next().expect("a web process").to_owned()
    }

    /// A file of the simulated host.
    pub fn path(&self, host_path: &str) -> PathBuf {
        self.dir.join(host_path.trim_start_matches('/'))
    }

    /// The content of a file of the simulated host.
    pub fn read(&self, host_path: &str) -> String {
        std::fs::read_to_string(self.path(host_path)).unwrap_or_else(|error| panic!("{host_path}: {error}"))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Serves the host in this folder; its password file lies beside it. Gives the process and the address that it says.
fn serve(dir: &Path, arguments: &[&str], output: &Arc<Mutex<String>>) -> (Child, String) {
    let mut child = Command::new(program())
        .arg("demo")
        .args(arguments)
        .arg("--dir")
        .arg(dir)
        .arg("--password-file")
        .arg(dir.with_file_name("password"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start the demo");
    gather(child.stdout.take().expect("stdout"), output);
    gather(child.stderr.take().expect("stderr"), output);
    let begun = Instant::now();
    loop {
        let text = output.lock().expect("output").clone();
        if let Some(url) = text.lines().find_map(|line| line.strip_prefix("pot-console listening on ")) {
            return (child, url.to_owned());
        }
        let ended = child.try_wait().expect("state of the demo");
        assert!(ended.is_none(), "the demo ended with {ended:?}: {text}");
        assert!(begun.elapsed() < PATIENCE, "the demo does not serve: {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The binary under test.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_pot-console"))
}

fn gather(stream: impl Read + Send + 'static, into: &Arc<Mutex<String>>) {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut text = into.lock().expect("output");
            text.push_str(&line);
            text.push('\n');
        }
    });
}
