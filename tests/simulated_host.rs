//! The simulated tools, run as the console and pot run them: other programs, found by PATH, with one state between them.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[path = "support/patience.rs"]
mod patience;

use patience::PATIENCE;
use pot_console::simulator::{self, Fault, Scenario};

struct Host {
    folder: tempfile::TempDir,
}

struct Answer {
    status: i32,
    out: String,
    err: String,
}

impl Host {
    fn new(scenario: Scenario) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = Path::new(env!("CARGO_BIN_EXE_pot-console"));
        simulator::build_with_program(folder.path(), scenario, program).expect("a simulated root");
        Self { folder }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).expect("a file in the root");
    }

    fn append(&self, path: &str, text: &str) {
        self.write(path, &format!("{}{text}", self.read(path)));
    }

    fn command(&self, line: &[&str]) -> Command {
        let folders = ["sbin", "bin", "usr/sbin", "usr/bin", "usr/local/sbin", "usr/local/bin"];
        let path = std::env::join_paths(folders.iter().map(|folder| self.path(folder))).expect("PATH");
        let program = folders
            .iter()
            .map(|folder| self.path(folder).join(line[0]))
            .find(|path| path.exists())
            .unwrap_or_else(|| panic!("{} is not on the simulated host", line[0]));
        let mut command = Command::new(program);
        command.args(&line[1..]).env_clear().env("PATH", path).current_dir("/").stdin(Stdio::null());
        command
    }

    /// Puts a file elsewhere and a link to it in its place.
    fn link(&self, path: &str, target: &str) {
        fs::create_dir_all(self.path(target).parent().expect("a folder")).expect("a folder in the root");
        fs::rename(self.path(path), self.path(target)).expect("a file in the root");
        std::os::unix::fs::symlink(target, self.path(path)).expect("a link in the root");
    }

    fn run(&self, line: &[&str]) -> Answer {
        let output = self.command(line).output().expect("a simulated tool");
        Answer {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// What a command that must succeed prints.
    fn out(&self, line: &str) -> String {
        let answer = self.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(answer.status, 0, "{line}: {}{}", answer.out, answer.err);
        answer.out
    }

    /// Status and error of a command that must fail.
    fn error(&self, line: &str) -> (i32, String) {
        let answer = self.run(&line.split(' ').collect::<Vec<_>>());
        assert_ne!(answer.status, 0, "{line} succeeded: {}", answer.out);
        (answer.status, answer.err)
    }

    fn fault(&self, text: &str) {
        simulator::set_fault(self.folder.path(), text.parse::<Fault>().expect("a fault")).expect("a fault set");
    }
}

#[test]
fn init_vnet_start_and_de_init_leave_what_pot_leaves() {
    let host = Host::new(Scenario::Default);
    let flags = host.out("sysrc -n syslogd_flags");
    host.out("pot init -v");
    assert_eq!(
        host.out("zfs list -r -H -o name,mountpoint,mounted,compression zroot/pot"),
        "zroot/pot\t/opt/pot\tno\tlz4\n\
         zroot/pot/bases\t/opt/pot/bases\tyes\tlz4\n\
         zroot/pot/cache\t/var/cache/pot\tyes\toff\n\
         zroot/pot/fscomp\t/opt/pot/fscomp\tyes\tlz4\n\
         zroot/pot/jails\t/opt/pot/jails\tyes\tlz4\n"
    );
    for folder in ["opt/pot/bridges", "opt/pot/jails", "var/cache/pot", "var/log/pot"] {
        assert!(host.path(folder).is_dir(), "{folder}");
    }
    let mode = fs::metadata(host.path("opt/pot")).expect("POT_FS_ROOT").permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
    assert!(host.read("/etc/pf.conf").starts_with("nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n"));
    assert!(!host.read("/etc/pf.conf.bkp-pot").contains("pot-nat"));
    assert_ne!(host.out("sysrc -n syslogd_flags"), flags);
    assert!(host.read("/var/log/pot.log").ends_with(": pot-init -v\n"));

    // The host's rules are invalid now; vnet-start does not mind and turns pf on without them.
    let started = host.run(&["pot", "vnet-start"]);
    assert_eq!(started.status, 0, "{}", started.err);
    assert!(started.err.contains("Rules must be in order"), "{}", started.err);
    assert_eq!(host.out("pfctl -sr"), "");
    assert!(host.out("pfctl -s info").starts_with("Status: Enabled"));
    assert_eq!(host.out("pfctl -s nat -a pot-nat"), "nat on em0 inet from 10.192.0.0/10 to any -> (em0:0)\n");
    assert!(host.out("ifconfig bridge0").contains("\tinet 10.192.0.1 netmask 0xffc00000 broadcast 10.255.255.255\n"));
    assert_eq!(host.run(&["pot", "vnet-start"]).status, 1, "pf was on already");

    host.out("pot de-init -v");
    assert_eq!(host.error("zfs list zroot/pot"), (1, "cannot open 'zroot/pot': dataset does not exist\n".into()));
    assert!(host.path("opt/pot/bridges").is_dir(), "the plain folder stays");
    assert!(!host.path("opt/pot/jails").exists());
    assert_eq!(host.read("/etc/pf.conf"), host.read("/etc/pf.conf.bkp-pot"));
    assert_eq!(host.out("ifconfig -g pot"), "bridge0\n");
}

#[test]
fn a_failed_init_leaves_its_datasets_behind() {
    let host = Host::new(Scenario::Default);
    host.append("/usr/local/etc/pot/pot.conf", "POT_EXTIF=em7\n");
    let answer = host.run(&["pot", "init"]);
    assert_eq!(answer.status, 1);
    assert!(answer.out.contains("###>  The network interface em7 seems not valid"), "{}", answer.out);
    assert_eq!(host.out("zfs list -H -o name zroot/pot/cache"), "zroot/pot/cache\n");
    assert!(!host.path("etc/rc.conf.bkp-pot").exists());
}

#[test]
fn de_init_does_not_notice_running_pots_and_stays_half_done() {
    let host = Host::new(Scenario::Busy);
    assert!(host.out("jls name").lines().any(|name| name == "db1"));
    let answer = host.run(&["pot", "de-init"]);
    assert_eq!(answer.status, 0);
    assert!(answer.err.contains("cannot unmount '/opt/pot/jails/db1/m': pool or dataset is busy"), "{}", answer.err);
    assert!(answer.err.contains("cannot destroy snapshot zroot/pot/jails/proxy@"), "a held snapshot: {}", answer.err);
    host.out("zfs list zroot/pot/jails/db1");
    host.error("zfs list zroot/pot/jails/wiki@none");
    host.error("zfs list zroot/pot/bases");
}

#[test]
fn the_busy_host_is_up_and_has_forty_pots() {
    let host = Host::new(Scenario::Busy);
    assert_eq!(host.out("pot list -q").lines().count(), 40);
    assert!(host.out("pot ps").starts_with("===>  Internal network up\n"));
    assert_eq!(host.out("pot list -B").lines().count(), 3);
    assert_eq!(host.out("pfctl -s Anchors"), "  pot-nat\n  pot-rdr\n");
    assert!(host.out("pfctl -nf /etc/pf.conf").is_empty());
    assert!(host.path("var/log/pot.log.0.bz2").exists());
}

#[test]
fn the_fresh_host_gets_pot_by_pkg() {
    let host = Host::new(Scenario::Fresh);
    assert!(!host.path("usr/local/bin/pot").exists());
    assert_eq!(host.error("pkg query %v pot").0, 1);
    assert_eq!(host.error("getent group pot").0, 2);
    assert_eq!(host.out("sysctl -n kern.racct.enable"), "0\n");
    let (_, _) = host.error("pkg install -n pot");
    assert!(!host.path("usr/local/etc/pot").exists());
    host.out("pkg install -y pot");
    assert_eq!(host.out("pkg query %v pot"), "0.16.1\n");
    host.out("getent group pot");
    host.out("pot version");
    host.out("potnet config-check");
    // The only card is vtnet0: init stops there, as it does for people.
    assert_eq!(host.error("pot init").0, 1);
}

#[test]
fn tunables_take_effect_at_the_next_boot_and_run_time_state_is_lost() {
    let host = Host::new(Scenario::Fresh);
    let (status, error) = host.error("sysctl kern.racct.enable=1");
    assert_eq!(status, 1);
    assert!(error.contains("read only tunable"), "{error}");
    host.append("/boot/loader.conf", "kern.racct.enable=1\nhw.vtnet.lro_disable=1\n");
    host.out("kldload pf");
    host.out("ifconfig bridge create");
    host.write("/var/run/something.pid", "1\n");
    let boot = host.read("/var/run/simulated-boot-id");
    host.out("shutdown -r now");
    assert_eq!(host.out("sysctl -n kern.racct.enable hw.vtnet.lro_disable"), "1\n1\n");
    assert!(!host.out("ifconfig vtnet0").contains("LRO"));
    assert_eq!(host.error("pfctl -s info"), (1, "pfctl: /dev/pf: No such file or directory\n".into()));
    assert_eq!(host.out("ifconfig -g bridge"), "");
    assert!(!host.path("var/run/something.pid").exists());
    assert_ne!(host.read("/var/run/simulated-boot-id"), boot);
}

#[test]
fn an_invalid_pf_conf_means_a_boot_without_any_rule() {
    let host = Host::new(Scenario::Default);
    host.out("sysrc pf_enable=YES");
    host.out("simctl reboot");
    assert_ne!(host.out("pfctl -sr"), "");
    host.append("/etc/pf.conf", "scrub in all\n");
    let (status, error) = host.error("pfctl -nf /etc/pf.conf");
    assert_eq!(status, 1);
    assert!(error.ends_with("translation, filtering\n"), "a check alone says no more than the errors: {error}");
    host.out("simctl reboot");
    assert!(host.out("pfctl -s info").starts_with("Status: Enabled"));
    assert_eq!(host.out("pfctl -sr"), "");
}

#[test]
fn a_file_that_load_anchor_names_is_judged_with_the_main_one() {
    let host = Host::new(Scenario::Default);
    host.out("simctl release 15");
    host.out("simctl reboot");
    host.out("kldload pf");
    host.write("/etc/pf.conf", "load anchor a from \"/etc/pf.a\"\npass\n");
    let missing = "pfctl: pushfile: /etc/pf.a: No such file or directory\npfctl: cannot open the main config file!: No such file or directory\npfctl: load anchors\n";
    assert_eq!(host.error("pfctl -nf /etc/pf.conf"), (1, missing.to_owned()));
    host.write("/etc/pf.a", "pass on\n");
    assert_eq!(host.error("pfctl -nf /etc/pf.conf").1, "/etc/pf.a:1: syntax error\npfctl: load anchors\n");
    // What it loads in turn stands below it.
    host.write("/etc/pf.a", "block in\nload anchor b from \"/etc/pf.b\"\n");
    host.write("/etc/pf.b", "pass out\n");
    host.out("pfctl -f /etc/pf.conf");
    assert_eq!(host.out("pfctl -a a/b -s rules"), "pass out all flags S/SA keep state\n");
}

#[test]
fn anchors_exist_when_called_or_filled() {
    let host = Host::new(Scenario::Default);
    host.out("kldload -n pf");
    assert_eq!(host.out("pfctl -s Anchors"), "");
    host.write("/etc/pf.conf", "nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\npass\n");
    host.out("pfctl -f /etc/pf.conf");
    assert_eq!(host.out("pfctl -s Anchors"), "  pot-nat\n  pot-rdr\n");
    host.write("/tmp/nat", "nat on em0 from 10.192.0.0/10 to any -> (em0:0)\n");
    host.out("pfctl -a pot-nat -f /tmp/nat");
    host.write("/etc/pf.conf", "pass\n");
    host.out("pfctl -f /etc/pf.conf");
    assert_eq!(host.out("pfctl -s Anchors"), "  pot-nat\n", "filled, called no more");
    assert_eq!(host.out("pfctl -s nat"), "");
}

#[test]
fn pf_says_on_standard_error_what_it_did() {
    let host = Host::new(Scenario::Default);
    host.out("kldload -n pf");
    let first = host.run(&["pfctl", "-e"]);
    assert_eq!((first.status, first.out.as_str(), first.err.as_str()), (0, "", "pf enabled\n"));
    assert_eq!(host.error("pfctl -e"), (1, "pfctl: pf already enabled\n".into()));
    assert_eq!(host.run(&["pfctl", "-d"]).err, "pf disabled\n");
    assert_eq!(host.error("pfctl -d"), (1, "pfctl: pf not enabled\n".into()));
}

#[test]
fn mounting_hides_what_a_folder_holds_and_unmounting_gives_it_back() {
    let host = Host::new(Scenario::Default);
    fs::create_dir_all(host.path("srv/data")).expect("a folder");
    host.write("/srv/data/mine", "kept");
    host.out("zfs create -o mountpoint=/srv/data zroot/data");
    assert!(!host.path("srv/data/mine").exists());
    host.write("/srv/data/inside", "of the dataset");
    host.out("zfs unmount zroot/data");
    assert_eq!(host.read("/srv/data/mine"), "kept");
    host.out("zfs mount zroot/data");
    assert_eq!(host.read("/srv/data/inside"), "of the dataset");
    host.out("zfs destroy zroot/data");
    assert_eq!(host.read("/srv/data/mine"), "kept");
}

#[test]
fn destroying_is_refused_or_stays_half_done_as_zfs_has_it() {
    let host = Host::new(Scenario::Default);
    for name in ["zroot/a", "zroot/a/b", "zroot/a/c"] {
        host.out(&format!("zfs create {name}"));
    }
    let (status, error) = host.error("zfs destroy zroot/a");
    assert_eq!(status, 1);
    assert!(error.starts_with("cannot destroy 'zroot/a': filesystem has children\n"), "{error}");
    host.out("zfs snapshot zroot/a/b@x");
    host.out("zfs clone zroot/a/b@x zroot/copy");
    let (_, error) = host.error("zfs destroy -r zroot/a");
    assert!(error.contains("has dependent clones"), "{error}");
    host.out("zfs list zroot/a/c");
    host.out("zfs destroy zroot/copy");
    host.out("zfs hold keep zroot/a/b@x");
    assert_eq!(host.error("zfs destroy -r zroot/a").0, 1);
    host.error("zfs list zroot/a/c");
    host.out("zfs list zroot/a/b@x");
    host.out("zfs release keep zroot/a/b@x");
    assert_eq!(host.out("zfs get -Ho value mounted zroot/a/b"), "no\n", "unmounted although it could not be destroyed");
    host.out("zfs mount -a");
    host.fault("busy zroot/a/b");
    host.error("zfs destroy -r zroot/a");
    simulator::clear_faults(host.folder.path()).expect("no faults");
    host.out("zfs destroy -r zroot/a");
    host.fault("pool-full zroot");
    assert_eq!(host.error("zfs create zroot/x"), (1, "cannot create 'zroot/x': out of space\n".into()));
}

#[test]
fn a_bridge_over_the_hosts_own_network_steals_its_route() {
    let host = Host::new(Scenario::Default);
    let interface = |text: &str| {
        text.lines().find(|line| line.contains("interface:")).map(str::trim).unwrap_or_default().to_owned()
    };
    assert_eq!(interface(&host.out("route -n get 192.168.178.1")), "interface: em0");
    assert_eq!(host.run(&["ping", "-c", "1", "192.168.178.1"]).status, 0);
    host.append(
        "/usr/local/etc/pot/pot.conf",
        "POT_NETWORK=192.168.178.0/25\nPOT_NETMASK=255.255.255.128\nPOT_GATEWAY=192.168.178.5\n",
    );
    host.out("pot init -m");
    host.run(&["pot", "vnet-start"]);
    assert_eq!(interface(&host.out("route -n get 192.168.178.1")), "interface: bridge0");
    assert!(
        host.out("netstat -rn").lines().any(|line| line.starts_with("192.168.178.0/25") && line.contains("bridge0"))
    );
    assert_ne!(host.run(&["ping", "-c", "1", "-t", "1", "192.168.178.1"]).status, 0);
}

#[test]
fn freebsd_15_refuses_a_bridge_member_with_an_address_when_told_to() {
    let host = Host::new(Scenario::Default);
    host.out("simctl release 15.0-RELEASE");
    host.out("simctl reboot");
    host.append("/usr/local/etc/pot/pot.conf", "POT_NETWORK_STACK=ipv6\n");
    host.out("pot init -m");
    assert_eq!(host.error("sysctl net.link.bridge.member_ifaddrs").0, 1, "it comes with the module");
    host.out("kldload if_bridge");
    assert_eq!(host.out("sysctl -n net.link.bridge.member_ifaddrs"), "1\n");
    host.out("sysctl net.link.bridge.member_ifaddrs=0");
    let answer = host.run(&["pot", "vnet-start"]);
    assert_eq!(answer.status, 0, "pot forgets about it");
    assert!(answer.err.contains("BRDGADD em0: Invalid argument"), "{}", answer.err);
    host.out("sysctl net.link.bridge.member_ifaddrs=1");
    host.out("ifconfig bridge0 addm em0");
    assert!(host.out("ifconfig bridge0").contains("\tmember: em0 "));
}

#[test]
fn pfctl_of_freebsd_15_judges_no_file_while_pf_is_not_loaded() {
    let netlink = (1, "pfctl: Failed to open netlink: Bad file descriptor\n".to_owned());
    let host = Host::new(Scenario::Default);
    host.write("/tmp/good.conf", "pass\n");
    host.write("/tmp/bad.conf", "pass frm any\n");
    host.out("simctl release 14");
    host.out("simctl reboot");
    assert_eq!(host.out("pfctl -nf /tmp/good.conf"), "");
    assert_eq!(host.error("pfctl -nf /tmp/bad.conf").0, 1);
    host.out("simctl release 15");
    host.out("simctl reboot");
    assert_eq!(host.out("freebsd-version -k"), "15.0-RELEASE\n");
    for line in ["pfctl -nf /tmp/good.conf", "pfctl -nvf /tmp/good.conf", "pfctl -nf /tmp/bad.conf", "pfctl -nf /none"]
    {
        assert_eq!(host.error(line), netlink, "{line}");
    }
    assert_eq!(host.error("pfctl -s info"), (1, "pfctl: /dev/pf: No such file or directory\n".into()));
    host.out("kldload -n pf");
    host.out("pfctl -nf /tmp/good.conf");
    assert_eq!(host.error("pfctl -nf /tmp/bad.conf").1.lines().next(), Some("/tmp/bad.conf:1: syntax error"));
    assert!(host.error("pfctl -nf /none").1.starts_with("pfctl: pushfile: /none: No such file or directory\n"));
}

#[test]
fn pfctl_says_of_an_anchor_that_does_not_exist_what_its_release_says() {
    let host = Host::new(Scenario::Default);
    for (release, status) in
        [("14", "pfctl: DIOCGETRULESETS: No such file or directory\n"), ("15", "pfctl: Anchor does not exist.\n")]
    {
        host.out(&format!("simctl release {release}"));
        host.out("simctl reboot");
        host.out("kldload -n pf");
        assert_eq!(host.error("pfctl -s Anchors -a pot-rdr"), (1, status.into()), "{release}");
        for line in ["pfctl -s nat -a pot-nat", "pfctl -a pot-rdr/* -s nat"] {
            let answer = host.run(&line.split(' ').collect::<Vec<_>>());
            assert_eq!((answer.status, answer.out.as_str()), (0, ""), "{release}: {line}");
            assert_eq!(answer.err, "pfctl: DIOCGETRULES: Invalid argument\n", "{release}: {line}");
        }
        host.write("/etc/pf.conf", "nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n");
        host.out("pfctl -f /etc/pf.conf");
        for line in ["pfctl -s nat -a pot-nat", "pfctl -a pot-rdr/* -s nat"] {
            let answer = host.run(&line.split(' ').collect::<Vec<_>>());
            assert_eq!((answer.status, answer.out + &answer.err), (0, String::new()), "{release}: {line}");
        }
    }
}

#[test]
fn services_that_are_not_enabled_say_so_and_are_content() {
    let host = Host::new(Scenario::Default);
    let answer = host.run(&["service", "pf", "start"]);
    assert_eq!(answer.status, 0);
    assert!(answer.out.starts_with("Cannot 'start' pf."), "{}", answer.out);
    host.error("pfctl -s info");
    // rc.conf.local has the last word over what sysrc wrote.
    host.out("sysrc pf_enable=YES");
    host.write("/etc/rc.conf.local", "pf_enable=\"NO\"\n");
    assert!(host.run(&["service", "pf", "start"]).out.starts_with("Cannot"));
    assert_eq!(host.out("sysrc -n pf_enable"), "NO\n");
}

#[test]
fn sysrc_answers_from_defaults_and_edits_in_place() {
    let host = Host::new(Scenario::Default);
    assert_eq!(host.out("sysrc -n pf_rules"), "/etc/pf.conf\n");
    assert_eq!(host.error("sysrc -n no_such_thing"), (1, "sysrc: unknown variable 'no_such_thing'\n".into()));
    let before = host.read("/etc/rc.conf");
    assert_eq!(host.run(&["sysrc", "-q", "syslogd_flags=-b 10.0.0.1"]).out, "syslogd_flags: -ss -> -b 10.0.0.1\n");
    assert_eq!(host.read("/etc/rc.conf"), before.replace("syslogd_flags=\"-ss\"", "syslogd_flags=\"-b 10.0.0.1\""));
    host.out("sysrc kld_list+=nullfs");
    host.out("sysrc kld_list+=tmpfs");
    assert_eq!(host.out("sysrc -n kld_list"), "nullfs tmpfs\n");
    host.out("sysrc -x kld_list");
    assert!(!host.read("/etc/rc.conf").contains("kld_list"));
    host.out("chflags schg /etc/rc.conf");
    assert_eq!(host.error("sysrc pot_enable=YES").0, 1);
}

#[test]
fn syslogd_takes_rules_by_hup_flags_by_restart_and_makes_no_file() {
    let host = Host::new(Scenario::Fresh);
    let log = |text: &str| {
        let answer = host.run(&["logger", "-p", "local2.info", "-t", "pot", text]);
        assert_eq!(answer.status, 0);
    };
    log("pot-list nowhere");
    assert!(!host.read("/var/log/messages").contains("nowhere"), "*.notice does not take local2.info");
    fs::create_dir_all(host.path("usr/local/etc/syslog.d")).expect("a folder");
    host.write("/usr/local/etc/syslog.d/pot.conf", "local2.*\t/var/log/pot.log\n");
    host.out("service syslogd reload");
    log("pot-list no file");
    assert!(!host.path("var/log/pot.log").exists(), "without -C no file is made");
    host.write("/var/log/pot.log", "");
    log("pot-list no hup");
    assert_eq!(host.read("/var/log/pot.log"), "");
    host.out("service syslogd reload");
    log("pot-init ");
    let line = host.read("/var/log/pot.log");
    assert!(line.contains(" bsdvm pot[") && line.ends_with("]: pot-init \n"), "{line:?}");
    host.write("/etc/rc.conf.local", "syslogd_flags=\"-O rfc5424\"\n");
    log("pot-old format");
    host.out("service syslogd restart");
    log("pot-new format");
    let text = host.read("/var/log/pot.log");
    assert!(text.lines().any(|line| line.starts_with("<150>1 ") && line.ends_with(" - - pot-new format")), "{text}");
    assert!(text.lines().any(|line| !line.starts_with('<') && line.ends_with(": pot-old format")), "{text}");
}

#[test]
fn faults_hit_the_tool_and_whoever_calls_it() {
    let host = Host::new(Scenario::Default);
    host.fault("zpool missing");
    assert!(!host.path("sbin/zpool").exists());
    host.fault("zfs fail 3 the disk is gone");
    assert_eq!(host.error("zfs list"), (3, "the disk is gone\n".into()));
    assert_eq!(host.error("pot init").0, 1, "pot's calls fail, too");
    host.fault("ifconfig garbage");
    assert!(!host.out("ifconfig").contains("em0"));
    host.fault("jls hang");
    let mut hanging = host.command(&["jls"]).stdout(Stdio::null()).spawn().expect("jls");
    std::thread::sleep(Duration::from_millis(300));
    assert!(hanging.try_wait().expect("a child").is_none());
    hanging.kill().expect("killed");
    hanging.wait().expect("gone");
    simulator::clear_faults(host.folder.path()).expect("no faults");
    host.out("zpool list");
    host.out("zfs list");
    host.out("jls");
}

#[test]
fn a_daemon_can_keep_the_output_open_after_the_tool_has_ended() {
    let host = Host::new(Scenario::Default);
    host.fault("uname keep-pipe 15");
    let mut child = host.command(&["uname"]).stdout(Stdio::piped()).spawn().expect("uname");
    let mut pipe = child.stdout.take().expect("a pipe");
    let read = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut pipe, &mut text).expect("text");
        text
    });
    assert!(child.wait().expect("an end").success());
    assert!(!read.is_finished(), "the pipe stays open");
    assert_eq!(read.join().expect("what it said"), "FreeBSD\n");
}

