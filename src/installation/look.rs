//! What there is of an installation: looked at, nothing changed.
//!
//! What could not be found out is an error of its part and never taken for "none".

use super::host::{Host, failure};
use crate::accounts::name::AccountName;
use crate::accounts::store::Accounts;
use crate::executor::tls::{self, Kept, TlsError};
use crate::operations::revert::Pending;
use crate::process::{Captured, Tool};
use crate::rules::is_yes;
use crate::settings::{Settings, SettingsError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The rc.d script's name, and the prefix of its variables.
pub(crate) const SERVICE: &str = "pot_console";
/// The variable of rc.conf that starts it at boot.
pub(crate) const RCVAR: &str = "pot_console_enable";
/// Where the package puts the rc.d script.
pub(crate) const SCRIPT: &str = "/usr/local/etc/rc.d/pot_console";

/// What the console prints as a service, readable by root alone.
pub(crate) const LOG: &str = "/var/log/pot-console.log";

/// An entry of the password file, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// Its number.
    pub uid: u32,
    /// Its group's number.
    pub gid: u32,
    /// Its home.
    pub home: String,
    /// Its shell.
    pub shell: String,
}

impl User {
    /// Whether the web process may be it.
    pub fn is_unprivileged(&self) -> bool {
        self.uid != 0 && self.gid != 0
    }
}

/// A folder, as it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Folder {
    /// Whether it is one; a link is none.
    pub is_one: bool,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

/// The settings file.
#[derive(Debug)]
pub(crate) enum SettingsSeen {
    /// There is none.
    Absent,
    /// It is understood.
    Read(Box<Settings>),
    /// It cannot be used, and why.
    Unusable(SettingsError),
}

/// All that was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The settings file.
    pub settings: SettingsSeen,
    /// The user of the web process: the file's, else the one that was asked for.
    pub user_name: String,
    /// Its entry.
    pub user: Result<Option<User>, String>,
    /// The number of the group of that name.
    pub group: Result<Option<u32>, String>,
    /// `/var/db/pot-console`.
    pub state: Result<Option<Folder>, String>,
    /// Root's part of it.
    pub private: Result<Option<Folder>, String>,
    /// The web process's part of it.
    pub web: Result<Option<Folder>, String>,
    /// The certificate; not looked at while the settings are not understood.
    pub certificate: Option<Result<CertificateSeen, String>>,
    /// Whether the rc.d script can be run; none: it is not there.
    pub script: Result<Option<bool>, String>,
    /// The variable's value in rc.conf.
    pub enabled: Result<Option<String>, String>,
    /// Whether the service runs.
    pub runs: Result<bool, String>,
    /// How many accounts there are.
    pub accounts: Result<usize, String>,
    /// The run whose change waits to be kept, or is still being made.
    pub waits: Result<Option<u64>, String>,
    /// Whether there is the account that was asked for.
    pub admin: Option<Result<bool, String>>,
}

/// The certificate, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CertificateSeen {
    /// It serves.
    Serves {
        /// SHA-256, as browsers show it.
        fingerprint: String,
        /// Whether the console made it.
        self_signed: bool,
        /// The chain, PEM.
        chain: String,
    },
    /// It is to be made, and why; whether its key is there.
    Due(&'static str, bool),
}

/// What was asked for beyond the settings file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// Where to listen.
    pub listen: Option<std::net::SocketAddr>,
    /// The user of the web process.
    pub user: Option<String>,
    /// The name of the first admin.
    pub admin: Option<AccountName>,
}

impl Asked {
    /// The settings that a new file would have.
    pub fn settings(&self) -> Settings {
        let built_in = Settings::default();
        Settings {
            listen: self.listen.map_or(built_in.listen, |listen| vec![listen]),
            user: self.user.clone().unwrap_or(built_in.user),
            ..Settings::default()
        }
    }
}

impl Seen {
    /// Looks at everything.
    pub fn look(host: &Host, asked: &Asked) -> Self {
        let layout = &host.layout;
        let settings = settings(&layout.settings());
        let in_force = match &settings {
            SettingsSeen::Read(settings) => Some((**settings).clone()),
            SettingsSeen::Absent => Some(asked.settings()),
            SettingsSeen::Unusable(_) => None,
        };
        let user_name = in_force.as_ref().unwrap_or(&asked.settings()).user.clone();
        let script = script(host);
        let accounts = Accounts::of(&layout.private());
        Self {
            user: user(host, &user_name),
            group: group(host, &user_name),
            state: folder(&layout.state()),
            private: folder(&layout.private()),
            web: folder(&layout.web()),
            certificate: in_force.as_ref().map(|settings| certificate(host, settings)),
            enabled: enabled(host),
            runs: match &script {
                Ok(Some(true)) => runs(host),
                Ok(_) => Ok(false),
                Err(error) => Err(error.clone()),
            },
            script,
            waits: Pending::read(layout)
                .map(|pending| pending.map(|pending| pending.run))
                .map_err(|error| format!("what a run left to be put back cannot be read: {error}")),
            accounts: accounts.all().map(|all| all.len()).map_err(|error| error.to_string()),
            admin: asked
                .admin
                .as_ref()
                .map(|name| accounts.find(name).map(|found| found.is_some()).map_err(|error| error.to_string())),
            settings,
            user_name,
        }
    }

