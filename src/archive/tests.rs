//! Archives as strangers would make them, and what is left at each death.

use super::contents::{ABOUT, About, Item, LEFT_OUT, MANIFEST, Manifest, Part};
use super::read::PRIVATE;
use super::{ArchiveError, Written, check, unpack_and_check, write};
use crate::digest::Digest;
use crate::executor::local::Local;
use crate::executor::protocol::Command;
use crate::files::Lock;
use crate::formats::{FORMATS, Kind, Stamp};
use crate::journal::record::Role;
use crate::layout::Layout;
use crate::platform::times_asked;
use crate::secret::Secret;
use jiff::Timestamp;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

/// A file of an archive as it is put there.
#[derive(Clone)]
struct File {
    name: String,
    bytes: Vec<u8>,
    kind: tar::EntryType,
    link: Option<&'static str>,
    /// What the header says instead of the length.
    size: Option<u64>,
}

impl File {
    fn plain(name: &str, bytes: &[u8]) -> Self {
        Self {
            name: format!("pot-console/{name}"),
            bytes: bytes.to_vec(),
            kind: tar::EntryType::Regular,
            link: None,
            size: None,
        }
    }

    fn own_name(&self) -> &str {
        self.name.strip_prefix("pot-console/").unwrap_or(&self.name)
    }
}

/// Written by hand: the crate refuses to write most of what is tried here.
fn tar_of(files: &[File]) -> Vec<u8> {
    let mut all = Vec::new();
    for file in files {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..file.name.len()].copy_from_slice(file.name.as_bytes());
        header.set_entry_type(file.kind);
        header.set_size(file.size.unwrap_or(file.bytes.len() as u64));
        header.set_mode(0o777);
        if let Some(link) = file.link {
            header.set_link_name(link).unwrap();
        }
        header.set_cksum();
        all.extend_from_slice(header.as_bytes());
        all.extend_from_slice(&file.bytes);
        all.resize(all.len().next_multiple_of(512), 0);
    }
    all.resize(all.len() + 1024, 0);
    all
}

fn about(version: u64, stamp: Stamp) -> File {
    let about = About { version, made: Timestamp::now(), host: "jail1".to_owned(), keys: true, stamp };
    File::plain(ABOUT, &serde_json::to_vec(&about).unwrap())
}

/// With the manifest that fits.
fn with_manifest(mut files: Vec<File>) -> Vec<File> {
    let items = files.iter().map(|file| Item {
        name: file.own_name().to_owned(),
        size: file.size.unwrap_or(file.bytes.len() as u64),
        digest: Digest::of(&file.bytes),
    });
    let manifest = serde_json::to_vec(&Manifest { files: items.collect() }).unwrap();
    files.push(File::plain(MANIFEST, &manifest));
    files
}

/// A host with an account and a history.
fn host() -> (tempfile::TempDir, Layout) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path(), None);
    let mut local = Local::open(&layout).unwrap();
    let password = Secret("correct horse battery".to_owned());
    local.ask::<()>(Command::AddAccount { name: "anna".to_owned(), role: Role::Admin, password }).unwrap();
    (dir, layout)
}

fn written(layout: &Layout, keys: bool) -> (Written, Vec<u8>) {
    let lock = Lock::acquire(layout, "a test", Duration::ZERO).unwrap();
    let mut bytes = Vec::new();
    let written = write(layout, "jail1", keys, &mut bytes, lock).unwrap();
    (written, bytes)
}

fn backup_of(layout: &Layout) -> Vec<u8> {
    written(layout, true).1
}

/// The same as files.
fn files_of(archive: &[u8]) -> Vec<File> {
    let mut archive = tar::Archive::new(archive);
    let mut files = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        files.push(File { name, bytes, kind: tar::EntryType::Regular, link: None, size: None });
    }
    files
}

fn refused(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("into");
    let error = unpack_and_check(&mut &bytes[..], &into).unwrap_err().to_string();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "something is left: {error}");
    error
}

