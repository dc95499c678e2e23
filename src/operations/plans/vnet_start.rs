//! `pot vnet-start`: forwarding, bridge, pf rules, NAT, pf on.
//!
//! It can cut the admin off, so it is kept or put back (see [`crate::operations::revert`]). Its exit status is that of
//! its last `pfctl -e` and says nothing; verification decides.

use super::{
    CHILDREN, is_without_pot, judged_later, module_step, needs, needs_file, needs_interfaces, next_boot, pot,
    rules_beside_pots, temporary_folder,
};
use crate::digest::Digest;
use crate::facts::{Interface, Pf, filter_rules_in_words, pot_nat_in_words, pots_outside};
use crate::operations::checks::{Expect, counted};
use crate::operations::draft::{Action, Command, PlanDraft, PlannedStep};
use crate::operations::inputs::{Inputs, PfTest, first_trouble};
use crate::operations::pf_conf;
use crate::plan::{ManagedFile, NAT_RULES, Operation, PF_ON, StepState};
use crate::potconf::commands;
use crate::process::Tool;
use crate::rules::{Nat, PublicBridges, to_free};
use ipnet::Ipv4Net;
use std::net::{IpAddr, Ipv4Addr};

/// Shortest and longest time to answer, in seconds.
pub(crate) const REVERT_AFTER: std::ops::RangeInclusive<u16> = 10..=600;

/// Plans `pot vnet-start`. Anything but [`Operation::VnetStart`] gives a plan that is blocked.
pub(crate) fn vnet_start(operation: &Operation, inputs: &Inputs<'_>) -> PlanDraft {
    let mut draft = PlanDraft::new(operation);
    let Operation::VnetStart { revert_after } = *operation else {
        draft.block("This is no plan for pot vnet-start.", "", None);
        return draft;
    };
    "Start the virtual network".clone_into(&mut draft.button);
    draft.can_cut_off = true;
    draft.revert_after = revert_after;
    if let Some(time) = revert_after
        && !REVERT_AFTER.contains(&time)
    {
        draft.block(
            format!("The time to answer cannot be {time} s."),
            format!("Choose {} to {} seconds.", REVERT_AFTER.start(), REVERT_AFTER.end()),
            None,
        );
    }
    if is_without_pot(&mut draft, inputs) {
        return draft;
    }
    initialised(&mut draft, inputs);
    needs_interfaces(&mut draft, inputs);
    // pot takes everything but these two for ipv4.
    let stack = inputs.value("POT_NETWORK_STACK");
    let (ipv4, ipv6) = (stack != "ipv6", matches!(stack.as_str(), "ipv6" | "dual"));
    let network: Option<Ipv4Net> = inputs.parsed("POT_NETWORK");
    let gateway: Option<Ipv4Addr> = inputs.parsed("POT_GATEWAY");
    let command = pot("vnet-start", &[]).any_status();
    draft.command = Some(command.argv());
    let mut turns_pf_on = false;
    if let (true, Some(network), Some(gateway)) = (ipv4, network, gateway) {
        routes(&mut draft, inputs, network, gateway);
        let outside = old_bridges(&mut draft, inputs, network, gateway);
        forwarding(&mut draft, inputs);
        // The plan's own command: everything that follows is done by it.
        draft.step(run_step(command));
        bridge(&mut draft, inputs, network, gateway);
        turns_pf_on = pf(&mut draft, inputs);
        draft.step(
            PlannedStep::new("ping", StepState::WillRun, format!("ping -c 3 {gateway}, as the guide does"))
                .expect(Expect::Ping(gateway))
                .expect(Expect::PotAddresses(network, outside)),
        );
    } else if ipv4 {
        draft.block("POT_NETWORK or POT_GATEWAY is not an IPv4 network or address.", "Set both.", Some("POT_NETWORK"));
    } else {
        draft.step(run_step(command));
    }
    if ipv6 {
        ipv6_bridge(&mut draft, inputs);
    }
    let mut used = commands::VNET_START.to_vec();
    let extra: Vec<String> =
        inputs.configuration.list("POT_EXTRA_EXTIF").iter().map(|name| format!("POT_NETWORK_{name}")).collect();
    used.extend(extra.iter().map(String::as_str));
    draft.uses(inputs, &used);

    draft.nothing_to_do =
        draft.steps.iter().all(|step| matches!(step.step.state, StepState::Done | StepState::WillRun));
    draft.summary = if draft.nothing_to_do {
        "The virtual network runs as pot.conf says. Starting it again loads pot's NAT rules anew and changes nothing else."
            .to_owned()
    } else if turns_pf_on {
        format!(
            "This turns pf on. It is off now. From then on {} decides who reaches this host.",
            inputs.files.path(ManagedFile::PfConf)
        )
    } else if !ipv4 {
        format!("Starts the virtual network for IPv6: a bridge with {} as member.", inputs.value("POT_EXTIF"))
    } else {
        "Starts the virtual network: forwarding, the bridge with the gateway, NAT for the pots.".to_owned()
    };
    draft.warnings.push(match revert_after {
        Some(_) => "If you are cut off, the host puts everything back at the end of the time.".to_owned(),
        None => {
            "If you are cut off, nothing is put back by itself. You will have to repair it at the machine.".to_owned()
        }
    });
    draft
        .warnings
        .push("`pot start` in a shell starts the network, too; there nothing is put back by itself.".to_owned());
    draft
}

