//! The configuration page: edit, check while typing, review, save, and what happens when the file changed meanwhile.

mod conflict;
mod context;
mod controls;
mod effects;
mod findings;
mod form_edits;
mod form_view;
mod versions;

use super::acts;
use super::error::Fault;
use super::known::Again;
use super::layout::{self, Entry, Frame, Notice, Time, see_other};
use super::picture::{Drawn, PictureView};
use super::presence::CHECK;
use super::visitor::{Form, Visitor};
use crate::digest::Digest;
use crate::executor::protocol::{Command, FactsView, Records, ReviewView, Saved};
use crate::journal::record::{Change, Role};
use crate::network::picture::Picture;
use crate::refusal::{Conflict, Refusal, RefusalKind};
use crate::rules;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError as _, web};
use askama::Template;
use conflict::ConflictView;
use context::{PageContext, Reviewed};
use controls::Control;
use form_edits::FormEdits;
use form_view::FormView;
use ipnet::Ipv4Net;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/configuration", web::get().to(show))
        .route("/configuration", web::post().to(post))
        // htmx only: the answers to what is typed, never the controls.
        .route(CHECK, web::post().to(check))
        // A script only: whether there is something new to check against.
        .route("/configuration/facts", web::get().to(is_other))
        .configure(versions::routes);
}

/// `templates/configuration/configuration.html`.
#[derive(Template)]
#[template(path = "configuration/configuration.html")]
struct Page {
    frame: Frame,
    form: FormView,
    path: String,
    exists: bool,
    /// Whether there is a file of defaults, as every installed pot has one.
    installed: bool,
    base: String,
    reason: String,
    reason_required: bool,
    /// Said at the field: it was left empty.
    reason_missing: bool,
    /// Ask once: the errors are to be saved all the same.
    confirm: bool,
    conflict: Option<ConflictView>,
    /// Facts that are missing: the findings know less than they could.
    without_facts: bool,
    trouble: Option<String>,
    looked: Looked,
    picture: Option<Drawn>,
    /// "Read again" was pressed: the focus stays at it.
    again: bool,
}

/// `templates/configuration/looked.html`: when the host was looked at.
struct Looked {
    /// None until the first look has ended.
    facts: Option<(Time, String, i64)>,
    /// Whether it is being looked at.
    reading: bool,
    /// What a script asks with whether there is something new.
    have: String,
}

impl Looked {
    fn of(visitor: &Visitor, context: &PageContext) -> Self {
        let clock = visitor.clock();
        let age = |facts: &crate::facts::HostFacts| {
            let seconds = clock.now().as_second().saturating_sub(facts.at.as_second()).max(0);
            (clock.time(&facts.at), clock.ago(&facts.at), seconds)
        };
        Self { facts: context.facts.as_deref().map(age), reading: context.refreshing, have: context.version() }
    }
}

/// `templates/configuration/check.html`: what htmx swaps, out of band.
#[derive(Template)]
#[template(path = "configuration/check.html")]
struct Answers {
    frame: Frame,
    form: FormView,
    reason_required: bool,
    confirm: bool,
    conflict: Option<ConflictView>,
    looked: Looked,
    picture: Option<Drawn>,
    /// The host was read again because someone asked for it.
    again: bool,
    /// Whether the findings are others than the page last announced.
    announce: bool,
    /// Rows whose control a fix or undo has changed.
    swapped: BTreeSet<String>,
}

/// `templates/configuration/ended.html`: the session ended while someone was typing.
#[derive(Template)]
#[template(path = "configuration/ended.html")]
struct Ended {}

#[derive(serde::Deserialize)]
struct Asked {
    /// A form that outlived its session.
    kept: Option<String>,
    /// The record of what was saved just now.
    saved: Option<u64>,
    open: Option<String>,
}

