//! vnet-start: bridges, rules, who is cut off and who is not.

use crate::bench::{
    Bench, DE_INIT, INIT, LONG, VNET, anna, as_release, blocked, from_lan, initialised, network, network_kept,
    state_of, waiting,
};
use pot_console::journal::record::{Actor, Method, Reported};
use pot_console::operations::revert::Known;
use pot_console::plan::{Leftover, Operation, RunState, StepState};
use pot_console::simulator::Scenario;

#[test]
fn a_network_that_this_host_uses_blocks_vnet_start() {
    let bench = initialised();
    bench.set("POT_NETWORK", "192.168.0.0/16");
    bench.set("POT_NETMASK", "255.255.0.0");
    bench.set("POT_GATEWAY", "192.168.0.1");
    let plan = bench.plan(VNET);
    assert!(plan.blockers.iter().any(|blocker| blocker.problem.contains("default gateway")), "{:#?}", plan.blockers);
}

#[test]
fn an_invalid_pf_conf_blocks_vnet_start() {
    let bench = initialised();
    let text = bench.read("/etc/pf.conf");
    bench.write("/etc/pf.conf", &format!("{text}\npass in on on em0\n"));
    let plan = bench.plan(VNET);
    assert!(plan.blockers.iter().any(|blocker| blocker.problem.contains("is invalid")), "{:#?}", plan.blockers);
}

