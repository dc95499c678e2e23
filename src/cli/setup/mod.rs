//! `pot-console setup`: brings the installation on this host into order, looks at it, takes it away.
//!
//! Looking, what differs and the steps are [`crate::installation`]'s; here they are asked for, shown and carried out.

mod remove;

use super::answers::{self, Answers};
use super::lines::{self, row};
use super::output::{Style, complain, print, print_json};
use super::serve::{host_name, refuse_in_a_jail};
use super::user::new_password;
use super::{Exit, Format, Global};
use crate::accounts::name::AccountName;
use crate::executor::waiting_setup_code;
use crate::files::check_root_dir;
use crate::installation::host::Host;
use crate::installation::judge::{Row, judge, steps};
use crate::installation::line::{Line, Verdict};
use crate::installation::look::{Asked, CertificateSeen, LOG, Seen, SettingsSeen, is_user_name};
use crate::installation::steps::{Step, carry_out, fingerprint};
use crate::process::{Tools, harmless};
use crate::settings::Settings;
use anyhow::Context as _;
use serde_json::json;
use std::io::{BufRead as _, IsTerminal as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a started console may take until it answers, on a host that is slow and busy.
const ANSWERS: Duration = Duration::from_mins(3);
/// One that does not run after this time has ended by itself.
const ENDED: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(300);

/// Arguments of `setup`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 done, or as it should be (--check); 1 refused, or something differs; 2 wrong \
                        usage, or not known; 3 a step failed: the next setup goes on from there.")]
pub(crate) struct Args {
    /// The address and port to listen on, for new settings [default: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
    /// The user of the web process, for new settings [default: potconsole]
    #[arg(long, value_name = "NAME", value_parser = user_name)]
    user: Option<String>,
    /// Also make this account, an admin; its password is asked for, or read from standard input
    #[arg(long, value_name = "NAME", value_parser = account_name)]
    admin: Option<AccountName>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Show every file and command, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Show what differs from a sound installation, and do nothing
    #[arg(long, conflicts_with_all = ["remove", "code", "dry_run", "yes"])]
    check: bool,
    /// Take away what setup made; a change that waits is put back first
    #[arg(long, conflicts_with_all = ["code", "listen", "user", "admin"])]
    remove: bool,
    /// Take away history, accounts, keys and settings, too, once the host's name was typed
    #[arg(long, requires = "remove")]
    purge: bool,
    /// Show the one-time code for the first account
    #[arg(long, conflicts_with_all = ["listen", "user", "admin", "dry_run", "yes"])]
    code: bool,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| {
        "it must be an IP address of this host with a port: 127.0.0.1:8443, 192.168.1.20:8443 or [::1]:8443".to_owned()
    })?;
    if address.port() == 0 {
        return Err("port 0 is none to open in a browser: 8443, for example".to_owned());
    }
    Ok(address)
}

fn user_name(text: &str) -> Result<String, String> {
    if text == "root" {
        return Err("the web process must not be root".to_owned());
    }
    if !is_user_name(text) {
        return Err("it must be a user's name: at most 32 letters, digits, _, - and .".to_owned());
    }
    Ok(text.to_owned())
}

fn account_name(text: &str) -> Result<AccountName, String> {
    AccountName::parse(text).map_err(|error| error.to_string())
}

