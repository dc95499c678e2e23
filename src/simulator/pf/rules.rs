//! A rule: what the grammar collects of it, the rules it stands for, what may not stand together, and how pfctl prints it.

use super::addresses::{Address, Family, Host};
use super::names::{self, ICMP, ICMP6, SCTP, TCP, UDP};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Action {
    #[default]
    Pass,
    Block,
    Match,
    Scrub,
    NoScrub,
    Nat,
    NoNat,
    Rdr,
    NoRdr,
    Binat,
    NoBinat,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Block => "block",
            Self::Match => "match",
            Self::Scrub => "scrub",
            Self::NoScrub => "no scrub",
            Self::Nat => "nat",
            Self::NoNat => "no nat",
            Self::Rdr => "rdr",
            Self::NoRdr => "no rdr",
            Self::Binat => "binat",
            Self::NoBinat => "no binat",
        }
    }

    fn anchor(self) -> &'static str {
        match self {
            Self::Nat | Self::NoNat => "nat-anchor",
            Self::Rdr | Self::NoRdr => "rdr-anchor",
            Self::Binat | Self::NoBinat => "binat-anchor",
            _ => "anchor",
        }
    }

    fn is_filter(self) -> bool {
        matches!(self, Self::Pass | Self::Block | Self::Match | Self::Scrub | Self::NoScrub)
    }
}

/// How a blocked packet is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Answer {
    #[default]
    Drop,
    Return,
    /// With a time to live; 0: none given.
    Reset(u8),
    /// Codes of unreachable, for IPv4 and IPv6.
    Icmp(u8, u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Direction {
    #[default]
    Both,
    In,
    Out,
}

/// `log (…)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Log {
    pub on: bool,
    pub all: bool,
    pub matches: bool,
    pub user: bool,
    /// Number of the pflog interface.
    pub to: u8,
}

/// An operator with its numbers (ports, users, groups).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range<T> {
    pub operator: &'static str,
    pub first: T,
    pub last: T,
}

/// An interface that a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct On {
    pub name: String,
    pub not: bool,
}

/// A type of ICMP with its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IcmpKind {
    pub kind: u8,
    pub code: Option<u8>,
    pub six: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Keep {
    #[default]
    No,
    Plain,
    Modulate,
    Synproxy,
}

/// How an address is chosen among several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Choice {
    #[default]
    None,
    Bitmask,
    Random,
    /// With the key as it is printed.
    SourceHash(String),
    RoundRobin,
}

/// Options of a translation or of a route.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct PoolOptions {
    pub choice: Choice,
    pub(crate) static_port: bool,
    pub(crate) sticky: bool,
    pub(crate) endpoint_independent: bool,
    pub(crate) ipv6_next_hop: bool,
    /// Offset, length, number; 0: not given.
    pub(crate) map_e: (u32, u32, u32),
}

/// Ports behind an address: `port 80`, `port 80:90`, `port 80:*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PoolPorts {
    pub first: u16,
    pub last: u16,
    /// `FIRST:LAST`
    pub range: bool,
    /// `FIRST:*`
    pub open: bool,
}

/// Where a rule sends packets: addresses, ports and how to choose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Redirect {
    pub hosts: Vec<Host>,
    pub(crate) ports: PoolPorts,
    pub options: PoolOptions,
    /// The family that `af-to` names.
    pub(crate) family: Option<Family>,
    pub binat: bool,
}

/// What a rule says of the states that it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct StateRules {
    pub max: u32,
    pub(crate) no_sync: bool,
    pub(crate) source_track: bool,
    pub(crate) per_rule: bool,
    pub(crate) max_src_states: u32,
    pub(crate) max_src_nodes: u32,
    pub(crate) max_src_conn: u32,
    pub(crate) max_src_conn_rate: (u32, u32),
    pub(crate) if_bound: bool,
    pub(crate) sloppy: bool,
    pub(crate) pflow: bool,
    pub timeouts: [u32; 25],
}

