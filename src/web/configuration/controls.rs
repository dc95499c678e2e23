//! One row for each parameter: its control, where its value comes from, what it means.

use super::context::{PageContext, shown_value};
use super::findings::{FindingView, fix_view, problem};
use super::form_edits::{EXTRA, FormEdits};
use crate::facility;
use crate::facts::Interface;
use crate::host::{Topic, paragraph_about};
use crate::potconf::{
    Configuration, Document, EditAction, Group, Kind, Name, PARAMETERS, Parameter, Setting, Source, extra_interface,
};
use crate::rules::{Finding, Severity, limits};
use crate::web::layout::counted;
use std::collections::{BTreeMap, BTreeSet};

/// One choice of a select or a row of radio buttons.
pub(crate) struct Choice {
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
    /// One of a list. Names from the host may also be others, which are not there now: a tunnel that is down.
    Select { choices: Vec<Choice>, other: bool },
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
pub(crate) struct ExtraRow {
    pub interface: String,
    /// The parameter of its network.
    pub network: String,
    pub chosen: bool,
    pub value: String,
    pub was: String,
    /// Whether the network can be edited.
    pub editable: bool,
    pub answer: FieldFeedback,
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
    pub answer: FieldFeedback,
    pub default: Option<String>,
    pub allowed: Option<&'static str>,
    pub since: String,
    pub(crate) read_by: String,
    pub deprecated: bool,
    /// Whether "Back to default" makes sense.
    pub(crate) resettable: bool,
    /// Whether the edits takes it back to the default: carried on as a hidden field.
    pub back: bool,
    pub autofocus: bool,
    /// Networks that are free on this host, at POT_NETWORK.
    pub(crate) free: Vec<String>,
}

impl ExtraRow {
    /// Whether its network has an error.
    pub(crate) fn is_wrong(&self) -> bool {
        self.answer.is_wrong()
    }
}

impl Row {
    /// Whether its value has an error.
    pub(crate) fn is_wrong(&self) -> bool {
        self.answer.is_wrong()
    }

    /// The name with places where a line may break.
    pub(crate) fn breakable(&self) -> Vec<&str> {
        self.name.split_inclusive('_').collect()
    }

    /// Whether it fills the whole width.
    pub(crate) fn is_wide(&self) -> bool {
        matches!(self.control, Control::Extra { .. })
    }

    /// Whether several controls share the name: a fieldset instead of a label.
    pub(crate) fn is_fieldset(&self) -> bool {
        matches!(self.control, Control::Extra { .. } | Control::Radio { .. })
    }

    /// Whether a single control carries the name.
    pub(crate) fn is_labelled(&self) -> bool {
        matches!(
            self.control,
            Control::Text { .. } | Control::Area { .. } | Control::Select { .. } | Control::Check { .. }
        )
    }
}

/// Where a value comes from, and what it was before the change.
pub(crate) struct SourceView {
    /// "default", "pot.conf, line 31".
    pub text: String,
    /// The value that the change replaces; none when nothing changes.
    pub was: Option<String>,
    /// The change takes the line away.
    pub(crate) to_default: bool,
    /// The field was emptied and nothing is there to take away.
    pub emptied: bool,
    /// Whether the one signed in may undo.
    pub undo: bool,
    pub name: String,
}

/// What stands beside a value: findings in place of the reading.
#[derive(Default)]
pub(crate) struct FieldFeedback {
    pub reading: String,
    pub findings: Vec<FindingView>,
    /// Findings that stand elsewhere and name this parameter, too.
    pub elsewhere: Vec<(Severity, String)>,
    /// Other networks than the one that a finding's fix sets.
    pub(crate) instead: Vec<String>,
}

impl FieldFeedback {
    pub(super) fn is_wrong(&self) -> bool {
        self.findings.iter().any(|remark| remark.severity == Severity::Error)
    }
}

pub(super) struct Builder<'a> {
    pub(super) context: &'a PageContext,
    pub(super) edits: &'a FormEdits,
    pub(super) after: &'a Configuration,
    pub(super) findings: &'a [Finding],
    pub(super) problems: &'a BTreeMap<String, String>,
    pub(super) readings: &'a BTreeMap<String, String>,
    /// Networks that are free on this host.
    pub(super) free: &'a [String],
    /// The finding whose fix ends a value that can never be saved, by its parameter.
    pub(super) fixable: &'a BTreeMap<String, Finding>,
    pub(super) may_change: bool,
    pub(super) focus: &'a BTreeSet<String>,
}

