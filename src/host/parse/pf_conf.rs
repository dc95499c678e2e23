//! pf.conf cut into statements as pfctl's reader does it: what of a file's text is a statement of its own, and which
//! lines are no more than a part of one.
//!
//! The rules are those of `lgetc` and `yylex` in pfctl's parse.y: a backslash joins lines, in comments, too, and takes its
//! own meaning off another; a quote opens only where a word begins; a macro's value is read in place of its name and may
//! bring braces, a comment or a whole statement with it. They are FreeBSD 15's. Before it a backslash in a macro's value
//! joins nothing; no file that those releases take is cut otherwise for that.

use std::collections::BTreeMap;

use super::pf::{NAT_ANCHOR, RDR_ANCHOR};

/// Bytes that macros may come to in one file. pfctl knows no bound: a dozen lines that each name the one before ten times
/// would fill the machine.
const MOST_EXPANDED: usize = 1 << 20;

/// In what is put back before the rest, as in pfctl: a macro's value begins and ends. Nothing is expanded between them.
const EXPANSION_BEGINS: u8 = 1;
const EXPANSION_ENDS: u8 = 2;

/// A word of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// Its text, without quotes; a sign such as `{` or `=` is a word of its own.
    pub text: String,
    /// Whether it stood in quotes: then it is no keyword, whatever it says.
    pub quoted: bool,
}

/// A statement at top level: all its lines, lists and blocks included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The line that its first word stands in, counted from 0.
    pub line: usize,
    /// One past its last line.
    pub end: usize,
    /// Its words, macros put in place.
    pub words: Vec<Word>,
}

impl Statement {
    /// Its words' texts.
    pub fn texts(&self) -> Vec<&str> {
        self.words.iter().map(|word| word.text.as_str()).collect()
    }

    /// Whether it is one of pot's two lines and nothing else, however it is spelled: the nat-anchor, the rdr-anchor.
    pub fn anchors(&self) -> (bool, bool) {
        let keyword = self.words.first().is_some_and(|word| !word.quoted);
        let texts = self.texts();
        (keyword && texts == ["nat-anchor", "pot-nat"], keyword && texts == ["rdr-anchor", "pot-rdr/*"])
    }

    /// Whether it is either of pot's two lines.
    pub fn is_pots(&self) -> bool {
        let (nat, rdr) = self.anchors();
        nat || rdr
    }
}

/// Cuts a file into statements.
///
/// # Errors
/// Why nobody can say where one ends, with the line: pf does not take such a file either.
pub(crate) fn statements(text: &[u8]) -> Result<Vec<Statement>, String> {
    Reader { text, at: 0, line: 0, back: Vec::new(), expanding: false, expanded: 0, end_told: false }.read()
}

/// How often a file calls each of pot's two anchors, nat-anchor and rdr-anchor: in statements of their own, however they
/// are spelled. A line that reads like one and stands in a comment, in quotes or in another statement calls nothing. Where
/// the file cannot be cut, which pf does not take either, the lines that pot would count are all there is to go by.
pub(crate) fn anchors_held(text: &[u8]) -> (usize, usize) {
    let Ok(statements) = statements(text) else { return super::pf::anchor_lines(text) };
    statements
        .iter()
        .map(Statement::anchors)
        .fold((0, 0), |(all_nat, all_rdr), (nat, rdr)| (all_nat + usize::from(nat), all_rdr + usize::from(rdr)))
}

/// Whether a line, without its end, is exactly one of those that pot writes, counts and takes out.
pub(crate) fn is_anchor_line(line: &[u8]) -> bool {
    line == NAT_ANCHOR.as_bytes() || line == RDR_ANCHOR.as_bytes()
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// Line ends read of the text itself.
    line: usize,
    /// Read before the rest, last first.
    back: Vec<u8>,
    expanding: bool,
    /// Bytes of macros put in place until now.
    expanded: usize,
    end_told: bool,
}

