//! What `pot de-init` leaves behind, and taking it away piece by piece.
//!
//! What init took away is given back ([`syslogd_flags::give_back`]). Nothing ends more open than it was before init, and
//! nothing is loaded that could cut the admin off: what would, is named with its command.

use super::{needs, needs_file, needs_plain_flags, needs_plain_rc, rules_beside_pots};
use crate::digest::Digest;
use crate::facts::{Fact, Interface, PathKind, Pf, filter_rules_in_words};
use crate::operations::before_init::FLAGS;
use crate::operations::checks::{Expect, counted};
use crate::operations::draft::{Action, Command, PlanDraft, PlannedStep};
use crate::operations::inputs::{Inputs, PfTest, first_trouble};
use crate::operations::{pf_conf, rc_conf};
use crate::plan::{Leftover, ManagedFile, NOTHING_CHOSEN, Operation, ProofNeeded, StepState};
use crate::process::Tool;
use crate::rules::is_yes;
use crate::rules::syslogd_flags::{self, Before, GivenBack};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// The sysctl of IPv4 forwarding.
const FORWARDING: &str = "net.inet.ip.forwarding";

/// One thing that is left: which, where it stands, and what of it.
struct Left {
    item: Leftover,
    title: String,
    detail: String,
}

/// What is left of pot on this host now, as far as it can be seen: what could not be looked at is among it, and its plan
/// says why.
pub fn leftovers(inputs: &Inputs<'_>) -> Vec<Leftover> {
    left(inputs).into_iter().map(|left| left.item).collect()
}

/// The same by title, for people.
#[cfg(test)]
pub(crate) fn leftovers_in_words(inputs: &Inputs<'_>) -> Vec<String> {
    left(inputs).into_iter().map(|left| left.title).collect()
}

/// Both of each.
pub(crate) fn leftovers_with_words(inputs: &Inputs<'_>) -> Vec<(Leftover, String)> {
    left(inputs).into_iter().map(|left| (left.item, left.title)).collect()
}

/// What will be left after de-init: which thing, and what of it.
pub(super) fn left_behind(inputs: &Inputs<'_>) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = left(inputs).into_iter().map(|left| (left.title, left.detail)).collect();
    all.extend(named(inputs));
    all
}

fn left(inputs: &Inputs<'_>) -> Vec<Left> {
    let facts = inputs.facts;
    let mut found = Vec::new();
    let mut push = |item, title: &str, detail: String| found.push(Left { item, title: title.to_owned(), detail });
    match facts.rc.get() {
        Some(rc) => {
            if let Some((flags, given)) = flags_left(inputs) {
                let then = given.value.map_or_else(|| "goes".to_owned(), |value| format!("becomes `{value}`"));
                push(Leftover::SyslogdFlags, "syslogd_flags in rc.conf", format!("`{flags}` {then}, {}", given.source));
            }
            if let Some(value) = rc.get("pot_enable")
                && rc_conf::sets(inputs.files.bytes(ManagedFile::RcConf), "pot_enable")
            {
                push(Leftover::PotEnable, "pot_enable in rc.conf", format!("`{value}`"));
            }
        }
        None => {
            push(Leftover::SyslogdFlags, "syslogd_flags in rc.conf", unseen(&facts.rc));
            push(Leftover::PotEnable, "pot_enable in rc.conf", unseen(&facts.rc));
        }
    }
    let bridges = bridges(inputs);
    if facts.interfaces.get().is_none() {
        push(Leftover::Bridge, "bridge", unseen(&facts.interfaces));
    } else if !bridges.is_empty() {
        let names: Vec<String> = bridges
            .iter()
            .map(|bridge| match bridge.addresses.first() {
                Some(address) => format!("{}, {}", bridge.name, address.network),
                None => bridge.name.clone(),
            })
            .collect();
        push(Leftover::Bridge, "bridge", names.join("; "));
    }
    match facts.pf.get() {
        None => push(Leftover::NatRules, "rules in pot-nat", unseen(&facts.pf)),
        Some(pf) => {
            if !pf.pot_nat.is_empty() {
                push(Leftover::NatRules, "rules in pot-nat", counted(pf.pot_nat.len(), "rule"));
            }
            if reload(inputs) == Some(Ok(())) {
                push(
                    Leftover::PfRules,
                    "pot's anchors in the loaded rules",
                    format!(
                        "{} is loaded anew: but for them it is what is loaded",
                        inputs.files.path(ManagedFile::PfConf)
                    ),
                );
            }
        }
    }
    if forwarding_left(inputs) == Some(Ok(())) {
        push(Leftover::Forwarding, "IP forwarding", "on; nothing else was seen to need it".to_owned());
    }
    if let Some(Ok(run)) = pf_left(inputs) {
        push(Leftover::PfOn, "pf", format!("turned on by run {run}; no filter rule is loaded"));
    }
    let fs_root = inputs.value("POT_FS_ROOT");
    let title = format!("folder {fs_root}");
    match facts.paths.get() {
        None => push(Leftover::FsRoot, &title, unseen(&facts.paths)),
        Some(paths) if paths.get(&fs_root).is_some_and(|state| state.kind == PathKind::Folder) => {
            push(
                Leftover::FsRoot,
                &title,
                match facts.private_bridges.get().map(Vec::len) {
                    Some(0) => "empty folders".to_owned(),
                    Some(count) => format!("with {}", counted(count, "private bridge")),
                    None => unseen(&facts.private_bridges),
                },
            );
        }
        Some(_) => {}
    }
    found
}

