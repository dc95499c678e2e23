//! Where packets are sent: nat, rdr, binat, their anchors, the addresses behind `->`, routes.

use super::addresses::{Address, Family, Host, decide_family};
use super::expand::nat_ports;
use super::grammar::{Parser, Section};
use super::lexer::Token;
use super::rules::{Action, On, PoolOptions, PoolPorts, Redirect, Rule};
use super::tokens::{Refused, Taken, Tokens};
use super::{options, peers, redirect};

impl Parser<'_> {
    /// nat and rdr.
    pub fn translation(&mut self, no: bool) -> Taken<()> {
        let nat = self.tokens.key("nat");
        if !nat {
            self.tokens.expect("rdr")?;
        }
        let action = match (nat, no) {
            (true, false) => Action::Nat,
            (true, true) => Action::NoNat,
            (false, false) => Action::Rdr,
            (false, true) => Action::NoRdr,
        };
        let mut rule = Rule { action, ..Rule::default() };
        pass_log(&mut self.tokens, &mut rule, no)?;
        rule.on = peers::interface(&mut self.tokens)?;
        rule.family = peers::family(&mut self.tokens);
        peers::scope(&mut self.tokens, &mut rule)?;
        marks(&mut self.tokens, &mut rule)?;
        let target = if *self.tokens.peek() == Token::Arrow {
            self.tokens.shift();
            Some(redirect::redirect(&mut self.tokens)?)
        } else {
            None
        };
        // Before 15 the options of an address may stand without one.
        let loose = if target.is_none() && self.tokens.major < 15 {
            redirect::pool_options(&mut self.tokens)?
        } else {
            PoolOptions::default()
        };
        self.tokens.complete()?;
        self.order.enter(&mut self.tokens, Section::Translation)?;
        if rule.family.is_none() {
            let known = |hosts: &[Host]| hosts.first().filter(|host| host.scope == 0).and_then(|host| host.family);
            rule.family = known(&rule.from).or_else(|| known(&rule.to));
        }
        check_tags(&mut self.tokens, &rule)?;
        match (no, target) {
            (true, Some(_)) => return self.tokens.refuse("translation rule with 'no' does not need '->'"),
            (true, None) => {
                if let Some(option) = loose.only_of_nat() {
                    return self.tokens.refuse(format_args!("the '{option}' option is only valid with nat rules"));
                }
            }
            (false, None) => return self.tokens.refuse("translation rule requires '-> address'"),
            (false, Some(mut target)) => {
                if target.options.ipv6_next_hop {
                    return self.tokens.refuse("The prefer-ipv6-nexthop option can't be used for nat/rdr/binat pools");
                }
                redirect::settle(&mut self.tokens, &mut target, &mut rule.family)?;
                if self.tokens.major < 15 {
                    redirect::check_pool(&mut self.tokens, &mut target, false)?;
                    let wrong = match target.options.only_of_nat() {
                        Some(option) if !nat => Some(format!("the '{option}' option is only valid with nat rules")),
                        _ if nat => nat_ports(&mut target),
                        _ => None,
                    };
                    if let Some(wrong) = wrong {
                        return self.tokens.refuse(wrong);
                    }
                }
                rule.rdr = Some(target);
            }
        }
        self.sheets.spread(&mut self.tokens, rule)
    }

    /// binat: one address for another, both ways.
    pub fn binat(&mut self, no: bool) -> Taken<()> {
        self.tokens.expect("binat")?;
        let mut rule = Rule { action: if no { Action::NoBinat } else { Action::Binat }, ..Rule::default() };
        rule.nat_pass = self.tokens.key("pass");
        rule.log = peers::log(&mut self.tokens)?;
        rule.on = peers::interface(&mut self.tokens)?;
        rule.family = peers::family(&mut self.tokens);
        rule.protocols = peers::protocols(&mut self.tokens)?;
        self.tokens.expect("from")?;
        let from = peers::hosts(&mut self.tokens)?;
        let to = if self.tokens.key("to") { peers::hosts(&mut self.tokens)? } else { None };
        marks(&mut self.tokens, &mut rule)?;
        let target = if *self.tokens.peek() == Token::Arrow {
            self.tokens.shift();
            let hosts = peers::host(&mut self.tokens)?;
            let ports =
                if self.tokens.key("port") { redirect::pool_ports(&mut self.tokens)? } else { PoolPorts::default() };
            Some(Redirect { hosts, ports, ..Redirect::default() })
        } else {
            None
        };
        self.tokens.complete()?;
        self.order.enter(&mut self.tokens, Section::Translation)?;
        let (mut from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
        if to.iter().any(|host| host.address == Address::UrpfFailed) {
            return self.tokens.refuse("\"urpf-failed\" is not permitted as a binat destination");
        }
        if no && rule.nat_pass {
            return self.tokens.refuse("\"pass\" not valid with \"no\"");
        }
        let family = |hosts: &[Host]| hosts.first().and_then(|host| host.family);
        rule.family = rule
            .family
            .or_else(|| family(&from))
            .or_else(|| family(&to))
            .or_else(|| target.as_ref().and_then(|target| family(&target.hosts)));
        if rule.family.is_none() {
            return self.tokens.refuse("address family (inet/inet6) undefined");
        }
        rule.on.truncate(1);
        rule.protocols.truncate(1);
        check_tags(&mut self.tokens, &rule)?;
        let target_hosts = target.as_ref().map(|target| target.hosts.clone()).unwrap_or_default();
        for (hosts, place) in [(&from, "source"), (&target_hosts, "redirect")] {
            for host in hosts {
                if let Address::Table(name) = &host.address {
                    return self
                        .tokens
                        .refuse(format_args!("invalid use of table <{name}> as the {place} address of a binat rule"));
                }
                if let Address::Interface { name, .. } = &host.address
                    && host.is_many()
                {
                    return self.tokens.refuse(format_args!(
                        "invalid use of interface ({name}) as the {place} address of a binat rule"
                    ));
                }
            }
        }
        if from.len() > 1 || to.len() > 1 {
            return self.tokens.refuse("multiple binat ip addresses");
        }
        for host in &mut from {
            if matches!(host.address, Address::Interface { .. }) {
                host.family = rule.family;
            }
        }
        if from.iter().any(|host| host.family != rule.family)
            || to.iter().any(|host| host.family.is_some_and(|its| Some(its) != rule.family))
        {
            return self.tokens.refuse("binat ip versions must match");
        }
        check_masks(&mut self.tokens, from.iter().chain(&to), rule.family)?;
        match (no, target) {
            (true, Some(_)) => return self.tokens.refuse("'no binat' rule does not need '->'"),
            (true, None) => {}
            (false, None) => return self.tokens.refuse("'binat' rule requires '-> address'"),
            (false, Some(mut target)) => {
                redirect::settle(&mut self.tokens, &mut target, &mut rule.family)?;
                if target.hosts.len() > 1 {
                    return self.tokens.refuse("binat rule must redirect to a single address");
                }
                let bits = |host: &Host| match (&host.address, rule.family) {
                    (Address::Interface { bits, .. }, Some(family)) => (*bits).min(family.bits()),
                    _ => host.bits(),
                };
                if let (Some(source), Some(redirect)) = (from.first(), target.hosts.first())
                    && bits(source) != 0
                    && bits(source) != bits(redirect)
                {
                    return self.tokens.refuse("'binat' source mask and redirect mask must be the same");
                }
                rule.rdr = Some(target);
            }
        }
        rule.from = from;
        rule.to = to;
        self.sheets.spread(&mut self.tokens, rule)
    }

    /// nat-anchor, rdr-anchor, binat-anchor.
    pub(crate) fn translation_anchor(&mut self, word: &'static str) -> Taken<()> {
        self.tokens.shift();
        let anchor = self.tokens.texts()?;
        let action = match word {
            "nat-anchor" => Action::Nat,
            "rdr-anchor" => Action::Rdr,
            _ => Action::Binat,
        };
        let mut rule = Rule { action, anchor, ..Rule::default() };
        rule.on = peers::interface(&mut self.tokens)?;
        rule.family = peers::family(&mut self.tokens);
        peers::scope(&mut self.tokens, &mut rule)?;
        if self.tokens.key("rtable") {
            rule.rtable = Some(options::routing_table(&mut self.tokens)?);
        }
        self.tokens.complete()?;
        self.order.enter(&mut self.tokens, Section::Translation)?;
        match action {
            Action::Rdr => {
                if !rule.from_ports.is_empty() {
                    return self.tokens.refuse("source port parameter not supported in rdr-anchor");
                }
                match rule.to_ports.as_slice() {
                    [] => {}
                    [port] if port.operator != "=" => {
                        return self.tokens.refuse("destination port operators not supported in rdr-anchor");
                    }
                    [_] => {}
                    _ => return self.tokens.refuse("destination port list expansion not supported in rdr-anchor"),
                }
            }
            Action::Binat => {
                if rule.protocols.len() > 1 {
                    return self.tokens.refuse("proto list expansion not supported in binat-anchor");
                }
                let ports = !rule.from_ports.is_empty() || !rule.to_ports.is_empty();
                if !rule.from.is_empty() || !rule.to.is_empty() || ports {
                    return self.tokens.refuse("fromto parameter not supported in binat-anchor");
                }
                // It is for all interfaces, whatever was written.
                rule.on = Vec::<On>::new();
            }
            _ => {}
        }
        decide_family(&rule.from, &mut rule.family);
        decide_family(&rule.to, &mut rule.family);
        self.sheets.spread(&mut self.tokens, rule)
    }
}

