//! The host that an installation stands on: its tools, asked and run in one way.

use crate::layout::Layout;
use crate::plan::shell_words;
use crate::process::{Captured, Limits, Tool, Tools, argv_as_typed, capture, harmless};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

/// How long a service may take to start or to stop: it puts back first what waits to be kept.
const SERVICE: Duration = Duration::from_mins(5);

/// A host, and what is asked of it.
pub(crate) struct Host {
    /// Where its files stand.
    pub layout: Layout,
    /// Its tools.
    pub tools: Tools,
    /// The machine's name, as the certificate has it.
    pub hostname: String,
}

impl Host {
    /// The user number that is root here: on a simulated host who owns its root folder.
    pub fn root_uid(&self) -> u32 {
        if !self.layout.is_below_a_root() {
            return 0;
        }
        self.layout.root().metadata().map_or(0, |found| found.uid())
    }

    /// Whether this process may do what root does on that host.
    pub fn are_we_root(&self) -> bool {
        let own = nix::unistd::geteuid().as_raw();
        own == 0 || (self.layout.is_below_a_root() && own == self.root_uid())
    }

    /// Whether files can be given to other users. On a simulated host of an ordinary user all are that user's.
    pub fn gives_files_away(&self) -> bool {
        nix::unistd::geteuid().is_root()
    }

    /// An answer of a tool, whatever its status.
    ///
    /// # Errors
    /// It could not be asked or did not answer in time, in words.
    pub fn ask(&self, tool: Tool, args: &[&str]) -> Result<Captured, String> {
        self.within(tool, args, tool.patience_for(args))
    }

    fn within(&self, tool: Tool, args: &[&str], time: Duration) -> Result<Captured, String> {
        let answer = capture(&self.tools, tool, args, None, &Limits { time, ..Limits::default() })
            .map_err(|error| error.to_string())?;
        if answer.timed_out {
            return Err(format!("{} did not answer within {} s", typed(tool, args), time.as_secs()));
        }
        Ok(answer)
    }

    /// Runs a tool that has to succeed.
    ///
    /// # Errors
    /// It did not, in words.
    pub fn run(&self, tool: Tool, args: &[&str]) -> Result<(), String> {
        let time = if tool == Tool::Service { SERVICE } else { tool.patience_for(args) };
        let answer = self.within(tool, args, time)?;
        if answer.succeeded() { Ok(()) } else { Err(failure(tool, args, &answer)) }
    }
}

/// A command as one would type it.
pub(super) fn typed(tool: Tool, args: &[&str]) -> String {
    shell_words(&argv_as_typed(tool, args))
}

/// What a command said that did not succeed.
pub(super) fn failure(tool: Tool, args: &[&str], answer: &Captured) -> String {
    let said = [&answer.stderr, &answer.stdout].into_iter().flat_map(|text| text.lines());
    let said: Vec<&str> = said.filter(|line| !line.trim().is_empty()).take(3).collect();
    let words = harmless(&said.join(" / ")).into_owned();
    let status = answer.status.map_or_else(|| "by a signal".to_owned(), |status| format!("with status {status}"));
    let behind = if words.is_empty() { String::new() } else { format!(": {words}") };
    format!("{} ended {status}{behind}", typed(tool, args))
}
