//! The pots of this host, as its files and jls(8) tell. pot itself is asked nothing, so this works while pot does not.

use super::activity::{Destroyed, Seen, Spells, destroyed, spells};
use super::error::Fault;
use super::known::{Again, Known, Read, missing, waiting};
use super::layout::{self, Entry, Frame, Icon, Time};
use super::visitor::Visitor;
use crate::facts::{Dataset, HostFacts, Pot, PrivateBridge, size};
use crate::host::{PotState, Wanted, first_pot};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use serde::Deserialize;
use std::net::IpAddr;

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/pots", web::get().to(list)).route("/pots/{name}", web::get().to(show));
}

/// A pot as a line of a table.
pub(super) struct PotLine<'a> {
    /// The pot.
    pub(super) pot: &'a Pot,
    /// Its address in paths of this console.
    pub(super) path: String,
    /// "10.192.0.3", "as host".
    pub(super) addresses: String,
    /// Whether an address lies outside of POT_NETWORK.
    pub(super) outside: bool,
    /// "running", "stopped", "not known".
    pub(super) state: &'static str,
    /// What its datasets use: in bytes, and in words.
    bytes: Option<u64>,
    pub(super) used: Option<String>,
}

impl<'a> PotLine<'a> {
    pub(super) fn of(pot: &'a Pot, facts: &HostFacts, wanted: &Wanted, state: &PotState) -> Self {
        let addresses: Vec<String> = pot.addresses.iter().map(IpAddr::to_string).collect();
        let root = wanted.zfs_root.as_deref().unwrap_or_default();
        let dataset = format!("{root}/jails/{}", pot.name);
        let used = facts.datasets.get().and_then(|all| all.iter().find(|known| known.name == dataset));
        Self {
            pot,
            path: format!("/pots/{}", layout::query_value(&pot.name)),
            addresses: if addresses.is_empty() && pot.network_type == "inherit" {
                "as host".to_owned()
            } else {
                addresses.join(", ")
            },
            outside: state.outside.contains(&pot.name),
            state: match pot.running {
                Some(true) => "running",
                Some(false) => "stopped",
                None => "not known",
            },
            bytes: used.map(|dataset| dataset.used),
            used: used.map(|dataset| size(dataset.used)),
        }
    }

    /// Its state at a glance.
    pub(super) fn icon(&self) -> Icon {
        match self.pot.running {
            Some(true) => Icon::new("tick", "", "is-good"),
            Some(false) => Icon::new("wait", "", "quiet"),
            None => Icon::new("warn", "", "is-warn"),
        }
    }

    /// The network, with the private bridge's name.
    pub(super) fn network(&self) -> String {
        match &self.pot.bridge {
            Some(bridge) if self.pot.network_type == "private-bridge" => format!("private-bridge {bridge}"),
            _ => self.pot.network_type.clone(),
        }
    }
}

/// `templates/pots/pots.html`.
#[derive(Template)]
#[template(path = "pots/pots.html")]
struct ListPage<'a> {
    frame: Frame,
    /// Whether the pots could be read at all.
    known: bool,
    lines: Vec<PotLine<'a>>,
    /// How many there are, whatever the filter shows.
    all: usize,
    running: String,
    view: View,
    again: bool,
    network: String,
    outside: bool,
    facts: Read,
    private: &'a [PrivateBridge],
    /// What makes a first pot.
    first_pot: String,
}

/// By what the list is sorted: in addresses, and as the head of its column.
const SORTED: [(&str, &str); 6] = [
    ("", "Name"),
    ("state", "State"),
    ("network", "Network"),
    ("address", "Address"),
    ("kind", "Type"),
    ("used", "Uses"),
];
/// The states that the filter offers.
const STATES: [&str; 3] = ["running", "stopped", "not known"];

/// Which pots are shown, in which order.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct View {
    text: String,
    state: String,
    sort: String,
}

impl View {
    fn is_filter(&self) -> bool {
        !(self.text.is_empty() && self.state.is_empty())
    }

    fn is_state(&self, state: &str) -> bool {
        self.state == state
    }

    fn is_sorted_by(&self, column: &str) -> bool {
        self.sort == column
    }

