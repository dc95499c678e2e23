//! syslogd_flags: the host's own flags together with pot's, and given back as they stood before.
//!
//! `pot init` replaces the whole value by `-b 127.0.0.1 -b GATEWAY -a NETWORK`. Merging keeps what the host had, but for
//! what would keep syslogd(8) from taking lines at all: that is remembered and given back when pot's part goes.

use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// Own flags and pot's in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merged {
    /// The value to write.
    pub flags: String,
    /// What had to give way, in a sentence each.
    pub notes: Vec<String>,
}

/// What is known of syslogd_flags before pot's part came into them. The flags are none when rc.conf did not set them:
/// the system's default counted then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// The console noted what its init made of them.
    Noted {
        /// The flags before, by the note or by a younger copy of rc.conf.
        flags: Option<String>,
        /// What init made of them.
        written: String,
    },
    /// As pot's own copy of rc.conf has it, which was made before init touched them.
    Copied(Option<String>),
    /// Neither says.
    Unknown,
}

/// The flags without pot's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GivenBack {
    /// The value to write; none: the line is taken out of rc.conf.
    pub value: Option<String>,
    /// Where it comes from, to be put behind the value: "as it was before init".
    pub source: &'static str,
}

/// What pot itself writes.
pub(crate) fn pots_part(gateway: Ipv4Addr, network: Ipv4Net) -> String {
    format!("-b 127.0.0.1 -b {gateway} -a {network}")
}

/// Options of syslogd(8) that take an argument.
const WITH_ARGUMENT: &[char] = &['a', 'b', 'f', 'l', 'M', 'm', 'O', 'P', 'p', 'S'];

/// One option with its argument, or a word that is none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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

/// Secure mode, in which syslogd takes no lines from the network: `-s`, and `-N`, which sets it too (syslogd.c).
fn is_secure(flag: &Flag) -> bool {
    matches!(flag, Flag::Plain('s' | 'N'))
}

/// The host's own flags with pot's added. Writing the result again changes nothing.
pub(crate) fn merge(own: &str, gateway: Ipv4Addr, network: Ipv4Net) -> Merged {
    let mut flags = parse(own);
    let mut notes = Vec::new();
    let secure = flags.iter().any(is_secure);
    if secure {
        let letter = if flags.contains(&Flag::Plain('s')) { 's' } else { 'N' };
        flags.retain(|flag| !is_secure(flag));
        notes.push(format!("-{letter} is taken out: with it syslogd(8) takes no lines from pots"));
        // Beside -s they admitted nobody; without it they would.
        let idle = flags.iter().filter(|flag| matches!(flag, Flag::With('a', _))).cloned().collect::<Vec<_>>();
        if !idle.is_empty() {
            flags.retain(|flag| !idle.contains(flag));
            notes.push(format!("{} goes with it: beside -{letter} it admitted nobody, and now it would", print(&idle)));
        }
    }
    let binds = flags.iter().any(|flag| matches!(flag, Flag::With('b', _)));
    let takes_others = flags.iter().any(|flag| matches!(flag, Flag::With('a', _)));
    let listens_everywhere = !secure && takes_others && !binds;
    if !secure && !takes_others {
        notes.push(
            "syslogd took lines from every host until now; with pot's -a it takes them from POT_NETWORK alone"
                .to_owned(),
        );
    }
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

/// Whether both say the same to syslogd, in whatever order.
pub fn same(one: &str, other: &str) -> bool {
    let sorted = |flags| {
        let mut flags = parse(flags);
        flags.sort();
        flags
    };
    sorted(one) == sorted(other)
}

/// Whether an init, of whatever POT_GATEWAY and POT_NETWORK, may have left its mark: `-b 127.0.0.1 -b ADDRESS -a NETWORK`,
/// side by side. A host can have such flags of its own: this is no ground to take anything away.
pub(crate) fn has_inits_form(flags: &str) -> bool {
    parse(flags).windows(3).any(|part| {
        matches!(part, [Flag::With('b', home), Flag::With('b', gateway), Flag::With('a', network)]
            if home == "127.0.0.1" && gateway.parse::<Ipv4Addr>().is_ok() && network.parse::<Ipv4Net>().is_ok())
    })
}

/// The flags as they stood before pot's part came into them; none when pot's part is not in them.
///
/// What was changed by hand since then stays. Where it is not known what stood before, the result takes lines from
/// nobody (`-s`, the system's default): it is never more open than before.
pub(crate) fn give_back(now: &str, gateway: Ipv4Addr, network: Ipv4Net, before: &Before) -> Option<GivenBack> {
    let flags = parse(now);
    let [home, bind, admit] = pots(gateway, network);
    // What init added by the note, whatever POT_GATEWAY and POT_NETWORK were then.
    let mut added = vec![admit];
    // pot's own init of another POT_NETWORK leaves its form alone and nothing of what is known to have stood there.
    let mut as_written = match before {
        Before::Noted { flags: own, .. } | Before::Copied(own) => {
            flags.len() == 3 && has_inits_form(now) && own.as_deref().is_none_or(|own| !same(own, now))
        }
        Before::Unknown => false,
    };
    if let Before::Noted { flags: own, written } = before {
        let own = own.as_deref().map(parse).unwrap_or_default();
        let written = parse(written);
        as_written |= written == flags;
        added.extend(written.into_iter().filter(|flag| matches!(flag, Flag::With('a', _)) && !own.contains(flag)));
    }
    if !as_written && !added.iter().any(|flag| flags.contains(flag)) {
        return None;
    }
    added.push(bind);
    if let Before::Noted { flags: own, written } = before {
        let own = own.as_deref().map(parse).unwrap_or_default();
        let binds = |flag: &Flag| matches!(flag, Flag::With('b', _)) && *flag != home && !own.contains(flag);
        added.extend(parse(written).into_iter().filter(binds));
    }
    let (known, source) = match before {
        Before::Noted { flags, .. } => (Some(flags), "as it was before init"),
        Before::Copied(flags) => (Some(flags), "as in pot's copy of rc.conf, made before init"),
        Before::Unknown => (None, "what stood there before init is not known: -s is the system's default"),
    };
    if let Some(own) = known {
        let merged = own.as_deref().is_some_and(|own| parse(&merge(own, gateway, network).flags) == flags);
        if as_written || merged || same(now, &pots_part(gateway, network)) {
            return Some(GivenBack { value: own.clone(), source });
        }
    }

    // Changed by hand since, or not known: pot's flags go, what gave way to them comes back, the rest stays.
    let own = known.map(|own| own.as_deref().map(parse).unwrap_or_else(|| vec![Flag::Plain('s')]));
    let mut left = flags.clone();
    left.retain(|flag| !added.contains(flag));
    let own_home = match &own {
        Some(own) => own.contains(&home),
        // Not known: it is the host's own when other addresses are bound as well.
        None => left.iter().any(|flag| matches!(flag, Flag::With('b', address) if address != "127.0.0.1")),
    };
    if own_home && flags.contains(&home) && !left.contains(&home) {
        left.push(home);
    } else if !own_home {
        left.retain(|flag| *flag != home);
    }
    if left.is_empty() && known.is_some_and(Option::is_none) {
        return Some(GivenBack { value: None, source });
    }
    let secure = own.as_deref().unwrap_or(&[Flag::Plain('s')]).iter().filter(|flag| is_secure(flag)).cloned();
    let missing: Vec<Flag> = if left.iter().any(is_secure) { Vec::new() } else { secure.collect() };
    left.splice(0..0, missing);
    let allowed = own.as_deref().map_or(Takes::Nothing, Takes::of);
    if !allowed.covers(&Takes::of(&left)) {
        left.insert(0, Flag::Plain('s'));
    }
    Some(GivenBack { value: Some(print(&left)), source })
}

/// From whom syslogd takes lines, and on which addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Takes {
    /// Secure mode: nothing comes in.
    Nothing,
    /// An empty list is everything: without `-b` it listens on every address, without `-a` it admits every host.
    Lines { on: Vec<String>, from: Vec<String> },
}

