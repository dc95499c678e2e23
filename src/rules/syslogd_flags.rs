//! syslogd_flags: the host's own flags together with pot's, and given back as they stood before.
//!
//! `pot init` replaces the whole value by `-b 127.0.0.1 -b GATEWAY -a NETWORK`. Merging keeps what the host had, but for
//! what would keep syslogd(8) from taking lines at all: that is remembered and given back when pot's part goes. What
//! [`trouble`] blames is what [`merge`] ends: Host and the plan of init read the same function.

use crate::facts::{Interface, Ipv4Address};
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

/// What a host's interfaces say about the addresses that syslogd can bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bindable(Vec<Ipv4Addr>);

impl Bindable {
    /// The addresses that stay on this host: those of public bridges come and go with POT_GATEWAY.
    pub(crate) fn of(interfaces: &[Interface]) -> Self {
        let stay = interfaces.iter().filter(|interface| !interface.is_public_bridge());
        Self(stay.flat_map(|interface| interface.addresses.iter().map(Ipv4Address::address)).collect())
    }

    /// Whether syslogd can bind it: FreeBSD's bind(2) takes an address of an interface, and the one that is none.
    fn holds(&self, address: Ipv4Addr) -> bool {
        address.is_loopback() || address.is_unspecified() || self.0.contains(&address)
    }
}

/// Why the pots' lines do not reach a syslogd that seems to be meant to take them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is to bind an address that does not stay on this host: [`merge`] takes it out.
    Stale,
    /// It binds POT_GATEWAY and admits other networks only: [`merge`] adds POT_NETWORK.
    ShutOut,
}

/// What is wrong with the flags for the pots of this network. Flags of the host's own are not blamed, nor are those that
/// never meant pots.
pub(crate) fn trouble(flags: &str, gateway: Ipv4Addr, network: Ipv4Net, bindable: &Bindable) -> Option<Trouble> {
    let flags = parse(flags);
    if !stale(&flags, gateway, bindable).is_empty() {
        return Some(Trouble::Stale);
    }
    let is_bound = flags.iter().any(|flag| bound(flag) == Some(gateway));
    // Without an address that pot would bind, -a is the admin's own: another log host's network. A name admits whom it
    // will, and without -a everyone is heard.
    let mut peers = flags.iter().filter_map(|flag| argument(flag, 'a')).peekable();
    let shut_out = is_bound
        && peers.peek().is_some()
        && peers.all(|peer| peer.parse::<Ipv4Net>().is_ok_and(|peer| !peer.contains(&network)));
    shut_out.then_some(Trouble::ShutOut)
}

/// The argument of a letter without what may follow it (`-b ADDRESS:SERVICE`, `-a NETWORK:SERVICE`).
fn argument(flag: &Flag, wanted: char) -> Option<&str> {
    match flag {
        Flag::With(letter, argument) if *letter == wanted => Some(argument.split(':').next().unwrap_or(argument)),
        _ => None,
    }
}

/// The IPv4 address that a `-b` binds; a name is for the resolver to know.
fn bound(flag: &Flag) -> Option<Ipv4Addr> {
    argument(flag, 'b')?.parse().ok()
}

/// The flags that cannot serve any more: each `-b` of an address that is neither POT_GATEWAY nor stays on this host, with
/// the `-a` right behind it that init wrote for the network of that address, unless the host is in that network.
fn stale(flags: &[Flag], gateway: Ipv4Addr, bindable: &Bindable) -> Vec<Flag> {
    let mut found = Vec::new();
    for (at, flag) in flags.iter().enumerate() {
        let Some(address) = bound(flag).filter(|address| *address != gateway && !bindable.holds(*address)) else {
            continue;
        };
        found.push(flag.clone());
        let behind = flags.get(at + 1).filter(|next| {
            argument(next, 'a').and_then(|peer| peer.parse::<Ipv4Net>().ok()).is_some_and(|peer| {
                peer.contains(&address) && !peer.contains(&gateway) && !bindable.0.iter().any(|own| peer.contains(own))
            })
        });
        found.extend(behind.cloned());
    }
    found
}

