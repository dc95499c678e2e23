//! The one table: what each command is called, which role and which proof it takes, where it waits for a thread, and how
//! often one account may.
//!
//! The executor looks here before it does anything else with a command. The match has no catch-all arm, so a new
//! command does not compile until it is in the table.

use super::protocol::Command;
use crate::journal::record::Role;
use crate::plan::{Leftover, Operation, ProofNeeded};
use std::time::Duration;

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

impl Who {
    /// Whether someone with this role (none: nobody is signed in) may.
    pub(crate) fn admits(self, role: Option<Role>) -> bool {
        match self {
            Self::WebProcess | Self::Anyone => true,
            Self::AtLeast(needed) => role >= Some(needed),
        }
    }
}

/// What carrying out an operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// Who may.
    pub who: Who,
    /// What they have to prove besides.
    pub proof: ProofNeeded,
}

/// Where a command waits for a thread: by what answering it costs, so that nothing cheap waits for something dear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Answered from memory.
    Memory,
    /// Reads files of the host or of the console.
    Disk,
    /// Computes a password's hash.
    Password,
    /// Looks at the host with its tools, or computes what would be: seconds.
    Draft,
    /// Reads the whole history, or waits for the mailer: up to minutes.
    Long,
    /// May wait for another change.
    Change,
    /// What ends a danger: accounts, Keep, put back. Only who has the right to it gets in.
    Urgent,
}

/// How often one account may have something done that leaves a trace on the disk or sends something: so many at once,
/// and then one each so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Often {
    /// How many at once.
    pub(crate) at_once: u32,
    /// The time in which one more is earned.
    pub each: Duration,
}

const fn often(at_once: u32, seconds: u64) -> Option<Often> {
    Some(Often { at_once, each: Duration::from_secs(seconds) })
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The command's name as on the wire: for refusals in the journal.
    pub name: &'static str,
    /// Who may.
    pub who: Who,
    /// What they have to prove besides.
    pub proof: ProofNeeded,
    /// Where it waits.
    pub queue: Queue,
    /// Whether it would change something: then a refusal is worth a record even when the table allowed it.
    pub changes: bool,
    /// How often one account may; none: it leaves no trace, or cannot be repeated at will.
    pub often: Option<Often>,
}

/// Signing in. How often is counted once the password was right: nobody else's tries use it up.
pub(crate) const SIGN_IN: Row = Row {
    name: "sign-in",
    who: Who::Anyone,
    proof: ProofNeeded::None,
    queue: Queue::Password,
    changes: true,
    often: often(30, 20),
};

