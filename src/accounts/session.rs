//! Who is signed in: tokens, expiry, freshness. In memory only; a restart ends all sessions.

use crate::accounts::name::AccountName;
use crate::digest::Digest;
use crate::journal::record::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Most sessions of one account; the one unused for longest ends first.
const MOST_PER_ACCOUNT: usize = 20;
/// Bytes of a token: 256 bits from the kernel.
const TOKEN_BYTES: usize = 32;

/// How long sessions last.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// Without anything that a person did. Pages that follow something ask by themselves; that is no use.
    pub idle: Duration,
    /// At the latest.
    pub(crate) absolute: Duration,
    /// After the password was given, for what wants a fresh proof.
    pub fresh: Duration,
}

/// What names a session: the hash of its token. The token itself is only in the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey(Digest);

impl SessionKey {
    /// The key of a token; `None` when the text is not base64url of 32 bytes.
    pub(crate) fn of_token(token: &str) -> Option<Self> {
        token_digest(token).map(Self)
    }

    /// The whole hash as hexadecimal digits: for telling sessions apart on the root side.
    pub(crate) fn hex(&self) -> String {
        self.0.hex()
    }

    /// The first eight hexadecimal digits: for people and the journal.
    pub fn short(&self) -> String {
        self.0.hex().chars().take(8).collect()
    }
}

/// A session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Whose.
    pub name: AccountName,
    /// How it began.
    pub method: Method,
    /// When the account signed in the time before.
    pub(crate) previous_sign_in: Option<Timestamp>,
    /// When the password was last given.
    pub(crate) proved_at: Timestamp,
    /// When it ends at the latest.
    pub(crate) expires_at: Timestamp,
    /// Which password it began with (a digest of its stored hash): with another one it is over.
    pub(crate) credential: Digest,
    proved: Instant,
    proof_counts: bool,
    used: Instant,
    expires: Instant,
}

impl Session {
    /// Whether the password was given lately enough.
    pub(crate) fn is_fresh(&self, lifetimes: &Lifetimes, now: Instant) -> bool {
        self.proof_counts && now < self.proved + lifetimes.fresh
    }
}

/// All sessions.
#[derive(Debug)]
pub struct Sessions {
    lifetimes: Lifetimes,
    by_key: HashMap<SessionKey, Session>,
}

/// The kernel gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the kernel gave no random bytes")]
pub struct NoRandomness;

impl Sessions {
    /// No sessions yet.
    pub fn new(lifetimes: Lifetimes) -> Self {
        Self { lifetimes, by_key: HashMap::new() }
    }

    /// How long sessions last.
    pub(crate) fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// From now on sessions last this long, those that exist included (but for their latest end).
    pub(crate) fn set_lifetimes(&mut self, lifetimes: Lifetimes) {
        self.lifetimes = lifetimes;
    }

    /// Begins a session and gives its token, which is kept nowhere here.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn begin(
        &mut self,
        name: AccountName,
        method: Method,
        previous_sign_in: Option<Timestamp>,
        credential: Digest,
        now: Instant,
    ) -> Result<(String, SessionKey), NoRandomness> {
        let token = random_token()?;
        let key = SessionKey::of_token(&token).ok_or(NoRandomness)?;
        self.forget_ended(now);
        while self.by_key.values().filter(|session| session.name == name).count() >= MOST_PER_ACCOUNT {
            let unused =
                self.by_key.iter().filter(|(_, session)| session.name == name).min_by_key(|(_, session)| session.used);
            let Some(unused) = unused.map(|(key, _)| *key) else { break };
            self.by_key.remove(&unused);
        }
        let wall = Timestamp::now();
        let session = Session {
            name,
            method,
            previous_sign_in,
            credential,
            proved_at: wall,
            expires_at: wall.checked_add(self.lifetimes.absolute).unwrap_or(wall),
            proved: now,
            proof_counts: true,
            used: now,
            expires: now + self.lifetimes.absolute,
        };
        self.by_key.insert(key, session);
        Ok((token, key))
    }

    /// The session of a key, if it has not ended.
    pub(crate) fn look_up(&mut self, key: &SessionKey, now: Instant) -> Option<&Session> {
        let lifetimes = self.lifetimes;
        if self.by_key.get(key).is_some_and(|session| ended(session, &lifetimes, now)) {
            self.by_key.remove(key);
        }
        self.by_key.get(key)
    }

    /// Notes that a person did something: the session goes on.
    pub(crate) fn note_use(&mut self, key: &SessionKey, now: Instant) {
        if let Some(session) = self.by_key.get_mut(key) {
            session.used = now;
        }
    }

    /// Notes that the password was given again.
    pub fn prove(&mut self, key: &SessionKey, now: Instant) {
        if let Some(session) = self.by_key.get_mut(key) {
            session.proved = now;
            session.proof_counts = true;
            session.proved_at = Timestamp::now();
        }
    }

    /// No session counts as fresh any more.
    pub(crate) fn forget_proofs(&mut self) {
        self.by_key.values_mut().for_each(|session| session.proof_counts = false);
    }

    /// The session's owner changed the password: it goes on with the new one.
    pub(crate) fn set_credential(&mut self, key: &SessionKey, credential: Digest) {
        if let Some(session) = self.by_key.get_mut(key) {
            session.credential = credential;
        }
    }

    /// Ends one session.
    pub fn end(&mut self, key: &SessionKey) {
        self.by_key.remove(key);
    }

    /// Ends all sessions of an account but `keep`.
    pub(crate) fn end_all_of(&mut self, name: &AccountName, keep: Option<&SessionKey>) {
        self.by_key.retain(|key, session| session.name != *name || Some(key) == keep);
    }

    /// Ends all sessions.
    pub(crate) fn end_all(&mut self) {
        self.by_key.clear();
    }

    /// How many sessions an account has.
    pub fn count(&self, name: &AccountName, now: Instant) -> usize {
        let of_name = |session: &&Session| session.name == *name && !ended(session, &self.lifetimes, now);
        self.by_key.values().filter(of_name).count()
    }

    fn forget_ended(&mut self, now: Instant) {
        let lifetimes = self.lifetimes;
        self.by_key.retain(|_, session| !ended(session, &lifetimes, now));
    }
}

