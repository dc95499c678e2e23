//! The settings file: `/usr/local/etc/pot-console.toml`, root's, written by hand.
//!
//! Every setting has a default, and the defaults are the safe ones: the console listens on loopback only, and never
//! by itself on an address that pots could reach. An unknown name is an error: a misspelt safeguard is none.

use crate::formats::{self, Newer};
use crate::journal::Retention;
use crate::operations::feedback::RECIPIENT;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest settings file in bytes.
const LONGEST: u64 = 1 << 20;

/// What root decided.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The version of this file's form; 1 when it names none.
    pub version: u64,
    /// Addresses and ports to listen on.
    pub listen: Vec<SocketAddr>,
    /// The user that the web process runs as.
    pub user: String,
    /// Further names by which browsers reach this host (a name in the LAN's DNS, a proxy's name).
    pub names: Vec<String>,
    /// Certificate chain and key; none: a self-signed one is made at the first start.
    pub tls: Option<Tls>,
    /// Minutes without any use after which a session ends (1 to 1440).
    pub idle_minutes: u32,
    /// Hours after which a session ends at the latest (1 to 168).
    pub session_hours: u32,
    /// Whether every change must carry a reason.
    pub reason_required: bool,
    /// Who proves what destroys.
    pub confirm_destructive: ConfirmDestructive,
    /// pf's rules file when it is not the one that `sysrc -n pf_rules` names: entries that an operation may touch.
    pub pf_files: Vec<String>,
    /// Programs that admins may name as POT_EXPORT_PORTS_PF_RULES_HOOK, which `pot start` runs as root.
    pub hooks: Vec<String>,
    /// Files that admins may name as POT_DEFAULT_SIGNATURE_PUBKEY, which decides whose images are trusted.
    pub public_keys: Vec<String>,
    /// How many versions of a file are kept at least (1 to 10000).
    pub backups: u32,
    /// Seconds after which what is known of the host is old: a page that asks then makes a new look (10 to 3600).
    pub refresh_seconds: u32,
    /// Seconds that one command of a run may take, `pot init` for example, before it is ended (5 to 3600). Installing
    /// packages and destroying datasets have two hours.
    pub command_seconds: u32,
    /// How long the history is kept, by kind of record.
    pub history: History,
    /// Whether each record of the history also goes to syslog, as a line of the auth facility with the record's hash.
    pub syslog: bool,
    /// Who gets feedback that an operator wants sent; none: the address that pot's guide names.
    pub feedback_recipient: Option<String>,
    /// Where all this comes from.
    #[serde(skip)]
    pub origin: Origin,
}

/// Where settings come from, and what is in force in place of what they say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The file, as it was asked for; none: the settings were not read.
    file: Option<PathBuf>,
    /// Whether there is such a file.
    exists: bool,
    /// The names that it sets.
    set: BTreeSet<&'static str>,
    /// What was taken at the start and stays until the next one, by name.
    since_start: BTreeMap<&'static str, (String, Source)>,
}

/// Where the value of a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The settings file.
    File,
    /// Whoever started the console.
    Start,
}

/// A setting in force, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name in the file.
    pub name: &'static str,
    /// What it decides.
    pub decides: &'static str,
    /// The value in force, as people write it.
    pub value: String,
    /// Where that comes from.
    pub source: Source,
    /// Another value, which the file says and the next start takes.
    pub at_next_start: Option<String>,
}

/// What is taken when the console starts, and not again when the settings are read anew.
const TAKEN_AT_START: [&str; 2] = ["listen", "user"];

/// How long the history is kept. A record goes only when it is older *and* beyond the newest so many of its kind, and
/// only in whole segments of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct History {
    /// What people did, and, counted apart, what was done to the host behind the console's back; none: ten years, a million.
    pub changes: Option<Keep>,
    /// Sign-ins, sign-outs, what was slowed down or refused; none: a year, 100,000.
    pub visits: Option<Keep>,
    /// What ran by itself; none: 90 days, 10,000.
    pub by_itself: Option<Keep>,
}

