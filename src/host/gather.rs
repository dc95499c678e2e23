//! Gathering: one probe per source, a few side by side.

use super::parse;
use super::probe::{Places, Probe, failure, probe, read};
use super::wanted::{self, Wanted};
use crate::digest::Digest;
use crate::facts::{
    Dataset, Fact, HostFacts, LeadsTo, Machine, Packages, PathKind, PathState, Pf, PfFallback, PfFile, PfTest, Pot,
    PrivateBridge, RACCT, SNAPSHOTS_KEPT, Snapshots, Syslog, System, Tunable, Untested, VTNET_LRO,
};
use crate::files::{FileError, HostPath, Place};
use crate::layout::Layout;
use crate::potconf::Configuration;
use crate::process::{Cancel, Ending, Limits, Stream, Tool, Tools, argv_as_typed, stream};
use crate::rules::{is_yes, limits::places};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// pot's program, as its package installs it.
pub const POT_PROGRAM: &str = "/usr/local/bin/pot";
/// The rc variables that matter here: each costs sysrc a little time, so each is asked once.
const RC_VARIABLES: [&str; 13] = [
    "pf_enable",
    "pf_rules",
    "syslogd_enable",
    "syslogd_flags",
    "pot_enable",
    "gateway_enable",
    "firewall_enable",
    "newsyslog_enable",
    "cloned_interfaces",
    "kern_securelevel_enable",
    "pf_fallback_rules_enable",
    "pf_fallback_rules_file",
    "pf_fallback_rules",
];
/// Facilities that POT_LOG_FACILITY may reasonably name.
/// Files whose digests the history watches, besides pot.conf, its defaults and pf's file.
const WATCHED: [&str; 9] = [
    "/etc/rc.conf",
    "/etc/rc.conf.local",
    "/etc/syslog.conf",
    "/etc/newsyslog.conf",
    "/boot/loader.conf",
    "/usr/local/etc/syslog.d/pot.conf",
    "/usr/local/etc/syslog.d/pot-activity.conf",
    "/usr/local/etc/newsyslog.conf.d/pot.conf",
    "/usr/local/etc/newsyslog.conf.d/pot-activity.conf",
];
/// The largest file whose digest is taken, in bytes.
const LARGEST: u64 = 4 << 20;
/// Pots and bridges are read up to this number.
const MOST_POTS: usize = 4096;
/// How long counting snapshots may take: a large host has hundreds of thousands.
const COUNTING: Duration = Duration::from_mins(5);

/// What gathering needs to know of the configuration and the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatherInput {
    /// POT_ZFS_ROOT; empty when it is not certain.
    pub pot_zfs_root: String,
    /// POT_FS_ROOT; empty when it is not certain.
    pub pot_fs_root: String,
    /// POT_GROUP.
    pub pot_group: String,
    /// Further pf rules files that the settings allow.
    pub pf_files: Vec<String>,
    /// Paths that pot.conf and the defaults name.
    pub paths: Vec<String>,
}

