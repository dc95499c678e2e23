//! What a plan function makes: the parts that people see, the actions that a run carries out, and what verification
//! will look at. All three come from one place, so that what is shown is what is done.

use super::before_init::BeforeInit;
use super::plan::{Blocker, Check, ManagedFile, Operation, Preview, ProofNeeded, Step, StepState};
use crate::diff::Diff;
use crate::digest::Digest;
use crate::facts::{Dataset, Fact, HostFacts, PathKind, PathState, RACCT, Snapshots, Tunable, VTNET_LRO, telling};
use crate::potconf::Configuration;
use crate::process::Tool;
use crate::rules::{Finding, Nat, limits};
use ipnet::Ipv4Net;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// A managed file as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFile {
    /// Its path on the host.
    pub path: String,
    /// Its bytes; none when it does not exist, or is not known.
    pub bytes: Option<Vec<u8>>,
    /// The file that a link at its path leads to.
    pub leads_to: Option<String>,
    /// Why it is neither read nor written.
    pub unknown: Option<String>,
}

/// The managed files as they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFiles {
    /// Those that the console writes.
    pub managed: BTreeMap<ManagedFile, HostFile>,
    /// Further files that rc(8) reads after /etc/rc.conf, those that exist, the last word last; a file that could not be
    /// read with why.
    pub after_rc_conf: Vec<(String, Result<Vec<u8>, String>)>,
    /// The `*.conf` files that syslogd reads beside its main file, and those of [`super::log_routing::FOLDER`] even when
    /// it does not read them.
    pub syslog: Vec<(String, Vec<u8>)>,
    /// What newsyslog reads: its main file first, where it exists.
    pub rotation: Vec<(String, Vec<u8>)>,
    /// Why those of syslogd and newsyslog are not all that there are.
    pub logs_unread: Option<String>,
    /// What rc.conf said before init.
    pub before_init: BeforeInit,
}

impl HostFiles {
    /// The file's bytes; empty when it does not exist.
    pub fn bytes(&self, file: ManagedFile) -> &[u8] {
        self.managed.get(&file).and_then(|file| file.bytes.as_deref()).unwrap_or_default()
    }

    /// Whether it exists.
    pub fn exists(&self, file: ManagedFile) -> bool {
        self.managed.get(&file).is_some_and(|file| file.bytes.is_some())
    }

    /// Its path on the host.
    pub fn path(&self, file: ManagedFile) -> &str {
        self.managed.get(&file).map_or("", |file| file.path.as_str())
    }

    /// The file that a link at its path leads to, as the host calls it; none: it is no link. The host's own tools do
    /// not keep such a link: sysrc(8) puts a plain file in its place, sed(1) with -i refuses it.
    pub fn leads_to(&self, file: ManagedFile) -> Option<&str> {
        self.managed.get(&file).and_then(|file| file.leads_to.as_deref())
    }

    /// Why it is neither read nor written; what [`Self::bytes`] gives says nothing then.
    pub fn unknown(&self, file: ManagedFile) -> Option<&str> {
        self.managed.get(&file).and_then(|file| file.unknown.as_deref())
    }

    /// The file that has the last word over /etc/rc.conf on a variable, if one sets it, or could.
    pub fn overrides(&self, name: &str) -> Option<Override<'_>> {
        self.after_rc_conf.iter().rev().find_map(|(path, bytes)| match bytes {
            Ok(bytes) if super::rc_conf::sets(bytes, name) => Some(Override::Sets(path)),
            Ok(_) => None,
            Err(why) => Some(Override::Unknown(why)),
        })
    }
}

