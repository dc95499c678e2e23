//! /operations and /operations/NAME: what can be done to this host. GET shows the executor's plan, POST starts it.

use super::acts;
use super::error::{Fault, with_retry};
use super::feedback::{self, Questions};
use super::known::Known;
use super::layout::{self, Entry, Frame, Icon, Notice, Time};
use super::picture::PictureView;
use super::visitor::{Form, Visitor};
use crate::digest::Digest;
use crate::executor::protocol::{Command, SessionView, Started};
use crate::facts::{Dataset, size};
use crate::host::{Act, HostState, OperationName, RunNow, Standing, Topic, paragraph_about};
use crate::journal::record::Role;
use crate::network::picture::Picture;
use crate::plan::text;
use crate::plan::{
    ACKNOWLEDGED, Leftover, ManagedFile, NAT_RULES, Operation, PF_ON, Plan, Preparation, ProofNeeded, RunBrief,
    RunState, Step, StepState, shell_words,
};
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/operations", web::get().to(list))
        .route("/operations/{name}", web::get().to(show))
        .route("/operations/{name}", web::post().to(start));
}

// -- the list --

/// `templates/operations/operations.html`.
#[derive(Template)]
#[template(path = "operations/operations.html")]
struct List {
    frame: Frame,
    groups: Vec<(&'static str, Vec<Row>)>,
    runs: Vec<RunLine>,
}

/// One operation with its state on this host.
struct Row {
    icon: Icon,
    title: &'static str,
    operation: OperationName,
    name: &'static str,
    address: String,
    explains: &'static str,
    state: String,
    quiet: bool,
    button: &'static str,
    main: bool,
}

impl Row {
    /// The paragraph of the guide that is about it.
    fn guide(&self) -> Option<&'static str> {
        paragraph_about(Topic::Operation(self.operation)).map(|paragraph| paragraph.id)
    }
}

/// One past run.
pub(crate) struct RunLine {
    /// The run.
    pub run: RunBrief,
    /// What it did, in words.
    pub title: String,
    /// When it started.
    pub at: Time,
    /// How it ended.
    pub(crate) icon: Icon,
    /// Its state in words.
    pub state: &'static str,
}

impl RunLine {
    /// The line of a run.
    pub fn of(visitor: &Visitor, run: RunBrief) -> Self {
        let (icon, state) = state_of(run.state);
        Self { title: title(&run.operation).to_owned(), at: visitor.clock().moment(&run.started), icon, state, run }
    }
}

/// A run's state as icon and words.
pub fn state_of(state: RunState) -> (Icon, &'static str) {
    match state {
        RunState::Running => (Icon::new("now", "", "is-accent"), "Running"),
        RunState::AwaitingKeep => (Icon::new("now", "", "is-accent"), "Waiting for an answer"),
        RunState::AsPlanned => (Icon::new("tick", "", "is-good"), "As planned"),
        RunState::Differs => (Icon::new("error", "", "is-error"), "Not as planned"),
        RunState::Aborted => (Icon::new("warn", "", "is-warn"), "Ended by someone"),
        RunState::Interrupted => (Icon::new("warn", "", "is-warn"), "Interrupted"),
        RunState::Reverted => (Icon::new("back", "", ""), "Put back"),
        RunState::RevertedInPart => (Icon::new("error", "", "is-error"), "Put back in part"),
        RunState::OvertakenByReboot => (Icon::new("warn", "", "is-warn"), "Overtaken by a reboot"),
    }
}

/// What an operation does, as a heading.
pub fn title(operation: &Operation) -> &'static str {
    match operation {
        Operation::Prepare { .. } => "Prepare this host",
        Operation::Init { .. } => "Initialise pot",
        Operation::VnetStart { .. } => "Start the virtual network",
        Operation::DeInit { .. } => "Remove pot from this host",
        Operation::CleanUp { .. } => "Clean up what pot left behind",
        Operation::Restore { .. } => "Write a kept version back",
    }
}

/// The navigation's count while a run is under way.
pub(crate) fn with_active(frame: Frame, newest: Option<RunState>) -> Frame {
    match newest {
        Some(RunState::AwaitingKeep) => frame.with_count(Entry::Operations, "1 waiting"),
        Some(RunState::Running) => frame.with_count(Entry::Operations, "1 running"),
        _ => frame,
    }
}

