//! `ifconfig -a` (ifconfig(8)): a line that begins at the margin begins an interface, indented ones belong to it.

use super::quote;
use crate::facts::{Interface, Ipv4Address};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Interfaces in the host's order.
///
/// Addresses are taken in all forms that IFCONFIG_FORMAT can ask for: `netmask 0xffffff00`,
/// `netmask 255.255.255.0`, `10.0.0.1/24`. Other indented lines (options, media, status …) say nothing that is
/// needed here.
pub fn interfaces(text: &str) -> Result<Vec<Interface>, String> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if !line.starts_with([' ', '\t']) {
            interfaces.push(heading(line).ok_or_else(|| unexpected(line))?);
            continue;
        }
        let interface = interfaces.last_mut().ok_or_else(|| unexpected(line))?;
        let line = line.trim();
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("inet") => interface.addresses.push(inet(words).ok_or_else(|| unexpected(line))?),
            Some("inet6") => interface.addresses6.push(inet6(words).ok_or_else(|| unexpected(line))?),
            Some("groups:") => interface.groups = words.map(str::to_owned).collect(),
            Some("member:") => interface.members.extend(words.next().map(str::to_owned)),
            // A description may hold blanks, quotes, anything: the rest of the line is it.
            Some("description:") => {
                line.strip_prefix("description:").unwrap_or_default().trim().clone_into(&mut interface.description);
            }
            _ => {}
        }
    }
    Ok(interfaces)
}

/// `vtnet0: flags=1008843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 1500`
fn heading(line: &str) -> Option<Interface> {
    let (name, rest) = line.split_once(": flags=")?;
    if name.is_empty() || name.contains(char::is_whitespace) {
        return None;
    }
    let (_, flags) = rest.split_once('<')?;
    let (flags, _) = flags.split_once('>')?;
    Some(Interface {
        name: name.to_owned(),
        up: flags.split(',').any(|flag| flag == "UP"),
        description: String::new(),
        groups: Vec::new(),
        addresses: Vec::new(),
        addresses6: Vec::new(),
        members: Vec::new(),
    })
}

/// `192.168.178.20 netmask 0xffffff00 broadcast 192.168.178.255`, `10.8.0.2 --> 10.8.0.1 netmask 0xffffffff`
fn inet<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Ipv4Address> {
    let first = words.next()?;
    if first.contains('/') {
        return Some(Ipv4Address { network: first.parse().ok()? });
    }
    let address: Ipv4Addr = first.parse().ok()?;
    while let Some(word) = words.next() {
        if word == "netmask" {
            let mask = netmask(words.next()?)?;
            return Some(Ipv4Address { network: Ipv4Net::with_netmask(address, mask).ok()? });
        }
    }
    None
}

fn netmask(word: &str) -> Option<Ipv4Addr> {
    match word.strip_prefix("0x") {
        // from_str_radix takes a sign as well; a mask has none.
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            u32::from_str_radix(digits, 16).ok().map(Ipv4Addr::from)
        }
        Some(_) => None,
        None => word.parse().ok(),
    }
}

/// `fe80::5054:ff:fe12:3456%vtnet0 prefixlen 64 scopeid 0x1`, or `2001:db8::1/64`
fn inet6<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<IpNet> {
    let first = words.next()?;
    let (address, prefix) = match first.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (first, None),
    };
    // The zone names the interface, which is known already.
    let address: Ipv6Addr = address.split('%').next()?.parse().ok()?;
    let prefix = match prefix {
        Some(prefix) => prefix.split('%').next()?.parse().ok()?,
        None => {
            words.find(|word| *word == "prefixlen")?;
            words.next()?.parse().ok()?
        }
    };
    Ipv6Net::new(address, prefix).ok().map(IpNet::V6)
}