#[test]
fn checking_a_backup_waits_for_no_disk_and_putting_it_back_waits_for_every_file() {
    let (_dir, layout) = host();
    let bytes = backup_of(&layout);
    let into = tempfile::tempdir().unwrap();
    let before = times_asked();
    let checked = check(&mut &bytes[..], &into.path().join("scratch")).unwrap();
    assert_eq!(times_asked(), before, "what is taken away again need not be on disk");
    assert_eq!(std::fs::read_dir(into.path()).unwrap().count(), 0);
    let kept = unpack_and_check(&mut &bytes[..], &into.path().join("stage")).unwrap();
    assert_eq!((kept.digest, kept.files), (checked.digest, checked.files));
    // What the archive says of itself is not unpacked.
    assert!(times_asked() - before > kept.files - 2, "{} of {}", times_asked() - before, kept.files);
}

#[test]
fn a_backup_is_a_tar_archive_with_all_that_the_console_keeps_and_comes_back_byte_for_byte() {
    let (_dir, layout) = host();
    let bytes = backup_of(&layout);
    let into = tempfile::tempdir().unwrap();
    let stage = into.path().join("stage");
    let checked = unpack_and_check(&mut &bytes[..], &stage).unwrap();
    assert_eq!((checked.accounts, checked.about.host.as_str(), checked.about.keys), (1, "jail1", true));
    assert!(checked.journal.records > 0);
    for name in ["accounts.json", "journal/00000000000000000001.journal"] {
        let path = stage.join(PRIVATE).join(name);
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(layout.private().join(name)).unwrap(), "{name}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
    // What an admin has: tar itself.
    let file = into.path().join("b.tar");
    std::fs::write(&file, &bytes).unwrap();
    let listed = std::process::Command::new("tar").arg("-tvf").arg(&file).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.starts_with("-rw------- root/wheel") && listed.contains(" pot-console/accounts.json\n"), "{listed}");
    assert!(listed.lines().last().unwrap().ends_with(" pot-console/manifest.json"), "{listed}");
}

#[test]
fn every_file_of_the_private_folder_is_in_a_backup_or_left_out_for_a_reason() {
    let (_dir, layout) = host();
    let (written, _) = written(&layout, true);
    for name in &written.left_out {
        assert!(LEFT_OUT.iter().any(|(known, _)| name == known || name.starts_with(&format!("{known}/"))), "{name}");
    }
    for (name, _) in LEFT_OUT {
        assert_eq!(Part::of(name), None, "{name}");
    }
    for name in crate::files::NOTES {
        assert!(Part::of(name).is_some(), "{name}");
    }
}

#[test]
fn without_keys_there_is_no_key_in_it() {
    let (_dir, layout) = host();
    let private = layout.private();
    for name in ["keys/checkpoint.pem", "tls/key.pem", "tls/certificate.pem"] {
        std::fs::create_dir_all(private.join(name).parent().unwrap()).unwrap();
        std::fs::write(private.join(name), "PRIVATE KEY").unwrap();
    }
    let keys = |with| String::from_utf8_lossy(&written(&layout, with).1).matches("PRIVATE KEY").count();
    assert_eq!((keys(true), keys(false)), (3, 0));
}

#[test]
fn a_name_that_leads_elsewhere_or_is_none_of_the_consoles_is_refused_and_nothing_is_written() {
    let first = about(1, Stamp::of_this_program());
    let long = format!("watched-{}", "a".repeat(70));
    for name in [
        "../evil",
        "pot-console/../../evil",
        "/etc/passwd",
        "pot-console//etc/passwd",
        "pot-console/./accounts.json",
        "pot-console/journal/../../x",
        "pot-console/runs/01/run.json",
        "pot-console/runs/0/run.json",
        "pot-console/runs/x/run.json",
        "pot-console/runs/1/../2/run.json",
        "pot-console/backups/objects/xyz",
        "pot-console/change.lock",
        "pot-console/pending-revert.json",
        "pot-console/formats.json",
        "pot-console/restored.json",
        "pot-console/feedback/.hidden.json",
        "pot-console/feedback/a b.json",
        "pot-console/journal/1.journal",
        "pot-console/watched-a/b",
        "pot-console/watched-\u{e9}",
        "accounts.json",
        "pot-console/ACCOUNTS.JSON",
        "pot-console/accounts.json/",
        "pot-console/",
        "",
    ] {
        let file = File { name: name.to_owned(), ..File::plain("", b"x") };
        let said = refused(&tar_of(&with_manifest(vec![first.clone(), file])));
        assert!(said.contains("no file of the console"), "{name:?}: {said}");
    }
    assert!(Part::of(&long).is_some());
}

