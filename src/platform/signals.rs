//! Signals as something to wait for: a handler that writes one byte, a socket that is read.
//!
//! Not by blocking them (sigwait): a blocked signal stays blocked in every program that is started, and then TERM
//! would not end it. Handlers are reset by exec.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

/// What a signal asks of the process that supervises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// SIGTERM or SIGINT: end.
    Stop,
    /// SIGHUP: read settings and certificate again.
    Reload,
    /// SIGCHLD: a child has ended.
    Child,
}

static WRITE_END: AtomicI32 = AtomicI32::new(-1);

#[allow(unsafe_code)]
extern "C" fn tell(signal: libc::c_int) {
    let errno = nix::errno::Errno::last_raw();
    let byte = [u8::try_from(signal).unwrap_or(0)];
    // SAFETY: write(2) is async-signal-safe, the byte lives during the call, the descriptor is never closed. A full
    // socket loses a byte: then others are in it that wake the reader.
    unsafe { libc::write(WRITE_END.load(Ordering::Relaxed), byte.as_ptr().cast(), 1) };
    nix::errno::Errno::set_raw(errno);
}

/// The signals of this process, once asked for.
#[derive(Debug)]
pub(crate) struct Signals(UnixStream);

impl Signals {
    /// Takes SIGTERM, SIGINT, SIGHUP and SIGCHLD over. sigaction(2).
    ///
    /// # Errors
    /// No descriptor is left, or it was called before.
    #[allow(unsafe_code)]
    pub fn take() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        write.set_nonblocking(true)?;
        if WRITE_END.compare_exchange(-1, write.as_raw_fd(), Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Err(io::Error::other("the signals are taken already"));
        }
        let _ = write.into_raw_fd();
        let action = SigAction::new(SigHandler::Handler(tell), SaFlags::SA_RESTART, SigSet::empty());
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
            // SAFETY: the handler calls only what signal-safety(7) allows.
            unsafe { sigaction(signal, &action) }?;
        }
        Ok(Self(read))
    }

    /// Waits for the next signal, at most `time`.
    ///
    /// # Errors
    /// Reading failed.
    pub fn wait(&mut self, time: Duration) -> io::Result<Option<Wake>> {
        self.0.set_read_timeout(Some(time.max(Duration::from_millis(1))))?;
        let mut byte = [0];
        match self.0.read(&mut byte) {
            Ok(_) => Ok(match i32::from(byte[0]) {
                libc::SIGTERM | libc::SIGINT => Some(Wake::Stop),
                libc::SIGHUP => Some(Wake::Reload),
                libc::SIGCHLD => Some(Wake::Child),
                _ => None,
            }),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
