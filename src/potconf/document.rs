//! pot.conf as bytes and what stands in them: nothing is lost, nothing is evaluated.

use super::parameters::parameter;
use super::shell::{self, Assigned, Effect, Ran, Reading};
use crate::digest::Digest;
use crate::search_plainly;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Largest file that is read, in bytes. pot.conf has a few KiB; sh reads it at every call.
pub const LARGEST: usize = 1024 * 1024;

/// Effects of function bodies that are followed before giving up; a file of a few KiB has a handful.
const MOST_FOLLOWED: usize = 20_000;

/// A file that cannot be a pot.conf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// More than [`LARGEST`] bytes.
    #[error("the file has {size} bytes; more than {LARGEST} are not read")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// A NUL byte, which shells drop, keep or stop at, each in its way.
    #[error("line {line} holds a NUL byte, which shells read differently")]
    Nul {
        /// The line, counted from 1.
        line: usize,
    },
    /// More than 100,000 commands: reading them would take more memory than any configuration is worth.
    #[error("the file runs more than {} commands; such a file is not read", shell::MOST_COMMANDS)]
    TooManyCommands,
}

/// What an assignment gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Certain: these bytes, in every shell. They need not be UTF-8.
    Static(Vec<u8>),
    /// Known only to sh, at the time it runs.
    Computed {
        /// The value as it stands in the file.
        text: String,
        /// Why it is not certain, as in "computed: `$(hostname)`".
        reason: String,
    },
}

impl Value {
    /// The certain value, if it is one and UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Static(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Computed { .. } => None,
        }
    }
}

/// One assignment that sh makes, or may make, when it reads the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// What it gets.
    pub value: Value,
    /// The line it starts on, counted from 1.
    pub line: usize,
    /// Whether it is a plain one at top level: sh makes it exactly once and does nothing else with it.
    pub plain: bool,
    /// Why it is not plain: "set inside an if", "set by export".
    pub reason: Option<String>,
    /// The text of the whole assignment as it stands.
    pub text: String,
}

/// A command that sh runs while it reads the file (outside of command substitutions).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRun {
    /// The line it starts on, counted from 1.
    pub line: usize,
    /// The command's name when it is certain: `vlan30` in `POT_EXTRA_EXTIF=vlan20 vlan30`.
    pub command: Option<String>,
    /// Variables set for this command alone.
    pub temporary: Vec<Assignment>,
    /// When the line is the slip of a list without quotes (`NAME=one two three`): the parameter and the list that was
    /// meant, blank separated. Setting the parameter replaces the line.
    pub(crate) meant: Option<(String, String)>,
    /// Its text as it stands.
    pub text: String,
}

/// Text that no shell can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxProblem {
    /// The line, counted from 1, on which the unfinished or misplaced piece starts.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

/// A construct after which nothing about the file is certain, because it can set or end anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// The line, counted from 1.
    pub line: usize,
    /// Why nothing is certain: "`eval` can set anything".
    pub reason: String,
    /// Its text as it stands.
    pub text: String,
}

/// What the file alone says about one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// It does not touch it.
    Untouched,
    /// It sets it, for certain.
    Static {
        /// To these bytes.
        value: Vec<u8>,
        /// On this line.
        line: usize,
    },
    /// It removes it, for certain.
    Unset {
        /// On this line.
        line: usize,
    },
    /// It may do something to it.
    Computed {
        /// Why that is not certain.
        reason: String,
        /// On this line.
        line: usize,
    },
}

/// A pot.conf (or pot.default.conf), every byte of it.
#[derive(Debug, Clone)]
pub struct Document {
    bytes: Arc<[u8]>,
    reading: Arc<Reading>,
    /// Where lines begin.
    lines: Arc<[usize]>,
    alone: Arc<OnceLock<State>>,
}