fn run_step(command: Command) -> PlannedStep {
    PlannedStep::new(
        "pot vnet-start",
        StepState::WillRun,
        "its exit status says nothing (1 is usual when pf was on): what counts is what is seen afterwards",
    )
    .act(Action::Run(command))
}

fn initialised(draft: &mut PlanDraft, inputs: &Inputs<'_>) {
    let root = inputs.value("POT_ZFS_ROOT");
    needs(draft, &inputs.facts.datasets, "The list of datasets");
    // vnet-start itself does not ask. But it is init that puts the anchors into pf's file: without them the NAT rules are
    // loaded and never looked at, and there is no pot that could use the network.
    if let Some(all) = inputs.facts.datasets.get()
        && !all.iter().any(|dataset| dataset.name == root)
    {
        draft.block(
            format!("pot is not initialised: the dataset {root} does not exist. The network would serve nobody."),
            "Run pot init first.",
            None,
        );
    } else if let Some(all) = inputs.facts.datasets.get()
        && let Some(missing) = CHILDREN
            .iter()
            .map(|child| format!("{root}/{child}"))
            .find(|child| !all.iter().any(|dataset| dataset.name == *child))
    {
        draft.block(
            format!("pot is initialised in part: the dataset {missing} does not exist."),
            "Run pot init first.",
            None,
        );
    }
    temporary_folder(draft, inputs);
}

