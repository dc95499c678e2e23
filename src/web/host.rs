//! The start page: what this host lacks, what runs, what differs from pot.conf, what changed since the last visit.
//!
//! One page in three states. A host on which pot is not initialised shows the way there and one plan for all that is to
//! be done; one that is initialised shows its pots and its network; where something runs otherwise than pot.conf says,
//! that comes first. Facts are the executor's, cached: no page waits for a tool. One that finds them old makes the executor
//! look again. A page that is open shows by itself what is new of the host (`static/strip.js`); without a script it reloads
//! itself while the host is read.

use super::acts::button;
use super::changed::{Changed, who};
use super::error::Fault;
use super::kept::{Judged, Recent};
use super::known::{Again, Known, Read, waiting};
use super::layout::{self, Button, Clock, Entry, Frame, Time, counted};
use super::picture::{Drawn, PictureView};
use super::pots::{Beside, PotLine};
use super::visitor::{Form, Visitor};
use crate::executor::protocol::{Command, FactsView, Records};
use crate::facts::{Asked, Dataset, HostFacts, LeftDrift, Pot, PrivateBridge, size};
use crate::host::{
    Act, Drift, Evidence, HostState, Lead, Offer, OperationName, Remedy, Row, RowState, Stage, Standing, Step,
    StepState, Topic, Wanted, first_pot, paragraph_about,
};
use crate::journal::record::{self, Action, Outcome, Reported, Role, Stage as RecordStage};
use crate::network::picture::Picture;
use crate::plan::Preparation;
use crate::refusal::Refusal;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use std::sync::Arc;

/// Records that the list of changes looks through, and the most that it shows.
const LOOKED_AT: u32 = 200;
const SHOWN: usize = 6;
/// Pots, and private bridges, that the start page lists before it points to the whole list.
const POTS_SHOWN: usize = 24;

/// The routes of this file. All of them want someone signed in; the executor asks for more where something changes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/", web::get().to(show))
        .route("/readiness", web::get().to(show_readiness))
        .route("/refresh", web::post().to(refresh))
        .route("/set-aside", web::post().to(dismiss))
        .route("/drift", web::post().to(leave_drift));
}

/// `templates/host/host.html`.
#[derive(Template)]
#[template(path = "host/host.html")]
struct Page<'a> {
    frame: Frame,
    head: Head,
    lead: Option<LeadView<'a>>,
    steps: Vec<&'a Step>,
    drift: Vec<DriftRow<'a>>,
    ledger: Option<Ledger<'a>>,
    running: Option<Running<'a>>,
    picture: Drawn,
    asked: Vec<AskedRow<'a>>,
}

/// `templates/host/readiness.html`: every paragraph of the guide, also on a host that is initialised.
#[derive(Template)]
#[template(path = "host/readiness.html")]
struct ReadinessPage<'a> {
    frame: Frame,
    head: Head,
    ledger: Ledger<'a>,
    asked: Vec<AskedRow<'a>>,
}

/// The head of the page.
struct Head {
    title: String,
    sub: String,
    facts: Read,
    /// The sources that were slow.
    slow: Option<String>,
    /// Reload until the new facts are there.
    reload: bool,
    /// Where the button "Read again" leads back to.
    back: &'static str,
    /// Whether it was pressed: the focus stays at it.
    again: bool,
}

/// The one thing to do now, with addresses.
struct LeadView<'a> {
    lead: &'a Lead,
    text: String,
    buttons: Vec<Button>,
}

/// A difference with the page that fixes it.
struct DriftRow<'a> {
    drift: &'a Drift,
    button: Option<Button>,
}

/// Readiness in sections.
struct Ledger<'a> {
    open: Vec<Item<'a>>,
    reboot: Vec<Item<'a>>,
    waits: Vec<(String, String)>,
    doubtful: Vec<Item<'a>>,
    not_wanted: Vec<Item<'a>>,
    ready: Vec<Item<'a>>,
    back: &'static str,
}