#[test]
fn a_tool_outside_of_a_simulated_root_is_no_tool() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let link = folder.path().join("zfs");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_pot-console"), &link).expect("a link");
    let output = Command::new(&link).arg("list").output().expect("the console");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("zroot"));
    let error = simulator::build(folder.path(), Scenario::Default).expect_err("not empty");
    assert!(error.to_string().contains("not empty"), "{error}");
    assert!(!simulator::is_simulated_root(folder.path()));
}

#[test]
fn paths_never_lead_out_of_the_root() {
    let host = Host::new(Scenario::Default);
    let outside = tempfile::tempdir().expect("a temporary folder");
    fs::write(outside.path().join("secret.conf"), "pf_rules=\"outside\"\n").expect("a file");
    std::os::unix::fs::symlink(outside.path(), host.path("mnt/away")).expect("a link");
    assert_eq!(host.run(&["sysrc", "-f", "/mnt/away/secret.conf", "-n", "pf_rules"]).status, 1);
    let far = format!("/../../../../../../..{}/secret.conf", outside.path().display());
    assert_eq!(host.run(&["sysrc", "-f", &far, "-n", "pf_rules"]).status, 1);
}

#[test]
fn private_bridges_get_networks_that_are_free() {
    let host = Host::new(Scenario::Default);
    host.out("pot init -m");
    host.out("pot create-private-bridge -B one -S 6");
    host.out("pot create-private-bridge -B two -S 6");
    assert_eq!(host.read("/opt/pot/bridges/one"), "net=10.192.0.8/29\ngateway=10.192.0.9\nname=one\n");
    assert_eq!(host.read("/opt/pot/bridges/two"), "net=10.192.0.16/29\ngateway=10.192.0.17\nname=two\n");
    assert_eq!(host.out("potnet next"), "10.192.0.3\n");
    assert_eq!(host.out("potnet next -b one"), "10.192.0.10\n");
}

