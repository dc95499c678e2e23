//! The facts as they were gathered last, and who wants new ones.

use super::common::lock;
use super::evidence::RateLimiter;
use super::requester::Requester;
use crate::facts::{HostFacts, LeftDrift};
use crate::journal::record::Role;
use crate::layout::Layout;
use crate::plan::{Leftover, Preparation};
use crate::refusal::{Refusal, RefusalKind};
use jiff::Timestamp;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Between the beginnings of two looks at the host.
pub(super) const REST: Duration = Duration::from_secs(5);
/// Someone looks who has asked for facts within this time.
const LOOKING: Duration = Duration::from_mins(1);
/// Plans that those who may only look can have at once, and then one each so often: each is a whole look at the host.
const PREVIEWS: (u32, Duration) = (4, REST);

pub(super) struct FactsCache {
    layout: Layout,
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
    previews: Mutex<RateLimiter>,
}

/// What is told beside the facts, of the same moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Beside {
    /// What of pot is left on a host on which it is not initialised; none: it is, or that is not known.
    pub(super) leftovers: Option<Vec<(Leftover, String)>>,
    /// When pot was removed from here.
    pub(super) removed: Option<Timestamp>,
}

/// What someone said of this host, which no file of it holds; other processes write it, too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// Advised to-dos that are not wanted.
    pub(super) dismissed: Vec<Preparation>,
    /// Differences that are known and left.
    pub(super) left_drift: Vec<LeftDrift>,
}

/// What pages show of the host, all of one moment: there is one of it for each revision.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) facts: Option<Arc<HostFacts>>,
    pub(super) beside: Beside,
    pub(super) noted: Noted,
    /// Whether a gathering is under way, or about to be; it has no part in the revision.
    pub(super) refreshing: bool,
    pub(super) revision: u64,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) facts: Option<Arc<HostFacts>>,
    /// What goes with them.
    pub(super) beside: Beside,
    /// What was told last beside both.
    noted: Noted,
    /// When the last look began.
    pub(super) begun: Option<Instant>,
    /// When it ended.
    pub(super) gathered: Option<Instant>,
    /// When someone asked last.
    pub(super) asked: Option<Instant>,
    /// The facts are known to be those of before a change.
    pub(super) outdated: bool,
    /// Someone waits for new ones.
    pub(super) wanted: bool,
    pub(super) refreshing: bool,
    pub(super) stop: bool,
    pub(super) count: u64,
    /// Another number whenever pages have something else to show of the host: also that it is being read, or was.
    pub(super) revision: u64,
    /// The path of pf's file, as it was last read.
    pub(super) pf_path: Option<String>,
}

impl State {
    fn is_looked_at(&self) -> bool {
        self.asked.is_some_and(|asked| asked.elapsed() < LOOKING)
    }
}

impl FactsCache {
    pub(super) fn of(layout: &Layout) -> Self {
        Self {
            layout: layout.clone(),
            // Milliseconds since 1970 at the start: a page of before a restart has none of the numbers of after it.
            state: Mutex::new(State {
                revision: u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default(),
                ..State::default()
            }),
            changed: Condvar::new(),
            previews: Mutex::new(RateLimiter::new(PREVIEWS)),
        }
    }

    /// The host's name; this machine's until it has been looked at.
    pub(super) fn hostname(&self) -> String {
        self.get()
            .and_then(|facts| facts.system.get().map(|system| system.hostname.clone()))
            .filter(|name| !name.is_empty())
            .or_else(|| {
                // This machine's name is not the simulated host's.
                let own = || nix::unistd::gethostname().ok()?.into_string().ok();
                if self.layout.is_below_a_root() { Some("simulated host".to_owned()) } else { own() }
            })
            .unwrap_or_default()
    }

