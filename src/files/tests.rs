//! What must hold of files whatever happens.

use super::*;
use crate::digest::Digest;
use crate::layout::Layout;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const QUIET: &dyn Fn(&'static str) = &|_| ();

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn private(dir: &Path) -> Layout {
    let layout = Layout::new(dir, None);
    make_private_dir(&layout.private()).unwrap();
    layout
}

#[test]
fn replacing_keeps_owner_group_and_mode() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pot.conf");
    std::fs::write(&path, "old").unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let is_root = nix::unistd::geteuid().is_root();
    if is_root {
        std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
    }
    let before = path.metadata().unwrap();
    let done = replace(&path, &Expected::Content(Digest::of(b"old")), b"new", QUIET).unwrap();
    assert_eq!((done.before, done.after), (Some(Digest::of(b"old")), Digest::of(b"new")));
    let after = path.metadata().unwrap();
    assert_eq!((after.uid(), after.gid(), after.mode()), (before.uid(), before.gid(), before.mode()));
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
    assert_eq!(names(dir.path()), ["pot.conf"]);
    assert!(!is_root || after.uid() == 1234);
}

#[test]
fn a_file_that_changed_meanwhile_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pot.conf");
    let conflict = |expected: Expected| match replace(&path, &expected, b"new", QUIET) {
        Err(FileError::Changed { found, .. }) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(conflict(Expected::Content(Digest::of(b"old"))), None);
    replace(&path, &Expected::Absent, b"theirs", QUIET).unwrap();
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o644);
    assert_eq!(conflict(Expected::Content(Digest::of(b"old"))), Some(Digest::of(b"theirs")));
    assert_eq!(conflict(Expected::Absent), Some(Digest::of(b"theirs")));
    assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
    assert_eq!(names(dir.path()), ["pot.conf"]);
}

#[test]
fn links_are_followed_within_the_folder_and_never_out_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let etc = dir.path().join("etc");
    std::fs::create_dir_all(etc.join("sub")).unwrap();
    std::fs::write(etc.join("real.conf"), "old").unwrap();
    std::fs::write(dir.path().join("outside"), "old").unwrap();
    symlink("real.conf", etc.join("pot.conf")).unwrap();
    let done = replace(&etc.join("pot.conf"), &Expected::Anything, b"new", QUIET).unwrap();
    assert!(done.path.ends_with("etc/real.conf"));
    assert!(etc.join("pot.conf").symlink_metadata().unwrap().is_symlink());
    assert_eq!(std::fs::read(etc.join("real.conf")).unwrap(), b"new");
    let layout = Layout::new(dir.path(), None);
    let here = HostPath::of(&layout, &etc.join("pot.conf")).unwrap();
    assert_eq!(here.read(10).unwrap(), b"new");
    assert_eq!((here.real, here.leads_to.as_deref()), (etc.join("real.conf"), Some("/etc/real.conf")));

    for (name, target) in
        [("a", "../outside"), ("b", "sub/inside"), ("c", "a"), ("ring", "ring"), ("nowhere", "../missing/file")]
    {
        symlink(target, etc.join(name)).unwrap();
        let error = replace(&etc.join(name), &Expected::Anything, b"new", QUIET).unwrap_err();
        assert!(matches!(error, FileError::LinkLeaves { .. }), "{name}: {error}");
    }
    symlink(dir.path().join("outside"), etc.join("absolute")).unwrap();
    assert!(replace(&etc.join("absolute"), &Expected::Anything, b"new", QUIET).is_err());
    assert_eq!(std::fs::read(dir.path().join("outside")).unwrap(), b"old");
    assert!(names(&etc).iter().all(|name| !name.contains("pot-console")));
}