impl Ledger<'_> {
    /// Nothing but what can be done now, what is `advised` or what pot needs alone, and, on a host of which too little is
    /// known, what that is.
    fn only_to_do(mut self, advised: bool, doubtful: bool) -> Self {
        self.open.retain(|item| advised || item.row.needed);
        if !doubtful {
            self.doubtful.clear();
        }
        Self { reboot: Vec::new(), waits: Vec::new(), not_wanted: Vec::new(), ready: Vec::new(), ..self }
    }
}

/// A row with what the template needs beside it.
struct Item<'a> {
    row: &'a Row,
    /// The name of its action in addresses.
    action: Option<&'static str>,
    asked: Option<Time>,
}

impl Item<'_> {
    /// "advised, next boot".
    fn weight(&self) -> &'static str {
        let boot = self.row.action.is_some_and(Preparation::at_the_next_boot);
        match (self.row.needed, boot) {
            (true, _) => "needed",
            (false, true) => "advised, next boot",
            (false, false) => "advised",
        }
    }

    /// The paragraph of the guide that is about it.
    fn guide(&self) -> Option<&'static str> {
        paragraph_about(Topic::Row(self.row.id)).map(|paragraph| paragraph.id)
    }

    fn is_not_possible(&self) -> bool {
        self.row.state == RowState::NotPossible
    }
}

/// What runs, on a host that is initialised.
struct Running<'a> {
    state: &'a HostState,
    pots: Vec<PotLine<'a>>,
    pot_count: usize,
    /// Which of them are listed, where not all are.
    pots_chosen: Option<String>,
    /// The command that makes a first one, as an example.
    first_pot: String,
    pots_error: Option<&'a str>,
    pot_network: String,
    outside: bool,
    since: Vec<Change>,
    since_when: Option<Time>,
    network: Vec<(&'static str, &'static str)>,
    network_evidence: Vec<Evidence>,
    /// The first of them, and how many there are.
    private: &'a [PrivateBridge],
    private_count: usize,
    datasets: Vec<(&'a Dataset, String)>,
    datasets_error: Option<&'a str>,
}

/// A record of the history, as a line.
struct Change {
    who: String,
    changed: Changed,
    address: String,
    at: Time,
}

/// A source with its age.
struct AskedRow<'a> {
    asked: Asked<'a>,
    at: Time,
}

async fn show(visitor: Visitor, asked_again: web::Query<Again>) -> Result<HttpResponse, Fault> {
    let Some(known) = Known::of(&visitor).await? else { return waiting(&visitor) };
    let state = known.state(&visitor);
    let clock = visitor.clock();
    // zfs that does not answer takes no pot away: where there are some, they are shown.
    let in_doubt = state.pot.stage == Stage::Unknown;
    let has_pots = known.facts.pots.get().is_some_and(|pots| !pots.is_empty());
    let initialised = state.pot.stage == Stage::Initialised || in_doubt && has_pots;
    let under_way = state.steps.iter().any(|step| step.state != StepState::Done);
    let running = if initialised {
        let (since, since_when) = changes(&visitor, &known).await;
        Some(running(&known, &state, since, since_when))
    } else {
        None
    };
    // Whoever has no pots yet is still setting up: what is advised stands at the top.
    let no_pots = known.facts.pots.get().is_some_and(Vec::is_empty);
    let ledger = match (initialised, state.counts.needed + state.counts.configuration) {
        (false, _) => Some(ledger(&known, &state, clock, "/")),
        // On a host that runs, readiness is one line, unless something is in the way.
        (true, 0) if !in_doubt && !no_pots => None,
        (true, _) => Some(ledger(&known, &state, clock, "/").only_to_do(no_pots, in_doubt)),
    };
    let page = Page {
        frame: frame(&visitor, &state).with_notice(known.notice()),
        head: Head { again: asked_again.is_pressed(), ..head(&visitor, &known, "/") },
        lead: lead(&visitor, &known, &state),
        // The way goes on until the first pot is there.
        steps: if under_way && !in_doubt { state.steps.iter().collect() } else { Vec::new() },
        drift: drift(&state, visitor.may(Role::Operator)),
        ledger,
        running,
        picture: picture(&visitor, &known, &state),
        asked: asked(&known.facts, clock),
    };
    layout::page(StatusCode::OK, &page)
}

