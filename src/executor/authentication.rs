//! Authentication: signing in and out, proving, and accounts. Whoever can say who someone is, is here.

use super::common::lock;
use super::evidence::Evidence;
use super::facts_cache::FactsCache;
use super::permissions;
use super::protocol::{AccountView, MOST_KNOWN, Reply, SessionView, SignedIn, Strip};
use super::rate_limiters::RateLimiters;
use super::requester::{Requester, console};
use crate::accounts::name::AccountName;
use crate::accounts::password::{self, Hasher, StoredHash};
use crate::accounts::preferences::Preferences;
use crate::accounts::session::{
    Lifetimes, NoRandomness, SessionKey, Sessions, random_code, random_token, token_digest,
};
use crate::accounts::store::{Account, AccountError, Accounts};
use crate::accounts::throttle::{Place, Throttle, Tried, address_key};
use crate::clock::Clock;
use crate::digest::Digest;
use crate::files::{self, Expected};
use crate::journal::record::{Action, Actor, Change, Entry, Method, Outcome, Role, Stage};
use crate::layout::Layout;
use crate::platform::crash_point;
use crate::refusal::{Refusal, RefusalKind, sentence};
use crate::secret::Secret;
use crate::theme::Theme;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use subtle::ConstantTimeEq as _;

/// Groups of four characters of a set-up code: 60 bits.
const CODE_GROUPS: usize = 3;
/// What stands in the journal for a name that no account has: it may be a password typed into the wrong field.
const UNKNOWN_NAME: &str = "an unknown name";

impl From<AccountError> for Refusal {
    fn from(error: AccountError) -> Self {
        let kind = match &error {
            AccountError::File { .. }
            | AccountError::Damaged { .. }
            | AccountError::Newer(_)
            | AccountError::Exposed { .. } => RefusalKind::Failed,
            AccountError::Unknown(_) => RefusalKind::NotFound,
            AccountError::Exists(_)
            | AccountError::Reserved(_)
            | AccountError::LastAdmin(_)
            | AccountError::TooMany => RefusalKind::Limit,
        };
        let refusal = Refusal::new(kind, format!("{error}."));
        if kind == RefusalKind::Failed { refusal } else { refusal.on("name") }
    }
}

/// Accounts, passwords and sessions.
pub(super) struct Authentication {
    accounts: Accounts,
    preferences: Preferences,
    hasher: Hasher,
    throttle: Mutex<Throttle>,
    sessions: Mutex<Sessions>,
    /// Digest of the one-time set-up code, while there is one.
    setup_code: Mutex<Option<Digest>>,
    /// Where root finds the code again.
    code_file: PathBuf,
    evidence: Arc<Evidence>,
    paces: Arc<RateLimiters>,
    /// No password is the host's name.
    facts: Arc<FactsCache>,
    clock: Clock,
}

impl Authentication {
    pub(super) fn new(
        layout: &Layout,
        lifetimes: Lifetimes,
        evidence: Arc<Evidence>,
        paces: Arc<RateLimiters>,
        facts: Arc<FactsCache>,
        clock: Clock,
    ) -> Self {
        Self {
            accounts: Accounts::of(&layout.private()),
            preferences: Preferences::of(&layout.private()),
            hasher: Hasher::default(),
            throttle: Mutex::new(Throttle::default()),
            sessions: Mutex::new(Sessions::new(lifetimes)),
            setup_code: Mutex::new(None),
            code_file: code_file(layout),
            evidence,
            paces,
            facts,
            clock,
        }
    }

    /// Sessions that exist keep their lifetimes until the next request.
    pub(super) fn set_lifetimes(&self, lifetimes: Lifetimes) {
        lock(&self.sessions).set_lifetimes(lifetimes);
    }

    /// A person has just used the session.
    pub(super) fn note_use(&self, key: &SessionKey) {
        lock(&self.sessions).note_use(key, Instant::now());
    }

    /// Whether nobody has an account yet.
    pub(super) fn is_set_up_needed(&self) -> Result<bool, Refusal> {
        Ok(self.accounts.all()?.is_empty())
    }

    /// The account of that name, if there is one and the accounts can be read.
    pub(super) fn known_account(&self, name: &str) -> Option<Account> {
        AccountName::parse(name).ok().and_then(|name| self.accounts.find(&name).ok().flatten())
    }

