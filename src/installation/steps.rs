//! What setup does: each step can be done again, and whoever was killed in the middle leaves a host on which the next setup
//! ends it.

use super::host::{Host, typed};
use super::look::{self, RCVAR, SERVICE};
use super::made::{Before, Made, MadeError};
use crate::accounts::name::AccountName;
use crate::digest::Digest;
use crate::executor::local::{Local, LocalError};
use crate::executor::protocol::Command;
use crate::executor::tls::{self, TlsError};
use crate::files::{self, Expected, FileError};
use crate::journal::record::{Action, Role};
use crate::platform::crash_point;
use crate::process::Tool;
use crate::refusal::Refusal;
use crate::secret::Secret;
use crate::settings::{Settings, SettingsError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What stands in the password file for the user.
const GECOS: &str = "pot-console web process";

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Makes a folder, or gives it the owner and mode that it should have.
    Folder {
        /// Which one.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Whose; none: root's.
        user: Option<String>,
    },
    /// Adds the group.
    Group(String),
    /// Adds the user to the group of its name.
    User(String),
    /// Writes the settings file, which is not there.
    Settings {
        /// Where.
        path: PathBuf,
        /// Its content.
        text: String,
    },
    /// Makes the self-signed certificate.
    Certificate {
        /// Why.
        why: &'static str,
        /// Whether its key is there and stays.
        key: bool,
    },
    /// Adds the first admin.
    Admin(AccountName),
    /// Lets the service start at boot.
    Enable,
    /// Starts the service.
    Start,
    /// Lets a running service take what is new.
    Restart,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// A command of the host.
    #[error("{0}")]
    Command(String),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The record of what was made.
    #[error(transparent)]
    Made(#[from] MadeError),
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The executor could not be opened.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The executor refused.
    #[error("{0}")]
    Refusal(#[from] Refusal),
}

impl Step {
    /// What it does, with the exact command or file.
    pub fn shown(&self, host: &Host) -> Vec<String> {
        match self {
            Self::Folder { path, mode, user } => {
                let owner = user.as_deref().unwrap_or("root");
                vec![format!("folder {}  (owner {owner}, mode {mode:04o})", host.layout.shown(path))]
            }
            Self::Group(name) => vec![format!("$ {}", typed(Tool::Pw, &group_args(name)))],
            Self::User(name) => vec![format!("$ {}", typed(Tool::Pw, &user_args(name)))],
            Self::Settings { path, text } => {
                let head = format!("write {}  (owner root, mode 0644):", host.layout.shown(path));
                std::iter::once(head).chain(text.lines().map(|line| format!("  | {line}"))).collect()
            }
            Self::Certificate { why, key } => {
                let folder = host.layout.shown(&tls::own_folder(&host.layout));
                let key = if *key { "; the key stays" } else { "" };
                vec![format!(
                    "certificate {folder}/certificate.pem, self-signed, with {folder}/key.pem  (root's, mode 0600; \
                     {why}{key})"
                )]
            }
            Self::Admin(name) => vec![format!("account {name}, role admin")],
            Self::Enable => vec![format!("$ {}", typed(Tool::Sysrc, &[&enable_arg("YES")]))],
            Self::Start => vec![format!("$ {}", typed(Tool::Service, &[SERVICE, "start"]))],
            Self::Restart => vec![format!("$ {}", typed(Tool::Service, &[SERVICE, "restart"]))],
        }
    }

    /// In a few words, for the history.
    fn in_words(&self, host: &Host) -> String {
        match self {
            Self::Folder { path, .. } => format!("folder {}", host.layout.shown(path)),
            Self::Group(name) => format!("group {name}"),
            Self::User(name) => format!("user {name}"),
            Self::Settings { path, .. } => host.layout.shown(path),
            Self::Certificate { .. } => "certificate".to_owned(),
            Self::Admin(name) => format!("account {name}"),
            Self::Enable => format!("{RCVAR} in rc.conf"),
            Self::Start => "service started".to_owned(),
            Self::Restart => "service restarted".to_owned(),
        }
    }

    fn carry_out(&self, host: &Host, made: &mut Made, password: Option<&Secret>) -> Result<(), StepError> {
        let command = StepError::Command;
        match self {
            Self::Folder { path, mode, user } => {
                let owner = match user {
                    Some(_) if !host.gives_files_away() => None,
                    None => None,
                    Some(name) => match look::user(host, name).map_err(command)? {
                        Some(found) if found.is_unprivileged() => Some((found.uid, found.gid)),
                        _ => return Err(StepError::Command(format!("there is no unprivileged user {name}"))),
                    },
                };
                folder(path, *mode, owner)?;
            }
            Self::Group(name) => {
                noted(host, made, |made| made.group = Some(name.clone()))?;
                host.run(Tool::Pw, &group_args(name)).map_err(command)?;
            }
            Self::User(name) => {
                noted(host, made, |made| made.user = Some(name.clone()))?;
                host.run(Tool::Pw, &user_args(name)).map_err(command)?;
            }
            Self::Settings { path, text } => {
                if let Some(folder) = path.parent() {
                    let mut maker = std::fs::DirBuilder::new();
                    maker.recursive(true).mode(0o755).create(folder).map_err(FileError::system("making", folder))?;
                }
                noted(host, made, |made| made.settings = Some(Digest::of(text.as_bytes())))?;
                files::replace_with_mode(path, &Expected::Absent, text.as_bytes(), 0o644, &crash_point)?;
            }
            Self::Certificate { key, .. } => {
                if !key {
                    noted(host, made, |made| made.certificate = true)?;
                }
                let settings = Settings::read(&host.layout.settings(), false)?;
                tls::certificate(&host.layout, &settings, &host.hostname)?;
            }
            Self::Admin(name) => {
                let Some(password) = password else {
                    return Err(StepError::Command(format!("no password was given for {name}")));
                };
                let add = Command::AddAccount { name: name.to_string(), role: Role::Admin, password: password.clone() };
                Local::open(&host.layout)?.ask::<()>(add)?;
            }
            Self::Enable => {
                // What stood there when setup first came by.
                if made.enabled.is_none() {
                    let value = look::enabled(host).map_err(command)?;
                    noted(host, made, |made| made.enabled = Some(Before { value }))?;
                }
                host.run(Tool::Sysrc, &[&enable_arg("YES")]).map_err(command)?;
            }
            Self::Start => host.run(Tool::Service, &[SERVICE, "start"]).map_err(command)?,
            Self::Restart => host.run(Tool::Service, &[SERVICE, "restart"]).map_err(command)?,
        }
        Ok(())
    }
}

fn group_args(name: &str) -> [&str; 3] {
    ["groupadd", "-n", name]
}

fn user_args(name: &str) -> [&str; 11] {
    ["useradd", "-n", name, "-g", name, "-c", GECOS, "-d", "/nonexistent", "-s", "/usr/sbin/nologin"]
}

pub(super) fn enable_arg(value: &str) -> String {
    format!("{RCVAR}={value}")
}

/// Notes what is about to be made.
fn noted(host: &Host, made: &mut Made, note: impl FnOnce(&mut Made)) -> Result<(), MadeError> {
    note(made);
    made.write(&host.layout)
}

/// Makes a folder at need, and gives it owner and mode. A link is none, and is never followed.
fn folder(path: &Path, mode: u32, owner: Option<(u32, u32)>) -> Result<(), FileError> {
    match std::fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = path.parent().unwrap_or(path);
            let mut maker = std::fs::DirBuilder::new();
            maker.recursive(true).mode(0o755).create(above).map_err(FileError::system("making", above))?;
            std::fs::DirBuilder::new().mode(mode).create(path).map_err(FileError::system("making", path))?;
        }
        Err(error) => return Err(FileError::system("making", path)(error)),
    }
    let found = path.symlink_metadata().map_err(FileError::system("examining", path))?;
    if !found.is_dir() {
        return Err(FileError::Untrusted { path: path.to_owned(), why: "this is no folder: remove it" });
    }
    if let Some((uid, gid)) = owner.filter(|owner| *owner != (found.uid(), found.gid())) {
        std::os::unix::fs::lchown(path, Some(uid), Some(gid))
            .map_err(FileError::system("giving its owner to", path))?;
    }
    // By the folder itself, for its owner may be the web process's user, who could put a link in its place meanwhile.
    let open = nix::fcntl::open(
        path,
        nix::fcntl::OFlag::O_DIRECTORY | nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )
    .map_err(|errno| FileError::system("examining", path)(errno.into()))?;
    let open = std::fs::File::from(open);
    if found.mode() & 0o7777 != mode {
        open.set_permissions(std::fs::Permissions::from_mode(mode))
            .map_err(FileError::system("giving its mode to", path))?;
    }
    if let Some(above) = path.parent() {
        files::sync_folder(above)?;
    }
    Ok(())
}

