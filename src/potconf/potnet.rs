//! potnet's reading of the two files, which is not sh's: line by line, without quotes, for eight names.
//!
//! Followed from potnet 0.5.0's sources and held against the real program by `tests/potnet_oracle.rs`. The released
//! crate is still 0.4.4, which differs in two ways, both about the deprecated DNS pot; see [`Release`].

mod check;

pub use check::{PotnetAnswer, config_check, config_check_by};

use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

/// Which potnet is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The newest that is published as a crate. A DNS address from the default file is held against the network, and without any DNS address
    /// the configuration is incomplete.
    V0_4_4,
    /// What FreeBSD packages. A DNS address from the default file that lies outside the network is dropped without a
    /// word, and none is needed. (With such an address and no network at all it panics; that is predicted as the
    /// incomplete configuration that it is, with status 1 as 0.4.4 has it.)
    V0_5_0,
}

/// The eight names that potnet reads.
pub(crate) const READS: [&str; 8] = [
    "POT_ZFS_ROOT",
    "POT_FS_ROOT",
    "POT_EXTIF",
    "POT_DNS_NAME",
    "POT_NETWORK",
    "POT_NETMASK",
    "POT_GATEWAY",
    "POT_DNS_IP",
];

/// The values potnet (0.5.0) works with after both files, by name; names without one are missing.
pub fn values(default: &[u8], own: &[u8]) -> BTreeMap<&'static str, String> {
    let values = PotnetValues::merged(Release::V0_5_0, default, own);
    let [zfs_root, fs_root, extif, dns_name, network, netmask, gateway, dns_ip] = READS;
    [
        (zfs_root, values.zfs_root),
        (fs_root, values.fs_root),
        (extif, values.extif),
        (dns_name, values.dns_name),
        (network, values.network.map(|network| network.to_string())),
        (netmask, values.netmask.map(|netmask| netmask.to_string())),
        (gateway, values.gateway.map(|gateway| gateway.to_string())),
        (dns_ip, values.dns_ip.map(|address| address.to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// What potnet has understood of one file, or of both.
#[derive(Debug, Default, Clone)]
struct PotnetValues {
    zfs_root: Option<String>,
    fs_root: Option<String>,
    extif: Option<String>,
    dns_name: Option<String>,
    network: Option<IpNet>,
    netmask: Option<IpAddr>,
    gateway: Option<IpAddr>,
    dns_ip: Option<IpAddr>,
}

impl PotnetValues {
    fn merged(release: Release, default: &[u8], own: &[u8]) -> Self {
        // It reads files into strings: one that is not UTF-8 is not read at all. Without the default file it looks no
        // further, without the other it keeps the defaults as they are.
        let Ok(default) = std::str::from_utf8(default) else { return Self::default() };
        let default = Self::of(default);
        let Ok(own) = std::str::from_utf8(own) else { return default };
        let own = Self::of(own);
        let drops = release == Release::V0_5_0 && own.dns_ip.is_none();
        let mut merged = Self {
            zfs_root: own.zfs_root.or(default.zfs_root),
            fs_root: own.fs_root.or(default.fs_root),
            extif: own.extif.or(default.extif),
            dns_name: own.dns_name.or(default.dns_name),
            network: own.network.or(default.network),
            netmask: own.netmask.or(default.netmask),
            gateway: own.gateway.or(default.gateway),
            dns_ip: own.dns_ip.or(default.dns_ip),
        };
        let inside = merged.network.zip(merged.dns_ip).is_some_and(|(network, dns)| network.contains(&dns));
        if drops && !inside {
            merged.dns_ip = None;
        }
        merged
    }

    fn of(text: &str) -> Self {
        let mut values = Self::default();
        for line in text.lines().map(str::trim) {
            // The name is all before the first `=`; the value ends at the next one or at a space. A line that does not
            // parse takes back what an earlier one gave.
            let mut parts = line.split('=');
            let (Some(name), Some(rest)) = (parts.next(), parts.next()) else { continue };
            let value = rest.split(' ').next().unwrap_or_default();
            match name {
                "POT_ZFS_ROOT" => values.zfs_root = parsed(value),
                "POT_FS_ROOT" => values.fs_root = parsed(value),
                "POT_EXTIF" => values.extif = parsed(value),
                "POT_DNS_NAME" => values.dns_name = parsed(value),
                "POT_NETWORK" => values.network = parsed(value),
                "POT_NETMASK" => values.netmask = parsed(value),
                "POT_GATEWAY" => values.gateway = parsed(value),
                "POT_DNS_IP" => values.dns_ip = parsed(value),
                _ => {}
            }
        }
        values
    }
}

fn parsed<T: FromStr>(value: &str) -> Option<T> {
    value.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &[u8] = b"POT_ZFS_ROOT=zroot/pot\nPOT_FS_ROOT=/opt/pot\nPOT_EXTIF=em0\nPOT_NETWORK=10.192.0.0/10\n\
        POT_NETMASK=255.192.0.0\nPOT_GATEWAY=10.192.0.1\nPOT_DNS_NAME=dns\nPOT_DNS_IP=10.192.0.2\n";

    fn answer(own: &str) -> (i32, Vec<String>) {
        let answer = config_check(DEFAULT, own.as_bytes());
        (answer.exit_code, answer.errors)
    }

    #[test]
    fn the_default_file_is_fine() {
        assert_eq!(answer(""), (0, vec![]));
    }

    #[test]
    fn quotes_hide_a_network_from_potnet() {
        assert_eq!(answer("POT_NETWORK=\"10.0.0.0/8\"\n"), (0, vec![]));
        assert_eq!(values(DEFAULT, b"POT_NETWORK=\"10.0.0.0/8\"\n")["POT_NETWORK"], "10.192.0.0/10");
    }

    #[test]
    fn a_gateway_outside_is_an_error_and_so_is_another_netmask() {
        assert_eq!(
            answer("POT_GATEWAY=1.1.1.1"),
            (1, vec!["gateway IP (1.1.1.1) outside the network range (10.192.0.0/10)".into()])
        );
        assert_eq!(
            answer("POT_NETMASK=255.0.0.0 # why\n"),
            (1, vec!["netmask (255.0.0.0) different from the network one (10.192.0.0/10)".into()])
        );
    }

    #[test]
    fn a_dns_outside_is_an_error_without_failing_and_only_if_pot_conf_gives_it() {
        assert_eq!(
            answer("POT_DNS_IP=1.1.1.1"),
            (0, vec!["DNS IP (1.1.1.1) outside the network range (10.192.0.0/10)".into()])
        );
        let own = "POT_NETWORK=10.0.0.0/16\nPOT_NETMASK=255.255.0.0\nPOT_GATEWAY=10.0.0.1\n";
        assert_eq!(answer(own), (0, vec![]));
        assert_eq!(config_check_by(Release::V0_4_4, DEFAULT, own.as_bytes()).errors.len(), 1);
    }

    #[test]
    fn exports_are_not_seen_and_lines_inside_an_if_are() {
        assert_eq!(answer("export POT_GATEWAY=1.1.1.1\n"), (0, vec![]));
        assert_eq!(answer("if false; then\n  POT_GATEWAY=1.1.1.1\nfi\n").0, 1);
    }

    #[test]
    fn a_later_line_that_does_not_parse_brings_the_default_back() {
        assert_eq!(answer("POT_GATEWAY=1.1.1.1\nPOT_GATEWAY=$x\n"), (0, vec![]));
    }

    #[test]
    fn what_is_missing_in_both_files_is_an_error() {
        let incomplete = PotnetAnswer { exit_code: 1, errors: vec!["Error: System configuration incomplete".into()] };
        assert_eq!(config_check(b"", b""), incomplete);
        assert_eq!(config_check(b"\xff", b""), incomplete);
        let without_network: Vec<u8> = DEFAULT.iter().copied().filter(|byte| *byte != b'/').collect();
        assert_eq!(config_check(&without_network, b""), incomplete);
        assert_eq!(config_check(DEFAULT, b"\xff").exit_code, 0);
    }

    #[test]
    fn a_dns_address_may_be_missing_since_0_5_0() {
        let text = String::from_utf8_lossy(DEFAULT).replace("POT_DNS_IP", "X");
        assert_eq!(config_check(text.as_bytes(), b"").exit_code, 0);
        assert_eq!(config_check_by(Release::V0_4_4, text.as_bytes(), b"").exit_code, 1);
    }
}
