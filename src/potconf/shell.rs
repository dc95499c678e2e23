//! Reads a file as sh would, without running it, and says what is certain about its variables.
//!
//! Five shells were asked (dash, busybox ash, bash, mksh, yash; `tests/shells.rs` asks them again): only what all of
//! them read alike is taken for certain. There are three answers to a piece of text:
//!
//! - an [`Effect`] on variables that is known, down to the bytes, or known to touch only certain names;
//! - [`Effect::Danger`]: it can set anything or end the reading (`eval`, `exit`, `. file`). In a subshell it cannot;
//! - a [`Stop`]: shells disagree on where the piece ends, or it is an error. Then nothing in the file is certain,
//!   because a shell that stops at an error never runs the lines before or after it as written.
//!
//! The parser is recursive descent with a limit on depth. It never fails: after a stop it goes on with the next line,
//! so that pages can still show what seems to stand there.

mod names;
mod words;

use super::name::is_name;
use crate::search_plainly;
pub(super) use names::is_special_variable;
use names::{CLOSING, COMPOUNDS, KORN, is_builtin, is_reserved};
use std::ops::Range;

/// Nesting of compounds and substitutions that is followed; what is deeper stops the reading.
const DEEPEST: usize = 48;
/// After that many stops the rest of the file is not read. Each may cost one pass over it.
const MOST_STOPS: usize = 16;
/// Most commands that are read; assignments are among them. What is kept of each is a hundred times what a short one
/// takes in the file.
pub(super) const MOST_COMMANDS: usize = 100_000;
/// Longest piece of text that a reason quotes, in characters.
const QUOTED: usize = 60;

/// A piece that cannot be read for certain.
#[derive(Debug)]
pub(super) struct Stop {
    /// Where it begins.
    pub at: usize,
    /// What is wrong.
    pub message: String,
    /// Whether every shell calls it an error.
    pub syntax: bool,
}

type Parsed<T> = Result<T, Stop>;

/// What a piece of the file does, in the order in which sh does it.
#[derive(Debug, Clone)]
pub(super) enum Effect {
    /// A plain static assignment at top level: index into [`Reading::assigned`].
    Assign(usize),
    /// The variable may get another value: index into [`Reading::assigned`].
    Touch(usize),
    /// It certainly gets this value, or keeps the one it has, but is not plain: `export X=1`, `readonly X`.
    Declare {
        /// Index into [`Reading::assigned`].
        assigned: usize,
        /// Whether a value was given.
        gives: bool,
        /// Whether it can never be assigned again.
        readonly: bool,
        /// Whether this surely happens.
        certain: bool,
    },
    /// An assignment for one command alone: index into [`Reading::assigned`].
    Temporary(usize),
    /// It is certainly removed: index into [`Reading::assigned`].
    Unset(usize),
    /// Something is set or ended that cannot be told: index into [`Reading::dangers`].
    Danger(usize),
    /// A function is defined, with what its body does.
    Define(Vec<u8>, Vec<Effect>),
    /// A command runs that changes no variable unless it is a function.
    Run {
        /// Its name.
        name: Vec<u8>,
        /// Where it stands.
        at: usize,
    },
}

/// One assignment as it stands.
#[derive(Debug)]
pub(super) struct Assigned {
    /// The variable.
    pub name: String,
    /// The certain value.
    pub value: Option<Vec<u8>>,
    /// Why it is not certain.
    pub computed: Option<String>,
    /// Why it is not plain.
    pub reason: Option<String>,
    /// The whole word.
    pub word: Range<usize>,
    /// The value's part of it.
    pub(crate) value_at: Range<usize>,
    /// Where the blanks before it begin.
    pub(crate) gap: usize,
    /// Only for one command.
    pub temporary: bool,
    /// Whether it is an assignment at all (not `unset X`, `for X`, `${X:=y}`).
    pub written: bool,
}

/// A command that runs.
#[derive(Debug)]
pub(super) struct Ran {
    /// Where it stands.
    pub text: Range<usize>,
    /// Where the blanks before it begin.
    pub(crate) gap: usize,
    /// Its name, when certain.
    pub name: Option<Vec<u8>>,
    /// Its words when all are certain.
    pub words: Option<Vec<Vec<u8>>>,
    /// Its own assignments: a range of [`Reading::assigned`].
    pub temporary: Range<usize>,
    /// Whether it is plainly at top level.
    pub plain: bool,
}

/// All that was found.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(crate) effects: Vec<Effect>,
    pub(crate) assigned: Vec<Assigned>,
    pub ran: Vec<Ran>,
    pub(crate) dangers: Vec<(usize, String)>,
    pub stops: Vec<Stop>,
    /// Variables whose values are used, and where; inside a function: at the end, for it runs when it is called.
    pub uses: Vec<(String, usize)>,
    /// Comments at top level, without their line ends.
    pub(crate) comments: Vec<Range<usize>>,
    /// There are more than [`MOST_COMMANDS`]; the rest was not read.
    pub(crate) too_many: bool,
}

