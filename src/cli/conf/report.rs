//! What became of a change of pot.conf, or why nothing was written, for people and for programs.

use crate::cli::output::{Style, complain, counted, print, print_json, wrapped};
use crate::cli::pot_conf::of_finding;
use crate::cli::{Exit, Format, Global};
use crate::diff::Diff;
use crate::digest::Digest;
use crate::layout::Layout;
use crate::process::harmless;
use crate::refusal::{Refusal, RefusalKind};
use crate::rules::{Finding, Severity};
use serde::Serialize;

/// What became of a change, for programs.
#[derive(Serialize)]
struct Changed<'a> {
    written: bool,
    digest: Digest,
    record: Option<u64>,
    diff: String,
    findings: &'a [Finding],
}

/// Why nothing was written, for programs.
#[derive(Serialize)]
struct Refused<'a> {
    written: bool,
    kind: RefusalKind,
    message: &'a str,
    field: Option<&'a str>,
    findings: &'a [Finding],
}

/// Says what was written, or would be. `record` is none when nothing was.
pub(super) fn report(
    global: &Global,
    layout: &Layout,
    record: Option<u64>,
    digest: Digest,
    reason: Option<&str>,
    diff: &Diff,
    findings: &[Finding],
) -> anyhow::Result<()> {
    if global.format == Format::Json {
        let written = record.is_some() && !diff.is_empty();
        return print_json(&Changed { written, digest, record, diff: diff.to_string(), findings });
    }
    let style = Style::of_stdout(global.format);
    let path = layout.shown(&layout.pot_conf());
    let mut text = style.diff(&safe_diff(diff));
    if diff.is_empty() {
        text.push_str(&format!(
            "{path} says so already; nothing {} changed.\n",
            if record.is_some() { "was" } else { "would be" }
        ));
    } else {
        match record {
            Some(record) => text.push_str(&format!(
                "\nSaved {path}, record {record}{}.\n",
                reason.map(|reason| format!(": {}", harmless(reason))).unwrap_or_default()
            )),
            None => text.push_str("\nNothing was written (--dry-run).\n"),
        }
    }
    for finding in findings {
        text.push('\n');
        text.push_str(&of_finding(finding, style));
    }
    print(&text)
}

/// A difference whose lines cannot steer a terminal.
pub(super) fn safe_diff(diff: &Diff) -> String {
    let text = diff.to_string();
    text.lines().flat_map(|line| [harmless(line), "\n".into()]).collect()
}

/// Says why nothing was written.
pub(super) fn refuse(global: &Global, refusal: &Refusal) -> anyhow::Result<Exit> {
    if global.format == Format::Json {
        print_json(&Refused {
            written: false,
            kind: refusal.kind,
            message: &refusal.message,
            field: refusal.field.as_deref(),
            findings: &refusal.findings,
        })?;
    } else {
        let message = match refusal.kind {
            // The findings below say it.
            RefusalKind::Findings => "nothing was written",
            _ => &refusal.message,
        };
        let lines: Vec<_> = message.lines().map(harmless).collect();
        let mut text = format!("pot-console: {}\n", lines.join("\n"));
        if let Some(conflict) = &refusal.conflict {
            for collision in &conflict.colliding {
                let words = |value: &Option<String>| {
                    value.as_deref().map_or("unset".to_owned(), |value| harmless(value).into_owned())
                };
                let (theirs, yours) = (words(&collision.theirs), words(&collision.yours));
                text.push_str(&wrapped(&format!("{}: there {theirs}, yours {yours}", collision.name), 4));
            }
        }
        let errors = refusal.findings.iter().filter(|finding| finding.severity == Severity::Error);
        if !refusal.findings.is_empty() {
            let counted = counted(refusal.findings.iter().map(|finding| finding.severity));
            text.push_str(&format!("\n{counted}; --force --reason TEXT writes in spite of errors\n"));
        }
        for finding in errors {
            text.push('\n');
            text.push_str(&of_finding(finding, Style::plain()));
        }
        complain(&text);
    }
    Ok(refusal.kind.into())
}

pub(super) fn unreachable(error: &dyn std::fmt::Display) -> anyhow::Result<Exit> {
    complain(&format!("pot-console: {error}\n"));
    Ok(Exit::Unreachable)
}