#[test]
fn a_changed_network_takes_the_old_bridge_along_and_gives_it_back() {
    let bench = initialised();
    let run = waiting(&bench);
    let root = Actor { name: "root".to_owned(), method: Method::CommandLine, role: None, session: None, claimed: None };
    bench.engine.keep_from_command_line(run.id, &root).unwrap();
    assert_eq!(bench.until_end(run.id).state, RunState::AsPlanned);
    let before = network(&bench);
    for (name, value) in [
        ("POT_NETWORK", "10.64.0.0/16"),
        ("POT_NETMASK", "255.255.0.0"),
        ("POT_GATEWAY", "10.64.0.1"),
        ("POT_DNS_IP", "10.64.0.2"),
    ] {
        bench.set(name, value);
    }
    let plan = bench.plan(VNET);
    assert_eq!(state_of(&plan, "old bridge bridge0"), StepState::WillBeDestroyed);
    let run = waiting(&bench);
    let bridges = bench.tool("sbin", "ifconfig", &["-a"]);
    assert!(bridges.contains("inet 10.64.0.1") && !bridges.contains("inet 10.192.0.1"), "{bridges}");
    bench.engine.put_back(run.id, &anna(), &from_lan()).unwrap();
    let run = bench.until_end(run.id);
    assert_eq!(run.state, RunState::Reverted, "{run:#?}\n{}", bench.output(run.id));
    let inet = |text: &str| text.lines().filter(|line| line.contains("inet ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(inet(&network(&bench)), inet(&before));
    assert!(bench.tool("sbin", "pfctl", &["-s", "nat", "-a", "pot-nat"]).contains("10.192.0.0/10"));
    assert!(bench.tool("sbin", "pfctl", &["-s", "info"]).contains("Enabled"), "a pf that was on is never turned off");
}

#[test]
fn whoever_sits_in_the_pots_network_is_not_cut_off() {
    let bench = initialised();
    let plan = bench.plan(VNET);
    let inside = Reported { address: Some("10.192.7.7".to_owned()), browser: None };
    let refusal = bench.engine.run("session", &anna(), &inside, plan.id, &plan.digest, None, None).unwrap_err();
    assert!(refusal.message.contains("you are connected from 10.192.7.7"), "{refusal}");
    // Seen in the plan already, by whoever it concerns.
    let theirs = bench.engine.plan("session", &inside, VNET).unwrap();
    assert!(theirs.blockers.iter().any(|one| one.problem.contains("10.192.7.7")), "{:#?}", theirs.blockers);
    assert!(bench.tool("sbin", "ifconfig", &["-g", "bridge"]).trim().is_empty());
}

#[test]
fn a_bridge_of_ipv6_comes_and_goes_as_well() {
    for stack in ["dual", "ipv6"] {
        let bench = initialised();
        bench.set("POT_NETWORK_STACK", stack);
        let before = network(&bench);
        let run = waiting(&bench);
        let bridge = bench.tool("sbin", "ifconfig", &["-a"]);
        assert_eq!(bridge.contains("inet 10.192.0.1"), stack == "dual", "{stack}: {bridge}");
        assert!(run.checks.iter().all(|check| check.as_planned == Some(true)), "{stack}: {:#?}", run.checks);
        bench.engine.put_back(run.id, &anna(), &from_lan()).unwrap();
        let run = bench.until_end(run.id);
        assert_eq!(run.state, RunState::Reverted, "{stack}: {run:#?}\n{}", bench.output(run.id));
        assert_eq!(network(&bench), before, "{stack}");
    }
}

#[test]
fn rules_that_were_loaded_by_hand_are_given_up_knowingly() {
    let bench = initialised();
    bench.write(
        "/etc/pf.by-hand.conf",
        "pass quick on lo0 all\npass in proto tcp from any to any port 2222 keep state\n",
    );
    bench.tool("sbin", "kldload", &["pf"]);
    bench.tool("sbin", "pfctl", &["-f", "/etc/pf.by-hand.conf"]);
    bench.tool("sbin", "pfctl", &["-e"]);
    assert!(bench.tool("sbin", "pfctl", &["-s", "rules"]).contains("2222"), "{}", network(&bench));

    let plan = bench.plan(VNET);
    assert!(plan.blockers.is_empty(), "{:#?}", plan.blockers);
    let sentence = plan.acknowledge.clone().expect("something to acknowledge");
    assert!(sentence.contains("what was loaded by hand is lost"), "{sentence}");
    assert!(plan.warnings.iter().any(|warning| warning.contains("2222")), "{:#?}", plan.warnings);
    let start = |confirm| bench.engine.run("session", &anna(), &from_lan(), plan.id, &plan.digest, confirm, None);
    for confirm in [None, Some("yes")] {
        let refusal = start(confirm).unwrap_err();
        assert!(refusal.message.starts_with("Acknowledge first: The loaded rules differ"), "{refusal}");
    }
    let id = start(Some("acknowledged")).unwrap();
    bench.until(id, |run| run.state == RunState::AwaitingKeep);
    bench.engine.put_back(id, &anna(), &from_lan()).unwrap();
    let run = bench.until_end(id);
    assert!(!bench.tool("sbin", "pfctl", &["-s", "rules"]).contains("2222"));
    assert_eq!(run.state, RunState::RevertedInPart, "that they are gone is not hidden: {run:#?}");
    assert!(run.remedy.as_deref().is_some_and(|remedy| remedy.contains("pfctl -f")), "{run:#?}");
}

#[test]
fn the_network_is_not_started_before_pot_is_initialised() {
    let bench = Bench::new(Scenario::Default);
    let text = bench.read("/etc/pf.conf");
    for anchors in [false, true] {
        if anchors {
            let at = text.find("nat on").or_else(|| text.find("pass")).or_else(|| text.find("block")).unwrap();
            let (head, tail) = text.split_at(at);
            bench.write("/etc/pf.conf", &format!("{head}nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n{tail}"));
        }
        let plan = bench.plan(VNET);
        let first = plan.blockers.iter().find(|one| one.problem.starts_with("pot is not initialised"));
        assert_eq!(first.map(|one| one.remedy.as_str()), Some("Run pot init first."), "{:#?}", plan.blockers);
        assert!(!plan.warnings.iter().any(|one| one.contains("without it")), "{:#?}", plan.warnings);
    }
}

#[test]
fn a_bridge_or_a_tunnel_joins_no_bridge() {
    let bench = initialised();
    bench.tool("sbin", "ifconfig", &["bridge7", "create"]);
    bench.tool("sbin", "ifconfig", &["bridge7", "inet", "192.168.77.2/24"]);
    bench.tool("sbin", "ifconfig", &["tun0", "create"]);
    for (external, kind) in [("bridge7", "a bridge"), ("tun0", "no Ethernet interface")] {
        bench.set("POT_EXTIF", external);
        for stack in ["dual", "ipv6"] {
            bench.set("POT_NETWORK_STACK", stack);
            let plan = bench.plan(VNET);
            let words = format!("POT_EXTIF {external} is {kind}: if_bridge(4) does not take it as a member.");
            assert!(blocked(&plan).contains(&words), "{stack}: {}", blocked(&plan));
        }
        bench.set("POT_NETWORK_STACK", "ipv4");
        let plan = bench.plan(VNET);
        assert!(plan.blockers.is_empty(), "{external} is right for ipv4: {}", blocked(&plan));
    }
}

#[test]
fn loaded_rules_that_are_not_the_files_are_named_and_never_replaced_by_clean_up() {
    let bench = initialised();
    assert_eq!(network_kept(&bench).state, RunState::AsPlanned);
    let text = bench.read("/etc/pf.conf");
    bench.write("/etc/pf.conf", &format!("{text}pass in proto tcp from any to any port 2222 keep state\n"));
    let run = bench.run(DE_INIT);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}");
    assert!(!run.leftovers.contains(&Leftover::PfRules), "{run:#?}");
    let plan = bench.plan(Operation::CleanUp { items: Leftover::ALL.to_vec() });
    let (_, words) = plan.left_behind.iter().find(|(what, _)| what.contains("anchors")).expect("named");
    assert!(words.contains("2222") && words.contains("pfctl -f /etc/pf.conf"), "{words}");
    assert_eq!(bench.until_end(bench.start(&plan).unwrap()).state, RunState::AsPlanned);
    assert!(bench.tool("sbin", "pfctl", &["-s", "nat"]).contains("pot-nat"), "left as they are");
}

#[test]
fn rules_of_pot_nat_that_pfctl_did_not_give_are_not_none() {
    let bench = initialised();
    bench.tool("sbin", "kldload", &["pf"]);
    bench.wrap("pfctl", r#"if [ "$*" = "-s nat -a pot-nat" ] && [ -e "$FLAG" ]; then . "$FLAG"; fi"#);
    let answer = |script: &str| {
        std::fs::write(bench.flag(), script).unwrap();
        bench.network_state().pot_nat
    };
    for absent in [
        "echo 'pfctl: DIOCGETRULES: Invalid argument' >&2; exit 0",
        "echo 'pfctl: Anchor does not exist.' >&2; exit 1",
        "echo \"Anchor 'pot-nat' not found.\" >&2; exit 1",
        "exit 0",
    ] {
        assert_eq!(answer(absent), Known::Is(Vec::new()), "{absent}");
    }
    for unknown in [
        "echo 'pfctl: DIOCGETRULES: Cannot allocate memory' >&2; exit 0",
        "echo 'nat on em0 all'; echo 'pfctl: DIOCGETRULE: Device busy' >&2; exit 0",
        "echo 'pfctl: it broke' >&2; exit 1",
        "kill -9 $$",
        "printf '%1200000s' x; exit 0",
    ] {
        let got = answer(unknown);
        assert!(matches!(&got, Known::Unknown(_)), "{unknown}: {got:?}");
    }
    // Nothing starts that could not be put back.
    std::fs::remove_file(bench.flag()).unwrap();
    let plan = bench.plan(LONG);
    std::fs::write(bench.flag(), "echo 'pfctl: it broke' >&2; exit 1").unwrap();
    let refusal = bench.start(&plan).unwrap_err();
    assert!(refusal.message.contains("Nothing has been changed."), "{refusal}");
    assert!(bench.engine.runs(None, 5).unwrap().iter().all(|run| run.plan.operation != LONG));
}

#[test]
fn the_whole_job_is_done_on_releases_14_and_15() {
    for release in ["14.3-RELEASE", "15.0-RELEASE"] {
        let bench = Bench::new(Scenario::Default);
        as_release(&bench, release);
        let before = (bench.read("/etc/rc.conf"), bench.read("/etc/pf.conf"));
        let plan = bench.plan(INIT);
        assert!(plan.blockers.is_empty(), "{release}: {}", blocked(&plan));
        let run = bench.until_end(bench.start(&plan).unwrap());
        assert_eq!(run.state, RunState::AsPlanned, "{release}: {run:#?}\n{}", bench.output(run.id));
        let run = network_kept(&bench);
        assert_eq!(run.state, RunState::AsPlanned, "{release}: {run:#?}\n{}", bench.output(run.id));
        let run = bench.run(DE_INIT);
        assert_eq!(run.state, RunState::AsPlanned, "{release}: {run:#?}\n{}", bench.output(run.id));
        assert!(run.leftovers.contains(&Leftover::PfRules), "{release}: {run:#?}");
        assert!(bench.tool("sbin", "pfctl", &["-s", "nat"]).contains("pot-nat"), "they are still loaded");
        let rules = bench.tool("sbin", "pfctl", &["-s", "rules"]);
        let run = bench.run(Operation::CleanUp { items: run.leftovers });
        assert_eq!(run.state, RunState::AsPlanned, "{release}: {run:#?}\n{}", bench.output(run.id));
        assert!(!bench.tool("sbin", "pfctl", &["-s", "nat"]).contains("pot-"), "{release}");
        assert_eq!(bench.tool("sbin", "pfctl", &["-s", "rules"]), rules, "{release}: every other rule is as it was");
        assert_eq!((bench.read("/etc/rc.conf"), bench.read("/etc/pf.conf")), before, "{release}");
        // What stays is said, with what to type.
        let left = bench.plan(Operation::CleanUp { items: Vec::new() }).left_behind;
        let named = |what: &str, command: &str| left.iter().any(|(name, text)| name == what && text.contains(command));
        assert!(named("pf", "pfctl -d") && named("IP forwarding", "sysctl net.inet.ip.forwarding=0"), "{left:#?}");
    }
}
