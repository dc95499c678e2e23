//! What real FreeBSDs answered, held against the simulated tools: every recorded call that a simulated tool knows is made
//! again on a simulated host in the like state and release.
//!
//! What differs stands in the tables below, each with its reason; what is not named there must be the same to the last byte,
//! status and both streams.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and fails")]

#[path = "support/recordings.rs"]
mod recordings;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pot_console::simulator::{self, Scenario};

/// A recorded call.
struct Record {
    state: String,
    command: String,
    status: i64,
    out: String,
    err: String,
}

fn records(file: &str) -> Vec<Record> {
    let path = recordings::folder().join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).expect("a record");
            let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
            Record {
                state: text("state"),
                command: text("command"),
                status: value["status"].as_i64().expect("a status"),
                out: text("stdout"),
                err: text("stderr"),
            }
        })
        .collect()
}

const FOLDERS: [&str; 6] = ["sbin", "bin", "usr/sbin", "usr/bin", "usr/local/sbin", "usr/local/bin"];

struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    /// A host like those of the records: one card, pot and potnet installed, nothing set up.
    fn like(release: &str, rc_conf: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = Path::new(env!("CARGO_BIN_EXE_pot-console"));
        simulator::build_with_program(folder.path(), Scenario::Default, program).expect("a simulated root");
        let host = Self { folder };
        let state = "/var/db/simulated-host/state.json";
        let mut kept: serde_json::Value = serde_json::from_str(&host.read(state)).expect("the state");
        kept["kept"]["cards"] = serde_json::json!([{"name": "vtnet0", "mac": "52:54:00:12:34:56"}]);
        host.write(state, &kept.to_string());
        host.write(
            "/etc/rc.conf",
            &format!("{rc_conf}hostname=\"vm.test\"\nifconfig_vtnet0=\"inet 10.0.2.15/24\"\ndefaultrouter=\"10.0.2.2\"\nzfs_enable=\"YES\"\ndumpdev=\"NO\"\nbackground_fsck=\"NO\"\nsendmail_enable=\"NONE\"\n"),
        );
        host.write("/usr/local/etc/pot/pot.conf", "POT_EXTIF=vtnet0\n");
        fs::remove_file(host.path("/etc/pf.conf")).expect("no pf.conf");
        for line in [vec!["simctl", "release", release], vec!["simctl", "reboot"]] {
            assert_eq!(host.run(&line, "").expect("simctl").0, 0);
        }
        host
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).expect("a file in the root");
    }

    /// Status and both streams; none when no simulated tool has the name.
    fn run(&self, words: &[&str], input: &str) -> Option<(i64, String, String)> {
        let program = FOLDERS.iter().map(|folder| self.path(folder).join(words[0])).find(|path| path.exists())?;
        let path = std::env::join_paths(FOLDERS.iter().map(|folder| self.path(folder))).expect("PATH");
        let mut child = Command::new(program)
            .args(&words[1..])
            .env_clear()
            .env("PATH", path)
            .env("LC_ALL", "C")
            .env("IFCONFIG_FORMAT", "addr:default")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a simulated tool");
        // A tool that reads nothing may have ended before.
        let _ = child.stdin.take().expect("its input").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("its end");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some((output.status.code().map_or(-1, i64::from), text(&output.stdout), text(&output.stderr)))
    }
}

/// How far two answers must agree.
#[derive(Clone, Copy)]
enum Agree {
    /// Status, and what a function takes from standard output; standard error is there in both, or in none.
    Fields(fn(&str) -> Vec<String>),
    /// Status, and which of the streams say something.
    Shape,
    /// As `Shape`, and the first line of standard error.
    FirstError,
}

