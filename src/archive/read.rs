//! Reading a backup: nothing but plain files of the closed list, in an archive as this program writes it.

use super::contents::{
    ABOUT, About, FOLDER, Item, LONGEST_ABOUT, LONGEST_MANIFEST, MANIFEST, MOST_BYTES, MOST_FILES, Manifest, Part,
    SETTINGS,
};
use super::{ArchiveError, system};
use crate::digest::Digest;
use crate::files::{self, Unpacking, make_private_dir};
use crate::formats::Kind;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Where a backup was unpacked to, below the folder that was given.
pub(super) const PRIVATE: &str = "root";

/// What was read.
pub(super) struct Unpacked {
    pub(super) about: About,
    /// The digest of the manifest, by which this backup is told from others.
    pub(super) digest: Digest,
    /// What is in it.
    pub(super) parts: BTreeSet<Part>,
    pub(super) files: usize,
    pub(super) bytes: u64,
    /// The mode of the settings, where they are in it.
    pub(super) settings_mode: Option<u32>,
}

fn unsound(what: impl Into<String>) -> ArchiveError {
    ArchiveError::Unsound(what.into())
}

/// Unpacks a backup into the folder `into`, which is made and must not exist: the private folder's files below `root`, the
/// settings beside it, each its owner's alone. What is not sound is left there: the caller takes the folder away.
///
/// # Errors
/// It is no sound backup, of a newer version, or something could not be written.
pub(super) fn unpack(from: &mut dyn Read, into: &Path, unpacking: Unpacking) -> Result<Unpacked, ArchiveError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(into).map_err(system("making the folder", into))?;
    let private = into.join(PRIVATE);
    make_private_dir(&private)?;
    let mut archive = tar::Archive::new(from);
    let mut about: Option<About> = None;
    let mut manifest: Option<(Manifest, Digest)> = None;
    let mut items: Vec<Item> = Vec::new();
    let (mut names, mut parts, mut bytes, mut settings_mode) = (BTreeSet::new(), BTreeSet::new(), 0_u64, None);
    let mut folders = BTreeSet::from([into.to_owned(), private.clone()]);
    let damaged = |error: io::Error| unsound(format!("it cannot be read as tar: {error}"));
    // Raw: the headers of extensions (long names, links, sparse files) are files of a kind that is not taken.
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        let name = name_of(&entry)?;
        if manifest.is_some() {
            return Err(unsound("something follows its manifest"));
        }
        if !names.insert(name.clone()) {
            return Err(unsound(format!("{name} is in it twice")));
        }
        if names.len() > MOST_FILES {
            return Err(unsound(format!("it holds more than {MOST_FILES} files")));
        }
        let size = entry.size();
        bytes = bytes.saturating_add(size);
        let part = Part::of(&name);
        let most = match (name.as_str(), part) {
            (ABOUT, _) => LONGEST_ABOUT,
            (MANIFEST, _) => LONGEST_MANIFEST,
            (_, Some((_, most))) => most,
            (_, None) => return Err(unsound(format!("{name} is no file of the console"))),
        };
        if size > most || bytes > MOST_BYTES {
            return Err(unsound(format!("{name} is {size} bytes long, more than it can be")));
        }
        match (name.as_str(), &about) {
            (ABOUT, None) => {
                let text = whole(&mut entry, size)?;
                items.push(Item { name, size, digest: Digest::of(&text) });
                about = Some(read_about(&text)?);
            }
            (_, None) => return Err(unsound(format!("its first file is {name}, not {ABOUT}"))),
            (MANIFEST, _) => {
                let text = whole(&mut entry, size)?;
                let read = serde_json::from_slice(&text).map_err(|_| unsound("its manifest is unreadable"))?;
                manifest = Some((read, Digest::of(&text)));
            }
            _ => {
                let path = if name == SETTINGS { into.join(&name) } else { private.join(&name) };
                if let Some(folder) = path.parent().filter(|folder| !folders.contains(*folder)) {
                    make_private_dir(folder)?;
                    // Each on the way is made durable below.
                    folders.extend(folder.ancestors().take_while(|one| *one != into).map(Path::to_owned));
                }
                if name == SETTINGS {
                    settings_mode = Some(entry.header().mode().map_err(damaged)? & 0o644 | 0o600);
                }
                let digest = write_file(&mut entry, size, &path, &name, unpacking)?;
                items.push(Item { name, size, digest });
                parts.extend(part.map(|(part, _)| part));
            }
        }
    }
    let about = about.ok_or_else(|| unsound("it holds nothing"))?;
    let (manifest, digest) =
        manifest.ok_or_else(|| unsound("it is cut off: its manifest, which comes last, is missing"))?;
    ends(archive.into_inner())?;
    for (found, listed) in items.iter().zip(&manifest.files) {
        if found != listed {
            return Err(unsound(format!("{} is not as its manifest says", found.name)));
        }
    }
    if items.len() != manifest.files.len() {
        return Err(unsound("its manifest lists other files than it holds"));
    }
    if unpacking == Unpacking::ToKeep {
        for folder in &folders {
            files::sync_folder(folder)?;
        }
    }
    Ok(Unpacked { about, digest, parts, files: items.len(), bytes, settings_mode })
}