impl PageContext {
    /// Reads the files and what is known of the host.
    async fn load(visitor: &Visitor) -> Result<Self, Fault> {
        let host = visitor.look().await?;
        let view = host.files.view.clone()?;
        let admin = visitor.address();
        let facts = host.told.facts.clone();
        let run = visitor.run_under_way();
        let state = facts.as_deref().map(|facts| visitor.state().kept.judged(&host, facts, admin, run));
        let configuration = Arc::clone(&host.files.configuration);
        Ok(Self { view, configuration, facts, refreshing: host.refreshing, state, admin })
    }

    /// Changes when the file or what is known of the host does.
    fn version(&self) -> String {
        let file: String = self.view.digest.hex().chars().take(12).collect();
        let at = self.facts.as_ref().map_or(0, |facts| facts.at.as_millisecond());
        format!("{at}-{}-{file}", u8::from(self.refreshing))
    }
}

/// Starts a new look at the host and waits a moment for it. One look at a time, whoever asks: it may take longer.
async fn look_again(visitor: &Visitor) -> Result<(), Fault> {
    const TURN: Duration = Duration::from_millis(250);
    const TURNS: usize = 12;
    visitor.forget_host();
    let mut refresh = true;
    for _ in 0..TURNS {
        let view: FactsView = visitor.ask(Command::Facts { refresh }).await?;
        if !view.refreshing {
            break;
        }
        refresh = false;
        actix_web::rt::time::sleep(TURN).await;
    }
    Ok(())
}

/// What a page has, as [`PageContext::version`] gave it.
#[derive(serde::Deserialize)]
struct Have {
    have: String,
}

/// Whether a page that has this would be another now.
async fn is_other(visitor: Visitor, query: web::Query<Have>) -> Result<HttpResponse, Fault> {
    let is_same = PageContext::load(&visitor).await?.version() == query.have;
    Ok(if is_same { HttpResponse::NoContent().finish() } else { HttpResponse::Ok().finish() })
}

async fn show(visitor: Visitor, query: web::Query<Asked>, again: web::Query<Again>) -> Result<HttpResponse, Fault> {
    let context = PageContext::load(&visitor).await?;
    let mut notice = match query.saved {
        Some(record) => saved_notice(&visitor, &context, record).await,
        None => None,
    };
    let mut edits = FormEdits::default();
    let mut reason = String::new();
    let mut conflict = None;
    if let Some(id) = &query.kept {
        // No question tells whether it is still kept.
        visitor.questions.give_up();
        match visitor.state().kept_forms.find(&visitor, id) {
            Some(form) if visitor.may(Role::Operator) => {
                edits = FormEdits::of_form(&form, &context.configuration);
                form.text("reason").unwrap_or_default().clone_into(&mut reason);
                // The page made from it will carry the digest of the file as it stands now.
                conflict = conflict_of(&visitor, &context, &form, &edits).await?;
                notice = Some(Notice::attention("This is what you had typed. Nothing of it is saved yet."));
            }
            _ => notice = Some(Notice::attention("What you had typed is no longer kept. Nothing of it was saved.")),
        }
    }
    let (again, open_all) = (again.is_pressed(), query.open.is_some());
    let step = Step { reason, notice, conflict, open_all, again, ..Step::default() };
    page(&visitor, &context, &edits, step)
}

/// What a page shows beside the edits.
#[derive(Default)]
struct Step {
    status: Option<StatusCode>,
    reason: String,
    reason_missing: bool,
    notice: Option<Notice>,
    confirm: bool,
    conflict: Option<Conflict>,
    open_all: bool,
    again: bool,
    focus: BTreeSet<String>,
}

