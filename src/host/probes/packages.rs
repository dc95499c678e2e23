//! Packages and pkg itself.

use super::probe::{Probe, failure};
use crate::facts::Packages;
use crate::process::Tool;

pub(super) fn packages(probe: &mut Probe<'_>) -> Result<Packages, String> {
    // The pkg of the base system only fetches the real one, asking a question first: -N is its one call that does not,
    // and nothing else must be asked where it says that there is none (pkg(7)).
    let active = probe.ask(Tool::Pkg, &["-N"])?;
    if !active.succeeded() {
        return if active.stderr.contains("not installed") {
            Ok(Packages::default())
        } else {
            Err(failure(Tool::Pkg, &["-N"], &active))
        };
    }
    let mut version = |name: &str| -> Result<Option<String>, String> {
        let args = ["query", "%v", name];
        let answer = probe.ask(Tool::Pkg, &args)?;
        let version = answer.stdout.lines().next().map(str::trim).filter(|version| !version.is_empty());
        match version {
            Some(version) if answer.succeeded() => Ok(Some(version.to_owned())),
            // No such package: a status other than 0 and not a word.
            None if answer.stderr.trim().is_empty() => Ok(None),
            _ => Err(failure(Tool::Pkg, &args, &answer)),
        }
    };
    Ok(Packages { pot: version("pot")?, potnet: version("potnet")?, pkg: true })
}
