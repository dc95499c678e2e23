//! What stands behind both ends of a rule that filters: flags, types, states, labels, tags, queues, translations.

use super::lexer::Token;
use super::names::{self, TCP};
use super::rules::{IcmpKind, Keep, On, Rule};
use super::scrub::{self, ScrubGiven};
use super::states::{self, StateOption, positive};
use super::tokens::{Refused, Taken, Tokens};
use super::{peers, redirect};

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

fn flag_set(tokens: &mut Tokens<'_>) -> Taken<u8> {
    let text = tokens.text()?;
    match names::flags(&text, tokens.major) {
        Some(bits) => Ok(bits),
        None => tokens.refuse(format_args!("bad flags {text}")),
    }
}

fn icmp(tokens: &mut Tokens<'_>, six: bool) -> Taken<Vec<IcmpKind>> {
    let name = if six { "icmp6-type" } else { "icmp-type" };
    tokens.one_or_braced(|tokens| {
        let kind = if tokens.is_text() {
            let word = tokens.text()?;
            match names::icmp_type(&word, six) {
                Some(kind) => kind,
                None => return tokens.refuse(format_args!("unknown {name} {word}")),
            }
        } else {
            let number = tokens.number()?;
            match u8::try_from(number) {
                Ok(kind) => kind,
                Err(_) => return tokens.refuse(format_args!("illegal {name} {}", number.cast_unsigned())),
            }
        };
        if !tokens.key("code") {
            return Ok(vec![IcmpKind { kind, code: None, six }]);
        }
        let code = if tokens.is_text() {
            let word = tokens.text()?;
            match names::icmp_code(kind, &word, six) {
                Some(code) => code,
                None => {
                    let name = name.replace("type", "code");
                    return tokens.refuse(format_args!("unknown {name} {word}"));
                }
            }
        } else {
            let number = tokens.number()?;
            match u8::try_from(number) {
                Ok(code) => code,
                Err(_) => return tokens.refuse(format_args!("illegal icmp-code {}", number.cast_unsigned())),
            }
        };
        Ok(vec![IcmpKind { kind, code: Some(code), six }])
    })
}

pub(super) fn tos(tokens: &mut Tokens<'_>) -> Taken<u8> {
    if !tokens.is_text() {
        let number = tokens.number()?;
        return match u8::try_from(number) {
            Ok(tos) => Ok(tos),
            Err(_) => tokens.refuse(format_args!("illegal tos value {}", number.cast_unsigned())),
        };
    }
    let text = tokens.text()?;
    let value = names::service_class(&text)
        .or_else(|| text.strip_prefix("0x").and_then(|digits| u8::from_str_radix(digits, 16).ok()));
    match value {
        Some(tos) => Ok(tos),
        None => tokens.refuse(format_args!("illegal tos value {text}")),
    }
}

/// What stands behind from and to in a filter rule or an anchor.
pub(super) fn filter_options(tokens: &mut Tokens<'_>, rule: &mut Rule) -> Taken<Given> {
    let mut given = Given::default();
    loop {
        if tokens.is_sign(b'!') {
            tokens.shift();
            if tokens.key("tagged") {
                rule.tagged = Some((true, tokens.texts()?));
            } else if tokens.key("received-on") {
                received_on(tokens, rule, true)?;
            } else {
                return tokens.syntax();
            }
            continue;
        }
        let Token::Key(word) = *tokens.peek() else { return Ok(given) };
        if !filter_option(tokens, word, rule, &mut given)? {
            return Ok(given);
        }
    }
}

fn received_on(tokens: &mut Tokens<'_>, rule: &mut Rule, not: bool) -> Taken<()> {
    let name = peers::interface_name(tokens)?;
    if rule.received_on.is_some() {
        return tokens.refuse("cannot respecify received-on");
    }
    rule.received_on = Some(On { name, not });
    Ok(())
}

