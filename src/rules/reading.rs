//! Rules about the file as a shell program: what sh makes of it, what potnet reads instead, names that pot does not
//! know.

use super::Finding;
use super::limits;
use super::view::{View, enumerated, plural};
use crate::potconf::{Assignment, CommandRun, Document, Setting, Source, potnet};
use ipnet::IpNet;
use std::collections::HashSet;
use std::net::IpAddr;

/// sh stops reading at a syntax error, and `pot`, which sources the file, ends with it (POSIX, 2.8.1 "Consequences of
/// Shell Errors": a special built-in such as `.` ends the shell).
pub(super) fn shell_syntax(view: &View<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for problem in view.configuration.default_document().syntax_problems() {
        findings.push(Finding::error(
            "shell-syntax",
            &[],
            format!(
                "Line {} of pot.default.conf is not valid for sh: {}. Every pot command would stop there.",
                problem.line, problem.message
            ),
        ));
    }
    for problem in view.configuration.own().syntax_problems() {
        let message = format!(
            "Line {} is not valid for sh: {}. Every pot command would stop here.",
            problem.line, problem.message
        );
        findings.push(Finding::error("shell-syntax", &[], message).at(problem.line));
    }
    findings
}

/// Commands that are no danger and say nothing: the shell's own words for variables and tests.
const QUIET: [&str; 11] = [":", "true", "false", "export", "readonly", "unset", "set", "test", "[", "local", "typeset"];

/// A value with a blank and no quotes: `POT_EXTRA_EXTIF=vlan20 vlan30` sets it for the command `vlan30` alone (the
/// guide's own example, and the one of pot.conf.sample).
pub(super) fn unquoted_blank(view: &View<'_>) -> Vec<Finding> {
    view.configuration
        .own()
        .commands()
        .filter_map(|command| {
            let name = slipped(&command)?;
            let run = command.command.as_deref().unwrap_or(&command.text).escape_debug().to_string();
            let stays = match view.value(name) {
                Some("") => format!("{name} stays empty"),
                Some(value) => format!("{name} stays `{}`", value.escape_debug()),
                None => format!("{name} is not set"),
            };
            let what = if command.meant.is_some() { "A list" } else { "A value with a blank" };
            let message = format!("sh would run the command `{run}` here, as root, and {stays}. {what} needs quotes.");
            // Setting what is set already would leave this line.
            let list = command.meant.as_ref().map(|(_, list)| list.as_str());
            let list = list.filter(|list| view.value(name) != Some(*list));
            Some(Finding::error("unquoted-blank", &[name], message).at(command.line).perhaps_fixed_by(name, list))
        })
        .collect()
}

/// The parameter whose value has lost its quotes, when a command looks like it: one parameter of pot, set for the
/// command alone.
fn slipped(command: &CommandRun) -> Option<&str> {
    match command.temporary.as_slice() {
        [only] if is_known(&only.name) && command.command.is_some() && !says_nothing(command) => Some(&only.name),
        _ => None,
    }
}

fn says_nothing(command: &CommandRun) -> bool {
    command.command.as_deref().is_some_and(|name| QUIET.contains(&name))
}

/// A line that is a command: root runs it at every call of pot.
pub(super) fn runs_command(view: &View<'_>) -> Vec<Finding> {
    let odd: HashSet<usize> = view.configuration.own().oddities().iter().map(|oddity| oddity.line).collect();
    commands(view)
        .map(|command| {
            let text: String = command.text.chars().take(60).flat_map(char::escape_debug).collect();
            let text = if command.text.chars().nth(60).is_some() { format!("{text}…") } else { text };
            let after = if odd.contains(&command.line) { " No value in the file is certain then." } else { "" };
            Finding::warning(
                "runs-command",
                &[],
                format!("sh runs `{text}` here, as root, at every call of pot.{after} Take it out unless it is meant."),
            )
            .at(command.line)
        })
        .collect()
}

/// The commands that `runs_command` names.
fn commands(view: &View<'_>) -> impl Iterator<Item = CommandRun> {
    // Of the first line `byte_order_mark` tells more.
    let marked = begins_with_a_mark(view.configuration.own());
    let commands = view.configuration.own().commands().filter(move |command| !marked || command.line != 1);
    commands.filter(|command| slipped(command).is_none() && !says_nothing(command))
}

