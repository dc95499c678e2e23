//! Names that rule files use: the grammar's words by release, IANA's services and protocols, types and codes of ICMP,
//! classes of service, timeouts and limits.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The words of the grammar, with the first major version that knows them (0: all). A word of this list is no name of a
/// macro, a table or an anchor, unless it stands in quotes.
const KEYWORDS: [(&str, u32); 146] = [
    ("af-to", 15),
    ("all", 0),
    ("allow-opts", 0),
    ("allow-related", 15),
    ("altq", 0),
    ("anchor", 0),
    ("antispoof", 0),
    ("any", 0),
    ("bandwidth", 0),
    ("binat", 0),
    ("binat-anchor", 0),
    ("binat-to", 15),
    ("bitmask", 0),
    ("block", 0),
    ("block-policy", 0),
    ("bridge-to", 14),
    ("buckets", 0),
    ("cbq", 0),
    ("code", 0),
    ("codelq", 0),
    ("debug", 0),
    ("divert-reply", 0),
    ("divert-to", 0),
    ("dnpipe", 14),
    ("dnqueue", 14),
    ("drop", 0),
    ("dup-to", 0),
    ("endpoint-independent", 15),
    ("ether", 14),
    ("fail-policy", 0),
    ("fairq", 0),
    ("fastroute", 0),
    ("file", 0),
    ("fingerprints", 0),
    ("flags", 0),
    ("floating", 0),
    ("flush", 0),
    ("for", 0),
    ("fragment", 0),
    ("from", 0),
    ("global", 0),
    ("group", 0),
    ("hfsc", 0),
    ("hogs", 0),
    ("hostid", 0),
    ("icmp-type", 0),
    ("icmp6-type", 0),
    ("if-bound", 0),
    ("in", 0),
    ("include", 0),
    ("inet", 0),
    ("inet6", 0),
    ("interval", 0),
    ("keep", 0),
    ("keepcounters", 0),
    ("l3", 14),
    ("label", 0),
    ("limit", 0),
    ("linkshare", 0),
    ("load", 0),
    ("log", 0),
    ("loginterface", 0),
    ("map-e-portset", 0),
    ("match", 14),
    ("matches", 15),
    ("max", 0),
    ("max-mss", 0),
    ("max-pkt-rate", 15),
    ("max-pkt-size", 15),
    ("max-src-conn", 0),
    ("max-src-conn-rate", 0),
    ("max-src-nodes", 0),
    ("max-src-states", 0),
    ("min-ttl", 0),
    ("modulate", 0),
    ("nat", 0),
    ("nat-anchor", 0),
    ("nat-to", 15),
    ("no", 0),
    ("no-df", 0),
    ("no-route", 0),
    ("no-sync", 0),
    ("on", 0),
    ("optimization", 0),
    ("os", 0),
    ("out", 0),
    ("overload", 0),
    ("pass", 0),
    ("pflow", 15),
    ("port", 0),
    ("prefer-ipv6-nexthop", 15),
    ("prio", 0),
    ("priority", 0),
    ("priq", 0),
    ("probability", 0),
    ("proto", 0),
    ("qlimit", 0),
    ("queue", 0),
    ("quick", 0),
    ("random", 0),
    ("random-id", 0),
    ("rdr", 0),
    ("rdr-anchor", 0),
    ("rdr-to", 15),
    ("realtime", 0),
    ("reassemble", 0),
    ("received-on", 15),
    ("reply-to", 0),
    ("require-order", 0),
    ("return", 0),
    ("return-icmp", 0),
    ("return-icmp6", 0),
    ("return-rst", 0),
    ("ridentifier", 14),
    ("round-robin", 0),
    ("route", 0),
    ("route-to", 0),
    ("rtable", 0),
    ("rule", 0),
    ("ruleset-optimization", 0),
    ("scrub", 0),
    ("set", 0),
    ("set-tos", 0),
    ("skip", 0),
    ("sloppy", 0),
    ("source-hash", 0),
    ("source-track", 0),
    ("state", 0),
    ("state-defaults", 0),
    ("state-policy", 0),
    ("static-port", 0),
    ("sticky-address", 0),
    ("syncookies", 0),
    ("synproxy", 0),
    ("table", 0),
    ("tag", 0),
    ("tagged", 0),
    ("target", 0),
    ("tbrsize", 0),
    ("timeout", 0),
    ("to", 0),
    ("tos", 0),
    ("ttl", 0),
    ("upperlimit", 0),
    ("urpf-failed", 0),
    ("user", 0),
];

