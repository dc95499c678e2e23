//! The way from a bare host to running pots, and the one thing to do now.
//!
//! Pure. An [`Act`] is what someone can do; pages turn it into a link, the command line into a command.

use super::model::{Known, RunNow, is_removed};
use super::network::Network;
use super::operations::OperationName;
use super::pot_state::Stage;
use super::readiness::{Counts, Row, RowState, counted};
use crate::facts::{HostFacts, left_outside, pot_installed};
use crate::plan::Preparation;
use crate::potconf::{Source, commands};
use crate::rules::{Finding, Severity};
use jiff::Timestamp;
use serde::Serialize;

/// A step of the installation guide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    /// Its name.
    pub title: &'static str,
    /// Where it stands.
    pub state: StepState,
    /// The same in words.
    pub words: String,
}

/// Where a step of the guide stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Done.
    Done,
    /// What comes next.
    Next,
    /// After that.
    Later,
}

/// What someone can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Act {
    /// A plan of these preparations.
    Prepare(Vec<Preparation>),
    /// The configuration.
    Configure,
    /// pot.conf as a text, where its values are not certain.
    ConfigureText,
    /// A plan of `pot init`.
    Init,
    /// A plan of `pot vnet-start`.
    VnetStart,
    /// The kept versions of pot.conf.
    Versions,
    /// A plan of taking away what is left.
    CleanUp,
    /// A plan of `pot de-init`.
    DeInit,
    /// The pots.
    Pots,
    /// Feedback to pot's authors.
    Feedback,
    /// The page of a run.
    Run(u64),
}

impl Act {
    /// The operation whose plan it is.
    pub fn operation(&self) -> Option<OperationName> {
        Some(match self {
            Self::Prepare(_) => OperationName::Prepare,
            Self::Init => OperationName::Init,
            Self::VnetStart => OperationName::VnetStart,
            Self::CleanUp => OperationName::CleanUp,
            Self::DeInit => OperationName::DeInit,
            _ => return None,
        })
    }
}

/// An act with the words of its button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Offer {
    /// What it does.
    pub act: Act,
    /// The button.
    pub label: String,
    /// Whether it is the one main button.
    pub main: bool,
}

impl Offer {
    fn main(label: impl Into<String>, act: Act) -> Self {
        Self { act, label: label.into(), main: true }
    }

    pub(super) fn plain(label: impl Into<String>, act: Act) -> Self {
        Self { act, label: label.into(), main: false }
    }
}

/// The one thing to do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Lead {
    /// What it is.
    pub(crate) heading: String,
    /// Why, and what comes of it.
    pub text: String,
    /// Whether it wants attention: something is wrong.
    pub(crate) attention: bool,
    /// When what it is about happened, where that is part of the sentence.
    pub since: Option<Timestamp>,
    /// What to do.
    pub acts: Vec<Offer>,
}