    pub(super) fn session_of(&self, token: &Secret) -> Option<(SessionKey, Actor, Role, bool)> {
        let key = SessionKey::of_token(&token.0)?;
        let now = Instant::now();
        let (name, method, fresh, credential) = {
            let mut sessions = lock(&self.sessions);
            let lifetimes = sessions.lifetimes();
            let session = sessions.look_up(&key, now)?;
            (session.name.clone(), session.method, session.is_fresh(&lifetimes, now), session.credential)
        };
        // The role is the account's present one, a disabled account has none, and another password ends what began with
        // the old one: whoever changes an account, here or at the command line, need not wait for a session to end.
        let account = match self.accounts.find(&name) {
            Ok(account) => account.filter(|account| !account.disabled && account.credential() == credential),
            Err(error) => {
                tracing::error!("{error}");
                return None;
            }
        };
        let Some(account) = account else {
            lock(&self.sessions).end(&key);
            return None;
        };
        let actor = Actor {
            name: name.to_string(),
            role: Some(account.role),
            method,
            session: Some(key.short()),
            claimed: None,
        };
        Some((key, actor, account.role, fresh))
    }

    /// The one-time set-up code when there is no account: the one that root's file holds, else a new one, which is kept
    /// there. Whoever can read root's terminal or files may use it.
    ///
    /// # Errors
    /// The accounts cannot be read, the kernel gives no random bytes, or the file cannot be written.
    pub(super) fn new_setup_code(&self) -> Result<Option<String>, Refusal> {
        if !self.is_set_up_needed()? {
            self.forget_setup_code();
            return Ok(None);
        }
        let failed = |error: &dyn std::fmt::Display| Refusal::new(RefusalKind::Failed, format!("{error}."));
        let code = match kept_code(&self.code_file) {
            Some(code) => code,
            None => {
                let code = random_code(CODE_GROUPS).map_err(|error| failed(&error))?;
                let line = format!("{code}\n");
                // One that is there stays as open as it is when it is replaced.
                self.forget_setup_code();
                files::replace_with_mode(&self.code_file, &Expected::Absent, line.as_bytes(), 0o600, &crash_point)
                    .map_err(|error| failed(&error))?;
                code
            }
        };
        *lock(&self.setup_code) = Some(Digest::of(plain_code(&code).as_bytes()));
        Ok(Some(code))
    }

    /// It has served, or there are accounts.
    fn forget_setup_code(&self) {
        *lock(&self.setup_code) = None;
        if let Err(error) = std::fs::remove_file(&self.code_file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!("{} could not be removed; it is of no use any more: {error}", self.code_file.display());
        }
    }

    pub(super) fn sign_in(&self, requester: &Requester, name: &str, password: &Secret) -> Result<Reply, Refusal> {
        let account = match AccountName::parse(name) {
            Ok(name) => self.accounts.find(&name)?,
            Err(_) => None,
        };
        let shown = account.as_ref().map_or(UNKNOWN_NAME, |account| account.name.as_str()).to_owned();
        // The same key for every name that no account can have: they cannot fill the memory either.
        let key = AccountName::parse(name).map_or_else(|_| String::new(), String::from);
        let tried = Tried { name: &key, exists: account.is_some() };
        let place = place(requester, account.as_ref());
        self.admit_try(tried, &place)?;

        let usable = account.as_ref().filter(|account| !account.disabled);
        if !self.hasher.matches(usable.map(|account| &account.hash), &password.0) {
            self.note_failure(requester, &shown, tried, &place);
            return Err(Refusal::new(RefusalKind::WrongPassword, "The name or the password is wrong."));
        }
        let Some(account) = account else {
            return Err(Refusal::new(RefusalKind::WrongPassword, "The name or the password is wrong."));
        };
        lock(&self.throttle).succeeded(&key, &place);
        self.paces.take(requester, || account.name.as_str().to_owned(), &permissions::SIGN_IN)?;
        self.begin_session(requester, &account, Method::Password)
    }

    /// Whether one of these proofs is of a browser that signed in to this account before.
    pub(super) fn is_known_browser(&self, name: &str, known: &[Secret]) -> bool {
        let account = AccountName::parse(name).ok().and_then(|name| self.accounts.find(&name).ok()?);
        account.is_some_and(|account| {
            let mut digests = known.iter().take(MOST_KNOWN).filter_map(|token| token_digest(&token.0));
            digests.any(|digest| account.browsers.contains(&digest))
        })
    }

