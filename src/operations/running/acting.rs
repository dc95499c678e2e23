//! Carrying out the actions of a plan: files written and kept, commands run, up to the first that fails.

use super::others::Watched;
use crate::diff::Diff;
use crate::digest::Digest;
use crate::files::{self, Expected, FileError};
use crate::journal::record::{Entry, Outcome};
use crate::operations::before_init::Note;
use crate::operations::current::Current;
use crate::operations::current::locked;
use crate::operations::draft::{Action, Command, Good, PlanDraft};
use crate::operations::inputs::{HostFiles, first_trouble};
use crate::operations::recognise;
use crate::operations::recorder::{changed_parameters, changes_in_words};
use crate::operations::runner::{Runner, act_of};
use crate::plan::{ManagedFile, Operation, RunEventKind, StepProgress, Stream};
use crate::platform::crash_point;
use crate::process::{self, Cancel, Ending, Limits, OutputLine, Tool};
use crate::rules::pots_in_the_way;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Most lines of a command's words that are kept to say why it failed.
const MOST_WORDS: usize = 64;

/// Why an action did not work.
pub(super) struct Failure {
    /// In words.
    pub(super) cause: String,
    /// It was ended because someone wanted it.
    pub(super) aborted: bool,
    /// The time limit ended it.
    pub(super) timed_out: bool,
}

impl Failure {
    fn because(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), aborted: false, timed_out: false }
    }

    /// It was ended by someone, or because the console stops.
    pub(super) fn ended(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), aborted: true, timed_out: false }
    }
}

/// How the commands of a run went.
#[derive(Default)]
pub(super) struct Outcomes {
    pub(super) failure: Option<Failure>,
    /// pot's own exit status.
    pub(super) pot_status: Option<i32>,
    /// pot's last line of error.
    pub(super) pot_error: Option<String>,
}

/// Carries out the actions of one run.
pub(super) struct Acting<'a> {
    runner: &'a Runner,
    current: &'a Current,
}

impl<'a> Acting<'a> {
    pub(super) fn new(runner: &'a Runner, current: &'a Current) -> Self {
        Self { runner, current }
    }

    /// Carries out the actions in order, up to the first that fails.
    pub(super) fn act(&self, draft: &PlanDraft, files_before: &HostFiles, watched: &mut Watched) -> Outcomes {
        let mut outcomes = Outcomes::default();
        for (index, planned) in draft.steps.iter().enumerate() {
            if planned.actions.is_empty() {
                continue;
            }
            self.runner.step(self.current, index, StepProgress::Running);
            for action in &planned.actions {
                let result = if self.current.cancel.is_cancelled() {
                    Err(Failure::ended("ended before this step"))
                } else {
                    crash_point("run-action");
                    watched.look(&self.runner.host);
                    let result = self.one(draft, action, files_before, &mut outcomes);
                    watched.look_after_own(&self.runner.host);
                    result
                };
                if let Err(failure) = result {
                    self.runner.words(self.current, failure.cause.clone());
                    self.runner.step(self.current, index, StepProgress::Failed);
                    outcomes.failure = Some(failure);
                    return outcomes;
                }
            }
            // What has checks is done when they say so.
            if planned.expects.is_empty() {
                self.runner.step(self.current, index, StepProgress::Done);
            }
        }
        outcomes
    }