/// One option; false when the word is none.
fn filter_option(tokens: &mut Tokens<'_>, word: &'static str, rule: &mut Rule, given: &mut Given) -> Taken<bool> {
    match word {
        "user" => {
            tokens.shift();
            let mut users = peers::accounts(tokens, word)?;
            users.append(&mut rule.users);
            rule.users = users;
        }
        "group" => {
            tokens.shift();
            let mut groups = peers::accounts(tokens, word)?;
            groups.append(&mut rule.groups);
            rule.groups = groups;
        }
        "flags" => {
            tokens.shift();
            let flags = if tokens.key("any") {
                (0, 0)
            } else if tokens.sign(b'/') {
                (0, flag_set(tokens)?)
            } else {
                let set = flag_set(tokens)?;
                tokens.expect_sign(b'/')?;
                (set, flag_set(tokens)?)
            };
            tokens.once(given.flags, "flags cannot be redefined")?;
            given.flags = true;
            rule.flags = flags;
        }
        "icmp-type" | "icmp6-type" => {
            tokens.shift();
            let icmp = icmp(tokens, word == "icmp6-type")?;
            tokens.once(given.icmp, "icmp-type cannot be redefined")?;
            given.icmp = true;
            rule.icmp = icmp;
        }
        "prio" => {
            tokens.shift();
            let number = tokens.number()?;
            tokens.once(given.prio, "prio cannot be redefined")?;
            match u8::try_from(number) {
                Ok(prio) if prio <= 7 => rule.prio = Some(prio),
                _ => return tokens.refuse("prio must be 0 - 7"),
            }
            given.prio = true;
        }
        "tos" => {
            tokens.shift();
            let tos = tos(tokens)?;
            tokens.once(given.tos, "tos cannot be redefined")?;
            given.tos = true;
            rule.tos = tos;
        }
        "no" | "keep" | "modulate" | "synproxy" => {
            tokens.shift();
            tokens.expect("state")?;
            let mut states = Vec::new();
            if word != "no" && tokens.sign(b'(') {
                states = states::state_options(tokens)?;
                tokens.expect_sign(b')')?;
            }
            tokens.once(given.keep, "modulate or keep cannot be redefined")?;
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
            tokens.shift();
            rule.ridentifier = tokens.integer()? & 0xffff_ffff;
        }
        "fragment" => {
            tokens.shift();
            rule.fragment = true;
        }
        "allow-opts" => {
            tokens.shift();
            rule.allow_opts = true;
        }
        "label" => {
            tokens.shift();
            label(tokens, rule)?;
        }
        "queue" => {
            tokens.shift();
            let queues = queue_names(tokens, true)?;
            tokens.once(!rule.queues.0.is_empty(), "queue cannot be redefined")?;
            rule.queues = queues;
        }
        "dnpipe" | "dnqueue" => {
            tokens.shift();
            let (mut back, there);
            if tokens.sign(b'(') {
                there = tokens.integer()?;
                back = 0;
                if !tokens.sign(b')') {
                    tokens.comma();
                    back = tokens.integer()?;
                    tokens.expect_sign(b')')?;
                }
            } else {
                there = tokens.integer()?;
                back = rule.pipe.map_or(0, |(_, _, back)| back);
            }
            back &= 0xffff;
            let pipe = word == "dnpipe" || rule.pipe.is_some_and(|(pipe, _, _)| pipe);
            rule.pipe = Some((pipe, there & 0xffff, back)).filter(|(_, there, back)| (*there, *back) != (0, 0));
        }
        "tag" => {
            tokens.shift();
            rule.tag = tokens.texts()?;
        }
        "tagged" => {
            tokens.shift();
            rule.tagged = Some((false, tokens.texts()?));
        }
        "received-on" => {
            tokens.shift();
            received_on(tokens, rule, false)?;
        }
        "probability" => {
            tokens.shift();
            rule.probability = Some(probability(tokens)?);
        }
        "rtable" => {
            tokens.shift();
            rule.rtable = Some(routing_table(tokens)?);
        }
        "divert-to" => {
            tokens.shift();
            rule.divert = Some(divert(tokens)?);
        }
        "divert-reply" => {
            tokens.shift();
            return tokens.refuse("divert-reply has no meaning in FreeBSD pf(4)");
        }
        "scrub" if tokens.major >= 14 => {
            tokens.shift();
            tokens.expect_sign(b'(')?;
            let given_here =
                if tokens.is_sign(b')') { ScrubGiven::default() } else { scrub::scrub_options(tokens, rule)? };
            tokens.expect_sign(b')')?;
            given.set_tos |= given_here.tos;
        }
        "set" => {
            tokens.shift();
            if tokens.sign(b'(') {
                set_option(tokens, rule, given)?;
                while !tokens.sign(b')') {
                    tokens.comma();
                    set_option(tokens, rule, given)?;
                }
            } else {
                set_option(tokens, rule, given)?;
            }
        }
        "nat-to" | "binat-to" => {
            tokens.shift();
            let mut redirect = redirect::redirect(tokens)?;
            tokens.once(rule.nat.is_some(), "cannot respecify nat-to/binat-to")?;
            if word == "binat-to" {
                redirect.binat = true;
                redirect.options.static_port = true;
            }
            rule.nat = Some(redirect);
        }
        "rdr-to" => {
            tokens.shift();
            let redirect = redirect::redirect(tokens)?;
            tokens.once(rule.rdr.is_some(), "cannot respecify rdr-to")?;
            rule.rdr = Some(redirect);
        }
        "af-to" => {
            tokens.shift();
            af_to(tokens, rule)?;
        }
        "max-pkt-rate" => {
            tokens.shift();
            let rate = states::rate(tokens)?;
            tokens.once(rule.packet_rate.0 != 0, "cannot respecify max-pkt-rate")?;
            rule.packet_rate = rate;
        }
        "max-pkt-size" => {
            tokens.shift();
            let size = tokens.number_to(65535, positive)?;
            rule.packet_size = u16::try_from(size).unwrap_or_default();
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn set_option(tokens: &mut Tokens<'_>, rule: &mut Rule, given: &mut Given) -> Taken<()> {
    if tokens.key("prio") {
        let prio = if tokens.sign(b'(') {
            let first = tokens.number()?;
            tokens.comma();
            let second = tokens.number()?;
            tokens.expect_sign(b')')?;
            (first, second)
        } else {
            let prio = tokens.number()?;
            (prio, prio)
        };
        let (Ok(first @ 0..=7), Ok(second @ 0..=7)) = (u8::try_from(prio.0), u8::try_from(prio.1)) else {
            return tokens.refuse("prio must be 0 - 7");
        };
        tokens.once(given.set_prio, "prio cannot be redefined")?;
        given.set_prio = true;
        rule.set_prio = Some((first, second));
        return Ok(());
    }
    if tokens.major >= 14 && tokens.key("tos") {
        let tos = tos(tokens)?;
        tokens.once(given.set_tos, "tos cannot be respecified")?;
        given.set_tos = true;
        rule.set_tos = Some(tos);
        return Ok(());
    }
    tokens.syntax()
}

pub(super) fn label(tokens: &mut Tokens<'_>, rule: &mut Rule) -> Taken<()> {
    let label = tokens.text()?;
    let most = if tokens.major >= 14 { LABELS } else { 1 };
    if rule.labels.len() >= most {
        return if most == 1 {
            tokens.refuse("label cannot be redefined")
        } else {
            tokens.refuse(format_args!("label can only be used {LABELS} times"))
        };
    }
    rule.labels.push(label);
    Ok(())
}

/// `queue NAME`, `queue (NAME)`, and with `two` also `queue (NAME, NAME)`.
pub(super) fn queue_names(tokens: &mut Tokens<'_>, two: bool) -> Taken<(String, String)> {
    if !tokens.sign(b'(') {
        return Ok((tokens.text()?, String::new()));
    }
    let first = tokens.text()?;
    let mut second = String::new();
    if two && !tokens.is_sign(b')') {
        tokens.comma();
        second = tokens.text()?;
    }
    tokens.expect_sign(b')')?;
    Ok((first, second))
}

fn probability(tokens: &mut Tokens<'_>) -> Taken<u32> {
    let share = if tokens.is_text() {
        let text = tokens.text()?;
        let (digits, factor) = text.strip_suffix('%').map_or((text.as_str(), 1.0), |digits| (digits, 0.01));
        match if digits.is_empty() { Ok(0.0) } else { digits.parse::<f64>() } {
            Ok(share) => share * factor,
            Err(_) => return tokens.refuse(format_args!("invalid probability: {text}")),
        }
    } else {
        #[allow(clippy::cast_precision_loss, reason = "a share: its last digits do not matter")]
        let share = tokens.number()? as f64;
        share
    };
    let value = (share * f64::from(u32::MAX) + 0.5).floor();
    if !(0.0..=f64::from(u32::MAX)).contains(&value) {
        return tokens.refuse(format_args!("invalid probability: {value:.6}"));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range, as was just seen")]
    let value = value as u32;
    Ok(value.max(1))
}

/// A routing table's number; a stock kernel has one, number 0.
pub(super) fn routing_table(tokens: &mut Tokens<'_>) -> Taken<u64> {
    match tokens.number()? {
        0 => Ok(0),
        _ => tokens.refuse("invalid rtable id"),
    }
}

fn divert(tokens: &mut Tokens<'_>) -> Taken<u16> {
    let named = tokens.is_text();
    let text = tokens.number_or_text()?;
    let port = if named && tokens.key("port") {
        peers::port_range(tokens, true)?.0
    } else if named && (tokens.is_text() || !peers::may_follow_host(tokens)) {
        return tokens.syntax();
    } else if text.contains(':') {
        return Err(Refused);
    } else {
        peers::port(tokens, &text)?
    };
    if port == 0 {
        return tokens.refuse("invalid divert port: 0");
    }
    Ok(port)
}

fn af_to(tokens: &mut Tokens<'_>, rule: &mut Rule) -> Taken<()> {
    let family = peers::family(tokens);
    tokens.expect("from")?;
    let mut from = redirect::redirect(tokens)?;
    let mut to = None;
    if tokens.key("to") {
        to = Some(redirect::redirect(tokens)?);
    }
    tokens.once(rule.nat.is_some(), "cannot respecify af-to")?;
    let Some(family) = family else { return tokens.refuse("no address family specified") };
    for redirect in std::iter::once(&mut from).chain(to.as_mut()) {
        redirect.family = Some(family);
        redirect.hosts.retain(|host| host.family.is_none_or(|its| its == family));
    }
    if from.hosts.is_empty() || to.as_ref().is_some_and(|to| to.hosts.is_empty()) {
        return tokens.refuse("af-to addresses must be in the target address family");
    }
    rule.nat = Some(from);
    if to.is_some() {
        rule.rdr = to;
    }
    rule.af_to = true;
    Ok(())
}

/// What pfctl checks when it takes options into a rule.
pub(super) fn check_options(tokens: &mut Tokens<'_>, rule: &Rule) -> Taken<()> {
    let tagged = rule.tagged.as_ref().map_or(0, |(_, name)| name.len());
    if rule.tag.len() >= NAME || tagged >= NAME {
        return tokens.refuse("tag too long, max 63 chars");
    }
    if rule.labels.iter().any(|label| label.len() >= NAME) {
        return tokens.refuse("rule label too long (max 63 chars)");
    }
    if rule.flags.0 & rule.flags.1 != rule.flags.0 {
        return tokens.refuse("flags always false");
    }
    for (name, word) in [(&rule.queues.0, "qname"), (&rule.queues.1, "pqname")] {
        if name.len() >= NAME {
            return tokens.refuse(format_args!("rule {word} too long (max 63 chars)"));
        }
    }
    Ok(())
}

/// Flags and systems are TCP's only.
pub(super) fn check_tcp(tokens: &mut Tokens<'_>, rule: &Rule) -> Taken<()> {
    let flags = rule.flags != (0, 0);
    if !flags && rule.systems.is_empty() || rule.protocols.is_empty() || rule.protocols.contains(&TCP) {
        return Ok(());
    }
    if flags {
        tokens.complain("flags only apply to tcp");
    }
    if !rule.systems.is_empty() {
        let anchor = rule.nameless || !rule.anchor.is_empty();
        let apply = if anchor { "applies" } else { "apply" };
        tokens.complain(format_args!("OS fingerprinting only {apply} to tcp"));
    }
    Err(Refused)
}
