//! Waiting for an answer after the network changed: keeping over a new connection, or putting back.

use super::{Current, GLANCE, Nonce, VERIFY, Wish};
use crate::journal::record::{Action as Act, Outcome, Reported};
use crate::operations::engine::{Engine, locked};
use crate::operations::plan::{Check, PutBackStep, RunEventKind, RunState, Stream};
use crate::operations::revert::{self, Pending, Phase, Said};
use crate::platform::crash_point;
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq as _;

/// How a wait for Keep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    Kept,
    PutBack,
    Late,
    Stopped,
}

impl Current {
    /// A nonce for Keep.
    pub(in crate::operations) fn nonce(&self, accepted_ms: i64, connection: u64) -> Result<Secret, Refusal> {
        self.is_new_connection(accepted_ms)?;
        let mut random = [0_u8; 24];
        getrandom::fill(&mut random)
            .map_err(|_| Refusal::new(RefusalKind::Failed, "The kernel gave no random bytes."))?;
        use base64::Engine as _;
        let text = Secret(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random));
        let mut nonces = locked(&self.nonces);
        if nonces.len() >= 64 {
            nonces.remove(0);
        }
        nonces.push(Nonce { text: text.clone(), connection });
        Ok(text)
    }

    /// Whether it was given out, on another connection than this, and both came after the change.
    pub(in crate::operations) fn check_nonce(
        &self,
        nonce: &Secret,
        accepted_ms: i64,
        connection: u64,
    ) -> Result<(), Refusal> {
        self.is_new_connection(accepted_ms)?;
        let nonces = locked(&self.nonces);
        let given = nonces.iter().find(|given| bool::from(given.text.0.as_bytes().ct_eq(nonce.0.as_bytes())));
        match given {
            None => {
                Err(Refusal::new(RefusalKind::Conflict, "Keep was not confirmed by this host. Load the page again."))
            }
            Some(given) if given.connection == connection => Err(Refusal::new(
                RefusalKind::Conflict,
                "Keep came over the connection on which it was asked, which proves nothing. Try again.",
            )),
            Some(_) => Ok(()),
        }
    }

    fn is_new_connection(&self, accepted_ms: i64) -> Result<(), Refusal> {
        let inner = locked(&self.inner);
        if inner.stored.run.state != RunState::AwaitingKeep {
            return Err(Refusal::new(RefusalKind::NotFound, format!("Run {} does not wait to be kept.", self.id)));
        }
        if inner.changed_ms.is_none_or(|changed| accepted_ms <= changed) {
            return Err(Refusal::new(
                RefusalKind::Conflict,
                "This connection is older than the change: it says nothing about whether a new one gets through.",
            ));
        }
        Ok(())
    }
}

impl Engine {
    /// Keeps or puts back, after the wait.
    pub(super) fn after_waiting(&self, current: &Current, pending: &Pending, answered: Answered, kept: impl FnOnce()) {
        match answered {
            Answered::Kept => {
                self.no_longer_pending(current);
                kept();
            }
            Answered::PutBack => self.put_back_now(current, pending, "because someone asked for it"),
            Answered::Late => self.put_back_now(current, pending, "because no answer arrived"),
            Answered::Stopped => self.put_back_now(current, pending, "because the console was stopped"),
        }
    }

    pub(super) fn no_longer_pending(&self, current: &Current) {
        if let Err(error) = Pending::remove(&self.host.layout) {
            self.words(current, format!("The saved state could not be taken away: {error}"));
        }
    }