fn page(visitor: &Visitor, context: &PageContext, edits: &FormEdits, step: Step) -> Result<HttpResponse, Fault> {
    let may_change = visitor.may(Role::Operator);
    let reviewed = context.review(edits);
    let form = FormView::build(context, edits, &reviewed, may_change, step.open_all, &step.focus);
    let frame = form.frame(visitor.frame(Entry::Configuration, "")).with_notice(step.notice);
    let trouble = context.configuration.trouble().map(|(source, line, reason)| {
        let file = if source == crate::potconf::Source::PotConf { &context.view.path } else { &context.view.default_path };
        format!("Nothing in {file} is certain from line {line} on: {reason}. All values are read-only here until that line is fixed by hand.")
    });
    let template = Page {
        path: context.view.path.clone(),
        exists: context.view.exists,
        installed: !context.view.default.is_empty(),
        base: context.view.digest.to_string(),
        reason: step.reason,
        reason_required: visitor.greeting.reason_required,
        reason_missing: step.reason_missing,
        confirm: step.confirm,
        conflict: step.conflict.map(|conflict| conflict_view(visitor, conflict)),
        without_facts: context.facts.is_none(),
        trouble,
        looked: Looked::of(visitor, context),
        picture: picture(context, edits, &reviewed),
        again: step.again,
        frame,
        form,
    };
    layout::page(step.status.unwrap_or(StatusCode::OK), &template)
}

/// The network as the configuration with these edits has it; what they would alter is marked. None until the host is known.
fn picture(context: &PageContext, edits: &FormEdits, reviewed: &Reviewed<'_>) -> Option<Drawn> {
    let (facts, state) = context.facts.as_deref().zip(context.state.as_deref())?;
    let saved = state.wanted.get_or_init(|| Picture::wanted(facts, &context.configuration));
    if edits.is_empty() {
        let draw = || PictureView::in_the_margin("net", "The network as pot.conf has it", saved.clone()).drawn();
        return Some(state.drawn_wanted.get_or_init(draw).clone());
    }
    let after = Picture::wanted(facts, &reviewed.review.after).compared_with(saved);
    Some(PictureView::in_the_margin("net", "The network as these changes would have it", after).drawn())
}

fn conflict_view(visitor: &Visitor, conflict: Conflict) -> ConflictView {
    let when = conflict.at.map(|at| {
        let clock = visitor.clock();
        let time = if clock.is_today(&at) { clock.short(&at) } else { clock.moment(&at) };
        time.text().to_owned()
    });
    ConflictView { when: when.unwrap_or_default(), conflict }
}

/// What a button in the form asks for. Enter in a text field is `Review`, never `Save`.
enum FormAction {
    Review,
    Fix(String),
    FixAll,
    Undo(String),
    Default(String),
    /// A network with the mask, the gateway and the DNS address that belong to it.
    Network(String),
    Again,
    Discard,
    OpenAll,
    Save {
        accept_errors: bool,
    },
}

impl FormAction {
    fn of(form: &Form) -> Self {
        let of = |name: &str| form.text(name).map(str::to_owned);
        if let Some(save) = form.get("save") {
            return Self::Save { accept_errors: save == "with-errors" };
        }
        match (of("fix"), of("undo"), of("default")) {
            (Some(fix), _, _) if fix == "all" => Self::FixAll,
            (Some(fix), _, _) => Self::Fix(fix),
            (_, Some(name), _) => Self::Undo(name),
            (_, _, Some(name)) => Self::Default(name),
            _ if form.has("again") => Self::Again,
            _ if form.has("network") => Self::Network(form.text("network").unwrap_or_default().to_owned()),
            _ if form.has("discard") => Self::Discard,
            _ if form.has("open") => Self::OpenAll,
            _ => Self::Review,
        }
    }
}

