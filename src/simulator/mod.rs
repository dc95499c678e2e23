//! The simulated FreeBSD host: a root folder with configuration files and tools that are this very binary under other names.
//!
//! [`build`] makes the root. A tool finds its root from where its executable stands, and runs only when that root carries
//! the marker file: no simulated tool ever touches the machine it runs on. What the host is like stands in one state file
//! in the root; [`reboot`] clears the part that a real host would lose.

mod call;
mod clock;
mod console;
mod contents;
mod crowd;
mod datasets;
mod faults;
mod history;
mod inhabitants;
mod interfaces;
mod kernel;
mod machine;
mod modules;
mod packages;
mod pf;
mod pfctl;
mod pot;
mod pot_settings;
mod potnet;
mod rc;
mod scenario;
mod simctl;
mod small;
mod state;
mod syslog;
mod text;
mod zfs;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

pub use faults::Fault;

use call::{Call, Outcome};
use machine::Machine;
use scenario::Wanted;

/// What the simulated host is like at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Scenario {
    /// A virtual machine on which pot is not installed yet: no racct, no group, nothing logged.
    Fresh,
    /// pot is installed, not initialised.
    #[default]
    Default,
    /// pot is initialised and in use: 40 pots, private bridges, some drift, a month of log.
    Busy,
    /// A very large host: 10,000 pots, 100,000 snapshots, 1,000 interfaces, 5,000 rules of NAT.
    Huge,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fresh => "fresh",
            Self::Default => "default",
            Self::Busy => "busy",
            Self::Huge => "huge",
        })
    }
}

/// A word that names no scenario.
#[derive(Debug, thiserror::Error)]
#[error("unknown scenario {0:?}: say fresh, default, busy or huge")]
pub struct UnknownScenario(String);

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(text: &str) -> Result<Self, UnknownScenario> {
        match text {
            "fresh" => Ok(Self::Fresh),
            "default" => Ok(Self::Default),
            "busy" => Ok(Self::Busy),
            "huge" => Ok(Self::Huge),
            other => Err(UnknownScenario(other.to_owned())),
        }
    }
}

