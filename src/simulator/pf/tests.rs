use super::*;
use crate::patience::worked;
use crate::simulator::state::{Inet, Inet6, Interface, Kind};

fn host(major: u32) -> State {
    let mut state = State::default();
    state.kept.major = major;
    state.running.interfaces.push(Interface {
        name: "em0".into(),
        index: 1,
        up: true,
        inet: vec![Inet { address: std::net::Ipv4Addr::new(192, 168, 178, 20), prefix: 24 }],
        ..Interface::default()
    });
    state.running.interfaces.push(Interface {
        name: "lo0".into(),
        index: 2,
        up: true,
        kind: Kind::Loopback,
        groups: vec!["lo".into()],
        inet: vec![Inet { address: std::net::Ipv4Addr::LOCALHOST, prefix: 8 }],
        inet6: vec![Inet6 { address: std::net::Ipv6Addr::LOCALHOST, prefix: 128 }],
        ..Interface::default()
    });
    state
}

fn files(path: &str) -> Option<Vec<u8>> {
    let text: &[u8] = match path {
        "/etc/hosts" => b"::1 localhost\n127.0.0.1 localhost\n192.168.178.9 nas.lan nas\n",
        "/etc/passwd" => b"root:*:0:0::0:0:Charlie &:/root:/bin/sh\nproxy:*:62:62::0:0:Proxy:/:/sbin/nologin\n",
        "/etc/group" => b"wheel:*:0:root\n",
        "/etc/table" => b"# known\n10.0.0.1 !10.0.0.2\n192.168/16 ; rest\n",
        "/etc/bad-table" => b"10.0.0.1\nno.such.name\n",
        "/etc/more.conf" => b"block in\npass foo\npass out\n",
        "/etc/ring.conf" => b"include \"/etc/ring.conf\"\n",
        _ => return None,
    };
    Some(text.to_vec())
}

fn read_by(major: u32, text: &str) -> Parsed {
    parse(&host(major), &files, "/etc/pf.conf", text.as_bytes(), &[])
}

/// What release 15 makes of a file.
fn parsed(text: &str) -> Parsed {
    read_by(15, text)
}

fn errors(text: &str) -> Vec<String> {
    parsed(text).errors
}

fn rules(text: &str) -> Vec<String> {
    let parsed = parsed(text);
    assert_eq!(parsed.errors, Vec::<String>::new(), "{text}");
    [parsed.main.scrub, parsed.main.translation, parsed.main.filter].concat()
}

fn syntax_error(line: usize) -> String {
    format!("/etc/pf.conf:{line}: syntax error")
}

fn order_error(line: usize) -> Vec<String> {
    vec![format!(
        "/etc/pf.conf:{line}: Rules must be in order: options, ethernet, normalization, queueing, translation, filtering"
    )]
}

const RELEASES: [u32; 3] = [13, 14, 15];

