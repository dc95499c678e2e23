//! The configuration page as data: groups of rows with their control, source and answer, and the rail beside them.

use super::draft::{Applied, Draft, EXTRA};
use crate::diff::Diff;
use crate::digest::Digest;
use crate::executor::protocol::ConfigurationView;
use crate::facility;
use crate::facts::{HostFacts, Interface};
use crate::potconf::{
    Configuration, Document, EditAction, Group, Kind, Name, PARAMETERS, Parameter, Setting, Source, extra_interface,
};
use crate::refusal::Conflict;
use crate::rules::{self, Finding, Fix, Severity, limits};
use crate::web::layout::{Frame, Words, counted};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Both files as they stand and what is known of the host.
pub struct Ground {
    /// The files and their digest.
    pub view: ConfigurationView,
    /// The files, read.
    pub configuration: Configuration,
    /// The host; none until the first gathering ended.
    pub facts: Option<Box<HostFacts>>,
    /// The address of the browser that asks.
    pub admin: Option<IpAddr>,
}

impl Ground {
    /// What the rules find on a configuration, here and now.
    fn findings(&self, configuration: &Configuration) -> Vec<Finding> {
        rules::check(&self.subject(configuration))
    }

    fn subject<'a>(&'a self, configuration: &'a Configuration) -> rules::Subject<'a> {
        rules::Subject::new(configuration).on(self.facts.as_deref()).asked_from(self.admin)
    }

    /// The configuration that a draft would make, and what cannot be written.
    pub fn with(&self, draft: &Draft) -> (Applied, Configuration) {
        let applied = draft.apply(&self.configuration);
        let after = Configuration::new(self.configuration.default_document().clone(), applied.document.clone());
        (applied, after)
    }

    /// What the rules find on what a draft would make.
    pub fn findings_with(&self, draft: &Draft) -> Vec<Finding> {
        let (_, after) = self.with(draft);
        self.findings(&after)
    }

    fn interfaces(&self) -> &[Interface] {
        self.facts.as_ref().and_then(|facts| facts.interfaces.get()).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether `pot init` has made its dataset.
    fn is_initialised(&self) -> bool {
        let root = self.configuration.value("POT_ZFS_ROOT").unwrap_or_default();
        self.facts
            .as_ref()
            .and_then(|facts| facts.datasets.get())
            .is_some_and(|datasets| datasets.iter().any(|dataset| dataset.name == root))
    }
}

/// One choice of a select or a row of radio buttons.
pub struct Choice {
    pub value: String,
    pub label: String,
    pub chosen: bool,
}

/// How a parameter's value is edited.
pub enum Control {
    /// One line.
    Text { value: String, placeholder: String, decimal: bool },
    /// Several lines, one entry each.
    Area { value: String, rows: usize },
    /// One of what the host offers.
    Select { choices: Vec<Choice> },
    /// One of a few.
    Radio { choices: Vec<Choice> },
    /// Yes or no.
    Check { on: bool, label: &'static str },
    /// Further interfaces with their networks.
    Extra { rows: Vec<ExtraRow>, other: String },
    /// Computed in the file: the text as it stands.
    Fixed { raw: String, line: Option<usize>, reason: String },
    /// For those who may not change it.
    Plain { value: String },
}

/// One further interface.
pub struct ExtraRow {
    pub interface: String,
    /// The parameter of its network.
    pub network: String,
    pub chosen: bool,
    pub value: String,
    pub was: String,
    /// Whether the network can be edited.
    pub editable: bool,
    pub answer: Answer,
    pub back: bool,
    pub autofocus: bool,
}

/// A parameter's row.
pub struct Row {
    pub name: String,
    pub label: String,
    pub about: String,
    pub control: Control,
    /// The value the control was made with, for `was.NAME`; none when there is no control.
    pub was: Option<String>,
    pub source: SourceView,
    pub answer: Answer,
    pub default: Option<String>,
    pub allowed: Option<&'static str>,
    pub since: String,
    pub read_by: String,
    pub deprecated: bool,
    /// Whether "Back to default" makes sense.
    pub resettable: bool,
    /// Whether the draft takes it back to the default: carried on as a hidden field.
    pub back: bool,
    pub autofocus: bool,
}

impl ExtraRow {
    /// Whether its network has an error.
    pub fn is_wrong(&self) -> bool {
        self.answer.is_wrong()
    }
}

impl Row {
    /// Whether its value has an error.
    pub fn is_wrong(&self) -> bool {
        self.answer.is_wrong()
    }

    /// The name with places where a line may break.
    pub fn breakable(&self) -> Vec<&str> {
        self.name.split_inclusive('_').collect()
    }

    /// Whether it fills the whole width.
    pub fn is_wide(&self) -> bool {
        matches!(self.control, Control::Extra { .. })
    }

