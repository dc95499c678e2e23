//! Password hashes: argon2id at OWASP's parameters, computed one at a time in one block of memory.
//!
//! One hash takes 19 MiB. Were each request to take its own, 64 sign-ins at once would take more than a gigabyte
//! from a root process; one [`Hasher`] behind a lock takes 19 MiB whatever comes, and gives them back after each: a
//! root process that waits holds no more for having checked a password, and nothing that was made from one.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};
use subtle::ConstantTimeEq as _;

/// Memory in KiB, passes, lanes: OWASP's password storage cheat sheet for argon2id.
const PARAMETERS: (u32, u32, u32) = (19_456, 2, 1);
/// Shortest password in characters, when it is none of the most used.
pub(crate) const SHORTEST: usize = 8;
/// From this length in characters on it need not be held against those.
pub const LONG: usize = 12;
/// Longest password in bytes.
pub(crate) const LONGEST: usize = 1024;

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Why a password cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PasswordError {
    /// Fewer characters than [`SHORTEST`].
    #[error("a password has at least {LONG} characters, or {SHORTEST} that are none of the most used passwords")]
    TooShort,
    /// Shorter than [`LONG`], and what many take.
    #[error(
        "this is one of the most used passwords, which are tried first: take another one, or at least {LONG} characters"
    )]
    MostUsed,
    /// More bytes than [`LONGEST`].
    #[error("a password has at most {LONGEST} bytes")]
    TooLong,
    /// It is the account's or the host's name.
    #[error("the password must not be the account's or the host's name")]
    IsName,
    /// Holds control characters, which no terminal and no form gives back reliably.
    #[error("a password holds no control characters")]
    Control,
    /// What the build packed cannot be unpacked: this program is damaged.
    #[error("the list of the most used passwords cannot be unpacked: {0}")]
    List(std::io::ErrorKind),
    /// No random bytes, or no memory.
    #[error("the password could not be hashed: {0}")]
    Hashing(&'static str),
}

/// Passwords of [`SHORTEST`] to [`LONG`] characters that are used most, in small letters, one a line; see
/// `data/README.md` for where they are from.
const MOST_USED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/most-used-passwords.txt.gz"));
/// What suggests itself here and nowhere else, without anything but letters and digits.
const SUGGESTED: [&str; 3] = ["potconsole", "potadmin", "potjails"];

/// Checks whether `password` may become the password of the account `name` on `host`.
///
/// # Errors
/// [`PasswordError`] names the rule.
pub(crate) fn acceptable(name: &str, host: &str, password: &str) -> Result<(), PasswordError> {
    if password.len() > LONGEST {
        return Err(PasswordError::TooLong);
    }
    let length = password.chars().count();
    if length < SHORTEST {
        return Err(PasswordError::TooShort);
    }
    if password.chars().any(char::is_control) {
        return Err(PasswordError::Control);
    }
    let plain = plain(password);
    let first_label = host.split('.').next().unwrap_or_default();
    if [name, host, first_label].into_iter().any(|taken| !taken.is_empty() && self::plain(taken) == plain) {
        return Err(PasswordError::IsName);
    }
    let small = password.to_lowercase();
    let is_used = || -> Result<bool, PasswordError> {
        let mut listed = String::new();
        GzDecoder::new(MOST_USED).read_to_string(&mut listed).map_err(|error| PasswordError::List(error.kind()))?;
        Ok(listed.lines().any(|used| used == small))
    };
    if length < LONG && (SUGGESTED.contains(&plain.as_str()) || is_used()?) {
        return Err(PasswordError::MostUsed);
    }
    Ok(())
}

/// Letters and digits alone, in small letters: a hyphen or a capital does not make another word of a name.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// A stored hash, in the usual `$argon2id$v=19$m=…,t=…,p=…$salt$hash` form: the parameters stand with the hash, so
/// that raising them leaves old passwords valid.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct StoredHash {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl std::fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredHash(…)")
    }
}

