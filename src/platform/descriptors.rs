//! File descriptors: what a child inherits, what travels over a socket, how a file is opened.

use nix::cmsg_space;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Highest descriptor that is looked at where the kernel cannot work on a range.
const FALLBACK_DESCRIPTORS: RawFd = 4096;

#[allow(unsafe_code)]
fn range(first: RawFd, flags: libc::c_uint) -> bool {
    let (Ok(first), Ok(flags)) = (libc::c_uint::try_from(first), libc::c_int::try_from(flags)) else { return false };
    // SAFETY: takes three integers. Closing is asked for only by `close_descriptors_from`, whose caller vouches
    // that nothing at or above `first` is owned.
    unsafe { libc::close_range(first, libc::c_uint::MAX, flags) == 0 }
}

/// Every descriptor from `first` on is closed when this process executes another program. close_range(2) with
/// `CLOSE_RANGE_CLOEXEC` (FreeBSD 14, Linux 5.11), else fcntl(2) one by one. Safe between fork and exec.
#[allow(unsafe_code)]
pub(crate) fn mark_descriptors_from(first: RawFd) {
    if range(first, libc::CLOSE_RANGE_CLOEXEC) {
        return;
    }
    for number in first.max(0)..FALLBACK_DESCRIPTORS {
        // SAFETY: only a flag of the descriptor is set; a number that is not open answers EBADF.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// Closes every descriptor from `first` on: what a freshly executed process was not meant to inherit. To be called
/// first thing, before anything that owns a descriptor exists. close_range(2), else close(2) one by one.
#[allow(unsafe_code)]
pub(crate) fn close_descriptors_from(first: RawFd) {
    if range(first, 0) {
        return;
    }
    for number in first.max(0)..FALLBACK_DESCRIPTORS {
        // SAFETY: by contract nothing in this process owns a descriptor at or above `first`.
        unsafe { libc::close(number) };
    }
}

/// Makes `command` start with descriptors 0, 1 and 2 alone, in a process group of its own. With `ends_with_us` it is
/// killed when this process ends (on Linux: the thread that starts it, which has to wait for it); what it has started
/// itself by then goes on.
#[allow(unsafe_code)]
pub(crate) fn prepare_command(command: &mut Command, ends_with_us: bool) {
    command.process_group(0);
    // SAFETY: between fork and exec only close_range(2) or fcntl(2), and procctl(2) or prctl(2), are called; nothing is
    // allocated.
    unsafe {
        command.pre_exec(move || {
            mark_descriptors_from(3);
            if ends_with_us {
                super::die_with_parent()?;
            }
            Ok(())
        });
    }
}

/// Makes `command` start with `descriptors` as its descriptors 3, 4, 5 … and no other above 2, in a session of its
/// own: without a controlling terminal it can push nothing into the one that root types in (ioctl(2) `TIOCSTI`), and
/// what is typed there to interrupt its parent is its parent's to handle. setsid(2).
///
/// # Errors
/// No descriptor is left to hold the places free.
#[allow(unsafe_code)]
pub(crate) fn hand_over(command: &mut Command, descriptors: Vec<OwnedFd>) -> io::Result<()> {
    let count = RawFd::try_from(descriptors.len()).map_err(io::Error::other)?;
    let end = 3 + count;
    // The standard library tells a failed exec through a pipe of its own, made at the spawn. Were its number among
    // the places, dup2 would close it; placeholders keep the numbers taken until then.
    let mut placeholders = Vec::new();
    loop {
        let next = File::open("/dev/null")?;
        if next.as_raw_fd() >= end {
            break;
        }
        placeholders.push(next);
    }
    let mut raised = vec![-1; descriptors.len()];
    // SAFETY: between fork and exec only setsid(2), fcntl(2), dup2(2) and close_range(2) are called; the vectors were
    // allocated before and are only read and written in place.
    unsafe {
        command.pre_exec(move || {
            let _kept = &placeholders;
            nix::unistd::setsid()?;
            for (place, descriptor) in raised.iter_mut().zip(&descriptors) {
                // First out of the way of all places, or one could overwrite another that is still to be moved.
                *place = libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD, end.max(10));
                if *place < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            for (number, place) in (3..).zip(&raised) {
                if libc::dup2(*place, number) < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            mark_descriptors_from(end);
            Ok(())
        });
    }
    Ok(())
}

/// Sends `bytes`, and with their first part a descriptor. unix(4), sendmsg(2) with `SCM_RIGHTS`.
///
/// # Errors
/// The peer is gone, or the socket is not blocking and full.
pub fn send_with_fd(stream: &UnixStream, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let Some(descriptor) = descriptor else { return (&mut &*stream).write_all(bytes) };
    let numbers = [descriptor.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&numbers)];
    let sent = loop {
        let pieces = [IoSlice::new(bytes)];
        match sendmsg::<()>(stream.as_raw_fd(), &pieces, &rights, MsgFlags::MSG_NOSIGNAL, None) {
            Ok(sent) => break sent,
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    };
    // A stream may take only a part; the descriptor went with it.
    (&mut &*stream).write_all(bytes.get(sent..).unwrap_or_default())
}

/// Sends as much as the socket takes at once, and with the first part the descriptor: the number of bytes, 0 when it is
/// full. send(2) and sendmsg(2) with `MSG_DONTWAIT`.
///
/// # Errors
/// The peer is gone.
pub(crate) fn send_at_once(stream: &UnixStream, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<usize> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let number = descriptor.map(|descriptor| [descriptor.as_raw_fd()]);
    let rights = number.as_ref().map(|number| ControlMessage::ScmRights(number));
    loop {
        let pieces = [IoSlice::new(bytes)];
        match sendmsg::<()>(stream.as_raw_fd(), &pieces, rights.as_slice(), flags, None) {
            Ok(sent) => return Ok(sent),
            // FreeBSD says ENOBUFS of a message that does not fit with its descriptor.
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::ENOBUFS) => return Ok(0),
            Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Receives what is there, at most `buffer`, and a descriptor if one came along (closed on exec). 0 bytes is the
/// end. Descriptors beyond the first are closed. unix(4), recvmsg(2) with `SCM_RIGHTS`.
#[allow(unsafe_code)]
pub(crate) fn recv_with_fd(stream: &UnixStream, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    loop {
        let mut space = cmsg_space!([RawFd; 4]);
        let mut pieces = [IoSliceMut::new(buffer)];
        let message = match recvmsg::<()>(stream.as_raw_fd(), &mut pieces, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)
        {
            Ok(message) => message,
            Err(nix::errno::Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        let mut received = None;
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(numbers) = part {
                for number in numbers {
                    // SAFETY: the kernel has just made this descriptor for us and no one else knows of it.
                    let owned = unsafe { OwnedFd::from_raw_fd(number) };
                    received.get_or_insert(owned);
                }
            }
        }
        return Ok((message.bytes, received));
    }
}

/// Opens a regular file for reading: the last part of the path may not be a symbolic link, and neither a FIFO nor
/// a device holds up the caller. open(2) `O_NOFOLLOW`, `O_NONBLOCK`.
///
/// # Errors
/// `ErrorKind::InvalidInput` when it is not a regular file, else what open(2) says.
pub(crate) fn open_for_reading(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    set_blocking(file.as_fd())?;
    Ok(file)
}

fn set_blocking(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let flags = nix::fcntl::OFlag::from_bits_retain(fcntl(descriptor, FcntlArg::F_GETFL)?);
    fcntl(descriptor, FcntlArg::F_SETFL(flags - nix::fcntl::OFlag::O_NONBLOCK))?;
    fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(())
}

/// Takes over a descriptor that this process was started with. To be called once for each number, before anything
/// else owns descriptors.
///
/// # Errors
/// No such descriptor is open.
#[allow(unsafe_code)]
pub(crate) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl(2) on a number only asks whether it is open.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, came with the start of this process, and by contract nobody here owns it yet.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
