//! pf: its state in the kernel, its configuration file, and what rc.d/pf loads instead of that.

use super::probe::{Probe, failure};
use super::rc::variable;
use crate::facts::{Fact, Pf, PfFallback, PfFile, PfTest, Untested};
use crate::host::parse;
use crate::process::Tool;
use crate::rules::is_yes;
use std::collections::BTreeMap;

pub(super) fn kernel(probe: &mut Probe<'_>) -> Result<Pf, String> {
    let args = ["-s", "info"];
    let info = probe.ask(Tool::Pfctl, &args)?;
    if !info.succeeded() {
        // Without the module there is no device: nothing filters, and there is nothing more to ask.
        return if parse::pf::is_not_loaded(&info.stderr) {
            Ok(Pf::default())
        } else {
            Err(failure(Tool::Pfctl, &args, &info))
        };
    }
    let anchors = parse::pf::anchors(&probe.answer(Tool::Pfctl, &["-s", "Anchors"])?)?;
    let mut list = |args: &[&str]| parse::pf::listed(&probe.ask(Tool::Pfctl, args)?, args.contains(&"-a"));
    Ok(Pf {
        loaded: true,
        enabled: parse::pf::enabled(&info.stdout)?,
        anchors,
        nat: list(&["-s", "nat"])?,
        rules: list(&["-s", "rules"])?,
        pot_nat: list(&["-s", "nat", "-a", "pot-nat"])?,
    })
}

pub(super) fn file(
    probe: &mut Probe<'_>,
    rc: &Fact<BTreeMap<String, String>>,
    pf: &Fact<Pf>,
) -> Result<PfFile, String> {
    let path = variable(rc, "pf_rules")?.unwrap_or_default().to_owned();
    probe.note("sysrc pf_rules", path.clone());
    if !path.starts_with('/') {
        return Err("pf_rules in rc.conf names no absolute path".to_owned());
    }
    let text = probe.read(&path)?;
    let mut file = PfFile {
        path,
        exists: text.is_some(),
        valid: None,
        errors: Vec::new(),
        untested: None,
        anchor_lines: text.as_deref().map(|text| parse::pf_conf::anchors_held(text.as_bytes())).unwrap_or_default(),
        fallback: None,
    };
    if file.exists {
        match verdict(probe, pf, &file.path, None) {
            PfTest::Valid => file.valid = Some(true),
            PfTest::Invalid(words) => (file.valid, file.errors) = (Some(false), words),
            PfTest::Untested(why) => file.untested = Some(why),
        }
    }
    if variable(rc, "pf_fallback_rules_enable")?.is_some_and(is_yes) {
        file.fallback = Some(fallback(probe, rc, pf)?);
    }
    Ok(file)
}

/// What rc.d/pf loads instead of pf's file: `pf_fallback_rules_file` when there is one, else the text of
/// `pf_fallback_rules`.
fn fallback(probe: &mut Probe<'_>, rc: &Fact<BTreeMap<String, String>>, pf: &Fact<Pf>) -> Result<PfFallback, String> {
    let named = variable(rc, "pf_fallback_rules_file")?.unwrap_or_default().to_owned();
    let file = (named.starts_with('/') && probe.layout().on_disk(&named).is_file()).then_some(named);
    let text = match &file {
        Some(_) => None,
        None => Some(variable(rc, "pf_fallback_rules")?.unwrap_or_default().to_owned()),
    };
    let verdict = match (&file, &text) {
        (Some(path), _) => verdict(probe, pf, path, None),
        (None, text) => {
            let text = format!("{}\n", text.as_deref().unwrap_or_default());
            verdict(probe, pf, "-", Some(text.as_bytes()))
        }
    };
    let valid = match verdict {
        PfTest::Valid => Some(true),
        PfTest::Invalid(_) => Some(false),
        PfTest::Untested(_) => None,
    };
    Ok(PfFallback { file, text, valid })
}

fn verdict(probe: &mut Probe<'_>, pf: &Fact<Pf>, path: &str, text: Option<&[u8]>) -> PfTest {
    let verdict = match probe.ask_with(Tool::Pfctl, &["-nf", path], text) {
        Ok(answer) => parse::pf::verdict(&answer),
        Err(why) => PfTest::Untested(Untested::Other(why)),
    };
    match verdict {
        // pfctl says the same where only root may open the device.
        PfTest::Untested(Untested::PfNotLoaded) if pf.get().is_none_or(|pf| pf.loaded) => {
            PfTest::Untested(Untested::Other("pfctl could not open /dev/pf, which only root may".to_owned()))
        }
        verdict => verdict,
    }
}