/// Not made again, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("lockf -k -t 1 /tmp/l ", "runs true and false, which are no simulated tools"),
    ("ping -c 1 -t 2 10.192.0.1", "the recorded machine's network answers for any address"),
    ("ping -c 1 -t 1 192.0.2.1", "the recorded machine's network answers for any address"),
    ("pkg ", "pkg was not there, or only its bootstrap; tests of packages have it both ways"),
    ("service -e", "the base system's own services are not simulated"),
    ("service sshd", "the recorded machine has no sshd"),
    ("service pot", "what it says depends on the start script of the package"),
    ("hostname", "another name"),
    ("uname -a", "the builder's name and time"),
    ("mount -p", "its columns are not simulated; nobody reads them"),
    ("netstat -rn -f inet6", "routes of IPv6 are not simulated; nobody reads them"),
    ("jls -v", "not simulated; nobody reads it"),
    ("sysctl -n hw.vtnet.lro_disable", "the recorded kernel's own value"),
];

/// Answers that may differ, how far they must agree, and why.
const DIFFERENT: &[(&str, Agree, &str)] = &[
    ("getent group pot", Agree::Fields(first_field), "another number"),
    ("getent group nosuchgroup", Agree::Shape, "to the byte: nothing"),
    ("getent group", Agree::Fields(groups), "other groups"),
    ("getent passwd root", Agree::Fields(first_field), "the recorded root has no password"),
    ("sysctl kern.boottime", Agree::Fields(boot_time), "another time"),
    ("sysctl -n kern.boottime", Agree::Fields(line_count), "another time, another machine"),
    ("kldstat -n zfs", Agree::Fields(module_files), "other addresses"),
    ("kldstat -q", Agree::Shape, "to the byte: nothing"),
    ("kldstat", Agree::Fields(module_files), "other addresses and sizes; modules of the machine"),
    ("zpool list nosuch", Agree::FirstError, "to the byte"),
    ("zpool list -Hp", Agree::Fields(columns), "another size"),
    ("zpool list", Agree::Fields(first_field), "another size, narrower columns"),
    ("zpool get", Agree::Fields(name_and_property), "other values"),
    ("zfs list -H -o name -r -d 1 zroot", Agree::Fields(pot_datasets), "an installer's datasets beside pot's"),
    ("zfs list -Hp -t all", Agree::Fields(pot_datasets_mounted), "an installer's datasets; other sizes"),
    ("zfs list -Hp -o name,mountpoint", Agree::Fields(pot_datasets), "an installer's datasets; other sizes"),
    ("zfs list -t snapshot", Agree::Shape, "to the byte"),
    ("zfs list zroot/nosuch", Agree::FirstError, "to the byte"),
    ("zfs list", Agree::Fields(pot_datasets), "an installer's datasets; other sizes"),
    ("zfs get -H -o value nosuchproperty", Agree::FirstError, "the list of all properties is not simulated"),
    ("zfs nosuchcommand", Agree::FirstError, "the list of all commands is not simulated"),
    ("zfs create zroot/no", Agree::Shape, "to the byte"),
    ("zfs create", Agree::FirstError, "the usage is not simulated"),
    ("ifconfig -X", Agree::FirstError, "the usage is not simulated"),
    ("ifconfig -l", Agree::Fields(whole), "to the byte"),
    ("ifconfig -g", Agree::Fields(whole), "to the byte"),
    ("ifconfig vtnet0 inet6", Agree::Fields(inet_lines), "the first line of an interface without addresses"),
    ("ifconfig vtnet0 inet 300", Agree::FirstError, "to the byte"),
    ("ifconfig", Agree::Fields(interfaces), "options, media, link-local addresses, hardware addresses of bridges"),
    ("netstat -rn", Agree::Fields(routes), "columns by release; routes of IPv6"),
    ("pfctl -s info", Agree::Fields(pf_status), "time and counts"),
    ("pfctl -s all", Agree::Fields(pf_status), "timeouts, limits, fingerprints are not simulated there"),
    ("service pf", Agree::Fields(pf_status), "time and counts"),
    ("service syslogd status", Agree::Shape, "another process id"),
    ("ping -c", Agree::Fields(pings), "times"),
    ("pot help", Agree::Shape, "pot's own words are not copied"),
    ("pot nosuch", Agree::Shape, "pot's own words are not copied"),
    ("pot init", Agree::Shape, "pot's own words are not copied"),
    ("pot de-init", Agree::Shape, "pot's own words are not copied"),
    ("pot vnet-start", Agree::Shape, "pot's own words are not copied"),
    ("pot config", Agree::Shape, "pot's own words are not copied"),
    ("pot ps", Agree::Shape, "pot's own words are not copied"),
    ("pot list", Agree::Shape, "pot's own words are not copied"),
    ("pot show", Agree::Shape, "pot's own words are not copied"),
    ("pot version", Agree::Shape, "another version"),
    (
        "printf 'set skip on lo0",
        Agree::Fields(sorted),
        "the optimizer, which is not simulated, puts rules in another order",
    ),
    ("sysrc -a", Agree::Shape, "another rc.conf"),
];

