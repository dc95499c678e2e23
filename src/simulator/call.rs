//! One call of a simulated tool: its arguments, its output, its exit status.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::machine::Machine;

/// What a tool ends with: an exit status, or a message on standard error with one.
pub(crate) type Outcome = Result<u8, Failure>;

/// A tool's way of failing.
#[derive(Debug)]
pub(crate) struct Failure {
    pub status: u8,
    pub message: String,
}

impl Failure {
    pub fn new(status: u8, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(1, format!("simulated host: {error}"))
    }
}

/// A running call.
pub(crate) struct Call {
    pub machine: Machine,
    /// The tool's name.
    pub name: String,
    /// Arguments without the name.
    pub args: Vec<String>,
    out: String,
}

impl Call {
    pub fn new(machine: Machine, name: &str, args: Vec<String>) -> Self {
        Self { machine, name: name.to_owned(), args, out: String::new() }
    }

    /// Adds to standard output.
    pub fn print(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Adds a line to standard output.
    pub fn say(&mut self, line: impl std::fmt::Display) {
        let _ = writeln!(self.out, "{line}");
    }

    /// Writes a line to standard error, after what stands in standard output.
    pub fn warn(&mut self, line: impl std::fmt::Display) {
        self.flush();
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Writes out what was printed so far. A reader that went away is no error of ours.
    pub(crate) fn flush(&mut self) {
        let mut stdout = io::stdout();
        let _ = stdout.write_all(self.out.as_bytes());
        let _ = stdout.flush();
        self.out.clear();
    }

    /// All of standard input as text.
    pub fn stdin() -> String {
        let mut bytes = Vec::new();
        let _ = io::Read::read_to_end(&mut io::stdin(), &mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The folders that tools are searched in: PATH where it points into the root, else the root's own.
    pub(crate) fn search_path(&self) -> Vec<PathBuf> {
        let root = self.machine.root();
        let given: Vec<PathBuf> = std::env::var_os("PATH")
            .map(|path| std::env::split_paths(&path).filter(|folder| folder.starts_with(root)).collect())
            .unwrap_or_default();
        if given.is_empty() { super::TOOL_FOLDERS.iter().map(|folder| root.join(folder)).collect() } else { given }
    }

    /// Finds a program of the simulated host.
    pub fn which(&self, program: &str) -> Option<PathBuf> {
        if program.contains('/') {
            let path = self.machine.path_itself(program);
            return path.exists().then_some(path);
        }
        self.search_path().into_iter().map(|folder| folder.join(program)).find(|path| path.exists())
    }

    fn command(&mut self, program: &str, args: &[&str]) -> Option<Command> {
        self.flush();
        let Some(path) = self.which(program) else {
            self.warn(format_args!("{program}: not found"));
            return None;
        };
        let joined: OsString = std::env::join_paths(self.search_path()).unwrap_or_default();
        let mut command = Command::new(path);
        command.args(args).env("PATH", joined);
        Some(command)
    }

    /// Runs another tool with this one's output; 127 when it is not there, as sh says.
    pub fn run(&mut self, program: &str, args: &[&str]) -> u8 {
        let Some(mut command) = self.command(program, args) else { return 127 };
        status_of(command.stdin(no_input()).status())
    }

    /// Runs another tool and drops what it prints.
    pub(crate) fn run_quietly(&mut self, program: &str, args: &[&str]) -> u8 {
        if self.which(program).is_none() {
            return 127;
        }
        let Some(mut command) = self.command(program, args) else { return 127 };
        status_of(command.stdin(no_input()).stdout(no_output()).stderr(no_output()).status())
    }

    /// Runs another tool and takes what it prints on standard output; standard error is passed on or dropped.
    pub(crate) fn output_of(&mut self, program: &str, args: &[&str], show_errors: bool) -> (u8, String) {
        if self.which(program).is_none() && !show_errors {
            return (127, String::new());
        }
        let Some(mut command) = self.command(program, args) else { return (127, String::new()) };
        let errors = if show_errors { Stdio::inherit() } else { no_output() };
        match command.stdin(no_input()).stdout(Stdio::piped()).stderr(errors).output() {
            Ok(output) => (
                status_of(Ok(output.status)),
                // sh keeps no NUL byte of what a command printed.
                String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').replace('\0', ""),
            ),
            Err(_) => (126, String::new()),
        }
    }

    /// Runs another tool with text on its standard input.
    pub(crate) fn run_with_input(&mut self, program: &str, args: &[&str], input: &str) -> u8 {
        let Some(mut command) = self.command(program, args) else { return 127 };
        let Ok(mut child) = command.stdin(Stdio::piped()).spawn() else { return 126 };
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(input.as_bytes());
        }
        status_of(child.wait())
    }

    /// Leaves a process behind that holds standard output and error open.
    pub(crate) fn leave_daemon(&mut self, seconds: u64) {
        let seconds = seconds.to_string();
        if let Some(mut command) = self.command("simctl", &["run-daemon", &seconds]) {
            let _ = command.stdin(no_input()).spawn();
        }
    }
}

/// An empty input. A chroot may lack /dev/null; there a pipe that nobody writes to does as well.
pub(crate) fn no_input() -> Stdio {
    match fs::File::open("/dev/null") {
        Ok(null) => null.into(),
        Err(_) => io::pipe().map_or_else(|_| Stdio::null(), |(reader, _)| reader.into()),
    }
}

/// An output that is dropped.
pub(crate) fn no_output() -> Stdio {
    match fs::OpenOptions::new().write(true).open("/dev/null") {
        Ok(null) => null.into(),
        Err(_) => io::pipe().map_or_else(|_| Stdio::null(), |(_, writer)| writer.into()),
    }
}

fn status_of(status: io::Result<std::process::ExitStatus>) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    status.map_or(126, |status| {
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
        u8::try_from(code).unwrap_or(1)
    })
}

/// One option as getopt(3) would find it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flag {
    pub letter: char,
    pub value: String,
}

/// Why options could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadOption {
    Unknown(char),
    NoValue(char),
}

