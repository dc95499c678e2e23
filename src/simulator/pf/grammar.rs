//! The statements of pf.conf(5), in the terms of pf's own grammar: what may follow what, in which order sections come,
//! and how reading goes on after an error.
//!
//! After an error the rest of the line is dropped, and errors in the next three tokens are not told: that is how the
//! parsers that yacc makes recover, and which lines pfctl names depends on it.

use std::collections::BTreeMap;

use super::super::state::{RuleSet, State};
use super::addresses::Address;
use super::lexer::{Lexer, Token};
use super::names;
use super::rules::Answer;
use super::{Parsed, ReadFile};

/// The statement cannot go on; what is wrong was told.
pub(super) struct Refused;

pub(super) type Taken<T> = Result<T, Refused>;

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

/// What one rule set holds so far.
#[derive(Default)]
pub(super) struct Sheet {
    /// The anchor's full path; empty: the main rules.
    pub path: String,
    pub scrub: Vec<String>,
    pub nat: Vec<String>,
    pub rdr: Vec<String>,
    pub binat: Vec<String>,
    pub filter: Vec<String>,
    /// As `filter`, with the rules of anchors in braces where they stand.
    pub opened: Vec<String>,
    pub queues: Vec<String>,
    pub calls: Vec<String>,
    /// Rules so far, for `$nr` in labels.
    pub numbered: usize,
}

impl Sheet {
    pub fn rules(self) -> RuleSet {
        RuleSet {
            scrub: self.scrub,
            translation: [self.nat, self.rdr, self.binat].concat(),
            filter: self.filter,
            queues: self.queues,
            calls: self.calls,
        }
    }
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

/// Words and levels that pfctl's parser can hold at once.
const DEEPEST_STACK: usize = 9_990;
/// Lists in lists: pfctl ends with the same message, some thousand levels later.
const DEEPEST_LIST: usize = 500;
/// Anchors in braces in anchors in braces.
pub(super) const DEEPEST_ANCHOR: usize = 64;
const OVERFLOW: &str = "yacc stack overflow";
/// Tables' names are shorter than this.
const TABLE_NAME: usize = 32;

pub(super) struct Parser<'a> {
    pub state: &'a State,
    pub read: ReadFile<'a>,
    pub major: u32,
    pub lexer: Lexer<'a>,
    ahead: Option<Token>,
    /// Tokens to come in which errors are not told.
    silent: u8,
    /// pfctl has given up altogether.
    over: bool,
    /// A statement has begun.
    begun: bool,
    section: Section,
    require_order: bool,
    /// What `block` alone does.
    pub block: Answer,
    pub state_defaults: Option<Vec<super::states::StateOption>>,
    pub if_bound: bool,
    /// The rule sets that are open: the main one, then one for each brace.
    pub sheets: Vec<Sheet>,
    /// Braces opened so far: anchors without a name are numbered.
    pub braces: usize,
    lists: usize,
    /// Queues by name, with the interface and the scheduler.
    pub queues: Vec<(String, String, &'static str)>,
    /// The rules of the anchor in braces that was closed last, until its own rule takes them.
    pub closed: Option<Vec<String>>,
    /// Rules so far, over all sets.
    pub count: usize,
    pub parsed: Parsed,
}

impl<'a> Parser<'a> {
    pub fn new(state: &'a State, read: ReadFile<'a>, file: &str, text: &[u8], given: &[(String, String)]) -> Self {
        let major = state.kept.major;
        Self {
            state,
            read,
            major,
            lexer: Lexer::new(major, read, file, text, given),
            ahead: None,
            silent: 0,
            over: false,
            begun: false,
            section: Section::Nothing,
            require_order: true,
            block: Answer::Drop,
            state_defaults: None,
            if_bound: false,
            sheets: vec![Sheet::default()],
            braces: 0,
            lists: 0,
            queues: Vec::new(),
            closed: None,
            count: 0,
            parsed: Parsed::default(),
        }
    }

    /// Reads it all.
    pub fn run(mut self) -> Parsed {
        loop {
            match self.statement() {
                Ok(true) => {}
                Ok(false) => break,
                Err(Refused) => {
                    if !self.recover() {
                        break;
                    }
                }
            }
        }
        let mut parsed = self.parsed;
        parsed.errors = self.lexer.messages;
        parsed.failed = self.lexer.errors > 0;
        if let Some(mut main) = self.sheets.into_iter().next() {
            parsed.opened = std::mem::take(&mut main.opened);
            parsed.main = main.rules();
        }
        parsed
    }

