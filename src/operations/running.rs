//! A run under way: carrying out a plan's actions, verifying, waiting to be kept, putting back, saying how it ended.

use super::draft::{Action, Command, Draft, Expect, Good, HostFiles, PlannedStep, counted};
use super::engine::{Engine, act_of, console, locked};
use super::plan::{
    Check, ManagedFile, Operation, PutBackStep, Run, RunEvent, RunEventKind, RunState, StepProgress, StepState, Stream,
};
use super::recorder::{changed_parameters, changes_in_words};
use super::revert::{self, NetworkState, Pending, Phase, Said};
use super::runs::{Runs, StoredRun};
use super::{plans, recognise};
use crate::diff::Diff;
use crate::digest::Digest;
use crate::files::{self, Expected, FileError, Lock};
use crate::journal::record::{Action as Act, Actor, Entry, Outcome, Reported, Stage};
use crate::platform::crash_point;
use crate::process::{self, Cancel, Ending, Limits, OutputLine, Tool};
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use jiff::{SignedDuration, Timestamp};
use std::fs::{DirBuilder, File};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq as _;

/// How often a waiting run looks for an answer from the command line.
const GLANCE: Duration = Duration::from_millis(200);
/// How long the end of verification is waited for after Keep.
const VERIFY: Duration = Duration::from_secs(30);
/// How long a stop of the executor waits for a run.
const STOP: Duration = Duration::from_secs(90);

/// What someone wants of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// End it.
    Abort,
    /// Keep what it changed.
    Keep,
    /// Put back what it changed.
    PutBack,
    /// The executor is stopped.
    Stop,
}

/// A nonce and where it was given out.
struct Nonce {
    text: Secret,
    connection: u64,
}

/// The run that this process carries out.
pub(super) struct Current {
    id: u64,
    operation: &'static str,
    actor: Actor,
    reported: Reported,
    cancel: Cancel,
    inner: Mutex<Inner>,
    wishes: Mutex<Vec<Wish>>,
    wished: Condvar,
    nonces: Mutex<Vec<Nonce>>,
    ended: Mutex<bool>,
    end: Condvar,
}

struct Inner {
    stored: StoredRun,
    events: File,
    next: u64,
    /// When the change was made, once the run waits.
    changed_ms: Option<i64>,
    /// Whether run.json could not be written.
    unwritten: bool,
}

