//! For tests: what pot's scripts do with each value, rebuilt in a few lines of sh, and the proof that a value which
//! passes its limit is nothing but data there.
//!
//! Every command is a function that notes its arguments, PATH is empty, the folder is new: whatever a value makes the
//! shell run or write besides shows as a complaint, a missing or wrong note, or a file too many.

use super::limits;
use crate::potconf::{Kind, PARAMETERS, parameter};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

/// The uses, by script and line of thought. `docs/limits.md` tells the same in words.
const USES: &str = r#"
note() { printf '<%s>' "$@" >> log; printf '\n' >> log; }
for command in chmod chown zfs mkdir sed mktemp logger ifconfig route sysrc getent rm tar signify hook lockf; do
    eval "$command() { note $command \"\$@\"; }"
done

# init: the dataset, its folder, who may enter it, the cache
getent group "${POT_GROUP:-pot}"
zfs create -o mountpoint="${POT_FS_ROOT}" -o canmount=off "${POT_ZFS_ROOT}"
chmod 750 "${POT_FS_ROOT}"
chown root:"${POT_GROUP:-pot}" "${POT_FS_ROOT}"
zfs create -o mountpoint="${POT_CACHE}" "${POT_ZFS_ROOT}/cache"
sysrc -q syslogd_flags="-b 127.0.0.1 -b $POT_GATEWAY -a $POT_NETWORK"
# create: a path without quotes in a sed expression with % around it
sed -i s%${POT_FS_ROOT}/jails/a%${POT_FS_ROOT}/jails/b% ${POT_FS_ROOT}/jails/a/conf
# create-base, import: files below the cache; destroy: rm -rf below the root
tar xkf "${POT_CACHE}/14.3_base.txz"
rm -rf "${POT_FS_ROOT}/jails/web1"
signify -V -p "$POT_DEFAULT_SIGNATURE_PUBKEY" -x "${POT_CACHE}/x.sig"
# start: names of temporary files; every call: the log
mktemp "${POT_TMP:-/tmp}/pot_pfrules_web1${POT_MKTEMP_SUFFIX}"
lockf "${POT_TMP:-/tmp}/pot-lock-web1" pot
logger -p "${POT_LOG_FACILITY}".info -t pot "pot-start web1"
# start: how long a host name may be, in a test for numbers
name=web1
if [ ${#name} -gt "${POT_HOSTNAME_MAX_LENGTH:-64}" ]; then name=cut; fi
case "${POT_NETWORK_STACK:-ipv4}" in ipv4 | ipv6 | dual) ;; *) note stack ;; esac
case $POT_ISOLATE_VNET_POTS in [Yy][Ee][Ss] | [Tt][Rr][Uu][Ee] | [Oo][Nn]) note isolate ;; *) ;; esac
# vnet-start: the bridge; start: the same values in a script and in an rc.conf of the pot
ifconfig bridge0 inet "$POT_GATEWAY" netmask "$POT_NETMASK"
ifconfig bridge1 addm "$POT_EXTIF"
cat_to() { while IFS= read -r line; do printf '%s\n' "$line"; done > "$1"; }
cat_to tinirc << EOT
ifconfig epair0b inet 10.1.2.3 netmask $POT_NETMASK
route add default $POT_GATEWAY
EOT
. ./tinirc
echo "ifconfig_epair0b=\"inet 10.1.2.3 netmask $POT_NETMASK\"" > rc.conf
echo "defaultrouter=\"$POT_GATEWAY\"" >> rc.conf
. ./rc.conf
note rc "$ifconfig_epair0b" "$defaultrouter"
# start: the DNS pot's address and name in files of the pot
echo "nameserver ${POT_DNS_IP}" > resolv.conf
echo "pot.depend=${POT_DNS_NAME}" > pot.conf
# start: the hook is run, with these arguments
if [ -n "$POT_EXPORT_PORTS_PF_RULES_HOOK" ]; then
    hook "$POT_EXPORT_PORTS_PF_RULES_HOOK" "$POT_EXTIF" bridge0 "$POT_NETWORK" "$POT_GATEWAY"
