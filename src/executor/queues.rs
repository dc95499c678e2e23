//! The queues in which requests wait for a thread: one for each cost, and in each of them a turn for every asker.
//!
//! Nobody waits to get into a queue: who asks for more than their share is told to come back. So the socket is always
//! read, and what ends a danger gets to its own threads at once, whatever else waits.

use super::permissions::Queue;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How a queue is served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served {
    /// The name of its threads.
    pub name: &'static str,
    /// How many threads answer.
    pub threads: usize,
    /// How many of one asker may wait.
    pub share: usize,
    /// Whether one asker has at most one answered at a time.
    pub(crate) one_each: bool,
}

/// Askers that wait in one queue; beyond it others are told to come back.
const MOST_ASKERS: usize = 256;

impl Queue {
    /// All of them.
    pub(super) const ALL: [Self; 7] =
        [Self::Memory, Self::Disk, Self::Password, Self::Draft, Self::Long, Self::Change, Self::Urgent];

    /// Its place in [`Queue::ALL`].
    pub(super) fn place(self) -> usize {
        match self {
            Self::Memory => 0,
            Self::Disk => 1,
            Self::Password => 2,
            Self::Draft => 3,
            Self::Long => 4,
            Self::Change => 5,
            Self::Urgent => 6,
        }
    }

    pub(super) fn served(self) -> Served {
        let served = |name, threads, share, one_each| Served { name, threads, share, one_each };
        match self {
            // Browsers that follow something ask all at once when it grows.
            Self::Memory => served("memory", 2, 512, false),
            Self::Disk => served("disk", 4, 512, false),
            // Hashes are computed one at a time anyway.
            Self::Password => served("password", 1, 8, false),
            Self::Draft => served("draft", 2, 4, true),
            Self::Long => served("long", 2, 4, true),
            Self::Change => served("change", 2, 16, false),
            Self::Urgent => served("urgent", 2, 64, false),
        }
    }
}

/// One queue, in which askers take turns.
pub(super) struct FairQueue<T> {
    served: Served,
    state: Mutex<State<T>>,
    came: Condvar,
}

struct State<T> {
    waiting: HashMap<String, VecDeque<T>>,
    /// Whose turn it is next. An asker stands here once, while something of theirs waits and may be begun.
    turns: VecDeque<String>,
    at_work: HashSet<String>,
    closed: bool,
}

impl<T> FairQueue<T> {
    pub(super) fn new(served: Served) -> Self {
        let state = State { waiting: HashMap::new(), turns: VecDeque::new(), at_work: HashSet::new(), closed: false };
        Self { served, state: Mutex::new(state), came: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something of `asker` into the queue, or gives it back when their share is used up.
    pub(super) fn push(&self, asker: &str, work: T) -> Result<(), T> {
        let mut state = self.lock();
        let of_asker = state.waiting.get(asker).map(VecDeque::len);
        let full = match of_asker {
            Some(count) => count >= self.served.share,
            None => state.waiting.len() >= MOST_ASKERS,
        };
        if full || state.closed {
            return Err(work);
        }
        state.waiting.entry(asker.to_owned()).or_default().push_back(work);
        let may_begin = !(self.served.one_each && state.at_work.contains(asker));
        if of_asker.is_none() && may_begin {
            state.turns.push_back(asker.to_owned());
        }
        drop(state);
        self.came.notify_one();
        Ok(())
    }

    /// Waits for the next one; none when the queue is closed. The asker is named for [`FairQueue::done`].
    pub(super) fn take(&self) -> Option<(String, T)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(asker) = state.turns.pop_front() {
                let Some(of_asker) = state.waiting.get_mut(&asker) else { continue };
                let Some(work) = of_asker.pop_front() else { continue };
                let more = !of_asker.is_empty();
                if !more {
                    state.waiting.remove(&asker);
                }
                if self.served.one_each {
                    state.at_work.insert(asker.clone());
                } else if more {
                    state.turns.push_back(asker.clone());
                }
                return Some((asker, work));
            }
            state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What was taken for `asker` is answered.
    pub(super) fn done(&self, asker: String) {
        if !self.served.one_each {
            return;
        }
        let mut state = self.lock();
        state.at_work.remove(&asker);
        if state.waiting.contains_key(&asker) {
            state.turns.push_back(asker);
            drop(state);
            self.came.notify_one();
        }
    }

    /// Nobody is there to hear any more: what has not begun is not begun.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        state.turns.clear();
        drop(state);
        self.came.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(share: usize, one_each: bool) -> FairQueue<u32> {
        FairQueue::new(Served { name: "line", threads: 1, share, one_each })
    }

    #[test]
    fn whoever_asks_much_waits_behind_whoever_asks_little() {
        let line = line(100, false);
        for n in 0..100 {
            line.push("vera", n).unwrap();
        }
        assert_eq!(line.push("vera", 100), Err(100), "more than their share is told to come back");
        line.push("anna", 1000).unwrap();
        assert_eq!(line.take(), Some(("vera".to_owned(), 0)));
        assert_eq!(line.take(), Some(("anna".to_owned(), 1000)));
        assert_eq!(line.take(), Some(("vera".to_owned(), 1)));
    }

    #[test]
    fn one_asker_has_one_made_at_a_time_and_the_next_one_afterwards() {
        let line = line(4, true);
        line.push("vera", 0).unwrap();
        assert_eq!(line.take(), Some(("vera".to_owned(), 0)));
        line.push("vera", 1).unwrap();
        line.push("anna", 2).unwrap();
        assert_eq!(line.take(), Some(("anna".to_owned(), 2)));
        line.done("anna".to_owned());
        line.done("vera".to_owned());
        assert_eq!(line.take(), Some(("vera".to_owned(), 1)));
    }

    #[test]
    fn many_invented_askers_take_bounded_room() {
        let line = line(8, false);
        let taken = (0..10_000u32).filter(|n| line.push(&n.to_string(), *n).is_ok()).count();
        assert_eq!(taken, MOST_ASKERS);
        line.close();
        assert_eq!(line.take(), None);
    }

    #[test]
    fn every_queue_has_its_own_place() {
        for (place, queue) in Queue::ALL.into_iter().enumerate() {
            assert_eq!(queue.place(), place);
        }
    }
}
