//! `pot-console run`: run an operation, keep or put back what a run changed.
//!
//! The terminal may be what is cut off: a hang-up does not end the run, and what is not kept in time is put back
//! whether anyone still looks or not. SIGINT and SIGTERM put back first, then end.

use super::output::{complain, print, print_json};
use super::plan::{What, ask};
use super::user::refused;
use super::{Exit, Format, Global};
use crate::executor::local::Local;
use crate::executor::protocol::{Command, RunEvents, Started};
use crate::plan::text;
use crate::plan::{Run, RunEvent, RunEventKind, RunState, shell_words};
use crate::refusal::Refusal;
use anyhow::Context as _;
use nix::sys::signal::{SigSet, Signal};
use std::io::{BufRead as _, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Verb,
    /// The dataset that de-init destroys, to confirm it
    #[arg(long, global = true, value_name = "DATASET")]
    confirm: Option<String>,
    /// Acknowledge what the plan wants acknowledged
    #[arg(long, global = true)]
    acknowledge: bool,
    /// Why, for the history
    #[arg(long, global = true, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    #[command(flatten)]
    Operation(What),
    /// Keep what run N changed
    Keep {
        /// The run's number
        run: u64,
    },
    /// Put back what run N changed
    PutBack {
        /// The run's number
        run: u64,
    },
    /// Show the change that waits to be kept; nothing when there is none
    Waiting,
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    match &args.what {
        Verb::Keep { run } => answer(global, *run, true),
        Verb::PutBack { run } => answer(global, *run, false),
        Verb::Waiting => waiting(global),
        Verb::Operation(what) => operation(global, what, &args),
    }
}

