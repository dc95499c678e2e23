//! What differs between FreeBSD and Linux: the only place with `cfg(target_os)` and `unsafe`.
//!
//! FreeBSD comes first, it is what the console is made for; Linux is where it is developed and shown. Every
//! function names the manual pages that it follows.

mod confine;
mod descriptors;
mod durable;
mod memory;
mod observe;
mod signals;

pub(crate) use confine::{chroot_to, die_with_parent, no_core_dumps, no_new_privileges, no_tracing, switch_user};
pub use descriptors::send_with_fd;
pub(crate) use descriptors::{
    close_descriptors_from, hand_over, inherited, open_for_reading, prepare_command, recv_with_fd, send_at_once,
};
#[cfg(feature = "simulator")]
pub(crate) use durable::NotAwaited;
#[cfg(test)]
pub(crate) use durable::times_asked;
pub(crate) use durable::{sync_all, sync_data};
pub(crate) use memory::{give_memory_back, trim_memory};
pub use observe::since_boot_ms;
pub(crate) use observe::{blocking_flags, boot_id, crash_point, in_jail, set_process_title};
pub(crate) use signals::{Signals, Wake};

#[cfg(test)]
mod tests;
