//! Searches that ask the processor nothing about itself.
//!
//! The usual ones of `memchr` find out first what the processor can do. In a virtual machine the hypervisor answers each of
//! those questions, and a dozen of them are a twentieth of a command's time, from its start to its end: more than the
//! search of a journal's end or of a `pot.conf` takes. In logs, which are long, the usual ones are right.

use memchr::arch::all::{memchr::One, rabinkarp};

/// Where `byte` stands first in `text`.
pub(crate) fn find(byte: u8, text: &[u8]) -> Option<usize> {
    One::new(byte).find(text)
}

/// Every place of `byte` in `text`.
pub(crate) fn each(byte: u8, text: &[u8]) -> impl Iterator<Item = usize> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + find(byte, text.get(from..)?)?;
        from = at + 1;
        Some(at)
    })
}

/// Where `part` begins first in `text`.
pub(crate) fn find_part(part: &[u8], text: &[u8]) -> Option<usize> {
    rabinkarp::Finder::new(part).find(text, part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_found_is_what_the_usual_searches_find(text in "[a-c]{0,60}", part in "[a-c]{0,4}") {
            let (text, part) = (text.as_bytes(), part.as_bytes());
            prop_assert_eq!(find(b'b', text), memchr::memchr(b'b', text));
            prop_assert!(each(b'b', text).eq(memchr::memchr_iter(b'b', text)));
            prop_assert_eq!(find_part(part, text), memchr::memmem::find(text, part));
        }
    }
}
