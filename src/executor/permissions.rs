//! The one table: which role and which proof each command takes.
//!
//! The executor looks here before it does anything else with a command. The match has no catch-all arm, so a new
//! command does not compile until it is in the table.

use super::protocol::Command;
use crate::journal::record::Role;
use crate::operations::plan::{Leftover, Operation, ProofNeeded};

/// Who may give a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The web process for itself: no session, nothing about anybody.
    WebProcess,
    /// Anyone who opens the page: these are the ways to get a session.
    Anyone,
    /// A session whose account has at least this role.
    AtLeast(Role),
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// Who may.
    pub who: Who,
    /// What they have to prove besides.
    pub proof: ProofNeeded,
}

/// The row of a command.
pub fn permission(command: &Command) -> Permission {
    use Command as C;
    use ProofNeeded::{Fresh, None};
    use Role::{Admin, Operator, Viewer};
    let row = |who, proof| Permission { who, proof };
    match command {
        C::Greeting {} | C::JournalAfter { .. } | C::Ready {} => row(Who::WebProcess, None),

        C::SignIn { .. } | C::SetUp { .. } => row(Who::Anyone, None),
        C::SignOut {} | C::Session {} => row(Who::AtLeast(Viewer), None),
        // The password that it carries is the proof.
        C::Prove { .. } | C::ChangePassword { .. } => row(Who::AtLeast(Viewer), None),

        C::Accounts {} => row(Who::AtLeast(Admin), None),
        C::AddAccount { .. } | C::SetRole { .. } | C::SetDisabled { .. } => row(Who::AtLeast(Admin), Fresh),

        C::Configuration {}
        | C::Facts { .. }
        | C::Backups { .. }
        | C::Backup { .. }
        | C::File { .. }
        | C::LogFiles {}
        | C::OpenLog { .. }
        // A review computes and writes nothing.
        | C::Review { .. } => row(Who::AtLeast(Viewer), None),

        C::Save { accept_errors: false, .. } => row(Who::AtLeast(Operator), None),
        C::Save { accept_errors: true, .. } => row(Who::AtLeast(Admin), None),

        // A plan shows what would happen and changes nothing; carrying it out is asked for by `Run`.
        C::Plan { .. } => row(Who::AtLeast(Viewer), None),
        // The plan's operation decides further: see `operation`.
        C::Run { .. } => row(Who::AtLeast(Operator), None),
        C::Runs { .. } | C::RunState { .. } | C::RunEvents { .. } => row(Who::AtLeast(Viewer), None),
        C::Abort { .. } | C::KeepNonce { .. } | C::Keep { .. } | C::PutBack { .. } | C::SetAside { .. } => {
            row(Who::AtLeast(Operator), None)
        }

        // It can send mail from the host.
        C::Feedback { .. } => row(Who::AtLeast(Operator), None),

        C::VerifyJournal {} | C::RecordExport { .. } => row(Who::AtLeast(Viewer), None),
        // It signs with the host's key.
        C::Checkpoint {} => row(Who::AtLeast(Operator), None),
    }
}

/// The row of carrying out an operation. With `confirm_destructive = "shell"` (`shell`) root gives the proof for
/// what destroys, in a terminal.
pub fn operation(operation: &Operation, shell: bool) -> Permission {
    let destructive = if shell { ProofNeeded::Shell } else { ProofNeeded::OneTime };
    let row = |role, proof| Permission { who: Who::AtLeast(role), proof };
    match operation {
        Operation::Prepare { .. } | Operation::Init { .. } | Operation::VnetStart { .. } => {
            row(Role::Operator, ProofNeeded::Fresh)
        }
        Operation::DeInit { .. } => row(Role::Admin, destructive),
        Operation::CleanUp { items } if items.contains(&Leftover::FsRoot) => row(Role::Admin, destructive),
        Operation::CleanUp { .. } => row(Role::Operator, ProofNeeded::Fresh),
        Operation::Restore { .. } => row(Role::Operator, ProofNeeded::Fresh),
    }
}

/// The command's name as on the wire: for refusals in the journal.
pub fn name(command: &Command) -> &'static str {
    use Command as C;
    match command {
        C::Greeting {} => "greeting",
        C::JournalAfter { .. } => "journal-after",
        C::Ready {} => "ready",
        C::SignIn { .. } => "sign-in",
        C::SetUp { .. } => "set-up",
        C::SignOut {} => "sign-out",
        C::Session {} => "session",
        C::Prove { .. } => "prove",
        C::Accounts {} => "accounts",
        C::AddAccount { .. } => "add-account",
        C::SetRole { .. } => "set-role",
        C::SetDisabled { .. } => "set-disabled",
        C::ChangePassword { .. } => "change-password",
        C::Configuration {} => "configuration",
        C::Facts { .. } => "facts",
        C::Backups { .. } => "backups",
        C::Backup { .. } => "backup",
        C::File { .. } => "file",
        C::LogFiles {} => "log-files",
        C::OpenLog { .. } => "open-log",
        C::Review { .. } => "review",
        C::Save { .. } => "save",
        C::Plan { .. } => "plan",
        C::Run { .. } => "run",
        C::Runs { .. } => "runs",
        C::RunState { .. } => "run-state",
        C::RunEvents { .. } => "run-events",
        C::Abort { .. } => "abort",
        C::KeepNonce { .. } => "keep-nonce",
        C::Keep { .. } => "keep",
        C::PutBack { .. } => "put-back",
        C::SetAside { .. } => "set-aside",
        C::Feedback { .. } => "feedback",
        C::VerifyJournal {} => "verify-journal",
        C::Checkpoint {} => "checkpoint",
        C::RecordExport { .. } => "record-export",
    }
}
