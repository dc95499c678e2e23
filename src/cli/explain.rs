//! `pot-console explain CODE`: why a finding is one. Starts nothing and reads no file.

use super::output::{Style, print, print_json, wrapped};
use super::{Exit, Format, Global};
use crate::process::harmless;
use crate::rules::{Example, Explanation, Severity, explanation, explanations};
use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use serde_json::{Value, json};
use std::ffi::OsStr;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The finding's code, as check prints it; without one all codes are listed
    #[arg(value_parser = CodeParser, hide_possible_values = true)]
    code: Option<Code>,
}

/// A code that has a page.
#[derive(Debug, Clone, Copy)]
struct Code(&'static Explanation);

/// Takes codes, offers them to completions, and does not list ninety of them when there is no such code.
#[derive(Debug, Clone, Copy)]
struct CodeParser;

impl TypedValueParser for CodeParser {
    type Value = Code;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let text = value.to_string_lossy();
        explanation(&text).map(Code).ok_or_else(|| {
            let message =
                format!("no finding has the code '{}'; pot-console explain lists all codes\n", harmless(&text));
            clap::Error::raw(ErrorKind::InvalidValue, message).with_cmd(command)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(explanations().map(|one| PossibleValue::new(one.code))))
    }
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let style = Style::of_stdout(global.format);
    match (global.format, args.code) {
        (Format::Json, Some(Code(one))) => print_json(&as_json(one))?,
        (Format::Json, None) => print_json(&Value::Array(explanations().map(as_json).collect()))?,
        (Format::Text, Some(Code(one))) => print(&as_text(one, style))?,
        (Format::Text, None) => {
            let widest = explanations().map(|one| one.code.len()).max().unwrap_or_default();
            let lines: Vec<String> = explanations()
                .map(|one| format!("{}  {}\n", style.bold(&format!("{:widest$}", one.code)), one.title))
                .collect();
            print(&lines.concat())?;
        }
    }
    Ok(Exit::Done)
}

fn as_text(one: &Explanation, style: Style) -> String {
    let severities: Vec<String> = one.severities.iter().map(|severity| style.severity(*severity)).collect();
    let mut text = format!("{}  {}\n{}\n", severities.join(" or "), style.bold(one.code), wrapped(one.title, 4));
    text.push_str(&wrapped(one.means, 4));
    for (heading, words) in [("What pot does", one.pot), ("Written in", one.source)] {
        text.push_str(&format!("\n{}\n{}", style.bold(heading), wrapped(words, 4)));
    }
    for (heading, example) in [("Wrong", one.wrong), ("Right", one.right)] {
        text.push_str(&format!("\n{}\n{}", style.bold(heading), of_example(example)));
    }
    text
}

fn of_example(example: Example) -> String {
    let host = example.host.in_words();
    let mut text = String::new();
    if !host.is_empty() {
        text.push_str(&wrapped(&format!("{host}{}", if example.file.is_empty() { "." } else { ":" }), 4));
    }
    // `lines` would take a carriage return away, which is what one of the examples is about.
    for line in example.file.split_terminator('\n') {
        text.push_str(&format!("        {}\n", harmless(line)));
    }
    text
}

fn as_json(one: &Explanation) -> Value {
    let example = |example: Example| json!({"host": example.host.in_words(), "pot_conf": example.file});
    let severities: Vec<&str> = one.severities.iter().copied().map(Severity::name).collect();
    json!({
        "code": one.code,
        "severities": severities,
        "title": one.title,
        "means": one.means,
        "pot": one.pot,
        "source": one.source,
        "wrong": example(one.wrong),
        "right": example(one.right),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_explained_with_both_examples_and_completions_know_it() {
        let text = as_text(explanation("gateway-outside-network").unwrap(), Style::plain());
        assert!(text.starts_with("error  gateway-outside-network\n    The gateway lies outside"), "{text}");
        assert!(text.contains("\nWrong\n        POT_NETWORK=10.200.0.0/16\n"), "{text}");
        assert!(text.contains("\nRight\n        POT_NETWORK=10.200.0.0/16\n"), "{text}");
        assert!(CodeParser.possible_values().unwrap().any(|value| value.get_name() == "shell-syntax"));
        let of_host = as_text(explanation("pf-conf-invalid").unwrap(), Style::plain());
        assert!(of_host.contains("\nWrong\n    On a host where line 4 of /etc/pf.conf is wrong.\n"), "{of_host}");
        // What an example hides is seen.
        assert!(as_text(explanation("carriage-return").unwrap(), Style::plain()).contains("POT_EXTIF=em0␍\n"));
    }
}
