//! Signed statements "record N has this hash", to be kept on another machine: with one, a journal whose end was cut
//! off or written anew is found out, even when root did it.

use super::error::JournalError;
use super::store::Journal;
use super::write::create_private;
use crate::digest::Digest;
use crate::files;
use crate::formats::{Kind, Newer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io::{self, Write as _};
use std::path::Path;
use uuid::Uuid;

/// Where a pruning leaves its checkpoint.
pub(super) const PRUNED: &str = "pruned.checkpoint";
/// The signing key's file in its folder.
const FILE: &str = "checkpoint.pem";
/// A checkpoint is half a kilobyte.
const LONGEST: u64 = 64 << 10;

/// What is attested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The journal's identity.
    pub journal: Uuid,
    /// The last record's number then.
    pub sequence: u64,
    /// Its hash.
    pub hash: Digest,
    /// When it was made.
    pub time: Timestamp,
    /// The public key that it was signed with, base64.
    pub key: String,
    signature: Signature,
}

/// A checkpoint as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "pot-console-checkpoint")]
    version: u8,
    journal: Uuid,
    sequence: u64,
    hash: Digest,
    time: Timestamp,
    key: String,
    signature: String,
}

/// Why a text is not a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It is not one.
    #[error("this is not a checkpoint of pot-console: {0}")]
    NotOne(String),
    /// It is of a newer version than this program knows.
    #[error(transparent)]
    Newer(#[from] Newer),
    /// Its signature does not fit.
    #[error("the checkpoint's signature does not fit its text: it was changed")]
    Signature,
    /// What was given is no public key.
    #[error("{0:?} is no public key of checkpoints: 44 characters of base64, as audit checkpoint prints it")]
    NotAKey(String),
    /// It was signed by another console.
    #[error("the checkpoint was signed with another key ({0}) than the one that it is held against")]
    OtherKey(String),
}

/// The bytes that are signed: every field in a fixed order, so that how the JSON is laid out does not matter.
fn statement(journal: Uuid, sequence: u64, hash: &Digest, time: Timestamp) -> String {
    format!("pot-console checkpoint 1\n{}\n{sequence}\n{hash}\n{time}\n", journal.hyphenated())
}

impl Checkpoint {
    /// Attests the journal's last record as of now.
    pub fn sign(journal: &Journal, key: &CheckpointKey) -> Result<Self, JournalError> {
        let (sequence, hash) = journal.last()?;
        Ok(Self::of(journal.id(), sequence, hash, key))
    }

    pub(super) fn of(journal: Uuid, sequence: u64, hash: Digest, key: &CheckpointKey) -> Self {
        let time = Timestamp::now();
        let signature = key.0.sign(statement(journal, sequence, &hash, time).as_bytes());
        Self { journal, sequence, hash, time, key: key.public(), signature }
    }

    /// The text to keep.
    pub fn text(&self) -> String {
        let written = Written {
            version: 1,
            journal: self.journal,
            sequence: self.sequence,
            hash: self.hash,
            time: self.time,
            key: self.key.clone(),
            signature: STANDARD.encode(self.signature.to_bytes()),
        };
        // Plain strings and numbers: this cannot fail.
        let mut text = serde_json::to_string_pretty(&written).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads a kept text and checks its signature against the key in it. Whose key that is must be known
    /// otherwise: from where the text was kept, or by [`Checkpoint::must_be_signed_by`].
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let not_one = |error: &dyn std::fmt::Display| CheckpointError::NotOne(error.to_string());
        #[derive(Deserialize)]
        struct Named {
            #[serde(rename = "pot-console-checkpoint")]
            version: u64,
        }
        let named: Named = serde_json::from_str(text).map_err(|error| not_one(&error))?;
        Kind::Checkpoint.must_be_known(Path::new("the checkpoint"), named.version)?;
        let written: Written = serde_json::from_str(text).map_err(|error| not_one(&error))?;
        if written.version == 0 {
            return Err(not_one(&"version 0 is not known"));
        }
        let key: [u8; 32] = STANDARD
            .decode(&written.key)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| not_one(&"its key is not 32 bytes"))?;
        let signature: [u8; 64] = STANDARD
            .decode(&written.signature)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| not_one(&"its signature is not 64 bytes"))?;
        let signature = Signature::from_bytes(&signature);
        let said = statement(written.journal, written.sequence, &written.hash, written.time);
        VerifyingKey::from_bytes(&key)
            .and_then(|key| key.verify_strict(said.as_bytes(), &signature))
            .map_err(|_| CheckpointError::Signature)?;
        Ok(Self {
            journal: written.journal,
            sequence: written.sequence,
            hash: written.hash,
            time: written.time,
            key: written.key,
            signature,
        })
    }

    /// A public key as someone gives it: base64 of 32 bytes, in its one spelling.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn public_key(text: &str) -> Result<String, CheckpointError> {
        let bytes: Option<[u8; 32]> = STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(|bytes| STANDARD.encode(bytes)).ok_or_else(|| CheckpointError::NotAKey(text.trim().to_owned()))
    }

    /// Whether it was signed by the console whose public key (base64, as [`CheckpointKey::public`] gives it) this is.
    pub(crate) fn must_be_signed_by(&self, public: &str) -> Result<(), CheckpointError> {
        if self.key == public { Ok(()) } else { Err(CheckpointError::OtherKey(self.key.clone())) }
    }
}

