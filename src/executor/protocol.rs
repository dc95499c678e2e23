//! The border: every message that may cross between the web process and the executor.
//!
//! A frame is a 4-byte big-endian length and that many bytes of JSON. The set is closed: no command carries a
//! path, an argument vector, shell text, an actor or a role. A command carries the browser's token; the executor
//! derives who is asking. Descriptors travel only from the executor to the web process.

use crate::bytes_as_base64;
use crate::diff::Diff;
use crate::digest::Digest;
use crate::facts::{HostFacts, LeftDrift};
use crate::journal::record::{Record, Reported, Role};
use crate::plan::{Leftover, ManagedFile, Operation, Plan, Preparation, Run, RunBrief, RunEvent};
use crate::potconf::Edit;
use crate::refusal::{Conflict, Refusal, RefusalKind};
use crate::rules::Finding;
use crate::secret::Secret;
use crate::theme::Theme;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Raised when a message changes its meaning; both sides are one binary, so a difference is a fault.
pub const VERSION: u16 = 1;
/// Longest request in bytes: a pot.conf of 1 MiB as edits, with room.
pub const MAX_REQUEST: usize = 4 << 20;
/// Most proofs that one browser carries: it may be several people's.
pub(crate) const MOST_KNOWN: usize = 4;
/// Longest reply in bytes: the facts of a very large host ([`HostFacts::keep_within`]), with room.
pub(crate) const MAX_REPLY: usize = 32 << 20;

/// What the web process asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`VERSION`].
    pub version: u16,
    /// Chosen by the asker, repeated in the reply.
    pub id: u64,
    /// The browser's session token (base64url of 32 bytes), when it sent one.
    pub token: Option<Secret>,
    /// Proofs that the browser signed in before (each base64url of 32 bytes), when it sent any; for `SignIn` alone, at
    /// most [`MOST_KNOWN`].
    #[serde(default)]
    pub known: Vec<Secret>,
    /// Whether a page asks by itself, because it follows something (events, a reload every few seconds): only what a
    /// person does (opening a page, sending a form) counts as a use of the session.
    #[serde(default)]
    pub follows: bool,
    /// What the browser's side says about itself.
    pub reported: Reported,
    /// What is asked.
    pub command: Command,
}

