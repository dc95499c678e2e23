//! What stands in the folders and files of pots.

use std::fs;
use std::path::Path;

use super::super::machine::Machine;
use super::super::pot_settings::line_value;

/// The pots below `POT_FS_ROOT`.
pub(super) struct Pots {
    machine: Machine,
    fs_root: String,
}

impl Pots {
    pub fn new(machine: Machine, fs_root: &str) -> Self {
        Self { machine, fs_root: fs_root.to_owned() }
    }

    pub fn names(&self) -> Vec<String> {
        folders(&self.machine.path(format!("{}/jails", self.fs_root)))
    }

    pub fn conf(&self, pot: &str) -> String {
        self.machine.text(&format!("{}/jails/{pot}/conf/pot.conf", self.fs_root))
    }

    pub fn value(&self, pot: &str, key: &str) -> String {
        line_value(&self.conf(pot), key).unwrap_or_default()
    }

    pub fn address(&self, pot: &str) -> String {
        self.conf(pot).lines().find_map(|line| line.strip_prefix("ip=")).unwrap_or_default().to_owned()
    }
}

/// Folders in a folder, in the order of `ls -d */`: the slash counts.
pub(super) fn folders(folder: &Path) -> Vec<String> {
    let mut names = entries(folder, |entry| entry.path().is_dir());
    names.sort_by_cached_key(|name| format!("{name}/"));
    names
}

pub(super) fn files(folder: &Path) -> Vec<String> {
    entries(folder, |entry| entry.path().is_file())
}

fn entries(folder: &Path, wanted: impl Fn(&fs::DirEntry) -> bool) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .map(|entries| {
            entries
                .flatten()
                .filter(|entry| wanted(entry))
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}
