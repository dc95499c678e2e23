//! Steps of a plan recognised in pot's output, so that they tick off while it runs. Only for showing: what counts is
//! what verification sees.

use super::draft::PlanDraft;
use crate::plan::StepProgress;

/// What a line says about the plan's steps: the one it is about runs, the one that ran before it is done.
pub fn line(draft: &PlanDraft, text: &str) -> Vec<(usize, StepProgress)> {
    // zfs, cp and the like speak without a level; so does pot now and then.
    let words = text.trim_start_matches(['#', '=', '>', ' ']);
    let about =
        draft.steps.iter().position(|step| step.marks.iter().any(|mark| mark.iter().all(|word| names(words, word))));
    let Some(about) = about else { return Vec::new() };
    let failed = text.starts_with("###>");
    let mut progress: Vec<(usize, StepProgress)> = Vec::new();
    if !failed {
        // Steps that are recognised come in pot's order: those before this one are through.
        let earlier = draft.steps.iter().enumerate().take(about);
        progress.extend(
            earlier
                .filter(|(_, step)| !step.marks.is_empty() && step.actions.is_empty())
                .map(|(index, _)| (index, StepProgress::Done)),
        );
    }
    progress.push((about, if failed { StepProgress::Failed } else { StepProgress::Running }));
    progress
}

/// Whether `text` holds `word` and not as part of a longer name: `zroot/pot` is not named by `zroot/pot/bases`.
fn names(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, found)| {
        let boundary = |c: Option<char>| c.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '/' | '-' | '_')));
        boundary(text.get(..at).and_then(|before| before.chars().next_back()))
            && boundary(text.get(at + found.len()..).and_then(|after| after.chars().next()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::draft::PlannedStep;
    use crate::plan::{Operation, StepState};

    #[test]
    fn datasets_tick_off_in_the_order_of_the_output() {
        let mut draft = PlanDraft::new(&Operation::VnetStart { revert_after: None });
        for name in ["zroot/pot", "zroot/pot/bases", "zroot/pot/jails"] {
            draft.step(PlannedStep::new(name, StepState::WillBeCreated, "").mark(&["creating", name]));
        }
        assert_eq!(
            line(&draft, "=====>  creating zroot/pot file system (mountpoint /opt/pot"),
            [(0, StepProgress::Running)]
        );
        assert_eq!(
            line(&draft, "=====>  creating zroot/pot/jails"),
            [(0, StepProgress::Done), (1, StepProgress::Done), (2, StepProgress::Running)]
        );
        assert_eq!(line(&draft, "something else"), []);
    }
}
