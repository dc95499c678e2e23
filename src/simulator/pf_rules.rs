//! Enough of pf.conf(5) to judge a rule file as pfctl does: order of sections, macros, syntax errors with their lines,
//! and the rules as `pfctl -s` prints them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::state::{RuleSet, State};

/// What a rule file would load.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub main: RuleSet,
    /// Rules in `anchor "x" { … }` blocks, by the anchor's name.
    pub inline: BTreeMap<String, RuleSet>,
    pub tables: BTreeMap<String, Vec<String>>,
    pub skip: Vec<String>,
    /// `load anchor NAME from FILE`.
    pub loads: Vec<(String, String)>,
    /// Errors as pfctl prints them.
    pub errors: Vec<String>,
}

/// The sections, in the order that pf.conf(5) asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Section {
    #[default]
    Nothing,
    Options,
    Ethernet,
    Normalization,
    Queueing,
    Translation,
    Filtering,
}

/// Macros built from macros could grow without end.
const LONGEST_MACRO: usize = 256 * 1024;

const ORDER: &str = "Rules must be in order: options, ethernet, normalization, queueing, translation, filtering";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// A quoted string.
    Quoted(String),
    Sign(char),
    /// `!=`, `<=`, `>=`, `->`, `<>`, `><`.
    Pair(&'static str),
    /// `<name>`
    Table(String),
    Newline,
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Word(text) | Self::Quoted(text) | Self::Table(text) => text,
            Self::Pair(text) => text,
            Self::Sign(_) | Self::Newline => "",
        }
    }
}

/// Reads a file for `include`; the simulated pfctl gives the root's files.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&str) -> Option<String>;

struct Parser<'a> {
    state: &'a State,
    read: ReadFile<'a>,
    macros: BTreeMap<String, String>,
    section: Section,
    require_order: bool,
    /// What a plain `block` does: `set block-policy`.
    block: String,
    parsed: Parsed,
    depth: usize,
}

/// Parses a rule file. `file` is the name in error messages, `given` are macros of -D.
pub(crate) fn parse(state: &State, read: ReadFile<'_>, file: &str, text: &str, given: &[(String, String)]) -> Parsed {
    let mut parser = Parser {
        state,
        read,
        macros: given.iter().cloned().collect(),
        section: Section::Nothing,
        require_order: true,
        block: "drop".to_owned(),
        parsed: Parsed::default(),
        depth: 0,
    };
    let mut target = RuleSet::default();
    parser.file(file, text, &mut target);
    parser.parsed.main = target;
    parser.parsed
}

/// A statement's end in one sign; the grammar's wish for a syntax error.
struct Syntax;

struct Lexed {
    tokens: Vec<(Token, usize)>,
    /// Lines with lexical trouble, in the order found.
    errors: Vec<(usize, String)>,
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Splits text into tokens; macros are filled in later, when their definitions have been read.
fn lex(text: &str) -> Lexed {
    let mut tokens = Vec::new();
    let mut errors = Vec::new();
    let mut line = 1;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => {
                tokens.push((Token::Newline, line));
                line += 1;
            }
            // A carriage return is no blank to pfctl, but a syntax error.
            ' ' | '\t' => {}
            '\\' if chars.peek() == Some(&'\n') => {
                chars.next();
                line += 1;
            }
            '#' => {
                // A backslash at the end of a comment continues the comment.
                let mut last = ' ';
                while let Some(&next) = chars.peek() {
                    if next == '\n' {
                        if last != '\\' {
                            break;
                        }
                        line += 1;
                    }
                    last = next;
                    chars.next();
                }
            }
            '"' | '\'' => {
                let start = line;
                let mut value = String::new();
                let mut closed = false;
                while let Some(next) = chars.next() {
                    if next == c {
                        closed = true;
                        break;
                    }
                    match next {
                        '\n' => line += 1,
                        '\\' => match chars.peek() {
                            Some(&after) if after == c || after == ' ' || after == '\t' => {
                                value.push(after);
                                chars.next();
                                continue;
                            }
                            Some('\n') => {
                                chars.next();
                                line += 1;
                                continue;
                            }
                            _ => {}
                        },
                        _ => {}
                    }
                    value.push(next);
                }
                if closed {
                    tokens.push((Token::Quoted(value), start));
                } else {
                    errors.push((start, "syntax error".into()));
                }
            }
            '<' => {
                let mut name = String::new();
                let mut ahead = chars.clone();
                while let Some(next) = ahead.peek().copied().filter(|next| is_name(*next) || matches!(next, '-' | '.'))
                {
                    name.push(next);
                    ahead.next();
                }
                if ahead.peek() == Some(&'>') && !name.is_empty() {
                    ahead.next();
                    chars = ahead;
                    tokens.push((Token::Table(name), line));
                } else if chars.peek() == Some(&'=') {
                    chars.next();
                    tokens.push((Token::Pair("<="), line));
                } else if chars.peek() == Some(&'>') {
                    chars.next();
                    tokens.push((Token::Pair("<>"), line));
                } else {
                    tokens.push((Token::Sign('<'), line));
                }
            }
            '>' => match chars.peek() {
                Some('=') => {
                    chars.next();
                    tokens.push((Token::Pair(">="), line));
                }
                Some('<') => {
                    chars.next();
                    tokens.push((Token::Pair("><"), line));
                }
                _ => tokens.push((Token::Sign('>'), line)),
            },
            '!' if chars.peek() == Some(&'=') => {
                chars.next();
                tokens.push((Token::Pair("!="), line));
            }
            '-' if chars.peek() == Some(&'>') => {
                chars.next();
                tokens.push((Token::Pair("->"), line));
            }
            '{' | '}' | '(' | ')' | ',' | '=' | '!' | ';' => tokens.push((Token::Sign(c), line)),
            _ => {
                let mut word = String::from(c);
                while let Some(&next) = chars.peek() {
                    let ends = next.is_whitespace()
                        || matches!(next, '{' | '}' | '(' | ')' | ',' | '=' | '!' | '"' | '<' | '>' | '#' | '\'')
                        || next == '\\';
                    if ends {
                        break;
                    }
                    word.push(next);
                    chars.next();
                }
                tokens.push((Token::Word(word), line));
            }
        }
    }
    if tokens.last().is_some_and(|(token, _)| *token != Token::Newline) {
        tokens.push((Token::Newline, line));
    }
    Lexed { tokens, errors }
}