/// The closed set of commands.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    // -- the web process itself: no session --
    /// Facts that a page needs before anyone is signed in: host name, simulated or not, set-up needed or not.
    Greeting {},
    /// Records after `after`, at most `limit` (1 to 1000). Answer: `Records`.
    JournalAfter {
        /// The last sequence number already held.
        after: u64,
        /// How many at most.
        limit: u32,
    },
    /// The same as they stand in the journal, byte for byte, for the projection. Answer: `JournalLines`.
    JournalLines {
        /// The last sequence number already held.
        after: u64,
        /// How many at most.
        limit: u32,
    },
    /// The web process accepts connections now. Answer: `Done`.
    Ready {},

    // -- signing in and out --
    /// Checks a password and mints a session. Answer: `SignedIn`.
    SignIn {
        /// Account name.
        name: String,
        /// Its password.
        password: Secret,
    },
    /// Makes the first account with the one-time set-up code, then signs in. Answer: `SignedIn`.
    SetUp {
        /// The code that the executor printed.
        code: Secret,
        /// Account name.
        name: String,
        /// Its password.
        password: Secret,
    },
    /// Ends the session. Answer: `Done`.
    SignOut {},
    /// Who is asking. Answer: `Session`.
    Session {},
    /// Root's settings as they are in force. Answer: `Settings`.
    Settings {},
    /// Gives the password again, so that the session counts as fresh for 5 minutes. Answer: `Session`.
    Prove {
        /// The account's password.
        password: Secret,
    },

    // -- accounts --
    /// All accounts. Answer: `Accounts`.
    Accounts {},
    /// Adds an account. Answer: `Done`.
    AddAccount {
        /// Its name.
        name: String,
        /// Its role.
        role: Role,
        /// Its first password.
        password: Secret,
    },
    /// Changes a role. Answer: `Done`.
    SetRole {
        /// Whose.
        name: String,
        /// The new role.
        role: Role,
    },
    /// Disables an account (its sessions end) or enables it again. Answer: `Done`.
    SetDisabled {
        /// Whose.
        name: String,
        /// Whether it is disabled.
        disabled: bool,
    },
    /// Changes one's own password. Answer: `Done`.
    ChangePassword {
        /// The present one.
        old: Secret,
        /// The new one.
        new: Secret,
    },

    /// Chooses how one's own pages look. Answer: `Done`.
    SetTheme {
        /// Light, dark, or as the browser has it.
        theme: Theme,
    },

    // -- reading the host --
    /// pot.conf and the default file as they stand. Answer: `Configuration`.
    Configuration {},
    /// Cached facts; with `refresh`, or where they are old, a new gathering is started, which the answer does not wait
    /// for. Answer: `Facts`.
    Facts {
        /// Start a new gathering.
        refresh: bool,
    },
    /// The same for a page that is open and follows the host by itself: age alone is no reason to look at the host again,
    /// only that it is known to have changed. Answer: `Facts`.
    FollowFacts {},
    /// What a page about the host is made from: who asks, what is known of the host and both files, of one moment; of
    /// what the asker has already, only that it is still the same. Facts that are old are gathered again, as `Facts` and
    /// `FollowFacts` say, and the answer waits for nothing. Answer: `Shown`.
    Show {
        /// Whether an open page asks by itself, as with `FollowFacts`.
        follows: bool,
        /// What the asker has of earlier answers.
        have: Have,
    },
    /// What a page is made from, for one that was made before: `page`, which is a `Session` or a `Show`, and whether all else
    /// that it had asked would be answered as it was. Answer: `StillSo`.
    StillSo {
        /// What is answered as ever.
        page: Box<Command>,
        /// At most [`MOST_ASKED`].
        asked: Vec<AskedBefore>,
    },
    /// Kept versions of a file, newest first. Answer: `Backups`.
    Backups {
        /// Which file; none: all.
        file: Option<ManagedFile>,
    },
    /// One kept version. Answer: `File`.
    Backup {
        /// Which file it is a version of.
        file: ManagedFile,
        /// Its content digest.
        digest: Digest,
    },
    /// A managed file as it stands. Answer: `File`.
    File {
        /// Which one.
        file: ManagedFile,
    },
    /// The log that pot's facility is written to, with its rotated generations, newest first. Answer: `LogFiles`.
    LogFiles {},
    /// Opens one generation for reading. Answer: `LogOpened` with a descriptor.
    OpenLog {
        /// Its place in the list of `LogFiles`, 0 the live file.
        generation: u32,
    },

    // -- changing the configuration --
    /// What saving these edits would write: diff and findings, computed by the executor. Answer: `Review`.
    Review {
        /// The digest of the file that the form was made from.
        base: Digest,
        /// The edits.
        edits: Vec<Edit>,
    },
    /// Whoever asks is at work on a draft of pot.conf, as their page has it; others are told. Answer: `Done`.
    Draft {
        /// Whether the draft changes anything.
        changes: bool,
    },
    /// Writes pot.conf. Answer: `Saved`, or a `Conflict` error.
    Save {
        /// The digest of the file that the form was made from.
        base: Digest,
        /// The edits.
        edits: Vec<Edit>,
        /// Why.
        reason: Option<String>,
        /// Write in spite of error findings (admin, with a reason).
        accept_errors: bool,
    },

    // -- operations --
    /// Makes and keeps a plan. Answer: `Plan`.
    Plan {
        /// What is planned.
        operation: Operation,
    },
    /// Carries out a plan. Answer: `Started`.
    Run {
        /// The plan's number.
        plan: u64,
        /// The plan's digest, as shown.
        digest: Digest,
        /// The password, where the plan wants a one-time proof.
        password: Option<Secret>,
        /// The typed text, where the plan wants one.
        confirm_text: Option<String>,
        /// Why.
        reason: Option<String>,
    },
    /// All runs, newest first, `before` a number, at most `limit` (1 to 200). Answer: `Runs`.
    Runs {
        /// Only runs with a smaller number.
        before: Option<u64>,
        /// How many at most.
        limit: u32,
    },
    /// The same as lists show them. Answer: `RunList`.
    RunList {
        /// Only runs with a smaller number.
        before: Option<u64>,
        /// How many at most.
        limit: u32,
    },
    /// One run. Answer: `Run`.
    RunState {
        /// Which one.
        run: u64,
    },
    /// Events of a run after `after`, at most `limit` (1 to 2000). Answer: `RunEvents`.
    RunEvents {
        /// Which run.
        run: u64,
        /// The last number already held.
        after: u64,
        /// How many at most.
        limit: u32,
    },
    /// Ends a run where that is offered. Answer: `Done`.
    Abort {
        /// Which run.
        run: u64,
    },
    /// A nonce for `Keep`, given out only for a connection accepted after the change. Answer: `Nonce`.
    KeepNonce {
        /// Which run.
        run: u64,
        /// When the browser's connection was accepted, milliseconds since this machine started, as the web process saw it.
        accepted_ms: i64,
        /// The web process's number for that connection.
        connection: u64,
    },
    /// Keeps what a run changed. Answer: `Done`.
    Keep {
        /// Which run.
        run: u64,
        /// What `KeepNonce` gave.
        nonce: Secret,
        /// When this connection was accepted.
        accepted_ms: i64,
        /// Its number; must differ from the one the nonce was given on.
        connection: u64,
    },
    /// Puts back at once what a run changed. Answer: `Done`.
    PutBack {
        /// Which run.
        run: u64,
    },
    /// Leaves a difference between pot.conf and the host as it is, or takes it up again. Answer: `Done`.
    LeaveDrift {
        /// The difference, as it stands.
        drift: LeftDrift,
        /// Whether it is known and left.
        leave: bool,
    },
    /// Dismisses an advised to-do, or takes it up again. Answer: `Done`.
    Dismiss {
        /// Which one.
        item: Preparation,
        /// Whether it is not wanted.
        dismissed: bool,
    },

    /// Reboots the host, a simulated one. Answer: `Done`.
    Reboot {},

    // -- feedback --
    /// Stores feedback, and hands it to the host's mailer when `send`. Answer: `FeedbackStored`.
    Feedback {
        /// What's wrong with pot?
        wrong: String,
        /// What's the missing feature I really need?
        missing: String,
        /// How bad is it to use?
        usability: String,
        /// Name, if they gave one.
        name: Option<String>,
        /// Reply address, if they gave one.
        reply_to: Option<String>,
        /// Whether to hand it to the mailer: for operators.
        send: bool,
    },

    // -- evidence --
    /// Verifies the journal (and its head). Answer: `Verified`.
    VerifyJournal {},
    /// Makes a signed checkpoint. Answer: `Checkpoint`.
    Checkpoint {},
    /// Records that the history is exported. Answer: `Done`.
    RecordExport {
        /// `csv`, `json` or `jsonl`.
        format: ExportFormat,
        /// The filter as shown in the URL, at most 500 characters.
        filter: String,
    },
}