/// A file that comes after /etc/rc.conf, on one variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Override<'a> {
    /// It sets it; its path.
    Sets(&'a str),
    /// It could not be read; why.
    Unknown(&'a str),
}

pub use crate::facts::{PfTest, Untested};

/// The rules that pfctl makes of a text, or why it could not tell.
pub type Expanded = Result<Vec<String>, Untested>;

/// Everything that plans are made from. Plan functions are pure: what they need of the host was asked before.
pub struct Inputs<'a> {
    /// The host.
    pub facts: &'a HostFacts,
    /// pot's configuration.
    pub configuration: &'a Configuration,
    /// The managed files.
    pub files: &'a HostFiles,
    /// Findings on the configuration as it stands.
    pub findings: &'a [Finding],
    /// The first value against a limit, in words.
    pub against_limit: Option<&'a str>,
    /// Parameters whose place on this host is against a limit: they block what uses them.
    pub against_places: &'a [limits::LimitViolation],
    /// What stands at a path of the host, where it can be looked at.
    pub path_state: &'a dyn Fn(&str) -> Option<PathState>,
    /// What `pot config -q -g NAME` answered: parameter, and the answer or why there is none.
    pub pot_says: &'a [(String, Result<String, String>)],
    /// Counts the snapshots at and below a dataset: asked by the plan that destroys them.
    pub snapshots: &'a dyn Fn(&str) -> Fact<Snapshots>,
    /// Asks `pfctl -nf -`.
    pub pf_test: &'a dyn Fn(&[u8]) -> PfTest,
    /// Asks `pkg install -n`; its words, or why it could not be asked.
    pub pkg_preview: &'a dyn Fn() -> Result<Vec<String>, String>,
    /// The rules that `pfctl -nvf -` makes of a text, or why it could not tell.
    pub pf_expand: &'a dyn Fn(&[u8]) -> Expanded,
}

impl Inputs<'_> {
    /// A parameter's value; empty when it is not set or not certain ([`PlanDraft::uses`] blocks for the latter).
    pub fn value(&self, name: &str) -> String {
        self.configuration.value(name).unwrap_or_default().trim().to_owned()
    }

    /// A parameter's value, parsed.
    pub fn parsed<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.value(name).parse().ok()
    }
}

/// A check to make before and after a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// The dataset exists, mounted at this place; `mounted` where that is to be looked at.
    Dataset {
        /// Full name.
        name: String,
        /// Its mountpoint property.
        mountpoint: String,
        /// Whether it should be mounted.
        mounted: bool,
    },
    /// Neither the dataset nor anything below it exists.
    NoDataset(String),
    /// A folder with this group's gid and these permission bits.
    Folder {
        /// Its path.
        path: String,
        /// Group name.
        group: Option<String>,
        /// Permission bits.
        mode: Option<u32>,
    },
    /// Nothing stands at the path.
    Absent(String),
    /// The file has this content.
    Content {
        /// Which.
        file: ManagedFile,
        /// Its digest as previewed.
        digest: Digest,
    },
    /// pot's two lines stand in pf.conf exactly once each (true) or not at all.
    AnchorLines(bool),
    /// pf's file passes `pfctl -nf`.
    PfFileValid,
    /// An rc variable has this value; none: it is not set.
    Rc {
        /// Its name.
        name: String,
        /// Its value.
        value: Option<String>,
    },
    /// `net.inet.ip.forwarding`.
    Forwarding(bool),
    /// A bridge has the gateway's address.
    Bridge(Ipv4Addr, Ipv4Net),
    /// No bridge has this address.
    NoBridge(String),
    /// No bridge has any of these addresses; the name is only said (a new bridge may get it).
    NoBridgeWith(String, Vec<Ipv4Addr>),
    /// A bridge has this member.
    BridgeMember(String),
    /// The main rules are loaded (at least so many), and they call pot's anchors.
    AnchorsCalled,
    /// The main rules call neither of pot's anchors.
    NoAnchorsCalled,
    /// The rules in pot-nat.
    NatRules(Nat),
    /// pot-nat is empty.
    NoNatRules,
    /// pf's module is loaded.
    PfLoaded,
    /// pf is enabled.
    PfEnabled,
    /// The gateway answers `ping -c 3`.
    Ping(Ipv4Addr),
    /// No other pots have addresses outside of the network than those that the plan names.
    PotAddresses(Ipv4Net, Vec<String>),
    /// The pot does not run.
    PotStopped(String),
    /// The package is installed.
    Package(String),
    /// The loader will set the tunable at the next boot.
    NextBoot {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// The group exists.
    Group(String),
    /// syslogd writes the facility to this existing file.
    LogRoute {
        /// `local2`.
        facility: String,
        /// The file.
        log: String,
    },
}

/// How a command's status is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Good {
    /// Anything but 0 ends the run.
    Zero,
    /// It says nothing: verification decides.
    Any,
}

