//! `pot-console plan`: show what an operation would do. The same plans as the pages', made by the same executor.

use super::output::{complain, print, print_json};
use super::user::refused;
use super::{Exit, Format, Global};
use crate::digest::Digest;
use crate::executor::local::Local;
use crate::executor::protocol::Command;
use crate::plan::{Leftover, ManagedFile, Operation, Plan, Preparation, text};
use crate::refusal::Refusal;
use crate::settings::Settings;
use anyhow::bail;

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
    /// Print what one would type instead
    #[arg(long, global = true)]
    commands: bool,
}

/// The operations with their options.
#[derive(Debug, Clone, clap::Subcommand)]
pub(super) enum What {
    #[command(about = format!("Install pot and what is advised: {}", Preparation::ALL.map(Preparation::name).join(", ")))]
    Prepare {
        /// The to-dos
        #[arg(required = true)]
        items: Vec<String>,
    },
    /// pot init: datasets, pf's anchors, syslogd_flags
    Init {
        /// Touch neither pf.conf nor syslogd
        #[arg(short, long)]
        minimal: bool,
        /// Leave syslogd alone
        #[arg(short = 's', long)]
        leave_syslogd: bool,
        /// Another pf file of the setting `pf_files`; empty: leave pf.conf alone
        #[arg(short, long, value_name = "FILE")]
        pf_file: Option<String>,
        /// Let pot write its anchors to the top of the file instead of placing them where pf.conf(5) allows
        #[arg(long)]
        anchors_at_top: bool,
        /// Let pot replace the host's own syslogd_flags instead of merging
        #[arg(long)]
        replace_syslogd_flags: bool,
    },
    /// pot vnet-start: bridge, NAT, pf
    VnetStart {
        /// Put everything back after this many seconds (10 to 600) unless it is kept
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        revert_after: u16,
        /// Put nothing back
        #[arg(long, conflicts_with = "revert_after")]
        no_revert: bool,
    },
    /// pot de-init: destroy everything of pot's
    DeInit {
        /// Stop running pots first
        #[arg(short = 'f', long)]
        stop_pots: bool,
        /// Leave pf.conf alone
        #[arg(short, long)]
        minimal: bool,
        /// Another pf file of the setting `pf_files`; empty: leave pf.conf alone
        #[arg(short, long, value_name = "FILE")]
        pf_file: Option<String>,
    },
    #[command(about = format!("Take away what de-init leaves: {}", Leftover::ALL.map(Leftover::name).join(", ")))]
    CleanUp {
        /// What; `plan` without any lists what there is
        items: Vec<String>,
    },
    /// Write a kept version of a file back
    Restore {
        #[arg(help = format!("One of {}", ManagedFile::ALL.map(ManagedFile::name).join(", ")))]
        file: String,
        /// The version's digest, sha256:…
        digest: Digest,
    },
}

impl What {
    /// The operation that is meant.
    pub(super) fn operation(&self, global: &Global) -> anyhow::Result<Operation> {
        Ok(match self {
            Self::Prepare { items } => Operation::Prepare { items: named::<Preparation>(items)? },
            Self::Init { minimal, leave_syslogd, pf_file, anchors_at_top, replace_syslogd_flags } => Operation::Init {
                place_anchors: !anchors_at_top,
                merge_syslogd_flags: !replace_syslogd_flags,
                minimal: *minimal,
                leave_syslogd: *leave_syslogd,
                leave_pf: pf_file.as_deref() == Some(""),
                pf_file: place_of(global, pf_file.as_deref())?,
            },
            Self::VnetStart { revert_after, no_revert } => {
                Operation::VnetStart { revert_after: (!no_revert).then_some(*revert_after) }
            }
            Self::DeInit { stop_pots, minimal, pf_file } => Operation::DeInit {
                stop_pots: *stop_pots,
                minimal: *minimal || pf_file.as_deref() == Some(""),
                pf_file: place_of(global, pf_file.as_deref())?,
            },
            Self::CleanUp { items } => Operation::CleanUp { items: named::<Leftover>(items)? },
            Self::Restore { file, digest } => match ManagedFile::of_name(file) {
                Some(file) => Operation::Restore { backup: *digest, file },
                None => bail!("no versions are kept of {file}"),
            },
        })
    }
}

fn named<T: serde::de::DeserializeOwned>(items: &[String]) -> anyhow::Result<Vec<T>> {
    items
        .iter()
        .map(|item| match serde_json::from_value(serde_json::Value::from(item.as_str())) {
            Ok(item) => Ok(item),
            Err(_) => bail!("there is no {item}; see --help"),
        })
        .collect()
}

/// The place of a pf file in the settings' list. `init -p FILE` edits FILE as root: no other file is taken.
fn place_of(global: &Global, file: Option<&str>) -> anyhow::Result<Option<u32>> {
    let Some(file) = file.filter(|file| !file.is_empty()) else { return Ok(None) };
    let settings = Settings::read(&global.layout().settings(), false)?;
    match settings.pf_files.iter().position(|known| known == file) {
        Some(place) => Ok(Some(u32::try_from(place)?)),
        None => bail!(
            "{file} is not in `pf_files` of the settings; without -p the file that rc.conf's pf_rules names is taken"
        ),
    }
}

/// Asks for a plan.
pub(super) fn ask(local: &mut Local, operation: Operation) -> Result<Plan, Refusal> {
    local.ask(Command::Plan { operation })
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let operation = args.what.operation(global)?;
    let lists = matches!(&operation, Operation::CleanUp { items } if items.is_empty());
    let mut local = Local::open(&global.layout())?;
    let plan = match ask(&mut local, operation) {
        Ok(plan) => plan,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    match (global.format, args.commands) {
        (Format::Json, _) => print_json(&plan)?,
        (Format::Text, _) if lists => print(&text::list(&plan))?,
        (Format::Text, true) => print(&text::commands(&plan))?,
        (Format::Text, false) => print(&text::text(&plan))?,
    }
    // A list was asked for, nothing that could start.
    if lists || plan.can_start() {
        return Ok(Exit::Done);
    }
    if global.format == Format::Text {
        complain("pot-console: this cannot start as planned\n");
    }
    Ok(Exit::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Subcommand;

    #[test]
    fn the_help_names_all_that_can_be_prepared_cleaned_up_and_restored() {
        let mut all = What::augment_subcommands(clap::Command::new("plan"));
        let mut help = |name: &str| all.find_subcommand_mut(name).unwrap().render_long_help().to_string();
        let [prepare, clean_up, restore] = ["prepare", "clean-up", "restore"].map(&mut help);
        assert!(Preparation::ALL.iter().all(|item| prepare.contains(item.name())), "{prepare}");
        assert!(Leftover::ALL.iter().all(|item| clean_up.contains(item.name())), "{clean_up}");
        assert!(ManagedFile::ALL.iter().all(|file| restore.contains(file.name())), "{restore}");
    }
}