/// A rule as it was written, with its lists.
#[derive(Debug, Clone, Default)]
pub(super) struct Rule {
    pub action: Action,
    /// The anchor that it calls; empty: none.
    pub anchor: String,
    /// The anchor has no name: its rules stand in braces.
    pub(crate) nameless: bool,
    pub(crate) nat_pass: bool,
    pub answer: Answer,
    pub(crate) direction: Direction,
    pub log: Log,
    pub quick: bool,
    pub(crate) family: Option<Family>,
    pub on: Vec<On>,
    pub(crate) protocols: Vec<u8>,
    pub from: Vec<Host>,
    pub(crate) from_ports: Vec<Range<u16>>,
    pub to: Vec<Host>,
    pub(crate) to_ports: Vec<Range<u16>>,
    pub systems: Vec<String>,
    pub(crate) received_on: Option<On>,
    pub(crate) users: Vec<Range<i64>>,
    pub groups: Vec<Range<i64>>,
    pub flags: (u8, u8),
    pub(crate) icmp: Vec<IcmpKind>,
    pub(crate) tos: u8,
    pub(crate) prio: Option<u8>,
    pub(crate) packet_rate: (u32, u32),
    pub(crate) packet_size: u16,
    pub(crate) set_prio: Option<(u8, u8)>,
    pub(crate) set_tos: Option<u8>,
    pub keep: Keep,
    pub(crate) probability: Option<u32>,
    pub states: StateRules,
    pub(crate) overload: Option<(String, bool, bool)>,
    pub(crate) allow_opts: bool,
    pub(crate) fragment: bool,
    pub(crate) no_df: bool,
    pub(crate) random_id: bool,
    pub(crate) min_ttl: u8,
    pub(crate) max_mss: u16,
    pub(crate) reassemble_tcp: bool,
    pub(crate) no_reassemble: bool,
    pub(crate) labels: Vec<String>,
    pub(crate) ridentifier: u64,
    pub pipe: Option<(bool, u64, u64)>,
    pub(crate) queues: (String, String),
    pub tag: String,
    pub(crate) tagged: Option<(bool, String)>,
    pub(crate) rtable: Option<u64>,
    pub(crate) divert: Option<u16>,
    pub route: Option<(&'static str, Redirect)>,
    pub nat: Option<Redirect>,
    pub rdr: Option<Redirect>,
    pub(crate) af_to: bool,
}

/// One of the rules that a rule with lists stands for.
#[derive(Clone)]
pub(super) struct One<'a> {
    pub rule: &'a Rule,
    pub(crate) direction: Direction,
    pub(crate) family: Option<Family>,
    pub on: On,
    pub protocol: u8,
    pub(crate) icmp: Option<IcmpKind>,
    pub from: Option<Host>,
    pub to: Option<Host>,
    pub(crate) from_port: Option<Range<u16>>,
    pub(crate) to_port: Option<Range<u16>>,
    pub system: Option<&'a str>,
    pub user: Option<Range<i64>>,
    pub group: Option<Range<i64>>,
    /// Its place among the rules of its set.
    pub number: usize,
    pub nat: Option<Redirect>,
    pub rdr: Option<Redirect>,
    pub route: Option<(&'static str, Redirect)>,
}

impl One<'_> {
    /// The kind of states it makes: only TCP's can be modulated.
    fn keep(&self) -> Keep {
        match self.rule.keep {
            Keep::Modulate | Keep::Synproxy if self.protocol != 0 && self.protocol != TCP => Keep::Plain,
            keep => keep,
        }
    }

    fn flags(&self) -> (u8, u8) {
        if self.protocol != 0 && self.protocol != TCP { (0, 0) } else { self.rule.flags }
    }

    fn has_ports(&self) -> bool {
        self.from_port.is_some() || self.to_port.is_some()
    }

    fn knows_ports(&self, major: u32) -> bool {
        matches!(self.protocol, TCP | UDP) || major >= 14 && self.protocol == SCTP
    }