/// The key that signs checkpoints. Its file is root's alone and is in no backup of the history; one of the whole console
/// holds it unless it is told not to.
pub struct CheckpointKey(SigningKey);

impl std::fmt::Debug for CheckpointKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CheckpointKey({})", self.public())
    }
}

impl CheckpointKey {
    /// The key in `dir` (the private folder's `keys`), made at first need: `checkpoint.pem`, PKCS#8, mode 0600.
    pub(crate) fn open_or_make(dir: &Path) -> Result<Self, JournalError> {
        files::make_private_dir(dir)?;
        Self::open(dir)?.map_or_else(|| Self::make(&dir.join(FILE)), Ok)
    }

    /// The same; none when no key was made yet.
    pub fn open(dir: &Path) -> Result<Option<Self>, JournalError> {
        let path = dir.join(FILE);
        match files::read_limited(&path, LONGEST) {
            Ok(bytes) => std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| SigningKey::from_pkcs8_pem(text).ok())
                .map(|key| Some(Self(key)))
                .ok_or_else(|| unusable(&path, io::Error::new(io::ErrorKind::InvalidData, "it holds no ed25519 key"))),
            Err(files::FileError::Missing(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn make(path: &Path) -> Result<Self, JournalError> {
        let mut secret = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut_slice()).map_err(|error| unusable(path, io::Error::other(error)))?;
        let key = SigningKey::from_bytes(&secret);
        let text = key
            .to_pkcs8_pem(ed25519_dalek::pkcs8::spki::der::pem::LineEnding::LF)
            .map_err(|error| unusable(path, io::Error::other(error)))?;
        let expected = files::Expected::Absent;
        match files::replace_with_mode(path, &expected, text.as_bytes(), 0o600, &|_| ()) {
            Ok(_) => Ok(Self(key)),
            // Another process made one first.
            Err(files::FileError::Changed { .. }) => path
                .parent()
                .map_or_else(|| Err(unusable(path, io::Error::other("it stands in no folder"))), Self::open_or_make),
            Err(error) => Err(error.into()),
        }
    }

    /// The public key, base64.
    pub fn public(&self) -> String {
        STANDARD.encode(self.0.verifying_key().as_bytes())
    }
}

fn unusable(path: &Path, source: io::Error) -> JournalError {
    JournalError::System { doing: "using the key of", path: path.to_owned(), source }
}

/// The checkpoint that the last pruning left.
pub(super) fn pruned_checkpoint(dir: &Path) -> io::Result<Option<Checkpoint>> {
    let bytes = match files::read_limited(&dir.join(PRUNED), LONGEST) {
        Ok(bytes) => bytes,
        Err(files::FileError::Missing(_)) => return Ok(None),
        Err(error) => return Err(io::Error::other(error)),
    };
    let text = String::from_utf8_lossy(&bytes);
    Checkpoint::parse(&text).map(Some).map_err(io::Error::other)
}

/// Leaves a pruning's checkpoint, on disk when it returns.
pub(super) fn leave_pruned(dir: &Path, checkpoint: &Checkpoint) -> io::Result<()> {
    let unfinished = dir.join(format!("{PRUNED}.new"));
    let mut file = create_private(&unfinished)?;
    file.write_all(checkpoint.text().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, dir.join(PRUNED))?;
    std::fs::File::open(dir)?.sync_all()
}
