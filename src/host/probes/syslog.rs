//! Where syslogd writes what.

use super::folder::conf_files;
use super::probe::{Probe, read};
use super::rc::variable;
use crate::facts::{Fact, Syslog, System};
use crate::host::parse;
use crate::process::Tool;
use std::collections::{BTreeMap, BTreeSet};

/// `system`: what knows the host's name already.
pub(super) fn syslog(
    probe: &mut Probe<'_>,
    rc: &Fact<BTreeMap<String, String>>,
    system: &Fact<System>,
) -> Result<Syslog, String> {
    let hostname = match system.get() {
        Some(system) => system.hostname.clone(),
        None => probe.answer(Tool::Hostname, &[])?.trim().to_owned(),
    };
    let flags = variable(rc, "syslogd_flags")?.unwrap_or_default().to_owned();
    probe.note("sysrc syslogd_flags", flags.clone());
    with_flags(probe, &hostname, flags)
}

/// The same for a syslogd that is started with these flags on a host of this name.
pub(super) fn with_flags(probe: &mut Probe<'_>, hostname: &str, flags: String) -> Result<Syslog, String> {
    let path = parse::syslog::main_file(&flags).unwrap_or_else(|| "/etc/syslog.conf".to_owned());
    let text = probe.read(&path)?.unwrap_or_default();
    let layout = probe.layout().clone();
    let mut included_files = Vec::new();
    let mut unread: Option<String> = None;
    let included = std::cell::RefCell::new((&mut included_files, &mut unread));
    let rules = parse::syslog::Rules::read(&text, hostname, |folder| {
        let mut texts = Vec::new();
        let mut seen = included.borrow_mut();
        let names = conf_files(&layout.on_disk(folder)).unwrap_or_else(|error| {
            seen.1.get_or_insert(error);
            Vec::new()
        });
        for name in names {
            let path = format!("{folder}/{name}");
            match read(&layout.on_disk(&path)) {
                Ok(bytes) => {
                    let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
                    seen.0.push((path, text.clone()));
                    texts.push(text);
                }
                Err(error) => {
                    seen.1.get_or_insert(format!("{path}: {error}"));
                }
            }
        }
        texts
    });
    if let Some(error) = unread {
        return Err(error);
    }
    for (path, text) in included_files {
        let lines: Vec<_> = text.lines().take(20).map(crate::process::harmless).collect();
        probe.note(&path, lines.join("\n"));
    }
    let of_each = |actions: &dyn Fn(&str) -> Vec<String>| {
        let all = crate::facility::NAMES.into_iter().map(|facility| (facility.to_owned(), actions(facility)));
        all.filter(|(_, actions)| !actions.is_empty()).collect()
    };
    let missing: BTreeSet<String> = rules
        .all_files()
        .filter(|file| !file.starts_with("/dev/") && !layout.on_disk(file).exists())
        .map(str::to_owned)
        .collect();
    Ok(Syslog {
        flags,
        files: of_each(&|facility| rules.files_for(facility, "pot")),
        missing: missing.into_iter().collect(),
        elsewhere: of_each(&|facility| rules.elsewhere_for(facility, "pot")),
    })
}
