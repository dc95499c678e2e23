//! What the page is made from: both files as they stand and what is known of the host.

use super::form_edits::{Applied, FormEdits};
use crate::executor::protocol::ConfigurationView;
use crate::facts::{HostFacts, Interface};
use crate::potconf::{Configuration, EditAction, Setting};
use crate::rules::{self, Finding};
use std::net::IpAddr;

/// Both files as they stand and what is known of the host.
pub struct PageContext {
    /// The files and their digest.
    pub view: ConfigurationView,
    /// The files, read.
    pub configuration: Configuration,
    /// The host; none until the first gathering ended.
    pub facts: Option<Box<HostFacts>>,
    /// The address of the browser that asks.
    pub admin: Option<IpAddr>,
}

impl PageContext {
    /// What the rules find on a configuration, here and now.
    pub(super) fn findings(&self, configuration: &Configuration) -> Vec<Finding> {
        rules::check(&self.subject(configuration))
    }

    pub(super) fn subject<'a>(&'a self, configuration: &'a Configuration) -> rules::Subject<'a> {
        rules::Subject::new(configuration).on(self.facts.as_deref()).asked_from(self.admin)
    }

    /// The configuration that a edits would make, and what cannot be written.
    pub fn with(&self, edits: &FormEdits) -> (Applied, Configuration) {
        let applied = edits.apply(&self.configuration);
        let after = Configuration::new(self.configuration.default_document().clone(), applied.document.clone());
        (applied, after)
    }

    /// What the rules find on what a edits would make.
    pub fn findings_with(&self, edits: &FormEdits) -> Vec<Finding> {
        let (_, after) = self.with(edits);
        self.findings(&after)
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

/// What the parameter is after the edits, as the form shows it.
pub(super) fn shown_value(setting: &Setting, edits: &FormEdits) -> String {
    match edits.wanted(&setting.name) {
        Some(EditAction::Set(value)) => value.clone(),
        Some(EditAction::Unset) => setting.default.clone().unwrap_or_default(),
        None => setting.value.clone().unwrap_or_default(),
    }
}
