//! Looking at the host: everything that plans are made from and runs are judged by, read afresh.

use super::before_init::BeforeInit;
use super::checks::Observations;
use super::inputs::{Expanded, HostFile, HostFiles, Inputs, PfTest, Untested};
use super::log_routing;
use super::plans;
use crate::facts::{Fact, HostFacts, Snapshots};
use crate::files::{FileError, HostPath};
use crate::host::parse::syslog::main_file;
use crate::host::{GatherInput, Wanted, gather, parse, path_state, snapshots};
use crate::layout::Layout;
use crate::plan::{Leftover, ManagedFile};
use crate::potconf::{Configuration, Document};
use crate::process::{Captured, Limits, ProcessError, Tool, Tools, capture};
use crate::refusal::{Refusal, RefusalKind};
use crate::rules::{self, Finding, Subject, limits};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// Largest configuration file that is read, in bytes.
const LARGEST: u64 = 4 << 20;
/// Most lines of another program's words that a plan shows.
const MOST_LINES: usize = 200;
/// Most bytes of rules that pfctl makes of a file: ten thousands of them.
const EXPANDED: usize = 16 << 20;

/// Facts that are handed in: of a host of the past, which no tool can be asked about.
pub type Sight = Arc<dyn Fn() -> HostFacts + Send + Sync>;

/// The host that operations work on.
pub struct Host {
    /// Where its files are.
    pub layout: Layout,
    tools: Mutex<Tools>,
    /// Further pf rules files that the settings allow.
    pf_files: RwLock<Vec<String>>,
    sight: Option<Sight>,
}

/// Everything that was read at one time.
pub struct HostSnapshot {
    /// The host.
    pub facts: HostFacts,
    /// Both files.
    pub configuration: Configuration,
    /// The managed files.
    pub files: HostFiles,
    findings: Vec<Finding>,
    against_limit: Option<String>,
    against_places: Vec<limits::LimitViolation>,
    pot_says: Vec<(String, Result<String, String>)>,
}

impl Host {
    /// A host with its tools.
    pub fn new(layout: Layout, tools: Tools, pf_files: Vec<String>) -> Self {
        Self { layout, tools: Mutex::new(tools), pf_files: RwLock::new(pf_files), sight: None }
    }

    /// The same, with facts that are handed in where some are: then no tool is asked for them.
    #[must_use]
    pub(super) fn with_sight(self, sight: Option<Sight>) -> Self {
        Self { sight, ..self }
    }

    /// From now on these files may be named.
    pub(super) fn set_pf_files(&self, pf_files: Vec<String>) {
        *self.pf_files.write().unwrap_or_else(PoisonError::into_inner) = pf_files;
    }

    /// The tools as they were last looked for.
    pub fn tools(&self) -> Tools {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks for the tools again: packages may have come.
    pub(crate) fn refresh_tools(&self) {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner).refresh();
    }

    /// Asks a tool, with its time limit.
    pub fn ask(
        &self,
        tool: Tool,
        args: &[&str],
        stdin: Option<&[u8]>,
        time: Duration,
    ) -> Result<Captured, ProcessError> {
        capture(&self.tools(), tool, args, stdin, &Limits { time, ..Limits::default() })
    }

