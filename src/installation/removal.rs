//! Taking an installation away: what setup made, as far as it is still as setup made it, and nothing that was there before.

use super::host::{Host, typed};
use super::look::{self, Asked, LOG, RCVAR, SERVICE, Seen, SettingsSeen, starts};
use super::made::{self, Before, Made, MadeError};
use super::steps::{StepError, enable_arg, note};
use crate::digest::Digest;
use crate::executor::local::Local;
use crate::executor::protocol::Command;
use crate::executor::tls;
use crate::executor::{code_file, head_path};
use crate::files::{self, Busy, FileError, Lock};
use crate::plan::{Run, RunState};
use crate::platform::crash_point;
use crate::process::Tool;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest settings file in bytes.
const LONGEST: u64 = 1 << 20;
/// How long someone may take who changes the host: the console looks after it now and then.
const OTHERS: Duration = Duration::from_secs(15);
/// How long putting back may take: it waits for what pf lets go.
const PUT_BACK: Duration = Duration::from_mins(5);

/// One thing to take away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undo {
    /// Puts back a change that waits to be kept.
    PutBack(u64),
    /// Stops the service.
    Stop,
    /// Gives the variable of rc.conf the value from before.
    Enabled(Before),
    /// Writes it down in the history that stays.
    Note,
    /// Removes a folder or file with what is in it.
    Remove(PathBuf),
    /// Deletes the user.
    User(String),
    /// Deletes the group.
    Group(String),
}

/// What is to be done, and what stays.
#[derive(Debug)]
pub(crate) struct Removal {
    /// In order.
    pub undo: Vec<Undo>,
    /// What is left, and why.
    pub left: Vec<String>,
}

/// Why nothing can be taken away now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemovalError {
    /// Something could not be found out.
    #[error("{0}")]
    NotKnown(String),
    /// The record of what setup made.
    #[error(transparent)]
    Made(#[from] MadeError),
    /// Someone changes the host.
    #[error(transparent)]
    Busy(#[from] Busy),
}

/// Plans the removal; with `purge` also of history, accounts, keys and settings, whoever made them.
///
/// # Errors
/// [`RemovalError`]: nothing is taken for "none" that could not be found out.
pub(crate) fn plan(host: &Host, seen: &Seen, purge: bool) -> Result<Removal, RemovalError> {
    let layout = &host.layout;
    let known = |why: &String| RemovalError::NotKnown(why.clone());
    let made = Made::read(layout)?;
    let (mut undo, mut left) = (Vec::new(), Vec::new());
    match *seen.waits.as_ref().map_err(known)? {
        Some(run) => undo.push(Undo::PutBack(run)),
        None if seen.private.as_ref().map_err(known)?.is_some() => {
            drop(Lock::acquire(layout, "pot-console setup --remove", OTHERS)?);
        }
        None => {}
    }
    if *seen.runs.as_ref().map_err(known)? {
        undo.push(Undo::Stop);
    }
    let enabled = seen.enabled.as_ref().map_err(known)?;
    match &made.enabled {
        Some(before) if starts(enabled.as_deref()) => undo.push(Undo::Enabled(before.clone())),
        None if starts(enabled.as_deref()) => {
            left.push(format!("{RCVAR}: it was set before setup; sysrc -x {RCVAR} takes it away"));
        }
        _ => {}
    }
    let state_is_there = seen.state.as_ref().map_err(known)?.is_some();
    match &seen.settings {
        _ if !state_is_there || purge || made.removal_noted || (made.is_empty() && undo.is_empty()) => {}
        SettingsSeen::Unusable(_) => {
            left.push("the history does not tell of it, for the settings are not understood".to_owned());
        }
        _ => undo.push(Undo::Note),
    }
    if let Some(name) = &made.user
        && look::user(host, name).map_err(RemovalError::NotKnown)?.is_some()
    {
        // Without the user its folder would be the next one's who gets the number. The history is not in it.
        if !purge && seen.web.as_ref().map_err(known)?.is_some() {
            undo.push(Undo::Remove(layout.web()));
        }
        undo.push(Undo::User(name.clone()));
    }
    if let Some(name) = &made.group
        && look::group(host, name).map_err(RemovalError::NotKnown)?.is_some()
    {
        undo.push(Undo::Group(name.clone()));
    }
    if made.user.is_none() && seen.user.as_ref().map_err(known)?.is_some() {
        left.push(format!("the user {}: it was there before setup", seen.user_name));
    }
    settings(host, &made, purge, &mut undo, &mut left)?;
    let certificate = tls::own_folder(layout);
    if !purge && made.certificate && there(&certificate)? {
        undo.push(Undo::Remove(certificate));
    }
    if purge {
        // The record of what setup made goes with it, last of all.
        for path in [layout.on_disk(LOG), head_path(layout), layout.state()] {
            if there(&path)? {
                undo.push(Undo::Remove(path));
            }
        }
    } else {
        // The code was for the console that goes; the record of what setup made is the last.
        for path in [code_file(layout), made::path(layout)] {
            if there(&path)? {
                undo.push(Undo::Remove(path));
            }
        }
        if state_is_there {
            let state = layout.shown(&layout.state());
            left.push(format!(
                "{state}/root: the history, accounts, kept versions and keys; setup --remove --purge takes them away, too"
            ));
        }
        let head = head_path(layout);
        if there(&head)? {
            left.push(format!("{}: the end of the history, to check it with", layout.shown(&head)));
        }
        if there(&layout.on_disk(LOG))? {
            left.push(format!("{LOG}: what the console printed"));
        }
    }
    if seen.script.as_ref().map_err(known)?.is_some() {
        left.push("the program and its files: pkg delete pot-console takes them away".to_owned());
    }
    Ok(Removal { undo, left })
}

fn settings(
    host: &Host,
    made: &Made,
    purge: bool,
    undo: &mut Vec<Undo>,
    left: &mut Vec<String>,
) -> Result<(), RemovalError> {
    let path = host.layout.settings();
    let shown = host.layout.shown(&path);
    if !there(&path)? {
        return Ok(());
    }
    let digest = || files::read_limited(&path, LONGEST).ok().map(|bytes| Digest::of(&bytes));
    match &made.settings {
        _ if purge => undo.push(Undo::Remove(path)),
        Some(made) if digest() == Some(*made) => undo.push(Undo::Remove(path)),
        Some(_) => left.push(format!("{shown}: it was changed since setup wrote it")),
        None => left.push(format!("{shown}: it was there before setup")),
    }
    Ok(())
}

fn there(path: &Path) -> Result<bool, RemovalError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(RemovalError::NotKnown(format!("{}: {error}", path.display()))),
    }
}

