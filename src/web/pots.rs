//! The pots of this host, as its files and jls(8) tell. pot itself is asked nothing, so this works while pot does not.

use super::activity::{Destroyed, Seen, Spells, destroyed, spells};
use super::error::Fault;
use super::known::{Again, Known, Read, missing, waiting};
use super::layout::{self, Entry, Frame, Icon, Time};
use super::picture::PictureView;
use super::visitor::Visitor;
use crate::facts::{Dataset, HostFacts, Pot, PrivateBridge, size};
use crate::host::{PotState, Wanted, first_pot};
use crate::network::path::Ways;
use crate::network::picture::Target;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
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
    /// What its datasets use.
    pub(super) used: Option<String>,
}

/// What other facts say of the pots, by their names.
pub(super) struct Beside<'a> {
    used: HashMap<&'a str, u64>,
    outside: HashSet<&'a str>,
}

impl<'a> Beside<'a> {
    pub(super) fn of(facts: &'a HostFacts, wanted: &Wanted, state: &'a PotState) -> Self {
        let jails = format!("{}/jails/", wanted.zfs_root.as_deref().unwrap_or_default());
        let datasets = facts.datasets.get().into_iter().flatten();
        Self {
            used: datasets.filter_map(|dataset| Some((dataset.name.strip_prefix(&jails)?, dataset.used))).collect(),
            outside: state.outside.iter().map(String::as_str).collect(),
        }
    }

    /// What its datasets use, in bytes.
    fn used(&self, pot: &Pot) -> Option<u64> {
        self.used.get(pot.name.as_str()).copied()
    }

    /// Whether an address of it lies outside of POT_NETWORK.
    pub(super) fn is_outside(&self, pot: &Pot) -> bool {
        self.outside.contains(pot.name.as_str())
    }
}

fn state(pot: &Pot) -> &'static str {
    match pot.running {
        Some(true) => "running",
        Some(false) => "stopped",
        None => "not known",
    }
}

