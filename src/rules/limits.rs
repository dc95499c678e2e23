//! Limits: what no one may write into pot.conf, because root's shell would run it or obey it.
//!
//! Findings can be overridden by an admin with a reason, limits never. They are a closed grammar per parameter,
//! enforced on every write and, on the file as it stands, before every run. `docs/limits.md` gives for each
//! parameter the grammar and the line of thought.

use crate::facts::{PathKind, PathState};
use crate::layout::{SHARED_FOLDERS, remedy_for_open};
use crate::potconf::{Configuration, Empty, Kind, Name, PARAMETERS, Source, parameter};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};

/// A value against a limit: which parameter, which value, which rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter} cannot be {}: {rule}", shown(value))]
pub struct Against {
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
/// Longest folder or file name in bytes; pot appends to it, and a mount point ends at 1023.
const LONGEST_PATH: usize = 255;
/// Longest dataset name in bytes. ZFS ends at 255, pot appends `/jails/NAME/m@SNAPSHOT`.
const LONGEST_DATASET: usize = 128;

/// Folders in which nothing of pot's may stand, nor they themselves be taken: `pot init` does `chmod 750` and
/// `chown root:pot` on one and mounts file systems over another, other commands write and remove files there.
const CLOSED_TREES: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/libexec",
    "/proc",
    "/rescue",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/include",
    "/usr/lib",
    "/usr/lib32",
    "/usr/libdata",
    "/usr/libexec",
    "/usr/sbin",
    "/usr/share",
    "/usr/src",
    "/usr/tests",
    "/usr/local/bin",
    "/usr/local/etc",
    "/usr/local/include",
    "/usr/local/lib",
    "/usr/local/libdata",
    "/usr/local/libexec",
    "/usr/local/sbin",
    "/usr/local/share",
    "/var/at",
    "/var/audit",
    "/var/backups",
    "/var/cron",
    "/var/db/etcupdate",
    "/var/db/freebsd-update",
    "/var/db/pkg",
    "/var/db/pot-console",
    "/var/empty",
    "/var/mail",
    "/var/spool",
    "/var/unbound",
    "/var/yp",
];

/// Folders that belong to the system or to all its users: pot may have one below them, never one of them.
const SYSTEM_FOLDERS: &[&str] = &[
    "/",
    "/compat",
    "/home",
    "/media",
    "/mnt",
    "/net",
    "/opt",
    "/root",
    "/tmp",
    "/usr",
    "/usr/games",
    "/usr/home",
    "/usr/local",
    "/usr/local/libdata/pkgconfig",
    "/usr/local/www",
    "/usr/obj",
    "/usr/ports",
    "/var",
    "/var/account",
    "/var/authpf",
    "/var/cache",
    "/var/crash",
    "/var/db",
    "/var/games",
    "/var/heimdal",
    "/var/log",
    "/var/msgs",
    "/var/preserve",
    "/var/run",
    "/var/rwho",
    "/var/tmp",
];

/// Names of the grammar of pf.conf that could also name an interface. `nat on any from …` is a rule for every
/// interface, `nat on to …` breaks the whole rule set.
const PF_WORDS: &[&str] = &[
    "all",
    "altq",
    "anchor",
    "antispoof",
    "any",
    "bandwidth",
    "binat",
    "bitmask",
    "block",
    "buckets",
    "cbq",
    "code",
    "codelq",
    "crop",
    "debug",
    "dnpipe",
    "dnqueue",
    "drop",
    "egress",
    "endpoints",
    "ether",
    "fairq",
    "fastroute",
    "file",
    "fingerprints",
    "flags",
    "floating",
    "flush",
    "for",
    "fragment",
    "from",
    "global",
    "group",
    "hfsc",
    "hogs",
    "hostid",
    "in",
    "include",
    "inet",
    "inet6",
    "interval",
    "keep",
    "keepcounters",
    "l3",
    "label",
    "limit",
    "linkshare",
    "load",
    "log",
    "loginterface",
    "match",
    "matches",
    "max",
    "modulate",
    "nat",
    "no",
    "on",
    "once",
    "optimization",
    "os",
    "out",
    "overload",
    "pass",
    "persist",
    "port",
    "prio",
    "priority",
    "priq",
    "probability",
    "proto",
    "qlimit",
    "queue",
    "quick",
    "random",
    "rdr",
    "realtime",
    "reassemble",
    "return",
    "ridentifier",
    "route",
    "rtable",
    "rule",
    "scrub",
    "self",
    "set",
    "skip",
    "sloppy",
    "state",
    "syncookies",
    "synproxy",
    "table",
    "tag",
    "tagged",
    "target",
    "tbrsize",
    "timeout",
    "to",
    "tos",
    "ttl",
    "upperlimit",
    "urpf",
    "user",
    "weight",
    "yes",
];