/// A parameter whose value only sh knows, when it runs. It is read-only here, and operations that use it do not run.
pub(super) fn computed_value(view: &View<'_>) -> Vec<Finding> {
    let oddities = view.configuration.own().oddities();
    let everything_is_uncertain = !oddities.is_empty();
    let mut told: HashSet<usize> = commands(view).map(|command| command.line).collect();
    if begins_with_a_mark(view.configuration.own()) {
        told.insert(1);
    }
    let mut findings: Vec<Finding> = oddities
        .iter()
        .filter(|oddity| !told.contains(&oddity.line))
        .map(|oddity| {
            Finding::warning("computed-value", &[], format!("No value is certain, because {}.", oddity.reason))
                .at(oddity.line)
        })
        .collect();
    findings.extend(view.configuration.default_document().oddities().iter().take(1).map(|oddity| {
        Finding::warning(
            "computed-value",
            &[],
            format!("No value is certain, because in line {} of pot.default.conf {}.", oddity.line, oddity.reason),
        )
    }));
    for setting in view.settings() {
        if setting.source != Source::PotConf || setting.editable || !is_known(&setting.name) {
            continue;
        }
        if everything_is_uncertain && setting.line.is_none() {
            continue;
        }
        let reason = setting.reason.as_deref().unwrap_or("computed");
        let potnet = match (&setting.value, &setting.potnet_value) {
            (None, Some(read)) => format!(" potnet reads `{}`.", read.escape_debug()),
            _ => String::new(),
        };
        let message = if view.is_removed(&setting.name) {
            format!("`unset` takes {} away here, and pot runs without it.{potnet}", setting.name)
        } else if setting.value.is_none() {
            format!(
                "{} is known only to sh at the time it runs ({reason}), so it cannot be checked here.{potnet}",
                setting.name
            )
        } else {
            format!("{} cannot be changed here: {reason}.", setting.name)
        };
        findings.push(Finding::notice("computed-value", &[&setting.name], message));
    }
    findings
}

/// A parameter is assigned twice: the last one counts.
pub(super) fn duplicate_assignment(view: &View<'_>) -> Vec<Finding> {
    view.configuration
        .own()
        .duplicates()
        .into_iter()
        .filter(|(name, _)| name.starts_with("POT") && view.value(name).is_some())
        .filter_map(|(name, lines)| {
            let last = *lines.last()?;
            Some(
                Finding::warning(
                    "duplicate-assignment",
                    &[&name],
                    format!("{name} is set on lines {}. The last one counts, line {last}.", enumerated(&lines)),
                )
                .at(last),
            )
        })
        .collect()
}

fn is_known(name: &str) -> bool {
    crate::potconf::parameter(name).is_some() || crate::potconf::extra_interface(name).is_some()
}

/// A name that pot does not know has no effect.
pub(super) fn unknown_parameter(view: &View<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for setting in view.settings().iter().filter(|setting| setting.source == Source::PotConf) {
        let name = setting.name.as_str();
        let suggested = view.suggestion(name);
        if crate::potconf::parameter(name).is_some()
            || (crate::potconf::extra_interface(name).is_some() && suggested.is_none())
        {
            continue;
        }
        findings.push(if limits::steers_pot(name) {
            Finding::error(
                "steers-pot",
                &[name],
                format!(
                    "{name} is no parameter of pot, but sh or pot's scripts obey it. No operation runs until it is taken out."
                ),
            )
        } else if let Some(known) = suggested {
            let finding = Finding::warning(
                "unknown-parameter",
                &[name],
                format!("pot does not know {name}, so it has no effect. Did you mean {known}?"),
            );
            match setting.value.as_deref().filter(|value| setting.editable && limits::check(known, value).is_ok()) {
                Some(value) if view.line(known).is_none() => finding.fixed_by(known, value).fixed_without(name),
                _ => finding,
            }
        } else if name.starts_with("POT") {
            Finding::warning("unknown-parameter", &[name], format!("pot does not know {name}, so it has no effect."))
        } else {
            Finding::notice(
                "unknown-parameter",
                &[name],
                format!("{name} is no parameter of pot. It has an effect only where this file uses it."),
            )
        });
    }
    findings
}

