//! One record more, in its place, on disk; and the copy of the head.

use super::chain::{self, Segment, SegmentHeader, segment_path};
use super::error::{JournalError, system};
use super::head::{self, Head};
use super::intents::Stands;
use super::record::{Action, Actor, Entry, Method, Outcome, Record, Reported, Stage};
use super::store::{Journal, State};
use crate::files;
use crate::platform::{self, crash_point};
use jiff::Timestamp;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use uuid::Uuid;

/// Longest JSON of a record: with its surroundings it must fit into a reply of the executor.
pub(super) const LONGEST: usize = 8 << 20;

impl Journal {
    pub(super) fn write(&self, state: &mut State, entry: Entry) -> Result<Record, JournalError> {
        if state.tail.length >= self.segment_bytes && state.tail.next > state.tail.first {
            let header = Segment { journal: state.id, first: state.tail.next, previous: state.tail.hash };
            begin_segment(&self.dir, &header)?;
            crash_point("journal-segment");
            self.look(state)?;
        }
        let time = self.clock.wall();
        let record = Record { sequence: state.tail.next, id: id_of(time), time, entry };
        let path = segment_path(&self.dir, state.tail.first);
        let json = serde_json::to_vec(&record).map_err(|error| system("writing", &path)(io::Error::other(error)))?;
        if json.len() > LONGEST {
            return Err(JournalError::TooLong(json.len()));
        }
        let hash = chain::link(&state.tail.hash, &json);
        let line = chain::line(&hash, &json);
        let tail = &mut state.tail;
        let written = tail.file.write_all_at(&line, tail.length).and_then(|()| {
            crash_point("journal-written");
            platform::sync_data(&tail.file)
        });
        if let Err(error) = written {
            // No half line stays; should even this fail, the next append sets it aside.
            let _ = tail.file.set_len(tail.length);
            let _ = tail.file.sync_data();
            return Err(system("writing", &path)(error));
        }
        tail.mark();
        let stands = Stands { segment: tail.first, offset: tail.length, length: line.len() - 1 };
        match (record.entry.stage, record.entry.intent) {
            (Stage::Intent, _) => state.intents.begun(record.sequence, stands),
            (Stage::Outcome, Some(intent)) => state.intents.ended(intent),
            (Stage::Outcome | Stage::Event, _) => {}
        }
        tail.last_at = tail.length;
        tail.length += line.len() as u64;
        tail.next += 1;
        (tail.hash, tail.record_hash) = (hash, hash);
        Ok(record)
    }

    pub(super) fn copy_head(&self, state: &State) {
        let head = Head { sequence: state.tail.next - 1, hash: state.tail.record_hash, journal: state.id };
        let written = head.write(&self.head);
        head::note_owed(&self.dir, written.is_err());
        if let Err(error) = written {
            // The record itself is safe.
            tracing::warn!(path = %self.head.display(), %error, "the copy of the journal's head could not be written");
        }
    }
}

/// A number for a record of this time that no other has.
fn id_of(time: Timestamp) -> Uuid {
    let since_1970 = time.as_duration();
    match u64::try_from(since_1970.as_secs()) {
        Ok(seconds) => {
            let nanoseconds = since_1970.subsec_nanos().unsigned_abs();
            Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds))
        }
        // No clock stands before 1970; a number is needed all the same.
        Err(_) => Uuid::now_v7(),
    }
}

/// The first line of a new segment. Its file appears with that line, complete, or not at all.
pub(super) fn begin_segment(dir: &Path, segment: &Segment) -> Result<(), JournalError> {
    let path = segment_path(dir, segment.first);
    let json = serde_json::to_vec(&SegmentHeader { segment: segment.clone() })
        .map_err(|error| system("writing", &path)(io::Error::other(error)))?;
    let line = chain::line(&chain::link(&segment.previous, &json), &json);
    files::replace_with_mode(&path, &files::Expected::Absent, &line, 0o600, &|_| ())?;
    Ok(())
}

/// What the journal says of itself.
pub(super) fn own_entry(object: String, message: String) -> Entry {
    Entry {
        stage: Stage::Event,
        intent: None,
        actor: Actor {
            name: "pot-console".to_owned(),
            role: None,
            method: Method::Console,
            session: None,
            claimed: None,
        },
        reported: Reported::default(),
        action: Action::Journal,
        object,
        changes: Vec::new(),
        diff: None,
        before: None,
        after: None,
        reason: None,
        outcome: Some(Outcome::Done),
        message,
        run: None,
    }
}

pub(super) fn create_private(path: &Path) -> io::Result<File> {
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)
}
