//! The configuration page as data: groups of rows with their control, source and answer, and the rail beside them.

use super::context::{PageContext, Reviewed};
use super::controls::{Builder, Control, ExtraRow, GroupView, Other, Row, rules_know};
use super::effects::effects;
use super::findings::{FindingView, FixView, digest_of, fix_all};
use super::form_edits::FormEdits;
use crate::diff::Diff;
use crate::potconf::{Setting, Source};
use crate::rules::{self, Finding, Severity, Verdict};
use crate::web::layout::{Frame, counted};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that the page shows.
pub(crate) struct FormView {
    pub groups: Vec<GroupView>,
    pub others: Vec<Other>,
    pub(crate) remarks: Vec<FindingView>,
    /// Findings that belong to no row: syntax, commands, …
    pub(crate) loose: Vec<FindingView>,
    pub diff: Diff,
    pub problems: BTreeMap<String, String>,
    pub changes: usize,
    /// Errors and warnings of the file as it stands, in words; none while something else is judged.
    pub(crate) of_file: Option<[String; 2]>,
    pub errors: usize,
    /// How many of the errors saving would bring about: what it must be asked about.
    pub brought: usize,
    pub warnings: usize,
    pub notices: usize,
    pub(crate) fix_all: Option<FixView>,
    pub(crate) effects: Vec<String>,
    /// Digest of the set of findings, to announce it only when it changed.
    pub digest: String,
    pub(crate) subtitle: Subtitle,
}

/// "3 of 23 parameters are set in …".
pub(crate) struct Subtitle {
    pub set: usize,
    pub computed: usize,
    pub all: usize,
}

impl FormView {
    /// Builds the page from the context, the edits, and what these make of the file.
    pub fn build(
        context: &PageContext,
        edits: &FormEdits,
        reviewed: &Reviewed<'_>,
        may_change: bool,
        open_all: bool,
        focus: &BTreeSet<String>,
    ) -> Self {
        let Reviewed { review, problems } = reviewed;
        let after = &review.after;
        // What the file as it stands has is known: nothing is brought about by writing nothing.
        let known = context.state.as_ref();
        let state = known.filter(|_| edits.is_empty());
        let Verdict { mut findings, errors: brought } = match state {
            Some(state) => Verdict { findings: state.findings.clone(), errors: Vec::new() },
            None => {
                let stood = known.map(|known| known.findings.as_slice());
                review.judge(context.facts.as_deref(), context.admin, stood)
            }
        };
        // A value that can never be saved says so itself; the rules' words on the same value would only repeat it. What
        // would fix it is kept.
        let mut fixable: BTreeMap<String, Finding> = BTreeMap::new();
        findings.retain(|finding| {
            let [name] = finding.parameters.as_slice() else { return true };
            let said = finding.severity == Severity::Error && problems.contains_key(name);
            if said && finding.fix.is_some() {
                fixable.entry(name.clone()).or_insert_with(|| finding.clone());
            }
            !said
        });
        let readings = rules::readings::of(&context.subject(after));
        let free: Vec<String> = rules::free_networks(&context.subject(after)).iter().map(ToString::to_string).collect();
        // It is said in the model's words.
        let of_file = state.map(|state| [state.word("errors").to_owned(), state.word("warnings").to_owned()]);
        let mut builder = Builder {
            context,
            edits,
            after,
            findings: &findings,
            problems,
            readings: &readings,
            free: &free,
            fixable: &fixable,
            may_change,
            focus,
        };
        let groups = builder.groups(open_all);
        let others = builder.others();
        let remarks = builder.remarks();
        let loose = builder.loose(&groups, &others);
        let count = |severity| remarks.iter().filter(|remark| remark.severity == severity).count();
        let (errors, warnings, notices) = (count(Severity::Error), count(Severity::Warning), count(Severity::Notice));
        let settings = context.configuration.settings();
        let own = |setting: &&Setting| setting.source == Source::PotConf && rules_know(&setting.name);
        Self {
            diff: review.diff(&context.view.path),
            changes: edits.len(),
            fix_all: fix_all(&findings),
            effects: effects(context, edits, after),
            digest: digest_of(&remarks),
            subtitle: Subtitle {
                set: settings.iter().filter(own).filter(|setting| setting.editable).count(),
                computed: settings.iter().filter(own).filter(|setting| !setting.editable).count(),
                all: settings.iter().filter(|setting| rules_know(&setting.name)).count(),
            },
            of_file,
            errors,
            brought: brought.len(),
            warnings,
            notices,
            problems: problems.clone(),
            groups,
            others,
            remarks,
            loose,
        }
    }

