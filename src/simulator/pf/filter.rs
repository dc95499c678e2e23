//! The rules that filter: pass, block and match, antispoof, and anchors of filter rules.

use super::addresses::{self, Address, Host, Modifiers, decide_family};
use super::grammar::{Parser, Section};
use super::lexer::Token;
use super::rules::{Action, Answer, Direction, Keep, On, Rule};
use super::sheets::{DEEPEST_ANCHOR, Sheet};
use super::tokens::{Taken, Tokens, unsigned};
use super::{names, options, peers, redirect, states};

impl Parser<'_> {
    /// pass, block or match.
    pub fn filter(&mut self) -> Taken<()> {
        let mut rule = Rule::default();
        self.action(&mut rule)?;
        rule.direction = peers::direction(&mut self.tokens);
        (rule.log, rule.quick) = peers::log_quick(&mut self.tokens)?;
        rule.on = peers::interface(&mut self.tokens)?;
        rule.route = redirect::route(&mut self.tokens)?;
        rule.family = peers::family(&mut self.tokens);
        peers::scope(&mut self.tokens, &mut rule)?;
        let mut given = options::filter_options(&mut self.tokens, &mut rule)?;
        self.tokens.complete()?;
        self.order.enter(&mut self.tokens, Section::Filtering)?;
        options::check_options(&mut self.tokens, &rule)?;
        options::check_tcp(&mut self.tokens, &rule)?;
        if rule.action == Action::Pass && !given.keep {
            rule.keep = Keep::Plain;
            given.states = self.defaults.states.clone().unwrap_or_default();
        }
        let locked = states::take_states(&mut self.tokens, &mut rule, &given.states)?;
        if rule.action == Action::Pass
            && rule.flags == (0, 0)
            && !rule.fragment
            && !given.flags
            && rule.keep != Keep::No
        {
            rule.flags =
                (names::flags("S", self.tokens.major).unwrap_or(0), names::flags("SA", self.tokens.major).unwrap_or(0));
        }
        if rule.keep != Keep::No && !locked {
            rule.states.if_bound |= self.defaults.if_bound;
        }
        decide_family(&rule.from, &mut rule.family);
        decide_family(&rule.to, &mut rule.family);
        redirect::settle_route(&mut self.tokens, &mut rule)?;
        if !rule.af_to {
            for place in [&mut rule.nat, &mut rule.rdr] {
                if let Some(mut redirect) = place.take() {
                    redirect::settle(&mut self.tokens, &mut redirect, &mut rule.family)?;
                    *place = Some(redirect);
                }
            }
        }
        self.sheets.spread(&mut self.tokens, rule)
    }

    fn action(&mut self, rule: &mut Rule) -> Taken<()> {
        let Token::Key(word) = *self.tokens.peek() else { return self.tokens.syntax() };
        rule.action = match word {
            "pass" => Action::Pass,
            "match" => Action::Match,
            "block" => Action::Block,
            _ => return self.tokens.syntax(),
        };
        self.tokens.shift();
        if rule.action == Action::Block {
            rule.answer = self.answer()?;
        }
        Ok(())
    }

    fn answer(&mut self) -> Taken<Answer> {
        let Token::Key(word) = *self.tokens.peek() else { return Ok(self.defaults.block) };
        // Port unreachable, for IPv4 and IPv6.
        let (port4, port6) = (3, 4);
        match word {
            "drop" => {
                self.tokens.shift();
                Ok(Answer::Drop)
            }
            "return" => {
                self.tokens.shift();
                Ok(Answer::Return)
            }
            "return-rst" => {
                self.tokens.shift();
                let mut ttl = 0;
                if self.tokens.sign(b'(') {
                    self.tokens.expect("ttl")?;
                    let number = self.tokens.number()?;
                    self.tokens.expect_sign(b')')?;
                    match u8::try_from(number) {
                        Ok(number) => ttl = number,
                        Err(_) => return self.tokens.refuse(format_args!("illegal ttl value {number}")),
                    }
                }
                Ok(Answer::Reset(ttl))
            }
            "return-icmp" => {
                self.tokens.shift();
                if !self.tokens.sign(b'(') {
                    return Ok(Answer::Icmp(port4, port6));
                }
                let four = unreachable(&mut self.tokens, false)?;
                // As pfctl has it, the other family's code is then IPv4's own number.
                let mut six = port4;
                if !self.tokens.is_sign(b')') {
                    self.tokens.comma();
                    six = unreachable(&mut self.tokens, true)?;
                }
                self.tokens.expect_sign(b')')?;
                Ok(Answer::Icmp(four, six))
            }
            "return-icmp6" => {
                self.tokens.shift();
                if !self.tokens.sign(b'(') {
                    return Ok(Answer::Icmp(port4, port6));
                }
                let six = unreachable(&mut self.tokens, true)?;
                self.tokens.expect_sign(b')')?;
                Ok(Answer::Icmp(port4, six))
            }
            _ => Ok(self.defaults.block),
        }
    }

    /// `anchor NAME …`, with rules in braces or without.
    pub fn anchor(&mut self) -> Taken<()> {
        self.tokens.shift();
        let name = anchor_name(&mut self.tokens)?;
        let mut rule =
            Rule { direction: peers::direction(&mut self.tokens), quick: self.tokens.key("quick"), ..Rule::default() };
        rule.on = peers::interface(&mut self.tokens)?;
        rule.family = peers::family(&mut self.tokens);
        peers::scope(&mut self.tokens, &mut rule)?;
        options::filter_options(&mut self.tokens, &mut rule)?;
        let inline = self.tokens.is_sign(b'{');
        let mut held = None;
        if inline {
            self.tokens.shift();
            held = Some(self.anchor_rules(name.as_deref())?);
        } else {
            self.tokens.complete()?;
        }
        self.order.enter(&mut self.tokens, Section::Filtering)?;
        if let Some(sheet) = held {
            if name.as_ref().is_some_and(|name| name.contains('/')) {
                return self.tokens.refuse("anchor paths containing '/' cannot be used for inline anchors.");
            }
            let path = sheet.path.clone();
            self.sheets.closed = Some(sheet.opened.clone());
            let rules = sheet.rules();
            if name.is_some() && self.parsed.inline.get(&path).is_some_and(|known| !known.filter.is_empty()) {
                let name = name.unwrap_or_default();
                return self.tokens.refuse(format_args!("inline anchor '{name}' already exists"));
            }
            if name.is_none() {
                rule.nameless = true;
            }
            self.parsed.inline.insert(path, rules);
        } else if name.is_none() {
            return self.tokens.refuse("anchors without explicit rules must specify a name");
        }
        rule.anchor = name.unwrap_or_default();
        options::check_tcp(&mut self.tokens, &rule)?;
        options::check_options(&mut self.tokens, &rule)?;
        if rule.keep != Keep::No {
            return self.tokens.refuse("cannot specify state handling on anchors");
        }
        decide_family(&rule.from, &mut rule.family);
        decide_family(&rule.to, &mut rule.family);
        self.sheets.spread(&mut self.tokens, rule)
    }

    /// The rules of an anchor up to its closing brace; the opening one was read.
    fn anchor_rules(&mut self, name: Option<&str>) -> Taken<Sheet> {
        if self.sheets.open.len() > DEEPEST_ANCHOR {
            return self.tokens.give_up("pfa_anchor: anchors too deep");
        }
        self.sheets.braces += 1;
        let own = name.map_or_else(|| format!("_{}", self.sheets.braces), str::to_owned);
        let above = self.sheets.sheet().path.clone();
        let path = if above.is_empty() { own } else { format!("{above}/{own}") };
        self.sheets.open.push(Sheet { path, ..Sheet::default() });
        self.tokens.expect_sign(b'\n')?;
        let includes = self.tokens.major >= 15;
        loop {
            match self.tokens.peek() {
                Token::Sign(b'}') => {
                    self.tokens.shift();
                    return Ok(self.sheets.open.pop().unwrap_or_default());
                }
                Token::Sign(b'\n') => {}
                Token::Key("pass" | "block" | "match") => self.filter()?,
                Token::Key("anchor") => self.anchor()?,
                Token::Key("include") if includes => self.include()?,
                _ => return self.tokens.syntax(),
            }
            self.tokens.expect_sign(b'\n')?;
        }
    }

    /// `antispoof …`: rules that refuse an interface's own addresses elsewhere.
    pub fn antispoof(&mut self) -> Taken<()> {
        self.tokens.shift();
        let (log, quick) = peers::log_quick(&mut self.tokens)?;
        self.tokens.expect("for")?;
        let interfaces = self.tokens.one_or_braced(|tokens| {
            let dynamic = tokens.sign(b'(');
            let name = peers::interface_name(tokens)?;
            if dynamic {
                tokens.expect_sign(b')')?;
            }
            Ok(vec![(name, dynamic)])
        })?;
        let mut rule = Rule { action: Action::Block, direction: Direction::In, log, quick, ..Rule::default() };
        rule.family = peers::family(&mut self.tokens);
        loop {
            if self.tokens.key("label") {
                options::label(&mut self.tokens, &mut rule)?;
            } else if self.tokens.key("ridentifier") {
                rule.ridentifier = self.tokens.integer()? & 0xffff_ffff;
            } else if self.tokens.key("rtable") {
                rule.rtable = Some(options::routing_table(&mut self.tokens)?);
            } else {
                break;
            }
        }
        self.tokens.complete()?;
        self.order.enter(&mut self.tokens, Section::Filtering)?;
        options::check_options(&mut self.tokens, &rule)?;
        for (name, dynamic) in interfaces {
            let own = |network: bool| {
                let modifiers = Modifiers { network, ..Modifiers::default() };
                if dynamic {
                    vec![Host::new(Address::Interface { name: name.clone(), modifiers, bits: 128 })]
                } else {
                    addresses::of_interface(self.tokens.state, &name, modifiers)
                }
            };
            let (networks, hosts) = (own(true), own(false));
            let loopback = addresses::is_loopback(self.tokens.state, &name);
            if !networks.is_empty() {
                let on = vec![On { name: name.clone(), not: true }];
                self.sheets.spread(&mut self.tokens, Rule { on, from: networks, ..rule.clone() })?;
            }
            if !loopback && !hosts.is_empty() {
                self.sheets.spread(&mut self.tokens, Rule { from: hosts, ..rule.clone() })?;
            }
        }
        Ok(())
    }
}

/// A code of unreachable.
fn unreachable(tokens: &mut Tokens<'_>, six: bool) -> Taken<u8> {
    let number = if tokens.is_text() {
        let text = tokens.text()?;
        let named = names::icmp_code(if six { 1 } else { 3 }, &text, six).map(u64::from);
        match unsigned(&text).or(named) {
            Some(number) => number,
            None => return tokens.refuse(format_args!("unknown icmp code {text}")),
        }
    } else {
        tokens.number()?.cast_unsigned()
    };
    match u8::try_from(number) {
        Ok(code) => Ok(code),
        Err(_) => tokens.refuse(format_args!("invalid icmp code {number}")),
    }
}

/// The name of an anchor, if one stands here.
pub(super) fn anchor_name(tokens: &mut Tokens<'_>) -> Taken<Option<String>> {
    if !tokens.is_text() {
        return Ok(None);
    }
    let name = tokens.text()?;
    if name.is_empty() && tokens.major >= 15 {
        return tokens.refuse("anchor name must not be empty");
    }
    if name.starts_with('_') || name.contains("/_") {
        return tokens.refuse("anchor names beginning with '_' are reserved for internal use");
    }
    Ok(Some(name))
}