/// The edits of a form after fix, undo and the like, and the rows whose controls these changed.
fn drafted(context: &PageContext, form: &Form, action: &FormAction) -> (FormEdits, BTreeSet<String>) {
    let typed = FormEdits::of_form(form, &context.configuration);
    let mut edits = typed.clone();
    match action {
        FormAction::Fix(key) => {
            let findings = context.findings_with(&edits);
            // A parameter's name alone means the first fix that stands at it.
            let chosen = findings.iter().find(|finding| findings::fix_key(finding) == *key).or_else(|| {
                findings.iter().find(|finding| finding.fix.is_some() && finding.parameters.first() == Some(key))
            });
            if let Some(fix) = chosen.and_then(|finding| finding.fix.as_ref()) {
                edits.apply_fix(fix, &context.configuration);
            }
        }
        FormAction::FixAll => edits.apply_fixes(&context.configuration, |edits| context.findings_with(edits)),
        FormAction::Undo(name) => edits.undo(name),
        FormAction::Default(name) => edits.back_to_default(name, &context.configuration),
        FormAction::Network(network) => {
            let after = context.review(&edits).review.after;
            let network = network.parse::<Ipv4Net>().ok();
            if let Some(fix) = network.and_then(|network| rules::renumbering(&context.subject(&after), network)) {
                edits.apply_fix(&fix, &context.configuration);
            }
        }
        FormAction::Discard => edits = FormEdits::default(),
        FormAction::Again | FormAction::Review | FormAction::OpenAll | FormAction::Save { .. } => {}
    }
    let mut swapped: BTreeSet<String> = typed
        .names()
        .chain(edits.names())
        .filter(|name| typed.wanted(name) != edits.wanted(name))
        .map(str::to_owned)
        .collect();
    // An emptied field differs from what the edits says of it.
    match action {
        FormAction::Undo(name) | FormAction::Default(name) => {
            swapped.insert(name.clone());
        }
        _ => {}
    }
    (edits, swapped)
}

/// The digest of the file that the form was made from.
fn base_of(form: &Form, context: &PageContext) -> Result<Digest, Fault> {
    match form.text("base") {
        None => Ok(context.view.digest),
        Some(base) => {
            base.parse().map_err(|_| Fault::Invalid("The field base is not a digest of pot.conf.".to_owned()))
        }
    }
}

/// Whether the file is another than the form was made from, and what that means for the edits.
async fn conflict_of(
    visitor: &Visitor,
    context: &PageContext,
    form: &Form,
    edits: &FormEdits,
) -> Result<Option<Conflict>, Fault> {
    let base = base_of(form, context)?;
    if base == context.view.digest {
        return Ok(None);
    }
    let of_form = |conflict| conflict::of_form(conflict, form, &context.configuration);
    match visitor.ask::<ReviewView>(Command::Review { base, edits: edits.edits() }).await {
        Ok(review) => Ok(review.conflict.map(of_form)),
        Err(refusal) => match refusal.conflict {
            Some(conflict) => Ok(Some(of_form(*conflict))),
            // Edits that are against a limit are named in the page itself.
            None if refusal.kind == RefusalKind::Limit => Ok(None),
            None => Err(Fault::Refused(refusal)),
        },
    }
}

async fn post(visitor: Visitor, form: Form) -> Result<HttpResponse, Fault> {
    if !visitor.may(Role::Operator) {
        return Err(Fault::Refused(Refusal::new(
            RefusalKind::Forbidden,
            "You may look at the configuration, not change it. Ask an admin for the role operator.",
        )));
    }
    let action = FormAction::of(&form);
    if matches!(action, FormAction::Discard) {
        visitor.ask::<()>(Command::Draft { changes: false }).await?;
        return Ok(see_other("/configuration"));
    }
    if matches!(action, FormAction::Again) {
        look_again(&visitor).await?;
    }
    let context = PageContext::load(&visitor).await?;
    let base = base_of(&form, &context)?;
    let (edits, focus) = drafted(&context, &form, &action);
    let mut step = Step {
        reason: form.text("reason").unwrap_or_default().to_owned(),
        open_all: matches!(action, FormAction::OpenAll),
        again: matches!(action, FormAction::Again),
        ..Step::default()
    };
    if let Some(conflict) = conflict_of(&visitor, &context, &form, &edits).await? {
        step.status = Some(StatusCode::CONFLICT);
        step.conflict = Some(conflict);
        return page(&visitor, &context, &edits, step);
    }
    match action {
        FormAction::Save { accept_errors } => {
            let asked = Asking { form: &form, edits, base, accept_errors };
            save(&visitor, context, asked, step).await
        }
        FormAction::Fix(_) | FormAction::Network(_) | FormAction::Undo(_) | FormAction::Default(_) => {
            step.focus = focus.into_iter().take(1).collect();
            page(&visitor, &context, &edits, step)
        }
        _ => page(&visitor, &context, &edits, step),
    }
}

