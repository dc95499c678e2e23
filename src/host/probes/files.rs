//! Digests of the files that the history watches.

use super::probe::Probe;
use crate::digest::Digest;
use crate::facts::HostFacts;
use crate::files::{FileError, HostPath};
use std::collections::BTreeMap;
use std::path::Path;

/// Files whose digests the history watches, besides pot.conf, its defaults and pf's file.
pub(super) const WATCHED: [&str; 9] = [
    "/etc/rc.conf",
    "/etc/rc.conf.local",
    "/etc/syslog.conf",
    "/etc/newsyslog.conf",
    "/boot/loader.conf",
    "/usr/local/etc/syslog.d/pot.conf",
    "/usr/local/etc/syslog.d/pot-activity.conf",
    "/usr/local/etc/newsyslog.conf.d/pot.conf",
    "/usr/local/etc/newsyslog.conf.d/pot-activity.conf",
];
/// The largest file whose digest is taken, in bytes.
const LARGEST: u64 = 4 << 20;

/// pf's rules file, also when it could not be read.
pub(super) fn pf_path(facts: &HostFacts) -> Option<String> {
    let named = || facts.rc.get()?.get("pf_rules").filter(|path| path.starts_with('/'));
    facts.pf_file.get().map(|file| &file.path).or_else(named).cloned()
}

pub(super) fn digests(
    probe: &mut Probe<'_>,
    pf_path: Option<&str>,
    pf_files: &[String],
) -> BTreeMap<String, Option<Digest>> {
    let layout = probe.layout().clone();
    // None inside for a missing file; one that cannot be read has no entry at all.
    let entry = |shown: String, path: &Path| {
        let bytes = match HostPath::of(&layout, path).and_then(|file| file.read(LARGEST)) {
            Ok(bytes) => Some(bytes),
            Err(FileError::Missing(_)) => None,
            Err(_) => return None,
        };
        Some((shown, bytes.map(|bytes| Digest::of(&bytes))))
    };
    let own = [layout.pot_conf(), layout.default_conf()];
    let mut digests: BTreeMap<String, Option<Digest>> =
        own.iter().filter_map(|path| entry(layout.shown(path), path)).collect();
    let others = WATCHED.into_iter().chain(pf_path).chain(pf_files.iter().map(String::as_str));
    digests.extend(others.filter_map(|path| entry(path.to_owned(), &layout.on_disk(path))));
    let words = digests.iter().map(|(path, digest)| match digest {
        Some(digest) => format!("{digest} {path}"),
        None => format!("no such file: {path}"),
    });
    probe.note("sha256", words.collect::<Vec<_>>().join("\n"));
    digests
}
