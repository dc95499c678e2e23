//! How long tests wait for what must come. The one place that says it.

use std::time::Duration;

/// Time for what takes a second on a quiet machine: a test that fails within it would fail on a machine a hundred times
/// slower, or has found something. Nobody waits that long who is not about to fail.
pub const PATIENCE: Duration = Duration::from_secs(120);