#[test]
fn wrong_usage_ends_as_freebsds_tools_end() {
    let host = Host::new(Scenario::Default);
    host.out("pot init -m");
    for (line, status) in [
        ("zfs frobnicate", 2),
        ("zfs list -y", 2),
        ("zpool", 2),
        ("ifconfig em9", 1),
        ("pfctl -s nonsense", 1),
        ("sysctl no.such.oid", 1),
        ("kldload no_such_module", 1),
        ("getent nothing", 1),
        ("jls -j nobody", 1),
        ("pkg frobnicate", 64),
        ("service", 1),
        ("pot frobnicate", 1),
        ("potnet frobnicate", 1),
        ("potnet config-check now", 1),
        ("potnet new-net -s many", 1),
        ("potnet validate", 1),
        ("sed", 1),
        ("lockf", 64),
        ("lockf /tmp/lock no-such-program", 1),
        ("pot create-private-bridge -B a/b -S 4", 1),
    ] {
        assert_eq!(host.error(line).0, status, "{line}");
    }
    assert!(!host.path("opt/pot/bridges/a").exists());
}

#[test]
fn pot_show_tells_exported_ports_as_pfctl_prints_them() {
    let host = Host::new(Scenario::Busy);
    assert_eq!(
        host.out("pfctl -a pot-rdr/git -s nat -P"),
        "rdr pass on em0 inet proto tcp from any to (em0) port = 2222 -> 10.200.0.8 port 22\n"
    );
    let shown = host.out("pot show -p git");
    assert!(shown.contains("\n\t\t(em0) port 2222 -> 10.200.0.8 port 22\n"), "{shown}");
}

