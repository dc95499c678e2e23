//! Small answers and files with one thing a line: groups, name servers, `NAME: VALUE` lists.

use super::quote;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// `getent group` (group(5)): `name:password:gid:members`.
pub fn groups(text: &str) -> Result<BTreeMap<String, u32>, String> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        // NIS lines (`+:::`) name no group of their own.
        .filter(|line| !line.starts_with(['+', '-']))
        .map(|line| {
            let mut fields = line.split(':');
            match (fields.next(), fields.next(), fields.next().map(str::parse::<u32>)) {
                (Some(name), Some(_), Some(Ok(gid))) if !name.is_empty() => Ok((name.to_owned(), gid)),
                _ => Err(format!("not a line of a group file: {}", quote(line))),
            }
        })
        .collect()
}

/// resolv.conf(5): the name servers. A line that the resolver would skip is skipped here, too.
pub(crate) fn resolvers(text: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            (words.next() == Some("nameserver")).then(|| words.next())?
        })
        .filter_map(|address| address.split('%').next()?.parse().ok())
        .collect()
}

/// `sysrc NAME…` (sysrc(8)): `NAME: VALUE` lines; the lines of a value with line ends belong to it.
pub fn variables(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut variables = BTreeMap::new();
    let mut last: Option<String> = None;
    for line in text.lines() {
        let pair = line.split_once(':').filter(|(name, _)| is_variable(name));
        match (pair, &last) {
            (Some((name, value)), _) => {
                variables.insert(name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned());
                last = Some(name.to_owned());
            }
            (None, Some(name)) => {
                if let Some(value) = variables.get_mut(name) {
                    value.push('\n');
                    value.push_str(line);
                }
            }
            (None, None) => return Err(format!("sysrc answered a line that is not understood: {}", quote(line))),
        }
    }
    Ok(variables)
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_by_name() {
        let groups = groups("wheel:*:0:root,anna\npot:*:1001:\n+:*::\n").unwrap();
        assert_eq!(groups.get("pot"), Some(&1001));
        assert_eq!(groups.len(), 2);
        assert!(super::groups("wheel:*:x:\n").is_err());
        assert!(super::groups("getent: oops\n").is_err());
    }

    #[test]
    fn name_servers_of_both_families() {
        let text =
            "# by resolvconf\nsearch lan\nnameserver 192.168.178.1\nnameserver fe80::1%em0\nnameserver nonsense\n";
        assert_eq!(resolvers(text), ["192.168.178.1".parse::<IpAddr>().unwrap(), "fe80::1".parse().unwrap()]);
    }

    #[test]
    fn rc_variables_with_empty_and_folded_values() {
        let text = "pf_enable: NO\nsyslogd_flags: -b 127.0.0.1 -a 10.192.0.0/10\npot_list:\njail_list: a\nb c\n";
        let variables = variables(text).unwrap();
        assert_eq!(variables["syslogd_flags"], "-b 127.0.0.1 -a 10.192.0.0/10");
        assert_eq!(variables["pot_list"], "");
        assert_eq!(variables["jail_list"], "a\nb c");
        assert!(super::variables("/usr/sbin/sysrc is broken\n").is_err());
    }
}
