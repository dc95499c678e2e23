//! A rule with lists stands for one rule for each combination of what they hold: made here, checked, and printed.

use super::super::state::State;
use super::addresses::{self, Address, Host};
use super::rules::{Action, Choice, Direction, NAT_PORTS, One, PoolPorts, Redirect, Rule};
use super::sheets::Sheets;
use super::tokens::{Taken, Tokens};

/// Rules in one file. pfctl has no such limit, only the machine's memory and patience.
const MOST_RULES: usize = 50_000;
/// Messages about the combinations of one rule.
const MOST_MESSAGES: usize = 1_000;

/// The lists of a rule in the order that its combinations go through them, the last one first: interfaces, protocols,
/// types of ICMP, sources (3), destinations (4), their ports (5, 6), systems (7), users, groups.
const ORDER: [usize; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
/// Before 15 a source's ports and systems come right behind it.
const ORDER_BEFORE_15: [usize; 10] = [0, 1, 2, 3, 5, 7, 4, 6, 8, 9];

/// A list's items, or nothing once.
fn each<T: Clone>(items: &[T]) -> Vec<Option<T>> {
    if items.is_empty() { vec![None] } else { items.iter().cloned().map(Some).collect() }
}

/// The combinations of one rule, and how they went.
struct Spread {
    added: usize,
    /// An error in one combination spoils those after it.
    spoiled: bool,
    messages: usize,
}

impl Sheets {
    /// Adds the rules that a rule stands for.
    pub(crate) fn spread(&mut self, tokens: &mut Tokens<'_>, rule: Rule) -> Taken<()> {
        let mut state = Spread { added: 0, spoiled: false, messages: 0 };
        let (interfaces, protocols, icmp) = (each(&rule.on), each(&rule.protocols), each(&rule.icmp));
        let (from, to) = (each(&rule.from), each(&rule.to));
        let (from_ports, to_ports) = (each(&rule.from_ports), each(&rule.to_ports));
        let (systems, users, groups) = (each(&rule.systems), each(&rule.users), each(&rule.groups));
        let sizes = [
            interfaces.len(),
            protocols.len(),
            icmp.len(),
            from.len(),
            to.len(),
            from_ports.len(),
            to_ports.len(),
            systems.len(),
            users.len(),
            groups.len(),
        ];
        let order = if tokens.major >= 15 { ORDER } else { ORDER_BEFORE_15 };
        let mut at = [0; 10];
        'combinations: loop {
            let one = One {
                rule: &rule,
                direction: rule.direction,
                family: rule.family,
                on: interfaces[at[0]].clone().unwrap_or_default(),
                protocol: protocols[at[1]].unwrap_or_default(),
                icmp: icmp[at[2]],
                from: from[at[3]].clone(),
                to: to[at[4]].clone(),
                from_port: from_ports[at[5]],
                to_port: to_ports[at[6]],
                system: systems[at[7]].as_deref(),
                user: users[at[8]],
                group: groups[at[9]],
                number: 0,
                nat: rule.nat.clone(),
                rdr: rule.rdr.clone(),
                route: rule.route.clone(),
            };
            self.add(tokens, one, &mut state)?;
            for list in order.into_iter().rev() {
                at[list] += 1;
                if at[list] < sizes[list] {
                    continue 'combinations;
                }
                at[list] = 0;
            }
            break;
        }
        if state.added == 0 {
            tokens.complain("rule expands to no valid combination");
        }
        self.call(&rule);
        Ok(())
    }

    /// Remembers the anchor that a rule calls.
    fn call(&mut self, rule: &Rule) {
        if !rule.anchor.is_empty() {
            let name = rule.anchor.trim_start_matches('/').trim_end_matches("/*").to_owned();
            self.sheet().calls.push(name);
        }
    }

    /// One combination.
    fn add(&mut self, tokens: &mut Tokens<'_>, mut one: One<'_>, state: &mut Spread) -> Taken<()> {
        if !one.suit(tokens.state) {
            return Ok(());
        }
        let mut messages = Vec::new();
        for host in [&one.from, &one.to].into_iter().flatten() {
            if host.mask_is_too_long(one.family) {
                tokens.mention(format!("netmask {} invalid for IPv4 address", host.bits()));
                state.spoiled = true;
            }
        }
        if let Some(icmp) = one.icmp
            && one.protocol != if icmp.six { super::names::ICMP6 } else { super::names::ICMP }
        {
            messages.push("icmp-type mismatch".to_owned());
        }
        let width = one.to_port.map_or(0, |port| port.last.saturating_sub(port.first));
        match one.rule.action {
            Action::Nat => messages.extend(one.rdr.as_mut().and_then(nat_ports)),
            Action::Rdr => messages.extend(one.rdr.as_mut().and_then(|rdr| rdr_ports(rdr, width, tokens.major))),
            Action::Binat => {}
            _ => {
                messages.extend(one.nat.as_mut().and_then(nat_ports));
                messages.extend(one.rdr.as_mut().and_then(|rdr| rdr_ports(rdr, width, tokens.major)));
            }
        }
        if one.rule.action != Action::Binat {
            let route = one.route.as_mut().map(|(_, route)| route);
            for redirect in [route, one.nat.as_mut(), one.rdr.as_mut()].into_iter().flatten() {
                messages.extend(choose(redirect));
            }
        }
        let binat = one.rule.nat.as_ref().is_some_and(|nat| nat.binat) && one.rule.action.is_modern();
        if binat {
            messages.extend(binat_problems(&one));
            one.direction = Direction::Out;
        }
        state.spoiled |= !messages.is_empty();
        for text in messages {
            tokens.complain(text);
        }
        let (problems, warnings) = one.problems(tokens.major);
        let wrong = !problems.is_empty();
        for text in problems {
            tokens.complain(text);
        }
        for text in warnings {
            tokens.lexer.note(text);
        }
        if wrong || state.spoiled {
            tokens.complain("skipping rule due to errors");
            state.messages += 1;
            if state.messages > MOST_MESSAGES {
                return tokens.give_up("more errors in one rule than the simulated pfctl tells");
            }
            return Ok(());
        }
        state.added += 1;
        if binat {
            self.keep(tokens, one.clone())?;
            return self.keep(tokens, back(one));
        }
        self.keep(tokens, one)
    }

    fn keep(&mut self, tokens: &mut Tokens<'_>, mut one: One<'_>) -> Taken<()> {
        self.count += 1;
        if self.count > MOST_RULES {
            return tokens.give_up("more rules than the simulated pfctl takes");
        }
        let inside = self.closed.take();
        let sheet = self.sheet();
        one.number = sheet.numbered;
        sheet.numbered += 1;
        let text = one.text();
        let list = match one.rule.action {
            Action::Scrub | Action::NoScrub => &mut sheet.scrub,
            Action::Nat | Action::NoNat => &mut sheet.nat,
            Action::Rdr | Action::NoRdr => &mut sheet.rdr,
            Action::Binat | Action::NoBinat => &mut sheet.binat,
            _ => {
                // Rules of an anchor in braces are printed where it is called: those of one without a name always.
                let open = block(&text, inside.as_deref());
                sheet.opened.extend(open.iter().cloned());
                sheet.filter.extend(if one.rule.nameless { open } else { vec![text] });
                return Ok(());
            }
        };
        list.push(text);
        Ok(())
    }
}

