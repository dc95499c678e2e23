//! Rules about the rest: logging, names, temporary files' endings, booleans, the hook, the public key, pf.conf.

use super::Finding;
use super::limits;
use super::log_route::{LogRoute, log_route, missing_logs};
use super::next_boot::{NextBoot, next_boot};
use super::view::{View, enumerated, plural};
use crate::facility;
use crate::facts::{HostFacts, PathKind, PathState, telling};
use crate::potconf::{Kind, PARAMETERS};

const FACILITY: &str = "POT_LOG_FACILITY";
const SUFFIX: &str = "POT_MKTEMP_SUFFIX";
const HOSTNAME: &str = "POT_HOSTNAME_MAX_LENGTH";
const HOOK: &str = "POT_EXPORT_PORTS_PF_RULES_HOOK";
const PUBKEY: &str = "POT_DEFAULT_SIGNATURE_PUBKEY";

/// POT_LOG_FACILITY is no facility (syslog.conf(5); common.sh: `logger -p "$POT_LOG_FACILITY".info` fails at every
/// call). logger(1) takes small and capital letters alike.
pub(super) fn facility_unknown(view: &View<'_>) -> Vec<Finding> {
    let Some(value) = view.value(FACILITY).filter(|value| facility::named(value).is_none()) else { return Vec::new() };
    let meant = facility::named(value.trim()).filter(|name| facility::is_for_programs(name));
    if value.is_empty() {
        let message =
            "POT_LOG_FACILITY is empty. pot's calls would not be logged. Take the line out, or name a facility.";
        return vec![Finding::error("facility-unknown", &[FACILITY], message).fixed_without(FACILITY)];
    }
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
        .perhaps_fixed_by(FACILITY, meant),
    ]
}

/// POT_LOG_FACILITY is one that no program has: what is sent as `kern` syslogd makes `user` (syslogd.c, `parsemsg`), and
/// `mark` is its own.
pub(super) fn facility_of_others(view: &View<'_>) -> Vec<Finding> {
    let Some(name) = view.text(FACILITY).and_then(facility::named).filter(|name| !facility::is_for_programs(name))
    else {
        return Vec::new();
    };
    let message = if name == "kern" {
        "The facility kern is the kernel's: syslogd makes `user` of what pot sends under it. Name another, such as local2."
    } else {
        "The facility mark is syslogd's own, and its lines are no calls of pot. Name another, such as local2."
    };
    vec![Finding::warning("facility-of-others", &[FACILITY], message).fixed_without(FACILITY)]
}

/// syslogd writes the facility nowhere. A stock syslog.conf does not write the default either; that is said on the
/// readiness page, and a default is not blamed.
pub(super) fn facility_written_nowhere(view: &View<'_>) -> Vec<Finding> {
    let Some(name) = view.text(FACILITY).filter(|_| view.is_own(FACILITY)).and_then(facility::named) else {
        return Vec::new();
    };
    let Some(syslog) = view.facts.and_then(|facts| facts.syslog.get()) else { return Vec::new() };
    let name = facility::received(name);
    match log_route(syslog, name) {
        LogRoute::Nowhere => vec![Finding::warning(
            "facility-written-nowhere",
            &[FACILITY],
            format!(
                "syslogd writes {name}.info nowhere, so pot's calls would leave no trace. Add a line such as `{name}.* \
                 /var/log/pot.log` to a file in /usr/local/etc/syslog.d."
            ),
        )],
        LogRoute::Elsewhere(places) => vec![Finding::notice(
            "facility-not-kept-here",
            &[FACILITY],
            format!(
                "syslogd passes {name}.info on to {} and keeps none of it on this host: there is nothing for the Activity \
                 page to show.",
                enumerated(places)
            ),
        )],
        LogRoute::File(_) | LogRoute::Missing(_) => Vec::new(),
    }
}

