//! loader.conf(5): what the next boot will set.

/// The loader's own files before the folder `/boot/loader.conf.d`, in the order in which it reads them
/// (`loader_conf_files` of /boot/defaults/loader.conf).
pub(crate) const BEFORE_FOLDER: [&str; 2] = ["/boot/device.hints", "/boot/loader.conf"];
/// The folder whose `*.conf` files it reads then.
pub const FOLDER: &str = "/boot/loader.conf.d";
/// The file that has the last word.
pub(crate) const LAST: &str = "/boot/loader.conf.local";

/// The value that a text of loader.conf gives for a name; the last line that sets it wins.
///
/// `name="value"` and `name=value` count alike; what is not an assignment is skipped, as the loader does.
pub fn value(text: &str, wanted: &str) -> Option<String> {
    text.lines().filter_map(assignment).filter(|(name, _)| *name == wanted).map(|(_, value)| value).next_back()
}

/// Name and value of a line that sets something.
pub fn assignment(line: &str) -> Option<(&str, String)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (name, rest) = line.split_once('=')?;
    let (name, rest) = (name.trim_end(), rest.trim_start());
    let value = match rest.strip_prefix('"') {
        // Nothing but a comment may follow the closing quote.
        Some(quoted) => {
            let (value, tail) = quoted.split_once('"')?;
            let tail = tail.trim_start();
            (tail.is_empty() || tail.starts_with('#')).then_some(value)?
        }
        None => rest.split(['#', ' ', '\t']).next().unwrap_or_default(),
    };
    Some((name, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_assignment_counts_quoted_or_not() {
        let text = "zfs_load=\"YES\"\n#kern.racct.enable=1\nkern.racct.enable=\"0\"\n  kern.racct.enable=1  # pot\n";
        assert_eq!(value(text, "kern.racct.enable").as_deref(), Some("1"));
        assert_eq!(value(text, "zfs_load").as_deref(), Some("YES"));
        assert_eq!(value(text, "hw.vtnet.lro_disable"), None);
    }

    #[test]
    fn a_broken_line_sets_nothing() {
        assert_eq!(value("kern.racct.enable=\"1\nother=2", "kern.racct.enable"), None);
        assert_eq!(value("kern.racct.enable=\"1\" x", "kern.racct.enable"), None);
        assert_eq!(value("xkern.racct.enable=1", "kern.racct.enable"), None);
    }
}