fn unseen<T>(fact: &Fact<T>) -> String {
    format!("could not be looked at: {}", fact.error.as_deref().unwrap_or("no answer"))
}

/// What stays and is not offered: with the command, because it decides who gets in or belongs to others, too.
fn named(inputs: &Inputs<'_>) -> Vec<(String, String)> {
    let facts = inputs.facts;
    let path = inputs.files.path(ManagedFile::PfConf);
    let mut named = Vec::new();
    if let Some(pf) = facts.pf.get().filter(|pf| pf.loaded) {
        match reload(inputs) {
            Some(Err(why)) => named.push((
                "pot's anchors in the loaded rules".to_owned(),
                format!("{why}. Look at both first, then at the machine: pfctl -nf {path} && pfctl -f {path}"),
            )),
            // Before de-init has taken its lines out.
            None if pf.names_pot_anchors() => named.push((
                "pot's anchors in the loaded rules".to_owned(),
                format!("they stay until {path} is loaded without them"),
            )),
            _ => {}
        }
        if let Some(Err(why)) = pf_left(inputs) {
            named.push((
                "pf".to_owned(),
                format!("stays on until the next boot (pf_enable is not set): {why}. To turn it off now, at the machine: pfctl -d"),
            ));
        }
    }
    if let Some(Err(why)) = forwarding_left(inputs) {
        named.push((
            "IP forwarding".to_owned(),
            format!("stays on until the next boot (gateway_enable is not set): {why}. To turn it off now, at the machine: sysctl {FORWARDING}=0"),
        ));
    }
    named
}

/// Whether rc.conf turns this on at boot; none: that is not known.
fn at_boot(inputs: &Inputs<'_>, variable: &str) -> Option<bool> {
    inputs.facts.rc.get().map(|rc| rc.get(variable).is_some_and(|value| is_yes(value)))
}

/// Whether IP forwarding, which is on, can be turned off here, or why not. None: it is off, meant to be on, or that is
/// not known.
fn forwarding_left(inputs: &Inputs<'_>) -> Option<Result<(), String>> {
    let on = inputs.facts.forwarding.get() == Some(&true);
    if !on || at_boot(inputs, "gateway_enable")? || inputs.files.sets_sysctl(FORWARDING) == Some(true) {
        return None;
    }
    if inputs.files.sets_sysctl(FORWARDING).is_none() {
        return Some(Err("whether sysctl.conf turns it on is not known".to_owned()));
    }
    Some(match routes_for_others(inputs) {
        Some(why) => Err(why),
        None => Ok(()),
    })
}

