//! Faults that tests and the demo switch on: a tool that is missing, hangs, fails or prints garbage, and troubles of the host.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Something that goes wrong on the simulated host, until it is cleared. A tool is its name (`pot`) or one of its
/// subcommands (`pot:init`); `all` are all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The tool is not installed: its link is gone from the root.
    Missing(String),
    /// The tool never answers (it sleeps for an hour).
    Hang(String),
    /// The tool answers late, after so many milliseconds.
    Slow(String, u64),
    /// The tool does nothing, prints the message on standard error and ends with the status.
    Fail(String, u8, String),
    /// The tool does nothing and prints bytes that are no answer.
    Garbage(String),
    /// The tool works, and leaves a daemon behind that keeps its output open for so many seconds.
    KeepPipe(String, u64),
    /// The pool has no space left.
    PoolFull(String),
    /// The dataset's pool has no space left once the dataset and those below it are so many.
    FullAt(String, u64),
    /// A process stands in the dataset's folder: it cannot be unmounted.
    Busy(String),
    /// The dataset has so many snapshots besides, `auto-0000001` and so on: they are listed, no more.
    Snapshots(String, u64),
    /// The dataset is encrypted and its key is not loaded: it is not mounted and cannot be.
    Locked(String),
    /// Another pkg holds the data base's lock.
    PkgLocked,
    /// The package repository cannot be reached.
    PkgOffline,
    /// pkg itself is not installed yet.
    PkgNotBootstrapped,
    /// `pkg install` wants to upgrade and remove other packages, too.
    PkgWantsMore,
    /// `ifconfig BRIDGE addm` is refused.
    AddmRefused,
}

/// A fault that could not be read from text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "unknown fault {0:?}: say TOOL[:SUBCOMMAND] missing|hang|slow MS|fail [STATUS [TEXT]]|garbage|keep-pipe SECONDS, pool-full POOL, full-at DATASET N, busy DATASET, snapshots DATASET N, locked DATASET, pkg-locked, pkg-offline, pkg-not-bootstrapped, pkg-wants-more or addm-refused"
)]
pub struct UnknownFault(String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = |index: usize, default: u64| words.get(index).map_or(Ok(default), |word| word.parse::<u64>());
        let unknown = || UnknownFault(text.to_owned());
        Ok(match words.as_slice() {
            ["pool-full", pool] => Self::PoolFull((*pool).to_owned()),
            ["full-at", dataset, _] => Self::FullAt((*dataset).to_owned(), number(2, 1).map_err(|_| unknown())?),
            ["busy", dataset] => Self::Busy((*dataset).to_owned()),
            ["snapshots", dataset, _] => Self::Snapshots((*dataset).to_owned(), number(2, 1).map_err(|_| unknown())?),
            ["locked", dataset] => Self::Locked((*dataset).to_owned()),
            ["pkg-locked"] => Self::PkgLocked,
            ["pkg-offline"] => Self::PkgOffline,
            ["pkg-not-bootstrapped"] => Self::PkgNotBootstrapped,
            ["pkg-wants-more"] => Self::PkgWantsMore,
            ["addm-refused"] => Self::AddmRefused,
            [tool, "missing"] => Self::Missing((*tool).to_owned()),
            [tool, "hang"] => Self::Hang((*tool).to_owned()),
            [tool, "slow", ..] => Self::Slow((*tool).to_owned(), number(2, 2000).map_err(|_| unknown())?),
            [tool, "garbage"] => Self::Garbage((*tool).to_owned()),
            [tool, "keep-pipe", ..] => Self::KeepPipe((*tool).to_owned(), number(2, 60).map_err(|_| unknown())?),
            [tool, "fail", rest @ ..] => {
                let status = match rest.first() {
                    Some(word) => word.parse::<u8>().map_err(|_| unknown())?,
                    None => 1,
                };
                let message = rest.get(1..).unwrap_or_default().join(" ");
                let message = if message.is_empty() { format!("{tool}: simulated failure") } else { message };
                Self::Fail((*tool).to_owned(), status, message)
            }
            _ => return Err(unknown()),
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(tool) => write!(f, "{tool} missing"),
            Self::Hang(tool) => write!(f, "{tool} hang"),
            Self::Slow(tool, milliseconds) => write!(f, "{tool} slow {milliseconds}"),
            Self::Fail(tool, status, message) => write!(f, "{tool} fail {status} {message}"),
            Self::Garbage(tool) => write!(f, "{tool} garbage"),
            Self::KeepPipe(tool, seconds) => write!(f, "{tool} keep-pipe {seconds}"),
            Self::PoolFull(pool) => write!(f, "pool-full {pool}"),
            Self::FullAt(dataset, many) => write!(f, "full-at {dataset} {many}"),
            Self::Busy(dataset) => write!(f, "busy {dataset}"),
            Self::Snapshots(dataset, many) => write!(f, "snapshots {dataset} {many}"),
            Self::Locked(dataset) => write!(f, "locked {dataset}"),
            Self::PkgLocked => write!(f, "pkg-locked"),
            Self::PkgOffline => write!(f, "pkg-offline"),
            Self::PkgNotBootstrapped => write!(f, "pkg-not-bootstrapped"),
            Self::PkgWantsMore => write!(f, "pkg-wants-more"),
            Self::AddmRefused => write!(f, "addm-refused"),
        }
    }
}
