//! What pages about the host are made from, and what they say while it is not known.

use super::error::Fault;
use super::layout::{self, Entry, Frame, Notice, Time};
use super::visitor::Visitor;
use crate::executor::protocol::{Command, ConfigurationView, FactsView};
use crate::facts::{Fact, HostFacts, LeftDrift};
use crate::host::{HostState, StateInput};
use crate::plan::{Leftover, Preparation};
use crate::potconf::{Configuration, Document};
use crate::refusal::RefusalKind;
use crate::rules::{self, Finding, Subject};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use jiff::Timestamp;
use serde::Deserialize;

/// Everything that pages about the host are made from.
pub(super) struct Known {
    /// What is known about the host.
    pub(super) facts: Box<HostFacts>,
    /// Both files.
    pub(super) configuration: Configuration,
    /// Whether there is any: without pot there is none.
    pub(super) has_files: bool,
    /// Why they cannot be read; then pot's defaults are held against the host.
    pub(super) unreadable: Option<String>,
    /// When pot.conf was last changed.
    pub(super) modified: Option<Timestamp>,
    /// Whether new facts are being gathered.
    pub(super) refreshing: bool,
    /// What an open page compares with that of later answers: [`crate::executor::protocol::SessionView::facts`].
    pub(super) revision: u64,
    /// Advised to-dos that someone does not want.
    dismissed: Vec<Preparation>,
    left_drift: Vec<LeftDrift>,
    leftovers: Option<Vec<String>>,
    /// What of pot is left on this host and can be cleaned up.
    pub(super) left: Vec<Leftover>,
    removed: Option<Timestamp>,
}

impl Known {
    /// Asks the executor; none while the first gathering is still under way.
    pub(super) async fn of(visitor: &Visitor) -> Result<Option<Self>, Fault> {
        // A page that is shown again by itself wants what is known, and is no reason to look at the host again.
        let command = if visitor.is_followed() { Command::FollowFacts {} } else { Command::Facts { refresh: false } };
        let FactsView { facts, refreshing, dismissed, left_drift, leftovers, left, removed, revision } =
            visitor.ask(command).await?;
        visitor.state().remember_zone(facts.as_deref());
        let Some(facts) = facts else { return Ok(None) };
        let (files, unreadable) = match visitor.ask::<ConfigurationView>(Command::Configuration {}).await {
            Ok(files) => (Some(files), None),
            // What is known of the host is shown all the same.
            Err(refusal) if refusal.kind == RefusalKind::Unreadable => (None, Some(refusal.message)),
            Err(refusal) => return Err(refusal.into()),
        };
        let (default, own) = files.as_ref().map(|files| (&*files.default, &*files.own)).unwrap_or_default();
        Ok(Some(Self {
            facts,
            configuration: read(default, own)?,
            has_files: !(default.is_empty() && own.is_empty()),
            unreadable,
            modified: files.as_ref().and_then(|files| files.modified),
            refreshing,
            dismissed,
            left_drift,
            leftovers,
            left,
            removed,
            revision,
        }))
    }

    /// What the page says first when there is no configuration to hold against the host.
    pub(super) fn notice(&self) -> Option<Notice> {
        let words = self.unreadable.as_ref()?;
        Some(Notice::failed(format!("{words} This page takes pot's defaults instead.")))
    }

    /// The one model of this host, on which every page stands.
    pub(super) fn state(&self, visitor: &Visitor) -> HostState {
        HostState::of(&StateInput {
            facts: &self.facts,
            configuration: &self.configuration,
            findings: &self.findings(visitor),
            has_files: self.has_files,
            dismissed: &self.dismissed,
            left_drift: &self.left_drift,
            leftovers: self.leftovers.as_deref(),
            removed: self.removed,
            run: visitor.run_under_way().as_ref(),
        })
    }

    pub(super) fn findings(&self, visitor: &Visitor) -> Vec<Finding> {
        rules::check(&Subject::new(&self.configuration).on(Some(&self.facts)).asked_from(visitor.address()))
    }
}

/// When the facts that a page shows were read, and by which number the open page notices that there are others.
pub(super) struct Read {
    /// See [`crate::executor::protocol::SessionView::facts`].
    pub(super) revision: u64,
    /// By the clock on the wall.
    pub(super) at: Time,
    /// "18 s ago": the page's script goes on with it.
    pub(super) ago: String,
    /// The same in seconds.
    pub(super) seconds: i64,
}

impl Read {
    pub(super) fn of(visitor: &Visitor, known: &Known) -> Self {
        let (clock, at) = (visitor.clock(), known.facts.at);
        Self {
            revision: known.revision,
            at: clock.time(&at),
            ago: clock.ago(&at),
            seconds: clock.now().as_second().saturating_sub(at.as_second()).max(0),
        }
    }
}

/// Both files as the executor gave them, read.
pub(super) fn configuration_of(view: &ConfigurationView) -> Result<Configuration, Fault> {
    let read = |bytes: &[u8], path: &str| {
        Document::parse(bytes).map_err(|error| Fault::Invalid(format!("{path} cannot be shown: {error}.")))
    };
    Ok(Configuration::new(read(&view.default, &view.default_path)?, read(&view.own, &view.path)?))
}

/// A file that cannot be a pot.conf gives no values here; the configuration page says why.
fn read(default: &[u8], own: &[u8]) -> Result<Configuration, Fault> {
    let document = |bytes: &[u8]| {
        Document::parse(bytes)
            .or_else(|_| Document::parse(b""))
            .map_err(|error| Fault::Unexpected(format!("an empty pot.conf cannot be read: {error}")))
    };
    Ok(Configuration::new(document(default)?, document(own)?))
}

/// `templates/host/waiting.html`: the first gathering is still under way.
#[derive(Template)]
#[template(path = "host/waiting.html")]
struct WaitingPage {
    frame: Frame,
}

pub(super) fn waiting(visitor: &Visitor) -> Result<HttpResponse, Fault> {
    let title = visitor.greeting.hostname.clone();
    layout::page(StatusCode::OK, &WaitingPage { frame: visitor.frame(Entry::Host, title) })
}

/// For pages that stand on one fact: why it is not there.
pub(super) fn missing<T>(fact: &Fact<T>) -> Notice {
    Notice::attention(fact.error.clone().unwrap_or_else(|| "Not known yet.".to_owned()))
}

/// What a page is asked with that was read again from its own button.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Again {
    again: String,
}

impl Again {
    pub(super) fn is_pressed(&self) -> bool {
        self.again == "1"
    }
}