    /// What may not stand together, as pfctl says it; and warnings, which are none.
    pub fn problems(&self, major: u32) -> (Vec<String>, Vec<&'static str>) {
        let rule = self.rule;
        let ports = if major >= 14 { "tcp/udp/sctp" } else { "tcp/udp" };
        let mut found: Vec<String> = Vec::new();
        let mut warnings = Vec::new();
        let mut say = |wrong: bool, text: &str| {
            if wrong {
                found.push(text.to_owned());
            }
        };
        if matches!(rule.action, Action::Rdr | Action::NoRdr) {
            if !self.knows_ports(major) {
                say(self.from_port.is_some(), &format!("src port only applies to {ports}"));
                say(self.to_port.is_some(), &format!("dst port only applies to {ports}"));
                let first = self.rdr.as_ref().map_or(0, |rdr| rdr.ports.first);
                let place = if major >= 15 { "rdr" } else { "rpool" };
                say(first != 0, &format!("{place} port only applies to {ports}"));
            }
            say(
                self.to_port.is_some_and(|port| !matches!(port.operator, "=" | ":")),
                "invalid port operator for rdr destination port",
            );
        }
        if !rule.action.is_filter() {
            return (found, warnings);
        }
        let keep = self.keep();
        say(!self.knows_ports(major) && self.has_ports(), &format!("port only applies to {ports}"));
        say(!matches!(self.protocol, ICMP | ICMP6) && self.icmp.is_some(), "icmp-type/code only applies to icmp");
        say(self.family.is_none() && self.icmp.is_some(), "must indicate address family with icmp-type/code");
        say(
            rule.af_to && self.family == self.nat.as_ref().and_then(|nat| nat.family),
            "must indicate different address family with af-to",
        );
        let states = &rule.states;
        say(
            rule.overload.is_some() && states.max_src_conn == 0 && states.max_src_conn_rate.1 == 0,
            "'overload' requires 'max-src-conn' or 'max-src-conn-rate'",
        );
        for (protocol, family) in [(ICMP, Family::Inet6), (ICMP6, Family::Inet)] {
            say(
                self.protocol == protocol && self.family == Some(family),
                &format!(
                    "proto {} doesn't match address family {}",
                    if protocol == ICMP { "icmp" } else { "icmp6" },
                    family.word()
                ),
            );
        }
        say(
            rule.allow_opts && rule.action != Action::Pass && (major < 15 || rule.action != Action::Match),
            if major >= 15 {
                "allow-opts can only be specified for pass or match rules"
            } else {
                "allow-opts can only be specified for pass rules"
            },
        );
        say(
            rule.fragment && (self.has_ports() || self.flags().1 != 0 || self.icmp.is_some()),
            "fragments can be filtered only on IP header fields",
        );
        say(
            matches!(rule.answer, Answer::Reset(_)) && self.protocol != TCP,
            "return-rst can only be applied to TCP rules",
        );
        say(states.max_src_nodes != 0 && !states.per_rule, "max-src-nodes requires 'source-track rule'");
        say(
            rule.action != Action::Pass && keep != Keep::No,
            if major >= 14 {
                "keep state is great, but only for pass rules"
            } else {
                "keep state on block rules doesn't make sense"
            },
        );
        say(
            states.sloppy && matches!(keep, Keep::Modulate | Keep::Synproxy),
            "sloppy state matching cannot be used with synproxy state or modulate state",
        );
        if keep == Keep::Synproxy && self.direction != Direction::In && major >= 15 {
            warnings.push("warning: synproxy used for inbound rules only, ignored for outbound");
        }
        let routed = self.route.is_some();
        say(
            rule.af_to && self.route.as_ref().is_some_and(|(kind, _)| *kind == "dup-to"),
            "dup-to must not be used on af-to rules",
        );
        match rule.action {
            Action::Match => {
                say(rule.divert.is_some(), "divert is not supported on match rules");
                say(routed, "route-to, reply-to, dup-to and fastroute must not be used on match rules");
                say(rule.af_to, "af-to is not supported on match rules");
            }
            Action::Block => {
                say(routed && major >= 15, "route-to, reply-to and dup-to are not supported on block rules");
            }
            _ => {}
        }
        if self.nat.is_some() || self.rdr.is_some() {
            say(rule.action != Action::Match && keep == Keep::No, "nat-to and rdr-to require keep state");
            say(self.direction == Direction::Both, "nat-to and rdr-to require a direction");
        }
        let sticky = self.route.as_ref().is_some_and(|(_, route)| route.options.sticky);
        say(sticky && keep == Keep::No && major >= 15, "'sticky-address' requires 'keep state'");
        (found, warnings)
    }