/// Most questions of a page that are asked again at once.
pub(crate) const MOST_ASKED: usize = 4;

/// Something that was asked, and what was answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedBefore {
    /// One that [`Command::can_be_asked_again`].
    pub command: Command,
    /// SHA-256 of the answer's JSON.
    pub told: Digest,
}

/// What an asker has of earlier answers to `Show`, by its numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Have {
    /// [`FactsView::revision`].
    pub facts: Option<u64>,
    /// [`FilesView::number`].
    pub files: Option<u64>,
}

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// Comma-separated values.
    Csv,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
}

/// What the executor sends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
pub enum Message {
    /// The answer to a request.
    Reply {
        /// The request's id.
        id: u64,
        /// Result or refusal.
        result: Result<Box<Reply>, Refusal>,
    },
    /// Something grew; ask for what is new. May be dropped, the next one says it again.
    Hint(Hint),
}

impl Command {
    /// Whether asking once more does nothing but tell how things stand: what a page is made of. That a draft is being
    /// typed is said anew as long as it is.
    pub const fn can_be_asked_again(&self) -> bool {
        matches!(
            self,
            Self::Session {}
                | Self::Settings {}
                | Self::Accounts {}
                | Self::Configuration {}
                | Self::Draft { .. }
                | Self::Backups { .. }
                | Self::LogFiles {}
                | Self::Runs { .. }
                | Self::RunList { .. }
                | Self::RunState { .. }
        )
    }
}