/// The newest runs.
pub async fn runs(visitor: &Visitor, before: Option<u64>, limit: u32) -> Result<Vec<RunBrief>, Refusal> {
    visitor.ask(Command::RunList { before, limit }).await
}

async fn list(visitor: Visitor) -> Result<HttpResponse, Fault> {
    let known = Known::of(&visitor).await?;
    let state = known.as_ref().map(|known| known.state(&visitor));
    let notice = known.as_ref().and_then(Known::notice);
    let runs = runs(&visitor, None, 10).await?;
    let newest = runs.first().map(|run| run.state);
    let frame = with_active(visitor.frame(Entry::Operations, Entry::Operations.label()), newest).with_notice(notice);
    let groups = groups(state.as_deref().map(std::ops::Deref::deref), visitor.may(Role::Operator));
    let runs = runs.into_iter().map(|run| RunLine::of(&visitor, run)).collect();
    layout::page(StatusCode::OK, &List { frame, groups, runs })
}

/// The operations of the guide by group: heading, rows.
fn groups(state: Option<&HostState>, may_change: bool) -> Vec<(&'static str, Vec<Row>)> {
    let row = |name: OperationName, title, explains| {
        let operation = state.and_then(|state| state.operation(name));
        let standing = operation.map_or(Standing::Unknown, |operation| operation.standing);
        let under_way = state.and_then(|state| state.run.as_ref()).filter(|_| standing == Standing::UnderWay);
        Row {
            icon: match standing {
                Standing::Done => Icon::new("tick", "", "is-good"),
                Standing::UnderWay => Icon::new("now", "", "is-accent"),
                Standing::Differs | Standing::Blocked => Icon::new("warn", "", "is-warn"),
                _ => Icon::new("todo", "", "quiet"),
            },
            title,
            operation: name,
            name: name.in_words(),
            address: match (under_way, state.and_then(HostState::prepare)) {
                (Some(run), _) => acts::address(&Act::Run(run.id)),
                (None, Some(act)) if name == OperationName::Prepare => acts::address(&act),
                _ => format!("/operations/{}", name.in_words()),
            },
            explains,
            state: operation.map_or_else(|| "not known yet".to_owned(), |operation| operation.words.clone()),
            quiet: matches!(standing, Standing::Nothing),
            button: match (under_way, may_change) {
                (Some(_), _) => "Open the run",
                (None, true) => "Plan",
                (None, false) => "Look at the plan",
            },
            main: state.is_some_and(|state| state.suggests(name)),
        }
    };
    vec![
        (
            "Set up",
            vec![
                row(
                    OperationName::Prepare,
                    "Prepare this host",
                    "Installs pot, turns on resource limits, has pot's activity written to a log.",
                ),
                row(OperationName::Init, "Initialise pot", "`pot init`: datasets, pf's anchors, syslogd."),
            ],
        ),
        (
            "Running",
            vec![row(
                OperationName::VnetStart,
                "Start the virtual network",
                "`pot vnet-start`: bridge, NAT, pf. Put back by itself unless you keep it.",
            )],
        ),
        (
            "Remove",
            vec![
                row(
                    OperationName::DeInit,
                    "Remove pot from this host",
                    "`pot de-init`: destroys every pot, base and image. There is no undo.",
                ),
                row(
                    OperationName::CleanUp,
                    "Clean up what pot left behind",
                    "After removing pot: syslogd_flags, pot_enable, the bridge, NAT rules, its folder.",
                ),
            ],
        ),
    ]
}

// -- options --

/// What a URL or a form says about an operation.
struct Options(Vec<(String, String)>);

impl Options {
    fn of_query(query: &str) -> Result<Self, Fault> {
        web::Query::<Vec<(String, String)>>::from_query(query)
            .map(|pairs| Self(pairs.into_inner()))
            .map_err(|_| Fault::Invalid("The address could not be read.".to_owned()))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }

    fn all<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Vec<T>, Fault> {
        self.0
            .iter()
            .filter(|(key, _)| key == name)
            .flat_map(|(_, value)| value.split(','))
            .filter(|word| !word.is_empty())
            .map(|word| {
                serde_json::from_value(serde_json::Value::from(word))
                    .map_err(|_| Fault::Invalid(format!("There is no {name} {word:?}.")))
            })
            .collect()
    }

    /// Whether someone chose among what an operation can do.
    fn chooses(&self) -> bool {
        self.get("items").is_some() || self.is("chosen", "on")
    }

