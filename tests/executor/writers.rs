//! Many who write at the same time, through the protocol and at the command line.

use crate::child;
use crate::rig::{Rig, edit, many, save};
use pot_console::executor::protocol::{Command, Reply};
use pot_console::journal::record::{Outcome, Stage};
use pot_console::refusal::RefusalKind;

#[test]
fn of_fifty_writers_every_success_is_in_the_file_in_order_and_no_update_is_lost() {
    let rig = Rig::new();
    // The value counts up to 255 at most.
    let (browsers, terminals, each) = (40, 10, many(1, 5));
    let token = rig.sign_in("olaf");
    let number = |bytes: &[u8]| -> usize {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let found = text.lines().rev().find_map(|line| line.strip_prefix("POT_HOSTNAME_MAX_LENGTH=")?.parse().ok());
        found.unwrap_or(0)
    };
    let children: Vec<_> =
        (0..terminals).map(|_| child::start("counts_up", rig.layout.root(), &each.to_string(), None)).collect();
    let conflicts: usize = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..browsers)
            .map(|_| {
                scope.spawn(|| {
                    let mut wire = rig.connect();
                    let (mut left, mut conflicts) = (each, 0);
                    while left > 0 {
                        let view = wire.configuration(Some(&token));
                        let next = number(&view.own) + 1;
                        let command = save(view.digest, vec![edit("POT_HOSTNAME_MAX_LENGTH", &next.to_string())]);
                        match wire.ask(Some(&token), command) {
                            Ok(_) => left -= 1,
                            Err(refusal) => {
                                assert!(matches!(refusal.kind, RefusalKind::Conflict | RefusalKind::Busy), "{refusal}");
                                conflicts += 1;
                            }
                        }
                    }
                    conflicts
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let total = (browsers + terminals) * each;
    assert_eq!(number(&rig.pot_conf()), total);
    assert!(conflicts > 0, "they never met");

    let successes: Vec<(Option<String>, Option<String>)> = rig
        .records()
        .into_iter()
        .filter(|record| record.entry.stage == Stage::Outcome && record.entry.outcome == Some(Outcome::Done))
        .flat_map(|record| record.entry.changes)
        .filter(|change| change.name == "POT_HOSTNAME_MAX_LENGTH")
        .map(|change| (change.from, change.to))
        .collect();
    assert_eq!(successes.len(), total);
    for (n, (from, to)) in successes.iter().enumerate() {
        assert_eq!(to.as_deref(), Some((n + 1).to_string().as_str()));
        assert_eq!(from.as_deref(), (n > 0).then(|| n.to_string()).as_deref());
    }
    let Ok(Reply::Verified(view)) = rig.connect().ask(Some(&token), Command::VerifyJournal {}) else { panic!() };
    assert!(view.sound, "{view:?}");
}
