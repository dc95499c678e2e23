//! What a plan function makes: the parts that people see, the actions that a run carries out, and what verification
//! will look at. All three come from one place, so that what is shown is what is done.

use super::checks::Expect;
use super::inputs::Inputs;
use crate::diff::Diff;
use crate::digest::Digest;
use crate::facts::{Dataset, Snapshots};
use crate::plan::{Blocker, ManagedFile, Operation, Preview, ProofNeeded, Step, StepState};
use crate::process::Tool;
use crate::rules::limits;

/// How a command's status is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Good {
    /// Anything but 0 ends the run.
    Zero,
    /// It says nothing: verification decides.
    Any,
}

/// A command of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Which program.
    pub tool: Tool,
    /// Its arguments.
    pub args: Vec<String>,
    /// How its status is judged.
    pub good: Good,
    /// Whether aborting is safe while it runs.
    pub(crate) abortable: bool,
    /// Whether it may take as long as packages and destroying may.
    pub long: bool,
    /// What it reads from standard input.
    pub stdin: Option<Vec<u8>>,
}

impl Command {
    /// A short one whose status counts.
    pub fn new(tool: Tool, args: &[&str]) -> Self {
        Self {
            tool,
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            good: Good::Zero,
            abortable: true,
            long: false,
            stdin: None,
        }
    }

    /// Its status says nothing.
    #[must_use]
    pub(crate) fn any_status(mut self) -> Self {
        self.good = Good::Any;
        self
    }

    /// It must not be cut off.
    #[must_use]
    pub(crate) fn not_abortable(mut self) -> Self {
        self.abortable = false;
        self
    }

    /// It may take long.
    #[must_use]
    pub fn long(mut self) -> Self {
        self.long = true;
        self
    }

    /// It reads this from standard input.
    #[must_use]
    pub fn reading(mut self, text: &[u8]) -> Self {
        self.stdin = Some(text.to_vec());
        self
    }

    /// As one would type it.
    pub fn argv(&self) -> Vec<String> {
        std::iter::once(self.tool.name().to_owned()).chain(self.args.iter().cloned()).collect()
    }
}

/// What a run does, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Keeps the file's present bytes as a version.
    Backup(ManagedFile),
    /// Writes a file, if it is still as planned.
    Write {
        /// Which.
        file: ManagedFile,
        /// Its digest now; none: it does not exist.
        before: Option<Digest>,
        /// The new bytes.
        content: Vec<u8>,
    },
    /// Makes a folder and those above it, mode 0755.
    Folder(String),
    /// Makes a folder that only root may enter, mode 0700, and those above it, mode 0755. One that is there already must
    /// be root's.
    PrivateFolder(String),
    /// Makes an empty file where there is none, mode 0640.
    EmptyFile(String),
    /// Removes a file, if it is still as planned. The caller keeps a version before.
    Remove {
        /// Which.
        file: ManagedFile,
        /// Its digest now.
        before: Digest,
    },
    /// Notes syslogd_flags as they stand before init changes them.
    NoteFlags {
        /// The flags before; none: rc.conf does not set them.
        flags: Option<String>,
        /// What init makes of them.
        written: String,
    },
    /// Runs a command.
    Run(Command),
    /// Ends the run when a pot runs.
    NoPotRuns,
    /// Removes pot's folder with its private bridges, if nothing else is in it.
    RemoveFsRoot(String),
}

impl Action {
    /// One line that tells this action from every other, for the plan's digest.
    fn describe(&self) -> String {
        match self {
            Self::Write { file, before, content } => {
                format!("write {} {before:?} {}", file.name(), Digest::of(content))
            }
            Self::Run(command) => match &command.stdin {
                Some(text) => format!("run {:?} {}", command.argv(), Digest::of(text)),
                None => format!("run {:?}", command.argv()),
            },
            other => format!("{other:?}"),
        }
    }
}

/// A step with what a run needs to know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep {
    /// As shown.
    pub step: Step,
    /// What is done for it, in order with the other steps' actions.
    pub actions: Vec<Action>,
    /// What verification looks at.
    pub(crate) expects: Vec<Expect>,
    /// Words of pot's output by which it is recognised: a line that holds all words of one entry.
    pub marks: Vec<Vec<String>>,
}

