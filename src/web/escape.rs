//! How bytes of others get into pages so that they show what they are. Templates escape markup by themselves; what
//! stands in a file, a value or a name may besides hold control characters and marks that reorder or hide what follows:
//! a reader would see another line than the one that is written or run.

use crate::process::harmless;
use std::borrow::Cow;

/// The text with characters that lie made visible; line ends and tabs stay. For what is shown, not for fields of forms,
/// whose values come back.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains('\n') {
        return harmless(text);
    }
    Cow::Owned(text.split('\n').map(harmless).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marks_that_reorder_and_codes_of_terminals_are_shown() {
        assert_eq!(visible("a\u{202e}b\u{2066}c\x1b]0;t\x07\n\td"), "a\u{fffd}b\u{fffd}c␛]0;t␇\n\td");
    }

    proptest! {
        #[test]
        fn no_text_keeps_a_hidden_character(text: String) {
            let shown = visible(&text);
            prop_assert!(!shown.chars().any(|c| c.is_control() && !"\n\t".contains(c)));
            let lies = ['\u{202e}', '\u{2066}', '\u{200f}', '\u{2028}'];
            prop_assert!(!shown.contains(lies));
        }
    }
}
