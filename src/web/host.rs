//! The start page: what this host lacks, what runs, what differs from pot.conf, what changed since the last visit.
//!
//! One page in three states. A host on which pot is not initialised shows the way there and one plan for all that is to
//! be done; one that is initialised shows its pots and its network; where something runs otherwise than pot.conf says,
//! that comes first. Facts are the executor's, cached: no page waits for a tool. One that finds them old makes the executor
//! look again, and reloads itself once they are there.

use super::error::Fault;
use super::known::{Known, waiting};
use super::layout::{self, Clock, Entry, Frame, Time, counted};
use super::visitor::{Form, Visitor};
use crate::executor::protocol::{Command, FactsView, Records};
use crate::facts::{Asked, Dataset, HostFacts, PrivateBridge};
use crate::host::Preparation;
use crate::host::{self, Counts, Drift, Evidence, PotState, Remedy, Row, RowState, Stage, Wanted, size};
use crate::journal::record::{self, Action, Outcome, Record, Reported, Stage as RecordStage};
use crate::potconf::Source;
use crate::refusal::Refusal;
use crate::rules::{Finding, Severity};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

/// Records that the list of changes looks through, and the most that it shows.
const LOOKED_AT: u32 = 200;
const SHOWN: usize = 6;
/// Pots that the start page lists before it points to the whole list.
const POTS_SHOWN: usize = 12;

/// The routes of this file. All of them want someone signed in; the executor asks for more where something changes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/", web::get().to(show))
        .route("/readiness", web::get().to(show_readiness))
        .route("/refresh", web::post().to(refresh))
        .route("/set-aside", web::post().to(set_aside));
}

/// `templates/host/host.html`.
#[derive(Template)]
#[template(path = "host/host.html")]
struct Page<'a> {
    frame: Frame,
    head: Head,
    lead: Option<Lead>,
    route: Vec<Leg>,
    drift: Vec<DriftRow<'a>>,
    ledger: Option<Ledger<'a>>,
    running: Option<Running<'a>>,
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
    read: Time,
    ago: String,
    /// The sources that were slow.
    slow: Option<String>,
    /// Reload until the new facts are there.
    reload: bool,
    /// Where the button "Read again" leads back to.
    back: &'static str,
}

/// The one thing to do now.
struct Lead {
    heading: String,
    text: String,
    attention: bool,
    buttons: Vec<Button>,
}

struct Button {
    label: String,
    address: String,
    main: bool,
}

impl Button {
    fn main(label: impl Into<String>, address: impl Into<String>) -> Self {
        Self { label: label.into(), address: address.into(), main: true }
    }

    fn plain(label: impl Into<String>, address: impl Into<String>) -> Self {
        Self { label: label.into(), address: address.into(), main: false }
    }
}

/// One leg of the way from here to running pots.
struct Leg {
    title: &'static str,
    text: String,
    class: &'static str,
}

/// A difference with the page that mends it.
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
    /// Nothing but what pot needs and can be done now, and, on a host of which too little is known, what that is.
    fn only_needed(mut self, doubtful: bool) -> Self {
        self.open.retain(|item| item.row.needed);
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
    action: Option<String>,
    asked: Option<Time>,
}

impl Item<'_> {
    /// "advised, next boot".
    fn weight(&self) -> &'static str {
        let boot = matches!(self.row.action, Some(Preparation::EnableRacct | Preparation::DisableVtnetLro));
        match (self.row.needed, boot) {
            (true, _) => "needed",
            (false, true) => "advised, next boot",
            (false, false) => "advised",
        }
    }

    fn is_not_possible(&self) -> bool {
        self.row.state == RowState::NotPossible
    }
}

/// What runs, on a host that is initialised.
struct Running<'a> {
    pots: Vec<super::pots::PotLine<'a>>,
    pot_count: usize,
    how_many_run: String,
    pots_error: Option<&'a str>,
    network: String,
    outside: bool,
    since: Vec<Change>,
    since_when: Option<Time>,
    net: Network,
    private: &'a [PrivateBridge],
    datasets: Vec<(&'a Dataset, String)>,
    datasets_error: Option<&'a str>,
    readiness: String,
}

/// A record of the history, as a line.
struct Change {
    text: String,
    address: String,
    at: Time,
}

