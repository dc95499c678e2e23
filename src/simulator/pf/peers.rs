//! What a rule is for: direction, log, interfaces, protocols, and both ends with their hosts, ports and accounts.

use super::addresses::{self, Address, Family, Host, Modifiers};
use super::grammar::{Parser, Refused, Taken, unsigned};
use super::lexer::Token;
use super::names;
use super::rules::{Direction, Log, On, Range, Rule};

/// Interfaces' names are shorter than this.
pub(super) const INTERFACE_NAME: usize = 16;

/// Words that can stand behind a host: further hosts, and what follows in a rule of any kind.
const BEHIND_HOSTS: [&str; 50] = [
    "any",
    "no-route",
    "urpf-failed",
    "port",
    "os",
    "to",
    "user",
    "group",
    "flags",
    "icmp-type",
    "icmp6-type",
    "prio",
    "tos",
    "no",
    "keep",
    "modulate",
    "synproxy",
    "ridentifier",
    "fragment",
    "allow-opts",
    "label",
    "queue",
    "dnpipe",
    "dnqueue",
    "tag",
    "tagged",
    "received-on",
    "probability",
    "rtable",
    "divert-to",
    "divert-reply",
    "scrub",
    "set",
    "nat-to",
    "rdr-to",
    "binat-to",
    "af-to",
    "max-pkt-rate",
    "max-pkt-size",
    "bitmask",
    "random",
    "source-hash",
    "round-robin",
    "static-port",
    "sticky-address",
    "endpoint-independent",
    "no-df",
    "min-ttl",
    "max-mss",
    "set-tos",
];

/// What stands in from and to, with what is between them.
#[derive(Default)]
struct Peers {
    from: Vec<Host>,
    from_ports: Vec<Range<u16>>,
    systems: Vec<String>,
    to: Vec<Host>,
    to_ports: Vec<Range<u16>>,
}