/// The grammar's word that a text is in a release.
pub(super) fn keyword(text: &str, major: u32) -> Option<&'static str> {
    let at = KEYWORDS.binary_search_by_key(&text, |(word, _)| word).ok()?;
    KEYWORDS.get(at).filter(|(_, since)| *since <= major).map(|(word, _)| *word)
}

/// IANA's services as FreeBSD knows them: a line each, port and protocols (t, u, s: TCP, UDP, SCTP), name, other names.
const SERVICES: &str = include_str!("services.txt");
/// IANA's protocols: number, name, other names.
const PROTOCOLS: &str = include_str!("protocols.txt");

struct Service {
    port: u16,
    protocols: &'static str,
    names: &'static str,
}

fn services() -> impl Iterator<Item = Service> {
    SERVICES.lines().filter_map(|line| {
        let (place, names) = line.split_once(' ')?;
        let digits = place.find(|c: char| !c.is_ascii_digit())?;
        let (port, protocols) = place.split_at(digits);
        Some(Service { port: port.parse().ok()?, protocols, names })
    })
}

/// The port of a service: that of TCP before UDP's and SCTP's.
pub(super) fn service_port(name: &str) -> Option<u16> {
    let known: Vec<Service> =
        services().filter(|service| service.names.split(' ').any(|known| known == name)).collect();
    ['t', 'u', 's']
        .iter()
        .find_map(|protocol| known.iter().find(|service| service.protocols.contains(*protocol)))
        .map(|service| service.port)
}

/// The name of a port of TCP (or else of UDP).
pub(super) fn service_name(port: u16, tcp: bool) -> Option<&'static str> {
    // Asked for each port of each rule.
    static NAMES: LazyLock<HashMap<(u16, bool), &'static str>> = LazyLock::new(|| {
        let mut names = HashMap::new();
        for service in services() {
            for (tcp, letter) in [(true, 't'), (false, 'u')] {
                if let Some(name) = service.names.split(' ').next().filter(|_| service.protocols.contains(letter)) {
                    names.entry((service.port, tcp)).or_insert(name);
                }
            }
        }
        names
    });
    NAMES.get(&(port, tcp)).copied()
}

fn protocols() -> impl Iterator<Item = (u8, &'static str)> {
    PROTOCOLS.lines().filter_map(|line| {
        let (number, names) = line.split_once(' ')?;
        Some((number.parse().ok()?, names))
    })
}

pub(super) fn protocol_number(name: &str) -> Option<u8> {
    protocols().find(|(_, names)| names.split(' ').any(|known| known == name)).map(|(number, _)| number)
}

pub(super) fn protocol_name(number: u8) -> Option<&'static str> {
    protocols().find(|(known, _)| *known == number).and_then(|(_, names)| names.split(' ').next())
}

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const SCTP: u8 = 132;
pub(super) const ICMP: u8 = 1;
pub(super) const ICMP6: u8 = 58;

const ICMP_TYPES: [(&str, u8); 25] = [
    ("echoreq", 8),
    ("echorep", 0),
    ("unreach", 3),
    ("squench", 4),
    ("redir", 5),
    ("althost", 6),
    ("routeradv", 9),
    ("routersol", 10),
    ("timex", 11),
    ("paramprob", 12),
    ("timereq", 13),
    ("timerep", 14),
    ("inforeq", 15),
    ("inforep", 16),
    ("maskreq", 17),
    ("maskrep", 18),
    ("trace", 30),
    ("dataconv", 31),
    ("mobredir", 32),
    ("ipv6-where", 33),
    ("ipv6-here", 34),
    ("mobregreq", 35),
    ("mobregrep", 36),
    ("skip", 39),
    ("photuris", 40),
];