impl Builder<'_> {
    /// All findings in order, what can never be saved first.
    pub(super) fn remarks(&self) -> Vec<FindingView> {
        let never = self.problems.iter().map(|(name, message)| self.problem(name, message));
        never.chain(self.findings.iter().map(|finding| self.remark(finding))).collect()
    }

    fn problem(&self, name: &str, message: &str) -> FindingView {
        let fix = self.fixable.get(name).filter(|_| self.may_change).and_then(fix_view);
        FindingView { fix, ..problem(name, message) }
    }

    pub(super) fn remark(&self, finding: &Finding) -> FindingView {
        FindingView {
            code: finding.code.clone(),
            severity: finding.severity,
            message: finding.message.clone(),
            own: finding.parameters.len() == 1,
            fix: if self.may_change { fix_view(finding) } else { None },
            parameter: finding.parameters.first().cloned().unwrap_or_default(),
        }
    }

    pub(super) fn answer(&self, name: &str) -> FieldFeedback {
        let never = self.problems.get(name).map(|message| self.problem(name, message));
        let at_it = |finding: &&Finding| finding.parameters.first().is_some_and(|first| first == name);
        let found: Vec<&Finding> = self.findings.iter().filter(at_it).collect();
        let mut findings: Vec<FindingView> = never.into_iter().collect();
        for (place, finding) in found.iter().enumerate() {
            let mut remark = self.remark(finding);
            // One button for one change.
            if found.iter().take(place).any(|earlier| earlier.fix == finding.fix) {
                remark.fix = None;
            }
            findings.push(remark);
        }
        let proposed = found.iter().find_map(|finding| finding.fix.as_ref()?.set.get("POT_NETWORK"));
        let instead = match proposed.filter(|_| name == "POT_NETWORK" && self.may_change) {
            Some(first) => self.free.iter().filter(|free| *free != first).cloned().collect(),
            None => Vec::new(),
        };
        let elsewhere = self
            .findings
            .iter()
            .filter(|finding| finding.severity != Severity::Notice)
            .filter(|finding| finding.parameters.iter().skip(1).any(|other| other == name))
            .filter_map(|finding| Some((finding.severity, finding.parameters.first()?.clone())));
        let mut named = BTreeSet::new();
        FieldFeedback {
            reading: self.readings.get(name).cloned().unwrap_or_default(),
            findings,
            elsewhere: elsewhere.filter(|(_, first)| first != name && named.insert(first.clone())).collect(),
            instead,
        }
    }

    pub(super) fn groups(&mut self, open_all: bool) -> Vec<GroupView> {
        Group::ALL.iter().map(|group| self.group(*group, open_all)).collect()
    }

    pub(super) fn group(&self, group: Group, open_all: bool) -> GroupView {
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
        let settings: Vec<Setting> = names.iter().map(|name| self.context.configuration.setting(name)).collect();
        let count = |predicate: &dyn Fn(&Setting) -> bool| settings.iter().filter(|setting| predicate(setting)).count();
        let changed = count(&|setting| self.edits.wanted(&setting.name).is_some());
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
        let early = !self.context.is_initialised() && matches!(group, Group::FileSystem | Group::Network);
        GroupView {
            id: group.id(),
            guide: paragraph_about(Topic::Group(group)).map_or("", |paragraph| paragraph.id),
            label: group.label(),
            open: open_all || early || changed + set + computed + errors + warnings > 0,
            gist: self.gist(group),
            tally: tally.join(", "),
            rows,
        }
    }

    pub(super) fn in_group(&self, names: &[String], severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .filter(|finding| finding.parameters.first().is_some_and(|first| names.contains(first)))
            .count()
    }

    /// The values in one line; names of parameters' values as code.
    pub(super) fn gist(&self, group: Group) -> String {
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

    pub(super) fn row(&self, parameter: &'static Parameter) -> Row {
        let setting = self.context.configuration.setting(parameter.name);
        let control = self.control(parameter, &setting);
        let was = match &control {
            Control::Fixed { .. } | Control::Plain { .. } => None,
            _ => self.may_change.then(|| setting.value.clone().unwrap_or_default()),
        };
        let back = self.edits.wanted(parameter.name) == Some(&EditAction::Unset);
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
            free: if parameter.name == "POT_NETWORK" { self.free.to_vec() } else { Vec::new() },
            was,
            control,
        }
    }

    /// The list of further interfaces says nothing that the line of each one says already.
    pub(super) fn row_answer(&self, name: &str, control: &Control) -> FieldFeedback {
        let mut answer = self.answer(name);
        if let Control::Extra { rows, .. } = control {
            answer.elsewhere.retain(|(_, first)| !rows.iter().any(|row| row.network == *first));
            if rows.iter().any(|row| row.chosen) {
                answer.reading.clear();
            }
        }
        answer
    }

    pub(super) fn source(&self, name: &str, setting: &Setting) -> SourceView {
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
        let networks_change = name == EXTRA && self.edits.names().any(|name| extra_interface(name).is_some());
        let wanted = self.edits.wanted(name);
        let changed = wanted.is_some() || networks_change;
        SourceView {
            text,
            was: changed.then(|| setting.value.clone().unwrap_or_default()),
            to_default: wanted == Some(&EditAction::Unset),
            emptied: self.edits.is_emptied(name) && wanted.is_none(),
            undo: self.may_change,
            name: name.to_owned(),
        }
    }

    pub(super) fn control(&self, parameter: &'static Parameter, setting: &Setting) -> Control {
        if !setting.editable {
            return Control::Fixed {
                raw: setting.raw.clone().unwrap_or_else(|| setting.value.clone().unwrap_or_default()),
                line: setting.line,
                reason: setting.reason.clone().unwrap_or_default(),
            };
        }
        let value = shown_value(setting, self.edits);
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
            Kind::Interface if !self.context.interfaces().is_empty() => {
                let may_be_empty = parameter.default.is_empty();
                let offered = self
                    .context
                    .interfaces()
                    .iter()
                    .filter(|interface| offered(interface))
                    .map(|interface| (interface.name.clone(), interface.name.clone()));
                let nothing = may_be_empty.then(|| (String::new(), "none".to_owned()));
                let choices = choices(nothing.into_iter().chain(offered), &value, "not on this host");
                Control::Select { choices, other: true }
            }
            Kind::Facility => {
                let present = facility::named(&value);
                let known = facility::NAMES.into_iter().filter(|name| facility::is_for_programs(name));
                // The same in capital letters stays as it is written.
                let written = |name: &str| if present == Some(name) { value.clone() } else { name.to_owned() };
                let mut known: Vec<_> = known.map(|name| (written(name), written(name))).collect();
                // pot's own default is a local one, and so is nearly every action.
                known.sort_by_key(|(name, _)| {
                    let name = name.to_ascii_lowercase();
                    (!name.starts_with("local"), name)
                });
                let strange = if present.is_some() { "not for programs" } else { "unknown to syslog" };
                Control::Select { choices: choices(known.into_iter(), &value, strange), other: false }
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

    pub(super) fn extra_rows(&self, chosen: &str) -> Vec<ExtraRow> {
        let chosen: Vec<&str> = chosen.split_whitespace().collect();
        let extif = self.after.value("POT_EXTIF").unwrap_or_default();
        let mut names: Vec<String> = self
            .context
            .interfaces()
            .iter()
            .filter(|interface| offered(interface) && interface.name != extif)
            .map(|interface| interface.name.clone())
            .collect();
        let settings = self.context.configuration.settings();
        let with_network = settings.iter().filter_map(|setting| extra_interface(&setting.name)).map(str::to_owned);
        let wanted_network = self.edits.names().filter_map(extra_interface).map(str::to_owned);
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
                let setting = self.context.configuration.setting(&network);
                Some(ExtraRow {
                    chosen: chosen.contains(&interface.as_str()),
                    value: shown_value(&setting, self.edits),
                    was: setting.value.clone().unwrap_or_default(),
                    editable: setting.editable && self.may_change,
                    answer: self.answer(&network),
                    back: self.edits.wanted(&network) == Some(&EditAction::Unset),
                    autofocus: self.focus.contains(&network),
                    interface,
                    network,
                })
            })
            .collect()
    }

    /// Names in pot.conf that pot does not know.
    pub(super) fn others(&self) -> Vec<Other> {
        let own: &Document = self.context.configuration.own();
        let bytes = String::from_utf8_lossy(own.bytes());
        let lines: Vec<&str> = bytes.lines().collect();
        self.context
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
    pub(super) fn loose(&self, groups: &[GroupView], others: &[Other]) -> Vec<FindingView> {
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

/// Interfaces that can be a way to the outside: no loopback, no bridge without an address, none of pot's own.
pub(super) fn offered(interface: &Interface) -> bool {
    let own = ["pot", "epair", "pflog", "pfsync"];
    !interface.is_loopback()
        && (!interface.is_bridge() || !interface.addresses.is_empty())
        && !interface.groups.iter().any(|group| own.contains(&group.as_str()))
        && !own.iter().any(|prefix| interface.name.starts_with(prefix))
}

/// Choices with the present one always among them, so that a form never changes it by itself.
pub(super) fn choices(known: impl Iterator<Item = (String, String)>, present: &str, strange: &str) -> Vec<Choice> {
    let mut choices: Vec<Choice> =
        known.map(|(value, label)| Choice { chosen: value == present, value, label }).collect();
    if !choices.iter().any(|choice| choice.chosen) {
        let label = if present.is_empty() { "empty".to_owned() } else { format!("{present} ({strange})") };
        choices.insert(0, Choice { value: present.to_owned(), label, chosen: true });
    }
    choices
}

/// A parameter of pot, or of the family of networks of further interfaces.
pub(super) fn rules_know(name: &str) -> bool {
    crate::potconf::parameter(name).is_some() || extra_interface(name).is_some()
}

/// A group of rows.
pub(crate) struct GroupView {
    pub id: &'static str,
    /// The paragraph of the guide that is about it.
    pub(crate) guide: &'static str,
    pub label: &'static str,
    pub rows: Vec<Row>,
    pub open: bool,
    /// The values in one line, for when it is closed.
    pub(crate) gist: String,
    pub(crate) tally: String,
}

/// A line of pot.conf that sets something that is no parameter of pot.
pub(crate) struct Other {
    pub name: String,
    pub text: String,
    pub line: Option<usize>,
    pub findings: Vec<FindingView>,
}