/// Checks one value against the limit of its parameter. A value that passes is nothing but data for every use that
/// pot's scripts make of it.
///
/// # Errors
/// [`Against`], naming parameter, value and rule. A name that pot does not know is refused, too: `PATH`, `EXIT` or
/// `SED` in a file that root's shell sources would be obeyed.
pub fn check(name: &str, value: &str) -> Result<(), Against> {
    judge(name, value).map_err(|rule| Against { parameter: name.to_owned(), value: value.to_owned(), rule })
}

/// The grammar of a parameter's value, for people.
pub fn grammar(name: &str) -> Option<&'static str> {
    if Name::try_from(name).is_ok_and(|name| name.extra_interface().is_some()) {
        return Some("an IPv4 or IPv6 network such as `10.0.20.0/24`, or empty");
    }
    let known = parameter(name)?;
    Some(match known.kind {
        Kind::Dataset => "a dataset below a pool: letters, digits and `_.:-` between slashes",
        Kind::Folder => "an absolute folder of letters, digits and `._+-`, not one of the system's",
        Kind::TemporaryFolder => {
            "an absolute folder of letters, digits and `._+-`, not one of the system's but `/tmp` and `/var/tmp`, or empty"
        }
        Kind::Text | Kind::Group => "a group's name: letters, digits and `_.-`, at most 31",
        Kind::Suffix => "letters, digits and `._-`, at most 32, at least one",
        Kind::Number => "a decimal number of at most 5 digits",
        Kind::Network => "an IPv4 or IPv6 network such as `10.192.0.0/10`, not larger than a `/8`",
        Kind::Netmask => "an IPv4 netmask such as `255.192.0.0`, not shorter than `255.0.0.0`",
        Kind::Address if known.default.is_empty() => "an IPv4 or IPv6 address, or empty",
        Kind::Address => "an IPv4 or IPv6 address",
        Kind::Interface => "an interface: a letter, then letters, digits and `_.-`, at most 15",
        Kind::InterfaceList => {
            "interfaces separated by blanks, each a small letter, then small letters, digits and `_`, at most 15"
        }
        Kind::Stack => "`ipv4`, `ipv6` or `dual`",
        Kind::Boolean => "`yes`, `true`, `on`, `no`, `false` or `off`",
        Kind::NetworkList => "networks or addresses separated by blanks",
        Kind::ExecutablePath | Kind::FilePath => {
            "an absolute file name of letters, digits and `._+-`, or empty; it and every folder above belong to root alone; \
             a new one is one that root's settings name"
        }
        Kind::Facility => "a facility of syslog.conf(5)",
        Kind::PotName => "a pot's name: letters, digits, `_` and `-`, at most 63",
    })
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
pub fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" => Some(true),
        "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// The entries of a list as sh splits it with the usual IFS.
pub(super) fn split(list: &str) -> impl Iterator<Item = &str> {
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
pub(super) fn dataset_problem(value: &str) -> Option<String> {
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

/// What is wrong with a path, whatever stands there: absolute, normal, and of characters that mean nothing to sh, sed,
/// awk and xargs, through which pot passes it.
pub(super) fn path(value: &str) -> Result<(), String> {
    if value.len() > LONGEST_PATH {
        return Err(format!("a path has at most {LONGEST_PATH} characters here, pot appends to it"));
    }
    let Some(below) = value.strip_prefix('/') else {
        return Err("it does not begin with `/`".to_owned());
    };
    for component in below.split('/') {
        if component.is_empty() {
            return Err(if below.is_empty() {
                "it is the root of all folders".to_owned()
            } else {
                "no `/` at the end, no two in a row".to_owned()
            });
        }
        if component == "." || component == ".." {
            return Err("`.` and `..` are not allowed in it".to_owned());
        }
        if component.starts_with('-')
            || !component.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
        {
            return Err("only letters, digits and `._+-` are allowed between its slashes, `-` not first".to_owned());
        }
    }
    Ok(())
}

/// Whether `path` is `folder` or stands below it. Both absolute and normal.
pub(super) fn is_at_or_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) || folder == "/"
}

fn folder(value: &str, kind: Kind) -> Result<(), String> {
    path(value)?;
    open_to_pot(value, kind)
}

