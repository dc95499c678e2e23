//! Simulated pfctl(8): the packet filter's main rule set, its anchors, and whether it is on.

use std::collections::{BTreeSet, VecDeque};

use super::call::{Call, Failure, Outcome, getopt, has, value_of};
use super::machine::{Machine, now};
use super::pf::{Parsed, parse, with_numbers};
use super::state::{Pf, RuleSet, State};

/// What wrong usage is answered with; 15 has one letter more.
fn usage_text(major: u32) -> String {
    let letters = if major >= NETLINK_SINCE { "PqRSrvz" } else { "PqRrvz" };
    format!(
        "usage: pfctl [-AdeghMmNnO{letters}] [-a anchor] [-D macro=value] [-F modifier]\n\t[-f file] [-i interface] [-K host | network]\n\t[-k host | network | gateway | label | id] [-o level] [-p device]\n\t[-s modifier] [-t table -T command [address ...]] [-x level]"
    )
}

/// Since this release pfctl speaks to the kernel by netlink and opens it before all else: with `-n`, too, it judges
/// nothing while pf is not loaded.
const NETLINK_SINCE: u32 = 15;

/// Since this release there are rules for Ethernet, with anchors of their own.
const ETHERNET_SINCE: u32 = 14;

pub(crate) fn pfctl(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let major = call.machine.state()?.kept.major;
    let usage = |call: &mut Call| -> Outcome {
        call.warn(usage_text(major));
        Ok(1)
    };
    let letters = if major >= NETLINK_SINCE {
        "a:AdD:eqf:F:ghi:k:K:mMnNOo:Pp:rRSs:t:T:vx:z"
    } else {
        "a:AdD:eqf:F:ghi:k:K:mMnNOo:Pp:rRs:t:T:vx:z"
    };
    let (flags, rest) = match getopt(&args, letters) {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.text("pfctl");
            call.warn(text);
            return usage(call);
        }
    };
    if flags.is_empty() {
        return usage(call);
    }
    if !rest.is_empty() && value_of(&flags, 'T').is_none() {
        call.warn(format_args!("unknown command line argument: {} ...", rest.join(" ")));
        return usage(call);
    }
    if has(&flags, 'h') {
        return usage(call);
    }
    let show = match value_of(&flags, 's') {
        Some(text) => match modifier(text, &SHOW) {
            Some(found) => Some(found),
            None => {
                call.warn(format_args!("Unknown show modifier '{text}'"));
                return usage(call);
            }
        },
        None => None,
    };
    let clear = match value_of(&flags, 'F') {
        Some(text) => match modifier(text, &CLEAR) {
            Some(found) => Some(found),
            None => {
                call.warn(format_args!("Unknown flush modifier '{text}'"));
                return usage(call);
            }
        },
        None => None,
    };
    let quiet = has(&flags, 'q');
    let only_check = has(&flags, 'n');
    let anchor = value_of(&flags, 'a').unwrap_or_default().trim_matches('/');
    // `NAME/*` is NAME and all that its rules call.
    let anchor = anchor.strip_suffix("/*").unwrap_or(anchor).to_owned();
    let state = call.machine.state()?;
    if !state.has_module("pf") {
        if !only_check {
            return Err(Failure::new(1, "pfctl: /dev/pf: No such file or directory"));
        }
        if state.kept.major >= NETLINK_SINCE {
            return Err(Failure::new(1, "pfctl: Failed to open netlink: Bad file descriptor"));
        }
    }
    let changes = has(&flags, 'd') || has(&flags, 'e') || has(&flags, 'f') || clear.is_some();
    let level = state.running.sysctls.get("kern.securelevel").and_then(|text| text.parse::<i32>().ok());
    if !only_check && changes && level.is_some_and(|level| level >= 3) {
        // security(7): the packet filter cannot be changed at that level.
        return Err(Failure::new(1, "pfctl: DIOCXBEGIN: Operation not permitted"));
    }
    if !only_check {
        if has(&flags, 'd') {
            if !state.running.pf.enabled {
                return Err(Failure::new(1, "pfctl: pf not enabled"));
            }
            call.machine.change(|state| set_enabled(state, false))?;
            if !quiet {
                call.warn("pf disabled");
            }
        }
        if let Some(what) = show {
            let mut shown = state.clone();
            if has(&flags, 'P') {
                let pf = &mut shown.running.pf;
                for rules in std::iter::once(&mut pf.main).chain(pf.anchors.values_mut()) {
                    for rule in rules.translation.iter_mut().chain(&mut rules.filter) {
                        *rule = with_numbers(rule);
                    }
                }
            }
            show_it(call, &shown, what, &anchor, has(&flags, 'v'))?;
        }
        if let Some(what) = clear {
            let said = call.machine.change(|state| flush(&mut state.running.pf, what, &anchor))?;
            if !quiet {
                for line in said {
                    call.warn(line);
                }
            }
        }
        if let (Some(table), Some(command)) = (value_of(&flags, 't'), value_of(&flags, 'T')) {
            table_command(call, table, command, rest)?;
        }
        if value_of(&flags, 'k').is_some() || value_of(&flags, 'K').is_some() {
            call.warn("killed 0 states from 1 sources and 0 destinations");
        }
    }
    if let Some(file) = value_of(&flags, 'f') {
        let status = load(call, &state, file, &anchor, only_check, has(&flags, 'v'), &flags)?;
        if status != 0 {
            return Ok(status);
        }
    }
    if !only_check && has(&flags, 'e') {
        let done = call.machine.change(|state| {
            let was = state.running.pf.enabled;
            set_enabled(state, true);
            !was
        })?;
        if !done {
            return Err(Failure::new(1, "pfctl: pf already enabled"));
        }
        if !quiet {
            call.warn("pf enabled");
        }
    }
    Ok(0)
}