    /// Whether several controls share the name: a fieldset instead of a label.
    pub fn is_fieldset(&self) -> bool {
        matches!(self.control, Control::Extra { .. } | Control::Radio { .. })
    }

    /// Whether a single control carries the name.
    pub fn is_labelled(&self) -> bool {
        matches!(
            self.control,
            Control::Text { .. } | Control::Area { .. } | Control::Select { .. } | Control::Check { .. }
        )
    }
}

/// Where a value comes from, and what it was before the change.
pub struct SourceView {
    /// "default", "pot.conf, line 31".
    pub text: String,
    /// The value that the change replaces; none when nothing changes.
    pub was: Option<String>,
    /// The change takes the line away.
    pub to_default: bool,
    /// The field was emptied and nothing is there to take away.
    pub emptied: bool,
    /// Whether the one signed in may undo.
    pub undo: bool,
    pub name: String,
}

/// What stands beside a value: findings in place of the reading.
#[derive(Default)]
pub struct Answer {
    pub reading: String,
    pub findings: Vec<Remark>,
    /// Findings that stand elsewhere and name this parameter, too.
    pub elsewhere: Vec<(Severity, String)>,
}

impl Answer {
    fn is_wrong(&self) -> bool {
        self.findings.iter().any(|remark| remark.severity == Severity::Error)
    }
}

/// A finding as it is shown.
pub struct Remark {
    /// Which rule speaks.
    pub code: String,
    pub severity: Severity,
    pub message: String,
    /// It speaks of this field alone: grey while one is still typing.
    pub own: bool,
    pub fix: Option<FixView>,
    /// Where it stands.
    pub parameter: String,
}

impl Remark {
    /// The message with code in it.
    pub fn words(&self) -> Words<'_> {
        Words(&self.message)
    }

    /// The message behind the link to its parameter, whose name it need not repeat.
    pub fn after_link(&self) -> Words<'_> {
        Words(self.message.strip_prefix(self.parameter.as_str()).unwrap_or(&self.message))
    }

    /// "is-error".
    pub fn class(&self) -> &'static str {
        severity_class(self.severity)
    }
}

/// A fix button.
pub struct FixView {
    /// What the button sends.
    pub key: String,
    /// "Set", "Set both", "Remove".
    pub verb: String,
    /// The values or names.
    pub what: String,
}

/// The class of a severity's colour.
pub fn severity_class(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "is-error",
        Severity::Warning => "is-warn",
        Severity::Notice => "is-notice",
    }
}

/// A group of rows.
pub struct GroupView {
    pub id: &'static str,
    pub label: &'static str,
    pub rows: Vec<Row>,
    pub open: bool,
    /// The values in one line, for when it is closed.
    pub gist: String,
    pub tally: String,
}

/// A line of pot.conf that sets something that is no parameter of pot.
pub struct Other {
    pub name: String,
    pub text: String,
    pub line: Option<usize>,
    pub findings: Vec<Remark>,
}

/// Everything that the page shows.
pub struct Sheet {
    pub groups: Vec<GroupView>,
    pub others: Vec<Other>,
    pub remarks: Vec<Remark>,
    /// Findings that belong to no row: syntax, commands, …
    pub loose: Vec<Remark>,
    pub diff: Diff,
    pub problems: BTreeMap<String, String>,
    pub changes: usize,
    pub errors: usize,
    /// How many of the errors saving would bring about: what it must be asked about.
    pub brought: usize,
    pub warnings: usize,
    pub notices: usize,
    pub fix_all: Option<FixView>,
    pub effects: Vec<String>,
    /// Digest of the set of findings, to announce it only when it changed.
    pub digest: String,
    pub subtitle: Subtitle,
}

/// "3 of 23 parameters are set in …".
pub struct Subtitle {
    pub set: usize,
    pub computed: usize,
    pub all: usize,
}

impl Sheet {
    /// Builds the page from the ground and the draft.
    pub fn build(ground: &Ground, draft: &Draft, may_change: bool, open_all: bool, focus: &BTreeSet<String>) -> Self {
        let (Applied { document, problems }, after) = ground.with(draft);
        let mut findings = ground.findings(&after);
        // A value that can never be saved says so itself; the rules' words on the same value would only repeat it.
        findings.retain(|finding| {
            finding.severity != Severity::Error
                || finding.parameters.len() != 1
                || !finding.parameters.iter().any(|name| problems.contains_key(name))
        });
        let readings = rules::readings(&ground.subject(&after));
        let mut builder = Builder {
            ground,
            draft,
            after: &after,
            findings: &findings,
            problems: &problems,
            readings: &readings,
            may_change,
            focus,
        };
        let groups = builder.groups(open_all);
        let others = builder.others();
        let remarks = builder.remarks();
        let loose = builder.loose(&groups, &others);
        let count = |severity| remarks.iter().filter(|remark| remark.severity == severity).count();
        let (errors, warnings, notices) = (count(Severity::Error), count(Severity::Warning), count(Severity::Notice));
        let brought = if errors == 0 || draft.is_empty() {
            0
        } else {
            let before = ground.findings(&ground.configuration);
            rules::errors_brought(&before, &findings, |name| draft.wanted(name).is_some()).count()
        };
        let settings = ground.configuration.settings();
        let own = |setting: &&Setting| setting.source == Source::PotConf && rules_know(&setting.name);
        Self {
            diff: Diff::between(&ground.view.path, ground.configuration.own().bytes(), document.bytes()),
            changes: draft.len(),
            fix_all: fix_all(&findings),
            effects: effects(ground, draft, &after),
            digest: digest_of(&remarks),
            subtitle: Subtitle {
                set: settings.iter().filter(own).filter(|setting| setting.editable).count(),
                computed: settings.iter().filter(own).filter(|setting| !setting.editable).count(),
                all: settings.iter().filter(|setting| rules_know(&setting.name)).count(),
            },
            errors,
            brought,
            warnings,
            notices,
            problems,
            groups,
            others,
            remarks,
            loose,
        }
    }

