//! Confirm or revert: what a run that can cut the admin off has to restore, and restoring it.
//!
//! It is saved whole before the run, bound to its content by a digest and to one boot by a marker. Putting back needs
//! neither the web process nor a database nor a name server: a handful of commands, each only if the value is still
//! what the run left, none of which stops the next. Order (DESIGN): pf, bridge member, forwarding, NAT anchor, bridge.

use super::looking::Host;
use super::plan::PutBackStep;
use super::runs::{from_json, json};
use crate::bytes_as_base64;
use crate::digest::Digest;
use crate::facts::Interface;
use crate::files::{self, Expected, FileError};
use crate::host::parse;
use crate::journal::record::Actor;
use crate::layout::Layout;
use crate::platform;
use crate::process::{Captured, Tool};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// What stands before a command that someone has to type.
pub const AT_THE_MACHINE: &str = "At the machine run: ";
/// How long one command of a revert may take.
const TIME: Duration = Duration::from_secs(15);
/// Largest pending revert that is read, in bytes.
const LARGEST: u64 = 64 << 20;

/// The state of the network that a run may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkState {
    /// Whether pf's module is loaded.
    pub pf_loaded: bool,
    /// Whether pf is enabled.
    pub pf_enabled: bool,
    /// Translation rules of the main rule set, as pfctl prints them: evidence, and to compare.
    pub nat: Vec<String>,
    /// Filter rules of the main rule set, likewise.
    pub rules: Vec<String>,
    /// Rules in anchor pot-nat.
    pub pot_nat: Vec<String>,
    /// `net.inet.ip.forwarding`.
    pub forwarding: Option<bool>,
    /// Bridges with members and addresses.
    pub bridges: Vec<Interface>,
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
pub enum Phase {
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
    pub phase: Phase,
    /// Seconds to answer.
    pub revert_after: u16,
    /// When it is put back, once it waits.
    pub deadline: Option<Timestamp>,
    /// When the change was made, milliseconds of the Unix epoch: a connection accepted later is a new one.
    pub changed_ms: Option<i64>,
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
    layout.private().join("pending-revert.json")
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
    pub fn set_aside(layout: &Layout) {
        let path = path(layout);
        let _ = std::fs::rename(&path, path.with_extension("damaged"));
    }
}

