//! `pot-console check`: show the findings on pot.conf.
//!
//! With `--offline` nothing is started: no tokio, no database, no other process. What counts then is the time that a
//! process takes to start.

use super::output::{Style, counted, print, print_json, wrapped};
use super::pot_conf::{Files, findings, host_facts, of_finding};
use super::{Exit, Format, Global};
use crate::potconf::{PotnetAnswer, potnet};
use crate::process::harmless;
use crate::rules::{Finding, Severity};
use serde::Serialize;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 no error (warnings allowed), 1 errors found, 2 the files could not be read.")]
pub(crate) struct Args {
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

/// The findings for people.
pub(super) fn as_text(path: &str, findings: &[Finding], potnet: &PotnetAnswer, style: Style) -> String {
    let mut text = format!("{}: {}\n", style.bold(path), counted(findings.iter().map(|finding| finding.severity)));
    for finding in findings {
        text.push('\n');
        text.push_str(&of_finding(finding, style));
    }
    if !findings.is_empty() {
        text.push_str(&format!("\n{}\n", style.faint("Why a finding is one: pot-console explain CODE")));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_potnet_would_say_stands_below() {
        let answer = PotnetAnswer { exit_code: 1, errors: vec!["the gateway\u{1b}[31m is wrong".to_owned()] };
        let text = as_text("/etc/pot.conf", &[], &answer, Style::plain());
        assert!(text.starts_with("/etc/pot.conf: no findings\n"), "{text}");
        assert!(text.contains("potnet config-check would exit with status 1:\n    the gateway"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
