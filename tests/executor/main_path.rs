//! What an admin does: sign in, change pot.conf, be told of others, run an operation, read the history.

use crate::patience::PATIENCE;
use crate::rig::{PASSWORD, Rig, edit, kind, save};
use pot_console::digest::Digest;
use pot_console::executor::local::Local;
use pot_console::executor::protocol::{
    Command, FactsView, FileView, LogFiles, Reply, Saved, SessionView, SignedIn, Started,
};
use pot_console::journal::record::{Action, Method, Outcome, Reported, Stage};
use pot_console::layout::Layout;
use pot_console::plan::{ManagedFile, Operation, Preparation};
use pot_console::refusal::RefusalKind;
use pot_console::secret::Secret;
use pot_console::settings::Settings;
use pot_console::simulator::{Scenario, build_with_program, set_fault};
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn a_saved_change_is_in_the_file_and_in_the_history_with_who_and_from_where() {
    let rig = Rig::new();
    let (mut wire, token) = (rig.connect(), rig.sign_in("olaf"));
    let before = wire.configuration(Some(&token));
    let reported = Reported { address: Some("192.168.178.5".into()), browser: Some("Firefox".into()) };
    let command = Command::Save {
        base: before.digest,
        edits: vec![edit("POT_HOSTNAME_MAX_LENGTH", "60")],
        reason: Some("  because \u{1b}[31m ".into()),
        accept_errors: false,
    };
    let Reply::Saved(Saved { record, digest, diff }) = wire.ask_from(Some(&token), reported.clone(), command).unwrap()
    else {
        panic!("not saved")
    };
    assert!(diff.to_string().contains("+POT_HOSTNAME_MAX_LENGTH=60"), "{diff}");
    assert!(String::from_utf8(rig.pot_conf()).unwrap().contains("\nPOT_HOSTNAME_MAX_LENGTH=60\n"));
    assert_eq!(wire.configuration(Some(&token)).digest, digest);

    let records = rig.records();
    let outcome = records.iter().find(|one| one.sequence == record).unwrap();
    let intent = records.iter().find(|one| Some(one.sequence) == outcome.entry.intent).unwrap();
    assert_eq!(intent.entry.stage, Stage::Intent);
    assert_eq!((outcome.entry.action, outcome.entry.outcome), (Action::Configuration, Some(Outcome::Done)));
    assert_eq!((outcome.entry.actor.name.as_str(), outcome.entry.actor.method), ("olaf", Method::Password));
    assert_eq!(outcome.entry.reported, reported);
    assert!(outcome.entry.reason.as_ref().is_some_and(|reason| !reason.contains('\u{1b}')));
    let change = &outcome.entry.changes[0];
    assert_eq!((change.name.as_str(), change.to.as_deref()), ("POT_HOSTNAME_MAX_LENGTH", Some("60")));

    let Reply::Backups { backups } =
        wire.ask(Some(&token), Command::Backups { file: Some(ManagedFile::PotConf) }).unwrap()
    else {
        panic!()
    };
    assert!(backups.iter().any(|backup| backup.digest == before.digest && backup.record == Some(intent.sequence)));
}

#[test]
fn saving_nothing_writes_nothing() {
    let rig = Rig::new();
    let (mut wire, token) = (rig.connect(), rig.sign_in("olaf"));
    let before = wire.configuration(Some(&token));
    let records = rig.records().len();
    let Reply::Saved(Saved { diff, .. }) = wire.ask(Some(&token), save(before.digest, Vec::new())).unwrap() else {
        panic!()
    };
    assert!(diff.is_empty());
    assert_eq!(rig.records().len(), records);
}

