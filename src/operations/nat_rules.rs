//! The rules that `pot vnet-start` will load into anchor pot-nat, and whether they were.

use ipnet::Ipv4Net;

/// What of the configuration decides about NAT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nat {
    /// POT_EXTIF.
    pub external: String,
    /// POT_EXTIF_ADDR, when it is set and stands on POT_EXTIF (pot ignores it otherwise).
    pub address: Option<String>,
    /// POT_NETWORK.
    pub network: Ipv4Net,
    /// Extra interfaces that have a POT_NETWORK_*if*, with it, in order.
    pub extra: Vec<(String, String)>,
    /// POT_VPN_EXTIF with each of POT_VPN_NETWORKS.
    pub vpn: Vec<(String, String)>,
}

/// One NAT rule, with macros resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `nat on IF`.
    pub interface: String,
    /// `to NET` or `any`.
    pub to: String,
    /// `-> (IF:0)` or an address.
    pub translated: String,
}

impl Nat {
    /// The file that vnet-start gives to `pfctl -a pot-nat -f`, line by line.
    pub fn file(&self) -> Vec<String> {
        let mut lines = vec![format!("ext_if = \"{}\"", self.external), format!("localnet = \"{}\"", self.network)];
        match &self.address {
            Some(address) => {
                lines.push(format!("ext_addr = \"{address}\""));
                lines.push("nat on $ext_if from $localnet to any -> $ext_addr".to_owned());
            }
            None => lines.push("nat on $ext_if from $localnet to any -> ($ext_if:0)".to_owned()),
        }
        for (interface, to) in self.extra.iter().chain(&self.vpn) {
            lines.push(format!("nat on {interface} from $localnet to {to} -> ({interface}:0)"));
        }
        lines
    }

    /// The rules, one for each `nat` line.
    pub fn rules(&self) -> Vec<Rule> {
        let first = Rule {
            interface: self.external.clone(),
            to: "any".to_owned(),
            translated: self.address.clone().unwrap_or_else(|| format!("({}:0)", self.external)),
        };
        let others = self.extra.iter().chain(&self.vpn).map(|(interface, to)| Rule {
            interface: interface.clone(),
            to: to.clone(),
            translated: format!("({interface}:0)"),
        });
        std::iter::once(first).chain(others).collect()
    }

    /// Compares with what `pfctl -s nat -a pot-nat` printed: the planned rules that are missing, and the loaded ones
    /// that were not planned. pfctl writes rules in its own words (`inet`, `round-robin`), so only interface, source,
    /// destination and the translated side count.
    pub fn compare(&self, loaded: &[String]) -> (Vec<Rule>, Vec<String>) {
        let mut unplanned: Vec<&String> = loaded.iter().filter(|line| line.starts_with("nat ")).collect();
        let mut missing = Vec::new();
        for rule in self.rules() {
            match unplanned.iter().position(|line| self.is(&rule, line)) {
                Some(index) => {
                    unplanned.remove(index);
                }
                None => missing.push(rule),
            }
        }
        (missing, unplanned.into_iter().cloned().collect())
    }

    fn is(&self, rule: &Rule, line: &str) -> bool {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let after = |word: &str| {
            words.iter().position(|candidate| *candidate == word).and_then(|at| words.get(at + 1)).copied()
        };
        let same_net = |seen: Option<&str>, wanted: &str| {
            seen.is_some_and(|seen| seen == wanted || network(seen).is_some_and(|net| Some(net) == network(wanted)))
        };
        after("on") == Some(rule.interface.as_str())
            && same_net(after("from"), &self.network.to_string())
            && same_net(after("to"), &rule.to)
            && after("->").is_some_and(|seen| seen == rule.translated || same_net(Some(seen), &rule.translated))
    }
}

fn network(text: &str) -> Option<Ipv4Net> {
    let net: Ipv4Net =
        if text.contains('/') { text.parse().ok()? } else { Ipv4Net::new(text.parse().ok()?, 32).ok()? };
    Some(net.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nat() -> Nat {
        Nat {
            external: "em0".to_owned(),
            address: None,
            network: "10.200.0.0/16".parse().unwrap(),
            extra: vec![("vlan20".to_owned(), "10.0.20.0/24".to_owned())],
            vpn: vec![("tun0".to_owned(), "192.168.0.0/16".to_owned())],
        }
    }

    #[test]
    fn the_preview_is_the_file_that_pot_writes() {
        assert_eq!(
            nat().file(),
            [
                "ext_if = \"em0\"",
                "localnet = \"10.200.0.0/16\"",
                "nat on $ext_if from $localnet to any -> ($ext_if:0)",
                "nat on vlan20 from $localnet to 10.0.20.0/24 -> (vlan20:0)",
                "nat on tun0 from $localnet to 192.168.0.0/16 -> (tun0:0)",
            ]
        );
        let with_address = Nat { address: Some("192.168.178.20".to_owned()), ..nat() };
        assert!(with_address.file().contains(&"nat on $ext_if from $localnet to any -> $ext_addr".to_owned()));
    }

    #[test]
    fn loaded_rules_are_told_from_missing_and_foreign_ones() {
        let loaded = [
            "nat on em0 inet from 10.200.0.0/16 to any -> (em0:0)".to_owned(),
            "nat on vlan20 inet from 10.200.0.0/16 to 10.0.20.0/24 -> (vlan20:0) round-robin".to_owned(),
            "nat on em0 inet from 10.192.0.0/10 to any -> (em0:0)".to_owned(),
        ];
        let (missing, unplanned) = nat().compare(&loaded);
        assert_eq!(missing.iter().map(|rule| rule.interface.as_str()).collect::<Vec<_>>(), ["tun0"]);
        assert_eq!(unplanned, ["nat on em0 inet from 10.192.0.0/10 to any -> (em0:0)"]);
    }
}