fn whole(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn line_count(text: &str) -> Vec<String> {
    vec![text.lines().count().to_string()]
}

fn columns(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split('\t').count().to_string()).collect()
}

fn first_field(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.split([':', ' ']).next()).map(str::to_owned).collect()
}

fn groups(text: &str) -> Vec<String> {
    let wanted = text.lines().filter(|line| line.starts_with("wheel:") || line.starts_with("pot:"));
    // The number of group pot is the package's choice.
    wanted.map(|line| if line.starts_with("pot:") { "pot".to_owned() } else { line.to_owned() }).collect()
}

fn boot_time(text: &str) -> Vec<String> {
    let known = text.contains("{ sec = ") && text.contains(", usec = ") && text.contains(" } ");
    vec![known.to_string(), text.split(':').next().unwrap_or_default().to_owned()]
}

/// The files of modules that anyone asks for.
fn module_files(text: &str) -> Vec<String> {
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = ["kernel", "zfs.ko", "pf.ko"];
    let files = lines.filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.len() == 5).then(|| words[4].to_owned())
    });
    std::iter::once(head).chain(files.filter(|file| wanted.contains(&file.as_str()))).collect()
}

fn name_and_property(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split('\t').take(2).collect::<Vec<_>>().join(" ")).collect()
}

fn pot_lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.first().is_some_and(|name| *name == "zroot/pot" || name.starts_with("zroot/pot/")))
}

/// Names and mountpoints of pot's datasets.
fn pot_datasets(text: &str) -> Vec<String> {
    pot_lines(text)
        .map(|words| {
            let mountpoint = words.iter().skip(1).find(|word| word.starts_with('/')).unwrap_or(&"");
            format!("{} {mountpoint}", words[0])
        })
        .collect()
}

/// Name, type, mountpoint, canmount, mounted and origin of pot's datasets.
fn pot_datasets_mounted(text: &str) -> Vec<String> {
    pot_lines(text).map(|words| [&words[..5], words.get(7..).unwrap_or_default()].concat().join(" ")).collect()
}

fn inet_lines(text: &str) -> Vec<String> {
    text.lines().filter(|line| line.trim_start().starts_with("inet")).map(str::to_owned).collect()
}

/// What is read of ifconfig: names, flags, addresses, groups, descriptions, members.
fn interfaces(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            if !line.starts_with('\t') {
                let (name, rest) = line.split_once(": flags=")?;
                let flags = rest.split(['<', '>']).nth(1)?;
                let wanted = ["UP", "BROADCAST", "RUNNING", "LOOPBACK", "MULTICAST"];
                let flags: Vec<&str> = flags.split(',').filter(|flag| wanted.contains(flag)).collect();
                let mtu = rest.rsplit(' ').next()?;
                return Some(format!("{name} {} mtu {mtu}", flags.join(",")));
            }
            let line = line.trim();
            let link_local = line.starts_with("inet6 fe80:");
            let read = ["inet ", "inet6 ", "groups: ", "description: ", "member: "];
            (read.iter().any(|word| line.starts_with(word)) && !link_local).then(|| line.to_owned())
        })
        .collect()
}

fn sorted_interfaces(text: &str) -> Vec<String> {
    let mut lines = interfaces(text);
    lines.sort();
    lines
}