#[test]
fn a_file_that_changed_meanwhile_is_not_overwritten_and_says_who_changed_what() {
    let rig = Rig::new();
    let (mut wire, olaf, anna) = (rig.connect(), rig.sign_in("olaf"), rig.sign_in("anna"));
    let base = wire.configuration(Some(&olaf)).digest;
    wire.ask(Some(&anna), save(base, vec![edit("POT_HOSTNAME_MAX_LENGTH", "50"), edit("POT_TMP", "/var/tmp")]))
        .unwrap();
    let theirs = rig.pot_conf();
    let edits = vec![edit("POT_HOSTNAME_MAX_LENGTH", "40"), edit("POT_MKTEMP_SUFFIX", ".XXXXXXXXXX")];
    let refusal = wire.ask(Some(&olaf), save(base, edits.clone())).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Conflict);
    assert_eq!(rig.pot_conf(), theirs);
    let conflict = refusal.conflict.unwrap();
    assert_eq!(conflict.by.as_deref(), Some("anna"));
    assert_eq!(conflict.colliding.len(), 1, "{conflict:?}");
    assert_eq!(conflict.colliding[0].theirs.as_deref(), Some("50"));
    assert_eq!((conflict.colliding[0].yours.as_deref(), conflict.fitting), (Some("40"), 1));
    wire.ask(Some(&olaf), save(conflict.digest, edits)).unwrap();
    let text = String::from_utf8(rig.pot_conf()).unwrap();
    assert!(text.contains("POT_TMP=/var/tmp") && text.contains("POT_HOSTNAME_MAX_LENGTH=40"));
}

#[test]
fn a_value_against_a_limit_is_refused_also_for_an_admin_with_a_reason() {
    let rig = Rig::new();
    let (mut wire, token) = (rig.connect(), rig.sign_in("anna"));
    let before = rig.pot_conf();
    let base = wire.configuration(Some(&token)).digest;
    for (name, value) in [
        ("POT_FS_ROOT", "/etc"),
        ("POT_EXTRA_EXTIF", "em0;reboot"),
        ("POT_EXPORT_PORTS_PF_RULES_HOOK", "/tmp/hook"),
        ("POT_NETWORK", "$(id)"),
    ] {
        let edits = vec![edit(name, value)];
        let command = Command::Save { base, edits, reason: Some("I want it".into()), accept_errors: true };
        let refusal = wire.ask(Some(&token), command).unwrap_err();
        assert_eq!((refusal.kind, refusal.field.as_deref()), (RefusalKind::Limit, Some(name)), "{refusal}");
    }
    assert_eq!(rig.pot_conf(), before);
}

#[test]
fn error_findings_stand_in_the_way_unless_an_admin_says_why() {
    let rig = Rig::new();
    let (mut wire, anna, olaf) = (rig.connect(), rig.sign_in("anna"), rig.sign_in("olaf"));
    let base = wire.configuration(Some(&anna)).digest;
    let wrong = |reason: Option<&str>, accept_errors| Command::Save {
        base,
        edits: vec![edit("POT_GATEWAY", "192.0.2.1")],
        reason: reason.map(str::to_owned),
        accept_errors,
    };
    let refusal = wire.ask(Some(&olaf), wrong(None, false)).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Findings);
    assert!(refusal.findings.iter().any(|finding| finding.parameters.iter().any(|name| name == "POT_GATEWAY")));
    assert_eq!(kind(wire.ask(Some(&olaf), wrong(Some("why"), true))), RefusalKind::Forbidden);
    assert_eq!(kind(wire.ask(Some(&anna), wrong(None, true))), RefusalKind::Limit);
    wire.ask(Some(&anna), wrong(Some("a test network"), true)).unwrap();
    // What stands wrong already does not keep someone from fixing something else.
    let base = wire.configuration(Some(&olaf)).digest;
    wire.ask(Some(&olaf), save(base, vec![edit("POT_HOSTNAME_MAX_LENGTH", "60")])).unwrap();
}

#[test]
fn where_the_settings_ask_for_a_reason_nothing_is_saved_without() {
    let rig = Rig::new();
    rig.executor.replace_settings(Settings { reason_required: true, ..Settings::default() });
    let (mut wire, token) = (rig.connect(), rig.sign_in("anna"));
    let base = wire.configuration(Some(&token)).digest;
    let refusal = wire.ask(Some(&token), save(base, vec![edit("POT_TMP", "/var/tmp")])).unwrap_err();
    assert_eq!(refusal.field.as_deref(), Some("reason"));
}

