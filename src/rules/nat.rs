//! pot's NAT rules: which ones `pot vnet-start` makes of the configuration, and which ones are loaded. One model for the
//! plan, its verification and Host.

use crate::diff::Diff;
use crate::facts::Interface;
use crate::potconf::Configuration;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

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
    pub(crate) vpn: Vec<(String, String)>,
}

/// One NAT rule, with macros resolved. Networks are written as pf keeps them: without host bits, with their length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatRule {
    /// `nat on IF`.
    pub interface: String,
    /// `from NET`.
    pub from: String,
    /// `to NET` or `any`.
    pub to: String,
    /// `-> (IF:0)` or an address.
    pub(crate) translated: String,
}

impl Nat {
    /// What `pot vnet-start` makes of the configuration on a host with these interfaces; none when POT_EXTIF or
    /// POT_NETWORK is not certain or no IPv4 network.
    pub fn of(configuration: &Configuration, interfaces: &[Interface]) -> Option<Self> {
        let value = |name: &str| configuration.value(name).map(str::trim).filter(|value| !value.is_empty());
        let external = value("POT_EXTIF")?;
        let network = value("POT_NETWORK")?.parse().ok()?;
        // vnet-start.sh, `_is_valid_extif_addr`: an address that does not stand on POT_EXTIF is ignored.
        let stands = |address: &&str| {
            interfaces
                .iter()
                .filter(|interface| interface.name == external)
                .any(|interface| interface.addresses.iter().any(|own| own.address().to_string() == **address))
        };
        let extra = configuration
            .list("POT_EXTRA_EXTIF")
            .into_iter()
            .filter_map(|interface| {
                let to = value(&format!("POT_NETWORK_{interface}"))?.to_owned();
                Some((interface, to))
            })
            .collect();
        let vpn = value("POT_VPN_EXTIF").map(|interface| {
            configuration.list("POT_VPN_NETWORKS").into_iter().map(|to| (interface.to_owned(), to)).collect()
        });
        Some(Self {
            external: external.to_owned(),
            address: value("POT_EXTIF_ADDR").filter(stands).map(str::to_owned),
            network,
            extra,
            vpn: vpn.unwrap_or_default(),
        })
    }

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
    pub(crate) fn rules(&self) -> Vec<NatRule> {
        let rule = |interface: &str, to: &str, translated: String| NatRule {
            interface: interface.to_owned(),
            from: written(&self.network.to_string()),
            to: written(to),
            translated,
        };
        let own = self.address.clone().unwrap_or_else(|| format!("({}:0)", self.external));
        let others = self.extra.iter().chain(&self.vpn);
        std::iter::once(rule(&self.external, "any", own))
            .chain(others.map(|(interface, to)| rule(interface, to, format!("({interface}:0)"))))
            .collect()
    }

    /// Compares with what `pfctl -s nat -a pot-nat` printed: the planned rules that are missing, and the loaded ones
    /// that were not planned. pfctl writes rules in its own words (`inet`, `round-robin`), so only interface, source,
    /// destination and the translated side count.
    pub(crate) fn compare(&self, loaded: &[String]) -> (Vec<NatRule>, Vec<NatRule>) {
        let mut unplanned: Vec<NatRule> = loaded.iter().filter_map(|line| NatRule::read(line)).collect();
        let mut missing = Vec::new();
        for rule in self.rules() {
            match unplanned.iter().position(|other| *other == rule) {
                Some(index) => {
                    unplanned.remove(index);
                }
                None => missing.push(rule),
            }
        }
        (missing, unplanned)
    }

    /// What changes in pot-nat when vnet-start loads these rules in place of `loaded`, in pfctl's words.
    pub fn difference(&self, loaded: &[String]) -> Diff {
        let line = |rule: &NatRule| {
            format!("nat on {} inet from {} to {} -> {}\n", rule.interface, rule.from, rule.to, rule.translated)
        };
        let old: String = loaded
            .iter()
            .map(|loaded| NatRule::read(loaded).map_or_else(|| format!("{}\n", loaded.trim()), |rule| line(&rule)))
            .collect();
        let new: String = self.rules().iter().map(line).collect();
        Diff::between("pot-nat", old.as_bytes(), new.as_bytes())
    }
}