    /// Begins a session of someone whose proof was checked.
    pub(super) fn begin_session(
        &self,
        requester: &Requester,
        account: &Account,
        method: Method,
    ) -> Result<Reply, Refusal> {
        let no_randomness = |error: NoRandomness| Refusal::new(RefusalKind::Failed, format!("{error}."));
        let address = address_key(requester.reported.address.as_deref());
        let held = requester.known.iter().find(|digest| account.browsers.contains(digest)).copied();
        let known = if held.is_some() { None } else { Some(Secret(random_token().map_err(no_randomness)?)) };
        let browser = held.or_else(|| known.as_ref().and_then(|token| token_digest(&token.0)));
        // On a full disk one can still sign in, to look and to fix: the sign-in itself is recorded or refused below.
        let previous =
            self.accounts.note_sign_in(&account.name, &address, browser, self.clock.wall()).unwrap_or_else(|error| {
                tracing::warn!("when {} signed in could not be noted: {error}", account.name);
                account.last_sign_in
            });
        let (token, key) = lock(&self.sessions)
            .begin(account.name.clone(), method, previous, account.credential(), Instant::now())
            .map_err(no_randomness)?;
        let token = Secret(token);
        let mut entry = requester.event(
            Action::SignIn,
            account.name.as_str(),
            Outcome::Done,
            format!("{} signed in as {}.", account.name, account.role),
        );
        entry.actor = Actor {
            name: account.name.to_string(),
            role: Some(account.role),
            method,
            session: Some(key.short()),
            claimed: None,
        };
        if let Err(refusal) = self.evidence.append(entry) {
            lock(&self.sessions).end(&key);
            return Err(refusal);
        }
        let session = self.session_view(&key, account.role)?;
        Ok(Reply::SignedIn(SignedIn { token, known, session }))
    }

    fn session_view(&self, key: &SessionKey, role: Role) -> Result<SessionView, Refusal> {
        let now = Instant::now();
        let mut sessions = lock(&self.sessions);
        let lifetimes = sessions.lifetimes();
        let session = sessions
            .look_up(key, now)
            .ok_or_else(|| Refusal::new(RefusalKind::SignInNeeded, "The session has just ended. Sign in again."))?;
        Ok(SessionView {
            name: session.name.to_string(),
            role,
            proved: session.proved_at,
            fresh: session.is_fresh(&lifetimes, now),
            expires: session.expires_at,
            previous_sign_in: session.previous_sign_in,
            id: key.short(),
            theme: self.preferences.theme(&session.name),
            strip: Strip::default(),
            facts: 0,
            journal: None,
        })
    }

    pub(super) fn set_up(
        &self,
        requester: &Requester,
        code: &Secret,
        name: &str,
        password: &Secret,
    ) -> Result<Reply, Refusal> {
        let wrong = || {
            Refusal::new(
                RefusalKind::WrongPassword,
                "The set-up code is wrong or used up. Root finds it with pot-console setup --code.",
            )
            .on("code")
        };
        // No delay: 60 random bits are not guessed, and one would let any stranger keep root from setting up.
        let given = Digest::of(plain_code(&code.0).as_bytes());
        let right = lock(&self.setup_code).is_some_and(|wanted| bool::from(given.as_bytes().ct_eq(wanted.as_bytes())));
        if !right {
            self.record_wrong(requester, "set-up code", "set-up");
            return Err(wrong());
        }
        let account = self.new_account(name, Role::Admin, password)?;
        let name = account.name.clone();
        let mut draft = requester.event(
            Action::Account,
            name.as_str(),
            Outcome::Done,
            format!("The first account {name} was made with the set-up code, as admin."),
        );
        draft.actor = Actor {
            name: name.to_string(),
            role: Some(Role::Admin),
            method: Method::SetupCode,
            session: None,
            claimed: None,
        };
        draft.changes = vec![Change { name: "role".to_owned(), from: None, to: Some(Role::Admin.to_string()) }];
        self.recorded(draft, || self.accounts.add_first(account.clone()).map_err(Refusal::from))?;
        self.forget_setup_code();
        self.begin_session(requester, &account, Method::SetupCode)
    }

    pub(super) fn sign_out(&self, requester: &Requester) -> Result<Reply, Refusal> {
        if let Some(key) = &requester.session {
            lock(&self.sessions).end(key);
            let message = format!("{} signed out.", requester.actor.name);
            self.evidence.append(requester.event(Action::SignOut, &requester.actor.name, Outcome::Done, message))?;
        }
        Ok(Reply::Done {})
    }

