//! Rules about the rest: logging, names, temporary files' endings, booleans, the hook, the public key, pf.conf.

use super::Finding;
use super::limits::{self, FACILITIES};
use super::view::{View, enumerated, plural};
use crate::facts::{PathKind, PathState};

const FACILITY: &str = "POT_LOG_FACILITY";
const SUFFIX: &str = "POT_MKTEMP_SUFFIX";
const HOSTNAME: &str = "POT_HOSTNAME_MAX_LENGTH";
const ISOLATE: &str = "POT_ISOLATE_VNET_POTS";
const HOOK: &str = "POT_EXPORT_PORTS_PF_RULES_HOOK";
const PUBKEY: &str = "POT_DEFAULT_SIGNATURE_PUBKEY";

/// POT_LOG_FACILITY is no facility (syslog.conf(5); common.sh: `logger -p "$POT_LOG_FACILITY".info` fails at every
/// call).
pub(super) fn facility_unknown(view: &View<'_>) -> Vec<Finding> {
    let Some(value) = view.value(FACILITY).filter(|value| !FACILITIES.contains(value)) else { return Vec::new() };
    let lower = value.trim().to_ascii_lowercase();
    let meant = FACILITIES.into_iter().find(|known| *known == lower);
    vec![
        Finding::error(
            "facility-unknown",
            &[FACILITY],
            format!(
                "`{}` is not a facility of syslog.conf(5), such as local0 to local7, daemon or user. pot's calls would not \
                 be logged.",
                value.escape_debug()
            ),
        )
        .perhaps_mended_by(FACILITY, meant),
    ]
}

/// syslogd writes the facility nowhere. A stock syslog.conf does not write the default either; that is said on the
/// readiness page, and a default is not blamed.
pub(super) fn facility_written_nowhere(view: &View<'_>) -> Vec<Finding> {
    let Some(value) = view.text(FACILITY).filter(|value| view.is_own(FACILITY) && FACILITIES.contains(value)) else {
        return Vec::new();
    };
    let Some(syslog) = view.facts.and_then(|facts| facts.syslog.get()) else { return Vec::new() };
    if syslog.files.get(value).is_some_and(|files| !files.is_empty()) {
        return Vec::new();
    }
    vec![Finding::warning(
        "facility-written-nowhere",
        &[FACILITY],
        format!("syslogd writes {value}.info nowhere, so pot's calls would leave no trace."),
    )]
}

/// POT_HOSTNAME_MAX_LENGTH is no number from 1 to 255 (`_get_usable_hostname` cuts to it; MAXHOSTNAMELEN is 256).
pub(super) fn hostname_length(view: &View<'_>) -> Vec<Finding> {
    let Some(value) = view.text(HOSTNAME) else { return Vec::new() };
    if value.bytes().all(|byte| byte.is_ascii_digit()) && value.parse::<u32>().is_ok_and(|length| (1..=255).contains(&length))
    {
        return Vec::new();
    }
    vec![Finding::error(
        "hostname-length",
        &[HOSTNAME],
        format!("POT_HOSTNAME_MAX_LENGTH `{}` is not a number from 1 to 255.", value.escape_debug()),
    )]
}

/// POT_MKTEMP_SUFFIX has too few X at its end (mktemp(1): each becomes a random character, only those at the end).
pub(super) fn too_few_random_characters(view: &View<'_>) -> Vec<Finding> {
    let Some(value) = view.text(SUFFIX) else { return Vec::new() };
    let random = value.len() - value.trim_end_matches('X').len();
    let default = crate::potconf::parameter(SUFFIX).map(|known| known.default);
    let shown = value.escape_debug();
    match random {
        0 => vec![
            Finding::error(
                "mktemp-suffix",
                &[SUFFIX],
                format!("`{shown}` does not end in X. mktemp would make the same name each time, and fail on the second."),
            )
            .perhaps_mended_by(SUFFIX, default),
        ],
        1..=5 => vec![
            Finding::warning(
                "mktemp-suffix",
                &[SUFFIX],
                format!("`{shown}` has {random} X at its end. Names with fewer than 6 random characters can be guessed."),
            )
            .perhaps_mended_by(SUFFIX, default),
        ],
        _ => Vec::new(),
    }
}

/// A boolean that `_normalize_true_false` does not know: pot takes it for no without saying so.
pub(super) fn boolean_unknown(view: &View<'_>) -> Vec<Finding> {
    let Some(value) = view.text(ISOLATE).filter(|value| limits::boolean(value).is_none()) else { return Vec::new() };
    vec![Finding::error(
        "boolean-unknown",
        &[ISOLATE],
        format!(
            "POT_ISOLATE_VNET_POTS `{}` is none of yes, true, on, no, false and off. pot takes it for no without saying so.",
            value.escape_debug()
        ),
    )]
}

