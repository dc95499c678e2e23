//! The network by ranks: the outside world, the interfaces, pf, the bridges with their pots. As it is, as pot.conf would
//! have it, and what is another in one than in the other.
//!
//! What differs from pot.conf is judged by the one model of the host ([`PotState::drift`], [`Nat::compare`]); here it only
//! finds its place.

use crate::facts::{Export, Fact, HostFacts, Interface, Pot, PrivateBridge, filter_rules_in_words};
use crate::host::{PotState, Wanted};
use crate::potconf::Configuration;
use crate::rules::{Nat, NatRule, PublicBridges, is_taken};
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

/// What an element stands for, and where more is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// The host's own page.
    Host,
    /// A parameter of pot.conf.
    Parameter(&'static str),
    /// A pot.
    Pot(String),
    /// The list of pots with this text as its filter.
    Pots(String),
    /// The address map, at this block.
    Addresses(Option<Ipv4Net>),
    /// The way of what bears this name or address.
    Path(String),
}

/// How something stands. Pictures show it by the style of a line and by a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// It would not be there any more.
    Goes,
    /// It would be there for the first time.
    New,
    /// It would be another.
    Changes,
    /// An address outside of POT_NETWORK.
    Outside,
    /// Not as pot.conf says.
    Differs,
    /// Down.
    Down,
    /// Off.
    Off,
    /// What pot.conf names and this host does not have.
    Missing,
    /// What would tell did not answer.
    Unknown,
    /// As it should be.
    Fine,
    /// It does not run, and that is nobody's fault.
    Stopped,
}

impl State {
    /// As the picture says it; empty where there is nothing to say.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Fine => "",
            Self::Stopped => "stopped",
            Self::Down => "down",
            Self::Off => "off",
            Self::Missing => "not there",
            Self::Differs => "differs",
            Self::Outside => "outside",
            Self::New => "new",
            Self::Changes => "changes",
            Self::Goes => "goes",
            Self::Unknown => "not known",
        }
    }

    /// The style of its line.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Stopped => "stopped",
            Self::Down => "down",
            Self::Off => "off",
            Self::Missing => "missing",
            Self::Differs | Self::Outside => "differs",
            Self::New | Self::Changes => "changes",
            Self::Goes => "goes",
            Self::Unknown => "unknown",
        }
    }
}

/// One element: a box with a title and lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Card {
    /// What it is, the same in every picture of one host: two pictures are compared by it.
    pub(crate) id: String,
    /// Its name.
    pub(crate) title: String,
    /// What it is for: "POT_EXTIF", "public bridge".
    pub(crate) role: String,
    /// What is known of it.
    pub(crate) lines: Vec<String>,
    /// Further ones, of which a picture shows as many as it has room for.
    pub(crate) list: Vec<String>,
    /// How it stands.
    pub(crate) state: State,
    /// Where more is said of it.
    pub(crate) target: Option<Target>,
    /// What says so.
    pub(crate) evidence: String,
}

impl Card {
    fn new(id: impl Into<String>, title: impl Into<String>, role: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            role: role.into(),
            lines: Vec::new(),
            list: Vec::new(),
            state: State::Fine,
            target: None,
            evidence: String::new(),
        }
    }

    fn to(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// The first thing that is wrong counts.
    fn mark(&mut self, state: State) {
        if self.state == State::Fine {
            self.state = state;
        }
    }

    /// All that is said of it beside its name, in one line.
    pub(crate) fn said(&self) -> String {
        let word = Some(self.state.word()).filter(|word| !word.is_empty());
        let parts = [self.role.as_str()].into_iter().filter(|role| !role.is_empty()).chain(word);
        let lines = self.lines.iter().chain(&self.list).map(String::as_str);
        parts.chain(lines).collect::<Vec<_>>().join(", ")
    }
}

/// How an element is tied to the rank above or below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tie {
    /// Not at all.
    None,
    /// By a line.
    Plain,
    /// Packets leave that way, translated.
    Out,
    /// They leave, and exported ports are reached.
    Both,
    /// They come from there.
    In,
}

/// An element with what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// The element.
    pub(crate) card: Card,
    /// What stands in it.
    pub(crate) cells: Vec<Card>,
    /// Where those are listed that a picture has no room for.
    pub(crate) all: Option<Target>,
    /// What they are: "pots".
    pub(crate) kind: &'static str,
    /// To the rank above.
    pub(crate) up: Tie,
    /// To the rank below.
    pub(crate) down: Tie,
}

impl Group {
    fn new(card: Card, up: Tie, down: Tie) -> Self {
        Self { card, cells: Vec::new(), all: None, kind: "pots", up, down }
    }

    /// "20 pots, 9 run"; empty without pots.
    fn counted(&self) -> String {
        let pots = self.cells.iter().filter(|cell| is_pot(cell)).collect::<Vec<_>>();
        if pots.is_empty() { String::new() } else { counted(&pots) }
    }
}

