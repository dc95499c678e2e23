//! `pot-console conf`: show and change pot.conf.
//!
//! Reading needs no executor. Every change goes through it: the same limits, lock, intent, backup and journal as a
//! change in the browser.

mod diff;
mod report;
mod restore;
mod set;
mod show;

use super::{Exit, Global};
use crate::potconf::{Edit, Name};
use anyhow::Context as _;

/// Arguments of `conf`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show every parameter: its value, where it comes from, what potnet reads
    Show {
        /// Only these parameters
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Set parameters in pot.conf
    Set {
        /// What to set
        #[arg(value_name = "NAME=VALUE", required = true)]
        assignments: Vec<String>,
        #[command(flatten)]
        change: Change,
    },
    /// Take parameters out of pot.conf, so that their defaults count
    Unset {
        /// Which ones
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        #[command(flatten)]
        change: Change,
    },
    /// Show what pot.conf sets otherwise than the defaults, or what changed since a backup
    Diff {
        /// A backup's digest, or its beginning
        backup: Option<String>,
    },
    /// Write a backup back; without BACKUP list them
    Restore {
        /// The backup's digest, or its beginning
        backup: Option<String>,
        /// Print the difference and write nothing
        #[arg(long)]
        dry_run: bool,
        /// Why, for the history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// How to change.
#[derive(Debug, clap::Args)]
struct Change {
    /// Print the difference and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write in spite of error findings; never in spite of a limit
    #[arg(long)]
    force: bool,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    match args.command {
        Action::Show { names } => show::show(global, &names),
        Action::Set { assignments, change } => {
            let edits = assignments.iter().map(|text| assignment(text)).collect::<Result<Vec<_>, _>>()?;
            set::apply(global, &edits, &change)
        }
        Action::Unset { names, change } => {
            let name = |text: &String| Ok::<_, anyhow::Error>(Edit::unset(Name::try_from(text.as_str())?));
            let edits = names.iter().map(name).collect::<Result<Vec<_>, _>>()?;
            set::apply(global, &edits, &change)
        }
        Action::Diff { backup: None } => diff::differences(global),
        Action::Diff { backup: Some(backup) } => diff::changes_since(global, &backup),
        Action::Restore { backup: None, .. } => restore::backups(global),
        Action::Restore { backup: Some(backup), dry_run, reason } => restore::restore(global, &backup, dry_run, reason),
    }
}

/// `NAME=VALUE`.
fn assignment(text: &str) -> anyhow::Result<Edit> {
    let (name, value) = text.split_once('=').with_context(|| format!("{text:?} is not of the form NAME=VALUE"))?;
    Ok(Edit::set(Name::try_from(name)?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_has_a_name_and_a_value() {
        assert_eq!(assignment("POT_GROUP=pot").unwrap(), Edit::set(Name::try_from("POT_GROUP").unwrap(), "pot"));
        assert_eq!(assignment("POT_TMP=").unwrap(), Edit::set(Name::try_from("POT_TMP").unwrap(), ""));
        assert_eq!(assignment("POT_TMP=a=b").unwrap(), Edit::set(Name::try_from("POT_TMP").unwrap(), "a=b"));
        for wrong in ["POT_GROUP", "=pot", "POT-GROUP=pot", "a b=c"] {
            assert!(assignment(wrong).is_err(), "{wrong}");
        }
    }
}
