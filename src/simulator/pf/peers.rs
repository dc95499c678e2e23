//! What a rule is for: direction, log, interfaces, protocols, and both ends with their hosts, ports and accounts.

use super::addresses::{self, Address, Family, Host, Modifiers};
use super::lexer::Token;
use super::rules::{Direction, Log, On, Range, Rule};
use super::tokens::{Refused, Taken, Tokens, unsigned};
use super::{names, table};

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

pub(super) fn direction(tokens: &mut Tokens<'_>) -> Direction {
    if tokens.key("in") {
        Direction::In
    } else if tokens.key("out") {
        Direction::Out
    } else {
        Direction::Both
    }
}

/// `log` and `quick`, in either order.
pub(super) fn log_quick(tokens: &mut Tokens<'_>) -> Taken<(Log, bool)> {
    let first = tokens.key("quick");
    let log = log(tokens)?;
    let quick = first || tokens.key("quick");
    Ok((log, quick))
}

pub(super) fn log(tokens: &mut Tokens<'_>) -> Taken<Log> {
    if !tokens.key("log") {
        return Ok(Log::default());
    }
    let mut log = Log { on: true, ..Log::default() };
    if !tokens.sign(b'(') {
        return Ok(log);
    }
    loop {
        if tokens.key("all") {
            log.all = true;
        } else if tokens.major >= 15 && tokens.key("matches") {
            log.matches = true;
        } else if tokens.key("user") || tokens.major < 15 && tokens.key("group") {
            log.user = true;
        } else {
            tokens.expect("to")?;
            let name = tokens.texts()?;
            let Some(number) = name.strip_prefix("pflog") else {
                return tokens.refuse(format_args!("{name}: should be a pflog interface"));
            };
            log.to = match number.parse::<i64>() {
                Ok(number @ 0..=255) => u8::try_from(number).unwrap_or_default(),
                Ok(number) => {
                    return tokens.refuse(format_args!("{name}: too {}", if number < 0 { "small" } else { "large" }));
                }
                Err(_) => return tokens.refuse(format_args!("{name}: invalid")),
            };
        }
        if tokens.sign(b')') {
            return Ok(log);
        }
        tokens.comma();
    }
}

/// `on …`; empty when it is left out.
pub(super) fn interface(tokens: &mut Tokens<'_>) -> Taken<Vec<On>> {
    if !tokens.key("on") {
        return Ok(Vec::new());
    }
    tokens.one_or_braced(|tokens| {
        let not = tokens.sign(b'!');
        let name = interface_name(tokens)?;
        Ok(vec![On { name, not }])
    })
}

pub(super) fn interface_name(tokens: &mut Tokens<'_>) -> Taken<String> {
    if tokens.major >= 15 && tokens.key("any") {
        return Ok("any".to_owned());
    }
    let name = tokens.text()?;
    if name.len() >= INTERFACE_NAME {
        return tokens.refuse("interface name too long");
    }
    Ok(name)
}

pub(super) fn family(tokens: &mut Tokens<'_>) -> Option<Family> {
    if tokens.key("inet") {
        Some(Family::Inet)
    } else if tokens.key("inet6") {
        Some(Family::Inet6)
    } else {
        None
    }
}

pub(super) fn protocols(tokens: &mut Tokens<'_>) -> Taken<Vec<u8>> {
    if !tokens.key("proto") {
        return Ok(Vec::new());
    }
    tokens.one_or_braced(|tokens| {
        let number = if tokens.is_text() {
            let name = tokens.text()?;
            match names::protocol_number(&name) {
                Some(number) => i64::from(number),
                None => return tokens.refuse(format_args!("unknown protocol {name}")),
            }
        } else {
            tokens.number()?
        };
        match u8::try_from(number) {
            Ok(0) => tokens.refuse("proto 0 cannot be used"),
            Ok(number) => Ok(vec![number]),
            Err(_) => tokens.refuse("protocol outside range"),
        }
    })
}

fn peers(tokens: &mut Tokens<'_>) -> Taken<Peers> {
    let mut peers = Peers::default();
    if tokens.key("all") {
        return Ok(peers);
    }
    if tokens.key("from") {
        (peers.from, peers.from_ports) = peer(tokens)?;
    }
    if tokens.key("os") {
        peers.systems = tokens.one_or_braced(|tokens| Ok(vec![tokens.text()?]))?;
    }
    if tokens.key("to") {
        (peers.to, peers.to_ports) = peer(tokens)?;
        if peers.to.iter().any(|host| host.address == Address::UrpfFailed) {
            return tokens.refuse("\"urpf-failed\" is not permitted in a destination address");
        }
    }
    Ok(peers)
}

/// Takes proto, from and to into a rule.
pub(super) fn scope(tokens: &mut Tokens<'_>, rule: &mut Rule) -> Taken<()> {
    rule.protocols = protocols(tokens)?;
    ends(tokens, rule)
}

