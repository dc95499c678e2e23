//! Facts about the host: the probes that gather them, and what they mean for pot.
//!
//! [`mod@gather`] asks every source at once. [`mod@readiness`] holds the facts against the installation guide,
//! [`mod@pot_state`] against pot.conf; both are pure.

#[cfg(test)]
mod fixture;
mod gather;
pub mod parse;
pub mod pot_state;
mod probe;
mod readiness;
mod time_zone;
mod wanted;

pub use gather::{GatherInput, POT_PROGRAM, gather, path_state, pf_rules_path, snapshots};
pub use pot_state::{Anchors, Drift, PotState, Remedy, Stage, pot_state};
pub use readiness::{Counts, Evidence, Preparation, Row, RowState, configuration_row, pot_installed, readiness, size};
pub use time_zone::time_zone;
pub use wanted::Wanted;

use crate::facts::{Fact, HostFacts, PathKind, PathState, SLOW_MS};

fn is_there(state: &PathState) -> bool {
    state.kind != PathKind::Absent
}

/// One source with what it answered, whatever kind of value it gives.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Asked<'a> {
    /// What it tells, in two or three words.
    pub about: &'static str,
    /// Why there is no value, or why it is not whole.
    pub error: Option<&'a str>,
    /// The commands or files.
    pub source: &'a str,
    /// Their words.
    pub evidence: &'a str,
    /// When it was asked.
    pub at: jiff::Timestamp,
    /// How long the answer took, in milliseconds.
    pub took_ms: u64,
}

impl Asked<'_> {
    /// The source as a heading; empty when the words name their sources themselves.
    pub fn heading(&self) -> &str {
        readiness::heading(self.source, self.evidence)
    }

    /// Whether the answer took so long that people should know why they wait.
    pub fn is_slow(&self) -> bool {
        self.took_ms >= SLOW_MS
    }
}

/// The sources that were slow, in words: `datasets 12 s, rc.conf 31 s`. None when all answered soon.
pub fn slow_in_words(facts: &HostFacts) -> Option<String> {
    let slow: Vec<String> = everything_asked(facts)
        .iter()
        .filter(|asked| asked.is_slow())
        .map(|asked| format!("{} {} s", asked.about, asked.took_ms / 1000))
        .collect();
    (!slow.is_empty()).then(|| slow.join(", "))
}

/// Every source in the order of [`HostFacts`].
pub fn everything_asked(facts: &HostFacts) -> Vec<Asked<'_>> {
    fn asked<'a, T>(about: &'static str, fact: &'a Fact<T>) -> Asked<'a> {
        Asked {
            about,
            error: fact.error.as_deref(),
            source: &fact.source,
            evidence: &fact.evidence,
            at: fact.at,
            took_ms: fact.took_ms,
        }
    }
    vec![
        asked("name and versions", &facts.system),
        asked("machine", &facts.machine),
        asked("VNET", &facts.vimage),
        asked("resource limits", &facts.racct),
        asked("vtnet offload", &facts.vtnet_lro_disable),
        asked("forwarding", &facts.forwarding),
        asked("bridge members", &facts.bridge_member_addresses),
        asked("pools", &facts.pools),
        asked("datasets", &facts.datasets),
        asked("interfaces", &facts.interfaces),
        asked("routes", &facts.routes),
        asked("name servers", &facts.resolvers),
        asked("pf", &facts.pf),
        asked("pf's file", &facts.pf_file),
        asked("ipfw", &facts.ipfw),
        asked("syslog", &facts.syslog),
        asked("rc.conf", &facts.rc),
        asked("packages", &facts.packages),
        asked("groups", &facts.groups),
        asked("paths", &facts.paths),
        asked("pots", &facts.pots),
        asked("private bridges", &facts.private_bridges),
        asked("watched files", &facts.files),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_sources_are_named_with_their_time() {
        let mut facts = fixture::running_host();
        assert_eq!(slow_in_words(&facts), None);
        (facts.rc.took_ms, facts.datasets.took_ms) = (31_500, SLOW_MS);
        assert_eq!(slow_in_words(&facts).as_deref(), Some("datasets 5 s, rc.conf 31 s"));
        facts.datasets.took_ms = SLOW_MS - 1;
        assert_eq!(slow_in_words(&facts).as_deref(), Some("rc.conf 31 s"));
    }
}
