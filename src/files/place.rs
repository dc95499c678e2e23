//! Where a path really is, and who can change what stands there: the one judgement of "only root can write here".
//!
//! The settings of pot, the files that the console writes, the hook, and the console's own root all ask it. Links are
//! followed as the host itself would follow them: on a simulated host nothing leads out of its root.

use super::error::FileError;
use super::replace::read_open;
use crate::layout::Layout;
use crate::platform;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// More links than any honest path has.
const MOST_LINKS: usize = 32;

/// A path followed to its end. Who may write is told by owner and mode; ACLs only as far as the mode shows them.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Where it is on this machine, every link followed.
    pub real: PathBuf,
    /// What its name itself is: a link is not followed. None: nothing is there.
    pub itself: Option<Metadata>,
    /// What stands at its end. None: nothing, or nothing yet.
    pub found: Option<Metadata>,
    exposed: Option<PathBuf>,
    replaceable: Option<PathBuf>,
}

impl Place {
    /// Follows `path`, which is one of this machine ([`Layout::on_disk`]), within the host's root.
    ///
    /// # Errors
    /// It leads in a ring, or a part of it may not be looked at. That nothing is there is no error.
    pub fn of(layout: &Layout, path: &Path) -> Result<Self, FileError> {
        Self::seen(layout, path, &Seen::default())
    }

    /// The same for one of several paths, each part of which is looked at once.
    fn seen(layout: &Layout, path: &Path, seen: &Seen) -> Result<Self, FileError> {
        let (root, below, own) = match path.strip_prefix(layout.root()) {
            Ok(below) if layout.is_below_a_root() => {
                let root = layout.root().to_owned();
                let owner = root.metadata().map_err(FileError::system("examining", &root))?.uid();
                (root, below.to_owned(), owner)
            }
            Ok(below) => (layout.root().to_owned(), below.to_owned(), 0),
            // pot's folder may stand outside of a simulated host (`--etc`).
            Err(_) => {
                let path = std::path::absolute(path).map_err(FileError::system("looking for", path))?;
                let below = path.strip_prefix("/").unwrap_or(&path).to_owned();
                (PathBuf::from("/"), below, nix::unistd::geteuid().as_raw())
            }
        };
        let following = |source| FileError::System { doing: "following", path: path.to_owned(), source };
        Walk { root, own, seen }.follow(&below).map_err(following)
    }

    /// Whether its name is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.itself.as_ref().is_some_and(Metadata::is_symlink)
    }

    /// Whether only root (on a simulated host: who owns its root) can change what stands there: it, as far as it
    /// exists, and every folder and link on the way to it are root's and writable by no other.
    pub(crate) fn only_root_writes(&self) -> bool {
        self.exposed.is_none()
    }

    /// The first part of the way that others than root can change.
    pub(crate) fn exposed(&self) -> Option<&Path> {
        self.exposed.as_deref()
    }

    /// The first folder in which others than root could put something else in its place. What stands there may itself
    /// be anybody's. In a sticky folder of root's, like /tmp, nobody else can replace what is there and root's.
    pub(crate) fn replaceable(&self) -> Option<&Path> {
        self.replaceable.as_deref()
    }
}

/// What stood at each path when it was looked at.
#[derive(Debug, Default)]
pub(crate) struct Seen(RefCell<BTreeMap<PathBuf, Option<Metadata>>>);

impl Seen {
    /// What stands there, links not followed; none: nothing.
    fn existing(&self, path: &Path) -> io::Result<Option<Metadata>> {
        if let Some(found) = self.0.borrow().get(path) {
            return Ok(found.clone());
        }
        let found = match path.symlink_metadata() {
            Ok(found) => Some(found),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
            Err(error) => return Err(error),
        };
        self.0.borrow_mut().insert(path.to_owned(), found.clone());
        Ok(found)
    }
}

/// A host's root, and who besides uid 0 counts as its root.
struct Walk<'a> {
    root: PathBuf,
    own: u32,
    seen: &'a Seen,
}