/// A command of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Which program.
    pub tool: Tool,
    /// Its arguments.
    pub args: Vec<String>,
    /// How its status is judged.
    pub good: Good,
    /// Whether aborting is safe while it runs.
    pub abortable: bool,
    /// Whether it may take as long as packages and destroying may.
    pub long: bool,
    /// What it reads from standard input.
    pub stdin: Option<Vec<u8>>,
}

impl Command {
    /// A short one whose status counts.
    pub fn new(tool: Tool, args: &[&str]) -> Self {
        Self {
            tool,
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            good: Good::Zero,
            abortable: true,
            long: false,
            stdin: None,
        }
    }

    /// Its status says nothing.
    #[must_use]
    pub fn any_status(mut self) -> Self {
        self.good = Good::Any;
        self
    }

    /// It must not be cut off.
    #[must_use]
    pub fn not_abortable(mut self) -> Self {
        self.abortable = false;
        self
    }

    /// It may take long.
    #[must_use]
    pub fn long(mut self) -> Self {
        self.long = true;
        self
    }

    /// It reads this from standard input.
    #[must_use]
    pub fn reading(mut self, text: &[u8]) -> Self {
        self.stdin = Some(text.to_vec());
        self
    }

    /// As one would type it.
    pub fn argv(&self) -> Vec<String> {
        std::iter::once(self.tool.name().to_owned()).chain(self.args.iter().cloned()).collect()
    }
}

/// What a run does, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Keeps the file's present bytes as a version.
    Backup(ManagedFile),
    /// Writes a file, if it is still as planned.
    Write {
        /// Which.
        file: ManagedFile,
        /// Its digest now; none: it does not exist.
        before: Option<Digest>,
        /// The new bytes.
        content: Vec<u8>,
    },
    /// Makes a folder and those above it, mode 0755.
    Folder(String),
    /// Makes a folder that only root may enter, mode 0700, and those above it, mode 0755. One that is there already must
    /// be root's.
    PrivateFolder(String),
    /// Makes an empty file where there is none, mode 0640.
    EmptyFile(String),
    /// Removes a file, if it is still as planned. The caller keeps a version before.
    Remove {
        /// Which.
        file: ManagedFile,
        /// Its digest now.
        before: Digest,
    },
    /// Notes syslogd_flags as they stand before init changes them.
    NoteFlags {
        /// The flags before; none: rc.conf does not set them.
        flags: Option<String>,
        /// What init makes of them.
        written: String,
    },
    /// Runs a command.
    Run(Command),
    /// Ends the run when a pot runs.
    NoPotRuns,
    /// Removes pot's folder with its private bridges, if nothing else is in it.
    RemoveFsRoot(String),
}

impl Action {
    /// One line that tells this action from every other, for the plan's digest.
    fn describe(&self) -> String {
        match self {
            Self::Write { file, before, content } => {
                format!("write {} {before:?} {}", file.name(), Digest::of(content))
            }
            Self::Run(command) => match &command.stdin {
                Some(text) => format!("run {:?} {}", command.argv(), Digest::of(text)),
                None => format!("run {:?}", command.argv()),
            },
            other => format!("{other:?}"),
        }
    }
}

/// A step with what a run needs to know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep {
    /// As shown.
    pub step: Step,
    /// What is done for it, in order with the other steps' actions.
    pub actions: Vec<Action>,
    /// What verification looks at.
    pub expects: Vec<Expect>,
    /// Words of pot's output by which it is recognised: a line that holds all words of one entry.
    pub marks: Vec<Vec<String>>,
}

