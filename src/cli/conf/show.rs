//! `conf show`.

use crate::cli::output::{Style, print, print_json};
use crate::cli::pot_conf::Files;
use crate::cli::{Exit, Format, Global};
use crate::digest::Digest;
use crate::potconf::{Group, Setting, Source, parameter};
use crate::process::harmless;
use serde::Serialize;

/// One parameter as programs read it.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    value: Option<&'a str>,
    default: Option<&'a str>,
    source: Source,
    line: Option<usize>,
    editable: bool,
    reason: Option<&'a str>,
    potnet_value: Option<&'a str>,
    since: Option<&'static str>,
    deprecated: bool,
}

impl<'a> Row<'a> {
    fn of(setting: &'a Setting) -> Self {
        Self {
            name: &setting.name,
            value: setting.value.as_deref(),
            default: setting.default.as_deref(),
            source: setting.source,
            line: setting.line,
            editable: setting.editable,
            reason: setting.reason.as_deref(),
            potnet_value: setting.potnet_value.as_deref(),
            since: setting.since,
            deprecated: setting.deprecated,
        }
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    /// Said when there is no pot.conf: all values are defaults.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    missing: bool,
    digest: Digest,
    parameters: Vec<Row<'a>>,
}

pub(super) fn show(global: &Global, names: &[String]) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let files = Files::read(&layout)?;
    let mut settings = files.configuration.settings();
    for name in names {
        let known = settings.iter().any(|setting| setting.name == *name);
        anyhow::ensure!(known, "{name:?} is neither a parameter of pot nor set in its files");
    }
    settings.retain(|setting| names.is_empty() || names.contains(&setting.name));
    match global.format {
        Format::Json => print_json(&Shown {
            missing: !files.exists,
            digest: files.configuration.own().digest(),
            parameters: settings.iter().map(Row::of).collect(),
        })?,
        Format::Text => {
            let mut text = table(&settings, Style::of_stdout(global.format));
            if let Some(note) = files.note(&layout) {
                text.push_str(&format!("\n{note}"));
            }
            print(&text)?;
        }
    }
    Ok(Exit::Done)
}

/// All settings, in the groups of the guide.
fn table(settings: &[Setting], style: Style) -> String {
    let width = |pick: fn(&Setting) -> usize| settings.iter().map(pick).max().unwrap_or(0);
    // A longer one stands out: a name may have any length, and a width has a limit.
    let names = width(|setting| setting.name.len()).min(40);
    let values = width(|setting| value_of(setting).chars().count().min(40));
    let group_of = |setting: &Setting| match parameter(&setting.name) {
        Some(known) => Some(known.group),
        None => crate::potconf::extra_interface(&setting.name).map(|_| Group::Network),
    };
    let mut text = String::new();
    let mut section = |label: &str, members: &mut dyn Iterator<Item = &Setting>| {
        let mut members = members.peekable();
        if members.peek().is_none() {
            return;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("{}\n", style.bold(label)));
        for setting in members {
            let value = value_of(setting);
            let gap = " ".repeat(values.saturating_sub(value.chars().count()));
            let source = match (setting.source, setting.line) {
                (Source::Default, _) => "default".to_owned(),
                (Source::PotConf, Some(line)) => format!("pot.conf, line {line}"),
                (Source::PotConf, None) => "pot.conf".to_owned(),
                (Source::Unset, _) => "not set".to_owned(),
            };
            let source = if setting.source == Source::PotConf { source } else { style.faint(&source) };
            text.push_str(&format!("  {:names$}  {value}{gap}  {source}", setting.name));
            if let Some(reason) = setting.reason.as_deref().filter(|_| !setting.editable) {
                text.push_str(&format!(", read-only: {}", harmless(reason)));
            }
            text.push('\n');
            let potnet = setting.potnet_value.as_deref();
            if let Some(read) = potnet.filter(|read| setting.value.is_some() && setting.value.as_deref() != Some(read))
            {
                text.push_str(&format!("  {:names$}  potnet reads {}\n", "", harmless(read)));
            }
        }
    };
    for group in Group::ALL {
        section(group.label(), &mut settings.iter().filter(|setting| group_of(setting) == Some(*group)));
    }
    section("Unknown to pot", &mut settings.iter().filter(|setting| group_of(setting).is_none()));
    text
}

/// A value as the table shows it.
fn value_of(setting: &Setting) -> String {
    match (&setting.value, &setting.raw) {
        (Some(value), _) if value.is_empty() => "(empty)".to_owned(),
        (Some(value), _) => harmless(value).into_owned(),
        (None, Some(raw)) => harmless(raw).into_owned(),
        (None, None) => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::potconf::{Configuration, Document};

    #[test]
    fn values_stand_in_the_groups_of_the_guide() {
        let default = Document::parse(b"POT_ZFS_ROOT=zroot/pot\nPOT_EXTIF=em0\n").unwrap();
        let own = Document::parse(b"POT_EXTIF=\"em1\"\nPOT_LOG_FACILITY=$(x)\nSITE=berlin\n").unwrap();
        let text = table(&Configuration::new(default, own).settings(), Style::plain());
        assert!(text.starts_with("File system\n  POT_ZFS_ROOT "), "{text}");
        assert!(text.contains("potnet reads \"em1\"\n"), "{text}");
        assert!(text.contains("$(x)") && text.contains("read-only: "), "{text}");
        assert!(text.contains("\nUnknown to pot\n  SITE "), "{text}");
    }

    #[test]
    fn a_name_of_any_length_is_shown() {
        let default = Document::parse(b"POT_ZFS_ROOT=zroot/pot\n").unwrap();
        let name = "N".repeat(70_000);
        let own = Document::parse(format!("{name}=1\n").as_bytes()).unwrap();
        let text = table(&Configuration::new(default, own).settings(), Style::plain());
        assert!(text.contains(&format!("  {name}  1")), "{}", text.len());
        assert!(
            text.lines().filter(|line| !line.contains("NN")).all(|line| line.len() < 200),
            "the others stay readable"
        );
    }
}
