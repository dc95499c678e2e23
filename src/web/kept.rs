//! What the executor told of the host, read once for all who ask: facts and files cross the socket once for each number,
//! and rules run once for what they are held against. Whether someone may see a page the executor says at each request,
//! with the numbers of what the page is made from; nothing here is shown without that.

use super::error::Fault;
use super::picture::Drawn;
use crate::client::{Client, Sender};
use crate::executor::protocol::{
    AskedBefore, Command, ConfigurationView, FactsView, FilesView, Have, SessionView, Shown,
};
use crate::facts::HostFacts;
use crate::host::{HostState, RunNow, StateInput};
use crate::journal::record::{Record, Reported};
use crate::network::picture::Picture;
use crate::potconf::{Configuration, Document};
use crate::refusal::Refusal;
use crate::rules::{self, Finding, Subject};
use jiff::tz::TimeZone;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Who asks the executor, and what their side says about itself.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) sender: Sender<'a>,
    pub(super) reported: &'a Reported,
}

/// Models of the host that are kept: for the addresses that people ask from, with the run under way and without.
const MOST_JUDGED: usize = 8;

/// What is known of the host, as it was told with a number.
#[derive(Debug)]
pub(crate) struct KeptFacts {
    /// The facts; none until the first gathering ended.
    pub(super) facts: Option<Arc<HostFacts>>,
    /// What was told beside them. The facts themselves are taken out of it, and whether they are being gathered is told
    /// with each answer.
    pub(super) beside: FactsView,
    zone: Option<TimeZone>,
}

impl KeptFacts {
    pub(super) fn of(mut told: FactsView) -> Self {
        let facts: Option<Arc<HostFacts>> = told.facts.take().map(Arc::from);
        let system = facts.as_ref().and_then(|facts| facts.system.get());
        let zone = system.map(|system| TimeZone::get(&system.time_zone).unwrap_or(TimeZone::UTC));
        Self { facts, beside: told, zone }
    }

    /// The host's zone, when it is known.
    pub(super) fn zone(&self) -> Option<&TimeZone> {
        self.zone.as_ref()
    }
}

/// Both files, as they were told with a number.
#[derive(Debug)]
pub(crate) struct KeptFiles {
    number: u64,
    /// As they stand; none: they cannot be read.
    pub(super) view: Result<Arc<ConfigurationView>, Refusal>,
    /// The same, read; pot's defaults where they cannot be.
    pub(super) configuration: Arc<Configuration>,
}

impl KeptFiles {
    pub(super) fn of(FilesView { number, read }: FilesView) -> Result<Self, Fault> {
        let configuration = match &read {
            Ok(view) => configuration_of(view)?,
            Err(_) => {
                let empty = || {
                    let cannot = |error| Fault::Unexpected(format!("an empty pot.conf cannot be read: {error}"));
                    Document::parse(b"").map_err(cannot)
                };
                Configuration::new(empty()?, empty()?)
            }
        };
        Ok(Self { number, view: read.map(Arc::new), configuration: Arc::new(configuration) })
    }

    /// Whether there is either of them: without pot there is none.
    pub(super) fn are_there(&self) -> bool {
        self.view.as_ref().is_ok_and(|view| !(view.own.is_empty() && view.default.is_empty()))
    }
}

/// What a page about the host is made from, of one answer of the executor.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(super) told: Arc<KeptFacts>,
    pub(super) files: Arc<KeptFiles>,
    /// Whether new facts are being gathered.
    pub(super) refreshing: bool,
    /// The journal's last sequence number; none: it cannot be read.
    pub(super) journal: Option<u64>,
}

impl Host {
    /// Numbers of facts and files, and whether new facts are being gathered.
    pub(super) fn numbers(&self) -> (u64, u64, bool) {
        (self.told.beside.revision, self.files.number, self.refreshing)
    }
}

/// What a judgement stands on. It is made from nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ground {
    facts: u64,
    files: u64,
    /// Where the browser is: some findings warn of locking it out.
    from: Option<IpAddr>,
    run: Option<RunNow>,
}

/// The model of the host, what the rules found, and pictures that are made of both alone.
#[derive(Debug)]
pub(crate) struct Judged {
    state: HostState,
    /// In their order.
    pub(super) findings: Vec<Finding>,
    /// The network as it is.
    pub(super) drawn_now: OnceLock<Drawn>,
    /// The network as pot.conf has it.
    pub(super) wanted: OnceLock<Picture>,
    /// The same, drawn.
    pub(super) drawn_wanted: OnceLock<Drawn>,
}

impl Deref for Judged {
    type Target = HostState;

    fn deref(&self) -> &HostState {
        &self.state
    }
}

/// The newest changes that the history has.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// The journal's last sequence number then.
    pub(super) last: u64,
    /// In order.
    pub(super) records: Vec<Record>,
}

/// What was told last.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Newest>);

