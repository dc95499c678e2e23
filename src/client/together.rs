//! One question for all who ask the same in the same words: one browser over many connections, many tabs.
//!
//! Who comes while such a question is under way does not get its answer, which may be of before they came. All who came
//! meanwhile are asked for once, after it: whoever was disabled before they asked gets nothing.

use crate::digest::Digest;
use crate::executor::protocol::Reply;
use crate::refusal::Refusal;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What all of them are told.
type Told = Result<Reply, Refusal>;

/// Whom to tell it. One who has gone away is not there any more.
type Asker = oneshot::Sender<Told>;

/// Questions under way, by the digest of their words, and who came since each of them was asked.
#[derive(Debug, Default)]
pub(super) struct Together(Mutex<HashMap<Digest, Vec<Asker>>>);

/// A question that is asked for all who ask it, one time after the other, until nobody waits.
#[derive(Debug)]
pub(super) struct UnderWay {
    of: Arc<Together>,
    words: Digest,
    is_over: bool,
}

impl Together {
    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Vec<Asker>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is told to whoever asks now; and, where nobody asks the same at present, the question, which is then to be asked.
    /// `words`: all of it that the executor is told, who asks included.
    pub(super) fn join(self: &Arc<Self>, words: Digest) -> (oneshot::Receiver<Told>, Option<UnderWay>) {
        let (asker, told) = oneshot::channel();
        let mut under_way = self.lock();
        let is_first = !under_way.contains_key(&words);
        let waiting = under_way.entry(words).or_default();
        if waiting.len() == waiting.capacity() {
            // Who comes and goes while one question is stuck takes no more room than who stays.
            waiting.retain(|asker| !asker.is_closed());
        }
        waiting.push(asker);
        (told, is_first.then(|| UnderWay { of: Arc::clone(self), words, is_over: false }))
    }
}

impl UnderWay {
    /// Those who are still there of who came until now: for them it is to be asked now. None: nobody is, and it is over.
    pub(super) fn next(&mut self) -> Option<Vec<Asker>> {
        let mut under_way = self.of.lock();
        let mut came = under_way.get_mut(&self.words).map(std::mem::take).unwrap_or_default();
        came.retain(|asker| !asker.is_closed());
        if came.is_empty() {
            under_way.remove(&self.words);
            self.is_over = true;
            return None;
        }
        Some(came)
    }
}

impl Drop for UnderWay {
    /// Before it is over: who waits is told nothing.
    fn drop(&mut self) {
        if !self.is_over {
            self.of.lock().remove(&self.words);
        }
    }
}
