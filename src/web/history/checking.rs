//! The check of the whole history: one at a time, whoever asks sees the same one, and how far it is.

use super::{Fault, Filters, Visitor, list};
use crate::audit::{FollowError, compare_all};
use crate::executor::protocol::{Command, VerifyView};
use crate::web::State;
use crate::web::layout::{self, Entry as Place, Frame, Notice};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Where it is seen how far it is.
pub(super) const ADDRESS: &str = "/history/check";
/// A check that ends within this time is answered at once.
const AT_ONCE: Duration = Duration::from_millis(1500);
/// How often the page of one that takes longer asks again, in seconds.
const AGAIN: &str = "2";

/// The last check of the whole history.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) at: Timestamp,
    view: VerifyView,
    /// What differs between the database and the journal, in words.
    difference: Option<String>,
}

impl Checked {
    /// What was found wrong.
    pub(super) fn problem(&self) -> Option<String> {
        self.view.problem.clone().or(self.difference.clone())
    }

    fn notice(&self) -> Notice {
        match (&self.view.problem, &self.difference) {
            (Some(problem), _) => Notice::failed(format!("The journal is not sound: {problem}")),
            (None, Some(difference)) => Notice::failed(format!(
                "The journal is sound, but this list is not what it says: {difference}. Rebuild it with: pot-console audit rebuild"
            )),
            (None, None) => {
                let count =
                    |number: u64, one, more| layout::counted(usize::try_from(number).unwrap_or(usize::MAX), one, more);
                let repeated = match self.view.repeated {
                    0 => String::new(),
                    number => format!(
                        " {} of an act that had ended already: the first end counts.",
                        count(number, "record tells the end", "records tell the end")
                    ),
                };
                Notice::done(format!(
                    "{} read: each stands in its place unbroken, the head agrees, and so does every row of this list.{repeated}",
                    count(self.view.records, "record", "records")
                ))
            }
        }
    }
}

/// How far a check is.
#[derive(Debug, Clone)]
enum Step {
    /// The executor reads the journal.
    Journal,
    /// Rows are held against it: up to which record, and to which.
    Rows(u64, u64),
    /// It has ended.
    Ended(Result<Checked, Fault>),
}

/// All checks of this process.
#[derive(Debug, Default)]
pub(crate) struct Checks(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The newest one.
    newest: Option<watch::Receiver<Step>>,
    /// The newest that came to its end.
    last: Option<Checked>,
}

impl Checks {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last one that came to its end.
    pub(super) fn last(&self) -> Option<Checked> {
        self.kept().last.clone()
    }

    /// When the last one came to its end.
    pub(in crate::web) fn last_at(&self) -> Option<Timestamp> {
        self.kept().last.as_ref().map(|checked| checked.at)
    }

    /// How far the one is that is under way.
    pub(in crate::web) fn under_way(&self) -> Option<String> {
        let step = self.step()?;
        match &step {
            Step::Ended(_) => None,
            _ => Some(words(&step)),
        }
    }

    /// Where the newest one is; none when there is none, or when it came to no end.
    fn step(&self) -> Option<Step> {
        self.kept().newest.as_ref().and_then(step)
    }

    /// Joins the one that is under way, or begins one.
    fn join(state: &web::Data<State>, visitor: &Visitor) -> watch::Receiver<Step> {
        let mut kept = state.checks.kept();
        let goes_on = |newest: &&watch::Receiver<Step>| matches!(step(newest), Some(Step::Journal | Step::Rows(..)));
        if let Some(newest) = kept.newest.as_ref().filter(goes_on) {
            return newest.clone();
        }
        let (told, newest) = watch::channel(Step::Journal);
        kept.newest = Some(newest.clone());
        drop(kept);
        let (state, visitor) = (state.clone(), visitor.clone());
        tokio::spawn(async move {
            let checked = check(&state, &visitor, &told).await;
            if let Ok(checked) = &checked {
                state.checks.kept().last = Some(checked.clone());
            }
            told.send_replace(Step::Ended(checked));
        });
        newest
    }
}

fn step(newest: &watch::Receiver<Step>) -> Option<Step> {
    let step = newest.borrow().clone();
    // Without a sender whoever carried it out is gone.
    let lost = newest.has_changed().is_err() && !matches!(step, Step::Ended(_));
    (!lost).then_some(step)
}

async fn check(state: &State, visitor: &Visitor, told: &watch::Sender<Step>) -> Result<Checked, Fault> {
    let view = visitor.ask(Command::VerifyJournal {}).await?;
    let store = state.history.up_to_date(None).await;
    let rows = |at, of| drop(told.send_replace(Step::Rows(at, of)));
    let difference = match compare_all(&store, &state.client, rows).await {
        Ok(differences) => differences.in_words(),
        // A table that is gone, for one.
        Err(FollowError::Store(error)) => Some(format!("it cannot be read ({error})")),
        Err(error) => return Err(Fault::Unexpected(format!("comparing the list with the journal: {error}"))),
    };
    Ok(Checked { at: Timestamp::now(), view, difference })
}

fn words(step: &Step) -> String {
    match step {
        Step::Rows(at, of) => {
            format!("{} of {} records held against the journal", layout::grouped(*at), layout::grouped(*of))
        }
        Step::Journal | Step::Ended(_) => "the journal is being read".to_owned(),
    }
}

/// `templates/history/check.html`: how far a check is.
#[derive(Template)]
#[template(path = "history/check.html")]
struct Page {
    frame: Frame,
    words: String,
    /// Records held against the journal, and how many there are; none while the journal is read.
    rows: Option<(u64, u64)>,
}

/// Begins a check, or joins the one that is under way.
pub(super) async fn begin(visitor: Visitor, state: web::Data<State>) -> Result<HttpResponse, Fault> {
    let mut newest = Checks::join(&state, &visitor);
    let ended = tokio::time::timeout(AT_ONCE, newest.wait_for(|step| matches!(step, Step::Ended(_)))).await;
    match ended {
        Ok(Ok(step)) => {
            let step = step.clone();
            answer(&visitor, Some(step)).await
        }
        _ => Ok(layout::see_other(ADDRESS)),
    }
}

/// How far it is, and at the end what it found.
pub(super) async fn show(visitor: Visitor) -> Result<HttpResponse, Fault> {
    let step = visitor.state().checks.step();
    answer(&visitor, step).await
}

async fn answer(visitor: &Visitor, step: Option<Step>) -> Result<HttpResponse, Fault> {
    let Some(step) = step else { return Ok(layout::see_other("/history")) };
    let rows = match &step {
        Step::Ended(Ok(checked)) => return list(visitor, Filters::default(), Some(checked.notice())).await,
        Step::Ended(Err(fault)) => return Err(fault.clone()),
        Step::Rows(at, of) => Some((*at, *of)),
        Step::Journal => None,
    };
    let page = Page { frame: visitor.frame(Place::History, "Checking the history"), words: words(&step), rows };
    let mut response = layout::page(StatusCode::OK, &page)?;
    // Without any script.
    response.headers_mut().insert(HeaderName::from_static("refresh"), HeaderValue::from_static(AGAIN));
    Ok(response)
}
