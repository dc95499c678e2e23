//! The cached facts: gathered by a thread of their own, once at the start and then for those who ask. Nobody looks:
//! nothing runs.
//!
//! A page that asks for facts older than `refresh_seconds`, or that wants new ones, starts a look and gets those of now;
//! nobody waits for a slow probe but who asks for it at the command line. There is one look at a time and at most one in
//! five seconds, whoever asks. What the console or someone else changes makes the facts outdated: they are gathered again
//! at once while someone looks, and else when the next one asks. Meanwhile the watched files are glanced at, which starts
//! no program.

use super::common::lock;
use super::facts_cache::{Beside, Noted, REST, State, Told};
use super::protocol::{FactsView, Reply};
use super::watch::Watching;
use crate::facts::HostFacts;
use crate::host::{GatherInput, gather, pf_rules_path};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Between two glances at the journal and the watched files.
const GLANCE: Duration = Duration::from_secs(2);
/// Facts younger than this count as present for a plan and for findings at the command line.
const YOUNG: Duration = Duration::from_secs(2);
/// The longest wait before the first look at the host, and how often it is looked whether it has ended.
const BEFORE_FIRST_LOOK: Duration = Duration::from_millis(500);
const READY_LOOK: Duration = Duration::from_millis(5);
/// Between two turns of what is to be done now and then.
const TURN: Duration = Duration::from_mins(1);

impl Watching {
    pub(super) fn read_facts(&self, refresh: bool) -> Reply {
        let mut wanted = self.wanted_by_a_page();
        Reply::Facts(view(&self.told(|state| wanted(state) || refresh)))
    }

    /// For pages that are left open: any number of them costs the host nothing until something has changed it.
    pub(super) fn follow_facts(&self) -> Reply {
        Reply::Facts(view(&self.told(|state| state.outdated)))
    }

    /// What a page about the host shows of it, as [`Watching::read_facts`] and [`Watching::follow_facts`] give it.
    pub(super) fn told_to_page(&self, follows: bool) -> Told {
        if follows { self.told(|state| state.outdated) } else { self.told(self.wanted_by_a_page()) }
    }

    /// The same for who does not look at the host.
    pub(super) fn told_to_others(&self) -> Told {
        self.told(|_| false)
    }

    /// Someone looks: facts that are old or known to be so are a reason to look at the host.
    fn wanted_by_a_page(&self) -> impl FnMut(&mut State) -> bool + use<> {
        let age = Duration::from_secs(u64::from(self.settings.get().refresh_seconds));
        move |state| {
            state.asked = Some(Instant::now());
            state.outdated || state.gathered.is_none_or(|gathered| gathered.elapsed() >= age)
        }
    }

    /// What pages show of the host now; where new facts are wanted, the watching thread is woken.
    fn told(&self, wanted: impl FnOnce(&mut State) -> bool) -> Told {
        // Small files that other processes write, too: read each time, so that what they say is told at once.
        let noted = Noted { dismissed: self.engine.dismissed_items(), left_drift: self.engine.left_drift() };
        self.facts.told(noted, wanted)
    }

    /// Gathers facts now and keeps them.
    pub(super) fn gather_facts(&self) -> Arc<HostFacts> {
        let begun = Instant::now();
        let awaited = {
            let mut state = lock(&self.facts.state);
            state.refreshing = true;
            state.begun = Some(begun);
            // What changes from now on is not in these.
            state.outdated = false;
            std::mem::take(&mut state.wanted)
        };
        let input = self.gather_input();
        let tools = self.tools.refresh();
        let facts = Arc::new(gather(&self.layout, &tools, &input));
        let beside = Beside { leftovers: self.engine.leftovers(&facts), removed: self.engine.removed() };
        let count = self.facts.keep(Arc::clone(&facts), beside, begun, awaited);
        self.facts.changed.notify_all();
        self.hints.tell(|hint| hint.facts = count);
        facts
    }

