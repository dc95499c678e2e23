//! A web process that was broken into: it says what it likes on the socket.

use crate::patience::PATIENCE;
use crate::permissions::one_of_each;
use crate::rig::{PASSWORD, Rig, Wire, edit, kind, many, save};
use pot_console::executor::End;
use pot_console::executor::protocol::{
    Command, ExportFormat, FeedbackStored, LogFiles, MAX_REQUEST, Message, Reply, Request, SignedIn, VERSION,
};
use pot_console::journal::record::{Action, Reported, Role};
use pot_console::plan::{Operation, Preparation};
use pot_console::refusal::{Refusal, RefusalKind};
use pot_console::secret::Secret;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % below
    }
}

/// The largest amount of memory that this process had so far, in KiB.
fn memory() -> i64 {
    nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap().max_rss()
}

fn malformed(dice: &mut Dice, token: Option<&Secret>) -> Vec<u8> {
    let framed = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let request = |command: &str| {
        let token = token.map_or("null".to_owned(), |token| format!("\"{}\"", token.0));
        format!(
            "{{\"version\":1,\"id\":7,\"token\":{token},\"reported\":{{\"address\":null,\"browser\":null}},\"command\":{command}}}"
        )
    };
    let good = request(r#"{"command":"session"}"#);
    match dice.roll(14) {
        0 => (0..dice.roll(64)).map(|_| dice.roll(256) as u8).chain([0xff]).collect(),
        1 => u32::MAX.to_be_bytes().to_vec(),
        2 => u32::try_from(MAX_REQUEST + 1).unwrap().to_be_bytes().to_vec(),
        3 => framed(good.as_bytes())[..10 + dice.roll(20)].to_vec(),
        4 => framed(b""),
        5 => framed(&vec![b'['; 1 + dice.roll(100_000)]),
        6 => framed(&(0..=dice.roll(2000)).map(|_| dice.roll(256) as u8).collect::<Vec<_>>()),
        7 => framed(request(r#"{"command":"shell","argv":["/bin/sh","-c","id"]}"#).as_bytes()),
        8 => framed(request(r#"{"command":"session","actor":"anna","role":"admin"}"#).as_bytes()),
        9 => framed(request(r#"{"command":"file","file":"../../etc/passwd"}"#).as_bytes()),
        10 => framed(request(r#"{"command":"runs","before":null,"limit":-1}"#).as_bytes()),
        11 => framed(good.replace("\"version\":1", "\"version\":2").as_bytes()),
        12 => {
            framed(request(r#"{"command":"plan","operation":{"operation":"init","pf_file":"/etc/passwd"}}"#).as_bytes())
        }
        _ => {
            let mut bytes = good.into_bytes();
            let at = dice.roll(bytes.len());
            bytes[at] = [b'"', b'{', 0, 0xff, b'\\'][dice.roll(5)];
            // It may still be a request by chance; another frame after it is none.
            [framed(&bytes), framed(b"{}")].concat()
        }
    }
}

/// All nodes of a value, as JSON pointers, but itself; those that `wanted` takes.
fn nodes(value: &Value, at: &str, wanted: &dyn Fn(&Value) -> bool, found: &mut Vec<String>) {
    let mut inner: Vec<(String, &Value)> = Vec::new();
    match value {
        Value::Object(fields) => inner.extend(fields.iter().map(|(name, value)| (format!("{at}/{name}"), value))),
        Value::Array(items) => {
            inner.extend(items.iter().enumerate().map(|(index, value)| (format!("{at}/{index}"), value)));
        }
        _ => {}
    }
    for (place, value) in inner {
        if wanted(value) {
            found.push(place.clone());
        }
        nodes(value, &place, wanted, found);
    }
}

/// Fields of commands that may be left out.
const MAY_BE_MISSING: [&str; 8] =
    ["file", "reason", "password", "confirm_text", "before", "name", "reply_to", "pf_file"];
const MARK: &str = "\"@number@\"";

/// A good request of any command, broken in one place: what is wrong with it, and the bytes as they are sent. Each is
/// broken by how it is made, whatever the decoder thinks of it.
fn broken_in_one_place(
    dice: &mut Dice,
    commands: &[Command],
    n: usize,
    token: Option<&Secret>,
) -> (&'static str, Vec<u8>) {
    let command = commands[n % commands.len()].clone();
    let request = Request {
        version: VERSION,
        id: n as u64,
        token: token.cloned(),
        known: Vec::new(),
        follows: false,
        reported: Reported { address: Some("10.0.0.66".to_owned()), browser: None },
        command,
    };
    let mut value = serde_json::to_value(&request).unwrap();
    let good = serde_json::to_vec(&request).unwrap();
    let any = |value: &Value, wanted: &dyn Fn(&Value) -> bool, dice: &mut Dice| {
        let mut found = Vec::new();
        nodes(value, "", wanted, &mut found);
        found.swap_remove(dice.roll(found.len()))
    };
    let framed = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let announced = |length: usize, bytes: &[u8]| [&u32::try_from(length).unwrap().to_be_bytes()[..], bytes].concat();
    match dice.roll(11) {
        0 => {
            let at = any(&value, &|_| true, dice);
            let mut odd = Value::Array(Vec::new());
            for _ in 0..3 + dice.roll(200) {
                odd = Value::Array(vec![odd]);
            }
            *value.pointer_mut(&at).unwrap() = odd;
            ("lists in lists", framed(&serde_json::to_vec(&value).unwrap()))
        }
        1 => {
            let at = any(&value, &|_| true, dice);
            *value.pointer_mut(&at).unwrap() = [json!(-1.5), json!({ "": {} })][dice.roll(2)].clone();
            ("another type", framed(&serde_json::to_vec(&value).unwrap()))
        }
        2 => {
            let at = any(&value, &Value::is_number, dice);
            *value.pointer_mut(&at).unwrap() = json!("@number@");
            let digits = "9".repeat(5_000);
            let numbers = ["18446744073709551616", "1e400", "-9223372036854775809", "0x10", "1.0", "NaN", &digits];
            let number = numbers[dice.roll(numbers.len())];
            let text = serde_json::to_string(&value).unwrap().replace(MARK, number);
            ("a huge or strange number", framed(text.as_bytes()))
        }
        3 => {
            let mut objects = vec![String::new()];
            nodes(&value, "", &Value::is_object, &mut objects);
            let at = objects.swap_remove(dice.roll(objects.len()));
            let field = ["actor", "role", "path", "argv", ""][dice.roll(5)];
            value.pointer_mut(&at).unwrap().as_object_mut().unwrap().insert(field.to_owned(), json!("anna"));
            ("a field more", framed(&serde_json::to_vec(&value).unwrap()))
        }
        4 => {
            let command = value["command"].as_object().unwrap();
            let wanted = |name: &&String| !MAY_BE_MISSING.contains(&name.as_str());
            let names: Vec<String> = command.keys().filter(wanted).cloned().collect();
            match dice.roll(names.len() + 3) {
                0 => value.as_object_mut().unwrap().remove("version"),
                1 => value.as_object_mut().unwrap().remove("id"),
                2 => value.as_object_mut().unwrap().remove("command"),
                at => value["command"].as_object_mut().unwrap().remove(&names[at - 3]),
            };
            ("a field less", framed(&serde_json::to_vec(&value).unwrap()))
        }
        5 => {
            let text = String::from_utf8(good).unwrap();
            let twice = match dice.roll(2) {
                0 => text.replacen('{', "{\"version\":1,", 1),
                _ => text.replacen("\"command\":{", "\"command\":{\"command\":\"greeting\",", 1),
            };
            ("a field twice", framed(twice.as_bytes()))
        }
        6 => {
            let command = ["shell", "SESSION", "session ", "", "../session", "ready\u{0}"][dice.roll(6)];
            value["command"]["command"] = json!(command);
            ("an unknown command", framed(&serde_json::to_vec(&value).unwrap()))
        }
        7 => ("cut", framed(&good[..dice.roll(good.len())])),
        8 => {
            let more = 1 + dice.roll(MAX_REQUEST - good.len());
            ("longer than it is", announced(good.len() + more, &good))
        }
        9 => ("shorter than it is", announced(dice.roll(good.len()), &good)),
        _ => {
            let mut bytes = good;
            match dice.roll(3) {
                0 => bytes.push([b'}', b'x', 0, b'"'][dice.roll(4)]),
                1 => bytes[0] = [b'[', b'"', 0, 0xff][dice.roll(4)],
                // Inside of the first word.
                _ => bytes[2] = [0xff, 0, b'"', b'\n', 0xc0][dice.roll(5)],
            }
            ("a wrong byte", framed(&bytes))
        }
    }
}

#[test]
fn no_broken_message_runs_or_writes_anything_or_ends_the_executor() {
    let rig = Rig::new();
    let viewer = rig.sign_in("vera");
    crate::main_path::until("the first look at the host", || rig.layout.private().join("watched.json").exists());
    let before = rig.state_of_the_host();
    let commands = one_of_each();
    let mut dice = Dice(1);
    let total = many(1_200, 100_000);
    let (mut start, mut sent) = (0, BTreeMap::<&str, usize>::new());
    let open = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let descriptors = open();
    for n in 0..total {
        if n == total / 5 {
            start = memory();
        }
        let token = (n % 3 > 0).then_some(&viewer);
        let (what, bytes) = match n % 2 {
            0 => ("noise and frames", malformed(&mut dice, token)),
            _ => broken_in_one_place(&mut dice, &commands, n / 2, token),
        };
        *sent.entry(what).or_default() += 1;
        let mut wire = rig.connect();
        if n % 7 == 0 {
            // With a descriptor besides. The executor may have hung up already.
            let (kept, given) = std::os::unix::net::UnixStream::pair().unwrap();
            let _ = pot_console::platform::send_with_fd(&wire.socket, &bytes, Some(std::os::fd::AsFd::as_fd(&given)));
            *sent.entry("with a descriptor").or_default() += 1;
            drop((kept, given));
        } else {
            wire.send_raw(&bytes);
        }
        // A half message is only known to be one when the other side has gone.
        let _ = wire.socket.shutdown(std::net::Shutdown::Write);
        while let Some(message) = wire.receive() {
            let answered = matches!(message, Message::Reply { .. });
            assert!(!answered || what == "noise and frames", "message {n}, {what}, is answered: {message:?}");
        }
        assert!(matches!(wire.end(), End::Dropped(_)), "message {n}, {what}, was taken");
    }
    let grown = memory() - start;
    println!("{sent:?}, memory grew by {grown} KiB");
    assert_eq!(sent.values().sum::<usize>(), total + sent["with a descriptor"]);
    assert!(sent.len() == 13 && sent.values().all(|count| *count >= total / 100), "each kind is tried: {sent:?}");
    assert!(grown < 48 << 10, "memory grew by {grown} KiB");
    assert!(open() < descriptors + 20, "{} descriptors, {descriptors} before", open());
    assert_eq!(rig.state_of_the_host(), before);
    only_refusals_were_recorded(&rig, 0);
    assert!(matches!(rig.connect().ask(Some(&viewer), Command::Session {}), Ok(Reply::Session(_))));
}

/// Who may give a command, written down a second time: nothing here is taken from the table that it is held against.
/// None: needs no session.
fn needs(command: &Command) -> Option<Role> {
    let value = serde_json::to_value(command).unwrap();
    let is = |field: &str| value[field] == json!(true);
    match value["command"].as_str().unwrap() {
        "greeting" | "journal-after" | "journal-lines" | "ready" | "sign-in" | "set-up" => None,
        "accounts" | "add-account" | "set-role" | "set-disabled" => Some(Role::Admin),
        "save" if is("accept_errors") => Some(Role::Admin),
        "save" | "run" | "abort" | "keep-nonce" | "keep" | "put-back" | "dismiss" | "leave-drift" | "checkpoint"
        | "reboot" => Some(Role::Operator),
        "feedback" if is("send") => Some(Role::Operator),
        _ => Some(Role::Viewer),
    }
}

/// Commands that want a password given within the last minutes.
fn wants_a_fresh_proof(command: &Command) -> bool {
    matches!(command, Command::AddAccount { .. } | Command::SetRole { .. } | Command::SetDisabled { .. })
}

#[test]
fn no_well_formed_message_does_more_than_role_and_proof_of_its_session() {
    let rig = Rig::new();
    let mut wire = rig.connect();
    let (vera, olaf, anna) = (rig.sign_in("vera"), rig.sign_in("olaf"), rig.sign_in("anna"));
    // Sessions of people who were more, or somebody at all, a moment ago.
    let account = |name: &str, role| Command::AddAccount { name: name.into(), role, password: Secret(PASSWORD.into()) };
    wire.ask(Some(&anna), account("paul", Role::Admin)).unwrap();
    wire.ask(Some(&anna), account("dora", Role::Admin)).unwrap();
    let (paul, dora, gone) = (rig.sign_in("paul"), rig.sign_in("dora"), rig.sign_in("anna"));
    wire.ask(Some(&anna), Command::SetRole { name: "paul".into(), role: Role::Viewer }).unwrap();
    wire.ask(Some(&anna), Command::SetDisabled { name: "dora".into(), disabled: true }).unwrap();
    wire.ask(Some(&gone), Command::SignOut {}).unwrap();
    let de_init = Operation::DeInit { stop_pots: true, minimal: false, pf_file: None };
    let mut plan = |token: &Secret, operation: &Operation| match wire
        .ask(Some(token), Command::Plan { operation: operation.clone() })
    {
        Ok(Reply::Plan(plan)) => plan,
        other => panic!("{other:?}"),
    };
    let route_log = Operation::Prepare { items: vec![Preparation::RouteLog] };
    let (destroys, operators, prepares) = (plan(&anna, &de_init), plan(&olaf, &de_init), plan(&anna, &route_log));
    let run = |plan: u64, digest| Command::Run { plan, digest, password: None, confirm_text: None, reason: None };
    rig.executor.forget_fresh_proofs();
    crate::main_path::until("the first look at the host", || rig.layout.private().join("watched.json").exists());
    let (before, recorded) = (rig.state_of_the_host(), rig.records().len());

    let mut forbidden: Vec<(&str, Option<Secret>, Command, RefusalKind)> = Vec::new();
    for command in one_of_each() {
        let Some(needed) = needs(&command) else { continue };
        let mut add = |who, token: &Secret, kind| forbidden.push((who, Some(token.clone()), command.clone(), kind));
        add("an invented token", &Secret("A".repeat(43)), RefusalKind::SignInNeeded);
        add("no token at all", &Secret("../../etc/passwd".into()), RefusalKind::SignInNeeded);
        add("who signed out", &gone, RefusalKind::SignInNeeded);
        add("who is disabled", &dora, RefusalKind::SignInNeeded);
        if needed > Role::Viewer {
            add("a viewer", &vera, RefusalKind::Forbidden);
            add("who is a viewer by now", &paul, RefusalKind::Forbidden);
        }
        if needed > Role::Operator {
            add("an operator", &olaf, RefusalKind::Forbidden);
        }
        if wants_a_fresh_proof(&command) {
            add("an admin without proof", &anna, RefusalKind::ProofNeeded);
        }
        forbidden.push(("nobody", None, command, RefusalKind::SignInNeeded));
    }
    let of_plans = [
        ("an admin without proof", &anna, run(destroys.id, destroys.digest), RefusalKind::ProofNeeded),
        ("an admin without proof", &anna, run(prepares.id, prepares.digest), RefusalKind::ProofNeeded),
        ("an operator", &olaf, run(operators.id, operators.digest), RefusalKind::Forbidden),
        ("a viewer", &vera, run(destroys.id, destroys.digest), RefusalKind::Forbidden),
        ("another's plan", &olaf, run(prepares.id, prepares.digest), RefusalKind::NotFound),
        ("another's plan", &anna, run(operators.id, operators.digest), RefusalKind::NotFound),
        ("another digest", &anna, run(prepares.id, destroys.digest), RefusalKind::ProofNeeded),
        ("no such plan", &anna, run(u64::MAX, destroys.digest), RefusalKind::NotFound),
    ];
    forbidden.extend(of_plans.map(|(who, token, command, kind)| (who, Some(token.clone()), command, kind)));

    let total = many(600, 10_000);
    assert!(forbidden.len() < total, "each of {} is tried", forbidden.len());
    let (mut start, mut sent, mut paced) = (0, BTreeMap::<&str, usize>::new(), 0);
    for n in 0..total {
        if n == total / 5 {
            start = memory();
        }
        let (who, token, command, expected) = &forbidden[n % forbidden.len()];
        let reported = Reported { address: Some(format!("10.0.{}.{}", n / 250, n % 250)), browser: None };
        match wire.ask_from(token.as_ref(), reported, command.clone()) {
            Err(refusal) if refusal.kind == *expected => {}
            // What one account may ask for is counted, too.
            Err(refusal) if matches!(command, Command::Run { .. }) && refusal.kind == RefusalKind::Throttled => {
                paced += 1;
            }
            other => panic!("message {n}: {command:?} of {who}: {other:?}, not {expected:?}"),
        }
        *sent.entry(who).or_default() += 1;
    }
    let grown = memory() - start;
    println!("{} rows, {sent:?}, {paced} paced, memory grew by {grown} KiB", forbidden.len());
    assert_eq!(sent.values().sum::<usize>(), total);
    assert!(paced < total / 10, "{paced}");
    assert!(grown < 48 << 10, "memory grew by {grown} KiB");
    assert_eq!(rig.state_of_the_host(), before);
    only_refusals_were_recorded(&rig, recorded);
}

#[test]
fn a_web_process_that_does_not_read_is_dropped_and_holds_up_nobody() {
    let rig = Rig::new();
    let viewer = rig.sign_in("vera");
    // A large answer each time, and nobody reads.
    std::fs::write(rig.layout.on_disk("/etc/rc.conf"), vec![b'#'; 4 << 20]).unwrap();
    let mut deaf = rig.connect();
    let command = Command::File { file: pot_console::plan::ManagedFile::RcConf };
    deaf.socket.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut dropped = false;
    for id in 0..5_000 {
        let request = Request {
            version: VERSION,
            id,
            token: Some(viewer.clone()),
            known: Vec::new(),
            follows: false,
            reported: Reported::default(),
            command: command.clone(),
        };
        if !deaf.send_frame(&serde_json::to_vec(&request).unwrap()) {
            dropped = true;
            break;
        }
        std::thread::sleep(Duration::from_millis(if id > 100 { 10 } else { 0 }));
    }
    assert!(dropped, "all was taken, and the answers wait in memory");
    // Others were not held up.
    assert!(rig.connect().ask(Some(&viewer), Command::Session {}).is_ok());
}

#[test]
fn open_logs_that_nobody_takes_over_do_not_use_up_the_executors_descriptors() {
    let open = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    if open() == 0 {
        eprintln!("descriptors are counted in /proc, which is not here: this is not tried");
        return;
    }
    let rig = Rig::new();
    let viewer = rig.sign_in("vera");
    crate::main_path::until(
        "the log's place",
        || matches!(rig.connect().ask(Some(&viewer), Command::LogFiles {}), Ok(Reply::LogFiles(LogFiles { files, .. })) if !files.is_empty()),
    );
    let before = open();
    let mut deaf = rig.connect();
    deaf.socket.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    for id in 0..3_000 {
        let request = Request {
            version: VERSION,
            id,
            token: Some(viewer.clone()),
            known: Vec::new(),
            follows: false,
            reported: Reported::default(),
            command: Command::OpenLog { generation: 0 },
        };
        if !deaf.send_frame(&serde_json::to_vec(&request).unwrap()) {
            break;
        }
    }
    std::thread::sleep(Duration::from_millis(200));
    let grown = open().saturating_sub(before);
    assert!(grown < 200, "{grown} descriptors wait for a web process that does not read");
    assert!(rig.connect().ask(Some(&viewer), Command::OpenLog { generation: 0 }).is_ok());
}

#[test]
fn those_who_may_only_look_cannot_fill_the_history() {
    let rig = Rig::new();
    let viewer = rig.sign_in("vera");
    let mut wire = rig.connect();
    let before = rig.records().len();
    let export = Command::RecordExport { format: ExportFormat::Csv, filter: "x".repeat(500) };
    let exported = (0..300).filter(|_| wire.ask(Some(&viewer), export.clone()).is_ok()).count();
    assert!((10..100).contains(&exported), "{exported} exports");
    // Every refusal from another invented address.
    let command = Command::SetRole { name: "vera".into(), role: Role::Admin };
    for n in 0..3_000 {
        let reported = Reported { address: Some(format!("10.0.{}.{}", n / 250, n % 250)), browser: None };
        assert!(wire.ask_from(Some(&viewer), reported, command.clone()).is_err());
    }
    let written = rig.records().len() - before;
    assert!(written < 1_300, "{written} records");
}

/// Sends without waiting for the answer; gives the request's number.
fn send(wire: &mut Wire, id: u64, token: Option<&Secret>, address: &str, command: Command) {
    let reported = Reported { address: Some(address.to_owned()), browser: None };
    let request =
        Request { version: VERSION, id, token: token.cloned(), known: Vec::new(), follows: false, reported, command };
    assert!(wire.send_frame(&serde_json::to_vec(&request).unwrap()));
}

/// Reads until all these answers came; each with when it came.
fn answers(wire: &mut Wire, wanted: &[u64], all: u64) -> BTreeMap<u64, (Duration, Result<Reply, Refusal>)> {
    let (start, mut got) = (Instant::now(), BTreeMap::new());
    while !wanted.iter().all(|id| got.contains_key(id)) || got.len() < all as usize {
        if let Message::Reply { id, result } = wire.receive().expect("the connection stays") {
            got.insert(id, (start.elapsed(), result.map(|reply| *reply)));
        }
    }
    got
}

#[test]
fn a_viewer_who_floods_with_plans_and_verifications_does_not_keep_an_admin_from_disabling_them() {
    let rig = Rig::new();
    let (viewer, admin, operator) = (rig.sign_in("vera"), rig.sign_in("anna"), rig.sign_in("olaf"));
    let mut wire = rig.connect();
    let base = wire.configuration(Some(&admin)).digest;
    let de_init = Operation::DeInit { stop_pots: true, minimal: false, pf_file: None };
    let flood = u64::try_from(many(120, 2_000)).unwrap();
    for id in 1000..1000 + flood {
        let command = match id % 4 {
            0 => Command::VerifyJournal {},
            1 => Command::Review { base, edits: vec![edit("POT_TMP", "/var/tmp")] },
            // Not theirs to ask, and it takes no room of those whose it is.
            2 => Command::SetDisabled { name: "anna".into(), disabled: true },
            _ => Command::Plan { operation: de_init.clone() },
        };
        send(&mut wire, id, Some(&viewer), "10.0.0.66", command);
    }
    send(&mut wire, 1, Some(&operator), "10.0.0.2", save(base, vec![edit("POT_TMP", "/var/tmp")]));
    send(&mut wire, 2, Some(&admin), "10.0.0.3", Command::SetDisabled { name: "vera".into(), disabled: true });
    let got = answers(&mut wire, &[1, 2], flood + 2);
    let (disabled, ended) = (got[&2].0, got.values().map(|(at, _)| *at).max().unwrap());
    println!("disabled after {disabled:?}, saved after {:?}, all answered after {ended:?}", got[&1].0);
    assert!(matches!(got[&2].1, Ok(Reply::Done {})), "{:?}", got[&2].1);
    assert!(matches!(got[&1].1, Ok(Reply::Saved { .. })), "{:?}", got[&1].1);
    // On a slow machine everything takes long; then it comes well before the flood is worked off.
    assert!(disabled < Duration::from_secs(5) || 2 * disabled < ended, "disabling took {disabled:?} of {ended:?}");
    let kinds = got
        .iter()
        .filter(|(id, _)| **id >= 1000)
        .map(|(_, (_, result))| result.as_ref().err().map(|refusal| refusal.kind));
    let kinds: Vec<Option<RefusalKind>> = kinds.collect();
    assert!(kinds.contains(&Some(RefusalKind::Busy)), "{kinds:?}");
    assert!(!kinds.contains(&Some(RefusalKind::Conflict)), "{kinds:?}");
    assert_eq!(kind(wire.ask(Some(&viewer), Command::Session {})), RefusalKind::SignInNeeded);
}

#[test]
fn one_account_has_one_plan_made_at_a_time_and_the_next_one_waits_its_turn() {
    let rig = Rig::new();
    let (viewer, operator) = (rig.sign_in("vera"), rig.sign_in("olaf"));
    let mut wire = rig.connect();
    let plan = || Command::Plan { operation: Operation::DeInit { stop_pots: true, minimal: false, pf_file: None } };
    for id in 10..16 {
        send(&mut wire, id, Some(&viewer), "10.0.0.66", plan());
    }
    send(&mut wire, 1, Some(&operator), "10.0.0.2", plan());
    let got = answers(&mut wire, &[1], 7);
    let made: Vec<u64> = got.iter().filter(|(_, (_, result))| result.is_ok()).map(|(id, _)| *id).collect();
    assert!(made.contains(&1) && made.contains(&10), "{made:?}");
    // One is made, four wait; what goes beyond is told to come back.
    assert!(made.len() < 7, "{made:?}");
    let theirs: Vec<Duration> = (10..14).filter(|id| got[id].1.is_ok()).map(|id| got[&id].0).collect();
    assert!(got[&1].0 < *theirs.last().unwrap(), "someone else's plan waited for the flood: {got:?}");
}

#[test]
fn a_flood_of_sign_ins_does_not_keep_those_who_are_signed_in_from_proving() {
    let rig = Rig::new();
    let admin = rig.sign_in("anna");
    let mut wire = rig.connect();
    let flood = u64::try_from(many(60, 1_000)).unwrap();
    for id in 1000..1000 + flood {
        let command = Command::SignIn { name: format!("x{id}"), password: Secret("a guess of mine".into()) };
        send(&mut wire, id, None, "10.0.0.66", command);
    }
    send(&mut wire, 1, Some(&admin), "10.0.0.66", Command::Prove { password: Secret(PASSWORD.into()) });
    let got = answers(&mut wire, &[1], flood + 1);
    assert!(matches!(got[&1].1, Ok(Reply::Session(_))), "{:?}", got[&1].1);
    let before = got
        .values()
        .filter(|(at, result)| *at < got[&1].0 && !matches!(result, Err(refusal) if refusal.kind == RefusalKind::Busy));
    let before = before.count();
    assert!(before <= 4, "{before} passwords of strangers were checked first");
}

#[test]
fn whoever_shares_an_address_does_not_keep_the_right_person_out() {
    let rig = Rig::new();
    let mut wire = rig.connect();
    let proxy = || Reported { address: Some("10.0.0.1".to_owned()), browser: None };
    let try_as = |wire: &mut Wire, name: &str, password: &str| {
        let command = Command::SignIn { name: name.to_owned(), password: Secret(password.to_owned()) };
        wire.ask_from(None, proxy(), command)
    };
    let Reply::SignedIn(SignedIn { known: Some(known), .. }) = try_as(&mut wire, "anna", PASSWORD).unwrap() else {
        panic!()
    };
    // The first waits are seconds, and may be over on a slow machine before the right password is tried: then once more.
    let waits = |wire: &mut Wire, name: &str| {
        (0..8).any(|_| {
            let guess = |n: usize| try_as(wire, name, &format!("guess number {n}")).unwrap_err().kind;
            assert!((0..many(30, 1_000)).map(guess).any(|kind| kind == RefusalKind::Throttled), "{name} never waits");
            try_as(wire, name, PASSWORD).is_err_and(|refusal| refusal.kind == RefusalKind::Throttled)
        })
    };
    for n in 0..many(30, 1_000) {
        let _ = try_as(&mut wire, &format!("name{n}"), "guess");
    }
    assert!(waits(&mut wire, "anna"), "who only has the address waits");
    assert!(try_as(&mut wire, "olaf", PASSWORD).is_ok(), "another account at the same address");
    wire.known = vec![Secret("A".repeat(43)), known.clone()];
    assert!(matches!(try_as(&mut wire, "anna", PASSWORD), Ok(Reply::SignedIn(SignedIn { known: None, .. }))));
    // It is hers alone, and nothing but tries: it is no session, and another account's tries do not profit.
    assert_eq!(kind(wire.ask(Some(&known), Command::Session {})), RefusalKind::SignInNeeded);
    assert!(waits(&mut wire, "vera"));
    // Kept only as a digest.
    let file = std::fs::read_to_string(rig.layout.private().join("accounts.json")).unwrap();
    assert!(file.contains("browsers") && !file.contains(&known.0));
}

#[test]
fn a_name_that_no_account_has_is_answered_in_the_same_words() {
    let rig = Rig::new();
    let mut wire = rig.connect();
    let mut words = |name: &str| -> Vec<String> {
        let of_try = |n: usize| {
            let command = Command::SignIn { name: name.to_owned(), password: Secret(format!("guess number {n}")) };
            let reported = Reported { address: Some("10.0.0.66".to_owned()), browser: None };
            let message = wire.ask_from(None, reported, command).unwrap_err().message;
            message.chars().filter(|letter| !letter.is_ascii_digit()).collect()
        };
        (0..8).map(of_try).collect()
    };
    let (known, unknown) = (words("anna"), words("eve"));
    assert_eq!(known, unknown);
    assert_eq!(known, words("no such grammar"));
    assert!(known.last().unwrap().starts_with("Too many tries failed."), "{known:?}");
}

#[test]
fn signing_in_and_proving_in_a_loop_does_not_fill_the_history() {
    let rig = Rig::new();
    let viewer = rig.sign_in("vera");
    let mut wire = rig.connect();
    let before = rig.records().len();
    let tries = many(50, 2_000);
    let mut done = 0;
    for _ in 0..tries {
        let command = Command::SignIn { name: "vera".into(), password: Secret(PASSWORD.into()) };
        done += usize::from(wire.ask(None, command).is_ok());
    }
    let signed_in =
        rig.records()[before..].iter().filter(|record| record.entry.message.starts_with("vera signed in")).count();
    assert_eq!(signed_in, done, "each one that succeeds is recorded");
    assert!((20..=45).contains(&done), "{done} sign-ins");
    // The session that is there goes on: it proves at its own pace.
    let prove = || Command::Prove { password: Secret(PASSWORD.into()) };
    assert!(wire.ask(Some(&viewer), Command::Session {}).is_err(), "one account has twenty sessions at most");
    let Reply::SignedIn(SignedIn { token, .. }) =
        wire.ask(None, Command::SignIn { name: "olaf".into(), password: Secret(PASSWORD.into()) }).unwrap()
    else {
        panic!()
    };
    let proved = (0..tries).filter(|_| wire.ask(Some(&token), prove()).is_ok()).count();
    assert!((20..=45).contains(&proved), "{proved} proofs");
    let written = rig.records().len() - before;
    assert!(written < 150, "{written} records");
}

#[test]
fn an_operator_cannot_have_a_third_party_flooded_with_mail() {
    let rig = Rig::new();
    let (viewer, operator) = (rig.sign_in("vera"), rig.sign_in("olaf"));
    let mut wire = rig.connect();
    let feedback = |send: bool, text: &str| Command::Feedback {
        wrong: text.to_owned(),
        missing: String::new(),
        usability: String::new(),
        name: None,
        reply_to: None,
        send,
    };
    let mails = || std::fs::read_dir(rig.layout.on_disk("/var/spool/simulated-mail")).map_or(0, Iterator::count);
    let stored = || std::fs::read_dir(rig.layout.private().join("feedback")).map_or(0, Iterator::count);
    // Who may only look writes, and it stays on the host.
    assert!(matches!(
        wire.ask(Some(&viewer), feedback(false, "slow")),
        Ok(Reply::FeedbackStored(FeedbackStored { sent: None, .. }))
    ));
    assert_eq!(kind(wire.ask(Some(&viewer), feedback(true, "slow"))), RefusalKind::Forbidden);
    assert_eq!((stored(), mails()), (1, 0));
    // As long a text as the form takes is kept, but no mail.
    let long = wire.ask(Some(&operator), feedback(true, &"ü".repeat(10_000))).unwrap();
    assert!(
        matches!(&long, Reply::FeedbackStored(FeedbackStored { sent: Some(false), answer, .. }) if answer.contains("16 are mailed")),
        "{long:?}"
    );
    for n in 0..60 {
        let _ = wire.ask(Some(&operator), feedback(true, &format!("text {n}")));
    }
    println!("{} mails, {} kept", mails(), stored());
    assert_eq!(mails(), 5);
    assert!(stored() <= 11, "{} texts", stored());
    // Another account has its own share of what the host sends.
    let admin = rig.sign_in("anna");
    assert!(matches!(
        wire.ask(Some(&admin), feedback(true, "mine")),
        Ok(Reply::FeedbackStored(FeedbackStored { sent: Some(true), .. }))
    ));
}

#[test]
fn no_way_of_setting_a_password_takes_one_of_the_most_used() {
    use pot_console::executor::local::Local;
    let rig = Rig::new();
    let (mut wire, admin) = (rig.connect(), rig.sign_in("anna"));
    let mut local = Local::open(&rig.layout).unwrap();
    for used in ["12345678", "password", "Password1", "potconsole", "anna"] {
        let password = || Secret(used.to_owned());
        let add = Command::AddAccount { name: "anna2".into(), role: Role::Viewer, password: password() };
        let change = Command::ChangePassword { old: Secret(PASSWORD.into()), new: password() };
        assert_eq!(kind(wire.ask(Some(&admin), add.clone())), RefusalKind::Limit, "{used}");
        assert_eq!(kind(wire.ask(Some(&admin), change)), RefusalKind::Limit, "{used}");
        assert_eq!(kind(local.ask::<()>(add)), RefusalKind::Limit, "{used}");
        assert_eq!(local.set_password("anna", &password()).unwrap_err().kind, RefusalKind::Limit, "{used}");
    }
    assert!(wire.ask(Some(&admin), Command::Session {}).is_ok(), "her password is the one from before");
    // The host's name, once it is known.
    let mut host = String::new();
    crate::main_path::until("the host's name", || {
        let Ok(Reply::Greeting(greeting)) = wire.ask(None, Command::Greeting {}) else { panic!() };
        host = greeting.hostname;
        host != "simulated host"
    });
    let add = Command::AddAccount { name: "eve".into(), role: Role::Viewer, password: Secret(host.to_uppercase()) };
    assert_eq!(kind(wire.ask(Some(&admin), add)), RefusalKind::Limit, "{host}");
}

#[test]
fn a_page_that_asks_by_itself_is_no_use_of_its_session() {
    let rig = Rig::new();
    let mut wire = rig.connect();
    for (name, follows) in [("vera", true), ("olaf", false)] {
        let first = rig.sign_in(name);
        let second = rig.sign_in(name);
        for _ in 2..20 {
            rig.sign_in(name);
        }
        wire.follows = follows;
        for _ in 0..50 {
            assert!(wire.ask(Some(&first), Command::RunEvents { run: 1, after: 0, limit: 1 }).is_err());
            assert!(wire.ask(Some(&first), Command::Session {}).is_ok());
        }
        // One account has twenty sessions; the one unused for longest ends for the next.
        rig.sign_in(name);
        wire.follows = true;
        let goes_on = |token: &Secret, wire: &mut Wire| wire.ask(Some(token), Command::Session {}).is_ok();
        assert_eq!((goes_on(&first, &mut wire), goes_on(&second, &mut wire)), (!follows, follows), "{name}");
    }
}

#[test]
fn descriptors_that_a_web_process_sends_are_not_kept() {
    let rig = Rig::new();
    let mut wire = rig.connect();
    let request = Request {
        version: VERSION,
        id: 1,
        token: None,
        known: Vec::new(),
        follows: false,
        reported: Reported::default(),
        command: Command::Greeting {},
    };
    let bytes = serde_json::to_vec(&request).unwrap();
    let frame = [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat();
    let (kept, sent) = std::os::unix::net::UnixStream::pair().unwrap();
    pot_console::platform::send_with_fd(&wire.socket, &frame, Some(std::os::fd::AsFd::as_fd(&sent))).unwrap();
    drop(sent);
    while !matches!(wire.receive(), Some(Message::Reply { .. })) {}
    // The other end is closed at once when nobody holds the descriptor.
    kept.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(std::io::Read::read(&mut &kept, &mut [0; 1]).unwrap(), 0);
}

#[test]
fn no_byte_string_makes_the_server_panic_or_run_anything() {
    use proptest::prelude::*;
    let rig = Rig::new();
    let viewer = rig.sign_in("vera");
    crate::main_path::until("the first look at the host", || rig.layout.private().join("watched.json").exists());
    let before = rig.state_of_the_host();
    let request = serde_json::to_vec(&Request {
        version: VERSION,
        id: 1,
        token: Some(viewer.clone()),
        known: Vec::new(),
        follows: false,
        reported: Reported::default(),
        command: Command::Session {},
    })
    .unwrap();
    let cases = ProptestConfig { cases: u32::try_from(many(300, 5_000)).unwrap(), ..ProptestConfig::default() };
    proptest!(cases, |(noise in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), framed in any::<bool>())| {
        // Pure noise, and a good request with noise inside.
        let mut bytes = request.clone();
        let place = at.index(bytes.len());
        bytes.splice(place..place, noise.iter().copied());
        let mut wire = rig.connect();
        let sent = if framed { wire.send_frame(&bytes) } else { wire.send_raw(&noise) };
        prop_assert!(sent);
        let _ = wire.socket.shutdown(std::net::Shutdown::Write);
        while let Some(message) = wire.receive() {
            if let Message::Reply { result: Ok(reply), .. } = message {
                prop_assert!(matches!(*reply, Reply::Session(_)), "{:?}", reply);
            }
        }
    });
    assert_eq!(rig.state_of_the_host(), before);
    assert!(rig.connect().ask(Some(&viewer), Command::Session {}).is_ok());
}

/// Beside the first `before` records, made until then.
fn only_refusals_were_recorded(rig: &Rig, before: usize) {
    let allowed = BTreeSet::from([
        Action::Refusal,
        Action::SignIn,
        Action::Throttle,
        // From before: accounts made at the command line, the executor's start.
        Action::Account,
        Action::Process,
    ]);
    let records = rig.records().split_off(before);
    for record in &records {
        assert!(allowed.contains(&record.entry.action), "{record:?}");
    }
    assert!(records.iter().any(|record| record.entry.action == Action::Refusal));
    assert!(records.len() < 2_000, "a flood of {} records", records.len());
    assert!(matches!(
        rig.connect().ask(Some(&rig.sign_in("vera")), Command::VerifyJournal {}),
        Ok(Reply::Verified(view)) if view.sound
    ));
}