#[test]
fn what_pf_takes_is_taken() {
    for text in [
        "lan = $if:network\n",
        "ext_if = \"em0\"\nlan = $ext_if:network\nnat on $ext_if inet from $lan to any -> ($ext_if)\npass\n",
        "block in quick log on em0\npass in quick log (all) on em0 proto tcp to port 22\n",
        "pass in log quick on em0\n",
        "pass in proto tcp to port { smtps submission microsoft-ds rsync whois }\n",
        "pass in proto udp to port { bootpc isakmp mdns }\n",
        "set fail-policy return\nset skip on lo0\npass\n",
        "empty = \"\"\npass in from any to any $empty\n",
        "pass in from self to any\npass in from localhost to any\npass from em0/24\npass from 10.1\npass out ! tagged WEB\n",
        "rdr pass log (all) on em0 proto tcp to port 80 -> 10.1.0.2\npass\n",
        "pass in on em0 proto tcp to port 80 divert-to 127.0.0.1 port 8080\npass proto l2tp\npass proto etherip\n",
        "set timeout { tcp.established 3600, interval 10 adaptive.start 6000 }\nset limit { states 20000, frags 2000 }\n",
        "set skip on { lo0 em0 }\nset state-policy if-bound\nset optimization aggressive\nset loginterface em0\n",
        "table <t> persist counters file \"/etc/table\" { 10.0.0.0/8, !10.1/16 self }\npass from <t> to ! <t>\n",
        "pass proto tcp from any port { 1024:65535, != 22 } to any port 80 >< 90 user { root, > 1000 } group wheel\n",
        "pass inet proto icmp all icmp-type { echoreq, unreach code needfrag } keep state\n",
        "pass proto tcp flags S/SA modulate state (max 100, source-track rule, max-src-conn-rate 10/5, overload <bad> flush global)\n",
        "block return-icmp (net-unr, 4) in quick on ! em0\nblock return-rst(ttl 5) proto tcp\nmatch in all scrub (no-df max-mss 1440)\n",
        "pass in on em0 route-to { (em0 10.0.0.1), (em0 10.0.0.2) } round-robin from any to any\n",
        "pass in on em0 reply-to (em0 192.168.178.1) proto tcp tos lowdelay prio 3 set prio (2, 5) label \"$if:$nr\" tag A probability 20%\n",
        "scrub in on em0 all fragment reassemble random-id min-ttl 15 max-mss 1440\nno scrub out\n",
        "antispoof quick for { lo0 (em0) } inet label \"spoof\"\n",
        "binat on em0 from 10.0.0.5 to any -> 192.0.2.5\nno nat on em0 from any to 10/8\nnat on em0 from 10/8 -> { 192.0.2.1 192.0.2.2 } round-robin sticky-address\n",
        "anchor \"a\" in on em0 {\n  pass in\n\n  anchor {\n    block\n  }\n}\nanchor \"b/c\"\nload anchor x from \"/etc/x\"\n",
        "altq on em0 cbq bandwidth 100Mb queue { std ssh }\nqueue std bandwidth 10% cbq(default red)\nqueue ssh priority 7 { bulk }\nqueue bulk\npass queue (std, ssh)\n",
        "pass from 10.0.0.1 - 10.0.0.9 to { any, 1.2.3.4 } \\\n  keep state # and so on \\\n still a comment\npass 'in'\n",
        "pass from fe80::1%em0\npass to em0:broadcast\npass from (em0:network)/24 to (em0:0)\npass from nas\n",
        "pass from any os { \"Linux\" FreeBSD } to any\npass fragment\npass allow-opts\npass proto { 6 17 } to port 53\n",
        "set syncookies adaptive (start 25%, end 12%)\nset hostid 0x1\nset debug urgent\nset keepcounters\nset reassemble yes no-df\n",
    ] {
        // The two that need a definition or a word before: what they are about comes after it.
        let text =
            text.replace("lan = $if:network\n", "if = em0\nlan = $if:network\n").replace("pass 'in'\n", "pass in\n");
        assert_eq!(errors(&text), Vec::<String>::new(), "{text}");
        assert!(!read_by(14, &text).failed, "{text}{:?}", read_by(14, &text).errors);
    }
}

#[test]
fn what_only_freebsd_15_takes_is_refused_before() {
    for text in [
        "pass out on em0 inet from 10/8 to any nat-to (em0)\n",
        "pass in on em0 proto tcp to port 80 rdr-to 10.0.0.1 port 8080\n",
        "match on em0 inet from 10.0.0.1 to any binat-to 192.0.2.1\n",
        "pass in on em0 inet6 from any to 64:ff9b::/96 af-to inet from (em0)\n",
        "pass max-pkt-rate 100/10\n",
        "pass received-on em0\n",
        "anchor a {\n include \"/etc/hosts\"\n}\n",
        "pass log (matches)\n",
    ] {
        if !text.contains("include") {
            assert_eq!(errors(text), Vec::<String>::new(), "{text}");
        }
        let line = if text.contains("include") { 2 } else { 1 };
        assert_eq!(read_by(14, text).errors, [syntax_error(line)], "{text}");
    }
}

