//! What someone wants to change: read from a posted form, changed by fix and undo, handed on as edits.
//!
//! A form field says nothing by itself; only a field that differs from the value it was made with (`was.NAME`) is a
//! action. So a file that someone else changed meanwhile is not changed back by a form that was open all the time.

use crate::potconf::{
    Configuration, Edit, EditAction, Kind, Name, PARAMETERS, Parameter, Setting, Source, extra_interface, parameter,
};
use crate::rules::{Finding, Fix, Severity, limits};
use crate::web::visitor::Form;
use std::collections::{BTreeMap, BTreeSet};

/// Prefix of the hidden field that keeps the value a field was made with.
pub(crate) const WAS: &str = "was.";
/// The list of further interfaces.
pub(crate) const EXTRA: &str = "POT_EXTRA_EXTIF";
/// Name of the field for further interfaces that are no checkbox.
pub(crate) const EXTRA_OTHER: &str = "extra.other";

/// Prefix of the field for a name that is not in the list of the host's.
const OTHER: &str = "other.";

/// Said by a script when names were typed into that field: they are to get lines of their own, for their networks.
pub(super) const TYPED_BESIDE: &str = "extra.typed";

/// The parameters of the networks behind the interfaces that were typed beside the list.
pub(super) fn typed_beside(form: &Form) -> Vec<String> {
    let names = form.all(EXTRA_OTHER).flat_map(str::split_whitespace);
    names.filter_map(|name| Some(Name::for_interface(name).ok()?.as_str().to_owned())).collect()
}

/// Wanted changes of pot.conf.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FormEdits {
    /// What becomes of each parameter that is to change.
    edits: BTreeMap<String, EditAction>,
    /// Fields that were emptied although nothing is there to take away: they show their default.
    emptied: BTreeSet<String>,
}

impl FormEdits {
    /// What a form wants, held against the file as it stands.
    pub(crate) fn of_form(form: &Form, configuration: &Configuration) -> Self {
        let mut edits = Self::default();
        let mut names: Vec<String> = PARAMETERS.iter().map(|parameter| parameter.name.to_owned()).collect();
        let of_interface = |name: &str| extra_interface(name).is_some() && Name::try_from(name).is_ok();
        names.extend(form.0.iter().filter(|(name, _)| of_interface(name)).map(|(name, _)| name.clone()));
        names.sort();
        names.dedup();
        let back: BTreeSet<&str> = form.all("unset").collect();
        for name in names {
            let Some(typed) = typed(form, &name) else { continue };
            let setting = configuration.setting(&name);
            let kind = parameter(&name).map_or(Kind::Network, |known| known.kind);
            let was = form.get(&format!("{WAS}{name}")).map(str::to_owned);
            let was = was.unwrap_or_else(|| setting.value.clone().unwrap_or_default());
            let is_default = same(kind, &typed, setting.default.as_deref().unwrap_or_default());
            if back.contains(name.as_str()) && (is_default || typed.is_empty()) {
                edits.unset(&name, &setting);
            } else if !same(kind, &typed, &was) {
                edits.want(&name, &typed, &setting);
            }
        }
        edits
    }

    /// Gives a parameter a value; an empty one takes its line away, so that the default counts.
    fn want(&mut self, name: &str, value: &str, setting: &Setting) {
        if value.is_empty() {
            self.unset(name, setting);
            if !setting.default.as_deref().unwrap_or_default().is_empty() {
                self.emptied.insert(name.to_owned());
            }
        } else if setting.value.as_deref() == Some(value) {
            self.edits.remove(name);
        } else {
            self.edits.insert(name.to_owned(), EditAction::Set(value.to_owned()));
        }
    }

    fn unset(&mut self, name: &str, setting: &Setting) {
        if setting.source == Source::PotConf {
            self.edits.insert(name.to_owned(), EditAction::Unset);
        } else {
            self.edits.remove(name);
        }
    }

    /// Takes a parameter back to what the default file says.
    pub(crate) fn back_to_default(&mut self, name: &str, configuration: &Configuration) {
        self.emptied.remove(name);
        self.unset(name, &configuration.setting(name));
    }

    /// Drops what was wanted of a parameter; with the list of further interfaces go their networks.
    pub fn undo(&mut self, name: &str) {
        self.edits.remove(name);
        self.emptied.remove(name);
        if name == EXTRA {
            self.edits.retain(|name, _| extra_interface(name).is_none());
        }
    }

    /// Carries out one fix.
    pub fn apply_fix(&mut self, fix: &Fix, configuration: &Configuration) {
        for (name, value) in &fix.set {
            self.emptied.remove(name);
            self.want(name, value, &configuration.setting(name));
        }
        for name in &fix.unset {
            self.back_to_default(name, configuration);
        }
    }