    /// Waits for Keep, putting back or the deadline; `verify` runs meanwhile in a thread of its own.
    pub(super) fn await_keep(
        self: &Arc<Self>,
        current: &Current,
        pending: &mut Pending,
        verify: impl FnOnce(&Arc<Self>) + Send,
    ) -> Answered {
        let time = Duration::from_secs(u64::from(pending.revert_after));
        let until = Instant::now() + time;
        let now = Timestamp::now();
        let deadline = now.saturating_add(SignedDuration::try_from(time).unwrap_or_default()).unwrap_or(now);
        pending.phase = Phase::Waiting;
        pending.deadline = Some(deadline);
        pending.changed_ms = Some(now.as_millisecond());
        if let Err(error) = pending.write(&self.host.layout) {
            // It was written before the run; after a restart it would be put back at once, which is the safe side.
            self.words(current, format!("The time to answer could not be written down: {error}"));
        }
        {
            let mut inner = locked(&current.inner);
            inner.changed_ms = pending.changed_ms;
            let run = &mut inner.stored.run;
            run.deadline = Some(deadline);
            run.abortable = false;
            "Keep the new network?".clone_into(&mut run.summary);
        }
        self.say(current, RunEventKind::State { state: RunState::AwaitingKeep });
        crash_point("run-awaiting-keep");
        std::thread::scope(|scope| {
            let verification = scope.spawn(|| verify(self));
            let answered = self.wait_for_answer(current, until);
            // The question is answered: pages no longer count down.
            self.change(current, |run| run.deadline = None);
            // A verification that hangs must not hold up putting back; its probes have time limits of their own.
            if answered == Answered::Kept {
                let patience = Instant::now() + VERIFY;
                while !verification.is_finished() && Instant::now() < patience {
                    std::thread::sleep(Duration::from_millis(20));
                }
            } else {
                // Before the scope waits for the thread, the host is put back.
                self.put_back_first(current, pending);
            }
            answered
        })
    }

    pub(super) fn wait_for_answer(&self, current: &Current, until: Instant) -> Answered {
        let fits = |wish| matches!(wish, Wish::Keep | Wish::PutBack | Wish::Stop);
        loop {
            let glance = until.min(Instant::now() + GLANCE);
            match current.next_wish(glance, fits) {
                Some(Wish::Keep) => return Answered::Kept,
                Some(Wish::PutBack) => return Answered::PutBack,
                Some(Wish::Stop) => return Answered::Stopped,
                Some(Wish::Abort) | None => {}
            }
            if let Some(answer) = self.runs.take_answer(current.id) {
                let (act, words) = if answer.keep { (Act::Keep, "is kept") } else { (Act::Revert, "is put back") };
                let message = format!("What run {} changed {words} by {}.", current.id, answer.actor.name);
                let mut entry = Self::entry(act, current.operation, &answer.actor, &Reported::default(), message);
                entry.run = Some(current.id);
                entry.outcome = Some(Outcome::Done);
                let _ = self.record(entry);
                return if answer.keep { Answered::Kept } else { Answered::PutBack };
            }
            if Instant::now() >= until {
                return Answered::Late;
            }
        }
    }

    /// Puts the host back; what is said about it follows in [`Self::put_back_now`], which finds it done.
    pub(super) fn put_back_first(&self, current: &Current, pending: &Pending) {
        let steps = self.restore(current, pending);
        self.change(current, |run| run.put_back = steps);
    }

    fn restore(&self, current: &Current, pending: &Pending) -> Vec<PutBackStep> {
        // It is decided: what is half put back must never be kept, so a start after a sudden death goes on here.
        let decided = Pending { phase: Phase::Running, ..pending.clone() };
        if let Err(error) = decided.write(&self.host.layout) {
            self.words(current, format!("That it is put back could not be written down: {error}"));
        }
        crash_point("revert-begin");
        revert::put_back(&self.host, pending, &mut |said| match said {
            Said::Command(argv) => self.say(current, RunEventKind::Command { argv: argv.to_vec() }),
            Said::Ended(status, words) => {
                for word in words {
                    self.say(current, RunEventKind::Line { stream: Stream::Out, text: word.clone() });
                }
                let text = status
                    .map_or_else(|| "did not end by itself".to_owned(), |status| format!("ended with status {status}"));
                self.say(current, RunEventKind::Exit { status, text });
            }
            Said::Words(words) => self.words(current, words),
        })
    }

    /// Puts back, checks, and ends the run so.
    pub(super) fn put_back_now(&self, current: &Current, pending: &Pending, because: &str) {
        let mut steps = locked(&current.inner).stored.run.put_back.clone();
        if steps.is_empty() {
            steps = self.restore(current, pending);
        }
        let good = steps.iter().filter(|step| step.done).count();
        let whole = good == steps.len();
        for step in &steps {
            let check = Check {
                title: format!("Put back: {}", step.title),
                as_planned: Some(step.done),
                observed: step.detail.clone(),
                before: None,
                at: Some(Timestamp::now()),
            };
            self.say(current, RunEventKind::Check(check));
        }
        let at = self.host.time_of_day(Timestamp::now());
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
        self.change(current, |run| run.put_back = steps);
        if let Err(error) = Pending::remove(&self.host.layout) {
            self.words(current, format!("The saved state could not be taken away: {error}"));
        }
        self.end(current, state, outcome, summary, remedy);
    }
}
