//! A pace for the lines of root's log: what repeats because someone keeps asking is counted instead of filling the disk.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines of one kind (one place of the program) that are written within [`WINDOW`].
const MOST: u32 = 30;
/// The time in which they are counted.
const WINDOW: Duration = Duration::from_mins(1);

/// Counts lines by the place of the program that writes them. Lines for looking for faults (`debug`, `trace`) are
/// written as root asked for them.
#[derive(Default)]
pub(super) struct Paced(Mutex<HashMap<Identifier, Window>>);

struct Window {
    since: Instant,
    count: u32,
}

impl Window {
    /// Whether the next line is written, and how many were left out in the window that has just ended.
    fn next(&mut self, now: Instant) -> (bool, u32) {
        let mut left_out = 0;
        if now >= self.since + WINDOW {
            left_out = self.count.saturating_sub(MOST);
            (self.since, self.count) = (now, 0);
        }
        self.count = self.count.saturating_add(1);
        (self.count <= MOST, left_out)
    }
}

impl<S: Subscriber> Layer<S> for Paced {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        // What the web process says has its own pace already.
        if *event.metadata().level() > Level::INFO || event.metadata().target() == "web" {
            return true;
        }
        let now = Instant::now();
        let (written, left_out) = {
            let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            windows.entry(event.metadata().callsite()).or_insert(Window { since: now, count: 0 }).next(now)
        };
        if left_out > 0 {
            // Not as an event: that would be counted here again.
            let _ = writeln!(std::io::stderr(), "{left_out} more lines like the next one were left out");
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_anyone_can_cause_is_written_a_few_times_a_minute_and_counted() {
        let start = Instant::now();
        let mut window = Window { since: start, count: 0 };
        let mut written = 0;
        for n in 0..600_000u32 {
            let now = start + Duration::from_micros(u64::from(n) * 100);
            written += u32::from(window.next(now).0);
        }
        assert_eq!(written, MOST);
        assert_eq!(window.next(start + WINDOW), (true, 600_000 - MOST));
        assert_eq!(window.next(start + 2 * WINDOW), (true, 0));
    }

    #[test]
    fn the_log_itself_keeps_the_pace() {
        use std::sync::Arc;
        use tracing_subscriber::layer::SubscriberExt as _;

        #[derive(Clone, Default)]
        struct Written(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Written {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let written = Written::default();
        let writer = written.clone();
        let lines = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines).with(Paced::default()), || {
            for n in 0..1000 {
                tracing::warn!("try {n}");
            }
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), MOST as usize);
    }
}
