//! Where each operation stands on a host: what is to be done, done, stopped, or has nothing to do.
//!
//! Pure. A plan looks closer, because it reads files that facts do not hold; it never contradicts what stands here.

use super::model::{Known, RunNow};
use super::network::Network;
use super::pot_state::{Remedy, Stage};
use super::readiness::{Counts, counted};
use super::wanted::Wanted;
use crate::facts::pot_installed;
use crate::potconf::commands;
use crate::rules::Finding;
use serde::Serialize;

/// An operation, without its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OperationName {
    /// What the guide asks for before `pot init`.
    Prepare,
    /// `pot init`.
    Init,
    /// `pot vnet-start`.
    VnetStart,
    /// What `pot de-init` leaves behind.
    CleanUp,
    /// `pot de-init`.
    DeInit,
}

impl OperationName {
    /// Its name in addresses, and as a fact.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Init => "init",
            Self::VnetStart => "vnet-start",
            Self::CleanUp => "clean-up",
            Self::DeInit => "de-init",
        }
    }
}

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Standing {
    /// It can be done, and it changes something.
    ToDo,
    /// What it makes is there, as it should be.
    Done,
    /// What it makes is there, and something of it differs from pot.conf.
    Differs,
    /// Its plan would be blocked.
    Blocked,
    /// It has nothing to do.
    Nothing,
    /// pot is in use: it would take something away.
    InUse,
    /// What tells it did not answer.
    Unknown,
    /// A run of it is under way.
    UnderWay,
}

/// One operation on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct OperationState {
    /// Which.
    pub name: OperationName,
    /// Where it stands.
    pub standing: Standing,
    /// The same in words: `done`, `up, but not as it should be`.
    pub words: String,
}

impl OperationState {
    /// What stands there while this run is under way: an operation is not offered again during its own run.
    pub(super) fn while_under_way(&mut self, run: &RunNow) {
        if self.name.in_words() == run.operation {
            self.standing = Standing::UnderWay;
            self.words.push_str(&format!("; run {} {}", run.id, run.in_words()));
        }
    }
}

/// All five, in the order of the guide.
pub(super) fn operations(
    known: &Known<'_>,
    counts: &Counts,
    network: Network,
    left: Option<&[String]>,
) -> Vec<OperationState> {
    let of = |name, (standing, words): (Standing, String)| OperationState { name, standing, words };
    vec![
        of(OperationName::Prepare, prepare(known, counts)),
        of(OperationName::Init, init(known)),
        of(OperationName::VnetStart, vnet_start(known, network)),
        of(OperationName::CleanUp, clean_up(known, left)),
        of(OperationName::DeInit, de_init(known)),
    ]
}

fn unknown() -> (Standing, String) {
    (Standing::Unknown, "not known".to_owned())
}

fn not_installed() -> (Standing, String) {
    (Standing::Blocked, "pot is not installed".to_owned())
}

fn prepare(known: &Known<'_>, counts: &Counts) -> (Standing, String) {
    if known.pot.stage == Stage::NotInstalled {
        return (Standing::ToDo, "pot is not installed".to_owned());
    }
    match (counts.needed, counts.advised, counts.reboot) {
        (0, 0, 0) if counts.unknown > 0 => (Standing::Done, format!("done; {} not known", counts.unknown)),
        (0, 0, 0) => (Standing::Done, "done".to_owned()),
        (0, 0, _) => (Standing::Done, "done; a reboot is outstanding".to_owned()),
        (0, advised, _) => (Standing::ToDo, format!("{advised} advised")),
        (needed, 0, _) => (Standing::ToDo, format!("{needed} needed")),
        (needed, advised, _) => (Standing::ToDo, format!("{needed} needed, {advised} advised")),
    }
}

fn init(known: &Known<'_>) -> (Standing, String) {
    match known.pot.stage {
        Stage::NotInstalled => not_installed(),
        Stage::Unknown => unknown(),
        Stage::Initialised => match differing(known, Remedy::Init, "done") {
            (Standing::Differs, words) => {
                match stopped(known, &commands::INIT).or_else(|| invalid_pf_file(known)).or_else(|| without_pot(known))
                {
                    Some(why) => (Standing::Blocked, format!("{words}; {why}")),
                    None => (Standing::Differs, words),
                }
            }
            done => done,
        },
        Stage::Fresh => match stopped(known, &commands::INIT).or_else(|| invalid_pf_file(known)) {
            Some(words) => (Standing::Blocked, words),
            None if known.pot.datasets.is_empty() => (Standing::ToDo, "not done".to_owned()),
            None => {
                let missing = counted(known.pot.missing_datasets.len(), "dataset");
                (Standing::ToDo, format!("in part: {missing} missing"))
            }
        },
    }
}

/// "done", or "done, but syslogd_flags differs", by the differences that this operation ends.
fn differing(known: &Known<'_>, remedy: Remedy, done: &str) -> (Standing, String) {
    let mut titles: Vec<&str> = Vec::new();
    for drift in known.pot.drift.iter().filter(|drift| drift.remedy == Some(remedy) && !drift.left) {
        if !titles.contains(&drift.title.as_str()) {
            titles.push(&drift.title);
        }
    }
    match titles.as_slice() {
        [] => (Standing::Done, done.to_owned()),
        [one] => (Standing::Differs, format!("{done}, but {one} differs")),
        several => (Standing::Differs, format!("{done}, but {} differ", several.join(", "))),
    }
}