/// A rule with the rules in its braces.
fn block(text: &str, inside: Option<&[String]>) -> Vec<String> {
    match inside {
        None | Some([]) => vec![text.to_owned()],
        Some(rules) => std::iter::once(format!("{text} {{"))
            .chain(rules.iter().map(|rule| format!("  {rule}")))
            .chain(["}".to_owned()])
            .collect(),
    }
}

impl Action {
    /// Rules that may have `nat-to` and `rdr-to`.
    fn is_modern(self) -> bool {
        matches!(self, Self::Pass | Self::Block | Self::Match)
    }
}

impl One<'_> {
    /// Whether families and interfaces go together; fills in the family and the interface that follow from the hosts.
    fn suit(&mut self, state: &State) -> bool {
        let family = |host: &Option<Host>| host.as_ref().and_then(|host| host.family);
        let scope = |host: &Option<Host>| host.as_ref().map_or(0, |host| host.scope);
        let (from, to) = (family(&self.from), family(&self.to));
        let differ = |left: Option<_>, right: Option<_>| left.is_some() && right.is_some() && left != right;
        if differ(self.family, from) || differ(self.family, to) || differ(from, to) {
            return false;
        }
        let scopes = [scope(&self.from), scope(&self.to)];
        if scopes[0] != 0 && scopes[1] != 0 && scopes[0] != scopes[1] {
            return false;
        }
        let own = addresses::index_of(state, &self.on.name);
        if !self.on.name.is_empty() && scopes.iter().any(|scope| *scope != 0 && *scope != own) {
            return false;
        }
        self.family = self.family.or(from).or(to);
        if self.on.name.is_empty() {
            let named = scopes.iter().find_map(|scope| addresses::name_of(state, *scope));
            self.on.name = named.unwrap_or_default();
        }
        true
    }
}

/// The ports of `nat`, when it names none or keeps those of the packets.
pub(super) fn nat_ports(redirect: &mut Redirect) -> Option<String> {
    let ports = &mut redirect.ports;
    if (ports.first, ports.last) == (0, 0) {
        (ports.first, ports.last) = NAT_PORTS;
    } else if ports.last == 0 {
        ports.last = ports.first;
    }
    let usual = ports.first == NAT_PORTS.0 || ports.last == NAT_PORTS.1;
    if redirect.options.static_port {
        if !usual {
            return Some("the 'static-port' option can't be used when specifying a port range".to_owned());
        }
        *ports = PoolPorts::default();
    }
    if redirect.options.map_e.0 != 0 {
        if redirect.options.static_port {
            return Some("the 'map-e-portset' option can't be used 'static-port'".to_owned());
        }
        if !usual {
            return Some("the 'map-e-portset' option can't be used when specifying a port range".to_owned());
        }
    }
    None
}