    /// One of a few words.
    fn one_of(&self, name: &str, words: &[&str]) -> Result<Option<&str>, Fault> {
        match self.get(name) {
            Some(word) if !words.contains(&word) => {
                Err(Fault::Invalid(format!("{name} can be {}, not {word:?}.", words.join(", "))))
            }
            word => Ok(word),
        }
    }

    fn pf_file(&self) -> Result<Option<u32>, Fault> {
        self.get("pf_file")
            .map(|text| text.parse().map_err(|_| Fault::Invalid("pf_file is a number of the list.".to_owned())))
            .transpose()
    }

    /// The operation of that name with these options.
    fn operation(&self, name: &str) -> Result<Operation, Fault> {
        Ok(match name {
            "prepare" => {
                let mut items = self.all::<Preparation>("items")?;
                // Without a choice, and while nothing is known of the host: what the list of operations says of it.
                if items.is_empty() && !self.is("chosen", "on") {
                    items = vec![Preparation::InstallPot, Preparation::EnableRacct, Preparation::RouteLog];
                }
                Operation::Prepare { items }
            }
            "init" => {
                let pf = self.one_of("pf", &["place", "pot", "leave"])?;
                let syslogd = self.one_of("syslogd", &["merge", "replace", "leave"])?;
                let (leave_pf, leave_syslogd) = (pf == Some("leave"), syslogd == Some("leave"));
                Operation::Init {
                    place_anchors: pf != Some("pot"),
                    merge_syslogd_flags: syslogd != Some("replace"),
                    minimal: leave_pf && leave_syslogd,
                    leave_syslogd,
                    leave_pf,
                    pf_file: self.pf_file()?,
                }
            }
            "vnet-start" => {
                Operation::VnetStart {
                    revert_after: match self.get("revert") {
                        None => Some(60),
                        Some("no") => None,
                        Some(text) => Some(text.parse().map_err(|_| {
                            Fault::Invalid("revert is a number of seconds (10 to 600), or no.".to_owned())
                        })?),
                    },
                }
            }
            "de-init" => Operation::DeInit {
                stop_pots: self.is("stop", "on"),
                minimal: self.is("pf", "leave"),
                pf_file: self.pf_file()?,
            },
            "clean-up" => {
                let mut items = self.all::<Leftover>("items")?;
                if items.is_empty() && !self.is("chosen", "on") {
                    items = Leftover::ALL.to_vec();
                }
                Operation::CleanUp { items }
            }
            "restore" => {
                let backup = self.get("backup").unwrap_or_default();
                let file = self.get("file").unwrap_or_default();
                Operation::Restore {
                    backup: backup
                        .parse::<Digest>()
                        .map_err(|_| Fault::Invalid("The address names no kept version.".to_owned()))?,
                    // As links have it, or as the data of a plan does.
                    file: ManagedFile::of_name(file)
                        .or_else(|| serde_json::from_value(file.into()).ok())
                        .ok_or_else(|| Fault::Invalid(format!("No versions are kept of {file:?}.")))?,
                }
            }
            _ => return Err(Fault::NotFound),
        })
    }
}

// -- a plan --

