//! The words of the journal: what one record says.

use crate::diff::Diff;
use crate::digest::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// What someone may do. Each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything, changes nothing.
    Viewer,
    /// Saves the configuration and runs what destroys nothing.
    Operator,
    /// May do everything, accounts included.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        })
    }
}

/// How the executor knows who it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// A password that the executor checked.
    Password,
    /// root at the machine's own command line.
    CommandLine,
    /// The one-time set-up code.
    SetupCode,
    /// The executor itself: a deadline, a start, a watch.
    Console,
    /// Nobody is known: a failed sign-in, a change made outside.
    None,
}

/// Who did it, as the executor knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Account or login name; `pot-console` for the executor itself.
    pub name: String,
    /// The role at that time.
    pub role: Option<Role>,
    /// How it is known.
    pub method: Method,
    /// First eight hexadecimal digits of the session token's hash.
    pub session: Option<String>,
    /// A name that the environment claims (`SUDO_USER`), not proven.
    pub claimed: Option<String>,
}

/// What the browser's side says about itself: recorded as reported, never relied on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// The client's address.
    pub address: Option<String>,
    /// The browser's name for itself, at most 200 characters.
    pub browser: Option<String>,
}

/// What was done. The page's filter offers these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Someone signed in, or tried to.
    SignIn,
    /// Someone signed out, or the session ended.
    SignOut,
    /// Sign-ins were slowed down.
    Throttle,
    /// pot.conf was changed.
    Configuration,
    /// A backup was written back.
    Restore,
    /// An operation ran (the object names it: `init`, `vnet-start` …).
    Run,
    /// A running operation was ended.
    Abort,
    /// A change that waited for confirmation was kept.
    Keep,
    /// A change that waited for confirmation was put back.
    Revert,
    /// A readiness action ran, or was dismissed.
    Readiness,
    /// Feedback was stored or sent.
    Feedback,
    /// An account was added, changed or disabled.
    Account,
    /// The console's settings changed.
    Settings,
    /// A file was found changed by someone else.
    Outside,
    /// A command was refused.
    Refusal,
    /// The history was exported.
    Export,
    /// The executor or the web process started or ended.
    Process,
    /// The journal itself: torn write, rollback, pruning, checkpoint.
    Journal,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As planned.
    Done,
    /// Not allowed, or against a limit or conflict: nothing was changed.
    Refused,
    /// It was tried and failed.
    Failed,
    /// The executor died in between.
    Interrupted,
    /// It was put back.
    Reverted,
    /// It was put back in part.
    RevertedInPart,
    /// A reboot came before it could be put back.
    OvertakenByReboot,
}

/// One value before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The parameter, account field, …
    pub name: String,
    /// Before; none when it was not set.
    pub from: Option<String>,
    /// After; none when it is not set.
    pub to: Option<String>,
}

/// What a record is in the life of one act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Written and on disk before the host is changed.
    Intent,
    /// How an intent ended; `intent` names it.
    Outcome,
    /// Complete in itself.
    Event,
}

/// What is said of an act, before the journal gives it its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it stands in the life of its act.
    pub stage: Stage,
    /// For an outcome: the sequence number of its intent.
    pub intent: Option<u64>,
    /// Who.
    pub actor: Actor,
    /// From where, as reported.
    pub reported: Reported,
    /// What.
    pub action: Action,
    /// On what: a file, an operation, an account.
    pub object: String,
    /// Values before and after.
    pub changes: Vec<Change>,
    /// The whole difference of the file.
    pub diff: Option<Diff>,
    /// The file's digest before.
    pub before: Option<Digest>,
    /// The file's digest after.
    pub after: Option<Digest>,
    /// Why, as they said.
    pub reason: Option<String>,
    /// How it ended; none for an intent.
    pub outcome: Option<Outcome>,
    /// One sentence with the object and the values.
    pub message: String,
    /// The run it belongs to.
    pub run: Option<u64>,
}

impl Entry {
    /// An event, complete in itself: nothing changed, nothing said of how it ended. The rest is set by who knows it.
    pub fn event(actor: Actor, reported: Reported, action: Action, object: impl Into<String>, message: String) -> Self {
        Self {
            stage: Stage::Event,
            intent: None,
            actor,
            reported,
            action,
            object: object.into(),
            changes: Vec::new(),
            diff: None,
            before: None,
            after: None,
            reason: None,
            outcome: None,
            message,
            run: None,
        }
    }
}

/// An entry in its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OnOneLevel")]
pub struct Record {
    /// Counted from 1 without gaps.
    pub sequence: u64,
    /// UUIDv7.
    pub id: Uuid,
    /// When, UTC.
    pub time: Timestamp,
    /// What is said.
    #[serde(flatten)]
    pub entry: Entry,
}

/// A record as it is written. Read so and not by `flatten`, which would make a copy of each value first: verifying and
/// rebuilding read millions.
#[derive(Deserialize)]
struct OnOneLevel {
    sequence: u64,
    id: Uuid,
    time: Timestamp,
    stage: Stage,
    intent: Option<u64>,
    actor: Actor,
    reported: Reported,
    action: Action,
    object: String,
    changes: Vec<Change>,
    diff: Option<Diff>,
    before: Option<Digest>,
    after: Option<Digest>,
    reason: Option<String>,
    outcome: Option<Outcome>,
    message: String,
    run: Option<u64>,
}

impl From<OnOneLevel> for Record {
    fn from(read: OnOneLevel) -> Self {
        let OnOneLevel { sequence, id, time, stage, intent, actor, reported, action, object, .. } = read;
        let OnOneLevel { changes, diff, before, after, reason, outcome, message, run, .. } = read;
        let entry = Entry {
            stage,
            intent,
            actor,
            reported,
            action,
            object,
            changes,
            diff,
            before,
            after,
            reason,
            outcome,
            message,
            run,
        };
        Self { sequence, id, time, entry }
    }
}