#[test]
fn links_devices_folders_and_headers_of_extensions_are_refused() {
    let first = about(1, Stamp::of_this_program());
    for (kind, link, what) in [
        (tar::EntryType::Symlink, Some("/etc/master.passwd"), "a symbolic link"),
        (tar::EntryType::Link, Some("/etc/master.passwd"), "a hard link"),
        (tar::EntryType::Char, None, "a device"),
        (tar::EntryType::Block, None, "a device"),
        (tar::EntryType::Fifo, None, "a FIFO"),
        (tar::EntryType::Directory, None, "a folder"),
        (tar::EntryType::XHeader, None, "of another kind"),
        (tar::EntryType::XGlobalHeader, None, "of another kind"),
        (tar::EntryType::GNULongName, None, "of another kind"),
        (tar::EntryType::GNULongLink, None, "of another kind"),
        (tar::EntryType::GNUSparse, None, "of another kind"),
        (tar::EntryType::Continuous, None, "of another kind"),
    ] {
        let file = File { kind, link, ..File::plain("accounts.json", b"") };
        let said = refused(&tar_of(&with_manifest(vec![first.clone(), file])));
        assert!(said.contains(what) && said.contains("accounts.json"), "{said}");
    }
}

#[test]
fn what_is_twice_too_long_cut_off_or_not_as_listed_is_refused() {
    let (_dir, layout) = host();
    let sound = files_of(&backup_of(&layout));
    let files: Vec<File> = sound[..sound.len() - 1].to_vec();
    let at = |files: &[File], name: &str| files.iter().position(|file| file.own_name() == name).unwrap();
    let accounts = at(&files, "accounts.json");
    // As it is, made anew here, it is taken.
    let dir = tempfile::tempdir().unwrap();
    check(&mut &tar_of(&with_manifest(files.clone()))[..], &dir.path().join("x")).unwrap();

    let mut twice = files.clone();
    twice.push(twice[accounts].clone());
    assert!(refused(&tar_of(&with_manifest(twice))).contains("accounts.json is in it twice"));
    for size in [4 << 20 | 1, 1 << 40, u64::MAX / 2] {
        let mut long = files.clone();
        long[accounts].size = Some(size);
        assert!(refused(&tar_of(&with_manifest(long))).contains("more than it can be"), "{size}");
    }
    let mut longer = files.clone();
    longer[accounts].size = Some(longer[accounts].bytes.len() as u64 + 100_000);
    refused(&tar_of(&with_manifest(longer)));
    let whole = tar_of(&sound);
    for end in (0..whole.len() - 1024 - 512).step_by(whole.len() / 40) {
        refused(&whole[..end]);
    }
    let mut changed = sound.clone();
    changed[accounts].bytes[10] ^= 1;
    assert!(refused(&tar_of(&changed)).contains("accounts.json is not as its manifest says"));
    let mut fewer = sound.clone();
    fewer.remove(accounts);
    refused(&tar_of(&fewer));
    let mut more = sound.clone();
    more.insert(accounts, File::plain("set-aside.json", b"[]"));
    refused(&tar_of(&more));
    let mut behind = sound.clone();
    behind.push(File::plain("set-aside.json", b"[]"));
    assert!(refused(&tar_of(&behind)).contains("follows its manifest"));
    let followed = [&whole[..], b"more"].concat();
    assert!(refused(&followed).contains("follows its end"));
    let mut other_first = sound.clone();
    other_first.swap(0, accounts);
    assert!(refused(&tar_of(&other_first)).contains("its first file is"));
    refused(b"");
    refused(&[0; 4096]);
    refused(&b"pot-console backup 1 sha256:".repeat(100));
}