#[test]
fn what_pf_refuses_is_refused_in_its_line() {
    for release in RELEASES {
        let found = read_by(
            release,
            "\nports = { 22 80 }\nnet = 10.0.0.0/8\nx = y\nport = \"22\"\nx = y\nuser = \"u\"\npass\n",
        );
        assert_eq!(found.errors, [2, 3, 5, 7].map(syntax_error), "{release}");
    }
    for (text, message) in [
        ("pass to port 22", "port only applies to tcp/udp/sctp"),
        ("pass proto tcp to port 22x", "unknown port 22x"),
        ("pass proto tcp to port 99999", "illegal port value 99999"),
        ("pass proto nope", "unknown protocol nope"),
        ("pass proto ip", "proto 0 cannot be used"),
        ("pass from 10.0.0.1/33", "netmask 33 invalid for IPv4 address"),
        ("pass user nobody-knows", "unknown user nobody-knows"),
        ("pass all icmp-type echoreq", "icmp-type mismatch"),
        ("pass inet proto icmp icmp-type nope", "unknown icmp-type nope"),
        ("pass flags SA/S", "flags always false"),
        ("pass keep state keep state", "modulate or keep cannot be redefined"),
        ("pass keep state (tcp.nope 1)", "illegal timeout name tcp.nope"),
        ("block keep state", "keep state is great, but only for pass rules"),
        ("pass route-to (em0 10.0.0.1)", "direction must be explicit with rules that specify routing"),
        ("nat on em0 from any to any", "translation rule requires '-> address'"),
        ("no nat on em0 -> (em0)", "translation rule with 'no' does not need '->'"),
        ("rdr on em0 to port 80 -> 10.0.0.1", "dst port only applies to tcp/udp/sctp"),
        ("anchor in", "anchors without explicit rules must specify a name"),
        ("table <t> { <u> }", "tables cannot contain tables"),
        ("table <t> file \"/none\"", "cannot load \"/none\": No such file or directory"),
        ("table <t> file \"/etc/bad-table\"", "file \"/etc/bad-table\" contains bad data"),
        ("table <t> nope", "invalid table option 'nope'"),
        ("set limit nope 1", "unable to set limit nope 1"),
        ("set timeout nope 1", "unknown timeout nope"),
        ("set require-order maybe", "invalid value 'maybe', expected 'yes' or 'no'"),
        ("set skip on ! lo0", "skip on ! <interface> is not supported"),
        ("scrub in quick", "scrub rules do not support 'quick'"),
        ("queue q", "queue q has no parent"),
        ("pass probability 200%", "invalid probability: 8589934590.000000"),
        ("pass from inet:0", "could not parse host specification"),
        ("pass tos 300", "illegal tos value 300"),
        ("pass prio 9", "prio must be 0 - 7"),
        ("pass rtable 5", "invalid rtable id"),
    ] {
        let found = errors(&format!("\n{text}\n"));
        let told = |line: &String| line.trim_start_matches("/etc/pf.conf:2: ") == message;
        assert!(found.iter().any(told), "{text}: {found:?}");
    }
}

#[test]
fn a_last_line_without_line_end_is_taken_by_15_alone() {
    for text in ["block all\npass out", "pass # why", "x = y"] {
        let last = text.lines().count();
        assert_eq!(errors(text), Vec::<String>::new());
        assert_eq!(read_by(14, text).errors, [syntax_error(last)], "{text}");
        assert_eq!(read_by(13, text).errors, [syntax_error(last)], "{text}");
    }
    assert!(!read_by(14, "").failed);
}

