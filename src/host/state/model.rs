//! The one model of a host's state: what every page, plan and command says of it is said here.
//!
//! Pure: made once from one set of facts, the configuration and its findings. No page judges by itself; two that show the
//! same thing show the same words, those of [`HostState::word`].

use super::guide::{self, Act, Lead, Step};
use super::network::{self, Network};
use super::operations::{self, OperationName, OperationState, Standing};
use super::pot_state::{PotState, Stage, pot_state};
use super::readiness::{Counts, Row, configuration_row, counted, preparations, readiness};
use super::wanted::Wanted;
use crate::facts::{HostFacts, LeftDrift};
use crate::plan::Preparation;
use crate::potconf::Configuration;
use crate::rules::{Finding, Severity};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// What the model is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StateInput<'a> {
    /// The facts.
    pub facts: &'a HostFacts,
    /// pot.conf over pot's default file.
    pub configuration: &'a Configuration,
    /// What the rules say of it on this host.
    pub findings: &'a [Finding],
    /// Whether either of the two files is there.
    pub(crate) has_files: bool,
    /// Advised to-dos that someone does not want.
    pub(crate) dismissed: &'a [Preparation],
    /// Differences that someone knows and leaves.
    pub(crate) left_drift: &'a [LeftDrift],
    /// What of pot is left on a host on which it is not initialised, by name; none: not looked, or not known.
    pub leftovers: Option<&'a [String]>,
    /// When pot was removed from here, unless it was initialised again since.
    pub removed: Option<Timestamp>,
    /// The run that is under way.
    pub(crate) run: Option<&'a RunNow>,
}

/// A run under way: until it has ended nothing else can be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RunNow {
    /// Its number.
    pub(crate) id: u64,
    /// Its operation's name.
    pub(crate) operation: String,
    /// Whether it waits for an answer: keep, or put back.
    pub(crate) waits: bool,
}

impl RunNow {
    /// "waits for an answer", "is running".
    pub(crate) fn in_words(&self) -> &'static str {
        if self.waits { "waits for an answer" } else { "is running" }
    }
}

/// What the parts of the model are made from.
pub(super) struct Known<'a> {
    pub(super) facts: &'a HostFacts,
    pub(super) configuration: &'a Configuration,
    pub(super) findings: &'a [Finding],
    pub(super) pot: PotState,
    pub(super) removed: Option<Timestamp>,
}

/// A host's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct HostState {
    /// The guide's paragraphs and pot.conf, in the guide's order.
    pub readiness: Vec<Row>,
    /// How many of them are what.
    pub counts: Counts,
    /// What a plan of preparing the host does: everything of them that is open.
    pub(crate) preparations: Vec<Preparation>,
    /// pot on this host.
    pub pot: PotState,
    /// Whether the pots' network runs.
    pub network: Network,
    /// Where each operation stands.
    pub operations: Vec<OperationState>,
    /// The way from a bare host to running pots.
    pub steps: Vec<Step>,
    /// The one thing to do now.
    pub lead: Option<Lead>,
    /// What takes effect at the next boot, by title.
    pub reboot: Vec<String>,
    /// When pot was removed from here, unless it was initialised again since.
    pub removed: Option<Timestamp>,
    /// The run that is under way.
    pub(crate) run: Option<RunNow>,
    /// Facts in words, by name: what pages show with `data-fact`.
    pub words: BTreeMap<String, String>,
}

impl HostState {
    /// Makes the model.
    pub fn of(input: &StateInput<'_>) -> Self {
        let StateInput { facts, configuration, findings, leftovers, removed, run, .. } = *input;
        let mut pot = pot_state(facts, configuration);
        if is_removed(removed, &pot) {
            // What still runs of it is left over: nothing is to be brought in line with pot.conf again.
            pot.drift.clear();
        }
        for drift in &mut pot.drift {
            drift.left = input.left_drift.iter().any(|left| {
                left.id == drift.id && left.configured == drift.configured && left.running == drift.running
            });
        }
        let rows = rows(input);
        let counts = Counts::of(&rows);
        let network = Network::of(&pot);
        let known = Known { facts, configuration, findings, pot, removed };
        let mut operations = operations::operations(&known, &counts, network, leftovers);
        if let Some(run) = run {
            for operation in &mut operations {
                operation.while_under_way(run);
            }
        }
        let steps = guide::steps(&known, &rows, &counts, network);
        let lead = match run {
            Some(run) => Some(guide::run_lead(run)),
            None => guide::lead(&known, &rows, &counts, network, leftovers),
        };
        let reboot =
            rows.iter().filter(|row| row.awaits_reboot && !row.dismissed).map(|row| row.title.clone()).collect();
        let words = words(&known, &counts, network, &operations, &rows);
        let preparations = preparations(&rows);
        Self {
            readiness: rows,
            counts,
            preparations,
            pot: known.pot,
            network,
            operations,
            steps,
            lead,
            reboot,
            removed,
            run: run.cloned(),
            words,
        }
    }