/// The network as it is.
fn picture(visitor: &Visitor, known: &Known, state: &Judged) -> Drawn {
    let draw = || {
        let system = known.facts.system.get().map(|system| system.hostname.as_str());
        let host = system.filter(|name| !name.is_empty()).unwrap_or(&visitor.greeting.hostname);
        let title = format!("The network of {host}: {}", state.network.in_words());
        PictureView::large("net", title, Picture::now(&known.facts, &known.configuration, &state.pot)).drawn()
    };
    state.drawn_now.get_or_init(draw).clone()
}

/// The one thing to do now, as the page shows it.
fn lead<'a>(visitor: &Visitor, known: &Known, state: &'a HostState) -> Option<LeadView<'a>> {
    let lead = state.lead.as_ref()?;
    let clock = visitor.clock();
    let changed = known.modified.filter(|_| state.pot.drift.iter().any(|drift| drift.id == "bridge" && !drift.left));
    let since = match (lead.since, changed) {
        (Some(at), _) => format!("{}. ", capital(clock.moment(&at).text())),
        (None, Some(at)) => format!("pot.conf was last changed {}. ", clock.moment(&at).text()),
        (None, None) => String::new(),
    };
    let may = visitor.may(Role::Operator);
    let buttons = lead.acts.iter().map(|offer| button(offer, may)).collect();
    Some(LeadView { lead, text: format!("{since}{}", lead.text), buttons })
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The differences: those that are known and left come last.
fn drift(state: &HostState, may: bool) -> Vec<DriftRow<'_>> {
    let mut rows: Vec<DriftRow<'_>> =
        state.pot.drift.iter().map(|drift| DriftRow { drift, button: remedy(state, drift, may) }).collect();
    rows.sort_by_key(|row| row.drift.left);
    rows
}

fn remedy(state: &HostState, drift: &Drift, may: bool) -> Option<Button> {
    let act = match drift.remedy? {
        Remedy::Init => Act::Init,
        Remedy::VnetStart => Act::VnetStart,
        Remedy::Configuration => Act::Configure,
    };
    let is_under_way = |name| state.operation(name).is_some_and(|operation| operation.standing == Standing::UnderWay);
    if act.operation().is_some_and(is_under_way) {
        return None;
    }
    let label = match act {
        Act::Configure => "Configuration".to_owned(),
        _ => format!("Plan {}", act.operation().map_or("it", OperationName::in_words)),
    };
    Some(button(&Offer { act, label, main: false }, may)).filter(|_| !drift.left)
}

async fn show_readiness(visitor: Visitor, asked_again: web::Query<Again>) -> Result<HttpResponse, Fault> {
    let Some(known) = Known::of(&visitor).await? else { return waiting(&visitor) };
    let state = known.state(&visitor);
    let clock = visitor.clock();
    let page = ReadinessPage {
        frame: Frame { title: "Readiness".to_owned(), ..frame(&visitor, &state) }.with_notice(known.notice()),
        head: Head {
            title: "Readiness".to_owned(),
            again: asked_again.is_pressed(),
            ..head(&visitor, &known, "/readiness")
        },
        ledger: ledger(&known, &state, clock, "/readiness"),
        asked: asked(&known.facts, clock),
    };
    layout::page(StatusCode::OK, &page)
}

/// Starts a new gathering. The page that follows reloads itself until it is there.
async fn refresh(visitor: Visitor, form: Form) -> Result<HttpResponse, Fault> {
    visitor.ask::<FactsView>(Command::Facts { refresh: true }).await?;
    Ok(layout::see_other(&format!("{}?again=1", back(&form))))
}

