//! The package, read back by tar and held against what pkg's own source asks of one.

use crate::{VERSION, said, source};
use pot_console::digest::Digest;
use pot_console::settings::Settings;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What the packager takes for a program of FreeBSD's.
fn program(extra: &[u8]) -> Vec<u8> {
    let mut elf = vec![0_u8; 4096];
    elf[..4].copy_from_slice(b"\x7fELF");
    elf[4..8].copy_from_slice(&[2, 1, 1, 9]);
    elf[18] = 62;
    let path = b"/libexec/ld-elf.so.1\0";
    elf[512..512 + path.len()].copy_from_slice(path);
    elf.extend_from_slice(extra);
    elf
}

fn package(arguments: &[&str], binary: &Path, folder: &Path) -> Output {
    Command::new(source("packaging/freebsd/package")).args(arguments).arg(binary).arg(folder).output().unwrap()
}

/// A package of that release, and the folder that it lies in.
fn made(abi: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("program");
    fs::write(&binary, program(b"")).unwrap();
    let done = package(&["--abi", abi], &binary, folder.path());
    assert!(done.status.success(), "{}", said(&done));
    let path = PathBuf::from(said(&done).lines().last().unwrap());
    (folder, path)
}

/// A package's archive.
fn unpacked(package: &Path) -> Vec<u8> {
    let done = Command::new("zstd").args(["-q", "-d", "-c"]).arg(package).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    done.stdout
}

fn tar(arguments: &[&str], archive: &[u8]) -> Vec<u8> {
    let mut child = Command::new("tar")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let archive = archive.to_vec();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &archive));
    let done = child.wait_with_output().unwrap();
    let _ = writer.join();
    assert!(done.status.success());
    done.stdout
}

/// One member's content.
fn member(archive: &[u8], name: &str) -> Vec<u8> {
    tar(&["-x", "-P", "-O", "-f", "-", name], archive)
}

fn manifest(archive: &[u8], name: &str) -> Value {
    serde_json::from_slice(&member(archive, name)).unwrap()
}

