//! How a plan and a run read for people.

use super::{Plan, Run, RunState, StepProgress, StepState};

impl Plan {
    /// The command that it is named after: `pot init -v`.
    pub fn command(&self) -> Option<String> {
        let own = self.steps.iter().filter_map(|step| step.command.as_deref());
        let name = self.operation.name();
        let named = own.clone().find(|argv| argv.get(..2).is_some_and(|head| head == ["pot", name]));
        named.map(shell_words)
    }

    /// How many snapshots are destroyed beyond those that it lists; none when it lists them all.
    pub fn unlisted_snapshots(&self) -> Option<u64> {
        let all = self.snapshots.as_ref()?;
        all.count.checked_sub(all.first.len() as u64).filter(|more| *more > 0)
    }
}

impl Run {
    /// What became of a step of the plan (by index), as soon as that is known: in words, and the plan's sentence about
    /// it with them.
    pub fn step_so_far(&self, index: usize) -> Option<(&'static str, String)> {
        let step = self.plan.steps.get(index)?;
        let has_ended =
            matches!(self.progress.get(index).copied().flatten(), Some(StepProgress::Done | StepProgress::Failed));
        if !has_ended && !self.state.is_final() {
            return None;
        }
        let put_back = matches!(self.state, RunState::Reverted | RunState::RevertedInPart);
        let word = match (self.progress.get(index).copied().flatten(), step.state) {
            (_, StepState::Done) => "was done before",
            (Some(StepProgress::Failed | StepProgress::Running), _) => "failed",
            (None, _) => "not done",
            (Some(StepProgress::Done), _) if put_back => "done, then put back",
            (Some(StepProgress::Done), StepState::WillBeCreated) => "created",
            (Some(StepProgress::Done), StepState::WillBeChanged) => "changed",
            (Some(StepProgress::Done), StepState::WillBeDestroyed) => "destroyed",
            (Some(StepProgress::Done), StepState::WillRun | StepState::Blocks) => "done",
        };
        // The plan says what will be; of what is over that would be false.
        let rest = ["will be created", "will be changed", "will be destroyed", "will run"]
            .iter()
            .find_map(|future| step.detail.strip_prefix(future));
        let detail = match rest {
            Some(rest) => format!("{word}{rest}"),
            None => {
                step.detail.replace("will be ", if word == "not done" || word == "failed" { "was to be " } else { "" })
            }
        };
        Some((word, detail))
    }
}

/// An argument vector as a shell takes it: quoted where that is needed.
pub(crate) fn shell_words(argv: &[String]) -> String {
    let word = |word: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}
