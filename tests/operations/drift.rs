//! Differences from pot.conf that Host tells, ended by what it offers for them.

use crate::bench::{
    Bench, INIT, VNET, anna, blocked, call, from_lan, initialised, network, network_kept, state_of, waiting,
};
use pot_console::plan::{RunState, StepState};
use pot_console::simulator::Scenario;
use serde_json::Value;

/// The differences with what is offered for each.
fn drift(bench: &Bench) -> Vec<(String, String)> {
    let (status, text) = call(bench, &["--format", "json", "facts"]);
    assert_eq!(status, Some(0), "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    let words = |value: &Value| value.as_str().unwrap_or("by hand").to_owned();
    answer["pot"]["drift"].as_array().unwrap().iter().map(|one| (words(&one["id"]), words(&one["remedy"]))).collect()
}

fn told(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(id, remedy)| ((*id).to_owned(), (*remedy).to_owned())).collect()
}

fn ifconfig(bench: &Bench, words: &str) {
    let said = bench.tool("sbin", "ifconfig", &words.split(' ').collect::<Vec<_>>());
    assert!(!said.contains("ioctl"), "{words}: {said}");
}

#[test]
fn what_pot_takes_for_done_and_is_not_is_done_by_the_plan_of_the_network() {
    let bench = initialised();
    assert_eq!(network_kept(&bench).state, RunState::AsPlanned);
    let cases: [(&str, &str, &dyn Fn()); 8] = [
        ("bridge-down", "bridge0 up", &|| ifconfig(&bench, "bridge0 down")),
        ("bridge", "netmask of bridge0", &|| ifconfig(&bench, "bridge0 inet 10.192.0.1/24")),
        ("two-bridges", "old bridge bridge1", &|| {
            bench.tool("sbin", "ifconfig", &["bridge", "create", "descr", "pot public bridge", "group", "pot"]);
            ifconfig(&bench, "bridge1 inet 10.50.0.1/16");
        }),
        ("anchors-not-called", "pf rules", &|| {
            bench.write("/etc/pf.by-hand.conf", "pass\n");
            bench.tool("sbin", "pfctl", &["-f", "/etc/pf.by-hand.conf"]);
        }),
        // With rules in both of them pot takes its anchors for loaded.
        ("anchors-not-called", "load of /etc/pf.conf", &|| {
            bench.write("/etc/pf.by-hand.conf", "pass\n");
            bench.write(
                "/etc/pf.web.conf",
                "rdr pass on em0 proto tcp from any to em0 port 8080 -> 10.192.0.3 port 80\n",
            );
            bench.tool("sbin", "pfctl", &["-a", "pot-rdr/web", "-f", "/etc/pf.web.conf"]);
            bench.tool("sbin", "pfctl", &["-f", "/etc/pf.by-hand.conf"]);
        }),
        ("nat", "NAT for the pots", &|| {
            let rules = "nat on em0 from 10.192.0.0/10 to any -> (em0:0)\nnat on em0 from 10.192.0.0/10 to 10.9.0.0/16 -> (em0:0)\n";
            bench.write("/etc/pf.nat.conf", rules);
            bench.tool("sbin", "pfctl", &["-a", "pot-nat", "-f", "/etc/pf.nat.conf"]);
        }),
        ("pf-off", "pf on", &|| {
            bench.tool("sbin", "pfctl", &["-d"]);
        }),
        ("forwarding", "IP forwarding", &|| {
            bench.tool("sbin", "sysctl", &["net.inet.ip.forwarding=0"]);
        }),
    ];
    for (id, step, befall) in cases {
        befall();
        assert_eq!(drift(&bench), told(&[(id, "vnet-start")]), "{id}");
        let plan = bench.plan(VNET);
        assert!(plan.blockers.is_empty(), "{id}: {}", blocked(&plan));
        let wanted = if id == "two-bridges" { StepState::WillBeDestroyed } else { StepState::WillBeChanged };
        assert_eq!(state_of(&plan, step), wanted, "{id}");
        let run = network_kept(&bench);
        assert_eq!(run.state, RunState::AsPlanned, "{id}: {run:#?}\n{}", bench.output(run.id));
        assert_eq!(drift(&bench), told(&[]), "{id}");
    }
}

