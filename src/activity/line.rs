//! One line of a syslog file: BSD format with and without pid or `-v` facility, and RFC 5424. A line is hostile
//! input: any local user can write one.

use crate::facility;
use jiff::Timestamp;
use jiff::civil::DateTime;

/// When a line says it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// RFC 5424: complete.
    Exact(Timestamp),
    /// BSD format: local time without year; the year of the value is 2000, a leap year, and means nothing.
    Yearless(DateTime),
}

/// The header of a line and where its message begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// When.
    pub stamp: Stamp,
    /// The host as written.
    pub host: &'a [u8],
    /// The program's tag; empty when there is none (`last message repeated …`).
    pub tag: &'a [u8],
    /// The process, when the line names it.
    pub pid: Option<u32>,
    /// Facility and level, when the line has them (`<local2.info>`, `<18.6>`, RFC 5424's number).
    pub priority: Option<Priority>,
    /// The message, all that follows.
    pub message: &'a [u8],
}

/// Facility and level by their numbers in syslog(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priority {
    /// 0 (kern) to 23 (local7).
    pub facility: u8,
    /// 0 (emerg) to 7 (debug).
    pub level: u8,
}

const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

impl Priority {
    /// As syslog.conf(5) writes it.
    pub fn name(self) -> String {
        format!("{}.{}", facility::BY_NUMBER[usize::from(self.facility % 24)], self.level_name())
    }

    /// The level alone.
    pub(crate) fn level_name(self) -> &'static str {
        LEVELS[usize::from(self.level % 8)]
    }
}

/// The number of a level's name, `None` for any other word.
pub(crate) fn level_number(name: &str) -> Option<u8> {
    LEVELS.iter().zip(0..).find_map(|(level, number)| (*level == name).then_some(number))
}

/// Reads a line's header. `None`: the line has none, it continues the one before.
pub fn parse(line: &[u8]) -> Option<Header<'_>> {
    if line.first() == Some(&b'<') { rfc5424(line) } else { bsd(line) }
}

/// `Nov 23 20:20:46 [<local2.info>] host tag[pid]: message`
fn bsd(line: &[u8]) -> Option<Header<'_>> {
    let stamp = Stamp::Yearless(yearless(line.get(..15)?)?);
    let rest = line.get(15..)?.strip_prefix(b" ")?;
    let (priority, rest) = match rest.strip_prefix(b"<") {
        Some(inner) => {
            let end = position(inner, b'>', 24)?;
            (Some(verbose_priority(&inner[..end])?), inner[end + 1..].strip_prefix(b" ")?)
        }
        None => (None, rest),
    };
    let end = position(rest, b' ', 256)?;
    let (host, rest) = (&rest[..end], &rest[end + 1..]);
    if host.is_empty() {
        return None;
    }
    let (tag, pid, message) = tag_and_message(rest);
    Some(Header { stamp, host, tag, pid, priority, message })
}

/// `tag[pid]: message`, `tag: message`; without either all of it is the message.
fn tag_and_message(rest: &[u8]) -> (&[u8], Option<u32>, &[u8]) {
    let end = rest.iter().take(128).position(|&byte| matches!(byte, b'[' | b':' | b' '));
    let nothing = (&rest[..0], None, rest);
    let Some(end) = end else { return nothing };
    let tag = &rest[..end];
    match rest[end] {
        b':' => (tag, None, after_colon(&rest[end..]).unwrap_or(&rest[rest.len()..])),
        b'[' => {
            let Some(close) = position(&rest[end..], b']', 16) else { return nothing };
            let Some(pid) = number(&rest[end + 1..end + close]) else { return nothing };
            match after_colon(&rest[end + close + 1..]) {
                Some(message) => (tag, Some(pid), message),
                None => nothing,
            }
        }
        _ => nothing,
    }
}

fn after_colon(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.strip_prefix(b":")?;
    Some(rest.strip_prefix(b" ").unwrap_or(rest))
}

/// `<18.6>` or `<local2.info>`, without the brackets.
fn verbose_priority(text: &[u8]) -> Option<Priority> {
    let text = std::str::from_utf8(text).ok()?;
    let (facility, level) = text.split_once('.')?;
    let by_name =
        |names: &[&str], word: &str| names.iter().zip(0_u8..).find_map(|(name, n)| (*name == word).then_some(n));
    let facility = facility.parse().ok().or_else(|| facility::number(facility)).filter(|&number| number < 24)?;
    let level = level.parse().ok().or_else(|| by_name(&LEVELS, level)).filter(|&number| number < 8)?;
    Some(Priority { facility, level })
}

/// `Nov 23 20:20:46`, the day padded with a blank (or, from some programs, a zero).
fn yearless(text: &[u8]) -> Option<DateTime> {
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let [a, b, c, b' ', tens, ones, b' ', h1, h2, b':', m1, m2, b':', s1, s2] = *text else { return None };
    let month = MONTHS.iter().zip(1_i8..).find_map(|(name, number)| (**name == [a, b, c]).then_some(number))?;
    let day = two(if tens == b' ' { b'0' } else { tens }, ones)?;
    let second = two(s1, s2)?.min(59);
    DateTime::new(2000, month, day, two(h1, h2)?, two(m1, m2)?, second, 0).ok()
}

fn two(tens: u8, ones: u8) -> Option<i8> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    i8::try_from(digit(tens)? * 10 + digit(ones)?).ok()
}

