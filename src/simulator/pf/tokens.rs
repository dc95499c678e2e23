//! What every statement reads with: the token ahead, what may be said of it, and how errors are told.
//!
//! After an error the rest of the line is dropped, and errors in the next three tokens are not told: that is how the
//! parsers that yacc makes recover, and which lines pfctl names depends on it.

use super::super::state::State;
use super::ReadFile;
use super::lexer::{Lexer, Token};

/// The statement cannot go on; what is wrong was told.
pub(super) struct Refused;

pub(super) type Taken<T> = Result<T, Refused>;

/// Words and levels that pfctl's parser can hold at once.
pub(super) const DEEPEST_STACK: usize = 9_990;
/// Lists in lists: pfctl ends with the same message, some thousand levels later.
const DEEPEST_LIST: usize = 500;
pub(super) const OVERFLOW: &str = "yacc stack overflow";

pub(super) struct Tokens<'a> {
    /// The host, for its interfaces and addresses.
    pub state: &'a State,
    pub read: ReadFile<'a>,
    pub(crate) major: u32,
    pub(crate) lexer: Lexer<'a>,
    ahead: Option<Token>,
    /// Tokens to come in which errors are not told.
    silent: u8,
    /// pfctl has given up altogether.
    over: bool,
    /// Lists in lists, where it reads now.
    pub lists: usize,
}

impl<'a> Tokens<'a> {
    pub fn new(state: &'a State, read: ReadFile<'a>, file: &str, text: &[u8], given: &[(String, String)]) -> Self {
        let major = state.kept.major;
        let lexer = Lexer::new(major, read, file, text, given);
        Self { state, read, major, lexer, ahead: None, silent: 0, over: false, lists: 0 }
    }

    pub(crate) fn peek(&mut self) -> &Token {
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

    pub(crate) fn complain(&mut self, text: impl std::fmt::Display) {
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
    pub(crate) fn mention(&mut self, text: impl Into<String>) {
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

    pub(crate) fn is_key(&mut self, word: &str) -> bool {
        matches!(self.peek(), Token::Key(key) if *key == word)
    }

    pub(crate) fn is_sign(&mut self, sign: u8) -> bool {
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

    pub(crate) fn expect_sign(&mut self, sign: u8) -> Taken<()> {
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

    pub(crate) fn is_text(&mut self) -> bool {
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
    pub(crate) fn number_to(&mut self, most: i64, error: impl FnOnce(i64) -> String) -> Taken<u32> {
        let number = self.number()?;
        match u32::try_from(number) {
            Ok(value) if number <= most => Ok(value),
            _ => self.refuse(error(number)),
        }
    }

    /// A number, or a text that is one.
    pub(crate) fn integer(&mut self) -> Taken<u64> {
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
    pub(crate) fn number_or_text(&mut self) -> Taken<String> {
        match self.peek() {
            Token::Number(number) => {
                let text = number.to_string();
                self.shift();
                Ok(text)
            }
            _ => self.text(),
        }
    }

    pub(crate) fn newlines(&mut self) {
        while self.sign(b'\n') {}
    }

    /// A comma, which lists may leave out.
    pub(crate) fn comma(&mut self) {
        self.sign(b',');
    }

    /// One level deeper into lists.
    pub(crate) fn deeper(&mut self) -> Taken<()> {
        self.lists += 1;
        if self.lists > DEEPEST_LIST { self.give_up(OVERFLOW) } else { Ok(()) }
    }

    /// The items between braces; the opening one was read.
    pub(crate) fn braced<T>(&mut self, mut item: impl FnMut(&mut Self) -> Taken<Vec<T>>) -> Taken<Vec<T>> {
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
    pub(crate) fn one_or_braced<T>(&mut self, mut item: impl FnMut(&mut Self) -> Taken<Vec<T>>) -> Taken<Vec<T>> {
        if self.sign(b'{') { self.braced(item) } else { item(self) }
    }

    /// The statement has ended here: only then pfctl looks at the whole of it.
    pub fn complete(&mut self) -> Taken<()> {
        if self.is_sign(b'\n') { Ok(()) } else { self.syntax() }
    }

    /// Drops the rest of a line after an error, and tells none of the next three tokens; false at the end.
    pub(crate) fn drop_line(&mut self) -> bool {
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