impl Undo {
    /// What it does, with the exact command or file.
    pub fn shown(&self, host: &Host) -> String {
        match self {
            Self::PutBack(run) => format!("put back what run {run} changed, which waits to be kept"),
            Self::Stop => format!("$ {}", typed(Tool::Service, &[SERVICE, "stop"])),
            Self::Enabled(Before { value: None }) => format!("$ {}", typed(Tool::Sysrc, &["-x", RCVAR])),
            Self::Enabled(Before { value: Some(value) }) => {
                format!("$ {}", typed(Tool::Sysrc, &[&enable_arg(value)]))
            }
            Self::Note => "write it down in the history".to_owned(),
            Self::Remove(path) => format!("remove {}", host.layout.shown(path)),
            Self::User(name) => format!("$ {}", typed(Tool::Pw, &["userdel", "-n", name])),
            Self::Group(name) => format!("$ {}", typed(Tool::Pw, &["groupdel", "-n", name])),
        }
    }

    fn carry_out(&self, host: &Host) -> Result<(), StepError> {
        let command = StepError::Command;
        match self {
            Self::PutBack(run) => put_back(host, *run),
            Self::Stop => host.run(Tool::Service, &[SERVICE, "stop"]).map_err(command),
            Self::Enabled(Before { value: None }) => host.run(Tool::Sysrc, &["-x", RCVAR]).map_err(command),
            Self::Enabled(Before { value: Some(value) }) => {
                host.run(Tool::Sysrc, &[&enable_arg(value)]).map_err(command)
            }
            Self::Note => {
                note(host, "pot-console setup --remove: what setup made is taken away.".to_owned())?;
                let made = Made::read(&host.layout)?;
                if made.is_empty() { Ok(()) } else { Ok(Made { removal_noted: true, ..made }.write(&host.layout)?) }
            }
            Self::Remove(path) => remove(path).map_err(StepError::File),
            Self::User(name) => host.run(Tool::Pw, &["userdel", "-n", name]).map_err(command),
            // It has gone with the user of its name, unless it has members.
            Self::Group(name) => match look::group(host, name).map_err(command)? {
                None => Ok(()),
                Some(_) => host.run(Tool::Pw, &["groupdel", "-n", name]).map_err(command),
            },
        }
    }
}

fn put_back(host: &Host, run: u64) -> Result<(), StepError> {
    let mut local = Local::open(&host.layout)?;
    local.ask::<()>(Command::PutBack { run })?;
    let begun = Instant::now();
    loop {
        let state: Run = local.ask(Command::RunState { run })?;
        match state.state {
            RunState::Reverted => return Ok(()),
            other if other.is_final() => {
                let remedy = state.remedy.map(|remedy| format!(" {remedy}")).unwrap_or_default();
                return Err(StepError::Command(format!("run {run} was not put back whole: {}{remedy}", state.summary)));
            }
            _ if begun.elapsed() > PUT_BACK => {
                return Err(StepError::Command(format!(
                    "run {run} is still being put back: wait for it, then run this again"
                )));
            }
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Removes a file, or a folder with what is in it; links in it are never followed. What is gone already is no error.
fn remove(path: &Path) -> Result<(), FileError> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FileError::system("examining", path)(error)),
    };
    let removed = if found.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.map_err(FileError::system("removing", path))?;
    path.parent().map_or(Ok(()), files::sync_folder)
}

/// Takes away in order; `say` is told each before it is done.
///
/// # Errors
/// The one that failed; those before it are gone, and the next removal goes on from there.
pub(crate) fn carry_out(host: &Host, undo: &[Undo], say: &mut dyn FnMut(&Undo)) -> Result<(), StepError> {
    crash_point("setup-undo");
    for one in undo {
        say(one);
        one.carry_out(host)?;
        crash_point("setup-undo");
    }
    Ok(())
}

/// What is seen for a removal: nothing was asked for.
pub(crate) fn look(host: &Host) -> Seen {
    Seen::look(host, &Asked::default())
}
