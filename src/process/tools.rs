//! The closed list of programs that the console starts, and where they stand.

use crate::layout::Layout;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A program that the console may start. There is no other way to start one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is the program of that name")]
pub enum Tool {
    FreebsdVersion,
    Getent,
    Hostname,
    Ifconfig,
    Jls,
    Kldload,
    Kldstat,
    Kldunload,
    Logger,
    Netstat,
    Newsyslog,
    Pfctl,
    Ping,
    Pkg,
    Pot,
    Potnet,
    Pw,
    Route,
    Sendmail,
    Service,
    Sysctl,
    Sysrc,
    Uname,
    Zfs,
    Zpool,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::FreebsdVersion,
        Self::Getent,
        Self::Hostname,
        Self::Ifconfig,
        Self::Jls,
        Self::Kldload,
        Self::Kldstat,
        Self::Kldunload,
        Self::Logger,
        Self::Netstat,
        Self::Newsyslog,
        Self::Pfctl,
        Self::Ping,
        Self::Pkg,
        Self::Pot,
        Self::Potnet,
        Self::Pw,
        Self::Route,
        Self::Sendmail,
        Self::Service,
        Self::Sysctl,
        Self::Sysrc,
        Self::Uname,
        Self::Zfs,
        Self::Zpool,
    ];

    /// The name of its file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FreebsdVersion => "freebsd-version",
            Self::Getent => "getent",
            Self::Hostname => "hostname",
            Self::Ifconfig => "ifconfig",
            Self::Jls => "jls",
            Self::Kldload => "kldload",
            Self::Kldstat => "kldstat",
            Self::Kldunload => "kldunload",
            Self::Logger => "logger",
            Self::Netstat => "netstat",
            Self::Newsyslog => "newsyslog",
            Self::Pfctl => "pfctl",
            Self::Ping => "ping",
            Self::Pkg => "pkg",
            Self::Pot => "pot",
            Self::Potnet => "potnet",
            Self::Pw => "pw",
            Self::Route => "route",
            Self::Sendmail => "sendmail",
            Self::Service => "service",
            Self::Sysctl => "sysctl",
            Self::Sysrc => "sysrc",
            Self::Uname => "uname",
            Self::Zfs => "zfs",
            Self::Zpool => "zpool",
        }
    }
}

impl Tool {
    /// How long a question to it may take, on a host that is slow and busy.
    ///
    /// `sysrc`, `pot`, `pkg` and `service` are shell scripts or read a data base; ZFS lists what a large host has.
    pub(crate) const fn patience(self) -> Duration {
        match self {
            Self::Sysrc => SYSRC_VARIABLE.saturating_mul(4),
            Self::Pot | Self::Pkg | Self::Service => Duration::from_mins(1),
            Self::Zfs | Self::Zpool => Duration::from_secs(30),
            _ => Duration::from_secs(15),
        }
    }

    /// The same for this question of all: `sysrc` looks up one variable after the other.
    pub(crate) fn patience_for(self, args: &[&str]) -> Duration {
        let names = args.iter().filter(|arg| !arg.starts_with('-')).count();
        match self {
            Self::Sysrc => self.patience().max(SYSRC_VARIABLE.saturating_mul(u32::try_from(names).unwrap_or(u32::MAX))),
            _ => self.patience(),
        }
    }
}

/// How long `sysrc` may take for each variable: half a second of work on an emulated processor, which had thirty times
/// as much to do besides when it was measured.
const SYSRC_VARIABLE: Duration = Duration::from_secs(15);

/// A command as one would type it, for pages and the history.
pub(crate) fn argv_as_typed(tool: Tool, args: &[&str]) -> Vec<String> {
    std::iter::once(tool.name()).chain(args.iter().copied()).map(str::to_owned).collect()
}

/// The host's folders of programs, in the order of FreeBSD's login.conf(5).
const FOLDERS: [&str; 6] = ["/sbin", "/bin", "/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];

/// Where the tools stand, each found once: an environment variable of whoever started the console has no say.
#[derive(Debug, Clone)]
pub struct Tools {
    root: PathBuf,
    folders: Vec<PathBuf>,
    /// By the tool's number. Each is looked for when it is first needed: all of them in six folders cost a command that
    /// calls none more than most of what it does. Copies share what was found, until one of them looks again.
    found: Arc<[OnceLock<Option<PathBuf>>; Tool::ALL.len()]>,
}

impl Tools {
    /// The tools in the program folders below the layout's root.
    pub fn find(layout: &Layout) -> Self {
        // Commands run with the root as working folder, so a relative path would lead elsewhere.
        let root = std::path::absolute(layout.root()).unwrap_or_else(|_| layout.root().to_owned());
        let absolute = Layout::new(&root, None);
        let folders = FOLDERS.iter().map(|folder| absolute.on_disk(folder)).collect();
        Self { root, folders, found: Arc::default() }
    }

    /// Forgets where the tools stand, for example after a package was installed: each is looked for again.
    pub fn refresh(&mut self) {
        self.found = Arc::default();
    }

    /// A tool's absolute path; none when it is not installed.
    pub fn path(&self, tool: Tool) -> Option<&Path> {
        let look = || self.folders.iter().map(|folder| folder.join(tool.name())).find(|path| is_program(path));
        self.found[tool as usize].get_or_init(look).as_deref()
    }

    /// The folder that commands run in.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The value of PATH for commands.
    pub(super) fn search_path(&self) -> std::ffi::OsString {
        let mut text = std::ffi::OsString::new();
        for folder in &self.folders {
            if !text.is_empty() {
                text.push(":");
            }
            text.push(folder);
        }
        text
    }
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_calls_no_tool_looks_for_none_and_one_that_came_is_found_when_looked_for_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("usr/sbin");
        std::fs::create_dir_all(&folder).unwrap();
        let put = |name: &str| {
            let path = folder.join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let mut tools = Tools::find(&Layout::new(dir.path(), None));
        assert!(tools.found.iter().all(|place| place.get().is_none()), "nothing was asked for");
        let pkg = put("pkg");
        assert_eq!(tools.path(Tool::Pkg), Some(pkg.as_path()), "it came before it was first asked for");
        assert_eq!(tools.path(Tool::Pw), None);
        let pw = put("pw");
        let copy = tools.clone();
        assert_eq!(tools.path(Tool::Pw), None, "asked once");
        tools.refresh();
        assert_eq!((tools.path(Tool::Pw), copy.path(Tool::Pw)), (Some(pw.as_path()), None));
        // Each has its own place.
        assert!(Tool::ALL.iter().enumerate().all(|(at, tool)| *tool as usize == at));
    }

    #[test]
    fn a_question_of_many_rc_variables_may_take_a_slow_host_longer_than_one() {
        let names: Vec<String> = (0..13).map(|number| format!("name{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(Tool::Sysrc.patience_for(&["-n", "pf_rules"]), Duration::from_mins(1));
        assert_eq!(Tool::Sysrc.patience_for(&names), Duration::from_secs(13 * 15));
        assert_eq!(Tool::Ifconfig.patience_for(&names), Tool::Ifconfig.patience());
    }
}
