//! The file was changed since the form was made: what fits, and what collides.

use super::form_edits::{FormEdits, WAS};
use crate::potconf::Configuration;
use crate::refusal::Conflict;
use crate::web::visitor::Form;

/// What a form says of the value that each of its fields was made with: name, that value.
fn made_with(form: &Form) -> impl Iterator<Item = (&str, &str)> {
    form.0.iter().filter_map(|(key, value)| Some((key.strip_prefix(WAS)?, value.as_str())))
}

fn is_still(configuration: &Configuration, name: &str, was: &str) -> bool {
    configuration.setting(name).value.unwrap_or_default() == was
}

/// The conflict for this form. Where the executor no longer has the text that it was made from, any value that differs
/// may be a collision; the form knows which of its values stand as they stood.
pub(super) fn of_form(mut conflict: Conflict, form: &Form, configuration: &Configuration) -> Conflict {
    let had = conflict.colliding.len();
    conflict
        .colliding
        .retain(|one| !made_with(form).any(|(name, was)| name == one.name && is_still(configuration, name, was)));
    conflict.fitting += had - conflict.colliding.len();
    conflict
}

/// Parameters that are others in the file than in the fields of a form, and that the form does not change.
pub(super) fn changed_by_others(form: &Form, configuration: &Configuration, edits: &FormEdits) -> Vec<String> {
    made_with(form)
        .filter(|(name, was)| edits.wanted(name).is_none() && !is_still(configuration, name, was))
        .map(|(name, _)| name.to_owned())
        .collect()
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::potconf::Document;
    use crate::refusal::Collision;

    fn read(own: &str) -> Configuration {
        Configuration::new(
            Document::parse(b"POT_GATEWAY=10.192.0.1\n").unwrap(),
            Document::parse(own.as_bytes()).unwrap(),
        )
    }

    #[test]
    fn a_parameter_that_did_not_change_is_no_collision() {
        let form = Form(
            [
                ("was.POT_GATEWAY", "10.192.0.1"),
                ("POT_GATEWAY", "10.192.0.9"),
                ("was.POT_TMP", "/tmp"),
                ("POT_TMP", "/x"),
                ("was.POT_GROUP", "pot"),
                ("POT_GROUP", "pot"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        );
        let file = read("POT_TMP=/y\nPOT_GROUP=jails\n");
        let collision = |name: &str| Collision { name: name.to_owned(), theirs: None, yours: None };
        let conflict = Conflict {
            by: None,
            at: None,
            colliding: vec![collision("POT_GATEWAY"), collision("POT_TMP")],
            fitting: 0,
            digest: Digest::of(b""),
            diff: crate::diff::Diff::between("x", b"", b""),
        };
        let conflict = of_form(conflict, &form, &file);
        assert_eq!(conflict.colliding.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["POT_TMP"]);
        assert_eq!(conflict.fitting, 1);
        let edits = FormEdits::of_form(&form, &file);
        assert_eq!(changed_by_others(&form, &file, &edits), ["POT_GROUP"], "what one changes oneself stays as typed");
    }
}
