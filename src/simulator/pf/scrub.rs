//! Normalization: `scrub …`, and its options as other rules have them in `scrub (…)`.

use super::grammar::{Parser, Section};
use super::lexer::Token;
use super::options::{self, NAME};
use super::peers;
use super::rules::{Action, Direction, Rule};
use super::tokens::{Taken, Tokens};

/// What may be given once in a scrub rule, or in `scrub (…)`.
#[derive(Default)]
pub(super) struct ScrubGiven {
    min_ttl: bool,
    max_mss: bool,
    pub(crate) tos: bool,
    fragment: bool,
}

impl Parser<'_> {
    /// `scrub …`
    pub fn scrub(&mut self, no: bool) -> Taken<()> {
        self.tokens.shift();
        let mut rule = Rule {
            action: if no { Action::NoScrub } else { Action::Scrub },
            direction: peers::direction(&mut self.tokens),
            ..Rule::default()
        };
        let quick;
        (rule.log, quick) = peers::log_quick(&mut self.tokens)?;
        rule.on = peers::interface(&mut self.tokens)?;
        rule.family = peers::family(&mut self.tokens);
        peers::scope(&mut self.tokens, &mut rule)?;
        if !self.tokens.is_sign(b'\n') {
            scrub_options(&mut self.tokens, &mut rule)?;
        }
        self.tokens.complete()?;
        self.order.enter(&mut self.tokens, Section::Normalization)?;
        if quick {
            return self.tokens.refuse("scrub rules do not support 'quick'");
        }
        if rule.reassemble_tcp && rule.direction != Direction::Both {
            return self.tokens.refuse("reassemble tcp rules can not specify direction");
        }
        if rule.tagged.as_ref().is_some_and(|(_, name)| name.len() >= NAME) {
            return self.tokens.refuse("tag too long, max 63 chars");
        }
        self.sheets.spread(&mut self.tokens, rule)
    }
}

/// The options of scrub, at least one.
pub(super) fn scrub_options(tokens: &mut Tokens<'_>, rule: &mut Rule) -> Taken<ScrubGiven> {
    let mut given = ScrubGiven::default();
    loop {
        scrub_option(tokens, rule, &mut given)?;
        let comma = tokens.sign(b',');
        let ends = matches!(tokens.peek(), Token::Sign(b'\n' | b')') | Token::End);
        if !comma && ends {
            return Ok(given);
        }
    }
}

fn scrub_option(tokens: &mut Tokens<'_>, rule: &mut Rule, given: &mut ScrubGiven) -> Taken<()> {
    let not = tokens.sign(b'!');
    let Token::Key(word) = *tokens.peek() else { return tokens.syntax() };
    if not && word != "tagged" {
        return tokens.syntax();
    }
    match word {
        "no-df" => {
            tokens.shift();
            tokens.once(rule.no_df, "no-df cannot be respecified")?;
            rule.no_df = true;
        }
        "random-id" => {
            tokens.shift();
            tokens.once(rule.random_id, "random-id cannot be respecified")?;
            rule.random_id = true;
        }
        "min-ttl" => {
            tokens.shift();
            let number = tokens.number()?;
            tokens.once(given.min_ttl, "min-ttl cannot be respecified")?;
            given.min_ttl = true;
            match u8::try_from(number) {
                Ok(ttl) => rule.min_ttl = ttl,
                Err(_) => return tokens.refuse(format_args!("illegal min-ttl value {number}")),
            }
        }
        "max-mss" => {
            tokens.shift();
            let number = tokens.number()?;
            tokens.once(given.max_mss, "max-mss cannot be respecified")?;
            given.max_mss = true;
            match u16::try_from(number) {
                Ok(mss) => rule.max_mss = mss,
                Err(_) => return tokens.refuse(format_args!("illegal max-mss value {number}")),
            }
        }
        "set-tos" => {
            tokens.shift();
            let tos = options::tos(tokens)?;
            tokens.once(given.tos, "set-tos cannot be respecified")?;
            given.tos = true;
            rule.set_tos = Some(tos);
        }
        "fragment" => {
            tokens.shift();
            rule.no_reassemble = tokens.key("no");
            tokens.expect("reassemble")?;
            tokens.once(given.fragment, "fragcache cannot be respecified")?;
            given.fragment = true;
        }
        "reassemble" => {
            tokens.shift();
            let what = tokens.text()?;
            if !what.eq_ignore_ascii_case("tcp") {
                return tokens.refuse(format_args!("scrub reassemble supports only tcp, not '{what}'"));
            }
            tokens.once(rule.reassemble_tcp, "reassemble tcp cannot be respecified")?;
            rule.reassemble_tcp = true;
        }
        "rtable" => {
            tokens.shift();
            rule.rtable = Some(options::routing_table(tokens)?);
        }
        "tagged" => {
            tokens.shift();
            rule.tagged = Some((not, tokens.texts()?));
        }
        _ => return tokens.syntax(),
    }
    Ok(())
}
