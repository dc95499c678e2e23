//! Any bytes as pot.conf: they are kept, nothing panics, and an edit that is made says exactly what was asked for.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pot_console::potconf::{Configuration, Document, Edit, Name, potnet};

fuzz_target!(|input: (&[u8], &[u8], &str)| {
    let (default, own, value) = input;
    let (Ok(default), Ok(own)) = (Document::parse(default), Document::parse(own)) else { return };
    let bytes = own.bytes().to_vec();
    let _ = potnet::config_check(default.bytes(), own.bytes());
    let _ = (own.oddities(), own.syntax_problems(), own.duplicates(), own.commands().count(), own.assignments().count());
    let configuration = Configuration::new(default, own);
    assert_eq!(configuration.own().bytes(), bytes);
    let _ = configuration.settings();
    let Ok(name) = Name::try_from("POT_TMP") else { return };
    if let Ok(after) = configuration.apply(&[Edit::set(name.clone(), value)]) {
        let after = Configuration::new(configuration.default_document().clone(), after);
        assert_eq!(after.value("POT_TMP"), Some(value));
    }
    let _ = configuration.apply(&[Edit::unset(name)]);
});