/// Whether pot may have this very folder, whatever name led there.
fn open_to_pot(value: &str, kind: Kind) -> Result<(), String> {
    let temporary = kind == Kind::TemporaryFolder;
    if let Some(tree) = CLOSED_TREES.iter().find(|tree| is_at_or_below(value, tree)) {
        return Err(format!("`{tree}` belongs to the system, with all that is below"));
    }
    if temporary && SHARED_FOLDERS.contains(&value) {
        return Ok(());
    }
    if !temporary && let Some(shared) = SHARED_FOLDERS.iter().find(|shared| is_at_or_below(value, shared)) {
        return Err(format!(
            "every user can write to `{shared}`, and could put a link there before `pot init` follows it"
        ));
    }
    // Whatever lies above a closed tree is in the second list, which a test holds to be so.
    if SYSTEM_FOLDERS.contains(&value) {
        return Err("this folder belongs to the system; take one below it".to_owned());
    }
    Ok(())
}

/// Limits that tie parameters together: nothing that root obeys may stand where a pot's root writes. Root inside of a
/// pot has uid 0 outside, too, so that ownership says nothing there.
///
/// # Errors
/// [`Against`] for the first value that is where it must not be.
pub fn check_together(configuration: &Configuration) -> Result<(), Against> {
    let Some(root) = configuration.value(FS_ROOT) else { return Ok(()) };
    let inside = kept_for_pots(root);
    for name in places().into_iter().filter(|name| *name != FS_ROOT) {
        let Some(value) = configuration.value(name) else { continue };
        if let Some(folder) = inside.iter().find(|folder| is_at_or_below(value, folder)) {
            return Err(among_pots(name, value, folder));
        }
    }
    Ok(())
}

/// The folders below POT_FS_ROOT in which a pot's root writes.
fn kept_for_pots(root: &str) -> [String; 3] {
    ["jails", "bases", "fscomp"].map(|part| format!("{root}/{part}"))
}

fn among_pots(name: &str, value: &str, folder: &str) -> Against {
    Against {
        parameter: name.to_owned(),
        value: value.to_owned(),
        rule: format!("pots can write below `{}`", shown_path(folder)),
    }
}

/// The parameter that names the folder in which pots live, and in which nothing else may.
const FS_ROOT: &str = "POT_FS_ROOT";

/// The parameters whose values name a place on the host, see [`Kind::is_place`].
pub fn places() -> Vec<&'static str> {
    PARAMETERS.iter().filter(|known| known.kind.is_place()).map(|known| known.name).collect()
}

/// Looks at a path of the host; none when it could not be looked at.
pub type Look<'a> = &'a dyn Fn(&str) -> Option<PathState>;

/// The limit on the place that a parameter names, wherever links lead: the hook and the public key must be regular
/// files, they and every folder above root's alone. `POT_FS_ROOT` and `POT_CACHE` must be no links, which root's
/// `chmod` and mount(8) would follow, they and every folder above root's alone, and really stand where pot may have
/// them. `POT_TMP` may be a folder of everybody's, as `/tmp` is, but nobody else may be able to put another in its
/// place. Other parameters name no place.
///
/// # Errors
/// [`Against`], also when nothing is known about the path: then it cannot be trusted.
pub fn check_place(name: &str, path: &str, state: Option<&PathState>) -> Result<(), Against> {
    let kind = match parameter(name) {
        Some(known) if known.kind.is_place() && !path.is_empty() => known.kind,
        _ => return Ok(()),
    };
    let judged = match state {
        None => Err("what stands there could not be looked at".to_owned()),
        Some(state) if kind.is_trusted_file() => trusted_file(state),
        Some(state) => own_folder(state, kind),
    };
    judged.map_err(|rule| Against { parameter: name.to_owned(), value: path.to_owned(), rule })
}

fn trusted_file(state: &PathState) -> Result<(), String> {
    Err(match state.kind {
        PathKind::Absent => "there is no such file".to_owned(),
        PathKind::Folder => "that is a folder".to_owned(),
        PathKind::Link => "that is a symbolic link; name the file itself".to_owned(),
        PathKind::Other => "that is not a regular file".to_owned(),
        PathKind::File if !state.only_root_writes => {
            format!(
                "the file and every folder above it must be owned by root and writable by no other{}",
                but(state.exposed.as_deref())
            )
        }
        PathKind::File => return Ok(()),
    })
}