/// Why this host may pass on packets of others than pots, who would be cut off without forwarding. None: it has one way
/// to one network, and translates for nobody.
fn routes_for_others(inputs: &Inputs<'_>) -> Option<String> {
    let facts = inputs.facts;
    let Some(interfaces) = facts.interfaces.get() else {
        return Some("which interfaces this host has is not known".to_owned());
    };
    let pots = bridges(inputs);
    let ways: Vec<&Interface> = interfaces
        .iter()
        .filter(|interface| !interface.is_loopback() && !pots.contains(interface))
        // pf's and IPsec's own: nothing is passed on by them.
        .filter(|interface| !["pflog", "pfsync", "enc"].iter().any(|own| interface.name.starts_with(own)))
        .filter(|interface| interface.up || !interface.addresses.is_empty())
        .collect();
    if let [one, another, ..] = ways.as_slice() {
        return Some(format!("it may pass packets on between {} and {}", one.name, another.name));
    }
    let mut networks: Vec<Ipv4Net> = ways
        .iter()
        .flat_map(|way| way.addresses.iter().map(|own| own.network.trunc()))
        .filter(|network| network.prefix_len() < 32)
        .collect();
    networks.sort_unstable();
    networks.dedup();
    if let [one, another, ..] = networks.as_slice() {
        return Some(format!("it may pass packets on between {one} and {another}"));
    }
    match facts.ipfw.get() {
        Some(false) => {}
        Some(true) => return Some("ipfw is loaded and may translate".to_owned()),
        None => return Some("whether ipfw is loaded is not known".to_owned()),
    }
    match facts.pf.get() {
        None => Some("what pf translates is not known".to_owned()),
        Some(pf) => translates_for_others(pf),
    }
}

/// A translation rule of the main rule set that is not one of pot's anchors, in words.
fn translates_for_others(pf: &Pf) -> Option<String> {
    let other = pf.nat.iter().find(|rule| !(rule.contains("pot-nat") || rule.contains("pot-rdr")))?;
    Some(format!("pf translates for others, too: {}", other.trim()))
}

/// Whether pf, which is on and will be off after the next boot, can be turned off here: the run that turned it on, or why
/// not. None: it is off, meant to be on, or that is not known. Without filter rules nothing gets in that is kept out now.
fn pf_left(inputs: &Inputs<'_>) -> Option<Result<u64, String>> {
    let pf = inputs.facts.pf.get().filter(|pf| pf.enabled)?;
    if at_boot(inputs, "pf_enable")? {
        return None;
    }
    let path = inputs.files.path(ManagedFile::PfConf);
    let text = String::from_utf8_lossy(inputs.files.bytes(ManagedFile::PfConf));
    let has_ether = text.lines().any(|line| line.split('#').next().unwrap_or_default().contains("ether"));
    Some(if !pf.rules.is_empty() {
        Err(format!("{} may keep something out", filter_rules_in_words(pf.rules.len())))
    } else if let Some(why) = translates_for_others(pf) {
        Err(why)
    } else if inputs.files.unknown(ManagedFile::PfConf).is_some() || has_ether {
        // Rules of Ethernet are listed apart, and not among the facts (pf.conf(5)).
        Err(format!("rules of {path} that are not seen may keep something out"))
    } else {
        inputs.files.turned_pf_on.ok_or_else(|| "no run from here turned it on since this host was booted".to_owned())
    })
}

