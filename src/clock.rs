//! The console's two clocks. What is decided by time goes by the clock that counts from the machine's start: nobody sets
//! it, and every process of one boot reads the same. The wall clock only says when something was, for people.

use crate::platform;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// A time of this boot: milliseconds since the machine started. Of another boot it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SinceBoot(pub i64);

impl SinceBoot {
    /// This much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long it is from `earlier` to this; nothing when that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Where the executor, its journal and its engine have the time from. Tests and the past of a simulated host hand in
/// clocks of their own.
#[derive(Clone)]
pub struct Clock {
    boot: Arc<dyn Fn() -> SinceBoot + Send + Sync>,
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Clock {
    /// A clock of one's own.
    pub fn new(
        boot: impl Fn() -> SinceBoot + Send + Sync + 'static,
        wall: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Self { boot: Arc::new(boot), wall: Arc::new(wall) }
    }

    /// The time by which things are decided.
    pub fn boot(&self) -> SinceBoot {
        (self.boot)()
    }

    /// The time that is shown.
    pub fn wall(&self) -> Timestamp {
        (self.wall)()
    }
}

impl Default for Clock {
    /// The machine's.
    fn default() -> Self {
        Self::new(|| SinceBoot(platform::since_boot_ms()), Timestamp::now)
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock").field("boot", &self.boot()).field("wall", &self.wall()).finish()
    }
}