    /// Drops the rest of a line; false at the end, or when nothing good came before: there pfctl reads no further.
    fn recover(&mut self) -> bool {
        if !self.begun {
            return false;
        }
        self.lexer.errors += 1;
        self.silent = 3;
        loop {
            match self.peek() {
                Token::Sign(b'\n') => {
                    self.shift();
                    return true;
                }
                Token::End => return false,
                _ => self.ahead = None,
            }
        }
    }

    pub fn peek(&mut self) -> &Token {
        if self.over {
            return &Token::End;
        }
        let lexer = &mut self.lexer;
        self.ahead.get_or_insert_with(|| lexer.token())
    }

    pub fn shift(&mut self) {
        self.peek();
        self.ahead = None;
        self.silent = self.silent.saturating_sub(1);
    }

    pub fn complain(&mut self, text: impl std::fmt::Display) {
        self.lexer.complain(text);
    }

    pub fn refuse<T>(&mut self, text: impl std::fmt::Display) -> Taken<T> {
        self.lexer.complain(text);
        Err(Refused)
    }

    /// Refuses what is given a second time.
    pub fn once(&mut self, again: bool, error: &str) -> Taken<()> {
        if again { self.refuse(error) } else { Ok(()) }
    }

    /// What pfctl says without a place.
    pub fn mention(&mut self, text: impl Into<String>) {
        self.lexer.messages.push(text.into());
    }

    /// The token ahead fits nowhere.
    pub fn syntax<T>(&mut self) -> Taken<T> {
        self.peek();
        if self.silent == 0 && !self.over {
            self.lexer.complain("syntax error");
        }
        Err(Refused)
    }

    /// pfctl ends at once with a message.
    pub fn give_up<T>(&mut self, text: impl std::fmt::Display) -> Taken<T> {
        self.lexer.complain(text);
        self.over = true;
        Err(Refused)
    }

    pub fn is_key(&mut self, word: &str) -> bool {
        matches!(self.peek(), Token::Key(key) if *key == word)
    }

    pub fn is_sign(&mut self, sign: u8) -> bool {
        *self.peek() == Token::Sign(sign)
    }

    pub fn key(&mut self, word: &str) -> bool {
        let found = self.is_key(word);
        if found {
            self.shift();
        }
        found
    }

    pub fn sign(&mut self, sign: u8) -> bool {
        let found = self.is_sign(sign);
        if found {
            self.shift();
        }
        found
    }

    pub fn expect(&mut self, word: &str) -> Taken<()> {
        if self.key(word) { Ok(()) } else { self.syntax() }
    }

    pub fn expect_sign(&mut self, sign: u8) -> Taken<()> {
        if self.sign(sign) { Ok(()) } else { self.syntax() }
    }

    /// A word that is none of the grammar's, or a quoted text.
    pub fn text(&mut self) -> Taken<String> {
        match self.peek() {
            Token::Text(text) => {
                let text = text.clone();
                self.shift();
                Ok(text)
            }
            _ => self.syntax(),
        }
    }

    pub fn is_text(&mut self) -> bool {
        matches!(self.peek(), Token::Text(_))
    }

    pub fn number(&mut self) -> Taken<i64> {
        match *self.peek() {
            Token::Number(number) => {
                self.shift();
                Ok(number)
            }
            _ => self.syntax(),
        }
    }

    /// A number from 0 to a bound; else an error.
    pub fn number_to(&mut self, most: i64, error: impl FnOnce(i64) -> String) -> Taken<u32> {
        let number = self.number()?;
        match u32::try_from(number) {
            Ok(value) if number <= most => Ok(value),
            _ => self.refuse(error(number)),
        }
    }

    /// A number, or a text that is one.
    pub fn integer(&mut self) -> Taken<u64> {
        if self.is_text() {
            let text = self.text()?;
            return match unsigned(&text) {
                Some(number) => Ok(number),
                None => self.refuse(format_args!("{text} is not a number")),
            };
        }
        self.number().map(i64::cast_unsigned)
    }

    /// Texts one after the other, as one.
    pub fn texts(&mut self) -> Taken<String> {
        let mut all = self.text()?;
        let mut words = 1;
        while self.is_text() {
            words += 1;
            if words > DEEPEST_STACK {
                return self.give_up(OVERFLOW);
            }
            all.push(' ');
            all.push_str(&self.text()?);
        }
        Ok(all)
    }

