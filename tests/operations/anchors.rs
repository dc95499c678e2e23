//! pot's anchors in the files of pf.

use crate::bench::{Bench, INIT, VNET, blocked, initialised, network_kept, state_of};
use pot_console::plan::{Operation, RunState, StepState};
use pot_console::simulator::Scenario;

#[test]
fn a_pf_conf_that_cannot_be_read_for_certain_is_asked_about() {
    let bench = Bench::new(Scenario::Default);
    bench.write("/etc/pf.conf", "include \"/etc/pf.more\"\npass all\n");
    bench.write("/etc/pf.more", "set limit states 1000\n");
    let plan = bench.plan(INIT);
    assert!(plan.blockers.iter().any(|blocker| blocker.problem.contains("cannot be told")), "{:#?}", plan.blockers);
    let left = bench.plan(Operation::Init {
        place_anchors: true,
        merge_syslogd_flags: true,
        minimal: false,
        leave_syslogd: false,
        leave_pf: true,
        pf_file: None,
    });
    assert!(left.blockers.is_empty(), "{:#?}", left.blockers);
    assert!(left.diffs.iter().all(|diff| diff.file != "/etc/pf.conf"));
}

#[test]
fn anchors_at_the_top_that_would_break_pf_conf_block_the_run() {
    let bench = Bench::new(Scenario::Default);
    let pots_own = Operation::Init {
        place_anchors: false,
        merge_syslogd_flags: false,
        minimal: false,
        leave_syslogd: false,
        leave_pf: false,
        pf_file: None,
    };
    let plan = bench.plan(pots_own);
    assert!(plan.blockers.iter().any(|blocker| blocker.problem.contains("would be invalid")), "{:#?}", plan.blockers);
}

#[test]
fn a_rejecting_pfctl_blocks_what_needs_it() {
    let bench = Bench::new(Scenario::Default);
    bench.fault("pfctl fail 1 stdin:3: syntax error");
    let plan = bench.plan(INIT);
    assert!(plan.blockers.iter().any(|blocker| blocker.problem.contains("syntax error")), "{:#?}", plan.blockers);
}

#[test]
fn anchors_that_an_earlier_pot_put_at_the_top_are_fixed_by_init() {
    let bench = Bench::new(Scenario::Default);
    let text = bench.read("/etc/pf.conf");
    bench.write("/etc/pf.conf", &format!("nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n{text}"));
    bench.tool("sbin", "kldload", &["pf"]);
    assert!(bench.tool("sbin", "pfctl", &["-nf", "/etc/pf.conf"]).contains("order"));
    let run = bench.run(INIT);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert_eq!(bench.tool("sbin", "pfctl", &["-nf", "/etc/pf.conf"]), "");
}

#[test]
fn anchors_whose_lines_end_in_a_carriage_return_are_none_wherever_they_are_counted() {
    let bench = Bench::new(Scenario::Default);
    bench.write("/etc/pf.conf", "# by a text editor elsewhere\r\nnat-anchor pot-nat\r\nrdr-anchor \"pot-rdr/*\"\r\n");
    assert_eq!(bench.facts().pf_file.get().unwrap().anchor_lines, (0, 0));
    let plan = bench.plan(INIT);
    assert_eq!(state_of(&plan, "anchors in"), StepState::Blocks, "nothing is written: {:#?}", plan.steps);
    let words = blocked(&plan);
    assert!(words.contains("line 2 holds a carriage return (CR), which pf refuses"), "{words}");
    bench.tool("sbin", "kldload", &["pf"]);
    assert!(bench.tool("sbin", "pfctl", &["-nf", "/etc/pf.conf"]).contains("syntax error"));
    // pot itself sees none either, and its sed takes none out.
    bench.tool("usr/local/bin", "pot", &["init"]);
    assert!(bench.read("/etc/pf.conf").starts_with("nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n# by a text"));
    assert_eq!(bench.facts().pf_file.get().unwrap().anchor_lines, (1, 1));
}

#[test]
fn lines_like_pots_that_pf_does_not_read_are_called_anchors_nowhere() {
    let pf_conf =
        "# moved, see below \\\nnat-anchor pot-nat\npass quick all\nblock all\nold = '\nrdr-anchor \"pot-rdr/*\"\n'\n";
    let bench = Bench::new(Scenario::Default);
    bench.write("/etc/pf.conf", pf_conf);
    let facts = bench.facts();
    assert_eq!(facts.pf_file.get().map(|file| (file.valid, file.anchor_lines)), Some((Some(true), (0, 0))));
    let by_pot = Operation::Init {
        place_anchors: false,
        merge_syslogd_flags: true,
        minimal: false,
        leave_syslogd: false,
        leave_pf: false,
        pf_file: None,
    };
    for operation in [INIT, by_pot] {
        let plan = bench.plan(operation);
        assert_eq!(state_of(&plan, "anchors in"), StepState::Blocks, "{:#?}", plan.steps);
        assert!(blocked(&plan).contains("line 2 reads like one of pot's"), "{}", blocked(&plan));
    }
    let plan = bench.plan(VNET);
    assert!(blocked(&plan).contains("does not hold pot's two anchors"), "{}", blocked(&plan));
    // pot would take the two lines out, and `pass quick all` would become a part of the note before it.
    bench.tool("usr/local/bin", "pot", &["init", "-m"]);
    let plan = bench.plan(Operation::DeInit { stop_pots: false, minimal: false, pf_file: None });
    assert!(blocked(&plan).contains("line 2 reads like one of pot's"), "{}", blocked(&plan));
    let plan = bench.plan(Operation::DeInit { stop_pots: false, minimal: true, pf_file: None });
    assert!(!blocked(&plan).contains("reads like"), "{}", blocked(&plan));
    // As advised: the line goes, with what it belongs to.
    bench.write("/etc/pf.conf", "pass quick all\nblock all\n");
    let plan = bench.plan(INIT);
    assert_eq!(state_of(&plan, "anchors in"), StepState::WillBeChanged, "{}", blocked(&plan));
}

#[test]
fn anchors_in_a_file_that_pf_refuses_are_not_said_to_stand() {
    let bench = Bench::new(Scenario::Default);
    for pf_conf in [
        "set skip on lo0\npass on\n",
        "nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\npass on\n",
        "frobnicate\nnat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n",
    ] {
        bench.write("/etc/pf.conf", pf_conf);
        let plan = bench.plan(INIT);
        assert_eq!(state_of(&plan, "anchors in"), StepState::Blocks, "{pf_conf}: {:#?}", plan.steps);
        assert!(!blocked(&plan).is_empty(), "{pf_conf}");
    }
}

#[test]
fn anchors_that_are_spelled_otherwise_call_pots_rules_as_well() {
    let bench = initialised();
    let pf_conf = bench.read("/etc/pf.conf");
    let spelled = pf_conf
        .replace("nat-anchor pot-nat", "nat-anchor \"pot-nat\" # pot's")
        .replace("rdr-anchor \"pot-rdr/*\"", "  rdr-anchor 'pot-rdr/*'");
    bench.write("/etc/pf.conf", &spelled);
    let plan = bench.plan(VNET);
    assert!(!blocked(&plan).contains("pot's two anchors"), "{}", blocked(&plan));
    let run = network_kept(&bench);
    assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
    assert!(bench.facts().pf.get().unwrap().calls_pot_anchors());
}
