//! rc.conf: what sysrc(8) makes of it, so that a plan can show the difference before sysrc is run.
//!
//! sysrc works line by line: of the last line that assigns the name it replaces the value alone, and keeps the blanks
//! before it, its kind of quotes and whatever stands behind it.

/// The file after `sysrc NAME=VALUE`: the last assignment is changed in place, without any a line is added at the end.
pub fn set(text: &[u8], name: &str, value: &str) -> Vec<u8> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    match lines.iter().rposition(|line| assigns(line, name)) {
        Some(index) => lines
            .iter()
            .enumerate()
            .flat_map(|(at, line)| match assignment(line, name).filter(|_| at == index) {
                Some(own) => {
                    let quote = own.quote.unwrap_or(b'"');
                    [own.before, &[quote], value.as_bytes(), &[quote], own.behind].concat()
                }
                None => line.to_vec(),
            })
            .collect(),
        None => {
            let mut new = text.to_vec();
            if new.last().is_some_and(|byte| *byte != b'\n') {
                new.push(b'\n');
            }
            new.extend_from_slice(format!("{name}=\"{value}\"\n").as_bytes());
            new
        }
    }
}

/// The file after `sysrc -x NAME`.
pub fn unset(text: &[u8], name: &str) -> Vec<u8> {
    text.split_inclusive(|byte| *byte == b'\n').filter(|line| !assigns(line, name)).flatten().copied().collect()
}

/// Whether the file itself assigns `name`.
pub fn sets(text: &[u8], name: &str) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| assigns(line, name))
}

/// Why nobody can say beforehand what sysrc would make of the file with this value, if that is so.
pub(crate) fn unforeseeable(text: &[u8], name: &str, value: &str) -> Option<&'static str> {
    // sysrc writes the value as it is given.
    if value.contains(['"', '\'', '\\', '$', '`', '\n']) {
        return Some("its value holds signs that mean something to the shell");
    }
    let line = text.split_inclusive(|byte| *byte == b'\n').rev().find(|line| assigns(line, name))?;
    let own = assignment(line, name)?;
    match own.quote {
        Some(_) if !own.closed => Some("its value goes on in the next line"),
        None if own.value.starts_with(b"$") || own.value.starts_with(b"`") || own.value.ends_with(b"\\") => {
            Some("its value is computed")
        }
        _ => None,
    }
}

/// What a file assigns to a variable, as far as that can be told without a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    /// No line assigns it.
    Absent,
    /// Its last assignment is this text, in quotes of either kind or in none.
    Plain(String),
    /// Its last assignment is more than plain text: it goes on in the next line, or the shell computes it.
    Computed,
}

/// What the file's last assignment of `name` says.
pub fn stands(text: &[u8], name: &str) -> Stands {
    let last = text.split_inclusive(|byte| *byte == b'\n').rev().find_map(|line| assignment(line, name));
    let Some(own) = last else { return Stands::Absent };
    let means_something = |byte: &u8| match own.quote {
        Some(b'\'') => false,
        Some(_) => matches!(byte, b'$' | b'`' | b'\\'),
        None => !(byte.is_ascii_alphanumeric() || b"-_./:=@%+,[]".contains(byte)),
    };
    // A word goes on behind a closing quote: `"-s"$more`.
    let ends = own.behind.first().is_none_or(|byte| byte.is_ascii_whitespace() || *byte == b';');
    let open = own.quote.is_some() && !own.closed;
    match std::str::from_utf8(own.value) {
        Ok(value) if ends && !open && !own.value.iter().any(means_something) => Stands::Plain(value.to_owned()),
        _ => Stands::Computed,
    }
}

fn assigns(line: &[u8], name: &str) -> bool {
    assignment(line, name).is_some()
}

/// The parts of a line that assigns.
struct Assignment<'a> {
    /// Up to and with `=`.
    before: &'a [u8],
    quote: Option<u8>,
    value: &'a [u8],
    /// Whether the closing quote stands on this line.
    closed: bool,
    behind: &'a [u8],
}

