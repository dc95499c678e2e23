//! Log text made harmless: no terminal codes, no invisible characters, no invalid UTF-8.

/// The text with control characters shown as their pictures (␛ for escape), direction overrides and other
/// invisible characters as `<U+202E>`, invalid UTF-8 as U+FFFD.
pub fn harmless(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !text.chars().any(is_harmful) {
        return text.into_owned();
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\u{0}'..='\u{1f}' => safe.push(char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}')),
            '\u{7f}' => safe.push('\u{2421}'),
            _ if is_harmful(character) => safe.push_str(&format!("<U+{:04X}>", u32::from(character))),
            _ => safe.push(character),
        }
    }
    safe
}

fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(harmless(b"a\x1b[31mb\0c\xff"), "a␛[31mb␀c\u{fffd}");
        assert_eq!(harmless("x\u{202e}y\u{9b}z".as_bytes()), "x<U+202E>y<U+009B>z");
        assert_eq!(harmless("grün 日本".as_bytes()), "grün 日本");
    }
}