#[test]
fn vnet_start_says_a_wrong_option_and_starts_all_the_same() {
    let host = Host::new(Scenario::Default);
    host.out("pot init -m");
    let answer = host.run(&["pot", "vnet-start", "-x"]);
    assert_eq!(answer.status, 0, "{}{}", answer.out, answer.err);
    assert!(answer.err.contains("Illegal option -x"), "{}", answer.err);
    assert_eq!(host.out("ifconfig -g pot"), "bridge0\n");
}

#[test]
fn the_host_has_a_time_zone_of_its_own() {
    let host = Host::new(Scenario::Default);
    host.write("/var/db/zoneinfo", "Asia/Tokyo\n");
    let away = host.command(&["logger", "-p", "local2.info", "-t", "pot", "here"]).env("TZ", "America/Lima").status();
    assert!(away.expect("logger").success());
    let log = host.read("/var/log/pot.log");
    let line = log.lines().last().expect("a line");
    let tokyo = jiff::tz::TimeZone::get("Asia/Tokyo").expect("a zone");
    let near = [0, 1].map(|second| {
        let then = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(60 * second);
        then.to_zoned_datetime(tokyo.clone()).strftime("%b %e %H:").to_string()
    });
    assert!(near.iter().any(|stamp| line.starts_with(stamp)), "{line}: not {near:?}");
}