/// The present boot. The marker stands in /var/run, which every boot clears; on the machine itself the kernel's own
/// number is part of it.
///
/// # Errors
/// The marker could not be made.
pub fn this_boot(layout: &Layout) -> Result<String, FileError> {
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

impl NetworkState {
    /// Reads it from the host.
    ///
    /// # Errors
    /// What could not be read, in words. Nothing may be started then: it could not be put back.
    pub fn read(host: &Host) -> Result<Self, String> {
        let ask = |tool: Tool, args: &[&str]| -> Result<Captured, String> {
            host.ask(tool, args, None, TIME).map_err(|error| error.to_string())
        };
        let answer = |tool: Tool, args: &[&str]| -> Result<String, String> {
            let answer = ask(tool, args)?;
            if answer.succeeded() {
                Ok(answer.stdout)
            } else {
                Err(format!("{} {} failed: {}", tool.name(), args.join(" "), answer.stderr.trim()))
            }
        };
        let info = ask(Tool::Pfctl, &["-s", "info"])?;
        let pf_loaded = info.succeeded();
        if !pf_loaded && !info.stderr.contains("/dev/pf") {
            return Err(format!("pfctl -s info failed: {}", info.stderr.trim()));
        }
        let list = |args: &[&str]| -> Result<Vec<String>, String> {
            if pf_loaded { answer(Tool::Pfctl, args).map(|text| parse::pf::rules(&text)) } else { Ok(Vec::new()) }
        };
        let forwarding = ask(Tool::Sysctl, &["-n", "net.inet.ip.forwarding"])?;
        let mut bridges = parse::ifconfig::interfaces(&answer(Tool::Ifconfig, &["-a"])?)?;
        bridges.retain(Interface::is_bridge);
        Ok(Self {
            pf_loaded,
            pf_enabled: pf_loaded && parse::pf::enabled(&info.stdout)?,
            nat: list(&["-s", "nat"])?,
            rules: list(&["-s", "rules"])?,
            // An anchor that does not exist is an error on some releases: no rules.
            pot_nat: list(&["-s", "nat", "-a", "pot-nat"]).unwrap_or_default(),
            forwarding: match forwarding.stdout.trim() {
                "0" => Some(false),
                "1" => Some(true),
                _ => None,
            },
            bridges,
        })
    }

    fn bridge(&self, name: &str) -> Option<&Interface> {
        self.bridges.iter().find(|bridge| bridge.name == name)
    }

    /// The bridge of that name with these very addresses.
    fn same(&self, other: &Interface) -> Option<&Interface> {
        self.bridge(&other.name).filter(|bridge| bridge.addresses == other.addresses)
    }

    fn has(&self, other: &Interface) -> bool {
        self.same(other).is_some()
    }

    fn same_rules(&self, other: &Self) -> bool {
        self.nat == other.nat && self.rules == other.rules
    }
}

/// Puts the host back to what was saved. Gives each thing with how it went, for those that the run could change.
pub fn put_back(host: &Host, pending: &Pending, say: &mut dyn FnMut(Said<'_>)) -> Vec<PutBackStep> {
    let before = &pending.before;
    let now = match NetworkState::read(host) {
        Ok(now) => now,
        Err(why) => {
            say(Said::Words(&format!(
                "The present state could not be read whole ({why}); going on with what the run left."
            )));
            pending.left.clone().unwrap_or_else(|| assume_changed(before))
        }
    };
    // Cut off in the middle: all that differs is the run's.
    let left = pending.left.clone().unwrap_or_else(|| now.clone());
    let mut work = Work { host, say, notes: Vec::new() };
    work.pf(before, &left, &now, pending.files.first());
    work.members(before, &left, &now);
    work.forwarding(before, &left, &now);
    work.nat_anchor(before, &left, &now);
    work.bridges(before, &left, &now);
    let notes = work.notes;
    match NetworkState::read(host) {
        Ok(after) => compare(before, &after, &notes),
        Err(why) => vec![PutBackStep {
            title: "Check".to_owned(),
            done: false,
            detail: format!("the state could not be read afterwards: {why}"),
        }],
    }
}

/// When nothing can be read, the opposite of what was is the safer guess: each command is tried.
fn assume_changed(before: &NetworkState) -> NetworkState {
    NetworkState { pf_loaded: true, pf_enabled: true, forwarding: Some(true), ..before.clone() }
}

/// What putting back says while it is at it.
pub enum Said<'a> {
    /// A command starts.
    Command(&'a [String]),
    /// It ended with this status and these words.
    Ended(Option<i32>, &'a [String]),
    /// The console's own words.
    Words(&'a str),
}

struct Work<'a> {
    host: &'a Host,
    say: &'a mut dyn FnMut(Said<'_>),
    /// (what, why not, what to type)
    notes: Vec<(&'static str, String)>,
}

impl Work<'_> {
    fn run(&mut self, what: &'static str, tool: Tool, args: &[&str], stdin: Option<&[u8]>) -> bool {
        let argv = crate::process::argv_as_typed(tool, args);
        (self.say)(Said::Command(&argv));
        let (status, words) = match self.host.ask(tool, args, stdin, TIME) {
            Ok(answer) => {
                let mut words = super::looking::lines(&answer.stdout);
                words.extend(super::looking::lines(&answer.stderr));
                if answer.timed_out {
                    words.push(format!("did not end within {} s", TIME.as_secs()));
                }
                (answer.status, words)
            }
            Err(error) => (None, vec![error.to_string()]),
        };
        (self.say)(Said::Ended(status, &words));
        let good = status == Some(0);
        if !good {
            self.notes
                .push((what, format!("{} failed: {}", argv.join(" "), words.last().cloned().unwrap_or_default())));
        }
        good
    }

    fn leave(&mut self, what: &'static str, why: &str) {
        (self.say)(Said::Words(&format!("{what}: {why}")));
        self.notes.push((what, why.to_owned()));
    }

    fn pf(&mut self, before: &NetworkState, left: &NetworkState, now: &NetworkState, file: Option<&SavedFile>) {
        const WHAT: &str = "pf";
        const RULES: &str = "pf rules";
        if !before.pf_enabled {
            // A pf that was on is never turned off.
            if now.pf_enabled {
                self.run(WHAT, Tool::Pfctl, &["-d"], None);
            }
            if !before.pf_loaded && now.pf_loaded {
                self.run(WHAT, Tool::Kldunload, &["pf"], None);
                return;
            }
        }
        if now.same_rules(before) {
            return;
        }
        if !now.same_rules(left) {
            self.leave(RULES, "changed by someone else since the run, left alone");
        } else if before.rules.is_empty() && before.nat.is_empty() {
            // An empty file also takes back what `set` said, which flushing rules would leave.
            self.run(RULES, Tool::Pfctl, &["-f", "-"], Some(b""));
        } else if let Some(file) = file {
            self.run(RULES, Tool::Pfctl, &["-f", "-"], Some(&file.bytes));
        }
    }

    fn members(&mut self, before: &NetworkState, left: &NetworkState, now: &NetworkState) {
        for bridge in &left.bridges {
            let had = before.bridge(&bridge.name).map(|bridge| bridge.members.as_slice()).unwrap_or_default();
            let Some(present) = now.bridge(&bridge.name) else { continue };
            for member in bridge.members.iter().filter(|member| !had.contains(member)) {
                // Pots' own interfaces come and go by themselves.
                if present.members.contains(member) && !member.starts_with("epair") {
                    self.run("Bridge", Tool::Ifconfig, &[&bridge.name, "deletem", member], None);
                }
            }
        }
    }

    fn forwarding(&mut self, before: &NetworkState, left: &NetworkState, now: &NetworkState) {
        const WHAT: &str = "IP forwarding";
        if before.forwarding == now.forwarding {
            return;
        }
        match before.forwarding {
            Some(on) if now.forwarding == left.forwarding => {
                let value = format!("net.inet.ip.forwarding={}", u8::from(on));
                self.run(WHAT, Tool::Sysctl, &[&value], None);
            }
            _ => self.leave(WHAT, "changed by someone else since the run, left alone"),
        }
    }

    fn nat_anchor(&mut self, before: &NetworkState, left: &NetworkState, now: &NetworkState) {
        const WHAT: &str = "NAT rules in pot-nat";
        // Unloading the module took them along.
        if !before.pf_loaded || now.pot_nat == before.pot_nat {
            return;
        }
        if now.pot_nat != left.pot_nat {
            self.leave(WHAT, "changed by someone else since the run, left alone");
        } else if before.pot_nat.is_empty() {
            self.run(WHAT, Tool::Pfctl, &["-a", "pot-nat", "-F", "nat"], None);
        } else {
            let rules = before.pot_nat.join("\n") + "\n";
            self.run(WHAT, Tool::Pfctl, &["-a", "pot-nat", "-f", "-"], Some(rules.as_bytes()));
        }
    }

    fn bridges(&mut self, before: &NetworkState, left: &NetworkState, now: &NetworkState) {
        const WHAT: &str = "Bridge";
        // A new bridge may have got the name of one that the run took away: name and addresses tell them apart.
        for bridge in left.bridges.iter().filter(|bridge| !before.has(bridge)) {
            // What it has now, after its member was taken out.
            let present = NetworkState::read(self.host).ok();
            match present.as_ref().unwrap_or(now).same(bridge).cloned() {
                None => {}
                Some(present) if present.members.is_empty() => {
                    self.run(WHAT, Tool::Ifconfig, &[&bridge.name, "destroy"], None);
                }
                Some(present) => {
                    let why =
                        format!("{} has members by now ({}), left alone", bridge.name, present.members.join(", "));
                    self.leave(WHAT, &why);
                }
            }
        }
        for bridge in &before.bridges {
            if left.has(bridge) || now.has(bridge) {
                continue;
            }
            let mut args = vec![bridge.name.as_str(), "create"];
            if !bridge.description.is_empty() {
                args.extend(["descr", bridge.description.as_str()]);
            }
            for group in bridge.groups.iter().filter(|group| *group != "bridge") {
                args.extend(["group", group.as_str()]);
            }
            if !self.run(WHAT, Tool::Ifconfig, &args, None) {
                continue;
            }
            for address in &bridge.addresses {
                self.run(WHAT, Tool::Ifconfig, &[&bridge.name, "inet", &address.network.to_string()], None);
            }
            for member in bridge.members.iter().filter(|member| !member.starts_with("epair")) {
                self.run(WHAT, Tool::Ifconfig, &[&bridge.name, "addm", member], None);
            }
        }
    }
}

/// What of it is as before.
fn compare(before: &NetworkState, after: &NetworkState, notes: &[(&'static str, String)]) -> Vec<PutBackStep> {
    let on = |on: bool| if on { "on" } else { "off" }.to_owned();
    let mut steps = Vec::new();
    let mut step = |title: &'static str, done: bool, now: String, remedy: String| {
        let note = notes.iter().find(|(what, _)| *what == title).map(|(_, why)| format!("; {why}")).unwrap_or_default();
        // What is not as before is a clause of its own: it stands in the run's summary.
        let clause = match title {
            _ if done => now,
            "pf" | "IP forwarding" => format!("{title} is still {now}"),
            "pf rules" => format!("the pf rules are not those of before, {now}"),
            "NAT rules in pot-nat" => format!("pot-nat is not as before, it holds {now}"),
            _ => format!("the bridges are not as before, there are now: {now}"),
        };
        let detail = if done { clause } else { format!("{clause}{note}. {AT_THE_MACHINE}{remedy}") };
        steps.push(PutBackStep { title: title.to_owned(), done, detail });
    };
    step(
        "pf",
        before.pf_enabled == after.pf_enabled,
        on(after.pf_enabled),
        if before.pf_enabled { "pfctl -e" } else { "pfctl -d" }.to_owned(),
    );
    let same_rules = before.same_rules(after) || (!before.pf_loaded && !after.pf_loaded);
    step(
        "pf rules",
        same_rules,
        format!("{} loaded", super::draft::counted(after.rules.len() + after.nat.len(), "rule")),
        "pfctl -f with the rules that you want".to_owned(),
    );
    step(
        "IP forwarding",
        before.forwarding == after.forwarding,
        after.forwarding.map_or_else(|| "not known".to_owned(), |on| u8::from(on).to_string()),
        format!("sysctl net.inet.ip.forwarding={}", u8::from(before.forwarding.unwrap_or_default())),
    );
    step(
        "NAT rules in pot-nat",
        before.pot_nat == after.pot_nat,
        super::draft::counted(after.pot_nat.len(), "rule"),
        "pfctl -a pot-nat -F nat".to_owned(),
    );
    // Pots' own interfaces and IPv6 link-local addresses come and go.
    let shape = |state: &NetworkState| {
        let mut shape: Vec<(String, Vec<String>, Vec<String>)> = state
            .bridges
            .iter()
            .map(|bridge| {
                let members = bridge.members.iter().filter(|name| !name.starts_with("epair")).cloned().collect();
                (bridge.name.clone(), bridge.addresses.iter().map(|own| own.network.to_string()).collect(), members)
            })
            .collect();
        shape.sort();
        shape
    };
    let names: Vec<&str> = after.bridges.iter().map(|bridge| bridge.name.as_str()).collect();
    let extra: Vec<&str> = names.iter().copied().filter(|name| before.bridge(name).is_none()).collect();
    step(
        "Bridge",
        shape(before) == shape(after),
        if names.is_empty() { "none".to_owned() } else { names.join(", ") },
        match extra.first() {
            Some(name) => format!("ifconfig {name} destroy"),
            None => "ifconfig -g bridge, and compare".to_owned(),
        },
    );
    steps
}

/// Whether the run changed anything that would have to be put back.
pub fn differs(before: &NetworkState, left: &NetworkState) -> bool {
    compare(before, left, &[]).iter().any(|step| !step.done) || before.pf_loaded != left.pf_loaded
}