    /// A text or a number as text.
    pub fn number_or_text(&mut self) -> Taken<String> {
        match self.peek() {
            Token::Number(number) => {
                let text = number.to_string();
                self.shift();
                Ok(text)
            }
            _ => self.text(),
        }
    }

    pub fn newlines(&mut self) {
        while self.sign(b'\n') {}
    }

    /// A comma, which lists may leave out.
    pub fn comma(&mut self) {
        self.sign(b',');
    }

    /// One level deeper into lists.
    pub fn deeper(&mut self) -> Taken<()> {
        self.lists += 1;
        if self.lists > DEEPEST_LIST { self.give_up(OVERFLOW) } else { Ok(()) }
    }

    /// The items between braces; the opening one was read.
    pub fn braced<T>(&mut self, mut item: impl FnMut(&mut Self) -> Taken<Vec<T>>) -> Taken<Vec<T>> {
        self.deeper()?;
        self.newlines();
        let mut items = item(self)?;
        self.newlines();
        while !self.sign(b'}') {
            self.comma();
            items.extend(item(self)?);
            self.newlines();
        }
        self.lists -= 1;
        Ok(items)
    }

    /// One item, or several between braces.
    pub fn one_or_braced<T>(&mut self, mut item: impl FnMut(&mut Self) -> Taken<Vec<T>>) -> Taken<Vec<T>> {
        if self.sign(b'{') { self.braced(item) } else { item(self) }
    }

    /// The statement has ended here: only then pfctl looks at the whole of it.
    pub fn complete(&mut self) -> Taken<()> {
        if self.is_sign(b'\n') { Ok(()) } else { self.syntax() }
    }

    /// Goes on to a section; refused when a later one has begun.
    pub fn enter(&mut self, section: Section) -> Taken<()> {
        if self.require_order && self.section > section {
            let ethernet = if self.major >= 14 { "ethernet, " } else { "" };
            return self.refuse(format_args!(
                "Rules must be in order: options, {ethernet}normalization, queueing, translation, filtering"
            ));
        }
        self.section = section;
        Ok(())
    }

    pub fn sheet(&mut self) -> &mut Sheet {
        if self.sheets.is_empty() {
            self.sheets.push(Sheet::default());
        }
        let last = self.sheets.len() - 1;
        &mut self.sheets[last]
    }

    /// A statement with its line end; false at the end of all.
    fn statement(&mut self) -> Taken<bool> {
        self.lists = 0;
        self.begun |= match self.peek() {
            Token::Sign(b'\n') | Token::Text(_) => true,
            Token::Key(word) => STATEMENTS.contains(word),
            _ => false,
        };
        if !self.begun && self.sign(b'{') {
            return self.syntax();
        }
        match self.peek().clone() {
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
                    self.shift();
                    if self.is_key("scrub") {
                        self.scrub(true)?;
                    } else if self.is_key("binat") {
                        self.binat(true)?;
                    } else if self.is_key("nat") || self.is_key("rdr") {
                        self.translation(true)?;
                    } else {
                        return self.syntax();
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
                _ => return self.syntax(),
            },
            _ => return self.syntax(),
        }
        self.expect_sign(b'\n')?;
        Ok(true)
    }

    /// `NAME = words`
    fn definition(&mut self, name: &str) -> Taken<()> {
        self.shift();
        self.expect_sign(b'=')?;
        let mut value = self.number_or_text()?;
        let mut words = 1;
        while matches!(self.peek(), Token::Text(_) | Token::Number(_)) {
            words += 1;
            if words > DEEPEST_STACK {
                return self.give_up(OVERFLOW);
            }
            value.push(' ');
            value.push_str(&self.number_or_text()?);
        }
        self.complete()?;
        self.say(format!("{name} = \"{value}\""));
        if name.bytes().skip(1).any(|byte| byte.is_ascii_whitespace() || byte == 0x0b) {
            return self.refuse("macro name cannot contain whitespace");
        }
        self.lexer.define(name, &value);
        Ok(())
    }

    /// A line that `pfctl -v` prints while it reads.
    pub fn say(&mut self, line: String) {
        self.parsed.said.push(line);
    }

    pub fn include(&mut self) -> Taken<()> {
        self.shift();
        let name = self.text()?;
        if self.lexer.include(&name).is_err() {
            return self.refuse(format_args!("failed to include file {name}"));
        }
        Ok(())
    }

