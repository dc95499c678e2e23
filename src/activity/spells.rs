//! When a pot ran, as its log tells: from a start to the next stop.
//!
//! pot logs a call before it looks whether it can be done, and not everything that starts or ends a pot is a call: a pot
//! that another one depends on is started without a line, and one that ran a single command ends without one. So a spell
//! may lack its beginning or its end; neither is made up.

use jiff::Timestamp;

/// What ends or begins a spell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// `pot start` was called for it.
    Start,
    /// `pot stop` was called for it.
    Stop,
    /// The host was started: nothing from before runs.
    Boot,
}

/// How a spell began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Began {
    /// When it was started.
    At(Timestamp),
    /// No start is logged: not before this time, where that is known.
    Unlogged(Option<Timestamp>),
}

/// How a spell ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// When it was stopped.
    At(Timestamp),
    /// No stop is logged: it was over by this time, when it was started again, the host was, or it was seen not to run.
    Unlogged(Timestamp),
    /// It runs.
    Not,
    /// Whether it still runs is not known.
    Unknown,
}

/// A time in which a pot ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spell {
    pub(crate) began: Began,
    pub(crate) ended: Ended,
}

/// The spells that these events tell of, oldest first. `events`: oldest first. `seen`: whether it ran, and when that was
/// looked at, where that is known. What was logged after that look is not judged by it.
pub(crate) fn spells(events: &[(Timestamp, Event)], seen: Option<(bool, Timestamp)>) -> Vec<Spell> {
    let mut spells = Vec::new();
    let mut running: Option<Began> = None;
    let mut last = None;
    for &(at, event) in events {
        match event {
            Event::Start | Event::Boot => {
                if let Some(began) = running.take() {
                    spells.push(Spell { began, ended: Ended::Unlogged(at) });
                }
                if event == Event::Start {
                    running = Some(Began::At(at));
                }
            }
            Event::Stop => {
                let began = running.take().unwrap_or(Began::Unlogged(last));
                spells.push(Spell { began, ended: Ended::At(at) });
            }
        }
        last = Some(at);
    }
    let seen = seen.filter(|(_, looked)| last.is_none_or(|last| last <= *looked));
    match (running, seen) {
        (Some(began), Some((true, _))) => spells.push(Spell { began, ended: Ended::Not }),
        (Some(began), Some((false, looked))) => spells.push(Spell { began, ended: Ended::Unlogged(looked) }),
        (Some(began), None) => spells.push(Spell { began, ended: Ended::Unknown }),
        (None, Some((true, _))) => spells.push(Spell { began: Began::Unlogged(last), ended: Ended::Not }),
        (None, Some((false, _)) | None) => {}
    }
    spells
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn told(events: &[(i64, Event)], seen: Option<(bool, i64)>) -> Vec<(Began, Ended)> {
        let events: Vec<_> = events.iter().map(|(second, event)| (at(*second), *event)).collect();
        let seen = seen.map(|(runs, second)| (runs, at(second)));
        spells(&events, seen).into_iter().map(|spell| (spell.began, spell.ended)).collect()
    }

    #[test]
    fn a_pot_ran_from_its_start_to_its_stop() {
        let log = [(10, Event::Start), (20, Event::Stop), (30, Event::Start)];
        let first = (Began::At(at(10)), Ended::At(at(20)));
        let second = |ended| vec![first, (Began::At(at(30)), ended)];
        assert_eq!(told(&log, Some((true, 40))), second(Ended::Not));
        assert_eq!(told(&log, Some((false, 40))), second(Ended::Unlogged(at(40))));
        assert_eq!(told(&log, None), second(Ended::Unknown));
        assert_eq!(told(&log, Some((false, 29))), second(Ended::Unknown), "it was started after that look");
        assert_eq!(told(&[], Some((false, 40))), []);
    }

    #[test]
    fn what_the_log_does_not_say_is_not_made_up() {
        assert_eq!(told(&[], Some((true, 9))), [(Began::Unlogged(None), Ended::Not)]);
        assert_eq!(told(&[(5, Event::Stop)], None), [(Began::Unlogged(None), Ended::At(at(5)))]);
        assert_eq!(
            told(&[(1, Event::Start), (2, Event::Start), (3, Event::Stop), (4, Event::Stop)], Some((true, 9))),
            [
                (Began::At(at(1)), Ended::Unlogged(at(2))),
                (Began::At(at(2)), Ended::At(at(3))),
                (Began::Unlogged(Some(at(3))), Ended::At(at(4))),
                (Began::Unlogged(Some(at(4))), Ended::Not),
            ]
        );
        let reboot = [(1, Event::Start), (2, Event::Boot)];
        assert_eq!(told(&reboot, Some((false, 9))), [(Began::At(at(1)), Ended::Unlogged(at(2)))]);
        assert_eq!(told(&reboot, Some((true, 9)))[1], (Began::Unlogged(Some(at(2))), Ended::Not));
    }

    /// Each spell looked up by itself among all events: what stands before a stop, what stands after a start.
    fn looked_up(events: &[(Timestamp, Event)], seen: Option<(bool, Timestamp)>) -> Vec<Spell> {
        let mut all = Vec::new();
        let fits = seen.filter(|(_, looked)| events.iter().all(|(at, _)| at <= looked));
        for (index, (at, event)) in events.iter().enumerate() {
            let (before, after) = (index.checked_sub(1).map(|before| events[before]), events.get(index + 1));
            match event {
                Event::Start => {
                    let ended = match (after, fits) {
                        (Some((stop, Event::Stop)), _) => Ended::At(*stop),
                        (Some((other, _)), _) => Ended::Unlogged(*other),
                        (None, Some((true, _))) => Ended::Not,
                        (None, Some((false, looked))) => Ended::Unlogged(looked),
                        (None, None) => Ended::Unknown,
                    };
                    all.push(Spell { began: Began::At(*at), ended });
                }
                Event::Stop if !matches!(before, Some((_, Event::Start))) => {
                    all.push(Spell { began: Began::Unlogged(before.map(|(at, _)| at)), ended: Ended::At(*at) });
                }
                Event::Stop | Event::Boot => {}
            }
        }
        let last = events.last();
        if fits.is_some_and(|(runs, _)| runs) && !matches!(last, Some((_, Event::Start))) {
            all.push(Spell { began: Began::Unlogged(last.map(|(at, _)| *at)), ended: Ended::Not });
        }
        all
    }

    proptest! {
        #[test]
        fn spells_are_those_that_looking_up_each_by_itself_gives(
            steps in proptest::collection::vec((0_i64..3, 0_u8..5), 0..40),
            seen in proptest::option::of((any::<bool>(), 0_i64..130)),
        ) {
            let mut now = 0;
            let events: Vec<_> = steps
                .into_iter()
                .map(|(later, event)| {
                    now += later;
                    (at(now), [Event::Start, Event::Stop, Event::Start, Event::Stop, Event::Boot][usize::from(event)])
                })
                .collect();
            let seen = seen.map(|(runs, second)| (runs, at(second)));
            prop_assert_eq!(spells(&events, seen), looked_up(&events, seen));
        }
    }
}
