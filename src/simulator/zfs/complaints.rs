//! What zfs and zpool say against a command.

use super::super::call::{BadOption, Call, Outcome};
use super::super::state::State;

const SUBCOMMANDS: &str =
    "create destroy list get set inherit mount unmount snapshot rollback clone rename hold release holds version";
const POOL_SUBCOMMANDS: &str = "create destroy list get status scrub export import version";

pub(super) fn usage(call: &mut Call, reason: &str) -> Outcome {
    if !reason.is_empty() {
        call.warn(reason);
    }
    let name = call.name.clone();
    let known = if name == "zpool" { POOL_SUBCOMMANDS } else { SUBCOMMANDS };
    call.warn(format_args!("usage: {name} command args ...\nwhere 'command' is one of the following:\n\n\t{known}"));
    Ok(2)
}

pub(super) fn option_error(call: &mut Call, error: &BadOption) -> Outcome {
    let text = match error {
        BadOption::Unknown(letter) => format!("invalid option '{letter}'"),
        BadOption::NoValue(letter) => format!("missing argument for '{letter}' option"),
    };
    usage(call, &text)
}

pub(super) fn open_error(state: &State, name: &str) -> Option<String> {
    if state.dataset(name).is_some() {
        return None;
    }
    if name.is_empty() || name.contains("//") || name.ends_with('/') || name.starts_with('/') || name.contains(' ') {
        return Some(format!("cannot open '{name}': invalid dataset name"));
    }
    Some(format!("cannot open '{name}': dataset does not exist"))
}
