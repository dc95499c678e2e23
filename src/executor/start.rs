//! Starting and ending an executor: folders, journal, what an earlier one left unfinished.

use super::authentication::Authentication;
use super::common::{KnownTools, SettingsInForce};
use super::configuration::PotConf;
use super::core::{Executor, from_root, lifetimes};
use super::evidence::Evidence;
use super::facts::Woken;
use super::facts_cache::FactsCache;
use super::managed::ManagedFiles;
use super::outbox::Hints;
use super::permissions;
use super::rate_limiters::RateLimiters;
use super::running::Runs;
use super::strip::Noticed;
use super::watch::Watching;
use crate::archive::{self, ArchiveError, Recorded};
use crate::clock::Clock;
use crate::files::{self, FileError, Presence, make_own_dir};
use crate::journal::record::{Action, Entry, Outcome, Reported};
use crate::journal::{Journal, JournalError, Opening};
use crate::layout::Layout;
use crate::operations::engine::{Engine, EngineSettings, FromRoot, Notify};
use crate::operations::looking::Sight;
use crate::operations::recorder::Recorder;
use crate::plan::{Operation, ProofNeeded};
use crate::platform::trim_memory;
use crate::process::Tools;
use crate::settings::{ConfirmDestructive, Settings};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

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
    /// The root folder could have been filled by someone else, or a newer program wrote here.
    #[error(transparent)]
    File(#[from] FileError),
    /// The journal cannot be opened.
    #[error("the journal cannot be opened: {0}")]
    Journal(#[from] JournalError),
    /// One that was cut off could not be ended, or cannot be recorded.
    #[error("a backup that was being put back: {0}")]
    Restore(#[from] ArchiveError),
    /// Someone does it just now.
    #[error("a backup of the console is being put back on this host: try again when that has ended")]
    Restoring,
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
        Self::open_at(layout, settings, Clock::default(), None)
    }

    /// The same at the time that a clock says, and on a host of which is known what `sight` says of it.
    pub(super) fn open_at(
        layout: &Layout,
        settings: Settings,
        clock: Clock,
        sight: Option<Sight>,
    ) -> Result<(Arc<Self>, Opening), StartError> {
        files::check_root_dir(layout.root())?;
        make_own_dir(&layout.state())?;
        let presence = be_present(layout)?;
        files::must_be_known(&layout.private())?;
        make_private(layout)?;
        let lifetimes = lifetimes(&settings);
        let hints = Arc::new(Hints::default());
        let (journal, opening) = Journal::open(&layout.private().join("journal"), &head_path(layout))?;
        let journal = journal.with_clock(clock.clone());
        files::write_stamp(&layout.private())?;
        let evidence = Arc::new(Evidence::new(journal, &opening, layout.private().join("keys"), Arc::clone(&hints)));
        record_restore(layout, &evidence)?;
        let tools = Tools::find(layout);
        let FromRoot { feedback_recipient, pf_files, command_time } = from_root(&settings);
        let settings_of_engine =
            EngineSettings { feedback_recipient, pf_files, command_time, sight, ..EngineSettings::default() };
        let settings = SettingsInForce::new(settings);
        let engine = Engine::open(
            layout.clone(),
            tools.clone(),
            Arc::clone(&evidence) as Arc<dyn Recorder>,
            notify(&hints),
            EngineSettings { proof: proof_table(&settings), clock: clock.clone(), ..settings_of_engine },
        )?;
        let facts = Arc::new(FactsCache::of(layout));
        let paces = Arc::new(RateLimiters::default());
        let authentication = Arc::new(Authentication::new(
            layout,
            lifetimes,
            Arc::clone(&evidence),
            Arc::clone(&paces),
            Arc::clone(&facts),
            clock.clone(),
        ));
        let watching = Arc::new(Watching {
            layout: layout.clone(),
            settings: settings.clone(),
            tools: KnownTools::new(tools),
            managed: Arc::new(ManagedFiles::new(layout, settings.clone(), Arc::clone(&facts), clock)),
            facts,
            engine,
            evidence: Arc::clone(&evidence),
            hints,
            noticed: Noticed::default(),
        });
        let pot_conf = Arc::new(PotConf::new(&watching));
        let runs = Runs::new(&watching, &pot_conf, &authentication);
        let executor =
            Self { settings, authentication, watching, pot_conf, runs, evidence, paces, _presence: presence };
        Ok((Arc::new(executor), opening))
    }

    /// What a server does beyond a command line: closes what an earlier executor left unfinished, and looks after the
    /// host until [`Executor::end_serving`].
    ///
    /// # Errors
    /// [`StartError::Thread`].
    pub fn begin_serving(self: &Arc<Self>, opening: &Opening) -> Result<std::thread::JoinHandle<()>, StartError> {
        // Runs first: one that waits to be kept goes on waiting, and holds the change lock.
        self.watching.engine.recover_at_start();
        self.watching.close_interrupted(true);
        if opening.rolled_back.is_some() {
            // No session outlives a start, so all have ended; the alarm is shown until it is acknowledged.
            tracing::error!("the journal was rolled back: {}", self.evidence.alarm().unwrap_or_default());
        }
        if let Some(problem) = &opening.problem {
            tracing::error!("the journal is not sound: {problem}");
        }
        self.evidence.record_own(Action::Process, "executor", Outcome::Done, "The executor started.".to_owned());
        self.watching.note_settings(&self.settings());
        self.begin_forwarding().map_err(StartError::Thread)?;
        let executor = Arc::clone(self);
        std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || executor.watch_over_the_host())
            .map_err(StartError::Thread)
    }

    /// Gathers facts for those who ask and looks after what happens outside of the console, until the executor ends.
    fn watch_over_the_host(&self) {
        let mut alarm = self.evidence.rolled_back();
        self.watching.let_the_web_process_begin();
        // The first look: pages come with it, and it tells where pf's file is.
        let mut traces = self.watching.traces_of_watched();
        self.watching.gather_facts();
        loop {
            self.watching.look_for_outside_changes();
            self.watching.prune_daily();
            self.evidence.write_counted(false);
            self.evidence.tell();
            self.watching.tell_of_runs();
            let now = self.evidence.rolled_back();
            if now && !alarm {
                self.authentication.end_all_sessions();
            }
            alarm = now;
            match self.watching.wait_for_something(&traces) {
                Woken::Stop => return,
                Woken::Turn => trim_memory(),
                Woken::Wanted => {
                    traces = self.watching.traces_of_watched();
                    self.watching.gather_facts();
                }
                Woken::Changed => {
                    traces = self.watching.traces_of_watched();
                    self.watching.facts.outdate();
                    self.watching.read_pf_path();
                }
            }
        }
    }

    /// Before the web process is told to end: what must not be left half done is put back or ended.
    pub(super) fn prepare_to_end(&self) {
        self.watching.engine.shutdown();
    }

    /// Ends what [`Executor::begin_serving`] began; the caller joins the thread.
    pub fn end_serving(&self) {
        self.watching.facts.stop();
        self.evidence.write_counted(true);
        self.evidence.record_own(Action::Process, "executor", Outcome::Done, "The executor ended.".to_owned());
        if let Err(error) = self.forward_records() {
            tracing::warn!("the end of the history could not be sent to syslog: {error}");
        }
    }
}