/// The ports of `rdr`; `width` is how many more the rule is for.
fn rdr_ports(redirect: &mut Redirect, width: u16, major: u32) -> Option<String> {
    let ports = &mut redirect.ports;
    if ports.open {
        ports.last = ports.first.wrapping_add(width);
    } else if ports.range && ports.first > ports.last && major >= 15 {
        return Some("invalid rdr-to port range".to_owned());
    }
    if redirect.options.static_port {
        return Some("the 'static-port' option is only valid with nat rules".to_owned());
    }
    if redirect.options.map_e.0 != 0 {
        return Some("the 'map-e-portset' option is only valid with nat rules".to_owned());
    }
    None
}

/// How an address is chosen when the rule does not say it.
pub(super) fn choose_usual(redirect: &mut Redirect) {
    let several = redirect.hosts.len() > 1;
    let Some(first) = redirect.hosts.first() else { return };
    if redirect.options.choice == Choice::None
        && (several || matches!(first.address, Address::Table(_)) || first.is_many())
    {
        redirect.options.choice = Choice::RoundRobin;
    }
}

/// How an address is chosen, and what that allows; before 15 `redirect::check_pool` has seen to it.
fn choose(redirect: &mut Redirect) -> Option<String> {
    choose_usual(redirect);
    if matches!(redirect.options.choice, Choice::None | Choice::Bitmask) {
        for host in &redirect.hosts {
            match &host.address {
                Address::Table(_) => return Some("tables are not supported by pool type".to_owned()),
                Address::Interface { name, .. } if host.is_many() => {
                    return Some(format!("interface ({name}) is not supported by pool type"));
                }
                _ => {}
            }
        }
    }
    (redirect.hosts.len() > 1 && redirect.options.choice != Choice::RoundRobin)
        .then(|| "r.route.opts must be PF_POOL_ROUNDROBIN".to_owned())
}

fn binat_problems(one: &One<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let Some(nat) = &one.nat else { return found };
    let (source, target) = (one.from.as_ref(), nat.hosts.first());
    if one.rule.from.len() > 1 {
        found.push("invalid use of table as the source address of a binat-to rule".to_owned());
    }
    if nat.hosts.len() > 1 {
        found.push("tables cannot be used as the redirect address of a binat-to rule".to_owned());
    }
    let real = |host: Option<&Host>| {
        host.is_none_or(|host| matches!(host.address, Address::Net(..) | Address::Interface { .. }))
    };
    match source.map(|host| &host.address) {
        Some(Address::Table(name)) => {
            found.push(format!("invalid use of table <{name}> as the source address of a binat-to rule"));
        }
        Some(Address::Interface { name, .. }) if source.is_some_and(Host::is_many) => {
            found.push(format!("invalid use of interface ({name}) as the source address of a binat-to rule"));
        }
        _ if !real(source) || !real(target) => {
            found.push("binat-to requires a specified source and redirect address".to_owned());
        }
        _ => {}
    }
    if source.is_some_and(Host::is_many) || target.is_some_and(Host::is_many) {
        found.push("dynamic interfaces must be used with:0 in a binat-to rule".to_owned());
    }
    if source.is_none_or(|host| host.bits() == 0) || target.is_none_or(|host| host.bits() == 0) {
        found.push("source and redir addresess must have a matching network mask in binat-rule".to_owned());
    }
    if target.is_some_and(|host| matches!(host.address, Address::Table(_))) {
        found.push("tables cannot be used as the redirect address of a binat-to rule".to_owned());
    }
    if one.direction != Direction::Both {
        found.push("binat-to cannot be specified with a direction".to_owned());
    }
    found
}

/// The way back of `binat-to`: a rule for packets that come in.
fn back(one: One<'_>) -> One<'_> {
    let source = one.from.clone();
    let target = one.nat.as_ref().and_then(|nat| nat.hosts.first().cloned());
    let options = one.nat.as_ref().map(|nat| nat.options.clone()).unwrap_or_default();
    let hosts = source.into_iter().map(|host| Host { interface: None, ..host }).collect();
    let options = super::rules::PoolOptions { static_port: false, ..options };
    One {
        direction: Direction::In,
        from: one.to.clone(),
        to: target,
        from_port: one.to_port,
        to_port: one.from_port,
        nat: None,
        rdr: Some(Redirect { hosts, options, ..Redirect::default() }),
        ..one
    }
}