#[test]
fn what_someone_else_put_in_the_way_is_neither_written_to_nor_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let (path, unfinished) = (dir.path().join("pot.conf"), dir.path().join(".pot.conf.pot-console"));
    let other = dir.path().join("passwd");
    std::fs::write(&path, "old").unwrap();
    std::fs::write(&other, "root:*:0:0").unwrap();
    // Another name of a file that has nothing to do with this.
    std::fs::hard_link(&other, &unfinished).unwrap();
    replace(&path, &Expected::Content(Digest::of(b"old")), b"new", QUIET).unwrap();
    assert_eq!(std::fs::read(&other).unwrap(), b"root:*:0:0");
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
    assert_eq!(path.metadata().unwrap().nlink(), 1);
    // A file that someone else owns and holds open; so does one look that a sudden death left after the change of owner.
    if nix::unistd::geteuid().is_root() {
        std::fs::write(&unfinished, "theirs").unwrap();
        std::os::unix::fs::chown(&unfinished, Some(1234), Some(1234)).unwrap();
        let held = std::fs::File::options().write(true).open(&unfinished).unwrap();
        replace(&path, &Expected::Content(Digest::of(b"new")), b"newer", QUIET).unwrap();
        std::os::unix::fs::FileExt::write_at(&held, b"evil", 0).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"newer");
        assert_eq!(path.metadata().unwrap().uid(), 0);
    }
    assert_eq!(names(dir.path()), ["passwd", "pot.conf"]);
}

#[test]
fn folders_fifos_and_hard_links_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::create_dir(path("folder")).unwrap();
    nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::fs::write(path("one"), "x").unwrap();
    std::fs::hard_link(path("one"), path("two")).unwrap();
    for name in ["folder", "fifo"] {
        assert!(matches!(replace(&path(name), &Expected::Anything, b"", QUIET), Err(FileError::NotRegular(_))));
        assert!(matches!(read_limited(&path(name), 10), Err(FileError::NotRegular(_))), "{name}");
    }
    let error = replace(&path("one"), &Expected::Anything, b"new", QUIET).unwrap_err();
    assert!(matches!(error, FileError::HardLinks { names: 2, .. }), "{error}");
    assert!(matches!(read_limited(&path("none"), 10), Err(FileError::Missing(_))));
    assert!(matches!(replace(&path("no/where"), &Expected::Anything, b"", QUIET), Err(FileError::Missing(_))));
    symlink("one", path("link")).unwrap();
    assert!(read_limited(&path("link"), 10).is_err());
    assert_eq!(read_limited(&path("one"), 1).unwrap(), b"x");
    assert!(matches!(read_limited(&path("one"), 0), Err(FileError::TooLarge { .. })));
    assert!(names(dir.path()).iter().all(|name| !name.contains("pot-console")));
}

#[test]
fn an_immutable_file_or_folder_is_refused_by_the_name_of_its_flag() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pot.conf");
    std::fs::write(&path, "old").unwrap();
    for (victim, set, clear) in [(path.as_path(), "+i", "-i"), (dir.path(), "+i", "-i"), (path.as_path(), "+a", "-a")] {
        let chattr = |flag: &str| Command::new("chattr").arg(flag).arg(victim).output();
        if !chattr(set).is_ok_and(|output| output.status.success()) {
            // Not root, or a file system without such flags: there is nothing to refuse.
            return;
        }
        let error = replace(&path, &Expected::Anything, b"new", QUIET);
        chattr(clear).unwrap();
        match error.unwrap_err() {
            FileError::Flags { path: named, flags } => {
                assert_eq!(named.canonicalize().unwrap(), victim.canonicalize().unwrap());
                assert_eq!(flags, [if set == "+i" { "immutable" } else { "append-only" }]);
            }
            other => panic!("{other}"),
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["pot.conf"]);
    }
}