/// Takes both ends into a rule.
pub(super) fn ends(tokens: &mut Tokens<'_>, rule: &mut Rule) -> Taken<()> {
    let peers = peers(tokens)?;
    rule.from = peers.from;
    rule.from_ports = peers.from_ports;
    rule.systems = peers.systems;
    rule.to = peers.to;
    rule.to_ports = peers.to_ports;
    Ok(())
}

fn peer(tokens: &mut Tokens<'_>) -> Taken<(Vec<Host>, Vec<Range<u16>>)> {
    let hosts = if tokens.is_key("port") { Vec::new() } else { hosts(tokens)?.unwrap_or_default() };
    let ports = if tokens.key("port") { ports(tokens)? } else { Vec::new() };
    Ok((hosts, ports))
}

/// Hosts as from and to have them; none: any.
pub(super) fn hosts(tokens: &mut Tokens<'_>) -> Taken<Option<Vec<Host>>> {
    if tokens.key("any") {
        return Ok(None);
    }
    if tokens.sign(b'{') {
        tokens.newlines();
        return host_items(tokens);
    }
    let not = tokens.sign(b'!');
    let mut hosts = if tokens.key("no-route") {
        vec![Host::new(Address::NoRoute)]
    } else if tokens.key("urpf-failed") {
        vec![Host::new(Address::UrpfFailed)]
    } else {
        host(tokens)?
    };
    for host in &mut hosts {
        host.not = not;
    }
    Ok(Some(hosts))
}

/// The hosts up to the closing brace; none: any. Since 15 an `any` among them stands for the whole list, before it
/// only counts when it is alone.
pub(super) fn host_items(tokens: &mut Tokens<'_>) -> Taken<Option<Vec<Host>>> {
    let mut any = false;
    let hosts = tokens.braced(|tokens| {
        let hosts = hosts(tokens)?;
        any |= hosts.is_none();
        Ok(hosts.unwrap_or_default())
    })?;
    Ok(if any && (tokens.major >= 15 || hosts.is_empty()) { None } else { Some(hosts) })
}

fn look_up(tokens: &mut Tokens<'_>, text: &str) -> Taken<Vec<Host>> {
    match addresses::look_up(tokens.state, tokens.read, text) {
        Ok(hosts) => Ok(hosts),
        Err(said) => {
            tokens.lexer.messages.extend(said);
            tokens.refuse("could not parse host specification")
        }
    }
}

