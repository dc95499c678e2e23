//! The probes: a row for each fact, with what is asked for it, and how all are asked side by side.
//!
//! A new fact is a row in `facts::host`, one in [`PROBES`], and what the simulated host answers; a row of readiness shows
//! it. What takes more than one question has a file of its own here.

mod files;
mod folder;
mod packages;
mod paths;
mod pf;
mod pots;
mod probe;
mod rc;
mod syslog;
mod system;
#[cfg(test)]
mod tests;
mod time_zone;
mod tunable;
mod zfs;

pub(crate) use paths::path_state;
pub(crate) use rc::pf_rules_path;
pub(crate) use time_zone::time_zone;
pub use zfs::snapshots;

use super::parse;
use super::state::wanted::{self, Wanted};
use crate::facts::{Fact, HostFacts, POT_PROGRAM, RACCT, Syslog, VTNET_LRO};
use crate::layout::Layout;
use crate::potconf::{Configuration, PARAMETERS};
use crate::process::{Tool, Tools};
use crate::rules::PRIVATE_TMP;
use jiff::Timestamp;
use probe::{Places, Probe, probe};
use std::cell::OnceCell;
use std::cmp::Reverse;
use std::time::Duration;

/// What is kept of a host in bytes, as the JSON that crosses to the web process: 10,000 pots take a fourth of it.
const MOST_KNOWN: usize = 24 << 20;

/// What is asked for a fact, and how the answer is read.
enum Source<T: 'static> {
    /// A command that has to succeed: its standard output is read.
    Command(Tool, &'static [&'static str], fn(&str) -> Result<T, String>),
    /// A variable of the kernel; none when it has no such variable.
    Sysctl(&'static str, fn(&str, Option<&str>) -> Result<T, String>),
    /// A file; empty when it does not exist.
    File(&'static str, fn(&str) -> Result<T, String>),
    /// More than one of these. The tools are all that may be asked.
    Several(&'static [Tool], fn(&mut Probe<'_>, &GatherInput) -> Result<T, String>),
    /// The same when the others have answered, because it needs to know what.
    After(&'static [Tool], fn(&mut Probe<'_>, &GatherInput, &HostFacts) -> Result<T, String>),
}

impl<T> Source<T> {
    fn ask(&self, host: &Host<'_>, facts: &HostFacts) -> Fact<T> {
        probe(host.layout, host.tools, |probe| match self {
            Self::Command(tool, args, parse) => parse(&probe.answer(*tool, args)?),
            Self::Sysctl(name, parse) => parse(name, probe.sysctl(name)?.as_deref()),
            Self::File(path, parse) => parse(&probe.read(path)?.unwrap_or_default()),
            Self::Several(tools, ask) => ask(probe.limited_to(tools), host.input),
            Self::After(tools, ask) => ask(probe.limited_to(tools), host.input, facts),
        })
    }

    /// How long the slowest of its tools may take.
    const fn patience(&self) -> Duration {
        match self {
            Self::Command(tool, ..) => tool.patience(),
            Self::Sysctl(..) => Tool::Sysctl.patience(),
            Self::File(..) => Duration::ZERO,
            Self::Several(tools, _) | Self::After(tools, _) => {
                let mut longest = Duration::ZERO;
                let mut tools = *tools;
                while let [tool, rest @ ..] = tools {
                    if tool.patience().as_secs() > longest.as_secs() {
                        longest = tool.patience();
                    }
                    tools = rest;
                }
                longest
            }
        }
    }

    const fn is_after(&self) -> bool {
        matches!(self, Self::After(..))
    }
}

/// Whom the probes ask, and for what.
struct Host<'a> {
    layout: &'a Layout,
    tools: &'a Tools,
    input: &'a GatherInput,
}

/// Puts an answer among the facts.
type Answer = Box<dyn FnOnce(&mut HostFacts) + Send>;

