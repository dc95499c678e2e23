//! Confirm or revert: what a run that can cut the admin off has to put back, and putting it back.
//!
//! It is saved whole before the run, bound to its content by a digest and to one boot by a marker. Putting back needs
//! neither the web process nor a database nor a name server: a handful of commands, each only if the value is still
//! what the run left, none of which stops the next. Order: pf, bridge member, forwarding, NAT anchor, bridge.

use super::clock::{Clock, SinceBoot};
use super::looking::Host;
use super::runs::{from_json, json};
use crate::bytes_as_base64;
use crate::digest::Digest;
use crate::facts::{Interface, Ipv4Address, filter_rules_in_words, pot_nat_in_words};
use crate::files::{self, Expected, FileError};
use crate::host::parse;
use crate::journal::record::Actor;
use crate::layout::Layout;
use crate::plan::{NAT_RULES, PutBackStep};
use crate::platform;
use crate::process::{Captured, Tool};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What stands before a command that someone has to type.
pub(crate) const AT_THE_MACHINE: &str = "At the machine run: ";
/// Why a value is left alone that is neither as the run left it nor as it was.
const CHANGED_SINCE: &str = "changed by someone else since the run, left alone";
/// What bridges are called among the things that are put back.
const BRIDGE: &str = "Bridge";
/// Largest pending revert that is read, in bytes.
const LARGEST: u64 = 64 << 20;

/// How long a put-back waits for what it leaves on its way out. pf lets go of the anchors of rules that were replaced when
/// its purge thread comes by, each `timeout interval` (10 s, pf.conf(5)); rules that a state refers to stay for one more
/// round.
const LEAVING: Duration = Duration::from_secs(25);
/// pot's two anchors.
const POTS_ANCHORS: [&str; 2] = ["pot-nat", "pot-rdr"];

/// What a tool was asked for: its answer, which may be that there is nothing, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OnDisk<T>", into = "OnDisk<T>", bound(serialize = "T: Clone + Serialize"))]
pub enum Known<T> {
    /// It answered; an empty list is an answer.
    Is(T),
    /// It did not: it failed, ran out of its time, or its answer was cut. In words.
    Unknown(String),
}

/// As it stands on disk: the value itself, as it always stood there, or `{"unknown": why}`. `null` was an answer that was
/// not understood.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OnDisk<T> {
    Is(T),
    Unknown { unknown: String },
    Null(()),
}

impl<T> From<OnDisk<T>> for Known<T> {
    fn from(on_disk: OnDisk<T>) -> Self {
        match on_disk {
            OnDisk::Is(value) => Self::Is(value),
            OnDisk::Unknown { unknown } => Self::Unknown(unknown),
            OnDisk::Null(()) => Self::default(),
        }
    }
}

impl<T> From<Known<T>> for OnDisk<T> {
    fn from(known: Known<T>) -> Self {
        match known {
            Known::Is(value) => Self::Is(value),
            Known::Unknown(unknown) => Self::Unknown { unknown },
        }
    }
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self::Unknown("it was not asked for".to_owned())
    }
}

impl<T> From<Result<T, String>> for Known<T> {
    fn from(answer: Result<T, String>) -> Self {
        match answer {
            Ok(value) => Self::Is(value),
            Err(why) => Self::Unknown(why),
        }
    }
}

impl<T: PartialEq> Known<T> {
    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    fn is(&self, value: &T) -> bool {
        self.get() == Some(value)
    }

    /// Whether both are known and equal.
    fn surely_equals(&self, other: &Self) -> bool {
        self.get().is_some() && self == other
    }

    /// Whether both are known and differ.
    fn surely_differs(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Is(one), Self::Is(other)) if one != other)
    }

    fn in_words(&self, words: impl FnOnce(&T) -> String) -> Result<String, &str> {
        match self {
            Self::Is(value) => Ok(words(value)),
            Self::Unknown(why) => Err(why),
        }
    }

    fn why_unknown(&self) -> Option<&str> {
        match self {
            Self::Is(_) => None,
            Self::Unknown(why) => Some(why),
        }
    }

    /// This, or the other where this is not known.
    fn or(&self, other: &Self) -> Self
    where
        T: Clone,
    {
        if self.get().is_some() { self.clone() } else { other.clone() }
    }
}