    /// As `pfctl -s` prints it.
    pub fn text(&self) -> String {
        let rule = self.rule;
        let anchor = !rule.anchor.is_empty() || rule.nameless;
        let mut text = if rule.nameless {
            rule.action.anchor().to_owned()
        } else if anchor {
            format!("{} \"{}\"", rule.action.anchor(), rule.anchor)
        } else {
            rule.action.word().to_owned()
        };
        let mut add = |part: &str| text.push_str(part);
        if rule.nat_pass {
            add(" pass");
        }
        if rule.action == Action::Block {
            add(&self.answer());
        }
        add(match self.direction {
            Direction::Both => "",
            Direction::In => " in",
            Direction::Out => " out",
        });
        add(&log(rule.log));
        if rule.quick {
            add(" quick");
        }
        if !self.on.name.is_empty() {
            add(&format!(" on {}{}", if self.on.not { "! " } else { "" }, self.on.name));
        }
        if let Some((kind, route)) = &self.route {
            add(&format!(" {kind} {}", route.route_text()));
        }
        if let Some(family) = self.family {
            add(&format!(" {}", family.word()));
        }
        if self.protocol != 0 {
            let name = names::protocol_name(self.protocol).map_or_else(|| self.protocol.to_string(), str::to_owned);
            add(&format!(" proto {name}"));
        }
        add(&self.hosts());
        if let Some(on) = &rule.received_on {
            add(&format!(" {}received-on {}", if on.not { "!" } else { "" }, on.name));
        }
        for (word, range) in [("user", self.user), ("group", self.group)] {
            if let Some(range) = range {
                let name = |id: i64| {
                    if id == -1 && matches!(range.operator, "=" | "!=") {
                        "unknown".to_owned()
                    } else {
                        // A negative number is a large one to the kernel.
                        (id & 0xffff_ffff).to_string()
                    }
                };
                add(&format!(" {word}{}", operation(range.operator, &name(range.first), &name(range.last))));
            }
        }
        let (set, of) = self.flags();
        let keep = self.keep();
        if (set, of) != (0, 0) {
            add(&format!(" flags {}/{}", names::flags_text(set), names::flags_text(of)));
        } else if matches!(rule.action, Action::Pass | Action::Match)
            && matches!(self.protocol, 0 | TCP)
            && !rule.fragment
            && !anchor
            && keep != Keep::No
        {
            add(" flags any");
        }
        if let Some(icmp) = self.icmp {
            let six = self.family == Some(Family::Inet6);
            let kind = names::icmp_type_name(icmp.kind, six).map_or_else(|| icmp.kind.to_string(), str::to_owned);
            add(&format!(" {} {kind}", if six { "icmp6-type" } else { "icmp-type" }));
            if let Some(code) = icmp.code {
                let name = names::icmp_code_name(icmp.kind, code, six).map_or_else(|| code.to_string(), str::to_owned);
                add(&format!(" code {name}"));
            }
        }
        if rule.tos != 0 {
            add(&format!(" tos 0x{:02x}", rule.tos));
        }
        if let Some(prio) = rule.prio {
            add(&format!(" prio {prio}"));
        }
        if rule.packet_rate.0 != 0 {
            add(&format!(" max-pkt-rate {}/{}", rule.packet_rate.0, rule.packet_rate.1));
        }
        if rule.packet_size != 0 {
            add(&format!(" max-pkt-size {}", rule.packet_size));
        }
        let scrubs = rule.action == Action::Scrub;
        let set_tos = rule.set_tos.filter(|_| !scrubs);
        if rule.set_prio.is_some() || set_tos.is_some() {
            let mut parts = Vec::new();
            if let Some((first, second)) = rule.set_prio {
                parts.push(if first == second {
                    format!(" prio {first}")
                } else {
                    format!(" prio({first}, {second})")
                });
            }
            parts.extend(set_tos.map(|tos| format!(" tos 0x{tos:02x}")));
            add(&format!(" set ({} )", parts.join(",")));
        }
        add(match keep {
            Keep::No if rule.action == Action::Pass && !anchor => " no state",
            Keep::No => "",
            Keep::Plain => " keep state",
            Keep::Modulate => " modulate state",
            Keep::Synproxy => " synproxy state",
        });
        if let Some(probability) = rule.probability {
            let text = format!("{:.6}", f64::from(probability) * 100.0 / 4_294_967_296.0);
            add(&format!(" probability {}%", text.trim_end_matches('0').trim_end_matches('.')));
        }
        add(&rule.states.text(rule.overload.as_ref()));
        if rule.allow_opts {
            add(" allow-opts");
        }
        if rule.fragment {
            add(" fragment");
        }
        add(&rule.scrub_text());
        // An empty label, as written or after its words were put in, ends the list.
        for label in rule.labels.iter().map(|label| self.label(label)).take_while(|label| !label.is_empty()) {
            add(&format!(" label \"{label}\""));
        }
        if rule.ridentifier != 0 {
            add(&format!(" ridentifier {}", rule.ridentifier));
        }
        if let Some((pipe, there, back)) = rule.pipe {
            let word = if pipe { "dnpipe" } else { "dnqueue" };
            add(&if back == 0 { format!(" {word} {there}") } else { format!(" {word}({there}, {back})") });
        }
        match (&rule.queues.0, &rule.queues.1) {
            (name, _) if name.is_empty() => {}
            (name, other) if other.is_empty() => add(&format!(" queue {name}")),
            (name, other) => add(&format!(" queue({name}, {other})")),
        }
        if !rule.tag.is_empty() {
            add(&format!(" tag {}", self.label(&rule.tag)));
        }
        if let Some((not, name)) = &rule.tagged {
            add(&format!("{} tagged {}", if *not { " !" } else { "" }, self.label(name)));
        }
        if let Some(rtable) = rule.rtable {
            add(&format!(" rtable {rtable}"));
        }
        if let Some(port) = rule.divert {
            add(&format!(" divert-to {port}"));
        }
        if anchor {
            return text;
        }
        match rule.action {
            Action::Nat | Action::Rdr | Action::Binat => {
                if let Some(rdr) = &self.rdr {
                    add(&format!(" -> {}", rdr.text(rule.action)));
                }
            }
            _ => {
                if let Some(nat) = &self.nat {
                    let word = match nat.family.filter(|_| rule.af_to) {
                        Some(family) => format!("af-to {} from", family.word()),
                        None => "nat-to".to_owned(),
                    };
                    add(&format!(" {word} {}", nat.text(Action::Nat)));
                }
                if let Some(rdr) = &self.rdr {
                    add(&format!(" {} {}", if rule.af_to { "to" } else { "rdr-to" }, rdr.text(Action::Rdr)));
                }
            }
        }
        text
    }

