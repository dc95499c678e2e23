//! Findings, limits and readings: pure functions of (configuration, facts).
//!
//! A **finding** ([`check`]) can be overridden by an admin with a reason, a **limit** ([`limits`]) never. A **reading**
//! ([`readings`]) says what a value means on this host; a page shows it where a finding would stand.
//!
//! Each rule is a small pure function of a [`view::View`]; the file is named after its subject, the doc comment names
//! its source. A default is not blamed for what it says: only where pot itself would fail with it on this host.

#[cfg(test)]
mod example;
mod file_system;
mod finding;
mod interfaces;
pub mod limits;
mod network;
mod other;
mod reading;
mod readings;
mod view;

use crate::facts::HostFacts;
use crate::potconf::{Configuration, PARAMETERS, extra_interface};
use std::collections::BTreeMap;
use std::net::IpAddr;
use view::View;

pub use finding::{Finding, Fix, Severity};

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Both files.
    pub configuration: &'a Configuration,
    /// What is known about the host; none leaves out the rules that need it.
    pub facts: Option<&'a HostFacts>,
    /// The address of the browser that asks, when there is one.
    pub admin: Option<IpAddr>,
}

impl<'a> Subject<'a> {
    /// A configuration by itself, without a host.
    pub fn new(configuration: &'a Configuration) -> Self {
        Self { configuration, facts: None, admin: None }
    }

    /// On this host.
    #[must_use]
    pub fn on(mut self, facts: Option<&'a HostFacts>) -> Self {
        self.facts = facts;
        self
    }

    /// Asked from this address.
    #[must_use]
    pub fn asked_from(mut self, admin: Option<IpAddr>) -> Self {
        self.admin = admin;
        self
    }
}

/// A rule: what it finds in one view.
type Rule = fn(&View<'_>) -> Vec<Finding>;

/// Every rule but `reading::against_limit`, which needs to know what these said.
const RULES: &[Rule] = &[
    reading::shell_syntax,
    reading::unquoted_blank,
    reading::runs_command,
    reading::computed_value,
    reading::duplicate_assignment,
    reading::unknown_parameter,
    reading::newer_than_installed,
    reading::potnet_reads_differently,
    reading::carriage_return,
    reading::value_missing,
    network::network_is_no_network,
    network::ipv6_given,
    network::no_address,
    network::gateway_outside_network,
    network::gateway_is_no_host,
    network::netmask_differs,
    network::network_with_host_bits,
    network::network_not_private,
    network::network_too_small,
    network::network_overlaps_interface,
    network::network_overlaps_listed,
    network::network_overlaps_route,
    network::admin_inside_network,
    network::default_gateway_inside_network,
    network::resolver_inside_network,
    network::dns_outside_network,
    network::dns_is_gateway,
    network::dns_deprecated,
    network::pots_outside_network,
    network::private_bridges_outside_network,
    network::gateway_taken,
    interfaces::extif_missing,
    interfaces::extif_without_address,
    interfaces::extif_is_no_way_out,
    interfaces::extif_address_wrong,
    interfaces::extif_has_several_addresses,
    interfaces::stack_unknown,
    interfaces::stack_needs_bare_interface,
    interfaces::extra_missing,
    interfaces::extra_is_extif,
    interfaces::extra_twice,
    interfaces::extra_without_network,
    interfaces::extra_name_unusable,
    interfaces::extra_network_unused,
    interfaces::extra_networks_overlap,
    interfaces::vpn_half_set,
    interfaces::vpn_interface_missing,
    interfaces::entries_that_are_no_networks,
    file_system::dataset_name_invalid,
    file_system::pool_missing,
    file_system::dataset_mounted_elsewhere,
    file_system::dataset_left_behind,
    file_system::dataset_not_pots,
    file_system::cache_mounted_elsewhere,
    file_system::folder_not_absolute,
    file_system::folders_in_each_other,
    file_system::folder_not_empty,
    file_system::tmp_is_shared,
    file_system::tmp_missing,
    file_system::group_missing,
    other::facility_unknown,
    other::facility_written_nowhere,
    other::log_file_missing,
    other::hostname_length,
    other::too_few_random_characters,
    other::boolean_unknown,
    other::hook_unusable,
    other::public_key_unusable,
    other::pf_conf_invalid,
];

/// Every finding, the worst first, then in the order in which the guide explains the parameters.
pub fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let view = View::new(subject);
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&view)).collect();
    findings.extend(reading::against_limit(&view, &findings));
    for finding in &mut findings {
        if finding.line.is_none() {
            finding.line = finding.parameters.first().and_then(|name| view.line(name));
        }
    }
    findings.sort_by_cached_key(|finding| {
        (finding.severity, finding.parameters.first().map(|name| place(name)), finding.line, finding.code.clone())
    });
    findings
}

/// Where the guide explains a parameter: its number, and the family of POT_NETWORK_<interface> right behind the list of
/// those interfaces.
fn place(name: &str) -> (usize, String) {
    let known = if extra_interface(name).is_some() { "POT_EXTRA_EXTIF" } else { name };
    let place = PARAMETERS.iter().position(|parameter| parameter.name == known).unwrap_or(PARAMETERS.len());
    (place, if known == name { String::new() } else { name.to_owned() })
}

/// For each parameter what its value means on this host, in a few words; none for what nothing can be said about.
pub fn readings(subject: &Subject<'_>) -> BTreeMap<String, String> {
    readings::of(&View::new(subject))
}