/// What grew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// The journal's last sequence number.
    pub journal: u64,
    /// The present or last run and the number of its last event.
    pub run: Option<(u64, u64)>,
    /// Counts gatherings of facts.
    pub facts: u64,
    /// Whether the web process should close its connections (a change awaits Keep): counts such moments.
    pub(crate) close_connections: u64,
}

/// Answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// It is done.
    Done {},
    /// For `Greeting`.
    Greeting(Greeting),
    /// For `JournalAfter`: records in order and the journal's identity (it changes when the journal is begun anew).
    Records(Records),
    /// For `JournalLines`.
    JournalLines(JournalLines),
    /// For `SignIn` and `SetUp`.
    SignedIn(SignedIn),
    /// For `Session` and `Prove`.
    Session(SessionView),
    /// For `Settings`.
    Settings(SettingsView),
    /// For `Accounts`.
    Accounts {
        /// By name.
        accounts: Vec<AccountView>,
    },
    /// For `Configuration`.
    Configuration(ConfigurationView),
    /// For `Facts`; none until the first gathering ended.
    Facts(FactsView),
    /// For `Show`.
    Shown(Box<Shown>),
    /// For `StillSo`.
    StillSo(StillSo),
    /// For `Backups`.
    Backups {
        /// Newest first.
        backups: Vec<BackupView>,
    },
    /// For `Backup` and `File`.
    File(FileView),
    /// For `LogFiles`.
    LogFiles(LogFiles),
    /// For `OpenLog`; the descriptor travels beside it.
    LogOpened(LogOpened),
    /// For `Review`.
    Review(ReviewView),
    /// For `Save`.
    Saved(Saved),
    /// For `Plan`.
    Plan(Box<Plan>),
    /// For `Run`.
    Started(Started),
    /// For `Runs`.
    Runs {
        /// Newest first.
        runs: Vec<Run>,
    },
    /// For `RunList`.
    RunList {
        /// Newest first.
        runs: Vec<RunBrief>,
    },
    /// For `RunState`.
    Run(Box<Run>),
    /// For `RunEvents`.
    RunEvents(RunEvents),
    /// For `KeepNonce`.
    Nonce(Nonce),
    /// For `Feedback`.
    FeedbackStored(FeedbackStored),
    /// For `VerifyJournal`.
    Verified(VerifyView),
    /// For `Checkpoint`: a text to keep on another machine.
    Checkpoint(SignedCheckpoint),
}

/// What a command is answered with: who asks names it, and gets it or a refusal.
pub trait Answer: Sized {
    /// The answer in a reply; none when the reply answers another question.
    fn in_reply(reply: Reply) -> Option<Self>;

    /// The answer in a reply.
    ///
    /// # Errors
    /// The reply answers another question, which is a fault of the program: both sides are one binary.
    fn expect(reply: Reply) -> Result<Self, Refusal> {
        Self::in_reply(reply)
            .ok_or_else(|| Refusal::new(RefusalKind::Failed, "The executor gave an answer to another question."))
    }
}

