//! The journal and a few small files beside it (accounts) in one file, for another machine. The signing key is
//! never in it.
//!
//! The file is a line `pot-console backup 1 DIGEST`, a line of JSON with that digest that lists every file with its
//! size and digest, and then the files' bytes one after another.

use super::chain::{segment_path, segments};
use super::checkpoint::PRUNED;
use super::error::{JournalError, system};
use super::verify::{VerifyReport, verify_parts};
use super::write::create_private;
use crate::digest::Digest;
use crate::files::{self, Unpacking};
use crate::formats::Kind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: &str = "pot-console backup";
/// A manifest of ten thousand segments stays below this.
const LONGEST_MANIFEST: u64 = 4 << 20;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    made: Timestamp,
    files: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    name: String,
    size: u64,
    digest: Digest,
}

/// What was written or checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BackupReport {
    /// When it was made.
    pub made: Timestamp,
    /// Names of the files in it.
    pub files: Vec<String>,
    /// Bytes in all of them.
    pub bytes: u64,
    /// The journal in it, verified; none right after writing.
    pub journal: Option<VerifyReport>,
}

enum Source<'a> {
    File(PathBuf),
    Bytes(&'a [u8]),
}

/// Writes the journal in `dir` and `others` (name without folders, bytes) to `out`. Appending may go on: what is in
/// the journal at the beginning is in the backup.
pub(crate) fn write_backup(
    dir: &Path,
    others: &[(&str, &[u8])],
    out: &mut dyn Write,
) -> Result<BackupReport, JournalError> {
    let sources = sources(dir, others)?;
    let mut items = Vec::new();
    for (name, size, source) in &sources {
        let mut hasher = Sha256::new();
        copy(source, *size, &mut |bytes| {
            hasher.update(bytes);
            Ok(())
        })?;
        items.push(Item { name: name.clone(), size: *size, digest: Digest::from_bytes(hasher.finalize().into()) });
    }
    let manifest = Manifest { made: Timestamp::now(), files: items };
    let json = serde_json::to_string(&manifest).map_err(|error| system("backing up", dir)(io::Error::other(error)))?;
    let failed = |error| JournalError::System { doing: "writing a backup of", path: dir.to_owned(), source: error };
    let version = Kind::HistoryBackup.format().version;
    write!(out, "{MAGIC} {version} {}\n{json}\n", Digest::of(json.as_bytes())).map_err(failed)?;
    for (_, size, source) in &sources {
        copy(source, *size, &mut |bytes| out.write_all(bytes))?;
    }
    out.flush().map_err(failed)?;
    Ok(report(&manifest, None))
}

fn report(manifest: &Manifest, journal: Option<VerifyReport>) -> BackupReport {
    BackupReport {
        made: manifest.made,
        files: manifest.files.iter().map(|item| item.name.clone()).collect(),
        bytes: manifest.files.iter().map(|item| item.size).fold(0, u64::saturating_add),
        journal,
    }
}

fn sources<'a>(dir: &Path, others: &[(&str, &'a [u8])]) -> Result<Vec<(String, u64, Source<'a>)>, JournalError> {
    let lock = dir.join("lock");
    let locked =
        File::open(&lock).and_then(|file| file.lock_shared().map(|()| file)).map_err(system("locking", &lock))?;
    let mut sources = Vec::new();
    for first in segments(dir).map_err(system("listing", dir))? {
        let path = segment_path(dir, first);
        let size = path.metadata().map_err(system("examining", &path))?.len();
        sources.push((format!("journal/{first:020}.journal"), size, Source::File(path)));
    }
    let pruned = dir.join(PRUNED);
    if let Ok(facts) = pruned.metadata() {
        sources.push((format!("journal/{PRUNED}"), facts.len(), Source::File(pruned)));
    }
    drop(locked);
    for (name, bytes) in others {
        sources.push(((*name).to_owned(), bytes.len() as u64, Source::Bytes(bytes)));
    }
    Ok(sources)
}

fn copy(source: &Source<'_>, size: u64, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), JournalError> {
    match source {
        Source::Bytes(bytes) => take(bytes).map_err(system("writing a backup of", Path::new("accounts"))),
        Source::File(path) => {
            let mut file = crate::platform::open_for_reading(path).map_err(system("reading", path))?;
            exactly(&mut file, size, take).map_err(system("backing up", path))
        }
    }
}

