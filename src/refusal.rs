//! Why something that was asked for was not done, in words for the one who asked.

use crate::diff::Diff;
use crate::digest::Digest;
use crate::rules::limits::LimitViolation;
use crate::rules::{Finding, Unwritable};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of refusal.
    pub kind: RefusalKind,
    /// What failed, on what, and what to do now.
    pub message: String,
    /// The field or parameter it is about.
    pub field: Option<String>,
    /// For `RefusalKind::Conflict` on a save.
    pub conflict: Option<Box<Conflict>>,
    /// For `RefusalKind::Findings`: the error findings that stand in the way.
    pub findings: Vec<Finding>,
}

impl Refusal {
    /// A refusal with words alone.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), field: None, conflict: None, findings: Vec::new() }
    }

    /// Names the field it is about.
    #[must_use]
    pub fn on(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl From<Unwritable> for Refusal {
    fn from(unwritable: Unwritable) -> Self {
        let refusal = Self::new(RefusalKind::Limit, sentence(&unwritable.to_string()));
        match unwritable.parameter() {
            Some(name) => refusal.on(name),
            None => refusal,
        }
    }
}

impl From<LimitViolation> for Refusal {
    fn from(against: LimitViolation) -> Self {
        Unwritable::from(against).into()
    }
}

/// An error's words as a sentence.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

/// What kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// No session, or it has ended: sign in.
    SignInNeeded,
    /// Name or password is wrong.
    WrongPassword,
    /// Too many tries: wait.
    Throttled,
    /// The role does not allow it.
    Forbidden,
    /// The password is needed again first (fresh or one-time).
    ProofNeeded,
    /// A value is against a limit or cannot be written safely.
    Limit,
    /// Error findings stand in the way.
    Findings,
    /// The file or the facts changed meanwhile.
    Conflict,
    /// Another change is running, or one awaits Keep.
    Busy,
    /// No such plan, run, backup …, or it is used up or too old.
    NotFound,
    /// There was one, and it is not kept any more.
    Gone,
    /// The journal could not be written, or there is no room for the new file: nothing was changed.
    NotRecorded,
    /// A file of the host is not what it must be, and has to be fixed at the machine.
    Unreadable,
    /// Reading or writing a file, or a command, failed.
    Failed,
    /// The message is not one of this protocol.
    Malformed,
}

/// The file changed while someone was editing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Who changed it last, as the journal says; none: outside of the console.
    pub by: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
    /// Parameters that both changed: name, the file's new value, the wanted value.
    pub colliding: Vec<Collision>,
    /// How many other edits fit.
    pub fitting: usize,
    /// The digest of the file as it stands now: the base for the next try.
    pub digest: Digest,
    /// What saving the edits on the new file would write.
    pub diff: Diff,
}

/// A parameter that both changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collision {
    /// Its name.
    pub name: String,
    /// The value in the file now.
    pub theirs: Option<String>,
    /// The value that was wanted.
    pub yours: Option<String>,
}