impl GatherInput {
    /// What the configuration names; `pf_files` are the settings'.
    pub fn new(configuration: &Configuration, pf_files: &[String]) -> Self {
        let wanted = Wanted::of(configuration);
        let mut paths = vec![POT_PROGRAM.to_owned()];
        paths.extend(
            wanted
                .fs_root
                .iter()
                .flat_map(|root| ["jails", "bases", "fscomp", "bridges"].map(|part| format!("{root}/{part}"))),
        );
        paths.extend(places().into_iter().filter_map(|name| wanted::text(configuration, name)));
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
    let simulated = layout.is_below_a_root();
    let places = &Places::new();
    let mut facts = std::thread::scope(|scope| {
        // A macro, because each probe has a type of its own.
        macro_rules! side_by_side {
            ($($field:ident: $ask:expr),+ $(,)?) => {{
                $(let $field = scope.spawn(|| places.with(|| probe(layout, tools, $ask)));)+
                HostFacts {
                    at: Timestamp::now(),
                    simulated,
                    // These need what the others have answered.
                    pf_file: Fact::unknown("not read", ""),
                    syslog: Fact::unknown("not read", ""),
                    files: Fact::unknown("not read", ""),
                    $($field: $field.join().unwrap_or_else(|_| Fact::unknown("the probe died", stringify!($field))),)+
                }
            }};
        }
        side_by_side! {
            // The slowest first: it is a shell script.
            rc: rc,
            datasets: datasets,
            packages: packages,
            pools: |probe| parse::zfs::pools(&probe.answer(Tool::Zpool, &["list", "-Hp", "-o", parse::zfs::POOL_COLUMNS])?),
            system: system,
            machine: machine,
            vimage: |probe| Ok(probe.sysctl("kern.features.vimage")?.as_deref() == Some("1")),
            racct: |probe| tunable(probe, RACCT),
            vtnet_lro_disable: |probe| tunable(probe, VTNET_LRO),
            forwarding: |probe| switch(probe, "net.inet.ip.forwarding")?.ok_or_else(|| "this kernel has no IPv4".to_owned()),
            bridge_member_addresses: |probe| switch(probe, "net.link.bridge.member_ifaddrs"),
            interfaces: |probe| parse::ifconfig::interfaces(&probe.answer(Tool::Ifconfig, &["-a"])?),
            routes: |probe| parse::netstat::routes(&probe.answer(Tool::Netstat, &["-rn", "-f", "inet"])?),
            resolvers: |probe| Ok(parse::files::resolvers(&probe.read("/etc/resolv.conf")?.unwrap_or_default())),
            pf: pf,
            // The kernel has the variable only while ipfw is loaded.
            ipfw: |probe| Ok(switch(probe, "net.inet.ip.fw.enable")?.unwrap_or(false)),
            groups: |probe| parse::files::groups(&probe.answer(Tool::Getent, &["group"])?),
            paths: |probe| paths(probe, input),
            pots: |probe| pots(probe, &input.pot_fs_root),
            private_bridges: |probe| private_bridges(probe, &input.pot_fs_root),
        }
    });
    facts.pf_file = probe(layout, tools, |probe| pf_file(probe, &facts.rc, &facts.pf));
    facts.syslog = probe(layout, tools, |probe| syslog(probe, &facts.rc));
    let pf_path = pf_path(&facts);
    facts.files = probe(layout, tools, |probe| Ok(digests(probe, pf_path.as_deref(), &input.pf_files)));
    if let Some(paths) = facts.paths.value.as_mut() {
        let managed = WATCHED.into_iter().chain(pf_path.as_deref()).chain(input.pf_files.iter().map(String::as_str));
        paths.extend(managed.filter_map(|path| Some((path.to_owned(), managed_state(layout, path).ok()?))));
    }
    running(layout, tools, &mut facts.pots);
    hidden(&facts.datasets, &input.pot_zfs_root, &mut facts.pots);
    facts.at = Timestamp::now();
    facts
}

/// The path of pf's file alone, as rc.conf names it: for whoever watches it while nobody looks at the host.
pub fn pf_rules_path(layout: &Layout, tools: &Tools) -> Option<String> {
    probe(layout, tools, |probe| probe.rc("pf_rules")).value.flatten().filter(|path| path.starts_with('/'))
}

/// Counts the snapshots at and below `root`, which must be a dataset's name. Only a plan that destroys them asks.
///
/// They are read line by line: there may be hundreds of thousands, and nobody keeps them.
pub fn snapshots(tools: &Tools, root: &str) -> Fact<Snapshots> {
    let args = ["list", "-Hp", "-t", "snapshot", "-r", "-o", "name,userrefs", root];
    let typed = argv_as_typed(Tool::Zfs, &args).join(" ");
    let (at, started) = (Timestamp::now(), Instant::now());
    let mut found = Snapshots { count: 0, first: Vec::new(), held: 0, first_held: None, digest: Digest::of(b"") };
    let mut trouble: Option<String> = None;
    let limits = Limits { time: COUNTING, total_bytes: usize::MAX, ..Limits::default() };
    let ending =
        stream(tools, Tool::Zfs, &args, None, &limits, &Cancel::new(), &mut |line| match line.text.split_once('\t') {
            Some((name, holds)) if line.stream == Stream::Out && (holds == "-" || holds.parse::<u64>().is_ok()) => {
                found.count += 1;
                found.digest = Digest::of_all([found.digest.as_bytes().as_slice(), name.as_bytes()]);
                if found.first.len() < SNAPSHOTS_KEPT {
                    found.first.push(name.to_owned());
                }
                if holds != "-" && holds != "0" {
                    found.held += 1;
                    found.first_held.get_or_insert_with(|| name.to_owned());
                }
            }
            _ => {
                trouble.get_or_insert(line.text);
            }
        });
    let answer = match (ending, trouble) {
        (Ok(Ending::Exited(0)), None) => Ok(found),
        (Ok(Ending::TimedOut), _) => Err(format!("{typed} did not answer within {} s", COUNTING.as_secs())),
        (Ok(_), Some(line)) => Err(format!("{typed} failed: {line}")),
        (Ok(ending), None) => Err(format!("{typed} failed without a word: {ending:?}")),
        (Err(error), _) => Err(error.to_string()),
    };
    let (value, error) = match answer {
        Ok(found) => (Some(found), None),
        Err(error) => (None, Some(error)),
    };
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Fact { value, error, source: typed, evidence: String::new(), at, took_ms }
}

fn system(probe: &mut Probe<'_>) -> Result<System, String> {
    let hostname = match probe.answer(Tool::Hostname, &[]) {
        Ok(hostname) => hostname.trim().to_owned(),
        Err(error) => probe.sysctl("kern.hostname").ok().flatten().ok_or(error)?,
    };
    // The installed kernel; without one on disk (diskless, jails) the running one.
    let kernel =
        probe.answer(Tool::FreebsdVersion, &["-k"]).or_else(|_| probe.answer(Tool::Uname, &["-r"]))?.trim().to_owned();
    let userland = probe.answer(Tool::FreebsdVersion, &["-u"]).map(|text| text.trim().to_owned()).unwrap_or_default();
    // Kept apart from the versions: that the one is not known says nothing of the others.
    let jailed = probe.sysctl("security.jail.jailed").ok().map(|value| value.as_deref() == Some("1"));
    let (time_zone, source) = super::time_zone(probe.layout());
    probe.note(source, time_zone.as_str());
    Ok(System { hostname, kernel, userland, jailed, time_zone })
}

fn machine(probe: &mut Probe<'_>) -> Result<Machine, String> {
    let uid = nix::unistd::geteuid().as_raw();
    probe.note("id -u", uid.to_string());
    // Nice to know, no more: a value that does not come is left out.
    let mut value = |name: &str| probe.sysctl(name).ok().flatten().filter(|value| !value.is_empty());
    Ok(Machine {
        uid,
        architecture: value("hw.machine_arch"),
        cpus: value("hw.ncpu").and_then(|value| value.parse().ok()),
        memory: value("hw.physmem").and_then(|value| value.parse().ok()),
        booted: value("kern.boottime").and_then(|value| boot_time(&value)),
    })
}

/// `{ sec = 1764000000, usec = 123456 } Mon Nov 24 16:00:00 2025`
fn boot_time(text: &str) -> Option<Timestamp> {
    let (_, rest) = text.split_once("sec = ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Timestamp::from_second(digits.parse().ok()?).ok()
}

fn switch(probe: &mut Probe<'_>, name: &str) -> Result<Option<bool>, String> {
    match probe.sysctl(name)?.as_deref() {
        None => Ok(None),
        Some("0") => Ok(Some(false)),
        Some("1") => Ok(Some(true)),
        Some(other) => Err(format!("{name} is neither 0 nor 1: {other}")),
    }
}

/// What runs, and what the last of the loader's files says (/boot/defaults/loader.conf, the loader's own config.lua).
fn tunable(probe: &mut Probe<'_>, name: &str) -> Result<Tunable, String> {
    let running = probe.sysctl(name)?;
    let mut word: Option<(String, String)> = None;
    for file in parse::loader::BEFORE_FOLDER {
        word = in_loader_file(probe, file, name)?.or(word);
    }
    let mut of_folder: Vec<(String, String)> = Vec::new();
    for found in conf_files(&probe.layout().on_disk(parse::loader::FOLDER))? {
        of_folder.extend(in_loader_file(probe, &format!("{}/{found}", parse::loader::FOLDER), name)?);
    }
    let last = in_loader_file(probe, parse::loader::LAST, name)?;
    if let (None, [first, others @ ..]) = (&last, of_folder.as_slice())
        && let Some(other) = others.iter().find(|other| other.0 != first.0)
    {
        // The loader takes them as the folder has them, in no order that could be seen from here.
        return Err(format!(
            "{} and {} set {name} each to another value, and which one counts is not certain",
            first.1, other.1
        ));
    }
    let (next_boot, set_in) = last.or(of_folder.pop()).or(word).unzip();
    Ok(Tunable { running, next_boot, set_in })
}

/// The value that one of the loader's files gives, with the file.
fn in_loader_file(probe: &mut Probe<'_>, file: &str, name: &str) -> Result<Option<(String, String)>, String> {
    // Only the main one is worth a word when it is not there.
    if file != "/boot/loader.conf" && !probe.layout().on_disk(file).exists() {
        return Ok(None);
    }
    let text = probe.read(file)?.unwrap_or_default();
    Ok(parse::loader::value(&text, name).map(|value| (value, file.to_owned())))
}

/// File systems and volumes of all pools. Snapshots are not among them: a host may hold hundreds of thousands.
fn datasets(probe: &mut Probe<'_>) -> Result<Vec<Dataset>, String> {
    let args = |columns| ["list", "-Hp", "-t", "filesystem,volume", "-o", columns];
    let asked = args(parse::zfs::DATASET_COLUMNS);
    let answer = probe.ask(Tool::Zfs, &asked)?;
    if answer.succeeded() {
        parse::zfs::datasets(&answer.stdout)
    } else if answer.stderr.contains("invalid property 'keystatus'") {
        parse::zfs::datasets(&probe.answer(Tool::Zfs, &args(parse::zfs::OLD_DATASET_COLUMNS))?)
    } else {
        Err(failure(Tool::Zfs, &asked, &answer))
    }
}

fn pf(probe: &mut Probe<'_>) -> Result<Pf, String> {
    let args = ["-s", "info"];
    let info = probe.ask(Tool::Pfctl, &args)?;
    if !info.succeeded() {
        // Without the module there is no device: nothing filters, and there is nothing more to ask.
        return if parse::pf::is_not_loaded(&info.stderr) {
            Ok(Pf::default())
        } else {
            Err(failure(Tool::Pfctl, &args, &info))
        };
    }
    let anchors = parse::pf::anchors(&probe.answer(Tool::Pfctl, &["-s", "Anchors"])?)?;
    let mut list = |args: &[&str]| parse::pf::listed(&probe.ask(Tool::Pfctl, args)?, args.contains(&"-a"));
    Ok(Pf {
        loaded: true,
        enabled: parse::pf::enabled(&info.stdout)?,
        anchors,
        nat: list(&["-s", "nat"])?,
        rules: list(&["-s", "rules"])?,
        pot_nat: list(&["-s", "nat", "-a", "pot-nat"])?,
    })
}

/// A variable of rc.conf; none when no file sets it.
fn of_rc<'a>(rc: &'a Fact<BTreeMap<String, String>>, name: &str) -> Result<Option<&'a str>, String> {
    match rc.get() {
        Some(variables) => Ok(variables.get(name).map(String::as_str)),
        None => Err(rc.error.clone().unwrap_or_else(|| "rc.conf was not read".to_owned())),
    }
}