    /// Those who may only look make plans at a pace that leaves the host to those who work on it.
    pub(super) fn pace_previews(&self, requester: &Requester) -> Result<(), Refusal> {
        if requester.role == Some(Role::Viewer) && !lock(&self.previews).take(Instant::now()) {
            let words =
                "Each plan looks at the whole host, so they are made one in five seconds. Try again in a moment.";
            return Err(Refusal::new(RefusalKind::Throttled, words));
        }
        Ok(())
    }

    pub(super) fn get(&self) -> Option<Arc<HostFacts>> {
        lock(&self.state).facts.clone()
    }

    /// What pages show of the host, beside what stands noted now. `wanted`: whether this is a reason to look at the host.
    pub(super) fn told(&self, noted: Noted, wanted: impl FnOnce(&mut State) -> bool) -> Told {
        let mut state = lock(&self.state);
        let was_wanted = state.wanted;
        state.wanted |= wanted(&mut state);
        if state.noted != noted {
            state.noted = noted;
            state.revision += 1;
        }
        if state.wanted && !was_wanted {
            self.changed.notify_all();
        }
        Told {
            facts: state.facts.clone(),
            beside: state.beside.clone(),
            noted: state.noted.clone(),
            refreshing: state.refreshing || state.wanted,
            revision: state.revision,
        }
    }

    /// The path of pf's file; none when it is not known.
    pub(super) fn pf_path(&self) -> Option<String> {
        lock(&self.state).pf_path.clone()
    }

    /// Something has changed the host: who looks gets new facts soon, nobody else makes the host be asked.
    pub(super) fn outdate(&self) {
        let mut state = lock(&self.state);
        state.outdated = true;
        state.revision += 1;
        state.wanted |= state.is_looked_at();
        drop(state);
        self.changed.notify_all();
    }

    /// Keeps what a look found that began at `begun`; `awaited`: someone was told that it is to come. Gives the count of
    /// looks.
    pub(super) fn keep(&self, facts: Arc<HostFacts>, beside: Beside, begun: Instant, awaited: bool) -> u64 {
        // Compared before the lock is taken: of a large host that takes a moment.
        let known = self.get().filter(|known| facts.tell_the_same_as(known));
        let mut state = lock(&self.state);
        // Whoever was shown that the host is read has something else to show, even where nothing else is new.
        let awaited = awaited || state.asked.is_some_and(|asked| asked >= begun);
        // Another look may have ended meanwhile: these were not held against what it found.
        let is_same = known.zip(state.facts.as_ref()).is_some_and(|(known, last)| Arc::ptr_eq(&known, last));
        let is_same = is_same && state.beside == beside;
        state.revision += u64::from(!is_same || awaited);
        state.beside = beside;
        if let Some(file) = facts.pf_file.get() {
            state.pf_path = Some(file.path.clone());
        }
        state.facts = Some(facts);
        state.gathered = Some(Instant::now());
        state.refreshing = false;
        state.count += 1;
        state.count
    }

    pub(super) fn stop(&self) {
        lock(&self.state).stop = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Fact;
    use std::path::Path;

    #[test]
    fn a_look_that_finds_nothing_new_gives_open_pages_nothing_to_show_unless_they_say_that_the_host_is_read() {
        let cache = FactsCache::of(&Layout::new(Path::new("/nowhere"), None));
        let look = |forwarding: bool, awaited: bool| {
            let facts = HostFacts { forwarding: Fact::known(forwarding, "sysctl"), ..HostFacts::unknown("not asked") };
            let begun = Instant::now();
            cache.keep(Arc::new(facts), Beside::default(), begun, awaited);
            lock(&cache.state).revision
        };
        let first = look(true, true);
        assert_eq!(look(true, false), first, "another look, by a plan or the command line");
        assert_eq!(look(true, true), first + 1, "pages that wait are told that it is done");
        assert_eq!(look(false, false), first + 2, "something else was found");
        lock(&cache.state).asked = Some(Instant::now() + Duration::from_secs(60));
        assert_eq!(look(false, false), first + 3, "one was opened while the host was read");
    }
}