#[test]
fn a_renamed_dataset_is_mounted_under_its_new_name_with_those_below_it() {
    let host = Host::new(Scenario::Default);
    host.out("zfs create zroot/a");
    host.out("zfs create zroot/a/b");
    host.write("/zroot/a/b/kept", "kept");
    host.out("zfs rename zroot/a zroot/zz");
    assert_eq!(host.out("zfs get -Ho name,value mounted zroot/zz zroot/zz/b"), "zroot/zz\tyes\nzroot/zz/b\tyes\n");
    assert_eq!(host.read("/zroot/zz/b/kept"), "kept");
}

#[test]
fn hosts_with_ten_thousand_datasets_are_listed_in_time() {
    let host = Host::new(Scenario::Busy);
    let file = "/var/db/simulated-host/state.json";
    let mut state: serde_json::Value = serde_json::from_str(&host.read(file)).expect("the state");
    let datasets = state["kept"]["datasets"].as_array_mut().expect("datasets");
    let place = datasets.iter().position(|dataset| dataset["name"] == "zroot/tmp").expect("zroot/tmp");
    let pattern = datasets[place].clone();
    datasets.splice(
        place..place,
        (0..10_000).map(|number| {
            let mut dataset = pattern.clone();
            dataset["name"] = format!("zroot/pot{number:05}").into();
            dataset
        }),
    );
    host.write(file, &state.to_string());
    let begun = Instant::now();
    let listed = host.out("zfs list -Hp -o name,used,available,mounted");
    assert!(listed.lines().count() > 10_000);
    // Quadratic code takes minutes.
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    assert_eq!(host.out("zfs list -Hp -o used zroot/pot00001"), host.out("zfs list -Hp -o used zroot/tmp"));
}