#[test]
fn sections_out_of_order_are_refused_with_their_lines() {
    assert_eq!(errors("pass\nscrub in all\n"), order_error(2));
    assert_eq!(errors("nat on em0 from any to any -> (em0)\nset block-policy drop\n"), order_error(2));
    assert_eq!(errors("anchor foo\nnat-anchor pot-nat\n"), order_error(2));
    assert_eq!(
        errors("pass\nrdr-anchor \"pot-rdr/*\"\npass\nscrub in all\n"),
        [order_error(2), order_error(4)].concat()
    );
    assert_eq!(errors("antispoof for em0\nnat-anchor x\n"), order_error(2));
    assert_eq!(errors("match in all\nset limit states 1000\n"), order_error(2));
    assert_eq!(errors("scrub in\nether block in\n"), order_error(2));
    assert_eq!(
        read_by(13, "pass\nscrub in all\n").errors,
        ["/etc/pf.conf:2: Rules must be in order: options, normalization, queueing, translation, filtering"]
    );
}

#[test]
fn what_does_not_count_for_the_order_may_stand_anywhere() {
    for line in [
        "x = \"em0\"",
        "table <t> persist",
        "set skip on lo0",
        "set state-policy if-bound",
        "set ruleset-optimization none",
        "set hostid 1",
        "set syncookies never",
        "set keepcounters",
        "set require-order yes",
        "load anchor x from \"/etc/x\"",
    ] {
        assert_eq!(errors(&format!("pass\n{line}\npass\n")), Vec::<String>::new(), "{line}");
    }
    for line in [
        "set optimization normal",
        "set timeout interval 10",
        "set loginterface em0",
        "set debug urgent",
        "set reassemble yes",
        "set fingerprints \"/etc/pf.os\"",
    ] {
        assert_eq!(errors(&format!("pass\n{line}\n")), order_error(2), "{line}");
    }
    assert_eq!(errors("set require-order no\npass\nscrub in all\nnat-anchor x\n"), Vec::<String>::new());
}

#[test]
fn the_anchors_that_init_puts_on_top_break_a_file_with_options() {
    let text = "nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\next_if = \"em0\"\nset skip on lo0\nscrub in all\npass\n";
    assert_eq!(errors(text), order_error(5));
    assert_eq!(errors("nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\npass\n"), Vec::<String>::new());
    assert_eq!(errors("nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n"), Vec::<String>::new());
}

#[test]
fn a_macro_must_be_defined_before_it_is_used() {
    let found = errors("pass on $ext_if\npass foo\next_if = \"em0\"\n");
    assert_eq!(found, ["/etc/pf.conf:1: macro 'ext_if' not defined", "/etc/pf.conf:1: syntax error"]);
    assert_eq!(errors("i = em0\nl = \"{ $i, lo0 }\"\npass on $l\n"), [syntax_error(3)], "in quotes it is not filled");
    assert_eq!(rules("i = em0\nl = \"{\" $i lo0 \"}\"\npass on $l\n")[0], "pass on em0 all flags S/SA keep state");
    let given = [("i".to_owned(), "em0".to_owned())];
    let parsed = parse(&host(15), &files, "stdin", b"i = lo0\npass on $i\n", &given);
    assert_eq!(parsed.main.filter, ["pass on em0 all flags S/SA keep state"], "the command line has the last word");
}

#[test]
fn errors_close_together_are_told_once_as_pfctl_does() {
    assert_eq!(errors("pass frm any\nblock al\n"), [syntax_error(1)]);
    assert_eq!(errors("pass\nfoo bar\npass\npass in on\n"), [syntax_error(2), syntax_error(4)]);
    assert_eq!(errors("}\nfoo\npass in on em0 foo\n"), [syntax_error(1)], "nothing good before: it reads no further");
    assert_eq!(errors("\n}\npass in on em0 foo\n"), [syntax_error(2), syntax_error(3)]);
    assert_eq!(errors("pass on {\n em0,\n lo0\n}\n"), [syntax_error(2)], "no line end behind a comma");
    assert_eq!(rules("pass on {\n em0\n lo0\n}\n").len(), 2);
    assert!(read_by(14, "pass \"in\n").failed);
}

