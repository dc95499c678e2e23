//! Datasets, and the snapshots that a plan destroys.

use super::probe::{Probe, failure};
use crate::digest::Digest;
use crate::facts::{Dataset, Fact, SNAPSHOTS_KEPT, Snapshots};
use crate::host::parse;
use crate::process::{Cancel, Ending, Limits, Stream, Tool, Tools, argv_as_typed, stream};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// How long counting snapshots may take: a large host has hundreds of thousands.
const COUNTING: Duration = Duration::from_mins(5);

/// File systems and volumes of all pools. Snapshots are not among them: a host may hold hundreds of thousands.
pub(super) fn datasets(probe: &mut Probe<'_>) -> Result<Vec<Dataset>, String> {
    let args = |columns| ["list", "-Hp", "-t", "filesystem,volume", "-o", columns];
    let asked = args(parse::zfs::DATASET_COLUMNS);
    let answer = probe.ask(Tool::Zfs, &asked)?;
    if answer.succeeded() {
        parse::zfs::datasets(&answer.stdout)
    } else if answer.stderr.contains("invalid property 'keystatus'") {
        parse::zfs::datasets(&probe.answer(Tool::Zfs, &args(parse::zfs::OLD_DATASET_COLUMNS))?)
    } else {
        Err(failure(Tool::Zfs, &asked, &answer))
    }
}

/// Counts the snapshots at and below `root`, which must be a dataset's name. Only a plan that destroys them asks.
///
/// They are read line by line: there may be hundreds of thousands, and nobody keeps them.
pub fn snapshots(tools: &Tools, root: &str) -> Fact<Snapshots> {
    let args = ["list", "-Hp", "-t", "snapshot", "-r", "-o", "name,userrefs", root];
    let typed = argv_as_typed(Tool::Zfs, &args).join(" ");
    let (at, started) = (Timestamp::now(), Instant::now());
    let mut found = Snapshots { count: 0, first: Vec::new(), held: 0, first_held: None, digest: Digest::of(b"") };
    let mut trouble: Option<String> = None;
    let limits = Limits { time: COUNTING, total_bytes: usize::MAX, ..Limits::default() };
    let ending =
        stream(tools, Tool::Zfs, &args, None, &limits, &Cancel::new(), &mut |line| match line.text.split_once('\t') {
            Some((name, holds)) if line.stream == Stream::Out && (holds == "-" || holds.parse::<u64>().is_ok()) => {
                found.count += 1;
                found.digest = Digest::of_all([found.digest.as_bytes().as_slice(), name.as_bytes()]);
                if found.first.len() < SNAPSHOTS_KEPT {
                    found.first.push(name.to_owned());
                }
                if holds != "-" && holds != "0" {
                    found.held += 1;
                    found.first_held.get_or_insert_with(|| name.to_owned());
                }
            }
            _ => {
                trouble.get_or_insert(line.text);
            }
        });
    let answer = match (ending, trouble) {
        (Ok(Ending::Exited(0)), None) => Ok(found),
        (Ok(Ending::TimedOut), _) => Err(format!("{typed} did not answer within {} s", COUNTING.as_secs())),
        (Ok(_), Some(line)) => Err(format!("{typed} failed: {line}")),
        (Ok(ending), None) => Err(format!("{typed} failed without a word: {ending:?}")),
        (Err(error), _) => Err(error.to_string()),
    };
    let (value, error) = match answer {
        Ok(found) => (Some(found), None),
        Err(error) => (None, Some(error)),
    };
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Fact { value, error, source: typed, evidence: String::new(), at, took_ms }
}