/// The route to POT_NETWORK goes to the bridge: nothing that this host needs may lie in it.
fn routes(draft: &mut PlanDraft, inputs: &Inputs<'_>, network: Ipv4Net, gateway: Ipv4Addr) {
    needs(draft, &inputs.facts.routes, "The routing table");
    needs(draft, &inputs.facts.resolvers, "The list of name servers");
    let network = network.trunc();
    let bridge = public_bridges(inputs, gateway).used;
    let choose = "Choose a POT_NETWORK that this host does not use.";
    let routes = inputs.facts.routes.get().map(Vec::as_slice).unwrap_or_default();
    for route in routes {
        let default = route.destination.prefix_len() == 0;
        if let Some(hop) = route.gateway.filter(|hop| network.contains(hop)) {
            let what = if default {
                "The default gateway".to_owned()
            } else {
                format!("The next hop to {}", route.destination)
            };
            draft.block(
                format!("{what} {hop} lies in POT_NETWORK {network}: the bridge would steal its route."),
                choose,
                Some("POT_NETWORK"),
            );
        }
    }
    for resolver in inputs.facts.resolvers.get().map(Vec::as_slice).unwrap_or_default() {
        if let IpAddr::V4(address) = resolver
            && network.contains(address)
        {
            draft.block(
                format!("The name server {address} lies in POT_NETWORK {network}: it would no longer be reached."),
                choose,
                Some("POT_NETWORK"),
            );
        }
    }
    for interface in inputs.facts.interfaces.get().map(Vec::as_slice).unwrap_or_default() {
        // Old bridges have their own step.
        if interface.is_bridge() {
            continue;
        }
        for address in &interface.addresses {
            let other = address.network.trunc();
            if network.contains(&other) || other.contains(&network) {
                draft.block(
                    format!("{} has {}, which overlaps POT_NETWORK {network}.", interface.name, address.network),
                    choose,
                    Some("POT_NETWORK"),
                );
            }
        }
    }
    if let Some(bridge) = bridge {
        if let Some(held) = other_prefix(bridge, network, gateway) {
            draft.routes.push(format!("{network}: to {}, which holds {held} until now", bridge.name));
        }
    } else {
        // The route of an interface's address takes the place of an equal one (FreeBSD's route_ctl.c: it is pinned).
        let by = routes
            .iter()
            .filter(|route| route.destination.prefix_len() > 0 && network.contains(&route.destination))
            .map(|route| {
                if route.destination == network {
                    format!("{network} by {} gives way to the bridge", route.interface)
                } else {
                    format!("{} stays with {} (more special)", route.destination, route.interface)
                }
            })
            .collect::<Vec<_>>();
        let before = routes
            .iter()
            .filter(|route| route.destination.contains(&network))
            .max_by_key(|route| route.destination.prefix_len())
            .map_or_else(|| "nowhere".to_owned(), |route| format!("by {}", route.interface));
        draft.routes.push(format!("{network}: {before} until now, then to the bridge with {gateway}"));
        draft.routes.extend(by);
    }
}

fn public_bridges<'a>(inputs: &'a Inputs<'_>, gateway: Ipv4Addr) -> PublicBridges<'a> {
    let interfaces = inputs.facts.interfaces.get().map(Vec::as_slice).unwrap_or_default();
    PublicBridges::of(interfaces, Some(gateway))
}

/// The bridge's address with the gateway, where it has another prefix than the network.
fn other_prefix(bridge: &Interface, network: Ipv4Net, gateway: Ipv4Addr) -> Option<Ipv4Net> {
    let mut held = bridge.addresses.iter().map(|own| own.network).filter(|own| own.addr() == gateway);
    held.find(|own| own.prefix_len() != network.prefix_len())
}

