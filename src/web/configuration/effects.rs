//! What saving would mean for the host, in sentences.

use super::context::PageContext;
use super::findings::join;
use super::form_edits::{EXTRA, FormEdits};
use crate::potconf::{Configuration, extra_interface};
use crate::web::layout::counted;

/// Up to so many are all named.
const ALL_NAMED: usize = 4;

/// "a, b, c and 27 more": the rail has no room for all pots of a host.
pub(super) fn few(names: &[&str]) -> String {
    match names.split_at_checked(ALL_NAMED - 1) {
        Some((first, rest)) if names.len() > ALL_NAMED => {
            let more = format!("{} more", rest.len());
            join(first.iter().copied().chain([more.as_str()]))
        }
        _ => join(names.iter().copied()),
    }
}

/// What saving would mean for what runs.
pub(super) fn effects(context: &PageContext, edits: &FormEdits, after: &Configuration) -> Vec<String> {
    let changes = |names: &[&str]| names.iter().any(|name| edits.wanted(name).is_some());
    let mut effects = Vec::new();
    if edits.is_empty() {
        return effects;
    }
    let network = changes(&[
        "POT_NETWORK",
        "POT_NETMASK",
        "POT_GATEWAY",
        "POT_EXTIF",
        "POT_EXTIF_ADDR",
        EXTRA,
        "POT_VPN_EXTIF",
        "POT_VPN_NETWORKS",
        "POT_NETWORK_STACK",
    ]) || edits.names().any(|name| extra_interface(name).is_some());
    effects.push(if network {
        "The host's network stays as it is until `pot vnet-start` runs.".to_owned()
    } else {
        "pot reads it at its next call; nothing that runs is touched.".to_owned()
    });
    let pots = context.facts.as_ref().and_then(|facts| facts.pots.get()).map(Vec::as_slice).unwrap_or_default();
    let network_after: Option<ipnet::Ipv4Net> = after.value("POT_NETWORK").and_then(|value| value.parse().ok());
    if changes(&["POT_NETWORK", "POT_NETMASK", "POT_GATEWAY"])
        && let Some(network) = network_after
    {
        let stranded = crate::facts::pots_outside(pots, network);
        match stranded.as_slice() {
            [] => {}
            [one] => effects.push(format!(
                "{one} keeps its address outside the new network: it reaches nothing outside once that is started."
            )),
            many => {
                let who = match few(many) {
                    all if many.len() <= ALL_NAMED => all,
                    some => format!("{} pots ({some})", many.len()),
                };
                effects.push(format!(
                    "{who} keep addresses outside the new network: they reach nothing outside once that is started."
                ));
            }
        }
    }
    if changes(&["POT_ZFS_ROOT", "POT_FS_ROOT"]) && !pots.is_empty() {
        effects.push(format!("pot will no longer find {} below the old place.", counted(pots.len(), "pot", "pots")));
    }
    effects
}