/// As seen on 15.0, and as sysrc.subr and sed's main.c say: a line is added with `>>`, a change comes with mv(1).
#[test]
fn a_link_at_rc_conf_or_pf_conf_is_treated_as_freebsds_tools_do() {
    let host = Host::new(Scenario::Default);
    host.write("/etc/rc.conf", "hostname=\"a\"\nsyslogd_flags=\"-s\"\n");
    host.link("/etc/rc.conf", "/usr/local/etc/host/rc.conf");
    assert_eq!(host.run(&["sysrc", "pot_enable=YES"]).status, 0);
    assert!(host.path("/etc/rc.conf").is_symlink());
    assert!(host.read("/usr/local/etc/host/rc.conf").ends_with("pot_enable=\"YES\"\n"));
    let kept = host.read("/usr/local/etc/host/rc.conf");
    for change in [&["sysrc", "syslogd_flags=-ss"][..], &["sysrc", "-x", "pot_enable"][..]] {
        let mode = host.path("/etc/rc.conf").symlink_metadata().expect("rc.conf").permissions().mode();
        assert_eq!(host.run(change).status, 0);
        assert!(!host.path("/etc/rc.conf").is_symlink(), "a plain file took its place ({mode:o} before)");
        let mode = host.path("/etc/rc.conf").symlink_metadata().expect("rc.conf").permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
        assert_eq!(host.read("/usr/local/etc/host/rc.conf"), kept, "what it led to is as it was");
        fs::remove_file(host.path("/etc/rc.conf")).expect("rc.conf");
        std::os::unix::fs::symlink("/usr/local/etc/host/rc.conf", host.path("/etc/rc.conf")).expect("a link");
    }
    host.write("/etc/pf.conf", "nat-anchor pot-nat\npass\n");
    host.link("/etc/pf.conf", "/usr/local/etc/host/pf.conf");
    let answer = host.run(&["sed", "-i", "", "/^nat-anchor pot-nat$/d", "/etc/pf.conf"]);
    assert_eq!(
        (answer.status, answer.err.trim()),
        (1, "sed: /etc/pf.conf: in-place editing only works for regular files")
    );
    assert_eq!(host.read("/usr/local/etc/host/pf.conf"), "nat-anchor pot-nat\npass\n");
    assert_eq!(answer.out, "");
}