impl Reader<'_> {
    fn read(mut self) -> Result<Vec<Statement>, String> {
        let lines = self.text.split_inclusive(|byte| *byte == b'\n').count();
        let mut found: Vec<Statement> = Vec::new();
        let mut macros: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut words: Vec<Word> = Vec::new();
        let mut start = 0;
        let mut depth = 0_usize;
        while let Some(byte) = self.after_blanks() {
            if byte == b'\n' {
                if depth == 0 && !words.is_empty() {
                    if let [name, sign, value @ ..] = words.as_slice()
                        && (sign.text.as_str(), sign.quoted) == ("=", false)
                    {
                        let value: Vec<&str> = value.iter().map(|word| word.text.as_str()).collect();
                        macros.insert(name.text.clone(), bytes(&value.join(" ")));
                    }
                    // The text's end stands for a line end that is not there.
                    let end = if self.end_told { lines } else { self.line };
                    found.push(Statement { line: start, end, words: std::mem::take(&mut words) });
                }
                continue;
            }
            if words.is_empty() {
                start = self.line;
            }
            if byte == b'$' && !self.expanding {
                let name = self.while_in(|byte| byte.is_ascii_alphanumeric() || byte == b'_', Vec::new());
                let name = text(&name);
                if let Some(value) = macros.get(&name) {
                    self.expanded += value.len();
                    if self.expanded > MOST_EXPANDED {
                        return Err(format!("the macros of line {} come to more than a MiB", self.line + 1));
                    }
                    self.back.push(EXPANSION_ENDS);
                    self.back.extend(value.iter().rev());
                    self.back.push(EXPANSION_BEGINS);
                } else {
                    words.push(Word { text: format!("${name}"), quoted: false });
                }
                continue;
            }
            let word = match byte {
                b'"' | b'\'' => Word { text: self.quoted(byte)?, quoted: true },
                _ if byte.is_ascii_alphanumeric() || byte == b':' || byte == b'_' => {
                    Word { text: text(&self.while_in(in_word, vec![byte])), quoted: false }
                }
                sign => Word { text: text(&[sign]), quoted: false },
            };
            match byte {
                b'{' => depth += 1,
                b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            words.push(word);
        }
        if depth > 0 {
            return Err(format!("a brace of the statement in line {} is never closed", start + 1));
        }
        Ok(found)
    }

    /// The next byte, a macro's included.
    fn raw(&mut self) -> Option<u8> {
        loop {
            let byte = self.back.pop().or_else(|| {
                let byte = self.text.get(self.at).copied()?;
                self.at += 1;
                self.line += usize::from(byte == b'\n');
                Some(byte)
            })?;
            match byte {
                EXPANSION_BEGINS => self.expanding = true,
                EXPANSION_ENDS => self.expanding = false,
                _ => return Some(byte),
            }
        }
    }

    /// The next byte outside quotes: joined lines are one, and the text's end is a line end once.
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = match self.raw() {
                Some(b'\\') => match self.raw() {
                    Some(b'\n') => continue,
                    other => other,
                },
                other => other,
            };
            if byte.is_none() && !self.end_told {
                self.end_told = true;
                return Some(b'\n');
            }
            return byte;
        }
    }

    /// The first byte of the next word; a comment is its line's end.
    fn after_blanks(&mut self) -> Option<u8> {
        let mut byte = self.next()?;
        while matches!(byte, b' ' | b'\t') {
            byte = self.next()?;
        }
        if byte == b'#' {
            while byte != b'\n' {
                byte = self.next()?;
            }
        }
        Some(byte)
    }

    fn while_in(&mut self, good: fn(u8) -> bool, mut word: Vec<u8>) -> Vec<u8> {
        while let Some(byte) = self.next() {
            if !good(byte) {
                self.back.push(byte);
                break;
            }
            word.push(byte);
        }
        word
    }

    /// What stands up to the closing quote: line ends count for nothing there.
    fn quoted(&mut self, mark: u8) -> Result<String, String> {
        let line = self.line;
        let unfinished = || format!("a quote that begins in line {} is never closed", line + 1);
        let mut word = Vec::new();
        loop {
            match self.raw().ok_or_else(unfinished)? {
                b'\n' => {}
                b'\\' => match self.raw().ok_or_else(unfinished)? {
                    b'\n' => {}
                    byte if byte == mark || byte == b' ' || byte == b'\t' => word.push(byte),
                    byte => {
                        self.back.push(byte);
                        word.push(b'\\');
                    }
                },
                byte if byte == mark => return Ok(text(&word)),
                byte => word.push(byte),
            }
        }
    }
}

/// What goes on with a word that has begun; quotes and `$` do.
fn in_word(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"(){}<>!=/#,".contains(&byte)
}

