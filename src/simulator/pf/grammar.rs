//! The statements of pf.conf(5), in the terms of pf's own grammar: what may follow what, and in which order sections
//! come. `tokens` reads the words, the modules of the rules make rules of them.

use super::super::state::State;
use super::filter;
use super::lexer::Token;
use super::rules::Answer;
use super::sheets::Sheets;
use super::states::StateOption;
use super::tokens::{DEEPEST_STACK, OVERFLOW, Refused, Taken, Tokens};
use super::{Parsed, ReadFile};

/// The sections, in the order that pf.conf(5) asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Section {
    #[default]
    Nothing,
    Options,
    Ethernet,
    Normalization,
    Queueing,
    Translation,
    Filtering,
}

/// The order of sections, and how far the file has come.
pub(super) struct Order {
    section: Section,
    /// `set require-order`
    pub(crate) required: bool,
}

impl Order {
    /// Goes on to a section; refused when a later one has begun.
    pub(crate) fn enter(&mut self, tokens: &mut Tokens<'_>, section: Section) -> Taken<()> {
        if self.required && self.section > section {
            let ethernet = if tokens.major >= 14 { "ethernet, " } else { "" };
            return tokens.refuse(format_args!(
                "Rules must be in order: options, {ethernet}normalization, queueing, translation, filtering"
            ));
        }
        self.section = section;
        Ok(())
    }
}

/// What rules have that do not say otherwise.
pub(super) struct Defaults {
    /// What `block` alone does.
    pub block: Answer,
    /// `set state-defaults`
    pub states: Option<Vec<StateOption>>,
    pub(crate) if_bound: bool,
}

/// The words that statements begin with.
const STATEMENTS: [&str; 20] = [
    "include",
    "set",
    "ether",
    "scrub",
    "nat",
    "rdr",
    "binat",
    "no",
    "pass",
    "block",
    "match",
    "anchor",
    "nat-anchor",
    "rdr-anchor",
    "binat-anchor",
    "load",
    "altq",
    "queue",
    "antispoof",
    "table",
];

pub(super) struct Parser<'a> {
    pub tokens: Tokens<'a>,
    /// A statement has begun.
    begun: bool,
    pub order: Order,
    pub defaults: Defaults,
    pub(crate) sheets: Sheets,
    /// Queues by name, with the interface and the scheduler.
    pub(crate) queues: Vec<(String, String, &'static str)>,
    pub(crate) parsed: Parsed,
}

impl<'a> Parser<'a> {
    pub fn new(state: &'a State, read: ReadFile<'a>, file: &str, text: &[u8], given: &[(String, String)]) -> Self {
        Self {
            tokens: Tokens::new(state, read, file, text, given),
            begun: false,
            order: Order { section: Section::Nothing, required: true },
            defaults: Defaults { block: Answer::Drop, states: None, if_bound: false },
            sheets: Sheets::new(),
            queues: Vec::new(),
            parsed: Parsed::default(),
        }
    }

    /// Reads it all.
    pub fn run(mut self) -> Parsed {
        loop {
            match self.statement() {
                Ok(true) => {}
                Ok(false) => break,
                // When nothing good came before, pfctl reads no further.
                Err(Refused) => {
                    if !(self.begun && self.tokens.drop_line()) {
                        break;
                    }
                }
            }
        }
        let mut parsed = self.parsed;
        parsed.errors = self.tokens.lexer.messages;
        parsed.failed = self.tokens.lexer.errors > 0;
        if let Some(mut main) = self.sheets.open.into_iter().next() {
            parsed.opened = std::mem::take(&mut main.opened);
            parsed.main = main.rules();
        }
        parsed
    }

    /// A statement with its line end; false at the end of all.
    fn statement(&mut self) -> Taken<bool> {
        self.tokens.lists = 0;
        self.begun |= match self.tokens.peek() {
            Token::Sign(b'\n') | Token::Text(_) => true,
            Token::Key(word) => STATEMENTS.contains(word),
            _ => false,
        };
        if !self.begun && self.tokens.sign(b'{') {
            return self.tokens.syntax();
        }
        match self.tokens.peek().clone() {
            Token::End => return Ok(false),
            Token::Sign(b'\n') => {}
            Token::Text(name) => self.definition(&name)?,
            Token::Key(word) => match word {
                "include" => self.include()?,
                "set" => self.option()?,
                "ether" => self.ethernet()?,
                "scrub" => self.scrub(false)?,
                "nat" | "rdr" => self.translation(false)?,
                "binat" => self.binat(false)?,
                "no" => {
                    self.tokens.shift();
                    if self.tokens.is_key("scrub") {
                        self.scrub(true)?;
                    } else if self.tokens.is_key("binat") {
                        self.binat(true)?;
                    } else if self.tokens.is_key("nat") || self.tokens.is_key("rdr") {
                        self.translation(true)?;
                    } else {
                        return self.tokens.syntax();
                    }
                }
                "pass" | "block" | "match" => self.filter()?,
                "anchor" => self.anchor()?,
                "nat-anchor" | "rdr-anchor" | "binat-anchor" => self.translation_anchor(word)?,
                "load" => self.load()?,
                "altq" => self.altq()?,
                "queue" => self.queue()?,
                "antispoof" => self.antispoof()?,
                "table" => self.table()?,
                _ => return self.tokens.syntax(),
            },
            _ => return self.tokens.syntax(),
        }
        self.tokens.expect_sign(b'\n')?;
        Ok(true)
    }

    /// `NAME = words`
    fn definition(&mut self, name: &str) -> Taken<()> {
        self.tokens.shift();
        self.tokens.expect_sign(b'=')?;
        let mut value = self.tokens.number_or_text()?;
        let mut words = 1;
        while matches!(self.tokens.peek(), Token::Text(_) | Token::Number(_)) {
            words += 1;
            if words > DEEPEST_STACK {
                return self.tokens.give_up(OVERFLOW);
            }
            value.push(' ');
            value.push_str(&self.tokens.number_or_text()?);
        }
        self.tokens.complete()?;
        self.say(format!("{name} = \"{value}\""));
        if name.bytes().skip(1).any(|byte| byte.is_ascii_whitespace() || byte == 0x0b) {
            return self.tokens.refuse("macro name cannot contain whitespace");
        }
        self.tokens.lexer.define(name, &value);
        Ok(())
    }

    /// A line that `pfctl -v` prints while it reads.
    pub fn say(&mut self, line: String) {
        self.parsed.said.push(line);
    }

    pub fn include(&mut self) -> Taken<()> {
        self.tokens.shift();
        let name = self.tokens.text()?;
        if self.tokens.lexer.include(&name).is_err() {
            return self.tokens.refuse(format_args!("failed to include file {name}"));
        }
        Ok(())
    }

    fn load(&mut self) -> Taken<()> {
        self.tokens.shift();
        self.tokens.expect("anchor")?;
        // Before 15 any words are taken for the name, and nothing is asked of it.
        let anchor =
            if self.tokens.major >= 15 { filter::anchor_name(&mut self.tokens)? } else { Some(self.tokens.texts()?) };
        self.tokens.expect("from")?;
        let path = self.tokens.texts()?;
        self.tokens.complete()?;
        let Some(anchor) = anchor else { return self.tokens.refuse("anchor name is missing") };
        self.parsed.loads.push((anchor, path));
        Ok(())
    }
}