/// The routes of IPv4, word by word.
fn routes(text: &str) -> Vec<String> {
    text.lines()
        .take_while(|line| !line.starts_with("Internet6"))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect()
}

/// On or off, since when or not, and the names of what is counted; sections of what is loaded.
fn pf_status(text: &str) -> Vec<String> {
    let counted = text
        .lines()
        .skip_while(|line| !line.starts_with("Status:"))
        .take_while(|line| !line.starts_with("LABEL") && !line.starts_with("TIMEOUTS"))
        .filter(|line| line.starts_with("  "))
        .filter_map(|line| line.split("   ").find(|part| !part.trim().is_empty()))
        .map(|name| name.trim().to_owned());
    let heads = text
        .lines()
        .filter(|line| line.starts_with("Status:") || line.starts_with("Cannot") || line.contains("-anchor "))
        .map(|line| line.split(" for ").next().unwrap_or_default().split("  ").next().unwrap_or_default().to_owned());
    heads.chain(counted).collect()
}

fn pings(text: &str) -> Vec<String> {
    text.lines().filter(|line| line.contains("packets transmitted")).map(str::to_owned).collect()
}

/// The words of a command as sh reads it, and what a `printf` before it gives it; none for what needs more of a shell.
fn words_of(command: &str) -> Option<(Vec<String>, String)> {
    if let Some(rest) = command.strip_prefix("printf '") {
        let (text, rest) = rest.split_once("' | ")?;
        return Some((words_of(rest)?.0, text.replace("\\n", "\n")));
    }
    if command.contains(['|', ';', '<', '>', '$']) {
        return None;
    }
    let words = command.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect();
    Some((words, String::new()))
}

/// The state of the host that has pots.
const WITH_POTS: &str = "6-pots";

/// What the replay of one release's records came to.
#[derive(Default)]
struct Count {
    same: usize,
    agree: usize,
    left_out: usize,
    wrong: Vec<String>,
}

fn replay(file: &str, release: &str, rc_conf: &str, also: &[(&str, Agree, &str)], not: &[(&str, &str)]) -> Count {
    let host = Host::like(release, rc_conf);
    let mut count = Count::default();
    for record in records(file) {
        // That host has pots: a test of its own.
        if record.state == WITH_POTS || record.command.ends_with("(running)") {
            continue;
        }
        if record.state == "run"
            && !["pot init -v", "pot vnet-start -v", "pot de-init -v", "pot create-private-bridge -B lab -S 5"]
                .contains(&record.command.as_str())
        {
            continue;
        }
        if record.command == "FILE /etc/pf.conf" && record.status == 0 {
            assert_eq!(host.read("/etc/pf.conf"), record.out, "{release} {}: {}", record.state, record.command);
            count.same += 1;
            continue;
        }
        compare(&host, release, &record, also, not, &mut count);
    }
    count
}

/// Makes a recorded call again, if a simulated tool knows it.
fn compare(
    host: &Host,
    release: &str,
    record: &Record,
    also: &[(&str, Agree, &str)],
    not: &[(&str, &str)],
    count: &mut Count,
) {
    let command = record.command.as_str();
    let Some((words, input)) = words_of(command) else { return };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let starts = |prefix: &str| command.starts_with(prefix);
    if LEFT_OUT.iter().chain(not).any(|(prefix, _)| starts(prefix)) {
        count.left_out += 1;
        return;
    }
    let Some((status, out, err)) = host.run(&words, &input) else { return };
    if (status, &out, &err) == (record.status, &record.out, &record.err) {
        count.same += 1;
        return;
    }
    let agree = also.iter().chain(DIFFERENT).find(|(prefix, ..)| starts(prefix)).map(|(_, agree, _)| *agree);
    let there = |text: &str| !text.trim().is_empty();
    let shape = status == record.status && there(&err) == there(&record.err);
    let good = match agree {
        None => false,
        Some(Agree::Fields(fields)) => shape && fields(&out) == fields(&record.out),
        Some(Agree::Shape) => shape && there(&out) == there(&record.out),
        Some(Agree::FirstError) => shape && err.lines().next() == record.err.lines().next(),
    };
    if good {
        count.agree += 1;
    } else {
        count.wrong.push(format!(
            "{release} {}: {command}\n  FreeBSD   {} {:?} {:?}\n  simulated {status} {out:?} {err:?}",
            record.state, record.status, record.out, record.err
        ));
    }
}

