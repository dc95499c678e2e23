//! The addresses behind `->`, `nat-to`, `route-to` and the like, with their ports and how one of them is chosen.

use super::addresses::{Address, Family, Host, decide_family, keep_family};
use super::expand::choose_usual;
use super::lexer::Token;
use super::peers::{self, INTERFACE_NAME};
use super::rules::{Choice, Direction, PoolOptions, PoolPorts, Redirect, Rule};
use super::tokens::{Refused, Taken, Tokens};

/// `route-to …` and the like; `fastroute` says nothing.
pub(super) fn route(tokens: &mut Tokens<'_>) -> Taken<Option<(&'static str, Redirect)>> {
    if tokens.key("fastroute") {
        return Ok(None);
    }
    let kind = match tokens.peek() {
        Token::Key(word @ ("route-to" | "reply-to" | "dup-to")) => *word,
        _ => return Ok(None),
    };
    tokens.shift();
    // The family of the first host, once there is one.
    let mut family: Option<Option<Family>> = None;
    let mut hosts = tokens.one_or_braced(|tokens| {
        let hosts = route_host(tokens)?;
        if tokens.major < 15 {
            let its = hosts.first().and_then(|host| host.family);
            let first = family.map_or(its, |first| first.or(its));
            family = Some(first);
            if first != its {
                return tokens.refuse("all pool addresses must be in the same address family");
            }
        }
        Ok(hosts)
    })?;
    if let (Some(first), Some(Some(family))) = (hosts.first_mut(), family) {
        first.family = Some(family);
    }
    let options = pool_options(tokens)?;
    Ok(Some((kind, Redirect { hosts, options, ..Redirect::default() })))
}

/// An interface, or `(INTERFACE HOST)`.
fn route_host(tokens: &mut Tokens<'_>) -> Taken<Vec<Host>> {
    let alone = !tokens.sign(b'(');
    let name = tokens.text()?;
    let mut hosts = if alone {
        vec![Host::new(Address::None)]
    } else {
        let hosts = peers::host(tokens)?;
        tokens.expect_sign(b')')?;
        hosts
    };
    if name.len() >= INTERFACE_NAME {
        return tokens.refuse("interface name too long");
    }
    for host in &mut hosts {
        host.interface = Some(name.clone());
    }
    Ok(hosts)
}

/// Addresses with `port …` and options, as behind `->`.
pub(super) fn redirect(tokens: &mut Tokens<'_>) -> Taken<Redirect> {
    let hosts = tokens.one_or_braced(peers::host)?;
    let ports = if tokens.key("port") { pool_ports(tokens)? } else { PoolPorts::default() };
    let options = pool_options(tokens)?;
    Ok(Redirect { hosts, ports, options, ..Redirect::default() })
}

pub(super) fn pool_ports(tokens: &mut Tokens<'_>) -> Taken<PoolPorts> {
    let text = tokens.number_or_text()?;
    let Some((first, last)) = text.split_once(':') else {
        return Ok(PoolPorts { first: peers::port(tokens, &text)?, ..PoolPorts::default() });
    };
    let first = peers::port(tokens, first)?;
    if last == "*" {
        return Ok(PoolPorts { first, open: true, ..PoolPorts::default() });
    }
    let last = peers::port(tokens, last)?;
    if first == last {
        return Ok(PoolPorts { first, ..PoolPorts::default() });
    }
    Ok(PoolPorts { first, last, range: true, open: false })
}

pub(super) fn pool_options(tokens: &mut Tokens<'_>) -> Taken<PoolOptions> {
    let mut options = PoolOptions::default();
    loop {
        let Token::Key(word) = *tokens.peek() else { return Ok(options) };
        let again = |given: bool, name: &str| given.then(|| format!("{name} cannot be redefined"));
        let choice = match word {
            "bitmask" => Some(Choice::Bitmask),
            "random" => Some(Choice::Random),
            "round-robin" => Some(Choice::RoundRobin),
            "source-hash" => Some(Choice::SourceHash(String::new())),
            "static-port" | "sticky-address" | "endpoint-independent" | "prefer-ipv6-nexthop" | "map-e-portset" => None,
            _ => return Ok(options),
        };
        tokens.shift();
        if let Some(choice) = choice {
            let choice = match choice {
                Choice::SourceHash(_) => Choice::SourceHash(hash_key(tokens)?),
                other => other,
            };
            if let Some(error) = again(options.choice != Choice::None, "pool type") {
                return tokens.refuse(error);
            }
            options.choice = choice;
            continue;
        }
        let given = match word {
            "static-port" => &mut options.static_port,
            "sticky-address" => &mut options.sticky,
            "endpoint-independent" => &mut options.endpoint_independent,
            "prefer-ipv6-nexthop" => &mut options.ipv6_next_hop,
            _ => {
                map_e(tokens, &mut options)?;
                continue;
            }
        };
        if let Some(error) = again(std::mem::replace(given, true), word) {
            return tokens.refuse(error);
        }
    }
}

