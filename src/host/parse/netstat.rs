//! `netstat -rn -f inet` (netstat(1)): the kernel's IPv4 routes.

use super::quote;
use crate::facts::Route;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// Routes in the order given. The columns are found by their headings: FreeBSD 12 and 13 have other ones than 14.
pub fn routes(text: &str) -> Result<Vec<Route>, String> {
    let mut lines = text.lines();
    let Some(netif) = lines.by_ref().find_map(|line| {
        let headings: Vec<_> = line.split_ascii_whitespace().collect();
        (headings.first() == Some(&"Destination")).then(|| headings.iter().position(|heading| *heading == "Netif"))
    }) else {
        // A host without a single route prints the first heading alone.
        return if text.trim_start().starts_with("Routing tables") { Ok(Vec::new()) } else { Err(unexpected(text)) };
    };
    let netif = netif.ok_or_else(|| "netstat has no column Netif".to_owned())?;
    lines
        .take_while(|line| !line.trim().is_empty())
        .map(|line| {
            let fields: Vec<_> = line.split_ascii_whitespace().collect();
            let (Some(target), Some(gateway), Some(interface)) = (fields.first(), fields.get(1), fields.get(netif))
            else {
                return Err(unexpected(line));
            };
            Ok(Route {
                destination: destination(target).ok_or_else(|| unexpected(line))?,
                // `link#1` and hardware addresses are no next hop: the network is on the link itself.
                gateway: gateway.parse().ok(),
                interface: (*interface).to_owned(),
            })
        })
        .collect()
}

/// `default`, `10.192.0.0/10`, `192.168.178.20` (a host), `127` and `10.8/16` (older releases leave out zeros).
fn destination(field: &str) -> Option<Ipv4Net> {
    if field == "default" {
        return Ipv4Net::new(Ipv4Addr::UNSPECIFIED, 0).ok();
    }
    let (address, prefix) = match field.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
        None => (field, None),
    };
    let mut octets = [0u8; 4];
    let mut count = 0u8;
    for part in address.split('.') {
        *octets.get_mut(usize::from(count))? = part.parse().ok()?;
        count += 1;
    }
    let prefix = prefix.unwrap_or(if count == 4 { 32 } else { count * 8 });
    Ipv4Net::new(Ipv4Addr::from(octets), prefix).ok()
}

fn unexpected(line: &str) -> String {
    format!("netstat answered what is not understood: {}", quote(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_of_freebsd_14() {
        let text = "\
Routing tables

Internet:
Destination        Gateway            Flags         Netif Expire
default            192.168.178.1      UGS          vtnet0
10.192.0.0/10      link#3             U           bridge0
127.0.0.1          link#2             UH              lo0
192.168.178.0/24   link#1             U            vtnet0
192.168.178.20     link#2             UHS             lo0
";
        let routes = routes(text).unwrap();
        assert_eq!(routes.len(), 5);
        assert_eq!(routes[0].destination.prefix_len(), 0);
        assert_eq!(
            (routes[0].gateway, routes[0].interface.as_str()),
            (Some(Ipv4Addr::new(192, 168, 178, 1)), "vtnet0")
        );
        assert_eq!((routes[1].gateway, routes[1].interface.as_str()), (None, "bridge0"));
        assert_eq!(routes[4].destination.prefix_len(), 32);
    }

    #[test]
    fn the_wide_form_has_other_columns() {
        let text = "\
Routing tables

Internet:
Destination        Gateway            Flags   Nhop#    Mtu      Netif Expire
default            10.0.2.2           UGS         4   1500        em0
";
        assert_eq!(routes(text).unwrap()[0].interface, "em0");
    }

    #[test]
    fn a_host_without_routes_is_no_error_but_garbage_is() {
        assert_eq!(routes("Routing tables\n\nInternet:\n"), Ok(vec![]));
        assert!(routes("netstat: kvm not available").is_err());
        assert!(routes("Destination Gateway Flags Netif\nnowhere x U em0\n").is_err());
    }

    #[test]
    fn short_forms_of_older_releases() {
        assert_eq!(destination("127"), "127.0.0.0/8".parse().ok());
        assert_eq!(destination("10.8/16"), "10.8.0.0/16".parse().ok());
        assert_eq!(destination("1.2.3.4.5"), None);
    }
}