/// Whether the token ahead can stand behind a host at all: only then pfctl looks it up.
pub(super) fn may_follow_host(tokens: &mut Tokens<'_>) -> bool {
    match tokens.peek() {
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
pub(super) fn host(tokens: &mut Tokens<'_>) -> Taken<Vec<Host>> {
    match tokens.peek().clone() {
        Token::Sign(b'(') => {
            tokens.shift();
            let host = dynamic(tokens)?;
            if !tokens.sign(b'/') {
                return Ok(vec![host]);
            }
            let bits = tokens.number()?;
            match u8::try_from(bits) {
                Ok(bits) if bits <= 128 => Ok(vec![host.with_bits(bits)]),
                _ => tokens.refuse("bit number too big"),
            }
        }
        Token::Sign(b'<') => Ok(vec![Host::new(Address::Table(table::table_name(tokens)?))]),
        Token::Number(first) => {
            tokens.shift();
            tokens.expect_sign(b'/')?;
            let bits = tokens.number()?;
            look_up(tokens, &format!("{first}/{bits}"))
        }
        Token::Text(text) => {
            tokens.shift();
            if tokens.sign(b'/') {
                let bits = tokens.number()?;
                return look_up(tokens, &format!("{text}/{bits}"));
            }
            if !tokens.sign(b'-') {
                if !may_follow_host(tokens) {
                    return tokens.syntax();
                }
                return look_up(tokens, &text);
            }
            let last = tokens.text()?;
            let (first, last) = (look_up(tokens, &text)?, look_up(tokens, &last)?);
            match (first.as_slice(), last.as_slice()) {
                (
                    [Host { address: Address::Net(first, 32 | 128), .. }],
                    [Host { address: Address::Net(last, 32 | 128), .. }],
                ) if first.is_ipv4() == last.is_ipv4() => Ok(vec![Host::new(Address::Range(*first, *last))]),
                _ => tokens.refuse("invalid address range"),
            }
        }
        _ => tokens.syntax(),
    }
}

/// `(INTERFACE:modifiers)`; the opening bracket was read.
fn dynamic(tokens: &mut Tokens<'_>) -> Taken<Host> {
    let text = tokens.text()?;
    tokens.expect_sign(b')')?;
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return tokens.refuse(format_args!("invalid interface name '{text}'"));
    }
    let Some((name, modifiers)) = Modifiers::split(&text) else {
        let shown = text.clone();
        return tokens.refuse(format_args!("interface {shown} has bad modifier"));
    };
    if modifiers.contradict() {
        return tokens.refuse("illegal combination of interface modifiers");
    }
    if name.len() >= INTERFACE_NAME {
        return tokens.refuse("interface name too long");
    }
    Ok(Host::new(Address::Interface { name: name.to_owned(), modifiers, bits: 128 }))
}

/// An operator with one number behind it.
fn operator(tokens: &mut Tokens<'_>) -> Taken<Option<&'static str>> {
    let signs = tokens.major < 15;
    let found = match tokens.peek() {
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
    tokens.shift();
    if tokens.major >= 15 {
        return Ok(Some(found));
    }
    Ok(Some(match found {
        "!" => {
            tokens.expect_sign(b'=')?;
            "!="
        }
        "<" if tokens.sign(b'=') => "<=",
        ">" if tokens.sign(b'=') => ">=",
        other => other,
    }))
}

/// An operator between two numbers.
fn between(tokens: &mut Tokens<'_>) -> Option<&'static str> {
    let found = match tokens.peek() {
        Token::Between => "><",
        Token::Outside => "<>",
        _ => return None,
    };
    tokens.shift();
    Some(found)
}

fn ports(tokens: &mut Tokens<'_>) -> Taken<Vec<Range<u16>>> {
    tokens.one_or_braced(|tokens| {
        let operator = operator(tokens)?;
        let (first, last) = port_range(tokens, false)?;
        if let Some(operator) = operator {
            if last.is_some() {
                return tokens.refuse("':' cannot be used with an other port operator");
            }
            return Ok(vec![Range { operator, first, last: 0 }]);
        }
        let (operator, last) = match between(tokens) {
            Some(operator) => {
                let (second, end) = port_range(tokens, false)?;
                if last.is_some() || end.is_some() {
                    return tokens.refuse("':' cannot be used with an other port operator");
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
        if wrong && tokens.major >= 15 {
            return tokens.refuse("invalid port range");
        }
        Ok(vec![Range { operator, first, last }])
    })
}

/// `PORT` or `FIRST:LAST`; `plain`: no range.
pub(super) fn port_range(tokens: &mut Tokens<'_>, plain: bool) -> Taken<(u16, Option<u16>)> {
    let text = tokens.number_or_text()?;
    match text.split_once(':') {
        None => Ok((port(tokens, &text)?, None)),
        // pfctl itself does not say what is wrong here.
        Some(_) if plain => Err(Refused),
        Some((first, last)) => {
            let (first, last) = (port(tokens, first)?, port(tokens, last)?);
            Ok((first, (first != last).then_some(last)))
        }
    }
}

pub(super) fn port(tokens: &mut Tokens<'_>, text: &str) -> Taken<u16> {
    if let Some(number) = unsigned(text) {
        return match u16::try_from(number) {
            Ok(port) => Ok(port),
            Err(_) => tokens.refuse(format_args!("illegal port value {number}")),
        };
    }
    match names::service_port(text) {
        Some(port) => Ok(port),
        None => tokens.refuse(format_args!("unknown port {text}")),
    }
}

pub(super) fn accounts(tokens: &mut Tokens<'_>, word: &'static str) -> Taken<Vec<Range<i64>>> {
    tokens.one_or_braced(|tokens| {
        let operator = operator(tokens)?;
        let first = account(tokens, word)?;
        let needs = format!("{word} unknown requires operator = or !=");
        if let Some(operator) = operator {
            if first == -1 && !matches!(operator, "=" | "!=") {
                return tokens.refuse(needs);
            }
            return Ok(vec![Range { operator, first, last: first }]);
        }
        match between(tokens) {
            Some(operator) => {
                let last = account(tokens, word)?;
                if first == -1 || last == -1 {
                    return tokens.refuse(needs);
                }
                Ok(vec![Range { operator, first, last }])
            }
            None => Ok(vec![Range { operator: "=", first, last: first }]),
        }
    })
}

/// A user or a group by name or number; -1: unknown.
fn account(tokens: &mut Tokens<'_>, word: &str) -> Taken<i64> {
    if !tokens.is_text() {
        let number = tokens.number()?;
        if !(0..i64::from(u32::MAX)).contains(&number) {
            let kind = if word == "user" { "uid" } else { "gid" };
            return tokens.refuse(format_args!("illegal {kind} value {}", number.cast_unsigned()));
        }
        return Ok(number);
    }
    let name = tokens.text()?;
    if name == "unknown" {
        return Ok(-1);
    }
    let file = if word == "user" { "/etc/passwd" } else { "/etc/group" };
    let text = (tokens.read)(file).unwrap_or_default();
    let number = String::from_utf8_lossy(&text).lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() == Some(&name) { fields.nth(1)?.parse().ok() } else { None }
    });
    match number {
        Some(number) => Ok(number),
        None => tokens.refuse(format_args!("unknown {word} {name}")),
    }
}
