//! The strip below the head of every page: what nobody should overlook, wherever they are. Nothing when there is nothing.
//!
//! A page has it from its own request; a script asks again every few seconds and is answered only when it has changed, so
//! that a screen reader is told once.

use super::layout::{Clock, Icon, Strip as Shown, Time};
use crate::digest::Digest;
use crate::executor::protocol::{OutsideChange, RunUnderWay, Strip};
use crate::journal::record::Role;
use askama::Template;

/// `templates/_partials/strip.html`.
#[derive(Debug, Template)]
#[template(path = "_partials/strip.html")]
pub(super) struct StripView {
    run: Option<(RunUnderWay, Option<Ends>)>,
    outside: Option<(OutsideChange, Time)>,
    reboot: Vec<String>,
    /// Proof of the form that reboots a simulated host; none: it is not offered.
    reboots: Option<String>,
    drafts: String,
    may_change: bool,
}

/// When an answer must have come, for the clock on the wall and for the script's own.
#[derive(Debug, Clone)]
struct Ends {
    at: Time,
    at_ms: i64,
}

impl StripView {
    /// What stands there for someone of this role.
    pub(super) fn of(strip: &Strip, role: Role, clock: &Clock, csrf: &str) -> Self {
        Self {
            run: strip.run.clone().map(|run| {
                let ends = run.deadline.map(|at| Ends { at: clock.time(&at), at_ms: at.as_millisecond() });
                (run, ends)
            }),
            outside: strip.outside.clone().map(|change| {
                let at = clock.moment(&change.at);
                (change, at)
            }),
            reboot: strip.reboot.clone(),
            // Refused while something runs or waits: not offered then.
            reboots: (strip.can_reboot && strip.run.is_none() && role >= Role::Operator).then(|| csrf.to_owned()),
            drafts: match strip.drafts.as_slice() {
                [] => String::new(),
                [one] => one.clone(),
                [all @ .., last] => format!("{} and {last}", all.join(", ")),
            },
            may_change: role >= Role::Operator,
        }
    }

    /// The same on the page of this run, which shows it itself.
    #[must_use]
    pub(super) fn on_run(mut self, id: u64) -> Self {
        self.run = self.run.filter(|(run, _)| run.id != id);
        self
    }

    /// Whether anything stands there.
    fn is_empty(&self) -> bool {
        self.run.is_none() && self.outside.is_none() && self.reboot.is_empty() && self.drafts.is_empty()
    }

    /// As pages hold it.
    pub(super) fn shown(&self) -> Shown {
        // A strip that cannot be written is missed on this page alone.
        let html = if self.is_empty() { String::new() } else { self.render().unwrap_or_default() };
        let version = if html.is_empty() {
            "none".to_owned()
        } else {
            // The proof in its form is another one in each answer, and no other strip.
            let told = self.reboots.as_ref().map_or_else(|| html.clone(), |proof| html.replace(proof, ""));
            Digest::of(told.as_bytes()).hex().chars().take(12).collect()
        };
        Shown { html, version }
    }

    fn warn() -> Icon {
        Icon::new("warn", "", "is-warn")
    }

    fn now() -> Icon {
        Icon::new("now", "", "is-accent")
    }
}
