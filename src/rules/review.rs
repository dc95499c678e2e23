//! What edits make of pot.conf and what is to be said of it: the one review behind a save, `conf set --dry-run`, the page
//! while someone types, and the fixes that findings offer.

use super::limits::{self, LimitViolation, PathLookup};
use super::{Finding, Severity, Subject, check, errors_brought};
use crate::diff::Diff;
use crate::facts::HostFacts;
use crate::potconf::{Configuration, Edit, EditAction, EditError, Name};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Most edits at once: more than a form has fields.
const MOST_EDITS: usize = 500;

/// Why edits are written for nobody, whatever reason they give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// More than one request changes.
    #[error("at most {MOST_EDITS} parameters change at once")]
    TooMany,
    /// A value against a limit.
    #[error(transparent)]
    Limit(#[from] LimitViolation),
    /// pot.conf cannot take it.
    #[error(transparent)]
    Edit(#[from] EditError),
}

impl Unwritable {
    /// The parameter it is about, if it is about one.
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Self::TooMany => None,
            Self::Limit(against) => Some(&against.parameter),
            Self::Edit(error) => error.name().map(Name::as_str),
        }
    }
}

/// Every value that is to be written is data for every use that pot makes of it. Nothing overrides this, and no file
/// needs to be read to say so.
///
/// # Errors
/// [`Unwritable`] for the first value that is against its limit, or when there are too many of them.
pub(crate) fn within_limits(edits: &[Edit]) -> Result<(), Unwritable> {
    if edits.len() > MOST_EDITS {
        return Err(Unwritable::TooMany);
    }
    against_limits(edits).next().map_or(Ok(()), |against| Err(against.into()))
}

fn against_limits(edits: &[Edit]) -> impl Iterator<Item = LimitViolation> {
    edits.iter().filter_map(|edit| match &edit.action {
        EditAction::Set(value) => limits::check(edit.name.as_str(), value).err(),
        EditAction::Unset => None,
    })
}

/// What edits make of a configuration.
#[derive(Debug)]
pub struct Review<'a> {
    before: &'a Configuration,
    names: Vec<Name>,
    /// The configuration with the edits.
    pub after: Configuration,
}

/// What the rules say of a [`Review`].
#[derive(Debug, Default)]
pub struct Verdict {
    /// All findings on what would be written.
    pub findings: Vec<Finding>,
    /// The errors that the edits bring, or leave on a parameter that they touch: an admin may accept them with a reason.
    /// None when nothing would be written.
    pub errors: Vec<Finding>,
}

/// How many errors a save has to be asked about, of how many: for its button, what is asked, and the history.
pub(crate) fn errors_in_words(brought: usize, all: usize) -> String {
    let counted = format!("{brought} {}", if brought == 1 { "error" } else { "errors" });
    if all > brought { format!("{counted} in what changes, {all} in all") } else { counted }
}

impl<'a> Review<'a> {
    fn new(before: &'a Configuration, edits: &[Edit], after: Configuration) -> Self {
        Self { before, names: edits.iter().map(|edit| edit.name.clone()).collect(), after }
    }

    /// All of the edits, within the limits on each value and on how they stand to each other.
    ///
    /// # Errors
    /// [`Unwritable`] for the first that cannot be written.
    pub fn of(before: &'a Configuration, edits: &[Edit]) -> Result<Self, Unwritable> {
        within_limits(edits)?;
        let after = before.with_own(before.apply(edits)?);
        // What stood so before is named by the findings and stops every run; here it would only stop its fixing.
        if let Err(against) = limits::check_together(&after)
            && limits::check_together(before).is_ok()
        {
            return Err(against.into());
        }
        Ok(Self::new(before, edits, after))
    }

    /// As many of the edits as the file can take, and for each parameter why its new value can never be saved: for
    /// someone who is still typing.
    pub(crate) fn while_typing(before: &'a Configuration, edits: &[Edit]) -> (Self, BTreeMap<String, String>) {
        let mut problems: BTreeMap<String, String> =
            against_limits(edits).map(|against| (against.parameter.clone(), against.to_string())).collect();
        let mut left = edits.to_vec();
        loop {
            let error = match before.apply(&left) {
                Ok(own) => return (Self::new(before, edits, before.with_own(own)), problems),
                Err(error) => error,
            };
            let had = left.len();
            left.retain(|edit| Some(&edit.name) != error.name());
            if let Some(name) = error.name().filter(|_| left.len() < had) {
                problems.entry(name.as_str().to_owned()).or_insert_with(|| error.to_string());
            } else {
                // The new text as a whole is refused: nothing of it can be shown.
                problems.extend(left.drain(..).map(|edit| (edit.name.as_str().to_owned(), error.to_string())));
            }
        }
    }