#[test]
fn writers_of_one_file_wait_for_each_other_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("counter");
    std::fs::write(&path, "0").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut done = 0;
                while done < 25 {
                    let old = read_limited(&path, 100).unwrap();
                    let next = std::str::from_utf8(&old).unwrap().parse::<u32>().unwrap() + 1;
                    let expected = Expected::Content(Digest::of(&old));
                    match replace(&path, &expected, next.to_string().as_bytes(), QUIET) {
                        Ok(_) => done += 1,
                        Err(FileError::Changed { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    assert_eq!(std::fs::read(&path).unwrap(), b"200");
    assert_eq!(names(dir.path()), ["counter"]);
}

fn in_a_process(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--test-threads=1", test]).env("POT_CONSOLE_TEST_FILES", dir);
    command
}

/// The part that runs in a process of its own and is killed in the midst of it.
#[test]
fn replaces_a_file_after_keeping_its_old_content() {
    let Some(dir) = std::env::var_os("POT_CONSOLE_TEST_FILES") else {
        return replaces_in(tempfile::tempdir().unwrap().path());
    };
    replaces_in(Path::new(&dir));
}

fn replaces_in(dir: &Path) {
    let layout = private(dir);
    let path = dir.join("pot.conf");
    let crash: &dyn Fn(&'static str) = &crate::platform::crash_point;
    std::fs::write(&path, "old").unwrap();
    Backups::of(&layout).keep("pot.conf", "/pot.conf", b"old", Some(1)).unwrap();
    replace(&path, &Expected::Content(Digest::of(b"old")), b"new", crash).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
}

#[cfg(debug_assertions)]
#[test]
fn a_version_that_was_found_and_is_replaced_now_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let backups = Backups::of(&private(dir.path()));
    let keep = |bytes: &[u8], record| backups.keep("pot.conf", "/etc/pot.conf", bytes, record).unwrap();
    keep(b"one", None);
    keep(b"one", None);
    assert_eq!(keep(b"one", Some(4)).record, Some(4));
    keep(b"two", None);
    keep(b"one", None);
    backups.keep("pf.conf", "/etc/pf.conf", b"one", None).unwrap();
    keep(b"one", Some(9));
    let kept = backups.list(Some("pot.conf")).unwrap();
    let told: Vec<_> = kept.iter().map(|kept| (kept.size, kept.digest == Digest::of(b"one"), kept.record)).collect();
    assert_eq!(told, [(3, true, Some(9)), (3, false, None), (3, true, Some(4))]);
}

#[test]
fn a_version_says_when_it_was_replaced_not_when_it_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let of = |hour: i64| {
        let wall = move || jiff::Timestamp::from_second(1_700_000_000 + hour * 3600).unwrap();
        let clock = crate::clock::Clock::new(|| crate::clock::SinceBoot(0), wall);
        Backups::of(&private(dir.path())).with_clock(clock)
    };
    let at = |hour| of(hour).list(None).unwrap()[0].at.as_second() - 1_700_000_000;
    let keep = |hour, record| of(hour).keep("pot.conf", "/etc/pot.conf", b"one", record).unwrap();
    keep(1, None);
    keep(2, None);
    assert_eq!(at(0), 3600, "found, it is told by when it was found first");
    keep(30, Some(7));
    assert_eq!(at(0), 30 * 3600);
}

#[test]
fn a_sudden_death_at_any_step_leaves_the_old_or_the_new_file_and_readable_backups() {
    // A backup writes its object and its index by replacing, too: the third replacement is the file's own.
    let steps = ["begin", "written", "synced", "renamed", "done"];
    let replacements = steps.iter().flat_map(|step| (1..=3).map(move |time| format!("replace-{step}#{time}")));
    let backups = ["backup-begin", "backup-kept", "backup-listed"].map(str::to_owned);
    for step in replacements.chain(backups) {
        let dir = tempfile::tempdir().unwrap();
        let mut child = in_a_process("files::tests::replaces_a_file_after_keeping_its_old_content", dir.path());
        let status = child.env("POT_CONSOLE_CRASH_AT", &step).stdout(std::process::Stdio::null()).status().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{step}");
        let path = dir.path().join("pot.conf");
        let content = std::fs::read(&path).unwrap();
        let expected: &[u8] =
            if ["replace-renamed#3", "replace-done#3"].contains(&step.as_str()) { b"new" } else { b"old" };
        assert_eq!(content, expected, "{step}");
        let backups = Backups::of(&private(dir.path()));
        for backup in backups.list(None).unwrap() {
            assert_eq!(backups.read(&backup.file, &backup.digest).unwrap(), b"old", "{step}");
        }
        clear_unfinished(&path).unwrap();
        assert_eq!(names(dir.path()), ["pot.conf", "var"], "{step}");
        replaces_in(dir.path());
    }
}

/// The part that runs on a small file system.
#[test]
fn a_full_or_read_only_disk_leaves_the_old_file_and_says_what_to_do() {
    let Some(dir) = std::env::var_os("POT_CONSOLE_TEST_FILES") else {
        let mount_point = tempfile::tempdir().unwrap();
        let name = "files::tests::a_full_or_read_only_disk_leaves_the_old_file_and_says_what_to_do";
        let inner = in_a_process(name, mount_point.path());
        let mut command = Command::new("unshare");
        let script = r#"mount -t tmpfs -o size=1m none "$0" || exit 77; exec "$@""#;
        command.args(["-m", "sh", "-c", script]).arg(mount_point.path()).arg(inner.get_program());
        command.args(inner.get_args()).env("POT_CONSOLE_TEST_FILES", mount_point.path());
        match command.output() {
            // Only root may mount, and only Linux has unshare.
            Ok(output) if output.status.code() == Some(77) || !nix::unistd::geteuid().is_root() => {}
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
        }
        return;
    };
    let dir = Path::new(&dir);
    let path = dir.join("pot.conf");
    std::fs::write(&path, "old").unwrap();
    let error = replace(&path, &Expected::Anything, &vec![b'x'; 2 << 20], QUIET).unwrap_err();
    assert_eq!(error.errno(), Some(nix::errno::Errno::ENOSPC));
    assert!(error.to_string().contains("make room") && error.to_string().contains("pot.conf"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(names(dir), ["pot.conf"]);

    let status = Command::new("mount").args(["-o", "remount,ro"]).arg(dir).status().unwrap();
    assert!(status.success());
    let error = replace(&path, &Expected::Anything, b"new", QUIET).unwrap_err();
    assert_eq!(error.errno(), Some(nix::errno::Errno::EROFS));
    assert!(error.to_string().contains("read-only"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
}

#[test]
fn the_same_content_is_kept_once_and_read_back_checked() {
    let dir = tempfile::tempdir().unwrap();
    let backups = Backups::of(&private(dir.path()));
    assert!(backups.list(None).unwrap().is_empty());
    for (content, record) in [("one", 1), ("two", 2), ("one", 3)] {
        backups.keep("pot.conf", "/usr/local/etc/pot/pot.conf", content.as_bytes(), Some(record)).unwrap();
    }
    backups.keep("pf.conf", "/etc/pf.conf", b"one", None).unwrap();
    let objects = dir.path().join("var/db/pot-console/root/backups/objects");
    assert_eq!(names(&objects).len(), 2);
    let listed = backups.list(Some("pot.conf")).unwrap();
    assert_eq!(listed.iter().map(|backup| backup.record).collect::<Vec<_>>(), [Some(3), Some(2), Some(1)]);
    assert_eq!(backups.list(None).unwrap().len(), 4);
    let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
    assert_eq!(backups.read("pot.conf", &two).unwrap(), b"two");
    // A version of another file is not one of this.
    assert!(matches!(backups.read("pf.conf", &two), Err(FileError::Backup { what: "missing", .. })));
    assert_eq!(objects.join(one.hex()).metadata().unwrap().mode() & 0o777, 0o600);

    std::fs::write(objects.join(one.hex()), "forged").unwrap();
    assert!(matches!(backups.read("pot.conf", &one), Err(FileError::Backup { what: "damaged", .. })));
    // Keeping it again heals it.
    backups.keep("pot.conf", "/usr/local/etc/pot/pot.conf", b"one", None).unwrap();
    assert_eq!(backups.read("pot.conf", &one).unwrap(), b"one");
    std::fs::remove_file(objects.join(one.hex())).unwrap();
    assert!(matches!(backups.read("pf.conf", &one), Err(FileError::Backup { what: "missing", .. })));
}

#[test]
fn pruning_keeps_the_newest_by_number_and_age_and_never_the_last_one_less() {
    let dir = tempfile::tempdir().unwrap();
    let backups = Backups::of(&private(dir.path()));
    for number in 0..10_u8 {
        backups.keep("pot.conf", "/pot.conf", &[number], None).unwrap();
    }
    backups.keep("pf.conf", "/etc/pf.conf", b"only", None).unwrap();
    assert_eq!(backups.prune(3, Duration::from_hours(1)).unwrap(), 0);
    assert_eq!(backups.prune(3, Duration::ZERO).unwrap(), 7);
    let left = backups.list(Some("pot.conf")).unwrap();
    assert_eq!(left.iter().map(|backup| backup.digest).collect::<Vec<_>>(), [9, 8, 7].map(|n| Digest::of(&[n])));
    assert_eq!(backups.prune(0, Duration::ZERO).unwrap(), 2);
    assert_eq!(backups.list(None).unwrap().len(), 2);
    assert_eq!(backups.read("pot.conf", &Digest::of(&[9])).unwrap(), [9]);
    assert_eq!(backups.read("pf.conf", &Digest::of(b"only")).unwrap(), b"only");
    let objects = dir.path().join("var/db/pot-console/root/backups/objects");
    assert_eq!(names(&objects).len(), 2);
}

#[test]
fn the_second_change_waits_or_learns_who_is_at_it() {
    let dir = tempfile::tempdir().unwrap();
    let layout = private(dir.path());
    let lock = Lock::acquire(&layout, "anna: saving\npot.conf", Duration::ZERO).unwrap();
    let Err(Busy::Held { who }) = Lock::acquire(&layout, "ben", Duration::from_millis(30)) else { panic!() };
    assert!(who.starts_with("anna: saving␊pot.conf (process "), "{who}");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| Lock::acquire(&layout, "ben", Duration::from_secs(10)).is_ok());
        std::thread::sleep(Duration::from_millis(50));
        drop(lock);
        assert!(waiting.join().unwrap());
    });
}

/// A host below a folder, and ways to make things on it.
struct Made {
    dir: tempfile::TempDir,
    layout: Layout,
}

impl Made {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let layout = Layout::new(dir.path(), None);
        Self { dir, layout }
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    fn file(&self, path: &str, text: &str) {
        std::fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        std::fs::write(self.at(path), text).unwrap();
    }

    fn link(&self, target: &str, path: &str) {
        std::fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        symlink(target, self.at(path)).unwrap();
    }

    fn mode(&self, path: &str, mode: u32) {
        std::fs::set_permissions(self.at(path), Permissions::from_mode(mode)).unwrap();
    }

    fn host_path(&self, path: &str) -> Result<HostPath, FileError> {
        HostPath::of(&self.layout, &self.layout.on_disk(path))
    }

    fn place(&self, path: &str) -> Place {
        Place::of(&self.layout, &self.layout.on_disk(path)).unwrap()
    }
}

#[test]
fn a_configuration_file_that_is_a_link_of_roots_is_read_and_written_where_it_leads() {
    let host = Made::new();
    host.file("/usr/local/etc/host/pf.conf", "pass\n");
    host.file("/usr/local/etc/host/rc.conf", "a=1\n");
    // As chroot would see them: absolute, relative, through a folder that is a link itself, out of the root by `..`.
    host.link("/usr/local/etc/host/pf.conf", "/etc/pf.conf");
    host.link("../usr/local/etc/host/rc.conf", "/etc/rc.conf");
    host.link("usr/local/etc/host", "/conf");
    host.link("/conf/../../../../../usr/local/etc/host/pf.conf", "/etc/round.conf");
    for (name, target) in [("pf.conf", "pf.conf"), ("rc.conf", "rc.conf"), ("round.conf", "pf.conf")] {
        let here = host.host_path(&format!("/etc/{name}")).unwrap();
        let target = format!("/usr/local/etc/host/{target}");
        assert_eq!((&here.real, here.leads_to.as_deref()), (&host.at(&target), Some(target.as_str())), "{name}");
    }
    host.file("/etc/plain.conf", "");
    assert_eq!(host.host_path("/etc/plain.conf").unwrap().leads_to, None);
    let through = host.host_path("/conf/pf.conf").unwrap();
    assert_eq!(
        (through.real, through.leads_to),
        (host.at("/usr/local/etc/host/pf.conf"), None),
        "a folder may be a link"
    );
    assert_eq!(host.host_path("/etc/none.conf").unwrap().real, host.at("/etc/none.conf"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: if std::env::var_os("POT_CONSOLE_LONG").is_some() { 20_000 } else { 300 },
        failure_persistence: None,
        ..proptest::prelude::ProptestConfig::default()
    })]

    /// Folders, files and links at random, held against where the kernel says that each path leads.
    #[test]
    fn a_path_leads_where_the_kernel_says_that_it_leads(
        made in proptest::collection::vec((0..3_u8, "([abc]/){0,2}[abc]", "(\\.\\./|[abc]/){0,3}([abc]|\\.\\.)", proptest::bool::ANY), 1..12),
        asked in proptest::collection::vec("(\\.\\./|[abc]/){0,3}[abc]", 1..6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        // As deep as no `..` above leads out of it.
        let base = base.join("1/2/3/4");
        std::fs::create_dir_all(&base).unwrap();
        for (kind, path, target, is_absolute) in made {
            let path = base.join(path);
            let _ = match kind {
                0 => std::fs::create_dir_all(&path),
                1 => std::fs::write(&path, ""),
                _ if is_absolute => symlink(base.join(target), &path),
                _ => symlink(target, &path),
            };
        }
        let layout = Layout::new(Path::new("/"), None);
        for path in asked {
            let path = base.join(path);
            match (path.canonicalize(), Place::of(&layout, &path)) {
                (Ok(real), Ok(place)) => {
                    proptest::prop_assert_eq!(&place.real, &real);
                    proptest::prop_assert!(place.found.is_some());
                }
                (Err(error), Ok(place)) => proptest::prop_assert!(place.found.is_none(), "{}: {error}", path.display()),
                (Err(error), Err(_)) => {
                    proptest::prop_assert_eq!(error.raw_os_error(), Some(libc::ELOOP), "{}", path.display());
                }
                (Ok(real), Err(error)) => proptest::prop_assert!(false, "{}: {error}", real.display()),
            }
        }
    }
}

#[test]
fn a_link_that_someone_else_could_turn_is_refused_with_the_folder_to_fix() {
    let host = Made::new();
    host.file("/home/anna/pf.conf", "pass\n");
    host.link("/home/anna/pf.conf", "/etc/pf.conf");
    host.mode("/home/anna", 0o777);
    let words = host.host_path("/etc/pf.conf").unwrap_err().to_string();
    assert!(words.starts_with("/etc/pf.conf is a link to /home/anna/pf.conf"), "{words}");
    assert!(words.contains("others than root can change /home/anna: give that to root"), "{words}");
    // The file's own mode, and a way over a folder of others that comes back to one of root's.
    host.mode("/home/anna", 0o755);
    assert!(host.host_path("/etc/pf.conf").is_ok());
    host.mode("/home/anna/pf.conf", 0o664);
    assert!(matches!(host.host_path("/etc/pf.conf"), Err(FileError::LinkExposed { .. })));
    host.file("/etc/real.conf", "");
    host.link("/etc/real.conf", "/home/ben/back");
    host.link("/home/ben/back", "/etc/back.conf");
    host.mode("/home/ben", 0o757);
    assert!(matches!(host.host_path("/etc/back.conf"), Err(FileError::LinkExposed { .. })));
    // Nothing, a folder, a ring.
    host.link("/nowhere/x", "/etc/dangling.conf");
    assert!(matches!(host.host_path("/etc/dangling.conf"), Err(FileError::LinkToNothing { .. })));
    host.link("/home", "/etc/folder.conf");
    assert!(matches!(host.host_path("/etc/folder.conf"), Err(FileError::NotRegular(_))));
    host.link("ring.conf", "/etc/ring.conf");
    assert!(host.host_path("/etc/ring.conf").unwrap_err().to_string().contains("too many"));
}

#[test]
fn another_name_of_a_file_of_roots_in_a_folder_of_others_is_not_read() {
    let host = Made::new();
    host.file("/etc/master.passwd", "root:secret\n");
    std::fs::create_dir_all(host.at("/home/anna")).unwrap();
    for folder in ["/home/anna", "/etc"] {
        std::fs::hard_link(host.at("/etc/master.passwd"), host.at(&format!("{folder}/pf.conf"))).unwrap();
    }
    host.mode("/home/anna", 0o777);
    let error = host.host_path("/home/anna/pf.conf").unwrap().read(100).unwrap_err();
    assert!(matches!(error, FileError::OtherNames { .. }), "{error}");
    assert_eq!(host.host_path("/etc/pf.conf").unwrap().read(100).unwrap(), b"root:secret\n", "root's own doing");
    host.file("/home/anna/own.conf", "pass\n");
    assert_eq!(host.host_path("/home/anna/own.conf").unwrap().read(100).unwrap(), b"pass\n");
}

#[test]
fn what_the_system_says_of_a_link_is_said_as_such_on_either_system() {
    for errno in [libc::ELOOP, libc::EMLINK] {
        let error = FileError::system("opening", Path::new("/etc/pf.conf"))(std::io::Error::from_raw_os_error(errno));
        assert!(error.to_string().starts_with("/etc/pf.conf is a symbolic link"), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    symlink("x", dir.path().join("link")).unwrap();
    assert!(matches!(read_limited(&dir.path().join("link"), 10), Err(FileError::IsLink(_))));
}

#[test]
fn only_what_root_alone_can_change_all_the_way_up_is_trusted() {
    let host = Made::new();
    host.file("/folder/hook", "#!/bin/sh\n");
    let roots = |path: &str| host.place(path).only_root_writes();
    assert!(roots("/folder/hook") && roots("/folder/missing/too"));
    for (path, bits) in
        [("/folder/hook", 0o775), ("/folder/hook", 0o757), ("/folder", 0o777), ("/folder", 0o775), ("/folder", 0o1777)]
    {
        host.mode(path, bits);
        assert!(!roots("/folder/hook"), "{path} {bits:o}");
        assert_eq!(host.place("/folder/hook").exposed(), Some(host.at(path).as_path()));
        host.mode(path, 0o755);
    }
    if nix::unistd::geteuid().is_root() {
        for path in ["/folder", "/folder/hook"] {
            std::os::unix::fs::chown(host.at(path), Some(1234), None).unwrap();
            assert!(!roots("/folder/hook"), "{path}");
            std::os::unix::fs::chown(host.at(path), Some(0), None).unwrap();
        }
    }
    // A link that anyone could have put there, and one through a folder of others.
    host.link("/folder/hook", "/open/link");
    host.mode("/open", 0o777);
    assert!(!roots("/open/link"));
    host.link("/open/link", "/folder/two");
    assert!(!roots("/folder/two"));
    host.link("hook", "/folder/good");
    host.link("../folder/./good", "/folder/better");
    assert!(roots("/folder/better"));
}

#[test]
fn in_a_sticky_folder_only_what_is_roots_already_stays_in_its_place() {
    let host = Made::new();
    host.file("/tmp/mine/x", "");
    host.mode("/tmp", 0o1777);
    assert!(host.place("/tmp").replaceable().is_none(), "nobody can replace it itself");
    assert!(host.place("/tmp/mine").replaceable().is_none());
    assert_eq!(host.place("/tmp/missing").replaceable(), Some(host.at("/tmp").as_path()));
    host.mode("/tmp", 0o777);
    assert_eq!(host.place("/tmp/mine").replaceable(), Some(host.at("/tmp").as_path()));
    if nix::unistd::geteuid().is_root() {
        host.mode("/tmp", 0o1777);
        std::os::unix::fs::chown(host.at("/tmp/mine"), Some(1234), None).unwrap();
        assert!(host.place("/tmp/mine/x").replaceable().is_some());
    }
}

#[test]
fn a_root_folder_of_others_is_refused_to_root() {
    let base = if nix::unistd::geteuid().is_root() { Path::new("/root") } else { return };
    let Ok(dir) = tempfile::tempdir_in(base) else { return };
    let mode = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let open = dir.path().join("open");
    let root = open.join("root");
    std::fs::create_dir_all(&root).unwrap();
    mode(&root, 0o755);
    assert!(check_root_dir(&root).is_ok());
    for bits in [0o777, 0o775, 0o1777] {
        mode(&root, bits);
        assert!(check_root_dir(&root).is_err(), "{bits:o}");
    }
    mode(&root, 0o700);
    std::os::unix::fs::chown(&root, Some(1234), None).unwrap();
    assert!(check_root_dir(&root).is_err());
    std::os::unix::fs::chown(&root, Some(0), None).unwrap();
    // A sticky folder above is no danger to a root folder, for no one can replace it there.
    mode(&open, 0o1777);
    assert!(check_root_dir(&root).is_ok());
    mode(&open, 0o777);
    assert!(check_root_dir(&root).is_err());
}
