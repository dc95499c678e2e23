//! Giving up power for good: users, root folder, privileges, dumps, tracing.

use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid};
use std::io;
use std::path::Path;

#[cfg(target_os = "freebsd")]
#[allow(unsafe_code)]
fn procctl_self(command: libc::c_int, mut value: libc::c_int) -> io::Result<()> {
    // SAFETY: these commands read one int through the pointer, which lives until the call has returned; the
    // process named is this one.
    let answer = unsafe {
        libc::procctl(
            libc::P_PID,
            libc::id_t::from(libc::getpid()),
            command,
            std::ptr::from_mut(&mut value).cast::<libc::c_void>(),
        )
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Neither this process nor what it starts gains privileges by exec any more: set-user-ID bits are ignored.
/// procctl(2) `PROC_NO_NEW_PRIVS_CTL` on FreeBSD, prctl(2) `PR_SET_NO_NEW_PRIVS` on Linux.
#[cfg(target_os = "freebsd")]
pub(crate) fn no_new_privileges() -> io::Result<()> {
    procctl_self(libc::PROC_NO_NEW_PRIVS_CTL, libc::PROC_NO_NEW_PRIVS_ENABLE)
}

/// Neither this process nor what it starts gains privileges by exec any more: set-user-ID bits are ignored.
/// procctl(2) `PROC_NO_NEW_PRIVS_CTL` on FreeBSD, prctl(2) `PR_SET_NO_NEW_PRIVS` on Linux.
#[cfg(not(target_os = "freebsd"))]
pub(crate) fn no_new_privileges() -> io::Result<()> {
    Ok(nix::sys::prctl::set_no_new_privs()?)
}

/// No core file: what is in memory (passwords, tokens, keys) never reaches the disk. setrlimit(2) `RLIMIT_CORE`.
pub(crate) fn no_core_dumps() -> io::Result<()> {
    Ok(setrlimit(Resource::RLIMIT_CORE, 0, 0)?)
}

/// No other process of the same user may trace this one or read its memory.
/// procctl(2) `PROC_TRACE_CTL` on FreeBSD, prctl(2) `PR_SET_DUMPABLE` on Linux (where changing the user resets it:
/// call it after [`switch_user`]).
#[cfg(target_os = "freebsd")]
pub(crate) fn no_tracing() -> io::Result<()> {
    procctl_self(libc::PROC_TRACE_CTL, libc::PROC_TRACE_CTL_DISABLE)
}

/// No other process of the same user may trace this one or read its memory.
/// procctl(2) `PROC_TRACE_CTL` on FreeBSD, prctl(2) `PR_SET_DUMPABLE` on Linux (where changing the user resets it:
/// call it after [`switch_user`]).
#[cfg(not(target_os = "freebsd"))]
pub(crate) fn no_tracing() -> io::Result<()> {
    Ok(nix::sys::prctl::set_dumpable(false)?)
}

/// This process is killed when its parent ends. To be called after [`switch_user`] (on Linux changing the user
/// clears it). A parent that had ended before is not noticed: look at the control socket's end of file, too.
/// procctl(2) `PROC_PDEATHSIG_CTL` on FreeBSD, prctl(2) `PR_SET_PDEATHSIG` on Linux (there the *thread* that
/// started the process counts as parent).
#[cfg(target_os = "freebsd")]
pub(crate) fn die_with_parent() -> io::Result<()> {
    procctl_self(libc::PROC_PDEATHSIG_CTL, libc::SIGKILL)
}

/// This process is killed when its parent ends. To be called after [`switch_user`] (on Linux changing the user
/// clears it). A parent that had ended before is not noticed: look at the control socket's end of file, too.
/// procctl(2) `PROC_PDEATHSIG_CTL` on FreeBSD, prctl(2) `PR_SET_PDEATHSIG` on Linux (there the *thread* that
/// started the process counts as parent).
#[cfg(not(target_os = "freebsd"))]
pub(crate) fn die_with_parent() -> io::Result<()> {
    Ok(nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?)
}

/// Makes `dir` this process's root folder and stands in it. chroot(2); FreeBSD refuses it while a folder is open
/// (`kern.chroot_allow_open_directories`), so close what is not needed first.
pub(crate) fn chroot_to(dir: &Path) -> io::Result<()> {
    nix::unistd::chdir(dir)?;
    nix::unistd::chroot(".")?;
    Ok(nix::unistd::chdir("/")?)
}

/// Becomes another user for good: groups, then group, then user (real, effective and saved), and checks that none
/// of them can come back. setgroups(2), setresgid(2), setresuid(2).
///
/// # Errors
/// A call failed, or the process could still go back to another user; it must end then.
pub(crate) fn switch_user(uid: u32, gid: u32, groups: &[u32]) -> io::Result<()> {
    use nix::unistd::{getgroups, getresgid, getresuid, setgroups, setresgid, setresuid, setuid};
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let mut wanted: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
    if wanted.is_empty() {
        // FreeBSD before 15 keeps the effective group at the head of this list: it must not be root's.
        wanted.push(group);
    }
    setgroups(&wanted)?;
    setresgid(group, group, group)?;
    setresuid(user, user, user)?;

    let (users, group_ids) = (getresuid()?, getresgid()?);
    let kept = [users.real, users.effective, users.saved].iter().all(|id| *id == user)
        && [group_ids.real, group_ids.effective, group_ids.saved].iter().all(|id| *id == group)
        && getgroups()?.iter().all(|id| *id == group || wanted.contains(id));
    if !kept {
        return Err(io::Error::other("the process did not become the user that was asked for"));
    }
    if !user.is_root() && (setuid(Uid::from_raw(0)).is_ok() || nix::unistd::seteuid(Uid::from_raw(0)).is_ok()) {
        return Err(io::Error::other("the process could go back to root"));
    }
    Ok(())
}
