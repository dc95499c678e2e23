//! Turns: each session has so many at a time, whatever the others do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Turns at one kind of work, the same number for each session.
#[derive(Debug)]
pub(crate) struct Turns {
    each: usize,
    /// Of those who have one or wait for one.
    sessions: Mutex<BTreeMap<String, Weak<Semaphore>>>,
}

impl Turns {
    /// `each`: how many of one session are worked on at a time.
    pub const fn new(each: usize) -> Self {
        Self { each, sessions: Mutex::new(BTreeMap::new()) }
    }

    /// Waits for this session's turn. It lasts as long as what is given back is kept.
    ///
    /// # Errors
    /// Never: nobody ends the turns.
    pub async fn take(&self, session: &str) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.of(session).acquire_owned().await
    }

    /// This session's turn, if one is left now.
    pub(crate) fn try_take(&self, session: &str) -> Option<OwnedSemaphorePermit> {
        self.of(session).try_acquire_owned().ok()
    }

    fn of(&self, session: &str) -> Arc<Semaphore> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, turns| turns.strong_count() > 0);
        let known = sessions.get(session).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let turns = Arc::new(Semaphore::new(self.each));
            sessions.insert(session.to_owned(), Arc::downgrade(&turns));
            turns
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_takes_all_their_turns_leaves_the_others_theirs() {
        let turns = Turns::new(2);
        let held = [turns.take("vera").await.unwrap(), turns.take("vera").await.unwrap()];
        assert!(turns.try_take("vera").is_none());
        assert!(turns.try_take("anna").is_some() && turns.take("anna").await.is_ok());
        drop(held);
        assert!(turns.try_take("vera").is_some());
        // Nothing is kept of those who have gone.
        drop(turns.try_take("olaf"));
        assert_eq!(turns.sessions.lock().unwrap().len(), 1);
    }
}