/// POT_HOSTNAME_MAX_LENGTH is no number from 1 to 255 (`_get_usable_hostname` cuts to it; MAXHOSTNAMELEN is 256).
pub(super) fn hostname_length(view: &View<'_>) -> Vec<Finding> {
    let Some(value) = view.text(HOSTNAME) else { return Vec::new() };
    if value.bytes().all(|byte| byte.is_ascii_digit())
        && value.parse::<u32>().is_ok_and(|length| (1..=255).contains(&length))
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
                format!(
                    "`{shown}` does not end in X. mktemp would make the same name each time, and fail on the second."
                ),
            )
            .perhaps_fixed_by(SUFFIX, default),
        ],
        1..=5 => vec![
            Finding::warning(
                "mktemp-suffix",
                &[SUFFIX],
                format!(
                    "`{shown}` has {random} X at its end. Names with fewer than 6 random characters can be guessed."
                ),
            )
            .perhaps_fixed_by(SUFFIX, default),
        ],
        _ => Vec::new(),
    }
}

/// A boolean that `_normalize_true_false` does not know: pot takes it for no without saying so.
pub(super) fn boolean_unknown(view: &View<'_>) -> Vec<Finding> {
    PARAMETERS
        .iter()
        .filter(|known| known.kind == Kind::Boolean)
        .filter_map(|known| {
            let name = known.name;
            let value = view.text(name).filter(|value| limits::boolean(value).is_none())?.escape_debug();
            let message = format!(
                "{name} `{value}` is none of yes, true, on, no, false and off. pot takes it for no without saying so."
            );
            Some(Finding::error("boolean-unknown", &[name], message))
        })
        .collect()
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
        PathKind::Absent => (
            "hook-missing",
            format!("{path} does not exist. `pot start` would make no rules for exported ports. Name one that does."),
        ),
        PathKind::File if known.mode & 0o111 == 0 => (
            "hook-not-executable",
            format!(
                "{path} is not executable. `pot start` would make no rules for exported ports. Fix it: `chmod 755 {path}`."
            ),
        ),
        PathKind::File if !known.only_root_writes => (
            "hook-writable",
            format!(
                "Others than root can change {path} or a folder above it, and `pot start` runs it as root. Give them to root."
            ),
        ),
        PathKind::File => return Vec::new(),
        PathKind::Folder | PathKind::Link | PathKind::Other => (
            "hook-not-executable",
            format!("{path} is not a regular file, and `pot start` would run it as root. Name the file itself."),
        ),
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
        PathKind::Absent => (
            "public-key-unreadable",
            format!(
                "{path} does not exist. `pot import` and `pot prepare` would refuse every image. Name one that does."
            ),
        ),
        PathKind::File if !known.only_root_writes => (
            "public-key-writable",
            format!(
                "Others than root can change {path} or a folder above it, so signatures would prove nothing. Give them to root."
            ),
        ),
        PathKind::File => return Vec::new(),
        PathKind::Folder | PathKind::Link | PathKind::Other => (
            "public-key-unreadable",
            format!(
                "{path} is not a regular file. `pot import` and `pot prepare` would refuse every image. Name the file itself."
            ),
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
            format!("{path} lies below POT_FS_ROOT {root}, where pots can change files. Keep it elsewhere."),
        )
    })
}

/// pf.conf does not load (vnet-start.sh ignores that; what rc.d/pf makes of it tells [`super::next_boot()`]).
pub(super) fn pf_conf_invalid(view: &View<'_>) -> Vec<Finding> {
    let Some(facts) = view.facts else { return Vec::new() };
    let Some(file) = facts.pf_file.get().filter(|file| file.exists) else { return Vec::new() };
    match (file.valid, &file.untested) {
        (Some(true), _) | (None, None) => Vec::new(),
        (None, Some(why)) => vec![Finding::notice(
            "pf-conf-not-judged",
            &[],
            format!("Whether pf takes {} could not be judged: {why}.", file.path),
        )],
        (Some(false), _) => {
            let says = telling(&file.errors)
                .map(|words| format!(" pfctl says: `{}`.", words.escape_debug()))
                .unwrap_or_default();
            let then = match next_boot(facts) {
                NextBoot::Off => "pot vnet-start would turn pf on without its rules".to_owned(),
                next => next.in_words(),
            };
            let message = format!("pf does not take {}. {then}.{says} Correct it.", file.path);
            vec![Finding::error("pf-conf-invalid", &[], message)]
        }
    }
}