#[test]
fn a_bridge_that_was_fixed_is_as_it_was_when_it_is_put_back() {
    let bench = initialised();
    assert_eq!(network_kept(&bench).state, RunState::AsPlanned);
    ifconfig(&bench, "bridge0 inet 10.192.0.1/24");
    ifconfig(&bench, "bridge0 down");
    let before = network(&bench);
    let plan = bench.plan(VNET);
    let back: Vec<_> = plan.put_back.iter().map(|(what, to)| format!("{what}: {to}")).collect();
    assert!(back.contains(&"Bridge bridge0: with 10.192.0.1/24".to_owned()), "{back:?}");
    assert!(back.contains(&"Bridge bridge0: down".to_owned()), "{back:?}");
    let run = waiting(&bench);
    let during = bench.tool("sbin", "ifconfig", &["bridge0"]);
    assert!(during.contains("netmask 0xffc00000") && during.contains("UP"), "{during}");
    bench.engine.put_back(run.id, &anna(), &from_lan()).unwrap();
    let run = bench.until_end(run.id);
    assert_eq!(run.state, RunState::Reverted, "{run:#?}\n{}", bench.output(run.id));
    assert_eq!(network(&bench), before);
}

#[test]
fn a_public_bridge_in_use_is_named_with_what_to_type_and_goes_after_that() {
    let bench = initialised();
    assert_eq!(network_kept(&bench).state, RunState::AsPlanned);
    bench.tool("usr/local/bin", "pot", &["create", "-p", "web1", "-b", "14.3", "-N", "public-bridge"]);
    bench.tool("usr/local/bin", "pot", &["start", "web1"]);
    for (name, value) in [
        ("POT_NETWORK", "10.64.0.0/16"),
        ("POT_NETMASK", "255.255.0.0"),
        ("POT_GATEWAY", "10.64.0.1"),
        ("POT_DNS_IP", "10.64.0.2"),
    ] {
        bench.set(name, value);
    }
    let all = drift(&bench);
    assert!(all.contains(&("bridge".to_owned(), "by hand".to_owned())), "{all:?}");
    let (_, text) = call(&bench, &["facts"]);
    assert!(text.contains("is taken off first: pot stop -p web1. Then pot vnet-start ends it."), "{text}");
    assert!(blocked(&bench.plan(VNET)).contains("pot stop -p web1"), "{}", blocked(&bench.plan(VNET)));
    bench.tool("usr/local/bin", "pot", &["stop", "-p", "web1"]);
    assert!(drift(&bench).contains(&("bridge".to_owned(), "vnet-start".to_owned())), "{:?}", drift(&bench));
    let run = network_kept(&bench);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert_eq!(drift(&bench), told(&[("syslogd", "init"), ("pots-outside", "by hand")]));
}

#[test]
fn flags_of_an_earlier_network_are_gone_after_init_and_the_hosts_own_are_kept() {
    let bench = initialised();
    assert_eq!(network_kept(&bench).state, RunState::AsPlanned);
    let old = "syslogd_flags=-C -b 127.0.0.1 -b 192.168.178.20 -a 192.168.178.0/24 -b 10.50.0.1 -a 10.50.0.0/16";
    bench.tool("usr/sbin", "sysrc", &[old]);
    assert_eq!(drift(&bench), told(&[("syslogd", "init")]));
    let plan = bench.plan(INIT);
    assert!(
        plan.warnings.iter().any(|warning| warning.contains("-b 10.50.0.1 -a 10.50.0.0/16 is taken out")),
        "{:#?}",
        plan.warnings
    );
    let run = bench.until_end(bench.start(&plan).unwrap());
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert_eq!(drift(&bench), told(&[]));
    let flags = bench.tool("usr/sbin", "sysrc", &["-n", "syslogd_flags"]);
    let kept = "-C -b 127.0.0.1 -b 192.168.178.20 -a 192.168.178.0/24 -b 10.192.0.1 -a 10.192.0.0/10";
    assert_eq!(flags.trim(), kept);
}

#[test]
fn a_file_that_pots_own_lines_made_invalid_is_fixed_by_init_and_then_loaded() {
    let bench = Bench::new(Scenario::Default);
    for command in ["init", "vnet-start"] {
        bench.tool("usr/local/bin", "pot", &[command]);
    }
    assert_eq!(drift(&bench), told(&[("anchors-not-called", "init")]));
    let run = bench.run(INIT);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert_eq!(drift(&bench), told(&[("anchors-not-called", "vnet-start")]));
    let run = network_kept(&bench);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert_eq!(drift(&bench), told(&[]));
}

#[test]
fn all_differences_of_the_busy_host_end_without_a_shell_but_what_only_clones_can() {
    let bench = Bench::new(Scenario::Busy);
    assert_eq!(drift(&bench), told(&[("nat", "vnet-start"), ("syslogd", "init"), ("pots-outside", "by hand")]));
    let run = network_kept(&bench);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert_eq!(drift(&bench), told(&[("syslogd", "init"), ("pots-outside", "by hand")]));
    let run = bench.run(INIT);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    // That one is left as known: see the test of Host's page.
    assert_eq!(drift(&bench), told(&[("pots-outside", "by hand")]));
}