/// The state of the network that a run may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkState {
    /// Whether pf's module is loaded.
    pub(crate) pf_loaded: Known<bool>,
    /// Whether pf is enabled.
    pub(crate) pf_enabled: Known<bool>,
    /// Translation rules of the main rule set, as pfctl prints them: evidence, and to compare.
    pub nat: Known<Vec<String>>,
    /// Filter rules of the main rule set, likewise.
    pub rules: Known<Vec<String>>,
    /// Rules in anchor pot-nat; none as well when there is no such anchor.
    pub pot_nat: Known<Vec<String>>,
    /// Which of pot's anchors pf lists: to see when those that a run brought have gone.
    #[serde(default)]
    pub(crate) pot_anchors: Known<Vec<String>>,
    /// `net.inet.ip.forwarding`.
    pub forwarding: Known<bool>,
    /// Bridges with members and addresses.
    pub bridges: Known<Vec<Interface>>,
}

/// A file as it was before the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedFile {
    /// Its path on the host.
    pub path: String,
    /// Its bytes.
    #[serde(with = "bytes_as_base64")]
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
}

/// How far the run is that a pending revert belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// It runs, or is being put back: after a sudden death there is nothing to wait for.
    Running,
    /// It ran and waits to be kept.
    Waiting,
}

/// A revert that may have to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The run.
    pub run: u64,
    /// Who started it.
    pub actor: Actor,
    /// The boot that it belongs to.
    pub boot: String,
    /// How far it is.
    pub(crate) phase: Phase,
    /// Seconds to answer.
    pub revert_after: u16,
    /// When it is put back, once it waits, by the clock on the wall: for showing.
    pub deadline: Option<Timestamp>,
    /// When it is put back, once it waits. Files of earlier versions have the wall's time alone: see [`Pending::until`].
    #[serde(default)]
    pub until: Option<SinceBoot>,
    /// When the change was made: a connection accepted later is a new one.
    #[serde(default)]
    pub changed: Option<SinceBoot>,
    /// The host before.
    pub before: NetworkState,
    /// What the run left, once it waits.
    pub left: Option<NetworkState>,
    /// pf's file first, then what it names.
    pub files: Vec<SavedFile>,
}

/// A pending revert as it stands on disk: bound to its content.
#[derive(Serialize, Deserialize)]
struct Sealed {
    digest: Digest,
    pending: String,
}

fn path(layout: &Layout) -> PathBuf {
    layout.private().join(files::WAITING)
}

impl Pending {
    /// Writes it; on disk when this returns.
    pub fn write(&self, layout: &Layout) -> Result<(), FileError> {
        let path = path(layout);
        let pending = String::from_utf8_lossy(&json(&path, self)?).into_owned();
        let sealed = Sealed { digest: Digest::of(pending.as_bytes()), pending };
        let bytes = json(&path, &sealed)?;
        files::replace_with_mode(&path, &Expected::Anything, &bytes, 0o600, &platform::crash_point).map(|_| ())
    }

