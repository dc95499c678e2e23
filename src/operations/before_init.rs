//! What rc.conf said before init: kept in root's private folder, so that cleaning up gives it back.
//!
//! Two witnesses: the console's own note, made when its init changes syslogd_flags, and `/etc/rc.conf.bkp-pot`, which
//! `pot init` makes each time it runs, also when it has changed rc.conf before (init.sh).

use super::rc_conf::{self, Stands};
use super::runs::{from_json, json};
use crate::files::{self, Expected, FileError};
use crate::layout::Layout;
use crate::rules::syslogd_flags::{self, Before};
use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// The copy of rc.conf that `pot init` makes.
pub(crate) const POTS_COPY: &str = "/etc/rc.conf.bkp-pot";
/// The variable that init changes.
pub(crate) const FLAGS: &str = "syslogd_flags";
/// Largest file that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// syslogd_flags as they stood when the console's init changed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// When it was made.
    pub at: Timestamp,
    /// The flags before; none: rc.conf did not set them.
    pub flags: Option<String>,
    /// What init was to make of them.
    pub written: String,
}

/// A copy of rc.conf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// When it was written.
    pub at: Timestamp,
}

/// Both witnesses as they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BeforeInit {
    /// The console's note.
    pub note: Option<Note>,
    /// pot's copy of rc.conf.
    pub copy: Option<Copy>,
    /// Why one of them could not be read.
    pub trouble: Option<String>,
}

fn path(layout: &Layout) -> PathBuf {
    layout.private().join("before-init.json")
}

impl Note {
    /// Writes it; on disk when this returns. An older one is replaced.
    ///
    /// # Errors
    /// It could not be written.
    pub fn write(&self, layout: &Layout) -> Result<(), FileError> {
        let path = path(layout);
        let bytes = json(&path, self)?;
        files::replace_with_mode(&path, &Expected::Anything, &bytes, 0o600, &|_| ()).map(|_| ())
    }
}

impl BeforeInit {
    /// Reads both.
    pub fn read(layout: &Layout) -> Self {
        let mut found = Self::default();
        let own = path(layout);
        match files::read_limited(&own, LARGEST).and_then(|bytes| from_json(&own, &bytes)) {
            Ok(note) => found.note = Some(note),
            Err(FileError::Missing(_)) => {}
            Err(error) => found.trouble = Some(error.to_string()),
        }
        let copy = layout.on_disk(POTS_COPY);
        match files::read_limited(&copy, LARGEST) {
            Ok(bytes) => {
                let at = std::fs::metadata(&copy).and_then(|facts| facts.modified()).ok();
                let at = at.and_then(|at| Timestamp::try_from(at).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
                found.copy = Some(Copy { bytes, at });
            }
            Err(FileError::Missing(_)) => {}
            Err(error) => found.trouble = Some(error.to_string()),
        }
        found
    }

    /// What is known of syslogd_flags before init: the younger witness has it, a copy only when init had not touched the
    /// flags in it.
    pub fn flags(&self, gateway: Ipv4Addr, network: Ipv4Net) -> Before {
        let noted = self
            .note
            .as_ref()
            .map_or(Before::Unknown, |note| Before::Noted { flags: note.flags.clone(), written: note.written.clone() });
        let copied = self.copy.as_ref().and_then(|copy| match rc_conf::stands(&copy.bytes, FLAGS) {
            Stands::Absent => Some((None, copy.at)),
            Stands::Plain(flags) => {
                // Of another POT_NETWORK as well: what may be init's is not given back.
                let touched = syslogd_flags::has_inits_form(&flags)
                    || syslogd_flags::give_back(&flags, gateway, network, &noted).is_some();
                (!touched).then_some((Some(flags), copy.at))
            }
            // What only the shell knows cannot be given back by a plain line.
            Stands::Computed => None,
        });
        match (&self.note, copied) {
            (Some(note), copied) if copied.as_ref().is_none_or(|(_, at)| *at <= note.at) => noted,
            // What init added is in the note all the same.
            (Some(note), Some((flags, _))) => Before::Noted { flags, written: note.written.clone() },
            (None, Some((flags, _))) => Before::Copied(flags),
            _ => Before::Unknown,
        }
    }

    /// Whether pot's copy holds flags that only the shell can know.
    pub(crate) fn copy_is_computed(&self) -> bool {
        self.copy.as_ref().is_some_and(|copy| rc_conf::stands(&copy.bytes, FLAGS) == Stands::Computed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(found: &BeforeInit) -> Before {
        found.flags("10.192.0.1".parse().unwrap(), "10.192.0.0/10".parse().unwrap())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn copy(text: &str, second: i64) -> Option<Copy> {
        Some(Copy { bytes: text.as_bytes().to_vec(), at: at(second) })
    }

    #[test]
    fn the_younger_witness_counts_and_a_copy_only_from_before_init() {
        let note = Some(Note { at: at(100), flags: Some("-s -v".to_owned()), written: "x".to_owned() });
        let noted = Before::Noted { flags: Some("-s -v".to_owned()), written: "x".to_owned() };
        let with = |copy| BeforeInit { note: note.clone(), copy, trouble: None };
        assert_eq!(before(&with(None)), noted);
        assert_eq!(before(&with(copy("syslogd_flags=\"-C\"\n", 50))), noted);
        let copied = Before::Noted { flags: Some("-C".to_owned()), written: "x".to_owned() };
        assert_eq!(before(&with(copy("syslogd_flags=\"-C\"\n", 150))), copied);
        let own = "syslogd_flags=\"-b 127.0.0.1 -b 10.1.0.1 -a 10.1.0.0/16\"\n";
        assert_eq!(before(&with(copy(own, 150))), noted, "a second init has written over the copy");
        let alone = |text| before(&BeforeInit { copy: copy(text, 1), ..BeforeInit::default() });
        assert_eq!(alone("hostname=a\n"), Before::Copied(None));
        assert_eq!(alone(own), Before::Unknown);
        assert_eq!(alone("syslogd_flags=\"-s $x\"\n"), Before::Unknown);
        assert_eq!(before(&BeforeInit::default()), Before::Unknown);
    }

    #[test]
    fn a_note_is_read_as_it_was_written_and_a_damaged_one_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path(), None);
        files::make_private_dir(&layout.private()).unwrap();
        assert_eq!(BeforeInit::read(&layout), BeforeInit::default());
        let note = Note { at: at(100), flags: None, written: "-C".to_owned() };
        note.write(&layout).unwrap();
        assert_eq!(BeforeInit::read(&layout).note, Some(note));
        std::fs::write(path(&layout), "{").unwrap();
        assert!(BeforeInit::read(&layout).trouble.is_some());
    }
}