/// The guide's steps, in order. A step is done by what is on the host, however it came there.
pub(super) fn steps(known: &Known<'_>, rows: &[Row], counts: &Counts, network: Network) -> Vec<Step> {
    let stage = known.pot.stage;
    let installed = !matches!(stage, Stage::NotInstalled | Stage::Unknown);
    let initialised = stage == Stage::Initialised;
    let prepare = match (counts.needed, counts.advised) {
        (0, 0) => "done".to_owned(),
        (0, advised) => format!("{advised} advised"),
        (needed, 0) => format!("{needed} needed"),
        (needed, advised) => format!("{needed} needed, {advised} advised"),
    };
    let stops = |finding: &&Finding| finding.severity == Severity::Error;
    let errors = known.findings.iter().filter(stops).count();
    let configure = match (installed, errors) {
        (false, _) => "once pot is installed".to_owned(),
        (true, 0) => "no errors".to_owned(),
        (true, errors) => counted(errors, "error"),
    };
    let up = matches!(network, Network::Up | Network::UpForPot | Network::Differs);
    let pots = known.facts.pots.get().map(Vec::len);
    let mut all = vec![("Prepare", prepare, installed && counts.needed == 0)];
    let awaiting = rows.iter().filter(|row| row.awaits_reboot && !row.dismissed).count();
    if awaiting > 0 {
        all.push(("Reboot", format!("{} at the next boot", counted(awaiting, "setting")), false));
    }
    all.push(("Configure", configure, installed && errors == 0));
    all.push(("Initialise", if initialised { "done" } else { "pot init" }.to_owned(), initialised));
    let start = match (initialised, up) {
        (true, true) => network.in_words(),
        // A bridge that runs still is left over from a pot that was removed.
        (false, true) => "after pot init",
        (_, false) => "pot vnet-start",
    };
    all.push(("Start the network", start.to_owned(), initialised && up));
    let first = match pots {
        Some(0) => "none yet".to_owned(),
        Some(pots) => counted(pots, "pot"),
        None => "not known".to_owned(),
    };
    all.push(("First pots", first, initialised && pots.is_some_and(|pots| pots > 0)));
    // A reboot is outstanding, but does not hold up what comes after it.
    let next = all.iter().position(|(title, _, done)| !done && *title != "Reboot");
    all.into_iter()
        .enumerate()
        .map(|(index, (title, words, done))| Step {
            title,
            words,
            state: match (done, Some(index) == next) {
                (true, _) => StepState::Done,
                (false, true) => StepState::Next,
                (false, false) => StepState::Later,
            },
        })
        .collect()
}

/// The one thing to do now; none: nothing is to be done.
pub(super) fn lead(
    known: &Known<'_>,
    rows: &[Row],
    counts: &Counts,
    network: Network,
    leftovers: Option<&[String]>,
) -> Option<Lead> {
    let stage = known.pot.stage;
    if let Some((file, line, reason)) = known.configuration.trouble() {
        let file = if file == Source::PotConf { "pot.conf" } else { "pot.default.conf" };
        return Some(Lead {
            heading: "What pot.conf says is not certain".to_owned(),
            text: format!(
                "{file}, line {line}: {reason}. The console never runs the file, so it cannot tell which values pot takes; \
                 pots, datasets and differences cannot be shown."
            ),
            attention: true,
            since: None,
            acts: vec![Offer::main("Open the configuration", Act::ConfigureText)],
        });
    }
    let impossible = rows.iter().find(|row| row.needed && row.state == RowState::NotPossible);
    if let Some(row) = impossible.filter(|_| stage != Stage::Initialised) {
        return Some(Lead {
            heading: "pot cannot run here".to_owned(),
            text: row.why.clone(),
            attention: true,
            since: None,
            acts: Vec::new(),
        });
    }
    if known.pot.drift.iter().any(|drift| !drift.left) {
        return Some(drift_lead(known));
    }
    let plannable: Vec<&Row> = rows.iter().filter(|row| row.is_open() && row.action.is_some()).collect();
    if stage == Stage::Initialised && counts.needed == 0 {
        return running_lead(known, counts, network);
    }
    if let Some(removed) = known.removed.filter(|_| is_removed(known.removed, &known.pot)) {
        return Some(removed_lead(removed, stage, leftovers, known.facts));
    }
    if counts.needed > 0 || (stage == Stage::NotInstalled && !plannable.is_empty()) {
        return Some(prepare_lead(&plannable, counts, rows));
    }
    let errors = known.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    if errors > 0 {
        return Some(errors_lead(known, errors));
    }
    if stage == Stage::Unknown {
        return Some(Lead {
            heading: "Not everything about this host is known".to_owned(),
            text: "Some sources did not answer. What they said stands below.".to_owned(),
            attention: true,
            since: None,
            acts: Vec::new(),
        });
    }
    Some(init_lead(known, &plannable))
}