fn pf_file(probe: &mut Probe<'_>, rc: &Fact<BTreeMap<String, String>>, pf: &Fact<Pf>) -> Result<PfFile, String> {
    let path = of_rc(rc, "pf_rules")?.unwrap_or_default().to_owned();
    probe.note("sysrc pf_rules", path.clone());
    if !path.starts_with('/') {
        return Err("pf_rules in rc.conf names no absolute path".to_owned());
    }
    let text = probe.read(&path)?;
    let mut file = PfFile {
        path,
        exists: text.is_some(),
        valid: None,
        errors: Vec::new(),
        untested: None,
        anchor_lines: text.as_deref().map(|text| parse::pf_conf::anchors_held(text.as_bytes())).unwrap_or_default(),
        fallback: None,
    };
    if file.exists {
        match pf_verdict(probe, pf, &file.path, None) {
            PfTest::Valid => file.valid = Some(true),
            PfTest::Invalid(words) => (file.valid, file.errors) = (Some(false), words),
            PfTest::Untested(why) => file.untested = Some(why),
        }
    }
    if of_rc(rc, "pf_fallback_rules_enable")?.is_some_and(is_yes) {
        file.fallback = Some(pf_fallback(probe, rc, pf)?);
    }
    Ok(file)
}

/// What rc.d/pf loads instead of pf's file: `pf_fallback_rules_file` when there is one, else the text of
/// `pf_fallback_rules`.
fn pf_fallback(
    probe: &mut Probe<'_>,
    rc: &Fact<BTreeMap<String, String>>,
    pf: &Fact<Pf>,
) -> Result<PfFallback, String> {
    let named = of_rc(rc, "pf_fallback_rules_file")?.unwrap_or_default().to_owned();
    let file = (named.starts_with('/') && probe.layout().on_disk(&named).is_file()).then_some(named);
    let text = match &file {
        Some(_) => None,
        None => Some(of_rc(rc, "pf_fallback_rules")?.unwrap_or_default().to_owned()),
    };
    let verdict = match (&file, &text) {
        (Some(path), _) => pf_verdict(probe, pf, path, None),
        (None, text) => {
            let text = format!("{}\n", text.as_deref().unwrap_or_default());
            pf_verdict(probe, pf, "-", Some(text.as_bytes()))
        }
    };
    let valid = match verdict {
        PfTest::Valid => Some(true),
        PfTest::Invalid(_) => Some(false),
        PfTest::Untested(_) => None,
    };
    Ok(PfFallback { file, text, valid })
}

fn pf_verdict(probe: &mut Probe<'_>, pf: &Fact<Pf>, path: &str, text: Option<&[u8]>) -> PfTest {
    let verdict = match probe.ask_with(Tool::Pfctl, &["-nf", path], text) {
        Ok(answer) => parse::pf::verdict(&answer),
        Err(why) => PfTest::Untested(Untested::Other(why)),
    };
    match verdict {
        // pfctl says the same where only root may open the device.
        PfTest::Untested(Untested::PfNotLoaded) if pf.get().is_none_or(|pf| pf.loaded) => {
            PfTest::Untested(Untested::Other("pfctl could not open /dev/pf, which only root may".to_owned()))
        }
        verdict => verdict,
    }
}

