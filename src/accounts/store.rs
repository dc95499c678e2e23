//! The accounts file: root's alone, replaced whole.
//!
//! A running server and `pot-console user` may change it at the same time: a change reads the file under a lock,
//! changes what it read and replaces it. Readers look at the file's identity and read it again when it is another.

use crate::accounts::name::AccountName;
use crate::accounts::password::StoredHash;
use crate::digest::Digest;
use crate::formats::{Kind, Newer};
use crate::journal::record::Role;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Longest accounts file in bytes.
const LONGEST: u64 = 4 << 20;
/// Most accounts.
const MOST: usize = 1000;
/// Addresses and browsers remembered per account, from which it signed in.
const MOST_PLACES: usize = 8;

/// An account as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its name.
    pub name: AccountName,
    /// Its role.
    pub role: Role,
    /// Whether it is disabled.
    #[serde(default)]
    pub disabled: bool,
    /// When it was made.
    pub created: Timestamp,
    /// Its password.
    pub hash: StoredHash,
    /// When it last signed in.
    #[serde(default)]
    pub(crate) last_sign_in: Option<Timestamp>,
    /// From where it signed in lately (as [`super::throttle::address_key`]), newest first.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Browsers that it signed in with lately, newest first: digests of the tokens that they carry.
    #[serde(default)]
    pub browsers: Vec<Digest>,
}

