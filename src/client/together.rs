//! One question for all who ask the same in the same words: one browser over many connections, many tabs.
//!
//! Who comes while such a question is under way does not get its answer, which may be of before they came. All who came
//! meanwhile are asked for once, after it: whoever was disabled before they asked gets nothing.

use crate::executor::protocol::Reply;
use crate::refusal::Refusal;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What all of them are told.
type Told = Result<Reply, Refusal>;

/// Questions under way, by their words, and who waits for each of them to be over.
type UnderWayNow = HashMap<Arc<[u8]>, Vec<oneshot::Sender<Told>>>;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Together(Mutex<UnderWayNow>);

/// Who asks.
#[derive(Debug)]
pub(super) enum Joined {
    /// Nobody asks this at present.
    First(UnderWay),
    /// It is under way. What arrives was asked for later; nothing arrives when whoever was to ask has gone.
    Waits(oneshot::Receiver<Told>),
}

/// A question that is asked for all who ask it, one time after the other, until nobody waits. Dropped before, those who
/// wait are told nothing and ask for themselves.
#[derive(Debug)]
pub(super) struct UnderWay {
    of: Arc<Together>,
    words: Arc<[u8]>,
}

impl Together {
    fn lock(&self) -> MutexGuard<'_, UnderWayNow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `words`: all of the question that the executor is told, who asks included.
    pub(super) fn join(self: &Arc<Self>, words: Vec<u8>) -> Joined {
        let mut under_way = self.lock();
        if let Some(waiting) = under_way.get_mut(&words[..]) {
            let (tell, told) = oneshot::channel();
            waiting.push(tell);
            return Joined::Waits(told);
        }
        let words: Arc<[u8]> = words.into();
        under_way.insert(Arc::clone(&words), Vec::new());
        Joined::First(UnderWay { of: Arc::clone(self), words })
    }
}

impl UnderWay {
    /// To be called when its answer is there: those who came since and are still there, for whom it is to be asked again.
    pub(super) fn came_since(&self) -> Vec<oneshot::Sender<Told>> {
        let came = self.of.lock().get_mut(&self.words).map(std::mem::take).unwrap_or_default();
        came.into_iter().filter(|asker| !asker.is_closed()).collect()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.of.lock().remove(&self.words);
    }
}
