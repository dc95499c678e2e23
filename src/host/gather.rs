//! Gathering: one probe per source, side by side.

use super::parse;
use super::probe::{Probe, failure, probe, read};
use super::wanted::Wanted;
use crate::digest::Digest;
use crate::facts::{
    Dataset, Fact, HostFacts, LeadsTo, Machine, Packages, PathKind, PathState, Pf, PfFile, Pot, PrivateBridge, Syslog,
    System, Tunable,
};
use crate::files::{FileError, HostPath, Place};
use crate::layout::Layout;
use crate::potconf::Configuration;
use crate::process::{Tool, Tools};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// pot's program, as its package installs it.
pub const POT_PROGRAM: &str = "/usr/local/bin/pot";
/// The rc variables that matter here.
const RC_VARIABLES: [&str; 10] = [
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
];
/// Facilities that POT_LOG_FACILITY may reasonably name.
/// Files whose digests the history watches, besides pot.conf, its defaults and pf's file.
const WATCHED: [&str; 7] = [
    "/etc/rc.conf",
    "/etc/rc.conf.local",
    "/etc/syslog.conf",
    "/etc/newsyslog.conf",
    "/boot/loader.conf",
    "/usr/local/etc/syslog.d/pot.conf",
    "/usr/local/etc/newsyslog.conf.d/pot.conf",
];
/// The loader's files in the order in which it reads them (loader.conf(5)); `loader.conf.d` stands between them.
const LOADER_FILES: [&str; 2] = ["/boot/loader.conf", "/boot/loader.conf.local"];
/// The largest file whose digest is taken, in bytes.
const LARGEST: u64 = 4 << 20;
/// Pots and bridges are read up to this number.
const MOST_POTS: usize = 4096;
/// Snapshots that are kept when it is not known which are pot's.
const MOST_SNAPSHOTS: usize = 2000;

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
        paths.extend(wanted.fs_root.iter().cloned());
        paths.extend(
            wanted
                .fs_root
                .iter()
                .flat_map(|root| ["jails", "bases", "fscomp", "bridges"].map(|part| format!("{root}/{part}"))),
        );
        paths.extend(wanted.cache.iter().cloned());
        paths.extend(wanted.tmp.iter().cloned());
        for name in ["POT_EXPORT_PORTS_PF_RULES_HOOK", "POT_DEFAULT_SIGNATURE_PUBKEY"] {
            paths.extend(configuration.value(name).map(str::to_owned));
        }
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

/// Asks every source, each with its own time limit; comes back when the slowest has answered or used its time up.
///
/// A source that fails is a fact without a value; the others are not touched by it.
pub fn gather(layout: &Layout, tools: &Tools, input: &GatherInput) -> HostFacts {
    let simulated = layout.is_below_a_root();
    let mut facts = std::thread::scope(|scope| {
        // A macro, because each probe has a type of its own.
        macro_rules! side_by_side {
            ($($field:ident: $ask:expr),+ $(,)?) => {{
                $(let $field = scope.spawn(|| probe(layout, tools, $ask));)+
                HostFacts {
                    at: Timestamp::now(),
                    simulated,
                    // Digests need to know where pf's file is.
                    files: Fact::unknown("not read", ""),
                    $($field: $field.join().unwrap_or_else(|_| Fact::unknown("the probe died", stringify!($field))),)+
                }
            }};
        }
        side_by_side! {
            system: system,
            machine: machine,
            vimage: |probe| Ok(probe.sysctl("kern.features.vimage")?.as_deref() == Some("1")),
            racct: |probe| tunable(probe, "kern.racct.enable"),
            vtnet_lro_disable: |probe| tunable(probe, "hw.vtnet.lro_disable"),
            forwarding: |probe| switch(probe, "net.inet.ip.forwarding")?.ok_or_else(|| "this kernel has no IPv4".to_owned()),
            bridge_member_addresses: |probe| switch(probe, "net.link.bridge.member_ifaddrs"),
            pools: |probe| parse::zfs::pools(&probe.answer(Tool::Zpool, &["list", "-Hp", "-o", parse::zfs::POOL_COLUMNS])?),
            datasets: |probe| datasets(probe, &input.pot_zfs_root),
            interfaces: |probe| parse::ifconfig::interfaces(&probe.answer(Tool::Ifconfig, &["-a"])?),
            routes: |probe| parse::netstat::routes(&probe.answer(Tool::Netstat, &["-rn", "-f", "inet"])?),
            resolvers: |probe| Ok(parse::files::resolvers(&probe.read("/etc/resolv.conf")?.unwrap_or_default())),
            pf: pf,
            pf_file: pf_file,
            // The kernel has the variable only while ipfw is loaded.
            ipfw: |probe| Ok(switch(probe, "net.inet.ip.fw.enable")?.unwrap_or(false)),
            syslog: syslog,
            rc: rc,
            packages: packages,
            groups: |probe| parse::files::groups(&probe.answer(Tool::Getent, &["group"])?),
            paths: |probe| paths(probe, input),
            pots: |probe| pots(probe, &input.pot_fs_root),
            private_bridges: |probe| private_bridges(probe, &input.pot_fs_root),
        }
    });
    let pf_path = pf_path(&facts);
    facts.files = probe(layout, tools, |probe| Ok(digests(probe, pf_path.as_deref(), &input.pf_files)));
    if let Some(paths) = facts.paths.value.as_mut() {
        let managed = WATCHED.into_iter().chain(pf_path.as_deref()).chain(input.pf_files.iter().map(String::as_str));
        paths.extend(managed.filter_map(|path| Some((path.to_owned(), managed_state(layout, path).ok()?))));
    }
    running(layout, tools, &mut facts.pots);
    facts.at = Timestamp::now();
    facts
}