impl PlannedStep {
    /// A step that only shows.
    pub fn new(title: impl Into<String>, state: StepState, detail: impl Into<String>) -> Self {
        Self {
            step: Step { title: title.into(), detail: detail.into(), state, command: None },
            actions: Vec::new(),
            expects: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Adds an action; a command becomes the one that the step shows.
    #[must_use]
    pub fn act(mut self, action: Action) -> Self {
        if let Action::Run(command) = &action {
            self.step.command = Some(command.argv());
        }
        self.actions.push(action);
        self
    }

    /// Adds a check.
    #[must_use]
    pub fn expect(mut self, expect: Expect) -> Self {
        self.expects.push(expect);
        self
    }

    /// Adds words by which it is recognised in pot's output.
    #[must_use]
    pub fn mark(mut self, words: &[&str]) -> Self {
        self.marks.push(words.iter().map(|&word| word.to_owned()).collect());
        self
    }
}

/// A plan before the executor gives it number, time and digest.
#[derive(Debug, Clone)]
pub struct PlanDraft {
    /// What is planned.
    pub operation: Operation,
    /// See [`super::plan::Plan`].
    pub summary: String,
    /// In order.
    pub steps: Vec<PlannedStep>,
    /// See [`super::plan::Plan`].
    pub diffs: Vec<Diff>,
    /// See [`super::plan::Plan`].
    pub pf_rules: Vec<String>,
    /// See [`super::plan::Plan`].
    pub routes: Vec<String>,
    /// See [`super::plan::Plan`].
    pub destroys: Vec<Dataset>,
    /// See [`super::plan::Plan`].
    pub snapshots: Option<Snapshots>,
    /// See [`super::plan::Plan`].
    pub blockers: Vec<Blocker>,
    /// See [`super::plan::Plan`].
    pub warnings: Vec<String>,
    /// See [`super::plan::Plan`].
    pub acknowledge: Option<String>,
    /// See [`super::plan::Plan`].
    pub previews: Vec<Preview>,
    /// See [`super::plan::Plan`].
    pub put_back: Vec<(String, String)>,
    /// See [`super::plan::Plan`].
    pub left_behind: Vec<(String, String)>,
    /// See [`super::plan::Plan`].
    pub proof: ProofNeeded,
    /// See [`super::plan::Plan`].
    pub confirm_text: Option<String>,
    /// See [`super::plan::Plan`].
    pub button: String,
    /// See [`super::plan::Plan`].
    pub revert_after: Option<u16>,
    /// Whether the network is changed so that it must be kept ([`Self::revert_after`] may be none by choice).
    pub can_cut_off: bool,
    /// See [`super::plan::Plan`].
    pub nothing_to_do: bool,
    /// The command that the plan is named after, as typed.
    pub command: Option<Vec<String>>,
    /// Facts that the plan stands on, beside its actions: they go into the digest.
    pub basis: Vec<String>,
}

impl PlanDraft {
    /// An empty one.
    pub fn new(operation: &Operation) -> Self {
        Self {
            operation: operation.clone(),
            summary: String::new(),
            steps: Vec::new(),
            diffs: Vec::new(),
            pf_rules: Vec::new(),
            routes: Vec::new(),
            destroys: Vec::new(),
            snapshots: None,
            blockers: Vec::new(),
            warnings: Vec::new(),
            acknowledge: None,
            previews: Vec::new(),
            put_back: Vec::new(),
            left_behind: Vec::new(),
            proof: ProofNeeded::Fresh,
            confirm_text: None,
            button: String::new(),
            revert_after: None,
            can_cut_off: false,
            nothing_to_do: false,
            command: None,
            basis: Vec::new(),
        }
    }

    /// Adds a step.
    pub fn step(&mut self, step: PlannedStep) {
        self.steps.push(step);
    }

    /// Adds something that stands in the way.
    pub fn block(&mut self, problem: impl Into<String>, remedy: impl Into<String>, parameter: Option<&str>) {
        let blocker =
            Blocker { problem: problem.into(), remedy: remedy.into(), parameter: parameter.map(str::to_owned) };
        if !self.blockers.contains(&blocker) {
            self.blockers.push(blocker);
        }
    }

    /// Blocks unless every one of these parameters is certain, within its limits, free of error findings and read by
    /// pot as by the console.
    pub fn uses(&mut self, inputs: &Inputs<'_>, parameters: &[&str]) {
        if let Some(limit) = inputs.against_limit {
            self.block(format!("{limit}."), "Change it in the configuration; a limit cannot be overridden.", None);
        }
        // Destroying datasets goes by their names: nothing is written at a place, and it is the way out of a bad one.
        let goes_by_names = matches!(self.operation, Operation::DeInit { stop_pots: false, .. });
        let used =
            |against: &&limits::LimitViolation| !goes_by_names && parameters.contains(&against.parameter.as_str());
        for against in inputs.against_places.iter().filter(used) {
            self.block(
                format!("{against}."),
                "Change it in the configuration, or what stands there; a limit cannot be overridden.",
                Some(&against.parameter),
            );
        }
        for setting in inputs.configuration.uncertain(parameters) {
            let name = &setting.name;
            let line = setting.line.map(|line| format!(" (line {line})")).unwrap_or_default();
            let reason = setting.reason.as_deref().unwrap_or("it is not a plain text");
            self.block(
                format!("{name}{line} is not certain: {reason}."),
                "The console runs nothing on a value that only the shell can know: replace it with a plain value.",
                Some(name),
            );
        }
        for (name, answer) in inputs.pot_says {
            let own = inputs.value(name);
            let answer = match answer {
                Ok(answer) => answer,
                Err(why) => {
                    if parameters.contains(&name.as_str()) {
                        self.warnings.push(format!("What pot itself reads of {name} is not known: {why}."));
                    }
                    continue;
                }
            };
            if parameters.contains(&name.as_str()) && inputs.configuration.value(name).is_some() && own != *answer {
                self.block(
                    format!("pot itself reads {name} as {answer:?}, the console reads {own:?}."),
                    "Look at pot.conf with a text editor: something in it is read differently.",
                    Some(name),
                );
            }
        }
        for finding in inputs.findings {
            let named = finding.parameters.first().map(String::as_str);
            // The plan has said it in the words of its own check.
            let said = named
                .is_some_and(|name| self.blockers.iter().any(|blocker| blocker.parameter.as_deref() == Some(name)));
            if finding.stops(parameters) && !said {
                let remedy = finding.fix.as_ref().map_or_else(
                    || "Change it in the configuration.".to_owned(),
                    |fix| {
                        let set: Vec<String> = fix
                            .set
                            .iter()
                            .map(|(name, value)| format!("Set {name} to {value}."))
                            .chain(fix.unset.iter().map(|name| format!("Take {name} out of pot.conf.")))
                            .collect();
                        set.join(" ")
                    },
                );
                self.block(finding.message.clone(), remedy, named);
            }
        }
    }

    /// Adds the difference of a file, if there is one.
    pub fn diff(&mut self, path: &str, old: &[u8], new: &[u8]) {
        let diff = Diff::between(path, old, new);
        if !diff.is_empty() {
            self.diffs.push(diff);
        }
    }

    /// What the plan stands on, as one digest: operation, actions with their contents, files, facts.
    pub fn digest(&self) -> Digest {
        let mut text = format!("{:?}\n{:?}\n{:?}\n", self.operation, self.pf_rules, self.routes);
        for step in &self.steps {
            text.push_str(&format!("{} {:?}\n", step.step.title, step.step.state));
            for action in &step.actions {
                text.push_str(&action.describe());
                text.push('\n');
            }
        }
        for blocker in &self.blockers {
            text.push_str(&format!("blocks {}\n", blocker.problem));
        }
        for dataset in &self.destroys {
            // Sizes change all the time; what is destroyed does not.
            text.push_str(&format!(
                "destroys {} {} {} {}\n",
                dataset.name, dataset.kind, dataset.mountpoint, dataset.canmount
            ));
        }
        text.push_str(&format!("{:?} {:?} {:?}\n", self.confirm_text, self.revert_after, self.acknowledge));
        for line in &self.basis {
            text.push_str(line);
            text.push('\n');
        }
        Digest::of(text.as_bytes())
    }
}

/// What verification looks at.
pub struct Observations<'a> {
    /// The host.
    pub facts: &'a HostFacts,
    /// The managed files.
    pub files: &'a HostFiles,
    /// What pinging said: whether all answered, and its words.
    pub ping: Option<(bool, String)>,
}

impl Expect {
    /// The check's name.
    pub fn title(&self) -> String {
        match self {
            Self::Dataset { name, .. } => format!("Dataset {name}"),
            Self::NoDataset(name) => format!("{name} is gone"),
            Self::Folder { path, .. } => format!("Folder {path}"),
            Self::Absent(path) => format!("{path} is gone"),
            Self::Content { file, .. } => format!("{} as previewed", file.name()),
            Self::AnchorLines(true) => "Anchor lines in pf.conf".to_owned(),
            Self::AnchorLines(false) => "Anchor lines gone from pf.conf".to_owned(),
            Self::PfFileValid => "pf.conf is valid".to_owned(),
            Self::Rc { name, .. } => format!("rc.conf, {name}"),
            Self::Forwarding(_) => "IP forwarding".to_owned(),
            Self::Bridge(..) => "Bridge with the gateway".to_owned(),
            Self::NoBridge(name) => format!("Bridge {name} is gone"),
            Self::NoBridgeWith(name, _) => format!("Old bridge {name} is gone"),
            Self::BridgeMember(name) => format!("Bridge with {name} for IPv6"),
            Self::AnchorsCalled => "Anchors in the loaded rules".to_owned(),
            Self::NoAnchorsCalled => "Anchors gone from the loaded rules".to_owned(),
            Self::NatRules(_) => "NAT for the pots".to_owned(),
            Self::NoNatRules => "Rules in pot-nat".to_owned(),
            Self::PfLoaded => "pf module".to_owned(),
            Self::PfEnabled => "pf".to_owned(),
            Self::Ping(_) => "Gateway answers ping".to_owned(),
            Self::PotAddresses(..) => "Addresses of the pots".to_owned(),
            Self::PotStopped(name) => format!("Pot {name} is stopped"),
            Self::Package(name) => format!("Package {name}"),
            Self::NextBoot { name, .. } => format!("{name} at the next boot"),
            Self::Group(name) => format!("Group {name}"),
            Self::LogRoute { log, .. } => format!("pot's activity in {log}"),
        }
    }