/// While a run is under way it comes before all else.
pub(super) fn run_lead(run: &RunNow) -> Lead {
    let RunNow { id, operation, waits } = run;
    Lead {
        heading: format!("{operation} {}", run.in_words()),
        text: if *waits {
            format!("Run {id} has changed this host. Without an answer in time it is put back.")
        } else {
            format!("Run {id} is under way. Nothing else can be started until it has ended.")
        },
        attention: false,
        since: None,
        acts: vec![Offer::main(format!("Open run {id}"), Act::Run(*id))],
    }
}

fn errors_lead(known: &Known<'_>, errors: usize) -> Lead {
    let first = known.findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
    let stops = known.findings.iter().any(|finding| finding.stops(&commands::INIT));
    let text = if stops { format!("{first} pot init cannot start before that.") } else { first };
    Lead {
        heading: format!("pot.conf has {}", counted(errors, "error")),
        text,
        attention: true,
        since: None,
        acts: vec![Offer::main("Open the configuration", Act::Configure)],
    }
}

fn init_lead(known: &Known<'_>, plannable: &[&Row]) -> Lead {
    let part = !known.pot.datasets.is_empty();
    let mut acts = Vec::new();
    if !plannable.is_empty() {
        acts.push(Offer::plain(format!("Plan the {} advised", number(plannable.len())), prepare(plannable)));
    }
    acts.push(Offer::main(if part { "Plan init again" } else { "Plan init" }, Act::Init));
    Lead {
        heading: if part { "pot is initialised in part" } else { "Ready to initialise pot" }.to_owned(),
        text: if part {
            format!("Missing: {}. pot init goes on where it stopped.", known.pot.missing_datasets.join(", "))
        } else {
            "The plan shows every dataset, line and file before anything is made. It starts no network.".to_owned()
        },
        attention: part,
        since: None,
        acts,
    }
}

fn removed_lead(removed: Timestamp, stage: Stage, leftovers: Option<&[String]>, facts: &HostFacts) -> Lead {
    let (text, mut acts) = match leftovers {
        None => ("What of it is left could not be seen.".to_owned(), Vec::new()),
        Some([]) => (
            match pot_installed(facts) {
                Some(true) => "What it made is gone. pot itself stays installed.",
                Some(false) => "Nothing of it is left.",
                None => "What it made is gone. Whether pot itself is installed could not be seen.",
            }
            .to_owned(),
            Vec::new(),
        ),
        Some(left) => (format!("Left: {}.", left.join(", ")), vec![Offer::main("Plan the clean-up", Act::CleanUp)]),
    };
    acts.push(Offer::plain("Say why it was removed", Act::Feedback));
    if stage == Stage::Fresh {
        acts.push(Offer::plain("Plan init", Act::Init));
    }
    Lead { heading: "pot was removed from this host".to_owned(), text, attention: false, since: Some(removed), acts }
}

fn drift_lead(known: &Known<'_>) -> Lead {
    let drift: Vec<_> = known.pot.drift.iter().filter(|drift| !drift.left).collect();
    // The bridge is what pots hang on: with another one they are on another network.
    let network = drift.iter().any(|drift| drift.id == "bridge");
    let mut text = String::new();
    match known.pot.outside.len() {
        0 => {}
        1 => text.push_str(&format!("1 pot has an address outside of POT_NETWORK. {}", left_outside(1))),
        pots => {
            text.push_str(&format!("{pots} pots have addresses outside of POT_NETWORK. {}", left_outside(pots)));
        }
    }
    if text.is_empty() {
        text.push_str("Each line says what comes of it.");
    }
    // Each way costs something, so none of them is the main one.
    let acts = if network {
        vec![Offer::plain("Plan the way back", Act::Versions), Offer::plain("Plan the new network", Act::VnetStart)]
    } else {
        Vec::new()
    };
    let heading = match drift.len() {
        1 => "1 thing runs otherwise than pot.conf says".to_owned(),
        count => format!("{count} things run otherwise than pot.conf says"),
    };
    Lead { heading, text, attention: true, since: None, acts }
}