    fn answer(&self) -> String {
        match self.rule.answer {
            Answer::Drop => " drop".to_owned(),
            Answer::Return => " return".to_owned(),
            Answer::Reset(0) => " return-rst".to_owned(),
            Answer::Reset(ttl) => format!(" return-rst(ttl {ttl})"),
            Answer::Icmp(four, six) => {
                let four = names::icmp_code_name(3, four, false).map_or_else(|| four.to_string(), str::to_owned);
                let six = names::icmp_code_name(1, six, true).map_or_else(|| six.to_string(), str::to_owned);
                match self.family {
                    Some(Family::Inet) => format!(" return-icmp({four})"),
                    Some(Family::Inet6) => format!(" return-icmp6({six})"),
                    None => format!(" return-icmp({four}, {six})"),
                }
            }
        }
    }

    fn hosts(&self) -> String {
        let is_any = |host: &Option<Host>| {
            host.as_ref()
                .is_none_or(|host| !host.not && matches!(host.address, Address::Net(ip, 0) if ip.is_unspecified()))
        };
        if is_any(&self.from) && is_any(&self.to) && !self.has_ports() && self.system.is_none() {
            return " all".to_owned();
        }
        let host = |host: &Option<Host>| match host {
            Some(host) => format!("{}{}", if host.not { "! " } else { "" }, host.text(self.family)),
            None => "any".to_owned(),
        };
        let port = |port: Option<Range<u16>>| match port {
            Some(port) => {
                let name = names::service_name(port.first, self.protocol == TCP)
                    .filter(|_| matches!(port.operator, "=" | "!="));
                let first = name.map_or_else(|| port.first.to_string(), str::to_owned);
                format!(" port{}", operation(port.operator, &first, &port.last.to_string()))
            }
            None => String::new(),
        };
        let system = self.system.map(|name| format!(" os \"{name}\"")).unwrap_or_default();
        format!(
            " from {}{}{system} to {}{}",
            host(&self.from),
            port(self.from_port),
            host(&self.to),
            port(self.to_port)
        )
    }