    /// The one on disk, if there is one.
    ///
    /// # Errors
    /// It is there, but cannot be read or is not what was written.
    pub fn read(layout: &Layout) -> Result<Option<Self>, FileError> {
        let path = path(layout);
        let bytes = match files::read_limited(&path, LARGEST) {
            Ok(bytes) => bytes,
            Err(FileError::Missing(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let sealed: Sealed = from_json(&path, &bytes)?;
        let damaged = |what: &str| {
            FileError::system("understanding", &path)(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                what.to_owned(),
            ))
        };
        if Digest::of(sealed.pending.as_bytes()) != sealed.digest {
            return Err(damaged("it is not what was saved before the run"));
        }
        let pending: Self = from_json(&path, sealed.pending.as_bytes())?;
        if pending.files.iter().any(|file| Digest::of(&file.bytes) != file.digest) {
            return Err(damaged("a saved file is not what was saved before the run"));
        }
        Ok(Some(pending))
    }

    /// Until when it waits for an answer; none when it does not. More time than was chosen is never given.
    pub fn until(&self, clock: &Clock) -> Option<SinceBoot> {
        if self.phase != Phase::Waiting {
            return None;
        }
        let now = clock.boot();
        let whole = Duration::from_secs(u64::from(self.revert_after));
        let left = match (self.until, self.deadline) {
            (Some(until), _) => until.since(now),
            (None, Some(deadline)) => Duration::try_from(deadline.duration_since(clock.wall())).unwrap_or_default(),
            (None, None) => Duration::ZERO,
        };
        Some(now.after(left.min(whole)))
    }

    /// Takes it away: nothing is pending any more.
    pub fn remove(layout: &Layout) -> Result<(), FileError> {
        let path = path(layout);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(FileError::system("removing", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Puts one that cannot be read out of the way, for whoever looks into it.
    pub(crate) fn keep_damaged(layout: &Layout) {
        let path = path(layout);
        let _ = std::fs::rename(&path, path.with_extension("damaged"));
    }
}

/// Whether a pending revert that could not be read is not what was written: then it never can be.
pub(crate) fn is_damaged(error: &FileError) -> bool {
    matches!(error, FileError::System { source, .. } if source.kind() == std::io::ErrorKind::InvalidData)
        || matches!(error, FileError::TooLarge { .. } | FileError::NotRegular(_))
}

/// The present boot. The marker stands in /var/run, which every boot clears; on the machine itself the kernel's own
/// number is part of it.
///
/// # Errors
/// The marker could not be made.
pub(crate) fn this_boot(layout: &Layout) -> Result<String, FileError> {
    let path = layout.on_disk("/var/run/pot-console.boot");
    let kernel = if layout.is_below_a_root() { String::new() } else { platform::boot_id().unwrap_or_default() };
    let marker = match files::read_limited(&path, 256) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
        Err(FileError::Missing(_)) => {
            let mut random = [0_u8; 16];
            getrandom::fill(&mut random).map_err(|_| {
                FileError::system("making", &path)(std::io::Error::other("the kernel gave no random bytes"))
            })?;
            let marker = Digest::of(&random).hex();
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(FileError::system("making", folder))?;
            }
            match files::replace_with_mode(&path, &Expected::Absent, marker.as_bytes(), 0o600, &|_| ()) {
                Ok(_) => marker,
                // Another process was first.
                Err(FileError::Changed { .. }) => {
                    String::from_utf8_lossy(&files::read_limited(&path, 256)?).trim().to_owned()
                }
                Err(error) => return Err(error),
            }
        }
        Err(error) => return Err(error),
    };
    Ok(format!("{marker} {kernel}"))
}

/// Whether it is still the boot that a pending revert was saved in.
///
/// # Errors
/// That could not be seen.
pub(crate) fn is_same_boot(layout: &Layout, boot: &str) -> Result<bool, FileError> {
    Ok(this_boot(layout)? == boot)
}

impl NetworkState {
    /// Reads it from the host. What a tool did not answer is not known: it is never taken for none.
    pub fn read(host: &Host) -> Self {
        let (pf_loaded, pf_enabled) = match asked(host, Tool::Pfctl, &["-s", "info"]) {
            Err(why) => (Known::Unknown(why.clone()), Known::Unknown(why)),
            Ok(info) if info.succeeded() => (Known::Is(true), parse::pf::enabled(&info.stdout).into()),
            // Without the module there is no device, and nothing filters.
            Ok(info) if parse::pf::is_not_loaded(&info.stderr) => (Known::Is(false), Known::Is(false)),
            Ok(info) => {
                let why = failure(Tool::Pfctl, &["-s", "info"], &info);
                (Known::Unknown(why.clone()), Known::Unknown(why))
            }
        };
        let list = |args: &[&str]| match &pf_loaded {
            Known::Is(false) => Known::Is(Vec::new()),
            Known::Is(true) => listed(host, args).into(),
            Known::Unknown(why) => Known::Unknown(why.clone()),
        };
        Self {
            nat: list(&["-s", "nat"]),
            rules: list(&["-s", "rules"]),
            pot_nat: list(&["-s", "nat", "-a", "pot-nat"]),
            pot_anchors: match &pf_loaded {
                Known::Is(false) => Known::Is(Vec::new()),
                Known::Is(true) => pots_anchors(host).into(),
                Known::Unknown(why) => Known::Unknown(why.clone()),
            },
            forwarding: forwarding(host).into(),
            bridges: bridges(host).into(),
            pf_loaded,
            pf_enabled,
        }
    }

    /// Whether everything that would have to be put back is known.
    ///
    /// # Errors
    /// What is not, in words. Nothing may be started then.
    pub(crate) fn is_whole(&self) -> Result<(), String> {
        let unknown = [
            self.pf_loaded.why_unknown(),
            self.pf_enabled.why_unknown(),
            self.nat.why_unknown(),
            self.rules.why_unknown(),
            self.pot_nat.why_unknown(),
            self.forwarding.why_unknown(),
            self.bridges.why_unknown(),
        ];
        match unknown.into_iter().flatten().next() {
            Some(why) => Err(why.to_owned()),
            None => Ok(()),
        }
    }

    /// Each part of this that is known, the other's where it is not.
    fn or(&self, other: &Self) -> Self {
        Self {
            pf_loaded: self.pf_loaded.or(&other.pf_loaded),
            pf_enabled: self.pf_enabled.or(&other.pf_enabled),
            nat: self.nat.or(&other.nat),
            rules: self.rules.or(&other.rules),
            pot_nat: self.pot_nat.or(&other.pot_nat),
            pot_anchors: self.pot_anchors.or(&other.pot_anchors),
            forwarding: self.forwarding.or(&other.forwarding),
            bridges: self.bridges.or(&other.bridges),
        }
    }

    fn has_same_rules(&self, other: &Self) -> bool {
        self.nat.surely_equals(&other.nat) && self.rules.surely_equals(&other.rules)
    }

    fn has_other_rules(&self, other: &Self) -> bool {
        self.nat.surely_differs(&other.nat) || self.rules.surely_differs(&other.rules)
    }

    fn bridges(&self) -> &[Interface] {
        self.bridges.get().map(Vec::as_slice).unwrap_or_default()
    }
}

/// The bridge of that name.
fn named<'a>(bridges: &'a [Interface], name: &str) -> Option<&'a Interface> {
    bridges.iter().find(|bridge| bridge.name == name)
}

/// The bridge of that name with these very addresses, whatever their prefixes.
fn same<'a>(bridges: &'a [Interface], other: &Interface) -> Option<&'a Interface> {
    let addresses = |bridge: &Interface| bridge.addresses.iter().map(Ipv4Address::address).collect::<BTreeSet<_>>();
    named(bridges, &other.name).filter(|bridge| addresses(bridge) == addresses(other))
}