    /// "1 error, 1 warning"; empty when there is nothing.
    pub fn tally(&self) -> String {
        let mut parts = Vec::new();
        for (count, one, many) in [
            (self.errors, "error", "errors"),
            (self.warnings, "warning", "warnings"),
            (self.notices, "notice", "notices"),
        ] {
            if count > 0 {
                parts.push(counted(count, one, many));
            }
        }
        parts.join(", ")
    }

    /// "3 changes", "No changes".
    pub fn changes_text(&self) -> String {
        match self.changes {
            0 => "No changes".to_owned(),
            count => counted(count, "change", "changes"),
        }
    }

    /// What the save button says.
    pub fn save_text(&self) -> String {
        match (self.changes, self.brought) {
            // Pressing it says which value can never be saved.
            _ if self.never() => "Save".to_owned(),
            (0, _) => "Save".to_owned(),
            (changes, 0) => format!("Save {}", counted(changes, "change", "changes")),
            (_, errors) => format!("Save with {}…", counted(errors, "error", "errors")),
        }
    }

    /// What is said aloud when the findings changed.
    pub fn announcement(&self) -> String {
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
    pub fn unsaved(&self) -> String {
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
    pub fn extra_rows(&self) -> impl Iterator<Item = &ExtraRow> {
        self.rows().flat_map(|row| match &row.control {
            Control::Extra { rows, .. } => rows.as_slice(),
            _ => &[],
        })
    }

    /// The first finding, for the foot bar's link.
    pub fn first(&self, severity: Severity) -> Option<&Remark> {
        self.remarks.iter().find(|remark| remark.severity == severity)
    }

    /// The first error.
    pub fn first_error(&self) -> String {
        self.first(Severity::Error).map(|remark| remark.parameter.clone()).unwrap_or_default()
    }

    /// The first warning.
    pub fn first_warning(&self) -> String {
        self.first(Severity::Warning).map(|remark| remark.parameter.clone()).unwrap_or_default()
    }

    /// Adds what the page shows to its frame.
    pub fn frame(&self, frame: Frame) -> Frame {
        let mut frame = frame.with_count(crate::web::layout::Entry::Configuration, self.unsaved());
        frame.title = self.title();
        frame
    }
}

/// A parameter of pot, or of the family of networks of further interfaces.
fn rules_know(name: &str) -> bool {
    crate::potconf::parameter(name).is_some() || extra_interface(name).is_some()
}

/// Which rules speak of which parameters. Their words may name the value: whoever types on at a field that is wrong
/// already is not told so again with every letter.
fn digest_of(remarks: &[Remark]) -> String {
    let pieces = remarks.iter().flat_map(|remark| [remark.parameter.as_bytes(), b"\0", remark.code.as_bytes(), b"\0"]);
    Digest::of_all(pieces).hex().chars().take(12).collect()
}

/// What a fix button of this finding sends: the code and the parameter, because a code can stand twice.
pub fn fix_key(finding: &Finding) -> String {
    format!("{}@{}", finding.code, finding.parameters.first().map_or("", String::as_str))
}

fn fix_view(finding: &Finding) -> Option<FixView> {
    let fix = finding.fix.as_ref()?;
    let key = fix_key(finding);
    let (set, unset): (Vec<_>, Vec<_>) = (fix.set.iter().collect(), fix.unset.iter().collect());
    let view = match (set.as_slice(), unset.as_slice()) {
        ([(name, value)], []) => {
            let verb =
                if finding.parameters.first() == Some(*name) { "Set".to_owned() } else { format!("Set {name} to") };
            FixView { key, verb, what: (*value).clone() }
        }
        ([], [name]) => FixView { key, verb: "Remove".to_owned(), what: (*name).clone() },
        ([], names) => FixView { key, verb: "Remove".to_owned(), what: join(names.iter().map(|name| name.as_str())) },
        (values, _) => {
            FixView { key, verb: "Set".to_owned(), what: join(values.iter().map(|(_, value)| value.as_str())) }
        }
    };
    Some(view)
}

fn fix_all(findings: &[Finding]) -> Option<FixView> {
    let fixes: Vec<&Fix> = findings
        .iter()
        .filter(|finding| finding.severity != Severity::Notice)
        .filter_map(|finding| finding.fix.as_ref())
        .collect();
    // Two findings may want the same of the same parameter: it is told once.
    let mut named = BTreeSet::new();
    let values: Vec<&str> = fixes
        .iter()
        .flat_map(|fix| {
            let set = fix.set.iter().map(|(name, value)| (name, value.as_str()));
            set.chain(fix.unset.iter().map(|name| (name, name.as_str())))
        })
        .filter(|(name, _)| named.insert(*name))
        .map(|(_, what)| what)
        .collect();
    let verb = if fixes.iter().all(|fix| fix.set.is_empty()) { "Remove" } else { "Set" };
    let what = match values.len() {
        0 => return None,
        1 => "it".to_owned(),
        2 => "both".to_owned(),
        count => format!("all {count}"),
    };
    Some(FixView { key: "all".to_owned(), verb: format!("{verb} {what}"), what: join(values.into_iter()) })
}

/// "a", "a and b", "a, b and c".
pub fn join<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// "a, b, c and 27 more": the rail has no room for all pots of a host.
fn few(names: &[&str]) -> String {
    match names.split_at_checked(3) {
        Some((first, rest)) if rest.len() > 1 => {
            let more = format!("{} more", rest.len());
            join(first.iter().copied().chain([more.as_str()]))
        }
        _ => join(names.iter().copied()),
    }
}

/// What the parameter is after the draft, as the form shows it.
fn shown_value(setting: &Setting, draft: &Draft) -> String {
    match draft.wanted(&setting.name) {
        Some(EditAction::Set(value)) => value.clone(),
        Some(EditAction::Unset) => setting.default.clone().unwrap_or_default(),
        None => setting.value.clone().unwrap_or_default(),
    }
}

/// What saving would mean for what runs.
fn effects(ground: &Ground, draft: &Draft, after: &Configuration) -> Vec<String> {
    let changes = |names: &[&str]| names.iter().any(|name| draft.wanted(name).is_some());
    let mut effects = Vec::new();
    if draft.is_empty() {
        return effects;
    }
    let network = changes(&[
        "POT_NETWORK",
        "POT_NETMASK",
        "POT_GATEWAY",
        "POT_EXTIF",
        "POT_EXTIF_ADDR",
        EXTRA,
        "POT_VPN_EXTIF",
        "POT_VPN_NETWORKS",
        "POT_NETWORK_STACK",
    ]) || draft.names().any(|name| extra_interface(name).is_some());
    effects.push(if network {
        "The running network stays as it is until `pot vnet-start` runs again.".to_owned()
    } else {
        "pot reads it at its next call; nothing that runs is touched.".to_owned()
    });
    let pots = ground.facts.as_ref().and_then(|facts| facts.pots.get()).map(Vec::as_slice).unwrap_or_default();
    let network_after: Option<ipnet::Ipv4Net> = after.value("POT_NETWORK").and_then(|value| value.parse().ok());
    if changes(&["POT_NETWORK", "POT_NETMASK", "POT_GATEWAY"])
        && let Some(network) = network_after
    {
        let stranded = crate::facts::pots_outside(pots, network);
        match stranded.as_slice() {
            [] => {}
            [one] => effects.push(format!(
                "{one} keeps its address outside the new network: it reaches nothing outside once that is started."
            )),
            many => effects.push(format!(
                "{} keep addresses outside the new network: they reach nothing outside once that is started.",
                few(many)
            )),
        }
    }
    if changes(&["POT_ZFS_ROOT", "POT_FS_ROOT"]) && !pots.is_empty() {
        effects.push(format!("pot will no longer find {} below the old place.", counted(pots.len(), "pot", "pots")));
    }
    effects
}

struct Builder<'a> {
    ground: &'a Ground,
    draft: &'a Draft,
    after: &'a Configuration,
    findings: &'a [Finding],
    problems: &'a BTreeMap<String, String>,
    readings: &'a BTreeMap<String, String>,
    may_change: bool,
    focus: &'a BTreeSet<String>,
}

impl Builder<'_> {
    /// All findings in order, what can never be saved first.
    fn remarks(&self) -> Vec<Remark> {
        let never = self.problems.iter().map(|(name, message)| problem(name, message));
        never.chain(self.findings.iter().map(|finding| self.remark(finding))).collect()
    }