#[test]
fn a_package_reads_back_as_pkg_wants_it() {
    let (_folder, path) = made("FreeBSD:15:amd64");
    assert_eq!(path.file_name().unwrap().to_str().unwrap(), format!("pot-console-{VERSION}.pkg"));
    let archive = unpacked(&path);
    let listed = String::from_utf8(tar(&["-t", "-v", "-P", "-f", "-"], &archive)).unwrap();
    let names: Vec<&str> = listed.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(names[..2], ["+COMPACT_MANIFEST", "+MANIFEST"]);
    for line in listed.lines() {
        assert!(line.contains(" root/wheel "), "{line}");
        let mode: Vec<char> = line.chars().take(10).collect();
        assert_eq!(mode[0], '-', "only plain files: {line}");
        assert!(mode[5] != 'w' && mode[8] != 'w', "writable by others: {line}");
        assert!(!mode.contains(&'s') && !mode.contains(&'t'), "{line}");
    }
    let full = manifest(&archive, "+MANIFEST");
    let wanted = json!({
        "name": "pot-console", "origin": "sysutils/pot-console", "version": VERSION, "abi": "FreeBSD:15:amd64",
        "arch": "freebsd:15:x86:64", "prefix": "/usr/local", "licenselogic": "single", "licenses": ["BSD2CLAUSE"],
        "categories": ["sysutils", "www"], "users": ["potconsole"], "groups": ["potconsole"],
    });
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&full[name], value, "{name}");
    }
    for name in ["comment", "maintainer", "www", "desc"] {
        assert!(full[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
    let kinds: Vec<&str> =
        full["messages"].as_array().unwrap().iter().map(|message| message["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["install", "upgrade"]);

    // Every file with its own sum, and none that the manifest does not know.
    let files = full["files"].as_object().unwrap();
    assert_eq!(names[2..].iter().copied().collect::<BTreeSet<_>>(), files.keys().map(String::as_str).collect());
    let mut size = 0;
    for (path, known) in files {
        let content = member(&archive, path);
        size += content.len();
        let digest = Digest::of(&content).to_string();
        assert_eq!(known["sum"].as_str().unwrap(), format!("1${}", digest.trim_start_matches("sha256:")), "{path}");
        assert_eq!((known["uname"].as_str(), known["gname"].as_str()), (Some("root"), Some("wheel")), "{path}");
        assert!(path.starts_with("/usr/local/"), "{path}");
    }
    assert_eq!(full["flatsize"], json!(size));
    for (path, mode) in [("/usr/local/sbin/pot-console", "0555"), ("/usr/local/etc/rc.d/pot_console", "0555")] {
        assert_eq!(files[path]["perm"], json!(mode), "{path}");
    }
    assert!(files.contains_key("/usr/local/share/man/man8/pot-console.8"));

    // The short one is the long one without what is only needed to install.
    let mut rest = full;
    for name in ["files", "config", "directories", "scripts"] {
        rest.as_object_mut().unwrap().remove(name).unwrap_or_else(|| panic!("no {name}"));
    }
    assert_eq!(manifest(&archive, "+COMPACT_MANIFEST"), rest);
}

#[test]
fn the_same_program_gives_the_same_package() {
    let (_one, first) = made("FreeBSD:14:amd64");
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("elsewhere");
    fs::write(&binary, program(b"")).unwrap();
    let done = Command::new("sh")
        .arg("-c")
        .arg("umask 077; TZ=Asia/Tokyo LC_ALL=C exec \"$0\" --abi FreeBSD:14:amd64 \"$1\" \"$2\"")
        .arg(source("packaging/freebsd/package"))
        .arg(&binary)
        .arg(folder.path().join("new/folder"))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", said(&done));
    let second = PathBuf::from(said(&done).lines().last().unwrap());
    assert_eq!(fs::read(&first).unwrap(), fs::read(second).unwrap());
    let (_other, other) = made("FreeBSD:15:amd64");
    assert_eq!(manifest(&unpacked(&first), "+MANIFEST")["arch"], json!("freebsd:14:x86:64"));
    assert_ne!(fs::read(first).unwrap(), fs::read(other).unwrap());
}

#[test]
fn what_freebsd_could_not_run_becomes_no_package() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let mut linux = program(b"");
    linux[7] = 3;
    let mut arm = program(b"");
    arm[18] = 183;
    let right = file("right", &program(b""));
    let cases = [
        (vec![], file("linux", &linux), "was not linked for FreeBSD"),
        (vec![], PathBuf::from(env!("CARGO_BIN_EXE_pot-console")), "was not linked for FreeBSD"),
        (vec![], file("text", b"#!/bin/sh\n"), "is no ELF executable"),
        (vec![], file("arm", &arm), "is for another processor than amd64"),
        (vec![], file("demo", &program(b"--scenario")), "holds the simulated host"),
        (vec![], folder.path().join("absent"), "BINARY cannot be read"),
        (vec!["--abi", "FreeBSD:13:amd64"], right.clone(), "--abi is FreeBSD:13:amd64"),
        (vec!["--abi", "15"], right, "--abi is 15"),
    ];
    let target = folder.path().join("target");
    for (arguments, binary, words) in cases {
        let done = package(&arguments, &binary, &target);
        assert!(!done.status.success() && said(&done).contains(words), "{words}: {}", said(&done));
        assert!(!target.exists(), "{words}");
    }
}

#[test]
fn an_upgrade_replaces_nobodys_settings() {
    let (folder, path) = made("FreeBSD:15:amd64");
    let archive = unpacked(&path);
    let full = manifest(&archive, "+MANIFEST");
    let files = full["files"].as_object().unwrap();
    assert!(!files.contains_key("/usr/local/etc/pot-console.toml"));
    // Pieces of other programs' configuration are merged, not replaced.
    let config: Vec<&str> = full["config"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert_eq!(
        config,
        ["/usr/local/etc/newsyslog.conf.d/pot-console.conf", "/usr/local/etc/syslog.d/pot-console.conf"]
    );
    let sample = folder.path().join("sample.toml");
    let text = String::from_utf8(member(&archive, "/usr/local/etc/pot-console.toml.sample")).unwrap();
    fs::write(&sample, &text).unwrap();
    let built_in = Settings::default();
    assert_eq!(Settings::read(&sample, true).unwrap().values(), built_in.values(), "the sample is what is built in");
    // Below its head it is what setup writes.
    let body = |text: &str| text.split_once("\n\n").unwrap().1.to_owned();
    assert_eq!(body(&text), body(&Settings::sample(&built_in.listen, &built_in.user)));
}

#[test]
fn the_packages_scripts_can_be_read_by_every_shell_and_start_nothing() {
    let (folder, path) = made("FreeBSD:15:amd64");
    let full = manifest(&unpacked(&path), "+MANIFEST");
    for name in ["install", "deinstall"] {
        let script = full["scripts"][name].as_str().unwrap();
        assert!(!script.contains("%%"), "{name} holds what nobody replaced");
        let file = folder.path().join(name);
        // pkg decodes %xx and puts the arguments before.
        fs::write(&file, script.replace("%25", "%")).unwrap();
        for shell in [vec!["dash"], vec!["busybox", "sh"], vec!["bash", "--posix"]] {
            let done = Command::new(shell[0]).args(&shell[1..]).arg("-n").arg(&file).output().unwrap();
            assert!(done.status.success(), "{shell:?}: {}", said(&done));
        }
        // pkg kills what a script of its leaves behind (libpkg/scripts.c: PROC_REAP_KILL), with SIGKILL.
        for line in script.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let starts = line.split(' ').any(|word| matches!(word, "start" | "onestart" | "restart" | "onerestart"));
            assert!(!starts && !line.contains("daemon"), "{name} would start what pkg kills: {line}");
        }
    }
    // Below another root nothing of this host is touched.
    for (script, verb) in [("install", "POST-INSTALL"), ("deinstall", "DEINSTALL")] {
        let done = Command::new("sh")
            .arg(folder.path().join(script))
            .args(["pot-console", verb])
            .env("PKG_ROOTDIR", "/elsewhere")
            .output()
            .unwrap();
        assert!(done.status.success() && said(&done).is_empty(), "{script}: {}", said(&done));
    }
}
