//! Findings, limits and readings: pure functions of (configuration, facts).
//!
//! A **finding** ([`check`]) can be overridden by an admin with a reason, a **limit** ([`limits`]) never. A **reading**
//! ([`readings`]) says what a value means on this host; a page shows it where a finding would stand.
//!
//! Each rule is a small pure function of a [`view::View`]; the file is named after its subject, the doc comment names
//! its source. A default is not blamed for what it says: only where pot itself would fail with it on this host.

#[cfg(test)]
mod advice;
mod bridges;
#[cfg(test)]
mod example;
mod explanations;
mod file_system;
mod finding;
mod free_network;
mod interfaces;
pub mod limits;
mod log_route;
mod nat;
mod network;
mod next_boot;
mod other;
mod reading;
pub mod readings;
mod review;
mod spelling;
pub(crate) mod syslogd_flags;
#[cfg(test)]
mod uses;
mod view;

use crate::facts::HostFacts;
use crate::potconf::{Configuration, Edit, Name, PARAMETERS, extra_interface};
use crate::process::harmless;
use finding::errors_brought;
use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use view::{View, grouped};

pub(crate) use bridges::{PublicBridges, is_taken, to_free};
pub(crate) use explanations::{Example, Explanation, explanation, explanations};
pub use file_system::Temporary;
pub(crate) use file_system::{
    PRIVATE_TMP, TmpPlace, can_be_private, offers_private_tmp, pots_in_the_way, tmp_in_force, tmp_not_there,
};
pub(crate) use finding::{Finding, Fix, Severity};
pub(crate) use free_network::{free_networks, renumbering};
pub(crate) use log_route::{LogRoute, log_route, missing_logs};
pub(crate) use nat::{Nat, NatRule};
pub(crate) use network::overlaps;
pub(crate) use next_boot::{NextBoot, is_yes, next_boot, next_boot_with};
pub(crate) use other::host_not_asked;
pub use review::Review;
pub(crate) use review::{Unwritable, Verdict, errors_in_words, within_limits};

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
    pub(crate) fn asked_from(mut self, admin: Option<IpAddr>) -> Self {
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
    reading::byte_order_mark,
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
    interfaces::stack_needs_ethernet,
    interfaces::stack_needs_bare_interface,
    interfaces::extra_missing,
    interfaces::extra_is_extif,
    interfaces::extra_twice,
    interfaces::extra_without_network,
    interfaces::extra_name_unusable,
    interfaces::extra_network_unused,
    interfaces::extra_networks_overlap,
    interfaces::network_of_another_interface,
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
    file_system::link_not_followed,
    file_system::group_missing,
    other::facility_unknown,
    other::facility_of_others,
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
    let all = found(&view);
    let mut findings = cut_short(all.clone());
    // Several findings may offer the same, which is tried once.
    let mut tried: Vec<(Fix, Option<Vec<Finding>>)> = Vec::new();
    for finding in &mut findings {
        if let Some(fix) = finding.fix.take() {
            if !tried.iter().any(|(other, _)| *other == fix) {
                let left = tried_out(&view, &fix);
                tried.push((fix.clone(), left));
            }
            let left = tried.iter().find(|(other, _)| *other == fix).and_then(|(_, left)| left.as_deref());
            finding.fix = left.is_some_and(|left| fixes(&all, left, finding)).then_some(fix);
        }
        // Values stand in messages; one of them must not steer the terminal that shows it.
        if let Cow::Owned(safe) = harmless(&finding.message) {
            finding.message = safe;
        }
        if let Some((end, _)) = finding.message.char_indices().nth(LONGEST_MESSAGE) {
            finding.message.truncate(end);
            finding.message.push('…');
        }
    }
    findings
}

/// What all rules say, in order. Fixes are as the rules propose them.
fn found(view: &View<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(view)).collect();
    findings.extend(reading::against_limit(view, &findings));
    for finding in &mut findings {
        if finding.line.is_none() {
            finding.line = finding.parameters.first().and_then(|name| view.line(name));
        }
    }
    findings.sort_by_cached_key(order);
    findings
}

/// The worst first, then as the guide explains the parameters, then as the file names them.
fn order(finding: &Finding) -> impl Ord + use<> {
    (finding.severity, finding.parameters.first().map(|name| place(name)), finding.line, finding.code.clone())
}

/// How many findings of one kind are listed. A file with more has another problem than the next one would name.
const MOST_OF_A_KIND: usize = 100;

/// Most characters of a message: a value of 1 MiB need not stand in it whole.
const LONGEST_MESSAGE: usize = 1000;

