//! `conf restore`: the kept versions of pot.conf, and writing one back.

use super::report::{refuse, report, unreachable};
use crate::cli::output::{print, print_json};
use crate::cli::pot_conf::Files;
use crate::cli::{Exit, Format, Global};
use crate::diff::Diff;
use crate::digest::Digest;
use crate::executor::local::Local;
use crate::executor::protocol::{BackupView, Command, FileView, Started};
use crate::plan::{ManagedFile, Operation, Plan, Run, RunState};
use crate::process::harmless;
use crate::refusal::{Refusal, RefusalKind};
use std::time::Duration;

/// The kept versions of pot.conf.
pub(super) fn kept(local: &mut Local) -> Result<Vec<BackupView>, Refusal> {
    local.ask(Command::Backups { file: Some(ManagedFile::PotConf) })
}

pub(super) fn backups(global: &Global) -> anyhow::Result<Exit> {
    let mut local = match Local::open(&global.layout()) {
        Ok(local) => local,
        Err(error) => return unreachable(&error),
    };
    let backups = match kept(&mut local) {
        Ok(backups) => backups,
        Err(refusal) => return refuse(global, &refusal),
    };
    if global.format == Format::Json {
        print_json(&backups)?;
    } else if backups.is_empty() {
        print("No earlier version of pot.conf is kept.\n")?;
    } else {
        let line = |backup: &BackupView| {
            let hex = backup.digest.hex();
            let short = hex.get(..12).unwrap_or_default();
            let now = if backup.current { ", as it stands now" } else { "" };
            format!("{short}  {:.0}  {} bytes{now}\n", backup.at, backup.size)
        };
        print(&backups.iter().map(line).collect::<String>())?;
    }
    Ok(Exit::Done)
}

/// The one backup that a digest, or its beginning, names.
pub(super) fn chosen<'a>(backups: &'a [BackupView], wanted: &str) -> anyhow::Result<&'a BackupView> {
    let wanted = wanted.strip_prefix("sha256:").unwrap_or(wanted).to_ascii_lowercase();
    anyhow::ensure!(wanted.len() >= 4, "give at least 4 digits of the backup's digest");
    let mut fitting: Vec<&BackupView> =
        backups.iter().filter(|backup| backup.digest.hex().starts_with(&wanted)).collect();
    fitting.dedup_by_key(|backup| backup.digest);
    match fitting.as_slice() {
        [only] => Ok(only),
        [] => {
            anyhow::bail!("no backup of pot.conf has a digest that begins with {wanted:?}; `conf restore` lists them")
        }
        [first, ..] if fitting.iter().all(|backup| backup.digest == first.digest) => Ok(first),
        _ => anyhow::bail!("several backups have a digest that begins with {wanted:?}; give more of it"),
    }
}

pub(super) fn restore(global: &Global, wanted: &str, dry_run: bool, reason: Option<String>) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let mut local = match Local::open(&layout) {
        Ok(local) => local,
        Err(error) => return unreachable(&error),
    };
    let backups = match kept(&mut local) {
        Ok(backups) => backups,
        Err(refusal) => return refuse(global, &refusal),
    };
    let digest = chosen(&backups, wanted)?.digest;
    if dry_run {
        let old = match content(&mut local, digest) {
            Ok(old) => old,
            Err(refusal) => return refuse(global, &refusal),
        };
        let files = Files::read(&layout)?;
        let diff = Diff::between(&layout.shown(&layout.pot_conf()), files.configuration.own().bytes(), &old);
        report(global, &layout, None, digest, None, &diff, &[])?;
        return Ok(Exit::Done);
    }
    match carry_out(&mut local, Operation::Restore { backup: digest, file: ManagedFile::PotConf }, reason) {
        Ok(run) => {
            let is_done = run.state == RunState::AsPlanned;
            if global.format == Format::Json {
                print_json(&run)?;
            } else {
                print(&format!("{}\n", harmless(&run.summary)))?;
            }
            Ok(if is_done { Exit::Done } else { Exit::HostCommand })
        }
        Err(refusal) => refuse(global, &refusal),
    }
}

/// The bytes of a backup of pot.conf.
pub(super) fn content(local: &mut Local, digest: Digest) -> Result<Vec<u8>, Refusal> {
    let FileView { bytes, .. } = local.ask(Command::Backup { file: ManagedFile::PotConf, digest })?;
    Ok(bytes)
}

/// Plans, runs and waits for the end.
fn carry_out(local: &mut Local, operation: Operation, reason: Option<String>) -> Result<Run, Refusal> {
    let plan: Plan = local.ask(Command::Plan { operation })?;
    if let Some(blocker) = plan.blockers.first() {
        return Err(Refusal::new(RefusalKind::Limit, format!("{} {}", blocker.problem, blocker.remedy)));
    }
    let confirm_text = plan.confirm_text.clone();
    let command = Command::Run { plan: plan.id, digest: plan.digest, password: None, confirm_text, reason };
    let Started { run } = local.ask(command)?;
    loop {
        let state: Run = local.ask(Command::RunState { run })?;
        if state.ended.is_some() {
            return Ok(state);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_named_by_the_beginning_of_its_digest() {
        let backup = |bytes: &[u8]| BackupView {
            file: ManagedFile::PotConf,
            path: String::new(),
            digest: Digest::of(bytes),
            size: 0,
            at: jiff::Timestamp::UNIX_EPOCH,
            record: None,
            current: false,
        };
        let backups = [backup(b"a"), backup(b"b"), backup(b"a")];
        let digest = Digest::of(b"a");
        assert_eq!(chosen(&backups, &digest.to_string()).unwrap().digest, digest);
        assert_eq!(chosen(&backups, &digest.hex()[..8]).unwrap().digest, digest);
        assert!(chosen(&backups, "abc").is_err());
        assert!(chosen(&backups, "00000000").is_err());
    }
}
