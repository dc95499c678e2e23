//! `pot-console check`: show the findings on pot.conf.
//!
//! With `--offline` nothing is started: no tokio, no database, no other process. What counts then is the time that a
//! process takes to start.

use super::conf::Files;
use super::output::{Style, counted, print, print_json, wrapped};
use super::{Exit, Format, Global};
use crate::facts::HostFacts;
use crate::files;
use crate::host::{GatherInput, gather};
use crate::layout::Layout;
use crate::potconf::{Configuration, PotnetAnswer, potnet};
use crate::process::{Tools, harmless};
use crate::rules::{self, Finding, Severity, Subject};
use serde::Serialize;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 no error (warnings allowed), 1 errors found, 2 the files could not be read.")]
pub struct Args {
    /// Leave out the checks against the host: read pot.conf and pot.default.conf, start nothing
    #[arg(long)]
    offline: bool,
}

/// What programs read.
#[derive(Serialize)]
struct Answer<'a> {
    /// Said when there is no pot.conf: the defaults were checked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    missing: bool,
    findings: &'a [Finding],
    potnet: PotnetAnswer,
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let files = Files::read(&layout)?;
    let facts = if args.offline { None } else { Some(host_facts(&layout, &files.configuration)?) };
    let findings = findings(&files.configuration, facts.as_ref());
    let potnet =
        potnet::config_check(files.configuration.default_document().bytes(), files.configuration.own().bytes());
    let has_errors = findings.iter().any(|finding| finding.severity == Severity::Error);
    match global.format {
        Format::Json => print_json(&Answer { missing: !files.exists, findings: &findings, potnet })?,
        Format::Text => {
            let style = Style::of_stdout(global.format);
            let path = layout.shown(&layout.pot_conf());
            let mut text = as_text(&path, &findings, &potnet, style);
            if let Some(note) = files.note(&layout) {
                text.push_str(&format!("\n{note}"));
            }
            print(&text)?;
        }
    }
    Ok(if has_errors { Exit::Refused } else { Exit::Done })
}

/// Asks the host. As root, a host below a folder that others can write is refused: its tools would run as root.
pub(super) fn host_facts(layout: &Layout, configuration: &Configuration) -> anyhow::Result<HostFacts> {
    if layout.is_below_a_root() {
        files::check_root_dir(layout.root())?;
    }
    let tools = Tools::find(layout);
    Ok(gather(layout, &tools, &GatherInput::new(configuration, &[])))
}

/// Every finding, and a notice where the host did not answer what rules need.
pub(super) fn findings(configuration: &Configuration, facts: Option<&HostFacts>) -> Vec<Finding> {
    let mut findings = rules::check(&Subject::new(configuration).on(facts));
    findings.extend(facts.and_then(silence));
    findings
}

/// The sources that did not answer, of those that rules need.
fn silence(facts: &HostFacts) -> Option<Finding> {
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

/// The findings for people.
pub(super) fn as_text(path: &str, findings: &[Finding], potnet: &PotnetAnswer, style: Style) -> String {
    let mut text = format!("{}: {}\n", style.bold(path), counted(findings.iter().map(|finding| finding.severity)));
    for finding in findings {
        text.push('\n');
        text.push_str(&of_finding(finding, style));
    }
    if potnet.exit_code != 0 || !potnet.errors.is_empty() {
        let status = potnet.exit_code;
        text.push_str(&format!("\n{} would exit with status {status}:\n", style.bold("potnet config-check")));
        for error in &potnet.errors {
            text.push_str(&wrapped(&harmless(error), 4));
        }
    }
    text
}

/// One finding for people: where, what, and what would mend it.
pub(super) fn of_finding(finding: &Finding, style: Style) -> String {
    let mut place = finding.parameters.join(", ");
    if let Some(line) = finding.line {
        if !place.is_empty() {
            place.push_str(", ");
        }
        place.push_str(&format!("line {line}"));
    }
    let gap = if place.is_empty() { "" } else { "  " };
    let mut text =
        format!("{}  {}{gap}{}\n", style.severity(finding.severity), style.bold(&place), style.faint(&finding.code));
    text.push_str(&wrapped(&harmless(&finding.message), 4));
    if let Some(fix) = &finding.fix {
        if !fix.set.is_empty() {
            let words: Vec<String> = fix.set.iter().map(|(name, value)| as_word(&format!("{name}={value}"))).collect();
            text.push_str(&format!("    Mend it: pot-console conf set {}\n", words.join(" ")));
        }
        if !fix.unset.is_empty() {
            text.push_str(&format!("    Mend it: pot-console conf unset {}\n", fix.unset.join(" ")));
        }
    }
    text
}

/// Text as one word of a shell.
fn as_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:,+@%=-".contains(&byte);
    if text.bytes().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_with_its_place_and_its_remedy() {
        let finding = Finding::error("unquoted-blank", &["POT_EXTRA_EXTIF"], "A list needs quotes.")
            .at(7)
            .mended_by("POT_EXTRA_EXTIF", "vlan20 vlan30");
        assert_eq!(
            of_finding(&finding, Style::plain()),
            "error  POT_EXTRA_EXTIF, line 7  unquoted-blank\n    A list needs quotes.\n    Mend it: pot-console conf set \
             'POT_EXTRA_EXTIF=vlan20 vlan30'\n"
        );
    }

    #[test]
    fn what_potnet_would_say_stands_below() {
        let answer = PotnetAnswer { exit_code: 1, errors: vec!["the gateway\u{1b}[31m is wrong".to_owned()] };
        let text = as_text("/etc/pot.conf", &[], &answer, Style::plain());
        assert!(text.starts_with("/etc/pot.conf: no findings\n"), "{text}");
        assert!(text.contains("potnet config-check would exit with status 1:\n    the gateway"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