#[test]
fn a_carriage_return_is_no_blank() {
    assert_eq!(errors("pass\r\nblock\r\n"), [syntax_error(1)]);
}

#[test]
fn continued_lines_lists_and_comments_are_read_as_pf_does() {
    let text = "ports = \"{ 22, \\\n 80 }\" # and more\npass in \\\n on em0 proto tcp \\\n to port $ports\npass out on {\n em0\n lo0 }\n";
    assert_eq!(
        rules(text),
        [
            "pass in on em0 proto tcp from any to any port = ssh flags S/SA keep state",
            "pass in on em0 proto tcp from any to any port = http flags S/SA keep state",
            "pass out on em0 all flags S/SA keep state",
            "pass out on lo0 all flags S/SA keep state",
        ]
    );
}

#[test]
fn files_that_are_included_count_their_own_lines() {
    let found = parsed("include \"/etc/more.conf\"\npass bar\n");
    assert_eq!(found.errors, ["/etc/more.conf:2: syntax error", "/etc/pf.conf:2: syntax error"]);
    assert_eq!(read_by(14, "include \"/etc/more.conf\"\n").errors, ["/etc/more.conf:3: syntax error"]);
    assert_eq!(
        errors("include \"/none\"\npass\n"),
        ["pfctl: pushfile: /none: No such file or directory", "/etc/pf.conf:1: failed to include file /none"]
    );
    assert!(parsed("include \"/etc/ring.conf\"\n").failed, "one that includes itself comes to an end");
}

#[test]
fn anchors_in_braces_are_sets_of_their_own() {
    let parsed = parsed(
        "nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\nanchor \"own\" {\n pass\n anchor {\n  block\n }\n}\npass\n",
    );
    assert_eq!(parsed.errors, Vec::<String>::new());
    assert_eq!(parsed.main.calls, ["pot-nat", "pot-rdr", "own"]);
    assert_eq!(parsed.main.translation, ["nat-anchor \"pot-nat\" all", "rdr-anchor \"pot-rdr/*\" all"]);
    assert_eq!(parsed.main.filter, ["anchor \"own\" all", "pass all flags S/SA keep state"]);
    assert_eq!(
        parsed.inline["own"].filter,
        ["pass all flags S/SA keep state", "anchor all {", "  block drop all", "}"]
    );
    assert_eq!(errors("anchor \"own\" {\n scrub in all\n}\n"), [syntax_error(2)], "rules that filter, only");
    assert!(errors(&"anchor a {\n".repeat(500)).concat().contains("anchors too deep"));
}

#[test]
fn pots_nat_rules_are_printed_as_pfctl_prints_them() {
    let text = "ext_if = \"em0\"\nlocalnet = \"10.192.0.0/10\"\nnat on $ext_if from $localnet to any -> ($ext_if:0)\nnat on vlan20 from $localnet to 10.0.20.0/24 -> (vlan20:0)\nnat on em0 from $localnet to any -> (em0)\n";
    assert_eq!(
        rules(text),
        [
            "nat on em0 inet from 10.192.0.0/10 to any -> (em0:0)",
            "nat on vlan20 inet from 10.192.0.0/10 to 10.0.20.0/24 -> (vlan20:0)",
            "nat on em0 inet from 10.192.0.0/10 to any -> (em0) round-robin",
        ]
    );
    assert_eq!(
        rules("rdr pass on em0 proto tcp from any to (em0) port 8080 -> 10.192.0.3 port 80\n"),
        ["rdr pass on em0 inet proto tcp from any to (em0) port = http-alt -> 10.192.0.3 port 80"],
        "pot's own show looks for the family that it did not write"
    );
    assert_eq!(
        rules("set skip on lo0\nantispoof for lo0\nblock all\n"),
        [
            "block drop in on ! lo0 inet6 from ::1 to any",
            "block drop in on ! lo0 inet from 127.0.0.0/8 to any",
            "block drop all"
        ]
    );
}