#[derive(Debug, Default)]
struct Newest {
    told: Option<Arc<KeptFacts>>,
    files: Option<Arc<KeptFiles>>,
    /// The one that was asked for last comes first.
    judged: VecDeque<(Ground, Arc<Judged>)>,
    recent: Option<Arc<Recent>>,
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Newest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the executor for a page's session and what the page is made from, and whether all of `before` would be told as
    /// it was; none: the page was not made before.
    ///
    /// # Errors
    /// The executor's refusal.
    pub(super) async fn show(
        &self,
        client: &Client,
        asker: Asker<'_>,
        follows: bool,
        before: Option<&[AskedBefore]>,
    ) -> Result<((SessionView, Host), bool), Fault> {
        let (told, files) = {
            let newest = self.lock();
            (newest.told.clone(), newest.files.clone())
        };
        let have = Have {
            facts: told.as_ref().map(|told| told.beside.revision),
            files: files.as_ref().map(|files| files.number),
        };
        let command = Command::Show { follows, have };
        let (shown, same) = client.ask_again(asker.sender, asker.reported, command, before).await?;
        let Shown { session, refreshing, facts, files: read } = shown;
        let told = match facts {
            Some(facts) => {
                let told = Arc::new(KeptFacts::of(*facts));
                self.keep_facts(&told);
                Some(told)
            }
            None => told,
        };
        let files = match read {
            Some(read) => {
                let files = Arc::new(KeptFiles::of(read)?);
                self.keep_files(&files);
                Some(files)
            }
            None => files,
        };
        let (told, files) =
            told.zip(files).ok_or_else(|| Fault::Unexpected("the executor told less than was asked".to_owned()))?;
        let journal = session.journal;
        Ok(((session, Host { told, files, refreshing, journal }), same))
    }

    /// Answers may overtake each other: the newest stays.
    fn keep_facts(&self, told: &Arc<KeptFacts>) {
        let mut newest = self.lock();
        if newest.told.as_ref().is_none_or(|kept| kept.beside.revision < told.beside.revision) {
            newest.told = Some(Arc::clone(told));
        }
    }

    fn keep_files(&self, files: &Arc<KeptFiles>) {
        let mut newest = self.lock();
        if newest.files.as_ref().is_none_or(|kept| kept.number < files.number) {
            newest.files = Some(Arc::clone(files));
        }
    }

    /// The newest changes, as they were asked for last.
    pub(super) fn recent(&self) -> Option<Arc<Recent>> {
        self.lock().recent.clone()
    }

    pub(super) fn keep_recent(&self, recent: &Arc<Recent>) {
        self.lock().recent = Some(Arc::clone(recent));
    }

    /// The one model of the host, on which every page stands, for a browser at this address. `facts` are the host's.
    pub(super) fn judged(
        &self,
        host: &Host,
        facts: &HostFacts,
        from: Option<IpAddr>,
        run: Option<RunNow>,
    ) -> Arc<Judged> {
        let ground = Ground { facts: host.told.beside.revision, files: host.files.number, from, run };
        {
            let mut newest = self.lock();
            let place = newest.judged.iter().position(|(other, _)| *other == ground);
            if let Some(kept) = place.and_then(|place| newest.judged.remove(place)) {
                let judged = Arc::clone(&kept.1);
                newest.judged.push_front(kept);
                return judged;
            }
        }
        let judged = Arc::new(judge(host, facts, from, ground.run.as_ref()));
        let mut newest = self.lock();
        newest.judged.push_front((ground, Arc::clone(&judged)));
        newest.judged.truncate(MOST_JUDGED);
        judged
    }
}

/// What the rules and the model make of a host.
fn judge(host: &Host, facts: &HostFacts, from: Option<IpAddr>, run: Option<&RunNow>) -> Judged {
    let Host { told, files, .. } = host;
    let findings = rules::check(&Subject::new(&files.configuration).on(Some(facts)).asked_from(from));
    let state = HostState::of(&StateInput {
        facts,
        configuration: &files.configuration,
        findings: &findings,
        has_files: files.are_there(),
        dismissed: &told.beside.dismissed,
        left_drift: &told.beside.left_drift,
        leftovers: told.beside.leftovers.as_deref(),
        removed: told.beside.removed,
        run,
    });
    Judged { state, findings, drawn_now: OnceLock::new(), wanted: OnceLock::new(), drawn_wanted: OnceLock::new() }
}

/// Both files as the executor gave them, read.
pub(super) fn configuration_of(view: &ConfigurationView) -> Result<Configuration, Fault> {
    let read = |bytes: &[u8], path: &str| {
        Document::parse(bytes).map_err(|error| Fault::Invalid(format!("{path} cannot be shown: {error}.")))
    };
    Ok(Configuration::new(read(&view.default, &view.default_path)?, read(&view.own, &view.path)?))
}