/// Reads the whole file.
pub(super) fn read(bytes: &[u8]) -> Reading {
    let mut parser = Parser::new(bytes);
    loop {
        let start = parser.pos;
        match parser.top_level() {
            Ok(()) => break,
            Err(stop) => {
                let start = parser.statement.max(start);
                parser.out.stops.push(stop);
                if parser.out.too_many || parser.out.stops.len() >= MOST_STOPS {
                    break;
                }
                parser.restart_after(start);
            }
        }
    }
    parser.out
}

/// A word: what stands there and what is certain about it.
#[derive(Debug)]
struct Word {
    at: Range<usize>,
    /// Its text after quote removal, if nothing in it is expanded.
    value: Option<Vec<u8>>,
    /// Why there is no certain text.
    computed: Option<String>,
    /// An expansion outside of double quotes: it can become several words or none.
    splits: bool,
    /// `*`, `?`, `[` or `{` outside of quotes: it can become other words.
    globs: bool,
    /// Quotes or backslashes in it.
    quoted: bool,
}

/// `NAME=value` at the start of a word.
struct Prefix {
    name: String,
    /// Where the blanks before it begin.
    gap: usize,
    append: bool,
    value_start: usize,
}

struct HereDocument {
    at: usize,
    delimiter: Vec<u8>,
    tabs: bool,
    quoted: bool,
}

struct Parser<'a> {
    bytes: &'a [u8],
    /// Where reading ends: the end of the file or of a backquoted command.
    end: usize,
    pos: usize,
    depth: usize,
    /// In a subshell: variables of the outside cannot change.
    sheltered: bool,
    /// What the piece stands in: "an if".
    inside: Option<&'static str>,
    /// Start of the current top-level statement.
    statement: usize,
    pending: Vec<HereDocument>,
    in_function: bool,
    /// In the body of a for loop, which may run more than once.
    in_loop: bool,
    /// The blanks that were skipped last.
    gap: Range<usize>,
    /// Between two statements at top level.
    between: bool,
    ascii: bool,
    /// How many commands were read.
    commands: usize,
    out: Reading,
}

/// What ends a list of commands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// One of these words in the place of a command.
    Words(&'static [&'static [u8]]),
    /// `)`.
    Parenthesis,
    /// `;;` or `esac`.
    Case,
    /// The end of the text.
    End,
}