/// The virtual network, source by source.
struct Network {
    word: &'static str,
    lines: Vec<(&'static str, String)>,
    evidence: Vec<Evidence>,
}

/// A source with its age.
struct AskedRow<'a> {
    asked: Asked<'a>,
    at: Time,
}

async fn show(visitor: Visitor) -> Result<HttpResponse, Fault> {
    let Some(known) = Known::of(&visitor).await? else { return waiting(&visitor) };
    let state = known.state();
    let findings = known.findings(&visitor);
    let rows = rows(&known, &findings);
    let counts = Counts::of(&rows);
    let clock = visitor.clock();
    // zfs that does not answer takes no pot away: where there are some, they are shown.
    let in_doubt = state.stage == Stage::Unknown;
    let has_pots = known.facts.pots.get().is_some_and(|pots| !pots.is_empty());
    let initialised = state.stage == Stage::Initialised || in_doubt && has_pots;
    let route = if initialised || in_doubt { Vec::new() } else { legs(&state, &counts, &findings) };
    let lead = lead(&known, &state, &rows, &counts, &findings, clock);
    let running = if initialised {
        let (since, since_when) = changes(&visitor).await;
        Some(running(&known, &state, &counts, since, since_when))
    } else {
        None
    };
    let ledger = match (initialised, counts.needed) {
        (false, _) => Some(ledger(&rows, &known, &state, clock, "/")),
        // On a host that runs, readiness is one line, unless something is in the way.
        (true, 0) if !in_doubt => None,
        (true, _) => Some(ledger(&rows, &known, &state, clock, "/").only_needed(in_doubt)),
    };
    let page = Page {
        frame: frame(&visitor, &counts, &state).with_notice(known.notice()),
        head: head(&visitor, &known, "/"),
        lead,
        route,
        drift: state.drift.iter().map(|drift| DriftRow { drift, button: remedy(drift) }).collect(),
        ledger,
        running,
        asked: asked(&known.facts, clock),
    };
    layout::page(StatusCode::OK, &page)
}

async fn show_readiness(visitor: Visitor) -> Result<HttpResponse, Fault> {
    let Some(known) = Known::of(&visitor).await? else { return waiting(&visitor) };
    let state = known.state();
    let rows = rows(&known, &known.findings(&visitor));
    let counts = Counts::of(&rows);
    let clock = visitor.clock();
    let page = ReadinessPage {
        frame: Frame { title: "Readiness".to_owned(), ..frame(&visitor, &counts, &state) }.with_notice(known.notice()),
        head: Head { title: "Readiness".to_owned(), ..head(&visitor, &known, "/readiness") },
        ledger: ledger(&rows, &known, &state, clock, "/readiness"),
        asked: asked(&known.facts, clock),
    };
    layout::page(StatusCode::OK, &page)
}

/// Starts a new gathering. The page that follows reloads itself until it is there.
async fn refresh(visitor: Visitor, form: Form) -> Result<HttpResponse, Fault> {
    visitor.ask::<FactsView>(Command::Facts { refresh: true }).await?;
    Ok(layout::see_other(back(&form)))
}

/// Sets an advised to-do aside, or takes it up again; the executor records it.
async fn set_aside(visitor: Visitor, form: Form) -> Result<HttpResponse, Fault> {
    let item = form
        .text("item")
        .and_then(|name| serde_json::from_value::<Preparation>(serde_json::Value::String(name.to_owned())).ok())
        .ok_or_else(|| Fault::Invalid("That is none of the to-dos.".to_owned()))?;
    let aside = match form.text("aside") {
        Some("true") => true,
        Some("false") => false,
        _ => return Err(Fault::Invalid("Say whether it is wanted.".to_owned())),
    };
    visitor.ask::<()>(Command::SetAside { item, aside }).await?;
    Ok(layout::see_other(back(&form)))
}

/// The page that a form came from: one of ours, never an address that someone typed.
fn back(form: &Form) -> &'static str {
    match form.text("back") {
        Some("/readiness") => "/readiness",
        Some("/pots") => "/pots",
        _ => "/",
    }
}

fn rows(known: &Known, findings: &[Finding]) -> Vec<Row> {
    let mut rows = host::readiness(&known.facts, &known.configuration, &known.set_aside);
    let mut configuration = host::configuration_row(findings);
    if known.has_files {
        // In the order of the guide: after pot and its settings of the kernel.
        let place = rows.iter().position(|row| row.id == "group").unwrap_or(rows.len());
        // The configuration has its own page and its own leg of the way.
        configuration.waits = configuration.state == RowState::ToDo;
        rows.insert(place, configuration);
    }
    rows
}

