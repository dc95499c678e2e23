//! Every row of the one table, tried by those who may not.

use crate::rig::{PASSWORD, Rig, edit, kind};
use pot_console::digest::Digest;
use pot_console::executor::permissions::{Who, row};
use pot_console::executor::protocol::{
    AskedBefore, Command, ExportFormat, FeedbackStored, Have, Reply, Started, StillSo,
};
use pot_console::facts::LeftDrift;
use pot_console::journal::record::{Action, Role};
use pot_console::plan::{ManagedFile, Operation, Preparation, ProofNeeded};
use pot_console::refusal::RefusalKind;
use pot_console::secret::Secret;
use pot_console::settings::Settings;
use pot_console::theme::Theme;

/// One well-formed command of each kind. The match has no catch-all arm: a new command does not compile until it is
/// here, too.
pub fn one_of_each() -> Vec<Command> {
    let secret = || Secret(PASSWORD.to_owned());
    let digest = Digest::of(b"");
    let all = vec![
        Command::Greeting {},
        Command::JournalAfter { after: 0, limit: 10 },
        Command::Ready {},
        Command::SignIn { name: "eve".into(), password: secret() },
        Command::SetUp { code: secret(), name: "eve".into(), password: secret() },
        Command::SignOut {},
        Command::Session {},
        Command::Settings {},
        Command::Prove { password: secret() },
        Command::Accounts {},
        Command::AddAccount { name: "eve".into(), role: Role::Admin, password: secret() },
        Command::SetRole { name: "vera".into(), role: Role::Admin },
        Command::SetDisabled { name: "anna".into(), disabled: true },
        Command::ChangePassword { old: secret(), new: Secret("another password".into()) },
        Command::SetTheme { theme: Theme::Dark },
        Command::Configuration {},
        Command::Facts { refresh: false },
        Command::FollowFacts {},
        Command::Show { follows: false, have: Have::default() },
        Command::StillSo { page: Box::new(Command::Session {}), asked: Vec::new() },
        Command::Backups { file: None },
        Command::Backup { file: ManagedFile::PotConf, digest },
        Command::File { file: ManagedFile::RcConf },
        Command::LogFiles {},
        Command::OpenLog { generation: 0 },
        Command::Review { base: digest, edits: vec![edit("POT_TMP", "/var/tmp")] },
        Command::Draft { changes: true },
        Command::Save { base: digest, edits: vec![edit("POT_TMP", "/x")], reason: None, accept_errors: false },
        Command::Save { base: digest, edits: vec![edit("POT_TMP", "/x")], reason: None, accept_errors: true },
        Command::Plan { operation: Operation::DeInit { stop_pots: true, minimal: false, pf_file: None } },
        Command::Run { plan: 1, digest, password: Some(secret()), confirm_text: None, reason: None },
        Command::Runs { before: None, limit: 10 },
        Command::RunList { before: None, limit: 10 },
        Command::RunState { run: 1 },
        Command::RunEvents { run: 1, after: 0, limit: 10 },
        Command::Abort { run: 1 },
        Command::KeepNonce { run: 1, accepted_ms: i64::MAX, connection: 1 },
        Command::Keep { run: 1, nonce: secret(), accepted_ms: i64::MAX, connection: 2 },
        Command::PutBack { run: 1 },
        Command::Dismiss { item: Preparation::EnableRacct, dismissed: true },
        Command::LeaveDrift {
            drift: LeftDrift { id: "nat".into(), configured: "one".into(), running: "another".into() },
            leave: true,
        },
        Command::Feedback {
            wrong: "w".into(),
            missing: "m".into(),
            usability: "u".into(),
            name: None,
            reply_to: None,
            send: true,
        },
        Command::VerifyJournal {},
        Command::Checkpoint {},
        Command::RecordExport { format: ExportFormat::Csv, filter: "user=anna".into() },
        Command::Reboot {},
        Command::JournalLines { after: 0, limit: 10 },
    ];
    let mut kinds: Vec<&str> = all.iter().map(|command| row(command).name).collect();
    kinds.dedup();
    assert_eq!(kinds.len(), all.iter().map(place).max().unwrap() + 1, "a command is missing here");
    all
}