/// Calls compared, by release: fewer means that records or tools went missing.
const LEAST: [(&str, usize); 3] = [("13.1", 150), ("13.1 with pots", 51), ("15.0", 224)];

fn check(release: &str, count: &Count) {
    let least: BTreeMap<&str, usize> = LEAST.into_iter().collect();
    assert!(count.wrong.is_empty(), "{} answers differ:\n{}", count.wrong.len(), count.wrong.join("\n"));
    let compared = count.same + count.agree;
    println!("{release}: {} the same, {} as far as read, {} left out", count.same, count.agree, count.left_out);
    assert!(compared >= least[release], "{release}: {compared} compared, at least {} expected", least[release]);
}

#[test]
fn the_simulated_tools_answer_as_freebsd_15_0_did() {
    check("15.0", &replay("transcripts-15.0.jsonl", "15.0-RELEASE", "", &[], &[]));
}

#[test]
fn the_simulated_tools_answer_as_freebsd_13_1_did() {
    let also: &[(&str, Agree, &str)] = &[
        ("sysctl -n net.link.bridge", Agree::Shape, "to the byte"),
        ("ifconfig vtnet0 inet", Agree::Fields(inet_lines), "options; link-local addresses"),
        ("ifconfig -a", Agree::Fields(sorted_interfaces), "before 14 addresses come in the kernel's order"),
        ("ifconfig lo0", Agree::Fields(sorted_interfaces), "before 14 addresses come in the kernel's order"),
    ];
    let not: &[(&str, &str)] = &[
        ("zpool", "the recorded machine had no pool yet"),
        ("printf 'set skip on lo0", "13.1 prints the name of an anchor with /* wrongly there"),
        ("zfs", "the recorded machine had no pool yet"),
    ];
    check("13.1", &replay("transcripts.jsonl", "13.1-RELEASE-p7", "syslogd_flags=\"-ss\"\n", also, not));
}

/// The records' pots: s1 stopped, v1 and w1 running on the public bridge, made here as pot makes them, in its order.
fn host_with_pots(records: &[Record]) -> Host {
    let host = Host::like("13.1-RELEASE-p7", "syslogd_flags=\"-ss\"\n");
    let call = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let (status, out, err) = host.run(&words, "").unwrap_or_else(|| panic!("{line}: no such tool"));
        assert_eq!(status, 0, "{line}: {out}{err}");
    };
    call("pot init");
    call("zfs create zroot/pot/bases/13.1");
    for (part, mountpoint) in [("custom", "opt/custom"), ("usr.local", "usr/local")] {
        call(&format!("zfs create -o mountpoint=/opt/pot/bases/13.1/{mountpoint} zroot/pot/bases/13.1/{part}"));
    }
    for dataset in ["13.1", "13.1/custom", "13.1/usr.local"] {
        call(&format!("zfs snapshot zroot/pot/bases/{dataset}@1795972881"));
    }
    for (pot, parts) in
        [("base-13_1", &[][..]), ("s1", &["custom", "usr.local"]), ("v1", &["custom", "usr.local"]), ("w1", &["m"])]
    {
        call(&format!("zfs create zroot/pot/jails/{pot}"));
        for part in parts {
            call(&format!("zfs create zroot/pot/jails/{pot}/{part}"));
        }
        let folder = format!("/opt/pot/jails/{pot}");
        for inner in ["conf", "m"] {
            fs::create_dir_all(host.path(&format!("{folder}/{inner}"))).expect("a folder of the pot");
        }
        let own = format!("cat {folder}/conf/pot.conf");
        let conf = records.iter().find(|record| record.command == own).map_or_else(
            || "pot.level=0\npot.type=multi\npot.base=13.1\nnetwork_type=inherit\nvnet=false\n",
            |record| record.out.as_str(),
        );
        host.write(&format!("{folder}/conf/pot.conf"), conf);
        let base = "zroot/pot/bases/13.1";
        let mounts = match pot {
            "w1" => String::new(),
            "base-13_1" => format!("{base} / ro\n{base}/usr.local /usr/local\n{base}/custom /opt/custom\n"),
            _ => format!(
                "{base} / ro\nzroot/pot/jails/{pot}/usr.local /usr/local zfs-remount\nzroot/pot/jails/{pot}/custom /opt/custom zfs-remount\n"
            ),
        };
        host.write(&format!("{folder}/conf/fscomp.conf"), &mounts);
    }
    for line in ["pot vnet-start", "pot start v1", "pot start w1"] {
        call(line);
    }
    host
}

