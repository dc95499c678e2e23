//! What can be found, kind by kind. Pure: from what is known of the host and the tables of the program.

use super::ranked::{Rank, Wanted, best};
use crate::activity::meaning;
use crate::facts::{HostFacts, Interface, Pot};
use crate::host::{OperationName, PARAGRAPHS};
use crate::journal::record::Role;
use crate::potconf::{Configuration, PARAMETERS, Setting, Source, extra_interface, parameter};
use crate::process::harmless;
use crate::rules::{Finding, explanations};
use crate::web::acts::parameter_address;
use crate::web::layout::{grouped, pot_path, query_value};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// What kind of thing something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A page of the console.
    Page,
    /// A parameter of pot.conf.
    Parameter,
    /// A finding on this host.
    Finding,
    /// A pot.
    Pot,
    /// An address or a network.
    Address,
    /// A network interface.
    Interface,
    /// An operation.
    Operation,
    /// A record of the history.
    History,
    /// A command in pot's log.
    Command,
    /// The guide, and why findings are some.
    Guide,
}

impl Kind {
    /// Its heading.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Page => "Pages",
            Self::Parameter => "Parameters",
            Self::Finding => "Findings",
            Self::Pot => "Pots",
            Self::Address => "Addresses",
            Self::Interface => "Interfaces",
            Self::Operation => "Operations",
            Self::History => "History",
            Self::Command => "Activity",
            Self::Guide => "Guide",
        }
    }
}

/// Something that was found. Its texts are of whoever named it: templates escape them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// How well it answers.
    pub(super) rank: Rank,
    /// Its name.
    pub(super) title: String,
    /// What it is.
    pub(super) detail: String,
    /// The page that it leads to.
    pub(super) address: String,
}

/// What was found of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Of which.
    pub(super) kind: Kind,
    /// The best of them.
    pub(super) found: Vec<Found>,
    /// How many there are, those that are not shown included.
    pub(super) all: usize,
    /// Where all of them are listed; empty: nowhere.
    pub(super) list: String,
}

impl Group {
    /// How many there are besides those that are shown.
    pub(super) fn more(&self) -> usize {
        self.all.saturating_sub(self.found.len())
    }

    /// The same in words.
    pub(super) fn more_in_words(&self) -> String {
        match self.kind {
            // It is not counted.
            Kind::History => "More of the history".to_owned(),
            _ => format!("and {} more", grouped(self.more() as u64)),
        }
    }
}

/// What is known of a host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host<'a> {
    /// The facts.
    pub(super) facts: &'a HostFacts,
    /// Both files.
    pub(super) configuration: &'a Configuration,
    /// What the rules say of them here.
    pub(super) findings: &'a [Finding],
}

impl Host<'_> {
    /// What of the host could not be searched, because what tells it did not answer.
    pub(super) fn unsearched(&self) -> Vec<&'static str> {
        let Self { facts, .. } = self;
        let pots = facts.pots.get().is_none().then_some("the pots, which are not known");
        let interfaces = facts.interfaces.get().is_none().then_some("the interfaces, which are not known");
        pots.into_iter().chain(interfaces).collect()
    }
}

/// Everything but the history, the best kind first. `host` is none while nothing is known of it.
pub(super) fn groups(wanted: &Wanted, host: Option<Host<'_>>, role: Role, most: usize) -> Vec<Group> {
    let mut groups =
        vec![pages(wanted, role, most), operations(wanted, most), commands(wanted, most), guide(wanted, most)];
    match host {
        Some(host) => groups.extend([
            parameters(wanted, Some(host.configuration), most),
            findings(wanted, host.findings, most),
            pots(wanted, host.facts, most),
            addresses(wanted, host, most),
            interfaces(wanted, host, most),
        ]),
        None => groups.push(parameters(wanted, None, most)),
    }
    sorted(groups)
}

/// Without the empty ones, and the one with the best answer first.
pub(super) fn sorted(mut groups: Vec<Group>) -> Vec<Group> {
    groups.retain(|group| !group.found.is_empty());
    groups.sort_by_key(|group| (group.found.iter().map(|found| found.rank).min(), group.kind));
    groups
}

fn group(kind: Kind, all: usize, found: Vec<Found>) -> Group {
    Group { kind, found, all, list: String::new() }
}