/// "20 pots, 9 run", as their states say.
fn counted(pots: &[&Card]) -> String {
    let what = if pots.len() == 1 { "pot" } else { "pots" };
    let running = pots.iter().filter(|pot| pot.lines.iter().any(|line| line == RUNS)).count();
    let unknown = pots.iter().filter(|pot| pot.lines.iter().any(|line| line == RUNS_UNKNOWN)).count();
    match unknown {
        0 => format!("{} {what}, {}", pots.len(), running_in_words(running)),
        _ => format!("{} {what}, which run is not known", pots.len()),
    }
}

fn running_in_words(running: usize) -> String {
    match running {
        0 => "none runs".to_owned(),
        1 => "1 runs".to_owned(),
        running => format!("{running} run"),
    }
}

/// What a pot's line says while it runs.
const RUNS: &str = "running";
const RUNS_UNKNOWN: &str = "running or not: not known";

/// How much a picture shows before it counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    /// Elements of a rank.
    pub(crate) groups: usize,
    /// Elements in one.
    pub(crate) cells: usize,
    /// Lines of a list.
    pub(crate) lines: usize,
    /// What is as it should be is counted in a line, rather than drawn.
    pub(crate) brief: bool,
}

impl Most {
    /// For a page of its own.
    pub(crate) const LARGE: Self = Self { groups: 12, cells: 12, lines: 8, brief: false };
    /// For the margin of another page.
    pub(crate) const SMALL: Self = Self { groups: 4, cells: 4, lines: 2, brief: true };
}

/// The network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    /// From the outside world inwards.
    pub(crate) ranks: Vec<Vec<Group>>,
}

impl Picture {
    /// The network as it is, held against pot.conf.
    pub(crate) fn now(facts: &HostFacts, configuration: &Configuration, pot: &PotState) -> Self {
        Builder::new(facts, configuration, Some(pot)).picture()
    }

    /// The network as `pot vnet-start` makes it of this configuration.
    pub(crate) fn wanted(facts: &HostFacts, configuration: &Configuration) -> Self {
        Builder::new(facts, configuration, None).picture()
    }

    /// Marks what is another than before, and adds what would go.
    pub(crate) fn compared_with(mut self, before: &Self) -> Self {
        let known: BTreeMap<&str, &Card> =
            before.ranks.iter().flatten().flat_map(cards).map(|card| (card.id.as_str(), card)).collect();
        for group in self.ranks.iter_mut().flatten() {
            for card in std::iter::once(&mut group.card).chain(&mut group.cells) {
                compare(card, known.get(card.id.as_str()).copied());
            }
        }
        let kept: BTreeSet<String> = self.ranks.iter().flatten().flat_map(cards).map(|card| card.id.clone()).collect();
        for (rank, old) in self.ranks.iter_mut().zip(&before.ranks) {
            let gone = old.iter().filter(|group| !kept.contains(&group.card.id) && group.card.state != State::Missing);
            let gone: Vec<Group> = gone
                .map(|group| {
                    let mut group = group.clone();
                    group.card.state = State::Goes;
                    group.cells.retain(|cell| !kept.contains(&cell.id));
                    group
                })
                .collect();
            rank.extend(gone);
        }
        self
    }

    /// What the picture shows, as sentences: one for each element, with its pots counted.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let sentence = |group: &Group| {
            let mut words = format!("{}: {}", group.card.title, group.card.said());
            let counted = group.counted();
            if !counted.is_empty() {
                words.push_str("; ");
                words.push_str(&counted);
            }
            let told =
                |cell: &&Card| !is_pot(cell) || matches!(cell.state, State::Outside | State::Differs | State::Unknown);
            for cell in group.cells.iter().filter(told).take(TOLD) {
                words.push_str(&format!("; {}: {}", cell.title, cell.said()));
            }
            words.push('.');
            words
        };
        let mut sentences: Vec<String> = self.ranks.iter().flatten().take(SENTENCES).map(sentence).collect();
        let more = self.ranks.iter().flatten().skip(SENTENCES).count();
        if more > 0 {
            sentences.push(format!("And {more} more."));
        }
        sentences
    }

    /// With no more than a picture has room for; the rest is counted.
    pub(crate) fn folded(mut self, most: Most) -> Self {
        for (number, rank) in self.ranks.iter_mut().enumerate() {
            if rank.len() > most.groups {
                // What wants attention stays.
                let is_fine = |group: &Group| is_calm(&group.card) && group.cells.iter().all(is_calm);
                let rest = beyond(rank, most.groups.saturating_sub(1), is_fine);
                let pots: Vec<&Card> = rest.iter().flat_map(|group| &group.cells).filter(|cell| is_pot(cell)).collect();
                let what = if number == INTERFACES { "interfaces" } else { "bridges" };
                let mut card = Card::new(format!("more-{number}"), format!("{} more {what}", rest.len()), "").to(
                    if number == INTERFACES { Target::Parameter("POT_EXTRA_EXTIF") } else { Target::Addresses(None) },
                );
                if !pots.is_empty() {
                    card.lines.push(counted(&pots));
                }
                card.list = rest.iter().map(|group| group.card.title.clone()).collect();
                let (up, down) = rest.first().map_or((Tie::None, Tie::None), |group| (group.up, group.down));
                rank.push(Group::new(card, up, down));
            }
            for group in rank.iter_mut() {
                fold(group, most);
            }
        }
        self
    }

    /// Every element in the order of the picture, with the name of the one that it stands in.
    pub(crate) fn elements(&self) -> Vec<(&Card, Option<&str>)> {
        let mut elements = Vec::new();
        for group in self.ranks.iter().flatten() {
            elements.push((&group.card, None));
            elements.extend(group.cells.iter().map(|cell| (cell, Some(group.card.title.as_str()))));
        }
        elements
    }
}