impl Reply {
    /// SHA-256 of its JSON: an answer with the same one is the same answer.
    ///
    /// # Errors
    /// As serde_json: never for what came as JSON.
    pub fn digest(&self) -> serde_json::Result<Digest> {
        serde_json::to_vec(self).map(|bytes| Digest::of(&bytes))
    }
}

/// One line an answer: its type, the reply that carries it, and how it is taken out.
macro_rules! answers {
    ($($answer:ty: $reply:pat => $taken:expr;)*) => {
        $(impl Answer for $answer {
            fn in_reply(reply: Reply) -> Option<Self> {
                match reply {
                    $reply => Some($taken),
                    _ => None,
                }
            }
        })*
    };
}

answers! {
    (): Reply::Done {} => ();
    Greeting: Reply::Greeting(answer) => answer;
    Records: Reply::Records(answer) => answer;
    JournalLines: Reply::JournalLines(answer) => answer;
    SignedIn: Reply::SignedIn(answer) => answer;
    SessionView: Reply::Session(answer) => answer;
    SettingsView: Reply::Settings(answer) => answer;
    ConfigurationView: Reply::Configuration(answer) => answer;
    FactsView: Reply::Facts(answer) => answer;
    Shown: Reply::Shown(answer) => *answer;
    StillSo: Reply::StillSo(answer) => answer;
    FileView: Reply::File(answer) => answer;
    LogFiles: Reply::LogFiles(answer) => answer;
    LogOpened: Reply::LogOpened(answer) => answer;
    ReviewView: Reply::Review(answer) => answer;
    Saved: Reply::Saved(answer) => answer;
    Plan: Reply::Plan(answer) => *answer;
    Started: Reply::Started(answer) => answer;
    Run: Reply::Run(answer) => *answer;
    RunEvents: Reply::RunEvents(answer) => answer;
    Nonce: Reply::Nonce(answer) => answer;
    FeedbackStored: Reply::FeedbackStored(answer) => answer;
    VerifyView: Reply::Verified(answer) => answer;
    SignedCheckpoint: Reply::Checkpoint(answer) => answer;
    Vec<AccountView>: Reply::Accounts { accounts } => accounts;
    Vec<BackupView>: Reply::Backups { backups } => backups;
    Vec<Run>: Reply::Runs { runs } => runs;
    Vec<RunBrief>: Reply::RunList { runs } => runs;
}

/// Records in order, and how far the journal goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Records {
    /// In order.
    pub records: Vec<Record>,
    /// The journal's last sequence number.
    pub last: u64,
    /// The hash of each record, in the same order.
    pub hashes: Vec<Digest>,
    /// The lowest sequence number that is still kept (1 unless pruned).
    pub first: u64,
}

/// A part of the journal as it stands there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JournalLines {
    /// The lowest sequence number that is still kept (1 unless pruned).
    pub first: u64,
    /// The journal's last sequence number.
    pub last: u64,
    /// The last record of this part.
    pub newest: u64,
    /// `HASH JSON`, each with its newline; none when there is nothing more.
    #[serde(with = "bytes_as_base64")]
    pub lines: Vec<u8>,
}

/// A session that was begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedIn {
    /// The session's token, for the cookie.
    pub token: Secret,
    /// A proof that this browser signed in, for a cookie that outlives the session; none when it carries one.
    #[serde(default)]
    pub known: Option<Secret>,
    /// Who.
    pub session: SessionView,
}