/// What of one kind is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// All that is younger, in days (1 to 36500).
    pub days: u32,
    /// And the newest, so many (0 to 100 million).
    pub records: u64,
}

/// A certificate from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the chain, the server's certificate first.
    pub certificate: PathBuf,
    /// PEM file with its key.
    pub key: PathBuf,
}

/// One setting: what people are told about it.
#[derive(Clone, Copy)]
struct Kind {
    /// Its name in the file; a dot leads into a table.
    name: &'static str,
    /// What it decides.
    decides: &'static str,
    /// What it can hold.
    holds: &'static str,
    /// The whole line or lines, as an example.
    example: &'static str,
}

const fn kind(name: &'static str, decides: &'static str, holds: &'static str, example: &'static str) -> Kind {
    Kind { name, decides, holds, example }
}

/// Every setting, in the order in which people read them.
const KINDS: [Kind; 21] = [
    kind("version", "The version of this file's form", "a number", "version = 1"),
    kind(
        "listen",
        "Addresses and ports where browsers reach the console",
        "a list of addresses with port, each in quotes",
        "listen = [\"127.0.0.1:8443\"]",
    ),
    kind("user", "The user that the web process runs as", "a user's name in quotes", "user = \"potconsole\""),
    kind(
        "names",
        "Further names by which browsers reach this host",
        "a list of names, each in quotes",
        "names = [\"jail1.lan\"]",
    ),
    kind(
        "tls",
        "The certificate that browsers see, and its key",
        "the paths of a certificate and of its key",
        "tls = { certificate = \"/usr/local/etc/ssl/console.pem\", key = \"/usr/local/etc/ssl/console.key\" }",
    ),
    kind("idle_minutes", "Minutes without use after which a session ends", "a number of minutes", "idle_minutes = 30"),
    kind("session_hours", "Hours after which a session ends at the latest", "a number of hours", "session_hours = 12"),
    kind(
        "reason_required",
        "Whether every change must carry a reason",
        "true or false, without quotes",
        "reason_required = true",
    ),
    kind(
        "confirm_destructive",
        "Who proves what destroys: the admin by password, or root in a shell",
        "\"password\" or \"shell\"",
        "confirm_destructive = \"shell\"",
    ),
    kind(
        "pf_files",
        "Further rules files of pf that an operation may touch",
        "a list of absolute paths, each in quotes",
        "pf_files = [\"/etc/pf.pots.conf\"]",
    ),
    kind(
        "hooks",
        "Programs that admins may choose as POT_EXPORT_PORTS_PF_RULES_HOOK",
        "a list of absolute paths, each in quotes",
        "hooks = [\"/usr/local/libexec/hook.sh\"]",
    ),
    kind(
        "public_keys",
        "Files that admins may choose as POT_DEFAULT_SIGNATURE_PUBKEY",
        "a list of absolute paths, each in quotes",
        "public_keys = [\"/usr/local/etc/keys/pots.pub\"]",
    ),
    kind("backups", "Versions of a file that are kept at least", "a number of versions", "backups = 50"),
    kind(
        "refresh_seconds",
        "Seconds after which what is known of the host is old",
        "a number of seconds",
        "refresh_seconds = 60",
    ),
    kind(
        "command_seconds",
        "Seconds that one command of a run may take",
        "a number of seconds",
        "command_seconds = 120",
    ),
    kind(
        "history",
        "How long the history is kept",
        "changes, visits and by_itself below a line [history]",
        "[history]\nvisits = { days = 365, records = 100000 }",
    ),
    kind(
        "history.changes",
        "How long the history keeps what people did",
        DAYS_AND_RECORDS,
        "[history]\nchanges = { days = 3650, records = 1000000 }",
    ),
    kind(
        "history.visits",
        "How long it keeps sign-ins and what was refused",
        DAYS_AND_RECORDS,
        "[history]\nvisits = { days = 365, records = 100000 }",
    ),
    kind(
        "history.by_itself",
        "How long it keeps what ran by itself",
        DAYS_AND_RECORDS,
        "[history]\nby_itself = { days = 90, records = 10000 }",
    ),
    kind(
        "syslog",
        "Whether each record of the history also goes to syslog",
        "true or false, without quotes",
        "syslog = true",
    ),
    kind(
        "feedback_recipient",
        "Who gets feedback on pot",
        "one mail address in quotes",
        "feedback_recipient = \"admin@example.org\"",
    ),
];
const DAYS_AND_RECORDS: &str = "a number of days and a number of records";