impl PlannedStep {
    /// A step that only shows.
    pub fn new(title: impl Into<String>, state: StepState, detail: impl Into<String>) -> Self {
        Self {
            step: Step { title: title.into(), detail: detail.into(), state, command: None },
            actions: Vec::new(),
            expects: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Adds an action; a command becomes the one that the step shows.
    #[must_use]
    pub fn act(mut self, action: Action) -> Self {
        if let Action::Run(command) = &action {
            self.step.command = Some(command.argv());
        }
        self.actions.push(action);
        self
    }

    /// Adds a check.
    #[must_use]
    pub fn expect(mut self, expect: Expect) -> Self {
        self.expects.push(expect);
        self
    }

    /// Adds words by which it is recognised in pot's output.
    #[must_use]
    pub fn mark(mut self, words: &[&str]) -> Self {
        self.marks.push(words.iter().map(|&word| word.to_owned()).collect());
        self
    }
}

/// A plan before the executor gives it number, time and digest.
#[derive(Debug, Clone)]
pub struct PlanDraft {
    /// What is planned.
    pub operation: Operation,
    /// See [`crate::plan::Plan`].
    pub summary: String,
    /// In order.
    pub steps: Vec<PlannedStep>,
    /// See [`crate::plan::Plan`].
    pub diffs: Vec<Diff>,
    /// See [`crate::plan::Plan`].
    pub pf_rules: Vec<String>,
    /// See [`crate::plan::Plan`].
    pub nat: Option<Diff>,
    /// See [`crate::plan::Plan`].
    pub cache_is_empty: Option<bool>,
    /// See [`crate::plan::Plan`].
    pub routes: Vec<String>,
    /// See [`crate::plan::Plan`].
    pub destroys: Vec<Dataset>,
    /// See [`crate::plan::Plan`].
    pub snapshots: Option<Snapshots>,
    /// See [`crate::plan::Plan`].
    pub blockers: Vec<Blocker>,
    /// See [`crate::plan::Plan`].
    pub warnings: Vec<String>,
    /// See [`crate::plan::Plan`].
    pub acknowledge: Option<String>,
    /// See [`crate::plan::Plan`].
    pub previews: Vec<Preview>,
    /// See [`crate::plan::Plan`].
    pub put_back: Vec<(String, String)>,
    /// See [`crate::plan::Plan`].
    pub left_behind: Vec<(String, String)>,
    /// See [`crate::plan::Plan`].
    pub proof: ProofNeeded,
    /// See [`crate::plan::Plan`].
    pub confirm_text: Option<String>,
    /// See [`crate::plan::Plan`].
    pub button: String,
    /// See [`crate::plan::Plan`].
    pub revert_after: Option<u16>,
    /// Whether the network is changed so that it must be kept ([`Self::revert_after`] may be none by choice).
    pub(crate) can_cut_off: bool,
    /// See [`crate::plan::Plan`].
    pub nothing_to_do: bool,
    /// The command that the plan is named after, as typed.
    pub command: Option<Vec<String>>,
    /// Facts that the plan stands on, beside its actions: they go into the digest.
    pub(crate) basis: Vec<String>,
}

impl PlanDraft {
    /// An empty one.
    pub fn new(operation: &Operation) -> Self {
        Self {
            operation: operation.clone(),
            summary: String::new(),
            steps: Vec::new(),
            diffs: Vec::new(),
            pf_rules: Vec::new(),
            nat: None,
            cache_is_empty: None,
            routes: Vec::new(),
            destroys: Vec::new(),
            snapshots: None,
            blockers: Vec::new(),
            warnings: Vec::new(),
            acknowledge: None,
            previews: Vec::new(),
            put_back: Vec::new(),
            left_behind: Vec::new(),
            proof: ProofNeeded::Fresh,
            confirm_text: None,
            button: String::new(),
            revert_after: None,
            can_cut_off: false,
            nothing_to_do: false,
            command: None,
            basis: Vec::new(),
        }
    }

    /// Adds a step.
    pub fn step(&mut self, step: PlannedStep) {
        self.steps.push(step);
    }

    /// Adds something that stands in the way.
    pub fn block(&mut self, problem: impl Into<String>, remedy: impl Into<String>, parameter: Option<&str>) {
        let blocker =
            Blocker { problem: problem.into(), remedy: remedy.into(), parameter: parameter.map(str::to_owned) };
        if !self.blockers.contains(&blocker) {
            self.blockers.push(blocker);
        }
    }

    /// Blocks unless every one of these parameters is certain, within its limits, free of error findings and read by
    /// pot as by the console.
    pub fn uses(&mut self, inputs: &Inputs<'_>, parameters: &[&str]) {
        if let Some(limit) = inputs.against_limit {
            self.block(format!("{limit}."), "Change it in the configuration; a limit cannot be overridden.", None);
        }
        // Destroying datasets goes by their names: nothing is written at a place, and it is the way out of a bad one.
        let goes_by_names = matches!(self.operation, Operation::DeInit { stop_pots: false, .. });
        let used =
            |against: &&limits::LimitViolation| !goes_by_names && parameters.contains(&against.parameter.as_str());
        for against in inputs.against_places.iter().filter(used) {
            self.block(
                format!("{against}."),
                "Change it in the configuration, or what stands there; a limit cannot be overridden.",
                Some(&against.parameter),
            );
        }
        for setting in inputs.configuration.uncertain(parameters) {
            let name = &setting.name;
            let line = setting.line.map(|line| format!(" (line {line})")).unwrap_or_default();
            let reason = setting.reason.as_deref().unwrap_or("it is not a plain text");
            self.block(
                format!("{name}{line} is not certain: {reason}."),
                "The console runs nothing on a value that only the shell can know: replace it with a plain value.",
                Some(name),
            );
        }
        for (name, answer) in inputs.pot_says {
            let own = inputs.value(name);
            let answer = match answer {
                Ok(answer) => answer,
                Err(why) => {
                    if parameters.contains(&name.as_str()) {
                        self.warnings.push(format!("What pot itself reads of {name} is not known: {why}."));
                    }
                    continue;
                }
            };
            if parameters.contains(&name.as_str()) && inputs.configuration.value(name).is_some() && own != *answer {
                self.block(
                    format!("pot itself reads {name} as {answer:?}, the console reads {own:?}."),
                    "Look at pot.conf with a text editor: something in it is read differently.",
                    Some(name),
                );
            }
        }
        for finding in inputs.findings {
            let named = finding.parameters.first().map(String::as_str);
            // The plan has said it in the words of its own check.
            let said = named
                .is_some_and(|name| self.blockers.iter().any(|blocker| blocker.parameter.as_deref() == Some(name)));
            if finding.stops(parameters) && !said {
                let remedy = finding.fix.as_ref().map_or_else(
                    || "Change it in the configuration.".to_owned(),
                    |fix| {
                        let set: Vec<String> = fix
                            .set
                            .iter()
                            .map(|(name, value)| format!("Set {name} to {value}."))
                            .chain(fix.unset.iter().map(|name| format!("Take {name} out of pot.conf.")))
                            .collect();
                        set.join(" ")
                    },
                );
                self.block(finding.message.clone(), remedy, named);
            }
        }
    }

    /// Adds the difference of a file, if there is one.
    pub fn diff(&mut self, path: &str, old: &[u8], new: &[u8]) {
        let diff = Diff::between(path, old, new);
        if !diff.is_empty() {
            self.diffs.push(diff);
        }
    }

    /// What the plan stands on, as one digest: operation, actions with their contents, files, facts.
    pub fn digest(&self) -> Digest {
        let mut text = format!("{:?}\n{:?}\n{:?}\n", self.operation, self.pf_rules, self.routes);
        for step in &self.steps {
            text.push_str(&format!("{} {:?}\n", step.step.title, step.step.state));
            for action in &step.actions {
                text.push_str(&action.describe());
                text.push('\n');
            }
        }
        for blocker in &self.blockers {
            text.push_str(&format!("blocks {}\n", blocker.problem));
        }
        for dataset in &self.destroys {
            // Sizes change all the time; what is destroyed does not.
            text.push_str(&format!(
                "destroys {} {} {} {}\n",
                dataset.name, dataset.kind, dataset.mountpoint, dataset.canmount
            ));
        }
        text.push_str(&format!("{:?} {:?} {:?}\n", self.confirm_text, self.revert_after, self.acknowledge));
        for line in &self.basis {
            text.push_str(line);
            text.push('\n');
        }
        Digest::of(text.as_bytes())
    }
}
