//! Starting and ending an executor: folders, journal, what an earlier one left unfinished.

use super::core::{Executor, lifetimes};
use super::evidence::{Evidence, own};
use super::facts::FactsCache;
use super::permissions;
use super::server::Hints;
use super::versions::Versions;
use crate::accounts::password::Hasher;
use crate::accounts::session::Sessions;
use crate::accounts::store::Accounts;
use crate::accounts::throttle::Throttle;
use crate::digest::Digest;
use crate::files::{self, FileError, Lock};
use crate::journal::record::{Action, Entry, Method, Outcome, Record, Stage};
use crate::journal::{Journal, JournalError, Opening};
use crate::layout::Layout;
use crate::operations::engine::{Engine, EngineSettings, FromRoot, Notify};
use crate::operations::feedback::RECIPIENT;
use crate::operations::plan::{ManagedFile, Operation, ProofNeeded};
use crate::operations::recorder::Recorder;
use crate::process::Tools;
use crate::settings::{ConfirmDestructive, Settings};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// How long a start waits for a change of another process before it leaves unfinished intents alone.
const PATIENCE: Duration = Duration::from_secs(2);

/// A change that does not take the change lock has ended after this time, well or not.
const WITHOUT_LOCK: Duration = Duration::from_mins(5);

/// Why an executor could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A folder is not as it must be.
    #[error("{path}: {why}")]
    Folder {
        /// Which one.
        path: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The root folder could have been filled by someone else.
    #[error(transparent)]
    File(#[from] FileError),
    /// The journal cannot be opened.
    #[error("the journal cannot be opened: {0}")]
    Journal(#[from] JournalError),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
}

impl Executor {
    /// Opens the executor of a host: makes its private folder at first need and opens the journal. It watches nothing
    /// and closes nothing yet: see [`Executor::begin_serving`].
    ///
    /// # Errors
    /// [`StartError`]: nothing was started.
    pub fn open(layout: &Layout, settings: Settings) -> Result<(Arc<Self>, Opening), StartError> {
        files::check_root_dir(layout.root())?;
        make_private(layout)?;
        let lifetimes = lifetimes(&settings);
        let hints = Arc::new(Hints::default());
        let (journal, opening) = Journal::open(&layout.private().join("journal"), &head_path(layout))?;
        let evidence = Arc::new(Evidence::new(journal, &opening, layout.private().join("keys"), Arc::clone(&hints)));
        let tools = Tools::find(layout);
        let FromRoot { feedback_recipient, pf_files, command_time } = from_root(&settings);
        let settings_of_engine =
            EngineSettings { feedback_recipient, pf_files, command_time, ..EngineSettings::default() };
        let settings = Arc::new(RwLock::new(Arc::new(settings)));
        let engine = Engine::open(
            layout.clone(),
            tools.clone(),
            Arc::clone(&evidence) as Arc<dyn Recorder>,
            notify(&hints),
            EngineSettings { proof: proof_table(&settings), ..settings_of_engine },
        )?;
        let executor = Self {
            engine,
            layout: layout.clone(),
            simulated: layout.is_below_a_root(),
            accounts: Accounts::of(&layout.private()),
            hasher: Hasher::default(),
            throttle: Mutex::new(Throttle::default()),
            sessions: Mutex::new(Sessions::new(lifetimes)),
            setup_code: Mutex::new(None),
            evidence,
            facts: FactsCache::default(),
            versions: Versions::default(),
            hints,
            line: Mutex::new(()),
            paces: Mutex::default(),
            tools: Arc::new(RwLock::new(tools)),
            settings,
        };
        Ok((Arc::new(executor), opening))
    }

    /// What a server does beyond a command line: closes what an earlier executor left unfinished, and looks after the
    /// host until [`Executor::end_serving`].
    ///
    /// # Errors
    /// [`StartError::Thread`].
    pub fn begin_serving(self: &Arc<Self>, opening: &Opening) -> Result<std::thread::JoinHandle<()>, StartError> {
        // Runs first: one that waits to be kept goes on waiting, and holds the change lock.
        self.engine.recover_at_start();
        self.close_interrupted(true);
        if opening.rolled_back.is_some() {
            // No session outlives a start, so all have ended; the alarm is shown until it is acknowledged.
            tracing::error!("the journal was rolled back: {}", self.evidence.alarm().unwrap_or_default());
        }
        if let Some(problem) = &opening.problem {
            tracing::error!("the journal is not sound: {problem}");
        }
        self.record_own(Action::Process, "executor", Outcome::Done, "The executor started.".to_owned());
        self.note_settings(&self.settings());
        self.begin_forwarding().map_err(StartError::Thread)?;
        let executor = Arc::clone(self);
        std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || executor.watch_over_the_host())
            .map_err(StartError::Thread)
    }

    /// Ends what [`Executor::begin_serving`] began; the caller joins the thread.
    pub fn end_serving(&self) {
        self.facts.stop();
        self.evidence.write_counted(true);
        self.record_own(Action::Process, "executor", Outcome::Done, "The executor ended.".to_owned());
        if let Err(error) = self.forward_records() {
            tracing::warn!("the end of the history could not be sent to syslog: {error}");
        }
    }

    /// Closes intents that have no outcome as interrupted, with what is found on disk. Who holds the change lock may be
    /// in the middle of one; then nothing is closed.
    fn close_interrupted(&self, at_start: bool) {
        let Ok(_lock) = Lock::acquire(&self.layout, "closing interrupted changes", PATIENCE) else {
            tracing::warn!("another process is changing the host; unfinished intents are left alone");
            return;
        };
        self.close_and_clear(at_start);
    }

    /// What a command line does first: closes what another one left that was killed. A start of the server finds nothing
    /// left then, and the other way round.
    pub(super) fn close_what_died(&self, opening: &Opening) {
        self.engine.close_what_died();
        if opening.unfinished.is_empty() {
            return;
        }
        // Someone who holds the lock is in the middle of one.
        if let Ok(_lock) = Lock::acquire(&self.layout, "closing interrupted changes", Duration::ZERO) {
            self.close_and_clear(false);
        }
    }

    fn close_and_clear(&self, at_start: bool) {
        self.close_interrupted_under_lock(at_start);
        for file in ManagedFile::ALL {
            if let Ok(here) = self.managed_place(file) {
                let _ = files::clear_unfinished(&here.real);
            }
        }
    }

    /// The same, for someone who holds the change lock.
    pub(super) fn close_interrupted_under_lock(&self, at_start: bool) {
        let unfinished = match self.evidence.journal().unfinished() {
            Ok(unfinished) => unfinished,
            Err(error) => return tracing::error!("{error}"),
        };
        for intent in unfinished {
            // Accounts and feedback do not take the change lock: another process may be at one right now. At a start
            // that can only be a command line.
            let young = jiff::Timestamp::now().duration_since(intent.time).unsigned_abs() < WITHOUT_LOCK;
            let lockless = matches!(intent.entry.action, Action::Account | Action::Feedback);
            let from_here = at_start && intent.entry.actor.method != Method::CommandLine;
            if lockless && young && !from_here {
                continue;
            }
            // How a run ended is the engine's to say, once it knows.
            if intent.entry.run.is_some_and(|run| self.engine.is_open(run)) {
                continue;
            }
            let entry = self.interrupted(&intent);
            self.evidence.append_outcome(entry);
        }
    }

    fn interrupted(&self, intent: &Record) -> Entry {
        let left = intent.entry.run.and_then(|run| self.engine.outcome_left(run));
        let found = match (&intent.entry.after, intent.entry.action) {
            (Some(after), Action::Configuration | Action::Restore) => self.found_on_disk(&intent.entry, after),
            _ => "whether it was carried out is not known.".to_owned(),
        };
        let mut entry = own(
            intent.entry.action,
            &intent.entry.object,
            Outcome::Interrupted,
            format!("The executor ended in the middle of this change by {}: {found}", intent.entry.actor.name),
        );
        if let Some((outcome, summary)) = left {
            entry.outcome = Some(outcome);
            entry.message = summary;
        }
        entry.stage = Stage::Outcome;
        entry.intent = Some(intent.sequence);
        entry.before = intent.entry.before;
        entry.run = intent.entry.run;
        entry
    }

    fn found_on_disk(&self, intended: &Entry, after: &Digest) -> String {
        let Ok(files) = self.read_configuration() else { return "the file cannot be read now.".to_owned() };
        let now = files.digest();
        if now == *after {
            "the new content is in place, whole.".to_owned()
        } else if Some(now) == intended.before || (!files.exists && intended.before.is_none()) {
            "the old content is still in place, whole.".to_owned()
        } else {
            "the file holds something else now.".to_owned()
        }
    }
}

/// What of root's settings is the engine's.
pub(super) fn from_root(settings: &Settings) -> FromRoot {
    FromRoot {
        feedback_recipient: settings.feedback_recipient.clone().unwrap_or_else(|| RECIPIENT.to_owned()),
        pf_files: settings.pf_files.clone(),
        command_time: Duration::from_secs(u64::from(settings.command_seconds)),
    }
}

/// What a run tells the web process: its number, its last event, and whether connections should be closed because it
/// waits for an answer.
fn notify(hints: &Arc<Hints>) -> Notify {
    let hints = Arc::clone(hints);
    Arc::new(move |run, event, close| {
        hints.tell(|hint| {
            hint.run = Some((run, event));
            hint.close_connections += u64::from(close);
        });
    })
}

/// The one table, for the proof that a plan shows.
fn proof_table(settings: &Arc<RwLock<Arc<Settings>>>) -> Arc<dyn Fn(&Operation) -> ProofNeeded + Send + Sync> {
    let settings = Arc::clone(settings);
    Arc::new(move |operation| {
        let settings = settings.read().unwrap_or_else(PoisonError::into_inner);
        permissions::operation(operation, settings.confirm_destructive == ConfirmDestructive::Shell).proof
    })
}

/// The copy of the journal's head stands in another place than the journal: boot environments do not hold /var/log.
pub fn head_path(layout: &Layout) -> std::path::PathBuf {
    layout.on_disk("/var/log/pot-console.head")
}

/// Makes `/var/db/pot-console` and its private part, and refuses one that is not ours alone.
fn make_private(layout: &Layout) -> Result<(), StartError> {
    let folder = |path: &Path, error: &dyn std::fmt::Display| StartError::Folder {
        path: path.display().to_string(),
        why: error.to_string(),
    };
    let own = nix::unistd::geteuid().as_raw();
    let state = layout.state();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&state)
        .map_err(|error| folder(&state, &format!("cannot be made: {error}; run this as root")))?;
    // Whoever may write here could put another folder in the place of root's.
    let found = state.symlink_metadata().map_err(|error| folder(&state, &error))?;
    if !found.is_dir() || found.uid() != own || found.mode() & 0o022 != 0 {
        let why = "must be a folder that belongs to the user that runs this and that no other can write to: \
                   chown root and chmod go-w it first";
        return Err(folder(&state, &why));
    }
    let private = layout.private();
    match std::fs::DirBuilder::new().mode(0o700).create(&private) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(folder(&private, &format!("cannot be made: {error}; run this as root"))),
    }
    let found = private.symlink_metadata().map_err(|error| folder(&private, &error))?;
    if !found.is_dir() || found.uid() != own {
        let why = "is not a folder of the user that runs this; run this as root, or remove what stands there";
        return Err(folder(&private, &why));
    }
    if found.mode() & 0o777 != 0o700 {
        std::fs::set_permissions(&private, std::fs::Permissions::from_mode(0o700))
            .map_err(|error| folder(&private, &error))?;
    }
    Ok(())
}
