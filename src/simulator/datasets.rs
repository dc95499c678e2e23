//! Datasets of the simulated pools: properties and their inheritance, sizes, and mounting as folders of the root.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use super::faults::Fault;
use super::machine::{Machine, now};
use super::state::{Dataset, State};

/// Properties that children take over from their parents, with ZFS's defaults.
const INHERITED: [(&str, &str); 14] = [
    ("recordsize", "128K"),
    ("checksum", "on"),
    ("compression", "on"),
    ("atime", "on"),
    ("devices", "on"),
    ("exec", "on"),
    ("setuid", "on"),
    ("readonly", "off"),
    ("jailed", "off"),
    ("snapdir", "hidden"),
    ("sync", "standard"),
    ("copies", "1"),
    ("primarycache", "all"),
    ("logbias", "latency"),
];
/// Properties of the dataset alone, with ZFS's defaults.
const OWN: [(&str, &str); 4] = [("canmount", "on"), ("quota", "none"), ("reservation", "none"), ("refquota", "none")];
/// Properties that ZFS counts itself.
const COUNTED: [&str; 15] = [
    "type",
    "creation",
    "used",
    "available",
    "referenced",
    "compressratio",
    "mounted",
    "origin",
    "usedbysnapshots",
    "usedbydataset",
    "usedbychildren",
    "guid",
    "userrefs",
    "encryption",
    "keystatus",
];

/// Where a property's value comes from, as `zfs get` calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Local,
    Default,
    Inherited(String),
    Counted,
}

impl Source {
    pub fn text(&self) -> String {
        match self {
            Self::Local => "local".into(),
            Self::Default => "default".into(),
            Self::Inherited(from) => format!("inherited from {from}"),
            Self::Counted => "-".into(),
        }
    }
}

/// A property's value: bytes stay a number until they are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Bytes(u64),
    Time(i64),
}

/// Every native property, in the order that `zfs get all` shows.
pub(crate) fn all_properties() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = COUNTED[..7].to_vec();
    names.push("mountpoint");
    names.extend(OWN.iter().map(|(name, _)| *name));
    names.extend(INHERITED.iter().map(|(name, _)| *name));
    names.extend_from_slice(&COUNTED[7..]);
    names
}

/// Whether ZFS knows the property (user properties hold a colon).
pub(crate) fn is_property(name: &str) -> bool {
    name.contains(':')
        || matches!(name, "name" | "mountpoint" | "avail" | "refer" | "compress" | "snapshots" | "filesystem_count")
        || COUNTED.contains(&name)
        || OWN.iter().chain(&INHERITED).any(|(known, _)| *known == name)
}

/// Whether a property can be set.
pub(crate) fn is_settable(name: &str) -> bool {
    is_property(name) && name != "name" && !COUNTED.contains(&name) && !matches!(name, "avail" | "refer" | "snapshots")
}

/// The dataset above, `None` for a pool's own.
pub(crate) fn parent_of(name: &str) -> Option<&str> {
    match name.split_once('@') {
        Some((filesystem, _)) => Some(filesystem),
        None => name.rsplit_once('/').map(|(parent, _)| parent),
    }
}

/// The pool a dataset belongs to.
pub(crate) fn pool_of(name: &str) -> &str {
    name.split(['/', '@']).next().unwrap_or(name)
}

/// Whether `name` lies below `above` (snapshots included).
pub(crate) fn is_below(name: &str, above: &str) -> bool {
    name.strip_prefix(above).is_some_and(|rest| rest.starts_with(['/', '@']))
}

impl State {
    /// The mountpoint property with its source.
    pub fn mountpoint(&self, name: &str) -> (String, Source) {
        let mut suffix = String::new();
        let mut at = name;
        loop {
            if let Some(value) = self.dataset(at).and_then(|dataset| dataset.local.get("mountpoint")) {
                let source = if at == name { Source::Local } else { Source::Inherited(at.to_owned()) };
                if matches!(value.as_str(), "none" | "legacy") {
                    return (value.clone(), source);
                }
                let whole = format!("{}{suffix}", value.trim_end_matches('/'));
                return (if whole.is_empty() { "/".to_owned() } else { whole }, source);
            }
            match at.rsplit_once('/') {
                Some((parent, last)) => {
                    suffix = format!("/{last}{suffix}");
                    at = parent;
                }
                None => return (format!("/{at}{suffix}"), Source::Default),
            }
        }
    }