/// Elements of which a sentence tells.
const SENTENCES: usize = 32;
/// Elements within one that its sentence names.
const TOLD: usize = 6;
/// The rank of the interfaces.
const INTERFACES: usize = 1;

/// Takes out what is beyond so many; the order stays, and what comes first by the key is kept.
fn beyond<T, K: Ord>(all: &mut Vec<T>, most: usize, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut places: Vec<usize> = (0..all.len()).collect();
    places.sort_by_key(|place| all.get(*place).map(&key));
    let kept: BTreeSet<usize> = places.into_iter().take(most).collect();
    let (keep, rest): (Vec<_>, Vec<_>) = all.drain(..).enumerate().partition(|(place, _)| kept.contains(place));
    all.extend(keep.into_iter().map(|(_, one)| one));
    rest.into_iter().map(|(_, one)| one).collect()
}

fn is_pot(card: &Card) -> bool {
    card.id.starts_with("pot-of-")
}

fn is_calm(card: &Card) -> bool {
    matches!(card.state, State::Fine | State::Stopped)
}

fn cards(group: &Group) -> impl Iterator<Item = &Card> {
    std::iter::once(&group.card).chain(&group.cells)
}

fn compare(card: &mut Card, before: Option<&Card>) {
    let Some(before) = before else {
        if is_calm(card) {
            card.state = State::New;
        }
        return;
    };
    let is_another = card.title != before.title || card.lines != before.lines || card.list != before.list;
    let was_amiss = !is_calm(before);
    match card.state {
        State::Fine | State::Stopped if before.state == State::Missing => card.state = State::New,
        State::Fine | State::Stopped if is_another || was_amiss => {
            card.state = State::Changes;
            let was: Vec<&str> = before
                .lines
                .iter()
                .chain(&before.list)
                .filter(|line| !card.lines.contains(line) && !card.list.contains(line))
                .map(String::as_str)
                .take(2)
                .collect();
            let was = match (was.as_slice(), before.state.word()) {
                ([], "") if before.title != card.title => before.title.clone(),
                ([], word) => word.to_owned(),
                (was, _) => was.join("; "),
            };
            if !was.is_empty() {
                card.lines.push(format!("was: {was}"));
            }
        }
        _ => {}
    }
}

fn fold(group: &mut Group, most: Most) {
    for card in std::iter::once(&mut group.card).chain(&mut group.cells) {
        if card.list.len() > most.lines {
            let more = card.list.len() - most.lines.saturating_sub(1);
            card.list.truncate(most.lines.saturating_sub(1));
            card.list.push(format!("and {more} more"));
        }
    }
    if most.brief {
        let (calm, rest): (Vec<Card>, Vec<Card>) = group.cells.drain(..).partition(is_calm);
        group.cells = rest;
        let (pots, parts): (Vec<&Card>, Vec<&Card>) = calm.iter().partition(|cell| is_pot(cell));
        if !pots.is_empty() {
            group.card.lines.push(counted(&pots));
        }
        group.card.lines.extend(parts.iter().map(|part| format!("{}: {}", part.title, part.said())));
    }
    if group.cells.len() > most.cells {
        let runs = |cell: &Card| cell.lines.iter().any(|line| line == RUNS);
        let rest = beyond(&mut group.cells, most.cells.saturating_sub(1), |cell| (is_calm(cell), !runs(cell)));
        let rest: Vec<&Card> = rest.iter().collect();
        let mut card =
            Card::new(format!("more-of-{}", group.card.id), format!("{} more {}", rest.len(), group.kind), "");
        let said = counted(&rest);
        card.lines.push(said.split_once(", ").map_or_else(String::new, |(_, runs)| runs.to_owned()));
        card.target = group.all.clone();
        group.cells.push(card);
    }
}

struct Builder<'a> {
    facts: &'a HostFacts,
    configuration: &'a Configuration,
    wanted: Wanted,
    /// As the host is; none: as pot.conf would have it.
    pot: Option<&'a PotState>,
    /// The translations; none: not known.
    rules: Option<Vec<NatRule>>,
    /// Interfaces that have addresses: those of pots, of which there are many, have none on the host.
    addressed: Vec<&'a Interface>,
    /// Interfaces on which a rule is missing or one too many.
    odd: BTreeSet<String>,
}

