//! The default file and pot.conf as sh reads them one after the other, and edits of the latter.

use super::document::{Certainty, Document, File, Outcome, ParseError, State, Variable};
use super::name::{Name, extra_interface};
use super::parameters::{PARAMETERS, parameter};
use super::potnet;
use super::shell::{self, Assigned, Ran};
use crate::search_plainly;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
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

/// A change of one parameter. The web process sends it: nothing may ride along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

impl EditError {
    /// The parameter it is about, if it is about one.
    pub fn name(&self) -> Option<&Name> {
        match self {
            Self::ReadOnly { name, .. }
            | Self::Unwritable { name, .. }
            | Self::Twice { name }
            | Self::Unverified { name, .. } => Some(name),
            Self::Unreadable(_) => None,
        }
    }
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

    /// The value that pot.conf itself gives, when that is certain.
    pub(crate) fn own_value(&self, name: &str) -> Option<String> {
        let setting = self.setting(name);
        match setting.source {
            Source::PotConf => setting.value.or(setting.raw),
            _ => None,
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

    /// Those of these parameters that are set, but to a value that only the shell can know.
    pub fn uncertain(&self, parameters: &[&str]) -> Vec<Setting> {
        let all = parameters.iter().map(|name| self.setting(name));
        all.filter(|setting| setting.value.is_none() && setting.source != Source::Unset).collect()
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

    /// The same defaults below another pot.conf.
    #[must_use]
    pub(crate) fn with_own(&self, own: Document) -> Self {
        Self::new(self.default.clone(), own)
    }

    /// The new pot.conf after all edits, read again and verified: exactly the parameters named have changed, exactly
    /// to what was asked for. The same bytes when nothing has to change.
    ///
    /// # Errors
    /// When one of them cannot be made safely; then none is.
    pub fn apply(&self, edits: &[Edit]) -> Result<Document, EditError> {
        let places = Places::of(&self.own);
        // Where a line of the group cannot be followed by another, the end of the file can.
        self.apply_at(edits, &places).or_else(|refused| match places.kin {
            Some(_) => self.apply_at(edits, &Places { kin: None, ..places }).map_err(|_| refused),
            None => Err(refused),
        })
    }

    fn apply_at(&self, edits: &[Edit], places: &Places<'_>) -> Result<Document, EditError> {
        let mut named = HashSet::new();
        let mut changes = Vec::new();
        for edit in edits {
            if !named.insert(edit.name.as_str()) {
                return Err(EditError::Twice { name: edit.name.clone() });
            }
            match &edit.action {
                EditAction::Set(value) => self.set(&edit.name, value, places, &mut changes)?,
                EditAction::Unset => self.unset(&edit.name, places, &mut changes)?,
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

    fn set(&self, name: &Name, value: &str, places: &Places<'_>, changes: &mut Vec<Change>) -> Result<(), EditError> {
        // Quotes that potnet does not know are taken off even where sh reads the same value with them.
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
            self.unused_after(name, places, assigned.word.start)?;
            changes.push(Change { at: assigned.value_at.clone(), text: written, last: false });
            return Ok(());
        }
        let line = format!("{name}={written}");
        if let Some(slip) = places.slips.get(name.as_str()).and_then(|slips| slips.last()) {
            self.unused_after(name, places, slip.text.start)?;
            changes.push(Change { at: slip.text.clone(), text: line, last: false });
            return Ok(());
        }
        let anchor = places.anchor(name);
        let (at, missing) = Places::new_line(anchor, self.own.bytes());
        self.unused_after(name, places, at)?;
        let text = if missing { format!("\n{line}\n") } else { format!("{line}\n") };
        changes.push(Change { at: at..at, text, last: anchor.is_none() });
        Ok(())
    }

    /// Other lines that use the value would say something else after an edit: what they set, and what they run.
    fn unused_after(&self, name: &Name, places: &Places<'_>, at: usize) -> Result<(), EditError> {
        match places.uses.get(name.as_str()).filter(|place| **place >= at) {
            None => Ok(()),
            Some(place) => Err(EditError::Unverified {
                name: name.clone(),
                reason: match self.own.bytes().len() {
                    end if end == *place => "a function in pot.conf uses its value".to_owned(),
                    _ => format!("line {} of pot.conf uses its value", self.own.line(*place)),
                },
            }),
        }
    }

    fn unset(&self, name: &Name, places: &Places<'_>, changes: &mut Vec<Change>) -> Result<(), EditError> {
        let outcome = self.state.outcomes.get(name.as_str()).filter(|outcome| outcome.file == File::Own);
        let plain = places.plain.get(name.as_str()).into_iter().flatten();
        let slips = places.slips.get(name.as_str()).into_iter().flatten();
        let mut words = plain
            .map(|assigned| (assigned.gap, assigned.word.clone()))
            .chain(slips.map(|ran| (ran.gap, ran.text.clone())))
            .peekable();
        if outcome.is_none() && words.peek().is_none() {
            return Ok(());
        }
        self.editable(name)?;
        for (gap, word) in words {
            self.unused_after(name, places, word.start)?;
            changes.push(Change { at: removal(self.own.bytes(), gap, word), text: String::new(), last: false });
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

/// Where the names stand in pot.conf, for edits.
struct Places<'a> {
    /// Plain assignments.
    plain: HashMap<&'a str, Vec<&'a Assigned>>,
    /// Lines that set a list for one command alone because its quotes are missing.
    slips: HashMap<String, Vec<&'a Ran>>,
    /// The end of the last line that shows the name as a comment.
    samples: HashMap<&'a [u8], usize>,
    /// The last place that uses the value.
    uses: HashMap<&'a str, usize>,
    /// The end of the last line that sets POT_EXTRA_EXTIF or the network of an extra interface, or shows one as a comment.
    kin: Option<usize>,
}

impl<'a> Places<'a> {
    fn of(document: &'a Document) -> Self {
        let reading = document.reading();
        let mut places = Self {
            plain: HashMap::new(),
            slips: HashMap::new(),
            samples: HashMap::new(),
            uses: HashMap::new(),
            kin: None,
        };
        for assigned in &reading.assigned {
            if assigned.written && !assigned.temporary && assigned.reason.is_none() {
                places.plain.entry(&assigned.name).or_default().push(assigned);
            }
        }
        for ran in &reading.ran {
            if let Some((name, _)) = document.slip(ran) {
                places.slips.entry(name).or_default().push(ran);
            }
        }
        for comment in &reading.comments {
            if let Some(name) = sample(document.bytes(), comment) {
                places.samples.insert(name, comment.end);
            }
        }
        for (name, at) in &reading.uses {
            let last = places.uses.entry(name).or_default();
            *last = (*last).max(*at);
        }
        let is_kin = |name: &str| name == "POT_EXTRA_EXTIF" || extra_interface(name).is_some();
        let sampled = places.samples.iter().filter(|(name, _)| std::str::from_utf8(name).is_ok_and(is_kin));
        let set = places.plain.iter().filter(|(name, _)| is_kin(name)).flat_map(|(_, assigned)| assigned);
        let slips = places.slips.iter().filter(|(name, _)| is_kin(name)).flat_map(|(_, ran)| ran);
        let ends = set.map(|assigned| assigned.word.end).chain(slips.map(|ran| ran.text.end));
        let bytes = document.bytes();
        let line_end = |at: usize| {
            let rest = bytes.get(at..).unwrap_or_default();
            at + search_plainly::find(b'\n', rest).unwrap_or(rest.len())
        };
        places.kin = sampled.map(|(_, end)| *end).chain(ends.map(line_end)).max();
        places
    }

    /// The end of the line that a new one for the parameter goes below: the last that shows it as a comment; for the
    /// network of an extra interface also one of its kind. None: it goes to the end of the file.
    fn anchor(&self, name: &Name) -> Option<usize> {
        let sample = self.samples.get(name.as_str().as_bytes()).copied();
        sample.or_else(|| self.kin.filter(|_| name.extra_interface().is_some()))
    }

    /// Where a new line goes, and whether the line before it lacks its end: below the line that ends here, else at the
    /// end of the file.
    fn new_line(anchor: Option<usize>, bytes: &[u8]) -> (usize, bool) {
        let end = anchor.unwrap_or(bytes.len());
        if end < bytes.len() {
            return (end + 1, false);
        }
        // An odd number of backslashes before the last newline would take the new line for a part of it.
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
        let complete = bytes.is_empty() || (line.len() < bytes.len() && backslashes.is_multiple_of(2));
        (end, !complete)
    }
}

/// The name that a comment of its own line shows as an assignment: `# NAME=value`.
fn sample<'a>(bytes: &'a [u8], comment: &Range<usize>) -> Option<&'a [u8]> {
    let before = bytes.get(..comment.start)?.iter().rev().find(|byte| !matches!(byte, b' ' | b'\t'));
    if before.is_some_and(|byte| *byte != b'\n') {
        return None;
    }
    let text = bytes.get(comment.clone())?;
    let text = text.get(text.iter().position(|byte| *byte != b'#')?..)?.trim_ascii_start();
    text.get(..text.iter().position(|byte| *byte == b'=')?)
}

/// New text for a stretch of the old.
struct Change {
    at: Range<usize>,
    text: String,
    /// A new line at the end of the file, behind one that belongs below a sample there.
    last: bool,
}

/// Makes all changes. Stretches to be removed may overlap.
fn splice(old: &[u8], mut changes: Vec<Change>) -> Vec<u8> {
    changes.sort_by_key(|change| (change.at.start, change.last));
    let mut new = Vec::with_capacity(old.len() + 64);
    let mut at = 0;
    let mut inserted = None;
    for change in changes {
        new.extend_from_slice(old.get(at..change.at.start).unwrap_or(&[]));
        // Several lines at the end of a file without a last newline: one newline is enough.
        let again = change.at.is_empty() && inserted.replace(change.at.start) == Some(change.at.start);
        let text = change.text.strip_prefix('\n').filter(|_| again).unwrap_or(&change.text);
        new.extend_from_slice(text.as_bytes());
        at = at.max(change.at.end);
    }
    new.extend_from_slice(old.get(at..).unwrap_or(&[]));
    new
}

/// What goes when an assignment goes: its whole line if nothing else is on it, else the word and what joined it to the
/// rest. Comments stay. `before`: where the blanks before the word begin.
fn removal(bytes: &[u8], before: usize, word: Range<usize>) -> Range<usize> {
    let blanks_after = |mut at: usize| {
        loop {
            match bytes.get(at) {
                Some(b' ' | b'\t') => at += 1,
                Some(b'\\') if bytes.get(at + 1) == Some(&b'\n') => at += 2,
                _ => return at,
            }
        }
    };
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
        (false, true) if ends_in_separator(bytes.get(..before).unwrap_or(&[])) => before - 1..after,
        (false, true) => before..after,
        (false, false) => word.start..after,
    }
}

/// Whether a `;` stands there that separates: `\;` belongs to the word before it.
fn ends_in_separator(before: &[u8]) -> bool {
    let Some(rest) = before.strip_suffix(b";") else { return false };
    let backslashes = rest.iter().rev().take_while(|byte| **byte == b'\\').count();
    backslashes % 2 == 0
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patience::worked;
    use proptest::prelude::*;
    use std::time::Duration;

    const DEFAULT: &str = "POT_ZFS_ROOT=zroot/pot\nPOT_FS_ROOT=/opt/pot\nPOT_CACHE=/var/cache/pot\nPOT_TMP=/tmp\nPOT_NETWORK=10.192.0.0/10\n\
        POT_NETMASK=255.192.0.0\nPOT_GATEWAY=10.192.0.1\nPOT_EXTIF=em0\nPOT_EXTRA_EXTIF=\nPOT_DNS_NAME=dns\nPOT_DNS_IP=10.192.0.2\n";

    fn with(own: impl AsRef<[u8]>) -> Configuration {
        let default = Document::parse(DEFAULT.as_bytes()).unwrap();
        Configuration::new(default, Document::parse(own.as_ref()).unwrap())
    }

    fn name(text: &str) -> Name {
        Name::try_from(text).unwrap()
    }

    fn set(own: &str, parameter: &str, value: &str) -> String {
        let document = with(own).apply(&[Edit::set(name(parameter), value)]).unwrap();
        String::from_utf8(document.bytes().to_vec()).unwrap()
    }

    fn unset(own: &str, parameter: &str) -> String {
        let document = with(own).apply(&[Edit::unset(name(parameter))]).unwrap();
        String::from_utf8(document.bytes().to_vec()).unwrap()
    }

    fn refusal(own: &str, parameter: &str, value: &str) -> String {
        with(own).apply(&[Edit::set(name(parameter), value)]).unwrap_err().to_string()
    }

    #[test]
    fn a_value_comes_from_pot_conf_or_else_from_the_default_file() {
        let configuration = with("# own\nPOT_TMP='/var/tmp/pot' # mine\n");
        let own = configuration.setting("POT_TMP");
        assert_eq!((own.value.as_deref(), own.default.as_deref()), (Some("/var/tmp/pot"), Some("/tmp")));
        assert_eq!((own.source, own.line, own.editable, own.reason), (Source::PotConf, Some(2), true, None));
        let default = configuration.setting("POT_FS_ROOT");
        assert_eq!((default.value.as_deref(), default.source, default.line), (Some("/opt/pot"), Source::Default, None));
        assert_eq!((default.since, default.editable), (Some("0.0.1"), true));
        let neither = configuration.setting("POT_NETWORK_vlan20");
        assert_eq!((neither.value, neither.source, neither.editable), (None, Source::Unset, true));
    }

    #[test]
    fn the_last_assignment_counts() {
        let configuration = with("POT_TMP=/a\nPOT_TMP=/b\n");
        assert_eq!(configuration.value("POT_TMP"), Some("/b"));
        assert_eq!(configuration.own().duplicates(), [("POT_TMP".to_owned(), vec![1, 2])]);
        assert_eq!(set("POT_TMP=/a\nPOT_TMP=/b\n", "POT_TMP", "/c"), "POT_TMP=/a\nPOT_TMP=/c\n");
        assert_eq!(unset("POT_TMP=/a\n# b\nPOT_TMP=/b\n", "POT_TMP"), "# b\n");
    }

    #[test]
    fn potnet_sees_something_else_behind_quotes_and_export() {
        let configuration = with("POT_NETWORK=\"10.0.0.0/8\"\nexport POT_GATEWAY=10.0.0.1\n");
        let network = configuration.setting("POT_NETWORK");
        assert_eq!(
            (network.value.as_deref(), network.potnet_value.as_deref()),
            (Some("10.0.0.0/8"), Some("10.192.0.0/10"))
        );
        let gateway = configuration.setting("POT_GATEWAY");
        assert_eq!((gateway.value.as_deref(), gateway.potnet_value.as_deref()), (Some("10.0.0.1"), Some("10.192.0.1")));
        assert_eq!((gateway.editable, gateway.reason.as_deref()), (false, Some("set by `export`")));
    }

    #[test]
    fn what_is_computed_is_read_only_and_says_so() {
        for (own, reason, raw) in [
            ("POT_TMP=$(hostname)", "computed: `$(hostname)`", "$(hostname)"),
            ("POT_TMP=`hostname`", "computed: ``hostname``", "`hostname`"),
            ("POT_TMP=~/pot", "computed: `~/pot`, a tilde stands for a home folder", "~/pot"),
            ("if true; then POT_TMP=/x; fi", "set inside an if", "/x"),
            ("case a in a) POT_TMP=/x ;; esac", "set inside a case", "/x"),
            ("{ POT_TMP=/x; }", "set inside braces", "/x"),
            (": ${POT_TMP:=/x}", "given a value by `${POT_TMP:=/x}` if it has none", "${POT_TMP:=/x}"),
            ("unset POT_TMP", "removed by `unset`", "POT_TMP"),
            ("export POT_TMP=/x", "set by `export`", "/x"),
            ("true && POT_TMP=/x", "set in a list joined by && or ||", "/x"),
            ("echo | POT_TMP=/x", "set in a pipeline", "/x"),
            ("POT_TMP+=/x", "appended to with +=, which not every shell knows", "/x"),
        ] {
            let configuration = with(own);
            let setting = configuration.setting("POT_TMP");
            assert_eq!(
                (setting.editable, setting.reason.as_deref(), setting.raw.as_deref()),
                (false, Some(reason), Some(raw)),
                "{own}"
            );
            assert_eq!((setting.source, setting.line), (Source::PotConf, Some(1)), "{own}");
            assert!(configuration.setting("POT_FS_ROOT").editable, "{own}");
            assert!(refusal(own, "POT_TMP", "/y").contains(reason), "{own}");
            assert!(set(own, "POT_EXTIF", "em1").ends_with("\nPOT_EXTIF=em1\n"), "{own}");
        }
    }

    #[test]
    fn what_can_set_anything_makes_everything_read_only() {
        for (own, reason) in [
            ("POT_TMP=/x\neval foo\n", "pot.conf, line 2: `eval` can change or end what follows"),
            ("POT_TMP=/x\n. ./more\n", "pot.conf, line 2: `.` can change or end what follows"),
            ("exit 0\nPOT_TMP=/x\n", "pot.conf, line 1: `exit` can change or end what follows"),
            ("POT_TMP=/x\n$x\n", "pot.conf, line 2: which command `$x` runs is computed"),
            ("POT_TMP=/x\nfi\n", "pot.conf, line 2: a syntax error: `fi` is out of place"),
            ("POT_TMP=/x\nX='open\n", "pot.conf, line 2: a syntax error: a single quote without its end"),
            ("readonly POT_TMP=/x\nPOT_TMP=/y\n", "pot.conf, line 2: POT_TMP is read-only by then: sh stops here"),
            ("POT_TMP=/x\n_error hm\n", "pot.conf, line 2: `_error` may be a function, which can set anything"),
        ] {
            let configuration = with(own);
            for name in ["POT_TMP", "POT_FS_ROOT", "POT_NETWORK_vlan20"] {
                let setting = configuration.setting(name);
                assert_eq!(
                    (setting.editable, setting.value, setting.reason.as_deref()),
                    (false, None, Some(reason)),
                    "{own}"
                );
            }
            assert!(refusal(own, "POT_EXTIF", "em1").contains(reason));
        }
    }

    #[test]
    fn functions_subshells_and_background_jobs_change_nothing_until_they_are_called() {
        let own = "POT_TMP=/x\nf() { POT_TMP=/y; }\n( POT_TMP=/z )\nPOT_TMP=/w &\n";
        assert_eq!(with(own).setting("POT_TMP").value.as_deref(), Some("/x"));
        let called = with(format!("{own}f\n")).setting("POT_TMP");
        assert_eq!((called.editable, called.reason.as_deref()), (false, Some("set inside a function")));
    }

    #[test]
    fn setting_a_value_replaces_only_it() {
        let own = "# head\n\n  POT_TMP=/a   # why\nPOT_FS_ROOT=\"/x\"; POT_EXTIF='em0'\n# tail";
        assert_eq!(set(own, "POT_TMP", "/b"), own.replace("/a", "/b"));
        assert_eq!(set(own, "POT_FS_ROOT", "/y"), own.replace("\"/x\"", "/y"));
        assert_eq!(set(own, "POT_EXTIF", ""), own.replace("'em0'", ""));
        assert_eq!(set(own, "POT_TMP", "/a"), own);
        assert_eq!(set(own, "POT_CACHE", "/var/cache/pot"), own);
        assert_eq!(set(own, "POT_CACHE", "/c"), format!("{own}\nPOT_CACHE=/c\n"));
    }

    #[test]
    fn a_new_line_goes_below_its_sample_or_to_the_end() {
        let own = "# POT_TMP=/tmp\n#\tPOT_EXTIF=em0\r\n# POT_EXTIF_ADDR=\nX=1 # POT_CACHE=/c\n";
        assert_eq!(set(own, "POT_TMP", "/x"), own.replacen("/tmp\n", "/tmp\nPOT_TMP=/x\n", 1));
        assert_eq!(set(own, "POT_EXTIF", "re0"), own.replacen("em0\r\n", "em0\r\nPOT_EXTIF=re0\n", 1));
        assert_eq!(set(own, "POT_CACHE", "/x"), format!("{own}POT_CACHE=/x\n"));
        assert_eq!(set("cat <<E\n# POT_TMP=/tmp\nE\n", "POT_TMP", "/x"), "cat <<E\n# POT_TMP=/tmp\nE\nPOT_TMP=/x\n");
        assert_eq!(set("", "POT_TMP", "/x"), "POT_TMP=/x\n");
        let both = [Edit::set(name("POT_TMP"), "/x"), Edit::set(name("POT_EXTIF"), "re0")];
        assert_eq!(
            with("# POT_EXTIF=em0").apply(&both).unwrap().bytes(),
            b"# POT_EXTIF=em0\nPOT_EXTIF=re0\nPOT_TMP=/x\n"
        );
        assert_eq!(set("X=1\\\n", "POT_TMP", "/x"), "X=1\\\n\nPOT_TMP=/x\n");
    }

    #[test]
    fn the_network_of_an_extra_interface_stands_below_its_own_group() {
        // As in pot's sample, with the VPN's lines behind.
        let own = "# POT_EXTIF=em0\n\n# POT_EXTRA_EXTIF=vlan20 vlan50\n# a network each\n# POT_NETWORK_vlan20=192.168.100.0/24\n\
            # POT_NETWORK_vlan50=10.50.50.0/24\n\n# VPN\n# POT_VPN_EXTIF=tun0\n";
        let new = "POT_NETWORK_em1=10.9.0.0/24\n";
        let below = |line: &str| own.replacen(line, &format!("{line}{new}"), 1);
        assert_eq!(set(own, "POT_NETWORK_em1", "10.9.0.0/24"), below("# POT_NETWORK_vlan50=10.50.50.0/24\n"));
        let list = "POT_EXTRA_EXTIF=\"em1 em2\" # cards\nPOT_VPN_EXTIF=tun0\n";
        let after = set(list, "POT_NETWORK_em1", "10.9.0.0/24");
        assert_eq!(after, format!("POT_EXTRA_EXTIF=\"em1 em2\" # cards\n{new}POT_VPN_EXTIF=tun0\n"));
        let both = [Edit::set(name("POT_EXTRA_EXTIF"), "em1"), Edit::set(name("POT_NETWORK_em1"), "10.9.0.0/24")];
        let after = with(own).apply(&both).unwrap();
        let expected = own.replacen("vlan20 vlan50\n", "vlan20 vlan50\nPOT_EXTRA_EXTIF=em1\n", 1).replacen(
            "10.50.50.0/24\n",
            &format!("10.50.50.0/24\n{new}"),
            1,
        );
        assert_eq!(String::from_utf8_lossy(after.bytes()), expected);
        assert_eq!(set("POT_EXTRA_EXTIF=em1", "POT_NETWORK_em1", "10.9.0.0/24"), format!("POT_EXTRA_EXTIF=em1\n{new}"));
        // A line below it uses the value: there, nothing can be written. Nor can it inside of what it stands in.
        let quoted = "POT_EXTRA_EXTIF=em1; X=\"a\nb\"\nPOT_VPN_EXTIF=tun0\n";
        assert_eq!(set(quoted, "POT_NETWORK_em1", "10.9.0.0/24"), format!("{quoted}{new}"));
        let used = "POT_EXTRA_EXTIF=em1\nX=$POT_NETWORK_em1\n";
        assert_eq!(set(used, "POT_NETWORK_em1", "10.9.0.0/24"), format!("{used}{new}"));
    }

    #[test]
    fn several_edits_are_made_at_once_or_not_at_all() {
        let configuration = with("POT_TMP=/a\nPOT_CACHE=/c");
        let edits = [
            Edit::set(name("POT_EXTIF"), "em1"),
            Edit::unset(name("POT_TMP")),
            Edit::set(name("POT_CACHE"), "/d"),
            Edit::set(name("POT_NETWORK_vlan20"), "10.0.20.0/24"),
        ];
        let after = configuration.apply(&edits).unwrap();
        assert_eq!(after.bytes(), b"POT_CACHE=/d\nPOT_EXTIF=em1\nPOT_NETWORK_vlan20=10.0.20.0/24\n");
        let twice = [edits[0].clone(), edits[0].clone()];
        assert!(matches!(configuration.apply(&twice), Err(EditError::Twice { .. })));
        let with_bad = [edits[0].clone(), Edit::set(name("POT_TMP"), "a\nb")];
        assert!(matches!(configuration.apply(&with_bad), Err(EditError::Unwritable { .. })));
    }

    #[test]
    fn values_are_written_so_that_potnet_agrees_where_it_can() {
        for (value, text) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("vlan20 vlan30", "\"vlan20 vlan30\""),
            ("", ""),
            ("-x", "-x"),
            ("~", "'~'"),
            ("$(touch x)", "'$(touch x)'"),
            ("a'b", "\"a'b\""),
            ("'$`\"\\", "\"'\\$\\`\\\"\\\\\""),
            ("a\\", "'a\\'"),
            ("ä", "'ä'"),
            ("a\r", "'a\r'"),
        ] {
            assert_eq!(set("POT_OTHER=x\n", "POT_OTHER", value), format!("POT_OTHER={text}\n"));
        }
    }

    #[test]
    fn a_list_without_quotes_is_named_and_replaced() {
        let own = "POT_EXTRA_EXTIF=vlan20 vlan30 # both\nPOT_NETWORK_vlan20=10.0.20.0/24\n";
        let configuration = with(own);
        assert_eq!(configuration.value("POT_EXTRA_EXTIF"), Some(""));
        assert!(configuration.setting("POT_EXTRA_EXTIF").editable);
        let command = configuration.own().commands().next().unwrap();
        assert_eq!((command.line, command.command.as_deref()), (1, Some("vlan30")));
        assert_eq!(command.meant, Some(("POT_EXTRA_EXTIF".to_owned(), "vlan20 vlan30".to_owned())));
        assert_eq!(
            set(own, "POT_EXTRA_EXTIF", "vlan20 vlan30"),
            "POT_EXTRA_EXTIF=\"vlan20 vlan30\" # both\nPOT_NETWORK_vlan20=10.0.20.0/24\n"
        );
        assert_eq!(unset(own, "POT_EXTRA_EXTIF"), "# both\nPOT_NETWORK_vlan20=10.0.20.0/24\n");
        assert_eq!(with("POT_EXTRA_EXTIF=\"a  b\tc\"\n").list("POT_EXTRA_EXTIF"), ["a", "b", "c"]);
    }

    #[test]
    fn a_carriage_return_is_part_of_the_value_until_it_is_set_anew() {
        let own = "POT_TMP=/a\r\nPOT_EXTIF=em1 \r\n";
        let configuration = with(own);
        assert_eq!(configuration.value("POT_TMP"), Some("/a\r"));
        assert_eq!(configuration.value("POT_EXTIF"), Some("em0"));
        assert_eq!(configuration.own().carriage_returns(), [1, 2]);
        assert_eq!(set(own, "POT_TMP", "/a"), "POT_TMP=/a\nPOT_EXTIF=em1 \r\n");
    }

    #[test]
    fn unsetting_removes_the_line_and_keeps_comments_and_neighbours() {
        for (own, after) in [
            ("A=1\nPOT_TMP=/x\nB=2\n", "A=1\nB=2\n"),
            ("  POT_TMP=/x  \n", ""),
            ("POT_TMP=/x # why\n", "# why\n"),
            ("POT_TMP=/x; B=2\n", "B=2\n"),
            ("A=1; POT_TMP=/x\n", "A=1\n"),
            ("A=1\\; POT_TMP=/x\n", "A=1\\;\n"),
            ("A=1\\\\; POT_TMP=/x\n", "A=1\\\\\n"),
            ("A=1; POT_TMP=/x; B=2\n", "A=1; B=2\n"),
            ("A=1 POT_TMP=/x B=2\n", "A=1 B=2\n"),
            ("A=1 \\\n  POT_TMP=/x\nB=2\n", "A=1\nB=2\n"),
            ("A=\\ \\\t POT_TMP=/x\n", "A=\\ \\\t\n"),
            ("# a \\\nPOT_TMP=/x\n", "# a \\\n"),
            ("A=\\\n POT_TMP=/x\nB=2\n", "A=\nB=2\n"),
            ("A=1\nPOT_TMP='/x\ny'", "A=1\n"),
            ("POT_TMP=/x;\n", ""),
            ("A=1\n", "A=1\n"),
        ] {
            assert_eq!(unset(own, "POT_TMP"), after, "{own:?}");
        }
    }

    #[test]
    fn an_edit_that_would_change_something_else_is_refused() {
        let own = "POT_FS_ROOT=/x\nPOT_CACHE=$POT_FS_ROOT/cache\n";
        assert!(with(own).setting("POT_FS_ROOT").editable);
        assert!(refusal(own, "POT_FS_ROOT", "/y").contains("line 2 of pot.conf uses its value"));
        assert_eq!(
            set("POT_CACHE=$POT_FS_ROOT/cache\n", "POT_FS_ROOT", "/y"),
            "POT_CACHE=$POT_FS_ROOT/cache\nPOT_FS_ROOT=/y\n"
        );
        let both = "if x; then POT_TMP=/x; fi\nPOT_TMP=/y\n";
        assert_eq!(set(both, "POT_TMP", "/z"), both.replace("/y", "/z"));
        assert!(matches!(with(both).apply(&[Edit::unset(name("POT_TMP"))]), Err(EditError::Unverified { .. })));
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_kept_and_not_shown() {
        let own = b"POT_TMP=/caf\xe9\nPOT_EXTIF=em1\n";
        let configuration = with(own);
        let setting = configuration.setting("POT_TMP");
        assert_eq!(
            (setting.value, setting.editable, setting.reason.as_deref()),
            (None, false, Some("its value is not UTF-8"))
        );
        assert_eq!(configuration.value_bytes("POT_TMP"), Some(&b"/caf\xe9"[..]));
        let after = configuration.apply(&[Edit::set(name("POT_EXTIF"), "em2")]).unwrap();
        assert_eq!(after.bytes(), b"POT_TMP=/caf\xe9\nPOT_EXTIF=em2\n");
    }

    #[test]
    fn settings_come_in_order_parameters_families_others() {
        let names: Vec<String> = with("ZEBRA=1\nPOT_NETWORK_vlan20=1\nPOT_ODD=1\n")
            .settings()
            .into_iter()
            .map(|setting| setting.name)
            .collect();
        assert_eq!(names[..PARAMETERS.len()], PARAMETERS.iter().map(|parameter| parameter.name).collect::<Vec<_>>());
        assert_eq!(names[PARAMETERS.len()..], ["POT_NETWORK_vlan20", "POT_ODD", "ZEBRA"]);
    }

    #[test]
    fn the_default_file_can_break_everything_too() {
        let default = Document::parse(b"POT_TMP=/tmp\nexit\n").unwrap();
        let configuration = Configuration::new(default, Document::parse(b"").unwrap());
        let reason = configuration.setting("POT_TMP").reason.unwrap();
        assert!(reason.starts_with("pot.default.conf, line 2"), "{reason}");
    }

    #[test]
    fn a_large_file_is_read_and_edited_in_no_time() {
        use std::fmt::Write as _;
        let mut own = String::new();
        for number in 0..20_000 {
            writeln!(own, "POT_NETWORK_if{number}=\"10.{}.{}.0/24\" # why", number / 256, number % 256).unwrap();
        }
        while own.len() < super::super::LARGEST - 40 {
            own.push_str("# filling the file up to the limit\n");
        }
        let before = worked();
        let configuration = with(&own);
        assert_eq!(configuration.settings().len(), PARAMETERS.len() + 20_000);
        let edits: Vec<Edit> =
            (0..20_000).map(|number| Edit::set(name(&format!("POT_NETWORK_if{number}")), "10.0.0.0/8")).collect();
        configuration.apply(&edits).unwrap();
        configuration.apply(&[Edit::unset(name("POT_NETWORK_if7")), Edit::set(name("POT_TMP"), "/x")]).unwrap();
        // Far above what it takes even unoptimised; quadratic code takes minutes.
        let spent = worked().saturating_sub(before);
        assert!(spent < Duration::from_secs(20), "{spent:?}");
    }

    #[test]
    fn hostile_shapes_end_soon_and_do_not_overflow_the_stack() {
        let before = worked();
        for piece in [
            "(",
            "$(",
            "${a-",
            "`",
            "{ ",
            "if ",
            "case a in a) ",
            "\"$(",
            "f() { ",
            "cat <<E\n",
            "'\n",
            "a=$((",
            "! ",
            "<",
            "f\n",
            "\\\n",
        ] {
            let own = piece.repeat(super::super::LARGEST / 2 / piece.len());
            if matches!(Document::parse(own.as_bytes()), Err(ParseError::TooManyCommands)) {
                continue;
            }
            let configuration = with(&own);
            let _ = configuration.settings();
            let _ = configuration.apply(&[Edit::set(name("POT_TMP"), "/x")]);
        }
        let _ = with(format!("f() {{ {} }}\n{}", "POT_TMP=1; ".repeat(40_000), "f\n".repeat(55_000)));
        let _ = with("f() { POT_TMP=1; }\nf\n".repeat(30_000));
        let spent = worked().saturating_sub(before);
        assert!(spent < Duration::from_mins(1), "{spent:?}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_kept_and_edits_never_panic(
            bytes in prop::collection::vec(prop_oneof![
                any::<u8>(),
                prop::sample::select(b"POT_TMP=\n'\"\\$(){};&|<>`~# fido".to_vec()),
            ], 0..120),
            value in ".{0,12}",
        ) {
            prop_assume!(!bytes.contains(&0));
            let configuration = with(&bytes);
            prop_assert_eq!(configuration.own().bytes(), bytes.as_slice());
            let _ = (configuration.settings(), configuration.own().oddities(), configuration.own().commands().count());
            for edit in [Edit::set(name("POT_TMP"), value.as_str()), Edit::unset(name("POT_TMP"))] {
                if let Ok(after) = configuration.apply(std::slice::from_ref(&edit)) {
                    let after = Configuration::new(configuration.default_document().clone(), after);
                    match &edit.action {
                        EditAction::Set(value) => prop_assert_eq!(after.value("POT_TMP"), Some(value.as_str())),
                        EditAction::Unset => prop_assert!(after.setting("POT_TMP").source != Source::PotConf),
                    }
                }
            }
        }
    }
}