#[test]
fn a_variable_is_taken_out_of_every_file_that_rc_reads() {
    let host = Host::new(Scenario::Default);
    host.append("/etc/rc.conf", "pot_enable=\"YES\"\n");
    host.write("/etc/rc.conf.local", "pot_enable=\"NO\"\nx=\"1\"\n");
    assert_eq!(host.run(&["sysrc", "-x", "pot_enable"]).status, 0);
    assert!(!host.read("/etc/rc.conf").contains("pot_enable"));
    assert_eq!(host.read("/etc/rc.conf.local"), "x=\"1\"\n");
}

#[test]
fn pw_adds_and_removes_users_and_groups_with_the_statuses_and_words_of_freebsd() {
    let host = Host::new(Scenario::Default);
    // usr.sbin/pw: EX_USAGE 64, EX_DATAERR 65, EX_NOUSER 67.
    let add = ["pw", "useradd", "-n", "web", "-g", "web", "-d", "/nonexistent", "-s", "/usr/sbin/nologin"];
    for (line, status, words) in [
        (&["pw", "userdel", "-n", "web"][..], 67, "pw: no such user `web'\n"),
        (&["pw", "groupdel", "-n", "web"], 65, "pw: unknown group `web'\n"),
        (&add, 65, "pw: Bad id 'web': invalid\n"),
        (&["pw", "groupadd", "-n", "we/b"], 65, "pw: invalid character `/' at position 2 in userid/group name\n"),
        (&["pw", "groupadd", "-n", "web"], 0, ""),
        (&["pw", "groupadd", "-n", "web"], 65, "pw: group name `web' already exists\n"),
        (&add, 0, ""),
        (&add, 65, "pw: login name `web' already exists\n"),
        (&["getent", "passwd", "web"], 0, ""),
        // The user's own group goes with it.
        (&["pw", "userdel", "-n", "web"], 0, ""),
        (&["getent", "passwd", "web"], 2, ""),
        (&["getent", "group", "web"], 2, ""),
        (&["pw", "useradd", "-n", "alone"], 0, ""),
        (&["getent", "group", "alone"], 0, ""),
        (&["pw", "userdel", "-n", "root"], 65, "pw: cannot remove user 'root'\n"),
    ] {
        let answer = host.run(line);
        assert_eq!((answer.status, answer.err.as_str()), (status, words), "{line:?}");
    }
}