/// What in pot.conf stops an operation that reads these parameters.
fn stopped(known: &Known<'_>, parameters: &[&str]) -> Option<String> {
    let stops = |finding: &&Finding| finding.stops(parameters);
    match known.findings.iter().filter(stops).count() {
        0 => {
            known.configuration.uncertain(parameters).first().map(|setting| format!("{} is not certain", setting.name))
        }
        1 => Some("1 error in pot.conf stops it".to_owned()),
        errors => Some(format!("{errors} errors in pot.conf stop it")),
    }
}

fn vnet_start(known: &Known<'_>, network: Network) -> (Standing, String) {
    match known.pot.stage {
        Stage::NotInstalled => return not_installed(),
        Stage::Fresh => return (Standing::Blocked, "after pot init".to_owned()),
        Stage::Initialised | Stage::Unknown => {}
    }
    let words = network.in_words().to_owned();
    let standing = match network {
        Network::Up => return (Standing::Done, words),
        Network::Unknown | Network::UpForPot => return (Standing::Unknown, words),
        Network::Differs => Standing::Differs,
        Network::Down => Standing::ToDo,
    };
    match without_pot(known).or_else(|| stopped(known, &commands::VNET_START)).or_else(|| in_the_way(known)) {
        Some(why) => (Standing::Blocked, format!("{words}; {why}")),
        None => (standing, words),
    }
}

/// pot itself, where its datasets are there and it is not.
fn without_pot(known: &Known<'_>) -> Option<String> {
    (pot_installed(known.facts) == Some(false)).then(|| "pot is not installed".to_owned())
}

/// pf's file, where pf does not take it: no plan that reads it starts.
fn invalid_pf_file(known: &Known<'_>) -> Option<String> {
    let file = known.facts.pf_file.get().filter(|file| file.exists && file.valid == Some(false))?;
    Some(format!("{} is invalid", file.path))
}

/// What on this host stands in the way of the network, beside pot.conf: what its plan is blocked by.
fn in_the_way(known: &Known<'_>) -> Option<String> {
    if let Some(file) = known.facts.pf_file.get() {
        if !file.exists {
            return Some(format!("{} does not exist", file.path));
        }
        if let Some(invalid) = invalid_pf_file(known) {
            return Some(invalid);
        }
        if file.anchor_lines.0 == 0 || file.anchor_lines.1 == 0 {
            return Some(format!("{} does not hold pot's anchors", file.path));
        }
    }
    let gateway = Wanted::of(known.configuration).gateway?;
    let interfaces = known.facts.interfaces.get().map(Vec::as_slice).unwrap_or_default();
    let old = interfaces.iter().find(|bridge| {
        bridge.is_public_bridge()
            && !bridge.members.is_empty()
            && !bridge.addresses.iter().any(|own| own.address() == gateway)
    })?;
    Some(format!("{} of an earlier POT_NETWORK is in use", old.name))
}

fn clean_up(known: &Known<'_>, left: Option<&[String]>) -> (Standing, String) {
    if known.pot.stage == Stage::Initialised {
        return (Standing::InUse, "pot is in use".to_owned());
    }
    let gateway = Wanted::of(known.configuration).gateway;
    let interfaces = known.facts.interfaces.get().map(Vec::as_slice).unwrap_or_default();
    // What a bridge connects may be what this host is reached by.
    let in_use = interfaces.iter().find(|bridge| {
        bridge.is_bridge()
            && !bridge.members.is_empty()
            && (bridge.groups.iter().any(|group| group == "pot")
                || bridge.addresses.iter().any(|own| Some(own.address()) == gateway))
    });
    match (left, in_use) {
        (None, _) => unknown(),
        (Some([]), _) => (Standing::Nothing, "nothing is left".to_owned()),
        (Some(_), Some(bridge)) => (Standing::Blocked, format!("{} still has members", bridge.name)),
        (Some([one]), None) => (Standing::ToDo, format!("left: {one}")),
        (Some(several), None) => (Standing::ToDo, format!("{} things are left", several.len())),
    }
}

fn de_init(known: &Known<'_>) -> (Standing, String) {
    let part = !known.pot.datasets.is_empty();
    match known.pot.stage {
        Stage::Unknown => unknown(),
        Stage::Initialised => {
            let words = match known.facts.pots.get().map(Vec::len) {
                None => "pot is in use; its pots are not known".to_owned(),
                Some(0) => "pot is initialised; there are no pots".to_owned(),
                Some(pots) => format!("pot is in use: {}", counted(pots, "pot")),
            };
            (Standing::InUse, words)
        }
        Stage::Fresh | Stage::NotInstalled if part => (Standing::InUse, "pot is initialised in part".to_owned()),
        // pot takes its lines out of pf's file, too.
        Stage::Fresh if known.facts.pf_file.get().is_some_and(|file| file.anchor_lines != (0, 0)) => {
            (Standing::ToDo, "pot's anchors stand in pf's file".to_owned())
        }
        Stage::Fresh | Stage::NotInstalled => (Standing::Nothing, "nothing to remove".to_owned()),
    }
}
