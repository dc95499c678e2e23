//! pf.conf's tokens: quoting, continued lines, comments, macros put in place of their names, files that are included.
//!
//! It reads byte by byte and can give bytes back, as pfctl's own lexer does: a macro's value and what stands right behind
//! its name become one token (`$if:network`), a `$` inside of a value is an ordinary sign, and after a macro that is not
//! defined the line after it is lost, too. FreeBSD 15 has another lexer than those before: it ends a last line that has
//! no line end, gives a macro's bytes back into the file's, and knows `!=`, `<=` and `>=` as one sign.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::ReadFile;
use super::names;

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word of the grammar.
    Key(&'static str),
    /// Any other word, or a quoted text.
    Text(String),
    Number(i64),
    /// A single sign, the line end among them.
    Sign(u8),
    NotEqual,
    AtMost,
    AtLeast,
    Arrow,
    /// `><`
    Between,
    /// `<>`
    Outside,
    /// A line that could not be read; it was told already.
    Bad,
    End,
}

/// The longest token, in bytes.
const LONGEST_TOKEN: usize = 8096;
/// Bytes that macros may expand to in one file: pfctl has no such limit, only the machine's memory.
const MACRO_BYTES: usize = 16 * 1024 * 1024;
/// Files open at once.
const OPEN_FILES: usize = 100;
/// Bytes that the lexer before 15 can take back.
const PUSHBACK: usize = 127;

/// Marks around a macro's value among the bytes that were given back.
const EXPANDS: u8 = 1;
const EXPANDED: u8 = 2;

/// A file that is being read.
struct Source {
    name: String,
    bytes: Vec<u8>,
    at: usize,
    line: usize,
    given_back: Vec<u8>,
    ended: bool,
}

/// A macro's value; one of the command line (`-D`) cannot be redefined.
struct Macro {
    value: Rc<[u8]>,
    fixed: bool,
}

pub(super) struct Lexer<'a> {
    /// Major version of the release.
    major: u32,
    read: ReadFile<'a>,
    files: Vec<Source>,
    macros: BTreeMap<String, Macro>,
    /// Inside of a macro's value (since 15).
    expanding: bool,
    /// The macro's value that is being read, and the place in it (before 15).
    value: Option<(Rc<[u8]>, isize)>,
    given_back: Vec<u8>,
    expanded_bytes: usize,
    /// The line of the last token: the one that a message names.
    line: usize,
    /// What goes to standard error, in its order.
    pub messages: Vec<String>,
    /// Errors among them.
    pub errors: usize,
}

/// The release that brought the present lexer.
const NEW_LEXER: u32 = 15;

impl<'a> Lexer<'a> {
    pub fn new(major: u32, read: ReadFile<'a>, name: &str, text: &[u8], given: &[(String, String)]) -> Self {
        let macros = given
            .iter()
            .map(|(name, value)| (name.clone(), Macro { value: value.as_bytes().into(), fixed: true }))
            .collect();
        let first = Source {
            name: name.to_owned(),
            bytes: text.to_vec(),
            at: 0,
            line: 1,
            given_back: Vec::new(),
            ended: false,
        };
        Self {
            major,
            read,
            files: vec![first],
            macros,
            expanding: false,
            value: None,
            given_back: Vec::new(),
            expanded_bytes: 0,
            line: 1,
            messages: Vec::new(),
            errors: 0,
        }
    }

    /// An error in the line of the last token.
    pub(crate) fn complain(&mut self, text: impl std::fmt::Display) {
        self.errors += 1;
        self.note(text);
    }

    /// As [`Lexer::complain`], for what does not make the file invalid.
    pub fn note(&mut self, text: impl std::fmt::Display) {
        let name = self.files.last().map(|file| file.name.as_str()).unwrap_or_default();
        self.messages.push(format!("{name}:{}: {text}", self.line));
    }

    pub(crate) fn define(&mut self, name: &str, value: &str) {
        if self.macros.get(name).is_some_and(|known| known.fixed) {
            return;
        }
        self.macros.insert(name.to_owned(), Macro { value: value.as_bytes().into(), fixed: false });
    }

    /// Goes on with another file: `include`.
    pub fn include(&mut self, name: &str) -> Result<(), ()> {
        let text = if self.files.len() < OPEN_FILES { (self.read)(name) } else { None };
        let Some(bytes) = text else {
            let place = if self.major >= NEW_LEXER { "pushfile: " } else { "" };
            let why = if self.files.len() < OPEN_FILES { "No such file or directory" } else { "Too many open files" };
            self.messages.push(format!("pfctl: {place}{name}: {why}"));
            return Err(());
        };
        // The line end that closes the include statement counts in the new file: before 15 its lines are one too high.
        let line = usize::from(self.major < NEW_LEXER);
        self.files.push(Source { name: name.to_owned(), bytes, at: 0, line, given_back: Vec::new(), ended: false });
        self.give_back(Some(b'\n'));
        Ok(())
    }