/// Whether pf's file, which holds pot's anchors no more, can be loaded in place of rules that call them. None: they are
/// not called, or the file holds them still. It can when but for them it gives the very rules that are loaded: then
/// nobody is cut off by it, and there is nothing to put back. Else why not.
fn reload(inputs: &Inputs<'_>) -> Option<Result<(), String>> {
    let pf = inputs.facts.pf.get().filter(|pf| pf.names_pot_anchors())?;
    let path = inputs.files.path(ManagedFile::PfConf);
    let text = inputs.files.bytes(ManagedFile::PfConf);
    if pf_conf::anchors_held(text) != (0, 0) {
        return None;
    }
    if let Some(why) = inputs.files.unknown(ManagedFile::PfConf) {
        return Some(Err(format!("what {path} says is not known: {why}")));
    }
    if !inputs.files.exists(ManagedFile::PfConf) {
        return Some(Err(format!("{path} does not exist, so it cannot be loaded in their place")));
    }
    match (inputs.pf_test)(text) {
        PfTest::Valid => {}
        PfTest::Invalid(words) => return Some(Err(format!("{path} is invalid: {}", first_trouble(&words)))),
        PfTest::Untested(why) => return Some(Err(format!("{path} could not be tested: {why}"))),
    }
    Some(match rules_beside_pots(inputs, pf, text) {
        Ok((file, loaded)) if file == loaded => Ok(()),
        Ok((file, loaded)) => {
            let only = |these: &[String], those: &[String]| these.iter().find(|rule| !those.contains(rule)).cloned();
            let example = match (only(&loaded, &file), only(&file, &loaded)) {
                (Some(rule), _) => format!(", for example `{rule}` is loaded and not in the file"),
                (None, Some(rule)) => format!(", for example `{rule}` is in the file and not loaded"),
                (None, None) => String::new(),
            };
            Err(format!("the loaded rules differ from {path} in more than pot's anchors{example}"))
        }
        Err(why) => Err(format!("what {path} would give could not be told: {why}")),
    })
}

/// syslogd_flags with pot's part in them: now, and as they stood before it.
fn flags_left(inputs: &Inputs<'_>) -> Option<(String, GivenBack)> {
    let flags = inputs.facts.rc.get()?.get(FLAGS)?.clone();
    let gateway: Ipv4Addr = inputs.parsed("POT_GATEWAY")?;
    let network: Ipv4Net = inputs.parsed("POT_NETWORK")?;
    let given = syslogd_flags::give_back(&flags, gateway, network, &inputs.files.before_init.flags(gateway, network))?;
    Some((flags, given))
}

/// pot's public and IPv6 bridges.
fn bridges<'a>(inputs: &'a Inputs<'_>) -> Vec<&'a Interface> {
    let gateway: Option<Ipv4Addr> = inputs.parsed("POT_GATEWAY");
    inputs
        .facts
        .interfaces
        .get()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter(|interface| {
            interface.is_bridge()
                && (interface.groups.iter().any(|group| group == "pot")
                    || interface.addresses.iter().any(|own| Some(own.address()) == gateway))
        })
        .collect()
}