/// Why a simulated root could not be built or changed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder holds something already.
    #[error("{0} is not empty: a simulated root is built in an empty or a new folder")]
    NotEmpty(PathBuf),
    /// The folder is no simulated root.
    #[error("{0} is not a simulated root")]
    NotSimulated(PathBuf),
    /// A file could not be made.
    #[error("cannot build the simulated root {path}: {source}")]
    Io {
        /// The root.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

type Tool = fn(&mut Call) -> Outcome;

/// Folders of tools, in the order of FreeBSD's PATH.
pub(crate) const TOOL_FOLDERS: [&str; 6] = ["sbin", "bin", "usr/sbin", "usr/bin", "usr/local/sbin", "usr/local/bin"];

/// The one program behind all tools.
pub(crate) const PROGRAM: &str = "usr/libexec/pot-console-simulator";

/// Every simulated tool: the folder where FreeBSD has it, its name, what runs it.
const TOOLS: &[(&str, &str, Tool)] = &[
    ("sbin", "zfs", zfs::zfs),
    ("sbin", "zpool", zfs::zpool),
    ("sbin", "ifconfig", interfaces::ifconfig),
    ("sbin", "route", interfaces::route),
    ("sbin", "ping", interfaces::ping),
    ("sbin", "pfctl", pfctl::pfctl),
    ("sbin", "sysctl", kernel::sysctl),
    ("sbin", "kldload", modules::kldload),
    ("sbin", "kldstat", modules::kldstat),
    ("sbin", "kldunload", modules::kldunload),
    ("sbin", "shutdown", kernel::shutdown),
    ("sbin", "reboot", kernel::shutdown),
    ("sbin", "mount", small::mount),
    ("sbin", "umount", small::yes_man),
    ("sbin", "mount_nullfs", small::yes_man),
    ("bin", "hostname", kernel::hostname),
    ("bin", "freebsd-version", kernel::freebsd_version),
    ("bin", "chflags", small::chflags),
    ("usr/bin", "uname", kernel::uname),
    ("usr/bin", "getent", small::getent),
    ("usr/bin", "logger", syslog::logger),
    ("usr/bin", "lockf", small::lockf),
    ("usr/bin", "netstat", interfaces::netstat),
    ("usr/bin", "ex", text::ex),
    ("usr/bin", "sed", text::sed),
    ("usr/bin", "which", text::which),
    ("usr/bin", "rctl", small::rctl),
    ("usr/sbin", "sysrc", rc::sysrc),
    ("usr/sbin", "service", rc::service),
    ("usr/sbin", "jls", kernel::jls),
    ("usr/sbin", "jail", kernel::jail),
    ("usr/sbin", "jexec", kernel::jexec),
    ("usr/sbin", "pw", small::pw),
    ("usr/sbin", "newsyslog", syslog::newsyslog),
    ("usr/sbin", "sendmail", small::sendmail),
    ("usr/sbin", "pkg", packages::pkg),
    ("usr/sbin", "simctl", simctl::simctl),
    ("usr/local/bin", "pot", pot::pot),
    ("usr/local/bin", "potnet", potnet::potnet),
];

/// If the program was called under a simulated tool's name from a simulated root, runs that tool. To be called first of all
/// in `main`; `None` means that this is not a tool's call.
pub fn tool_main() -> Option<ExitCode> {
    let mut args = std::env::args_os();
    let name = call::base_name(Path::new(&args.next()?));
    let (_, name, tool) = TOOLS.iter().find(|(_, known, _)| *known == name)?;
    let machine = own_root(name)?;
    clock::of(&machine);
    let args = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    let mut call = Call::new(machine, name, args);
    let outcome = faulty(&mut call).unwrap_or_else(|| tool(&mut call));
    let status = match outcome {
        Ok(status) => status,
        Err(failure) => {
            if !failure.message.is_empty() {
                call.warn(failure.message);
            }
            failure.status
        }
    };
    call.flush();
    Some(ExitCode::from(status))
}

/// The root that this executable stands in, or that the name it was called by stands in, or, in a chroot without /proc and
/// PATH, the whole file system. Only a folder with the marker is ever one.
fn own_root(name: &str) -> Option<Machine> {
    let above = |program: PathBuf| program.ancestors().skip(1).find_map(Machine::open);
    let called = || {
        let called = PathBuf::from(std::env::args_os().next()?);
        if called.components().count() > 1 {
            return called.canonicalize().ok();
        }
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find_map(|folder| folder.join(name).canonicalize().ok())
    };
    let own = std::env::current_exe().ok().and_then(above);
    own.or_else(|| called().and_then(above)).or_else(|| Machine::open(Path::new("/")))
}

/// Carries out a fault that is switched on for the tool; `None` when the tool is to work.
fn faulty(call: &mut Call) -> Option<Outcome> {
    if call.name == "simctl" {
        return None;
    }
    let faults = match call.machine.faults() {
        Ok(faults) => faults,
        Err(error) => return Some(Err(error.into())),
    };
    for fault in faults {
        match fault {
            Fault::Hang(tool) if concerns(&tool, call) => {
                std::thread::sleep(std::time::Duration::from_hours(1));
                return Some(Ok(1));
            }
            Fault::Slow(tool, milliseconds) if concerns(&tool, call) => {
                std::thread::sleep(std::time::Duration::from_millis(milliseconds));
            }
            Fault::Fail(tool, status, message) if concerns(&tool, call) => {
                return Some(Err(call::Failure::new(status, message)));
            }
            Fault::Garbage(tool) if concerns(&tool, call) => {
                call.print("\u{0}\u{fffd}%&\t\t§§ 18446744073709551616 -1 NaN\n{\"\n\t=::=/\\\n");
                return Some(Ok(0));
            }
            Fault::KeepPipe(tool, seconds) if concerns(&tool, call) => call.leave_daemon(seconds),
            _ => {}
        }
    }
    None
}

/// Whether a fault of this tool concerns the call: `pot` every one, `pot:init` only those with that subcommand, `all`
/// those of every tool.
fn concerns(tool: &str, call: &Call) -> bool {
    match tool.split_once(':') {
        None => tool == "all" || tool == call.name,
        Some((name, subcommand)) => {
            name == call.name
                && call.args.iter().find(|word| !word.starts_with('-')).is_some_and(|word| word == subcommand)
        }
    }
}

/// Builds the simulated root in `dir`, which must be empty or absent, tools included. The tools are the running program.
pub fn build(dir: &Path, scenario: Scenario) -> Result<(), BuildError> {
    build_with_program(dir, scenario, &own_program(dir)?)
}

/// As [`build`], for a host that is removed when this process ends: sooner made, and its tools are links to one program.
pub(crate) fn build_for_now(dir: &Path, scenario: Scenario) -> Result<(), BuildError> {
    build_of(dir, Wanted { scenario, pots: crowd::POTS, lasts: false }, &own_program(dir)?)
}

fn own_program(dir: &Path) -> Result<PathBuf, BuildError> {
    std::env::current_exe().map_err(|source| BuildError::Io { path: dir.to_owned(), source })
}

/// As [`build`], with another program behind the tools: its `main` must call [`tool_main`]. Tests name the built binary.
pub fn build_with_program(dir: &Path, scenario: Scenario, program: &Path) -> Result<(), BuildError> {
    build_of(dir, Wanted { scenario, pots: crowd::POTS, lasts: true }, program)
}

/// As [`build_with_program`] for [`Scenario::Huge`], with so many pots and all else of the host in proportion.
pub fn build_huge_with_program(dir: &Path, pots: u32, program: &Path) -> Result<(), BuildError> {
    build_of(dir, Wanted { scenario: Scenario::Huge, pots, lasts: true }, program)
}

fn build_of(dir: &Path, wanted: Wanted, program: &Path) -> Result<(), BuildError> {
    let failed = |source: io::Error| BuildError::Io { path: dir.to_owned(), source };
    if dir.exists() && std::fs::read_dir(dir).map_err(failed)?.next().is_some() {
        return Err(BuildError::NotEmpty(dir.to_owned()));
    }
    std::fs::create_dir_all(dir).map_err(failed)?;
    // The tools look for their root from the executable's real path.
    let dir = dir.canonicalize().map_err(failed)?;
    scenario::build(&Machine::new(&dir), wanted, program).map_err(failed)
}

/// Whether a folder is a simulated root.
pub fn is_simulated_root(dir: &Path) -> bool {
    Machine::open(dir).is_some()
}

fn opened(dir: &Path) -> Result<Machine, BuildError> {
    Machine::open(dir).ok_or_else(|| BuildError::NotSimulated(dir.to_owned()))
}

/// Puts this binary's tools into a root that an older one built; faults that are switched on stay in force.
pub(crate) fn refresh_tools(dir: &Path) -> Result<(), BuildError> {
    let machine = opened(dir)?;
    let failed = |source: io::Error| BuildError::Io { path: dir.to_owned(), source };
    let program = std::env::current_exe().map_err(failed)?;
    scenario::install_tools(&machine, &program, true).map_err(failed)?;
    for fault in machine.state().map_err(failed)?.faults {
        if let Fault::Missing(tool) = fault {
            scenario::remove_tool(&machine, &tool).map_err(failed)?;
        }
    }
    Ok(())
}

/// Switches a fault on.
pub fn set_fault(dir: &Path, fault: Fault) -> Result<(), BuildError> {
    let machine = opened(dir)?;
    let failed = |source: io::Error| BuildError::Io { path: dir.to_owned(), source };
    if let Fault::Missing(tool) = &fault {
        scenario::remove_tool(&machine, tool).map_err(failed)?;
    }
    machine
        .change(|state| {
            if !state.faults.contains(&fault) {
                state.faults.push(fault.clone());
            }
        })
        .map_err(failed)
}

/// Switches all faults off.
pub fn clear_faults(dir: &Path) -> Result<(), BuildError> {
    let machine = opened(dir)?;
    let failed = |source: io::Error| BuildError::Io { path: dir.to_owned(), source };
    let faults = machine.change(|state| std::mem::take(&mut state.faults)).map_err(failed)?;
    for fault in faults {
        if let Fault::Missing(tool) = fault {
            scenario::bring_back_tool(&machine, &tool).map_err(failed)?;
        }
    }
    Ok(())
}

/// Reboots the simulated host: run-time state is gone, tunables and rc.conf are in force, /var/run is empty.
pub fn reboot(dir: &Path) -> Result<(), BuildError> {
    let machine = opened(dir)?;
    let failed = |source: io::Error| BuildError::Io { path: dir.to_owned(), source };
    machine.change(|state| kernel::boot(state, &machine)).map_err(failed)?.map_err(failed)?;
    start_pots(&machine).map_err(failed)
}

/// What rc(8) does last: `pot_enable` starts the pots of `pot_list`.
pub(crate) fn start_pots(machine: &Machine) -> io::Result<()> {
    let script = machine.root().join("usr/sbin/service");
    if script.exists() && rc::is_yes(rc::value(machine, "pot_enable").as_deref()) {
        let path =
            std::env::join_paths(TOOL_FOLDERS.iter().map(|folder| machine.root().join(folder))).unwrap_or_default();
        std::process::Command::new(script)
            .args(["pot", "start"])
            .env("PATH", path)
            .stdin(call::no_input())
            .stdout(call::no_output())
            .stderr(call::no_output())
            .status()?;
    }
    Ok(())
}
