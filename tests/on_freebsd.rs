//! What `tests/on-freebsd` says of a machine that it is not for: one sentence, exit status 2, and nothing done there.
//! The way to the machine is a script here that answers as the machine would, and notes what it was asked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a machine that could be used tells, and what the test asks it at most before it begins: its system, and the rest.
const FIT: [(&str, &str); 15] = [
    ("uid", "0"),
    ("release", "15.0-RELEASE-p3"),
    ("architecture", "amd64"),
    ("jailed", "0"),
    ("pot", "/usr/local/bin/pot"),
    ("potnet", "/usr/local/bin/potnet"),
    ("root", "zroot/pot"),
    ("folder", "/opt/pot"),
    ("pool", "zroot"),
    ("dataset", ""),
    ("pots", "0"),
    ("bridges", ""),
    ("console", ""),
    ("interface", "em0"),
    ("taken", ""),
];

struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// A machine that is reached by a command with this body; its last argument is the command line.
    fn that(body: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let asked = folder.path().join("asked");
        let script =
            format!("#!/bin/sh\nfor line do :; done\nprintf '%s\\n' \"$line\" >>'{}'\n{body}\n", asked.display());
        fs::write(folder.path().join("way"), script).unwrap();
        fs::set_permissions(folder.path().join("way"), fs::Permissions::from_mode(0o755)).unwrap();
        // What tells a program for FreeBSD from others is the run-time linker that it names.
        fs::write(folder.path().join("program"), b"\x7fELF\x02\x01\x01\x09 /libexec/ld-elf.so.1\0").unwrap();
        Self { folder }
    }

    /// A FreeBSD that tells the same as one that could be used, but for this.
    fn fit_but_for(name: &str, value: &str) -> Self {
        let told = FIT.map(|(known, fit)| format!("{known}\t{}", if known == name { value } else { fit })).join("\n");
        Self::that(&format!("case $line in 'uname -s') echo FreeBSD ;; *) cat <<'TOLD'\n{told}\nTOLD\n;; esac"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The sentence that it was refused with. How often it was asked before is looked at, too.
    fn refused(&self, options: &[&str]) -> String {
        let program = self.path("program");
        let output = on_freebsd()
            .args(["--binary".as_ref(), program.as_os_str()])
            .args(options)
            .arg(self.path("way"))
            .arg("root@machine")
            .output()
            .unwrap();
        assert!(self.asked() <= 2, "it was asked more than what it is");
        sentence(&output)
    }

    fn asked(&self) -> usize {
        fs::read_to_string(self.path("asked")).map_or(0, |asked| asked.lines().count())
    }
}

fn on_freebsd() -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/on-freebsd"));
    command.env("POT_CONSOLE_FREEBSD_TARGET", "/nonexistent");
    command
}

/// One sentence on standard error, status 2.
fn sentence(output: &std::process::Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(output.stdout, b"", "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said.strip_prefix("tests/on-freebsd: ")
        .and_then(|said| said.strip_suffix(". Nothing was done.\n"))
        .unwrap_or_else(|| panic!("{said}"))
        .to_owned()
}

#[test]
fn a_machine_that_cannot_be_reached_is_said_with_the_ways_own_words() {
    let machine = Machine::that("echo 'ssh: connect to host machine port 22: No route to host' >&2; exit 255");
    let said = machine.refused(&[]);
    assert!(said.starts_with("the machine cannot be reached by /"), "{said}");
    assert!(said.ends_with("root@machine: ssh: connect to host machine port 22: No route to host"), "{said}");
    assert_eq!(machine.asked(), 1);
}

#[test]
fn a_way_that_does_not_exist_is_said() {
    let machine = Machine::that("");
    fs::remove_file(machine.path("way")).unwrap();
    let said = machine.refused(&[]);
    assert!(said.starts_with("there is no /") && said.ends_with("/way on this machine"), "{said}");
}

#[test]
fn a_machine_that_is_no_freebsd_is_named() {
    let machine = Machine::that("echo Linux");
    let said = machine.refused(&["--wipe"]);
    assert!(said.ends_with("root@machine leads to a machine that runs Linux, not FreeBSD"), "{said}");
    assert_eq!(machine.asked(), 1);
}

#[test]
fn releases_that_are_not_supported_are_refused() {
    for release in ["12.4-RELEASE", "13.1-RELEASE-p7", "13.5-STABLE", "16.0-CURRENT"] {
        let said = Machine::fit_but_for("release", release).refused(&["--wipe"]);
        assert_eq!(said, format!("FreeBSD {release} is not supported: 14 and 15 are"));
    }
}

#[test]
fn a_host_with_pots_on_it_is_refused_unless_they_may_go() {
    let machine = Machine::fit_but_for("dataset", "zroot/pot");
    assert_eq!(
        machine.refused(&[]),
        "pot is in use there (zroot/pot, 0 pots): with --wipe all of it would be destroyed"
    );
    let said = Machine::fit_but_for("bridges", "bridge0 ").refused(&[]);
    assert!(said.starts_with("pot is in use there (bridge0,"), "{said}");
}

#[test]
fn a_host_with_a_console_is_refused_unless_its_history_may_go() {
    let machine = Machine::fit_but_for("console", "/var/db/pot-console ");
    assert_eq!(
        machine.refused(&[]),
        "a console was there before (/var/db/pot-console): with --wipe it would be removed, its history with it"
    );
}

#[test]
fn a_host_that_lacks_what_pot_needs_is_refused() {
    for (name, value, said) in [
        ("uid", "1001", "does not make root of us: the test needs root there"),
        ("architecture", "aarch64", "the machine is aarch64, the program is for amd64"),
        ("jailed", "1", "that is a jail: the console works on the host itself"),
        ("pot", "", "pot is not installed there: pkg install pot"),
        ("potnet", "", "potnet is not installed there: pkg install pot"),
        ("pool", "", "there is no ZFS pool for POT_ZFS_ROOT, zroot/pot"),
        ("interface", "", "the machine has no default route: pot's network would lead nowhere"),
    ] {
        let refused = Machine::fit_but_for(name, value).refused(&["--wipe"]);
        assert!(refused.ends_with(said), "{name}: {refused}");
    }
}

#[test]
fn a_program_that_is_missing_or_not_for_freebsd_is_refused_before_the_machine_is_asked() {
    let machine = Machine::that("echo FreeBSD");
    let way = machine.path("way");
    let none = on_freebsd().arg(&way).output().unwrap();
    assert_eq!(
        sentence(&none),
        "there is no program linked for FreeBSD: run tests/freebsd first, or name one with --binary"
    );
    let missing = on_freebsd().args(["--binary", "/nonexistent/pot-console"]).arg(&way).output().unwrap();
    assert_eq!(sentence(&missing), "the program /nonexistent/pot-console cannot be read: No such file or directory");
    let own = env!("CARGO_BIN_EXE_pot-console");
    let linux = on_freebsd().args(["--binary", own]).arg(&way).output().unwrap();
    assert_eq!(sentence(&linux), format!("{own} is no program for FreeBSD: tests/freebsd links one"));
    assert_eq!(machine.asked(), 0);
}

#[test]
fn a_virtual_machine_without_a_port_to_it_is_refused() {
    let machine = Machine::that("echo FreeBSD");
    fs::rename(machine.path("way"), machine.path("vm.py")).unwrap();
    let output = on_freebsd()
        .args(["--binary".as_ref(), machine.path("program").as_os_str()])
        .arg(machine.path("vm.py"))
        .args(["-n", "one"])
        .output()
        .unwrap();
    let said = sentence(&output);
    assert!(said.contains("--url https://127.0.0.1:PORT"), "{said}");
    assert_eq!(machine.asked(), 0);
}

#[test]
fn a_package_that_cannot_be_tried_is_refused_before_the_machine_is_asked() {
    let machine = Machine::that("echo FreeBSD");
    let (way, package) = (machine.path("way"), machine.path("program"));
    let said = |arguments: &[&str]| sentence(&on_freebsd().args(arguments).arg(&way).output().unwrap());
    let package = package.to_str().unwrap();
    assert_eq!(said(&["--package", "/nonexistent.pkg"]), "there is no package /nonexistent.pkg");
    assert_eq!(said(&["--newer", package]), "--newer goes with --package");
    let on_loopback = said(&["--package", package]);
    assert_eq!(on_loopback, "a package is tried from the LAN: name the machine's address with --url");
    assert_eq!(machine.asked(), 0);
}