fi
# vnet-start: the text of pf rules, and the eval
{
    echo "ext_if = \"${POT_EXTIF}\""
    echo "localnet = \"${POT_NETWORK}\""
    echo "nat on \$ext_if from \$localnet to any -> ${POT_EXTIF_ADDR:-(\$ext_if:0)}"
} > rules
for netif in $POT_EXTRA_EXTIF; do
    ifconfig "$netif"
    eval net="\$POT_NETWORK_$netif"
    note extra "$netif" "$net"
    if [ -n "$net" ]; then echo "nat on $netif from \$localnet to $net -> ($netif:0)" >> rules; fi
done
for net in $POT_VPN_NETWORKS; do
    echo "nat on $POT_VPN_EXTIF from \$localnet to $net -> ($POT_VPN_EXTIF:0)" >> rules
done
"#;

/// What the notes must say when every value is data.
fn expected(values: &BTreeMap<String, String>) -> (String, String) {
    let value = |name: &str| values.get(name).map_or("", String::as_str);
    let or = |name: &str, fallback: &'static str| -> String {
        Some(value(name)).filter(|value| !value.is_empty()).unwrap_or(fallback).to_owned()
    };
    let mut log = String::new();
    let mut note = |words: &[&str]| {
        for word in words {
            let _ = write!(log, "<{word}>");
        }
        log.push('\n');
    };
    let (root, cache, zfs, group) =
        (value("POT_FS_ROOT"), value("POT_CACHE"), value("POT_ZFS_ROOT"), or("POT_GROUP", "pot"));
    let (gateway, netmask, network, extif) =
        (value("POT_GATEWAY"), value("POT_NETMASK"), value("POT_NETWORK"), value("POT_EXTIF"));
    let tmp = or("POT_TMP", "/tmp");
    note(&["getent", "group", &group]);
    note(&["zfs", "create", "-o", &format!("mountpoint={root}"), "-o", "canmount=off", zfs]);
    note(&["chmod", "750", root]);
    note(&["chown", &format!("root:{group}"), root]);
    note(&["zfs", "create", "-o", &format!("mountpoint={cache}"), &format!("{zfs}/cache")]);
    note(&["sysrc", "-q", &format!("syslogd_flags=-b 127.0.0.1 -b {gateway} -a {network}")]);
    note(&["sed", "-i", &format!("s%{root}/jails/a%{root}/jails/b%"), &format!("{root}/jails/a/conf")]);
    note(&["tar", "xkf", &format!("{cache}/14.3_base.txz")]);
    note(&["rm", "-rf", &format!("{root}/jails/web1")]);
    note(&["signify", "-V", "-p", value("POT_DEFAULT_SIGNATURE_PUBKEY"), "-x", &format!("{cache}/x.sig")]);
    note(&["mktemp", &format!("{tmp}/pot_pfrules_web1{}", value("POT_MKTEMP_SUFFIX"))]);
    note(&["lockf", &format!("{tmp}/pot-lock-web1"), "pot"]);
    note(&["logger", "-p", &format!("{}.info", value("POT_LOG_FACILITY")), "-t", "pot", "pot-start web1"]);
    if limits::boolean(value("POT_ISOLATE_VNET_POTS")) == Some(true) {
        note(&["isolate"]);
    }
    note(&["ifconfig", "bridge0", "inet", gateway, "netmask", netmask]);
    note(&["ifconfig", "bridge1", "addm", extif]);
    note(&["ifconfig", "epair0b", "inet", "10.1.2.3", "netmask", netmask]);
    note(&["route", "add", "default", gateway]);
    note(&["rc", &format!("inet 10.1.2.3 netmask {netmask}"), gateway]);
    let hook = value("POT_EXPORT_PORTS_PF_RULES_HOOK");
    if !hook.is_empty() {
        note(&["hook", hook, extif, "bridge0", network, gateway]);
    }
    let address = or("POT_EXTIF_ADDR", "($ext_if:0)");
    let mut rules =
        format!("ext_if = \"{extif}\"\nlocalnet = \"{network}\"\nnat on $ext_if from $localnet to any -> {address}\n");
    for netif in limits::split(value("POT_EXTRA_EXTIF")) {
        let net = value(&format!("POT_NETWORK_{netif}"));
        note(&["ifconfig", netif]);
        note(&["extra", netif, net]);
        if !net.is_empty() {
            let _ = writeln!(rules, "nat on {netif} from $localnet to {net} -> ({netif}:0)");
        }
    }
    let vpn = value("POT_VPN_EXTIF");
    for net in limits::split(value("POT_VPN_NETWORKS")) {
        let _ = writeln!(rules, "nat on {vpn} from $localnet to {net} -> ({vpn}:0)");
    }
    (log, rules)
}