fn ended(session: &Session, lifetimes: &Lifetimes, now: Instant) -> bool {
    now >= session.expires || now >= session.used + lifetimes.idle
}

/// What is kept of a token, a session's or a known browser's; `None` when the text is not base64url of 32 bytes.
pub(crate) fn token_digest(token: &str) -> Option<Digest> {
    // 43 characters: longer texts are not even decoded.
    if token.len() != 43 {
        return None;
    }
    let mut bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let digest = (bytes.len() == TOKEN_BYTES).then(|| Digest::of(&bytes));
    zeroize::Zeroize::zeroize(&mut bytes);
    digest
}

/// 256 random bits as base64url.
///
/// # Errors
/// [`NoRandomness`].
pub(crate) fn random_token() -> Result<String, NoRandomness> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    zeroize::Zeroize::zeroize(&mut bytes);
    Ok(token)
}

/// A code that people type: `groups` groups of four characters, without ones that look alike (5 bits each).
///
/// # Errors
/// [`NoRandomness`].
pub(crate) fn random_code(groups: usize) -> Result<String, NoRandomness> {
    const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut code = String::new();
    for group in 0..groups {
        if group > 0 {
            code.push('-');
        }
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        code.extend(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)])));
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn sessions() -> Sessions {
        Sessions::new(Lifetimes { idle: 30 * MINUTE, absolute: 12 * 60 * MINUTE, fresh: 5 * MINUTE })
    }

    fn anna() -> AccountName {
        AccountName::parse("anna").unwrap()
    }

    #[test]
    fn a_session_ends_when_it_is_not_used() {
        let (mut sessions, now) = (sessions(), Instant::now());
        let (token, key) = sessions.begin(anna(), Method::Password, None, Digest::of(b""), now).unwrap();
        assert_eq!(SessionKey::of_token(&token), Some(key));
        assert!(sessions.look_up(&key, now + 29 * MINUTE).is_some());
        sessions.note_use(&key, now + 29 * MINUTE);
        assert!(sessions.look_up(&key, now + 58 * MINUTE).is_some());
        sessions.note_use(&key, now + 58 * MINUTE);
        assert!(sessions.look_up(&key, now + 88 * MINUTE).is_none());
        assert!(sessions.look_up(&key, now).is_none());
    }

    #[test]
    fn a_page_that_follows_by_itself_does_not_keep_a_session() {
        let (mut sessions, now) = (sessions(), Instant::now());
        let (_, key) = sessions.begin(anna(), Method::Password, None, Digest::of(b""), now).unwrap();
        for minute in 0..30 {
            assert!(sessions.look_up(&key, now + minute * MINUTE).is_some());
        }
        assert!(sessions.look_up(&key, now + 30 * MINUTE).is_none());
    }

    #[test]
    fn a_session_ends_at_the_latest_after_twelve_hours_however_busy() {
        let (mut sessions, now) = (sessions(), Instant::now());
        let (_, key) = sessions.begin(anna(), Method::Password, None, Digest::of(b""), now).unwrap();
        for minute in 0..720 {
            assert!(sessions.look_up(&key, now + minute * MINUTE).is_some());
            sessions.note_use(&key, now + minute * MINUTE);
        }
        assert!(sessions.look_up(&key, now + 720 * MINUTE).is_none());
    }

    #[test]
    fn a_proof_is_fresh_for_five_minutes() {
        let (mut sessions, now) = (sessions(), Instant::now());
        let lifetimes = sessions.lifetimes();
        let (_, key) = sessions.begin(anna(), Method::Password, None, Digest::of(b""), now).unwrap();
        assert!(sessions.look_up(&key, now).unwrap().is_fresh(&lifetimes, now + 4 * MINUTE));
        assert!(!sessions.look_up(&key, now).unwrap().is_fresh(&lifetimes, now + 5 * MINUTE));
        sessions.prove(&key, now + 6 * MINUTE);
        assert!(sessions.look_up(&key, now + 6 * MINUTE).unwrap().is_fresh(&lifetimes, now + 10 * MINUTE));
    }

    #[test]
    fn one_account_cannot_fill_the_memory_with_sessions() {
        let (mut sessions, now) = (sessions(), Instant::now());
        for _ in 0..100 {
            sessions.begin(anna(), Method::Password, None, Digest::of(b""), now).unwrap();
        }
        assert_eq!(sessions.count(&anna(), now), MOST_PER_ACCOUNT);
    }

    #[test]
    fn only_a_token_of_the_right_form_is_looked_at() {
        for bad in ["", "a", &"a".repeat(44), &"a".repeat(1 << 20), &"=".repeat(43), &"ä".repeat(21)] {
            assert_eq!(SessionKey::of_token(bad), None);
        }
    }
}