fn assignment<'a>(line: &'a [u8], name: &str) -> Option<Assignment<'a>> {
    let blanks = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let start = blanks + name.len();
    let found = line.get(blanks..start)? == name.as_bytes() && line.get(start) == Some(&b'=');
    let (before, rest) = line.split_at_checked(start + 1).filter(|_| found)?;
    let quote = rest.first().copied().filter(|byte| matches!(byte, b'"' | b'\''));
    let inner = if quote.is_some() { rest.get(1..).unwrap_or_default() } else { rest };
    let mut escaped = false;
    let end = inner.iter().position(|byte| match quote {
        Some(quote) => {
            let ends = *byte == quote && !escaped;
            escaped = quote == b'"' && *byte == b'\\' && !escaped;
            ends
        }
        None => byte.is_ascii_whitespace(),
    });
    let (value, behind) = inner.split_at(end.unwrap_or(inner.len()));
    let behind = if quote.is_some() { behind.get(1..).unwrap_or_default() } else { behind };
    Some(Assignment { before, quote, value, closed: end.is_some(), behind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_changed_in_place_or_added() {
        let text = b"hostname=\"a\"\nsyslogd_flags=\"-ss\" # quiet\npf_enable=\"YES\"\n";
        let new = set(text, "syslogd_flags", "-c");
        assert_eq!(new, b"hostname=\"a\"\nsyslogd_flags=\"-c\" # quiet\npf_enable=\"YES\"\n");
        assert_eq!(set(&new, "syslogd_flags", "-c"), new);
        assert_eq!(set(b"a=1", "b", "2"), b"a=1\nb=\"2\"\n");
        assert_eq!(unset(text, "syslogd_flags"), b"hostname=\"a\"\npf_enable=\"YES\"\n");
        assert!(sets(text, "pf_enable") && !sets(text, "pf_ena"));
    }

    #[test]
    fn blanks_quotes_and_what_stands_behind_a_value_stay() {
        for (old, new) in [
            ("f='-8 -c'\n", "f='-s'\n"),
            ("  f=\"-8\"\t# mine\n", "  f=\"-s\"\t# mine\n"),
            ("f=-8  # bare\n", "f=\"-s\"  # bare\n"),
            ("f=\"-8\"; g=\"1\"\n", "f=\"-s\"; g=\"1\"\n"),
            ("f=\"a\\\"b\" # x\n", "f=\"-s\" # x\n"),
            ("f=\"-8\"\r\n", "f=\"-s\"\r\n"),
            ("f=\n", "f=\"-s\"\n"),
            ("f=\"-8\"", "f=\"-s\""),
            ("f+=\"-8\"\n", "f+=\"-8\"\nf=\"-s\"\n"),
        ] {
            let set = set(old.as_bytes(), "f", "-s");
            assert_eq!(String::from_utf8_lossy(&set), new);
            assert_eq!(unforeseeable(old.as_bytes(), "f", "-s"), None, "{old}");
        }
        assert_eq!(set(b"# gr\xfc\xdfe\nf=1\n", "f", "2"), b"# gr\xfc\xdfe\nf=\"2\"\n", "no byte is lost");
    }

    #[test]
    fn a_value_is_plain_text_or_more_than_that() {
        for (text, value) in [
            ("f=\"-s -v\"\n", "-s -v"),
            ("f='-s $x'\n", "-s $x"),
            ("f=-s # hush\n", "-s"),
            ("f=\"-8\"; g=1\n", "-8"),
            ("f=\"$x\"\nf=\"\"\n", ""),
            ("f=\n", ""),
        ] {
            assert_eq!(stands(text.as_bytes(), "f"), Stands::Plain(value.to_owned()), "{text}");
        }
        for text in ["f=\"-s ${x}\"\n", "f=\"-s \\\n-v\"\n", "f=`g`\n", "f=$(g)\n", "f=\"-s\"$x\n", "f='-s\n-v'\n"] {
            assert_eq!(stands(text.as_bytes(), "f"), Stands::Computed, "{text}");
        }
        assert_eq!(stands(b"# f=1\ng=2\n", "f"), Stands::Absent);
    }

    #[test]
    fn what_sysrc_cannot_be_trusted_with_is_named() {
        for old in ["f=\"-8 \\\n -c\"\n", "f='-8\n'\n", "f=$(g)\n", "f=`g`\n", "f=-8\\\n -c\n"] {
            assert!(unforeseeable(old.as_bytes(), "f", "-s").is_some(), "{old}");
        }
        assert!(unforeseeable(b"f=1\n", "f", "${g}").is_some());
        assert_eq!(unforeseeable(b"f=\"-8 \\\n\"\nf=\"-c\"\n", "f", "-s"), None, "the last one counts");
    }
}