    fn remark(&self, finding: &Finding) -> Remark {
        Remark {
            code: finding.code.clone(),
            severity: finding.severity,
            message: finding.message.clone(),
            own: finding.parameters.len() == 1,
            fix: if self.may_change { fix_view(finding) } else { None },
            parameter: finding.parameters.first().cloned().unwrap_or_default(),
        }
    }

    fn answer(&self, name: &str) -> Answer {
        let never = self.problems.get(name).map(|message| problem(name, message));
        let found =
            self.findings.iter().filter(|finding| finding.parameters.first().is_some_and(|first| first == name));
        let elsewhere = self
            .findings
            .iter()
            .filter(|finding| finding.severity != Severity::Notice)
            .filter(|finding| finding.parameters.iter().skip(1).any(|other| other == name))
            .filter_map(|finding| Some((finding.severity, finding.parameters.first()?.clone())));
        let mut named = BTreeSet::new();
        Answer {
            reading: self.readings.get(name).cloned().unwrap_or_default(),
            findings: never.into_iter().chain(found.map(|finding| self.remark(finding))).collect(),
            elsewhere: elsewhere.filter(|(_, first)| first != name && named.insert(first.clone())).collect(),
        }
    }

    fn groups(&mut self, open_all: bool) -> Vec<GroupView> {
        Group::ALL.iter().map(|group| self.group(*group, open_all)).collect()
    }