/// Dismisses an advised to-do, or takes it up again; the executor records it.
async fn dismiss(visitor: Visitor, form: Form) -> Result<HttpResponse, Fault> {
    let item = form
        .text("item")
        .and_then(|name| serde_json::from_value::<Preparation>(serde_json::Value::String(name.to_owned())).ok())
        .ok_or_else(|| Fault::Invalid("That is none of the to-dos.".to_owned()))?;
    let dismissed = match form.text("aside") {
        Some("true") => true,
        Some("false") => false,
        _ => return Err(Fault::Invalid("Say whether it is wanted.".to_owned())),
    };
    visitor.ask::<()>(Command::Dismiss { item, dismissed }).await?;
    Ok(layout::see_other(back(&form)))
}

/// Leaves a difference as it is, or takes it up again; the executor records it.
async fn leave_drift(visitor: Visitor, form: Form) -> Result<HttpResponse, Fault> {
    let text = |name: &str| form.get(name).unwrap_or_default().to_owned();
    let drift = LeftDrift { id: text("id"), configured: text("configured"), running: text("running") };
    let leave = match form.text("leave") {
        Some("true") => true,
        Some("false") => false,
        _ => return Err(Fault::Invalid("Say whether it is to be left.".to_owned())),
    };
    visitor.ask::<()>(Command::LeaveDrift { drift, leave }).await?;
    Ok(layout::see_other(back(&form)))
}

/// The page that a form came from: one of ours, never an address that someone typed.
fn back(form: &Form) -> &'static str {
    match form.text("back") {
        Some("/readiness") => "/readiness",
        Some("/pots") => "/pots",
        Some("/configuration") => "/configuration",
        _ => "/",
    }
}

fn frame(visitor: &Visitor, state: &HostState) -> Frame {
    let frame = visitor.frame(Entry::Host, visitor.greeting.hostname.clone());
    let open = state.counts.to_do();
    let count = match (state.open_drift(), open) {
        (0, 0) => return frame,
        (0, open) => format!("{open} to do"),
        (1, _) => "1 differs".to_owned(),
        (differ, _) => format!("{differ} differ"),
    };
    let frame = frame.with_count(Entry::Host, count.clone());
    Frame { title: count, ..frame }
}

fn head(visitor: &Visitor, known: &Known, back: &'static str) -> Head {
    let clock = visitor.clock();
    Head {
        title: visitor.greeting.hostname.clone(),
        sub: sub(&known.facts, clock),
        facts: Read::of(visitor, known),
        slow: known.facts.slow_in_words(),
        reload: known.refreshing,
        back,
        again: false,
    }
}

/// "FreeBSD 14.3-RELEASE-p5, amd64, 4 CPUs, 8 GiB, up 12 days, pot 0.16.1".
fn sub(facts: &HostFacts, clock: &Clock) -> String {
    let mut parts = Vec::new();
    if let Some(system) = facts.system.get() {
        parts.push(format!("FreeBSD {}", system.kernel));
    }
    if let Some(machine) = facts.machine.get() {
        parts.extend(machine.architecture.clone());
        parts.extend(machine.cpus.map(|cpus| counted(cpus as usize, "CPU", "CPUs")));
        parts.extend(machine.memory.map(whole_gibibytes));
        parts.extend(machine.booted.map(|booted| format!("up {}", clock.ago(&booted).trim_end_matches(" ago"))));
    }
    parts.extend(facts.packages.get().and_then(|packages| packages.pot.as_ref()).map(|pot| format!("pot {pot}")));
    parts.join(", ")
}

/// Memory is sold in whole GiB; the kernel keeps a little of it for itself.
fn whole_gibibytes(bytes: u64) -> String {
    if bytes < 2 << 30 { size(bytes) } else { format!("{} GiB", (bytes + (1 << 29)) >> 30) }
}

fn ledger<'a>(known: &Known, state: &'a HostState, clock: &Clock, back: &'static str) -> Ledger<'a> {
    let rows = &state.readiness;
    let item = |row: &'a Row| Item {
        row,
        action: row.action.map(Preparation::name),
        asked: row.evidence.at.map(|at| clock.time(&at)),
    };
    let pick = |wanted: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| wanted(row)).map(item).collect::<Vec<_>>();
    let mut open = pick(&|row| row.is_open());
    // What is needed first, each in the order of the guide.
    open.sort_by_key(|item| !item.row.needed);
    Ledger {
        open,
        reboot: pick(&|row| row.awaits_reboot && !row.dismissed),
        waits: waits(known, state),
        doubtful: pick(&|row| matches!(row.state, RowState::Unknown | RowState::NotPossible)),
        not_wanted: pick(&|row| row.dismissed),
        ready: pick(&|row| row.state == RowState::Ready),
        back,
    }
}

