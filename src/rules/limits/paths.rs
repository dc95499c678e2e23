//! The grammar of paths, which folders pot may have, and what must stand at a place for root to use it.

use super::tables::{CLOSED_TREES, SYSTEM_FOLDERS};
use crate::facts::{PathKind, PathState};
use crate::layout::{SHARED_FOLDERS, remedy_for_open};
use crate::potconf::Kind;

/// Longest folder or file name in bytes; pot appends to it, and a mount point ends at 1023.
const LONGEST_PATH: usize = 255;

/// What is wrong with a path, whatever stands there: absolute, normal, and of characters that mean nothing to sh, sed,
/// awk and xargs, through which pot passes it.
pub(super) fn path(value: &str) -> Result<(), String> {
    if value.len() > LONGEST_PATH {
        return Err(format!("a path has at most {LONGEST_PATH} characters here, pot appends to it"));
    }
    let Some(below) = value.strip_prefix('/') else {
        return Err("it does not begin with `/`".to_owned());
    };
    for component in below.split('/') {
        if component.is_empty() {
            return Err(if below.is_empty() {
                "it is the root of all folders".to_owned()
            } else {
                "no `/` at the end, no two in a row".to_owned()
            });
        }
        if component == "." || component == ".." {
            return Err("`.` and `..` are not allowed in it".to_owned());
        }
        if component.starts_with('-')
            || !component.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
        {
            return Err("only letters, digits and `._+-` are allowed between its slashes, `-` not first".to_owned());
        }
    }
    Ok(())
}

/// Whether `path` is `folder` or stands below it. Both absolute and normal.
pub(in crate::rules) fn is_at_or_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) || folder == "/"
}

pub(super) fn folder(value: &str, kind: Kind) -> Result<(), String> {
    path(value)?;
    open_to_pot(value, kind)
}

/// Whether pot may have this very folder, whatever name led there.
fn open_to_pot(value: &str, kind: Kind) -> Result<(), String> {
    let temporary = kind == Kind::TemporaryFolder;
    if let Some(tree) = CLOSED_TREES.iter().find(|tree| is_at_or_below(value, tree)) {
        return Err(format!("`{tree}` belongs to the system, with all that is below"));
    }
    if temporary && SHARED_FOLDERS.contains(&value) {
        return Ok(());
    }
    if !temporary && let Some(shared) = SHARED_FOLDERS.iter().find(|shared| is_at_or_below(value, shared)) {
        return Err(format!(
            "every user can write to `{shared}`, and could put a link there before `pot init` follows it"
        ));
    }
    // Whatever lies above a closed tree is in the second list, which a test holds to be so.
    if SYSTEM_FOLDERS.contains(&value) {
        return Err("this folder belongs to the system; take one below it".to_owned());
    }
    Ok(())
}

pub(super) fn trusted_file(state: &PathState) -> Result<(), String> {
    Err(match state.kind {
        PathKind::Absent => "there is no such file".to_owned(),
        PathKind::Folder => "that is a folder".to_owned(),
        PathKind::Link => "that is a symbolic link; name the file itself".to_owned(),
        PathKind::Other => "that is not a regular file".to_owned(),
        PathKind::File if !state.only_root_writes => {
            format!(
                "the file and every folder above it must be owned by root and writable by no other{}",
                but(state.exposed.as_deref())
            )
        }
        PathKind::File => return Ok(()),
    })
}

pub(super) fn own_folder(state: &PathState, kind: Kind) -> Result<(), String> {
    let temporary = kind == Kind::TemporaryFolder;
    if !temporary && state.kind == PathKind::Link {
        return Err("that is a symbolic link, and `pot init` would change the folder it points to".to_owned());
    }
    if let Some(end) = &state.leads_to {
        open_to_pot(&end.path, kind).map_err(|rule| format!("it really is `{}`: {rule}", shown_path(&end.path)))?;
    }
    let open = if temporary { state.replaceable_in.as_deref() } else { state.exposed.as_deref() };
    if open.is_some() || (!temporary && !state.only_root_writes) {
        return Err(format!(
            "{} must be owned by root and writable by no other{}",
            if temporary { "every folder above it" } else { "it and every folder above it" },
            but(open)
        ));
    }
    Ok(())
}

/// "; others can change `/home/anna`: give that to root (chown root, chmod go-w), or name another place", where it is known.
pub(super) fn but(exposed: Option<&str>) -> String {
    exposed.map_or_else(String::new, |path| {
        format!("; others can change `{}`: {}, or name another place", shown_path(path), remedy_for_open(path))
    })
}

/// A path of the host in a message: it may have been made to harm a terminal.
pub(super) fn shown_path(path: &str) -> String {
    path.chars().take(LONGEST_PATH).flat_map(char::escape_debug).collect()
}
