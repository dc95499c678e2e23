//! Where each operation stands on a host: what is to be done, done, stopped, or has nothing to do.
//!
//! Pure. A plan looks closer, because it reads files that facts do not hold; it never contradicts what stands here.

use super::model::Known;
use super::network::Network;
use super::pot_state::{Remedy, Stage};
use super::readiness::{Counts, counted};
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
        Stage::Initialised => differing(known, Remedy::Init, "done"),
        Stage::Fresh => match stopped(known, &commands::INIT) {
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
    match network {
        Network::Up => (Standing::Done, words),
        Network::Differs => (Standing::Differs, words),
        Network::Unknown | Network::UpForPot => (Standing::Unknown, words),
        Network::Down => match stopped(known, &commands::VNET_START) {
            Some(why) => (Standing::Blocked, format!("{words}; {why}")),
            None => (Standing::ToDo, words),
        },
    }
}

fn clean_up(known: &Known<'_>, left: Option<&[String]>) -> (Standing, String) {
    if known.pot.stage == Stage::Initialised {
        return (Standing::InUse, "pot is in use".to_owned());
    }
    match left {
        None => unknown(),
        Some([]) => (Standing::Nothing, "nothing is left".to_owned()),
        Some([one]) => (Standing::ToDo, format!("left: {one}")),
        Some(several) => (Standing::ToDo, format!("{} things are left", several.len())),
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
        Stage::Fresh | Stage::NotInstalled => (Standing::Nothing, "nothing to remove".to_owned()),
    }
}