/// The text is no argon2id hash that this program would have written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an argon2id password hash")]
pub struct NotAHash;

impl From<StoredHash> for String {
    fn from(stored: StoredHash) -> Self {
        format!(
            "$argon2id$v=19$m={},t={},p={}${}${}",
            stored.memory_kib,
            stored.passes,
            stored.lanes,
            STANDARD_NO_PAD.encode(&stored.salt),
            STANDARD_NO_PAD.encode(&stored.hash)
        )
    }
}

#[cfg(feature = "simulator")]
impl StoredHash {
    /// What no password is known to have as its hash: random bytes.
    ///
    /// # Errors
    /// [`PasswordError::Hashing`] without random bytes.
    pub(crate) fn of_no_password() -> Result<Self, PasswordError> {
        let (mut salt, mut hash) = ([0; SALT_BYTES], [0; HASH_BYTES]);
        for bytes in [&mut salt[..], &mut hash[..]] {
            getrandom::fill(bytes).map_err(|_| PasswordError::Hashing("the kernel gave no random bytes"))?;
        }
        let (memory_kib, passes, lanes) = PARAMETERS;
        Ok(Self { memory_kib, passes, lanes, salt: salt.to_vec(), hash: hash.to_vec() })
    }
}

impl TryFrom<String> for StoredHash {
    type Error = NotAHash;
    fn try_from(text: String) -> Result<Self, NotAHash> {
        let mut parts = text.strip_prefix("$argon2id$v=19$").ok_or(NotAHash)?.split('$');
        let (parameters, salt, hash) =
            (parts.next().ok_or(NotAHash)?, parts.next().ok_or(NotAHash)?, parts.next().ok_or(NotAHash)?);
        if parts.next().is_some() {
            return Err(NotAHash);
        }
        let number = |key: &str| {
            parameters.split(',').find_map(|part| part.strip_prefix(key)?.parse::<u32>().ok()).ok_or(NotAHash)
        };
        let bytes = |text: &str| STANDARD_NO_PAD.decode(text).map_err(|_| NotAHash);
        let stored = Self {
            memory_kib: number("m=")?,
            passes: number("t=")?,
            lanes: number("p=")?,
            salt: bytes(salt)?,
            hash: bytes(hash)?,
        };
        // The file is root's, but a typing error in it should not take all memory or hours either.
        let sane = (8..=1 << 20).contains(&stored.memory_kib)
            && (1..=64).contains(&stored.passes)
            && (1..=16).contains(&stored.lanes)
            && (8..=64).contains(&stored.salt.len())
            && (16..=64).contains(&stored.hash.len());
        if sane { Ok(stored) } else { Err(NotAHash) }
    }
}