    /// Whether a fault says that the dataset's key is not loaded.
    pub(crate) fn is_locked(&self, name: &str) -> bool {
        self.faults.iter().any(|fault| matches!(fault, Fault::Locked(locked) if locked == name))
    }

    /// A property's value and source; `None` when the dataset has no such property.
    pub fn property(&self, name: &str, property: &str) -> Option<(Value, Source)> {
        let dataset = self.dataset(name)?;
        let snapshot = dataset.is_snapshot();
        let text = |text: &str| Some((Value::Text(text.to_owned()), Source::Counted));
        let bytes = |bytes: u64| Some((Value::Bytes(bytes), Source::Counted));
        match property {
            "name" => text(name),
            "type" if snapshot => text("snapshot"),
            "type" if dataset.volume => text("volume"),
            "type" => text("filesystem"),
            "creation" => Some((Value::Time(dataset.created), Source::Counted)),
            "used" => bytes(self.used(name)),
            "referenced" | "refer" | "usedbydataset" => bytes(dataset.own),
            "usedbychildren" if !snapshot => bytes(self.used(name).saturating_sub(dataset.own)),
            "usedbysnapshots" if !snapshot => bytes(0),
            "available" | "avail" if !snapshot => bytes(self.available(name)),
            "compressratio" => text("1.00x"),
            "guid" => text(&dataset.guid.to_string()),
            "userrefs" if snapshot => text(&dataset.holds.len().to_string()),
            // Only an encrypted dataset has one.
            "keystatus" if self.is_locked(name) => text("unavailable"),
            "keystatus" => None,
            "encryption" => Some((Value::Text("off".into()), Source::Default)),
            "origin" => dataset.origin.as_deref().and_then(text),
            "mounted" if !snapshot && !dataset.volume => text(if dataset.mounted { "yes" } else { "no" }),
            "mountpoint" if !snapshot && !dataset.volume => {
                let (mountpoint, source) = self.mountpoint(name);
                Some((Value::Text(mountpoint), source))
            }
            "mountpoint" => None,
            _ if OWN.iter().any(|(known, _)| *known == property) => {
                if snapshot {
                    return None;
                }
                if let Some(value) = dataset.local.get(property) {
                    return Some((Value::Text(value.clone()), Source::Local));
                }
                let default = OWN.iter().find(|(known, _)| *known == property)?.1;
                Some((Value::Text(default.to_owned()), Source::Default))
            }
            _ => {
                let mut at = Some(name);
                while let Some(here) = at {
                    if let Some(value) = self.dataset(here).and_then(|dataset| dataset.local.get(property)) {
                        let source = if here == name { Source::Local } else { Source::Inherited(here.to_owned()) };
                        return Some((Value::Text(value.clone()), source));
                    }
                    at = parent_of(here);
                }
                let default = INHERITED.iter().find(|(known, _)| *known == property)?.1;
                Some((Value::Text(default.to_owned()), Source::Default))
            }
        }
    }

    /// Bytes used by a dataset and all below it.
    pub fn used(&self, name: &str) -> u64 {
        if name.contains('@') {
            return 0;
        }
        // They are sorted: those that begin with the name stand side by side.
        let first = self.kept.datasets.partition_point(|dataset| dataset.owner() < name);
        let near = self.kept.datasets.get(first..).unwrap_or_default();
        near.iter()
            .take_while(|dataset| dataset.name.starts_with(name))
            .filter(|dataset| (dataset.name == name || is_below(&dataset.name, name)) && !dataset.is_snapshot())
            .map(|dataset| dataset.own)
            .fold(0, u64::saturating_add)
    }

