//! The grammar of each kind of value.

use super::paths::{folder, path};
use super::tables::PF_WORDS;
use crate::potconf::{Empty, Kind, Name};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};

/// A value against a limit: which parameter, which value, which rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter} cannot be {}: {rule}", shown(value))]
pub struct LimitViolation {
    /// The parameter.
    pub parameter: String,
    /// The value that it should not get.
    pub value: String,
    /// The rule, as the end of a sentence.
    pub rule: String,
}

/// A value as messages show it: control characters escaped, at most 80 characters.
fn shown(value: &str) -> String {
    if value.is_empty() {
        return "empty".to_owned();
    }
    let mut text: String = value.chars().take(80).flat_map(char::escape_debug).collect();
    if value.chars().nth(80).is_some() {
        text.push('…');
    }
    format!("`{text}`")
}

/// Longest value in bytes. No parameter needs more: 64 networks with blanks stay below.
const LONGEST: usize = 4096;
/// Most entries of a list.
const MOST_ENTRIES: usize = 64;
/// Longest dataset name in bytes. ZFS ends at 255, pot appends `/jails/NAME/m@SNAPSHOT`.
const LONGEST_DATASET: usize = 128;

/// Checks one value against the limit of its parameter. A value that passes is nothing but data for every use that
/// pot's scripts make of it.
///
/// # Errors
/// [`LimitViolation`], naming parameter, value and rule. A name that pot does not know is refused, too: `PATH`, `EXIT` or
/// `SED` in a file that root's shell sources would be obeyed.
pub fn check(name: &str, value: &str) -> Result<(), LimitViolation> {
    judge(name, value).map_err(|rule| LimitViolation { parameter: name.to_owned(), value: value.to_owned(), rule })
}

fn judge(name: &str, value: &str) -> Result<(), String> {
    if value.len() > LONGEST {
        return Err(format!("it has {} bytes, more than {LONGEST}", value.len()));
    }
    let Ok(name) = Name::try_from(name) else {
        return Err("this is not the name of a parameter".to_owned());
    };
    if let Some(interface) = name.extra_interface() {
        extra_interface(interface)?;
        return if value.is_empty() { Ok(()) } else { network(value) };
    }
    let Some(parameter) = name.parameter() else {
        return Err("pot has no such parameter, and root's shell could obey it".to_owned());
    };
    if value.is_empty() {
        return match parameter.empty {
            Empty::Off | Empty::Means(_) => Ok(()),
            Empty::Refused => Err("pot has no fallback for an empty one".to_owned()),
        };
    }
    match parameter.kind {
        Kind::Dataset => match dataset_problem(value) {
            Some(problem) => Err(problem),
            None => Ok(()),
        },
        Kind::Folder | Kind::TemporaryFolder => folder(value, parameter.kind),
        Kind::ExecutablePath | Kind::FilePath => path(value),
        Kind::Text | Kind::Group => word(value, 31, |byte| byte.is_ascii_alphanumeric() || byte == b'_', "_.-"),
        Kind::PotName => word(value, 63, |byte| byte.is_ascii_alphanumeric() || byte == b'_', "_-"),
        Kind::Suffix => word(value, 32, |byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte), "._-"),
        Kind::Interface => interface(value),
        Kind::InterfaceList => entries(value, extra_interface),
        Kind::NetworkList => entries(value, |entry| address(entry).or_else(|_| network(entry))),
        Kind::Network => pots_network(value),
        Kind::Netmask => netmask(value),
        Kind::Address => address(value),
        Kind::Number if value.len() <= 5 && value.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
        Kind::Number => Err("it is not a decimal number of at most 5 digits".to_owned()),
        Kind::Stack if ["ipv4", "ipv6", "dual"].contains(&value) => Ok(()),
        Kind::Stack => Err("it is none of `ipv4`, `ipv6` and `dual`".to_owned()),
        Kind::Boolean if boolean(value).is_some() => Ok(()),
        Kind::Boolean => Err("it is none of `yes`, `true`, `on`, `no`, `false` and `off`".to_owned()),
        Kind::Facility if crate::facility::named(value).is_some() => Ok(()),
        Kind::Facility => Err("it is not a facility of syslog.conf(5)".to_owned()),
    }
}

/// What pot's `_normalize_true_false` makes of a value; none when it knows no such word.
pub(crate) fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" => Some(true),
        "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// The entries of a list as sh splits it with the usual IFS.
pub(in crate::rules) fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split([' ', '\t', '\n']).filter(|entry| !entry.is_empty())
}

fn entries(list: &str, check: impl Fn(&str) -> Result<(), String>) -> Result<(), String> {
    let mut count = 0;
    for entry in split(list) {
        check(entry).map_err(|rule| format!("{}: {rule}", shown(entry)))?;
        count += 1;
    }
    if count > MOST_ENTRIES { Err(format!("it has {count} entries, more than {MOST_ENTRIES}")) } else { Ok(()) }
}

fn word(value: &str, longest: usize, first: impl Fn(u8) -> bool, others: &str) -> Result<(), String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || others.as_bytes().contains(&byte);
    if value.len() > longest {
        Err(format!("it has more than {longest} characters"))
    } else if !value.bytes().next().is_some_and(first) || !value.bytes().all(good) {
        Err(format!("only letters, digits and `{others}` are allowed, `-` not first"))
    } else {
        Ok(())
    }
}