/// Who proves what destroys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfirmDestructive {
    /// The admin gives the password again.
    #[default]
    Password,
    /// root approves the plan in a terminal.
    Shell,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: 1,
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8443))],
            user: "potconsole".to_owned(),
            names: Vec::new(),
            tls: None,
            idle_minutes: 30,
            session_hours: 12,
            reason_required: false,
            confirm_destructive: ConfirmDestructive::Password,
            pf_files: Vec::new(),
            hooks: Vec::new(),
            public_keys: Vec::new(),
            backups: 50,
            refresh_seconds: 60,
            command_seconds: 120,
            history: History::default(),
            syslog: false,
            feedback_recipient: None,
            origin: Origin::default(),
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the settings {path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// Someone other than root could write the file.
    #[error("the settings {path} can be changed by others than their owner: chown root and chmod go-w it first")]
    Exposed {
        /// The file.
        path: String,
    },
    /// The file is no TOML, or holds a name or value that is not known.
    #[error("the settings {path} are not understood: {error}")]
    NotUnderstood {
        /// The file.
        path: String,
        /// Where and why.
        error: String,
    },
    /// A value is of the wrong kind.
    #[error("the settings {path}: {name} is {value}, it must be {holds}. For example:\n{example}")]
    WrongKind {
        /// The file.
        path: String,
        /// The setting.
        name: &'static str,
        /// What stands there.
        value: String,
        /// What it can hold.
        holds: &'static str,
        /// A line that is right.
        example: &'static str,
    },
    /// The file is longer than any settings are.
    #[error("the settings {path} are longer than a MiB")]
    TooLong {
        /// The file.
        path: String,
    },
    /// The file is of a newer version than this program knows.
    #[error("the settings: {0}")]
    Newer(#[from] Newer),
    /// A value is outside its range.
    #[error("the settings {path}: {name} is {value}, it can be {range}")]
    OutOfRange {
        /// The file.
        path: String,
        /// The setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it can be.
        range: &'static str,
    },
}

impl Settings {
    /// Reads the settings of `path`; the defaults when there is no such file and `required` is false.
    ///
    /// # Errors
    /// [`SettingsError`]: nothing is guessed.
    pub fn read(path: &Path, required: bool) -> Result<Self, SettingsError> {
        use std::io::Read as _;
        let shown = path.display().to_string();
        let unreadable = |error| SettingsError::Unreadable { path: shown.clone(), error };
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {
                let origin = Origin { file: Some(path.to_owned()), ..Origin::default() };
                return Ok(Self { origin, ..Self::default() });
            }
            Err(error) => return Err(unreadable(error)),
        };
        if !only_its_owner_writes(&file.metadata().map_err(unreadable)?) {
            return Err(SettingsError::Exposed { path: shown });
        }
        let mut text = String::new();
        file.take(LONGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > LONGEST {
            return Err(SettingsError::TooLong { path: shown });
        }
        let mut settings = Self::parse(&text, &shown)?;
        settings.origin.file = Some(path.to_owned());
        Ok(settings)
    }

    fn parse(text: &str, path: &str) -> Result<Self, SettingsError> {
        // First: what a newer file says otherwise is no mistake of its writer's.
        let version = toml::from_str::<toml::Table>(text).ok().and_then(|all| all.get("version")?.as_integer());
        if let Some(version) = version.and_then(|version| u64::try_from(version).ok()) {
            formats::Kind::Settings.must_be_known(Path::new(path), version)?;
        }
        let not_understood =
            |error: toml::de::Error| SettingsError::NotUnderstood { path: path.to_owned(), error: error.to_string() };
        let mut settings: Self = toml::from_str(text)
            .map_err(|error| Self::wrong_kind(text, path).unwrap_or_else(|| not_understood(error)))?;
        settings.check(path)?;
        let all: toml::Table = toml::from_str(text).map_err(not_understood)?;
        let stands = |name: &str| match name.split_once('.') {
            None => all.contains_key(name),
            Some((table, part)) => all.get(table).is_some_and(|table| table.get(part).is_some()),
        };
        let set = KINDS.iter().map(|kind| kind.name).filter(|name| stands(name)).collect();
        settings.origin = Origin { exists: true, set, ..Origin::default() };
        Ok(settings)
    }

    /// The first setting of a name that is known and of a kind that is not its own.
    fn wrong_kind(text: &str, path: &str) -> Option<SettingsError> {
        let all: toml::Table = toml::from_str(text).ok()?;
        KINDS.into_iter().find_map(|Kind { name, holds, example, .. }| {
            let (outer, inner) = name.split_once('.').map_or((name, None), |(outer, inner)| (outer, Some(inner)));
            let value = all.get(outer)?;
            let alone = match inner {
                // Its parts are asked one by one.
                None if outer == "history" && value.is_table() => return None,
                None => toml::Table::from_iter([(outer.to_owned(), value.clone())]),
                Some(inner) => {
                    let part = toml::Table::from_iter([(inner.to_owned(), value.get(inner)?.clone())]);
                    toml::Table::from_iter([(outer.to_owned(), part.into())])
                }
            };
            // As text again: a table takes a date for a string.
            toml::from_str::<Self>(&toml::to_string(&alone).ok()?).err()?;
            let value = inner.map_or(Some(value), |inner| value.get(inner))?;
            Some(SettingsError::WrongKind { path: path.to_owned(), name, value: short(value), holds, example })
        })
    }

    fn check(&self, path: &str) -> Result<(), SettingsError> {
        let out =
            |name, value: String, range| Err(SettingsError::OutOfRange { path: path.to_owned(), name, value, range });
        if self.version == 0 {
            return out("version", self.version.to_string(), "1");
        }
        if !(1..=1440).contains(&self.idle_minutes) {
            return out("idle_minutes", self.idle_minutes.to_string(), "1 to 1440");
        }
        if !(1..=168).contains(&self.session_hours) {
            return out("session_hours", self.session_hours.to_string(), "1 to 168");
        }
        if !(1..=10_000).contains(&self.backups) {
            return out("backups", self.backups.to_string(), "1 to 10000");
        }
        if !(10..=3600).contains(&self.refresh_seconds) {
            return out("refresh_seconds", self.refresh_seconds.to_string(), "10 to 3600");
        }
        if !(5..=3600).contains(&self.command_seconds) {
            return out("command_seconds", self.command_seconds.to_string(), "5 to 3600");
        }
        if self.listen.is_empty() || self.listen.len() > 16 {
            return out("listen", format!("{} addresses", self.listen.len()), "1 to 16 addresses with port");
        }
        if let Some(recipient) = &self.feedback_recipient
            && !crate::operations::feedback::is_address(recipient)
        {
            return out("feedback_recipient", recipient.clone(), "one mail address");
        }
        if self.user.is_empty() || self.user == "root" {
            return out("user", self.user.clone(), "an unprivileged user's name");
        }
        let History { changes, visits, by_itself } = &self.history;
        for (name, keep) in [("history.changes", changes), ("history.visits", visits), ("history.by_itself", by_itself)]
        {
            let Some(keep) = keep else { continue };
            if !(1..=36_500).contains(&keep.days) {
                return out(name, format!("{} days", keep.days), "1 to 36500 days");
            }
            if keep.records > 100_000_000 {
                return out(name, format!("{} records", keep.records), "0 to 100000000 records");
            }
        }
        for (name, files) in [("pf_files", &self.pf_files), ("hooks", &self.hooks), ("public_keys", &self.public_keys)]
        {
            if let Some(wrong) = files.iter().find(|file| !is_plain_absolute(file)) {
                return out(name, wrong.clone(), "absolute paths without .. or //");
            }
        }
        Ok(())
    }

    /// A settings file with a comment for every setting, in which `listen` and `user` stand and all else is built in: the
    /// example of docs/settings.md, with the other lines behind a `#`.
    pub fn sample(listen: &[SocketAddr], user: &str) -> String {
        const DOCUMENTED: &str = include_str!("../docs/settings.md");
        let example =
            DOCUMENTED.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
        let mut text = String::from(
            "# Settings of pot-console, root's. A line behind a # without a blank is what is built in, or an example:\n\
             # take the # away to change it. Read at the start and, but for listen and user, by service pot_console reload.\n\n",
        );
        for line in example.lines() {
            let line = match line.split(' ').next().unwrap_or_default() {
                "listen" => {
                    let addresses: Vec<String> = listen.iter().map(|address| format!("\"{address}\"")).collect();
                    format!("listen = [{}]", addresses.join(", "))
                }
                "user" => format!("user = \"{user}\""),
                "" | "#" | "version" => line.to_owned(),
                _ => format!("#{line}"),
            };
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// Every setting by name, its value as people write it.
    pub fn values(&self) -> Vec<(&'static str, String)> {
        fn list<T: ToString>(values: &[T]) -> String {
            let words: Vec<String> = values.iter().map(T::to_string).collect();
            if words.is_empty() { "none".to_owned() } else { words.join(", ") }
        }
        let kept = |keep: Option<Keep>| match keep {
            None => "as built in".to_owned(),
            Some(Keep { days, records }) => format!("{days} days and the newest {records}"),
        };
        let tls = self.tls.as_ref().map_or_else(
            || "self-signed".to_owned(),
            |tls| format!("{} with {}", tls.certificate.display(), tls.key.display()),
        );
        let confirmed_by = match self.confirm_destructive {
            ConfirmDestructive::Password => "password",
            ConfirmDestructive::Shell => "shell",
        };
        vec![
            ("listen", list(&self.listen)),
            ("user", self.user.clone()),
            ("names", list(&self.names)),
            ("tls", tls),
            ("idle_minutes", self.idle_minutes.to_string()),
            ("session_hours", self.session_hours.to_string()),
            ("reason_required", self.reason_required.to_string()),
            ("confirm_destructive", confirmed_by.to_owned()),
            ("pf_files", list(&self.pf_files)),
            ("hooks", list(&self.hooks)),
            ("public_keys", list(&self.public_keys)),
            ("backups", self.backups.to_string()),
            ("refresh_seconds", self.refresh_seconds.to_string()),
            ("command_seconds", self.command_seconds.to_string()),
            ("history.changes", kept(self.history.changes)),
            ("history.visits", kept(self.history.visits)),
            ("history.by_itself", kept(self.history.by_itself)),
            ("syslog", self.syslog.to_string()),
            ("feedback_recipient", self.feedback_recipient.clone().unwrap_or_else(|| "none".to_owned())),
        ]
    }

    /// The settings file, none when these were not read from one, and whether there is such a file.
    pub fn file(&self) -> (Option<&Path>, bool) {
        (self.origin.file.as_deref(), self.origin.exists)
    }

    /// Every setting with the value in force and where it comes from. None of them is a secret: keys are named by
    /// their paths.
    pub fn in_force(&self) -> Vec<Setting> {
        let values: BTreeMap<&str, String> = self.values().into_iter().collect();
        let built_in = Retention::default();
        let kept = |keep: Option<Keep>, built_in: crate::journal::Keep| {
            let days = keep.map_or(built_in.age.as_secs() / (24 * 60 * 60), |keep| u64::from(keep.days));
            format!("{days} days, and the newest {}", keep.map_or(built_in.records, |keep| keep.records))
        };
        let setting = |kind: &Kind| {
            let said = match kind.name {
                "history.changes" => kept(self.history.changes, built_in.changes),
                "history.visits" => kept(self.history.visits, built_in.visits),
                "history.by_itself" => kept(self.history.by_itself, built_in.by_itself),
                "feedback_recipient" => self.feedback_recipient.clone().unwrap_or_else(|| RECIPIENT.to_owned()),
                // A table's line has its parts below it.
                name => values.get(name)?.clone(),
            };
            let by_file = if self.origin.set.contains(kind.name) { Source::File } else { Source::Default };
            let (value, source) = self.origin.since_start.get(kind.name).cloned().unwrap_or((said.clone(), by_file));
            let at_next_start = (source != Source::Start && value != said).then_some(said);
            Some(Setting { name: kind.name, decides: kind.decides, value, source, at_next_start })
        };
        KINDS.iter().filter_map(setting).collect()
    }

    /// Says that whoever started the console gave this in place of a setting.
    pub fn given_at_start(&mut self, name: &'static str, value: String) {
        self.origin.since_start.insert(name, (value, Source::Start));
    }

    /// These settings, read while the console runs with `earlier` ones: what was taken at the start stays in force.
    #[must_use]
    pub fn read_after(mut self, earlier: &Self) -> Self {
        let in_force = earlier.in_force().into_iter();
        self.origin.since_start = in_force
            .filter_map(|setting| {
                let name = TAKEN_AT_START.into_iter().find(|name| *name == setting.name)?;
                Some((name, (setting.value, setting.source)))
            })
            .collect();
        self
    }

    /// How long a session lasts without use.
    pub fn idle(&self) -> Duration {
        Duration::from_secs(u64::from(self.idle_minutes) * 60)
    }

    /// How long a session lasts at the latest.
    pub fn session(&self) -> Duration {
        Duration::from_secs(u64::from(self.session_hours) * 3600)
    }
}

/// A value as it would stand in the file, at most 60 characters of it, on one line.
fn short(value: &toml::Value) -> String {
    let text: String =
        value.to_string().chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    if text.chars().count() <= 60 { text } else { text.chars().take(59).chain(['…']).collect() }
}

fn is_plain_absolute(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")))
        && !path.chars().any(char::is_control)
}

/// Whether nobody but the owner, who is root or whoever runs this, can write the file.
fn only_its_owner_writes(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let own = nix::unistd::geteuid().as_raw();
    metadata.mode() & 0o022 == 0 && (metadata.uid() == 0 || metadata.uid() == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_settings_are_taken() {
        let text = include_str!("../docs/settings.md");
        let example = text.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let documented = Settings::parse(example, "docs/settings.md").unwrap();
        let names = vec!["jail1.lan".to_owned()];
        let history = documented.history.clone();
        let origin = documented.origin.clone();
        assert_eq!(documented, Settings { names, history, origin, ..Settings::default() });
    }

    #[test]
    fn the_settings_file_that_is_made_says_what_is_built_in_and_names_every_setting() {
        let listen = ["192.168.178.20:8443".parse().unwrap(), "[::1]:8443".parse().unwrap()];
        let text = Settings::sample(&listen, "console");
        let made = Settings::parse(&text, "f").unwrap();
        let origin = made.origin.clone();
        assert_eq!(
            made,
            Settings { listen: listen.to_vec(), user: "console".to_owned(), origin, ..Settings::default() }
        );
        let built_in = Settings::parse(&Settings::sample(&Settings::default().listen, "potconsole"), "f").unwrap();
        assert_eq!(built_in, Settings { origin: built_in.origin.clone(), ..Settings::default() });
        for Kind { name, .. } in KINDS {
            let last = name.rsplit('.').next().unwrap();
            assert!(
                text.lines().any(|line| line.trim_start_matches(['#', ' ', '[']).starts_with(last)),
                "{name}:\n{text}"
            );
        }
        // Each of its lines, switched on, is taken.
        for line in text.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| !line.starts_with([' ', '[']))
        {
            let table = ["changes", "visits", "by_itself"].iter().any(|name| line.starts_with(name));
            let alone = if table { format!("[history]\n{line}") } else { line.to_owned() };
            Settings::parse(&alone, "f").unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn without_a_file_the_console_listens_on_loopback_only() {
        let settings = Settings::read(Path::new("/nonexistent/pot-console.toml"), false).unwrap();
        assert_eq!(settings, Settings { origin: settings.origin.clone(), ..Settings::default() });
        assert!(settings.listen.iter().all(|address| address.ip().is_loopback()));
        assert!(Settings::read(Path::new("/nonexistent/pot-console.toml"), true).is_err());
    }

    #[test]
    fn a_misspelt_name_or_a_value_out_of_range_is_an_error_that_names_it() {
        for (text, named) in [
            ("confirm_destructiv = \"shell\"", "confirm_destructiv"),
            ("idle_minutes = 0", "idle_minutes"),
            ("session_hours = 1000", "session_hours"),
            ("listen = []", "listen"),
            ("listen = [\"localhost\"]", "listen"),
            ("user = \"root\"", "user"),
            ("pf_files = [\"/etc/../x\"]", "pf_files"),
            ("hooks = [\"hook\"]", "hooks"),
            ("public_keys = [\"/etc//key\"]", "public_keys"),
            ("[history.visits]\ndays = 0\nrecords = 1", "history.visits"),
            ("[history]\nforever = true", "forever"),
            ("[tls]\ncertificate = \"/a\"", "key"),
        ] {
            let error = Settings::parse(text, "f").unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_told_with_what_it_must_be_and_an_example_that_is_right() {
        let words = |text: &str| Settings::parse(text, "f").unwrap_err().to_string();
        assert_eq!(
            words("user = \"www\"\nlisten = \"127.0.0.1:8443\"\n"),
            "the settings f: listen is \"127.0.0.1:8443\", it must be a list of addresses with port, each in quotes. \
             For example:\nlisten = [\"127.0.0.1:8443\"]"
        );
        let every: Vec<&str> = Settings::default().values().into_iter().map(|(name, _)| name).collect();
        for name in &every {
            assert!(KINDS.iter().any(|kind| kind.name == *name), "{name}");
        }
        for Kind { name, holds, example, .. } in KINDS {
            Settings::parse(example, "f").unwrap_or_else(|error| panic!("{example}: {error}"));
            // A date is of no setting's kind.
            let wrong = match name.split_once('.') {
                None => format!("{name} = 2026-01-01\n"),
                Some((table, part)) => format!("[{table}]\n{part} = 2026-01-01\n"),
            };
            let told = words(&wrong);
            assert!(
                told.contains(&format!("{name} is 2026-01-01, it must be {holds}")) && told.ends_with(example),
                "{told}"
            );
        }
        for wrong in [
            "idle_minutes = \"30\"",
            "names = \"jail1\"",
            "syslog = \"yes\"",
            "listen = [\"localhost\"]",
            "backups = -1",
        ] {
            assert!(words(wrong).contains("it must be"), "{}", words(wrong));
        }
        assert!(words("listen = [").contains("line 1"), "{}", words("listen = ["));
    }

    #[test]
    fn settings_of_a_newer_version_are_told_from_misspelt_ones() {
        let words = |text: &str| Settings::parse(text, "/x/pot-console.toml").unwrap_err().to_string();
        let told = words("version = 2\nlisten = \"everywhere\"\nnew_name = 1\n");
        assert!(told.starts_with("the settings: /x/pot-console.toml was written by a newer pot-console"), "{told}");
        assert!(told.contains("version 2;") && told.contains("with version = 1"), "{told}");
        assert!(words("version = 1\nnew_name = 1\n").contains("new_name"));
        assert!(words("version = 0\n").contains("version is 0"));
        assert_eq!(Settings::parse("version = 1\n", "f").unwrap().values(), Settings::default().values());
    }

    #[test]
    fn a_settings_file_that_is_too_long_is_not_read_in_part() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.toml");
        std::fs::write(&path, format!("{}\nreason_required = true\n", "# \n".repeat(400_000))).unwrap();
        assert!(matches!(Settings::read(&path, true), Err(SettingsError::TooLong { .. })));
    }

    #[test]
    fn settings_are_taken() {
        let text = "listen = [\"192.168.178.20:8443\", \"[::1]:8443\"]\nconfirm_destructive = \"shell\"\n";
        let settings = Settings::parse(text, "f").unwrap();
        assert_eq!(settings.listen.len(), 2);
        assert_eq!(settings.confirm_destructive, ConfirmDestructive::Shell);
        let settings = Settings::parse("[history]\nvisits = { days = 30, records = 500 }\n", "f").unwrap();
        assert_eq!(settings.history.visits, Some(Keep { days: 30, records: 500 }));
        assert_eq!(settings.history.changes, None);
    }

    fn told<'a>(settings: &'a [Setting], name: &str) -> (&'a str, Source, Option<&'a str>) {
        let found = settings.iter().find(|setting| setting.name == name).unwrap();
        (&found.value, found.source, found.at_next_start.as_deref())
    }

    #[test]
    fn people_are_told_each_value_in_force_and_whether_someone_set_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.toml");
        let nobody_set = Settings::read(&path, false).unwrap();
        assert_eq!(nobody_set.file(), (Some(path.as_path()), false));
        let all = nobody_set.in_force();
        assert_eq!(all.len(), nobody_set.values().len(), "each has its row");
        assert!(all.iter().all(|setting| setting.source == Source::Default && !setting.decides.is_empty()), "{all:?}");
        assert_eq!(told(&all, "feedback_recipient").0, RECIPIENT, "what is in force, not that nothing is set");

        // The same value, but somebody's: it stays when a later version has another default.
        std::fs::write(&path, "idle_minutes = 30\n[history]\nvisits = { days = 30, records = 500 }\n").unwrap();
        let settings = Settings::read(&path, true).unwrap();
        let all = settings.in_force();
        assert_eq!(settings.file(), (Some(path.as_path()), true));
        assert_eq!(told(&all, "idle_minutes"), ("30", Source::File, None));
        assert_eq!(told(&all, "session_hours"), ("12", Source::Default, None));
        assert_eq!(told(&all, "history.visits"), ("30 days, and the newest 500", Source::File, None));
        assert_eq!(told(&all, "history.changes"), ("3650 days, and the newest 1000000", Source::Default, None));
    }

    #[test]
    fn an_address_that_waits_for_the_next_start_is_not_told_as_the_one_in_force() {
        let mut first = Settings::default();
        first.given_at_start("user", "nobody".to_owned());
        let text = "listen = [\"192.168.178.20:8443\"]\nuser = \"www\"\nbackups = 10\n";
        let second = Settings::parse(text, "f").unwrap().read_after(&first);
        let waits = ("127.0.0.1:8443", Source::Default, Some("192.168.178.20:8443"));
        assert_eq!(told(&second.in_force(), "listen"), waits);
        assert_eq!(told(&second.in_force(), "user"), ("nobody", Source::Start, None));
        assert_eq!(told(&second.in_force(), "backups"), ("10", Source::File, None));
        // Read once more, it still is what it was at the start; taken back, nothing waits.
        let third = Settings::parse(text, "f").unwrap().read_after(&second);
        assert_eq!(told(&third.in_force(), "listen"), waits);
        let back = Settings::parse("", "f").unwrap().read_after(&third);
        assert_eq!(told(&back.in_force(), "listen"), ("127.0.0.1:8443", Source::Default, None));
    }

    #[test]
    fn a_settings_file_that_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.toml");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o664)).unwrap();
        assert!(matches!(Settings::read(&path, true), Err(SettingsError::Exposed { .. })));
    }
}