    /// "1 error", "1 warning": what there is, each with the name of the fact where it is one of the file as it stands.
    pub(crate) fn tallies(&self) -> Vec<(Option<&'static str>, String)> {
        let [errors, warnings] = match &self.of_file {
            Some([errors, warnings]) => [(Some("errors"), errors.clone()), (Some("warnings"), warnings.clone())],
            None => {
                [(None, counted(self.errors, "error", "errors")), (None, counted(self.warnings, "warning", "warnings"))]
            }
        };
        let notices = (None, counted(self.notices, "notice", "notices"));
        let all = [(self.errors, errors), (self.warnings, warnings), (self.notices, notices)];
        all.into_iter().filter(|(count, _)| *count > 0).map(|(_, tally)| tally).collect()
    }

    /// "1 error, 1 warning"; empty when there is nothing.
    pub(crate) fn tally(&self) -> String {
        self.tallies().into_iter().map(|(_, words)| words).collect::<Vec<_>>().join(", ")
    }

    /// "3 changes", "No changes".
    pub(crate) fn changes_text(&self) -> String {
        match self.changes {
            0 => "No changes".to_owned(),
            count => counted(count, "change", "changes"),
        }
    }

    /// What the save button says.
    pub(crate) fn save_text(&self) -> String {
        match (self.changes, self.brought) {
            // Pressing it says which value can never be saved.
            _ if self.never() => {
                format!("Cannot save: {}", counted(self.problems.len(), "wrong value", "wrong values"))
            }
            (0, _) => "Save".to_owned(),
            (changes, 0) => format!("Save {}", counted(changes, "change", "changes")),
            _ => format!("Save with {}…", self.brought_text()),
        }
    }

    /// The errors that saving must be asked about, as the history will say them.
    pub(crate) fn brought_text(&self) -> String {
        rules::errors_in_words(self.brought, self.errors)
    }

    /// What is said aloud when the findings changed.
    pub(crate) fn announcement(&self) -> String {
        if self.remarks.is_empty() {
            return "No findings.".to_owned();
        }
        let mut text = format!("{}.", self.tally());
        for remark in self.remarks.iter().take(3) {
            text.push(' ');
            text.push_str(&remark.message.replace('`', ""));
        }
        text
    }

    /// The page's title: the errors first, so that a browser's tab shows them.
    pub fn title(&self) -> String {
        match self.errors {
            0 => "Configuration".to_owned(),
            errors => format!("{} · Configuration", counted(errors, "error", "errors")),
        }
    }

    /// The count beside the entry of the navigation.
    pub(crate) fn unsaved(&self) -> String {
        if self.changes == 0 { String::new() } else { format!("{} unsaved", self.changes) }
    }

    /// Whether an error stands in the way of init and the like, or not even of saving.
    pub fn never(&self) -> bool {
        !self.problems.is_empty()
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.groups.iter().flat_map(|group| &group.rows)
    }

    /// The rows of further interfaces.
    pub(crate) fn extra_rows(&self) -> impl Iterator<Item = &ExtraRow> {
        self.rows().flat_map(|row| match &row.control {
            Control::Extra { rows, .. } => rows.as_slice(),
            _ => &[],
        })
    }

    /// The first finding, for the foot bar's link.
    pub fn first(&self, severity: Severity) -> Option<&FindingView> {
        self.remarks.iter().find(|remark| remark.severity == severity)
    }

    /// The first error.
    pub(crate) fn first_error(&self) -> String {
        self.first(Severity::Error).map(|remark| remark.parameter.clone()).unwrap_or_default()
    }

    /// The first warning.
    pub(crate) fn first_warning(&self) -> String {
        self.first(Severity::Warning).map(|remark| remark.parameter.clone()).unwrap_or_default()
    }