impl<'a> Builder<'a> {
    fn new(facts: &'a HostFacts, configuration: &'a Configuration, pot: Option<&'a PotState>) -> Self {
        let wanted = Wanted::of(configuration);
        let planned = facts.interfaces.get().and_then(|all| Nat::of(configuration, all)).filter(|_| wanted.ipv4);
        let loaded = facts.pf.get().map(|pf| &pf.pot_nat);
        let differs = pot.is_some_and(|pot| pot.drift.iter().any(|drift| drift.id == "nat"));
        let odd = match (&planned, loaded) {
            (Some(planned), Some(loaded)) if differs => {
                let (missing, surplus) = planned.compare(loaded);
                missing.into_iter().chain(surplus).map(|rule| rule.interface).collect()
            }
            _ => BTreeSet::new(),
        };
        let rules = match pot {
            Some(_) => loaded.map(|lines| lines.iter().filter_map(|line| NatRule::read(line)).collect()),
            None if !wanted.ipv4 => Some(Vec::new()),
            None => planned.map(|nat| nat.rules()),
        };
        let all = facts.interfaces.get().into_iter().flatten();
        let addressed = all.filter(|interface| !interface.addresses.is_empty()).collect();
        Self { facts, configuration, wanted, pot, rules, addressed, odd }
    }

    fn picture(&self) -> Picture {
        Picture { ranks: vec![vec![self.outside()], self.interfaces(), vec![self.pf()], self.bridges()] }
    }

    fn differs(&self, id: &str) -> bool {
        self.pot.is_some_and(|pot| pot.drift.iter().any(|drift| drift.id == id))
    }

