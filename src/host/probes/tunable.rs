//! Tunables of the loader: what runs, and what the next boot will have.

use super::folder::conf_files;
use super::probe::Probe;
use crate::facts::Tunable;
use crate::host::parse;

/// What runs, and what the last of the loader's files says (/boot/defaults/loader.conf, the loader's own config.lua).
pub(super) fn tunable(probe: &mut Probe<'_>, name: &str) -> Result<Tunable, String> {
    let running = probe.sysctl(name)?;
    let mut word: Option<(String, String)> = None;
    for file in parse::loader::BEFORE_FOLDER {
        word = in_loader_file(probe, file, name)?.or(word);
    }
    let mut of_folder: Vec<(String, String)> = Vec::new();
    for found in conf_files(&probe.layout().on_disk(parse::loader::FOLDER))? {
        of_folder.extend(in_loader_file(probe, &format!("{}/{found}", parse::loader::FOLDER), name)?);
    }
    let last = in_loader_file(probe, parse::loader::LAST, name)?;
    if let (None, [first, others @ ..]) = (&last, of_folder.as_slice())
        && let Some(other) = others.iter().find(|other| other.0 != first.0)
    {
        // The loader takes them as the folder has them, in no order that could be seen from here.
        return Err(format!(
            "{} and {} set {name} each to another value, and which one counts is not certain",
            first.1, other.1
        ));
    }
    let (next_boot, set_in) = last.or(of_folder.pop()).or(word).unzip();
    Ok(Tunable { running, next_boot, set_in })
}

/// The value that one of the loader's files gives, with the file.
fn in_loader_file(probe: &mut Probe<'_>, file: &str, name: &str) -> Result<Option<(String, String)>, String> {
    // Only the main one is worth a word when it is not there.
    if file != "/boot/loader.conf" && !probe.layout().on_disk(file).exists() {
        return Ok(None);
    }
    let text = probe.read(file)?.unwrap_or_default();
    Ok(parse::loader::value(&text, name).map(|value| (value, file.to_owned())))
}
