//! Plans and runs as data: what pages, the command line and the journal show of an operation.

use crate::diff::Diff;
use crate::digest::Digest;
use crate::facts::{Dataset, Snapshots};
use crate::host::Preparation;
use crate::rules::Finding;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What can be planned, with its options. A closed set: no path, argument or shell text comes from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// Readiness: do the chosen to-dos in one plan.
    Prepare {
        /// The chosen to-dos.
        items: Vec<Preparation>,
    },
    /// `pot init`.
    Init {
        /// Place pot's anchors where pf.conf(5)'s order allows, before pot would put them at the top.
        place_anchors: bool,
        /// Keep the host's own syslogd_flags and add pot's.
        merge_syslogd_flags: bool,
        /// `-m`: neither pf.conf nor syslogd is touched.
        minimal: bool,
        /// `-s`: syslogd is not touched.
        leave_syslogd: bool,
        /// `-p ''`: pf.conf is not touched.
        leave_pf: bool,
        /// `-p FILE`: the place, counted from 0, in the settings' list `pf_files`; none: what rc.conf's pf_rules names.
        #[serde(default)]
        pf_file: Option<u32>,
    },
    /// `pot vnet-start`.
    VnetStart {
        /// Put back after this many seconds unless kept (10 to 600); none: without revert.
        revert_after: Option<u16>,
    },
    /// `pot de-init`.
    DeInit {
        /// Stop running pots first (the console stops them).
        stop_pots: bool,
        /// `-m`: pf.conf is left alone.
        minimal: bool,
        /// `-p FILE`, as for init.
        #[serde(default)]
        pf_file: Option<u32>,
    },
    /// Remove one of the things that pot de-init leaves behind.
    CleanUp {
        /// Which ones.
        items: Vec<Leftover>,
    },
    /// Write a backup back.
    Restore {
        /// The backup's content digest.
        backup: Digest,
        /// The file it is a version of.
        file: ManagedFile,
    },
}

impl Operation {
    /// The operation's name as in URLs, commands and the history.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Prepare { .. } => "prepare",
            Self::Init { .. } => "init",
            Self::VnetStart { .. } => "vnet-start",
            Self::DeInit { .. } => "de-init",
            Self::CleanUp { .. } => "clean-up",
            Self::Restore { .. } => "restore",
        }
    }
}

/// Something that pot de-init leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leftover {
    /// pot's part of syslogd_flags.
    SyslogdFlags,
    /// pot_enable in rc.conf.
    PotEnable,
    /// The public bridge.
    Bridge,
    /// The rules loaded in anchor pot-nat.
    NatRules,
    /// The folder POT_FS_ROOT with its bridges.
    FsRoot,
    /// pot's anchors in the loaded rules of pf.
    PfRules,
}

impl Leftover {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::SyslogdFlags, Self::PotEnable, Self::Bridge, Self::NatRules, Self::FsRoot, Self::PfRules];

    /// Its name in commands and links.
    pub fn name(self) -> &'static str {
        match self {
            Self::SyslogdFlags => "syslogd-flags",
            Self::PotEnable => "pot-enable",
            Self::Bridge => "bridge",
            Self::NatRules => "nat-rules",
            Self::FsRoot => "fs-root",
            Self::PfRules => "pf-rules",
        }
    }
}

/// A file whose versions the console keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ManagedFile {
    /// pot.conf.
    PotConf,
    /// pf's rules file.
    PfConf,
    /// /etc/rc.conf.
    RcConf,
    /// /boot/loader.conf.
    LoaderConf,
    /// /usr/local/etc/syslog.d/pot.conf: an admin's, or what an earlier version of the console wrote.
    SyslogConf,
    /// /usr/local/etc/newsyslog.conf.d/pot.conf, likewise.
    NewsyslogConf,
    /// syslogd's configuration: /etc/syslog.conf, or what its flags name.
    SyslogMain,
    /// /usr/local/etc/syslog.d/pot-activity.conf.
    LogRule,
    /// /usr/local/etc/newsyslog.conf.d/pot-activity.conf.
    LogRotation,
}

impl ManagedFile {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::PotConf,
        Self::PfConf,
        Self::RcConf,
        Self::LoaderConf,
        Self::SyslogConf,
        Self::NewsyslogConf,
        Self::SyslogMain,
        Self::LogRule,
        Self::LogRotation,
    ];

    /// The one of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|file| file.name() == name)
    }

    /// Its name in URLs.
    pub fn name(self) -> &'static str {
        match self {
            Self::PotConf => "pot.conf",
            Self::PfConf => "pf.conf",
            Self::RcConf => "rc.conf",
            Self::LoaderConf => "loader.conf",
            Self::SyslogConf => "syslog.d-pot.conf",
            Self::NewsyslogConf => "newsyslog.conf.d-pot.conf",
            Self::SyslogMain => "syslog.conf",
            Self::LogRule => "syslog.d-pot-activity.conf",
            Self::LogRotation => "newsyslog.conf.d-pot-activity.conf",
        }
    }
}

