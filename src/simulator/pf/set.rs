//! The options of pf: `set …`.

use std::collections::BTreeMap;

use super::grammar::{Order, Parser, Section};
use super::lexer::Token;
use super::rules::Answer;
use super::tokens::{Refused, Taken, Tokens};
use super::{names, peers, states};

impl Parser<'_> {
    pub fn option(&mut self) -> Taken<()> {
        self.tokens.shift();
        let Token::Key(option) = *self.tokens.peek() else { return self.tokens.syntax() };
        match option {
            "reassemble" if self.tokens.major >= 14 => {
                self.tokens.shift();
                let yes = yes_no(&mut self.tokens)?;
                let no_df = self.tokens.key("no-df");
                self.tokens.complete()?;
                self.order.enter(&mut self.tokens, Section::Options)?;
                let word = if yes { "yes" } else { "no" };
                self.say(format!("set reassemble {word} {}", if no_df { "no-df" } else { "" }));
            }
            "optimization" => {
                self.tokens.shift();
                let name = self.tokens.text()?;
                self.order.enter(&mut self.tokens, Section::Options)?;
                if !names::is_optimization(&name) {
                    self.tokens.mention("pfctl: invalid state timeouts optimization");
                    return self.tokens.refuse(format_args!("unknown optimization {name}"));
                }
                self.say(format!("set optimization {name}"));
            }
            "ruleset-optimization" => {
                self.tokens.shift();
                let name = self.tokens.texts()?;
                if !matches!(name.as_str(), "none" | "basic" | "profile") {
                    return self.tokens.refuse(format_args!("unknown ruleset-optimization {name}"));
                }
            }
            "timeout" | "limit" => {
                self.tokens.shift();
                let Self { tokens, order, parsed, .. } = self;
                tokens.one_or_braced(|tokens| {
                    let value = if option == "timeout" { timeout } else { limit };
                    value(tokens, order, &mut parsed.said).map(|()| Vec::<()>::new())
                })?;
            }
            "loginterface" => {
                self.tokens.shift();
                let name = if self.tokens.key("all") { "all".to_owned() } else { self.tokens.text()? };
                self.order.enter(&mut self.tokens, Section::Options)?;
                self.say(format!("set loginterface {name}"));
            }
            "hostid" => {
                self.tokens.shift();
                let number = self.tokens.integer()?;
                if number == 0 || number > u64::from(u32::MAX) {
                    return self.tokens.refuse("hostid must be non-zero");
                }
                self.say(format!("set hostid 0x{number:08x}"));
            }
            "block-policy" => {
                self.tokens.shift();
                self.defaults.block = self.policy(option)?;
            }
            "fail-policy" => {
                self.tokens.shift();
                self.policy(option)?;
            }
            "require-order" => {
                self.tokens.shift();
                self.order.required = yes_no(&mut self.tokens)?;
                let word = if self.order.required { "yes" } else { "no" };
                self.say(format!("set require-order {word}"));
            }
            "fingerprints" => {
                self.tokens.shift();
                let file = self.tokens.text()?;
                self.say(format!("set fingerprints \"{file}\""));
                self.order.enter(&mut self.tokens, Section::Options)?;
                if (self.tokens.read)(&file).is_none() {
                    self.tokens.mention(format!("pfctl: {file}: No such file or directory"));
                    return self.tokens.refuse(format_args!("error loading fingerprints {file}"));
                }
            }
            "state-policy" => {
                self.tokens.shift();
                self.defaults.if_bound = states::state_lock(&mut self.tokens)?;
                let word = if self.defaults.if_bound { "if-bound" } else { "floating" };
                self.say(format!("set state-policy {word}"));
            }
            "debug" => {
                self.tokens.shift();
                let level = self.tokens.text()?;
                self.order.enter(&mut self.tokens, Section::Options)?;
                if !matches!(level.as_str(), "none" | "urgent" | "misc" | "loud") {
                    self.tokens.mention(format!("pfctl: unknown debug level \"{level}\""));
                    return self.tokens.refuse(format_args!("error setting debuglevel {level}"));
                }
                self.say(format!("set debug {level}"));
            }
            "skip" => {
                self.tokens.shift();
                let on = peers::interface(&mut self.tokens)?;
                self.skip_on(on)?;
            }
            "state-defaults" => {
                self.tokens.shift();
                let options = states::state_options(&mut self.tokens)?;
                self.tokens.complete()?;
                if self.defaults.states.is_some() {
                    return self.tokens.refuse("cannot redefine state-defaults");
                }
                self.defaults.states = Some(options);
            }
            "keepcounters" => self.tokens.shift(),
            "syncookies" => {
                self.tokens.shift();
                self.syncookies()?;
            }
            _ => return self.tokens.syntax(),
        }
        Ok(())
    }

    fn policy(&mut self, option: &str) -> Taken<Answer> {
        let answer = if self.tokens.key("drop") {
            Answer::Drop
        } else if self.tokens.key("return") {
            Answer::Return
        } else {
            return self.tokens.syntax();
        };
        let word = if answer == Answer::Drop { "drop" } else { "return" };
        self.say(format!("set {option} {word}"));
        self.order.enter(&mut self.tokens, Section::Options)?;
        Ok(answer)
    }

    fn skip_on(&mut self, on: Vec<super::rules::On>) -> Taken<()> {
        if on.is_empty() || matches!(on.as_slice(), [one] if !one.not && one.name == "none") {
            self.say("set skip on none".to_owned());
            return Ok(());
        }
        let list: String = on.iter().map(|one| format!(" {}", one.name)).collect();
        self.say(format!("set skip on {{{list} }}"));
        let mut wrong = false;
        for one in on {
            if one.not {
                self.tokens.complain("skip on ! <interface> is not supported");
                wrong = true;
            } else {
                self.parsed.skip.push(one.name);
            }
        }
        if wrong { self.tokens.refuse("error setting skip interface(s)") } else { Ok(()) }
    }

    fn syncookies(&mut self) -> Taken<()> {
        let mode = self.tokens.text()?;
        if !matches!(mode.as_str(), "never" | "adaptive" | "always") {
            return self.tokens.refuse("illegal value for syncookies");
        }
        let mut marks: BTreeMap<&str, f64> = BTreeMap::new();
        let given = self.tokens.sign(b'(');
        if given {
            syncookie_marks(&mut self.tokens, &mut marks)?;
        }
        self.tokens.complete()?;
        if given && mode != "adaptive" {
            self.tokens.mention("pfctl: syncookies start/end only apply to adaptive");
            return self.tokens.refuse("error setting syncookies");
        }
        // The kernel's own start; the end is half of it when none is given.
        let start = marks.get("start").copied().unwrap_or(25.0);
        if given && marks.get("end").copied().unwrap_or(start / 2.0) >= start {
            self.tokens.mention("pfctl: start must be higher than end");
            return self.tokens.refuse("error setting syncookies");
        }
        self.say(format!("set syncookies {mode}"));
        Ok(())
    }
}

