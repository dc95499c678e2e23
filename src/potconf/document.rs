//! pot.conf as bytes and what stands in them: nothing is lost, nothing is evaluated.

use crate::digest::Digest;

/// Largest file that is read, in bytes. pot.conf has a few KiB; sh reads it at every call.
pub const LARGEST: usize = 1024 * 1024;

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
    pub meant: Option<(String, String)>,
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
    bytes: Vec<u8>,
    assignments: Vec<Assignment>,
    commands: Vec<CommandRun>,
    syntax_problems: Vec<SyntaxProblem>,
    oddities: Vec<Oddity>,
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
        if let Some(at) = memchr::memchr(0, bytes) {
            return Err(ParseError::Nul {
                line: 1 + memchr::memchr_iter(b'\n', bytes.get(..at).unwrap_or(&[])).count(),
            });
        }
        Ok(Self {
            bytes: bytes.to_vec(),
            assignments: Vec::new(),
            commands: Vec::new(),
            syntax_problems: Vec::new(),
            oddities: Vec::new(),
        })
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
    pub fn assignments(&self) -> impl Iterator<Item = &Assignment> {
        self.assignments.iter()
    }

    /// Every command that sh runs, in order.
    pub fn commands(&self) -> impl Iterator<Item = &CommandRun> {
        self.commands.iter()
    }

    /// What this file alone says about a variable.
    pub fn variable(&self, _name: &str) -> Variable {
        Variable::Untouched
    }

    /// Why sh stops at this file. Empty for a sound one.
    pub fn syntax_problems(&self) -> &[SyntaxProblem] {
        &self.syntax_problems
    }

    /// What makes every parameter uncertain. Empty for a file of plain assignments.
    pub fn oddities(&self) -> &[Oddity] {
        &self.oddities
    }

    /// Names that are assigned more than once, each with all its lines, in order of the first. Only assignments that
    /// stay (not those for one command alone).
    pub fn duplicates(&self) -> Vec<(String, Vec<usize>)> {
        Vec::new()
    }

    /// The lines that end in a carriage return, which sh takes for part of the value.
    pub fn carriage_returns(&self) -> Vec<usize> {
        Vec::new()
    }
}