/// `0.16.1` of `0.16.1_2,1`, as numbers.
fn version(text: &str) -> Option<Vec<u32>> {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    text.get(..end)?.split('.').map(|part| part.parse().ok()).collect()
}

/// The installed pot is older than the parameter: it ignores it (changelog of pot; table of [`PARAMETERS`]).
pub(super) fn newer_than_installed(view: &View<'_>) -> Vec<Finding> {
    let installed = view.facts.and_then(|facts| facts.packages.get()).and_then(|packages| packages.pot.as_deref());
    let Some((text, installed)) = installed.and_then(|text| Some((text, version(text)?))) else { return Vec::new() };
    view.settings()
        .iter()
        .filter(|setting| view.is_own(&setting.name) && is_known(&setting.name))
        .filter_map(|setting| {
            let since = setting.since?;
            (version(since)? > installed).then(|| {
                Finding::warning(
                    "newer-than-installed",
                    &[&setting.name],
                    format!("{} came with pot {since}. This host has pot {text}, which ignores it.", setting.name),
                )
            })
        })
        .collect()
}

/// The parameters whose values potnet works with: networks and addresses for `config-check`, `next`, `new-net` and the
/// rest, POT_FS_ROOT to find the pots. Of the other three that it reads (`zfs_root`, `ext_if`, `dns_name` of its
/// system.rs) it wants no more than that they are there; the last stands in what `potnet show` prints.
const POTNET_WORKS_WITH: [&str; 5] = ["POT_FS_ROOT", "POT_NETWORK", "POT_NETMASK", "POT_GATEWAY", "POT_DNS_IP"];

/// pot and potnet read different values from the same lines: potnet knows no quotes, no `export`, no `if`, and
/// `potnet config-check` then judges a network that pot does not use. A notice where that makes no difference.
pub(super) fn potnet_reads_differently(view: &View<'_>) -> Vec<Finding> {
    potnet::READS
        .into_iter()
        .filter_map(|name| {
            let setting = view.setting(name)?;
            let value = setting.value.as_deref()?;
            if setting.potnet_value.as_deref().is_some_and(|read| read == value || is_the_same_address(read, value)) {
                return None;
            }
            // potnet 0.5 drops a default outside of the network without a word; so does `dns_outside_network`.
            if name == "POT_DNS_IP" && setting.source == Source::Default && setting.potnet_value.is_none() {
                return None;
            }
            // Without a value in either file, sh has none and neither has potnet.
            if setting.source == Source::Unset && setting.potnet_value.is_none() {
                return None;
            }
            let why = why_potnet_differs(view, setting, value);
            if name == "POT_DNS_IP" && value.is_empty() {
                // The DNS pot is then not there (start.sh), and its address is only one fewer for others.
                let reserved = setting.potnet_value.as_deref()?;
                let message = format!(
                    "POT_DNS_IP is empty, so no pot is told of a DNS pot. potnet passes over an empty value and goes on \
                     keeping the default {reserved} from other pots."
                );
                return Some(Finding::notice("potnet-reads-differently", &[name], message));
            }
            let reads = match setting.potnet_value.as_deref() {
                Some(other) => format!("potnet `{}`", other.escape_debug()),
                None => "potnet none".to_owned(),
            };
            let shown =
                if value.is_empty() { "an empty value".to_owned() } else { format!("`{}`", value.escape_debug()) };
            let finding = if POTNET_WORKS_WITH.contains(&name) || setting.potnet_value.is_none() {
                Finding::error(
                    "potnet-reads-differently",
                    &[name],
                    format!("pot reads {shown} for {name}, {reads}: {why}"),
                )
            } else {
                let message = format!("pot reads {shown} for {name}, {reads}, which does no harm: {why}");
                Finding::notice("potnet-reads-differently", &[name], message)
            };
            let certain = setting.editable && setting.source == Source::PotConf && !value.is_empty();
            Some(finding.perhaps_fixed_by(name, certain.then_some(value)))
        })
        .collect()
}

/// `FD00::1` and `fd00::1`.
fn is_the_same_address(one: &str, other: &str) -> bool {
    one.parse::<IpAddr>().is_ok_and(|one| other.parse::<IpAddr>() == Ok(one))
        || one.parse::<IpNet>().is_ok_and(|one| other.parse::<IpNet>() == Ok(one))
}