fn own_folder(state: &PathState, kind: Kind) -> Result<(), String> {
    let temporary = kind == Kind::TemporaryFolder;
    if !temporary && state.kind == PathKind::Link {
        return Err("that is a symbolic link, and `pot init` would change the folder it points to".to_owned());
    }
    if let Some(end) = &state.leads_to {
        open_to_pot(&end.path, kind).map_err(|rule| format!("it really is `{}`: {rule}", shown_path(&end.path)))?;
    }
    let open = if temporary { state.replaceable_in.as_deref() } else { state.exposed.as_deref() };
    if open.is_some() || (!temporary && !state.only_root_writes) {
        return Err(format!(
            "{} must be owned by root and writable by no other{}",
            if temporary { "every folder above it" } else { "it and every folder above it" },
            but(open)
        ));
    }
    Ok(())
}

/// "; others can change `/home/anna`: give that to root (chown root, chmod go-w), or name another place", where it is known.
fn but(exposed: Option<&str>) -> String {
    exposed.map_or_else(String::new, |path| {
        format!("; others can change `{}`: {}, or name another place", shown_path(path), remedy_for_open(path))
    })
}

/// A path of the host in a message: it may have been made to harm a terminal.
fn shown_path(path: &str) -> String {
    path.chars().take(LONGEST_PATH).flat_map(char::escape_debug).collect()
}

/// The limits on the places that some of [`places`] name, and on how they stand to each other where they really are.
/// Values against their own grammar are left to [`check`]; those that are not certain to who uses them.
pub fn check_places(configuration: &Configuration, names: &[&str], look: Look<'_>) -> Vec<Against> {
    let real = |path: &str| look(path).map_or_else(|| path.to_owned(), |state| state.real_path(path).to_owned());
    let value = |name: &str| configuration.value(name).filter(|value| !value.is_empty() && check(name, value).is_ok());
    let root = value(FS_ROOT);
    let inside: Vec<String> = root.iter().flat_map(|root| kept_for_pots(&real(root))).collect();
    names
        .iter()
        .filter_map(|name| {
            let path = value(name)?;
            check_place(name, path, look(path).as_ref())
                .and_then(|()| match inside.iter().find(|folder| is_at_or_below(&real(path), folder)) {
                    Some(folder) => Err(among_pots(name, path, folder)),
                    None => Ok(()),
                })
                .err()
        })
        .collect()
}

/// Those of [`places`] that are other ones in `new` than in `old`; all of them when POT_FS_ROOT is, which is what the
/// others must not lie in.
pub fn changed_places(old: &Configuration, new: &Configuration) -> Vec<&'static str> {
    let changed = |name: &str| is_changed(old, new, name);
    let all = changed(FS_ROOT);
    places().into_iter().filter(|name| all || changed(name)).collect()
}

fn is_changed(old: &Configuration, new: &Configuration, name: &str) -> bool {
    let (old, new) = (old.setting(name), new.setting(name));
    match (&old.value, &new.value) {
        // Read by the shell alone: as they are written.
        (None, None) => old.raw != new.raw,
        (old, new) => old != new,
    }
}

/// What root's settings name: whoever may change the configuration may choose among these.
#[derive(Debug, Clone, Copy, Default)]
pub struct Named<'a> {
    /// Programs for POT_EXPORT_PORTS_PF_RULES_HOOK.
    pub hooks: &'a [String],
    /// Files for POT_DEFAULT_SIGNATURE_PUBKEY.
    pub public_keys: &'a [String],
}

/// The limit on a new hook or public key that root did not choose in a terminal: root's settings name it, or it is the
/// default, or none. Any program of root's will do as a hook otherwise: `/bin/sh`, fed what `pot start` writes.
///
/// # Errors
/// [`Against`] for the first one that is new and not named.
pub fn check_named(old: &Configuration, new: &Configuration, named: Named<'_>) -> Result<(), Against> {
    for known in PARAMETERS {
        let name = known.name;
        let (allowed, setting) = match known.kind {
            Kind::ExecutablePath => (named.hooks, "hooks"),
            Kind::FilePath => (named.public_keys, "public_keys"),
            _ => continue,
        };
        let now = new.setting(name);
        let may_be = match &now.value {
            Some(value) => value.is_empty() || allowed.contains(value),
            None => now.source == Source::Unset,
        };
        if is_changed(old, new, name) && now.source != Source::Default && !may_be {
            return Err(Against {
                parameter: name.to_owned(),
                value: now.value.or(now.raw).unwrap_or_default(),
                rule: format!(
                    "a new one must be named in root's settings (`{setting}` in pot-console.toml), or be set in root's \
                     terminal: `pot-console conf set {name}=FILE`"
                ),
            });
        }
    }
    Ok(())
}