fn place(command: &Command) -> usize {
    use Command as C;
    match command {
        C::Greeting {} => 0,
        C::JournalAfter { .. } => 1,
        C::Ready {} => 2,
        C::SignIn { .. } => 3,
        C::SetUp { .. } => 4,
        C::SignOut {} => 5,
        C::Session {} => 6,
        C::Prove { .. } => 7,
        C::Accounts {} => 8,
        C::AddAccount { .. } => 9,
        C::SetRole { .. } => 10,
        C::SetDisabled { .. } => 11,
        C::ChangePassword { .. } => 12,
        C::Configuration {} => 13,
        C::Facts { .. } => 14,
        C::FollowFacts {} => 15,
        C::Backups { .. } => 16,
        C::Backup { .. } => 17,
        C::File { .. } => 18,
        C::LogFiles {} => 19,
        C::OpenLog { .. } => 20,
        C::Review { .. } => 21,
        C::Save { .. } => 22,
        C::Plan { .. } => 23,
        C::Run { .. } => 24,
        C::Runs { .. } => 25,
        C::RunState { .. } => 26,
        C::RunEvents { .. } => 27,
        C::Abort { .. } => 28,
        C::KeepNonce { .. } => 29,
        C::Keep { .. } => 30,
        C::PutBack { .. } => 31,
        C::Dismiss { .. } => 32,
        C::LeaveDrift { .. } => 33,
        C::Feedback { .. } => 34,
        C::VerifyJournal {} => 35,
        C::Checkpoint {} => 36,
        C::RecordExport { .. } => 37,
        C::Reboot {} => 38,
        C::JournalLines { .. } => 44,
        C::Settings {} => 39,
        C::Draft { .. } => 40,
        C::SetTheme { .. } => 41,
        C::Show { .. } => 42,
        C::RunList { .. } => 43,
        C::StillSo { .. } => 45,
    }
}

#[test]
fn whatever_is_asked_for_without_the_right_to_it_is_refused_changes_nothing_and_is_in_the_history() {
    let rig = Rig::new();
    let mut wire = rig.connect();
    let (viewer, expired) = (rig.sign_in("vera"), Secret("A".repeat(43)));
    let ended = rig.sign_in("anna");
    wire.ask(Some(&ended), Command::SignOut {}).unwrap();
    let before = rig.state_of_the_host();

    let mut refused = Vec::new();
    for command in one_of_each() {
        let Who::AtLeast(needed) = row(&command).who else { continue };
        for token in [None, Some(&expired), Some(&ended), Some(&Secret("no token".into()))] {
            assert_eq!(kind(wire.ask(token, command.clone())), RefusalKind::SignInNeeded, "{command:?}");
        }
        refused.push((row(&command).name, "nobody"));
        if needed > Role::Viewer {
            assert_eq!(kind(wire.ask(Some(&viewer), command.clone())), RefusalKind::Forbidden, "{command:?}");
            refused.push((row(&command).name, "vera"));
        }
    }
    assert_eq!(rig.state_of_the_host(), before);
    let records = rig.records();
    for (command, who) in refused {
        let written = records.iter().any(|record| {
            let entry = &record.entry;
            entry.action == Action::Refusal && entry.message.starts_with(command) && entry.actor.name == who
        });
        assert!(written, "the refusal of {command} to {who} is not in the history");
    }
}