    /// A label or a tag with the rule's own values in it.
    pub fn label(&self, label: &str) -> String {
        if !label.contains('$') {
            return label.to_owned();
        }
        let host = |host: &Option<Host>| match host {
            Some(host) if self.family.is_some() || !matches!(host.address, Address::Net(..)) => {
                let text = match &host.address {
                    Address::Interface { name, .. } => format!("({name})"),
                    _ => host.text(self.family),
                };
                format!("{}{text}", if host.not { "! " } else { "" })
            }
            _ => "any".to_owned(),
        };
        let port = |port: Option<Range<u16>>| match port {
            None => String::new(),
            Some(Range { operator: operator @ ("><" | "<>"), first, last }) => format!("{first}{operator}{last}"),
            Some(Range { operator: "=", first, .. }) => first.to_string(),
            Some(Range { operator: ":", .. }) => String::new(),
            Some(Range { operator, first, .. }) => format!("{operator}{first}"),
        };
        let protocol = names::protocol_name(self.protocol).map_or_else(|| self.protocol.to_string(), str::to_owned);
        label
            .replace("$if", if self.on.name.is_empty() { "any" } else { &self.on.name })
            .replace("$srcaddr", &host(&self.from))
            .replace("$dstaddr", &host(&self.to))
            .replace("$srcport", &port(self.from_port))
            .replace("$dstport", &port(self.to_port))
            .replace("$proto", &protocol)
            .replace("$nr", &self.number.to_string())
    }
}

fn operation(operator: &str, first: &str, last: &str) -> String {
    match operator {
        ":" => format!(" {first}:{last}"),
        "><" | "<>" => format!(" {first} {operator} {last}"),
        _ => format!(" {operator} {first}"),
    }
}

fn log(log: Log) -> String {
    if !log.on {
        return String::new();
    }
    let mut parts = Vec::new();
    for (given, word) in [(log.all, "all"), (log.matches, "matches"), (log.user, "user")] {
        if given {
            parts.push(word.to_owned());
        }
    }
    if log.to != 0 {
        parts.push(format!("to pflog{}", log.to));
    }
    if parts.is_empty() { " log".to_owned() } else { format!(" log ({})", parts.join(", ")) }
}

impl Rule {
    fn scrub_text(&self) -> String {
        let mut text = String::new();
        let mut parts = |head: &str| {
            text.push_str(head);
            if self.no_df {
                text.push_str(" no-df");
            }
            if self.random_id {
                text.push_str(" random-id");
            }
            if self.min_ttl != 0 {
                text.push_str(&format!(" min-ttl {}", self.min_ttl));
            }
        };
        let mss = if self.max_mss == 0 { String::new() } else { format!(" max-mss {}", self.max_mss) };
        let tos = self.set_tos.map(|tos| format!(" set-tos 0x{tos:02x}")).unwrap_or_default();
        let tcp = if self.reassemble_tcp { " reassemble tcp" } else { "" };
        if matches!(self.action, Action::Scrub) {
            parts("");
            let no = if self.no_reassemble { "no " } else { "" };
            text.push_str(&format!("{mss}{tos}{tcp} fragment {no}reassemble"));
        } else if self.no_df || self.random_id || self.reassemble_tcp || self.min_ttl != 0 || self.max_mss != 0 {
            parts(" scrub(");
            text.push_str(&format!("{tos}{tcp}{mss})"));
        }
        text
    }
}