    fn interface(&self, name: &str) -> Option<&'a Interface> {
        self.facts.interfaces.get()?.iter().find(|interface| interface.name == name)
    }

    fn pots(&self) -> &'a [Pot] {
        self.facts.pots.get().map(Vec::as_slice).unwrap_or_default()
    }

    // -- the outside world --

    fn outside(&self) -> Group {
        let mut card = Card::new("outside", "Outside", "").to(Target::Host);
        match self.facts.routes.get() {
            None => unknown(&mut card, &self.facts.routes, "the default route"),
            Some(routes) => {
                card.evidence.clone_from(&self.facts.routes.source);
                card.lines.push(match routes.iter().find(|route| route.destination.prefix_len() == 0) {
                    Some(route) => match route.gateway {
                        Some(gateway) => format!("default route: {gateway} over {}", route.interface),
                        None => format!("default route: over {}", route.interface),
                    },
                    None => "no default route".to_owned(),
                });
            }
        }
        Group::new(card, Tie::None, Tie::Plain)
    }

    // -- interfaces --

    fn interfaces(&self) -> Vec<Group> {
        let mut groups = Vec::new();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        match &self.wanted.interface {
            Some(name) => {
                groups.push(self.way_out(name, "POT_EXTIF", "POT_EXTIF", true));
                seen.insert(name.clone());
            }
            None => {
                let mut card = Card::new("extif", "POT_EXTIF", "").to(Target::Parameter("POT_EXTIF"));
                card.state = State::Unknown;
                card.lines.push("its value is not certain".to_owned());
                groups.push(Group::new(card, Tie::Plain, Tie::Plain));
            }
        }
        for name in self.configuration.list("POT_EXTRA_EXTIF") {
            if seen.insert(name.clone()) {
                groups.push(self.way_out(&name, "extra interface", "POT_EXTRA_EXTIF", true));
            }
        }
        let vpn = self.configuration.value("POT_VPN_EXTIF").map(str::trim).filter(|name| !name.is_empty());
        if let Some(name) = vpn
            && seen.insert(name.to_owned())
        {
            groups.push(self.way_out(name, "VPN", "POT_VPN_EXTIF", false));
        }
        // What is translated and pot.conf does not name.
        let ruled: BTreeSet<&str> = self
            .rules
            .iter()
            .flatten()
            .map(|rule| rule.interface.as_str())
            .filter(|name| !seen.contains(*name))
            .collect();
        for name in ruled {
            groups.push(self.way_out(name, "in pot-nat alone", "POT_EXTIF", false));
            seen.insert(name.to_owned());
        }
        let mut by_interface: BTreeMap<String, Vec<&Pot>> = BTreeMap::new();
        for pot in self.pots().iter().filter(|pot| pot.network_type == "alias") {
            by_interface.entry(self.alias_interface(pot)).or_default().push(pot);
        }
        for (name, pots) in by_interface {
            let at = groups.iter().position(|group| group.card.id == format!("interface-{name}"));
            let cells = pots.into_iter().map(|pot| self.pot_card(pot)).collect();
            match at.and_then(|at| groups.get_mut(at)) {
                Some(group) => group.cells = cells,
                None => {
                    let mut group = self.way_out(&name, "alias pots", "POT_EXTIF", false);
                    group.down = Tie::None;
                    group.cells = cells;
                    groups.push(group);
                }
            }
        }
        for group in &mut groups {
            group.all = Some(Target::Pots("alias".to_owned()));
        }
        groups.extend(self.host());
        groups
    }

    /// An interface that pots leave by.
    fn way_out(&self, name: &str, role: &str, parameter: &'static str, exports: bool) -> Group {
        let mut card = Card::new(format!("interface-{name}"), name, role).to(Target::Parameter(parameter));
        match (self.interface(name), self.facts.interfaces.get()) {
            (Some(interface), _) => {
                card.evidence.clone_from(&self.facts.interfaces.source);
                if !interface.up {
                    card.mark(State::Down);
                }
                card.lines.push(addresses(interface));
            }
            (None, Some(_)) => {
                card.evidence.clone_from(&self.facts.interfaces.source);
                card.mark(State::Missing);
                card.lines.push("this host has no such interface".to_owned());
            }
            (None, None) => unknown(&mut card, &self.facts.interfaces, "its addresses"),
        }
        if self.odd.contains(name) {
            card.mark(State::Differs);
        }
        let mut translated = false;
        match &self.rules {
            None => card.lines.push("NAT: not known".to_owned()),
            Some(rules) => {
                let all = self.facts.interfaces.get().map(Vec::as_slice).unwrap_or_default();
                let own: Vec<&NatRule> = rules.iter().filter(|rule| rule.interface == name).collect();
                translated = !own.is_empty();
                match own.as_slice() {
                    [] => card.lines.push("no NAT".to_owned()),
                    [one] => card.lines.push(format!("NAT {}, {}", one.to_in_words(), one.as_in_words(all))),
                    [first, ..] => {
                        card.lines.push(format!("NAT to {} networks, {}", own.len(), first.as_in_words(all)));
                        card.list.extend(own.iter().map(|rule| rule.to.clone()));
                    }
                }
                for rule in own.iter().take(3) {
                    card.evidence.push_str(&format!(
                        "; nat on {} from {} to {} -> {}",
                        rule.interface, rule.from, rule.to, rule.translated
                    ));
                }
            }
        }
        let mut both = false;
        if exports && self.wanted.ipv4 {
            let ports = self.exports();
            if !ports.is_empty() {
                both = true;
                let what = if ports.len() == 1 { "exported port" } else { "exported ports" };
                card.lines.push(format!("in: {} {what}", ports.len()));
                if role == "POT_EXTIF" {
                    card.list.extend(ports);
                }
            }
        }
        let up = match (both, translated) {
            (true, _) => Tie::Both,
            (false, true) => Tie::Out,
            (false, false) => Tie::Plain,
        };
        let down = if translated || both || role != "in pot-nat alone" { Tie::Plain } else { Tie::None };
        Group::new(card, up, down)
    }

    /// "tcp 80 to proxy": ports that pots export while they run. Those of stopped ones come with their start.
    fn exports(&self) -> Vec<String> {
        let of = |pot: &'a Pot| pot.exported().map(move |port| (port, pot.name.as_str()));
        let mut all: Vec<(Export, &str)> =
            self.pots().iter().filter(|pot| pot.running == Some(true)).flat_map(of).collect();
        all.sort();
        all.iter().map(|(port, name)| format!("{port} to {name}")).collect()
    }

    /// Where an alias pot has its address: on the interface that holds it, else on the one in whose network it lies, else on
    /// POT_EXTIF, which pot takes where the address names none.
    fn alias_interface(&self, pot: &Pot) -> String {
        let address = ipv4_of(pot);
        let holds = |interface: &&Interface| interface.addresses.iter().any(|held| Some(held.address()) == address);
        let reaches = |interface: &&Interface| {
            interface.addresses.iter().any(|held| address.is_some_and(|address| held.network.contains(&address)))
        };
        let all = self.addressed.iter().copied();
        let found = all.clone().find(holds).or_else(|| all.clone().find(reaches));
        found.map(|interface| interface.name.clone()).or_else(|| self.wanted.interface.clone()).unwrap_or_default()
    }

    /// The host's own network, where pots live that have none.
    fn host(&self) -> Option<Group> {
        let inherit: Vec<Card> =
            self.pots().iter().filter(|pot| pot.network_type == "inherit").map(|pot| self.pot_card(pot)).collect();
        if inherit.is_empty() {
            return None;
        }
        let mut card = Card::new("host", "This host", "its own network").to(Target::Host);
        card.evidence.clone_from(&self.facts.interfaces.source);
        let loopbacks = self.facts.interfaces.get().into_iter().flatten().filter(|interface| interface.is_loopback());
        for interface in loopbacks.take(2) {
            card.lines.push(format!("{} {}", interface.name, addresses(interface)));
        }
        let mut group = Group::new(card, Tie::Plain, Tie::None);
        group.all = Some(Target::Pots("inherit".to_owned()));
        group.cells = inherit;
        Some(group)
    }

    // -- pf --

    fn pf(&self) -> Group {
        let mut card = Card::new("pf", "pf", "").to(Target::Host);
        let mut nat = Card::new("pot-nat", "pot-nat", "out").to(Target::Host);
        let mut rdr = Card::new("pot-rdr", "pot-rdr", "in").to(Target::Host);
        let mut forwarding = Card::new("forwarding", "forwarding", "").to(Target::Host);
        let Some(pot) = self.pot else {
            if self.wanted.ipv4 {
                card.lines.push("on".to_owned());
                // Where the loaded rules call pot's anchors they stay; else pf's file is loaded.
                if let Some(pf) = self.facts.pf.get() {
                    card.lines.push(if pf.calls_pot_anchors() {
                        filter_rules_in_words(pf.rules.len())
                    } else {
                        "with the rules of its file".to_owned()
                    });
                }
                nat.lines.push("called".to_owned());
                match &self.rules {
                    Some(rules) => nat.lines.push(rules_in_words(rules.len())),
                    None => nat.mark(State::Unknown),
                }
                rdr.lines.push("called".to_owned());
                forwarding.lines.push("on".to_owned());
            }
            return Self::pf_group(card, vec![nat, rdr, forwarding], self.wanted.ipv4);
        };
        match self.facts.pf.get() {
            None => unknown(&mut card, &self.facts.pf, "whether it filters"),
            Some(pf) => {
                card.evidence.clone_from(&self.facts.pf.source);
                if pf.enabled {
                    card.lines.push("on".to_owned());
                    card.lines.push(filter_rules_in_words(pf.rules.len()));
                } else {
                    if self.differs("pf-off") {
                        card.lines.push("off".to_owned());
                    }
                    card.mark(if self.differs("pf-off") { State::Differs } else { State::Off });
                }
                nat.evidence.clone_from(&self.facts.pf.source);
                rdr.evidence.clone_from(&self.facts.pf.source);
            }
        }
        let differs = self.differs("anchors-not-called") || self.differs("anchors-not-in-file");
        for anchor in [&mut nat, &mut rdr] {
            anchor.lines.push(match pot.anchors.called {
                Some(true) => "called".to_owned(),
                Some(false) => "not called".to_owned(),
                None => "called or not: not known".to_owned(),
            });
            match pot.anchors.called {
                None => anchor.mark(State::Unknown),
                _ if differs => anchor.mark(State::Differs),
                Some(false) => anchor.mark(State::Off),
                Some(true) => {}
            }
        }
        match &self.rules {
            Some(rules) => nat.lines.push(rules_in_words(rules.len())),
            None => nat.mark(State::Unknown),
        }
        if self.differs("nat") {
            nat.mark(State::Differs);
        }
        match self.facts.forwarding.get() {
            None => unknown(&mut forwarding, &self.facts.forwarding, "whether packets are passed on"),
            Some(on) => {
                forwarding.evidence.clone_from(&self.facts.forwarding.source);
                if *on {
                    forwarding.lines.push("on".to_owned());
                } else {
                    if self.differs("forwarding") {
                        forwarding.lines.push("off".to_owned());
                    }
                    forwarding.mark(if self.differs("forwarding") { State::Differs } else { State::Off });
                }
            }
        }
        Self::pf_group(card, vec![nat, rdr, forwarding], true)
    }

    fn pf_group(card: Card, cells: Vec<Card>, ipv4: bool) -> Group {
        let mut group = Group::new(card, Tie::Plain, Tie::Plain);
        if ipv4 {
            group.cells = cells;
        } else {
            group.card.lines.push("not asked for with stack ipv6".to_owned());
        }
        group.kind = "parts";
        group
    }

    // -- bridges --

    fn bridges(&self) -> Vec<Group> {
        let interfaces = self.facts.interfaces.get().map(Vec::as_slice);
        let bridges =
            PublicBridges::of(interfaces.unwrap_or_default(), self.wanted.gateway.filter(|_| self.wanted.ipv4));
        let mut public: Vec<&Pot> = self.pots().iter().filter(|pot| pot.network_type == "public-bridge").collect();
        let mut groups = Vec::new();
        let mut earlier = Vec::new();
        if self.pot.is_some() {
            for bridge in &bridges.others {
                let members = members_of(bridge, interfaces.unwrap_or_default());
                let hangs = |pot: &&Pot| members.contains(pot.name.as_str());
                let (own, others): (Vec<&Pot>, Vec<&Pot>) = public.into_iter().partition(hangs);
                public = others;
                let mut card = Card::new(
                    format!("bridge-{}", bridge.name),
                    bridge.name.as_str(),
                    "public bridge of an earlier POT_GATEWAY",
                )
                .to(Target::Host);
                card.lines.push(addresses(bridge));
                card.evidence.clone_from(&self.facts.interfaces.source);
                card.mark(State::Differs);
                earlier.push(self.with_pots(card, own, Target::Pots("public-bridge".to_owned())));
            }
        }
        if self.wanted.ipv4 || !public.is_empty() {
            let card = self.public_bridge(bridges.used, interfaces.is_some());
            groups.push(self.with_pots(card, public, Target::Pots("public-bridge".to_owned())));
        }
        groups.extend(earlier);
        if self.wanted.ipv6 {
            groups.push(Group::new(self.ipv6_bridge(), Tie::Plain, Tie::None));
        }
        groups.extend(self.private_bridges());
        groups.extend(self.other_pots());
        groups
    }

    fn public_bridge(&self, used: Option<&Interface>, known: bool) -> Card {
        let title = used.map_or("public bridge", |bridge| bridge.name.as_str());
        let role = if used.is_some() { "public bridge" } else { "" };
        let mut card = Card::new("public", title, role).to(Target::Addresses(None));
        card.evidence.clone_from(&self.facts.interfaces.source);
        if self.pot.is_none() {
            match self.wanted.bridge_address() {
                Some(address) => card.lines.push(address.to_string()),
                None => {
                    card.mark(State::Unknown);
                    card.lines.push("POT_GATEWAY or POT_NETMASK is not certain".to_owned());
                }
            }
        } else {
            match used {
                Some(bridge) => {
                    card.lines.push(addresses(bridge));
                    if !bridge.up {
                        card.mark(State::Down);
                    }
                    if self.differs("bridge") {
                        card.mark(State::Differs);
                    }
                }
                None if !known => unknown(&mut card, &self.facts.interfaces, "whether it is there"),
                None => {
                    card.mark(State::Missing);
                    card.lines.push("pot vnet-start makes it".to_owned());
                }
            }
        }
        if self.facts.pots.get().is_none() {
            card.lines.push("its pots: not known".to_owned());
            card.mark(State::Unknown);
        } else if self.facts.pots.error.is_some() {
            card.lines.push("not all is known of its pots".to_owned());
        }
        card
    }

    fn ipv6_bridge(&self) -> Card {
        let mut card = Card::new("ipv6", "IPv6 bridge", "with POT_EXTIF").to(Target::Parameter("POT_NETWORK_STACK"));
        card.evidence.clone_from(&self.facts.interfaces.source);
        let Some(all) = self.facts.interfaces.get() else {
            unknown(&mut card, &self.facts.interfaces, "whether it is there");
            return card;
        };
        let member =
            |bridge: &&Interface| self.wanted.interface.as_ref().is_some_and(|name| bridge.members.contains(name));
        match all.iter().filter(|interface| interface.is_bridge()).find(member) {
            Some(bridge) => {
                card.title.clone_from(&bridge.name);
                "IPv6 bridge with POT_EXTIF".clone_into(&mut card.role);
                if !bridge.up {
                    card.mark(State::Down);
                }
            }
            None if self.pot.is_some() => {
                card.mark(State::Missing);
                card.lines.push("pot vnet-start makes it".to_owned());
            }
            None => {}
        }
        card
    }

    fn private_bridges(&self) -> Vec<Group> {
        let Some(all) = self.facts.private_bridges.get() else {
            let mut card = Card::new("private", "Private bridges", "").to(Target::Addresses(None));
            unknown(&mut card, &self.facts.private_bridges, "which there are");
            return vec![Group::new(card, Tie::Plain, Tie::None)];
        };
        let mut all: Vec<&PrivateBridge> = all.iter().collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        let mut on: HashMap<&str, Vec<&Pot>> = HashMap::new();
        for pot in self.pots().iter().filter(|pot| pot.network_type == "private-bridge") {
            on.entry(pot.bridge.as_deref().unwrap_or_default()).or_default().push(pot);
        }
        // As [`crate::rules::is_taken`] has it: a bridge whose one address is the gateway.
        let bridges = self.addressed.iter().filter(|interface| interface.is_bridge());
        let held: HashMap<Ipv4Addr, &Interface> = bridges
            .filter_map(|interface| {
                let gateway = interface.addresses.first()?.address();
                is_taken(interface, gateway).then_some((gateway, *interface))
            })
            .collect();
        let group = |bridge: &&PrivateBridge| {
            let mut card = Card::new(format!("private-{}", bridge.name), bridge.name.as_str(), "private bridge")
                .to(Target::Addresses(Some(bridge.network.trunc())));
            card.evidence.clone_from(&self.facts.private_bridges.source);
            card.lines.push(format!("{}, gateway {}", bridge.network, bridge.gateway));
            let interfaces = self.facts.interfaces.get();
            match held.get(&bridge.gateway) {
                Some(interface) => {
                    card.lines.push(interface.name.clone());
                    if !interface.up {
                        card.mark(State::Down);
                    }
                }
                None if interfaces.is_none() => card.lines.push("up or not: not known".to_owned()),
                None => card.lines.push("comes with its first pot".to_owned()),
            }
            if self.wanted.network.is_some_and(|network| !network.contains(&bridge.network)) {
                card.mark(State::Outside);
            }
            let pots = on.get(bridge.name.as_str()).cloned().unwrap_or_default();
            self.with_pots(card, pots, Target::Pots(bridge.name.clone()))
        };
        all.iter().map(group).collect()
    }

    /// Pots on a private bridge that has no file, and those of a network type that nobody knows.
    fn other_pots(&self) -> Vec<Group> {
        let bridges = self.facts.private_bridges.get();
        let known: HashSet<&str> = bridges.into_iter().flatten().map(|bridge| bridge.name.as_str()).collect();
        let is_lost = |pot: &&Pot| {
            pot.network_type == "private-bridge" && !pot.bridge.as_deref().is_some_and(|bridge| known.contains(bridge))
        };
        let is_odd =
            |pot: &&Pot| !["inherit", "alias", "public-bridge", "private-bridge"].contains(&pot.network_type.as_str());
        let mut groups = Vec::new();
        let lost: Vec<&Pot> = self.pots().iter().filter(is_lost).collect();
        if !lost.is_empty() {
            let mut card = Card::new("lost", "Other private bridges", "");
            card.lines.push(if bridges.is_some() { "without a file of pot" } else { "not known" }.to_owned());
            card.mark(State::Unknown);
            groups.push(self.with_pots(card, lost, Target::Pots("private-bridge".to_owned())));
        }
        let odd: Vec<&Pot> = self.pots().iter().filter(is_odd).collect();
        if !odd.is_empty() {
            let mut card = Card::new("odd", "Other pots", "");
            card.lines.push("of a network type that is not known".to_owned());
            card.mark(State::Unknown);
            let mut group = self.with_pots(card, odd, Target::Pots(String::new()));
            group.up = Tie::None;
            groups.push(group);
        }
        groups
    }

    fn with_pots(&self, card: Card, pots: Vec<&Pot>, all: Target) -> Group {
        let mut group = Group::new(card, Tie::Plain, Tie::None);
        group.all = Some(all);
        group.cells = pots.into_iter().map(|pot| self.pot_card(pot)).collect();
        group
    }

    fn pot_card(&self, pot: &Pot) -> Card {
        let mut card =
            Card::new(format!("pot-of-{}", pot.name), pot.name.as_str(), "").to(Target::Pot(pot.name.clone()));
        card.evidence = format!("{}; {}", self.facts.pots.source, pot.network_type);
        let addresses: Vec<String> = pot.addresses.iter().map(IpAddr::to_string).collect();
        match addresses.as_slice() {
            [] if pot.network_type == "inherit" => {}
            [] => card.lines.push("no address".to_owned()),
            [one] => card.lines.push(one.clone()),
            [first, rest @ ..] => card.lines.push(format!("{first} +{}", rest.len())),
        }
        match pot.running {
            Some(true) => card.lines.push(RUNS.to_owned()),
            Some(false) => card.state = State::Stopped,
            None => {
                card.lines.push(RUNS_UNKNOWN.to_owned());
                card.state = State::Unknown;
            }
        }
        if self.wanted.network.is_some_and(|network| pot.outside(network).is_some()) {
            card.state = State::Outside;
        }
        card
    }
}