const ICMP6_TYPES: [(&str, u8); 27] = [
    ("unreach", 1),
    ("toobig", 2),
    ("timex", 3),
    ("paramprob", 4),
    ("echoreq", 128),
    ("echorep", 129),
    ("groupqry", 130),
    ("listqry", 130),
    ("grouprep", 131),
    ("listenrep", 131),
    ("groupterm", 132),
    ("listendone", 132),
    ("routersol", 133),
    ("routeradv", 134),
    ("neighbrsol", 135),
    ("neighbradv", 136),
    ("redir", 137),
    ("routrrenum", 138),
    ("wrureq", 139),
    ("wrurep", 140),
    ("fqdnreq", 139),
    ("fqdnrep", 140),
    ("niqry", 139),
    ("nirep", 140),
    ("mtraceresp", 200),
    ("mtrace", 201),
    ("listenrepv2", 143),
];

const ICMP_CODES: [(&str, u8, u8); 30] = [
    ("net-unr", 3, 0),
    ("host-unr", 3, 1),
    ("proto-unr", 3, 2),
    ("port-unr", 3, 3),
    ("needfrag", 3, 4),
    ("srcfail", 3, 5),
    ("net-unk", 3, 6),
    ("host-unk", 3, 7),
    ("isolate", 3, 8),
    ("net-prohib", 3, 9),
    ("host-prohib", 3, 10),
    ("net-tos", 3, 11),
    ("host-tos", 3, 12),
    ("filter-prohib", 3, 13),
    ("host-preced", 3, 14),
    ("cutoff-preced", 3, 15),
    ("redir-net", 5, 0),
    ("redir-host", 5, 1),
    ("redir-tos-net", 5, 2),
    ("redir-tos-host", 5, 3),
    ("normal-adv", 9, 0),
    ("common-adv", 9, 16),
    ("transit", 11, 0),
    ("reassemb", 11, 1),
    ("badhead", 12, 0),
    ("optmiss", 12, 1),
    ("badlen", 12, 2),
    ("unknown-ind", 40, 1),
    ("auth-fail", 40, 2),
    ("decrypt-fail", 40, 3),
];

const ICMP6_CODES: [(&str, u8, u8); 12] = [
    ("admin-unr", 1, 1),
    ("noroute-unr", 1, 0),
    ("notnbr-unr", 1, 2),
    ("beyond-unr", 1, 2),
    ("addr-unr", 1, 3),
    ("port-unr", 1, 4),
    ("transit", 3, 0),
    ("reassemb", 3, 1),
    ("badhead", 4, 0),
    ("nxthdr", 4, 1),
    ("redironlink", 137, 0),
    ("redirrouter", 137, 1),
];

fn icmp_types(six: bool) -> &'static [(&'static str, u8)] {
    if six { &ICMP6_TYPES } else { &ICMP_TYPES }
}

fn icmp_codes(six: bool) -> &'static [(&'static str, u8, u8)] {
    if six { &ICMP6_CODES } else { &ICMP_CODES }
}

pub(super) fn icmp_type(name: &str, six: bool) -> Option<u8> {
    icmp_types(six).iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

pub(super) fn icmp_type_name(number: u8, six: bool) -> Option<&'static str> {
    icmp_types(six).iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

pub(super) fn icmp_code(of: u8, name: &str, six: bool) -> Option<u8> {
    icmp_codes(six).iter().find(|(known, its, _)| *its == of && *known == name).map(|(_, _, code)| *code)
}

pub(super) fn icmp_code_name(of: u8, code: u8, six: bool) -> Option<&'static str> {
    icmp_codes(six).iter().find(|(_, its, known)| *its == of && *known == code).map(|(name, _, _)| *name)
}