/// What comes with a later step: title and words.
fn waits(known: &Known, state: &HostState) -> Vec<(String, String)> {
    let mut waits: Vec<(String, String)> =
        state.readiness.iter().filter(|row| row.waits).map(|row| (row.title.clone(), row.why.clone())).collect();
    if state.pot.stage == Stage::NotInstalled {
        waits.extend(interface_waits(known));
    }
    if matches!(state.pot.stage, Stage::NotInstalled | Stage::Fresh) {
        waits.push(("Datasets, anchors".to_owned(), "Created by pot init".to_owned()));
    }
    waits
}

/// The card that pot will take for the way out is not there: worth knowing before pot.conf exists.
fn interface_waits(known: &Known) -> Option<(String, String)> {
    let wanted = Wanted::of(&known.configuration).interface?;
    let interfaces = known.facts.interfaces.get()?;
    if interfaces.iter().any(|interface| interface.name == wanted) {
        return None;
    }
    let way_out = known.facts.routes.get()?.iter().find(|route| route.destination.prefix_len() == 0)?;
    Some((
        "POT_EXTIF".to_owned(),
        format!(
            "Default is {wanted}, which this host lacks. {} carries the default route; set it once pot is installed",
            way_out.interface
        ),
    ))
}

fn running<'a>(known: &'a Known, state: &'a HostState, since: Vec<Change>, since_when: Option<Time>) -> Running<'a> {
    let pots = known.facts.pots.get().map(Vec::as_slice).unwrap_or_default();
    let wanted = Wanted::of(&known.configuration);
    let private = known.facts.private_bridges.get().map(Vec::as_slice).unwrap_or_default();
    let beside = Beside::of(&known.facts, &wanted, &state.pot);
    let outside = pots.iter().any(|pot| beside.is_outside(pot));
    let top = wanted.zfs_root.as_deref().unwrap_or_default();
    let datasets = known.facts.datasets.get().map(Vec::as_slice).unwrap_or_default();
    let is_pots = |dataset: &&Dataset| {
        dataset.kind == "filesystem"
            && dataset
                .name
                .strip_prefix(top)
                .is_some_and(|rest| rest.is_empty() || rest.matches('/').count() == 1 && rest.starts_with('/'))
    };
    Running {
        pot_count: pots.len(),
        state,
        pots_error: known.facts.pots.error.as_deref(),
        outside,
        pots_chosen: chosen(pots.len(), outside),
        first_pot: first_pot(&known.facts),
        pots: some_of(pots, &beside).into_iter().map(|pot| PotLine::of(pot, &beside)).collect(),
        pot_network: wanted.network.map(|network| network.trunc().to_string()).unwrap_or_default(),
        since,
        since_when,
        network: network(&wanted),
        network_evidence: vec![
            Evidence::of(&known.facts.interfaces),
            Evidence::of(&known.facts.pf),
            Evidence::of(&known.facts.forwarding),
        ],
        private: private.get(..POTS_SHOWN).unwrap_or(private),
        private_count: private.len(),
        datasets: datasets.iter().filter(is_pots).map(|dataset| (dataset, size(dataset.used))).collect(),
        datasets_error: known.facts.datasets.error.as_deref(),
    }
}

/// The parts of the virtual network: label, and the fact's name in the model.
fn network(wanted: &Wanted) -> Vec<(&'static str, &'static str)> {
    let mut lines = Vec::new();
    if wanted.ipv4 {
        lines.extend([("Public bridge", "public-bridge"), ("NAT", "nat")]);
    }
    lines.extend([("pf", "pf"), ("Anchors", "anchors"), ("Forwarding", "forwarding")]);
    lines
}

