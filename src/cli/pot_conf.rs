//! What commands about pot.conf have in common: both files, the host's facts, the findings and how they are printed.

use super::output::{Style, wrapped};
use crate::facts::HostFacts;
use crate::files;
use crate::host::{GatherInput, gather};
use crate::layout::Layout;
use crate::potconf::{Configuration, Document, LARGEST};
use crate::process::{Tools, harmless};
use crate::rules::{self, Finding, Subject};
use anyhow::Context as _;
use std::path::Path;

/// Both files as they stand.
pub(super) struct Files {
    pub(super) configuration: Configuration,
    /// Whether there is a pot.conf.
    pub(super) exists: bool,
}

impl Files {
    /// Reads both. Without a pot.conf pot works with all defaults (bin/pot sources it only if it is there); without
    /// pot.default.conf there is no pot.
    pub(super) fn read(layout: &Layout) -> anyhow::Result<Self> {
        let default = read(layout, &layout.default_conf())?;
        let exists = layout.pot_conf().symlink_metadata().is_ok();
        let own = if exists { read(layout, &layout.pot_conf())? } else { Document::parse(b"")? };
        Ok(Self { configuration: Configuration::new(default, own), exists })
    }

    /// What to say where there is no pot.conf.
    pub(super) fn note(&self, layout: &Layout) -> Option<String> {
        let path = layout.shown(&layout.pot_conf());
        (!self.exists).then(|| {
            format!("{path} does not exist: all defaults are in force. `pot-console conf set NAME=VALUE` makes it.\n")
        })
    }
}

fn read(layout: &Layout, path: &Path) -> anyhow::Result<Document> {
    let shown = layout.shown(path);
    let bytes = match files::HostPath::of(layout, path).and_then(|file| file.read(LARGEST as u64)) {
        Ok(bytes) => bytes,
        Err(files::FileError::Missing(_)) => {
            anyhow::bail!(
                "{shown} does not exist: is pot installed? (`pkg install pot`, or name its folder with --etc)"
            )
        }
        Err(error) => return Err(error).with_context(|| format!("{shown} cannot be read")),
    };
    Document::parse(&bytes).with_context(|| format!("{shown} cannot be read as a configuration"))
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
    findings.extend(facts.and_then(rules::host_not_asked));
    findings
}

/// One finding for people: where, what, and what would fix it.
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
            text.push_str(&format!("    Fix it: pot-console conf set {}\n", words.join(" ")));
        }
        if !fix.unset.is_empty() {
            text.push_str(&format!("    Fix it: pot-console conf unset {}\n", fix.unset.join(" ")));
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
            .fixed_by("POT_EXTRA_EXTIF", "vlan20 vlan30");
        assert_eq!(
            of_finding(&finding, Style::plain()),
            "error  POT_EXTRA_EXTIF, line 7  unquoted-blank\n    A list needs quotes.\n    Fix it: pot-console conf set \
             'POT_EXTRA_EXTIF=vlan20 vlan30'\n"
        );
    }
}