/// Public bridges of an earlier POT_NETWORK, which vnet-start alone would leave beside the new one. Gives the pots whose
/// addresses lie outside of the present one.
fn old_bridges(draft: &mut PlanDraft, inputs: &Inputs<'_>, network: Ipv4Net, gateway: Ipv4Addr) -> Vec<String> {
    needs(draft, &inputs.facts.pots, "The list of pots");
    let pots = inputs.facts.pots.get().map(Vec::as_slice).unwrap_or_default();
    let outside = pots_outside(pots, network);
    if !outside.is_empty() {
        draft.warnings.push(format!(
            "Pots keep the addresses they were made with. Outside of {network}: {}. They reach nothing until they get new ones; the way back is the old POT_NETWORK.",
            outside.join(", ")
        ));
    }
    let interfaces = inputs.facts.interfaces.get().map(Vec::as_slice).unwrap_or_default();
    let bridges = public_bridges(inputs, gateway);
    for bridge in bridges.others {
        let addresses: Vec<String> = bridge.addresses.iter().map(|own| own.network.to_string()).collect();
        let title = format!("old bridge {}", bridge.name);
        let with =
            if addresses.is_empty() { "without address".to_owned() } else { format!("with {}", addresses.join(", ")) };
        draft.basis.push(format!("old bridge {} {addresses:?} {:?}", bridge.name, bridge.members));
        if bridge.members.is_empty() {
            // A new bridge may get the name of the one that goes.
            let gone = if bridges.used.is_some() {
                Expect::NoBridge(bridge.name.clone())
            } else {
                let held = bridge.addresses.iter().map(crate::facts::Ipv4Address::address).collect();
                Expect::NoBridgeWith(bridge.name.clone(), held)
            };
            draft.step(
                PlannedStep::new(
                    title,
                    StepState::WillBeDestroyed,
                    format!("{with}, of an earlier POT_NETWORK, no members: pot vnet-start alone would leave it beside the new one"),
                )
                .act(Action::Run(Command::new(Tool::Ifconfig, &[&bridge.name, "destroy"])))
                .expect(gone),
            );
            draft.put_back.push((format!("Bridge {}", bridge.name), format!("made again {with}")));
        } else {
            draft.block(
                format!(
                    "{} {with} is the bridge of an earlier POT_NETWORK and still in use ({}).",
                    bridge.name,
                    counted(bridge.members.len(), "member")
                ),
                format!(
                    "Take off what hangs on it: {}. Or set POT_NETWORK back.",
                    to_free(bridge, interfaces, pots).join("; ")
                ),
                Some("POT_NETWORK"),
            );
            draft.step(PlannedStep::new(
                title,
                StepState::Blocks,
                format!("{with}, members {}", bridge.members.join(", ")),
            ));
        }
    }
    outside.into_iter().map(str::to_owned).collect()
}

fn forwarding(draft: &mut PlanDraft, inputs: &Inputs<'_>) {
    needs(draft, &inputs.facts.forwarding, "net.inet.ip.forwarding");
    let on = inputs.facts.forwarding.get().copied().unwrap_or_default();
    let (state, detail) = if on {
        (StepState::Done, "is on".to_owned())
    } else {
        draft.put_back.push(("IP forwarding".to_owned(), "off".to_owned()));
        (StepState::WillBeChanged, "from off to on: this host passes packets on".to_owned())
    };
    draft.basis.push(format!("forwarding {on}"));
    draft.step(
        PlannedStep::new("IP forwarding", state, detail)
            .mark(&["net.inet.ip.forwarding"])
            .expect(Expect::Forwarding(true)),
    );
}

/// What pot takes for done, because it looks at no more of it, and is not: a step of the plan's own, before pot's.
fn before_pot(draft: &mut PlanDraft, step: PlannedStep) {
    let runs = |step: &PlannedStep| matches!(step.actions.first(), Some(Action::Run(own)) if own.tool == Tool::Pot);
    let at = draft.steps.iter().position(runs).unwrap_or(draft.steps.len());
    draft.steps.insert(at, step);
}

