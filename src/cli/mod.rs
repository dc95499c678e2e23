//! The command line: one file per command.

mod activity;
mod addresses;
mod answers;
mod approve;
mod audit;
mod backup;
mod check;
mod conf;
#[cfg(feature = "simulator")]
mod demo;
mod explain;
mod facts;
mod feedback;
mod later;
mod licences;
mod lines;
#[cfg(test)]
mod manual;
mod output;
mod paced_log;
mod plan;
mod pot_conf;
mod restore;
mod run;
mod selftest;
mod serve;
mod setup;
#[cfg(feature = "simulator")]
mod simulate;
mod user;
mod web;
#[cfg(not(feature = "simulator"))]
mod without_simulator;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use later::Later;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::layout::Layout;
use crate::refusal::RefusalKind;
#[cfg(not(feature = "simulator"))]
use without_simulator::{self as demo, self as simulate};

/// A web console for FreeBSD hosts that run jails with pot.
#[derive(Debug, Parser)]
#[command(name = "pot-console", version, about, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// The program before any of its commands.
#[derive(Debug, Parser)]
#[command(name = "pot-console", version)]
struct Options {
    #[command(flatten)]
    global: Global,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Every host path is below this folder
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// pot's configuration folder [default: ROOT/usr/local/etc/pot]
    #[arg(long, global = true, value_name = "DIR")]
    pub etc: Option<PathBuf>,
    /// How to print
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

impl Global {
    /// The host that the options name.
    pub fn layout(&self) -> Layout {
        Layout::new(&self.root, self.etc.as_deref())
    }
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The exit codes that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Refused, or errors found.
    Refused = 1,
    /// Wrong usage or unreadable input.
    Usage = 2,
    /// A command on the host failed.
    HostCommand = 3,
    /// The file changed meanwhile.
    Conflict = 4,
    /// The executor could not be reached.
    Unreachable = 5,
}

/// What scripts see of a refusal.
impl From<RefusalKind> for Exit {
    fn from(kind: RefusalKind) -> Self {
        match kind {
            RefusalKind::Conflict => Self::Conflict,
            RefusalKind::Unreadable => Self::Usage,
            RefusalKind::Failed | RefusalKind::NotRecorded => Self::HostCommand,
            _ => Self::Refused,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set the console up on this host, look at its installation, or take it away.
    Setup(Later<setup::Args>),
    /// Look at the installation and the host; nothing is changed.
    Selftest(Later<selftest::Args>),
    /// Serve the console on this host.
    Serve(Later<serve::Args>),
    /// The unprivileged web process; started by serve and demo.
    #[command(hide = true)]
    Web(Later<web::Args>),
    /// Try the console on a simulated host.
    #[cfg_attr(not(feature = "simulator"), command(hide = true))]
    Demo(Later<demo::Args>),
    /// Show the findings on pot.conf.
    Check(Later<check::Args>),
    /// Explain a finding by its code: what it means, what pot would do, a wrong and a right pot.conf.
    Explain(Later<explain::Args>),
    /// Show and change pot.conf.
    Conf(Later<conf::Args>),
    /// Show what an operation would do.
    Plan(Later<plan::Args>),
    /// Run an operation.
    Run(Later<run::Args>),
    /// Show what is known about the host.
    Facts(Later<facts::Args>),
    /// Show the addresses of pot's networks: who has which, what is free, what pot would give next.
    Addresses(Later<addresses::Args>),
    /// Show what pot did, from syslog.
    Activity(Later<activity::Args>),
    /// Show, verify and export the history.
    Audit(Later<audit::Args>),
    /// Manage accounts.
    User(Later<user::Args>),
    /// Write the console's own files to one file: settings, accounts, history, kept versions, runs, keys.
    Backup(Later<backup::Args>),
    /// Check such a file, or put it back.
    Restore(Later<restore::Args>),
    /// Approve a plan in a terminal.
    Approve(Later<approve::Args>),
    /// Show stored feedback.
    Feedback(Later<feedback::Args>),
    /// Prepare a simulated host in a folder.
    #[cfg_attr(not(feature = "simulator"), command(hide = true))]
    Simulate(Later<simulate::Args>),
    /// Show the licences of all that is built in.
    Licences(Later<licences::Args>),
    /// Print completions for a shell.
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let Arguments { global, command } = match arguments(&std::env::args_os().collect::<Vec<_>>()) {
        Ok(arguments) => arguments,
        Err(error) => {
            // A closed pipe (`--help | head -1`) is no reason to complain.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let result = match command {
        Command::Setup(Later(args)) => setup::run(&global, args),
        Command::Selftest(Later(args)) => selftest::run(&global, args),
        Command::Serve(Later(args)) => serve::run(&global, args),
        Command::Web(Later(args)) => web::run(&global, args),
        Command::Demo(Later(args)) => demo::run(&global, args),
        Command::Check(Later(args)) => check::run(&global, args),
        Command::Explain(Later(args)) => explain::run(&global, args),
        Command::Conf(Later(args)) => conf::run(&global, args),
        Command::Plan(Later(args)) => plan::run(&global, args),
        Command::Run(Later(args)) => run::run(&global, args),
        Command::Facts(Later(args)) => facts::run(&global, args),
        Command::Addresses(Later(args)) => addresses::run(&global, args),
        Command::Activity(Later(args)) => activity::run(&global, args),
        Command::Audit(Later(args)) => audit::run(&global, args),
        Command::User(Later(args)) => user::run(&global, args),
        Command::Backup(Later(args)) => backup::run(&global, args),
        Command::Restore(Later(args)) => restore::run(&global, args),
        Command::Approve(Later(args)) => approve::run(&global, args),
        Command::Feedback(Later(args)) => feedback::run(&global, args),
        Command::Simulate(Later(args)) => simulate::run(&global, args),
        Command::Licences(Later(args)) => licences::run(&global, args),
        Command::Completions { shell } => completions(shell),
    };
    match result {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            eprintln!("pot-console: {error:#}");
            ExitCode::from(Exit::Usage as u8)
        }
    }
}

/// The command line, read with the grammar of the one command that it names: the whole one gives each of the others a copy
/// of every common option, which takes longer than many a command. What so cannot be read, or asks for help, is read with
/// all of them.
fn arguments(words: &[OsString]) -> Result<Arguments, clap::Error> {
    let commands = Command::augment_subcommands(clap::Command::new(""));
    let named = words.iter().skip(1).find_map(|word| commands.find_subcommand(word));
    match Options::command().subcommands(named.cloned()).try_get_matches_from(words) {
        Ok(mut matches) if matches.subcommand_name().is_some() => Arguments::from_arg_matches_mut(&mut matches),
        Err(error) if error.kind() == ErrorKind::DisplayVersion => Err(error),
        _ => Arguments::try_parse_from(words),
    }
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    // In what clap_complete writes for bash, a hyphen in the program's name keeps the words below a command out of reach.
    let hyphen = if shell == clap_complete::Shell::Bash { "_" } else { "-" };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), format!("pot{hyphen}console"), &mut script);
    output::print(&String::from_utf8(script)?.replace(" pot_console\n", " pot-console\n"))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is done, or what is said.
    fn read(arguments: Result<Arguments, clap::Error>) -> Result<String, (ErrorKind, String)> {
        arguments.map(|read| format!("{read:?}")).map_err(|error| (error.kind(), error.render().to_string()))
    }

