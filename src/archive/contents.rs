//! What a backup holds: a closed list of names, each with the most that it may hold. What is in no row is neither written
//! nor put back.

use crate::digest::Digest;
use crate::formats::Stamp;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Every name in the archive stands below this folder.
pub(super) const FOLDER: &str = "pot-console/";
/// The first file.
pub(super) const ABOUT: &str = "backup.json";
/// The last one.
pub(super) const MANIFEST: &str = "manifest.json";
/// The settings; all others stand in the private folder.
pub(super) const SETTINGS: &str = "pot-console.toml";
/// Longest manifest, in bytes: for [`MOST_FILES`] of them.
pub(super) const LONGEST_MANIFEST: u64 = 64 << 20;
/// Longest `backup.json`, in bytes.
pub(super) const LONGEST_ABOUT: u64 = 64 << 10;
/// Most files: 2,000 runs with two each, the versions of a dozen files, and segments for decades.
pub(super) const MOST_FILES: usize = 200_000;
/// Most bytes in all of them.
pub(super) const MOST_BYTES: u64 = 64 << 30;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What a file of a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Settings,
    Accounts,
    Journal,
    Versions,
    Runs,
    Feedback,
    Notes,
    CheckpointKey,
    Tls,
}

impl Part {
    /// What a name stands for and how many bytes it may have; none for a name that is in no backup.
    pub(super) fn of(name: &str) -> Option<(Self, u64)> {
        let parts: Vec<&str> = name.split('/').collect();
        Some(match parts[..] {
            [SETTINGS] => (Self::Settings, MIB),
            ["accounts.json"] => (Self::Accounts, 4 * MIB),
            ["journal", "pruned.checkpoint" | "alarm"] => (Self::Journal, 64 * KIB),
            // Closed at 64 MiB and one record.
            ["journal", segment] if is_segment(segment) => (Self::Journal, 1024 * MIB),
            ["journal", torn] if torn.starts_with("torn-") && is_plain(torn) => (Self::Journal, 64 * MIB),
            ["backups", "index"] => (Self::Versions, 64 * MIB),
            ["backups", "objects", digest] if Digest::from_hex(digest).is_ok() => (Self::Versions, 64 * MIB),
            ["runs", number, "run.json"] if is_number(number) => (Self::Runs, 16 * MIB),
            ["runs", number, "events.jsonl"] if is_number(number) => (Self::Runs, 1024 * MIB),
            ["feedback", text] if text.strip_suffix(".json").is_some_and(is_plain) => (Self::Feedback, MIB),
            ["keys", "checkpoint.pem"] => (Self::CheckpointKey, 64 * KIB),
            ["tls", "key.pem" | "certificate.pem" | "made-for.json"] => (Self::Tls, MIB),
            [
                "before-init.json" | "left-drift.json" | "preferences.json" | "set-aside.json" | "settings.json"
                | "syslog.json" | "watched.json",
            ] => (Self::Notes, 16 * MIB),
            [watched] if watched.starts_with("watched-") && is_plain(watched) => (Self::Notes, 64 * MIB),
            _ => return None,
        })
    }

    /// Whether it is secret beyond what every file of a backup is: who has it is taken for this console.
    pub(super) fn is_key(self) -> bool {
        matches!(self, Self::CheckpointKey | Self::Tls)
    }

    /// What people call it.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Accounts => "accounts",
            Self::Journal => "history",
            Self::Versions => "kept versions",
            Self::Runs => "runs",
            Self::Feedback => "feedback",
            Self::Notes => "notes",
            Self::CheckpointKey => "key of checkpoints",
            Self::Tls => "self-signed certificate and its key",
        }
    }
}

/// Names in the private folder that are left out, each with the reason; whatever else stands there is nobody's.
#[cfg(test)]
pub(super) const LEFT_OUT: [(&str, &str); 11] = [
    ("change.lock", "a lock"),
    ("accounts.lock", "a lock"),
    ("journal/lock", "a lock"),
    ("backups/lock", "a lock"),
    ("journal/head-owed", "of the copied head, which is not in it"),
    ("journal/reserve", "set-aside space"),
    ("pending-revert.json", "a change that waits is of one host and one hour"),
    ("approvals", "for ten minutes"),
    ("formats.json", "in backup.json"),
    ("setup.json", "what setup made on this host"),
    ("setup-code", "for the first account of a console that has none"),
];

/// One name of a folder: no blank, no slash, not hidden.
fn is_plain(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(allowed)
}

fn is_segment(name: &str) -> bool {
    name.strip_suffix(".journal")
        .is_some_and(|digits| digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

/// As runs are numbered: without zeros before it.
fn is_number(name: &str) -> bool {
    name.parse::<u64>().is_ok_and(|number| number > 0 && number.to_string() == name)
}

/// The first file: what this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// The version of the archive's own form.
    #[serde(rename = "pot-console-backup")]
    pub version: u64,
    /// When it was begun.
    pub made: Timestamp,
    /// The host's name then.
    pub host: String,
    /// Whether the keys are in it.
    pub keys: bool,
    /// The program that made it, and the versions of what it holds.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// The last file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) files: Vec<Item>,
}

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) digest: Digest,
}
