//! `pot-console serve`: serve the console on this host.

use super::{Exit, Global};
use crate::executor::processes::{StartData, Supervisor, WebUser};
use crate::executor::tls::{self, Certificate};
use crate::executor::{Executor, end_cut_off_restore};
use crate::files::check_root_dir;
use crate::installation::host::Host;
use crate::installation::look;
use crate::layout::Layout;
use crate::platform::{self, Signals};
use crate::process::{Limits, Tool, Tools, capture};
use crate::settings::Settings;
use crate::web;
use anyhow::{Context as _, bail};
use std::io::{IsTerminal as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The settings, TOML [default: ROOT/usr/local/etc/pot-console.toml when there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only say whether the console could start with these settings; make, bind and start nothing
    #[arg(long)]
    check: bool,
}

/// Runs the command: from the settings to two running processes.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let layout = global.layout();
    refuse_in_a_jail(&layout)?;
    platform::give_memory_back();
    log_to_stderr();
    end_cut_off_restore(&layout)?;
    let path = args.config.clone().unwrap_or_else(|| layout.settings());
    let read = || Settings::read(&path, args.config.is_some());
    let settings = read()?;
    if args.check {
        return check(&layout, &settings, &path);
    }
    // Before any thread: a signal must find its handler.
    let mut signals = Signals::take().context("taking the signals")?;
    let listeners = bind(&settings.listen)?;
    if settings.listen.iter().any(|address| address.ip().is_unspecified()) {
        tracing::warn!("the console listens on all addresses of this host, pot's bridges included: pots can reach it");
    }
    let (executor, opening) = Executor::open(&layout, settings.clone())?;
    let certificate = tls::certificate(&layout, &settings, &host_name())?;
    let user = web_user(&layout, &settings.user)?;
    let folder = web_folder(&layout, user)?;
    let addresses = addresses(&listeners, "https")?;
    // Asked for once: an upgrade puts another file there, and then the system no longer knows where the running one stands.
    let program = std::env::current_exe().context("finding this program")?;
    let data = |settings: &Settings, certificate: &Certificate| -> anyhow::Result<StartData> {
        let start = start_data(&folder, user, listeners.len(), settings, Some(certificate))?;
        // Before a web process starts with it: one that cannot serve would be started again and again.
        tls::try_out(&program, &start)?;
        Ok(start)
    };
    let start = data(&settings, &certificate)?;
    let served = listeners.iter().map(TcpListener::try_clone).collect::<Result<Vec<_>, _>>()?;

    let watch = executor.begin_serving(&opening)?;
    if let Some(code) = executor.new_setup_code()? {
        say(&format!("There is no account yet. Set-up code for the first admin, once: {code}"));
        say(&format!("Public key of the history's checkpoints, to be noted elsewhere: {}", executor.checkpoint_key()?));
    }
    let announce = |certificate: &Certificate| {
        if let Some(words) = &certificate.made {
            executor.note_certificate(words, &certificate.fingerprint);
        }
        if certificate.self_signed {
            say(&format!("The certificate is self-signed. Its SHA-256 fingerprint: {}", certificate.fingerprint));
        }
    };
    announce(&certificate);
    let supervisor = Supervisor::new(Arc::clone(&executor), served, start).context("finding this program")?;
    let ended = supervisor.run(
        &mut signals,
        || addresses.iter().for_each(|address| say(&format!("pot-console listening on {address}"))),
        || {
            let again = read().map_err(anyhow::Error::from).and_then(|settings| {
                let certificate = tls::certificate(&layout, &settings, &host_name())?;
                Ok((data(&settings, &certificate)?, settings, certificate))
            });
            match again {
                Ok((data, new, certificate)) => {
                    if certificate.made.is_some() {
                        announce(&certificate);
                    }
                    if new.listen != settings.listen {
                        tracing::warn!("other addresses to listen on are taken at the next start, not by SIGHUP");
                    }
                    executor.replace_settings(new);
                    tracing::info!("settings and certificate were read again");
                    Some(data)
                }
                Err(error) => {
                    tracing::error!("settings and certificate stay as they are: {error:#}");
                    executor.note_refused_settings(&format!("{error:#}"));
                    None
                }
            }
        },
    );
    executor.end_serving();
    let _ = watch.join();
    ended.context("serving")?;
    Ok(Exit::Done)
}

/// What a start or a SIGHUP would refuse is refused here, while what runs goes on: `service pot_console configtest`.
fn check(layout: &Layout, settings: &Settings, path: &std::path::Path) -> anyhow::Result<Exit> {
    let user = web_user(layout, &settings.user)?;
    // A certificate of the console's own is made where it is missing: only one from elsewhere can be wrong.
    if settings.tls.is_some() {
        let certificate = tls::certificate(layout, settings, &host_name())?;
        let folder = std::path::absolute(layout.web()).context("finding the web process's folder")?;
        // Before the first start there is none.
        let folder = if folder.is_dir() { folder.as_path() } else { std::path::Path::new("/") };
        let start = start_data(folder, user, settings.listen.len(), settings, Some(&certificate))?;
        tls::try_out(&std::env::current_exe().context("finding this program")?, &start)?;
    }
    let absent = if path.exists() { "" } else { ", which is not there: all is as built in" };
    say(&format!("{}{absent}: understood", layout.shown(path)));
    Ok(Exit::Done)
}