impl NatRule {
    /// A line as pfctl prints it: `nat on em0 inet from 10.192.0.0/10 to any -> (em0:0) round-robin`. None for one that
    /// does not translate.
    pub fn read(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        if words.next()? != "nat" {
            return None;
        }
        let mut found =
            Self { interface: String::new(), from: "any".to_owned(), to: "any".to_owned(), translated: String::new() };
        while let Some(word) = words.next() {
            match word {
                "on" => words.next()?.clone_into(&mut found.interface),
                "from" => found.from = written(words.next()?),
                "to" => found.to = written(words.next()?),
                "->" => words.next()?.clone_into(&mut found.translated),
                _ => {}
            }
        }
        (!found.interface.is_empty()).then_some(found)
    }
}

impl NatRule {
    /// "to anywhere", "to 10.0.20.0/24".
    pub(crate) fn to_in_words(&self) -> String {
        if self.to == "any" { "to anywhere".to_owned() } else { format!("to {}", self.to) }
    }

    /// As whom packets leave: "as 192.168.178.20". `(IF:0)` is the first address of the interface (pf.conf(5)), where that
    /// is known.
    pub(crate) fn as_in_words(&self, interfaces: &[Interface]) -> String {
        if self.translated != format!("({}:0)", self.interface) {
            return format!("as {}", self.translated);
        }
        let held = interfaces.iter().find(|interface| interface.name == self.interface);
        match held.and_then(|interface| interface.addresses.first()) {
            Some(first) => format!("as {}", first.address()),
            None => format!("as the first address of {}", self.interface),
        }
    }
}

impl std::fmt::Display for NatRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} to {} as {}", self.interface, self.from, self.to, self.translated)
    }
}

/// A network without host bits, a single address with its length, which pfctl leaves away; anything else as it stands.
fn written(side: &str) -> String {
    let network = side.parse::<Ipv4Net>().or_else(|_| side.parse::<Ipv4Addr>().map(Ipv4Net::from));
    network.map_or_else(|_| side.to_owned(), |network| network.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::example::{configuration, healthy};

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
        let words: Vec<String> = unplanned.iter().map(NatRule::to_string).collect();
        assert_eq!(words, ["em0: 10.192.0.0/10 to any as (em0:0)"]);
    }

    #[test]
    fn plan_and_host_read_the_same_rules_out_of_pot_conf() {
        let interfaces = healthy().interfaces.value.unwrap();
        let of = |own: &str| Nat::of(&configuration(own), &interfaces);
        let own = "POT_EXTIF_ADDR=192.168.178.20\nPOT_EXTRA_EXTIF=\"vlan20 vlan30\"\nPOT_NETWORK_vlan20=10.0.20.9/24\n\
                   POT_VPN_EXTIF=tun0\nPOT_VPN_NETWORKS=\"10.8.0.1 10.9.0.0/16\"\n";
        let loaded = [
            "nat on em0 inet from 10.192.0.0/10 to any -> 192.168.178.20".to_owned(),
            "nat on vlan20 inet from 10.192.0.0/10 to 10.0.20.0/24 -> (vlan20:0) round-robin".to_owned(),
            "nat on tun0 inet from 10.192.0.0/10 to 10.8.0.1 -> (tun0:0)".to_owned(),
            "nat on tun0 inet from 10.192.0.0/10 to 10.9.0.0/16 -> (tun0:0)".to_owned(),
        ];
        assert_eq!(of(own).unwrap().compare(&loaded), (Vec::new(), Vec::new()));
        // An address of another interface is ignored, as pot does.
        assert_eq!(of("POT_EXTIF_ADDR=10.0.20.4\n").unwrap().address, None);
        assert_eq!(of("POT_NETWORK=$(cat /etc/net)\n"), None);
        assert_eq!(of("POT_NETWORK=fd00::/64\n"), None);
    }
}