impl Takes {
    fn of(flags: &[Flag]) -> Self {
        let all = |wanted: char| {
            flags
                .iter()
                .filter_map(|flag| match flag {
                    Flag::With(letter, argument) if *letter == wanted => Some(argument.clone()),
                    _ => None,
                })
                .collect()
        };
        if flags.iter().any(is_secure) {
            return Self::Nothing;
        }
        Self::Lines { on: all('b'), from: all('a') }
    }

    /// Whether `other` takes nothing that this would not take.
    fn covers(&self, other: &Self) -> bool {
        let within = |allowed: &[String], wanted: &[String]| {
            allowed.is_empty() || (!wanted.is_empty() && wanted.iter().all(|one| allowed.contains(one)))
        };
        match (self, other) {
            (_, Self::Nothing) => true,
            (Self::Nothing, Self::Lines { .. }) => false,
            (Self::Lines { on, from }, Self::Lines { on: other_on, from: other_from }) => {
                within(on, other_on) && within(from, other_from)
            }
        }
    }
}

/// For tests of whole plans: whether flags `after` take lines that flags `before` did not. `pots` are the gateway and the
/// network for which init opens: lines of that network anywhere, and any admitted host's on the gateway and 127.0.0.1.
#[cfg(test)]
pub(super) fn opens(before: &str, after: &str, pots: Option<(Ipv4Addr, Ipv4Net)>) -> bool {
    let before = Takes::of(&parse(before));
    let Takes::Lines { mut on, mut from } = Takes::of(&parse(after)) else { return false };
    if let Some((gateway, network)) = pots {
        let admitted = from.len();
        from.retain(|peer| *peer != network.to_string());
        if from.is_empty() && admitted > 0 {
            return false;
        }
        let Takes::Lines { on: had, .. } = &before else { return true };
        let bound = on.len();
        on.retain(|address| *address != gateway.to_string() && address != "127.0.0.1");
        if on.is_empty() && bound > 0 {
            on.clone_from(had);
        }
    }
    !before.covers(&Takes::Lines { on, from })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gateway() -> Ipv4Addr {
        "10.192.0.1".parse().unwrap()
    }

    fn network() -> Ipv4Net {
        "10.192.0.0/10".parse().unwrap()
    }

    fn with(own: &str) -> Merged {
        merge(own, gateway(), network())
    }

    /// The value alone, an empty text for a line that is taken out.
    fn without(flags: &str, before: &Before) -> Option<String> {
        give_back(flags, gateway(), network(), before).map(|given| given.value.unwrap_or_default())
    }

    fn noted(own: Option<&str>) -> Before {
        Before::Noted { flags: own.map(str::to_owned), written: with(own.unwrap_or("-s")).flags }
    }

    const POTS: &str = "-b 127.0.0.1 -b 10.192.0.1 -a 10.192.0.0/10";

    #[test]
    fn the_default_gives_way_to_pots_and_it_is_said() {
        for own in ["-s", "-ss", "-s -s", "-N"] {
            let merged = with(own);
            assert_eq!(merged.flags, POTS);
            assert_eq!(merged.notes.len(), 1, "{own}");
        }
        let open = with("");
        assert_eq!(open.flags, POTS);
        assert!(open.notes[0].contains("from every host until now"), "{open:?}");
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
    fn an_a_that_s_kept_idle_does_not_begin_to_count() {
        let merged = with("-s -a 192.168.1.0/24");
        assert_eq!(merged.flags, POTS);
        assert!(merged.notes[1].starts_with("-a 192.168.1.0/24 goes with it"), "{merged:?}");
    }

    #[test]
    fn flags_come_back_as_they_stood_before_init() {
        for own in
            ["-s -v -v", "-s -l /var/named/dev/log", "-C -ss -O rfc5424", "-svn", "", "-a 192.168.1.0/24 -s", "-N"]
        {
            assert_eq!(without(&with(own).flags, &noted(Some(own))).as_deref(), Some(own), "noted");
            assert_eq!(
                without(&with(own).flags, &Before::Copied(Some(own.to_owned()))).as_deref(),
                Some(own),
                "copied"
            );
            // pot's own init, run by hand afterwards, takes the host's flags away altogether.
            assert_eq!(without(POTS, &noted(Some(own))).as_deref(), Some(own));
        }
        assert_eq!(give_back(POTS, gateway(), network(), &noted(None)).unwrap().value, None, "it was not set");
    }

    #[test]
    fn what_is_not_known_ends_with_s() {
        assert_eq!(without(POTS, &Before::Unknown).as_deref(), Some("-s"));
        assert_eq!(without(&format!("-vv {POTS}"), &Before::Unknown).as_deref(), Some("-s -vv"));
        assert_eq!(without(&format!("-c -8 {POTS}"), &Before::Unknown).as_deref(), Some("-s -c -8"));
        assert_eq!(
            without(&format!("-b 192.168.1.4 {POTS}"), &Before::Unknown).as_deref(),
            Some("-s -b 192.168.1.4 -b 127.0.0.1")
        );
        assert_eq!(without("-s", &Before::Unknown), None);
        assert_eq!(without("-b 127.0.0.1", &Before::Unknown), None, "the host's own");
    }

    #[test]
    fn what_was_changed_by_hand_since_init_stays() {
        let now = format!("-C {}", with("-s -v").flags);
        assert_eq!(without(&now, &noted(Some("-s -v"))).as_deref(), Some("-s -C -v"));
        // The LAN's -a was taken out by hand: the rest may not admit everybody.
        assert_eq!(without("-C -a 10.192.0.0/10", &noted(Some("-a 192.168.1.0/24"))).as_deref(), Some("-s -C"));
        // Another POT_NETWORK since then: the note knows what init added.
        let old = Before::Noted {
            flags: Some("-s -v".to_owned()),
            written: "-v -b 127.0.0.1 -b 10.1.0.1 -a 10.1.0.0/16".to_owned(),
        };
        assert_eq!(without("-v -b 127.0.0.1 -b 10.1.0.1 -a 10.1.0.0/16", &old).as_deref(), Some("-s -v"));
        assert_eq!(without("-C -b 127.0.0.1 -b 10.1.0.1 -a 10.1.0.0/16", &old).as_deref(), Some("-s -C"));
        // A loghost of the LAN looks much the same, and is nobody's but the host's own.
        assert_eq!(without("-b 127.0.0.1 -b 192.168.1.4 -a 192.168.1.0/24", &Before::Unknown), None);
    }

    #[test]
    fn inits_form_is_told_from_flags_of_ones_own() {
        assert!(has_inits_form(POTS) && has_inits_form(&format!("-C {POTS} -vv")));
        for own in
            ["-b 127.0.0.1 -a 10.0.0.0/8", "-a 10.0.0.0/8 -b 127.0.0.1 -b 10.0.0.1", "-b 127.0.0.1 -b host -a x", "-s"]
        {
            assert!(!has_inits_form(own), "{own}");
        }
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
