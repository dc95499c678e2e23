//! One probe: the commands and files it asks, their words as evidence, the time that each tool needs.

use crate::facts::{Fact, size};
use crate::files::{FileError, HostPath};
use crate::layout::Layout;
use crate::process::{Captured, Limits, ProcessError, Tool, Tools, argv_as_typed, capture, harmless};
use jiff::Timestamp;
use nix::fcntl::OFlag;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// What is kept of an answer. `zfs list` of a host with a hundred thousand file systems fits.
const ANSWER: usize = 32 << 20;
/// Probes that ask at one time. All of them at once would starve each other on one slow processor.
const SIDE_BY_SIDE: usize = 4;
/// The largest file that is read; a pf.conf, an rc.conf or a pot's file is a thousandth of it.
const FILE: u64 = 4 << 20;
/// What is kept as evidence.
const EVIDENCE: usize = 4 << 10;

/// Places for probes at work: whoever finds none waits.
pub(super) struct Places {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Places {
    pub(super) fn new() -> Self {
        Self { free: Mutex::new(SIDE_BY_SIDE), freed: Condvar::new() }
    }

    /// Does something when there is a place, and leaves it afterwards, come what may.
    pub(super) fn with<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Place<'a>(&'a Places);
        impl Drop for Place<'_> {
            fn drop(&mut self) {
                *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                self.0.freed.notify_one();
            }
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        drop(free);
        let _place = Place(self);
        work()
    }
}

/// A probe at work.
pub(super) struct Probe<'a> {
    layout: &'a Layout,
    tools: &'a Tools,
    at: Timestamp,
    started: Instant,
    trail: Vec<(String, String)>,
    /// The tools that its row names; none for one without a row.
    only: Option<&'static [Tool]>,
}

/// Runs a probe and makes a fact of what it found.
pub(super) fn probe<T>(
    layout: &Layout,
    tools: &Tools,
    ask: impl FnOnce(&mut Probe<'_>) -> Result<T, String>,
) -> Fact<T> {
    let mut probe =
        Probe { layout, tools, at: Timestamp::now(), started: Instant::now(), trail: Vec::new(), only: None };
    let result = ask(&mut probe);
    let (value, error) = match result {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error)),
    };
    let source = probe.trail.iter().map(|(source, _)| source.as_str()).collect::<Vec<_>>().join("; ");
    let evidence = match probe.trail.as_slice() {
        [(_, words)] => words.clone(),
        trail => trail.iter().map(|(source, words)| format!("{source}\n{words}")).collect::<Vec<_>>().join("\n\n"),
    };
    Fact {
        value,
        error,
        source,
        evidence: shortened(evidence),
        at: probe.at,
        took_ms: u64::try_from(probe.started.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

impl Probe<'_> {
    /// Where the host's files are.
    pub(super) fn layout(&self) -> &Layout {
        self.layout
    }

    /// Names the tools that it asks, no others.
    pub(super) fn limited_to(&mut self, tools: &'static [Tool]) -> &mut Self {
        self.only = Some(tools);
        self
    }

    /// Runs a tool; any exit status is an answer.
    pub(super) fn ask(&mut self, tool: Tool, args: &[&str]) -> Result<Captured, String> {
        self.ask_with(tool, args, None)
    }

    /// The same with something on its standard input.
    pub(super) fn ask_with(&mut self, tool: Tool, args: &[&str], stdin: Option<&[u8]>) -> Result<Captured, String> {
        debug_assert!(self.only.is_none_or(|tools| tools.contains(&tool)), "{tool:?} is not in the row of this probe");
        let typed = argv_as_typed(tool, args).join(" ");
        let time = tool.patience_for(args);
        let limits = Limits { time, total_bytes: ANSWER, ..Limits::default() };
        let answer = match capture(self.tools, tool, args, stdin, &limits) {
            Ok(answer) => answer,
            Err(error) => {
                let words = match error {
                    // As a shell would say it.
                    ProcessError::NotInstalled(tool) => format!("{}: not found", tool.name()),
                    other => other.to_string(),
                };
                self.trail.push((typed, words.clone()));
                return Err(words);
            }
        };
        self.trail.push((typed.clone(), words(&answer)));
        if answer.timed_out {
            return Err(format!("{typed} did not answer within {} s", time.as_secs()));
        }
        if answer.truncated {
            return Err(format!("{typed} answered more than {} MiB", ANSWER >> 20));
        }
        Ok(answer)
    }

    /// Runs a tool that has to succeed; its standard output.
    pub(super) fn answer(&mut self, tool: Tool, args: &[&str]) -> Result<String, String> {
        let answer = self.ask(tool, args)?;
        if answer.succeeded() { Ok(answer.stdout) } else { Err(failure(tool, args, &answer)) }
    }

    /// `sysctl -n NAME`; none when the kernel has no such variable.
    pub(super) fn sysctl(&mut self, name: &str) -> Result<Option<String>, String> {
        let args = ["-n", name];
        let answer = self.ask(Tool::Sysctl, &args)?;
        if answer.succeeded() {
            Ok(Some(answer.stdout.trim().to_owned()))
        } else if answer.stderr.contains("unknown oid") {
            Ok(None)
        } else {
            Err(failure(Tool::Sysctl, &args, &answer))
        }
    }

    /// `sysrc -n NAME`, defaults included; none when no file sets it.
    pub(super) fn rc(&mut self, name: &str) -> Result<Option<String>, String> {
        let args = ["-n", name];
        let answer = self.ask(Tool::Sysrc, &args)?;
        if answer.succeeded() {
            Ok(Some(answer.stdout.trim_end_matches('\n').to_owned()))
        } else if answer.stderr.contains("unknown variable") {
            Ok(None)
        } else {
            Err(failure(Tool::Sysrc, &args, &answer))
        }
    }

    /// A regular file of the host, read where the console would write it; none when it does not exist.
    pub(super) fn read(&mut self, path: &str) -> Result<Option<String>, String> {
        let read = HostPath::of(self.layout, &self.layout.on_disk(path)).and_then(|file| file.read(FILE));
        let (result, words) = match read {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let words = clean(&text);
                (Ok(Some(text)), words)
            }
            Err(FileError::Missing(_)) => (Ok(None), "no such file".to_owned()),
            Err(error) => {
                let words = error.to_string();
                // What is wrong with a link names it itself.
                (Err(if words.starts_with(path) { words.clone() } else { format!("{path}: {words}") }), words)
            }
        };
        self.trail.push((path.to_owned(), words));
        result
    }

    /// Names a source that is no command and no single file.
    pub(super) fn note(&mut self, source: &str, words: impl Into<String>) {
        self.trail.push((source.to_owned(), words.into()));
    }
}