/// Variables that are no parameters but that sh or pot's scripts obey: `${EXIT} 1` runs what EXIT says.
fn is_obeyed(name: &str) -> bool {
    // The last one is a slip in set-hosts.sh: the ending that it gives to mktemp.
    const OBEYED: [&str; 17] = [
        "PATH",
        "IFS",
        "ENV",
        "EXIT",
        "ECHO",
        "SED",
        "OPTIND",
        "OPTARG",
        "CDPATH",
        "HOME",
        "PWD",
        "PS4",
        "CMD",
        "TMPDIR",
        "SHELL",
        "IFCONFIG_FORMAT",
        "POT_MKTMP_SUFFIX",
    ];
    OBEYED.contains(&name)
        || ["_POT", "LD_", "LC_", "MALLOC_"].iter().any(|prefix| name.starts_with(prefix))
        || (name.starts_with('_') && name.len() > 1)
}

/// Whether a variable that is no parameter steers sh or pot's scripts all the same.
pub(super) fn steers_pot(name: &str) -> bool {
    is_obeyed(name)
}

/// All limits on the file as it stands, before every run: the value of every parameter that is certain, and what ties
/// them together. Values that are not certain are not judged here, nor what stands at the places that they name
/// ([`check_places`]): an operation that uses one does not run.
///
/// # Errors
/// The first value that is against a limit.
pub fn check_all(configuration: &Configuration) -> Result<(), Against> {
    for setting in configuration.settings() {
        let Some(value) = setting.value.as_deref() else { continue };
        if setting.source == Source::Unset {
            continue;
        }
        if setting.since.is_some() || crate::potconf::extra_interface(&setting.name).is_some() {
            check(&setting.name, value)?;
        } else if is_obeyed(&setting.name) {
            return Err(Against {
                parameter: setting.name,
                value: value.to_owned(),
                rule: "it is no parameter, but sh or pot's scripts obey it".to_owned(),
            });
        }
    }
    check_together(configuration)
}

#[cfg(test)]
mod tests {
    use super::super::example::{absent, configuration, file, folder, link};
    use super::*;
    use std::path::Path;

    fn passes(name: &str, values: &[&str]) {
        for value in values {
            assert_eq!(check(name, value), Ok(()), "{name}={value:?}");
        }
    }

    fn fails(name: &str, values: &[&str]) {
        for value in values {
            let against = check(name, value).expect_err(value);
            let message = against.to_string();
            assert!(message.starts_with(&format!("{name} cannot be ")), "{message}");
            assert!(!message.contains(['\n', '\u{1b}']), "{message:?}");
        }
    }

    #[test]
    fn every_default_passes() {
        for known in PARAMETERS {
            passes(known.name, &[known.default]);
            assert!(grammar(known.name).is_some(), "{}", known.name);
        }
    }

    #[test]
    fn every_limit_is_explained_in_the_documentation() {
        let rows =
            include_str!("../../docs/limits.md").lines().filter_map(|line| line.strip_prefix("| ")?.split('|').next());
        let explained: Vec<&str> = rows.flat_map(|names| names.split('`')).collect();
        for known in PARAMETERS {
            assert!(explained.contains(&known.name), "{} has no row in docs/limits.md", known.name);
        }
    }

    #[test]
    fn names_that_are_no_parameters_are_refused() {
        for name in [
            "PATH",
            "EXIT",
            "POT_GATWAY",
            "_POT_PREFIX",
            "a b",
            "",
            "POT_NETWORK_",
            "POT_NETWORK_LAN0",
            "POT_NETWORK_a$b",
        ] {
            assert!(check(name, "10.0.0.0/8").is_err(), "{name}");
        }
        passes("POT_NETWORK_vlan20", &["10.0.20.0/24", ""]);
    }

    #[test]
    fn extra_interfaces_are_parts_of_shell_variables() {
        passes("POT_EXTRA_EXTIF", &["", "vlan20", "vlan20 vlan30", "  a_1\tb2 ", "abcdefghijklmno"]);
        fails(
            "POT_EXTRA_EXTIF",
            &["em0.20", "Vlan20", "20", "_a", "x;id", "$(id)", "a-b", "abcdefghijklmnop", "any", "vlan20 to", "ä"],
        );
        passes("POT_EXTIF", &["em0", "em0.20", "vm-public", "LAN"]);
        fails("POT_EXTIF", &["", "0em", "-a", "em0 em1", "all", "em0;id", "em0)"]);
    }