    /// Carries out the fixes of all errors and warnings, then of those that these bring to light.
    pub(crate) fn apply_fixes(&mut self, configuration: &Configuration, findings: impl Fn(&Self) -> Vec<Finding>) {
        // Fixes that undo each other would go on for ever.
        for _ in 0..4 {
            let mut touched = BTreeSet::new();
            let before = self.clone();
            for finding in findings(self).iter().filter(|finding| finding.severity != Severity::Notice) {
                let Some(fix) = &finding.fix else { continue };
                let names: Vec<&String> = fix.set.keys().chain(&fix.unset).collect();
                if names.iter().any(|name| touched.contains(*name)) {
                    continue;
                }
                touched.extend(names.into_iter().cloned());
                self.apply_fix(fix, configuration);
            }
            if touched.is_empty() || *self == before {
                return;
            }
        }
    }

    /// What becomes of one parameter, if anything.
    pub fn wanted(&self, name: &str) -> Option<&EditAction> {
        self.edits.get(name)
    }

    /// Whether the field was emptied while there is nothing to take away.
    pub(crate) fn is_emptied(&self, name: &str) -> bool {
        self.emptied.contains(name)
    }

    /// The names that change, in the order of the alphabet.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.edits.keys().map(String::as_str)
    }

    /// How many parameters change.
    pub fn len(&self) -> usize {
        self.edits.len()
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The edits in the form that the executor takes, in the order of the guide: new lines then stand in it, too.
    pub fn edits(&self) -> Vec<Edit> {
        let mut edits: Vec<Edit> = self
            .edits
            .iter()
            .filter_map(|(name, action)| {
                Some(Edit { name: Name::try_from(name.as_str()).ok()?, action: action.clone() })
            })
            .collect();
        edits.sort_by_key(|edit| {
            let known = edit.name.extra_interface().map_or(edit.name.as_str(), |_| EXTRA);
            (PARAMETERS.iter().position(|parameter| parameter.name == known), edit.name.extra_interface().is_some())
        });
        edits
    }
}