fn timeout(tokens: &mut Tokens<'_>, order: &mut Order, said: &mut Vec<String>) -> Taken<()> {
    let name = if tokens.key("interval") { "interval".to_owned() } else { tokens.text()? };
    let seconds = tokens.number()?;
    order.enter(tokens, Section::Options)?;
    if u32::try_from(seconds).is_err() {
        return tokens.refuse("only positive values permitted");
    }
    if names::timeout(&name, false, tokens.major).is_none() {
        tokens.mention("pfctl: Bad timeout name.");
        return tokens.refuse(format_args!("unknown timeout {name}"));
    }
    said.push(format!("set timeout {name} {seconds}"));
    Ok(())
}

fn limit(tokens: &mut Tokens<'_>, order: &mut Order, said: &mut Vec<String>) -> Taken<()> {
    let name = tokens.text()?;
    let most = tokens.number()?;
    order.enter(tokens, Section::Options)?;
    if u32::try_from(most).is_err() {
        return tokens.refuse("only positive values permitted");
    }
    if !names::is_limit(&name, tokens.major) {
        tokens.mention("pfctl: Bad pool name.");
        return tokens.refuse(format_args!("unable to set limit {name} {most}"));
    }
    said.push(format!("set limit {name} {most}"));
    Ok(())
}

fn yes_no(tokens: &mut Tokens<'_>) -> Taken<bool> {
    if tokens.key("no") {
        return Ok(false);
    }
    let word = tokens.text()?;
    if word == "yes" {
        return Ok(true);
    }
    tokens.refuse(format_args!("invalid value '{word}', expected 'yes' or 'no'"))
}

/// What stands in brackets behind `set syncookies`.
fn syncookie_marks(tokens: &mut Tokens<'_>, marks: &mut BTreeMap<&str, f64>) -> Taken<()> {
    loop {
        let name = tokens.text()?;
        let value = tokens.text()?;
        let Some(value) = value.strip_suffix('%').and_then(|value| value.parse::<f64>().ok()) else {
            return Err(Refused);
        };
        if value <= 0.0 || value > 100.0 {
            return tokens.refuse("illegal percentage value");
        }
        match name.as_str() {
            "start" => marks.insert("start", value.trunc()),
            "end" => marks.insert("end", value.trunc()),
            _ => return tokens.refuse("illegal syncookie option"),
        };
        if tokens.sign(b')') {
            return Ok(());
        }
        tokens.comma();
    }
}