    /// A fact in words, by its name.
    pub fn word(&self, name: &str) -> &str {
        self.words.get(name).map_or("not known", String::as_str)
    }

    /// Where an operation stands.
    pub fn operation(&self, name: OperationName) -> Option<&OperationState> {
        self.operations.iter().find(|operation| operation.name == name)
    }

    /// The differences that nobody has said to leave.
    pub(crate) fn open_drift(&self) -> usize {
        self.pot.drift.iter().filter(|drift| !drift.left).count()
    }

    /// The one plan for everything that is open; none: nothing is.
    pub(crate) fn prepare(&self) -> Option<Act> {
        (!self.preparations.is_empty()).then(|| Act::Prepare(self.preparations.clone()))
    }

    /// How the network is where nothing is to be done: what differs then is known and was left.
    pub(crate) fn at_rest(&self) -> String {
        let left = match self.pot.drift.len() - self.open_drift() {
            0 => String::new(),
            1 => "; 1 difference from pot.conf is known and left".to_owned(),
            left => format!("; {left} differences from pot.conf are known and left"),
        };
        format!("The virtual network is {}{left}.", self.network.in_words())
    }

    /// Whether an operation is what comes next.
    pub(crate) fn suggests(&self, name: OperationName) -> bool {
        let main = self.lead.as_ref().and_then(|lead| lead.acts.iter().find(|act| act.main));
        main.is_some_and(|act| act.act.operation() == Some(name))
            && self.operation(name).is_some_and(|operation| operation.standing != Standing::Blocked)
    }
}

/// Whether pot was removed from here and nothing has been made of it since.
pub(super) fn is_removed(removed: Option<Timestamp>, pot: &PotState) -> bool {
    removed.is_some() && matches!(pot.stage, Stage::Fresh | Stage::NotInstalled) && pot.datasets.is_empty()
}

/// The rows of readiness with the one for pot.conf, where there is any.
fn rows(input: &StateInput<'_>) -> Vec<Row> {
    let mut rows = readiness(input.facts, input.configuration, input.dismissed);
    if input.has_files {
        // In the order of the guide: after pot and its settings of the kernel.
        let place = rows.iter().position(|row| row.id == "group").unwrap_or(rows.len());
        rows.insert(place, configuration_row(input.findings));
    }
    rows
}

fn words(
    known: &Known<'_>,
    counts: &Counts,
    network: Network,
    operations: &[OperationState],
    rows: &[Row],
) -> BTreeMap<String, String> {
    let facts = known.facts;
    let wanted = Wanted::of(known.configuration);
    let mut words = BTreeMap::new();
    let mut put = |name: &str, value: String| words.insert(name.to_owned(), value);
    put(
        "pot",
        match known.pot.stage {
            Stage::NotInstalled => "not installed",
            Stage::Fresh if known.pot.datasets.is_empty() => "not initialised",
            Stage::Fresh => "initialised in part",
            Stage::Initialised => "initialised",
            Stage::Unknown => "not known",
        }
        .to_owned(),
    );
    put("network", network.in_words().to_owned());
    put("public-bridge", network::bridge(facts, &known.pot, &wanted));
    put("nat", network::nat(facts));
    put("pf", network::pf(facts));
    put("anchors", network::anchors(&known.pot));
    put("forwarding", network::forwarding(facts));
    put("readiness", readiness_in_words(known, counts));
    put("drift", known.pot.drift.iter().filter(|drift| !drift.left).count().to_string());
    let count = |severity| known.findings.iter().filter(|finding| finding.severity == severity).count();
    put("errors", counted(count(Severity::Error), "error"));
    put("warnings", counted(count(Severity::Warning), "warning"));
    if let Some(pots) = facts.pots.get() {
        put("pots", counted(pots.len(), "pot"));
        let running = pots.iter().filter(|pot| pot.running == Some(true)).count();
        let unknown = pots.iter().any(|pot| pot.running.is_none());
        let running =
            if unknown { "which run is not known".to_owned() } else { format!("{running} of {} run", pots.len()) };
        put("pots-running", running);
        put("pots-outside", known.pot.outside.len().to_string());
    }
    for operation in operations {
        put(operation.name.in_words(), operation.words.clone());
    }
    for row in rows {
        put(&row.fact(), row.why.clone());
    }
    words
}

