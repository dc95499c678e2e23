//! What stands behind both ends of a rule that filters: flags, types, states, labels, tags, queues, translations.

use super::grammar::{Parser, Refused, Taken};
use super::lexer::Token;
use super::names::{self, TCP};
use super::rules::{IcmpKind, Keep, On, Rule};
use super::scrub::ScrubGiven;
use super::states::{StateOption, positive};

/// Tags' and queues' names, and labels, are shorter than this.
pub(super) const NAME: usize = 64;
/// Labels of one rule.
const LABELS: usize = 5;

/// Options that a rule may have once only.
#[derive(Default)]
pub(super) struct Given {
    pub flags: bool,
    icmp: bool,
    prio: bool,
    tos: bool,
    pub keep: bool,
    set_prio: bool,
    set_tos: bool,
    pub states: Vec<StateOption>,
}

impl Parser<'_> {
    fn flag_set(&mut self) -> Taken<u8> {
        let text = self.text()?;
        match names::flags(&text, self.major) {
            Some(bits) => Ok(bits),
            None => self.refuse(format_args!("bad flags {text}")),
        }
    }

    fn icmp(&mut self, six: bool) -> Taken<Vec<IcmpKind>> {
        let name = if six { "icmp6-type" } else { "icmp-type" };
        self.one_or_braced(|parser| {
            let kind = if parser.is_text() {
                let word = parser.text()?;
                match names::icmp_type(&word, six) {
                    Some(kind) => kind,
                    None => return parser.refuse(format_args!("unknown {name} {word}")),
                }
            } else {
                let number = parser.number()?;
                match u8::try_from(number) {
                    Ok(kind) => kind,
                    Err(_) => return parser.refuse(format_args!("illegal {name} {}", number.cast_unsigned())),
                }
            };
            if !parser.key("code") {
                return Ok(vec![IcmpKind { kind, code: None, six }]);
            }
            let code = if parser.is_text() {
                let word = parser.text()?;
                match names::icmp_code(kind, &word, six) {
                    Some(code) => code,
                    None => {
                        let name = name.replace("type", "code");
                        return parser.refuse(format_args!("unknown {name} {word}"));
                    }
                }
            } else {
                let number = parser.number()?;
                match u8::try_from(number) {
                    Ok(code) => code,
                    Err(_) => return parser.refuse(format_args!("illegal icmp-code {}", number.cast_unsigned())),
                }
            };
            Ok(vec![IcmpKind { kind, code: Some(code), six }])
        })
    }

    pub fn tos(&mut self) -> Taken<u8> {
        if !self.is_text() {
            let number = self.number()?;
            return match u8::try_from(number) {
                Ok(tos) => Ok(tos),
                Err(_) => self.refuse(format_args!("illegal tos value {}", number.cast_unsigned())),
            };
        }
        let text = self.text()?;
        let value = names::service_class(&text)
            .or_else(|| text.strip_prefix("0x").and_then(|digits| u8::from_str_radix(digits, 16).ok()));
        match value {
            Some(tos) => Ok(tos),
            None => self.refuse(format_args!("illegal tos value {text}")),
        }
    }

    /// What stands behind from and to in a filter rule or an anchor.
    pub fn filter_options(&mut self, rule: &mut Rule) -> Taken<Given> {
        let mut given = Given::default();
        loop {
            if self.is_sign(b'!') {
                self.shift();
                if self.key("tagged") {
                    rule.tagged = Some((true, self.texts()?));
                } else if self.key("received-on") {
                    self.received_on(rule, true)?;
                } else {
                    return self.syntax();
                }
                continue;
            }
            let Token::Key(word) = *self.peek() else { return Ok(given) };
            if !self.filter_option(word, rule, &mut given)? {
                return Ok(given);
            }
        }
    }

    fn received_on(&mut self, rule: &mut Rule, not: bool) -> Taken<()> {
        let name = self.interface_name()?;
        if rule.received_on.is_some() {
            return self.refuse("cannot respecify received-on");
        }
        rule.received_on = Some(On { name, not });
        Ok(())
    }

    /// One option; false when the word is none.
    fn filter_option(&mut self, word: &'static str, rule: &mut Rule, given: &mut Given) -> Taken<bool> {
        match word {
            "user" => {
                self.shift();
                let mut users = self.accounts(word)?;
                users.append(&mut rule.users);
                rule.users = users;
            }
            "group" => {
                self.shift();
                let mut groups = self.accounts(word)?;
                groups.append(&mut rule.groups);
                rule.groups = groups;
            }
            "flags" => {
                self.shift();
                let flags = if self.key("any") {
                    (0, 0)
                } else if self.sign(b'/') {
                    (0, self.flag_set()?)
                } else {
                    let set = self.flag_set()?;
                    self.expect_sign(b'/')?;
                    (set, self.flag_set()?)
                };
                self.once(given.flags, "flags cannot be redefined")?;
                given.flags = true;
                rule.flags = flags;
            }
            "icmp-type" | "icmp6-type" => {
                self.shift();
                let icmp = self.icmp(word == "icmp6-type")?;
                self.once(given.icmp, "icmp-type cannot be redefined")?;
                given.icmp = true;
                rule.icmp = icmp;
            }
            "prio" => {
                self.shift();
                let number = self.number()?;
                self.once(given.prio, "prio cannot be redefined")?;
                match u8::try_from(number) {
                    Ok(prio) if prio <= 7 => rule.prio = Some(prio),
                    _ => return self.refuse("prio must be 0 - 7"),
                }
                given.prio = true;
            }
            "tos" => {
                self.shift();
                let tos = self.tos()?;
                self.once(given.tos, "tos cannot be redefined")?;
                given.tos = true;
                rule.tos = tos;
            }
            "no" | "keep" | "modulate" | "synproxy" => {
                self.shift();
                self.expect("state")?;
                let mut states = Vec::new();
                if word != "no" && self.sign(b'(') {
                    states = self.state_options()?;
                    self.expect_sign(b')')?;
                }
                self.once(given.keep, "modulate or keep cannot be redefined")?;
                given.keep = true;
                given.states = states;
                rule.keep = match word {
                    "keep" => Keep::Plain,
                    "modulate" => Keep::Modulate,
                    "synproxy" => Keep::Synproxy,
                    _ => Keep::No,
                };
            }
            "ridentifier" => {
                self.shift();
                rule.ridentifier = self.integer()? & 0xffff_ffff;
            }
            "fragment" => {
                self.shift();
                rule.fragment = true;
            }
            "allow-opts" => {
                self.shift();
                rule.allow_opts = true;
            }
            "label" => {
                self.shift();
                self.label(rule)?;
            }
            "queue" => {
                self.shift();
                let queues = self.queue_names(true)?;
                self.once(!rule.queues.0.is_empty(), "queue cannot be redefined")?;
                rule.queues = queues;
            }
            "dnpipe" | "dnqueue" => {
                self.shift();
                let (mut back, there);
                if self.sign(b'(') {
                    there = self.integer()?;
                    back = 0;
                    if !self.sign(b')') {
                        self.comma();
                        back = self.integer()?;
                        self.expect_sign(b')')?;
                    }
                } else {
                    there = self.integer()?;
                    back = rule.pipe.map_or(0, |(_, _, back)| back);
                }
                back &= 0xffff;
                let pipe = word == "dnpipe" || rule.pipe.is_some_and(|(pipe, _, _)| pipe);
                rule.pipe = Some((pipe, there & 0xffff, back)).filter(|(_, there, back)| (*there, *back) != (0, 0));
            }
            "tag" => {
                self.shift();
                rule.tag = self.texts()?;
            }
            "tagged" => {
                self.shift();
                rule.tagged = Some((false, self.texts()?));
            }
            "received-on" => {
                self.shift();
                self.received_on(rule, false)?;
            }
            "probability" => {
                self.shift();
                rule.probability = Some(self.probability()?);
            }
            "rtable" => {
                self.shift();
                rule.rtable = Some(self.routing_table()?);
            }
            "divert-to" => {
                self.shift();
                rule.divert = Some(self.divert()?);
            }
            "divert-reply" => {
                self.shift();
                return self.refuse("divert-reply has no meaning in FreeBSD pf(4)");
            }
            "scrub" if self.major >= 14 => {
                self.shift();
                self.expect_sign(b'(')?;
                let given_here = if self.is_sign(b')') { ScrubGiven::default() } else { self.scrub_options(rule)? };
                self.expect_sign(b')')?;
                given.set_tos |= given_here.tos;
            }
            "set" => {
                self.shift();
                if self.sign(b'(') {
                    self.set_option(rule, given)?;
                    while !self.sign(b')') {
                        self.comma();
                        self.set_option(rule, given)?;
                    }
                } else {
                    self.set_option(rule, given)?;
                }
            }
            "nat-to" | "binat-to" => {
                self.shift();
                let mut redirect = self.redirect()?;
                self.once(rule.nat.is_some(), "cannot respecify nat-to/binat-to")?;
                if word == "binat-to" {
                    redirect.binat = true;
                    redirect.options.static_port = true;
                }
                rule.nat = Some(redirect);
            }
            "rdr-to" => {
                self.shift();
                let redirect = self.redirect()?;
                self.once(rule.rdr.is_some(), "cannot respecify rdr-to")?;
                rule.rdr = Some(redirect);
            }
            "af-to" => {
                self.shift();
                self.af_to(rule)?;
            }
            "max-pkt-rate" => {
                self.shift();
                let rate = self.rate()?;
                self.once(rule.packet_rate.0 != 0, "cannot respecify max-pkt-rate")?;
                rule.packet_rate = rate;
            }
            "max-pkt-size" => {
                self.shift();
                let size = self.number_to(65535, positive)?;
                rule.packet_size = u16::try_from(size).unwrap_or_default();
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn set_option(&mut self, rule: &mut Rule, given: &mut Given) -> Taken<()> {
        if self.key("prio") {
            let prio = if self.sign(b'(') {
                let first = self.number()?;
                self.comma();
                let second = self.number()?;
                self.expect_sign(b')')?;
                (first, second)
            } else {
                let prio = self.number()?;
                (prio, prio)
            };
            let (Ok(first @ 0..=7), Ok(second @ 0..=7)) = (u8::try_from(prio.0), u8::try_from(prio.1)) else {
                return self.refuse("prio must be 0 - 7");
            };
            self.once(given.set_prio, "prio cannot be redefined")?;
            given.set_prio = true;
            rule.set_prio = Some((first, second));
            return Ok(());
        }
        if self.major >= 14 && self.key("tos") {
            let tos = self.tos()?;
            self.once(given.set_tos, "tos cannot be respecified")?;
            given.set_tos = true;
            rule.set_tos = Some(tos);
            return Ok(());
        }
        self.syntax()
    }

    pub fn label(&mut self, rule: &mut Rule) -> Taken<()> {
        let label = self.text()?;
        let most = if self.major >= 14 { LABELS } else { 1 };
        if rule.labels.len() >= most {
            return if most == 1 {
                self.refuse("label cannot be redefined")
            } else {
                self.refuse(format_args!("label can only be used {LABELS} times"))
            };
        }
        rule.labels.push(label);
        Ok(())
    }

    /// `queue NAME`, `queue (NAME)`, and with `two` also `queue (NAME, NAME)`.
    pub fn queue_names(&mut self, two: bool) -> Taken<(String, String)> {
        if !self.sign(b'(') {
            return Ok((self.text()?, String::new()));
        }
        let first = self.text()?;
        let mut second = String::new();
        if two && !self.is_sign(b')') {
            self.comma();
            second = self.text()?;
        }
        self.expect_sign(b')')?;
        Ok((first, second))
    }

    fn probability(&mut self) -> Taken<u32> {
        let share = if self.is_text() {
            let text = self.text()?;
            let (digits, factor) = text.strip_suffix('%').map_or((text.as_str(), 1.0), |digits| (digits, 0.01));
            match if digits.is_empty() { Ok(0.0) } else { digits.parse::<f64>() } {
                Ok(share) => share * factor,
                Err(_) => return self.refuse(format_args!("invalid probability: {text}")),
            }
        } else {
            #[allow(clippy::cast_precision_loss, reason = "a share: its last digits do not matter")]
            let share = self.number()? as f64;
            share
        };
        let value = (share * f64::from(u32::MAX) + 0.5).floor();
        if !(0.0..=f64::from(u32::MAX)).contains(&value) {
            return self.refuse(format_args!("invalid probability: {value:.6}"));
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within the range, as was just seen"
        )]
        let value = value as u32;
        Ok(value.max(1))
    }

    /// A routing table's number; a stock kernel has one, number 0.
    pub fn routing_table(&mut self) -> Taken<u64> {
        match self.number()? {
            0 => Ok(0),
            _ => self.refuse("invalid rtable id"),
        }
    }

    fn divert(&mut self) -> Taken<u16> {
        let named = self.is_text();
        let text = self.number_or_text()?;
        let port = if named && self.key("port") {
            self.port_range(true)?.0
        } else if named && (self.is_text() || !self.may_follow_host()) {
            return self.syntax();
        } else if text.contains(':') {
            return Err(Refused);
        } else {
            self.port(&text)?
        };
        if port == 0 {
            return self.refuse("invalid divert port: 0");
        }
        Ok(port)
    }

    fn af_to(&mut self, rule: &mut Rule) -> Taken<()> {
        let family = self.family();
        self.expect("from")?;
        let mut from = self.redirect()?;
        let mut to = None;
        if self.key("to") {
            to = Some(self.redirect()?);
        }
        self.once(rule.nat.is_some(), "cannot respecify af-to")?;
        let Some(family) = family else { return self.refuse("no address family specified") };
        for redirect in std::iter::once(&mut from).chain(to.as_mut()) {
            redirect.family = Some(family);
            redirect.hosts.retain(|host| host.family.is_none_or(|its| its == family));
        }
        if from.hosts.is_empty() || to.as_ref().is_some_and(|to| to.hosts.is_empty()) {
            return self.refuse("af-to addresses must be in the target address family");
        }
        rule.nat = Some(from);
        if to.is_some() {
            rule.rdr = to;
        }
        rule.af_to = true;
        Ok(())
    }

    /// What pfctl checks when it takes options into a rule.
    pub fn check_options(&mut self, rule: &Rule) -> Taken<()> {
        let tagged = rule.tagged.as_ref().map_or(0, |(_, name)| name.len());
        if rule.tag.len() >= NAME || tagged >= NAME {
            return self.refuse("tag too long, max 63 chars");
        }
        if rule.labels.iter().any(|label| label.len() >= NAME) {
            return self.refuse("rule label too long (max 63 chars)");
        }
        if rule.flags.0 & rule.flags.1 != rule.flags.0 {
            return self.refuse("flags always false");
        }
        for (name, word) in [(&rule.queues.0, "qname"), (&rule.queues.1, "pqname")] {
            if name.len() >= NAME {
                return self.refuse(format_args!("rule {word} too long (max 63 chars)"));
            }
        }
        Ok(())
    }

    /// Flags and systems are TCP's only.
    pub fn check_tcp(&mut self, rule: &Rule) -> Taken<()> {
        let flags = rule.flags != (0, 0);
        if !flags && rule.systems.is_empty() || rule.protocols.is_empty() || rule.protocols.contains(&TCP) {
            return Ok(());
        }
        if flags {
            self.complain("flags only apply to tcp");
        }
        if !rule.systems.is_empty() {
            let anchor = rule.nameless || !rule.anchor.is_empty();
            let apply = if anchor { "applies" } else { "apply" };
            self.complain(format_args!("OS fingerprinting only {apply} to tcp"));
        }
        Err(Refused)
    }
}