#[test]
fn ports_are_shown_as_numbers_when_asked() {
    let rule = "rdr pass on ssh proto tcp from any to (em0) port = https -> 10.0.0.2 port 443";
    assert_eq!(with_numbers(rule), rule.replace("https", "443"));
    assert_eq!(
        with_numbers("pass from any port != ssh to any port 21 >< 80"),
        "pass from any port != 22 to any port 21 >< 80"
    );
}

/// What 14 says of a line, without its place.
fn told_by_14(line: &str) -> Vec<String> {
    let found = read_by(14, &format!("{line}\n")).errors;
    found.iter().map(|line| line.trim_start_matches("/etc/pf.conf:1: ").to_owned()).collect()
}

fn filter_of(major: u32, text: &str) -> Vec<String> {
    let found = read_by(major, text);
    assert_eq!(found.errors, Vec::<String>::new(), "{major}: {text}");
    found.main.filter
}

const TWICE: [&str; 2] = ["skipping rule due to errors", "rule expands to no valid combination"];

#[test]
fn any_among_other_hosts_is_left_out_before_15() {
    let text = "pass from { any, 10.0.0.1 }\n";
    assert_eq!(filter_of(14, text), ["pass inet from 10.0.0.1 to any flags S/SA keep state"]);
    assert_eq!(filter_of(15, text), ["pass all flags S/SA keep state"]);
    for release in RELEASES {
        assert_eq!(filter_of(release, "pass from { any }\n"), ["pass all flags S/SA keep state"]);
    }
}

#[test]
fn lists_are_taken_apart_in_another_order_before_15() {
    let text = "pass proto tcp from 10.0.0.9 port { 22, 80 } to { 10.0.0.1, 10.0.0.2 }\n";
    for (release, order) in [(14, ["ssh 1", "ssh 2", "http 1", "http 2"]), (15, ["ssh 1", "http 1", "ssh 2", "http 2"])]
    {
        let expected = order.map(|pair| {
            let (port, last) = pair.split_once(' ').unwrap();
            format!("pass inet proto tcp from 10.0.0.9 port = {port} to 10.0.0.{last} flags S/SA keep state")
        });
        assert_eq!(filter_of(release, text), expected);
    }
}

#[test]
fn log_of_a_group_is_taken_before_15() {
    let text = "pass log (group)\n";
    assert_eq!(filter_of(14, text), filter_of(14, "pass log (user)\n"));
    assert_eq!(errors(text), [syntax_error(1)]);
}

#[test]
fn the_name_of_an_anchor_to_load_may_be_any_words_before_15() {
    for name in ["_own", "a b", "\"\""] {
        let text = format!("load anchor {name} from \"/etc/x\"\n");
        assert!(!read_by(14, &text).failed, "{text}");
        assert!(parsed(&text).failed, "{text}");
    }
    assert_eq!(read_by(14, "load anchor a b from \"/etc/x\"\n").loads, [("a b".to_owned(), "/etc/x".to_owned())]);
    assert_eq!(told_by_14("load anchor from \"/etc/x\""), ["syntax error"]);
}

#[test]
fn options_of_an_address_may_stand_without_one_before_15() {
    assert_eq!(told_by_14("no nat on em0 all sticky-address"), Vec::<String>::new());
    assert_eq!(told_by_14("no nat on em0 all static-port"), ["the 'static-port' option is only valid with nat rules"]);
    assert_eq!(told_by_14("nat on em0 all random"), ["translation rule requires '-> address'"]);
    assert_eq!(errors("no nat on em0 all sticky-address\n"), [syntax_error(1)]);
}