    #[test]
    fn networks_and_addresses_are_written_as_they_print() {
        passes("POT_NETWORK", &["10.0.0.0/8", "10.192.0.7/10", "fd00::/64"]);
        fails(
            "POT_NETWORK",
            &[
                "",
                "10.0.0.0",
                "010.0.0.0/8",
                "10.0.0.0/08",
                "10.0.0.0/33",
                "FD00::/64",
                "0.0.0.0/0",
                "::/0",
                "10.0.0.0/8 ",
            ],
        );
        passes("POT_GATEWAY", &["10.0.0.1", "fd00::1"]);
        fails("POT_GATEWAY", &["", "10.0.0.256", "10.0.0.01", "fd00::0001", "fe80::1%em0", "host"]);
        passes("POT_NETMASK", &["255.255.0.0", "255.0.255.0"]);
        fails("POT_NETMASK", &["", "/16", "0xffff0000", "255.255.0", "0.0.0.0", "254.0.0.0", "0.255.0.0"]);
        passes("POT_VPN_NETWORKS", &["", "10.8.0.0/24 192.168.1.7"]);
        fails("POT_VPN_NETWORKS", &["10.8.0.0/24,10.9.0.0/24", "!10.0.0.0/8", "<table>"]);
    }

    #[test]
    fn folders_of_the_system_and_those_above_are_closed() {
        for name in ["POT_FS_ROOT", "POT_CACHE"] {
            passes(name, &["/opt/pot", "/usr/local/pot", "/var/cache/pot", "/home/pot", "/zroot/pot", "/var/db/pot"]);
            fails(
                name,
                &[
                    "",
                    "/",
                    "opt/pot",
                    "/opt/pot/",
                    "/opt//pot",
                    "/opt/../etc",
                    "/opt/./pot",
                    "/etc",
                    "/etc/ssh",
                    "/usr",
                    "/usr/local",
                    "/usr/local/etc/pot",
                    "/var",
                    "/var/db/pot-console/root",
                    "/tmp",
                    "/bin/x",
                    "/opt/-x",
                    "/opt/a b",
                    "/opt/a%b",
                    "/opt/$(id)",
                    "/boot",
                    "/var/cache",
                    "/dev/x",
                    "/home",
                    "/root",
                    "/tmp/pot",
                    "/var/tmp/pot",
                ],
            );
        }
        passes("POT_TMP", &["/tmp", "/var/tmp", "/tmp/pot", "/var/run/pot", ""]);
        fails("POT_TMP", &["/", "/etc", "/var/run", "/var/cron/tabs", "/usr/local/etc/rc.d"]);
    }

    #[test]
    fn whatever_lies_above_a_closed_tree_is_closed_itself() {
        for tree in CLOSED_TREES.iter().chain(SYSTEM_FOLDERS) {
            for above in Path::new(tree).ancestors() {
                let above = above.to_str().unwrap();
                assert!(
                    SYSTEM_FOLDERS.contains(&above) || CLOSED_TREES.iter().any(|tree| is_at_or_below(above, tree)),
                    "{above} above {tree}"
                );
            }
        }
    }

    #[test]
    fn a_dataset_stands_below_a_pool() {
        passes("POT_ZFS_ROOT", &["zroot/pot", "tank/a/b.c:d-e_f", "zroot/ROOT/default/pot"]);
        fails(
            "POT_ZFS_ROOT",
            &[
                "",
                "zroot",
                "zroot/",
                "/zroot/pot",
                "zroot/pot@now",
                "zroot/a b",
                "zroot/../x",
                "-o/x",
                "zroot/-o",
                "zroot/ROOT",
                "zroot/ROOT/default",
            ],
        );
    }

    #[test]
    fn words_are_those_that_pot_and_syslog_know() {
        passes("POT_NETWORK_STACK", &["ipv4", "ipv6", "dual", ""]);
        fails("POT_NETWORK_STACK", &["IPv4", "both", "ipv4 "]);
        passes("POT_ISOLATE_VNET_POTS", &["Yes", "off", ""]);
        fails("POT_ISOLATE_VNET_POTS", &["1", "y", "true;id"]);
        passes("POT_LOG_FACILITY", &["local0", "daemon"]);
        fails("POT_LOG_FACILITY", &["", "local8", "local2.info"]);
        passes("POT_HOSTNAME_MAX_LENGTH", &["1", "255", ""]);
        fails("POT_HOSTNAME_MAX_LENGTH", &["-1", "1e3", "123456", "6 4"]);
        passes("POT_MKTEMP_SUFFIX", &[".XXXXXXXX", "_X"]);
        fails("POT_MKTEMP_SUFFIX", &["", "/X", "-X", "$X", ".X/../X"]);
        passes("POT_DNS_NAME", &["dns", ""]);
        fails("POT_DNS_NAME", &["a.b", "../x", "-x"]);
        passes("POT_GROUP", &["pot", "1002", ""]);
        fails("POT_GROUP", &["pot:x", "-R", "a b"]);
    }

