//! Where packets are sent: nat, rdr, binat, their anchors, the addresses behind `->`, routes.

use super::addresses::{Address, Family, Host, decide_family, keep_family};
use super::expand::{choose_usual, nat_ports};
use super::grammar::{Parser, Refused, Section, Taken};
use super::lexer::Token;
use super::peers::INTERFACE_NAME;
use super::rules::{Action, Choice, Direction, On, PoolOptions, PoolPorts, Redirect, Rule};

impl Parser<'_> {
    /// `route-to …` and the like; `fastroute` says nothing.
    pub fn route(&mut self) -> Taken<Option<(&'static str, Redirect)>> {
        if self.key("fastroute") {
            return Ok(None);
        }
        let kind = match self.peek() {
            Token::Key(word @ ("route-to" | "reply-to" | "dup-to")) => *word,
            _ => return Ok(None),
        };
        self.shift();
        // The family of the first host, once there is one.
        let mut family: Option<Option<Family>> = None;
        let mut hosts = self.one_or_braced(|parser| {
            let hosts = parser.route_host()?;
            if parser.major < 15 {
                let its = hosts.first().and_then(|host| host.family);
                let first = family.map_or(its, |first| first.or(its));
                family = Some(first);
                if first != its {
                    return parser.refuse("all pool addresses must be in the same address family");
                }
            }
            Ok(hosts)
        })?;
        if let (Some(first), Some(Some(family))) = (hosts.first_mut(), family) {
            first.family = Some(family);
        }
        let options = self.pool_options()?;
        Ok(Some((kind, Redirect { hosts, options, ..Redirect::default() })))
    }

    /// An interface, or `(INTERFACE HOST)`.
    fn route_host(&mut self) -> Taken<Vec<Host>> {
        let alone = !self.sign(b'(');
        let name = self.text()?;
        let mut hosts = if alone {
            vec![Host::new(Address::None)]
        } else {
            let hosts = self.host()?;
            self.expect_sign(b')')?;
            hosts
        };
        if name.len() >= INTERFACE_NAME {
            return self.refuse("interface name too long");
        }
        for host in &mut hosts {
            host.interface = Some(name.clone());
        }
        Ok(hosts)
    }

    /// Addresses with `port …` and options, as behind `->`.
    pub fn redirect(&mut self) -> Taken<Redirect> {
        let hosts = self.one_or_braced(Self::host)?;
        let ports = if self.key("port") { self.pool_ports()? } else { PoolPorts::default() };
        let options = self.pool_options()?;
        Ok(Redirect { hosts, ports, options, ..Redirect::default() })
    }

    fn pool_ports(&mut self) -> Taken<PoolPorts> {
        let text = self.number_or_text()?;
        let Some((first, last)) = text.split_once(':') else {
            return Ok(PoolPorts { first: self.port(&text)?, ..PoolPorts::default() });
        };
        let first = self.port(first)?;
        if last == "*" {
            return Ok(PoolPorts { first, open: true, ..PoolPorts::default() });
        }
        let last = self.port(last)?;
        if first == last {
            return Ok(PoolPorts { first, ..PoolPorts::default() });
        }
        Ok(PoolPorts { first, last, range: true, open: false })
    }

    fn pool_options(&mut self) -> Taken<PoolOptions> {
        let mut options = PoolOptions::default();
        loop {
            let Token::Key(word) = *self.peek() else { return Ok(options) };
            let again = |given: bool, name: &str| given.then(|| format!("{name} cannot be redefined"));
            let choice = match word {
                "bitmask" => Some(Choice::Bitmask),
                "random" => Some(Choice::Random),
                "round-robin" => Some(Choice::RoundRobin),
                "source-hash" => Some(Choice::SourceHash(String::new())),
                "static-port" | "sticky-address" | "endpoint-independent" | "prefer-ipv6-nexthop" | "map-e-portset" => {
                    None
                }
                _ => return Ok(options),
            };
            self.shift();
            if let Some(choice) = choice {
                let choice = match choice {
                    Choice::SourceHash(_) => Choice::SourceHash(self.hash_key()?),
                    other => other,
                };
                if let Some(error) = again(options.choice != Choice::None, "pool type") {
                    return self.refuse(error);
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
                    self.map_e(&mut options)?;
                    continue;
                }
            };
            if let Some(error) = again(std::mem::replace(given, true), word) {
                return self.refuse(error);
            }
        }
    }

    /// The key of `source-hash`, as it is printed. pfctl takes one at random when none is given, and of a word the sum:
    /// neither is made here.
    fn hash_key(&mut self) -> Taken<String> {
        if !self.is_text() {
            return Ok("0x00000000000000000000000000000000".to_owned());
        }
        let text = self.texts()?;
        let Some(digits) = text.strip_prefix("0x") else {
            return Ok("0x00000000000000000000000000000000".to_owned());
        };
        if text.len() != 34 {
            return self.refuse("hex key must be 128 bits (32 hex digits) long");
        }
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return self.refuse("invalid hex key");
        }
        Ok(text.to_ascii_lowercase())
    }

    fn map_e(&mut self, options: &mut PoolOptions) -> Taken<()> {
        let offset = self.integer()?.cast_signed();
        self.expect_sign(b'/')?;
        let length = self.integer()?.cast_signed();
        self.expect_sign(b'/')?;
        let number = self.integer()?.cast_signed();
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
        self.refuse(error)
    }

    /// `pass`, `log` behind nat, rdr and binat.
    fn pass_log(&mut self, rule: &mut Rule, no: bool) -> Taken<()> {
        rule.nat_pass = self.key("pass");
        rule.log = self.log()?;
        if no && rule.nat_pass {
            return self.refuse("\"pass\" not valid with \"no\"");
        }
        Ok(())
    }

    /// `tag`, `tagged`, `rtable`, each at most once and in this order.
    fn marks(&mut self, rule: &mut Rule) -> Taken<()> {
        if self.key("tag") {
            rule.tag = self.text()?;
        }
        let not = self.sign(b'!');
        if not || self.is_key("tagged") {
            self.expect("tagged")?;
            rule.tagged = Some((not, self.texts()?));
        }
        if self.key("rtable") {
            rule.rtable = Some(self.routing_table()?);
        }
        Ok(())
    }

    fn check_tags(&mut self, rule: &Rule) -> Taken<()> {
        if rule.tag.len() >= 64 || rule.tagged.as_ref().is_some_and(|(_, name)| name.len() >= 64) {
            return self.refuse("tag too long, max 63 chars");
        }
        Ok(())
    }

    /// nat and rdr.
    pub fn translation(&mut self, no: bool) -> Taken<()> {
        let nat = self.key("nat");
        if !nat {
            self.expect("rdr")?;
        }
        let action = match (nat, no) {
            (true, false) => Action::Nat,
            (true, true) => Action::NoNat,
            (false, false) => Action::Rdr,
            (false, true) => Action::NoRdr,
        };
        let mut rule = Rule { action, ..Rule::default() };
        self.pass_log(&mut rule, no)?;
        rule.on = self.interface()?;
        rule.family = self.family();
        self.scope(&mut rule)?;
        self.marks(&mut rule)?;
        let target = if *self.peek() == Token::Arrow {
            self.shift();
            Some(self.redirect()?)
        } else {
            None
        };
        // Before 15 the options of an address may stand without one.
        let loose = if target.is_none() && self.major < 15 { self.pool_options()? } else { PoolOptions::default() };
        self.complete()?;
        self.enter(Section::Translation)?;
        if rule.family.is_none() {
            let known = |hosts: &[Host]| hosts.first().filter(|host| host.scope == 0).and_then(|host| host.family);
            rule.family = known(&rule.from).or_else(|| known(&rule.to));
        }
        self.check_tags(&rule)?;
        match (no, target) {
            (true, Some(_)) => return self.refuse("translation rule with 'no' does not need '->'"),
            (true, None) => {
                if let Some(option) = loose.only_of_nat() {
                    return self.refuse(format_args!("the '{option}' option is only valid with nat rules"));
                }
            }
            (false, None) => return self.refuse("translation rule requires '-> address'"),
            (false, Some(mut target)) => {
                if target.options.ipv6_next_hop {
                    return self.refuse("The prefer-ipv6-nexthop option can't be used for nat/rdr/binat pools");
                }
                self.settle(&mut target, &mut rule.family)?;
                if self.major < 15 {
                    self.check_pool(&mut target, false)?;
                    let wrong = match target.options.only_of_nat() {
                        Some(option) if !nat => Some(format!("the '{option}' option is only valid with nat rules")),
                        _ if nat => nat_ports(&mut target),
                        _ => None,
                    };
                    if let Some(wrong) = wrong {
                        return self.refuse(wrong);
                    }
                }
                rule.rdr = Some(target);
            }
        }
        self.spread(rule)
    }

    /// What 13 and 14 ask of several addresses, before they make single rules: only round-robin goes through those of a
    /// table or of an interface.
    fn check_pool(&mut self, redirect: &mut Redirect, route: bool) -> Taken<()> {
        choose_usual(redirect);
        if redirect.options.choice == Choice::RoundRobin {
            return Ok(());
        }
        let pools = if route { "routing pools" } else { "redirection pools" };
        if redirect.hosts.iter().any(|host| matches!(host.address, Address::Table(_))) {
            return self.refuse(format_args!("tables are only supported in round-robin {pools}"));
        }
        for host in &redirect.hosts {
            if let Address::Interface { name, .. } = &host.address
                && host.is_many()
            {
                return self.refuse(format_args!("interface ({name}) is only supported in round-robin {pools}"));
            }
        }
        match redirect.hosts.len() {
            0 | 1 => Ok(()),
            _ if route => self.refuse("r.rpool.opts must be PF_POOL_ROUNDROBIN"),
            _ => self.refuse("only round-robin valid for multiple redirection addresses"),
        }
    }

    /// binat: one address for another, both ways.
    pub fn binat(&mut self, no: bool) -> Taken<()> {
        self.expect("binat")?;
        let mut rule = Rule { action: if no { Action::NoBinat } else { Action::Binat }, ..Rule::default() };
        rule.nat_pass = self.key("pass");
        rule.log = self.log()?;
        rule.on = self.interface()?;
        rule.family = self.family();
        rule.protocols = self.protocols()?;
        self.expect("from")?;
        let from = self.hosts()?;
        let to = if self.key("to") { self.hosts()? } else { None };
        self.marks(&mut rule)?;
        let target = if *self.peek() == Token::Arrow {
            self.shift();
            let hosts = self.host()?;
            let ports = if self.key("port") { self.pool_ports()? } else { PoolPorts::default() };
            Some(Redirect { hosts, ports, ..Redirect::default() })
        } else {
            None
        };
        self.complete()?;
        self.enter(Section::Translation)?;
        let (mut from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
        if to.iter().any(|host| host.address == Address::UrpfFailed) {
            return self.refuse("\"urpf-failed\" is not permitted as a binat destination");
        }
        if no && rule.nat_pass {
            return self.refuse("\"pass\" not valid with \"no\"");
        }
        let family = |hosts: &[Host]| hosts.first().and_then(|host| host.family);
        rule.family = rule
            .family
            .or_else(|| family(&from))
            .or_else(|| family(&to))
            .or_else(|| target.as_ref().and_then(|target| family(&target.hosts)));
        if rule.family.is_none() {
            return self.refuse("address family (inet/inet6) undefined");
        }
        rule.on.truncate(1);
        rule.protocols.truncate(1);
        self.check_tags(&rule)?;
        let target_hosts = target.as_ref().map(|target| target.hosts.clone()).unwrap_or_default();
        for (hosts, place) in [(&from, "source"), (&target_hosts, "redirect")] {
            for host in hosts {
                if let Address::Table(name) = &host.address {
                    return self
                        .refuse(format_args!("invalid use of table <{name}> as the {place} address of a binat rule"));
                }
                if let Address::Interface { name, .. } = &host.address
                    && host.is_many()
                {
                    return self.refuse(format_args!(
                        "invalid use of interface ({name}) as the {place} address of a binat rule"
                    ));
                }
            }
        }
        if from.len() > 1 || to.len() > 1 {
            return self.refuse("multiple binat ip addresses");
        }
        for host in &mut from {
            if matches!(host.address, Address::Interface { .. }) {
                host.family = rule.family;
            }
        }
        if from.iter().any(|host| host.family != rule.family)
            || to.iter().any(|host| host.family.is_some_and(|its| Some(its) != rule.family))
        {
            return self.refuse("binat ip versions must match");
        }
        self.check_masks(from.iter().chain(&to), rule.family)?;
        match (no, target) {
            (true, Some(_)) => return self.refuse("'no binat' rule does not need '->'"),
            (true, None) => {}
            (false, None) => return self.refuse("'binat' rule requires '-> address'"),
            (false, Some(mut target)) => {
                self.settle(&mut target, &mut rule.family)?;
                if target.hosts.len() > 1 {
                    return self.refuse("binat rule must redirect to a single address");
                }
                let bits = |host: &Host| match (&host.address, rule.family) {
                    (Address::Interface { bits, .. }, Some(family)) => (*bits).min(family.bits()),
                    _ => host.bits(),
                };
                if let (Some(source), Some(redirect)) = (from.first(), target.hosts.first())
                    && bits(source) != 0
                    && bits(source) != bits(redirect)
                {
                    return self.refuse("'binat' source mask and redirect mask must be the same");
                }
                rule.rdr = Some(target);
            }
        }
        rule.from = from;
        rule.to = to;
        self.spread(rule)
    }

    /// Masks that are too long for IPv4.
    fn check_masks<'h>(&mut self, hosts: impl Iterator<Item = &'h Host>, family: Option<Family>) -> Taken<()> {
        for host in hosts {
            if host.mask_is_too_long(family) {
                self.mention(format!("netmask {} invalid for IPv4 address", host.bits()));
                return Err(Refused);
            }
        }
        Ok(())
    }

    /// nat-anchor, rdr-anchor, binat-anchor.
    pub fn translation_anchor(&mut self, word: &'static str) -> Taken<()> {
        self.shift();
        let anchor = self.texts()?;
        let action = match word {
            "nat-anchor" => Action::Nat,
            "rdr-anchor" => Action::Rdr,
            _ => Action::Binat,
        };
        let mut rule = Rule { action, anchor, ..Rule::default() };
        rule.on = self.interface()?;
        rule.family = self.family();
        self.scope(&mut rule)?;
        if self.key("rtable") {
            rule.rtable = Some(self.routing_table()?);
        }
        self.complete()?;
        self.enter(Section::Translation)?;
        match action {
            Action::Rdr => {
                if !rule.from_ports.is_empty() {
                    return self.refuse("source port parameter not supported in rdr-anchor");
                }
                match rule.to_ports.as_slice() {
                    [] => {}
                    [port] if port.operator != "=" => {
                        return self.refuse("destination port operators not supported in rdr-anchor");
                    }
                    [_] => {}
                    _ => return self.refuse("destination port list expansion not supported in rdr-anchor"),
                }
            }
            Action::Binat => {
                if rule.protocols.len() > 1 {
                    return self.refuse("proto list expansion not supported in binat-anchor");
                }
                let ports = !rule.from_ports.is_empty() || !rule.to_ports.is_empty();
                if !rule.from.is_empty() || !rule.to.is_empty() || ports {
                    return self.refuse("fromto parameter not supported in binat-anchor");
                }
                // It is for all interfaces, whatever was written.
                rule.on = Vec::<On>::new();
            }
            _ => {}
        }
        decide_family(&rule.from, &mut rule.family);
        decide_family(&rule.to, &mut rule.family);
        self.spread(rule)
    }

    /// Sees to the addresses of `route-to` and the like.
    pub fn settle_route(&mut self, rule: &mut Rule) -> Taken<()> {
        let Some((kind, mut route)) = rule.route.take() else { return Ok(()) };
        if rule.direction == Direction::Both {
            return self.refuse("direction must be explicit with rules that specify routing");
        }
        if !route.options.ipv6_next_hop {
            decide_family(&route.hosts, &mut rule.family);
            if !rule.af_to {
                keep_family(&mut route.hosts, &mut rule.family);
            }
            if route.hosts.is_empty() {
                return self.refuse("no routing address with matching address family found.");
            }
        }
        if self.major < 15 {
            self.check_pool(&mut route, true)?;
        }
        rule.route = Some((kind, route));
        Ok(())
    }

    /// Sees to the addresses of a translation.
    pub fn settle(&mut self, redirect: &mut Redirect, family: &mut Option<Family>) -> Taken<()> {
        if family.is_none()
            && let Some(first) = redirect.hosts.first().filter(|first| first.scope == 0)
        {
            *family = first.family;
        }
        keep_family(&mut redirect.hosts, family);
        if family.is_none()
            && redirect.hosts.iter().any(|host| !matches!(host.address, Address::Table(_) | Address::Interface { .. }))
        {
            return self
                .refuse("address family not given and translation address expands to multiple address families");
        }
        if redirect.hosts.is_empty() {
            return self.refuse("no translation address with matching address family found.");
        }
        if let Some(first) = redirect.hosts.first()
            && first.mask_is_too_long(*family)
        {
            let bits = first.bits();
            self.mention(format!("netmask {bits} invalid for IPv4 address"));
            return Err(Refused);
        }
        Ok(())
    }
}