/// A plain file's name below the archive's folder.
fn name_of<R: Read>(entry: &tar::Entry<'_, R>) -> Result<String, ArchiveError> {
    let header = entry.header();
    let shown = String::from_utf8_lossy(&entry.path_bytes()).escape_debug().take(120).collect::<String>();
    if header.as_ustar().is_none() || header.entry_type() != tar::EntryType::Regular {
        let kind = match header.entry_type() {
            tar::EntryType::Symlink => "a symbolic link",
            tar::EntryType::Link => "a hard link",
            tar::EntryType::Char | tar::EntryType::Block => "a device",
            tar::EntryType::Directory => "a folder",
            tar::EntryType::Fifo => "a FIFO",
            _ => "of another kind",
        };
        return Err(unsound(format!("{shown} is {kind}, not a plain file")));
    }
    std::str::from_utf8(&entry.path_bytes())
        .ok()
        .and_then(|path| path.strip_prefix(FOLDER))
        .filter(|name| Part::of(name).is_some() || [ABOUT, MANIFEST].contains(name))
        .map(str::to_owned)
        .ok_or_else(|| unsound(format!("{shown} is no file of the console")))
}

fn read_about(text: &[u8]) -> Result<About, ArchiveError> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "pot-console-backup")]
        version: u64,
    }
    let other = |_| unsound(format!("its {ABOUT} is unreadable"));
    // First: a newer one may say everything else otherwise.
    let named: Named = serde_json::from_slice(text).map_err(other)?;
    Kind::Backup.must_be_known(Path::new("the backup"), named.version)?;
    let about: About = serde_json::from_slice(text).map_err(other)?;
    about.stamp.must_be_known(Path::new("the backup"))?;
    Ok(about)
}

fn whole(from: &mut dyn Read, size: u64) -> Result<Vec<u8>, ArchiveError> {
    let mut text = Vec::new();
    from.take(size).read_to_end(&mut text).map_err(|error| unsound(format!("it cannot be read: {error}")))?;
    if text.len() as u64 == size { Ok(text) } else { Err(unsound("it is cut off")) }
}

fn write_file(
    from: &mut dyn Read,
    size: u64,
    path: &Path,
    name: &str,
    unpacking: Unpacking,
) -> Result<Digest, ArchiveError> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
        .map_err(system("making", path))?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(system("making", path))?;
    let (mut hasher, mut rest, mut buffer) = (Sha256::new(), size, files::buffer_for(size));
    while rest > 0 {
        let most = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let count = match from.read(&mut buffer[..most]) {
            Ok(0) => return Err(unsound(format!("it is cut off in {name}"))),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unsound(format!("{name} cannot be read: {error}"))),
        };
        hasher.update(&buffer[..count]);
        file.write_all(&buffer[..count]).map_err(system("writing", path))?;
        rest -= count as u64;
    }
    if unpacking == Unpacking::ToKeep {
        crate::platform::sync_all(&file).map_err(system("writing", path))?;
    }
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

/// After its last file an archive holds nothing but zeros.
fn ends(rest: &mut dyn Read) -> Result<(), ArchiveError> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) if buffer[..count].iter().all(|byte| *byte == 0) => {}
            Ok(_) => return Err(unsound("something follows its end")),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unsound(format!("it cannot be read: {error}"))),
        }
    }
}
