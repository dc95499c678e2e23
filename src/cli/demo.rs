//! `pot-console demo`: try the console on a simulated host.

use super::serve::{addresses, bind, log_to_stderr, say, start_data, web_folder, web_user};
use super::simulate::build;
use super::{Exit, Global};
use crate::accounts::session::random_code;
use crate::executor::Executor;
use crate::executor::local::Local;
use crate::executor::processes::Supervisor;
use crate::executor::protocol::{AccountView, Command};
use crate::journal::record::Role;
use crate::layout::Layout;
use crate::platform::{NotAwaited, Signals};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::simulator::{self, Scenario};
use anyhow::{Context as _, bail};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The demo's account.
const ADMIN: &str = "admin";
/// The web process's user when the demo is started as root.
const NOBODY: &str = "nobody";

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Folder of the simulated host; continues with it when it holds one [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// File whose first line is the admin's password; when it does not exist a random one is written to it
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// What the simulated host is like
    #[arg(long, value_enum, default_value_t = Scenario::Default)]
    scenario: Scenario,
}

/// Runs the command.
pub fn run(_global: &Global, args: Args) -> anyhow::Result<Exit> {
    crate::platform::give_memory_back();
    log_to_stderr();
    // Before any thread, and before the temporary folder, which must not outlive a signal.
    let mut signals = Signals::take().context("taking the signals")?;
    let listeners = bind(&[args.listen])?;
    let host = Host::prepare(args.dir.as_deref(), args.scenario)?;
    // A host that does not survive this is built again.
    let hurry = host.is_new.then(NotAwaited::begin);
    let layout = Layout::new(host.dir(), None);
    let (password, printed) = password(args.password_file.as_deref())?;
    set_admin(&layout, &password)?;

    let mut settings = Settings::read(&layout.settings(), false)?;
    let user = web_user(&layout, NOBODY)?;
    let bound: Vec<_> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    settings.given_at_start("listen", bound.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    settings.given_at_start("user", if user.is_some() { NOBODY } else { "whoever started the demo" }.to_owned());
    let (executor, opening) = Executor::open(&layout, settings.clone())?;
    executor.can_reboot(reboot);
    let folder = web_folder(&layout, user)?;
    let addresses = addresses(&listeners, "http")?;
    if !args.listen.ip().is_loopback() {
        tracing::warn!("the demo speaks plain HTTP: what is typed crosses the network in clear");
    }
    let start = start_data(&folder, user, listeners.len(), &settings, None)?;
    let served = listeners.iter().map(TcpListener::try_clone).collect::<Result<Vec<_>, _>>()?;
    let watch = executor.begin_serving(&opening)?;
    drop(hurry);
    let supervisor = Supervisor::new(Arc::clone(&executor), served, start).context("finding this program")?;
    let ended = supervisor.run(
        &mut signals,
        || {
            for address in &addresses {
                say(&format!("pot-console listening on {address}"));
            }
            say(&format!("name:     {ADMIN}"));
            say(&format!("password: {printed}"));
            say(&format!("The host is simulated, in {}. Ctrl-C ends it.", host.dir().display()));
        },
        || None,
    );
    executor.end_serving();
    let _ = watch.join();
    ended.context("serving")?;
    Ok(Exit::Done)
}

/// Reboots the simulated host below a root.
fn reboot(root: &Path) -> Result<(), String> {
    if !simulator::is_simulated_root(root) {
        return Err(format!("{} is no simulated host", root.display()));
    }
    simulator::reboot(root).map_err(|error| error.to_string())
}

/// The simulated host's folder.
struct Host {
    dir: PathBuf,
    temporary: bool,
    /// It was built by this process: nothing of it was there before.
    is_new: bool,
}

impl Host {
    fn prepare(dir: Option<&Path>, scenario: Scenario) -> anyhow::Result<Self> {
        let Some(dir) = dir else {
            let name = format!("pot-console-demo-{}", random_code(2)?);
            let dir = std::env::temp_dir().join(name);
            std::fs::DirBuilder::new().mode(0o700).create(&dir).with_context(|| format!("making {}", dir.display()))?;
            let host = Self {
                dir: dir.canonicalize().context("finding the temporary folder")?,
                temporary: true,
                is_new: true,
            };
            build(&host.dir, scenario, false)?;
            return Ok(host);
        };
        let is_new = !simulator::is_simulated_root(dir);
        if is_new {
            build(dir, scenario, true)?;
        } else {
            simulator::refresh_tools(dir)?;
        }
        let dir = dir.canonicalize().with_context(|| format!("finding {}", dir.display()))?;
        Ok(Self { dir, temporary: false, is_new })
    }

    fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = std::fs::remove_dir_all(&self.dir)
        {
            tracing::warn!("{} could not be removed: {error}", self.dir.display());
        }
    }
}

/// The admin's password, and what is printed of it.
fn password(file: Option<&Path>) -> anyhow::Result<(Secret, String)> {
    let random = || -> anyhow::Result<String> { Ok(random_code(4)?.to_ascii_lowercase()) };
    let Some(file) = file else {
        let password = random()?;
        return Ok((Secret(password.clone()), password));
    };
    let shown = format!("as in {}", file.display());
    match std::fs::read_to_string(file) {
        Ok(text) => match text.lines().next().filter(|line| !line.is_empty()) {
            Some(line) => Ok((Secret(line.to_owned()), shown)),
            None => bail!("{} holds no password in its first line", file.display()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let password = random()?;
            let mut made = std::fs::File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(file)
                .with_context(|| format!("making {}", file.display()))?;
            std::io::Write::write_all(&mut made, format!("{password}\n").as_bytes())
                .with_context(|| format!("writing {}", file.display()))?;
            Ok((Secret(password), shown))
        }
        Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
    }
}

/// The demo's admin gets this start's password.
fn set_admin(layout: &Layout, password: &Secret) -> anyhow::Result<()> {
    let mut local = Local::open(layout)?;
    // Asked first: a refusal would be the first record of every new host's history.
    let accounts: Vec<AccountView> = local.ask(Command::Accounts {})?;
    if accounts.iter().any(|account| account.name == ADMIN) {
        local.set_password(ADMIN, password)?;
    } else {
        let add = Command::AddAccount { name: ADMIN.to_owned(), role: Role::Admin, password: password.clone() };
        local.ask::<()>(add)?;
    }
    Ok(())
}
