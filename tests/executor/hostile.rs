//! A web process that was broken into: it says what it likes on the socket.

use crate::permissions::forbidden_to_viewers;
use crate::rig::{Rig, many};
use pot_console::executor::End;
use pot_console::executor::protocol::{Command, ExportFormat, MAX_REQUEST, Message, Reply, Request, VERSION};
use pot_console::journal::record::{Action, Reported, Role};
use pot_console::secret::Secret;
use std::collections::BTreeSet;
use std::time::Duration;

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

#[test]
fn descriptors_that_a_web_process_sends_are_not_kept() {
    let rig = Rig::new();
    let mut wire = rig.connect();
    let request =
        Request { version: VERSION, id: 1, token: None, reported: Reported::default(), command: Command::Greeting {} };
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
