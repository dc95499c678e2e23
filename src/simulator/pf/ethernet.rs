//! Rules for Ethernet: their grammar. What they would do is not modelled; nothing prints them.

use super::addresses::Address;
use super::grammar::{Parser, Refused, Section, Taken};
use super::lexer::Token;
use super::rules::Rule;

impl Parser<'_> {
    /// `ether pass …`, `ether block …`, `ether anchor …`
    pub fn ethernet(&mut self) -> Taken<()> {
        self.shift();
        if self.is_key("anchor") {
            return self.ethernet_anchor();
        }
        match *self.peek() {
            Token::Key("pass" | "match") => self.shift(),
            Token::Key("block") => {
                self.shift();
                if let Token::Key("drop" | "return" | "return-rst" | "return-icmp" | "return-icmp6") = *self.peek() {
                    self.shift();
                }
            }
            _ => return self.syntax(),
        }
        self.direction();
        self.key("quick");
        self.interface()?;
        if self.key("bridge-to") {
            self.text()?;
        }
        self.ethernet_scope()?;
        loop {
            let not = self.sign(b'!');
            match *self.peek() {
                Token::Key("tagged") => {
                    self.shift();
                    self.texts()?;
                }
                _ if not => return self.syntax(),
                Token::Key("queue") => {
                    self.shift();
                    self.queue_names(false)?;
                }
                Token::Key("ridentifier" | "dnpipe" | "dnqueue") => {
                    self.shift();
                    self.integer()?;
                }
                Token::Key("label") => {
                    self.shift();
                    self.text()?;
                }
                Token::Key("tag") => {
                    self.shift();
                    self.texts()?;
                }
                _ => break,
            }
        }
        self.complete()?;
        self.enter(Section::Ethernet)
    }

    /// `proto`, `from` and `to` with hardware addresses, `l3` with IP's.
    fn ethernet_scope(&mut self) -> Taken<()> {
        if self.key("proto") {
            self.one_or_braced(|parser| {
                let number = if parser.is_text() {
                    let text = parser.text()?;
                    match text.strip_prefix("0x").map(|digits| i64::from_str_radix(digits, 16)) {
                        Some(Ok(number)) => number,
                        Some(Err(_)) => return parser.refuse("invalid EtherType hex"),
                        None => {
                            parser.complain("Symbolic EtherType not yet supported");
                            1
                        }
                    }
                } else {
                    parser.number()?
                };
                match number {
                    0 => parser.refuse("proto 0 cannot be used"),
                    1..=65565 => Ok(vec![()]),
                    _ => parser.refuse("protocol outside range"),
                }
            })?;
        }
        if !self.key("all") {
            if self.key("from") {
                self.hardware_addresses()?;
            }
            if self.key("to") {
                self.hardware_addresses()?;
            }
        }
        if self.key("l3") {
            let mut rule = Rule::default();
            self.ends(&mut rule)?;
            for (hosts, word) in [(&rule.from, "from"), (&rule.to, "to")] {
                if hosts.first().is_some_and(|host| !matches!(host.address, Address::Net(..) | Address::Table(_))) {
                    return self.refuse(format_args!("{word} must be an address or table"));
                }
            }
        }
        Ok(())
    }

    fn hardware_addresses(&mut self) -> Taken<()> {
        self.one_or_braced(|parser| {
            parser.sign(b'!');
            let text = parser.texts()?;
            if parser.sign(b'/') {
                let bits = parser.number()?;
                if !(0..=48).contains(&bits) {
                    return parser.refuse("invalid MAC mask length");
                }
            }
            let (address, mask) = text.split_once('&').map_or((text.as_str(), None), |(a, mask)| (a, Some(mask)));
            if !is_hardware_address(address) {
                return parser.refuse("invalid MAC address");
            }
            if mask.is_some_and(|mask| !is_hardware_address(mask)) {
                return parser.refuse("invalid MAC mask");
            }
            Ok(vec![()])
        })
        .map(|_| ())
    }

    fn ethernet_anchor(&mut self) -> Taken<()> {
        self.shift();
        let name = self.anchor_name()?;
        self.direction();
        self.key("quick");
        self.interface()?;
        self.ethernet_scope()?;
        let inline = self.sign(b'{');
        if inline {
            self.deeper()?;
            self.expect_sign(b'\n')?;
            while !self.sign(b'}') {
                if !self.is_sign(b'\n') {
                    if !self.is_key("ether") {
                        return self.syntax();
                    }
                    self.ethernet()?;
                }
                self.expect_sign(b'\n')?;
            }
        } else {
            self.complete()?;
        }
        self.enter(Section::Ethernet)?;
        match name {
            Some(name) if inline && name.contains('/') => {
                self.complain("anchor paths containing '/' cannot be used for inline anchors.");
                Err(Refused)
            }
            None if !inline => self.refuse("anchors without explicit rules must specify a name"),
            _ => Ok(()),
        }
    }
}

/// Six numbers in hexadecimal with colons between them.
fn is_hardware_address(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    parts.len() == 6 && parts.iter().all(|part| matches!(part.len(), 1 | 2) && u8::from_str_radix(part, 16).is_ok())
}