impl Parser<'_> {
    pub fn direction(&mut self) -> Direction {
        if self.key("in") {
            Direction::In
        } else if self.key("out") {
            Direction::Out
        } else {
            Direction::Both
        }
    }

    /// `log` and `quick`, in either order.
    pub fn log_quick(&mut self) -> Taken<(Log, bool)> {
        let first = self.key("quick");
        let log = self.log()?;
        let quick = first || self.key("quick");
        Ok((log, quick))
    }

    pub fn log(&mut self) -> Taken<Log> {
        if !self.key("log") {
            return Ok(Log::default());
        }
        let mut log = Log { on: true, ..Log::default() };
        if !self.sign(b'(') {
            return Ok(log);
        }
        loop {
            if self.key("all") {
                log.all = true;
            } else if self.major >= 15 && self.key("matches") {
                log.matches = true;
            } else if self.key("user") || self.major < 15 && self.key("group") {
                log.user = true;
            } else {
                self.expect("to")?;
                let name = self.texts()?;
                let Some(number) = name.strip_prefix("pflog") else {
                    return self.refuse(format_args!("{name}: should be a pflog interface"));
                };
                log.to = match number.parse::<i64>() {
                    Ok(number @ 0..=255) => u8::try_from(number).unwrap_or_default(),
                    Ok(number) => {
                        return self.refuse(format_args!("{name}: too {}", if number < 0 { "small" } else { "large" }));
                    }
                    Err(_) => return self.refuse(format_args!("{name}: invalid")),
                };
            }
            if self.sign(b')') {
                return Ok(log);
            }
            self.comma();
        }
    }

    /// `on …`; empty when it is left out.
    pub fn interface(&mut self) -> Taken<Vec<On>> {
        if !self.key("on") {
            return Ok(Vec::new());
        }
        self.one_or_braced(|parser| {
            let not = parser.sign(b'!');
            let name = parser.interface_name()?;
            Ok(vec![On { name, not }])
        })
    }

    pub fn interface_name(&mut self) -> Taken<String> {
        if self.major >= 15 && self.key("any") {
            return Ok("any".to_owned());
        }
        let name = self.text()?;
        if name.len() >= INTERFACE_NAME {
            return self.refuse("interface name too long");
        }
        Ok(name)
    }

    pub fn family(&mut self) -> Option<Family> {
        if self.key("inet") {
            Some(Family::Inet)
        } else if self.key("inet6") {
            Some(Family::Inet6)
        } else {
            None
        }
    }

    pub fn protocols(&mut self) -> Taken<Vec<u8>> {
        if !self.key("proto") {
            return Ok(Vec::new());
        }
        self.one_or_braced(|parser| {
            let number = if parser.is_text() {
                let name = parser.text()?;
                match names::protocol_number(&name) {
                    Some(number) => i64::from(number),
                    None => return parser.refuse(format_args!("unknown protocol {name}")),
                }
            } else {
                parser.number()?
            };
            match u8::try_from(number) {
                Ok(0) => parser.refuse("proto 0 cannot be used"),
                Ok(number) => Ok(vec![number]),
                Err(_) => parser.refuse("protocol outside range"),
            }
        })
    }

    fn peers(&mut self) -> Taken<Peers> {
        let mut peers = Peers::default();
        if self.key("all") {
            return Ok(peers);
        }
        if self.key("from") {
            (peers.from, peers.from_ports) = self.peer()?;
        }
        if self.key("os") {
            peers.systems = self.one_or_braced(|parser| Ok(vec![parser.text()?]))?;
        }
        if self.key("to") {
            (peers.to, peers.to_ports) = self.peer()?;
            if peers.to.iter().any(|host| host.address == Address::UrpfFailed) {
                return self.refuse("\"urpf-failed\" is not permitted in a destination address");
            }
        }
        Ok(peers)
    }

    /// Takes proto, from and to into a rule.
    pub fn scope(&mut self, rule: &mut Rule) -> Taken<()> {
        rule.protocols = self.protocols()?;
        self.ends(rule)
    }

    /// Takes both ends into a rule.
    pub fn ends(&mut self, rule: &mut Rule) -> Taken<()> {
        let peers = self.peers()?;
        rule.from = peers.from;
        rule.from_ports = peers.from_ports;
        rule.systems = peers.systems;
        rule.to = peers.to;
        rule.to_ports = peers.to_ports;
        Ok(())
    }

    fn peer(&mut self) -> Taken<(Vec<Host>, Vec<Range<u16>>)> {
        let hosts = if self.is_key("port") { Vec::new() } else { self.hosts()?.unwrap_or_default() };
        let ports = if self.key("port") { self.ports()? } else { Vec::new() };
        Ok((hosts, ports))
    }

    /// Hosts as from and to have them; none: any.
    pub fn hosts(&mut self) -> Taken<Option<Vec<Host>>> {
        if self.key("any") {
            return Ok(None);
        }
        if self.sign(b'{') {
            self.newlines();
            return self.host_items();
        }
        let not = self.sign(b'!');
        let mut hosts = if self.key("no-route") {
            vec![Host::new(Address::NoRoute)]
        } else if self.key("urpf-failed") {
            vec![Host::new(Address::UrpfFailed)]
        } else {
            self.host()?
        };
        for host in &mut hosts {
            host.not = not;
        }
        Ok(Some(hosts))
    }

    /// The hosts up to the closing brace; none: any. Since 15 an `any` among them stands for the whole list, before it
    /// only counts when it is alone.
    pub fn host_items(&mut self) -> Taken<Option<Vec<Host>>> {
        let mut any = false;
        let hosts = self.braced(|parser| {
            let hosts = parser.hosts()?;
            any |= hosts.is_none();
            Ok(hosts.unwrap_or_default())
        })?;
        Ok(if any && (self.major >= 15 || hosts.is_empty()) { None } else { Some(hosts) })
    }

    fn look_up(&mut self, text: &str) -> Taken<Vec<Host>> {
        match addresses::look_up(self.state, self.read, text) {
            Ok(hosts) => Ok(hosts),
            Err(said) => {
                self.lexer.messages.extend(said);
                self.refuse("could not parse host specification")
            }
        }
    }

    /// Whether the token ahead can stand behind a host at all: only then pfctl looks it up.
    pub fn may_follow_host(&mut self) -> bool {
        match self.peek() {
            Token::Text(_) | Token::Number(_) | Token::Arrow => true,
            Token::Sign(sign) => b"\n,{}()<!".contains(sign),
            Token::Key(word) => {
                BEHIND_HOSTS.contains(word)
                    || matches!(*word, "reassemble" | "random-id" | "map-e-portset" | "prefer-ipv6-nexthop")
            }
            _ => false,
        }
    }

    /// An address, a network, a range, an interface, a table or a name.
    pub fn host(&mut self) -> Taken<Vec<Host>> {
        match self.peek().clone() {
            Token::Sign(b'(') => {
                self.shift();
                let host = self.dynamic()?;
                if !self.sign(b'/') {
                    return Ok(vec![host]);
                }
                let bits = self.number()?;
                match u8::try_from(bits) {
                    Ok(bits) if bits <= 128 => Ok(vec![host.with_bits(bits)]),
                    _ => self.refuse("bit number too big"),
                }
            }
            Token::Sign(b'<') => Ok(vec![Host::new(Address::Table(self.table_name()?))]),
            Token::Number(first) => {
                self.shift();
                self.expect_sign(b'/')?;
                let bits = self.number()?;
                self.look_up(&format!("{first}/{bits}"))
            }
            Token::Text(text) => {
                self.shift();
                if self.sign(b'/') {
                    let bits = self.number()?;
                    return self.look_up(&format!("{text}/{bits}"));
                }
                if !self.sign(b'-') {
                    if !self.may_follow_host() {
                        return self.syntax();
                    }
                    return self.look_up(&text);
                }
                let last = self.text()?;
                let (first, last) = (self.look_up(&text)?, self.look_up(&last)?);
                match (first.as_slice(), last.as_slice()) {
                    (
                        [Host { address: Address::Net(first, 32 | 128), .. }],
                        [Host { address: Address::Net(last, 32 | 128), .. }],
                    ) if first.is_ipv4() == last.is_ipv4() => Ok(vec![Host::new(Address::Range(*first, *last))]),
                    _ => self.refuse("invalid address range"),
                }
            }
            _ => self.syntax(),
        }
    }

    /// `(INTERFACE:modifiers)`; the opening bracket was read.
    fn dynamic(&mut self) -> Taken<Host> {
        let text = self.text()?;
        self.expect_sign(b')')?;
        if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return self.refuse(format_args!("invalid interface name '{text}'"));
        }
        let Some((name, modifiers)) = Modifiers::split(&text) else {
            let shown = text.clone();
            return self.refuse(format_args!("interface {shown} has bad modifier"));
        };
        if modifiers.contradict() {
            return self.refuse("illegal combination of interface modifiers");
        }
        if name.len() >= INTERFACE_NAME {
            return self.refuse("interface name too long");
        }
        Ok(Host::new(Address::Interface { name: name.to_owned(), modifiers, bits: 128 }))
    }

    /// An operator with one number behind it.
    fn operator(&mut self) -> Taken<Option<&'static str>> {
        let signs = self.major < 15;
        let found = match self.peek() {
            Token::Sign(b'=') => "=",
            Token::NotEqual => "!=",
            Token::AtMost => "<=",
            Token::AtLeast => ">=",
            Token::Sign(b'<') => "<",
            Token::Sign(b'>') => ">",
            // Before 15 each sign is a token of its own.
            Token::Sign(b'!') if signs => "!",
            _ => return Ok(None),
        };
        self.shift();
        if self.major >= 15 {
            return Ok(Some(found));
        }
        Ok(Some(match found {
            "!" => {
                self.expect_sign(b'=')?;
                "!="
            }
            "<" if self.sign(b'=') => "<=",
            ">" if self.sign(b'=') => ">=",
            other => other,
        }))
    }

    /// An operator between two numbers.
    fn between(&mut self) -> Option<&'static str> {
        let found = match self.peek() {
            Token::Between => "><",
            Token::Outside => "<>",
            _ => return None,
        };
        self.shift();
        Some(found)
    }

    pub fn ports(&mut self) -> Taken<Vec<Range<u16>>> {
        self.one_or_braced(|parser| {
            let operator = parser.operator()?;
            let (first, last) = parser.port_range(false)?;
            if let Some(operator) = operator {
                if last.is_some() {
                    return parser.refuse("':' cannot be used with an other port operator");
                }
                return Ok(vec![Range { operator, first, last: 0 }]);
            }
            let (operator, last) = match parser.between() {
                Some(operator) => {
                    let (second, end) = parser.port_range(false)?;
                    if last.is_some() || end.is_some() {
                        return parser.refuse("':' cannot be used with an other port operator");
                    }
                    (operator, second)
                }
                None => match last {
                    Some(last) => (":", last),
                    None => ("=", 0),
                },
            };
            let wrong = match operator {
                "><" => first >= last,
                "<>" | ":" => first > last,
                _ => false,
            };
            if wrong && parser.major >= 15 {
                return parser.refuse("invalid port range");
            }
            Ok(vec![Range { operator, first, last }])
        })
    }

    /// `PORT` or `FIRST:LAST`; `plain`: no range.
    pub fn port_range(&mut self, plain: bool) -> Taken<(u16, Option<u16>)> {
        let text = self.number_or_text()?;
        match text.split_once(':') {
            None => Ok((self.port(&text)?, None)),
            // pfctl itself does not say what is wrong here.
            Some(_) if plain => Err(Refused),
            Some((first, last)) => {
                let (first, last) = (self.port(first)?, self.port(last)?);
                Ok((first, (first != last).then_some(last)))
            }
        }
    }

    pub fn port(&mut self, text: &str) -> Taken<u16> {
        if let Some(number) = unsigned(text) {
            return match u16::try_from(number) {
                Ok(port) => Ok(port),
                Err(_) => self.refuse(format_args!("illegal port value {number}")),
            };
        }
        match names::service_port(text) {
            Some(port) => Ok(port),
            None => self.refuse(format_args!("unknown port {text}")),
        }
    }

    pub fn accounts(&mut self, word: &'static str) -> Taken<Vec<Range<i64>>> {
        self.one_or_braced(|parser| {
            let operator = parser.operator()?;
            let first = parser.account(word)?;
            let needs = format!("{word} unknown requires operator = or !=");
            if let Some(operator) = operator {
                if first == -1 && !matches!(operator, "=" | "!=") {
                    return parser.refuse(needs);
                }
                return Ok(vec![Range { operator, first, last: first }]);
            }
            match parser.between() {
                Some(operator) => {
                    let last = parser.account(word)?;
                    if first == -1 || last == -1 {
                        return parser.refuse(needs);
                    }
                    Ok(vec![Range { operator, first, last }])
                }
                None => Ok(vec![Range { operator: "=", first, last: first }]),
            }
        })
    }

    /// A user or a group by name or number; -1: unknown.
    fn account(&mut self, word: &str) -> Taken<i64> {
        if !self.is_text() {
            let number = self.number()?;
            if !(0..i64::from(u32::MAX)).contains(&number) {
                let kind = if word == "user" { "uid" } else { "gid" };
                return self.refuse(format_args!("illegal {kind} value {}", number.cast_unsigned()));
            }
            return Ok(number);
        }
        let name = self.text()?;
        if name == "unknown" {
            return Ok(-1);
        }
        let file = if word == "user" { "/etc/passwd" } else { "/etc/group" };
        let text = (self.read)(file).unwrap_or_default();
        let number = String::from_utf8_lossy(&text).lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next() == Some(&name) { fields.nth(1)?.parse().ok() } else { None }
        });
        match number {
            Some(number) => Ok(number),
            None => self.refuse(format_args!("unknown {word} {name}")),
        }
    }
}