/// A regular file's bytes; none when nothing is there. A link in its last part is followed: rc.conf may be one.
/// A pipe or device is refused without waiting for it.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    read_at_most(path, FILE)
}

/// The same with a limit of its own, in bytes.
pub(super) fn read_at_most(path: &Path, most: u64) -> Result<Option<Vec<u8>>, String> {
    let file = match OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    read_regular(file, most).map(Some)
}

fn read_regular(file: File, most: u64) -> Result<Vec<u8>, String> {
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most {
        return Err(format!("larger than the {} that are read", size(most)));
    }
    Ok(bytes)
}

/// What went wrong, in the tool's own words.
pub(super) fn failure(tool: Tool, args: &[&str], answer: &Captured) -> String {
    let typed = argv_as_typed(tool, args).join(" ");
    let said = answer.stderr.lines().chain(answer.stdout.lines()).find(|line| !line.trim().is_empty());
    let ending = match answer.status {
        Some(status) => format!("ended with status {status}"),
        None => "was ended by a signal".to_owned(),
    };
    match said {
        Some(line) => format!("{typed} {ending}: {}", harmless(line.trim())),
        None => format!("{typed} {ending} without a word"),
    }
}

fn words(answer: &Captured) -> String {
    let mut words = clean(&answer.stdout);
    let errors = clean(&answer.stderr);
    if !errors.is_empty() {
        if !words.is_empty() {
            words.push('\n');
        }
        words.push_str(&errors);
    }
    if let Some(status) = answer.status.filter(|status| *status != 0) {
        if !words.is_empty() {
            words.push('\n');
        }
        words.push_str(&format!("(status {status})"));
    }
    words
}

/// At most what evidence can hold, and nothing that could harm a terminal or a page.
fn clean(text: &str) -> String {
    let head = text.get(..text.floor_char_boundary(EVIDENCE * 2)).unwrap_or_default();
    head.lines().map(harmless).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

fn shortened(mut evidence: String) -> String {
    if evidence.len() > EVIDENCE {
        evidence.truncate(evidence.floor_char_boundary(EVIDENCE - '…'.len_utf8()));
        evidence.push('…');
    }
    evidence
}
