//! A plan as text and as shell commands: for the terminal, for copying, for a colleague.

use super::{LOG_FOLDERS, NOTHING_CHOSEN, Operation, Plan, StepState, shell_words};
use crate::diff::Diff;

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
    let nat = plan.nat.iter().flat_map(|diff| diff.to_string().lines().map(str::to_owned).collect::<Vec<_>>());
    part("What changes in pot-nat", nat.collect());
    part("Routes", plan.routes.clone());
    let mut destroyed: Vec<String> =
        plan.destroys.iter().map(|dataset| format!("{} ({} bytes)", dataset.name, dataset.used)).collect();
    destroyed.extend(plan.unlisted_snapshots().map(|more| format!("and {more} more snapshots")));
    part("Destroyed for good", destroyed);
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

/// What a plan without anything chosen tells: what there is.
pub fn list(plan: &Plan) -> String {
    let mut text = format!("{}\n", plan.summary);
    for (what, detail) in &plan.left_behind {
        text.push_str(&format!("  {what}: {detail}\n"));
    }
    for blocker in plan.blockers.iter().filter(|blocker| blocker.problem != NOTHING_CHOSEN) {
        text.push_str(&format!("Cannot start: {} {}\n", blocker.problem, blocker.remedy));
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
    // What pot itself changes in pf.conf is done by its command.
    let by_pot = match plan.operation {
        Operation::DeInit { .. } => true,
        Operation::Init { place_anchors, .. } => !place_anchors,
        _ => false,
    };
    let mut diffs: Vec<&Diff> = plan.diffs.iter().filter(|_| !by_pot).collect();
    for step in &plan.steps {
        if let Some(command) = &step.command {
            text.push_str(&shell_words(command));
            text.push('\n');
            continue;
        }
        let place = step.title.rsplit(' ').next().unwrap_or_default();
        let path = |path: &str| shell_words(&[path.to_owned()]);
        match step.state {
            StepState::WillBeCreated if step.title.starts_with("POT_TMP ") => {
                text.push_str(&format!("install -d -m 700 {}\n", path(place)));
            }
            StepState::WillBeChanged | StepState::WillBeCreated => {
                // Two tunables are one change of one file.
                let named = |diff: &&Diff| diff.file == place || diff.file.rsplit('/').next() == Some(place);
                let Some(diff) = diffs.iter().position(named).map(|at| diffs.remove(at)) else {
                    continue;
                };
                if let Some((folder, _)) = diff.file.rsplit_once('/').filter(|_| step.state == StepState::WillBeCreated)
                {
                    text.push_str(&format!("mkdir -p {}\n", path(folder)));
                }
                text.push_str(&format!("patch {} <<'EOF'\n{diff}EOF\n", path(&diff.file)));
            }
            StepState::WillRun if step.title == "folders for logs" => {
                text.push_str(&format!("mkdir -p {}\n", shell_words(&LOG_FOLDERS.map(str::to_owned))));
            }
            StepState::WillRun if place.starts_with('/') && step.title == place => {
                text.push_str(&format!("[ -e {0} ] || install -m 640 /dev/null {0}\n", path(place)));
            }
            StepState::WillBeDestroyed if step.title.starts_with("old /") => {
                text.push_str(&format!("rm {}\n", path(place)));
            }
            StepState::WillBeDestroyed if step.title.starts_with("folder ") => {
                text.push_str(&format!("rm -f {0}/bridges/*\nrmdir {0}/* {0}\n", path(place)));
            }
            _ => {}
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