/// What a form says about one parameter; none when it has no such field.
fn typed(form: &Form, name: &str) -> Option<String> {
    if name == EXTRA {
        if !form.has(EXTRA) && !form.has(EXTRA_OTHER) {
            return None;
        }
        let boxes = form.all(EXTRA).flat_map(str::split_whitespace);
        let others = form.all(EXTRA_OTHER).flat_map(str::split_whitespace);
        let mut chosen: Vec<&str> = Vec::new();
        for one in boxes.chain(others) {
            if !chosen.contains(&one) {
                chosen.push(one);
            }
        }
        // The order of the file stays; what is new comes behind it.
        let was: Vec<&str> = form.get("was.POT_EXTRA_EXTIF").unwrap_or_default().split_whitespace().collect();
        chosen.sort_by_key(|one| was.iter().position(|before| before == one).unwrap_or(was.len()));
        return Some(chosen.join(" "));
    }
    // What is not in the list was typed on purpose.
    let is_name = parameter(name).is_some_and(|known| known.kind == Kind::Interface);
    if let Some(other) = form.text(&format!("{OTHER}{name}")).filter(|_| is_name) {
        return Some(other.to_owned());
    }
    let value = form.get(name)?;
    let is_list = parameter(name).is_some_and(|known: &Parameter| known.kind.is_list());
    if is_list {
        Some(value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
    } else {
        Some(value.trim().to_owned())
    }
}

/// Whether two values mean the same to the form: a checkbox knows no difference between `yes` and `true`, a list none
/// between one blank and two.
fn same(kind: Kind, one: &str, other: &str) -> bool {
    match kind {
        Kind::Boolean => match (limits::boolean(one), limits::boolean(other)) {
            (Some(one), Some(other)) => one == other,
            _ => one == other,
        },
        Kind::InterfaceList | Kind::NetworkList => one.split_whitespace().eq(other.split_whitespace()),
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::potconf::Document;
    use crate::rules::Review;

    fn configuration(own: &str) -> Configuration {
        let default =
            "POT_NETWORK=10.192.0.0/10\nPOT_GATEWAY=10.192.0.1\nPOT_ISOLATE_VNET_POTS=false\nPOT_EXTRA_EXTIF=\n";
        Configuration::new(Document::parse(default.as_bytes()).unwrap(), Document::parse(own.as_bytes()).unwrap())
    }

    fn form(pairs: &[(&str, &str)]) -> Form {
        Form(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn edits(own: &str, pairs: &[(&str, &str)]) -> Vec<(String, EditAction)> {
        FormEdits::of_form(&form(pairs), &configuration(own)).edits.into_iter().collect()
    }

    fn set(name: &str, value: &str) -> (String, EditAction) {
        (name.to_owned(), EditAction::Set(value.to_owned()))
    }

    #[test]
    fn an_untouched_form_changes_nothing() {
        let own = "POT_EXTRA_EXTIF=\"vlan20  vlan30\"\nPOT_ISOLATE_VNET_POTS=YES\n";
        let untouched = [
            ("POT_NETWORK", "10.192.0.0/10"),
            ("POT_EXTRA_EXTIF", ""),
            ("POT_EXTRA_EXTIF", "vlan20"),
            ("POT_EXTRA_EXTIF", "vlan30"),
            ("POT_ISOLATE_VNET_POTS", "false"),
            ("POT_ISOLATE_VNET_POTS", "true"),
        ];
        assert_eq!(edits(own, &untouched), []);
    }

    #[test]
    fn a_change_is_set_and_an_emptied_field_goes_back_to_the_default() {
        assert_eq!(edits("", &[("POT_GATEWAY", " 10.192.0.9 ")]), [set("POT_GATEWAY", "10.192.0.9")]);
        let own = "POT_GATEWAY=10.192.0.9\n";
        assert_eq!(edits(own, &[("POT_GATEWAY", "")]), [("POT_GATEWAY".to_owned(), EditAction::Unset)]);
        assert_eq!(edits("", &[("POT_GATEWAY", "")]), []);
        // What the default says, said explicitly, is a value of its own; only "Back to default" takes the line away.
        assert_eq!(edits(own, &[("POT_GATEWAY", "10.192.0.1")]), [set("POT_GATEWAY", "10.192.0.1")]);
        let back = [("POT_GATEWAY", "10.192.0.1"), ("unset", "POT_GATEWAY")];
        assert_eq!(edits(own, &back), [("POT_GATEWAY".to_owned(), EditAction::Unset)]);
    }

    #[test]
    fn what_someone_else_changed_meanwhile_is_not_changed_back() {
        let form = [("POT_GATEWAY", "10.192.0.1"), ("was.POT_GATEWAY", "10.192.0.1")];
        assert_eq!(edits("POT_GATEWAY=10.200.0.254\n", &form), []);
    }

    #[test]
    fn interfaces_keep_their_order_and_new_ones_come_behind() {
        let form = [
            ("was.POT_EXTRA_EXTIF", "vlan30 vlan20"),
            ("POT_EXTRA_EXTIF", ""),
            ("POT_EXTRA_EXTIF", "vlan10"),
            ("POT_EXTRA_EXTIF", "vlan20"),
            ("POT_EXTRA_EXTIF", "vlan30"),
            (EXTRA_OTHER, "ix0 vlan20"),
        ];
        assert_eq!(edits("POT_EXTRA_EXTIF=\"vlan30 vlan20\"\n", &form), [set(EXTRA, "vlan30 vlan20 vlan10 ix0")]);
    }

    #[test]
    fn a_name_that_is_not_in_the_list_can_be_given() {
        let vpn = [("POT_VPN_EXTIF", ""), ("was.POT_VPN_EXTIF", ""), ("other.POT_VPN_EXTIF", " tun0 ")];
        assert_eq!(edits("", &vpn), [set("POT_VPN_EXTIF", "tun0")]);
        // The page that follows has it in the list, and the line is empty.
        let listed = [("POT_VPN_EXTIF", "tun0"), ("was.POT_VPN_EXTIF", "tun0"), ("other.POT_VPN_EXTIF", "")];
        assert_eq!(edits("POT_VPN_EXTIF=tun0\n", &listed), []);
        assert_eq!(edits("", &[("other.POT_TMP", "/x")]), [], "no other parameter has such a line");
    }

    #[test]
    fn a_value_that_root_would_obey_is_named_and_the_others_are_still_shown() {
        let configuration = configuration("");
        let form = form(&[("POT_GATEWAY", "$(reboot)"), ("POT_NETWORK", "10.0.0.0/8")]);
        let edits = FormEdits::of_form(&form, &configuration).edits();
        let (review, problems) = Review::while_typing(&configuration, &edits);
        assert_eq!(problems.keys().collect::<Vec<_>>(), ["POT_GATEWAY"]);
        assert!(String::from_utf8_lossy(review.after.own().bytes()).contains("POT_NETWORK=10.0.0.0/8"));
    }
}