/// The shells that are here and have a printf of their own (mksh has none); /bin/sh always is.
fn shells() -> Vec<Vec<String>> {
    let known: [&[&str]; 5] = [
        &["/bin/sh"],
        &["/usr/bin/dash"],
        &["/usr/bin/busybox", "sh"],
        &["/usr/bin/bash", "--posix"],
        &["/usr/bin/yash"],
    ];
    known
        .iter()
        .filter(|words| std::path::Path::new(words[0]).exists())
        .map(|words| words.iter().map(|&word| word.to_owned()).collect())
        .collect()
}

/// The defaults with some values in their place, and what the uses make of them in every shell.
fn check_uses(changed: &[(&str, &str)]) -> Result<(), String> {
    let mut values: BTreeMap<String, String> =
        PARAMETERS.iter().map(|known| (known.name.to_owned(), known.default.to_owned())).collect();
    values.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    // Whoever names extra interfaces names one network with them.
    if let Some(first) = values.get("POT_EXTRA_EXTIF").and_then(|list| limits::split(list).next()) {
        values.entry(format!("POT_NETWORK_{first}")).or_insert_with(|| "10.0.20.0/24".to_owned());
    }
    for shell in shells() {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(&shell[0])
            .args(&shell[1..])
            .args(["-c", USES])
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", "/nonexistent")
            .envs(&values)
            .output()
            .unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        let (log, rules) = expected(&values);
        let mut files: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        if !complaints.is_empty() || !output.stdout.is_empty() {
            return Err(format!("{shell:?} {changed:?}: {complaints}"));
        }
        if files != ["log", "pot.conf", "rc.conf", "resolv.conf", "rules", "tinirc"] {
            return Err(format!("{shell:?} {changed:?} left {files:?}"));
        }
        if read("log") != log || read("rules") != rules {
            return Err(format!("{shell:?} {changed:?}:\n{}instead of\n{log}and\n{}", read("log"), read("rules")));
        }
    }
    Ok(())
}

/// Good values of a parameter, from which hostile ones are made: they follow from its kind.
fn samples(name: &str) -> &'static [&'static str] {
    match parameter(name).map_or(Kind::Network, |known| known.kind) {
        Kind::Dataset => &["zroot/pot", "tank/a-b/c_d.e:f"],
        Kind::Folder => &["/opt/pot", "/srv/p+t/x_y-z.1"],
        Kind::TemporaryFolder => &["/tmp", "/var/run/pot", ""],
        Kind::Text | Kind::Group => &["pot", "1002", "_pot.x-y"],
        Kind::Interface => &["em0", "vm-public", "em0.20"],
        Kind::Address => &["10.192.0.1", "fd00::1"],
        Kind::Stack => &["ipv4", "ipv6", "dual"],
        Kind::Network => &["10.192.0.0/10", "fd00::/64"],
        Kind::Netmask => &["255.192.0.0"],
        Kind::InterfaceList => &["vlan20 vlan30", "a_1", ""],
        Kind::Boolean => &["false", "YES"],
        Kind::NetworkList => &["192.168.0.0/24 10.0.0.0/8", "10.8.0.1"],
        Kind::PotName => &["dns", "my_dns-1"],
        Kind::Facility => &["local2", "daemon"],
        Kind::Number => &["64", "255"],
        Kind::Suffix => &[".XXXXXXXX", "_x-XXXXXX"],
        Kind::ExecutablePath | Kind::FilePath => &["", "/usr/local/etc/pot/file.pub"],
    }
}