#[test]
fn a_journal_accounts_or_settings_that_the_console_could_not_go_on_with_are_refused_though_the_manifest_fits() {
    let (_dir, layout) = host();
    let sound = files_of(&backup_of(&layout));
    let files: Vec<File> = sound[..sound.len() - 1].to_vec();
    let with = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut files = files.clone();
        match files.iter_mut().find(|file| file.own_name() == name) {
            Some(file) => change(&mut file.bytes),
            None => {
                let mut bytes = Vec::new();
                change(&mut bytes);
                files.push(File::plain(name, &bytes));
            }
        }
        refused(&tar_of(&with_manifest(files)))
    };
    let journal = "journal/00000000000000000001.journal";
    let said = with(journal, &|bytes| {
        let at = bytes.len() - 30;
        bytes[at] ^= 1;
    });
    assert!(said.contains("the journal is broken"), "{said}");
    assert!(with("accounts.json", &|bytes| bytes.truncate(20)).contains("its accounts"));
    assert!(with("pot-console.toml", &|bytes| bytes.extend(b"listen = 5\n")).contains("listen"));
    let object = format!("backups/objects/{}", Digest::of(b"one").hex());
    assert!(with(&object, &|bytes| bytes.extend(b"another")).contains("was changed"));
}

#[test]
fn a_backup_of_a_newer_version_is_refused_with_words_whatever_part_is_newer() {
    let (_dir, layout) = host();
    let sound = files_of(&backup_of(&layout));
    let files: Vec<File> = sound[..sound.len() - 1].to_vec();
    let with = |first: File| {
        let mut files = files.clone();
        files[0] = first;
        refused(&tar_of(&with_manifest(files)))
    };
    let known = Kind::Backup.format().version;
    let said = with(about(known + 1, Stamp::of_this_program()));
    assert!(said.contains("a backup of the console, version 2;") && said.contains("knows version 1"), "{said}");
    for format in FORMATS.iter().filter(|format| format.stamped) {
        let mut stamp = Stamp::of_this_program();
        stamp.program = "9.1.0".to_owned();
        stamp.formats.insert(format.name.to_owned(), format.version + 1);
        let said = with(about(known, stamp));
        assert!(said.contains("(9.1.0)") && said.contains(format.what), "{said}");
    }
}

#[test]
fn a_backup_that_cannot_be_read_leaves_what_stood_in_its_way() {
    let (_dir, layout) = host();
    let bytes = backup_of(&layout);
    let taken = tempfile::tempdir().unwrap();
    std::fs::write(taken.path().join("x"), "mine").unwrap();
    let error = unpack_and_check(&mut &bytes[..], Path::new(&taken.path().join("x/y"))).unwrap_err();
    assert!(matches!(error, ArchiveError::System { .. }), "{error}");
    assert_eq!(std::fs::read(taken.path().join("x")).unwrap(), b"mine");
}

#[test]
fn whatever_byte_is_changed_it_is_refused_or_what_comes_back_is_the_same() {
    let (_dir, layout) = host();
    let whole = backup_of(&layout);
    let dir = tempfile::tempdir().unwrap();
    let unpack = |bytes: &[u8], name: &str| {
        let into = dir.path().join(name);
        let checked = unpack_and_check(&mut &bytes[..], &into).ok()?;
        Some((checked.digest, std::fs::read(into.join(PRIVATE).join("accounts.json")).unwrap()))
    };
    let sound = unpack(&whole, "sound").unwrap();
    let step = whole.len() / if std::env::var_os("POT_CONSOLE_LONG").is_some() { 5_000 } else { 120 };
    let mut refused = 0;
    for (number, at) in (7..whole.len()).step_by(step).enumerate() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (number % 8);
        match unpack(&changed, &number.to_string()) {
            // Between files stand zeros that say nothing.
            Some(other) => assert_eq!(other, sound, "byte {at}"),
            None => refused += 1,
        }
    }
    assert!(refused > 50, "{refused}");
}