fn running_lead(known: &Known<'_>, counts: &Counts, network: Network) -> Option<Lead> {
    if network == Network::Down {
        return Some(Lead {
            heading: "The virtual network is down".to_owned(),
            text:
                "It comes up by itself when a pot that needs it starts, then without a way back. Started from here, it \
                   puts itself back unless you keep it."
                    .to_owned(),
            attention: false,
            since: None,
            acts: vec![Offer::main("Plan vnet-start", Act::VnetStart)],
        });
    }
    let first_look = network == Network::Up && known.facts.pots.get().is_some_and(Vec::is_empty);
    let outstanding = (counts.reboot > 0).then_some("A reboot is outstanding for what was prepared. ");
    if first_look {
        return Some(Lead {
            heading: "Ready for the first pot".to_owned(),
            text: format!(
                "{}Pots are made in a terminal, for example: `{}`. What runs then stands here.",
                outstanding.unwrap_or_default(),
                first_pot(known.facts)
            ),
            attention: false,
            since: None,
            acts: vec![Offer::main("Look at the pots", Act::Pots)],
        });
    }
    None
}

/// How one makes a first pot: of the host's own release, which its kernel can run.
pub(crate) fn first_pot(facts: &HostFacts) -> String {
    let version = facts.system.get().and_then(|system| system.version());
    let base = version.map_or_else(|| "RELEASE".to_owned(), |(major, minor)| format!("{major}.{minor}"));
    format!("pot create -p web -b {base} -N public-bridge -i auto")
}

fn prepare_lead(plannable: &[&Row], counts: &Counts, rows: &[Row]) -> Lead {
    let needed: Vec<&Row> = rows.iter().filter(|row| row.is_open() && row.needed && !row.is_configuration()).collect();
    let heading = match needed.as_slice() {
        [row] if row.id == "pot" => "pot is not installed yet".to_owned(),
        [row] => format!("1 thing is needed: {}", row.title),
        [] => "pot is not installed yet".to_owned(),
        rows => format!("{} things are needed before pot can run", rows.len()),
    };
    let boots = plannable.iter().filter(|row| row.action.is_some_and(Preparation::at_the_next_boot)).count();
    let by_hand = needed.iter().filter(|row| row.action.is_none()).count();
    let mut text = match (by_hand, plannable.len(), counts.advised) {
        (0, 1, 0) => "One plan does it.".to_owned(),
        (0, _, 0) => "They fit into one plan.".to_owned(),
        (0, _, 1) => "That and one advised setting fit into one plan.".to_owned(),
        (0, _, advised) => format!("That and {} advised settings fit into one plan.", number(advised)),
        (_, 0, _) => "The console cannot do it; each line says what is to be done.".to_owned(),
        _ => "The console cannot do all of it; each line says what is to be done.".to_owned(),
    };
    match boots {
        0 => {}
        1 => text.push_str(" One of them takes effect at the next boot, and you choose when."),
        boots => text.push_str(&format!(
            " {} of them take effect at the next boot; one reboot serves all, and you choose when.",
            capital(&number(boots))
        )),
    }
    let acts = match plannable {
        [] => Vec::new(),
        [_] => vec![Offer::main("Plan it", prepare(plannable))],
        all => vec![Offer::main(format!("Plan all {}", number(all.len())), prepare(all))],
    };
    Lead { heading, text, attention: false, since: None, acts }
}

/// One plan for these rows.
fn prepare(rows: &[&Row]) -> Act {
    Act::Prepare(rows.iter().filter_map(|row| row.action).collect())
}

fn number(number: usize) -> String {
    const WORDS: [&str; 10] = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    WORDS.get(number).map_or_else(|| number.to_string(), |word| (*word).to_owned())
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
