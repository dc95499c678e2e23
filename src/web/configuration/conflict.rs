//! The file was changed since the form was made: what fits, and what collides.

use crate::refusal::Conflict;

/// A conflict in the words that admins know.
pub(crate) struct ConflictView {
    pub conflict: Conflict,
    pub when: String,
}

impl ConflictView {
    /// "pot.conf was changed by ben at 14:30 while you were editing. Nothing has been written."
    pub fn text(&self) -> String {
        let by = match &self.conflict.by {
            Some(name) => format!("by {name}"),
            None => "outside of this console".to_owned(),
        };
        let when = if self.when.is_empty() { String::new() } else { format!(" at {}", self.when) };
        format!("pot.conf was changed {by}{when} while you were editing. Nothing has been written.")
    }

    /// "POT_GATEWAY collides: ben's 10.200.0.254, yours 10.200.0.1."
    pub(crate) fn collisions(&self) -> Vec<String> {
        let whose = self.conflict.by.as_deref().map_or("the file’s".to_owned(), |name| format!("{name}’s"));
        let value = |value: &Option<String>| match value.as_deref() {
            None => "default".to_owned(),
            Some("") => "empty".to_owned(),
            Some(value) => value.to_owned(),
        };
        self.conflict
            .colliding
            .iter()
            .map(|one| format!("{} collides: {whose} {}, yours {}.", one.name, value(&one.theirs), value(&one.yours)))
            .collect()
    }

    /// "Your 2 other changes fit."
    pub fn fitting(&self) -> String {
        let other = if self.conflict.colliding.is_empty() { "" } else { "other " };
        match self.conflict.fitting {
            0 => String::new(),
            1 => format!("Your {other}change fits."),
            count => format!("Your {count} {other}changes fit."),
        }
    }
}