fn state<'a>(view: &View<'a>, path: &str) -> Option<&'a PathState> {
    view.facts?.paths.get()?.get(path)
}

/// The hook is not an executable file of root's alone (start.sh runs it as root).
pub(super) fn hook_unusable(view: &View<'_>) -> Vec<Finding> {
    let Some(path) = view.text(HOOK) else { return Vec::new() };
    if let Some(problem) = stands_among_pots(view, HOOK, path) {
        return vec![problem];
    }
    let Some(known) = state(view, path) else { return Vec::new() };
    let (code, message) = match known.kind {
        PathKind::Absent => ("hook-missing", format!("{path} does not exist. `pot start` would make no rules for exported ports.")),
        PathKind::File if known.mode & 0o111 == 0 => {
            ("hook-not-executable", format!("{path} is not executable. `pot start` would make no rules for exported ports."))
        }
        PathKind::File if !known.only_root_writes => (
            "hook-writable",
            format!("Others than root can change {path} or a folder above it, and `pot start` runs it as root."),
        ),
        PathKind::File => return Vec::new(),
        PathKind::Folder | PathKind::Link | PathKind::Other => {
            ("hook-not-executable", format!("{path} is not a regular file. `pot start` would run it as root."))
        }
    };
    vec![Finding::error(code, &[HOOK], message)]
}

/// The public key cannot be read, or others can change it: signatures would prove nothing (import.sh, `signify -V`).
pub(super) fn public_key_unusable(view: &View<'_>) -> Vec<Finding> {
    let Some(path) = view.text(PUBKEY) else { return Vec::new() };
    if let Some(problem) = stands_among_pots(view, PUBKEY, path) {
        return vec![problem];
    }
    let Some(known) = state(view, path) else { return Vec::new() };
    let (code, message) = match known.kind {
        PathKind::Absent => {
            ("public-key-unreadable", format!("{path} does not exist. `pot import` and `pot prepare` would refuse every image."))
        }
        PathKind::File if !known.only_root_writes => (
            "public-key-writable",
            format!("Others than root can change {path} or a folder above it, so signatures would prove nothing."),
        ),
        PathKind::File => return Vec::new(),
        PathKind::Folder | PathKind::Link | PathKind::Other => (
            "public-key-unreadable",
            format!("{path} is not a regular file. `pot import` and `pot prepare` would refuse every image."),
        ),
    };
    vec![Finding::error(code, &[PUBKEY], message)]
}

/// A file that root trusts must not stand where a pot's root can write: uid 0 there is uid 0 here.
fn stands_among_pots(view: &View<'_>, name: &str, path: &str) -> Option<Finding> {
    let root = view.text("POT_FS_ROOT")?;
    limits::is_at_or_below(path, root).then(|| {
        Finding::error(
            if name == HOOK { "hook-writable" } else { "public-key-writable" },
            &[name],
            format!("{path} lies below POT_FS_ROOT {root}, where pots can change files."),
        )
    })
}

/// pf.conf does not load (vnet-start.sh ignores that; rc.d/pf then enables pf with no rules at all).
pub(super) fn pf_conf_invalid(view: &View<'_>) -> Vec<Finding> {
    let Some(file) = view.facts.and_then(|facts| facts.pf_file.get()) else { return Vec::new() };
    if !file.exists || file.valid != Some(false) {
        return Vec::new();
    }
    let first = file.errors.first().map(|error| format!(" pfctl says: `{}`", error.escape_debug())).unwrap_or_default();
    let more = file.errors.len().saturating_sub(1);
    let rest = if more > 0 { format!(" and {more} more {}", plural(more, "line", "lines")) } else { String::new() };
    let end = if first.is_empty() { "" } else { "." };
    vec![Finding::error(
        "pf-conf-invalid",
        &[],
        format!("pf does not take {}: the next boot has no firewall.{first}{rest}{end}", file.path),
    )]
}

/// Log files that syslogd would write pot's facility to, but that do not exist (syslogd without `-C` does not make
/// them).
pub(super) fn log_file_missing(view: &View<'_>) -> Vec<Finding> {
    let Some(value) = view.text(FACILITY).filter(|_| view.is_own(FACILITY)) else { return Vec::new() };
    let Some(syslog) = view.facts.and_then(|facts| facts.syslog.get()) else { return Vec::new() };
    let missing: Vec<&String> = syslog
        .files
        .get(value)
        .into_iter()
        .flatten()
        .filter(|file| syslog.missing.contains(file))
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    vec![Finding::warning(
        "log-file-missing",
        &[FACILITY],
        format!(
            "syslogd would write {value} to {}, but {} not exist, and syslogd does not create {}.",
            enumerated(&missing),
            plural(missing.len(), "it does", "they do"),
            plural(missing.len(), "it", "them")
        ),
    )]
}
