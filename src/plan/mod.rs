//! Plans and runs as data: what pages, the command line and the journal show of an operation. Root's process makes them,
//! the web process reads them; how they read for people ([`text`], `shown`) is no business of root's.

mod run;
mod shown;
pub mod text;

pub(crate) use run::{Check, Decided, PutBackStep, RunEvent, StepProgress, Stream};
pub use run::{Run, RunBrief, RunEventKind, RunState};
pub(crate) use shown::shell_words;

use crate::diff::Diff;
use crate::digest::Digest;
use crate::facts::{Dataset, Snapshots};
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

    /// Files that the commands it runs may write, beside those with a planned difference: pot touches pf.conf and rc.conf
    /// even where it changes nothing, pot's package brings a pot.conf.
    pub(crate) fn written_by_commands(&self) -> &'static [ManagedFile] {
        match self {
            Self::Init { .. } | Self::DeInit { .. } => &[ManagedFile::PfConf, ManagedFile::RcConf],
            Self::Prepare { .. } => &[ManagedFile::PotConf],
            Self::VnetStart { .. } | Self::CleanUp { .. } | Self::Restore { .. } => &[],
        }
    }
}

/// A to-do of the readiness page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preparation {
    /// `pkg install -y pot`.
    InstallPot,
    /// `kern.racct.enable=1` in loader.conf.
    EnableRacct,
    /// `hw.vtnet.lro_disable=1` in loader.conf.
    DisableVtnetLro,
    /// The group POT_GROUP.
    CreateGroup,
    /// pot's facility into /var/log/pot.log, rotated by newsyslog.
    RouteLog,
    /// POT_TMP a folder that only root can write, [`crate::rules::PRIVATE_TMP`].
    PrivateTmp,
}

impl Preparation {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::InstallPot,
        Self::EnableRacct,
        Self::DisableVtnetLro,
        Self::CreateGroup,
        Self::RouteLog,
        Self::PrivateTmp,
    ];

    /// Its name in commands, links and the history.
    pub fn name(self) -> &'static str {
        match self {
            Self::InstallPot => "install-pot",
            Self::EnableRacct => "enable-racct",
            Self::DisableVtnetLro => "disable-vtnet-lro",
            Self::CreateGroup => "create-group",
            Self::RouteLog => "route-log",
            Self::PrivateTmp => "private-tmp",
        }
    }

    /// As pages name it.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::InstallPot => "Install pot",
            Self::EnableRacct => "Turn on the resource limit database",
            Self::DisableVtnetLro => "Turn off LRO of vtnet",
            Self::CreateGroup => "Make the group of pot",
            Self::RouteLog => "Write pot's activity to /var/log/pot.log",
            Self::PrivateTmp => "Give pot a folder of root's alone for temporary files",
        }
    }

    /// Whether it takes effect at the next boot.
    pub(crate) fn at_the_next_boot(self) -> bool {
        matches!(self, Self::EnableRacct | Self::DisableVtnetLro)
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
    /// IP forwarding, where nothing else needs it.
    Forwarding,
    /// pf, where a run from here turned it on and it filters nothing.
    PfOn,
}

impl Leftover {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::SyslogdFlags,
        Self::PotEnable,
        Self::Bridge,
        Self::NatRules,
        Self::FsRoot,
        Self::PfRules,
        Self::Forwarding,
        Self::PfOn,
    ];

    /// Its name in commands and links.
    pub fn name(self) -> &'static str {
        match self {
            Self::SyslogdFlags => "syslogd-flags",
            Self::PotEnable => "pot-enable",
            Self::Bridge => "bridge",
            Self::NatRules => "nat-rules",
            Self::FsRoot => "fs-root",
            Self::PfRules => "pf-rules",
            Self::Forwarding => "forwarding",
            Self::PfOn => "pf-on",
        }
    }

    /// As pages name it.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::SyslogdFlags => "pot's part of syslogd_flags in rc.conf",
            Self::PotEnable => "pot_enable in rc.conf",
            Self::Bridge => "bridges of pot",
            Self::NatRules => "rules in pot-nat",
            Self::FsRoot => "pot's folder",
            Self::PfRules => "pot's anchors in the loaded rules",
            Self::Forwarding => "IP forwarding",
            Self::PfOn => "pf, turned on by a run from here",
        }
    }
}

/// The title of the step that turns pf on: what its page warns of before all else.
pub(crate) const PF_ON: &str = "pf on";

/// What the NAT rules in pot's anchor are called where something is put back.
pub(crate) const NAT_RULES: &str = "NAT rules in pot-nat";

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
    pub(crate) fn of_name(name: &str) -> Option<Self> {
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
pub(crate) const ACKNOWLEDGED: &str = "acknowledged";

/// What stands in the way of a plan for which nothing was chosen.
pub(crate) const NOTHING_CHOSEN: &str = "Nothing is chosen.";

/// What to do where pot is not installed: pages lead there.
pub(crate) const PREPARE_FIRST: &str = "Prepare the host first.";

/// The folders that init makes for syslogd and newsyslog.
pub(crate) const LOG_FOLDERS: [&str; 3] =
    ["/usr/local/etc/syslog.d", "/usr/local/etc/newsyslog.conf.d", "/var/log/pot"];

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
    /// What changes in the anchor pot-nat, in pfctl's words; none when nothing does.
    #[serde(default)]
    pub nat: Option<Diff>,
    /// Whether nothing lies in the folder of pot's cache that is destroyed; none: that is not known, or no question.
    #[serde(default)]
    pub cache_is_empty: Option<bool>,
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
    /// Whether it may be started.
    pub(crate) fn can_start(&self) -> bool {
        self.blockers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use std::fmt::Debug;

    /// The names that are taken: serde lists them where it is given none of them.
    fn taken<T: DeserializeOwned + Debug>() -> Vec<String> {
        let error = serde_json::from_value::<T>("".into()).unwrap_err().to_string();
        error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_choice_is_listed_under_the_name_that_commands_and_forms_take() {
        assert_eq!(taken::<Preparation>(), Preparation::ALL.map(Preparation::name));
        assert_eq!(taken::<Leftover>(), Leftover::ALL.map(Leftover::name));
        assert_eq!(taken::<ManagedFile>().len(), ManagedFile::ALL.len());
    }
}
