//! Rows of `setup --check` and `selftest`, for people and for programs.

use super::output::{Style, print, print_json, wrapped};
use super::{Exit, Format, Global};
use crate::installation::line::{Line, Verdict};
use crate::process::harmless;
use serde_json::json;

/// Prints the rows, and gives the status that says how they came out: 0 sound, 1 something differs, 2 something that should
/// be known is not.
pub(super) fn show(global: &Global, lines: &[Line]) -> anyhow::Result<Exit> {
    let exit = exit(lines);
    match global.format {
        Format::Json => print_json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "sound": exit == Exit::Done,
            "lines": lines,
        }))?,
        Format::Text => {
            let style = Style::of_stdout(global.format);
            let text: String = lines.iter().map(|line| row(style, line)).collect();
            print(&text)?;
            print(&format!("\n{}\n", summary(lines)))?;
        }
    }
    Ok(exit)
}

/// The status that stands for the rows.
pub(super) fn exit(lines: &[Line]) -> Exit {
    match lines.iter().map(|line| line.verdict).max() {
        Some(Verdict::Differs) => Exit::Refused,
        Some(Verdict::NotKnown) => Exit::Usage,
        _ => Exit::Done,
    }
}

/// One row, with what to do about it below.
pub(super) fn row(style: Style, line: &Line) -> String {
    const INDENT: usize = 28;
    let head = format!("{:<10} {:<16} ", line.verdict.word(), line.id);
    let body = wrapped(&harmless(&line.found.replace('\n', " ")), INDENT);
    let head = match line.verdict {
        Verdict::Differs | Verdict::NotKnown => style.bold(&head),
        Verdict::Sound | Verdict::Note => head,
    };
    let mut text = format!("{head}{}", body.trim_start());
    if let Some(remedy) = &line.remedy {
        // In one line: what is to be typed is copied from it.
        text.push_str(&format!("{}→ {}\n", " ".repeat(INDENT), harmless(&remedy.replace('\n', " "))));
    }
    text
}

fn summary(lines: &[Line]) -> String {
    let count = |verdict| lines.iter().filter(|line| line.verdict == verdict).count();
    match (count(Verdict::Differs), count(Verdict::NotKnown)) {
        (0, 0) => "As it should be.".to_owned(),
        (0, unknown) => format!("{unknown} could not be found out."),
        (differ, 0) => format!("{differ} not as it should be."),
        (differ, unknown) => format!("{differ} not as it should be, {unknown} could not be found out."),
    }
}