/// The key of `source-hash`, as it is printed. pfctl takes one at random when none is given, and of a word the sum:
/// neither is made here.
fn hash_key(tokens: &mut Tokens<'_>) -> Taken<String> {
    if !tokens.is_text() {
        return Ok("0x00000000000000000000000000000000".to_owned());
    }
    let text = tokens.texts()?;
    let Some(digits) = text.strip_prefix("0x") else {
        return Ok("0x00000000000000000000000000000000".to_owned());
    };
    if text.len() != 34 {
        return tokens.refuse("hex key must be 128 bits (32 hex digits) long");
    }
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return tokens.refuse("invalid hex key");
    }
    Ok(text.to_ascii_lowercase())
}

fn map_e(tokens: &mut Tokens<'_>, options: &mut PoolOptions) -> Taken<()> {
    let offset = tokens.integer()?.cast_signed();
    tokens.expect_sign(b'/')?;
    let length = tokens.integer()?.cast_signed();
    tokens.expect_sign(b'/')?;
    let number = tokens.integer()?.cast_signed();
    let error = if options.map_e.0 != 0 {
        "map-e-portset cannot be redefined"
    } else if options.choice != Choice::None {
        "map-e-portset cannot be used with address pools"
    } else if !(1..16).contains(&offset) {
        "MAP-E PSID offset must be 1-15"
    } else if !(0..16).contains(&length) || offset + length > 16 {
        "Invalid MAP-E PSID length"
    } else if length == 0 {
        "PSID Length = 0: this means you do not need MAP-E"
    } else if !(0..=65535).contains(&number) {
        "Invalid MAP-E PSID"
    } else {
        let value = |number: i64| u32::try_from(number).unwrap_or_default();
        options.map_e = (value(offset), value(length), value(number));
        return Ok(());
    };
    tokens.refuse(error)
}

/// What 13 and 14 ask of several addresses, before they make single rules: only round-robin goes through those of a
/// table or of an interface.
pub(super) fn check_pool(tokens: &mut Tokens<'_>, redirect: &mut Redirect, route: bool) -> Taken<()> {
    choose_usual(redirect);
    if redirect.options.choice == Choice::RoundRobin {
        return Ok(());
    }
    let pools = if route { "routing pools" } else { "redirection pools" };
    if redirect.hosts.iter().any(|host| matches!(host.address, Address::Table(_))) {
        return tokens.refuse(format_args!("tables are only supported in round-robin {pools}"));
    }
    for host in &redirect.hosts {
        if let Address::Interface { name, .. } = &host.address
            && host.is_many()
        {
            return tokens.refuse(format_args!("interface ({name}) is only supported in round-robin {pools}"));
        }
    }
    match redirect.hosts.len() {
        0 | 1 => Ok(()),
        _ if route => tokens.refuse("r.rpool.opts must be PF_POOL_ROUNDROBIN"),
        _ => tokens.refuse("only round-robin valid for multiple redirection addresses"),
    }
}

/// Sees to the addresses of `route-to` and the like.
pub(super) fn settle_route(tokens: &mut Tokens<'_>, rule: &mut Rule) -> Taken<()> {
    let Some((kind, mut route)) = rule.route.take() else { return Ok(()) };
    if rule.direction == Direction::Both {
        return tokens.refuse("direction must be explicit with rules that specify routing");
    }
    if !route.options.ipv6_next_hop {
        decide_family(&route.hosts, &mut rule.family);
        if !rule.af_to {
            keep_family(&mut route.hosts, &mut rule.family);
        }
        if route.hosts.is_empty() {
            return tokens.refuse("no routing address with matching address family found.");
        }
    }
    if tokens.major < 15 {
        check_pool(tokens, &mut route, true)?;
    }
    rule.route = Some((kind, route));
    Ok(())
}

/// Sees to the addresses of a translation.
pub(super) fn settle(tokens: &mut Tokens<'_>, redirect: &mut Redirect, family: &mut Option<Family>) -> Taken<()> {
    if family.is_none()
        && let Some(first) = redirect.hosts.first().filter(|first| first.scope == 0)
    {
        *family = first.family;
    }
    keep_family(&mut redirect.hosts, family);
    if family.is_none()
        && redirect.hosts.iter().any(|host| !matches!(host.address, Address::Table(_) | Address::Interface { .. }))
    {
        return tokens.refuse("address family not given and translation address expands to multiple address families");
    }
    if redirect.hosts.is_empty() {
        return tokens.refuse("no translation address with matching address family found.");
    }
    if let Some(first) = redirect.hosts.first()
        && first.mask_is_too_long(*family)
    {
        let bits = first.bits();
        tokens.mention(format!("netmask {bits} invalid for IPv4 address"));
        return Err(Refused);
    }
    Ok(())
}
