//! Rules for Ethernet: their grammar. What they would do is not modelled; nothing prints them.

use super::addresses::Address;
use super::grammar::{Parser, Section};
use super::lexer::Token;
use super::rules::Rule;
use super::tokens::{Refused, Taken, Tokens};
use super::{filter, options, peers};

impl Parser<'_> {
    /// `ether pass …`, `ether block …`, `ether anchor …`
    pub(crate) fn ethernet(&mut self) -> Taken<()> {
        self.tokens.shift();
        if self.tokens.is_key("anchor") {
            return self.ethernet_anchor();
        }
        match *self.tokens.peek() {
            Token::Key("pass" | "match") => self.tokens.shift(),
            Token::Key("block") => {
                self.tokens.shift();
                if let Token::Key("drop" | "return" | "return-rst" | "return-icmp" | "return-icmp6") =
                    *self.tokens.peek()
                {
                    self.tokens.shift();
                }
            }
            _ => return self.tokens.syntax(),
        }
        peers::direction(&mut self.tokens);
        self.tokens.key("quick");
        peers::interface(&mut self.tokens)?;
        if self.tokens.key("bridge-to") {
            self.tokens.text()?;
        }
        ethernet_scope(&mut self.tokens)?;
        loop {
            let not = self.tokens.sign(b'!');
            match *self.tokens.peek() {
                Token::Key("tagged") => {
                    self.tokens.shift();
                    self.tokens.texts()?;
                }
                _ if not => return self.tokens.syntax(),
                Token::Key("queue") => {
                    self.tokens.shift();
                    options::queue_names(&mut self.tokens, false)?;
                }
                Token::Key("ridentifier" | "dnpipe" | "dnqueue") => {
                    self.tokens.shift();
                    self.tokens.integer()?;
                }
                Token::Key("label") => {
                    self.tokens.shift();
                    self.tokens.text()?;
                }
                Token::Key("tag") => {
                    self.tokens.shift();
                    self.tokens.texts()?;
                }
                _ => break,
            }
        }
        self.tokens.complete()?;
        self.order.enter(&mut self.tokens, Section::Ethernet)
    }

    fn ethernet_anchor(&mut self) -> Taken<()> {
        self.tokens.shift();
        let name = filter::anchor_name(&mut self.tokens)?;
        peers::direction(&mut self.tokens);
        self.tokens.key("quick");
        peers::interface(&mut self.tokens)?;
        ethernet_scope(&mut self.tokens)?;
        let inline = self.tokens.sign(b'{');
        if inline {
            self.tokens.deeper()?;
            self.tokens.expect_sign(b'\n')?;
            while !self.tokens.sign(b'}') {
                if !self.tokens.is_sign(b'\n') {
                    if !self.tokens.is_key("ether") {
                        return self.tokens.syntax();
                    }
                    self.ethernet()?;
                }
                self.tokens.expect_sign(b'\n')?;
            }
        } else {
            self.tokens.complete()?;
        }
        self.order.enter(&mut self.tokens, Section::Ethernet)?;
        match name {
            Some(name) if inline && name.contains('/') => {
                self.tokens.complain("anchor paths containing '/' cannot be used for inline anchors.");
                Err(Refused)
            }
            None if !inline => self.tokens.refuse("anchors without explicit rules must specify a name"),
            _ => Ok(()),
        }
    }
}

/// `proto`, `from` and `to` with hardware addresses, `l3` with IP's.
fn ethernet_scope(tokens: &mut Tokens<'_>) -> Taken<()> {
    if tokens.key("proto") {
        tokens.one_or_braced(|tokens| {
            let number = if tokens.is_text() {
                let text = tokens.text()?;
                match text.strip_prefix("0x").map(|digits| i64::from_str_radix(digits, 16)) {
                    Some(Ok(number)) => number,
                    Some(Err(_)) => return tokens.refuse("invalid EtherType hex"),
                    None => {
                        tokens.complain("Symbolic EtherType not yet supported");
                        1
                    }
                }
            } else {
                tokens.number()?
            };
            match number {
                0 => tokens.refuse("proto 0 cannot be used"),
                1..=65565 => Ok(vec![()]),
                _ => tokens.refuse("protocol outside range"),
            }
        })?;
    }
    if !tokens.key("all") {
        if tokens.key("from") {
            hardware_addresses(tokens)?;
        }
        if tokens.key("to") {
            hardware_addresses(tokens)?;
        }
    }
    if tokens.key("l3") {
        let mut rule = Rule::default();
        peers::ends(tokens, &mut rule)?;
        for (hosts, word) in [(&rule.from, "from"), (&rule.to, "to")] {
            if hosts.first().is_some_and(|host| !matches!(host.address, Address::Net(..) | Address::Table(_))) {
                return tokens.refuse(format_args!("{word} must be an address or table"));
            }
        }
    }
    Ok(())
}

fn hardware_addresses(tokens: &mut Tokens<'_>) -> Taken<()> {
    tokens
        .one_or_braced(|tokens| {
            tokens.sign(b'!');
            let text = tokens.texts()?;
            if tokens.sign(b'/') {
                let bits = tokens.number()?;
                if !(0..=48).contains(&bits) {
                    return tokens.refuse("invalid MAC mask length");
                }
            }
            let (address, mask) = text.split_once('&').map_or((text.as_str(), None), |(a, mask)| (a, Some(mask)));
            if !is_hardware_address(address) {
                return tokens.refuse("invalid MAC address");
            }
            if mask.is_some_and(|mask| !is_hardware_address(mask)) {
                return tokens.refuse("invalid MAC mask");
            }
            Ok(vec![()])
        })
        .map(|_| ())
}

/// Six numbers in hexadecimal with colons between them.
fn is_hardware_address(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    parts.len() == 6 && parts.iter().all(|part| matches!(part.len(), 1 | 2) && u8::from_str_radix(part, 16).is_ok())
}