impl Parser<'_> {
    fn file(&mut self, name: &str, text: &str, target: &mut RuleSet) {
        let lexed = lex(text);
        for (line, error) in &lexed.errors {
            self.parsed.errors.push(format!("{name}:{line}: {error}"));
        }
        let mut at = 0;
        self.statements(name, &lexed.tokens, &mut at, target, false);
    }

    fn error(&mut self, file: &str, line: usize, text: &str) {
        self.parsed.errors.push(format!("{file}:{line}: {text}"));
    }

    /// Statements up to the end, or up to the brace that closes an anchor block.
    fn statements(&mut self, file: &str, tokens: &[(Token, usize)], at: &mut usize, target: &mut RuleSet, block: bool) {
        while let Some((token, line)) = tokens.get(*at) {
            match token {
                Token::Newline => {
                    *at += 1;
                    continue;
                }
                Token::Sign('}') => {
                    *at += 1;
                    if block {
                        return;
                    }
                    let line = *line;
                    self.error(file, line, "syntax error");
                    skip_line(tokens, at);
                    continue;
                }
                _ => {}
            }
            self.statement(file, tokens, at, target);
        }
        if block {
            let line = tokens.last().map_or(1, |(_, line)| *line);
            self.error(file, line, "syntax error");
        }
    }

    fn statement(&mut self, file: &str, tokens: &[(Token, usize)], at: &mut usize, target: &mut RuleSet) {
        let start = *at;
        let first_line = tokens.get(start).map_or(1, |(_, line)| *line);
        let first = tokens.get(start).map(|(token, _)| token.text().to_owned()).unwrap_or_default();
        // A definition: NAME = values up to the end of the line.
        if matches!(tokens.get(start), Some((Token::Word(_), _)))
            && matches!(tokens.get(start + 1), Some((Token::Sign('='), _)))
        {
            *at += 2;
            let body = take_line(tokens, at);
            let mut value = Vec::new();
            for (token, line) in &body {
                match token {
                    Token::Quoted(text) => value.push(text.clone()),
                    Token::Word(text) => match self.fill(text) {
                        Ok(text) => value.push(text),
                        Err(missing) => {
                            self.error(file, *line, &format!("macro '{missing}' not defined"));
                            self.error(file, *line, "syntax error");
                            return;
                        }
                    },
                    Token::Sign(sign) => value.push(sign.to_string()),
                    Token::Pair(pair) => value.push((*pair).to_owned()),
                    Token::Table(name) => value.push(format!("<{name}>")),
                    Token::Newline => {}
                }
            }
            let value = value.join(" ");
            if value.is_empty() || value.len() > LONGEST_MACRO || !first.chars().all(is_name) {
                self.error(file, first_line, "syntax error");
                return;
            }
            self.macros.insert(first, value);
            return;
        }
        let (line_tokens, block_at) = take_statement(tokens, at, first == "anchor");
        let last_line = line_tokens.last().map_or(first_line, |(_, line)| *line);
        let expanded = match self.expand(&line_tokens) {
            Ok(expanded) => expanded,
            Err((line, missing)) => {
                self.error(file, line, &format!("macro '{missing}' not defined"));
                self.error(file, line, "syntax error");
                return;
            }
        };
        let words = Words { tokens: &expanded, at: 0 };
        let result = self.one(file, words, last_line, target);
        if result.is_err() {
            self.error(file, last_line, "syntax error");
        }
        if block_at {
            let mut inside = RuleSet::default();
            let outer = self.section;
            self.section = Section::Nothing;
            self.depth += 1;
            if self.depth > 64 {
                self.error(file, last_line, "anchor nesting too deep");
                *at = tokens.len();
            } else {
                self.statements(file, tokens, at, &mut inside, true);
            }
            self.depth -= 1;
            self.section = outer;
            let name = target.calls.last().cloned().unwrap_or_else(|| format!("_{}", self.parsed.inline.len()));
            self.parsed.inline.insert(name, inside);
        }
    }

    /// Fills `$name` in a word.
    fn fill(&self, word: &str) -> Result<String, String> {
        match word.strip_prefix('$') {
            Some(name) => self.macros.get(name).cloned().ok_or_else(|| name.to_owned()),
            None => Ok(word.to_owned()),
        }
    }

    /// Replaces macros by the tokens of their values. A `$` inside of a value is an ordinary sign, as in pf's own lexer.
    fn expand(&self, tokens: &[(Token, usize)]) -> Result<Vec<Token>, (usize, String)> {
        let mut result = Vec::new();
        for (token, line) in tokens {
            match token {
                Token::Word(word) if word.starts_with('$') => {
                    let name: String = word.chars().skip(1).take_while(|c| is_name(*c)).collect();
                    let rest = word.get(name.len() + 1..).unwrap_or_default();
                    let value = self.macros.get(&name).ok_or((*line, name))?;
                    // The rest of the word (`:network`, `:0`) belongs to the value.
                    let inner = lex(&format!("{value}{rest}")).tokens.into_iter().map(|(token, _)| token);
                    result.extend(inner.filter(|token| *token != Token::Newline));
                }
                other => result.push(other.clone()),
            }
        }
        Ok(result)
    }

    fn enter(&mut self, file: &str, line: usize, section: Section) -> bool {
        if self.require_order && self.section > section {
            self.error(file, line, ORDER);
            return false;
        }
        self.section = section;
        true
    }

    fn one(&mut self, file: &str, mut words: Words<'_>, line: usize, target: &mut RuleSet) -> Result<(), Syntax> {
        let keyword = words.word()?;
        match keyword.as_str() {
            "set" => self.option(file, words, line),
            "table" => {
                let name = words.table()?;
                let mut files = Vec::new();
                let mut addresses = words.table_body(&mut files)?;
                for path in files {
                    match (self.read)(&path) {
                        Some(text) => addresses.extend(
                            text.lines()
                                .map(|line| line.split('#').next().unwrap_or_default().trim())
                                .filter(|line| !line.is_empty())
                                .map(str::to_owned),
                        ),
                        None => self.error(file, line, &format!("cannot load \"{path}\": No such file or directory")),
                    }
                }
                self.parsed.tables.insert(name, addresses);
                Ok(())
            }
            "include" => {
                let path = words.name()?;
                words.end()?;
                self.depth += 1;
                let text = if self.depth > 16 { None } else { (self.read)(&path) };
                match text {
                    Some(text) => self.file(&path, &text, target),
                    None => {
                        self.parsed.errors.push(format!("pfctl: {path}: No such file or directory"));
                        self.error(file, line, &format!("failed to include file {path}"));
                    }
                }
                self.depth -= 1;
                Ok(())
            }
            "load" => {
                words.expect("anchor")?;
                let anchor = words.name()?;
                words.expect("from")?;
                let path = words.name()?;
                words.end()?;
                self.parsed.loads.push((anchor, path));
                Ok(())
            }
            "ether" => {
                if words.rest_is_empty() {
                    return Err(Syntax);
                }
                self.enter(file, line, Section::Ethernet);
                Ok(())
            }
            "scrub" | "no" if keyword == "scrub" || words.peek_word() == Some("scrub") => {
                if keyword == "no" {
                    words.word()?;
                }
                let rule = words.scrub(self.state)?;
                if self.enter(file, line, Section::Normalization) {
                    let no = if keyword == "no" { "no " } else { "" };
                    target.scrub.extend(rule.into_iter().map(|rule| format!("{no}{rule}")));
                }
                Ok(())
            }
            "scrub-anchor" => {
                let name = words.name()?;
                words.skip();
                if self.enter(file, line, Section::Normalization) {
                    call_anchor(target, &name);
                    target.scrub.push(format!("scrub-anchor \"{name}\" all fragment reassemble"));
                }
                Ok(())
            }
            "altq" | "queue" => {
                if words.rest_is_empty() {
                    return Err(Syntax);
                }
                let text = words.skip();
                if self.enter(file, line, Section::Queueing) {
                    target.queues.push(format!("{keyword} {text}"));
                }
                Ok(())
            }
            "nat-anchor" | "rdr-anchor" | "binat-anchor" => {
                let name = words.name()?;
                let scope = words.scope(self.state)?;
                words.end()?;
                if self.enter(file, line, Section::Translation) {
                    call_anchor(target, &name);
                    target.translation.push(format!("{keyword} \"{name}\" {scope}"));
                }
                Ok(())
            }
            "nat" | "rdr" | "binat" | "no" => {
                let no = keyword == "no";
                let kind = if no { words.word()? } else { keyword };
                if !matches!(kind.as_str(), "nat" | "rdr" | "binat") {
                    return Err(Syntax);
                }
                let rules = words.translation(self.state, &kind, no)?;
                if self.enter(file, line, Section::Translation) {
                    target.translation.extend(rules);
                }
                Ok(())
            }
            "anchor" | "dummynet-anchor" => {
                let name = match words.peek() {
                    Some(Token::Quoted(_) | Token::Word(_))
                        if !matches!(
                            words.peek_word(),
                            Some("in" | "out" | "on" | "inet" | "all" | "from" | "proto")
                        ) =>
                    {
                        words.name()?
                    }
                    _ => format!("_{}", self.parsed.inline.len()),
                };
                let scope = words.filter_scope(self.state)?;
                words.end()?;
                if self.enter(file, line, Section::Filtering) {
                    call_anchor(target, &name);
                    target.filter.push(format!("{keyword} \"{name}\" {scope}"));
                }
                Ok(())
            }
            "pass" | "block" | "match" => {
                let rules = words.filter(self.state, &keyword, &self.block)?;
                if self.enter(file, line, Section::Filtering) {
                    target.filter.extend(rules);
                }
                Ok(())
            }
            "antispoof" => {
                let rules = words.antispoof(self.state)?;
                if self.enter(file, line, Section::Filtering) {
                    target.filter.extend(rules);
                }
                Ok(())
            }
            _ => Err(Syntax),
        }
    }

    fn option(&mut self, file: &str, mut words: Words<'_>, line: usize) -> Result<(), Syntax> {
        let option = words.word()?;
        let counts = match option.as_str() {
            "skip" => {
                words.expect("on")?;
                self.parsed.skip.extend(words.list()?);
                return words.end();
            }
            "require-order" => {
                self.require_order = match words.word()?.as_str() {
                    "yes" => true,
                    "no" => false,
                    _ => return Err(Syntax),
                };
                return words.end();
            }
            "state-policy" | "ruleset-optimization" | "hostid" | "syncookies" | "state-defaults" | "keepcounters" => {
                false
            }
            "block-policy" => {
                let policy = words.word()?;
                if !matches!(policy.as_str(), "drop" | "return") {
                    return Err(Syntax);
                }
                words.end()?;
                if self.enter(file, line, Section::Options) {
                    self.block = policy;
                }
                return Ok(());
            }
            "optimization" | "timeout" | "limit" | "loginterface" | "debug" | "reassemble" | "fingerprints" => true,
            _ => return Err(Syntax),
        };
        if words.rest_is_empty() && option != "keepcounters" {
            return Err(Syntax);
        }
        words.skip();
        if counts {
            self.enter(file, line, Section::Options);
        }
        Ok(())
    }
}