/// Hands out exactly `size` bytes of `from`.
fn exactly(from: &mut dyn Read, size: u64, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let (mut buffer, mut rest) = (files::buffer_for(size), size);
    while rest > 0 {
        let want = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let count = match from.read(&mut buffer[..want]) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is shorter than it says")),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        take(&buffer[..count])?;
        rest -= count as u64;
    }
    Ok(())
}

/// Reads a backup to its end and checks every file in it and the journal's chain. `scratch` is a folder that does not
/// exist; the journal is unpacked there for the while.
pub(crate) fn check_backup(from: &mut dyn Read, scratch: &Path) -> Result<BackupReport, JournalError> {
    let report = unpack_into(from, scratch, Unpacking::ToCheck);
    let _ = std::fs::remove_dir_all(scratch);
    report
}

/// Unpacks a backup into the folder `into`, which must not exist: `into/journal`, `into/accounts` … Every digest and
/// the journal's chain are checked; on any error the folder is removed again. The copied head is not part of a
/// backup: the next opening says that the journal was put in place.
pub(crate) fn restore_backup(from: &mut dyn Read, into: &Path) -> Result<BackupReport, JournalError> {
    unpack_into(from, into, Unpacking::ToKeep)
}

fn unpack_into(from: &mut dyn Read, into: &Path, unpacking: Unpacking) -> Result<BackupReport, JournalError> {
    std::fs::DirBuilder::new().create(into).map_err(system("making the folder to restore", into))?;
    let restored = unpack(from, into, unpacking);
    if restored.is_err() {
        let _ = std::fs::remove_dir_all(into);
    }
    restored
}

fn unpack(from: &mut dyn Read, into: &Path, unpacking: Unpacking) -> Result<BackupReport, JournalError> {
    let not_one = |what: &str| {
        system("restoring", into)(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("this is no sound backup: {what}"),
        ))
    };
    files::make_private_dir(&into.join("journal"))?;
    std::fs::set_permissions(into, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .map_err(system("restoring", into))?;
    let mut from = BufReader::new(from);
    let mut line = || {
        let mut text = String::new();
        from.by_ref().take(LONGEST_MANIFEST).read_line(&mut text).map_err(|_| not_one("its beginning is not text"))?;
        text.strip_suffix('\n').map(str::to_owned).ok_or_else(|| not_one("its beginning is cut off"))
    };
    let first = line()?;
    let named = first.strip_prefix(MAGIC).and_then(|rest| rest.strip_prefix(' ')?.split_once(' '));
    let (version, digest) = named.ok_or_else(|| not_one("its first line is another"))?;
    let version: u64 = version.parse().map_err(|_| not_one("its first line is another"))?;
    Kind::HistoryBackup.must_be_known(Path::new("the backup"), version).map_err(files::FileError::from)?;
    let digest = digest.trim().parse::<Digest>().map_err(|_| not_one("its first line is another"))?;
    let json = line()?;
    if Digest::of(json.as_bytes()) != digest {
        return Err(not_one("its list of files was changed"));
    }
    let manifest: Manifest = serde_json::from_str(&json).map_err(|_| not_one("its list of files is unreadable"))?;
    for item in &manifest.files {
        if !is_plain(&item.name) {
            return Err(not_one("a name in it leads elsewhere"));
        }
        let path = into.join(&item.name);
        let mut file = create_private(&path).map_err(system("restoring", &path))?;
        let mut hasher = Sha256::new();
        exactly(&mut from, item.size, &mut |bytes| {
            hasher.update(bytes);
            file.write_all(bytes)
        })
        .and_then(|()| match unpacking {
            Unpacking::ToCheck => Ok(()),
            Unpacking::ToKeep => crate::platform::sync_all(&file),
        })
        .map_err(system("restoring", &path))?;
        if Digest::from_bytes(hasher.finalize().into()) != item.digest {
            return Err(not_one(&format!("{} was changed", item.name)));
        }
    }
    if from.fill_buf().map_err(system("restoring", into))?.is_empty() {
        let journal = verify_parts(&into.join("journal"), None, None);
        if let Some(problem) = journal.problem {
            return Err(JournalError::Broken(problem));
        }
        return Ok(report(&manifest, Some(journal)));
    }
    Err(not_one("something follows its last file"))
}

/// A name without folders, or one in `journal/`.
fn is_plain(name: &str) -> bool {
    let name = name.strip_prefix("journal/").unwrap_or(name);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(allowed) && name != "journal"
}