    /// Bytes left in the dataset's pool.
    pub fn available(&self, name: &str) -> u64 {
        let pool = pool_of(name);
        let full = |fault: &Fault| match fault {
            Fault::PoolFull(full) => full == pool,
            Fault::FullAt(parent, many) => {
                let of_it = |name: &str| name == parent || is_below(name, parent);
                let there = self.kept.datasets.iter().filter(|dataset| of_it(&dataset.name)).count();
                pool_of(parent) == pool && u64::try_from(there).is_ok_and(|there| there >= *many)
            }
            _ => false,
        };
        if self.faults.iter().any(full) {
            return 0;
        }
        let size = self.kept.pools.iter().find(|known| known.name == pool).map_or(0, |pool| pool.size);
        // ZFS keeps 1/32 of a pool for itself.
        (size - size / 32).saturating_sub(self.used(pool))
    }

    /// The dataset's own mountpoint when ZFS would mount it by itself.
    pub(crate) fn mounts_by_itself(&self, name: &str) -> Option<String> {
        let dataset = self.dataset(name)?;
        if dataset.is_snapshot() || dataset.volume {
            return None;
        }
        if dataset.local.get("canmount").is_some_and(|canmount| canmount != "on") {
            return None;
        }
        let (mountpoint, _) = self.mountpoint(name);
        mountpoint.starts_with('/').then_some(mountpoint)
    }

    /// Mounts a dataset: its folder appears at the mountpoint, what stood there is hidden.
    pub fn mount(&mut self, machine: &Machine, name: &str) -> io::Result<()> {
        let (mountpoint, _) = self.mountpoint(name);
        let Some(dataset) = self.dataset_mut(name) else { return Ok(()) };
        if dataset.mounted || !mountpoint.starts_with('/') {
            return Ok(());
        }
        if mountpoint != "/" {
            let folder = machine.path(&mountpoint);
            let store = machine.store_of(dataset.guid);
            let hidden = machine.hidden_by(dataset.guid);
            if let Some(above) = folder.parent() {
                fs::create_dir_all(above)?;
            }
            if let Some(aside) = store.parent() {
                fs::create_dir_all(aside)?;
            }
            if folder.is_dir() {
                remove(&hidden)?;
                move_folder(&folder, &hidden)?;
            }
            if store.is_dir() {
                move_folder(&store, &folder)?;
            } else {
                fs::create_dir(&folder)?;
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
            }
        }
        dataset.mounted = true;
        dataset.mounted_at = Some(mountpoint);
        Ok(())
    }