/// What a step does to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Is as it should be: nothing to do.
    Done,
    /// Will be created.
    WillBeCreated,
    /// Will be changed.
    WillBeChanged,
    /// Will be destroyed.
    WillBeDestroyed,
    /// Will be run or checked, changing nothing that stays.
    WillRun,
    /// Stands in the way.
    Blocks,
}

/// One numbered step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Short name, for example `dataset zroot/pot/bases`.
    pub title: String,
    /// One sentence: what happens, or why nothing does.
    pub detail: String,
    /// The present state.
    pub state: StepState,
    /// The exact command, as argument vector, when the console itself runs one for this step.
    pub command: Option<Vec<String>>,
}

/// Why it cannot start, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocker {
    /// "POT_EXTIF em0 does not exist on this host."
    pub problem: String,
    /// "Set it to vtnet0."
    pub remedy: String,
    /// The parameter to change, for a link.
    pub parameter: Option<String>,
}

/// Which proof the confirmation wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofNeeded {
    /// Being signed in is enough.
    None,
    /// A password given within the last five minutes.
    Fresh,
    /// The password again, now, for exactly this plan.
    OneTime,
    /// root approves it in a terminal.
    Shell,
}

/// What is sent as `confirm_text` for a plan that wants an acknowledgement.
pub const ACKNOWLEDGED: &str = "acknowledged";

/// What another program says it would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// The command, as typed.
    pub command: Vec<String>,
    /// Its words.
    pub lines: Vec<String>,
}

/// A plan, made and kept by the executor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The executor's number for it.
    pub id: u64,
    /// One SHA-256 over operation, commands, file digests, datasets, running pots.
    pub digest: Digest,
    /// What is planned.
    pub operation: Operation,
    /// When it was made; it serves once, for its session, for ten minutes.
    pub made: Timestamp,
    /// "Creates 5 datasets in zroot, adds 2 lines to /etc/pf.conf …"
    pub summary: String,
    /// Numbered steps in order.
    pub steps: Vec<Step>,
    /// Exact differences of files.
    pub diffs: Vec<Diff>,
    /// Exact pf rules to be loaded.
    pub pf_rules: Vec<String>,
    /// Routes that change, in words.
    pub routes: Vec<String>,
    /// Datasets that will be destroyed, with sizes, and the first of the snapshots.
    pub destroys: Vec<Dataset>,
    /// All snapshots that will be destroyed, counted.
    #[serde(default)]
    pub snapshots: Option<Snapshots>,
    /// What stands in the way.
    pub blockers: Vec<Blocker>,
    /// What should be known before confirming.
    pub warnings: Vec<String>,
    /// A sentence that has to be acknowledged; then [`ACKNOWLEDGED`] is the text to confirm with.
    #[serde(default)]
    pub acknowledge: Option<String>,
    /// What other programs say they would do (`pkg install -n`), in their own words.
    #[serde(default)]
    pub previews: Vec<Preview>,
    /// Other pf rules files that may be chosen, in the settings' order (init and de-init).
    #[serde(default)]
    pub pf_files: Vec<String>,
    /// What comes back when it is not kept: what, and to which state.
    #[serde(default)]
    pub put_back: Vec<(String, String)>,
    /// What will be left behind.
    #[serde(default)]
    pub left_behind: Vec<(String, String)>,
    /// Findings on the configuration as it stands.
    pub findings: Vec<Finding>,
    /// The proof that confirming takes.
    pub proof: ProofNeeded,
    /// The text to type (a dataset's name), where it destroys.
    pub confirm_text: Option<String>,
    /// Label of the confirming button.
    pub button: String,
    /// The time in seconds within which it must be kept, where it can cut the admin off.
    pub revert_after: Option<u16>,
    /// Whether it changes nothing because all is done.
    pub nothing_to_do: bool,
    /// For `approve CODE` in a terminal, when proof is `Shell`.
    pub approval_code: Option<String>,
}

impl Plan {
    /// The command that it is named after: `pot init -v`.
    pub fn command(&self) -> Option<String> {
        let own = self.steps.iter().filter_map(|step| step.command.as_deref());
        let name = self.operation.name();
        let named = own.clone().find(|argv| argv.get(..2).is_some_and(|head| head == ["pot", name]));
        named.map(shell_words)
    }

    /// How many snapshots are destroyed beyond those that it lists; none when it lists them all.
    pub fn unlisted_snapshots(&self) -> Option<u64> {
        let all = self.snapshots.as_ref()?;
        all.count.checked_sub(all.first.len() as u64).filter(|more| *more > 0)
    }

    /// Whether it may be started.
    pub fn can_start(&self) -> bool {
        self.blockers.is_empty()
    }
}

/// An argument vector as a shell takes it: quoted where that is needed.
pub fn shell_words(argv: &[String]) -> String {
    let word = |word: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The kind of a line of a run's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// A command's standard output.
    Out,
    /// A command's standard error.
    Err,
    /// The console's own words.
    Console,
}

/// One event of a run, numbered from 1 without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEvent {
    /// Its number.
    pub number: u64,
    /// When.
    pub time: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: RunEventKind,
}

