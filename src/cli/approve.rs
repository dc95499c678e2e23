//! `pot-console approve`: approve a plan in a terminal.
//!
//! The plan comes from the executor's own folder, so root reads what will really be done, not what a page says.

use super::user::refused;
use super::{Exit, Global};
use crate::executor::approval;
use crate::executor::local::Local;
use crate::plan::{Plan, StepState};
use crate::process::harmless;
use anyhow::{Context as _, bail};
use std::io::{BufRead as _, IsTerminal as _, Write as _};

/// Arguments of `approve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The code that the page shows
    code: String,
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let mut local = Local::open(&layout)?;
    let plan = match approval::waiting(&layout, &args.code) {
        Ok(plan) => plan,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let mut out = std::io::stdout();
    out.write_all(as_text(&plan).as_bytes()).context("showing the plan")?;
    if !std::io::stdin().is_terminal() {
        bail!("a plan is approved by someone who reads it: run this in a terminal");
    }
    write!(out, "\nApprove exactly this? Type yes: ").and_then(|()| out.flush()).context("asking")?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("reading the answer")?;
    if line.trim() != "yes" {
        writeln!(out, "Not approved. Nothing has been changed.").context("answering")?;
        return Ok(Exit::Refused);
    }
    match local.approve(&args.code, &plan) {
        Ok(()) => {
            writeln!(out, "Approved. It serves once, from the page that showed the code.").context("answering")?;
            Ok(Exit::Done)
        }
        Err(refusal) => Ok(refused(&refusal)),
    }
}

fn as_text(plan: &Plan) -> String {
    let mut text = format!("{}: {}\n{}\n\n", plan.operation.name(), harmless(&plan.summary), plan.digest);
    for (number, step) in plan.steps.iter().enumerate() {
        let state = match step.state {
            StepState::Done => "is done",
            StepState::WillBeCreated => "creates",
            StepState::WillBeChanged => "changes",
            StepState::WillBeDestroyed => "DESTROYS",
            StepState::WillRun => "runs",
            StepState::Blocks => "stands in the way",
        };
        text.push_str(&format!(
            "{:>3}. {state}: {}\n     {}\n",
            number + 1,
            harmless(&step.title),
            harmless(&step.detail)
        ));
        if let Some(command) = &step.command {
            text.push_str(&format!("     $ {}\n", harmless(&command.join(" "))));
        }
    }
    for dataset in &plan.destroys {
        text.push_str(&format!("destroys {} ({} bytes)\n", harmless(&dataset.name), dataset.used));
    }
    if let Some(more) = plan.unlisted_snapshots() {
        text.push_str(&format!("destroys {more} more snapshots\n"));
    }
    for diff in &plan.diffs {
        for line in diff.to_string().lines() {
            text.push_str(&format!("{}\n", harmless(line)));
        }
    }
    for warning in &plan.warnings {
        text.push_str(&format!("warning: {}\n", harmless(warning)));
    }
    for blocker in &plan.blockers {
        text.push_str(&format!("cannot start: {} {}\n", harmless(&blocker.problem), harmless(&blocker.remedy)));
    }
    text
}
