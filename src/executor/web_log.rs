//! What a process without privileges (the web process, the command line's reader of the database) writes to its
//! standard error, on its way into root's log or terminal.
//!
//! Root's own terminal is never the web process's: one that was broken into could read what root types there, ask for
//! root's password, or overwrite the log. It has a pipe instead, which is read here: cut into lines, made harmless,
//! marked as the web process's words, and no more of them than the pace allows. The pipe is read to its end however
//! much comes, so that nothing waits for a log line.

use super::evidence::RateLimiter;
use crate::process::{Splitter, Stream};
use std::io::{self, Read};
use std::time::{Duration, Instant};

/// Longest line that is kept, in bytes; what is longer is cut.
const LINE: usize = 1 << 10;
/// So many lines at once, and then one each so often: at most 90 MB a day, whatever the web process does.
const LINES: (u32, Duration) = (100, Duration::from_secs(1));

/// Reads until the web process has ended, and hands on what may be logged.
pub(crate) fn read(mut pipe: impl Read, mut log: impl FnMut(tracing::Level, &str)) {
    let mut pace = RateLimiter::new(LINES);
    let mut left_out = 0_u64;
    let mut splitter = Splitter::new(Stream::Err, LINE);
    let mut buffer = [0; 4 << 10];
    let mut take = |_: Stream, line: String| {
        if !pace.take(Instant::now()) {
            left_out += 1;
            return;
        }
        if left_out > 0 {
            log(tracing::Level::WARN, &format!("{left_out} lines were left out: too many came at once"));
            left_out = 0;
        }
        let (level, words) = level(&line);
        log(level, words);
    };
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => splitter.push(buffer.get(..read).unwrap_or_default(), &mut take),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    splitter.finish(&mut take);
    if left_out > 0 {
        log(tracing::Level::WARN, &format!("{left_out} lines were left out: too many came at once"));
    }
}

/// Into this process's log, marked as the web process's.
pub(super) fn log(level: tracing::Level, words: &str) {
    match level {
        tracing::Level::ERROR => tracing::error!(target: "web", "{words}"),
        tracing::Level::WARN => tracing::warn!(target: "web", "{words}"),
        tracing::Level::INFO => tracing::info!(target: "web", "{words}"),
        tracing::Level::DEBUG => tracing::debug!(target: "web", "{words}"),
        tracing::Level::TRACE => tracing::trace!(target: "web", "{words}"),
    }
}

/// The level that a line begins with, as the web process's own notes do. Other lines (a panic's) are warnings.
fn level(line: &str) -> (tracing::Level, &str) {
    let (first, rest) = line.trim_start().split_once(' ').unwrap_or((line, ""));
    match first.parse() {
        // The library's reading takes numbers, too.
        Ok(level) if first.bytes().all(|byte| byte.is_ascii_uppercase()) => (level, rest),
        _ => (tracing::Level::WARN, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    fn logged(bytes: &[u8]) -> Vec<(Level, String)> {
        let mut lines = Vec::new();
        read(bytes, |level, words| lines.push((level, words.to_owned())));
        lines
    }

    #[test]
    fn levels_are_kept_and_nothing_reaches_the_terminal_raw() {
        let said =
            b" INFO pot_console::web: serving\nERROR a page failed\n\x1b[2J\rPassword for root: \nthread panicked";
        assert_eq!(
            logged(said),
            [
                (Level::INFO, "pot_console::web: serving".to_owned()),
                (Level::ERROR, "a page failed".to_owned()),
                (Level::WARN, "␛[2J␍Password for root: ".to_owned()),
                (Level::WARN, "thread panicked".to_owned()),
            ]
        );
    }

    #[test]
    fn a_flood_is_counted_and_long_lines_are_cut() {
        let mut flood = vec![b'x'; 1 << 20];
        flood.push(b'\n');
        flood.extend("WARN again\n".repeat(50_000).bytes());
        let lines = logged(&flood);
        assert!(lines.len() <= 120, "{}", lines.len());
        assert!(lines.iter().all(|(_, line)| line.len() <= LINE + '…'.len_utf8()));
        let (_, last) = lines.last().unwrap();
        assert!(last.ends_with("lines were left out: too many came at once"), "{last}");
        let count: usize = last.split(' ').next().unwrap().parse().unwrap();
        assert!(count > 49_000, "{count}");
    }
}