/// On a host with many pots those first that want a look: outside of the network, then running.
fn some_of<'a>(pots: &'a [Pot], beside: &Beside<'_>) -> Vec<&'a Pot> {
    let mut some: Vec<&Pot> = pots.iter().collect();
    if some.len() > POTS_SHOWN {
        some.sort_by_key(|pot| (!beside.is_outside(pot), pot.running != Some(true)));
        some.truncate(POTS_SHOWN);
        some.sort_by(|one, other| one.name.cmp(&other.name));
    }
    some
}

/// Which [`some_of`] them are, in words; none: all.
fn chosen(pots: usize, outside: bool) -> Option<String> {
    let outside = if outside { "those outside POT_NETWORK, then " } else { "" };
    let pots_shown = || {
        let all = layout::grouped(pots as u64);
        format!("{POTS_SHOWN} of {all} pots: {outside}those that run before those that do not.")
    };
    (pots > POTS_SHOWN).then(pots_shown)
}

/// What others did since the visitor signed in the time before. Best effort: the page comes up without it.
async fn changes(visitor: &Visitor, known: &Known) -> (Vec<Change>, Option<Time>) {
    let clock = visitor.clock();
    let since = visitor.session.previous_sign_in;
    let recent = match newest(visitor, known).await {
        Ok(recent) => recent,
        Err(fault) => {
            tracing::warn!(%fault, "the newest records could not be read");
            Arc::default()
        }
    };
    let shown = recent
        .records
        .iter()
        .rev()
        .filter(|record| since.is_none_or(|since| record.time > since))
        .take(SHOWN)
        .map(|record| Change {
            who: who(&record.entry).to_owned(),
            changed: Changed::of(&record.entry, None),
            address: format!("/history/{}", record.entry.intent.unwrap_or(record.sequence)),
            at: clock.moment(&record.time),
        })
        .collect();
    (shown, since.map(|at| clock.moment(&at)))
}

/// The newest records that are changes. Of those that were asked for before only what came since is asked for.
async fn newest(visitor: &Visitor, known: &Known) -> Result<Arc<Recent>, Refusal> {
    let ask = async |after: u64, limit: u32| -> Result<Records, Refusal> {
        visitor.state().client.ask(None, &Reported::default(), Command::JournalAfter { after, limit }).await
    };
    let kept = &visitor.state().kept;
    let before = kept.recent();
    if let Some(before) = before.as_ref().filter(|before| Some(before.last) == known.journal) {
        return Ok(Arc::clone(before));
    }
    let since = ask(before.as_ref().map_or(u64::MAX - 1, |before| before.last), LOOKED_AT).await?;
    let last = since.last;
    let (mut records, new) = match before {
        Some(before) if before.last == last => return Ok(before),
        // Nothing is missing between what is known and what came.
        Some(before) if before.last + since.records.len() as u64 == last => (before.records.clone(), since.records),
        _ => (Vec::new(), ask(last.saturating_sub(u64::from(LOOKED_AT)), LOOKED_AT).await?.records),
    };
    records.extend(new.into_iter().filter(|record| is_change(&record.entry)));
    records.retain(|record| record.sequence + u64::from(LOOKED_AT) > last);
    let recent = Arc::new(Recent { last, records });
    kept.keep_recent(&recent);
    Ok(recent)
}

/// Comings and goings are for the history; here stands what changed the host or the console.
fn is_change(entry: &record::Entry) -> bool {
    let happened = entry.stage != RecordStage::Intent && entry.outcome != Some(Outcome::Refused);
    happened
        && matches!(
            entry.action,
            Action::Configuration
                | Action::Restore
                | Action::Run
                | Action::Abort
                | Action::Keep
                | Action::Revert
                | Action::Readiness
                | Action::Account
                | Action::Settings
                | Action::Outside
                | Action::Journal
        )
}

fn asked<'a>(facts: &'a HostFacts, clock: &Clock) -> Vec<AskedRow<'a>> {
    facts.everything_asked().into_iter().map(|asked| AskedRow { at: clock.time(&asked.at), asked }).collect()
}
