//! /feedback: the guide's three questions to whoever removes pot, or has something to say. Stored on this host first;
//! sent only when that is ticked, which takes an operator.

use super::error::{Fault, with_retry};
use super::layout::{self, Entry, Frame, Notice};
use super::visitor::{Form, Visitor};
use crate::executor::protocol::{Command, FeedbackStored};
use crate::journal::record::Role;
use crate::refusal::RefusalKind;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use askama::filters::HtmlSafe;

/// Where the plan of de-init stands.
pub(super) const PLAN: &str = "/operations/de-init";

/// The routes of this file.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/feedback", web::get().to(show)).route("/feedback", web::post().to(give));
}

/// `templates/feedback/feedback.html`.
#[derive(Template)]
#[template(path = "feedback/feedback.html")]
struct Page {
    frame: Frame,
    questions: Questions,
    stored: Option<Stored>,
}

/// `templates/feedback/form.html`: the questions, on a page of their own, and as a card where pot is removed.
#[derive(Template)]
#[template(path = "feedback/form.html")]
pub(super) struct Questions {
    csrf: String,
    recipient: String,
    may_send: bool,
    given: Given,
}

/// The template escapes what it shows.
impl HtmlSafe for Questions {}

impl Questions {
    fn of(visitor: &Visitor, given: Given) -> Self {
        Self {
            csrf: visitor.csrf(),
            recipient: visitor.greeting.feedback_recipient.clone(),
            may_send: visitor.may(Role::Operator),
            given,
        }
    }

    /// The card on a page, to which the answer leads back: that of a plan of de-init, or of a run.
    pub(super) fn on(visitor: &Visitor, back: String) -> Self {
        Self::of(visitor, Given { back, ..Given::default() })
    }

    fn is_card(&self) -> bool {
        !self.given.back.is_empty()
    }

    fn rows(&self) -> u8 {
        if self.is_card() { 2 } else { 5 }
    }
}

/// Where an answer leads back to, with the words of its link: one of our own pages, never an address that someone typed.
fn way_back(back: &str) -> Option<(String, String)> {
    if back == PLAN {
        return Some((PLAN.to_owned(), "Back to the plan".to_owned()));
    }
    let run: u64 = back.strip_prefix("/runs/")?.parse().ok()?;
    Some((format!("/runs/{run}"), format!("Back to run {run}")))
}

/// What the form holds.
#[derive(Default)]
struct Given {
    wrong: String,
    missing: String,
    usability: String,
    name: String,
    reply_to: String,
    send: bool,
    /// The page that the form stood on; empty: its own.
    back: String,
}

/// What came of it.
struct Stored {
    text: String,
    recipient: String,
    mailto: String,
    back: Option<(String, String)>,
}

async fn show(visitor: Visitor) -> Result<HttpResponse, Fault> {
    page(&visitor, StatusCode::OK, Given::default(), None, None)
}

fn page(
    visitor: &Visitor,
    status: StatusCode,
    given: Given,
    stored: Option<Stored>,
    notice: Option<Notice>,
) -> Result<HttpResponse, Fault> {
    let frame = visitor.frame(Entry::Feedback, Entry::Feedback.label()).with_notice(notice);
    let questions = Questions::of(visitor, given);
    layout::page(status, &Page { frame, questions, stored })
}

async fn give(visitor: Visitor, form: Form) -> Result<HttpResponse, Fault> {
    let text = |name: &str| form.get(name).unwrap_or_default().to_owned();
    let given = Given {
        wrong: text("wrong"),
        missing: text("missing"),
        usability: text("usability"),
        name: text("name"),
        reply_to: text("reply_to"),
        send: form.has("send"),
        back: way_back(&text("back")).map(|(address, _)| address).unwrap_or_default(),
    };
    let command = Command::Feedback {
        wrong: given.wrong.clone(),
        missing: given.missing.clone(),
        usability: given.usability.clone(),
        name: form.text("name").map(str::to_owned),
        reply_to: form.text("reply_to").map(str::to_owned),
        send: given.send,
    };
    match visitor.ask(command).await {
        Ok(FeedbackStored { sent, answer, text, recipient }) => {
            let notice = match sent {
                None => Notice::done("Stored on this host. Nothing was sent."),
                Some(true) => Notice::done(format!("Stored, and handed to this host's mailer. {answer}")),
                Some(false) => Notice::attention(format!(
                    "Stored. It could not be sent: {answer}. Below is the text to send yourself."
                )),
            };
            let mailto = format!(
                "mailto:{}?subject={}&body={}",
                layout::query_value(&recipient).replace("%40", "@"),
                layout::query_value("Feedback on pot"),
                // RFC 6068 wants line ends as CRLF.
                layout::query_value(&text.replace('\n', "\r\n"))
            );
            let stored = Stored { text, recipient, mailto, back: way_back(&given.back) };
            page(&visitor, StatusCode::OK, Given::default(), Some(stored), Some(notice))
        }
        Err(refusal)
            if matches!(
                refusal.kind,
                RefusalKind::Limit
                    | RefusalKind::NotRecorded
                    | RefusalKind::Failed
                    | RefusalKind::Busy
                    | RefusalKind::Throttled
            ) =>
        {
            let status = actix_web::ResponseError::status_code(&Fault::from(refusal.clone()));
            let page = page(&visitor, status, given, None, Some(Notice::failed(refusal.message)))?;
            Ok(with_retry(page, refusal.kind))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