/// One probe, whatever the type of its fact.
struct Row {
    /// How long the slowest of its tools may take.
    patience: Duration,
    /// Whether it waits for the others.
    after: bool,
    /// Asks, with what the others have answered so far.
    ask: fn(&Host<'_>, &HostFacts) -> Answer,
    /// Says that it died.
    died: fn(&mut HostFacts),
}

/// A row of [`PROBES`]: the fact that an answer becomes, and its source.
macro_rules! row {
    ($fact:ident, $source:expr) => {
        Row {
            patience: $source.patience(),
            after: $source.is_after(),
            ask: |host, facts| {
                let fact = $source.ask(host, facts);
                Box::new(move |all: &mut HostFacts| all.$fact = fact)
            },
            died: |all| all.$fact = Fact::unknown("the probe died", stringify!($fact)),
        }
    };
}

/// Every probe: its fact, what it asks, how the answer is read. How long a tool may take is [`Tool::patience`].
const PROBES: &[Row] = &[
    row!(
        system,
        Source::Several(&[Tool::Hostname, Tool::FreebsdVersion, Tool::Uname, Tool::Sysctl], |probe, _| {
            system::system(probe)
        })
    ),
    row!(machine, Source::Several(&[Tool::Sysctl], |probe, _| system::machine(probe))),
    row!(vimage, Source::Sysctl("kern.features.vimage", |_, value| Ok(value == Some("1")))),
    row!(racct, Source::Several(&[Tool::Sysctl], |probe, _| tunable::tunable(probe, RACCT))),
    row!(vtnet_lro_disable, Source::Several(&[Tool::Sysctl], |probe, _| tunable::tunable(probe, VTNET_LRO))),
    row!(
        forwarding,
        Source::Sysctl("net.inet.ip.forwarding", |name, value| {
            parse::switch(name, value)?.ok_or_else(|| "this kernel has no IPv4".to_owned())
        })
    ),
    row!(bridge_member_addresses, Source::Sysctl("net.link.bridge.member_ifaddrs", parse::switch)),
    row!(pools, Source::Command(Tool::Zpool, &["list", "-Hp", "-o", parse::zfs::POOL_COLUMNS], parse::zfs::pools)),
    row!(datasets, Source::Several(&[Tool::Zfs], |probe, _| zfs::datasets(probe))),
    row!(interfaces, Source::Command(Tool::Ifconfig, &["-a"], parse::ifconfig::interfaces)),
    row!(routes, Source::Command(Tool::Netstat, &["-rn", "-f", "inet"], parse::netstat::routes)),
    row!(resolvers, Source::File("/etc/resolv.conf", |text| Ok(parse::files::resolvers(text)))),
    row!(pf, Source::Several(&[Tool::Pfctl], |probe, _| pf::kernel(probe))),
    row!(pf_file, Source::After(&[Tool::Pfctl], |probe, _, facts| pf::file(probe, &facts.rc, &facts.pf))),
    // The kernel has the variable only while ipfw is loaded.
    row!(ipfw, Source::Sysctl("net.inet.ip.fw.enable", |name, value| Ok(parse::switch(name, value)?.unwrap_or(false)))),
    row!(syslog, Source::After(&[Tool::Hostname], |probe, _, facts| syslog::syslog(probe, &facts.rc, &facts.system))),
    row!(rc, Source::Several(&[Tool::Sysrc], |probe, _| rc::variables(probe))),
    row!(packages, Source::Several(&[Tool::Pkg], |probe, _| packages::packages(probe))),
    row!(groups, Source::Command(Tool::Getent, &["group"], parse::files::groups)),
    row!(paths, Source::Several(&[], paths::paths)),
    row!(pots, Source::Several(&[], |probe, input| pots::pots(probe, &input.pot_fs_root))),
    row!(private_bridges, Source::Several(&[], |probe, input| pots::private_bridges(probe, &input.pot_fs_root))),
    row!(
        files,
        Source::After(&[], |probe, input, facts| {
            Ok(files::digests(probe, files::pf_path(facts).as_deref(), &input.pf_files))
        })
    ),
];

/// What gathering needs to know of the configuration and the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatherInput {
    /// POT_ZFS_ROOT; empty when it is not certain.
    pub(crate) pot_zfs_root: String,
    /// POT_FS_ROOT; empty when it is not certain.
    pub(crate) pot_fs_root: String,
    /// POT_GROUP.
    pub(crate) pot_group: String,
    /// Further pf rules files that the settings allow.
    pub pf_files: Vec<String>,
    /// Paths that pot.conf and the defaults name.
    pub paths: Vec<String>,
}

