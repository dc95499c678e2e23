//! Where things stand on the host: every host path is below one root.

use std::path::{Component, Path, PathBuf};

/// Folders that are everybody's by their purpose (hier(7)): whoever finds one of them open to others must not advise to
/// close it. Temporary folders of pot's may stand there, mountpoints may not.
pub(crate) const SHARED_FOLDERS: [&str; 2] = ["/tmp", "/var/tmp"];

/// What to do about a folder that others can change: give it to root, unless it is everybody's.
pub(crate) fn remedy_for_open(folder: &str) -> &'static str {
    if SHARED_FOLDERS.contains(&folder) {
        "that is everybody's by its purpose and stays so: use another folder"
    } else {
        "give that to root (chown root, chmod go-w)"
    }
}

/// The host's root and pot's configuration folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
    etc: PathBuf,
}

impl Layout {
    /// A host whose paths are below `root` (`/` for the machine itself), with pot's configuration folder `etc`
    /// (default `ROOT/usr/local/etc/pot`).
    pub fn new(root: &Path, etc: Option<&Path>) -> Self {
        Self { root: root.to_owned(), etc: etc.map_or_else(|| root.join("usr/local/etc/pot"), Path::to_owned) }
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// pot's configuration folder.
    pub fn etc(&self) -> &Path {
        &self.etc
    }

    /// Whether the host is not this machine but a folder of it.
    pub(crate) fn is_below_a_root(&self) -> bool {
        self.root != Path::new("/")
    }

    /// Where the host's absolute path `path` stands here. `..` and relative parts are dropped, so the answer is
    /// always below the root; symbolic links are not looked at.
    pub fn on_disk(&self, path: &str) -> PathBuf {
        let mut full = self.root.clone();
        for part in Path::new(path).components() {
            if let Component::Normal(name) = part {
                full.push(name);
            }
        }
        full
    }

    /// A path here as the host calls it, for showing.
    pub fn shown(&self, path: &Path) -> String {
        match path.strip_prefix(&self.root) {
            Ok(rest) => format!("/{}", rest.display()),
            Err(_) => path.display().to_string(),
        }
    }

    /// pot.conf.
    pub fn pot_conf(&self) -> PathBuf {
        self.etc.join("pot.conf")
    }

    /// pot's file of defaults.
    pub fn default_conf(&self) -> PathBuf {
        self.etc.join("pot.default.conf")
    }

    /// The console's own folder, root's: `/var/db/pot-console`.
    pub fn state(&self) -> PathBuf {
        self.on_disk("/var/db/pot-console")
    }

    /// Accounts, journal, backups, pending revert, keys: mode 0700, root's alone.
    pub fn private(&self) -> PathBuf {
        self.state().join("root")
    }

    /// The web process's folder (SQLite): mode 0700, the web user's; no root process opens anything below it.
    pub fn web(&self) -> PathBuf {
        self.state().join("web")
    }

    /// The settings file.
    pub fn settings(&self) -> PathBuf {
        self.on_disk("/usr/local/etc/pot-console.toml")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_paths_stay_below_the_root() {
        let layout = Layout::new(Path::new("/sim"), None);
        assert_eq!(layout.on_disk("/etc/../../pf.conf"), Path::new("/sim/etc/pf.conf"));
        assert_eq!(layout.shown(&layout.pot_conf()), "/usr/local/etc/pot/pot.conf");
        assert_eq!(Layout::new(Path::new("/"), None).on_disk("/etc/pf.conf"), Path::new("/etc/pf.conf"));
    }
}