impl Document {
    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// When they are too many or hold a NUL byte. A file with syntax errors is a document all the same.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        if bytes.len() > LARGEST {
            return Err(ParseError::TooLarge { size: bytes.len() });
        }
        let lines: Arc<[usize]> =
            std::iter::once(0).chain(search_plainly::each(b'\n', bytes).map(|newline| newline + 1)).collect();
        if let Some(at) = search_plainly::find(0, bytes) {
            return Err(ParseError::Nul { line: line_of(&lines, at) });
        }
        let reading = Arc::new(shell::read(bytes));
        if reading.too_many {
            return Err(ParseError::TooManyCommands);
        }
        Ok(Self { bytes: bytes.into(), reading, lines, alone: Arc::default() })
    }

    /// The bytes as they were read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Their digest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Every assignment in order, also those inside an if or for one command alone.
    pub fn assignments(&self) -> impl Iterator<Item = Assignment> {
        self.reading.assigned.iter().filter(|assigned| assigned.written).map(|assigned| self.assignment(assigned))
    }

    /// Every command that sh runs outside of functions and substitutions, in order.
    pub fn commands(&self) -> impl Iterator<Item = CommandRun> {
        self.reading.ran.iter().map(|ran| CommandRun {
            line: self.line(ran.text.start),
            command: ran.name.as_deref().map(|name| String::from_utf8_lossy(name).into_owned()),
            temporary: self.temporary(ran).iter().map(|assigned| self.assignment(assigned)).collect(),
            meant: self.slip(ran),
            text: self.text(ran.text.clone()),
        })
    }

    /// What this file alone says about a variable.
    pub fn variable(&self, name: &str) -> Variable {
        let state = self.alone();
        if let Some(trouble) = &state.trouble {
            return Variable::Computed { reason: trouble.reason.clone(), line: self.line(trouble.at) };
        }
        let Some(outcome) = state.outcomes.get(name) else { return Variable::Untouched };
        let Some(assigned) = self.reading.assigned.get(outcome.assigned) else { return Variable::Untouched };
        let line = self.line(assigned.word.start);
        match (outcome.certainty, &assigned.value) {
            (Certainty::Plain | Certainty::Declared, Some(value)) => Variable::Static { value: value.clone(), line },
            (Certainty::Gone, _) => Variable::Unset { line },
            _ => Variable::Computed { reason: self.reason(assigned), line },
        }
    }

    /// Why sh stops at this file. Empty for a sound one.
    pub fn syntax_problems(&self) -> Vec<SyntaxProblem> {
        let stops = self.reading.stops.iter().filter(|stop| stop.syntax);
        stops.map(|stop| SyntaxProblem { line: self.line(stop.at), message: stop.message.clone() }).collect()
    }

    /// What makes every parameter uncertain, but for [`Self::syntax_problems`]. Empty for a file of plain assignments.
    pub fn oddities(&self) -> Vec<Oddity> {
        let mut odd: Vec<(usize, String)> = self.alone().dangers.clone();
        odd.extend(self.reading.stops.iter().filter(|stop| !stop.syntax).map(|stop| (stop.at, stop.message.clone())));
        odd.sort();
        odd.dedup();
        odd.into_iter()
            .map(|(at, reason)| {
                let line = self.line(at);
                Oddity { line, reason, text: self.line_text(line) }
            })
            .collect()
    }

    /// Names that are assigned more than once at top level, each with all its lines, in order of the first.
    /// Assignments for one command alone do not count.
    pub fn duplicates(&self) -> Vec<(String, Vec<usize>)> {
        let mut found: Vec<(&str, Vec<usize>)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for assigned in self.reading.assigned.iter().filter(|assigned| assigned.written && !assigned.temporary) {
            if assigned.reason.as_ref().is_some_and(|reason| !reason.starts_with("set by")) {
                continue;
            }
            let place = *places.entry(&assigned.name).or_insert_with(|| {
                found.push((&assigned.name, Vec::new()));
                found.len() - 1
            });
            if let Some((_, lines)) = found.get_mut(place) {
                lines.push(self.line(assigned.word.start));
            }
        }
        found.retain(|(_, lines)| lines.len() > 1);
        found.into_iter().map(|(name, lines)| (name.to_owned(), lines)).collect()
    }

    /// The lines that end in a carriage return, which sh takes for part of the value.
    pub(crate) fn carriage_returns(&self) -> Vec<usize> {
        let ends = search_plainly::each(b'\n', &self.bytes).enumerate();
        ends.filter(|(_, end)| self.bytes[..*end].ends_with(b"\r")).map(|(line, _)| line + 1).collect()
    }

    /// The text of a line, counted from 1, without its line end; empty for a line that is not there.
    pub(crate) fn line_text(&self, line: usize) -> String {
        let start = line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or(self.bytes.len());
        let end = self.lines.get(line).map_or(self.bytes.len(), |next| next - 1);
        self.text(start..end)
    }

    pub(super) fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The line of an offset, counted from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        line_of(&self.lines, at)
    }

    pub(super) fn text(&self, range: Range<usize>) -> String {
        String::from_utf8_lossy(self.bytes.get(range).unwrap_or(&[])).into_owned()
    }

    /// What the file does when it is the only one.
    pub(super) fn alone(&self) -> &State {
        self.alone.get_or_init(|| {
            let mut state = State::default();
            state.read(self, File::Own);
            state
        })
    }

    /// Why the value of an assignment is not certain or not plain.
    pub(super) fn reason(&self, assigned: &Assigned) -> String {
        match (&assigned.reason, &assigned.computed) {
            (Some(reason), _) => reason.clone(),
            (None, Some(computed)) => {
                let text = shell::quote(self.bytes.get(assigned.value_at.clone()).unwrap_or(&[]));
                if computed.is_empty() {
                    format!("computed: `{text}`")
                } else {
                    format!("computed: `{text}`, {computed}")
                }
            }
            (None, None) => "set in a way that is not followed here".to_owned(),
        }
    }

    fn assignment(&self, assigned: &Assigned) -> Assignment {
        let value = match &assigned.value {
            Some(bytes) => Value::Static(bytes.clone()),
            None => Value::Computed { text: self.text(assigned.value_at.clone()), reason: self.reason(assigned) },
        };
        Assignment {
            name: assigned.name.clone(),
            plain: assigned.value.is_some() && assigned.reason.is_none(),
            value,
            line: self.line(assigned.word.start),
            reason: assigned.reason.clone(),
            text: self.text(assigned.word.clone()),
        }
    }

    pub(super) fn temporary(&self, ran: &Ran) -> &[Assigned] {
        self.reading.assigned.get(ran.temporary.clone()).unwrap_or(&[])
    }

    /// `NAME=one two three` for a parameter that is a list: which one, and what was meant.
    pub(super) fn slip(&self, ran: &Ran) -> Option<(String, String)> {
        let [assigned] = self.temporary(ran) else { return None };
        if !ran.plain || !parameter(&assigned.name)?.kind.is_list() {
            return None;
        }
        let mut list = assigned.value.clone()?;
        for word in ran.words.as_ref()? {
            list.push(b' ');
            list.extend_from_slice(word);
        }
        let simple = |byte: &u8| byte.is_ascii_alphanumeric() || b" ._/:-".contains(byte);
        if list.first() == Some(&b' ') || !list.iter().all(simple) {
            return None;
        }
        Some((assigned.name.clone(), String::from_utf8(list).ok()?))
    }
}