    fn load(&mut self) -> Taken<()> {
        self.shift();
        self.expect("anchor")?;
        // Before 15 any words are taken for the name, and nothing is asked of it.
        let anchor = if self.major >= 15 { self.anchor_name()? } else { Some(self.texts()?) };
        self.expect("from")?;
        let path = self.texts()?;
        self.complete()?;
        let Some(anchor) = anchor else { return self.refuse("anchor name is missing") };
        self.parsed.loads.push((anchor, path));
        Ok(())
    }

    /// The name of an anchor, if one stands here.
    pub fn anchor_name(&mut self) -> Taken<Option<String>> {
        if !self.is_text() {
            return Ok(None);
        }
        let name = self.text()?;
        if name.is_empty() && self.major >= 15 {
            return self.refuse("anchor name must not be empty");
        }
        if name.starts_with('_') || name.contains("/_") {
            return self.refuse("anchor names beginning with '_' are reserved for internal use");
        }
        Ok(Some(name))
    }

    fn yes_no(&mut self) -> Taken<bool> {
        if self.key("no") {
            return Ok(false);
        }
        let word = self.text()?;
        if word == "yes" {
            return Ok(true);
        }
        self.refuse(format_args!("invalid value '{word}', expected 'yes' or 'no'"))
    }

    fn policy(&mut self, option: &str) -> Taken<Answer> {
        let answer = if self.key("drop") {
            Answer::Drop
        } else if self.key("return") {
            Answer::Return
        } else {
            return self.syntax();
        };
        let word = if answer == Answer::Drop { "drop" } else { "return" };
        self.say(format!("set {option} {word}"));
        self.enter(Section::Options)?;
        Ok(answer)
    }

    /// `if-bound` or `floating`: whether states are bound to their interface.
    pub fn state_lock(&mut self) -> Taken<bool> {
        if self.key("if-bound") {
            Ok(true)
        } else if self.key("floating") {
            Ok(false)
        } else {
            self.syntax()
        }
    }

    fn option(&mut self) -> Taken<()> {
        self.shift();
        let Token::Key(option) = *self.peek() else { return self.syntax() };
        match option {
            "reassemble" if self.major >= 14 => {
                self.shift();
                let yes = self.yes_no()?;
                let no_df = self.key("no-df");
                self.complete()?;
                self.enter(Section::Options)?;
                let word = if yes { "yes" } else { "no" };
                self.say(format!("set reassemble {word} {}", if no_df { "no-df" } else { "" }));
            }
            "optimization" => {
                self.shift();
                let name = self.text()?;
                self.enter(Section::Options)?;
                if !names::is_optimization(&name) {
                    self.mention("pfctl: invalid state timeouts optimization");
                    return self.refuse(format_args!("unknown optimization {name}"));
                }
                self.say(format!("set optimization {name}"));
            }
            "ruleset-optimization" => {
                self.shift();
                let name = self.texts()?;
                if !matches!(name.as_str(), "none" | "basic" | "profile") {
                    return self.refuse(format_args!("unknown ruleset-optimization {name}"));
                }
            }
            "timeout" | "limit" => {
                self.shift();
                let timeout = option == "timeout";
                self.one_or_braced(|parser| {
                    if timeout {
                        parser.timeout()?;
                    } else {
                        parser.limit()?;
                    }
                    Ok(Vec::<()>::new())
                })?;
            }
            "loginterface" => {
                self.shift();
                let name = if self.key("all") { "all".to_owned() } else { self.text()? };
                self.enter(Section::Options)?;
                self.say(format!("set loginterface {name}"));
            }
            "hostid" => {
                self.shift();
                let number = self.integer()?;
                if number == 0 || number > u64::from(u32::MAX) {
                    return self.refuse("hostid must be non-zero");
                }
                self.say(format!("set hostid 0x{number:08x}"));
            }
            "block-policy" => {
                self.shift();
                self.block = self.policy(option)?;
            }
            "fail-policy" => {
                self.shift();
                self.policy(option)?;
            }
            "require-order" => {
                self.shift();
                self.require_order = self.yes_no()?;
                let word = if self.require_order { "yes" } else { "no" };
                self.say(format!("set require-order {word}"));
            }
            "fingerprints" => {
                self.shift();
                let file = self.text()?;
                self.say(format!("set fingerprints \"{file}\""));
                self.enter(Section::Options)?;
                if (self.read)(&file).is_none() {
                    self.mention(format!("pfctl: {file}: No such file or directory"));
                    return self.refuse(format_args!("error loading fingerprints {file}"));
                }
            }
            "state-policy" => {
                self.shift();
                self.if_bound = self.state_lock()?;
                let word = if self.if_bound { "if-bound" } else { "floating" };
                self.say(format!("set state-policy {word}"));
            }
            "debug" => {
                self.shift();
                let level = self.text()?;
                self.enter(Section::Options)?;
                if !matches!(level.as_str(), "none" | "urgent" | "misc" | "loud") {
                    self.mention(format!("pfctl: unknown debug level \"{level}\""));
                    return self.refuse(format_args!("error setting debuglevel {level}"));
                }
                self.say(format!("set debug {level}"));
            }
            "skip" => {
                self.shift();
                let on = self.interface()?;
                self.skip_on(on)?;
            }
            "state-defaults" => {
                self.shift();
                let options = self.state_options()?;
                self.complete()?;
                if self.state_defaults.is_some() {
                    return self.refuse("cannot redefine state-defaults");
                }
                self.state_defaults = Some(options);
            }
            "keepcounters" => self.shift(),
            "syncookies" => {
                self.shift();
                self.syncookies()?;
            }
            _ => return self.syntax(),
        }
        Ok(())
    }