/// What is known about the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FactsView {
    /// The cached facts.
    pub facts: Option<Box<HostFacts>>,
    /// Whether a gathering is under way.
    pub refreshing: bool,
    /// Advised to-dos that were dismissed.
    pub(crate) dismissed: Vec<Preparation>,
    /// Differences that someone knows and leaves.
    #[serde(default)]
    pub(crate) left_drift: Vec<LeftDrift>,
    /// What of pot is left on a host on which it is not initialised, by title; none: it is, or that is not known.
    #[serde(default)]
    pub leftovers: Option<Vec<String>>,
    /// The same as what can be cleaned up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) left: Vec<Leftover>,
    /// When pot was removed from here, unless it was initialised again since.
    #[serde(default)]
    pub removed: Option<Timestamp>,
    /// See [`SessionView::facts`].
    #[serde(default)]
    pub revision: u64,
}

/// What a page about the host is made from, of one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Shown {
    /// Who asks; its strip and its number of the facts are those of this answer.
    pub session: SessionView,
    /// Whether a gathering is under way.
    pub refreshing: bool,
    /// What is known of the host; none: the asker has it.
    pub facts: Option<Box<FactsView>>,
    /// Both files; none: the asker has them.
    pub files: Option<FilesView>,
}

/// What a page is made from, and whether all else that it had asked is as it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StillSo {
    /// The answer to its `Session` or `Show`.
    pub page: Box<Reply>,
    /// Whether each of the others would be answered as it was.
    pub same: bool,
}

/// pot.conf and the default file, or why they cannot be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FilesView {
    /// Another number whenever any of this is another.
    pub number: u64,
    /// The files, or why they cannot be read.
    pub read: Result<ConfigurationView, Refusal>,
}

/// A file's content.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FileView {
    /// Its bytes.
    #[serde(with = "bytes_as_base64")]
    pub bytes: Vec<u8>,
    /// Its path on the host, for showing.
    pub path: String,
    /// Its digest.
    pub digest: Digest,
}

/// The log that pot writes to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogFiles {
    /// The facility that pot logs to.
    pub facility: String,
    /// Live file first, then rotated ones, newest first; empty when syslogd writes it nowhere.
    pub files: Vec<LogFileView>,
    /// The host's time zone name.
    pub(crate) time_zone: String,
    /// The host's name, to tell foreign lines.
    pub hostname: String,
}

/// A log that was opened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogOpened {
    /// The file's size in bytes when it was opened.
    pub size: u64,
}

/// What was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Saved {
    /// The digest of the new file.
    pub digest: Digest,
    /// The record's sequence number.
    pub record: u64,
    /// What was written; empty when nothing differed.
    pub diff: Diff,
}

/// A run that was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Started {
    /// The run's number.
    pub run: u64,
}

/// Events of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunEvents {
    /// In order.
    pub events: Vec<RunEvent>,
    /// Whether the run has ended and no event follows.
    pub ended: bool,
}

/// A nonce for `Keep`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Nonce {
    /// To be sent back with `Keep` on another connection.
    pub nonce: Secret,
}

/// What became of feedback.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FeedbackStored {
    /// Whether the mailer took it; none when it was not asked to.
    pub sent: Option<bool>,
    /// The mailer's answer, or why there is none.
    pub answer: String,
    /// The whole text, for copying.
    pub text: String,
    /// The recipient.
    pub recipient: String,
}

/// A checkpoint, as text.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedCheckpoint {
    /// The signed checkpoint, JSON.
    pub text: String,
}

/// For a page before anyone is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// The host's name.
    pub hostname: String,
    /// Whether the host is simulated.
    pub simulated: bool,
    /// Whether there is no account yet.
    pub(crate) set_up_needed: bool,
    /// Whether a reason is a duty for every change.
    pub reason_required: bool,
    /// To whom feedback on pot goes.
    pub feedback_recipient: String,
    /// The console's version.
    pub version: String,
    /// Path of pot.conf, for showing.
    pub pot_conf: String,
    /// The journal's state in words when it is not sound (rolled back, broken), shown on every page.
    pub alarm: Option<String>,
}

