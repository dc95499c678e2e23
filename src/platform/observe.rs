//! What the system says about processes, files and itself.

use std::ffi::CString;
use std::io;
use std::path::Path;

/// What ps(1) shows of this process. setproctitle(3) on FreeBSD; on Linux only the first 15 bytes of the name.
#[cfg(target_os = "freebsd")]
#[allow(unsafe_code)]
pub(crate) fn set_process_title(title: &str) {
    let Ok(title) = CString::new(title) else { return };
    // SAFETY: both are NUL-terminated and copied before the call returns; the format takes exactly one string.
    unsafe { libc::setproctitle(c"-%s".as_ptr(), title.as_ptr()) };
}

/// What ps(1) shows of this process. setproctitle(3) on FreeBSD; on Linux only the first 15 bytes of the name.
#[cfg(not(target_os = "freebsd"))]
pub(crate) fn set_process_title(title: &str) {
    if let Ok(name) = CString::new(title) {
        // Only for a person's eyes: nothing depends on it.
        let _ = nix::sys::prctl::set_name(&name);
    }
}

/// The file flags of `path` (symbolic links are not followed) that forbid changing, replacing or removing it, by
/// their names in chflags(1); empty when there is none. lstat(2) `st_flags` on FreeBSD; statx(2) attributes on Linux,
/// where `immutable` and `append-only` are what chattr(1) calls `i` and `a`.
#[cfg(target_os = "freebsd")]
pub(crate) fn blocking_flags(path: &Path) -> io::Result<Vec<&'static str>> {
    let flags = libc::c_ulong::from(nix::sys::stat::lstat(path)?.st_flags);
    let names = [
        (libc::SF_IMMUTABLE, "schg"),
        (libc::SF_APPEND, "sappnd"),
        (libc::SF_NOUNLINK, "sunlnk"),
        (libc::UF_IMMUTABLE, "uchg"),
        (libc::UF_APPEND, "uappnd"),
        (libc::UF_NOUNLINK, "uunlnk"),
    ];
    Ok(names.into_iter().filter(|(flag, _)| flags & flag != 0).map(|(_, name)| name).collect())
}

/// The file flags of `path` (symbolic links are not followed) that forbid changing, replacing or removing it, by
/// their names in chflags(1); empty when there is none. lstat(2) `st_flags` on FreeBSD; statx(2) attributes on Linux,
/// where `immutable` and `append-only` are what chattr(1) calls `i` and `a`.
#[cfg(not(target_os = "freebsd"))]
#[allow(unsafe_code)]
pub(crate) fn blocking_flags(path: &Path) -> io::Result<Vec<&'static str>> {
    use std::os::unix::ffi::OsStrExt as _;
    let name = CString::new(path.as_os_str().as_bytes())?;
    let mut answer = std::mem::MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the name is NUL-terminated and `answer` is as large as the structure that the call fills.
    let status =
        unsafe { libc::statx(libc::AT_FDCWD, name.as_ptr(), libc::AT_SYMLINK_NOFOLLOW, 0, answer.as_mut_ptr()) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, and all bytes were zero before, which is a valid value of this plain structure.
    let attributes = unsafe { answer.assume_init() }.stx_attributes;
    let names = [(libc::STATX_ATTR_IMMUTABLE, "immutable"), (libc::STATX_ATTR_APPEND, "append-only")];
    Ok(names
        .into_iter()
        .filter(|(flag, _)| u64::try_from(*flag).is_ok_and(|flag| attributes & flag != 0))
        .map(|(_, name)| name)
        .collect())
}

#[cfg(target_os = "freebsd")]
#[allow(unsafe_code)]
fn sysctl_bytes(name: &std::ffi::CStr, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = buffer.len();
    // SAFETY: the kernel writes at most `length` bytes to the buffer and the length it wrote to `length`.
    let status =
        unsafe { libc::sysctlbyname(name.as_ptr(), buffer.as_mut_ptr().cast(), &raw mut length, std::ptr::null(), 0) };
    if status == 0 { Ok(length.min(buffer.len())) } else { Err(io::Error::last_os_error()) }
}

