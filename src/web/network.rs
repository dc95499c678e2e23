//! /pots/addresses: who has which address of POT_NETWORK and of each private bridge, and what is free.
//! /network/path: which way a packet takes.

use super::error::Fault;
use super::escape::visible;
use super::known::{Known, Read, waiting};
use super::layout::{self, Entry, Frame, counted, grouped};
use super::picture::address;
use super::pots;
use super::visitor::Visitor;
use crate::facts::{PrivateBridge, pots_outside};
use crate::host::Wanted;
use crate::network::addresses::{self, Held, Holder, Part, Range, Table};
use crate::network::path::{Hop, Way, Ways};
use crate::network::picture::Target;
use crate::rules::{Subject, overlaps};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use ipnet::Ipv4Net;
use serde::Deserialize;
use std::net::Ipv4Addr;

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/pots/addresses", web::get().to(show)).route("/network/path", web::get().to(path));
}

// -- addresses --

/// What is asked of the map.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// The block that is open.
    block: String,
    /// An address that is looked up.
    address: String,
    /// Hosts of a network that potnet would give.
    hosts: String,
    /// A POT_NETWORK that is thought of.
    network: String,
    /// Not the map, but the pot of this name.
    pot: String,
}

/// `templates/network/addresses.html`.
#[derive(Template)]
#[template(path = "network/addresses.html")]
struct AddressPage<'a> {
    frame: Frame,
    facts: Read,
    asked: Asked,
    /// Why there is no map.
    unknown: Option<String>,
    /// Why some of it may be missing.
    doubt: Option<String>,
    network: String,
    /// What is open, from the whole network on: words and address.
    crumbs: Vec<(String, String)>,
    open: String,
    parts: Vec<PartRow>,
    found: Option<String>,
    next: Result<Next, String>,
    overlaps: Vec<String>,
    outside: Option<(String, Vec<&'a str>)>,
    bridges: Vec<BridgeRow<'a>>,
    bridge_count: usize,
    free: Vec<Range>,
    free_all: usize,
    free_count: String,
}

/// What potnet gives.
struct Next {
    /// The network that it reads, where that is another than pot's.
    reads: Option<String>,
    address: Option<Ipv4Addr>,
    /// For so many hosts: the network with its gateway, or none.
    net: Option<(u16, Option<(Ipv4Net, Ipv4Addr)>)>,
}

/// A part of the open block.
struct PartRow {
    name: String,
    /// The address of the same page with it open.
    open: Option<String>,
    /// Of a hundred, how much is taken.
    share: u64,
    taken: String,
    who: Vec<Who>,
    more: usize,
    /// No one has any of it.
    free: bool,
}

/// Who has it, and where that is.
struct Who {
    words: String,
    address: Option<String>,
}

/// A private bridge.
struct BridgeRow<'a> {
    bridge: &'a PrivateBridge,
    open: String,
    taken: String,
    next: Option<Ipv4Addr>,
    outside: bool,
}

/// Free stretches that the page lists.
const RANGES: usize = 200;
/// Private bridges that it lists.
const BRIDGES: usize = 100;
/// Holders that a part names.
const NAMED: usize = 4;

