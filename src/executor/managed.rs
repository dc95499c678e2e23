//! The files that the console manages: where they stand, what is in them, and the versions of them that are kept.

use super::common::{SettingsInForce, lock};
use super::facts_cache::FactsCache;
use super::protocol::{BackupView, FileView, Reply};
use crate::clock::Clock;
use crate::digest::Digest;
use crate::files::{Backups, FileError, HostPath, Seen};
use crate::host::parse::syslog::main_file;
use crate::layout::Layout;
use crate::operations::log_routing;
use crate::plan::ManagedFile;
use crate::potconf::{Configuration, Document, LARGEST};
use crate::refusal::{Refusal, RefusalKind, sentence};
use jiff::Timestamp;
use std::collections::VecDeque;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Versions of pot.conf that forms may have been made from, in memory.
const REMEMBERED: usize = 16;
/// A managed file is not longer than this.
const LONGEST: u64 = 8 << 20;
/// A file that was changed longer ago than this is another file when it is changed again, as seen from outside.
const SETTLED_SECONDS: i64 = 2;
/// Versions younger than this are kept however many there are.
const YOUNG: Duration = Duration::from_hours(90 * 24);

/// Versions of pot.conf that were shown lately.
#[derive(Default)]
pub(super) struct Versions {
    shown: Mutex<VecDeque<(Digest, Vec<u8>)>>,
}

impl Versions {
    pub(super) fn remember(&self, bytes: &[u8]) {
        let digest = Digest::of(bytes);
        let mut shown = lock(&self.shown);
        if shown.iter().any(|(other, _)| *other == digest) {
            return;
        }
        shown.push_front((digest, bytes.to_vec()));
        shown.truncate(REMEMBERED);
    }

    /// The version with this content, from memory or from the kept ones.
    pub(super) fn find(&self, layout: &Layout, digest: &Digest) -> Option<Vec<u8>> {
        let remembered = lock(&self.shown).iter().find(|(other, _)| other == digest).map(|(_, bytes)| bytes.clone());
        remembered.or_else(|| Backups::of(layout).read(ManagedFile::PotConf.name(), digest).ok())
    }
}

/// Both files as they stand.
pub(super) struct Files {
    pub configuration: Configuration,
    pub exists: bool,
    pub modified: Option<Timestamp>,
}

impl Files {
    pub fn digest(&self) -> Digest {
        self.configuration.own().digest()
    }
}

impl From<FileError> for Refusal {
    fn from(error: FileError) -> Self {
        let kind = match &error {
            FileError::Missing(_) | FileError::Backup { .. } => RefusalKind::NotFound,
            FileError::Changed { .. } => RefusalKind::Conflict,
            _ if error.is_full() => RefusalKind::NotRecorded,
            _ => RefusalKind::Failed,
        };
        Self::new(kind, sentence(&error.to_string()))
    }
}

/// Device, inode, size, and when the inode last changed: with whatever is written.
pub(super) type Trace = (u64, u64, u64, (i64, i64));

/// What a file looks like from outside.
pub(super) fn trace(found: &Metadata) -> Trace {
    (found.dev(), found.ino(), found.size(), (found.ctime(), found.ctime_nsec()))
}

/// What pot.conf and the default file look like from outside, each with where its name leads.
type Traces = [(HostPath, Option<Trace>); 2];

/// A configuration file that cannot be read as one.
fn unreadable(words: &str) -> Refusal {
    Refusal::new(RefusalKind::Unreadable, sentence(words))
}

/// Every file that the console reads and writes on the host.
pub(super) struct ManagedFiles {
    layout: Layout,
    settings: SettingsInForce,
    facts: Arc<FactsCache>,
    clock: Clock,
    /// Both files as they were read last, and what they looked like from outside before.
    read: Mutex<Option<(Traces, Arc<Files>)>>,
}

impl ManagedFiles {
    pub(super) fn new(layout: &Layout, settings: SettingsInForce, facts: Arc<FactsCache>, clock: Clock) -> Self {
        Self { layout: layout.clone(), settings, facts, clock, read: Mutex::default() }
    }

    /// Both files, read only when they look otherwise than when they were read last.
    pub(super) fn configuration(&self) -> Result<Arc<Files>, Refusal> {
        // Looked at before they are read: what is written meanwhile looks otherwise at the next question.
        let traces = self.traces_of_configuration();
        if let (Some((of, files)), Some(traces)) = (&*lock(&self.read), &traces)
            && of == traces
        {
            return Ok(Arc::clone(files));
        }
        let files = self.read_configuration().map(Arc::new);
        *lock(&self.read) = traces.zip(files.as_ref().ok().map(Arc::clone));
        files
    }

    /// Reads both files.
    pub(super) fn read_configuration(&self) -> Result<Files, Refusal> {
        let most = u64::try_from(LARGEST).unwrap_or(u64::MAX);
        let read = |path: &Path| match HostPath::of(&self.layout, path).and_then(|file| file.read(most)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(FileError::Missing(_)) => Ok(None),
            Err(error) => Err(unreadable(&error.to_string())),
        };
        let parse = |bytes: &[u8], path: &Path| {
            Document::parse(bytes).map_err(|error| {
                unreadable(&format!("{} cannot be read as a configuration: {error}", self.layout.shown(path)))
            })
        };
        let (own_path, default_path) = (self.layout.pot_conf(), self.layout.default_conf());
        let own = read(&own_path)?;
        let default = read(&default_path)?.unwrap_or_default();
        let modified = own_path
            .metadata()
            .ok()
            .and_then(|found| Timestamp::new(found.mtime(), i32::try_from(found.mtime_nsec()).unwrap_or(0)).ok());
        let exists = own.is_some();
        let configuration =
            Configuration::new(parse(&default, &default_path)?, parse(&own.unwrap_or_default(), &own_path)?);
        Ok(Files { configuration, exists, modified })
    }