    fn timeout(&mut self) -> Taken<()> {
        let name = if self.key("interval") { "interval".to_owned() } else { self.text()? };
        let seconds = self.number()?;
        self.enter(Section::Options)?;
        if u32::try_from(seconds).is_err() {
            return self.refuse("only positive values permitted");
        }
        if names::timeout(&name, false, self.major).is_none() {
            self.mention("pfctl: Bad timeout name.");
            return self.refuse(format_args!("unknown timeout {name}"));
        }
        self.say(format!("set timeout {name} {seconds}"));
        Ok(())
    }

    fn limit(&mut self) -> Taken<()> {
        let name = self.text()?;
        let most = self.number()?;
        self.enter(Section::Options)?;
        if u32::try_from(most).is_err() {
            return self.refuse("only positive values permitted");
        }
        if !names::is_limit(&name, self.major) {
            self.mention("pfctl: Bad pool name.");
            return self.refuse(format_args!("unable to set limit {name} {most}"));
        }
        self.say(format!("set limit {name} {most}"));
        Ok(())
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
                self.complain("skip on ! <interface> is not supported");
                wrong = true;
            } else {
                self.parsed.skip.push(one.name);
            }
        }
        if wrong { self.refuse("error setting skip interface(s)") } else { Ok(()) }
    }

    fn syncookies(&mut self) -> Taken<()> {
        let mode = self.text()?;
        if !matches!(mode.as_str(), "never" | "adaptive" | "always") {
            return self.refuse("illegal value for syncookies");
        }
        let mut marks: BTreeMap<&str, f64> = BTreeMap::new();
        let given = self.sign(b'(');
        if given {
            self.syncookie_marks(&mut marks)?;
        }
        self.complete()?;
        if given && mode != "adaptive" {
            self.mention("pfctl: syncookies start/end only apply to adaptive");
            return self.refuse("error setting syncookies");
        }
        // The kernel's own start; the end is half of it when none is given.
        let start = marks.get("start").copied().unwrap_or(25.0);
        if given && marks.get("end").copied().unwrap_or(start / 2.0) >= start {
            self.mention("pfctl: start must be higher than end");
            return self.refuse("error setting syncookies");
        }
        self.say(format!("set syncookies {mode}"));
        Ok(())
    }

    /// What stands in brackets behind `set syncookies`.
    fn syncookie_marks(&mut self, marks: &mut BTreeMap<&str, f64>) -> Taken<()> {
        loop {
            let name = self.text()?;
            let value = self.text()?;
            let Some(value) = value.strip_suffix('%').and_then(|value| value.parse::<f64>().ok()) else {
                return Err(Refused);
            };
            if value <= 0.0 || value > 100.0 {
                return self.refuse("illegal percentage value");
            }
            match name.as_str() {
                "start" => marks.insert("start", value.trunc()),
                "end" => marks.insert("end", value.trunc()),
                _ => return self.refuse("illegal syncookie option"),
            };
            if self.sign(b')') {
                return Ok(());
            }
            self.comma();
        }
    }

    /// `table <NAME> options { addresses }`
    fn table(&mut self) -> Taken<()> {
        self.shift();
        self.expect_sign(b'<')?;
        let name = self.text()?;
        self.expect_sign(b'>')?;
        let mut options = String::new();
        let mut shown = String::new();
        let mut addresses = Vec::new();
        let mut sources: Vec<Option<String>> = Vec::new();
        let mut empty_list = false;
        loop {
            if self.is_text() {
                let option = self.text()?;
                if !matches!(option.as_str(), "const" | "persist" | "counters") {
                    return self.refuse(format_args!("invalid table option '{option}'"));
                }
                if !options.contains(&format!(" {option}")) {
                    options.push_str(&format!(" {option}"));
                }
            } else if self.key("file") {
                let file = self.text()?;
                shown.push_str(&format!(" file \"{file}\""));
                sources.push(Some(file));
            } else if self.sign(b'{') {
                self.newlines();
                if self.sign(b'}') {
                    empty_list = true;
                    continue;
                }
                let found = self.host_items()?;
                // A list with `any` in it is empty.
                for host in found.unwrap_or_default() {
                    let wrong = match host.address {
                        Address::Net(..) => {
                            let not = if host.not { "!" } else { "" };
                            let text = format!("{not}{}", host.text(host.family));
                            shown.push_str(&format!(" {{ {text} }}"));
                            addresses.push(text);
                            continue;
                        }
                        Address::Range(..) => "address ranges are not permitted inside tables",
                        Address::Interface { .. } | Address::None => {
                            "dynamic addresses are not permitted inside tables"
                        }
                        Address::Table(_) => "tables cannot contain tables",
                        Address::NoRoute => "\"no-route\" is not permitted inside tables",
                        Address::UrpfFailed => "\"urpf-failed\" is not permitted inside tables",
                    };
                    return self.refuse(wrong);
                }
                sources.push(None);
            } else {
                break;
            }
        }
        self.complete()?;
        if name.len() >= TABLE_NAME {
            return self.refuse(format_args!("table name too long, max {} chars", TABLE_NAME - 1));
        }
        for file in sources.into_iter().flatten() {
            addresses.extend(self.table_file(&file)?);
        }
        let list = if shown.is_empty() && empty_list { " { }".to_owned() } else { shown.replace(" } {", "") };
        self.say(format!("table <{name}>{options}{list}"));
        if let [_] = self.sheets.as_slice() {
            self.parsed.tables.insert(name, addresses);
        }
        Ok(())
    }

    /// The addresses in a table's file.
    fn table_file(&mut self, file: &str) -> Taken<Vec<String>> {
        let Some(text) = (self.read)(file) else {
            return self.refuse(format_args!("cannot load \"{file}\": No such file or directory"));
        };
        let mut addresses = Vec::new();
        for line in String::from_utf8_lossy(&text).lines() {
            // A sign of comments counts where a word begins.
            let words = line.split_whitespace().take_while(|word| !word.starts_with(['#', ';']));
            for word in words {
                let bare = word.trim_start_matches('!');
                let not = if (word.len() - bare.len()) % 2 == 1 { "!" } else { "" };
                match super::addresses::look_up(self.state, self.read, bare) {
                    Ok(hosts) => {
                        addresses.extend(hosts.iter().map(|host| format!("{not}{}", host.text(host.family))));
                    }
                    Err(said) => {
                        self.lexer.messages.extend(said);
                        return self.refuse(format_args!("file \"{file}\" contains bad data"));
                    }
                }
            }
        }
        Ok(addresses)
    }

    /// `<NAME>`
    pub fn table_name(&mut self) -> Taken<String> {
        self.expect_sign(b'<')?;
        let name = self.text()?;
        self.expect_sign(b'>')?;
        if name.len() >= TABLE_NAME {
            return self.refuse(format_args!("table name '{name}' too long"));
        }
        Ok(name)
    }
}

/// A number as strtoul(3) reads it: decimal, `0x…` or `0…`; a negative one is very large.
pub(super) fn unsigned(text: &str) -> Option<u64> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (digits, radix) = match hexadecimal {
        Some(digits) if !digits.is_empty() => (digits, 16),
        _ if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
        _ => (digits, 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let number = u64::from_str_radix(digits, radix).ok()?;
    Some(if negative { number.wrapping_neg() } else { number })
}