fn frame(visitor: &Visitor, counts: &Counts, state: &PotState) -> Frame {
    let frame = visitor.frame(Entry::Host, visitor.greeting.hostname.clone());
    let open = counts.needed + counts.advised;
    let count = match (state.drift.len(), open) {
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
        read: clock.time(&known.facts.at),
        ago: clock.ago(&known.facts.at),
        slow: known.facts.slow_in_words(),
        reload: known.refreshing,
        back,
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

/// The way from here to running pots.
fn legs(state: &PotState, counts: &Counts, findings: &[Finding]) -> Vec<Leg> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let installed = state.stage != Stage::NotInstalled;
    let prepare = match (counts.needed, counts.advised) {
        (0, 0) => "done".to_owned(),
        (0, advised) => format!("{advised} advised"),
        (needed, 0) => format!("{needed} needed"),
        (needed, advised) => format!("{needed} needed, {advised} advised"),
    };
    let configure = match (installed, errors) {
        (false, _) => "once pot is installed".to_owned(),
        (true, 0) => "no errors".to_owned(),
        (true, errors) => counted(errors, "error", "errors"),
    };
    let done = [counts.needed == 0 && installed, installed && errors == 0, false, false];
    let here = done.iter().position(|done| !done);
    let titles = [
        ("Prepare", prepare),
        ("Configure", configure),
        ("Initialise", "pot init".to_owned()),
        ("Start the network", "pot vnet-start".to_owned()),
    ];
    titles
        .into_iter()
        .enumerate()
        .map(|(index, (title, text))| Leg {
            title,
            text,
            class: if Some(index) == here {
                "here"
            } else if here.is_some_and(|here| index < here) {
                "done"
            } else {
                ""
            },
        })
        .collect()
}

fn lead(
    known: &Known,
    state: &PotState,
    rows: &[Row],
    counts: &Counts,
    findings: &[Finding],
    clock: &Clock,
) -> Option<Lead> {
    if let Some((file, line, reason)) = known.configuration.trouble() {
        let file = if file == Source::PotConf { "pot.conf" } else { "pot.default.conf" };
        return Some(Lead {
            heading: "What pot.conf says is not certain".to_owned(),
            text: format!(
                "{file}, line {line}: {reason}. The console never runs the file, so it cannot tell which values pot takes; \
                 pots, datasets and differences cannot be shown."
            ),
            attention: true,
            buttons: vec![Button::main("Open the configuration", "/configuration/file")],
        });
    }
    let impossible = rows.iter().find(|row| row.needed && row.state == RowState::NotPossible);
    if let Some(row) = impossible.filter(|_| state.stage != Stage::Initialised) {
        return Some(Lead {
            heading: "pot cannot run here".to_owned(),
            text: row.why.clone(),
            attention: true,
            buttons: Vec::new(),
        });
    }
    if !state.drift.is_empty() {
        return Some(drift_lead(known, state, clock));
    }
    let plannable: Vec<&Row> = rows.iter().filter(|row| row.is_open() && row.action.is_some()).collect();
    if state.stage == Stage::Initialised && counts.needed == 0 {
        return network_lead(state);
    }
    if counts.needed > 0 || (state.stage == Stage::NotInstalled && !plannable.is_empty()) {
        return Some(prepare_lead(&plannable, counts, rows));
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    if errors > 0 {
        let first = findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
        return Some(Lead {
            heading: format!("pot.conf has {}", counted(errors, "error", "errors")),
            text: first,
            attention: true,
            buttons: vec![Button::main("Open the configuration", "/configuration")],
        });
    }
    if state.stage == Stage::Unknown {
        return Some(Lead {
            heading: "Not everything about this host is known".to_owned(),
            text: "Some sources did not answer. What they said stands below.".to_owned(),
            attention: true,
            buttons: Vec::new(),
        });
    }
    let part = !state.datasets.is_empty();
    let mut buttons = Vec::new();
    if !plannable.is_empty() {
        buttons.push(Button::plain(format!("Plan the {} advised", number(plannable.len())), plan_of(&plannable)));
    }
    buttons.push(Button::main(if part { "Plan init again" } else { "Plan init" }, "/operations/init"));
    Some(Lead {
        heading: if part { "pot is initialised in part" } else { "Ready to initialise pot" }.to_owned(),
        text: if part {
            format!("Missing: {}. pot init goes on where it stopped.", state.missing_datasets.join(", "))
        } else {
            "The plan shows every dataset, line and file before anything is made. It starts no network.".to_owned()
        },
        attention: part,
        buttons,
    })
}

fn drift_lead(known: &Known, state: &PotState, clock: &Clock) -> Lead {
    let count = state.drift.len();
    // The bridge is what pots hang on: with another one they are on another network.
    let network = state.drift.iter().any(|drift| drift.id == "bridge");
    let mut text = known
        .modified
        .filter(|_| network)
        .map(|at| format!("pot.conf was last changed {}. ", clock.moment(&at).text()))
        .unwrap_or_default();
    let lose = if network { "would reach nothing outside" } else { "reach nothing outside" };
    match state.outside.len() {
        0 => {}
        1 => text.push_str("1 pot has an address outside of POT_NETWORK and reaches nothing outside."),
        pots => text.push_str(&format!("{pots} pots have addresses outside of POT_NETWORK and {lose}.")),
    }
    if text.is_empty() {
        text.push_str("Each line says what comes of it.");
    }
    // Each way costs something, so none of them is the main one.
    let buttons = if network {
        vec![
            Button::plain("Plan the way back", "/history/files/pot.conf"),
            Button::plain("Plan the new network", "/operations/vnet-start"),
        ]
    } else {
        Vec::new()
    };
    let heading = if count == 1 {
        "1 thing runs otherwise than pot.conf says".to_owned()
    } else {
        format!("{count} things run otherwise than pot.conf says")
    };
    Lead { heading, text, attention: true, buttons }
}

fn network_lead(state: &PotState) -> Option<Lead> {
    (state.vnet_up_pot == Some(false)).then(|| Lead {
        heading: "The virtual network is down".to_owned(),
        text: "It comes up by itself when a pot that needs it starts, then without a way back. Started from here, it puts \
               itself back unless you keep it."
            .to_owned(),
        attention: false,
        buttons: vec![Button::main("Plan vnet-start", "/operations/vnet-start")],
    })
}

fn prepare_lead(plannable: &[&Row], counts: &Counts, rows: &[Row]) -> Lead {
    let needed: Vec<&Row> = rows.iter().filter(|row| row.is_open() && row.needed).collect();
    let heading = match needed.as_slice() {
        [row] if row.id == "pot" => "pot is not installed yet".to_owned(),
        [row] => format!("1 thing is needed: {}", row.title),
        [] => "pot is not installed yet".to_owned(),
        rows => format!("{} things are needed before pot can run", rows.len()),
    };
    let boots = plannable
        .iter()
        .filter(|row| matches!(row.action, Some(Preparation::EnableRacct | Preparation::DisableVtnetLro)))
        .count();
    let by_hand = needed.iter().filter(|row| row.action.is_none()).count();
    let mut text = match (by_hand, plannable.len(), counts.advised) {
        (0, 1, 0) => "One plan does it.".to_owned(),
        (0, _, 0) => "They fit into one plan.".to_owned(),
        (0, _, 1) => "That and one advised setting fit into one plan.".to_owned(),
        (0, _, advised) => format!("That and {} advised settings fit into one plan.", number(advised)),
        (_, 0, _) => "The console cannot do it; each line says what is to be done.".to_owned(),
        _ => "The console cannot do all of it; each line says what is to be done.".to_owned(),
    };
    match boots {
        0 => {}
        1 => text.push_str(" One of them takes effect at the next boot, and you choose when."),
        boots => text.push_str(&format!(
            " {} of them take effect at the next boot; one reboot serves all, and you choose when.",
            capital(&number(boots))
        )),
    }
    let buttons = match plannable {
        [] => Vec::new(),
        [one] => vec![Button::main("Plan it", plan_of(&[*one]))],
        all => vec![Button::main(format!("Plan all {}", number(all.len())), plan_of(all))],
    };
    Lead { heading, text, attention: false, buttons }
}

fn number(number: usize) -> String {
    const WORDS: [&str; 10] = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    WORDS.get(number).map_or_else(|| number.to_string(), |word| (*word).to_owned())
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// One plan for these rows.
fn plan_of(rows: &[&Row]) -> String {
    let items: Vec<String> = rows
        .iter()
        .filter_map(|row| row.action)
        .map(|action| format!("items={}", layout::query_value(&action_name(action))))
        .collect();
    format!("/operations/prepare?{}", items.join("&"))
}

fn action_name(action: Preparation) -> String {
    match serde_json::to_value(action) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

fn remedy(drift: &Drift) -> Option<Button> {
    match drift.remedy? {
        Remedy::Init => Some(Button::plain("Plan init", "/operations/init")),
        Remedy::VnetStart => Some(Button::plain("Plan vnet-start", "/operations/vnet-start")),
        Remedy::Configuration => Some(Button::plain("Configuration", "/configuration")),
    }
}

fn ledger<'a>(rows: &'a [Row], known: &Known, state: &PotState, clock: &Clock, back: &'static str) -> Ledger<'a> {
    let item = |row: &'a Row| Item {
        row,
        action: row.action.map(action_name),
        asked: row.evidence.at.map(|at| clock.time(&at)),
    };
    let pick = |wanted: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| wanted(row)).map(item).collect::<Vec<_>>();
    let mut open = pick(&|row| row.is_open());
    // What is needed first, each in the order of the guide.
    open.sort_by_key(|item| !item.row.needed);
    Ledger {
        open,
        reboot: pick(&|row| row.awaits_reboot && !row.set_aside),
        waits: waits(rows, known, state),
        doubtful: pick(&|row| matches!(row.state, RowState::Unknown | RowState::NotPossible)),
        not_wanted: pick(&|row| row.set_aside),
        ready: pick(&|row| row.state == RowState::Ready),
        back,
    }
}

/// What comes with a later step: title and words.
fn waits(rows: &[Row], known: &Known, state: &PotState) -> Vec<(String, String)> {
    let mut waits: Vec<(String, String)> =
        rows.iter().filter(|row| row.waits).map(|row| (row.title.clone(), row.why.clone())).collect();
    if state.stage == Stage::NotInstalled {
        waits.extend(interface_waits(known));
    }
    if matches!(state.stage, Stage::NotInstalled | Stage::Fresh) {
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

fn running<'a>(
    known: &'a Known,
    state: &PotState,
    counts: &Counts,
    since: Vec<Change>,
    since_when: Option<Time>,
) -> Running<'a> {
    let pots = known.facts.pots.get().map(Vec::as_slice).unwrap_or_default();
    let wanted = Wanted::of(&known.configuration);
    let running = pots.iter().filter(|pot| pot.running == Some(true)).count();
    let lines: Vec<_> = pots.iter().map(|pot| super::pots::PotLine::of(pot, &known.facts, &wanted, state)).collect();
    let outside = lines.iter().any(|line| line.outside);
    let top = wanted.zfs_root.as_deref().unwrap_or_default();
    let datasets = known.facts.datasets.get().map(Vec::as_slice).unwrap_or_default();
    let is_pots = |dataset: &&Dataset| {
        dataset.kind == "filesystem"
            && dataset
                .name
                .strip_prefix(top)
                .is_some_and(|rest| rest.is_empty() || rest.matches('/').count() == 1 && rest.starts_with('/'))
    };
    let open = counts.needed + counts.advised;
    let ready = format!("{} of {} ready", counts.ready, counts.total);
    Running {
        pot_count: pots.len(),
        how_many_run: if pots.iter().any(|pot| pot.running.is_none()) {
            "which run is not known".to_owned()
        } else {
            format!("{running} of {} run", pots.len())
        },
        pots_error: known.facts.pots.error.as_deref(),
        pots: some_of(lines),
        network: wanted.network.map(|network| network.trunc().to_string()).unwrap_or_default(),
        outside,
        since,
        since_when,
        net: network(&known.facts, state, &wanted),
        private: known.facts.private_bridges.get().map(Vec::as_slice).unwrap_or_default(),
        datasets: datasets.iter().filter(is_pots).map(|dataset| (dataset, size(dataset.used))).collect(),
        datasets_error: known.facts.datasets.error.as_deref(),
        readiness: match (open, counts.unknown, counts.reboot) {
            (0, 0, 0) => ready,
            (0, 0, _) => format!("{ready}, a reboot is due"),
            (0, unknown, _) => format!("{ready}, {unknown} not known"),
            (open, 0, _) => format!("{ready}, {open} to do"),
            (open, unknown, _) => format!("{ready}, {open} to do, {unknown} not known"),
        },
    }
}

/// On a host with many pots those first that want a look: outside of the network, then running.
fn some_of(mut lines: Vec<super::pots::PotLine<'_>>) -> Vec<super::pots::PotLine<'_>> {
    if lines.len() > POTS_SHOWN {
        lines.sort_by_key(|line| (!line.outside, line.pot.running != Some(true)));
        lines.truncate(POTS_SHOWN);
        lines.sort_by(|one, other| one.pot.name.cmp(&other.pot.name));
    }
    lines
}

fn network(facts: &HostFacts, state: &PotState, wanted: &Wanted) -> Network {
    let word = match (state.vnet_up_pot, state.vnet_up_strict) {
        (Some(true), Some(true)) => "up",
        (Some(true), Some(false)) => "up, but not as it should be",
        (Some(false), _) => "down",
        (Some(true), None) => "up for pot",
        (None, _) => "not known",
    };
    let yes = |known: Option<bool>, yes: &'static str, no: &'static str| match known {
        Some(true) => yes,
        Some(false) => no,
        None => "not known",
    };
    let bridge = match &state.public_bridge {
        Some(name) => {
            let interfaces = facts.interfaces.get().map(Vec::as_slice).unwrap_or_default();
            let held = interfaces.iter().filter(|interface| interface.name == *name);
            let addresses = held.flat_map(|interface| interface.addresses.iter().map(|held| held.network.to_string()));
            std::iter::once(name.clone()).chain(addresses).collect::<Vec<_>>().join(", ")
        }
        None if facts.interfaces.get().is_none() || wanted.gateway.is_none() => "not known".to_owned(),
        None => "none with POT_GATEWAY".to_owned(),
    };
    let pf = facts.pf.get();
    let anchors = &state.anchors;
    let mut lines = Vec::new();
    if wanted.ipv4 {
        lines.push(("Public bridge", bridge));
        let nat = |pf: &crate::facts::Pf| format!("{} in pot-nat", counted(pf.pot_nat.len(), "rule", "rules"));
        lines.push(("NAT", pf.map_or_else(|| "not known".to_owned(), nat)));
    }
    lines.push((
        "pf",
        pf.map_or_else(
            || "not known".to_owned(),
            |pf| {
                // Rules in anchors are not among them.
                let rules = counted(pf.rules.len(), "filter rule", "filter rules");
                if pf.enabled { format!("on, {rules} in the main rule set") } else { "off".to_owned() }
            },
        ),
    ));
    lines.push((
        "Anchors",
        format!(
            "{}, {}",
            yes(anchors.in_file, "in pf's file", "not in pf's file"),
            yes(
                anchors.called,
                "called",
                if anchors.existing == Some(true) { "loaded, not called" } else { "not loaded" }
            )
        ),
    ));
    lines.push(("Forwarding", yes(facts.forwarding.get().copied(), "on", "off").to_owned()));
    Network {
        word,
        lines,
        evidence: vec![Evidence::of(&facts.interfaces), Evidence::of(&facts.pf), Evidence::of(&facts.forwarding)],
    }
}

/// What others did since the visitor signed in the time before. Best effort: the page comes up without it.
async fn changes(visitor: &Visitor) -> (Vec<Change>, Option<Time>) {
    let clock = visitor.clock();
    let since = visitor.session.previous_sign_in;
    let records = match newest(visitor).await {
        Ok(records) => records,
        Err(fault) => {
            tracing::warn!(%fault, "the newest records could not be read");
            Vec::new()
        }
    };
    let shown = records
        .iter()
        .rev()
        .filter(|record| is_change(&record.entry))
        .filter(|record| since.is_none_or(|since| record.time > since))
        .take(SHOWN)
        .map(|record| Change {
            text: record.entry.message.clone(),
            address: format!("/history/{}", record.entry.intent.unwrap_or(record.sequence)),
            at: clock.moment(&record.time),
        })
        .collect();
    (shown, since.map(|at| clock.moment(&at)))
}

async fn newest(visitor: &Visitor) -> Result<Vec<Record>, Refusal> {
    let ask = async |after: u64, limit: u32| -> Result<Records, Refusal> {
        visitor.state().client.ask(None, &Reported::default(), Command::JournalAfter { after, limit }).await
    };
    let last = ask(u64::MAX - 1, 1).await?.last;
    Ok(ask(last.saturating_sub(u64::from(LOOKED_AT)), LOOKED_AT).await?.records)
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