    /// Reads everything. `pf_file` is the place in the settings' list, or none for what rc.conf names.
    ///
    /// # Errors
    /// pot's configuration could not be read, or there is no such pf file.
    pub fn look(&self, pf_file: Option<u32>) -> Result<HostSnapshot, Refusal> {
        self.refresh_tools();
        let configuration = self.configuration()?;
        let pf_files = self.pf_files.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sight) = &self.sight {
            return self.around(sight(), configuration, &pf_files, pf_file);
        }
        let facts = gather(&self.layout, &self.tools(), &GatherInput::new(&configuration, &pf_files));
        Ok(HostSnapshot { pot_says: self.pot_says(), ..self.around(facts, configuration, &pf_files, pf_file)? })
    }

    /// What of pot is left here, by title; none where pot is in use, or when that is not known. `turned_pf_on`: see
    /// [`HostFiles::turned_pf_on`].
    pub(super) fn leftovers(&self, facts: &HostFacts, turned_pf_on: Option<u64>) -> Option<Vec<(Leftover, String)>> {
        let configuration = self.configuration().ok()?;
        let root = Wanted::of(&configuration).zfs_root?;
        if facts.datasets.get()?.iter().any(|dataset| dataset.name == root) {
            return None;
        }
        let pf_files = self.pf_files.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut look = self.around(facts.clone(), configuration, &pf_files, None).ok()?;
        look.files.turned_pf_on = turned_pf_on;
        Some(look.with_inputs(self, plans::leftovers_with_words))
    }

    /// The files and judgements that belong to these facts.
    fn around(
        &self,
        facts: HostFacts,
        configuration: Configuration,
        pf_files: &[String],
        pf_file: Option<u32>,
    ) -> Result<HostSnapshot, Refusal> {
        let pf_path = match pf_file {
            Some(place) => {
                usize::try_from(place).ok().and_then(|place| pf_files.get(place)).cloned().ok_or_else(|| {
                    Refusal::new(
                        RefusalKind::Malformed,
                        format!("There is no file number {place} in the setting pf_files."),
                    )
                })?
            }
            None => facts
                .pf_file
                .get()
                .map(|file| file.path.clone())
                .or_else(|| facts.rc.get().and_then(|rc| rc.get("pf_rules")).cloned())
                .filter(|path| path.starts_with('/'))
                .unwrap_or_else(|| "/etc/pf.conf".to_owned()),
        };
        let main = facts.syslog.get().and_then(|syslog| main_file(&syslog.flags));
        let main = main.filter(|path| path.starts_with('/')).unwrap_or_else(|| log_routing::MAIN.to_owned());
        let files = self.files(&pf_path, &main);
        let findings = rules::check(&Subject::new(&configuration).on(Some(&facts)));
        let against_limit = limits::check_all(&configuration).err().map(|against| against.to_string());
        let against_places = limits::check_places(&configuration, &limits::places(), &|path| {
            facts.paths.get().and_then(|paths| paths.get(path)).cloned()
        });
        Ok(HostSnapshot { facts, configuration, files, findings, against_limit, against_places, pot_says: Vec::new() })
    }

    /// pot.conf and the default file as they stand.
    fn configuration(&self) -> Result<Configuration, Refusal> {
        let document = |path: &std::path::Path| -> Result<Document, Refusal> {
            let bytes = match HostPath::of(&self.layout, path).and_then(|file| file.read(LARGEST)) {
                Ok(bytes) => bytes,
                Err(FileError::Missing(_)) => Vec::new(),
                Err(error) => return Err(Refusal::new(RefusalKind::Unreadable, error.to_string())),
            };
            Document::parse(&bytes).map_err(|error| {
                Refusal::new(RefusalKind::Unreadable, format!("{}: {error}.", self.layout.shown(path)))
            })
        };
        Ok(Configuration::new(document(&self.layout.default_conf())?, document(&self.layout.pot_conf())?))
    }

    /// The managed files. One that cannot be read stands there with why: only what needs it stops at that.
    fn files(&self, pf_path: &str, syslog_main: &str) -> HostFiles {
        let mut files = HostFiles::default();
        for file in ManagedFile::ALL {
            let path = self.path_of(file, pf_path, syslog_main);
            let mut host_file = HostFile { path, bytes: None, leads_to: None, unknown: None };
            match self.managed(file, &host_file.path) {
                Ok(here) => {
                    match here.read(LARGEST) {
                        Ok(bytes) => host_file.bytes = Some(bytes),
                        Err(FileError::Missing(_)) => {}
                        Err(error) => host_file.unknown = Some(error.to_string()),
                    }
                    host_file.leads_to = here.leads_to;
                }
                Err(error) => host_file.unknown = Some(error.to_string()),
            }
            files.managed.insert(file, host_file);
        }
        // rc.conf.d belongs to one service: here the one whose flags init changes.
        for path in ["/etc/rc.conf.local", "/etc/rc.conf.d/syslogd", "/usr/local/etc/rc.conf.d/syslogd"] {
            let here = HostPath::of(&self.layout, &self.layout.on_disk(path));
            match here.and_then(|file| file.read(LARGEST)) {
                Ok(bytes) => files.after_rc_conf.push((path.to_owned(), Ok(bytes))),
                Err(FileError::Missing(_)) => {}
                Err(error) => files.after_rc_conf.push((path.to_owned(), Err(error.to_string()))),
            }
        }
        for path in ["/etc/sysctl.conf", "/etc/sysctl.conf.local"] {
            let here = HostPath::of(&self.layout, &self.layout.on_disk(path));
            match here.and_then(|file| file.read(LARGEST)) {
                Ok(bytes) => files.sysctl_conf.push((path.to_owned(), Ok(bytes))),
                Err(FileError::Missing(_)) => {}
                Err(error) => files.sysctl_conf.push((path.to_owned(), Err(error.to_string()))),
            }
        }
        let mut folders = log_routing::folders(files.bytes(ManagedFile::SyslogMain));
        if !folders.iter().any(|folder| folder == log_routing::FOLDER) {
            folders.push(log_routing::FOLDER.to_owned());
        }
        for folder in &folders {
            self.conf_files(folder, &mut files.syslog, &mut files.logs_unread);
        }
        self.one_of_many(log_routing::ROTATION_MAIN, &mut files.rotation, &mut files.logs_unread);
        for folder in log_routing::ROTATION_FOLDERS {
            self.conf_files(folder, &mut files.rotation, &mut files.logs_unread);
        }
        files.before_init = BeforeInit::read(&self.layout);
        files
    }

    /// The `*.conf` files of a folder, as syslogd and newsyslog read them.
    fn conf_files(&self, folder: &str, found: &mut Vec<(String, Vec<u8>)>, unread: &mut Option<String>) {
        let entries = match std::fs::read_dir(self.layout.on_disk(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => return *unread = Some(format!("{folder}: {error}")),
        };
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| !name.starts_with('.') && name.strip_suffix(".conf").is_some());
        names.sort();
        for name in names {
            self.one_of_many(&format!("{folder}/{name}"), found, unread);
        }
    }

    fn one_of_many(&self, path: &str, found: &mut Vec<(String, Vec<u8>)>, unread: &mut Option<String>) {
        let here = HostPath::of(&self.layout, &self.layout.on_disk(path));
        match here.and_then(|file| file.read(LARGEST)) {
            Ok(bytes) => found.push((path.to_owned(), bytes)),
            Err(FileError::Missing(_)) => {}
            Err(error) => *unread = Some(error.to_string()),
        }
    }

    fn path_of(&self, file: ManagedFile, pf_path: &str, syslog_main: &str) -> String {
        match file {
            ManagedFile::PotConf => self.layout.shown(&self.layout.pot_conf()),
            ManagedFile::PfConf => pf_path.to_owned(),
            ManagedFile::RcConf => "/etc/rc.conf".to_owned(),
            ManagedFile::LoaderConf => "/boot/loader.conf".to_owned(),
            ManagedFile::SyslogConf => log_routing::OLD_RULE.to_owned(),
            ManagedFile::NewsyslogConf => log_routing::OLD_ROTATION.to_owned(),
            ManagedFile::SyslogMain => syslog_main.to_owned(),
            ManagedFile::LogRule => log_routing::RULE.to_owned(),
            ManagedFile::LogRotation => log_routing::ROTATION.to_owned(),
        }
    }

    /// Where a managed file is read and written here.
    ///
    /// # Errors
    /// It is a link that is not followed.
    pub(crate) fn managed(&self, file: ManagedFile, path: &str) -> Result<HostPath, FileError> {
        // pot's folder may stand elsewhere (`--etc`).
        let here = if file == ManagedFile::PotConf { self.layout.pot_conf() } else { self.layout.on_disk(path) };
        HostPath::of(&self.layout, &here)
    }

    /// What pot itself reads, or why it did not say. Nothing where pot is not installed: nobody was asked then.
    fn pot_says(&self) -> Vec<(String, Result<String, String>)> {
        let names = [("POT_FS_ROOT", "fs_root"), ("POT_ZFS_ROOT", "zfs_root"), ("POT_GATEWAY", "gateway")];
        let ask = |item: &str| -> Option<Result<String, String>> {
            let answer = match self.ask(Tool::Pot, &["config", "-q", "-g", item], None, Tool::Pot.patience()) {
                Ok(answer) => answer,
                Err(ProcessError::NotInstalled(_)) => return None,
                Err(error) => return Some(Err(error.to_string())),
            };
            let text = answer.stdout.trim_end_matches('\n');
            if answer.timed_out {
                Some(Err(format!("pot config did not answer within {} s", Tool::Pot.patience().as_secs())))
            } else if answer.succeeded() && !text.is_empty() && !text.contains('\n') {
                Some(Ok(text.to_owned()))
            } else {
                // pot that is not initialised yet gives no configuration, with status 1 and its words.
                None
            }
        };
        std::thread::scope(|scope| {
            let asked: Vec<_> = names.map(|(name, item)| (name, scope.spawn(move || ask(item)))).into_iter().collect();
            asked
                .into_iter()
                .filter_map(|(name, answer)| {
                    let died = Err("the question to pot died".to_owned());
                    Some((name.to_owned(), answer.join().unwrap_or(Some(died))?))
                })
                .collect()
        })
    }

    /// Snapshots at and below a dataset, those that are held counted: `zfs destroy -r` stops at them, half done. The
    /// property counts the holds (zfsprops(7)).
    fn snapshots(&self, root: &str) -> Fact<Snapshots> {
        if root.is_empty() || root.starts_with('-') {
            return Fact::unknown("POT_ZFS_ROOT is not known", "zfs list");
        }
        snapshots(&self.tools(), root)
    }

    /// What the host's own pfctl says of a text.
    pub(crate) fn pf_test(&self, text: &[u8]) -> PfTest {
        match self.ask(Tool::Pfctl, &["-nf", "-"], Some(text), Tool::Pfctl.patience()) {
            Ok(answer) => parse::pf::verdict(&answer),
            Err(error) => PfTest::Untested(Untested::Other(error.to_string())),
        }
    }

    /// The rules that pfctl makes of a text: all of them, or why not.
    fn pf_expand(&self, text: &[u8]) -> Expanded {
        const RULES: [&str; 14] = [
            "pass",
            "block",
            "match",
            "anchor",
            "scrub",
            "nat",
            "rdr",
            "binat",
            "no",
            "nat-anchor",
            "rdr-anchor",
            "binat-anchor",
            "scrub-anchor",
            "antispoof",
        ];
        let other = |why: &str| Untested::Other(why.to_owned());
        let limits = Limits { time: Tool::Pfctl.patience(), total_bytes: EXPANDED, ..Limits::default() };
        let answer = capture(&self.tools(), Tool::Pfctl, &["-nvf", "-"], Some(text), &limits)
            .map_err(|error| Untested::Other(error.to_string()))?;
        match parse::pf::verdict(&answer) {
            PfTest::Valid if answer.truncated => Err(other("pfctl makes more rules of it than can be kept")),
            PfTest::Valid => Ok(answer
                .stdout
                .lines()
                .map(|line| crate::process::harmless(line).trim_end().to_owned())
                .filter(|line| RULES.contains(&line.split(' ').next().unwrap_or_default()))
                .collect()),
            PfTest::Invalid(_) => Err(other("pfctl does not take it")),
            PfTest::Untested(why) => Err(why),
        }
    }

    fn pkg_preview(&self) -> Result<Vec<String>, String> {
        let answer = self
            .ask(Tool::Pkg, &["install", "-n", "pot"], None, Duration::from_mins(1))
            .map_err(|error| error.to_string())?;
        let words = lines(&answer.stdout);
        // With something to do it exits with 1 on some releases.
        if answer.timed_out {
            return Err("it did not answer within a minute".to_owned());
        }
        let announces = words.iter().any(|line| line.contains("to be installed") || line.contains("INSTALLED"));
        if answer.succeeded() || announces {
            return Ok(words);
        }
        Err(lines(&answer.stderr)
            .first()
            .or(words.first())
            .cloned()
            .unwrap_or_else(|| "it failed without a word".to_owned()))
    }

    /// `ping -c 3`, as the guide does: whether all answered, and the summary.
    pub fn ping(&self, address: Ipv4Addr) -> (bool, String) {
        match self.ask(Tool::Ping, &["-c", "3", "-t", "6", &address.to_string()], None, Duration::from_secs(12)) {
            Ok(answer) => {
                let text = lines(&answer.stdout);
                let count = text.iter().find(|line| line.contains("packets transmitted")).and_then(|line| {
                    let mut numbers = line.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
                    Some((numbers.next()?.to_owned(), numbers.next()?.to_owned()))
                });
                let average = text
                    .iter()
                    .find(|line| line.contains("min/avg/max"))
                    .and_then(|line| line.split('=').nth(1)?.trim().split('/').nth(1).map(str::to_owned));
                let words = match (count, average) {
                    (Some((sent, got)), Some(average)) => format!("{got} of {sent}, {average} ms"),
                    (Some((sent, got)), None) => format!("{got} of {sent}"),
                    _ => lines(&answer.stderr).first().cloned().unwrap_or_else(|| "no answer".to_owned()),
                };
                (answer.succeeded() && words.starts_with("3 of 3"), words)
            }
            Err(error) => (false, error.to_string()),
        }
    }

    /// Time of day in the host's zone, as messages have it.
    pub(crate) fn time_of_day(&self, at: jiff::Timestamp) -> String {
        let (zone, _) = crate::host::time_zone(&self.layout);
        let zone = jiff::tz::TimeZone::get(&zone).unwrap_or(jiff::tz::TimeZone::UTC);
        at.to_zoned_datetime(zone).strftime("%H:%M:%S").to_string()
    }

    /// Where the browser stands, when it is an address.
    pub(crate) fn reported_address(reported: Option<&str>) -> Option<IpAddr> {
        reported?.parse().ok()
    }
}

impl HostSnapshot {
    /// As plan functions take it.
    pub(crate) fn with_inputs<T>(&self, host: &Host, plan: impl FnOnce(&Inputs<'_>) -> T) -> T {
        plan(&Inputs {
            facts: &self.facts,
            configuration: &self.configuration,
            files: &self.files,
            findings: &self.findings,
            against_limit: self.against_limit.as_deref(),
            against_places: &self.against_places,
            path_state: &|path| path_state(&host.layout, path).ok(),
            pot_says: &self.pot_says,
            snapshots: &|root| host.snapshots(root),
            pf_test: &|text| host.pf_test(text),
            pkg_preview: &|| host.pkg_preview(),
            pf_expand: &|text| host.pf_expand(text),
        })
    }

    /// Findings on the configuration as it stands.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// As checks take it.
    pub fn seen(&self, ping: Option<(bool, String)>) -> Observations<'_> {
        Observations { facts: &self.facts, files: &self.files, ping }
    }
}

/// Another program's lines, made harmless.
pub(super) fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| crate::process::harmless(line).trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .take(MOST_LINES)
        .collect()
}
