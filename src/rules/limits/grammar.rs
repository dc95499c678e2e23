//! The grammar of each kind of value in words: what `values` judges, as the form says it.

use crate::potconf::{Kind, Name, parameter};

/// The grammar of a parameter's value, for people.
pub fn grammar(name: &str) -> Option<&'static str> {
    if Name::try_from(name).is_ok_and(|name| name.extra_interface().is_some()) {
        return Some("an IPv4 or IPv6 network such as `10.0.20.0/24`, or empty");
    }
    let known = parameter(name)?;
    Some(match known.kind {
        Kind::Dataset => "a dataset below a pool: letters, digits and `_.:-` between slashes",
        Kind::Folder => "an absolute folder of letters, digits and `._+-`, not one of the system's",
        Kind::TemporaryFolder => {
            "an absolute folder of letters, digits and `._+-`, not one of the system's but `/tmp` and `/var/tmp`, or empty"
        }
        Kind::Text | Kind::Group => "a group's name: letters, digits and `_.-`, at most 31",
        Kind::Suffix => "letters, digits and `._-`, at most 32, at least one",
        Kind::Number => "a decimal number of at most 5 digits",
        Kind::Network => "an IPv4 or IPv6 network such as `10.192.0.0/10`, not larger than a `/8`",
        Kind::Netmask => "an IPv4 netmask such as `255.192.0.0`, not shorter than `255.0.0.0`",
        Kind::Address if known.default.is_empty() => "an IPv4 or IPv6 address, or empty",
        Kind::Address => "an IPv4 or IPv6 address",
        Kind::Interface => "an interface: a letter, then letters, digits and `_.-`, at most 15",
        Kind::InterfaceList => {
            "interfaces separated by blanks, each a small letter, then small letters, digits and `_`, at most 15"
        }
        Kind::Stack => "`ipv4`, `ipv6` or `dual`",
        Kind::Boolean => "`yes`, `true`, `on`, `no`, `false` or `off`",
        Kind::NetworkList => "networks or addresses separated by blanks",
        Kind::ExecutablePath | Kind::FilePath => {
            "an absolute file name of letters, digits and `._+-`, or empty; it and every folder above belong to root alone; \
             a new one is one that root's settings name"
        }
        Kind::Facility => "a facility of syslog.conf(5)",
        Kind::PotName => "a pot's name: letters, digits, `_` and `-`, at most 63",
    })
}
