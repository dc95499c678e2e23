//! What follows the journal, records of the command line included: the web process is told that there is more, and each
//! record goes out as a line of syslog's auth facility, where the settings ask for it. A log host that gets that line
//! holds the record's hash where root of this machine cannot change it.
//!
//! How far the lines are stands in `syslog.json` in the private folder, so that a record made while syslog could not be
//! reached goes out later.

use super::core::Executor;
use crate::digest::Digest;
use crate::files::{self, Expected};
use crate::journal::record::Record;
use crate::platform::crash_point;
use crate::process::{Limits, Tool, capture, harmless};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Between two looks at the journal.
const PAUSE: Duration = Duration::from_secs(1);
/// After syslog could not be reached.
const BACK_OFF: Duration = Duration::from_secs(30);
/// Records given to one logger(1).
const AT_ONCE: usize = 100;
/// Longest line in bytes: logger(1) of FreeBSD reads 1023 bytes at a time, and syslogd cuts what is longer.
const LONGEST: usize = 900;

/// How far the lines are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    record: u64,
}

impl Executor {
    /// Starts the thread that follows the journal; it ends with the executor.
    pub(super) fn begin_forwarding(self: &Arc<Self>) -> std::io::Result<()> {
        let executor = Arc::downgrade(self);
        std::thread::Builder::new().name("syslog".to_owned()).spawn(move || follow(&executor)).map(drop)
    }

    /// Sends what is new to syslog; nothing unless the settings ask for it.
    pub(super) fn forward_records(&self) -> Result<(), String> {
        if !self.settings().syslog {
            return Ok(());
        }
        let journal = self.evidence.journal();
        let path = self.watching.layout.private().join("syslog.json");
        let sent =
            files::read_limited(&path, 1 << 10).ok().and_then(|bytes| serde_json::from_slice::<Sent>(&bytes).ok());
        let (last, _) = journal.last().map_err(|error| error.to_string())?;
        // A journal that was begun anew or rolled back goes on from where it stands; so does the first start.
        let mut sent = match sent {
            Some(sent) if sent.record <= last => sent.record,
            _ => last.saturating_sub(1),
        };
        while sent < last {
            let (records, hashes) = journal.after(sent, AT_ONCE).map_err(|error| error.to_string())?;
            let Some(newest) = records.last().map(|record| record.sequence) else { break };
            let lines: String = records.iter().zip(&hashes).map(|(record, hash)| line(record, hash) + "\n").collect();
            let tools = self.watching.tools.get();
            let args = ["-p", "auth.info", "-t", "pot-console"];
            let done = capture(&tools, Tool::Logger, &args, Some(lines.as_bytes()), &Limits::default())
                .map_err(|error| error.to_string())?;
            if !done.succeeded() {
                return Err(format!("logger failed: {}", done.stderr.trim()));
            }
            sent = newest;
            let text = serde_json::to_vec(&Sent { record: sent }).map_err(|error| error.to_string())?;
            files::replace_with_mode(&path, &Expected::Anything, &text, 0o600, &crash_point)
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

fn follow(executor: &Weak<Executor>) {
    let mut not_before = Instant::now();
    loop {
        let Some(present) = executor.upgrade() else { return };
        // What the command line appended is to be seen on the pages at once, not with the next look at the host. A
        // journal that cannot be read is complained about by whoever needs it.
        let _ = present.evidence.tell_of_last();
        if Instant::now() >= not_before
            && let Err(error) = present.forward_records()
        {
            tracing::warn!("the history could not be sent to syslog: {error}");
            not_before = Instant::now() + BACK_OFF;
        }
        drop(present);
        std::thread::sleep(PAUSE);
    }
}

/// One record in one line: its number and hash, so that the line proves the record; who, what, and how it ended.
fn line(record: &Record, hash: &Digest) -> String {
    let entry = &record.entry;
    let word = |value: serde_json::Result<serde_json::Value>| {
        value.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_else(|| "-".to_owned())
    };
    let mut line = format!(
        "record={} hash={} actor={} action={} stage={} outcome={} object={} {}",
        record.sequence,
        hash.hex(),
        harmless(&entry.actor.name),
        word(serde_json::to_value(entry.action)),
        word(serde_json::to_value(entry.stage)),
        word(serde_json::to_value(entry.outcome)),
        harmless(&entry.object),
        harmless(&entry.message),
    )
    .replace(['\n', '\r'], " ");
    let cut = line.floor_char_boundary(LONGEST);
    line.truncate(cut);
    line
}

#[cfg(test)]
mod tests {
    use super::super::evidence::own;
    use super::*;
    use crate::journal::record::{Action, Outcome};

    #[test]
    fn a_line_of_syslog_names_record_and_hash_and_is_one_line_whatever_the_values_are() {
        let message = format!("{}\nJan 1 00:00:00 host forged: line{}", "ä".repeat(600), "x".repeat(2000));
        let record = Record {
            sequence: 7,
            id: uuid::Uuid::now_v7(),
            time: jiff::Timestamp::now(),
            entry: own(Action::Outside, "/etc/pf.conf", Outcome::Done, message),
        };
        let hash = Digest::of(b"7");
        let line = line(&record, &hash);
        assert!(line.starts_with(&format!("record=7 hash={} actor=pot-console action=outside", hash.hex())), "{line}");
        assert!(line.len() <= LONGEST && !line.contains('\n'), "{line}");
    }
}