/// Why potnet reads another value than sh, and what to do about it.
fn why_potnet_differs(view: &View<'_>, setting: &Setting, value: &str) -> &'static str {
    let own = view.configuration.own();
    let written = own
        .assignments()
        .filter(|assignment| assignment.name == setting.name && Some(assignment.line) == setting.line)
        .last();
    let plain = written.as_ref().filter(|assignment| assignment.plain);
    match (written.as_ref(), plain) {
        // `export`, an if, a here-document: of the lines that sh reads, or of those that it does not.
        (None, _) | (Some(_), None) => {
            "it takes every line that begins with the name for an assignment, and no other. Write one plain line."
        }
        _ if value.is_empty() => "it passes over an empty one. Take the line out, or give it a value.",
        (_, Some(plain)) if plain.text.contains(['\'', '"', '\\']) => "it knows no quotes. Write the value bare.",
        (Some(written), _) if is_followed_by(own, written, |next| next == '\t') => {
            "it ends a value at a blank, not at a tab. Put a blank before the comment, or the comment on a line of its own."
        }
        (Some(written), _) if is_followed_by(own, written, |next| !next.is_whitespace()) => {
            "it takes all up to the next blank for the value. Leave nothing else on the line."
        }
        _ if value.ends_with('\r') => "it takes no notice of the carriage return. End the line without it.",
        _ if potnet::values(own.bytes(), b"").contains_key(setting.name.as_str()) => {
            "it takes every line that begins with the name for an assignment, and no other. Write one plain line."
        }
        _ => "it passes over what it cannot read. Write one that both take.",
    }
}

/// What stands right behind an assignment on its line, when anything does.
fn is_followed_by(own: &Document, written: &Assignment, is_meant: impl Fn(char) -> bool) -> bool {
    let line = own.line_text(written.line);
    let rest = line.find(&written.text).and_then(|at| line.get(at + written.text.len()..));
    rest.is_some_and(|rest| !rest.trim().is_empty() && rest.chars().next().is_some_and(is_meant))
}

/// The file begins with a byte-order mark, as editors on Windows write it: for sh a part of the first word, so that an
/// assignment there is a command that does not exist.
pub(super) fn byte_order_mark(view: &View<'_>) -> Vec<Finding> {
    if !begins_with_a_mark(view.configuration.own()) {
        return Vec::new();
    }
    let message = "pot.conf begins with a byte-order mark, which some editors put there. sh takes it for a part of line 1, \
                   which then sets nothing and is run as a command. Save the file as UTF-8 without it.";
    vec![Finding::error("byte-order-mark", &[], message).at(1)]
}

fn begins_with_a_mark(own: &Document) -> bool {
    own.bytes().starts_with(b"\xef\xbb\xbf")
}

/// Lines that end in a carriage return, which sh takes for part of the value.
pub(super) fn carriage_return(view: &View<'_>) -> Vec<Finding> {
    let lines = view.configuration.own().carriage_returns();
    let Some(first) = lines.first().copied() else { return Vec::new() };
    let touched: Vec<(&str, &str)> = view
        .settings()
        .iter()
        .filter(|setting| setting.source == Source::PotConf && setting.editable)
        .filter_map(|setting| Some((setting.name.as_str(), setting.value.as_deref()?.strip_suffix('\r')?)))
        .collect();
    let names: Vec<&str> = touched.iter().map(|(name, _)| *name).collect();
    let mut finding = Finding::error(
        "carriage-return",
        &names,
        format!(
            "{} {} in a carriage return (the file was written on Windows?). sh takes it for part of the value.",
            if lines.len() == 1 { format!("Line {first}") } else { format!("Lines {}", enumerated(&lines)) },
            plural(lines.len(), "ends", "end")
        ),
    )
    .at(first);
    for (name, value) in touched.into_iter().filter(|(name, value)| limits::check(name, value).is_ok()) {
        finding = finding.fixed_by(name, value);
    }
    vec![finding]
}

/// A parameter without which pot or potnet cannot work is empty (`_conf_check`; vnet-start.sh; ifconfig and zfs refuse
/// empty arguments).
pub(super) fn value_missing(view: &View<'_>) -> Vec<Finding> {
    ["POT_ZFS_ROOT", "POT_FS_ROOT", "POT_CACHE", "POT_NETWORK", "POT_GATEWAY", "POT_EXTIF", "POT_MKTEMP_SUFFIX"]
        .into_iter()
        .filter(|name| (view.value(name) == Some("") && view.is_own(name)) || view.is_removed(name))
        .map(|name| {
            let is = if view.is_removed(name) { "is taken away by `unset`" } else { "is empty" };
            Finding::error("value-missing", &[name], format!("{name} {is}, and pot cannot do without it."))
                .fixed_without(name)
        })
        .collect()
}

/// A value that is against a limit: nothing is written and no operation runs while it stands. Only where no rule that
/// knows more has spoken.
pub(super) fn against_limit(view: &View<'_>, others: &[Finding]) -> Vec<Finding> {
    let spoken: HashSet<&str> = others
        .iter()
        .filter(|finding| finding.severity == super::Severity::Error)
        .flat_map(|finding| finding.parameters.iter().map(String::as_str))
        .collect();
    view.settings()
        .iter()
        .filter(|setting| setting.source != Source::Unset && is_known(&setting.name))
        .filter(|setting| !spoken.contains(setting.name.as_str()) && view.suggestion(&setting.name).is_none())
        .filter_map(|setting| {
            let against = limits::check(&setting.name, setting.value.as_deref()?).err()?;
            Some(Finding::error("against-limit", &[&setting.name], format!("{against}. No operation runs with it.")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(version("0.9.2") < version("0.16.0"));
        assert_eq!(version("0.16.1_2,1"), Some(vec![0, 16, 1]));
        assert_eq!(version("unknown"), None);
    }

    use crate::rules::example::{codes, fix_sets, found, found_on, healthy, host, the};
    use crate::rules::{Severity, example};

    #[test]
    fn the_guides_own_example_runs_a_command_and_is_fixed_by_quotes() {
        let own = "POT_EXTRA_EXTIF=vlan20 vlan30\nPOT_NETWORK_vlan20=10.0.20.0/24\nPOT_NETWORK_vlan30=10.0.30.0/24\n";
        let findings = found(own);
        assert_eq!(codes(&findings), ["unquoted-blank"]);
        assert_eq!(findings[0].severity, Severity::Error);
        assert_eq!(findings[0].line, Some(1));
        assert_eq!(
            findings[0].message,
            "sh would run the command `vlan30` here, as root, and POT_EXTRA_EXTIF stays empty. A list needs quotes."
        );
        assert_eq!(fix_sets(&findings[0], "POT_EXTRA_EXTIF"), Some("vlan20 vlan30"));
        assert_eq!(found(&own.replace("=vlan20 vlan30", "=\"vlan20 vlan30\"")), []);
        let vpn = found("POT_VPN_EXTIF=tun0\nPOT_VPN_NETWORKS=192.168.0.0/24 192.168.10.0/24\n");
        assert_eq!(fix_sets(the("unquoted-blank", &vpn), "POT_VPN_NETWORKS"), Some("192.168.0.0/24 192.168.10.0/24"));
        // What is set already needs no fix, and none would take the line away.
        let twice = found("POT_EXTRA_EXTIF=\"vlan20 vlan30\"\nPOT_EXTRA_EXTIF=vlan20 vlan30\n");
        assert_eq!(the("unquoted-blank", &twice).fix, None);
        // A control character is seen where it stands.
        assert!(found("POT_(\u{85}\u{85}\n")[0].message.contains("`\u{fffd}\u{fffd}`"));
    }

    #[test]
    fn the_fix_of_an_unquoted_blank_leaves_nothing_to_find() {
        let own = "POT_EXTRA_EXTIF=vlan20 vlan30\nPOT_NETWORK_vlan20=10.0.20.0/24\nPOT_NETWORK_vlan30=10.0.30.0/24\n";
        let fixed = example::fixed(own, &found_on(&healthy(), own));
        assert_eq!(found_on(&healthy(), &fixed), [], "{fixed}");
    }

    #[test]
    fn a_command_in_the_file_is_named() {
        let findings = found("ls -l /tmp\n: quiet\n");
        let finding = the("runs-command", &findings);
        assert_eq!(finding.line, Some(1));
        assert_eq!(
            finding.message,
            "sh runs `ls -l /tmp` here, as root, at every call of pot. No value in the file is certain then. Take it out \
             unless it is meant."
        );
        assert_eq!(codes(&findings), ["runs-command"]);
    }

    #[test]
    fn a_file_that_sh_cannot_read_is_an_error_on_its_line() {
        let findings = found("POT_EXTIF=em0\nPOT_GROUP=\"pot\n");
        let finding = the("shell-syntax", &findings);
        assert_eq!((finding.severity, finding.line), (Severity::Error, Some(2)));
        assert_eq!(found("POT_EXTIF=em0\n"), []);
    }

    #[test]
    fn a_computed_value_is_noticed_and_not_judged() {
        let findings = found("POT_HOSTNAME_MAX_LENGTH=$(getconf HOST_NAME_MAX)\n");
        assert_eq!(codes(&findings), ["computed-value"]);
        assert_eq!(findings[0].severity, Severity::Notice);
        assert!(findings[0].message.contains("$(getconf HOST_NAME_MAX)"), "{findings:?}");
    }

    #[test]
    fn of_two_assignments_the_last_counts() {
        let findings = found("POT_GROUP=pot\n\nPOT_GROUP=pot\n");
        assert_eq!(codes(&findings), ["duplicate-assignment"]);
        assert_eq!(findings[0].line, Some(3));
        assert_eq!(findings[0].message, "POT_GROUP is set on lines 1 and 3. The last one counts, line 3.");
        assert_eq!(found("POT_GROUP=pot\n# POT_GROUP=pot\n"), []);
    }

    #[test]
    fn an_unknown_name_is_told_with_the_one_that_was_meant() {
        let findings = found("POT_GATWAY=10.192.0.9\n");
        assert_eq!(codes(&findings), ["unknown-parameter"]);
        assert_eq!(findings[0].message, "pot does not know POT_GATWAY, so it has no effect. Did you mean POT_GATEWAY?");
        assert_eq!(fix_sets(&findings[0], "POT_GATEWAY"), Some("10.192.0.9"));
        assert_eq!(findings[0].fix.as_ref().unwrap().unset, ["POT_GATWAY"]);
        // With POT_GATEWAY set besides, nobody knows which is meant.
        assert_eq!(the("unknown-parameter", &found("POT_GATWAY=10.192.0.9\nPOT_GATEWAY=10.192.0.1\n")).fix, None);
        let stack = found("POT_NETWORK_STAK=dual\n");
        assert_eq!(codes(&stack), ["unknown-parameter"]);
        assert!(stack[0].message.ends_with("Did you mean POT_NETWORK_STACK?"), "{stack:?}");
        let other = found("POT_COLOUR=red\n");
        assert_eq!((codes(&other), other[0].severity), (vec!["unknown-parameter"], Severity::Warning));
        assert_eq!(found("site=berlin\n")[0].severity, Severity::Notice);
        assert_eq!(codes(&found("PATH=/tmp\n")), ["steers-pot"]);
    }

    #[test]
    fn thousands_of_unknown_names_do_not_bury_the_rest() {
        let own = (0..5000).map(|number| format!("POT_NAME_{number}=1\n")).collect::<Vec<_>>().concat();
        let findings = found(&own);
        assert_eq!(findings.len(), 101);
        assert!(findings.iter().any(|finding| finding.message == "4,900 more findings of this kind."), "{findings:?}");
    }

    #[test]
    fn a_parameter_newer_than_the_installed_pot_is_ignored_by_it() {
        let old = host(|facts| facts.packages.value.as_mut().unwrap().pot = Some("0.15.4_1".to_owned()));
        let findings = found_on(&old, "POT_ISOLATE_VNET_POTS=true\n");
        assert_eq!(codes(&findings), ["newer-than-installed"]);
        assert!(findings[0].message.contains("came with pot 0.16.0. This host has pot 0.15.4_1"), "{findings:?}");
        assert_eq!(found_on(&healthy(), "POT_ISOLATE_VNET_POTS=true\n"), []);
        assert_eq!(found_on(&old, ""), []);
    }

    #[test]
    fn any_parameter_of_pot_may_have_lost_its_quotes() {
        let findings = found("POT_GROUP=pot users\n");
        assert_eq!((codes(&findings), findings[0].severity), (vec!["unquoted-blank"], Severity::Error));
        assert_eq!(
            findings[0].message,
            "sh would run the command `users` here, as root, and POT_GROUP stays `pot`. A value with a blank needs quotes."
        );
        assert_eq!(findings[0].fix, None, "the limit of POT_GROUP knows no blank");
        assert_eq!(codes(&found("POT_NETWORK_vlan20=10.0.20.0/24 10.0.21.0/24\n")), ["unquoted-blank"]);
        // Other variables may well be meant for the command.
        assert_eq!(codes(&found("LC_TIME=C date\n")), ["runs-command"]);
        assert_eq!(codes(&found("POT_TMP=/x export POT_GROUP\n")), ["computed-value"]);
    }

    #[test]
    fn why_potnet_reads_something_else_is_said() {
        let why = |own: &str| {
            let findings = found(own);
            the("potnet-reads-differently", &findings).message.split_once("`: ").unwrap().1.to_owned()
        };
        assert_eq!(why("POT_GATEWAY='10.192.0.9'\n"), "it knows no quotes. Write the value bare.");
        let lines =
            "it takes every line that begins with the name for an assignment, and no other. Write one plain line.";
        assert_eq!(why("export POT_GATEWAY=10.192.0.9\n"), lines);
        assert_eq!(why("POT_GATEWAY=10.192.0.9\ncat <<E\nPOT_GATEWAY=10.192.0.8\nE\n"), lines);
        assert_eq!(why("POT_FS_ROOT=/opt/my pot\n"), lines);
        assert_eq!(why("POT_GATEWAY=\n"), "it passes over an empty one. Take the line out, or give it a value.");
        assert_eq!(why("POT_NETMASK=/10\n"), "it passes over what it cannot read. Write one that both take.");
        assert_eq!(
            why("POT_GATEWAY=10.192.0.9\r\n"),
            "it takes no notice of the carriage return. End the line without it."
        );
        assert!(!codes(&found("POT_GATEWAY=FD00::1\n")).contains(&"potnet-reads-differently"));
    }

    #[test]
    fn what_unset_takes_away_is_gone_for_certain() {
        let findings = found("unset POT_GATEWAY POT_NETMASK\n");
        assert_eq!(codes(&findings), ["netmask-missing", "value-missing", "computed-value", "computed-value"]);
        assert_eq!(
            the("value-missing", &findings).message,
            "POT_GATEWAY is taken away by `unset`, and pot cannot do without it."
        );
        assert_eq!(
            findings[2].message,
            "`unset` takes POT_NETMASK away here, and pot runs without it. potnet reads `255.192.0.0`."
        );
        assert_eq!(codes(&found("unset POT_VPN_EXTIF\n")), ["computed-value"]);
    }

    #[test]
    fn quotes_that_potnet_does_not_know_are_taken_off() {
        let own = "POT_NETWORK=\"10.0.0.0/8\"\nPOT_NETMASK=255.0.0.0\nPOT_GATEWAY=10.0.0.1\n";
        let findings = found(own);
        let finding = the("potnet-reads-differently", &findings);
        assert!(finding.message.contains("`10.0.0.0/8`") && finding.message.contains("`10.192.0.0/10`"), "{finding:?}");
        assert_eq!(fix_sets(finding, "POT_NETWORK"), Some("10.0.0.0/8"));
        let fixed = example::fixed(own, &findings);
        assert!(fixed.starts_with("POT_NETWORK=10.0.0.0/8\n"), "{fixed}");
        assert_eq!(found(&fixed), []);
        // potnet drops the default without a word.
        assert_eq!(found(&own.replace('"', "")), []);
    }

    #[test]
    fn quotes_where_potnet_only_wants_something_to_be_there_block_nothing() {
        for own in ["POT_ZFS_ROOT=\"zroot/pot\"\n", "POT_EXTIF='em0'\n", "POT_DNS_NAME=\"dns\"\n"] {
            let findings = found(own);
            assert_eq!((codes(&findings), findings[0].severity), (vec!["potnet-reads-differently"], Severity::Notice));
            assert!(findings[0].fix.is_some() && findings[0].message.contains("which does no harm"), "{findings:?}");
        }
        // Where potnet would find nothing at all it stops.
        assert_eq!(found("POT_FS_ROOT=\"/srv/pot\"\n")[0].severity, Severity::Error);
    }

    #[test]
    fn an_empty_dns_address_is_a_notice_at_most() {
        let findings = found("POT_DNS_IP=\n");
        assert_eq!((codes(&findings), findings[0].severity), (vec!["potnet-reads-differently"], Severity::Notice));
        assert!(findings[0].message.contains("keeping the default 10.192.0.2"), "{findings:?}");
        // Outside of the network potnet keeps nothing.
        let own = "POT_NETWORK=10.200.0.0/16\nPOT_NETMASK=255.255.0.0\nPOT_GATEWAY=10.200.0.1\nPOT_DNS_IP=\n";
        assert_eq!(found(own), []);
    }

    #[test]
    fn a_tab_before_a_comment_is_named_as_the_cause() {
        let findings = found("POT_EXTIF=em0\t# card\n");
        let finding = the("potnet-reads-differently", &findings);
        assert_eq!((finding.severity, &finding.fix), (Severity::Notice, &None));
        assert!(finding.message.contains("ends a value at a blank, not at a tab"), "{finding:?}");
        let findings = found("POT_NETWORK=10.192.0.0/10\t# ours\nPOT_GATEWAY=10.192.0.9;POT_TMP=/tmp\n");
        let message =
            |name: &str| findings.iter().find(|finding| finding.parameters == [name]).unwrap().message.clone();
        assert!(message("POT_GATEWAY").contains("all up to the next blank"), "{findings:?}");
        assert_eq!(found("POT_EXTIF=em0 # card\n"), []);
    }

    #[test]
    fn a_byte_order_mark_is_named_as_the_cause() {
        let comment = found("\u{feff}# pot.conf\nPOT_GROUP=pot\n");
        let value = found("\u{feff}POT_EXTIF=em0\nPOT_GROUP=pot\n");
        for findings in [&comment, &value] {
            let finding = the("byte-order-mark", findings);
            assert_eq!((finding.severity, finding.line), (Severity::Error, Some(1)));
            assert!(!codes(findings).contains(&"runs-command"), "{findings:?}");
        }
        // Some shells take it for a part of a name, so that nothing is certain; that is what is said of the others, too.
        assert_eq!(codes(&value), ["byte-order-mark", "computed-value"]);
        assert!(value[1].message.contains("byte-order mark"), "{value:?}");
        assert_eq!(found("POT_GROUP=pot\n"), []);
    }

    #[test]
    fn a_computed_interface_is_named_with_its_cause_and_judged_no_further() {
        let findings = found_on(&healthy(), "POT_EXTIF=$(route -n get default | awk '/interface/ {print $2}')\n");
        assert_eq!(codes(&findings), ["computed-value"]);
        assert!(findings[0].message.contains("$(route -n get default"), "{findings:?}");
    }

    #[test]
    fn a_file_from_windows_is_fixed_line_by_line() {
        let own = "POT_GROUP=pot\r\nPOT_EXTIF=em0\r\n";
        let findings = found(own);
        let finding = the("carriage-return", &findings);
        assert_eq!(finding.line, Some(1));
        assert_eq!(fix_sets(finding, "POT_GROUP"), Some("pot"));
        assert_eq!(fix_sets(finding, "POT_EXTIF"), Some("em0"));
        let fixed = example::fixed(own, &findings);
        assert_eq!(found(&fixed), [], "{fixed:?}");
    }

    #[test]
    fn an_empty_value_that_pot_needs_is_an_error() {
        assert!(codes(&found("POT_EXTIF=\n")).contains(&"value-missing"));
        assert!(codes(&found("POT_FS_ROOT=''\n")).contains(&"value-missing"));
        assert_eq!(found("POT_EXTIF_ADDR=\nPOT_TMP=\nPOT_GROUP=\n"), []);
    }

    #[test]
    fn a_value_against_a_limit_is_found_once() {
        let findings = found("POT_GROUP='a b'\n");
        assert_eq!(codes(&findings), ["against-limit"]);
        assert!(findings[0].message.contains("POT_GROUP cannot be `a b`"), "{findings:?}");
        assert_eq!(codes(&found("POT_FS_ROOT=/etc\n")), ["against-limit"]);
        assert_eq!(codes(&found("POT_FS_ROOT=opt/pot\n")), ["folder-not-absolute"]);
    }
}
