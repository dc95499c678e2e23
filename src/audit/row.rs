//! The row that a record makes, by itself.

use super::error::StoreError;
use crate::digest::Digest;
use crate::journal::record::{Action, Method, Record};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

/// The row that a record makes, by itself: what `verify` holds against the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) sequence: i64,
    pub(super) hash: Vec<u8>,
    pub(super) id: String,
    pub(super) time_ms: i64,
    pub(super) stage: String,
    pub(super) intent: Option<i64>,
    pub(super) actor: String,
    pub(super) method: String,
    pub(super) address: Option<String>,
    pub(super) action: String,
    pub(super) object: String,
    pub(super) reason: Option<String>,
    pub(super) outcome: Option<String>,
    pub(super) message: String,
    pub(super) run: Option<i64>,
    pub(super) json: String,
    pub(super) person: i64,
    pub(super) is_change: i64,
}

impl sqlx::FromRow<'_, SqliteRow> for Row {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            sequence: row.try_get("sequence")?,
            hash: row.try_get("hash")?,
            id: row.try_get("id")?,
            time_ms: row.try_get("time_ms")?,
            stage: row.try_get("stage")?,
            intent: row.try_get("intent")?,
            actor: row.try_get("actor")?,
            method: row.try_get("method")?,
            address: row.try_get("address")?,
            action: row.try_get("action")?,
            object: row.try_get("object")?,
            reason: row.try_get("reason")?,
            outcome: row.try_get("outcome")?,
            message: row.try_get("message")?,
            run: row.try_get("run")?,
            json: row.try_get("json")?,
            person: row.try_get("person")?,
            is_change: row.try_get("is_change")?,
        })
    }
}

/// The word that serde writes for a fieldless variant.
pub(super) fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Whether a person did it; else it ran by itself.
pub(super) fn is_person(method: Method) -> bool {
    !matches!(method, Method::Console | Method::None)
}

/// Whether it changed the host, or tried to.
pub(super) fn is_change(action: Action) -> bool {
    !matches!(
        action,
        Action::SignIn
            | Action::SignOut
            | Action::Throttle
            | Action::Refusal
            | Action::Export
            | Action::Process
            | Action::Journal
    )
}

impl Row {
    pub(super) fn of(record: &Record, hash: &Digest) -> Result<Self, StoreError> {
        Ok(Self::with_json(record, hash, serde_json::to_string(record)?))
    }

    pub(super) fn with_json(record: &Record, hash: &Digest, json: String) -> Self {
        let entry = &record.entry;
        Self {
            sequence: signed(record.sequence),
            hash: hash.as_bytes().to_vec(),
            id: record.id.to_string(),
            time_ms: record.time.as_millisecond(),
            stage: word(&entry.stage),
            intent: entry.intent.map(signed),
            actor: entry.actor.name.clone(),
            method: word(&entry.actor.method),
            address: entry.reported.address.clone(),
            action: word(&entry.action),
            object: entry.object.clone(),
            reason: entry.reason.clone(),
            outcome: entry.outcome.as_ref().map(word),
            message: entry.message.clone(),
            run: entry.run.map(signed),
            json,
            person: i64::from(is_person(entry.actor.method)),
            is_change: i64::from(is_change(entry.action)),
        }
    }
}