fn system(probe: &mut Probe<'_>) -> Result<System, String> {
    let hostname = match probe.answer(Tool::Hostname, &[]) {
        Ok(hostname) => hostname.trim().to_owned(),
        Err(error) => probe.sysctl("kern.hostname").ok().flatten().ok_or(error)?,
    };
    // The installed kernel; without one on disk (diskless, jails) the running one.
    let kernel =
        probe.answer(Tool::FreebsdVersion, &["-k"]).or_else(|_| probe.answer(Tool::Uname, &["-r"]))?.trim().to_owned();
    let userland =
        probe.answer(Tool::FreebsdVersion, &["-u"]).map_or_else(|_| kernel.clone(), |text| text.trim().to_owned());
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

fn tunable(probe: &mut Probe<'_>, name: &str) -> Result<Tunable, String> {
    let running = probe.sysctl(name)?;
    let mut next_boot = None;
    let mut files = vec![LOADER_FILES[0].to_owned()];
    let folder = "/boot/loader.conf.d";
    files.extend(
        names_in(&probe.layout().on_disk(folder))
            .into_iter()
            .filter(|name| is_conf(name))
            .map(|name| format!("{folder}/{name}")),
    );
    files.push(LOADER_FILES[1].to_owned());
    for (index, file) in files.iter().enumerate() {
        // Only the main one is worth a word when it is not there.
        if index > 0 && !probe.layout().on_disk(file).exists() {
            continue;
        }
        if let Some(value) = probe.read(file)?.and_then(|text| parse::loader::value(&text, name)) {
            next_boot = Some(value);
        }
    }
    Ok(Tunable { running, next_boot })
}

fn datasets(probe: &mut Probe<'_>, zfs_root: &str) -> Result<Vec<Dataset>, String> {
    let args = ["list", "-Hp", "-t", "all", "-o", parse::zfs::DATASET_COLUMNS];
    let mut datasets = parse::zfs::datasets(&probe.answer(Tool::Zfs, &args)?)?;
    // A host may hold tens of thousands of snapshots that have nothing to do with pot.
    let is_pots = |name: &str| !zfs_root.is_empty() && name.starts_with(zfs_root);
    let mut others = 0;
    datasets.retain(|dataset| {
        if dataset.kind != "snapshot" || is_pots(&dataset.name) {
            return true;
        }
        others += 1;
        zfs_root.is_empty() && others <= MOST_SNAPSHOTS
    });
    Ok(datasets)
}

fn pf(probe: &mut Probe<'_>) -> Result<Pf, String> {
    let args = ["-s", "info"];
    let info = probe.ask(Tool::Pfctl, &args)?;
    if !info.succeeded() {
        // Without the module there is no device: nothing filters, and there is nothing more to ask.
        return if no_device(&info.stderr) { Ok(Pf::default()) } else { Err(failure(Tool::Pfctl, &args, &info)) };
    }
    let mut list = |args: &[&str]| probe.answer(Tool::Pfctl, args);
    Ok(Pf {
        loaded: true,
        enabled: parse::pf::enabled(&info.stdout)?,
        anchors: parse::pf::anchors(&list(&["-s", "Anchors"])?)?,
        nat: parse::pf::rules(&list(&["-s", "nat"])?),
        rules: parse::pf::rules(&list(&["-s", "rules"])?),
        // Asking for an anchor that does not exist is an error on some releases: no rules then.
        pot_nat: list(&["-s", "nat", "-a", "pot-nat"]).map(|text| parse::pf::rules(&text)).unwrap_or_default(),
    })
}

fn no_device(stderr: &str) -> bool {
    stderr.contains("/dev/pf: No such file")
}

fn pf_file(probe: &mut Probe<'_>) -> Result<PfFile, String> {
    let path = probe.rc("pf_rules")?.unwrap_or_default();
    if !path.starts_with('/') {
        return Err("pf_rules in rc.conf names no absolute path".to_owned());
    }
    let Some(text) = probe.read(&path)? else {
        return Ok(PfFile { path, exists: false, valid: None, errors: Vec::new(), anchor_lines: (0, 0) });
    };
    let anchor_lines = parse::pf::anchor_lines(text.as_bytes());
    let (valid, errors) = match probe.ask(Tool::Pfctl, &["-nf", &path]) {
        Ok(check) if check.succeeded() => (Some(true), Vec::new()),
        Ok(check) if no_device(&check.stderr) => (None, Vec::new()),
        Ok(check) => (
            Some(false),
            parse::pf::rules(&check.stderr)
                .into_iter()
                .take(50)
                .map(|line| crate::process::harmless(&line).into_owned())
                .collect(),
        ),
        Err(_) => (None, Vec::new()),
    };
    Ok(PfFile { path, exists: true, valid, errors, anchor_lines })
}

fn syslog(probe: &mut Probe<'_>) -> Result<Syslog, String> {
    let hostname = probe.answer(Tool::Hostname, &[])?.trim().to_owned();
    let flags = probe.rc("syslogd_flags")?.unwrap_or_default();
    // `-f FILE` takes the place of the usual file.
    let mut words = flags.split_ascii_whitespace();
    let path = words
        .by_ref()
        .find_map(|word| if word == "-f" { Some(None) } else { word.strip_prefix("-f").map(Some) })
        .and_then(|glued| glued.or_else(|| words.next()))
        .unwrap_or("/etc/syslog.conf")
        .to_owned();
    let text = probe.read(&path)?.unwrap_or_default();
    let layout = probe.layout().clone();
    let mut included_files = Vec::new();
    let included = std::cell::RefCell::new(&mut included_files);
    let rules = parse::syslog::Rules::read(&text, &hostname, |folder| {
        let mut texts = Vec::new();
        for name in names_in(&layout.on_disk(folder)).into_iter().filter(|name| is_conf(name)) {
            if let Ok(Some(bytes)) = read(&layout.on_disk(&format!("{folder}/{name}"))) {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                included.borrow_mut().push((format!("{folder}/{name}"), text.clone()));
                texts.push(text);
            }
        }
        texts
    });
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
    // Status 1 says that one of them is set nowhere, which is usual.
    let unknown = |line: &str| line.contains("unknown variable") || line.trim().is_empty();
    if !answer.succeeded() && !answer.stderr.lines().all(unknown) {
        return Err(failure(Tool::Sysrc, &RC_VARIABLES, &answer));
    }
    parse::files::variables(&answer.stdout)
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
    let mut pots = Vec::new();
    for name in names.into_iter().take(MOST_POTS) {
        let file = probe.layout().on_disk(&format!("{folder}/{name}/conf/pot.conf"));
        // A folder without that file is no pot: pot itself lists none there.
        if let Ok(Some(bytes)) = read(&file) {
            pots.push(parse::pots::pot(&name, &String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(pots)
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
    names
        .into_iter()
        .take(MOST_POTS)
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

fn names_in(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).map(sorted).unwrap_or_default()
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
        assert_eq!(facts.racct.value, Some(Tunable { running: Some("0".into()), next_boot: Some("1".into()) }));
        assert_eq!(facts.vtnet_lro_disable.value, Some(Tunable { running: None, next_boot: Some("1".into()) }));
        assert_eq!((facts.forwarding.value, facts.ipfw.value), (Some(true), Some(false)));
        assert_eq!(facts.bridge_member_addresses.value, Some(None));
        assert_eq!(facts.machine.value.unwrap().booted, Timestamp::from_second(1764000000).ok());
    }

    #[test]
    fn pf_without_its_module_is_off_and_known() {
        let host = Host::new();
        host.tool("sbin/pfctl", "echo 'pfctl: /dev/pf: No such file or directory' >&2; exit 1");
        host.tool("usr/sbin/sysrc", "[ \"$2\" = pf_rules ] && echo /etc/pf.conf");
        host.file("etc/pf.conf", "nat-anchor pot-nat\npass\n");
        let facts = host.gather(&input());
        assert_eq!(facts.pf.value, Some(Pf::default()));
        let file = facts.pf_file.value.unwrap();
        assert_eq!((file.exists, file.valid, file.anchor_lines), (true, None, (1, 0)));
        assert!(facts.files.value.unwrap()["/etc/pf.conf"].is_some());
    }

    #[test]
    fn an_invalid_pf_conf_is_told_with_its_lines() {
        let host = Host::new();
        host.tool(
            "sbin/pfctl",
            "case \"$*\" in '-s info') echo 'Status: Enabled for 0 days';; '-nf /etc/pf.conf') echo '/etc/pf.conf:2: syntax error' >&2; exit 1;;\n\
             '-s nat -a pot-nat') exit 1;; esac",
        );
        host.tool("usr/sbin/sysrc", "echo /etc/pf.conf");
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
        host.tool("usr/sbin/sysrc", "echo -s");
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
    fn a_slow_source_does_not_hold_the_others() {
        let host = Host::new();
        host.tool("sbin/zpool", "/bin/sleep 1; printf 'zroot\\t100\\t50\\tONLINE\\n'");
        host.tool("sbin/zfs", "/bin/sleep 1");
        host.tool("sbin/ifconfig", "/bin/sleep 1");
        let started = std::time::Instant::now();
        let facts = host.gather(&input());
        assert!(facts.pools.took_ms >= 1000);
        assert!(started.elapsed() < std::time::Duration::from_millis(2900), "one after the other");
    }
}