    /// Whether it is as planned (none: that could not be seen), and what was seen.
    pub fn look(&self, seen: &Observations<'_>) -> (Option<bool>, String) {
        let facts = seen.facts;
        match self {
            Self::Dataset { name, mountpoint, mounted } => {
                of(&facts.datasets, |all| match all.iter().find(|dataset| dataset.name == *name) {
                    None => (false, "none".to_owned()),
                    Some(dataset) => {
                        let state = match (dataset.mounted, dataset.locked) {
                            (true, _) => "mounted",
                            (false, true) => "not mounted, its key is not loaded",
                            (false, false) => "not mounted",
                        };
                        let good = dataset.mountpoint == *mountpoint && dataset.mounted == *mounted;
                        (good, format!("{}, {state}", dataset.mountpoint))
                    }
                })
            }
            // A snapshot goes with its dataset.
            Self::NoDataset(name) => of(&facts.datasets, |all| {
                let left = all.iter().filter(|dataset| is_at_or_below(&dataset.name, name)).count();
                match left {
                    0 => (true, "gone".to_owned()),
                    1 => (false, "1 dataset is left".to_owned()),
                    _ => (false, format!("{left} datasets are left")),
                }
            }),
            Self::Folder { path, group, mode } => of(&facts.paths, |paths| match paths.get(path) {
                Some(state) if state.kind == PathKind::Folder => {
                    let gid = group.as_ref().and_then(|group| facts.groups.get().and_then(|all| all.get(group)));
                    let owned = gid.is_none_or(|gid| *gid == state.gid);
                    let open = mode.is_none_or(|mode| mode == state.mode & 0o7777);
                    (owned && open, format!("{:o}, group {}", state.mode & 0o7777, state.gid))
                }
                Some(state) if state.kind == PathKind::Absent => (false, "none".to_owned()),
                Some(state) => (false, format!("{:?}, not a folder", state.kind).to_lowercase()),
                None => (false, "none".to_owned()),
            }),
            Self::Absent(path) => of(&facts.paths, |paths| {
                let there = paths.get(path).is_some_and(|state| state.kind != PathKind::Absent);
                (!there, if there { "still there" } else { "gone" }.to_owned())
            }),
            Self::Content { file, digest } => {
                let now = Digest::of(seen.files.bytes(*file));
                (
                    Some(now == *digest),
                    if now == *digest { "as previewed" } else { "differs from the preview" }.to_owned(),
                )
            }
            Self::AnchorLines(wanted) => {
                let text = seen.files.bytes(ManagedFile::PfConf);
                let (nat, rdr) = super::pf_conf::anchor_lines(text);
                let called = super::pf_conf::anchors_held(text);
                let good =
                    if *wanted { (nat, rdr) == (1, 1) && called.0 > 0 && called.1 > 0 } else { (nat, rdr) == (0, 0) };
                (Some(good), format!("nat-anchor {nat}, rdr-anchor {rdr}"))
            }
            Self::PfFileValid => match facts.pf_file.get() {
                Some(file) => match file.valid {
                    Some(true) => (Some(true), "valid".to_owned()),
                    Some(false) => (Some(false), telling(&file.errors).unwrap_or_else(|| "invalid".to_owned())),
                    None => {
                        let why = file.untested.as_ref().map_or_else(|| "not asked".to_owned(), Untested::to_string);
                        (None, format!("could not be judged: {why}"))
                    }
                },
                None => (None, unknown(facts.pf_file.error.as_deref())),
            },
            Self::Rc { name, value } => of(&facts.rc, |all| {
                let now = all.get(name);
                let good = now == value.as_ref();
                (good, now.cloned().unwrap_or_else(|| "not set".to_owned()))
            }),
            Self::Forwarding(wanted) => {
                of(&facts.forwarding, |on| (on == wanted, if *on { "1" } else { "0" }.to_owned()))
            }
            Self::Bridge(gateway, network) => of(&facts.interfaces, |all| {
                let bridge = all.iter().filter(|interface| interface.is_bridge()).find_map(|bridge| {
                    let address = bridge.addresses.iter().find(|address| address.address() == *gateway)?;
                    Some((bridge, address))
                });
                match bridge {
                    Some((bridge, address)) => {
                        let good = address.network.prefix_len() == network.prefix_len();
                        (good, format!("{}, {}", bridge.name, address.network))
                    }
                    None => (false, "none".to_owned()),
                }
            }),
            Self::NoBridge(name) => of(&facts.interfaces, |all| {
                let there = all.iter().any(|interface| interface.name == *name);
                (!there, if there { "still there" } else { "gone" }.to_owned())
            }),
            Self::NoBridgeWith(_, addresses) => of(&facts.interfaces, |all| {
                let there = all
                    .iter()
                    .filter(|interface| interface.is_bridge())
                    .find(|bridge| bridge.addresses.iter().any(|own| addresses.contains(&own.address())));
                (
                    there.is_none(),
                    there.map_or_else(|| "gone".to_owned(), |bridge| format!("still there: {}", bridge.name)),
                )
            }),
            Self::BridgeMember(member) => of(&facts.interfaces, |all| {
                match all.iter().find(|interface| interface.is_bridge() && interface.members.contains(member)) {
                    Some(bridge) => (true, format!("{}, member {member}", bridge.name)),
                    None => (false, "none".to_owned()),
                }
            }),
            Self::AnchorsCalled => of(&facts.pf, |pf| {
                if pf.calls_pot_anchors() {
                    (true, format!("pot-nat, pot-rdr called; {}", counted(pf.rules.len() + pf.nat.len(), "rule")))
                } else if pf.rules.is_empty() && pf.nat.is_empty() {
                    (false, "no rules loaded".to_owned())
                } else {
                    (false, "not called".to_owned())
                }
            }),
            Self::NoAnchorsCalled => of(&facts.pf, |pf| {
                let calls = pf.names_pot_anchors();
                (!calls, if calls { "still called" } else { "gone" }.to_owned())
            }),
            Self::NatRules(nat) => of(&facts.pf, |pf| {
                let (missing, unplanned) = nat.compare(&pf.pot_nat);
                let interfaces: Vec<String> =
                    nat.rules().into_iter().filter(|rule| !missing.contains(rule)).map(|rule| rule.interface).collect();
                let mut text = match interfaces.len() {
                    0 => "0 rules".to_owned(),
                    count => format!("{}: {}", counted(count, "rule"), interfaces.join(", ")),
                };
                if !missing.is_empty() {
                    text.push_str(&format!("; {} missing", missing.len()));
                }
                if !unplanned.is_empty() {
                    text.push_str(&format!("; {} not planned", unplanned.len()));
                }
                (missing.is_empty() && unplanned.is_empty(), text)
            }),
            Self::NoNatRules => of(&facts.pf, |pf| (pf.pot_nat.is_empty(), counted(pf.pot_nat.len(), "rule"))),
            Self::PfLoaded => {
                of(&facts.pf, |pf| (pf.loaded, if pf.loaded { "loaded" } else { "not loaded" }.to_owned()))
            }
            Self::PfEnabled => of(&facts.pf, |pf| (pf.enabled, if pf.enabled { "on" } else { "off" }.to_owned())),
            Self::Ping(_) => match &seen.ping {
                Some((all, words)) => (Some(*all), words.clone()),
                None => (None, "not asked".to_owned()),
            },
            Self::PotAddresses(network, planned) => of(&facts.pots, |pots| {
                let (known, new): (Vec<&str>, Vec<&str>) = crate::facts::pots_outside(pots, *network)
                    .into_iter()
                    .partition(|name| planned.iter().any(|known| known == name));
                match (known.as_slice(), new.as_slice()) {
                    ([], []) => (true, format!("all in {network}")),
                    (known, []) => (true, format!("as planned outside of {network}: {}", known.join(", "))),
                    (_, new) => (false, format!("outside of {network}: {}", new.join(", "))),
                }
            }),
            Self::PotStopped(name) => match facts.pots.get() {
                Some(pots) => match pots.iter().find(|pot| pot.name == *name).map(|pot| pot.running) {
                    Some(Some(true)) => (Some(false), "still runs".to_owned()),
                    Some(None) => (None, "could not be seen".to_owned()),
                    Some(Some(false)) | None => (Some(true), "stopped".to_owned()),
                },
                None => (None, unknown(facts.pots.error.as_deref())),
            },
            Self::Package(name) => of(&facts.packages, |packages| {
                let version = if name == "potnet" { &packages.potnet } else { &packages.pot };
                (version.is_some(), version.clone().unwrap_or_else(|| "not installed".to_owned()))
            }),
            Self::NextBoot { name, value } => match tunable(facts, name) {
                Some(fact) => {
                    of(fact, |tunable| (tunable.next_boot.as_ref() == Some(value), tunable.next_boot_in_words()))
                }
                None => (None, "could not be seen".to_owned()),
            },
            Self::Group(name) => of(&facts.groups, |groups| match groups.get(name) {
                Some(gid) => (true, format!("gid {gid}")),
                None => (false, "none".to_owned()),
            }),
            Self::LogRoute { facility, log } => of(&facts.syslog, |syslog| {
                let files = syslog.files.get(facility).cloned().unwrap_or_default();
                let missing = syslog.missing.contains(log);
                let text = match files.is_empty() {
                    true => "written nowhere".to_owned(),
                    false if missing => format!("{}, which does not exist", files.join(", ")),
                    false => files.join(", "),
                };
                (files.contains(log) && !missing, text)
            }),
        }
    }