/// `pass`, `log` behind nat, rdr and binat.
fn pass_log(tokens: &mut Tokens<'_>, rule: &mut Rule, no: bool) -> Taken<()> {
    rule.nat_pass = tokens.key("pass");
    rule.log = peers::log(tokens)?;
    if no && rule.nat_pass {
        return tokens.refuse("\"pass\" not valid with \"no\"");
    }
    Ok(())
}

/// `tag`, `tagged`, `rtable`, each at most once and in this order.
fn marks(tokens: &mut Tokens<'_>, rule: &mut Rule) -> Taken<()> {
    if tokens.key("tag") {
        rule.tag = tokens.text()?;
    }
    let not = tokens.sign(b'!');
    if not || tokens.is_key("tagged") {
        tokens.expect("tagged")?;
        rule.tagged = Some((not, tokens.texts()?));
    }
    if tokens.key("rtable") {
        rule.rtable = Some(options::routing_table(tokens)?);
    }
    Ok(())
}

fn check_tags(tokens: &mut Tokens<'_>, rule: &Rule) -> Taken<()> {
    if rule.tag.len() >= 64 || rule.tagged.as_ref().is_some_and(|(_, name)| name.len() >= 64) {
        return tokens.refuse("tag too long, max 63 chars");
    }
    Ok(())
}

/// Masks that are too long for IPv4.
fn check_masks<'h>(
    tokens: &mut Tokens<'_>,
    hosts: impl Iterator<Item = &'h Host>,
    family: Option<Family>,
) -> Taken<()> {
    for host in hosts {
        if host.mask_is_too_long(family) {
            tokens.mention(format!("netmask {} invalid for IPv4 address", host.bits()));
            return Err(Refused);
        }
    }
    Ok(())
}