const HOSTILE: &[&str] = &[
    "$(touch x)",
    "`touch x`",
    ";touch x",
    "&touch x",
    "|touch x",
    "\ntouch x\n",
    "$x",
    "${x}",
    "'",
    "\"",
    "\\",
    "*",
    "?",
    "[a]",
    "~",
    "!",
    "#",
    " ",
    "\t",
    "-",
    "--",
    "/",
    "//",
    "/..",
    "/../etc",
    "..",
    ".",
    "%",
    "&",
    "{",
    "}",
    "(",
    ")",
    "<x",
    ">x",
    ":",
    "@",
    ",",
    "=",
    "0",
    "x",
    "X",
    "ä",
    "\u{202e}",
    "\r",
    "\u{1b}[2J",
    "any",
    "/0",
    "::",
    " vlan9",
];

#[test]
fn every_parameter_is_used_as_pot_uses_it() {
    for known in PARAMETERS {
        let uses = USES.match_indices(known.name).map(|(at, name)| USES[at + name.len()..].chars().next());
        let whole = uses.flatten().any(|next| next != '_' && !next.is_ascii_alphanumeric());
        assert!(whole, "no use of {} is rebuilt here", known.name);
    }
}

#[test]
fn good_values_pass_and_are_data_everywhere() {
    let names: Vec<&str> = PARAMETERS.iter().map(|known| known.name).chain(["POT_NETWORK_vlan20"]).collect();
    for name in names {
        for sample in samples(name) {
            limits::check(name, sample).unwrap();
            check_uses(&[(name, sample)]).unwrap();
        }
    }
}

#[test]
fn the_harness_notices_what_a_limit_keeps_out() {
    for (name, value) in [
        ("POT_EXTRA_EXTIF", "x;touch"),
        ("POT_EXTRA_EXTIF", "em0.20"),
        ("POT_FS_ROOT", "/opt/p t"),
        ("POT_NETMASK", "255.0.0.0\ntouch x"),
        ("POT_GATEWAY", "$(touch x)"),
        ("POT_HOSTNAME_MAX_LENGTH", "many"),
        ("POT_NETWORK_STACK", "both"),
        ("POT_VPN_NETWORKS", "*"),
    ] {
        assert!(limits::check(name, value).is_err(), "{name}={value}");
        assert!(check_uses(&[(name, value)]).is_err(), "{name}={value}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_passes_a_limit_is_data_for_every_use(
        which in 0..PARAMETERS.len() + 1,
        sample in any::<prop::sample::Index>(),
        pieces in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..3),
        anything in prop::option::weighted(0.2, any::<String>()),
    ) {
        let name = PARAMETERS.get(which).map_or("POT_NETWORK_vlan20", |known| known.name);
        let good = samples(name);
        let mut value: Vec<char> = anything.unwrap_or_else(|| good[sample.index(good.len())].to_owned()).chars().collect();
        for (piece, place) in &pieces {
            let at = place.index(value.len() + 1);
            value.splice(at..at, HOSTILE[piece.index(HOSTILE.len())].chars());
        }
        let value: String = value.into_iter().collect();
        if limits::check(name, &value).is_ok() {
            prop_assert!(!value.contains(['$', '`', ';', '\'', '"', '\\', '*', '?', '[', '~', '\0', '\r']), "{name}={value:?}");
            let outcome = check_uses(&[(name, &value)]);
            prop_assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
        }
    }
}