/// The host that the options name, once root asks.
pub(super) fn host(global: &Global, what: &str) -> anyhow::Result<Result<Host, Exit>> {
    let layout = global.layout();
    let host = Host { tools: Tools::find(&layout), layout, hostname: host_name() };
    if !host.are_we_root() {
        complain(&format!("pot-console: {what} needs root: run it with su, sudo or doas. Nothing was changed.\n"));
        return Ok(Err(Exit::Refused));
    }
    check_root_dir(host.layout.root())?;
    refuse_in_a_jail(&host.layout)?;
    Ok(Ok(host))
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let host = match host(global, "setup")? {
        Ok(host) => host,
        Err(exit) => return Ok(exit),
    };
    if args.code {
        return code(global, &host);
    }
    if args.remove {
        return remove::run(global, &host, args.purge, args.yes, args.dry_run);
    }
    let mut asked = Asked { listen: args.listen, user: args.user.clone(), admin: args.admin.clone() };
    let mut seen = Seen::look(&host, &asked);
    let mut rows = judge(&host, &asked, &seen);
    if args.check {
        let mut all: Vec<Line> = rows.into_iter().map(|row| row.line).collect();
        all.extend(answering(&host, &asked, &seen).1);
        return lines::show(global, &all);
    }
    let in_terminal = std::io::stdin().is_terminal() && global.format == Format::Text;
    let may_ask = in_terminal && !args.yes && !args.dry_run;
    if may_ask && asked.listen.is_none() && matches!(seen.settings, SettingsSeen::Absent) && !is_blocked(&rows) {
        asked.listen = ask_address()?;
        seen = Seen::look(&host, &asked);
        rows = judge(&host, &asked, &seen);
    }
    let steps = steps(&rows);
    if steps.contains(&Step::Start) {
        rows.extend(seen.in_force(&asked).iter().flat_map(|settings| cannot_listen(&settings.listen)));
    }
    if is_blocked(&rows) {
        return blocked(global, &rows);
    }
    if args.dry_run {
        return dry_run(global, &host, &steps);
    }
    if global.format == Format::Text {
        print(&kept(&rows))?;
    }
    if !steps.is_empty() {
        if global.format == Format::Text {
            print(&format!("{}\n", shown(&host, &steps)))?;
        }
        if !(args.yes || may_ask && ask_yes("Do this? Type yes: ")?) {
            let how = if may_ask { "" } else { " Say --yes to have it done without a question." };
            complain(&format!("pot-console: Nothing was changed.{how}\n"));
            return Ok(Exit::Refused);
        }
        let password = match steps.iter().find_map(|step| if let Step::Admin(name) = step { Some(name) } else { None })
        {
            Some(name) => Some(new_password(name.as_str(), None)?),
            None => None,
        };
        let done = carry_out(&host, &steps, password.as_ref(), &mut |step| {
            if global.format == Format::Text
                && let Some(line) = step.shown(&host).first()
            {
                let _ = print(&format!("{}\n", harmless(line)));
            }
        });
        if let Err(error) = done {
            complain(&format!(
                "pot-console: setup stopped: {error}\nWhat was done before stays. Mend that, and run pot-console setup \
                 again: it goes on from there.\n"
            ));
            return Ok(Exit::HostCommand);
        }
    }
    let (seen, wrong) = look_again(&host, &asked);
    if !wrong.is_empty() {
        let text: String = wrong.iter().map(|line| row(Style::plain(), line)).collect();
        complain(&format!(
            "pot-console: it is not as it should be yet:\n{text}What the console said stands in {LOG}; pot-console \
             selftest looks closer.\n"
        ));
        return Ok(Exit::HostCommand);
    }
    welcome(global, &host, &asked, &seen, &steps)
}

fn is_blocked(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.blocks)
}

fn blocked(global: &Global, rows: &[Row]) -> anyhow::Result<Exit> {
    let lines: Vec<&Line> = rows.iter().filter(|row| row.blocks).map(|row| &row.line).collect();
    let unknown = lines.iter().all(|line| line.verdict == Verdict::NotKnown);
    match global.format {
        Format::Json => print_json(&json!({ "done": false, "in_the_way": lines }))?,
        Format::Text => {
            let text: String = lines.iter().map(|line| row(Style::plain(), line)).collect();
            complain(&format!("pot-console: setup cannot go on. Nothing was changed.\n{text}"));
        }
    }
    Ok(if unknown { Exit::Usage } else { Exit::Refused })
}

/// Addresses that a console could not listen on now, while none runs.
fn cannot_listen(listen: &[SocketAddr]) -> Vec<Row> {
    let failed = |address: &SocketAddr| Some((*address, std::net::TcpListener::bind(address).err()?));
    let row = |(address, error): (SocketAddr, std::io::Error)| Row {
        line: Line::new("listen", Verdict::Differs, format!("{address} cannot be listened on: {error}")).with(
            "name an address of this host and a free port: --listen for new settings, else listen in the settings",
        ),
        step: None,
        blocks: true,
    };
    listen.iter().filter_map(failed).map(row).collect()
}

/// What there is already and stays.
fn kept(rows: &[Row]) -> String {
    let is_kept = |one: &&Row| one.step.is_none() && !(one.line.id == "account" && one.line.verdict == Verdict::Note);
    let lines: String = rows.iter().filter(is_kept).map(|one| row(Style::plain(), &one.line)).collect();
    if lines.is_empty() { lines } else { format!("There already, and kept:\n{lines}\n") }
}

fn shown(host: &Host, steps: &[Step]) -> String {
    let mut text = String::from("To be done:\n");
    for line in steps.iter().flat_map(|step| step.shown(host)) {
        text.push_str(&format!("  {}\n", harmless(&line)));
    }
    text
}

fn dry_run(global: &Global, host: &Host, steps: &[Step]) -> anyhow::Result<Exit> {
    match global.format {
        Format::Json => {
            let steps: Vec<Vec<String>> = steps.iter().map(|step| step.shown(host)).collect();
            print_json(&json!({ "done": false, "steps": steps }))?;
        }
        Format::Text if steps.is_empty() => print("Nothing to do: the installation is as it should be.\n")?,
        Format::Text => print(&shown(host, steps))?,
    }
    Ok(Exit::Done)
}

