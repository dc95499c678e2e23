//! pot's log: which files, and opening one. No byte of a log is parsed on this side: the descriptor is passed on.

use super::protocol::{Compression, LogFileView, LogFiles, LogOpened, Reply};
use super::watch::Watching;
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

impl Watching {
    pub(super) fn log_files(&self) -> Result<Reply, Refusal> {
        let facts = self.facts.get();
        let system = facts.as_ref().and_then(|facts| facts.system.get().cloned());
        let facility = self.facility();
        Ok(Reply::LogFiles(LogFiles {
            files: self.generations(&facility).into_iter().map(|generation| generation.view).collect(),
            facility,
            time_zone: system.as_ref().map_or_else(|| "UTC".to_owned(), |system| system.time_zone.clone()),
            hostname: self.facts.hostname(),
        }))
    }

    pub(super) fn open_log(&self, generation: u32) -> Result<(Reply, OwnedFd), Refusal> {
        let facility = self.facility();
        let generations = self.generations(&facility);
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
        if found.mode() & 0o004 == 0 && !facility.starts_with("local") {
            let words = format!(
                "{} is not shown: not everyone on this host may read it, and the facility {facility} holds more than \
                 what pot says. Set POT_LOG_FACILITY to one of local0 to local7.",
                wanted.view.path
            );
            return Err(Refusal::new(RefusalKind::Forbidden, words));
        }
        Ok((Reply::LogOpened(LogOpened { size: found.size() }), file.into()))
    }

    fn facility(&self) -> String {
        self.managed
            .configuration()
            .ok()
            .and_then(|files| files.configuration.value("POT_LOG_FACILITY").map(str::to_owned))
            .filter(|facility| !facility.is_empty())
            .map_or_else(|| FACILITY.to_owned(), |word| crate::facility::received(&word).to_owned())
    }

    /// The file that takes the facility's info level, as syslogd's configuration says, and its rotated generations.
    fn generations(&self, facility: &str) -> Vec<Generation> {
        let file = self.facts.get().and_then(|facts| match log_route(facts.syslog.get()?, facility) {
            LogRoute::File(file) => Some(file.to_owned()),
            LogRoute::Missing(files) => files.first().map(|file| (*file).to_owned()),
            LogRoute::Elsewhere(_) | LogRoute::Nowhere => None,
        });
        let Some(live) = file else { return Vec::new() };
        rotated(&self.layout, &live)
    }
}

/// A live log with its rotated generations, newest first. `live` is a path of the host.
pub(crate) fn rotated(layout: &Layout, live: &str) -> Vec<Generation> {
    let mut found: Vec<Generation> = generation(layout, live, Compression::Plain).into_iter().collect();
    let archives = archives(layout, live);
    let mut missing = 0;
    for number in 0..GENERATIONS {
        let of_number = archives.iter().filter(|archive| archive.order == Order::Number(number));
        match of_number.map(|archive| archive.found(layout)).find(Option::is_some).flatten() {
            Some(rotated) => {
                missing = 0;
                found.push(rotated);
            }
            // One may be missing while newsyslog is at it.
            None if missing >= 2 => break,
            None => missing += 1,
        }
    }
    let numbered = found.len();
    let mut dated: Vec<&Archive> = archives.iter().filter(|archive| archive.order == Order::Time).collect();
    dated.sort_by(|one, other| other.path.cmp(&one.path));
    dated.truncate(GENERATIONS as usize);
    found.extend(dated.into_iter().filter_map(|archive| archive.found(layout)));
    if found.len() > numbered && numbered > 1 {
        // The host has changed from one way to the other: what was written last tells the order.
        found[1..].sort_by_key(|archive| std::cmp::Reverse(archive.view.modified));
    }
    found
}

/// A name that newsyslog(8) gives a rotated file.
struct Archive {
    /// The path on the host.
    path: String,
    compression: Compression,
    order: Order,
}

/// How newsyslog names them: by their number, or with `-t` after the time: `pot.log.20261128T000000.bz2`.
#[derive(Debug, PartialEq, Eq)]
enum Order {
    Number(u32),
    Time,
}

impl Archive {
    fn found(&self, layout: &Layout) -> Option<Generation> {
        generation(layout, &self.path, self.compression)
    }
}