/// Below a root folder the simulated kernel is asked, as everything else is.
pub(super) fn refuse_in_a_jail(layout: &Layout) -> anyhow::Result<()> {
    // Its sysctl is about to run as root.
    check_root_dir(layout.root())?;
    let name = ["-n", "security.jail.jailed"];
    let says = || capture(&Tools::find(layout), Tool::Sysctl, &name, None, &Limits::default());
    let simulated = layout.is_below_a_root() && says().is_ok_and(|answer| answer.stdout.trim() == "1");
    if platform::in_jail() || simulated {
        bail!("this is a jail: the console works on the host itself, where pot, ZFS and pf are");
    }
    Ok(())
}

/// Binds the listening sockets; a taken address is named.
pub(super) fn bind(listen: &[SocketAddr]) -> anyhow::Result<Vec<TcpListener>> {
    listen.iter().map(|address| TcpListener::bind(address).with_context(|| format!("listening on {address}"))).collect()
}

/// The URLs that browsers use.
pub(super) fn addresses(listeners: &[TcpListener], scheme: &str) -> anyhow::Result<Vec<String>> {
    listeners
        .iter()
        .map(|listener| Ok(format!("{scheme}://{}", listener.local_addr().context("asking for the port")?)))
        .collect()
}

/// The user that the web process becomes; none when this process could not change its user. Below a root it is that
/// host's, where that can be asked.
pub(super) fn web_user(layout: &Layout, name: &str) -> anyhow::Result<Option<WebUser>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    if layout.is_below_a_root() {
        let host = Host { tools: Tools::find(layout), layout: layout.clone(), hostname: host_name() };
        if let Ok(Some(user)) = look::user(&host, name)
            && user.is_unprivileged()
        {
            return Ok(Some(WebUser { uid: user.uid, gid: user.gid }));
        }
    }
    let user = nix::unistd::User::from_name(name).with_context(|| format!("looking for the user {name}"))?;
    let Some(user) = user else {
        bail!(
            "there is no user {name} for the web process: pot-console setup makes it (pw useradd {name} -d /nonexistent \
             -s /usr/sbin/nologin), or name another one as `user` in the settings"
        );
    };
    if user.uid.is_root() || user.gid.as_raw() == 0 {
        bail!("the web process must not run as {name}, who is root or in root's group");
    }
    Ok(Some(WebUser { uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
}

/// Makes the web process's folder and gives it to its user. Nothing below it is ever opened by root.
pub(super) fn web_folder(layout: &Layout, user: Option<WebUser>) -> anyhow::Result<PathBuf> {
    let folder = layout.web();
    match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(|| format!("making {}", folder.display())),
    }
    let found = folder.symlink_metadata().with_context(|| format!("looking at {}", folder.display()))?;
    if !found.is_dir() {
        bail!("{} is no folder: remove it, and start again", folder.display());
    }
    if let Some(user) = user
        && (found.uid(), found.gid()) != (user.uid, user.gid)
    {
        std::os::unix::fs::lchown(&folder, Some(user.uid), Some(user.gid))
            .with_context(|| format!("giving {} to the web process's user", folder.display()))?;
    }
    std::path::absolute(&folder).with_context(|| format!("finding {}", folder.display()))
}

/// What the web process is told. Its file of SQLite stands in its folder, which is its root folder once it has one.
pub(super) fn start_data(
    folder: &std::path::Path,
    user: Option<WebUser>,
    listeners: usize,
    settings: &Settings,
    certificate: Option<&Certificate>,
) -> anyhow::Result<StartData> {
    let server = web::Start {
        tls: certificate.map(|certificate| web::Tls {
            cert_pem: certificate.chain.clone(),
            key_pem: certificate.key.clone(),
            named: !certificate.self_signed,
        }),
        database: if user.is_some() { PathBuf::from("/history.sqlite") } else { folder.join("history.sqlite") },
        names: settings.names.clone(),
    };
    Ok(StartData {
        listeners: u16::try_from(listeners).context("too many addresses")?,
        folder: folder.to_owned(),
        user,
        server: serde_json::to_value(server).context("preparing the web process")?,
    })
}

/// This machine's name.
pub(super) fn host_name() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}

/// Prints a line; whoever listened may have gone (`… | head -1`), and that is no reason to end.
pub(super) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Notes go to standard error.
pub(super) fn log_to_stderr() {
    let colours = std::io::stderr().is_terminal();
    // A second call in one process changes nothing.
    let _ = tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours))
        .with(noted())
        .with(super::paced_log::Paced::default())
        .try_init();
}

/// Notes of the web process go to the executor, which puts the time before them.
pub(super) fn log_to_executor() {
    let _ = tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).without_time())
        .with(noted())
        .try_init();
}

/// What is noted; `RUST_LOG` chooses for both processes (`debug`, or `warn,pot_console=debug`). The web process's notes
/// have passed its own filter when they arrive at the executor's, as `web`.
fn noted() -> Targets {
    let chosen = std::env::var("RUST_LOG").ok().and_then(|filter| filter.parse::<Targets>().ok());
    chosen.unwrap_or_else(noted_by_default).with_target("web", LevelFilter::TRACE)
}

fn noted_by_default() -> Targets {
    Targets::new().with_default(LevelFilter::WARN).with_targets([
        ("pot_console", LevelFilter::INFO),
        // Requests that cannot be parsed are answered; anyone could fill the log with them.
        ("actix_http::h1", LevelFilter::OFF),
        // The text of statements that took more than a second: on a slow host the whole schema, at the first start.
        ("sqlx::query", LevelFilter::OFF),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_first_start_on_a_slow_host_does_not_print_the_schema() {
        let noted = noted_by_default();
        assert!(!noted.would_enable("sqlx::query", &Level::WARN));
        assert!(noted.would_enable("sqlx::pool", &Level::WARN) && noted.would_enable("pot_console::web", &Level::INFO));
    }
}
