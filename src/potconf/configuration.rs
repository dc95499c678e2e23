//! The default file and pot.conf as sh reads them one after the other, and edits of the latter.

use super::document::{Certainty, Document, File, Outcome, ParseError, State, Variable};
use super::parameters::{Name, PARAMETERS, extra_interface, parameter};
use super::potnet;
use super::shell::{self, Assigned};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// pot.default.conf.
    #[serde(rename = "default")]
    Default,
    /// pot.conf.
    #[serde(rename = "pot.conf")]
    PotConf,
    /// Neither.
    #[serde(rename = "unset")]
    Unset,
}

/// One parameter as both files give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The variable.
    pub name: String,
    /// What sh has after both files, when that is certain and UTF-8.
    pub value: Option<String>,
    /// What the default file alone gives, when that is certain and UTF-8.
    pub default: Option<String>,
    /// Which file it comes from.
    pub source: Source,
    /// The line of pot.conf it comes from, counted from 1.
    pub line: Option<usize>,
    /// Whether it can be set here.
    pub editable: bool,
    /// Why not: "computed: `$(hostname)`", "set inside an if".
    pub reason: Option<String>,
    /// For a read-only one: the text as it stands.
    pub raw: Option<String>,
    /// What potnet reads, for the eight parameters that it knows.
    pub potnet_value: Option<String>,
    /// The pot version that introduced it; None for a name that pot does not know.
    pub since: Option<&'static str>,
    /// Whether upstream calls it deprecated.
    pub deprecated: bool,
}

/// A change of one parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Which one.
    pub name: Name,
    /// What to do.
    pub action: EditAction,
}

impl Edit {
    /// Gives a parameter a value.
    pub fn set(name: Name, value: impl Into<String>) -> Self {
        Self { name, action: EditAction::Set(value.into()) }
    }

    /// Takes a parameter back to its default.
    pub fn unset(name: Name) -> Self {
        Self { name, action: EditAction::Unset }
    }
}

/// What an edit does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EditAction {
    /// Gives this value.
    Set(String),
    /// Removes the parameter from pot.conf, so that the default counts.
    Unset,
}

/// Why an edit was refused. Nothing was changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The parameter is read-only.
    #[error("{name} cannot be changed here: {reason}")]
    ReadOnly {
        /// Which one.
        name: Name,
        /// Why.
        reason: String,
    },
    /// No line of pot.conf can hold this value.
    #[error("{name} cannot hold this value: {reason}")]
    Unwritable {
        /// Which one.
        name: Name,
        /// Why.
        reason: String,
    },
    /// The same parameter twice in one request.
    #[error("{name} is to be changed twice at once")]
    Twice {
        /// Which one.
        name: Name,
    },
    /// The text after the edit would not say exactly what was asked for.
    #[error("{name} cannot be changed safely: {reason}")]
    Unverified {
        /// Which one.
        name: Name,
        /// What would go wrong.
        reason: String,
    },
    /// The new text could not be a pot.conf.
    #[error("the new pot.conf could not be read back: {0}")]
    Unreadable(#[from] ParseError),
}

/// Both files.
#[derive(Debug, Clone)]
pub struct Configuration {
    default: Document,
    own: Document,
    state: State,
    potnet: BTreeMap<&'static str, String>,
}

impl Configuration {
    /// The two files that pot sources: pot.default.conf, then pot.conf. A pot.conf that is missing reads as an empty
    /// one.
    pub fn new(default: Document, own: Document) -> Self {
        let mut state = State::default();
        state.read(&default, File::Default);
        state.read(&own, File::Own);
        let potnet = potnet::values(default.bytes(), own.bytes());
        Self { default, own, state, potnet }
    }

    /// pot.default.conf.
    pub fn default_document(&self) -> &Document {
        &self.default
    }

    /// pot.conf.
    pub fn own(&self) -> &Document {
        &self.own
    }

    /// What both files give for one name.
    pub fn setting(&self, name: &str) -> Setting {
        let known = parameter(name);
        let outcome = self.state.outcomes.get(name);
        let here = outcome.filter(|outcome| outcome.file == File::Own).and_then(|outcome| self.assigned(outcome));
        let reason = self.read_only(name);
        let source = match outcome {
            Some(outcome) if outcome.file == File::Own => Source::PotConf,
            Some(_) => Source::Default,
            None => Source::Unset,
        };
        let raw = match (&reason, outcome.and_then(|outcome| Some((outcome, self.assigned(outcome)?)))) {
            (Some(_), Some((outcome, assigned))) => {
                let range = if assigned.written { assigned.value_at.clone() } else { assigned.word.clone() };
                Some(self.document(outcome.file).text(range))
            }
            _ => None,
        };
        Setting {
            name: name.to_owned(),
            value: self.value(name).map(str::to_owned),
            default: match self.default.variable(name) {
                Variable::Static { value, .. } => String::from_utf8(value).ok(),
                _ => None,
            },
            source,
            line: here.map(|assigned| self.own.line(assigned.word.start)),
            editable: reason.is_none(),
            reason,
            raw,
            potnet_value: self.potnet.get(name).cloned(),
            since: known.map(|parameter| parameter.since).or_else(|| extra_interface(name).map(|_| "0.10.0")),
            deprecated: known.is_some_and(|parameter| parameter.deprecated),
        }
    }