fn unexpected(line: &str) -> String {
    format!("ifconfig answered a line that is not understood: {}", quote(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOCK: &str = "\
vtnet0: flags=1008843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 1500
\toptions=4c07bb<RXCSUM,TXCSUM,VLAN_MTU,VLAN_HWTAGGING,JUMBO_MTU,VLAN_HWCSUM,TSO4,TSO6,LRO,VLAN_HWTSO,LINKSTATE,TXCSUM_IPV6>
\tether 52:54:00:12:34:56
\tinet 192.168.178.20 netmask 0xffffff00 broadcast 192.168.178.255
\tinet 192.168.178.21 netmask 0xffffffff broadcast 192.168.178.21
\tinet6 fe80::5054:ff:fe12:3456%vtnet0 prefixlen 64 scopeid 0x1
\tmedia: Ethernet autoselect (10Gbase-T <full-duplex>)
\tstatus: active
\tnd6 options=23<PERFORMNUD,ACCEPT_RTADV,AUTO_LINKLOCAL>
lo0: flags=1008049<UP,LOOPBACK,RUNNING,MULTICAST,LOWER_UP> metric 0 mtu 16384
\toptions=680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>
\tinet 127.0.0.1 netmask 0xff000000
\tinet6 ::1 prefixlen 128
\tinet6 fe80::1%lo0 prefixlen 64 scopeid 0x2
\tgroups: lo
\tnd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>
bridge0: flags=1008843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 1500
\tdescription: pot public bridge
\toptions=0
\tether 58:9c:fc:10:ff:e2
\tinet 10.192.0.1 netmask 0xffc00000 broadcast 10.255.255.255
\tid 00:00:00:00:00:00 priority 32768 hellotime 2 fwddelay 15
\tmaxage 20 holdcnt 6 proto rstp maxaddr 2000 timeout 1200
\troot id 00:00:00:00:00:00 priority 32768 ifcost 0 port 0
\tmember: epair0a flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>
\t        port 4 priority 128 path cost 2000
\tgroups: bridge pot
\tnd6 options=9<PERFORMNUD,IFDISABLED>
tun0: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> metric 0 mtu 1420
\tinet 10.8.0.2 --> 10.8.0.1 netmask 0xffffffff
\tgroups: tun
";

    #[test]
    fn interfaces_of_a_host_with_a_public_bridge() {
        let interfaces = interfaces(STOCK).unwrap();
        assert_eq!(
            interfaces.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(),
            ["vtnet0", "lo0", "bridge0", "tun0"]
        );
        assert_eq!(interfaces[0].addresses[0].network, "192.168.178.20/24".parse().unwrap());
        assert_eq!(interfaces[0].addresses[1].network.prefix_len(), 32);
        assert_eq!(interfaces[0].addresses6[0].prefix_len(), 64);
        assert!(interfaces[1].is_loopback());
        let bridge = &interfaces[2];
        assert!(bridge.is_bridge() && bridge.up);
        assert_eq!(bridge.description, "pot public bridge");
        assert_eq!(bridge.members, ["epair0a"]);
        assert_eq!(bridge.groups, ["bridge", "pot"]);
        assert_eq!(bridge.addresses[0].network, "10.192.0.1/10".parse().unwrap());
        assert_eq!(interfaces[3].addresses[0].address(), Ipv4Addr::new(10, 8, 0, 2));
    }

    #[test]
    fn every_address_format_reads_alike() {
        let of = |address: &str| {
            let text = format!("em0: flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1500\n\tinet {address}\n");
            interfaces(&text).map(|found| found[0].addresses[0].network)
        };
        let expected = Ok("10.192.0.1/10".parse().unwrap());
        assert_eq!(of("10.192.0.1 netmask 0xffc00000 broadcast 10.255.255.255"), expected);
        assert_eq!(of("10.192.0.1 netmask 255.192.0.0 broadcast 10.255.255.255"), expected);
        assert_eq!(of("10.192.0.1/10 broadcast 10.255.255.255"), expected);
        assert!(of("10.192.0.1 netmask 0xff00ff00").is_err());
        assert!(of("10.192.0.1").is_err());
    }

    #[test]
    fn an_interface_that_is_down_is_not_up() {
        let text = "em1: flags=8822<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1500\n";
        assert!(!interfaces(text).unwrap()[0].up);
    }

    #[test]
    fn garbage_is_an_error_with_the_line() {
        assert!(interfaces("ifconfig: SIOCGIFCONF: oops").unwrap_err().contains("oops"));
        assert!(interfaces("\tinet 10.0.0.1/8\n").is_err());
    }
}