    /// The address of the list in another order.
    fn sorted_by(&self, column: &str) -> String {
        layout::address("/pots", &[("text", &self.text), ("state", &self.state)], &[("sort", column)])
    }

    fn shows(&self, line: &PotLine<'_>) -> bool {
        let text = self.text.trim().to_lowercase();
        let has = |words: &str| words.to_lowercase().contains(&text);
        (self.state.is_empty() || line.state == self.state)
            && (has(&line.pot.name) || has(&line.network()) || has(&line.addresses))
    }

    /// Sorts; what is alike stays in the order of the names.
    fn sort(&self, lines: &mut [PotLine<'_>]) {
        lines.sort_by(|one, other| one.pot.name.cmp(&other.pot.name));
        match self.sort.as_str() {
            "state" => lines.sort_by_key(|line| STATES.iter().position(|state| *state == line.state)),
            "network" => lines.sort_by_cached_key(PotLine::network),
            "address" => lines.sort_by_key(|line| line.pot.addresses.first().copied()),
            "kind" => lines.sort_by(|one, other| one.pot.kind.cmp(&other.pot.kind)),
            "used" => lines.sort_by_key(|line| std::cmp::Reverse(line.bytes)),
            _ => {}
        }
    }
}

async fn list(visitor: Visitor, view: web::Query<View>, asked_again: web::Query<Again>) -> Result<HttpResponse, Fault> {
    let view = view.into_inner();
    let Some(known) = Known::of(&visitor).await? else { return waiting(&visitor) };
    let state = known.state(&visitor);
    let wanted = Wanted::of(&known.configuration);
    let pots = known.facts.pots.get().map(Vec::as_slice).unwrap_or_default();
    let mut lines: Vec<_> = pots.iter().map(|pot| PotLine::of(pot, &known.facts, &wanted, &state.pot)).collect();
    lines.retain(|line| view.shows(line));
    view.sort(&mut lines);
    let notice = known.facts.pots.error.is_some().then(|| missing(&known.facts.pots));
    let page = ListPage {
        frame: visitor.frame(Entry::Host, "Pots").with_notice(notice),
        known: known.facts.pots.get().is_some(),
        running: state.word("pots-running").to_owned(),
        network: wanted.network.map(|network| network.trunc().to_string()).unwrap_or_default(),
        outside: lines.iter().any(|line| line.outside),
        lines,
        all: pots.len(),
        view,
        again: asked_again.is_pressed(),
        facts: Read::of(&visitor, &known),
        private: known.facts.private_bridges.get().map(Vec::as_slice).unwrap_or_default(),
        first_pot: first_pot(&known.facts),
    };
    layout::page(StatusCode::OK, &page)
}

/// `templates/pots/pot.html`.
#[derive(Template)]
#[template(path = "pots/pot.html")]
struct PotPage<'a> {
    frame: Frame,
    line: PotLine<'a>,
    about: String,
    network: String,
    bridge: Option<&'a PrivateBridge>,
    datasets: Vec<(&'a Dataset, String)>,
    activity: String,
    file: String,
    spells: Spells,
    facts: Read,
}

/// How far the log is looked through for a pot's page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Back {
    /// `all`: as far as pages that are about the log look.
    log: String,
}