/// Plans taking things away. Without an item it lists what there is. Anything but [`Operation::CleanUp`] gives a plan
/// that is blocked.
pub fn clean_up(operation: &Operation, inputs: &Inputs<'_>) -> PlanDraft {
    let mut draft = PlanDraft::new(operation);
    let Operation::CleanUp { items } = operation else {
        draft.block("This is no plan for cleaning up.", "", None);
        return draft;
    };
    "Clean up".clone_into(&mut draft.button);
    let mut items = items.clone();
    items.sort_unstable();
    items.dedup();
    // Of pot's things nothing is taken away while it is there.
    let root = inputs.value("POT_ZFS_ROOT");
    needs(&mut draft, &inputs.facts.datasets, "The list of datasets");
    let initialised = inputs.facts.datasets.get().is_some_and(|all| all.iter().any(|dataset| dataset.name == root));
    if initialised {
        draft.block(
            format!("pot is initialised: {root} exists. What is offered here is needed by it."),
            "Run de-init first.",
            None,
        );
    }
    let present = left(inputs);
    let mut rc = inputs.files.bytes(ManagedFile::RcConf).to_vec();
    for item in &items {
        if !present.iter().any(|left| left.item == *item) {
            let is_named = match item {
                Leftover::PfRules => matches!(reload(inputs), Some(Err(_))),
                Leftover::Forwarding => matches!(forwarding_left(inputs), Some(Err(_))),
                Leftover::PfOn => matches!(pf_left(inputs), Some(Err(_))),
                _ => false,
            };
            let why = if is_named { "is not done here: see what is left" } else { "is not there any more" };
            draft.step(PlannedStep::new(name(*item), StepState::Done, why));
            continue;
        }
        match item {
            Leftover::SyslogdFlags => flags(&mut draft, inputs, &mut rc),
            Leftover::PotEnable => pot_enable(&mut draft, inputs, &mut rc),
            Leftover::Bridge => bridge(&mut draft, inputs, initialised),
            Leftover::NatRules => nat_rules(&mut draft, inputs),
            Leftover::FsRoot => fs_root(&mut draft, inputs, initialised),
            Leftover::PfRules => pf_rules(&mut draft, inputs),
            Leftover::Forwarding => forwarding(&mut draft, inputs),
            Leftover::PfOn => pf_off(&mut draft, inputs),
        }
    }
    let old_rc = inputs.files.bytes(ManagedFile::RcConf);
    draft.diff(inputs.files.path(ManagedFile::RcConf), old_rc, &rc);
    draft.uses(inputs, &["POT_ZFS_ROOT", "POT_GATEWAY", "POT_NETWORK"]);
    if items.contains(&Leftover::FsRoot) {
        draft.uses(inputs, &["POT_FS_ROOT"]);
    }
    draft.nothing_to_do = draft.steps.iter().all(|step| step.step.state == StepState::Done);
    let names: Vec<&str> =
        items.iter().filter(|item| present.iter().any(|left| left.item == **item)).map(|item| name(*item)).collect();
    draft.summary = if items.is_empty() {
        match present.len() {
            0 => "Nothing of pot is left that could be cleaned up.".to_owned(),
            1 => "1 thing of pot can be cleaned up.".to_owned(),
            count => format!("{count} things of pot can be cleaned up."),
        }
    } else if names.is_empty() {
        "Nothing of this is left.".to_owned()
    } else {
        format!("Takes away: {}.", names.join(", "))
    };
    if items.is_empty() {
        draft.block(NOTHING_CHOSEN, "Choose what is to be taken away.", None);
        draft.left_behind = present
            .iter()
            .map(|left| (left.item.name().to_owned(), format!("{}: {}", left.title, left.detail)))
            .collect();
    }
    draft.left_behind.extend(named(inputs));
    draft.basis.push(format!("rc.conf {}", Digest::of(old_rc)));
    draft
}

/// A step that cannot be planned because nobody knows what there is.
fn unknown<T>(draft: &mut PlanDraft, item: Leftover, fact: &Fact<T>, what: &str) {
    needs(draft, fact, what);
    draft.step(PlannedStep::new(name(item), StepState::Blocks, unseen(fact)));
}

/// What init took away is given back.
fn flags(draft: &mut PlanDraft, inputs: &Inputs<'_>, rc: &mut Vec<u8>) {
    let Some((now, given)) = flags_left(inputs) else {
        return unknown(draft, Leftover::SyslogdFlags, &inputs.facts.rc, "rc.conf");
    };
    needs_file(draft, inputs, ManagedFile::RcConf);
    needs_plain_rc(draft, inputs, FLAGS, given.value.as_deref().unwrap_or_default(), "");
    needs_plain_flags(draft, inputs, &now, "");
    let known = &inputs.files.before_init;
    if let Some(trouble) = &known.trouble {
        draft.warnings.push(format!("What syslogd_flags said before init could not be looked up: {trouble}."));
    } else if let (Some(gateway), Some(network)) = (inputs.parsed("POT_GATEWAY"), inputs.parsed("POT_NETWORK"))
        && known.flags(gateway, network) == Before::Unknown
    {
        let why = if known.copy_is_computed() {
            " /etc/rc.conf.bkp-pot holds a value that only the shell can know: put it back by hand if it is wanted."
        } else {
            ""
        };
        draft.warnings.push(format!(
            "What syslogd_flags said before init is not known. With -s syslogd takes lines from no other host; take it out by hand if this host is to take them.{why}"
        ));
    }
    let before = rc.clone();
    let step = match &given.value {
        None => {
            *rc = rc_conf::unset(rc, FLAGS);
            PlannedStep::new(
                name(Leftover::SyslogdFlags),
                StepState::WillBeChanged,
                format!("taken out, {}: the system's default counts again", given.source),
            )
            .act(Action::Backup(ManagedFile::RcConf))
            .act(rc_change(inputs, &before, rc, &["-x", FLAGS]))
            .expect(Expect::Content { file: ManagedFile::RcConf, digest: Digest::of(rc) })
        }
        Some(value) => {
            *rc = rc_conf::set(rc, FLAGS, value);
            PlannedStep::new(
                name(Leftover::SyslogdFlags),
                StepState::WillBeChanged,
                format!("from `{now}` to `{value}`, {}", given.source),
            )
            .act(Action::Backup(ManagedFile::RcConf))
            .act(rc_change(inputs, &before, rc, &["-q", &format!("{FLAGS}={value}")]))
            .expect(Expect::Rc { name: FLAGS.to_owned(), value: Some(value.clone()) })
        }
    };
    draft.step(step);
    draft.warnings.push("syslogd takes its flags when it is restarted: service syslogd restart".to_owned());
}