/// Each byte a character: nothing is lost, and `bytes` gives them back.
fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn bytes(text: &str) -> Vec<u8> {
    text.chars().filter_map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<(usize, usize, String)> {
        let found = statements(text.as_bytes()).unwrap();
        found.iter().map(|statement| (statement.line, statement.end, statement.texts().join("|"))).collect()
    }

    #[test]
    fn a_backslash_joins_lines_but_not_behind_another() {
        assert_eq!(words("pass \\\n in\nblock\n"), [(0, 2, "pass|in".to_owned()), (2, 3, "block".to_owned())]);
        assert_eq!(words("# a \\\npass\nblock\n"), [(2, 3, "block".to_owned())]);
        assert_eq!(words("# a \\\\\npass\n"), [(1, 2, "pass".to_owned())]);
        assert_eq!(words("# a \\\\\\\npass\nblock\n"), [(2, 3, "block".to_owned())]);
        assert_eq!(words("a\\b c"), [(0, 1, "ab|c".to_owned())]);
    }

    #[test]
    fn a_quote_opens_only_where_a_word_begins() {
        assert_eq!(words("label it's\nb\n"), [(0, 1, "label|it's".to_owned()), (1, 2, "b".to_owned())]);
        assert_eq!(words("x = \"a \\\nb\nc\" d\ne\n"), [(0, 3, "x|=|a bc|d".to_owned()), (3, 4, "e".to_owned())]);
        assert_eq!(words("x = \"a # \\\" b\"\n"), [(0, 1, "x|=|a # \" b".to_owned())]);
        assert!(statements(b"x = \"a\n").is_err());
    }

    #[test]
    fn lists_and_blocks_reach_over_lines() {
        assert_eq!(words("t {\n1, # }\n2 }\nb\n"), [(0, 3, "t|{|1|,|2|}".to_owned()), (3, 4, "b".to_owned())]);
        assert!(statements(b"t { 1\n").is_err());
    }

    #[test]
    fn a_macro_brings_what_it_holds() {
        let text = "o = \"{ 1,\"\nh = \"x # y\"\npass $o\n2 } $h {\n$none a\n";
        assert_eq!(
            words(text)[2..],
            [(2, 4, "pass|{|1|,|2|}|x".to_owned()), (4, 5, "$none|a".to_owned())],
            "the comment takes the rest of its line"
        );
        assert_eq!(words("if = em0\npass $if:network\n")[1].2, "pass|em0:network");
    }

    #[test]
    fn macros_that_would_fill_the_machine_are_not_expanded() {
        use std::fmt::Write as _;
        let mut text = "m0 = \"0123456789\"\n".to_owned();
        for step in 1..40 {
            writeln!(text, "m{step} = $m{0} $m{0} $m{0}", step - 1).unwrap();
        }
        assert!(statements(text.as_bytes()).unwrap_err().contains("MiB"));
    }

    #[test]
    fn only_what_pf_reads_as_a_statement_calls_an_anchor() {
        let held = |text: &str| anchors_held(text.as_bytes());
        assert_eq!(held("nat-anchor pot-nat\n nat-anchor 'pot-nat' # too\nrdr-anchor \"pot-rdr/*\""), (2, 1));
        assert_eq!(held("# a \\\nnat-anchor pot-nat\nx = '\nrdr-anchor \"pot-rdr/*\"\n'\n"), (0, 0));
        assert_eq!(held("\"nat-anchor\" pot-nat\nnat-anchor pot-nat on em0\n"), (0, 0));
        assert_eq!(held("nat-anchor pot-nat\nx = \"open\n"), (1, 0));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = statements(&bytes);
        }

        #[test]
        fn every_statement_stands_behind_the_one_before(pieces in proptest::collection::vec(prop_oneof![
            Just("\\"), Just("\n"), Just("\""), Just("'"), Just("#"), Just("{"), Just("}"), Just("$x"), Just("x = "), Just(" "),
            Just("a"), Just("\u{1}"), Just("\u{2}"), Just("="),
        ], 0..60)) {
            if let Ok(found) = statements(pieces.concat().as_bytes()) {
                for pair in found.windows(2) {
                    prop_assert!(pair[0].end <= pair[1].line);
                }
            }
        }
    }
}