/// What is to be saved.
struct Asking<'a> {
    form: &'a Form,
    edits: FormEdits,
    base: Digest,
    accept_errors: bool,
}

async fn save(
    visitor: &Visitor,
    context: PageContext,
    asked: Asking<'_>,
    mut step: Step,
) -> Result<HttpResponse, Fault> {
    let Asking { form: sent, edits, base, accept_errors } = asked;
    let refused = |step: &mut Step, notice: Notice| {
        step.status = Some(StatusCode::UNPROCESSABLE_ENTITY);
        step.notice = Some(notice);
    };
    if edits.is_empty() {
        step.notice = Some(Notice::attention("There is nothing to save: no value differs from pot.conf."));
        return page(visitor, &context, &edits, step);
    }
    let form = FormView::build(&context, &edits, &context.review(&edits), true, false, &BTreeSet::new());
    if form.never() {
        let words = form.problems.values().map(|problem| format!("{problem}.")).collect::<Vec<_>>().join(" ");
        refused(&mut step, Notice::failed(format!("Nothing was saved. {words}")));
        return page(visitor, &context, &edits, step);
    }
    if form.brought > 0 && !accept_errors {
        step.status = Some(StatusCode::UNPROCESSABLE_ENTITY);
        step.confirm = true;
        return page(visitor, &context, &edits, step);
    }
    let reason = Some(step.reason.clone()).filter(|reason| !reason.is_empty());
    if reason.is_none() && (visitor.greeting.reason_required || accept_errors) {
        step.confirm = accept_errors;
        step.reason_missing = true;
        step.status = Some(StatusCode::UNPROCESSABLE_ENTITY);
        return page(visitor, &context, &edits, step);
    }
    match visitor.ask(Command::Save { base, edits: edits.edits(), reason, accept_errors }).await {
        Ok(Saved { record, .. }) => Ok(see_other(&format!("/configuration?saved={record}"))),
        Err(refusal) => not_saved(visitor, sent, edits, refusal, step).await,
    }
}

/// The executor refused: the form stays as it was typed, on the file as it stands now.
async fn not_saved(
    visitor: &Visitor,
    form: &Form,
    edits: FormEdits,
    refusal: Refusal,
    mut step: Step,
) -> Result<HttpResponse, Fault> {
    if refusal.kind == RefusalKind::SignInNeeded {
        return Err(Fault::SignIn);
    }
    let context = PageContext::load(visitor).await?;
    step.status = Some(Fault::Refused(refusal.clone()).status_code());
    match (refusal.kind, refusal.conflict) {
        (RefusalKind::Conflict, Some(conflict)) => {
            step.conflict = Some(conflict::of_form(*conflict, form, &context.configuration));
        }
        (RefusalKind::Findings, _) => step.confirm = true,
        _ => step.notice = Some(Notice::failed(format!("Nothing was saved. {}", refusal.message))),
    }
    page(visitor, &context, &edits, step)
}