#[test]
fn only_round_robin_goes_through_tables_and_interfaces_before_15() {
    for (text, message) in [
        ("nat on em0 inet all -> <t> source-hash", "tables are only supported in round-robin redirection pools"),
        ("nat on em0 inet all -> (em0) random", "interface (em0) is only supported in round-robin redirection pools"),
        ("pass in route-to (em0 <t>) random inet all", "tables are only supported in round-robin routing pools"),
    ] {
        assert_eq!(told_by_14(text), [message], "{text}");
        assert_eq!(errors(&format!("{text}\n")), Vec::<String>::new(), "{text}");
    }
    assert_eq!(
        told_by_14("nat on em0 all -> { 192.0.2.1 192.0.2.2 } random"),
        ["only round-robin valid for multiple redirection addresses"]
    );
    assert_eq!(
        told_by_14("pass in route-to { (em0 10.0.0.1), (em0 10.0.0.2) } bitmask all"),
        ["r.rpool.opts must be PF_POOL_ROUNDROBIN"]
    );
    assert_eq!(
        told_by_14("rdr on em0 inet proto tcp to port 80 -> 10.0.0.1 static-port"),
        ["the 'static-port' option is only valid with nat rules"]
    );
    assert_eq!(told_by_14("nat on em0 inet all -> <t>"), Vec::<String>::new(), "round-robin is what it does");
}

#[test]
fn a_range_of_ports_that_runs_backwards_is_taken_in_rdr_before_15() {
    let text = "rdr on em0 inet proto tcp to port 80 -> 10.0.0.1 port 90:80";
    assert_eq!(told_by_14(text), Vec::<String>::new());
    assert!(errors(&format!("{text}\n"))[0].contains("invalid rdr-to port range"));
}

#[test]
fn an_interface_alone_in_brackets_is_no_route() {
    for release in RELEASES {
        assert_eq!(read_by(release, "pass in route-to (em0) all\n").errors, [syntax_error(1)], "{release}");
        assert!(!read_by(release, "pass in route-to em0 inet all\n").failed, "{release}");
    }
}

#[test]
fn routes_of_both_families_are_refused_before_15() {
    let text = "pass in on em0 route-to { (em0 10.0.0.1), (em0 fe80::1) } all";
    assert_eq!(told_by_14(text), ["all pool addresses must be in the same address family"]);
    assert_eq!(errors(&format!("{text}\n")), Vec::<String>::new());
}

#[test]
fn match_rules_with_allow_opts_are_refused_before_15() {
    assert_eq!(
        told_by_14("match in all allow-opts"),
        ["allow-opts can only be specified for pass rules", TWICE[0], TWICE[1]]
    );
    assert_eq!(errors("match in all allow-opts\n"), Vec::<String>::new());
}

#[test]
fn what_only_15_warns_of_is_silent_before() {
    for text in [
        "pass out proto tcp all synproxy state",
        "pass in route-to { (em0 10.0.0.1), (em0 10.0.0.2) } sticky-address all no state",
    ] {
        assert_eq!(told_by_14(text), Vec::<String>::new(), "{text}");
        assert!(!errors(&format!("{text}\n")).is_empty(), "{text}");
    }
}

#[test]
fn messages_are_in_the_words_of_their_release() {
    assert_eq!(told_by_14("pass from 10.0.0.1/129")[0], "invalid netmask '/129'");
    assert_eq!(errors("pass from 10.0.0.1/129\n")[0], "netmask is too large: /129");
    let text = "rdr on em0 inet all -> 10.0.0.1 port 80";
    assert_eq!(told_by_14(text)[0], "rpool port only applies to tcp/udp/sctp");
    assert_eq!(errors(&format!("{text}\n"))[0], "/etc/pf.conf:1: rdr port only applies to tcp/udp/sctp");
    let long = format!("table <{}> persist", "t".repeat(32));
    let system = "anchor \"a\" proto udp from any os \"Linux\"";
    assert_eq!(told_by_14(&long), ["table name too long, max 31 chars"]);
    assert_eq!(errors(&format!("{long}\n")), ["/etc/pf.conf:1: table name too long, max 31 chars"]);
    assert_eq!(told_by_14(system), ["OS fingerprinting only applies to tcp"]);
    assert_eq!(told_by_14(&system.replace("anchor \"a\"", "pass")), ["OS fingerprinting only apply to tcp"]);
}