#[test]
fn a_change_made_outside_of_the_console_is_found_and_shown_with_its_difference() {
    let rig = Rig::new();
    let mut wire = rig.connect();
    let token = rig.sign_in("vera");
    let facts = |wire: &mut crate::rig::Wire, refresh| match wire.ask(Some(&token), Command::Facts { refresh }).unwrap()
    {
        Reply::Facts(FactsView { facts, refreshing, .. }) => facts.filter(|_| !refreshing),
        other => panic!("{other:?}"),
    };
    until("the first look", || facts(&mut wire, false).is_some());
    until("the first look is noted", || rig.layout.private().join("watched.json").exists());
    let mut text = rig.pot_conf();
    text.extend_from_slice(b"# by hand\n");
    std::fs::write(rig.layout.pot_conf(), &text).unwrap();
    facts(&mut wire, true);
    until("the outside change", || {
        rig.records().iter().any(|record| {
            record.entry.action == Action::Outside
                && record.entry.object.ends_with("pot.conf")
                && record.entry.diff.as_ref().is_some_and(|diff| diff.to_string().contains("+# by hand"))
        })
    });
    // One's own change is none from outside.
    let olaf = rig.sign_in("olaf");
    let base = wire.configuration(Some(&olaf)).digest;
    wire.ask(Some(&olaf), save(base, vec![edit("POT_TMP", "/var/tmp")])).unwrap();
    facts(&mut wire, true);
    std::thread::sleep(Duration::from_millis(300));
    until("the next look", || facts(&mut wire, false).is_some());
    let outside = |rig: &Rig| {
        let records = rig.records();
        records.into_iter().filter(|record| record.entry.action == Action::Outside).collect::<Vec<_>>()
    };
    assert_eq!(outside(&rig).len(), 1);
    // Whatever stood before is kept: what the console wrote and someone else replaced, too.
    let saved = rig.pot_conf();
    std::fs::write(rig.layout.pot_conf(), [saved.as_slice(), b"# again\n"].concat()).unwrap();
    // Nobody asks for a look.
    until("the second outside change", || outside(&rig).len() == 2);
    for record in outside(&rig) {
        for digest in [record.entry.before, record.entry.after].into_iter().flatten() {
            let command = Command::Backup { file: ManagedFile::PotConf, digest };
            let Ok(Reply::File(FileView { bytes, .. })) = wire.ask(Some(&token), command) else {
                panic!("{digest} of record {} is not kept", record.sequence)
            };
            assert_eq!(Digest::of(&bytes), digest);
        }
    }
}

#[test]
fn the_pot_conf_that_pots_package_brings_is_put_down_to_the_run_that_installed_it() {
    let dir = tempfile::tempdir().unwrap();
    let host = dir.path().join("host");
    build_with_program(&host, Scenario::Fresh, Path::new(env!("CARGO_BIN_EXE_pot-console"))).unwrap();
    let rig = Rig::on(Layout::new(&host.canonicalize().unwrap(), None), dir);
    let (mut wire, token) = (rig.connect(), rig.sign_in("olaf"));
    wire.ask(Some(&token), Command::Facts { refresh: true }).unwrap();
    until("the first look is noted", || rig.layout.private().join("watched.json").exists());
    assert!(!rig.layout.pot_conf().exists());
    let operation = Operation::Prepare { items: vec![Preparation::InstallPot] };
    let Reply::Plan(plan) = wire.ask(Some(&token), Command::Plan { operation }).unwrap() else { panic!() };
    let command = Command::Run {
        plan: plan.id,
        digest: plan.digest,
        password: None,
        confirm_text: plan.confirm_text.clone(),
        reason: None,
    };
    let Reply::Started(Started { run }) = wire.ask(Some(&token), command).unwrap() else { panic!() };
    let mut ended = None;
    until("the run's end", || match wire.ask(Some(&token), Command::RunState { run }).unwrap() {
        Reply::Run(run) => ended.insert(run).state.is_final(),
        other => panic!("{other:?}"),
    });
    let summary = ended.unwrap().summary;
    assert!(rig.layout.pot_conf().exists() && !summary.contains("someone else"), "{summary}");
    wire.ask(Some(&token), Command::Facts { refresh: true }).unwrap();
    let mut found = None;
    until("the next look", || {
        let records = rig.records();
        found = records.into_iter().find(|record| {
            record.entry.object.ends_with("/pot.conf") && matches!(record.entry.action, Action::Outside | Action::Run)
        });
        found.is_some()
    });
    let entry = found.unwrap().entry;
    assert_eq!((entry.action, entry.run), (Action::Run, Some(run)), "{}", entry.message);
}

const INIT: Operation = Operation::Init {
    place_anchors: true,
    merge_syslogd_flags: true,
    minimal: false,
    leave_syslogd: false,
    leave_pf: false,
    pf_file: None,
};