impl Walk<'_> {
    fn follow(&self, below: &Path) -> io::Result<Place> {
        let mut to_do: Vec<OsString> = parts_reversed(below);
        let mut named = to_do.len();
        let mut done: Vec<OsString> = Vec::new();
        let mut place = Place {
            real: self.root.clone(),
            itself: None,
            found: Some(self.seen.existing(&self.root)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?),
            exposed: None,
            replaceable: None,
        };
        let mut links = 0;
        self.judge(&mut place, None, to_do.is_empty());
        while let Some(part) = to_do.pop() {
            let is_name = named == 1 && to_do.is_empty();
            named = named.min(to_do.len());
            if part == ".." {
                // Nothing has no folder above it, nor has a file.
                if !place.found.as_ref().is_some_and(Metadata::is_dir) {
                    place.found = None;
                    return Ok(place);
                }
                done.pop();
                place.real = self.path(&done);
                place.found = self.seen.existing(&place.real)?;
                continue;
            }
            let above = place.found.take();
            done.push(part);
            place.real = self.path(&done);
            place.found = self.seen.existing(&place.real)?;
            if is_name {
                place.itself.clone_from(&place.found);
            }
            let is_link = place.found.as_ref().is_some_and(Metadata::is_symlink);
            self.judge(&mut place, above.as_ref(), to_do.is_empty() && !is_link);
            if is_link {
                links += 1;
                if links > MOST_LINKS {
                    return Err(io::Error::from_raw_os_error(libc::ELOOP));
                }
                let leads_to = std::fs::read_link(&place.real)?;
                if leads_to.is_absolute() {
                    done.clear();
                } else {
                    done.pop();
                }
                to_do.extend(parts_reversed(&leads_to));
                place.real = self.path(&done);
                place.found = self.seen.existing(&place.real)?;
            }
        }
        Ok(place)
    }

    /// Judges the part that was reached, which stands in the folder `above`.
    fn judge(&self, place: &mut Place, above: Option<&Metadata>, is_last: bool) {
        let roots = |facts: &Metadata| facts.uid() == 0 || facts.uid() == self.own;
        let open = |facts: &Metadata| !facts.is_symlink() && facts.mode() & 0o022 != 0;
        let shared = |facts: &Metadata| facts.is_dir() && open(facts) && facts.mode() & 0o1000 != 0;
        if let Some(found) = &place.found {
            if !roots(found) || open(found) {
                place.exposed.get_or_insert_with(|| place.real.clone());
            }
            if !is_last && (!roots(found) || (open(found) && !shared(found))) {
                place.replaceable.get_or_insert_with(|| place.real.clone());
            }
        }
        // Whoever may make things in a shared folder made this one, or could make it first.
        if above.is_some_and(shared) && !place.found.as_ref().is_some_and(roots) {
            let folder = place.real.parent().unwrap_or(&self.root).to_owned();
            place.replaceable.get_or_insert(folder);
        }
    }

    fn path(&self, parts: &[OsString]) -> PathBuf {
        let mut path = self.root.clone();
        path.extend(parts);
        path
    }
}

fn parts_reversed(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

/// A configuration file of the host: where it is read and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPath {
    /// Where it is on this machine: the file itself, no link.
    pub real: PathBuf,
    /// The file that the link at its name leads to, as the host calls it; none: its name is no link.
    pub leads_to: Option<String>,
    /// The first part of the way that others than root can change.
    exposed: Option<PathBuf>,
}

impl HostPath {
    /// Where the file at `path` ([`Layout::on_disk`]) is to be read and written. A link at its name is followed within
    /// its own folder, and out of it only over folders and links that only root can change, to a file that only root
    /// can write: whoever could change the rest would choose what root reads and writes.
    ///
    /// # Errors
    /// [`FileError`], with paths as the host calls them: the link leads to nothing, to no file, or over what others can
    /// change. A file that is not there is no error here.
    pub fn of(layout: &Layout, path: &Path) -> Result<Self, FileError> {
        Self::seen(layout, path, &Seen::default()).map(|(file, _)| file)
    }