    #[test]
    fn a_command_line_means_what_the_whole_grammar_says_of_it() {
        let mut lines: Vec<String> = [
            "",
            "--version",
            "-V",
            "--root /x --version",
            "--root --version",
            "check --version",
            "--root check check --offline",
            "--root check conf show",
            "--root check",
            "--format json audit list --limit 3",
            "audit --format json list",
            "audit list --format json --root /x",
            "conf show check",
            "conf set POT_EXTIF=em1 --reason check",
            "conf set",
            "user add anna --role admin",
            "user add anna --role king",
            "check --ofline",
            "chek",
            "chek --version",
            "check conf",
            "help",
            "help check",
            "help conf show",
            "check help",
            "conf help show",
            "-h",
            "--help",
            "explain -h",
            "explain deprecated",
            "licences --format xml",
            "completions zsh",
            "web --ask",
            "-- check",
            "check -- --offline",
        ]
        .map(str::to_owned)
        .into();
        for command in Arguments::command().get_subcommands() {
            for options in ["", " --help", " --root /x", " --etc"] {
                lines.push(format!("{}{options}", command.get_name()));
                lines.push(format!("--format json {}{options}", command.get_name()));
            }
        }
        let mut taken = 0;
        for line in lines {
            let words: Vec<OsString> =
                std::iter::once("pot-console").chain(line.split_whitespace()).map(OsString::from).collect();
            let (found, whole) = (read(arguments(&words)), read(Arguments::try_parse_from(&words)));
            taken += u32::from(found.is_ok());
            assert_eq!(found, whole, "{line}");
        }
        assert!(taken > 20, "{taken}");
    }
}
