//! Starts the real program on a simulated host for tests, and ends it with the test.

#![allow(dead_code, reason = "each test binary uses the verbs that it needs")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on says so")]

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
        let dir = temporary.path().join("host");
        Self::start_in(temporary, dir, scenario)
    }

    /// Starts the console again on the same host, after [`Demo::stop`].
    fn start_in(temporary: tempfile::TempDir, dir: PathBuf, scenario: &str) -> Self {
        let password = temporary.path().join("password");
        std::fs::write(&password, PASSWORD).expect("write the password file");
        let mut child = Command::new(program())
            .args(["demo", "--listen", "127.0.0.1:0", "--scenario", scenario, "--dir"])
            .arg(&dir)
            .arg("--password-file")
            .arg(&password)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the demo");
        let output = Arc::new(Mutex::new(String::new()));
        gather(child.stdout.take().expect("stdout"), &output);
        gather(child.stderr.take().expect("stderr"), &output);
        let begun = Instant::now();
        let url = loop {
            let text = output.lock().expect("output").clone();
            if let Some(url) =
                text.lines().find_map(|line| line.strip_prefix("pot-console listening on ")).map(str::to_owned)
            {
                break url;
            }
            let ended = child.try_wait().expect("state of the demo");
            assert!(ended.is_none(), "the demo ended with {ended:?}: {text}");
            assert!(begun.elapsed() < Duration::from_secs(60), "the demo did not serve within a minute: {text}");
            std::thread::sleep(Duration::from_millis(20));
        };
        Self { child, url, dir, output, _temporary: temporary }
    }

    /// The executor's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
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
        // TERM first: the demo ends its web process and removes nothing of ours.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
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
