//! How text gets into pages: as text, never as markup, and so that it shows what it is.
//!
//! What stands in a file, a log or a name may hold control characters and marks that reorder or hide what follows: a
//! reader would see another line than the one that is written or run. All templates escape by [`Visible`]
//! (`askama.toml`); form fields, whose values come back, escape markup alone.

use crate::process::harmless;
use askama::filters::{Escaper, Html};
use std::fmt::{self, Write};

/// HTML's special characters escaped, characters that lie made visible.
#[derive(Debug, Clone, Copy, Default)]
pub struct Visible;

impl Escaper for Visible {
    fn write_escaped_str<W: Write>(&self, mut to: W, text: &str) -> fmt::Result {
        let mut lines = text.split('\n');
        if let Some(first) = lines.next() {
            Html.write_escaped_str(&mut to, &harmless(first))?;
        }
        for line in lines {
            to.write_char('\n')?;
            Html.write_escaped_str(&mut to, &harmless(line))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use askama::Template;
    use proptest::prelude::*;

    #[derive(Template)]
    #[template(source = r#"<p title="{{ text }}">{{ text }}</p>"#, ext = "html")]
    struct Shown<'a> {
        text: &'a str,
    }

    #[test]
    fn a_page_shows_marks_that_reorder_and_codes_of_terminals() {
        let text = "a\u{202e}b\u{2066}c\x1b]0;t\x07<b>\n\td";
        let shown = "a\u{fffd}b\u{fffd}c␛]0;t␇&#60;b&#62;\n\td";
        assert_eq!(Shown { text }.render().unwrap(), format!("<p title=\"{shown}\">{shown}</p>"));
    }

    proptest! {
        #[test]
        fn no_text_leaves_markup_or_a_hidden_character(text: String) {
            let mut out = String::new();
            Visible.write_escaped_str(&mut out, &text).unwrap();
            let lies = ['<', '>', '"', '\'', '\r', '\u{202e}', '\u{2066}', '\u{1b}'];
            prop_assert!(!out.contains(lies));
            prop_assert!(!out.chars().any(|c| c.is_control() && !"\n\t".contains(c)));
        }
    }
}
