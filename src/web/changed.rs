//! What one record says was changed, in the words of a row: parameter, before, after. Where it names no values, a
//! sentence; a plan's prose stands where the act is shown whole.

use crate::journal::record::{Action, Change, Entry, Outcome, Stage};
use crate::rules::errors_in_words;
use askama::Template;
use askama::filters::HtmlSafe;

/// Values that a row names.
const SHOWN: usize = 3;

/// `templates/_partials/changed.html`.
#[derive(Template)]
#[template(path = "_partials/changed.html")]
pub(super) struct Changed {
    /// What, before, after.
    values: Vec<Change>,
    /// How many more there are.
    more: usize,
    words: String,
}

impl HtmlSafe for Changed {}

impl Changed {
    /// `end` is the outcome's record, when there is one apart.
    pub(super) fn of(entry: &Entry, end: Option<&Entry>) -> Self {
        let end = if entry.stage == Stage::Outcome { Some(entry) } else { end };
        let words = match end {
            Some(end) => ended(entry, end),
            None if entry.stage == Stage::Intent && entry.run.is_some() => format!("{} begins", entry.object),
            None => entry.message.clone(),
        };
        if entry.changes.is_empty() || entry.action == Action::Account {
            return Self { values: Vec::new(), more: 0, words };
        }
        let done = end.unwrap_or(entry).outcome.is_none_or(|outcome| outcome == Outcome::Done);
        let words = match entry.action {
            // The values were not taken: why is told, what was asked for stands beside it.
            _ if !done => words.split(" Asked for: ").next().unwrap_or_default().to_owned(),
            // What someone knew better.
            _ => in_spite(&words).unwrap_or_default(),
        };
        let values = entry.changes.iter().take(SHOWN).cloned().collect();
        Self { values, more: entry.changes.len().saturating_sub(SHOWN), words }
    }

    /// Whether the record says more than the row does.
    pub(super) fn is_short_for(&self, message: &str) -> bool {
        self.words != message
    }
}

/// "in spite of 2 errors.", as the executor ends the sentence about a save: its own end alone, whatever stands in a value
/// before it. Earlier versions said "2 error findings".
fn in_spite(message: &str) -> Option<String> {
    let (_, end) = message.rsplit_once(", in spite of ")?;
    let (brought, rest) = end.split_once(' ')?;
    let brought = brought.parse::<usize>().ok()?;
    let all = match rest.strip_suffix(" in all.").and_then(|rest| rest.rsplit_once(", ")) {
        Some((_, all)) => all.parse().ok()?,
        None => brought,
    };
    let is_own = matches!(rest, "error finding." | "error findings.");
    (is_own || end == format!("{}.", errors_in_words(brought, all))).then(|| format!("in spite of {end}"))
}

/// How it ended, in one sentence, which says of what.
fn ended(entry: &Entry, end: &Entry) -> String {
    let message = if end.message.is_empty() { &entry.message } else { &end.message };
    let is_of_a_run = matches!(entry.action, Action::Run | Action::Readiness | Action::Restore) && entry.run.is_some();
    if is_of_a_run && !message.contains(&entry.object) {
        return format!("{}: {message}", entry.object);
    }
    message.clone()
}

/// Who did it, in few words.
pub(super) fn who(entry: &Entry) -> &str {
    if entry.action == Action::Outside { "outside" } else { &entry.actor.name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::{Actor, Method, Reported};

    fn entry(action: Action, object: &str, message: &str) -> Entry {
        let actor =
            Actor { name: "anna".to_owned(), role: None, method: Method::Password, session: None, claimed: None };
        Entry {
            outcome: Some(Outcome::Done),
            ..Entry::event(actor, Reported::default(), action, object, message.to_owned())
        }
    }

    fn change(to: &str) -> Change {
        Change { name: "POT_NETWORK".to_owned(), from: None, to: Some(to.to_owned()) }
    }

    fn shown(entry: &Entry, end: Option<&Entry>) -> String {
        let html = Changed::of(entry, end).to_string();
        let mut text = String::new();
        let mut inside = false;
        for letter in html.chars() {
            match letter {
                '<' => inside = true,
                '>' => inside = false,
                _ if !inside => text.push(letter),
                _ => {}
            }
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_row_says_parameter_before_and_after_and_not_the_prose_of_a_plan() {
        let mut save =
            entry(Action::Configuration, "/usr/local/etc/pot/pot.conf", "pot.conf: changed POT_NETWORK from …");
        save.changes = vec![change("10.0.0.0/8")];
        assert_eq!(shown(&save, None), "POT_NETWORK not set → to 10.0.0.0/8");
        save.message.push_str(", in spite of 1 error finding.");
        assert!(shown(&save, None).ends_with("in spite of 1 error finding."));
        save.message = "pot.conf: changed POT_GATEWAY, in spite of 1 error in what changes, 2 in all.".to_owned();
        assert!(shown(&save, None).ends_with("in spite of 1 error in what changes, 2 in all."));
        save.changes = (0..5).map(|n| change(&n.to_string())).collect();
        assert!(shown(&save, None).contains("and 2 more"));

        let mut run = entry(Action::Run, "init", "pot init -v starts: Makes datasets, folders and anchors.");
        run.stage = Stage::Intent;
        run.run = Some(3);
        run.outcome = None;
        assert_eq!(shown(&run, None), "init begins");
        let mut end = entry(Action::Run, "init", "All 9 checks are as planned.");
        end.stage = Stage::Outcome;
        end.run = Some(3);
        assert_eq!(shown(&run, Some(&end)), "init: All 9 checks are as planned.");
        assert_eq!(shown(&end, None), "init: All 9 checks are as planned.", "where only the end is at hand");
    }

    #[test]
    fn what_stands_in_a_value_is_not_taken_for_errors_that_someone_knew_better() {
        let mut save = entry(Action::Configuration, "pot.conf", "");
        save.changes = vec![change("in spite of all, yes")];
        save.message = "pot.conf: changed POT_NETWORK from the default to in spite of all, yes.".to_owned();
        assert_eq!(shown(&save, None), "POT_NETWORK not set → to in spite of all, yes");
        save.message = "pot.conf: changed POT_NETWORK from the default to in spite of all, yes, in spite of 12 error \
                        findings."
            .to_owned();
        assert_eq!(shown(&save, None), "POT_NETWORK not set → to in spite of all, yes in spite of 12 error findings.");
    }

    #[test]
    fn a_refused_save_is_told_with_what_was_asked_for_and_why_not() {
        let mut refused =
            entry(Action::Refusal, "save", "save was refused: Too wide. Asked for: POT_NETWORK to 0.0.0.0/0.");
        refused.outcome = Some(Outcome::Refused);
        refused.changes = vec![change("0.0.0.0/0")];
        assert_eq!(shown(&refused, None), "POT_NETWORK not set → to 0.0.0.0/0 save was refused: Too wide.");
        assert!(Changed::of(&refused, None).is_short_for(&refused.message));
    }

    #[test]
    fn what_is_in_a_value_cannot_pass_for_markup_or_turn_the_line_around() {
        let mut save = entry(Action::Configuration, "pot.conf", "");
        save.changes = vec![change("<b>\u{202e}")];
        let html = Changed::of(&save, None).to_string();
        assert!(!html.contains("<b>\u{202e}") && !html.contains('\u{202e}'), "{html}");
    }
}