/// The row of a command.
pub fn row(command: &Command) -> Row {
    use Command as C;
    use ProofNeeded::{Fresh, None as NoProof};
    use Queue::{Change, Disk, Draft, Long, Memory, Password, Urgent};
    use Role::{Admin, Operator, Viewer};
    use Who::{Anyone, AtLeast, WebProcess};
    let reads = |name, who, queue| Row { name, who, proof: NoProof, queue, changes: false, often: None };
    let changes = |name, who, proof, queue, often| Row { name, who, proof, queue, changes: true, often };
    match command {
        C::Greeting {} => reads("greeting", WebProcess, Memory),
        C::JournalAfter { .. } => reads("journal-after", WebProcess, Disk),
        C::JournalLines { .. } => reads("journal-lines", WebProcess, Disk),
        C::Ready {} => reads("ready", WebProcess, Memory),

        C::SignIn { .. } => SIGN_IN,
        C::SetUp { .. } => changes("set-up", Anyone, NoProof, Password, None),
        C::SignOut {} => reads("sign-out", AtLeast(Viewer), Memory),
        C::Session {} => reads("session", AtLeast(Viewer), Memory),
        C::Settings {} => reads("settings", AtLeast(Viewer), Memory),
        // The password that it carries is the proof.
        C::Prove { .. } => changes("prove", AtLeast(Viewer), NoProof, Password, often(30, 20)),
        C::ChangePassword { .. } => changes("change-password", AtLeast(Viewer), NoProof, Password, often(10, 60)),
        // It concerns nobody else, but writes a file.
        C::SetTheme { .. } => changes("set-theme", AtLeast(Viewer), NoProof, Disk, often(20, 30)),

        C::Accounts {} => reads("accounts", AtLeast(Admin), Memory),
        C::AddAccount { .. } => changes("add-account", AtLeast(Admin), Fresh, Password, often(200, 5)),
        C::SetRole { .. } => changes("set-role", AtLeast(Admin), Fresh, Urgent, often(200, 5)),
        C::SetDisabled { .. } => changes("set-disabled", AtLeast(Admin), Fresh, Urgent, often(200, 5)),

        C::Configuration {} => reads("configuration", AtLeast(Viewer), Disk),
        C::Facts { .. } => reads("facts", AtLeast(Viewer), Memory),
        C::FollowFacts {} => reads("follow-facts", AtLeast(Viewer), Memory),
        C::Show { .. } => reads("show", AtLeast(Viewer), Disk),
        // Each question that it carries is looked up here for itself; it waits where the slowest of them would.
        C::StillSo { page, asked } => {
            let waits_for_none = |command: &Command| row(command).queue == Memory;
            let is_quick = waits_for_none(page) && asked.iter().all(|asked| waits_for_none(&asked.command));
            reads("still-so", AtLeast(Viewer), if is_quick { Memory } else { Disk })
        }
        C::Backups { .. } => reads("backups", AtLeast(Viewer), Disk),
        C::Backup { .. } => reads("backup", AtLeast(Viewer), Disk),
        C::File { .. } => reads("file", AtLeast(Viewer), Disk),
        C::LogFiles {} => reads("log-files", AtLeast(Viewer), Disk),
        C::OpenLog { .. } => reads("open-log", AtLeast(Viewer), Disk),
        // A review computes and writes nothing.
        C::Review { .. } => reads("review", AtLeast(Viewer), Draft),

        // Pages send it while one types; it stays in memory, for two minutes.
        C::Draft { .. } => reads("draft", AtLeast(Operator), Memory),
        C::Save { accept_errors: false, .. } => changes("save", AtLeast(Operator), NoProof, Change, often(400, 5)),
        C::Save { accept_errors: true, .. } => changes("save", AtLeast(Admin), NoProof, Change, often(400, 5)),

        // A plan shows what would happen and changes nothing; carrying it out is asked for by `Run`.
        C::Plan { .. } => reads("plan", AtLeast(Viewer), Draft),
        // The plan's operation decides further: see `operation`.
        C::Run { .. } => changes("run", AtLeast(Operator), NoProof, Change, often(400, 5)),
        C::Runs { .. } => reads("runs", AtLeast(Viewer), Disk),
        C::RunList { .. } => reads("run-list", AtLeast(Viewer), Disk),
        C::RunState { .. } => reads("run-state", AtLeast(Viewer), Disk),
        C::RunEvents { .. } => reads("run-events", AtLeast(Viewer), Disk),
        C::Abort { .. } => changes("abort", AtLeast(Operator), NoProof, Urgent, None),
        // A page asks by itself whether it may offer to keep.
        C::KeepNonce { .. } => reads("keep-nonce", AtLeast(Operator), Urgent),
        C::Keep { .. } => changes("keep", AtLeast(Operator), NoProof, Urgent, None),
        C::PutBack { .. } => changes("put-back", AtLeast(Operator), NoProof, Urgent, None),
        C::LeaveDrift { .. } => changes("leave-drift", AtLeast(Operator), NoProof, Change, often(60, 10)),
        C::Dismiss { .. } => changes("dismiss", AtLeast(Operator), NoProof, Change, often(60, 10)),

        // The executor refuses it of any host but a simulated one.
        C::Reboot {} => changes("reboot", AtLeast(Operator), NoProof, Change, often(20, 10)),

        C::Feedback { send: false, .. } => changes("feedback", AtLeast(Viewer), NoProof, Long, often(10, 600)),
        // It sends mail from the host.
        C::Feedback { send: true, .. } => changes("feedback", AtLeast(Operator), NoProof, Long, often(10, 600)),

        C::VerifyJournal {} => reads("verify-journal", AtLeast(Viewer), Long),
        // It signs with the host's key.
        C::Checkpoint {} => changes("checkpoint", AtLeast(Operator), NoProof, Long, often(10, 60)),
        C::RecordExport { .. } => changes("record-export", AtLeast(Viewer), NoProof, Disk, often(30, 10)),
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
