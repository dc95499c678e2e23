//! rc.conf: what sysrc(8) makes of it, so that a plan can show the difference before sysrc is run.

/// The file after `sysrc NAME=VALUE`: the last assignment is changed in place, without any a line is added at the end.
pub fn set(text: &[u8], name: &str, value: &str) -> Vec<u8> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let assignment = format!("{name}=\"{}\"", escaped(value));
    match lines.iter().rposition(|line| assigns(line, name)) {
        Some(index) => lines
            .iter()
            .enumerate()
            .flat_map(|(at, line)| {
                if at != index {
                    return line.to_vec();
                }
                let text = String::from_utf8_lossy(line);
                let comment = comment_of(&text);
                let end = if text.ends_with('\n') { "\n" } else { "" };
                format!("{assignment}{comment}{end}").into_bytes()
            })
            .collect(),
        None => {
            let mut new = text.to_vec();
            if new.last().is_some_and(|byte| *byte != b'\n') {
                new.push(b'\n');
            }
            new.extend_from_slice(format!("{assignment}\n").as_bytes());
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

fn assigns(line: &[u8], name: &str) -> bool {
    let Ok(line) = std::str::from_utf8(line) else { return false };
    line.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
}

/// A comment that stands behind a quoted value, with the blank before it.
fn comment_of(line: &str) -> String {
    let value = line.split_once('=').map(|(_, value)| value).unwrap_or_default().trim_end();
    let behind = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value.get(1..).and_then(|rest| rest.split_once(quote)).map(|(_, rest)| rest),
        _ => value.find([' ', '\t']).and_then(|at| value.get(at..)),
    };
    behind.filter(|rest| rest.trim_start().starts_with('#')).unwrap_or_default().to_owned()
}

/// Characters that mean something to sh between double quotes.
fn escaped(value: &str) -> String {
    value.chars().flat_map(|c| if matches!(c, '"' | '\\' | '$' | '`') { vec!['\\', c] } else { vec![c] }).collect()
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
}