/// Log files that syslogd would write pot's facility to, but that do not exist (syslogd without `-C` does not make
/// them). Beside a file that takes the lines, one that is missing is only worth a word.
pub(super) fn log_file_missing(view: &View<'_>) -> Vec<Finding> {
    let Some(value) = view.text(FACILITY).filter(|_| view.is_own(FACILITY)) else { return Vec::new() };
    let Some(syslog) = view.facts.and_then(|facts| facts.syslog.get()) else { return Vec::new() };
    let name = facility::received(value);
    let missing = missing_logs(syslog, name);
    if missing.is_empty() {
        return Vec::new();
    }
    let first = format!(
        "syslogd would write {name} to {}, but {} not exist, and syslogd does not create {}.",
        enumerated(&missing),
        plural(missing.len(), "it does", "they do"),
        plural(missing.len(), "it", "them"),
    );
    vec![match log_route(syslog, name) {
        LogRoute::File(file) => {
            Finding::notice("log-file-missing", &[FACILITY], format!("{first} What pot reports is in {file}."))
        }
        _ => Finding::warning(
            "log-file-missing",
            &[FACILITY],
            format!("{first} Fix it: `touch` the {}.", plural(missing.len(), "file", "files")),
        ),
    }]
}

/// The sources that did not answer, of those that rules need.
pub(crate) fn host_not_asked(facts: &HostFacts) -> Option<Finding> {
    let sources = [
        ("interfaces", facts.interfaces.error.as_deref()),
        ("routes", facts.routes.error.as_deref()),
        ("pools", facts.pools.error.as_deref()),
        ("datasets", facts.datasets.error.as_deref()),
        ("groups", facts.groups.error.as_deref()),
        ("pots", facts.pots.error.as_deref()),
    ];
    let silent: Vec<(&str, &str)> = sources.into_iter().filter_map(|(name, error)| Some((name, error?))).collect();
    let (_, why) = silent.first()?;
    let names: Vec<&str> = silent.iter().map(|(name, _)| *name).collect();
    Some(Finding::notice(
        "host-not-asked",
        &[],
        format!("This host did not tell its {}, so what depends on them was not checked: {why}.", names.join(", ")),
    ))
}

#[cfg(test)]
mod tests {
    use crate::facts::{PathKind, PathState};
    use crate::rules::example::{absent, at, codes, file, fix_sets, found, found_on, healthy, host};
    use crate::rules::{Finding, Severity};

    fn only(code: &str, findings: Vec<Finding>) -> Finding {
        assert_eq!(codes(&findings), [code]);
        findings.into_iter().next().unwrap()
    }

    #[test]
    fn a_facility_is_one_of_syslogs_and_written_somewhere() {
        let finding = only("facility-unknown", found("POT_LOG_FACILITY=local8\n"));
        assert_eq!((finding.severity, &finding.fix), (Severity::Error, &None));
        assert_eq!(
            fix_sets(&only("facility-unknown", found("POT_LOG_FACILITY=' local3'\n")), "POT_LOG_FACILITY"),
            Some("local3")
        );
        let empty = only("facility-unknown", found("POT_LOG_FACILITY=\n"));
        assert_eq!(
            (empty.message.contains("is empty"), &empty.fix.unwrap().unset[..]),
            (true, &["POT_LOG_FACILITY".to_owned()][..])
        );
        only("facility-written-nowhere", found_on(&healthy(), "POT_LOG_FACILITY=local3\n"));
        assert_eq!(found_on(&healthy(), "POT_LOG_FACILITY=cron\n"), []);
        let missing = host(|facts| {
            let syslog = facts.syslog.value.as_mut().unwrap();
            syslog.files.insert("local3".to_owned(), vec!["/var/log/pot.log".to_owned()]);
            syslog.missing.push("/var/log/pot.log".to_owned());
        });
        assert_eq!(
            only("log-file-missing", found_on(&missing, "POT_LOG_FACILITY=local3\n")).severity,
            Severity::Warning
        );
    }