async fn show(visitor: Visitor, asked: web::Query<Asked>) -> Result<HttpResponse, Fault> {
    if !asked.pot.is_empty() {
        return pots::show(visitor, layout::ADDRESSES.to_owned().into(), web::Query(pots::Back::default())).await;
    }
    let Some(known) = Known::of(&visitor).await? else { return waiting(&visitor) };
    let asked = asked.into_inner();
    let facts = &known.facts;
    let wanted = Wanted::of(&known.configuration);
    let whole = addresses::pot_network(facts, &known.configuration);
    let bridges = facts.private_bridges.get().map(Vec::as_slice).unwrap_or_default();
    let block = asked.block.trim().parse::<Ipv4Net>().ok().map(|block| block.trunc());
    let mut page = AddressPage {
        frame: visitor.frame(Entry::Host, "Addresses").with_notice(known.notice()),
        facts: Read::of(&visitor, &known),
        unknown: whole.as_ref().err().cloned(),
        doubt: addresses::Known::doubt(facts).map(str::to_owned),
        network: wanted.network.map(|network| network.trunc().to_string()).unwrap_or_default(),
        crumbs: Vec::new(),
        open: String::new(),
        parts: Vec::new(),
        found: None,
        next: addresses::potnet(facts, &known.configuration).map(|table| Next::of(&table, wanted.network, &asked)),
        overlaps: Vec::new(),
        outside: outside(&asked, facts.pots.get().map(Vec::as_slice).unwrap_or_default()),
        bridges: Vec::new(),
        bridge_count: bridges.len(),
        free: Vec::new(),
        free_all: 0,
        free_count: String::new(),
        asked,
    };
    if let Ok(whole) = &whole {
        let of_bridges = addresses::Known::of(facts).ok();
        page.found = found(&page.asked, whole, &wanted);
        // A block that lies elsewhere may be a private bridge's.
        let elsewhere = block.filter(|block| !whole.network.contains(block));
        let bridge = elsewhere.and_then(|block| bridges.iter().find(|bridge| bridge.network.contains(&block)));
        let own = bridge.zip(of_bridges).map(|(bridge, known)| Table::of_bridge(bridge, known));
        let table = own.as_ref().unwrap_or(whole);
        let open = block.filter(|block| table.network.contains(block)).unwrap_or(table.network);
        page.crumbs = crumbs(table.network, open);
        page.open = open.to_string();
        page.parts = table.parts(open).iter().map(|part| PartRow::of(part, open)).collect();
        let subject = Subject::new(&known.configuration).on(Some(facts));
        page.overlaps = overlaps(&subject, whole.network)
            .into_iter()
            .map(|(interface, network)| format!("{} of {}", network, visible(&interface)))
            .collect();
        let free = whole.free();
        page.free_count = grouped(free.iter().map(|range| range.size()).sum());
        page.free_all = free.len();
        page.free = free.into_iter().take(RANGES).collect();
        if let Some(known) = of_bridges {
            page.bridges = bridges
                .iter()
                .take(BRIDGES)
                .map(|bridge| BridgeRow::of(bridge, &Table::of_bridge(bridge, known), whole))
                .collect();
        }
    }
    layout::page(StatusCode::OK, &page)
}

impl Next {
    fn of(table: &Table, network: Option<Ipv4Net>, asked: &Asked) -> Self {
        let hosts = asked.hosts.trim().parse::<u16>().ok().filter(|hosts| addresses::prefix_for(*hosts).is_some());
        Self {
            reads: (network.map(|network| network.trunc()) != Some(table.network)).then(|| table.network.to_string()),
            address: table.next(),
            net: hosts.map(|hosts| (hosts, table.new_net(hosts))),
        }
    }
}

impl<'a> BridgeRow<'a> {
    fn of(bridge: &'a PrivateBridge, table: &Table, whole: &Table) -> Self {
        let pots = table.held.iter().filter(|one| matches!(one.by, Holder::Pot { .. })).count();
        Self {
            bridge,
            open: block_address(bridge.network.trunc()),
            taken: counted(pots, "pot", "pots"),
            next: table.next(),
            outside: !whole.network.contains(&bridge.network),
        }
    }
}

fn block_address(block: Ipv4Net) -> String {
    address(&Target::Addresses(Some(block)), false)
}

/// From the whole network to what is open, in the steps in which it is opened.
fn crumbs(network: Ipv4Net, open: Ipv4Net) -> Vec<(String, String)> {
    let mut crumbs = Vec::new();
    let mut length = network.prefix_len();
    while length < open.prefix_len() {
        if let Ok(block) = Ipv4Net::new(open.addr(), length) {
            crumbs.push((block.trunc().to_string(), block_address(block.trunc())));
        }
        length = addresses::opened(length);
    }
    crumbs
}

impl PartRow {
    fn of(part: &Part<'_>, open: Ipv4Net) -> Self {
        let base = Self {
            name: String::new(),
            open: None,
            share: 0,
            taken: String::new(),
            who: Vec::new(),
            more: 0,
            free: false,
        };
        match part {
            Part::Free(range) => {
                Self { name: range.to_string(), taken: format!("{} free", grouped(range.size())), free: true, ..base }
            }
            Part::Block { block, taken, held } => {
                let size = 1_u64 << (32 - block.prefix_len());
                let (who, more) = who(held);
                Self {
                    name: block.to_string(),
                    open: (*block != open).then(|| block_address(*block)),
                    // What there is can be seen, however little.
                    share: (taken * 100 / size).max(1),
                    taken: format!("{} of {}", grouped(*taken), grouped(size)),
                    who,
                    more,
                    ..base
                }
            }
            Part::Address(address, held) => {
                let (who, more) = who(held);
                Self { name: address.to_string(), share: 100, taken: "taken".to_owned(), who, more, ..base }
            }
        }
    }
}

