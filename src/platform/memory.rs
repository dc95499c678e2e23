//! What an idle process holds.

/// Memory that was freed goes back to the system, in this process, from now on: what a password's hash, a look at the
/// host or a large page took is not held until the next one. mallopt(3): blocks above a limit are mapped by themselves and
/// unmapped when they are freed (glibc raises the limit to the largest block that was ever freed, unless it is told one),
/// and threads share few arenas. To be called before threads are started.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub(crate) fn give_memory_back() {
    const MAPPED_FROM: libc::c_int = 2 << 20;
    const TRIMMED_FROM: libc::c_int = 1 << 20;
    const ARENAS: libc::c_int = 2;
    let wanted =
        [(libc::M_MMAP_THRESHOLD, MAPPED_FROM), (libc::M_TRIM_THRESHOLD, TRIMMED_FROM), (libc::M_ARENA_MAX, ARENAS)];
    for (what, value) in wanted {
        // SAFETY: takes two integers, and no other thread allocates yet. What it does not take stays as it was.
        unsafe { libc::mallopt(what, value) };
    }
}

/// What was freed between blocks that are still in use goes back to the system now: after many connections or a look at a
/// large host. malloc_trim(3). To be called now and then; it holds up whoever allocates for some milliseconds.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub(crate) fn trim_memory() {
    // SAFETY: takes an integer, and touches nothing that is in use.
    unsafe { libc::malloc_trim(0) };
}

/// Memory that was freed goes back to the system by itself: jemalloc(3) purges what is not used, and at once the arena of
/// its own in which it has blocks of 8 MiB and more (`oversize_threshold`).
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_memory_back() {}

/// See [`give_memory_back`].
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn trim_memory() {}