/// What happened in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RunEventKind {
    /// A line of output, control characters made harmless, at most 4 KiB.
    Line {
        /// Which stream.
        stream: Stream,
        /// The text.
        text: String,
    },
    /// A command starts.
    Command {
        /// As argument vector.
        argv: Vec<String>,
    },
    /// A command ended.
    Exit {
        /// Its status; none when a signal or the time limit ended it.
        status: Option<i32>,
        /// In words.
        text: String,
    },
    /// A step of the plan (by index) changed its state.
    Step {
        /// Index into the plan's steps.
        step: usize,
        /// Its new state.
        state: StepProgress,
    },
    /// A check made after the run.
    Check(Check),
    /// The run's state changed.
    State {
        /// The new state.
        state: RunState,
    },
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepProgress {
    /// It runs.
    Running,
    /// It is done.
    Done,
    /// It failed.
    Failed,
}

/// One comparison of a fact with the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What is compared: "bridge with 10.192.0.1".
    pub title: String,
    /// Whether it is as planned; none when it could not be seen.
    pub as_planned: Option<bool>,
    /// What was seen.
    pub observed: String,
    /// What was seen before the run.
    #[serde(default)]
    pub before: Option<String>,
    /// When it was seen.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// Whether it was seen before what the run changed was put back: it says nothing of the host as it is.
    #[serde(default)]
    pub before_put_back: bool,
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// It runs.
    Running,
    /// It ran; it waits to be kept until `deadline`.
    AwaitingKeep,
    /// Ended, as planned.
    AsPlanned,
    /// Ended, something differs from the plan.
    Differs,
    /// Ended by someone.
    Aborted,
    /// The executor was stopped during it.
    Interrupted,
    /// Put back.
    Reverted,
    /// Put back in part.
    RevertedInPart,
    /// A reboot came before it could be put back.
    OvertakenByReboot,
}

impl RunState {
    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Running | Self::AwaitingKeep)
    }
}

/// One step of putting back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutBackStep {
    /// `pf`, `IP forwarding` …
    pub title: String,
    /// Whether it is as before.
    pub done: bool,
    /// How that went: "off again", or why it could not be put back and what to type.
    pub detail: String,
}

/// What was decided about a change that could be kept or put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Kept, or to be put back.
    pub keep: bool,
    /// Who decided; none when it was the end of the time, or the console itself.
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A run as the executor keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its number, counted from 1 on this host.
    pub id: u64,
    /// The plan it carries out.
    pub plan: Plan,
    /// Who started it.
    pub actor: String,
    /// Why, as they said.
    pub reason: Option<String>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Its state.
    pub state: RunState,
    /// "pot ended with status 1. That is usual when pf was already on. All 7 checks are as planned."
    pub summary: String,
    /// What is to be done now, when something is.
    pub remedy: Option<String>,
    /// Until when it must be kept, by the clock on the wall: for showing.
    pub deadline: Option<Timestamp>,
    /// What was decided, once that is so.
    #[serde(default)]
    pub decided: Option<Decided>,
    /// Whether aborting is offered now.
    pub abortable: bool,
    /// Checks made so far.
    pub checks: Vec<Check>,
    /// How far each step of the plan is, by index; none when not begun.
    pub progress: Vec<Option<StepProgress>>,
    /// What pot left behind (after de-init), for the clean-up buttons.
    pub leftovers: Vec<Leftover>,
    /// What was put back, each with how that went (after a revert).
    #[serde(default)]
    pub put_back: Vec<PutBackStep>,
    /// Number of the last event.
    pub last_event: u64,
}

impl Run {
    /// The checks that say something of the host as it is: those before a put-back do not.
    pub fn standing_checks(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.before_put_back)
    }

    /// What became of a step of the plan (by index), once the run has ended: in words, and the plan's sentence about it
    /// with them.
    pub fn step_at_end(&self, index: usize) -> Option<(&'static str, String)> {
        let step = self.plan.steps.get(index).filter(|_| self.state.is_final())?;
        let put_back = matches!(self.state, RunState::Reverted | RunState::RevertedInPart);
        let word = match (self.progress.get(index).copied().flatten(), step.state) {
            (_, StepState::Done) => "was done before",
            (Some(StepProgress::Failed | StepProgress::Running), _) => "failed",
            (None, _) => "not done",
            (Some(StepProgress::Done), _) if put_back => "done, then put back",
            (Some(StepProgress::Done), StepState::WillBeCreated) => "created",
            (Some(StepProgress::Done), StepState::WillBeChanged) => "changed",
            (Some(StepProgress::Done), StepState::WillBeDestroyed) => "destroyed",
            (Some(StepProgress::Done), StepState::WillRun | StepState::Blocks) => "done",
        };
        // The plan says what will be; of what is over that would be false.
        let rest = ["will be created", "will be changed", "will be destroyed", "will run"]
            .iter()
            .find_map(|future| step.detail.strip_prefix(future));
        let detail = match rest {
            Some(rest) => format!("{word}{rest}"),
            None => step.detail.clone(),
        };
        Some((word, detail))
    }
}