fn call_anchor(target: &mut RuleSet, name: &str) {
    target.calls.push(name.trim_end_matches("/*").to_owned());
}

fn skip_line(tokens: &[(Token, usize)], at: &mut usize) {
    while tokens.get(*at).is_some_and(|(token, _)| *token != Token::Newline) {
        *at += 1;
    }
}

fn take_line(tokens: &[(Token, usize)], at: &mut usize) -> Vec<(Token, usize)> {
    let start = *at;
    skip_line(tokens, at);
    tokens.get(start..*at).unwrap_or_default().to_vec()
}

/// A statement's tokens: newlines inside of a list do not end it. True when an anchor's block follows.
fn take_statement(tokens: &[(Token, usize)], at: &mut usize, anchor: bool) -> (Vec<(Token, usize)>, bool) {
    let mut taken = Vec::new();
    let mut depth = 0usize;
    while let Some((token, line)) = tokens.get(*at) {
        match token {
            Token::Newline if depth == 0 => break,
            Token::Newline => {
                *at += 1;
                continue;
            }
            Token::Sign('{') => {
                // An anchor's block starts at a brace that ends its line.
                let ends_line = tokens.get(*at + 1).is_none_or(|(next, _)| *next == Token::Newline);
                if anchor && depth == 0 && ends_line {
                    *at += 1;
                    return (taken, true);
                }
                depth += 1;
            }
            Token::Sign('}') if depth == 0 => break,
            Token::Sign('}') => depth -= 1,
            _ => {}
        }
        taken.push((token.clone(), *line));
        *at += 1;
    }
    (taken, false)
}

/// The tokens of one statement, read from left to right.
struct Words<'a> {
    tokens: &'a [Token],
    at: usize,
}

/// Directions, interfaces, family and protocols of a rule; one entry per combination after lists are spread.
#[derive(Default)]
struct Scope {
    direction: String,
    extras: String,
    interfaces: Vec<String>,
    family: String,
    protocols: Vec<String>,
    from: Vec<String>,
    from_ports: Vec<String>,
    to: Vec<String>,
    to_ports: Vec<String>,
    all: bool,
}

