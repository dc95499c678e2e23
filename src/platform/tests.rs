//! The system does what the functions promise.

use super::*;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn a_descriptor_travels_with_its_bytes() {
    let (here, there) = UnixStream::pair().unwrap();
    let file = tempfile::tempfile().unwrap();
    (&file).write_all(b"content").unwrap();
    send_with_fd(&here, b"hello", Some(file.as_fd())).unwrap();
    let mut buffer = [0; 64];
    let (count, received) = recv_with_fd(&there, &mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"hello");
    let received = std::fs::File::from(received.unwrap());
    assert_eq!(std::os::unix::fs::FileExt::read_at(&received, &mut buffer, 0).unwrap(), 7);
    send_with_fd(&here, b"bare", None).unwrap();
    assert!(recv_with_fd(&there, &mut buffer).unwrap().1.is_none());
    drop(here);
    assert_eq!(recv_with_fd(&there, &mut buffer).unwrap().0, 0);
}

#[test]
fn handed_over_descriptors_stand_at_three_and_four_and_nothing_else_does() {
    for _ in 0..20 {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (second_ours, second_theirs) = UnixStream::pair().unwrap();
        // In the wrong order on purpose: 3 must not be overwritten before it is moved.
        let descriptors = vec![OwnedFd::from(second_theirs), OwnedFd::from(theirs)];
        let mut command = Command::new("/bin/sh");
        let script =
            "printf three >&3; printf four >&4; for n in 5 6 7 8 9; do (: <&$n) 2>/dev/null && echo leak; done";
        command.args(["-c", script]).stdout(Stdio::piped());
        hand_over(&mut command, descriptors).unwrap();
        let output = command.output().unwrap();
        drop(command);
        assert_eq!(output.stdout, b"");
        let mut text = String::new();
        (&second_ours).read_to_string(&mut text).unwrap();
        assert_eq!(text, "three");
        text.clear();
        (&ours).read_to_string(&mut text).unwrap();
        assert_eq!(text, "four");
    }
    // A program that cannot be started is still told, whatever stands at the places.
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new("/no/such/program");
    hand_over(&mut command, vec![theirs.into()]).unwrap();
    assert_eq!(command.spawn().unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn only_regular_files_are_opened_for_reading_and_never_wait() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("file"), "x").unwrap();
    nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::os::unix::fs::symlink("file", path("link")).unwrap();
    assert!(open_for_reading(&path("file")).is_ok());
    for name in ["fifo", "link", "none", "."] {
        assert!(open_for_reading(&path(name)).is_err(), "{name}");
    }
    assert!(open_for_reading(Path::new("/dev/null")).is_err());
    let flags = nix::fcntl::fcntl(open_for_reading(&path("file")).unwrap(), nix::fcntl::FcntlArg::F_GETFD).unwrap();
    assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
}

#[test]
fn a_boot_has_one_name() {
    assert!(!boot_id().unwrap().is_empty());
    assert_eq!(boot_id().unwrap(), boot_id().unwrap());
    assert!(!in_jail() || cfg!(target_os = "freebsd"));
}

#[test]
fn the_clock_of_the_boot_goes_forward_and_is_the_same_for_another_process() {
    let before = since_boot_ms();
    std::thread::sleep(std::time::Duration::from_millis(30));
    let after = since_boot_ms();
    assert!(before > 0 && (30..30_000).contains(&(after - before)), "{before} {after}");
    #[cfg(target_os = "linux")]
    {
        // proc(5): seconds since the boot, sleep included.
        let told = Command::new("cat").arg("/proc/uptime").output().unwrap();
        let told: f64 = String::from_utf8(told.stdout).unwrap().split(' ').next().unwrap().parse().unwrap();
        let own = std::time::Duration::from_millis(u64::try_from(after).unwrap()).as_secs_f64();
        assert!((told - own).abs() < 30.0, "{told} {own}");
    }
}

#[test]
fn a_plain_file_has_no_blocking_flags_and_a_missing_one_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(blocking_flags(file.path()).unwrap(), Vec::<&str>::new());
    assert!(blocking_flags(Path::new("/no/such/file")).is_err());
}

/// The part that runs in a process of its own: gives up everything, then looks.
#[test]
fn power_that_was_given_up_does_not_come_back() {
    let Some(dir) = std::env::var_os("POT_CONSOLE_TEST_PLATFORM") else {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::write(dir.path().join("inside"), "x").unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "x").unwrap();
        std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--test-threads=1", "platform::tests::power_that_was_given_up_does_not_come_back"])
            .env("POT_CONSOLE_TEST_PLATFORM", dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    };
    chroot_to(Path::new(&dir)).unwrap();
    switch_user(65534, 65533, &[]).unwrap();
    no_new_privileges().unwrap();
    no_core_dumps().unwrap();
    no_tracing().unwrap();
    die_with_parent().unwrap();
    set_process_title("pot-console: web");
    let users = nix::unistd::getresuid().unwrap();
    assert_eq!([users.real, users.effective, users.saved].map(nix::unistd::Uid::as_raw), [65534; 3]);
    assert_eq!(nix::unistd::getgroups().unwrap(), [nix::unistd::Gid::from_raw(65533)]);
    assert!(Path::new("/inside").exists() && !Path::new("/etc").exists());
    assert!(std::fs::read("/secret").is_err());
    assert!(nix::unistd::setuid(nix::unistd::Uid::from_raw(0)).is_err());
    assert!(nix::unistd::setgid(nix::unistd::Gid::from_raw(0)).is_err());
    let limits = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_CORE).unwrap();
    assert_eq!(limits, (0, 0));
    assert!(switch_user(0, 0, &[]).is_err());
}

#[test]
fn every_descriptor_above_is_marked() {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "for n in 3 4 5 6 7 8 9; do (: <&$n) 2>/dev/null && echo leak; done; :"]);
    let leaky = nix::unistd::dup(std::io::stdin()).unwrap();
    assert!(leaky.as_raw_fd() > 2);
    prepare_command(&mut command, false);
    assert_eq!(command.output().unwrap().stdout, b"");
}

/// What this process holds in memory, in bytes. Elsewhere than on Linux nothing tells it this way, and nothing is set.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_large_piece_of_work_took_goes_back_to_the_system_each_time() {
    give_memory_back();
    // In a thread, as the executor does it: its memory is none of the first thread's.
    std::thread::spawn(|| {
        let before = resident();
        for _ in 0..3 {
            let block = std::hint::black_box(vec![1_u8; 19 << 20]);
            assert!(resident() > before + (18 << 20));
            drop(block);
            assert!(resident() < before + (4 << 20), "{} MiB are held", (resident() - before) >> 20);
        }
    })
    .join()
    .unwrap();
}