/// The first of them in words, and how many more there are: bridges and pots before what every network has.
fn who(held: &[&Held]) -> (Vec<Who>, usize) {
    let mut held = held.to_vec();
    held.sort_by_key(|one| match one.by {
        Holder::Bridge { .. } => 0,
        Holder::Pot { .. } => 1,
        _ => 2,
    });
    let one = |held: &&Held| Who {
        words: visible(&held.by.in_words()).into_owned(),
        address: match &held.by {
            Holder::Pot { name, .. } => Some(layout::pot_path(name)),
            Holder::Bridge { .. } => {
                let length = (held.last.to_bits() - held.first.to_bits() + 1).leading_zeros() + 1;
                let length = u8::try_from(length).unwrap_or(32).min(32);
                Ipv4Net::new(held.first, length).ok().map(block_address)
            }
            _ => None,
        },
    };
    (held.iter().take(NAMED).map(one).collect(), held.len().saturating_sub(NAMED))
}

/// What an address is, in a sentence.
fn found(asked: &Asked, table: &Table, wanted: &Wanted) -> Option<String> {
    let text = asked.address.trim();
    if text.is_empty() {
        return None;
    }
    let Ok(address) = text.parse::<Ipv4Addr>() else { return Some(format!("{} is no IPv4 address.", visible(text))) };
    let held: Vec<String> = table.within(Ipv4Net::from(address)).iter().map(|one| one.by.in_words()).collect();
    let network = wanted.network.map(|network| network.trunc().to_string()).unwrap_or_default();
    Some(match (held.as_slice(), table.network.contains(&address)) {
        ([], true) => format!("{address} is free."),
        ([], false) => format!("{address} lies outside of POT_NETWORK {network}, and no pot has it."),
        (held, inside) => {
            let outside = if inside { String::new() } else { format!(" It lies outside of POT_NETWORK {network}.") };
            format!("{address}: {}.{outside}", visible(&held.join("; ")))
        }
    })
}

/// Of a network that is thought of: the pots that would stand outside.
fn outside<'a>(asked: &Asked, pots: &'a [crate::facts::Pot]) -> Option<(String, Vec<&'a str>)> {
    let network = asked.network.trim().parse::<Ipv4Net>().ok()?;
    Some((network.trunc().to_string(), pots_outside(pots, network)))
}

// -- ways --

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Of {
    of: String,
}

/// `templates/network/path.html`.
#[derive(Template)]
#[template(path = "network/path.html")]
struct PathPage {
    frame: Frame,
    facts: Read,
    of: String,
    /// None: nothing was asked for yet, or nothing is known of it.
    ways: Option<Ways>,
    unknown: bool,
    /// What can be asked for: names that are short enough to choose from.
    choices: Vec<String>,
}

impl PathPage {
    fn address(&self, target: &Target) -> String {
        address(target, false)
    }

    fn shown<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        visible(text)
    }

    /// Both directions that there are ways in: heading, ways.
    fn directions<'a>(&self, ways: &'a Ways) -> Vec<(&'static str, &'a [Way])> {
        let both = [("Out", ways.out.as_slice()), ("In", ways.into.as_slice())];
        both.into_iter().filter(|(_, ways)| !ways.is_empty()).collect()
    }

    /// What is not known of these ways, each once.
    fn doubts<'a>(&self, ways: &'a [Way]) -> Vec<&'a str> {
        let mut doubts: Vec<&str> = Vec::new();
        for doubt in ways.iter().flat_map(|way| &way.doubts) {
            if !doubts.contains(&doubt.as_str()) {
                doubts.push(doubt);
            }
        }
        doubts
    }

    fn icon(&self, hop: &Hop) -> layout::Icon {
        use crate::network::picture::State;
        match hop.state {
            State::Fine => layout::Icon::new("tick", "Passes", "quiet"),
            State::Unknown => layout::Icon::new("warn", "Not known", "is-warn"),
            State::Stopped => layout::Icon::new("wait", "Stopped", "quiet"),
            _ => layout::Icon::new("error", "Ends here", "is-error"),
        }
    }
}

/// Names offered to choose from.
const CHOICES: usize = 200;

async fn path(visitor: Visitor, asked: web::Query<Of>) -> Result<HttpResponse, Fault> {
    let Some(known) = Known::of(&visitor).await? else { return waiting(&visitor) };
    let of = asked.into_inner().of.trim().to_owned();
    let ways = if of.is_empty() { None } else { Ways::of(&of, &known.facts, &known.configuration) };
    let pots = known.facts.pots.get().into_iter().flatten().map(|pot| pot.name.clone());
    let interfaces = known.facts.interfaces.get().into_iter().flatten().map(|interface| interface.name.clone());
    let page = PathPage {
        frame: visitor.frame(Entry::Host, "Where a packet goes").with_notice(known.notice()),
        facts: Read::of(&visitor, &known),
        unknown: !of.is_empty() && ways.is_none(),
        of,
        ways,
        choices: interfaces.chain(pots).take(CHOICES).collect(),
    };
    layout::page(StatusCode::OK, &page)
}