impl Words<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn peek_word(&self) -> Option<&str> {
        match self.peek() {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn word(&mut self) -> Result<String, Syntax> {
        let word = self.peek_word().map(str::to_owned).ok_or(Syntax)?;
        self.at += 1;
        Ok(word)
    }

    /// A word or a quoted string.
    fn name(&mut self) -> Result<String, Syntax> {
        let name = match self.peek() {
            Some(Token::Word(text) | Token::Quoted(text)) => text.clone(),
            _ => return Err(Syntax),
        };
        self.at += 1;
        Ok(name)
    }

    fn table(&mut self) -> Result<String, Syntax> {
        let name = match self.peek() {
            Some(Token::Table(name)) => name.clone(),
            _ => return Err(Syntax),
        };
        self.at += 1;
        Ok(name)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek_word() == Some(word);
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Result<(), Syntax> {
        if self.take(word) { Ok(()) } else { Err(Syntax) }
    }

    fn end(&self) -> Result<(), Syntax> {
        if self.rest_is_empty() { Ok(()) } else { Err(Syntax) }
    }

    fn rest_is_empty(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The rest of the statement as text.
    fn skip(&mut self) -> String {
        let rest: Vec<String> = self.tokens.get(self.at..).unwrap_or_default().iter().map(plain).collect();
        self.at = self.tokens.len();
        rest.join(" ")
    }

    /// Either one item or `{ a, b c }`.
    fn list_of(
        &mut self,
        item: &mut dyn FnMut(&mut Self) -> Result<Vec<String>, Syntax>,
    ) -> Result<Vec<String>, Syntax> {
        if !self.sign('{') {
            return item(self);
        }
        let mut items = Vec::new();
        loop {
            if self.sign('}') {
                break;
            }
            if self.sign(',') {
                continue;
            }
            // A macro inside of a list may hold a list itself.
            if self.peek() == Some(&Token::Sign('{')) {
                items.extend(self.list_of(item)?);
                continue;
            }
            items.extend(item(self)?);
        }
        if items.is_empty() { Err(Syntax) } else { Ok(items) }
    }

    fn list(&mut self) -> Result<Vec<String>, Syntax> {
        self.list_of(&mut |words| {
            let not = if words.sign('!') { "! " } else { "" };
            Ok(vec![format!("{not}{}", words.name()?)])
        })
    }

    fn table_body(&mut self, files: &mut Vec<String>) -> Result<Vec<String>, Syntax> {
        let mut addresses = Vec::new();
        while !self.rest_is_empty() {
            match self.peek() {
                Some(Token::Word(word)) if matches!(word.as_str(), "const" | "persist" | "counters") => self.at += 1,
                Some(Token::Word(word)) if word == "file" => {
                    self.at += 1;
                    files.push(self.name()?);
                }
                Some(Token::Sign('{')) => {
                    self.at += 1;
                    while !self.sign('}') {
                        if self.sign(',') || self.sign('!') {
                            continue;
                        }
                        addresses.push(self.name()?);
                    }
                }
                _ => return Err(Syntax),
            }
        }
        Ok(addresses)
    }

    fn antispoof(&mut self, state: &State) -> Result<Vec<String>, Syntax> {
        let mut marks = String::new();
        while let Some(mark @ ("log" | "quick")) = self.peek_word() {
            marks.push_str(&format!(" {mark}"));
            self.at += 1;
        }
        self.expect("for")?;
        let interfaces = self.list_of(&mut |words| {
            if words.sign('(') {
                let name = words.name()?;
                return if words.sign(')') { Ok(vec![format!("({name}")]) } else { Err(Syntax) };
            }
            Ok(vec![words.name()?])
        })?;
        if !self.rest_is_empty() {
            match self.word()?.as_str() {
                "inet" | "inet6" | "label" => {
                    self.skip();
                }
                _ => return Err(Syntax),
            }
        }
        let mut rules = Vec::new();
        for interface in interfaces {
            if let Some(name) = interface.strip_prefix('(') {
                rules.push(format!("block drop in{marks} on ! {name} inet from ({name}:network) to any"));
                rules.push(format!("block drop in{marks} inet from ({name}) to any"));
                continue;
            }
            for inet in state.interface(&interface).map(|interface| interface.inet.as_slice()).unwrap_or_default() {
                if let Some(net) = address(&format!("{}/{}", inet.address, inet.prefix)) {
                    rules.push(format!("block drop in{marks} on ! {interface} inet from {net} to any"));
                }
                rules.push(format!("block drop in{marks} inet from {} to any", inet.address));
            }
        }
        Ok(rules)
    }

    /// A host in from, to or behind `->`.
    fn host(&mut self, state: &State) -> Result<Vec<String>, Syntax> {
        let not = if self.sign('!') { "! " } else { "" };
        if self.sign('(') {
            let name = self.name()?;
            let base = name.split(':').next().unwrap_or_default();
            if base.is_empty() || !self.sign(')') {
                return Err(Syntax);
            }
            return Ok(vec![format!("{not}({name})")]);
        }
        if let Some(Token::Table(name)) = self.peek() {
            let text = format!("{not}<{name}>");
            self.at += 1;
            return Ok(vec![text]);
        }
        let name = self.name()?;
        if matches!(name.as_str(), "any" | "no-route" | "urpf-failed") {
            return Ok(vec![format!("{not}{name}")]);
        }
        if self.peek() == Some(&Token::Word("-".into())) {
            self.at += 1;
            let last = self.name()?;
            name.parse::<IpAddr>().map_err(|_| Syntax)?;
            last.parse::<IpAddr>().map_err(|_| Syntax)?;
            return Ok(vec![format!("{not}{name} - {last}")]);
        }
        if let Some(found) = address(&name) {
            return Ok(vec![format!("{not}{found}")]);
        }
        // A name of an interface stands for its addresses now; anything else would be looked up in DNS, which is not here.
        let base = name.split(':').next().unwrap_or_default();
        let wants_network = name.contains(":network");
        let first_only = name.ends_with(":0");
        let interface = state.interface(base).ok_or(Syntax)?;
        let mut found: Vec<String> = interface
            .inet
            .iter()
            .take(if first_only { 1 } else { usize::MAX })
            .filter_map(|inet| {
                if wants_network {
                    ipnet::Ipv4Net::new(inet.address, inet.prefix).ok().map(|net| net.trunc().to_string())
                } else {
                    Some(inet.address.to_string())
                }
            })
            .collect();
        if found.is_empty() {
            return Err(Syntax);
        }
        for text in &mut found {
            text.insert_str(0, not);
        }
        Ok(found)
    }

    fn hosts(&mut self, state: &State) -> Result<Vec<String>, Syntax> {
        self.list_of(&mut |words| words.host(state))
    }

    fn ports(&mut self) -> Result<Vec<String>, Syntax> {
        self.list_of(&mut |words| {
            let operator = match words.peek() {
                Some(Token::Sign('=')) => "=",
                Some(Token::Sign('<')) => "<",
                Some(Token::Sign('>')) => ">",
                Some(Token::Pair(pair)) if matches!(*pair, "!=" | "<=" | ">=") => pair,
                _ => "",
            };
            if !operator.is_empty() {
                words.at += 1;
            }
            let first = words.name()?;
            if let Some(Token::Pair(pair)) = words.peek()
                && matches!(*pair, "<>" | "><")
            {
                let pair = *pair;
                words.at += 1;
                return Ok(vec![format!("{} {pair} {}", port(&first)?, port(&words.name()?)?)]);
            }
            if let Some((low, high)) = first.split_once(':') {
                return Ok(vec![format!("{}:{}", port_number(low)?, port_number(high)?)]);
            }
            let operator = if operator.is_empty() { "=" } else { operator };
            Ok(vec![format!("{operator} {}", port(&first)?)])
        })
    }

    /// `[on IF] [AF] [proto P] (all | from H [port P] to H [port P])`, each part optional.
    fn common(&mut self, state: &State, scope: &mut Scope) -> Result<(), Syntax> {
        if self.take("on") {
            if self.take("rdomain") {
                self.word()?;
            } else {
                scope.interfaces = self.list()?;
            }
        }
        while matches!(self.peek_word(), Some("route-to" | "reply-to" | "dup-to" | "fastroute")) {
            self.at += 1;
            if self.peek() == Some(&Token::Sign('{')) {
                self.at += 1;
            }
            while !matches!(self.peek_word(), Some("inet" | "inet6" | "proto" | "from" | "to" | "all") | None)
                || matches!(self.peek(), Some(Token::Sign(_)))
            {
                if self.rest_is_empty() {
                    return Err(Syntax);
                }
                self.at += 1;
            }
        }
        if let Some(family @ ("inet" | "inet6")) = self.peek_word() {
            family.clone_into(&mut scope.family);
            self.at += 1;
        }
        if self.take("proto") {
            scope.protocols = self.list()?;
            for protocol in &scope.protocols {
                let known = protocol.parse::<u8>().is_ok()
                    || matches!(
                        protocol.as_str(),
                        "tcp"
                            | "udp"
                            | "icmp"
                            | "icmp6"
                            | "ipv6-icmp"
                            | "esp"
                            | "ah"
                            | "gre"
                            | "ospf"
                            | "igmp"
                            | "carp"
                            | "pfsync"
                            | "ipv6"
                            | "ipencap"
                            | "sctp"
                            | "vrrp"
                            | "pim"
                            | "ipip"
                            | "ip"
                    );
                if !known {
                    return Err(Syntax);
                }
            }
        }
        if self.take("all") {
            scope.all = true;
            return Ok(());
        }
        if self.take("from") {
            if self.peek_word() == Some("port") {
                scope.from = vec!["any".into()];
            } else {
                scope.from = self.hosts(state)?;
            }
            if self.take("port") {
                scope.from_ports = self.ports()?;
            }
            if self.take("os") {
                self.list()?;
            }
        }
        if self.take("to") {
            if self.peek_word() == Some("port") {
                scope.to = vec!["any".into()];
            } else {
                scope.to = self.hosts(state)?;
            }
            if self.take("port") {
                scope.to_ports = self.ports()?;
            }
        } else if self.take("port") {
            scope.to_ports = self.ports()?;
        }
        let wants_ports = !scope.from_ports.is_empty() || !scope.to_ports.is_empty();
        if wants_ports && !scope.protocols.iter().any(|protocol| matches!(protocol.as_str(), "tcp" | "udp" | "sctp")) {
            return Err(Syntax);
        }
        Ok(())
    }

    /// The scope of an anchor in the translation section.
    fn scope(&mut self, state: &State) -> Result<String, Syntax> {
        let mut scope = Scope::default();
        self.common(state, &mut scope)?;
        Ok(scope.spread().into_iter().next().unwrap_or_default().trim().to_owned())
    }

    /// The scope of an anchor among the filter rules.
    fn filter_scope(&mut self, state: &State) -> Result<String, Syntax> {
        let mut scope = Scope::default();
        if let Some(direction @ ("in" | "out")) = self.peek_word() {
            scope.direction = direction.to_owned();
            self.at += 1;
        }
        self.take("quick");
        self.common(state, &mut scope)?;
        self.skip();
        Ok(scope.spread().into_iter().next().unwrap_or_default().trim().to_owned())
    }

    fn scrub(&mut self, state: &State) -> Result<Vec<String>, Syntax> {
        let mut scope = Scope::default();
        if let Some(direction @ ("in" | "out")) = self.peek_word() {
            scope.direction = direction.to_owned();
            self.at += 1;
        }
        if self.take("log") {
            scope.extras.push_str(" log");
        }
        self.common(state, &mut scope)?;
        let mut options = String::new();
        let mut reassemble = " fragment reassemble";
        while !self.rest_is_empty() {
            match self.word()?.as_str() {
                "no-df" => options.push_str(" no-df"),
                "random-id" => options.push_str(" random-id"),
                word @ ("min-ttl" | "max-mss" | "set-tos") => {
                    let value = self.name()?;
                    value.parse::<u32>().map_err(|_| Syntax)?;
                    options.push_str(&format!(" {word} {value}"));
                }
                "reassemble" => {
                    self.expect("tcp")?;
                    options.push_str(" reassemble tcp");
                }
                "fragment" => match self.word()?.as_str() {
                    "reassemble" => {}
                    "no" => {
                        self.expect("reassemble")?;
                        reassemble = " fragment no reassemble";
                    }
                    "crop" | "drop-ovl" => reassemble = "",
                    _ => return Err(Syntax),
                },
                _ => return Err(Syntax),
            }
        }
        Ok(scope.spread().into_iter().map(|rule| format!("scrub{rule}{options}{reassemble}")).collect())
    }

    fn translation(&mut self, state: &State, kind: &str, no: bool) -> Result<Vec<String>, Syntax> {
        let mut head = if no { format!("no {kind}") } else { kind.to_owned() };
        if self.take("pass") {
            head.push_str(" pass");
            if self.take("log") {
                head.push_str(" log");
            }
        } else if self.take("log") {
            head.push_str(" log");
        }
        let mut scope = Scope::default();
        self.common(state, &mut scope)?;
        if kind == "rdr" || kind == "nat" {
            while matches!(self.peek_word(), Some("tag" | "tagged" | "rtable")) {
                self.at += 1;
                self.name()?;
            }
        }
        if no {
            self.end()?;
            return Ok(scope.spread().into_iter().map(|rule| format!("{head}{rule}")).collect());
        }
        if self.peek() != Some(&Token::Pair("->")) {
            return Err(Syntax);
        }
        self.at += 1;
        let targets = self.hosts(state)?;
        // A rule whose addresses say nothing of their family has that of the address it leads to.
        if scope.family.is_empty()
            && let Some(family) = targets.iter().find_map(|target| family_of(target))
        {
            family.clone_into(&mut scope.family);
        }
        let mut tail = if targets.len() == 1 { targets[0].clone() } else { format!("{{ {} }}", targets.join(", ")) };
        if self.take("port") {
            let text = self.name()?;
            let valid = match text.split_once(':') {
                Some((low, "*")) => port_number(low).is_ok(),
                Some((low, high)) => port_number(low).is_ok() && port_number(high).is_ok(),
                None => port_number(&text).is_ok(),
            };
            if !valid {
                return Err(Syntax);
            }
            tail.push_str(&format!(" port {text}"));
        }
        // An interface in brackets without `:0` may come to several addresses.
        let dynamic = targets.iter().any(|target| target.starts_with('(') && !target.ends_with(":0)"));
        let mut pool = if targets.len() > 1 || dynamic { " round-robin".to_owned() } else { String::new() };
        while !self.rest_is_empty() {
            match self.word()?.as_str() {
                word @ ("static-port" | "sticky-address") => pool.push_str(&format!(" {word}")),
                word @ ("round-robin" | "random" | "bitmask") => pool = format!(" {word}"),
                "source-hash" => {
                    pool = " source-hash".into();
                    if self.peek_word().is_some_and(|word| word.starts_with("0x")) {
                        self.at += 1;
                    }
                }
                "tag" => tail.push_str(&format!(" tag {}", self.name()?)),
                _ => return Err(Syntax),
            }
        }
        Ok(scope.spread().into_iter().map(|rule| format!("{head}{rule} -> {tail}{pool}")).collect())
    }

    fn filter(&mut self, state: &State, action: &str, policy: &str) -> Result<Vec<String>, Syntax> {
        let mut head = action.to_owned();
        if action == "block" {
            match self.peek_word() {
                Some(word @ ("drop" | "return" | "return-rst" | "return-icmp" | "return-icmp6")) => {
                    head.push_str(&format!(" {word}"));
                    self.at += 1;
                    self.brackets()?;
                }
                _ => head.push_str(&format!(" {policy}")),
            }
        }
        let mut scope = Scope::default();
        if let Some(direction @ ("in" | "out")) = self.peek_word() {
            scope.direction = direction.to_owned();
            self.at += 1;
        }
        if self.take("log") {
            scope.extras.push_str(" log");
            self.brackets()?;
        }
        if self.take("quick") {
            scope.extras.push_str(" quick");
        }
        self.common(state, &mut scope)?;
        let mut flags = None;
        let mut keep = None;
        let mut tail = String::new();
        while !self.rest_is_empty() {
            let word = self.word()?;
            match word.as_str() {
                "flags" => flags = Some(self.name()?),
                "keep" | "modulate" | "synproxy" | "no" => {
                    self.expect("state")?;
                    keep = Some(word);
                    self.brackets()?;
                }
                "icmp-type" | "icmp6-type" => {
                    let types = self.list_of(&mut |words| {
                        let name = words.name()?;
                        if words.take("code") {
                            words.name()?;
                        }
                        Ok(vec![name])
                    })?;
                    scope.to_ports = types.into_iter().map(|name| format!("\u{0}{word} {name}")).collect();
                }
                "tag" | "tagged" | "label" | "queue" | "rtable" | "probability" | "tos" | "received-on"
                | "schedule" | "ridentifier" | "divert-to" | "prio" | "dnqueue" | "dnpipe" => {
                    if self.sign('(') {
                        self.at -= 1;
                        self.brackets()?;
                    } else if self.peek() == Some(&Token::Sign('{')) || self.peek() == Some(&Token::Sign('!')) {
                        self.list()?;
                    } else {
                        let value = self.name()?;
                        if matches!(word.as_str(), "label" | "queue" | "tag" | "tagged") {
                            let quoted = if word == "label" { format!("\"{value}\"") } else { value };
                            tail.push_str(&format!(" {word} {quoted}"));
                        }
                    }
                }
                "user" | "group" => {
                    self.list_of(&mut |words| {
                        if matches!(words.peek(), Some(Token::Sign('=' | '<' | '>') | Token::Pair(_))) {
                            words.at += 1;
                        }
                        Ok(vec![words.name()?])
                    })?;
                }
                "set" => {
                    if !self.brackets()? {
                        self.word()?;
                        if !self.brackets()? {
                            self.name()?;
                        }
                    }
                }
                "allow-opts" => tail.push_str(" allow-opts"),
                "fragment" | "once" => tail.push_str(&format!(" {word}")),
                "max-pkt-rate" => {
                    self.name()?;
                }
                "nat-to" | "rdr-to" | "binat-to" | "af-to" if state.kept.major >= 15 => {
                    let targets = self.hosts(state)?;
                    tail.push_str(&format!(" {word} {}", targets.join(", ")));
                    if self.take("port") {
                        tail.push_str(&format!(" port {}", self.name()?));
                    }
                }
                "static-port" | "round-robin" | "sticky-address" => {}
                _ => return Err(Syntax),
            }
        }
        let mut rules = Vec::new();
        for (rule, protocol) in scope.spread_with_protocol() {
            let mut line = format!("{head}{rule}");
            if action == "pass" {
                let tcp = protocol.is_empty() || protocol == "tcp";
                match (&flags, tcp) {
                    (Some(flags), _) if flags != "any" => line.push_str(&format!(" flags {flags}")),
                    (Some(_), true) => line.push_str(" flags any"),
                    (None, true) if keep.as_deref() != Some("no") => line.push_str(" flags S/SA"),
                    _ => {}
                }
                line.push_str(&format!(" {} state", keep.as_deref().unwrap_or("keep")));
            } else if let Some(flags) = &flags {
                line.push_str(&format!(" flags {flags}"));
            }
            line.push_str(&tail);
            rules.push(line);
        }
        Ok(rules)
    }

    /// `( … )`, whatever stands in it.
    fn brackets(&mut self) -> Result<bool, Syntax> {
        if !self.sign('(') {
            return Ok(false);
        }
        let mut depth = 1;
        while depth > 0 {
            match self.peek() {
                Some(Token::Sign('(')) => depth += 1,
                Some(Token::Sign(')')) => depth -= 1,
                Some(_) => {}
                None => return Err(Syntax),
            }
            self.at += 1;
        }
        Ok(true)
    }
}

fn plain(token: &Token) -> String {
    match token {
        Token::Word(text) => text.clone(),
        Token::Quoted(text) => format!("\"{text}\""),
        Token::Sign(sign) => sign.to_string(),
        Token::Pair(pair) => (*pair).to_owned(),
        Token::Table(name) => format!("<{name}>"),
        Token::Newline => String::new(),
    }
}

impl Scope {
    fn spread(&self) -> Vec<String> {
        self.spread_with_protocol().into_iter().map(|(rule, _)| rule).collect()
    }

    /// One rule per combination, in pfctl's order, with the protocol it is for.
    fn spread_with_protocol(&self) -> Vec<(String, String)> {
        let one_empty = |list: &[String]| if list.is_empty() { vec![String::new()] } else { list.to_vec() };
        let hosts =
            !self.from.is_empty() || !self.to.is_empty() || !self.to_ports.is_empty() || !self.from_ports.is_empty();
        let any = |list: &[String]| if list.is_empty() { vec!["any".to_owned()] } else { list.to_vec() };
        let direction = if self.direction.is_empty() { String::new() } else { format!(" {}", self.direction) };
        let mut rules = Vec::new();
        for interface in one_empty(&self.interfaces) {
            for protocol in one_empty(&self.protocols) {
                for from in any(&self.from) {
                    for from_port in one_empty(&self.from_ports) {
                        for to in any(&self.to) {
                            for to_port in one_empty(&self.to_ports) {
                                let (to_port, icmp) = match to_port.strip_prefix('\u{0}') {
                                    Some(icmp) => (String::new(), icmp.to_owned()),
                                    None => (to_port, String::new()),
                                };
                                let mut rule = format!("{direction}{}", self.extras);
                                if !interface.is_empty() {
                                    rule.push_str(&format!(" on {interface}"));
                                }
                                let family = if self.family.is_empty() {
                                    family_of(&from).or_else(|| family_of(&to))
                                } else {
                                    Some(self.family.as_str())
                                };
                                if let Some(family) = family {
                                    rule.push_str(&format!(" {family}"));
                                }
                                if !protocol.is_empty() {
                                    rule.push_str(&format!(" proto {protocol}"));
                                }
                                if !hosts || self.all && from == "any" && to == "any" {
                                    rule.push_str(" all");
                                } else {
                                    rule.push_str(&format!(" from {from}"));
                                    if !from_port.is_empty() {
                                        rule.push_str(&format!(" port {from_port}"));
                                    }
                                    rule.push_str(&format!(" to {to}"));
                                    if !to_port.is_empty() {
                                        rule.push_str(&format!(" port {to_port}"));
                                    }
                                }
                                if !icmp.is_empty() {
                                    rule.push_str(&format!(" {icmp}"));
                                }
                                rules.push((rule, protocol.clone()));
                                if rules.len() >= 5000 {
                                    return rules;
                                }
                            }
                        }
                    }
                }
            }
        }
        rules
    }
}

fn family_of(host: &str) -> Option<&'static str> {
    let host = host.trim_start_matches("! ");
    let ip = host.split(['/', ' ']).next().unwrap_or_default();
    match ip.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => Some("inet"),
        Ok(IpAddr::V6(_)) => Some("inet6"),
        Err(_) => None,
    }
}

/// An address or a network as pfctl prints it: host bits cleared, a full-length prefix left out.
fn address(text: &str) -> Option<String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip.to_string());
    }
    let net = match text.parse::<IpNet>() {
        Ok(net) => net,
        // `10/8` stands for 10.0.0.0/8.
        Err(_) => {
            let (short, prefix) = text.split_once('/')?;
            let dots = short.matches('.').count();
            if !short.chars().all(|c| c.is_ascii_digit() || c == '.') || dots > 2 {
                return None;
            }
            format!("{short}{}/{prefix}", ".0".repeat(3 - dots)).parse().ok()?
        }
    };
    if net.prefix_len() == net.max_prefix_len() { Some(net.addr().to_string()) } else { Some(net.trunc().to_string()) }
}