/// Computes hashes, one at a time.
#[derive(Default)]
pub(crate) struct Hasher {
    one_at_a_time: Mutex<()>,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    /// A new hash of `password`, with a salt from the kernel.
    ///
    /// # Errors
    /// [`PasswordError::Hashing`] without random bytes or memory.
    pub fn hash(&self, password: &str) -> Result<StoredHash, PasswordError> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|_| PasswordError::Hashing("the kernel gave no random bytes"))?;
        let (memory_kib, passes, lanes) = PARAMETERS;
        let mut stored = StoredHash { memory_kib, passes, lanes, salt: salt.to_vec(), hash: vec![0; HASH_BYTES] };
        stored.hash = self.compute(&stored, password).ok_or(PasswordError::Hashing("argon2 failed"))?;
        Ok(stored)
    }

    /// Whether `password` is the one that was hashed. Without a hash (no such account) it takes the same time and
    /// says no, so that the answer's time does not tell which names exist.
    pub fn matches(&self, stored: Option<&StoredHash>, password: &str) -> bool {
        let (memory_kib, passes, lanes) = PARAMETERS;
        let nobody = StoredHash { memory_kib, passes, lanes, salt: vec![0; SALT_BYTES], hash: vec![0; HASH_BYTES] };
        let against = stored.unwrap_or(&nobody);
        if password.len() > LONGEST {
            return false;
        }
        let Some(computed) = self.compute(against, password) else { return false };
        let same = bool::from(computed.ct_eq(&against.hash));
        same && stored.is_some()
    }

    fn compute(&self, like: &StoredHash, password: &str) -> Option<Vec<u8>> {
        let parameters = Params::new(like.memory_kib, like.passes, like.lanes, Some(like.hash.len())).ok()?;
        let blocks = parameters.block_count();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
        let _one = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        // The system gets it back at the end: see `platform::give_memory_back`.
        let mut memory = vec![Block::default(); blocks];
        let mut output = vec![0; like.hash.len()];
        argon2.hash_password_into_with_memory(password.as_bytes(), &like.salt, &mut output, &mut memory).ok()?;
        Some(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_another_is_not() {
        let hasher = Hasher::default();
        let stored = hasher.hash("correct horse").unwrap();
        let text = String::from(stored.clone());
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
        let read = StoredHash::try_from(text).unwrap();
        assert!(hasher.matches(Some(&read), "correct horse"));
        assert!(!hasher.matches(Some(&read), "correct horsf"));
        assert!(!hasher.matches(None, "correct horse"));
        assert_ne!(stored, hasher.hash("correct horse").unwrap());
    }

    #[test]
    fn a_hash_of_the_reference_program_is_taken() {
        // From the README of phc-winner-argon2: echo -n "password" | argon2 somesalt -t 2 -m 16 -p 4 -l 24 (-id).
        let stored = StoredHash::try_from(
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc".to_owned(),
        )
        .unwrap();
        assert!(Hasher::default().matches(Some(&stored), "password"));
    }

    #[test]
    fn broken_hashes_are_refused() {
        for bad in ["", "$argon2id$v=19$m=1,t=1,p=1$AAAA$AAAA", "$argon2i$v=19$m=19456,t=2,p=1$a$b", "x$y"] {
            assert_eq!(StoredHash::try_from(bad.to_owned()), Err(NotAHash), "{bad}");
        }
    }

    #[test]
    fn too_short_too_long_and_the_name_itself_are_no_passwords() {
        let judged = |password: &str| acceptable("anna.long", "jail1.example.org", password);
        assert_eq!(judged("short"), Err(PasswordError::TooShort));
        assert_eq!(judged(&"a".repeat(1025)), Err(PasswordError::TooLong));
        assert_eq!(judged("tab\there and more"), Err(PasswordError::Control));
        assert_eq!(judged("größer als 8"), Ok(()));
        for name in ["Anna.Long", "annalong", "jail1.example.org", "Jail1ExampleOrg"] {
            assert_eq!(judged(name), Err(PasswordError::IsName), "{name}");
        }
        assert_eq!(acceptable("anna", "potserver", "PotServer"), Err(PasswordError::IsName));
        assert_eq!(acceptable("anna", "", "--------"), Ok(()), "a host without a name takes nothing away");
    }

    #[test]
    fn what_everybody_takes_is_no_password_unless_it_is_long() {
        for used in
            ["12345678", "password", "Password1", "potconsole", "Pot-Console", "qwertyuiop", "iloveyou", "11111111"]
        {
            assert_eq!(acceptable("anna", "jail1", used), Err(PasswordError::MostUsed), "{used}");
        }
        for own in ["xk7 plum", "kZ3-9vbq", "a dozen long", "correct horse battery"] {
            assert_eq!(acceptable("anna", "jail1", own), Ok(()), "{own}");
        }
    }

    #[test]
    fn the_list_of_most_used_passwords_holds_what_it_is_looked_through_for() {
        let mut count = 0;
        for used in include_str!("../../data/most-used-passwords.txt").lines() {
            assert!((SHORTEST..LONG).contains(&used.chars().count()) && used == used.to_lowercase(), "{used}");
            count += 1;
        }
        assert!(count > 10_000, "{count}");
    }
}
