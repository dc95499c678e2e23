//! The closed list of programs that the console starts, and where they stand.

use crate::layout::Layout;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
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

/// Where the tools stand, found once: an environment variable of whoever started the console has no say.
#[derive(Debug, Clone)]
pub struct Tools {
    root: PathBuf,
    folders: Vec<PathBuf>,
    found: BTreeMap<Tool, PathBuf>,
}

impl Tools {
    /// Looks for every tool in the program folders below the layout's root.
    pub fn find(layout: &Layout) -> Self {
        // Commands run with the root as working folder, so a relative path would lead elsewhere.
        let root = std::path::absolute(layout.root()).unwrap_or_else(|_| layout.root().to_owned());
        let absolute = Layout::new(&root, None);
        let folders = FOLDERS.iter().map(|folder| absolute.on_disk(folder)).collect();
        let mut tools = Self { root, folders, found: BTreeMap::new() };
        tools.refresh();
        tools
    }

    /// Looks again, for example after a package was installed.
    pub fn refresh(&mut self) {
        self.found = Tool::ALL
            .into_iter()
            .filter_map(|tool| {
                let path = self.folders.iter().map(|folder| folder.join(tool.name())).find(|path| is_program(path))?;
                Some((tool, path))
            })
            .collect();
    }

    /// A tool's absolute path; none when it is not installed.
    pub fn path(&self, tool: Tool) -> Option<&Path> {
        self.found.get(&tool).map(PathBuf::as_path)
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
    fn a_question_of_many_rc_variables_may_take_a_slow_host_longer_than_one() {
        let names: Vec<String> = (0..13).map(|number| format!("name{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(Tool::Sysrc.patience_for(&["-n", "pf_rules"]), Duration::from_mins(1));
        assert_eq!(Tool::Sysrc.patience_for(&names), Duration::from_secs(13 * 15));
        assert_eq!(Tool::Ifconfig.patience_for(&names), Tool::Ifconfig.patience());
    }
}
