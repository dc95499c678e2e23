//! `pot-console feedback`: show stored feedback.

use super::output::{print, print_json};
use super::{Exit, Format, Global};
use crate::executor::local::Local;
use crate::operations::feedback::text;

/// Arguments of `feedback`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Everything that was stored, newest first
    List,
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let Command::List = args.command;
    let kept = Local::open(&global.layout())?.feedback_list();
    match global.format {
        Format::Json => print_json(&serde_json::json!({ "feedback": kept }))?,
        Format::Text if kept.is_empty() => print("No feedback is stored.\n")?,
        Format::Text => {
            for one in &kept {
                let sent = match one.sent {
                    None => "not sent",
                    Some(true) => "handed to the mailer",
                    Some(false) => "could not be sent",
                };
                print(&format!("{} by {}, {sent}\n\n{}\n", one.at, one.actor, text(&one.given)))?;
            }
        }
    }
    Ok(Exit::Done)
}
