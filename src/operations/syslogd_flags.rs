//! syslogd_flags: the host's own flags together with pot's, and pot's taken out again.
//!
//! `pot init` replaces the whole value by `-b 127.0.0.1 -b GATEWAY -a NETWORK`. Merging keeps what the host had.

use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// Own flags and pot's in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The value to write.
    pub flags: String,
    /// What had to give way, in a sentence each.
    pub notes: Vec<String>,
}

/// What pot itself writes.
pub fn pots_part(gateway: Ipv4Addr, network: Ipv4Net) -> String {
    format!("-b 127.0.0.1 -b {gateway} -a {network}")
}

/// Options of syslogd(8) that take an argument.
const WITH_ARGUMENT: &[char] = &['a', 'b', 'f', 'l', 'M', 'm', 'O', 'P', 'p', 'S'];

/// One option with its argument, or a word that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Flag {
    /// A letter without argument.
    Plain(char),
    /// A letter with its argument.
    With(char, String),
    /// Anything else, kept.
    Word(String),
}

/// Reads flags as getopt(3) does: letters may stand together, an argument beside its letter or as the next word.
fn parse(flags: &str) -> Vec<Flag> {
    let mut found = Vec::new();
    let mut words = flags.split_ascii_whitespace();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            found.push(Flag::Word(word.to_owned()));
            continue;
        };
        let mut letters = letters.chars();
        while let Some(letter) = letters.next() {
            if WITH_ARGUMENT.contains(&letter) {
                let rest = letters.as_str();
                let argument = if rest.is_empty() { words.next() } else { Some(rest) };
                // A letter whose argument is missing ends syslogd at once; it is dropped.
                found.extend(argument.map(|argument| Flag::With(letter, argument.to_owned())));
                break;
            }
            found.push(Flag::Plain(letter));
        }
    }
    found
}

fn print(flags: &[Flag]) -> String {
    let mut text = String::new();
    let mut together = false;
    for flag in flags {
        match flag {
            // Letters of one kind stay together (`-vv`), as people write them.
            Flag::Plain(letter) if together && text.ends_with(*letter) => text.push(*letter),
            Flag::Plain(letter) => text.push_str(&format!("{}-{letter}", gap(&text))),
            Flag::With(letter, argument) => text.push_str(&format!("{}-{letter} {argument}", gap(&text))),
            Flag::Word(word) => text.push_str(&format!("{}{word}", gap(&text))),
        }
        together = matches!(flag, Flag::Plain(_));
    }
    text
}

fn gap(text: &str) -> &'static str {
    if text.is_empty() { "" } else { " " }
}

fn pots(gateway: Ipv4Addr, network: Ipv4Net) -> [Flag; 3] {
    [
        Flag::With('b', "127.0.0.1".to_owned()),
        Flag::With('b', gateway.to_string()),
        Flag::With('a', network.to_string()),
    ]
}

/// The host's own flags with pot's added. Writing the result again changes nothing.
pub fn merge(own: &str, gateway: Ipv4Addr, network: Ipv4Net) -> Merged {
    let mut flags = parse(own);
    let mut notes = Vec::new();
    let had_secure = flags.contains(&Flag::Plain('s'));
    if had_secure {
        flags.retain(|flag| *flag != Flag::Plain('s'));
        notes.push("-s is taken out: with it syslogd(8) takes no lines from pots".to_owned());
    }
    let binds = flags.iter().any(|flag| matches!(flag, Flag::With('b', _)));
    let takes_others = flags.iter().any(|flag| matches!(flag, Flag::With('a', _)));
    let listens_everywhere = !had_secure && takes_others && !binds;
    for flag in pots(gateway, network) {
        if listens_everywhere && matches!(flag, Flag::With('b', _)) {
            continue;
        }
        if !flags.contains(&flag) {
            flags.push(flag);
        }
    }
    if listens_everywhere {
        notes.push(
            "no -b is added: syslogd listens on every address already, and a -b would end that for the hosts that -a admits"
                .to_owned(),
        );
    }
    Merged { flags: print(&flags), notes }
}

/// The flags without pot's part; none when pot's part is not in them. An empty text means: nothing else is left.
pub fn without_pots(flags: &str, gateway: Ipv4Addr, network: Ipv4Net) -> Option<String> {
    let mut left = parse(flags);
    let pots = pots(gateway, network);
    let [_, bind, admit] = &pots;
    if !left.contains(bind) && !left.contains(admit) {
        return None;
    }
    left.retain(|flag| flag != bind && flag != admit);
    // 127.0.0.1 alone is pot's as well, unless other addresses are bound.
    let others = left.iter().any(|flag| matches!(flag, Flag::With('b', address) if address != "127.0.0.1"));
    if !others {
        left.retain(|flag| !matches!(flag, Flag::With('b', _)));
    }
    Some(print(&left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with(own: &str) -> Merged {
        merge(own, "10.192.0.1".parse().unwrap(), "10.192.0.0/10".parse().unwrap())
    }

    fn without(flags: &str) -> Option<String> {
        without_pots(flags, "10.192.0.1".parse().unwrap(), "10.192.0.0/10".parse().unwrap())
    }

    const POTS: &str = "-b 127.0.0.1 -b 10.192.0.1 -a 10.192.0.0/10";

    #[test]
    fn the_default_gives_way_to_pots_and_it_is_said() {
        for own in ["-s", "-ss", "-s -s"] {
            let merged = with(own);
            assert_eq!(merged.flags, POTS);
            assert_eq!(merged.notes.len(), 1, "{own}");
        }
        assert_eq!(with(""), Merged { flags: POTS.to_owned(), notes: Vec::new() });
    }

    #[test]
    fn own_flags_stay() {
        assert_eq!(with("-c -8 -O rfc5424").flags, format!("-c -8 -O rfc5424 {POTS}"));
        assert_eq!(with("-svv -Orfc5424").flags, format!("-vv -O rfc5424 {POTS}"));
        assert_eq!(
            with("-b 192.168.1.4 -a 192.168.1.0/24:*").flags,
            format!("-b 192.168.1.4 -a 192.168.1.0/24:* {POTS}")
        );
        assert_eq!(with("-l /var/named/dev/log -ss").flags, format!("-l /var/named/dev/log {POTS}"));
    }

    #[test]
    fn a_syslogd_that_takes_lines_from_the_lan_goes_on_doing_so() {
        let merged = with("-a 192.168.1.0/24");
        assert_eq!(merged.flags, "-a 192.168.1.0/24 -a 10.192.0.0/10");
        assert_eq!(merged.notes.len(), 1);
    }

    #[test]
    fn pots_part_comes_out_again() {
        assert_eq!(without(POTS).as_deref(), Some(""));
        assert_eq!(without(&format!("-c -8 {POTS}")).as_deref(), Some("-c -8"));
        assert_eq!(without(&format!("-b 192.168.1.4 {POTS}")).as_deref(), Some("-b 192.168.1.4 -b 127.0.0.1"));
        assert_eq!(without("-s"), None);
    }

    proptest! {
        #[test]
        fn merging_twice_is_merging_once(own in proptest::collection::vec(prop_oneof![
            Just("-s"), Just("-ss"), Just("-c"), Just("-vv"), Just("-8"), Just("-a 10.0.0.0/8"), Just("-b 10.1.1.1"), Just("-f /etc/x"), Just("-b"), Just("word"), Just("-")
        ], 0..6)) {
            let own = own.join(" ");
            let once = with(&own).flags;
            prop_assert_eq!(&with(&once).flags, &once);
        }
    }
}