/// `templates/operations/plan.html`.
#[derive(Template)]
#[template(path = "operations/plan.html")]
struct PlanPage {
    frame: Frame,
    plan: Plan,
    name: String,
    heading: &'static str,
    command: Option<String>,
    made: Time,
    sums: Vec<Sum>,
    total: String,
    running: usize,
    /// The network before and after, where the plan is one of it.
    pictures: Option<(PictureView, PictureView)>,
    options: OptionsView,
    needs_password: bool,
    reason: String,
    reason_required: bool,
    text_address: String,
    commands_address: String,
    connected: Option<String>,
    loopback: bool,
    may_start: bool,
    typed: String,
    hidden: Vec<(&'static str, String)>,
    /// Where pot is removed: why.
    feedback: Option<Questions>,
    /// The run under way: until it has ended no plan can start.
    run: Option<RunNow>,
}

/// What the options form shows.
struct OptionsView {
    pf: &'static str,
    syslogd: &'static str,
    pf_file: Option<u32>,
    revert: String,
    times: Vec<(String, String)>,
    stop: bool,
    items: Vec<Choice>,
}

/// One checkbox.
struct Choice {
    value: String,
    label: &'static str,
    chosen: bool,
}

/// A line of what will be destroyed.
struct Sum {
    what: &'static str,
    which: String,
    /// None: not counted.
    number: Option<usize>,
    size: String,
}

#[expect(
    clippy::unused_self,
    clippy::trivially_copy_pass_by_ref,
    reason = "templates call methods, with references to what they loop over"
)]
impl PlanPage {
    fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// The paragraph of the guide that is about it.
    fn guide(&self) -> Option<&'static str> {
        use OperationName::{CleanUp, DeInit, Init, VnetStart};
        let name = [Init, VnetStart, DeInit, CleanUp].into_iter().find(|name| name.in_words() == self.name)?;
        paragraph_about(Topic::Operation(name)).map(|paragraph| paragraph.id)
    }

    fn step_icon(&self, step: &Step) -> Icon {
        match step.state {
            StepState::Done => Icon::new("tick", "Done", "is-good"),
            StepState::WillBeCreated => Icon::new("todo", "Will be created", "quiet"),
            StepState::WillBeChanged => Icon::new("todo", "Will be changed", "is-accent"),
            StepState::WillBeDestroyed => Icon::new("warn", "Will be destroyed", "is-error"),
            StepState::WillRun => Icon::new("wait", "Will run", "quiet"),
            StepState::Blocks => Icon::new("error", "Blocks", "is-error"),
        }
    }

    fn step_state(&self, step: &Step) -> &'static str {
        text::state(step.state)
    }

    fn shell(&self, argv: &[String]) -> String {
        shell_words(argv)
    }

    /// Whether a start would neither change nor run anything: then nothing is asked for.
    fn is_idle(&self) -> bool {
        self.plan.nothing_to_do && self.plan.steps.iter().all(|step| step.state == StepState::Done)
    }

    fn acknowledges(&self) -> bool {
        self.plan.confirm_text.as_deref() == Some(ACKNOWLEDGED)
    }

    /// Whether the firewall decides from then on who reaches this host.
    fn turns_pf_on(&self) -> bool {
        self.plan.steps.iter().any(|step| step.title == PF_ON && step.state == StepState::WillBeChanged)
    }

    /// The fact of the host that a plan puts back to, where the model has a word for it.
    fn fact(what: &str) -> Option<&'static str> {
        (what == NAT_RULES).then_some("nat")
    }

    fn destroys(&self) -> bool {
        !self.plan.destroys.is_empty()
    }

    fn one_time(&self) -> bool {
        self.plan.proof == ProofNeeded::OneTime
    }

    fn shell_proof(&self) -> bool {
        self.plan.proof == ProofNeeded::Shell
    }

    fn is_pf_file(&self, place: &usize) -> bool {
        self.options.pf_file.and_then(|chosen| usize::try_from(chosen).ok()) == Some(*place)
    }

    /// Where the finding's parameter is changed.
    fn parameter_address(&self, name: &str) -> String {
        acts::parameter_address(name)
    }
}

async fn show(request: HttpRequest, visitor: Visitor, name: web::Path<String>) -> Result<HttpResponse, Fault> {
    let options = Options::of_query(request.query_string())?;
    let operation = match options.operation(&name)? {
        Operation::Prepare { items } if !options.chooses() => {
            Operation::Prepare { items: open(&visitor, items).await? }
        }
        operation => operation,
    };
    let plan = plan(&visitor, operation).await?;
    let plain = |text: String| Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(text));
    match options.get("format") {
        Some("text") => plain(text::text(&plan)),
        Some("commands") => plain(text::commands(&plan)),
        _ => plan_page(&visitor, &name, plan, &Given::default(), StatusCode::OK).await,
    }
}

/// What is open on this host; of these, what somebody wants, where nothing is or the host is not known yet.
async fn open(visitor: &Visitor, usual: Vec<Preparation>) -> Result<Vec<Preparation>, Fault> {
    let Some(known) = Known::of(visitor).await? else { return Ok(usual) };
    let state = known.state(visitor);
    if !state.preparations.is_empty() {
        return Ok(state.preparations.clone());
    }
    let dismissed = |item| state.readiness.iter().any(|row| row.dismissed && row.action == Some(item));
    Ok(usual.into_iter().filter(|item| !dismissed(*item)).collect())
}

async fn plan(visitor: &Visitor, operation: Operation) -> Result<Plan, Refusal> {
    visitor.ask(Command::Plan { operation }).await
}