fn pot_enable(draft: &mut PlanDraft, inputs: &Inputs<'_>, rc: &mut Vec<u8>) {
    if inputs.facts.rc.get().is_none() {
        return unknown(draft, Leftover::PotEnable, &inputs.facts.rc, "rc.conf");
    }
    needs_file(draft, inputs, ManagedFile::RcConf);
    needs_plain_rc(draft, inputs, "pot_enable", "", "");
    let before = rc.clone();
    *rc = rc_conf::unset(rc, "pot_enable");
    draft.step(
        PlannedStep::new(name(Leftover::PotEnable), StepState::WillBeChanged, "taken out of rc.conf")
            .act(Action::Backup(ManagedFile::RcConf))
            .act(rc_change(inputs, &before, rc, &["-x", "pot_enable"]))
            .expect(Expect::Content { file: ManagedFile::RcConf, digest: Digest::of(rc) }),
    );
}

fn bridge(draft: &mut PlanDraft, inputs: &Inputs<'_>, initialised: bool) {
    if inputs.facts.interfaces.get().is_none() {
        return unknown(draft, Leftover::Bridge, &inputs.facts.interfaces, "The list of interfaces");
    }
    for bridge in bridges(inputs) {
        let title = format!("bridge {}", bridge.name);
        if !bridge.members.is_empty() {
            // While pot is in use that is as it should be, and said above.
            if !initialised {
                draft.block(
                    format!("{} still has members: {}.", bridge.name, bridge.members.join(", ")),
                    "Take them out first: they may be what this host is reached by.",
                    None,
                );
            }
            draft.step(PlannedStep::new(title, StepState::Blocks, "has members"));
            continue;
        }
        draft.step(
            PlannedStep::new(title, StepState::WillBeDestroyed, "has no members, is removed")
                .act(Action::Run(Command::new(Tool::Ifconfig, &[&bridge.name, "destroy"])))
                .expect(Expect::NoBridge(bridge.name.clone())),
        );
    }
}

fn nat_rules(draft: &mut PlanDraft, inputs: &Inputs<'_>) {
    if inputs.facts.pf.get().is_none() {
        return unknown(draft, Leftover::NatRules, &inputs.facts.pf, "The state of pf");
    }
    draft.step(
        PlannedStep::new(name(Leftover::NatRules), StepState::WillBeDestroyed, "flushed from the anchor pot-nat")
            .act(Action::Run(Command::new(Tool::Pfctl, &["-a", "pot-nat", "-F", "nat"])))
            .expect(Expect::NoNatRules),
    );
}

/// Offered only where the file gives the rules that are loaded ([`reload`]).
fn pf_rules(draft: &mut PlanDraft, inputs: &Inputs<'_>) {
    let path = inputs.files.path(ManagedFile::PfConf);
    let text = inputs.files.bytes(ManagedFile::PfConf);
    draft.basis.push(format!(
        "pf.conf {} {:?}",
        Digest::of(text),
        inputs.facts.pf.get().map(|pf| (&pf.nat, &pf.rules))
    ));
    let mut step = PlannedStep::new(
        name(Leftover::PfRules),
        StepState::WillBeChanged,
        format!(
            "{path} is tested once more and loaded anew: pot's anchors go, every other rule is the one that is loaded now"
        ),
    );
    step.actions.push(Action::Run(Command::new(Tool::Pfctl, &["-nf", path])));
    draft.step(step.act(Action::Run(Command::new(Tool::Pfctl, &["-f", path]))).expect(Expect::NoAnchorsCalled));
}