    fn group(&self, group: Group, open_all: bool) -> GroupView {
        let rows: Vec<Row> = PARAMETERS
            .iter()
            .filter(|parameter| parameter.group == group)
            .map(|parameter| self.row(parameter))
            .collect();
        let mut names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
        if group == Group::Network {
            names.extend(rows.iter().flat_map(|row| match &row.control {
                Control::Extra { rows, .. } => rows.iter().map(|row| row.network.clone()).collect(),
                _ => Vec::new(),
            }));
        }
        let settings: Vec<Setting> = names.iter().map(|name| self.ground.configuration.setting(name)).collect();
        let count = |predicate: &dyn Fn(&Setting) -> bool| settings.iter().filter(|setting| predicate(setting)).count();
        let changed = count(&|setting| self.draft.wanted(&setting.name).is_some());
        let set = count(&|setting| setting.source == Source::PotConf && setting.editable);
        let computed = count(&|setting| setting.source == Source::PotConf && !setting.editable);
        let errors = self.in_group(&names, Severity::Error)
            + names.iter().filter(|name| self.problems.contains_key(*name)).count();
        let warnings = self.in_group(&names, Severity::Warning);
        let mut tally = Vec::new();
        for (count, one, many) in [(errors, "error", "errors"), (warnings, "warning", "warnings")] {
            if count > 0 {
                tally.push(counted(count, one, many));
            }
        }
        for (count, word) in [(changed, "changed"), (set, "set"), (computed, "computed")] {
            if count > 0 {
                tally.push(format!("{count} {word}"));
            }
        }
        if tally.is_empty() {
            tally.push(counted(rows.len(), "default", "defaults"));
        }
        let early = !self.ground.is_initialised() && matches!(group, Group::FileSystem | Group::Network);
        GroupView {
            id: match group {
                Group::FileSystem => "file-system",
                Group::Network => "network",
                Group::Vpn => "vpn",
                Group::Dns => "dns",
                Group::Other => "other",
            },
            label: group.label(),
            open: open_all || early || changed + set + computed + errors + warnings > 0,
            gist: self.gist(group),
            tally: tally.join(", "),
            rows,
        }
    }

    fn in_group(&self, names: &[String], severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .filter(|finding| finding.parameters.first().is_some_and(|first| names.contains(first)))
            .count()
    }

    /// The values in one line; names of parameters' values as code.
    fn gist(&self, group: Group) -> String {
        let value = |name: &str| match self.after.value(name) {
            Some(value) if !value.is_empty() => format!("`{value}`"),
            Some(_) => "empty".to_owned(),
            None => "computed".to_owned(),
        };
        match group {
            Group::FileSystem => {
                format!("{} at {}, cache {}", value("POT_ZFS_ROOT"), value("POT_FS_ROOT"), value("POT_CACHE"))
            }
            Group::Network => {
                format!("{} behind {}, gateway {}", value("POT_NETWORK"), value("POT_EXTIF"), value("POT_GATEWAY"))
            }
            Group::Vpn => match self.after.value("POT_VPN_EXTIF") {
                None | Some("") => "not used".to_owned(),
                Some(_) => format!("{} behind {}", value("POT_VPN_NETWORKS"), value("POT_VPN_EXTIF")),
            },
            Group::Dns => {
                let own = |name: &str| self.after.setting(name).source == Source::PotConf;
                if own("POT_DNS_NAME") || own("POT_DNS_IP") {
                    format!("deprecated, {} at {}", value("POT_DNS_NAME"), value("POT_DNS_IP"))
                } else {
                    "deprecated, not used".to_owned()
                }
            }
            Group::Other => format!("syslog facility {}", value("POT_LOG_FACILITY")),
        }
    }

