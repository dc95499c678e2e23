//! What pages about the host are made from, and what they say while it is not known.

use super::error::Fault;
use super::kept::{Host, Judged};
use super::layout::{self, Entry, Frame, Notice, Time};
use super::visitor::Visitor;
use crate::facts::{Fact, HostFacts};
use crate::plan::Leftover;
use crate::potconf::Configuration;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use jiff::Timestamp;
use serde::Deserialize;
use std::sync::Arc;

/// Everything that pages about the host are made from.
pub(super) struct Known {
    /// What is known about the host.
    pub(super) facts: Arc<HostFacts>,
    /// Both files; pot's defaults where they cannot be read.
    pub(super) configuration: Arc<Configuration>,
    /// When pot.conf was last changed.
    pub(super) modified: Option<Timestamp>,
    /// Whether new facts are being gathered.
    pub(super) refreshing: bool,
    /// What an open page compares with that of later answers: [`crate::executor::protocol::SessionView::facts`].
    pub(super) revision: u64,
    /// What of pot is left on this host and can be cleaned up.
    pub(super) left: Vec<Leftover>,
    /// The journal's last sequence number; none: it cannot be read.
    pub(super) journal: Option<u64>,
    host: Host,
}

impl Known {
    /// Asks the executor; none while the first gathering is still under way.
    pub(super) async fn of(visitor: &Visitor) -> Result<Option<Self>, Fault> {
        let host = visitor.look().await?;
        let Some(facts) = host.told.facts.clone() else { return Ok(None) };
        Ok(Some(Self {
            facts,
            configuration: Arc::clone(&host.files.configuration),
            modified: host.files.view.as_ref().ok().and_then(|files| files.modified),
            refreshing: host.refreshing,
            revision: host.told.beside.revision,
            left: host.told.beside.left.clone(),
            journal: host.journal,
            host,
        }))
    }

    /// What the page says first when there is no configuration to hold against the host.
    pub(super) fn notice(&self) -> Option<Notice> {
        // What is known of the host is shown all the same.
        let words = &self.host.files.view.as_ref().err()?.message;
        Some(Notice::failed(format!("{words} This page takes pot's defaults instead.")))
    }

    /// Whether pot.conf cannot be read.
    pub(super) fn is_unreadable(&self) -> bool {
        self.host.files.view.is_err()
    }

    /// The one model of this host, on which every page stands.
    pub(super) fn state(&self, visitor: &Visitor) -> Arc<Judged> {
        visitor.state().kept.judged(&self.host, &self.facts, visitor.address(), visitor.run_under_way())
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