fn syslog(probe: &mut Probe<'_>, rc: &Fact<BTreeMap<String, String>>) -> Result<Syslog, String> {
    let hostname = probe.answer(Tool::Hostname, &[])?.trim().to_owned();
    let flags = of_rc(rc, "syslogd_flags")?.unwrap_or_default().to_owned();
    probe.note("sysrc syslogd_flags", flags.clone());
    let path = parse::syslog::main_file(&flags).unwrap_or_else(|| "/etc/syslog.conf".to_owned());
    let text = probe.read(&path)?.unwrap_or_default();
    let layout = probe.layout().clone();
    let mut included_files = Vec::new();
    let mut unread: Option<String> = None;
    let included = std::cell::RefCell::new((&mut included_files, &mut unread));
    let rules = parse::syslog::Rules::read(&text, &hostname, |folder| {
        let mut texts = Vec::new();
        let mut seen = included.borrow_mut();
        let names = conf_files(&layout.on_disk(folder)).unwrap_or_else(|error| {
            seen.1.get_or_insert(error);
            Vec::new()
        });
        for name in names {
            let path = format!("{folder}/{name}");
            match read(&layout.on_disk(&path)) {
                Ok(bytes) => {
                    let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
                    seen.0.push((path, text.clone()));
                    texts.push(text);
                }
                Err(error) => {
                    seen.1.get_or_insert(format!("{path}: {error}"));
                }
            }
        }
        texts
    });
    if let Some(error) = unread {
        return Err(error);
    }
    for (path, text) in included_files {
        let lines: Vec<_> = text.lines().take(20).map(crate::process::harmless).collect();
        probe.note(&path, lines.join("\n"));
    }
    let of_each = |actions: &dyn Fn(&str) -> Vec<String>| {
        let all = crate::facility::NAMES.into_iter().map(|facility| (facility.to_owned(), actions(facility)));
        all.filter(|(_, actions)| !actions.is_empty()).collect()
    };
    let missing: BTreeSet<String> = rules
        .all_files()
        .filter(|file| !file.starts_with("/dev/") && !layout.on_disk(file).exists())
        .map(str::to_owned)
        .collect();
    Ok(Syslog {
        flags,
        files: of_each(&|facility| rules.files_for(facility, "pot")),
        missing: missing.into_iter().collect(),
        elsewhere: of_each(&|facility| rules.elsewhere_for(facility, "pot")),
    })
}

fn rc(probe: &mut Probe<'_>) -> Result<BTreeMap<String, String>, String> {
    let answer = probe.ask(Tool::Sysrc, &RC_VARIABLES)?;
    let variables = parse::files::variables(&answer.stdout);
    // Status 1 says that one of them is set nowhere, which is usual; but each of them must have been answered. A script
    // that was ended half way has named some, and left out the rest without a word.
    let is_answered = |name: &str| {
        variables.as_ref().is_ok_and(|variables| variables.contains_key(name))
            || answer.stderr.contains(&format!("unknown variable '{name}'"))
    };
    match RC_VARIABLES.iter().find(|name| !is_answered(name)) {
        None => variables,
        Some(_) if !answer.succeeded() => Err(failure(Tool::Sysrc, &RC_VARIABLES, &answer)),
        Some(name) => Err(variables.err().unwrap_or_else(|| format!("sysrc did not say anything of {name}"))),
    }
}

fn packages(probe: &mut Probe<'_>) -> Result<Packages, String> {
    // The pkg of the base system only fetches the real one, asking a question first: -N is its one call that does not,
    // and nothing else must be asked where it says that there is none (pkg(7)).
    let active = probe.ask(Tool::Pkg, &["-N"])?;
    if !active.succeeded() {
        return if active.stderr.contains("not installed") {
            Ok(Packages::default())
        } else {
            Err(failure(Tool::Pkg, &["-N"], &active))
        };
    }
    let mut version = |name: &str| -> Result<Option<String>, String> {
        let args = ["query", "%v", name];
        let answer = probe.ask(Tool::Pkg, &args)?;
        let version = answer.stdout.lines().next().map(str::trim).filter(|version| !version.is_empty());
        match version {
            Some(version) if answer.succeeded() => Ok(Some(version.to_owned())),
            // No such package: a status other than 0 and not a word.
            None if answer.stderr.trim().is_empty() => Ok(None),
            _ => Err(failure(Tool::Pkg, &args, &answer)),
        }
    };
    Ok(Packages { pot: version("pot")?, potnet: version("potnet")?, pkg: true })
}

fn paths(probe: &mut Probe<'_>, input: &GatherInput) -> Result<BTreeMap<String, PathState>, String> {
    let layout = probe.layout().clone();
    let mut states = BTreeMap::new();
    for path in &input.paths {
        let state = path_state(&layout, path).map_err(|error| format!("{path}: {error}"))?;
        states.insert(path.clone(), state);
    }
    let words = states
        .iter()
        .map(|(path, state)| {
            let end = state.leads_to.as_ref().map(|end| format!(" -> {}", end.path)).unwrap_or_default();
            format!("{path}: {:?} {}:{} {:o}{end}", state.kind, state.uid, state.gid, state.mode)
        })
        .collect::<Vec<_>>();
    probe.note("stat", words.join("\n"));
    Ok(states)
}

/// What stands at a host's path, where it leads, and who can change that.
///
/// # Errors
/// It may not be looked at, or leads in a ring.
pub fn path_state(layout: &Layout, path: &str) -> Result<PathState, FileError> {
    let here = layout.on_disk(path);
    let place = Place::of(layout, &here)?;
    let kind = |found: Option<&Metadata>| match found.map(Metadata::file_type) {
        None => PathKind::Absent,
        Some(kind) if kind.is_file() => PathKind::File,
        Some(kind) if kind.is_dir() => PathKind::Folder,
        Some(kind) if kind.is_symlink() => PathKind::Link,
        Some(_) => PathKind::Other,
    };
    let owner = |found: Option<&Metadata>| found.map_or((0, 0, 0), |it| (it.uid(), it.gid(), it.mode() & 0o7777));
    let (uid, gid, mode) = owner(place.itself.as_ref());
    let real = layout.shown(&place.real);
    let leads_to = (real != layout.shown(&here)).then(|| {
        let (uid, _, mode) = owner(place.found.as_ref());
        LeadsTo { path: real, kind: kind(place.found.as_ref()), uid, mode, refused: None }
    });
    let is_empty = |path: &Path| std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    Ok(PathState {
        kind: kind(place.itself.as_ref()),
        uid,
        gid,
        mode,
        empty: place.itself.is_none() || (!place.is_link() && is_empty(&place.real)),
        only_root_writes: place.only_root_writes(),
        exposed: place.exposed().map(|path| layout.shown(path)),
        replaceable_in: place.replaceable().map(|folder| layout.shown(folder)),
        leads_to,
    })
}

/// The same for a file that the console reads and writes: with why it does not, where that is so.
fn managed_state(layout: &Layout, path: &str) -> Result<PathState, FileError> {
    let mut state = path_state(layout, path)?;
    if let Some(end) = state.leads_to.as_mut().filter(|_| state.kind == PathKind::Link) {
        end.refused = HostPath::of(layout, &layout.on_disk(path)).err().map(|error| error.to_string());
    }
    Ok(state)
}

