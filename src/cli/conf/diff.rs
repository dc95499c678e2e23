//! `conf diff`: what pot.conf sets otherwise than the defaults, or than an earlier version of it.

use super::report::{refuse, safe_diff, unreachable};
use super::restore::{chosen, content, kept};
use crate::cli::output::{Style, print, print_json};
use crate::cli::pot_conf::Files;
use crate::cli::{Exit, Format, Global};
use crate::diff::Diff;
use crate::digest::Digest;
use crate::executor::local::Local;
use crate::potconf::Source;
use crate::process::harmless;
use serde::Serialize;

#[derive(Serialize)]
struct Difference<'a> {
    name: &'a str,
    default: Option<&'a str>,
    value: Option<&'a str>,
    line: Option<usize>,
}

#[derive(Serialize)]
struct Differences<'a> {
    digest: Digest,
    differences: Vec<Difference<'a>>,
}

/// What pot.conf sets otherwise than the defaults.
pub(super) fn differences(global: &Global) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let files = Files::read(&layout)?;
    let settings = files.configuration.settings();
    let differing: Vec<Difference<'_>> = settings
        .iter()
        .filter(|setting| setting.source == Source::PotConf)
        .filter(|setting| setting.value.is_none() || setting.value != setting.default)
        .map(|setting| Difference {
            name: &setting.name,
            default: setting.default.as_deref(),
            value: setting.value.as_deref(),
            line: setting.line,
        })
        .collect();
    match global.format {
        Format::Json => {
            print_json(&Differences { digest: files.configuration.own().digest(), differences: differing })?;
        }
        Format::Text if differing.is_empty() => {
            print(&format!("{} sets nothing otherwise than the defaults.\n", layout.shown(&layout.pot_conf())))?;
        }
        Format::Text => {
            let mut diff =
                format!("--- {}\n+++ {}\n", layout.shown(&layout.default_conf()), layout.shown(&layout.pot_conf()));
            for difference in differing {
                let name = difference.name;
                if let Some(default) = difference.default {
                    diff.push_str(&format!("-{name}={}\n", harmless(default)));
                }
                let raw = files.configuration.setting(name).raw;
                let value = difference.value.or(raw.as_deref()).unwrap_or("(not certain)");
                diff.push_str(&format!("+{name}={}\n", harmless(value)));
            }
            print(&Style::of_stdout(global.format).diff(&diff))?;
        }
    }
    Ok(Exit::Done)
}

/// What was changed since a backup was kept.
pub(super) fn changes_since(global: &Global, wanted: &str) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let mut local = match Local::open(&layout) {
        Ok(local) => local,
        Err(error) => return unreachable(&error),
    };
    let backups = match kept(&mut local) {
        Ok(backups) => backups,
        Err(refusal) => return refuse(global, &refusal),
    };
    let old = match content(&mut local, chosen(&backups, wanted)?.digest) {
        Ok(old) => old,
        Err(refusal) => return refuse(global, &refusal),
    };
    let files = Files::read(&layout)?;
    let diff = Diff::between(&layout.shown(&layout.pot_conf()), &old, files.configuration.own().bytes());
    match global.format {
        Format::Json => print_json(&diff)?,
        Format::Text if diff.is_empty() => print("Nothing has changed since.\n")?,
        Format::Text => print(&Style::of_stdout(global.format).diff(&safe_diff(&diff)))?,
    }
    Ok(Exit::Done)
}