/// `POT_EXTIF` and `POT_VPN_EXTIF`. They stand in pf rules, in arguments of ifconfig(8) and in the pattern of a grep.
fn interface(value: &str) -> Result<(), String> {
    if value.len() > 15 {
        return Err("an interface's name has at most 15 characters".to_owned());
    }
    if !value.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        || !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    {
        return Err("an interface's name begins with a letter and holds only letters, digits and `_.-`".to_owned());
    }
    not_a_word_of_pf(value)
}

/// An entry of `POT_EXTRA_EXTIF`: vnet-start's `eval extra_net="\$POT_NETWORK_$extra_netif"` makes it code.
fn extra_interface(value: &str) -> Result<(), String> {
    if value.len() > 15 {
        return Err("an interface's name has at most 15 characters".to_owned());
    }
    if !value.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        || !value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    {
        return Err(
            "an extra interface's name begins with a small letter and holds only small letters, digits and `_`, \
                    because `pot vnet-start` evaluates it as part of a shell variable"
                .to_owned(),
        );
    }
    not_a_word_of_pf(value)
}

fn not_a_word_of_pf(value: &str) -> Result<(), String> {
    if PF_WORDS.contains(&value) {
        Err("it is a word of pf.conf, and in pot's rules pf would read it as such".to_owned())
    } else {
        Ok(())
    }
}

fn address(value: &str) -> Result<(), String> {
    match value.parse::<IpAddr>() {
        Ok(address) if address.to_string() == value => Ok(()),
        Ok(address) => Err(format!("it is to be written `{address}`")),
        Err(_) => Err("it is not an IP address".to_owned()),
    }
}

fn network(value: &str) -> Result<(), String> {
    match value.parse::<IpNet>() {
        Ok(network) if network.to_string() == value => Ok(()),
        Ok(network) => Err(format!("it is to be written `{network}`")),
        Err(_) => Err("it is not a network such as `10.200.0.0/16`".to_owned()),
    }
}

/// Shortest prefix of the pots' network: whatever it holds is routed to the bridge and trusted by syslogd (`-a`).
const SHORTEST_PREFIX: u8 = 8;

/// `POT_NETWORK`: syslogd takes lines from all of it, pf translates for all of it.
fn pots_network(value: &str) -> Result<(), String> {
    network(value)?;
    match value.parse::<IpNet>() {
        Ok(network) if network.prefix_len() < SHORTEST_PREFIX => {
            Err(format!("it is larger than a `/{SHORTEST_PREFIX}`, and the bridge would take the routes to all of it"))
        }
        _ => Ok(()),
    }
}

/// `POT_NETMASK`: it, not POT_NETWORK, decides how much the bridge gets a route to (`ifconfig BRIDGE inet GATEWAY netmask
/// NETMASK`), so `0.0.0.0` would take every route of the host.
fn netmask(value: &str) -> Result<(), String> {
    match value.parse::<Ipv4Addr>() {
        Ok(mask) if mask.to_string() == value => {
            if u32::from(mask).leading_ones() < u32::from(SHORTEST_PREFIX) {
                Err(format!(
                    "it is shorter than that of a `/{SHORTEST_PREFIX}`, and the bridge would take the routes to all of it"
                ))
            } else {
                Ok(())
            }
        }
        _ => Err("it is not an IPv4 netmask such as `255.255.0.0`".to_owned()),
    }
}

/// What is wrong with a dataset name, by ZFS' naming (`zfs(8)`, "ZFS File System Hierarchy", and the checks of
/// zfs_namecheck.c) without the blank that it would take, and with a pool that can be created.
pub(in crate::rules) fn dataset_problem(value: &str) -> Option<String> {
    if value.len() > LONGEST_DATASET {
        return Some(format!("a dataset's name should have at most {LONGEST_DATASET} characters, pot appends to it"));
    }
    let mut components = value.split('/');
    let pool = components.next().unwrap_or_default();
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    if !pool.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) || !pool.bytes().all(good) {
        return Some("a pool's name begins with a letter and holds only letters, digits and `_.:-`".to_owned());
    }
    let below: Vec<&str> = components.collect();
    if below.is_empty() {
        return Some(
            "it is a whole pool, and `pot de-init` destroys this dataset with all that is in it; name one below, such as \
             `zroot/pot`"
                .to_owned(),
        );
    }
    // bsdinstall(8) and bectl(8): the system itself.
    if below.first() == Some(&"ROOT") && below.len() <= 2 {
        return Some(
            "boot environments stand there, and `pot de-init` destroys this dataset with all that is in it".to_owned(),
        );
    }
    for component in below {
        if component.is_empty() {
            return Some("a component is empty: no `/` at the end, no two in a row".to_owned());
        }
        if component == "." || component == ".." {
            return Some("ZFS refuses `.` and `..` as components".to_owned());
        }
        if !component.as_bytes().first().is_some_and(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
            || !component.bytes().all(good)
        {
            return Some(
                "each component begins with a letter, a digit or `_` and holds only those and `.:-`".to_owned(),
            );
        }
    }
    None
}