/// Keeps or puts back, and waits for how it ends: another process may be the one that does it.
fn answer(global: &Global, run: u64, keep: bool) -> anyhow::Result<Exit> {
    let mut local = Local::open(&global.layout())?;
    let result = if keep { local.keep(run) } else { local.ask(Command::PutBack { run }) };
    if let Err(refusal) = result {
        return Ok(refused(&refusal));
    }
    // Putting back takes seconds; verification before it is kept a little longer.
    for _ in 0..600 {
        let state = state(&mut local, run)?;
        if state.state.is_final() {
            let exit = ended(global, &state)?;
            // The answer was taken, and something else came of it.
            let kept = state.decided.as_ref().is_none_or(|decided| decided.keep);
            return Ok(if keep && !kept { Exit::Refused } else { exit });
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    complain("pot-console: the answer was given; how it ended is not known yet\n");
    Ok(Exit::HostCommand)
}

/// The change that nobody has answered yet: what a stop of the service has to put back first.
fn waiting(global: &Global) -> anyhow::Result<Exit> {
    /// One run at a time changes a host, and only the newest can wait; those before it are looked at all the same.
    const NEWEST: u32 = 5;
    let mut local = Local::open(&global.layout())?;
    let runs: Vec<Run> = local.ask(Command::Runs { before: None, limit: NEWEST }).map_err(said)?;
    let waiting = runs.into_iter().find(|run| run.state == RunState::AwaitingKeep && run.decided.is_none());
    match (global.format, &waiting) {
        (Format::Json, run) => print_json(&serde_json::json!({ "waiting": run }))?,
        (Format::Text, None) => {}
        (Format::Text, Some(run)) => {
            let until = run.deadline.map(|until| format!(" by itself at {until:.0}")).unwrap_or_default();
            print(&format!(
                "Run {id} ({operation}, by {by}) waits to be kept, and is put back{until} if nobody answers.\n\
                 Keep it: pot-console run keep {id}   Put it back: pot-console run put-back {id}\n",
                id = run.id,
                operation = run.plan.operation.name(),
                by = run.actor,
            ))?;
        }
    }
    Ok(Exit::Done)
}

fn operation(global: &Global, what: &What, args: &Args) -> anyhow::Result<Exit> {
    let operation = what.operation(global)?;
    // Blocked before any thread begins, so that all of them inherit it: signals come to one place.
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        signals.add(signal);
    }
    signals.thread_block().context("holding signals")?;
    let mut local = Local::open(&global.layout())?;
    let plan = match ask(&mut local, operation) {
        Ok(plan) => plan,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    if global.format == Format::Text {
        print(&text::text(&plan))?;
        print("\n")?;
    }
    if let Some(text) = &plan.acknowledge
        && !args.acknowledge
    {
        complain(&format!("pot-console: {text} Run it with --acknowledge. Nothing has been changed.\n"));
        return Ok(Exit::Refused);
    }
    let confirm_text = if plan.acknowledge.is_some() { plan.confirm_text.clone() } else { args.confirm.clone() };
    let command =
        Command::Run { plan: plan.id, digest: plan.digest, password: None, confirm_text, reason: args.reason.clone() };
    let run = match local.ask(command) {
        Ok(Started { run }) => run,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let engine = local.engine();
    let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        while let Ok(signal) = signals.wait() {
            // The terminal has gone, which is just what is waited out.
            if signal != Signal::SIGHUP {
                engine.shutdown();
            }
        }
    });
    follow(global, &mut local, run)
}

const UNASKED: u8 = 0;
const ASKED: u8 = 1;
const KEEP: u8 = 2;
const PUT_BACK: u8 = 3;

/// Prints a run until it ends. Nobody may be reading any more: a failing print does not end it.
fn follow(global: &Global, local: &mut Local, run: u64) -> anyhow::Result<Exit> {
    let mut after = 0;
    let answer = Arc::new(AtomicU8::new(UNASKED));
    loop {
        let (events, over) = events(local, run, after)?;
        let any = !events.is_empty();
        for event in &events {
            after = event.number;
            let _ = match global.format {
                Format::Text => print(&line(event)),
                Format::Json => print(&(serde_json::to_string(event)? + "\n")),
            };
        }
        if over && !any {
            break;
        }
        let state = state(local, run)?;
        if state.state == RunState::AwaitingKeep && answer.load(Ordering::Relaxed) == UNASKED {
            answer.store(ASKED, Ordering::Relaxed);
            question(&state, &answer);
        }
        let result = match answer.swap(ASKED, Ordering::Relaxed) {
            KEEP => local.keep(run),
            PUT_BACK => local.ask(Command::PutBack { run }),
            UNASKED => {
                answer.store(UNASKED, Ordering::Relaxed);
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(refusal) = result {
            complain(&format!("pot-console: {refusal}\n"));
        }
        if !any {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    local.wait(run, Duration::from_secs(10));
    let state = state(local, run)?;
    ended(global, &state)
}

/// Asks whether to keep it; the answer is read in a thread, for the time runs on meanwhile.
fn question(run: &Run, answer: &Arc<AtomicU8>) {
    let seconds = run.plan.revert_after.unwrap_or_default();
    complain(&format!(
        "\nKeep the new network? If no answer arrives within {seconds} s, the host puts back what it was, by itself.\n\
         Type keep or put back here, or in another terminal: pot-console run keep {}\n",
        run.id
    ));
    if !std::io::stdin().is_terminal() {
        return;
    }
    let answer = Arc::clone(answer);
    let _ = std::thread::Builder::new().name("answer".to_owned()).spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let given = match line.as_deref().map(str::trim) {
                Ok("keep" | "Keep it" | "keep it") => KEEP,
                Ok("put back" | "put-back") => PUT_BACK,
                Ok(_) => {
                    complain("Type keep or put back.\n");
                    continue;
                }
                Err(_) => return,
            };
            answer.store(given, Ordering::Relaxed);
            return;
        }
    });
}

fn line(event: &RunEvent) -> String {
    match &event.what {
        RunEventKind::Line { text, .. } => format!("{text}\n"),
        RunEventKind::Command { argv } => format!("$ {}\n", shell_words(argv)),
        RunEventKind::Exit { text, .. } => format!("({text})\n"),
        RunEventKind::Check(check) => {
            let mark = match check.as_planned {
                Some(true) => "as planned",
                Some(false) => "NOT AS PLANNED",
                None => "not seen",
            };
            format!("[{mark}] {}: {}\n", check.title, check.observed)
        }
        RunEventKind::Step { .. } | RunEventKind::State { .. } => String::new(),
    }
}

fn events(local: &mut Local, run: u64, after: u64) -> anyhow::Result<(Vec<RunEvent>, bool)> {
    let RunEvents { events, ended } = local.ask(Command::RunEvents { run, after, limit: 2000 }).map_err(said)?;
    Ok((events, ended))
}

fn state(local: &mut Local, run: u64) -> anyhow::Result<Run> {
    local.ask(Command::RunState { run }).map_err(said)
}

fn said(refusal: Refusal) -> anyhow::Error {
    anyhow::anyhow!("{refusal}")
}

fn ended(global: &Global, run: &Run) -> anyhow::Result<Exit> {
    match global.format {
        Format::Json => print_json(run)?,
        Format::Text => {
            print(&format!("\nRun {}: {}\n", run.id, run.summary))?;
            if let Some(remedy) = &run.remedy {
                print(&format!("{remedy}\n"))?;
            }
        }
    }
    Ok(match run.state {
        RunState::AsPlanned | RunState::Reverted => Exit::Done,
        _ => Exit::HostCommand,
    })
}