/// A session as its owner may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Account name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// When the password was last given.
    pub proved: Timestamp,
    /// Whether a command that wants a fresh proof would be taken now.
    pub fresh: bool,
    /// When the session ends at the latest.
    pub(crate) expires: Timestamp,
    /// When the account signed in the time before.
    pub(crate) previous_sign_in: Option<Timestamp>,
    /// First eight hexadecimal digits of the token's hash.
    pub id: String,
    /// How the account likes its pages.
    #[serde(default, skip_serializing_if = "Theme::is_system")]
    pub theme: Theme,
    /// What stands on every page.
    #[serde(default)]
    pub strip: Strip,
    /// Another number whenever there is something else to show of the host: new facts, or that the old ones are outdated.
    #[serde(default)]
    pub facts: u64,
    /// The journal's last sequence number; none: it could not be told at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<u64>,
}

/// Root's settings, for people. None of them is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsView {
    /// The file, as the host calls it.
    pub file: String,
    /// Whether there is such a file.
    pub exists: bool,
    /// Each one, in the order of the table of settings.
    pub settings: Vec<SettingView>,
}

/// One of root's settings as it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingView {
    /// Its name in the file.
    pub name: String,
    /// What it decides.
    pub decides: String,
    /// The value in force, as people write it.
    pub value: String,
    /// Where that comes from.
    pub source: SettingSource,
    /// Another value, which the file says and the next start takes.
    pub at_next_start: Option<String>,
}

/// Where the value of a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingSource {
    /// Nobody set it.
    Default,
    /// The settings file.
    File,
    /// Whoever started the console.
    Start,
}

/// What stands on every page of someone signed in; nothing when there is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strip {
    /// A run under way, or one that waits for an answer.
    pub run: Option<RunUnderWay>,
    /// The newest change of a watched file that was made outside of the console, for an hour.
    pub outside: Option<OutsideChange>,
    /// Settings of the loader that the next boot will have and this one does not.
    pub reboot: Vec<String>,
    /// Whether the host, a simulated one, can be rebooted from here.
    #[serde(default)]
    pub can_reboot: bool,
    /// Other people who sent a draft of pot.conf within two minutes, at most eight.
    pub(crate) drafts: Vec<String>,
}

/// A run under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunUnderWay {
    /// Its number.
    pub id: u64,
    /// Its operation's name.
    pub operation: String,
    /// Who started it.
    pub(crate) started_by: String,
    /// Whether it waits for an answer: keep, or put back.
    pub waits: bool,
    /// Until when it must be kept, by the clock on the wall.
    pub deadline: Option<Timestamp>,
}

/// A change made outside of the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideChange {
    /// Its record in the history.
    pub record: u64,
    /// When it was noticed.
    pub at: Timestamp,
    /// What was changed.
    pub message: String,
}

/// An account without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Whether it is disabled.
    pub disabled: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it last signed in.
    pub(crate) last_sign_in: Option<Timestamp>,
    /// How many sessions it has now.
    pub sessions: usize,
}

/// pot.conf and the default file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationView {
    /// pot.conf's bytes; empty when it does not exist.
    #[serde(with = "bytes_as_base64")]
    pub own: Vec<u8>,
    /// pot.default.conf's bytes; empty when it does not exist.
    #[serde(with = "bytes_as_base64")]
    pub default: Vec<u8>,
    /// Whether pot.conf exists.
    pub exists: bool,
    /// Digest of pot.conf (of nothing when it does not exist).
    pub digest: Digest,
    /// Its path on the host.
    pub path: String,
    /// The default file's path on the host.
    pub(crate) default_path: String,
    /// When it was last changed.
    pub modified: Option<Timestamp>,
}

/// What saving would write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewView {
    /// The difference against the file as it stands now.
    pub diff: Diff,
    /// Findings on what would be written.
    pub findings: Vec<Finding>,
    /// How many of its errors the edits bring, or leave on a parameter that they touch: what is saved only when they are
    /// accepted.
    #[serde(default)]
    pub errors: usize,
    /// The digest of the file as it stands now.
    pub digest: Digest,
    /// When the file is not the one the form was made from.
    pub conflict: Option<Conflict>,
}