    /// The same for one of several files, each part of whose ways is looked at once; with what stands there, if anything.
    ///
    /// # Errors
    /// As [`HostPath::of`].
    pub(crate) fn seen(layout: &Layout, path: &Path, seen: &Seen) -> Result<(Self, Option<Metadata>), FileError> {
        let place = Place::seen(layout, path, seen)?;
        let exposed = place.exposed().map(Path::to_owned);
        if !place.is_link() {
            return Ok((Self { real: place.real, leads_to: None, exposed }, place.found));
        }
        let shown = |path: &Path| PathBuf::from(layout.shown(path));
        let target = shown(&place.real);
        match &place.found {
            None => return Err(FileError::LinkToNothing { path: shown(path), target }),
            Some(found) if !found.is_file() => return Err(FileError::NotRegular(target)),
            Some(_) => {}
        }
        if let Some(exposed) = &exposed
            && !leads_to_a_neighbour(layout, path, &place)?
        {
            return Err(FileError::LinkExposed { path: shown(path), target, exposed: shown(exposed) });
        }
        Ok((Self { leads_to: Some(target.display().to_string()), real: place.real, exposed }, place.found))
    }

    /// Its bytes.
    ///
    /// # Errors
    /// It is missing, no regular file, longer than `max` bytes, or cannot be read; or it has more names, and others
    /// can change its folder.
    pub fn read(&self, max: u64) -> Result<Vec<u8>, FileError> {
        let file = platform::open_for_reading(&self.real).map_err(FileError::system("opening", &self.real))?;
        self.refuse_other_names(&file)?;
        read_open(file, &self.real, max)
    }

    /// Refuses an open file that may be one of root's under a name that someone else gave it: a hard link may be made to
    /// what its maker may not read, and the owner does not show it. The first name stays, so that there are always two.
    ///
    /// # Errors
    /// It has more names, and others than root can change its folder.
    pub(crate) fn refuse_other_names(&self, file: &File) -> Result<(), FileError> {
        let Some(exposed) = &self.exposed else { return Ok(()) };
        let facts = file.metadata().map_err(FileError::system("examining", &self.real))?;
        if facts.nlink() > 1 {
            return Err(FileError::OtherNames { path: self.real.clone(), exposed: exposed.clone() });
        }
        Ok(())
    }
}

/// Whether a link names the file beside it and nothing else: who can write to that folder could put the file there anyhow.
fn leads_to_a_neighbour(layout: &Layout, path: &Path, place: &Place) -> Result<bool, FileError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(false) };
    let folder = Place::of(layout, parent)?.real;
    let mut here = folder.join(name);
    for _ in 0..MOST_LINKS {
        match std::fs::read_link(&here) {
            Ok(target) if target.parent() == Some(Path::new("")) => here = folder.join(target),
            Ok(_) => return Ok(false),
            Err(_) => return Ok(here == place.real),
        }
    }
    Ok(false)
}

/// As uid 0, refuses a root folder whose tools and files another user could have put there: they would run as root.
/// A folder like /tmp (sticky, root's) may stand above it, for there no one can replace what is root's.
pub(crate) fn check_root_dir(root: &Path) -> Result<(), FileError> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    root.metadata().map_err(FileError::system("examining", root))?;
    let place = Place::of(&Layout::new(Path::new("/"), None), root)?;
    let is_roots = place.found.as_ref().is_some_and(|found| found.uid() == 0 && found.mode() & 0o022 == 0);
    if is_roots && place.replaceable().is_none() {
        return Ok(());
    }
    Err(FileError::Untrusted {
        path: root.to_owned(),
        why: "others than root can write to this folder or to one above it, and its programs would run as root; \
              give it to root (chown root, chmod go-w) or run as an ordinary user",
    })
}