/// Carries out steps in order; `say` is told each before it is done.
///
/// # Errors
/// The step that failed; those before it are done, and the next setup goes on from there.
pub(crate) fn carry_out(
    host: &Host,
    steps: &[Step],
    password: Option<&Secret>,
    say: &mut dyn FnMut(&Step),
) -> Result<(), StepError> {
    let mut made = Made { removal_noted: false, ..Made::read(&host.layout)? };
    crash_point("setup-step");
    for step in steps {
        say(step);
        step.carry_out(host, &mut made, password)?;
        crash_point("setup-step");
    }
    if !steps.is_empty() {
        let words: Vec<String> = steps.iter().map(|step| step.in_words(host)).collect();
        note(host, format!("pot-console setup: {}.", words.join(", ")))?;
        crash_point("setup-step");
    }
    Ok(())
}

/// Puts it down in the history.
pub(super) fn note(host: &Host, message: String) -> Result<(), StepError> {
    Local::open(&host.layout)?.record(Action::Process, "setup", message)?;
    Ok(())
}

/// The certificate's fingerprint that is in force, when the console made it or root named it.
pub(crate) fn fingerprint(seen: &look::Seen) -> Option<&str> {
    match &seen.certificate {
        Some(Ok(look::CertificateSeen::Serves { fingerprint, .. })) => Some(fingerprint),
        _ => None,
    }
}