#[test]
fn settings_that_are_read_again_hold_for_plans_and_feedback() {
    let rig = Rig::new();
    let (mut wire, anna) = (rig.connect(), rig.sign_in("anna"));
    let de_init = |pf_file| Operation::DeInit { stop_pots: true, minimal: false, pf_file };
    let files = |wire: &mut crate::rig::Wire| match wire.ask(Some(&anna), Command::Plan { operation: de_init(None) }) {
        Ok(Reply::Plan(plan)) => plan.pf_files,
        other => panic!("{other:?}"),
    };
    assert_eq!(files(&mut wire), Vec::<String>::new());
    rig.executor.replace_settings(Settings {
        pf_files: vec!["/etc/pf.pot.conf".to_owned()],
        feedback_recipient: Some("root@example.org".to_owned()),
        ..Settings::default()
    });
    assert_eq!(files(&mut wire), ["/etc/pf.pot.conf"]);
    let named = de_init(Some(0));
    assert!(wire.ask(Some(&anna), Command::Plan { operation: named.clone() }).is_ok());
    let feedback = Command::Feedback {
        wrong: "w".into(),
        missing: String::new(),
        usability: String::new(),
        name: None,
        reply_to: None,
        send: false,
    };
    assert!(matches!(
        wire.ask(Some(&anna), feedback),
        Ok(Reply::FeedbackStored(FeedbackStored { recipient, .. })) if recipient == "root@example.org"
    ));
    rig.executor.replace_settings(Settings::default());
    assert_eq!(kind(wire.ask(Some(&anna), Command::Plan { operation: named })), RefusalKind::Malformed);
}