    #[test]
    fn capital_letters_are_the_same_facility() {
        assert_eq!(found("POT_LOG_FACILITY=LOCAL2\n"), []);
        only("facility-written-nowhere", found_on(&healthy(), "POT_LOG_FACILITY=Local3\n"));
        assert_eq!(found_on(&healthy(), "POT_LOG_FACILITY=CRON\n"), []);
    }

    #[test]
    fn a_facility_that_is_written_nowhere_is_found_whichever_it_is() {
        for name in ["console", "ntp", "news", "ftp", "uucp", "syslog", "daemon", "security"] {
            only("facility-written-nowhere", found_on(&healthy(), &format!("POT_LOG_FACILITY={name}\n")));
        }
        // syslogd makes it user, which a stock host writes nowhere either.
        let kern = found_on(&healthy(), "POT_LOG_FACILITY=kern\n");
        assert_eq!(codes(&kern), ["facility-of-others", "facility-written-nowhere"]);
        assert!(kern[1].message.starts_with("syslogd writes user.info nowhere"), "{kern:?}");
        assert_eq!(kern[0].fix.as_ref().unwrap().unset, ["POT_LOG_FACILITY"]);
        only("facility-of-others", found("POT_LOG_FACILITY=mark\n"));
    }

    #[test]
    fn a_missing_log_beside_a_good_one_is_told_as_such() {
        let facts = host(|facts| {
            let syslog = facts.syslog.value.as_mut().unwrap();
            let files = ["/var/log/pot.log", "/var/log/all.log"].map(str::to_owned).to_vec();
            syslog.files.insert("local3".to_owned(), files);
            syslog.missing.push("/var/log/all.log".to_owned());
        });
        let finding = only("log-file-missing", found_on(&facts, "POT_LOG_FACILITY=local3\n"));
        assert_eq!(finding.severity, Severity::Notice);
        assert!(finding.message.contains("/var/log/all.log, but it does not exist"), "{finding:?}");
        assert!(finding.message.ends_with("What pot reports is in /var/log/pot.log."), "{finding:?}");
    }

    #[test]
    fn lines_for_a_log_host_are_not_called_lost() {
        let facts = host(|facts| {
            let syslog = facts.syslog.value.as_mut().unwrap();
            syslog.elsewhere.insert("local3".to_owned(), vec!["@loghost".to_owned()]);
        });
        let finding = only("facility-not-kept-here", found_on(&facts, "POT_LOG_FACILITY=local3\n"));
        assert_eq!(finding.severity, Severity::Notice);
        assert!(finding.message.contains("passes local3.info on to @loghost"), "{finding:?}");
    }

    #[test]
    fn a_host_name_has_1_to_255_characters() {
        for wrong in ["0", "256", "-1", "many", "+5"] {
            only("hostname-length", found(&format!("POT_HOSTNAME_MAX_LENGTH={wrong}\n")));
        }
        assert_eq!(found("POT_HOSTNAME_MAX_LENGTH=255\n"), []);
    }