impl BadOption {
    /// getopt(3)'s words.
    pub fn text(&self, tool: &str) -> String {
        match self {
            Self::Unknown(letter) => format!("{tool}: illegal option -- {letter}"),
            Self::NoValue(letter) => format!("{tool}: option requires an argument -- {letter}"),
        }
    }
}

/// Splits arguments into options and operands as getopt(3) does: `known` lists the letters, `:` behind those with a value.
pub(crate) fn getopt<'a>(args: &'a [String], known: &str) -> Result<(Vec<Flag>, &'a [String]), BadOption> {
    let mut flags = Vec::new();
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        if arg == "--" {
            return Ok((flags, args.get(at + 1..).unwrap_or_default()));
        }
        let Some(letters) = arg.strip_prefix('-').filter(|letters| !letters.is_empty()) else { break };
        at += 1;
        for (offset, letter) in letters.char_indices() {
            let position = if letter == ':' { None } else { known.find(letter) };
            let position = position.ok_or(BadOption::Unknown(letter))?;
            let wants_value = known.get(position + letter.len_utf8()..).is_some_and(|rest| rest.starts_with(':'));
            if !wants_value {
                flags.push(Flag { letter, value: String::new() });
                continue;
            }
            let rest = letters.get(offset + letter.len_utf8()..).unwrap_or_default();
            let value = if rest.is_empty() {
                let value = args.get(at).cloned().ok_or(BadOption::NoValue(letter))?;
                at += 1;
                value
            } else {
                rest.to_owned()
            };
            flags.push(Flag { letter, value });
            break;
        }
    }
    Ok((flags, args.get(at..).unwrap_or_default()))
}

/// Whether a letter was given.
pub(crate) fn has(flags: &[Flag], letter: char) -> bool {
    flags.iter().any(|flag| flag.letter == letter)
}

/// The last value given for a letter.
pub(crate) fn value_of(flags: &[Flag], letter: char) -> Option<&str> {
    flags.iter().rev().find(|flag| flag.letter == letter).map(|flag| flag.value.as_str())
}

/// The last part of a path.
pub(crate) fn base_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