fn bridge(draft: &mut PlanDraft, inputs: &Inputs<'_>, network: Ipv4Net, gateway: Ipv4Addr) {
    let prefix = network.prefix_len();
    let (state, detail) = match public_bridges(inputs, gateway).used {
        Some(bridge) => {
            let name = bridge.name.as_str();
            if let Some(held) = other_prefix(bridge, network, gateway) {
                // With `alias` ifconfig(8) takes no other address away first, and the kernel replaces an equal one
                // (in.c, `in_aifaddr_ioctl`).
                let args = [name, "inet", &format!("{gateway}/{prefix}"), "alias"];
                before_pot(
                    draft,
                    PlannedStep::new(
                        format!("netmask of {name}"),
                        StepState::WillBeChanged,
                        format!("from {held} to {gateway}/{prefix}: pot itself looks at the address alone"),
                    )
                    .act(Action::Run(Command::new(Tool::Ifconfig, &args))),
                );
                draft.put_back.push((format!("Bridge {name}"), format!("with {held}")));
            }
            if !bridge.up {
                before_pot(
                    draft,
                    PlannedStep::new(
                        format!("{name} up"),
                        StepState::WillBeChanged,
                        "it is down: no packet passes, and pot itself takes it for done",
                    )
                    .act(Action::Run(Command::new(Tool::Ifconfig, &[name, "up"]))),
                );
                draft.put_back.push((format!("Bridge {name}"), "down".to_owned()));
            }
            (StepState::Done, format!("{name} has {gateway}"))
        }
        None => {
            draft.put_back.push(("Bridge".to_owned(), "the new one removed".to_owned()));
            (StepState::WillBeCreated, format!("a new bridge with {gateway}/{prefix}"))
        }
    };
    draft.basis.push(format!("bridge {detail}"));
    draft.step(
        PlannedStep::new("bridge with the gateway", state, detail)
            .mark(&["Bridge", "configured"])
            .mark(&["Bridge", "already present"])
            .mark(&["bridge", "created"])
            .expect(Expect::Bridge(gateway, network)),
    );
}

