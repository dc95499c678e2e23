//! Normalization: `scrub …`, and its options as other rules have them in `scrub (…)`.

use super::grammar::{Parser, Section, Taken};
use super::lexer::Token;
use super::options::NAME;
use super::rules::{Action, Direction, Rule};

/// What may be given once in a scrub rule, or in `scrub (…)`.
#[derive(Default)]
pub(super) struct ScrubGiven {
    min_ttl: bool,
    max_mss: bool,
    pub tos: bool,
    fragment: bool,
}

impl Parser<'_> {
    /// `scrub …`
    pub fn scrub(&mut self, no: bool) -> Taken<()> {
        self.shift();
        let mut rule = Rule {
            action: if no { Action::NoScrub } else { Action::Scrub },
            direction: self.direction(),
            ..Rule::default()
        };
        let quick;
        (rule.log, quick) = self.log_quick()?;
        rule.on = self.interface()?;
        rule.family = self.family();
        self.scope(&mut rule)?;
        if !self.is_sign(b'\n') {
            self.scrub_options(&mut rule)?;
        }
        self.complete()?;
        self.enter(Section::Normalization)?;
        if quick {
            return self.refuse("scrub rules do not support 'quick'");
        }
        if rule.reassemble_tcp && rule.direction != Direction::Both {
            return self.refuse("reassemble tcp rules can not specify direction");
        }
        if rule.tagged.as_ref().is_some_and(|(_, name)| name.len() >= NAME) {
            return self.refuse("tag too long, max 63 chars");
        }
        self.spread(rule)
    }

    /// The options of scrub, at least one.
    pub fn scrub_options(&mut self, rule: &mut Rule) -> Taken<ScrubGiven> {
        let mut given = ScrubGiven::default();
        loop {
            self.scrub_option(rule, &mut given)?;
            let comma = self.sign(b',');
            let ends = matches!(self.peek(), Token::Sign(b'\n' | b')') | Token::End);
            if !comma && ends {
                return Ok(given);
            }
        }
    }

    fn scrub_option(&mut self, rule: &mut Rule, given: &mut ScrubGiven) -> Taken<()> {
        let not = self.sign(b'!');
        let Token::Key(word) = *self.peek() else { return self.syntax() };
        if not && word != "tagged" {
            return self.syntax();
        }
        match word {
            "no-df" => {
                self.shift();
                self.once(rule.no_df, "no-df cannot be respecified")?;
                rule.no_df = true;
            }
            "random-id" => {
                self.shift();
                self.once(rule.random_id, "random-id cannot be respecified")?;
                rule.random_id = true;
            }
            "min-ttl" => {
                self.shift();
                let number = self.number()?;
                self.once(given.min_ttl, "min-ttl cannot be respecified")?;
                given.min_ttl = true;
                match u8::try_from(number) {
                    Ok(ttl) => rule.min_ttl = ttl,
                    Err(_) => return self.refuse(format_args!("illegal min-ttl value {number}")),
                }
            }
            "max-mss" => {
                self.shift();
                let number = self.number()?;
                self.once(given.max_mss, "max-mss cannot be respecified")?;
                given.max_mss = true;
                match u16::try_from(number) {
                    Ok(mss) => rule.max_mss = mss,
                    Err(_) => return self.refuse(format_args!("illegal max-mss value {number}")),
                }
            }
            "set-tos" => {
                self.shift();
                let tos = self.tos()?;
                self.once(given.tos, "set-tos cannot be respecified")?;
                given.tos = true;
                rule.set_tos = Some(tos);
            }
            "fragment" => {
                self.shift();
                rule.no_reassemble = self.key("no");
                self.expect("reassemble")?;
                self.once(given.fragment, "fragcache cannot be respecified")?;
                given.fragment = true;
            }
            "reassemble" => {
                self.shift();
                let what = self.text()?;
                if !what.eq_ignore_ascii_case("tcp") {
                    return self.refuse(format_args!("scrub reassemble supports only tcp, not '{what}'"));
                }
                self.once(rule.reassemble_tcp, "reassemble tcp cannot be respecified")?;
                rule.reassemble_tcp = true;
            }
            "rtable" => {
                self.shift();
                rule.rtable = Some(self.routing_table()?);
            }
            "tagged" => {
                self.shift();
                rule.tagged = Some((not, self.texts()?));
            }
            _ => return self.syntax(),
        }
        Ok(())
    }
}