/// An answer that came whole and in time; its status may be any.
fn asked(host: &Host, tool: Tool, args: &[&str]) -> Result<Captured, String> {
    let typed = || crate::process::argv_as_typed(tool, args).join(" ");
    let answer = host.ask(tool, args, None, tool.patience()).map_err(|error| error.to_string())?;
    if answer.timed_out {
        return Err(format!("{} did not answer within {} s", typed(), tool.patience().as_secs()));
    }
    if answer.truncated {
        return Err(format!("the answer of {} is longer than what is read of it", typed()));
    }
    Ok(answer)
}

fn failure(tool: Tool, args: &[&str], answer: &Captured) -> String {
    let typed = crate::process::argv_as_typed(tool, args).join(" ");
    let words = super::looking::lines(&answer.stderr).join("; ");
    format!("{typed} failed: {}", if words.is_empty() { "it said nothing" } else { &words })
}

/// The rules that pfctl lists.
fn listed(host: &Host, args: &[&str]) -> Result<Vec<String>, String> {
    parse::pf::listed(&asked(host, Tool::Pfctl, args)?, args.contains(&"-a"))
}

fn pots_anchors(host: &Host) -> Result<Vec<String>, String> {
    let args = ["-s", "Anchors"];
    let answer = asked(host, Tool::Pfctl, &args)?;
    if !answer.succeeded() {
        return Err(failure(Tool::Pfctl, &args, &answer));
    }
    let mut anchors = parse::pf::anchors(&answer.stdout)?;
    anchors.retain(|name| POTS_ANCHORS.contains(&name.as_str()));
    Ok(anchors)
}

fn forwarding(host: &Host) -> Result<bool, String> {
    let args = ["-n", "net.inet.ip.forwarding"];
    let answer = asked(host, Tool::Sysctl, &args)?;
    match answer.stdout.trim() {
        "0" if answer.succeeded() => Ok(false),
        "1" if answer.succeeded() => Ok(true),
        _ if answer.succeeded() => Err("net.inet.ip.forwarding is neither 0 nor 1".to_owned()),
        _ => Err(failure(Tool::Sysctl, &args, &answer)),
    }
}

fn bridges(host: &Host) -> Result<Vec<Interface>, String> {
    let answer = asked(host, Tool::Ifconfig, &["-a"])?;
    if !answer.succeeded() {
        return Err(failure(Tool::Ifconfig, &["-a"], &answer));
    }
    let mut bridges = parse::ifconfig::interfaces(&answer.stdout)?;
    bridges.retain(Interface::is_bridge);
    Ok(bridges)
}

