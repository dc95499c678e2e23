//! The manual pages: mandoc's lint, references, and examples that are run.

use crate::{console, said, simulate, source, text};
use pot_console::settings::Settings;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

/// Manuals of FreeBSD's that ours point to.
const FREEBSD: [&str; 12] = [
    "daemon 8",
    "jail 8",
    "newsyslog 8",
    "periodic.conf 5",
    "pf 4",
    "pf.conf 5",
    "pw 8",
    "rc.conf 5",
    "service 8",
    "sysrc 8",
    "syslogd 8",
    "zfs 8",
];

fn pages() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(source("packaging/freebsd/man")).unwrap();
    let mut pages: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    assert!(pages.len() > 8);
    pages
}

#[test]
fn mandoc_has_nothing_to_say_about_the_manual() {
    for page in pages() {
        let done = Command::new("mandoc").args(["-T", "lint"]).arg(&page).output().expect("mandoc");
        let words = String::from_utf8_lossy(&done.stdout).into_owned();
        // Whether a manual that is pointed to exists is asked below: here FreeBSD's are not installed.
        let words: Vec<&str> = words.lines().filter(|line| !line.contains("referenced manual not found")).collect();
        assert!(words.is_empty(), "{words:#?}");
    }
}

#[test]
fn every_manual_that_is_pointed_to_exists() {
    let own: BTreeSet<String> = pages()
        .iter()
        .map(|page| {
            let name = page.file_name().unwrap().to_str().unwrap();
            let (name, part) = name.rsplit_once('.').unwrap();
            format!("{name} {part}")
        })
        .collect();
    let mut seen = BTreeSet::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix(".Xr ")) {
            let name: Vec<&str> = line.split(' ').take(2).collect();
            let name = name.join(" ");
            assert!(own.contains(&name) || FREEBSD.contains(&name.as_str()), "{}: {name}", page.display());
            seen.insert(name);
        }
    }
    assert!(own.is_subset(&seen), "nothing points to {:?}", own.difference(&seen));
}

#[test]
fn the_manuals_examples_do_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("host");
    simulate(&root);
    let initialised = console(&root).args(["run", "init"]).output().unwrap();
    assert!(initialised.status.success(), "{}", said(&initialised));
    // The user that this machine has.
    std::fs::write(root.join("usr/local/etc/pot-console.toml"), "user = \"nobody\"\n").unwrap();
    // The package is there, and nobody has set it up.
    let new = folder.path().join("new");
    simulate(&new);
    let script = new.join("usr/local/etc/rc.d/pot_console");
    std::fs::create_dir_all(script.parent().unwrap()).unwrap();
    std::fs::copy(source("packaging/freebsd/files/pot_console.in"), &script).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut run = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix(".Dl # pot-console ")) {
            // Files of root's own stand in the test's folder.
            // An address that this machine has, too.
            let line = line.replace("/root/", &format!("{}/", folder.path().display()));
            let line = line.replace("192.168.178.20", "127.0.0.1");
            let done = Command::new("sh")
                .arg("-c")
                .arg(format!("exec \"$0\" --root \"$1\" {line}"))
                .arg(env!("CARGO_BIN_EXE_pot-console"))
                .arg(if line.starts_with("setup ") { &new } else { &root })
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            assert!(done.status.success(), "{}: pot-console {line}\n{}", page.display(), said(&done));
            run += 1;
        }
    }
    assert!(run > 15, "only {run} examples were run");
}

#[test]
fn the_example_of_the_settings_can_be_used_as_it_stands() {
    let page = text("packaging/freebsd/man/pot-console.toml.5");
    let example = page.split(".Bd -literal -offset indent\n").nth(1).unwrap().split(".Ed").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pot-console.toml");
    std::fs::write(&file, example).unwrap();
    let settings = Settings::read(&file, true).unwrap();
    assert!(settings.reason_required && settings.names == ["jail1.lan"] && settings.listen.len() == 2);
}

/// What troubleshooting quotes is what the program says.
#[test]
fn troubleshooting_quotes_words_that_the_program_has() {
    let mut sources = String::new();
    let mut folders = vec![source("src"), source("packaging/freebsd/files")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                sources.push_str(&std::fs::read_to_string(&path).unwrap_or_default());
            }
        }
    }
    // Long texts of the source go on in the next line.
    let sources: String = sources.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ");
    let page = text("docs/troubleshooting.md");
    let mut quoted = 0;
    for table in page.split("| words |").skip(1) {
        for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
            let words = row.split('|').nth(1).unwrap().trim();
            // What the system says behind it is not ours.
            for part in words.split(": A").next().unwrap().split(": C").next().unwrap().split('…') {
                let part = part.trim().trim_end_matches([',', ':']);
                assert!(sources.contains(part), "nothing says {part:?}");
                quoted += 1;
            }
        }
    }
    assert!(quoted > 8, "{quoted}");
}

/// A reader has ten minutes, and finds every page from the README.
#[test]
fn the_docs_are_read_in_ten_minutes_and_lead_to_each_other() {
    let pages = ["install.md", "first-day.md", "simulator.md", "troubleshooting.md"];
    let words: usize = pages.iter().map(|page| text(&format!("docs/{page}")).split_whitespace().count()).sum();
    assert!(words < 2200, "{words} words are more than ten minutes");
    for page in pages.iter().map(|page| format!("docs/{page}")).chain(["README.md".to_owned()]) {
        let folder = source(&page).parent().unwrap().to_owned();
        for link in text(&page).split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let file = link.split('#').next().unwrap();
            if !link.contains("://") && !file.is_empty() {
                assert!(folder.join(file).exists(), "{page} leads to {link}");
            }
        }
    }
}