impl Account {
    /// Tells this password from an earlier or later one of the account.
    pub(crate) fn credential(&self) -> Digest {
        Digest::of(String::from(self.hash.clone()).as_bytes())
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u64,
    accounts: Vec<Account>,
}

/// Why accounts could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The file cannot be read or written.
    #[error("cannot {what} {path}: {error}")]
    File {
        /// `read`, `write`, `lock`.
        what: &'static str,
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The file is damaged.
    #[error("{path} is damaged ({error}); put a copy back, or move it away and set up the first account again")]
    Damaged {
        /// The file.
        path: String,
        /// Where and why.
        error: String,
    },
    /// The file is of a newer version than this program knows.
    #[error(transparent)]
    Newer(#[from] Newer),
    /// Someone other than its owner may read or write the file.
    #[error("{path} can be read or changed by others than its owner: chown root and chmod 600 it first")]
    Exposed {
        /// The file.
        path: String,
    },
    /// There is no such account.
    #[error("there is no account {0}")]
    Unknown(String),
    /// The history has another use for the name.
    #[error("the history calls {0} what no account did: take another name")]
    Reserved(String),
    /// There is such an account already.
    #[error("there is an account {0} already")]
    Exists(String),
    /// It would leave nobody who can manage accounts.
    #[error("{0} is the only admin who can sign in: make another admin first")]
    LastAdmin(String),
    /// Too many accounts.
    #[error("there are {MOST} accounts already")]
    TooMany,
}

/// The history's names of what no account did: the command line's, the console's own, and of whoever is not known.
const RESERVED: [&str; 3] = ["root", "pot-console", "nobody"];

fn not_reserved(account: &Account) -> Result<(), AccountError> {
    let name = account.name.as_str();
    if RESERVED.contains(&name) { Err(AccountError::Reserved(name.to_owned())) } else { Ok(()) }
}

/// The newest first, each once, and only the newest few.
fn remember<T: PartialEq>(known: &mut Vec<T>, now: T) {
    known.retain(|other| *other != now);
    known.insert(0, now);
    known.truncate(MOST_PLACES);
}

/// The identity of a file's content, without reading it.
type Stamp = (u64, u64, i64, i64, u64);

/// The accounts file.
#[derive(Debug)]
pub struct Accounts {
    path: PathBuf,
    read: Mutex<Option<(Option<Stamp>, Vec<Account>)>>,
}

impl Accounts {
    /// The accounts of the folder `private`, which is root's alone.
    pub fn of(private: &Path) -> Self {
        Self { path: private.join("accounts.json"), read: Mutex::new(None) }
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// [`AccountError::File`], [`AccountError::Damaged`], [`AccountError::Exposed`].
    pub fn all(&self) -> Result<Vec<Account>, AccountError> {
        self.look(<[Account]>::to_vec)
    }

    /// Looks at the accounts as they stand: each request does, and copies no more than it needs.
    fn look<T>(&self, at: impl FnOnce(&[Account]) -> T) -> Result<T, AccountError> {
        let stamp = self.stamp()?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, accounts)) = read.as_ref()
            && *of == stamp
        {
            return Ok(at(accounts));
        }
        let accounts = self.read_file()?;
        let seen = at(&accounts);
        *read = Some((stamp, accounts));
        Ok(seen)
    }

    /// One account.
    ///
    /// # Errors
    /// As [`Accounts::all`].
    pub fn find(&self, name: &AccountName) -> Result<Option<Account>, AccountError> {
        self.look(|accounts| accounts.iter().find(|account| account.name == *name).cloned())
    }

    /// Adds an account.
    ///
    /// # Errors
    /// [`AccountError::Exists`], [`AccountError::Reserved`], [`AccountError::TooMany`], or the file's.
    pub fn add(&self, account: Account) -> Result<(), AccountError> {
        not_reserved(&account)?;
        self.change(|accounts| {
            if accounts.iter().any(|other| other.name == account.name) {
                return Err(AccountError::Exists(account.name.to_string()));
            }
            if accounts.len() >= MOST {
                return Err(AccountError::TooMany);
            }
            accounts.push(account);
            accounts.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(())
        })
    }

    /// Adds the very first account.
    ///
    /// # Errors
    /// [`AccountError::Exists`] when there is any account, or the file's.
    pub(crate) fn add_first(&self, account: Account) -> Result<(), AccountError> {
        not_reserved(&account)?;
        self.change(|accounts| match accounts.first() {
            Some(first) => Err(AccountError::Exists(first.name.to_string())),
            None => {
                accounts.push(account);
                Ok(())
            }
        })
    }

    /// Changes one account; the answer is how it was before.
    ///
    /// # Errors
    /// [`AccountError::Unknown`], [`AccountError::LastAdmin`], or the file's.
    pub fn update(&self, name: &AccountName, with: impl FnOnce(&mut Account)) -> Result<Account, AccountError> {
        self.change(|accounts| {
            let admins = |accounts: &[Account]| {
                accounts.iter().filter(|account| account.role == Role::Admin && !account.disabled).count()
            };
            let before_count = admins(accounts);
            let account = accounts
                .iter_mut()
                .find(|account| account.name == *name)
                .ok_or_else(|| AccountError::Unknown(name.to_string()))?;
            let before = account.clone();
            with(account);
            if before_count > 0 && admins(accounts) == 0 {
                return Err(AccountError::LastAdmin(name.to_string()));
            }
            Ok(before)
        })
    }

    /// Notes a sign-in, when, from where and with which browser; the answer is when the one before was.
    ///
    /// # Errors
    /// As [`Accounts::update`].
    pub(crate) fn note_sign_in(
        &self,
        name: &AccountName,
        address: &str,
        browser: Option<Digest>,
        at: Timestamp,
    ) -> Result<Option<Timestamp>, AccountError> {
        let before = self.update(name, |account| {
            account.last_sign_in = Some(at);
            if !address.is_empty() {
                remember(&mut account.addresses, address.to_owned());
            }
            if let Some(browser) = browser {
                remember(&mut account.browsers, browser);
            }
        })?;
        Ok(before.last_sign_in)
    }

    fn change<T>(&self, with: impl FnOnce(&mut Vec<Account>) -> Result<T, AccountError>) -> Result<T, AccountError> {
        let lock_path = self.path.with_extension("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|error| AccountError::File { what: "lock", path: lock_path.display().to_string(), error })?;
        let mut accounts = self.read_file()?;
        let before = accounts.clone();
        let answer = with(&mut accounts)?;
        if accounts != before {
            self.write_file(&accounts)?;
            *self.read.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        drop(lock);
        Ok(answer)
    }

    fn stamp(&self) -> Result<Option<Stamp>, AccountError> {
        match std::fs::symlink_metadata(&self.path) {
            Ok(found) => Ok(Some((found.dev(), found.ino(), found.mtime(), found.mtime_nsec(), found.size()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", error)),
        }
    }

    fn read_file(&self) -> Result<Vec<Account>, AccountError> {
        let file = match crate::platform::open_for_reading(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed("read", error)),
        };
        let metadata = file.metadata().map_err(|error| self.failed("read", error))?;
        if metadata.mode() & 0o077 != 0 || metadata.uid() != nix::unistd::geteuid().as_raw() {
            return Err(AccountError::Exposed { path: self.path.display().to_string() });
        }
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes).map_err(|error| self.failed("read", error))?;
        let damaged = |error: String| AccountError::Damaged { path: self.path.display().to_string(), error };
        Kind::Accounts.must_be_known_json(&self.path, &bytes)?;
        let contents: Contents = serde_json::from_slice(&bytes)
            .map_err(|error| damaged(format!("line {}, column {}", error.line(), error.column())))?;
        if contents.version == 0 {
            return Err(damaged("version 0".to_owned()));
        }
        Ok(contents.accounts)
    }

    fn write_file(&self, accounts: &[Account]) -> Result<(), AccountError> {
        let contents = Contents { version: Kind::Accounts.format().version, accounts: accounts.to_vec() };
        let mut bytes =
            serde_json::to_vec_pretty(&contents).map_err(|error| self.failed("write", io::Error::other(error)))?;
        bytes.push(b'\n');
        crate::files::replace_with_mode(
            &self.path,
            &crate::files::Expected::Anything,
            &bytes,
            0o600,
            &crate::platform::crash_point,
        )
        .map(drop)
        .map_err(|error| self.failed("write", io::Error::other(error)))
    }

    fn failed(&self, what: &'static str, error: io::Error) -> AccountError {
        AccountError::File { what, path: self.path.display().to_string(), error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::password::Hasher;
    use std::os::unix::fs::PermissionsExt as _;

    fn account(name: &str, role: Role) -> Account {
        Account {
            name: AccountName::parse(name).unwrap(),
            role,
            disabled: false,
            created: Timestamp::now(),
            hash: Hasher::default().hash("correct horse").unwrap(),
            last_sign_in: None,
            addresses: Vec::new(),
            browsers: Vec::new(),
        }
    }

    #[test]
    fn an_accounts_file_from_before_browsers_were_known_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::of(dir.path());
        accounts.add_first(account("anna", Role::Admin)).unwrap();
        let file = dir.path().join("accounts.json");
        let text = std::fs::read_to_string(&file).unwrap();
        let earlier = text.replace(",\n      \"browsers\": []", "");
        assert_ne!(earlier, text);
        std::fs::write(&file, earlier).unwrap();
        assert_eq!(Accounts::of(dir.path()).all().unwrap().len(), 1);
    }

    #[test]
    fn accounts_of_a_newer_version_are_neither_read_nor_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::of(dir.path());
        accounts.add_first(account("anna", Role::Admin)).unwrap();
        let file = dir.path().join("accounts.json");
        let newer =
            std::fs::read_to_string(&file).unwrap().replace("\"version\": 1", "\"version\": 2,\n  \"keys\": []");
        std::fs::write(&file, &newer).unwrap();
        let anna = AccountName::parse("anna").unwrap();
        let said = |error: AccountError| error.to_string();
        for words in [
            said(Accounts::of(dir.path()).all().unwrap_err()),
            said(accounts.add(account("eve", Role::Admin)).unwrap_err()),
            said(accounts.update(&anna, |account| account.disabled = true).unwrap_err()),
        ] {
            assert!(
                words.contains("accounts.json was written by a newer pot-console: accounts, version 2;"),
                "{words}"
            );
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), newer);
    }

    #[test]
    fn the_browsers_and_addresses_of_an_account_are_the_newest_few() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::of(dir.path());
        accounts.add_first(account("anna", Role::Admin)).unwrap();
        let anna = AccountName::parse("anna").unwrap();
        for n in 0..20u32 {
            accounts.note_sign_in(&anna, &n.to_string(), Some(Digest::of(&n.to_be_bytes())), Timestamp::now()).unwrap();
        }
        let kept = accounts.find(&anna).unwrap().unwrap();
        assert_eq!((kept.browsers.len(), kept.addresses.len()), (MOST_PLACES, MOST_PLACES));
        assert_eq!(kept.browsers[0], Digest::of(&19u32.to_be_bytes()));
    }

    #[test]
    fn nobody_is_called_what_the_history_calls_others() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::of(dir.path());
        for name in RESERVED {
            let account = account(name, Role::Admin);
            assert!(matches!(accounts.add_first(account.clone()), Err(AccountError::Reserved(_))), "{name}");
            assert!(matches!(accounts.add(account), Err(AccountError::Reserved(_))), "{name}");
        }
    }

    #[test]
    fn accounts_are_kept_in_a_file_that_only_its_owner_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::of(dir.path());
        assert_eq!(accounts.all().unwrap(), []);
        accounts.add_first(account("anna", Role::Admin)).unwrap();
        assert!(matches!(accounts.add_first(account("eve", Role::Admin)), Err(AccountError::Exists(_))));
        let file = dir.path().join("accounts.json");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!std::fs::read_to_string(&file).unwrap().contains("correct horse"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Accounts::of(dir.path()).all(), Err(AccountError::Exposed { .. })));
    }

    #[test]
    fn a_change_by_another_process_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let (server, command_line) = (Accounts::of(dir.path()), Accounts::of(dir.path()));
        command_line.add(account("anna", Role::Admin)).unwrap();
        assert_eq!(server.all().unwrap().len(), 1);
        command_line.add(account("bert", Role::Viewer)).unwrap();
        assert_eq!(server.all().unwrap().len(), 2);
    }

    #[test]
    fn the_last_admin_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::of(dir.path());
        let anna = AccountName::parse("anna").unwrap();
        accounts.add(account("anna", Role::Admin)).unwrap();
        accounts.add(account("bert", Role::Operator)).unwrap();
        let refused = accounts.update(&anna, |account| account.disabled = true);
        assert!(matches!(refused, Err(AccountError::LastAdmin(_))));
        assert!(!accounts.find(&anna).unwrap().unwrap().disabled);
        accounts.add(account("carl", Role::Admin)).unwrap();
        accounts.update(&anna, |account| account.role = Role::Viewer).unwrap();
    }

    #[test]
    fn changes_at_the_same_time_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let path = dir.path();
                scope.spawn(move || Accounts::of(path).add(account(&format!("a{n}"), Role::Viewer)).unwrap());
            }
        });
        assert_eq!(Accounts::of(dir.path()).all().unwrap().len(), 8);
    }
}