/// "13 of 14 ready, 1 to do; pot.conf has 2 warnings".
fn readiness_in_words(known: &Known<'_>, counts: &Counts) -> String {
    let mut words = format!("{} of {} ready", counts.ready, counts.total);
    let open = counts.to_do();
    if open > 0 {
        words.push_str(&format!(", {open} to do"));
    }
    if counts.unknown > 0 {
        words.push_str(&format!(", {} not known", counts.unknown));
    }
    if counts.reboot > 0 {
        words.push_str(", a reboot is outstanding");
    }
    let warnings = known.findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
    if warnings > 0 {
        words.push_str(&format!("; pot.conf has {}", counted(warnings, "warning")));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{configuration, known, running_host};
    use super::*;
    use crate::facts::Tunable;
    use crate::rules::{self, Subject};

    fn state(facts: &HostFacts, own: &str, dismissed: &[Preparation], run: Option<&RunNow>) -> HostState {
        let configuration = configuration(own);
        let findings = rules::check(&Subject::new(&configuration).on(Some(facts)));
        HostState::of(&StateInput {
            facts,
            configuration: &configuration,
            findings: &findings,
            has_files: true,
            dismissed,
            left_drift: &[],
            leftovers: None,
            removed: None,
            run,
        })
    }

    #[test]
    fn an_error_in_pot_conf_is_to_do_and_no_plan_of_preparing_the_host() {
        let facts = running_host();
        let good = state(&facts, "", &[], None);
        assert_eq!((good.counts.to_do(), good.word("readiness").contains("to do")), (0, false));
        let wrong = state(&facts, "POT_GATEWAY=192.168.1.1\n", &[], None);
        let row = wrong.readiness.iter().find(|row| row.is_configuration()).unwrap();
        assert!(row.is_open(), "{row:?}");
        assert_eq!((wrong.counts.to_do(), wrong.counts.needed), (1, 0));
        assert!(wrong.word("readiness").contains(", 1 to do"), "{}", wrong.word("readiness"));
        assert!(wrong.prepare().is_none() && wrong.word("prepare").starts_with("done"), "{}", wrong.word("prepare"));
    }

    #[test]
    fn one_plan_prepares_what_is_open_without_what_is_not_wanted() {
        let mut facts = running_host();
        facts.racct = known(Tunable { running: Some("0".into()), next_boot: Some("0".into()), set_in: None });
        facts.syslog.value.as_mut().unwrap().files.clear();
        let both = state(&facts, "", &[], None);
        assert_eq!(both.preparations, [Preparation::EnableRacct, Preparation::RouteLog]);
        let one = state(&facts, "", &[Preparation::EnableRacct], None);
        assert_eq!(one.prepare(), Some(Act::Prepare(vec![Preparation::RouteLog])));
    }

    #[test]
    fn while_a_run_waits_nothing_offers_to_start_the_same_again() {
        let mut facts = running_host();
        facts.interfaces.value.as_mut().unwrap().retain(|interface| !interface.is_bridge());
        assert!(state(&facts, "", &[], None).lead.unwrap().acts.iter().all(|offer| offer.act != Act::Run(7)));
        let run = RunNow { id: 7, operation: "vnet-start".to_owned(), waits: true };
        let waiting = state(&facts, "", &[], Some(&run));
        let lead = waiting.lead.as_ref().unwrap();
        assert_eq!(lead.heading, "vnet-start waits for an answer");
        assert_eq!(lead.acts.iter().map(|offer| &offer.act).collect::<Vec<_>>(), [&Act::Run(7)]);
        assert!(!waiting.suggests(OperationName::VnetStart));
        let operation = waiting.operation(OperationName::VnetStart).unwrap();
        assert_eq!(operation.standing, Standing::UnderWay);
        assert!(operation.words.ends_with("run 7 waits for an answer"), "{}", operation.words);
    }
}