/// A very large host with so many pots.
fn huge(pots: u32) -> Host {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = Path::new(env!("CARGO_BIN_EXE_pot-console"));
    simulator::build_huge_with_program(folder.path(), pots, program).expect("a simulated root");
    Host { folder }
}

#[test]
fn a_very_large_host_has_what_is_said_of_it_and_is_the_same_at_each_build() {
    // In proportion: 10,000 pots come with 100,000 snapshots, 1,000 interfaces and 5,000 rules of NAT.
    let pots = if std::env::var_os("POT_CONSOLE_LONG").is_some() { 10_000 } else { 2_000 };
    let host = huge(pots);
    let many = pots as usize;
    let datasets = host.out("zfs list -Hp -t filesystem,volume -o name,mountpoint,mounted,used");
    let of_pots = datasets.lines().filter(|line| line.starts_with("zroot/pot/jails/")).count();
    assert_eq!(of_pots, 2 * many, "each is its dataset and the one below it");
    assert!(datasets.contains("zroot/pot/jails/db-00001/m\t/opt/pot/jails/db-00001/m\tyes\t"), "{datasets}");
    let snapshots = host.out("zfs list -Hp -t snapshot -r -o name,userrefs zroot/pot");
    assert_eq!(snapshots.lines().count(), 10 * many);
    assert_eq!(fs::read_dir(host.path("/opt/pot/jails")).expect("the pots").count(), many);
    let interfaces = host.out("ifconfig -l");
    assert_eq!(interfaces.split_whitespace().count(), many / 10, "{interfaces}");
    assert_eq!(host.out("ifconfig -a").lines().filter(|line| !line.starts_with('\t')).count(), many / 10);
    let nat = host.out("pfctl -s nat");
    assert_eq!(nat.lines().filter(|line| line.starts_with("rdr pass")).count(), many / 2 + 2, "and two of the admin's");
    assert_eq!(host.out("jls name").lines().count(), many / 10);
    assert_eq!(host.run(&["pfctl", "-nf", "/etc/pf.conf"]).status, 0);

    let twin = huge(300);
    let again = huge(300);
    for line in ["zfs list -Hp -t all -o name,used,mountpoint", "ifconfig -a", "jls name", "pfctl -s nat"] {
        assert_eq!(twin.out(line), again.out(line), "{line}");
    }
    // One that is named is no list of all.
    assert_eq!(twin.out("zfs list -Hp -o name zroot/pot").lines().count(), 1);
    twin.out("zfs destroy -r zroot/pot");
    assert!(!twin.out("zfs list -Hp -t all -o name").contains("zroot/pot"));
    assert_eq!(twin.out("jls name"), "");
}
