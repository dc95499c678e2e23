//! Whom a path belongs to, all the way up.

use super::error::FileError;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// More links than any honest path has.
const MOST_LINKS: usize = 32;

/// Whether only root (or the user that the console runs as, when that is not root) can change what stands at `path`:
/// it and every folder on the way to it, through symbolic links, are owned by them and writable by no other. ACLs are
/// seen only as far as the mode shows them. False when it does not exist.
pub fn only_root_writes(path: &Path) -> bool {
    every_part(path, &mut |facts, _| trusted_owner(facts.uid()) && (facts.is_symlink() || facts.mode() & 0o022 == 0))
}

/// As uid 0, refuses a root folder whose tools and files another user could have put there: they would run as root.
/// A folder like /tmp (sticky, root's) may stand above it, for there no one can replace what is root's.
pub fn check_root_dir(root: &Path) -> Result<(), FileError> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    root.metadata().map_err(FileError::system("examining", root))?;
    let trusted = every_part(root, &mut |facts, is_last| {
        let mode_is_safe = facts.mode() & 0o022 == 0 || (facts.mode() & 0o1000 != 0 && facts.is_dir() && !is_last);
        trusted_owner(facts.uid()) && (facts.is_symlink() || mode_is_safe)
    });
    if trusted {
        return Ok(());
    }
    Err(FileError::Untrusted {
        path: root.to_owned(),
        why: "others than root can write to this folder or to one above it, and its programs would run as root; \
              give it to root (chown root, chmod go-w) or run as an ordinary user",
    })
}

fn trusted_owner(uid: u32) -> bool {
    uid == 0 || uid == nix::unistd::geteuid().as_raw()
}

/// Asks `trusted(facts, is it the last part)` about `/`, every part of the way, and where links lead.
fn every_part(path: &Path, trusted: &mut dyn FnMut(&std::fs::Metadata, bool) -> bool) -> bool {
    let Ok(path) = std::path::absolute(path) else { return false };
    let mut to_do: Vec<OsString> = parts_reversed(&path);
    let mut here = PathBuf::from("/");
    let mut links = 0;
    match here.symlink_metadata() {
        Ok(facts) if trusted(&facts, to_do.is_empty()) => {}
        _ => return false,
    }
    while let Some(part) = to_do.pop() {
        if part == ".." {
            here.pop();
            continue;
        }
        here.push(&part);
        let Ok(facts) = here.symlink_metadata() else { return false };
        if !trusted(&facts, to_do.is_empty() && !facts.is_symlink()) {
            return false;
        }
        if facts.is_symlink() {
            links += 1;
            let Ok(leads_to) = std::fs::read_link(&here) else { return false };
            if links > MOST_LINKS {
                return false;
            }
            here.pop();
            if leads_to.is_absolute() {
                here = PathBuf::from("/");
            }
            to_do.extend(parts_reversed(&leads_to));
        }
    }
    true
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