/// Everything about pf. Gives back whether it is turned on.
fn pf(draft: &mut PlanDraft, inputs: &Inputs<'_>) -> bool {
    let path = inputs.files.path(ManagedFile::PfConf).to_owned();
    needs_file(draft, inputs, ManagedFile::PfConf);
    let text = inputs.files.bytes(ManagedFile::PfConf);
    let off = Pf::default();
    let pf = inputs.facts.pf.get().unwrap_or(&off);
    needs(draft, &inputs.facts.pf, "The state of pf");
    // It says which file pf reads.
    needs(draft, &inputs.facts.rc, "rc.conf");

    let tested = (inputs.pf_test)(text);
    let later = judged_later(inputs, &tested);
    match tested {
        PfTest::Valid => {}
        PfTest::Untested(_) if later => {
            // First of all: nothing else is done on the strength of a file that pf may not take.
            draft.steps.insert(0, module_step());
            let judging = Command::new(Tool::Pfctl, &["-nf", &path]);
            draft.steps.insert(
                1,
                PlannedStep::new(
                    format!("test of {path}"),
                    StepState::WillRun,
                    "it could not be judged yet: pf is not loaded. If pf does not take it, the run ends here",
                )
                .act(Action::Run(judging)),
            );
            draft.warnings.push(format!(
                "{path} could not be judged yet: pf is not loaded. The run loads pf's module, which turns nothing on, and judges the file before it changes anything."
            ));
        }
        PfTest::Invalid(words) => draft.block(
            format!("{path} is invalid: {}. {}", first_trouble(&words), next_boot(inputs)),
            format!("Fix it first: pot would turn pf on without its rules. pfctl -nf {path} shows every line."),
            None,
        ),
        PfTest::Untested(why) => draft.warnings.push(format!(
            "{path} could not be tested with pfctl -nf ({why}). If it is invalid, pf is turned on without its rules."
        )),
    }
    let lines = pf_conf::anchors_held(text);
    if lines.0 == 0 || lines.1 == 0 {
        draft.block(
            format!("{path} does not hold pot's two anchors: its NAT rules would never be looked at."),
            "Run pot init first, or put both lines in yourself.",
            None,
        );
    }
    if !inputs.files.exists(ManagedFile::PfConf) {
        draft.block(format!("{path} does not exist."), "Run pot init first: it makes it with pot's anchors.", None);
    }

    let module = if pf.loaded {
        (StepState::Done, "is loaded".to_owned())
    } else {
        draft.put_back.push(("pf module".to_owned(), "unloaded".to_owned()));
        (StepState::WillBeChanged, "kldload pf".to_owned())
    };
    if !later {
        draft.step(PlannedStep::new("pf module", module.0, module.1).expect(Expect::PfLoaded));
    }

    // pot looks whether both anchors exist, and loads the whole file when one is missing.
    let exist = |name: &str| pf.anchors.iter().any(|anchor| anchor.trim_start_matches(' ') == name);
    let by_pot = !(exist("pot-nat") && exist("pot-rdr"));
    let reload = by_pot || !pf.calls_pot_anchors();
    let loaded = pf.rules.len() + pf.nat.len();
    let (state, detail) = if reload {
        let now = filter_rules_in_words(pf.rules.len());
        if !by_pot {
            // Rules in them, or a state of theirs, keep anchors there that nothing calls.
            before_pot(
                draft,
                PlannedStep::new(
                    format!("load of {path}"),
                    StepState::WillBeChanged,
                    "pot's anchors exist, and the loaded rules do not call them: pot itself takes that for done",
                )
                .act(Action::Run(Command::new(Tool::Pfctl, &["-f", &path]))),
            );
        }
        (StepState::WillBeChanged, format!("{path} is loaded as a whole; {now} before"))
    } else {
        (StepState::Done, format!("{}; they call pot's anchors", filter_rules_in_words(pf.rules.len())))
    };
    if reload && loaded > 0 {
        differing_rules(draft, inputs, pf, &path, text);
        draft.put_back.push(("pf rules".to_owned(), format!("those of {path} as it is now")));
    } else if reload && pf.loaded {
        draft.put_back.push(("pf rules".to_owned(), "none".to_owned()));
    }
    draft
        .step(PlannedStep::new("pf rules", state, detail).mark(&["anchors are missing"]).expect(Expect::AnchorsCalled));

    // Without a certain interface, or without a list of them, the plan is blocked already.
    let interfaces = inputs.facts.interfaces.get().map(Vec::as_slice).unwrap_or_default();
    if let Some(nat) = Nat::of(inputs.configuration, interfaces) {
        draft.pf_rules = nat.file();
        let (missing, unplanned) = nat.compare(&pf.pot_nat);
        let (state, detail) = if missing.is_empty() && unplanned.is_empty() {
            (StepState::Done, format!("{}, loaded anew", pot_nat_in_words(pf.pot_nat.len())))
        } else {
            draft.put_back.push((NAT_RULES.to_owned(), pot_nat_in_words(pf.pot_nat.len())));
            draft.nat = Some(nat.difference(&pf.pot_nat));
            (
                StepState::WillBeChanged,
                format!(
                    "{} added, {} taken away; {} before",
                    counted(missing.len(), "rule"),
                    unplanned.len(),
                    pot_nat_in_words(pf.pot_nat.len())
                ),
            )
        };
        draft.step(PlannedStep::new("NAT for the pots", state, detail).mark(&["nat on"]).expect(Expect::NatRules(nat)));
    }

    let (state, detail) = if pf.enabled {
        (StepState::Done, "is on".to_owned())
    } else {
        let rules = if loaded == 0 { "off, no rules" } else { "off" };
        draft.put_back.insert(0, ("pf".to_owned(), rules.to_owned()));
        (StepState::WillBeChanged, format!("from off to on: {path} filters from then on"))
    };
    draft.step(
        PlannedStep::new(PF_ON, state, detail)
            .mark(&["pf enabled"])
            .mark(&["pf already enabled"])
            .expect(Expect::PfEnabled),
    );
    draft.basis.push(format!(
        "pf {} {} {:?} {:?} {:?} {:?} {}",
        pf.loaded,
        pf.enabled,
        pf.anchors,
        pf.nat,
        pf.rules,
        pf.pot_nat,
        Digest::of(text)
    ));
    !pf.enabled
}

