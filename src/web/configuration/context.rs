//! What the page is made from: both files as they stand and what is known of the host.

use super::form_edits::FormEdits;
use crate::executor::protocol::ConfigurationView;
use crate::facts::{HostFacts, Interface};
use crate::potconf::{Configuration, EditAction, Setting};
use crate::rules::{self, Finding, Review};
use crate::web::kept::Judged;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Both files as they stand and what is known of the host.
pub(crate) struct PageContext {
    /// The files and their digest.
    pub view: Arc<ConfigurationView>,
    /// The files, read.
    pub configuration: Arc<Configuration>,
    /// The host; none until the first gathering ended.
    pub facts: Option<Arc<HostFacts>>,
    /// Whether it is being looked at.
    pub(super) refreshing: bool,
    /// The one model of the host, for the file as it stands; none while nothing is known of the host.
    pub(super) state: Option<Arc<Judged>>,
    /// The address of the browser that asks.
    pub admin: Option<IpAddr>,
}

impl PageContext {
    pub(super) fn subject<'a>(&'a self, configuration: &'a Configuration) -> rules::Subject<'a> {
        rules::Subject::new(configuration).on(self.facts.as_deref()).asked_from(self.admin)
    }

    /// What the edits would make of the file.
    pub(super) fn review(&self, edits: &FormEdits) -> Reviewed<'_> {
        let (review, problems) = Review::while_typing(&self.configuration, &edits.edits());
        Reviewed { review, problems }
    }

    /// What the rules find on what the edits would make.
    pub(crate) fn findings_with(&self, edits: &FormEdits) -> Vec<Finding> {
        rules::check(&self.subject(&self.review(edits).review.after))
    }

    pub(super) fn interfaces(&self) -> &[Interface] {
        self.facts.as_ref().and_then(|facts| facts.interfaces.get()).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether `pot init` has made its dataset.
    pub(super) fn is_initialised(&self) -> bool {
        let root = self.configuration.value("POT_ZFS_ROOT").unwrap_or_default();
        self.facts
            .as_ref()
            .and_then(|facts| facts.datasets.get())
            .is_some_and(|datasets| datasets.iter().any(|dataset| dataset.name == root))
    }
}

/// What edits would make of the file.
pub(crate) struct Reviewed<'a> {
    pub(super) review: Review<'a>,
    /// Per parameter why its new value can never be saved.
    pub(super) problems: BTreeMap<String, String>,
}

/// What the parameter is after the edits, as the form shows it.
pub(super) fn shown_value(setting: &Setting, edits: &FormEdits) -> String {
    match edits.wanted(&setting.name) {
        Some(EditAction::Set(value)) => value.clone(),
        Some(EditAction::Unset) => setting.default.clone().unwrap_or_default(),
        None => setting.value.clone().unwrap_or_default(),
    }
}