const SHOW: [&str; 17] = [
    "nat",
    "queue",
    "rules",
    "Anchors",
    "Sources",
    "states",
    "info",
    "Interfaces",
    "labels",
    "timeouts",
    "memory",
    "Tables",
    "osfp",
    "Running",
    "all",
    "creators",
    "ether",
];
const CLEAR: [&str; 11] =
    ["nat", "queue", "rules", "Sources", "states", "info", "Tables", "osfp", "all", "Reset", "ethernet"];

/// pfctl takes the shortest unmistakable beginning of a modifier.
fn modifier<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .copied()
        .find(|word| *word == text)
        .or_else(|| (!text.is_empty()).then(|| known.iter().copied().find(|word| word.starts_with(text))).flatten())
}

fn set_enabled(state: &mut State, enabled: bool) {
    if state.running.pf.enabled != enabled {
        state.running.pf.enabled = enabled;
        state.running.pf.since = now();
    }
}

/// The anchors that exist: called by the main rules, or holding rules, and those above them.
pub(crate) fn existing_anchors(pf: &Pf) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let holding = pf.anchors.iter().filter(|(_, rules)| !rules.is_empty()).map(|(name, _)| name);
    let called = pf.main.calls.iter().chain(pf.anchors.values().flat_map(|rules| &rules.calls));
    for name in holding.chain(called) {
        let mut at = name.as_str();
        names.insert(at.to_owned());
        while let Some((above, _)) = at.rsplit_once('/') {
            names.insert(above.to_owned());
            at = above;
        }
    }
    names
}

