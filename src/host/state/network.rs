//! The virtual network in words: one word for all pages, and a line for each of its parts.

use super::pot_state::PotState;
use super::wanted::Wanted;
use crate::facts::{HostFacts, Pf, filter_rules_in_words, pot_nat_in_words};
use serde::Serialize;

/// Whether the pots' network runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Network {
    /// As pot.conf says.
    Up,
    /// pot takes it for up, and something of it is not as it should be.
    Differs,
    /// pot takes it for up; whether it works is not certain.
    UpForPot,
    /// Down.
    Down,
    /// What tells it did not answer.
    Unknown,
}

impl Network {
    /// What both of pot's and the strict judgement come to.
    pub(super) fn of(state: &PotState) -> Self {
        match (state.vnet_up_pot, state.vnet_up_strict) {
            (Some(true), Some(true)) => Self::Up,
            (Some(true), Some(false)) => Self::Differs,
            (Some(true), None) => Self::UpForPot,
            (Some(false), _) => Self::Down,
            (None, _) => Self::Unknown,
        }
    }

    /// As pages say it.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Differs => "up, but not as it should be",
            Self::UpForPot => "up for pot",
            Self::Down => "down",
            Self::Unknown => "not known",
        }
    }
}

fn not_known() -> String {
    "not known".to_owned()
}

/// "bridge0, 10.192.0.1/10".
pub(super) fn bridge(facts: &HostFacts, state: &PotState, wanted: &Wanted) -> String {
    match &state.public_bridge {
        Some(name) => {
            let interfaces = facts.interfaces.get().map(Vec::as_slice).unwrap_or_default();
            let held = interfaces.iter().filter(|interface| interface.name == *name);
            let addresses = held.flat_map(|interface| interface.addresses.iter().map(|held| held.network.to_string()));
            std::iter::once(name.clone()).chain(addresses).collect::<Vec<_>>().join(", ")
        }
        None if facts.interfaces.get().is_none() || wanted.gateway.is_none() => not_known(),
        None => "none with POT_GATEWAY".to_owned(),
    }
}

/// "3 rules in pot-nat".
pub(super) fn nat(facts: &HostFacts) -> String {
    facts.pf.get().map_or_else(not_known, |pf| pot_nat_in_words(pf.pot_nat.len()))
}

/// "on, 5 filter rules in the main rule set": rules in anchors are not among them.
pub(super) fn pf(facts: &HostFacts) -> String {
    let words = |pf: &Pf| {
        if pf.enabled { format!("on, {}", filter_rules_in_words(pf.rules.len())) } else { "off".to_owned() }
    };
    facts.pf.get().map_or_else(not_known, words)
}

/// "in pf's file, called".
pub(super) fn anchors(state: &PotState) -> String {
    let yes = |known: Option<bool>, yes: &'static str, no: &'static str| match known {
        Some(true) => yes,
        Some(false) => no,
        None => "not known",
    };
    let anchors = &state.anchors;
    format!(
        "{}, {}",
        yes(anchors.in_file, "in pf's file", "not in pf's file"),
        yes(anchors.called, "called", if anchors.existing == Some(true) { "loaded, not called" } else { "not loaded" })
    )
}

/// "on".
pub(super) fn forwarding(facts: &HostFacts) -> String {
    match facts.forwarding.get() {
        Some(true) => "on".to_owned(),
        Some(false) => "off".to_owned(),
        None => not_known(),
    }
}