    /// Adds what the page shows to its frame.
    pub fn frame(&self, frame: Frame) -> Frame {
        let mut frame = frame.with_count(crate::web::layout::Entry::Configuration, self.unsaved());
        frame.title = self.title();
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::super::effects::few;
    use super::super::findings::{fix_all, problem};
    use super::*;
    use crate::executor::protocol::ConfigurationView;
    use crate::facts::HostFacts;
    use crate::potconf::{Configuration, Document, PARAMETERS};
    use std::net::IpAddr;
    use std::sync::Arc;

    fn remark(message: &str) -> FindingView {
        problem("POT_NETWORK", message)
    }

    #[test]
    fn typing_on_in_a_wrong_value_is_not_announced_again() {
        let other = FindingView { code: "gateway-outside-network".to_owned(), ..remark("x") };
        assert_eq!(digest_of(&[remark("cannot be 10.2")]), digest_of(&[remark("cannot be 10.200")]));
        assert_ne!(digest_of(&[remark("cannot be 10.2")]), digest_of(&[other]));
        assert_ne!(digest_of(&[remark("cannot be 10.2")]), digest_of(&[]));
    }

    #[test]
    fn one_button_tells_each_value_once() {
        let finding = |code: &str, name: &str, value: &str| Finding::error(code, &[name], "x").fixed_by(name, value);
        let twice = [finding("a", "POT_GATEWAY", "10.0.0.1"), finding("b", "POT_GATEWAY", "10.0.0.1")];
        let view = fix_all(&twice).unwrap();
        assert_eq!((view.verb.as_str(), view.what.as_str()), ("Set it", "10.0.0.1"));
        let two = [twice[0].clone(), finding("c", "POT_NETMASK", "255.0.0.0")];
        assert_eq!(fix_all(&two).unwrap().verb, "Set both");
        let removal = [Finding::warning("d", &["POT_NETWORK_x"], "x").fixed_without("POT_NETWORK_x")];
        assert_eq!(fix_all(&removal).unwrap().verb, "Remove it");
        assert!(fix_all(&[Finding::notice("e", &["POT_DNS_IP"], "x").fixed_without("POT_DNS_IP")]).is_none());
    }

    /// The page of an operator, on defaults of pot and this pot.conf.
    fn context(own: &str, facts: Option<HostFacts>) -> PageContext {
        let default: String = PARAMETERS.iter().map(|known| format!("{}={}\n", known.name, known.default)).collect();
        let read = |text: &str| Document::parse(text.as_bytes()).unwrap();
        let configuration = Configuration::new(read(&default), read(own));
        let view = ConfigurationView {
            own: own.as_bytes().to_vec(),
            default: default.into_bytes(),
            exists: true,
            digest: configuration.own().digest(),
            path: "/usr/local/etc/pot/pot.conf".to_owned(),
            default_path: "/usr/local/etc/pot/pot.default.conf".to_owned(),
            modified: None,
        };
        PageContext {
            view: Arc::new(view),
            configuration: Arc::new(configuration),
            facts: facts.map(Arc::new),
            refreshing: false,
            state: None,
            admin: None,
        }
    }

    #[test]
    fn a_switch_says_yes_and_a_facility_in_capital_letters_stays_as_it_is_written() {
        let context = context("POT_LOG_FACILITY=LOCAL2\n", None);
        let form = FormView::build(
            &context,
            &FormEdits::default(),
            &context.review(&FormEdits::default()),
            true,
            true,
            &BTreeSet::new(),
        );
        let control = |name: &str| &form.rows().find(|row| row.name == name).unwrap().control;
        assert!(matches!(control("POT_ISOLATE_VNET_POTS"), Control::Check { on: false, label: "yes" }));
        let Control::Select { choices, other: false } = control("POT_LOG_FACILITY") else {
            panic!("no list of facilities")
        };
        let chosen: Vec<&str> = choices.iter().filter(|one| one.chosen).map(|one| one.label.as_str()).collect();
        assert_eq!(chosen, ["LOCAL2"], "neither unknown nor another");
        assert!(!choices.iter().any(|one| ["local2", "kern", "mark"].contains(&one.value.as_str())));
    }

    #[test]
    fn the_note_on_saving_counts_the_pots_that_the_finding_counts() {
        use crate::facts::{Fact, Pot};
        let mut facts = HostFacts::unknown("not asked");
        let pot = |number: u8| Pot {
            name: format!("p{number}"),
            kind: "multi".to_owned(),
            network_type: if number < 3 { "public-bridge" } else { "private-bridge" }.to_owned(),
            addresses: vec![IpAddr::from([10, 192, 0, number + 3])],
            bridge: None,
            running: None,
            exports: Vec::new(),
        };
        facts.pots = Fact::known((0..5).map(pot).collect(), "test");
        let context = context("", Some(facts));
        let form = crate::web::visitor::Form(vec![("POT_NETWORK".to_owned(), "10.200.0.0/16".to_owned())]);
        let edits = FormEdits::of_form(&form, &context.configuration);
        let form = FormView::build(&context, &edits, &context.review(&edits), true, true, &BTreeSet::new());
        assert!(
            form.effects.iter().any(|words| words.starts_with("5 pots (p0, p1, p2 and 2 more) keep")),
            "{:?}",
            form.effects
        );
        let found = form.remarks.iter().find(|remark| remark.code == "pots-outside-network").unwrap();
        assert!(found.message.starts_with("The pots p0, p1, p2, p3 and p4 have"), "{}", found.message);
    }

    #[test]
    fn the_rail_does_not_list_all_pots_of_a_host() {
        assert_eq!(few(&["a", "b", "c", "d"]), "a, b, c and d");
        assert_eq!(few(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