fn show_it(call: &mut Call, state: &State, what: &str, anchor: &str, verbose: bool) -> Result<(), Failure> {
    let pf = &state.running.pf;
    let empty = RuleSet::default();
    if !anchor.is_empty() && !existing_anchors(pf).contains(anchor) {
        let new_words = state.kept.major >= NETLINK_SINCE;
        match what {
            "Anchors" if new_words => return Err(Failure::new(1, "pfctl: Anchor does not exist.")),
            "Anchors" => return Err(Failure::new(1, "pfctl: DIOCGETRULESETS: No such file or directory")),
            "rules" | "labels" if new_words => call.warn("pfctl: Anchor does not exist."),
            // These are warnings: the status stays 0.
            "nat" | "rules" | "labels" => call.warn("pfctl: DIOCGETRULES: Invalid argument"),
            _ => {}
        }
    }
    let rules = if anchor.is_empty() { &pf.main } else { pf.anchors.get(anchor).unwrap_or(&empty) };
    match what {
        "nat" => {
            for line in &rules.translation {
                call.say(line);
                if verbose {
                    call.say("  [ Evaluations: 0         Packets: 0         Bytes: 0           States: 0     ]");
                    call.say("  [ Inserted: uid 0 pid 0 State Creations: 0     ]");
                }
            }
        }
        "rules" => {
            for line in rules.scrub.iter().chain(&rules.filter) {
                call.say(line);
                if verbose {
                    call.say("  [ Evaluations: 0         Packets: 0         Bytes: 0           States: 0     ]");
                    call.say("  [ Inserted: uid 0 pid 0 State Creations: 0     ]");
                }
            }
        }
        "queue" => {
            for line in &rules.queues {
                call.say(line);
            }
        }
        "Anchors" => {
            for name in existing_anchors(pf) {
                let below = if anchor.is_empty() {
                    Some(name.as_str())
                } else {
                    name.strip_prefix(anchor).and_then(|rest| rest.strip_prefix('/'))
                };
                if let Some(below) = below
                    && (verbose || !below.contains('/'))
                {
                    call.say(format_args!("  {name}"));
                }
            }
            if !anchor.is_empty() && state.kept.major >= ETHERNET_SINCE {
                // No anchor among the rules for Ethernet has that name.
                call.warn(format_args!("Anchor '{anchor}' not found."));
            }
        }
        "info" | "Running" => info(call, state),
        "Interfaces" => {
            call.say("all");
            for interface in &state.running.interfaces {
                call.say(&interface.name);
                if verbose && pf.skip.contains(&interface.name) {
                    call.say("\t(skip)");
                }
            }
        }
        "timeouts" => {
            for (name, value) in timeouts(state.kept.major) {
                let (number, unit) = value.split_at(value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len()));
                call.say(format_args!("{name:<20} {number:>10}{unit}"));
            }
        }
        "memory" => {
            for (name, value) in limits(state) {
                call.say(format_args!("{name:<13} hard limit {value:>8}"));
            }
        }
        "Tables" => {
            for name in pf.tables.keys() {
                call.say(if verbose { format!("--a-r--\t{name}") } else { name.clone() });
            }
        }
        "all" => {
            if !rules.translation.is_empty() {
                call.say("TRANSLATION RULES:");
                for line in &rules.translation {
                    call.say(line);
                }
                call.say("");
            }
            call.say("FILTER RULES:");
            for line in rules.scrub.iter().chain(&rules.filter) {
                call.say(line);
            }
            call.say("\nINFO:");
            info(call, state);
        }
        _ => {}
    }
    Ok(())
}

/// pf's timeouts as a kernel has them at first, in pfctl's order.
fn timeouts(major: u32) -> Vec<(&'static str, &'static str)> {
    let sctp = [
        ("sctp.first", "120s"),
        ("sctp.opening", "30s"),
        ("sctp.established", "86400s"),
        ("sctp.closing", "900s"),
        ("sctp.closed", "90s"),
    ];
    let tcp = [
        ("tcp.first", "120s"),
        ("tcp.opening", "30s"),
        ("tcp.established", "86400s"),
        ("tcp.closing", "900s"),
        ("tcp.finwait", "45s"),
        ("tcp.closed", "90s"),
        ("tcp.tsdiff", "30s"),
    ];
    let rest = [
        ("udp.first", "60s"),
        ("udp.single", "30s"),
        ("udp.multiple", "60s"),
        ("icmp.first", "20s"),
        ("icmp.error", "10s"),
        ("other.first", "60s"),
        ("other.single", "30s"),
        ("other.multiple", "60s"),
        ("frag", if major >= 14 { "60s" } else { "30s" }),
        ("interval", "10s"),
        ("adaptive.start", "60000 states"),
        ("adaptive.end", "120000 states"),
        ("src.track", "0s"),
    ];
    let sctp = if major >= 14 { &sctp[..] } else { &[] };
    tcp.iter().chain(sctp).chain(&rest).copied().collect()
}