#[test]
fn a_command_that_hangs_is_ended_after_the_time_that_root_sets_while_the_console_runs() {
    let rig = Rig::new();
    let (mut wire, token) = (rig.connect(), rig.sign_in("olaf"));
    set_fault(rig.layout.root(), "pot:init hang".parse().unwrap()).unwrap();
    let Reply::Plan(plan) = wire.ask(Some(&token), Command::Plan { operation: INIT }).unwrap() else { panic!() };
    // The plan was made before: what holds when it runs counts.
    rig.executor.replace_settings(Settings { command_seconds: 5, ..Settings::default() });
    let command = Command::Run {
        plan: plan.id,
        digest: plan.digest,
        password: None,
        confirm_text: plan.confirm_text.clone(),
        reason: None,
    };
    let Reply::Started(Started { run }) = wire.ask(Some(&token), command).unwrap() else { panic!() };
    let mut summary = String::new();
    until("the run's end", || match wire.ask(Some(&token), Command::RunState { run }).unwrap() {
        Reply::Run(run) => {
            summary.clone_from(&run.summary);
            run.state.is_final()
        }
        other => panic!("{other:?}"),
    });
    assert!(summary.contains("did not end within 5 s"), "{summary}");
}

#[test]
fn an_operation_is_planned_confirmed_run_and_recorded() {
    let rig = Rig::new();
    let (mut wire, token) = (rig.connect(), rig.sign_in("olaf"));
    let Reply::Plan(plan) = wire.ask(Some(&token), Command::Plan { operation: INIT }).unwrap() else { panic!() };
    assert!(plan.blockers.is_empty(), "{:?}", plan.blockers);
    let command = |digest| Command::Run {
        plan: plan.id,
        digest,
        password: None,
        confirm_text: plan.confirm_text.clone(),
        reason: None,
    };
    let Reply::Started(Started { run }) = wire.ask(Some(&token), command(plan.digest)).unwrap() else { panic!() };
    until("the run's end", || match wire.ask(Some(&token), Command::RunState { run }).unwrap() {
        Reply::Run(run) => run.state.is_final(),
        other => panic!("{other:?}"),
    });
    let Reply::Run(run) = wire.ask(Some(&token), Command::RunState { run }).unwrap() else { panic!() };
    let outcome = rig
        .records()
        .into_iter()
        .find(|record| record.entry.stage == Stage::Outcome && record.entry.run == Some(run.id))
        .expect("the run is in the history");
    assert_eq!(outcome.entry.outcome, Some(Outcome::Done), "{} {:?}", run.summary, run.checks);
    // The plan served once.
    assert_eq!(kind(wire.ask(Some(&token), command(plan.digest))), RefusalKind::NotFound);
}

#[test]
fn the_first_account_is_made_with_the_code_that_root_sees_once() {
    let dir = tempfile::tempdir().unwrap();
    let layout = crate::rig::simulate(&dir.path().join("host"));
    let (executor, _) = pot_console::executor::Executor::open(&layout, Settings::default()).unwrap();
    let code = executor.new_setup_code().unwrap().expect("there is no account yet");
    assert_eq!(std::fs::read_to_string(layout.private().join("setup-code")).unwrap(), format!("{code}\n"));
    assert_eq!(
        executor.new_setup_code().unwrap(),
        Some(code.clone()),
        "a restart does not make what was noted useless"
    );
    let ask = |command| {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let executor = std::sync::Arc::clone(&executor);
        std::thread::spawn(move || executor.serve(theirs));
        crate::rig::Wire::over(ours).ask(None, command)
    };
    let set_up = |code: &str, name: &str| Command::SetUp {
        code: Secret(code.to_owned()),
        name: name.to_owned(),
        password: Secret(PASSWORD.to_owned()),
    };
    assert_eq!(kind(ask(set_up("AAAA-AAAA-AAAA", "anna"))), RefusalKind::WrongPassword);
    assert!(matches!(ask(set_up(&code.to_lowercase().replace('-', " "), "anna")), Ok(Reply::SignedIn { .. })));
    assert_eq!(kind(ask(set_up(&code, "eve"))), RefusalKind::WrongPassword);
    assert_eq!(executor.new_setup_code().unwrap(), None);
    assert!(!layout.private().join("setup-code").exists(), "nobody finds a code that is used up");
}