/// A kept version of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupView {
    /// Which file.
    pub file: ManagedFile,
    /// Its path on the host.
    pub path: String,
    /// Content digest.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
    /// When it was kept.
    pub at: Timestamp,
    /// What it was kept for: the record's sequence number.
    pub record: Option<u64>,
    /// Whether the file has this content now.
    pub current: bool,
}

/// A log file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFileView {
    /// Its path on the host, for showing.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: Option<Timestamp>,
    /// How it is compressed.
    pub compression: Compression,
    /// Device and inode, to notice rotation.
    pub identity: (u64, u64),
}

/// How a log file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// zstandard.
    Zstd,
}

/// The journal's proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyView {
    /// Whether every record stands in its place unbroken and the head agrees.
    pub sound: bool,
    /// How many records were read.
    pub records: u64,
    /// The last record's hash.
    pub head: Option<Digest>,
    /// The first problem, naming record and kind.
    pub problem: Option<String>,
    /// Outcomes of acts that had ended already: the first outcome counts.
    #[serde(default)]
    pub repeated: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn answers() -> Vec<Value> {
        let digest = Digest::of(b"");
        let diff = json!({ "file": "/usr/local/etc/pot/pot.conf", "hunks": [] });
        let session = json!({
            "name": "anna", "role": "admin", "proved": "2026-01-01T00:00:00Z", "fresh": true,
            "expires": "2026-01-02T00:00:00Z", "previous_sign_in": null, "id": "01234567",
            "strip": { "run": null, "outside": null, "reboot": [], "can_reboot": false, "drafts": [] },
            "facts": 7
        });
        vec![
            json!({ "reply": "done" }),
            json!({ "reply": "records", "records": [], "last": 7, "hashes": [digest], "first": 1 }),
            json!({ "reply": "signed-in", "token": "t", "known": "k", "session": session }),
            json!({ "reply": "accounts", "accounts": [] }),
            json!({
                "reply": "facts",
                "facts": null,
                "refreshing": true,
                "dismissed": [],
                "left_drift": [],
                "leftovers": null,
                "removed": null,
                "revision": 7,
            }),
            json!({ "reply": "backups", "backups": [] }),
            json!({ "reply": "file", "bytes": "UE9U", "path": "/etc/pf.conf", "digest": digest }),
            json!({ "reply": "log-files", "facility": "local2", "files": [], "time_zone": "UTC", "hostname": "host" }),
            json!({ "reply": "log-opened", "size": 12 }),
            json!({ "reply": "saved", "digest": digest, "record": 9, "diff": diff }),
            json!({ "reply": "started", "run": 3 }),
            json!({ "reply": "runs", "runs": [] }),
            json!({ "reply": "run-events", "events": [], "ended": false }),
            json!({ "reply": "nonce", "nonce": "n" }),
            json!({
                "reply": "feedback-stored", "sent": false, "answer": "no mailer", "text": "…",
                "recipient": "root@example.org"
            }),
            json!({ "reply": "checkpoint", "text": "{}" }),
        ]
    }

    #[test]
    fn answers_look_on_the_wire_as_they_always_did() {
        for answer in answers() {
            let read: Reply =
                serde_json::from_value(answer.clone()).unwrap_or_else(|error| panic!("{answer}: {error}"));
            assert_eq!(serde_json::to_value(&read).unwrap(), answer);
        }
    }

    #[test]
    fn an_answer_to_another_question_is_refused_in_words() {
        let refusal = Saved::expect(Reply::Done {}).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Failed);
        assert_eq!(refusal.message, "The executor gave an answer to another question.");
        <()>::expect(Reply::Done {}).unwrap();
        assert_eq!(Started::expect(Reply::Started(Started { run: 3 })).unwrap().run, 3);
    }
}