/// Rules that were loaded by hand are lost by a reload, and cannot come back: `pfctl -sr` prints expanded, optimised
/// rules without options.
fn differing_rules(draft: &mut PlanDraft, inputs: &Inputs<'_>, pf: &Pf, path: &str, text: &[u8]) {
    let (file, kernel) = match rules_beside_pots(inputs, pf, text) {
        Ok(both) => both,
        Err(why) => {
            draft.acknowledge = Some(format!(
                "Whether the loaded rules are those of {path} could not be told: {why}. They are replaced by it, and putting back loads the file, too: what was loaded by hand is lost."
            ));
            draft.confirm_text = Some(crate::plan::ACKNOWLEDGED.to_owned());
            return;
        }
    };
    if file != kernel {
        let lost: Vec<&String> = kernel.iter().filter(|rule| !file.contains(rule)).collect();
        draft.warnings.push(format!(
            "The rules that pf has loaded are not those of {path}{}.",
            lost.first().map(|rule| format!(", for example: {rule}")).unwrap_or_default()
        ));
        draft.acknowledge = Some(format!(
            "The loaded rules differ from {path}. They are replaced by it, and putting back loads the file, too: what was loaded by hand is lost."
        ));
        draft.confirm_text = Some(crate::plan::ACKNOWLEDGED.to_owned());
    }
}

/// POT_EXTIF becomes a member of a bridge, for IPv6.
fn ipv6_bridge(draft: &mut PlanDraft, inputs: &Inputs<'_>) {
    let external = inputs.value("POT_EXTIF");
    needs(draft, &inputs.facts.bridge_member_addresses, "net.link.bridge.member_ifaddrs");
    let interfaces = inputs.facts.interfaces.get().map(Vec::as_slice).unwrap_or_default();
    if let Some(own) = interfaces.iter().find(|interface| interface.name == external)
        && !own.can_join_a_bridge()
    {
        let kind = if own.is_bridge() { "a bridge" } else { "no Ethernet interface" };
        draft.block(
            format!("POT_EXTIF {external} is {kind}: if_bridge(4) does not take it as a member."),
            "For IPv6 pots choose the Ethernet interface itself, or set POT_NETWORK_STACK to ipv4.",
            Some("POT_EXTIF"),
        );
        draft.step(PlannedStep::new("bridge for IPv6", StepState::Blocks, format!("{external} cannot be its member")));
        return;
    }
    let there = interfaces.iter().find(|bridge| bridge.is_bridge() && bridge.members.contains(&external));
    let has_address = interfaces.iter().any(|interface| {
        interface.name == external && !(interface.addresses.is_empty() && interface.addresses6.is_empty())
    });
    let (state, detail) = match there {
        Some(bridge) => (StepState::Done, format!("{} has {external}", bridge.name)),
        None => {
            // A bridge that was made without its member is taken for present, and the member is never tried again.
            if let Some(left) =
                interfaces.iter().find(|bridge| bridge.description == "pot ipv6 bridge" && bridge.members.is_empty())
            {
                draft.warnings.push(format!(
                    "{} is an IPv6 bridge of pot without member. If it stays, remove it: ifconfig {} destroy",
                    left.name, left.name
                ));
            }
            if has_address && inputs.facts.bridges_take_addresses() == Some(false) {
                draft.block(
                    format!("This FreeBSD does not take {external} into a bridge while it has an IP address."),
                    "Set POT_NETWORK_STACK to ipv4, or net.link.bridge.member_ifaddrs=1 (gone in FreeBSD 16).",
                    Some("POT_NETWORK_STACK"),
                );
            }
            draft.warnings.push(format!(
                "{external} becomes a member of a bridge: neighbours on that network see the pots' own Ethernet addresses. Some providers switch a server off for that."
            ));
            draft.put_back.push(("IPv6 bridge".to_owned(), format!("{external} out of it, the bridge removed")));
            (StepState::WillBeCreated, format!("a new bridge with {external} as member"))
        }
    };
    draft.basis.push(format!("ipv6 {detail}"));
    draft.step(
        PlannedStep::new("bridge for IPv6", state, detail).mark(&["addm"]).expect(Expect::BridgeMember(external)),
    );
}