#[test]
fn guessing_is_slowed_down_but_the_right_person_gets_in() {
    let rig = Rig::new();
    let mut wire = rig.connect();
    let from = |address: &str| Reported { address: Some(address.to_owned()), browser: None };
    let try_with = |wire: &mut crate::rig::Wire, address: &str, password: &str| {
        let command = Command::SignIn { name: "anna".into(), password: Secret(password.to_owned()) };
        wire.ask_from(None, from(address), command)
    };
    try_with(&mut wire, "10.9.9.9", PASSWORD).unwrap();
    let kinds: Vec<RefusalKind> =
        (0..20).map(|n| kind(try_with(&mut wire, "10.0.0.66", &format!("guess number {n}")))).collect();
    assert!(kinds[..4].iter().all(|kind| *kind == RefusalKind::WrongPassword));
    assert!(kinds[15..].iter().all(|kind| *kind == RefusalKind::Throttled), "{kinds:?}");
    assert_eq!(kind(try_with(&mut wire, "10.0.0.66", PASSWORD)), RefusalKind::Throttled);
    try_with(&mut wire, "10.9.9.9", PASSWORD).unwrap();
    let records = rig.records();
    assert!(records.iter().any(|record| record.entry.action == Action::Throttle));
    assert!(!serde_json::to_string(&records).unwrap().contains("guess number"));
}

#[test]
fn who_is_signed_in_proves_while_another_guesses_also_after_a_slip() {
    let rig = Rig::new();
    let mut wire = rig.connect();
    let from = |address: &str| Reported { address: Some(address.to_owned()), browser: None };
    let sign_in = |password: &str| Command::SignIn { name: "anna".into(), password: Secret(password.to_owned()) };
    let Reply::SignedIn(SignedIn { token, .. }) = wire.ask_from(None, from("10.9.9.9"), sign_in(PASSWORD)).unwrap()
    else {
        panic!()
    };
    for n in 0..20 {
        let _ = wire.ask_from(None, from("10.0.0.66"), sign_in(&format!("guess number {n}")));
    }
    let mut prove = |password: &str| {
        wire.ask_from(Some(&token), from("10.9.9.9"), Command::Prove { password: Secret(password.to_owned()) })
    };
    assert_eq!(kind(prove("a slip of the finger")), RefusalKind::WrongPassword);
    assert!(prove(PASSWORD).is_ok());
}

#[test]
fn a_name_that_is_no_account_takes_as_long_as_one_that_is_and_is_not_written_down() {
    let rig = Rig::new();
    let mut wire = rig.connect();
    let names = ["vera", "my secret typed into the wrong field"];
    let mut best = [Duration::MAX; 2];
    let alike = |[known, unknown]: [Duration; 2]| unknown * 3 > known && known * 3 > unknown;
    // In turns, for other tests take the processor now and then: the more so, the more turns; from other addresses, for
    // the throttle.
    for n in 0..40 {
        if n >= 4 && alike(best) {
            break;
        }
        for (which, name) in names.into_iter().enumerate() {
            let reported = Reported { address: Some(format!("10.{n}.{which}.1")), browser: None };
            let start = Instant::now();
            let command = Command::SignIn { name: name.to_owned(), password: Secret("wrong password".into()) };
            assert_eq!(kind(wire.ask_from(None, reported, command)), RefusalKind::WrongPassword);
            best[which] = best[which].min(start.elapsed());
        }
    }
    assert!(alike(best), "known and unknown: {best:?}");
    assert!(!serde_json::to_string(&rig.records()).unwrap().contains("wrong field"));
}

#[test]
fn what_the_command_line_does_to_accounts_counts_at_once_for_who_is_signed_in() {
    let rig = Rig::new();
    let (mut wire, token) = (rig.connect(), rig.sign_in("olaf"));
    let mut local = Local::open(&rig.layout).unwrap();
    local
        .ask::<()>(Command::SetRole { name: "olaf".into(), role: pot_console::journal::record::Role::Viewer })
        .unwrap();
    let base = wire.configuration(Some(&token)).digest;
    assert_eq!(kind(wire.ask(Some(&token), save(base, vec![edit("POT_TMP", "/x")]))), RefusalKind::Forbidden);
    local.ask::<()>(Command::SetDisabled { name: "olaf".into(), disabled: true }).unwrap();
    assert_eq!(kind(wire.ask(Some(&token), Command::Session {})), RefusalKind::SignInNeeded);
}

