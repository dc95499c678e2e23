//! Writing a backup while the console may run. Under the change lock nothing is saved and no run goes on, until all but the
//! journal is read; how far that one goes is noted then, under its own lock, and what is appended behind that is not in it.

use super::contents::{ABOUT, About, FOLDER, Item, MANIFEST, Manifest, Part, SETTINGS};
use super::{ArchiveError, system};
use crate::digest::Digest;
use crate::files::Lock;
use crate::formats::{Kind, Stamp};
use crate::layout::Layout;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What was written.
#[derive(Debug)]
pub(crate) struct Written {
    /// What it says of itself.
    pub about: About,
    /// What is in it, in people's words, with the number of files.
    pub parts: Vec<(&'static str, usize)>,
    /// How many files.
    pub files: usize,
    /// Bytes in all of them.
    pub bytes: u64,
    /// Files of the private folder that are not in it, by name.
    pub left_out: Vec<String>,
}

/// Writes the console's files to `out`. `keys`: with the self-signed certificate's key and that of checkpoints. `lock` is
/// the change lock, which is let go before the journal is copied: that may be long.
///
/// # Errors
/// A file could not be read, or `out` not be written.
pub(crate) fn write(
    layout: &Layout,
    host: &str,
    keys: bool,
    out: &mut dyn Write,
    lock: Lock,
) -> Result<Written, ArchiveError> {
    let about = About {
        version: Kind::Backup.format().version,
        made: Timestamp::now(),
        host: host.to_owned(),
        keys,
        stamp: Stamp::of_this_program(),
    };
    let mut archive = Archive { out: tar::Builder::new(out), items: Vec::new(), parts: BTreeMap::new() };
    let begun = u64::try_from(about.made.as_second()).unwrap_or(0);
    archive.add_bytes(ABOUT, &json(&about)?, begun)?;
    let settings = layout.settings();
    match crate::platform::open_for_reading(&settings) {
        Ok(file) => archive.add(SETTINGS, Part::Settings, &file, &settings)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(system("reading", &settings)(error)),
    }
    let private = layout.private();
    let mut left_out = Vec::new();
    archive.folder(&private, "", keys, &mut left_out)?;
    // Last: it tells of everything before it.
    archive.journal(&private.join("journal"), &mut left_out, lock)?;
    let manifest = Manifest { files: std::mem::take(&mut archive.items) };
    archive.add_bytes(MANIFEST, &json(&manifest)?, begun)?;
    let failed = |error| ArchiveError::System { doing: "writing", path: "the backup".into(), source: error };
    archive.out.finish().map_err(failed)?;
    archive.out.get_mut().flush().map_err(failed)?;
    Ok(Written {
        about,
        parts: archive.parts.into_iter().map(|(part, count)| (part.what(), count)).collect(),
        files: manifest.files.len(),
        bytes: manifest.files.iter().map(|item| item.size).sum(),
        left_out,
    })
}

fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| system("writing", Path::new("the backup"))(io::Error::other(error)))?;
    bytes.push(b'\n');
    Ok(bytes)
}

struct Archive<'a> {
    out: tar::Builder<&'a mut dyn Write>,
    items: Vec<Item>,
    parts: BTreeMap<Part, usize>,
}

impl Archive<'_> {
    /// All of a folder but the journal that has its place in a backup, in the order of names.
    fn folder(
        &mut self,
        path: &Path,
        prefix: &str,
        keys: bool,
        left_out: &mut Vec<String>,
    ) -> Result<(), ArchiveError> {
        for (name, is_dir) in entries(path)? {
            let (full, inner) = (format!("{prefix}{name}"), path.join(&name));
            match Part::of(&full) {
                _ if is_dir && full == "journal" => {}
                _ if is_dir => self.folder(&inner, &format!("{full}/"), keys, left_out)?,
                Some((part, _)) if keys || !part.is_key() => match crate::platform::open_for_reading(&inner) {
                    Ok(file) => self.add(&full, part, &file, &inner)?,
                    // An old run that is pruned just now.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(system("reading", &inner)(error)),
                },
                _ => left_out.push(full),
            }
        }
        Ok(())
    }

    /// The journal as it stands under its lock: every file is opened there, and what is appended later is not in it.
    fn journal(&mut self, dir: &Path, left_out: &mut Vec<String>, change: Lock) -> Result<(), ArchiveError> {
        let lock = dir.join("lock");
        let locked =
            File::open(&lock).and_then(|file| file.lock_shared().map(|()| file)).map_err(system("locking", &lock))?;
        let mut opened = Vec::new();
        for (name, is_dir) in entries(dir)? {
            let full = format!("journal/{name}");
            let path = dir.join(&name);
            match Part::of(&full).filter(|_| !is_dir) {
                Some((part, _)) => {
                    let file = crate::platform::open_for_reading(&path).map_err(system("reading", &path))?;
                    let size = file.metadata().map_err(system("examining", &path))?.len();
                    opened.push((full, part, file, size, path));
                }
                None => left_out.push(full),
            }
        }
        drop(locked);
        drop(change);
        for (name, part, file, size, path) in opened {
            self.add_size(&name, part, &file, size, &path)?;
        }
        Ok(())
    }

    fn add(&mut self, name: &str, part: Part, file: &File, path: &Path) -> Result<(), ArchiveError> {
        let size = file.metadata().map_err(system("examining", path))?.len();
        self.add_size(name, part, file, size, path)
    }

    fn add_size(&mut self, name: &str, part: Part, file: &File, size: u64, path: &Path) -> Result<(), ArchiveError> {
        let found = file.metadata().map_err(system("examining", path))?;
        let changed = u64::try_from(found.mtime()).unwrap_or(0);
        // What the settings' group may read it may read again.
        let mode = if part == Part::Settings { found.mode() & 0o644 } else { 0o600 };
        self.append(name, size, mode, changed, file).map_err(system("backing up", path))?;
        *self.parts.entry(part).or_default() += 1;
        Ok(())
    }

    fn add_bytes(&mut self, name: &str, bytes: &[u8], changed: u64) -> Result<(), ArchiveError> {
        self.append(name, bytes.len() as u64, 0o600, changed, bytes).map_err(system("writing", Path::new("the backup")))
    }

    fn append(&mut self, name: &str, size: u64, mode: u32, changed: u64, from: impl Read) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_path(format!("{FOLDER}{name}"))?;
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(size);
        header.set_mode(mode);
        header.set_mtime(changed);
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root")?;
        header.set_groupname("wheel")?;
        header.set_cksum();
        let mut exactly = Exactly { from, rest: size, hasher: Sha256::new() };
        self.out.append(&header, &mut exactly)?;
        let digest = Digest::from_bytes(exactly.hasher.finalize().into());
        self.items.push(Item { name: name.to_owned(), size, digest });
        Ok(())
    }
}

/// Names in a folder, in order, and whether each is a folder; none when it is not there. What has no plain name is left
/// out: the console gives no other.
fn entries(path: &Path) -> Result<Vec<(String, bool)>, ArchiveError> {
    let listed = match std::fs::read_dir(path) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(system("listing", path)(error)),
    };
    let mut names = Vec::new();
    for entry in listed {
        let entry = entry.map_err(system("listing", path))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push((name, entry.file_type().is_ok_and(|kind| kind.is_dir())));
        }
    }
    names.sort();
    Ok(names)
}

/// Hands out exactly so many bytes, and hashes them.
struct Exactly<R> {
    from: R,
    rest: u64,
    hasher: Sha256,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.rest).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.from.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter meanwhile"));
        }
        self.hasher.update(&buffer[..count]);
        self.rest -= count as u64;
        Ok(count)
    }
}