fn pots(probe: &mut Probe<'_>, fs_root: &str) -> Result<Vec<Pot>, String> {
    let folder = below(fs_root, "jails")?;
    let names = list(probe, &folder)?;
    at_most(&folder, names.len())?;
    let mut pots = Vec::new();
    for name in names {
        let file = format!("{folder}/{name}/conf/pot.conf");
        // A folder without that file is no pot: pot itself lists none there.
        if let Some(bytes) = read(&probe.layout().on_disk(&file)).map_err(|error| format!("{file}: {error}"))? {
            pots.push(parse::pots::pot(&name, &String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(pots)
}

fn at_most(folder: &str, found: usize) -> Result<(), String> {
    if found > MOST_POTS {
        return Err(format!("{folder} holds {found} folders; more than {MOST_POTS} are not read"));
    }
    Ok(())
}

/// A pot whose dataset is not mounted cannot be seen: the list of pots is not whole then, and says so.
fn hidden(datasets: &Fact<Vec<Dataset>>, zfs_root: &str, pots: &mut Fact<Vec<Pot>>) {
    if zfs_root.is_empty() {
        return;
    }
    let jails = format!("{zfs_root}/jails");
    let of_a_pot =
        |name: &str| name.strip_prefix(&jails).is_some_and(|rest| rest.is_empty() || rest.matches('/').count() == 1);
    let hidden: Vec<&str> = datasets
        .get()
        .into_iter()
        .flatten()
        .filter(|dataset| dataset.is_hidden() && of_a_pot(&dataset.name))
        .map(|dataset| dataset.name.as_str())
        .collect();
    let Some(first) = hidden.first() else { return };
    let more = if hidden.len() > 1 { format!(" and {} more", hidden.len() - 1) } else { String::new() };
    let is = if hidden.len() > 1 { "are" } else { "is" };
    let why = format!("{first}{more} {is} not mounted: which pots are there cannot be seen");
    pots.error = Some(match pots.error.take() {
        Some(before) => format!("{before}; {why}"),
        None => why,
    });
}

/// Asks which pots run: `jls name` names all running jails at once, where pot would ask for each.
fn running(layout: &Layout, tools: &Tools, pots: &mut Fact<Vec<Pot>>) {
    let Some(list) = pots.value.as_mut().filter(|list| !list.is_empty()) else { return };
    let jails = probe(layout, tools, |probe| {
        let text = probe.answer(Tool::Jls, &["name"])?;
        Ok(text.lines().map(|line| line.trim().to_owned()).collect::<BTreeSet<_>>())
    });
    match &jails.value {
        Some(names) => {
            for pot in list {
                pot.running = Some(names.contains(&pot.name));
            }
        }
        // The pots are known all the same; the error stands beside them.
        None => pots.error.clone_from(&jails.error),
    }
    pots.source = format!("{}; {}", pots.source, jails.source);
    pots.evidence = format!("{}\n{}\n{}", pots.evidence, jails.source, jails.evidence);
    pots.evidence.truncate(pots.evidence.floor_char_boundary(4 << 10));
    pots.took_ms = pots.took_ms.saturating_add(jails.took_ms);
}

fn private_bridges(probe: &mut Probe<'_>, fs_root: &str) -> Result<Vec<PrivateBridge>, String> {
    let folder = below(fs_root, "bridges")?;
    let names = list(probe, &folder)?;
    at_most(&folder, names.len())?;
    names
        .into_iter()
        .filter_map(|name| match read(&probe.layout().on_disk(&format!("{folder}/{name}"))) {
            Ok(bytes) => bytes.map(|bytes| parse::pots::private_bridge(&name, &String::from_utf8_lossy(&bytes))),
            Err(error) => Some(Err(format!("{folder}/{name}: {error}"))),
        })
        .collect()
}

fn below(fs_root: &str, part: &str) -> Result<String, String> {
    if fs_root.starts_with('/') { Ok(format!("{fs_root}/{part}")) } else { Err("POT_FS_ROOT is not known".to_owned()) }
}

/// The names in a folder, sorted; none when there is no such folder.
fn list(probe: &mut Probe<'_>, folder: &str) -> Result<Vec<String>, String> {
    let entries = match std::fs::read_dir(probe.layout().on_disk(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            probe.note(&format!("ls {folder}"), "no such folder");
            return Ok(Vec::new());
        }
        Err(error) => {
            probe.note(&format!("ls {folder}"), error.to_string());
            return Err(format!("{folder}: {error}"));
        }
    };
    let names = sorted(entries);
    let shown: Vec<_> = names.iter().map(|name| crate::process::harmless(name)).collect();
    probe.note(&format!("ls {folder}"), shown.join("\n"));
    Ok(names)
}

/// What syslogd and the loader take of a folder: names that end in `.conf`, in just these letters.
fn is_conf(name: &str) -> bool {
    name.strip_suffix(".conf").is_some_and(|stem| !stem.is_empty())
}

/// The files of a folder that syslogd and the loader take, sorted; none when there is no such folder.
fn conf_files(folder: &Path) -> Result<Vec<String>, String> {
    match std::fs::read_dir(folder) {
        Ok(entries) => Ok(sorted(entries).into_iter().filter(|name| is_conf(name)).collect()),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(format!("{}: {error}", folder.display())),
    }
}

fn sorted(entries: std::fs::ReadDir) -> Vec<String> {
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

/// pf's rules file, also when it could not be read.
fn pf_path(facts: &HostFacts) -> Option<String> {
    let named = || facts.rc.get()?.get("pf_rules").filter(|path| path.starts_with('/'));
    facts.pf_file.get().map(|file| &file.path).or_else(named).cloned()
}

fn digests(probe: &mut Probe<'_>, pf_path: Option<&str>, pf_files: &[String]) -> BTreeMap<String, Option<Digest>> {
    let layout = probe.layout().clone();
    // None inside for a missing file; one that cannot be read has no entry at all.
    let entry = |shown: String, path: &Path| {
        let bytes = match HostPath::of(&layout, path).and_then(|file| file.read(LARGEST)) {
            Ok(bytes) => Some(bytes),
            Err(FileError::Missing(_)) => None,
            Err(_) => return None,
        };
        Some((shown, bytes.map(|bytes| Digest::of(&bytes))))
    };
    let own = [layout.pot_conf(), layout.default_conf()];
    let mut digests: BTreeMap<String, Option<Digest>> =
        own.iter().filter_map(|path| entry(layout.shown(path), path)).collect();
    let others = WATCHED.into_iter().chain(pf_path).chain(pf_files.iter().map(String::as_str));
    digests.extend(others.filter_map(|path| entry(path.to_owned(), &layout.on_disk(path))));
    let words = digests.iter().map(|(path, digest)| match digest {
        Some(digest) => format!("{digest} {path}"),
        None => format!("no such file: {path}"),
    });
    probe.note("sha256", words.collect::<Vec<_>>().join("\n"));
    digests
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    /// A host made of shell scripts: each tool answers what the test says.
    struct Host {
        dir: tempfile::TempDir,
    }

    impl Host {
        fn new() -> Self {
            let host = Self { dir: tempfile::tempdir().unwrap() };
            fs::set_permissions(host.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
            host
        }

        fn file(&self, path: &str, text: &str) {
            let full = self.dir.path().join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, text).unwrap();
        }

        fn tool(&self, path: &str, script: &str) {
            self.file(path, &format!("#!/bin/sh\n{script}\n"));
            fs::set_permissions(self.dir.path().join(path), fs::Permissions::from_mode(0o755)).unwrap();
        }

        fn gather(&self, input: &GatherInput) -> HostFacts {
            let layout = Layout::new(self.dir.path(), None);
            gather(&layout, &Tools::find(&layout), input)
        }
    }

    /// sysrc as it answers several names: those given are set, the rest of them empty.
    fn sysrc(set: &str) -> String {
        format!(
            "for name in \"$@\"; do case $name in {set} *) echo \"sysrc: unknown variable '$name'\" >&2;; esac; done; exit 1"
        )
    }

    fn input() -> GatherInput {
        GatherInput {
            pot_zfs_root: "zroot/pot".to_owned(),
            pot_fs_root: "/opt/pot".to_owned(),
            pot_group: "pot".to_owned(),
            pf_files: Vec::new(),
            paths: vec!["/opt/pot".to_owned(), "/nowhere".to_owned()],
        }
    }

    #[test]
    fn a_host_without_any_tool_says_so_for_each_source() {
        let facts = Host::new().gather(&input());
        assert_eq!(facts.pools.error.as_deref(), Some("zpool: not found"));
        assert_eq!(facts.interfaces.error.as_deref(), Some("ifconfig: not found"));
        assert_eq!(facts.vimage.value, None);
        assert_eq!(facts.pots.value, Some(Vec::new()));
        assert_eq!(facts.packages.error.as_deref(), Some("pkg: not found"));
    }

    #[test]
    fn one_failing_tool_leaves_the_others_alone_and_its_words_stand_beside() {
        let host = Host::new();
        host.tool("sbin/zpool", "printf 'zroot\\t100\\t50\\tONLINE\\n'");
        host.tool("sbin/zfs", "echo 'internal error: out of memory' >&2; exit 2");
        let facts = host.gather(&input());
        assert_eq!(facts.pools.value.unwrap()[0].free, 50);
        let error = facts.datasets.error.unwrap();
        assert!(error.contains("status 2") && error.contains("out of memory"), "{error}");
        assert!(facts.datasets.evidence.contains("out of memory"));
        assert!(facts.datasets.source.starts_with("zfs list -Hp"));
    }

    #[test]
    fn garbage_is_an_error_and_control_characters_stay_out_of_the_evidence() {
        let host = Host::new();
        host.tool("sbin/ifconfig", "printf '\\033]0;owned\\007 garbage\\n'");
        let facts = host.gather(&input());
        assert!(facts.interfaces.error.unwrap().contains("not understood"));
        assert!(!facts.interfaces.evidence.contains('\u{1b}'));
    }

    #[test]
    fn unknown_kernel_variables_are_answers() {
        let host = Host::new();
        host.tool(
            "sbin/sysctl",
            "case $2 in kern.racct.enable) echo 0;; net.inet.ip.forwarding) echo 1;;\n\
             kern.boottime) echo '{ sec = 1764000000, usec = 1 } Mon Nov 24 16:00:00 2025';;\n\
             *) echo \"sysctl: unknown oid '$2'\" >&2; exit 1;; esac",
        );
        host.file("boot/loader.conf", "kern.racct.enable=1\n");
        host.file("boot/loader.conf.d/x.conf", "hw.vtnet.lro_disable=\"1\"\n");
        let facts = host.gather(&input());
        assert_eq!(facts.vimage.value, Some(false));
        let of = |file: &str| (Some("1".to_owned()), Some(file.to_owned()));
        let racct = facts.racct.value.unwrap();
        assert_eq!((racct.running.as_deref(), (racct.next_boot, racct.set_in)), (Some("0"), of("/boot/loader.conf")));
        let vtnet = facts.vtnet_lro_disable.value.unwrap();
        assert_eq!((vtnet.running, (vtnet.next_boot, vtnet.set_in)), (None, of("/boot/loader.conf.d/x.conf")));
        assert_eq!((facts.forwarding.value, facts.ipfw.value), (Some(true), Some(false)));
        assert_eq!(facts.bridge_member_addresses.value, Some(None));
        assert_eq!(facts.machine.value.unwrap().booted, Timestamp::from_second(1764000000).ok());
    }

    #[test]
    fn pf_without_its_module_is_off_and_known() {
        let host = Host::new();
        host.tool("sbin/pfctl", "echo 'pfctl: /dev/pf: No such file or directory' >&2; exit 1");
        host.tool("usr/sbin/sysrc", &sysrc("pf_rules) echo pf_rules: /etc/pf.conf;;"));
        host.file("etc/pf.conf", "nat-anchor pot-nat\npass\n");
        let facts = host.gather(&input());
        assert_eq!(facts.pf.value, Some(Pf::default()));
        let file = facts.pf_file.value.unwrap();
        assert_eq!((file.exists, file.valid, file.anchor_lines), (true, None, (1, 0)));
        assert_eq!(file.untested, Some(Untested::PfNotLoaded));
        assert!(facts.files.value.unwrap()["/etc/pf.conf"].is_some());
    }

    #[test]
    fn an_invalid_pf_conf_is_told_with_its_lines() {
        let host = Host::new();
        host.tool(
            "sbin/pfctl",
            "case \"$*\" in '-s info') echo 'Status: Enabled for 0 days';; '-nf /etc/pf.conf') echo '/etc/pf.conf:2: syntax error' >&2; exit 1;;\n\
             '-s nat -a pot-nat') echo 'pfctl: Anchor does not exist.' >&2; exit 1;; esac",
        );
        host.tool("usr/sbin/sysrc", &sysrc("pf_rules) echo pf_rules: /etc/pf.conf;;"));
        host.file("etc/pf.conf", "x\n");
        let facts = host.gather(&input());
        let file = facts.pf_file.value.unwrap();
        assert_eq!((file.valid, file.errors), (Some(false), vec!["/etc/pf.conf:2: syntax error".to_owned()]));
        assert!(facts.pf.value.unwrap().enabled);
    }

    #[test]
    fn pots_are_listed_and_stay_listed_when_jls_fails() {
        let host = Host::new();
        host.file("opt/pot/jails/web1/conf/pot.conf", "network_type=public-bridge\nip=10.192.0.3\n");
        host.file("opt/pot/jails/db1/conf/pot.conf", "network_type=inherit\n");
        host.file("opt/pot/jails/half/m/x", "");
        host.file("opt/pot/bridges/lan1", "name=lan1\nnet=10.192.0.8/29\ngateway=10.192.0.9\n");
        let facts = host.gather(&input());
        assert_eq!(
            facts.pots.get().unwrap().iter().map(|p| (p.name.as_str(), p.running)).collect::<Vec<_>>(),
            [("db1", None), ("web1", None)]
        );
        assert_eq!(facts.pots.error.as_deref(), Some("jls: not found"));
        assert_eq!(facts.private_bridges.value.unwrap()[0].name, "lan1");

        host.tool("usr/sbin/jls", "[ $1 = name ] && echo web1");
        let pots = host.gather(&input()).pots;
        assert_eq!(pots.error, None);
        assert_eq!(pots.get().unwrap().iter().map(|p| p.running).collect::<Vec<_>>(), [Some(false), Some(true)]);
    }

    #[test]
    fn the_base_systems_pkg_is_asked_nothing_that_would_fetch_the_real_one() {
        let host = Host::new();
        host.tool(
            "usr/sbin/pkg",
            "[ $1 = -N ] && { echo 'pkg: pkg is not installed' >&2; exit 1; }; echo fetching; exit 70",
        );
        let packages = host.gather(&input()).packages;
        assert_eq!(packages.value, Some(Packages::default()));
        assert!(!packages.evidence.contains("fetching"));

        host.tool(
            "usr/sbin/pkg",
            "case $1$3 in -N) echo 'pkg: 7 packages installed' >&2;; querypot) echo 0.16.1;; *) exit 1;; esac",
        );
        let packages = host.gather(&input()).packages.value;
        assert_eq!(packages, Some(Packages { pkg: true, pot: Some("0.16.1".into()), potnet: None }));
    }

    #[test]
    fn a_folder_that_others_can_write_is_not_roots_alone() {
        let host = Host::new();
        host.file("opt/pot/x", "");
        assert!(host.gather(&input()).paths.value.unwrap()["/opt/pot"].only_root_writes);
        fs::set_permissions(host.dir.path().join("opt"), fs::Permissions::from_mode(0o777)).unwrap();
        let paths = host.gather(&input()).paths.value.unwrap();
        assert!(!paths["/opt/pot"].only_root_writes);
        assert_eq!((paths["/opt/pot"].kind, paths["/opt/pot"].empty), (PathKind::Folder, false));
        assert_eq!(paths["/nowhere"].kind, PathKind::Absent);
    }

    #[test]
    fn syslog_reads_included_files_and_names_those_that_do_not_exist() {
        let host = Host::new();
        host.tool("bin/hostname", "echo jail1.lan");
        host.tool("usr/sbin/sysrc", &sysrc("syslogd_flags) echo 'syslogd_flags: -s';;"));
        host.file("etc/syslog.conf", "*.notice\t/var/log/messages\ninclude /usr/local/etc/syslog.d\n");
        host.file("usr/local/etc/syslog.d/pot.conf", "local2.*\t/var/log/pot.log\n");
        host.file("usr/local/etc/syslog.d/pot.conf.bak", "local3.*\t/var/log/old.log\n");
        let syslog = host.gather(&input()).syslog.value.unwrap();
        assert_eq!(syslog.files["local2"], ["/var/log/pot.log"]);
        assert_eq!(syslog.files.get("local3"), None);
        assert_eq!(syslog.missing, ["/var/log/messages", "/var/log/pot.log"]);
        assert_eq!(syslog.flags, "-s");
    }

    #[test]
    fn a_pf_conf_on_freebsd_15_without_pf_is_not_judged_at_all() {
        let host = Host::new();
        host.tool(
            "sbin/pfctl",
            "case $1 in -nf) echo 'pfctl: Failed to open netlink: Bad file descriptor';; *) echo 'pfctl: /dev/pf: No such file or \
             directory';; esac >&2; exit 1",
        );
        host.tool("usr/sbin/sysrc", &sysrc("pf_rules) echo pf_rules: /etc/pf.conf;;"));
        host.file("etc/pf.conf", "pass\n");
        let file = host.gather(&input()).pf_file.value.unwrap();
        assert_eq!((file.valid, file.untested, file.errors), (None, Some(Untested::PfNotLoaded), Vec::new()));
        // With pf in the kernel the same words mean something else: who asks may not open it.
        host.tool(
            "sbin/pfctl",
            "case \"$*\" in -nf*) echo 'pfctl: Failed to open netlink: Bad file descriptor' >&2; exit 1;; '-s info') echo \
             'Status: Disabled';; esac",
        );
        let file = host.gather(&input()).pf_file.value.unwrap();
        assert!(matches!(file.untested, Some(Untested::Other(_))), "{:?}", file.untested);
    }

    #[test]
    fn rules_of_pot_nat_that_could_not_be_listed_make_pf_unknown_and_not_empty() {
        let host = Host::new();
        host.tool(
            "sbin/pfctl",
            "case \"$*\" in '-s info') echo 'Status: Enabled';; '-s nat -a pot-nat') echo 'pfctl: DIOCGETRULES: Device busy' >&2;; esac",
        );
        let pf = host.gather(&input()).pf;
        assert_eq!(pf.value, None);
        assert!(pf.error.unwrap().contains("Device busy"));
    }

    #[test]
    fn a_sysrc_that_was_ended_half_way_leaves_rc_conf_unknown() {
        let host = Host::new();
        host.tool("usr/sbin/sysrc", "echo 'pf_enable: NO'; echo 'pf_rules: /etc/pf.conf'; kill -KILL $$");
        let facts = host.gather(&input());
        assert_eq!(facts.rc.value, None, "two of thirteen names were answered");
        assert_eq!(facts.pf_file.value, None);
        assert_eq!(facts.syslog.value, None);
        // One that ends well and leaves a name out has not answered either.
        host.tool("usr/sbin/sysrc", "echo 'pf_enable: NO'");
        assert!(host.gather(&input()).rc.error.unwrap().contains("pf_rules"));
    }

    #[test]
    fn the_last_file_of_the_loader_says_what_the_next_boot_sets() {
        let host = Host::new();
        host.tool("sbin/sysctl", "echo 1");
        let racct = |host: &Host| host.gather(&input()).racct;
        assert_eq!(
            racct(&host).value.unwrap().next_boot_in_words(),
            "set by no file of the loader: the kernel's own value counts"
        );
        host.file("boot/loader.conf", "kern.racct.enable=1\n");
        host.file("boot/loader.conf.d/a.conf", "kern.racct.enable=0\n");
        assert_eq!(racct(&host).value.unwrap().next_boot_in_words(), "0 (/boot/loader.conf.d/a.conf)");
        // The loader takes them in the folder's own order: what cannot be told is not told.
        host.file("boot/loader.conf.d/b.conf", "kern.racct.enable=1\n");
        assert!(racct(&host).error.unwrap().contains("not certain"));
        host.file("boot/loader.conf.local", "kern.racct.enable=\"0\"\n");
        assert_eq!(racct(&host).value.unwrap().next_boot_in_words(), "0 (/boot/loader.conf.local)");
    }

    #[test]
    fn fallback_rules_are_looked_at_where_rc_conf_turns_them_on() {
        let host = Host::new();
        host.tool(
            "sbin/pfctl",
            "case \"$*\" in '-s info') echo 'Status: Enabled';; '-nf -') cat >/dev/null; exit 0;; -nf*) exit 1;; esac",
        );
        host.file("etc/pf.conf", "nonsense\n");
        let set = "pf_rules) echo pf_rules: /etc/pf.conf;; pf_enable) echo pf_enable: YES;; pf_fallback_rules_enable) echo \
                   pf_fallback_rules_enable: YES;; pf_fallback_rules_file) echo pf_fallback_rules_file: /etc/pf-fallback.conf;; \
                   pf_fallback_rules) echo 'pf_fallback_rules: block drop log all';;";
        host.tool("usr/sbin/sysrc", &sysrc(set));
        let facts = host.gather(&input());
        let fallback = facts.pf_file.get().unwrap().fallback.clone().unwrap();
        assert_eq!(
            (fallback.file, fallback.text.as_deref(), fallback.valid),
            (None, Some("block drop log all"), Some(true))
        );
        assert!(crate::rules::next_boot(&facts).is_trouble());
        host.file("etc/pf-fallback.conf", "nonsense\n");
        let fallback = host.gather(&input()).pf_file.value.unwrap().fallback.unwrap();
        assert_eq!((fallback.file.as_deref(), fallback.valid), (Some("/etc/pf-fallback.conf"), Some(false)));
    }

    #[test]
    fn pots_of_datasets_that_are_not_mounted_are_not_called_absent() {
        let host = Host::new();
        host.file("opt/pot/jails/web1/conf/pot.conf", "network_type=inherit\n");
        host.tool("usr/sbin/jls", "echo web1");
        host.tool(
            "sbin/zfs",
            "printf 'zroot/pot/jails/db1\\tfilesystem\\t/opt/pot/jails/db1\\ton\\tno\\t1\\t1\\t-\\tunavailable\\n'",
        );
        let facts = host.gather(&input());
        assert!(facts.datasets.value.unwrap()[0].locked);
        assert_eq!(facts.pots.value.unwrap().len(), 1);
        assert_eq!(
            facts.pots.error.as_deref(),
            Some("zroot/pot/jails/db1 is not mounted: which pots are there cannot be seen")
        );
    }

    #[test]
    fn snapshots_are_asked_for_only_where_a_plan_needs_them_and_counted_however_many() {
        let host = Host::new();
        host.tool(
            "sbin/zfs",
            "case \"$*\" in *snapshot*) i=0; while [ $i -lt 3000 ]; do printf \"zroot/pot@s$i\\t$((i == 7))\\n\"; i=$((i+1)); \
             done;; *filesystem,volume*) ;; *) exit 2;; esac",
        );
        let layout = Layout::new(host.dir.path(), None);
        let tools = Tools::find(&layout);
        assert_eq!(gather(&layout, &tools, &input()).datasets.value, Some(Vec::new()));
        let found = snapshots(&tools, "zroot/pot").value.unwrap();
        assert_eq!((found.count, found.first.len(), found.held), (3000, SNAPSHOTS_KEPT, 1));
        assert_eq!(found.first_held.as_deref(), Some("zroot/pot@s7"));
        host.tool("sbin/zfs", "printf 'zroot/pot@a\\t0\\n'; echo 'internal error: pool I/O is suspended' >&2; exit 1");
        let failed = snapshots(&tools, "zroot/pot");
        assert_eq!(failed.value, None, "a part of a list is no answer");
        assert!(failed.error.unwrap().contains("suspended"));
    }

    #[test]
    fn no_more_than_four_sources_are_asked_at_one_time() {
        let host = Host::new();
        // Each leaves a mark while it runs, and tells how many there were.
        let mark = "mkdir -p at; : > at/$$; ls at | /usr/bin/wc -l >> most; /bin/sleep 0.2; rm at/$$; exit 1";
        let mark = mark.replace("mkdir", "/bin/mkdir").replace("ls at", "/bin/ls at").replace("rm at", "/bin/rm at");
        for tool in [
            "sbin/zfs",
            "sbin/zpool",
            "sbin/ifconfig",
            "sbin/sysctl",
            "sbin/pfctl",
            "usr/sbin/sysrc",
            "usr/bin/netstat",
            "usr/bin/getent",
            "usr/sbin/pkg",
            "bin/hostname",
        ] {
            host.tool(tool, &mark);
        }
        host.gather(&input());
        let counts = fs::read_to_string(host.dir.path().join("most")).unwrap();
        let most = counts.lines().filter_map(|line| line.trim().parse::<usize>().ok()).max().unwrap();
        assert!((2..=4).contains(&most), "{most} at once");
    }

    #[test]
    fn a_slow_source_does_not_hold_the_others() {
        let host = Host::new();
        host.tool("sbin/zpool", "/bin/sleep 1; printf 'zroot\\t100\\t50\\tONLINE\\n'");
        host.tool("sbin/zfs", "/bin/sleep 1");
        host.tool("sbin/ifconfig", "/bin/sleep 1");
        let started = Instant::now();
        let facts = host.gather(&input());
        assert!(facts.pools.took_ms >= 1000);
        assert!(started.elapsed() < Duration::from_millis(2900), "one after the other");
    }
}