    /// Every known parameter in the order of [`super::PARAMETERS`], then POT_NETWORK_ families found, then all other
    /// names found, both in the order of the alphabet.
    pub fn settings(&self) -> Vec<Setting> {
        let mut others: Vec<&str> =
            self.state.outcomes.keys().map(String::as_str).filter(|name| parameter(name).is_none()).collect();
        others.sort_unstable_by_key(|name| (extra_interface(name).is_none(), *name));
        PARAMETERS.iter().map(|parameter| parameter.name).chain(others).map(|name| self.setting(name)).collect()
    }

    /// The certain value that sh has after both files; None also when it is not UTF-8.
    pub fn value(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.value_bytes(name)?).ok()
    }

    /// As [`Self::value`], whatever the bytes are.
    pub fn value_bytes(&self, name: &str) -> Option<&[u8]> {
        if self.state.trouble.is_some() {
            return None;
        }
        let outcome = self.state.outcomes.get(name)?;
        match outcome.certainty {
            Certainty::Plain | Certainty::Declared => self.assigned(outcome)?.value.as_deref(),
            Certainty::Gone | Certainty::Unknown => None,
        }
    }

    /// The value as a list separated by blanks; empty when it is not certain.
    pub fn list(&self, name: &str) -> Vec<String> {
        let blank = [' ', '\t', '\n'];
        let words = self.value(name).unwrap_or_default().split(blank);
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// Why nothing at all is certain, if so: the file (pot.default.conf or pot.conf), the line, the reason.
    pub fn trouble(&self) -> Option<(Source, usize, &str)> {
        let trouble = self.state.trouble.as_ref()?;
        let source = if trouble.file == File::Own { Source::PotConf } else { Source::Default };
        Some((source, self.document(trouble.file).line(trouble.at), &trouble.reason))
    }

    fn document(&self, file: File) -> &Document {
        if file == File::Own { &self.own } else { &self.default }
    }

    fn assigned(&self, outcome: &Outcome) -> Option<&Assigned> {
        self.document(outcome.file).reading().assigned.get(outcome.assigned)
    }

    /// Why the parameter cannot be edited.
    fn read_only(&self, name: &str) -> Option<String> {
        if let Some((source, line, reason)) = self.trouble() {
            let file = if source == Source::PotConf { "pot.conf" } else { "pot.default.conf" };
            return Some(format!("{file}, line {line}: {reason}"));
        }
        if shell::is_special_variable(name.as_bytes(), false) {
            return Some("it means something to the shell itself".to_owned());
        }
        if self.state.readonly.contains(name) {
            return Some("set by `readonly`".to_owned());
        }
        let outcome = self.state.outcomes.get(name)?;
        let assigned = self.assigned(outcome)?;
        // What the default file does to a parameter, pot.conf can override by a plain line of its own.
        if outcome.file == File::Own && outcome.certainty != Certainty::Plain {
            return Some(self.own.reason(assigned));
        }
        if outcome.certainty == Certainty::Plain {
            let utf8 = assigned.value.as_ref().is_some_and(|value| std::str::from_utf8(value).is_ok());
            return if utf8 { None } else { Some("its value is not UTF-8".to_owned()) };
        }
        if outcome.certainty == Certainty::Unknown {
            return Some(format!(
                "pot.default.conf, line {}: {}",
                self.default.line(assigned.word.start),
                self.default.reason(assigned)
            ));
        }
        None
    }

    /// The new pot.conf after all edits, read again and verified: exactly the parameters named have changed, exactly
    /// to what was asked for. The same bytes when nothing has to change.
    ///
    /// # Errors
    /// When one of them cannot be made safely; then none is.
    pub fn apply(&self, edits: &[Edit]) -> Result<Document, EditError> {
        let mut named = HashSet::new();
        let mut changes = Vec::new();
        for edit in edits {
            if !named.insert(edit.name.as_str()) {
                return Err(EditError::Twice { name: edit.name.clone() });
            }
            match &edit.action {
                EditAction::Set(value) => self.set(&edit.name, value, &mut changes)?,
                EditAction::Unset => self.unset(&edit.name, &mut changes)?,
            }
        }
        let bytes = splice(self.own.bytes(), changes);
        if bytes == self.own.bytes() {
            return Ok(self.own.clone());
        }
        let after = Self::new(self.default.clone(), Document::parse(&bytes)?);
        self.verify(&after, edits, &named)?;
        Ok(after.own)
    }

    fn editable(&self, name: &Name) -> Result<(), EditError> {
        match self.read_only(name.as_str()) {
            Some(reason) => Err(EditError::ReadOnly { name: name.clone(), reason }),
            None => Ok(()),
        }
    }

    fn set(&self, name: &Name, value: &str, changes: &mut Vec<Change>) -> Result<(), EditError> {
        // Quotes that potnet does not know are taken off even when sh reads the same value with them.
        let misread = self.potnet.get(name.as_str()).is_some_and(|read| read != value);
        if self.value(name.as_str()) == Some(value) && !misread {
            return Ok(());
        }
        self.editable(name)?;
        if let Some(bad) = value.chars().find(|character| matches!(character, '\n' | '\0')) {
            let bad = if bad == '\n' { "line breaks" } else { "NUL characters" };
            return Err(EditError::Unwritable { name: name.clone(), reason: format!("it must not hold {bad}") });
        }
        let written = written(value);
        let outcome = self.state.outcomes.get(name.as_str()).filter(|outcome| outcome.file == File::Own);
        if let Some(assigned) = outcome.and_then(|outcome| self.assigned(outcome)) {
            changes.push(Change { at: assigned.value_at.clone(), text: written });
            return Ok(());
        }
        let line = format!("{name}={written}");
        if let Some(slip) = self.slips(name.as_str()).pop() {
            changes.push(Change { at: slip, text: line });
            return Ok(());
        }
        let (at, missing) = self.place_for(name.as_str());
        let text = if missing { format!("\n{line}\n") } else { format!("{line}\n") };
        changes.push(Change { at: at..at, text });
        Ok(())
    }

    /// Lines that set a list for one command alone because its quotes are missing.
    fn slips(&self, name: &str) -> Vec<Range<usize>> {
        let ran = &self.own.reading().ran;
        ran.iter()
            .filter(|ran| self.own.slip(ran).is_some_and(|(slipped, _)| slipped == name))
            .map(|ran| ran.text.clone())
            .collect()
    }

    /// Where a new line for the parameter goes, and whether the line before it lacks its end: below the last line that
    /// shows it as a comment, else at the end.
    fn place_for(&self, name: &str) -> (usize, bool) {
        let bytes = self.own.bytes();
        let sample = self.own.reading().comments.iter().rev().find(|comment| {
            let alone = bytes
                .get(..comment.start)
                .and_then(|before| before.rsplit(|byte| *byte == b'\n').next())
                .is_some_and(|before| before.iter().all(|byte| matches!(byte, b' ' | b'\t')));
            let text = bytes.get((*comment).clone()).unwrap_or(&[]);
            let text = text.trim_ascii_start();
            let text = text.iter().position(|byte| *byte != b'#').and_then(|start| text.get(start..)).unwrap_or(&[]);
            alone
                && text.trim_ascii_start().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'='))
        });
        let end = sample.map_or(bytes.len(), |comment| comment.end);
        match bytes.get(end) {
            Some(_) => (end + 1, false),
            None => (end, bytes.last().is_some_and(|last| *last != b'\n')),
        }
    }

    fn unset(&self, name: &Name, changes: &mut Vec<Change>) -> Result<(), EditError> {
        let outcome = self.state.outcomes.get(name.as_str()).filter(|outcome| outcome.file == File::Own);
        let slips = self.slips(name.as_str());
        if outcome.is_none() && slips.is_empty() {
            return Ok(());
        }
        self.editable(name)?;
        let assigned = self.own.reading().assigned.iter();
        let plain = assigned.filter(|assigned| {
            assigned.name == name.as_str() && assigned.written && !assigned.temporary && assigned.reason.is_none()
        });
        for word in plain.map(|assigned| assigned.word.clone()).chain(slips) {
            changes.push(Change { at: removal(self.own.bytes(), word), text: String::new() });
        }
        Ok(())
    }

    /// Exactly the parameters named differ, exactly as asked for, and no other command runs.
    fn verify(&self, after: &Self, edits: &[Edit], named: &HashSet<&str>) -> Result<(), EditError> {
        let refuse = |name: &Name, reason: String| Err(EditError::Unverified { name: name.clone(), reason });
        let Some(first) = edits.first() else { return Ok(()) };
        if let Some((_, line, reason)) = after.trouble() {
            return refuse(&first.name, format!("the new line {line} would not be certain ({reason})"));
        }
        let names = self.state.outcomes.keys().chain(after.state.outcomes.keys());
        for name in names.filter(|name| !named.contains(name.as_str())) {
            let same =
                self.certainty(name) == after.certainty(name) && self.value_bytes(name) == after.value_bytes(name);
            if !same {
                return refuse(&first.name, format!("{name} would change with it"));
            }
        }
        for edit in edits {
            let name = edit.name.as_str();
            match &edit.action {
                EditAction::Set(value) if after.value(name) != Some(value) => {
                    return refuse(&edit.name, "something else in pot.conf decides its value".to_owned());
                }
                EditAction::Unset if after.certainty(name).is_some_and(|(file, _)| file == File::Own) => {
                    return refuse(&edit.name, "something else in pot.conf sets it, too".to_owned());
                }
                _ => {}
            }
        }
        if after.own.reading().ran.len() > self.own.reading().ran.len() {
            return refuse(&first.name, "a command would run".to_owned());
        }
        Ok(())
    }

    fn certainty(&self, name: &str) -> Option<(File, Certainty)> {
        self.state.outcomes.get(name).map(|outcome| (outcome.file, outcome.certainty))
    }
}