    /// The next byte of the file that is being read.
    fn byte(&mut self) -> Option<u8> {
        let file = self.files.last_mut()?;
        if self.major >= NEW_LEXER
            && let Some(byte) = file.given_back.pop()
        {
            return Some(byte);
        }
        let byte = file.bytes.get(file.at).copied();
        file.at += usize::from(byte.is_some());
        byte
    }

    /// As [`Lexer::byte`], minding the marks around macros.
    fn plain(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(EXPANDS) if self.major >= NEW_LEXER => self.expanding = true,
                Some(EXPANDED) if self.major >= NEW_LEXER => self.expanding = false,
                byte => return byte,
            }
        }
    }

    /// Leaves a file that is at its end; false for the first.
    fn leave(&mut self) -> bool {
        if self.files.len() < 2 {
            return false;
        }
        self.files.pop();
        true
    }

    fn next_line(&mut self) {
        if let Some(file) = self.files.last_mut() {
            file.line += 1;
        }
    }

    fn line_of_file(&self) -> usize {
        self.files.last().map_or(1, |file| file.line)
    }

    /// The next byte; `quote` is the sign of the quotes that it stands in.
    fn get(&mut self, quote: Option<u8>) -> Option<u8> {
        if self.major < NEW_LEXER {
            if let Some((value, at)) = &mut self.value {
                let here = usize::try_from(*at).ok();
                *at += 1;
                match here.map(|here| value.get(here).copied()) {
                    Some(Some(byte)) => return Some(byte),
                    Some(None) => self.value = None,
                    None => {}
                }
            }
            if let Some(byte) = self.given_back.pop() {
                return Some(byte);
            }
        }
        if let Some(quote) = quote {
            let Some(byte) = self.plain() else {
                self.complain("reached end of file while parsing quoted string");
                return self.leave().then_some(quote);
            };
            return Some(byte);
        }
        let mut byte = self.plain();
        while byte == Some(b'\\') {
            let next = self.plain();
            if next != Some(b'\n') {
                byte = next;
                break;
            }
            self.line = self.line_of_file();
            self.next_line();
            byte = self.plain();
        }
        if byte.is_none()
            && self.major >= NEW_LEXER
            && let Some(file) = self.files.last_mut().filter(|file| !file.ended)
        {
            file.ended = true;
            return Some(b'\n');
        }
        while byte.is_none() {
            if !self.leave() {
                return None;
            }
            byte = self.plain();
        }
        byte
    }

    fn give_back(&mut self, byte: Option<u8>) {
        let Some(byte) = byte else { return };
        if self.major >= NEW_LEXER {
            if let Some(file) = self.files.last_mut() {
                file.given_back.push(byte);
            }
            return;
        }
        if let Some((_, at)) = &mut self.value {
            *at -= 1;
            if *at >= 0 {
                return;
            }
        }
        if self.given_back.len() < PUSHBACK {
            self.given_back.push(byte);
        }
    }

    /// Skips to the line's end, that included.
    fn skip_line(&mut self) -> Token {
        self.value = None;
        loop {
            match self.get(None) {
                Some(b'\n') => {
                    self.next_line();
                    return Token::Bad;
                }
                Some(_) => {}
                None => return Token::Bad,
            }
        }
    }

    fn fail(&mut self, text: &str) -> Token {
        self.complain(text);
        self.skip_line()
    }

    /// The next token.
    pub fn token(&mut self) -> Token {
        let first = loop {
            let mut byte = self.get(None);
            while matches!(byte, Some(b' ' | b'\t')) {
                byte = self.get(None);
            }
            self.line = self.line_of_file();
            if byte == Some(b'#') {
                while !matches!(byte, Some(b'\n') | None) {
                    byte = self.get(None);
                }
            }
            let expanding = if self.major >= NEW_LEXER { self.expanding } else { self.value.is_some() };
            if byte == Some(b'$') && !expanding {
                match self.expand() {
                    Ok(()) => continue,
                    Err(token) => return token,
                }
            }
            break byte;
        };
        let Some(first) = first else { return Token::End };
        match first {
            b'"' | b'\'' => return self.quoted(first),
            b'!' if self.major >= NEW_LEXER => {
                if let Some(token) = self.second(&[(b'=', Token::NotEqual)]) {
                    return token;
                }
            }
            b'<' => {
                let known: &[_] = &[(b'>', Token::Outside), (b'=', Token::AtMost)];
                if let Some(token) = self.second(if self.major >= NEW_LEXER { known } else { &known[..1] }) {
                    return token;
                }
            }
            b'>' => {
                let known: &[_] = &[(b'<', Token::Between), (b'=', Token::AtLeast)];
                if let Some(token) = self.second(if self.major >= NEW_LEXER { known } else { &known[..1] }) {
                    return token;
                }
            }
            b'-' => {
                if let Some(token) = self.second(&[(b'>', Token::Arrow)]) {
                    return token;
                }
            }
            _ => {}
        }
        if first == b'-' || first.is_ascii_digit() {
            match self.number(first) {
                Ok(Some(token)) => return token,
                Ok(None) if first == b'-' => return Token::Sign(b'-'),
                Ok(None) => {}
                Err(token) => return token,
            }
        }
        if first.is_ascii_alphanumeric() || matches!(first, b':' | b'_') {
            return self.word(first);
        }
        match first {
            b'\n' => {
                self.line = self.line_of_file();
                self.next_line();
                Token::Sign(b'\n')
            }
            // A byte of value 0 is pfctl's sign of the end.
            0 => Token::End,
            other => Token::Sign(other),
        }
    }

    /// Puts a macro's value in place of its name, which stands next.
    fn expand(&mut self) -> Result<(), Token> {
        let mut name = Vec::new();
        loop {
            let Some(byte) = self.get(None) else { return Err(Token::End) };
            if name.len() + 2 >= LONGEST_TOKEN {
                return Err(self.fail("string too long"));
            }
            if byte.is_ascii_alphanumeric() || byte == b'_' {
                name.push(byte);
            } else {
                self.give_back(Some(byte));
                break;
            }
        }
        let name = String::from_utf8_lossy(&name).into_owned();
        let Some(value) = self.macros.get(&name).map(|known| Rc::clone(&known.value)) else {
            return Err(self.fail(&format!("macro '{name}' not defined")));
        };
        self.expanded_bytes += value.len();
        if self.expanded_bytes > MACRO_BYTES {
            self.complain("macros grow beyond what the simulated pfctl reads");
            return Err(Token::End);
        }
        if self.major >= NEW_LEXER {
            self.give_back(Some(EXPANDED));
            for byte in value.iter().rev() {
                self.give_back(Some(*byte));
            }
            self.give_back(Some(EXPANDS));
        } else {
            self.value = Some((value, 0));
        }
        Ok(())
    }

    fn second(&mut self, known: &[(u8, Token)]) -> Option<Token> {
        let next = self.get(None);
        match known.iter().find(|(byte, _)| Some(*byte) == next) {
            Some((_, token)) => Some(token.clone()),
            None => {
                self.give_back(next);
                None
            }
        }
    }

    fn quoted(&mut self, quote: u8) -> Token {
        let mut text = Vec::new();
        loop {
            let Some(mut byte) = self.get(Some(quote)) else { return Token::End };
            if byte == b'\n' {
                self.next_line();
                continue;
            }
            if byte == b'\\' {
                let Some(next) = self.get(Some(quote)) else { return Token::End };
                if next == quote || self.major >= NEW_LEXER && matches!(next, b' ' | b'\t') {
                    byte = next;
                } else if next == b'\n' {
                    self.next_line();
                    continue;
                } else {
                    self.give_back(Some(next));
                }
            } else if byte == quote {
                return Token::Text(String::from_utf8_lossy(&text).into_owned());
            } else if byte == 0 && self.major >= NEW_LEXER {
                return self.fail("syntax error");
            }
            if text.len() + 2 >= LONGEST_TOKEN {
                return self.fail("string too long");
            }
            text.push(byte);
        }
    }

    /// A number; none when what begins as one is something else, whose bytes are given back then.
    fn number(&mut self, first: u8) -> Result<Option<Token>, Token> {
        let mut text = vec![first];
        let next = loop {
            if text.len() >= LONGEST_TOKEN {
                return Err(self.fail("string too long"));
            }
            match self.get(None) {
                Some(byte) if byte.is_ascii_digit() => text.push(byte),
                other => break other,
            }
        };
        self.give_back(next);
        let ends = next.is_none_or(|byte| {
            byte.is_ascii_whitespace() || byte == 0x0b || matches!(byte, b')' | b',' | b'/' | b'}' | b'=')
        });
        if text == b"-" || !ends {
            for byte in text.iter().skip(1).rev() {
                self.give_back(Some(*byte));
            }
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        match text.parse() {
            Ok(number) => Ok(Some(Token::Number(number))),
            Err(_) => {
                let size = if first == b'-' { "small" } else { "large" };
                Err(self.fail(&format!("\"{text}\" invalid number: too {size}")))
            }
        }
    }

    fn word(&mut self, first: u8) -> Token {
        let mut text = vec![first];
        let next = loop {
            if text.len() >= LONGEST_TOKEN {
                return self.fail("string too long");
            }
            match self.get(None) {
                Some(byte)
                    if byte.is_ascii_alphanumeric()
                        || byte.is_ascii_punctuation()
                            && !matches!(
                                byte,
                                b'(' | b')' | b'{' | b'}' | b'<' | b'>' | b'!' | b'=' | b'/' | b'#' | b','
                            ) =>
                {
                    text.push(byte);
                }
                other => break other,
            }
        };
        self.give_back(next);
        let text = String::from_utf8_lossy(&text).into_owned();
        match names::keyword(&text, self.major) {
            Some(key) => Token::Key(key),
            None => Token::Text(text),
        }
    }
}