/// The names beside the live log that are its archives', those of one number in the order of [`SUFFIXES`]. The folder is
/// read once: to ask for each name that there could be would be some fifty questions for each page.
fn archives(layout: &Layout, live: &str) -> Vec<Archive> {
    let Some((folder, name)) = live.rsplit_once('/') else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(layout.on_disk(if folder.is_empty() { "/" } else { folder })) else {
        return Vec::new();
    };
    let mut archives: Vec<(usize, Archive)> = entries
        .filter_map(|entry| {
            let archive = entry.ok()?.file_name().into_string().ok()?;
            let rest = archive.strip_prefix(name)?.strip_prefix('.')?;
            let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
            let (stamp, order) = match rest.get(..15).filter(|stamp| is_time(stamp)) {
                Some(stamp) => (stamp, Order::Time),
                // As newsyslog writes a number: without a zero before it.
                None => {
                    let number = rest.get(..digits)?;
                    (number, Order::Number(number.parse().ok().filter(|value: &u32| value.to_string() == number)?))
                }
            };
            let place = SUFFIXES.iter().position(|(suffix, _)| rest.strip_prefix(stamp) == Some(suffix))?;
            let (_, compression) = SUFFIXES[place];
            Some((place, Archive { path: format!("{folder}/{archive}"), compression, order }))
        })
        .collect();
    archives.sort_by_key(|(place, _)| *place);
    archives.into_iter().map(|(_, archive)| archive).collect()
}

/// newsyslog's usual format of a time, `%Y%m%dT%H%M%S`.
fn is_time(stamp: &str) -> bool {
    stamp.bytes().enumerate().all(|(at, byte)| if at == 8 { byte == b'T' } else { byte.is_ascii_digit() })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_named_after_the_time_are_read_newest_first() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("var/log");
        std::fs::create_dir_all(&folder).unwrap();
        let layout = Layout::new(root.path(), None);
        let names = |layout: &Layout| -> Vec<String> {
            rotated(layout, "/var/log/pot.log").into_iter().map(|found| found.view.path).collect()
        };
        for name in ["pot.log", "pot.log.20261128T000000.bz2", "pot.log.20261129T000000", "pot.log.20261127T010203.zst"]
        {
            std::fs::write(folder.join(name), "x").unwrap();
        }
        for other in ["pot.log.20261128T000000.bak", "pot.log.2026112", "pot.log.old", "other.log.20261128T000000.bz2"]
        {
            std::fs::write(folder.join(other), "x").unwrap();
        }
        assert_eq!(
            names(&layout),
            [
                "/var/log/pot.log",
                "/var/log/pot.log.20261129T000000",
                "/var/log/pot.log.20261128T000000.bz2",
                "/var/log/pot.log.20261127T010203.zst"
            ]
        );
        std::fs::write(folder.join("pot.log.0.bz2"), "x").unwrap();
        assert_eq!(names(&layout).len(), 5);
    }

    #[test]
    fn numbered_archives_are_those_that_newsyslog_writes_one_of_each_number_and_none_behind_a_gap() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("var/log");
        std::fs::create_dir_all(folder.join("pot.log.5")).unwrap();
        let layout = Layout::new(root.path(), None);
        for name in [
            "pot.log",
            "pot.log.10.gz",
            "pot.log.00",
            "pot.log.1x",
            "pot.log.1.bz2.bak",
            "pot.log.99999999999",
            "pot.log.0.zst",
            "pot.log.0.bz2",
            "pot.log.1",
            "pot.log.1.xz",
            "pot.log.4.gz",
            "pot.log.6.gz",
            "pots.log.2",
        ] {
            std::fs::write(folder.join(name), "x").unwrap();
        }
        let names: Vec<String> =
            rotated(&layout, "/var/log/pot.log").into_iter().map(|found| found.view.path).collect();
        // Two may be missing; a folder is no file; of one number the plain file comes before a packed one.
        assert_eq!(
            names,
            [
                "/var/log/pot.log",
                "/var/log/pot.log.0.bz2",
                "/var/log/pot.log.1",
                "/var/log/pot.log.4.gz",
                "/var/log/pot.log.6.gz"
            ]
        );
    }
}