    fn row(&self, parameter: &'static Parameter) -> Row {
        let setting = self.ground.configuration.setting(parameter.name);
        let control = self.control(parameter, &setting);
        let was = match &control {
            Control::Fixed { .. } | Control::Plain { .. } => None,
            _ => self.may_change.then(|| setting.value.clone().unwrap_or_default()),
        };
        let back = self.draft.wanted(parameter.name) == Some(&EditAction::Unset);
        Row {
            name: parameter.name.to_owned(),
            label: parameter.label.to_owned(),
            about: parameter.about.to_owned(),
            source: self.source(parameter.name, &setting),
            answer: self.row_answer(parameter.name, &control),
            default: setting.default.clone(),
            allowed: limits::grammar(parameter.name),
            since: parameter.since.to_owned(),
            read_by: parameter.read_by.to_owned(),
            deprecated: parameter.deprecated,
            resettable: self.may_change && setting.editable,
            back,
            autofocus: self.focus.contains(parameter.name),
            was,
            control,
        }
    }

    /// The list of further interfaces says nothing that the line of each one says already.
    fn row_answer(&self, name: &str, control: &Control) -> Answer {
        let mut answer = self.answer(name);
        if let Control::Extra { rows, .. } = control {
            answer.elsewhere.retain(|(_, first)| !rows.iter().any(|row| row.network == *first));
            if rows.iter().any(|row| row.chosen) {
                answer.reading.clear();
            }
        }
        answer
    }

    fn source(&self, name: &str, setting: &Setting) -> SourceView {
        let mut text = match setting.source {
            Source::Default | Source::Unset => "default".to_owned(),
            Source::PotConf => match setting.line {
                Some(line) => format!("pot.conf, line {line}"),
                None => "pot.conf".to_owned(),
            },
        };
        if !setting.editable {
            text.push_str(", read-only here");
        }
        // With the list of interfaces change their networks.
        let networks_change = name == EXTRA && self.draft.names().any(|name| extra_interface(name).is_some());
        let wanted = self.draft.wanted(name);
        let changed = wanted.is_some() || networks_change;
        SourceView {
            text,
            was: changed.then(|| setting.value.clone().unwrap_or_default()),
            to_default: wanted == Some(&EditAction::Unset),
            emptied: self.draft.is_emptied(name) && wanted.is_none(),
            undo: self.may_change,
            name: name.to_owned(),
        }
    }

    fn control(&self, parameter: &'static Parameter, setting: &Setting) -> Control {
        if !setting.editable {
            return Control::Fixed {
                raw: setting.raw.clone().unwrap_or_else(|| setting.value.clone().unwrap_or_default()),
                line: setting.line,
                reason: setting.reason.clone().unwrap_or_default(),
            };
        }
        let value = shown_value(setting, self.draft);
        if parameter.name == EXTRA {
            let rows = self.extra_rows(&value);
            let other = value
                .split_whitespace()
                .filter(|one| !rows.iter().any(|row| row.interface == *one))
                .collect::<Vec<_>>()
                .join(" ");
            return Control::Extra { rows, other };
        }
        if !self.may_change {
            return Control::Plain { value };
        }
        let text = |value: String| Control::Text {
            value,
            placeholder: match setting.default.as_deref() {
                None | Some("") => "empty".to_owned(),
                Some(default) => format!("{default} (default)"),
            },
            decimal: parameter.kind == Kind::Number,
        };
        match parameter.kind {
            Kind::Interface if !self.ground.interfaces().is_empty() => {
                let may_be_empty = parameter.default.is_empty();
                let offered = self
                    .ground
                    .interfaces()
                    .iter()
                    .filter(|interface| offered(interface))
                    .map(|interface| (interface.name.clone(), interface.name.clone()));
                let nothing = may_be_empty.then(|| (String::new(), "none".to_owned()));
                Control::Select { choices: choices(nothing.into_iter().chain(offered), &value, "not on this host") }
            }
            Kind::Facility => {
                let present = facility::named(&value);
                let known = facility::NAMES.into_iter().filter(|name| facility::is_for_programs(name));
                // The same in capital letters stays as it is written.
                let written = |name: &str| if present == Some(name) { value.clone() } else { name.to_owned() };
                let mut known: Vec<_> = known.map(|name| (written(name), written(name))).collect();
                // pot's own default is a local one, and so is nearly every wish.
                known.sort_by_key(|(name, _)| {
                    let name = name.to_ascii_lowercase();
                    (!name.starts_with("local"), name)
                });
                let strange = if present.is_some() { "not for programs" } else { "unknown to syslog" };
                Control::Select { choices: choices(known.into_iter(), &value, strange) }
            }
            Kind::Stack => {
                let known = ["ipv4", "ipv6", "dual"].iter().map(|name| ((*name).to_owned(), (*name).to_owned()));
                Control::Radio { choices: choices(known, &value, "unknown to pot") }
            }
            Kind::Boolean => match limits::boolean(&value) {
                Some(on) => Control::Check { on, label: "yes" },
                None => text(value),
            },
            Kind::NetworkList => {
                let entries: Vec<&str> = value.split_whitespace().collect();
                Control::Area { rows: entries.len().clamp(1, 6) + 1, value: entries.join("\n") }
            }
            _ => text(value),
        }
    }