    pub(super) fn session(&self, requester: &Requester) -> Result<SessionView, Refusal> {
        match (&requester.session, requester.role) {
            (Some(key), Some(role)) => self.session_view(key, role),
            _ => Err(Refusal::new(RefusalKind::SignInNeeded, "There is no session at the command line.")),
        }
    }

    pub(super) fn prove(&self, requester: &Requester, password: &Secret) -> Result<Reply, Refusal> {
        self.check_own_password(requester, password)?;
        let message = format!("{} gave the password again.", requester.actor.name);
        self.evidence.append(requester.event(Action::SignIn, &requester.actor.name, Outcome::Done, message))?;
        if let Some(key) = &requester.session {
            lock(&self.sessions).prove(key, Instant::now());
        }
        Ok(Reply::Session(self.session(requester)?))
    }

    /// Whether `password` is that of the account that asks; slowed down like a sign-in.
    pub(super) fn check_own_password(&self, requester: &Requester, password: &Secret) -> Result<(), Refusal> {
        let name = AccountName::parse(&requester.actor.name)
            .map_err(|_| Refusal::new(RefusalKind::WrongPassword, "There is no password at the command line."))?;
        let account = self.accounts.find(&name)?.filter(|account| !account.disabled);
        let tried = Tried { name: name.as_str(), exists: true };
        // Who is signed in has the session's tries, whatever others guess.
        let place = requester
            .session
            .as_ref()
            .map_or_else(|| place(requester, account.as_ref()), |session| Place::Session(session.hex()));
        self.admit_try(tried, &place)?;
        if self.hasher.matches(account.as_ref().map(|account| &account.hash), &password.0) {
            lock(&self.throttle).succeeded(name.as_str(), &place);
            return Ok(());
        }
        self.note_failure(requester, name.as_str(), tried, &place);
        Err(Refusal::new(RefusalKind::WrongPassword, "The password is wrong.").on("password"))
    }

    /// What is put off leaves no line of its own: the refusal is counted with the others of its minute.
    fn admit_try(&self, tried: Tried<'_>, place: &Place) -> Result<(), Refusal> {
        let Err(wait) = lock(&self.throttle).admit(tried, place, Instant::now()) else { return Ok(()) };
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let (number, unit) = if seconds > 120 { (seconds.div_ceil(60), "minute") } else { (seconds, "second") };
        let plural = if number == 1 { "" } else { "s" };
        let words = format!("Too many tries failed. Try again in {number} {unit}{plural}.");
        Err(Refusal::new(RefusalKind::Throttled, words))
    }

    fn note_failure(&self, requester: &Requester, shown: &str, tried: Tried<'_>, place: &Place) {
        let slowed = lock(&self.throttle).failed(tried, place, Instant::now());
        self.record_wrong(requester, "password", shown);
        if slowed {
            let from = match place {
                Place::Browser(_) => "a browser that signed in before",
                Place::Session(_) => "a session",
                Place::Known(_) | Place::Elsewhere(_) => {
                    requester.reported.address.as_deref().unwrap_or("an unknown address")
                }
            };
            let message = format!("Tries for {shown} from {from} are slowed down from now on.");
            let mut entry = requester.event(Action::Throttle, shown, Outcome::Done, message);
            entry.actor = console();
            // Counted like refusals: whoever invents names and addresses is slowed down anew with each.
            self.evidence.refused("throttle", entry);
        }
    }

    fn record_wrong(&self, requester: &Requester, what: &str, shown: &str) {
        let message = format!("A wrong {what} was given for {shown}.");
        self.evidence.refused("sign-in", requester.event(Action::SignIn, shown, Outcome::Refused, message));
    }

    /// Ends all sessions, because the journal was rolled back while they lasted.
    pub(super) fn end_all_sessions(&self) {
        lock(&self.sessions).end_all();
        let message = "All sessions were ended, because the history was found rolled back.";
        self.evidence.record_own(Action::SignOut, "sessions", Outcome::Done, message.to_owned());
    }

    /// From now on no session counts as fresh until its password is given again.
    pub(super) fn forget_fresh_proofs(&self) {
        lock(&self.sessions).forget_proofs();
    }

    // -- accounts --