/// Leaves out what is too much of a kind, and says how much that was.
fn cut_short(findings: Vec<Finding>) -> Vec<Finding> {
    let mut counts: HashMap<(Severity, String), usize> = HashMap::new();
    let mut kept: Vec<Finding> = Vec::with_capacity(findings.len().min(1000));
    for finding in findings {
        let count = counts.entry((finding.severity, finding.code.clone())).or_default();
        *count += 1;
        if *count <= MOST_OF_A_KIND {
            kept.push(finding);
        }
    }
    let mut rest: Vec<Finding> = counts
        .into_iter()
        .filter(|(_, count)| *count > MOST_OF_A_KIND)
        .map(|((severity, code), count)| {
            let more = (count - MOST_OF_A_KIND) as u64;
            Finding {
                severity,
                ..Finding::notice(&code, &[], format!("{} more findings of this kind.", grouped(more)))
            }
        })
        .collect();
    rest.sort_by_cached_key(order);
    // Behind the others of their severity.
    kept.extend(rest);
    kept.sort_by_key(|finding| finding.severity);
    kept
}

/// Files up to this size in bytes have each fix tried out; for a larger one, which would take its time, none is offered.
const TRIED_UP_TO: usize = 64 * 1024;

/// What is found after a fix; none when it is against the limits, pot.conf cannot take it, or somebody has what it
/// suggests.
fn tried_out(view: &View<'_>, fix: &Fix) -> Option<Vec<Finding>> {
    let is_editable = |name: &String| view.setting(name).is_none_or(|setting| setting.editable);
    if !fix.set.keys().chain(&fix.unset).all(is_editable)
        || fix.set.iter().any(|(name, value)| suggests_what_is_taken(view, name, value))
        || view.configuration.own().bytes().len() > TRIED_UP_TO
    {
        return None;
    }
    let set = fix.set.iter().map(|(name, value)| Some(Edit::set(Name::try_from(name.as_str()).ok()?, value.as_str())));
    let unset = fix.unset.iter().map(|name| Some(Edit::unset(Name::try_from(name.as_str()).ok()?)));
    let edits: Option<Vec<Edit>> = set.chain(unset).collect();
    let review = edits.and_then(|edits| Review::of(view.configuration, &edits).ok())?;
    Some(found(&View::new(&Subject { configuration: &review.after, facts: view.facts, admin: view.admin })))
}

/// Whether a fix does what its button promises: with it the finding is gone, or smaller, and no error stands that did not
/// stand before. A button that is refused, or that makes things worse, is worse than none.
fn fixes(all: &[Finding], left: &[Finding], finding: &Finding) -> bool {
    let count = |findings: &[Finding]| {
        findings.iter().filter(|other| other.code == finding.code && other.parameters == finding.parameters).count()
    };
    count(left) < count(all) && !brings_an_error(all, left)
}

/// Whether an error stands after a change that did not stand before. One of the same kind that speaks of the same
/// parameters, or of fewer, is what is left of an earlier one; each earlier one accounts for one.
fn brings_an_error(before: &[Finding], after: &[Finding]) -> bool {
    let mut stood: Vec<&Finding> = before.iter().filter(|finding| finding.severity == Severity::Error).collect();
    after.iter().filter(|finding| finding.severity == Severity::Error).any(|error| {
        let earlier = stood.iter().position(|other| {
            other.code == error.code && error.parameters.iter().all(|name| other.parameters.contains(name))
        });
        earlier.map(|place| stood.swap_remove(place)).is_none()
    })
}

/// Whether a fix would give the pots an address or a network that this host or one of its neighbours has.
fn suggests_what_is_taken(view: &View<'_>, name: &str, value: &str) -> bool {
    match name {
        "POT_GATEWAY" | "POT_DNS_IP" => value.parse().is_ok_and(|address| view.is_taken(address, name)),
        "POT_NETWORK" => value.parse().is_ok_and(|network| view.is_in_use(network)),
        _ => false,
    }
}