/// The host's own flags with pot's added, without what cannot serve any more on a host with these addresses (none: they
/// are not known, and nothing goes). Writing the result again changes nothing.
pub(crate) fn merge(own: &str, gateway: Ipv4Addr, network: Ipv4Net, bindable: Option<&Bindable>) -> Merged {
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
    // Only after it was seen what they were for: a -b that binds nothing still keeps syslogd from listening everywhere.
    let stale = bindable.map(|bindable| stale(&flags, gateway, bindable)).unwrap_or_default();
    if !stale.is_empty() {
        flags.retain(|flag| !stale.contains(flag));
        notes.push(format!(
            "{} is taken out: what it binds is neither POT_GATEWAY nor an address that stays on this host",
            print(&stale)
        ));
    }
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
        let merged = own.as_deref().is_some_and(|own| parse(&merge(own, gateway, network, None).flags) == flags);
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
enum Takes {
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
pub(crate) fn opens(before: &str, after: &str, pots: Option<(Ipv4Addr, Ipv4Net)>) -> bool {
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
        merge(own, gateway(), network(), None)
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

    fn bindable(addresses: &[&str]) -> Bindable {
        Bindable(addresses.iter().map(|address| address.parse().unwrap()).collect())
    }

    #[test]
    fn flags_of_an_earlier_network_go_and_those_of_the_host_stay() {
        let host = bindable(&["192.168.178.20", "10.8.0.2"]);
        let now = |own: &str| merge(own, gateway(), network(), Some(&host));
        let old = "-b 127.0.0.1 -b 10.50.0.1 -a 10.50.0.0/16";
        assert_eq!(now(old).flags, POTS);
        assert!(now(old).notes[0].starts_with("-b 10.50.0.1 -a 10.50.0.0/16 is taken out"), "{:?}", now(old));
        assert_eq!(now(&format!("-C {old} -vv")).flags, format!("-C -b 127.0.0.1 -vv {}", &POTS[13..]));
        // A log host of the LAN that got another address: whom it admits is still the LAN.
        assert_eq!(
            now("-b 192.168.178.99 -a 192.168.178.0/24").flags,
            format!("-a 192.168.178.0/24 {POTS}"),
            "it does not begin to listen everywhere"
        );
        for own in
            ["-b 192.168.178.20 -a 192.168.178.0/24", "-b 10.8.0.2", "-b 0.0.0.0 -a x.lan", "-b fd00::1", "-b :1514"]
        {
            assert_eq!(now(own), with(own), "{own}");
            assert_eq!(trouble(own, gateway(), network(), &host), None, "{own}");
        }
        // Not known is not none.
        assert_eq!(with(old).flags, format!("{old} {}", &POTS[13..]));
    }

    proptest! {
        #[test]
        fn what_host_blames_the_plan_ends_and_nothing_is_more_open(own in proptest::collection::vec(prop_oneof![
            Just("-s"), Just("-ss"), Just("-c"), Just("-vv"), Just("-a 10.0.0.0/8"), Just("-a 192.168.178.0/24"), Just("-a *.lan"),
            Just("-b 127.0.0.1"), Just("-b 192.168.178.20"), Just("-b 10.192.0.1"), Just("-b 10.192.0.1:514"), Just("-b 10.50.0.1 -a 10.50.0.0/16"),
            Just("-b 10.50.0.1"), Just("-a 10.50.0.0/16"), Just("-b 192.168.178.99 -a 192.168.178.0/24"), Just("-a 10.192.0.0/10"), Just("-b")
        ], 0..6)) {
            let own = own.join(" ");
            let host = bindable(&["192.168.178.20"]);
            let merged = merge(&own, gateway(), network(), Some(&host)).flags;
            prop_assert_eq!(trouble(&merged, gateway(), network(), &host), None, "{} to {}", &own, &merged);
            prop_assert!(!opens(&own, &merged, Some((gateway(), network()))), "{} to {}", &own, &merged);
            prop_assert_eq!(&merge(&merged, gateway(), network(), Some(&host)).flags, &merged);
        }

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