    pub(super) fn list_accounts(&self) -> Result<Reply, Refusal> {
        let accounts = self.accounts.all()?;
        let sessions = lock(&self.sessions);
        let now = Instant::now();
        let accounts = accounts
            .into_iter()
            .map(|account| AccountView {
                sessions: sessions.count(&account.name, now),
                name: account.name.to_string(),
                role: account.role,
                disabled: account.disabled,
                created: account.created,
                last_sign_in: account.last_sign_in,
            })
            .collect();
        Ok(Reply::Accounts { accounts })
    }

    fn new_account(&self, name: &str, role: Role, password: &Secret) -> Result<Account, Refusal> {
        let name = account_name(name)?;
        let hash = self.new_hash(name.as_str(), password, "password")?;
        Ok(self.account_of(name, role, hash))
    }

    fn account_of(&self, name: AccountName, role: Role, hash: StoredHash) -> Account {
        Account {
            name,
            role,
            disabled: false,
            created: self.clock.wall(),
            hash,
            last_sign_in: None,
            addresses: Vec::new(),
            browsers: Vec::new(),
        }
    }

    fn new_hash(&self, name: &str, password: &Secret, field: &str) -> Result<StoredHash, Refusal> {
        password::acceptable(name, &self.facts.hostname(), &password.0)
            .and_then(|()| self.hasher.hash(&password.0))
            .map_err(|error| Refusal::new(RefusalKind::Limit, sentence(&error.to_string())).on(field))
    }

    pub(super) fn add_account(
        &self,
        requester: &Requester,
        name: &str,
        role: Role,
        password: &Secret,
    ) -> Result<Reply, Refusal> {
        self.add(requester, self.new_account(name, role, password)?)?;
        Ok(Reply::Done {})
    }

    fn add(&self, requester: &Requester, account: Account) -> Result<(), Refusal> {
        let (name, role) = (account.name.clone(), account.role);
        let mut draft = requester.event(
            Action::Account,
            name.as_str(),
            Outcome::Done,
            format!("The account {name} was added as {role}."),
        );
        draft.changes = vec![Change { name: "role".to_owned(), from: None, to: Some(role.to_string()) }];
        self.recorded(draft, || self.accounts.add(account).map_err(Refusal::from))
    }

    /// Adds an account with a password that nobody knows: those of a simulated host's past have such ones.
    #[cfg(feature = "simulator")]
    pub(super) fn add_without_password(&self, requester: &Requester, name: &str, role: Role) -> Result<(), Refusal> {
        let hash = StoredHash::of_no_password()
            .map_err(|error| Refusal::new(RefusalKind::Failed, sentence(&error.to_string())))?;
        self.add(requester, self.account_of(account_name(name)?, role, hash))
    }

    pub(super) fn set_role(&self, requester: &Requester, name: &str, role: Role) -> Result<Reply, Refusal> {
        let name = self.existing(name)?;
        let before = name.role;
        let mut draft = requester.event(
            Action::Account,
            name.name.as_str(),
            Outcome::Done,
            format!("The role of {} was changed from {before} to {role}.", name.name),
        );
        draft.changes =
            vec![Change { name: "role".to_owned(), from: Some(before.to_string()), to: Some(role.to_string()) }];
        self.recorded(draft, || {
            self.accounts.update(&name.name, |account| account.role = role).map(drop).map_err(Refusal::from)
        })?;
        Ok(Reply::Done {})
    }

    pub(super) fn set_disabled(&self, requester: &Requester, name: &str, disabled: bool) -> Result<Reply, Refusal> {
        let account = self.existing(name)?;
        let word = if disabled { "disabled" } else { "enabled" };
        let mut draft = requester.event(
            Action::Account,
            account.name.as_str(),
            Outcome::Done,
            format!("The account {} was {word}.", account.name),
        );
        draft.changes = vec![Change {
            name: "disabled".to_owned(),
            from: Some(account.disabled.to_string()),
            to: Some(disabled.to_string()),
        }];
        self.recorded(draft, || {
            self.accounts.update(&account.name, |account| account.disabled = disabled).map(drop).map_err(Refusal::from)
        })?;
        if disabled {
            lock(&self.sessions).end_all_of(&account.name, None);
        }
        Ok(Reply::Done {})
    }