    /// The check with what was seen before.
    pub fn check(&self, seen: &Observations<'_>, before: Option<String>) -> Check {
        let (as_planned, observed) = self.look(seen);
        let at = Some(jiff::Timestamp::now());
        Check { title: self.title(), as_planned, observed, before, at, before_put_back: false }
    }
}

/// Whether `name` is the dataset `root`, one below it or a snapshot of either.
pub fn is_at_or_below(name: &str, root: &str) -> bool {
    name.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest.starts_with('@'))
}

/// pfctl's most telling words about a text that it was given on standard input: `line 3: syntax error`.
pub fn first_trouble(words: &[String]) -> String {
    let first = telling(words).unwrap_or_default();
    match first.strip_prefix("stdin:") {
        Some(rest) => format!("line {rest}"),
        None => first,
    }
}

/// What is known of a loader tunable that plans set; none for any other.
pub fn tunable<'a>(facts: &'a HostFacts, name: &str) -> Option<&'a Fact<Tunable>> {
    match name {
        RACCT => Some(&facts.racct),
        VTNET_LRO => Some(&facts.vtnet_lro_disable),
        _ => None,
    }
}

/// "1 rule", "3 rules".
pub fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn unknown(error: Option<&str>) -> String {
    error.unwrap_or("could not be seen").to_owned()
}

fn of<T>(fact: &Fact<T>, look: impl FnOnce(&T) -> (bool, String)) -> (Option<bool>, String) {
    match fact.get() {
        Some(value) => {
            let (good, text) = look(value);
            (Some(good), text)
        }
        None => (None, unknown(fact.error.as_deref())),
    }
}
