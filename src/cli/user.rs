//! `pot-console user`: manage accounts, with and without a running server.
//!
//! A password is never an argument: it would stand in the shell's history and in ps(1).

use super::{Exit, Format, Global};
use crate::executor::local::Local;
use crate::executor::protocol::{AccountView, Command};
use crate::journal::record::Role;
use crate::refusal::Refusal;
use crate::secret::Secret;
use anyhow::{Context as _, bail};
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

/// Arguments of `user`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Add an account; the password is asked for, or read from standard input
    Add {
        /// Its name
        name: String,
        /// What it may do
        #[arg(long, value_enum, default_value_t = RoleName::Viewer)]
        role: RoleName,
        /// Read the password from the first line of this file
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Give an account a new password; its sessions on a running server end
    Passwd {
        /// Whose
        name: String,
        /// Read the password from the first line of this file
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Change an account's role, at once also for who is signed in
    Role {
        /// Whose
        name: String,
        /// The new role
        #[arg(value_enum)]
        role: RoleName,
    },
    /// Disable an account, at once also for who is signed in
    Disable {
        /// Whose
        name: String,
    },
    /// Enable an account again
    Enable {
        /// Whose
        name: String,
    },
    /// List the accounts
    List,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum RoleName {
    /// Sees everything, changes nothing
    Viewer,
    /// Saves the configuration and runs what destroys nothing
    Operator,
    /// May do everything
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Viewer => Self::Viewer,
            RoleName::Operator => Self::Operator,
            RoleName::Admin => Self::Admin,
        }
    }
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let mut local = Local::open(&global.layout())?;
    let done = match args.what {
        What::List => {
            return match local.ask::<Vec<AccountView>>(Command::Accounts {}) {
                Ok(accounts) => list(global, &accounts),
                Err(refusal) => Ok(refused(&refusal)),
            };
        }
        What::Add { name, role, password_file } => {
            let password = new_password(&name, password_file.as_deref())?;
            local.ask(Command::AddAccount { name, role: role.into(), password })
        }
        What::Passwd { name, password_file } => {
            let password = new_password(&name, password_file.as_deref())?;
            local.set_password(&name, &password)
        }
        What::Role { name, role } => local.ask(Command::SetRole { name, role: role.into() }),
        What::Disable { name } => local.ask(Command::SetDisabled { name, disabled: true }),
        What::Enable { name } => local.ask(Command::SetDisabled { name, disabled: false }),
    };
    Ok(done.map_or_else(|refusal| refused(&refusal), |()| Exit::Done))
}

/// Says why nothing was done; the exit code tells the kind.
pub(super) fn refused(refusal: &Refusal) -> Exit {
    let _ = writeln!(std::io::stderr(), "pot-console: {refusal}");
    refusal.kind.into()
}

fn list(global: &Global, accounts: &[AccountView]) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    let written = match global.format {
        Format::Json => {
            let text = serde_json::to_string_pretty(&serde_json::json!({ "accounts": accounts }))?;
            writeln!(out, "{text}")
        }
        Format::Text => accounts.iter().try_for_each(|account| {
            let last = account.last_sign_in.map_or_else(|| "never".to_owned(), |time| time.to_string());
            let state = if account.disabled { "  disabled" } else { "" };
            writeln!(out, "{:<32}  {:<8}  last sign-in {last}{state}", account.name, account.role.to_string())
        }),
    };
    // Whoever reads may have had enough (`… | head -1`).
    drop(written);
    Ok(Exit::Done)
}

/// A new password, asked for twice at a terminal, else the first line of `file` or of standard input.
pub(super) fn new_password(name: &str, file: Option<&std::path::Path>) -> anyhow::Result<Secret> {
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        return first_line(&text);
    }
    if !std::io::stdin().is_terminal() {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).context("reading the password from standard input")?;
        return first_line(&line);
    }
    let one = prompt(&format!("New password for {name}: "))?;
    let other = prompt("Again: ")?;
    if one != other {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok(one)
}

fn first_line(text: &str) -> anyhow::Result<Secret> {
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret(line.to_owned())),
        _ => bail!("the first line holds no password"),
    }
}

/// Asks at the terminal without showing what is typed.
fn prompt(words: &str) -> anyhow::Result<Secret> {
    use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
    let stdin = std::io::stdin();
    let mut err = std::io::stderr();
    write!(err, "{words}").and_then(|()| err.flush()).context("asking for the password")?;
    let shown = tcgetattr(&stdin).context("looking at the terminal")?;
    let mut hidden = shown.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    hidden.local_flags.insert(LocalFlags::ECHONL);
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &hidden).context("hiding what is typed")?;
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    tcsetattr(&stdin, SetArg::TCSANOW, &shown).context("showing again what is typed")?;
    read.context("reading the password")?;
    let secret = first_line(&line);
    zeroize::Zeroize::zeroize(&mut line);
    secret
}
