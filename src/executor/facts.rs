//! The cached facts: gathered by a thread of their own, at the start, every minute, and when something has changed: by
//! the console, or in a watched file.
//! Nobody waits for a slow probe but who asks for it at the command line.

use super::core::{Executor, lock};
use super::protocol::Reply;
use crate::facts::HostFacts;
use crate::host::{GatherInput, gather};
use crate::refusal::Refusal;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between the beginnings of two looks at the host.
const REST: Duration = Duration::from_secs(1);
/// Between two glances at the journal and the watched files.
const GLANCE: Duration = Duration::from_secs(2);
/// Facts younger than this count as present for a plan and for findings at the command line.
const YOUNG: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct FactsCache {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    facts: Option<Arc<HostFacts>>,
    gathered: Option<Instant>,
    wanted: bool,
    refreshing: bool,
    stop: bool,
    count: u64,
}

impl FactsCache {
    pub(super) fn get(&self) -> Option<Arc<HostFacts>> {
        lock(&self.state).facts.clone()
    }

    pub(super) fn want(&self) {
        lock(&self.state).wanted = true;
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        lock(&self.state).stop = true;
        self.changed.notify_all();
    }
}

impl Executor {
    pub(super) fn read_facts(&self, refresh: bool) -> Result<Reply, Refusal> {
        if refresh {
            self.facts.want();
        }
        let (facts, refreshing) = {
            let state = lock(&self.facts.state);
            (state.facts.clone(), state.refreshing || state.wanted)
        };
        let facts = facts.map(|facts| Box::new(HostFacts::clone(&facts)));
        Ok(Reply::Facts { facts, refreshing, set_aside: self.aside() })
    }

    /// Gathers facts now and keeps them.
    pub fn gather_facts(&self) -> Arc<HostFacts> {
        lock(&self.facts.state).refreshing = true;
        let input = self.gather_input();
        // A package may have come or gone since.
        self.tools.write().unwrap_or_else(PoisonError::into_inner).refresh();
        let tools = self.tools.read().unwrap_or_else(PoisonError::into_inner).clone();
        let facts = Arc::new(gather(&self.layout, &tools, &input));
        let count = {
            let mut state = lock(&self.facts.state);
            state.facts = Some(Arc::clone(&facts));
            state.gathered = Some(Instant::now());
            state.refreshing = false;
            state.count += 1;
            state.count
        };
        self.facts.changed.notify_all();
        self.hints.tell(|hint| hint.facts = count);
        facts
    }

    fn gather_input(&self) -> GatherInput {
        let settings = self.settings();
        match self.read_configuration() {
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
    pub fn present_facts(&self) -> Arc<HostFacts> {
        let young = {
            let state = lock(&self.facts.state);
            let is_young = state.gathered.is_some_and(|at| at.elapsed() < YOUNG) && !state.wanted;
            state.facts.clone().filter(|_| is_young)
        };
        young.unwrap_or_else(|| self.gather_facts())
    }

    /// Keeps the facts fresh and looks after what happens outside of the console, until the executor ends.
    pub(super) fn watch_over_the_host(&self) {
        let mut alarm = self.evidence.rolled_back();
        loop {
            let begun = Instant::now();
            let traces = self.traces_of_watched();
            self.gather_facts();
            self.look_for_outside_changes();
            self.prune_history_daily();
            self.evidence.write_counted(false);
            self.evidence.tell();
            self.tell_of_runs();
            let now = self.evidence.rolled_back();
            if now && !alarm {
                self.end_all_sessions();
            }
            alarm = now;
            let until = Instant::now() + Duration::from_secs(u64::from(self.settings().refresh_seconds));
            let mut state = lock(&self.facts.state);
            loop {
                if state.stop {
                    return;
                }
                // Many changes in a row do not make the host be looked at without a pause.
                let rested = begun.elapsed() >= REST;
                if rested && std::mem::take(&mut state.wanted) {
                    break;
                }
                let now = Instant::now();
                if now >= until {
                    break;
                }
                // Other processes (the command line) append to the journal, and anyone edits files: look every few
                // seconds.
                let pause = if state.wanted { REST } else { GLANCE };
                let pause = pause.min(until - now);
                state = self.facts.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
                if !state.wanted && !state.stop {
                    drop(state);
                    self.evidence.tell();
                    self.tell_of_runs();
                    let changed = self.traces_of_watched() != traces;
                    state = lock(&self.facts.state);
                    state.wanted |= changed;
                }
            }
        }
    }
}