    fn one(
        &self,
        draft: &PlanDraft,
        action: &Action,
        files_before: &HostFiles,
        outcomes: &mut Outcomes,
    ) -> Result<(), Failure> {
        match action {
            Action::Run(command) => self.command(draft, command, outcomes),
            Action::Backup(file) => self.backup(*file, files_before),
            Action::Write { file, before, content } => {
                self.write(*file, files_before.path(*file), before.as_ref(), content)
            }
            Action::Folder(path) => {
                let here = self.runner.host.layout.on_disk(path);
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o755)
                    .create(&here)
                    .map_err(|error| Failure::because(format!("{path} could not be made: {error}")))
            }
            Action::PrivateFolder(path) => self.private_folder(path),
            Action::EmptyFile(path) => self.empty_file(path),
            Action::Remove { file, before } => self.remove(*file, files_before.path(*file), before),
            Action::NoteFlags { flags, written } => {
                let at = self.runner.settings.clock.wall();
                let note = Note { at, flags: flags.clone(), written: written.clone() };
                note.write(&self.runner.host.layout).map_err(|error| {
                    Failure::because(format!("What syslogd_flags said before could not be kept: {error}"))
                })
            }
            Action::NoPotRuns => self.no_pot_runs(match draft.operation {
                Operation::Prepare { .. } => "POT_TMP stays as it is.",
                _ => "pot de-init is not started.",
            }),
            Action::RemoveFsRoot(path) => self.remove_fs_root(path),
        }
    }

    fn backup(&self, file: ManagedFile, files_before: &HostFiles) -> Result<(), Failure> {
        // What stands there now, not what stood there when it was planned.
        let path = files_before.path(file);
        let bytes = match self.runner.host.managed(file, path).and_then(|here| here.read(64 << 20)) {
            Ok(bytes) => bytes,
            Err(FileError::Missing(_)) => return Ok(()),
            Err(error) => return Err(Failure::because(error.to_string())),
        };
        let intent = locked(&self.current.inner).stored.intent;
        self.runner
            .backups
            .keep(file.name(), path, &bytes, Some(intent))
            .map_err(|error| Failure::because(format!("No version of {path} could be kept: {error}")))?;
        self.runner.words(self.current, format!("A version of {path} is kept."));
        Ok(())
    }

    fn write(&self, file: ManagedFile, path: &str, before: Option<&Digest>, content: &[u8]) -> Result<(), Failure> {
        let here = self.runner.host.managed(file, path).map_err(|error| Failure::because(error.to_string()))?;
        let old = match here.read(64 << 20) {
            Ok(bytes) => bytes,
            Err(FileError::Missing(_)) => Vec::new(),
            Err(error) => return Err(Failure::because(error.to_string())),
        };
        let expected = before.map_or(Expected::Absent, |digest| Expected::Content(*digest));
        let replaced = files::replace(&here.real, &expected, content, &crash_point)
            .map_err(|error| Failure::because(error.to_string()))?;
        let diff = Diff::between(path, &old, content);
        self.runner.words(
            self.current,
            match &here.leads_to {
                Some(target) => format!("{target} is written, where the link {path} leads."),
                None => format!("{path} is written."),
            },
        );
        let changes = match files::read_limited(&self.runner.host.layout.default_conf(), 8 << 20) {
            Ok(default) if file == ManagedFile::PotConf => changed_parameters(&default, &old, content),
            _ => Vec::new(),
        };
        let values = changes_in_words(&changes);
        let values = if values.is_empty() { values } else { format!(": {values}") };
        let mut entry = Entry::event(
            self.current.actor.clone(),
            self.current.reported.clone(),
            act_of(&locked(&self.current.inner).stored.run.plan.operation),
            path,
            format!("{path} was written by run {}{values}.", self.current.id),
        );
        entry.changes = changes;
        entry.run = Some(self.current.id);
        entry.before = replaced.before;
        entry.after = Some(replaced.after);
        entry.diff = Some(diff);
        entry.outcome = Some(Outcome::Done);
        // The run's intent is in the history already; that the file changed is seen without this, too.
        if let Err(refusal) = self.runner.record(entry) {
            self.runner.words(self.current, format!("The history could not take this down: {refusal}"));
        }
        Ok(())
    }

    /// A folder that root alone may enter. In a folder that others can write one of theirs may lie in wait.
    fn private_folder(&self, path: &str) -> Result<(), Failure> {
        let here = self.runner.host.layout.on_disk(path);
        let wrong = |error: std::io::Error| Failure::because(format!("{path} could not be made: {error}"));
        if let Some(parent) = here.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(wrong)?;
        }
        match DirBuilder::new().mode(0o700).create(&here) {
            Ok(()) => {
                self.runner.words(self.current, format!("{path} is made, mode 0700."));
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let facts = here.symlink_metadata().map_err(wrong)?;
                if facts.is_dir() && facts.uid() == nix::unistd::geteuid().as_raw() {
                    return Ok(());
                }
                Err(Failure::because(format!("{path} has come meanwhile and is not root's folder. Look at it.")))
            }
            Err(error) => Err(wrong(error)),
        }
    }

    /// Removes a managed file that is as planned.
    fn remove(&self, file: ManagedFile, path: &str, before: &Digest) -> Result<(), Failure> {
        let here = self.runner.host.managed(file, path).map_err(|error| Failure::because(error.to_string()))?;
        let old = match here.read(64 << 20) {
            Ok(bytes) => bytes,
            Err(FileError::Missing(_)) => return Ok(()),
            Err(error) => return Err(Failure::because(error.to_string())),
        };
        if Digest::of(&old) != *before {
            return Err(Failure::because(format!("{path} was changed meanwhile. It is left as it is.")));
        }
        std::fs::remove_file(&here.real)
            .map_err(|error| Failure::because(format!("{path} could not be removed: {error}")))?;
        self.runner.words(self.current, format!("{path} is removed."));
        let mut entry = Entry::event(
            self.current.actor.clone(),
            self.current.reported.clone(),
            act_of(&locked(&self.current.inner).stored.run.plan.operation),
            path,
            format!("{path} was removed by run {}.", self.current.id),
        );
        entry.run = Some(self.current.id);
        entry.before = Some(*before);
        entry.diff = Some(Diff::between(path, &old, b""));
        entry.outcome = Some(Outcome::Done);
        if let Err(refusal) = self.runner.record(entry) {
            self.runner.words(self.current, format!("The history could not take this down: {refusal}"));
        }
        Ok(())
    }

    fn empty_file(&self, path: &str) -> Result<(), Failure> {
        let here = self.runner.host.layout.on_disk(path);
        let made = File::options()
            .write(true)
            .create_new(true)
            .mode(0o640)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&here);
        match made {
            Ok(_) => {
                self.runner.words(self.current, format!("{path} is made."));
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(Failure::because(format!("{path} could not be made: {error}"))),
        }
    }

    /// pot does not notice running pots: the last look before it starts, or reads another folder, is ours.
    fn no_pot_runs(&self, so: &str) -> Result<(), Failure> {
        let look = self.runner.host.look(None).map_err(|refusal| Failure::because(refusal.message))?;
        let Some(running) = pots_in_the_way(&look.facts) else {
            return Err(Failure::because(format!("Whether pots run could not be seen. {so}")));
        };
        if running.is_empty() {
            return Ok(());
        }
        Err(Failure::because(format!("Still running: {}. {so}", running.join(", "))))
    }

    /// Removes what pot itself put there and nothing else: no folder is emptied, links are not followed.
    fn remove_fs_root(&self, path: &str) -> Result<(), Failure> {
        let root = self.runner.host.layout.on_disk(path);
        let wrong = |path: &Path, error: std::io::Error| {
            Failure::because(format!("{} could not be removed: {error}", self.runner.host.layout.shown(path)))
        };
        let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|facts| facts.is_dir());
        if !is_folder(&root) {
            return Err(Failure::because(format!("{path} is not a folder.")));
        }
        // Look first: nothing is touched when something else lies there.
        let known = ["bridges", "bases", "jails", "fscomp"];
        for entry in std::fs::read_dir(&root).map_err(|error| wrong(&root, error))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !known.contains(&name.as_str()) || !is_folder(&entry.path()) {
                return Err(Failure::because(format!("{path}/{name} is not pot's. Nothing has been removed.")));
            }
            for inner in std::fs::read_dir(entry.path()).map_err(|error| wrong(&entry.path(), error))?.flatten() {
                let is_bridge = name == "bridges" && inner.file_type().is_ok_and(|kind| kind.is_file());
                if !is_bridge {
                    return Err(Failure::because(format!(
                        "{path}/{name}/{} is not pot's. Nothing has been removed.",
                        inner.file_name().to_string_lossy()
                    )));
                }
            }
        }
        for name in known {
            let folder = root.join(name);
            if !is_folder(&folder) {
                continue;
            }
            for inner in std::fs::read_dir(&folder).map_err(|error| wrong(&folder, error))?.flatten() {
                std::fs::remove_file(inner.path()).map_err(|error| wrong(&inner.path(), error))?;
            }
            std::fs::remove_dir(&folder).map_err(|error| wrong(&folder, error))?;
        }
        std::fs::remove_dir(&root).map_err(|error| wrong(&root, error))?;
        self.runner.words(self.current, format!("{path} is removed."));
        Ok(())
    }

    fn command(&self, draft: &PlanDraft, command: &Command, outcomes: &mut Outcomes) -> Result<(), Failure> {
        let argv = command.argv();
        // From here on an abort is refused or heeded, never half of both.
        if !self.runner.moves(self.current, |course, _| course.command(command.abortable)) {
            return Err(Failure::ended("ended before this step"));
        }
        self.runner.say(self.current, RunEventKind::Command { argv: argv.clone() });
        let never = Cancel::new();
        let cancel = if command.abortable { &self.current.cancel } else { &never };
        let args: Vec<&str> = command.args.iter().map(String::as_str).collect();
        // What is to be put back must have ended by then, even if this executor dies and its successor puts back.
        let limits = Limits { ends_with_us: draft.revert_after.is_some(), ..self.runner.limits(command.long) };
        let is_pot = command.tool == Tool::Pot;
        let mut last_error = None;
        let mut words = Vec::new();
        self.runner.host.refresh_tools();
        let tools = self.runner.host.tools();
        let mut sink = |line: OutputLine| {
            if is_pot {
                for (step, state) in recognise::line(draft, &line.text) {
                    self.runner.step(self.current, step, state);
                }
            }
            if line.text.starts_with("###>") {
                last_error = Some(line.text.trim_start_matches(['#', '>', ' ']).to_owned());
            } else if line.stream == process::Stream::Err && !line.text.trim().is_empty() {
                // The first ones and the last are what is asked for.
                words.truncate(MOST_WORDS);
                words.push(line.text.clone());
            }
            let stream = match line.stream {
                process::Stream::Out => Stream::Out,
                process::Stream::Err => Stream::Err,
            };
            self.runner.say(self.current, RunEventKind::Line { stream, text: line.text });
        };
        let ending = process::stream(&tools, command.tool, &args, command.stdin.as_deref(), &limits, cancel, &mut sink);
        crash_point("run-command-ended");
        let (status, text) = match &ending {
            Ok(Ending::Exited(status)) => (Some(*status), format!("ended with status {status}")),
            Ok(Ending::Signalled(signal)) => (None, format!("ended by signal {signal}")),
            Ok(Ending::TimedOut) => (None, format!("ended after {} s, the time limit", limits.time.as_secs())),
            Ok(Ending::Aborted) => (None, "ended as asked".to_owned()),
            Err(error) => (None, error.to_string()),
        };
        self.runner.say(self.current, RunEventKind::Exit { status, text: text.clone() });
        if is_pot && draft.command.as_ref() == Some(&argv) {
            outcomes.pot_status = status;
            outcomes.pot_error.clone_from(&last_error);
        }
        // pfctl names the line first and says last that nothing was loaded.
        let last_words =
            if command.tool == Tool::Pfctl && !words.is_empty() { Some(first_trouble(&words)) } else { words.pop() };
        let why = last_error.or(last_words).map(|why| format!(": {why}")).unwrap_or_default();
        match ending {
            Ok(Ending::Exited(0)) => Ok(()),
            Ok(Ending::Exited(_)) if command.good == Good::Any => Ok(()),
            Ok(Ending::Aborted) => Err(Failure::ended(format!("{} was {text}.", argv.join(" ")))),
            Ok(Ending::TimedOut) => Err(Failure {
                cause: format!("{} did not end within {} s and was ended.", argv.join(" "), limits.time.as_secs()),
                aborted: false,
                timed_out: true,
            }),
            _ => Err(Failure::because(format!("{} {text}{why}.", argv.join(" ").trim_end()))),
        }
    }
}
