//! What someone said of this host that no file of it holds: advised to-dos that are not wanted, differences that are known
//! and left. Small lists in the console's private folder, recorded in the history.

use super::engine::Engine;
use super::runner::failed;
use crate::facts::LeftDrift;
use crate::files::{self, Expected};
use crate::journal::record::{Action, Actor, Entry, Outcome, Reported};
use crate::plan::Preparation;
use crate::refusal::{Refusal, RefusalKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

const DISMISSED: &str = "set-aside.json";
const LEFT_DRIFT: &str = "left-drift.json";
/// Most differences that are left at once, and the longest text of each side: there are some fifteen kinds.
const MOST_LEFT: usize = 32;
const LONGEST: usize = 4 << 10;

impl Engine {
    /// Dismisses an advised to-do, or takes it up again.
    ///
    /// # Errors
    /// It could not be recorded or written.
    pub(crate) fn dismiss(
        &self,
        item: Preparation,
        dismissed: bool,
        actor: &Actor,
        reported: &Reported,
    ) -> Result<(), Refusal> {
        let mut items = self.dismissed_items();
        if items.contains(&item) == dismissed {
            return Ok(());
        }
        items.retain(|one| *one != item);
        if dismissed {
            items.push(item);
        }
        let name = item.name();
        let words = item.in_words();
        let message =
            if dismissed { format!("Not wanted on this host: {words}.") } else { format!("Wanted again: {words}.") };
        self.note(DISMISSED, &items, name, message, actor, reported)
    }

    /// Leaves a difference as it is, or takes it up again. It is left only as long as both sides stay the same.
    ///
    /// # Errors
    /// The difference is none that could be; it could not be recorded or written.
    pub(crate) fn leave_drift(
        &self,
        drift: LeftDrift,
        leave: bool,
        actor: &Actor,
        reported: &Reported,
    ) -> Result<(), Refusal> {
        let is_name = drift.id.len() <= 64 && drift.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        let is_text = |text: &str| text.len() <= LONGEST && !text.chars().any(char::is_control);
        if !is_name || !is_text(&drift.configured) || !is_text(&drift.running) {
            return Err(Refusal::new(RefusalKind::Malformed, "That is no difference. Nothing has been changed."));
        }
        let mut all = self.left_drift();
        if all.contains(&drift) == leave {
            return Ok(());
        }
        // What was left with another running value has come back since.
        all.retain(|one| one.id != drift.id || one.configured != drift.configured);
        if leave {
            if all.len() >= MOST_LEFT {
                all.remove(0);
            }
            all.push(drift.clone());
        }
        let title = crate::host::drift_title(&drift.id).unwrap_or(&drift.id);
        let message = if leave {
            format!("Known and left: {title} runs as {}; pot.conf says {}.", drift.running, drift.configured)
        } else {
            format!("No longer left: {title} runs as {}; pot.conf says {}.", drift.running, drift.configured)
        };
        self.note(LEFT_DRIFT, &all, &drift.id, message, actor, reported)
    }

    fn note<T: Serialize>(
        &self,
        name: &str,
        list: &[T],
        subject: &str,
        message: String,
        actor: &Actor,
        reported: &Reported,
    ) -> Result<(), Refusal> {
        let mut entry = Entry::event(actor.clone(), reported.clone(), Action::Readiness, subject, message);
        entry.outcome = Some(Outcome::Done);
        self.runner().record(entry)?;
        let path = self.runner().host.layout.private().join(name);
        let bytes = super::runs::json(&path, &list).map_err(failed)?;
        files::replace_with_mode(&path, &Expected::Anything, &bytes, 0o600, &|_| ()).map(|_| ()).map_err(failed)
    }

    /// To-dos that were dismissed.
    pub(crate) fn dismissed_items(&self) -> Vec<Preparation> {
        self.noted(DISMISSED)
    }

    /// Differences that someone knows and leaves.
    pub(crate) fn left_drift(&self) -> Vec<LeftDrift> {
        self.noted(LEFT_DRIFT)
    }

    fn noted<T: DeserializeOwned>(&self, name: &str) -> Vec<T> {
        let path = self.runner().host.layout.private().join(name);
        files::read_limited(&path, 256 << 10)
            .ok()
            .and_then(|bytes| super::runs::from_json(&path, &bytes).ok())
            .unwrap_or_default()
    }
}