    pub(super) fn change_password(&self, requester: &Requester, old: &Secret, new: &Secret) -> Result<Reply, Refusal> {
        self.check_own_password(requester, old).map_err(|refusal| refusal.on("old"))?;
        let name = account_name(&requester.actor.name)?;
        self.write_password(requester, &name, new)?;
        let account = self.existing(name.as_str())?;
        let mut sessions = lock(&self.sessions);
        sessions.end_all_of(&name, requester.session.as_ref());
        if let Some(key) = &requester.session {
            sessions.set_credential(key, account.credential());
        }
        Ok(Reply::Done {})
    }

    /// Gives an account a new password: its owner's after the old one, or root's at the command line.
    pub(super) fn write_password(
        &self,
        requester: &Requester,
        name: &AccountName,
        new: &Secret,
    ) -> Result<(), Refusal> {
        let hash = self.new_hash(name.as_str(), new, "new")?;
        let message = format!("The password of {name} was changed; its other sessions ended.");
        let draft = requester.event(Action::Account, name.as_str(), Outcome::Done, message);
        self.recorded(draft, || {
            self.accounts.update(name, |account| account.hash = hash).map(drop).map_err(Refusal::from)
        })
    }

    /// How the pages of the account that asks look.
    pub(super) fn set_theme(&self, requester: &Requester, theme: Theme) -> Result<Reply, Refusal> {
        if requester.session.is_none() {
            return Err(Refusal::new(RefusalKind::SignInNeeded, "There are no pages at the command line."));
        }
        let name = account_name(&requester.actor.name)?;
        self.preferences
            .set_theme(&name, theme)
            .map_err(|error| Refusal::new(RefusalKind::Failed, sentence(&error.to_string())))?;
        Ok(Reply::Done {})
    }

    fn existing(&self, name: &str) -> Result<Account, Refusal> {
        let name = account_name(name)?;
        Ok(self.accounts.find(&name)?.ok_or_else(|| AccountError::Unknown(name.to_string()))?)
    }

    /// Intent, change, outcome. `draft` says how it will have ended if all goes well.
    pub(super) fn recorded(&self, draft: Entry, change: impl FnOnce() -> Result<(), Refusal>) -> Result<(), Refusal> {
        let mut intent = draft.clone();
        intent.stage = Stage::Intent;
        intent.outcome = None;
        let intent = self.evidence.append(intent)?.sequence;
        let changed = change();
        let mut outcome = draft;
        outcome.stage = Stage::Outcome;
        outcome.intent = Some(intent);
        if let Err(refusal) = &changed {
            outcome.outcome =
                Some(if refusal.kind == RefusalKind::Failed { Outcome::Failed } else { Outcome::Refused });
            outcome.message = format!("Nothing was changed: {}", refusal.message);
            outcome.changes.clear();
        }
        self.evidence.append_outcome(outcome);
        changed
    }
}

/// Where someone comes from who signs in.
fn place(requester: &Requester, account: Option<&Account>) -> Place {
    let address = address_key(requester.reported.address.as_deref());
    let Some(account) = account else { return Place::Elsewhere(address) };
    match requester.known.iter().find(|digest| account.browsers.contains(digest)) {
        Some(digest) => Place::Browser(digest.hex()),
        None if account.addresses.contains(&address) => Place::Known(address),
        None => Place::Elsewhere(address),
    }
}

fn account_name(text: &str) -> Result<AccountName, Refusal> {
    AccountName::parse(text).map_err(|error| Refusal::new(RefusalKind::Limit, sentence(&error.to_string())).on("name"))
}

/// People leave out hyphens and type small letters.
/// Where the set-up code stands, mode 0600, until the first account is made.
pub(crate) fn code_file(layout: &Layout) -> PathBuf {
    layout.private().join("setup-code")
}

/// A code that a file holds whole, and that only its owner could read.
fn kept_code(file: &Path) -> Option<String> {
    let found = file.symlink_metadata().ok()?;
    if found.mode() & 0o077 != 0 || found.uid() != nix::unistd::geteuid().as_raw() {
        return None;
    }
    let text = String::from_utf8(files::read_limited(file, 100).ok()?).ok()?;
    let code = text.strip_suffix('\n')?;
    let groups: Vec<&str> = code.split('-').collect();
    let is_group = |group: &&str| group.len() == 4 && group.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (groups.len() == CODE_GROUPS && groups.iter().all(is_group)).then(|| code.to_owned())
}

/// The one-time set-up code of a console that waits for its first account; none when nobody waits for one.
pub(crate) fn waiting_setup_code(layout: &Layout) -> Option<String> {
    kept_code(&code_file(layout))
}

fn plain_code(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).take(64).collect()
}