    /// The places that the edits make others, where they really are. What stands as it stood blocks no change.
    ///
    /// # Errors
    /// [`LimitViolation`] for the first that is where it must not be, or cannot be looked at.
    pub(crate) fn within_places(&self, look: PathLookup<'_>) -> Result<(), LimitViolation> {
        let changed = limits::changed_places(self.before, &self.after);
        limits::check_places(&self.after, &changed, look).into_iter().next().map_or(Ok(()), Err)
    }

    /// Whether the file would stay as it is.
    pub(crate) fn writes_nothing(&self) -> bool {
        self.before.own().bytes() == self.after.own().bytes()
    }

    /// What would change in the file, which is shown under this name.
    pub fn diff(&self, file: &str) -> Diff {
        Diff::between(file, self.before.own().bytes(), self.after.own().bytes())
    }

    /// Each value that pot.conf would hold otherwise than now, in the order of the edits: name, now, then.
    pub(crate) fn changed_values(&self) -> impl Iterator<Item = (&str, Option<String>, Option<String>)> {
        self.names.iter().map(Name::as_str).filter_map(|name| {
            let (now, then) = (self.before.own_value(name), self.after.own_value(name));
            (now != then).then_some((name, now, then))
        })
    }

    /// What the rules say, on this host and for the browser at this address, as far as they are known. `stood`: what they
    /// said of the same without the edits, where someone knows that already.
    pub fn judge(&self, facts: Option<&HostFacts>, admin: Option<IpAddr>, stood: Option<&[Finding]>) -> Verdict {
        let on = |configuration| check(&Subject { configuration, facts, admin });
        let findings = on(&self.after);
        let has_errors = findings.iter().any(|finding| finding.severity == Severity::Error);
        if !has_errors || self.writes_nothing() {
            return Verdict { findings, errors: Vec::new() };
        }
        let touched = |name: &str| self.names.iter().any(|touched| touched.as_str() == name);
        let stood = stood.map_or_else(|| Cow::Owned(on(self.before)), Cow::Borrowed);
        let errors = errors_brought(&stood, &findings, touched).cloned().collect();
        Verdict { findings, errors }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::example::configuration;

    fn set(name: &str, value: &str) -> Edit {
        Edit::set(Name::try_from(name).unwrap(), value)
    }

    #[test]
    fn an_error_that_stands_blocks_neither_the_fixing_of_another_nor_what_writes_nothing() {
        let before = configuration("POT_GATEWAY=1.1.1.1\n");
        let brought = |edits: &[Edit]| Review::of(&before, edits).unwrap().judge(None, None, None).errors.len();
        assert_eq!(brought(&[set("POT_TMP", "/var/run/pot")]), 0, "it is not touched");
        assert_eq!(brought(&[set("POT_GATEWAY", "1.1.1.1")]), 0, "nothing would be written");
        assert_eq!(brought(&[set("POT_GATEWAY", "1.1.1.2")]), 1, "it is touched and still wrong");
    }

    #[test]
    fn a_place_among_the_pots_is_refused_unless_it_stood_there_before() {
        let nested = set("POT_CACHE", "/opt/pot/jails/cache");
        let refused = Review::of(&configuration(""), std::slice::from_ref(&nested)).unwrap_err();
        assert_eq!(refused.parameter(), Some("POT_CACHE"));
        let before = configuration("POT_CACHE=/opt/pot/jails/cache\n");
        Review::of(&before, &[set("POT_TMP", "/var/run/pot")]).unwrap();
    }

    #[test]
    fn what_is_refused_names_its_parameter_and_too_many_name_none() {
        let before = configuration("POT_GROUP=$(id)\n");
        let parameter = |edits: &[Edit]| Review::of(&before, edits).unwrap_err().parameter().map(str::to_owned);
        assert_eq!(parameter(&[set("POT_TMP", "/tmp/$(id)")]).as_deref(), Some("POT_TMP"), "against a limit");
        assert_eq!(parameter(&[set("POT_GROUP", "pot")]).as_deref(), Some("POT_GROUP"), "read-only");
        assert_eq!(parameter(&vec![set("POT_TMP", "/tmp"); MOST_EDITS + 1]), None);
    }

    #[test]
    fn while_someone_types_the_values_that_fit_are_shown_beside_those_that_never_can_be_saved() {
        let before = configuration("POT_GROUP=$(id)\n");
        let edits = [set("POT_GROUP", "pot"), set("POT_GATEWAY", "$(reboot)"), set("POT_NETWORK", "10.0.0.0/8")];
        let (review, problems) = Review::while_typing(&before, &edits);
        assert_eq!(problems.keys().collect::<Vec<_>>(), ["POT_GATEWAY", "POT_GROUP"]);
        assert_eq!(review.after.value("POT_NETWORK"), Some("10.0.0.0/8"));
        assert_eq!(review.after.own_value("POT_GROUP"), before.own_value("POT_GROUP"));
    }
}
