//! Hosts made of shell scripts: what the probes make of their answers.

use super::*;
use crate::facts::Packages;
use crate::facts::{PathKind, Pf, SNAPSHOTS_KEPT, Untested};
use jiff::Timestamp;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// A host made of shell scripts: each tool answers what the test says.
struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Self { dir: tempfile::tempdir().unwrap() };
        fs::set_permissions(host.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        host
    }

    fn file(&self, path: &str, text: &str) {
        let full = self.dir.path().join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, text).unwrap();
    }

    fn tool(&self, path: &str, script: &str) {
        self.file(path, &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(self.dir.path().join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn gather(&self, input: &GatherInput) -> HostFacts {
        let layout = Layout::new(self.dir.path(), None);
        gather(&layout, &Tools::find(&layout), input)
    }
}

/// sysrc as it answers several names: those given are set, the rest of them empty.
fn sysrc(set: &str) -> String {
    format!(
        "for name in \"$@\"; do case $name in {set} *) echo \"sysrc: unknown variable '$name'\" >&2;; esac; done; exit 1"
    )
}

fn input() -> GatherInput {
    GatherInput {
        pot_zfs_root: "zroot/pot".to_owned(),
        pot_fs_root: "/opt/pot".to_owned(),
        pot_group: "pot".to_owned(),
        pf_files: Vec::new(),
        paths: vec!["/opt/pot".to_owned(), "/nowhere".to_owned()],
    }
}

#[test]
fn every_fact_has_a_probe() {
    let facts = Host::new().gather(&input());
    for asked in facts.everything_asked() {
        assert_ne!(asked.error, Some("not read"), "{} has no row", asked.about);
    }
}

#[test]
fn a_host_without_any_tool_says_so_for_each_source() {
    let facts = Host::new().gather(&input());
    assert_eq!(facts.pools.error.as_deref(), Some("zpool: not found"));
    assert_eq!(facts.interfaces.error.as_deref(), Some("ifconfig: not found"));
    assert_eq!(facts.vimage.value, None);
    assert_eq!(facts.pots.value, Some(Vec::new()));
    assert_eq!(facts.packages.error.as_deref(), Some("pkg: not found"));
}

#[test]
fn one_failing_tool_leaves_the_others_alone_and_its_words_stand_beside() {
    let host = Host::new();
    host.tool("sbin/zpool", "printf 'zroot\\t100\\t50\\tONLINE\\n'");
    host.tool("sbin/zfs", "echo 'internal error: out of memory' >&2; exit 2");
    let facts = host.gather(&input());
    assert_eq!(facts.pools.value.unwrap()[0].free, 50);
    let error = facts.datasets.error.unwrap();
    assert!(error.contains("status 2") && error.contains("out of memory"), "{error}");
    assert!(facts.datasets.evidence.contains("out of memory"));
    assert!(facts.datasets.source.starts_with("zfs list -Hp"));
}

#[test]
fn garbage_is_an_error_and_control_characters_stay_out_of_the_evidence() {
    let host = Host::new();
    host.tool("sbin/ifconfig", "printf '\\033]0;owned\\007 garbage\\n'");
    let facts = host.gather(&input());
    assert!(facts.interfaces.error.unwrap().contains("not understood"));
    assert!(!facts.interfaces.evidence.contains('\u{1b}'));
}

#[test]
fn unknown_kernel_variables_are_answers() {
    let host = Host::new();
    host.tool(
        "sbin/sysctl",
        "case $2 in kern.racct.enable) echo 0;; net.inet.ip.forwarding) echo 1;;\n\
         kern.boottime) echo '{ sec = 1764000000, usec = 1 } Mon Nov 24 16:00:00 2025';;\n\
         *) echo \"sysctl: unknown oid '$2'\" >&2; exit 1;; esac",
    );
    host.file("boot/loader.conf", "kern.racct.enable=1\n");
    host.file("boot/loader.conf.d/x.conf", "hw.vtnet.lro_disable=\"1\"\n");
    let facts = host.gather(&input());
    assert_eq!(facts.vimage.value, Some(false));
    let of = |file: &str| (Some("1".to_owned()), Some(file.to_owned()));
    let racct = facts.racct.value.unwrap();
    assert_eq!((racct.running.as_deref(), (racct.next_boot, racct.set_in)), (Some("0"), of("/boot/loader.conf")));
    let vtnet = facts.vtnet_lro_disable.value.unwrap();
    assert_eq!((vtnet.running, (vtnet.next_boot, vtnet.set_in)), (None, of("/boot/loader.conf.d/x.conf")));
    assert_eq!((facts.forwarding.value, facts.ipfw.value), (Some(true), Some(false)));
    assert_eq!(facts.bridge_member_addresses.value, Some(None));
    assert_eq!(facts.machine.value.unwrap().booted, Timestamp::from_second(1764000000).ok());
}

#[test]
fn pf_without_its_module_is_off_and_known() {
    let host = Host::new();
    host.tool("sbin/pfctl", "echo 'pfctl: /dev/pf: No such file or directory' >&2; exit 1");
    host.tool("usr/sbin/sysrc", &sysrc("pf_rules) echo pf_rules: /etc/pf.conf;;"));
    host.file("etc/pf.conf", "nat-anchor pot-nat\npass\n");
    let facts = host.gather(&input());
    assert_eq!(facts.pf.value, Some(Pf::default()));
    let file = facts.pf_file.value.unwrap();
    assert_eq!((file.exists, file.valid, file.anchor_lines), (true, None, (1, 0)));
    assert_eq!(file.untested, Some(Untested::PfNotLoaded));
    assert!(facts.files.value.unwrap()["/etc/pf.conf"].is_some());
}

#[test]
fn an_invalid_pf_conf_is_told_with_its_lines() {
    let host = Host::new();
    host.tool(
        "sbin/pfctl",
        "case \"$*\" in '-s info') echo 'Status: Enabled for 0 days';; '-nf /etc/pf.conf') echo '/etc/pf.conf:2: syntax error' >&2; exit 1;;\n\
         '-s nat -a pot-nat') echo 'pfctl: Anchor does not exist.' >&2; exit 1;; esac",
    );
    host.tool("usr/sbin/sysrc", &sysrc("pf_rules) echo pf_rules: /etc/pf.conf;;"));
    host.file("etc/pf.conf", "x\n");
    let facts = host.gather(&input());
    let file = facts.pf_file.value.unwrap();
    assert_eq!((file.valid, file.errors), (Some(false), vec!["/etc/pf.conf:2: syntax error".to_owned()]));
    assert!(facts.pf.value.unwrap().enabled);
}

#[test]
fn pots_are_listed_and_stay_listed_when_jls_fails() {
    let host = Host::new();
    host.file("opt/pot/jails/web1/conf/pot.conf", "network_type=public-bridge\nip=10.192.0.3\n");
    host.file("opt/pot/jails/db1/conf/pot.conf", "network_type=inherit\n");
    host.file("opt/pot/jails/half/m/x", "");
    host.file("opt/pot/bridges/lan1", "name=lan1\nnet=10.192.0.8/29\ngateway=10.192.0.9\n");
    let facts = host.gather(&input());
    assert_eq!(
        facts.pots.get().unwrap().iter().map(|p| (p.name.as_str(), p.running)).collect::<Vec<_>>(),
        [("db1", None), ("web1", None)]
    );
    assert_eq!(facts.pots.error.as_deref(), Some("jls: not found"));
    assert_eq!(facts.private_bridges.value.unwrap()[0].name, "lan1");

    host.tool("usr/sbin/jls", "[ $1 = name ] && echo web1");
    let pots = host.gather(&input()).pots;
    assert_eq!(pots.error, None);
    assert_eq!(pots.get().unwrap().iter().map(|p| p.running).collect::<Vec<_>>(), [Some(false), Some(true)]);
}

#[test]
fn the_base_systems_pkg_is_asked_nothing_that_would_fetch_the_real_one() {
    let host = Host::new();
    host.tool(
        "usr/sbin/pkg",
        "[ $1 = -N ] && { echo 'pkg: pkg is not installed' >&2; exit 1; }; echo fetching; exit 70",
    );
    let packages = host.gather(&input()).packages;
    assert_eq!(packages.value, Some(Packages::default()));
    assert!(!packages.evidence.contains("fetching"));

    host.tool(
        "usr/sbin/pkg",
        "case $1$3 in -N) echo 'pkg: 7 packages installed' >&2;; querypot) echo 0.16.1;; *) exit 1;; esac",
    );
    let packages = host.gather(&input()).packages.value;
    assert_eq!(packages, Some(Packages { pkg: true, pot: Some("0.16.1".into()), potnet: None }));
}

#[test]
fn a_folder_that_others_can_write_is_not_roots_alone() {
    let host = Host::new();
    host.file("opt/pot/x", "");
    assert!(host.gather(&input()).paths.value.unwrap()["/opt/pot"].only_root_writes);
    fs::set_permissions(host.dir.path().join("opt"), fs::Permissions::from_mode(0o777)).unwrap();
    let paths = host.gather(&input()).paths.value.unwrap();
    assert!(!paths["/opt/pot"].only_root_writes);
    assert_eq!((paths["/opt/pot"].kind, paths["/opt/pot"].empty), (PathKind::Folder, false));
    assert_eq!(paths["/nowhere"].kind, PathKind::Absent);
}

#[test]
fn syslog_reads_included_files_and_names_those_that_do_not_exist() {
    let host = Host::new();
    host.tool("bin/hostname", "echo jail1.lan");
    host.tool("usr/sbin/sysrc", &sysrc("syslogd_flags) echo 'syslogd_flags: -s';;"));
    host.file("etc/syslog.conf", "*.notice\t/var/log/messages\ninclude /usr/local/etc/syslog.d\n");
    host.file("usr/local/etc/syslog.d/pot.conf", "local2.*\t/var/log/pot.log\n");
    host.file("usr/local/etc/syslog.d/pot.conf.bak", "local3.*\t/var/log/old.log\n");
    let syslog = host.gather(&input()).syslog.value.unwrap();
    assert_eq!(syslog.files["local2"], ["/var/log/pot.log"]);
    assert_eq!(syslog.files.get("local3"), None);
    assert_eq!(syslog.missing, ["/var/log/messages", "/var/log/pot.log"]);
    assert_eq!(syslog.flags, "-s");
}

#[test]
fn the_log_is_found_on_a_host_too_slow_to_tell_anything_else() {
    let host = Host::new();
    host.tool("bin/hostname", "echo jail1.lan");
    host.tool("bin/freebsd-version", "echo 15.0-RELEASE");
    // One variable comes in time, more do not; nothing else comes at all.
    host.tool("usr/sbin/sysrc", "[ \"$*\" = '-n syslogd_flags' ] && echo '-s' || kill -KILL $$");
    for tool in ["sbin/zfs", "sbin/zpool", "sbin/pfctl", "sbin/ifconfig", "usr/sbin/pkg"] {
        host.tool(tool, &format!(": > {}/asked; kill -KILL $$", host.dir.path().display()));
    }
    host.file("etc/syslog.conf", "local2.*\t/var/log/pot.log\n");
    let layout = Layout::new(host.dir.path(), None);
    let found = log_source(&layout);
    assert_eq!(found.syslog.value.unwrap().files["local2"], ["/var/log/pot.log"]);
    assert_eq!(found.hostname, "jail1.lan");
    assert!(!host.dir.path().join("asked").exists(), "others were asked for it");
}

#[test]
fn the_log_is_found_without_asking_a_program_that_the_files_can_answer_for() {
    let host = Host::new();
    host.tool("bin/hostname", "echo jail1.lan");
    host.tool("usr/sbin/sysrc", &format!(": > {}/asked; echo '-f /etc/asked.conf'", host.dir.path().display()));
    let flags = |local: &str, own: &str, defaults: &str| {
        let asked = host.dir.path().join("asked");
        let _ = fs::remove_file(&asked);
        host.file("etc/rc.conf.local", local);
        host.file("etc/rc.conf", own);
        host.file("etc/defaults/rc.conf", defaults);
        let found = log_source(&Layout::new(host.dir.path(), None)).syslog.value.unwrap();
        (found.flags, asked.exists())
    };
    // As FreeBSD has it: functions at the end.
    let defaults =
        "pf_rules=\"/etc/pf.conf\"\nsyslogd_flags=\"-s\"\t\t# Flags to syslogd\nsource_rc_confs() {\n. $i\n}\n";
    let plain = "hostname=jail1\nsyslogd_flags=\"-ss -C\"\n";
    let of = |flags: &str| (flags.to_owned(), false);
    assert_eq!(flags("", "", defaults), of("-s"));
    assert_eq!(flags("", plain, defaults), of("-ss -C"));
    assert_eq!(flags("syslogd_flags='-v'\n", plain, defaults), of("-v"));
    // What only a shell can tell is asked of one.
    let asked = ("-f /etc/asked.conf".to_owned(), true);
    for (local, own) in [
        ("", "syslogd_flags=\"-s $more\"\n"),
        ("", "[ -r /etc/x ] && . /etc/x\nsyslogd_flags=-s\n"),
        ("", "rc_conf_files=/etc/other\nsyslogd_flags=-s\n"),
        ("if true; then\nsyslogd_flags=-v\nfi\n", plain),
    ] {
        assert_eq!(flags(local, own, defaults), asked, "{local}{own}");
    }
    assert_eq!(flags("", "", "syslogd_flags=-a\nsyslogd_flags=-b\n"), asked);
    host.file("etc/defaults/vendor.conf", "syslogd_flags=-v\n");
    assert_eq!(flags("", plain, defaults), asked);
}

#[test]
fn ten_thousand_pots_are_read_and_of_too_many_none_is_taken_for_all() {
    let host = Host::new();
    host.tool("usr/sbin/jls", "echo name; echo pot00007");
    let jails = host.dir.path().join("opt/pot/jails");
    let make = |numbers: std::ops::Range<u32>| {
        for number in numbers {
            fs::create_dir_all(jails.join(format!("pot{number:05}/conf"))).unwrap();
        }
    };
    make(0..5000);
    for number in [7, 4999] {
        host.file(&format!("opt/pot/jails/pot{number:05}/conf/pot.conf"), "network_type=inherit\n");
    }
    let names = |facts: &HostFacts| {
        facts.pots.value.as_ref().map(|pots| pots.iter().map(|pot| pot.name.clone()).collect::<Vec<_>>())
    };
    let facts = host.gather(&input());
    assert_eq!(names(&facts), Some(vec!["pot00007".to_owned(), "pot04999".to_owned()]), "{:?}", facts.pots.error);
    assert_eq!(facts.pots.value.unwrap()[0].running, Some(true));
    make(5000..16_385);
    let facts = host.gather(&input());
    let error = facts.pots.error.clone().unwrap();
    assert!(names(&facts).is_none() && error.contains("16385 names") && error.contains("none is read"), "{error}");
    fs::remove_dir_all(&jails).unwrap();
    host.file("opt/pot/jails/large/conf/pot.conf", &"#".repeat((64 << 10) + 1));
    let facts = host.gather(&input());
    let error = facts.pots.error.clone().unwrap();
    assert!(names(&facts).is_none() && error.contains("/opt/pot/jails/large/conf/pot.conf: larger"), "{error}");
}

#[test]
fn a_pf_conf_on_freebsd_15_without_pf_is_not_judged_at_all() {
    let host = Host::new();
    host.tool(
        "sbin/pfctl",
        "case $1 in -nf) echo 'pfctl: Failed to open netlink: Bad file descriptor';; *) echo 'pfctl: /dev/pf: No such file or \
         directory';; esac >&2; exit 1",
    );
    host.tool("usr/sbin/sysrc", &sysrc("pf_rules) echo pf_rules: /etc/pf.conf;;"));
    host.file("etc/pf.conf", "pass\n");
    let file = host.gather(&input()).pf_file.value.unwrap();
    assert_eq!((file.valid, file.untested, file.errors), (None, Some(Untested::PfNotLoaded), Vec::new()));
    // With pf in the kernel the same words mean something else: who asks may not open it.
    host.tool(
        "sbin/pfctl",
        "case \"$*\" in -nf*) echo 'pfctl: Failed to open netlink: Bad file descriptor' >&2; exit 1;; '-s info') echo \
         'Status: Disabled';; esac",
    );
    let file = host.gather(&input()).pf_file.value.unwrap();
    assert!(matches!(file.untested, Some(Untested::Other(_))), "{:?}", file.untested);
}

#[test]
fn rules_of_pot_nat_that_could_not_be_listed_make_pf_unknown_and_not_empty() {
    let host = Host::new();
    host.tool(
        "sbin/pfctl",
        "case \"$*\" in '-s info') echo 'Status: Enabled';; '-s nat -a pot-nat') echo 'pfctl: DIOCGETRULES: Device busy' >&2;; esac",
    );
    let pf = host.gather(&input()).pf;
    assert_eq!(pf.value, None);
    assert!(pf.error.unwrap().contains("Device busy"));
}

#[test]
fn a_sysrc_that_was_ended_half_way_leaves_rc_conf_unknown() {
    let host = Host::new();
    host.tool("usr/sbin/sysrc", "echo 'pf_enable: NO'; echo 'pf_rules: /etc/pf.conf'; kill -KILL $$");
    let facts = host.gather(&input());
    assert_eq!(facts.rc.value, None, "two of thirteen names were answered");
    assert_eq!(facts.pf_file.value, None);
    assert_eq!(facts.syslog.value, None);
    // One that ends well and leaves a name out has not answered either.
    host.tool("usr/sbin/sysrc", "echo 'pf_enable: NO'");
    assert!(host.gather(&input()).rc.error.unwrap().contains("pf_rules"));
}

#[test]
fn the_last_file_of_the_loader_says_what_the_next_boot_sets() {
    let host = Host::new();
    host.tool("sbin/sysctl", "echo 1");
    let racct = |host: &Host| host.gather(&input()).racct;
    assert_eq!(
        racct(&host).value.unwrap().next_boot_in_words(),
        "set by no file of the loader: the kernel's own value counts"
    );
    host.file("boot/loader.conf", "kern.racct.enable=1\n");
    host.file("boot/loader.conf.d/a.conf", "kern.racct.enable=0\n");
    assert_eq!(racct(&host).value.unwrap().next_boot_in_words(), "0 (/boot/loader.conf.d/a.conf)");
    // The loader takes them in the folder's own order: what cannot be told is not told.
    host.file("boot/loader.conf.d/b.conf", "kern.racct.enable=1\n");
    assert!(racct(&host).error.unwrap().contains("not certain"));
    host.file("boot/loader.conf.local", "kern.racct.enable=\"0\"\n");
    assert_eq!(racct(&host).value.unwrap().next_boot_in_words(), "0 (/boot/loader.conf.local)");
}

#[test]
fn fallback_rules_are_looked_at_where_rc_conf_turns_them_on() {
    let host = Host::new();
    host.tool(
        "sbin/pfctl",
        "case \"$*\" in '-s info') echo 'Status: Enabled';; '-nf -') cat >/dev/null; exit 0;; -nf*) exit 1;; esac",
    );
    host.file("etc/pf.conf", "nonsense\n");
    let set = "pf_rules) echo pf_rules: /etc/pf.conf;; pf_enable) echo pf_enable: YES;; pf_fallback_rules_enable) echo \
               pf_fallback_rules_enable: YES;; pf_fallback_rules_file) echo pf_fallback_rules_file: /etc/pf-fallback.conf;; \
               pf_fallback_rules) echo 'pf_fallback_rules: block drop log all';;";
    host.tool("usr/sbin/sysrc", &sysrc(set));
    let facts = host.gather(&input());
    let fallback = facts.pf_file.get().unwrap().fallback.clone().unwrap();
    assert_eq!(
        (fallback.file, fallback.text.as_deref(), fallback.valid),
        (None, Some("block drop log all"), Some(true))
    );
    assert!(matches!(crate::rules::next_boot(&facts), crate::rules::NextBoot::Fallback(_)));
    host.file("etc/pf-fallback.conf", "nonsense\n");
    let fallback = host.gather(&input()).pf_file.value.unwrap().fallback.unwrap();
    assert_eq!((fallback.file.as_deref(), fallback.valid), (Some("/etc/pf-fallback.conf"), Some(false)));
}

#[test]
fn pots_of_datasets_that_are_not_mounted_are_not_called_absent() {
    let host = Host::new();
    host.file("opt/pot/jails/web1/conf/pot.conf", "network_type=inherit\n");
    host.tool("usr/sbin/jls", "echo web1");
    host.tool(
        "sbin/zfs",
        "printf 'zroot/pot/jails/db1\\tfilesystem\\t/opt/pot/jails/db1\\ton\\tno\\t1\\t1\\t-\\tunavailable\\n'",
    );
    let facts = host.gather(&input());
    assert!(facts.datasets.value.unwrap()[0].locked);
    assert_eq!(facts.pots.value.unwrap().len(), 1);
    assert_eq!(
        facts.pots.error.as_deref(),
        Some("zroot/pot/jails/db1 is not mounted: which pots are there cannot be seen")
    );
}

#[test]
fn snapshots_are_asked_for_only_where_a_plan_needs_them_and_counted_however_many() {
    let host = Host::new();
    host.tool(
        "sbin/zfs",
        "case \"$*\" in *snapshot*) i=0; while [ $i -lt 3000 ]; do printf \"zroot/pot@s$i\\t$((i == 7))\\n\"; i=$((i+1)); \
         done;; *filesystem,volume*) ;; *) exit 2;; esac",
    );
    let layout = Layout::new(host.dir.path(), None);
    let tools = Tools::find(&layout);
    assert_eq!(gather(&layout, &tools, &input()).datasets.value, Some(Vec::new()));
    let found = snapshots(&tools, "zroot/pot").value.unwrap();
    assert_eq!((found.count, found.first.len(), found.held), (3000, SNAPSHOTS_KEPT, 1));
    assert_eq!(found.first_held.as_deref(), Some("zroot/pot@s7"));
    host.tool("sbin/zfs", "printf 'zroot/pot@a\\t0\\n'; echo 'internal error: pool I/O is suspended' >&2; exit 1");
    let failed = snapshots(&tools, "zroot/pot");
    assert_eq!(failed.value, None, "a part of a list is no answer");
    assert!(failed.error.unwrap().contains("suspended"));
}

#[test]
fn no_more_than_four_sources_are_asked_at_one_time() {
    let host = Host::new();
    // Each leaves a mark while it runs, and tells how many there were.
    let mark = "mkdir -p at; : > at/$$; ls at | /usr/bin/wc -l >> most; /bin/sleep 0.2; rm at/$$; exit 1";
    let mark = mark.replace("mkdir", "/bin/mkdir").replace("ls at", "/bin/ls at").replace("rm at", "/bin/rm at");
    for tool in [
        "sbin/zfs",
        "sbin/zpool",
        "sbin/ifconfig",
        "sbin/sysctl",
        "sbin/pfctl",
        "usr/sbin/sysrc",
        "usr/bin/netstat",
        "usr/bin/getent",
        "usr/sbin/pkg",
        "bin/hostname",
    ] {
        host.tool(tool, &mark);
    }
    host.gather(&input());
    let counts = fs::read_to_string(host.dir.path().join("most")).unwrap();
    let most = counts.lines().filter_map(|line| line.trim().parse::<usize>().ok()).max().unwrap();
    assert!((2..=4).contains(&most), "{most} at once");
}

#[test]
fn a_slow_source_does_not_hold_the_others() {
    let host = Host::new();
    // Each of them waits until all of them have begun: one after the other they would be ended when their time is over.
    let meets = |own: &str, answer: &str| {
        let all = "[ -e began-zpool ] && [ -e began-zfs ] && [ -e began-ifconfig ]";
        format!(": > began-{own}; until {all}; do /bin/sleep 0.05; done; {answer}")
    };
    host.tool("sbin/zpool", &meets("zpool", "/bin/sleep 1; printf 'zroot\\t100\\t50\\tONLINE\\n'"));
    host.tool("sbin/zfs", &meets("zfs", ":"));
    host.tool("sbin/ifconfig", &meets("ifconfig", ":"));
    let facts = host.gather(&input());
    assert_eq!(facts.pools.value.map_or(0, |pools| pools.len()), 1, "one after the other: {:?}", facts.pools.error);
    assert!(facts.pools.took_ms >= 1000);
}
