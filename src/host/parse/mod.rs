//! What FreeBSD's tools print and its files say, as types. Pure: text in, value or reason out.
//!
//! Strict on purpose: a line that is not understood makes the whole answer an error, with the line in it. A page
//! that says "not understood" beside the tool's own words is honest; half a list is not.

pub mod files;
pub mod ifconfig;
pub mod loader;
pub mod netstat;
pub mod pf;
pub mod pf_conf;
pub mod pots;
pub mod syslog;
pub mod zfs;

/// A variable of the kernel that is a switch; none when the kernel has no such variable.
///
/// # Errors
/// It is neither 0 nor 1.
pub(crate) fn switch(name: &str, value: Option<&str>) -> Result<Option<bool>, String> {
    match value {
        None => Ok(None),
        Some("0") => Ok(Some(false)),
        Some("1") => Ok(Some(true)),
        Some(other) => Err(format!("{name} is neither 0 nor 1: {other}")),
    }
}

/// A line for an error message: control characters made harmless, at most 80 characters.
fn quote(line: &str) -> String {
    let mut short: String =
        line.chars().take(80).map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect();
    if line.chars().nth(80).is_some() {
        short.push('…');
    }
    format!("'{short}'")
}

/// Splits a line into exactly `N` fields at tabs, as the tools' `-H` does.
fn tab_fields<const N: usize>(line: &str) -> Option<[&str; N]> {
    let mut fields = line.split('\t');
    let mut found = [""; N];
    for slot in &mut found {
        *slot = fields.next()?;
    }
    fields.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // The tools' answers come from a host that may be broken: whatever they say, the page must come up.
        #[test]
        fn no_answer_of_any_tool_breaks_a_parser(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            every_parser(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn no_answer_made_of_the_tools_own_words_breaks_a_parser(words in proptest::collection::vec(
            proptest::sample::select(vec![
                "\n", "\t", " ", "\"", "'", "=", "/", ":", "{", "}", "*", "!", "#", "+", "-", "\\", ",", ";", ".", "%", "|",
                "inet", "inet6", "netmask", "0xff000000", "0xffffff01", "prefixlen", "129", "member:", "groups:", "flags=",
                "<UP,>", "bridge0", "em0", "default", "link#1", "Destination", "Netif", "10.192.0.1", "10.192.0.0/10", "fe80::1%lo0",
                "include", "local2", "info", "none", "/var/log/pot.log", "nat-anchor", "rdr-anchor", "pot-nat", "pot-rdr/*",
                "Status:", "Enabled", "kern.racct.enable", "1", "18446744073709551616", "ip", "bridge", "net", "gateway", "é",
            ]), 0..60)) {
            every_parser(&words.concat());
            every_parser(&words.join(" "));
        }
    }

    fn every_parser(text: &str) {
        let _ = zfs::pools(text);
        let _ = zfs::datasets(text);
        let _ = ifconfig::interfaces(text);
        let _ = netstat::routes(text);
        let _ = pf::enabled(text);
        let _ = pf::anchors(text);
        let _ = pf::rules(text);
        let _ = pf::anchor_lines(text.as_bytes());
        let _ = pf_conf::anchors_held(text.as_bytes());
        let _ = files::groups(text);
        let _ = files::resolvers(text);
        let _ = files::variables(text);
        let _ = loader::value(text, "kern.racct.enable");
        let _ = pots::pot("web1", text);
        let _ = pots::private_bridge("lan1", text);
        let _ = syslog::Rules::read(text, "host.lan", |_| vec![text.to_owned()]).files_for("local2", "pot");
    }

    #[test]
    fn quoted_lines_are_short_and_harmless() {
        assert_eq!(quote("a\u{1b}[2J"), "'a\u{fffd}[2J'");
        assert!(quote(&"é".repeat(500)).chars().count() < 90);
    }
}
