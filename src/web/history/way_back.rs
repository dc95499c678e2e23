//! The way back: what would undo an act on today's file, and its saving.

use super::{Shown, act_of, of_pot_conf};
use crate::audit::Act;
use crate::digest::Digest;
use crate::executor::protocol::{Command, ConfigurationView, ReviewView, Saved};
use crate::potconf::{Edit, EditAction, Name, Source};
use crate::refusal::RefusalKind;
use crate::web::error::Fault;
use crate::web::kept::configuration_of;
use crate::web::layout::{self, Entry as Place, Frame};
use crate::web::visitor::{Form, Visitor};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

/// `templates/history/way_back.html`: what would undo an act on today's file.
#[derive(Template)]
#[template(path = "history/way_back.html")]
struct WayBack {
    frame: Frame,
    shown: Shown,
    undone: Vec<Undone>,
    review: Option<ReviewView>,
    base: Digest,
    reason: String,
    problem: Option<String>,
    errors: usize,
    all_errors: usize,
}

/// One value that goes back.
struct Undone {
    name: String,
    now: Option<String>,
    back_to: Option<String>,
    /// Someone changed it since.
    changed_since: bool,
}

/// The edits that undo an act: each value back to what it was, on the file as it stands today.
fn inverse(act: &Act) -> Result<Vec<Edit>, Fault> {
    let entry = &act.record.entry;
    let edits = entry.changes.iter().filter_map(|change| {
        let name = Name::try_from(change.name.as_str()).ok()?;
        let action = change.from.clone().map_or(EditAction::Unset, EditAction::Set);
        Some(Edit { name, action })
    });
    let edits: Vec<Edit> = edits.collect();
    if edits.is_empty() || !of_pot_conf(entry.action) {
        return Err(Fault::Invalid(format!("Record {} changed no value of pot.conf.", act.record.sequence)));
    }
    Ok(edits)
}

async fn page(
    visitor: &Visitor,
    record: u64,
    reason: String,
    problem: Option<String>,
    status: StatusCode,
) -> Result<HttpResponse, Fault> {
    let act = act_of(visitor, record).await?;
    let edits = inverse(&act)?;
    let view: ConfigurationView = visitor.ask(Command::Configuration {}).await?;
    let today = configuration_of(&view).ok();
    let undone = act
        .record
        .entry
        .changes
        .iter()
        .map(|change| {
            let setting = today.as_ref().map(|today| today.setting(&change.name));
            let now =
                setting.and_then(|setting| (setting.source == Source::PotConf).then_some(setting.value).flatten());
            Undone { name: change.name.clone(), changed_since: now != change.to, now, back_to: change.from.clone() }
        })
        .collect();
    let (review, problem) = match visitor.ask::<ReviewView>(Command::Review { base: view.digest, edits }).await {
        Ok(review) => (Some(review), problem),
        Err(refusal) => (None, Some(problem.unwrap_or(refusal.message))),
    };
    let errors = review.as_ref().map_or(0, |review| review.errors);
    let is_error = |finding: &&crate::rules::Finding| finding.severity == crate::rules::Severity::Error;
    let all_errors = review.as_ref().map_or(0, |review| review.findings.iter().filter(is_error).count());
    let shown = Shown::new(visitor, act, false, format!("/history/{record}"));
    let page = WayBack {
        frame: visitor.frame(Place::History, "The way back"),
        shown,
        undone,
        review,
        base: view.digest,
        reason,
        problem,
        errors,
        all_errors,
    };
    layout::page(status, &page)
}

pub(super) async fn show(visitor: Visitor, record: web::Path<u64>) -> Result<HttpResponse, Fault> {
    page(&visitor, *record, String::new(), None, StatusCode::OK).await
}

pub(super) async fn go_back(visitor: Visitor, record: web::Path<u64>, form: Form) -> Result<HttpResponse, Fault> {
    let act = act_of(&visitor, *record).await?;
    let reason = form.get("reason").unwrap_or_default().trim().to_owned();
    let base: Digest = form.get("base").unwrap_or_default().parse().map_err(|_| {
        Fault::Invalid("The form does not say which file it was made from. Plan the way back again.".to_owned())
    })?;
    let accept_errors = form.get("accept_errors") == Some("1");
    // Where a reason is a duty, none is made up: the executor refuses and the page says so.
    let duty = accept_errors || visitor.greeting.reason_required;
    let given = match reason.as_str() {
        "" if duty => None,
        "" => Some(format!("Back to before record {}", act.record.sequence)),
        said => Some(said.to_owned()),
    };
    let command = Command::Save { base, edits: inverse(&act)?, reason: given, accept_errors };
    match visitor.ask(command).await {
        Ok(Saved { record: saved, .. }) => Ok(layout::see_other(&format!("/history/{saved}"))),
        Err(refusal) => {
            let status = if refusal.kind == RefusalKind::Conflict {
                StatusCode::CONFLICT
            } else {
                StatusCode::UNPROCESSABLE_ENTITY
            };
            page(&visitor, *record, reason, Some(refusal.message), status).await
        }
    }
}
