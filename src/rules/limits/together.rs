//! Limits on a whole configuration: its values, how they stand to each other, and what stands at the places they name.

use super::paths::{is_at_or_below, own_folder, shown_path, trusted_file};
use super::tables::steers_pot;
use super::values::{LimitViolation, check};
use crate::facts::PathState;
use crate::potconf::{Configuration, Kind, PARAMETERS, Source, parameter};

/// Limits that tie parameters together: nothing that root obeys may stand where a pot's root writes. Root inside of a
/// pot has uid 0 outside, too, so that ownership says nothing there.
///
/// # Errors
/// [`LimitViolation`] for the first value that is where it must not be.
pub(in crate::rules) fn check_together(configuration: &Configuration) -> Result<(), LimitViolation> {
    let Some(root) = configuration.value(FS_ROOT) else { return Ok(()) };
    let inside = kept_for_pots(root);
    for name in places().into_iter().filter(|name| *name != FS_ROOT) {
        let Some(value) = configuration.value(name) else { continue };
        if let Some(folder) = inside.iter().find(|folder| is_at_or_below(value, folder)) {
            return Err(among_pots(name, value, folder));
        }
    }
    Ok(())
}

/// The folders below POT_FS_ROOT in which a pot's root writes.
fn kept_for_pots(root: &str) -> [String; 3] {
    ["jails", "bases", "fscomp"].map(|part| format!("{root}/{part}"))
}

fn among_pots(name: &str, value: &str, folder: &str) -> LimitViolation {
    LimitViolation {
        parameter: name.to_owned(),
        value: value.to_owned(),
        rule: format!("pots can write below `{}`", shown_path(folder)),
    }
}

/// The parameter that names the folder in which pots live, and in which nothing else may.
const FS_ROOT: &str = "POT_FS_ROOT";

/// The parameters whose values name a place on the host, see [`Kind::is_place`].
pub fn places() -> Vec<&'static str> {
    PARAMETERS.iter().filter(|known| known.kind.is_place()).map(|known| known.name).collect()
}

/// Looks at a path of the host; none when it could not be looked at.
pub(crate) type PathLookup<'a> = &'a dyn Fn(&str) -> Option<PathState>;

/// The limit on the place that a parameter names, wherever links lead: the hook and the public key must be regular
/// files, they and every folder above root's alone. `POT_FS_ROOT` and `POT_CACHE` must be no links, which root's
/// `chmod` and mount(8) would follow, they and every folder above root's alone, and really stand where pot may have
/// them. `POT_TMP` may be a folder of everybody's, as `/tmp` is, but nobody else may be able to put another in its
/// place. Other parameters name no place.
///
/// # Errors
/// [`LimitViolation`], also when nothing is known about the path: then it cannot be trusted.
pub(crate) fn check_place(name: &str, path: &str, state: Option<&PathState>) -> Result<(), LimitViolation> {
    let kind = match parameter(name) {
        Some(known) if known.kind.is_place() && !path.is_empty() => known.kind,
        _ => return Ok(()),
    };
    let judged = match state {
        None => Err("what stands there could not be looked at".to_owned()),
        Some(state) if kind.is_trusted_file() => trusted_file(state),
        Some(state) => own_folder(state, kind),
    };
    judged.map_err(|rule| LimitViolation { parameter: name.to_owned(), value: path.to_owned(), rule })
}

/// The limits on the places that some of [`places`] name, and on how they stand to each other where they really are.
/// Values against their own grammar are left to [`check`]; those that are not certain to who uses them.
pub(crate) fn check_places(configuration: &Configuration, names: &[&str], look: PathLookup<'_>) -> Vec<LimitViolation> {
    let real = |path: &str| look(path).map_or_else(|| path.to_owned(), |state| state.real_path(path).to_owned());
    let value = |name: &str| configuration.value(name).filter(|value| !value.is_empty() && check(name, value).is_ok());
    let root = value(FS_ROOT);
    let inside: Vec<String> = root.iter().flat_map(|root| kept_for_pots(&real(root))).collect();
    names
        .iter()
        .filter_map(|name| {
            let path = value(name)?;
            check_place(name, path, look(path).as_ref())
                .and_then(|()| match inside.iter().find(|folder| is_at_or_below(&real(path), folder)) {
                    Some(folder) => Err(among_pots(name, path, folder)),
                    None => Ok(()),
                })
                .err()
        })
        .collect()
}

/// Those of [`places`] that are other ones in `new` than in `old`; all of them when POT_FS_ROOT is, which is what the
/// others must not lie in.
pub(crate) fn changed_places(old: &Configuration, new: &Configuration) -> Vec<&'static str> {
    let changed = |name: &str| is_changed(old, new, name);
    let all = changed(FS_ROOT);
    places().into_iter().filter(|name| all || changed(name)).collect()
}

fn is_changed(old: &Configuration, new: &Configuration, name: &str) -> bool {
    let (old, new) = (old.setting(name), new.setting(name));
    match (&old.value, &new.value) {
        // Read by the shell alone: as they are written.
        (None, None) => old.raw != new.raw,
        (old, new) => old != new,
    }
}

/// What root's settings name: whoever may change the configuration may choose among these.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Named<'a> {
    /// Programs for POT_EXPORT_PORTS_PF_RULES_HOOK.
    pub hooks: &'a [String],
    /// Files for POT_DEFAULT_SIGNATURE_PUBKEY.
    pub public_keys: &'a [String],
}

/// The limit on a new hook or public key that root did not choose in a terminal: root's settings name it, or it is the
/// default, or none. Any program of root's will do as a hook otherwise: `/bin/sh`, fed what `pot start` writes.
///
/// # Errors
/// [`LimitViolation`] for the first one that is new and not named.
pub(crate) fn check_named(old: &Configuration, new: &Configuration, named: Named<'_>) -> Result<(), LimitViolation> {
    for known in PARAMETERS {
        let name = known.name;
        let (allowed, setting) = match known.kind {
            Kind::ExecutablePath => (named.hooks, "hooks"),
            Kind::FilePath => (named.public_keys, "public_keys"),
            _ => continue,
        };
        let now = new.setting(name);
        let may_be = match &now.value {
            Some(value) => value.is_empty() || allowed.contains(value),
            None => now.source == Source::Unset,
        };
        if is_changed(old, new, name) && now.source != Source::Default && !may_be {
            return Err(LimitViolation {
                parameter: name.to_owned(),
                value: now.value.or(now.raw).unwrap_or_default(),
                rule: format!(
                    "a new one must be named in root's settings (`{setting}` in pot-console.toml), or be set in root's \
                     terminal: `pot-console conf set {name}=FILE`"
                ),
            });
        }
    }
    Ok(())
}

/// All limits on the file as it stands, before every run: the value of every parameter that is certain, and what ties
/// them together. Values that are not certain are not judged here, nor what stands at the places that they name
/// ([`check_places`]): an operation that uses one does not run.
///
/// # Errors
/// The first value that is against a limit.
pub(crate) fn check_all(configuration: &Configuration) -> Result<(), LimitViolation> {
    for setting in configuration.settings() {
        let Some(value) = setting.value.as_deref() else { continue };
        if setting.source == Source::Unset {
            continue;
        }
        if setting.since.is_some() || crate::potconf::extra_interface(&setting.name).is_some() {
            check(&setting.name, value)?;
        } else if steers_pot(&setting.name) {
            return Err(LimitViolation {
                parameter: setting.name,
                value: value.to_owned(),
                rule: "it is no parameter, but sh or pot's scripts obey it".to_owned(),
            });
        }
    }
    check_together(configuration)
}