    #[test]
    fn temporary_names_need_random_characters_at_their_end() {
        assert_eq!(only("mktemp-suffix", found("POT_MKTEMP_SUFFIX=.tmp\n")).severity, Severity::Error);
        let finding = only("mktemp-suffix", found("POT_MKTEMP_SUFFIX=.XXX\n"));
        assert_eq!((finding.severity, fix_sets(&finding, "POT_MKTEMP_SUFFIX")), (Severity::Warning, Some(".XXXXXXXX")));
        assert_eq!(found("POT_MKTEMP_SUFFIX=XXXXXX.tmp\n")[0].code, "mktemp-suffix");
        assert_eq!(found("POT_MKTEMP_SUFFIX=.XXXXXX\n"), []);
    }

    #[test]
    fn only_pots_own_booleans_count() {
        only("boolean-unknown", found("POT_ISOLATE_VNET_POTS=1\n"));
        for good in ["YES", "true", "On", "no", "FALSE", "off"] {
            assert_eq!(found(&format!("POT_ISOLATE_VNET_POTS={good}\n")), [], "{good}");
        }
    }

    #[test]
    fn what_root_runs_or_trusts_must_be_roots_alone() {
        let with = |state: PathState| host(|facts| at(facts, "/usr/local/etc/hook", state));
        let link = PathState { kind: PathKind::Link, ..file(0o755, true) };
        let cases = [
            (absent(), "hook-missing", "public-key-unreadable"),
            (link, "hook-not-executable", "public-key-unreadable"),
            (file(0o755, false), "hook-writable", "public-key-writable"),
        ];
        let hook = "POT_EXPORT_PORTS_PF_RULES_HOOK=/usr/local/etc/hook\n";
        let key = "POT_DEFAULT_SIGNATURE_PUBKEY=/usr/local/etc/hook\n";
        for (state, for_hook, for_key) in cases {
            only(for_hook, found_on(&with(state.clone()), hook));
            only(for_key, found_on(&with(state), key));
        }
        only("hook-not-executable", found_on(&with(file(0o644, true)), hook));
        assert_eq!(found_on(&with(file(0o755, true)), hook), []);
        assert_eq!(found_on(&with(file(0o644, true)), key), []);
        only("hook-writable", found("POT_EXPORT_PORTS_PF_RULES_HOOK=/opt/pot/jails/web1/m/hook\n"));
    }

    #[test]
    fn a_pf_conf_that_does_not_load_leaves_the_next_boot_without_a_firewall() {
        let broken = host(|facts| {
            let file = facts.pf_file.value.as_mut().unwrap();
            file.valid = Some(false);
            file.errors = vec!["/etc/pf.conf:4: syntax error".to_owned()];
        });
        let finding = only("pf-conf-invalid", found_on(&broken, ""));
        assert_eq!(
            finding.message,
            "pf does not take /etc/pf.conf. pot vnet-start would turn pf on without its rules. pfctl says: \
             `/etc/pf.conf:4: syntax error`. Correct it."
        );
        let mut boots = broken.clone();
        boots.rc.value.as_mut().unwrap().insert("pf_enable".to_owned(), "YES".to_owned());
        let finding = only("pf-conf-invalid", found_on(&boots, ""));
        assert!(finding.message.contains("The next boot has no firewall"), "{}", finding.message);
        boots.pf_file.value.as_mut().unwrap().fallback = Some(crate::facts::PfFallback {
            file: None,
            text: Some("block drop log all".to_owned()),
            valid: Some(true),
        });
        let finding = only("pf-conf-invalid", found_on(&boots, ""));
        assert!(
            finding.message.contains("`block drop log all` in its place, which let nobody in"),
            "{}",
            finding.message
        );
    }

    #[test]
    fn a_pf_conf_that_could_not_be_judged_is_not_called_invalid() {
        let unknown = host(|facts| {
            let file = facts.pf_file.value.as_mut().unwrap();
            (file.valid, file.untested) = (None, Some(crate::facts::Untested::PfNotLoaded));
        });
        let finding = only("pf-conf-not-judged", found_on(&unknown, ""));
        assert_eq!(finding.severity, Severity::Notice);
        assert_eq!(finding.message, "Whether pf takes /etc/pf.conf could not be judged: pf is not loaded.");
    }
}