fn pot_names(text: &str) -> Vec<String> {
    pot_lines(text).map(|words| words[0].to_owned()).collect()
}

fn first_line(text: &str) -> Vec<String> {
    text.lines().take(1).map(str::to_owned).collect()
}

fn until_attributes(text: &str) -> Vec<String> {
    text.lines().take_while(|line| line.trim() != "attributes:").map(str::to_owned).collect()
}

/// An interface's name; the host's ends of pots' pairs are all alike.
fn plain_name(name: &str) -> String {
    let hexadecimal = |rest: &str| rest.len() == 12 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let pots = name.strip_prefix('p').is_some_and(hexadecimal);
    if pots || name.starts_with("epair") && name != "epair" { "PAIR".to_owned() } else { name.to_owned() }
}

fn names_of_interfaces(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text.split_whitespace().map(plain_name).collect();
    names.sort();
    names
}

fn interfaces_with_pots(text: &str) -> Vec<String> {
    let plain = |line: String| line.split(' ').map(plain_name).collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = interfaces(text).into_iter().map(plain).collect();
    lines.sort();
    lines
}

fn routes_without_numbers(text: &str) -> Vec<String> {
    let plain = |word: &str| if word.starts_with("link#") { "link#".to_owned() } else { word.to_owned() };
    routes(text).iter().map(|line| line.split(' ').map(plain).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn the_simulated_tools_answer_as_a_freebsd_13_1_with_pots_did() {
    let records: Vec<Record> =
        records("transcripts.jsonl").into_iter().filter(|record| record.state == WITH_POTS).collect();
    let host = host_with_pots(&records);
    // A pot that runs has its own datasets mounted in its root; the simulated one leaves them where they were made.
    const REMOUNTED: &str = "other sizes; a running pot's own datasets are not mounted anew";
    const OWN_ENDS: &str =
        "the simulated pot leaves its end of the pair its name, and makes the pair before the bridge";
    let also: &[(&str, Agree, &str)] = &[
        ("zfs list -Hp -t all", Agree::Fields(pot_names), REMOUNTED),
        ("zfs list -t snapshot", Agree::Fields(pot_names), "other sizes"),
        ("zfs list", Agree::Fields(pot_names), REMOUNTED),
        ("ifconfig -l", Agree::Fields(names_of_interfaces), OWN_ENDS),
        ("ifconfig -g", Agree::Fields(names_of_interfaces), OWN_ENDS),
        ("ifconfig -a", Agree::Fields(interfaces_with_pots), OWN_ENDS),
        ("ifconfig bridge0", Agree::Fields(interfaces_with_pots), OWN_ENDS),
        ("netstat -rn", Agree::Fields(routes_without_numbers), "columns; numbers of links; routes of IPv6"),
        ("pot info -p nosuch", Agree::Fields(first_line), "pot's own words are not copied"),
        ("pot info", Agree::Fields(until_attributes), "attributes that nobody reads"),
    ];
    let not: &[(&str, &str)] = &[
        ("rctl", "limits and use of jails are not simulated; nobody reads them"),
        ("jexec", "what runs inside pots is not simulated"),
    ];
    let mut count = Count::default();
    for record in &records {
        compare(&host, "13.1 with pots", record, also, not, &mut count);
    }
    check("13.1 with pots", &count);
}