impl<'a> Parser<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            end: bytes.len(),
            pos: 0,
            depth: 0,
            sheltered: false,
            inside: None,
            statement: 0,
            pending: Vec::new(),
            in_function: false,
            in_loop: false,
            gap: 0..0,
            between: false,
            ascii: bytes.is_ascii(),
            commands: 0,
            out: Reading::default(),
        }
    }

    /// Goes on at the line after the one that holds `start`.
    fn restart_after(&mut self, start: usize) {
        self.end = self.bytes.len();
        self.depth = 0;
        self.sheltered = false;
        self.inside = None;
        self.pending.clear();
        self.in_function = false;
        self.in_loop = false;
        self.between = false;
        self.pos =
            search_plainly::find(b'\n', self.slice(start..self.end)).map_or(self.end, |offset| start + offset + 1);
    }

    fn slice(&self, range: Range<usize>) -> &'a [u8] {
        self.bytes.get(range).unwrap_or(&[])
    }

    fn peek(&self) -> Option<u8> {
        self.ahead(0)
    }

    fn ahead(&self, by: usize) -> Option<u8> {
        let at = self.pos.saturating_add(by);
        if at < self.end { self.bytes.get(at).copied() } else { None }
    }

    fn quote(&self, range: Range<usize>) -> String {
        quote(self.slice(range))
    }

    fn syntax<T>(at: usize, message: impl Into<String>) -> Parsed<T> {
        Err(Stop { at, message: message.into(), syntax: true })
    }

    fn unsure<T>(at: usize, message: impl Into<String>) -> Parsed<T> {
        Err(Stop { at, message: message.into(), syntax: false })
    }

    fn enter(&mut self, at: usize) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEEPEST { Self::unsure(at, "nested too deeply to be read here") } else { Ok(()) }
    }

    fn danger(&mut self, at: usize, reason: impl Into<String>) {
        if !self.sheltered {
            self.out.dangers.push((at, reason.into()));
            self.out.effects.push(Effect::Danger(self.out.dangers.len() - 1));
        }
    }

    // --- lists -------------------------------------------------------------------------------------------------

    fn top_level(&mut self) -> Parsed<()> {
        loop {
            self.statement = self.pos;
            self.between = true;
            self.blanks_and_newlines()?;
            self.between = false;
            self.statement = self.pos;
            if self.peek().is_none() {
                return self.no_pending();
            }
            self.and_or()?;
            self.blanks();
            match self.peek() {
                None | Some(b'\n' | b'#') => {}
                Some(b';') if self.ahead(1) != Some(b';') => self.pos += 1,
                Some(b'&') => self.pos += 1,
                Some(_) => return Self::syntax(self.pos, self.misplaced()),
            }
        }
    }

    fn misplaced(&self) -> String {
        match self.peek() {
            Some(b';') => "`;` without a command before it".to_owned(),
            Some(byte @ (b'(' | b')' | b'|' | b'&' | b'<' | b'>')) => format!("`{}` is out of place", char::from(byte)),
            _ => format!("`{}` is out of place", self.quote(self.pos..self.word_end())),
        }
    }

    fn word_end(&self) -> usize {
        let rest = self.slice(self.pos..self.end);
        let length = rest.iter().position(|byte| is_meta(*byte)).unwrap_or(rest.len());
        self.pos + length.max(1)
    }

    /// Commands up to, not including, what ends them. `empty`: whether there may be none.
    fn list(&mut self, until: Until, empty: bool) -> Parsed<()> {
        let start = self.pos;
        let mut any = false;
        loop {
            self.blanks_and_newlines()?;
            if self.at_end_of(until) {
                if !any && !empty {
                    return Self::syntax(start, "a command is missing");
                }
                return Ok(());
            }
            if self.peek().is_none() {
                return Self::syntax(start, "the file ends before this is complete");
            }
            self.and_or()?;
            any = true;
            self.blanks();
            match self.peek() {
                Some(b'\n' | b'#') | None => {}
                Some(b';') if self.ahead(1) == Some(b';') => {
                    if until != Until::Case {
                        return Self::syntax(self.pos, "`;;` outside of a case");
                    }
                }
                Some(b';' | b'&') => self.pos += 1,
                Some(b')') if until == Until::Parenthesis => {}
                Some(_) => return Self::syntax(self.pos, self.misplaced()),
            }
        }
    }

    fn at_end_of(&self, until: Until) -> bool {
        match until {
            Until::Words(words) => words.iter().any(|word| self.at_word(word)),
            Until::Parenthesis => self.peek() == Some(b')'),
            Until::Case => self.at_word(b"esac") || (self.peek() == Some(b';') && self.ahead(1) == Some(b';')),
            Until::End => self.peek().is_none(),
        }
    }

    /// Whether exactly this word, unquoted, stands here.
    fn at_word(&self, word: &[u8]) -> bool {
        self.slice(self.pos..self.end).starts_with(word) && self.ahead(word.len()).is_none_or(is_meta)
    }

    /// Pipelines joined by `&&` and `||`, perhaps sent to the background.
    fn and_or(&mut self) -> Parsed<()> {
        let start = self.pos;
        let effects = self.out.effects.len();
        let assigned = self.out.assigned.len();
        let ran = self.out.ran.len();
        let mut joined = false;
        loop {
            self.pipeline()?;
            self.blanks();
            match (self.peek(), self.ahead(1)) {
                (Some(b'&'), Some(b'&')) | (Some(b'|'), Some(b'|')) => {
                    joined = true;
                    self.pos += 2;
                    self.blanks_and_newlines()?;
                    if self.peek().is_none() {
                        return Self::syntax(start, "a command is missing after `&&` or `||`");
                    }
                }
                (Some(b'&'), Some(b'>' | b'|' | b';')) => {
                    return Self::unsure(self.pos, "`&` is followed by something that shells read differently");
                }
                (Some(b'&'), _) => {
                    // A background job is a subshell: it changes nothing here.
                    self.out.effects.truncate(effects);
                    self.demote(assigned, ran, "set in the background");
                    return Ok(());
                }
                _ => break,
            }
        }
        if joined {
            self.demote_effects(effects);
            self.demote(assigned, ran, "set in a list joined by && or ||");
        }
        Ok(())
    }

    /// Commands joined by `|`, or one with `!`.
    fn pipeline(&mut self) -> Parsed<()> {
        let effects = self.out.effects.len();
        let assigned = self.out.assigned.len();
        let ran = self.out.ran.len();
        let mut negated = false;
        if self.at_word(b"!") {
            if self.ahead(1) == Some(b'(') {
                return Self::unsure(self.pos, "`!(` is read differently by shells");
            }
            negated = true;
            self.pos += 1;
            self.blanks();
            if self.at_word(b"!") {
                return Self::unsure(self.pos, "`! !` is read differently by shells");
            }
        }
        let mut piped = false;
        loop {
            self.command()?;
            self.blanks();
            match (self.peek(), self.ahead(1)) {
                (Some(b'|'), Some(b'&')) => {
                    return Self::unsure(self.pos, "`|&` is read differently by shells");
                }
                (Some(b'|'), next) if next != Some(b'|') => {
                    piped = true;
                    self.pos += 1;
                    self.blanks_and_newlines()?;
                    if self.peek().is_none() {
                        return Self::syntax(self.pos, "a command is missing after `|`");
                    }
                }
                _ => break,
            }
        }
        if negated || piped {
            self.demote_effects(effects);
            self.demote(assigned, ran, if piped { "set in a pipeline" } else { "set after `!`" });
        }
        Ok(())
    }

    fn demote_effects(&mut self, from: usize) {
        for effect in self.out.effects.iter_mut().skip(from) {
            demote_effect(effect);
        }
    }

    fn demote(&mut self, assigned: usize, ran: usize, reason: &str) {
        for entry in self.out.assigned.iter_mut().skip(assigned) {
            entry.reason.get_or_insert_with(|| reason.to_owned());
        }
        for entry in self.out.ran.iter_mut().skip(ran) {
            entry.plain = false;
        }
    }

    // --- commands ----------------------------------------------------------------------------------------------

    fn command(&mut self) -> Parsed<()> {
        let start = self.pos;
        match self.peek() {
            Some(b'(') => {
                if self.ahead(1) == Some(b'(') {
                    return Self::unsure(start, "`((` is read differently by shells");
                }
                self.pos += 1;
                self.enter(start)?;
                self.in_shelter(|parser| parser.list(Until::Parenthesis, false))?;
                self.depth -= 1;
                self.expect(b")")?;
                return self.after_compound(start);
            }
            Some(b')' | b'|' | b'&' | b';') | None => return Self::syntax(start, self.misplaced()),
            _ => {}
        }
        for (word, inside) in COMPOUNDS {
            if self.at_word(word) {
                return self.compound(word, inside);
            }
        }
        if CLOSING.iter().any(|word| self.at_word(word)) {
            return Self::syntax(start, self.misplaced());
        }
        if self.is_broken_reserved_word() {
            return Self::unsure(start, "a reserved word with a continued line in it is read differently by shells");
        }
        if KORN.iter().any(|word| self.at_word(word)) {
            return Self::unsure(
                start,
                format!("`{}` is read differently by shells", self.quote(start..self.word_end())),
            );
        }
        self.simple_command()
    }

    /// Whether a reserved word stands here when continued lines are joined.
    fn is_broken_reserved_word(&self) -> bool {
        let (mut word, mut by, mut broken) = (Vec::new(), 0, false);
        // Longer than any of them.
        while word.len() < 16 {
            match (self.ahead(by), self.ahead(by + 1)) {
                (Some(b'\\'), Some(b'\n')) => {
                    broken = true;
                    by += 2;
                }
                (Some(byte), _) if !is_meta(byte) => {
                    word.push(byte);
                    by += 1;
                }
                _ => break,
            }
        }
        broken && is_reserved(&word)
    }

    fn in_shelter(&mut self, body: impl FnOnce(&mut Self) -> Parsed<()>) -> Parsed<()> {
        let before = std::mem::replace(&mut self.sheltered, true);
        let (effects, assigned, ran) = (self.out.effects.len(), self.out.assigned.len(), self.out.ran.len());
        body(self)?;
        self.sheltered = before;
        self.out.effects.truncate(effects);
        self.demote(assigned, ran, "set inside a subshell, without effect outside");
        Ok(())
    }

    fn compound(&mut self, word: &'static [u8], inside: &'static str) -> Parsed<()> {
        let start = self.pos;
        let (effects, assigned, ran) = (self.out.effects.len(), self.out.assigned.len(), self.out.ran.len());
        self.enter(start)?;
        let before = self.inside.replace(inside);
        self.pos += word.len();
        match word {
            b"if" => self.if_clause()?,
            b"for" => {
                let outer = std::mem::replace(&mut self.in_loop, true);
                self.for_clause()?;
                self.in_loop = outer;
                if !outer {
                    // What it does a second time may fail: `readonly` is the case.
                    self.out.effects.extend_from_within(effects..);
                }
            }
            b"case" => self.case_clause()?,
            b"{" => {
                self.list(Until::Words(&[b"}"]), false)?;
                self.expect(b"}")?;
            }
            _ => {
                self.list(Until::Words(&[b"do"]), false)?;
                self.do_group()?;
                self.danger(start, format!("`{}` may never end", String::from_utf8_lossy(word)));
            }
        }
        self.inside = before;
        self.depth -= 1;
        self.demote_effects(effects);
        self.demote(assigned, ran, &format!("set inside {inside}"));
        self.after_compound(start)
    }

    /// Only redirections may follow a compound command, and whether they work is not known here.
    fn after_compound(&mut self, start: usize) -> Parsed<()> {
        self.blanks();
        let mut redirected = false;
        while self.at_redirection() {
            self.redirection()?;
            redirected = true;
            self.blanks();
        }
        if redirected {
            self.danger(start, "a redirection of several commands may fail and end the file");
        }
        match self.peek() {
            None | Some(b'\n' | b';' | b'&' | b'|' | b')' | b'#') => Ok(()),
            _ => Self::syntax(self.pos, self.misplaced()),
        }
    }

    fn expect(&mut self, word: &'static [u8]) -> Parsed<()> {
        let found = if word == b")" { self.peek() == Some(b')') } else { self.at_word(word) };
        if found {
            self.pos += word.len();
            Ok(())
        } else {
            Self::syntax(self.pos, format!("`{}` is missing", String::from_utf8_lossy(word)))
        }
    }

    fn if_clause(&mut self) -> Parsed<()> {
        self.list(Until::Words(&[b"then"]), false)?;
        self.expect(b"then")?;
        loop {
            self.list(Until::Words(&[b"elif", b"else", b"fi"]), false)?;
            if self.at_word(b"elif") {
                self.pos += 4;
                self.list(Until::Words(&[b"then"]), false)?;
                self.expect(b"then")?;
            } else if self.at_word(b"else") {
                self.pos += 4;
                self.list(Until::Words(&[b"fi"]), false)?;
                return self.expect(b"fi");
            } else {
                return self.expect(b"fi");
            }
        }
    }

    fn do_group(&mut self) -> Parsed<()> {
        self.expect(b"do")?;
        self.list(Until::Words(&[b"done"]), false)?;
        self.expect(b"done")
    }

    fn for_clause(&mut self) -> Parsed<()> {
        self.blanks();
        let at = self.pos;
        let name = self.slice(at..self.word_end());
        if !is_name(name) {
            return Self::unsure(at, "the variable of this for is read differently by shells");
        }
        self.pos += name.len();
        let word = at..self.pos;
        self.touch(&String::from_utf8_lossy(name), word, "set by a for loop".to_owned());
        self.blanks_and_newlines()?;
        if self.at_word(b"in") {
            self.pos += 2;
            loop {
                self.blanks();
                match self.peek() {
                    Some(b'\n' | b'#') => break,
                    Some(b';') => {
                        self.pos += 1;
                        break;
                    }
                    Some(byte) if is_meta(byte) => return Self::syntax(self.pos, self.misplaced()),
                    None => return Self::syntax(at, "the file ends before this is complete"),
                    Some(_) => {
                        self.word()?;
                    }
                }
            }
        } else if self.peek() == Some(b';') {
            self.pos += 1;
        }
        self.blanks_and_newlines()?;
        self.do_group()
    }

    fn case_clause(&mut self) -> Parsed<()> {
        let at = self.pos;
        self.blanks();
        if self.peek().is_none_or(|byte| is_meta(byte) || byte == b'#') {
            return Self::syntax(at, "a word is missing after `case`");
        }
        self.word()?;
        self.blanks_and_newlines()?;
        self.expect(b"in")?;
        loop {
            self.blanks_and_newlines()?;
            if self.at_word(b"esac") {
                self.pos += 4;
                return Ok(());
            }
            if self.peek() == Some(b'(') {
                self.pos += 1;
                self.blanks();
                if self.at_word(b"esac") {
                    return Self::unsure(self.pos, "`(esac` is read differently by shells");
                }
            }
            loop {
                self.blanks();
                match self.peek() {
                    None => return Self::syntax(at, "the file ends before this is complete"),
                    Some(byte) if is_meta(byte) || byte == b'#' => return Self::syntax(self.pos, self.misplaced()),
                    Some(_) => {
                        self.word()?;
                    }
                }
                self.blanks();
                match self.peek() {
                    Some(b'|') => self.pos += 1,
                    Some(b')') => {
                        self.pos += 1;
                        break;
                    }
                    None => return Self::syntax(at, "the file ends before this is complete"),
                    Some(_) => return Self::syntax(self.pos, self.misplaced()),
                }
            }
            self.list(Until::Case, true)?;
            if self.peek() == Some(b';') {
                self.pos += 2;
                if matches!(self.peek(), Some(b'&' | b'|' | b';')) {
                    return Self::unsure(self.pos, "the end of this case branch is read differently by shells");
                }
            }
        }
    }

    fn function(&mut self, name: Vec<u8>, at: usize) -> Parsed<()> {
        // At `(`.
        self.pos += 1;
        self.blanks();
        if self.peek() != Some(b')') {
            return Self::syntax(self.pos, self.misplaced());
        }
        self.pos += 1;
        if !is_name(&name) || is_builtin(&name) || COMPOUNDS.iter().any(|(word, _)| *word == name) {
            return Self::unsure(at, format!("a function named `{}` is read differently by shells", quote(&name)));
        }
        self.blanks_and_newlines()?;
        let body = self.out.effects.len();
        let (assigned, ran, dangers) = (self.out.assigned.len(), self.out.ran.len(), self.out.dangers.len());
        self.enter(at)?;
        let compound = COMPOUNDS.iter().any(|(word, _)| self.at_word(word)) || self.peek() == Some(b'(');
        if !compound {
            return Self::unsure(self.pos, "the body of this function is read differently by shells");
        }
        if self.in_function {
            return Self::unsure(at, "a function inside a function is not followed here");
        }
        self.in_function = true;
        let outer = std::mem::replace(&mut self.in_loop, false);
        self.command()?;
        self.in_loop = outer;
        self.in_function = false;
        self.depth -= 1;
        // What the body would do stays in it until the function is called.
        let effects = self.out.effects.split_off(body);
        debug_assert!(self.out.dangers.len() >= dangers);
        for entry in self.out.assigned.iter_mut().skip(assigned) {
            if entry.reason.as_ref().is_none_or(|reason| reason.starts_with("set inside")) {
                entry.reason = Some("set inside a function".to_owned());
            }
        }
        self.out.ran.truncate(ran);
        self.out.effects.push(Effect::Define(name, effects));
        Ok(())
    }

    fn simple_command(&mut self) -> Parsed<()> {
        self.commands += 1;
        if self.commands > MOST_COMMANDS {
            self.out.too_many = true;
            return Err(Stop { at: self.pos, message: "too many commands".to_owned(), syntax: false });
        }
        let start = self.pos;
        let effects = self.out.effects.len();
        let gap = if self.gap.end == start { self.gap.start } else { start };
        let mut assignments: Vec<(Prefix, Word)> = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        let mut redirected = false;
        let mut end = start;
        loop {
            self.blanks();
            if self.at_redirection() {
                self.redirection()?;
                redirected = true;
                end = self.pos;
                continue;
            }
            match self.peek() {
                None | Some(b'\n' | b';' | b'&' | b'|' | b')' | b'#') => break,
                Some(b'(') => {
                    let only = assignments.is_empty() && !redirected && words.len() == 1;
                    let name = words.pop().filter(|word| only && !word.quoted).and_then(|word| word.value);
                    return match name {
                        Some(name) => self.function(name, start),
                        None => Self::syntax(self.pos, self.misplaced()),
                    };
                }
                Some(_) => {}
            }
            if words.is_empty()
                && let Some(prefix) = self.assignment_prefix()?
            {
                let at = self.pos;
                self.pos = prefix.value_start;
                if self.peek() == Some(b'(') {
                    return Self::unsure(at, "an array, which sh does not know");
                }
                let gap = if self.gap.end == at { self.gap.start } else { at };
                let mut value = self.word()?;
                value.at.start = at;
                assignments.push((Prefix { gap, ..prefix }, value));
            } else {
                words.push(self.word()?);
            }
            end = self.pos;
            if matches!(self.peek(), Some(b'<' | b'>')) && words.last().is_some_and(|word| word.at.end == self.pos) {
                let word = words.last().map_or(0..0, |word| word.at.clone());
                if self.slice(word).ends_with(b"}") {
                    return Self::unsure(self.pos, "this redirection is read differently by shells");
                }
            }
        }
        if words.is_empty() && assignments.is_empty() && !redirected {
            return Self::syntax(start, "a command is missing");
        }
        if assignments.iter().any(|(prefix, _)| prefix.append) && assignments.len() + words.len() > 1 {
            // Where it is no assignment, it is the command that the others are set for.
            return Self::unsure(start, "`+=` beside other words is read differently by shells");
        }
        if words.is_empty() {
            // `X= Y=${X:=2}`: what the words expand happens between the assignments, so it counts before and after.
            let expanded = self.out.effects.get(effects..).unwrap_or(&[]).to_vec();
            for (prefix, value) in assignments {
                self.assign(prefix, value, redirected);
            }
            self.out.effects.extend(expanded);
            if redirected {
                self.danger(start, "a redirection without a command may fail and end the file");
            }
            return Ok(());
        }
        let first = self.out.assigned.len();
        let mut persistent = Vec::new();
        for (prefix, value) in assignments {
            if is_special_variable(prefix.name.as_bytes(), self.ascii) {
                self.danger(value.at.start, format!("{} means something to the shell itself", prefix.name));
            }
            let index = self.out.assigned.len();
            let mut entry = assigned_of(prefix, value);
            entry.reason = Some("set for one command alone".to_owned());
            entry.temporary = true;
            self.out.assigned.push(entry);
            self.out.effects.push(Effect::Temporary(index));
            persistent.push(index);
        }
        let temporary = first..self.out.assigned.len();
        let name = words.first().and_then(|word| word.value.clone());
        if !self.sheltered {
            let texts: Option<Vec<_>> =
                words.iter().map(|word| if word.globs || word.quoted { None } else { word.value.clone() }).collect();
            self.out.ran.push(Ran {
                text: start..end,
                gap,
                name: name.clone(),
                words: texts.filter(|_| !redirected),
                temporary,
                plain: self.inside.is_none(),
            });
        }
        self.run(name, &words, &persistent, redirected, start..end)
    }

    /// What the command does to variables.
    fn run(
        &mut self,
        name: Option<Vec<u8>>,
        words: &[Word],
        temporary: &[usize],
        redirected: bool,
        text: Range<usize>,
    ) -> Parsed<()> {
        let at = text.start;
        let Some(name) = name.filter(|_| !words.first().is_some_and(|word| word.globs)) else {
            self.danger(at, format!("which command `{}` runs is computed", self.quote(text)));
            return Ok(());
        };
        let arguments = words.get(1..).unwrap_or(&[]);
        let shown = quote(&name);
        match name.as_slice() {
            b"kill" => return Self::unsure(at, "`kill` may end the shell"),
            b":" | b"export" | b"readonly" | b"unset" => {
                if redirected {
                    self.danger(at, format!("a redirection of `{shown}` may fail and end the file"));
                }
                // POSIX, XCU 2.14: assignments before a special built-in stay.
                for index in temporary {
                    if let Some(entry) = self.out.assigned.get_mut(*index) {
                        entry.reason = Some(format!("set before `{shown}`, which keeps it"));
                        entry.temporary = false;
                    }
                    self.out.effects.push(Effect::Touch(*index));
                }
                match name.as_slice() {
                    b":" => {}
                    b"unset" => self.unset(arguments, at),
                    _ => self.declare(arguments, name == b"readonly", at),
                }
            }
            b"true" | b"false" | b"echo" | b"cat" | b"pwd" | b"sleep" => self.runs(name, at),
            b"printf" => {
                let option = arguments.first().is_some_and(|first| {
                    first.splits || first.value.as_ref().is_none_or(|value| value.starts_with(b"-"))
                });
                if option {
                    self.danger(at, "`printf` may set a variable here");
                }
                self.runs(name, at);
            }
            b"test" | b"[" => {
                if !is_harmless_test(arguments) {
                    self.danger(at, "this test may evaluate arithmetic, which can set variables");
                }
                self.runs(name, at);
            }
            // Not found where it begins a command, because quotes or a continued line stand in it.
            _ if is_reserved(&name) => {
                return Self::unsure(at, format!("`{shown}` is written in a way that shells read differently"));
            }
            _ if is_builtin(&name) => self.danger(at, format!("`{shown}` can change or end what follows")),
            _ if name.first().is_none_or(|first| b"-+%_".contains(first)) => {
                // pot's own functions begin with an underscore and are there when it reads the file.
                self.danger(at, format!("`{shown}` may be a function, which can set anything"));
            }
            _ => self.runs(name, at),
        }
        Ok(())
    }

    fn runs(&mut self, name: Vec<u8>, at: usize) {
        self.out.effects.push(Effect::Run { name, at });
    }

    fn unset(&mut self, arguments: &[Word], at: usize) {
        let arguments = match arguments.first() {
            Some(first) if first.value.as_deref() == Some(b"-v") => arguments.get(1..).unwrap_or(&[]),
            _ => arguments,
        };
        for argument in arguments {
            match argument.value.as_deref() {
                Some(name) if is_name(name) && !argument.globs && !is_special_variable(name, self.ascii) => {
                    let name = String::from_utf8_lossy(name).into_owned();
                    let index = self.note(&name, argument.at.clone(), "removed by `unset`".to_owned());
                    self.out.effects.push(Effect::Unset(index));
                }
                _ => self.danger(at, "this `unset` can remove anything"),
            }
        }
    }

    fn declare(&mut self, arguments: &[Word], readonly: bool, at: usize) {
        let by = if readonly { "readonly" } else { "export" };
        for argument in arguments {
            let text = self.slice(argument.at.clone());
            let written = argument.value.as_deref().unwrap_or(text);
            let equals = written.iter().position(|byte| *byte == b'=');
            let name = written.get(..equals.unwrap_or(written.len())).unwrap_or(&[]);
            let unclear = argument.splits || argument.globs || (argument.value.is_none() && equals.is_none());
            if unclear || !is_name(name) || is_special_variable(name, self.ascii) {
                self.danger(at, format!("this `{by}` can set anything"));
                continue;
            }
            let name = String::from_utf8_lossy(name).into_owned();
            let value = argument.value.as_ref().zip(equals).and_then(|(value, equals)| value.get(equals + 1..));
            let index = self.out.assigned.len();
            let bare = text.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'='));
            let value_start = argument.at.start + if bare { name.len() + 1 } else { 0 };
            let value_at = value_start..argument.at.end;
            self.out.assigned.push(Assigned {
                name,
                value: value.map(<[u8]>::to_vec),
                computed: argument.computed.clone(),
                reason: Some(format!("set by `{by}`")),
                word: argument.at.clone(),
                value_at,
                gap: argument.at.start,
                temporary: false,
                written: equals.is_some(),
            });
            let gives = equals.is_some();
            self.out.effects.push(Effect::Declare { assigned: index, gives, readonly, certain: true });
        }
    }

    fn assign(&mut self, prefix: Prefix, value: Word, redirected: bool) {
        let at = value.at.start;
        let special = is_special_variable(prefix.name.as_bytes(), self.ascii);
        let append = prefix.append;
        let index = self.out.assigned.len();
        let mut entry = assigned_of(prefix, value);
        if special {
            self.danger(at, format!("{} means something to the shell itself", entry.name));
        }
        let effect = if append {
            entry.reason = Some("appended to with +=, which not every shell knows".to_owned());
            // Shells without it take the word for a command.
            entry.value = None;
            entry.computed.clone_from(&entry.reason);
            Effect::Touch(index)
        } else if entry.value.is_none() || redirected {
            Effect::Touch(index)
        } else {
            Effect::Assign(index)
        };
        self.out.assigned.push(entry);
        if !self.sheltered {
            self.out.effects.push(effect);
        }
    }

    /// Notes that a variable is touched by something that is no assignment.
    fn note(&mut self, name: &str, at: Range<usize>, reason: String) -> usize {
        self.out.assigned.push(Assigned {
            name: name.to_owned(),
            value: None,
            computed: Some(reason.clone()),
            reason: Some(reason),
            word: at.clone(),
            gap: at.start,
            value_at: at,
            temporary: false,
            written: false,
        });
        self.out.assigned.len() - 1
    }

    fn touch(&mut self, name: &str, at: Range<usize>, reason: String) {
        if is_special_variable(name.as_bytes(), self.ascii) {
            self.danger(at.start, format!("{name} means something to the shell itself"));
        }
        let index = self.note(name, at, reason);
        self.out.effects.push(Effect::Touch(index));
    }
}