    /// What both files look like from outside, when that tells another content: not of one that was written within the
    /// last seconds, which could be written again within one tick of its clock, nor where a name leads nowhere.
    fn traces_of_configuration(&self) -> Option<Traces> {
        let seen = Seen::default();
        let traces = |path: &Path| {
            let (file, found) = HostPath::seen(&self.layout, path, &seen).ok()?;
            let trace = match found {
                Some(found) => Some(trace(&found)),
                None => match std::fs::symlink_metadata(&file.real) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                    // A part of the way is no folder: no file is missing there, there is none to be read.
                    _ => return None,
                },
            };
            let settled = |(seconds, _): (i64, i64)| seconds < Timestamp::now().as_second() - SETTLED_SECONDS;
            trace.is_none_or(|trace| settled(trace.3)).then_some((file, trace))
        };
        Some([traces(&self.layout.pot_conf())?, traces(&self.layout.default_conf())?])
    }

    pub(super) fn backups(&self) -> Backups {
        Backups::of(&self.layout).with_clock(self.clock.clone())
    }

    pub(super) fn prune_backups(&self) {
        let number = usize::try_from(self.settings.get().backups).unwrap_or(usize::MAX);
        if let Err(error) = self.backups().prune(number, YOUNG) {
            tracing::warn!("old versions could not be removed: {error}");
        }
    }

    /// Where a managed file stands on the host; nothing from outside chooses it but the name of the kind. pf's file is
    /// the one that `sysrc -n pf_rules` names.
    pub(super) fn host_path(&self, file: ManagedFile) -> String {
        match file {
            ManagedFile::PotConf => self.layout.shown(&self.layout.pot_conf()),
            ManagedFile::PfConf => {
                self.facts.pf_path().filter(|path| path.starts_with('/')).unwrap_or_else(|| "/etc/pf.conf".to_owned())
            }
            ManagedFile::RcConf => "/etc/rc.conf".to_owned(),
            ManagedFile::LoaderConf => "/boot/loader.conf".to_owned(),
            ManagedFile::SyslogConf => log_routing::OLD_RULE.to_owned(),
            ManagedFile::NewsyslogConf => log_routing::OLD_ROTATION.to_owned(),
            ManagedFile::SyslogMain => self
                .facts
                .get()
                .and_then(|facts| facts.syslog.get().and_then(|syslog| main_file(&syslog.flags)))
                .filter(|path| path.starts_with('/'))
                .unwrap_or_else(|| log_routing::MAIN.to_owned()),
            ManagedFile::LogRule => log_routing::RULE.to_owned(),
            ManagedFile::LogRotation => log_routing::ROTATION.to_owned(),
        }
    }

    pub(super) fn managed_path(&self, file: ManagedFile) -> PathBuf {
        match file {
            // `--etc` may lie outside of the root.
            ManagedFile::PotConf => self.layout.pot_conf(),
            other => self.layout.on_disk(&self.host_path(other)),
        }
    }

    /// Where it is read and written, links followed.
    pub(super) fn managed_place(&self, file: ManagedFile) -> Result<HostPath, FileError> {
        HostPath::of(&self.layout, &self.managed_path(file))
    }

    pub(super) fn read_managed(&self, file: ManagedFile) -> Result<Reply, Refusal> {
        let bytes = self.managed_place(file)?.read(LONGEST)?;
        Ok(Reply::File(FileView { digest: Digest::of(&bytes), bytes, path: self.host_path(file) }))
    }

    pub(super) fn list_backups(&self, file: Option<ManagedFile>) -> Result<Reply, Refusal> {
        let current: Vec<(ManagedFile, Option<Digest>)> = ManagedFile::ALL
            .into_iter()
            .map(|file| {
                let bytes = self.managed_place(file).and_then(|here| here.read(LONGEST)).ok();
                (file, bytes.map(|bytes| Digest::of(&bytes)))
            })
            .collect();
        let backups = self
            .backups()
            .list(file.map(ManagedFile::name))?
            .into_iter()
            .filter_map(|backup| {
                let (file, now) = current.iter().find(|(file, _)| file.name() == backup.file)?;
                Some(BackupView {
                    file: *file,
                    path: backup.path,
                    digest: backup.digest,
                    size: backup.size,
                    at: backup.at,
                    record: backup.record,
                    current: *now == Some(backup.digest),
                })
            })
            .collect();
        Ok(Reply::Backups { backups })
    }

    pub(super) fn read_backup(&self, file: ManagedFile, digest: &Digest) -> Result<Reply, Refusal> {
        let bytes = self.backups().read(file.name(), digest)?;
        if bytes.len() as u64 > LONGEST {
            return Err(Refusal::new(RefusalKind::Limit, "This version is too large to be shown."));
        }
        Ok(Reply::File(FileView { digest: *digest, bytes, path: self.host_path(file) }))
    }
}