/// pf's limits; those of anchors come with a release, and are gone once options were loaded without them.
fn limits(state: &State) -> Vec<(&'static str, u32)> {
    let mut limits = vec![("states", 100_000), ("src-nodes", 10_000), ("frags", 5000), ("table-entries", 200_000)];
    if state.kept.major >= NETLINK_SINCE {
        let anchors = if state.running.pf.options_loaded { 0 } else { 512 };
        limits.extend([("anchors", anchors), ("eth-anchors", anchors)]);
    }
    limits
}

/// What pf counts, in pfctl's order.
const COUNTERS: [&str; 16] = [
    "match",
    "bad-offset",
    "fragment",
    "short",
    "normalize",
    "memory",
    "bad-timestamp",
    "congestion",
    "ip-option",
    "proto-cksum",
    "state-mismatch",
    "state-insert",
    "state-limit",
    "src-limit",
    "synproxy",
    "map-failed",
];

fn info(call: &mut Call, state: &State) {
    let pf = &state.running.pf;
    let age = (now() - pf.since).max(0);
    let status = if pf.enabled { "Enabled" } else { "Disabled" };
    let since = if pf.since == 0 {
        String::new()
    } else {
        format!(" for {} days {:02}:{:02}:{:02}", age / 86400, age / 3600 % 24, age / 60 % 60, age % 60)
    };
    call.say(format_args!("{:<44}{:>15}\n", format!("Status: {status}{since}"), "Debug: Urgent"));
    call.say("State Table                          Total             Rate");
    let line = |call: &mut Call, name: &str, rate: &str| call.say(format_args!("  {name:<25} {:>14} {rate:>14}", 0));
    line(call, "current entries", "");
    for name in ["searches", "inserts", "removals"] {
        line(call, name, "0.0/s");
    }
    call.say("Counters");
    for name in COUNTERS.iter().chain((state.kept.major >= NETLINK_SINCE).then_some(&"translate")) {
        line(call, name, "0.0/s");
    }
}

fn flush(pf: &mut Pf, what: &str, anchor: &str) -> Vec<String> {
    let mut said = Vec::new();
    let rules = if anchor.is_empty() { &mut pf.main } else { pf.anchors.entry(anchor.to_owned()).or_default() };
    let everything = what == "all";
    if everything || what == "rules" {
        rules.filter.clear();
        rules.scrub.clear();
        said.push("rules cleared".to_owned());
    }
    if everything || what == "nat" {
        rules.translation.clear();
        said.push("nat cleared".to_owned());
    }
    // What is no longer called from a rule that is left does not exist because of it.
    let left: Vec<&String> = rules.filter.iter().chain(&rules.scrub).chain(&rules.translation).collect();
    rules.calls = rules
        .calls
        .iter()
        .filter(|name| left.iter().any(|rule| rule.contains(&format!("anchor \"{name}"))))
        .cloned()
        .collect();
    if everything || what == "queue" {
        rules.queues.clear();
        if everything {
            said.push("altq cleared".to_owned());
        }
    }
    if anchor.is_empty() {
        if everything || what == "states" {
            said.push("0 states cleared".to_owned());
        }
        if everything || what == "Sources" {
            said.push("source tracking entries cleared".to_owned());
        }
        if everything || what == "info" {
            said.push("pf: statistics cleared".to_owned());
        }
        if everything || what == "Tables" {
            said.push(format!("{} tables deleted.", pf.tables.len()));
            pf.tables.clear();
        }
        if everything || what == "Reset" {
            pf.skip.clear();
            said.push("pf: interface flags reset".to_owned());
        }
    }
    pf.anchors.retain(|_, rules| !rules.is_empty() || !rules.calls.is_empty());
    said
}

