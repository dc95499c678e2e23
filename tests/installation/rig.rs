//! A simulated host with the package's rc.d script, and the command line on it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Where what is made here stands.
pub const SETTINGS: &str = "/usr/local/etc/pot-console.toml";
pub const PRIVATE: &str = "/var/db/pot-console/root";
pub const WEB: &str = "/var/db/pot-console/web";
const SCRIPT: &str = "/usr/local/etc/rc.d/pot_console";

/// A host; its service is stopped at the end.
pub struct Host {
    folder: TempDir,
    /// An address of this machine that was free.
    pub listen: String,
}

impl Host {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let done = console().arg("simulate").arg(folder.path().join("root")).output().unwrap();
        assert!(done.status.success(), "{}", text(&done.stderr));
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let host = Self { folder, listen };
        host.write(SCRIPT, "#!/bin/sh\n# The package's; the simulated service(8) carries it out itself.\n", 0o555);
        host
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub fn path(&self, host_path: &str) -> PathBuf {
        self.root().join(host_path.trim_start_matches('/'))
    }

    pub fn read(&self, host_path: &str) -> String {
        fs::read_to_string(self.path(host_path)).unwrap_or_else(|error| panic!("{host_path}: {error}"))
    }

    pub fn write(&self, host_path: &str, text: &str, mode: u32) {
        let path = self.path(host_path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn remove_script(&self) {
        fs::remove_file(self.path(SCRIPT)).unwrap();
    }

    pub fn mode(&self, host_path: &str) -> u32 {
        self.path(host_path).symlink_metadata().unwrap().mode() & 0o7777
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = console();
        command.arg("--root").arg(self.root()).args(args);
        command
    }

    pub fn run(&self, args: &[&str]) -> Said {
        Said::of(&self.command(args).output().unwrap())
    }

    /// The same with something on standard input.
    pub fn typed(&self, args: &[&str], input: &str) -> Said {
        let mut command = self.command(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that refuses at once reads nothing.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Said::of(&child.wait_with_output().unwrap())
    }

    /// The same, killed where it passes a place.
    pub fn killed_at(&self, place: &str, args: &[&str]) -> Said {
        Said::of(&self.command(args).env("POT_CONSOLE_CRASH_AT", place).output().unwrap())
    }

    pub fn set_up(&self) -> Said {
        let said = self.run(&["setup", "--yes", "--listen", &self.listen]);
        assert_eq!(said.status, Some(0), "{}", said.all());
        said
    }

    pub fn tool(&self, tool: &str, args: &[&str]) -> Said {
        Said::of(&Command::new(self.path(tool)).args(args).stdin(Stdio::null()).output().unwrap())
    }

    pub fn fault(&self, text: &str) {
        pot_console::simulator::set_fault(&self.root(), text.parse().unwrap()).unwrap();
    }

    pub fn heal(&self) {
        pot_console::simulator::clear_faults(&self.root()).unwrap();
    }

    pub fn runs(&self) -> bool {
        self.tool("usr/sbin/service", &["pot_console", "status"]).status == Some(0)
    }

    /// Everything on the host but what its own tools note and what runs write: path, mode, owner, content.
    pub fn tree(&self) -> BTreeMap<String, (u32, u32, Vec<u8>)> {
        let mut tree = BTreeMap::new();
        collect(&self.root(), &self.root(), &mut tree);
        tree
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.heal();
        let _ = Command::new(self.path("usr/sbin/service")).args(["pot_console", "stop"]).output();
    }
}

fn collect(root: &Path, folder: &Path, tree: &mut BTreeMap<String, (u32, u32, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if name.starts_with("var/db/simulated-host") || name.starts_with("var/run") || name == "var/log/pot-console.log"
        {
            continue;
        }
        let found = path.symlink_metadata().unwrap();
        let content = if found.is_file() && found.len() < 1 << 20 { fs::read(&path).unwrap() } else { Vec::new() };
        tree.insert(name, (found.mode(), found.uid(), content));
        if found.is_dir() {
            collect(root, &path, tree);
        }
    }
}

/// The names of what differs between two trees.
pub fn differences(
    before: &BTreeMap<String, (u32, u32, Vec<u8>)>,
    after: &BTreeMap<String, (u32, u32, Vec<u8>)>,
) -> Vec<String> {
    let names = before.keys().chain(after.keys()).collect::<std::collections::BTreeSet<_>>();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

/// What a command said.
pub struct Said {
    /// None: it was killed.
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        Self { status: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    pub fn all(&self) -> String {
        format!("{:?}\n{}{}", self.status, self.out, self.err)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.all()))
    }

    /// The verdict of a row of `--check` or `selftest`.
    pub fn verdict(&self, id: &str) -> String {
        let json = self.json();
        let line = json["lines"].as_array().unwrap().iter().find(|line| line["id"] == id).cloned();
        line.unwrap_or_else(|| panic!("no row {id}: {}", self.all()))["verdict"].as_str().unwrap().to_owned()
    }
}

pub fn console() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pot-console"));
    command.env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// This machine's name, as `setup --remove --purge` wants it typed.
pub fn host_name() -> String {
    nix::unistd::gethostname().unwrap().into_string().unwrap()
}

/// The one-time code that setup printed.
pub fn code_of(said: &Said) -> String {
    let line = said.out.lines().last().unwrap_or_default();
    let code = line.strip_prefix("One-time code for the first account:").map(str::trim);
    code.unwrap_or_else(|| panic!("the code comes last: {}", said.all())).to_owned()
}
