//! Numbers and words as SQLite has them, and what an act is by what it says.

use crate::journal::record::{Action, Method};

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