/// A generator that is the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides
    }
}

const PIECES: [&str; 64] = [
    "pass",
    "block",
    "match",
    "in",
    "out",
    "log",
    "quick",
    "on",
    "em0",
    "lo0",
    "{",
    "}",
    "(",
    ")",
    ",",
    "=",
    "!",
    "!=",
    "<",
    ">",
    "<t>",
    "<>",
    "><",
    "->",
    "-",
    "/",
    ":",
    "$x",
    "$undefined",
    "\"a b\"",
    "'q",
    "\"",
    "# c",
    "\\\n",
    "\n",
    "\n",
    "10.1",
    "10/8",
    "::1",
    "from",
    "to",
    "any",
    "port",
    "22",
    "80:90",
    "ssh",
    "proto",
    "tcp",
    "inet",
    "x = em0\n",
    "x = $x $x\n",
    "set",
    "skip",
    "anchor",
    "nat",
    "rdr",
    "table",
    "queue",
    "altq",
    "keep state",
    "scrub",
    "include \"/etc/ring.conf\"",
    "\u{1}",
    "é",
];

#[test]
fn no_file_makes_the_parser_fall_over() {
    let rounds = if std::env::var_os("POT_CONSOLE_LONG").is_some() { 200_000 } else { 3_000 };
    let mut dice = Dice(15);
    let states = RELEASES.map(host);
    for _ in 0..rounds {
        let text: Vec<&str> = (0..dice.roll(40)).map(|_| PIECES[dice.roll(PIECES.len())]).collect();
        let text = if dice.roll(2) == 0 { text.join(" ") } else { text.concat() };
        let parsed = parse(&states[dice.roll(3)], &files, "f", text.as_bytes(), &[]);
        assert!(parsed.failed || parsed.errors.iter().all(|line| !line.contains("syntax error")), "{text}");
    }
    for text in ["\"", "{", "((((", "anchor x {", "$", "x = $x", "<", "table <", "\\", "set", "nat ->", "\0pass foo"] {
        for state in &states {
            parse(state, &files, "f", text.as_bytes(), &[]);
        }
    }
}

#[test]
fn long_files_take_time_in_proportion_to_their_length() {
    let time = |text: &str| {
        let before = worked();
        parsed(text);
        worked().saturating_sub(before)
    };
    let line = "pass in on em0 proto tcp from { 10.0.0.1 10.0.0.2 } to any port 22 # why\n";
    let long = time(&line.repeat(4_000));
    assert!(long < std::time::Duration::from_secs(20), "{long:?}");
    for text in [
        "{".repeat(200_000),
        format!("pass from {}", "{ ".repeat(200_000)),
        format!("x = {}\n", "a ".repeat(200_000)),
        format!("pass from {{ {}}}\n", "10.0.0.1 ".repeat(20_000)),
        std::iter::once("a0 = xx\n".to_owned())
            .chain((1..60).map(|n| format!("a{n} = $a{0} $a{0}\n", n - 1)))
            .collect(),
        format!("x = \"{}\"\n{}", "a".repeat(8_000), "y = $x\n".repeat(5_000)),
        "\\\n".repeat(200_000),
        "\"".repeat(100_001),
        format!("pass from {{ {0} }} to {{ {0} }} port {{ 1 2 3 4 5 }}\n", "10.0.0.1 ".repeat(2_000)),
    ] {
        let spent = time(&text);
        assert!(spent < std::time::Duration::from_secs(20), "{spent:?}: {}", text.chars().take(40).collect::<String>());
    }
}