#[test]
fn everybody_reads_the_settings_in_force_and_what_waits_for_the_next_start() {
    let rig = Rig::new();
    let (mut wire, vera) = (rig.connect(), rig.sign_in("vera"));
    let mut told = |name: &str| match wire.ask(Some(&vera), Command::Settings {}) {
        Ok(Reply::Settings(view)) => {
            assert_eq!((view.file.as_str(), view.exists), ("/usr/local/etc/pot-console.toml", false));
            view.settings.into_iter().find(|setting| setting.name == name).unwrap()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(told("listen").value, "127.0.0.1:8443");
    let listen = vec!["192.168.178.20:8443".parse().unwrap()];
    rig.executor.replace_settings(Settings { listen, backups: 10, ..Settings::default() });
    assert_eq!(told("backups").value, "10");
    let listen = told("listen");
    assert_eq!(
        (listen.value.as_str(), listen.at_next_start.as_deref()),
        ("127.0.0.1:8443", Some("192.168.178.20:8443"))
    );
}

#[test]
fn what_someone_types_is_told_to_others_until_it_is_saved_or_discarded() {
    let rig = Rig::new();
    let (mut wire, anna, vera) = (rig.connect(), rig.sign_in("anna"), rig.sign_in("vera"));
    let drafts = |wire: &mut crate::rig::Wire, token: &Secret| match wire.ask(Some(token), Command::Session {}) {
        Ok(Reply::Session(session)) => {
            let strip = serde_json::to_value(&session.strip).unwrap();
            serde_json::from_value::<Vec<String>>(strip["drafts"].clone()).unwrap()
        }
        other => panic!("{other:?}"),
    };
    wire.ask(Some(&anna), Command::Draft { changes: true }).unwrap();
    assert_eq!(drafts(&mut wire, &vera), ["anna"]);
    assert_eq!(drafts(&mut wire, &anna), Vec::<String>::new(), "one knows what one does");
    wire.ask(Some(&anna), Command::Draft { changes: false }).unwrap();
    assert_eq!(drafts(&mut wire, &vera), Vec::<String>::new());

    wire.ask(Some(&anna), Command::Draft { changes: true }).unwrap();
    let base = match wire.ask(Some(&anna), Command::Configuration {}) {
        Ok(Reply::Configuration(view)) => view.digest,
        other => panic!("{other:?}"),
    };
    let edits = vec![edit("POT_HOSTNAME_MAX_LENGTH", "60")];
    // To look at what a draft would write is not to be at work on it.
    wire.ask(Some(&vera), Command::Review { base, edits: edits.clone() }).unwrap();
    assert_eq!(drafts(&mut wire, &anna), Vec::<String>::new());
    wire.ask(Some(&anna), Command::Save { base, edits, reason: None, accept_errors: false }).unwrap();
    assert_eq!(drafts(&mut wire, &vera), Vec::<String>::new());
}

#[test]
fn a_session_that_was_idle_for_too_long_is_none() {
    let rig = Rig::new();
    let (mut wire, token) = (rig.connect(), rig.sign_in("anna"));
    wire.ask(Some(&token), Command::Session {}).unwrap();
    rig.executor.replace_settings(Settings { idle_minutes: 0, ..Settings::default() });
    let before = rig.state_of_the_host();
    for command in one_of_each() {
        if matches!(row(&command).who, Who::AtLeast(_)) {
            assert_eq!(kind(wire.ask(Some(&token), command.clone())), RefusalKind::SignInNeeded, "{command:?}");
        }
    }
    assert_eq!(rig.state_of_the_host(), before);
}

#[test]
fn what_wants_a_fresh_password_is_refused_to_a_session_whose_password_is_old() {
    let rig = Rig::new();
    let (mut wire, token) = (rig.connect(), rig.sign_in("anna"));
    rig.executor.forget_fresh_proofs();
    let before = rig.state_of_the_host();
    let wants_fresh = |command: &Command| row(command).proof == ProofNeeded::Fresh;
    let commands: Vec<Command> = one_of_each().into_iter().filter(wants_fresh).collect();
    assert_eq!(commands.len(), 3);
    for command in commands {
        assert_eq!(kind(wire.ask(Some(&token), command)), RefusalKind::ProofNeeded);
    }
    assert_eq!(rig.state_of_the_host(), before);
    wire.ask(Some(&token), Command::Prove { password: Secret(PASSWORD.into()) }).unwrap();
    wire.ask(Some(&token), Command::SetRole { name: "vera".into(), role: Role::Operator }).unwrap();
}

#[test]
fn a_plan_serves_once_for_its_session_with_its_digest_and_its_proof() {
    let rig = Rig::new();
    let (mut wire, anna, other, olaf) = (rig.connect(), rig.sign_in("anna"), rig.sign_in("anna"), rig.sign_in("olaf"));
    let operation = Operation::Prepare { items: vec![Preparation::RouteLog] };
    let plan = |wire: &mut crate::rig::Wire, token: &Secret, operation: &Operation| match wire
        .ask(Some(token), Command::Plan { operation: operation.clone() })
        .unwrap()
    {
        Reply::Plan(plan) => plan,
        other => panic!("{other:?}"),
    };
    let run = |plan: u64, digest, password: Option<&str>| Command::Run {
        plan,
        digest,
        password: password.map(|password| Secret(password.to_owned())),
        confirm_text: None,
        reason: None,
    };
    let before = rig.state_of_the_host();
    let made = plan(&mut wire, &anna, &operation);
    // Another session's, even of the same person; another digest; no such plan.
    assert_eq!(kind(wire.ask(Some(&other), run(made.id, made.digest, None))), RefusalKind::NotFound);
    assert_eq!(kind(wire.ask(Some(&anna), run(made.id, Digest::of(b"x"), None))), RefusalKind::Conflict);
    assert_eq!(kind(wire.ask(Some(&anna), run(made.id + 1, made.digest, None))), RefusalKind::NotFound);
    // What destroys: only for admins, and with the password now.
    let de_init = Operation::DeInit { stop_pots: true, minimal: false, pf_file: None };
    let destroys = plan(&mut wire, &anna, &de_init);
    assert_eq!(destroys.proof, ProofNeeded::OneTime);
    assert_eq!(kind(wire.ask(Some(&anna), run(destroys.id, destroys.digest, None))), RefusalKind::ProofNeeded);
    assert_eq!(kind(wire.ask(Some(&anna), run(destroys.id, destroys.digest, Some("no")))), RefusalKind::WrongPassword);
    let operators = plan(&mut wire, &olaf, &de_init);
    assert_eq!(
        kind(wire.ask(Some(&olaf), run(operators.id, operators.digest, Some(PASSWORD)))),
        RefusalKind::Forbidden
    );
    rig.executor.forget_fresh_proofs();
    assert_eq!(kind(wire.ask(Some(&anna), run(made.id, made.digest, None))), RefusalKind::ProofNeeded);
    assert_eq!(rig.state_of_the_host(), before);
    // Each names the operation, where there is such a plan.
    let of_runs = |words: &str| rig.records().iter().filter(|record| record.entry.message.starts_with(words)).count();
    assert_eq!((of_runs("run prepare was refused"), of_runs("run de-init was refused")), (2, 2));
    let refusals = of_runs("run ");
    assert_eq!(refusals, 6, "each refusal of run but the wrong password, which has its own record");

    wire.ask(Some(&anna), Command::Prove { password: Secret(PASSWORD.into()) }).unwrap();
    let Reply::Started(Started { run: number }) = wire.ask(Some(&anna), run(made.id, made.digest, None)).unwrap()
    else {
        panic!()
    };
    crate::main_path::until(
        "the run's end",
        || matches!(wire.ask(Some(&anna), Command::RunState { run: number }), Ok(Reply::Run(run)) if run.state.is_final()),
    );
    assert_eq!(kind(wire.ask(Some(&anna), run(made.id, made.digest, None))), RefusalKind::NotFound);
}

#[test]
fn a_slip_in_the_typed_name_does_not_use_up_roots_word() {
    use pot_console::executor::local::Local;
    use pot_console::settings::ConfirmDestructive;
    let dir = tempfile::tempdir().unwrap();
    let layout = crate::rig::simulate(&dir.path().join("host"));
    drop(Local::open(&layout).unwrap());
    assert!(crate::child::start("runs_init", layout.root(), "", None).wait().unwrap().success());
    let rig = Rig::on(layout, dir);
    rig.executor.replace_settings(Settings { confirm_destructive: ConfirmDestructive::Shell, ..Settings::default() });
    let (mut wire, anna) = (rig.connect(), rig.sign_in("anna"));
    let operation = Operation::DeInit { stop_pots: true, minimal: false, pf_file: None };
    let Reply::Plan(plan) = wire.ask(Some(&anna), Command::Plan { operation }).unwrap() else { panic!() };
    let code = plan.approval_code.clone().unwrap();
    let run = |typed: &str| Command::Run {
        plan: plan.id,
        digest: plan.digest,
        password: None,
        confirm_text: Some(typed.to_owned()),
        reason: None,
    };
    assert_eq!(plan.confirm_text.as_deref(), Some("zroot/pot"));
    Local::open(&rig.layout).unwrap().approve(&code, &plan).unwrap();
    assert_eq!(kind(wire.ask(Some(&anna), run("zroot/pto"))), RefusalKind::Limit);
    let Reply::Started(Started { run }) = wire.ask(Some(&anna), run("zroot/pot")).unwrap() else { panic!() };
    crate::main_path::until(
        "the run's end",
        || matches!(wire.ask(Some(&anna), Command::RunState { run }), Ok(Reply::Run(run)) if run.state.is_final()),
    );
}

#[test]
fn where_root_gives_the_proof_a_password_is_not_enough() {
    use pot_console::executor::approval;
    use pot_console::executor::local::Local;
    use pot_console::settings::ConfirmDestructive;
    let rig = Rig::new();
    rig.executor.replace_settings(Settings { confirm_destructive: ConfirmDestructive::Shell, ..Settings::default() });
    let (mut wire, anna) = (rig.connect(), rig.sign_in("anna"));
    let operation = Operation::DeInit { stop_pots: true, minimal: false, pf_file: None };
    let Reply::Plan(plan) = wire.ask(Some(&anna), Command::Plan { operation }).unwrap() else { panic!() };
    assert_eq!(plan.proof, ProofNeeded::Shell);
    let code = plan.approval_code.clone().unwrap();
    let run = || Command::Run {
        plan: plan.id,
        digest: plan.digest,
        password: Some(Secret(PASSWORD.into())),
        confirm_text: plan.confirm_text.clone(),
        reason: None,
    };
    assert_eq!(kind(wire.ask(Some(&anna), run())), RefusalKind::ProofNeeded);
    let waiting = approval::waiting(&rig.layout, &code).unwrap();
    assert_eq!(waiting.digest, plan.digest);
    let mut other = waiting.clone();
    other.digest = Digest::of(b"another plan");
    let mut local = Local::open(&rig.layout).unwrap();
    local.approve(&code, &other).unwrap();
    assert_eq!(kind(wire.ask(Some(&anna), run())), RefusalKind::ProofNeeded);
    local.approve(&code, &waiting).unwrap();
    // It is not another session's to use up.
    let other = rig.sign_in("anna");
    assert_eq!(kind(wire.ask(Some(&other), run())), RefusalKind::NotFound);
    // Now the engine has its say: on this host there is a dataset's name to type, or nothing to remove.
    assert_ne!(kind(wire.ask(Some(&anna), run())), RefusalKind::ProofNeeded);
    assert!(approval::waiting(&rig.layout, &code).is_err());
}

#[test]
fn what_a_page_had_asked_is_asked_again_with_the_right_to_it_and_does_nothing() {
    let rig = Rig::new();
    let mut wire = rig.connect();
    let (anna, vera) = (rig.sign_in("anna"), rig.sign_in("vera"));
    let page = || Box::new(Command::Session {});
    let told = |reply: &Reply| reply.digest().unwrap();
    let same = |token: &Secret, command: &Command, told: Digest| {
        let asked = vec![AskedBefore { command: command.clone(), told }];
        match rig.connect().ask(Some(token), Command::StillSo { page: page(), asked }) {
            Ok(Reply::StillSo(StillSo { page, same })) => {
                assert!(matches!(*page, Reply::Session(_)), "{page:?}");
                same
            }
            other => panic!("{other:?}"),
        }
    };
    for command in [Command::Settings {}, Command::Accounts {}, Command::Backups { file: None }, Command::LogFiles {}] {
        let reply = wire.ask(Some(&anna), command.clone()).unwrap();
        assert!(same(&anna, &command, told(&reply)), "{command:?}");
        assert!(!same(&anna, &command, Digest::of(b"other")), "{command:?}");
    }
    let accounts = wire.ask(Some(&anna), Command::Accounts {}).unwrap();
    assert!(!same(&vera, &Command::Accounts {}, told(&accounts)), "a viewer is not told whether they are the same");
    let disable = Command::SetDisabled { name: "vera".into(), disabled: true };
    wire.ask(Some(&anna), Command::Prove { password: Secret(PASSWORD.to_owned()) }).unwrap();
    wire.ask(Some(&anna), disable).unwrap();
    assert!(!same(&anna, &Command::Accounts {}, told(&accounts)), "an account is another");
    let again = |page, command| Command::StillSo { page, asked: vec![AskedBefore { command, told: Digest::of(b"") }] };
    assert_eq!(kind(wire.ask(Some(&vera), again(page(), Command::Settings {}))), RefusalKind::SignInNeeded);

    // Nothing that does anything goes this way, in whatever place.
    for command in one_of_each() {
        let harmless = command.can_be_asked_again();
        let is_page = matches!(command, Command::Session {} | Command::Show { .. });
        if !harmless {
            assert_eq!(
                kind(wire.ask(Some(&anna), again(page(), command.clone()))),
                RefusalKind::Malformed,
                "{command:?}"
            );
        }
        if !is_page {
            let asked = again(Box::new(command.clone()), Command::Settings {});
            assert_eq!(kind(wire.ask(Some(&anna), asked)), RefusalKind::Malformed, "{command:?}");
        }
        assert!(!(harmless && row(&command).changes), "{command:?}");
    }
    let many = vec![AskedBefore { command: Command::Settings {}, told: Digest::of(b"") }; 5];
    let many = Command::StillSo { page: page(), asked: many };
    assert_eq!(kind(wire.ask(Some(&anna), many)), RefusalKind::Malformed);
}