/// Services by name, as far as rule files use them.
const SERVICES: [(&str, u16); 22] = [
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("bootps", 67),
    ("bootpc", 68),
    ("tftp", 69),
    ("http", 80),
    ("pop3", 110),
    ("sunrpc", 111),
    ("ntp", 123),
    ("imap", 143),
    ("snmp", 161),
    ("ldap", 389),
    ("https", 443),
    ("syslog", 514),
    ("submission", 587),
    ("imaps", 993),
    ("openvpn", 1194),
    ("nfsd", 2049),
];

fn port_number(text: &str) -> Result<u16, Syntax> {
    if let Some((_, number)) = SERVICES.iter().find(|(name, _)| *name == text) {
        return Ok(*number);
    }
    match text {
        "www" => Ok(80),
        _ => text.parse().map_err(|_| Syntax),
    }
}

/// A rule with numbers in place of services' names, as `pfctl -P` prints it.
pub(crate) fn with_numbers(rule: &str) -> String {
    let mut words: Vec<String> = rule.split(' ').map(str::to_owned).collect();
    let mut expected = false;
    for word in &mut words {
        if expected && let Some((_, number)) = SERVICES.iter().find(|(name, _)| name == word) {
            *word = number.to_string();
        }
        // A name stands behind `port` or behind an operator.
        expected = word == "port" || matches!(word.as_str(), "=" | "!=" | "<" | "<=" | ">" | ">=" | "<>" | "><");
    }
    words.join(" ")
}

