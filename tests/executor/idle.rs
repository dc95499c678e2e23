//! Nobody looks: nothing runs. Who looks shares the host with the others who do.

use crate::main_path::until;
use crate::rig::Rig;
use pot_console::executor::protocol::{Command, FactsView, Reply};
use pot_console::facts::HostFacts;
use pot_console::refusal::RefusalKind;
use pot_console::settings::Settings;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

/// Puts a tool in the place of ifconfig that counts how often it is asked. It is asked once in each look.
fn count_looks(rig: &Rig) -> impl Fn() -> usize {
    let counted = rig.layout.root().join("looks");
    let tool = rig.layout.root().join("sbin/ifconfig");
    std::fs::remove_file(&tool).unwrap();
    std::fs::write(&tool, format!("#!/bin/sh\necho look >> {}\nexit 1\n", counted.display())).unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    move || std::fs::read_to_string(&counted).map_or(0, |text| text.lines().count())
}

#[test]
fn while_nobody_looks_no_program_is_run_and_who_comes_gets_new_facts() {
    let rig = Rig::new();
    rig.executor.replace_settings(Settings { refresh_seconds: 10, ..Settings::default() });
    let mut wire = rig.connect();
    let token = rig.sign_in("vera");
    let mut ask = |refresh| -> (Option<Box<HostFacts>>, bool) {
        match wire.ask(Some(&token), Command::Facts { refresh }).unwrap() {
            Reply::Facts(FactsView { facts, refreshing, .. }) => (facts, refreshing),
            other => panic!("{other:?}"),
        }
    };
    until("the first look", || matches!(ask(false), (Some(_), false)));
    let looks = count_looks(&rig);
    // A minute is not waited for here: the old pace was the setting's, which is shorter.
    std::thread::sleep(Duration::from_secs(12));
    assert_eq!(looks(), 0, "the host was looked at for nobody");

    // Facts that old are shown with their age, and new ones are on their way.
    let (old, refreshing) = ask(false);
    let old = old.unwrap();
    assert!(refreshing && jiff::Timestamp::now().duration_since(old.at).as_secs() >= 10);
    until("new facts", || matches!(ask(false), (Some(new), false) if new.at > old.at));

    // However many ask for new ones: one look in five seconds.
    let (begun, before) = (Instant::now(), looks());
    while begun.elapsed() < Duration::from_secs(6) {
        ask(true);
        std::thread::sleep(Duration::from_millis(50));
    }
    let many = looks() - before;
    assert!((1..=2).contains(&many), "{many} looks within six seconds");
}

#[test]
fn a_thousand_pages_that_are_left_open_cost_the_host_nothing_until_something_changes_it() {
    let rig = Rig::new();
    rig.executor.replace_settings(Settings { refresh_seconds: 10, ..Settings::default() });
    let mut wire = rig.connect();
    let token = rig.sign_in("vera");
    // What the script of an open page asks for every few seconds, and what follows when the number is another.
    let number = |wire: &mut crate::rig::Wire| match wire.ask(Some(&token), Command::Session {}).unwrap() {
        Reply::Session(session) => session.facts,
        other => panic!("{other:?}"),
    };
    let follow = || match rig.connect().ask(Some(&token), Command::FollowFacts {}).unwrap() {
        Reply::Facts(view) => view,
        other => panic!("{other:?}"),
    };
    until("the first look", || follow().facts.is_some());
    let looks = count_looks(&rig);
    let (shown, begun) = (number(&mut wire), Instant::now());
    assert_eq!(follow().revision, shown);
    // The facts are older than the setting wants them, for those who come; not for those who are there.
    while begun.elapsed() < Duration::from_secs(12) {
        for _ in 0..100 {
            assert_eq!(number(&mut wire), shown);
        }
        assert!(!follow().refreshing);
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(looks(), 0, "the host was looked at for pages that nobody touched");

    // Changed, it is looked at once, however many pages show it.
    let pot_conf = rig.layout.pot_conf();
    let changed = [rig.pot_conf(), b"POT_TMP=/var/tmp\n".to_vec()].concat();
    std::fs::write(pot_conf, changed).unwrap();
    until("the pages hear of the change", || number(&mut wire) != shown);
    for _ in 0..100 {
        follow();
    }
    until("one look", || looks() == 1 && !follow().refreshing);
    assert_eq!(follow().revision, number(&mut wire));
    std::thread::sleep(Duration::from_secs(6));
    follow();
    assert_eq!(looks(), 1, "new facts were a reason to look again");
}

#[test]
fn who_may_only_look_cannot_keep_the_host_busy_with_plans() {
    let rig = Rig::new();
    let plan = || Command::Plan { operation: pot_console::plan::Operation::VnetStart { revert_after: None } };
    let vera = rig.sign_in("vera");
    let mut wire = rig.connect();
    let refused = (0..20)
        .map(|_| wire.ask(Some(&vera), plan()))
        .find_map(Result::err)
        .expect("twenty plans in a row were made for a viewer");
    assert_eq!(refused.kind, RefusalKind::Throttled, "{refused}");
    // Those who work on the host are not held up by that.
    let olaf = rig.sign_in("olaf");
    assert!(matches!(wire.ask(Some(&olaf), plan()), Ok(Reply::Plan(_))));
}