async fn check(visitor: Result<Visitor, Fault>, form: Form) -> Result<HttpResponse, Fault> {
    let visitor = match visitor {
        Ok(visitor) => visitor,
        Err(fault) => return ended(fault),
    };
    let action = FormAction::of(&form);
    let again = matches!(action, FormAction::Again);
    let looked = if again { look_again(&visitor).await } else { Ok(()) };
    let context = match looked {
        Ok(()) => PageContext::load(&visitor).await,
        Err(fault) => Err(fault),
    };
    let context = match context {
        Ok(context) => context,
        Err(fault) => return ended(fault),
    };
    let may_change = visitor.may(Role::Operator);
    let (edits, mut swapped) = drafted(&context, &form, &action);
    // Facts that were read again say nothing of what someone does.
    if may_change && !again {
        visitor.ask::<()>(Command::Draft { changes: !edits.edits().is_empty() }).await?;
    }
    let conflict = conflict_of(&visitor, &context, &form, &edits).await?;
    let mut focus: BTreeSet<String> = swapped.iter().take(1).cloned().collect();
    if form.has(form_edits::TYPED_BESIDE) {
        swapped.insert(form_edits::EXTRA.to_owned());
        focus.extend(form_edits::typed_beside(&form).into_iter().take(1));
    }
    if conflict.is_some() {
        // Findings speak of the file as it stands, and so do the fields that were not touched.
        swapped.extend(conflict::changed_by_others(&form, &context.configuration, &edits));
    }
    let seen = form.get("seen").map(str::to_owned);
    let reviewed = context.review(&edits);
    let form = FormView::build(&context, &edits, &reviewed, may_change, false, &focus);
    let answers = Answers {
        announce: seen.as_deref() != Some(form.digest.as_str()),
        frame: form.frame(visitor.frame(Entry::Configuration, "")),
        reason_required: visitor.greeting.reason_required,
        confirm: false,
        conflict: conflict.map(|conflict| conflict_view(&visitor, conflict)),
        looked: Looked::of(&visitor, &context),
        picture: picture(&context, &edits, &reviewed),
        again,
        swapped: rows_of(&form, &swapped),
        form,
    };
    layout::page(StatusCode::OK, &answers)
}

/// The rows that hold these parameters: the networks of further interfaces stand in the row of their list.
fn rows_of(form: &FormView, names: &BTreeSet<String>) -> BTreeSet<String> {
    form
        .rows()
        .filter(|row| {
            names.contains(&row.name)
                || matches!(&row.control, Control::Extra { rows, .. } if rows.iter().any(|row| names.contains(&row.network)))
        })
        .map(|row| row.name.clone())
        .collect()
}

/// A session that ended must not take away what is typed: the page stays and offers to sign in with it.
fn ended(fault: Fault) -> Result<HttpResponse, Fault> {
    let over = matches!(fault, Fault::SignIn) || fault.refusal(RefusalKind::SignInNeeded).is_some();
    if over { session_ended() } else { Err(fault) }
}

/// What `CHECK` answers when nobody is signed in.
pub(super) fn session_ended() -> Result<HttpResponse, Fault> {
    layout::page(StatusCode::UNAUTHORIZED, &Ended {})
}

/// "Saved. POT_NETWORK not set → 10.200.0.0/16 and 2 more.", with what comes next.
async fn saved_notice(visitor: &Visitor, context: &PageContext, record: u64) -> Option<Notice> {
    let ask = Command::JournalAfter { after: record.checked_sub(1)?, limit: 1 };
    let Records { records, .. } = visitor.state().client.ask(None, &visitor.reported, ask).await.ok()?;
    let found = records.into_iter().find(|found| found.sequence == record)?;
    if found.entry.action != crate::journal::record::Action::Configuration {
        return None;
    }
    let text = match found.entry.changes.as_slice() {
        [] => "Saved.".to_owned(),
        [one] => format!("Saved. {}.", changed(one)),
        [first, rest @ ..] => format!("Saved. {} and {} more.", changed(first), rest.len()),
    };
    let lead = context.state.as_ref().and_then(|state| state.lead.as_ref());
    let next = acts::next(lead, "/configuration", visitor.may(Role::Operator));
    Some(Notice::done(text).with_link(format!("/history/{record}"), "Show it in the history").with_next(next))
}

fn changed(change: &Change) -> String {
    let value = |value: &Option<String>| match value.as_deref() {
        None => "not set".to_owned(),
        Some("") => "empty".to_owned(),
        Some(value) => value.to_owned(),
    };
    format!("{} {} → {}", change.name, value(&change.from), value(&change.to))
}