/// Puts the host back to what was saved. Gives each thing with how it went, for those that the run could change. What
/// cannot be seen is tried: nothing here waits for an answer that does not come.
pub fn put_back(host: &Host, pending: &Pending, notify: &mut dyn FnMut(PutBackEvent<'_>)) -> Vec<PutBackStep> {
    let before = &pending.before;
    let now = NetworkState::read(host);
    if let Err(why) = now.is_whole() {
        notify(PutBackEvent::Words(&format!(
            "Not all of the present state could be read ({why}): what is not known is put back."
        )));
    }
    // Cut off in the middle: all that differs is the run's.
    let left = pending.left.as_ref().map_or_else(|| now.clone(), |left| left.or(&now));
    let mut work = Work { host, notify, notes: Vec::new(), pf_is_gone: now.pf_loaded.is(&false) };
    work.pf(before, &left, &now, pending.files.first());
    work.members(before, &left, &now);
    work.forwarding(before, &left, &now);
    work.nat_anchor(before, &left, &now);
    work.bridges(before, &left, &now);
    let notes = work.notes;
    compare(before, &NetworkState::read(host), &notes)
}

/// Waits, at most [`LEAVING`], until pf has let go of the anchors that a run brought and that its rules no longer call.
/// Until then pot takes them for there and would not load the rules. Gives those that are still there then.
pub(crate) fn wait_for_what_leaves(host: &Host, before: &NetworkState, go_on: &dyn Fn() -> bool) -> Vec<String> {
    let begun = Instant::now();
    let Some(had) = before.pot_anchors.get() else { return Vec::new() };
    loop {
        // Whether they are there cannot be seen: then there is nothing to wait for.
        let Ok(mut there) = pots_anchors(host) else { return Vec::new() };
        there.retain(|name| !had.contains(name));
        if there.is_empty() || begun.elapsed() >= LEAVING || !go_on() {
            return there;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// What happens while a host is put back, as it happens.
pub enum PutBackEvent<'a> {
    /// A command starts.
    Command(&'a [String]),
    /// It ended with this status and these words.
    Ended(Option<i32>, &'a [String]),
    /// The console's own words.
    Words(&'a str),
}

struct Work<'a> {
    host: &'a Host,
    notify: &'a mut dyn FnMut(PutBackEvent<'_>),
    /// (what, why not, what to type)
    notes: Vec<(&'static str, String)>,
    /// Its rules are gone with it.
    pf_is_gone: bool,
}

impl Work<'_> {
    fn run(&mut self, what: &'static str, tool: Tool, args: &[&str], stdin: Option<&[u8]>) -> bool {
        let argv = crate::process::argv_as_typed(tool, args);
        (self.notify)(PutBackEvent::Command(&argv));
        let (status, words) = match self.host.ask(tool, args, stdin, tool.patience()) {
            Ok(answer) => {
                let mut words = super::looking::lines(&answer.stdout);
                words.extend(super::looking::lines(&answer.stderr));
                if answer.timed_out {
                    words.push(format!("did not end within {} s", tool.patience().as_secs()));
                }
                (answer.status, words)
            }
            Err(error) => (None, vec![error.to_string()]),
        };
        (self.notify)(PutBackEvent::Ended(status, &words));
        let good = status == Some(0);
        if !good {
            self.notes
                .push((what, format!("{} failed: {}", argv.join(" "), words.last().cloned().unwrap_or_default())));
        }
        good
    }

    fn leave(&mut self, what: &'static str, why: &str) {
        (self.notify)(PutBackEvent::Words(&format!("{what}: {why}")));
        self.notes.push((what, why.to_owned()));
    }

    fn pf(&mut self, before: &NetworkState, left: &NetworkState, now: &NetworkState, file: Option<&SavedFile>) {
        const WHAT: &str = "pf";
        const RULES: &str = "pf rules";
        if before.pf_enabled.is(&false) {
            // A pf that was on is never turned off.
            if !now.pf_enabled.is(&false) {
                self.run(WHAT, Tool::Pfctl, &["-d"], None);
            }
            if before.pf_loaded.is(&false) && !self.pf_is_gone {
                self.pf_is_gone = self.run(WHAT, Tool::Kldunload, &["pf"], None);
            }
        }
        if self.pf_is_gone || now.has_same_rules(before) {
            return;
        }
        let (Some(nat), Some(rules)) = (before.nat.get(), before.rules.get()) else {
            return self.leave(RULES, "which were loaded before the run is not known, left alone");
        };
        if now.has_other_rules(left) {
            self.leave(RULES, CHANGED_SINCE);
        } else if rules.is_empty() && nat.is_empty() {
            // An empty file also takes back what `set` said, which flushing rules would leave.
            self.run(RULES, Tool::Pfctl, &["-f", "-"], Some(b""));
        } else if let Some(file) = file {
            self.run(RULES, Tool::Pfctl, &["-f", "-"], Some(&file.bytes));
        }
    }

    fn members(&mut self, before: &NetworkState, left: &NetworkState, now: &NetworkState) {
        for bridge in left.bridges() {
            let had = named(before.bridges(), &bridge.name).map(|bridge| bridge.members.as_slice()).unwrap_or_default();
            for member in bridge.members.iter().filter(|member| !had.contains(member)) {
                // Where that cannot be seen, it is still there.
                let is_there = now.bridges.get().is_none_or(|bridges| {
                    named(bridges, &bridge.name).is_some_and(|present| present.members.contains(member))
                });
                // Pots' own interfaces come and go by themselves.
                if is_there && !member.starts_with("epair") {
                    self.run(BRIDGE, Tool::Ifconfig, &[&bridge.name, "deletem", member], None);
                }
            }
        }
    }

    fn forwarding(&mut self, before: &NetworkState, left: &NetworkState, now: &NetworkState) {
        const WHAT: &str = "IP forwarding";
        if before.forwarding.surely_equals(&now.forwarding) {
            return;
        }
        match before.forwarding.get() {
            None => self.leave(WHAT, "what it was before the run is not known, left alone"),
            Some(_) if now.forwarding.surely_differs(&left.forwarding) => self.leave(WHAT, CHANGED_SINCE),
            Some(on) => {
                let value = format!("net.inet.ip.forwarding={}", u8::from(*on));
                self.run(WHAT, Tool::Sysctl, &[&value], None);
            }
        }
    }

    fn nat_anchor(&mut self, before: &NetworkState, left: &NetworkState, now: &NetworkState) {
        const WHAT: &str = NAT_RULES;
        // Unloading the module took them along.
        if self.pf_is_gone || now.pot_nat.surely_equals(&before.pot_nat) {
            return;
        }
        match before.pot_nat.get() {
            None => self.leave(WHAT, "which there were before the run is not known, left alone"),
            Some(_) if now.pot_nat.surely_differs(&left.pot_nat) => self.leave(WHAT, CHANGED_SINCE),
            Some(rules) if rules.is_empty() => {
                self.run(WHAT, Tool::Pfctl, &["-a", "pot-nat", "-F", "nat"], None);
            }
            Some(rules) => {
                let rules = rules.join("\n") + "\n";
                self.run(WHAT, Tool::Pfctl, &["-a", "pot-nat", "-f", "-"], Some(rules.as_bytes()));
            }
        }
    }

    fn bridges(&mut self, before: &NetworkState, left: &NetworkState, now: &NetworkState) {
        let Some(had) = before.bridges.get() else {
            return self.leave(BRIDGE, "which there were before the run is not known, left alone");
        };
        if left.bridges.get().is_none() {
            self.leave(BRIDGE, "which the run left could not be seen");
        }
        // A new bridge may have got the name of one that the run took away: name and addresses tell them apart.
        for bridge in left.bridges().iter().filter(|bridge| same(had, bridge).is_none()) {
            // What it has now, after its member was taken out. Where that cannot be seen, it is as the run left it.
            let present = match bridges(self.host) {
                Ok(bridges) => same(&bridges, bridge).cloned(),
                Err(_) => {
                    let members = bridge.members.iter().filter(|member| member.starts_with("epair")).cloned().collect();
                    Some(Interface { members, ..bridge.clone() })
                }
            };
            match present {
                None => {}
                Some(present) if present.members.is_empty() => {
                    self.run(BRIDGE, Tool::Ifconfig, &[&bridge.name, "destroy"], None);
                }
                Some(present) => {
                    let why =
                        format!("{} has members by now ({}), left alone", bridge.name, present.members.join(", "));
                    self.leave(BRIDGE, &why);
                }
            }
        }
        for bridge in had {
            if let (Some(left), Some(present)) = (same(left.bridges(), bridge), same(now.bridges(), bridge)) {
                self.as_it_was(bridge, left, present);
            }
            if same(left.bridges(), bridge).is_some() || same(now.bridges(), bridge).is_some() {
                continue;
            }
            let mut args = vec![bridge.name.as_str(), "create"];
            if !bridge.description.is_empty() {
                args.extend(["descr", bridge.description.as_str()]);
            }
            for group in bridge.groups.iter().filter(|group| *group != "bridge") {
                args.extend(["group", group.as_str()]);
            }
            if !self.run(BRIDGE, Tool::Ifconfig, &args, None) {
                continue;
            }
            for address in &bridge.addresses {
                self.run(BRIDGE, Tool::Ifconfig, &[&bridge.name, "inet", &address.network.to_string(), "alias"], None);
            }
            for member in bridge.members.iter().filter(|member| !member.starts_with("epair")) {
                self.run(BRIDGE, Tool::Ifconfig, &[&bridge.name, "addm", member], None);
            }
            // An address brings it up, and nothing else does.
            if bridge.up == bridge.addresses.is_empty() {
                self.run(BRIDGE, Tool::Ifconfig, &[&bridge.name, if bridge.up { "up" } else { "down" }], None);
            }
        }
    }

    /// A bridge that was there all the time: its prefixes, and whether it is up. An address brings a bridge up, so that
    /// comes last.
    fn as_it_was(&mut self, before: &Interface, left: &Interface, present: &Interface) {
        for had in &before.addresses {
            if left.addresses.contains(had) || present.addresses.contains(had) {
                continue;
            }
            let is_runs = |other: &Ipv4Address| other.address() == had.address() && left.addresses.contains(other);
            if !present.addresses.iter().any(is_runs) {
                self.leave(BRIDGE, CHANGED_SINCE);
                continue;
            }
            self.run(BRIDGE, Tool::Ifconfig, &[&before.name, "inet", &had.network.to_string(), "alias"], None);
        }
        if !before.up && left.up && present.up {
            self.run(BRIDGE, Tool::Ifconfig, &[&before.name, "down"], None);
        }
    }
}

/// What of it is as before. What could not be seen is not.
fn compare(before: &NetworkState, after: &NetworkState, notes: &[(&'static str, String)]) -> Vec<PutBackStep> {
    let mut steps = Vec::new();
    // `now`: what there is, or why that could not be seen.
    let mut step = |title: &'static str, done: bool, now: Result<String, &str>, remedy: String| {
        let note = notes.iter().find(|(what, _)| *what == title).map(|(_, why)| format!("; {why}")).unwrap_or_default();
        // What is not as before is a clause of its own: it stands in the run's summary.
        let clause = match (title, now) {
            (_, Ok(now)) if done => now,
            (_, Err(why)) => format!("{title} could not be seen: {why}"),
            ("pf" | "IP forwarding", Ok(now)) => format!("{title} is still {now}"),
            ("pf rules", Ok(now)) => format!("the pf rules are not those of before, there are now {now}"),
            (NAT_RULES, Ok(now)) => format!("pot-nat is not as before, there are now {now}"),
            (_, Ok(now)) => format!("the bridges are not as before, there are now: {now}"),
        };
        let detail = if done { clause } else { format!("{clause}{note}. {AT_THE_MACHINE}{remedy}") };
        steps.push(PutBackStep { title: title.to_owned(), done, detail });
    };
    step(
        "pf",
        before.pf_enabled.surely_equals(&after.pf_enabled),
        after.pf_enabled.in_words(|on| if *on { "on" } else { "off" }.to_owned()),
        if before.pf_enabled.is(&true) { "pfctl -e" } else { "pfctl -d" }.to_owned(),
    );
    let without_pf = before.pf_loaded.is(&false) && after.pf_loaded.is(&false);
    let loaded = match (&after.nat, &after.rules) {
        (Known::Is(_), Known::Is(rules)) => Ok(filter_rules_in_words(rules.len())),
        (Known::Unknown(why), _) | (_, Known::Unknown(why)) => Err(why.as_str()),
    };
    step(
        "pf rules",
        before.has_same_rules(after) || without_pf,
        loaded,
        "pfctl -f with the rules that you want".to_owned(),
    );
    step(
        "IP forwarding",
        before.forwarding.surely_equals(&after.forwarding),
        after.forwarding.in_words(|on| if *on { "on" } else { "off" }.to_owned()),
        format!("sysctl net.inet.ip.forwarding={}", u8::from(before.forwarding.is(&true))),
    );
    step(
        NAT_RULES,
        before.pot_nat.surely_equals(&after.pot_nat),
        after.pot_nat.in_words(|rules| pot_nat_in_words(rules.len())),
        "pfctl -a pot-nat -F nat".to_owned(),
    );
    // Pots' own interfaces and IPv6 link-local addresses come and go.
    let shape = |bridges: &[Interface]| {
        let mut shape: Vec<(String, bool, Vec<String>, Vec<String>)> = bridges
            .iter()
            .map(|bridge| {
                let members = bridge.members.iter().filter(|name| !name.starts_with("epair")).cloned().collect();
                let mut addresses: Vec<String> = bridge.addresses.iter().map(|own| own.network.to_string()).collect();
                addresses.sort();
                (bridge.name.clone(), bridge.up, addresses, members)
            })
            .collect();
        shape.sort();
        shape
    };
    let as_before = match (&before.bridges, &after.bridges) {
        (Known::Is(before), Known::Is(after)) => shape(before) == shape(after),
        _ => false,
    };
    let extra = after.bridges().iter().find(|bridge| named(before.bridges(), &bridge.name).is_none());
    step(
        BRIDGE,
        as_before,
        after.bridges.in_words(|bridges| {
            let names: Vec<&str> = bridges.iter().map(|bridge| bridge.name.as_str()).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        }),
        match extra {
            Some(bridge) => format!("ifconfig {} destroy", bridge.name),
            None => "ifconfig -g bridge, and compare".to_owned(),
        },
    );
    steps
}

/// Whether the run changed anything that would have to be put back, or may have: what could not be seen counts as changed.
pub fn differs(before: &NetworkState, left: &NetworkState) -> bool {
    compare(before, left, &[]).iter().any(|step| !step.done) || !before.pf_loaded.surely_equals(&left.pf_loaded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> NetworkState {
        NetworkState {
            pf_loaded: Known::Is(true),
            pf_enabled: Known::Is(true),
            nat: Known::Is(vec!["nat-anchor \"pot-nat\" all".to_owned()]),
            rules: Known::Is(Vec::new()),
            pot_nat: Known::Is(Vec::new()),
            pot_anchors: Known::Is(Vec::new()),
            forwarding: Known::Is(false),
            bridges: Known::Is(Vec::new()),
        }
    }

    #[test]
    fn what_an_earlier_version_saved_is_read() {
        let text = r#"{"pf_loaded":true,"pf_enabled":false,"nat":["a"],"rules":[],"pot_nat":["nat on em0"],
            "forwarding":null,"bridges":[]}"#;
        let read: NetworkState = serde_json::from_str(text).unwrap();
        assert_eq!(read.pot_nat, Known::Is(vec!["nat on em0".to_owned()]));
        assert_eq!(read.bridges, Known::Is(Vec::new()));
        assert!(read.forwarding.get().is_none() && read.is_whole().is_err(), "an answer that was not understood");
        assert!(read.pot_anchors.get().is_none());
        let text = r#"{"run":3,"actor":{"name":"anna","role":null,"method":"password","session":null,"claimed":null},
            "boot":"b","phase":"waiting","revert_after":60,"deadline":"2026-11-29T12:01:00Z","changed_ms":5,
            "before":BEFORE,"left":null,"files":[]}"#
            .replace("BEFORE", &serde_json::to_string(&state()).unwrap());
        let pending: Pending = serde_json::from_str(&text).unwrap();
        let at = |wall: &str| {
            let wall = wall.parse().unwrap();
            let clock = Clock::new(|| SinceBoot(1_000_000), move || wall);
            pending.until(&clock).unwrap().since(SinceBoot(1_000_000))
        };
        assert_eq!(at("2026-11-29T12:00:20Z"), Duration::from_secs(40), "the rest of its time");
        assert_eq!(at("2026-11-29T11:00:00Z"), Duration::from_mins(1), "never more than was chosen");
        assert_eq!(at("2026-11-29T12:05:00Z"), Duration::ZERO);
    }

    #[test]
    fn what_is_not_known_goes_to_disk_and_back_with_its_reason() {
        let unknown = NetworkState { pot_nat: Known::Unknown("pfctl did not answer".to_owned()), ..state() };
        let text = serde_json::to_string(&unknown).unwrap();
        assert!(text.contains(r#""pot_nat":{"unknown":"pfctl did not answer"}"#), "{text}");
        assert_eq!(serde_json::from_str::<NetworkState>(&text).unwrap(), unknown);
        assert_eq!(unknown.is_whole(), Err("pfctl did not answer".to_owned()));
        assert_eq!(state().is_whole(), Ok(()));
    }

    #[test]
    fn what_could_not_be_seen_after_a_run_counts_as_changed() {
        assert!(!differs(&state(), &state()));
        let blind = NetworkState { forwarding: Known::Unknown("no answer".to_owned()), ..state() };
        assert!(differs(&state(), &blind));
        let steps = compare(&state(), &blind, &[]);
        let step = steps.iter().find(|step| step.title == "IP forwarding").unwrap();
        assert_eq!(
            (step.done, step.detail.as_str()),
            (false, "IP forwarding could not be seen: no answer. At the machine run: sysctl net.inet.ip.forwarding=0")
        );
    }
}
