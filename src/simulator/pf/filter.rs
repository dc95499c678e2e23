//! The rules that filter: pass, block and match, antispoof, and anchors of filter rules.

use super::addresses::{self, Address, Host, Modifiers, decide_family};
use super::grammar::{DEEPEST_ANCHOR, Parser, Section, Sheet, Taken, unsigned};
use super::lexer::Token;
use super::names;
use super::rules::{Action, Answer, Direction, Keep, On, Rule};

impl Parser<'_> {
    fn action(&mut self, rule: &mut Rule) -> Taken<()> {
        let Token::Key(word) = *self.peek() else { return self.syntax() };
        rule.action = match word {
            "pass" => Action::Pass,
            "match" => Action::Match,
            "block" => Action::Block,
            _ => return self.syntax(),
        };
        self.shift();
        if rule.action == Action::Block {
            rule.answer = self.answer()?;
        }
        Ok(())
    }

    fn answer(&mut self) -> Taken<Answer> {
        let Token::Key(word) = *self.peek() else { return Ok(self.block) };
        // Port unreachable, for IPv4 and IPv6.
        let (port4, port6) = (3, 4);
        match word {
            "drop" => {
                self.shift();
                Ok(Answer::Drop)
            }
            "return" => {
                self.shift();
                Ok(Answer::Return)
            }
            "return-rst" => {
                self.shift();
                let mut ttl = 0;
                if self.sign(b'(') {
                    self.expect("ttl")?;
                    let number = self.number()?;
                    self.expect_sign(b')')?;
                    match u8::try_from(number) {
                        Ok(number) => ttl = number,
                        Err(_) => return self.refuse(format_args!("illegal ttl value {number}")),
                    }
                }
                Ok(Answer::Reset(ttl))
            }
            "return-icmp" => {
                self.shift();
                if !self.sign(b'(') {
                    return Ok(Answer::Icmp(port4, port6));
                }
                let four = self.unreachable(false)?;
                // As pfctl has it, the other family's code is then IPv4's own number.
                let mut six = port4;
                if !self.is_sign(b')') {
                    self.comma();
                    six = self.unreachable(true)?;
                }
                self.expect_sign(b')')?;
                Ok(Answer::Icmp(four, six))
            }
            "return-icmp6" => {
                self.shift();
                if !self.sign(b'(') {
                    return Ok(Answer::Icmp(port4, port6));
                }
                let six = self.unreachable(true)?;
                self.expect_sign(b')')?;
                Ok(Answer::Icmp(port4, six))
            }
            _ => Ok(self.block),
        }
    }

    /// A code of unreachable.
    fn unreachable(&mut self, six: bool) -> Taken<u8> {
        let number = if self.is_text() {
            let text = self.text()?;
            let named = names::icmp_code(if six { 1 } else { 3 }, &text, six).map(u64::from);
            match unsigned(&text).or(named) {
                Some(number) => number,
                None => return self.refuse(format_args!("unknown icmp code {text}")),
            }
        } else {
            self.number()?.cast_unsigned()
        };
        match u8::try_from(number) {
            Ok(code) => Ok(code),
            Err(_) => self.refuse(format_args!("invalid icmp code {number}")),
        }
    }

    /// pass, block or match.
    pub fn filter(&mut self) -> Taken<()> {
        let mut rule = Rule::default();
        self.action(&mut rule)?;
        rule.direction = self.direction();
        (rule.log, rule.quick) = self.log_quick()?;
        rule.on = self.interface()?;
        rule.route = self.route()?;
        rule.family = self.family();
        self.scope(&mut rule)?;
        let mut given = self.filter_options(&mut rule)?;
        self.complete()?;
        self.enter(Section::Filtering)?;
        self.check_options(&rule)?;
        self.check_tcp(&rule)?;
        if rule.action == Action::Pass && !given.keep {
            rule.keep = Keep::Plain;
            given.states = self.state_defaults.clone().unwrap_or_default();
        }
        let locked = self.take_states(&mut rule, &given.states)?;
        if rule.action == Action::Pass
            && rule.flags == (0, 0)
            && !rule.fragment
            && !given.flags
            && rule.keep != Keep::No
        {
            rule.flags = (names::flags("S", self.major).unwrap_or(0), names::flags("SA", self.major).unwrap_or(0));
        }
        if rule.keep != Keep::No && !locked {
            rule.states.if_bound |= self.if_bound;
        }
        decide_family(&rule.from, &mut rule.family);
        decide_family(&rule.to, &mut rule.family);
        self.settle_route(&mut rule)?;
        if !rule.af_to {
            for place in [&mut rule.nat, &mut rule.rdr] {
                if let Some(mut redirect) = place.take() {
                    self.settle(&mut redirect, &mut rule.family)?;
                    *place = Some(redirect);
                }
            }
        }
        self.spread(rule)
    }

    /// `anchor NAME …`, with rules in braces or without.
    pub fn anchor(&mut self) -> Taken<()> {
        self.shift();
        let name = self.anchor_name()?;
        let mut rule = Rule { direction: self.direction(), quick: self.key("quick"), ..Rule::default() };
        rule.on = self.interface()?;
        rule.family = self.family();
        self.scope(&mut rule)?;
        self.filter_options(&mut rule)?;
        let inline = self.is_sign(b'{');
        let mut held = None;
        if inline {
            self.shift();
            held = Some(self.anchor_rules(name.as_deref())?);
        } else {
            self.complete()?;
        }
        self.enter(Section::Filtering)?;
        if let Some(sheet) = held {
            if name.as_ref().is_some_and(|name| name.contains('/')) {
                return self.refuse("anchor paths containing '/' cannot be used for inline anchors.");
            }
            let path = sheet.path.clone();
            self.closed = Some(sheet.opened.clone());
            let rules = sheet.rules();
            if name.is_some() && self.parsed.inline.get(&path).is_some_and(|known| !known.filter.is_empty()) {
                let name = name.unwrap_or_default();
                return self.refuse(format_args!("inline anchor '{name}' already exists"));
            }
            if name.is_none() {
                rule.nameless = true;
            }
            self.parsed.inline.insert(path, rules);
        } else if name.is_none() {
            return self.refuse("anchors without explicit rules must specify a name");
        }
        rule.anchor = name.unwrap_or_default();
        self.check_tcp(&rule)?;
        self.check_options(&rule)?;
        if rule.keep != Keep::No {
            return self.refuse("cannot specify state handling on anchors");
        }
        decide_family(&rule.from, &mut rule.family);
        decide_family(&rule.to, &mut rule.family);
        self.spread(rule)
    }

    /// The rules of an anchor up to its closing brace; the opening one was read.
    fn anchor_rules(&mut self, name: Option<&str>) -> Taken<Sheet> {
        if self.sheets.len() > DEEPEST_ANCHOR {
            return self.give_up("pfa_anchor: anchors too deep");
        }
        self.braces += 1;
        let own = name.map_or_else(|| format!("_{}", self.braces), str::to_owned);
        let above = self.sheet().path.clone();
        let path = if above.is_empty() { own } else { format!("{above}/{own}") };
        self.sheets.push(Sheet { path, ..Sheet::default() });
        self.expect_sign(b'\n')?;
        let includes = self.major >= 15;
        loop {
            match self.peek() {
                Token::Sign(b'}') => {
                    self.shift();
                    return Ok(self.sheets.pop().unwrap_or_default());
                }
                Token::Sign(b'\n') => {}
                Token::Key("pass" | "block" | "match") => self.filter()?,
                Token::Key("anchor") => self.anchor()?,
                Token::Key("include") if includes => self.include()?,
                _ => return self.syntax(),
            }
            self.expect_sign(b'\n')?;
        }
    }

    /// `antispoof …`: rules that refuse an interface's own addresses elsewhere.
    pub fn antispoof(&mut self) -> Taken<()> {
        self.shift();
        let (log, quick) = self.log_quick()?;
        self.expect("for")?;
        let interfaces = self.one_or_braced(|parser| {
            let dynamic = parser.sign(b'(');
            let name = parser.interface_name()?;
            if dynamic {
                parser.expect_sign(b')')?;
            }
            Ok(vec![(name, dynamic)])
        })?;
        let mut rule = Rule { action: Action::Block, direction: Direction::In, log, quick, ..Rule::default() };
        rule.family = self.family();
        loop {
            if self.key("label") {
                self.label(&mut rule)?;
            } else if self.key("ridentifier") {
                rule.ridentifier = self.integer()? & 0xffff_ffff;
            } else if self.key("rtable") {
                rule.rtable = Some(self.routing_table()?);
            } else {
                break;
            }
        }
        self.complete()?;
        self.enter(Section::Filtering)?;
        self.check_options(&rule)?;
        for (name, dynamic) in interfaces {
            let own = |network: bool| {
                let modifiers = Modifiers { network, ..Modifiers::default() };
                if dynamic {
                    vec![Host::new(Address::Interface { name: name.clone(), modifiers, bits: 128 })]
                } else {
                    addresses::of_interface(self.state, &name, modifiers)
                }
            };
            let (networks, hosts) = (own(true), own(false));
            let loopback = addresses::is_loopback(self.state, &name);
            if !networks.is_empty() {
                let on = vec![On { name: name.clone(), not: true }];
                self.spread(Rule { on, from: networks, ..rule.clone() })?;
            }
            if !loopback && !hosts.is_empty() {
                self.spread(Rule { from: hosts, ..rule.clone() })?;
            }
        }
        Ok(())
    }
}