/// What was given with a try that did not start.
#[derive(Default)]
struct Given {
    reason: String,
    typed: String,
    notice: Option<Notice>,
    needs_password: bool,
}

/// The network as it is and as this plan makes it. None where it makes another of nothing, or cannot start.
async fn pictures(visitor: &Visitor, plan: &Plan) -> Option<(PictureView, PictureView)> {
    if !matches!(plan.operation, Operation::VnetStart { .. }) || !plan.blockers.is_empty() {
        return None;
    }
    let known = Known::of(visitor).await.ok()??;
    let state = known.state(visitor);
    let before = Picture::now(&known.facts, &known.configuration, &state.pot);
    let after = Picture::wanted(&known.facts, &known.configuration).compared_with(&before);
    Some((
        PictureView::small("before", "The network before this plan", before),
        PictureView::small("after", "The network after this plan", after),
    ))
}

async fn plan_page(
    visitor: &Visitor,
    name: &str,
    plan: Plan,
    given: &Given,
    status: StatusCode,
) -> Result<HttpResponse, Fault> {
    let heading = title(&plan.operation);
    let newest = runs(visitor, None, 1).await?.first().map(|run| run.state);
    let frame = with_active(visitor.frame(Entry::Operations, heading), newest).with_notice(given.notice.clone());
    let query = query_of(&plan.operation);
    let peer = visitor.connection.peer.map(|peer| peer.ip().to_canonical());
    let connected = match (peer, visitor.connection.local) {
        (Some(peer), Some(local)) => {
            Some(format!("You are connected from {peer} to {}, port {}.", local.ip().to_canonical(), local.port()))
        }
        _ => None,
    };
    let running =
        plan.steps.iter().filter(|step| step.title.starts_with("pot ") && step.detail.starts_with("runs")).count();
    let needs_password = given.needs_password
        || plan.proof == ProofNeeded::OneTime
        || (plan.proof == ProofNeeded::Fresh && !visitor.session.fresh);
    let destructive = matches!(plan.proof, ProofNeeded::OneTime | ProofNeeded::Shell);
    let page = PlanPage {
        heading,
        command: plan.command(),
        made: visitor.clock().time(&plan.made),
        sums: sums(&plan),
        total: plan
            .confirm_text
            .as_ref()
            .and_then(|root| plan.destroys.iter().find(|dataset| dataset.name == *root))
            .map(|dataset| size(dataset.used))
            .unwrap_or_default(),
        running,
        pictures: pictures(visitor, &plan).await,
        options: options_of(&plan.operation),
        needs_password,
        reason: given.reason.clone(),
        reason_required: visitor.greeting.reason_required,
        text_address: format!("/operations/{name}?{query}format=text"),
        commands_address: format!("/operations/{name}?{query}format=commands"),
        connected,
        loopback: peer.is_some_and(|peer| peer.is_loopback()),
        may_start: visitor.may(if destructive { Role::Admin } else { Role::Operator }),
        typed: given.typed.clone(),
        hidden: pairs_of(&plan.operation),
        feedback: matches!(plan.operation, Operation::DeInit { .. })
            .then(|| Questions::on(visitor, feedback::PLAN.to_owned())),
        name: name.to_owned(),
        run: visitor.run_under_way(),
        frame,
        plan,
    };
    layout::page(status, &page)
}

/// The options as a query, with `&` at its end when there are any.
fn query_of(operation: &Operation) -> String {
    let mut query = String::new();
    for (name, value) in pairs_of(operation) {
        query.push_str(&format!("{name}={}&", layout::query_value(&value)));
    }
    query
}

