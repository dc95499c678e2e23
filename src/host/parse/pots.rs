//! The files that pot keeps per pot and per private bridge below POT_FS_ROOT: `key=value` lines.

use super::quote;
use crate::facts::{Pot, PrivateBridge};
use std::net::IpAddr;

/// A pot from its `jails/NAME/conf/pot.conf`. Whether it runs is another source's to say.
///
/// The file is pot's own, yet hands edit it: a key that is missing or odd leaves its field empty, for the pot is
/// there all the same.
pub fn pot(name: &str, text: &str) -> Pot {
    let get = |key: &str| last_value(text, key);
    let bridge = get("bridge").filter(|bridge| !bridge.is_empty());
    let network_type = get("network_type").unwrap_or_else(|| {
        // Pots of before 0.6 have no such key.
        match (get("vnet").as_deref(), &bridge) {
            (Some("true"), Some(_)) => "private-bridge",
            (Some("true"), None) => "public-bridge",
            _ => "inherit",
        }
        .to_owned()
    });
    let addresses = get("ip")
        .or_else(|| get("ip4"))
        .map(|list| {
            // An alias is `INTERFACE|ADDRESS`; either may carry a prefix length.
            list.split_ascii_whitespace()
                .filter_map(|item| item.rsplit('|').next()?.split(['/', '%']).next()?.parse::<IpAddr>().ok())
                .collect()
        })
        .unwrap_or_default();
    Pot {
        name: name.to_owned(),
        kind: get("pot.type").unwrap_or_default(),
        network_type,
        addresses,
        bridge,
        running: None,
        exports: get("pot.export.ports")
            .map(|list| list.split_ascii_whitespace().map(str::to_owned).collect())
            .unwrap_or_default(),
    }
}

/// A private bridge from `bridges/NAME`.
pub(crate) fn private_bridge(name: &str, text: &str) -> Result<PrivateBridge, String> {
    let get = |key: &str| last_value(text, key).ok_or_else(|| format!("bridge {name} has no {key}="));
    let network = get("net")?;
    let gateway = get("gateway")?;
    Ok(PrivateBridge {
        name: name.to_owned(),
        network: network.parse().map_err(|_| format!("bridge {name}: {} is no network", quote(&network)))?,
        gateway: gateway.parse().map_err(|_| format!("bridge {name}: {} is no address", quote(&gateway)))?,
    })
}

fn last_value(text: &str, key: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .next_back()
        .map(|value| value.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pot_on_the_public_bridge() {
        let text = "pot.level=0\npot.type=multi\npot.base=14.3\nhost.hostname=\"web1.lan\"\nosrelease=\"14.3-RELEASE\"\n\
            pot.attr.persistent=true\npot.stack=ipv4\nvnet=true\nnetwork_type=public-bridge\nip=10.192.0.3\n";
        let pot = pot("web1", text);
        assert_eq!((pot.kind.as_str(), pot.network_type.as_str()), ("multi", "public-bridge"));
        assert_eq!(pot.addresses, ["10.192.0.3".parse::<IpAddr>().unwrap()]);
        assert_eq!((pot.bridge, pot.running), (None, None));
    }

    #[test]
    fn aliases_private_bridges_and_pots_without_network() {
        let alias = pot("a", "network_type=alias\nip=em0|192.168.178.21 em0|fe80::2%em0 192.168.178.22/24\n");
        assert_eq!(alias.addresses.len(), 3);
        let private = pot("p", "network_type=private-bridge\nvnet=true\nbridge=lan1\nip=10.192.0.10\n");
        assert_eq!(private.bridge.as_deref(), Some("lan1"));
        assert_eq!(pot("old", "ip4=inherit\n").network_type, "inherit");
        assert_eq!(pot("old", "vnet=true\nip4=10.192.0.4\n").network_type, "public-bridge");
    }

    #[test]
    fn private_bridges_with_their_network() {
        let bridge = private_bridge("lan1", "name=lan1\nnet=10.192.0.8/29\ngateway=10.192.0.9\n").unwrap();
        assert_eq!(bridge.network, "10.192.0.8/29".parse().unwrap());
        assert!(private_bridge("lan1", "name=lan1\ngateway=10.192.0.9\n").unwrap_err().contains("no net="));
        assert!(private_bridge("lan1", "net=ten\ngateway=10.192.0.9\n").is_err());
    }
}
