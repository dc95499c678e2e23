//! A plan as text and as shell commands: for the terminal, for copying, for a colleague.

use super::plan::{Plan, StepState, shell_words};

/// The whole plan for people.
pub fn text(plan: &Plan) -> String {
    let mut text = String::new();
    let mut line = |words: &str| {
        text.push_str(words);
        text.push('\n');
    };
    line(&format!("Plan for {}", plan.command().unwrap_or_else(|| plan.operation.name().to_owned())));
    line(&plan.summary);
    line("");
    for blocker in &plan.blockers {
        line(&format!("Cannot start: {} Nothing has been changed. {}", blocker.problem, blocker.remedy));
    }
    if !plan.blockers.is_empty() {
        line("");
    }
    for (index, step) in plan.steps.iter().enumerate() {
        line(&format!("{:>2}. [{}] {}: {}", index + 1, state(step.state), step.title, step.detail));
        if let Some(command) = &step.command {
            line(&format!("      $ {}", shell_words(command)));
        }
    }
    let mut part = |heading: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            line(&format!("\n{heading}"));
            for words in lines {
                line(&format!("  {words}"));
            }
        }
    };
    part("Rules to be loaded into pot-nat", plan.pf_rules.clone());
    part("Routes", plan.routes.clone());
    part(
        "Destroyed for good",
        plan.destroys.iter().map(|dataset| format!("{} ({} bytes)", dataset.name, dataset.used)).collect(),
    );
    part("If it is not kept", plan.put_back.iter().map(|(what, to)| format!("{what}: {to}")).collect());
    part("Left behind by pot", plan.left_behind.iter().map(|(what, detail)| format!("{what}: {detail}")).collect());
    part("To know before", plan.warnings.clone());
    part("To acknowledge", plan.acknowledge.iter().cloned().collect());
    for preview in &plan.previews {
        part(&format!("{} says", shell_words(&preview.command)), preview.lines.clone());
    }
    for diff in &plan.diffs {
        text.push('\n');
        text.push_str(&diff.to_string());
    }
    text
}

/// What one would type instead: files as patches, commands as they are run.
pub fn commands(plan: &Plan) -> String {
    let mut text = format!(
        "# {}\n# The console also keeps versions of files, checks before and after, and records.\n",
        plan.summary
    );
    for blocker in &plan.blockers {
        text.push_str(&format!("# Cannot start: {} {}\n", blocker.problem, blocker.remedy));
    }
    for step in &plan.steps {
        let path = step.title.trim_start_matches("anchors in ");
        let by_hand =
            step.command.is_none() && matches!(step.state, StepState::WillBeChanged | StepState::WillBeCreated);
        let diff = plan.diffs.iter().find(|diff| by_hand && diff.file == path);
        if let Some(diff) = diff {
            text.push_str(&format!("patch {} <<'EOF'\n{diff}EOF\n", shell_words(std::slice::from_ref(&diff.file))));
        }
        if let Some(command) = &step.command {
            text.push_str(&shell_words(command));
            text.push('\n');
        }
    }
    text
}

/// A step's state in a word or two.
pub fn state(state: StepState) -> &'static str {
    match state {
        StepState::Done => "done",
        StepState::WillBeCreated => "will be created",
        StepState::WillBeChanged => "will be changed",
        StepState::WillBeDestroyed => "will be destroyed",
        StepState::WillRun => "will run",
        StepState::Blocks => "blocks",
    }
}
