//! Bytes that a program wrote, as lines that cannot harm a terminal, a page or a log.

use std::borrow::Cow;

/// Which of its two streams a command wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Control characters made visible (escape becomes `␛`), C1 controls and marks that reorder text replaced; tabs stay,
/// and sequences that only set colours are dropped.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(after) = after_colour(rest) {
            rest = after;
            continue;
        }
        clean.push(match character {
            '\t' => '\t',
            '\u{7f}' => '\u{2421}',
            // Unicode's pictures of the control characters stand in their order.
            '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}'),
            _ if is_harmful(character) => '\u{fffd}',
            _ => character,
        });
        rest = &rest[character.len_utf8()..];
    }
    Cow::Owned(clean)
}

fn is_harmful(character: char) -> bool {
    matches!(character,
        '\0'..='\u{8}' | '\u{a}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Marks that reorder what follows: a line could be shown as another one.
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // They end a line in JavaScript and for some viewers.
        | '\u{2028}' | '\u{2029}')
}

/// What follows when `text` begins with ECMA-48's "select graphic rendition" (ESC `[` digits and `;` then `m`).
fn after_colour(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.bytes().take(32).position(|byte| !(byte.is_ascii_digit() || byte == b';'))?;
    parameters.get(end..)?.strip_prefix('m')
}

/// Cuts one stream's bytes into lines of limited length.
pub(crate) struct Splitter {
    stream: Stream,
    limit: usize,
    line: Vec<u8>,
    cut: bool,
}

impl Splitter {
    pub(crate) fn new(stream: Stream, limit: usize) -> Self {
        Self { stream, limit, line: Vec::new(), cut: false }
    }

    /// Takes more bytes; calls `ready` for each line that they complete.
    pub(crate) fn push(&mut self, mut bytes: &[u8], ready: &mut dyn FnMut(Stream, String)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.add(&bytes[..end]);
            ready(self.stream, self.take());
            bytes = &bytes[end + 1..];
        }
        self.add(bytes);
    }

    /// The last line, when it had no newline.
    pub(crate) fn finish(&mut self, ready: &mut dyn FnMut(Stream, String)) {
        if !self.line.is_empty() || self.cut {
            ready(self.stream, self.take());
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = self.limit - self.line.len().min(self.limit);
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.cut |= bytes.len() > room;
    }

    fn take(&mut self) -> String {
        let mut line = self.line.as_slice();
        if !self.cut {
            line = line.strip_suffix(b"\r").unwrap_or(line);
        }
        let mut text = harmless(&String::from_utf8_lossy(line)).into_owned();
        // Replacing may lengthen: three bytes for one.
        if text.len() > self.limit {
            text.truncate(text.floor_char_boundary(self.limit));
            self.cut = true;
        }
        if self.cut {
            text.push('…');
        }
        self.line.clear();
        self.cut = false;
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_become_visible_and_colours_vanish() {
        assert_eq!(harmless("plain äöü\tx"), "plain äöü\tx");
        assert_eq!(harmless("\u{1b}[31;1mred\u{1b}[0m"), "red");
        assert_eq!(harmless("\u{1b}]0;title\u{7}\u{1b}[2J"), "␛]0;title␇␛[2J");
        assert_eq!(harmless("a\r\u{85}\u{202e}b\u{7f}"), "a␍\u{fffd}\u{fffd}b␡");
        assert_eq!(harmless("\u{1b}["), "␛[");
    }

    proptest! {
        #[test]
        fn no_byte_string_leaves_a_control_character(bytes: Vec<u8>, cuts in proptest::collection::vec(1_usize..9, 0..9)) {
            let mut lines = Vec::new();
            let mut splitter = Splitter::new(Stream::Out, 16);
            let mut rest = bytes.as_slice();
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                splitter.push(now, &mut |_, line| lines.push(line));
                rest = later;
            }
            splitter.push(rest, &mut |_, line| lines.push(line));
            splitter.finish(&mut |_, line| lines.push(line));
            let newlines = memchr::memchr_iter(b'\n', &bytes).count();
            prop_assert!(lines.len() == newlines || lines.len() == newlines + 1);
            for line in lines {
                prop_assert!(line.len() <= 16 + '…'.len_utf8());
                prop_assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
            }
        }
    }
}