/// The pots that hang on a bridge: their interfaces bear their names (start.sh: `ifconfig epair create descr POT`).
fn members_of<'a>(bridge: &Interface, interfaces: &'a [Interface]) -> HashSet<&'a str> {
    let members: HashSet<&str> = bridge.members.iter().map(String::as_str).collect();
    let own = interfaces.iter().filter(|interface| members.contains(interface.name.as_str()));
    own.map(|interface| interface.description.as_str()).collect()
}

fn unknown<T>(card: &mut Card, fact: &Fact<T>, what: &str) {
    card.state = State::Unknown;
    card.lines.push(format!("{what}: not known"));
    card.evidence = match &fact.error {
        Some(error) => error.clone(),
        None => fact.source.clone(),
    };
}

fn addresses(interface: &Interface) -> String {
    let first = interface.addresses.first().map(|held| held.network.to_string());
    match (first, interface.addresses.len()) {
        (None, _) => interface.addresses6.first().map_or_else(|| "no address".to_owned(), ToString::to_string),
        (Some(first), 1) => first,
        (Some(first), all) => format!("{first} and {} more", all - 1),
    }
}

fn rules_in_words(count: usize) -> String {
    match count {
        0 => "no rule".to_owned(),
        1 => "1 rule".to_owned(),
        count => format!("{count} rules"),
    }
}

/// The first IPv4 address of a pot.
pub(crate) fn ipv4_of(pot: &Pot) -> Option<Ipv4Addr> {
    pot.addresses.iter().find_map(|address| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    })
}
