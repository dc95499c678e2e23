//! The parser's lower half: blanks, redirections with their here-documents, words and what is expanded in them.

use super::{HereDocument, Parsed, Parser, Prefix, Until, Word, is_meta};
use crate::potconf::name::is_name;
use crate::search_plainly;

impl Parser<'_> {
    // --- redirections ------------------------------------------------------------------------------------------

    pub(super) fn at_redirection(&self) -> bool {
        let mut by = 0;
        while self.ahead(by).is_some_and(|byte| byte.is_ascii_digit()) {
            by += 1;
        }
        matches!(self.ahead(by), Some(b'<' | b'>'))
    }

    pub(super) fn redirection(&mut self) -> Parsed<()> {
        let at = self.pos;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.pos += 1;
        }
        if self.pos - at > 1 {
            return Self::unsure(at, "this redirection is read differently by shells");
        }
        let rest = self.slice(self.pos..self.end);
        if rest.starts_with(b"<<<") || rest.starts_with(b"<(") || rest.starts_with(b">(") {
            return Self::unsure(at, "this redirection is read differently by shells");
        }
        if rest.starts_with(b"<<") {
            let tabs = rest.starts_with(b"<<-");
            self.pos += if tabs { 3 } else { 2 };
            self.blanks();
            return self.here_document(tabs);
        }
        let two = [b">>".as_slice(), b"<&", b">&", b"<>", b">|"].into_iter().any(|operator| rest.starts_with(operator));
        let duplicates = matches!(rest.get(1), Some(b'&'));
        self.pos += if two { 2 } else { 1 };
        self.blanks();
        if self.peek().is_none_or(|byte| is_meta(byte) || byte == b'#') {
            return Self::syntax(at, "a file name is missing after this redirection");
        }
        let target = self.word()?;
        self.no_digits_before_redirection(&target)?;
        let number = target.value.as_deref().is_some_and(|value| value == b"-" || matches!(value, [b'0'..=b'9']));
        if duplicates && !number {
            return Self::unsure(at, "this redirection is read differently by shells");
        }
        Ok(())
    }

    /// `>2>f`: some shells write to a file named 2 and one named f, others miss a file name.
    fn no_digits_before_redirection(&self, word: &Word) -> Parsed<()> {
        let digits = self.slice(word.at.clone()).iter().all(u8::is_ascii_digit);
        if digits && matches!(self.peek(), Some(b'<' | b'>')) {
            return Self::unsure(word.at.start, "this redirection is read differently by shells");
        }
        Ok(())
    }

    fn here_document(&mut self, tabs: bool) -> Parsed<()> {
        let at = self.pos;
        if self.sheltered || self.peek().is_none_or(is_meta) {
            return Self::unsure(at, "a here-document that shells read differently");
        }
        let word = self.word()?;
        self.no_digits_before_redirection(&word)?;
        let text = self.slice(word.at.clone());
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
        let Some(delimiter) = word.value.filter(|value| !value.is_empty() && value.iter().all(plain)) else {
            return Self::unsure(at, "a here-document that shells read differently");
        };
        if text.contains(&b'\n') {
            return Self::unsure(at, "a here-document that shells read differently");
        }
        self.pending.push(HereDocument { at, delimiter, tabs, quoted: word.quoted });
        Ok(())
    }

    pub(super) fn no_pending(&self) -> Parsed<()> {
        match self.pending.first() {
            Some(document) => Self::syntax(document.at, "the file ends before this here-document does"),
            None => Ok(()),
        }
    }

    /// Reads the here-documents that begin on the line that just ended.
    fn here_documents(&mut self) -> Parsed<()> {
        for document in std::mem::take(&mut self.pending) {
            let body = self.pos;
            let mut line = body;
            loop {
                let Some(length) = search_plainly::find(b'\n', self.slice(line..self.end)) else {
                    return Self::syntax(document.at, "the file ends before this here-document does");
                };
                let mut text = self.slice(line..line + length);
                if document.tabs {
                    while let Some(rest) = text.strip_prefix(b"\t") {
                        text = rest;
                    }
                }
                let ends = text == document.delimiter;
                if ends {
                    self.pos = line + length + 1;
                    break;
                }
                line += length + 1;
            }
            if !document.quoted {
                let text = self.slice(body..line);
                for (index, byte) in text.iter().enumerate() {
                    let next = text.get(index + 1);
                    if *byte == b'$' {
                        let rest = text.get(index + 1..).unwrap_or(&[]);
                        let length = rest.iter().position(|byte| *byte != b'_' && !byte.is_ascii_alphanumeric());
                        self.used(rest.get(..length.unwrap_or(rest.len())).unwrap_or(&[]));
                    }
                    let unsure = match byte {
                        b'`' => true,
                        b'\\' => !matches!(next, Some(b'$')) && !next.is_some_and(u8::is_ascii_alphanumeric),
                        b'$' => !next.is_some_and(|next| next.is_ascii_alphabetic() || *next == b' '),
                        _ => false,
                    };
                    if unsure {
                        return Self::unsure(
                            document.at,
                            "this here-document is expanded in a way that is not followed here",
                        );
                    }
                }
            }
        }
        Ok(())
    }

    // --- words ---------------------------------------------------------------------------------------------------

    /// Blanks and continued lines.
    pub(super) fn blanks(&mut self) {
        if self.gap.end != self.pos {
            self.gap = self.pos..self.pos;
        }
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.pos += 1,
                Some(b'\\') if self.ahead(1) == Some(b'\n') => self.pos += 2,
                _ => break,
            }
        }
        self.gap.end = self.pos;
    }

    pub(super) fn blanks_and_newlines(&mut self) -> Parsed<()> {
        loop {
            self.blanks();
            match self.peek() {
                Some(b'#') => {
                    let start = self.pos;
                    let rest = self.slice(start..self.end);
                    self.pos = search_plainly::find(b'\n', rest).map_or(self.end, |offset| start + offset);
                    if self.between {
                        self.out.comments.push(start..self.pos);
                    }
                }
                Some(b'\n') => {
                    self.pos += 1;
                    self.here_documents()?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// `NAME=` or `NAME+=` here, without moving.
    pub(super) fn assignment_prefix(&self) -> Parsed<Option<Prefix>> {
        let mut name = Vec::new();
        let mut by = 0;
        loop {
            match self.ahead(by) {
                Some(b'\\') if self.ahead(by + 1) == Some(b'\n') => by += 2,
                Some(byte) if byte == b'_' || byte.is_ascii_alphanumeric() => {
                    if name.is_empty() && byte.is_ascii_digit() {
                        return Ok(None);
                    }
                    name.push(byte);
                    by += 1;
                }
                Some(b'=') if !name.is_empty() => {
                    let name = String::from_utf8_lossy(&name).into_owned();
                    return Ok(Some(Prefix { name, gap: self.pos, append: false, value_start: self.pos + by + 1 }));
                }
                Some(b'+') if !name.is_empty() && self.ahead(by + 1) == Some(b'=') => {
                    let name = String::from_utf8_lossy(&name).into_owned();
                    return Ok(Some(Prefix { name, gap: self.pos, append: true, value_start: self.pos + by + 2 }));
                }
                Some(b'[') if !name.is_empty() => {
                    return Self::unsure(self.pos, "an array, which sh does not know");
                }
                Some(0xef) if self.pos + by == 0 && self.bytes.starts_with(b"\xef\xbb\xbf") => {
                    return Self::unsure(
                        0,
                        "a byte-order mark stands before it, which some shells take for a part of the name",
                    );
                }
                Some(0x80..) if self.is_wide_name(self.pos + by) => {
                    return Self::unsure(self.pos, "a name with letters that are not ASCII, which some shells take");
                }
                _ => return Ok(None),
            }
        }
    }

    /// Whether what goes on here ends in `=`, as far as names may go on: yash takes the locale's letters for them.
    fn is_wide_name(&self, from: usize) -> bool {
        let rest = self.slice(from..self.end);
        let end = rest.iter().position(|byte| byte.is_ascii() && *byte != b'_' && !byte.is_ascii_alphanumeric());
        end.is_some_and(|end| rest.get(end).is_some_and(|byte| matches!(byte, b'=' | b'+' | b'[' | b'\\')))
    }

    /// A word; it may be empty, as the value of `X=` is.
    pub(super) fn word(&mut self) -> Parsed<Word> {
        let start = self.pos;
        let mut word = Word {
            at: start..start,
            value: Some(Vec::new()),
            computed: None,
            splits: false,
            globs: false,
            quoted: false,
        };
        let mut text = Vec::new();
        let mut end = start;
        while let Some(byte) = self.peek() {
            match byte {
                _ if is_meta(byte) => break,
                b'\\' => match self.ahead(1) {
                    Some(b'\n') => {
                        self.pos += 2;
                        continue;
                    }
                    Some(_) => {
                        word.quoted = true;
                        text.extend(self.ahead(1));
                        self.pos += 2;
                    }
                    None => {
                        // Some shells keep a backslash at the very end, some drop it.
                        self.pos += 1;
                        word.computed.get_or_insert_with(|| "a backslash at the end of the file".to_owned());
                    }
                },
                b'\'' => {
                    word.quoted = true;
                    let rest = self.slice(self.pos + 1..self.end);
                    let Some(length) = search_plainly::find(b'\'', rest) else {
                        return Self::syntax(self.pos, "a single quote without its end");
                    };
                    text.extend_from_slice(rest.get(..length).unwrap_or(&[]));
                    self.pos += length + 2;
                }
                b'"' => {
                    word.quoted = true;
                    self.double_quotes(&mut text, &mut word)?;
                }
                b'$' => self.dollar(&mut text, &mut word, false)?,
                b'`' => self.backquotes(&mut word, false)?,
                b'~' => {
                    // Tildes count at the start of a value and behind a colon; where exactly quotes end that differs.
                    let before = self.bytes.get(self.pos.wrapping_sub(1)).copied();
                    let literal = self.pos > start
                        && before.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte));
                    if !literal {
                        word.computed.get_or_insert_with(|| "a tilde stands for a home folder".to_owned());
                    }
                    text.push(byte);
                    self.pos += 1;
                }
                0x80.. => {
                    let length = self.wide_blank();
                    if length > 0 {
                        return Self::unsure(self.pos, "a blank that is not ASCII, at which some shells end a word");
                    }
                    text.push(byte);
                    self.pos += 1;
                }
                _ => {
                    word.globs |= matches!(byte, b'*' | b'?' | b'[' | b'{');
                    text.push(byte);
                    self.pos += 1;
                }
            }
            end = self.pos;
        }
        // A continued line behind the last character belongs to what comes next.
        self.pos = end;
        word.at = start..end;
        if !self.pending.is_empty() && self.slice(word.at.clone()).contains(&b'\n') {
            return Self::unsure(start, "a here-document that shells read differently");
        }
        word.value = if word.computed.is_some() { None } else { Some(text) };
        Ok(word)
    }

    /// The length of a white-space character that is not ASCII, or 0. yash takes what the locale calls blank.
    fn wide_blank(&self) -> usize {
        let bytes = self.slice(self.pos..self.end.min(self.pos + 4));
        let valid = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(bytes.get(..error.valid_up_to()).unwrap_or(&[])).unwrap_or(""),
        };
        valid.chars().next().filter(|character| character.is_whitespace()).map_or(0, char::len_utf8)
    }

    fn double_quotes(&mut self, text: &mut Vec<u8>, word: &mut Word) -> Parsed<()> {
        let start = self.pos;
        self.pos += 1;
        loop {
            match self.peek() {
                None => return Self::syntax(start, "a double quote without its end"),
                Some(b'"') => {
                    self.pos += 1;
                    return Ok(());
                }
                Some(b'\\') => match self.ahead(1) {
                    Some(b'\n') => self.pos += 2,
                    Some(byte @ (b'$' | b'`' | b'"' | b'\\')) => {
                        text.push(byte);
                        self.pos += 2;
                    }
                    _ => {
                        text.push(b'\\');
                        self.pos += 1;
                    }
                },
                Some(b'$') => self.dollar(text, word, true)?,
                Some(b'`') => self.backquotes(word, true)?,
                Some(byte) => {
                    text.push(byte);
                    self.pos += 1;
                }
            }
        }
    }

    /// At `$`: an expansion or the character itself.
    fn dollar(&mut self, text: &mut Vec<u8>, word: &mut Word, quoted: bool) -> Parsed<()> {
        let start = self.pos;
        let next = self.ahead(1);
        match next {
            Some(b'(') => {
                self.pos += 2;
                if self.peek() == Some(b'(') {
                    self.arithmetic(start)?;
                } else {
                    self.enter(start)?;
                    let outer = std::mem::take(&mut self.pending);
                    self.in_shelter(|parser| parser.list(Until::Parenthesis, true))?;
                    self.no_pending()?;
                    self.pending = outer;
                    self.depth -= 1;
                    self.expect(b")")?;
                }
            }
            Some(b'{') => self.parameter_expansion(quoted)?,
            Some(byte) if byte == b'_' || byte.is_ascii_alphabetic() => {
                self.pos += 2;
                while self.peek().is_some_and(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
                    self.pos += 1;
                }
                self.used(self.slice(start + 1..self.pos));
            }
            Some(b'0'..=b'9' | b'@' | b'*' | b'#' | b'?' | b'$' | b'!' | b'-') => self.pos += 2,
            Some(b'\'') if !quoted => {
                let rest = self.slice(start + 2..self.end);
                let Some(length) = search_plainly::find(b'\'', rest) else {
                    return Self::syntax(start, "a single quote without its end");
                };
                if rest.get(..length).unwrap_or(&[]).contains(&b'\\') {
                    return Self::unsure(start, "`$'` is read differently by shells");
                }
                self.pos += length + 3;
            }
            Some(b'"') if !quoted => self.pos += 1,
            Some(b'[') => return Self::unsure(start, "`$[` is read differently by shells"),
            Some(b'\\') if self.ahead(2) == Some(b'\n') => {
                return Self::unsure(start, "a `$` at the end of a continued line is read differently by shells");
            }
            Some(0x80..) => self.pos += 1,
            _ => {
                text.push(b'$');
                self.pos += 1;
                return Ok(());
            }
        }
        word.splits |= !quoted;
        if word.computed.is_none() {
            word.computed = Some(String::new());
        }
        Ok(())
    }

    fn used(&mut self, name: &[u8]) {
        if is_name(name) {
            let at = if self.in_function { self.bytes.len() } else { self.pos };
            self.out.uses.push((String::from_utf8_lossy(name).into_owned(), at));
        }
    }

    /// At the second `(` of `$((`. Only sums of plain numbers are followed: names are evaluated again, some operators
    /// assign, and errors end the shell.
    fn arithmetic(&mut self, start: usize) -> Parsed<()> {
        self.pos += 1;
        let mut expects_number = true;
        loop {
            while self.peek() == Some(b' ') {
                self.pos += 1;
            }
            match self.peek() {
                Some(b'1'..=b'9') if expects_number => {
                    let from = self.pos;
                    while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                        self.pos += 1;
                    }
                    if self.pos - from > 4 {
                        return Self::unsure(start, "arithmetic, which is not followed here");
                    }
                    expects_number = false;
                }
                Some(b'+' | b'-' | b'*') if !expects_number => {
                    self.pos += 1;
                    expects_number = true;
                }
                Some(b')') if !expects_number && self.ahead(1) == Some(b')') => {
                    self.pos += 2;
                    return Ok(());
                }
                _ => return Self::unsure(start, "arithmetic, which is not followed here"),
            }
        }
    }

    /// At `${`.
    fn parameter_expansion(&mut self, quoted: bool) -> Parsed<()> {
        let start = self.pos;
        let unsure = || Self::unsure(start, "an expansion that shells read differently");
        self.enter(start)?;
        self.pos += 2;
        let length = self.peek() == Some(b'#') && self.ahead(1) != Some(b'}');
        if length {
            self.pos += 1;
        }
        let from = self.pos;
        while self.peek().is_some_and(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) {
            self.pos += 1;
        }
        let name = self.slice(from..self.pos);
        let variable = is_name(name);
        self.used(name);
        if !variable {
            let special = name.is_empty()
                && !length
                && matches!(self.peek(), Some(b'@' | b'*' | b'#' | b'?' | b'$' | b'!' | b'-'));
            if special {
                self.pos += 1;
            } else if name.is_empty() || !name.iter().all(u8::is_ascii_digit) {
                return unsure();
            }
        }
        if self.peek() == Some(b'}') {
            self.pos += 1;
            self.depth -= 1;
            return Ok(());
        }
        if length || !variable {
            return unsure();
        }
        let colon = self.peek() == Some(b':');
        if colon {
            self.pos += 1;
        }
        let operator = self.peek();
        match operator {
            Some(b'-' | b'+' | b'=' | b'?') => self.pos += 1,
            Some(byte @ (b'%' | b'#')) if !colon => {
                self.pos += 1;
                if self.peek() == Some(byte) {
                    self.pos += 1;
                }
            }
            _ => return unsure(),
        }
        self.expansion_word(quoted, start)?;
        self.depth -= 1;
        let name = String::from_utf8_lossy(name).into_owned();
        match operator {
            Some(b'=') => {
                let shown = self.quote(start..self.pos);
                self.touch(&name, start..self.pos, format!("given a value by `{shown}` if it has none"));
            }
            Some(b'?') => self.danger(start, format!("`{}` may end the shell", self.quote(start..self.pos))),
            _ => {}
        }
        Ok(())
    }

    /// The word inside `${NAME-word}`, with the closing brace.
    fn expansion_word(&mut self, quoted: bool, start: usize) -> Parsed<()> {
        let mut inner = Word { at: 0..0, value: None, computed: None, splits: false, globs: false, quoted: false };
        let mut text = Vec::new();
        loop {
            match self.peek() {
                None => return Self::syntax(start, "`${` without its end"),
                Some(b'}') => {
                    self.pos += 1;
                    return Ok(());
                }
                Some(b'$') => self.dollar(&mut text, &mut inner, true)?,
                Some(b'"') if !quoted => self.double_quotes(&mut text, &mut inner)?,
                Some(
                    b'\\' | b'\'' | b'"' | b'`' | b'{' | b'\n' | b'~' | b'(' | b')' | b'<' | b'>' | b'&' | b'|' | b';'
                    | b'#',
                ) => {
                    return Self::unsure(start, "an expansion that shells read differently");
                }
                Some(b' ' | b'\t') if !quoted => {
                    return Self::unsure(start, "an expansion that shells read differently");
                }
                Some(_) => self.pos += 1,
            }
        }
    }

    /// At a backquote: a command in the old style.
    fn backquotes(&mut self, word: &mut Word, quoted: bool) -> Parsed<()> {
        let start = self.pos;
        let rest = self.slice(start + 1..self.end);
        let Some(length) = search_plainly::find(b'`', rest) else {
            return Self::syntax(start, "a backquote without its end");
        };
        let body = rest.get(..length).unwrap_or(&[]);
        if body.contains(&b'\\') || body.contains(&b'#') || (quoted && body.contains(&b'"')) {
            return Self::unsure(start, "a backquoted command that shells read differently");
        }
        self.enter(start)?;
        let outer = (self.end, std::mem::take(&mut self.pending));
        self.pos = start + 1;
        self.end = start + 1 + length;
        self.in_shelter(|parser| parser.list(Until::End, true))?;
        self.no_pending()?;
        self.depth -= 1;
        (self.end, self.pending) = outer;
        self.pos = start + length + 2;
        word.splits |= !quoted;
        word.computed.get_or_insert_with(String::new);
        Ok(())
    }
}