impl GatherInput {
    /// What the configuration names; `pf_files` are the settings'.
    pub fn new(configuration: &Configuration, pf_files: &[String]) -> Self {
        let wanted = Wanted::of(configuration);
        // The last is what is advised for POT_TMP.
        let mut paths = vec![POT_PROGRAM.to_owned(), PRIVATE_TMP.to_owned()];
        paths.extend(
            wanted
                .fs_root
                .iter()
                .flat_map(|root| ["jails", "bases", "fscomp", "bridges"].map(|part| format!("{root}/{part}"))),
        );
        paths.extend(PARAMETERS.iter().filter(|known| known.kind.is_place()).filter_map(|known| {
            let counts = || Some(known.counting(configuration.value(known.name)?).to_owned());
            wanted::text(configuration, known.name).or_else(counts)
        }));
        paths.retain(|path| path.starts_with('/'));
        Self {
            pot_zfs_root: wanted.zfs_root.unwrap_or_default(),
            pot_fs_root: wanted.fs_root.unwrap_or_default(),
            pot_group: wanted.group.unwrap_or_default(),
            pf_files: pf_files.to_vec(),
            paths,
        }
    }
}

/// Asks every source, a few at a time; comes back when the last has answered or used its time up.
///
/// A source that fails is a fact without a value; the others are not touched by it.
pub fn gather(layout: &Layout, tools: &Tools, input: &GatherInput) -> HostFacts {
    let host = &Host { layout, tools, input };
    // What changes from here on may not be in them.
    let begun = Timestamp::now();
    let mut facts = HostFacts { simulated: layout.is_below_a_root(), ..HostFacts::unknown("not read") };
    let (after, mut first): (Vec<&Row>, Vec<&Row>) = PROBES.iter().partition(|row| row.after);
    // The slowest first: they would hold up the end.
    first.sort_by_key(|row| Reverse(row.patience));
    for answer in side_by_side(&first, host, &facts) {
        answer(&mut facts);
    }
    for row in after {
        let answer = (row.ask)(host, &facts);
        answer(&mut facts);
    }
    let pf_path = files::pf_path(&facts);
    if let Some(states) = facts.paths.value.as_mut() {
        let managed =
            files::WATCHED.into_iter().chain(pf_path.as_deref()).chain(input.pf_files.iter().map(String::as_str));
        states.extend(managed.filter_map(|path| Some((path.to_owned(), paths::managed_state(layout, path).ok()?))));
    }
    pots::running(layout, tools, &mut facts.pots);
    pots::hidden(&facts.datasets, &input.pot_zfs_root, &mut facts.pots);
    facts.keep_within(MOST_KNOWN);
    facts.at = begun;
    facts
}

/// What whoever reads pot's log needs of the host, and nothing else.
pub(crate) struct LogSource {
    /// Its name; empty when it is not known.
    pub(crate) hostname: String,
    /// Its time zone's name.
    pub(crate) time_zone: String,
    /// Where its syslogd writes.
    pub(crate) syslog: Fact<Syslog>,
}

/// Finds it from files, without a program where these say all: each program takes as long as reading a log does, and
/// sysrc(8), a script, takes a slow host a second.
pub(crate) fn log_source(layout: &Layout) -> LogSource {
    let tools = OnceCell::new();
    let tools = || tools.get_or_init(|| Tools::find(layout));
    // This machine's name is not that of a host below a folder.
    let own_name = || nix::unistd::gethostname().ok()?.into_string().ok();
    let own_name = if layout.is_below_a_root() { None } else { own_name() };
    let hostname = match own_name {
        Some(name) => Fact::known(name, "gethostname"),
        None => probe(layout, tools(), |probe| Ok(probe.answer(Tool::Hostname, &[])?.trim().to_owned())),
    };
    let flags = match rc::from_files(layout, "syslogd_flags") {
        Some(flags) => Fact::known(flags, "rc.conf"),
        None => probe(layout, tools(), |probe| Ok(probe.rc("syslogd_flags")?.unwrap_or_default())),
    };
    let syslog = match (&hostname.value, flags.value) {
        (Some(name), Some(flags)) => probe(layout, tools(), |probe| syslog::with_flags(probe, name, flags)),
        (_, flags_known) => {
            // Rules may be for this host alone.
            let error = if flags_known.is_some() { hostname.error } else { flags.error };
            Fact::unknown(error.unwrap_or_default(), "syslogd's rules")
        }
    };
    LogSource { hostname: hostname.value.unwrap_or_default(), time_zone: time_zone(layout).0, syslog }
}

/// Asks with a thread each, of which a few are at work at one time.
fn side_by_side(rows: &[&Row], host: &Host<'_>, facts: &HostFacts) -> Vec<Answer> {
    let places = &Places::new();
    std::thread::scope(|scope| {
        let asked: Vec<_> =
            rows.iter().map(|row| (row.died, scope.spawn(move || places.with(|| (row.ask)(host, facts))))).collect();
        asked.into_iter().map(|(died, answer)| answer.join().unwrap_or_else(|_| Box::new(died))).collect()
    })
}