fn line_of(lines: &[usize], at: usize) -> usize {
    lines.partition_point(|start| *start <= at).max(1)
}

/// Which of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum File {
    /// pot.default.conf.
    Default,
    /// pot.conf.
    Own,
}

/// What is known about a variable after reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certainty {
    /// A plain assignment gave it its value.
    Plain,
    /// Something else did, for certain.
    Declared,
    /// It was removed, for certain.
    Gone,
    /// It may have any value.
    Unknown,
}

/// The last thing that happened to a variable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub file: File,
    /// Index into the file's [`Reading::assigned`].
    pub(crate) assigned: usize,
    pub(crate) certainty: Certainty,
}

/// Why nothing is certain.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub file: File,
    pub at: usize,
    pub reason: String,
}

/// A function: the file it stands in and what its body does.
type Definition = (File, Arc<[Effect]>);

/// What sh would know after reading the files up to here.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub outcomes: HashMap<String, Outcome>,
    pub readonly: HashSet<String>,
    /// By name, every definition: which one counts may not be certain.
    functions: HashMap<Vec<u8>, Vec<Definition>>,
    /// Effects of function bodies that were followed.
    followed: usize,
    /// The first one.
    pub trouble: Option<Trouble>,
    /// All dangers met, with their places in the file that was read last.
    pub(crate) dangers: Vec<(usize, String)>,
}