fn table_command(call: &mut Call, table: &str, command: &str, addresses: &[String]) -> Result<(), Failure> {
    let state = call.machine.state()?;
    let known = state.running.pf.tables.get(table);
    match command {
        "show" => {
            let Some(entries) = known else { return Err(Failure::new(255, "pfctl: Table does not exist.")) };
            for entry in entries.clone() {
                call.say(format_args!("   {entry}"));
            }
        }
        "add" | "delete" | "replace" | "flush" => {
            let addresses = addresses.to_vec();
            call.machine.change(|state| {
                let entries = state.running.pf.tables.entry(table.to_owned()).or_default();
                match command {
                    "add" => entries.extend(addresses.iter().cloned()),
                    "delete" => entries.retain(|entry| !addresses.contains(entry)),
                    "replace" => entries.clone_from(&addresses),
                    _ => entries.clear(),
                }
            })?;
            call.warn(format_args!("{}/{} addresses {command}ed.", addresses.len(), addresses.len()));
        }
        "kill" => {
            call.machine.change(|state| state.running.pf.tables.remove(table))?;
        }
        _ => return Err(Failure::new(1, usage_text(state.kept.major))),
    }
    Ok(())
}

/// What pfctl says of a rule file that is not there.
fn cannot_open(state: &State, file: &str) -> String {
    let place = if state.kept.major >= NETLINK_SINCE { "pushfile: " } else { "" };
    let missing = "No such file or directory";
    format!("pfctl: {place}{file}: {missing}\npfctl: cannot open the main config file!: {missing}")
}

/// Reads a rule file of the host; includes are read from the root, too.
pub(crate) fn read_rules(machine: &Machine, state: &State, file: &str, given: &[(String, String)]) -> Option<Parsed> {
    let text = std::fs::read(machine.path(file)).ok()?;
    let read = |path: &str| std::fs::read(machine.path(path)).ok();
    Some(parse(state, &read, file, &text, given))
}