fn addresses(pot: &Pot) -> String {
    if pot.addresses.is_empty() && pot.network_type == "inherit" {
        return "as host".to_owned();
    }
    pot.addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

/// The network, with the private bridge's name.
fn network(pot: &Pot) -> String {
    match &pot.bridge {
        Some(bridge) if pot.network_type == "private-bridge" => format!("private-bridge {bridge}"),
        _ => pot.network_type.clone(),
    }
}

impl<'a> PotLine<'a> {
    pub(super) fn of(pot: &'a Pot, beside: &Beside<'_>) -> Self {
        Self {
            pot,
            path: layout::pot_path(&pot.name),
            addresses: addresses(pot),
            outside: beside.is_outside(pot),
            state: state(pot),
            used: beside.used(pot).map(size),
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
        network(self.pot)
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
    /// How many the filter finds: more than `lines` where they fill several pages.
    found: String,
    pages: Option<Pages>,
    /// How many there are, whatever the filter finds.
    all: usize,
    running: String,
    view: View,
    again: bool,
    network: String,
    outside: bool,
    facts: Read,
    /// The first private bridges, and how many there are.
    private: &'a [PrivateBridge],
    private_count: usize,
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

/// Pots on one page.
const PAGE: usize = 200;

/// Which pots are shown, in which order.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct View {
    text: String,
    state: String,
    sort: String,
    /// From 1; what is no number or beyond the last one is the last.
    page: String,
}

/// The pages of a list: which part of it is shown, and where the others are.
struct Pages {
    /// "201 to 400 of 10,000".
    position: String,
    before: Option<String>,
    after: Option<String>,
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

    /// Those that the filter finds, sorted; what is alike stays in the order of the names.
    fn of<'a>(&self, pots: &'a [Pot], beside: &Beside<'_>) -> Vec<&'a Pot> {
        let text = self.text.trim().to_lowercase();
        let has = |words: &str| words.to_lowercase().contains(&text);
        let finds = |pot: &Pot| {
            (self.state.is_empty() || state(pot) == self.state)
                && (text.is_empty() || has(&pot.name) || has(&network(pot)) || has(&addresses(pot)))
        };
        let mut found: Vec<&Pot> = pots.iter().filter(|pot| finds(pot)).collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        match self.sort.as_str() {
            "state" => found.sort_by_key(|pot| STATES.iter().position(|known| *known == state(pot))),
            "network" => found.sort_by_cached_key(|pot| network(pot)),
            "address" => found.sort_by_key(|pot| pot.addresses.first().copied()),
            "kind" => found.sort_by(|one, other| one.kind.cmp(&other.kind)),
            "used" => found.sort_by_cached_key(|pot| Reverse(beside.used(pot))),
            _ => {}
        }
        found
    }

    /// The part of so many that is shown, and the pages where there is more than one.
    fn part(&self, found: usize) -> (std::ops::Range<usize>, Option<Pages>) {
        let last = found.div_ceil(PAGE).max(1);
        let page = if self.page.is_empty() { 1 } else { self.page.parse().unwrap_or(last).clamp(1, last) };
        let shown = (page - 1) * PAGE..(page * PAGE).min(found);
        let at = |page: usize| {
            let page = if page == 1 { String::new() } else { page.to_string() };
            let view = [("text", &self.text), ("state", &self.state), ("sort", &self.sort)];
            layout::address("/pots", &view, &[("page", page.as_str())])
        };
        let pages = (last > 1).then(|| Pages {
            position: format!(
                "{} to {} of {}",
                layout::grouped(shown.start as u64 + 1),
                layout::grouped(shown.end as u64),
                layout::grouped(found as u64)
            ),
            before: (page > 1).then(|| at(page - 1)),
            after: (page < last).then(|| at(page + 1)),
        });
        (shown, pages)
    }
}

async fn list(visitor: Visitor, view: web::Query<View>, asked_again: web::Query<Again>) -> Result<HttpResponse, Fault> {
    let view = view.into_inner();
    let Some(known) = Known::of(&visitor).await? else { return waiting(&visitor) };
    let state = known.state(&visitor);
    let wanted = Wanted::of(&known.configuration);
    let pots = known.facts.pots.get().map(Vec::as_slice).unwrap_or_default();
    let private = known.facts.private_bridges.get().map(Vec::as_slice).unwrap_or_default();
    let beside = Beside::of(&known.facts, &wanted, &state.pot);
    let found = view.of(pots, &beside);
    let (shown, pages) = view.part(found.len());
    let lines: Vec<_> = found.get(shown).unwrap_or_default().iter().map(|pot| PotLine::of(pot, &beside)).collect();
    let notice = known.facts.pots.error.is_some().then(|| missing(&known.facts.pots));
    let page = ListPage {
        frame: visitor.frame(Entry::Host, "Pots").with_notice(notice),
        known: known.facts.pots.get().is_some(),
        running: state.word("pots-running").to_owned(),
        network: wanted.network.map(|network| network.trunc().to_string()).unwrap_or_default(),
        outside: lines.iter().any(|line| line.outside),
        lines,
        found: layout::grouped(found.len() as u64),
        pages,
        all: pots.len(),
        view,
        again: asked_again.is_pressed(),
        facts: Read::of(&visitor, &known),
        private: private.get(..PAGE).unwrap_or(private),
        private_count: private.len(),
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
    /// Its way out, drawn, and what is not known of it.
    way: Option<(PictureView, Vec<String>)>,
    /// The page with all of its ways.
    ways: String,
    /// The ports that it exports.
    exports: Vec<String>,
}

/// How far the log is looked through for a pot's page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Back {
    /// `all`: as far as pages that are about the log look.
    log: String,
}

pub(super) async fn show(
    visitor: Visitor,
    name: web::Path<String>,
    back: web::Query<Back>,
) -> Result<HttpResponse, Fault> {
    let Some(known) = Known::of(&visitor).await? else { return waiting(&visitor) };
    let state = known.state(&visitor);
    let wanted = Wanted::of(&known.configuration);
    let pot = match known.facts.pots.get() {
        Some(pots) => match pots.iter().find(|pot| pot.name == *name) {
            Some(pot) => pot,
            None => return gone(&visitor, name.into_inner(), &known, back.log == "all").await,
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
    let line = PotLine::of(pot, &Beside::of(&known.facts, &wanted, &state.pot));
    let page = PotPage {
        spells: spells(&visitor, &pot.name, seen(pot.running, &known), back.log == "all").await,
        frame: visitor.frame(Entry::Host, pot.name.clone()),
        network: wanted.network.map(|network| network.trunc().to_string()).unwrap_or_default(),
        bridge: bridges.iter().find(|bridge| Some(&bridge.name) == pot.bridge.as_ref()),
        datasets: datasets.iter().filter(is_its).map(|dataset| (dataset, size(dataset.used))).collect(),
        activity: format!("/activity?pot={}", layout::query_value(&pot.name)),
        file: format!("{}/jails/{}/conf/pot.conf", wanted.fs_root.as_deref().unwrap_or_default(), pot.name),
        about: about(&pot.network_type, line.outside),
        way: Ways::of(&pot.name, &known.facts, &known.configuration).and_then(|ways| ways.out.into_iter().next()).map(
            |way| {
                (
                    PictureView::small("way", format!("The way of {}, {}", pot.name, way.title), way.picture()),
                    way.doubts,
                )
            },
        ),
        ways: super::picture::address(&Target::Path(pot.name.clone()), false),
        exports: pot.exported().map(|port| format!("{port} to its port {}", port.pot)).collect(),
        line,
        facts: Read::of(&visitor, &known),
    };
    layout::page(StatusCode::OK, &page)
}

/// What is known of a pot besides its log.
fn seen(running: Option<bool>, known: &Known) -> Seen {
    let booted = known.facts.machine.get().and_then(|machine| machine.booted);
    Seen { running, at: known.facts.at, booted }
}

/// `templates/pots/gone.html`: a pot that is not on this host, as one that logs and the history still name.
#[derive(Template)]
#[template(path = "pots/gone.html")]
struct GonePage {
    frame: Frame,
    name: String,
    facts: Read,
    destroyed: Destroyed,
    spells: Spells,
    /// Its lines of the log.
    activity: String,
}

impl GonePage {
    fn moment(&self, at: &Timestamp) -> Time {
        self.frame.clock.moment(at)
    }
}

async fn gone(visitor: &Visitor, name: String, known: &Known, further: bool) -> Result<HttpResponse, Fault> {
    let destroyed = destroyed(visitor, &name).await;
    // A pot that is not here does not run.
    let spells = spells(visitor, &name, seen(Some(false), known), further).await;
    let page = GonePage {
        frame: visitor.frame(Entry::Host, name.clone()),
        activity: format!("/activity?pot={}", layout::query_value(&name)),
        name,
        facts: Read::of(visitor, known),
        destroyed,
        spells,
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

    fn pots(many: usize) -> Vec<Pot> {
        let pot = |number: usize| Pot {
            name: format!("pot{number:05}"),
            kind: "single".to_owned(),
            network_type: "public-bridge".to_owned(),
            addresses: Vec::new(),
            bridge: None,
            running: Some(number.is_multiple_of(2)),
            exports: Vec::new(),
        };
        (0..many).map(pot).collect()
    }

    #[test]
    fn ten_thousand_pots_are_paged_by_links_that_keep_filter_and_order() {
        let pots = pots(10_000);
        let beside = Beside { used: HashMap::new(), outside: HashSet::new() };
        let view = |page: &str| View {
            text: "POT0".to_owned(),
            state: "running".to_owned(),
            sort: "state".to_owned(),
            page: page.to_owned(),
        };
        let found = view("").of(&pots, &beside);
        assert_eq!(found.len(), 5000);
        let (shown, pages) = view("2").part(found.len());
        let pages = pages.unwrap();
        assert_eq!((shown, pages.position.as_str()), (200..400, "201 to 400 of 5,000"));
        assert_eq!(pages.before.as_deref(), Some("/pots?text=POT0&state=running&sort=state"));
        assert_eq!(pages.after.as_deref(), Some("/pots?text=POT0&state=running&sort=state&page=3"));
        assert_eq!(found[200].name, "pot00400");
        // Each is on one page, and each page is reached from the one before.
        let mut seen = 0;
        for page in 1..=25 {
            let (shown, pages) = view(&page.to_string()).part(found.len());
            assert_eq!(shown.start, seen);
            seen = shown.end;
            assert_eq!(pages.unwrap().after.is_some(), page < 25);
        }
        assert_eq!(seen, 5000);
        for odd in ["26", "99999999999999999999", "-1", "x"] {
            assert_eq!(view(odd).part(found.len()).0, 4800..5000, "{odd}");
        }
        assert_eq!(view("0").part(found.len()).0, 0..200);
        assert!(view("").part(PAGE).1.is_none(), "one page needs no links");
        assert_eq!(view("7").part(0).0, 0..0);
    }

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
