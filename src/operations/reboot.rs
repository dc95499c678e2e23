//! Rebooting a host that is simulated. The machine itself is nobody's to reboot from a page: its admins do that, when
//! nobody needs it.

use super::engine::Engine;
#[cfg(feature = "simulator")]
use super::engine::Reboot;
use crate::files::{Busy, Lock};
use crate::journal::record::{Action, Actor, Entry, Outcome, Reported, Stage};
use crate::refusal::{Refusal, RefusalKind};
use std::time::Duration;

/// The object of its records.
const OBJECT: &str = "reboot";
/// How long it waits for another change to end.
const WAIT_FOR_LOCK: Duration = Duration::from_secs(2);

impl Engine {
    /// From now on the host, a simulated one, can be rebooted from here.
    #[cfg(feature = "simulator")]
    pub(crate) fn can_reboot(&self, reboot: Reboot) {
        let _ = self.reboots.set(reboot);
    }

    /// Whether the host can be rebooted from here.
    pub(crate) fn reboots(&self) -> bool {
        self.runner().host.layout.is_below_a_root() && self.reboots.get().is_some()
    }

    /// Reboots the simulated host. Recorded like any change: the intent first.
    ///
    /// # Errors
    /// The host is no simulated one, a run is under way or waits for an answer, or it could not be recorded: nothing has
    /// been done then. Or it was tried and failed.
    pub(crate) fn reboot(&self, actor: &Actor, reported: &Reported) -> Result<(), Refusal> {
        let Some(reboot) = self.reboots.get().filter(|_| self.reboots()) else {
            let words =
                "Only a simulated host is rebooted from here. At the machine, when nobody needs it: shutdown -r now";
            return Err(Refusal::new(RefusalKind::NotFound, words));
        };
        self.not_busy()?;
        let layout = &self.runner().host.layout;
        let who = format!("{}: {OBJECT}", actor.name);
        let _lock = Lock::acquire(layout, &who, WAIT_FOR_LOCK).map_err(|busy| match busy {
            Busy::Held { .. } => Refusal::new(RefusalKind::Busy, format!("{busy}. Nothing has been done.")),
            Busy::File(error) => Refusal::new(RefusalKind::Failed, error.to_string()),
        })?;
        self.nothing_pending()?;
        let entry = |stage, message: String| {
            let entry = Entry::event(actor.clone(), reported.clone(), Action::Run, OBJECT, message);
            Entry { stage, ..entry }
        };
        let intent = self.runner().record(entry(Stage::Intent, "The simulated host reboots.".to_owned()))?;
        let done = reboot(layout.root());
        let (outcome, message) = match &done {
            Ok(()) => (Outcome::Done, "The simulated host was rebooted.".to_owned()),
            Err(why) => (Outcome::Failed, format!("The simulated host could not be rebooted: {why}.")),
        };
        let ended = entry(Stage::Outcome, message.clone());
        self.runner().record(Entry { intent: Some(intent.sequence), outcome: Some(outcome), ..ended })?;
        done.map_err(|_| Refusal::new(RefusalKind::Failed, message))
    }
}
