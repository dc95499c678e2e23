//! The names in a folder.

use super::probe::Probe;
use std::path::Path;

/// The names in a folder, sorted; none when there is no such folder.
pub(super) fn list(probe: &mut Probe<'_>, folder: &str) -> Result<Vec<String>, String> {
    let entries = match std::fs::read_dir(probe.layout().on_disk(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            probe.note(&format!("ls {folder}"), "no such folder");
            return Ok(Vec::new());
        }
        Err(error) => {
            probe.note(&format!("ls {folder}"), error.to_string());
            return Err(format!("{folder}: {error}"));
        }
    };
    let names = sorted(entries).map_err(|error| format!("{folder}: {error}"))?;
    let shown: Vec<_> = names.iter().map(|name| crate::process::harmless(name)).collect();
    probe.note(&format!("ls {folder}"), shown.join("\n"));
    Ok(names)
}

/// What syslogd and the loader take of a folder: names that end in `.conf`, in just these letters.
fn is_conf(name: &str) -> bool {
    name.strip_suffix(".conf").is_some_and(|stem| !stem.is_empty())
}

/// The files of a folder that syslogd and the loader take, sorted; none when there is no such folder.
pub(super) fn conf_files(folder: &Path) -> Result<Vec<String>, String> {
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            let names = sorted(entries).map_err(|error| format!("{}: {error}", folder.display()))?;
            Ok(names.into_iter().filter(|name| is_conf(name)).collect())
        }
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(format!("{}: {error}", folder.display())),
    }
}

/// All of them: a folder that could not be read to its end has no list.
fn sorted(entries: std::fs::ReadDir) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in entries {
        // No name that is no text is pot's, syslogd's or the loader's.
        names.extend(entry?.file_name().into_string().ok().filter(|name| !name.starts_with('.')));
    }
    names.sort();
    Ok(names)
}
