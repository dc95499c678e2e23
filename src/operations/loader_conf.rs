//! Tunables in loader.conf: set one, keep every other byte.

use crate::host::parse::loader;

/// The file with `name` set to `value`, as the guide writes it (`name=value`). Unchanged when it says so already.
///
/// The loader takes the last assignment, so that one is changed in place; without any, a line is added.
pub fn set(text: &[u8], name: &str, value: &str) -> Vec<u8> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let last = lines.iter().rposition(|line| assigned(line, name).is_some());
    match last {
        Some(index) if lines.get(index).and_then(|line| assigned(line, name)).as_deref() == Some(value) => {
            text.to_vec()
        }
        Some(index) => lines
            .iter()
            .enumerate()
            .flat_map(|(at, line)| if at == index { replaced(line, name, value) } else { line.to_vec() })
            .collect(),
        None => {
            let mut new = text.to_vec();
            if new.last().is_some_and(|byte| *byte != b'\n') {
                new.push(b'\n');
            }
            new.extend_from_slice(format!("{name}={value}\n").as_bytes());
            new
        }
    }
}

/// The value on this line, when it assigns `name`, as the facts read it.
fn assigned(line: &[u8], name: &str) -> Option<String> {
    let (found, value) = loader::assignment(std::str::from_utf8(line).ok()?)?;
    (found == name).then_some(value)
}

/// The line with another value; a comment behind it and the line end stay.
fn replaced(line: &[u8], name: &str, value: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    let body = text.trim_end_matches(['\n', '\r']);
    let end = text.get(body.len()..).unwrap_or_default();
    let quotes = body.split('=').nth(1).is_some_and(|rest| rest.trim_start().starts_with('"'));
    let comment = body.find('#').and_then(|at| body.get(at..)).map(|comment| format!(" {comment}")).unwrap_or_default();
    let value = if quotes { format!("\"{value}\"") } else { value.to_owned() };
    format!("{name}={value}{comment}{end}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RACCT: &str = "kern.racct.enable";

    #[test]
    fn a_tunable_is_added_once_and_the_rest_stays() {
        let first = set(b"zfs_load=\"YES\"\n# kern.racct.enable=0", RACCT, "1");
        assert_eq!(first, b"zfs_load=\"YES\"\n# kern.racct.enable=0\nkern.racct.enable=1\n");
        assert_eq!(set(&first, RACCT, "1"), first);
        assert_eq!(set(b"", RACCT, "1"), b"kern.racct.enable=1\n");
    }

    #[test]
    fn the_last_assignment_is_the_one_that_is_changed() {
        let text = b"kern.racct.enable=1\nkern.racct.enable=\"0\" # off\nx=1\n";
        assert_eq!(set(text, RACCT, "1"), b"kern.racct.enable=1\nkern.racct.enable=\"1\" # off\nx=1\n");
        assert_eq!(loader::value(std::str::from_utf8(text).unwrap(), RACCT).as_deref(), Some("0"));
        assert_eq!(set(b"kern.racct.enable=\"1\"\n", RACCT, "1"), b"kern.racct.enable=\"1\"\n");
        assert_eq!(loader::value("kern.racct.enable_x=1\n", RACCT), None);
    }

    proptest! {
        #[test]
        fn after_setting_the_loader_reads_the_value(text in "([a-z.#=\" \n]|kern.racct.enable=[01]\n){0,40}") {
            let new = set(text.as_bytes(), RACCT, "1");
            prop_assert_eq!(loader::value(std::str::from_utf8(&new).unwrap(), RACCT), Some("1".to_owned()));
            prop_assert_eq!(set(&new, RACCT, "1"), new);
        }
    }
}