    /// Whether a dataset cannot be unmounted now, because something stands in it.
    pub(crate) fn is_busy(&self, name: &str) -> bool {
        let Some(dataset) = self.dataset(name) else { return false };
        let Some(at) = dataset.mounted_at.as_deref().filter(|_| dataset.mounted) else { return false };
        let below = |path: &str| {
            path == at || path.strip_prefix(at.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
        };
        dataset.busy
            || at == "/"
            || self.faults.iter().any(|fault| matches!(fault, Fault::Busy(busy) if busy == name))
            || self.running.jails.iter().any(|jail| below(&jail.path))
            || self
                .kept
                .datasets
                .iter()
                .any(|other| other.name != name && other.mounted && other.mounted_at.as_deref().is_some_and(below))
    }

    /// Unmounts a dataset: its content is set aside, what it hid comes back. The caller has asked [`State::is_busy`].
    pub fn unmount(&mut self, machine: &Machine, name: &str) -> io::Result<()> {
        let Some(dataset) = self.dataset_mut(name) else { return Ok(()) };
        if !dataset.mounted {
            return Ok(());
        }
        if let Some(at) = dataset.mounted_at.clone().filter(|at| at != "/") {
            let folder = machine.path(&at);
            let store = machine.store_of(dataset.guid);
            let hidden = machine.hidden_by(dataset.guid);
            if folder.is_dir() {
                remove(&store)?;
                move_folder(&folder, &store)?;
            }
            if hidden.is_dir() {
                move_folder(&hidden, &folder)?;
            } else {
                fs::create_dir_all(&folder)?;
            }
        }
        dataset.mounted = false;
        dataset.mounted_at = None;
        Ok(())
    }

    /// Adds a file system and mounts it when ZFS would.
    pub(crate) fn add_dataset(
        &mut self,
        machine: &Machine,
        name: &str,
        local: &[(&str, &str)],
        own: u64,
    ) -> io::Result<()> {
        self.kept.next_guid += 1;
        let guid = 0x1f3a_0000_0000 + self.kept.next_guid;
        self.kept.datasets.push(Dataset {
            name: name.to_owned(),
            local: local.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            own,
            created: now(),
            guid,
            ..Dataset::default()
        });
        self.sort_datasets();
        if self.mounts_by_itself(name).is_some() {
            self.mount(machine, name)?;
        }
        Ok(())
    }

    /// zfs(8)'s order: by name, a file system's snapshots directly behind it.
    pub(crate) fn sort_datasets(&mut self) {
        self.kept.datasets.sort_by(|a, b| {
            a.owner().cmp(b.owner()).then(a.is_snapshot().cmp(&b.is_snapshot())).then(a.guid.cmp(&b.guid))
        });
    }

    /// Forgets an unmounted dataset and removes its content. ZFS removes a mountpoint that it made itself.
    pub(crate) fn remove_dataset(&mut self, machine: &Machine, name: &str) -> io::Result<()> {
        let (mountpoint, source) = self.mountpoint(name);
        let Some(position) = self.kept.datasets.iter().position(|dataset| dataset.name == name) else { return Ok(()) };
        let dataset = self.kept.datasets.remove(position);
        if !dataset.is_snapshot() {
            remove(&machine.store_of(dataset.guid))?;
            if source != Source::Local && mountpoint.starts_with('/') && mountpoint != "/" {
                let _ = fs::remove_dir(machine.path(&mountpoint));
            }
        }
        Ok(())
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Moves a folder; piece by piece where the two places are mounts of their own, as those of a chroot may be.
fn move_folder(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            copy_tree(from, to)?;
            fs::remove_dir_all(from)
        }
        result => result,
    }
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from)?;
    if kind.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    if kind.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if kind.is_file() {
        fs::copy(from, to)?;
    } else {
        // Sockets and pipes live only where they were made.
        return Ok(());
    }
    // An ordinary user's files are all that user's.
    let _ = std::os::unix::fs::chown(to, Some(kind.uid()), Some(kind.gid()));
    fs::set_permissions(to, kind.permissions())
}

/// Bytes as zfs(8) prints them for people: at most five characters.
pub(crate) fn human(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    let mut unit = 0;
    let mut whole = bytes;
    while whole >= 1024 && unit < 6 {
        whole /= 1024;
        unit += 1;
    }
    let divisor = 1u64 << (10 * unit);
    let suffix = UNITS[unit];
    if unit == 0 {
        return format!("{bytes}B");
    }
    if bytes.is_multiple_of(divisor) {
        return format!("{whole}{suffix}");
    }
    for places in [2usize, 1, 0] {
        let scale = 10u128.pow(u32::try_from(places).unwrap_or(0));
        let scaled = (u128::from(bytes) * scale + u128::from(divisor / 2)) / u128::from(divisor);
        let text =
            if places == 0 { format!("{scaled}") } else { format!("{}.{:0places$}", scaled / scale, scaled % scale) };
        if text.len() + suffix.len() <= 5 {
            return format!("{text}{suffix}");
        }
    }
    format!("{whole}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_moved_piece_by_piece_keeps_what_it_holds() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("conf/empty")).expect("folders");
        fs::write(from.join("conf/pot.conf"), "pot.level=0\n").expect("a file");
        fs::set_permissions(from.join("conf/pot.conf"), fs::Permissions::from_mode(0o640)).expect("its mode");
        symlink("../nowhere", from.join("link")).expect("a link");
        copy_tree(&from, &to).expect("copied");
        assert_eq!(fs::read_to_string(to.join("conf/pot.conf")).expect("the file"), "pot.level=0\n");
        let mode = fs::metadata(to.join("conf/pot.conf")).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(fs::read_link(to.join("link")).expect("the link"), Path::new("../nowhere"));
        assert!(to.join("conf/empty").is_dir());
    }
}
