//! Any bytes as a line of syslog: nothing panics, and what is shown holds no control character.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pot_console::activity::{line, meaning, text};

fuzz_target!(|input: &[u8]| {
    if let Some(header) = line::parse(input) {
        let _ = line::repeats(&header);
        assert!(!text::harmless(header.message).chars().any(char::is_control));
        if let Some(call) = std::str::from_utf8(header.message).ok().and_then(meaning::call) {
            assert!(call.pot.is_none_or(|pot| meaning::is_pot_name(&pot)));
        }
    }
});
