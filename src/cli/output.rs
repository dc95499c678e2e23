//! Printing for people and for programs: colour only where a person looks, and no complaint when they look away.

use super::Format;
use crate::rules::Severity;
use anyhow::Context as _;
use std::io::{IsTerminal as _, Read, Write as _};

/// Prints to standard output. A closed pipe (`check | head -1`) ends the printing, not the command: its exit status
/// still says what was found.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes()).map(drop)
}

/// Prints all that a reader gives, a piece at a time: a long text is never whole in memory.
pub(super) fn print_pieces(from: &mut impl Read) -> anyhow::Result<()> {
    let mut piece = vec![0; 64 << 10];
    loop {
        let length = from.read(&mut piece).context("reading what is to be printed")?;
        if length == 0 || !print_bytes(&piece[..length])? {
            return Ok(());
        }
    }
}

/// Whether somebody still reads.
fn print_bytes(bytes: &[u8]) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(anyhow::Error::new(error).context("writing to standard output")),
    }
}

/// Prints to standard error, as far as anyone reads it.
pub(super) fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints a value as one JSON document.
pub(super) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    print(&text)
}

/// Colour, or none: only on a terminal that has it, and not with NO_COLOR (no-color.org).
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    colour: bool,
}

impl Style {
    /// For standard output.
    pub(super) fn of_stdout(format: Format) -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self { colour: format == Format::Text && std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !dumb }
    }

    /// Without colour, whoever looks.
    pub(super) fn plain() -> Self {
        Self { colour: false }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Something to find first.
    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Something to pass over.
    pub(super) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A severity's name in its colour.
    pub(super) fn severity(self, severity: Severity) -> String {
        let code = match severity {
            Severity::Error => "1;31",
            Severity::Warning => "1;33",
            Severity::Notice => "1;36",
        };
        self.paint(code, severity.name())
    }

    /// A unified diff, removed lines red, added ones green.
    pub(super) fn diff(self, diff: &str) -> String {
        if !self.colour {
            return diff.to_owned();
        }
        let mut text = String::new();
        for line in diff.lines() {
            let painted = match line.as_bytes().first() {
                _ if line.starts_with("---") || line.starts_with("+++") => self.bold(line),
                Some(b'-') => self.paint("31", line),
                Some(b'+') => self.paint("32", line),
                Some(b'@') => self.paint("36", line),
                _ => line.to_owned(),
            };
            text.push_str(&painted);
            text.push('\n');
        }
        text
    }
}

/// `1 error, 2 warnings`, `no findings`.
pub(super) fn counted(severities: impl Iterator<Item = Severity>) -> String {
    let mut counts = [(Severity::Error, 0_usize), (Severity::Warning, 0), (Severity::Notice, 0)];
    for severity in severities {
        for (known, count) in &mut counts {
            if *known == severity {
                *count += 1;
            }
        }
    }
    let parts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {}{}", severity.name(), if *count == 1 { "" } else { "s" }))
        .collect();
    if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
}

/// `text` in lines of at most 100 columns, each after `indent` blanks.
pub(super) fn wrapped(text: &str, indent: usize) -> String {
    const WIDTH: usize = 100;
    let mut lines = String::new();
    let mut column = WIDTH;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column + 1 + length > WIDTH {
            if !lines.is_empty() {
                lines.push('\n');
            }
            lines.push_str(&" ".repeat(indent));
            column = indent + length;
        } else {
            lines.push(' ');
            column += 1 + length;
        }
        lines.push_str(word);
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_as_people_say_them() {
        assert_eq!(counted([].into_iter()), "no findings");
        assert_eq!(counted([Severity::Notice, Severity::Error, Severity::Notice].into_iter()), "1 error, 2 notices");
    }

    #[test]
    fn long_lines_are_wrapped_between_words() {
        let text = wrapped(&"word ".repeat(40), 4);
        assert!(text.lines().all(|line| line.len() <= 100 && line.starts_with("    word")), "{text}");
        assert_eq!(text.matches("word").count(), 40);
        assert_eq!(Style::plain().bold("x"), "x");
    }
}