/// `<150>1 2026-11-23T20:20:46.123456+00:00 host pot 1234 - - message`
fn rfc5424(line: &[u8]) -> Option<Header<'_>> {
    let end = position(line, b'>', 6)?;
    let value = number(&line[1..end])?;
    let priority = Priority { facility: u8::try_from(value / 8).ok().filter(|&f| f < 24)?, level: (value % 8) as u8 };
    let rest = line[end + 1..].strip_prefix(b"1 ")?;
    let mut fields = rest.splitn(6, |&byte| byte == b' ');
    let stamp = std::str::from_utf8(fields.next()?).ok()?;
    if stamp.len() > 40 {
        return None;
    }
    let stamp = Stamp::Exact(stamp.parse().ok()?);
    let host = fields.next()?;
    let tag = fields.next()?;
    let pid = number(fields.next()?);
    let _message_id = fields.next()?;
    let message = without_structured_data(fields.next()?)?;
    Some(Header { stamp, host, tag, pid, priority: Some(priority), message })
}

/// Skips `-` or `[id name="value" …]…`, where a value may hold `\]`, `\"` and `\\`.
fn without_structured_data(text: &[u8]) -> Option<&[u8]> {
    let rest = if let Some(rest) = text.strip_prefix(b"-") {
        rest
    } else {
        let mut rest = text;
        while let Some(inner) = rest.strip_prefix(b"[") {
            let mut escaped = false;
            let mut quoted = false;
            let end = inner.iter().position(|&byte| {
                let closes = byte == b']' && !quoted;
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    _ => {}
                }
                closes
            })?;
            rest = &inner[end + 1..];
        }
        if rest.len() == text.len() {
            return None;
        }
        rest
    };
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    // RFC 5424 marks UTF-8 with a byte order mark.
    Some(rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest))
}

/// How often `last message repeated N times` says the line before came again. FreeBSD's syslogd writes that in its own
/// name since 12, without any before.
pub fn repeats(header: &Header<'_>) -> Option<u64> {
    let text = header.message.strip_prefix(b"last message repeated ")?;
    let end = position(text, b' ', 20)?;
    let times = text[end..].starts_with(b" time");
    (matches!(header.tag, b"" | b"syslogd") && times)
        .then(|| std::str::from_utf8(&text[..end]).ok()?.parse().ok())
        .flatten()
}

fn position(bytes: &[u8], wanted: u8, within: usize) -> Option<usize> {
    bytes.iter().take(within).position(|&byte| byte == wanted)
}

fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::datetime;
    use proptest::prelude::*;

    #[test]
    fn reads_the_formats_of_freebsd() {
        let header = parse(b"Nov  3 20:20:46 jail1 pot[1234]: pot-start web1").unwrap();
        assert_eq!(header.stamp, Stamp::Yearless(datetime(2000, 11, 3, 20, 20, 46, 0)));
        assert_eq!((header.host, header.tag, header.pid), (&b"jail1"[..], &b"pot"[..], Some(1234)));
        assert_eq!(header.message, b"pot-start web1");
        let header = parse(b"Feb 29 20:20:46 jail1 pot: pot-init ").unwrap();
        assert_eq!((header.tag, header.pid, header.message), (&b"pot"[..], None, &b"pot-init "[..]));
        for text in ["Nov 23 20:20:46 <18.6> h pot[1]: x", "Nov 23 20:20:46 <local2.info> h pot[1]: x"] {
            let header = parse(text.as_bytes()).unwrap();
            assert_eq!(header.priority.unwrap().name(), "local2.info");
            assert_eq!(header.tag, b"pot");
        }
        let header = parse(b"<150>1 2026-11-23T20:20:46.123456+00:00 host pot 1234 - - pot-start web1").unwrap();
        assert_eq!(header.stamp, Stamp::Exact("2026-11-23T20:20:46.123456Z".parse().unwrap()));
        assert_eq!((header.tag, header.pid, header.message), (&b"pot"[..], Some(1234), &b"pot-start web1"[..]));
        let header = parse(br#"<150>1 2026-11-23T20:20:46Z h pot - - [a b="c\"] d"][e] pot-stop x"#).unwrap();
        assert_eq!((header.pid, header.message), (None, &b"pot-stop x"[..]));
        for text in [
            "Nov 23 20:20:46 jail1 last message repeated 3 times",
            "Nov 23 20:20:46 jail1 syslogd: last message repeated 3 times",
            "Nov 23 20:20:46 <local2.info> jail1 syslogd: last message repeated 3 times",
            "<150>1 2026-11-23T20:20:46.123456+01:00 jail1.lan syslogd - - - last message repeated 3 times",
        ] {
            assert_eq!(repeats(&parse(text.as_bytes()).unwrap()), Some(3), "{text}");
        }
    }

    #[test]
    fn other_lines_are_continuations() {
        for line in ["", " at foo", "Nov 23", "Foo 23 20:20:46 h t: m", "Nov 32 20:20:46 h t: m", "<150>2 x", "<999>1 "]
        {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
        let said_by_a_program = parse(b"Nov 23 20:20:46 h pot: last message repeated 3 times").unwrap();
        assert_eq!(repeats(&said_by_a_program), None);
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&line).map(|header| repeats(&header));
        }

        #[test]
        fn no_altered_line_makes_it_panic(at in 0_usize..60, byte in any::<u8>(), cut in 0_usize..80) {
            for text in [&b"Nov 23 20:20:46 <local2.info> jail1 pot[1234]: pot-start web1"[..],
                         b"<150>1 2026-11-23T20:20:46.1+00:00 h pot 1 - [a b=\"c\"] pot-start web1"] {
                let mut line = text.to_vec();
                let length = line.len();
                line[at % length] = byte;
                line.truncate(cut);
                let _ = parse(&line).map(|header| repeats(&header));
            }
        }
    }
}