/// Classes and kinds of service by name; letters' case does not count.
const SERVICE_CLASSES: [(&str, u8); 28] = [
    ("af11", 0x28),
    ("af12", 0x30),
    ("af13", 0x38),
    ("af21", 0x48),
    ("af22", 0x50),
    ("af23", 0x58),
    ("af31", 0x68),
    ("af32", 0x70),
    ("af33", 0x78),
    ("af41", 0x88),
    ("af42", 0x90),
    ("af43", 0x98),
    ("critical", 0xa0),
    ("cs0", 0x00),
    ("cs1", 0x20),
    ("cs2", 0x40),
    ("cs3", 0x60),
    ("cs4", 0x80),
    ("cs5", 0xa0),
    ("cs6", 0xc0),
    ("cs7", 0xe0),
    ("ef", 0xb8),
    ("inetcontrol", 0xc0),
    ("lowdelay", 0x10),
    ("netcontrol", 0xe0),
    ("reliability", 0x04),
    ("throughput", 0x08),
    ("va", 0xb0),
];

pub(super) fn service_class(name: &str) -> Option<u8> {
    SERVICE_CLASSES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

/// Timeouts with their place in the kernel's list: rules print them in that order.
const TIMEOUTS: [(&str, u8); 25] = [
    ("tcp.first", 0),
    ("tcp.opening", 1),
    ("tcp.established", 2),
    ("tcp.closing", 3),
    ("tcp.finwait", 4),
    ("tcp.closed", 5),
    ("tcp.tsdiff", 19),
    ("sctp.first", 20),
    ("sctp.opening", 21),
    ("sctp.established", 22),
    ("sctp.closing", 23),
    ("sctp.closed", 24),
    ("udp.first", 6),
    ("udp.single", 7),
    ("udp.multiple", 8),
    ("icmp.first", 9),
    ("icmp.error", 10),
    ("other.first", 11),
    ("other.single", 12),
    ("other.multiple", 13),
    ("frag", 14),
    ("interval", 15),
    ("adaptive.start", 16),
    ("adaptive.end", 17),
    ("src.track", 18),
];

/// The timeout of a name, as a rule's state options name it (`exact`) or as `set timeout` does.
pub(super) fn timeout(name: &str, exact: bool, major: u32) -> Option<u8> {
    TIMEOUTS
        .iter()
        .filter(|(known, _)| major >= 14 || !known.starts_with("sctp."))
        .find(|(known, _)| if exact { *known == name } else { known.eq_ignore_ascii_case(name) })
        .map(|(_, place)| *place)
}

pub(super) fn timeout_name(place: u8) -> &'static str {
    TIMEOUTS.iter().find(|(_, known)| *known == place).map_or("inv.timeout", |(name, _)| name)
}

pub(super) const ADAPTIVE_START: u8 = 16;
pub(super) const ADAPTIVE_END: u8 = 17;
pub(super) const SOURCE_TRACK: u8 = 18;

/// What `set limit` knows.
pub(super) fn is_limit(name: &str, major: u32) -> bool {
    let known: &[&str] = if major >= 15 {
        &["states", "src-nodes", "frags", "table-entries", "anchors", "eth-anchors"]
    } else {
        &["states", "src-nodes", "frags", "table-entries"]
    };
    known.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// What `set optimization` knows.
pub(super) fn is_optimization(name: &str) -> bool {
    ["normal", "satellite", "high-latency", "conservative", "aggressive"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

/// TCP's flags, each a bit from the lowest on.
const FLAGS: &str = "FSRPAUEW";

/// The bits of flags by their letters; none of them: all. `e`, which 15 knows, is lost on the way into a rule.
pub(super) fn flags(text: &str, major: u32) -> Option<u8> {
    let mut bits = 0;
    for letter in text.chars() {
        match FLAGS.find(letter) {
            Some(place) => bits |= 1 << place,
            None if letter == 'e' && major >= 15 => {}
            None => return None,
        }
    }
    Some(if text.is_empty() { 0xff } else { bits })
}

pub(super) fn flags_text(bits: u8) -> String {
    FLAGS.chars().enumerate().filter(|(at, _)| bits & (1 << at) != 0).map(|(_, letter)| letter).collect()
}