/// A page: its name, its address, other words for it, and who may open it.
struct Page(&'static str, &'static str, &'static str, Role);

const PAGES: &[Page] = &[
    Page("Host", "/", "start page, what runs, what differs, datasets, virtual network", Role::Viewer),
    Page("Readiness", "/readiness", "what the host lacks for pot, to do, prepare", Role::Viewer),
    Page("Pots", "/pots", "jails, running, stopped, addresses", Role::Viewer),
    Page("Addresses", "/pots/addresses", "free, next, POT_NETWORK, private bridges, blocks", Role::Viewer),
    Page("Where a packet goes", "/network/path", "route, NAT, exported ports, pf, way", Role::Viewer),
    Page("Configuration", "/configuration", "pot.conf, parameters, findings, save", Role::Viewer),
    Page("pot.conf as a text", "/configuration/file", "file, lines", Role::Viewer),
    Page("Operations", "/operations", "plan, init, vnet-start, de-init, prepare, clean up", Role::Viewer),
    Page("Past runs", "/runs", "operations that were run, output", Role::Viewer),
    Page("Activity", "/activity", "log, syslog, what pot did, calls", Role::Viewer),
    Page("History", "/history", "who changed what, audit, records", Role::Viewer),
    Page("File versions", "/history/files", "kept versions, backups, restore pot.conf, pf.conf, rc.conf", Role::Viewer),
    Page("Settings", "/settings", "password, session, sign out, the console's own settings", Role::Viewer),
    Page("Accounts", "/settings#s-accounts", "users, roles, add an account, disable", Role::Admin),
    Page("Guide", "/guide", "installation guide, paragraphs, manual pages", Role::Viewer),
    Page("Why findings are findings", "/guide/findings", "codes, errors, warnings, explain", Role::Viewer),
    Page("Keys", "/guide#keys", "keyboard, shortcuts", Role::Viewer),
    Page("Feedback on pot", "/feedback", "tell pot's authors", Role::Viewer),
];

fn pages(wanted: &Wanted, role: Role, most: usize) -> Group {
    let may_open = PAGES.iter().filter(|page| role >= page.3);
    let (all, found) = best(may_open, most, |page| wanted.rank(page.0, &[page.2]), |page| page.0);
    let found = found.into_iter().map(|(rank, Page(title, address, words, _))| Found {
        rank,
        title: (*title).to_owned(),
        detail: (*words).to_owned(),
        address: (*address).to_owned(),
    });
    group(Kind::Page, all, found.collect())
}

fn operations(wanted: &Wanted, most: usize) -> Group {
    const ALL: [(OperationName, &str, &str); 5] = [
        (OperationName::Prepare, "Prepare this host", "installs pot, resource limits, log, temporary files"),
        (OperationName::Init, "Initialise pot", "pot init: datasets, pf's anchors, syslogd"),
        (OperationName::VnetStart, "Start the virtual network", "pot vnet-start: bridge, NAT, pf"),
        (OperationName::DeInit, "Remove pot from this host", "pot de-init: destroys every pot, base and image"),
        (
            OperationName::CleanUp,
            "Clean up what pot left behind",
            "syslogd_flags, pot_enable, bridge, NAT rules, folder",
        ),
    ];
    // Both its name and what it is called on pages are its name.
    let rank = |(name, title, words): &&(OperationName, &str, &str)| {
        let by_title = wanted.rank(title, &[words, name.in_words()]);
        by_title.into_iter().chain(wanted.rank(name.in_words(), &[title, words])).min()
    };
    let (all, found) = best(ALL.iter(), most, rank, |(_, title, _)| title);
    let found = found.into_iter().map(|(rank, (name, title, words))| Found {
        rank,
        title: (*title).to_owned(),
        detail: (*words).to_owned(),
        address: format!("/operations/{}", name.in_words()),
    });
    group(Kind::Operation, all, found.collect())
}

fn commands(wanted: &Wanted, most: usize) -> Group {
    let rank = |name: &&'static str| wanted.rank(name, &["pot log"]);
    let (all, found) = best(meaning::commands(), most, rank, |name| name);
    let found = found.into_iter().map(|(rank, name)| Found {
        rank,
        title: format!("pot {name}"),
        detail: "calls in the log".to_owned(),
        address: format!("/activity?command={name}"),
    });
    group(Kind::Command, all, found.collect())
}

fn guide(wanted: &Wanted, most: usize) -> Group {
    let paragraphs = PARAGRAPHS.iter().map(|one| (one.title, "", one.text, format!("/guide#{}", one.id)));
    let codes = explanations().map(|one| (one.code, one.title, one.means, format!("/guide/findings/{}", one.code)));
    let (all, found) = best(
        paragraphs.chain(codes),
        most,
        |(title, more, text, _)| wanted.rank(title, &[more, text]),
        |(title, ..)| title,
    );
    let found = found.into_iter().map(|(rank, (title, more, text, address))| Found {
        rank,
        title: title.to_owned(),
        detail: if more.is_empty() { first_sentence(text) } else { more.to_owned() },
        address,
    });
    group(Kind::Guide, all, found.collect())
}

fn first_sentence(text: &str) -> String {
    text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.').replace('`', "")
}

/// Whether the configuration has a row for it.
fn is_set_here(name: &str) -> bool {
    parameter(name).is_some() || extra_interface(name).is_some()
}

fn parameters(wanted: &Wanted, configuration: Option<&Configuration>, most: usize) -> Group {
    let settings: Vec<Setting> = match configuration {
        Some(configuration) => configuration.settings().into_iter().filter(|one| is_set_here(&one.name)).collect(),
        None => Vec::new(),
    };
    let names: Vec<(&str, &str, &str, Option<&Setting>)> = if settings.is_empty() {
        PARAMETERS.iter().map(|known| (known.name, known.label, known.about, None)).collect()
    } else {
        settings
            .iter()
            .map(|setting| {
                let words = parameter(&setting.name).map(|known| (known.label, known.about));
                let (label, about) = words.unwrap_or(("Network behind an interface", ""));
                (setting.name.as_str(), label, about, Some(setting))
            })
            .collect()
    };
    let value = |setting: Option<&Setting>| setting.and_then(|one| one.value.clone()).unwrap_or_default();
    let (all, found) = best(
        names.into_iter(),
        most,
        |(name, label, about, setting)| wanted.rank(name, &[label, about, &value(*setting)]),
        |(name, ..)| name,
    );
    let found = found.into_iter().map(|(rank, (name, label, _, setting))| Found {
        rank,
        title: name.to_owned(),
        detail: match setting {
            Some(one) if one.value.as_deref().is_some_and(|value| !value.is_empty()) => {
                let from = if one.source == Source::Default { ", the default" } else { "" };
                format!("{label}: {}{from}", harmless(&value(Some(one))))
            }
            _ => label.to_owned(),
        },
        address: parameter_address(name),
    });
    group(Kind::Parameter, all, found.collect())
}

fn findings(wanted: &Wanted, findings: &[Finding], most: usize) -> Group {
    let rank = |finding: &&Finding| {
        let mut said = vec![finding.message.as_str(), finding.severity.name()];
        said.extend(finding.parameters.iter().map(String::as_str));
        wanted.rank(&finding.code, &said)
    };
    let (all, found) = best(findings.iter(), most, rank, |finding| finding.code.as_str());
    let found = found.into_iter().map(|(rank, finding)| Found {
        rank,
        title: finding.code.clone(),
        detail: format!("{}: {}", finding.severity.name(), finding.message.replace('`', "")),
        address: match finding.parameters.first().filter(|name| is_set_here(name)) {
            Some(name) => parameter_address(name),
            None => format!("/guide/findings/{}", finding.code),
        },
    });
    group(Kind::Finding, all, found.collect())
}