fn port(text: &str) -> Result<String, Syntax> {
    let number = port_number(text)?;
    Ok(SERVICES
        .iter()
        .find(|(_, known)| *known == number)
        .map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::state::{Inet, Interface};

    fn host() -> State {
        let mut state = State::default();
        state.kept.major = 14;
        state.running.interfaces.push(Interface {
            name: "em0".into(),
            up: true,
            inet: vec![Inet { address: std::net::Ipv4Addr::new(192, 168, 178, 20), prefix: 24 }],
            ..Interface::default()
        });
        state
    }

    fn parsed(text: &str) -> Parsed {
        parse(&host(), &|_| None, "/etc/pf.conf", text, &[])
    }

    fn errors(text: &str) -> Vec<String> {
        parsed(text).errors
    }

    fn order_error(line: usize) -> Vec<String> {
        vec![format!("/etc/pf.conf:{line}: {ORDER}")]
    }

    #[test]
    fn sections_out_of_order_are_refused_with_their_lines() {
        assert_eq!(errors("pass\nscrub in all\n"), order_error(2));
        assert_eq!(errors("nat on em0 from any to any -> (em0)\nset block-policy drop\n"), order_error(2));
        assert_eq!(errors("anchor foo\nnat-anchor pot-nat\n"), order_error(2));
        assert_eq!(
            errors("pass\nrdr-anchor \"pot-rdr/*\"\npass\nscrub in all\n"),
            [order_error(2), order_error(4)].concat()
        );
        assert_eq!(errors("antispoof for em0\nnat-anchor x\n"), order_error(2));
        assert_eq!(errors("match in all\nset limit states 1000\n"), order_error(2));
    }

    #[test]
    fn what_does_not_count_for_the_order_may_stand_anywhere() {
        for line in [
            "x = \"em0\"",
            "table <t> persist",
            "set skip on lo0",
            "set state-policy if-bound",
            "set ruleset-optimization none",
            "set hostid 1",
            "set syncookies never",
            "set keepcounters",
            "set require-order yes",
            "load anchor x from \"/etc/x\"",
        ] {
            assert_eq!(errors(&format!("pass\n{line}\npass\n")), Vec::<String>::new(), "{line}");
        }
        for line in [
            "set optimization normal",
            "set timeout interval 10",
            "set loginterface em0",
            "set debug urgent",
            "set reassemble yes",
            "set fingerprints \"/etc/pf.os\"",
        ] {
            assert_eq!(errors(&format!("pass\n{line}\n")), order_error(2), "{line}");
        }
    }

    #[test]
    fn require_order_no_allows_any_order() {
        assert_eq!(errors("set require-order no\npass\nscrub in all\nnat-anchor x\n"), Vec::<String>::new());
    }

    #[test]
    fn the_anchors_that_init_puts_on_top_break_a_file_with_options() {
        let text =
            "nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\next_if = \"em0\"\nset skip on lo0\nscrub in all\npass\n";
        assert_eq!(errors(text), order_error(5));
        assert_eq!(errors("nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\npass\n"), Vec::<String>::new());
        assert_eq!(errors("nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n"), Vec::<String>::new());
    }

    #[test]
    fn a_macro_must_be_defined_before_it_is_used() {
        let found = errors("pass on $ext_if\next_if = \"em0\"\n");
        assert_eq!(found, ["/etc/pf.conf:1: macro 'ext_if' not defined", "/etc/pf.conf:1: syntax error"]);
        let quoted = parsed("i = em0\nl = \"{ $i, lo0 }\"\npass on $l\n").main.filter;
        assert_eq!(quoted[0], "pass on $i all flags S/SA keep state", "a macro in quotes is not filled");
        let built = parsed("i = em0\nl = \"{\" $i lo0 \"}\"\npass on $l\n").main.filter;
        assert_eq!(built[0], "pass on em0 all flags S/SA keep state");
    }

    #[test]
    fn syntax_errors_carry_the_line_and_do_not_hide_later_ones() {
        assert_eq!(
            errors("pass\nfoo bar\npass in on\n"),
            ["/etc/pf.conf:2: syntax error", "/etc/pf.conf:3: syntax error"]
        );
        assert_eq!(errors("pass proto tcp port 22x\n"), ["/etc/pf.conf:1: syntax error"]);
        assert_eq!(errors("pass to port 22\n"), ["/etc/pf.conf:1: syntax error"]);
        assert_eq!(errors("nat on em0 from any to any\n"), ["/etc/pf.conf:1: syntax error"]);
        assert_eq!(errors("pass from 1.2.3.4.5\n"), ["/etc/pf.conf:1: syntax error"]);
        assert_eq!(errors("}\n"), ["/etc/pf.conf:1: syntax error"]);
        assert_eq!(
            errors("table <x> file \"/none\"\n"),
            ["/etc/pf.conf:1: cannot load \"/none\": No such file or directory"]
        );
    }

    #[test]
    fn continued_lines_lists_and_comments_are_read_as_pf_does() {
        let text = "ports = \"{ 22, \\\n 80 }\" # and more\npass in \\\n on em0 proto tcp \\\n to port $ports\npass out on {\n em0,\n lo0\n}\n";
        let rules = parsed(text).main.filter;
        assert_eq!(
            rules,
            [
                "pass in on em0 proto tcp from any to any port = ssh flags S/SA keep state",
                "pass in on em0 proto tcp from any to any port = http flags S/SA keep state",
                "pass out on em0 all flags S/SA keep state",
                "pass out on lo0 all flags S/SA keep state",
            ]
        );
    }

    #[test]
    fn anchors_that_are_called_are_known_and_blocks_have_their_own_order() {
        let parsed =
            parsed("nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\nanchor \"own\" {\n scrub in all\n pass\n}\npass\n");
        assert_eq!(parsed.errors, Vec::<String>::new());
        assert_eq!(parsed.main.calls, ["pot-nat", "pot-rdr", "own"]);
        assert_eq!(parsed.main.translation, ["nat-anchor \"pot-nat\" all", "rdr-anchor \"pot-rdr/*\" all"]);
        assert_eq!(parsed.inline["own"].filter.len(), 1);
    }

    #[test]
    fn pots_nat_rules_are_printed_as_pfctl_prints_them() {
        let text = "ext_if = \"em0\"\nlocalnet = \"10.192.0.0/10\"\nnat on $ext_if from $localnet to any -> ($ext_if:0)\nnat on vlan20 from $localnet to 10.0.20.0/24 -> (vlan20:0)\nnat on em0 from $localnet to any -> (em0)\n";
        assert_eq!(
            parsed(text).main.translation,
            [
                "nat on em0 inet from 10.192.0.0/10 to any -> (em0:0)",
                "nat on vlan20 inet from 10.192.0.0/10 to 10.0.20.0/24 -> (vlan20:0)",
                "nat on em0 inet from 10.192.0.0/10 to any -> (em0) round-robin",
            ]
        );
        assert_eq!(
            parsed("rdr pass on em0 proto tcp from any to (em0) port 8080 -> 10.192.0.3 port 80\n").main.translation,
            ["rdr pass on em0 inet proto tcp from any to (em0) port = 8080 -> 10.192.0.3 port 80"],
            "pot's own show looks for the family that it did not write"
        );
    }

    #[test]
    fn ports_are_shown_as_numbers_when_asked() {
        let rule = "rdr pass on ssh proto tcp from any to (em0) port = https -> 10.0.0.2 port 443";
        assert_eq!(with_numbers(rule), rule.replace("https", "443"));
        assert_eq!(
            with_numbers("pass from any port != ssh to any port ftp >< http"),
            "pass from any port != 22 to any port 21 >< 80"
        );
    }

    #[test]
    fn no_text_makes_the_parser_fall_over() {
        for text in [
            "\"",
            "{",
            "((((",
            "pass from {",
            "anchor x {",
            "$",
            "x = $x",
            "<",
            "table <",
            "\\",
            "pass to ! ",
            "set",
            "nat ->",
            "\u{0}\u{7f}é",
        ] {
            let _ = parsed(text);
            let _ = parsed(&format!("x = \"{{ {text} }}\"\npass from $x\n"));
        }
        let nested = "anchor a {\n".repeat(500);
        assert!(!errors(&nested).is_empty());
        let doubling: String = std::iter::once("a0 = xx\n".to_owned())
            .chain((1..40).map(|n| format!("a{n} = $a{0} $a{0}\n", n - 1)))
            .collect();
        assert!(!errors(&doubling).is_empty());
    }
}