    /// The settings in force, unless they are not understood.
    pub fn in_force(&self, asked: &Asked) -> Option<Settings> {
        match &self.settings {
            SettingsSeen::Read(settings) => Some((**settings).clone()),
            SettingsSeen::Absent => Some(asked.settings()),
            SettingsSeen::Unusable(_) => None,
        }
    }
}

fn settings(path: &Path) -> SettingsSeen {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => SettingsSeen::Absent,
        _ => match Settings::read(path, true) {
            Ok(settings) => SettingsSeen::Read(Box::new(settings)),
            Err(error) => SettingsSeen::Unusable(error),
        },
    }
}

/// What stands at a path that should be a folder.
pub(super) fn folder(path: &Path) -> Result<Option<Folder>, String> {
    match path.symlink_metadata() {
        Ok(found) => {
            Ok(Some(Folder { is_one: found.is_dir(), uid: found.uid(), gid: found.gid(), mode: found.mode() & 0o7777 }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// An answer of getent(1): its status is 0 for what there is, 2 for what there is not.
fn entry(host: &Host, database: &str, name: &str) -> Result<Option<Vec<String>>, String> {
    if !is_user_name(name) {
        return Err(format!("{name:?} is no name that a user or group of the host can have"));
    }
    let args = [database, name];
    let answer = host.ask(Tool::Getent, &args)?;
    let fields = || -> Option<Vec<String>> {
        let line = answer.stdout.lines().next()?;
        Some(line.split(':').map(str::to_owned).collect())
    };
    match answer.status {
        Some(0) => match fields().filter(|fields| fields.first().is_some_and(|first| first == name)) {
            Some(fields) => Ok(Some(fields)),
            None => Err(format!("getent {database} {name} gave an answer that is not understood")),
        },
        Some(2) => Ok(None),
        _ => Err(failure(Tool::Getent, &args, &answer)),
    }
}

/// Whether pw(8) takes it for a new user or group: at most 32 of the letters, digits, `_`, `-` and `.`, and no number alone.
pub(crate) fn is_user_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        && name.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !name.starts_with(['-', '.'])
}

/// A user of the host, by name.
pub(crate) fn user(host: &Host, name: &str) -> Result<Option<User>, String> {
    let Some(fields) = entry(host, "passwd", name)? else { return Ok(None) };
    let number = |at: usize| fields.get(at).and_then(|text| text.parse().ok());
    match (number(2), number(3), fields.get(5), fields.get(6)) {
        (Some(uid), Some(gid), Some(home), Some(shell)) => {
            Ok(Some(User { uid, gid, home: home.clone(), shell: shell.clone() }))
        }
        _ => Err(format!("getent passwd {name} gave an answer that is not understood")),
    }
}

/// A group's number, by name.
pub(super) fn group(host: &Host, name: &str) -> Result<Option<u32>, String> {
    let Some(fields) = entry(host, "group", name)? else { return Ok(None) };
    match fields.get(2).and_then(|text| text.parse().ok()) {
        Some(gid) => Ok(Some(gid)),
        None => Err(format!("getent group {name} gave an answer that is not understood")),
    }
}

fn certificate(host: &Host, settings: &Settings) -> Result<CertificateSeen, String> {
    match tls::kept(&host.layout, settings, &host.hostname) {
        Ok(Kept::Serves(certificate)) => Ok(CertificateSeen::Serves {
            fingerprint: certificate.fingerprint,
            self_signed: certificate.self_signed,
            chain: certificate.chain,
        }),
        Ok(Kept::Due(why, key)) => Ok(CertificateSeen::Due(why, key)),
        Err(error @ TlsError::Making(_)) => Err(format!("not known: {error}")),
        Err(error) => Err(error.to_string()),
    }
}

fn script(host: &Host) -> Result<Option<bool>, String> {
    let path: PathBuf = host.layout.on_disk(SCRIPT);
    match path.metadata() {
        Ok(found) => Ok(Some(found.is_file() && found.mode() & 0o111 != 0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{SCRIPT}: {error}")),
    }
}

/// The value of the rc variable; none when no file sets it.
pub(super) fn enabled(host: &Host) -> Result<Option<String>, String> {
    let args = ["-n", RCVAR];
    let answer = host.ask(Tool::Sysrc, &args)?;
    if answer.succeeded() {
        return Ok(Some(answer.stdout.trim().to_owned()));
    }
    let says_none = |answer: &Captured| answer.status == Some(1) && answer.stderr.contains("unknown variable");
    if says_none(&answer) { Ok(None) } else { Err(failure(Tool::Sysrc, &args, &answer)) }
}

/// Whether a value of the variable starts the service.
pub(super) fn starts(value: Option<&str>) -> bool {
    value.is_some_and(is_yes)
}

/// Whether the service runs: rc.subr's `status` ends with 0, or with 1 and these words.
pub(super) fn runs(host: &Host) -> Result<bool, String> {
    let args = [SERVICE, "status"];
    let answer = host.ask(Tool::Service, &args)?;
    match answer.status {
        Some(0) => Ok(true),
        Some(1) if answer.stdout.contains("is not running") => Ok(false),
        _ => Err(failure(Tool::Service, &args, &answer)),
    }
}
