//! pot's public bridges: the one that counts, and what earlier ones left.

use crate::facts::{Interface, Pot};
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

/// The public bridges of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicBridges<'a> {
    /// The one that pot takes, whoever made it: the first that [`is_taken`].
    pub(crate) used: Option<&'a Interface>,
    /// Those that `pot vnet-start` made and would leave beside it: of an earlier POT_GATEWAY, or one too many.
    pub(crate) others: Vec<&'a Interface>,
}

impl<'a> PublicBridges<'a> {
    /// Among all interfaces. Without a gateway that is certain, none is told from another.
    pub(crate) fn of(interfaces: &'a [Interface], gateway: Option<Ipv4Addr>) -> Self {
        let Some(gateway) = gateway else { return Self { used: None, others: Vec::new() } };
        let used = interfaces.iter().find(|interface| interface.is_bridge() && is_taken(interface, gateway));
        let others = interfaces
            .iter()
            .filter(|bridge| bridge.is_public_bridge() && used.is_none_or(|used| used.name != bridge.name))
            .collect();
        Self { used, others }
    }
}

/// Whether pot takes a bridge for its public one: POT_GATEWAY is its one IPv4 address. network.sh (`_pot_bridge_ipv4`)
/// compares all that `ifconfig BRIDGE inet` lists with it at once; two are never equal to it.
pub(crate) fn is_taken(bridge: &Interface, gateway: Ipv4Addr) -> bool {
    matches!(bridge.addresses.as_slice(), [only] if only.address() == gateway)
}

/// What to type at the machine until nothing hangs on a bridge any more, command by command; empty when nothing does.
/// Members that belong to pots bear their names (start.sh: `ifconfig epair create descr POT`).
pub(crate) fn to_free(bridge: &Interface, interfaces: &[Interface], pots: &[Pot]) -> Vec<String> {
    let described: HashMap<&str, &str> =
        interfaces.iter().map(|interface| (interface.name.as_str(), interface.description.as_str())).collect();
    let pots: HashSet<&str> = pots.iter().map(|pot| pot.name.as_str()).collect();
    bridge
        .members
        .iter()
        .map(|member| match described.get(member.as_str()).filter(|pot| pots.contains(*pot)) {
            Some(pot) => format!("pot stop -p {pot}"),
            None => format!("ifconfig {} deletem {member}", bridge.name),
        })
        .collect()
}
