//! Each limit with values that pass and values that do not.

use super::paths::{but, is_at_or_below};
use super::tables::{CLOSED_TREES, SYSTEM_FOLDERS};
use super::*;
use crate::facts::{PathKind, PathState};
use crate::potconf::PARAMETERS;
use crate::rules::example::{absent, configuration, file, folder, link};
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
        include_str!("../../../docs/limits.md").lines().filter_map(|line| line.strip_prefix("| ")?.split('|').next());
    let explained: Vec<&str> = rows.flat_map(|names| names.split('`')).collect();
    for known in PARAMETERS {
        assert!(explained.contains(&known.name), "{} has no row in docs/limits.md", known.name);
    }
}

#[test]
fn names_that_are_no_parameters_are_refused() {
    for name in
        ["PATH", "EXIT", "POT_GATWAY", "_POT_PREFIX", "a b", "", "POT_NETWORK_", "POT_NETWORK_LAN0", "POT_NETWORK_a$b"]
    {
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
        &["", "10.0.0.0", "010.0.0.0/8", "10.0.0.0/08", "10.0.0.0/33", "FD00::/64", "0.0.0.0/0", "::/0", "10.0.0.0/8 "],
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
        for state in [absent(), file(0o755, false), folder(0o755, true), link("/usr/local/etc/other", PathKind::File)] {
            assert_eq!(with(state).len(), 1, "{name}");
        }
        assert_eq!(places(&own, &with_usual(("/elsewhere", absent()))).len(), 1, "a path that nobody looked at");
    }
    assert_eq!(together::check_place("POT_GROUP", "pot", None), Ok(()));
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
        assert!(system.contains("it really is `/usr/local/etc/rc.d`: `/usr/local/etc` belongs"), "{name}: {system}");
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