impl State {
    /// Reads one more file.
    pub fn read(&mut self, document: &Document, file: File) {
        let reading = document.reading();
        self.dangers.clear();
        for effect in &reading.effects {
            self.follow(effect, reading, file, None);
        }
        if let Some(stop) = reading.stops.first() {
            let kind = if stop.syntax { "a syntax error" } else { "not certain" };
            self.trouble(file, stop.at, format!("{kind}: {}", stop.message));
        }
    }

    fn trouble(&mut self, file: File, at: usize, reason: String) {
        if self.trouble.is_none() {
            self.trouble = Some(Trouble { file, at, reason });
        }
    }

    fn danger(&mut self, file: File, at: usize, reason: String) {
        self.dangers.push((at, reason.clone()));
        self.trouble(file, at, reason);
    }

    /// `called`: where the function was called whose body this is.
    fn follow(&mut self, effect: &Effect, reading: &Reading, file: File, called: Option<usize>) {
        let name =
            |index: &usize| reading.assigned.get(*index).map(|assigned| (assigned.name.as_str(), assigned.word.start));
        match effect {
            Effect::Assign(index) => self.set(name(index), *index, Certainty::Plain, file),
            Effect::Touch(index) => self.set(name(index), *index, Certainty::Unknown, file),
            Effect::Unset(index) => self.set(name(index), *index, Certainty::Gone, file),
            Effect::Temporary(index) => {
                if let Some((name, at)) = name(index)
                    && self.readonly.contains(name)
                {
                    self.danger(file, at, format!("{name} is read-only by then: sh stops here"));
                }
            }
            Effect::Declare { assigned, gives, readonly, certain } => {
                if *gives {
                    let certainty = if *certain { Certainty::Declared } else { Certainty::Unknown };
                    self.set(name(assigned), *assigned, certainty, file);
                }
                if let Some((name, _)) = name(assigned)
                    && *readonly
                {
                    self.readonly.insert(name.to_owned());
                }
            }
            Effect::Danger(index) => {
                if let Some((at, reason)) = reading.dangers.get(*index) {
                    self.danger(file, called.unwrap_or(*at), reason.clone());
                }
            }
            Effect::Define(name, body) => {
                self.functions.entry(name.clone()).or_default().push((file, body.as_slice().into()));
            }
            Effect::Run { name, at } => {
                let Some(definitions) = self.functions.get(name) else { return };
                if self.followed <= MOST_FOLLOWED {
                    self.followed += definitions.iter().map(|(_, body)| body.len() + 1).sum::<usize>();
                }
                // Functions that call functions can go round for ever; and a body means its own file's places.
                let give_up = called.is_some() || self.followed > MOST_FOLLOWED;
                if give_up || definitions.iter().any(|(home, _)| *home != file) {
                    let shown = shell::quote(name);
                    self.danger(file, called.unwrap_or(*at), format!("the function `{shown}` can set anything"));
                    return;
                }
                let definitions = definitions.clone();
                for effect in definitions.iter().flat_map(|(_, body)| body.iter()) {
                    self.follow(effect, reading, file, Some(*at));
                }
            }
        }
    }

    fn set(&mut self, variable: Option<(&str, usize)>, assigned: usize, certainty: Certainty, file: File) {
        let Some((name, at)) = variable else { return };
        if self.readonly.contains(name) {
            self.danger(file, at, format!("{name} is read-only by then: sh stops here"));
            return;
        }
        let outcome = Outcome { file, assigned, certainty };
        match self.outcomes.get_mut(name) {
            Some(place) => *place = outcome,
            None => {
                self.outcomes.insert(name.to_owned(), outcome);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_nothing_but_commands_is_not_read_whole() {
        for part in ["a|", "a;", "x=1\n", "$(a);", "`a` ", "f(){ a;};"] {
            let text = part.repeat(LARGEST / part.len());
            match Document::parse(text.as_bytes()) {
                Err(ParseError::TooManyCommands) => {}
                Ok(document) => assert!(document.reading.ran.len() <= shell::MOST_COMMANDS, "{part}"),
                Err(error) => panic!("{part}: {error}"),
            }
        }
        assert!(matches!(Document::parse("a|".repeat(200_000).as_bytes()), Err(ParseError::TooManyCommands)));
        assert!(Document::parse("x=1\n".repeat(90_000).as_bytes()).is_ok());
    }
}