/// Rows of what answers where, with what the child found; nothing while the service does not run.
pub(super) fn answering(host: &Host, asked: &Asked, seen: &Seen) -> (Option<Answers>, Vec<Line>) {
    let (Some(settings), Some(Ok(CertificateSeen::Serves { fingerprint, chain, .. }))) =
        (seen.in_force(asked), &seen.certificate)
    else {
        return (None, Vec::new());
    };
    if seen.runs != Ok(true) {
        return (None, Vec::new());
    }
    let answers = match answers::ask(&host.layout, &settings.listen, chain) {
        Ok(answers) => answers,
        Err(error) => return (None, vec![Line::new("answers", Verdict::NotKnown, format!("{error:#}"))]),
    };
    let lines = answers.by_address.iter().map(|(address, answer)| match answer {
        Ok(shown) if shown == fingerprint => {
            Line::new("answers", Verdict::Sound, format!("https://{address} answers with this certificate"))
        }
        Ok(shown) => {
            Line::new("answers", Verdict::Differs, format!("{address} answers with another certificate, {shown}"))
                .with("service pot_console reload takes the present one; if it stays so, another program listens there")
        }
        Err(why) => Line::new("answers", Verdict::Differs, format!("{address} does not answer: {why}"))
            .with("is the address one of this host (ifconfig), and is the port free? Then service pot_console restart"),
    });
    let lines = lines.collect();
    (Some(answers), lines)
}

/// Looks until the installation is as it should be and answers, or its time is up. Gives what is still wrong.
fn look_again(host: &Host, asked: &Asked) -> (Seen, Vec<Line>) {
    let begun = Instant::now();
    loop {
        let seen = Seen::look(host, asked);
        let mut lines: Vec<Line> = judge(host, asked, &seen).into_iter().map(|row| row.line).collect();
        lines.extend(answering(host, asked, &seen).1);
        lines.retain(|line| matches!(line.verdict, Verdict::Differs | Verdict::NotKnown));
        let patience = if seen.runs == Ok(true) { ANSWERS } else { ENDED };
        if lines.is_empty() || begun.elapsed() > patience {
            return (seen, lines);
        }
        std::thread::sleep(PAUSE);
    }
}

/// The addresses as a browser takes them.
fn urls(host: &Host, settings: &Settings) -> Vec<String> {
    let url = |address: &SocketAddr| {
        if address.ip().is_unspecified() {
            format!("https://{}:{}", host.hostname, address.port())
        } else {
            format!("https://{address}")
        }
    };
    settings.listen.iter().map(url).collect()
}

/// The address, the certificate's fingerprint and the one-time code last.
fn welcome(global: &Global, host: &Host, asked: &Asked, seen: &Seen, steps: &[Step]) -> anyhow::Result<Exit> {
    let urls = seen.in_force(asked).map(|settings| urls(host, &settings)).unwrap_or_default();
    let code = if seen.accounts == Ok(0) { waiting_setup_code(&host.layout) } else { None };
    if global.format == Format::Json {
        let steps: Vec<Vec<String>> = steps.iter().map(|step| step.shown(host)).collect();
        print_json(&json!({
            "done": true,
            "steps": steps,
            "addresses": urls,
            "fingerprint": fingerprint(seen),
            "code": code,
        }))?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    if steps.is_empty() {
        text.push_str("Nothing to do: the installation is as it should be.\n");
    }
    text.push_str(&format!("\nOpen in a browser:   {}\n", urls.join("\n                     ")));
    if let Some(fingerprint) = fingerprint(seen) {
        text.push_str(&format!("Its certificate's SHA-256 fingerprint, to be compared there:\n  {fingerprint}\n"));
    }
    match code {
        Some(code) => text.push_str(&format!("One-time code for the first account:   {code}\n")),
        None if seen.accounts == Ok(0) => text.push_str("pot-console setup --code shows the one-time code.\n"),
        None => {}
    }
    print(&text)?;
    Ok(Exit::Done)
}

fn code(global: &Global, host: &Host) -> anyhow::Result<Exit> {
    let refuse = |words: &str| {
        complain(&format!("pot-console: {words}\n"));
        Ok(Exit::Refused)
    };
    match Seen::look(host, &Asked::default()).accounts {
        Err(error) => refuse(&format!("the accounts cannot be read: {error}")),
        Ok(0) => match waiting_setup_code(&host.layout) {
            Some(code) => {
                match global.format {
                    Format::Json => print_json(&json!({ "code": code }))?,
                    Format::Text => print(&format!("{code}\n"))?,
                }
                Ok(Exit::Done)
            }
            None => {
                refuse("there is no one-time code yet: the console makes it when it starts (service pot_console start)")
            }
        },
        Ok(_) => refuse(
            "there are accounts, so there is no one-time code: pot-console user list names them, and pot-console user \
             passwd NAME gives one a new password",
        ),
    }
}

fn ask_address() -> anyhow::Result<Option<SocketAddr>> {
    loop {
        complain("Address and port to listen on, of the LAN for example [127.0.0.1:8443]: ");
        let line = line()?;
        if line.is_empty() {
            return Ok(None);
        }
        match address(&line) {
            Ok(address) => return Ok(Some(address)),
            Err(error) => complain(&format!("{error}\n")),
        }
    }
}

fn ask_yes(question: &str) -> anyhow::Result<bool> {
    complain(question);
    Ok(line()?.eq_ignore_ascii_case("yes"))
}

/// A line that was typed.
fn line() -> anyhow::Result<String> {
    let mut line = String::new();
    let count = std::io::stdin().lock().read_line(&mut line).context("reading what is typed")?;
    anyhow::ensure!(count > 0, "nothing was typed, and nothing was changed");
    Ok(line.trim().to_owned())
}