/// Ends what was begun when a backup was put back and its process died: before the settings are read, which may be among
/// what is put back.
///
/// # Errors
/// It could not be ended: nothing else may stand in its place.
pub(crate) fn end_cut_off_restore(layout: &Layout) -> Result<(), StartError> {
    files::check_root_dir(layout.root())?;
    if archive::stands_here(layout)?.cut_off {
        make_own_dir(&layout.state())?;
        if let Some(alone) = Presence::alone(layout)? {
            archive::end_cut_off(layout, &alone)?;
        }
    }
    Ok(())
}

/// From here on no backup is put back while this lasts.
fn be_present(layout: &Layout) -> Result<Presence, StartError> {
    end_cut_off_restore(layout)?;
    Presence::shared(layout)?.ok_or(StartError::Restoring)
}

/// The history of a backup that was put back does not know of it.
fn record_restore(layout: &Layout, evidence: &Evidence) -> Result<(), StartError> {
    let private = layout.private();
    let Some(Recorded { by, message }) = archive::recorded(&private)? else { return Ok(()) };
    let mut entry = Entry::event(by, Reported::default(), Action::Restore, "console", message);
    entry.outcome = Some(Outcome::Done);
    // Where it cannot be recorded now it stays to be recorded: the next who opens it tries again.
    match evidence.append(entry) {
        Ok(_) => archive::forget_record(&private)?,
        Err(refusal) => tracing::error!("that a backup was put back could not be recorded: {refusal}"),
    }
    Ok(())
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
fn proof_table(settings: &SettingsInForce) -> Arc<dyn Fn(&Operation) -> ProofNeeded + Send + Sync> {
    let settings = settings.clone();
    Arc::new(move |operation| {
        permissions::operation(operation, settings.get().confirm_destructive == ConfirmDestructive::Shell).proof
    })
}

/// The copy of the journal's head stands in another place than the journal: boot environments do not hold /var/log.
pub(crate) fn head_path(layout: &Layout) -> std::path::PathBuf {
    layout.on_disk("/var/log/pot-console.head")
}

/// Makes the private part of `/var/db/pot-console`, and refuses one that is not ours alone.
fn make_private(layout: &Layout) -> Result<(), StartError> {
    let folder = |path: &Path, error: &dyn std::fmt::Display| StartError::Folder {
        path: path.display().to_string(),
        why: error.to_string(),
    };
    let own = nix::unistd::geteuid().as_raw();
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
