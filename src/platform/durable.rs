//! Waiting until what was written is on disk (fsync(2), fdatasync(2)).

use std::fs::File;
use std::io;
#[cfg(feature = "simulator")]
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many hold that nothing is to be waited for.
#[cfg(feature = "simulator")]
static NOT_AWAITED: AtomicUsize = AtomicUsize::new(0);

/// While one exists, nothing in this process is waited for: for the past of a simulated host, which is made within
/// moments and, after a power cut, made again. No other build has it, so none can be talked into it.
#[cfg(feature = "simulator")]
#[derive(Debug)]
pub(crate) struct NotAwaited(());

#[cfg(feature = "simulator")]
impl NotAwaited {
    pub(crate) fn begin() -> Self {
        NOT_AWAITED.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

#[cfg(feature = "simulator")]
impl Drop for NotAwaited {
    fn drop(&mut self) {
        NOT_AWAITED.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
std::thread_local! {
    static ASKED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// How often this thread has asked for something to be on disk.
#[cfg(test)]
pub(crate) fn times_asked() -> usize {
    ASKED.get()
}

fn is_awaited() -> bool {
    #[cfg(test)]
    ASKED.set(ASKED.get() + 1);
    #[cfg(feature = "simulator")]
    return NOT_AWAITED.load(Ordering::SeqCst) == 0;
    #[cfg(not(feature = "simulator"))]
    true
}

/// The file's bytes and all that is known of it are on disk when this returns.
pub(crate) fn sync_all(file: &File) -> io::Result<()> {
    if is_awaited() { file.sync_all() } else { Ok(()) }
}

/// Its bytes are on disk when this returns, and what it takes to read them.
pub(crate) fn sync_data(file: &File) -> io::Result<()> {
    if is_awaited() { file.sync_data() } else { Ok(()) }
}