async fn show(visitor: Visitor, name: web::Path<String>, back: web::Query<Back>) -> Result<HttpResponse, Fault> {
    let Some(known) = Known::of(&visitor).await? else { return waiting(&visitor) };
    let state = known.state(&visitor);
    let wanted = Wanted::of(&known.configuration);
    let pot = match known.facts.pots.get() {
        Some(pots) => match pots.iter().find(|pot| pot.name == *name) {
            Some(pot) => pot,
            None => return gone(&visitor, name.into_inner(), &known).await,
        },
        None => {
            let why = known.facts.pots.error.as_deref().unwrap_or("they were not read");
            let words = format!("This host's pots are not known: {why}.");
            return Err(Fault::Unfit(StatusCode::SERVICE_UNAVAILABLE, words));
        }
    };
    let top = format!("{}/jails/{}", wanted.zfs_root.as_deref().unwrap_or_default(), pot.name);
    let is_its = |dataset: &&Dataset| {
        dataset.name.strip_prefix(&top).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '@']))
    };
    let datasets = known.facts.datasets.get().map(Vec::as_slice).unwrap_or_default();
    let bridges = known.facts.private_bridges.get().map(Vec::as_slice).unwrap_or_default();
    let line = PotLine::of(pot, &known.facts, &wanted, &state.pot);
    let booted = known.facts.machine.get().and_then(|machine| machine.booted);
    let seen = Seen { running: pot.running, at: known.facts.at, booted };
    let page = PotPage {
        spells: spells(&visitor, &pot.name, seen, back.log == "all").await,
        frame: visitor.frame(Entry::Host, pot.name.clone()),
        network: wanted.network.map(|network| network.trunc().to_string()).unwrap_or_default(),
        bridge: bridges.iter().find(|bridge| Some(&bridge.name) == pot.bridge.as_ref()),
        datasets: datasets.iter().filter(is_its).map(|dataset| (dataset, size(dataset.used))).collect(),
        activity: format!("/activity?pot={}", layout::query_value(&pot.name)),
        file: format!("{}/jails/{}/conf/pot.conf", wanted.fs_root.as_deref().unwrap_or_default(), pot.name),
        about: about(&pot.network_type, line.outside),
        line,
        facts: Read::of(&visitor, &known),
    };
    layout::page(StatusCode::OK, &page)
}

/// `templates/pots/gone.html`: a pot that is not on this host, as one that logs and the history still name.
#[derive(Template)]
#[template(path = "pots/gone.html")]
struct GonePage {
    frame: Frame,
    name: String,
    facts: Read,
    destroyed: Destroyed,
    /// Its lines of the log.
    activity: String,
}

impl GonePage {
    fn moment(&self, at: &Timestamp) -> Time {
        self.frame.clock.moment(at)
    }
}

async fn gone(visitor: &Visitor, name: String, known: &Known) -> Result<HttpResponse, Fault> {
    let destroyed = destroyed(visitor, &name).await;
    let page = GonePage {
        frame: visitor.frame(Entry::Host, name.clone()),
        activity: format!("/activity?pot={}", layout::query_value(&name)),
        name,
        facts: Read::of(visitor, known),
        destroyed,
    };
    layout::page(StatusCode::NOT_FOUND, &page)
}

/// How pots on a bridge and others reach each other, where the pot's address is one of POT_NETWORK.
const THROUGH_NAT: &str = " It reaches the outside through NAT, and is reached through exported ports.";

/// What a network type means, for those who ask which one gives a pot its own address; `outside`: this one stands outside
/// POT_NETWORK, which the page says by itself.
fn about(network_type: &str, outside: bool) -> String {
    let (kind, on_bridge) = match network_type {
        "inherit" => (
            "It uses the host's own network: no address of its own, and its services listen beside the host's. It can \
             reach what listens on the host's loopback.",
            false,
        ),
        "alias" => (
            "It has an address of the outer network, held by the host's card beside the host's own. Neighbours reach it \
             directly; it has no network stack of its own.",
            false,
        ),
        "public-bridge" => (
            "It has its own network stack on one bridge with all other pots of this type, which get addresses in \
             POT_NETWORK.",
            true,
        ),
        "private-bridge" => (
            "It has its own network stack on a bridge that only chosen pots share, which gets a part of POT_NETWORK.",
            true,
        ),
        _ => ("Its configuration names a type that this console does not know.", false),
    };
    format!("{kind}{}", if on_bridge && !outside { THROUGH_NAT } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_type_of_pot_is_explained() {
        for known in ["inherit", "alias", "public-bridge", "private-bridge"] {
            assert!(!about(known, false).contains("does not know"), "{known}");
        }
        assert!(about("vlan", false).contains("does not know"));
    }

    #[test]
    fn a_pot_outside_of_the_network_is_not_said_to_reach_the_outside() {
        assert!(about("public-bridge", false).contains("through NAT"));
        for known in ["public-bridge", "private-bridge"] {
            assert!(!about(known, true).contains("NAT"), "{known}");
        }
    }
}
