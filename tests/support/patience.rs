//! How long tests wait for what must come. The one place that says it.

use std::time::Duration;

/// Time for what takes a second on a quiet machine: a test that fails within it would fail on a machine a hundred times
/// slower, or has found something. Nobody waits that long who is not about to fail.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The processor time that this thread has worked. What goes on beside a test does not count, so that work which must not
/// grow with the square of its input can be held below a limit on any machine.
#[allow(dead_code, clippy::expect_used, reason = "for tests, of which not every crate measures work")]
pub fn worked() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the thread's clock").into()
}