    fn extra_rows(&self, chosen: &str) -> Vec<ExtraRow> {
        let chosen: Vec<&str> = chosen.split_whitespace().collect();
        let extif = self.after.value("POT_EXTIF").unwrap_or_default();
        let mut names: Vec<String> = self
            .ground
            .interfaces()
            .iter()
            .filter(|interface| offered(interface) && interface.name != extif)
            .map(|interface| interface.name.clone())
            .collect();
        let settings = self.ground.configuration.settings();
        let with_network = settings.iter().filter_map(|setting| extra_interface(&setting.name)).map(str::to_owned);
        let wanted_network = self.draft.names().filter_map(extra_interface).map(str::to_owned);
        for one in chosen.iter().map(|one| (*one).to_owned()).chain(with_network).chain(wanted_network) {
            if !names.contains(&one) {
                names.push(one);
            }
        }
        names
            .into_iter()
            .filter_map(|interface| {
                // An interface whose name cannot stand in a shell variable stays in the free line.
                let network = Name::for_interface(&interface).ok()?.as_str().to_owned();
                let setting = self.ground.configuration.setting(&network);
                Some(ExtraRow {
                    chosen: chosen.contains(&interface.as_str()),
                    value: shown_value(&setting, self.draft),
                    was: setting.value.clone().unwrap_or_default(),
                    editable: setting.editable && self.may_change,
                    answer: self.answer(&network),
                    back: self.draft.wanted(&network) == Some(&EditAction::Unset),
                    autofocus: self.focus.contains(&network),
                    interface,
                    network,
                })
            })
            .collect()
    }

    /// Names in pot.conf that pot does not know.
    fn others(&self) -> Vec<Other> {
        let own: &Document = self.ground.configuration.own();
        let bytes = String::from_utf8_lossy(own.bytes());
        let lines: Vec<&str> = bytes.lines().collect();
        self.ground
            .configuration
            .settings()
            .into_iter()
            .filter(|setting| setting.source == Source::PotConf && !rules_know(&setting.name))
            .map(|setting| Other {
                text: setting
                    .line
                    .and_then(|line| lines.get(line.checked_sub(1)?).map(|text| (*text).to_owned()))
                    .or_else(|| setting.value.clone())
                    .unwrap_or_default(),
                line: setting.line,
                findings: self.answer(&setting.name).findings,
                name: setting.name,
            })
            .collect()
    }

    /// Findings that stand at no row.
    fn loose(&self, groups: &[GroupView], others: &[Other]) -> Vec<Remark> {
        let mut shown: BTreeSet<&str> =
            groups.iter().flat_map(|group| &group.rows).map(|row| row.name.as_str()).collect();
        shown.extend(others.iter().map(|other| other.name.as_str()));
        for row in groups.iter().flat_map(|group| &group.rows) {
            if let Control::Extra { rows, .. } = &row.control {
                shown.extend(rows.iter().map(|row| row.network.as_str()));
            }
        }
        self.remarks().into_iter().filter(|remark| !shown.contains(remark.parameter.as_str())).collect()
    }
}

fn problem(name: &str, message: &str) -> Remark {
    Remark {
        code: "limit".to_owned(),
        severity: Severity::Error,
        message: format!("{message}. It cannot be saved."),
        own: true,
        fix: None,
        parameter: name.to_owned(),
    }
}

/// Interfaces that can be a way to the outside: no loopback, no bridge without an address, none of pot's own.
fn offered(interface: &Interface) -> bool {
    let own = ["pot", "epair", "pflog", "pfsync"];
    !interface.is_loopback()
        && (!interface.is_bridge() || !interface.addresses.is_empty())
        && !interface.groups.iter().any(|group| own.contains(&group.as_str()))
        && !own.iter().any(|prefix| interface.name.starts_with(prefix))
}

/// Choices with the present one always among them, so that a form never changes it by itself.
fn choices(known: impl Iterator<Item = (String, String)>, present: &str, strange: &str) -> Vec<Choice> {
    let mut choices: Vec<Choice> =
        known.map(|(value, label)| Choice { chosen: value == present, value, label }).collect();
    if !choices.iter().any(|choice| choice.chosen) {
        let label = if present.is_empty() { "empty".to_owned() } else { format!("{present} ({strange})") };
        choices.insert(0, Choice { value: present.to_owned(), label, chosen: true });
    }
    choices
}

/// A conflict in the words that admins know.
pub struct ConflictView {
    pub conflict: Conflict,
    pub when: String,
}