/// New text for a stretch of the old.
struct Change {
    at: Range<usize>,
    text: String,
}

/// Makes all changes. Stretches to be removed may overlap.
fn splice(old: &[u8], mut changes: Vec<Change>) -> Vec<u8> {
    changes.sort_by_key(|change| change.at.start);
    let mut new = Vec::with_capacity(old.len() + 64);
    let mut at = 0;
    for change in changes {
        new.extend_from_slice(old.get(at..change.at.start).unwrap_or(&[]));
        // Two lines at the end of a file without a last newline: one newline is enough.
        let text = if new.last().is_none_or(|last| *last == b'\n') && change.at.is_empty() {
            change.text.strip_prefix('\n').unwrap_or(&change.text)
        } else {
            &change.text
        };
        new.extend_from_slice(text.as_bytes());
        at = at.max(change.at.end);
    }
    new.extend_from_slice(old.get(at..).unwrap_or(&[]));
    new
}

/// What goes when an assignment goes: its whole line if nothing else is on it, else the word and what joined it to the
/// rest. Comments stay.
fn removal(bytes: &[u8], word: Range<usize>) -> Range<usize> {
    let blanks_after = |mut at: usize| {
        loop {
            match bytes.get(at) {
                Some(b' ' | b'\t') => at += 1,
                Some(b'\\') if bytes.get(at + 1) == Some(&b'\n') => at += 2,
                _ => return at,
            }
        }
    };
    let mut before = word.start;
    while before > 0 {
        match bytes.get(before - 1) {
            Some(b' ' | b'\t') => before -= 1,
            Some(b'\n') if before > 1 && bytes.get(before - 2) == Some(&b'\\') => before -= 2,
            _ => break,
        }
    }
    let first = before == 0 || bytes.get(before - 1) == Some(&b'\n');
    let mut after = blanks_after(word.end);
    let separated = bytes.get(after) == Some(&b';');
    if separated {
        after = blanks_after(after + 1);
    }
    let last = matches!(bytes.get(after), None | Some(b'\n'));
    match (first, last) {
        (true, true) => before..bytes.len().min(after + 1),
        (true, false) => word.start..after,
        (false, true) if separated => word.start..after,
        (false, true) if bytes.get(before - 1) == Some(&b';') => before - 1..after,
        (false, true) => before..after,
        (false, false) => word.start..after,
    }
}

/// The value as a line holds it, so that sh gives exactly it, and potnet, which knows no quotes, too wherever that is
/// possible: bare if every shell takes all its characters as they are, a list in double quotes, else in single quotes.
fn written(value: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:,+@%-".contains(&byte);
    if value.bytes().all(bare) {
        value.to_owned()
    } else if value.bytes().all(|byte| bare(byte) || byte == b' ') {
        format!("\"{value}\"")
    } else if !value.contains('\'') {
        format!("'{value}'")
    } else {
        let mut quoted = String::with_capacity(value.len() + 8);
        quoted.push('"');
        for character in value.chars() {
            if matches!(character, '$' | '`' | '"' | '\\') {
                quoted.push('\\');
            }
            quoted.push(character);
        }
        quoted.push('"');
        quoted
    }
}