/// Offered only where nothing else routes ([`forwarding_left`]).
fn forwarding(draft: &mut PlanDraft, inputs: &Inputs<'_>) {
    draft.basis.push(format!("forwarding {:?} {:?}", inputs.facts.interfaces.get(), inputs.facts.pf.get()));
    draft.step(
        PlannedStep::new(
            name(Leftover::Forwarding),
            StepState::WillBeChanged,
            "from on to off, as it is after the next boot: this host passes on no packets of others",
        )
        .act(Action::Run(Command::new(Tool::Sysctl, &[&format!("{FORWARDING}=0")])))
        .expect(Expect::Forwarding(false)),
    );
}

/// Offered only where a run from here turned it on and nothing is filtered ([`pf_left`]).
fn pf_off(draft: &mut PlanDraft, inputs: &Inputs<'_>) {
    draft.basis.push(format!("pf on {:?} {:?}", inputs.files.turned_pf_on, inputs.facts.pf.get()));
    draft.step(
        PlannedStep::new(
            name(Leftover::PfOn),
            StepState::WillBeChanged,
            "from on to off, as it is after the next boot: no filter rule is loaded, so it keeps nothing out",
        )
        .act(Action::Run(Command::new(Tool::Pfctl, &["-d"])))
        .expect(Expect::PfDisabled),
    );
}

fn fs_root(draft: &mut PlanDraft, inputs: &Inputs<'_>, initialised: bool) {
    if inputs.facts.paths.get().is_none() {
        return unknown(draft, Leftover::FsRoot, &inputs.facts.paths, "What stands at pot's paths");
    }
    let Some(private) = inputs.facts.private_bridges.get() else {
        return unknown(draft, Leftover::FsRoot, &inputs.facts.private_bridges, "The list of private bridges");
    };
    let fs_root = inputs.value("POT_FS_ROOT");
    let mounted = inputs.facts.datasets.get().is_some_and(|all| {
        all.iter().any(|dataset| dataset.mounted && std::path::Path::new(&dataset.mountpoint).starts_with(&fs_root))
    });
    if mounted && !initialised {
        draft.block(format!("A dataset is mounted below {fs_root}."), "Unmount it first: zfs list", None);
    }
    draft.proof = ProofNeeded::OneTime;
    draft.step(
        PlannedStep::new(
            format!("folder {fs_root}"),
            StepState::WillBeDestroyed,
            format!("removed with {} in it, if nothing else is there", counted(private.len(), "private bridge")),
        )
        .act(Action::RemoveFsRoot(fs_root.clone()))
        .expect(Expect::Absent(fs_root)),
    );
}

/// A change of rc.conf: sysrc's, but of a link, in whose place sysrc would put a plain file, the console's own.
fn rc_change(inputs: &Inputs<'_>, before: &[u8], after: &[u8], sysrc: &[&str]) -> Action {
    let file = ManagedFile::RcConf;
    match inputs.files.leads_to(file) {
        Some(_) => Action::Write { file, before: Some(Digest::of(before)), content: after.to_vec() },
        None => Action::Run(Command::new(Tool::Sysrc, sysrc)),
    }
}

/// As pages name it.
fn name(item: Leftover) -> &'static str {
    match item {
        Leftover::SyslogdFlags => "pot's part of syslogd_flags",
        Leftover::PotEnable => "pot_enable",
        Leftover::Bridge => "bridge",
        Leftover::NatRules => "rules in pot-nat",
        Leftover::FsRoot => "pot's folder",
        Leftover::PfRules => "pot's anchors in the loaded rules",
        Leftover::Forwarding => "IP forwarding",
        Leftover::PfOn => "pf",
    }
}