/// The options as names and values.
fn pairs_of(operation: &Operation) -> Vec<(&'static str, String)> {
    let mut pairs: Vec<(&'static str, String)> = Vec::new();
    let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    match operation {
        Operation::Prepare { items } => {
            pairs.extend(items.iter().filter_map(|item| Some(("items", word(serde_json::to_value(item).ok()?)))));
        }
        Operation::Init { pf_file, .. } | Operation::DeInit { pf_file, .. } => {
            let view = options_of(operation);
            pairs.push(("pf", view.pf.to_owned()));
            if matches!(operation, Operation::Init { .. }) {
                pairs.push(("syslogd", view.syslogd.to_owned()));
            } else if view.stop {
                pairs.push(("stop", "on".to_owned()));
            }
            pairs.extend(pf_file.map(|place| ("pf_file", place.to_string())));
        }
        Operation::VnetStart { revert_after } => {
            pairs.push(("revert", revert_after.map_or_else(|| "no".to_owned(), |time| time.to_string())));
        }
        Operation::CleanUp { items } => {
            pairs.push(("chosen", "on".to_owned()));
            pairs.extend(items.iter().filter_map(|item| Some(("items", word(serde_json::to_value(item).ok()?)))));
        }
        Operation::Restore { backup, file } => {
            pairs.push(("file", file.name().to_owned()));
            pairs.push(("backup", backup.to_string()));
        }
    }
    pairs
}

fn options_of(operation: &Operation) -> OptionsView {
    let mut view = OptionsView {
        pf: "place",
        syslogd: "merge",
        pf_file: None,
        revert: "60".to_owned(),
        times: Vec::new(),
        stop: false,
        items: Vec::new(),
    };
    let choice = |value: &str, label, chosen| Choice { value: value.to_owned(), label, chosen };
    match operation {
        Operation::Init { place_anchors, merge_syslogd_flags, minimal, leave_syslogd, leave_pf, pf_file } => {
            view.pf = match (*minimal || *leave_pf, *place_anchors) {
                (true, _) => "leave",
                (false, true) => "place",
                (false, false) => "pot",
            };
            view.syslogd = match (*minimal || *leave_syslogd, *merge_syslogd_flags) {
                (true, _) => "leave",
                (false, true) => "merge",
                (false, false) => "replace",
            };
            view.pf_file = *pf_file;
        }
        Operation::VnetStart { revert_after } => {
            view.revert = revert_after.map_or_else(|| "no".to_owned(), |time| time.to_string());
            let mut times = vec![30, 60, 120, 300, 600];
            // An address may ask for any.
            times.extend(revert_after.filter(|time| !times.contains(time)));
            times.sort_unstable();
            view.times = times
                .into_iter()
                .map(|time| match time {
                    120.. if time % 60 == 0 => (time.to_string(), format!("{} minutes", time / 60)),
                    _ => (time.to_string(), format!("{time} seconds")),
                })
                .chain(std::iter::once(("no".to_owned(), "Run without putting back".to_owned())))
                .collect();
        }
        Operation::DeInit { stop_pots, minimal, pf_file } => {
            view.stop = *stop_pots;
            view.pf = if *minimal { "leave" } else { "clean" };
            view.pf_file = *pf_file;
        }
        Operation::Prepare { items } => {
            view.items = Preparation::ALL
                .into_iter()
                .map(|item| choice(item.name(), item.in_words(), items.contains(&item)))
                .collect();
        }
        Operation::CleanUp { items } => {
            view.items = Leftover::ALL
                .into_iter()
                .map(|item| choice(item.name(), item.in_words(), items.contains(&item)))
                .collect();
        }
        Operation::Restore { .. } => {}
    }
    view
}

/// What will be destroyed, by kind.
fn sums(plan: &Plan) -> Vec<Sum> {
    let Some(root) = plan.confirm_text.as_deref().filter(|_| !plan.destroys.is_empty()) else { return Vec::new() };
    // Children of a folder dataset are what people call pots, bases and so on.
    let children = |folder: &str| -> Vec<&Dataset> {
        let prefix = format!("{root}/{folder}/");
        plan.destroys
            .iter()
            .filter(|dataset| dataset.kind != "snapshot")
            .filter(|dataset| dataset.name.strip_prefix(&prefix).is_some_and(|rest| !rest.contains(['/', '@'])))
            .collect()
    };
    let mut sums: Vec<Sum> = [("Pots", "jails"), ("Bases", "bases"), ("Shared file systems", "fscomp")]
        .into_iter()
        .map(|(what, folder)| {
            let datasets = children(folder);
            let names: Vec<&str> = datasets.iter().filter_map(|dataset| dataset.name.rsplit('/').next()).collect();
            Sum {
                what,
                which: if names.len() > 12 {
                    format!("{} and {} more", names.get(..12).unwrap_or_default().join(", "), names.len() - 12)
                } else {
                    names.join(", ")
                },
                number: Some(names.len()),
                size: size(datasets.iter().map(|dataset| dataset.used).sum()),
            }
        })
        .collect();
    let listed = plan.destroys.iter().filter(|dataset| dataset.kind == "snapshot").count();
    let all = plan.snapshots.as_ref().and_then(|all| usize::try_from(all.count).ok());
    let snapshots = all.unwrap_or(listed);
    sums.push(Sum {
        what: "Snapshots",
        which: String::new(),
        number: Some(snapshots),
        size: "in the above".to_owned(),
    });
    if let Some(cache) = plan.destroys.iter().find(|dataset| dataset.name == format!("{root}/cache")) {
        sums.push(Sum {
            what: "Cached images",
            which: format!("in {}", cache.mountpoint),
            number: plan.cache_is_empty.filter(|empty| *empty).map(|_| 0),
            size: size(cache.used),
        });
    }
    sums
}

/// Starts the plan that was shown.
async fn start(visitor: Visitor, name: web::Path<String>, form: Form) -> Result<HttpResponse, Fault> {
    let options = Options(form.0.clone());
    let operation = options.operation(&name)?;
    let number = |field: &str| form.text(field).and_then(|text| text.parse::<u64>().ok());
    let digest = form.text("digest").and_then(|text| text.parse::<Digest>().ok());
    let (Some(plan_number), Some(digest)) = (number("plan"), digest) else {
        return Err(Fault::Invalid("The form names no plan. Open the plan again.".to_owned()));
    };
    let password = form.get("password").filter(|password| !password.is_empty()).map(|text| Secret(text.to_owned()));
    let reason = form.text("reason").map(str::to_owned);
    let typed = form.text("confirm_text").unwrap_or_default().to_owned();
    let one_time = form.text("proof") == Some("one-time");
    let started = async {
        if let Some(password) = password.clone().filter(|_| !one_time) {
            visitor.ask::<SessionView>(Command::Prove { password }).await?;
        }
        let command = Command::Run {
            plan: plan_number,
            digest,
            password: password.filter(|_| one_time),
            confirm_text: Some(typed.clone()).filter(|typed| !typed.is_empty()),
            reason: reason.clone(),
        };
        visitor.ask(command).await
    };
    match started.await {
        Ok(Started { run }) => Ok(layout::see_other(&format!("/runs/{run}"))),
        Err(refusal) => refused(&visitor, &name, operation, reason, typed, refusal).await,
    }
}

/// The plan again, with why it did not start.
async fn refused(
    visitor: &Visitor,
    name: &str,
    operation: Operation,
    reason: Option<String>,
    typed: String,
    refusal: Refusal,
) -> Result<HttpResponse, Fault> {
    if matches!(refusal.kind, RefusalKind::SignInNeeded | RefusalKind::Malformed) {
        return Err(refusal.into());
    }
    let status = actix_web::ResponseError::status_code(&Fault::from(refusal.clone()));
    let plan = plan(visitor, operation).await?;
    let given = Given {
        reason: reason.unwrap_or_default(),
        typed,
        needs_password: matches!(refusal.kind, RefusalKind::ProofNeeded | RefusalKind::WrongPassword),
        notice: Some(match refusal.kind {
            RefusalKind::Findings | RefusalKind::Failed | RefusalKind::NotRecorded => Notice::failed(refusal.message),
            RefusalKind::Conflict | RefusalKind::NotFound => {
                Notice::attention(format!("{} This is the new plan.", refusal.message))
            }
            _ => Notice::attention(refusal.message),
        }),
    };
    Ok(with_retry(plan_page(visitor, name, plan, &given, status).await?, refusal.kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(name: &str, query: &str) -> Operation {
        Options::of_query(query).unwrap().operation(name).unwrap()
    }

    #[test]
    fn an_address_and_its_plan_name_the_same_options() {
        for (name, query) in [
            ("init", ""),
            ("init", "pf=leave&syslogd=replace"),
            ("init", "pf=leave&syslogd=leave"),
            ("vnet-start", "revert=300"),
            ("vnet-start", "revert=no"),
            ("de-init", "stop=on&pf=leave"),
            ("prepare", "items=install-pot&items=route-log"),
            ("prepare", "items=install-pot,route-log"),
            ("clean-up", "chosen=on&items=bridge"),
        ] {
            let wanted = operation(name, query);
            let again = query_of(&wanted);
            assert_eq!(operation(name, again.trim_end_matches('&')), wanted, "{name}?{query}");
        }
        assert!(Options::of_query("items=nonsense").unwrap().operation("prepare").is_err());
        assert!(Options::of_query("pf=/etc/passwd").unwrap().operation("init").is_err());
        assert!(Options::of_query("").unwrap().operation("rm").is_err());
    }
}