fn load(
    call: &mut Call,
    state: &State,
    file: &str,
    anchor: &str,
    only_check: bool,
    verbose: bool,
    flags: &[super::call::Flag],
) -> Outcome {
    let given: Vec<(String, String)> = flags
        .iter()
        .filter(|flag| flag.letter == 'D')
        .filter_map(|flag| flag.value.rsplit_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let machine = call.machine.clone();
    let parsed = if file == "-" || file == "/dev/stdin" {
        let text = Call::stdin();
        let read = |path: &str| std::fs::read(machine.path(path)).ok();
        parse(state, &read, "stdin", text.as_bytes(), &given)
    } else {
        match read_rules(&machine, state, file, &given) {
            Some(parsed) => parsed,
            None => {
                return Err(Failure::new(1, cannot_open(state, file)));
            }
        }
    };
    if verbose {
        for line in &parsed.said {
            call.say(line);
        }
    }
    for error in &parsed.errors {
        call.warn(error);
    }
    if parsed.failed && only_check {
        return Ok(1);
    }
    if parsed.failed {
        return Err(Failure::new(1, NOT_LOADED));
    }
    let what = value_filter(flags);
    if verbose {
        for line in parsed.main.scrub.iter().chain(&parsed.main.translation).chain(&parsed.opened) {
            call.say(line);
        }
    }
    let loads = load_anchors(&machine, state, anchor, &parsed.loads, only_check);
    for (_, to_error, line) in loads.words.iter().filter(|(only_verbose, ..)| verbose || !only_verbose) {
        if *to_error {
            call.warn(line);
        } else {
            call.say(line);
        }
    }
    if loads.failed {
        return Err(Failure::new(1, "pfctl: load anchors"));
    }
    if only_check {
        return Ok(0);
    }
    call.machine.change(|state| {
        apply(&mut state.running.pf, anchor, parsed, what);
        for (name, rules) in loads.anchors {
            state.running.pf.anchors.insert(name, rules);
        }
    })?;
    Ok(0)
}

const NOT_LOADED: &str = "pfctl: Syntax error in config file: pf rules not loaded";
/// Files that files load into anchors, which pfctl reads with `-n`, too; those that they load in turn as well.
const MOST_LOADS: usize = 1000;

/// What `load anchor` comes to.
#[derive(Default)]
pub(crate) struct Loads {
    /// What is said on the way: whether with `-v` only, whether on standard error.
    words: Vec<(bool, bool, String)>,
    /// The anchors' rules.
    pub anchors: Vec<(String, RuleSet)>,
    /// A file is missing or not valid: nothing at all is loaded.
    pub failed: bool,
}

/// Reads what `load anchor` names below an anchor (none: the main rules), one file after the other.
pub(crate) fn load_anchors(
    machine: &Machine,
    state: &State,
    anchor: &str,
    named: &[(String, String)],
    only_check: bool,
) -> Loads {
    let below = |anchor: &str, name: &str| if anchor.is_empty() { name.to_owned() } else { format!("{anchor}/{name}") };
    let mut waiting: VecDeque<(String, String)> =
        named.iter().map(|(name, path)| (below(anchor, name), path.clone())).collect();
    let mut loads = Loads::default();
    while let Some((name, path)) = waiting.pop_front() {
        loads.words.push((true, true, format!("\nLoading anchor {name} from {path}")));
        let Some(parsed) = read_rules(machine, state, &path, &[]) else {
            loads.words.push((false, true, cannot_open(state, &path)));
            loads.failed = true;
            return loads;
        };
        loads.words.extend(parsed.said.iter().map(|line| (true, false, line.clone())));
        loads.words.extend(parsed.errors.iter().map(|line| (false, true, line.clone())));
        if parsed.failed || loads.anchors.len() >= MOST_LOADS {
            if !only_check {
                loads.words.push((false, true, NOT_LOADED.to_owned()));
            }
            loads.failed = true;
            return loads;
        }
        let rules = parsed.main.scrub.iter().chain(&parsed.main.translation).chain(&parsed.opened);
        loads.words.extend(rules.map(|line| (true, false, line.clone())));
        waiting.extend(parsed.loads.iter().map(|(inner, path)| (below(&name, inner), path.clone())));
        loads.anchors.push((name, parsed.main));
    }
    loads
}

/// -N and -R load only the translation or only the filter rules.
fn value_filter(flags: &[super::call::Flag]) -> (bool, bool) {
    match (has(flags, 'N'), has(flags, 'R')) {
        (false, false) => (true, true),
        chosen => chosen,
    }
}

/// Puts parsed rules in force.
pub(crate) fn apply(pf: &mut Pf, anchor: &str, parsed: Parsed, (translation, filter): (bool, bool)) {
    let target = if anchor.is_empty() { &mut pf.main } else { pf.anchors.entry(anchor.to_owned()).or_default() };
    if translation {
        target.translation = parsed.main.translation;
    }
    if filter {
        target.scrub = parsed.main.scrub;
        target.filter = parsed.main.filter;
        target.queues = parsed.main.queues;
    }
    target.calls = parsed.main.calls;
    for (name, rules) in parsed.inline {
        let path = if anchor.is_empty() { name } else { format!("{anchor}/{name}") };
        pf.anchors.insert(path, rules);
    }
    if anchor.is_empty() {
        pf.options_loaded = true;
        pf.skip = parsed.skip;
        for (name, addresses) in parsed.tables {
            pf.tables.insert(name, addresses);
        }
    }
    pf.anchors.retain(|_, rules| !rules.is_empty() || !rules.calls.is_empty());
}
