//! A web process that was broken into: it says what it likes on the socket.

use crate::permissions::forbidden_to_viewers;
use crate::rig::{PASSWORD, Rig, Wire, edit, kind, many, save};
use pot_console::executor::End;
use pot_console::executor::protocol::{Command, ExportFormat, MAX_REQUEST, Message, Reply, Request, VERSION};
use pot_console::journal::record::{Action, Reported, Role};
use pot_console::operations::plan::Operation;
use pot_console::refusal::{Refusal, RefusalKind};
use pot_console::secret::Secret;
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

#[test]
fn no_broken_message_runs_or_writes_anything_or_ends_the_executor() {
    let rig = Rig::new();
    let viewer = rig.sign_in("vera");
    crate::main_path::until("the first look at the host", || rig.layout.private().join("watched.json").exists());
    let before = rig.state_of_the_host();
    let mut dice = Dice(1);
    let total = many(5_000, 100_000);
    let mut start = 0;
    for n in 0..total {
        if n == total / 5 {
            start = memory();
        }
        let mut wire = rig.connect();
        wire.send_raw(&malformed(&mut dice, (n % 2 == 0).then_some(&viewer)));
        // A half message is only known to be one when the other side has gone.
        let _ = wire.socket.shutdown(std::net::Shutdown::Write);
        while wire.receive().is_some() {}
        assert!(matches!(wire.end(), End::Dropped(_)), "message {n} was taken");
    }
    let grown = memory() - start;
    assert!(grown < 48 << 10, "memory grew by {grown} KiB");
    assert_eq!(rig.state_of_the_host(), before);
    only_refusals_were_recorded(&rig);
    assert!(matches!(rig.connect().ask(Some(&viewer), Command::Session {}), Ok(Reply::Session(_))));
}

#[test]
fn no_well_formed_message_does_more_than_the_role_of_its_session() {
    let rig = Rig::new();
    let viewer = rig.sign_in("vera");
    crate::main_path::until("the first look at the host", || rig.layout.private().join("watched.json").exists());
    let before = rig.state_of_the_host();
    let commands = forbidden_to_viewers();
    let total = many(1_000, 10_000);
    let mut wire = rig.connect();
    let mut start = 0;
    for n in 0..total {
        if n == total / 5 {
            start = memory();
        }
        let token = match n % 3 {
            0 => None,
            1 => Some(viewer.clone()),
            _ => Some(Secret(format!("{n:A>43}"))),
        };
        let reported = Reported { address: Some(format!("10.0.{}.{}", n / 250, n % 250)), browser: None };
        let command = commands[n % commands.len()].clone();
        assert!(wire.ask_from(token.as_ref(), reported, command.clone()).is_err(), "{command:?}");
    }
    let grown = memory() - start;
    assert!(grown < 48 << 10, "memory grew by {grown} KiB");
    assert_eq!(rig.state_of_the_host(), before);
    only_refusals_were_recorded(&rig);
}

#[test]
fn a_web_process_that_does_not_read_is_dropped_and_holds_up_nobody() {
    let rig = Rig::new();
    let viewer = rig.sign_in("vera");
    // A large answer each time, and nobody reads.
    std::fs::write(rig.layout.on_disk("/etc/rc.conf"), vec![b'#'; 4 << 20]).unwrap();
    let mut deaf = rig.connect();
    let command = Command::File { file: pot_console::operations::plan::ManagedFile::RcConf };
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
        || matches!(rig.connect().ask(Some(&viewer), Command::LogFiles {}), Ok(Reply::LogFiles { files, .. }) if !files.is_empty()),
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
    assert!(disabled < Duration::from_secs(5), "disabling took {disabled:?}");
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
    let Reply::SignedIn { known: Some(known), .. } = try_as(&mut wire, "anna", PASSWORD).unwrap() else { panic!() };
    for n in 0..many(30, 1_000) {
        let _ = try_as(&mut wire, "anna", &format!("guess number {n}"));
        let _ = try_as(&mut wire, &format!("name{n}"), "guess");
    }
    assert_eq!(kind(try_as(&mut wire, "anna", PASSWORD)), RefusalKind::Throttled, "who only has the address waits");
    assert!(try_as(&mut wire, "olaf", PASSWORD).is_ok(), "another account at the same address");
    wire.known = vec![Secret("A".repeat(43)), known.clone()];
    assert!(matches!(try_as(&mut wire, "anna", PASSWORD), Ok(Reply::SignedIn { known: None, .. })));
    // It is hers alone, and nothing but tries: it is no session, and another account's tries do not profit.
    assert_eq!(kind(wire.ask(Some(&known), Command::Session {})), RefusalKind::SignInNeeded);
    for n in 0..10 {
        let _ = try_as(&mut wire, "vera", &format!("guess number {n}"));
    }
    assert_eq!(kind(try_as(&mut wire, "vera", PASSWORD)), RefusalKind::Throttled);
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
    let Reply::SignedIn { token, .. } =
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
    assert!(matches!(wire.ask(Some(&viewer), feedback(false, "slow")), Ok(Reply::FeedbackStored { sent: None, .. })));
    assert_eq!(kind(wire.ask(Some(&viewer), feedback(true, "slow"))), RefusalKind::Forbidden);
    assert_eq!((stored(), mails()), (1, 0));
    // As long a text as the form takes is kept, but no mail.
    let long = wire.ask(Some(&operator), feedback(true, &"ü".repeat(10_000))).unwrap();
    assert!(
        matches!(&long, Reply::FeedbackStored { sent: Some(false), answer, .. } if answer.contains("16 are mailed")),
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
        Ok(Reply::FeedbackStored { sent: Some(true), .. })
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
        assert_eq!(kind(local.ask(add)), RefusalKind::Limit, "{used}");
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
    kept.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
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

fn only_refusals_were_recorded(rig: &Rig) {
    let allowed = BTreeSet::from([
        Action::Refusal,
        Action::SignIn,
        Action::Throttle,
        // From before: accounts made at the command line, the executor's start.
        Action::Account,
        Action::Process,
    ]);
    let records = rig.records();
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
