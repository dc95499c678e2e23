//! pot's log: which files, and opening one. No byte of a log is parsed on this side: the descriptor is passed on.

use super::core::Executor;
use super::protocol::{Compression, LogFileView, Reply};
use crate::files::HostPath;
use crate::layout::Layout;
use crate::platform;
use crate::refusal::{Refusal, RefusalKind};
use crate::rules::{LogRoute, log_route};
use jiff::Timestamp;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// newsyslog(8) numbers rotated files; nobody keeps more.
const GENERATIONS: u32 = 100;
/// pot's default facility.
const FACILITY: &str = "local2";

const SUFFIXES: [(&str, Compression); 5] = [
    ("", Compression::Plain),
    (".gz", Compression::Gzip),
    (".bz2", Compression::Bzip2),
    (".xz", Compression::Xz),
    (".zst", Compression::Zstd),
];

/// One file of the log.
pub(crate) struct Generation {
    /// Where it stands here.
    pub path: PathBuf,
    /// What is told of it.
    pub view: LogFileView,
}

impl Executor {
    pub(super) fn log_files(&self) -> Result<Reply, Refusal> {
        let facts = self.facts.get();
        let system = facts.as_ref().and_then(|facts| facts.system.get().cloned());
        Ok(Reply::LogFiles {
            facility: self.facility(),
            files: self.generations().into_iter().map(|generation| generation.view).collect(),
            time_zone: system.as_ref().map_or_else(|| "UTC".to_owned(), |system| system.time_zone.clone()),
            hostname: self.hostname(),
        })
    }

    pub(super) fn open_log(&self, generation: u32) -> Result<(Reply, OwnedFd), Refusal> {
        let generations = self.generations();
        let wanted = usize::try_from(generation).ok().and_then(|generation| generations.get(generation));
        let Some(wanted) = wanted else {
            let words = format!("There is no generation {generation} of the log; newsyslog may just have rotated it.");
            return Err(Refusal::new(RefusalKind::NotFound, words));
        };
        let failed = |error: std::io::Error| {
            Refusal::new(RefusalKind::Failed, format!("{} cannot be opened: {error}.", wanted.view.path))
        };
        let file = open(&wanted.path).map_err(failed)?;
        // Whoever can write to the log's folder can give a file of root's the name of a rotated one.
        HostPath::of(&self.layout, &wanted.path)
            .and_then(|here| here.refuse_other_names(&file))
            .map_err(|error| Refusal::new(RefusalKind::Forbidden, format!("{error}.")))?;
        let found = file.metadata().map_err(failed)?;
        // POT_LOG_FACILITY is an operator's to choose, what root keeps from others is not theirs to read by it.
        let facility = self.facility();
        if found.mode() & 0o004 == 0 && !facility.starts_with("local") {
            let words = format!(
                "{} is not shown: not everyone on this host may read it, and the facility {facility} holds more than \
                 what pot says. Set POT_LOG_FACILITY to one of local0 to local7.",
                wanted.view.path
            );
            return Err(Refusal::new(RefusalKind::Forbidden, words));
        }
        Ok((Reply::LogOpened { size: found.size() }, file.into()))
    }

    fn facility(&self) -> String {
        self.read_configuration()
            .ok()
            .and_then(|files| files.configuration.value("POT_LOG_FACILITY").map(str::to_owned))
            .filter(|facility| !facility.is_empty())
            .map_or_else(|| FACILITY.to_owned(), |word| crate::facility::received(&word).to_owned())
    }

    /// The file that takes the facility's info level, as syslogd's configuration says, and its rotated generations.
    fn generations(&self) -> Vec<Generation> {
        let facility = self.facility();
        let file = self.facts.get().and_then(|facts| match log_route(facts.syslog.get()?, &facility) {
            LogRoute::File(file) => Some(file.to_owned()),
            LogRoute::Missing(files) => files.first().map(|file| (*file).to_owned()),
            LogRoute::Elsewhere(_) | LogRoute::Nowhere => None,
        });
        let Some(live) = file else { return Vec::new() };
        rotated(&self.layout, &live)
    }

    pub(super) fn hostname(&self) -> String {
        self.facts
            .get()
            .and_then(|facts| facts.system.get().map(|system| system.hostname.clone()))
            .filter(|name| !name.is_empty())
            .or_else(|| {
                // This machine's name is not the simulated host's.
                let own = || nix::unistd::gethostname().ok()?.into_string().ok();
                if self.simulated { Some("simulated host".to_owned()) } else { own() }
            })
            .unwrap_or_default()
    }
}

/// A live log with its rotated generations, newest first. `live` is a path of the host.
pub(crate) fn rotated(layout: &Layout, live: &str) -> Vec<Generation> {
    let mut found: Vec<Generation> = generation(layout, live, Compression::Plain).into_iter().collect();
    let mut missing = 0;
    for number in 0..GENERATIONS {
        let rotated =
            SUFFIXES.iter().find_map(|(suffix, how)| generation(layout, &format!("{live}.{number}{suffix}"), *how));
        match rotated {
            Some(rotated) => {
                missing = 0;
                found.push(rotated);
            }
            // One may be missing while newsyslog is at it.
            None if missing >= 2 => break,
            None => missing += 1,
        }
    }
    found
}

fn generation(layout: &Layout, path: &str, compression: Compression) -> Option<Generation> {
    let on_disk = layout.on_disk(path);
    let found = on_disk.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
    let view = LogFileView {
        path: path.to_owned(),
        size: found.size(),
        modified: Timestamp::new(found.mtime(), i32::try_from(found.mtime_nsec()).unwrap_or(0)).ok(),
        compression,
        identity: (found.dev(), found.ino()),
    };
    Some(Generation { path: on_disk, view })
}

fn open(path: &std::path::Path) -> std::io::Result<File> {
    platform::open_for_reading(path)
}