    #[test]
    fn a_refusal_names_parameter_value_and_rule() {
        let against = check("POT_EXTRA_EXTIF", "x;\u{1b}id").unwrap_err();
        assert_eq!(against.parameter, "POT_EXTRA_EXTIF");
        assert!(against.to_string().starts_with("POT_EXTRA_EXTIF cannot be `x;\\u{1b}id`: "), "{against}");
        let long = check("POT_GROUP", &"x".repeat(5000)).unwrap_err().to_string();
        assert!(long.contains("5000 bytes") && long.len() < 200, "{long}");
        assert!(check("POT_EXTRA_EXTIF", &"a ".repeat(65)).is_err());
    }

    #[test]
    fn the_file_as_it_stands_is_held_to_all_limits() {
        let all = |own: &str| check_all(&configuration(own)).map_err(|against| against.parameter);
        assert_eq!(all(""), Ok(()));
        assert_eq!(all("POT_EXTRA_EXTIF='x;id'\n"), Err("POT_EXTRA_EXTIF".to_owned()));
        assert_eq!(all("POT_NETWORK_vlan20='$(id)'\n"), Err("POT_NETWORK_vlan20".to_owned()));
        assert_eq!(all("EXIT='touch x'\n"), Err("EXIT".to_owned()));
        assert_eq!(all("PATH=/tmp\n"), Err("PATH".to_owned()));
        // What nobody obeys is a finding, no limit; what is not certain is not judged here.
        assert_eq!(all("POT_COLOUR=red\nSITE=berlin\nPOT_GROUP=$(id)\n"), Ok(()));
        assert_eq!(all("POT_TMP=/opt/pot/jails/web1/m/tmp\n"), Err("POT_TMP".to_owned()));
        assert_eq!(
            all("POT_EXPORT_PORTS_PF_RULES_HOOK=/opt/pot/bases/x\n"),
            Err("POT_EXPORT_PORTS_PF_RULES_HOOK".to_owned())
        );
    }

    /// The places that a configuration names, each in the given state.
    fn places(own: &str, states: &[(&str, PathState)]) -> Vec<String> {
        let look = |path: &str| states.iter().find(|(known, _)| *known == path).map(|(_, state)| state.clone());
        let all = check_places(&configuration(own), &super::places(), &look);
        all.into_iter().map(|against| against.to_string()).collect()
    }

    const USUAL: [&str; 3] = ["/opt/pot", "/var/cache/pot", "/tmp"];