fn state(pot: &Pot) -> &'static str {
    match pot.running {
        Some(true) => "running",
        Some(false) => "stopped",
        None => "not known",
    }
}

fn pots(wanted: &Wanted, facts: &HostFacts, most: usize) -> Group {
    let pots = facts.pots.get().map_or(&[][..], Vec::as_slice);
    let rank = |pot: &&Pot| wanted.rank(&pot.name, &[&pot.network_type, pot.bridge.as_deref().unwrap_or_default()]);
    let (all, found) = best(pots.iter(), most, rank, |pot| pot.name.as_str());
    let found = found.into_iter().map(|(rank, pot)| Found {
        rank,
        title: pot.name.clone(),
        detail: match pot.bridge.as_deref().filter(|_| pot.network_type == "private-bridge") {
            Some(bridge) => format!("{}, {} {bridge}", state(pot), pot.network_type),
            None => format!("{}, {}", state(pot), pot.network_type),
        },
        address: pot_path(&pot.name),
    });
    Group { list: format!("/pots?text={}", query_value(wanted.text())), ..group(Kind::Pot, all, found.collect()) }
}

/// Whose an address is.
enum Holder<'a> {
    Pot(&'a Pot),
    Interface(&'a Interface),
    Parameter(&'static str),
    Resolver,
    Bridge(&'a str),
}

fn addresses(wanted: &Wanted, host: Host<'_>, most: usize) -> Group {
    let Host { facts, configuration, .. } = host;
    // What has no digit and no colon is no part of an address: ten thousand of them need not be written out for it.
    if !wanted.text().contains(|letter: char| letter.is_ascii_digit() || letter == ':') {
        return group(Kind::Address, 0, Vec::new());
    }
    let of_pots = facts.pots.get().into_iter().flatten();
    let mut known: Vec<(String, Holder<'_>)> = of_pots
        .flat_map(|pot| pot.addresses.iter().map(move |address| (address.to_string(), Holder::Pot(pot))))
        .collect();
    for interface in facts.interfaces.get().into_iter().flatten() {
        let written = interface.addresses.iter().map(|held| held.network.to_string());
        known.extend(written.map(|address| (address, Holder::Interface(interface))));
    }
    for name in ["POT_GATEWAY", "POT_EXTIF_ADDR", "POT_DNS_IP", "POT_NETWORK"] {
        let value = configuration.value(name).filter(|value| !value.is_empty());
        known.extend(value.map(|value| (harmless(value).into_owned(), Holder::Parameter(name))));
    }
    let resolvers = facts.resolvers.get().into_iter().flatten();
    known.extend(resolvers.map(|address| (address.to_string(), Holder::Resolver)));
    let bridges = facts.private_bridges.get().into_iter().flatten();
    known.extend(bridges.map(|bridge| (bridge.network.to_string(), Holder::Bridge(&bridge.name))));
    // An address is found in the networks that it lies in, too.
    let asked: Option<Ipv4Addr> = wanted.text().parse().ok();
    let rank = |(text, _): &(String, Holder<'_>)| {
        let lies_in = |address: &Ipv4Addr| text.parse::<Ipv4Net>().is_ok_and(|network| network.contains(address));
        let by_network = asked.filter(lies_in).map(|_| Rank::Part);
        wanted.rank(text, &[]).into_iter().chain(by_network).min()
    };
    let (all, found) = best(known.into_iter(), most, rank, |(text, _)| text.as_str());
    let found = found.into_iter().map(|(rank, (title, holder))| {
        let (detail, address) = match holder {
            Holder::Pot(pot) => (format!("pot {}, {}", pot.name, state(pot)), pot_path(&pot.name)),
            Holder::Interface(interface) => {
                (format!("interface {}", interface.name), interface_address(interface, configuration))
            }
            Holder::Parameter(name) => (name.to_owned(), parameter_address(name)),
            Holder::Resolver => ("name server of this host".to_owned(), "/".to_owned()),
            Holder::Bridge(name) => (format!("private bridge {name}"), "/pots".to_owned()),
        };
        Found { rank, title, detail, address }
    });
    group(Kind::Address, all, found.collect())
}

/// Where an interface is chosen, if pot.conf names it, else the host.
fn interface_address(interface: &Interface, configuration: &Configuration) -> String {
    let names = |name: &str| {
        configuration.value(name).is_some_and(|value| value.split_whitespace().any(|one| one == interface.name))
    };
    let parameter = ["POT_EXTIF", "POT_EXTRA_EXTIF", "POT_VPN_EXTIF"].into_iter().find(|name| names(name));
    parameter.map_or_else(|| "/".to_owned(), parameter_address)
}

fn interfaces(wanted: &Wanted, host: Host<'_>, most: usize) -> Group {
    let interfaces = host.facts.interfaces.get().map_or(&[][..], Vec::as_slice);
    let rank = |one: &&Interface| wanted.rank(&one.name, &[&one.description, "interface"]);
    let (all, found) = best(interfaces.iter(), most, rank, |one| one.name.as_str());
    let found = found.into_iter().map(|(rank, one)| {
        let addresses: Vec<String> = one.addresses.iter().map(|held| held.network.to_string()).collect();
        let words = [if one.up { "up" } else { "down" }, &one.description, &addresses.join(", ")];
        Found {
            rank,
            title: one.name.clone(),
            detail: words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", "),
            address: interface_address(one, host.configuration),
        }
    });
    group(Kind::Interface, all, found.collect())
}

/// The page of a record.
pub(super) fn record_address(sequence: u64) -> String {
    format!("/history/{sequence}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fixture;
    use crate::rules::{self, Subject};

    fn find(typed: &str, facts: &HostFacts, own: &str, role: Role) -> Vec<Group> {
        let configuration = fixture::configuration(own);
        let findings = rules::check(&Subject::new(&configuration).on(Some(facts)));
        let host = Host { facts, configuration: &configuration, findings: &findings };
        groups(&Wanted::of(typed).unwrap(), Some(host), role, 8)
    }

    fn titles(groups: &[Group], kind: Kind) -> Vec<&str> {
        let of_kind = groups.iter().filter(|group| group.kind == kind);
        of_kind.flat_map(|group| group.found.iter().map(|found| found.title.as_str())).collect()
    }

    #[test]
    fn everything_is_found_by_its_name_its_words_and_its_value() {
        let facts = fixture::running_host();
        let find = |typed: &str| find(typed, &facts, "POT_GATEWAY=192.168.1.1\n", Role::Admin);
        assert_eq!(titles(&find("pot_gateway"), Kind::Parameter)[0], "POT_GATEWAY");
        assert!(titles(&find("192.168.1.1"), Kind::Parameter).contains(&"POT_GATEWAY"), "by its value");
        assert!(titles(&find("default gateway"), Kind::Parameter).contains(&"POT_GATEWAY"), "by its explanation");
        assert!(titles(&find("outside"), Kind::Finding).contains(&"gateway-outside-network"));
        assert_eq!(titles(&find("init"), Kind::Operation)[0], "Initialise pot");
        assert!(titles(&find("create"), Kind::Command).contains(&"pot create"));
        assert!(titles(&find("loader.conf"), Kind::Guide).contains(&"Resource limits"));
        assert!(titles(&find("shell-syntax"), Kind::Guide).contains(&"shell-syntax"));
        assert_eq!(find("history")[0].kind, Kind::Page, "what is called so comes first");
        let pot = facts.pots.get().unwrap().first().unwrap();
        assert_eq!(titles(&find(&pot.name), Kind::Pot), [pot.name.as_str()]);
        assert_eq!(titles(&find(&pot.addresses[0].to_string()), Kind::Address)[0], pot.addresses[0].to_string());
        assert!(titles(&find("10.192.0.77"), Kind::Address).contains(&"10.192.0.0/10"), "by the network it lies in");
        let interface = facts.interfaces.get().unwrap().first().unwrap();
        assert!(titles(&find(&interface.name), Kind::Interface).contains(&interface.name.as_str()));
        assert_eq!(find("no such thing anywhere"), []);
    }

    #[test]
    fn what_a_role_may_not_open_it_does_not_find() {
        let facts = fixture::running_host();
        assert_eq!(titles(&find("accounts", &facts, "", Role::Admin), Kind::Page), ["Accounts"]);
        for role in [Role::Viewer, Role::Operator] {
            assert_eq!(titles(&find("accounts", &facts, "", role), Kind::Page), [] as [&str; 0]);
        }
    }

    #[test]
    fn ten_thousand_pots_give_a_few_results_and_their_number() {
        let mut facts = fixture::running_host();
        let pots = (0..10_000_u32).map(|number| {
            let [_, _, high, low] = (number + 2).to_be_bytes();
            fixture::pot(&format!("pot{number}"), "public-bridge", &format!("10.192.{high}.{low}"))
        });
        facts.pots = fixture::known(pots.collect());
        let configuration = fixture::configuration("");
        let findings = rules::check(&Subject::new(&configuration).on(Some(&facts)));
        let host = Host { facts: &facts, configuration: &configuration, findings: &findings };
        for (typed, kind, all) in
            [("pot", Kind::Pot, 10_000), ("10.192", Kind::Address, 10_000), ("pot77", Kind::Pot, 111)]
        {
            let begun = std::time::Instant::now();
            let groups = groups(&Wanted::of(typed).unwrap(), Some(host), Role::Viewer, 8);
            println!("{typed}: {:?}", begun.elapsed());
            let group = groups.iter().find(|group| group.kind == kind).unwrap();
            assert_eq!(group.found.len(), 8, "{typed}");
            assert!(group.all >= all && group.more() == group.all - 8, "{typed}: {}", group.all);
        }
    }

    #[test]
    fn what_did_not_answer_is_said_not_to_be_searched() {
        let configuration = fixture::configuration("");
        let of = |facts: &HostFacts| Host { facts, configuration: &configuration, findings: &[] }.unsearched();
        assert_eq!(of(&fixture::running_host()), [] as [&str; 0]);
        assert_eq!(of(&HostFacts::unknown("not asked")).len(), 2);
    }

    #[test]
    fn no_paragraph_of_the_guide_is_called_as_its_keys_are() {
        assert!(PAGES.iter().any(|page| page.1 == "/guide#keys"));
        assert!(PARAGRAPHS.iter().all(|paragraph| paragraph.id != "keys"));
    }
}