fn assigned_of(prefix: Prefix, value: Word) -> Assigned {
    Assigned {
        name: prefix.name,
        value: value.value,
        computed: value.computed,
        reason: None,
        value_at: prefix.value_start..value.at.end,
        word: value.at,
        gap: prefix.gap,
        temporary: false,
        written: true,
    }
}

/// What was certain is not any more: it may or may not be run.
fn demote_effect(effect: &mut Effect) {
    match effect {
        Effect::Assign(index) | Effect::Unset(index) => *effect = Effect::Touch(*index),
        Effect::Declare { certain, .. } => *certain = false,
        _ => {}
    }
}

/// Bytes that end a word.
fn is_meta(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')')
}

/// Text for a reason: one line, not too long, printable.
pub(super) fn quote(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(4 * QUOTED)).unwrap_or(bytes));
    let mut shown: String = text
        .chars()
        .take(QUOTED)
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect();
    if text.chars().count() > QUOTED || bytes.len() > 4 * QUOTED {
        shown.push('…');
    }
    shown
}

/// Tests that only compare text or look at files. The arithmetic ones evaluate names and assignments in mksh.
fn is_harmless_test(arguments: &[Word]) -> bool {
    let arguments = match arguments.first() {
        Some(first) if first.value.as_deref() == Some(b"!") => arguments.get(1..).unwrap_or(&[]),
        _ => arguments,
    };
    let arguments = match arguments.last() {
        Some(last) if last.value.as_deref() == Some(b"]") => arguments.get(..arguments.len() - 1).unwrap_or(&[]),
        _ => arguments,
    };
    let arithmetic: [&[u8]; 9] = [b"-eq", b"-ne", b"-lt", b"-le", b"-gt", b"-ge", b"-v", b"-R", b"-o"];
    let certain = |word: &Word| word.value.as_deref().is_some_and(|value| !arithmetic.contains(&value));
    let operator = match arguments.len() {
        0 | 1 => true,
        2 => arguments.first().is_some_and(certain),
        3 => arguments.get(1).is_some_and(certain),
        _ => arguments.iter().all(certain),
    };
    operator && arguments.iter().all(|word| !word.splits && !word.globs)
}