    fn with_usual(more: (&'static str, PathState)) -> Vec<(&'static str, PathState)> {
        let shared = PathState { only_root_writes: false, exposed: Some("/tmp".to_owned()), ..folder(0o1777, false) };
        let [root, cache, tmp] = USUAL;
        vec![more, (root, absent()), (cache, absent()), (tmp, shared)]
    }

    #[test]
    fn what_root_runs_must_be_roots_alone() {
        for name in PARAMETERS.iter().filter(|known| known.kind.is_trusted_file()).map(|known| known.name) {
            let own = format!("{name}=/usr/local/etc/hook\n");
            let with = |state| places(&own, &with_usual(("/usr/local/etc/hook", state)));
            assert_eq!(with(file(0o755, true)), Vec::<String>::new());
            for state in
                [absent(), file(0o755, false), folder(0o755, true), link("/usr/local/etc/other", PathKind::File)]
            {
                assert_eq!(with(state).len(), 1, "{name}");
            }
            assert_eq!(places(&own, &with_usual(("/elsewhere", absent()))).len(), 1, "a path that nobody looked at");
        }
        assert_eq!(check_place("POT_GROUP", "pot", None), Ok(()));
    }

    #[test]
    fn a_folder_is_judged_by_where_it_really_is_and_by_who_can_write_above_it() {
        let of_a_user = |path: &str| PathState {
            only_root_writes: false,
            exposed: Some(path.to_owned()),
            replaceable_in: Some(path.to_owned()),
            ..absent()
        };
        let really = |to: &str, state: PathState| PathState {
            leads_to: Some(crate::facts::LeadsTo {
                path: to.to_owned(),
                kind: PathKind::Folder,
                uid: 0,
                mode: 0o755,
                refused: None,
            }),
            ..state
        };
        for name in ["POT_FS_ROOT", "POT_CACHE", "POT_TMP"] {
            let own = format!("{name}=/srv/c/rc.d\n");
            let with = |state| places(&own, &with_usual(("/srv/c/rc.d", state))).join("\n");
            assert_eq!(with(folder(0o755, true)), "", "{name}");
            assert_eq!(with(absent()), "", "{name}");
            assert_eq!(with(really("/srv/d/rc.d", folder(0o755, true))), "", "{name}");
            let system = with(really("/usr/local/etc/rc.d", folder(0o755, false)));
            assert!(
                system.contains("it really is `/usr/local/etc/rc.d`: `/usr/local/etc` belongs"),
                "{name}: {system}"
            );
            let user = with(of_a_user("/srv"));
            assert!(user.contains("others can change `/srv`: give that to root"), "{name}: {user}");
            let pots = places(
                &format!("{name}=/srv/c/rc.d\n"),
                &with_usual(("/srv/c/rc.d", really("/opt/pot/jails/web1/m", folder(0o755, true)))),
            );
            assert!(name == "POT_FS_ROOT" || pots.iter().any(|words| words.contains("pots can write")), "{pots:?}");
        }
        for name in ["POT_FS_ROOT", "POT_CACHE"] {
            let own = format!("{name}=/srv/pot\n");
            let linked = places(&own, &with_usual(("/srv/pot", link("/srv/other", PathKind::Folder)))).join("\n");
            assert!(linked.contains("is a symbolic link"), "{linked}");
        }
    }

    #[test]
    fn the_usual_places_and_tmp_as_a_link_are_good() {
        assert_eq!(places("", &with_usual(("/x", absent()))), Vec::<String>::new());
        let mut usual = with_usual(("/x", absent()));
        if let Some(tmp) = usual.iter_mut().find(|(path, _)| *path == "/tmp") {
            tmp.1 = PathState { only_root_writes: false, ..link("/var/tmp", PathKind::Folder) };
        }
        assert_eq!(places("POT_TMP=/tmp\n", &usual), Vec::<String>::new());
    }

    #[test]
    fn nobody_is_advised_to_close_a_folder_that_is_everybodys() {
        for path in ["/var/tmp", "/tmp"] {
            let words = but(Some(path));
            assert!(!words.contains("chmod") && words.contains("use another folder"), "{words}");
        }
        assert!(but(Some("/home/anna")).contains("chmod go-w"));
    }

    #[test]
    fn only_a_hook_or_key_that_changes_must_be_named() {
        let hook = "POT_EXPORT_PORTS_PF_RULES_HOOK";
        let judge = |old: &str, new: &str, hooks: &[&str]| {
            let hooks: Vec<String> = hooks.iter().map(|&hook| hook.to_owned()).collect();
            let named = Named { hooks: &hooks, public_keys: &[] };
            check_named(&configuration(old), &configuration(new), named).map_err(|against| against.parameter)
        };
        let sh = format!("{hook}=/bin/sh\n");
        assert_eq!(judge("", &sh, &[]), Err(hook.to_owned()));
        assert_eq!(judge("", &sh, &["/usr/local/libexec/hook"]), Err(hook.to_owned()));
        assert_eq!(judge("", &sh, &["/bin/sh"]), Ok(()));
        assert_eq!(judge(&sh, &sh, &[]), Ok(()), "one that root wrote stays usable");
        assert_eq!(judge(&sh, &format!("{hook}=\"/bin/sh\"\nPOT_GROUP=wheel\n"), &[]), Ok(()));
        assert_eq!(judge(&sh, "", &[]), Ok(()));
        assert_eq!(judge(&sh, &format!("{hook}=\n"), &[]), Ok(()));
        assert_eq!(judge(&sh, &format!("{hook}=$(echo /bin/sh)\n"), &[]), Err(hook.to_owned()));
        let key = "POT_DEFAULT_SIGNATURE_PUBKEY=/etc/passwd\n";
        assert_eq!(judge("", key, &["/etc/passwd"]), Err("POT_DEFAULT_SIGNATURE_PUBKEY".to_owned()));
    }
}
