//! Waiting for an answer after the network changed: keeping over a new connection, or putting back.

use super::others::Watched;
use super::{Compared, GLANCE};
use crate::journal::record::{Action as Act, Actor, Outcome, Reported};
use crate::operations::clock::SinceBoot;
use crate::operations::course::{Answer, Decision};
use crate::operations::current::locked;
use crate::operations::current::{Current, Nonce, Proof, not_taken};
use crate::operations::revert::{self, Pending, Phase, PutBackEvent};
use crate::operations::runner::Runner;
use crate::plan::{Check, PutBackStep, RunEventKind, RunState, Stream};
use crate::platform::crash_point;
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use jiff::SignedDuration;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most nonces of a run that are kept; the oldest goes.
const MOST_NONCES: usize = 64;

impl Runner {
    /// A nonce for Keep, for a connection that was accepted after the change.
    pub(in crate::operations) fn give_nonce(
        &self,
        current: &Current,
        accepted: SinceBoot,
        connection: u64,
    ) -> Result<Secret, Refusal> {
        use base64::Engine as _;
        let mut random = [0_u8; 24];
        getrandom::fill(&mut random)
            .map_err(|_| Refusal::new(RefusalKind::Failed, "The kernel gave no random bytes."))?;
        let text = Secret(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random));
        self.moves_with(current, |inner, now| {
            inner.course.time(now);
            inner.is_new_connection(current.id, accepted)?;
            if inner.nonces.len() >= MOST_NONCES {
                inner.nonces.remove(0);
            }
            inner.nonces.push(Nonce { text: text.clone(), connection });
            Ok(text)
        })
    }

    /// Takes an answer: judged, recorded and decided under one lock, so that what is recorded is what is done. Keeping is
    /// refused when it cannot be recorded; putting back, the safe way, is not.
    ///
    /// # Errors
    /// It was not taken, and nothing was recorded.
    pub(in crate::operations) fn decide(
        &self,
        current: &Current,
        answer: Answer,
        proof: Option<&Proof<'_>>,
        actor: &Actor,
        reported: &Reported,
    ) -> Result<(), Refusal> {
        let (act, message) = match (answer, proof) {
            (Answer::Keep, _) => (Act::Keep, format!("What run {} changed is kept by {}.", current.id, actor.name)),
            (Answer::PutBack, _) => (Act::Revert, format!("{} puts back what run {} changed.", actor.name, current.id)),
        };
        self.moves_with(current, |inner, now| {
            match inner.course.would_take(answer, now) {
                Ok(true) => {}
                // Said twice, or by two who agree: it is done, and recorded already.
                Ok(false) => return Ok(()),
                Err(why) => {
                    inner.course.time(now);
                    return Err(not_taken(current.id, &why));
                }
            }
            if let Some(proof) = proof {
                inner.check(current.id, proof)?;
            }
            let recorded = self.event(act, current, actor, reported, message);
            if answer == Answer::Keep {
                recorded?;
            }
            // The time that recording took counts for whoever was in time.
            inner.course.answer(answer, &actor.name, now).map(drop).map_err(|why| not_taken(current.id, &why))
        })
    }

    pub(super) fn no_longer_pending(&self, current: &Current) {
        if let Err(error) = Pending::remove(&self.host.layout) {
            self.words(current, format!("The saved state could not be taken away: {error}"));
        }
    }

    /// The network is changed: from now on an answer is waited for, and meanwhile the host is compared with the plan, in a
    /// thread of its own that nothing waits for but Keep.
    pub(super) fn begin_waiting(
        self: &Arc<Self>,
        current: &Arc<Current>,
        pending: &mut Pending,
        compared: &Arc<Compared>,
    ) -> Option<JoinHandle<()>> {
        let clock = &self.settings.clock;
        let time = Duration::from_secs(u64::from(pending.revert_after));
        let (changed, now) = (clock.boot(), clock.wall());
        pending.phase = Phase::Waiting;
        pending.deadline = now.saturating_add(SignedDuration::try_from(time).unwrap_or_default()).ok();
        pending.changed = Some(changed);
        pending.until = Some(changed.after(time));
        if let Err(error) = pending.write(&self.host.layout) {
            // It was written before the run; after a restart it would be put back at once, which is the safe side.
            self.words(current, format!("The time to answer could not be written down: {error}"));
        }
        let waits = self.moves_with(current, |inner, _| {
            inner.course.changed(changed, time);
            let waits = inner.course.waits().is_some();
            if waits {
                "Keep the new network?".clone_into(&mut inner.stored.run.summary);
            }
            waits
        });
        // It was ended, or the console stops: there is nothing to ask.
        if !waits {
            return None;
        }
        crash_point("run-awaiting-keep");
        let (runner, thread, compared) = (Arc::clone(self), Arc::clone(current), Arc::clone(compared));
        let started = std::thread::Builder::new()
            .name(format!("checks-{}", current.id))
            .spawn(move || runner.verify(&thread, &compared));
        started
            .map_err(|error| self.words(current, format!("The host could not be compared with the plan: {error}")))
            .ok()
    }

    /// Waits until it is decided whether to keep or to put back: by someone, by the time, or by a stop of the console.
    pub(super) fn wait_for_decision(&self, current: &Current) -> Decision {
        loop {
            if let Some(left) = self.runs.take_answer(current.id) {
                let answer = if left.keep { Answer::Keep } else { Answer::PutBack };
                // Whoever left it sees what was decided, and records a refusal.
                let _ = self.decide(current, answer, None, &left.actor, &Reported::default());
            }
            self.moves(current, crate::operations::course::Course::time);
            let inner = locked(&current.inner);
            if let Some(decision) = inner.course.decision() {
                return decision.clone();
            }
            drop(current.moved.wait_timeout(inner, GLANCE).unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn put_back_recorded(&self, current: &Current, pending: &Pending) -> Vec<PutBackStep> {
        // It is decided: what is half put back must never be kept, so a start after a sudden death goes on here.
        let decided = Pending { phase: Phase::Running, ..pending.clone() };
        if let Err(error) = decided.write(&self.host.layout) {
            self.words(current, format!("That it is put back could not be written down: {error}"));
        }
        crash_point("revert-begin");
        revert::put_back(&self.host, pending, &mut |event| match event {
            PutBackEvent::Command(argv) => self.say(current, RunEventKind::Command { argv: argv.to_vec() }),
            PutBackEvent::Ended(status, words) => {
                for word in words {
                    self.say(current, RunEventKind::Line { stream: Stream::Out, text: word.clone() });
                }
                let text = status
                    .map_or_else(|| "did not end by itself".to_owned(), |status| format!("ended with status {status}"));
                self.say(current, RunEventKind::Exit { status, text });
            }
            PutBackEvent::Words(words) => self.words(current, words),
        })
    }

    /// Waits until pf has let go of what was put back, so that the next plan finds the host as it was; not when the console
    /// is about to end. A sentence when it has not.
    fn wait_until_gone(&self, current: &Current, pending: &Pending, steps: &[PutBackStep]) -> Option<String> {
        let rules_are_back = steps.iter().any(|step| step.title == "pf rules" && step.done);
        if !rules_are_back {
            return None;
        }
        let go_on = || !locked(&current.inner).course.is_stopping();
        let there = revert::wait_for_what_leaves(&self.host, &pending.before, &go_on);
        if there.is_empty() {
            return None;
        }
        Some(format!(
            "pf still lists {}, empty: it lets go of them once no connection refers to the old rules.",
            there.join(" and ")
        ))
    }

    /// Puts back, checks, and ends the run so.
    pub(super) fn put_back_now(
        &self,
        current: &Current,
        pending: &Pending,
        decision: &Decision,
        watched: Option<&mut Watched>,
    ) {
        // What was compared with the plan says nothing of the host from here on.
        self.change(current, |run| run.checks.iter_mut().for_each(|check| check.before_put_back = true));
        let steps = self.put_back_recorded(current, pending);
        let because = decision.because();
        let still_there = self.wait_until_gone(current, pending, &steps);
        let by_others = watched.and_then(|watched| {
            watched.look(&self.host);
            watched.in_words()
        });
        let good = steps.iter().filter(|step| step.done).count();
        let whole = good == steps.len();
        let now = self.settings.clock.wall();
        for step in &steps {
            let check = Check {
                title: format!("Put back: {}", step.title),
                as_planned: Some(step.done),
                observed: step.detail.clone(),
                before: None,
                at: Some(now),
                before_put_back: false,
            };
            self.say(current, RunEventKind::Check(check));
        }
        let at = self.host.time_of_day(now);
        let (state, outcome, summary, remedy) = if whole {
            let summary = format!("Put back at {at}, {because}. The host is as before, checked: {good} of {good}.");
            (RunState::Reverted, Outcome::Reverted, summary, None)
        } else {
            let (what, remedy): (Vec<&str>, Vec<&str>) = steps
                .iter()
                .filter(|step| !step.done)
                .map(|step| {
                    let detail = step.detail.as_str();
                    detail.split_once(revert::AT_THE_MACHINE).unwrap_or((detail, "pfctl -s info; ifconfig -a"))
                })
                .map(|(what, command)| (what.trim_end_matches(['.', ' ']), command))
                .unzip();
            let summary = format!(
                "Put back in part at {at}, {because}: {good} of {} are as before. Could not put back: {}.",
                steps.len(),
                what.join("; ")
            );
            (
                RunState::RevertedInPart,
                Outcome::RevertedInPart,
                summary,
                Some(format!("{}{}", revert::AT_THE_MACHINE, remedy.join("; "))),
            )
        };
        let summary = [Some(summary), still_there, by_others].into_iter().flatten().collect::<Vec<_>>().join(" ");
        self.change(current, |run| run.put_back = steps);
        self.end(current, state, outcome, summary, remedy);
        // Last: who dies before has it put back once more, which finds nothing to do, and ends it.
        if let Err(error) = Pending::remove(&self.host.layout) {
            tracing::error!("the saved state of run {} could not be taken away: {error}", current.id);
        }
    }
}