#[test]
fn a_new_password_ends_the_sessions_that_began_with_the_old_one() {
    let rig = Rig::new();
    let (mut wire, first, second) = (rig.connect(), rig.sign_in("vera"), rig.sign_in("vera"));
    let change = Command::ChangePassword { old: Secret(PASSWORD.into()), new: Secret("a new password".into()) };
    wire.ask(Some(&first), change).unwrap();
    wire.ask(Some(&first), Command::Session {}).unwrap();
    assert_eq!(kind(wire.ask(Some(&second), Command::Session {})), RefusalKind::SignInNeeded);
    Local::open(&rig.layout).unwrap().set_password("vera", &Secret("root gave me this".into())).unwrap();
    assert_eq!(kind(wire.ask(Some(&first), Command::Session {})), RefusalKind::SignInNeeded);
}

#[test]
fn what_is_read_does_not_wait_for_a_change_of_someone_else() {
    let rig = Rig::new();
    let (mut reader, mut writer, token) = (rig.connect(), rig.connect(), rig.sign_in("olaf"));
    let base = reader.configuration(Some(&token)).digest;
    let held =
        pot_console::files::Lock::acquire(&rig.layout, "someone: a long change", Duration::from_secs(5)).unwrap();
    let late = std::thread::spawn({
        let token = token.clone();
        move || writer.ask(Some(&token), save(base, vec![edit("POT_TMP", "/var/tmp")]))
    });
    let mut meanwhile = 0;
    for _ in 0..50 {
        reader.configuration(Some(&token));
        meanwhile += usize::from(!late.is_finished());
    }
    assert!(meanwhile > 0, "nothing was read before the change was given up");
    let refusal = late.join().unwrap().unwrap_err();
    assert!(refusal.kind == RefusalKind::Busy && refusal.message.contains("someone: a long change"), "{refusal}");
    drop(held);
}

#[test]
fn a_log_arrives_as_an_open_descriptor_through_the_real_client() {
    let rig = Rig::new();
    let token = rig.sign_in("vera");
    let mut wire = rig.connect();
    until("facts", || {
        matches!(
            wire.ask(Some(&token), Command::Facts { refresh: false }),
            Ok(Reply::Facts(FactsView { facts: Some(_), .. }))
        )
    });
    let Reply::LogFiles(LogFiles { files, facility, .. }) = wire.ask(Some(&token), Command::LogFiles {}).unwrap()
    else {
        panic!()
    };
    assert_eq!(facility, "local2");
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let executor = std::sync::Arc::clone(&rig.executor);
    std::thread::spawn(move || executor.serve(theirs));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = pot_console::client::Client::start(ours).unwrap();
        let reported = Reported::default();
        assert_eq!(files[0].path, "/var/log/pot.log");
        let (mut file, size) = client.open_log(Some(&token), &reported, 0).await.unwrap();
        assert_eq!(file.metadata().unwrap().len(), size);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut file, &mut text).unwrap();
        assert_eq!(text, std::fs::read_to_string(rig.layout.on_disk("/var/log/pot.log")).unwrap());
        // There is no such generation: then there is nothing to open, and that is said.
        let refusal = client.open_log(Some(&token), &reported, 99).await.unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::NotFound);
        // Many at once: each gets its own answer.
        let mut asked = Vec::new();
        for _ in 0..50 {
            asked.push(client.ask::<SessionView>(Some(&token), &reported, Command::Session {}));
        }
        for answer in futures_util::future::join_all(asked).await {
            answer.unwrap();
        }
    });
}

#[test]
fn choosing_a_facility_does_not_open_what_root_keeps_from_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let rig = Rig::new();
    let (mut wire, olaf) = (rig.connect(), rig.sign_in("olaf"));
    let log = rig.layout.on_disk("/var/log/auth.log");
    let mode = |mode: u32| std::fs::set_permissions(&log, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o600);
    let base = wire.configuration(Some(&olaf)).digest;
    wire.ask(Some(&olaf), save(base, vec![edit("POT_LOG_FACILITY", "auth")])).unwrap();
    until("the log of another facility", || {
        let Ok(Reply::LogFiles(LogFiles { files, .. })) = wire.ask(Some(&olaf), Command::LogFiles {}) else { panic!() };
        files.first().is_some_and(|file| file.path == "/var/log/auth.log")
    });
    assert_eq!(kind(wire.ask(Some(&olaf), Command::OpenLog { generation: 0 })), RefusalKind::Forbidden);
    mode(0o644);
    assert!(wire.ask(Some(&olaf), Command::OpenLog { generation: 0 }).is_ok());
}

/// Waits for something that comes by itself.
pub fn until(what: &str, mut comes: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !comes() {
        assert!(Instant::now() < give_up, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}