impl Current {
    pub(super) fn new(stored: StoredRun, actor: Actor, reported: Reported, events: File, next: u64) -> Self {
        Self {
            id: stored.run.id,
            operation: stored.run.plan.operation.name(),
            actor,
            reported,
            cancel: Cancel::new(),
            inner: Mutex::new(Inner { stored, events, next, changed_ms: None, unwritten: false }),
            wishes: Mutex::new(Vec::new()),
            wished: Condvar::new(),
            nonces: Mutex::new(Vec::new()),
            ended: Mutex::new(false),
            end: Condvar::new(),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn operation_name(&self) -> String {
        self.operation.to_owned()
    }

    pub(super) fn state(&self) -> RunState {
        locked(&self.inner).stored.run.state
    }

    /// The run as shown now.
    pub(super) fn view(&self) -> Run {
        locked(&self.inner).stored.run.clone()
    }

    pub(super) fn may_abort(&self) -> bool {
        let inner = locked(&self.inner);
        inner.stored.run.abortable && inner.stored.run.state == RunState::Running
    }

    /// Says what is wanted of it.
    pub(super) fn wish(&self, wish: Wish) {
        if wish == Wish::Abort {
            self.cancel.cancel();
        }
        locked(&self.wishes).push(wish);
        self.wished.notify_all();
    }

    /// The first wish of those that `fits`, waiting for one at most until `until`.
    fn next_wish(&self, until: Instant, fits: impl Fn(Wish) -> bool) -> Option<Wish> {
        let mut wishes = locked(&self.wishes);
        loop {
            if let Some(at) = wishes.iter().position(|wish| fits(*wish)) {
                return Some(wishes.remove(at));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            wishes = match self.wished.wait_timeout(wishes, left) {
                Ok((wishes, _)) => wishes,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// It has ended and everything is put down.
    pub(super) fn finish(&self) {
        *locked(&self.ended) = true;
        self.end.notify_all();
    }

    fn wait_for_end(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut ended = locked(&self.ended);
        while !*ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            ended = match self.end.wait_timeout(ended, left) {
                Ok((ended, _)) => ended,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        true
    }

    /// A nonce for Keep.
    pub(super) fn nonce(&self, accepted_ms: i64, connection: u64) -> Result<Secret, Refusal> {
        self.is_new_connection(accepted_ms)?;
        let mut random = [0_u8; 24];
        getrandom::fill(&mut random)
            .map_err(|_| Refusal::new(RefusalKind::Failed, "The kernel gave no random bytes."))?;
        use base64::Engine as _;
        let text = Secret(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random));
        let mut nonces = locked(&self.nonces);
        if nonces.len() >= 64 {
            nonces.remove(0);
        }
        nonces.push(Nonce { text: text.clone(), connection });
        Ok(text)
    }

    /// Whether it was given out, on another connection than this, and both came after the change.
    pub(super) fn check_nonce(&self, nonce: &Secret, accepted_ms: i64, connection: u64) -> Result<(), Refusal> {
        self.is_new_connection(accepted_ms)?;
        let nonces = locked(&self.nonces);
        let given = nonces.iter().find(|given| bool::from(given.text.0.as_bytes().ct_eq(nonce.0.as_bytes())));
        match given {
            None => {
                Err(Refusal::new(RefusalKind::Conflict, "Keep was not confirmed by this host. Load the page again."))
            }
            Some(given) if given.connection == connection => Err(Refusal::new(
                RefusalKind::Conflict,
                "Keep came over the connection on which it was asked, which proves nothing. Try again.",
            )),
            Some(_) => Ok(()),
        }
    }

    fn is_new_connection(&self, accepted_ms: i64) -> Result<(), Refusal> {
        let inner = locked(&self.inner);
        if inner.stored.run.state != RunState::AwaitingKeep {
            return Err(Refusal::new(RefusalKind::NotFound, format!("Run {} does not wait to be kept.", self.id)));
        }
        if inner.changed_ms.is_none_or(|changed| accepted_ms <= changed) {
            return Err(Refusal::new(
                RefusalKind::Conflict,
                "This connection is older than the change: it says nothing about whether a new one gets through.",
            ));
        }
        Ok(())
    }
}

/// Why an action did not work.
struct Failure {
    /// In words.
    cause: String,
    /// It was ended because someone wanted it.
    aborted: bool,
    /// The time limit ended it.
    timed_out: bool,
}

impl Failure {
    fn because(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), aborted: false, timed_out: false }
    }
}

/// How the commands of a run went.
#[derive(Default)]
struct Outcomes {
    failure: Option<Failure>,
    /// pot's own exit status.
    pot_status: Option<i32>,
    /// pot's last line of error.
    pot_error: Option<String>,
}

/// How a wait for Keep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    Kept,
    PutBack,
    Late,
    Stopped,
}

impl Engine {
    /// Says something new of a run: on disk first, then to whoever listens.
    fn say(&self, current: &Current, what: RunEventKind) {
        let (last, close) = {
            let mut inner = locked(&current.inner);
            let inner = &mut *inner;
            let event = RunEvent { number: inner.next, time: Timestamp::now(), what };
            // A full disk must not stop a run half way; readers see the run's state all the same.
            if Runs::append(&mut inner.events, &event).is_ok() {
                inner.next += 1;
                inner.stored.run.last_event = event.number;
            }
            let mut close = false;
            let run = &mut inner.stored.run;
            let weighty = match event.what {
                RunEventKind::Step { step, state } => {
                    if let Some(progress) = run.progress.get_mut(step) {
                        *progress = Some(state);
                    }
                    false
                }
                RunEventKind::Check(check) => {
                    match run.checks.iter_mut().find(|known| known.title == check.title) {
                        Some(known) => *known = check,
                        None => run.checks.push(check),
                    }
                    false
                }
                RunEventKind::State { state } => {
                    run.state = state;
                    close = state == RunState::AwaitingKeep;
                    true
                }
                RunEventKind::Line { .. } | RunEventKind::Command { .. } | RunEventKind::Exit { .. } => false,
            };
            if weighty {
                inner.unwritten = self.runs.write(&inner.stored).is_err();
            }
            (event.number, close)
        };
        (self.notify)(current.id, last, close);
    }

    fn words(&self, current: &Current, text: impl Into<String>) {
        self.say(current, RunEventKind::Line { stream: Stream::Console, text: text.into() });
    }

    fn step(&self, current: &Current, step: usize, state: StepProgress) {
        let now = locked(&current.inner).stored.run.progress.get(step).copied().flatten();
        if now != Some(state) {
            self.say(current, RunEventKind::Step { step, state });
        }
    }

    /// Changes the run as shown and writes it down.
    fn change(&self, current: &Current, change: impl FnOnce(&mut Run)) {
        let mut inner = locked(&current.inner);
        change(&mut inner.stored.run);
        inner.unwritten = self.runs.write(&inner.stored).is_err();
    }

    /// The thread of a run.
    pub(super) fn carry_out(
        self: &Arc<Self>,
        current: &Arc<Current>,
        draft: Draft,
        files_before: HostFiles,
        seen_before: Vec<Vec<String>>,
        pending: Option<Pending>,
    ) {
        crash_point("run-begun");
        self.say(current, RunEventKind::State { state: RunState::Running });
        let outcomes = self.act(current, &draft, &files_before);
        crash_point("run-acted");
        self.change(current, |run| run.abortable = false);
        let stopped = outcomes.failure.as_ref().is_some_and(|failure| failure.aborted);

        let Some(mut pending) = pending else {
            self.verify(current, &draft, &seen_before, &files_before);
            self.conclude(current, &draft, &outcomes, None);
            return;
        };
        let left = NetworkState::read(&self.host);
        let unchanged = left.as_ref().is_ok_and(|left| !revert::differs(&pending.before, left));
        if unchanged && !stopped {
            // Nothing to put back: nothing to ask.
            self.verify(current, &draft, &seen_before, &files_before);
            self.no_longer_pending(current);
            self.conclude(current, &draft, &outcomes, None);
            return;
        }
        pending.left = left.ok();
        if stopped {
            self.verify(current, &draft, &seen_before, &files_before);
            self.put_back_now(current, &pending, "because the run was ended");
            return;
        }
        let answered = self.await_keep(current, &mut pending, |engine| {
            engine.verify(current, &draft, &seen_before, &files_before);
        });
        self.after_waiting(current, &pending, answered, || self.conclude(current, &draft, &outcomes, Some(answered)));
    }

    /// Keeps or puts back, after the wait.
    fn after_waiting(&self, current: &Current, pending: &Pending, answered: Answered, kept: impl FnOnce()) {
        match answered {
            Answered::Kept => {
                self.no_longer_pending(current);
                kept();
            }
            Answered::PutBack => self.put_back_now(current, pending, "because someone asked for it"),
            Answered::Late => self.put_back_now(current, pending, "because no answer arrived"),
            Answered::Stopped => self.put_back_now(current, pending, "because the console was stopped"),
        }
    }

    fn no_longer_pending(&self, current: &Current) {
        if let Err(error) = Pending::remove(&self.host.layout) {
            self.words(current, format!("The saved state could not be taken away: {error}"));
        }
    }

    /// Carries out the actions in order, up to the first that fails.
    fn act(&self, current: &Current, draft: &Draft, files_before: &HostFiles) -> Outcomes {
        let mut outcomes = Outcomes::default();
        for (index, planned) in draft.steps.iter().enumerate() {
            if planned.actions.is_empty() {
                continue;
            }
            self.step(current, index, StepProgress::Running);
            for action in &planned.actions {
                let result = if current.cancel.is_cancelled() {
                    Err(Failure { cause: "ended before this step".to_owned(), aborted: true, timed_out: false })
                } else {
                    crash_point("run-action");
                    self.one(current, draft, action, files_before, &mut outcomes)
                };
                if let Err(failure) = result {
                    self.words(current, failure.cause.clone());
                    self.step(current, index, StepProgress::Failed);
                    outcomes.failure = Some(failure);
                    return outcomes;
                }
            }
            // What has checks is done when they say so.
            if planned.expects.is_empty() {
                self.step(current, index, StepProgress::Done);
            }
        }
        outcomes
    }

    fn one(
        &self,
        current: &Current,
        draft: &Draft,
        action: &Action,
        files_before: &HostFiles,
        outcomes: &mut Outcomes,
    ) -> Result<(), Failure> {
        match action {
            Action::Run(command) => self.command(current, draft, command, outcomes),
            Action::Backup(file) => self.backup(current, *file, files_before),
            Action::Write { file, before, content } => {
                self.write(current, *file, files_before.path(*file), before.as_ref(), content)
            }
            Action::Folder(path) => {
                let here = self.host.layout.on_disk(path);
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o755)
                    .create(&here)
                    .map_err(|error| Failure::because(format!("{path} could not be made: {error}")))
            }
            Action::EmptyFile(path) => self.empty_file(current, path),
            Action::NoPotRuns => self.no_pot_runs(),
            Action::RemoveFsRoot(path) => self.remove_fs_root(current, path),
        }
    }

    fn backup(&self, current: &Current, file: ManagedFile, files_before: &HostFiles) -> Result<(), Failure> {
        // What stands there now, not what stood there when it was planned.
        let path = files_before.path(file);
        let bytes = match files::read_limited(&self.host.on_disk(file, path), 64 << 20) {
            Ok(bytes) => bytes,
            Err(FileError::Missing(_)) => return Ok(()),
            Err(error) => return Err(Failure::because(error.to_string())),
        };
        let intent = locked(&current.inner).stored.intent;
        self.backups
            .keep(file.name(), path, &bytes, Some(intent))
            .map_err(|error| Failure::because(format!("No version of {path} could be kept: {error}")))?;
        self.words(current, format!("A version of {path} is kept."));
        Ok(())
    }

    fn write(
        &self,
        current: &Current,
        file: ManagedFile,
        path: &str,
        before: Option<&Digest>,
        content: &[u8],
    ) -> Result<(), Failure> {
        let here = self.host.on_disk(file, path);
        let old = match files::read_limited(&here, 64 << 20) {
            Ok(bytes) => bytes,
            Err(FileError::Missing(_)) => Vec::new(),
            Err(error) => return Err(Failure::because(error.to_string())),
        };
        let expected = before.map_or(Expected::Absent, |digest| Expected::Content(*digest));
        let replaced = files::replace(&here, &expected, content, &crash_point)
            .map_err(|error| Failure::because(error.to_string()))?;
        let diff = Diff::between(path, &old, content);
        self.words(current, format!("{path} is written."));
        let changes = match files::read_limited(&self.host.layout.default_conf(), 8 << 20) {
            Ok(default) if file == ManagedFile::PotConf => changed_parameters(&default, &old, content),
            _ => Vec::new(),
        };
        let values = changes_in_words(&changes);
        let values = if values.is_empty() { values } else { format!(": {values}") };
        let mut entry = Self::entry(
            act_of(&locked(&current.inner).stored.run.plan.operation),
            path,
            &current.actor,
            &current.reported,
            format!("{path} was written by run {}{values}.", current.id),
        );
        entry.changes = changes;
        entry.run = Some(current.id);
        entry.before = replaced.before;
        entry.after = Some(replaced.after);
        entry.diff = Some(diff);
        entry.outcome = Some(Outcome::Done);
        // The run's intent is in the history already; that the file changed is seen without this, too.
        if let Err(refusal) = self.record(entry) {
            self.words(current, format!("The history could not take this down: {refusal}"));
        }
        Ok(())
    }

    fn empty_file(&self, current: &Current, path: &str) -> Result<(), Failure> {
        let here = self.host.layout.on_disk(path);
        let made = File::options()
            .write(true)
            .create_new(true)
            .mode(0o640)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&here);
        match made {
            Ok(_) => {
                self.words(current, format!("{path} is made."));
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(Failure::because(format!("{path} could not be made: {error}"))),
        }
    }

    /// pot does not notice running pots: the last look before it starts is ours.
    fn no_pot_runs(&self) -> Result<(), Failure> {
        let look = self.host.look(None).map_err(|refusal| Failure::because(refusal.message))?;
        let Some(pots) = look.facts.pots.get() else {
            return Err(Failure::because("Whether pots run could not be seen. pot de-init is not started."));
        };
        let running: Vec<&str> =
            pots.iter().filter(|pot| pot.running != Some(false)).map(|pot| pot.name.as_str()).collect();
        if running.is_empty() {
            return Ok(());
        }
        Err(Failure::because(format!("Still running: {}. pot de-init is not started.", running.join(", "))))
    }

    /// Removes what pot itself put there and nothing else: no folder is emptied, links are not followed.
    fn remove_fs_root(&self, current: &Current, path: &str) -> Result<(), Failure> {
        let root = self.host.layout.on_disk(path);
        let wrong = |path: &Path, error: std::io::Error| {
            Failure::because(format!("{} could not be removed: {error}", self.host.layout.shown(path)))
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
        self.words(current, format!("{path} is removed."));
        Ok(())
    }

    fn command(
        &self,
        current: &Current,
        draft: &Draft,
        command: &Command,
        outcomes: &mut Outcomes,
    ) -> Result<(), Failure> {
        let argv = command.argv();
        {
            let mut inner = locked(&current.inner);
            // From here on an abort is refused or heeded, never half of both.
            inner.stored.run.abortable = command.abortable;
        }
        self.say(current, RunEventKind::Command { argv: argv.clone() });
        let never = Cancel::new();
        let cancel = if command.abortable { &current.cancel } else { &never };
        let args: Vec<&str> = command.args.iter().map(String::as_str).collect();
        // What is to be put back must have ended by then, even if this executor dies and its successor puts back.
        let limits = Limits { ends_with_us: draft.revert_after.is_some(), ..self.limits(command.long) };
        let is_pot = command.tool == Tool::Pot;
        let mut last_error = None;
        let mut last_words = None;
        self.host.refresh_tools();
        let tools = self.host.tools();
        let mut sink = |line: OutputLine| {
            if is_pot {
                for (step, state) in recognise::line(draft, &line.text) {
                    self.step(current, step, state);
                }
            }
            if line.text.starts_with("###>") {
                last_error = Some(line.text.trim_start_matches(['#', '>', ' ']).to_owned());
            } else if line.stream == process::Stream::Err && !line.text.trim().is_empty() {
                last_words = Some(line.text.clone());
            }
            let stream = match line.stream {
                process::Stream::Out => Stream::Out,
                process::Stream::Err => Stream::Err,
            };
            self.say(current, RunEventKind::Line { stream, text: line.text });
        };
        let ending = process::stream(&tools, command.tool, &args, None, &limits, cancel, &mut sink);
        crash_point("run-command-ended");
        let (status, text) = match &ending {
            Ok(Ending::Exited(status)) => (Some(*status), format!("ended with status {status}")),
            Ok(Ending::Signalled(signal)) => (None, format!("ended by signal {signal}")),
            Ok(Ending::TimedOut) => (None, format!("ended after {} s, the time limit", limits.time.as_secs())),
            Ok(Ending::Aborted) => (None, "ended as asked".to_owned()),
            Err(error) => (None, error.to_string()),
        };
        self.say(current, RunEventKind::Exit { status, text: text.clone() });
        if is_pot && draft.command.as_ref() == Some(&argv) {
            outcomes.pot_status = status;
            outcomes.pot_error.clone_from(&last_error);
        }
        let why = last_error.or(last_words).map(|why| format!(": {why}")).unwrap_or_default();
        match ending {
            Ok(Ending::Exited(0)) => Ok(()),
            Ok(Ending::Exited(_)) if command.good == Good::Any => Ok(()),
            Ok(Ending::Aborted) => {
                Err(Failure { cause: format!("{} was {text}.", argv.join(" ")), aborted: true, timed_out: false })
            }
            Ok(Ending::TimedOut) => Err(Failure {
                cause: format!("{} did not end within {} s and was ended.", argv.join(" "), limits.time.as_secs()),
                aborted: false,
                timed_out: true,
            }),
            _ => Err(Failure::because(format!("{} {text}{why}.", argv.join(" ").trim_end()))),
        }
    }

    /// Looks at everything that the plan expects, and ticks steps off.
    fn verify(&self, current: &Current, draft: &Draft, seen_before: &[Vec<String>], files_before: &HostFiles) {
        let pf_file = match draft.operation {
            Operation::Init { pf_file, .. } | Operation::DeInit { pf_file, .. } => pf_file,
            _ => None,
        };
        let gateway: Option<Ipv4Addr> =
            draft.steps.iter().flat_map(|step| &step.expects).find_map(|expect| match expect {
                Expect::Ping(address) => Some(*address),
                _ => None,
            });
        let (look, ping) = std::thread::scope(|scope| {
            let ping = gateway.map(|gateway| scope.spawn(move || self.host.ping(gateway)));
            let look = self.host.look(pf_file);
            (look, ping.and_then(|ping| ping.join().ok()))
        });
        let look = match look {
            Ok(look) => look,
            Err(refusal) => {
                self.words(current, format!("The host could not be looked at: {refusal}"));
                return;
            }
        };
        let _ = files_before;
        let seen = look.seen(ping);
        for (index, planned) in draft.steps.iter().enumerate() {
            let mut good = None;
            for (place, expect) in planned.expects.iter().enumerate() {
                let before = seen_before.get(index).and_then(|step| step.get(place)).cloned();
                // What was missing before says nothing beside what was there.
                let before = before
                    .filter(|_| !matches!(expect, Expect::Ping(_) | Expect::Content { .. }))
                    .map(|before| before.split(';').next().unwrap_or_default().to_owned());
                let check = expect.check(&seen, before);
                good = match (good, check.as_planned) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (_, Some(true)) => Some(true),
                    (known, None) => known,
                };
                if current.state().is_final() {
                    return;
                }
                self.say(current, RunEventKind::Check(check));
            }
            match good {
                Some(true) => self.step(current, index, StepProgress::Done),
                Some(false) => self.step(current, index, StepProgress::Failed),
                // Nothing was seen against it: it went through.
                None if !planned.expects.is_empty() && !planned.actions.is_empty() => {
                    let now = locked(&current.inner).stored.run.progress.get(index).copied().flatten();
                    if now == Some(StepProgress::Running) {
                        self.step(current, index, StepProgress::Done);
                    }
                }
                None => {}
            }
        }
        // While the dataset is there, what stands beside it is in use.
        let gone = || {
            draft
                .steps
                .iter()
                .flat_map(|step| &step.expects)
                .filter(|expect| matches!(expect, Expect::NoDataset(_)))
                .all(|expect| expect.look(&seen).0 == Some(true))
        };
        if matches!(draft.operation, Operation::DeInit { .. } | Operation::CleanUp { .. }) && gone() {
            let left = look.with_inputs(&self.host, plans::leftovers);
            self.change(current, |run| run.leftovers = left);
        }
    }

    /// Waits for Keep, putting back or the deadline; `verify` runs meanwhile in a thread of its own.
    fn await_keep(
        self: &Arc<Self>,
        current: &Current,
        pending: &mut Pending,
        verify: impl FnOnce(&Arc<Self>) + Send,
    ) -> Answered {
        let time = Duration::from_secs(u64::from(pending.revert_after));
        let until = Instant::now() + time;
        let now = Timestamp::now();
        let deadline = now.saturating_add(SignedDuration::try_from(time).unwrap_or_default()).unwrap_or(now);
        pending.phase = Phase::Waiting;
        pending.deadline = Some(deadline);
        pending.changed_ms = Some(now.as_millisecond());
        if let Err(error) = pending.write(&self.host.layout) {
            // It was written before the run; after a restart it would be put back at once, which is the safe side.
            self.words(current, format!("The time to answer could not be written down: {error}"));
        }
        {
            let mut inner = locked(&current.inner);
            inner.changed_ms = pending.changed_ms;
            let run = &mut inner.stored.run;
            run.deadline = Some(deadline);
            run.abortable = false;
            "Keep the new network?".clone_into(&mut run.summary);
        }
        self.say(current, RunEventKind::State { state: RunState::AwaitingKeep });
        crash_point("run-awaiting-keep");
        std::thread::scope(|scope| {
            let verification = scope.spawn(|| verify(self));
            let answered = self.wait_for_answer(current, until);
            // The question is answered: pages no longer count down.
            self.change(current, |run| run.deadline = None);
            // A verification that hangs must not hold up putting back; its probes have time limits of their own.
            if answered == Answered::Kept {
                let patience = Instant::now() + VERIFY;
                while !verification.is_finished() && Instant::now() < patience {
                    std::thread::sleep(Duration::from_millis(20));
                }
            } else {
                // Before the scope waits for the thread, the host is put back.
                self.put_back_first(current, pending);
            }
            answered
        })
    }

    fn wait_for_answer(&self, current: &Current, until: Instant) -> Answered {
        let fits = |wish| matches!(wish, Wish::Keep | Wish::PutBack | Wish::Stop);
        loop {
            let glance = until.min(Instant::now() + GLANCE);
            match current.next_wish(glance, fits) {
                Some(Wish::Keep) => return Answered::Kept,
                Some(Wish::PutBack) => return Answered::PutBack,
                Some(Wish::Stop) => return Answered::Stopped,
                Some(Wish::Abort) | None => {}
            }
            if let Some(answer) = self.runs.take_answer(current.id) {
                let (act, words) = if answer.keep { (Act::Keep, "is kept") } else { (Act::Revert, "is put back") };
                let message = format!("What run {} changed {words} by {}.", current.id, answer.actor.name);
                let mut entry = Self::entry(act, current.operation, &answer.actor, &Reported::default(), message);
                entry.run = Some(current.id);
                entry.outcome = Some(Outcome::Done);
                let _ = self.record(entry);
                return if answer.keep { Answered::Kept } else { Answered::PutBack };
            }
            if Instant::now() >= until {
                return Answered::Late;
            }
        }
    }

    /// Puts the host back; what is said about it follows in [`Self::put_back_now`], which finds it done.
    fn put_back_first(&self, current: &Current, pending: &Pending) {
        let steps = self.restore(current, pending);
        self.change(current, |run| run.put_back = steps);
    }

    fn restore(&self, current: &Current, pending: &Pending) -> Vec<PutBackStep> {
        // It is decided: what is half put back must never be kept, so a start after a sudden death goes on here.
        let decided = Pending { phase: Phase::Running, ..pending.clone() };
        if let Err(error) = decided.write(&self.host.layout) {
            self.words(current, format!("That it is put back could not be written down: {error}"));
        }
        crash_point("revert-begin");
        revert::put_back(&self.host, pending, &mut |said| match said {
            Said::Command(argv) => self.say(current, RunEventKind::Command { argv: argv.to_vec() }),
            Said::Ended(status, words) => {
                for word in words {
                    self.say(current, RunEventKind::Line { stream: Stream::Out, text: word.clone() });
                }
                let text = status
                    .map_or_else(|| "did not end by itself".to_owned(), |status| format!("ended with status {status}"));
                self.say(current, RunEventKind::Exit { status, text });
            }
            Said::Words(words) => self.words(current, words),
        })
    }

    /// Puts back, checks, and ends the run so.
    fn put_back_now(&self, current: &Current, pending: &Pending, because: &str) {
        let mut steps = locked(&current.inner).stored.run.put_back.clone();
        if steps.is_empty() {
            steps = self.restore(current, pending);
        }
        let good = steps.iter().filter(|step| step.done).count();
        let whole = good == steps.len();
        for step in &steps {
            let check = Check {
                title: format!("Put back: {}", step.title),
                as_planned: Some(step.done),
                observed: step.detail.clone(),
                before: None,
                at: Some(Timestamp::now()),
            };
            self.say(current, RunEventKind::Check(check));
        }
        let at = self.host.time_of_day(Timestamp::now());
        let (state, outcome, summary, remedy) = if whole {
            let summary = format!("Put back at {at}, {because}. The host is as before, checked: {good} of {good}.");
            (RunState::Reverted, Outcome::Reverted, summary, None)
        } else {
            let (what, remedy): (Vec<&str>, Vec<&str>) = steps
                .iter()
                .filter(|step| !step.done)
                .map(|step| {
                    let detail = step.detail.as_str();
                    detail.split_once(revert::AT_THE_MACHINE).unwrap_or((detail, "pfctl -s info; ifconfig -a"))
                })
                .map(|(what, command)| (what.trim_end_matches(['.', ' ']), command))
                .unzip();
            let summary = format!(
                "Put back in part at {at}, {because}: {good} of {} are as before. Could not put back: {}.",
                steps.len(),
                what.join("; ")
            );
            (
                RunState::RevertedInPart,
                Outcome::RevertedInPart,
                summary,
                Some(format!("{}{}", revert::AT_THE_MACHINE, remedy.join("; "))),
            )
        };
        self.change(current, |run| run.put_back = steps);
        if let Err(error) = Pending::remove(&self.host.layout) {
            self.words(current, format!("The saved state could not be taken away: {error}"));
        }
        self.end(current, state, outcome, summary, remedy);
    }

    /// How a run ended that needs no putting back: compared with its plan.
    fn conclude(&self, current: &Current, draft: &Draft, outcomes: &Outcomes, answered: Option<Answered>) {
        let run = current.view();
        let good = run.checks.iter().filter(|check| check.as_planned == Some(true)).count();
        let differing: Vec<&Check> = run.checks.iter().filter(|check| check.as_planned == Some(false)).collect();
        let unseen = run.checks.iter().filter(|check| check.as_planned.is_none()).count();
        let total = run.checks.len();
        let as_planned = outcomes.failure.is_none() && differing.is_empty() && (good > 0 || total == 0);
        let checks = match (differing.len(), unseen) {
            _ if total == 0 => "Nothing could be checked.".to_owned(),
            (0, 0) => format!("All {} as planned.", counted_are(total)),
            (0, unseen) => format!("{good} of {total} checks are as planned, {unseen} could not be seen."),
            (differ, _) => {
                let first =
                    differing.first().map(|check| format!("{}: {}", check.title, check.observed)).unwrap_or_default();
                let differ = if differ == 1 { "1 differs".to_owned() } else { format!("{differ} differ") };
                format!("{good} of {total} checks are as planned, {differ}. {first}.")
            }
        };
        let mut sentences = Vec::new();
        if let Some(failure) = &outcomes.failure {
            sentences.push(failure.cause.clone());
        } else if let Some(status) = outcomes.pot_status.filter(|status| *status != 0) {
            let usual = if draft.can_cut_off && status == 1 && outcomes.pot_error.is_none() {
                " That is usual when pf was already on."
            } else {
                ""
            };
            sentences.push(format!("pot ended with status {status}.{usual}"));
        }
        if let Some(error) = outcomes.pot_error.as_ref().filter(|_| outcomes.failure.is_none()) {
            sentences.push(format!("pot said: {error}."));
        }
        if answered == Some(Answered::Kept) && as_planned {
            sentences.push("Kept. The network runs as planned.".to_owned());
        } else if answered == Some(Answered::Kept) {
            sentences.push("Kept.".to_owned());
        }
        match (&draft.operation, as_planned) {
            (Operation::DeInit { .. }, true) => {
                let root = draft.confirm_text.clone().unwrap_or_default();
                sentences.push(match run.leftovers.len() {
                    0 => format!("{root} is gone, checked. pot left nothing behind."),
                    left => format!("{root} is gone, checked. pot left {} behind.", counted(left, "thing")),
                });
            }
            _ => sentences.push(checks),
        }
        let aborted = outcomes.failure.as_ref().is_some_and(|failure| failure.aborted);
        if as_planned {
            // Steps that have neither an action nor a check of their own are pot's own business, which went well.
            for index in 0..draft.steps.len() {
                if run.progress.get(index).copied().flatten().is_none() {
                    self.step(current, index, StepProgress::Done);
                }
            }
        } else {
            sentences.extend(Self::what_stands(draft, &run));
        }
        let state = match (aborted, as_planned) {
            (true, _) => RunState::Aborted,
            (false, true) => RunState::AsPlanned,
            (false, false) => RunState::Differs,
        };
        let remedy = (!as_planned).then(|| remedy(draft, outcomes, &run));
        let outcome = if as_planned { Outcome::Done } else { Outcome::Failed };
        self.end(current, state, outcome, sentences.join(" "), remedy);
    }

    /// What of the datasets is there, after something went wrong.
    fn what_stands(draft: &Draft, run: &Run) -> Option<String> {
        let titles: Vec<String> = draft
            .steps
            .iter()
            .flat_map(|step| &step.expects)
            .filter(|expect| matches!(expect, Expect::Dataset { .. }))
            .map(Expect::title)
            .collect();
        let there = run.checks.iter().filter(|check| titles.contains(&check.title) && check.observed != "none").count();
        (!titles.is_empty()).then(|| format!("{there} of {} datasets exist.", titles.len()))
    }

    /// Ends a run: history, state, summary.
    fn end(&self, current: &Current, state: RunState, outcome: Outcome, summary: String, remedy: Option<String>) {
        let (intent, operation) = {
            let inner = locked(&current.inner);
            (inner.stored.intent, inner.stored.run.plan.operation.clone())
        };
        let entry = Entry {
            stage: Stage::Outcome,
            intent: Some(intent),
            actor: current.actor.clone(),
            reported: current.reported.clone(),
            action: act_of(&operation),
            object: operation.name().to_owned(),
            changes: Vec::new(),
            diff: None,
            before: None,
            after: None,
            reason: None,
            outcome: Some(outcome),
            message: match remedy.as_ref().filter(|_| state == RunState::RevertedInPart) {
                Some(remedy) => format!("{summary} {remedy}"),
                None => summary.clone(),
            },
            run: Some(current.id),
        };
        let recorded = self.record(entry);
        {
            let mut inner = locked(&current.inner);
            let run = &mut inner.stored.run;
            run.ended = Some(Timestamp::now());
            run.deadline = None;
            run.abortable = false;
            run.remedy = remedy;
            run.summary = match recorded {
                Ok(_) => summary,
                Err(refusal) => format!("{summary} The history could not take this down: {refusal}"),
            };
            // The state goes with the last event; a reader that sees it final finds everything else in place.
            for progress in &mut run.progress {
                if *progress == Some(StepProgress::Running) && state != RunState::AsPlanned {
                    *progress = Some(StepProgress::Failed);
                }
            }
        }
        self.say(current, RunEventKind::State { state });
        crash_point("run-ended");
    }

    // -- after a restart --

    /// Deals with what a sudden end left: a pending revert is carried out at its deadline (at once when that has
    /// passed, or when the run never got so far), or was overtaken by a reboot; other runs are marked interrupted with
    /// what is found. To be called once at the executor's start, before it takes commands.
    pub fn recover_at_start(self: &Arc<Self>) {
        // Another process that runs something now holds the lock, and its run is alive.
        let Ok(lock) = Lock::acquire(&self.host.layout, "pot-console: looking after a restart", Duration::ZERO) else {
            return;
        };
        let pending = match Pending::read(&self.host.layout) {
            Ok(pending) => pending,
            Err(error) => {
                Pending::set_aside(&self.host.layout);
                let mut entry = Self::entry(
                    Act::Revert,
                    "vnet-start",
                    &console(),
                    &Reported::default(),
                    format!("What was to be put back could not be read: {error}. Look at pf and the bridges yourself."),
                );
                entry.outcome = Some(Outcome::Failed);
                let _ = self.record(entry);
                None
            }
        };
        let waits = pending.as_ref().map(|pending| pending.run);
        for id in self.runs.numbers() {
            match self.runs.read(id) {
                Ok(stored) if !stored.run.state.is_final() && waits != Some(id) => self.interrupted(stored),
                Ok(_) => {}
                // It died before its first words were on disk: nothing had been done.
                Err(FileError::Missing(_)) => self.runs.forget(id),
                Err(_) => {}
            }
        }
        let Some(pending) = pending else { return };
        let Ok(stored) = self.runs.read(pending.run) else {
            // The saved state was written, but the run never began.
            let _ = Pending::remove(&self.host.layout);
            return;
        };
        if stored.run.state.is_final() {
            // It died between its end and taking the saved state away.
            let _ = Pending::remove(&self.host.layout);
            return;
        }
        let Some(current) = self.taken_up(stored, &pending.actor) else { return };
        let same_boot = revert::this_boot(&self.host.layout).is_ok_and(|boot| boot == pending.boot);
        if !same_boot {
            self.overtaken(&current);
            return;
        }
        *locked(&self.current) = Some(Arc::clone(&current));
        let engine = Arc::clone(self);
        let started = std::thread::Builder::new().name(format!("run-{}", pending.run)).spawn(move || {
            engine.wait_again(&current, &pending);
            drop(lock);
            *locked(&engine.current) = None;
            current.finish();
        });
        if let Err(error) = started {
            // It is tried again at the next look: nothing is as important as this.
            tracing::error!("the run that waits to be kept or put back could not be taken up: {error}");
            *locked(&self.current) = None;
        }
    }

    /// Takes up what a process that died (a command line) left waiting. Cheap when there is nothing; may be called often.
    pub fn take_up_orphans(self: &Arc<Self>) {
        if self.active().is_some() {
            return;
        }
        let newest = self.runs.numbers().first().and_then(|id| self.runs.read(*id).ok());
        let left = newest.is_some_and(|stored| !stored.run.state.is_final());
        if left || matches!(Pending::read(&self.host.layout), Ok(Some(_))) {
            self.recover_at_start();
        }
    }

    /// Puts back what a process that died left waiting, once the time to answer is over, and waits for the end of that.
    /// Cheap when there is nothing. Where no service runs, the next command of root's is the executor that finds it.
    pub fn put_back_overdue(self: &Arc<Self>) {
        let Ok(Some(pending)) = Pending::read(&self.host.layout) else { return };
        let waits = pending.phase == Phase::Waiting && pending.deadline.is_some_and(|time| time > Timestamp::now());
        if !waits {
            self.recover_at_start();
            self.wait(pending.run, STOP);
        }
    }

    /// A run that another process began.
    fn taken_up(&self, stored: StoredRun, actor: &Actor) -> Option<Arc<Current>> {
        let (events, next) = self.runs.events_to_append(stored.run.id).ok()?;
        let mut stored = stored;
        stored.run.last_event = next - 1;
        Some(Arc::new(Current::new(stored, actor.clone(), Reported::default(), events, next)))
    }

    /// The rest of the time to answer, after a restart in the same boot.
    fn wait_again(&self, current: &Current, pending: &Pending) {
        let waiting = pending.phase == Phase::Waiting;
        let left = pending
            .deadline
            .filter(|_| waiting)
            .and_then(|deadline| Duration::try_from(deadline.duration_since(Timestamp::now())).ok())
            // A clock that was set back must not give more time than was chosen.
            .map_or(Duration::ZERO, |left| left.min(Duration::from_secs(u64::from(pending.revert_after))));
        self.words(current, "The console was stopped during this run and has started again.");
        if left.is_zero() {
            let because =
                if waiting { "because no answer arrived" } else { "because the console was stopped during the run" };
            self.put_back_now(current, pending, because);
            return;
        }
        locked(&current.inner).changed_ms = pending.changed_ms;
        self.say(current, RunEventKind::State { state: RunState::AwaitingKeep });
        let answered = self.wait_for_answer(current, Instant::now() + left);
        self.after_waiting(current, pending, answered, || {
            let run = current.view();
            let differ = run.checks.iter().any(|check| check.as_planned == Some(false));
            let state = if differ { RunState::Differs } else { RunState::AsPlanned };
            let summary =
                if differ { "Kept, although not all is as planned." } else { "Kept. The network runs as planned." };
            self.end(current, state, Outcome::Done, summary.to_owned(), None);
        });
    }

    /// From the command line, when the process that waited has died.
    pub(super) fn answer_for_the_dead(
        self: &Arc<Self>,
        id: u64,
        keep: bool,
        actor: &Actor,
        lock: Lock,
    ) -> Result<(), Refusal> {
        let gone = || Refusal::new(RefusalKind::NotFound, format!("Run {id} does not wait to be kept."));
        let failed = |error: FileError| Refusal::new(RefusalKind::Failed, error.to_string());
        let pending = Pending::read(&self.host.layout).map_err(failed)?.ok_or_else(gone)?;
        let current = self.taken_up(self.runs.read(id).map_err(failed)?, &pending.actor).ok_or_else(gone)?;
        let same_boot = revert::this_boot(&self.host.layout).is_ok_and(|boot| boot == pending.boot);
        if !same_boot {
            self.overtaken(&current);
            return Err(Refusal::new(
                RefusalKind::NotFound,
                "The machine was started anew since: there is nothing to keep or to put back.",
            ));
        }
        let act = if keep { Act::Keep } else { Act::Revert };
        let words = if keep { "is kept" } else { "is put back" };
        let mut entry = Self::entry(
            act,
            current.operation,
            actor,
            &Reported::default(),
            format!("What run {id} changed {words} by {}.", actor.name),
        );
        entry.run = Some(id);
        entry.outcome = Some(Outcome::Done);
        self.record(entry)?;
        if keep {
            self.no_longer_pending(&current);
            self.end(&current, RunState::AsPlanned, Outcome::Done, "Kept.".to_owned(), None);
        } else {
            self.put_back_now(&current, &pending, "because someone asked for it");
        }
        drop(lock);
        Ok(())
    }

    fn overtaken(&self, current: &Current) {
        self.no_longer_pending(current);
        self.end(
            current,
            RunState::OvertakenByReboot,
            Outcome::OvertakenByReboot,
            "The machine was started anew before this was kept or put back. What the run changed while it ran is gone; files were not touched.".to_owned(),
            Some("Plan vnet-start again when you want the network.".to_owned()),
        );
    }

    /// A run whose process died.
    fn interrupted(&self, stored: StoredRun) {
        let operation = stored.run.plan.operation.clone();
        let actor = Actor { name: stored.run.actor.clone(), ..console() };
        let Some(current) = self.taken_up(stored, &actor) else { return };
        let found = match self.draft(&operation) {
            Ok((draft, look)) => {
                let seen = look.seen(None);
                let before = vec![Vec::new(); draft.steps.len()];
                self.look_again(&current, &draft, &seen, &before);
                found_at_restart(&draft)
            }
            Err(refusal) => format!("the host could not be looked at: {refusal}"),
        };
        let again = format!("Plan {} again to go on.", operation.name());
        self.end(
            &current,
            RunState::Interrupted,
            Outcome::Interrupted,
            format!("The console was stopped during this run. What it found at restart: {found}. {again}"),
            Some(again),
        );
    }

    fn look_again(&self, current: &Current, draft: &Draft, seen: &super::draft::Seen<'_>, before: &[Vec<String>]) {
        let _ = before;
        for expect in draft.steps.iter().flat_map(|step| &step.expects) {
            if !matches!(expect, Expect::Ping(_) | Expect::Content { .. }) {
                self.say(current, RunEventKind::Check(expect.check(seen, None)));
            }
        }
    }

    /// The executor is about to end: what may have to be put back is put back first, what can be ended is ended.
    pub fn shutdown(&self) {
        let Some(current) = locked(&self.current).clone() else { return };
        if current.may_abort() {
            current.wish(Wish::Abort);
        }
        current.wish(Wish::Stop);
        current.wait_for_end(STOP);
    }

    /// Waits for a run of this process to end. True when it has.
    pub fn wait(&self, id: u64, time: Duration) -> bool {
        let current = locked(&self.current).as_ref().filter(|current| current.id == id).cloned();
        current.is_none_or(|current| current.wait_for_end(time))
    }
}

/// "3 of 5 datasets exist", or how many steps are done.
fn found_at_restart(draft: &Draft) -> String {
    let datasets: Vec<&PlannedStep> = draft
        .steps
        .iter()
        .filter(|step| step.expects.iter().any(|expect| matches!(expect, Expect::Dataset { .. })))
        .collect();
    if !datasets.is_empty() {
        let there = datasets.iter().filter(|step| step.step.state != StepState::WillBeCreated).count();
        return format!("{there} of {} datasets exist", datasets.len());
    }
    if !draft.destroys.is_empty() {
        return format!("{} still there", counted_are_not(draft.destroys.len()));
    }
    let done = draft.steps.iter().filter(|step| step.step.state == StepState::Done).count();
    format!("{done} of {} are done", counted(draft.steps.len(), "step"))
}

fn counted_are_not(count: usize) -> String {
    if count == 1 { "1 dataset or snapshot is".to_owned() } else { format!("{count} datasets and snapshots are") }
}

fn counted_are(count: usize) -> String {
    if count == 1 { "1 check is".to_owned() } else { format!("{count} checks are") }
}

fn remedy(draft: &Draft, outcomes: &Outcomes, run: &Run) -> String {
    let name = draft.operation.name();
    if outcomes.failure.as_ref().is_some_and(|failure| failure.timed_out) {
        return format!("Find out why it hangs (the output's last lines), then plan {name} again.");
    }
    if matches!(draft.operation, Operation::DeInit { .. }) {
        return "Mend what the output names (a busy dataset: fstat, umount), then plan de-init again. What is still there is listed above.".to_owned();
    }
    if outcomes.failure.is_none()
        && run.checks.iter().any(|check| check.title.ends_with("as previewed") && check.as_planned == Some(false))
    {
        return "A file is not quite as previewed: look at its newest version under History.".to_owned();
    }
    format!("Mend what the output names, then plan {name} again: what is there already is skipped.")
}