    fn gather_input(&self) -> GatherInput {
        let settings = self.settings.get();
        match self.managed.read_configuration() {
            Ok(files) => GatherInput::new(&files.configuration, &settings.pf_files),
            // A file that cannot be read is a finding elsewhere; the host is looked at with pot's own defaults.
            Err(_) => GatherInput {
                pot_zfs_root: "zroot/pot".to_owned(),
                pot_fs_root: "/opt/pot".to_owned(),
                pot_group: "pot".to_owned(),
                pf_files: settings.pf_files.clone(),
                paths: Vec::new(),
            },
        }
    }

    /// Facts that are only moments old: for a plan, and at the command line.
    pub(super) fn present_facts(&self) -> Arc<HostFacts> {
        let young = {
            let state = lock(&self.facts.state);
            let is_young = state.gathered.is_some_and(|at| at.elapsed() < YOUNG) && !state.wanted && !state.outdated;
            state.facts.clone().filter(|_| is_young)
        };
        young.unwrap_or_else(|| self.gather_facts())
    }

    /// rc.conf may name another file of pf now; a look tells that, too, but none may be due.
    pub(super) fn read_pf_path(&self) {
        if lock(&self.facts.state).wanted {
            return;
        }
        let tools = self.tools.get();
        let path = pf_rules_path(&self.layout, &tools);
        let mut state = lock(&self.facts.state);
        state.pf_path = path.or(state.pf_path.take());
    }

    /// Waits until the first web process accepts connections, someone wants facts, or a moment has passed: both begin with
    /// as much work as there is for every processor, and a page without facts comes sooner than one with them.
    pub(super) fn let_the_web_process_begin(&self) {
        let until = Instant::now() + BEFORE_FIRST_LOOK;
        let mut state = lock(&self.facts.state);
        while !state.stop && !state.wanted && self.hints.ready_count() == 0 && Instant::now() < until {
            state = self.facts.changed.wait_timeout(state, READY_LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn wait_for_something(&self, traces: &Traces) -> Woken {
        let until = Instant::now() + TURN;
        let mut glanced = Instant::now();
        let mut state = lock(&self.facts.state);
        loop {
            if state.stop {
                return Woken::Stop;
            }
            let now = Instant::now();
            // Many who ask do not make the host be looked at without a pause.
            let rest = state.begun.map_or(Duration::ZERO, |begun| (begun + REST).saturating_duration_since(now));
            if state.wanted && rest.is_zero() {
                return Woken::Wanted;
            }
            if now >= until {
                return Woken::Turn;
            }
            let pause = if state.wanted { rest.min(GLANCE) } else { GLANCE };
            state = self.facts.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
            if glanced.elapsed() >= GLANCE && !state.stop {
                drop(state);
                glanced = Instant::now();
                // Other processes (the command line) append to the journal, and anyone edits files.
                self.evidence.tell();
                self.tell_of_runs();
                if self.traces_of_watched() != *traces {
                    return Woken::Changed;
                }
                state = lock(&self.facts.state);
            }
        }
    }
}

/// The same as an answer.
pub(super) fn view(told: &Told) -> FactsView {
    let left = told.beside.leftovers.as_deref();
    FactsView {
        facts: told.facts.as_ref().map(|facts| Box::new(HostFacts::clone(facts))),
        refreshing: told.refreshing,
        dismissed: told.noted.dismissed.clone(),
        left_drift: told.noted.left_drift.clone(),
        leftovers: left.map(|left| left.iter().map(|(_, title)| title.clone()).collect()),
        left: left.map(|left| left.iter().map(|(item, _)| *item).collect()).unwrap_or_default(),
        removed: told.beside.removed,
        revision: told.revision,
    }
}

/// What the watched files look like.
pub(super) type Traces = [Option<super::managed::Trace>; super::watch::WATCHED.len()];

/// Why the thread that watches goes on.
pub(super) enum Woken {
    /// The executor ends.
    Stop,
    /// It is time for what is done now and then.
    Turn,
    /// Someone wants new facts, and there was a rest.
    Wanted,
    /// A watched file is another.
    Changed,
}