impl StateRules {
    fn text(&self, overload: Option<&(String, bool, bool)>) -> String {
        let mut parts = Vec::new();
        if self.max != 0 {
            parts.push(format!("max {}", self.max));
        }
        if self.no_sync {
            parts.push("no-sync".to_owned());
        }
        if self.source_track {
            parts.push(format!("source-track {}", if self.per_rule { "rule" } else { "global" }));
        }
        let mut number = |word: &str, value: u32| {
            if value != 0 {
                parts.push(format!("{word} {value}"));
            }
        };
        number("max-src-states", self.max_src_states);
        number("max-src-conn", self.max_src_conn);
        let (limit, seconds) = self.max_src_conn_rate;
        if limit != 0 {
            parts.push(format!("max-src-conn-rate {limit}/{seconds}"));
        }
        if self.max_src_nodes != 0 {
            parts.push(format!("max-src-nodes {}", self.max_src_nodes));
        }
        if let Some((table, flush, global)) = overload {
            let flush = if *flush { " flush" } else { "" };
            parts.push(format!("overload <{table}>{flush}{}", if *global { " global" } else { "" }));
        }
        for (given, word) in [(self.if_bound, "if-bound"), (self.sloppy, "sloppy"), (self.pflow, "pflow")] {
            if given {
                parts.push(word.to_owned());
            }
        }
        for (place, seconds) in (0u8..).zip(self.timeouts) {
            if seconds != 0 {
                parts.push(format!("{} {seconds}", names::timeout_name(place)));
            }
        }
        if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
    }
}

/// The ports that nat uses when a rule names none.
pub(super) const NAT_PORTS: (u16, u16) = (50001, 65535);

impl Redirect {
    fn list(&self, item: impl Fn(&Host) -> String) -> String {
        let items: Vec<String> = self.hosts.iter().map(item).collect();
        if items.len() == 1 { items.concat() } else { format!("{{ {} }}", items.join(", ")) }
    }

    /// As it stands behind `route-to`.
    fn route_text(&self) -> String {
        let list = self.list(|host| {
            let interface = host.interface.as_deref().unwrap_or_default();
            match &host.address {
                Address::None => interface.to_owned(),
                _ => format!("({interface} {})", host.text(host.family)),
            }
        });
        format!("{list}{}", self.options.text())
    }

    /// As it stands behind `->`, `nat-to` and the like.
    fn text(&self, action: Action) -> String {
        let mut text = self.list(|host| host.text(host.family));
        let PoolPorts { first, last, .. } = self.ports;
        match action {
            Action::Nat if (first, last) != NAT_PORTS && (first, last) != (0, 0) => {
                text.push_str(&if first == last { format!(" port {first}") } else { format!(" port {first}:{last}") });
            }
            Action::Rdr if first != 0 => {
                text.push_str(&format!(" port {first}"));
                if last != 0 && last != first {
                    text.push_str(&format!(":{last}"));
                }
            }
            _ => {}
        }
        text.push_str(&self.options.choice_text());
        if action == Action::Nat && (first, last) == (0, 0) {
            text.push_str(" static-port");
        }
        text.push_str(&self.options.rest_text());
        text
    }
}

impl PoolOptions {
    /// The name of an option that only nat can have, if it was given.
    pub(crate) fn only_of_nat(&self) -> Option<&'static str> {
        if self.static_port {
            Some("static-port")
        } else if self.map_e.0 != 0 {
            Some("map-e-portset")
        } else {
            None
        }
    }

    fn choice_text(&self) -> String {
        let mut text = match &self.choice {
            Choice::None => String::new(),
            Choice::Bitmask => " bitmask".to_owned(),
            Choice::Random => " random".to_owned(),
            Choice::SourceHash(key) => format!(" source-hash {key}"),
            Choice::RoundRobin => " round-robin".to_owned(),
        };
        if self.sticky {
            text.push_str(" sticky-address");
        }
        if self.endpoint_independent {
            text.push_str(" endpoint-independent");
        }
        text
    }

    fn rest_text(&self) -> String {
        let (offset, length, number) = self.map_e;
        let map = if offset == 0 { String::new() } else { format!(" map-e-portset {offset}/{length}/{number}") };
        format!("{map}{}", if self.ipv6_next_hop { " prefer-ipv6-nexthop" } else { "" })
    }

    fn text(&self) -> String {
        format!("{}{}", self.choice_text(), self.rest_text())
    }
}