/// Whether this process runs in a jail, where it could not do its work. jail(8): sysctl `security.jail.jailed`. Linux
/// has no jails.
#[cfg(target_os = "freebsd")]
pub(crate) fn in_jail() -> bool {
    let mut value = [0; 4];
    // A kernel without the variable has no jails.
    sysctl_bytes(c"security.jail.jailed", &mut value).is_ok() && value != [0; 4]
}

/// Whether this process runs in a jail, where it could not do its work. jail(8): sysctl `security.jail.jailed`. Linux
/// has no jails.
#[cfg(not(target_os = "freebsd"))]
pub(crate) fn in_jail() -> bool {
    false
}

/// A text that is the same until the machine starts again. sysctl(3) `kern.boot_id` (FreeBSD 14), before that the
/// time of the boot; `/proc/sys/kernel/random/boot_id` on Linux, random(4).
#[cfg(target_os = "freebsd")]
pub(crate) fn boot_id() -> io::Result<String> {
    let mut value = [0; 64];
    let (length, name) = match sysctl_bytes(c"kern.boot_id", &mut value) {
        Ok(length) => (length, "id"),
        Err(_) => (sysctl_bytes(c"kern.boottime", &mut value)?.min(8), "time"),
    };
    let mut text = format!("{name}-");
    for byte in &value[..length] {
        text.push_str(&format!("{byte:02x}"));
    }
    Ok(text)
}

/// A text that is the same until the machine starts again. sysctl(3) `kern.boot_id` (FreeBSD 14), before that the
/// time of the boot; `/proc/sys/kernel/random/boot_id` on Linux, random(4).
#[cfg(not(target_os = "freebsd"))]
pub(crate) fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Milliseconds since this machine started: the same for every process, never set, never stepped. clock_gettime(2):
/// `CLOCK_MONOTONIC` on FreeBSD, where the kernel counts it from the boot on (`CLOCK_BOOTTIME` is another name of it);
/// `CLOCK_BOOTTIME` on Linux, whose `CLOCK_MONOTONIC` stands still while the machine sleeps.
pub fn since_boot_ms() -> i64 {
    #[cfg(target_os = "freebsd")]
    let clock = nix::time::ClockId::CLOCK_MONOTONIC;
    #[cfg(not(target_os = "freebsd"))]
    let clock = nix::time::ClockId::CLOCK_BOOTTIME;
    // It fails for clocks that a kernel does not have, and each has this one. Were it to fail, all time would be over:
    // then nothing is kept, and what waits is put back.
    nix::time::clock_gettime(clock)
        .map_or(i64::MAX, |time| time.tv_sec().saturating_mul(1000).saturating_add(time.tv_nsec() / 1_000_000))
}

/// For tests of what a sudden death leaves behind: kills this process with SIGKILL when the environment variable
/// `POT_CONSOLE_CRASH_AT` names `step` (`replace-renamed`; `replace-renamed#3` for the third time it comes by).
/// Builds without debug assertions, which are those that are installed, ignore it.
pub(crate) fn crash_point(step: &'static str) {
    #[cfg(debug_assertions)]
    {
        use std::collections::HashMap;
        use std::sync::Mutex;
        static PASSED: Mutex<Option<HashMap<&'static str, u32>>> = Mutex::new(None);
        let Ok(wanted) = std::env::var("POT_CONSOLE_CRASH_AT") else { return };
        let (name, time) = match wanted.split_once('#') {
            Some((name, time)) => (name, time.parse().unwrap_or(1)),
            None => (wanted.as_str(), 1),
        };
        if name != step {
            return;
        }
        let Ok(mut passed) = PASSED.lock() else { return };
        let count = passed.get_or_insert_default().entry(step).or_default();
        *count += 1;
        if *count == time {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
            // The signal is on its way; nothing more may happen.
            loop {
                std::thread::park();
            }
        }
    }
    #[cfg(not(debug_assertions))]
    let _ = step;
}
