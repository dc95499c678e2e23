//! `conf set` and `conf unset`.

use super::Change;
use super::report::{refuse, report, unreachable};
use crate::cli::pot_conf::{Files, host_facts};
use crate::cli::{Exit, Global};
use crate::executor::local::Local;
use crate::executor::protocol::{Command, Saved};
use crate::host::path_state;
use crate::layout::Layout;
use crate::potconf::Edit;
use crate::rules::{self, Review, Verdict};

/// Recorded where someone forces a change and gives no reason.
const FORCED: &str = "--force on the command line";

pub(super) fn apply(global: &Global, edits: &[Edit], change: &Change) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let files = Files::read(&layout)?;
    let base = files.configuration.own().digest();
    if change.dry_run {
        return dry_run(global, &layout, &files, edits, change.force);
    }
    let mut local = match Local::open(&layout) {
        Ok(local) => local,
        Err(error) => return unreachable(&error),
    };
    let given = change.reason.as_deref().filter(|reason| !reason.trim().is_empty());
    let reason = given.or(change.force.then_some(FORCED)).map(str::to_owned);
    let command = Command::Save { base, edits: edits.to_vec(), reason, accept_errors: change.force };
    match local.ask(command) {
        Ok(Saved { digest, record, diff }) => {
            report(global, &layout, Some(record), digest, given, &diff, &[])?;
            Ok(Exit::Done)
        }
        Err(refusal) => refuse(global, &refusal),
    }
}

/// What saving these edits would write, or why it would be refused. Asks the host, writes nothing.
fn dry_run(global: &Global, layout: &Layout, files: &Files, edits: &[Edit], force: bool) -> anyhow::Result<Exit> {
    let review = match Review::of(&files.configuration, edits) {
        Ok(review) => review,
        Err(unwritable) => return refuse(global, &unwritable.into()),
    };
    let facts = host_facts(layout, &review.after)?;
    if let Err(against) = review.within_places(&|path| path_state(layout, path).ok()) {
        return refuse(global, &against.into());
    }
    let Verdict { mut findings, errors } = review.judge(Some(&facts), None, None);
    findings.extend(rules::host_not_asked(&facts));
    let diff = review.diff(&layout.shown(&layout.pot_conf()));
    report(global, layout, None, review.after.own().digest(), None, &diff, &findings)?;
    Ok(if errors.is_empty() || force { Exit::Done } else { Exit::Refused })
}