/// Where the guide explains a parameter: its number, and the family of `POT_NETWORK_<interface>` right behind the list of
/// those interfaces.
fn place(name: &str) -> (usize, String) {
    let known = if extra_interface(name).is_some() { "POT_EXTRA_EXTIF" } else { name };
    let place = PARAMETERS.iter().position(|parameter| parameter.name == known).unwrap_or(PARAMETERS.len());
    (place, if known == name { String::new() } else { name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::example::{codes, configuration, found, found_on, healthy, host, the};
    use super::*;
    use crate::patience::worked;
    use proptest::prelude::*;

    /// The sample file as pot installs it, in our words: every parameter commented out.
    fn stock() -> String {
        PARAMETERS
            .iter()
            .map(|known| format!("# {}\n# {}={}\n\n", known.label, known.name, known.default))
            .collect::<Vec<_>>()
            .concat()
    }

    #[test]
    fn a_stock_file_on_a_healthy_host_gives_no_finding() {
        assert_eq!(found_on(&healthy(), &stock()), []);
        assert_eq!(found_on(&healthy(), ""), []);
        assert_eq!(found(&stock()), []);
    }

    #[test]
    fn a_default_is_not_blamed_even_when_it_is_written_down() {
        let written =
            PARAMETERS.iter().map(|known| format!("{}={}\n", known.name, known.default)).collect::<Vec<_>>().concat();
        assert_eq!(found_on(&healthy(), &written), []);
    }

    #[test]
    fn only_the_gateway_stands_in_the_way_after_the_network_changed() {
        let findings = found_on(&healthy(), "POT_NETWORK=10.200.0.0/16\nPOT_NETMASK=255.255.0.0\n");
        assert_eq!(codes(&findings), ["gateway-outside-network"]);
    }

    #[test]
    fn errors_come_first_and_then_the_order_of_the_guide() {
        let findings = found_on(
            &healthy(),
            "POT_LOG_FACILITY=local9\nPOT_EXTRA_EXTIF=vlan30\nPOT_GATEWAY=1.2.3.4\nPOT_EXTIF=em9\nPOT_DNS_NAME=named\n",
        );
        assert_eq!(
            codes(&findings),
            ["extif-missing", "gateway-outside-network", "facility-unknown", "extra-without-network", "deprecated"]
        );
        assert_eq!(the("extif-missing", &findings).line, Some(4));
    }

    #[test]
    fn findings_have_the_shape_that_scripts_rely_on() {
        let findings = found("\nPOT_NETWORK=10.200.0.0/16\nPOT_GATEWAY=10.200.0.1\n");
        assert_eq!(
            serde_json::to_value(&findings).unwrap(),
            serde_json::json!([{
                "code": "netmask-differs",
                "severity": "error",
                "parameters": ["POT_NETMASK", "POT_NETWORK"],
                "line": null,
                "message": "255.192.0.0 is the netmask of a /10, but POT_NETWORK is 10.200.0.0/16. `pot init` would stop here.",
                "fix": {"set": {"POT_NETMASK": "255.255.0.0"}, "unset": []},
            }])
        );
    }

    #[test]
    fn a_host_that_answered_nothing_gives_no_finding() {
        let silent = host(|facts| {
            facts.pools = crate::facts::Fact::unknown("no", "test");
            facts.datasets = crate::facts::Fact::unknown("no", "test");
            facts.interfaces = crate::facts::Fact::unknown("no", "test");
            facts.groups = crate::facts::Fact::unknown("no", "test");
            facts.paths = crate::facts::Fact::unknown("no", "test");
        });
        let own = "POT_EXTIF=em9\nPOT_ZFS_ROOT=tank/pot\nPOT_GROUP=jails\nPOT_FS_ROOT=/srv/pot\n";
        assert_eq!(found_on(&silent, own), []);
    }

    #[test]
    fn readings_say_what_values_mean_on_this_host() {
        let configuration = configuration(
            "POT_NETWORK=10.200.0.0/16\nPOT_NETMASK=255.255.0.0\nPOT_GATEWAY=10.200.0.1\nPOT_EXTRA_EXTIF=\"vlan20 vlan30\"\n\
             POT_NETWORK_vlan20=10.0.20.0/24\nPOT_HOSTNAME_MAX_LENGTH=$(getconf HOST_NAME_MAX)\n",
        );
        let facts = healthy();
        let readings = readings::of(&Subject::new(&configuration).on(Some(&facts)));
        let reading = |name: &str| readings.get(name).map(String::as_str);
        assert_eq!(reading("POT_ZFS_ROOT"), Some("Not there yet. pot init creates it; pool zroot has 412 GiB free"));
        assert_eq!(reading("POT_FS_ROOT"), Some("No such folder yet"));
        assert_eq!(reading("POT_TMP"), Some("Exists"));
        assert_eq!(reading("POT_GROUP"), Some("Exists, gid 1002"));
        assert_eq!(reading("POT_EXTIF"), Some("192.168.178.20/24, carries the default route"));
        assert_eq!(reading("POT_EXTIF_ADDR"), Some("Empty: 192.168.178.20, the only address of em0"));
        assert_eq!(reading("POT_NETWORK_STACK"), Some("New pots get IPv4 only, unless told otherwise"));
        assert_eq!(
            reading("POT_NETWORK"),
            Some("65,534 addresses, 10.200.0.1 to 10.200.255.254. Overlaps no network of this host")
        );
        assert_eq!(reading("POT_NETMASK"), Some("/16, the size of POT_NETWORK"));
        assert_eq!(reading("POT_GATEWAY"), Some("The first address of POT_NETWORK"));
        assert_eq!(reading("POT_NETWORK_vlan20"), Some("Network of 10.0.20.4/24"));
        assert_eq!(reading("POT_EXTRA_EXTIF"), Some("2 further interfaces"));
        assert_eq!(reading("POT_ISOLATE_VNET_POTS"), Some("Off: pots on one bridge reach each other"));
        assert_eq!(reading("POT_DNS_IP"), Some("The default lies outside POT_NETWORK, and potnet leaves it out"));
        assert_eq!(reading("POT_LOG_FACILITY"), Some("syslogd writes it nowhere yet"));
        assert_eq!(reading("POT_MKTEMP_SUFFIX"), Some("8 random characters"));
        assert_eq!(
            reading("POT_HOSTNAME_MAX_LENGTH"),
            Some("Computed by sh at every call, so its value is not known here")
        );
        assert_eq!(reading("POT_EXPORT_PORTS_PF_RULES_HOOK"), Some("Empty: pot writes them itself"));
        let missing: Vec<_> = PARAMETERS.iter().filter(|known| !readings.contains_key(known.name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn a_file_that_is_made_to_be_slow_is_judged_all_the_same() {
        let names = (0..150_000).map(|number| format!("{number:x} ")).collect::<Vec<_>>().concat();
        let own = format!("POT_EXTRA_EXTIF=\"{names}\"\n");
        let before = worked();
        let configuration = configuration(&own);
        let findings = check(&Subject::new(&configuration).on(Some(&healthy())));
        let spent = worked().saturating_sub(before);
        assert!(spent < std::time::Duration::from_secs(20), "{spent:?}");
        assert!(findings.len() < 300 && findings.iter().all(|finding| finding.message.len() < 2000));
    }

    #[test]
    fn two_networks_of_different_size_behind_an_interface_do_not_read_alike() {
        let reading = |network: &str| {
            let own = format!("POT_EXTRA_EXTIF=vlan20\nPOT_NETWORK_vlan20={network}\n");
            let configuration = configuration(&own);
            let facts = healthy();
            readings::of(&Subject::new(&configuration).on(Some(&facts))).remove("POT_NETWORK_vlan20").unwrap()
        };
        assert_eq!(reading("10.0.20.0/24"), "Network of 10.0.20.4/24");
        assert_eq!(reading("10.0.20.0/26"), "A part of the network of 10.0.20.4/24");
        assert_eq!(reading("10.0.20.128/26"), "A part of the network of 10.0.20.4/24");
        assert_eq!(reading("10.0.20.0/23"), "Wider than the network of 10.0.20.4/24");
        assert_eq!(reading("10.9.0.0/24"), "Beyond vlan20, which has 10.0.20.4/24");
    }

    /// A line of a pot.conf, sound or not.
    fn line() -> impl Strategy<Value = String> {
        let name = prop::sample::select(
            PARAMETERS
                .iter()
                .map(|known| known.name)
                .chain(["POT_NETWORK_vlan20", "POT_GATWAY", "PATH"])
                .collect::<Vec<_>>(),
        );
        let value = prop::sample::select(vec![
            "",
            "10.200.0.0/16",
            "10.192.0.7/10",
            "255.255.0.0",
            "10.200.0.1",
            "10.192.0.0",
            "fd00::1/64",
            "fd00::1",
            "em0",
            "vlan20",
            "vlan20 vlan30",
            "\"vlan20 vlan30\"",
            "'10.200.0.0/16'",
            "$(id)",
            "zroot",
            "/opt/pot",
            "/",
            "dual",
            "0.0.0.0/0",
            "255.255.255.255/32",
            "10.200.0.1\r",
            "é",
            "=",
            "\"",
            "'a\u{1b}[2Jb'",
        ]);
        prop_oneof![
            8 => (name, value).prop_map(|(name, value)| format!("{name}={value}\n")),
            1 => Just("if true; then\n".to_owned()),
            1 => Just("fi\n".to_owned()),
            1 => any::<String>().prop_map(|text| text.replace('\0', "")),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_potnet_calls_an_error_is_one_here(lines in prop::collection::vec(line(), 0..6)) {
            let own = lines.concat();
            // With its fixes tried out, and on a host.
            found(&own);
            let findings = found_on(&healthy(), &own);
            let configuration = configuration(&own);
            let _ = readings::of(&Subject::new(&configuration).on(Some(&healthy())));
            let potnet = crate::potconf::potnet::config_check(
                configuration.default_document().bytes(),
                configuration.own().bytes(),
            );
            let is_certain = PARAMETERS.iter().all(|known| configuration.value(known.name).is_some());
            if is_certain && (potnet.exit_code != 0 || !potnet.errors.is_empty()) {
                prop_assert!(findings.iter().any(|finding| finding.severity == Severity::Error), "{own:?}: {potnet:?}");
            }
            for finding in &findings {
                prop_assert!(!finding.message.contains(|letter: char| letter.is_control() && letter != '\t'), "{finding:?}");
            }
        }
    }
}