impl ConflictView {
    /// "pot.conf was changed by ben at 14:30 while you were editing. Nothing has been written."
    pub fn text(&self) -> String {
        let by = match &self.conflict.by {
            Some(name) => format!("by {name}"),
            None => "outside of this console".to_owned(),
        };
        let when = if self.when.is_empty() { String::new() } else { format!(" at {}", self.when) };
        format!("pot.conf was changed {by}{when} while you were editing. Nothing has been written.")
    }

    /// "POT_GATEWAY collides: ben's 10.200.0.254, yours 10.200.0.1."
    pub fn collisions(&self) -> Vec<String> {
        let whose = self.conflict.by.as_deref().map_or("the file’s".to_owned(), |name| format!("{name}’s"));
        let value = |value: &Option<String>| match value.as_deref() {
            None => "default".to_owned(),
            Some("") => "empty".to_owned(),
            Some(value) => value.to_owned(),
        };
        self.conflict
            .colliding
            .iter()
            .map(|one| format!("{} collides: {whose} {}, yours {}.", one.name, value(&one.theirs), value(&one.yours)))
            .collect()
    }

    /// "Your 2 other changes fit."
    pub fn fitting(&self) -> String {
        let other = if self.conflict.colliding.is_empty() { "" } else { "other " };
        match self.conflict.fitting {
            0 => String::new(),
            1 => format!("Your {other}change fits."),
            count => format!("Your {count} {other}changes fit."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remark(message: &str) -> Remark {
        problem("POT_NETWORK", message)
    }

    #[test]
    fn typing_on_in_a_wrong_value_is_not_announced_again() {
        let other = Remark { code: "gateway-outside-network".to_owned(), ..remark("x") };
        assert_eq!(digest_of(&[remark("cannot be 10.2")]), digest_of(&[remark("cannot be 10.200")]));
        assert_ne!(digest_of(&[remark("cannot be 10.2")]), digest_of(&[other]));
        assert_ne!(digest_of(&[remark("cannot be 10.2")]), digest_of(&[]));
    }

    #[test]
    fn one_button_tells_each_value_once() {
        let finding = |code: &str, name: &str, value: &str| Finding::error(code, &[name], "x").mended_by(name, value);
        let twice = [finding("a", "POT_GATEWAY", "10.0.0.1"), finding("b", "POT_GATEWAY", "10.0.0.1")];
        let view = fix_all(&twice).unwrap();
        assert_eq!((view.verb.as_str(), view.what.as_str()), ("Set it", "10.0.0.1"));
        let two = [twice[0].clone(), finding("c", "POT_NETMASK", "255.0.0.0")];
        assert_eq!(fix_all(&two).unwrap().verb, "Set both");
        let removal = [Finding::warning("d", &["POT_NETWORK_x"], "x").mended_without("POT_NETWORK_x")];
        assert_eq!(fix_all(&removal).unwrap().verb, "Remove it");
        assert!(fix_all(&[Finding::notice("e", &["POT_DNS_IP"], "x").mended_without("POT_DNS_IP")]).is_none());
    }

    /// The page of an operator, on defaults of pot and this pot.conf.
    fn ground(own: &str, facts: Option<HostFacts>) -> Ground {
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
        Ground { view, configuration, facts: facts.map(Box::new), admin: None }
    }

    #[test]
    fn a_switch_says_yes_and_a_facility_in_capital_letters_stays_as_it_is_written() {
        let ground = ground("POT_LOG_FACILITY=LOCAL2\n", None);
        let sheet = Sheet::build(&ground, &Draft::default(), true, true, &BTreeSet::new());
        let control = |name: &str| &sheet.rows().find(|row| row.name == name).unwrap().control;
        assert!(matches!(control("POT_ISOLATE_VNET_POTS"), Control::Check { on: false, label: "yes" }));
        let Control::Select { choices } = control("POT_LOG_FACILITY") else { panic!("no list of facilities") };
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
        };
        facts.pots = Fact::known((0..5).map(pot).collect(), "test");
        let ground = ground("", Some(facts));
        let form = crate::web::guard::Form(vec![("POT_NETWORK".to_owned(), "10.200.0.0/16".to_owned())]);
        let draft = Draft::of_form(&form, &ground.configuration);
        let sheet = Sheet::build(&ground, &draft, true, true, &BTreeSet::new());
        assert!(
            sheet.effects.iter().any(|words| words.starts_with("p0, p1, p2 and 2 more keep")),
            "{:?}",
            sheet.effects
        );
        let found = sheet.remarks.iter().find(|remark| remark.code == "pots-outside-network").unwrap();
        assert!(found.message.starts_with("The pots p0, p1, p2, p3 and p4 have"), "{}", found.message);
    }

    #[test]
    fn the_rail_does_not_list_all_pots_of_a_host() {
        assert_eq!(few(&["a", "b", "c", "d"]), "a, b, c and d");
        assert_eq!(few(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
